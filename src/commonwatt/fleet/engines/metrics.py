"""Figures of a simulation, by the house's definitions.

Utilisation is GPU time held over GPU time available in a window, by default from the
first to the last arrival; over the makespan it is a second figure with a name of its
own. Queue delay is first start minus submission; pending time is all time not
running; job completion time (JCT) is end minus submission.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.result import JobState, SimulationResult
from commonwatt.fleet.domain.workload import I64, Bools, Workload
from commonwatt.fleet.engines.energy import site_energies_in_site_order
from commonwatt.fleet.engines.timeline import StepSeries, Timeline, timeline_of_gpus_and_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitMetrics:
    """How long a set of jobs waited.

    Args:
        jobs: Jobs in the set.
        jobs_finished: Those that finished; the means are over them.
        jobs_rejected: Those that can never fit.
        jobs_waiting: Those that still waited at the end.
        gpu_hours: GPU time that finished jobs were served [GPU-h].
        mean_queue_delay_s: Mean of first start minus submission [s].
        median_queue_delay_s: Median of the same [s].
        p95_queue_delay_s: Least delay that 95 % of the jobs do not exceed [s].
        mean_pending_s: Mean of all time not running [s].
        mean_jct_s: Mean of end minus submission [s].
        preemptions: Times that jobs were preempted.
    """

    jobs: int
    jobs_finished: int
    jobs_rejected: int
    jobs_waiting: int
    gpu_hours: float
    mean_queue_delay_s: float
    median_queue_delay_s: float
    p95_queue_delay_s: float
    mean_pending_s: float
    mean_jct_s: float
    preemptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteUse:
    """What one site did.

    Args:
        gpus: GPUs on the site.
        jobs: Jobs whose first node was there.
        gpu_hours: GPU time held there [GPU-h].
        utilisation_share: GPU time held over available, first to last arrival.
        energy_kwh: Energy drawn, overhead included, over the makespan [kWh].
        overhead_kwh: Cooling and distribution of that [kWh].
        cost_usd: What the energy cost [USD].
        carbon_kg: Carbon of the energy [kg CO2e].
    """

    gpus: int
    jobs: int
    gpu_hours: float
    utilisation_share: float
    energy_kwh: float
    overhead_kwh: float
    cost_usd: float
    carbon_kg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMetrics:
    """Every figure of one simulation.

    Args:
        gpus: GPUs of the fleet.
        window_s: First to last arrival [s].
        makespan_s: First arrival to last end [s].
        utilisation_share: GPU time held over available in the window.
        makespan_utilisation_share: The same over the makespan.
        unallocated_gpu_share: 1 - utilisation in the window.
        fragmented_gpu_share: GPU time that lay idle while some job waited, over GPU
            time available in the window: lost to fragmentation and to queue order.
        mean_queue_length: Mean number of waiting jobs in the window.
        energy_kwh: Energy drawn over the makespan, overhead included [kWh].
        cost_usd: What the energy cost [USD].
        carbon_kg: Carbon of the energy [kg CO2e].
        all: Waits of all jobs.
        by_tenant: Waits by tenant.
        by_site: Use by site.
    """

    gpus: int
    window_s: float
    makespan_s: float
    utilisation_share: float
    makespan_utilisation_share: float
    unallocated_gpu_share: float
    fragmented_gpu_share: float
    mean_queue_length: float
    energy_kwh: float
    cost_usd: float
    carbon_kg: float
    all: WaitMetrics
    by_tenant: dict[str, WaitMetrics]
    by_site: dict[str, SiteUse]

    def metrics_as_dict(self) -> dict[str, object]:
        """Return the fields for `--json`: those of all jobs stand on the first level."""
        fields = asdict(self)
        return fields.pop("all") | fields


def fleet_metrics(result: SimulationResult, workload: Workload, fleet: Fleet) -> FleetMetrics:
    """Return the figures of `result`.

    Raises:
        IdentityError: The energy balance does not close: a bug.

    >>> from commonwatt.fleet.engines.simulator import simulate_schedule
    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> from commonwatt.fleet.domain.policies import parse_scheduling_policy
    >>> from commonwatt.fleet.domain.workload import workload_from_columns
    >>> jobs, fleet = workload_from_columns([0, 10], [10, 10], [8, 4]), uniform_fleet(1, 8)
    >>> result = simulate_schedule(jobs, fleet, parse_scheduling_policy())
    >>> figures = fleet_metrics(result, jobs, fleet)
    >>> figures.utilisation_share, figures.makespan_utilisation_share
    (1.0, 0.75)
    """
    lines = timeline_of_gpus_and_queue(result, workload)
    # To the last arrival: from then on the queue only drains, and one long last job would make any
    # policy look idle. The makespan's figure stands beside it under a name of its own.
    first, last = _submission_window_ms(workload)
    end = max(int(result.end_ms.max(initial=0)), last)
    sites = _gpu_use_by_site(result, fleet, (first, last), end)
    window = _gpu_share_held(lines.held_milli, (first, last), fleet.gpu_capacity_milli)
    return FleetMetrics(
        gpus=int(fleet.gpus.sum()),
        window_s=(last - first) / 1000,
        makespan_s=(end - first) / 1000,
        utilisation_share=window,
        makespan_utilisation_share=_gpu_share_held(
            lines.held_milli, (first, end), fleet.gpu_capacity_milli
        ),
        unallocated_gpu_share=1 - window,
        fragmented_gpu_share=_gpu_share_idle_while_jobs_wait(
            lines, (first, last), fleet.gpu_capacity_milli
        ),
        mean_queue_length=_mean_level_of_step_series(lines.queue, (first, last)),
        energy_kwh=sum(site.energy_kwh for site in sites.values()),
        cost_usd=sum(site.cost_usd for site in sites.values()),
        carbon_kg=sum(site.carbon_kg for site in sites.values()),
        all=wait_metrics_of_jobs(result, workload, np.ones(len(workload), np.bool_)),
        by_tenant={
            name: wait_metrics_of_jobs(result, workload, workload.tenant == i)
            for i, name in enumerate(workload.tenant_names)
        },
        by_site=sites,
    )


def wait_metrics_of_jobs(
    result: SimulationResult, workload: Workload, selected_jobs: Bools
) -> WaitMetrics:
    """Return how long `selected_jobs` waited, shape (jobs,)."""
    # A job that can never fit has no delay to average; it is counted by itself instead.
    done = np.flatnonzero(selected_jobs & (result.state == JobState.FINISHED))
    submit = workload.submit_ms[done]
    delay = result.start_ms[done] - submit
    demand = workload.gpu_demand_milli_by_job()[done].astype(np.float64)
    return WaitMetrics(
        jobs=int(selected_jobs.sum()),
        jobs_finished=len(done),
        jobs_rejected=int((result.state[selected_jobs] == JobState.REJECTED).sum()),
        jobs_waiting=int((result.state[selected_jobs] == JobState.WAITING).sum()),
        gpu_hours=float((demand * workload.runtime_ms[done]).sum()) / 3.6e9,
        mean_queue_delay_s=_mean_job_time_s(delay),
        median_queue_delay_s=_wait_quantile_s(delay, 0.5),
        p95_queue_delay_s=_wait_quantile_s(delay, 0.95),
        mean_pending_s=_mean_job_time_s(result.pending_ms[done]),
        mean_jct_s=_mean_job_time_s(result.end_ms[done] - submit),
        preemptions=int(result.preemptions[selected_jobs].sum()),
    )


def _mean_job_time_s(job_times_ms: I64) -> float:
    # Whole milliseconds are summed before the division, so that no order of the jobs shows in it.
    return int(job_times_ms.sum()) / len(job_times_ms) / 1000 if len(job_times_ms) else 0.0


def _wait_quantile_s(waits_ms: I64, share: float) -> float:
    if len(waits_ms) == 0:
        return 0.0
    # A delay that some job really had; interpolation gives one between two jobs that nobody had.
    return float(np.quantile(waits_ms, share, method="inverted_cdf")) / 1000


def _submission_window_ms(workload: Workload) -> tuple[int, int]:
    if len(workload) == 0:
        return 0, 0
    return int(workload.submit_ms[0]), int(workload.submit_ms[-1])


def _step_series_integral_between(step_series: StepSeries, window_ms: tuple[int, int]) -> int:
    low, high = step_series.integral_until(np.array(window_ms, np.int64)).tolist()
    return high - low


def _gpu_share_held(
    held_milli: StepSeries, window_ms: tuple[int, int], capacity_milli: int
) -> float:
    available = capacity_milli * (window_ms[1] - window_ms[0])
    return _step_series_integral_between(held_milli, window_ms) / available if available else 0.0


def _mean_level_of_step_series(step_series: StepSeries, window_ms: tuple[int, int]) -> float:
    length = window_ms[1] - window_ms[0]
    return _step_series_integral_between(step_series, window_ms) / length if length else 0.0


def _gpu_share_idle_while_jobs_wait(
    gpu_timeline: Timeline, window_ms: tuple[int, int], capacity_milli: int
) -> float:
    """Return the share of GPU time that lay idle while at least one job waited."""
    instants = np.union1d(gpu_timeline.held_milli.at_ms, gpu_timeline.queue.at_ms)
    # Only while some job waits: GPUs that idle for want of demand are no loss of the scheduler's.
    idle = capacity_milli - _step_series_level_at(gpu_timeline.held_milli, instants)
    waiting = _step_series_level_at(gpu_timeline.queue, instants) > 0
    wasted = StepSeries(at_ms=instants, level=np.where(waiting, idle, 0))
    return _gpu_share_held(wasted, window_ms, capacity_milli)


def _step_series_level_at(step_series: StepSeries, at_ms: I64) -> I64:
    if len(step_series.at_ms) == 0:
        return np.zeros(len(at_ms), np.int64)
    step = np.searchsorted(step_series.at_ms, at_ms, side="right") - 1
    # Before the first step the index is -1, which reads the last one and is thrown away here.
    return np.where(step >= 0, step_series.level[step], 0)


def _gpu_use_by_site(
    result: SimulationResult, fleet: Fleet, window: tuple[int, int], end: int
) -> dict[str, SiteUse]:
    used = site_energies_in_site_order(result, fleet, from_ms=window[0], until_ms=end)
    segments = result.segments
    first_site = np.where(segments.node >= 0, fleet.site[segments.node], -1)
    uses: dict[str, SiteUse] = {}
    for i, (site, energy) in enumerate(zip(fleet.sites, used, strict=True)):
        gpus = int(fleet.gpus[fleet.site == i].sum())
        uses[site.name] = SiteUse(
            gpus=gpus,
            jobs=len(np.unique(segments.job[first_site == i])),
            gpu_hours=energy.held_gpu_h,
            utilisation_share=_gpu_share_held(energy.held_milli, window, gpus * 1000),
            energy_kwh=energy.energy_kwh,
            overhead_kwh=energy.overhead_kwh,
            cost_usd=energy.cost_usd,
            carbon_kg=energy.carbon_kg,
        )
    return uses
