"""The compiled event loop for gangs of whole GPUs, in an order known at submission or by share.

Events are taken one at a time: at one instant releases come first, by the job's
number, then submissions, in the order of the workload; after each event the queue
is looked at. The queue is strict (the first that does not fit holds up all behind
it) or EASY: others may start if the first in the queue is not delayed by it.

Source: Lifka (1995), "The ANL/IBM SP scheduling system", for EASY; the
    reservation here is of nodes, not of a count of GPUs, so the promise to the
    first in the queue holds under fragmentation, too.
"""

# An element picked by an element of another array reads as an array to the checker.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from typing import NamedTuple

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.simulator.bits import (
    LATER,
    NONE,
    ONE,
    ZERO,
)
from commonwatt.fleet.engines.simulator.estimates import (
    Estimates,
    first_waiting_job_within_runtime,
    set_runtime_estimate,
)
from commonwatt.fleet.engines.simulator.gangs import (
    HeldPlaces,
    gang_fits,
    group_with_room_for_wide_gang,
    node_place_for_one_node_gang,
    place_wide_gang,
)
from commonwatt.fleet.engines.simulator.heap import (
    heap_size_after_popping_job_end,
    heap_size_after_pushing_job_end,
)
from commonwatt.fleet.engines.simulator.nodesets import NodeSets, set_free_gpus_of_place
from commonwatt.fleet.engines.simulator.queues import (
    WaitingQueues,
    add_gpus_to_tenant_share,
    add_waiting_job,
    drop_waiting_job,
    first_waiting_job,
    job_goes_before_other,
    job_goes_before_other_in_pass,
    note_tenant_shares_for_queue_pass,
)
from commonwatt.fleet.engines.simulator.releases import (
    Releases,
    add_piece_to_release,
    drop_piece_from_release,
    earliest_ms_of_group_with_free_gpus,
    earliest_ms_of_place_with_free_gpus,
    first_place_released_by,
    free_gpus_of_place_at,
    refresh_release_times_of_place,
)
from commonwatt.fleet.engines.simulator.shapes import NEVER_FITS, GangShapes

# Numbers that change during a replay, by their place in `KernelState.note`.
ENDING, WAITING, NOW, PROMISED_TO, PROMISED_AT, PROMISES, TOO_LATE, FAULTS, REORDERED = range(9)
EASY, MODE, BITS, BY_SHARE = range(9, 13)  # set once
NOTES = 13
NOBODY, NOTHING = NONE, NONE + NONE


class KernelState(NamedTuple):
    """Everything that a replay reads and changes.

    Args:
        submit: Submissions [ms], shape (jobs,).
        runtime: Run times [ms], shape (jobs,).
        believed: Run times that the scheduler believes, at least the run time [ms].
        start: Starts [ms], -1 before, shape (jobs,).
        shapes: What the jobs request.
        sets: Free GPUs.
        held: Which places hold which job.
        queues: Waiting jobs in order.
        ends: Heap of end times, each packed with its job.
        releases: Earliest times, for EASY.
        estimates: Waiting jobs by shape, for EASY.
        lean: Like `sets.many`, with what is promised to the first in the queue taken out.
        promised: Places promised to the first in the queue.
        promised_gpus: GPUs promised on each.
        scratch: Room for passing notes, longer than any gang has nodes.
        note: Changing numbers, by the names above.
    """

    submit: I64
    runtime: I64
    believed: I64
    start: I64
    shapes: GangShapes
    sets: NodeSets
    held: HeldPlaces
    queues: WaitingQueues
    ends: I64
    releases: Releases
    estimates: Estimates
    lean: I64
    promised: I64
    promised_gpus: I64
    scratch: I64
    note: I64


@njit()
def replay_kernel(state: KernelState) -> None:
    """Replay every job."""
    jobs, bits = len(state.submit), state.note[BITS]
    low = (ONE << bits) - 1
    job = ZERO  # not a literal, which would compile everything twice
    while True:
        end = state.ends[0] >> bits if state.note[ENDING] > 0 else LATER
        submit = state.submit[job] if job < jobs else LATER
        # At one instant releases go first: a submission passes only if nothing ends with it.
        if end > submit:
            state.note[NOW] = submit
            first = _job_if_startable_else_queue_it(state, job)
            job += 1
        elif end < LATER:
            state.note[NOW] = end
            _release_gpus_of_job(state, state.ends[0] & low)
            first = NOBODY
        else:
            return
        if first != NOTHING:
            _start_waiting_jobs(state, first)


