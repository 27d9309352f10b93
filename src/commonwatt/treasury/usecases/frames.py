"""Rows of an answer as declared tables, for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commonwatt.treasury.domain.tables import TABLES

if TYPE_CHECKING:
    import polars as pl


def treasury_answer_frames(
    answer: Mapping[str, Any], names: Sequence[str], currency: str = ""
) -> dict[str, pl.DataFrame]:
    """Return the named lists of rows of an answer as tables; a list without rows is left out.

    Args:
        answer: The answer of a use case.
        names: Keys of its lists; each has a declared table.
        currency: The country's money, which stands in names of columns.

    Raises:
        TableError: A row lacks a declared column or has another one: a bug.
    """
    return {
        TABLES[name].name: TABLES[name].in_currency(currency).frame_from_rows(answer[name])
        for name in names
        if answer.get(name)
    }
