"""Slurm itself, started here on the loopback address, driven by the controller."""

import time

import pytest

from commonwatt.operate.domain.cluster import JobPhase, NodeAllocation, NodeState
from commonwatt.operate.domain.errors import BackendError, UnknownNameError
from commonwatt.operate.io.backends.slurm import SlurmBackend, parse
from tests.operate_cases import ask, controller, run_until_over
from tests.operate_rehearsal import rehearse, trace_slice
from tests.slurm_cluster import need_slurm, slurm_cluster


@pytest.fixture(scope="module")
def cluster():
    need_slurm()
    with slurm_cluster(16, 8) as made:
        yield made


@pytest.fixture
def engine(cluster):
    made = SlurmBackend(cluster.conf)
    yield made
    for name, job in made.observe().jobs.items():
        if job.phase in (JobPhase.HELD, JobPhase.STARTING, JobPhase.RUNNING):
            made.cancel(name, "the test is over")
    for node in made.observe().nodes:
        if node.state != NodeState.UP:
            made.resume(node.name)
    made.close()


def until(engine, job_id, *phases, wait_s=40.0):
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        job = engine.observe().jobs[job_id]
        if job.phase in phases:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{job_id} is {job.phase.value}: {job.reason}")


def test_a_held_job_runs_on_just_the_nodes_that_were_named(engine):
    engine.submit(ask("wide", "sleep", "2", gpus=12))
    assert until(engine, "wide", JobPhase.HELD).places == ()
    engine.start(
        "wide", [NodeAllocation("n003", tuple(range(8))), NodeAllocation("n007", (0, 1, 2, 3))]
    )
    assert engine.observe().jobs["wide"].phase == JobPhase.STARTING
    job = until(engine, "wide", JobPhase.RUNNING)
    assert [(place.node, len(place.gpus)) for place in job.places] == [("n003", 8), ("n007", 4)]
    job = until(engine, "wide", JobPhase.FINISHED)
    assert (job.exit_code, job.starts) == (0, 1)
    engine.submit(ask("wide", "sleep", "2"))  # a name is unique for ever
    assert engine.observe().jobs["wide"].phase == JobPhase.FINISHED


def test_a_job_that_slurm_requeued_is_held_and_placed_again(cluster, engine):
    engine.submit(ask("moved", "sleep", "3", gpus=2))
    engine.start("moved", [NodeAllocation("n001", (0, 1))])
    until(engine, "moved", JobPhase.RUNNING)
    cluster.kill_node("n001")
    engine.down("n001", "its daemon is gone")
    job = until(engine, "moved", JobPhase.HELD)
    assert job.starts == 1
    engine.start("moved", [NodeAllocation("n002", (0, 1))])
    job = until(engine, "moved", JobPhase.RUNNING)
    assert (job.places[0].node, job.starts) == ("n002", 2)
    cluster.start_node("n001")
    engine.resume("n001")


def test_a_job_submitted_by_others_is_taken_up_with_its_account(cluster, engine):
    number = cluster.run(
        "sbatch", "--hold", "--parsable", "--gpus=3", "--time=00:10:00", "--wrap=sleep 1",
        "--output=/dev/null",
    ).strip()  # fmt: skip
    job = engine.observe().jobs[f"slurm-{number}"]
    assert (job.phase, job.ask.gpus, job.ask.estimate_s) == (JobPhase.HELD, 3, 600.0)
    engine.start(f"slurm-{number}", [NodeAllocation("n004", (0, 1, 2))])
    until(engine, f"slurm-{number}", JobPhase.FINISHED)


def test_a_drained_node_is_seen_and_comes_back(engine):
    engine.drain("n005", 'odd "quotes" and\nlines')
    node = next(node for node in engine.observe().nodes if node.name == "n005")
    assert (node.state, node.reason) == (NodeState.DRAINED, "odd quotes and lines")
    engine.resume("n005")
    engine.resume("n005")
    end = time.monotonic() + 30
    while any(node.state != NodeState.UP for node in engine.observe().nodes):
        assert time.monotonic() < end  # Slurm asks a resumed node whether it is there
        time.sleep(0.1)


