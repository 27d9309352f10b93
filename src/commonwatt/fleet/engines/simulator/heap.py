"""A heap of whole numbers with four children a node, for compiled code.

Four children make it half as deep as two; each step down reads one cache line.
Entry 0 of the array is the least; the length is kept by the caller.
"""

from __future__ import annotations

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.workload import I64


@njit(bare=True, hot=True)
def heap_size_after_pushing_job_end(heap: I64, size: int, key: int) -> int:
    """Put `key` on the heap and return the new size."""
    at = size
    while at > 0:
        above = (at - 1) >> 2
        if heap[above] <= key:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = key
    return size + 1


@njit(bare=True, hot=True)
def heap_size_after_popping_job_end(heap: I64, size: int) -> int:
    """Take the least key, `heap[0]`, off the heap and return the new size."""
    size -= 1
    key = heap[size]
    at = key * 0  # not a literal
    while True:
        first = 4 * at + 1
        if first >= size:
            break
        least = first
        for child in range(first + 1, min(first + 4, size)):
            if heap[child] < heap[least]:
                least = child
        if heap[least] >= key:
            break
        heap[at] = heap[least]
        at = least
    heap[at] = key
    return size
