"""A decision in the making: the state, and what has been decided so far.

Orders, backfill and preemption read and extend a `SchedulingPlan`; the state that it began
from is left as it was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from commonwatt.fleet.domain.policies.gangs import GangPiece, gang_pieces_if_gang_fits
from commonwatt.fleet.domain.policies.order import OrderPolicy
from commonwatt.fleet.domain.policies.place import (
    FreeCapacity,
    PlacePolicy,
    take_or_release_request_on_node,
)
from commonwatt.fleet.domain.policies.state import QueueState, gang_of_job
from commonwatt.fleet.domain.workload import I64, Bools


class SchedulingPlan:
    """What to start and what to preempt, built up step by step."""

    def __init__(
        self, state: QueueState, order: OrderPolicy, place: PlacePolicy, *, borrow: bool
    ) -> None:
        # A live controller hands in the state of its cluster, which a plan must not touch.
        self.state = replace(
            state,
            nodes=copy_free_capacity(state.nodes),
            held_pieces=dict(state.held_pieces),
            started_ms=state.started_ms.copy(),
            served_ms=state.served_ms.copy(),
        )
        self.order, self.place, self.borrow = order, place, borrow
        self.starts: dict[int, tuple[GangPiece, ...]] = {}
        self.preempted: list[int] = []

    def startable_jobs_in_order(self) -> list[int]:
        """Return the waiting jobs that their quotas let start, in order."""
        waiting = self.state.waiting
        if len(waiting) == 0:
            return []
        if self.caps_tenants_at_quota:
            waiting = waiting[self.within_quota_if_started_flags(waiting)]
        keys = self.order.keys(self.state, waiting)
        # `lexsort` takes its last key first: by key, then by number, which is the order of
        # submission.
        return waiting[np.lexsort((waiting, keys))].tolist()

    @property
    def caps_tenants_at_quota(self) -> bool:
        """Whether tenants are held to their quotas."""
        return not self.borrow and self.state.quota_milli is not None

    def may_start_within_quota(self, job: int) -> bool:
        """Return whether waiting `job` may start as far as its tenant's quota goes."""
        return not self.caps_tenants_at_quota or bool(
            self.within_quota_if_started_flags(np.array([job]))[0]
        )

    def within_quota_if_started_flags(self, jobs: I64) -> Bools:
        """Return which `jobs` would keep their tenants within their quotas."""
        work, quota = self.state.workload, self.state.quota_milli
        assert quota is not None, "called only where there are quotas"
        tenant = work.tenant[jobs]
        return (
            self.gpu_milli_held_by_tenant()[tenant] + work.gpu_demand_milli_by_job()[jobs]
            <= quota[tenant]
        )

    def gpu_milli_held_by_tenant(self) -> I64:
        """Return the GPU that each tenant holds [1/1000 GPU], shape (tenants,)."""
        work, running = self.state.workload, self.state.running
        used = np.zeros(len(work.tenant_names), np.int64)
        # `used[tenant] += …` would add once for each tenant, however many jobs it runs.
        np.add.at(used, work.tenant[running], work.gpu_demand_milli_by_job()[running])
        return used

    def find_gang_pieces(
        self, job: int, nodes: FreeCapacity | None = None
    ) -> tuple[GangPiece, ...] | None:
        """Return where `job` fits, on the free room or on `nodes`."""
        room = self.state.nodes if nodes is None else nodes
        return gang_pieces_if_gang_fits(
            gang_of_job(self.state, job), room, self.state.machines, self.place
        )

    def start_job(self, job: int, pieces: tuple[GangPiece, ...]) -> None:
        """Let `job` start on `pieces`."""
        take_or_release_gang_pieces(self.state.nodes, pieces, 1)
        self.starts[job] = self.state.held_pieces[job] = pieces
        self.state.started_ms[job] = self.state.now_ms
        self.state = replace(
            self.state,
            waiting=self.state.waiting[self.state.waiting != job],
            # In order of number, which breaks ties wherever nothing else does.
            running=np.sort(np.append(self.state.running, job)),
        )

    def preempt_job(self, job: int, *, keep_progress: bool) -> None:
        """Stop running `job` and let it wait again."""
        take_or_release_gang_pieces(self.state.nodes, self.state.held_pieces.pop(job), -1)
        if keep_progress:
            self.state.served_ms[job] += self.state.now_ms - self.state.started_ms[job]
        else:
            # Without a checkpoint the run begins again; what is lost shows as GPU time redone.
            self.state.served_ms[job] = 0
        self.preempted.append(job)
        # A job that starts and makes room within one decision was never started.
        self.starts.pop(job, None)
        self.state = replace(
            self.state,
            running=self.state.running[self.state.running != job],
            waiting=np.sort(np.append(self.state.waiting, job)),
        )


def take_or_release_gang_pieces(
    nodes: FreeCapacity, pieces: tuple[GangPiece, ...], sign: int
) -> None:
    """Take `pieces` out of the room of `nodes` (sign 1), or give them back (sign -1)."""
    for piece in pieces:
        # Compiled code wants an array even where a CPU job holds no GPU; its count keeps it unread.
        picked = np.array(piece.gpus or (0,), np.int64)
        take_or_release_request_on_node(piece.request, nodes, piece.node, picked, sign)


def copy_free_capacity(nodes: FreeCapacity) -> FreeCapacity:
    """Return a copy of the free room that may be changed."""
    return nodes._replace(
        cpu_milli=nodes.cpu_milli.copy(),
        memory_mib=nodes.memory_mib.copy(),
        gpu_milli=nodes.gpu_milli.copy(),
        kinds=nodes.kinds.copy(),
    )
