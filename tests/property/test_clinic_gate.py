"""Encounters and adversarial plans: each is let through or refused by the rule that it breaks."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.rules.predicate import Comparator, OneOf, rule_predicate_leaves
from commonwatt.clinic.engines.gateway import (
    AdviceGate,
    Pathway,
    PathwayRunner,
    load_department_guides,
    sign_human_step,
)
from commonwatt.clinic.engines.gateway.agents import AGENT_CALL
from commonwatt.clinic.engines.gateway.agents import RULES as AGENT_RULES
from commonwatt.clinic.engines.gateway.gate import ALLOWED, RULES
from commonwatt.clinic.io.registry import DeploymentStatus
from commonwatt.ledger import Key
from commonwatt.ledger.verify import verify_ledger
from tests.clinic_factories import KEYS, NOW, move, put, under_guide, with_deployment
from tests.proofs import PROOFS

GUIDES = load_department_guides()


def clinic_with_every_guide():
    made = with_deployment()
    for name in GUIDES:
        under_guide(made, name)
        move(made, DeploymentStatus.APPROVED, "committee-chair", name=name)
        move(made, DeploymentStatus.LIVE, "clinical-lead", name=name)
    return made


DESK = clinic_with_every_guide()
GATE = AdviceGate(
    DESK, "qmh", {f"deployment/{n}": lambda _: 0.4 for n in GUIDES}, by=KEYS["gateway"], salt=b"s"
)


def disclose(name, encounter):
    body = {
        "deployment": f"deployment/{name}",
        "encounter": GATE.encounter_pseudonym(encounter),
        "language": "en",
    }
    put(DESK, "disclosure", f"{name}-{encounter}", body)


def facts_of(guide, chance):
    """Facts drawn so that each rule is met often: some missing, some beyond each limit."""
    facts = {}
    parts = [guide.indications, *(c.when for c in guide.contraindications)]
    for leaf in [leaf for part in parts for leaf in rule_predicate_leaves(part)]:
        if isinstance(leaf, Comparator):
            facts[leaf.fact] = chance.choice(
                ["1", str(leaf.limit - 1), str(leaf.limit), "60", "60"]
            )
        elif isinstance(leaf, OneOf):
            keep = leaf.fact not in facts or chance.random() < 0.3
            if keep:
                facts[leaf.fact] = chance.choice([*leaf.values, *leaf.values, "other"])
    if chance.random() < 0.2:
        facts.pop(chance.choice(sorted(facts)))
    return facts


def wanted(name, facts, disclosed):
    """The guides once more, as a person would read them."""
    age = float(facts["age_years"]) if "age_years" in facts else None
    inside = {
        "imaging": ("modality", ("ct", "xray", "mri", "ultrasound"), ("age_years", "quality")),
        "pathology": ("specimen", ("biopsy", "resection", "cytology"), ("stain", "preparation")),
        "cardiovascular": ("setting", ("ward", "emergency", "clinic"), ("rhythm", "age_years")),
        "oncology": ("stage", ("i", "ii", "iii", "iv"), ("stage", "pregnant")),
        "general-practice": ("setting", ("clinic", "home"), ("red_flag", "age_years")),
    }[name]
    if not {inside[0], *inside[2]} <= set(facts):
        return "gate.missing-fact"
    if facts[inside[0]] not in inside[1]:
        return "gate.outside-indications"
    young = age is not None and age < (2 if name == "general-practice" else 18)
    bad = {"quality": "poor", "stain": "unknown", "preparation": "frozen", "rhythm": "paced",
           "pregnant": "yes", "red_flag": "yes"}  # fmt: skip
    if young or any(facts.get(fact) == value for fact, value in bad.items()):
        return "gate.contraindicated"
    return ALLOWED if disclosed else "gate.not-disclosed"


@pytest.mark.parametrize("name", sorted(GUIDES))
def test_a_hundred_encounters_of_a_guide_are_each_judged_by_the_rule_named(name):
    chance, rules = Random(name), set()
    for number in range(100):
        encounter, disclosed = f"{name}-{number}", chance.random() < 0.7
        if disclosed:
            disclose(name, encounter)
        facts = facts_of(GUIDES[name], chance)
        size = DESK.ledger.head().size
        verdict = GATE.request_advice(f"deployment/{name}", encounter, facts, at=NOW)
        assert verdict.rule == wanted(name, facts, disclosed)
        assert DESK.ledger.head().size == size + 1
        assert (verdict.score is not None) == verdict.allows_advice
        rules.add(verdict.rule)
    assert {ALLOWED, "gate.missing-fact", "gate.contraindicated"} <= rules <= {ALLOWED, *RULES}


GOOD = {"modality": "ct", "age_years": "50", "quality": "good"}
disclose("imaging", "told")
PATHWAY = Pathway(
    name="chest", deployments=frozenset({"deployment/imaging", "deployment/oncology"}),
    needs_human=frozenset({"deployment/imaging"}), roles=frozenset({"clinician"}), most_calls=3,
)  # fmt: skip
STRANGER = Key.from_seed(bytes([99]) * 32)
PLANS = iter(range(10**9))

steps = st.one_of(
    st.fixed_dictionaries(
        {
            "deployment": st.sampled_from(
                [
                    "deployment/imaging",
                    "deployment/oncology",
                    "deployment/pathology",
                    "deployment/none",
                    "product/p",
                    "deployment/imaging\n",
                    "",
                ]
            ),
            "encounter": st.sampled_from(["told", "untold"]),
            "facts": st.sampled_from([GOOD, {}, GOOD | {"quality": "poor"}, {"age_years": "nan"}]),
        }
    ),
    st.sampled_from([None, "call everything", {"deployment": "deployment/imaging"}, {"a": 1}, []]),
    st.just({"deployment": "deployment/imaging", "encounter": "told", "facts": {"x": 1}}),
)
humans = st.sampled_from(
    ["none", "right", "other-step", "other-plan", "stranger", "wrong-role", "forged"]
)


def statement_for(kind, plan, number):
    if kind == "none":
        return None
    signer = {"stranger": STRANGER, "wrong-role": KEYS["monitor"]}.get(kind, KEYS["clinician"])
    made = sign_human_step(
        "elsewhere" if kind == "other-plan" else plan, number + (kind == "other-step"), "go", signer
    )
    if kind == "forged":
        return type(made)(plan_id=plan, step=number, answer="stop", public_key=made.public_key,
                          signature=made.signature)  # fmt: skip
    return made


def expected(step, human, calls):
    """The rules in order, written once more."""
    keys = {"deployment", "encounter", "facts"}
    if not isinstance(step, dict) or set(step) != keys or "x" in step["facts"]:
        return "agent.malformed"
    if calls >= 3:
        return "agent.budget-spent"
    if step["deployment"] not in PATHWAY.deployments:
        return "agent.tool-not-listed"
    if step["deployment"] == "deployment/imaging":
        fault = {"none": "human-step-missing", "other-step": "human-step-missing",
                 "other-plan": "human-step-missing", "stranger": "signer-unknown",
                 "wrong-role": "signer-wrong-role",
                 "forged": "signature-false"}.get(human)  # fmt: skip
        if fault:
            return f"agent.{fault}"
        if step["facts"] == GOOD:
            return ALLOWED if step["encounter"] == "told" else "gate.not-disclosed"
        return "gate.contraindicated" if "quality" in step["facts"] else "gate.missing-fact"
    return "gate.missing-fact"  # no stage is ever given


@pytest.mark.slow
@pytest.mark.prove
@settings(max_examples=PROOFS.size(150, 1_000), deadline=None)
@given(st.lists(st.tuples(steps, humans), min_size=1, max_size=6))
def test_adversarial_plans_are_stopped_at_the_first_rule_that_they_break(drawn):
    plan = f"plan-{next(PLANS)}"
    statements = {i: statement_for(human, plan, i) for i, (_, human) in enumerate(drawn)}
    runner = PathwayRunner(GATE, PATHWAY, plan)
    given_ = {i: statement for i, statement in statements.items() if statement}
    verdicts = runner.run_pathway_steps([step for step, _ in drawn], given_, at=NOW)
    calls = 0
    for verdict, (step, human) in zip(verdicts, drawn, strict=False):
        assert verdict.rule == expected(step, human, calls)
        assert verdict.rule in {ALLOWED, *RULES, *AGENT_RULES}
        calls += verdict.rule != "agent.malformed"
    assert all(verdict.allows_advice for verdict in verdicts[:-1])
    assert len(verdicts) == len(drawn) or not verdicts[-1].allows_advice


def test_a_signed_step_counts_once_even_for_a_second_runner_of_the_same_plan():
    step = {"deployment": "deployment/imaging", "encounter": "told", "facts": GOOD}
    signed = {0: sign_human_step("twice", 0, "go", KEYS["clinician"])}
    assert (
        PathwayRunner(GATE, PATHWAY, "twice")
        .run_pathway_steps([step], signed, at=NOW)[0]
        .allows_advice
    )
    [again] = PathwayRunner(GATE, PATHWAY, "twice").run_pathway_steps([step], signed, at=NOW)
    assert again.rule == "agent.statement-used"


def test_two_runners_of_one_plan_at_once_share_its_signature_and_its_budget():
    step = {"deployment": "deployment/imaging", "encounter": "told", "facts": GOOD}
    first, second = (PathwayRunner(GATE, PATHWAY, "both") for _ in range(2))
    signed = [sign_human_step("both", n, "go", KEYS["clinician"]) for n in range(4)]
    assert first.call_pathway_step(0, step, signed[0], at=NOW).allows_advice
    assert second.call_pathway_step(0, step, signed[0], at=NOW).rule == "agent.statement-used"
    assert first.call_pathway_step(1, step, signed[1], at=NOW).allows_advice
    assert second.call_pathway_step(2, step, signed[2], at=NOW).rule == "agent.budget-spent"


def test_every_call_of_an_agent_is_in_the_ledger_and_the_ledger_verifies():
    before = len(list(DESK.ledger.entries(kind=AGENT_CALL)))
    PathwayRunner(GATE, PATHWAY, "noted").run_pathway_steps(["nonsense"], {}, at=NOW)
    after = list(DESK.ledger.entries(kind=AGENT_CALL))
    assert len(after) == before + 1
    assert after[-1].body["rule"] == "agent.malformed"
    verify_ledger(DESK.ledger)


def test_an_institution_refuses_what_is_another_institutions_not_live_or_has_no_model():
    elsewhere = AdviceGate(DESK, "elsewhere", {}, by=KEYS["gateway"], salt=b"s")
    assert (
        elsewhere.advice_verdict("deployment/imaging", "e", GOOD).rule == "gate.wrong-institution"
    )
    assert GATE.advice_verdict("deployment/x", "e", GOOD).rule == "gate.not-live"
    assert GATE.advice_verdict("version/v1", "e", GOOD).rule == "gate.unknown-deployment"
    bare = AdviceGate(DESK, "qmh", {}, by=KEYS["gateway"], salt=b"s")
    assert (
        bare.advice_verdict("deployment/imaging", GATE.encounter_pseudonym("told"), GOOD).rule
        == "gate.no-model"
    )
