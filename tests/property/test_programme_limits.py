"""A limit that a programme calls hard binds every job, in every alternative and on the cluster."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commonwatt.core.errors import IdentityError, ProgrammeError
from commonwatt.fleet.engines.metrics import fleet_metrics
from commonwatt.fleet.engines.simulator import simulate_schedule
from commonwatt.fleet.engines.simulator.identities import check_simulation_identities
from commonwatt.fleet.usecases.simulate import FleetRun, simulated_jobs_table
from commonwatt.operate.domain.capture import NO_SITE, capture_cluster_state
from commonwatt.operate.domain.cluster import ClusterObservation, JobPhase, ObservedJob
from commonwatt.operate.domain.settings import parse_controller_settings
from commonwatt.operate.engines.snapshot import WaitReason, queue_snapshot
from commonwatt.study.programme.reader import Programme, load_programme
from commonwatt.study.stages.demand import fleet_inputs_of_programme, programme_scheduling_policies
from commonwatt.study.stages.fleet import gpu_hours_beyond_programme_limits
from tests.operate_cases import nodes, request
from tests.small_programme import ALTERNATIVES, small_programme

RTT_MS = {"home": 0.0, "west": 30.0, "rented": 200.0}


class _Checked:
    def __init__(self, programme: Programme, run: FleetRun) -> None:
        self.programme, self.run = programme, run
        self.jobs = simulated_jobs_table(run.result, run.inputs.workload, run.inputs.fleet)


def _programme(limit: str, rented: int = 0, more: dict[str, str] | None = None) -> _Checked:
    with tempfile.TemporaryDirectory() as folder:
        changes = {'label = { en = "Universities", zh-Hant = "大學" }': limit} | (more or {})
        # An alternative that cannot keep the limit is a fault of its own.
        changes[ALTERNATIVES] = ""
        path = small_programme(Path(folder), changes=changes)
        programme = load_programme(path, [f"sites.rented.nodes={rented}"])
        run = _run(programme)
        beyond = gpu_hours_beyond_programme_limits(programme, run)
        assert beyond == 0
        return _Checked(programme, run)


def _run(programme: Programme) -> FleetRun:
    inputs, policy = (
        fleet_inputs_of_programme(programme),
        programme_scheduling_policies(programme)[0],
    )
    result = simulate_schedule(inputs.workload, inputs.fleet, policy, seed=3)
    check_simulation_identities(result, inputs.workload, inputs.fleet)
    figures = fleet_metrics(result, inputs.workload, inputs.fleet)
    return FleetRun(
        policy=policy.name, inputs=inputs, result=result, metrics=figures, simulation_cpu_s=0
    )


LIMITS_MS = (None, 0, 10, 30, 31, 200, 500)
SITES = ((), ("home",), ("west",), ("home", "west"), ("west", "rented"))


def test_no_job_runs_beyond_a_limit_and_what_none_can_keep_is_refused():
    """Every limit by every list of sites by every size of a far hall: all of them, none drawn."""
    reached = {"refused": 0, "bound": 0, "free": 0}
    for limit, sites, rented in itertools.product(LIMITS_MS, SITES, range(3)):
        built = {"home", "west"} | ({"rented"} if rented else set())
        may = built & set(sites or built)
        allowed = {name for name in may if limit is None or RTT_MS[name] <= limit}
        text = "" if limit is None else f'latency = "{limit} ms"\n'
        text += f"sites = [{', '.join(map(repr, sites))}]\n" if sites else ""
        if not allowed:
            reached["refused"] += 1
            with pytest.raises(ProgrammeError, match=r"tenants\.0\.(latency|sites)"):
                _programme(text, rented)
            continue
        ours = _programme(text, rented).jobs.filter(tenant="a")
        assert set(ours["site"].str.split(" + ").explode()) <= allowed
        assert ours.height == 30
        assert (ours["site"] != "").all()
        reached["bound" if allowed != built else "free"] += 1
    assert min(reached.values()) >= 9, reached


def test_a_missing_round_trip_is_no_proof_that_a_limit_holds():
    gap = '[[latency]]\nbetween = ["home", "west"]\nrtt = "30 ms"\n'
    with pytest.raises(ProgrammeError, match="the round trip between 'home' and 'west' is not giv"):
        _programme('latency = "40 ms"\n', more={gap: ""})
    assert _programme('latency = "40 ms"\nsites = ["home"]\n', more={gap: ""}).jobs.height == 60


def test_a_job_moved_beyond_its_limit_after_the_fact_breaks_the_identity():
    checked = _programme('latency = "10 ms"\n')
    inputs, own = checked.run.inputs, checked.run.result.segments
    mine = inputs.workload.tenant[own.job] == inputs.workload.tenant_names.index("a")
    at = int(np.flatnonzero(mine)[0])
    own.node[at] = inputs.fleet.node_id.index("west-0")
    assert gpu_hours_beyond_programme_limits(checked.programme, checked.run) > 0
    with pytest.raises(IdentityError, match="GPU time beyond a rule"):
        check_simulation_identities(checked.run.result, inputs.workload, inputs.fleet)


def test_every_row_names_the_sites_of_its_job_in_the_order_of_the_fleet():
    checked = _programme("", rented=1)
    seen = checked.jobs.select(pl.col("site").unique().sort()).to_series().to_list()
    assert set(seen) <= {"home", "west", "rented", "home + west", "home + rented", "west + rented"}
    assert {"home", "west"} <= set(seen)


@pytest.mark.parametrize(
    ("requested_sites", "allowed"),
    [((), {"x"}), (("x",), {"x"}), (("x", "y"), {"x"}), (("y",), set())],
)
def test_the_live_cluster_holds_a_job_to_its_tenants_sites(requested_sites, allowed):
    controller_settings = parse_controller_settings("[tenant_sites]\na = ['x']\n")
    cluster = (*nodes(1, site="x"), *(n for n in nodes(2, site="y") if n.name != "n000"))
    job = ObservedJob(request=request("j", tenant="a", sites=requested_sites), phase=JobPhase.HELD)
    free = ObservedJob(request=request("k", tenant="b", sites=requested_sites), phase=JobPhase.HELD)
    captured = capture_cluster_state(
        ClusterObservation(at_s=0.0, nodes=cluster, jobs={"j": job, "k": free}), controller_settings
    )
    held = {each.request.job_id: set(each.request.sites) for each in captured.jobs}
    assert held["j"] == (allowed or {NO_SITE})
    assert held["k"] == set(requested_sites)
    assert (queue_snapshot(captured).excluded.get("j") == WaitReason.TOO_LARGE) == (not allowed)
    assert "k" not in queue_snapshot(captured).excluded
