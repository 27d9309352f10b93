"""The first outcome of an advice stands, unless a clinician corrects it with a reason."""

import pytest

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.state import Registry
from commonwatt.ledger import EntryDraft
from tests.clinic_factories import BY, KEYS, NOW, with_live

ADVICE = {"deployment": "deployment/x", "encounter": "e", "score": 0.4, "shown": True}
CORRECTION = {"advice": "advice/1", "label": True, "corrects": "outcome/o1",
              "reason": "The sample was taken from another ward."}  # fmt: skip


def put_as(writer, role, kind, name, body):
    with writer.transaction() as tx:
        writer.write_registry_record(tx, kind, name, body, by=KEYS[role], at=NOW)


def past_desk(writer, role, kind, name, body):
    draft = EntryDraft(kind=f"clinic.{kind}", subject=f"{kind}/{name}", body=body)
    with writer.transaction() as tx:
        writer.registry.apply_ledger_entries(
            writer.ledger.append(tx, [draft], by=KEYS[role], at=NOW)
        )


@pytest.fixture
def clinic():
    writer = with_live()
    put_as(writer, "gateway", "advice", "1", ADVICE)
    put_as(writer, "gateway", "advice", "2", ADVICE | {"encounter": "f"})
    put_as(writer, "gateway", "outcome", "o1", {"advice": "advice/1", "label": False})
    return writer


# Who writes what; only the last is a correction.
ANOTHER = {
    "a second one": ("clinician", {"advice": "advice/1", "label": True}),
    "a second one by the gateway": ("gateway", {"advice": "advice/1", "label": True}),
    "without a reason": ("clinician", {k: v for k, v in CORRECTION.items() if k != "reason"}),
    "by the gateway": ("gateway", CORRECTION),
    "of an outcome of another advice": ("clinician", CORRECTION | {"advice": "advice/2"}),
    "of nothing": ("clinician", {k: v for k, v in CORRECTION.items() if k != "corrects"}),
    "a correction": ("clinician", CORRECTION),
}


@pytest.mark.parametrize("name", ANOTHER)
def test_another_outcome_counts_only_as_a_correction(clinic, name):
    """By the registry writer, and where it came past it."""
    role, body = ANOTHER[name]
    before = clinic.registry.outcome_of.get(body["advice"])
    if name == "a correction":
        put_as(clinic, role, "outcome", "o2", body)
        assert clinic.registry.outcome_of == {"advice/1": True}
    else:
        with pytest.raises(StatusMoveError, match="corrects|no outcome to correct"):
            put_as(clinic, role, "outcome", "o2", body)
        past_desk(clinic, role, "outcome", "o2", body)
        assert clinic.registry.outcome_of.get(body["advice"]) is before
    again = Registry()
    again.apply_ledger_entries(clinic.ledger.entries())
    assert again.outcome_of == clinic.registry.outcome_of


def test_a_correction_is_corrected_by_its_own_name_and_no_earlier_one(clinic):
    put_as(clinic, "clinician", "outcome", "o2", CORRECTION)
    late = CORRECTION | {"label": False}
    with pytest.raises(StatusMoveError, match="outcome/o2, which counts"):
        put_as(clinic, "clinician", "outcome", "o3", late)
    put_as(clinic, "clinician", "outcome", "o3", late | {"corrects": "outcome/o2"})
    assert clinic.registry.outcome_of == {"advice/1": False}
    table = clinic.registry.outcome_counts_by_decision("deployment/x")
    assert table["none"] == {"event": 0, "no event": 1, "not known": 1}


def test_the_first_decision_on_an_advice_stands_where_another_came_past_the_desk(clinic):
    body = {"advice": "advice/1", "outcome": "accepted", "asked_before": False}
    put_as(clinic, BY["decision"], "decision", "1", body)
    past_desk(clinic, "clinician", "decision", "2", body | {"outcome": "overridden"})
    assert clinic.registry.decision_of == {"advice/1": "decision/1"}
