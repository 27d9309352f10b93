"""How fans of shares of GDP are drawn and listed, the same on every page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from commonwatt.treasury.domain.tables import FAN_DEBT
from commonwatt.web.page_view import ColumnHeading, console_column_heading_of

if TYPE_CHECKING:
    import polars as pl

_LEVELS: Final = (5, 25, 50, 75, 95)


def page_fan_frame_with_share_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table of quantiles with columns that say that they are shares."""
    # The ending tells a reader of the CSV or the JSON that the numbers are shares and not percent.
    names = [name for name in frame.columns if name.removeprefix("without_").startswith("q")]
    return frame.rename({name: f"{name}_share" for name in names})


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
