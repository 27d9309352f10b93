"""The debt law and what a change of the ratio is made of.

Source: IMF (2022), Staff Guidance Note on the Sovereign Risk and Debt
Sustainability Framework for Market Access Countries, debt accumulation equation
and its decomposition into debt-creating flows.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message


def debt_ratio_next(d: float, r: float, g: float, pb: float, sfa: float = 0.0) -> float:
    """Return next year's public debt as a share of GDP.

        d' = d (1 + r) / (1 + g) - pb + sfa

    Args:
        d: Gross debt over GDP at the end of this year [share].
        r: Effective nominal interest rate on that debt [1/year].
        g: Nominal GDP growth [1/year]; above -1.
        pb: Primary balance over GDP, a surplus positive [share].
        sfa: Stock-flow adjustment over GDP [share].

    >>> round(debt_ratio_next(0.60, r=0.03, g=0.05, pb=0.01), 4)
    0.5786
    """
    return d * (1 + r) / (1 + g) - pb + sfa


def debt_next(debt: float, balance: float, sfa: float = 0.0) -> float:
    """Return next year's debt in money: the stock, less the balance, plus the adjustment.

        D' = D - B + S

    >>> debt_next(28_199.0, balance=-1_865.0, sfa=39.0)
    30103.0
    """
    return debt - balance + sfa


def gdp_growth_for_debt_share(amount: float, share: float, gdp: float, years: int) -> float:
    """Return the nominal growth at which `amount` is `share` of GDP after `years`.

        g = (A / (s Y))^(1/n) - 1

    >>> round(gdp_growth_for_debt_share(900, 0.199, 3485.1, 4), 4)
    0.0673
    """
    return (amount / share / gdp) ** (1 / years) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtDecomposition:
    """What moved the debt ratio in a year; every part a share of that year's GDP.

    Args:
        interest: Interest paid or accrued.
        growth: Effect of nominal growth on last year's ratio, negative when GDP grows.
        primary_balance: The primary balance with its sign turned.
        exchange_rate: Revaluation of debt in foreign currency.
        stock_flow: What is left: reserves built up from debt, discounts, other.
    """

    interest: float
    growth: float
    primary_balance: float
    exchange_rate: float
    stock_flow: float

    def total(self) -> float:
        """Return the change of the ratio."""
        return float(sum(astuple(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtYear:
    """The money of one year, all in one unit.

    Args:
        debt_before: Debt at the end of the year before.
        debt: Debt at the end of the year.
        gdp_before: Nominal GDP of the year before.
        gdp: Nominal GDP of the year.
        interest: Interest of the year.
        primary_balance: Balance before interest, a surplus positive.
        revaluation: Change of foreign-currency debt that comes from exchange rates.
    """

    debt_before: float
    debt: float
    gdp_before: float
    gdp: float
    interest: float
    primary_balance: float
    revaluation: float = 0.0


def decompose_debt_change(year: DebtYear) -> DebtDecomposition:
    """Return what the change of the debt ratio is made of.

        d' - d = I/Y' - d g/(1+g) - PB/Y' + R/Y' + S/Y'
        S = D' - D - I + PB - R

    Raises:
        IdentityError: The parts do not add up to the change.

    >>> parts = decompose_debt_change(DebtYear(debt_before=60, debt=61.8, gdp_before=100, gdp=105,
    ...                              interest=1.8, primary_balance=0))
    >>> round(parts.growth, 6), round(parts.interest, 6), round(parts.total(), 6)
    (-0.028571, 0.017143, -0.011429)
    """
    before = year.debt_before / year.gdp_before
    flow = year.debt - year.debt_before
    left = flow - year.interest + year.primary_balance - year.revaluation
    parts = DebtDecomposition(
        interest=year.interest / year.gdp,
        growth=year.debt_before / year.gdp - before,  # -d g/(1+g), without its cancellation
        primary_balance=-year.primary_balance / year.gdp,
        exchange_rate=year.revaluation / year.gdp,
        stock_flow=left / year.gdp,
    )
    check_accounting_identity("debt ratio", parts.total(), year.debt / year.gdp - before)
    return parts


def check_accounting_identity(
    identity: str, left: float, right: float, tolerance: float = 1e-9
) -> None:
    """Raise unless two sides of an identity agree.

    Raises:
        IdentityError: They differ by more than `tolerance`, relative to the larger.
    """
    # Relative beyond one unit, absolute under it: a balance near zero is the difference of two
    # sums in the hundreds, and carries their rounding.
    if abs(left - right) <= tolerance * max(1.0, abs(left), abs(right)):
        return
    raise IdentityError(
        identity,
        found=f"{left:.12g}",
        wanted=Message("{value}, so that the identity closes", {"value": f"{right:.12g}"}),
    )
