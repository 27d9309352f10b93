"""Every figure of a simulation against a loop over its hours, on a dozen jobs that start late."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.fleet.domain.machines import uniform_fleet
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.domain.result import JobState
from commonwatt.fleet.domain.workload import workload_from_columns
from commonwatt.fleet.engines.metrics import fleet_metrics
from commonwatt.fleet.engines.simulator import simulate_schedule
from tests.proofs import PROOFS

GPUS = 8


def _level_at(second, stretches):
    return sum(amount for start, end, amount in stretches if start <= second < end)


def _plain_figures(result, submit, runtime, gpus):
    """The house's definitions, second by second."""
    jobs = range(len(submit))
    ran = {job: [] for job in jobs}
    for job, start, end in zip(
        result.segments.job.tolist(),
        (result.segments.start_ms / 1000).tolist(),
        (result.segments.end_ms / 1000).tolist(),
        strict=True,
    ):
        ran[job].append((start, end))
    fits = [job for job in jobs if result.state[job] != JobState.REJECTED]
    held = [(start, end, gpus[job]) for job in jobs for start, end in ran[job]]
    waits = []
    for job in fits:
        since = submit[job]
        for start, end in ran[job]:
            waits.append((since, start, 1))
            since = end
        if not ran[job] or ran[job][-1][1] != result.end_ms[job] / 1000:
            waits.append((since, math.inf, 1))
    first, last = submit[0], submit[-1]
    end = max([last, *(stretch[1] for stretch in held)])
    window = range(first, last)
    held_in = sum(_level_at(second, held) for second in window)
    waiting = [_level_at(second, waits) for second in window]
    idle = sum(
        GPUS - _level_at(second, held) for second, w in zip(window, waiting, strict=True) if w
    )
    done = [job for job in jobs if result.state[job] == JobState.FINISHED]
    return {
        "gpus": GPUS,
        "window_s": last - first,
        "makespan_s": end - first,
        "utilisation_share": held_in / (GPUS * (last - first)) if last > first else 0.0,
        "makespan_utilisation_share": sum(
            _level_at(second, held) for second in range(first, int(end))
        )
        / (GPUS * (end - first)),
        "fragmented_gpu_share": idle / (GPUS * (last - first)) if last > first else 0.0,
        "mean_queue_length": sum(waiting) / (last - first) if last > first else 0.0,
        "jobs": len(submit),
        "jobs_finished": len(done),
        "jobs_rejected": len(submit) - len(fits),
        "jobs_waiting": len(fits) - len(done),
        "gpu_hours": sum(gpus[j] * runtime[j] for j in done) / 3600,
        "mean_queue_delay_s": sum(ran[j][0][0] - submit[j] for j in done) / len(done),
        "mean_jct_s": sum(ran[j][-1][1] - submit[j] for j in done) / len(done),
        "mean_pending_s": sum(
            ran[j][-1][1] - submit[j] - sum(b - a for a, b in ran[j]) for j in done
        )
        / len(done),
        "preemptions": int(result.preemptions.sum()),
    }, sorted(ran[j][0][0] - submit[j] for j in done)


@st.composite
def dozens(draw):
    """A dozen jobs whose first arrival is late; some too large, most crowded."""
    gaps = draw(st.lists(st.integers(0, 9), min_size=11, max_size=11))
    start = draw(st.integers(1, 500))
    submit = [start, *(start + sum(gaps[: i + 1]) for i in range(11))]
    runtime = draw(st.lists(st.integers(1, 20), min_size=12, max_size=12))
    gpus = draw(st.lists(st.sampled_from([1, 2, 3, 4, 8, 9]), min_size=12, max_size=12))
    return submit, runtime, [4, *gpus[1:]]


