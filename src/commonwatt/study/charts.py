"""Charts of the joined study: the trade-offs of its alternatives."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from commonwatt.core.messages import Message, translate
from commonwatt.report.theme import PALETTE, svg

Rows = list[dict[str, Any]]
PANELS = (
    ("cost_usd_per_gpu_hour", Message("USD per GPU-hour"), 1.0),
    ("utilisation_share", Message("Utilisation [%]"), 100.0),
    ("mean_queue_delay_h", Message("Mean wait [h]"), 1.0),
    ("mean_rtt_ms", Message("Round trip [ms]"), 1.0),
    ("carbon_g_per_gpu_hour", Message("Carbon [g per GPU-hour]"), 1.0),
    ("borrowing_bn", Message("Borrowing [bn]"), 1.0),
    ("running_usd_mn_a_year", Message("Running cost [USD mn a year]"), 1.0),
    ("debt_running_borrowed_gdp_share", Message("Debt, all borrowed [% of GDP]"), 100.0),
)
PANEL_WIDTH = 215


def trade_off_chart(rows: Rows, language: str = "en") -> str:
    """Return the alternatives in one small panel for each criterion."""
    known = [one for one in PANELS if all(row.get(one[0]) is not None for row in rows)]
    panels = [
        _panel(rows, name, title.translate(language), factor) for name, title, factor in known
    ]
    lines: list[Any] = [alt.hconcat(*panels[i : i + 2]) for i in range(0, len(panels), 2)]
    said = "; ".join(f"{row['alternative']} {row['cost_usd_per_gpu_hour']:.2f}" for row in rows)
    head = translate("Trade-offs of the alternatives; USD per GPU-hour:", language)
    return svg(alt.vconcat(*lines), description=f"{head} {said}")


def _panel(rows: Rows, name: str, title: str, factor: float) -> Any:
    frame = pl.DataFrame(
        [{"alternative": row["alternative"], "value": factor * row[name]} for row in rows]
    )
    narrow = name == "debt_running_borrowed_gdp_share"  # the debt is large, the difference small
    x = alt.X("value:Q", title=title, scale=alt.Scale(zero=not narrow))
    y = alt.Y("alternative:N", sort=None, title=None)
    base = alt.Chart(frame)
    drawn = base.mark_point(filled=True, size=70) if narrow else base.mark_bar(height=12)
    colour = alt.Color(
        "alternative:N", sort=None, legend=None, scale=alt.Scale(range=list(PALETTE))
    )
    return drawn.encode(x=x, y=y, color=colour).properties(width=PANEL_WIDTH, height=24 * len(rows))
