"""What one security pays and is worth: cash, price, yield, duration and convexity."""

from __future__ import annotations

from datetime import date
from typing import Any

from commonwatt.treasury.domain.bonds.terms import Bond
from commonwatt.treasury.engines.bonds.cash_flows import bond_cash_in_minor_units
from commonwatt.treasury.engines.bonds.pricing import (
    bond_claim_after,
    bond_macaulay_duration_years,
    bond_modified_duration_years,
    clean_price,
    convexity,
    dirty_price,
    yield_from_clean_price,
)


def bond_result(
    bond: Bond,
    settle_on: date,
    *,
    clean: float | None = None,
    yield_rate: float | None = None,
) -> dict[str, Any]:
    """Return a bond's payments, and its price and yield on a day from either of the two.

    Args:
        bond: Its terms.
        settle_on: Day of settlement.
        clean: Quoted price per 100 of face; par, where neither is given.
        yield_rate: Yield, compounding with the coupon [share a year].

    Raises:
        BondError: Settlement is before the issue or not before the maturity.

    >>> b = Bond(name="b", currency="HKD", face_minor=10000, coupon=0.04, frequency=2,
    ...          issue_on=date(2025, 1, 15), maturity_on=date(2026, 1, 15))
    >>> answer = bond_result(b, date(2025, 1, 15), yield_rate=0.04)
    >>> round(answer["clean_price"], 6), [row["interest_minor"] for row in answer["cash"]]
    (100.0, [200, 200])
    """
    claim = bond_claim_after(bond, settle_on)
    if yield_rate is None:
        yield_rate = yield_from_clean_price(claim, 100.0 if clean is None else clean)
    return {
        "bond": bond.name,
        "currency": bond.currency,
        "settle_on": settle_on.isoformat(),
        "clean_price": clean_price(claim, yield_rate),
        "dirty_price": dirty_price(claim, yield_rate),
        "accrued_per_100": 100 * claim.accrued,
        "yield_rate": yield_rate,
        "macaulay_duration_years": bond_macaulay_duration_years(claim, yield_rate),
        "modified_duration_years": bond_modified_duration_years(claim, yield_rate),
        "convexity_years2": convexity(claim, yield_rate),
        "cash": [
            {"paid_on": paid_on, "interest_minor": interest, "principal_minor": principal}
            for paid_on, interest, principal in bond_cash_in_minor_units(bond)
        ],
    }
