"""What waits for whom: a history for each kind of waiting, and the step that ends it."""

import json
from datetime import date, timedelta

import click
import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.preconditions import PRECONDITIONS, fault_of_deployment
from commonwatt.clinic.domain.registry.waiting import WaitingKind, registry_waiting_rows
from commonwatt.clinic.usecases.committee import (
    PRODUCT_TABLES,
    clinic_waiting_row_dicts,
    committee_product_file,
)
from commonwatt.clinic.usecases.queries import reporting_periods_by_place_and_event
from commonwatt.ledger import ActorError, EntryDraft
from tests.clinic_factories import (
    BODIES,
    DIGEST,
    FACTS,
    HOUR,
    KEYS,
    MONITOR,
    NAMES,
    NOW,
    desk,
    estimates,
    move,
    put,
    ruling,
    with_deployment,
    with_live,
)
from tests.clinic_histories import write

TODAY = NOW.date()
OTHER_DIGEST = "cd" * 32
ALARM = {"deployment": "deployment/x", "type": "signal", "severity": "other",
         "code": "calibration-alarm", "stream": "all"}  # fmt: skip
INCIDENT = {"deployment": "deployment/x", "type": "incident", "severity": "death",
            "jurisdiction": "hk", "code": "missed-finding"}  # fmt: skip
RUN = {"deployment": "deployment/x", "type": "action", "severity": "other", "code": "monitor-run",
       "plan_sha256": DIGEST, "state_sha256": DIGEST, "through": "2026-11-21"}  # fmt: skip


def rows(writer, on=TODAY, product=""):
    return registry_waiting_rows(
        writer.registry, on, reporting_periods_by_place_and_event(), product=product
    )


def record(writer, kind, name, body, role, at=NOW):
    with writer.transaction() as tx:
        writer.write_registry_record(tx, kind, name, body, by=KEYS[role], at=at)


def with_records(*kinds, **changes):
    writer = desk()
    for kind in kinds:
        put(writer, kind, NAMES[kind], BODIES[kind] | changes.get(kind.replace("-", "_"), {}))
    return writer


def only_product():
    return with_records("product")


def unruled():
    return with_records("product", "version", "intended-use", "evidence")


def unexamined():
    return with_records("product", "version", "intended-use", "ruling")


def weakly_examined():
    weak = {"estimates": estimates(events=20)}
    return with_records("product", "version", "intended-use", "ruling", "evidence", evidence=weak)


def undecided():
    return with_records("product", "version", "intended-use", "ruling", "evidence")


def approved(**changes):
    kinds = ("product", "version", "intended-use", "ruling", "evidence", "determination")
    return with_records(*kinds, determination=changes)


def with_condition(by=None):
    condition = "A reader study within the year."
    named = {"condition": condition, "by": by} if by else condition
    writer = with_records(*BODIES, determination={"conditions": [named]})
    for to, role in (("approved", "committee-chair"), ("live", "clinical-lead")):
        move(writer, to, role)
    return writer


def expiring():
    writer = with_records(*BODIES, determination={"valid_until": "2026-12-24"})
    for to, role in (("approved", "committee-chair"), ("live", "clinical-lead")):
        move(writer, to, role)
    return writer


def allowed_to_go_live():
    writer = with_deployment()
    move(writer, "approved", "committee-chair")
    return writer


def paused():
    writer = with_live()
    move(writer, "paused", "safety-officer", NOW + HOUR)
    return writer


def withdrawn():
    writer = with_live()
    put(
        writer, "determination", "w", BODIES["determination"] | {"outcome": "withdrawn"}, NOW + HOUR
    )
    return writer


def in_alarm():
    writer = with_live()
    record(writer, "event", "a1", ALARM, "monitor", NOW + HOUR)
    return writer


def with_incident():
    writer = with_live()
    put(writer, "event", "i1", INCIDENT, NOW + HOUR)
    return writer


def run_without_information():
    writer = with_live()
    record(writer, "event", "run", RUN | {"verdict": "no information"}, "monitor", NOW + HOUR)
    return writer


