"""Elastic use of what is idle, on a backend with a clock of its own."""

from dataclasses import replace

import numpy as np
import pytest

from commonwatt.core.errors import IdentityError
from commonwatt.fleet.domain.policies.decide import SchedulingDecision, decide_scheduling
from commonwatt.operate.domain.capture import capture_cluster_state
from commonwatt.operate.domain.cluster import JobPhase, JobRequest, ObservedNode
from commonwatt.operate.domain.settings import parse_controller_settings
from commonwatt.operate.engines.checks import check_live_scheduling_decision
from commonwatt.operate.engines.controller import Controller
from commonwatt.operate.engines.elastic.forecast import (
    controller_gpu_demand_rise_quantile,
    controller_gpu_demand_rises,
)
from commonwatt.operate.engines.snapshot import WaitReason, queue_snapshot
from tests.operate_cases import store
from tests.operate_fake import FakeBackend


def backend(nodes=2, gpus=4, **fields):
    return FakeBackend([ObservedNode(name=f"n{i}", gpus=gpus, **fields) for i in range(nodes)])


def request(name, gpus=1, runs=10.0, **fields):
    defaults = {"estimate_s": runs, "submitted_at_s": 1000.0}
    return JobRequest(job_id=name, argv=("run", str(runs)), gpus=gpus, **(defaults | fields))


def controlled(tmp_path, cluster, text=""):
    control = Controller(cluster, store(tmp_path), parse_controller_settings(text), explain=True)
    control.recover_open_intents()
    return control


def step(control, cluster, times=1, seconds=1.0):
    for _ in range(times):
        tick = control.tick()
        cluster.advance(seconds)
    return tick


BORROW = """
grace_s = 3
[quotas]
a = 4
b = 4
[policy]
preempt = "reclaim"
"""


def test_borrowed_gpus_are_given_back_after_a_warning_and_its_grace(tmp_path):
    cluster = backend()
    cluster.submit(request("own", 4, 100, tenant="a"))
    cluster.submit(request("borrowed", 4, 100, tenant="a", submitted_at_s=1001.0))
    control = controlled(tmp_path, cluster, BORROW)
    step(control, cluster, 2)
    assert {job.observed.phase for job in cluster.jobs.values()} == {JobPhase.RUNNING}
    cluster.submit(request("rightful", 4, 10, tenant="b", submitted_at_s=cluster.now_s))
    began_s = cluster.now_s
    while cluster.jobs["rightful"].observed.phase != JobPhase.RUNNING:
        step(control, cluster)
        assert cluster.now_s - began_s < 20
    stops = [action for action in cluster.actions if action[0] in ("warn", "requeue")]
    assert stops == [("warn", "borrowed"), ("requeue", "borrowed")]
    assert cluster.now_s - began_s >= 3
    assert cluster.jobs["own"].observed.phase == JobPhase.RUNNING


def test_a_job_that_may_not_be_preempted_keeps_what_it_borrowed(tmp_path):
    cluster = backend()
    cluster.submit(request("fixed", 8, 30, tenant="a", preemptible=False))
    control = controlled(tmp_path, cluster, BORROW)
    step(control, cluster, 2)
    cluster.submit(request("rightful", 4, 10, tenant="b", submitted_at_s=cluster.now_s))
    step(control, cluster, 5)
    assert cluster.jobs["fixed"].observed.phase == JobPhase.RUNNING
    step(control, cluster, 40)
    assert cluster.jobs["rightful"].observed.phase == JobPhase.FINISHED


def test_without_borrowing_a_tenant_stops_at_its_quota(tmp_path):
    cluster = backend()
    cluster.submit(request("first", 4, 50, tenant="a"))
    cluster.submit(request("second", 1, 50, tenant="a"))
    control = controlled(tmp_path, cluster, "[quotas]\na = 4\n[policy]\nborrow = false")
    tick = step(control, cluster, 3)
    assert cluster.jobs["second"].observed.phase == JobPhase.HELD
    assert tick.waits == {"second": WaitReason.QUOTA}


FILLED = """
grace_s = 0
[quotas]
a = 8
filler = 0
[policy]
preempt = "reclaim"
[filler]
argv = ["run", "1000"]
gpus = 4
most = 2
"""


def test_filler_takes_what_is_idle_and_gives_it_back_at_once(tmp_path):
    cluster = backend()
    control = controlled(tmp_path, cluster, FILLED)
    step(control, cluster, 6)
    running = [j for j in cluster.jobs.values() if j.observed.phase == JobPhase.RUNNING]
    assert len(running) == 2
    cluster.submit(request("real", 8, 5, tenant="a", submitted_at_s=cluster.now_s))
    step(control, cluster, 4)
    assert cluster.jobs["real"].observed.phase == JobPhase.RUNNING
    step(control, cluster, 12)
    assert cluster.jobs["real"].observed.phase == JobPhase.FINISHED
    step(control, cluster, 6)
    fillers = [j for name, j in cluster.jobs.items() if name.startswith("filler-")]
    assert sum(job.observed.phase == JobPhase.RUNNING for job in fillers) == 2
    assert len(fillers) == 2  # they went on, rather than new ones being made