@njit(bare=True, hot=True)
def _job_if_startable_else_queue_it(state: KernelState, job: int) -> int:
    """Let `job` in: return it if it may start at once, past an empty or slower queue.

    Otherwise it waits; return `NOBODY` if the queue is to be looked at, else `NOTHING`.
    """
    shape, easy = state.shapes.of_job[job], state.note[EASY] == 1
    if shape == NEVER_FITS:
        return NOTHING
    first = first_waiting_job(state.queues)
    ahead = first < 0 or job_goes_before_other(state.queues, job, first)
    if ahead and gang_fits(state.sets.many, state.sets, state.shapes, shape):
        return job
    add_waiting_job(state.queues, job)
    state.note[WAITING] += 1
    if easy:
        set_runtime_estimate(state.estimates, job, state.believed[job])
        if not ahead and state.note[REORDERED] == 0:
            _backfill_job_if_no_delay(state, job, first)
            return NOTHING
    return NOBODY if easy else NOTHING


@njit(bare=True, hot=True)
def _start_waiting_jobs(state: KernelState, first: int) -> None:
    """Start `first`, if it is somebody, and then from the head of the queue what fits."""
    job = first
    state.note[REORDERED] = 0
    while True:
        if job < 0:
            if state.note[WAITING] == 0:
                return
            job = first_waiting_job(state.queues)
            if not gang_fits(state.sets.many, state.sets, state.shapes, state.shapes.of_job[job]):
                if state.note[EASY] == 1 and state.note[WAITING] > 1:
                    _promise_nodes_to_job(state, job)
                    _backfill_waiting_jobs(state)
                return
            _remove_job_from_queue(state, job)
        state.note[PROMISED_TO] = NOBODY  # the first takes what it likes
        _start_job(state, job)
        job = NOBODY


@njit(bare=True, hot=True)
def _remove_job_from_queue(state: KernelState, job: int) -> None:
    drop_waiting_job(state.queues, job)
    state.note[WAITING] -= 1
    if state.note[EASY] == 1:
        set_runtime_estimate(state.estimates, job, LATER)


@njit(bare=True, hot=True)
def _start_job(state: KernelState, job: int) -> None:
    shape, now, bits = state.shapes.of_job[job], state.note[NOW], state.note[BITS]
    need = state.shapes.need[shape]
    if state.shapes.wide[shape] == 1:
        g = group_with_room_for_wide_gang(state.sets.many, state.sets, state.shapes, shape)
        place_wide_gang(state.sets, state.held, job, g, need, state.note[MODE])
    elif need > 0:
        place = node_place_for_one_node_gang(state.sets, state.shapes, shape, state.note[MODE])
        state.held.place[job] = place
        _set_free_gpus_of_place(state, place, state.sets.free[place] - need)
    add_gpus_to_tenant_share(state.queues, job, need)
    state.start[job] = now
    end = now + state.runtime[job]
    # An end too large to share its word with the job's number would come off the heap as another
    # job's.
    if end >= LATER >> bits:
        state.note[TOO_LATE] = 1
    state.note[ENDING] = heap_size_after_pushing_job_end(
        state.ends, state.note[ENDING], (end << bits) | job
    )
    if state.note[EASY] == 1:
        _update_releases_of_job(state, job, now + state.believed[job], need)


@njit(bare=True, hot=True)
def _set_free_gpus_of_place(state: KernelState, place: int, level: int) -> None:
    if level < 0 or level > state.sets.size[state.sets.group[place]]:
        state.note[FAULTS] += 1
    else:
        set_free_gpus_of_place(state.sets, place, level)


