"""What every backend can do: observe, start, stop, and take nodes in and out.

A backend holds jobs and runs them where it is told; it never chooses. Every action is
idempotent: done twice it has the effect of once, so that a controller that was killed
between acting and noting it may simply act again. What stands on a backend outlives
the controller.

Kept small enough for Kubernetes, where `start` binds pods, `drain` taints, `down`
taints with NoExecute and `resume` lifts the taint; no such backend is written.

::

    HELD ──start──▶ STARTING ──▶ RUNNING ──▶ FINISHED | FAILED
      ▲                │            │
      └────requeue─────┴────────────┘      cancel, from anywhere ──▶ CANCELLED
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class NodeState(StrEnum):
    """Whether a node takes jobs."""

    UP = "up"
    DRAINING = "draining"
    """Runs what it has, takes nothing new."""
    DRAINED = "drained"
    """Out of use and empty."""
    REBOOTING = "rebooting"
    DOWN = "down"
    """Not answering, or said to be broken; its jobs are lost and requeued."""


class JobPhase(StrEnum):
    """Where a job stands with its backend."""

    HELD = "held"
    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL_PHASES = frozenset({JobPhase.FINISHED, JobPhase.FAILED, JobPhase.CANCELLED})
"""Phases that a job never leaves."""
PHASES_ON_NODES = frozenset({JobPhase.STARTING, JobPhase.RUNNING})
"""Phases in which a job holds its places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a job requests; the live counterpart of one row of a `Workload` of `fleet`.

    Args:
        job_id: Name of the job, unique for ever: letters, digits and `._-`.
        argv: Program and its arguments.
        env: Environment beyond what the backend gives.
        tenant: Whose quota it counts against.
        user: Who submitted it.
        group: Jobs alike, for predicted run times.
        priority: Larger goes first where the policy asks for it.
        gpus: GPUs of the whole gang; 0 for a CPU job.
        gpu_milli: Share of each of these GPUs [1/1000 GPU]; 1000 is a whole one.
        cpu_milli: CPU of the whole gang [1/1000 core]; 0 binds nothing.
        memory_mib: Memory of the whole gang [MiB]; 0 binds nothing.
        single_node: The gang must share one node.
        gpu_types: GPU types that will do; none named means all.
        sites: Sites that its data may go to; none named means all.
        estimate_s: Run time that its owner claims [s].
        submitted_at_s: Submission [s since 1970].
        preemptible: May be stopped and started again.
        checkpoints: Goes on where it was when started again.
    """

    job_id: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict[str, str])
    tenant: str = "all"
    user: str = "unknown"
    group: str = "unknown"
    priority: int = 0
    gpus: int = 1
    gpu_milli: int = 1000
    cpu_milli: int = 0
    memory_mib: int = 0
    single_node: bool = False
    gpu_types: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    estimate_s: float = 3600.0
    submitted_at_s: float = 0.0
    preemptible: bool = True
    checkpoints: bool = False


@dataclass(frozen=True, slots=True)
class NodeAllocation:
    """What a job holds on one node.

    Args:
        node: Name of the node.
        gpus: GPUs of the node, by number.
        gpu_milli: Share of each of them [1/1000 GPU].
        cpu_milli: CPU [1/1000 core].
        memory_mib: Memory [MiB].
    """

    node: str
    gpus: tuple[int, ...] = ()
    gpu_milli: int = 1000
    cpu_milli: int = 0
    memory_mib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedNode:
    """One node as its backend sees it.

    Args:
        name: Name of the node.
        gpus: GPUs on it.
        gpu_type: Their type.
        site: Where it stands.
        cpu_milli: CPU [1/1000 core]; 0 where unknown, which then binds nothing.
        memory_mib: Memory [MiB]; 0 where unknown, which then binds nothing.
        state: Whether it takes jobs.
        reason: Why not, as whoever took it out said.
        boot_at_s: When it last started [s since 1970]; 0 where unknown.
    """

    name: str
    gpus: int
    gpu_type: str = "any"
    site: str = "site"
    cpu_milli: int = 0
    memory_mib: int = 0
    state: NodeState = NodeState.UP
    reason: str = ""
    boot_at_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedJob:
    """One job as its backend sees it.

    Args:
        request: What it asks.
        phase: Where it stands.
        places: What it holds while it is starting or runs, in order of nodes.
        starts: How often it has been started, this time included.
        started_at_s: Last start [s since 1970]; 0 before the first.
        ended_at_s: End [s since 1970]; 0 before it.
        exit_code: What it returned; None before its end, or where a signal ended it.
        reason: Why it stands there, as the backend says.
    """

    request: JobRequest
    phase: JobPhase
    places: tuple[NodeAllocation, ...] = ()
    starts: int = 0
    started_at_s: float = 0.0
    ended_at_s: float = 0.0
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterObservation:
    """One look at a backend.

    Args:
        at_s: When [s since 1970].
        nodes: Every node, in the backend's fixed order, which breaks ties.
        jobs: Every job that it still knows, by name; finished ones may be forgotten
            after a while, of which the backend's page says how long.
    """

    at_s: float
    nodes: tuple[ObservedNode, ...]
    jobs: dict[str, ObservedJob]


class ClusterBackend(Protocol):
    """What a controller and care may do to a cluster.

    Every action raises `BackendError` where the backend refuses or does not answer, and
    `UnknownNameError` for a node or job that it does not know. An action returns when the
    backend has accepted it; `observe` tells when it has come about.
    """

    @property
    def name(self) -> str:
        """What the backend is called: `local`, `slurm`, `ray`."""
        ...

    def observe(self) -> ClusterObservation:
        """Return every node and job as they stand now."""
        ...

    def submit(self, request: JobRequest) -> None:
        """Take a job and hold it; a job of that name that is there already stays as it is."""
        ...

    def start(self, job_id: str, places: Sequence[NodeAllocation]) -> None:
        """Start a held job on just these nodes; one that is starting or runs is left alone.

        Which GPUs of a node it gets is the backend's to refine: what `observe` then
        says counts.
        """
        ...

    def warn(self, job_id: str) -> None:
        """Tell a running job that it will be stopped (SIGTERM), so that it may save its work."""
        ...

    def requeue(self, job_id: str, reason: str) -> None:
        """Stop a job that is starting or runs, and hold it again."""
        ...

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job for good."""
        ...

    def drain(self, node: str, reason: str) -> None:
        """Let a node take nothing new; what runs there runs on."""
        ...

    def down(self, node: str, reason: str) -> None:
        """Give a node up now: every job on it is requeued and held."""
        ...

    def resume(self, node: str) -> None:
        """Let a node take jobs again."""
        ...

    def reboot(self, node: str, reason: str) -> None:
        """Restart an empty node; it comes back drained."""
        ...

    def close(self) -> None:
        """Let go of the backend; what runs on it runs on."""
        ...
