"""Days as hospitals write them: year first, alone or with a time of day and its zone.

`01/09/2026` is the first of September in one country and the ninth of January in another,
so days that do not begin with their year are refused. A time with a zone is of one day
there and perhaps of another at the institution: the zone that was named decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

_DATE: Final = (
    r"(?:(?P<y1>\d{4})-(?P<m1>\d{1,2})-(?P<d1>\d{1,2})|(?P<y2>\d{4})/(?P<m2>\d{1,2})/(?P<d2>\d{1,2})"
    r"|(?P<y3>\d{4})(?P<m3>\d{2})(?P<d3>\d{2})|(?P<y4>\d{4})年(?P<m4>\d{1,2})月(?P<d4>\d{1,2})日)"
)
_TIME: Final = (
    r"(?:[T ] ?(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)"
    r"(?::(?P<second>[0-5]\d)(?:[.,]\d{1,9})?)?"
    r" ?(?:(?P<utc>Z|UTC)|(?P<sign>[+-])(?P<zh>[01]\d):?(?P<zm>[0-5]\d)?)?)?"
)
_DAY: Final = f"^{_DATE}{_TIME}$"
_DAY_FIRST: Final = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
_FORMS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysOfText:
    """The days of a column.

    Args:
        days: The day of each cell; null where it is missing or is none.
        malformed: Whether a cell is neither missing nor a day.
        ambiguous: Whether a malformed cell may be a day that does not begin with its year.
        times: Cells with a time of day.
        zoned: Cells with a time of day and its zone.
    """

    days: pl.Series
    malformed: pl.Series
    ambiguous: pl.Series
    times: int
    zoned: int


def days_of_text(text: pl.Series, zone: str = "") -> DaysOfText:
    """Return the days that a column of text holds.

    Args:
        text: Cells without blanks at their ends; null where missing.
        zone: IANA name of the institution's zone, into whose day a time with a zone is put; empty
            for the day as it is written.

    >>> cells = pl.Series(["2026-09-01", "2026/9/1 07:30", "20260901", "01/09/2026"])
    >>> days_of_text(cells).days.dt.to_string().to_list()
    ['2026-09-01', '2026-09-01', '2026-09-01', None]
    """
    parts = text.str.extract_groups(_DAY).struct.unnest()

    def number(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Int64)

    def part(letter: str) -> pl.Expr:
        return pl.coalesce(number(f"{letter}{form}") for form in range(1, _FORMS + 1))

    written = parts.select(
        day=(
            pl.format(
                "{}-{}-{}", part("y").cast(pl.String).str.zfill(4), part("m"), part("d")
            ).str.to_date("%Y-%m-%d", strict=False)
        ),
        time_s=number("hour") * 3600 + number("minute") * 60 + number("second").fill_null(0),
        offset_s=pl.when(pl.col("utc").is_not_null())
        .then(0)
        .otherwise(
            (number("zh") * 3600 + number("zm").fill_null(0) * 60)
            * pl.when(pl.col("sign") == "-").then(-1).otherwise(1)
        ),
    )
    days = written["day"]
    zoned = written["offset_s"].is_not_null()
    if zone and zoned.any():
        seconds = pl.duration(seconds=pl.col("time_s") - pl.col("offset_s"))
        instant = (pl.col("day").cast(pl.Datetime("us")) + seconds).dt.replace_time_zone("UTC")
        there = written.select(instant.dt.convert_time_zone(zone).dt.date()).to_series()
        days = there.zip_with(zoned, days)
    malformed = text.is_not_null() & days.is_null()
    return DaysOfText(
        days=days.alias(text.name),
        malformed=malformed,
        ambiguous=malformed & text.str.contains(_DAY_FIRST).fill_null(value=False),
        times=int(written["time_s"].is_not_null().sum()),
        zoned=int(zoned.sum()),
    )
