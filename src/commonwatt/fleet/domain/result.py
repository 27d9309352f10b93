"""What a simulation returns: when and where every job ran, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cached_property

import numpy as np

from commonwatt.core.hashes import sha256_of_named_arrays
from commonwatt.fleet.domain.workload import I32, I64


class JobState(IntEnum):
    """The one state that every job ends in; the names are said in lower case."""

    FINISHED = 0
    WAITING = 1
    """Still waiting when nothing more could happen, for example for a quota."""
    REJECTED = 2
    """Requests more than any set of permitted nodes holds, even when idle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Unbroken stretches of running, one or more a job, in order of job and start.

    Columns have shape (segments,); a gang over several nodes has its first node
    here and the others in the `more_` columns.

    Args:
        job: Number of the job.
        start_ms: Start [ms].
        end_ms: End or preemption [ms].
        node: First node; -1 for a job that requests nothing of any node.
        milli: GPU held on that node [1/1000 GPU].
        more_segment: Segment that a further piece belongs to.
        more_node: Node of the further piece.
        more_milli: GPU held there [1/1000 GPU].
    """

    job: I64
    start_ms: I64
    end_ms: I64
    node: I64
    milli: I64
    more_segment: I64
    more_node: I64
    more_milli: I64

    def __len__(self) -> int:
        return len(self.job)

    def segment_node_and_gpu_milli(self) -> tuple[I64, I64, I64]:
        """Return segment, node and GPU [1/1000 GPU] of every piece that holds a node."""
        # -1 holds no node at all, and as an index it would mean the last one.
        with_node = np.flatnonzero(self.node >= 0)
        return (
            np.concatenate([with_node, self.more_segment]),
            np.concatenate([self.node[with_node], self.more_node]),
            np.concatenate([self.milli[with_node], self.more_milli]),
        )


@dataclass(frozen=True, kw_only=True)
class SimulationResult:
    """The outcome of one simulation; job columns have shape (jobs,).

    Args:
        start_ms: First start [ms], -1 where a job never started.
        end_ms: End [ms], -1 where a job did not finish.
        pending_ms: All time between submission and end that was not spent running [ms];
            -1 where a job did not finish.
        state: The `JobState` of each job.
        preemptions: How often each job was preempted.
        segments: When and where jobs ran.
    """

    start_ms: I64
    end_ms: I64
    pending_ms: I64
    state: I32
    preemptions: I32
    segments: Segments

    def __len__(self) -> int:
        return len(self.start_ms)

    @cached_property
    def schedule_sha256(self) -> str:
        """Digest of every column: equal digests mean equal schedules."""
        # First starts, ends and pending times follow from the segments, so they add nothing to a
        # digest.
        segments = {f.name: getattr(self.segments, f.name) for f in fields(Segments)}
        return sha256_of_named_arrays(
            segments | {"state": self.state, "preemptions": self.preemptions}
        )


def exact_sum_of_gpu_amounts(gpu_amounts: I64) -> int:
    """Return the sum of whole numbers exactly, beyond 64 bits if need be.

    >>> exact_sum_of_gpu_amounts(np.array([2**62, 2**62, -1])) == 2**63 - 1
    True
    """
    # Each half is below 2^32, so that two thousand million of them add up within 64 bits.
    high, low = gpu_amounts >> 32, gpu_amounts & 0xFFFFFFFF
    return (int(high.sum()) << 32) + int(low.sum())
