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

from commonwatt.sandbox.engines.deidentify.tables import (
    MOST_WEEKS,
    DateGrain,
    dates_coarsened_to_grain,
)

MOST_ATTACKED: Final = 5_000
"""People whose diaries are tried; each with every shift, against all records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkageAttack:
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


def linkage_attack_by_quasi_identifiers(
    knowledge: pl.DataFrame, released: pl.DataFrame, on: Sequence[str], truth: pl.DataFrame
) -> LinkageAttack:
    """Attack `released` with `known` by equality of the columns `on`.

    A released value that is missing fits everyone: the attacker knows that
    values may have been withheld.

    Args:
        knowledge: One row a person, with `person` and the columns `on`.
        released: One row a record, with `record` and the columns `on`.
        on: What the attacker knows of everybody.
        truth: `person` and the `record` that is theirs; used to score only.
    """
    own_records = truth.join(knowledge, on="person").join(released, on="record", suffix="_released")
    # A value that the release withholds contradicts nobody: the attacker knows that values may be
    # missing.
    agrees = [pl.col(f"{c}_released").is_null() | pl.col(f"{c}_released").eq(pl.col(c)) for c in on]
    right = own_records.filter(pl.all_horizontal(agrees)).select("person")
    fitting = _fitting_released_record_count_by_person(knowledge, released, on)
    return _scored_linkage_attack(fitting, right, people=knowledge.height, knows=", ".join(on))


def _scored_linkage_attack(
    fitting: pl.DataFrame, right: pl.DataFrame, *, people: int, knows: str
) -> LinkageAttack:
    """Return how an attack ended.

    Args:
        fitting: `person` and how many records were found `fitting`, at least one.
        right: `person` of those whose own record is among these.
        people: People attacked.
        knows: What the attacker knew.
    """
    own_fitting = fitting.join(right, on="person", how="semi")
    return LinkageAttack(
        knows=knows,
        people=people,
        claimed_share=fitting.filter(pl.col("fitting") == 1).height / max(people, 1),
        success_share=own_fitting.filter(pl.col("fitting") == 1).height / max(people, 1),
        guess_share=float((1 / own_fitting["fitting"]).sum()) / max(people, 1),
    )


def _fitting_released_record_count_by_person(
    knowledge: pl.DataFrame, released: pl.DataFrame, on: Sequence[str]
) -> pl.DataFrame:
    """Count for each person the records that contradict them in no column.

    Counted by value, never pair by pair: where everybody is alike there are as many
    pairs as the square of the people.
    """
    presence = {f"{column}_shown": pl.col(column).is_not_null() for column in on}
    # Records with the same pattern of missing values can be joined by equality, which a null is
    # never equal to.
    parts = released.with_columns(**presence).partition_by(list(presence), as_dict=True)
    fitting_counts: list[pl.DataFrame] = []
    for pattern, part in parts.items():
        present = [column for column, is_shown in zip(on, pattern, strict=True) if is_shown]
        if present:
            counts = part.group_by(present).agg(pl.len().alias("fitting"))
            fitting_counts.append(
                knowledge.join(counts, on=present, how="inner").select("person", "fitting")
            )
        else:
            fitting_counts.append(
                knowledge.select("person", fitting=pl.lit(part.height, pl.UInt32))
            )
    return pl.concat(fitting_counts).group_by("person").agg(pl.col("fitting").sum())


def linkage_attack_by_visit_diary(
    knowledge: pl.DataFrame,
    released: pl.DataFrame,
    truth: pl.DataFrame,
    *,
    visits: int,
    grain: DateGrain = DateGrain.EXACT,
    shifted: bool = True,
) -> LinkageAttack:
    """Attack with the dates of each person's first `visits` visits.

    The rules of de-identification are public, so the attacker tries every shift
    that a person's dates may have had, writes the diary as the release would, and
    looks for records that begin with it. What this finds at exact dates is why such
    data stays in a project.

    Args:
        knowledge: `person` and `at`, one row a visit.
        released: `record` and `at`, one row a visit.
        truth: `person` and `record`.
        visits: How many of the earliest visits the attacker knows.
        grain: How coarsely the release tells dates.
        shifted: Whether dates were shifted; the attacker knows.
    """
    # Nobody is shifted by nothing, and the attacker knows that as well.
    weeks = [step for step in range(-MOST_WEEKS, MOST_WEEKS + 1) if step] if shifted else [0]
    shifts = pl.DataFrame({"shift": [timedelta(weeks=step) for step in weeks]})
    enough = _visits_of_sampled_attacked_people(
        _first_visits_of_people_with_count(knowledge, "person", visits)
    )
    shifted_visits = enough.join(shifts, how="cross").with_columns(
        at=pl.col("at") + pl.col("shift")
    )
    known_diaries = (
        _visit_diary_text_by_key(shifted_visits, ["person", "shift"], grain)
        .select("person", "diary")
        .unique()
    )
    released_diaries = _visit_diary_text_by_key(
        _first_visits_of_people_with_count(released, "record", visits), ["record"], grain
    )
    # Distinct pairs: two shifts may lead to the same record, and that is still one candidate.
    pairs = (
        known_diaries.join(released_diaries, on="diary", how="inner")
        .select("person", "record")
        .unique()
    )
    return _scored_linkage_attack(
        pairs.group_by("person").agg(pl.len().alias("fitting")),
        pairs.join(truth, on=["person", "record"], how="semi"),
        people=enough["person"].n_unique(),
        knows=f"dates of the first {visits} visits, told {grain}",
    )  # fmt: skip


def _visits_of_sampled_attacked_people(visits: pl.DataFrame) -> pl.DataFrame:
    """Return the visits of at most so many people, spread evenly over their keys."""
    people = visits["person"].unique().sort()
    # Every so many-th by key, not the first ones: ids often go with the date of the first visit.
    every = -(-people.len() // MOST_ATTACKED) or 1
    return visits.filter(pl.col("person").is_in(people.gather_every(every).implode()))


def _first_visits_of_people_with_count(visits: pl.DataFrame, key: str, count: int) -> pl.DataFrame:
    """Return the earliest visits of everybody who has `count` of them."""
    dated = visits.drop_nulls("at").sort(key, "at")
    first = dated.filter(pl.int_range(pl.len()).over(key) < count)
    return first.filter(pl.len().over(key) == count)


def _visit_diary_text_by_key(
    visits: pl.DataFrame, key: list[str], grain: DateGrain
) -> pl.DataFrame:
    """Return the dates of each key's visits, as the release tells them, as one text."""
    days = dates_coarsened_to_grain(visits["at"], grain).dt.date().cast(pl.String)
    dated = visits.with_columns(days.alias("day")).sort(*key, "day")
    return dated.group_by(key, maintain_order=True).agg(pl.col("day").str.join(",").alias("diary"))
