"""EASY backfill: the first job gets a promise, others may start if they do not break it.

The promise is of nodes: the earliest instant at which the first job fits, by the
believed ends of what runs, on the first nodes that have the room by then. A job
that ends by then may start anywhere; a longer one where the promise leaves room.

Source: Lifka (1995), "The ANL/IBM SP scheduling system", JSSPP. There a promise is of
    a number of processors; on nodes that number can be there and yet not fit, so
    that the first job could wait for ever.
"""

from __future__ import annotations

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.backfill.policy import BackfillPolicy
from commonwatt.fleet.domain.policies.gangs import GangPiece, gang_pieces_if_gang_fits
from commonwatt.fleet.domain.policies.place import FreeCapacity, first_fit
from commonwatt.fleet.domain.policies.plan import (
    SchedulingPlan,
    copy_free_capacity,
    take_or_release_gang_pieces,
)
from commonwatt.fleet.domain.policies.state import believed_job_end_ms, gang_of_job


def backfill_easy(plan: SchedulingPlan) -> None:
    """Start every later job that does not delay the first."""
    queue = plan.startable_jobs_in_order()
    if len(queue) < 2:
        return
    promise = promised_start_ms_and_room_then(plan, queue[0])
    # The first job would not fit even when everything has ended, so no start can be shown to leave
    # it undelayed; nobody passes it.
    if promise is None:
        return
    promised_at_ms, then = promise
    for job in queue[1:]:
        if not plan.may_start_within_quota(job):
            continue
        left_ms = int(plan.state.believed_ms[job] - plan.state.served_ms[job])
        in_time = plan.state.now_ms + left_ms <= promised_at_ms
        # A job that ends in time may use what the promise needs later; a longer one only what is
        # free both now and then.
        pieces = plan.find_gang_pieces(
            job, None if in_time else capacity_free_both_now_and_then(plan.state.nodes, then)
        )
        if pieces is not None:
            plan.start_job(job, pieces)
            if not in_time:
                # It will still be there when the promise falls due.
                take_or_release_gang_pieces(then, pieces, 1)


def promised_start_ms_and_room_then(
    plan: SchedulingPlan, job: int
) -> tuple[int, FreeCapacity] | None:
    """Return when `job` will fit, and the free room then with `job` taken out."""
    then = copy_free_capacity(plan.state.nodes)
    ends = sorted(
        (believed_job_end_ms(plan.state, running_job), running_job)
        for running_job in plan.state.held_pieces
    )
    gang = gang_of_job(plan.state, job)
    for i, (end_ms, running_job) in enumerate(ends):
        take_or_release_gang_pieces(then, plan.state.held_pieces[running_job], -1)
        # Equal ends are one instant: the room is looked at once all of them have gone.
        if i + 1 < len(ends) and ends[i + 1][0] == end_ms:
            continue
        pieces = gang_pieces_if_gang_fits(gang, then, plan.state.machines, first_fit.POLICY)
        if pieces is not None:
            # The promise takes GPUs that are busy now, so that those free now are left to backfill.
            take_or_release_gang_pieces(
                then,
                tuple(
                    _gang_piece_preferring_busy_gpus(piece, plan.state.nodes, then)
                    for piece in pieces
                ),
                1,
            )
            return end_ms, then
    return None


def capacity_free_both_now_and_then(now: FreeCapacity, then: FreeCapacity) -> FreeCapacity:
    """Return the room that is free both now and then."""
    return now._replace(
        cpu_milli=np.minimum(now.cpu_milli, then.cpu_milli),
        memory_mib=np.minimum(now.memory_mib, then.memory_mib),
        gpu_milli=np.minimum(now.gpu_milli, then.gpu_milli),
    )


def _gang_piece_preferring_busy_gpus(
    piece: GangPiece, now: FreeCapacity, then: FreeCapacity
) -> GangPiece:
    """Return `piece` on GPUs of its node that are busy now, as far as there are any."""
    share = piece.request.gpu_milli
    free = np.flatnonzero(then.gpu_milli[piece.node] >= share)
    busy_first = np.argsort(now.gpu_milli[piece.node][free] >= share, kind="stable")
    return piece._replace(gpus=tuple(free[busy_first][: len(piece.gpus)].tolist()))


POLICY = BackfillPolicy(
    "easy", Message("later jobs may start if the first is not delayed"), backfill_easy, "Lifka 1995"
)
