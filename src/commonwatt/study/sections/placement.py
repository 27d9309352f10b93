"""What the report says of the placement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commonwatt.core.messages import Message
from commonwatt.report import ReportSection
from commonwatt.siting.usecases.report import siting_placement_section_body
from commonwatt.study.formulas.extents import EXTENT_TEXT, FigureExtent
from commonwatt.study.stages.placement import CARBON_USD_PER_T

Answer = dict[str, Any]


def study_placement_section(answer: Answer, language: str) -> ReportSection:
    """Return the report's section on the placement."""
    values = {
        "cost": f"{answer['cost_usd']:,.0f}",
        "gap": f"{100 * answer['gap_share']:.3f}",
        "carbon": f"{answer['carbon_t']:,.1f}",
        "price": f"{CARBON_USD_PER_T:.0f}",
    }
    lede = Message(
        "If the same week were planned afresh, with sizes free, the cheapest plan would cost "
        "USD {cost} with standing cost and energy (proved to {gap} %), and emit {carbon} t of "
        "CO₂, at USD {price} per tonne.",
        values,
    )
    hard = Message(
        "Residency and latency limits are hard; the GPU-hours are those that the fleet run "
        "measured, and the standing cost is that of the site's cells."
    )
    limits = [Message(row["text"], row["values"]).translate(language) for row in answer["limits"]]
    return replace(
        siting_placement_section_body(answer | {"limits": []}, language),
        title=Message("Place it: which site runs what").translate(language),
        lede=lede.translate(language),
        extent=EXTENT_TEXT[FigureExtent.SLICE_WEEK].translate(language),
        notes=[*limits, hard.translate(language)],
    )
