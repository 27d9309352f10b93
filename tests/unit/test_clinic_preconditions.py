"""A version advises only under its own approval: at the move, and at every question."""

import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import FrameType

import pytest

from commonwatt.clinic.domain.errors import AdviceRefusedError, StatusMoveError
from commonwatt.clinic.domain.registry import preconditions
from commonwatt.clinic.domain.registry.preconditions import (
    PreconditionFault,
    advice_move_refusal,
    check_no_broken_advice_precondition,
    fault_of_approval,
    fault_of_deployment,
)
from commonwatt.clinic.domain.registry.steps import RETIRE
from commonwatt.clinic.engines.gateway.gate import RULES, AdviceRequest
from commonwatt.clinic.io.registry import PRECONDITIONS, RegistryWriter
from commonwatt.core.messages import Message
from commonwatt.ledger import Ledger
from tests.clinic_factories import (
    BODIES,
    DIGEST,
    FACTS,
    KEYS,
    MONITOR,
    NAMES,
    NOW,
    desk,
    estimates,
    made_live,
    move,
    put,
    ruling,
    with_determination,
    with_live,
)
from tests.clinic_histories import (
    APPROVAL,
    BASIS,
    DEPLOYMENT,
    EVIDENCE,
    GOOD,
    INSIDE,
    LEGAL,
    PRODUCT,
    RULING,
    START,
    USE,
    VERSION,
    ask_desk,
    decided,
    gate_of,
    signed_by,
    step,
    tell,
    to,
    write,
)

UPDATE = step("version", "v2", previous="version/v1", change=INSIDE)
OUTSIDE = step("version", "v2", previous="version/v1", change=INSIDE | {"kinds": ["input"]})
STRANGER = step("version", "v2")
ON_UPDATE = step("evidence", "e2", version="version/v2")
RUN_UPDATE = step("deployment", version="version/v2")
UNPLANNED = (*APPROVAL[:2], {name: text for name, text in APPROVAL[2].items() if name != "plan"})
OTHER_PRODUCT = [
    step("product", "q"),
    step("intended-use", "uq", product="product/q"),
    step("ruling", "rq", intended_use="intended-use/uq"),
]
UK = step("ruling", "uk", **ruling("uk"))
WITHDRAWAL = decided("w", "withdrawn")
AGAIN = to("paused"), to("live")


FACTS_OF_A_SERVICE = FACTS | {"offering": "service"}
# What the institution's own rules prohibit, and Hong Kong's would approve.
ALONE = FACTS | {"autonomy": "acts", "condition": "critical", "change": "continuous"}
# Of a class for which not every design is enough.
GRAVE = FACTS | {"condition": "critical"}
TYPED_CLASS = step("ruling", classes={"device": "I"})
THIRD = step("evidence", design="third-party")
WEAK = step("evidence", estimates=estimates(events=20))
IMPOSSIBLE = step("evidence", estimates=estimates(auc=7))
OTHER_MODEL = step("version", "v2", previous="version/v1", change=INSIDE, base_model="another")
OTHER_PROMPT = step("version", "v2", previous="version/v1", change=INSIDE, prompt_sha256=DIGEST)


def ruled(**changes):
    return [PRODUCT, VERSION, USE, step("ruling", **changes), EVIDENCE, APPROVAL, DEPLOYMENT]


def used(facts, law="hk", **deployment):
    """Return a history of a product with other facts, ruled on as the rules give."""
    use, law_of_it = step("intended-use", facts=facts), step("ruling", **ruling(law, facts))
    return [PRODUCT, VERSION, use, law_of_it, EVIDENCE, APPROVAL, step("deployment", **deployment)]


def run(**changes):
    return [*BASIS, step("deployment", **changes), *START]


