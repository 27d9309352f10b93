"""Slurm itself, started here on the loopback address, driven by the controller."""

import time

import pytest

from commonwatt.operate.domain.cluster import JobPhase, NodeAllocation, NodeState
from commonwatt.operate.domain.errors import BackendError, UnknownNameError
from commonwatt.operate.io.backends.slurm import SlurmBackend, parse
from tests.operate_cases import controller, happens, job_in, request, run_until_over, runs_until
from tests.operate_rehearsal import rehearse, trace_slice
from tests.slurm_cluster import need_slurm, slurm_cluster


@pytest.fixture(scope="module")
def cluster():
    need_slurm()
    with slurm_cluster(16, 8) as slurm:
        yield slurm


@pytest.fixture
def backend(cluster):
    slurm_backend = SlurmBackend(cluster.conf)
    yield slurm_backend
    for name, job in slurm_backend.observe().jobs.items():
        if job.phase in (JobPhase.HELD, JobPhase.STARTING, JobPhase.RUNNING):
            slurm_backend.cancel(name, "the test is over")
    for node in slurm_backend.observe().nodes:
        if node.state != NodeState.UP:
            slurm_backend.resume(node.name)
    slurm_backend.close()


def test_a_held_job_runs_on_just_the_nodes_that_were_named(backend, tmp_path):
    go = tmp_path / "go"
    backend.submit(request("wide", *runs_until(go), gpus=12))
    assert job_in(backend, "wide", JobPhase.HELD).places == ()
    backend.start(
        "wide", [NodeAllocation("n003", tuple(range(8))), NodeAllocation("n007", (0, 1, 2, 3))]
    )
    job = job_in(backend, "wide", JobPhase.RUNNING)
    assert [(place.node, len(place.gpus)) for place in job.places] == [("n003", 8), ("n007", 4)]
    go.touch()
    job = job_in(backend, "wide", JobPhase.FINISHED)
    assert (job.exit_code, job.starts) == (0, 1)
    backend.submit(request("wide", "sleep", "2"))  # a name is unique for ever
    assert backend.observe().jobs["wide"].phase == JobPhase.FINISHED


def test_a_job_that_slurm_requeued_is_held_and_placed_again(cluster, backend):
    backend.submit(request("moved", "sleep", "600", gpus=2))
    backend.start("moved", [NodeAllocation("n001", (0, 1))])
    job_in(backend, "moved", JobPhase.RUNNING)
    cluster.kill_node("n001")
    backend.down("n001", "its daemon is gone")
    job = job_in(backend, "moved", JobPhase.HELD)
    assert job.starts == 1
    backend.start("moved", [NodeAllocation("n002", (0, 1))])
    job = job_in(backend, "moved", JobPhase.RUNNING)
    assert (job.places[0].node, job.starts) == ("n002", 2)
    backend.cancel("moved", "it has moved")
    cluster.start_node("n001")
    backend.resume("n001")


def test_a_job_submitted_by_others_is_taken_up_with_its_account(cluster, backend):
    number = cluster.run(
        "sbatch", "--hold", "--parsable", "--gpus=3", "--time=00:10:00", "--wrap=sleep 1",
        "--output=/dev/null",
    ).strip()  # fmt: skip
    job = backend.observe().jobs[f"slurm-{number}"]
    assert (job.phase, job.request.gpus, job.request.estimate_s) == (JobPhase.HELD, 3, 600.0)
    backend.start(f"slurm-{number}", [NodeAllocation("n004", (0, 1, 2))])
    job_in(backend, f"slurm-{number}", JobPhase.FINISHED)


def test_a_drained_node_is_seen_and_comes_back(backend):
    backend.drain("n005", 'odd "quotes" and\nlines')
    node = next(node for node in backend.observe().nodes if node.name == "n005")
    assert (node.state, node.reason) == (NodeState.DRAINED, "odd quotes and lines")
    backend.resume("n005")
    backend.resume("n005")
    # Slurm asks a resumed node whether it is there
    happens(lambda: all(node.state == NodeState.UP for node in backend.observe().nodes))


