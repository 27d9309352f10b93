"""`commonwatt siting`: cost of a GPU-hour by site, and where to build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.catalogue.measures import measure_cell_text
from commonwatt.cli.frame import (
    CommandResult,
    LazyGroup,
    command,
    option,
    refuse_click_option_without_partner,
    refuse_click_options_not_read,
)
from commonwatt.cli.frame import command_language as language_of_call
from commonwatt.cli.terminal_text import (
    figure_sentence,
    terminal_table_text,
    turned_terminal_table_text,
)
from commonwatt.core.errors import UsageError
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
        refuse_click_options_not_read("--contest", {"contest", "sites", "draws", "seed"})
        return _command_result_of_site_comparison(sites, draws, seed)
    refuse_click_option_without_partner("cooling", "--market", given=market is not None)
    answer = app.gpu_hour_cost_result(
        sites, case=case, cells=app.load_library_cost_cells(cells) if cells else None,
        utilisation=utilisation,
        kwh_per_gpu_hour=kwh, market=(market, Cooling(cooling)) if market else None,
        draws=draws, seed=seed,
    )  # fmt: skip
    return CommandResult(
        data=answer,
        text=lambda language: _site_costs_terminal_text(answer, language),
        tables=_siting_command_frames_by_table_name(answer, COST_TABLES),
        files=_site_cost_command_files_by_name(answer),
    )


def _command_result_of_site_comparison(
    sites: tuple[str, ...], draws: int, seed: int
) -> CommandResult:
    import polars as pl

    from commonwatt.report.charts import chart_svg_document
    from commonwatt.siting import usecases as app
    from commonwatt.siting.domain.tables import COST_TABLES
    from commonwatt.siting.usecases.charts import siting_break_even_map_chart
    from commonwatt.siting.usecases.report import (
        site_comparison_report_section,
        siting_report_html_page,
    )

    if len(sites) not in {0, 2}:
        raise UsageError("--contest", found=str(len(sites)), wanted=Message("2 sites, or none"))
    # Without a name, the pair that the newspaper column compares.
    first_site, other = sites or ("us-virginia", "cn-west")
    answer = app.site_cost_comparison(first_site, other, draws=draws, seed=seed)
    answer["break_even_map"] = app.break_even_map_rows(other, first_site)
    return CommandResult(
        data=answer,
        text=lambda language: _site_comparison_terminal_text(answer, language),
        tables=_siting_command_frames_by_table_name(answer, COST_TABLES),
        files={
            "break_even_map.svg": chart_svg_document(
                siting_break_even_map_chart(other, first_site),
                pl.DataFrame(answer["break_even_map"]),
                _siting_command_language(),
            ),
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
        refuse_click_options_not_read(
            "--day-ahead", {"day_ahead", "year", "carbon_price", "data", "leave_out"}
        )
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
    answer["limits"] = [each.translate("en") for each in words]
    return CommandResult(
        # A row for each hour and pool: --out has them as a table, where they can be used.
        data={key: value for key, value in answer.items() if key != "hourly"},
        text=lambda language: _placement_terminal_text(answer, words, language),
        tables=_siting_command_frames_by_table_name(answer, PLACE_TABLES),
        files=_placement_command_files_by_name(answer, words),
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
        tables=_siting_command_frames_by_table_name(answer, PLACE_TABLES),
    )


def _siting_command_frames_by_table_name(
    answer: dict[str, Any], declared: Mapping[str, TableSchema]
) -> dict[str, Any]:
    """Return the tables of an answer, each with exactly the columns that are declared of it."""
    return {
        name: table.frame_from_rows(answer[name])
        for name, table in declared.items()
        # An answer has only the tables of what was asked; an empty file would look like a finding.
        if answer.get(name)
    }


def _site_cost_command_files_by_name(answer: dict[str, Any]) -> dict[str, str]:
    from commonwatt.siting.usecases.charts import site_cost_svg_texts_by_file_name
    from commonwatt.siting.usecases.report import siting_cost_section, siting_report_html_page

    section = siting_cost_section(answer, _siting_command_language())
    return site_cost_svg_texts_by_file_name(answer, _siting_command_language()) | {
        "report.html": siting_report_html_page(section, answer, _siting_command_language())
    }


def _placement_command_files_by_name(
    answer: dict[str, Any], words: list[Message]
) -> dict[str, str]:
    from commonwatt.siting.usecases.charts import placement_svg_texts_by_file_name
    from commonwatt.siting.usecases.report import siting_placement_section, siting_report_html_page

    section = siting_placement_section(answer | {"limits": words}, _siting_command_language())
    return placement_svg_texts_by_file_name(answer, _siting_command_language()) | {
        "report.html": siting_report_html_page(section, answer, _siting_command_language())
    }


def _siting_command_language() -> str:
    return language_of_call(click.get_current_context(silent=True))


def _site_costs_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.catalogue.shared import YEAR
    from commonwatt.siting.domain import measures
    from commonwatt.siting.domain.tables import SITES

    names = (
        "p5_usd_per_gpu_hour", "p50_usd_per_gpu_hour", "p95_usd_per_gpu_hour",
        "p50_usd_per_effective_pflop_hour", "utilisation_share",
    )  # fmt: skip
    columns = [SITES.column(name) for name in names]
    table = turned_terminal_table_text(SITES.column("site"), columns, answer["sites"], language)
    drivers = [
        _site_cost_drivers_terminal_message(site["site"], answer["tornado"], 3, language)
        for site in answer["sites"]
    ]
    sentence = Message(
        "USD of {year} per useful GPU-hour; {case}. Effective PFLOP: {precision}, {share} of peak. "
        "{marked} of {cells} cells per site are estimates, press or memory; see `cells`.",
        {
            "case": translate(answer["case_meaning"], language),
            "precision": answer["precision"],
        },
    )
    note = figure_sentence(
        sentence,
        language,
        {
            "year": (YEAR, answer["price_year"]),
            "share": (measures.ACHIEVED_SHARE, answer["achieved_share"]),
            # The worst of the sites: a reader may quote any of them.
            "marked": (
                measures.CELLS_NOT_OFFICIAL,
                max(site["cells_not_official"] for site in answer["sites"]),
            ),
            "cells": (measures.CELLS, answer["sites"][0]["cells"]),
        },
    )
    lines = [_site_break_even_terminal_text(row, language) for row in answer["break_even"]]
    first_drivers = [line.translate(language) for line in drivers]
    return "\n".join([table, "", *first_drivers, "", *lines, "", note])


def _site_cost_drivers_terminal_message(
    site: str, bars: list[dict[str, Any]], count: int, language: str
) -> Message:
    """Return what moves the cost at a site most, in words."""
    from commonwatt.siting.domain.cost_inputs import cost_input_label
    from commonwatt.siting.domain.tables import TORNADO

    swing = TORNADO.column("swing_usd_per_gpu_hour")
    # The first are the widest: the use case sorts each site's by their swing.
    widest = [bar for bar in bars if bar["site"] == site][:count]
    return Message(
        "First drivers at {site}: {bars}.",
        {
            "site": site,
            # What people call an input may hold a comma of its own.
            "bars": "; ".join(
                f"{cost_input_label(bar['input']).translate(language)} "
                + measure_cell_text(bar["swing_usd_per_gpu_hour"], swing)
                for bar in widest
            ),
        },
    )


def _site_break_even_terminal_text(break_even: dict[str, Any], language: str) -> str:
    from commonwatt.siting.domain import measures

    words = {"site": break_even["site"], "other": break_even["against"]}
    tariff = break_even["tariff_where_rent_wins_usd_per_kwh"]
    use = break_even["utilisation_to_match_share"]
    if use is None:
        return Message("{site} does not match {other} at any utilisation.", words).translate(
            language
        )
    # A negative break-even means that no price of power helps; "above -0.02 USD/kWh" would puzzle
    # everybody.
    sentence = (
        Message(
            "{site} matches {other} from {use} use; renting at {rent} beats owning even with free "
            "power.",
            words,
        )
        if tariff <= 0
        else Message(
            "{site} matches {other} from {use} use; renting at {rent} beats owning above {tariff}.",
            words,
        )
    )
    figures = {
        "use": (measures.UTILISATION_TO_MATCH, use),
        "rent": (measures.RENT, break_even["rent_usd_per_gpu_hour"]),
        "tariff": (measures.TARIFF_WHERE_RENT_WINS, tariff),
    }
    return figure_sentence(sentence, language, figures)


def _site_comparison_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.siting.domain.tables import CONTEST

    cases = [row | {"contest": translate(row["contest"], language)} for row in answer["contest"]]
    table = turned_terminal_table_text(
        CONTEST.column("contest"), CONTEST.columns[1:], cases, language
    )
    which = Message(
        "The first site is {first}, the second {second}.",
        {"first": answer["one"], "second": answer["other"]},
    )
    drivers = _site_cost_drivers_terminal_message(answer["other"], answer["tornado"], 9, language)
    return f"{table}\n\n{which.translate(language)} {drivers.translate(language)}"


def _placement_terminal_text(answer: dict[str, Any], words: list[Message], language: str) -> str:
    from commonwatt.siting.domain import measures
    from commonwatt.siting.domain.tables import PLACE_SITES

    names = ("pool", "h100_equivalents", "mean_use_share", "size_usd", "running_usd", "carbon_t")
    columns = [PLACE_SITES.column(name) for name in names]
    table = terminal_table_text(columns, answer["sites"], language, left=range(len(columns)))
    total = figure_sentence(
        Message("Cost {cost} over {hours}, proved to {gap} of the best; {carbon}."),
        language,
        {
            "cost": (measures.PLACEMENT_COST, answer["cost_usd"]),
            "hours": (measures.PLANNED_HOURS, answer["hours"]),
            "gap": (measures.PLACEMENT_GAP, answer["gap_share"]),
            "carbon": (measures.PLACEMENT_CARBON, answer["carbon_t"]),
        },
    )
    return "\n".join([table, "", total, *(word.translate(language) for word in words)])


def _day_ahead_placement_terminal_text(rows: list[dict[str, Any]], language: str) -> str:
    from commonwatt.siting.domain.tables import DAY_AHEAD

    return turned_terminal_table_text(
        DAY_AHEAD.column("latency_limit_ms"), DAY_AHEAD.columns[1:], rows, language
    )
