"""What a room and each person in it have spent, in one table under one lock.

Costs are whole millionths of epsilon, so that sums are exact, and compose by
addition (Dwork and Roth 2014, theorem 3.14). A cost is written and committed
before its answer is computed: whatever is killed later, the budget was spent,
and nothing is ever given back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import PrivacyBudgetError
from commonwatt.sandbox.engines.privacy.measures import check_epsilon

MILLION: Final = 1_000_000
WHOLE_PROJECT: Final = ""
"""The name under which a room's own budget is kept."""

metadata = sa.MetaData()
budgets = sa.Table(
    "sandbox_budgets",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("person", sa.String(80), primary_key=True),
    sa.Column("limit_micro", sa.BigInteger, nullable=False),
    sa.Column("spent_micro", sa.BigInteger, nullable=False, default=0),
    sa.CheckConstraint("spent_micro <= limit_micro", name="never_overspent"),
)
spends = sa.Table(
    "sandbox_spends",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("room", sa.String(80), nullable=False, index=True),
    sa.Column("person", sa.String(80), nullable=False),
    sa.Column("cost_micro", sa.BigInteger, nullable=False),
    sa.Column("purpose", sa.String(200), nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetBalance:
    """A budget: epsilon allowed and spent, exact to a millionth."""

    limit: float
    spent: float

    @property
    def left(self) -> float:
        """Return what may still be spent."""
        return round(self.limit - self.spent, 6)


def to_micro_epsilon(epsilon: float) -> int:
    """Return a cost in whole millionths of epsilon, rounded up.

    >>> micro(0.1), micro(1e-9)
    (100000, 1)
    """
    check_epsilon(epsilon)
    return math.ceil(epsilon * MILLION - 1e-6)


def grant(tx: sa.Connection, project: str, epsilon: float, *, person: str = WHOLE_PROJECT) -> None:
    """Set the budget of a room, or of a person in it.

    A budget that was granted may be raised; what was spent stays spent.

    Raises:
        BudgetError: The new limit is below what was spent already.
    """
    check_epsilon(epsilon)
    limit = math.floor(epsilon * MILLION + 1e-6)
    found = _row(tx, project, person)
    if found is None:
        row = {"room": project, "person": person, "limit_micro": limit, "spent_micro": 0}
        tx.execute(budgets.insert().values(row))
        return
    if limit < found.spent_micro:
        raise PrivacyBudgetError(
            _where(project, person), found=Message("more spent already than the new limit")
        )
    tx.execute(_of(project, person).values(limit_micro=limit))


def spend(tx: sa.Connection, project: str, person: str, epsilon: float, *, purpose: str) -> None:
    """Take `epsilon` from the room's and the person's budgets, or neither.

    The caller commits `tx` before the answer is computed.

    Raises:
        BudgetError: Either budget is missing or does not cover the cost.
    """
    cost = to_micro_epsilon(epsilon)
    for owner in (WHOLE_PROJECT, person):
        _take(tx, project, owner, cost)
    row = {"room": project, "person": person, "cost_micro": cost, "purpose": purpose}
    tx.execute(spends.insert().values(row))


def balance(tx: sa.Connection, project: str, person: str = WHOLE_PROJECT) -> BudgetBalance:
    """Return the budget of a room or of a person in it.

    Raises:
        BudgetError: None was granted.
    """
    found = _row(tx, project, person)
    if found is None:
        raise _not_granted(project, person)
    return BudgetBalance(limit=found.limit_micro / MILLION, spent=found.spent_micro / MILLION)


def _take(tx: sa.Connection, room: str, person: str, cost: int) -> None:
    """Add `cost` to what was spent, in one statement that cannot overspend."""
    fits = budgets.c.spent_micro + cost <= budgets.c.limit_micro
    taken = tx.execute(
        _of(room, person).where(fits).values(spent_micro=budgets.c.spent_micro + cost)
    )
    if taken.rowcount == 1:
        return
    found = _row(tx, room, person)
    if found is None:
        raise _not_granted(room, person)
    left = (found.limit_micro - found.spent_micro) / MILLION
    raise PrivacyBudgetError(
        _where(room, person),
        found=Message("{left} of epsilon left", {"left": f"{left:g}"}),
        wanted=Message("{cost} for this question", {"cost": f"{cost / MILLION:g}"}),
        remedy=Message("Ask a coarser question, or ask the custodian for a larger budget."),
    )


def _of(room: str, person: str) -> sa.Update:
    return budgets.update().where(budgets.c.room == room, budgets.c.person == person)


def _row(tx: sa.Connection, room: str, person: str) -> sa.Row[Any, Any, Any, Any] | None:
    query = sa.select(
        budgets.c.room, budgets.c.person, budgets.c.limit_micro, budgets.c.spent_micro
    ).where(budgets.c.room == room, budgets.c.person == person)
    return tx.execute(query).one_or_none()


def _where(room: str, person: str) -> str:
    return f"{room}/{person}" if person else room


def _not_granted(room: str, person: str) -> PrivacyBudgetError:
    return PrivacyBudgetError(
        _where(room, person), wanted=Message("a budget that the custodian granted")
    )
