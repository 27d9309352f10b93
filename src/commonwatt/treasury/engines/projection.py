"""A country year by year: accounts, debt, reserves, and what moved the ratio.

Each year posts its lines, its bonds and its transfers to the ledger; every figure
that is shown is read back from the ledger and the ladder, and four identities are
checked: entries balance, balances agree with income less expense, the stock moves
by issues less redemptions, and the decomposition adds up to the change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from commonwatt.treasury.domain.accounts import (
    AccountingEntry,
    AccountKind,
    BudgetAccount,
    GeneralLedger,
    YearBalances,
)
from commonwatt.treasury.domain.bonds.ladder import (
    Tranche,
    coupon_interest_bn_in_year,
    debt_redemption_bn_in_year,
    outstanding_debt_bn_after_year,
)
from commonwatt.treasury.domain.country import BudgetLine, Country, LineDriver, MixPart
from commonwatt.treasury.domain.debt import (
    DebtDecomposition,
    DebtYear,
    check_accounting_identity,
    decompose_debt_change,
)


class DebtBasis(StrEnum):
    """What the opening stock is: proceeds less repayments, or at current exchange rates."""

    CASH = "cash"
    REVALUED = "revalued"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingTreatment:
    """How the books are read; every output names it.

    Args:
        bonds_as_income: The balance that is headlined counts bond proceeds.
        transfers_as_income: It counts money from other public pockets.
        basis: Which stock opens the path.
        programmes: Programmes that count as debt; none named: all.
    """

    bonds_as_income: bool = True
    transfers_as_income: bool = True
    basis: DebtBasis = DebtBasis.CASH
    programmes: tuple[str, ...] = ()

    def headline_balance_bn(self, balances: YearBalances) -> float:
        """Return the balance that this treatment headlines."""
        balance = balances.published if self.bonds_as_income else balances.before_bonds
        if not self.transfers_as_income:
            balance -= math.fsum(balances.transfers.values())
        return balance


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedYear:
    """One projected year, in bn of the country's currency."""

    year: int
    name: str
    gdp: float
    debt_before: float
    revaluation: float
    debt: float
    gross_issuance: float
    redemption: float
    interest: float
    primary_balance: float
    gross_financing_need: float
    reserves: float | None
    balances: YearBalances
    decomposition: DebtDecomposition
    debt_by_currency: Mapping[str, float]

    @property
    def debt_share(self) -> float:
        """Debt over GDP."""
        return self.debt / self.gdp


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A path with the ledger and the ladder that it was read from."""

    country: Country
    treatment: AccountingTreatment
    years: tuple[ProjectedYear, ...]
    ledger: GeneralLedger
    ladder: tuple[Tranche, ...]


@dataclass(slots=True)
class _YearState:
    """What one year hands to the next."""

    ladder: list[Tranche]
    reserves: float | None
    amounts: dict[str, float] = field(default_factory=dict[str, float])


def project_country_debt(
    country: Country,
    *,
    years: int | None = None,
    treatment: AccountingTreatment | None = None,
    extra_need: Mapping[int, float] | None = None,
) -> Projection:
    """Return the projection of a country.

    Args:
        country: What is projected.
        years: How many years; the planned ones by default.
        treatment: How the books are read.
        extra_need: Capital need on top of the plan, financed by further bonds, in bn
            by the calendar year in which the fiscal year starts.
    """
    treatment = treatment or AccountingTreatment()
    ledger = GeneralLedger(_budget_accounts_of_country(country))
    # Past years are posted, too: the same checks that hold the projection hold what was published.
    for entry in country.entries:
        ledger.post_accounting_entry(entry)
    state = _YearState(_opening_debt_tranches(country, treatment), country.reserves)
    count = years or max(len(country.issuance), 5)
    span = range(country.first_year, country.first_year + count)
    need = extra_need or {}
    return Projection(
        country=country,
        treatment=treatment,
        # A tuple, and not a generator: each year moves `state`, which the ladder is read from.
        years=tuple(
            _project_fiscal_year(country, ledger, state, year, need.get(year, 0.0)) for year in span
        ),
        ledger=ledger,
        ladder=tuple(state.ladder),
    )


def _opening_debt_tranches(country: Country, treatment: AccountingTreatment) -> list[Tranche]:
    wanted = treatment.programmes
    ladder = [t for t in country.tranches if not wanted or t.programme in wanted]
    if treatment.basis is DebtBasis.REVALUED and country.opening_revaluation:
        ladder.append(_opening_debt_revaluation_tranche(country))
    return ladder


def _opening_debt_revaluation_tranche(country: Country) -> Tranche:
    # Stands to the end: which tranches it belongs to is not published.
    start = country.first_year - 1
    return Tranche(
        name="revaluation of the opening stock",
        programme="revaluation",
        currency=country.currency,
        amount=country.opening_revaluation,
        coupon=0.0,
        issued=start,
        matures=start + 200,
    )


def _budget_accounts_of_country(country: Country) -> list[BudgetAccount]:
    extra = [
        BudgetAccount(line.name, _KIND[line.kind]) for line in country.lines if line.kind in _KIND
    ]
    return [
        *country.accounts,
        *extra,
        BudgetAccount(INTEREST, AccountKind.EXPENSE),
        BudgetAccount(NEED, AccountKind.EXPENSE),
    ]


_KIND = {"income": AccountKind.INCOME, "expense": AccountKind.EXPENSE}
INTEREST = "interest on bonds"
NEED = "capital of the programme"


def _project_fiscal_year(
    country: Country, ledger: GeneralLedger, state: _YearState, year: int, need: float
) -> ProjectedYear:
    name = country.fiscal_year_name(year)
    before = outstanding_debt_bn_after_year(state.ladder, year - 1)
    # First of all: this year's interest and redemptions are paid at this year's rates.
    state.ladder = _tranches_at_exchange_rates(country, state.ladder, year)
    revaluation = outstanding_debt_bn_after_year(state.ladder, year - 1) - before
    cost = _debt_interest_bn_of_year(country, state, year)
    due = debt_redemption_bn_in_year(state.ladder, year)
    amounts = {
        line.name: _budget_line_amount_bn(country, line, state, year, cost)
        for line in country.lines
    }
    state.amounts = amounts
    balance = _balance_bn_of_budget_lines(country, amounts) - cost - need
    # The need is issued on top of what the plan issues, so the plan must not see it as a deficit.
    gross = (
        _gross_bond_issuance_bn(
            country, year, due, balance + need + _budget_transfer_lines_total_bn(country, amounts)
        )
        + need
    )
    state.ladder += _tranches_issued_in_year(country, year, gross)
    _post_budget_year(country, ledger, name, amounts, cost=cost, need=need, gross=gross, due=due)
    balances = ledger.budget_balances(name)
    check_accounting_identity(f"{name}, balance", balances.before_bonds_and_transfers, balance)
    debt = outstanding_debt_bn_after_year(state.ladder, year)
    check_accounting_identity(f"{name}, debt", debt, before + revaluation + gross - due)
    if state.reserves is not None:
        state.reserves += balances.published + state.reserves * country.reserves_return
    return ProjectedYear(
        year=year,
        name=name,
        gdp=country.projected_gdp_bn_of_year(year),
        debt_before=before,
        revaluation=revaluation,
        debt=debt,
        gross_issuance=gross,
        redemption=due,
        interest=cost,
        primary_balance=balance + cost,
        gross_financing_need=due - balance,
        reserves=state.reserves,
        balances=balances,
        decomposition=decompose_debt_change(
            DebtYear(
                debt_before=before,
                debt=debt,
                gdp_before=country.projected_gdp_bn_of_year(year - 1),
                gdp=country.projected_gdp_bn_of_year(year),
                interest=cost,
                primary_balance=balance + cost,
                revaluation=revaluation,
            )
        ),
        debt_by_currency=_outstanding_debt_bn_by_currency(state.ladder, year),
    )


def _tranches_at_exchange_rates(
    country: Country, ladder: Sequence[Tranche], year: int
) -> list[Tranche]:
    """Return the ladder with foreign bonds that stood a year ago at this year's rates."""
    moves = country.fx_change
    if not moves:
        return list(ladder)
    return [
        replace(t, amount=t.amount * (1 + moves[t.currency]))
        if t.currency in moves and t.is_outstanding_after(year - 1)
        else t
        for t in ladder
    ]