def test_a_rebooted_node_comes_back_drained(cluster, backend):
    backend.reboot("n006", "new driver")
    assert state_of(backend, "n006") == NodeState.REBOOTING
    show = ("scontrol", "show", "node", "n006", "--oneliner")
    happens(lambda: "REBOOT_ISSUED" in cluster.run(*show))
    cluster.kill_node("n006")
    # Slurm counts in seconds, and takes a start within that of the request for one before it.
    time.sleep(2)
    cluster.start_node("n006", booted=True)
    happens(lambda: state_of(backend, "n006") == NodeState.DRAINED)
    backend.resume("n006")


def state_of(backend, name):
    return next(node.state for node in backend.observe().nodes if node.name == name)


def test_what_slurm_does_not_know_is_said(backend):
    with pytest.raises(UnknownNameError):
        backend.start("nobody", [NodeAllocation("n000", (0,))])
    with pytest.raises(UnknownNameError):
        backend.drain("nowhere", "")
    with pytest.raises(UnknownNameError):
        backend.drain("n000 State=DOWN", "")
    with pytest.raises(BackendError):
        backend.submit(request("part", gpu_milli=500))


def test_a_control_daemon_that_went_away_is_found_again(cluster, backend):
    backend.submit(request("patient", "sleep", "1", gpus=1))
    cluster.restart_control()
    backend.start("patient", [NodeAllocation("n000", (0,))])
    assert job_in(backend, "patient", JobPhase.FINISHED).exit_code == 0


def test_a_slice_of_a_real_trace_runs_as_it_was_simulated(tmp_path, backend):
    # a slice: 500 jobs at full length are run by bench/operate_control.py
    workload = trace_slice(30, longest_s=3 * 3600, scale=2400, gpus=64)
    control = controller(tmp_path, backend)
    rehearsal = rehearse(control, backend, workload, nodes=16, gpus=8, launch_s=1.5, wait_s=120)
    assert rehearsal.finished == 30
    assert rehearsal.compared.starts == 30
    assert rehearsal.compared.differing == []
    assert (rehearsal.overcommitted, rehearsal.refused) == (0, 0)
    control.store.ledger.engine.dispose()


def test_a_killed_node_gives_its_jobs_to_others(tmp_path, cluster, backend):
    control, go = controller(tmp_path, backend), tmp_path / "go"
    names = [f"lost{i}" for i in range(4)]
    for name in names:
        backend.submit(request(name, *runs_until(go), gpus=8))

    def jobs():
        return [control.tick().observation.jobs[name] for name in names]

    happens(lambda: all(job.phase == JobPhase.RUNNING for job in jobs()))
    node = backend.observe().jobs["lost0"].places[0].node
    cluster.kill_node(node)
    backend.down(node, "its daemon is gone")
    happens(lambda: (jobs()[0].starts, jobs()[0].phase) == (2, JobPhase.RUNNING))
    go.touch()
    run_until_over(control, *names)
    assert backend.observe().jobs["lost0"].phase == JobPhase.FINISHED
    cluster.start_node(node)
    backend.resume(node)
    control.store.ledger.engine.dispose()


NODE_24_11 = (
    "NodeName=g1 Arch=x86_64 CoresPerSocket=64 CPUAlloc=0 CPUEfctv=128 CPUTot=128 CPULoad=0.10 "
    "AvailableFeatures=h100 ActiveFeatures=h100 Gres=gpu:h100:8(S:0-1) GresDrain=N/A "
    "GresUsed=gpu:h100:0 NodeAddr=g1 NodeHostName=g1 Version=24.11.1 RealMemory=2000000 "
    "State=IDLE+DRAIN+NOT_RESPONDING ThreadsPerCore=1 Partitions=gpu "
    "Reason=fan is loud [root@2026-01-02T03:04:05]"
)


def test_the_forms_of_later_versions_are_read():
    node = parse.slurm_observed_node(NODE_24_11)
    assert (node.gpus, node.gpu_type, node.state) == (8, "h100", NodeState.DOWN)
    assert node.reason == "fan is loud"
    line = "JobId=3 JOB_GRES=gpu:h100:4 Nodes=g[1-2] CPU_IDs=0-3 Mem=0 GRES=gpu:h100:2(IDX:0,3) x"
    assert [(p.node, p.gpus) for p in parse.slurm_node_allocations(line)] == [
        ("g1", (0, 3)),
        ("g2", (0, 3)),
    ]
    assert parse.slurm_requested_gpus({"TresPerNode": "gres/gpu:h100:4", "NumNodes": "2-2"}) == 8
