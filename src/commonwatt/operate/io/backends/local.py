"""Jobs as processes of this machine, which may stand for one node or for several."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from commonwatt.operate.domain.cluster import Ask, NodeSeen, Place
from commonwatt.operate.domain.requests import compact, places_json
from commonwatt.operate.io.backends.attempt import StepSeen, launch, look, tell
from commonwatt.operate.io.backends.folder_backend import DAY_S, FolderEngine


class LocalRunner:
    """Runs attempts on this machine.

    Args:
        nodes: What this machine offers, as one node or several.
    """

    name = "local"

    def __init__(self, nodes: Sequence[NodeSeen]) -> None:
        self._nodes = tuple(nodes)

    def nodes(self) -> tuple[NodeSeen, ...]:
        """Return the nodes that this machine stands for."""
        return self._nodes

    def launch(
        self, attempt: Path, ask: Ask, places: Sequence[Place], given: Mapping[str, str]
    ) -> None:
        """Start the attempt's wrapper."""
        text = compact(places_json(tuple(places)))
        launch(attempt, text, ask.argv, {**ask.env, **given})

    def look(self, attempts: Sequence[Path], now_s: float) -> dict[Path, StepSeen]:
        """Return how attempts stand, by their files and the process table."""
        return {attempt: look(attempt, now_s) for attempt in attempts}

    def tell(self, attempt: Path, number: signal.Signals) -> None:
        """Send a signal to the attempt's process group."""
        tell(attempt, number)

    def close(self) -> None:
        """Let go of nothing: wrappers live on their own."""


class LocalEngine(FolderEngine):
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
        nodes: Sequence[NodeSeen],
        clock: Callable[[], float],
        *,
        keep_s: float = DAY_S,
    ) -> None:
        super().__init__(root, LocalRunner(nodes), clock, keep_s=keep_s)