def _debt_interest_bn_of_year(country: Country, state: _YearState, year: int) -> float:
    # An outlook's interest is taken where it names one: its ladder is only spread evenly, and
    # the coupon on it would be ours, not the outlook's.
    ahead = year - country.first_year
    if ahead < len(country.interest_given):
        return country.interest_given[ahead]
    return coupon_interest_bn_in_year(state.ladder, year)


def _outstanding_debt_bn_by_currency(ladder: Sequence[Tranche], year: int) -> dict[str, float]:
    names = sorted({t.currency for t in ladder})
    return {
        n: outstanding_debt_bn_after_year([t for t in ladder if t.currency == n], year)
        for n in names
    }


def _balance_bn_of_budget_lines(country: Country, amounts: Mapping[str, float]) -> float:
    signs = {"income": 1, "expense": -1, "transfer": 0}
    return math.fsum(signs[line.kind] * amounts[line.name] for line in country.lines)


def _budget_transfer_lines_total_bn(country: Country, amounts: Mapping[str, float]) -> float:
    return math.fsum(amounts[line.name] for line in country.lines if line.kind == "transfer")


def _budget_line_amount_bn(
    country: Country, line: BudgetLine, state: _YearState, year: int, interest_cost: float
) -> float:
    ahead = year - country.first_year
    if ahead < len(line.amounts):
        # A published total may hold the year's interest, which is posted on its own line here.
        return line.amounts[ahead] - (
            interest_cost if line.includes_interest and ahead == 0 else 0.0
        )
    if line.driver is LineDriver.ONCE:
        return 0.0
    last, growth = (
        state.amounts[line.name],
        country.projected_gdp_bn_of_year(year) / country.projected_gdp_bn_of_year(year - 1) - 1,
    )
    if country.issuance and ahead >= len(country.issuance):
        return last * (1 + growth)  # beyond the plan every line keeps its share of GDP
    return _driven_budget_line_amount_bn(country, line, state, year, last)


