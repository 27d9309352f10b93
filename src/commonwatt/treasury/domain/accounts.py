"""Public accounts in double entry, so that no transfer can look like income.

Every entry moves money between accounts and adds to zero, debits positive. Income
is only what is credited to an income account: money from another public pocket is
credited to that pocket, and bond proceeds to the debt, so neither can be income.

Source: IMF (2014), Government Finance Statistics Manual, chapters 3 and 4, on
transactions in financial assets and liabilities.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.debt import check_accounting_identity
from commonwatt.treasury.domain.errors import AccountError

CENT = 0.005  # half a cent: what rounding may leave in an entry


class AccountKind(StrEnum):
    """What an account is to the government's budget."""

    FUND = "fund"  # money of the fiscal reserves
    POCKET = "pocket"  # public money outside them
    DEBT = "debt"
    INCOME = "income"
    EXPENSE = "expense"


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """A named account; `programme` names the borrowing programme of a debt account."""

    name: str
    kind: AccountKind
    programme: str = ""


@dataclass(frozen=True, slots=True)
class AccountingEntry:
    """One transaction: amounts by account, debits positive, adding to zero."""

    fiscal_year: str
    memo: str
    postings: Mapping[str, float]
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class YearBalances:
    """One year's balance under three treatments, and what lies between them.

    Args:
        published: Change of the fiscal reserves.
        before_bonds: The same without bond proceeds and repayments.
        before_bonds_and_transfers: Income less expense.
        proceeds: Bond proceeds.
        repayment: Principal repaid, positive.
        transfers: Money from each public pocket, positive when it came in.
    """

    published: float
    before_bonds: float
    before_bonds_and_transfers: float
    proceeds: float
    repayment: float
    transfers: Mapping[str, float]


class GeneralLedger:
    """A chart of accounts and the entries posted to it, checked one by one."""

    def __init__(self, accounts: Iterable[BudgetAccount]) -> None:
        self.accounts = {account.name: account for account in accounts}
        self.entries: list[AccountingEntry] = []

    def post_accounting_entry(self, entry: AccountingEntry) -> None:
        """Add an entry.

        Raises:
            AccountError: It names an unknown account, or does not add to zero.
        """
        where = entry.place or f"{entry.fiscal_year}, {entry.memo}"
        for name, amount in entry.postings.items():
            self._check_budget_account(where, name)
            _check_posted_amount(where, name, amount)
        # `fsum`, so that what rounding leaves does not depend on the order of the lines.
        left = math.fsum(entry.postings.values())
        if abs(left) > CENT:
            raise AccountError(
                where,
                found=Message("debits less credits of {left}", {"left": f"{left:,.2f}"}),
                wanted=Message("an entry that adds to zero"),
            )
        self.entries.append(entry)

    def _check_budget_account(self, where: str, name: str) -> None:
        if name in self.accounts:
            return
        raise AccountError(
            where,
            found=Message("the fund or account “{name}”", {"name": name}),
            wanted=Message("one of {names}", {"names": ", ".join(self.accounts)}),
        )

    def budget_balances(self, fiscal_year: str) -> YearBalances:
        """Return the balances of a year; income less expense must equal the last of them."""
        kinds, names = self._year_totals_by_account_kind_and_name(fiscal_year)
        published = kinds[AccountKind.FUND]
        proceeds, repayment = self._bond_proceeds_and_repayment_bn(fiscal_year)
        before_bonds = published - proceeds + repayment
        transfers = {
            # Debits are positive, and a pocket whose money comes in is credited.
            name: -names[name]
            for name in names
            if self._budget_account_kind(name) is AccountKind.POCKET
        }
        # Debits are positive, so income stands negative in the books.
        balance = -kinds[AccountKind.INCOME] - kinds[AccountKind.EXPENSE]
        untransferred = before_bonds - math.fsum(transfers.values())
        check_accounting_identity(f"{fiscal_year}, accounts", untransferred, balance)
        return YearBalances(
            published=published,
            before_bonds=before_bonds,
            before_bonds_and_transfers=balance,
            proceeds=proceeds,
            repayment=repayment,
            transfers=transfers,
        )

    def _year_totals_by_account_kind_and_name(
        self, fiscal_year: str
    ) -> tuple[dict[AccountKind, float], dict[str, float]]:
        kinds: dict[AccountKind, float] = defaultdict(float)
        names: dict[str, float] = defaultdict(float)
        for name, amount in self._budget_account_postings(fiscal_year):
            kinds[self._budget_account_kind(name)] += amount
            names[name] += amount
        return kinds, names

    def _bond_proceeds_and_repayment_bn(self, fiscal_year: str) -> tuple[float, float]:
        # By sign, not by memo: an entry is what it does to the debt, whatever it is called.
        debt = [
            a
            for name, a in self._budget_account_postings(fiscal_year)
            if self._budget_account_kind(name) is AccountKind.DEBT
        ]
        return -math.fsum(a for a in debt if a < 0), math.fsum(a for a in debt if a > 0)

    def _budget_account_postings(self, fiscal_year: str) -> Iterable[tuple[str, float]]:
        entries = (entry for entry in self.entries if entry.fiscal_year == fiscal_year)
        return (posting for entry in entries for posting in entry.postings.items())

    def _budget_account_kind(self, name: str) -> AccountKind:
        return self.accounts[name].kind


def _check_posted_amount(where: str, account_name: str, amount: float) -> None:
    if math.isfinite(amount):
        return
    raise AccountError(f"{where}, {account_name}", found=str(amount), wanted=Message("an amount"))


@dataclass(frozen=True, slots=True)
class BridgeStep:
    """One step of a bridge: its name, its amount and the level after it."""

    name: str
    amount: float
    level: float


def balance_bridge_steps(balances: YearBalances) -> tuple[BridgeStep, ...]:
    """Return the steps from the published balance to income less expense.

    >>> steps = balance_bridge_steps(YearBalances(published=22.1, before_bonds=-78.2,
    ...     before_bonds_and_transfers=-206.0, proceeds=160.0, repayment=59.7,
    ...     transfers={"Exchange Fund": 75.0, "Bond Fund": 37.0, "other funds": 15.8}))
    >>> [(step.name, round(step.level, 1)) for step in steps][:3]
    [('published balance', 22.1), ('bond proceeds', -137.9), ('bond repayment', -78.2)]
    >>> round(steps[-1].level, 1)
    -206.0
    """
    moves = [("bond proceeds", -balances.proceeds), ("bond repayment", balances.repayment)]
    moves += [(name, -amount) for name, amount in balances.transfers.items()]
    steps = [BridgeStep("published balance", balances.published, balances.published)]
    for name, amount in moves:
        steps.append(BridgeStep(name, amount, steps[-1].level + amount))
    check_accounting_identity("bridge", steps[-1].level, balances.before_bonds_and_transfers)
    return tuple(steps)
