"""Runs from the console: started, followed, stopped, and killed at any moment."""

import errno
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest

from commonwatt.core.errors import ProgrammeError
from commonwatt.core.messages import Message
from commonwatt.ledger.verify import verify_ledger
from commonwatt.processes.identity import parse_process_identity
from commonwatt.runs import RunStore
from commonwatt.runs.check import run_store_fault_messages
from commonwatt.web.errors import TaskError
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.tasks import worker
from commonwatt.web.tasks.kinds import KINDS
from commonwatt.web.tasks.supervisor import (
    MOST_ATTEMPTS,
    TaskState,
    TaskSupervisor,
    console_task_progress_messages,
    console_task_when_over_or_timeout,
    console_tasks_folder,
    find_console_task,
    list_newest_tasks,
    move_task_to_state_unless_stale,
    start_task,
    stop_and_kill_console_task,
)
from tests.databases import postgresql
from tests.web.console import running
from tests.web.slow_child import TABLES
from tests.web.victim import SlowForeman, desk_at

HERE = Path(__file__).parents[2]
GIVEN = {"programme": "harbour"}


def _now():
    return datetime.now(UTC)


def _victim(root):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.web.victim", str(root)],
        cwd=HERE,
        stdout=subprocess.PIPE,
        env=dict(os.environ) | {"PYTHONPATH": f"{HERE}:{HERE / 'src'}"},
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def _end(process, child=None):
    process.kill()
    process.wait(20)
    process.stdout.close()
    if child:
        os.killpg(child, signal.SIGKILL)


def _child(desk, work_id, seconds=60):
    path = console_tasks_folder(desk) / f"{work_id}.pid"
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if path.exists() and (text := path.read_text()):
            return parse_process_identity(text).pid
        time.sleep(0.02)
    raise AssertionError("no child was started")


