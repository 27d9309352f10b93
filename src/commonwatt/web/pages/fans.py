"""How fans of shares of GDP are drawn and listed, the same on every page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from commonwatt.catalogue.bands import BAND_50, BAND_90
from commonwatt.treasury.domain.tables import FAN_DEBT
from commonwatt.web.page_view import ChartSeries, ColumnHeading, console_column_heading_of

if TYPE_CHECKING:
    import polars as pl

_LEVELS: Final = (5, 25, 50, 75, 95)

BANDS: Final = tuple(
    ChartSeries(
        "q50_share",
        band.label,
        low=f"{band.measure_quantile_column_names[0]}_share",
        high=f"{band.measure_quantile_column_names[1]}_share",
    )
    # The wide one first: drawn after the narrow one it would cover it.
    for band in (BAND_90, BAND_50)
)


def page_fan_columns_named_as_shares(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table of quantiles with columns that say that they are shares."""
    # The ending tells a reader of the CSV or the JSON that the numbers are shares and not percent.
    return frame.rename({f"q{level:02d}": f"q{level:02d}_share" for level in _LEVELS})


def page_debt_fan_headings() -> list[ColumnHeading]:
    """Return the year and the quantiles as columns on screen."""
    return [
        console_column_heading_of(FAN_DEBT.column("fiscal_year")),
        *(
            console_column_heading_of(
                replace(FAN_DEBT.column(f"q{level:02d}"), name=f"q{level:02d}_share")
            )
            for level in _LEVELS
        ),
    ]
