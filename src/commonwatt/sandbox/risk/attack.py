"""Attackers who try to find people again, stated in full.

An attacker knows things about everybody in the dataset and claims a person
only when exactly one released record fits. The success rate is the share of
people claimed rightly; guessing among several is reported apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """How an attack ended.

    Args:
        knows: What the attacker knew of every person.
        people: People attacked.
        claimed_share: Share for whom exactly one record fitted.
        success_share: Share claimed, and rightly.
        guess_share: Expected share of right guesses among the records that fit best.
    """

    knows: str
    people: int
    claimed_share: float
    success_share: float
    guess_share: float


def link(
    known: pl.DataFrame, released: pl.DataFrame, on: Sequence[str], truth: pl.DataFrame
) -> Attack:
    """Attack `released` with `known` by equality of the columns `on`.

    A released value that is missing fits everyone: the attacker knows that
    values may have been withheld.

    Args:
        known: One row a person, with `person` and the columns `on`.
        released: One row a record, with `record` and the columns `on`.
        on: What the attacker knows of everybody.
        truth: `person` and the `record` that is theirs; used to score only.
    """
    people = known.height
    fits = _fits(known, released, on)
    counted = fits.with_columns(fitting=pl.len().over("person"))
    right = counted.join(truth, on=["person", "record"], how="inner")
    claimed = counted.filter(pl.col("fitting") == 1).height
    return Attack(
        knows=", ".join(on),
        people=people,
        claimed_share=claimed / people,
        success_share=right.filter(pl.col("fitting") == 1).height / people,
        guess_share=float((1 / right["fitting"]).sum()) / people,
    )


def _fits(known: pl.DataFrame, released: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    """Return pairs of person and record that contradict each other in no column."""
    patterns = released.select(pl.struct(pl.col(c).is_not_null() for c in on).alias("p"))
    released = released.with_columns(pattern=patterns["p"])
    found: list[pl.DataFrame] = []
    for pattern in released["pattern"].unique().to_list():
        present = [column for column in on if pattern[column]]
        part = released.filter(
            pl.col("pattern") == pl.lit(pattern, dtype=released["pattern"].dtype)
        )
        pairs = (
            known.join(part, on=present, how="inner", suffix="_released")
            if present
            else known.join(part, how="cross", suffix="_released")
        )
        found.append(pairs.select("person", "record"))
    return pl.concat(found)


def link_by_intervals(
    known: pl.DataFrame, released: pl.DataFrame, truth: pl.DataFrame, *, visits: int
) -> Attack:
    """Attack with the dates of each person's first `visits` visits.

    Dates were shifted, so the attacker compares the days between visits, which
    de-identification keeps on purpose. What this finds is why such data stays
    in a room.

    Args:
        known: `person` and `at`, one row a visit.
        released: `record` and `at`, one row a visit.
        truth: `person` and `record`.
        visits: How many of the earliest visits the attacker knows.
    """
    theirs = _fingerprint(known, "person", visits)
    ours = _fingerprint(released, "record", visits)
    found = link(theirs, ours, ["days"], truth)
    return Attack(
        knows=f"dates of the first {visits} visits", people=found.people,
        claimed_share=found.claimed_share, success_share=found.success_share,
        guess_share=found.guess_share,
    )  # fmt: skip


def _fingerprint(visits: pl.DataFrame, key: str, count: int) -> pl.DataFrame:
    """Return the days between a person's first visits, as text."""
    days = pl.col("at").sort().head(count).diff().dt.total_days().drop_nulls()
    return (
        visits.drop_nulls("at")
        .group_by(key, maintain_order=True)
        .agg(days.cast(pl.String).alias("gaps"), pl.len().alias("visits"))
        .filter(pl.col("visits") >= count)
        .select(key, days=pl.col("gaps").list.join(","))
    )
