"""What a monitor saw, drawn: calibration and discrimination over time, and its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.clinic.domain.tables import OVER_TIME
from commonwatt.clinic.engines.evidence.metrics import FEWEST_EVENTS, auc_and_interval_by_group
from commonwatt.clinic.engines.evidence.sketch import model_score_bin_middle_logits
from commonwatt.clinic.engines.monitor import (
    DailyScoreCells,
    MonitorPlan,
    monitor_result_of_daily_cells,
)
from commonwatt.clinic.engines.monitor.cells import days_and_daily_cells_of_frame
from commonwatt.clinic.usecases.charts import (
    clinic_model_over_time_chart,
    clinic_monitor_evidence_chart,
)
from commonwatt.clinic.usecases.monitor import (
    MonitorOptions,
    monitor_statistic_plan,
    monitored_table,
)
from commonwatt.report.charts import chart_svg_document

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
POINTS: Final = 40  # most points of a line
MOST_STREAMS_DRAWN: Final = 9  # streams that are drawn; all are in the table


def monitor_figures(
    path: Path, options: MonitorOptions, answer: dict[str, Any], *, language: str
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return how each stream did over time, and its charts.

    Args:
        path: The table that was monitored.
        options: What the run said.
        answer: What the monitor said of it.
        language: Of the charts.
    """
    table = monitored_table(path, options)
    shown = {stream["stream"] for stream in answer["streams"]}
    days, cells = days_and_daily_cells_of_frame(table.cells, len(table.plan.stream_names))
    streams = [
        (number, name) for number, name in enumerate(table.plan.stream_names) if name in shown
    ]
    # Rounded up, so that a line never has more than `POINTS` points, however many days there are.
    step = -(-max(len(days), 1) // POINTS)
    ends = sorted({*range(step, len(days) + 1, step), len(days)})
    points = OVER_TIME.build_frame(
        **_monitor_figure_columns_by_stretch(
            cells, streams, ends, monitor_statistic_plan(table.plan)
        )
    )
    names = [name for _, name in streams]
    day_numbers = {day.isoformat(): number for number, day in enumerate(days)}
    alarm_days = [
        day_numbers[stream["alarm_on"]]
        for stream in answer["streams"][:MOST_STREAMS_DRAWN]
        if stream["alarm_on"]
    ]
    charted = points.filter(pl.col("model").is_in(names[:MOST_STREAMS_DRAWN]))
    with_ratio = charted.filter(pl.col("o_over_e").is_not_null())
    models = charted["model"].unique(maintain_order=True).to_list()
    return points, {
        "over-time.svg": chart_svg_document(
            clinic_model_over_time_chart(models, alarm_days), with_ratio, language
        ),
        "evidence.svg": chart_svg_document(
            clinic_monitor_evidence_chart(models, alarm_days), charted, language
        ),
    }


def _monitor_figure_columns_by_stretch(
    cells: DailyScoreCells,
    streams: Sequence[tuple[int, str]],
    ends: Sequence[int],
    plan: MonitorPlan,
) -> dict[str, Any]:
    """Return a column of values for each stretch of each stream, stream by stream."""
    starts = [0, *ends[:-1]]
    ordered = cells.in_stream_order()
    columns: dict[str, list[F64]] = {name: [] for name in ("rows", "events", "o_over_e", "auc")}
    for number, _ in streams:
        # Stream by stream: the counts of all of a thousand sites at once fill the memory.
        own = ordered.of_stream(number)
        parts = np.stack(
            [own.row_counts_by_label_and_bin(a, b) for a, b in zip(starts, ends, strict=True)]
        )
        for name, values in _model_figures_by_stretch_of_days(parts).items():
            columns[name].append(values)
    joined = {name: np.concatenate(values) for name, values in columns.items()}
    path = np.stack(
        [monitor_result_of_daily_cells(cells.first_days(end), plan).statistic for end in ends],
        axis=1,
    )
    return {
        "model": [name for _, name in streams for _ in ends],
        "day": list(ends) * len(streams),
        "rows": joined["rows"].astype(np.int64),
        "events": joined["events"].astype(np.int64),
        "o_over_e": pl.Series(joined["o_over_e"], nan_to_null=True),
        "auc": pl.Series(joined["auc"], nan_to_null=True),
        "over_limit": path[[number for number, _ in streams]].ravel(),
    }


def _model_figures_by_stretch_of_days(parts: I64) -> dict[str, F64]:
    """Return rows, events, observed over expected and AUC of each stretch of one stream."""
    rows, events = parts.sum(axis=(1, 2)), parts[:, 1].sum(axis=1)
    expected = parts.sum(axis=1) @ (1 / (1 + np.exp(-model_score_bin_middle_logits())))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(rows > 0, events / expected, np.nan)
    few = np.minimum(events, rows - events) < FEWEST_EVENTS
    return {
        "rows": rows.astype(np.float64),
        "events": events.astype(np.float64),
        "o_over_e": ratio,
        "auc": np.where(few, np.nan, auc_and_interval_by_group(parts, 0.0)[0]),
    }