def reserved(from_s, until_s):
    return (
        "grace_s = 2\n[[reservations]]\nname = 'clinic'\ntenant = 'clinic'\nnodes = ['n0']\n"
        f"from_s = {from_s}\nuntil_s = {until_s}\n"
    )


def test_reserved_nodes_take_only_what_ends_before_and_are_empty_in_time(tmp_path):
    cluster = backend()
    cluster.submit(request("long", 4, 100))
    cluster.submit(request("short", 4, 10))
    cluster.submit(request("outruns", 4, 100, estimate_s=5.0, submitted_at_s=1001.0))
    control = controlled(tmp_path, cluster, reserved(1030, 1060))
    step(control, cluster, 2)
    assert cluster.jobs["long"].observed.places[0].node == "n1"
    assert cluster.jobs["short"].observed.places[0].node == "n0"
    while cluster.now_s < 1030:
        step(control, cluster)
    cluster.submit(request("service", 4, 10, tenant="clinic", submitted_at_s=cluster.now_s))
    step(control, cluster, 3)
    assert cluster.jobs["service"].observed.phase == JobPhase.RUNNING
    assert cluster.jobs["service"].observed.places[0].node == "n0"
    assert cluster.jobs["outruns"].observed.phase == JobPhase.HELD
    while cluster.now_s < 1065:
        step(control, cluster)
    assert cluster.jobs["outruns"].observed.places[0].node == "n0"


def test_a_job_refused_again_and_again_is_parked(tmp_path):
    cluster = backend()
    cluster.submit(request("odd", 1))
    cluster.refuse.add("odd")
    control = controlled(tmp_path, cluster, "refusals = 2")
    tick = step(control, cluster, 6)
    assert cluster.actions.count(("start", "odd")) == 2
    assert tick.waits == {"odd": WaitReason.PARKED}


def test_a_gang_that_needs_a_lost_node_holds_up_nobody(tmp_path):
    cluster = backend()
    cluster.down("n1", "test")
    cluster.submit(request("gang", 8))
    cluster.submit(request("small", 1, submitted_at_s=1001.0))
    cluster.submit(request("huge", 9))
    control = controlled(tmp_path, cluster)
    tick = step(control, cluster)
    assert tick.waits == {"gang": WaitReason.NODES, "huge": WaitReason.TOO_LARGE}
    step(control, cluster)
    assert cluster.jobs["small"].observed.phase == JobPhase.RUNNING
    cluster.resume("n1")
    step(control, cluster, 14)
    assert cluster.jobs["gang"].observed.phase in (JobPhase.RUNNING, JobPhase.FINISHED)


def test_a_job_that_does_not_begin_is_held_again(tmp_path):
    cluster = backend()
    cluster.submit(request("slow", 1))
    control = controlled(tmp_path, cluster, "start_within_s = 5")
    control.tick()
    cluster.now_s += 6  # the backend has not brought it up
    control.tick()
    assert ("requeue", "slow") in cluster.actions


def test_a_decision_that_bends_a_hard_rule_is_not_carried_out():
    cluster = FakeBackend(
        [ObservedNode(name="x", gpus=4, site="x"), ObservedNode(name="y", gpus=4, site="y")]
    )
    cluster.submit(request("bound", 4, sites=("x",)))
    captured = capture_cluster_state(cluster.observe(), parse_controller_settings(""))
    snapshot = queue_snapshot(captured)
    good = decide_scheduling(snapshot.state, captured.scheduling_policy)
    check_live_scheduling_decision(good, snapshot, captured)
    (piece,) = good.starts[0]
    for bad in (piece._replace(node=1), piece._replace(request=piece.request._replace(gpus=2))):
        with pytest.raises(IdentityError):
            check_live_scheduling_decision(SchedulingDecision((), {0: (bad,)}), snapshot, captured)


def test_the_forecast_covers_the_share_of_rises_that_was_asked():
    demand = np.abs(np.cumsum(np.random.default_rng(3).normal(size=2000))).round()
    for share in (0.5, 0.9, 0.99):
        rise = controller_gpu_demand_rise_quantile(demand, 15, share)
        assert (controller_gpu_demand_rises(demand, 15) <= rise).mean() >= share
    assert controller_gpu_demand_rise_quantile(np.array([5.0]), 15) == 0.0


def test_a_start_whose_gpus_are_taken_is_held_again(tmp_path):
    cluster = backend()
    cluster.submit(request("gang", 6))
    cluster.submit(request("small", 2, submitted_at_s=1001.0))
    control = controlled(tmp_path, cluster)
    control.tick()
    gang = cluster.jobs["gang"]
    # a backend that spreads a gang its own way: 3 + 3 rather than 4 + 2
    cluster.advance(1.0)
    spread_places = tuple(replace(place, gpus=(0, 1, 2)) for place in gang.observed.places)
    gang.observed = replace(gang.observed, places=spread_places)
    small = cluster.jobs["small"]
    small.observed = replace(small.observed, phase=JobPhase.STARTING)
    control.tick()
    assert ("requeue", "small") in cluster.actions
    assert gang.observed.phase == JobPhase.RUNNING