def _check_whole(desk, work):
    """Nothing half shown, everything on record, every file whole."""
    root = desk.settings.store
    assert run_store_fault_messages(root) == []
    runs = RunStore(root).list()
    if work.state is TaskState.FINISHED:
        assert [run.run_id for run in runs] == [work.run_id]
        assert len(runs[0].tables) == TABLES
    # What a killed process left is swept once its lease has run out; nothing lies there without.
    leased = {lease.draft for lease in RunStore(root)._leases.leases()}
    assert {folder.name for folder in root.glob(".draft-*")} <= leased
    with sqlite3.connect(desk.settings.database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    verify_ledger(desk.ledger)


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A desk and a foreman whose studies take half a second."""
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{HERE / 'src'}")
    desk = desk_at(tmp_path / "runs")
    foreman = SlowForeman(desk)
    yield desk, foreman
    foreman.stop()
    for child in foreman._children:
        child.wait(30)
    desk.database.dispose()


def test_a_work_is_done_and_says_what_it_does(slow):
    desk, foreman = slow
    work_id = start_task(desk, "study", GIVEN, "ada", now=_now())
    assert find_console_task(desk, work_id).state is TaskState.WAITING
    foreman.start()
    work = console_task_when_over_or_timeout(desk, work_id, 60)
    assert (work.state, work.attempt) == (TaskState.FINISHED, 1)
    assert [str(message) for message in console_task_progress_messages(desk, work_id)][:2] == [
        "Table 0",
        "Table 1",
    ]
    assert [task.work_id for task in list_newest_tasks(desk)] == [work_id]
    kinds = [entry.body.get("to") for entry in desk.ledger.entries(subject=f"work/{work_id}")]
    assert kinds == [None, "running", "finished"]
    _check_whole(desk, work)


def test_a_work_is_done_and_begun_again_on_postgresql(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{HERE / 'src'}")
    with postgresql() as url:
        desk = desk_at(tmp_path / "runs", database=url)
        foreman = SlowForeman(desk)
        work_id = start_task(desk, "study", GIVEN, "ada", now=_now())
        foreman.supervise_once(_now())
        os.killpg(foreman._children[-1].pid, signal.SIGKILL)
        foreman._children[-1].wait(20)
        foreman.start()
        work = console_task_when_over_or_timeout(desk, work_id, 60)
        foreman.stop()
        for child in foreman._children:
            child.wait(30)
        assert (work.state, work.attempt) == (TaskState.FINISHED, 2)
        assert run_store_fault_messages(desk.settings.store) == []
        verify_ledger(desk.ledger)
        desk.database.dispose()


def test_a_stopped_work_leaves_nothing(slow):
    desk, foreman = slow
    work_id = start_task(desk, "study", GIVEN, "ada", now=_now())
    foreman.start()
    _child(desk, work_id)
    while not console_task_progress_messages(desk, work_id):
        time.sleep(0.02)
    stop_and_kill_console_task(desk, work_id, "ada", now=_now())
    for child in foreman._children:
        child.wait(30)
    work = find_console_task(desk, work_id)
    assert work.state is TaskState.STOPPED
    assert RunStore(desk.settings.store).list() == []
    with pytest.raises(TaskError):
        stop_and_kill_console_task(desk, work_id, "ada", now=_now())
    _check_whole(desk, work)
    assert not list(desk.settings.store.glob(".draft-*"))


@pytest.mark.parametrize("after_s", [0.0, 0.9, 1.6])
@pytest.mark.parametrize("child_too", [False, True], ids=["server", "server and child"])
def test_a_server_killed_at_any_moment_leaves_no_run_half_shown(slow, after_s, child_too):
    desk, foreman = slow
    work_id = start_task(desk, "study", GIVEN, "ada", now=_now())
    victim = _victim(desk.settings.store)
    child = _child(desk, work_id)
    time.sleep(after_s)
    _end(victim, child if child_too and not find_console_task(desk, work_id).over else None)
    before = find_console_task(desk, work_id)
    if not before.over:
        assert RunStore(desk.settings.store).list() == [] or not child_too or before.run_id == ""
    foreman.start()
    work = console_task_when_over_or_timeout(desk, work_id, 60)
    assert work.state is TaskState.FINISHED
    assert work.attempt in ({1, 2} if child_too else {1})
    _check_whole(desk, work)


def test_a_work_whose_process_dies_each_time_is_marked_failed(slow):
    desk, foreman = slow
    work_id = start_task(desk, "study", GIVEN, "ada", now=_now())
    for attempt in range(MOST_ATTEMPTS):
        foreman.supervise_once(_now())
        assert find_console_task(desk, work_id).attempt == attempt + 1
        child = foreman._children[-1]
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(20)
        foreman.supervise_once(_now())  # sees that it is gone
        if attempt == 0 and find_console_task(desk, work_id).state is TaskState.RUNNING:
            continue  # it was begun again in the same look
    work = find_console_task(desk, work_id)
    while not work.over:
        foreman.supervise_once(_now())
        for child in foreman._children:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(20)
        work = find_console_task(desk, work_id)
    assert work.state is TaskState.FAILED
    assert "ended twice" in work.error["found"]
    assert work.error["remedy"] in work.error["en"]
    assert "請重新開始" in work.error["zh-Hant"]
    _check_whole(desk, work)


def test_two_foremen_never_begin_the_same_work(slow):
    desk, foreman = slow
    other = SlowForeman(desk)
    work_ids = [start_task(desk, "study", GIVEN | {"what_if": f"a.b={i}"}, "ada", now=_now())
                for i in range(3)]  # fmt: skip
    for _ in range(200):
        foreman.supervise_once(_now())
        other.supervise_once(_now())
        if all(find_console_task(desk, work_id).over for work_id in work_ids):
            break
        time.sleep(0.1)
    works = [find_console_task(desk, work_id) for work_id in work_ids]
    assert [(work.state, work.attempt) for work in works] == [(TaskState.FINISHED, 1)] * 3
    assert len({work.run_id for work in works}) == 3
    for child in other._children:
        child.wait(30)


def test_a_damaged_store_is_told(slow, tmp_path):
    desk, foreman = slow
    work_id = start_task(desk, "study", GIVEN, "ada", now=_now())
    foreman.start()
    work = console_task_when_over_or_timeout(desk, work_id, 60)
    root = desk.settings.store
    (root / work.run_id / "tables" / "t3.parquet").write_bytes(b"other")
    assert [str(fault) for fault in run_store_fault_messages(root)] == [
        f"Run {work.run_id}: table t3 is missing or was changed."
    ]


def test_a_run_is_started_followed_and_stopped_through_the_doors(console):
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        made = visitor.post("/works/explain", json={"job": "no such job"})
        assert made.status_code == 201
        work_id = made.json()["work_id"]
        page = visitor.get(f"/works/{work_id}", headers={"accept": "text/html"})
        assert "work-state" in page.text
        part = visitor.get(f"/works/{work_id}", headers={"hx-request": "true"})
        assert "<html" not in part.text
        chart = visitor.get(f"/works/{work_id}/chart").json()
        assert chart["form"] == "live"
        feed = visitor.get(f"/works/{work_id}/feed?since=0").json()
        assert feed["since"] == len(feed["rows"])
        assert visitor.post(f"/works/{work_id}/stop").json()["state"] == "stopped"
        assert visitor.post(f"/works/{work_id}/stop").status_code == 409
        assert visitor.post("/works/nothing").status_code == 404
        assert visitor.post("/works/study", data={"programme": "/etc/passwd"}).status_code == 422
        run = console.desk.runs.ids()[0]
        assert visitor.get(f"/runs/{run}/report").status_code == 200


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
def test_a_work_whose_process_cannot_be_started_fails_and_the_next_one_runs(
    slow, monkeypatch, number
):
    desk, foreman = slow
    real, calls = subprocess.Popen, []

    def flaky(*arguments, **named):
        calls.append(1)
        if len(calls) == 1:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **named)

    monkeypatch.setattr(subprocess, "Popen", flaky)
    first = start_task(desk, "study", GIVEN, "ada", now=_now())
    foreman.start()
    work = console_task_when_over_or_timeout(desk, first, 60)
    assert (work.state, work.error["error"]) == (TaskState.FAILED, "process-failed")
    assert work.error["remedy"]
    assert work.error["zh-Hant"]
    second = start_task(desk, "study", GIVEN, "ada", now=_now())
    assert console_task_when_over_or_timeout(desk, second, 60).state is TaskState.FINISHED
    assert foreman.is_alive
    kinds = [entry.body.get("to") for entry in desk.ledger.entries(subject=f"work/{first}")]
    assert kinds == [None, "running", "failed"]
    verify_ledger(desk.ledger)


def test_a_work_that_cannot_be_seen_to_holds_up_no_other(slow):
    desk, foreman = slow
    first, second = (start_task(desk, "study", GIVEN, "ada", now=_now()) for _ in range(2))
    # A folder where the lock of the first one should be: nobody can open it.
    (console_tasks_folder(desk) / f"{first}.lock").mkdir()
    for _ in range(4):
        foreman.supervise_once(_now())
    (console_tasks_folder(desk) / f"{first}.lock").rmdir()
    foreman.start()
    assert {
        console_task_when_over_or_timeout(desk, work_id, 60).state for work_id in (first, second)
    } == {TaskState.FINISHED}


def test_a_stop_signals_nobody_who_bears_the_number_by_now(slow):
    desk, foreman = slow
    work_id = start_task(desk, "study", GIVEN, "ada", now=_now())
    foreman.supervise_once(_now())
    bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (console_tasks_folder(desk) / f"{work_id}.pid").write_text(f"{bystander.pid} 1\n")
    stop_and_kill_console_task(desk, work_id, "ada", now=_now())
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    assert find_console_task(desk, work_id).state is TaskState.STOPPED


SENTENCE = Message("Costing a GPU-hour at each site")
FAILURES = {
    "refused": (
        ProgrammeError("small.toml, sites.0.pue", found="9", wanted=Message("at most {most}",
                       {"most": "3"}), remedy=Message("Take the line out.")),
        ["small.toml, sites.0.pue", "9", "3"],
    ),
    "refused-without-remedy": (
        ProgrammeError("small.toml, sites.0.pue", found="9"), ["small.toml, sites.0.pue", "9"],
    ),
    "fault-of-ours": (KeyError("q05"), ["Harbour"]),
    "machine": (OSError(errno.ENOSPC, "No space left on device", "/x"), ["/x"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def unattended(tmp_path_factory):
    """A console whose supervisor stands still: what waits is begun by the test alone."""
    root = tmp_path_factory.mktemp("unattended")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskSupervisor, "start", lambda self: None)
        with running(root) as made:
            yield made


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_a_failed_work_says_what_failed_where_and_what_to_do_and_is_no_study(
    unattended, monkeypatch, kind, language
):
    failure, named = FAILURES[kind]

    def fail(store, given, report_progress):
        report_progress(SENTENCE)
        raise failure

    desk = unattended.desk
    monkeypatch.setitem(KINDS, "study", replace(KINDS["study"], run=fail))
    before = desk.runs.ids()
    work_id = start_task(desk, "study", GIVEN, "ada", now=_now())
    waiting = find_console_task(desk, work_id)
    move_task_to_state_unless_stale(desk, waiting, TaskState.RUNNING, now=_now())
    worker._run_console_task(desk, find_console_task(desk, work_id))
    with unattended.visitor(ConsoleRole.PLANNER) as visitor:
        page = visitor.get(f"/works/{work_id}?lang={language}", headers={"accept": "text/html"})
        state = visitor.get(f"/works/{work_id}/state").json()
        studies = visitor.get("/runs", headers={"accept": "text/html"}).text
    (alert,) = re.findall(r'<div role="alert">.*?</div>', page.text, re.DOTALL)
    text = unescape(re.sub(r"<[^>]+>", " ", alert))
    for words in (*named, SENTENCE.translate(language)):
        assert words in text, text
    assert not re.search(r"Traceback|KeyError|OSError|exit code|\bq05\b", text)
    assert bool(re.search(r"[\u4e00-\u9fff]", text)) == (language == "zh-Hant")
    # A remedy of its own, or that of the page.
    remedies = [str(getattr(failure, "remedy", "")), find_console_task(desk, work_id).error.get(
        "remedy", ""), "Mend what stands there"]  # fmt: skip
    if language == "en":
        assert any(remedy and remedy.rstrip(".") in text for remedy in remedies)
    assert state["state"] == "failed"
    assert state["run_id"] == ""
    assert desk.runs.ids() == before
    assert f"/runs?run={work_id}" not in studies
