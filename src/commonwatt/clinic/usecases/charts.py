"""Charts of the clinic: over time, by institution, by subgroup, and clinician against model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from commonwatt.catalogue.measures import measure_label_message, measure_value_text
from commonwatt.catalogue.shared import DAY
from commonwatt.clinic.domain.measures import (
    AUC,
    EVIDENCE_OVER_LIMIT,
    EXPECTED_EVENTS,
    OBSERVED_OVER_EXPECTED,
)
from commonwatt.core.messages import Message
from commonwatt.report.charts import (
    Chart,
    ChartCurve,
    ChartForm,
    ChartLimit,
    ChartSeries,
    ChartVerticals,
)
from commonwatt.report.charts.findings import row_with_most_or_least_or_none

_INTERVAL = Message("estimate, with its 95 % interval")
# Outer and inner limits of chance, exact Poisson.
_LIMITS = {
    "low_99_8": 0.001,
    "high_99_8": 0.999,
    "low_95": 0.025,
    "high_95": 0.975,
}
CURVE_POINTS = 60


def clinic_model_over_time_chart(models: Sequence[str], alarm_days: Sequence[float] = ()) -> Chart:
    """Return observed over expected by day and model, with a line at each alarm.

    Args:
        models: Names of the models, in their order.
        alarm_days: Days on which a monitor rang.
    """
    return Chart(
        name="over-time",
        title=Message("Observed over expected by day"),
        caption=Message("Each point is one day of one model; the line marks the day of the alarm."),
        form=ChartForm.LINES,
        table="watched",
        x="day",
        x_label=measure_label_message(DAY),
        series=[ChartSeries("o_over_e", model, where=("model", model)) for model in models],
        measure=OBSERVED_OVER_EXPECTED,
        # Nothing holds between two days of cases.
        dots=True,
        verticals=_alarm_day_chart_verticals(alarm_days),
    )


def clinic_monitor_evidence_chart(models: Sequence[str], alarm_days: Sequence[float] = ()) -> Chart:
    """Return how far each monitor's evidence has come to its limit, on a logarithmic scale.

    Args:
        models: Names of the models, in their order.
        alarm_days: Days on which a monitor rang.
    """
    return Chart(
        name="evidence",
        title=Message("Evidence of each monitor"),
        caption=Message(
            "The highest that the evidence against a model has stood, over the limit of its"
            " alarm; above one it has rung. The chance of a false alarm is bounded."
        ),
        form=ChartForm.LINES,
        table="evidence",
        x="day",
        x_label=measure_label_message(DAY),
        series=[ChartSeries("over_limit", model, where=("model", model)) for model in models],
        measure=EVIDENCE_OVER_LIMIT,
        logarithmic=True,
        # A model that is right would fall out of sight: evidence against it goes to nought.
        least=1e-6,
        limit=ChartLimit(1.0, Message("limit of the alarm")),
        verticals=_alarm_day_chart_verticals(alarm_days),
        finding=_models_in_alarm_message,
    )


def _alarm_day_chart_verticals(days: Sequence[float]) -> ChartVerticals | None:
    return ChartVerticals(sorted(days), Message("day of an alarm")) if days else None


def _models_in_alarm_message(evidence: pl.DataFrame, language: str) -> Message:
    del language
    highest = evidence.group_by("model", maintain_order=True).agg(pl.col("over_limit").max())
    rung = highest.filter(pl.col("over_limit") >= 1.0)["model"].to_list()
    if not rung:
        return Message("No monitor has rung")
    return Message("In alarm: {models}", {"models": ", ".join(rung)})


def clinic_institution_funnel_chart(models: Sequence[str]) -> Chart:
    """Return observed over expected of each institution against its expected events.

    An institution beyond the outer curves, which is named, is one in five hundred by chance
    alone, if the model is right there; the inner curves are one in twenty. Limits are
    exact Poisson.

    Args:
        models: Names of the models, in their order.
    """
    return Chart(
        name="funnel",
        title=Message("Institutions"),
        caption=Message(
            "By chance alone one institution in five hundred lies beyond the outer curves, and"
            " one in twenty beyond the inner ones."
        ),
        form=ChartForm.SCATTER,
        table="funnel",
        x="expected",
        x_label=measure_label_message(EXPECTED_EVENTS),
        series=[ChartSeries("o_over_e", model, where=("model", model)) for model in models],
        measure=OBSERVED_OVER_EXPECTED,
        names="named",
        # Institutions differ by orders of magnitude; on a linear axis the small ones, where chance
        # is largest, would be one blot.
        x_logarithmic=True,
        curves=[ChartCurve(name, is_dashed=name.endswith("_95")) for name in _LIMITS],
        prepare=_institutions_with_funnel_limit_curves,
        finding=_institutions_beyond_limits_message,
    )


def _institutions_with_funnel_limit_curves(
    institutions: pl.DataFrame, language: str
) -> pl.DataFrame:
    """Return the institutions and the points of the curves between them, by expected events."""
    del language
    # Where nothing is expected nothing can be divided by it.
    known = institutions.filter(pl.col("expected") > 0)
    # By row and not by name: an institution may lie outside for one model and inside for another.
    marked = known.with_columns(
        named=pl.when(_is_institution_outside_funnel_limits(known)).then(pl.col("institution"))
    )
    expected = known["expected"].to_numpy()
    low, high = float(expected.min()), float(expected.max())
    between = pl.DataFrame(
        {"expected": np.geomspace(max(low, 0.5), max(high, 1.0), CURVE_POINTS).tolist()}
    )
    # With a point at every institution, so that a dot never lies on the other side of a curve than
    # of its own limit.
    every = pl.concat([marked, between], how="diagonal").sort("expected", maintain_order=True)
    at = every["expected"].to_numpy()
    return every.with_columns(
        pl.Series(name, _clinic_funnel_poisson_limit(at, tail)) for name, tail in _LIMITS.items()
    )


def _institutions_beyond_limits_message(institutions: pl.DataFrame, language: str) -> Message:
    del language
    named = institutions["named"].drop_nulls().unique(maintain_order=True).to_list()
    if not named:
        return Message("No institution lies beyond the outer limits of chance")
    return Message("Beyond the outer limits of chance: {names}", {"names": ", ".join(named)})


def clinic_institutions_outside_funnel_limits(points: pl.DataFrame) -> pl.DataFrame:
    """Return the institutions that lie outside the outer limits.

    >>> given = pl.DataFrame({"expected": [100.0, 100.0], "o_over_e": [1.1, 1.5]})
    >>> clinic_institutions_outside_funnel_limits(given)["o_over_e"].to_list()
    [1.5]
    """
    return points.filter(_is_institution_outside_funnel_limits(points))


def _is_institution_outside_funnel_limits(points: pl.DataFrame) -> pl.Series:
    low, high = (
        _clinic_funnel_poisson_limit(points["expected"].to_numpy(), tail) for tail in (0.001, 0.999)
    )
    ratio = points["o_over_e"].to_numpy()
    return pl.Series((ratio < low) | (ratio > high))


def _clinic_funnel_poisson_limit(expected: Any, tail: float) -> Any:
    # Exact, because the normal limits of most funnels are wrong just where institutions are small
    # and outliers are looked for.
    #
    # Late: loading it takes longer than any other chart does.
    from scipy import stats as untyped_stats  # pyright: ignore[reportMissingTypeStubs]

    # SciPy ships no complete types; what is used of it is small.
    stats: Any = untyped_stats
    return stats.poisson.ppf(tail, expected) / expected


def patient_subgroup_charts() -> list[Chart]:
    """Return AUC and observed over expected of each group with intervals, side by side.

    Groups with too few events are named and left empty, so that nobody takes a gap for
    a good result.
    """
    return [
        Chart(
            name=f"groups-{metric.replace('_', '-')}",
            title=measure_label_message(measure),
            caption=Message("Intervals at 95 %; a group with too few events is named and empty."),
            form=ChartForm.RANGES,
            table="groups",
            x="group",
            series=[ChartSeries("estimate", _INTERVAL, low="low", high="high")],
            measure=measure,
            absent=Message("too few to say"),
            prepare=_clinic_estimate_rows_of_metric_selector(metric),
        )
        for metric, measure in (("auc", AUC), ("o_over_e", OBSERVED_OVER_EXPECTED))
    ]


def _clinic_estimate_rows_of_metric_selector(metric: str) -> Any:
    def rows_of_metric(estimates: pl.DataFrame, language: str) -> pl.DataFrame:
        del language
        return estimates.filter(pl.col("metric") == metric)

    return rows_of_metric


def clinician_against_model_chart() -> Chart:
    """Return the AUC of model, doctor and both, with intervals."""
    return Chart(
        name="voices",
        title=Message("Model, doctor, and both together"),
        caption=Message(
            "AUC for being alive after two months, with intervals at 95 %; what both know"
            " together is lost where the doctor is not asked before the advice."
        ),
        form=ChartForm.RANGES,
        table="voices",
        x="voice",
        series=[ChartSeries("estimate", _INTERVAL, low="low", high="high")],
        measure=AUC,
        finding=_highest_auc_message_or_none,
    )


def _highest_auc_message_or_none(voices: pl.DataFrame, language: str) -> Message | None:
    best = row_with_most_or_least_or_none(voices, "estimate", is_most=True)
    if best is None:
        return None
    auc = measure_value_text(best["estimate"], AUC, language)
    return Message("Highest AUC: {voice}, {auc}", {"voice": best["voice"], "auc": auc})