def _driven_budget_line_amount_bn(
    country: Country, line: BudgetLine, state: _YearState, year: int, last_amount: float
) -> float:
    before = country.projected_gdp_bn_of_year(year - 1)
    growth = country.projected_gdp_bn_of_year(year) / before - 1
    match line.driver:
        case LineDriver.GROWTH:
            return last_amount * (1 + line.elasticity * growth + line.drift)
        case LineDriver.LAND:
            return country.projected_gdp_bn_of_year(year) * _land_revenue_gdp_share_of_next_year(
                last_amount / before, line
            )
        case LineDriver.RESERVES:
            return (state.reserves or 0.0) * line.drift
        case LineDriver.FIXED | LineDriver.ONCE:
            return last_amount


def _land_revenue_gdp_share_of_next_year(revenue_gdp_share: float, line: BudgetLine) -> float:
    # Steps towards the norm from either side, and never past it.
    if revenue_gdp_share <= line.norm:
        return min(revenue_gdp_share + line.step, line.norm)
    return max(revenue_gdp_share - line.step, line.norm)


def _gross_bond_issuance_bn(country: Country, year: int, due: float, balance: float) -> float:
    """Return gross issuance: as planned, or redemptions and a share of the deficit.

    A surplus redeems nothing early: it builds reserves, where there are any.
    """
    ahead = year - country.first_year
    if ahead < len(country.issuance):
        return country.issuance[ahead]
    # No reserves to run down: the deficit is borrowed in full, or the books would not close.
    if country.reserves is None:
        return max(0.0, due - balance)
    return due + country.financing_share * max(0.0, -balance)


