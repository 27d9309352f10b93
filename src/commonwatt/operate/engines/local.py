"""Jobs as processes of this machine, which may stand for one node or for several.

Finished jobs are remembered as long as the folder is. A job whose machine went down
under it is held again.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from commonwatt.core.messages import Message
from commonwatt.operate.engines.asks import compact, parsed_rows, places_json, places_of
from commonwatt.operate.engines.folder import JobFolder, write_whole
from commonwatt.operate.engines.protocol import (
    ON_NODES,
    OVER,
    Ask,
    JobSeen,
    NodeSeen,
    NodeState,
    Phase,
    Place,
    Seen,
)
from commonwatt.operate.engines.step import launch, look, tell
from commonwatt.operate.errors import EngineError, UnknownError

BY_SIGNAL = frozenset({128 + signal.SIGTERM, 128 + signal.SIGKILL})
"""What a shell returns for a program that one of our signals ended."""


class LocalEngine:
    """Runs jobs on this machine.

    Args:
        root: Where jobs are remembered.
        nodes: What this machine offers, as one node or several.
        clock: Returns the instant [s since 1970].
    """

    name = "local"

    def __init__(self, root: Path, nodes: Sequence[NodeSeen], clock: Callable[[], float]) -> None:
        self.folder, self.nodes, self.clock = JobFolder(root), tuple(nodes), clock
        self._over: dict[str, JobSeen] = {}
        self._children: list[subprocess.Popen[bytes]] = []

    def observe(self) -> Seen:
        """Return every node and job as they stand now."""
        self._children = [child for child in self._children if child.poll() is None]
        now_s = self.clock()
        jobs = {name: job for name in self.folder.names() if (job := self._job(name, now_s))}
        return Seen(at_s=now_s, nodes=self._nodes(jobs), jobs=jobs)

    def submit(self, ask: Ask) -> None:
        """Keep a job and hold it."""
        self.folder.submit(ask)

    def start(self, job_id: str, places: Sequence[Place]) -> None:
        """Start a held job as a process; gangs on several nodes start once, on the first."""
        job = self._known(job_id)
        if job.phase != Phase.HELD:
            return
        marks = self.folder.marks()
        for place in places:
            self._check_node(place.node)
            if place.node in marks:
                found = Message("a node that is {state}", {"state": marks[place.node][0].value})
                raise EngineError(place.node, found=found, wanted=Message("a node that is up"))
        attempt = self.folder.home(job_id) / str(self.folder.attempts(job_id) + 1)
        env = job.ask.env | _given(job_id, places)
        text = compact(places_json(tuple(places)))
        self._children.append(launch(attempt, text, job.ask.argv, env))

    def warn(self, job_id: str) -> None:
        """Send SIGTERM to a job's processes."""
        self._tell(job_id, signal.SIGTERM)

    def requeue(self, job_id: str, reason: str) -> None:
        """Stop a job and hold it again; one that a signal has just ended is held, too."""
        if self._known(job_id).phase in ON_NODES | {Phase.FAILED}:
            attempt = self._attempt(job_id)
            write_whole(attempt / "stopped", reason)
            self._tell(job_id, signal.SIGKILL)
            self._over.pop(job_id, None)

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job for good."""
        if self._known(job_id).phase not in OVER:
            write_whole(self.folder.home(job_id) / "cancelled", reason)
            self._tell(job_id, signal.SIGKILL)

    def drain(self, node: str, reason: str) -> None:
        """Let a node take nothing new."""
        self._check_node(node)
        self.folder.mark(node, NodeState.DRAINING, reason)

    def down(self, node: str, reason: str) -> None:
        """Give a node up: what runs on it is stopped and held again."""
        self._check_node(node)
        self.folder.mark(node, NodeState.DOWN, reason)
        for name, job in self.observe().jobs.items():
            if job.phase in ON_NODES and node in {place.node for place in job.places}:
                self.requeue(name, reason)

    def resume(self, node: str) -> None:
        """Let a node take jobs again."""
        self._check_node(node)
        self.folder.unmark(node)

    def reboot(self, node: str, reason: str) -> None:
        """Take a node out; this machine itself is never restarted.

        Raises:
            EngineError: The node is not empty.
        """
        self._check_node(node)
        if any(
            job.phase in ON_NODES and node in {place.node for place in job.places}
            for job in self.observe().jobs.values()
        ):
            raise EngineError(node, found=Message("jobs on it"), wanted=Message("an empty node"))
        self.folder.mark(node, NodeState.DRAINING, reason)

    def close(self) -> None:
        """Let go; what runs, runs on."""

    def _known(self, job_id: str) -> JobSeen:
        self.folder.known(job_id)
        job = self._job(job_id, self.clock())
        assert job is not None, "a known job has an ask"
        return job

    def _attempt(self, job_id: str) -> Path:
        return self.folder.home(job_id) / str(self.folder.attempts(job_id))

    def _tell(self, job_id: str, number: signal.Signals) -> None:
        self.folder.known(job_id)
        if self.folder.attempts(job_id):
            tell(self._attempt(job_id), number)

    def _check_node(self, node: str) -> None:
        if node not in {each.name for each in self.nodes}:
            raise UnknownError(f"node {node}", wanted=Message("a node of this cluster"))

    def _job(self, job_id: str, now_s: float) -> JobSeen | None:
        if job_id in self._over:
            return self._over[job_id]
        ask = self.folder.ask(job_id)
        if ask is None:
            return None
        job = self._look(ask, now_s)
        if job.phase in OVER:
            self._over[job_id] = job
        return job

    def _look(self, ask: Ask, now_s: float) -> JobSeen:
        home, starts = self.folder.home(ask.job_id), self.folder.attempts(ask.job_id)
        job = JobSeen(ask=ask, phase=Phase.HELD, starts=starts)
        if starts:
            job = _attempted(job, home / str(starts), now_s)
        cancelled = home / "cancelled"
        if job.phase not in OVER and cancelled.exists():
            ended_s = job.ended_at_s or cancelled.stat().st_mtime
            return replace(
                job, phase=Phase.CANCELLED, ended_at_s=ended_s, reason=cancelled.read_text()
            )
        return job

    def _nodes(self, jobs: dict[str, JobSeen]) -> tuple[NodeSeen, ...]:
        marks = self.folder.marks()
        busy = {p.node for job in jobs.values() if job.phase in ON_NODES for p in job.places}
        return tuple(_marked(node, marks.get(node.name), node.name in busy) for node in self.nodes)


def _marked(node: NodeSeen, mark: tuple[NodeState, str] | None, busy: bool) -> NodeSeen:
    if mark is None:
        return node
    state, reason = mark
    if state == NodeState.DRAINING and not busy:
        state = NodeState.DRAINED
    return replace(node, state=state, reason=reason)


def _attempted(job: JobSeen, attempt: Path, now_s: float) -> JobSeen:
    """Return `job` as its last attempt stands."""
    step = look(attempt, now_s)
    written = attempt / "places.json"
    text = written.read_text() if written.exists() else ""
    seen = replace(
        job,
        places=places_of(parsed_rows(text)) if text else (),
        started_at_s=step.started_at_s,
        ended_at_s=step.ended_at_s,
        exit_code=step.exit_code,
    )
    if step.alive:
        return replace(seen, phase=Phase.RUNNING if seen.places else Phase.STARTING)
    stopped = (attempt / "stopped").exists() and step.exit_code in BY_SIGNAL
    if step.exit_code is None or stopped:
        return replace(seen, phase=Phase.HELD, exit_code=None, places=())
    return replace(seen, phase=Phase.FAILED if step.exit_code else Phase.FINISHED)


def _given(job_id: str, places: Sequence[Place]) -> dict[str, str]:
    """Return the environment by which a job learns what it was given."""
    gpus = ",".join(str(gpu) for gpu in places[0].gpus) if places else ""
    return {
        "COMMONWATT_JOB": job_id,
        "COMMONWATT_NODES": ",".join(place.node for place in places),
        "CUDA_VISIBLE_DEVICES": gpus,
    }
