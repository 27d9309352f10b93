"""What an import did: rows kept, rows quarantined, and why; never a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Final

import polars as pl

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message

QUARANTINE: Final = pl.Schema({"table": pl.String, "record": pl.Int64, "reason": pl.String})
"""A record is named by its place among the records of its files, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableImportReport:
    """One table of an import.

    Args:
        table: Name of the table in the store.
        source: Name of the file it came from.
        read_count: Records read.
        kept_count: Records that broke no rule.
        rules: How many records each rule quarantined, in the order in which the rules
            are tried; a rule that every record kept is there with 0.
        quarantine_file: Parquet file of the quarantined records: table, record, reason.
    """

    table: str
    source: str
    read_count: int
    kept_count: int
    rules: Mapping[str, int] = field(default_factory=dict[str, int])
    quarantine_file: Path | None = None

    @property
    def quarantined_record_count_by_rule(self) -> dict[str, int]:
        """Return how many records broke each rule that was broken, most first."""
        broken = [(rule, count) for rule, count in self.rules.items() if count]
        return dict(sorted(broken, key=itemgetter(1), reverse=True))


def import_report_whose_counts_add_up(report: TableImportReport) -> TableImportReport:
    """Return `report`, whose records are all kept or quarantined, each once.

    Raises:
        IdentityError: Records were lost or counted twice.
    """
    # Each record breaks one rule at most, the first in order, so the rules' counts add up to the
    # records that are missing.
    quarantined = sum(report.rules.values())
    if report.read_count != report.kept_count + quarantined:
        raise IdentityError(
            report.table,
            found=Message(
                "{count} records kept and quarantined",
                {"count": str(report.kept_count + quarantined)},
            ),
            wanted=Message("{count}, as many as were read", {"count": str(report.read_count)}),
        )
    return report
