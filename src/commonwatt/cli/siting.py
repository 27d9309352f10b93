"""`commonwatt siting`: cost of a GPU-hour by site, and where to build."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.catalogue.measures import measure_cell_text, measure_heading
from commonwatt.cli.frame import CommandResult, LazyGroup, command, option
from commonwatt.cli.frame import command_language as language_of_call
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    from commonwatt.catalogue.tables import TableSchema

siting = LazyGroup(
    name="siting",
    help="Cost a GPU-hour by site; decide where to build.",
    example="commonwatt siting cost cn-west us-virginia\ncommonwatt siting place --hours 672",
)

_path = click.Path(path_type=Path)
_share = click.FloatRange(0, 1, min_open=True)


@command(siting, "cost", example="commonwatt siting cost us-virginia cn-west --out cost")
@click.argument("sites", nargs=-1, metavar="[SITE]...")
@option("--case", type=click.Choice(["audited", "column", "equal"]), default="audited",
        help="Audited cells, a column's own figures, or equal use and chip prices.")  # fmt: skip
@option("--cells", type=_path, help="A library of cells instead of the shipped one.")
@option("--utilisation", type=_share, help="Use of every site instead of its cell.")
@option("--kwh", type=click.FloatRange(0, 100), help="IT energy of a useful GPU-hour, in kWh.")
@option("--market", help="Region whose hourly prices and weather give tariff and PUE.")
@option("--cooling", type=click.Choice(["chiller", "economiser", "evaporative", "liquid"]),
        default="economiser", help="Cooling that the weather is put to.")  # fmt: skip
@option("--draws", type=click.IntRange(100, 10_000_000), default=100_000, help="Draws.")
@option("--seed", type=int, default=1, help="Seed of every draw.")
@option("--contest", is_flag=True, help="Set two sites against each other, case by case.")
def cost(
    sites: tuple[str, ...],
    case: str,
    cells: Path | None,
    utilisation: float | None,
    kwh: float | None,
    market: str | None,
    cooling: str,
    draws: int,
    seed: int,
    contest: bool,
) -> CommandResult:
    """Cost a useful GPU-hour by site, with uncertainty and what drives it."""
    from commonwatt.siting import usecases as app
    from commonwatt.siting.domain.cooling import Cooling
    from commonwatt.siting.domain.tables import COST_TABLES

    if contest:
        return _command_result_of_site_comparison(sites, draws, seed)
    answer = app.gpu_hour_cost_result(
        sites, case=case, cells=app.load_library_cost_cells(cells) if cells else None,
        utilisation=utilisation,
        kwh_per_gpu_hour=kwh, market=(market, Cooling(cooling)) if market else None,
        draws=draws, seed=seed,
    )  # fmt: skip
    return CommandResult(
        data=answer,
        text=lambda language: _site_costs_terminal_text(answer, language),
        tables=_command_tables_of_siting_answer(answer, COST_TABLES),
        files=_command_files_of_site_costs(answer),
    )


def _command_result_of_site_comparison(
    sites: tuple[str, ...], draws: int, seed: int
) -> CommandResult:
    from commonwatt.siting import usecases as app
    from commonwatt.siting.domain.tables import COST_TABLES
    from commonwatt.siting.usecases.charts import break_even_map_chart
    from commonwatt.siting.usecases.report import (
        site_comparison_report_section,
        siting_report_html_page,
    )

    first_site, other = (
        # What is left unsaid is filled with the pair that the newspaper column compares.
        (*sites, "us-virginia", "cn-west")[:2] if len(sites) != 1 else (sites[0], "cn-west")
    )
    answer = app.site_cost_comparison(first_site, other, draws=draws, seed=seed)
    answer["break_even_map"] = app.break_even_map_rows(other, first_site)
    return CommandResult(
        data=answer,
        text=lambda language: _site_comparison_terminal_text(answer, language),
        tables=_command_tables_of_siting_answer(answer, COST_TABLES),
        files={
            "break_even_map.svg": break_even_map_chart(answer["break_even_map"], other, first_site),
            "report.html": siting_report_html_page(
                site_comparison_report_section(answer, _siting_command_language()),
                answer,
                _siting_command_language(),
            ),
        },
    )


@command(siting, "place", example="commonwatt siting place classes.csv --hours 672 --out plan")
@click.argument("classes", required=False, type=_path, metavar="[CLASSES]")
@option("--year", type=int, default=2023, help="Year of prices and carbon.")
@option("--data", type=_path, help="Folder of yearly price, carbon and latency files.")
@option("--leave-out", multiple=True, help="Grid zone not to use; may repeat.")
@option("--first-hour", type=click.IntRange(0), default=0, help="Hour of the year to start at.")
@option("--hours", type=click.IntRange(24, 8760), default=168, help="Hours; whole days.")
@option("--carbon-price", type=click.FloatRange(0), default=50.0, help="USD per tonne of CO2.")
@option("--carbon-cap", type=click.FloatRange(0), help="Tonnes of CO2 at most.")
@option("--unit", type=click.FloatRange(0), default=0.0, help="Step of sizes, in GPUs.")
@option("--open-cost", type=click.FloatRange(0), default=0.0, help="USD a year to open a site.")
@option("--max-gpus", type=click.FloatRange(1), default=20_000.0, help="Largest pool.")
@option("--gpu", "types", multiple=True, default=("H100",), help="GPU type; may repeat.")
@option("--gap", type=click.FloatRange(1e-6, 0.1), default=1e-4, help="Gap to prove.")
@option("--day-ahead", metavar="MS,...", help="Instead: plan from day to day at these limits.")
def siting_place_command(
    classes: Path | None,
    year: int,
    data: Path | None,
    leave_out: tuple[str, ...],
    first_hour: int,
    hours: int,
    carbon_price: float,
    carbon_cap: float | None,
    unit: float,
    open_cost: float,
    max_gpus: float,
    types: tuple[str, ...],
    gap: float,
    day_ahead: str | None,
) -> CommandResult:
    """Decide which sites to open, how large, and which load runs where."""
    from commonwatt.siting import usecases as app
    from commonwatt.siting.domain.tables import PLACE_TABLES

    if day_ahead is not None:
        return _command_result_of_day_ahead_placement(
            day_ahead, year, carbon_price, data, leave_out
        )
    choices = app.PlacementOptions(
        year=year, folder=data, leave_out=leave_out, first_hour=first_hour, hours=hours,
        carbon_usd_per_t=carbon_price,
        carbon_cap_t=carbon_cap, unit_gpus=unit, open_usd_per_year=open_cost,
        max_gpus=max_gpus, types=types, gap=gap,
    )  # fmt: skip
    answer = app.placement_result(classes, choices)
    # Kept apart from the answer, which is JSON and English; the text and the page translate them.
    words: list[Message] = answer.pop("limits")
    answer["limits"] = [str(each) for each in words]
    return CommandResult(
        # A row for each hour and pool: --out has them as a table, where they can be used.
        data={key: value for key, value in answer.items() if key != "hourly"},
        text=lambda language: _placement_terminal_text(answer, words, language),
        tables=_command_tables_of_siting_answer(answer, PLACE_TABLES),
        files=_command_files_of_placement(answer, words),
    )


def _command_result_of_day_ahead_placement(
    limits: str, year: int, carbon_price: float, data: Path | None, leave_out: tuple[str, ...]
) -> CommandResult:
    from commonwatt.cli.frame import raise_click_usage_error
    from commonwatt.siting import usecases as app
    from commonwatt.siting.domain.tables import PLACE_TABLES

    try:
        values = [float(part) for part in limits.split(",")]
    except ValueError:
        raise_click_usage_error(
            Message("--day-ahead takes milliseconds with commas between, such as 25,50,100.")
        )
    rows = app.day_ahead_placement_rows(
        values, year=year, carbon_usd_per_t=carbon_price, folder=data, leave_out=leave_out
    )
    answer = {"year": year, "carbon_usd_per_t": carbon_price, "day_ahead": rows}
    return CommandResult(
        data=answer,
        text=lambda language: _day_ahead_placement_terminal_text(rows, language),
        tables=_command_tables_of_siting_answer(answer, PLACE_TABLES),
    )


def _command_tables_of_siting_answer(
    answer: dict[str, Any], declared: Mapping[str, TableSchema]
) -> dict[str, Any]:
    """Return the tables of an answer, each with exactly the columns that are declared of it."""
    return {
        name: table.frame_from_rows(answer[name])
        for name, table in declared.items()
        # An answer has only the tables of what was asked; an empty file would look like a finding.
        if answer.get(name)
    }


def _command_files_of_site_costs(answer: dict[str, Any]) -> dict[str, str]:
    from commonwatt.siting.usecases.charts import site_cost_svg_files_by_name
    from commonwatt.siting.usecases.report import siting_cost_section, siting_report_html_page

    section = siting_cost_section(answer, _siting_command_language())
    return site_cost_svg_files_by_name(answer) | {
        "report.html": siting_report_html_page(section, answer, _siting_command_language())
    }


def _command_files_of_placement(answer: dict[str, Any], words: list[Message]) -> dict[str, str]:
    from commonwatt.siting.usecases.charts import placement_files
    from commonwatt.siting.usecases.report import siting_placement_section, siting_report_html_page

    section = siting_placement_section(answer | {"limits": words}, _siting_command_language())
    return placement_files(answer) | {
        "report.html": siting_report_html_page(section, answer, _siting_command_language())
    }


def _siting_command_language() -> str:
    return language_of_call(click.get_current_context(silent=True))


def _site_costs_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.siting.domain.tables import SITES

    columns = (
        "p5_usd_per_gpu_hour", "p50_usd_per_gpu_hour", "p95_usd_per_gpu_hour",
        "p50_usd_per_effective_pflop_hour", "utilisation_share",
    )  # fmt: skip
    rows = _terminal_rows_by_measure(SITES, "site", columns, answer["sites"], language)
    drivers = [
        _site_cost_drivers_terminal_message(site["site"], answer["tornado"], 3)
        for site in answer["sites"]
    ]
    note = Message(
        "USD of {year} per useful GPU-hour; {case}. Effective PFLOP: {precision}, {share} percent "
        "of peak. {marked} of {cells} cells per site are estimates, press or memory; see `cells`.",
        {
            "year": str(answer["price_year"]),
            "case": translate(answer["case_meaning"], language),
            "precision": answer["precision"],
            "share": f"{100 * answer['achieved_share']:.0f}",
            # The worst of the sites: a reader may quote any of them.
            "marked": str(max(site["cells_not_official"] for site in answer["sites"])),
            "cells": str(answer["sites"][0]["cells"]),
        },
    )
    lines = [
        _site_break_even_terminal_message(row).translate(language) for row in answer["break_even"]
    ]
    first_drivers = [line.translate(language) for line in drivers]
    return "\n".join(
        [_aligned_terminal_text(rows), "", *first_drivers, "", *lines, "", note.translate(language)]
    )


def _site_cost_drivers_terminal_message(
    site: str, bars: list[dict[str, Any]], count: int
) -> Message:
    """Return what moves the cost at a site most, in words."""
    from commonwatt.siting.domain.tables import TORNADO

    swing = TORNADO.column("swing_usd_per_gpu_hour")
    # The first are the widest: the use case sorts each site's by their swing.
    widest = [bar for bar in bars if bar["site"] == site][:count]
    return Message(
        "First drivers at {site}: {bars}.",
        {
            "site": site,
            "bars": ", ".join(
                f"{bar['input']} {measure_cell_text(bar['swing_usd_per_gpu_hour'], swing)}"
                for bar in widest
            ),
        },
    )


def _site_break_even_terminal_message(break_even: dict[str, Any]) -> Message:
    values = {
        "site": break_even["site"],
        "other": break_even["against"],
        "rent": f"{break_even['rent_usd_per_gpu_hour']:.2f}",
        "tariff": f"{break_even['tariff_where_rent_wins_usd_per_kwh']:.3f}",
    }
    tariff = break_even["tariff_where_rent_wins_usd_per_kwh"]
    use = break_even["utilisation_to_match_share"]
    if use is None:
        return Message("{site} does not match {other} at any utilisation.", values)
    values["use"] = f"{100 * use:.0f}"
    # A negative break-even means that no price of power helps; "above -0.02 USD/kWh" would puzzle
    # everybody.
    if tariff <= 0:
        return Message(
            "{site} matches {other} from {use} percent use; renting at {rent} USD/h beats owning "
            "even with free power.",
            values,
        )
    return Message(
        "{site} matches {other} from {use} percent use; renting at {rent} USD/h beats owning above "
        "{tariff} USD/kWh.",
        values,
    )


def _site_comparison_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.siting.domain.tables import CONTEST

    cases = [row | {"contest": translate(row["contest"], language)} for row in answer["contest"]]
    columns = [column.name for column in CONTEST.columns[1:]]
    table = _aligned_terminal_text(
        _terminal_rows_by_measure(CONTEST, "contest", columns, cases, language)
    )
    which = Message(
        "The first site is {first}, the second {second}.",
        {"first": answer["one"], "second": answer["other"]},
    )
    drivers = _site_cost_drivers_terminal_message(answer["other"], answer["tornado"], 9)
    return f"{table}\n\n{which.translate(language)} {drivers.translate(language)}"


def _placement_terminal_text(answer: dict[str, Any], words: list[Message], language: str) -> str:
    from commonwatt.siting.domain.tables import PLACE_SITES

    names = ("pool", "h100_equivalents", "mean_use_share", "size_usd", "running_usd", "carbon_t")
    columns = [PLACE_SITES.column(name) for name in names]
    rows = [[measure_heading(column, language) for column in columns]]
    rows += [
        [measure_cell_text(row[column.name], column, language) for column in columns]
        for row in answer["sites"]
    ]
    total = Message(
        "Cost {cost} USD over {hours} hours, proved to {gap} percent of the best; "
        "{carbon} t of CO2.",
        {
            "cost": f"{answer['cost_usd']:,.0f}",
            "hours": f"{answer['hours']:,}",
            "gap": f"{100 * answer['gap_share']:.3g}",
            "carbon": f"{answer['carbon_t']:,.1f}",
        },
    )
    headings = [word.translate(language) for word in words]
    return "\n".join([_aligned_terminal_text(rows), "", total.translate(language), *headings])


def _day_ahead_placement_terminal_text(rows: list[dict[str, Any]], language: str) -> str:
    from commonwatt.siting.domain.tables import DAY_AHEAD

    columns = [column.name for column in DAY_AHEAD.columns[1:]]
    return _aligned_terminal_text(
        _terminal_rows_by_measure(DAY_AHEAD, "latency_limit_ms", columns, rows, language)
    )


def _terminal_rows_by_measure(
    table: TableSchema,
    across: str,
    columns: Sequence[str],
    rows: list[dict[str, Any]],
    language: str,
) -> list[list[str]]:
    """Return a table turned on its side: a line for each figure, its heading in full.

    Headings carry their unit and are long; side by side they would not fit a terminal, and
    one under the other they are a line each, with a column for every site or limit.
    """
    top = table.column(across)
    lines = [
        [
            measure_heading(top, language),
            *(measure_cell_text(row[across], top, language) for row in rows),
        ]
    ]
    for name in columns:
        column = table.column(name)
        cells = [measure_cell_text(row[name], column, language) for row in rows]
        lines.append([measure_heading(column, language), *cells])
    return lines


def _aligned_terminal_text(rows: list[list[str]]) -> str:
    widths = [max(_terminal_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text + " " * (width - _terminal_width(text))
            for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _terminal_width(text: str) -> int:
    """Return the columns that a text takes on a terminal; Chinese takes two."""
    # Unicode Standard Annex 11: wide and full-width letters take two columns of a terminal.
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