@pytest.mark.prove
@settings(max_examples=PROOFS.size(40, 2_000), deadline=None)
@given(dozens())
def test_the_figures_are_the_definitions_second_by_second(dozen):
    submit, runtime, gpus = dozen
    jobs, fleet = workload_from_columns(submit, runtime, gpus), uniform_fleet(1, GPUS)
    result = simulate_schedule(jobs, fleet, parse_scheduling_policy())
    figures = fleet_metrics(result, jobs, fleet).metrics_as_dict()
    wanted, delays = _plain_figures(result, submit, runtime, gpus)
    assert {name: figures[name] for name in wanted} == pytest.approx(wanted)
    assert figures["unallocated_gpu_share"] == pytest.approx(1 - wanted["utilisation_share"])
    # The least delay that a share of the jobs does not exceed.
    assert figures["median_queue_delay_s"] == delays[math.ceil(0.5 * len(delays)) - 1]
    assert figures["p95_queue_delay_s"] == delays[math.ceil(0.95 * len(delays)) - 1]
    site = figures["by_site"]["site"]
    assert site["gpus"] == GPUS
    assert site["jobs"] == wanted["jobs_finished"]
    assert site["utilisation_share"] == pytest.approx(wanted["utilisation_share"])
    held_h = wanted["makespan_utilisation_share"] * wanted["makespan_s"] * GPUS / 3600
    assert site["gpu_hours"] == pytest.approx(held_h)
    assert figures["energy_kwh"] == pytest.approx(
        1.3 * (0.1 * GPUS * wanted["makespan_s"] / 3600 + 0.3 * held_h)
    )
    assert figures["cost_usd"] == pytest.approx(figures["energy_kwh"] * 0.08)
    assert figures["carbon_kg"] == pytest.approx(figures["energy_kwh"] * 0.45)
    [tenant] = figures["by_tenant"].values()
    assert tenant["mean_queue_delay_s"] == pytest.approx(wanted["mean_queue_delay_s"])


def test_a_workload_that_comes_at_one_instant_has_no_window_and_no_share():
    jobs, fleet = workload_from_columns([7, 7], [10, 10], [8, 8]), uniform_fleet(1, GPUS)
    figures = fleet_metrics(
        simulate_schedule(jobs, fleet, parse_scheduling_policy()), jobs, fleet
    ).metrics_as_dict()
    names = ("window_s", "utilisation_share", "fragmented_gpu_share", "mean_queue_length")
    assert [figures[name] for name in names] == [0.0, 0.0, 0.0, 0.0]
    assert (figures["makespan_s"], figures["makespan_utilisation_share"]) == (20.0, 1.0)


def test_a_workload_none_of_which_fits_has_delays_of_nought():
    jobs, fleet = workload_from_columns([5, 9], [10, 10], [9, 9]), uniform_fleet(1, GPUS)
    figures = fleet_metrics(
        simulate_schedule(jobs, fleet, parse_scheduling_policy()), jobs, fleet
    ).metrics_as_dict()
    assert (figures["jobs"], figures["jobs_finished"], figures["jobs_rejected"]) == (2, 0, 2)
    names = ("mean_queue_delay_s", "median_queue_delay_s", "p95_queue_delay_s", "mean_jct_s")
    assert [figures[name] for name in names] == [0.0] * 4
    assert (figures["window_s"], figures["makespan_s"]) == (4.0, 4.0)
    assert figures["utilisation_share"] == 0.0
    assert figures["by_site"]["site"]["jobs"] == 0


def test_no_jobs_at_all_are_no_figures_and_no_fault():
    jobs, fleet = workload_from_columns([], [], []), uniform_fleet(1, GPUS)
    figures = fleet_metrics(simulate_schedule(jobs, fleet, parse_scheduling_policy()), jobs, fleet)
    assert (figures.window_s, figures.makespan_s, figures.all.jobs) == (0.0, 0.0, 0)
    assert figures.utilisation_share == figures.makespan_utilisation_share == 0.0
    assert np.isfinite(figures.mean_queue_length)
