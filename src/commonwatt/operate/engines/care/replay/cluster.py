"""A cluster that exists in memory: nodes that break, gangs that start over.

It is a `ClusterBackend` and a `NodeTester` at once, with a clock that its user sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.lifecycle import CareStage
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    ClusterObservation,
    JobPhase,
    JobRequest,
    NodeAllocation,
    NodeState,
    ObservedJob,
    ObservedNode,
)
from commonwatt.operate.domain.errors import BackendError, UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How long things take on the simulated cluster [s].

    Args:
        reboot_s: From reboot to back.
        test_s: A test.
    """

    reboot_s: float = 300.0
    test_s: float = 180.0


@dataclass(slots=True, kw_only=True)
class SimCluster:
    """Nodes and jobs in memory.

    Args:
        names: Nodes, in their fixed order.
        timings: How long things take.
        now_s: The instant; its user sets it.
        broken: Nodes that are truly at fault, with the first aid that heals them;
            none heals what needs a person.
        unreachable: Nodes that ignore `resume`, as a node does that its backend still holds.
    """

    names: Sequence[str]
    timings: Timings = field(default_factory=Timings)
    gpus: int = 8
    now_s: float = 0.0
    broken: dict[str, frozenset[CareStage]] = field(default_factory=dict[str, frozenset[CareStage]])
    unreachable: set[str] = field(default_factory=set[str])
    jobs: dict[str, ObservedJob] = field(default_factory=dict[str, ObservedJob])
    actions: list[tuple[float, str, str]] = field(default_factory=list[tuple[float, str, str]])
    name: str = "simulated"
    _nodes: dict[str, ObservedNode] = field(default_factory=dict[str, ObservedNode])
    _until: dict[str, float] = field(default_factory=dict[str, float])
    _tests: dict[str, float] = field(default_factory=dict[str, float])
    _cached_nodes: tuple[ObservedNode, ...] | None = None

    def __post_init__(self) -> None:
        self._nodes = {name: ObservedNode(name=name, gpus=self.gpus) for name in self.names}

    def observe(self) -> ClusterObservation:
        """Return every node and job as they stand now."""
        for node in [n for n, until_s in self._until.items() if until_s <= self.now_s]:
            back_s = self._until.pop(node)
            self._change_care_replay_node(node, state=NodeState.DRAINED, boot_at_s=back_s)
        if self._cached_nodes is None:
            self._cached_nodes = tuple(self._nodes.values())
        return ClusterObservation(at_s=self.now_s, nodes=self._cached_nodes, jobs=dict(self.jobs))

    def submit(self, request: JobRequest) -> None:
        """Take a job and hold it."""
        self.jobs.setdefault(request.job_id, ObservedJob(request=request, phase=JobPhase.HELD))

    def start(self, job_id: str, places: Sequence[NodeAllocation]) -> None:
        """Start a held job on nodes that are up."""
        job = self._known_care_replay_job(job_id)
        if job.phase is not JobPhase.HELD:
            return
        for place in places:
            if self._known_care_replay_node(place.node).state is not NodeState.UP:
                raise BackendError(place.node, wanted=Message("a node that is up"))
        self.jobs[job_id] = replace(
            job,
            phase=JobPhase.RUNNING,
            places=tuple(places),
            starts=job.starts + 1,
            started_at_s=self.now_s,
        )

    def warn(self, job_id: str) -> None:
        """Do nothing: simulated jobs save nothing at a warning."""
        self._known_care_replay_job(job_id)

    def requeue(self, job_id: str, reason: str) -> None:
        """Stop a job and hold it again."""
        job = self._known_care_replay_job(job_id)
        if job.phase in PHASES_ON_NODES:
            self.jobs[job_id] = replace(job, phase=JobPhase.HELD, places=(), reason=reason)
            self._settle_draining_nodes(job)

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job for good."""
        job = self._known_care_replay_job(job_id)
        self.jobs[job_id] = replace(job, phase=JobPhase.CANCELLED, places=(), reason=reason)
        self._settle_draining_nodes(job)

    def drain(self, node: str, reason: str) -> None:
        """Let a node take nothing new."""
        if self._known_care_replay_node(node).state is NodeState.UP:
            self._record_care_action_on_node(node, "drain")
            self._change_care_replay_node(
                node, state=self._node_state_while_draining(node), reason=reason
            )

    def down(self, node: str, reason: str) -> None:
        """Give a node up: its jobs are held again."""
        self._record_care_action_on_node(node, "down")
        self._change_care_replay_node(node, state=NodeState.DOWN, reason=reason)
        for job_id, job in self.jobs.items():
            if any(place.node == node for place in job.places):
                self.requeue(job_id, reason)

    def resume(self, node: str) -> None:
        """Let a node take jobs again, unless it cannot be reached."""
        self._record_care_action_on_node(node, "resume")
        if node not in self.unreachable:
            self._change_care_replay_node(node, state=NodeState.UP, reason="")

    def reboot(self, node: str, reason: str) -> None:
        """Restart an empty node; it comes back drained."""
        if self._is_care_replay_node_busy(node):
            raise BackendError(node, found=Message("jobs on it"), wanted=Message("an empty node"))
        self._record_care_action_on_node(node, "reboot")
        self._change_care_replay_node(node, state=NodeState.REBOOTING, reason=reason)
        self._until[node] = self.now_s + self.timings.reboot_s
        self._heal_broken_node(node, CareStage.REBOOT)

    def close(self) -> None:
        """Let go."""

    def reset(self, node: str) -> None:
        """Reset a node's devices, at once."""
        self._record_care_action_on_node(node, "reset")
        self._heal_broken_node(node, CareStage.RESET)
        self._change_care_replay_node(node, state=NodeState.DRAINED)

    def begin_test(self, node: str) -> None:
        """Begin a test, which ends after a while."""
        if self._tests.get(node, -1.0) <= self.now_s:
            self._record_care_action_on_node(node, "test")
            self._tests[node] = self.now_s + self.timings.test_s
            self._change_care_replay_node(node, state=NodeState.DRAINED)

    def test_result(self, node: str) -> bool | None:
        """Return whether a node is sound, once its test has ended."""
        ends_s = self._tests.get(node)
        if ends_s is None or ends_s > self.now_s:
            return None
        return node not in self.broken

    def _heal_broken_node(self, node: str, aid: CareStage) -> None:
        if aid in self.broken.get(node, frozenset()):
            del self.broken[node]

    def _node_state_while_draining(self, node: str) -> NodeState:
        return NodeState.DRAINING if self._is_care_replay_node_busy(node) else NodeState.DRAINED

    def _settle_draining_nodes(self, job: ObservedJob) -> None:
        for place in job.places:
            if self._nodes[place.node].state is NodeState.DRAINING:
                self._change_care_replay_node(
                    place.node, state=self._node_state_while_draining(place.node)
                )

    def _is_care_replay_node_busy(self, node: str) -> bool:
        return any(p.node == node for job in self.jobs.values() for p in job.places)

    def _record_care_action_on_node(self, node: str, action: str) -> None:
        self._known_care_replay_node(node)
        self.actions.append((self.now_s, node, action))

    def _known_care_replay_node(self, node: str) -> ObservedNode:
        if node not in self._nodes:
            raise UnknownNameError(f"node {node}", wanted=Message("a node of this cluster"))
        return self._nodes[node]

    def _known_care_replay_job(self, job_id: str) -> ObservedJob:
        if job_id not in self.jobs:
            raise UnknownNameError(f"job {job_id}", wanted=Message("a job of this cluster"))
        return self.jobs[job_id]

    def _change_care_replay_node(self, node: str, **changes: object) -> None:
        self._nodes[node] = replace(self._known_care_replay_node(node), **changes)  # pyright: ignore[reportArgumentType]
        self._cached_nodes = None
