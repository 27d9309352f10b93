"""The sets of free nodes and the releases to come, against plain lists of the same.

Compiled, these functions can be called by other kernels only, so that they are tried as plain
Python: the first test runs the file in a process without the compiler.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.fleet.engines.simulator.bits import (
    LATER,
    add_to_job_queue_bitset,
    drop_from_job_queue_bitset,
    empty_job_queue_bitsets_and_floors,
    highest_bit_place_in_simulator_word,
    least_in_job_queue_bitset,
    lowest_bit_place_in_simulator_word,
)
from commonwatt.fleet.engines.simulator.heap import (
    heap_size_after_popping_job_end,
    heap_size_after_pushing_job_end,
)
from commonwatt.fleet.engines.simulator.nodesets import (
    first_place_with_free_gpus,
    idle_node_sets,
    last_place_with_free_gpus,
    set_free_gpus_of_place,
)
from commonwatt.fleet.engines.simulator.releases import (
    add_piece_to_release,
    drop_piece_from_release,
    earliest_ms_of_group_with_free_gpus,
    earliest_ms_of_place_with_free_gpus,
    first_place_released_by,
    free_gpus_of_place_at,
    idle_fleet_releases,
    refresh_release_times_of_place,
)

IS_PLAIN = os.environ.get("NUMBA_DISABLE_JIT") == "1"
plainly = pytest.mark.skipif(not IS_PLAIN, reason="compiled, only another kernel can call it")
# Sizes around a word of 64 nodes, and around a word of words.
SIZES = (1, 2, 63, 64, 65, 130, 4096, 4100, 8200)


def sets_of(*sizes, gpus=4):
    """Return the sets of groups of such sizes, their nodes side by side."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    return idle_node_sets(group, np.full(len(group), gpus))


@pytest.mark.skipif(IS_PLAIN, reason="this is the process that it starts")
def test_the_parts_of_the_kernel_hold_as_plain_python():
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout[-2000:]


@plainly
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("before", [1, 65, 4097])
def test_the_first_and_the_last_free_node_of_a_group_are_found_wherever_they_stand(size, before):
    sets = sets_of(before, size, 3)
    places = [place for place in range(len(sets.node)) if sets.group[place] == 1
              and sets.node[place] >= 0]  # fmt: skip
    assert [int(sets.node[place]) for place in places] == list(range(before, before + size))
    assert (sets.many[1, 4], sets.many[0, 4], sets.many[2, 4]) == (size, before, 3)
    assert (first_place_with_free_gpus(sets, 1, 4), last_place_with_free_gpus(sets, 1, 4)) == (
        places[0], places[-1])  # fmt: skip
    chosen = sorted({0, size // 3, size // 2, max(size - 2, 0), size - 1, min(64, size - 1),
                     min(4095, size - 1), min(4096, size - 1)})  # fmt: skip
    for step, n in enumerate(chosen, 1):
        set_free_gpus_of_place(sets, places[n], 2)
        assert (sets.many[1, 2], sets.many[1, 4]) == (step, size - step)
        assert first_place_with_free_gpus(sets, 1, 2) == places[chosen[0]]
        assert last_place_with_free_gpus(sets, 1, 2) == places[n]
        assert sets.free[places[n]] == 2
    for step, n in enumerate(chosen[:-1], 1):
        set_free_gpus_of_place(sets, places[n], 4)
        assert first_place_with_free_gpus(sets, 1, 2) == places[chosen[step]]
        assert last_place_with_free_gpus(sets, 1, 2) == places[chosen[-1]]
    # The groups beside it were left alone.
    assert (sets.many[0, 4], sets.many[2, 4]) == (before, 3)


@plainly
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 70), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 3)), max_size=60),
)
def test_sets_of_nodes_are_those_of_a_plain_list(sizes, changes):
    sets = sets_of(*sizes, gpus=3)
    nodes = [place for place in range(len(sets.node)) if sets.node[place] >= 0]
    free = dict.fromkeys(nodes, 3)
    for number, level in changes:
        place = nodes[number % len(nodes)]
        free[place] = level
        set_free_gpus_of_place(sets, place, level)
        for g in range(len(sizes)):
            for each in range(4):
                holds = [p for p in nodes if sets.group[p] == g and free[p] == each]
                assert sets.many[g, each] == len(holds)
                if holds:
                    assert first_place_with_free_gpus(sets, g, each) == holds[0]
                    assert last_place_with_free_gpus(sets, g, each) == holds[-1]


def plain_time(pieces, free, level):
    """Return when a place has `level` free: nothing runs on but its pieces."""
    for end, gpus in [(0, 0), *sorted(pieces)]:
        free += gpus
        if free >= level:
            return end
    raise AssertionError