# Rule of the gate, the step that the desk refuses, the history in full.
ILLEGAL = {
    "withdrawn before it is deployed": (
        "gate.approval-withdrawn", DEPLOYMENT, [*BASIS, WITHDRAWAL, DEPLOYMENT, *START]),
    "withdrawn before the committee approves the deployment": (
        "gate.approval-withdrawn", START[0], [*BASIS, DEPLOYMENT, WITHDRAWAL, *START]),
    "withdrawn before it goes live": (
        "gate.approval-withdrawn", START[1],
        [*BASIS, DEPLOYMENT, START[0], WITHDRAWAL, START[1]]),
    "withdrawn while live, paused, and brought back": (
        "gate.approval-withdrawn", AGAIN[1], [*LEGAL, WITHDRAWAL, *AGAIN]),
    "withdrawn under the ruling of another place": (
        "gate.approval-withdrawn", AGAIN[1],
        [*LEGAL, UK, decided("w", "withdrawn", ruling="ruling/uk"), *AGAIN]),
    "approved anew, and live under the withdrawn approval": (
        "gate.approval-withdrawn", DEPLOYMENT,
        [*BASIS, WITHDRAWAL, decided("d2"), DEPLOYMENT, *START]),
    "the withdrawal itself taken for an approval": (
        "gate.approval-withdrawn", DEPLOYMENT,
        [*BASIS[:-1], decided("d", "withdrawn"), DEPLOYMENT, *START]),
    "refused": (
        "gate.approval-refused", DEPLOYMENT,
        [*BASIS[:-1], decided("d", "refused"), DEPLOYMENT, *START]),
    "refused after it was approved": (
        "gate.approval-refused", AGAIN[1], [*LEGAL, decided("n", "refused"), *AGAIN]),
    "an update refused by name, though the plan covers it": (
        "gate.approval-refused", RUN_UPDATE,
        [PRODUCT, VERSION, UPDATE, USE, RULING, EVIDENCE, ON_UPDATE,
         decided("n", "refused", version="version/v2"), APPROVAL, RUN_UPDATE, *START]),
    "superseded": (
        "gate.approval-superseded", DEPLOYMENT, [*BASIS, decided("d2"), DEPLOYMENT, *START]),
    "superseded while live": (
        "gate.approval-superseded", AGAIN[1], [*LEGAL, decided("d2"), *AGAIN]),
    "approved for a time that is over": (
        "gate.approval-expired", decided("d", valid_until="2026-11-21"),
        [*BASIS[:-1], decided("d", valid_until="2026-11-21"), DEPLOYMENT, *START]),
    "approved as another version": (
        "gate.approval-of-another-version", RUN_UPDATE,
        [*BASIS, STRANGER, ON_UPDATE, RUN_UPDATE, *START]),
    "an update outside the plan": (
        "gate.update-outside-plan", RUN_UPDATE,
        [*BASIS, OUTSIDE, ON_UPDATE, RUN_UPDATE, *START]),
    "an update where no plan of changes was approved": (
        "gate.update-outside-plan", RUN_UPDATE,
        [*BASIS[:-1], UNPLANNED, UPDATE, ON_UPDATE, RUN_UPDATE, *START]),
    "ruled on as another product": (
        "gate.ruling-of-another-product", decided("d", ruling="ruling/rq"),
        [*BASIS[:-1], *OTHER_PRODUCT, decided("d", ruling="ruling/rq"), DEPLOYMENT, *START]),
    "approved as another product's version": (
        "gate.ruling-of-another-product", RUN_UPDATE,
        [*BASIS, step("product", "q"), (*UPDATE[:2], UPDATE[2] | {"product": "product/q"}),
         ON_UPDATE, RUN_UPDATE, *START]),
    "an update of the ruled product whose approved version is of another": (
        "gate.ruling-of-another-product", APPROVAL,
        [PRODUCT, step("product", "q"), step("version", product="product/q"), UPDATE, USE, RULING,
         EVIDENCE, ON_UPDATE, APPROVAL, RUN_UPDATE, *START]),
    "prohibited": (
        "gate.route-prohibited", APPROVAL, [*used(ALONE, "house"), *START]),
    "prohibited by the institution, though the law would approve it": (
        "gate.prohibited-by-institution", APPROVAL, [*used(ALONE), *START]),
    "a route that the place has not": (
        "gate.route-not-permitted", step("ruling", route="filing"),
        [*ruled(route="filing"), *START]),
    "a place that there is not": (
        "gate.route-not-permitted", step("ruling", jurisdiction="atlantis"),
        [*ruled(jurisdiction="atlantis"), *START]),
    "a place that is no law": (
        "gate.route-not-permitted", step("ruling", jurisdiction="imdrf"),
        [*ruled(jurisdiction="imdrf"), *START]),
    "a class that somebody typed": (
        "gate.ruling-not-computed", TYPED_CLASS,
        [*BASIS[:3], TYPED_CLASS, EVIDENCE, APPROVAL, DEPLOYMENT, *START]),
    "a rule set that there is not": (
        "gate.rules-not-held", step("ruling", rule_set_sha256=DIGEST),
        [*ruled(rule_set_sha256=DIGEST), *START]),
    "facts of which one is unknown": (
        "gate.ruling-not-computed", step("intended-use", facts=FACTS | {"condition": "mild"}),
        [PRODUCT, VERSION, step("intended-use", facts=FACTS | {"condition": "mild"}), RULING,
         EVIDENCE, APPROVAL, DEPLOYMENT, *START]),
    "facts of which one is missing": (
        "gate.ruling-not-computed", step("intended-use", facts={"significance": "drive"}),
        [PRODUCT, VERSION, step("intended-use", facts={"significance": "drive"}), RULING,
         EVIDENCE, APPROVAL, DEPLOYMENT, *START]),
    "run at another place than it was ruled on": (
        "gate.ruling-of-another-place", step("deployment", place="uk"), run(place="uk")),
    "ruled on by the institution alone, where the law has a say": (
        "gate.ruling-of-another-place", step("deployment"), [*used(FACTS, "house"), *START]),
    "evidence on too few patients": (
        "gate.evidence-too-weak", APPROVAL,
        [*BASIS[:-2], WEAK, APPROVAL, DEPLOYMENT, *START]),
    "a design that gates the class, said by the maker alone": (
        "gate.evidence-too-weak", APPROVAL,
        [*used(GRAVE)[:4], signed_by(EVIDENCE, "manufacturer"), APPROVAL, DEPLOYMENT, *START]),
    "a third party that is the maker": (
        "gate.evidence-too-weak", signed_by(THIRD, "manufacturer"),
        [*used(GRAVE)[:4], signed_by(THIRD, "manufacturer"), APPROVAL, DEPLOYMENT, *START]),
    "figures that cannot be": (
        "gate.evidence-too-weak", IMPOSSIBLE,
        [*BASIS[:-2], IMPOSSIBLE, APPROVAL, DEPLOYMENT, *START]),
    "an update with evidence on too few patients": (
        "gate.update-outside-plan", RUN_UPDATE,
        [*BASIS, UPDATE, step("evidence", "e2", version="version/v2",
                              estimates=estimates(auc=0.82)), RUN_UPDATE, *START]),
    "another base model under the name of an update": (
        "gate.update-outside-plan", RUN_UPDATE,
        [*BASIS, OTHER_MODEL, ON_UPDATE, RUN_UPDATE, *START]),
    "another prompt under the name of an update": (
        "gate.update-outside-plan", RUN_UPDATE,
        [*BASIS, OTHER_PROMPT, ON_UPDATE, RUN_UPDATE, *START]),
    "an update that advises from a score far from the approved one": (
        "gate.update-outside-plan", step("deployment", version="version/v2", threshold=0.9),
        [*BASIS, UPDATE, step("evidence", "e2", version="version/v2", threshold=0.9),
         step("deployment", version="version/v2", threshold=0.9), *START]),
    "another guide than that of the intended use": (
        "gate.guide-of-another-use", step("deployment", guide="oncology"), run(guide="oncology")),
    "a score to advise from that nobody examined": (
        "gate.threshold-not-examined", step("deployment", threshold=0.9), run(threshold=0.9)),
    "watched by nobody": (
        "gate.no-monitor-plan", step("deployment", monitor={}), run(monitor={})),
    "watched under a bound that promises nothing": (
        "gate.no-monitor-plan", step("deployment", monitor=MONITOR | {"alpha": 1}),
        run(monitor=MONITOR | {"alpha": 1})),
    "no evidence": (
        "gate.approval-without-evidence", APPROVAL,
        [PRODUCT, VERSION, USE, RULING, APPROVAL, DEPLOYMENT, *START]),
    "evidence of another version": (
        "gate.approval-without-evidence", APPROVAL,
        [PRODUCT, VERSION, STRANGER, USE, RULING, ON_UPDATE, APPROVAL, DEPLOYMENT, *START]),
    "evidence only after the approval": (
        "gate.approval-without-evidence", APPROVAL,
        [PRODUCT, VERSION, USE, RULING, APPROVAL, EVIDENCE, DEPLOYMENT, *START]),
    "an update without evidence of its own": (
        "gate.no-evidence", RUN_UPDATE, [*BASIS, UPDATE, RUN_UPDATE, *START]),
    "live without the committee": (
        "gate.move-not-permitted", START[1], [*BASIS, DEPLOYMENT, START[1]]),
    "brought back from retirement": (
        "gate.move-not-permitted", START[1], [*LEGAL, to("retired"), START[1]]),
    "approved after it was deployed": (
        "gate.unknown-reference", DEPLOYMENT, [*BASIS[:-1], DEPLOYMENT, APPROVAL, *START]),
    "a ruling that is not on record": (
        "gate.unknown-reference", APPROVAL,
        [PRODUCT, VERSION, USE, EVIDENCE, APPROVAL, DEPLOYMENT, *START]),
    "a version from before its product was there": (
        "gate.unknown-reference", VERSION, [VERSION, PRODUCT, *BASIS[2:], DEPLOYMENT, *START]),
    "an update of a product that is not on record": (
        "gate.unknown-reference", (*UPDATE[:2], UPDATE[2] | {"product": "product/none"}),
        [*BASIS, (*UPDATE[:2], UPDATE[2] | {"product": "product/none"}), ON_UPDATE, RUN_UPDATE,
         *START]),
    "a version taken for an intended use": (
        "gate.unknown-reference", step("ruling", intended_use="version/v1"),
        [*ruled(intended_use="version/v1"), *START]),
    "an update withdrawn, then approved for another place": (
        "gate.approval-withdrawn", AGAIN[1],
        [*BASIS, UPDATE, ON_UPDATE, RUN_UPDATE, *START,
         decided("w", "withdrawn", version="version/v2"), UK,
         decided("d2", version="version/v2", ruling="ruling/uk"), *AGAIN]),
    "an update superseded by an approval of its own": (
        "gate.approval-superseded", AGAIN[1],
        [*BASIS, UPDATE, ON_UPDATE, RUN_UPDATE, *START, decided("d2", version="version/v2"),
         *AGAIN]),
    "superseded by an approval for a place that cannot be told": (
        "gate.approval-superseded", decided("d2", ruling="ruling/none"),
        [*LEGAL, decided("d2", ruling="ruling/none"), *AGAIN]),
    "an update made before the version that it updates": (
        "gate.approval-of-another-version", UPDATE,
        [PRODUCT, UPDATE, VERSION, USE, RULING, EVIDENCE, ON_UPDATE, APPROVAL, RUN_UPDATE,
         *START]),
    "evidence from before the version was there": (
        "gate.approval-without-evidence", EVIDENCE,
        [PRODUCT, USE, RULING, EVIDENCE, VERSION, APPROVAL, DEPLOYMENT, *START]),
    "approved before it was proposed": (
        "gate.move-not-permitted", START[0], [*BASIS, START[0], DEPLOYMENT, *START]),
    "a ruling exchanged under its name": (
        "gate.unknown-reference", step("ruling", route="exempt"),
        [*BASIS[:-3], step("ruling", route="exempt"), EVIDENCE, APPROVAL, RULING,
         DEPLOYMENT, *START]),
}  # fmt: skip

