"""The gate, rule by rule at its edge, and what each answer leaves on record."""

import hashlib
from dataclasses import replace

import pytest

from commonwatt.clinic.domain.errors import AdviceRefusedError
from commonwatt.clinic.domain.guides import judge_encounter_facts, product_indications
from commonwatt.clinic.domain.registry.lifecycle import DEPLOYMENT_LIFECYCLE, DeploymentStatus
from commonwatt.clinic.domain.registry.preconditions import (
    PROHIBITED,
    regulatory_product_routes_by_place,
)
from commonwatt.clinic.domain.rules.book import RULE_PLACES
from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.engines.gateway.gate import (
    ALLOWED,
    REFUSAL,
    AdviceRequest,
    GateVerdict,
)
from commonwatt.clinic.engines.gateway.lottery import EncounterLottery
from commonwatt.clinic.io.guides import shipped_guide_library
from commonwatt.ledger import EntryDraft
from commonwatt.ledger.entries import LONGEST_NAME
from tests.clinic_factories import BODIES, GOOD, KEYS, NOW, put, with_deployment, with_live

ALWAYS = EncounterLottery(secret=b"s" * 32, share=1.0)


def _gate(writer=None, model=lambda _: 0.4, lot=None, tell=True):
    writer = writer or with_live()
    gate = AdviceGate(
        writer, "qmh", {"deployment/x": model}, by=KEYS["gateway"], salt=b"s", sample=lot
    )
    if tell:
        body = {"deployment": "deployment/x", "encounter": gate.encounter_pseudonym("e")}
        put(writer, "disclosure", "d", body | {"language": "en"})
    return gate


def _ask(gate, facts=GOOD, deployment="deployment/x", **options):
    return gate.request_advice(deployment, "e", facts, at=NOW, **options)


def _last(gate):
    return list(gate.writer.ledger.entries())[-1]


def test_an_allowed_advice_has_score_words_and_its_record():
    gate = _gate()
    verdict = _ask(gate)
    pseudonym = hashlib.sha256(b"s" + b"e").hexdigest()[:20]
    assert gate.encounter_pseudonym("e") == pseudonym
    assert (verdict.rule, verdict.score, verdict.allows_advice) == (ALLOWED, 0.4, True)
    assert verdict.advice.startswith(f"advice/{pseudonym}-")
    assert "0.40" in verdict.words["en"]
    assert verdict.check_allows_advice() is None
    body = gate.writer.registry.records[verdict.advice].body
    assert body == {
        "deployment": "deployment/x", "encounter": pseudonym, "score": 0.4, "shown": True,
        "asker": "clinician", "threshold": 0.3, "finding": True,
    }  # fmt: skip
    # A second question of one encounter is a record of its own.
    assert _ask(gate).advice != verdict.advice


def test_below_the_approved_threshold_there_is_no_finding_and_the_record_says_which_it_was():
    for score, finding, words in (
        (0.3, True, "Suspected finding: score 0.30, threshold 0.30"),
        (0.2999, False, "No finding: score 0.2999 is below the threshold 0.3000"),
        (0.02, False, "No finding: score 0.02 is below the threshold 0.30"),
        (0.98, True, "Suspected finding: score 0.98, threshold 0.30"),
    ):
        gate = _gate(model=lambda _, score=score: score)
        verdict = _ask(gate)
        assert (verdict.rule, verdict.finding, verdict.threshold) == (ALLOWED, finding, 0.3)
        assert verdict.score == score
        assert words in verdict.words["en"]
        assert ("未見病徵" in verdict.words["zh-Hant"]) is not finding
        body = gate.writer.registry.records[verdict.advice].body
        assert (body["threshold"], body["finding"]) == (0.3, finding)


@pytest.mark.parametrize("name", sorted(shipped_guide_library().guides))
def test_every_shipped_guide_has_words_for_both_answers_and_asks_what_a_department_asks(name):
    guide = shipped_guide_library().guide(name)
    assert len(guide.facts) >= 5
    assert len(guide.contraindications) >= 5
    for words in (guide.finding, guide.no_finding):
        assert set(words) == {"en", "zh-Hant"}
    assert all(guide.finding[each] != guide.no_finding[each] for each in guide.finding)
    assert "xample" in guide.source


def test_a_second_record_of_a_deployment_that_came_by_another_way_changes_no_threshold():
    gate = _gate()
    drafts = [("clinic.deployment", BODIES["deployment"] | {"threshold": 0.9})]
    drafts += [("clinic.move", {"to": to}) for to in ("approved", "live")]
    for kind, body in drafts:
        draft = EntryDraft(kind=kind, subject="deployment/x", body=body)
        with gate.writer.transaction() as tx:
            gate.writer.ledger.append(tx, [draft], by=KEYS["clinical-lead"], at=NOW)
        gate.writer.refresh_registry()
        # First it is proposed anew; then no path of moves leads through a second proposal.
        moved = len(gate.writer.registry.moves["deployment/x"]) - 3
        late = {"gate.move-not-permitted", "gate.threshold-not-examined"}
        assert _ask(gate).rule in ({"gate.not-live"} if moved < 3 else late)


