"""What the report says of the cost of a GPU-hour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commonwatt.core.messages import Message
from commonwatt.report import ReportSection
from commonwatt.siting.domain.cells import PRICE_YEAR
from commonwatt.siting.usecases.report import siting_cost_section_body
from commonwatt.study.formulas.extents import EXTENT_TEXT, FigureExtent
from commonwatt.study.stages.sites import study_cost_input_label_text

Answer = dict[str, Any]


def study_cost_section(answer: Answer, language: str) -> ReportSection:
    """Return the report's section on the cost of a GPU-hour."""
    return replace(
        siting_cost_section_body(answer, language),
        title=Message("Place it: what a GPU-hour costs").translate(language),
        lede=_programme_gpu_hour_cost_lede(answer, language),
        extent=Message(
            EXTENT_TEXT[FigureExtent.GPU_HOUR].text, {"prices": str(PRICE_YEAR)}
        ).translate(language),
        notes=[
            *_study_borrowed_cost_cells_notes(answer, language),
            Message(
                "Levelised cost: discounted lifetime cost over discounted useful GPU-hours, in "
                "real money, at the use and the energy that the fleet run measured, and at the "
                "programme's own power price and PUE. Inputs that are estimates, press or memory "
                "are marked so in the table cost_cells."
            ).translate(language),
            Message(
                "Servers are priced as H100-class machines, whatever GPU the programme names: an "
                "approximation of what would be bought today."
            ).translate(language),
        ],
    )


def _study_borrowed_cost_cells_notes(answer: Answer, language: str) -> list[str]:
    """Return a note for each site whose cells are another country's: its wages and taxes too."""
    return [
        Message(
            "{site} borrows {count} of its {all} inputs from {owner}, a site of another country, "
            "for want of its own: {names}.",
            {
                "site": row["site"],
                "count": str(row["cells_borrowed"]),
                "all": str(row["cells"]),
                "owner": row["borrowed_from"],
                "names": "; ".join(
                    study_cost_input_label_text(cell["input"], language)
                    for cell in answer["cells"]
                    if cell["name"] == row["name"] and cell["borrowed_from"]
                ),
            },
        ).translate(language)
        for row in answer["sites"]
        if row["cells_borrowed"]
    ]


def _programme_gpu_hour_cost_lede(answer: Answer, language: str) -> str:
    rows = sorted(answer["sites"], key=lambda row: row["p50_usd_per_gpu_hour"])
    bars = [row for row in answer["tornado"] if row["site"] == rows[-1]["site"]]
    values = {
        "low": f"{rows[0]['p50_usd_per_gpu_hour']:.2f}",
        "cheap": rows[0]["site"],
        "high": f"{rows[-1]['p50_usd_per_gpu_hour']:.2f}",
        "dear": rows[-1]["site"],
        # The bars of a site come with the widest first.
        "driver": study_cost_input_label_text(bars[0]["input"], language) if bars else "–",
    }
    return Message(
        "At the measured use a GPU-hour costs USD {low} at {cheap} and USD {high} at {dear} "
        "(medians). What moves the cost at {dear} most is: {driver}.",
        values,
    ).translate(language)
