"""What a section needs to know, where that is more than one answer of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from commonwatt.fleet.engines.metrics import FleetMetrics

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSummary:
    """What the section needs to know of a run.

    Args:
        policy: Name of what decided.
        figures: The figures.
        notes: What should be said of the reading, in the reader's language.
    """

    policy: str
    figures: FleetMetrics
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativesSummary:
    """What the section needs to know of the alternatives, labels in the reader's language.

    Args:
        rows: The figures of each, in the order of the file.
        break_even_rows: What would change the cheaper of the two best, nearest first.
        best: Name of the cheapest.
        second: Name of the next.
        best_cheaper_share: Draws in which the cheapest of the medians is the cheaper.
        currency: Of the borrowing; empty where nobody borrows.
    """

    rows: list[Row]
    break_even_rows: list[Row]
    best: str
    second: str
    best_cheaper_share: float
    currency: str
