"""Run a fleet and gather the figures that people quote."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from commonwatt.core.errors import UsageError
from commonwatt.core.jit import plain_python_kernels_if_small_work
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.policies import SchedulingPolicy
from commonwatt.fleet.domain.tables import JOBS, PACKING_CURVE
from commonwatt.fleet.domain.workload import Workload
from commonwatt.fleet.engines.metrics import FleetMetrics, fleet_metrics
from commonwatt.fleet.engines.simulator import (
    JobState,
    Runtime,
    SimulationResult,
    is_replay_faster_in_plain_python,
    simulate_schedule,
    simulate_user,
)
from commonwatt.fleet.usecases.inputs import FleetInputs
from commonwatt.fleet.usecases.own_policy import load_user_scheduling_policy

if TYPE_CHECKING:
    from commonwatt.fleet.engines.packing import PackingResult

_WARM_UP_LOAD = 1e-3  # of an arrived load: enough to load the kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRun:
    """One simulation with its figures.

    Args:
        policy: Name of what decided.
        inputs: What it ran on.
        result: When and where each job ran.
        metrics: The figures.
        simulation_cpu_s: CPU time of the engine alone, compilation and reading left out [s].
    """

    policy: str
    inputs: FleetInputs
    result: SimulationResult
    metrics: FleetMetrics
    simulation_cpu_s: float

    def figures(self) -> dict[str, Any]:
        """Return every figure for `--json`."""
        return {
            "policy": self.policy,
            "pool": self.inputs.pool,
            **self.metrics.metrics_as_dict(),
            "engine_cpu_s": self.simulation_cpu_s,
            "jobs_per_cpu_s": _jobs_per_second(len(self.result), self.simulation_cpu_s),
            "result_sha256": self.result.schedule_sha256,
            "traces": [read.trace_as_dict() for read in self.inputs.reads],
        }


def run_fleet_simulation(
    inputs: FleetInputs,
    policy: SchedulingPolicy,
    *,
    seed: int = 0,
    runtime: Runtime = "oracle",
    quotas: Mapping[str, float] | None = None,
) -> FleetRun:
    """Simulate once and return the figures.

    Two jobs are simulated beforehand, so that loading or compiling the kernels does
    not count as the engine's time. A small trace is simulated without the compiler.
    """
    is_small = is_replay_faster_in_plain_python(
        inputs.workload, inputs.fleet, policy, quotas=quotas
    )
    with plain_python_kernels_if_small_work(is_small=is_small):
        _warm_up_simulator(inputs, policy, seed, runtime, quotas)
        # CPU time, because other programs on the machine must not make the engine look slow.
        began = time.process_time()
        result = simulate_schedule(
            inputs.workload,
            inputs.fleet,
            policy,
            pool=inputs.pool,
            seed=seed,
            runtime=runtime,
            quotas=quotas,
        )
        spent = time.process_time() - began
    return FleetRun(
        policy=policy.name,
        inputs=inputs,
        result=result,
        metrics=fleet_metrics(result, inputs.workload, inputs.fleet),
        simulation_cpu_s=spent,
    )


def run_user_policy_simulation(inputs: FleetInputs, order: str) -> FleetRun:
    """Simulate a user's own policy, named `FILE.py:CLASS`, and return the figures.

    Raises:
        UsageError: No such policy, or nodes by tenant, which only built-in orders serve.
    """
    policy = load_user_scheduling_policy(order)
    if inputs.pool != "all":
        wanted = Message("--pool all, with an order of your own")
        raise UsageError("--pool", found=inputs.pool, wanted=wanted)
    began = time.process_time()
    result = simulate_user(inputs.workload, inputs.fleet, policy)
    spent = time.process_time() - began
    return FleetRun(
        policy=order,
        inputs=inputs,
        result=result,
        metrics=fleet_metrics(result, inputs.workload, inputs.fleet),
        simulation_cpu_s=spent,
    )


def run_arrived_load_packing(
    inputs: FleetInputs, policy: SchedulingPolicy, *, load: float, seed: int
) -> dict[str, Any]:
    """Run the arrived-load protocol and return its figures for `--json`."""
    from commonwatt.fleet.engines.packing import place_arrived_load

    # Loading or compiling the kernels is not the engine's time.
    place_arrived_load(inputs.fleet, inputs.workload, policy.place, load=_WARM_UP_LOAD, seed=seed)
    began = time.process_time()
    packed = place_arrived_load(inputs.fleet, inputs.workload, policy.place, load=load, seed=seed)
    return packing_figures(packed, time.process_time() - began)


def packing_figures(packed: PackingResult, simulation_cpu_s: float) -> dict[str, Any]:
    """Return the figures of an arrived-load run; fields of a queue that has none are absent."""
    return {
        "protocol": "arrived-load",
        "policy": packed.policy,
        "arrived_load": packed.load,
        "seed": packed.seed,
        "jobs": packed.jobs_arrived,
        "jobs_placed": packed.jobs_placed,
        "gpus": packed.capacity_milli // 1000,
        "arrived_gpu_share": packed.arrived_gpu_share,
        "allocated_gpu_share": packed.allocated_gpu_share,
        "unallocated_gpu_share": packed.unallocated_gpu_share,
        "fragmented_gpu_share": packed.fragmented_gpu_share,
        "engine_cpu_s": simulation_cpu_s,
        "jobs_per_cpu_s": _jobs_per_second(packed.jobs_arrived, simulation_cpu_s),
        "result_sha256": packed.result_sha256,
        "curve": packed.arrived_load_curve().to_dicts(),
    }


def simulated_jobs_table(
    result: SimulationResult, workload: Workload, fleet: Fleet
) -> pl.DataFrame:
    """Return what became of every job, in order of submission."""
    started, ended = result.start_ms >= 0, result.end_ms >= 0
    names = [state.name.lower() for state in JobState]
    return JOBS.build_frame(
        job_id=workload.job_id,
        tenant=np.array(workload.tenant_names)[workload.tenant],
        gpus=workload.gpus,
        gpu_milli=workload.gpu_milli,
        submit_s=workload.submit_ms / 1000,
        start_s=_job_seconds_or_null(result.start_ms, started),
        end_s=_job_seconds_or_null(result.end_ms, ended),
        queue_delay_s=_job_seconds_or_null(result.start_ms - workload.submit_ms, started),
        pending_s=_job_seconds_or_null(result.pending_ms, ended),
        state=np.array(names)[result.state],
        preemptions=result.preemptions,
        site=_joined_site_names_by_job(result, fleet),
    )


def _joined_site_names_by_job(result: SimulationResult, fleet: Fleet) -> pl.Series:
    """Return the sites that each job ran at, joined by " + " in the order of the fleet."""
    segment, node, _ = result.segments.segment_node_and_gpu_milli()
    ran = pl.DataFrame({"job": result.segments.job[segment], "site": fleet.site[node]})
    # A job that was preempted or spans nodes may name a site many times.
    order = ran.unique().sort("job", "site")
    names = pl.Series("name", [site.name for site in fleet.sites], dtype=pl.String)
    by_job = (
        order.with_columns(names.gather(order["site"]))
        .group_by("job", maintain_order=True)
        .agg(pl.col("name").str.join(" + "))
    )
    all_jobs = pl.DataFrame({"job": range(len(result))}, schema={"job": pl.Int64})
    return all_jobs.join(by_job, on="job", how="left", maintain_order="left")["name"]


def packing_curve_table(figures: Mapping[str, Any]) -> pl.DataFrame:
    """Return the curve of an arrived-load run as a table."""
    return PACKING_CURVE.frame_from_rows(figures["curve"])


def _warm_up_simulator(
    inputs: FleetInputs,
    policy: SchedulingPolicy,
    seed: int,
    runtime: Runtime,
    quotas: Mapping[str, float] | None,
) -> None:
    # The same policy and fleet, because each combination of types is compiled by itself.
    two_jobs = inputs.workload.workload_of_job_rows(np.arange(min(2, len(inputs.workload))))
    simulate_schedule(
        two_jobs, inputs.fleet, policy, pool=inputs.pool, seed=seed, runtime=runtime, quotas=quotas
    )


def _job_seconds_or_null(values_ms: np.ndarray, is_known: np.ndarray) -> pl.Series:
    # NaN on the way only: in a table what did not happen is empty.
    return pl.Series(np.where(is_known, values_ms / 1000, np.nan)).fill_nan(None)


def _jobs_per_second(job_count: int, seconds: float) -> float:
    # A short run may end before the clock has ticked.
    return job_count / max(seconds, 1e-9)
