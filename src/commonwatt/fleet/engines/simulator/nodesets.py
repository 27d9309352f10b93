"""Which nodes have how many GPUs free, for compiled code.

Nodes are numbered afresh so that each group (same site, GPU type and size) lies
together, in the fleet's order. For each group and each number of free GPUs there
is a set of nodes with a summary word above it, so that the first or last node
with just so many free GPUs is found in a few steps.
"""

# An element picked by an element of another array reads as an array to the checker.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.simulator.bits import (
    ONE,
    highest_bit_place_in_simulator_word,
    lowest_bit_place_in_simulator_word,
)


class NodeSets(NamedTuple):
    """Free GPUs of whole nodes, by group.

    Args:
        free: Free GPUs of each place, shape (places,).
        many: Nodes of a group with just so many free, shape (groups, levels).
        words: Members, shape (levels, words).
        summary: Bit per word that holds anything, shape (levels, summary words).
        group: Group of each place, shape (places,).
        size: GPUs on a node of the group, shape (groups,).
        word_at: First word of each group, shape (groups + 1,).
        summary_at: First summary word of each group, shape (groups + 1,).
        node: Fleet's number of the node at each place, shape (places,); -1 in gaps.
    """

    free: I64
    many: I64
    words: I64
    summary: I64
    group: I64
    size: I64
    word_at: I64
    summary_at: I64
    node: I64


def idle_node_sets(group: I64, gpus: I64) -> NodeSets:
    """Return the sets of a fleet with nothing on it.

    Args:
        group: Group of each node, numbered by first appearance, shape (nodes,).
        gpus: GPUs of each node, equal within a group, shape (nodes,).

    >>> sets = idle_node_sets(np.array([0, 1, 0]), np.array([8, 4, 8]))
    >>> sets.many[0, 8], sets.node[:2].tolist(), sets.node[64]
    (np.int64(2), [0, 2], np.int64(1))
    """
    groups = int(group.max(initial=-1)) + 1
    members = np.bincount(group, minlength=groups)
    words = -(-members // 64)
    # Each group begins with a word of its own, so that its first and last node are found without a
    # mask; the places in between hold no node.
    word_at = np.concatenate([[0], np.cumsum(words)]).astype(np.int64)
    summary_at = np.concatenate([[0], np.cumsum(-(-words // 64))]).astype(np.int64)
    places = int(word_at[-1]) * 64
    levels = int(gpus.max(initial=0)) + 1
    sets = NodeSets(
        free=np.full(places, -1, np.int64),
        many=np.zeros((groups, levels), np.int64),
        words=np.zeros((levels, int(word_at[-1])), np.int64),
        summary=np.zeros((levels, int(summary_at[-1])), np.int64),
        group=np.repeat(np.arange(groups, dtype=np.int64), words * 64),
        size=np.array([gpus[group == g][0] for g in range(groups)], np.int64),
        word_at=word_at,
        summary_at=summary_at,
        node=np.full(places, -1, np.int64),
    )
    for g in range(groups):
        members_of = np.flatnonzero(group == g)
        sets.node[word_at[g] * 64 : word_at[g] * 64 + len(members_of)] = members_of
    _add_all_places_to_idle_node_sets(sets)
    return sets


@njit()
def _add_all_places_to_idle_node_sets(sets: NodeSets) -> None:
    for place in range(len(sets.node)):
        if sets.node[place] >= 0:
            _add_place_to_node_sets(sets, place, sets.size[sets.group[place]])


@njit(bare=True, hot=True)
def _add_place_to_node_sets(sets: NodeSets, place: int, level: int) -> None:
    g, word = sets.group[place], place >> 6
    local = word - sets.word_at[g]
    sets.free[place] = level
    sets.many[g, level] += 1
    sets.words[level, word] |= ONE << (place & 63)
    sets.summary[level, sets.summary_at[g] + (local >> 6)] |= ONE << (local & 63)


@njit(bare=True, hot=True)
def set_free_gpus_of_place(sets: NodeSets, place: int, level: int) -> None:
    """Say that `place` has `level` GPUs free from now on."""
    old, g, word = sets.free[place], sets.group[place], place >> 6
    left = sets.words[old, word] & ~(ONE << (place & 63))
    sets.words[old, word] = left
    sets.many[g, old] -= 1
    if left == 0:
        local = word - sets.word_at[g]
        sets.summary[old, sets.summary_at[g] + (local >> 6)] &= ~(ONE << (local & 63))
    _add_place_to_node_sets(sets, place, level)


@njit(bare=True, hot=True)
def first_place_with_free_gpus(sets: NodeSets, g: int, level: int) -> int:
    """Return the first place of group `g` with `level` free; there must be one."""
    at = sets.summary_at[g]
    while sets.summary[level, at] == 0:
        at += 1
    local = (at - sets.summary_at[g]) * 64 + lowest_bit_place_in_simulator_word(
        sets.summary[level, at]
    )
    word = sets.word_at[g] + local
    return word * 64 + lowest_bit_place_in_simulator_word(sets.words[level, word])


@njit(bare=True, hot=True)
def last_place_with_free_gpus(sets: NodeSets, g: int, level: int) -> int:
    """Return the last place of group `g` with `level` free; there must be one."""
    at = sets.summary_at[g + 1] - 1
    while sets.summary[level, at] == 0:
        at -= 1
    local = (at - sets.summary_at[g]) * 64 + highest_bit_place_in_simulator_word(
        sets.summary[level, at]
    )
    word = sets.word_at[g] + local
    return word * 64 + highest_bit_place_in_simulator_word(sets.words[level, word])