LEGAL_ONES = {
    "the plain one": LEGAL,
    "withdrawn, approved anew and deployed under the new approval": [
        *BASIS, WITHDRAWAL, decided("d2"), step("deployment", determination="determination/d2"),
        *START],
    "superseded and deployed under the later approval": [
        *BASIS, decided("d2"), step("deployment", determination="determination/d2"), *START],
    "approved for another place, too": [*LEGAL, UK, decided("d2", ruling="ruling/uk"), *AGAIN],
    "refused first, approved later": [
        *BASIS[:-1], decided("n", "refused"), APPROVAL, DEPLOYMENT, *START],
    "another version refused and withdrawn": [
        *LEGAL, STRANGER, decided("n", "refused", version="version/v2"),
        decided("w", "withdrawn", version="version/v2"), *AGAIN],
    "another product ruled on, too": [*BASIS, *OTHER_PRODUCT, DEPLOYMENT, *START],
    "paused and brought back": [*LEGAL, *AGAIN, *AGAIN],
    "exempt where that is a route": [*used(FACTS | {"significance": "inform"}), *START],
    "filed where that is a route": [*used(FACTS, "uk", place="uk"), *START],
    "a service, of which the law says nothing, under the institution's own rules": [
        *used(FACTS_OF_A_SERVICE, "house"), *START],
    "an update at a score within the plan": [
        *BASIS, UPDATE, step("evidence", "e2", version="version/v2", threshold=0.35),
        step("deployment", version="version/v2", threshold=0.35), *START],
    "weak evidence first, enough later": [
        *BASIS[:-2], WEAK, step("evidence", "e2"), APPROVAL, DEPLOYMENT, *START],
    "approved without a plan of changes, and never changed": [
        *BASIS[:-1], UNPLANNED, DEPLOYMENT, *START],
    "an update inside the plan with evidence of its own": [
        *BASIS, UPDATE, ON_UPDATE, RUN_UPDATE, *START],
    "an update with an approval of its own": [
        *BASIS, UPDATE, ON_UPDATE, decided("d2", version="version/v2"),
        step("deployment", version="version/v2", determination="determination/d2"), *START],
    "said by the maker first, by a third party later": [
        *used(GRAVE)[:4], signed_by(EVIDENCE, "manufacturer"), step("evidence", "e2"), APPROVAL,
        DEPLOYMENT, *START],
    "a class that any design is enough for, said by the maker alone": [
        *BASIS[:-2], signed_by(EVIDENCE, "manufacturer"), APPROVAL, DEPLOYMENT, *START],
    "a third party that is one": [*used(GRAVE)[:4], THIRD, APPROVAL, DEPLOYMENT, *START],
    "more evidence after the approval": [*LEGAL, step("evidence", "later"), *AGAIN],
    "an update refused first, approved later, deployed under the approval of the first version": [
        PRODUCT, VERSION, UPDATE, USE, RULING, EVIDENCE, ON_UPDATE,
        decided("n", "refused", version="version/v2"), decided("d2", version="version/v2"),
        APPROVAL, RUN_UPDATE, *START],
    "another deployment retired": [
        *LEGAL, step("deployment", "y"), to("approved", "y"), to("retired", "y")],
}  # fmt: skip


