"""Charts whose values go upwards: lines, areas, fans, columns and scatters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commonwatt.report.charts.axes import (
    EDGE,
    LABEL_DROP,
    LINE_HEIGHT,
    TICK_ROOM,
    TYPE_SIZE,
    AxisScale,
    PlotBox,
    chart_tick_number_text,
    horizontal_axis_number_labels_svg,
    horizontal_axis_tick_values_that_fit,
    horizontal_grid_lines_and_labels_svg,
    name_axis_labels_svg_and_height,
    report_chart_svg_text_and_height,
    report_chart_svg_text_line,
    value_axis_tick_text,
    value_axis_tick_values,
)
from commonwatt.report.charts.marks import (
    Place,
    report_chart_svg_rectangle,
    report_chart_svg_series_mark,
    report_chart_svg_small_marks_path,
    svg_path,
)
from commonwatt.report.charts.points import ChartPoints, SeriesPoints, Values
from commonwatt.report.charts.specification import ChartForm
from commonwatt.report.charts.stacks import stacked_part_series_name_start_end
from commonwatt.report.charts.text_width import text_width

WIDEST_COLUMN = 56.0
MOST_TIPS = 120  # marks that carry a word for the pointer; more would weigh more than the chart


@dataclass(frozen=True, slots=True)
class UprightPlot:
    """A box with its two axes.

    Args:
        box: Where values are drawn.
        y: From a value to its height.
        x: From a number to its place; None where the axis holds names.
        place_of_name: From the order of a name to its place.
        axes: What was drawn of them.
        height: Of the whole drawing.
    """

    box: PlotBox
    y: AxisScale
    x: AxisScale | None
    place_of_name: Callable[[int], float]
    axes: str
    height: float


def upright_chart_svg_and_bottom(
    points: ChartPoints, width: float, top: float
) -> tuple[str, float]:
    """Return the drawing of an upright chart below `top`, and its height."""
    plot = _upright_plot_with_axes_svg(points, width, top)
    body = _DRAWERS[points.form](points, plot)
    return plot.axes + body + _dashed_line_limit_and_verticals_svg(points, plot), plot.height


def _upright_plot_with_axes_svg(points: ChartPoints, width: float, top: float) -> UprightPlot:
    head, head_height = report_chart_svg_text_and_height(
        EDGE, top, points.y_label, width - 2 * EDGE
    )
    ticks = value_axis_tick_values(points, _drawn_values(points))
    left = (
        max(text_width(value_axis_tick_text(tick, points), TYPE_SIZE) for tick in ticks) + 7 + EDGE
    )
    plot_top = top + head_height + 10
    bottom = plot_top + points.plot_height
    box = PlotBox(left, width - EDGE, plot_top, bottom)
    x, place_of_name, below, below_height, box = _x_scale_places_svg_height_and_box(
        points, box, width
    )
    y = AxisScale(ticks[0], ticks[-1], bottom, plot_top, is_logarithmic=points.logarithmic)
    foot, foot_height = report_chart_svg_text_and_height(
        width / 2, bottom + below_height + 9, points.x_label, width - 2 * EDGE, anchor="middle"
    )
    axes = head + horizontal_grid_lines_and_labels_svg(points, y, ticks, box) + below + foot
    return UprightPlot(box, y, x, place_of_name, axes, bottom + below_height + foot_height + 13)


def _x_scale_places_svg_height_and_box(
    points: ChartPoints, box: PlotBox, width: float
) -> tuple[AxisScale | None, Callable[[int], float], str, float, PlotBox]:
    if points.form in {ChartForm.FAN, ChartForm.COLUMNS}:
        place = _x_place_by_name_index(points.x, box)
        drawn, height = name_axis_labels_svg_and_height(
            points.x, place, box.bottom + LABEL_DROP - TYPE_SIZE, width
        )
        return None, place, drawn, height, box
    low, high = _least_and_greatest_chart_x(points)
    ticks = horizontal_axis_tick_values_that_fit(
        low, high, box.right - box.left, is_logarithmic=points.x_logarithmic
    )
    # A scatter ends at round numbers, so that no mark lies on the frame; a line ends with its data.
    if points.form is ChartForm.SCATTER:
        low, high = ticks[0], ticks[-1]
    texts = [(tick, chart_tick_number_text(tick)) for tick in ticks if low <= tick <= high]
    half = max((text_width(text, TYPE_SIZE) for _, text in texts), default=0.0) / 2
    box = PlotBox(max(box.left, half + EDGE), box.right - half, box.top, box.bottom)
    x = AxisScale(low, high, box.left, box.right, is_logarithmic=points.x_logarithmic)

    def x_place_of_row(i: int) -> float:
        return x(points.x[i])

    return x, x_place_of_row, horizontal_axis_number_labels_svg(x, texts, box), TICK_ROOM, box


def _least_and_greatest_chart_x(points: ChartPoints) -> tuple[float, float]:
    places = [x for x in points.x if x is not None]
    return min(places), max(places)


def _x_place_by_name_index(names: Sequence[str], box: PlotBox) -> Callable[[int], float]:
    step = (box.right - box.left) / len(names)

    def place_of_name(i: int) -> float:
        return round(box.left + (i + 0.5) * step, 1)

    return place_of_name


def _drawn_values(points: ChartPoints) -> list[float]:
    every = [*points.series, *([points.line] if points.line else [])]
    lists: list[Values] = [
        values
        for each in every
        for values in (each.values, each.low, each.high, each.inner_low, each.inner_high)
    ]
    lists += [curve.values for curve in points.curves]
    values = [v for each in lists for v in each if v is not None]
    if points.form is ChartForm.COLUMNS:
        values += [end for _, _, _, end in stacked_part_series_name_start_end(points)]
    return [*values, points.limit[0]] if points.limit else values


def _places(values: Values, plot: UprightPlot) -> list[Place | None]:
    return [None if v is None else (plot.place_of_name(i), plot.y(v)) for i, v in enumerate(values)]


def _line_chart_svg(points: ChartPoints, plot: UprightPlot) -> str:
    if points.dots:
        return "".join(
            _series_dots_svg(points, series, i, plot) for i, series in enumerate(points.series)
        )
    return "".join(
        f'<path class="line s{i % 9}" '
        f'd="{svg_path(_places(series.values, plot), step=points.step)}"/>'
        for i, series in enumerate(points.series)
    )


def _series_dots_svg(points: ChartPoints, series: SeriesPoints, i: int, plot: UprightPlot) -> str:
    places = [
        (plot.place_of_name(k), plot.y(value))
        for k, value in enumerate(series.values)
        if value is not None
    ]
    if len(series.values) * len(points.series) > MOST_TIPS:
        return report_chart_svg_small_marks_path(places, i)
    marks: list[str] = []
    for k, value in enumerate(series.values):
        if value is None:
            continue
        name = f", {series.names[k]}" if series.names and series.names[k] else ""
        tip = f"{series.label}{name}: {value_axis_tick_text(value, points)}"
        marks.append(report_chart_svg_series_mark(plot.place_of_name(k), plot.y(value), i, tip))
    return "".join(marks)


def _area_chart_svg(points: ChartPoints, plot: UprightPlot) -> str:
    # The highest first, each down to the ground and the next over it: so no line is drawn twice.
    return "".join(
        f'<path class="area s{i % 9}" d="{_area_path(points, points.series[i].values, plot)}"/>'
        for i in range(len(points.series) - 1, -1, -1)
    )


def _area_path(points: ChartPoints, top: Values, plot: UprightPlot) -> str:
    places = [(plot.place_of_name(i), plot.y(v or 0.0)) for i, v in enumerate(top)]
    if not places:
        return ""
    return f"{svg_path(places, step=points.step)}V{plot.y(0.0):g}H{places[0][0]:g}Z"


def _fan_chart_svg(points: ChartPoints, plot: UprightPlot) -> str:
    every = list(enumerate(points.series))
    # All bands before all medians, or a later band would cover an earlier median.
    bands = "".join(
        _series_band_svg_path(low, high, i, plot)
        for i, series in every
        for low, high in (
            (series.low, series.high),
            (series.inner_low, series.inner_high),
        )
    )
    return bands + "".join(
        f'<path class="line s{i % 9}" d="{svg_path(_places(series.values, plot))}"/>'
        for i, series in every
    )


def _series_band_svg_path(low: Values, high: Values, i: int, plot: UprightPlot) -> str:
    up = [(plot.place_of_name(k), plot.y(v)) for k, v in enumerate(high) if v is not None]
    down = [(plot.place_of_name(k), plot.y(v)) for k, v in enumerate(low) if v is not None]
    if not up:
        return ""
    return f'<path class="band s{i % 9}" d="{svg_path([*up, *reversed(down)])}Z"/>'


def _column_chart_svg(points: ChartPoints, plot: UprightPlot) -> str:
    step = (plot.box.right - plot.box.left) / len(points.x)
    half = min(WIDEST_COLUMN, step * 0.66) / 2
    return "".join(
        report_chart_svg_rectangle(
            f"bar s{i % 9}",
            (round(plot.place_of_name(k) - half, 1), plot.y(start)),
            (round(plot.place_of_name(k) + half, 1), plot.y(end)),
            f"{points.x[k]}, {points.series[i].label}: {value_axis_tick_text(end - start, points)}",
        )
        for i, k, start, end in stacked_part_series_name_start_end(points)
    )


def _scatter_chart_svg(points: ChartPoints, plot: UprightPlot) -> str:
    curves = "".join(
        f'<path class="curve{" dashed" if curve.is_dashed else ""}" '
        f'd="{svg_path(_places(curve.values, plot))}"/>'
        for curve in points.curves
    )
    marks = "".join(
        _series_dots_svg(points, series, i, plot) for i, series in enumerate(points.series)
    )
    return curves + marks + _names_beside_marks_svg(points, plot)


def _names_beside_marks_svg(points: ChartPoints, plot: UprightPlot) -> str:
    """Return the names of marks that have room: none over another, none over an axis.

    A name without room is left to the heading, the table, and the mark's own word.
    """
    taken: list[LabelBox] = []
    texts: list[str] = []
    for series in points.series:
        for k, (value, name) in enumerate(zip(series.values, series.names, strict=False)):
            if value is None or not name:
                continue
            box = _free_mark_label_box_or_none(
                plot, plot.place_of_name(k), plot.y(value), name, taken
            )
            if box is not None:
                taken.append(box)
                texts.append(
                    report_chart_svg_text_line(
                        round(box.left, 1), round(box.base, 1), name, kind="name"
                    )
                )
    return "".join(texts)


@dataclass(frozen=True, slots=True)
class LabelBox:
    """Where a line of text lies: its two ends and its base line."""

    left: float
    right: float
    base: float

    def covers(self, other: LabelBox) -> bool:
        """Return whether it lies over another."""
        return (
            abs(self.base - other.base) < LINE_HEIGHT + 1
            and self.left < other.right
            and other.left < self.right
        )


def _free_mark_label_box_or_none(
    plot: UprightPlot, x: float, y: float, name: str, taken: Sequence[LabelBox]
) -> LabelBox | None:
    wide = text_width(name, TYPE_SIZE)
    for drop in (0.0, LINE_HEIGHT, -LINE_HEIGHT, 2 * LINE_HEIGHT, -2 * LINE_HEIGHT):
        # To the left of the mark where there is no room to its right.
        for left in (x + 8, x - 8 - wide):
            box = LabelBox(left, left + wide, y + 4 + drop)
            is_inside = (
                left >= plot.box.left
                and box.right <= plot.box.right
                and plot.box.top + TYPE_SIZE <= box.base <= plot.box.bottom - 4
            )
            if is_inside and not any(box.covers(other) for other in taken):
                return box
    return None


def _dashed_line_limit_and_verticals_svg(points: ChartPoints, plot: UprightPlot) -> str:
    drawn = ""
    if points.line:
        path = svg_path(_places(points.line.values, plot), step=points.step)
        drawn += f'<path class="limit" d="{path}"/>'
    if points.limit:
        drawn += (
            f'<path class="limit" d="M{plot.box.left:g} {plot.y(points.limit[0])}'
            f'H{plot.box.right:g}"/>'
        )
    if points.verticals and plot.x is not None:
        low, high = _least_and_greatest_chart_x(points)
        drawn += "".join(
            f'<path class="alarm" d="M{plot.x(at)} {plot.box.top:g}V{plot.box.bottom:g}"/>'
            for at in points.verticals[0]
            if low <= at <= high
        )
    return drawn


_DRAWERS: dict[ChartForm, Callable[[ChartPoints, UprightPlot], str]] = {
    ChartForm.LINES: _line_chart_svg,
    ChartForm.AREAS: _area_chart_svg,
    ChartForm.FAN: _fan_chart_svg,
    ChartForm.COLUMNS: _column_chart_svg,
    ChartForm.SCATTER: _scatter_chart_svg,
}
