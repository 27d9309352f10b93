"""A chart's data as they are drawn: reduced once, the same for SVG and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from commonwatt.catalogue.measures import measure_heading, measure_shown_value, shown_measure_unit
from commonwatt.core.messages import Message
from commonwatt.web.page_view import Chart, ChartForm, ChartSeries
from commonwatt.web.reduce import F64, reduce_console_chart_series

if TYPE_CHECKING:
    import polars as pl

ALONG_X = frozenset({ChartForm.BARS, ChartForm.RANGES, ChartForm.POINTS})
REDUCED_FORMS = frozenset({ChartForm.LINES, ChartForm.AREAS})


def console_chart_data(chart: Chart, frame: pl.DataFrame, language: str) -> dict[str, Any]:
    """Return everything that a drawing of `chart` needs, as plain JSON values.

    Args:
        chart: What is drawn.
        frame: The whole table behind it.
        language: Of its labels.
    """
    frame = _console_chart_frame_in_shown_unit(chart, frame, language)
    head = {
        "form": chart.form.value,
        "title": _translated_console_chart_text(chart.title, language),
        "caption": _translated_console_chart_text(chart.caption, language),
        "unit": _console_chart_unit_label(chart, language),
        "logarithmic": chart.logarithmic,
        "x_label": _console_chart_x_axis_label(chart, language),
        "y_label": _console_chart_value_axis_label(chart, language),
        "feed": chart.feed,
    }
    # Points come from the feed once the page is open; what was measured before is asked for from
    # row 0 on.
    if chart.form is ChartForm.LIVE:
        return head | {
            "x": [],
            "series": [
                _console_chart_series_label_json(series, language) for series in chart.series
            ],
        }
    if chart.form in REDUCED_FORMS:
        return head | _line_chart_data(chart, frame, language)
    if chart.form is ChartForm.HEAT:
        return head | _console_heat_map_data(chart, frame, language)
    return head | _category_chart_data(chart, frame, language)


def _console_chart_unit_label(chart: Chart, language: str) -> str:
    if chart.measure is None:
        return chart.unit
    unit = shown_measure_unit(chart.measure, language, currency=chart.currency)
    return "%" if _is_console_chart_in_percent(chart) else unit


def _console_chart_x_axis_label(chart: Chart, language: str) -> str:
    """Return the label of the horizontal axis: the values' own, where they lie along it."""
    if chart.measure is not None and chart.form in ALONG_X and not chart.x_label:
        return measure_heading(chart.measure, language, currency=chart.currency)
    return _translated_console_chart_text(chart.x_label, language)


def _console_chart_value_axis_label(chart: Chart, language: str) -> str:
    """Return what stands above a chart whose values go upwards; empty where they lie along x."""
    if chart.measure is None or chart.form in ALONG_X:
        return ""
    return measure_heading(chart.measure, language, currency=chart.currency)


def _console_chart_frame_in_shown_unit(
    chart: Chart, frame: pl.DataFrame, language: str
) -> pl.DataFrame:
    """Return the table with the drawn columns in the unit that people are shown."""
    if chart.measure is None or _is_console_chart_in_percent(chart) or frame.is_empty():
        return frame
    # A unit is a factor here: no measure of ours is a temperature.
    factor = measure_shown_value(1.0, chart.measure, language, currency=chart.currency)
    every = [*chart.series, chart.line] if chart.line else list(chart.series)
    drawn = {name for series in every for name in (series.column, series.low, series.high) if name}
    return frame.with_columns(frame[name] * factor for name in sorted(drawn))


def _is_console_chart_in_percent(chart: Chart) -> bool:
    # Axes write a share in percent themselves, so that a script and the server agree on its ticks.
    if chart.measure is None:
        return chart.unit == "%"
    return shown_measure_unit(chart.measure, currency=chart.currency).startswith("%")


def _line_chart_data(chart: Chart, frame: pl.DataFrame, language: str) -> dict[str, Any]:
    every = [*chart.series, chart.line] if chart.line else list(chart.series)
    x = _console_chart_column_numbers(_console_rows_of_chart_series(frame, every[0])[chart.x])
    lines = [
        _console_series_values_aligned_to_x(
            x, _console_rows_of_chart_series(frame, series), chart.x, series.column
        )
        for series in every
    ]
    if chart.form is ChartForm.AREAS:
        # Stacked before they are reduced: the parts have their peaks at different instants, so
        # reduced parts would not add up.
        lines[: len(chart.series)] = _stacked_console_chart_lines(lines[: len(chart.series)])
    x, lines = reduce_console_chart_series(x, lines)
    series_json = [
        _console_chart_series_label_json(series, language)
        | {"values": _rounded_chart_values(values)}
        for series, values in zip(every, lines, strict=True)
    ]
    # The dashed line was the last of `every`, so that it went through the same places as the
    # series.
    line = series_json.pop() if chart.line else None
    return {"x": _rounded_chart_values(x), "series": series_json, "line": line}


