"""Drawn histories of approvals: whatever the gate refuses waits for somebody, and nothing else."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.registry.lifecycle import DeploymentStatus
from commonwatt.clinic.domain.registry.waiting import WaitingKind, registry_waiting_rows
from commonwatt.clinic.usecases.queries import reporting_periods_by_place_and_event
from tests.clinic_factories import NOW, desk, ruling
from tests.clinic_histories import (
    DEPLOYMENT,
    GOOD,
    LEGAL,
    decided,
    gate_of,
    step,
    tell,
    to,
    write,
)
from tests.proofs import PROOFS, most_examples_reach
from tests.property.test_clinic_preconditions import RUN_UPDATE, histories

MADE = desk()
COUNT = iter(range(10**9))


def played(history, prefix):
    """Put a history on record past the desk, and return what waits of its products."""
    for entry in history:
        write(MADE, entry, prefix)
    tell(MADE, gate_of(MADE, prefix), prefix)
    rows = registry_waiting_rows(MADE.registry, NOW.date(), reporting_periods_by_place_and_event())
    return [row for row in rows if row.subject.split("/")[1].startswith(prefix)]


def refusing_rule(prefix):
    gate = gate_of(MADE, prefix)
    return gate.advice_verdict_without_record(
        f"deployment/{prefix}x", gate.encounter_pseudonym("e"), GOOD
    ).rule


def test_whatever_the_gate_refuses_waits_for_somebody():
    rules = Counter[str]()

    @settings(max_examples=PROOFS.size(60, 600), deadline=None)
    @given(histories())
    def drawn(history):
        prefix = f"w{next(COUNT)}-"
        rows, name = played(history, prefix), f"deployment/{prefix}x"
        rule, status = refusing_rule(prefix), MADE.registry.deployment_status(name)
        own = [row for row in rows if row.subject == name]
        on_record = name in MADE.registry.records
        if rule == "gate.allowed":
            assert own == []
        elif on_record and status is not DeploymentStatus.RETIRED:
            [row] = own
            # By the gate's own rule wherever it refuses what is live.
            if rule != "gate.not-live":
                assert (row.kind, row.rule) == (WaitingKind.BASIS_BROKEN, rule)
            assert row.step.role
            assert row.reason_text("zh-Hant") != row.reason_text("en")
        rules[rule] += 1
        examples.drawn += 1
        examples.reached += on_record

    with most_examples_reach(0.5) as examples:
        drawn()
    refused = rules.total() - rules["gate.allowed"]
    assert min(refused, rules["gate.allowed"]) >= rules.total() // 5, rules


@st.composite
def watched_histories(draw):
    """A product that went live by one of three ways, and harmless things besides."""
    history = list(LEGAL)
    shape = draw(st.sampled_from(["plain", "update", "approved anew"]))
    at = history.index(DEPLOYMENT)
    if shape == "update":
        history[at : at + 1] = [*RUN_UPDATE, step("deployment", version="version/v2")]
    elif shape == "approved anew":
        history[at : at + 1] = [decided("w", "withdrawn"), decided("d2"),
                                step("deployment", determination="determination/d2")]  # fmt: skip
    for number in range(draw(st.integers(0, 3))):
        harmless = draw(
            st.sampled_from(
                [
                    [step("evidence", f"more{number}")],
                    [step("ruling", f"r{number}2", **ruling("uk"))],
                    [to("paused"), to("live")],
                ]
            )
        )
        history = [*history, *harmless]
    return history


def test_nothing_waits_where_the_product_is_live_and_watched_and_nothing_is_owed():
    @settings(max_examples=PROOFS.size(30, 200), deadline=None)
    @given(watched_histories())
    def drawn(history):
        prefix = f"l{next(COUNT)}-"
        assert played(history, prefix) == []
        assert refusing_rule(prefix) == "gate.allowed"

    drawn()
