"""The compiled event loop for gangs of whole GPUs in an order known at submission.

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
    tower_add,
    tower_drop,
    tower_least,
)
from commonwatt.fleet.engines.simulator.estimates import Estimates, first_within, set_estimate
from commonwatt.fleet.engines.simulator.gangs import (
    HeldPlaces,
    gang_fits,
    narrow_place,
    place_wide_gang,
    wide_group,
)
from commonwatt.fleet.engines.simulator.heap import heap_pop, heap_push
from commonwatt.fleet.engines.simulator.nodesets import NodeSets, set_free
from commonwatt.fleet.engines.simulator.releases import (
    Releases,
    add_piece,
    drop_piece,
    earliest,
    first_by,
    free_at,
    leaf_time,
    refresh,
)
from commonwatt.fleet.engines.simulator.shapes import NEVER_FITS, GangShapes

# Numbers that change during a replay, by their place in `World.note`.
ENDING, WAITING, NOW, PROMISED_TO, PROMISED_AT, PROMISES, TOO_LATE, FAULTS = range(8)
EASY, MODE, BITS = range(8, 11)  # set once
NOTES = 11
NOBODY, NOTHING = NONE, NONE + NONE


class KernelState(NamedTuple):
    """Everything that a replay reads and changes.

    Args:
        submit: Submissions [ms], shape (jobs,).
        runtime: Run times [ms], shape (jobs,).
        believed: Run times that the scheduler believes, at least the run time [ms].
        rank: Place of each job in the queue's order, shape (jobs,).
        by_rank: Job at each place of that order, shape (jobs,).
        start: Starts [ms], -1 before, shape (jobs,).
        shapes: What the jobs ask.
        sets: Free GPUs.
        held: Which places hold which job.
        queue: Waiting jobs by rank, a tower of words.
        floors: Floors of that tower.
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
    rank: I64
    by_rank: I64
    start: I64
    shapes: GangShapes
    sets: NodeSets
    held: HeldPlaces
    queue: I64
    floors: I64
    ends: I64
    releases: Releases
    estimates: Estimates
    lean: I64
    promised: I64
    promised_gpus: I64
    scratch: I64
    note: I64


@njit()
def replay(world: KernelState) -> None:
    """Replay every job."""
    jobs, bits = len(world.submit), world.note[BITS]
    low = (ONE << bits) - 1
    job = ZERO  # not a literal, which would compile everything twice
    while True:
        end = world.ends[0] >> bits if world.note[ENDING] > 0 else LATER
        submit = world.submit[job] if job < jobs else LATER
        if end > submit:
            world.note[NOW] = submit
            first = _join_queue(world, job)
            job += 1
        elif end < LATER:
            world.note[NOW] = end
            _release(world, world.ends[0] & low)
            first = NOBODY
        else:
            return
        if first != NOTHING:
            _start_waiting(world, first)


@njit(bare=True, hot=True)
def _join_queue(world: KernelState, job: int) -> int:
    """Let `job` in: return it if it may start at once, past an empty or slower queue.

    Otherwise it waits; return `NOBODY` if the queue is to be looked at, else `NOTHING`.
    """
    shape, easy = world.shapes.of_job[job], world.note[EASY] == 1
    if shape == NEVER_FITS:
        return NOTHING
    first = tower_least(world.queue, world.floors)
    ahead = first < 0 or first > world.rank[job]
    if ahead and gang_fits(world.sets.many, world.sets, world.shapes, shape):
        return job
    tower_add(world.queue, world.floors, world.rank[job])
    world.note[WAITING] += 1
    if easy:
        set_estimate(world.estimates, shape, job, world.believed[job])
        if not ahead:
            _fill_with(world, job, world.by_rank[first])
    return NOBODY if easy and ahead else NOTHING


@njit(bare=True, hot=True)
def _start_waiting(world: KernelState, first: int) -> None:
    """Start `first`, if it is somebody, and then from the head of the queue what fits."""
    job = first
    while True:
        if job < 0:
            if world.note[WAITING] == 0:
                return
            job = world.by_rank[tower_least(world.queue, world.floors)]
            if not gang_fits(world.sets.many, world.sets, world.shapes, world.shapes.of_job[job]):
                if world.note[EASY] == 1 and world.note[WAITING] > 1:
                    _promise(world, job)
                    _backfill(world)
                return
            _leave_queue(world, job)
        world.note[PROMISED_TO] = NOBODY  # the first takes what it likes
        _start(world, job)
        job = NOBODY


@njit(bare=True, hot=True)
def _leave_queue(world: KernelState, job: int) -> None:
    tower_drop(world.queue, world.floors, world.rank[job])
    world.note[WAITING] -= 1
    if world.note[EASY] == 1:
        set_estimate(world.estimates, world.shapes.of_job[job], job, LATER)


