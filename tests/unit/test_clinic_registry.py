"""Records, moves and the questions that fall out of them."""

import re
from unittest.mock import patch

import pytest

from commonwatt.clinic.domain.errors import RulesError, StatusMoveError
from commonwatt.clinic.domain.rules import ReportingPeriod
from commonwatt.clinic.domain.rules.book import load_regulatory_rule_book
from commonwatt.clinic.io.registry import (
    FIELDS,
    RECORD_ROLES,
    DeploymentStatus,
    Registry,
)
from commonwatt.core.errors import CommonwattError
from commonwatt.ledger import ActorError
from commonwatt.ledger.verify import verify_ledger
from tests.clinic_factories import (
    BODIES,
    HOUR,
    KEYS,
    MONITOR,
    NOW,
    desk,
    made_live,
    move,
    put,
    with_deployment,
    with_determination,
    with_live,
)


def advice(made, name="a", encounter="enc-1", at=NOW, shown=True):
    body = {"deployment": "deployment/x", "encounter": encounter, "score": 0.4, "shown": shown}
    put(made, "advice", name, body, at)


def test_there_are_fourteen_records_and_each_table_names_every_one():
    assert len(FIELDS) == 14
    assert set(FIELDS) == set(RECORD_ROLES)


@pytest.mark.parametrize("kind", FIELDS)
def test_a_missing_record_of_any_kind_is_named_in_whole_words(kind):
    with pytest.raises(StatusMoveError) as refused:
        desk().registry.registered_record("some/name", kind)
    english, chinese = refused.value.translate("en"), refused.value.translate("zh-Hant")
    wanted = re.search(r"wanted (.*?)\.?$", english).group(1)
    assert wanted.endswith(" on record")
    assert "-" not in wanted
    article, noun = wanted.split()[:2]
    if article in {"a", "an"}:
        assert article == ("an" if noun[0] in "aeiou" else "a"), wanted
    assert "已登記的" in chinese
    assert not re.search("[a-z]", chinese.replace("some/name", "")), chinese


def test_what_was_live_at_a_institution_at_a_time():
    made = with_deployment()
    move(made, DeploymentStatus.APPROVED, "committee-chair", NOW + HOUR)
    move(made, DeploymentStatus.LIVE, "clinical-lead", NOW + 2 * HOUR)
    move(made, DeploymentStatus.PAUSED, "monitor", NOW + 4 * HOUR)
    registry = made.registry
    assert registry.live_deployments("qmh", NOW + HOUR) == []
    [live] = registry.live_deployments("qmh", NOW + 3 * HOUR)
    assert (live.version, live.mode, live.since) == ("version/v1", "advisory", NOW + 2 * HOUR)
    assert registry.live_deployments("qmh", NOW + 4 * HOUR) == []
    assert registry.live_deployments("elsewhere", NOW + 3 * HOUR) == []


def test_who_approved_the_threshold_and_which_rule_set_gave_the_class():
    made = with_live()
    approver = made.registry.last_approval_move("deployment/x")
    entry = next(made.ledger.entries(approver.index))
    roles = {a.actor_id: a.person.role for a in made.ledger.actors()}
    assert roles[entry.actor_id] == "committee-chair"
    [ruling] = made.registry.rule_set_rulings_on_product("product/p", "hk")
    assert ruling.body["rule_set_sha256"] == load_regulatory_rule_book().digests_by_place["hk"]


def test_whether_the_doctor_saw_the_advice_first():
    made = with_live()
    for name, before in (("a", True), ("b", False)):
        advice(made, name)
        body = {"advice": f"advice/{name}", "outcome": "overridden", "own_estimate": 0.2,
                "asked_before": before}  # fmt: skip
        put(made, "decision", name, body)
    advice(made, "c")
    saw_first = [made.registry.clinician_saw_advice_first(f"advice/{name}") for name in "abc"]
    assert saw_first == [False, True, None]


