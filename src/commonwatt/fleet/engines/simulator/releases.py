"""When each node will have so many GPUs free, kept up to date: for compiled code.

For every node and every count f of GPUs there is the earliest time at which f are
free if nothing more starts there; above the nodes of a group stands a tree of
minima for each f, so that the earliest time of the whole group is read at once.
"""

# An element picked by an element of another array reads as an array to the checker.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.simulator.bits import LATER, ONE, ZERO
from commonwatt.fleet.engines.simulator.nodesets import NodeSets


class Releases(NamedTuple):
    """Pieces of running gangs by node, and the trees of earliest times.

    Args:
        ends: Believed end of each piece on a place, in order, shape (places, levels).
        gpus: GPUs of each piece, shape (places, levels).
        pieces: Number of pieces on a place, shape (places,).
        tree: Earliest time at which so many are free, shape (levels, tree nodes).
        tree_at: Where the tree of each group begins, shape (groups,).
        leaves: Leaves of the tree of each group, a power of two, shape (groups,).
    """

    ends: I64
    gpus: I64
    pieces: I64
    tree: I64
    tree_at: I64
    leaves: I64


def idle_fleet_releases(sets: NodeSets, *, used: bool) -> Releases:
    """Return the releases of an idle fleet; empty arrays where they are not `used`."""
    places, levels = (len(sets.free), sets.many.shape[1]) if used else (0, 0)
    spans = np.maximum((sets.word_at[1:] - sets.word_at[:-1]) * 64, 1)
    leaves = np.int64(1) << np.ceil(np.log2(spans)).astype(np.int64)
    tree_at = np.concatenate([[0], np.cumsum(2 * leaves)]).astype(np.int64)
    releases = Releases(
        ends=np.zeros((places, levels), np.int64),
        gpus=np.zeros((places, levels), np.int64),
        pieces=np.zeros(places, np.int64),
        tree=np.full((levels, int(tree_at[-1]) if used else 0), LATER, np.int64),
        tree_at=tree_at[:-1],
        leaves=leaves,
    )
    if used:
        _refresh_release_times_of_all_nodes(sets, releases)
    return releases


@njit()
def _refresh_release_times_of_all_nodes(sets: NodeSets, releases: Releases) -> None:
    for place in range(len(sets.node)):
        if sets.node[place] >= 0:
            refresh_release_times_of_place(sets, releases, place)


@njit(bare=True)
def refresh_release_times_of_place(sets: NodeSets, releases: Releases, place: int) -> None:
    """Bring the earliest times of `place` up to date with its pieces."""
    g = sets.group[place]
    leaf = releases.tree_at[g] + releases.leaves[g] + place - sets.word_at[g] * 64
    # Levels rise and pieces stand in order of end, so that one walk over the pieces serves them
    # all.
    free, piece = sets.free[place], ZERO
    for level in range(1, sets.size[g] + 1):
        time = ZERO
        while free < level and piece < releases.pieces[place]:
            free += releases.gpus[place, piece]
            piece += 1
        if piece > 0:
            time = releases.ends[place, piece - 1]
        if releases.tree[level, leaf] != time:
            _set_release_tree_leaf(releases.tree[level], releases.tree_at[g], leaf, time)


@njit(bare=True)
def _set_release_tree_leaf(tree: I64, root: int, leaf: int, time: int) -> None:
    tree[leaf] = time
    at = (leaf - root) >> 1
    while at >= 1:
        least = min(tree[root + 2 * at], tree[root + 2 * at + 1])
        if tree[root + at] == least:
            return
        tree[root + at] = least
        at >>= 1


@njit(bare=True)
def add_piece_to_release(releases: Releases, place: int, end: int, gpus: int) -> None:
    """Record a piece of `gpus` GPUs on `place` that ends at `end`."""
    at = releases.pieces[place]
    while at > 0 and releases.ends[place, at - 1] > end:
        releases.ends[place, at] = releases.ends[place, at - 1]
        releases.gpus[place, at] = releases.gpus[place, at - 1]
        at -= 1
    releases.ends[place, at], releases.gpus[place, at] = end, gpus
    releases.pieces[place] += 1


@njit(bare=True)
def drop_piece_from_release(releases: Releases, place: int, end: int, gpus: int) -> None:
    """Take back a piece that `add_piece_to_release` recorded."""
    # No bound: `add_piece_to_release` recorded a piece of this very end and size.
    at = ZERO
    while releases.ends[place, at] != end or releases.gpus[place, at] != gpus:
        at += 1
    last = releases.pieces[place] - 1
    for i in range(at, last):
        releases.ends[place, i] = releases.ends[place, i + 1]
        releases.gpus[place, i] = releases.gpus[place, i + 1]
    releases.pieces[place] = last


@njit(bare=True)
def free_gpus_of_place_at(sets: NodeSets, releases: Releases, place: int, time: int) -> int:
    """Return the GPUs of `place` that will be free at `time`."""
    free = sets.free[place]
    for i in range(releases.pieces[place]):
        if releases.ends[place, i] > time:
            break
        free += releases.gpus[place, i]
    return free


@njit(bare=True)
def earliest_ms_of_group_with_free_gpus(releases: Releases, g: int, level: int) -> int:
    """Return the earliest time at which some node of group `g` has `level` free."""
    return releases.tree[level, releases.tree_at[g] + 1]


@njit(bare=True)
def first_place_released_by(
    sets: NodeSets, releases: Releases, g: int, level: int, time: int
) -> int:
    """Return the first place of group `g` that has `level` free by `time`; there is one."""
    root, at = releases.tree_at[g], ONE
    while at < releases.leaves[g]:
        at *= 2
        if releases.tree[level, root + at] > time:
            at += 1
    return sets.word_at[g] * 64 + at - releases.leaves[g]


@njit(bare=True)
def earliest_ms_of_place_with_free_gpus(
    sets: NodeSets, releases: Releases, place: int, level: int
) -> int:
    """Return the earliest time at which `place` has `level` free."""
    g = sets.group[place]
    leaf = releases.tree_at[g] + releases.leaves[g] + place - sets.word_at[g] * 64
    return releases.tree[level, leaf]
