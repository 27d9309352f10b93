"""The chart of page one: what the choice adds to debt less reserves, with and without it."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from commonwatt.catalogue.measures import measure_shown_value
from commonwatt.core.messages import Message, translate
from commonwatt.report.theme import BAND, chart_colour_scale, report_chart_svg
from commonwatt.study.measures import NET_EFFECT_P5, NET_EFFECT_P50

Rows = list[dict[str, Any]]
PAGE_ONE_CHART_WIDTH, PAGE_ONE_CHART_HEIGHT = 600, 150


def study_debt_effect_chart(rows: Rows, language: str, description: str) -> str:
    """Return the net effect by year with the band of its draws, and the gross one beside it.

    Args:
        rows: Rows of the table `funding_effect` of one variant.
        language: The reader's language.
        description: What a person who cannot see the chart should know.
    """
    sides = {
        Message("Net effect").translate(language): "net_debt_effect_p50_gdp_share",
        Message("Gross debt").translate(language): "gross_debt_effect_p50_gdp_share",
    }
    lines = [
        {
            "year": row["fiscal_year"],
            "side": side,
            "points": measure_shown_value(row[key], NET_EFFECT_P50),
        }
        for side, key in sides.items()
        for row in rows
    ]
    band = [
        {
            "year": row["fiscal_year"],
            "low": measure_shown_value(row["net_debt_effect_p5_gdp_share"], NET_EFFECT_P5),
            "high": measure_shown_value(row["net_debt_effect_p95_gdp_share"], NET_EFFECT_P5),
        }
        for row in rows
    ]
    years = [row["fiscal_year"] for row in rows]
    # The ends and the middle: the page is read at a glance, and the table holds every year.
    shown = sorted({years[0], years[len(years) // 2], years[-1]})
    x = alt.X("year:O", title=None, axis=alt.Axis(labelAngle=0, values=shown))
    y = alt.Y("low:Q", title=translate("% of GDP", language), axis=alt.Axis(tickCount=3))
    area = (
        alt.Chart(pl.DataFrame(band))
        .mark_area(opacity=0.2, color=BAND)
        .encode(x=x, y=y, y2="high:Q")
    )
    # Vega cuts a label that is longer than its own guess.
    legend = alt.Legend(title=None, labelLimit=0)
    line = (
        alt.Chart(pl.DataFrame(lines))
        .mark_line()
        .encode(
            x=x,
            y="points:Q",
            color=alt.Color("side:N", scale=chart_colour_scale(list(sides)), legend=legend),
        )
    )
    chart = alt.layer(area, line).properties(
        width=PAGE_ONE_CHART_WIDTH, height=PAGE_ONE_CHART_HEIGHT
    )
    return report_chart_svg(chart, description=description)
