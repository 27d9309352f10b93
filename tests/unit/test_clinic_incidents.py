"""Incidents: awareness, narrative, device problem; duties from awareness to their report."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.narrative import personal_data_in_narrative
from commonwatt.clinic.domain.registry.records import check_registry_record
from commonwatt.clinic.domain.registry.state import incident_report_due_at
from commonwatt.clinic.domain.rules import ReportingPeriod
from commonwatt.ledger import ActorError
from tests.clinic_commands import enrol_by_commands, register_by_commands
from tests.clinic_factories import BODIES, DIGEST, HOUR, KEYS, NOW, put, with_live

INCIDENT = {"deployment": "deployment/x", "type": "incident", "severity": "serious",
            "jurisdiction": "hk", "code": "missed-finding"}  # fmt: skip
REPORT = {"deployment": "deployment/x", "type": "action", "severity": "serious",
          "code": "report-sent", "closes": "event/e1", "report_number": "HK-1"}  # fmt: skip
PERIODS = {
    (place, "serious"): [ReportingPeriod(event="serious", reporter="user-facility", days=10,
                                         working=place == "us", rule=f"{place}.ae.serious")]
    for place in ("hk", "us")
}  # fmt: skip


def aware(at):
    return INCIDENT | {"aware_at": at.isoformat()}


def duties(made, **words):
    return made.registry.reporting_duties(PERIODS, **words)


def test_a_duty_runs_from_awareness_and_not_from_the_entry():
    made = with_live()
    known = NOW - timedelta(days=6)
    put(made, "event", "e1", aware(known))
    [duty] = duties(made)
    assert (duty.aware_at, duty.due_at) == (known, known + timedelta(days=10))


def test_an_entry_from_before_awareness_was_asked_for_runs_from_its_own_moment():
    made = with_live()
    put(made, "event", "e1", INCIDENT)
    [duty] = duties(made)
    assert (duty.aware_at, duty.due_at) == (NOW, NOW + timedelta(days=10))


def test_working_days_are_counted_where_the_rule_says_so():
    made = with_live()
    friday = datetime(2026, 11, 20, 8, tzinfo=UTC)
    put(made, "event", "e1", aware(friday) | {"jurisdiction": "us"})
    [duty] = duties(made)
    assert duty.due_at.date().isoformat() == "2026-12-04"


@settings(max_examples=80, deadline=None)
@given(st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)), st.integers(1, 40))
def test_a_period_of_working_days_holds_as_many_of_them(since, days):
    due = incident_report_due_at(since, days, working=True)
    steps = [since + timedelta(days=n + 1) for n in range((due - since).days)]
    assert sum(day.weekday() < 5 for day in steps) == days
    assert due.weekday() < 5
    assert due >= incident_report_due_at(since, days, working=False)


def test_a_report_closes_its_duty_once_and_the_record_keeps_both():
    made = with_live()
    put(made, "event", "e1", aware(NOW - HOUR))
    put(made, "event", "e2", aware(NOW))
    put(made, "event", "r1", REPORT)
    assert [duty.event for duty in duties(made)] == ["event/e2"]
    both = {duty.event: duty.report_number for duty in duties(made, closed=True)}
    assert both == {"event/e1": "HK-1", "event/e2": ""}
    with pytest.raises(StatusMoveError, match="a report on it already"):
        put(made, "event", "r2", REPORT)


@pytest.mark.parametrize(
    "changes",
    [{"closes": "event/none"}, {"closes": "deployment/x"}, {"report_number": ""},
     {"closes": "event/signal"}, {"deployment": "deployment/y"}],
)  # fmt: skip
def test_a_report_on_nothing_or_without_its_number_is_refused(changes):
    made = with_live()
    put(made, "deployment", "y", BODIES["deployment"])
    put(made, "event", "e1", INCIDENT)
    put(made, "event", "signal", INCIDENT | {"type": "signal"})
    with pytest.raises(StatusMoveError):
        put(made, "event", "r1", REPORT | changes)
    with pytest.raises(StatusMoveError):
        put(made, "event", "r1", {k: v for k, v in REPORT.items() if k != "report_number"})
    assert len(duties(made)) == 1
    put(made, "event", "r1", REPORT)
    assert duties(made) == []


@pytest.mark.parametrize("role", ["clinician", "monitor"])
def test_whoever_may_report_an_incident_may_not_close_its_duty(role):
    made = with_live()
    put(made, "event", "e1", INCIDENT)
    with pytest.raises(ActorError), made.transaction() as tx:
        made.write_registry_record(tx, "event", "r1", REPORT, by=KEYS[role], at=NOW)
    put(made, "event", "r1", REPORT)


RUN = {"deployment": "deployment/x", "type": "action", "severity": "other", "code": "monitor-run",
       "plan_sha256": DIGEST, "state_sha256": DIGEST, "through": "2026-01-01"}  # fmt: skip


@pytest.mark.parametrize("role", ["clinician", "safety-officer"])
def test_what_a_monitor_counted_is_recorded_by_the_monitor_alone_and_whole(role):
    made = with_live()
    with pytest.raises(ActorError), made.transaction() as tx:
        made.write_registry_record(tx, "event", "r", RUN, by=KEYS[role], at=NOW)
    for name in ("plan_sha256", "state_sha256", "through"):
        part = {field: value for field, value in RUN.items() if field != name}
        with pytest.raises(StatusMoveError, match=name), made.transaction() as tx:
            made.write_registry_record(tx, "event", "r", part, by=KEYS["monitor"], at=NOW)
    with made.transaction() as tx:
        made.write_registry_record(tx, "event", "r", RUN, by=KEYS["monitor"], at=NOW)
    assert [run.name for run in made.registry.monitor_runs["deployment/x"]] == ["event/r"]


def test_awareness_lies_in_no_future_beyond_what_clocks_differ_by():
    made = with_live()
    put(made, "event", "e1", aware(NOW + timedelta(minutes=4)))
    with pytest.raises(StatusMoveError, match="not in the future"):
        put(made, "event", "e2", aware(NOW + timedelta(minutes=6)))


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("aware_at", "2026-11-20", "2026-11-20T08:00:00+08:00"),
        ("aware_at", "2026-11-20T08:00:00", "2026-11-20T08:00:00+00:00"),
        ("aware_at", 5, "2026-11-20T08:00+08:00"),
        ("device_problem", "1102", "A1102"),
        ("device_problem", "A11023", "A110203"),
        ("device_problem", "B01", "A01"),
        ("narrative", "x" * 2_001, "x" * 2_000),
        ("narrative", "Mr Chan was not called back.", "The patient was not called back."),
        ("report_number", "", "HK-2026-17"),
    ],
)
def test_what_describes_an_incident_has_its_form(field, wrong, right):
    with pytest.raises(StatusMoveError, match=field):
        check_registry_record("event", INCIDENT | {field: wrong})
    check_registry_record("event", INCIDENT | {field: right})


@pytest.mark.parametrize(
    "text",
    ["Seen by Dr Wong first.", "Mrs. Lee fell.", "HKID A123456(7)", "A 123456 7 was scanned",
     "MRN: 55", "case no. 7781", "Born 1950.", "on 2026-11-20", "on 20/11/2026",
     "on 20 November 2026", "on November 20, 2026", "11月20日",
     "call 9123 4567", "+852 2345 6789", "a.b@c.hk",
     "陳先生跌倒", "病歷號 12", "The patient, named Chan", "patient ID 12",
     "病人陳大文血壓下降。", "患者何志強跌倒", "Chan Tai Man, bed 12, fell.", "Wong Siu-ming fell.",
     "She fell on 3 Nov.", "by 梁小明醫生", "(852) 2345 6789", "case no: 12345", "HN 123456"],
)  # fmt: skip
def test_an_obvious_identifier_is_seen(text):
    assert personal_data_in_narrative(text), text


@pytest.mark.parametrize(
    "text",
    ["A nodule of 8 mm in the left upper lobe was missed at a score of 0.12.",
     "Dose of 1,000 mg twice a day; potassium 3.4 to 5.9 mmol/L within 48 hours.",
     "The model gave 12 of 3,400 scans no score after version 2.1.3.",
     "Ms of latency rose from 12 to 900.", "Nurse on duty overrode the advice; ward B6.",
     "The drug was continued for 10 days.", "模型漏報左肺結節，醫生其後發現。",
     "Contrast CT of a man in his sixties; an alarm may have been missed.",
     "模型沒有標示左側氣胸，當值醫生在一小時後自行發現。", "病房醫生依照提示停藥。",
     "患者兩次收到錯誤分數；主診醫生已知悉。", "病人黃疸加深；病人曾暈厥；高級醫生到場。",
     "連醫生也沒有發現；患者何時收到警報不明。", "病人高燒不退，馬上送院，周圍神經病變。",
     "BP fell to 88 52, HR 110 112 115 while no alarm came.",
     "Nurse Station screen showed no advice.", "In case no 2 views are given the model fails.",
     "Software version 4.10.2026 failed.", "HN T2 tumour was missed.",
     "A score of 3 may mean nothing."],
)  # fmt: skip
def test_what_points_to_nobody_may_be_told(text):
    assert personal_data_in_narrative(text) is None, text


def run(*words: str) -> int:
    return run_main(root, ["clinic", *words])


def test_an_incident_is_told_dated_and_closed_from_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    enrol_by_commands()
    register_by_commands(tmp_path)
    known = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    told = ("--severity", "serious", "--place", "hk", "--code", "missed", "--key",
            "safety-officer.pem", "--aware", known.strftime("%Y-%m-%dT%H:%M:%S+0000"))  # fmt: skip
    described = ("--device-problem", "A1102", "--narrative", "Missed a nodule of 8 mm.")
    assert run("incident", "report", "deployment/x", "e0", *told, "--narrative", "Mr Chan") == 67
    assert "found a name" in capsys.readouterr().err
    capsys.readouterr()
    assert run("incident", "report", "deployment/x", "e1", *told, *described, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    [duty] = answer["duties"]
    assert datetime.fromisoformat(duty["aware_at"]) == known.replace(second=0)
    assert answer["entry"]["body"]["narrative"] == "Missed a nodule of 8 mm."
    close = ("incident", "close", "event/e1", "--report-number", "HK-2026-17", "--key")
    assert run(*close, "clinician.pem") == 63
    assert run(*close, "safety-officer.pem") == 0
    assert run(*close, "safety-officer.pem") == 67
    capsys.readouterr()
    assert run("incident", "duties", "--json") == 0
    assert json.loads(capsys.readouterr().out)["duties"] == []
    assert run("incident", "duties", "--closed", "--json") == 0
    assert json.loads(capsys.readouterr().out)["duties"][0]["report_number"] == "HK-2026-17"
    assert run_main(root, ["ledger", "verify"]) == 0