@njit(bare=True, hot=True)
def _release_gpus_of_job(state: KernelState, job: int) -> None:
    state.note[ENDING] = heap_size_after_popping_job_end(state.ends, state.note[ENDING])
    shape, place = state.shapes.of_job[job], state.held.place[job]
    need = state.shapes.need[shape]
    if state.shapes.wide[shape] == 1:
        size = state.sets.size[place]
        for i in range(-(-need // size)):
            at = state.held.wide[state.held.wide_at[job] + i]
            _set_free_gpus_of_place(state, at, state.sets.free[at] + min(size, need - i * size))
    elif need > 0:
        _set_free_gpus_of_place(state, place, state.sets.free[place] + need)
    add_gpus_to_tenant_share(state.queues, job, -need)
    if state.note[EASY] == 1:
        believed_end = state.start[job] + state.believed[job]
        if believed_end > state.note[NOW]:
            state.note[PROMISED_TO] = NOBODY  # earlier than believed: promises may improve
        _update_releases_of_job(state, job, believed_end, -need)


@njit(bare=True)
def _update_releases_of_job(state: KernelState, job: int, end: int, gpus: int) -> None:
    """Tell `releases` that a job has `gpus` until `end`; negative ones it has no more."""
    shape, place, need = state.shapes.of_job[job], state.held.place[job], abs(gpus)
    if state.shapes.wide[shape] == 0:
        if need > 0:
            _update_release_of_place(state, place, end, gpus)
        return
    size = state.sets.size[place]
    for i in range(-(-need // size)):
        at = state.held.wide[state.held.wide_at[job] + i]
        on_place = min(size, need - i * size)
        _update_release_of_place(state, at, end, on_place if gpus > 0 else -on_place)


@njit(bare=True)
def _update_release_of_place(state: KernelState, place: int, end: int, gpus: int) -> None:
    if gpus > 0:
        add_piece_to_release(state.releases, place, end, gpus)
    else:
        drop_piece_from_release(state.releases, place, end, -gpus)
    refresh_release_times_of_place(state.sets, state.releases, place)


@njit(bare=True)
def _promise_nodes_to_job(state: KernelState, job: int) -> None:
    """Promise `job`, which does not fit now, the first nodes that it can have."""
    shape = state.shapes.of_job[job]
    if state.shapes.wide[shape] == 0:
        _promise_node_to_narrow_gang(state, shape)
    # A wide promise costs a pass over whole groups, so it stands until something ends early or the
    # first in the queue starts; a narrow one is read off the trees each time.
    elif state.note[PROMISED_TO] != job:
        _promise_nodes_to_wide_gang(state, shape)
    state.note[PROMISED_TO] = job
    _recount_nodes_free_after_promise(state)


@njit(bare=True)
def _promise_node_to_narrow_gang(state: KernelState, shape: int) -> None:
    need, time, chosen = state.shapes.need[shape], LATER, NOBODY
    for i in range(state.shapes.groups_at[shape], state.shapes.groups_at[shape + 1]):
        g = state.shapes.groups[i]
        at = earliest_ms_of_group_with_free_gpus(state.releases, g, need)
        if at > time or at == LATER:
            continue
        place = first_place_released_by(state.sets, state.releases, g, need, at)
        if at < time or state.sets.node[place] < state.sets.node[chosen]:
            time, chosen = at, place
    state.note[PROMISED_AT], state.note[PROMISES] = time, 1
    state.promised[0], state.promised_gpus[0] = chosen, need


@njit(bare=True)
def _promise_nodes_to_wide_gang(state: KernelState, shape: int) -> None:
    need, best, chosen = state.shapes.need[shape], LATER, NOBODY
    for i in range(state.shapes.groups_at[shape], state.shapes.groups_at[shape + 1]):
        g = state.shapes.groups[i]
        time = _earliest_start_ms_of_wide_gang(state, g, need)
        if time < best:
            best, chosen = time, g
    state.note[PROMISED_AT] = best
    _promise_nodes_in_group(state, chosen, need, best)


@njit(bare=True)
def _earliest_start_ms_of_wide_gang(state: KernelState, g: int, need: int) -> int:
    """Return the earliest time at which group `g` has room for a wide gang."""
    size = state.sets.size[g]
    nodes, rest = need // size, need % size
    low, high = state.sets.word_at[g] * 64, state.sets.word_at[g + 1] * 64
    root = state.releases.tree_at[g] + state.releases.leaves[g]
    times = state.scratch
    _write_least_release_times_ms(
        state.releases.tree[size, root : root + high - low], nodes + 1, times
    )
    time = times[nodes - 1]
    # The n-th least time gives the whole nodes; the rest may share the next of them, or any node
    # that has so many GPUs by then.
    if rest == 0:
        return time
    rest_time = times[nodes]
    for place in range(low, high):
        if earliest_ms_of_place_with_free_gpus(state.sets, state.releases, place, size) > time:
            rest_time = min(
                rest_time,
                earliest_ms_of_place_with_free_gpus(state.sets, state.releases, place, rest),
            )
    return max(time, rest_time)


@njit(bare=True)
def _write_least_release_times_ms(times: I64, count: int, least: I64) -> None:
    """Write the `count` least values, in order, `LATER` where there are fewer."""
    for i in range(count):
        least[i] = LATER
    for i in range(len(times)):
        time, at = times[i], count - 1
        if time >= least[at]:
            continue
        while at > 0 and least[at - 1] > time:
            least[at] = least[at - 1]
            at -= 1
        least[at] = time


@njit(bare=True)
def _promise_nodes_in_group(state: KernelState, g: int, need: int, time: int) -> None:
    """Promise the first nodes of group `g` that a wide gang can have at `time`."""
    size = state.sets.size[g]
    nodes, rest, count = need // size, need % size, ZERO
    low, high = state.sets.word_at[g] * 64, state.sets.word_at[g + 1] * 64
    last = low
    for place in range(low, high):
        if (
            count < nodes
            and earliest_ms_of_place_with_free_gpus(state.sets, state.releases, place, size) <= time
        ):
            state.promised[count], state.promised_gpus[count] = place, size
            count, last = count + 1, place
    if rest > 0:
        for place in range(low, high):
            is_promised = (
                place <= last
                and earliest_ms_of_place_with_free_gpus(state.sets, state.releases, place, size)
                <= time
            )
            if (
                not is_promised
                and earliest_ms_of_place_with_free_gpus(state.sets, state.releases, place, rest)
                <= time
            ):
                state.promised[count], state.promised_gpus[count] = place, rest
                count += 1
                break
    state.note[PROMISES] = count


@njit(bare=True)
def _spare_gpus_of_promised_place(state: KernelState, i: int) -> int:
    """Return how many GPUs of promised place `i` are free now and not needed by then."""
    place = state.promised[i]
    then = free_gpus_of_place_at(state.sets, state.releases, place, state.note[PROMISED_AT])
    return min(state.sets.free[place], then - state.promised_gpus[i])


@njit(bare=True)
def _recount_nodes_free_after_promise(state: KernelState) -> None:
    """Count the nodes by free GPUs as they are for a job that ends after the promise."""
    for g in range(state.lean.shape[0]):
        for level in range(state.lean.shape[1]):
            state.lean[g, level] = state.sets.many[g, level]
    for i in range(state.note[PROMISES]):
        place = state.promised[i]
        g = state.sets.group[place]
        state.lean[g, state.sets.free[place]] -= 1
        state.lean[g, _spare_gpus_of_promised_place(state, i)] += 1


@njit(bare=True)
def _longest_backfill_runtime_ms_of_shape(state: KernelState, shape: int) -> int:
    """Return how long a job of `shape` may run if it starts now; -1 if it does not fit."""
    if gang_fits(state.lean, state.sets, state.shapes, shape):
        return LATER - 1
    if gang_fits(state.sets.many, state.sets, state.shapes, shape):
        return state.note[PROMISED_AT] - state.note[NOW]
    return -1


@njit(bare=True)
def _backfill_job_if_no_delay(state: KernelState, job: int, first: int) -> None:
    """Start `job` out of turn if that does not delay the `first` in the queue."""
    _promise_nodes_to_job(state, first)
    if state.believed[job] <= _longest_backfill_runtime_ms_of_shape(
        state, state.shapes.of_job[job]
    ):
        _start_backfilled_job(state, job)


@njit(bare=True)
def _backfill_waiting_jobs(state: KernelState) -> None:
    """Start, in queue order, every job behind the first that delays no promise."""
    note_tenant_shares_for_queue_pass(state.queues)
    while True:
        chosen = NOBODY
        for shape in range(len(state.shapes.need)):
            limit = _longest_backfill_runtime_ms_of_shape(state, shape)
            if limit < 0:
                continue
            for kind in range(state.estimates.kind_at[shape], state.estimates.kind_at[shape + 1]):
                job = first_waiting_job_within_runtime(state.estimates, kind, limit)
                if job >= 0 and (
                    chosen < 0 or job_goes_before_other_in_pass(state.queues, job, chosen)
                ):
                    chosen = job
        if chosen < 0:
            return
        _start_backfilled_job(state, chosen)
        _recount_nodes_free_after_promise(state)


@njit(bare=True)
def _start_backfilled_job(state: KernelState, job: int) -> None:
    _remove_job_from_queue(state, job)
    # A start out of turn adds to its tenant's share: at the next event another may be the first,
    # and may fit, so that it is not enough to look at the job that comes in.
    state.note[REORDERED] = state.note[BY_SHARE]
    if state.note[NOW] + state.believed[job] <= state.note[PROMISED_AT]:
        _start_job(state, job)
        return
    for i in range(state.note[PROMISES]):
        place = state.promised[i]
        state.scratch[i] = state.sets.free[place] - _spare_gpus_of_promised_place(state, i)
    # The place policy must not see what is promised to another. The sign is read from a note,
    # because a literal would compile the function a second time.
    _hide_or_show_promised_gpus(state, -state.note[EASY])
    _start_job(state, job)
    _hide_or_show_promised_gpus(state, state.note[EASY])


@njit(bare=True)
def _hide_or_show_promised_gpus(state: KernelState, sign: int) -> None:
    """Hide the promised GPUs from the place policy (sign -1), or show them again (1)."""
    for i in range(state.note[PROMISES]):
        place = state.promised[i]
        set_free_gpus_of_place(state.sets, place, state.sets.free[place] + sign * state.scratch[i])
        refresh_release_times_of_place(state.sets, state.releases, place)
