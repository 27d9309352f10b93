"""The siting wing's part of a report: cost by site with bands and drivers, and the placement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from commonwatt.app.charts.siting import band_chart, load_chart, stack_chart, tornado_chart
from commonwatt.app.report import Fact, Figure, Report, Section, Shown, render
from commonwatt.core.messages import Message, translate


def cost_section(answer: Mapping[str, Any], language: str) -> Section:
    """Return cost by site, from the answer of `cost_answer`."""
    sites = answer["sites"]
    cheapest = min(sites, key=lambda row: row["p50_usd_per_gpu_hour"])
    first = answer["tornado"][0]
    bars = [row for row in answer["tornado"] if row["site"] == first["site"]]

    def said(text: str) -> str:
        return translate(text, language)

    return Section(
        name="siting-cost",
        title=said("What a GPU-hour costs"),
        lede=Message(
            "Levelised cost per useful GPU-hour in USD of {year}, with its 90 percent interval.",
            {"year": str(answer["price_year"])},
        ).say(language),
        facts=[
            Fact(
                label=said("cheapest site"),
                value=cheapest["site"],
                note=_band(cheapest),
            ),
            Fact(
                label=said("first driver"),
                value=first["input"],
                note=f"{first['swing_usd_per_gpu_hour']:.2f} USD",
            ),
        ],
        figures=[
            Figure(
                name="cost-bands", title=said("Cost by site"),
                caption=said("5th percentile, median and 95th percentile of correlated draws."),
                svg=band_chart(sites, language), data=pl.DataFrame(sites),
            ),
            Figure(
                name="cost-parts", title=said("What it consists of"),
                caption=said("Cost of a useful GPU-hour by site and part, at the medians."),
                svg=stack_chart(answer["parts"], language), data=pl.DataFrame(answer["parts"]),
            ),
            Figure(
                name="cost-drivers", title=said("What drives it"),
                caption=said(
                    "Each input from its 5th to its 95th percentile, the others at their medians."
                ),
                svg=tornado_chart(bars, language), data=pl.DataFrame(bars),
            ),
        ],
        tables=[_cost_table(answer, language)],
        notes=[
            Message(
                "{marked} of {cells} inputs are estimates, press figures or remembered; "
                "their sources are in the table of cells.",
                {
                    "marked": str(max(row["cells_not_official"] for row in sites)),
                    "cells": str(sites[0]["cells"]),
                },
            ).say(language)
        ],
    )  # fmt: skip


def contest_section(answer: Mapping[str, Any], language: str) -> Section:
    """Return two sites set against each other, from the answer of `contest_answer`."""
    heads = ("contest", answer["one"], answer["other"], "ratio", "P(cheaper)")
    return Section(
        name="siting-contest",
        title=f"{answer['other']} / {answer['one']}",
        lede=translate(
            "Cost of a useful GPU-hour in USD, median with its 90 percent interval.", language
        ),
        figures=[
            Figure(
                name="contest-drivers",
                title=translate("What drives it", language),
                caption=answer["other"],
                svg=tornado_chart(answer["tornado"], language),
                data=pl.DataFrame(answer["tornado"]),
            )
        ],
        tables=[
            Shown(
                title=translate("contest", language),
                headings=[translate(head, language) for head in heads],
                rows=[_contest_cells(row, language) for row in answer["contest"]],
            )
        ],
    )


def _contest_cells(row: Mapping[str, Any], language: str) -> list[str]:
    forms = ("one_{}_usd_per_gpu_hour", "other_{}_usd_per_gpu_hour", "ratio_{}")
    bands = [[row[form.format(part)] for part in ("p5", "p50", "p95")] for form in forms]
    return [
        translate(row["contest"], language),
        *(f"{mid:.2f} ({low:.2f}–{high:.2f})" for low, mid, high in bands),
        f"{100 * row['other_cheaper_share']:.0f} %",
    ]


def page(section: Section, answer: Mapping[str, Any], language: str) -> str:
    """Return one section as an HTML page with its seed and definitions."""
    kept = ("case", "seed", "draws", "price_year", "precision", "year", "hours", "gap_share")
    birth = Shown(
        title=translate("How this page came about", language),
        headings=["", ""],
        rows=[[name, str(answer[name])] for name in kept if name in answer],
    )
    report = Report(
        title=section.title, language=language, summary=section.lede, sections=[section],
        birth=birth,
    )  # fmt: skip
    return render(report)


def _cost_table(answer: Mapping[str, Any], language: str) -> Shown:
    heads = ("site", "USD per useful GPU-hour", "USD / eff. PFLOP-h", "use")
    return Shown(
        title=translate("Cost by site", language),
        headings=[translate(head, language) for head in heads],
        rows=[
            [
                row["site"],
                _band(row),
                f"{row['p50_usd_per_effective_pflop_hour']:.2f}",
                f"{100 * row['utilisation_share']:.0f} %",
            ]
            for row in answer["sites"]
        ],
        note=f"{answer['precision']}, {100 * answer['achieved_share']:.0f} %",
    )


def _band(row: Mapping[str, Any]) -> str:
    low, mid, high = (row[f"{part}_usd_per_gpu_hour"] for part in ("p5", "p50", "p95"))
    return f"{mid:.2f} ({low:.2f}–{high:.2f})"


def place_section(answer: Mapping[str, Any], language: str) -> Section:
    """Return the placement, from the answer of `place_answer`."""

    def said(text: str) -> str:
        return translate(text, language)

    heads = ("pool", "GPUs", "mean use", "size USD", "running USD", "CO2 t")
    words: list[Message] = answer["limits"]
    return Section(
        name="siting-place",
        title=said("Where to build and what runs where"),
        lede=Message(
            "Cost {cost} USD over {hours} hours, proved to {gap} percent of the best; "
            "{carbon} t of CO2.",
            {
                "cost": f"{answer['cost_usd']:,.0f}",
                "hours": f"{answer['hours']:,}",
                "gap": f"{100 * answer['gap_share']:.3g}",
                "carbon": f"{answer['carbon_t']:,.1f}",
            },
        ).say(language),
        figures=[
            Figure(
                name="place-hours", title=said("Load by hour"),
                caption=said("Where the load runs, hour by hour."),
                svg=load_chart(answer["hourly"], language), data=pl.DataFrame(answer["sites"]),
            )
        ],
        tables=[
            Shown(
                title=said("Sites and sizes"),
                headings=[said(head) for head in heads],
                rows=[
                    [
                        row["pool"], f"{row['h100_equivalents']:,.0f}",
                        f"{100 * row['mean_use_share']:.0f} %", f"{row['size_usd']:,.0f}",
                        f"{row['running_usd']:,.0f}", f"{row['carbon_t']:,.1f}",
                    ]
                    for row in answer["sites"]
                ],
            )
        ],
        notes=[word.say(language) for word in words],
    )  # fmt: skip