@njit(bare=True, hot=True)
def _start(world: KernelState, job: int) -> None:
    shape, now, bits = world.shapes.of_job[job], world.note[NOW], world.note[BITS]
    need = world.shapes.need[shape]
    if world.shapes.wide[shape] == 1:
        g = wide_group(world.sets.many, world.sets, world.shapes, shape)
        place_wide_gang(world.sets, world.held, job, g, need, world.note[MODE])
    elif need > 0:
        place = narrow_place(world.sets, world.shapes, shape, world.note[MODE])
        world.held.place[job] = place
        _set_free(world, place, world.sets.free[place] - need)
    world.start[job] = now
    end = now + world.runtime[job]
    if end >= LATER >> bits:
        world.note[TOO_LATE] = 1
    world.note[ENDING] = heap_push(world.ends, world.note[ENDING], (end << bits) | job)
    if world.note[EASY] == 1:
        _tell(world, job, now + world.believed[job], need)


@njit(bare=True, hot=True)
def _set_free(world: KernelState, place: int, level: int) -> None:
    if level < 0 or level > world.sets.size[world.sets.group[place]]:
        world.note[FAULTS] += 1
    else:
        set_free(world.sets, place, level)


@njit(bare=True, hot=True)
def _release(world: KernelState, job: int) -> None:
    world.note[ENDING] = heap_pop(world.ends, world.note[ENDING])
    shape, place = world.shapes.of_job[job], world.held.place[job]
    need = world.shapes.need[shape]
    if world.shapes.wide[shape] == 1:
        size = world.sets.size[place]
        for i in range(-(-need // size)):
            at = world.held.wide[world.held.wide_at[job] + i]
            _set_free(world, at, world.sets.free[at] + min(size, need - i * size))
    elif need > 0:
        _set_free(world, place, world.sets.free[place] + need)
    if world.note[EASY] == 1:
        believed_end = world.start[job] + world.believed[job]
        if believed_end > world.note[NOW]:
            world.note[PROMISED_TO] = NOBODY  # earlier than believed: promises may improve
        _tell(world, job, believed_end, -need)


@njit(bare=True)
def _tell(world: KernelState, job: int, end: int, gpus: int) -> None:
    """Tell `releases` that a job has `gpus` until `end`; negative ones it has no more."""
    shape, place, need = world.shapes.of_job[job], world.held.place[job], abs(gpus)
    if world.shapes.wide[shape] == 0:
        if need > 0:
            _tell_piece(world, place, end, gpus)
        return
    size = world.sets.size[place]
    for i in range(-(-need // size)):
        at = world.held.wide[world.held.wide_at[job] + i]
        own = min(size, need - i * size)
        _tell_piece(world, at, end, own if gpus > 0 else -own)


@njit(bare=True)
def _tell_piece(world: KernelState, place: int, end: int, gpus: int) -> None:
    if gpus > 0:
        add_piece(world.releases, place, end, gpus)
    else:
        drop_piece(world.releases, place, end, -gpus)
    refresh(world.sets, world.releases, place)


@njit(bare=True)
def _promise(world: KernelState, job: int) -> None:
    """Promise `job`, which does not fit now, the first nodes that it can have."""
    shape = world.shapes.of_job[job]
    if world.shapes.wide[shape] == 0:
        _promise_one(world, shape)
    elif world.note[PROMISED_TO] != job:
        _promise_wide(world, shape)
    world.note[PROMISED_TO] = job
    _lean(world)


@njit(bare=True)
def _promise_one(world: KernelState, shape: int) -> None:
    need, time, chosen = world.shapes.need[shape], LATER, NOBODY
    for i in range(world.shapes.groups_at[shape], world.shapes.groups_at[shape + 1]):
        g = world.shapes.groups[i]
        at = earliest(world.releases, g, need)
        if at > time or at == LATER:
            continue
        place = first_by(world.sets, world.releases, g, need, at)
        if at < time or world.sets.node[place] < world.sets.node[chosen]:
            time, chosen = at, place
    world.note[PROMISED_AT], world.note[PROMISES] = time, 1
    world.promised[0], world.promised_gpus[0] = chosen, need


@njit(bare=True)
def _promise_wide(world: KernelState, shape: int) -> None:
    need, best, chosen = world.shapes.need[shape], LATER, NOBODY
    for i in range(world.shapes.groups_at[shape], world.shapes.groups_at[shape + 1]):
        g = world.shapes.groups[i]
        time = _wide_time(world, g, need)
        if time < best:
            best, chosen = time, g
    world.note[PROMISED_AT] = best
    _promise_in(world, chosen, need, best)


@njit(bare=True)
def _wide_time(world: KernelState, g: int, need: int) -> int:
    """Return the earliest time at which group `g` has room for a wide gang."""
    size = world.sets.size[g]
    nodes, rest = need // size, need % size
    low, high = world.sets.word_at[g] * 64, world.sets.word_at[g + 1] * 64
    root = world.releases.tree_at[g] + world.releases.leaves[g]
    times = world.scratch
    _find_least(world.releases.tree[size, root : root + high - low], nodes + 1, times)
    time = times[nodes - 1]
    if rest == 0:
        return time
    other = times[nodes]
    for place in range(low, high):
        if leaf_time(world.sets, world.releases, place, size) > time:
            other = min(other, leaf_time(world.sets, world.releases, place, rest))
    return max(time, other)


@njit(bare=True)
def _find_least(values: I64, count: int, least: I64) -> None:
    """Write the `count` least values, in order, `LATER` where there are fewer."""
    for i in range(count):
        least[i] = LATER
    for i in range(len(values)):
        value, at = values[i], count - 1
        if value >= least[at]:
            continue
        while at > 0 and least[at - 1] > value:
            least[at] = least[at - 1]
            at -= 1
        least[at] = value


@njit(bare=True)
def _promise_in(world: KernelState, g: int, need: int, time: int) -> None:
    """Promise the first nodes of group `g` that a wide gang can have at `time`."""
    size = world.sets.size[g]
    nodes, rest, count = need // size, need % size, ZERO
    low, high = world.sets.word_at[g] * 64, world.sets.word_at[g + 1] * 64
    last = low
    for place in range(low, high):
        if count < nodes and leaf_time(world.sets, world.releases, place, size) <= time:
            world.promised[count], world.promised_gpus[count] = place, size
            count, last = count + 1, place
    if rest > 0:
        for place in range(low, high):
            mine = place <= last and leaf_time(world.sets, world.releases, place, size) <= time
            if not mine and leaf_time(world.sets, world.releases, place, rest) <= time:
                world.promised[count], world.promised_gpus[count] = place, rest
                count += 1
                break
    world.note[PROMISES] = count


@njit(bare=True)
def _spare(world: KernelState, i: int) -> int:
    """Return how many GPUs of promised place `i` are free now and not needed by then."""
    place = world.promised[i]
    then = free_at(world.sets, world.releases, place, world.note[PROMISED_AT])
    return min(world.sets.free[place], then - world.promised_gpus[i])


@njit(bare=True)
def _lean(world: KernelState) -> None:
    """Count the nodes by free GPUs as they are for a job that ends after the promise."""
    for g in range(world.lean.shape[0]):
        for level in range(world.lean.shape[1]):
            world.lean[g, level] = world.sets.many[g, level]
    for i in range(world.note[PROMISES]):
        place = world.promised[i]
        g = world.sets.group[place]
        world.lean[g, world.sets.free[place]] -= 1
        world.lean[g, _spare(world, i)] += 1


@njit(bare=True)
def _limit(world: KernelState, shape: int) -> int:
    """Return how long a job of `shape` may run if it starts now; -1 if it does not fit."""
    if gang_fits(world.lean, world.sets, world.shapes, shape):
        return LATER - 1
    if gang_fits(world.sets.many, world.sets, world.shapes, shape):
        return world.note[PROMISED_AT] - world.note[NOW]
    return -1


@njit(bare=True)
def _fill_with(world: KernelState, job: int, first: int) -> None:
    """Start `job` out of turn if that does not delay the `first` in the queue."""
    _promise(world, first)
    if world.believed[job] <= _limit(world, world.shapes.of_job[job]):
        _start_early(world, job)


@njit(bare=True)
def _backfill(world: KernelState) -> None:
    """Start, in queue order, every job behind the first that delays no promise."""
    while True:
        best, chosen = LATER, NOBODY
        for shape in range(len(world.shapes.need)):
            limit = _limit(world, shape)
            if limit < 0:
                continue
            job = first_within(world.estimates, shape, limit)
            if job >= 0 and world.rank[job] < best:
                best, chosen = world.rank[job], job
        if chosen < 0:
            return
        _start_early(world, chosen)
        _lean(world)


@njit(bare=True)
def _start_early(world: KernelState, job: int) -> None:
    _leave_queue(world, job)
    if world.note[NOW] + world.believed[job] <= world.note[PROMISED_AT]:
        _start(world, job)
        return
    for i in range(world.note[PROMISES]):
        place = world.promised[i]
        world.scratch[i] = world.sets.free[place] - _spare(world, i)
    _hide(world, -world.note[EASY])
    _start(world, job)
    _hide(world, world.note[EASY])


@njit(bare=True)
def _hide(world: KernelState, sign: int) -> None:
    """Hide the promised GPUs from the place policy (sign -1), or show them again (1)."""
    for i in range(world.note[PROMISES]):
        place = world.promised[i]
        set_free(world.sets, place, world.sets.free[place] + sign * world.scratch[i])
        refresh(world.sets, world.releases, place)
