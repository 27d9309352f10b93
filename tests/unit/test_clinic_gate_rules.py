"""The gate, rule by rule at its edge, and what each answer leaves on record."""

import hashlib
import hmac
from contextlib import suppress
from dataclasses import replace

import pytest

from commonwatt.clinic.domain.errors import AdviceRefusedError
from commonwatt.clinic.domain.guides import judge_encounter_facts, parse_product_indications
from commonwatt.clinic.domain.registry.lifecycle import DEPLOYMENT_LIFECYCLE, DeploymentStatus
from commonwatt.clinic.domain.registry.preconditions import (
    PROHIBITED,
    regulatory_product_routes_by_place,
)
from commonwatt.clinic.domain.rules import load_regulatory_rule_book
from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.engines.gateway.gate import (
    ALLOWED,
    REFUSAL,
    AdviceRequest,
    GateVerdict,
    shown_score_and_threshold_texts,
)
from commonwatt.clinic.engines.gateway.lottery import EncounterLottery
from commonwatt.clinic.io.guides import GuideLibrary, shipped_clinic_guide_library
from commonwatt.ledger import ActorError, EntryDraft, actor_id_of
from commonwatt.ledger.entries import LONGEST_NAME
from tests.clinic_factories import BODIES, GOOD, KEYS, NOW, desk, put, with_deployment, with_live
from tests.clinic_histories import (
    APPROVAL,
    BASIS,
    DEPLOYMENT,
    EVIDENCE,
    PRODUCT,
    RULING,
    START,
    USE,
    VERSION,
    step,
    write,
)

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
    return gate.record_and_answer_advice_request(deployment, "e", facts, at=NOW, **options)


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


@pytest.mark.parametrize("name", sorted(shipped_clinic_guide_library().guides))
def test_every_shipped_guide_has_words_for_both_answers_and_asks_what_a_department_asks(name):
    guide = shipped_clinic_guide_library().guide(name)
    assert len(guide.facts) >= 5
    assert len(guide.contraindications) >= 5
    for words in (guide.finding, guide.no_finding):
        assert set(words) == {"en", "zh-Hant"}
    assert all(guide.finding[each] != guide.no_finding[each] for each in guide.finding)
    assert "xample" in guide.source


def test_a_second_record_of_a_deployment_that_came_by_another_way_changes_no_threshold():
    gate = _gate()
    drafts = [("clinic.deployment", BODIES["deployment"] | {"threshold": 0.9}, "clinical-lead")]
    moves = {"approved": "committee-chair", "live": "clinical-lead"}
    drafts += [("clinic.move", {"to": to}, role) for to, role in moves.items()]
    for kind, body, role in drafts:
        draft = EntryDraft(kind=kind, subject="deployment/x", body=body)
        with gate.writer.transaction() as tx:
            gate.writer.ledger.append(tx, [draft], by=KEYS[role], at=NOW)
        gate.writer.refresh_registry()
        # First it is proposed anew; then nobody has examined the threshold that it names now.
        moved = len(gate.writer.registry.moves["deployment/x"]) - 3
        assert _ask(gate).rule == ("gate.not-live" if moved < 3 else "gate.threshold-not-examined")


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
    guide = shipped_clinic_guide_library().guide("imaging")
    product = parse_product_indications(["modality in ct, xray"], guide, "here")
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
    assert verdict.words == shipped_clinic_guide_library().guide("imaging").notice
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
        return [
            EntryDraft(kind="demo.note", subject="institution/qmh", body={"rule": verdict.rule})
        ]

    question = AdviceRequest(deployment="deployment/x", encounter_id="e", facts=GOOD)
    for facts, rule in ((GOOD, ALLOWED), ({}, "gate.missing-fact")):
        prepared = gate.prepare_advice(replace(question, facts=facts))
        with gate.writer.transaction() as tx:
            verdict = gate.record_prepared_advice_in_transaction(tx, prepared, at=NOW, note=note)
        assert verdict.rule == rule
        assert (_last(gate).kind, _last(gate).body) == ("demo.note", {"rule": rule})


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
    assert set(routes) == set(load_regulatory_rule_book().places)


