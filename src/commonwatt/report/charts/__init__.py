"""Charts of report, console, dossier and file: one specification each, drawn here alone.

A wing declares a `Chart` beside its figures; `chart_points` reduces its table once, and `svg`
draws it. Nothing here loads a drawing library: a chart is text.
"""

from commonwatt.report.charts.points import ChartPoints, chart_points
from commonwatt.report.charts.specification import (
    Chart,
    ChartCurve,
    ChartForm,
    ChartLimit,
    ChartSeries,
    ChartVerticals,
)
from commonwatt.report.charts.svg import (
    chart_html,
    chart_panels_html,
    chart_panels_svg_document,
    chart_styles,
    chart_svg_document,
)

__all__ = [
    "Chart",
    "ChartCurve",
    "ChartForm",
    "ChartLimit",
    "ChartPoints",
    "ChartSeries",
    "ChartVerticals",
    "chart_html",
    "chart_panels_html",
    "chart_panels_svg_document",
    "chart_points",
    "chart_styles",
    "chart_svg_document",
]
