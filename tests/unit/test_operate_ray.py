"""Ray itself, several raylets started here, driven by the controller."""

import pytest

from commonwatt.operate.domain.cluster import JobPhase, NodeAllocation, NodeState
from commonwatt.operate.domain.errors import BackendError
from tests.operate_cases import controller, happens, request, run_until_over, runs_until
from tests.ray_cluster import need_ray, ray_cluster

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster():
    need_ray()
    with ray_cluster(3, 4) as ray_nodes:
        yield ray_nodes


@pytest.fixture
def backend(cluster, tmp_path):
    from commonwatt.operate.io.backends.ray import RayBackend

    ray_backend = RayBackend(cluster.address, tmp_path / "engine")
    yield ray_backend
    ray_backend.close()


def test_a_controller_runs_gangs_on_ray_and_replays_its_decisions(tmp_path, backend):
    from commonwatt.operate.engines.replay import compare_live_with_simulated

    for i in range(9):
        backend.submit(request(f"g{i}", "sleep", "0.3", gpus=[1, 4, 6][i % 3]))
    control = controller(tmp_path, backend)
    run_until_over(control, wait_s=240)
    jobs = backend.observe().jobs.values()
    assert {(job.phase, job.starts) for job in jobs} == {(JobPhase.FINISHED, 1)}
    compared = compare_live_with_simulated(control.store.logged_decisions())
    assert (compared.starts, compared.differing) == (9, [])
    control.store.ledger.engine.dispose()


def test_a_killed_raylet_gives_its_jobs_to_others(tmp_path, cluster, backend):
    go = tmp_path / "go"
    backend.submit(request("moved", *runs_until(go), gpus=4))
    control = controller(tmp_path, backend)
    happens(lambda: control.tick().observation.jobs["moved"].phase == JobPhase.RUNNING)
    node = backend.observe().jobs["moved"].places[0].node
    cluster.kill_node(node)
    # The job may not end before its node is seen to be gone, or it has ended well where it was.
    happens(lambda: NodeState.DOWN in {n.state for n in backend.observe().nodes if n.name == node})
    go.touch()
    run_until_over(control, wait_s=240)
    job = backend.observe().jobs["moved"]
    assert (job.phase, job.starts) == (JobPhase.FINISHED, 2)
    assert job.places[0].node != node
    down = {each.name for each in backend.observe().nodes if each.state == NodeState.DOWN}
    assert down == {node}
    control.store.ledger.engine.dispose()


def test_a_node_that_is_away_takes_nothing(cluster, backend):
    backend.submit(request("nowhere", "sleep", "1"))
    away = next(n.name for n in backend.observe().nodes if n.name in cluster.nodes)
    backend.drain(away, "test")
    with pytest.raises(BackendError):
        backend.start("nowhere", [NodeAllocation(away, (0,))])
    backend.resume(away)
