"""Whether a gang of whole GPUs fits now, and on which nodes: for compiled code.

The same rules as `policies.gangs`, which says them plainly, over sets of nodes
by free GPUs instead of a row per node.
"""

# An element picked by an element of another array reads as an array to the checker.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from typing import NamedTuple

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.policies.place import best_fit, consolidate, first_fit, worst_fit
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.simulator.bits import NONE
from commonwatt.fleet.engines.simulator.nodesets import (
    NodeSets,
    first_place_with_free_gpus,
    last_place_with_free_gpus,
    set_free_gpus_of_place,
)
from commonwatt.fleet.engines.simulator.shapes import GangShapes

FIRST, BEST, WORST = first_fit.CODE, best_fit.CODE, worst_fit.CODE
CONSOLIDATE = consolidate.CODE


class HeldPlaces(NamedTuple):
    """Which places hold which job.

    Args:
        place: Place of a gang on one node, or the group of a wide one, shape (jobs,).
        wide_at: Where a wide gang's places begin in `wide`, shape (jobs,).
        wide: Places of wide gangs: whole nodes first, then the node of what is left.
    """

    place: I64
    wide_at: I64
    wide: I64


@njit(bare=True, hot=True)
def narrow_gang_fits(count: I64, sets: NodeSets, shapes: GangShapes, shape: int) -> bool:
    """Return whether some node of the shape's groups has room, by `count` of nodes."""
    need = shapes.need[shape]
    for i in range(shapes.groups_at[shape], shapes.groups_at[shape + 1]):
        g = shapes.groups[i]
        for level in range(need, sets.size[g] + 1):
            if count[g, level] > 0:
                return True
    return False


@njit(bare=True)
def group_with_room_for_wide_gang(
    count: I64, sets: NodeSets, shapes: GangShapes, shape: int
) -> int:
    """Return the first group with room for a wide gang, or -1."""
    need = shapes.need[shape]
    for i in range(shapes.groups_at[shape], shapes.groups_at[shape + 1]):
        g = shapes.groups[i]
        if _node_group_holds_wide_gang(
            count, g, need // sets.size[g], need % sets.size[g], sets.size[g]
        ):
            return g
    return NONE


@njit(bare=True)
def _node_group_holds_wide_gang(count: I64, g: int, nodes: int, rest: int, size: int) -> bool:
    whole = count[g, size]
    if whole < nodes:
        return False
    # One idle node more than the gang fills holds the rest as well.
    if rest == 0 or whole > nodes:
        return True
    for level in range(rest, size):  # noqa: SIM110  # compiled: no generators
        if count[g, level] > 0:
            return True
    return False


@njit(bare=True, hot=True)
def gang_fits(count: I64, sets: NodeSets, shapes: GangShapes, shape: int) -> bool:
    """Return whether a gang of this shape could start, by `count` of nodes."""
    if shapes.need[shape] == 0:
        return True
    if shapes.wide[shape] == 1:
        return group_with_room_for_wide_gang(count, sets, shapes, shape) >= 0
    return narrow_gang_fits(count, sets, shapes, shape)


@njit(bare=True, hot=True)
def node_place_for_one_node_gang(sets: NodeSets, shapes: GangShapes, shape: int, mode: int) -> int:
    """Return the place that takes a gang of one node under place policy `mode`, or -1."""
    need = shapes.need[shape]
    best, best_level, chosen = NONE, NONE, NONE
    for i in range(shapes.groups_at[shape], shapes.groups_at[shape + 1]):
        g = shapes.groups[i]
        if mode == FIRST:
            place = _first_place_with_at_least_gpus_free(sets, g, need)
        else:
            level = _free_gpu_count_chosen_by_place_mode(sets, g, need, mode)
            place = NONE
            if level >= 0:
                from_far_end = (
                    mode == CONSOLIDATE and level == sets.size[g] and need == sets.size[g]
                )
                place = (
                    last_place_with_free_gpus(sets, g, level)
                    if from_far_end
                    else first_place_with_free_gpus(sets, g, level)
                )
        if place < 0:
            continue
        node, level = sets.node[place], sets.free[place]
        if best < 0 or _node_goes_before_best_node(mode, level, node, best_level, best):
            best, best_level, chosen = node, level, place
    return chosen


@njit(bare=True, hot=True)
def _node_goes_before_best_node(
    mode: int, level: int, node: int, best_level: int, best_node: int
) -> bool:
    if mode != FIRST and level != best_level:
        return (level < best_level) == (mode != WORST)
    # Between groups consolidate stays with the earlier one: its far end is within a group.
    return mode != CONSOLIDATE and node < best_node


@njit(bare=True)
def _first_place_with_at_least_gpus_free(sets: NodeSets, g: int, need: int) -> int:
    best = NONE
    # First-fit does not ask how full a node is: the first place of each level is a candidate.
    for level in range(need, sets.size[g] + 1):
        if sets.many[g, level] > 0:
            place = first_place_with_free_gpus(sets, g, level)
            if best < 0 or place < best:
                best = place
    return best


@njit(bare=True)
def _free_gpu_count_chosen_by_place_mode(sets: NodeSets, g: int, need: int, mode: int) -> int:
    if mode == WORST:
        for level in range(sets.size[g], need - 1, -1):
            if sets.many[g, level] > 0:
                return level
        return NONE
    for level in range(need, sets.size[g] + 1):
        if sets.many[g, level] > 0:
            return level
    return NONE


@njit(bare=True)
def place_wide_gang(
    sets: NodeSets, held_places: HeldPlaces, job: int, g: int, need: int, mode: int
) -> None:
    """Give `job` whole nodes of group `g`, and one more for what is left over."""
    size, at = sets.size[g], held_places.wide_at[job]
    held_places.place[job] = g
    for i in range(need // size):
        place = (
            last_place_with_free_gpus(sets, g, size)
            if mode == CONSOLIDATE
            else first_place_with_free_gpus(sets, g, size)
        )
        set_free_gpus_of_place(sets, place, sets.free[place] - size)
        held_places.wide[at + i] = place
    rest = need % size
    if rest > 0:
        level = _free_gpu_count_chosen_by_place_mode(sets, g, rest, mode)
        place = (
            _first_place_with_at_least_gpus_free(sets, g, rest)
            if mode == FIRST
            else first_place_with_free_gpus(sets, g, level)
        )
        set_free_gpus_of_place(sets, place, sets.free[place] - rest)
        held_places.wide[at + need // size] = place
