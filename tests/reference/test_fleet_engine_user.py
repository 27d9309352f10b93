"""A user's policy in plain Python against the built-in one of the same rule."""

from __future__ import annotations

from hypothesis import given, settings

from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.engines.simulator import simulate_schedule, simulate_user
from tests.fleet_cases import fleets, workloads


class Fifo:
    def order(self, waiting, now_s):
        return waiting


class ShortestFirst:
    def order(self, waiting, now_s):
        return sorted(waiting, key=lambda job: job.runtime_s)


@given(jobs=workloads(), fleet=fleets())
@settings(max_examples=80, deadline=None)
def test_first_in_first_out_in_python_is_the_kernel_s(jobs, fleet):
    result = simulate_user(jobs, fleet, Fifo())
    assert (
        result.schedule_sha256
        == simulate_schedule(
            jobs, fleet, parse_scheduling_policy("fifo", "consolidate")
        ).schedule_sha256
    )


@given(jobs=workloads(), fleet=fleets())
@settings(max_examples=80, deadline=None)
def test_shortest_first_in_python_is_the_kernel_s(jobs, fleet):
    result = simulate_user(jobs, fleet, ShortestFirst())
    assert (
        result.schedule_sha256
        == simulate_schedule(
            jobs, fleet, parse_scheduling_policy("sjf", "consolidate")
        ).schedule_sha256
    )
