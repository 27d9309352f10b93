"""Set aside all but the first of the records that share a key."""

from __future__ import annotations

import duckdb


def mark_duplicates(base: duckdb.DuckDBPyConnection, key: str, reason: str) -> None:
    """Give `reason` to later rows of the table `checked` with the same `key`."""
    column = f'"{key}"'
    base.execute(
        f"UPDATE checked SET reason = ? FROM (SELECT {column} AS twice, min(record) AS first"  # noqa: S608
        " FROM checked WHERE reason IS NULL GROUP BY twice HAVING count(*) > 1) AS seen"
        f" WHERE checked.{column} = seen.twice AND checked.record > seen.first"
        " AND reason IS NULL",
        [reason],
    )
