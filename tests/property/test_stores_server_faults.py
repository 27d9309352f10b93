"""Whatever a PostgreSQL server fails at, stores end as they were or as the work makes them."""

from collections import Counter

import pytest

from tests.proofs import PROOFS
from tests.server_faults import FAULTS, WORKS, check_server_fault, server_stores


@pytest.mark.slow
@pytest.mark.prove
def test_faults_of_a_server_end_in_one_clear_state_and_one_line():
    # Restarts and refusals last longest, so they are few; `idle` fails at nothing.
    shares = {"terminate": 12, "lock": 6, "idle": 2, "refuse": 2, "restart": 1}
    full = [fault for fault, share in shares.items() for _ in range(share)] * 20
    small = [*FAULTS, "terminate", "terminate", "lock"]
    faults = full if PROOFS.full else small
    with server_stores() as stores:
        outcomes = Counter(
            check_server_fault(stores, seed, fault) for seed, fault in enumerate(faults)
        )
    reached = Counter(
        outcome.partition(",")[0] for outcome in outcomes.elements() if "failed" in outcome
    )
    # A fault that the work never met would prove nothing.
    for fault in set(FAULTS) - {"idle"}:
        assert reached[fault] == faults.count(fault), (fault, outcomes)
    if PROOFS.full:
        assert {f"terminate, {work}: failed" for work in WORKS} <= set(outcomes)
