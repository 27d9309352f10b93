"""Conservative backfill: every waiting job gets a promise that later ones may not break.

At each decision the promises are made afresh, in queue order, by the believed ends
of what runs and of what is promised. Only the first `DEPTH` jobs of the queue are
looked at, as production schedulers do, because each promise costs a pass over time.

Source: Mu'alem and Feitelson (2001), "Utilization, predictability, workloads, and
    user runtime estimates in scheduling the IBM SP2 with backfilling", IEEE TPDS.
"""

from __future__ import annotations

from dataclasses import dataclass

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.backfill.easy import capacity_free_both_now_and_then
from commonwatt.fleet.domain.policies.backfill.policy import BackfillPolicy
from commonwatt.fleet.domain.policies.gangs import GangPiece, gang_pieces_if_gang_fits
from commonwatt.fleet.domain.policies.place import FreeCapacity, first_fit
from commonwatt.fleet.domain.policies.plan import (
    SchedulingPlan,
    copy_free_capacity,
    take_or_release_gang_pieces,
)
from commonwatt.fleet.domain.policies.state import believed_job_end_ms, gang_of_job

DEPTH = 50


def backfill_conservatively(plan: SchedulingPlan) -> None:
    """Start every job among the first `DEPTH` whose promise is for now."""
    forecast = CapacityForecast(plan)
    for job in plan.startable_jobs_in_order()[:DEPTH]:
        length_ms = int(plan.state.believed_ms[job] - plan.state.served_ms[job])
        # A job of no length still needs its room at one instant.
        start_ms, pieces = forecast.reserve_earliest_start_ms_and_pieces(job, max(length_ms, 1))
        if (
            start_ms == plan.state.now_ms
            and pieces is not None
            and plan.may_start_within_quota(job)
        ):
            plan.start_job(job, pieces)


@dataclass(slots=True)
class CapacityStep:
    """Free room from an instant on, until the next step."""

    from_ms: int
    nodes: FreeCapacity


class CapacityForecast:
    """Free room over time, by what runs and what is promised."""

    def __init__(self, plan: SchedulingPlan) -> None:
        self.plan = plan
        self.steps = [CapacityStep(plan.state.now_ms, copy_free_capacity(plan.state.nodes))]
        ends = sorted((believed_job_end_ms(plan.state, job), job) for job in plan.state.held_pieces)
        for end_ms, job in ends:
            # A job that has outrun its estimate still holds its room: an end now would promise it
            # twice.
            self._split_capacity_step_at(max(end_ms, plan.state.now_ms + 1))
            take_or_release_gang_pieces(self.steps[-1].nodes, plan.state.held_pieces[job], -1)

    def reserve_earliest_start_ms_and_pieces(
        self, job: int, length_ms: int
    ) -> tuple[int, tuple[GangPiece, ...] | None]:
        """Return when and where `job` has room for `length_ms`, and keep that room for it."""
        gang = gang_of_job(self.plan.state, job)
        for step in list(self.steps):
            room = self._capacity_free_throughout(step.from_ms, step.from_ms + length_ms)
            starts_now = step.from_ms == self.plan.state.now_ms
            # Only a start now is bound to its nodes. For a later one first-fit is proof enough that
            # there is room; the place policy chooses when its time has come.
            place = self.plan.place if starts_now else first_fit.POLICY
            pieces = gang_pieces_if_gang_fits(gang, room, self.plan.state.machines, place)
            if pieces is not None:
                self._reserve_gang_pieces(step.from_ms, step.from_ms + length_ms, pieces)
                return step.from_ms, pieces
        return -1, None

    def _capacity_free_throughout(self, from_ms: int, until_ms: int) -> FreeCapacity:
        inside = [step.nodes for step in self.steps if from_ms <= step.from_ms < until_ms]
        room = inside[0]
        for nodes in inside[1:]:
            room = capacity_free_both_now_and_then(room, nodes)
        return room

    def _reserve_gang_pieces(
        self, from_ms: int, until_ms: int, pieces: tuple[GangPiece, ...]
    ) -> None:
        self._split_capacity_step_at(until_ms)
        for step in self.steps:
            if from_ms <= step.from_ms < until_ms:
                take_or_release_gang_pieces(step.nodes, pieces, 1)

    def _split_capacity_step_at(self, at_ms: int) -> None:
        """Let a step begin at `at_ms`."""
        before = max(i for i, step in enumerate(self.steps) if step.from_ms <= at_ms)
        if self.steps[before].from_ms < at_ms:
            self.steps.insert(
                before + 1, CapacityStep(at_ms, copy_free_capacity(self.steps[before].nodes))
            )


POLICY = BackfillPolicy(
    "conservative",
    Message("later jobs may start if none of the first 50 is delayed"),
    backfill_conservatively,
    "Mu'alem and Feitelson 2001",
)