def test_a_refusal_is_on_record_with_its_rule_and_says_it_in_its_error():
    gate = _gate()
    verdict = _ask(gate, GOOD | {"quality": "poor"})
    assert (verdict.rule, verdict.score, verdict.advice) == ("gate.contraindicated", None, "")
    entry = _last(gate)
    assert (entry.kind, entry.subject) == (REFUSAL, "institution/qmh")
    assert entry.body == {
        "rule": "gate.contraindicated", "detail": verdict.detail,
        "encounter": gate.encounter_pseudonym("e"), "deployment": "deployment/x",
    }  # fmt: skip
    with pytest.raises(AdviceRefusedError, match=rf"gate\.contraindicated \({verdict.detail}\)"):
        verdict.check_allows_advice()
    bare = GateVerdict(rule="gate.not-live", deployment="deployment/x")
    with pytest.raises(AdviceRefusedError, match=r"gate\.not-live") as refused:
        bare.check_allows_advice()
    assert "()" not in str(refused.value)
    assert bare.sign_off is False


def test_a_name_that_is_none_is_cut_so_that_its_refusal_can_be_recorded():
    gate = _gate()
    assert _ask(gate, deployment="deployment/" + "y" * 500).rule == "gate.unknown-deployment"
    recorded = _last(gate).body["deployment"]
    assert recorded == ("deployment/" + "y" * 500)[:LONGEST_NAME]


@pytest.mark.parametrize(
    ("age", "rule"),
    [("50", ALLOWED), ("5e1", ALLOWED), ("nan", "gate.invalid-fact"), ("old", "gate.invalid-fact"),
     ("", "gate.invalid-fact"), ("1", "gate.contraindicated"), ("18", ALLOWED), ("130", ALLOWED),
     ("130.1", "gate.invalid-fact"), ("0", "gate.contraindicated"), ("-1", "gate.invalid-fact"),
     ("600 months", ALLOWED), ("6 months", "gate.contraindicated"), ("50 kg", "gate.invalid-fact")],
)  # fmt: skip
def test_a_fact_that_ought_to_be_a_number_and_is_none_is_refused_by_name(age, rule):
    verdict = _ask(_gate(), GOOD | {"age_years": age})
    assert verdict.rule == rule
    if rule == "gate.invalid-fact":
        assert verdict.detail == "age_years"
        # What was given is a patient's, and is not repeated.
        assert verdict.words["en"] == "age_years: a number from 0 to 130 year"


def test_what_is_missing_is_named_all_at_once_and_in_order():
    guide = shipped_guide_library().guide("imaging")
    product = product_indications(["modality in ct, xray"], guide, "here")
    missing = judge_encounter_facts(guide, product, {"colour": "red"})
    assert (missing.rule, missing.detail) == (
        "gate.missing-fact",
        "age_years, metal_in_view, modality, postoperative, quality, series_complete",
    )
    outside = judge_encounter_facts(guide, product, GOOD | {"modality": "other"})
    assert (outside.rule, outside.detail) == ("gate.outside-indications", "imaging")
    other = judge_encounter_facts(guide, product, GOOD | {"modality": "mri"})
    assert (other.rule, other.detail) == ("gate.outside-indications", "product")
    against = judge_encounter_facts(guide, product, GOOD | {"quality": "poor"})
    assert (against.rule, set(against.words)) == ("gate.contraindicated", {"en", "zh-Hant"})
    good = judge_encounter_facts(guide, product, GOOD | {"age_years": "600 months"})
    assert (good.rule, good.facts) == ("", GOOD)


def test_a_patient_who_was_not_told_is_refused_in_words_and_never_scored():
    scored = []
    gate = _gate(model=lambda facts: scored.append(facts) or 0.4, tell=False)
    verdict = _ask(gate)
    assert verdict.rule == "gate.not-disclosed"
    assert verdict.words == shipped_guide_library().guide("imaging").notice
    assert scored == []


def test_a_shadow_needs_no_disclosure_and_shows_nobody_anything():
    gate = _gate(with_live(mode="shadow"), lot=ALWAYS, tell=False)
    verdict = _ask(gate)
    assert (verdict.rule, verdict.score, dict(verdict.words)) == (ALLOWED, None, {})
    body = gate.writer.registry.records[verdict.advice].body
    assert (body["score"], body["shown"], body["sampled"]) == (0.4, False, False)
    assert "sign_off" not in body


