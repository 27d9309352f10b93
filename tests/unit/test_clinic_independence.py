"""One person under two keys is one person: nobody examines or approves their own work."""

import pytest

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.preconditions import fault_of_deployment
from commonwatt.clinic.io.registry import DeploymentStatus
from commonwatt.ledger import EntryDraft, Key, Person
from tests.clinic_factories import (
    BODIES,
    FACTS,
    KEYS,
    NAMES,
    NOW,
    desk,
    made_live,
    move,
    person,
    put,
    ruling,
    with_deployment,
)

OTHER = Key.from_seed(b"z" * 32)
OWN = "gate.approved-by-its-maker"


def enrolled(writer, role, name="Tam", organisation="Institute"):
    """Enrol somebody under a further key."""
    who = Person(name=name, role=role, organisation=organisation, device="d")
    with writer.ledger.transaction() as tx:
        writer.ledger.enrol(tx, who, OTHER.public_key, by=KEYS["registrar"], at=NOW)
    return writer


def put_by_other(writer, kind, name, body):
    with writer.transaction() as tx:
        writer.write_registry_record(tx, kind, name, body, by=OTHER, at=NOW)


def desk_up_to(kind):
    """Return a clinic with every record before one of that kind."""
    writer = desk()
    for each in list(BODIES)[: list(BODIES).index(kind)]:
        put(writer, each, NAMES[each], BODIES[each])
    return writer


def write_past_desk(writer, kind, name, body, by):
    draft = EntryDraft(kind=f"clinic.{kind}", subject=f"{kind}/{name}", body=body)
    with writer.transaction() as tx:
        writer.registry.apply_ledger_entries(writer.ledger.append(tx, [draft], by=by, at=NOW))


# The maker is "Manufacturer" of the house Example, and its product's manufacturer is M.
SPELLINGS = ["Example", "example ", "Ｅxample", "EX-AMPLE", "Example\u200b", "M", "m."]


@pytest.mark.parametrize(("name", "organisation", "third"), [
    *(("Tam", spelling, False) for spelling in SPELLINGS),
    ("Manufacturer", "Institute", False),
    ("MANU-FACTURER", "Institute", False),
    ("Tam", "Institute", True),
    ("Manufacturer 2", "Institute", True),
])  # fmt: skip
def test_a_third_party_is_of_another_house_and_another_person_than_the_maker(
    name, organisation, third
):
    writer = enrolled(with_deployment(), "evaluator", name, organisation)
    body = BODIES["evidence"] | {"design": "third-party"}
    if third:
        put_by_other(writer, "evidence", "theirs", body)
    else:
        with pytest.raises(StatusMoveError, match="another organisation"):
            put_by_other(writer, "evidence", "own", body)


@pytest.mark.parametrize(("name", "organisation", "third"), [
    ("Tam", "Example", False), ("Manufacturer", "Institute", False), ("Tam", "Institute", True),
])  # fmt: skip
def test_a_design_that_gates_the_class_counts_from_a_third_party_alone(name, organisation, third):
    """At the approval by the desk, and at the gate for an entry that came past it."""
    writer = enrolled(desk_up_to("intended-use"), "evaluator", name, organisation)
    grave = FACTS | {"condition": "critical"}
    put(writer, "intended-use", "u", BODIES["intended-use"] | {"facts": grave})
    put(writer, "ruling", "r", ruling("hk", grave))
    put_by_other(writer, "evidence", "e", BODIES["evidence"])
    if third:
        put(writer, "determination", "d", BODIES["determination"])
    else:
        with pytest.raises(StatusMoveError, match="is said by no third party"):
            put(writer, "determination", "d", BODIES["determination"])
        chair = KEYS["committee-chair"]
        write_past_desk(writer, "determination", "d", BODIES["determination"], chair)
        write_past_desk(writer, "deployment", "x", BODIES["deployment"], KEYS["clinical-lead"])
        deployment = writer.registry.records["deployment/x"]
        fault = fault_of_deployment(writer.registry, deployment, NOW.date())
        assert fault is not None
        assert fault.rule == "gate.evidence-too-weak"


@pytest.mark.parametrize("own", ["manufacturer", "evaluator", "clinical-lead", None])
def test_nobody_approves_what_they_made_examined_or_proposed_in_another_role(own):
    name = person(own).name if own else "Tam"
    writer = enrolled(desk_up_to("determination"), "committee-chair", name)
    if own in ("manufacturer", "evaluator"):
        with pytest.raises(StatusMoveError, match="made, examined or proposed it approved it"):
            put_by_other(writer, "determination", "d", BODIES["determination"])
        write_past_desk(writer, "determination", "d", BODIES["determination"], OTHER)
        write_past_desk(writer, "deployment", "x", BODIES["deployment"], KEYS["clinical-lead"])
    else:
        # A clinical lead is a party to their own deployments, and to nobody else's.
        put_by_other(writer, "determination", "d", BODIES["determination"])
        if own is None:
            put(writer, "deployment", "x", BODIES["deployment"])
            made_live(writer)
        else:
            with pytest.raises(StatusMoveError, match="made, examined or proposed it approved it"):
                put(writer, "deployment", "x", BODIES["deployment"])
            write_past_desk(writer, "deployment", "x", BODIES["deployment"], KEYS["clinical-lead"])
    deployment = writer.registry.records["deployment/x"]
    fault = fault_of_deployment(writer.registry, deployment, NOW.date())
    assert (fault.rule if fault else None) == (OWN if own else None)


@pytest.mark.parametrize("own", ["manufacturer", "clinical-lead", None])
def test_a_deployment_is_moved_to_approved_by_another_than_who_made_or_proposed_it(own):
    name = person(own).name if own else "Tam"
    writer = enrolled(with_deployment(), "committee-chair", name)

    def approve(by):
        with writer.transaction() as tx:
            to = DeploymentStatus.APPROVED
            writer.move_deployment(tx, "deployment/x", to, by=by, at=NOW, reason="test")

    if own is None:
        approve(OTHER)
    else:
        with pytest.raises(StatusMoveError, match="Let another person approve") as caught:
            approve(OTHER)
        assert "in another role" in str(caught.value)
        draft = EntryDraft(
            kind="clinic.move", subject="deployment/x", body={"to": "approved", "reason": "test"}
        )
        with writer.transaction() as tx:
            writer.registry.apply_ledger_entries(
                writer.ledger.append(tx, [draft], by=OTHER, at=NOW)
            )
        with pytest.raises(StatusMoveError, match="made, examined or proposed it approved it"):
            move(writer, "live", "clinical-lead")
        return
    move(writer, "live", "clinical-lead")
    assert writer.registry.deployment_status("deployment/x") is DeploymentStatus.LIVE
