"""Charts of the clinic: over time, by institution, by subgroup, and clinician against model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl
from scipy import stats as untyped_stats  # pyright: ignore[reportMissingTypeStubs]

from commonwatt.catalogue.measures import measure_label_text
from commonwatt.catalogue.shared import DAY
from commonwatt.clinic.domain.measures import (
    AUC,
    EVIDENCE_OVER_LIMIT,
    EXPECTED_EVENTS,
    OBSERVED_OVER_EXPECTED,
)
from commonwatt.core.messages import translate
from commonwatt.report.theme import (
    ALARM,
    chart_at_report_size,
    chart_colour_scale,
    report_chart_svg,
)

# SciPy ships no complete types; what is used of it is small.
stats: Any = untyped_stats
_SOFT = "#888"


def model_over_time_svg(points: pl.DataFrame, alarms: pl.DataFrame, language: str) -> str:
    """Return observed over expected by day and model, with a line at each alarm.

    Args:
        points: Columns model, day and o_over_e.
        alarms: Columns model and day.
        language: Of the axis titles.
    """
    title = measure_label_text(OBSERVED_OVER_EXPECTED, language)
    dots = _medical_model_line_chart_base(points, "o_over_e", title, language).mark_point(
        size=18, filled=True
    )
    description = translate("Observed over expected by day", language)
    return report_chart_svg(
        chart_at_report_size(dots + _monitor_alarm_chart_lines(alarms)), description=description
    )


def monitor_evidence_svg(points: pl.DataFrame, alarms: pl.DataFrame, language: str) -> str:
    """Return how far each monitor's evidence has come to its limit, on a logarithmic scale.

    Args:
        points: Columns model, day and over_limit, which is above one in alarm.
        alarms: Columns model and day.
        language: Of the axis titles.
    """
    title = measure_label_text(EVIDENCE_OVER_LIMIT, language)
    lines = _medical_model_line_chart_base(
        points, "over_limit", title, language, log=True
    ).mark_line()
    limit = alt.Chart(pl.DataFrame({"over_limit": [1.0]})).mark_rule(color=_SOFT)
    description = translate(
        "Evidence against each model by day, and the limit of its alarm", language
    )
    layers = lines + limit.encode(y="over_limit:Q") + _monitor_alarm_chart_lines(alarms)
    return report_chart_svg(chart_at_report_size(layers), description=description)


def _medical_model_line_chart_base(
    points: pl.DataFrame, column: str, title: str, language: str, *, log: bool = False
) -> Any:
    models = points["model"].unique(maintain_order=True).to_list()
    return alt.Chart(points).encode(
        x=alt.X("day:Q", title=measure_label_text(DAY, language)),
        y=alt.Y(f"{column}:Q", title=title, scale=alt.Scale(type="log" if log else "linear")),
        color=alt.Color("model:N", title=None, scale=chart_colour_scale(models)),
    )


def _monitor_alarm_chart_lines(alarms: pl.DataFrame) -> Any:
    return alt.Chart(alarms).mark_rule(color=ALARM, strokeDash=[4, 3]).encode(x="day:Q")


def institution_funnel_svg(points: pl.DataFrame, language: str) -> str:
    """Return observed over expected of each institution against its expected events.

    An institution beyond the outer curves, which is named, is one in five hundred by chance
    alone, if the model is right there; the inner curves are one in twenty. Limits are
    exact Poisson.

    Args:
        points: Columns model, institution, expected and o_over_e.
        language: Of the axis titles.
    """
    models = points["model"].unique(maintain_order=True).to_list()
    # Institutions differ by orders of magnitude; on a linear axis the small ones, where chance is
    # largest, would be one blot.
    log = alt.Scale(type="log", nice=False, padding=12)
    x = alt.X("expected:Q", title=measure_label_text(EXPECTED_EVENTS, language), scale=log)
    title = measure_label_text(OBSERVED_OVER_EXPECTED, language)
    y: Any = alt.Y("o_over_e:Q", title=title, scale=alt.Scale(zero=False))
    colour: Any = alt.Color("model:N", title=None, scale=chart_colour_scale(models))
    dots = alt.Chart(points).mark_point(size=40, filled=True).encode(x=x, y=y, color=colour)
    names = alt.Chart(clinic_institutions_outside_funnel_limits(points)).mark_text(
        dx=8, align="left", fontSize=11
    )
    limits = institution_funnel_limits(points["expected"].to_list())
    dash: Any = alt.StrokeDash("level:N", legend=None, scale=alt.Scale(range=[[4, 3], [1, 0]]))
    curves = alt.Chart(limits).mark_line(color=_SOFT, strokeWidth=1)
    edges = curves.encode(x=x, y=y, detail="side:N", strokeDash=dash)
    description = translate(
        "Observed over expected by institution, with limits of chance", language
    )
    return report_chart_svg(
        chart_at_report_size(edges + dots + names.encode(x=x, y=y, text="institution:N")),
        description=description,
    )


def clinic_institutions_outside_funnel_limits(points: pl.DataFrame) -> pl.DataFrame:
    """Return the institutions that lie outside the outer limits.

    >>> given = pl.DataFrame({"expected": [100.0, 100.0], "o_over_e": [1.1, 1.5]})
    >>> clinic_institutions_outside_funnel_limits(given)["o_over_e"].to_list()
    [1.5]
    """
    low, high = (
        _clinic_funnel_poisson_limit(points["expected"].to_numpy(), tail) for tail in (0.001, 0.999)
    )
    ratio = points["o_over_e"].to_numpy()
    return points.filter(pl.Series((ratio < low) | (ratio > high)))


def _clinic_funnel_poisson_limit(expected: Any, tail: float) -> Any:
    # Exact, because the normal limits of most funnels are wrong just where institutions are small
    # and outliers are looked for.
    return stats.poisson.ppf(tail, expected) / expected


def institution_funnel_limits(expected: Sequence[float]) -> pl.DataFrame:
    """Return exact Poisson limits of observed over expected at 95 % and 99.8 %.

    >>> found = institution_funnel_limits([10.0, 100.0])
    >>> found.filter(level="99.8 %", side="high", expected=100.0)["o_over_e"].round(2).to_list()
    [1.32]
    """
    reach = np.geomspace(max(min(expected), 0.5), max(*expected, 1.0), 60)
    # With a point at every institution, so that a dot never lies on the other side of a curve than
    # of its own limit.
    at = np.unique(np.concatenate([reach, np.asarray(expected, np.float64)]))
    parts = [
        pl.DataFrame(
            {"expected": at, "o_over_e": _clinic_funnel_poisson_limit(at, tail)}
        ).with_columns(level=pl.lit(level), side=pl.lit(side))
        for level, tails in (("95 %", (0.025, 0.975)), ("99.8 %", (0.001, 0.999)))
        for side, tail in zip(("low", "high"), tails, strict=True)
    ]
    return pl.concat(parts)


def patient_subgroups_svg(estimates: pl.DataFrame, language: str) -> str:
    """Return AUC and observed over expected of each group with intervals, side by side.

    Groups with too few events are named and left empty, so that nobody takes a gap for
    a good result.

    Args:
        estimates: Columns group, metric, estimate, low, high, and verdict.
        language: Of the axis titles.
    """
    titles = {
        "auc": measure_label_text(AUC, language),
        "o_over_e": measure_label_text(OBSERVED_OVER_EXPECTED, language),
    }
    groups = estimates["group"].unique(maintain_order=True).to_list()
    few = translate("too few to say", language)
    panels = [
        _subgroup_metric_panel(estimates.filter(pl.col("metric") == metric), title, groups, few)
        for metric, title in titles.items()
    ]
    description = translate("How well the model does in each group, with intervals", language)
    return report_chart_svg(alt.hconcat(*panels), description=description)


def _subgroup_metric_panel(rows: pl.DataFrame, title: str, groups: list[str], few: str) -> Any:
    y: Any = alt.Y("group:N", title=None, sort=groups, axis=alt.Axis(labelLimit=220))
    chart = alt.Chart(rows.filter(pl.col("estimate").is_not_null()))
    axis = alt.Axis(tickCount=5)
    x = alt.X("estimate:Q", title=title, scale=alt.Scale(zero=False), axis=axis)
    dots = chart.mark_point(filled=True, size=40).encode(x=x, y=y)
    bars = chart.mark_rule().encode(x=alt.X("low:Q", title=title), x2="high:Q", y=y)
    missing = alt.Chart(rows.filter(pl.col("estimate").is_null()))
    words = missing.mark_text(align="left", color=_SOFT, fontSize=10, text=few)
    return (bars + dots + words.encode(y=y, x=alt.value(4))).properties(
        width=230, height=22 * max(len(groups), 2)
    )


def clinician_against_model_svg(estimates: pl.DataFrame, language: str) -> str:
    """Return the AUC of model, doctor and both, with intervals.

    Args:
        estimates: Columns voice, estimate, low and high.
        language: Of the description.
    """
    names = estimates["voice"].to_list()
    y: Any = alt.Y("voice:N", title=None, sort=names)
    chart = alt.Chart(estimates)
    title = measure_label_text(AUC, language)
    x = alt.X("estimate:Q", title=title, scale=alt.Scale(zero=False))
    bars = chart.mark_rule().encode(x=alt.X("low:Q", title=title), x2="high:Q", y=y)
    dots = chart.mark_point(filled=True, size=50).encode(x=x, y=y)
    description = translate("AUC of the model, of the doctor, and of both together", language)
    return report_chart_svg(chart_at_report_size(bars + dots, height=110), description=description)
