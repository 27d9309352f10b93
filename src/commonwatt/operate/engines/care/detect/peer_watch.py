"""The live side of peer comparison: what is scraped at each look becomes peer scores."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.operate.domain.care.findings import TelemetrySample
from commonwatt.operate.domain.cluster import ClusterObservation, JobPhase
from commonwatt.operate.engines.care.detect.peers import (
    gang_peer_scores,
    suspect_minority_gang_node_indices,
)

SIGNALS: Final = (
    "DCGM_FI_DEV_SM_CLOCK",
    "DCGM_FI_DEV_POWER_USAGE",
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_GPU_TEMP",
)
"""What the nodes of one gang should have alike."""
_FEWEST = 4
_Rows = deque[npt.NDArray[np.float64]]


class PeerWatch:
    """Compares the nodes of each running gang over the last few observations.

    Args:
        window: Looks over which a node must differ.
        limit: Distance from its gang from which a node is named.
        signals: What is compared.
    """

    def __init__(
        self, *, window: int = 8, limit: float = 6.0, signals: Sequence[str] = SIGNALS
    ) -> None:
        self.window, self.limit, self.signals = window, limit, tuple(signals)
        self._rows: dict[tuple[str, int], _Rows] = {}

    def take_samples_and_score_suspect_nodes(
        self, samples: Iterable[TelemetrySample], observation: ClusterObservation
    ) -> list[TelemetrySample]:
        """Take in what a look read and return a `peer_score` for each suspect."""
        means = _telemetry_mean_by_node_and_signal(samples, self.signals)
        gangs = {
            (name, job.starts): sorted({place.node for place in job.places})
            for name, job in observation.jobs.items()
            if job.phase is JobPhase.RUNNING and len(job.places) >= _FEWEST
        }
        self._rows = {key: self._rows.get(key, _Rows(maxlen=self.window)) for key in gangs}
        scores: list[TelemetrySample] = []
        for key, nodes in gangs.items():
            self._rows[key].append(_node_by_signal_mean_matrix(means, nodes, self.signals))
            scores += self._suspect_gang_node_samples(self._rows[key], nodes, observation.at_s)
        return scores

    def _suspect_gang_node_samples(
        self, rows: _Rows, nodes: Sequence[str], at_s: float
    ) -> list[TelemetrySample]:
        values = np.array(rows)
        is_read = ~np.isnan(values).all(axis=1).any(axis=0)  # read of some node at every look
        if len(rows) < self.window or not is_read.any():
            return []
        scores = gang_peer_scores(values[:, :, is_read], window=self.window)
        return [
            TelemetrySample(at_s, nodes[int(i)], "peer_score", float(scores[-1, int(i)]))
            for i in suspect_minority_gang_node_indices(scores, limit=self.limit)
        ]


def _telemetry_mean_by_node_and_signal(
    samples: Iterable[TelemetrySample], signals: Sequence[str]
) -> dict[tuple[str, str], float]:
    """Return the mean over devices of each signal of each node."""
    values_by_signal: dict[tuple[str, str], list[float]] = {}
    for sample in samples:
        if sample.signal in signals:
            values_by_signal.setdefault((sample.node, sample.signal), []).append(sample.value)
    return {key: sum(values) / len(values) for key, values in values_by_signal.items()}


def _node_by_signal_mean_matrix(
    means: Mapping[tuple[str, str], float], nodes: Sequence[str], signals: Sequence[str]
) -> npt.NDArray[np.float64]:
    return np.array([[means.get((node, s), np.nan) for s in signals] for node in nodes])
