"""Learned detectors: fitted on ordinary days of one node, without labels.

`PcaDistance` looks at windows of all metrics of a node together: the mean of the last
`window` steps, less the mean of the last `baseline` steps (or of all ordinary days),
in units of each metric's spread, measured along the principal components of ordinary
days. A component that ordinary days hardly use counts most, up to a ridge:

    d² = Σ_k p_k² / (λ_k + ridge)

with p_k the projection on component k and λ_k its variance on ordinary days.
`DetectorEnsemble` averages several of them over several lengths of smoothing, each in units of
its own high quantile on ordinary days. `SeasonalDistance` measures the distance to what is
usual at that minute of the day.

Source: Jackson, Mudholkar (1979), "Control procedures for residuals associated with
    principal component analysis", Technometrics 21; the ridge stands for their choice
    of how many components to keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.errors import TelemetryError
from commonwatt.operate.engines.care.detect.windows import (
    centred_telemetry_mean,
    trailing_telemetry_mean,
)

Floats = npt.NDArray[np.float64]

SMALLEST_SPREAD: Final = 0.01
"""Spread that a metric scaled to 0..1 is given at least, so that one that never moved
on ordinary days does not shout when it moves a little."""
FARTHEST: Final = 20.0
"""No single metric counts for more than so many spreads."""


class Detector(Protocol):
    """What scores the later days of a node by its ordinary days."""

    def score(self, ordinary: Floats, later: Floats) -> tuple[Floats, Floats]:
        """Return scores of the ordinary days and of the later ones.

        Args:
            ordinary: Days to learn from, shape (n, metrics).
            later: The days that follow them without a gap, shape (m, metrics).
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PcaDistance:
    """Distance of the last few steps from ordinary days, along principal components.

    Args:
        window: Steps that are averaged.
        baseline: Steps of the trailing mean that is taken off; 0 takes off the mean of
            the ordinary days.
        ridge: Variance below which a component counts no more for being quiet.
    """

    window: int = 5
    baseline: int = 0
    ridge: float = 1.0

    def score(self, ordinary: Floats, later: Floats) -> tuple[Floats, Floats]:
        """Return the distances of the ordinary and of the later days."""
        values = _joined_node_telemetry(ordinary, later)
        n = len(ordinary)
        usual = (
            trailing_telemetry_mean(values, self.baseline) if self.baseline else values[:n].mean(0)
        )
        moved = trailing_telemetry_mean(values - usual, self.window)
        spread = np.maximum(moved[:n].std(axis=0), SMALLEST_SPREAD)
        scaled = np.clip(moved / spread, -FARTHEST, FARTHEST)
        variance, components = np.linalg.eigh(scaled[:n].T @ scaled[:n] / n)
        projected = scaled @ components
        distance = np.sqrt((projected**2 / (np.maximum(variance, 0) + self.ridge)).sum(axis=1))
        return distance[:n], distance[n:]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonalDistance:
    """Distance from what is usual at that step of the day.

    Args:
        day: Steps of one day.
        window: Steps that are averaged.
    """

    day: int = 1440
    window: int = 5

    def score(self, ordinary: Floats, later: Floats) -> tuple[Floats, Floats]:
        """Return root mean square deviations from the median day, in spreads."""
        values = _joined_node_telemetry(ordinary, later)
        n = len(ordinary)
        days = n // self.day
        if days < 2:
            raise TelemetryError(
                "telemetry",
                found=Message("{days} whole days", {"days": str(days)}),
                wanted=Message("two whole ordinary days or more"),
            )
        first = n - days * self.day
        usual = np.median(ordinary[first:].reshape(days, self.day, -1), axis=0)
        phase = (np.arange(len(values)) - first) % self.day
        moved = trailing_telemetry_mean(
            values - trailing_telemetry_mean(usual, self.window)[phase], self.window
        )
        spread = np.maximum(moved[:n].std(axis=0), SMALLEST_SPREAD)
        scaled = np.clip(moved / spread, -FARTHEST, FARTHEST)
        distance = np.sqrt((scaled**2).mean(axis=1))
        return distance[:n], distance[n:]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorEnsemble:
    """The mean of several detectors at several lengths of smoothing.

    Args:
        members: The detectors.
        smoothings: Lengths of smoothing of each score, in steps.
        live: Smooth over the past only; otherwise over both sides, to rank past days.
        unit: Quantile of ordinary days that becomes 1.
    """

    members: Sequence[Detector]
    smoothings: Sequence[int] = (1, 7, 31)
    live: bool = True
    unit: float = 0.99

    def score(self, ordinary: Floats, later: Floats) -> tuple[Floats, Floats]:
        """Return the mean of all scores, each in its own unit."""
        n, smooth = len(ordinary), trailing_telemetry_mean if self.live else centred_telemetry_mean
        total = np.zeros(n + len(later))
        for member in self.members:
            whole = np.concatenate(member.score(ordinary, later))
            for length in self.smoothings:
                total += node_anomaly_score_over_quantile(smooth(whole, length), n, self.unit)
        total /= len(self.members) * len(self.smoothings)
        return total[:n], total[n:]


def node_anomaly_score_over_quantile(score: Floats, ordinary: int, quantile: float) -> Floats:
    """Return `score` in units of its own `quantile` over the first `ordinary` steps.

    >>> node_anomaly_score_over_quantile(np.array([1.0, 2.0, 4.0, 8.0]), 3, 0.5).tolist()
    [0.5, 1.0, 2.0, 4.0]
    """
    return score / max(float(np.quantile(score[:ordinary], quantile)), 1e-9)


def node_anomaly_ranking_detector(*, day: int = 1440, live: bool = False) -> DetectorEnsemble:
    """Return the detector that ranks the steps of past days best.

    Levels against all ordinary days, the last 60 and the last 240 steps, and against
    the usual day, over windows of one and of five steps. With `live` it looks back only.
    """
    members: list[Detector] = [
        PcaDistance(window=window, baseline=baseline)
        for baseline in (0, 60, 240)
        for window in (1, 5)
    ]
    members += [SeasonalDistance(day=day, window=window) for window in (1, 5)]
    return DetectorEnsemble(members=members, live=live)


def node_alarm_detector(*, day: int = 1440) -> DetectorEnsemble:
    """Return the detector that raises alarms: level and season of the last five steps."""
    members: list[Detector] = [PcaDistance(window=5), SeasonalDistance(day=day, window=5)]
    return DetectorEnsemble(members=members, smoothings=(1,))


def _joined_node_telemetry(ordinary: Floats, later: Floats) -> Floats:
    if ordinary.ndim != 2 or ordinary.shape[1:] != later.shape[1:] or not len(ordinary):
        raise TelemetryError(
            "telemetry",
            found=Message(
                "{first} metrics, then {second}",
                {"first": str(ordinary.shape[-1]), "second": str(later.shape[-1])},
            ),
            wanted=Message("the same metrics on ordinary and later days"),
        )
    return np.concatenate((ordinary, later))
