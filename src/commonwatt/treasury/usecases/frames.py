"""Rows of an answer as tables, for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from commonwatt.treasury.domain.tables import Row


def answer_frames(answer: Mapping[str, Any], names: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Return the named lists of rows of an answer as tables; a list without rows is left out."""
    tables: dict[str, list[Row]] = {name: answer[name] for name in names if answer.get(name)}
    return {
        f"treasury_{name}": pl.DataFrame(rows, infer_schema_length=None)
        for name, rows in tables.items()
    }
