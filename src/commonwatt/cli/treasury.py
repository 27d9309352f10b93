"""`commonwatt treasury`: accounts, fans, rules and project finance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli.frame import (
    CommandResult,
    LazyGroup,
    command,
    command_language,
    option,
    refuse_click_option_without_partner,
    refuse_click_options_not_read,
)
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    from commonwatt.catalogue.measures import TableColumn
    from commonwatt.catalogue.tables import TableSchema

treasury = LazyGroup(
    name="treasury",
    help="Show what the bonds do to the public debt.",
    example="commonwatt treasury project hongkong\ncommonwatt treasury fan hongkong --seed 1",
)

ABSENT = "–"
# Spelled here and not read from the rules, so that completion does not wait for the tables.
RULES = ("eu-2024", "srdsf", "mac-dsa", "lic-dsf")
_path = click.Path(path_type=Path)
_country = click.argument("country", metavar="COUNTRY")
_optional_country = click.argument("country", metavar="[COUNTRY]", required=False)
_weo = option("--weo", type=_path, help="WEO table; COUNTRY is then a code such as FRA.")


@command(treasury, "project", example="commonwatt treasury project hongkong --json")
@_country
@_weo
@option("--years", type=click.IntRange(1, 60), help="Years to project (default: as planned).")
@option("--basis", type=click.Choice(["cash", "revalued"]), default="cash", help="Opening stock.")
# As the published balance counts; the bridge shows what that adds.
@option("--bonds-as-income/--bonds-not-income", default=True, help="Headline counts proceeds.")
@option("--transfers-as-income/--transfers-not-income", default=True, help="Likewise transfers.")
@option("--programme", multiple=True, help="Count only this borrowing programme; may repeat.")
@option("--fx", multiple=True, metavar="CUR=CHANGE",
        help="Yearly change of a foreign currency, such as EUR=0.03; may repeat.")  # fmt: skip
@option("--compare", type=_path, help="WEO table whose economies stand beside the country.")
def treasury_project_command(
    country: str,
    weo: Path | None,
    years: int | None,
    basis: str,
    bonds_as_income: bool,
    transfers_as_income: bool,
    programme: tuple[str, ...],
    fx: tuple[str, ...],
    compare: Path | None,
) -> CommandResult:
    """Project accounts, debt and reserves year by year, with bridge and decomposition."""
    from commonwatt.treasury.engines.projection import AccountingTreatment, DebtBasis
    from commonwatt.treasury.usecases import charts
    from commonwatt.treasury.usecases.countries import (
        country_with_exchange_rate_changes,
        open_treasury_country,
    )
    from commonwatt.treasury.usecases.frames import treasury_answer_frames
    from commonwatt.treasury.usecases.project import debt_projection_result

    treatment = AccountingTreatment(
        bonds_as_income=bonds_as_income,
        transfers_as_income=transfers_as_income,
        basis=DebtBasis(basis),
        programmes=programme,
    )
    projected = country_with_exchange_rate_changes(open_treasury_country(country, weo), fx)
    answer = debt_projection_result(projected, years=years, treatment=treatment, compare=compare)
    names = ("years", "history", "bridge", "quarters", "published_checks", "comparison")
    return CommandResult(
        data=answer,
        text=lambda language: _debt_projection_terminal_text(answer, language),
        tables=treasury_answer_frames(answer, names, answer["currency"]),
        files=charts.debt_projection_svg_texts_by_file_name(
            answer, command_language(click.get_current_context())
        ),
    )


@command(treasury, "fan", example="commonwatt treasury fan hongkong --paths 1000000 --years 30")
@_optional_country
@_weo
@option("--paths", type=click.IntRange(1, 20_000_000), default=100_000, show_default=True,
        help="Stochastic paths.")  # fmt: skip
@option("--years", type=click.IntRange(1, 60), default=10, show_default=True, help="Years ahead.")
@option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of all chance.")
@option("--threads", type=click.IntRange(1, 64), default=1, show_default=True,
        help="Threads; the result does not depend on them.")  # fmt: skip
@option("--financing-share", type=click.FloatRange(0, 1),
        help="Share of a shock that debt finances; reserves take the rest.")  # fmt: skip
@option("--floor", type=float, default=0.0, help="Reserves under which a path is counted [bn].")
@option("--call-probability", type=click.FloatRange(0, 0.5), default=0.01, show_default=True,
        help="Yearly chance that guarantees are called; an assumption.")  # fmt: skip
@option("--call-loss", type=click.FloatRange(0, 1), default=0.5, show_default=True,
        help="Share of the guarantee that a call costs; an assumption.")  # fmt: skip
@option("--strategies", type=click.IntRange(0, 100_000), default=0,
        help="Also compare this many issuance mixes, cost against risk.")  # fmt: skip
@option("--backtest", is_flag=True, help="Score rolling origins of the --weo table instead.")
# Never read at all, so that an economy kept aside cannot have shaped the method that is scored on
# it.
@option("--leave-out", default="", help="Codes that the backtest never reads, comma-separated.")
@option("--only", default="", help="Codes that the backtest scores, comma-separated.")
def treasury_fan_command(
    country: str | None,
    weo: Path | None,
    paths: int,
    years: int,
    seed: int,
    threads: int,
    financing_share: float | None,
    floor: float,
    call_probability: float,
    call_loss: float,
    strategies: int,
    backtest: bool,
    leave_out: str,
    only: str,
) -> CommandResult:
    """Draw stochastic paths of debt and reserves around the projection."""
    from commonwatt.treasury.usecases import charts
    from commonwatt.treasury.usecases.fan import FanOptions, debt_fan_result
    from commonwatt.treasury.usecases.frames import treasury_answer_frames

    if backtest:
        refuse_click_options_not_read(
            "--backtest", {"backtest", "weo", "leave_out", "only", "seed"}
        )
        return _command_result_of_debt_fan_backtest(weo, leave_out, only, seed)
    for name in ("leave_out", "only"):
        refuse_click_option_without_partner(name, "--backtest", given=backtest)
    options = FanOptions(
        paths=paths,
        years=years,
        seed=seed,
        threads=threads,
        financing_share=financing_share,
        floor=floor,
        call_probability=call_probability,
        call_loss=call_loss,
        strategies=strategies,
    )
    answer = debt_fan_result(_required_cli_country_argument(country), weo, options)
    return CommandResult(
        data=answer,
        text=lambda language: _debt_fan_terminal_text(answer, language),
        tables=treasury_answer_frames(answer["fan"] | {"chances": answer["chances"]}, FAN_TABLES),
        files=charts.debt_fan_svg_texts_by_file_name(
            answer, command_language(click.get_current_context())
        ),
    )


FAN_TABLES = (
    "debt_gdp_share",
    "reserves_gdp_share",
    "gross_financing_need_gdp_share",
    "chances",
)


def _required_cli_country_argument(country: str | None) -> str:
    if country:
        return country
    raise UsageError(
        "commonwatt treasury fan", wanted=Message("a country, such as hongkong, or --backtest")
    )


def _command_result_of_debt_fan_backtest(
    weo: Path | None, leave_out: str, only: str, seed: int
) -> CommandResult:
    from commonwatt.treasury.usecases.fan import debt_backtest_result
    from commonwatt.treasury.usecases.frames import treasury_answer_frames

    # Rolling origins need many economies and long histories, which only such a table has.
    if weo is None:
        raise UsageError("--backtest", wanted=Message("a WEO table: --weo FILE"))
    answer = debt_backtest_result(
        weo, _parse_economy_codes_option(leave_out), _parse_economy_codes_option(only), seed=seed
    )
    return CommandResult(
        data=answer,
        text=lambda language: _debt_fan_backtest_terminal_text(answer, language),
        tables=treasury_answer_frames(answer, ("economies",)),
    )


def _parse_economy_codes_option(codes_option: str) -> frozenset[str]:
    return frozenset(code.strip().upper() for code in codes_option.split(",") if code.strip())


def _debt_fan_backtest_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.treasury.domain.tables import ECONOMIES

    # The last row is the plainest forecast: a fan that does not beat it is not worth its machinery.
    naive = answer["naive"] | {"economy": translate("past changes alone", language)}
    names = ("economy", "forecasts", "coverage_80_share", "crps_points", "width_80_points")
    return _treasury_table_terminal_text(ECONOMIES, [*answer["economies"], naive], names, language)


def _debt_fan_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.catalogue.measures import measure_label_text, measure_value_text
    from commonwatt.cli.terminal_text import aligned_terminal_rows_text
    from commonwatt.treasury.domain import measures
    from commonwatt.treasury.domain.tables import FAN_DEBT

    names = ("fiscal_year", "q05", "q10", "q25", "q50", "q75", "q90", "q95")
    quantiles = _treasury_table_terminal_text(
        FAN_DEBT, answer["fan"]["debt_gdp_share"], names, language, note_says_unit=True
    )
    # The row after the last year says "ever"; the last year's own chance is another figure.
    ever = answer["chances"][-1]
    chances = [
        (
            measure_label_text(chance, language),
            measure_value_text(ever[f"{event}_probability"], chance, language),
            # The error of the draw alone; what the model does not know is not in it.
            f"± {measure_value_text(ever[f'{event}_monte_carlo_error'], chance, language)}",
        )
        for event, chance in (
            ("debt_over_ceiling", measures.CEILING_CHANCE_EVER),
            ("reserves_under_floor", measures.FLOOR_CHANCE_EVER),
            ("guarantee_call", measures.CALL_CHANCE_EVER),
        )
    ]
    note = translate("Debt in per cent of GDP; chances over the whole horizon.", language)
    return "\n\n".join([quantiles, aligned_terminal_rows_text(chances), note])


@command(treasury, "finance", example="commonwatt treasury finance harbour --json")
@click.argument("centre", metavar="CENTRE.toml")
@option("--target", type=click.FloatRange(0.1, 10), default=1.30, show_default=True,
        help="Loan life cover that the price table aims at.")  # fmt: skip
@option("--paths", type=click.IntRange(1, 1_000_000), default=8192, show_default=True,
        help="Paths of the guarantee calls.")  # fmt: skip
@option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of all chance.")
@option("--sovereign", help="Country that pays, such as hongkong: its debt with and without.")
@option("--route", type=click.Choice(["on-budget", "guarantee", "ppp"]), default="on-budget",
        show_default=True, help="Way onto the books of the sovereign.")  # fmt: skip
def finance(
    centre: str, target: float, paths: int, seed: int, sovereign: str | None, route: str
) -> CommandResult:
    """Finance a compute centre, and show its three ways onto the public books."""
    import polars as pl

    from commonwatt.report.charts import chart_svg_document
    from commonwatt.treasury.usecases import charts
    from commonwatt.treasury.usecases.fan import FanOptions
    from commonwatt.treasury.usecases.finance import (
        centre_finance_result,
        centre_sovereign_debt_result,
    )
    from commonwatt.treasury.usecases.frames import treasury_answer_frames

    refuse_click_option_without_partner("route", "--sovereign", given=bool(sovereign))
    answer = centre_finance_result(centre, target=target, paths=paths, seed=seed)
    files: dict[str, str] = {}
    if sovereign:
        # At least a thousand: the outer quantiles of fewer paths rest on a handful of draws.
        options = FanOptions(paths=max(paths, 1000), seed=seed)
        answer["sovereign"] = centre_sovereign_debt_result(centre, sovereign, route, options)
        files["debt_with_and_without.svg"] = chart_svg_document(
            charts.debt_with_and_without_need_chart(),
            charts.debt_with_and_without_need_frame(
                pl.DataFrame(answer["sovereign"]["fan_with"]),
                pl.DataFrame(answer["sovereign"]["fan_without"]),
            ),
            command_language(click.get_current_context()),
        )
    names = ("construction", "loan", "price", "cases", "capital_need")
    return CommandResult(
        data=answer,
        text=lambda language: _centre_finance_terminal_text(answer, language),
        tables=treasury_answer_frames(answer, names, answer["currency"]),
        files=files,
    )


def _centre_finance_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.catalogue.measures import measure_cell_text, measure_label_text
    from commonwatt.cli.terminal_text import aligned_terminal_rows_text
    from commonwatt.study.measures import FUNDING_YEARS
    from commonwatt.treasury.domain import measures
    from commonwatt.treasury.domain.tables import CASES, PRICE, ROUTES

    currency = answer["currency"]
    ratios = (measures.DSCR_MIN, measures.DSCR_MEAN, measures.LLCR, measures.PLCR)
    covers = [
        (measure_label_text(r, language), measure_cell_text(answer["cover"][r.id], r, language))
        for r in ratios
    ]
    price = (
        "utilisation_share",
        f"price_{currency.lower()}_per_gpu_hour",
        "over_price_at_85_share",
    )
    cases = [row | {"case": translate(row["case"], language)} for row in answer["cases"]]
    routes = [row | {"route": translate(row["route"], language)} for row in answer["routes"]]
    flows = ("route", "peak_gross_debt_mn", "peak_guarantees_mn", "total_deficit_mn")
    parts = [
        aligned_terminal_rows_text(covers),
        _treasury_table_terminal_text(
            PRICE.in_currency(currency), answer["price"], price, language
        ),
        _treasury_table_terminal_text(
            CASES.in_currency(currency), cases, ("case", "dscr_min", "shortfall_mn"), language
        ),
        _treasury_table_terminal_text(ROUTES.in_currency(currency), routes, flows, language),
    ]
    if "sovereign" in answer:
        need = f"need_{currency.lower()}_bn"
        debt = ("debt_with_gdp_share", "debt_without_gdp_share")
        years = FUNDING_YEARS.in_currency(currency)
        names = ("fiscal_year", need, *debt)
        parts.append(
            _treasury_table_terminal_text(years, answer["sovereign"]["years"], names, language)
        )
    return "\n\n".join(parts)


@command(treasury, "assess", example="commonwatt treasury assess hongkong --rules mac-dsa")
@click.argument("subject", metavar="FILE")
@option("--rules", type=click.Choice(RULES), required=True, help="Rule table.")
@_weo
@option("--group", type=click.Choice(["advanced", "emerging"]), default="advanced",
        show_default=True, help="Group of the MAC DSA benchmarks.")  # fmt: skip
@option("--capacity", type=click.Choice(["weak", "medium", "strong"]), default="strong",
        show_default=True, help="Debt-carrying capacity of the LIC DSF.")  # fmt: skip
@option("--years", type=click.IntRange(2, 60), default=5, show_default=True, help="Years judged.")
@option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of all chance.")
def assess(
    subject: str, rules: str, weo: Path | None, group: str, capacity: str, years: int, seed: int
) -> CommandResult:
    """Set a country, its indicators or its inputs beside dated, sourced rules."""
    from commonwatt.treasury.usecases.assess import (
        AssessmentOptions,
        debt_assessment_result,
        debt_assessment_rows_by_table,
    )
    from commonwatt.treasury.usecases.frames import treasury_answer_frames

    options = AssessmentOptions(rules=rules, group=group, capacity=capacity, years=years, seed=seed)
    answer = debt_assessment_result(subject, weo, options)
    return CommandResult(
        data=answer,
        text=lambda language: _debt_assessment_terminal_text(answer, language),
        tables=treasury_answer_frames(
            debt_assessment_rows_by_table(answer), ("signals", "adjustments")
        ),
    )


def _debt_assessment_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.treasury.domain.tables import ADJUSTMENTS, SIGNALS
    from commonwatt.treasury.usecases.assess import debt_assessment_rows_by_table

    rows = debt_assessment_rows_by_table(answer)
    # The EU's rules answer with paths to choose from and not with signals.
    if "adjustments" in answer:
        steps = [a | {"binding": translate(a["binding"], language)} for a in rows["adjustments"]]
        return _treasury_table_terminal_text(
            ADJUSTMENTS, steps, ("years", "step", "binding"), language
        )
    signals = [
        signal
        | {
            "signal": translate(signal["signal"], language),
            # An indicator whose input is missing is listed as absent; an empty cell would look like
            # a fault of the table.
            "thresholds": signal["thresholds"] or ABSENT,
        }
        for signal in rows["signals"]
    ]
    names = ("indicator", "value", "thresholds", "signal")
    table = _treasury_table_terminal_text(SIGNALS, signals, names, language)
    return "\n\n".join([table, ", ".join([answer["title"], answer["adopted_on"]])])


def _debt_projection_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.treasury.domain.tables import BRIDGE, YEARS

    currency, money = answer["currency"], f"{answer['currency'].lower()}_bn"
    flows = (f"{name}_{money}" for name in ("gross_issuance", "redemption", "interest", "reserves"))
    names = ("fiscal_year", f"debt_{money}", "debt_gdp_share", *flows)
    steps = [row | {"step": translate(row["step"], language)} for row in answer["bridge"]]
    bridge = ("step", f"amount_{money}", f"level_{money}")
    values = {
        "unit": _money_column_unit_terminal_text(
            YEARS.in_currency(currency).column(f"debt_{money}"), language
        ),
        "basis": translate(answer["treatment"]["debt_basis"], language),
    }
    note = Message("Amounts in {unit}; debt on the {basis} basis.", values).translate(language)
    return "\n\n".join(
        [
            _treasury_table_terminal_text(
                YEARS.in_currency(currency), answer["years"], names, language, note_says_unit=True
            ),
            _treasury_table_terminal_text(
                BRIDGE.in_currency(currency), steps, bridge, language, note_says_unit=True
            ),
            note,
        ]
    )


def _money_column_unit_terminal_text(column: TableColumn, language: str) -> str:
    """Return the unit of a column of money, as its cells are shown."""
    from commonwatt.catalogue.errors import UnitError
    from commonwatt.catalogue.measures import shown_measure_unit_text

    try:
        return shown_measure_unit_text(column, language)
    except UnitError:
        # An economy of a WEO table may count in a currency that the units do not spell.
        return column.unit


def _treasury_table_terminal_text(
    table: TableSchema,
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    language: str,
    *,
    note_says_unit: bool = False,
) -> str:
    """Return columns of a declared table as text.

    Args:
        table: The table, in the currency of the run.
        rows: Its rows.
        names: The columns to show, in order.
        language: The reader's language.
        note_says_unit: A note below the table says the unit of its money or ratio.
    """
    from commonwatt.cli.terminal_text import terminal_table_text

    def heading(column: TableColumn) -> str:
        return _terminal_column_heading(column, language, note_says_unit=note_says_unit)

    shown = [table.column(name) for name in names]
    return terminal_table_text(shown, rows, language, heading=heading, left=(0,))


def _terminal_column_heading(column: TableColumn, language: str, *, note_says_unit: bool) -> str:
    from commonwatt.catalogue.errors import UnitError
    from commonwatt.catalogue.measures import CURRENCY, measure_heading, measure_label_text

    is_money = CURRENCY in column.measure.unit
    # Eight columns that each repeat the unit would not fit a terminal.
    if note_says_unit and (is_money or column.name.startswith("q")):
        return measure_label_text(column, language)
    try:
        return measure_heading(column, language)
    except UnitError:
        # An economy of a WEO table may count in a currency that the units do not spell.
        return f"{measure_label_text(column, language)} [{column.unit}]"
