"""Economies side by side, with what keeps each from being comparable.

Gross debt of general government leaves out what a government owns. Where an economy
receives net interest, or the bases differ, the row says so instead of a footnote.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.tables import Row
from commonwatt.treasury.engines.projection import Projection
from commonwatt.treasury.io.country.weo import Economy


def debt_comparison_rows(projection: Projection, table: Mapping[str, Economy]) -> list[Row]:
    """Return the country's first year beside the same calendar year of each economy."""
    year = projection.years[0]
    country_row: Row = {
        "economy": projection.country.iso3,
        "year": year.name,
        "debt_gdp_share": year.debt_share,
        "basis": f"{projection.treatment.basis.value} basis, as projected",
        "caveat": str(_OWN),
    }
    rows = [_treasury_economy_debt_row(series, year.year) for series in table.values()]
    with_ratio = [row for row in rows if row["debt_gdp_share"] is not None]
    return [country_row, *sorted(with_ratio, key=lambda row: -row["debt_gdp_share"])]


_OWN = Message("government bonds of the named programmes only; not general government")
_ASSETS = Message("receives net interest: large public assets stand against gross debt")
_PLAIN = Message("general government, gross")
_OUTLOOK = Message("an outlook, not an outturn")


def _treasury_economy_debt_row(series: Economy, year: int) -> Row:
    at = np.flatnonzero(series.years == year)
    k = int(at[0]) if len(at) else -1
    share = float(series.debt[k] / series.gdp[k]) if len(at) else float("nan")
    # A primary balance under the net lending means interest received on balance: gross debt
    # then says little of what the government owes.
    receives_interest = len(at) and series.primary[k] < series.balance[k]
    return {
        "economy": series.iso3,
        "year": str(year),
        "debt_gdp_share": share if np.isfinite(share) else None,
        "basis": f"{_PLAIN}, {_OUTLOOK}",
        "caveat": str(_ASSETS) if receives_interest else "",
    }
