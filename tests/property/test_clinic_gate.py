"""Encounters and adversarial plans: each is let through or refused by the rule that it breaks."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.guides import GuideFactKind
from commonwatt.clinic.domain.rules.predicate import OneOf, rule_predicate_leaves
from commonwatt.clinic.engines.gateway import (
    AdviceGate,
    AgentCall,
    Pathway,
    PathwayRunner,
    sign_human_step,
)
from commonwatt.clinic.engines.gateway.agents import AGENT_CALL
from commonwatt.clinic.engines.gateway.agents import RULES as AGENT_RULES
from commonwatt.clinic.engines.gateway.gate import ALLOWED, RULES
from commonwatt.clinic.io.guides import shipped_clinic_guide_library
from commonwatt.clinic.io.registry import DeploymentStatus
from commonwatt.ledger import Key
from commonwatt.ledger.verify import verify_ledger
from tests.clinic_factories import GOOD, KEYS, NOW, move, put, under_guide, with_deployment
from tests.proofs import PROOFS

GUIDES = shipped_clinic_guide_library().guides


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
    """Facts drawn so that each rule is met often: missing, unknown, beyond each limit and list."""
    facts = {}
    for name, fact in guide.facts.items():
        if fact.kind is GuideFactKind.NUMBER:
            ends = [fact.low, fact.high, fact.low - 1, fact.high + 0.5]
            inside = [60.0, 60.0, 37.0, 2.0, 6.0, 18.0, 100.0]
            drawn = chance.choice([*ends, *[n for n in inside if fact.low <= n <= fact.high] * 9])
            facts[name] = chance.choice(["inf", "nan"]) if chance.random() < 0.01 else f"{drawn:g}"
        else:
            words = [*fact.words] * 6 + ["nonsense"]
            facts[name] = chance.choice(words) if chance.random() < 0.4 else good_word(guide, fact)
    if chance.random() < 0.2:
        facts.pop(chance.choice(sorted(facts)))
    if chance.random() < 0.05:
        facts["surname"] = "Chan"
    return facts


def good_word(guide, fact):
    """A word that no contraindication of the guide is about."""
    bad = {
        word
        for each in guide.contraindications
        for leaf in rule_predicate_leaves(each.when)
        if isinstance(leaf, OneOf) and leaf.fact == fact.name
        for word in leaf.values
    }
    return next(word for word in fact.words if word not in bad)


# The guides once more, as a person would read them: what is asked, what it is for, what is against.
READ = {
    "imaging": (
        "modality age_years quality series_complete metal_in_view postoperative",
        lambda f: f["modality"] in ("ct", "xray"),
        lambda f: (
            f["age_years"] < 18 or f["quality"] == "poor" or f["series_complete"] == "no"
            or f["metal_in_view"] == "yes" or f["postoperative"] == "yes"
        ),
    ),
    "pathology": (
        "specimen stain preparation focus fixation_h decalcified folds",
        lambda f: f["specimen"] != "other" and f["stain"] in ("he", "ihc"),
        lambda f: (
            f["preparation"] == "frozen" or f["focus"] == "poor" or f["fixation_h"] < 6
            or f["decalcified"] == "yes" or f["folds"] == "yes"
        ),
    ),
    "cardiovascular": (
        "setting rhythm age_years systolic_mmhg recording_quality circulatory_support"
        " resuscitated_24h",
        lambda f: f["setting"] in ("ward", "emergency", "clinic") and f["rhythm"] != "other",
        lambda f: (
            f["rhythm"] == "paced" or f["age_years"] < 18 or f["systolic_mmhg"] < 90
            or f["circulatory_support"] == "yes" or f["resuscitated_24h"] == "yes"
            or f["recording_quality"] == "poor"
        ),
    ),
    "oncology": (
        "stage pregnant age_years ecog histology_confirmed second_primary",
        lambda f: f["stage"] != "unknown" and f["ecog"] <= 2,
        lambda f: (
            f["pregnant"] == "yes" or f["age_years"] < 18 or f["histology_confirmed"] == "no"
            or f["second_primary"] == "yes"
        ),
    ),
    "general-practice": (
        "setting red_flag age_years pregnant temperature_c palliative history_available",
        lambda f: f["setting"] in ("clinic", "home") and f["age_years"] >= 18,
        lambda f: (
            f["red_flag"] == "yes" or f["pregnant"] == "yes" or f["temperature_c"] >= 40
            or f["palliative"] == "yes" or f["history_available"] == "no"
        ),
    ),
}  # fmt: skip
RANGES = {"age_years": (0, 130), "fixation_h": (0, 720), "systolic_mmhg": (30, 300),
          "ecog": (0, 5), "temperature_c": (30, 45)}  # fmt: skip


def wanted(name, facts, disclosed):
    asked, indicated, against = READ[name]
    if not set(asked.split()) <= set(facts):
        return "gate.missing-fact"
    read = dict(facts)
    for number, (low, high) in RANGES.items():
        if number in read:
            read[number] = float(read[number])
            if not low <= read[number] <= high:
                return "gate.invalid-fact"
    if "surname" in read or "nonsense" in read.values():
        return "gate.invalid-fact"
    if not indicated(read):
        return "gate.outside-indications"
    if against(read):
        return "gate.contraindicated"
    return ALLOWED if disclosed else "gate.not-disclosed"


@pytest.mark.parametrize("name", sorted(GUIDES))
def test_two_hundred_encounters_of_a_guide_are_each_judged_by_the_rule_named(name):
    chance, rules = Random(name), set()
    for number in range(200):
        encounter, disclosed = f"{name}-{number}", chance.random() < 0.7
        if disclosed:
            disclose(name, encounter)
        facts = facts_of(GUIDES[name], chance)
        size = DESK.ledger.head().size
        verdict = GATE.record_and_answer_advice_request(
            f"deployment/{name}", encounter, facts, at=NOW
        )
        assert verdict.rule == wanted(name, facts, disclosed)
        assert DESK.ledger.head().size == size + 1
        assert (verdict.score is not None) == verdict.allows_advice
        rules.add(verdict.rule)
    met = {"gate.missing-fact", "gate.invalid-fact", "gate.outside-indications"}
    assert {ALLOWED, "gate.contraindicated", *met} <= rules <= {ALLOWED, *RULES}
    assert not any("Chan" in each.text or "surname" in each.text for each in DESK.ledger.entries())


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
    ["none", "right", "right", "other-step", "other-plan", "stranger", "wrong-role", "forged",
     "other-patient", "refused"]
)  # fmt: skip


def call_of(step):
    return AgentCall(step["deployment"], step["encounter"], step["facts"])


def statement_for(kind, plan, number, step):
    if kind == "none" or not isinstance(step, dict) or "facts" not in step:
        return None
    signer = {"stranger": STRANGER, "wrong-role": KEYS["monitor"]}.get(kind, KEYS["clinician"])
    call = call_of(step)._replace(**{"encounter": "other"} if kind == "other-patient" else {})
    made = sign_human_step(
        "elsewhere" if kind == "other-plan" else plan, number + (kind == "other-step"), call,
        "no" if kind in ("refused", "forged") else "yes", signer, at=NOW,
    )  # fmt: skip
    return replace(made, answer="yes") if kind == "forged" else made


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
                 "wrong-role": "signer-wrong-role", "forged": "signature-false",
                 "other-patient": "statement-of-another-call",
                 "refused": "human-refused"}.get(human)  # fmt: skip
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
    statements = {i: statement_for(human, plan, i, step) for i, (step, human) in enumerate(drawn)}
    runner = PathwayRunner(GATE, PATHWAY, plan)
    given_ = {i: statement for i, statement in statements.items() if statement}
    verdicts = runner.judge_and_record_pathway_steps([step for step, _ in drawn], given_, at=NOW)
    calls = 0
    for verdict, (step, human) in zip(verdicts, drawn, strict=False):
        assert verdict.rule == expected(step, human, calls)
        assert verdict.rule in {ALLOWED, *RULES, *AGENT_RULES}
        calls += verdict.rule != "agent.malformed"
    assert all(verdict.allows_advice for verdict in verdicts[:-1])
    assert len(verdicts) == len(drawn) or not verdicts[-1].allows_advice


def test_a_signed_step_counts_once_even_for_a_second_runner_of_the_same_plan():
    step = {"deployment": "deployment/imaging", "encounter": "told", "facts": GOOD}
    signed = {0: sign_human_step("twice", 0, call_of(step), "yes", KEYS["clinician"], at=NOW)}
    assert (
        PathwayRunner(GATE, PATHWAY, "twice")
        .judge_and_record_pathway_steps([step], signed, at=NOW)[0]
        .allows_advice
    )
    [again] = PathwayRunner(GATE, PATHWAY, "twice").judge_and_record_pathway_steps(
        [step], signed, at=NOW
    )
    assert again.rule == "agent.statement-used"


def test_two_runners_of_one_plan_at_once_share_its_signature_and_its_budget():
    step = {"deployment": "deployment/imaging", "encounter": "told", "facts": GOOD}
    first, second = (PathwayRunner(GATE, PATHWAY, "both") for _ in range(2))
    signed = [
        sign_human_step("both", n, call_of(step), "yes", KEYS["clinician"], at=NOW)
        for n in range(4)
    ]
    assert first.judge_and_record_pathway_step(0, step, signed[0], at=NOW).allows_advice
    assert (
        second.judge_and_record_pathway_step(0, step, signed[0], at=NOW).rule
        == "agent.statement-used"
    )
    assert first.judge_and_record_pathway_step(1, step, signed[1], at=NOW).allows_advice
    assert (
        second.judge_and_record_pathway_step(2, step, signed[2], at=NOW).rule
        == "agent.budget-spent"
    )


def test_every_call_of_an_agent_is_in_the_ledger_and_the_ledger_verifies():
    before = len(list(DESK.ledger.entries(kind=AGENT_CALL)))
    PathwayRunner(GATE, PATHWAY, "noted").judge_and_record_pathway_steps(["nonsense"], {}, at=NOW)
    after = list(DESK.ledger.entries(kind=AGENT_CALL))
    assert len(after) == before + 1
    assert after[-1].body["rule"] == "agent.malformed"
    verify_ledger(DESK.ledger)


def test_an_institution_refuses_what_is_another_institutions_not_live_or_has_no_model():
    elsewhere = AdviceGate(DESK, "elsewhere", {}, by=KEYS["gateway"], salt=b"s")
    assert (
        elsewhere.advice_verdict_without_record("deployment/imaging", "e", GOOD).rule
        == "gate.wrong-institution"
    )
    assert GATE.advice_verdict_without_record("deployment/x", "e", GOOD).rule == "gate.not-live"
    assert (
        GATE.advice_verdict_without_record("version/v1", "e", GOOD).rule
        == "gate.unknown-deployment"
    )
    bare = AdviceGate(DESK, "qmh", {}, by=KEYS["gateway"], salt=b"s")
    assert (
        bare.advice_verdict_without_record(
            "deployment/imaging", GATE.encounter_pseudonym("told"), GOOD
        ).rule
        == "gate.no-model"
    )
