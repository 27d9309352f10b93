"""Size, colours and type of every chart, and the way from chart to SVG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt

from commonwatt.report.chart_cache import cached_or_drawn_chart

# Okabe and Ito (2008), "Color Universal Design": told apart by readers with any colour vision.
PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#6B6B6B",
    "#B8A400",
    "#332288",
)
BAND = "#0072B2"
ALARM = "#D55E00"
WIDTH = 640
HEIGHT = 220
# The first two have the same widths as the font that measures the text while drawing.
FONT = "Arial, 'Liberation Sans', Helvetica, 'Noto Sans TC', 'Microsoft JhengHei', sans-serif"

_CONFIG: dict[str, Any] = {
    # The page's own ground shows through.
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "gridColor": "#e4e4e4",
        "domainColor": "#888",
        "labelColor": "#444",
        "titleColor": "#444",
    },
    "legend": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "orient": "top",
        "titleFontWeight": "normal",
    },
    "range": {"category": list(PALETTE)},
    "bar": {"color": PALETTE[0]},
    "line": {"color": PALETTE[0], "strokeWidth": 1.6},
    "area": {"color": PALETTE[0], "opacity": 0.85},
}


def report_chart_svg(chart: Any, *, description: str) -> str:
    """Return `chart` as a self-contained SVG that fits its column.

    Args:
        chart: An Altair chart of any kind.
        description: What a person who cannot see the chart should know.

    The same chart gives the same bytes.
    """
    chart.description = description
    spec = chart.to_json(validate=False, indent=None)
    drawn = cached_or_drawn_chart(spec, _drawn_vegalite_svg)
    # The drawing is one picture to a screen reader, which needs words for it (WCAG 2.2, 1.1.1). The
    # ampersand goes first, or the others would be escaped twice.
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return drawn.replace(
        "<svg ", f'<svg role="img" aria-label="{label}" style="max-width:100%;height:auto" ', 1
    )


def _drawn_vegalite_svg(spec: str) -> str:
    # Late: drawing loads a whole JavaScript engine.
    import vl_convert  # noqa: PLC0415

    return vl_convert.vegalite_to_svg(json.loads(spec), config=_CONFIG)


def chart_at_report_size(chart: Any, *, width: int = WIDTH, height: int = HEIGHT) -> Any:
    """Return `chart` at the common size."""
    return chart.properties(width=width, height=height)


def chart_colour_scale(domain: Sequence[str]) -> alt.Scale:
    """Return a colour scale that gives each of `domain` its colour, in order."""
    # By place in the domain, so that a site has one colour in every chart of a section.
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(domain))]
    return alt.Scale(domain=list(domain), range=colours)
