"""Charts of the clinic: calibration over time with the alarm."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from commonwatt.app.charts.theme import ALARM, scale, sized, svg
from commonwatt.core.messages import translate


def over_time(points: pl.DataFrame, alarms: pl.DataFrame, language: str) -> str:
    """Return observed over expected by day and model, with a line at each alarm.

    Args:
        points: Columns model, day and o_over_e.
        alarms: Columns model and day.
        language: Of the axis titles.
    """
    models = points["model"].unique(maintain_order=True).to_list()
    x = alt.X("day:Q", title=translate("Day", language))
    y: Any = alt.Y("o_over_e:Q", title=translate("Observed over expected", language))
    colour: Any = alt.Color("model:N", title=None, scale=scale(models))
    dots = alt.Chart(points).mark_point(size=18, filled=True).encode(x=x, y=y, color=colour)
    rule = alt.Chart(alarms).mark_rule(color=ALARM, strokeDash=[4, 3]).encode(x="day:Q")
    return svg(sized(dots + rule), description=translate("Observed over expected by day", language))
