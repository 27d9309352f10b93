"""From what is drawn to SVG: for a page in two widths, and as a file of its own.

Colours are classes, so that a chart is right in light, dark and print. Each text is measured
before it is drawn, so that none is cut or covers another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from commonwatt.report.charts.axes import (
    EDGE,
    LINE_HEIGHT,
    TYPE_SIZE,
    report_chart_svg_text_and_height,
)
from commonwatt.report.charts.lying import map_chart_svg_and_bottom, sideways_chart_svg_and_bottom
from commonwatt.report.charts.marks import report_chart_svg_rectangle, report_chart_svg_series_mark
from commonwatt.report.charts.points import (
    ALONG_X,
    ChartPoints,
    chart_points,
    thinned_line_chart_points,
)
from commonwatt.report.charts.specification import Chart, ChartForm
from commonwatt.report.charts.text_width import text_width
from commonwatt.report.charts.upright import upright_chart_svg_and_bottom

if TYPE_CHECKING:
    import polars as pl

# Widths of the two drawings, in their own units: a page shows the one that fits its column, so
# that type is never shrunk to where it cannot be read.
WIDE: Final = 700.0
NARROW: Final = 360.0
_PANEL_GAP: Final = 24.0


def chart_html(points: ChartPoints) -> str:
    """Return a chart for a page: a wide drawing and a narrow one, of which styles show one."""
    return _chart_panels_svg_in_both_widths([points], points.heading, points.caption)


def chart_panels_html(panels: Sequence[ChartPoints], heading: str, caption: str) -> str:
    """Return several small charts as one picture.

    Args:
        panels: The charts; the heading of each stands above it.
        heading: What is to be seen in all of them.
        caption: What is drawn.
    """
    return _chart_panels_svg_in_both_widths(list(panels), heading, caption)


def chart_svg_document(chart: Chart, frame: pl.DataFrame, language: str) -> str:
    """Return a chart as an SVG file, with its heading and its styles in it."""
    points = chart_points(chart, frame, language)
    return chart_panels_svg_document([points], points.heading, points.caption)


def chart_panels_svg_document(panels: Sequence[ChartPoints], heading: str, caption: str) -> str:
    """Return several small charts as one SVG file."""
    head, head_height = report_chart_svg_text_and_height(
        EDGE, 4, heading, WIDE - 2 * EDGE, kind="heading"
    )
    body, height = _chart_panels_svg_and_bottom(panels, WIDE, head_height + 8)
    return _report_chart_svg_element(
        f"<style>{chart_styles()}</style>{head}{body}", WIDE, height, heading, caption,
        extra=f' xmlns="http://www.w3.org/2000/svg" width="{WIDE:g}" height="{height:g}"',
    )  # fmt: skip


@cache
def chart_styles() -> str:
    """Return the styles of every chart; colours fall back to those of a light page."""
    return (files("commonwatt.report") / "charts" / "chart.css").read_text(encoding="utf-8")


def _chart_panels_svg_in_both_widths(panels: list[ChartPoints], heading: str, caption: str) -> str:
    shown = [points for points in panels if _has_any_chart_value(points)]
    if not shown:
        return ""
    drawn: list[str] = []
    for kind, width in (("in-wide", WIDE), ("in-narrow", NARROW)):
        every = shown if width == WIDE else [thinned_line_chart_points(points) for points in shown]
        body, height = _chart_panels_svg_and_bottom(every, width, 2.0)
        drawn.append(_report_chart_svg_element(body, width, height, heading, caption, kind=kind))
    return "".join(drawn)


def _report_chart_svg_element(
    body: str,
    width: float,
    height: float,
    heading: str,
    caption: str,
    *,
    kind: str = "file",
    extra: str = "",
) -> str:
    # A screen reader takes the drawing as one picture and needs words for it (WCAG 2.2, 1.1.1); the
    # numbers stand in the chart's table.
    label = escape(f"{heading} {caption}", quote=True)
    return (
        f'<svg{extra} viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}" '
        f'class="chart-svg {kind}">{body}</svg>'
    )


def _has_any_chart_value(points: ChartPoints) -> bool:
    if points.form is ChartForm.LIVE:
        return False
    return any(
        value is not None
        for series in points.series
        for values in (series.values, series.low, [cell[2] for cell in series.cells])
        for value in values
    )


def _chart_panels_svg_and_bottom(
    panels: Sequence[ChartPoints], width: float, top: float
) -> tuple[str, float]:
    if len(panels) == 1:
        return _chart_svg_with_legend_and_bottom(panels[0], width, top)
    columns = 2 if width == WIDE else 1
    each = (width - _PANEL_GAP * (columns - 1)) / columns
    at, body = top, ""
    for first in range(0, len(panels), columns):
        lowest = 0.0
        for column, panel in enumerate(panels[first : first + columns]):
            points = _chart_with_x_label_as_heading(panel)
            head, head_height = report_chart_svg_text_and_height(
                EDGE, 0, points.heading, each - 2 * EDGE
            )
            drawn, height = _chart_svg_with_legend_and_bottom(points, each, head_height + 2)
            x = column * (each + _PANEL_GAP)
            body += f'<g transform="translate({x:g} {at:g})">{head}{drawn}</g>'
            lowest = max(lowest, height)
        at += lowest + 6
    return body, round(at, 1)


def _chart_with_x_label_as_heading(points: ChartPoints) -> ChartPoints:
    # A small chart says once what it holds: the axis has the same words and the unit besides.
    is_named = points.form in ALONG_X and bool(points.x_label)
    return replace(points, heading=points.x_label, x_label="") if is_named else points


def _chart_svg_with_legend_and_bottom(
    points: ChartPoints, width: float, top: float
) -> tuple[str, float]:
    legend, legend_height = _chart_legend_svg_and_height(points, width, top)
    top += legend_height
    if points.form is ChartForm.HEAT:
        drawn, height = map_chart_svg_and_bottom(points, width, top)
    elif points.form in ALONG_X:
        drawn, height = sideways_chart_svg_and_bottom(points, width, top)
    else:
        drawn, height = upright_chart_svg_and_bottom(points, width, top)
    return legend + drawn, round(height, 1)


def _chart_legend_svg_and_height(
    points: ChartPoints, width: float, top: float
) -> tuple[str, float]:
    entries = _chart_legend_swatch_svgs_with_labels(points)
    if not entries:
        return "", 0.0
    x, y, drawn = EDGE, top + 2, ""
    for swatch, label in entries:
        wide = 20 + text_width(label, TYPE_SIZE)
        # An entry that does not fit beside the one before it begins a line.
        if x > EDGE and x + wide > width - EDGE:
            x, y = EDGE, y + LINE_HEIGHT + 2
        text, height = report_chart_svg_text_and_height(
            x + 18, y, label, width - x - 18 - EDGE, kind="key"
        )
        drawn += f'<g transform="translate({x:g} {y + 2:g})">{swatch}</g>{text}'
        # A label of more than one line takes the whole width, and the next begins below it.
        y += max(0.0, height - LINE_HEIGHT)
        x = EDGE if height > LINE_HEIGHT else x + wide + 14
        y += LINE_HEIGHT + 2 if height > LINE_HEIGHT else 0.0
    return drawn, y + LINE_HEIGHT + 6 - top


def _chart_legend_swatch_svgs_with_labels(points: ChartPoints) -> list[tuple[str, str]]:
    entries: list[tuple[str, str]] = []
    # One series alone is what the axis says, unless something else stands beside it.
    is_alone = len(points.series) == 1 and not (points.line or points.limit or points.verticals)
    has_band = any(series.low for series in points.series)
    if points.form is not ChartForm.HEAT and not (is_alone and not has_band):
        entries += [
            (_chart_legend_swatch_svg(points, i), series.label)
            for i, series in enumerate(points.series)
            if series.label
        ]
    dashed = '<path class="limit" d="M0 6H14"/>'
    if points.line:
        entries.append((dashed, points.line.label))
    if points.limit:
        entries.append((dashed, points.limit[1]))
    if points.verticals:
        entries.append(('<path class="alarm" d="M7 0V12"/>', points.verticals[1]))
    return entries


def _chart_legend_swatch_svg(points: ChartPoints, i: int) -> str:
    series = points.series[i]
    if points.form in {ChartForm.POINTS, ChartForm.SCATTER} or points.dots:
        return report_chart_svg_series_mark(7, 6, i)
    if points.form is ChartForm.RANGES:
        has_marks = any(value is not None for value in series.values)
        bar = report_chart_svg_rectangle(
            f"bar{' pale' if has_marks else ''} s{i % 9}", (0, 2), (14, 10), radius=2
        )
        return bar + (report_chart_svg_series_mark(7, 6, i, size=3) if has_marks else "")
    if points.form in {ChartForm.LINES, ChartForm.FAN}:
        band = report_chart_svg_rectangle(f"band s{i % 9}", (0, 1), (14, 11)) if series.low else ""
        return f'{band}<path class="line s{i % 9}" d="M0 6H14"/>'
    return report_chart_svg_rectangle(f"bar s{i % 9}", (1, 0), (13, 12), radius=2)
