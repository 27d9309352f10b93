"""What an import did: rows kept, rows set aside, and why; never a value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import polars as pl

QUARANTINE: Final = pl.Schema({"table": pl.String, "record": pl.Int64, "reason": pl.String})
"""A record is named by its place among the records of its file, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReport:
    """One table of an import.

    Args:
        table: Name of the table in the store.
        source: Name of the file it came from.
        read: Records read.
        kept: Records that broke no rule.
        quarantine: The others: table, record, reason.
    """

    table: str
    source: str
    read: int
    kept: int
    quarantine: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=QUARANTINE))

    @property
    def reasons(self) -> dict[str, int]:
        """Return how many records broke each rule, most first."""
        return dict(Counter(self.quarantine["reason"].to_list()).most_common())
