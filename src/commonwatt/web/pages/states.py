"""Tables of states that a desk has just read: rows at hand, shown by their headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message
from commonwatt.web.page_view import ColumnHeading, TableListing, TableRows

if TYPE_CHECKING:
    import polars as pl


def table_listing_of_rows(
    name: str,
    title: Message,
    rows: Sequence[Mapping[str, Any]],
    headings: Sequence[ColumnHeading],
    *,
    key: str,
    folded: bool = False,
) -> TableListing:
    """Return a table of `rows` with just the columns that `headings` name.

    Args:
        name: Its name in addresses.
        title: Its heading.
        rows: One mapping a row.
        headings: Columns on screen and in files.
        key: Names the content: it changes whenever the rows do.
        folded: Shown only on its own page and under its chart.
    """
    columns = [heading.column for heading in headings]

    def load_listing_rows() -> pl.DataFrame:
        import polars as pl

        # Just the declared columns: whatever else the rows hold must not leave by the CSV.
        plain = [{column: row[column] for column in columns} for row in rows]
        # All rows are read for the types: Polars looks at a hundred, and a column may be empty for
        # longer.
        return pl.DataFrame(plain, schema=columns, infer_schema_length=None)

    return TableListing(
        name=name,
        title=title,
        rows=TableRows(key=key, load=load_listing_rows, size=len(rows)),
        headings=headings,
        folded=folded,
    )
