"""What a section needs to know, where that is more than one answer of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from commonwatt.core.messages import Message
from commonwatt.fleet.engines.metrics import FleetMetrics

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSummary:
    """What the section needs to know of a run.

    Args:
        policy: Name of what decided.
        figures: The figures.
        notes: What should be said of the reading, in the reader's language.
        extent: What it simulated.
    """

    policy: str
    figures: FleetMetrics
    notes: Sequence[str]
    extent: Message


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
        slice_extent: What use, waits and the cost of a GPU-hour are of.
        programme_extent: What capital and running cost are of.
        debt_extent: What debt and reserves are of.
    """

    rows: list[Row]
    break_even_rows: list[Row]
    best: str
    second: str
    best_cheaper_share: float
    currency: str
    slice_extent: Message
    programme_extent: Message
    debt_extent: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOneSummary:
    """What page one needs to know, labels in the reader's language.

    Args:
        title: The programme.
        changes: What was changed, in a what-if.
        rows: Figures of the programme as written, or of its alternatives, the cheapest first.
        above: What the names of their figures start with: `alternative`, or nothing where the
            one row is the programme itself.
        all_count: How many alternatives there are; page one shows those that fit.
        best_cheaper_share: Draws in which the first is cheaper than the second; None for one.
        break_even_rows: What would change the cheaper of the two best, nearest first.
        doubt: What moves the cost of the first most, as `CostDoubt` holds it; None without cost.
        doubt_site: Whose that input is.
        effect_rows: What the first adds to debt and reserves, by year; none where nobody borrows.
        days: Length of the window from the first to the last arrival.
        scale: GPUs built for each GPU simulated.
        currency: Of the borrowing; empty where nobody borrows.
        absent: Names of what the answer lacks, and why and what would mend it.
    """

    title: str
    changes: list[str]
    rows: list[Row]
    above: str
    all_count: int
    best_cheaper_share: float | None
    break_even_rows: list[Row]
    doubt: Row | None
    doubt_site: str
    effect_rows: list[Row]
    days: float
    scale: float
    currency: str
    absent: list[tuple[str, str]]