def test_the_lot_falls_on_clinicians_who_gave_no_estimate_and_is_marked():
    gate = _gate(lot=ALWAYS)
    first = _ask(gate)
    assert first.rule == "gate.own-estimate-first"
    assert set(first.words) >= {"en"}
    assert first.deployment == "deployment/x"
    after = _ask(gate, own_estimate=0.0)
    body = gate.writer.registry.records[after.advice].body
    assert (after.rule, body["own_estimate"], body["sampled"]) == (ALLOWED, 0.0, True)
    agent = _ask(gate, asker="agent")
    assert (agent.rule, agent.score) == (ALLOWED, 0.4)
    agent_body = gate.writer.registry.records[agent.advice].body
    assert (agent_body["sampled"], agent_body["asker"]) == (False, "agent")
    never = _gate(lot=EncounterLottery(secret=b"s" * 32, share=0.0))
    assert _ask(never).rule == ALLOWED
    assert "sampled" not in _gate_body(_gate())


def _gate_body(gate):
    return gate.writer.registry.records[_ask(gate).advice].body


def test_minus_zero_is_shown_as_zero():
    assert "0.00" in _ask(_gate(model=lambda _: -0.0)).words["en"]
    assert "-0.00" not in _ask(_gate(model=lambda _: -0.0)).words["en"]


def test_a_thousand_unknown_facts_are_refused_in_a_few_words():
    verdict = _ask(_gate(), GOOD | {f"a{i}": "x" for i in range(1000)})
    assert (verdict.rule, verdict.detail) == ("gate.invalid-fact", "?")
    assert len(verdict.words["en"]) < 2000


@pytest.mark.parametrize("score", [0, 1, 0.5])
def test_a_score_is_a_chance_to_its_ends(score):
    assert _ask(_gate(model=lambda _: score)).score == score


@pytest.mark.parametrize(
    ("model", "detail"),
    [
        (lambda _: -0.01, "no score from 0 to 1"),
        (lambda _: 1.01, "no score from 0 to 1"),
        (lambda _: "x", "ValueError"),
    ],
)
def test_what_is_no_chance_is_a_model_that_failed(model, detail):
    verdict = _ask(_gate(model=model))
    assert (verdict.rule, verdict.detail, verdict.score) == ("gate.model-failed", detail, None)
    assert verdict.deployment == "deployment/x"


def test_a_model_that_failed_is_not_asked_again_when_its_answer_is_recorded():
    calls = []

    def model(facts):
        calls.append(facts)
        raise RuntimeError

    _ask(_gate(model=model))
    assert len(calls) == 1
    gate = _gate(model=lambda facts: calls.append(facts) or 0.4)
    _ask(gate)
    assert len(calls) == 2


def test_what_is_noted_stands_under_the_signature_of_the_answer():
    gate = _gate()

    def note(verdict):
        return [EntryDraft(kind="note", subject="institution/qmh", body={"rule": verdict.rule})]

    question = AdviceRequest(deployment="deployment/x", encounter_id="e", facts=GOOD)
    for facts, rule in ((GOOD, ALLOWED), ({}, "gate.missing-fact")):
        prepared = gate.prepare_advice(replace(question, facts=facts))
        with gate.writer.transaction() as tx:
            verdict = gate.record_prepared_advice_on(tx, prepared, at=NOW, note=note)
        assert verdict.rule == rule
        assert (_last(gate).kind, _last(gate).body) == ("note", {"rule": rule})


def test_only_what_is_live_here_and_has_a_model_may_be_asked():
    assert _ask(_gate(with_deployment(), tell=False)).rule == "gate.not-live"
    gate = _gate()
    assert _ask(gate, deployment="version/v1").rule == "gate.unknown-deployment"
    assert _ask(gate, deployment="deployment/none").rule == "gate.unknown-deployment"
    gate.institution = "elsewhere"
    assert _ask(gate).rule == "gate.wrong-institution"
    gate.institution, gate.models = "qmh", {}
    assert _ask(gate).rule == "gate.no-model"
    assert gate.deployment_refusal("deployment/x") is None


def test_no_place_permits_what_it_prohibits_or_what_has_no_route():
    routes = (
        regulatory_product_routes_by_place.__wrapped__()
    )  # as read now, and not by an earlier test
    assert all(not {"", PROHIBITED} & permitted for permitted in routes.values())
    assert routes["hk"] == {"approval", "exempt"}
    assert routes["imdrf"] == frozenset()
    assert set(routes) == set(RULE_PLACES)


def test_to_approve_and_to_go_live_rest_on_the_basis_and_to_stop_rests_on_nothing():
    moves = [row for row in DEPLOYMENT_LIFECYCLE.moves if row.origin]
    resting = {row.to for row in moves if row.needs}
    assert resting == {DeploymentStatus.APPROVED, DeploymentStatus.LIVE}
    assert all(row.needs for row in moves if row.to in resting)


@pytest.mark.parametrize(("mode", "wanted"), [("confirm", True), ("advisory", False)])
def test_a_mode_that_asks_for_a_signed_decision_says_so(mode, wanted):
    verdict = _ask(_gate(with_live(mode=mode)))
    assert (verdict.rule, verdict.sign_off) == (ALLOWED, wanted)