def outdated():
    """A ruling that the rules of a later day would not give: it came past the writer."""
    writer = with_records("product", "version", "intended-use")
    write(writer, ("ruling", "r", BODIES["ruling"] | {"classes": {"device": "I"}}))
    return writer


def unusable_approval():
    writer = with_records("product", "version", "intended-use", "ruling", "evidence")
    other = BODIES["ruling"] | {"rule_set_sha256": OTHER_DIGEST}
    write(writer, ("ruling", "theirs", other))
    write(writer, ("determination", "d", BODIES["determination"] | {"ruling": "ruling/theirs"}))
    return writer


CHAIR, LEAD = "committee-chair", "clinical-lead"
# The history, the day after NOW on which it is looked at, what waits, for whom, by which command.
CASES = {
    WaitingKind.NO_VERSION: (only_product, 0, "product/p", "manufacturer", "register version"),
    WaitingKind.NO_USE: (only_product, 0, "product/p", "manufacturer", "register intended-use"),
    WaitingKind.NO_RULING: (unruled, 0, "intended-use/u", "regulatory-officer", "classify"),
    WaitingKind.RULING_OUTDATED: (outdated, 0, "ruling/r", "regulatory-officer", "classify"),
    WaitingKind.NO_EVIDENCE: (unexamined, 0, "version/v1", "evaluator", "evidence"),
    WaitingKind.EVIDENCE_TOO_WEAK: (weakly_examined, 0, "version/v1", "evaluator", "evidence"),
    WaitingKind.UNDECIDED: (undecided, 0, "version/v1", CHAIR, "register determination"),
    WaitingKind.CONDITION_OPEN: (with_condition, 0, "determination/d", CHAIR, "fulfilment"),
    WaitingKind.APPROVAL_UNUSABLE: (
        unusable_approval, 0, "determination/d", "regulatory-officer", "classify"),
    WaitingKind.APPROVAL_EXPIRES: (expiring, 0, "determination/d", CHAIR, "determination"),
    WaitingKind.NOT_DEPLOYED: (approved, 0, "determination/d", LEAD, "register deployment"),
    WaitingKind.NOT_APPROVED: (with_deployment, 0, "deployment/x", CHAIR, "model approve"),
    WaitingKind.NOT_LIVE: (allowed_to_go_live, 0, "deployment/x", LEAD, "model deploy"),
    WaitingKind.PAUSED: (paused, 0, "deployment/x", LEAD, "model deploy"),
    WaitingKind.BASIS_BROKEN: (withdrawn, 0, "deployment/x", LEAD, "pause --retire"),
    WaitingKind.NOT_WATCHED: (with_live, 8, "deployment/x", "monitor", "monitor run"),
    WaitingKind.MONITOR_SILENT: (
        run_without_information, 0, "deployment/x", "monitor", "monitor run"),
    WaitingKind.ALARM_OPEN: (in_alarm, 0, "event/a1", LEAD, "monitor answer"),
    WaitingKind.REPORT_OWED: (with_incident, 0, "event/i1", "safety-officer", "incident close"),
}  # fmt: skip


def test_each_kind_of_waiting_has_a_case():
    assert set(CASES) == set(WaitingKind)


@pytest.mark.parametrize("kind", CASES)
def test_what_stands_still_names_the_role_the_command_and_since_when(kind):
    history, days, subject, role, command = CASES[kind]
    waiting = [row for row in rows(history(), TODAY + timedelta(days=days)) if row.kind is kind]
    [row] = waiting
    assert (row.subject, row.step.role, row.product) == (subject, role, "product/p")
    assert command in row.step.command
    assert NOW <= row.since <= NOW + HOUR
    for language in ("en", "zh-Hant"):
        assert row.reason_text(language)
    assert row.reason_text("zh-Hant") != row.reason_text("en")


def test_nothing_waits_where_a_product_is_live_and_watched_without_open_duties():
    writer = with_live()
    assert rows(writer) == []
    assert rows(writer, TODAY + timedelta(days=7)) == []
    record(writer, "event", "run", RUN | {"verdict": "quiet"}, "monitor", NOW + timedelta(days=9))
    assert rows(writer, TODAY + timedelta(days=16)) == []