def test_a_rebooted_node_comes_back_drained(cluster, engine):
    engine.reboot("n006", "new driver")
    assert state_of(engine, "n006") == NodeState.REBOOTING
    end = time.monotonic() + 60
    while "REBOOT_ISSUED" not in cluster.run("scontrol", "show", "node", "n006", "--oneliner"):
        assert time.monotonic() < end
        time.sleep(0.2)
    cluster.kill_node("n006")
    cluster.start_node("n006", booted=True)
    while state_of(engine, "n006") != NodeState.DRAINED:
        assert time.monotonic() < end
        time.sleep(0.2)
    engine.resume("n006")


def state_of(engine, name):
    return next(node.state for node in engine.observe().nodes if node.name == name)


def test_what_slurm_does_not_know_is_said(engine):
    with pytest.raises(UnknownNameError):
        engine.start("nobody", [NodeAllocation("n000", (0,))])
    with pytest.raises(UnknownNameError):
        engine.drain("nowhere", "")
    with pytest.raises(UnknownNameError):
        engine.drain("n000 State=DOWN", "")
    with pytest.raises(BackendError):
        engine.submit(ask("part", gpu_milli=500))


def test_a_control_daemon_that_went_away_is_found_again(cluster, engine):
    engine.submit(ask("patient", "sleep", "1", gpus=1))
    cluster.restart_control()
    engine.start("patient", [NodeAllocation("n000", (0,))])
    assert until(engine, "patient", JobPhase.FINISHED).exit_code == 0


def test_a_slice_of_a_real_trace_runs_as_it_was_simulated(tmp_path, engine):
    # a slice: 500 jobs at full length are run by bench/operate_control.py
    work = trace_slice(30, longest_s=3 * 3600, scale=2400, gpus=64)
    control = controller(tmp_path, engine)
    done = rehearse(control, engine, work, nodes=16, gpus=8, launch_s=1.5, wait_s=120)
    assert done.finished == 30
    assert done.compared.starts == 30
    assert done.compared.differing == []
    assert (done.overcommitted, done.refused) == (0, 0)
    control.store.ledger.engine.dispose()


def test_a_killed_node_gives_its_jobs_to_others(tmp_path, cluster, engine):
    control = controller(tmp_path, engine)
    for i in range(4):
        engine.submit(ask(f"lost{i}", "sleep", "6", gpus=8))
    end = time.monotonic() + 60
    while sum(j.phase == JobPhase.RUNNING for j in control.tick().observation.jobs.values()) < 4:
        assert time.monotonic() < end
        time.sleep(0.2)
    node = engine.observe().jobs["lost0"].places[0].node
    cluster.kill_node(node)
    engine.down(node, "its daemon is gone")
    killed = time.monotonic()
    while (
        job := control.tick().observation.jobs["lost0"]
    ).starts < 2 or job.phase != JobPhase.RUNNING:
        assert time.monotonic() - killed < 60
        time.sleep(0.2)
    run_until_over(control, *(f"lost{i}" for i in range(4)))
    assert engine.observe().jobs["lost0"].phase == JobPhase.FINISHED
    cluster.start_node(node)
    engine.resume(node)
    control.store.ledger.engine.dispose()


NODE_24_11 = (
    "NodeName=g1 Arch=x86_64 CoresPerSocket=64 CPUAlloc=0 CPUEfctv=128 CPUTot=128 CPULoad=0.10 "
    "AvailableFeatures=h100 ActiveFeatures=h100 Gres=gpu:h100:8(S:0-1) GresDrain=N/A "
    "GresUsed=gpu:h100:0 NodeAddr=g1 NodeHostName=g1 Version=24.11.1 RealMemory=2000000 "
    "State=IDLE+DRAIN+NOT_RESPONDING ThreadsPerCore=1 Partitions=gpu "
    "Reason=fan is loud [root@2026-01-02T03:04:05]"
)


def test_the_forms_of_later_versions_are_read():
    node = parse.node(NODE_24_11)
    assert (node.gpus, node.gpu_type, node.state) == (8, "h100", NodeState.DOWN)
    assert node.reason == "fan is loud"
    line = "JobId=3 JOB_GRES=gpu:h100:4 Nodes=g[1-2] CPU_IDs=0-3 Mem=0 GRES=gpu:h100:2(IDX:0,3) x"
    assert [(p.node, p.gpus) for p in parse.places(line)] == [("g1", (0, 3)), ("g2", (0, 3))]
    assert parse.gpus_asked({"TresPerNode": "gres/gpu:h100:4", "NumNodes": "2-2"}) == 8
