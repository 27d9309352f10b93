"""Whatever a PostgreSQL server fails at, stores end as they were or as the work makes them."""

from collections import Counter

import pytest

from tests.proofs import PROOFS
from tests.server_faults import (
    FAULTS,
    WORKS,
    check_console_fault,
    check_server_fault,
    server_stores,
)


@pytest.fixture(scope="module")
def stores():
    with server_stores() as stores_of_server:
        yield stores_of_server


@pytest.mark.slow
@pytest.mark.prove
def test_faults_of_a_server_end_in_one_clear_state_and_one_line(stores):
    # Restarts and refusals last longest, so they are few; `idle` fails at nothing.
    shares = {"terminate": 12, "lock": 6, "idle": 2, "refuse": 2, "restart": 1}
    full = [fault for fault, share in shares.items() for _ in range(share)] * 20
    small = [*FAULTS, "terminate", "terminate", "lock"]
    faults = full if PROOFS.full else small
    outcomes = Counter(check_server_fault(stores, seed, fault) for seed, fault in enumerate(faults))
    reached = Counter(
        outcome.partition(",")[0] for outcome in outcomes.elements() if "failed" in outcome
    )
    # A fault that the work never met would prove nothing.
    for fault in set(FAULTS) - {"idle"}:
        assert reached[fault] == faults.count(fault), (fault, outcomes)
    if PROOFS.full:
        assert {f"terminate, {work}: failed" for work in WORKS} <= set(outcomes)


@pytest.mark.prove
@pytest.mark.parametrize("fault", ["terminate", "lock", "refuse"])
def test_the_console_answers_that_the_machine_failed_and_then_goes_on(stores, fault):
    for seed in range(PROOFS.size(1, 20)):
        check_console_fault(stores, seed, fault)