def asked(made):
    gate = gate_of(made)
    tell(made, gate)
    return gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW)


@pytest.mark.parametrize("name", ILLEGAL)
def test_what_breaks_a_precondition_is_refused_at_the_move_and_at_the_question(name):
    rule, refused, history = ILLEGAL[name]
    by_desk = desk()
    assert next(entry for entry in history if not ask_desk(by_desk, entry)) == refused
    past_desk = desk()
    for entry in history:
        write(past_desk, entry)
    verdict = asked(past_desk)
    assert verdict.rule == rule
    assert verdict.score is None
    assert list(past_desk.ledger.entries())[-1].body["rule"] == rule
    advice = {"deployment": "deployment/x", "encounter": "e", "score": 0.4, "shown": True}
    with pytest.raises(StatusMoveError):
        put(past_desk, "advice", "a", advice)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"version": "version/none"}, "version/none"),
        ({"determination": "version/v1"}, "version/v1"),
        ({"determination": ""}, "deployment/x, determination"),
    ],
)
def test_a_missing_record_is_named_or_else_the_place_where_its_name_is_missing(changes, where):
    made = desk()
    for entry in [*BASIS, step("deployment", **changes), *START]:
        write(made, entry)
    verdict = asked(made)
    assert (verdict.rule, verdict.detail) == ("gate.unknown-reference", where)


