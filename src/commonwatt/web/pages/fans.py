"""How fans of shares of GDP are drawn and listed, the same on every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commonwatt.core.messages import Message
from commonwatt.web.page_view import ChartSeries, ColumnHeading

if TYPE_CHECKING:
    import polars as pl

_LEVELS: Final = (5, 25, 50, 75, 95)

BANDS: Final = (
    ChartSeries("q50_share", Message("nine paths of ten"), low="q05_share", high="q95_share"),
    ChartSeries("q50_share", Message("half of the paths"), low="q25_share", high="q75_share"),
)


def with_share_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table of quantiles with columns that say that they are shares."""
    return frame.rename({f"q{level:02d}": f"q{level:02d}_share" for level in _LEVELS})


def headings() -> list[ColumnHeading]:
    """Return the year and the quantiles as columns on screen."""
    return [
        ColumnHeading("fiscal_year", Message("Fiscal year")),
        *(
            ColumnHeading(f"q{q:02d}_share", Message("Percentile {q}", {"q": str(q)}))
            for q in _LEVELS
        ),
    ]
