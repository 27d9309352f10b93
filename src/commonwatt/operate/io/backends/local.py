"""Jobs as processes of this machine, which may stand for one node or for several."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from commonwatt.operate.domain.cluster import JobRequest, NodeAllocation, ObservedNode
from commonwatt.operate.domain.requests import compact_cluster_json, node_allocations_json
from commonwatt.operate.io.backends.attempt import (
    AttemptStatus,
    job_attempt_status,
    launch_job_attempt,
    signal_job_attempt,
)
from commonwatt.operate.io.backends.folder_backend import DAY_S, FolderBackend


class LocalRunner:
    """Runs attempts on this machine.

    Args:
        nodes: What this machine offers, as one node or several.
    """

    name = "local"

    def __init__(self, nodes: Sequence[ObservedNode]) -> None:
        self._nodes = tuple(nodes)

    def nodes(self) -> tuple[ObservedNode, ...]:
        """Return the nodes that this machine stands for."""
        return self._nodes

    def launch(
        self,
        attempt: Path,
        request: JobRequest,
        places: Sequence[NodeAllocation],
        environment: Mapping[str, str],
    ) -> None:
        """Start the attempt's wrapper."""
        text = compact_cluster_json(node_allocations_json(tuple(places)))
        launch_job_attempt(attempt, text, request.argv, {**request.env, **environment})

    def attempt_statuses(self, attempts: Sequence[Path], now_s: float) -> dict[Path, AttemptStatus]:
        """Return how attempts stand, by their files and the process table."""
        return {attempt: job_attempt_status(attempt, now_s) for attempt in attempts}

    def send_signal(self, attempt: Path, number: signal.Signals) -> None:
        """Send a signal to the attempt's process group."""
        signal_job_attempt(attempt, number)

    def close(self) -> None:
        """Let go of nothing: wrappers live on their own."""


class LocalBackend(FolderBackend):
    """Runs jobs on this machine.

    Args:
        root: Where jobs are remembered.
        nodes: What this machine offers.
        clock: Returns the instant [s since 1970].
        keep_s: How long a job that is over is remembered [s].
    """

    def __init__(
        self,
        root: Path,
        nodes: Sequence[ObservedNode],
        clock: Callable[[], float],
        *,
        forget_after_s: float = DAY_S,
    ) -> None:
        super().__init__(root, LocalRunner(nodes), clock, forget_after_s=forget_after_s)
