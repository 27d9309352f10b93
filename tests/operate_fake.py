"""A cluster backend in memory with a clock of its own: the obvious reference of the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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


class Killed(BaseException):
    """The controller's process is gone."""


@dataclass
class _Job:
    observed: ObservedJob
    left_s: float


class FakeBackend:
    """Runs jobs for as long as their argv says: ("run", seconds)."""

    name = "fake"

    def __init__(self, nodes: Sequence[ObservedNode], now_s: float = 1000.0) -> None:
        self.now_s, self.nodes = now_s, {node.name: node for node in nodes}
        self.jobs: dict[str, _Job] = {}
        self.actions: list[tuple[str, str]] = []
        self.kill_at: tuple[int, bool] | None = None  # which action, and whether after its effect
        self.refuse: set[str] = set()

    def observe(self) -> ClusterObservation:
        jobs = {name: job.observed for name, job in self.jobs.items()}
        return ClusterObservation(at_s=self.now_s, nodes=tuple(self.nodes.values()), jobs=jobs)

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        for job in self.jobs.values():
            if job.observed.phase == JobPhase.STARTING:
                job.observed = replace(
                    job.observed, phase=JobPhase.RUNNING, started_at_s=self.now_s
                )
            elif job.observed.phase == JobPhase.RUNNING:
                end_s = job.observed.started_at_s + job.left_s
                if end_s <= self.now_s:
                    self._end(job, JobPhase.FINISHED, end_s, 0)

    def submit(self, request: JobRequest) -> None:
        if request.job_id not in self.jobs:
            self.jobs[request.job_id] = _Job(
                ObservedJob(request=request, phase=JobPhase.HELD), float(request.argv[1])
            )

    def start(self, job_id: str, places: Sequence[NodeAllocation]) -> None:
        self._before("start", job_id)
        job = self._job(job_id)
        if job_id in self.refuse:
            raise BackendError(job_id, found="refused")
        if job.observed.phase == JobPhase.HELD:
            for place in places:
                if self.nodes[place.node].state != NodeState.UP:
                    raise BackendError(place.node, found="not up")
            job.observed = replace(
                job.observed,
                phase=JobPhase.STARTING,
                places=tuple(places),
                starts=job.observed.starts + 1,
            )
        self._after()

    def warn(self, job_id: str) -> None:
        self._before("warn", job_id)
        self._job(job_id)
        self._after()

    def requeue(self, job_id: str, reason: str) -> None:
        self._before("requeue", job_id)
        job = self._job(job_id)
        if job.observed.phase in PHASES_ON_NODES:
            self._stop(job)
        self._after()

    def cancel(self, job_id: str, reason: str) -> None:
        self._before("cancel", job_id)
        job = self._job(job_id)
        if job.observed.phase not in TERMINAL_PHASES:
            self._end(job, JobPhase.CANCELLED, self.now_s, None)
        self._after()

    def drain(self, node: str, reason: str) -> None:
        self._mark(node, NodeState.DRAINING, reason)

    def down(self, node: str, reason: str) -> None:
        self._mark(node, NodeState.DOWN, reason)
        for job in self.jobs.values():
            held_nodes = {place.node for place in job.observed.places}
            if job.observed.phase in PHASES_ON_NODES and node in held_nodes:
                self._stop(job)

    def resume(self, node: str) -> None:
        self._mark(node, NodeState.UP, "")

    def reboot(self, node: str, reason: str) -> None:
        self._mark(node, NodeState.REBOOTING, reason)

    def close(self) -> None: ...

    def _mark(self, node: str, state: NodeState, reason: str) -> None:
        if node not in self.nodes:
            raise UnknownNameError(node)
        self.nodes[node] = replace(self.nodes[node], state=state, reason=reason)

    def _job(self, job_id: str) -> _Job:
        if job_id not in self.jobs:
            raise UnknownNameError(job_id)
        return self.jobs[job_id]

    def _stop(self, job: _Job) -> None:
        if job.observed.request.checkpoints and job.observed.phase == JobPhase.RUNNING:
            job.left_s -= self.now_s - job.observed.started_at_s
        job.observed = replace(job.observed, phase=JobPhase.HELD, places=())

    def _end(self, job: _Job, phase: JobPhase, at_s: float, code: int | None) -> None:
        job.observed = replace(job.observed, phase=phase, ended_at_s=at_s, exit_code=code)

    def _before(self, action: str, subject: str) -> None:
        if self.kill_at == (len(self.actions), False):
            self.kill_at = None
            raise Killed
        self.actions.append((action, subject))

    def _after(self) -> None:
        if self.kill_at == (len(self.actions) - 1, True):
            self.kill_at = None
            raise Killed