def test_how_overrides_fared_with_labels_that_come_late():
    made = with_live()
    for name, outcome, label in (("a", "overridden", True), ("b", "accepted", False),
                                 ("c", "overridden", None)):  # fmt: skip
        advice(made, name)
        body = {"advice": f"advice/{name}", "outcome": outcome, "asked_before": False}
        put(made, "decision", name, body)
        if label is not None:
            put(made, "outcome", name, {"advice": f"advice/{name}", "label": label})
    table = made.registry.outcome_counts_by_decision("deployment/x")
    assert table["overridden"] == {"event": 1, "no event": 0, "not known": 1}
    assert table["accepted"] == {"event": 0, "no event": 1, "not known": 0}


def test_which_encounters_lacked_disclosure():
    made = with_live()
    disclosure = {"deployment": "deployment/x", "encounter": "enc-1", "language": "zh-Hant"}
    put(made, "disclosure", "d1", disclosure)
    advice(made, "a", "enc-1", NOW + HOUR)
    advice(made, "b", "enc-2", NOW + HOUR)
    advice(made, "c", "enc-3", NOW + HOUR, shown=False)
    put(made, "disclosure", "d2", disclosure | {"encounter": "enc-2"}, NOW + 2 * HOUR)
    assert made.registry.encounters_shown_advice_undisclosed("deployment/x") == ["enc-2"]


def test_who_must_be_told_by_when_soonest_first():
    made = with_live()
    for name, place, severity in (("1", "us", "serious"), ("2", "cn", "death")):
        body = {"deployment": "deployment/x", "type": "incident", "severity": severity,
                "jurisdiction": place, "code": "missed-finding"}  # fmt: skip
        put(made, "event", name, body)
    week = {"event": "serious", "days": 5.0, "working": True, "rule": "a"}
    periods = {
        ("us", "serious"): [
            ReportingPeriod(**week, reporter="user-facility"),
            ReportingPeriod(**week | {"days": 30.0, "working": False}, reporter="manufacturer"),
        ],
        ("cn", "death"): [
            ReportingPeriod(
                event="death", days=7.0, working=False, reporter="manufacturer", rule="b"
            )
        ],
    }
    duties = made.registry.reporting_duties(periods)
    assert [(d.jurisdiction, d.reporter, d.due_at.day, d.rule) for d in duties] == [
        ("us", "user-facility", 27, "a"),
        ("cn", "manufacturer", 29, "b"),
        ("us", "manufacturer", 22, "a"),
    ]
    # An event that names who reports gives a duty to that one alone.
    body |= {"jurisdiction": "us", "severity": "serious", "reporter": "user-facility"}
    put(made, "event", "3", body)
    own = [d for d in made.registry.reporting_duties(periods) if d.event == "event/3"]
    assert [(d.reporter, d.due_at.day) for d in own] == [("user-facility", 27)]


def test_a_duty_follows_the_class_that_is_on_record():
    made = with_live()
    [ruling] = [made.registry.records[name] for name in made.registry.by_kind["ruling"]]
    place, [(scheme, klass)] = ruling.body["jurisdiction"], ruling.body["classes"].items()
    body = {"deployment": "deployment/x", "type": "incident", "severity": "death",
            "jurisdiction": place, "code": "missed-finding"}  # fmt: skip
    put(made, "event", "1", body)
    period = {"event": "death", "working": False, "reporter": "manufacturer"}
    of_class = ReportingPeriod(**period, days=10, rule="own", given={scheme: (klass,)})
    of_other = ReportingPeriod(**period, days=2, rule="other", given={scheme: ("none",)})
    periods = {(place, "death"): [of_other, of_class]}
    assert [d.rule for d in made.registry.reporting_duties(periods)] == ["own"]
    # A ruling of another place says nothing here: the period that ends first runs.
    elsewhere = {("us", "death"): [of_class, of_other]}
    put(made, "event", "2", body | {"jurisdiction": "us"})
    assert [d.rule for d in made.registry.reporting_duties(elsewhere)] == ["other"]