def _stacked_console_chart_lines(lines: list[F64]) -> list[F64]:
    """Return running sums, so that every area stands on the one before it."""
    parts = np.stack(lines)
    # A part without a value adds nothing where others have one; only where none has is there a gap.
    sums = np.cumsum(np.nan_to_num(parts), axis=0)
    return list(np.where(np.isnan(parts).all(axis=0), np.nan, sums))


def _category_chart_data(chart: Chart, frame: pl.DataFrame, language: str) -> dict[str, Any]:
    # In the order of the table, which its maker chose; without `maintain_order` Polars promises
    # none.
    names = frame[chart.x].cast(str).unique(maintain_order=True).to_list()
    every = [*chart.series, chart.line] if chart.line else list(chart.series)
    series_json = [
        _console_chart_category_series_data(series, frame, chart.x, names, language)
        for series in every
    ]
    line = series_json.pop() if chart.line else None
    return {"x": names, "series": series_json, "line": line}


def _console_chart_category_series_data(
    series: ChartSeries, frame: pl.DataFrame, x: str, names: list[str], language: str
) -> dict[str, Any]:
    part = _console_rows_of_chart_series(frame, series)
    keys = part[x].cast(str).to_list()
    out = _console_chart_series_label_json(series, language)
    for role, column in (("values", series.column), ("low", series.low), ("high", series.high)):
        if column:
            value_of_key = dict(
                zip(
                    keys,
                    _rounded_chart_values(_console_chart_column_numbers(part[column])),
                    strict=True,
                )
            )
            # A series may lack a name that another has; it gets a gap there and its later values do
            # not slip to the left.
            out[role] = [value_of_key.get(name) for name in names]
    return out


def _console_heat_map_data(chart: Chart, frame: pl.DataFrame, language: str) -> dict[str, Any]:
    names = frame[chart.x].cast(str).unique(maintain_order=True).to_list()
    rows = frame[chart.y].cast(str).unique(maintain_order=True).to_list()
    places = {name: i for i, name in enumerate(names)}
    height = {name: i for i, name in enumerate(rows)}
    cell_series = chart.series[0]
    cells = [
        [places[str(a)], height[str(b)], value]
        for a, b, value in zip(
            frame[chart.x],
            frame[chart.y],
            _rounded_chart_values(_console_chart_column_numbers(frame[cell_series.column])),
            strict=True,
        )
    ]
    return {
        "x": names,
        "y": rows,
        "series": [_console_chart_series_label_json(cell_series, language) | {"cells": cells}],
    }


def _console_rows_of_chart_series(frame: pl.DataFrame, series: ChartSeries) -> pl.DataFrame:
    if series.where is None:
        return frame
    column, value = series.where
    return frame.filter(frame[column].cast(str) == value)


def _console_series_values_aligned_to_x(
    x: F64, part: pl.DataFrame, x_column: str, column: str
) -> F64:
    """Return a column over the places `x`; a place that the part lacks has no value."""
    own, values = (
        _console_chart_column_numbers(part[x_column]),
        _console_chart_column_numbers(part[column]),
    )
    if len(own) == len(x) and np.array_equal(own, x):
        return values
    out = np.full(len(x), np.nan)
    # Some series of a long table have fewer instants than the first; they must not be drawn against
    # its places.
    at = np.searchsorted(x, own)
    # An instant after the last of `x` is found at len(x), which is no place; the second test alone
    # would fail on it.
    known = (at < len(x)) & (x[np.minimum(at, len(x) - 1)] == own)
    out[at[known]] = values[known]
    return out


def _console_chart_column_numbers(column: pl.Series) -> F64:
    return column.cast(float).fill_null(float("nan")).to_numpy()


def _rounded_chart_values(values: F64) -> list[float | None]:
    """Return numbers of six significant digits, which is more than a screen shows."""
    # JSON has no NaN. Python would write the word all the same, and a browser's parser refuses it.
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]


def _console_chart_series_label_json(series: ChartSeries, language: str) -> dict[str, Any]:
    return {"label": _translated_console_chart_text(series.label, language)}


def _translated_console_chart_text(text: Message | str, language: str) -> str:
    return text.translate(language) if isinstance(text, Message) else text