def test_every_command_that_is_named_is_one_of_the_program():
    steps = {row.step for row in PRECONDITIONS}
    steps |= {row.step for case in CASES.values() for row in rows(case[0](), TODAY)}
    for step in steps:
        command = root
        for word in [word for word in step.command.split() if not word.startswith("--")]:
            if not isinstance(command, click.Group):
                break  # a kind of record
            command = command.get_command(click.Context(command), word)
            assert command is not None, step.command
        named = {option for each in command.params for option in each.opts}
        assert {word for word in step.command.split() if word.startswith("--")} <= named


def test_a_condition_is_met_in_its_own_words_by_the_committee_alone():
    writer = with_condition(by="2026-12-01")
    [row] = rows(writer)
    assert (row.due_at.date(), row.working_days_left(TODAY)) == (date(2026, 12, 1), 7)
    met = {"determination": "determination/d", "condition": "A reader study within the year."}
    with pytest.raises(ActorError):
        record(writer, "fulfilment", "f", met, "manufacturer")
    with pytest.raises(StatusMoveError, match="word for word"):
        record(writer, "fulfilment", "f", met | {"condition": "A reader study."}, CHAIR)
    record(writer, "fulfilment", "f", met, CHAIR)
    assert rows(writer) == []
    with pytest.raises(StatusMoveError, match="met already"):
        record(writer, "fulfilment", "g", met, CHAIR)


def test_an_alarm_waits_until_a_person_answers_it_whatever_the_monitor_did():
    writer = with_live(monitor=MONITOR | {"on_alarm": "pause"})
    with writer.transaction() as tx:
        writer.record_alarm_and_act_by_plan(
            tx, "deployment/x", "a1", by=KEYS["monitor"], at=NOW + HOUR
        )
    assert {row.kind for row in rows(writer)} == {WaitingKind.ALARM_OPEN, WaitingKind.PAUSED}
    answer = {"deployment": "deployment/x", "type": "action", "severity": "other",
              "code": "scanner-replaced", "closes": "event/a1"}  # fmt: skip
    with pytest.raises(StatusMoveError, match="narrative"):
        record(writer, "event", "b", answer, LEAD)
    answer |= {"narrative": "The new scanner was calibrated."}
    for role in ("monitor", "clinician"):
        with pytest.raises(ActorError):
            record(writer, "event", "b", answer, role)
    record(writer, "event", "b", answer, LEAD, NOW + 2 * HOUR)
    assert [row.kind for row in rows(writer)] == [WaitingKind.PAUSED]
    # To say anything else as an event is not the lead's.
    with pytest.raises(ActorError):
        record(writer, "event", "c", INCIDENT, LEAD)


def test_a_person_who_moves_the_deployment_has_answered_its_alarm():
    writer = in_alarm()
    move(writer, "paused", "safety-officer", NOW + 2 * HOUR)
    assert [row.kind for row in rows(writer)] == [WaitingKind.PAUSED]
    move(writer, "retired", LEAD, NOW + 3 * HOUR)
    assert rows(writer) == []


def test_a_report_waits_until_its_working_days_are_over_and_beyond():
    writer = with_incident()
    [row] = rows(writer)
    due = row.due_at.date()
    assert row.rule == "hk.ae.death"
    assert row.working_days_left(due) == 0
    assert row.working_days_left(due + timedelta(days=7)) == -5


def test_an_approval_holds_until_its_last_day_and_not_on_the_next():
    writer = expiring()
    deployment, last = writer.registry.records["deployment/x"], date(2026, 12, 24)
    assert fault_of_deployment(writer.registry, deployment, last) is None
    fault = fault_of_deployment(writer.registry, deployment, last + timedelta(days=1))
    assert (fault.rule, fault.where) == ("gate.approval-expired", "determination/d")
    assert [row.kind for row in rows(writer, last)] == [
        WaitingKind.NOT_WATCHED, WaitingKind.APPROVAL_EXPIRES,
    ]  # fmt: skip
    [broken] = rows(writer, last + timedelta(days=1))
    assert (broken.kind, broken.rule) == (WaitingKind.BASIS_BROKEN, "gate.approval-expired")


