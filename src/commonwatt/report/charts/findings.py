"""What is to be seen in a table: its largest part, and the row that leads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def largest_part_name_and_share_or_none(
    table: pl.DataFrame, name: str, amount: str
) -> tuple[str, float] | None:
    """Return whose amounts add up to most, and their share of all; None of nothing or of one.

    Args:
        table: Amounts, of which several may be of one name.
        name: Column of the names.
        amount: Column of the amounts.

    >>> import polars as pl
    >>> table = pl.DataFrame({"site": ["a", "b", "a"], "gpus": [1.0, 2.0, 5.0]})
    >>> largest_part_name_and_share_or_none(table, "site", "gpus")
    ('a', 0.75)
    """
    import polars as pl  # noqa: PLC0415

    by_name = table.group_by(name, maintain_order=True).agg(pl.col(amount).sum())
    total = by_name[amount].sum()
    if by_name.height < 2 or not total:
        return None
    most = by_name.sort(amount, descending=True, maintain_order=True).row(0, named=True)
    return most[name], most[amount] / total


def row_with_most_or_least_or_none(
    table: pl.DataFrame, column: str, *, is_most: bool
) -> dict[str, Any] | None:
    """Return the row with the most or the least of a column; None where it is compared with none.

    Rows without a value are left out; of two that are alike the first is meant.
    """
    known = table.drop_nulls(column)
    if known.height < 2:
        return None
    return known.sort(column, descending=is_most, maintain_order=True).row(0, named=True)
