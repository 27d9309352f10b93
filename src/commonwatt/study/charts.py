"""Charts of the joined study: the trade-offs of its alternatives."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from commonwatt.catalogue.measures import measure_heading, measure_shown_value, measure_value_text
from commonwatt.catalogue.shared import GPU_HOUR_COST
from commonwatt.core.messages import translate
from commonwatt.report.theme import PALETTE, report_chart_svg
from commonwatt.study.measures import ALTERNATIVES

Rows = list[dict[str, Any]]
PANELS = (
    "cost_usd_per_gpu_hour",
    "utilisation_share",
    "mean_queue_delay_h",
    "mean_rtt_ms",
    "carbon_g_per_gpu_hour",
    "borrowing_bn",
    "running_usd_mn_a_year",
    "debt_running_borrowed_gdp_share",
)
PANEL_WIDTH = 215


def study_alternatives_panel_chart(rows: Rows, language: str = "en", *, currency: str = "") -> str:
    """Return the alternatives in one small panel for each criterion.

    Args:
        rows: Their figures, labels in the reader's language.
        language: The reader's language.
        currency: The money that is borrowed; empty where nobody borrows.
    """
    # A criterion that one alternative lacks is left out whole: an absent bar reads as the best of
    # all.
    known = [name for name in PANELS if all(row.get(name) is not None for row in rows)]
    panels = [_alternative_measure_panel_chart(rows, name, language, currency) for name in known]
    lines: list[Any] = [alt.hconcat(*panels[i : i + 2]) for i in range(0, len(panels), 2)]
    costs = "; ".join(
        f"{row['alternative']} "
        f"{measure_value_text(row['cost_usd_per_gpu_hour'], GPU_HOUR_COST, language)}"
        for row in rows
    )
    head = translate("Trade-offs of the alternatives:", language)
    return report_chart_svg(alt.vconcat(*lines), description=f"{head} {costs}")


def _alternative_measure_panel_chart(
    alternative_rows: Rows, name: str, language: str, currency: str
) -> Any:
    column = ALTERNATIVES.column(name)
    frame = pl.DataFrame(
        [
            {
                "alternative": row["alternative"],
                "value": measure_shown_value(row[name], column, language, currency=currency),
            }
            for row in alternative_rows
        ]
    )
    title = measure_heading(column, language, currency=currency)
    narrow = name == "debt_running_borrowed_gdp_share"  # the debt is large, the difference small
    x = alt.X("value:Q", title=title, scale=alt.Scale(zero=not narrow))
    # In the order of the file in each panel; Vega would sort by name.
    y = alt.Y("alternative:N", sort=None, title=None)
    base = alt.Chart(frame)
    drawn = base.mark_point(filled=True, size=70) if narrow else base.mark_bar(height=12)
    colour = alt.Color(
        "alternative:N", sort=None, legend=None, scale=alt.Scale(range=list(PALETTE))
    )
    return drawn.encode(x=x, y=y, color=colour).properties(
        width=PANEL_WIDTH, height=24 * len(alternative_rows)
    )
