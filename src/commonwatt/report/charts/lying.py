"""Charts with a row for each name: bars, ranges, points, and maps of two names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from commonwatt.report.charts.axes import (
    EDGE,
    LINE_HEIGHT,
    TICK_ROOM,
    TYPE_SIZE,
    AxisScale,
    PlotBox,
    name_axis_labels_svg_and_height,
    report_chart_svg_text_and_height,
    report_chart_svg_text_line,
    value_axis_tick_text,
    value_axis_tick_values_that_fit,
    vertical_grid_lines_and_labels_svg,
)
from commonwatt.report.charts.marks import report_chart_svg_rectangle, report_chart_svg_series_mark
from commonwatt.report.charts.points import ChartPoints, SeriesPoints
from commonwatt.report.charts.specification import ChartForm
from commonwatt.report.charts.stacks import stacked_part_series_name_start_end
from commonwatt.report.charts.text_width import report_text_lines_within_width, text_width

ROW_HEIGHT = 26.0
BAR_HEIGHT = 16.0
RANGE_HEIGHT = 10.0
MOST_NAME_SHARE = 0.42  # of the width, for the names of the rows
HEAT_CLASSES = 10


@dataclass(frozen=True, slots=True)
class NamedRows:
    """Rows with their names, laid out below each other.

    Args:
        left: Where the rows begin.
        middles: Height of the middle of each.
        heights: Room of each.
        bottom: Where the last ends.
        names: The drawn names.
    """

    left: float
    middles: list[float]
    heights: list[float]
    bottom: float
    names: str


def sideways_chart_svg_and_bottom(
    points: ChartPoints, width: float, top: float
) -> tuple[str, float]:
    """Return the drawing of a chart of bars, ranges or points below `top`, and its height."""
    rows = sideways_chart_named_rows(points.x, width, top + 4)
    values = _drawn_values(points)
    written = max((_widest_series_text_width(series) for series in points.series), default=0.0)
    right = width - EDGE - (written + 14 if points.are_values_written else 0.0)
    ticks = value_axis_tick_values_that_fit(points, values, right - rows.left)
    texts = [(tick, value_axis_tick_text(tick, points)) for tick in ticks]
    half = max(text_width(text, TYPE_SIZE) for _, text in texts) / 2
    box = PlotBox(rows.left, min(right, width - EDGE - half), top + 4, rows.bottom + 2)
    x = AxisScale(ticks[0], ticks[-1], box.left, box.right, is_logarithmic=points.logarithmic)
    foot, foot_height = report_chart_svg_text_and_height(
        width / 2, box.bottom + TICK_ROOM + 2, points.x_label, width - 2 * EDGE, anchor="middle"
    )
    drawn = (
        _sideways_chart_bars_svg(points, rows, x)
        if points.form is ChartForm.BARS
        else _sideways_chart_ranges_and_marks_svg(points, rows, x)
    )
    grid = vertical_grid_lines_and_labels_svg(x, texts, box)
    return grid + rows.names + drawn + foot, box.bottom + TICK_ROOM + foot_height + 6


def sideways_chart_named_rows(names: Sequence[str], width: float, top: float) -> NamedRows:
    """Return rows with their names to the left, each in as many lines as it needs."""
    widest = max(text_width(name, TYPE_SIZE) for name in names)
    room = min(widest, width * MOST_NAME_SHARE)
    left = EDGE + room + 10
    middles: list[float] = []
    heights: list[float] = []
    texts: list[str] = []
    at = top
    for name in names:
        lines = report_text_lines_within_width(name, room, TYPE_SIZE)
        height = max(ROW_HEIGHT, LINE_HEIGHT * len(lines) + 6)
        middle = at + height / 2
        first = middle - LINE_HEIGHT * (len(lines) - 1) / 2 + 4
        texts += [
            report_chart_svg_text_line(left - 9, round(first + i * LINE_HEIGHT, 1), line, "end")
            for i, line in enumerate(lines)
        ]
        middles.append(round(middle, 1))
        heights.append(height)
        at += height
    return NamedRows(left, middles, heights, round(at, 1), "".join(texts))


def _drawn_values(points: ChartPoints) -> list[float]:
    if points.form is ChartForm.BARS:
        return [0.0, *(end for _, _, _, end in stacked_part_series_name_start_end(points))]
    return [
        v
        for series in points.series
        for values in (series.values, series.low, series.high)
        for v in values
        if v is not None
    ]


def _widest_series_text_width(series: SeriesPoints) -> float:
    return max((text_width(text, TYPE_SIZE) for text in series.texts), default=0.0)


def _sideways_chart_bars_svg(points: ChartPoints, rows: NamedRows, x: AxisScale) -> str:
    parts: list[str] = []
    for i, k, start, end in stacked_part_series_name_start_end(points):
        series, middle = points.series[i], rows.middles[k]
        # One series alone has a colour for each name: the same that the name has in every panel.
        colour = k if points.are_values_written and len(points.series) == 1 else i
        parts.append(
            report_chart_svg_rectangle(
                f"bar s{colour % 9}",
                (x(start), middle - BAR_HEIGHT / 2),
                (x(end), middle + BAR_HEIGHT / 2),
                f"{points.x[k]}, {series.label}: {value_axis_tick_text(end - start, points)}",
            )
        )
        if points.are_values_written and series.texts:
            parts.append(
                report_chart_svg_text_line(max(x(start), x(end)) + 6, middle + 4, series.texts[k])
            )
    return "".join(parts)


def _sideways_chart_ranges_and_marks_svg(points: ChartPoints, rows: NamedRows, x: AxisScale) -> str:
    parts: list[str] = []
    for i, series in enumerate(points.series):
        for k, middle in enumerate(rows.middles):
            parts.append(_sideways_chart_range_with_mark_svg(points, series, i, k, middle, x))
    return "".join(parts)


def _sideways_chart_range_with_mark_svg(
    points: ChartPoints, series: SeriesPoints, i: int, k: int, middle: float, x: AxisScale
) -> str:
    low = series.low[k] if series.low else None
    high = series.high[k] if series.high else None
    value = series.values[k]
    drawn = ""
    end = 0.0
    colour = k if points.are_values_written and len(points.series) == 1 else i
    if low is not None and high is not None:
        tip = f"{points.x[k]}: {value_axis_tick_text(min(low, high), points)} – "
        tip += value_axis_tick_text(max(low, high), points)
        kind = "bar pale" if series.has_series_value_at_place(k) else "bar"
        half = RANGE_HEIGHT / 2
        drawn = report_chart_svg_rectangle(
            f"{kind} s{colour % 9}", (x(low), middle - half), (x(high), middle + half), tip,
            radius=2,
        )  # fmt: skip
        end = max(x(low), x(high))
    if value is not None:
        tip = f"{points.x[k]}, {series.label}: {value_axis_tick_text(value, points)}"
        drawn += report_chart_svg_series_mark(x(value), middle, colour, tip)
        end = max(end, x(value) + 4)
    if points.are_values_written and series.texts and series.texts[k]:
        drawn += report_chart_svg_text_line(round(end + 6, 1), middle + 4, series.texts[k])
    if not drawn and points.absent:
        return report_chart_svg_text_line(x.first + 4, middle + 4, points.absent, kind="absent")
    return drawn


def map_chart_svg_and_bottom(points: ChartPoints, width: float, top: float) -> tuple[str, float]:
    """Return the drawing of a map of two names below `top`, and its height."""
    head, head_height = report_chart_svg_text_and_height(
        EDGE, top, points.y_label, width - 2 * EDGE
    )
    rows = sideways_chart_named_rows(points.rows, width, top + head_height + 4)
    right = width - EDGE
    wide = (right - rows.left) / len(points.x)
    series = points.series[0]
    # A pair without a value stays blank, which is not the same as the palest colour.
    cells = [(i, j, value) for i, j, value in series.cells if value is not None]
    reach = (
        max(
            (abs(_heat_value_minus_middle(value, points.middle)) for _, _, value in cells),
            default=1.0,
        )
        or 1.0
    )
    drawn = "".join(
        report_chart_svg_rectangle(
            _heat_css_class(value, points.middle, reach),
            (round(rows.left + i * wide, 1), rows.middles[j] - rows.heights[j] / 2),
            (round(rows.left + (i + 1) * wide + 0.2, 1), rows.middles[j] + rows.heights[j] / 2),
            f"{points.x[i]} · {points.rows[j]}: {value_axis_tick_text(value, points)}",
        )
        for i, j, value in cells
    )
    below, below_height = name_axis_labels_svg_and_height(
        points.x, lambda i: round(rows.left + (i + 0.5) * wide, 1), rows.bottom + 4, width
    )
    foot, foot_height = report_chart_svg_text_and_height(
        width / 2, rows.bottom + below_height + 5, points.x_label, width - 2 * EDGE,
        anchor="middle",
    )  # fmt: skip
    at = rows.bottom + below_height + foot_height + 11
    key, key_height = _heat_key_svg_and_height(points, cells, reach, width, at)
    return head + rows.names + drawn + below + foot + key, at + key_height + 6


def _heat_value_minus_middle(value: float, middle: float | None) -> float:
    return value - (middle or 0.0)


def _heat_css_class(value: float, middle: float | None, reach: float) -> str:
    share = abs(_heat_value_minus_middle(value, middle)) / reach
    level = min(HEAT_CLASSES - 1, math.floor(HEAT_CLASSES * share))
    # Two colours where there is a middle: one for less, one for more.
    colour = " s0" if middle is not None and value < middle else " s1" if middle is not None else ""
    return f"heat h{level}{colour}"


def _heat_key_svg_and_height(
    points: ChartPoints,
    cells: Sequence[tuple[int, int, float]],
    reach: float,
    width: float,
    top: float,
) -> tuple[str, float]:
    """Return which colour stands for which value."""
    if not cells:
        return "", 0.0
    values = [value for _, _, value in cells]
    low, high = min(values), max(values)
    label, label_height = report_chart_svg_text_and_height(
        EDGE, top, points.series[0].label, width - 2 * EDGE
    )
    steps = 12
    parts: list[str] = []
    first = text_width(value_axis_tick_text(low, points), TYPE_SIZE) + EDGE + 6
    last = text_width(value_axis_tick_text(high, points), TYPE_SIZE) + EDGE + 6
    box = max(2.0, min(14.0, (width - first - last) / steps))
    at = top + label_height + 4
    for i in range(steps):
        value = low + (high - low) * (i + 0.5) / steps
        corner = (first + i * box, at)
        parts.append(
            report_chart_svg_rectangle(
                _heat_css_class(value, points.middle, reach), corner, (corner[0] + box, at + 14)
            )
        )
    parts.append(report_chart_svg_text_line(EDGE, at + 11, value_axis_tick_text(low, points)))
    parts.append(
        report_chart_svg_text_line(
            first + steps * box + 6, at + 11, value_axis_tick_text(high, points)
        )
    )
    return label + "".join(parts), label_height + 20
