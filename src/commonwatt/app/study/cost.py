"""From the fleet's measured use and energy to the cost of a GPU-hour at each site."""

from __future__ import annotations

from typing import Any

import polars as pl

from commonwatt.app.charts.siting import band_chart, stack_chart, tornado_chart
from commonwatt.app.fleet.simulation import FleetRun
from commonwatt.app.report import Fact, Figure, Section, Shown
from commonwatt.app.siting.cost import run_rows
from commonwatt.core.messages import Message
from commonwatt.fleet.energy import energy_used
from commonwatt.scenario.programme import Programme

DRAWS = 50_000
Answer = dict[str, Any]


def cost_of_programme(programme: Programme, run: FleetRun) -> Answer | None:
    """Return the cost at each site that names its cells, or None where none does.

    Use is that of the window; the energy of a GPU-hour counts the idle draw of the
    same window, and leaves out the tail in which nothing more arrives.
    """
    named = [(i, part) for i, part in enumerate(programme.file.sites) if part.cost_cells]
    if not named:
        return None
    measured = _measured(run)
    rows: Answer = {"sites": [], "parts": [], "tornado": [], "cells": []}
    for i, part in named:
        use, kwh = measured[i]
        found = run_rows(
            str(part.cost_cells),
            label=programme.site_labels()[i],
            utilisation=use,
            kwh_per_gpu_hour=kwh,
            pue=part.pue,
            draws=DRAWS,
            seed=programme.file.seed,
        )
        for name, more in found.items():
            rows[name] += more
    return rows


def _measured(run: FleetRun) -> list[tuple[float, float | None]]:
    """Return use [share] and IT energy of a held GPU-hour [kWh] by site, in the window."""
    fleet, submit = run.inputs.fleet, run.inputs.workload.submit_ms
    window = (int(submit[0]), int(submit[-1]))
    used = energy_used(run.result, fleet, from_ms=window[0], until_ms=window[1])
    shares = [site.utilisation_share for site in run.metrics.by_site.values()]
    return [
        (share, site.it_kwh / site.held_gpu_h if site.held_gpu_h else None)
        for share, site in zip(shares, used, strict=True)
    ]


def cost_tables(answer: Answer) -> dict[str, pl.DataFrame]:
    """Return the tables of the cost joint."""
    return {f"cost_{name}": pl.DataFrame(rows) for name, rows in answer.items()}


def cost_section(answer: Answer, language: str) -> Section:
    """Return the report's section on the cost of a GPU-hour."""
    return Section(
        name="cost",
        title=Message("Place it: what a GPU-hour costs").say(language),
        lede=_lede(answer, language),
        facts=[_fact(row, language) for row in answer["sites"]],
        figures=_figures(answer, language),
        tables=[_shown(answer, language)],
        notes=[
            Message(
                "Levelised cost: discounted lifetime cost over discounted useful GPU-hours, in "
                "real money, at the use and the energy that the fleet run measured. Inputs that "
                "are estimates, press or memory are marked so in the table cost_cells."
            ).say(language),
            Message(
                "Servers are priced as H100-class machines, whatever GPU the programme names: an "
                "approximation of what would be bought today."
            ).say(language),
        ],
    )


def _lede(answer: Answer, language: str) -> str:
    rows = sorted(answer["sites"], key=lambda row: row["p50_usd_per_gpu_hour"])
    bars = [row for row in answer["tornado"] if row["site"] == rows[-1]["site"]]
    values = {
        "low": f"{rows[0]['p50_usd_per_gpu_hour']:.2f}",
        "cheap": rows[0]["site"],
        "high": f"{rows[-1]['p50_usd_per_gpu_hour']:.2f}",
        "dear": rows[-1]["site"],
        "driver": bars[0]["input"].replace("_", " "),
    }
    return Message(
        "At the measured use a GPU-hour costs USD {low} at {cheap} and USD {high} at {dear} "
        "(medians). What moves the cost at {dear} most is {driver}.",
        values,
    ).say(language)


def _fact(row: dict[str, Any], language: str) -> Fact:
    low, high = row["p5_usd_per_gpu_hour"], row["p95_usd_per_gpu_hour"]
    note = Message("90 % interval {low} to {high}", {"low": f"{low:.2f}", "high": f"{high:.2f}"})
    return Fact(
        label=row["site"],
        value=f"USD {row['p50_usd_per_gpu_hour']:.2f}",
        note=note.say(language),
    )


def _figures(answer: Answer, language: str) -> list[Figure]:
    first = answer["sites"][0]["site"]
    bars = [row for row in answer["tornado"] if row["site"] == first]
    drawn = [
        ("bands", Message("Cost by site, with its band"), answer["sites"], band_chart),
        ("stack", Message("What the cost consists of"), answer["parts"], stack_chart),
        (
            "tornado",
            Message("What moves the cost at {site}", {"site": first}),
            bars,
            tornado_chart,
        ),
    ]
    captions = {
        "bands": Message("5th to 95th percentile of correlated draws; the tick is the median."),
        "stack": Message("At the median of every input."),
        "tornado": Message("Each input at its 5th and 95th percentile, the others at the median."),
    }
    return [
        Figure(
            name=f"cost-{name}",
            title=title.say(language),
            caption=captions[name].say(language),
            svg=draw(rows, language),
            data=pl.DataFrame(rows),
        )
        for name, title, rows, draw in drawn
    ]


def _shown(answer: Answer, language: str) -> Shown:
    headings = [
        Message("Site"),
        Message("Utilisation"),
        Message("USD per GPU-hour, median"),
        Message("90 % interval"),
        Message("USD per effective PFLOP-hour, median"),
        Message("Inputs not official"),
    ]
    rows = [
        [
            row["site"],
            f"{row['utilisation_share']:.1%}",
            f"{row['p50_usd_per_gpu_hour']:.2f}",
            f"{row['p5_usd_per_gpu_hour']:.2f} – {row['p95_usd_per_gpu_hour']:.2f}",
            f"{row['p50_usd_per_effective_pflop_hour']:.2f}",
            f"{row['cells_not_official']} / {row['cells']}",
        ]
        for row in answer["sites"]
    ]
    note = Message("Effective PFLOP-hour: dense BF16 at 40 % of peak.")
    return Shown(
        title=Message("Cost by site").say(language),
        headings=[heading.say(language) for heading in headings],
        rows=rows,
        note=note.say(language),
    )