def test_a_fallback_that_stands_by_does_not_wait():
    writer = desk()
    for kind, body in BODIES.items():
        # The fallback first: a plan names only what is on record.
        put(writer, kind, "y" if kind == "deployment" else NAMES[kind], body)
    plan = MONITOR | {"on_alarm": "roll-back", "fallback": "deployment/y"}
    put(writer, "deployment", "x", BODIES["deployment"] | {"monitor": plan})
    move(writer, "approved", CHAIR)
    move(writer, "live", "clinical-lead")
    assert [row.kind for row in rows(writer)] == []
    move(writer, "approved", CHAIR, name="y")
    assert rows(writer) == []


def test_a_new_version_under_a_plan_waits_for_evidence_and_then_for_nobody_once_it_runs():
    writer = with_live()
    update = {"previous": "version/v1", "artefact_sha256": OTHER_DIGEST}
    put(writer, "version", "v2", BODIES["version"] | update)
    [row] = rows(writer)
    assert (row.kind, row.subject) == (WaitingKind.NO_EVIDENCE, "version/v2")
    put(writer, "evidence", "e2", BODIES["evidence"] | {"version": "version/v2"})
    [row] = rows(writer)
    assert row.kind is WaitingKind.UNDECIDED
    put(writer, "deployment", "y", BODIES["deployment"] | {"version": "version/v2"})
    [row] = rows(writer)
    assert (row.kind, row.subject) == (WaitingKind.NOT_APPROVED, "deployment/y")


def test_the_file_of_a_product_shows_all_that_it_rests_on_and_the_same_rows():
    writer = with_incident()
    record(writer, "event", "a1", ALARM, "monitor", NOW + HOUR)
    put(writer, "version", "v2", BODIES["version"] | {"previous": "version/v1"}, NOW + HOUR)
    weak = {"version": "version/v2", "estimates": estimates(events=20)}
    put(writer, "evidence", "e2", BODIES["evidence"] | weak, NOW + HOUR)
    made = committee_product_file(writer.registry, "product/p", TODAY)
    tables = made.tables()
    assert list(tables) == list(PRODUCT_TABLES)
    for name, (_, table) in PRODUCT_TABLES.items():
        assert tables[name], name
        assert {column.name for column in table.columns} <= set(tables[name][0])
    assert made.waiting == clinic_waiting_row_dicts(writer.registry, TODAY)
    [law] = made.rulings
    assert (law["classes"], law["route"], law["today"]) == ("device: II", "approval", "in force")
    assert law["article"]
    assert law["rule_set_sha256"] == ruling("hk")["rule_set_sha256"]
    first, second = made.evidence
    assert (first["rows"], first["events"], first["groups"], first["lacks"]) == (1000, 200, 2, "")
    assert "20 events" in second["lacks"]
    assert made.incidents[0]["reporter"]
    assert [row["record"] for row in made.changes][:2] == ["evidence/e2", "version/v2"]
    with pytest.raises(StatusMoveError, match="a product on record"):
        committee_product_file(writer.registry, "product/none", TODAY)


def test_products_are_told_apart_and_all_are_shown_together():
    writer = with_live()
    put(writer, "product", "q", {"name": "Other", "manufacturer": "M"})
    assert {row.product for row in rows(writer)} == {"product/q"}
    assert rows(writer, product="product/p") == []
    assert len(rows(writer, product="product/q")) == 2


def test_a_use_of_other_facts_is_held_to_the_standard_of_its_own_class():
    writer = with_records("product", "version")
    facts = FACTS | {"condition": "critical", "significance": "diagnose"}
    put(writer, "intended-use", "u", BODIES["intended-use"] | {"facts": facts})
    put(writer, "ruling", "r", ruling("hk", facts))
    put(writer, "evidence", "e", BODIES["evidence"] | {"estimates": estimates(events=60, rows=300)})
    [row] = rows(writer)
    assert row.kind is WaitingKind.EVIDENCE_TOO_WEAK
    assert "too weak" in row.reason_text("en")


