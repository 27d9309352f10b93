"""A user's own policy in plain Python: an event loop that asks it for the order.

The policy is any object with `order(waiting, now_s)`, which returns the waiting jobs
in the order in which they are to be tried; the first that does not fit holds up the
rest, unless the policy says `skips = True`. Gangs are placed as by consolidate.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from commonwatt.fleet.domain.machines import SHARED, Fleet
from commonwatt.fleet.domain.policies.place.state import WHOLE
from commonwatt.fleet.domain.result import JobState, Segments, SimulationResult
from commonwatt.fleet.domain.workload import I64, Workload
from commonwatt.fleet.engines.simulator.identities import check_simulation_identities
from commonwatt.fleet.engines.simulator.shapes import (
    NEVER_FITS,
    GangShapes,
    gang_shapes_of_jobs,
    node_group_number_by_node,
)


# By identity, because a job leaves the queue by `remove`, which would compare every field.
@dataclass(slots=True, eq=False)
class PolicyJob:
    """A job as a user's policy sees it.

    Args:
        number: Its place in the workload.
        submit_s: Submission, from the origin [s].
        runtime_s: Run time [s]; an oracle's knowledge, use it knowingly.
        estimate_s: Run time that its owner claims [s].
        gpus: GPUs of the gang.
        tenant: Name of the tenant.
        user: Name of the user.
        priority: As the trace gives it.
    """

    number: int
    submit_s: float
    runtime_s: float
    estimate_s: float
    gpus: int
    tenant: str
    user: str
    priority: int


class UserPolicy(Protocol):
    """Order the waiting jobs; the first that fits is placed."""

    def order(self, waiting: Sequence[PolicyJob], now_s: float) -> Sequence[PolicyJob]:
        """Return the waiting jobs, or some of them, the first to be tried first."""
        ...


def simulate_user(workload: Workload, fleet: Fleet, policy: UserPolicy) -> SimulationResult:
    """Return when and where each job runs under a user's own policy.

    Whole GPUs only. Events and their order are those of `simulate`; the policy is
    asked when a waiting job could start.

    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> from commonwatt.fleet.domain.workload import workload_from_columns
    >>> class LargestFirst:
    ...     def order(self, waiting, now_s):
    ...         return sorted(waiting, key=lambda job: -job.gpus)
    >>> jobs = workload_from_columns([0, 1, 2], [9, 9, 9], [8, 2, 4])
    >>> simulate_user(jobs, uniform_fleet(1, 8), LargestFirst()).start_ms.tolist()
    [0, 9000, 9000]
    >>> jobs = workload_from_columns([0, 1, 2], [9, 9, 9], [8, 2, 7])
    >>> simulate_user(jobs, uniform_fleet(1, 8), LargestFirst()).start_ms.tolist()
    [0, 18000, 9000]
    """
    result = _UserPolicyReplay(workload, fleet, policy).run_to_end()
    check_simulation_identities(result, workload, fleet)
    return result


Pieces = list[tuple[int, int]]  # node and GPUs on it


class _UserPolicyReplay:
    def __init__(self, workload: Workload, fleet: Fleet, policy: UserPolicy) -> None:
        self.workload, self.policy = workload, policy
        # Not in the protocol: a policy that says nothing of it is strict.
        self.skips = bool(getattr(policy, "skips", False))
        group = node_group_number_by_node(
            replace(fleet, tenant=np.full(len(fleet), SHARED, np.int32))
        )
        self.shapes = gang_shapes_of_jobs(workload, fleet, group)
        self.free_nodes = _FreeNodes(fleet, group, self.shapes)
        self.shape = self.shapes.of_job.tolist()
        self.runtime = workload.runtime_ms.tolist()
        self.start = [-1] * len(workload)
        self.held: list[Pieces] = [[] for _ in range(len(workload))]
        self.waiting: list[PolicyJob] = []
        # How many wait by shape, so that asking whether any could start takes no walk along the
        # queue.
        self.requested = [0] * len(self.shapes.need)
        self.ends: list[tuple[int, int]] = []

    def run_to_end(self) -> SimulationResult:
        jobs, ends = _jobs_as_policy_sees_them(self.workload), self.ends
        submit = self.workload.submit_ms.tolist()
        for number, at_ms in enumerate(submit):
            # Releases before submissions of one instant, as in the other engines.
            while ends and ends[0][0] <= at_ms:
                self._release_next_ended_job()
            if self.shape[number] != NEVER_FITS:
                self.waiting.append(jobs[number])
                self.requested[self.shape[number]] += 1
                self._start_waiting_jobs(at_ms)
        while ends:
            self._release_next_ended_job()
        return self._simulation_result()

    def _release_next_ended_job(self) -> None:
        at_ms, number = heapq.heappop(self.ends)
        self.free_nodes.release_gang_pieces(self.held[number])
        if self.waiting:
            self._start_waiting_jobs(at_ms)

    def _start_waiting_jobs(self, now_ms: int) -> None:
        allocate, requested, shape = self.free_nodes.allocate_gang, self.requested, self.shape
        # The policy orders the whole queue in plain Python: it is asked only when some waiting gang
        # could start.
        if not any(count and self.free_nodes.gang_fits(i) for i, count in enumerate(requested)):
            return
        started: list[PolicyJob] = []
        for job in self.policy.order(self.waiting, now_ms / 1000):
            number = job.number
            pieces = allocate(shape[number])
            if pieces is not None:
                self.start[number], self.held[number] = now_ms, pieces
                requested[shape[number]] -= 1
                # The number breaks ties, so that ends of one instant go by the order of the
                # workload.
                heapq.heappush(self.ends, (now_ms + self.runtime[number], number))
                started.append(job)
            elif not self.skips:
                break
        # Only now: a policy may return the queue itself, and a loop skips what moves up under it.
        for job in started:
            self.waiting.remove(job)

    def _simulation_result(self) -> SimulationResult:
        start = np.array(self.start, np.int64)
        ran = np.flatnonzero(start >= 0)
        runtime = self.workload.runtime_ms
        state = np.where(start >= 0, JobState.FINISHED, JobState.WAITING).astype(np.int32)
        state[self.shapes.of_job == NEVER_FITS] = JobState.REJECTED
        return SimulationResult(
            start_ms=start,
            end_ms=np.where(start >= 0, start + runtime, -1),
            pending_ms=np.where(start >= 0, start - self.workload.submit_ms, -1),
            state=state,
            preemptions=np.zeros(len(start), np.int32),
            segments=self._job_segments(ran, start),
        )

    def _job_segments(self, ran: I64, start: I64) -> Segments:
        held = [self.held[int(number)] for number in ran]
        first = [pieces[0] if pieces else (-1, 0) for pieces in held]
        further_pieces = [(i, *piece) for i, pieces in enumerate(held) for piece in pieces[1:]]
        further = np.array(further_pieces, np.int64).reshape(-1, 3)
        first_pieces = np.array(first, np.int64).reshape(-1, 2)
        return Segments(
            job=ran,
            start_ms=start[ran],
            end_ms=start[ran] + self.workload.runtime_ms[ran],
            node=first_pieces[:, 0],
            milli=first_pieces[:, 1] * WHOLE,
            more_segment=further[:, 0],
            more_node=further[:, 1],
            more_milli=further[:, 2] * WHOLE,
        )


def _jobs_as_policy_sees_them(workload: Workload) -> list[PolicyJob]:
    """Return the jobs as a policy sees them."""
    tenants, users = workload.tenant_names, workload.user_names
    submit_s: list[float] = (workload.submit_ms / 1000).tolist()
    runtime_s: list[float] = (workload.runtime_ms / 1000).tolist()
    estimate_s: list[float] = (workload.estimate_ms / 1000).tolist()
    gpus: list[int] = workload.gpus.tolist()
    tenant: list[int] = workload.tenant.tolist()
    user: list[int] = workload.user.tolist()
    priority: list[int] = workload.priority.tolist()
    return [
        PolicyJob(
            number=i,
            submit_s=submit_s[i],
            runtime_s=runtime_s[i],
            estimate_s=estimate_s[i],
            gpus=gpus[i],
            tenant=tenants[tenant[i]],
            user=users[user[i]],
            priority=priority[i],
        )
        for i in range(len(workload))
    ]


class _FreeNodes:
    """Free GPUs of nodes, as one whole number of member bits for each group and count."""

    def __init__(self, fleet: Fleet, group: I64, shapes: GangShapes) -> None:
        self.free: list[int] = fleet.gpus.tolist()
        self.group: list[int] = group.tolist()
        groups = int(group.max(initial=-1)) + 1
        self.size = [int(fleet.gpus[group == g][0]) for g in range(groups)]
        # Python's whole numbers have no last bit: a set of any number of nodes, whose first and
        # last member is one operation away.
        self.nodes = [[0] * (size + 1) for size in self.size]
        for node, free in enumerate(self.free):
            self.nodes[self.group[node]][free] |= 1 << node
        self.need: list[int] = shapes.need.tolist()
        self.wide: list[int] = shapes.wide.tolist()
        at: list[int] = shapes.groups_at.tolist()
        flat: list[int] = shapes.groups.tolist()
        self.groups = [flat[at[i] : at[i + 1]] for i in range(len(self.need))]

    def gang_fits(self, shape: int) -> bool:
        """Return whether a gang of `shape` could start now."""
        if self.wide[shape]:
            return any(self._wide_gang_pieces(shape, g) is not None for g in self.groups[shape])
        need = self.need[shape]
        return any(any(self.nodes[g][need:]) for g in self.groups[shape])

    def allocate_gang(self, shape: int) -> Pieces | None:
        """Take the nodes of a gang, or return None where it does not fit."""
        pieces = self._gang_pieces_that_fit(shape)
        for node, gpus in pieces or ():
            self._set_simulated_node_free_gpus(node, self.free[node] - gpus)
        return pieces

    def release_gang_pieces(self, pieces: Pieces) -> None:
        """Give the nodes of a gang back."""
        for node, gpus in pieces:
            self._set_simulated_node_free_gpus(node, self.free[node] + gpus)

    def _set_simulated_node_free_gpus(self, node: int, free: int) -> None:
        nodes, bit = self.nodes[self.group[node]], 1 << node
        nodes[self.free[node]] ^= bit
        nodes[free] |= bit
        self.free[node] = free

    def _gang_pieces_that_fit(self, shape: int) -> Pieces | None:
        if self.need[shape] == 0:
            return []
        if not self.wide[shape]:
            return self._narrow_gang_pieces(shape)
        for g in self.groups[shape]:
            pieces = self._wide_gang_pieces(shape, g)
            if pieces is not None:
                return pieces
        return None

    def _narrow_gang_pieces(self, shape: int) -> Pieces | None:
        need, chosen, least = self.need[shape], None, 1 << 30
        for g in self.groups[shape]:
            nodes, size = self.nodes[g], self.size[g]
            for level in range(need, min(size + 1, least)):
                if nodes[level]:
                    bits = nodes[level]
                    # Wide gangs take whole nodes from the far end, so a gang that fills a node
                    # starts there, too.
                    far = level == need == size
                    node = bits.bit_length() - 1 if far else (bits & -bits).bit_length() - 1
                    chosen, least = [(node, need)], level
                    break
        return chosen

    def _wide_gang_pieces(self, shape: int, g: int) -> Pieces | None:
        size, whole = self.size[g], self.nodes[g][self.size[g]]
        count, rest = divmod(self.need[shape], size)
        if whole.bit_count() < count:
            return None
        pieces: Pieces = []
        for _ in range(count):
            pieces.append((whole.bit_length() - 1, size))
            whole ^= 1 << pieces[-1][0]
        if rest == 0:
            return pieces
        # The idle nodes last, and without those that the gang has just been given.
        levels = [*self.nodes[g][rest:size], whole]
        # The least room that suffices, as best-fit has it.
        bits = next((bits for bits in levels if bits), 0)
        return [*pieces, ((bits & -bits).bit_length() - 1, rest)] if bits else None
