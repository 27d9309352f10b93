"""Monitoring from a table of scores, labels and days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.clinic.engines.evidence import ScoreSketch, recalibrate_model_scores
from commonwatt.clinic.engines.evidence.metrics import FEWEST_EVENTS, auc_with_interval
from commonwatt.clinic.engines.evidence.sketch import BINS, sketch_model_scores
from commonwatt.clinic.engines.monitor import (
    MonitorPlan,
    MonitorResult,
    label_free_auc,
    monitor_daily_score_counts,
)
from commonwatt.clinic.engines.monitor.labelfree import ASSUMPTION
from commonwatt.clinic.usecases.evidence import read_patient_table
from commonwatt.core.messages import Message

REFERENCE_DAYS: Final = 7


def monitor_verdicts_by_stream(
    path: Path,
    *,
    columns: tuple[str, str, str],
    by: Sequence[str],
    band: float,
    alpha: float,
    horizon: int | None,
) -> dict[str, Any]:
    """Return the verdict on each stream: all rows, and each value of each column in `by`.

    Args:
        path: A CSV or Parquet file.
        columns: Names of score, label and day.
        by: Columns whose values are streams of their own.
        band: What is tolerated, on the logit scale.
        alpha: Bound on the probability of any false alarm.
        horizon: Rows that the bound is for.

    Raises:
        EvidenceError: The table lacks a column or holds a value out of bounds.
        MonitorError: The plan promises nothing, or a day is not one.
    """
    frame = read_patient_table(path, [*columns, *by])
    days, counts, names = daily_score_counts(frame, columns, by)
    events = int(frame[columns[1]].cast(pl.Int64).sum())
    # A rate of zero or one has no logit; slopes must turn somewhere.
    rate = min(max(events / max(frame.height, 1), 1e-3), 1 - 1e-3)
    plan = MonitorPlan(
        band=band,
        alpha=alpha,
        horizon=horizon or frame.height,
        middle=float(np.log(rate / (1 - rate))),
    )
    result = monitor_daily_score_counts(counts, plan)
    return {"alpha": alpha, "band": band, "horizon_rows": plan.horizon, "days": len(days)} | {
        "streams": [_monitor_stream_dict(i, name, result, days) for i, name in enumerate(names)],
        "companion": realised_and_label_free_model_auc(counts[:, 0]),
    }


def realised_and_label_free_model_auc(counts: npt.NDArray[np.int64]) -> dict[str, Any] | None:
    """Return the realised AUC after the first week beside what scores alone would say of it.

    `None` where the first week or what follows it holds too few events.

    Args:
        counts: Rows by day, label and bin, shape (days, 2, BINS).
    """
    before, after = counts[:REFERENCE_DAYS].sum(axis=0), counts[REFERENCE_DAYS:].sum(axis=0)
    # Neither a line fitted on three events nor an AUC over three is shown beside one another.
    if min(before.sum(axis=1).min(), after.sum(axis=1).min()) < FEWEST_EVENTS:
        return None
    none = np.zeros((1, 2), np.int64)
    line = recalibrate_model_scores(
        ScoreSketch(counts=before[None], above=none, score_sum=none[:, 0], threshold=0.5)
    )
    return {
        "reference_days": REFERENCE_DAYS,
        "realised_auc": float(auc_with_interval(after[None], 0.0)[0][0]),
        "label_free_auc": label_free_auc(after.sum(axis=0), line),
        "assumption": ASSUMPTION,
    }


def daily_score_counts(
    frame: pl.DataFrame, columns: tuple[str, str, str], by: Sequence[str]
) -> tuple[list[str], npt.NDArray[np.int64], list[str]]:
    """Return days, counts by day, stream, label and bin, and the streams' names."""
    score, label, day = columns
    dates = frame[day].cast(pl.String)
    days = dates.unique().sort().to_list()
    _check_monitor_days_are_dates(days)
    which_day = dates.replace_strict(days, list(range(len(days)))).to_numpy()
    blocks: list[npt.NDArray[np.int64]] = []
    names = ["all"]
    codes: list[tuple[npt.NDArray[np.int64], int]] = [(np.zeros(frame.height, np.int64), 1)]
    for column in by:
        text = frame[column].cast(pl.String).fill_null("unknown")
        values = text.unique().sort().to_list()
        codes.append(
            (text.replace_strict(values, list(range(len(values)))).to_numpy(), len(values))
        )
        names += [f"{column} = {value}" for value in values]
    for code, size in codes:
        sketch = sketch_model_scores(
            frame[score].to_numpy(),
            frame[label].cast(pl.Int8).to_numpy(),
            which_day * size + code,
            groups=len(days) * size,
        )
        blocks.append(sketch.counts.reshape(len(days), size, 2, BINS))
    return days, np.concatenate(blocks, axis=1), names


def _check_monitor_days_are_dates(days: list[str | None]) -> None:
    for day in days:
        try:
            date.fromisoformat(str(day)[:10])
        except ValueError:
            raise MonitorError("day", wanted=Message("A date is written YYYY-MM-DD.")) from None


def _monitor_stream_dict(
    stream_number: int, name: str, result: MonitorResult, days: list[str]
) -> dict[str, Any]:
    at = int(result.alarm_at[stream_number])
    return {
        "stream": name,
        "verdict": result.verdicts[stream_number],
        "alarm_on": days[at] if at >= 0 else None,
        "statistic_over_limit": float(result.statistic[stream_number]),
        "rows": int(result.rows[stream_number]),
        "events": int(result.events[stream_number]),
    }