def _tranches_issued_in_year(country: Country, year: int, gross: float) -> list[Tranche]:
    return [
        _tranche_of_mix_part(part, year, gross) for part in country.mix if gross * part.share > 0
    ]


def _tranche_of_mix_part(part: MixPart, year: int, gross: float) -> Tranche:
    return Tranche(
        name=f"{part.programme} {year} {part.currency} {part.tenor}y",
        programme=part.programme,
        currency=part.currency,
        amount=gross * part.share,
        coupon=part.coupon,
        issued=year,
        matures=year + part.tenor,
        label=part.label,
    )


def _post_budget_year(
    country: Country,
    ledger: GeneralLedger,
    fiscal_year: str,
    amounts: Mapping[str, float],
    *,
    cost: float,
    need: float,
    gross: float,
    due: float,
) -> None:
    for line in country.lines:
        sign = -1.0 if line.kind == "expense" else 1.0
        # Money from another public pocket is credited to the pocket, and so can be no income.
        contra = line.pocket if line.kind == "transfer" else line.name
        amount = sign * amounts[line.name]
        ledger.post_accounting_entry(
            AccountingEntry(fiscal_year, line.name, {line.fund: amount, contra: -amount})
        )
    fund, debt = _bond_fund_and_debt_account_names(country)
    ledger.post_accounting_entry(
        AccountingEntry(fiscal_year, INTEREST, {INTEREST: cost, fund: -cost})
    )
    ledger.post_accounting_entry(AccountingEntry(fiscal_year, NEED, {NEED: need, fund: -need}))
    ledger.post_accounting_entry(
        AccountingEntry(fiscal_year, "bond proceeds", {fund: gross, debt: -gross})
    )
    ledger.post_accounting_entry(
        AccountingEntry(fiscal_year, "bond repayment", {debt: due, fund: -due})
    )


def _bond_fund_and_debt_account_names(country: Country) -> tuple[str, str]:
    # Bond cash passes through the last fund of the chart: Hong Kong's Capital Works Reserve Fund.
    funds = [a.name for a in country.accounts if a.kind is AccountKind.FUND]
    debts = [a.name for a in country.accounts if a.kind is AccountKind.DEBT]
    return funds[-1], debts[0]


def quarterly_fiscal_reserves_bn(projection: Projection) -> tuple[tuple[str, float], ...]:
    """Return cash at the end of each quarter: lines by their season, bonds in equal parts.

    The four quarters of a year end on the year's reserves.
    """
    rows: list[tuple[str, float]] = []
    level = projection.country.reserves or 0.0
    for year in projection.years:
        end = year.reserves if year.reserves is not None else level + year.balances.published
        for quarter, step in enumerate(
            _quarterly_reserve_changes_bn(projection, year, end - level), start=1
        ):
            level += step
            rows.append((f"{year.name} Q{quarter}", level))
        check_accounting_identity(f"{year.name}, quarters", level, end)
    return tuple(rows)


def _quarterly_reserve_changes_bn(
    projection: Projection, year: ProjectedYear, change: float
) -> list[float]:
    """Return the change of cash in each quarter; together they are the year's change."""
    kinds = {name: account.kind for name, account in projection.ledger.accounts.items()}
    postings = [
        (kinds[name], amount)
        for entry in projection.ledger.entries
        if entry.fiscal_year == year.name
        for name, amount in entry.postings.items()
    ]
    income = -math.fsum(amount for kind, amount in postings if kind is AccountKind.INCOME)
    expense = math.fsum(amount for kind, amount in postings if kind is AccountKind.EXPENSE)
    # Bonds and transfers have no season that is published: a quarter each.
    rest = (change - income + expense) / 4
    return [
        income_share * income - expense_share * expense + rest
        for income_share, expense_share in projection.country.quarters
    ]
