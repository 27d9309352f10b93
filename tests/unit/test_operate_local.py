"""The local backend: processes of this machine that outlive their controller."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commonwatt.operate.domain.cluster import JobPhase, NodeAllocation, NodeState
from commonwatt.operate.domain.errors import BackendError, UnknownNameError
from commonwatt.operate.io.backends.attempt import job_attempt_process_group_id_or_none
from tests.operate_cases import happens, job_in, local, request


def test_a_job_is_held_until_it_is_started_and_tells_its_end(tmp_path):
    backend = local(tmp_path)
    backend.submit(request("a", "sh", "-c", "exit 3"))
    assert backend.observe().jobs["a"].phase == JobPhase.HELD
    backend.start("a", [NodeAllocation("n000", (0,))])
    job = job_in(backend, "a", JobPhase.FAILED)
    assert (job.exit_code, job.starts, job.places) == (3, 1, (NodeAllocation("n000", (0,)),))
    assert 0 < job.started_at_s <= job.ended_at_s


def test_a_job_learns_what_it_was_given(tmp_path):
    backend = local(tmp_path)
    written = tmp_path / "given"
    script = f"echo $COMMONWATT_JOB $CUDA_VISIBLE_DEVICES > {written}"
    backend.submit(request("a", "sh", "-c", script))
    backend.start("a", [NodeAllocation("n000", (1, 3))])
    job_in(backend, "a", JobPhase.FINISHED)
    assert written.read_text() == "a 1,3\n"


def test_a_start_said_twice_runs_once(tmp_path):
    backend, log = local(tmp_path), tmp_path / "log"
    backend.submit(request("a", "sh", "-c", f"echo x >> {log}"))
    for _ in range(3):
        backend.start("a", [NodeAllocation("n000", (0,))])
    job_in(backend, "a", JobPhase.FINISHED)
    assert log.read_text() == "x\n"


def test_a_requeued_job_is_held_and_starts_a_second_time(tmp_path):
    backend = local(tmp_path)
    backend.submit(request("a", "sleep", "600"))
    backend.start("a", [NodeAllocation("n000", (0,))])
    job_in(backend, "a", JobPhase.RUNNING)
    backend.requeue("a", "test")
    assert job_in(backend, "a", JobPhase.HELD).starts == 1
    backend.start("a", [NodeAllocation("n001", (0,))])
    assert job_in(backend, "a", JobPhase.RUNNING).starts == 2
    backend.cancel("a", "test")
    assert job_in(backend, "a", JobPhase.CANCELLED).reason == "test"


def test_a_warned_job_that_leaves_may_be_held_again(tmp_path):
    backend = local(tmp_path)
    begun = tmp_path / "begun"
    backend.submit(request("a", "sh", "-c", f"touch {begun}; exec sleep 600"))
    backend.start("a", [NodeAllocation("n000", (0,))])
    happens(begun.exists)  # a job runs for its backend a moment before its program does
    backend.warn("a")
    assert job_in(backend, "a", JobPhase.FAILED).exit_code == 143
    backend.requeue("a", "ended by its warning")
    assert job_in(backend, "a", JobPhase.HELD).exit_code is None


def test_a_job_that_has_ended_by_itself_is_not_held_again(tmp_path):
    backend = local(tmp_path)
    backend.submit(request("a", "false"))
    backend.start("a", [NodeAllocation("n000", (0,))])
    job_in(backend, "a", JobPhase.FAILED)
    backend.requeue("a", "too late")
    assert backend.observe().jobs["a"].phase == JobPhase.FAILED


def test_a_node_given_up_loses_its_jobs_to_the_queue(tmp_path):
    backend = local(tmp_path)
    backend.submit(request("a", "sleep", "600"))
    backend.start("a", [NodeAllocation("n000", (0,)), NodeAllocation("n001", (0,))])
    job_in(backend, "a", JobPhase.RUNNING)
    backend.down("n001", "smoke")
    job_in(backend, "a", JobPhase.HELD)
    states = {node.name: (node.state, node.reason) for node in backend.observe().nodes}
    assert states["n001"] == (NodeState.DOWN, "smoke")
    with pytest.raises(BackendError):
        backend.start("a", [NodeAllocation("n001", (0,))])
    backend.resume("n001")
    assert all(node.state == NodeState.UP for node in backend.observe().nodes)


def test_a_drained_node_is_draining_while_something_runs_there(tmp_path):
    backend = local(tmp_path)
    backend.submit(request("a", "sleep", "600"))
    backend.start("a", [NodeAllocation("n000", (0,))])
    job_in(backend, "a", JobPhase.RUNNING)
    backend.drain("n000", "test")
    assert backend.observe().nodes[0].state == NodeState.DRAINING
    with pytest.raises(BackendError):
        backend.reboot("n000", "test")
    backend.cancel("a", "")
    job_in(backend, "a", JobPhase.CANCELLED)
    assert backend.observe().nodes[0].state == NodeState.DRAINED


def test_what_is_unknown_is_said(tmp_path):
    backend = local(tmp_path)
    with pytest.raises(UnknownNameError):
        backend.drain("nowhere", "")
    with pytest.raises(UnknownNameError):
        backend.cancel("nobody", "")
    for name in ("../x", "", "a/b", "-a"):
        with pytest.raises(BackendError):
            backend.submit(request(name))


def test_a_backend_opened_anew_finds_what_runs(tmp_path):
    go = tmp_path / "go"
    script = (
        "from pathlib import Path; from tests.operate_cases import local, request, runs_until\n"
        "from commonwatt.operate.domain.cluster import NodeAllocation\n"
        f"backend = local(Path({str(tmp_path)!r}))\n"
        f"backend.submit(request('a', *runs_until(Path({str(go)!r}))))\n"
        "backend.start('a', [NodeAllocation('n000', (0,))])\n"
    )
    root = Path(__file__).parents[2]
    path = f"{root}{os.pathsep}{root / 'src'}"
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": path}
    )
    backend = local(tmp_path)
    assert job_in(backend, "a", JobPhase.RUNNING).starts == 1
    go.touch()
    assert job_in(backend, "a", JobPhase.FINISHED).exit_code == 0


def test_a_job_whose_processes_are_gone_without_a_word_is_held(tmp_path):
    backend = local(tmp_path)
    backend.submit(request("a", "sleep", "600"))
    backend.start("a", [NodeAllocation("n000", (0,))])
    job_in(backend, "a", JobPhase.RUNNING)
    attempt = tmp_path / "engine/jobs/a/1"
    happens(lambda: job_attempt_process_group_id_or_none(attempt) is not None)
    os.killpg(job_attempt_process_group_id_or_none(attempt), signal.SIGKILL)
    assert job_in(backend, "a", JobPhase.HELD).starts == 1


def test_what_is_over_is_forgotten_after_a_while(tmp_path):
    backend = local(tmp_path)
    backend.forget_after_s = 0.0
    backend.submit(request("a", "true"))
    backend.start("a", [NodeAllocation("n000", (0,))])
    job_in(backend, "a", JobPhase.FINISHED)
    backend.clock = lambda: time.time() + 1.0
    assert backend.observe().jobs == {}
