"""Attackers who try to find people again, stated in full.

An attacker knows things about everybody in the dataset and claims a person
only when exactly one released record fits. The success rate is the share of
people claimed rightly; guessing among several is reported apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from commonwatt.sandbox.deidentify.tables import MOST_WEEKS, DateGrain, coarsened

MOST_ATTACKED: Final = 5_000
"""People whose diaries are tried; each with every shift, against all records."""


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
    return _scored(_fits(known, released, on), truth, people=known.height, knows=", ".join(on))


def _scored(pairs: pl.DataFrame, truth: pl.DataFrame, *, people: int, knows: str) -> Attack:
    """Return how an attack ended that found `pairs` of person and record."""
    counted = pairs.with_columns(fitting=pl.len().over("person"))
    right = counted.join(truth, on=["person", "record"], how="inner")
    claimed = counted.filter(pl.col("fitting") == 1).height
    return Attack(
        knows=knows,
        people=people,
        claimed_share=claimed / max(people, 1),
        success_share=right.filter(pl.col("fitting") == 1).height / max(people, 1),
        guess_share=float((1 / right["fitting"]).sum()) / max(people, 1),
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


def link_by_diary(
    known: pl.DataFrame,
    released: pl.DataFrame,
    truth: pl.DataFrame,
    *,
    visits: int,
    grain: DateGrain = DateGrain.EXACT,
    shifted: bool = True,
) -> Attack:
    """Attack with the dates of each person's first `visits` visits.

    The rules of de-identification are public, so the attacker tries every shift
    that a person's dates may have had, writes the diary as the release would, and
    looks for records that begin with it. What this finds at exact dates is why such
    data stays in a room.

    Args:
        known: `person` and `at`, one row a visit.
        released: `record` and `at`, one row a visit.
        truth: `person` and `record`.
        visits: How many of the earliest visits the attacker knows.
        grain: How coarsely the release tells dates.
        shifted: Whether dates were shifted; the attacker knows.
    """
    weeks = [step for step in range(-MOST_WEEKS, MOST_WEEKS + 1) if step] if shifted else [0]
    shifts = pl.DataFrame({"shift": [timedelta(weeks=step) for step in weeks]})
    enough = _some(_first_visits(known, "person", visits))
    tried = enough.join(shifts, how="cross").with_columns(at=pl.col("at") + pl.col("shift"))
    theirs = _diary(tried, ["person", "shift"], grain).select("person", "diary").unique()
    ours = _diary(_first_visits(released, "record", visits), ["record"], grain)
    pairs = theirs.join(ours, on="diary", how="inner").select("person", "record").unique()
    return _scored(
        pairs, truth, people=enough["person"].n_unique(),
        knows=f"dates of the first {visits} visits, told {grain}",
    )  # fmt: skip


def _some(visits: pl.DataFrame) -> pl.DataFrame:
    """Return the visits of at most so many people, spread evenly over their keys."""
    people = visits["person"].unique().sort()
    every = -(-people.len() // MOST_ATTACKED) or 1
    return visits.filter(pl.col("person").is_in(people.gather_every(every).implode()))


def _first_visits(visits: pl.DataFrame, key: str, count: int) -> pl.DataFrame:
    """Return the earliest visits of everybody who has `count` of them."""
    dated = visits.drop_nulls("at").sort(key, "at")
    first = dated.filter(pl.int_range(pl.len()).over(key) < count)
    return first.filter(pl.len().over(key) == count)


def _diary(visits: pl.DataFrame, key: list[str], grain: DateGrain) -> pl.DataFrame:
    """Return the dates of each key's visits, as the release tells them, as one text."""
    days = coarsened(visits["at"], grain).dt.date().cast(pl.String)
    told = visits.with_columns(days.alias("day")).sort(*key, "day")
    return told.group_by(key, maintain_order=True).agg(pl.col("day").str.join(",").alias("diary"))