def test_a_move_that_is_not_in_the_table_is_refused_with_those_that_are():
    made = with_deployment()
    with pytest.raises(StatusMoveError, match="one of the moves approved, retired"):
        move(made, DeploymentStatus.LIVE, "clinical-lead")


@pytest.mark.parametrize(
    ("to", "role"),
    [(DeploymentStatus.APPROVED, "clinical-lead"), (DeploymentStatus.RETIRED, "clinician")],
)
def test_a_wrong_role_may_not_move_a_deployment(to, role):
    made = with_deployment()
    size = made.ledger.head().size
    with pytest.raises(ActorError, match=f"role {role}"):
        move(made, to, role)
    assert made.ledger.head().size == size


def test_a_record_by_the_wrong_role_is_refused():
    made = desk()
    with pytest.raises(ActorError, match="manufacturer"), made.transaction() as tx:
        made.write_registry_record(
            tx, "product", "p", BODIES["product"], by=KEYS["clinician"], at=NOW
        )


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("deployment", {"mode": "wild"}, "one of shadow"),
        ("deployment", {"threshold": 30}, "a share"),
        ("deployment", {"threshold": float("nan")}, "a share"),
        ("deployment", {"guide": ""}, "a text"),
        ("deployment", {"institution": 3}, "a text"),
        ("deployment", {"colour": 1}, "one of version"),
        ("deployment", {"version": "version/none"}, "a version on record"),
        ("deployment", {"version": "product/p"}, "one of version/"),
        ("version", {"artefact_sha256": "abc"}, "SHA-256"),
        ("evidence", {"design": "anecdote"}, "one of retrospective"),
    ],
)
def test_a_record_that_is_not_of_the_form_is_refused_and_nothing_is_kept(kind, change, message):
    made = with_deployment()
    size = made.ledger.head().size
    with pytest.raises(StatusMoveError, match=message):
        put(made, kind, "other", BODIES[kind] | change)
    assert made.ledger.head().size == size


def test_a_missing_field_and_an_unknown_kind_are_refused():
    made = desk()
    with pytest.raises(StatusMoveError, match="product, manufacturer: wanted a value"):
        put(made, "product", "p", {"name": "x"})
    with pytest.raises(StatusMoveError, match="one of product"), made.transaction() as tx:
        made.write_registry_record(tx, "rumour", "r", {}, by=KEYS["clinician"], at=NOW)


def test_a_name_is_given_once_and_an_advice_is_decided_once():
    made = with_live()
    with pytest.raises(StatusMoveError, match="of this name already"):
        put(made, "product", "p", BODIES["product"])
    advice(made)
    body = {"advice": "advice/a", "outcome": "accepted", "asked_before": False}
    put(made, "decision", "1", body)
    with pytest.raises(StatusMoveError, match="a decision on it already"):
        put(made, "decision", "2", body)


def test_no_advice_is_recorded_for_what_is_not_live():
    made = with_deployment()
    with pytest.raises(StatusMoveError, match="a live deployment"):
        advice(made)


def test_a_refused_or_withdrawn_version_cannot_be_deployed():
    made = with_deployment()
    put(made, "determination", "w", BODIES["determination"] | {"outcome": "withdrawn"})
    for determination in ("determination/d", "determination/w"):
        body = BODIES["deployment"] | {"determination": determination}
        with pytest.raises(StatusMoveError, match="an approval in force"):
            put(made, "deployment", "y", body)