def test_to_approve_and_to_go_live_rest_on_the_basis_and_to_stop_rests_on_nothing():
    moves = [row for row in DEPLOYMENT_LIFECYCLE.moves if row.origin]
    resting = {row.to for row in moves if row.needs}
    assert resting == {DeploymentStatus.APPROVED, DeploymentStatus.LIVE}
    assert all(row.needs for row in moves if row.to in resting)


@pytest.mark.parametrize(("mode", "wanted"), [("confirm", True), ("advisory", False)])
def test_a_mode_that_asks_for_a_signed_decision_says_so(mode, wanted):
    verdict = _ask(_gate(with_live(mode=mode)))
    assert (verdict.rule, verdict.sign_off) == (ALLOWED, wanted)


def test_a_patient_is_told_through_the_gate_in_a_transaction_of_its_own_or_of_the_caller():
    gate = _gate(tell=False)
    by = KEYS["clinician"]
    receipt = gate.record_patient_disclosure("deployment/x", "e", "zh-Hant", by=by, at=NOW)
    assert receipt.deployment == "deployment/x"
    assert receipt.notice == gate.guide_of_own_deployment_or_none("deployment/x").notice["zh-Hant"]
    body = gate.writer.registry.records[receipt.disclosure].body
    assert body["encounter"] == gate.encounter_pseudonym("e")
    assert _ask(gate).rule == ALLOWED
    told = "deployment/x", "f", "en"
    size = gate.writer.ledger.head().size
    with suppress(KeyboardInterrupt), gate.writer.transaction() as tx:
        gate.record_patient_disclosure_in_transaction(tx, *told, by=by, at=NOW)
        raise KeyboardInterrupt
    assert gate.writer.ledger.head().size == size
    assert (
        gate.record_and_answer_advice_request("deployment/x", "f", GOOD, at=NOW).rule
        == "gate.not-disclosed"
    )
    with gate.writer.transaction() as tx:
        gate.record_patient_disclosure_in_transaction(tx, *told, by=by, at=NOW)
    assert gate.record_and_answer_advice_request("deployment/x", "f", GOOD, at=NOW).rule == ALLOWED
    gate.institution = "elsewhere"
    with pytest.raises(AdviceRefusedError, match=r"gate\.wrong-institution"):
        gate.record_patient_disclosure(*told, by=by, at=NOW)


def test_a_keyed_digest_is_that_of_the_institutions_secret():
    gate = _gate()
    expected = hmac.new(b"s", b"message", "sha256").hexdigest()
    assert gate.keyed_digest_hex(b"message") == expected


def test_what_is_wanted_of_an_encounter_is_what_guide_and_product_ask_for():
    gate = _gate()
    wanted = gate.wanted_facts_or_empty_if_refused("deployment/x")
    assert wanted <= set(GOOD)
    for name in GOOD:
        fewer = {fact: text for fact, text in GOOD.items() if fact != name}
        rule = "gate.missing-fact" if name in wanted else ALLOWED
        assert _ask(gate, fewer).rule == rule, name
    assert (
        _gate(with_deployment(), tell=False).wanted_facts_or_empty_if_refused("deployment/x")
        == frozenset()
    )
    assert gate.wanted_facts_or_empty_if_refused("deployment/none") == frozenset()


def test_a_guide_is_told_of_the_deployments_of_this_institution_only():
    gate = _gate()
    assert (
        gate.guide_of_own_deployment_or_none("deployment/x") is gate.writer.guides.guides["imaging"]
    )
    assert gate.guide_of_own_deployment_or_none("deployment/none") is None
    assert gate.guide_of_own_deployment_or_none("version/v1") is None
    gate.institution = "elsewhere"
    assert gate.guide_of_own_deployment_or_none("deployment/x") is None


def _with_guides(gate, **guides):
    gate.writer.guides = GuideLibrary(
        guides={**shipped_clinic_guide_library().guides, **guides}, faults={}
    )
    return gate


