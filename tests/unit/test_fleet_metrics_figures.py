"""Figures of small simulations, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commonwatt.fleet.domain.machines import SINGLE_SITE, uniform_fleet
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.domain.workload import workload_from_columns
from commonwatt.fleet.engines.energy import site_energies_in_site_order
from commonwatt.fleet.engines.metrics import fleet_metrics
from commonwatt.fleet.engines.simulator import simulate_schedule
from commonwatt.fleet.engines.timeline import timeline_of_gpus_and_queue


def simulated(jobs, fleet, *names, **options):
    result = simulate_schedule(jobs, fleet, parse_scheduling_policy(*names), **options)
    return result, fleet_metrics(result, jobs, fleet)


def test_delay_and_completion_are_means_over_finished_jobs():
    jobs = workload_from_columns([0, 1, 2, 3], [10, 10, 10, 10], [8, 8, 4, 16])
    _, figures = simulated(jobs, uniform_fleet(1, 8))
    assert (figures.all.jobs, figures.all.jobs_finished, figures.all.jobs_rejected) == (4, 3, 1)
    assert figures.all.mean_queue_delay_s == pytest.approx((0 + 9 + 18) / 3)
    assert figures.all.mean_jct_s == pytest.approx((10 + 19 + 28) / 3)
    assert figures.all.p95_queue_delay_s == 18
    assert figures.all.median_queue_delay_s == 9


def test_window_utilisation_ends_at_the_last_arrival():
    jobs = workload_from_columns([0, 10], [10, 10], [8, 4])
    _, figures = simulated(jobs, uniform_fleet(1, 8))
    assert figures.utilisation_share == 1.0
    assert figures.makespan_utilisation_share == 0.75
    assert figures.unallocated_gpu_share == 0.0


def test_gpus_idle_beside_a_waiting_job_count_as_fragmented():
    jobs = workload_from_columns([0, 0, 20], [10, 10, 1], [5, 5, 1])
    _, figures = simulated(jobs, uniform_fleet(1, 8))
    assert figures.fragmented_gpu_share == pytest.approx(3 * 10 / (8 * 20))
    assert figures.mean_queue_length == pytest.approx(10 / 20)


def test_rejected_jobs_never_stand_in_the_queue():
    jobs = workload_from_columns([0, 0], [10, 10], [99, 1])
    result, _ = simulated(jobs, uniform_fleet(1, 8))
    assert timeline_of_gpus_and_queue(result, jobs).queue.level.max() == 0


def test_energy_follows_idle_and_busy_power_and_the_site_s_overhead():
    jobs, fleet = workload_from_columns([0], [3600], [4]), uniform_fleet(1, 8)
    _, figures = simulated(jobs, fleet)
    it_kwh = 4 * 0.4 + 4 * 0.1
    assert figures.energy_kwh == pytest.approx(it_kwh * 1.3)
    assert figures.by_site["site"].overhead_kwh == pytest.approx(it_kwh * 0.3)
    assert figures.cost_usd == pytest.approx(it_kwh * 1.3 * 0.08)
    assert figures.carbon_kg == pytest.approx(it_kwh * 1.3 * 0.45)


def test_price_changes_with_the_hour_and_repeats():
    site = replace(SINGLE_SITE, pue=1.0, price_usd_per_mwh=np.array([0.0, 1000.0]))
    fleet = replace(uniform_fleet(1, 1), sites=(site,))
    jobs = workload_from_columns([0], [3 * 3600 + 1800], [1])
    _, figures = simulated(jobs, fleet)
    assert figures.cost_usd == pytest.approx(0.4 + 0.5 * 0.4)


def test_shares_of_gpus_draw_their_share_of_the_step_to_busy_power():
    jobs = workload_from_columns([0], [3600], [1], gpu_milli=np.array([500], np.int32))
    result, _ = simulated(jobs, uniform_fleet(1, 1))
    (used,) = site_energies_in_site_order(
        result, uniform_fleet(1, 1), from_ms=0, until_ms=3_600_000
    )
    assert used.it_kwh == pytest.approx(0.1 + 0.5 * 0.3)


def test_energy_by_site_adds_up_to_the_total():
    fleet = uniform_fleet(4, 8)
    second_site = replace(SINGLE_SITE, name="other", pue=1.1)
    fleet = replace(fleet, sites=(SINGLE_SITE, second_site), site=np.array([0, 0, 1, 1], np.int32))
    rng = np.random.default_rng(5)
    jobs = workload_from_columns(
        rng.integers(0, 9000, 60), rng.integers(1, 7000, 60), rng.integers(1, 17, 60)
    )
    _, figures = simulated(jobs, fleet)
    assert sum(site.energy_kwh for site in figures.by_site.values()) == figures.energy_kwh
    assert sum(site.gpu_hours for site in figures.by_site.values()) == pytest.approx(
        figures.all.gpu_hours
    )


def test_tenants_add_up_to_all():
    tenant = np.array([0, 1, 1], np.int32)
    jobs = workload_from_columns(
        [0, 1, 2], [5, 5, 5], [8, 8, 8], tenant=tenant, tenant_names=("a", "b")
    )
    _, figures = simulated(jobs, uniform_fleet(1, 8))
    assert figures.by_tenant["a"].mean_queue_delay_s == 0
    assert figures.by_tenant["b"].mean_queue_delay_s == pytest.approx((4 + 8) / 2)
    assert sum(waits.jobs for waits in figures.by_tenant.values()) == figures.all.jobs


def test_json_has_every_field_of_the_contract():
    jobs = workload_from_columns([0, 10], [10, 10], [8, 4])
    _, figures = simulated(jobs, uniform_fleet(1, 8))
    wanted = {
        "jobs",
        "jobs_finished",
        "gpus",
        "utilisation_share",
        "makespan_utilisation_share",
        "mean_queue_delay_s",
        "p95_queue_delay_s",
        "mean_jct_s",
        "unallocated_gpu_share",
        "fragmented_gpu_share",
        "energy_kwh",
    }
    assert wanted <= set(figures.metrics_as_dict())
