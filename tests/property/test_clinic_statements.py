"""A person's signed answer to an agent's call: what it covers, and what a change of it is worth."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.engines.gateway import (
    AdviceGate,
    AgentCall,
    Pathway,
    PathwayRunner,
    sign_human_step,
)
from commonwatt.clinic.engines.gateway.agents import AGENT_CALL, parse_human_step_decision_or_none
from commonwatt.clinic.engines.gateway.gate import ALLOWED
from commonwatt.ledger import Key, Person, actor_id_of
from tests.clinic_factories import BODIES, GOOD, KEYS, NOW, ROLES, move, put, with_live
from tests.proofs import PROOFS

PATIENTS = ("told-1", "told-2", "told-3")
MINUTE = timedelta(minutes=1)
LEFT = Key.from_seed(bytes([77]) * 32)  # a clinician who left: enrolled, then revoked
STRANGER = Key.from_seed(bytes([99]) * 32)
PLANS = iter(range(10**9))
KINDS = (
    "a signed no",
    "a signed no turned into a yes",
    "a sentence",
    "no answer",
    "another patient",
    "another patient, the digest exchanged",
    "other facts",
    "other facts, the digest exchanged",
    "another model",
    "another model, the name exchanged",
    "a later step",
    "an earlier step",
    "an earlier step, renumbered",
    "another plan",
    "another plan, renamed",
    "an old one",
    "an old one, redated",
    "from the future",
    "without a zone",
    "no date",
    "a wrong role",
    "a wrong role under the right key's name",
    "a stranger",
    "somebody who left",
    "a flipped bit",
    "half a signature",
    "no signature",
    "no key",
    "nothing",
)


def clinic():
    made = with_live()
    put(made, "deployment", "y", BODIES["deployment"])
    move(made, "approved", "committee-chair", name="y")
    move(made, "live", "clinical-lead", name="y")
    scores = {f"deployment/{name}": lambda _: 0.4 for name in "xy"}
    gate = AdviceGate(made, "qmh", scores, by=KEYS["gateway"], salt=b"s")
    for name in "xy":
        for patient in PATIENTS:
            body = {"deployment": f"deployment/{name}", "language": "en"}
            body["encounter"] = gate.encounter_pseudonym(patient)
            put(made, "disclosure", f"{name}-{patient}", body)
    person = Person(name="Left", role="clinician", organisation="HA", device="d")
    with made.ledger.transaction() as tx:
        made.ledger.enrol(tx, person, LEFT.public_key, by=KEYS["registrar"], at=NOW)
    with made.ledger.transaction() as tx:
        actor = actor_id_of(LEFT.public_key)
        made.ledger.revoke(tx, actor, by=KEYS["registrar"], at=NOW, reason="left")
    made.refresh_registry()
    return gate


GATE = clinic()
PATHWAY = Pathway(
    name="chest", deployments=frozenset({"deployment/x", "deployment/y"}),
    needs_human=frozenset({"deployment/x", "deployment/y"}), roles=frozenset({"clinician"}),
    most_calls=9, statement_minutes=30,
)  # fmt: skip

calls = st.builds(
    lambda name, patient, age, quality, contrast: AgentCall(
        f"deployment/{name}",
        patient,
        GOOD | {"age_years": age, "quality": quality} | contrast,
    ),
    st.sampled_from("xy"),
    st.sampled_from(PATIENTS),
    st.integers(18, 130).map(str),
    st.sampled_from(["good", "adequate"]),
    st.sampled_from([{}, {"contrast": "yes"}, {"contrast": "no"}]),
)
ages = st.integers(0, 30)  # minutes between signature and call
steps = st.integers(0, 5)
other_roles = st.sampled_from([role for role in ROLES if role != "clinician"])


@st.composite
def mutations(draw, kind, call, step, age):
    """Return the statement with one thing wrong, and its twin with nothing wrong."""
    plan, signed_at = "", NOW - age * MINUTE

    def sign(call=call, step=step, answer="yes", by=KEYS["clinician"], at=signed_at, plan=plan):
        return lambda plan_id: sign_human_step(plan or plan_id, step, call, answer, by, at=at)

    def changed(**fields):
        return lambda plan_id: replace(sign()(plan_id), **fields)

    def flipped(plan_id, position, bit):
        made = sign()(plan_id)
        letters = bytearray(made.signature)
        letters[position] ^= 1 << bit
        return replace(made, signature=bytes(letters))

    name = draw(st.sampled_from(sorted(facts_that_differ(call))))
    other_facts = facts_that_differ(call)[name]
    patient = draw(st.sampled_from([p for p in PATIENTS if p != call.encounter]))
    model = "deployment/y" if call.deployment == "deployment/x" else "deployment/x"
    older = signed_at - draw(st.integers(31, 10**6)) * MINUTE
    position, bit = draw(st.integers(0, 63)), draw(st.integers(0, 7))
    role = draw(other_roles)
    kinds = {
        "a signed no": sign(answer="no"),
        "a signed no turned into a yes": lambda p: replace(sign(answer="no")(p), answer="yes"),
        "a sentence": changed(answer="NO. I refuse."),
        "no answer": changed(answer=""),
        "another patient": sign(call=call._replace(encounter=patient)),
        "another patient, the digest exchanged": lambda p: replace(
            sign(call=call._replace(encounter=patient))(p), subject_sha256=call.subject_sha256()
        ),
        "other facts": sign(call=call._replace(facts=other_facts)),
        "other facts, the digest exchanged": lambda p: replace(
            sign(call=call._replace(facts=other_facts))(p), subject_sha256=call.subject_sha256()
        ),
        "another model": sign(call=call._replace(deployment=model)),
        "another model, the name exchanged": lambda p: replace(
            sign(call=call._replace(deployment=model))(p), deployment=call.deployment
        ),
        "a later step": sign(step=step + 1 + draw(st.integers(0, 3))),
        "an earlier step": sign(step=step - 1 - draw(st.integers(0, 3))),
        "an earlier step, renumbered": lambda p: replace(sign(step=step - 1)(p), step=step),
        "another plan": sign(plan="another"),
        "another plan, renamed": lambda p: replace(sign(plan="another")(p), plan_id=p),
        "an old one": sign(at=older),
        "an old one, redated": lambda p: replace(sign(at=older)(p), signed_at=sign()(p).signed_at),
        "from the future": sign(at=NOW + draw(st.integers(6, 10**6)) * MINUTE),
        "without a zone": changed(signed_at="2026-11-22T08:00:00"),
        "no date": changed(signed_at="today"),
        "a wrong role": sign(by=KEYS[role]),
        "a wrong role under the right key's name": lambda p: replace(
            sign(by=KEYS[role])(p), public_key=KEYS["clinician"].public_key
        ),
        "a stranger": sign(by=STRANGER),
        "somebody who left": sign(by=LEFT),
        "a flipped bit": lambda p: flipped(p, position, bit),
        "half a signature": lambda p: replace(sign()(p), signature=sign()(p).signature[:32]),
        "no signature": changed(signature=b""),
        "no key": changed(public_key=b""),
        "nothing": lambda p: None,
    }
    assert sorted(kinds) == sorted(KINDS)
    return kinds[kind], sign()


def facts_that_differ(call):
    facts = dict(call.facts)
    return {
        "age": facts | {"age_years": "18" if facts["age_years"] != "18" else "19"},
        "spelling": facts | {"age_years": facts["age_years"] + ".0"},
        "quality": facts | {"quality": "good" if facts["quality"] != "good" else "adequate"},
        "more": facts | {"body_region": "head"},
        "fewer": {name: facts[name] for name in facts if name != "quality"},
    }


@st.composite
def statements(draw, kind):
    call, step, age = draw(calls), draw(steps), draw(ages)
    return call, step, *draw(mutations(kind, call, step, age))


def answer_of(call, step, statement, plan):
    runner = PathwayRunner(GATE, PATHWAY, plan)
    size = GATE.writer.ledger.head().size
    verdict = runner.judge_and_record_pathway_step(
        step,
        {"deployment": call.deployment, "encounter": call.encounter, "facts": dict(call.facts)},
        statement,
        at=NOW,
    )
    assert GATE.writer.ledger.head().size > size  # on record whatever it is
    return verdict


@pytest.mark.parametrize("kind", KINDS)
def test_no_mutated_statement_lets_a_call_through_and_every_sound_one_does(kind):
    # Over all kinds some 350 mutated statements, and as many sound ones from the same draws.
    @settings(max_examples=PROOFS.size(12, 100), deadline=None)
    @given(statements(kind))
    def law(drawn):
        call, step, mutated, sound = drawn
        plan, twin = (f"plan-{next(PLANS)}" for _ in range(2))
        refused = answer_of(call, step, mutated(plan), plan)
        assert refused.rule.startswith("agent.")
        assert refused.score is None
        assert answer_of(call, step, sound(twin), twin).rule == ALLOWED

    law()


def test_a_signed_no_is_on_record_with_who_said_it_and_another_try_needs_another_yes():
    call = AgentCall("deployment/x", "told-1", GOOD)
    no = sign_human_step("asked", 0, call, "no", KEYS["clinician"], at=NOW)
    assert answer_of(call, 0, no, "asked").rule == "agent.human-refused"
    entry = list(GATE.writer.ledger.entries(kind=AGENT_CALL))[-1]
    assert (entry.body["answer"], entry.body["rule"]) == ("no", "agent.human-refused")
    assert len(entry.body["signer"]) == 16
    # The record holds no digest that could be tried out with guessed patients.
    assert no.subject_sha256 not in entry.text
    again = sign_human_step("asked", 1, call, "yes", KEYS["clinician"], at=NOW)
    assert answer_of(call, 1, again, "asked").rule == ALLOWED


def test_no_sentence_can_be_signed_as_an_answer():
    call = AgentCall("deployment/x", "told-1", GOOD)
    with pytest.raises(ValueError, match="NO. I refuse"):
        sign_human_step("p", 0, call, "NO. I refuse", KEYS["clinician"], at=NOW)


def test_a_statement_survives_its_way_through_an_agent_and_one_with_a_further_word_does_not():
    call = AgentCall("deployment/x", "told-1", GOOD)
    made = sign_human_step("p", 0, call, "yes", KEYS["clinician"], at=NOW)
    assert parse_human_step_decision_or_none(made.as_dict()) == made
    for odd in (
        made.as_dict() | {"note": "the doctor also said"},
        made.as_dict() | {"step": True},
        made.as_dict() | {"step": "0"},
        made.as_dict() | {"signature": "zz"},
        {name: text for name, text in made.as_dict().items() if name != "answer"},
        "yes",
        None,
    ):
        assert parse_human_step_decision_or_none(odd) is None