@plainly
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 70), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 20),
                       st.booleans()), min_size=1, max_size=50),
)  # fmt: skip
def test_releases_are_those_of_plain_lists_of_ends(sizes, moves):
    sets = sets_of(*sizes)
    releases = idle_fleet_releases(sets, used=True)
    nodes = [place for place in range(len(sets.node)) if sets.node[place] >= 0]
    pieces = {place: [] for place in nodes}
    for number, gpus, end, ends in moves:
        place = nodes[number % len(nodes)]
        held = sum(g for _, g in pieces[place])
        if ends and pieces[place]:
            gone = pieces[place].pop(number % len(pieces[place]))
            drop_piece_from_release(releases, place, *gone)
        elif held + gpus <= 4:
            pieces[place].append((end, gpus))
            add_piece_to_release(releases, place, end, gpus)
        free = 4 - sum(g for _, g in pieces[place])
        set_free_gpus_of_place(sets, place, free)
        refresh_release_times_of_place(sets, releases, place)
        for time in (0, end - 1, end, end + 1, 99):
            expected = free + sum(g for e, g in pieces[place] if e <= time)
            assert free_gpus_of_place_at(sets, releases, place, time) == expected
        for level in range(1, 5):
            assert earliest_ms_of_place_with_free_gpus(sets, releases, place, level) == plain_time(
                pieces[place], free, level
            )
            check_groups(sets, releases, nodes, pieces, level, end)


def check_groups(sets, releases, nodes, pieces, level, end):
    """Hold the earliest release of every group, and its first place, to the plain lists."""
    for g in range(len(sets.size)):
        times = {
            p: plain_time(pieces[p], 4 - sum(gpus for _, gpus in pieces[p]), level)
            for p in nodes if sets.group[p] == g
        }  # fmt: skip
        earliest = min(times.values())
        assert earliest_ms_of_group_with_free_gpus(releases, g, level) == earliest
        for time in {earliest, max(earliest, end)}:
            first = min(p for p, at in times.items() if at <= time)
            assert first_place_released_by(sets, releases, g, level, time) == first


@plainly
@pytest.mark.parametrize("size", [1, 3, 64, 65, 129, 300])
def test_an_idle_fleet_releases_nothing_and_a_place_without_a_node_is_never_free(size):
    sets = sets_of(2, size)
    releases = idle_fleet_releases(sets, used=True)
    leaves = releases.leaves.tolist()
    assert all(count.bit_count() == 1 for count in leaves)
    assert leaves[1] >= size
    assert leaves[1] // 2 < max(size, 64)
    begins = releases.tree_at.tolist()
    assert begins == [0, 2 * leaves[0]]
    assert releases.tree.shape[1] == 2 * sum(leaves)
    for level in range(1, 5):
        at = begins[1] + leaves[1]
        assert releases.tree[level, at : at + size].tolist() == [0] * size
        assert (releases.tree[level, at + size : at + leaves[1]] == LATER).all()
    none = idle_fleet_releases(sets, used=False)
    assert (none.ends.size, none.gpus.size, none.pieces.size, none.tree.size) == (0, 0, 0, 0)


@plainly
@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 50), st.none()), max_size=60))
def test_a_heap_gives_the_least_first(steps):
    heap, size, plain = np.zeros(64, np.int64), 0, []
    for key in steps:
        if key is not None:
            size = heap_size_after_pushing_job_end(heap, size, key)
            plain.append(key)
        elif plain:
            assert heap[0] == min(plain)
            plain.remove(min(plain))
            size = heap_size_after_popping_job_end(heap, size)
        assert size == len(plain)
    while plain:
        assert heap[0] == min(plain)
        plain.remove(min(plain))
        size = heap_size_after_popping_job_end(heap, size)


@plainly
@pytest.mark.parametrize("bit", range(64))
def test_the_ends_of_a_word_are_found_wherever_they_stand(bit):
    word = (1 << bit) if bit < 63 else -(1 << 63)
    assert lowest_bit_place_in_simulator_word(word) == bit
    assert highest_bit_place_in_simulator_word(word) == bit
    if bit < 62:
        assert lowest_bit_place_in_simulator_word(word | 1 << 62) == bit
        assert highest_bit_place_in_simulator_word(word | 1) == bit


@plainly
@given(st.integers(1, 9000), st.data())
@settings(max_examples=30, deadline=None)
def test_a_tower_holds_what_was_put_in_and_tells_the_least(size, data):
    # One tower of two: what lies beside it is neither read nor written.
    words, towers = empty_job_queue_bitsets_and_floors([size, 70])
    floors = towers[0]
    members = set()
    for member in data.draw(st.lists(st.integers(0, size - 1), max_size=25)):
        if member in members and data.draw(st.booleans()):
            members.discard(member)
            drop_from_job_queue_bitset(words, floors, member)
        else:
            members.add(member)
            add_to_job_queue_bitset(words, floors, member)
        assert least_in_job_queue_bitset(words, floors) == min(members, default=-1)
    for member in sorted(members):
        assert least_in_job_queue_bitset(words, floors) == member
        drop_from_job_queue_bitset(words, floors, member)
    assert not words.any()
