"""A backend over a job folder: what a scheduler of its own would remember, files do.

A `AttemptRunner` brings attempts up and tells how they stand; everything else, holding,
marking nodes, counting starts, is the same on one machine and on many.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from commonwatt.core.files import save_text
from commonwatt.core.messages import Message
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    TERMINAL_PHASES,
    ClusterObservation,
    JobPhase,
    JobRequest,
    NodeAllocation,
    NodeState,
    ObservedJob,
    ObservedNode,
)
from commonwatt.operate.domain.errors import BackendError, UnknownNameError
from commonwatt.operate.domain.requests import (
    node_allocations_from_json,
    parse_node_allocation_rows,
)
from commonwatt.operate.io.backends.attempt import AttemptStatus
from commonwatt.operate.io.backends.folder import JobFolder

SIGNAL_EXIT_CODES: Final = frozenset({128 + signal.SIGTERM, 128 + signal.SIGKILL})
"""What a shell returns for a program that one of our signals ended."""
DAY_S: Final = 86400.0


class AttemptRunner(Protocol):
    """Brings attempts up, and tells how they stand."""

    @property
    def name(self) -> str:
        """What the backend is called."""
        ...

    def nodes(self) -> tuple[ObservedNode, ...]:
        """Return every node, in a fixed order, as far as the runner knows."""
        ...

    def launch(
        self,
        attempt: Path,
        request: JobRequest,
        places: Sequence[NodeAllocation],
        environment: Mapping[str, str],
    ) -> None:
        """Bring an attempt up, unless its folder is there already."""
        ...

    def attempt_statuses(self, attempts: Sequence[Path], now_s: float) -> dict[Path, AttemptStatus]:
        """Return how each attempt stands."""
        ...

    def send_signal(self, attempt: Path, number: signal.Signals) -> None:
        """Send a signal to every process of an attempt."""
        ...

    def close(self) -> None:
        """Let go; what runs, runs on."""
        ...


class FolderBackend:
    """Holds jobs in a folder and hands them to a runner.

    Args:
        root: Where jobs are remembered.
        runner: What brings them up.
        clock: Returns the instant [s since 1970].
        forget_after_s: How long a job that is over is remembered [s].
    """

    def __init__(
        self,
        root: Path,
        runner: AttemptRunner,
        clock: Callable[[], float],
        *,
        forget_after_s: float = DAY_S,
    ) -> None:
        self.folder, self.runner, self.clock, self.forget_after_s = (
            JobFolder(root),
            runner,
            clock,
            forget_after_s,
        )
        self._over: dict[str, ObservedJob] = {}

    @property
    def name(self) -> str:
        """What the backend is called."""
        return self.runner.name

    def observe(self) -> ClusterObservation:
        """Return every node and job as they stand now."""
        now_s = self.clock()
        self._delete_folders_of_long_ended_jobs(now_s)
        names = list(self.folder.job_names())
        open_names = [name for name in names if name not in self._over]
        steps = self._attempt_statuses_of_jobs(open_names, now_s)
        jobs: dict[str, ObservedJob] = {}
        for name in names:
            # What is over does not change any more, so its files are read once: a folder of ten
            # thousand finished jobs is else read in each tick.
            job = self._over.get(name) or self._observed_job(name, steps)
            if job is not None:
                jobs[name] = job
                if job.phase in TERMINAL_PHASES:
                    self._over[name] = job
        return ClusterObservation(at_s=now_s, nodes=self._observed_nodes(jobs), jobs=jobs)

    def submit(self, request: JobRequest) -> None:
        """Keep a job and hold it."""
        self.folder.write_job_request_once(request)

    def start(self, job_id: str, places: Sequence[NodeAllocation]) -> None:
        """Start a held job; a gang on several nodes is started once, on the first of them."""
        job = self._submitted_job(job_id)
        if job.phase != JobPhase.HELD:
            return
        marks = self.folder.node_marks()
        for place in places:
            self._check_node_is_known(place.node)
            if place.node in marks:
                message = Message("a node that is {state}", {"state": marks[place.node][0].value})
                raise BackendError(place.node, found=message, wanted=Message("a node that is up"))
        attempt = self.folder.job_folder(job_id) / str(self.folder.attempt_count(job_id) + 1)
        self.runner.launch(attempt, job.request, places, _job_environment_variables(job_id, places))

    def warn(self, job_id: str) -> None:
        """Send SIGTERM to a job's processes."""
        self._signal_job(job_id, signal.SIGTERM)

    def requeue(self, job_id: str, reason: str) -> None:
        """Stop a job and hold it again; one that a signal has just ended is held, too."""
        # A job may end by the warning just before it is requeued; to leave it failed would
        # punish it for obeying.
        if self._submitted_job(job_id).phase in PHASES_ON_NODES | {JobPhase.FAILED}:
            # Written before the signal: whoever looks in between must read the coming end as
            # ours and not as a failure of the job.
            save_text(reason, self._last_attempt_folder(job_id) / "stopped")
            self._signal_job(job_id, signal.SIGKILL)
            self._over.pop(job_id, None)

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job for good."""
        if self._submitted_job(job_id).phase not in TERMINAL_PHASES:
            save_text(reason, self.folder.job_folder(job_id) / "cancelled")
            self._signal_job(job_id, signal.SIGKILL)

    def drain(self, node: str, reason: str) -> None:
        """Let a node take nothing new."""
        self._check_node_is_known(node)
        self.folder.mark_cluster_node_out_of_use(node, NodeState.DRAINING, reason)

    def down(self, node: str, reason: str) -> None:
        """Give a node up: what runs on it is stopped and held again."""
        self._check_node_is_known(node)
        self.folder.mark_cluster_node_out_of_use(node, NodeState.DOWN, reason)
        for name in self._jobs_on_node(node):
            self.requeue(name, reason)

    def resume(self, node: str) -> None:
        """Let a node take jobs again."""
        self._check_node_is_known(node)
        self.folder.mark_cluster_node_in_use(node)

    def reboot(self, node: str, reason: str) -> None:
        """Take an empty node out, which is all that this backend can do to it.

        Raises:
            BackendError: The node is not empty.
        """
        self._check_node_is_known(node)
        if self._jobs_on_node(node):
            raise BackendError(node, found=Message("jobs on it"), wanted=Message("an empty node"))
        self.folder.mark_cluster_node_out_of_use(node, NodeState.DRAINING, reason)

    def close(self) -> None:
        """Let go; what runs, runs on."""
        self.runner.close()

    def _submitted_job(self, job_id: str) -> ObservedJob:
        self.folder.submitted_job_folder(job_id)
        job = self._observed_job(job_id, self._attempt_statuses_of_jobs([job_id], self.clock()))
        assert job is not None, "a submitted job has a request"
        return job

    def _last_attempt_folder(self, job_id: str) -> Path:
        return self.folder.job_folder(job_id) / str(self.folder.attempt_count(job_id))

    def _signal_job(self, job_id: str, number: signal.Signals) -> None:
        self.folder.submitted_job_folder(job_id)
        if self.folder.attempt_count(job_id):
            self.runner.send_signal(self._last_attempt_folder(job_id), number)

    def _check_node_is_known(self, node: str) -> None:
        if node not in {known_node.name for known_node in self.runner.nodes()}:
            raise UnknownNameError(f"node {node}", wanted=Message("a node of this cluster"))

    def _jobs_on_node(self, node: str) -> list[str]:
        return [
            name
            for name, job in self.observe().jobs.items()
            if job.phase in PHASES_ON_NODES and node in {place.node for place in job.places}
        ]

    def _attempt_statuses_of_jobs(
        self, names: Sequence[str], now_s: float
    ) -> dict[Path, AttemptStatus]:
        attempts = [
            self._last_attempt_folder(name) for name in names if self.folder.attempt_count(name)
        ]
        return self.runner.attempt_statuses(attempts, now_s) if attempts else {}

    def _observed_job(self, job_id: str, steps: Mapping[Path, AttemptStatus]) -> ObservedJob | None:
        request = self.folder.job_request(job_id)
        if request is None:
            return None
        home, starts = self.folder.job_folder(job_id), self.folder.attempt_count(job_id)
        job = ObservedJob(request=request, phase=JobPhase.HELD, starts=starts)
        step = steps.get(home / str(starts))
        if step is not None:
            job = _observed_job_after_attempt(job, home / str(starts), step)
        cancelled = home / "cancelled"
        if job.phase not in TERMINAL_PHASES and cancelled.exists():
            ended_s = job.ended_at_s or cancelled.stat().st_mtime
            return replace(
                job, phase=JobPhase.CANCELLED, ended_at_s=ended_s, reason=cancelled.read_text()
            )
        return job

    def _observed_nodes(self, jobs: Mapping[str, ObservedJob]) -> tuple[ObservedNode, ...]:
        marks = self.folder.node_marks()
        busy = {p.node for job in jobs.values() if job.phase in PHASES_ON_NODES for p in job.places}
        return tuple(
            _observed_node_as_marked(node, marks.get(node.name), node.name in busy)
            for node in self.runner.nodes()
        )

    def _delete_folders_of_long_ended_jobs(self, now_s: float) -> None:
        old = [k for k, job in self._over.items() if now_s - job.ended_at_s > self.forget_after_s]
        for name in old:
            shutil.rmtree(self.folder.job_folder(name), ignore_errors=True)
            self.folder.forget_job(name)
            del self._over[name]


def _observed_node_as_marked(
    node: ObservedNode, mark: tuple[NodeState, str] | None, busy: bool
) -> ObservedNode:
    # A node that does not answer is down whatever was marked: a drain must not make it look as
    # if it still ran its jobs.
    if mark is None or node.state == NodeState.DOWN:
        return node
    state, reason = mark
    if state == NodeState.DRAINING and not busy:
        state = NodeState.DRAINED
    return replace(node, state=state, reason=reason)


def _observed_job_after_attempt(
    job: ObservedJob, attempt: Path, step: AttemptStatus
) -> ObservedJob:
    """Return `job` as its last attempt stands."""
    written = attempt / "places.json"
    text = written.read_text() if written.exists() else ""
    attempted = replace(
        job,
        places=node_allocations_from_json(parse_node_allocation_rows(text)) if text else (),
        started_at_s=step.started_at_s,
        ended_at_s=step.ended_at_s,
        exit_code=step.exit_code,
    )
    if step.alive:
        return replace(attempted, phase=JobPhase.RUNNING if attempted.places else JobPhase.STARTING)
    # Both: a job that had ended by itself before our signal reached it is over, and running it
    # again would double it.
    stopped = (attempt / "stopped").exists() and step.exit_code in SIGNAL_EXIT_CODES
    if step.exit_code is None or stopped:
        return replace(attempted, phase=JobPhase.HELD, exit_code=None, places=())
    return replace(attempted, phase=JobPhase.FAILED if step.exit_code else JobPhase.FINISHED)


def _job_environment_variables(job_id: str, places: Sequence[NodeAllocation]) -> dict[str, str]:
    """Return the environment by which a job learns what it was given."""
    # The first node's GPUs: a gang's program starts once, there, and finds the others by
    # COMMONWATT_NODES.
    gpus = ",".join(str(gpu) for gpu in places[0].gpus) if places else ""
    return {
        "COMMONWATT_JOB": job_id,
        "COMMONWATT_NODES": ",".join(place.node for place in places),
        "CUDA_VISIBLE_DEVICES": gpus,
    }