@pytest.mark.parametrize(
    ("changes", "where"),
    [({}, None), ({"ruling": "ruling/none"}, "ruling/none"), ({"version": ""}, "determination/d")],
)
def test_an_approval_that_rests_on_nothing_is_at_fault_before_any_row_is_asked(changes, where):
    made = desk()
    for entry in [*BASIS[:-1], step("determination", **changes)]:
        write(made, entry)
    [record] = [r for r in made.registry.records.values() if r.kind == "determination"]
    fault = fault_of_approval(made.registry, record, NOW.date())
    assert (fault is None) is (where is None)
    if fault:
        assert fault.rule == "gate.unknown-reference"
        assert fault.where.startswith(where)


@pytest.mark.parametrize("name", LEGAL_ONES)
def test_what_keeps_every_precondition_is_moved_and_may_advise(name):
    made = desk()
    assert all(ask_desk(made, entry) for entry in LEGAL_ONES[name])
    assert asked(made).allows_advice


def test_every_precondition_is_a_rule_of_the_gate_and_is_broken_by_a_history():
    rules = {row.rule for row in PRECONDITIONS}
    assert rules <= set(RULES)
    # An outcome beside the three of the form cannot come by the desk: see the next test.
    assert rules == {rule for rule, _, _ in ILLEGAL.values()} | {
        "gate.not-approved",
        "gate.ruling-outdated",
        "gate.approved-by-its-maker",  # of somebody who is enrolled twice: see the independence
    }