def run(*words):
    return run_main(root, ["clinic", *words])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for role, key in KEYS.items():
        key.save(tmp_path / f"{role}.pem")
    writer = desk(f"sqlite:///{tmp_path}/ledger.db")
    for kind, body in BODIES.items():
        put(writer, kind, NAMES[kind], body)
    for to, role in (("approved", CHAIR), ("live", LEAD)):
        move(writer, to, role)
    record(writer, "event", "a1", ALARM, "monitor", NOW + HOUR)
    put(writer, "event", "i1", INCIDENT, NOW + HOUR)
    yield writer
    writer.ledger.engine.dispose()


def test_the_commands_show_the_rows_of_the_use_case_and_an_answer_ends_the_waiting(folder, capsys):
    day = ("--on", TODAY.isoformat())
    assert run("committee", "waiting", *day, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["waiting"] == clinic_waiting_row_dicts(folder.registry, TODAY)
    assert run("committee", "product", "product/p", *day, "--json", "--out", "o") == 0
    shown = json.loads(capsys.readouterr().out)
    assert {name: shown[name] for name in PRODUCT_TABLES} == json.loads(
        json.dumps(committee_product_file(folder.registry, "product/p", TODAY).tables())
    )
    assert run("committee", "waiting", *day, "--lang", "zh-Hant") == 0
    out = capsys.readouterr().out
    assert "等候誰" in out
    assert "clinic monitor answer" in out
    assert run("committee", "product", "product/p", *day, "--lang", "zh-Hant") == 0
    assert "各地的類別與路徑" in capsys.readouterr().out
    words = ("--code", "reviewed", "--narrative", "Scores were looked at.")
    assert run("monitor", "answer", "event/i1", *words, "--key", f"{LEAD}.pem") == 67
    assert run("monitor", "answer", "event/a1", *words, "--key", "clinician.pem") == 63
    assert run("monitor", "answer", "event/a1", *words, "--key", f"{LEAD}.pem") == 0
    capsys.readouterr()
    assert run("committee", "waiting", "product/p", *day, "--json") == 0
    kinds = [row["kind"] for row in json.loads(capsys.readouterr().out)["waiting"]]
    assert "alarm-open" not in kinds
    assert run("committee", "waiting", "product/none") == 67
    assert run_main(root, ["ledger", "verify"]) == 0


@pytest.mark.parametrize("role", ["safety-officer", "clinician", "monitor"])
def test_the_committee_is_shown_the_last_run_of_the_monitor_and_of_nobody_else(role):
    """Whose verdict comes past the desk stands on record, and is no verdict of the monitor."""
    writer = with_live()
    quiet = RUN | {"verdict": "quiet", "through": "2026-11-20"}
    record(writer, "event", "run", quiet, "monitor", NOW + HOUR)
    body = RUN | {"verdict": "alarm"}
    draft = EntryDraft(kind="clinic.event", subject="event/typed", body=body)
    with writer.transaction() as tx:
        later = NOW + timedelta(days=3)
        entries = writer.ledger.append(tx, [draft], by=KEYS[role], at=later)
        writer.registry.apply_ledger_entries(entries)
    [plan] = committee_product_file(writer.registry, "product/p", TODAY).plans
    shown = ("alarm", later) if role == "monitor" else ("quiet", NOW + HOUR)
    assert (plan["verdict"], plan["last_run"]) == (
        shown[0], shown[1].isoformat(timespec="minutes"))  # fmt: skip
    # A run of somebody else puts off no day on which the monitor is overdue.
    overdue = [row for row in rows(writer, TODAY + timedelta(days=9))
               if row.kind is WaitingKind.NOT_WATCHED]  # fmt: skip
    assert bool(overdue) == (role != "monitor")