def test_what_a_failed_transaction_wrote_is_forgotten():
    made = with_live()

    def fail():
        with made.transaction() as tx:
            made.write_registry_record(
                tx, "product", "q", BODIES["product"], by=KEYS["manufacturer"], at=NOW
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "product/q" not in made.registry.records
    put(made, "product", "q", BODIES["product"])


def test_the_registry_is_the_fold_of_its_ledger_and_the_ledger_verifies():
    made = with_live()
    advice(made)
    again = Registry()
    again.apply_ledger_entries(made.ledger.entries())
    assert again.__dict__ == made.registry.__dict__
    verify_ledger(made.ledger)


def test_a_rollback_pauses_the_bad_and_revives_the_good_as_one_act():
    made = with_live()
    put(made, "deployment", "y", BODIES["deployment"])
    move(made, DeploymentStatus.APPROVED, "committee-chair", name="y")
    with made.transaction() as tx:
        made.roll_back_deployment(
            tx, "deployment/x", "deployment/y", by=KEYS["clinical-lead"], at=NOW, reason="alarm"
        )
    assert [live.deployment for live in made.registry.live_deployments("qmh", NOW)] == [
        "deployment/y"
    ]


def alarm(made, role="monitor", name="alarm"):
    with made.transaction() as tx:
        return made.record_alarm_and_act_by_plan(tx, "deployment/x", name, by=KEYS[role], at=NOW)


FALL_BACK = MONITOR | {"on_alarm": "roll-back", "fallback": "deployment/y"}


def with_fallback(**changes):
    """A live deployment x whose plan falls back to y, which is approved."""
    made = with_determination()
    put(made, "deployment", "y", BODIES["deployment"] | changes)
    put(made, "deployment", "x", BODIES["deployment"] | {"monitor": FALL_BACK})
    move(made, DeploymentStatus.APPROVED, "committee-chair", name="y")
    return made_live(made)


def with_older_plan(**plan):
    """A live deployment whose plan came on record before what could not be was refused."""
    with patch("commonwatt.clinic.io.registry.entry_writer.check_new_monitor_plan"):
        return with_live(monitor=MONITOR | {"on_alarm": "roll-back"} | plan)


def with_fallback_elsewhere():
    made = with_older_plan(fallback="deployment/y")
    put(made, "deployment", "y", BODIES["deployment"] | {"institution": "south"})
    move(made, DeploymentStatus.APPROVED, "committee-chair", name="y")
    return made


def live(made):
    return [
        live_deployment.deployment for live_deployment in made.registry.live_deployments("qmh", NOW)
    ]


@pytest.mark.parametrize(
    ("action", "status"), [("signal", DeploymentStatus.LIVE), ("pause", DeploymentStatus.PAUSED)]
)
def test_an_alarm_is_answered_as_the_approved_plan_says(action, status):
    made = with_live(monitor=MONITOR | {"on_alarm": action})
    response = alarm(made)
    assert made.registry.deployment_status("deployment/x") is status
    assert made.registry.records["event/alarm"].body["type"] == "signal"
    assert (response.paused, response.fallback) == (action == "pause", "")
    assert response.fallback_fault is None


def test_an_alarm_rolls_back_to_the_named_fallback_and_to_nothing_else():
    made = with_fallback()
    response = alarm(made)
    assert live(made) == ["deployment/y"]
    assert (response.paused, response.fallback) == (True, "deployment/y")
    assert response.fallback_fault is None
    with pytest.raises(ActorError):
        move(made, DeploymentStatus.LIVE, "monitor")


@pytest.mark.parametrize(
    ("plan", "fault"),
    [
        ({"on_alarm": "roll-back"}, "monitor.fallback: wanted the deployment to roll back to"),
        ({"on_alarm": "roll-back", "fallback": ""}, "wanted the deployment to roll back to"),
        ({"on_alarm": "roll-back", "fallback": "deployment/z"}, "wanted a deployment on record"),
        ({"on_alarm": "roll-back", "fallback": "version/v1"}, "wanted a deployment on record"),
        ({"on_alarm": "roll-back", "fallback": "deployment/x"}, "another deployment than this"),
        ({"on_alarm": "roll-back", "fallback": "deployment/old"}, "that is not retired"),
        ({"on_alarm": "roll-back", "fallback": "deployment/away"}, "same product, place and"),
        ({"on_alarm": "pause", "fallback": "deployment/y"}, "wanted none, or on_alarm = roll-back"),
        ({"band": 10}, "monitor.band: found 10.0"),
        ({"band": 1.01}, "2.7 times"),
        ({"alpha": 0.99}, "at most 0.2"),
        ({"horizon_rows": 1}, "from 100 to"),
        ({"horizon_rows": 10**10}, "from 100 to"),
        ({"columns": {"day": ""}}, "monitor.columns, day"),
        ({"columns": {"score": ""}}, "monitor.columns, score"),
        ({"columns": {"score": " p"}}, "without blanks"),
        ({"columns": {"score": "score", "label": "score"}}, "the column score in two roles"),
        ({"columns": {"known_on": "day"}}, "the column day in two roles"),
        ({"columns": {"patient": "id", "row_key": "id"}}, "the column id in two roles"),
        ({"by": {"label": ["0", "1"]}}, "the column label in two roles"),
        ({"by": {"sex": ["f "]}}, "monitor.by, sex"),
        ({"zone": "Mars/Olympus"}, "a zone, as Asia/Hong_Kong"),
        ({"zone": ""}, "a zone, as Asia/Hong_Kong"),
    ],
)
def test_a_plan_by_which_nothing_is_watched_is_refused_when_it_is_registered(plan, fault):
    made = with_fallback()
    for name, away in (("old", {}), ("away", {"institution": "pwh"})):
        put(made, "deployment", name, BODIES["deployment"] | away)
    move(made, DeploymentStatus.RETIRED, "clinical-lead", name="old")
    assert fault in str(made_with(made, "x2", plan))
    assert "deployment/x2" not in made.registry.records


def made_with(made, name, plan):
    """Return the error with which a plan is refused; None where it is registered."""
    if plan.get("fallback") == "deployment/x":
        plan = plan | {"fallback": f"deployment/{name}"}
    try:
        put(made, "deployment", name, BODIES["deployment"] | {"monitor": MONITOR | plan})
    except CommonwattError as error:
        return error
    return None


@pytest.mark.parametrize("plan", [
    {}, {"band": 0}, {"band": 1, "alpha": 0.2}, {"horizon_rows": 100}, {"horizon_rows": 10**9},
    {"on_alarm": "roll-back", "fallback": "deployment/y"}, {"on_alarm": "pause"},
    {"columns": {"day": "d", "known_on": "", "patient": "id", "row_key": ""}},
    {"columns": {"score": "label", "label": "score"}}, {"zone": "Asia/Hong_Kong"},
    {"by": {"sex": ["f", "m", "None"]}},
])  # fmt: skip
def test_a_plan_by_which_something_is_watched_is_registered(plan):
    assert made_with(with_fallback(), "z", plan) is None


def test_what_stands_on_record_under_wider_limits_goes_on():
    with patch("commonwatt.clinic.io.registry.entry_writer.check_new_monitor_plan"):
        made = with_live(monitor={"band": 2, "alpha": 0.5})
    assert live(made) == ["deployment/x"]


def retire_fallback(made):
    move(made, DeploymentStatus.RETIRED, "clinical-lead", name="y")


def withdraw(made):
    put(made, "determination", "w", BODIES["determination"] | {"outcome": "withdrawn"})


UNFIT = {
    "a fallback that is not on record": (
        lambda: with_older_plan(fallback="deployment/z"),
        lambda _: None, "monitor", "a deployment on record"),
    "no fallback named": (
        with_older_plan,
        lambda _: None, "monitor", "a deployment on record"),
    "the alarmed deployment itself": (
        lambda: with_older_plan(fallback="deployment/x"),
        lambda _: None, "monitor", "one of the moves"),
    "a retired fallback": (with_fallback, retire_fallback, "monitor", "one of the moves"),
    "an approval that was withdrawn": (with_fallback, withdraw, "monitor", "an approval in force"),
    "a fallback at another institution": (
        with_fallback_elsewhere, lambda _: None, "monitor",
        "whose institution is qmh"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_an_alarm_pauses_whether_or_not_the_fallback_can_take_over(name):
    make, spoil, role, fault = UNFIT[name]
    made = make()
    spoil(made)
    response = alarm(made, role)
    assert made.registry.deployment_status("deployment/x") is DeploymentStatus.PAUSED
    assert live(made) == []
    assert (response.paused, response.fallback) == (True, "")
    assert fault in str(response.fallback_fault)
    assert "event/alarm" in made.registry.records
    pause = list(made.ledger.entries(kind="clinic.move"))[-1].body
    assert pause["to"] == "paused"
    assert pause["reason"] == f"event/alarm. The fallback could not take over: {fault_of(response)}"
    verify_ledger(made.ledger)


FALLBACK_PATHS = {
    "proposed": (), "approved": ("approved",), "live": ("approved", "live"),
    "paused": ("approved", "live", "paused"), "retired": ("retired",),
}  # fmt: skip
MOVERS = {"approved": "committee-chair", "live": "clinical-lead", "paused": "safety-officer",
          "retired": "clinical-lead"}  # fmt: skip


@pytest.mark.parametrize("state", FALLBACK_PATHS)
def test_a_fallback_takes_over_from_two_states_and_from_no_other(state):
    made = with_determination()
    put(made, "deployment", "y", BODIES["deployment"])
    put(made, "deployment", "x", BODIES["deployment"] | {"monitor": FALL_BACK})
    made_live(made)
    for to in FALLBACK_PATHS[state]:
        move(made, DeploymentStatus(to), MOVERS[to], name="y")
    takes_over = state in {"approved", "paused"}
    response = alarm(made)
    assert made.registry.deployment_status("deployment/x") is DeploymentStatus.PAUSED
    after = made.registry.deployment_status("deployment/y")
    assert after == ("live" if takes_over else state)
    assert (response.fallback_fault is None) is takes_over


def fault_of(response):
    return response.fallback_fault.translate("en")


@pytest.mark.parametrize("status", [DeploymentStatus.PAUSED, DeploymentStatus.RETIRED])
def test_an_alarm_on_what_is_stopped_already_is_put_on_record_and_moves_nothing(status):
    made = with_fallback()
    move(made, status, "clinical-lead")
    response = alarm(made)
    assert "event/alarm" in made.registry.records
    assert made.registry.deployment_status("deployment/x") is status
    assert live(made) == []
    assert (response.paused, response.fallback, response.fallback_fault) == (False, "", None)


@pytest.mark.parametrize("role", ["clinician", "safety-officer"])
def test_an_alarm_is_the_monitors_to_raise(role):
    made = with_live()
    with pytest.raises(ActorError):
        alarm(made, role)
    assert made.registry.deployment_status("deployment/x") is DeploymentStatus.LIVE


@pytest.mark.parametrize(
    ("change", "place"),
    [({"jurisdiction": "atlantis"}, "atlantis"), ({"jurisdiction": "hk"}, ""), ({}, "")],
)
def test_an_incident_happens_in_a_place_that_has_rules(change, place):
    made = with_live()
    body = {"deployment": "deployment/x", "type": "incident", "severity": "death", "code": "x"}
    if place:
        with pytest.raises(RulesError, match=place):
            put(made, "event", "i", body | change)
    else:
        put(made, "event", "i", body | change)
        assert made.registry.records["event/i"].body["jurisdiction"] == "hk"


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("reason", "Mrs Chan refuses", "patient-declined"),
        ("reason", "陳大文 refuses", "other"),
        ("acted_at", "whenever", "2026-11-22T08:00:00Z"),
    ],
)
def test_a_decision_holds_codes_and_instants_and_no_words(field, wrong, right):
    made = with_live()
    advice = {"deployment": "deployment/x", "encounter": "e", "score": 0.4, "shown": True}
    put(made, "advice", "a", advice)
    body = {"advice": "advice/a", "outcome": "overridden", "asked_before": False}
    with pytest.raises(StatusMoveError, match=field):
        put(made, "decision", "c", body | {field: wrong})
    put(made, "decision", "c", body | {field: right})
