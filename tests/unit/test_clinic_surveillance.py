"""A deployment's monitor over many runs: its plan, its counts, its alarms on record."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.clinic.domain.surveillance import surveillance_plan_of_deployment
from commonwatt.clinic.io.monitor_state import CELL_SCHEMA, MonitorState
from commonwatt.clinic.io.patient_table import PatientColumns
from commonwatt.clinic.usecases.monitor import MonitorOptions
from commonwatt.clinic.usecases.surveillance import (
    MonitoredDeployment,
    _checked_day_of_monitor_run,
    _monitor_state_without_future_days,
    run_and_record_deployment_monitor,
)
from commonwatt.ledger import EntryDraft, Key, Ledger
from tests.clinic_commands import enrol_by_commands, register_by_commands

FIRST = date(2026, 1, 1)
PLAN = {
    "band": 0.1, "alpha": 0.1, "horizon_rows": 20_000, "middle": -1.0, "day_effect_sd": 0.0,
    "by": {"site": ["a", "b"]}, "on_alarm": "pause",
}  # fmt: skip


def run(*words: str) -> int:
    return run_main(root, ["clinic", *words])


def table(days=40, per_day=40, shift=0.0, seed=1, first=FIRST):
    """Return rows by day of a model that is right, or off by `shift` from day 20 at site b."""
    chance = np.random.default_rng(seed)
    rows = []
    for number in range(days):
        for i in range(per_day):
            x = float(chance.normal(-1, 1.2))
            off = shift if number >= 20 and i % 2 else 0.0
            label = int(chance.random() < 1 / (1 + np.exp(-(x + off))))
            score = 1 / (1 + np.exp(-x))
            day = first + timedelta(days=number)
            rows.append((day.isoformat(), f"{score:.6f},{label},{day},{'ab'[i % 2]}"))
    return rows


def write(path, rows, header="score,label,day,site"):
    path.write_text("\n".join([header, *(row for _, row in rows)]) + "\n")
    return str(path)


def up_to(rows, day):
    return [row for row in rows if row[0] < day]


@pytest.fixture(scope="module")
def live_home(tmp_path_factory):
    """A clinic with one live deployment, made by commands once, with what its reader remembers."""
    home = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        enrol_by_commands()
        register_by_commands(home, deployment={"monitor": PLAN})
        assert run("model", "approve", "deployment/x", "--key", "committee-chair.pem") == 0
        assert run("model", "deploy", "deployment/x", "--key", "clinical-lead.pem") == 0
    return home


@pytest.fixture
def folder(live_home, tmp_path, monkeypatch):
    """Return a copy of that clinic for one test alone."""
    shutil.copytree(live_home, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def monitor(capsys, path, *words, code=0, by="site"):
    capsys.readouterr()
    given = ("--deployment", "deployment/x", "--key", "monitor.pem", "--json", *words)
    assert run("monitor", "run", path, *given) == code
    out = capsys.readouterr()
    return json.loads(out.out) if code == 0 else out.err


def status(capsys):
    capsys.readouterr()
    assert run("model", "live", "qmh", "--json") == 0
    return "live" if json.loads(capsys.readouterr().out)["live"] else "not live"


def test_an_alarm_is_put_on_record_and_pauses_what_rang_from_the_command(folder, capsys):
    rows = table(shift=2.0)
    early = monitor(
        capsys, write(folder / "t.csv", up_to(rows, "2026-01-15")), "--as-of", "2026-01-15"
    )
    assert (early["new_alarms"], early["status"]) == ([], "live")
    late = monitor(capsys, write(folder / "t.csv", rows), "--as-of", "2026-02-10")
    assert "site = b" in {alarm["stream"] for alarm in late["new_alarms"]}
    assert late["new_alarms"][0]["paused"]
    assert late["status"] == "paused"
    assert status(capsys) == "not live"
    again = monitor(capsys, str(folder / "t.csv"), "--as-of", "2026-02-10")
    assert again["new_alarms"] == []
    assert run_main(root, ["ledger", "verify"]) == 0


def test_looks_of_any_number_give_what_one_look_gives(folder, capsys):
    rows = table()
    days = [FIRST + timedelta(days=number) for number in (5, 6, 13, 13, 30, 40)]
    added = 0
    for day in days:
        seen = monitor(
            capsys,
            write(folder / "t.csv", up_to(rows, day.isoformat())),
            "--as-of",
            day.isoformat(),
        )
        added += seen["rows_added"]
    (folder / "ledger.db.monitor" / "x.json").unlink()
    once = monitor(capsys, write(folder / "t.csv", rows), "--as-of", days[-1].isoformat())
    assert added == len(rows) == once["rows_recognised"]
    assert once["rows_added"] == 0
    assert once["streams"] == seen["streams"]
    assert once["state_sha256"] == seen["state_sha256"]


def test_new_days_alone_are_added_and_rows_given_twice_are_counted_once(folder, capsys):
    rows = table()
    monitor(capsys, write(folder / "a.csv", up_to(rows, "2026-01-20")), "--as-of", "2026-01-20")
    new = [row for row in rows if row[0] >= "2026-01-18"]
    answer = monitor(capsys, write(folder / "b.csv", new), "--as-of", "2026-02-10")
    assert answer["rows_recognised"] == 2 * 40
    assert answer["streams"][0]["rows"] == len(rows)
    twice = monitor(capsys, str(folder / "b.csv"), "--as-of", "2026-02-10")
    assert (twice["rows_added"], twice["streams"]) == (0, answer["streams"])


def changed(rows, number, what):
    rows = list(rows)
    day, text = rows[number]
    score, label, *rest = text.split(",")
    if what == "label":
        rows[number] = (day, ",".join([score, str(1 - int(label)), *rest]))
    elif what == "gone":
        del rows[number]
    elif what == "twice":
        rows.insert(number, rows[number])
    elif what == "site":
        rows[number] = (day, text[:-1] + ("a" if text.endswith("b") else "b"))
    return rows


@pytest.mark.parametrize("what", ["gone", "twice", "site"])
@pytest.mark.parametrize("number", [0, 333, 700])
def test_a_changed_past_is_refused_by_its_day_and_nothing_is_written(folder, capsys, what, number):
    rows = table()
    write(folder / "t.csv", up_to(rows, "2026-01-25"))
    before = monitor(capsys, str(folder / "t.csv"), "--as-of", "2026-01-25")
    write(folder / "t.csv", changed(rows, number, what))
    error = monitor(capsys, str(folder / "t.csv"), "--as-of", "2026-02-10", code=69)
    assert rows[number][0] in error
    write(folder / "t.csv", changed(rows, number, "none"))
    after = monitor(capsys, str(folder / "t.csv"), "--as-of", "2026-02-10")
    assert after["rows_added"] == len(rows) - before["rows_added"]


def corrected(rows, numbers, to=None):
    """Return rows with other outcomes: the opposite ones, or as `to` says."""
    rows = list(rows)
    for number in numbers:
        day, text = rows[number]
        score, label, *rest = text.split(",")
        rows[number] = (day, ",".join([score, str(1 - int(label)) if to is None else to, *rest]))
    return rows


@pytest.mark.parametrize("to", [None, "", "NA"])
@pytest.mark.parametrize("seed", range(3))
def test_an_outcome_corrected_later_is_told_by_its_day_and_the_first_stands(
    folder, capsys, to, seed
):
    rows, chance = table(), np.random.default_rng(seed)
    early = up_to(rows, "2026-01-25")
    monitor(capsys, write(folder / "t.csv", early), "--as-of", "2026-01-25")
    numbers = sorted(int(n) for n in chance.choice(len(early), 40, replace=False))
    path = write(folder / "c.csv", corrected(rows, numbers, to))
    answer = monitor(capsys, path, "--as-of", "2026-02-10")
    corrections = answer["corrections"]
    assert corrections["rows_compared"] == len(early)
    assert corrections["rows_corrected"] == 40
    assert [each["day"] for each in corrections["days"]] == sorted({rows[n][0] for n in numbers})
    kinds = ("withdrawn",) if to is not None else ("to_event", "to_no_event")
    assert sum(each[kind] for each in corrections["days"] for kind in kinds) == 40
    # The same bytes as without any correction: nothing of it entered the test.
    again = monitor(capsys, write(folder / "t.csv", rows), "--as-of", "2026-02-10")
    assert again["state_sha256"] == answer["state_sha256"]
    assert again["streams"] == answer["streams"]
    assert again["corrections"]["days"] == []
    given = ("--deployment", "deployment/x", "--key", "monitor.pem", "--as-of", "2026-02-10")
    assert run("monitor", "run", path, *given) == 0
    assert "Outcomes corrected after they counted: 40 of 1,600, of 2026-01-0" in (
        capsys.readouterr().out
    )
    assert run("monitor", "run", path, *given, "--lang", "zh-Hant") == 0
    assert "以最初者為準" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "code"), [(48, 0), (49, 69)])
def test_more_corrections_than_the_plan_lets_pass_are_refused(folder, capsys, count, code):
    rows = table()
    early = up_to(rows, "2026-01-25")
    assert len(early) == 960
    before = monitor(capsys, write(folder / "t.csv", early), "--as-of", "2026-01-25")
    path = write(folder / "c.csv", corrected(early, range(count)))
    told = monitor(capsys, path, "--as-of", "2026-01-25", code=code)
    if code:
        assert "49 of 960 outcomes" in told
        assert "2026-01-01 – 2026-01-02" in told
        assert "at most 0.05" in told
    else:
        assert told["state_sha256"] == before["state_sha256"]


@pytest.mark.parametrize("count", [1, 2])
def test_one_outcome_may_always_be_another(folder, capsys, count):
    rows = table(days=3, per_day=5)
    monitor(capsys, write(folder / "t.csv", rows), "--as-of", "2026-01-10")
    path = write(folder / "c.csv", corrected(rows, range(count)))
    monitor(capsys, path, "--as-of", "2026-01-10", code=0 if count == 1 else 69)


def test_a_row_that_is_gone_is_none_whose_outcome_was_withdrawn(folder, capsys):
    # A row without an outcome stands in the table all the time, at another score.
    rows = [*table(days=10), ("2026-01-03", "0.999,,2026-01-03,a")]
    monitor(capsys, write(folder / "t.csv", rows), "--as-of", "2026-01-20")
    path = write(folder / "c.csv", changed(rows, 90, "gone"))
    told = monitor(capsys, path, "--as-of", "2026-01-20", code=69)
    assert "other rows than were counted for this day" in told
    monitor(capsys, write(folder / "t.csv", rows), "--as-of", "2026-01-20")


@pytest.mark.parametrize(
    "words",
    [("--band", "0.2"), ("--alpha", "0.2"), ("--horizon", "100"), ("--middle", "0"),
     ("--day-effect", "0.3"), ("--maturity", "3"), ("--by", "label"), ("--score", "other"),
     ("--patient", "site")],
)  # fmt: skip
def test_a_run_by_another_plan_is_refused(folder, capsys, words):
    path = write(folder / "t.csv", table(days=3))
    assert "deployment/x" in monitor(capsys, path, *words, code=69)
    same = ("--band", "0.1", "--alpha", "0.1", "--horizon", "20000", "--middle", "-1",
            "--day-effect", "0", "--maturity", "0", "--by", "site", "--score", "score")  # fmt: skip
    monitor(capsys, path, *same)


def test_a_state_that_was_changed_or_put_back_is_refused(folder, capsys):
    rows = table()
    state = folder / "ledger.db.monitor" / "x.json"
    monitor(capsys, write(folder / "t.csv", up_to(rows, "2026-01-10")), "--as-of", "2026-01-10")
    old = state.read_text()
    monitor(capsys, write(folder / "t.csv", up_to(rows, "2026-01-20")), "--as-of", "2026-01-20")
    good = state.read_text()
    for bad in (old, good.replace(",1]", ",2]", 1)):
        state.write_text(bad)
        assert "x.json" in monitor(capsys, str(folder / "t.csv"), "--as-of", "2026-02-10", code=69)
    state.write_text(good)
    monitor(capsys, write(folder / "t.csv", rows), "--as-of", "2026-02-10")


def test_a_lost_state_is_made_again_from_every_day_and_from_nothing_less(folder, capsys):
    rows = table()
    monitor(capsys, write(folder / "t.csv", up_to(rows, "2026-01-20")), "--as-of", "2026-01-20")
    (folder / "ledger.db.monitor" / "x.json").unlink()
    part = write(folder / "part.csv", [row for row in rows if row[0] > "2026-01-05"])
    assert "x.json" in monitor(capsys, part, "--as-of", "2026-02-10", code=69)
    answer = monitor(capsys, write(folder / "t.csv", rows), "--as-of", "2026-02-10")
    assert answer["streams"][0]["rows"] == len(rows)


def test_a_run_that_was_cut_off_before_or_after_its_entry_is_taken_up(folder, capsys):
    rows = table()
    state = folder / "ledger.db.monitor" / "x.json"
    monitor(capsys, write(folder / "t.csv", up_to(rows, "2026-01-10")), "--as-of", "2026-01-10")
    old = state.read_text()
    monitor(capsys, write(folder / "t.csv", up_to(rows, "2026-01-20")), "--as-of", "2026-01-20")
    # Entry written, file not yet in its place.
    state.with_name("x.json.next").write_text(state.read_text())
    state.write_text(old)
    monitor(capsys, write(folder / "t.csv", up_to(rows, "2026-01-25")), "--as-of", "2026-01-25")
    # File drafted, entry not written.
    state.with_name("x.json.next").write_text(old)
    answer = monitor(capsys, write(folder / "t.csv", rows), "--as-of", "2026-02-10")
    assert answer["streams"][0]["rows"] == len(rows)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"bandd": 0.1}, {"band": 0.1}),
        ({"band": -1}, {"band": 0}),
        ({"band": True}, {"band": 1}),
        ({"alpha": 1}, {"alpha": 0.5}),
        ({"horizon_rows": 0}, {"horizon_rows": 1}),
        ({"horizon_rows": 2.5}, {"horizon_rows": 2}),
        ({"middle": float("nan")}, {"middle": -3}),
        ({"day_effect_sd": 1.1}, {"day_effect_sd": 1.0}),
        ({"maturity_days": 400}, {"maturity_days": 366}),
        ({"by": ["sex"]}, {"by": {"sex": ["f"]}}),
        ({"by": {"sex": []}}, {"by": {"sex": ["f", "m"]}}),
        ({"by": {"sex": ["f", "f"]}}, {"by": {}}),
        ({"by": {"sex": ["other"]}}, {"by": {"sex": ["others"]}}),
        ({"columns": {"colour": "c"}}, {"columns": {"score": "p", "patient": "id"}}),
        ({"columns": []}, {"columns": {}}),
    ],
)
def test_a_plan_on_record_is_read_or_its_fault_is_named(wrong, right):
    [name] = wrong
    with pytest.raises(MonitorError, match=f"deployment/x, monitor.{name}"):
        surveillance_plan_of_deployment(wrong, "deployment/x")
    surveillance_plan_of_deployment(right, "deployment/x")


def test_the_digest_of_a_plan_covers_every_field():
    plans = [{}, {"band": 0.2}, {"alpha": 0.2}, {"horizon_rows": 9}, {"middle": 1},
             {"by": {"a": ["b"]}}, {"day_effect_sd": 0.1}, {"maturity_days": 1},
             {"columns": {"score": "p"}}, {"zone": "Asia/Hong_Kong"}]  # fmt: skip
    digests = {surveillance_plan_of_deployment(plan, "x").sha256 for plan in plans}
    assert len(digests) == len(plans)
    assert surveillance_plan_of_deployment({"on_alarm": "pause"}, "x").sha256 in digests


def past_the_desk(folder, body, role, name="typed"):
    ledger = Ledger.open(str(folder / "ledger.db"))
    draft = EntryDraft(kind="clinic.event", subject=f"event/{name}", body=body)
    with ledger.transaction() as tx:
        ledger.append(tx, [draft], by=Key.load(folder / f"{role}.pem"), at=datetime.now(UTC))
    ledger.engine.dispose()


TYPED_RUN = {
    "deployment": "deployment/x", "type": "action", "severity": "other", "code": "monitor-run",
    "plan_sha256": "ab" * 32, "state_sha256": "cd" * 32, "through": "2026-01-05",
}  # fmt: skip


@pytest.mark.parametrize("stream", ["all", "site = a", "site = b"])
@pytest.mark.parametrize("role", ["clinician", "safety-officer"])
def test_an_alarm_that_somebody_typed_takes_the_place_of_none(folder, capsys, stream, role):
    typed = {"deployment": "deployment/x", "type": "signal", "severity": "other"}
    typed |= {"code": "calibration-alarm", "stream": stream}
    (folder / "typed.json").write_text(json.dumps(typed))
    words = ("model", "register", "event", "typed", "typed.json", "--key", f"{role}.pem")
    assert run(*words) == 67
    assert "commonwatt clinic monitor run" in capsys.readouterr().err
    past_the_desk(folder, typed, role)
    answer = monitor(capsys, write(folder / "all.csv", table(shift=1.5)), "--as-of", "2026-02-10")
    assert {each["stream"] for each in answer["new_alarms"]} >= {"site = b"}
    assert answer["status"] == "paused"


@pytest.mark.parametrize("change", [{}, {"through": "2099-01-01"}, {"through": "yesterday"}])
@pytest.mark.parametrize("role", ["clinician", "monitor"])
def test_a_run_that_somebody_typed_stops_no_monitor(folder, capsys, change, role):
    (folder / "typed.json").write_text(json.dumps(TYPED_RUN | change))
    words = ("model", "register", "event", "typed", "typed.json", "--key", "monitor.pem")
    assert run(*words) == 67
    if role == "monitor" and change.get("through") != "yesterday":
        return  # with its own key and past the desk a monitor says what it likes
    past_the_desk(folder, TYPED_RUN | change, role)
    answer = monitor(capsys, write(folder / "all.csv", table()), "--as-of", "2026-02-10")
    assert answer["rows_added"] == 1_600


def test_a_plan_without_a_zone_has_the_digest_of_before_plans_could_name_one():
    plan = surveillance_plan_of_deployment({"band": 0.1, "alpha": 0.1}, "x")
    assert plan.sha256 == "adebc9b5443174ab8a3bea1fa9343c4720a3fb3e9673d541c8634a87108631e5"


def run_at(folder, path, now, as_of=None, **plan):
    """Run the monitor of the deployment at an instant, as the command does."""
    columns = PatientColumns(score="score", label="label", day="day")
    of = MonitoredDeployment(
        deployment="deployment/x",
        ledger_location=str(folder / "ledger.db"),
        key_file=folder / "monitor.pem",
    )
    return run_and_record_deployment_monitor(
        Path(path), MonitorOptions(columns=columns, as_of=as_of, **plan), of, now=now
    )


NIGHT = datetime.now(UTC).replace(hour=23, minute=50) + timedelta(days=1)


def test_a_day_that_has_not_come_is_not_counted_and_the_clock_may_differ_by_minutes(folder):
    path, today = write(folder / "t.csv", table(days=3)), NIGHT.date()
    for days in (1, 2, 400):
        with pytest.raises(MonitorError, match=f"today is {today.isoformat()}"):
            run_at(folder, path, NIGHT, today + timedelta(days=days))
    late = NIGHT + timedelta(minutes=6)
    assert run_at(folder, path, late, today + timedelta(days=1))["through"] == today.isoformat()


def test_todays_day_is_that_of_the_zone_of_the_plan():
    plan = surveillance_plan_of_deployment({"zone": "Asia/Hong_Kong"}, "x")
    there = NIGHT.date() + timedelta(days=1)
    assert (
        _checked_day_of_monitor_run(None, plan, NIGHT)
        == _checked_day_of_monitor_run(there, plan, NIGHT)
        == there
    )
    with pytest.raises(MonitorError, match="a day that has come"):
        _checked_day_of_monitor_run(there + timedelta(days=1), plan, NIGHT)


def test_what_an_older_run_counted_through_a_day_to_come_shuts_out_nothing():
    cells = pl.DataFrame([[date(2026, 1, 3), 0, 0, 5, 1]], schema=CELL_SCHEMA, orient="row")
    at = datetime(2026, 1, 10, 8, tzinfo=UTC)
    for through, counted in ((date(2027, 1, 1), date(2026, 1, 9)), (at.date(), at.date())):
        state = MonitorState(plan_sha256="p", through=through, cells=cells)
        assert _monitor_state_without_future_days(state, at).through == counted


def without(rows, *days):
    return [row for row in rows if row[0] not in days]


def test_days_on_which_no_row_counted_are_named_in_the_answer_and_in_words(folder, capsys):
    rows = without(table(), "2026-01-05", "2026-01-18", "2026-01-19")
    answer = monitor(capsys, write(folder / "t.csv", rows), "--as-of", "2026-02-13")
    # To the last day that was counted, beyond the last row, too.
    assert answer["days_without_rows"] == 6
    assert answer["stretches_without_rows"] == [
        {"first": "2026-01-05", "last": "2026-01-05"},
        {"first": "2026-01-18", "last": "2026-01-19"},
        {"first": "2026-02-10", "last": "2026-02-12"},
    ]
    words = ["monitor", "run", str(folder / "t.csv")]
    assert run(*words) == 0
    assert "Days on which no row counted: 3 (2026-01-05; 2026-01-18" in capsys.readouterr().out
    assert run("monitor", "run", write(folder / "whole.csv", table())) == 0
    assert "no row counted" not in capsys.readouterr().out


def test_a_day_that_comes_behind_later_ones_is_refused_in_words_that_help(folder, capsys):
    rows = table()
    first = without(up_to(rows, "2026-01-21"), "2026-01-18")
    monitor(capsys, write(folder / "a.csv", first), "--as-of", "2026-01-21")
    error = monitor(capsys, write(folder / "b.csv", rows), "--as-of", "2026-02-10", code=69)
    assert "2026-01-18" in error
    assert "of which none was counted" in error
    assert "Leave out the rows of this day" in error
    # The remedy works, and the day is named from then on.
    answer = monitor(
        capsys, write(folder / "b.csv", without(rows, "2026-01-18")), "--as-of", "2026-02-10"
    )
    assert answer["streams"][0]["rows"] == len(rows) - 40
    assert answer["stretches_without_rows"] == [{"first": "2026-01-18", "last": "2026-01-18"}]
    # A day of which rows were counted is another fault, in other words.
    more = without(changed(rows, 100, "twice"), "2026-01-18")
    error = monitor(capsys, write(folder / "c.csv", more), "--as-of", "2026-02-10", code=69)
    assert "other rows than were counted" in error
