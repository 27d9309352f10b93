"""A published stock rolled forward by the published cash, beside the stock published later.

Governments publish cash as "year to date" and now and then as a single month, so no window
need run from one stock to the next. A window is a step between two month-ends that may be
walked in either direction; the cash between two stocks is the shortest such walk. The
later stock is the last that a walk reaches: a stock that no published cash leads to (an
estimate of next year's) cannot be reconciled with anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from commonwatt.treasury.domain.publications import CashWindow, PublishedStock


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """A stock rolled forward by cash, and the stock that was published; bn.

    Args:
        opening: The earlier stock.
        claimed: The later stock, as published.
        proceeds: Bond proceeds between them.
        repayment: Principal repaid between them, positive.
    """

    opening: PublishedStock
    claimed: PublishedStock
    proceeds: float
    repayment: float

    @property
    def rolled_forward_debt_bn(self) -> float:
        """The opening stock, plus proceeds, less repayments."""
        return self.opening.debt + (self.proceeds - self.repayment)

    @property
    def debt_gap_share(self) -> float:
        """Rolled less claimed, over claimed; revaluation of foreign bonds lies in it."""
        return self.rolled_forward_debt_bn / self.claimed.debt - 1


def reconcile_published_debt(
    stocks: Sequence[PublishedStock], windows: Sequence[CashWindow]
) -> Reconciliation | None:
    """Return the last two stocks that published cash connects; None where it connects none."""
    ordered = sorted(stocks, key=lambda stock: stock.on, reverse=True)
    # The latest first: the first pair that a walk connects is then the last one published.
    for claimed, opening in combinations(ordered, 2):
        walk = _shortest_cash_window_walk(windows, claimed.month, opening.month)
        if walk:
            return Reconciliation(
                opening=opening,
                claimed=claimed,
                proceeds=sum(sign * window.proceeds for sign, window in walk),
                repayment=-sum(sign * window.repayment for sign, window in walk),
            )
    return None


def _shortest_cash_window_walk(
    windows: Sequence[CashWindow], start_month: int | None, goal_month: int | None
) -> list[tuple[int, CashWindow]]:
    """Return the shortest walk back from `start_month` to `goal_month`, each window with its sign.

    Empty where there is none, and for a stock within a month, which no window reaches.
    """
    if start_month is None or goal_month is None:
        return []
    walks: dict[int, list[tuple[int, CashWindow]]] = {start_month: []}
    waiting = [start_month]
    for month in waiting:  # grows as it is walked: breadth first, so the first walk is shortest
        if month == goal_month:
            return walks[month]
        for window in windows:
            steps = {window.last: (1, window.before), window.before: (-1, window.last)}
            # A window that ends elsewhere stays at the month itself, which has been reached.
            sign, neighbour = steps.get(month, (0, month))
            if neighbour not in walks:
                walks[neighbour] = [*walks[month], (sign, window)]
                waiting.append(neighbour)
    return []
