"""`commonwatt treasury`: accounts, fans, rules and project finance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commonwatt.cli.frame import CommandResult, LazyGroup, command, option
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message, translate

treasury = LazyGroup(
    name="treasury",
    help="Show what the bonds do to the public debt.",
    example="commonwatt treasury project hongkong\ncommonwatt treasury fan hongkong --seed 1",
)

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
@option("--bonds-as-income/--bonds-not-income", default=True, help="Headline counts proceeds.")
@option("--transfers-as-income/--transfers-not-income", default=True, help="Likewise transfers.")
@option("--programme", multiple=True, help="Count only this borrowing programme; may repeat.")
@option("--fx", multiple=True, metavar="CUR=CHANGE",
        help="Yearly change of a foreign currency, such as EUR=0.03; may repeat.")  # fmt: skip
@option("--compare", type=_path, help="WEO table whose economies stand beside the country.")
def project(
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
    from commonwatt.treasury.usecases.countries import open_country, with_exchange_rates
    from commonwatt.treasury.usecases.frames import answer_frames
    from commonwatt.treasury.usecases.project import projection_result

    treatment = AccountingTreatment(
        bonds_as_income=bonds_as_income,
        transfers_as_income=transfers_as_income,
        basis=DebtBasis(basis),
        programmes=programme,
    )
    projected = with_exchange_rates(open_country(country, weo), fx)
    answer = projection_result(projected, years=years, treatment=treatment, compare=compare)
    names = ("years", "history", "bridge", "quarters", "published_checks", "comparison")
    return CommandResult(
        data=answer,
        text=lambda language: _project_text(answer, language),
        tables=answer_frames(answer, names),
        files=charts.project_files(answer),
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
@option("--leave-out", default="", help="Codes that the backtest never reads, comma-separated.")
@option("--only", default="", help="Codes that the backtest scores, comma-separated.")
def fan(
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
    from commonwatt.treasury.usecases.fan import FanOptions, fan_result
    from commonwatt.treasury.usecases.frames import answer_frames

    if backtest:
        return _backtest(weo, leave_out, only, seed)
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
    answer = fan_result(_named(country), weo, options)
    return CommandResult(
        data=answer,
        text=lambda language: _fan_text(answer, language),
        tables=answer_frames(answer["fan"] | {"chances": answer["chances"]}, FAN_TABLES),
        files=charts.fan_files(answer),
    )


FAN_TABLES = (
    "debt_gdp_share",
    "reserves_gdp_share",
    "gross_financing_need_gdp_share",
    "chances",
)


def _named(country: str | None) -> str:
    if country:
        return country
    raise UsageError(
        "commonwatt treasury fan", wanted=Message("a country, such as hongkong, or --backtest")
    )


def _backtest(weo: Path | None, leave_out: str, only: str, seed: int) -> CommandResult:
    from commonwatt.treasury.usecases.fan import backtest_result
    from commonwatt.treasury.usecases.frames import answer_frames

    if weo is None:
        raise UsageError("--backtest", wanted=Message("a WEO table: --weo FILE"))
    answer = backtest_result(weo, _codes(leave_out), _codes(only), seed=seed)
    return CommandResult(
        data=answer,
        text=lambda language: _backtest_text(answer, language),
        tables=answer_frames(answer, ("economies",)),
    )


def _codes(text: str) -> frozenset[str]:
    return frozenset(code.strip().upper() for code in text.split(",") if code.strip())


def _backtest_text(answer: dict[str, Any], language: str) -> str:
    rival = translate("past changes alone", language)
    heads = ("economy", "forecasts", "inside 80 % band", "CRPS, points", "width, points")
    rows = [tuple(translate(head, language) for head in heads)]
    rows += [
        (
            row["economy"],
            str(row["forecasts"]),
            f"{100 * row['coverage_80_share']:.1f} %",
            f"{row['crps_points']:.2f}",
            f"{row['width_80_points']:.1f}",
        )
        for row in (*answer["economies"], answer["naive"] | {"economy": rival})
    ]
    return columns(rows)


def _fan_text(answer: dict[str, Any], language: str) -> str:
    heads = ("fiscal year", "5 %", "10 %", "25 %", "median", "75 %", "90 %", "95 %")
    rows = [tuple(translate(head, language) for head in heads)]
    names = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")
    rows += [
        (row["fiscal_year"], *(f"{100 * row[name]:.1f}" for name in names))
        for row in answer["fan"]["debt_gdp_share"]
    ]
    ever = answer["chances"][-1]
    chances = [
        (
            translate(event.replace("_", " "), language),
            f"{100 * ever[f'{event}_probability']:.2f} %",
            f"± {100 * ever[f'{event}_monte_carlo_error']:.2f}",
        )
        for event in ("debt_over_ceiling", "reserves_under_floor", "guarantee_call")
    ]
    note = translate("Debt in per cent of GDP; chances over the whole horizon.", language)
    return "\n\n".join([columns(rows), columns(chances), note])


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
    from commonwatt.treasury.usecases import charts
    from commonwatt.treasury.usecases.fan import FanOptions
    from commonwatt.treasury.usecases.finance import centre_result, sovereign_result
    from commonwatt.treasury.usecases.frames import answer_frames

    answer = centre_result(centre, target=target, paths=paths, seed=seed)
    files: dict[str, str] = {}
    if sovereign:
        options = FanOptions(paths=max(paths, 1000), seed=seed)
        answer["sovereign"] = sovereign_result(centre, sovereign, route, options)
        files["debt_with_and_without.svg"] = charts.need_chart(answer["sovereign"])
    names = ("construction", "loan", "price", "cases", "capital_need")
    return CommandResult(
        data=answer,
        text=lambda language: _finance_text(answer, language),
        tables=answer_frames(answer, names),
        files=files,
    )


def _finance_text(answer: dict[str, Any], language: str) -> str:
    currency = answer["currency"].lower()
    ratios = answer["cover"]
    covers = [
        (translate(name.replace("_", " "), language), f"{value:.3f}")
        for name, value in ratios.items()
    ]
    prices = [tuple(translate(h, language) for h in ("utilisation", "price", "over 85 %"))]
    prices += [
        (
            f"{100 * row['utilisation_share']:.0f} %",
            f"{row[f'price_{currency}_per_gpu_hour']:,.2f}",
            f"{100 * row['over_price_at_85_share']:+.1f} %",
        )
        for row in answer["price"]
    ]
    cases = [tuple(translate(h, language) for h in ("case", "lowest cover", "shortfall, mn"))]
    cases += [
        (translate(row["case"], language), f"{row['dscr_min']:.2f}", _amount(row["shortfall_mn"]))
        for row in answer["cases"]
    ]
    heads = ("route", "peak debt, mn", "peak guarantee, mn", "deficit over life, mn")
    routes = [tuple(translate(head, language) for head in heads)]
    routes += [_route_cells(row, language) for row in answer["routes"]]
    parts = [covers, prices, cases, routes]
    if "sovereign" in answer:
        parts.append(_sovereign_rows(answer["sovereign"], language))
    return "\n\n".join(columns(part) for part in parts)


def _sovereign_rows(answer: dict[str, Any], language: str) -> list[tuple[str, ...]]:
    need = f"need_{answer['currency'].lower()}_bn"
    heads = ("fiscal year", "need, bn", "debt / GDP without", "debt / GDP with")
    rows = [tuple(translate(head, language) for head in heads)]
    rows += [
        (
            year["fiscal_year"],
            f"{year[need]:+.2f}",
            f"{100 * year['debt_without_gdp_share']:.2f} %",
            f"{100 * year['debt_with_gdp_share']:.2f} %",
        )
        for year in answer["years"]
    ]
    return rows


def _route_cells(row: dict[str, Any], language: str) -> tuple[str, ...]:
    names = ("peak_gross_debt_mn", "peak_guarantees_mn", "total_deficit_mn")
    return (translate(row["route"], language), *(_amount(row[name]) for name in names))


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
    from commonwatt.treasury.usecases.assess import AssessmentOptions, assessment_result
    from commonwatt.treasury.usecases.frames import answer_frames

    options = AssessmentOptions(rules=rules, group=group, capacity=capacity, years=years, seed=seed)
    answer = assessment_result(subject, weo, options)
    return CommandResult(
        data=answer,
        text=lambda language: _assess_text(answer, language),
        tables=answer_frames(answer, ("signals",)),
    )


def _assess_text(answer: dict[str, Any], language: str) -> str:
    if "adjustments" in answer:
        heads = ("years", "step, points of GDP", "binding")
        rows = [tuple(translate(head, language) for head in heads)]
        rows += [
            (str(a["years"]), f"{100 * a['step']:.3f}", translate(a["binding"], language))
            for a in answer["adjustments"]
        ]
        return columns(rows)
    rows = [tuple(translate(h, language) for h in ("indicator", "value", "thresholds", "signal"))]
    rows += [
        (
            one["indicator"],
            "–" if one["value"] is None else f"{one['value']:.3f}",
            " / ".join(f"{limit:g}" for limit in one["thresholds"]) or "–",
            translate(one["signal"], language),
        )
        for one in answer["signals"]
    ]
    return "\n\n".join([columns(rows), f"{answer['title']}, {answer['adopted_on']}"])


def _project_text(answer: dict[str, Any], language: str) -> str:
    money = f"_{answer['currency'].lower()}_bn"
    heads = ("fiscal year", "debt", "debt / GDP", "issued", "redeemed", "interest", "reserves")
    rows = [tuple(translate(head, language) for head in heads)]
    rows += [_year_cells(year, money) for year in answer["years"]]
    steps = [
        (
            translate(s["step"], language),
            f"{s[f'amount{money}']:+,.1f}",
            _amount(s[f"level{money}"]),
        )
        for s in answer["bridge"]
    ]
    note = translate("Amounts in bn {currency}; debt on the {basis} basis.", language).format(
        currency=answer["currency"], basis=answer["treatment"]["debt_basis"]
    )
    return "\n\n".join([columns(rows), columns(steps), note])


def _year_cells(year: dict[str, Any], money: str) -> tuple[str, ...]:
    names = ("gross_issuance", "redemption", "interest", "reserves")
    return (
        year["fiscal_year"],
        _amount(year[f"debt{money}"]),
        f"{100 * year['debt_gdp_share']:.1f} %",
        *(_amount(year[f"{name}{money}"]) for name in names),
    )


def _amount(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def columns(rows: list[tuple[str, ...]]) -> str:
    """Return rows as aligned text, the first column to the left."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    first = row[0].ljust(widths[0])
    rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([first, *rest])
