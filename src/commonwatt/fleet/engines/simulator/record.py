"""The record that plain engines keep while they run, and the result made of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from commonwatt.fleet.domain.policies.gangs import GangPiece
from commonwatt.fleet.domain.result import JobState, Segments, SimulationResult
from commonwatt.fleet.domain.workload import I64, Bools, Workload


class ScheduleRecorder:
    """Starts and stops as they happen.

    Args:
        workload: The jobs.
        rejected: Which jobs can never fit, shape (jobs,).
    """

    def __init__(self, workload: Workload, rejected: Bools) -> None:
        self.workload, self.rejected = workload, rejected
        self.rows: list[tuple[int, int, int, tuple[GangPiece, ...]]] = []
        self._open: dict[int, tuple[int, tuple[GangPiece, ...]]] = {}
        self._starts = [0] * len(workload)
        self._preempted = np.zeros(len(workload), np.int32)
        self._end_ms = np.full(len(workload), -1, np.int64)

    def simulated_start_count_of_job(self, job: int) -> int:
        """Return how often `job` has started."""
        return self._starts[job]

    def record_simulated_job_start(
        self, job: int, now_ms: int, pieces: tuple[GangPiece, ...]
    ) -> None:
        """Record that `job` starts on `pieces`."""
        self._open[job] = (now_ms, pieces)
        self._starts[job] += 1

    def record_simulated_job_stop(self, job: int, now_ms: int, *, preempted: bool = False) -> None:
        """Record that `job` stops: preempted, or at its end."""
        start_ms, pieces = self._open.pop(job)
        self.rows.append((job, start_ms, now_ms, pieces))
        if preempted:
            self._preempted[job] += 1
        else:
            self._end_ms[job] = now_ms

    def finished_simulation_result(self) -> SimulationResult:
        """Return the result of a replay that has run to its end."""
        segments = _job_segments_of_rows(self.rows)
        jobs = len(self.workload)
        start_ms = np.full(jobs, -1, np.int64)
        # Backwards, so that of several starts of a job the first is what stays.
        start_ms[segments.job[::-1]] = segments.start_ms[::-1]
        ran_ms = np.zeros(jobs, np.int64)
        # A preempted job has several segments, of which `+=` on an index would add one.
        np.add.at(ran_ms, segments.job, segments.end_ms - segments.start_ms)
        done = self._end_ms >= 0
        state = np.where(done, JobState.FINISHED, JobState.WAITING).astype(np.int32)
        state[self.rejected] = JobState.REJECTED
        pending_ms = np.where(done, self._end_ms - self.workload.submit_ms - ran_ms, -1)
        return SimulationResult(
            start_ms=start_ms,
            end_ms=self._end_ms,
            pending_ms=pending_ms,
            state=state,
            preemptions=self._preempted,
            segments=segments,
        )


def _job_segments_of_rows(
    segment_rows: list[tuple[int, int, int, tuple[GangPiece, ...]]],
) -> Segments:
    first = [
        _node_and_gpu_milli_of_piece(pieces[0]) if pieces else (-1, 0)
        for *_, pieces in segment_rows
    ]
    further = [
        (i, *_node_and_gpu_milli_of_piece(p))
        for i, (*_, pieces) in enumerate(segment_rows)
        for p in pieces[1:]
    ]
    return segments_in_job_order(
        {
            "job": _gpu_job_segment_number_array([job for job, _, _, _ in segment_rows]),
            "start_ms": _gpu_job_segment_number_array(
                [start_ms for _, start_ms, _, _ in segment_rows]
            ),
            "end_ms": _gpu_job_segment_number_array([end_ms for _, _, end_ms, _ in segment_rows]),
            "node": _gpu_job_segment_number_array([node for node, _ in first]),
            "milli": _gpu_job_segment_number_array([milli for _, milli in first]),
            "more_segment": _gpu_job_segment_number_array([i for i, _, _ in further]),
            "more_node": _gpu_job_segment_number_array([node for _, node, _ in further]),
            "more_milli": _gpu_job_segment_number_array([milli for _, _, milli in further]),
        }
    )


def _node_and_gpu_milli_of_piece(piece: GangPiece) -> tuple[int, int]:
    return piece.node, piece.request.gpus * piece.request.gpu_milli


def _gpu_job_segment_number_array(segment_numbers: list[int]) -> I64:
    return np.array(segment_numbers, np.int64)


def segments_in_job_order(columns: Mapping[str, I64]) -> Segments:
    """Return segments in order of job and start, whatever order they came in."""
    # `lexsort` sorts by its last key first.
    order = np.lexsort((columns["start_ms"], columns["job"]))
    new = np.empty_like(order)
    new[order] = np.arange(len(order))
    first_node_columns = ("job", "start_ms", "end_ms", "node", "milli")
    segment = new[columns["more_segment"]]
    further = np.argsort(segment, kind="stable")
    return Segments(
        **{name: columns[name][order] for name in first_node_columns},
        more_segment=segment[further],
        more_node=columns["more_node"][further],
        more_milli=columns["more_milli"][further],
    )
