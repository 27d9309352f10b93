"""Monitoring from a table of scores, outcomes and days, without a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.clinic.domain.errors import MonitorError, MonitorSilentError
from commonwatt.clinic.domain.registry.state import NO_INFORMATION
from commonwatt.clinic.domain.surveillance import (
    ALL_PATIENTS,
    HORIZON_ROWS,
    OTHER_GROUP,
    SurveillancePlan,
)
from commonwatt.clinic.engines.evidence import ScoreSketch, score_recalibration_of_group
from commonwatt.clinic.engines.evidence.metrics import FEWEST_EVENTS, auc_and_interval_by_group
from commonwatt.clinic.engines.monitor import (
    DailyScoreCells,
    MonitorPlan,
    MonitorResult,
    label_free_auc,
    monitor_result_of_daily_cells,
)
from commonwatt.clinic.engines.monitor.cells import (
    days_and_daily_cells_of_frame,
    days_without_rows,
    monitor_group_values_by_column,
    monitor_score_cell_frame,
)
from commonwatt.clinic.engines.monitor.labelfree import ASSUMPTION
from commonwatt.clinic.engines.monitor.maturity import MatureRows, mature_rows
from commonwatt.clinic.io.patient_table import (
    PatientColumns,
    TableReading,
    read_scored_patients,
)
from commonwatt.clinic.usecases.monitor_assumptions import monitor_assumptions
from commonwatt.core.messages import Message

REFERENCE_DAYS: Final = 7
_WEEKS_OF_TEN_YEARS: Final = 522


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorOptions:
    """What a run says; what it leaves out is `None` and comes from the plan or the table.

    Args:
        columns: Names of the columns.
        band: Half width of what is tolerated, on the logit scale.
        alpha: Bound on the probability of any false alarm.
        horizon_rows: Rows that the bound is for.
        middle: Logit about which slopes turn.
        day_effect_sd: What the rows of one day may share.
        maturity_days: Wait of every row for its outcome.
        as_of: The day of the run: rows that count on it or later wait.
    """

    columns: PatientColumns
    band: float | None = None
    alpha: float | None = None
    horizon_rows: int | None = None
    middle: float | None = None
    day_effect_sd: float | None = None
    maturity_days: int | None = None
    as_of: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredTable:
    """A table as it was read, what of it counts, through which day, and by which plan.

    `uncounted` are the cells of rows that came to their day without an outcome in time.
    """

    plan: SurveillancePlan
    reading: TableReading
    mature: MatureRows
    cells: pl.DataFrame
    uncounted: pl.DataFrame
    through: date


def monitor_answer_dict_of_table(path: Path, options: MonitorOptions) -> dict[str, Any]:
    """Return the verdict on each stream: all rows, and each value of each group.

    Raises:
        EvidenceError: The table lacks a column or holds a value out of bounds.
        MonitorError: The plan promises nothing, or a day is not one.
    """
    table = monitored_table(path, options)
    return monitor_answer_dict(table, fixed=False)


def monitored_table(
    path: Path, options: MonitorOptions, plan: SurveillancePlan | None = None
) -> MonitoredTable:
    """Return what of a table counts, by a plan or, without one, by what the table suggests."""
    frame, reading = read_scored_patients(path, options.columns)
    if "day" not in frame.columns or frame["day"].null_count() == frame.height:
        raise MonitorError(str(path), wanted=Message("rows with a day and a score"))
    by_table = plan or _surveillance_plan_suggested_by_table(frame, options)
    through = options.as_of - timedelta(days=1) if options.as_of else _last_row_or_label_day(frame)
    mature = mature_rows(frame, maturity_days=by_table.maturity_days, through=through)
    if plan is None:
        groups = monitor_group_values_by_column(mature.frame, options.columns.by)
        by_table = _surveillance_plan_with_table_horizon(by_table, mature.frame, options, groups)
    return MonitoredTable(
        plan=by_table,
        reading=reading,
        mature=mature,
        cells=monitor_score_cell_frame(mature.frame, by_table.groups),
        uncounted=monitor_score_cell_frame(
            mature.uncounted.with_columns(label=pl.lit(0, pl.Int8)), by_table.groups
        ),
        through=through,
    )


def monitor_answer_dict(
    table: MonitoredTable,
    *,
    fixed: bool,
    cells: pl.DataFrame | None = None,
    through: date | None = None,
) -> dict[str, Any]:
    """Return what a monitor says, what it rests on, and what of that was checked.

    Args:
        table: What counts.
        fixed: Whether the plan was fixed in a deployment before the first look.
        cells: What counts where it is more than the table holds.
        through: The last day that counts where it is later than the table's.
    """
    plan = table.plan
    cells = table.cells if cells is None else cells
    days, daily, result = days_cells_and_monitor_result(cells, plan)
    empty = days_without_rows(cells, through or table.through, plan.maturity_days)
    first = daily.of_stream(0)
    assumptions = monitor_assumptions(plan, table.mature, result, daily, fixed=fixed)
    return {
        "alpha": plan.alpha,
        "bound": result.bound,
        "band": plan.band,
        "middle_logit": plan.middle,
        "horizon_rows": plan.horizon_rows,
        "horizon_used": float(result.rows[0] / plan.horizon_rows) if len(days) else 0.0,
        "day_effect_sd": plan.day_effect_sd,
        "day_effect_sd_learned": result.day_effect_sd,
        "maturity_days": plan.maturity_days,
        "plan_sha256": plan.sha256,
        "days": len(days),
        "through": days[-1].isoformat() if days else None,
        "days_without_rows": sum((last - first).days + 1 for first, last in empty),
        "stretches_without_rows": [
            {"first": first.isoformat(), "last": last.isoformat()} for first, last in empty
        ],
        "streams": [
            _monitor_stream_dict(number, name, result, days)
            for number, name in _shown_stream_numbers_and_names(plan, result)
        ],
        "read": table.reading.as_dict() | _mature_row_count_by_reason(table.mature),
        "assumptions": [each.as_dict() for each in assumptions],
        "companion": realised_and_label_free_model_auc(
            np.stack([first.row_counts_by_label_and_bin(0, REFERENCE_DAYS),
                      first.row_counts_by_label_and_bin(REFERENCE_DAYS, len(days))])
        ),
    }  # fmt: skip


def silent_monitor_error(answer: Mapping[str, Any], where: str) -> MonitorSilentError | None:
    """Return why nothing follows from a run over all patients; None where something does.

    Args:
        answer: What `monitor_answer_dict` gave.
        where: The table, or the deployment.
    """
    stream, read = answer["streams"][0], answer["read"]
    if stream["verdict"] != NO_INFORMATION:
        return None
    rows, days = f"{stream['rows']:,}", str(answer["maturity_days"])
    if stream["rows"] and 0 < stream["events"] < stream["rows"]:
        silence = Message("scores so near to 0 or 1 that nothing follows from them")
    elif stream["rows"]:
        silence = Message("{rows} rows, whose outcomes are all of one kind", {"rows": rows})
    elif read["rows_waiting"]:
        gaps = {"rows": f"{read['rows_waiting']:,}", "days": days}
        silence = Message("no row that counts: {rows} wait {days} days for their outcome", gaps)
    else:
        silence = Message("no row with an outcome")
    return MonitorSilentError(
        where,
        found=silence,
        wanted=Message("outcomes of both kinds, at scores between 0 and 1"),
        remedy=Message("Give the outcomes that are known by now; until then nobody watches."),
    )


def days_cells_and_monitor_result(
    cells: pl.DataFrame, plan: SurveillancePlan
) -> tuple[list[date], DailyScoreCells, MonitorResult]:
    """Return the days on which rows counted, their cells, and what the monitor says of them."""
    days, daily = days_and_daily_cells_of_frame(cells, len(plan.stream_names))
    return days, daily, monitor_result_of_daily_cells(daily, monitor_statistic_plan(plan))


def monitor_statistic_plan(plan: SurveillancePlan) -> MonitorPlan:
    """Return the plan of the statistic behind a plan of surveillance."""
    return MonitorPlan(
        band=plan.band,
        alpha=plan.alpha,
        horizon=plan.horizon_rows,
        middle=plan.middle,
        day_effect_sd=plan.day_effect_sd,
    )


def _surveillance_plan_suggested_by_table(
    frame: pl.DataFrame, options: MonitorOptions
) -> SurveillancePlan:
    """Return the plan of a run without a deployment; horizon and groups are still missing."""
    columns = options.columns
    plan = SurveillancePlan(
        columns={
            "score": columns.score, "label": columns.label, "day": columns.day,
            "known_on": columns.known_on, "patient": columns.patient, "row_key": columns.row_key,
        },
        zone=columns.zone,
        # Where outcomes have a date of their own, they come late; a month is what hospitals need.
        maturity_days=30 if columns.known_on else 0,
        middle=_logit_of_mean_first_week_score(frame),
    )  # fmt: skip
    given = {
        name: getattr(options, name)
        for name in ("band", "alpha", "middle", "day_effect_sd", "maturity_days")
        if getattr(options, name) is not None
    }
    return replace(plan, **given)


def _logit_of_mean_first_week_score(frame: pl.DataFrame) -> float:
    """Return the logit of the mean score of the first week.

    Of the scores and not of the outcomes, and of the first week only: whatever moved with
    each look would give each look a test of its own.
    """
    since = pl.col("day").sub(pl.col("day").min())
    first = frame.filter(since < timedelta(days=REFERENCE_DAYS))
    # A rate of zero or one has no logit; slopes must turn somewhere.
    rate = min(max(float(first["score"].mean() or 0.0), 1e-3), 1 - 1e-3)  # pyright: ignore[reportArgumentType]
    return float(np.log(rate / (1 - rate)))


def _surveillance_plan_with_table_horizon(
    plan: SurveillancePlan,
    rows: pl.DataFrame,
    options: MonitorOptions,
    groups: dict[str, tuple[str, ...]],
) -> SurveillancePlan:
    """Return the plan with a horizon of ten years at the pace of the first week."""
    horizon = options.horizon_rows
    if horizon is None:
        first = pl.col("counted_on").min()
        week = rows.filter(pl.col("counted_on").sub(first) < timedelta(days=REFERENCE_DAYS)).height
        # A look a week on a table that grows must not have a horizon that grows with it.
        horizon = max(HORIZON_ROWS, _WEEKS_OF_TEN_YEARS * week)
    return replace(plan, horizon_rows=horizon, groups=groups)


def _last_row_or_label_day(frame: pl.DataFrame) -> date:
    dates = [frame[name].max() for name in ("day", "known_on") if name in frame.columns]
    return max(day for day in dates if isinstance(day, date))


def realised_and_label_free_model_auc(counts: npt.NDArray[np.int64]) -> dict[str, Any] | None:
    """Return the realised AUC after the first week beside what scores alone would say of it.

    `None` where the first week or what follows it holds too few events, or the first week one
    score alone.

    Args:
        counts: Rows of the first week and of what follows it, or of each day, by label and bin,
            shape (2 or days, 2, BINS).
    """
    first = REFERENCE_DAYS if len(counts) > 2 else 1
    before, after = counts[:first].sum(axis=0), counts[first:].sum(axis=0)
    # Neither a line fitted on three events nor an AUC over three is shown beside one another, and
    # through one score goes no line.
    few = min(before.sum(axis=1).min(), after.sum(axis=1).min()) < FEWEST_EVENTS
    if few or np.count_nonzero(before.sum(axis=0)) < 2:
        return None
    none = np.zeros((1, 2), np.int64)
    line = score_recalibration_of_group(
        ScoreSketch(counts=before[None], above=none, score_sum=none[:, 0], threshold=0.5)
    )
    return {
        "reference_days": REFERENCE_DAYS,
        "realised_auc": float(auc_and_interval_by_group(after[None], 0.0)[0][0]),
        "label_free_auc": label_free_auc(after.sum(axis=0), line),
        "assumption": ASSUMPTION,
    }


def _shown_stream_numbers_and_names(
    plan: SurveillancePlan, result: MonitorResult
) -> list[tuple[int, str]]:
    """Return the streams that are shown; a rest into which nobody came is left out."""
    return [
        (number, name)
        for number, name in enumerate(plan.stream_names)
        if name == ALL_PATIENTS or result.rows[number] or not name.endswith(f" = {OTHER_GROUP}")
    ]


def _monitor_stream_dict(
    stream_number: int, name: str, result: MonitorResult, days: Sequence[date]
) -> dict[str, Any]:
    at = int(result.alarm_at[stream_number])
    return {
        "stream": name,
        "verdict": result.verdicts[stream_number],
        "alarm_on": days[at].isoformat() if at >= 0 else None,
        "statistic_over_limit": float(result.statistic[stream_number]),
        "rows": int(result.rows[stream_number]),
        "events": int(result.events[stream_number]),
        "rows_without_information": int(result.uninformative[stream_number]),
    }


def _mature_row_count_by_reason(mature: MatureRows) -> dict[str, int]:
    return {
        "rows_counted": mature.frame.height,
        "rows_waiting": mature.waiting,
        "rows_without_day": mature.without_day,
        "rows_without_patient": mature.without_patient,
        "rows_of_patients_counted_before": mature.repeated_patients,
        "rows_without_outcome": mature.without_label,
        "rows_with_late_outcome": mature.late_labels,
    }
