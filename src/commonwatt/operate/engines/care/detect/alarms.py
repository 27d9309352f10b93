"""Alarms: from a score to episodes, at a threshold that ordinary days afford.

The threshold is one for all nodes of a fleet, in units of each node's own high quantile
on ordinary days: a quiet node may then be heard at a low score, and a few noisy nodes
spend the fleet's budget of alarms where alone they would have raised their own bar.

Ordinary days hold unlabelled incidents. An alarm budget for them is therefore the
budget of false alarms plus the incidents that the operator reckons with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.operate.engines.care.detect.vus import node_anomaly_first_and_last_steps

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

UNIT: Final = 0.97
"""Quantile of a node's ordinary days that is its unit."""
# Evenly spaced ratios, from far above any ordinary day down: the search stops at the first
# factor that spends the budget.
_STEPS: Final = np.geomspace(20.0, 0.8, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBudget:
    """How often an alarm may be raised.

    Args:
        false_per_day: False episodes that each machine may raise [1/day].
        incidents_per_day: True incidents reckoned with on ordinary days [1/day].
        quiet: Steps without an alarm after which an episode is over.
        day: Steps of a day.
    """

    false_per_day: float = 0.1
    incidents_per_day: float = 0.3
    quiet: int = 60
    day: int = 1440


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmScore:
    """How alarms stand against labels; nothing is point-adjusted.

    Args:
        incidents: Labelled intervals.
        incidents_found: Of these, those with an alarm inside.
        minutes: Labelled steps.
        minutes_found: Of these, those with an alarm.
        false_episodes: Alarm episodes without any labelled step.
        days: Length of the labelled record [machine-days].
    """

    incidents: int
    incidents_found: int
    minutes: int
    minutes_found: int
    false_episodes: int
    days: float

    @property
    def incident_recall(self) -> float:
        """Share of the incidents that were found."""
        return self.incidents_found / self.incidents if self.incidents else 1.0

    @property
    def labelled_minutes_recall(self) -> float:
        """Share of the labelled steps that had an alarm."""
        return self.minutes_found / self.minutes if self.minutes else 1.0

    @property
    def false_episodes_per_day(self) -> float:
        """False episodes per machine-day."""
        return self.false_episodes / self.days if self.days else 0.0

    def __add__(self, other: AlarmScore) -> AlarmScore:
        return AlarmScore(
            incidents=self.incidents + other.incidents,
            incidents_found=self.incidents_found + other.incidents_found,
            minutes=self.minutes + other.minutes,
            minutes_found=self.minutes_found + other.minutes_found,
            false_episodes=self.false_episodes + other.false_episodes,
            days=self.days + other.days,
        )


def node_alarm_episodes(alarm: Bools, *, quiet: int) -> list[tuple[int, int]]:
    """Return first and last step of each episode; shorter silences do not end one.

    >>> node_alarm_episodes(np.array([1, 0, 1, 0, 0, 0, 1], dtype=bool), quiet=2)
    [(0, 2), (6, 6)]
    """
    at = np.flatnonzero(alarm)
    if not len(at):
        return []
    cuts = np.flatnonzero(np.diff(at) > quiet)
    starts, ends = at[np.r_[0, cuts + 1]], at[np.r_[cuts, len(at) - 1]]
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def alarm_threshold_by_node(
    ordinary_scores: Mapping[str, Floats], budget: AlarmBudget
) -> dict[str, float]:
    """Return each node's threshold: its unit times one factor for the fleet.

    The factor is the lowest at which the ordinary days of all nodes together hold no
    more episodes than the budget grants.

    Args:
        ordinary_scores: Scores of ordinary days, by node.
        budget: What may be raised.
    """
    units = {
        name: ordinary_node_alarm_score_quantile(score) for name, score in ordinary_scores.items()
    }
    days = sum(len(score) for score in ordinary_scores.values()) / budget.day
    # Ordinary days hold unlabelled incidents, and to grant nothing for them would push the
    # threshold above the very events that are looked for.
    granted = days * (budget.false_per_day + budget.incidents_per_day)
    scaled = [score / units[name] for name, score in ordinary_scores.items()]
    factor = float(_STEPS[0])
    for lower in _STEPS.tolist():
        # Stops at the first breach: the count need not fall with the factor, as two episodes
        # may merge into one at a lower threshold.
        if _node_alarm_episode_count(scaled, lower, budget.quiet) > granted:
            break
        factor = lower
    return {name: factor * unit for name, unit in units.items()}


def ordinary_node_alarm_score_quantile(score: Floats) -> float:
    """Return a node's unit of alarm: a high quantile of its ordinary days."""
    # A dead metric has a quantile of 0, and its node would otherwise alarm at any score.
    return max(float(np.quantile(score, UNIT)), 1e-9)


def _node_alarm_episode_count(scaled: Sequence[Floats], factor: float, quiet: int) -> int:
    return sum(len(node_alarm_episodes(score > factor, quiet=quiet)) for score in scaled)


def judge_node_alarms(
    alarm: Bools, label: npt.NDArray[np.integer], budget: AlarmBudget
) -> AlarmScore:
    """Return how `alarm` stands against `label`, both of shape (n,)."""
    starts, ends = node_anomaly_first_and_last_steps(label)
    inside = np.concatenate(([0], np.cumsum(alarm)))
    labelled = np.concatenate(([0], np.cumsum(label != 0)))
    incidents_found = int(np.count_nonzero(inside[ends + 1] > inside[starts]))
    false = [
        (a, b)
        for a, b in node_alarm_episodes(alarm, quiet=budget.quiet)
        if labelled[b + 1] == labelled[a]
    ]
    return AlarmScore(
        incidents=len(starts),
        incidents_found=incidents_found,
        minutes=int(labelled[-1]),
        minutes_found=int(np.count_nonzero(alarm & (label != 0))),
        false_episodes=len(false),
        days=len(label) / budget.day,
    )