def test_a_ruling_that_the_law_of_the_approval_would_not_give_any_more_is_outdated():
    """In between the European AI Act came into force, which has a class of its own."""
    early = datetime(2024, 1, 1, 8, tzinfo=UTC)
    made = desk(at=early)
    for kind in ("product", "version", "intended-use", "evidence"):
        put(made, kind, NAMES[kind], BODIES[kind], at=early)
    put(made, "ruling", "r", ruling("eu", on=early.date()), at=early)
    with pytest.raises(StatusMoveError, match="The law changed between the ruling and the app"):
        put(made, "determination", "d", BODIES["determination"])
    put(made, "ruling", "r2", ruling("eu"))
    put(made, "determination", "d", BODIES["determination"] | {"ruling": "ruling/r2"})


def test_an_approval_for_a_time_holds_on_its_last_day_and_not_on_the_next():
    made = desk()
    day = NOW.date()
    for entry in [*BASIS[:-1], decided("d", valid_until=day.isoformat())]:
        assert ask_desk(made, entry)
    approval = made.registry.records["determination/d"]
    assert fault_of_approval(made.registry, approval, day) is None
    fault = fault_of_approval(made.registry, approval, day + timedelta(days=1))
    assert fault is not None
    assert fault.rule == "gate.approval-expired"


def test_an_outcome_that_the_form_has_not_is_no_approval():
    made = desk()
    for entry in [*BASIS[:-1], decided("d", "maybe"), DEPLOYMENT, *START]:
        write(made, entry)
    assert asked(made).rule == "gate.not-approved"


def test_the_question_after_a_withdrawal_is_refused_and_the_one_before_it_was_not():
    made = with_live()
    gate = gate_of(made)
    tell(made, gate)
    assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).allows_advice
    ready = gate.prepare_advice(
        AdviceRequest(deployment="deployment/x", encounter_id="e", facts=GOOD)
    )
    put(made, "determination", "w", BODIES["determination"] | {"outcome": "withdrawn"})
    [late] = gate.record_prepared_advice([ready], at=NOW)
    assert (late.rule, late.detail) == ("gate.approval-withdrawn", "determination/w")
    assert late.words["en"] == "The approval was withdrawn."
    assert late.words["zh-Hant"] == "此批准已被撤回。"
    with pytest.raises(AdviceRefusedError, match=r"gate\.approval-withdrawn \(determination/w\)"):
        late.check_allows_advice()


def test_a_withdrawal_that_another_program_wrote_counts_at_the_next_question(tmp_path):
    made = desk(f"sqlite:///{tmp_path}/ledger.db")
    for entry in LEGAL:
        assert ask_desk(made, entry)
    gate = gate_of(made)
    tell(made, gate)
    assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).allows_advice
    write(RegistryWriter(Ledger.open(f"sqlite:///{tmp_path}/ledger.db")), WITHDRAWAL)
    assert (
        gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).rule
        == "gate.approval-withdrawn"
    )


@pytest.mark.parametrize("status", ["paused", "retired"])
def test_what_lost_its_approval_can_still_be_stopped_and_is_not_live_then(status):
    made = with_live()
    assert ask_desk(made, WITHDRAWAL)
    assert ask_desk(made, to(status))
    assert asked(made).rule == "gate.not-live"


def test_what_is_only_approved_or_proposed_may_not_advise():
    made = desk()
    for entry in [*BASIS, DEPLOYMENT]:
        assert ask_desk(made, entry)
    assert asked(made).rule == "gate.not-live"
    assert ask_desk(made, START[0])
    assert (
        gate_of(made).record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).rule
        == "gate.not-live"
    )


@pytest.mark.parametrize("withdrawn", [True, False])
def test_an_alarm_revives_no_fallback_whose_approval_was_withdrawn(withdrawn):
    made = with_determination()
    for entry in (UPDATE, ON_UPDATE, decided("d2", version="version/v2")):
        assert ask_desk(made, entry)
    body = {"version": "version/v2", "determination": "determination/d2"}
    put(made, "deployment", "y", BODIES["deployment"] | body)
    move(made, "approved", "committee-chair", name="y")
    plan = MONITOR | {"on_alarm": "roll-back", "fallback": "deployment/y"}
    put(made, "deployment", "x", BODIES["deployment"] | {"monitor": plan})
    made_live(made)

    def alarm():
        with made.transaction() as tx:
            made.record_alarm_and_act_by_plan(
                tx, "deployment/x", "alarm", by=KEYS["monitor"], at=NOW
            )

    if withdrawn:
        assert ask_desk(made, decided("w", "withdrawn", version="version/v2"))
    alarm()
    assert made.registry.deployment_status("deployment/x") == "paused"
    assert (made.registry.deployment_status("deployment/y") == "live") is not withdrawn


