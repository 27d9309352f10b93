"""What a project and each person in it have spent, in one table under one lock.

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
from commonwatt.sandbox.domain.epsilon import MILLION
from commonwatt.sandbox.domain.errors import PrivacyBudgetError
from commonwatt.sandbox.engines.privacy.measures import check_epsilon_finite_above_zero

WHOLE_PROJECT: Final = ""
"""The name under which a project's own budget is kept."""

metadata = sa.MetaData()
budgets = sa.Table(
    "sandbox_budgets",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("person", sa.String(80), primary_key=True),
    sa.Column("limit_micro", sa.BigInteger, nullable=False),
    sa.Column("spent_micro", sa.BigInteger, nullable=False, default=0),
    # The last guard: whatever code forgets, the database refuses to overspend.
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
    def epsilon_left(self) -> float:
        """Return what may still be spent."""
        return round(self.limit - self.spent, 6)


def micro_epsilon_rounded_up(epsilon: float) -> int:
    """Return a cost in whole millionths of epsilon, rounded up.

    >>> micro_epsilon_rounded_up(0.1), micro_epsilon_rounded_up(1e-9)
    (100000, 1)
    """
    check_epsilon_finite_above_zero(epsilon)
    # Rounded up, so that no cost is ever free; the tolerance keeps sums such as 0.1 + 0.2 from
    # costing a millionth more.
    return math.ceil(epsilon * MILLION - 1e-6)


def set_privacy_budget_epsilon_limit(
    tx: sa.Connection, project: str, epsilon: float, *, person: str = WHOLE_PROJECT
) -> None:
    """Set the budget of a project, or of a person in it.

    A budget that was granted may be raised; what was spent stays spent.

    Raises:
        PrivacyBudgetError: The new limit is below what was spent already.
    """
    check_epsilon_finite_above_zero(epsilon)
    # Rounded down, the other way than costs: neither rounding may give a person more than was
    # granted.
    limit = math.floor(epsilon * MILLION + 1e-6)
    budget_row = _privacy_budget_row(tx, project, person)
    if budget_row is None:
        row = {"room": project, "person": person, "limit_micro": limit, "spent_micro": 0}
        tx.execute(budgets.insert().values(row))
        return
    if limit < budget_row.spent_micro:
        raise PrivacyBudgetError(
            _privacy_budget_holder_name(project, person),
            found=Message("more spent already than the new limit"),
        )
    tx.execute(_privacy_budget_update(project, person).values(limit_micro=limit))


def spend_privacy_budget(
    tx: sa.Connection, project: str, person: str, epsilon: float, *, purpose: str
) -> None:
    """Take `epsilon` from the project's and the person's budgets, or neither.

    The caller commits `tx` before the answer is computed.

    Raises:
        PrivacyBudgetError: Either budget is missing or does not cover the cost.
    """
    cost = micro_epsilon_rounded_up(epsilon)
    # Both or neither: the caller's transaction takes the first back when the second refuses.
    for owner in (WHOLE_PROJECT, person):
        _take_micro_epsilon_from_privacy_budget(tx, project, owner, cost)
    row = {"room": project, "person": person, "cost_micro": cost, "purpose": purpose}
    tx.execute(spends.insert().values(row))


def privacy_budget_balance(
    tx: sa.Connection, project: str, person: str = WHOLE_PROJECT
) -> BudgetBalance:
    """Return the budget of a project or of a person in it.

    Raises:
        PrivacyBudgetError: None was granted.
    """
    budget_row = _privacy_budget_row(tx, project, person)
    if budget_row is None:
        raise _missing_privacy_budget_error(project, person)
    return BudgetBalance(
        limit=budget_row.limit_micro / MILLION, spent=budget_row.spent_micro / MILLION
    )


def _take_micro_epsilon_from_privacy_budget(
    tx: sa.Connection, project: str, person: str, cost: int
) -> None:
    """Add `cost` to what was spent, in one statement that cannot overspend."""
    fits = budgets.c.spent_micro + cost <= budgets.c.limit_micro
    update = tx.execute(
        _privacy_budget_update(project, person)
        .where(fits)
        .values(spent_micro=budgets.c.spent_micro + cost)
    )
    # The condition is part of the statement, so two processes that read the same balance cannot
    # both spend it.
    if update.rowcount == 1:
        return
    budget_row = _privacy_budget_row(tx, project, person)
    if budget_row is None:
        raise _missing_privacy_budget_error(project, person)
    remaining = (budget_row.limit_micro - budget_row.spent_micro) / MILLION
    raise PrivacyBudgetError(
        _privacy_budget_holder_name(project, person),
        found=Message("{left} of epsilon left", {"left": f"{remaining:g}"}),
        wanted=Message("{cost} for this question", {"cost": f"{cost / MILLION:g}"}),
        remedy=Message("Ask a coarser question, or ask the custodian for a larger budget."),
    )


def _privacy_budget_update(project: str, person: str) -> sa.Update:
    return budgets.update().where(budgets.c.room == project, budgets.c.person == person)


def _privacy_budget_row(
    tx: sa.Connection, project: str, person: str
) -> sa.Row[Any, Any, Any, Any] | None:
    query = sa.select(
        budgets.c.room, budgets.c.person, budgets.c.limit_micro, budgets.c.spent_micro
    ).where(budgets.c.room == project, budgets.c.person == person)
    return tx.execute(query).one_or_none()


def _privacy_budget_holder_name(project: str, person: str) -> str:
    return f"{project}/{person}" if person else project


def _missing_privacy_budget_error(project: str, person: str) -> PrivacyBudgetError:
    return PrivacyBudgetError(
        _privacy_budget_holder_name(project, person),
        wanted=Message("a budget that the custodian granted"),
    )
