"""Ray itself, several raylets started here, driven by the controller."""

import time

import pytest

from commonwatt.operate.domain.cluster import JobPhase, NodeAllocation, NodeState
from commonwatt.operate.domain.errors import BackendError
from tests.operate_cases import ask, controller, run_until_over
from tests.ray_cluster import need_ray, ray_cluster

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster():
    need_ray()
    with ray_cluster(3, 4) as made:
        yield made


@pytest.fixture
def engine(cluster, tmp_path):
    from commonwatt.operate.io.backends.ray import RayBackend

    made = RayBackend(cluster.address, tmp_path / "engine")
    yield made
    made.close()


def test_a_controller_runs_gangs_on_ray_and_replays_its_decisions(tmp_path, engine):
    from commonwatt.operate.engines.replay import compare_decisions

    for i in range(9):
        engine.submit(ask(f"g{i}", "sleep", "0.3", gpus=[1, 4, 6][i % 3]))
    control = controller(tmp_path, engine)
    run_until_over(control, wait_s=120)
    jobs = engine.observe().jobs.values()
    assert {(job.phase, job.starts) for job in jobs} == {(JobPhase.FINISHED, 1)}
    compared = compare_decisions(control.store.decisions())
    assert (compared.starts, compared.differing) == (9, [])
    control.store.ledger.engine.dispose()


def test_a_killed_raylet_gives_its_jobs_to_others(tmp_path, cluster, engine):
    engine.submit(ask("moved", "sleep", "3", gpus=4))
    control = controller(tmp_path, engine)
    end = time.monotonic() + 60
    while control.tick().observation.jobs["moved"].phase != JobPhase.RUNNING:
        assert time.monotonic() < end
        time.sleep(0.2)
    node = engine.observe().jobs["moved"].places[0].node
    cluster.kill_node(node)
    run_until_over(control, wait_s=120)
    job = engine.observe().jobs["moved"]
    assert (job.phase, job.starts) == (JobPhase.FINISHED, 2)
    assert job.places[0].node != node
    down = {each.name for each in engine.observe().nodes if each.state == NodeState.DOWN}
    assert down == {node}
    control.store.ledger.engine.dispose()


def test_a_node_that_is_away_takes_nothing(cluster, engine):
    engine.submit(ask("nowhere", "sleep", "1"))
    away = next(n.name for n in engine.observe().nodes if n.name in cluster.nodes)
    engine.drain(away, "test")
    with pytest.raises(BackendError):
        engine.start("nowhere", [NodeAllocation(away, (0,))])
    engine.resume(away)