def test_a_refused_move_says_what_is_wrong_and_in_both_languages():
    made = desk()
    for entry in [*BASIS, WITHDRAWAL]:
        assert ask_desk(made, entry)
    with pytest.raises(StatusMoveError) as caught:
        put(made, "deployment", "x", BODIES["deployment"])
    assert str(caught.value) == (
        "determination/w: wanted an approval in force. The approval was withdrawn."
    )
    assert "此批准已被撤回" in caught.value.translate("zh-Hant")


def test_an_update_outside_the_plan_is_told_how_it_leaves_it():
    made = desk()
    for entry in [*BASIS, OUTSIDE, ON_UPDATE]:
        assert ask_desk(made, entry)
    body = BODIES["deployment"] | {"version": "version/v2"}
    with pytest.raises(StatusMoveError, match="a kind that is not planned: input"):
        put(made, "deployment", "x", body)


@pytest.mark.parametrize("why", [None, Message("a kind that is not planned: input")])
def test_a_broken_precondition_is_told_alike_at_a_step_and_at_a_move(why):
    fault = PreconditionFault(
        rule="gate.x", sentence=Message("The approval was withdrawn."),
        wanted=Message("an approval in force"), where="determination/w", why=why, step=RETIRE,
    )  # fmt: skip
    refusal = advice_move_refusal(fault)
    assert (refusal.where, refusal.found, refusal.wanted, refusal.remedy) == (
        "determination/w", why or "", fault.wanted, fault.sentence)  # fmt: skip
    particular = " a kind that is not planned: input," if why else ""
    with pytest.raises(StatusMoveError) as caught:
        check_no_broken_advice_precondition(fault)
    assert str(caught.value).replace(" found", "") == (
        f"determination/w:{particular} wanted an approval in force. The approval was withdrawn."
    )


def test_where_no_precondition_is_broken_nothing_is_refused():
    assert advice_move_refusal(None) is None
    check_no_broken_advice_precondition(None)


def calls_made(question: Callable[[], object]) -> int:
    """How many functions `question` calls, in Python and in C: the same on a busy machine."""
    count = 0

    def counted(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        question()
    finally:
        sys.setprofile(before)
    return count


def test_a_question_asks_every_precondition_and_does_not_slow_down_as_the_record_grows():
    made = with_live()
    gate = gate_of(made)
    tell(made, gate)
    deployment = made.registry.records["deployment/x"]

    def ask() -> None:
        encounter = gate.encounter_pseudonym("e")
        assert gate.advice_verdict_without_record("deployment/x", encounter, GOOD).allows_advice
        # The gate goes through the rows where something they read has changed; here they are
        # gone through in any case.
        assert fault_of_deployment(made.registry, deployment, NOW.date()) is None

    ask()
    few = calls_made(ask)
    for i in range(300):
        put(made, "evidence", f"e-{i}", BODIES["evidence"])
        put(made, "version", f"v-{i}", BODIES["version"] | {"artefact_sha256": DIGEST})
    ask()
    many = calls_made(ask)
    # Fifty calls of leeway for what a cache drops and reads again; 600 entries would need more.
    assert many <= few + 50, f"{few} calls before 600 entries, {many} after them"


def test_the_rows_are_gone_through_once_for_all_questions_between_which_nothing_they_read_changed(
    monkeypatch,
):
    made = with_live()
    gate = gate_of(made)
    tell(made, gate)
    gone_through = []

    def counted(basis, rows=preconditions._first_broken_precondition):
        gone_through.append(basis.holder.name)
        return rows(basis)

    monkeypatch.setattr(preconditions, "_first_broken_precondition", counted)
    for _ in range(3):
        assert gate.record_and_answer_advice_request(
            "deployment/x", "e", GOOD, at=NOW
        ).allows_advice
        assert gate.record_and_answer_advice_request(
            "deployment/x", "untold", GOOD, at=NOW
        ).rule == ("gate.not-disclosed")
    # For six questions, each judged before the lock by this day and after it by the entry's.
    assert len(gone_through) <= 2
    write(made, step("evidence", "later"))
    assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).allows_advice
    assert len(gone_through) <= 4


