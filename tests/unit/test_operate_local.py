"""The local engine: processes of this machine that outlive their controller."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commonwatt.operate.domain.cluster import JobPhase, NodeAllocation, NodeState
from commonwatt.operate.domain.errors import BackendError, UnknownNameError
from commonwatt.operate.io.backends.attempt import process_group_of
from tests.operate_cases import ask, local


def until(engine, job_id, *phases, wait_s=20.0):
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        job = engine.observe().jobs[job_id]
        if job.phase in phases:
            return job
        time.sleep(0.02)
    raise AssertionError(f"{job_id} is {job.phase.value}")


def test_a_job_is_held_until_it_is_started_and_tells_its_end(tmp_path):
    engine = local(tmp_path)
    engine.submit(ask("a", "sh", "-c", "exit 3"))
    assert engine.observe().jobs["a"].phase == JobPhase.HELD
    engine.start("a", [NodeAllocation("n000", (0,))])
    job = until(engine, "a", JobPhase.FAILED)
    assert (job.exit_code, job.starts, job.places) == (3, 1, (NodeAllocation("n000", (0,)),))
    assert 0 < job.started_at_s <= job.ended_at_s


def test_a_job_learns_what_it_was_given(tmp_path):
    engine = local(tmp_path)
    written = tmp_path / "given"
    engine.submit(ask("a", "sh", "-c", f"echo $COMMONWATT_JOB $CUDA_VISIBLE_DEVICES > {written}"))
    engine.start("a", [NodeAllocation("n000", (1, 3))])
    until(engine, "a", JobPhase.FINISHED)
    assert written.read_text() == "a 1,3\n"


def test_a_start_said_twice_runs_once(tmp_path):
    engine, log = local(tmp_path), tmp_path / "log"
    engine.submit(ask("a", "sh", "-c", f"echo x >> {log}; sleep 0.2"))
    for _ in range(3):
        engine.start("a", [NodeAllocation("n000", (0,))])
    until(engine, "a", JobPhase.FINISHED)
    assert log.read_text() == "x\n"


def test_a_requeued_job_is_held_and_starts_a_second_time(tmp_path):
    engine = local(tmp_path)
    engine.submit(ask("a", "sleep", "30"))
    engine.start("a", [NodeAllocation("n000", (0,))])
    until(engine, "a", JobPhase.RUNNING)
    engine.requeue("a", "test")
    assert until(engine, "a", JobPhase.HELD).starts == 1
    engine.start("a", [NodeAllocation("n001", (0,))])
    assert until(engine, "a", JobPhase.RUNNING).starts == 2
    engine.cancel("a", "test")
    assert until(engine, "a", JobPhase.CANCELLED).reason == "test"


def test_a_warned_job_that_leaves_may_be_held_again(tmp_path):
    engine = local(tmp_path)
    engine.submit(ask("a", "sleep", "30"))
    engine.start("a", [NodeAllocation("n000", (0,))])
    until(engine, "a", JobPhase.RUNNING)
    time.sleep(0.2)
    engine.warn("a")
    assert until(engine, "a", JobPhase.FAILED).exit_code == 143
    engine.requeue("a", "ended by its warning")
    assert until(engine, "a", JobPhase.HELD).exit_code is None


def test_a_job_that_has_ended_by_itself_is_not_held_again(tmp_path):
    engine = local(tmp_path)
    engine.submit(ask("a", "false"))
    engine.start("a", [NodeAllocation("n000", (0,))])
    until(engine, "a", JobPhase.FAILED)
    engine.requeue("a", "too late")
    assert engine.observe().jobs["a"].phase == JobPhase.FAILED


def test_a_node_given_up_loses_its_jobs_to_the_queue(tmp_path):
    engine = local(tmp_path)
    engine.submit(ask("a", "sleep", "30"))
    engine.start("a", [NodeAllocation("n000", (0,)), NodeAllocation("n001", (0,))])
    until(engine, "a", JobPhase.RUNNING)
    engine.down("n001", "smoke")
    until(engine, "a", JobPhase.HELD)
    states = {node.name: (node.state, node.reason) for node in engine.observe().nodes}
    assert states["n001"] == (NodeState.DOWN, "smoke")
    with pytest.raises(BackendError):
        engine.start("a", [NodeAllocation("n001", (0,))])
    engine.resume("n001")
    assert all(node.state == NodeState.UP for node in engine.observe().nodes)


def test_a_drained_node_is_draining_while_something_runs_there(tmp_path):
    engine = local(tmp_path)
    engine.submit(ask("a", "sleep", "30"))
    engine.start("a", [NodeAllocation("n000", (0,))])
    until(engine, "a", JobPhase.RUNNING)
    engine.drain("n000", "test")
    assert engine.observe().nodes[0].state == NodeState.DRAINING
    with pytest.raises(BackendError):
        engine.reboot("n000", "test")
    engine.cancel("a", "")
    until(engine, "a", JobPhase.CANCELLED)
    assert engine.observe().nodes[0].state == NodeState.DRAINED


def test_what_is_unknown_is_said(tmp_path):
    engine = local(tmp_path)
    with pytest.raises(UnknownNameError):
        engine.drain("nowhere", "")
    with pytest.raises(UnknownNameError):
        engine.cancel("nobody", "")
    for name in ("../x", "", "a/b", "-a"):
        with pytest.raises(BackendError):
            engine.submit(ask(name))


def test_an_engine_opened_anew_finds_what_runs(tmp_path):
    script = (
        "import sys, time; from tests.operate_cases import ask, local; from pathlib import Path\n"
        "from commonwatt.operate.domain.cluster import Place\n"
        f"engine = local(Path({str(tmp_path)!r}))\n"
        "engine.submit(ask('a', 'sleep', '2')); engine.start('a', [Place('n000', (0,))])\n"
    )
    root = Path(__file__).parents[2]
    path = f"{root}{os.pathsep}{root / 'src'}"
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": path}
    )
    engine = local(tmp_path)
    assert until(engine, "a", JobPhase.RUNNING).starts == 1
    assert until(engine, "a", JobPhase.FINISHED).exit_code == 0


def test_a_job_whose_processes_are_gone_without_a_word_is_held(tmp_path):
    engine = local(tmp_path)
    engine.submit(ask("a", "sleep", "30"))
    engine.start("a", [NodeAllocation("n000", (0,))])
    until(engine, "a", JobPhase.RUNNING)
    end = time.monotonic() + 10
    while (
        group := process_group_of(tmp_path / "engine/jobs/a/1")
    ) is None and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(group, signal.SIGKILL)
    assert until(engine, "a", JobPhase.HELD).starts == 1


def test_what_is_over_is_forgotten_after_a_while(tmp_path):
    engine = local(tmp_path)
    engine.forget_after_s = 0.0
    engine.submit(ask("a", "true"))
    engine.start("a", [NodeAllocation("n000", (0,))])
    until(engine, "a", JobPhase.FINISHED)
    time.sleep(0.01)
    assert engine.observe().jobs == {}
