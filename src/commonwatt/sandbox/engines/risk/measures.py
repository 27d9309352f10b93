"""Classical measures of re-identification risk over classes of equal people.

Sources: Sweeney (2002) for k; Machanavajjhala et al. (2007) for l; Li, Li and
Venkatasubramanian (2007) for t; Benedetti and Franconi (1998) for the risk of
a record given the share of the population that was sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class ReidentificationRisk:
    """What can be read off classes of people with equal quasi-identifiers.

    Args:
        people: Rows of the table.
        k: Size of the smallest class.
        unique_share: Share of people alone in their class.
        mean_guess_share: Share that someone who guesses within the class gets right.
        population_risk_share: Expected share re-identified by someone who does not
            know who was sampled (Benedetti and Franconi).
        l: Fewest distinct values of the sensitive column in a class; None without one.
        t: Largest distance of a class from the whole (total variation); None without one.
    """

    people: int
    k: int
    unique_share: float
    mean_guess_share: float
    population_risk_share: float
    l: int | None  # noqa: E741  the letter of its source
    t: float | None


def measure_reidentification_risk(
    frame: pl.DataFrame,
    quasi: Sequence[str],
    *,
    sensitive: str | None = None,
    sampled_share: float = 1.0,
) -> ReidentificationRisk:
    """Return the measures of `frame`, one row a person.

    >>> t = pl.DataFrame({"sex": ["F", "F", "M"], "ill": [1, 0, 1]})
    >>> risk = measure_reidentification_risk(t, ["sex"], sensitive="ill")
    >>> risk.k, round(risk.unique_share, 3), risk.l
    (1, 0.333, 1)
    """
    classes = frame.group_by(list(quasi), maintain_order=True).len()["len"].to_numpy()
    people = int(classes.sum())
    # One entry a person and not a class: a large class is the risk of many people.
    by_person = np.repeat(classes, classes)
    return ReidentificationRisk(
        people=people,
        k=int(classes.min()) if people else 0,
        unique_share=float((classes == 1).sum() / people) if people else 0.0,
        mean_guess_share=float(len(classes) / people) if people else 0.0,
        population_risk_share=_mean_population_reidentification_risk(by_person, sampled_share),
        l=_smallest_l_diversity(frame, quasi, sensitive) if sensitive else None,
        t=_largest_t_closeness(frame, quasi, sensitive) if sensitive else None,
    )


def _mean_population_reidentification_risk(by_person: npt.NDArray[np.int64], share: float) -> float:
    """Return the mean of E(1/F | f), F the class in the population, f in the sample.

    E(1/F | f) = p^f / f · 2F1(f, f; f + 1; 1 - p), p the sampled share.
    """
    if not len(by_person):
        return 0.0
    from scipy.special import hyp2f1  # type: ignore[import-untyped]  # noqa: PLC0415  slow

    f = by_person.astype(float)
    if share >= 1.0:
        return float(np.mean(1.0 / f))
    series = cast("npt.NDArray[np.float64]", hyp2f1(f, f, f + 1, 1 - share))
    risks = share**f / f * series
    # The series may exceed one by rounding where the sampled share is close to one.
    return float(np.mean(np.minimum(risks, 1.0)))


def _smallest_l_diversity(frame: pl.DataFrame, quasi: Sequence[str], sensitive: str) -> int:
    fewest = frame.group_by(list(quasi)).agg(pl.col(sensitive).n_unique())[sensitive].min()
    return int(fewest) if isinstance(fewest, int) else 0


def _largest_t_closeness(frame: pl.DataFrame, quasi: Sequence[str], sensitive: str) -> float:
    """Return the largest total variation distance of a class from the whole table."""
    whole = frame[sensitive].value_counts(normalize=True, name="whole")
    counts = frame.group_by([*quasi, sensitive]).len()
    classes = counts.with_columns(share=pl.col("len") / pl.col("len").sum().over(list(quasi))).join(
        whole, on=sensitive, how="left", nulls_equal=True
    )
    # Values absent from a class add their whole share, so sum the excess only.
    excess = (
        classes.with_columns(excess=(pl.col("share") - pl.col("whole")).clip(lower_bound=0.0))
        .group_by(list(quasi))
        .agg(pl.col("excess").sum())["excess"]
        .max()
    )
    return float(excess) if isinstance(excess, float) else 0.0
