"""What a monitor saw, drawn: calibration and discrimination over time, and its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.clinic.domain.tables import OVER_TIME
from commonwatt.clinic.engines.evidence.metrics import FEWEST_EVENTS, auc_with_interval
from commonwatt.clinic.engines.evidence.sketch import model_score_bin_middle_logits
from commonwatt.clinic.engines.monitor import MonitorPlan, monitor_daily_score_counts
from commonwatt.clinic.usecases.charts import model_over_time_chart, monitor_evidence_chart
from commonwatt.clinic.usecases.evidence import read_patient_table
from commonwatt.clinic.usecases.monitor import daily_score_counts
from commonwatt.report.charts import chart_svg_file

I64 = npt.NDArray[np.int64]
POINTS: Final = 40  # most points of a line
MOST_STREAMS_DRAWN: Final = 9  # streams that are drawn; all are in the table


def monitor_figures(
    path: Path,
    answer: dict[str, Any],
    *,
    columns: tuple[str, str, str],
    by: Sequence[str],
    language: str,
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return how each stream did over time, and its charts.

    Args:
        path: The table that was monitored.
        answer: What the monitor said of it.
        columns: Names of score, label and day.
        by: Columns whose values are streams of their own.
        language: Of the charts.
    """
    days, counts, names = daily_score_counts(read_patient_table(path, [*columns, *by]), columns, by)
    # Rounded up, so that a line never has more than `POINTS` points, however many days there are.
    step = -(-len(days) // POINTS)
    ends = sorted({*range(step, len(days) + 1, step), len(days)})
    points = OVER_TIME.build_frame(
        **_monitor_figure_columns_by_stretch(
            counts, names, ends, _monitor_plan_of_answer(counts, answer)
        )
    )
    alarm_days = [
        days.index(stream["alarm_on"])
        for stream in answer["streams"][:MOST_STREAMS_DRAWN]
        if stream["alarm_on"]
    ]
    charted = points.filter(pl.col("model").is_in(names[:MOST_STREAMS_DRAWN]))
    with_ratio = charted.filter(pl.col("o_over_e").is_not_null())
    models = charted["model"].unique(maintain_order=True).to_list()
    return points, {
        "over-time.svg": chart_svg_file(
            model_over_time_chart(models, alarm_days), with_ratio, language
        ),
        "evidence.svg": chart_svg_file(
            monitor_evidence_chart(models, alarm_days), charted, language
        ),
    }


def _monitor_plan_of_answer(counts: I64, answer: dict[str, Any]) -> MonitorPlan:
    """Return the plan behind an answer; its middle is the rate of events."""
    none, some = (int(n) for n in counts[:, 0].sum(axis=(0, 2)))
    rate = min(max(some / max(none + some, 1), 1e-3), 1 - 1e-3)
    return MonitorPlan(
        band=answer["band"],
        alpha=answer["alpha"],
        horizon=answer["horizon_rows"],
        middle=float(np.log(rate / (1 - rate))),
    )


def _monitor_figure_columns_by_stretch(
    counts: I64, names: Sequence[str], ends: Sequence[int], plan: MonitorPlan
) -> dict[str, Any]:
    """Return a column of values for each stretch of each stream, stream by stream."""
    starts = [0, *ends[:-1]]
    parts = np.stack([counts[a:b].sum(axis=0) for a, b in zip(starts, ends, strict=True)], axis=1)
    flat = parts.reshape(-1, *parts.shape[2:])  # (streams × stretches, 2, bins)
    rows, events = flat.sum(axis=(1, 2)), flat[:, 1].sum(axis=1)
    expected = flat.sum(axis=1) @ (1 / (1 + np.exp(-model_score_bin_middle_logits())))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = events / expected
    area = auc_with_interval(flat, 0.0)[0]
    few = np.minimum(events, rows - events) < FEWEST_EVENTS
    path = np.stack(
        [monitor_daily_score_counts(counts[:end], plan).statistic for end in ends], axis=1
    )
    return {
        "model": [name for name in names for _ in ends],
        "day": list(ends) * len(names),
        "rows": rows,
        "events": events,
        "o_over_e": pl.Series(np.where(rows > 0, ratio, np.nan), nan_to_null=True),
        "auc": pl.Series(np.where(few, np.nan, area), nan_to_null=True),
        "over_limit": path.ravel(),
    }