def test_a_guide_that_is_gone_or_another_refuses_by_its_own_rule():
    approved = shipped_clinic_guide_library().guides["imaging"]
    gate = _with_guides(_gate(), imaging=replace(approved, sha256="0" * 64))
    changed = _ask(gate)
    assert (changed.rule, changed.detail) == ("gate.guide-changed", "imaging")
    assert changed.words["en"] == (
        "The guide is not the one that the deployment was approved under."
    )
    assert _ask(_with_guides(gate)).rule == ALLOWED
    others = {name: each for name, each in gate.writer.guides.guides.items() if name != "imaging"}
    gate.writer.guides = GuideLibrary(guides=others, faults={})
    gone = _ask(gate)
    assert (gone.rule, gone.detail) == ("gate.guide-unavailable", "imaging")
    assert gone.words["en"] == "The guide of this deployment is not available here."


# What stands on record by another way than the registry's writer, which would refuse it.
@pytest.mark.parametrize(
    ("history", "rule", "where"),
    [
        ([PRODUCT, VERSION, USE, RULING, step("evidence", threshold=1.5), APPROVAL,
          step("deployment", threshold=1.5), *START], "gate.no-threshold", "deployment/x"),
        ([PRODUCT, VERSION, step("intended-use", indications=["no such fact"]), RULING, EVIDENCE,
          APPROVAL, DEPLOYMENT, *START], "gate.no-indications", "intended-use/u"),
        ([*BASIS, DEPLOYMENT, *START], ALLOWED, ""),
    ],
)  # fmt: skip
def test_what_no_desk_lets_through_refuses_at_the_question(history, rule, where):
    writer = desk()
    for entry in history:
        write(writer, entry)
    verdict = _ask(_gate(writer))
    assert verdict.rule == rule
    assert verdict.detail.startswith(where)
    assert set(verdict.words) >= {"en", "zh-Hant"}


def test_who_was_shown_an_advice_stands_in_it_and_of_a_shadow_nobody_does():
    question = AdviceRequest(
        deployment="deployment/x", encounter_id="e", facts=GOOD, shown_to="0123456789abcdef"
    )
    for mode, shown_to in (("advisory", "0123456789abcdef"), ("shadow", None)):
        gate = _gate(with_live(mode=mode))
        [verdict] = gate.record_prepared_advice([gate.prepare_advice(question)], at=NOW)
        assert gate.writer.registry.records[verdict.advice].body.get("shown_to") == shown_to


def test_two_figures_that_no_decimals_tell_apart_are_shown_as_they_are():
    assert shown_score_and_threshold_texts(1e-300, 2e-300) == {
        "score": "1e-300",
        "threshold": "2e-300",
    }
    assert shown_score_and_threshold_texts(1e-18, 2e-18) == {"score": "1e-18", "threshold": "2e-18"}
    assert shown_score_and_threshold_texts(0.3, 0.3) == {"score": "0.30", "threshold": "0.30"}


def test_a_gateway_that_may_write_no_more_refuses_each_of_its_group_by_the_ledgers_error():
    gate = _gate()
    question = AdviceRequest(deployment="deployment/x", encounter_id="e", facts=GOOD)
    prepared = [gate.prepare_advice(question) for _ in range(2)]
    gateway = actor_id_of(KEYS["gateway"].public_key)
    with gate.writer.ledger.transaction() as tx:
        gate.writer.ledger.revoke(tx, gateway, reason="gone", by=KEYS["registrar"], at=NOW)
    size = gate.writer.ledger.head().size
    settled = gate.record_prepared_advice(prepared, at=NOW)
    assert [type(each) for each in settled] == [ActorError, ActorError]
    assert gate.writer.ledger.head().size == size


def test_what_one_note_may_not_say_is_refused_with_its_answer():
    gate = _gate()
    prepared = gate.prepare_advice(
        AdviceRequest(deployment="deployment/x", encounter_id="e", facts=GOOD)
    )
    size = gate.writer.ledger.head().size
    wrong = EntryDraft(kind="sandbox.release", subject="release/1", body={})
    with gate.writer.transaction() as tx:
        refused = gate.record_prepared_advice_in_transaction(
            tx, prepared, at=NOW, note=lambda _: [wrong]
        )
        assert isinstance(refused, ActorError)
        assert gate.record_prepared_advice_in_transaction(tx, prepared, at=NOW).rule == ALLOWED
    assert gate.writer.ledger.head().size == size + 1