# What is written to a clinic that advises, and the rule of the very next question.
AT_THE_NEXT_QUESTION = {
    "withdrawn": (LEGAL, WITHDRAWAL, "gate.approval-withdrawn"),
    "withdrawn under the ruling of another place": (
        [*LEGAL, UK], decided("w", "withdrawn", ruling="ruling/uk"), "gate.approval-withdrawn"),
    "refused": (LEGAL, decided("n", "refused"), "gate.approval-refused"),
    "superseded": (LEGAL, decided("d2"), "gate.approval-superseded"),
    "superseded for a place that cannot be told": (
        LEGAL, decided("d2", ruling="ruling/none"), "gate.approval-superseded"),
    "an update withdrawn by its own name": (
        [*BASIS, UPDATE, ON_UPDATE, RUN_UPDATE, *START],
        decided("w", "withdrawn", version="version/v2"), "gate.approval-withdrawn"),
    "an update that was refused, approved, and is withdrawn by its own name": (
        LEGAL_ONES["an update refused first, approved later, deployed under the approval of the"
                   " first version"],
        decided("w", "withdrawn", version="version/v2"), "gate.approval-withdrawn"),
    "paused": (LEGAL, to("paused"), "gate.not-live"),
    "made live once more, past the table": (LEGAL, to("live"), "gate.move-not-permitted"),
    "its ruling written anew under the old name": (
        LEGAL, step("ruling", route="exempt"), "gate.unknown-reference"),
    "its version written anew under the old name": (LEGAL, VERSION, "gate.unknown-reference"),
    "its approval written anew under the old name": (LEGAL, APPROVAL, "gate.unknown-reference"),
    "its product written anew under the old name": (LEGAL, PRODUCT, "gate.unknown-reference"),
    "more evidence, which changes nothing": (LEGAL, step("evidence", "later"), "gate.allowed"),
    "approved for another place, which changes nothing": (
        [*LEGAL, UK], decided("d2", ruling="ruling/uk"), "gate.allowed"),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_THE_NEXT_QUESTION)
def test_whatever_is_written_counts_at_the_very_next_question(name):
    history, change, rule = AT_THE_NEXT_QUESTION[name]
    made = desk()
    for entry in history:
        write(made, entry)
    gate = gate_of(made)
    tell(made, gate)
    assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).allows_advice
    ready = gate.prepare_advice(
        AdviceRequest(deployment="deployment/x", encounter_id="e", facts=GOOD)
    )
    write(made, change)
    [settled] = gate.record_prepared_advice([ready], at=NOW)
    assert settled.rule == rule
    assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).rule == rule


UNEXAMINED = run(threshold=0.9)
EXAMINED = step("evidence", "e9", threshold=0.9)


# What a clinic is refused by, and what mends it.
MENDED = {
    "a score that nobody examined, examined": (
        UNEXAMINED, "gate.threshold-not-examined", EXAMINED),
    "an update without evidence, given it": (
        [*BASIS, UPDATE, RUN_UPDATE, *START], "gate.no-evidence", ON_UPDATE),
    "an approval for a place that could not be told, which is another": (
        [*LEGAL, decided("d2", ruling="ruling/uk")], "gate.approval-superseded", UK),
}  # fmt: skip


@pytest.mark.parametrize("name", MENDED)
def test_what_mends_a_precondition_counts_at_the_very_next_question_too(name):
    history, rule, mend = MENDED[name]
    made = desk()
    for entry in history:
        write(made, entry)
    gate = gate_of(made)
    tell(made, gate)
    for _ in range(2):
        assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).rule == rule
    write(made, mend)
    assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).allows_advice


def test_what_was_judged_by_entries_that_were_taken_back_is_judged_again():
    """Evidence that counted is taken back, and other evidence is written: as many as before."""
    made = desk()
    for entry in UNEXAMINED:
        write(made, entry)
    gate = gate_of(made)
    tell(made, gate)
    size = made.ledger.head().size

    def rule():
        encounter = gate.encounter_pseudonym("e")
        return gate.advice_verdict_without_record("deployment/x", encounter, GOOD).rule

    with suppress(KeyboardInterrupt), made.transaction() as tx:
        made.write_registry_record(tx, *EXAMINED, by=KEYS["evaluator"], at=NOW)
        assert rule() == "gate.allowed"
        raise KeyboardInterrupt
    assert made.ledger.head().size == size
    write(made, step("evidence", "e3"))
    assert rule() == "gate.threshold-not-examined"
