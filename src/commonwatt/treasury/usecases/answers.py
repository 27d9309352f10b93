"""Use cases of the treasury wing, shared by the command line, the study and the API."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import polars as pl
from scipy.special import stdtrit  # pyright: ignore[reportMissingTypeStubs]

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.domain.errors import CentreError, check_share
from commonwatt.treasury.domain.shocks import ShockModel
from commonwatt.treasury.engines.comparison import comparison_rows
from commonwatt.treasury.engines.fan.backtest import (
    HORIZON,
    ORIGINS,
    backtest,
    naive_backtest,
    score_rows,
)
from commonwatt.treasury.engines.fan.engine import FanPaths, run_fan
from commonwatt.treasury.engines.fan.estimate import (
    MarketShocks,
    estimate_panel,
    history,
    shock_model,
)
from commonwatt.treasury.engines.fan.inputs import NO_CALLS, FanInputs, currency_slots, fan_inputs
from commonwatt.treasury.engines.fan.shipped import load_macro, load_markets, model_rows
from commonwatt.treasury.engines.fan.summary import chance_rows, quantile_rows
from commonwatt.treasury.engines.finance.books import public_need
from commonwatt.treasury.engines.finance.finance_answer import finance_answer, simulate_life
from commonwatt.treasury.engines.projection import AccountingTreatment, Projection, project
from commonwatt.treasury.engines.rows import (
    Row,
    bridge_rows,
    history_rows,
    published_rows,
    quarter_rows,
    refinancing_share,
    year_rows,
)
from commonwatt.treasury.engines.rules.eu import adjust, is_eu_file, load_eu
from commonwatt.treasury.engines.rules.signals import indicator_signals
from commonwatt.treasury.engines.strategy import evaluate, random_mixes
from commonwatt.treasury.engines.track_record import forecast_record, load_vintages, vintage_rows
from commonwatt.treasury.io.centre import FinancingRoute, load_centre
from commonwatt.treasury.io.country.folder import SHIPPED, load_country
from commonwatt.treasury.io.country.weo import OUTLOOK_FROM, country_of, economy, load_weo
from commonwatt.treasury.io.hong_kong import growth_for, reconcile, reserves_less_debt
from commonwatt.treasury.io.indicators import is_indicator_file, read_indicators
from commonwatt.treasury.io.rules import load_rules


def open_country(name: str, weo: Path | None = None) -> Country:
    """Return a shipped country, a country folder, or an economy of a WEO table.

    Args:
        name: A shipped name, a folder, or with `weo` an ISO 3166 code.
        weo: A WEO table.
    """
    if weo is None:
        return load_country(name)
    return country_of(economy(load_weo(weo), name.upper(), weo), OUTLOOK_FROM)


def with_exchange_rates(country: Country, changes: Sequence[str]) -> Country:
    """Return the country with yearly changes of exchange rates, as `CUR=CHANGE`.

    Raises:
        UsageError: A change cannot be read, or is no share.

    >>> with_exchange_rates(open_country("hongkong"), ["EUR=0.03"]).fx_change
    {'EUR': 0.03}
    """
    found = dict(country.fx_change)
    for text in changes:
        name, _, value = text.partition("=")
        try:
            found[name.strip().upper()] = check_share(f"--fx {text}", float(value), UsageError)
        except ValueError:
            wanted = Message("a change such as EUR=0.03")
            raise UsageError(f"--fx {text}", wanted=wanted) from None
    return replace(country, fx_change=found)


def projection_result(
    country: Country,
    *,
    years: int | None = None,
    treatment: AccountingTreatment | None = None,
    compare: Path | None = None,
) -> dict[str, Any]:
    """Return the whole answer of `treasury project`; `compare` is a WEO table."""
    projection = project(country, years=years, treatment=treatment)
    answer: dict[str, Any] = {
        "country": country.name,
        "currency": country.currency,
        "treatment": _treatment(projection.treatment),
        "years": year_rows(projection),
        "history": history_rows(country),
        "refinancing_share": refinancing_share(projection),
        "published_checks": published_rows(projection),
        "bridge": bridge_rows(projection, projection.years[0].name),
        "quarters": quarter_rows(projection) if country.reserves is not None else [],
        "ceiling": ceiling_row(projection),
    }
    if compare is not None:
        answer["comparison"] = comparison_rows(projection, load_weo(compare))
    if country.iso3 == "HKG" and country.published:
        answer |= hong_kong_rows(country)
    return answer


def _treatment(treatment: AccountingTreatment) -> dict[str, Any]:
    return {
        "bonds_as_income": treatment.bonds_as_income,
        "transfers_as_income": treatment.transfers_as_income,
        "debt_basis": treatment.basis.value,
        "programmes": list(treatment.programmes) or "all",
    }


def ceiling_row(projection: Projection) -> dict[str, Any] | None:
    """Return the legal ceiling beside the path, or None where there is no ceiling."""
    country, money = projection.country, projection.country.money
    if country.ceiling is None:
        return None
    last = projection.years[-1]
    return {
        money("ceiling"): country.ceiling,
        "fiscal_year": last.name,
        money("debt"): last.debt,
        money("headroom"): country.ceiling - last.debt,
        "growth_at_which_ceiling_is_this_ratio": growth_for(
            country.ceiling, last.debt_share, projection.years[0].gdp, len(projection.years) - 1
        )
        if len(projection.years) > 1
        else None,
        "first_breach": next((y.name for y in projection.years if y.debt > country.ceiling), None),
    }


def hong_kong_rows(country: Country) -> dict[str, Any]:
    """Return what Hong Kong's own figures say of each other."""
    found = reconcile(SHIPPED / "hongkong")
    vintages = load_vintages(SHIPPED / "hongkong" / "vintages.csv")
    return {
        "reconciliation": {
            "opening_on": found.opening_on,
            "opening_hkd_bn": found.opening,
            "proceeds_hkd_bn": found.proceeds,
            "repayment_hkd_bn": found.repayment,
            "rolled_forward_hkd_bn": found.rolled,
            "claimed_on": found.claimed_on,
            "claimed_hkd_bn": found.claimed,
            "gap_share": found.gap_share,
        },
        "reserves_less_debt_hkd_bn": reserves_less_debt(country),
        "track_record": forecast_record(vintages),
        "vintages": vintage_rows(vintages),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOptions:
    """What a fan is asked to be.

    Args:
        paths: Stochastic paths.
        years: Years ahead.
        seed: Seed of all chance.
        threads: Threads; the result does not depend on them.
        financing_share: Share of a shock that debt finances; the country's by default.
        floor: Reserves under which a path is counted, bn.
        call_probability: Yearly chance that guarantees are called.
        call_loss: Share of the guarantee that a call costs.
        strategies: Issuance mixes that are compared on the same chance; 0 for none.
    """

    paths: int = 100_000
    years: int = 10
    seed: int = 1
    threads: int = 1
    financing_share: float | None = None
    floor: float = 0.0
    call_probability: float = 0.01
    call_loss: float = 0.5
    strategies: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FanResult:
    """A fan with what it was made from."""

    projection: Projection
    inputs: FanInputs
    model: ShockModel
    paths: FanPaths


def draw_fan(projection: Projection, weo: Path | None, choices: FanOptions) -> FanResult:
    """Return the fan around a projection, with shocks from `weo` or as shipped."""
    country = projection.country
    slots = currency_slots(country, projection.ladder)
    markets = load_markets(country.currency, slots)
    model = shocks_of(country.iso3, markets, weo)
    inputs = fan_inputs(
        projection,
        financing_share=choices.financing_share,
        floor=choices.floor,
        call_threshold=call_threshold(choices.call_probability, model.degrees),
        call_loss=choices.call_loss,
    )
    paths = run_fan(inputs, model, paths=choices.paths, seed=choices.seed, threads=choices.threads)
    return FanResult(projection=projection, inputs=inputs, model=model, paths=paths)


def shocks_of(iso3: str, markets: MarketShocks, weo: Path | None) -> ShockModel:
    """Return a country's shocks, estimated on a WEO table or as shipped."""
    if weo is None:
        return load_macro(iso3, markets)
    table = load_weo(weo)
    economy(table, iso3, weo)
    known = {name: history(found.until(OUTLOOK_FROM - 1)) for name, found in table.items()}
    source = f"{weo.name}, {len(table)} economies to {OUTLOOK_FROM - 1}"
    return shock_model(estimate_panel(known), iso3, markets, source)


def call_threshold(probability: float, degrees: float) -> float:
    """Return the unit-variance Student quantile under which guarantees are called."""
    if probability <= 0:
        return NO_CALLS
    quantile = cast("float", stdtrit(degrees, probability))  # scipy.stats takes a second to load
    return float(quantile) * math.sqrt((degrees - 2) / degrees)


def fan_result(name: str, weo: Path | None, choices: FanOptions) -> dict[str, Any]:
    """Return the whole answer of `treasury fan`."""
    country = open_country(name, weo)
    drawn = draw_fan(project(country, years=choices.years), weo, choices)
    names, paths = drawn.inputs.names, drawn.paths
    answer: dict[str, Any] = {
        "country": country.name,
        "currency": country.currency,
        "seed": choices.seed,
        "paths": choices.paths,
        "treatment": _treatment(drawn.projection.treatment),
        "financing_share": drawn.inputs.financing_share,
        "currencies": [name for name in drawn.inputs.currencies if name],
        country.money("ceiling"): country.ceiling,
        country.money("reserves_floor"): choices.floor,
        "call_probability": choices.call_probability,
        "call_loss_share": choices.call_loss,
        "fan": {
            "debt_gdp_share": quantile_rows(names, paths.debt),
            "reserves_gdp_share": quantile_rows(names, paths.reserves),
            "gross_financing_need_gdp_share": quantile_rows(names, paths.gfn),
        },
        "chances": chance_rows(drawn.inputs, paths),
        "estimation": model_rows(drawn.model),
        "paths_sha256": paths.sha256(),
    }
    if choices.strategies:
        answer["strategies"] = strategy_cost_rows(country, drawn, choices)
    return answer


def strategy_cost_rows(country: Country, fan: FanResult, choices: FanOptions) -> list[Row]:
    """Return cost and risk of random issuance mixes, the planned one first."""
    mixes = random_mixes(country.mix, choices.strategies, choices.seed)
    found = evaluate(
        fan.inputs, fan.model, mixes, paths=min(choices.paths, 10_000), seed=choices.seed
    )
    money = country.money
    return [
        {
            "strategy": one.name,
            money("cost_a_year"): one.cost,
            money("cost_at_risk_95"): one.risk,
            money("peak_redemption"): one.peak_redemption,
            "efficient": one.efficient,
            "shares": {f"{part.currency} {part.tenor}y": round(part.share, 6) for part in mix},
        }
        for one, mix in zip(found, mixes, strict=True)
    ]


def funding_need_result(
    country: Country, need: Mapping[int, float], choices: FanOptions
) -> dict[str, Any]:
    """Return the debt path with and without a funding need, each with its fan.

    Both fans draw the same chance, so their difference is the programme alone.

    Args:
        country: Who borrows.
        need: Capital need in bn of the currency, by the calendar year in which the
            fiscal year starts; financed by bonds of the country's mix.
        choices: The fans.
    """
    sides = {
        "without": project(country, years=choices.years),
        "with": project(country, years=choices.years, extra_need=need),
    }
    fans = {side: draw_fan(path, None, choices) for side, path in sides.items()}
    money = country.money
    rows = [
        {
            "fiscal_year": a.name,
            money("need"): need.get(a.year, 0.0),
            money("debt_without"): a.debt,
            money("debt_with"): b.debt,
            "debt_without_gdp_share": a.debt_share,
            "debt_with_gdp_share": b.debt_share,
        }
        for a, b in zip(sides["without"].years, sides["with"].years, strict=True)
    ]
    return {
        "country": country.name,
        "currency": country.currency,
        "debt_basis": sides["with"].treatment.basis.value,
        "gdp_vintage": country.gdp_vintage,
        "years": rows,
        "fan_without": quantile_rows(fans["without"].inputs.names, fans["without"].paths.debt),
        "fan_with": quantile_rows(fans["with"].inputs.names, fans["with"].paths.debt),
        "chances_without": chance_rows(fans["without"].inputs, fans["without"].paths),
        "chances_with": chance_rows(fans["with"].inputs, fans["with"].paths),
    }


def backtest_result(
    weo: Path, leave_out: frozenset[str], only: frozenset[str], *, seed: int = 1
) -> dict[str, Any]:
    """Return the whole answer of `treasury fan --backtest`."""
    table = load_weo(weo, leave_out)
    markets = load_markets("own", ("own", "", "", ""))
    scores = backtest(table, markets, seed=seed, only=only)
    rows = score_rows(scores)
    rival = score_rows(naive_backtest(table, only=only))
    return {
        "origins": [ORIGINS.start, ORIGINS.stop - 1],
        "horizon_years": HORIZON,
        "left_out": sorted(leave_out),
        "all": rows[-1] if rows else None,
        "naive": rival[-1] if rival else None,
        "economies": rows,
    }


def centre_result(
    path: Path, *, target: float = 1.30, country: str = "HKG", paths: int = 8192, seed: int = 1
) -> dict[str, Any]:
    """Return the whole answer of `treasury finance`.

    Args:
        path: A centre's finance file, or the name of a shipped one.
        target: Loan life cover ratio of the price table.
        country: Whose shocks move demand, by ISO 3166 code.
        paths: Paths of the guarantee calls.
        seed: Seed of their chance.
    """
    centre = load_centre(centre_path(path))
    model = load_macro(country, load_markets("own", ("own", "", "", "")))
    return finance_answer(centre, model, target=target, paths=paths, seed=seed)


def sovereign_result(path: Path, sovereign: str, route: str, choices: FanOptions) -> dict[str, Any]:
    """Return what a centre does to a sovereign's debt path by one route, fan included.

    Args:
        path: A centre's finance file, or the name of a shipped one.
        sovereign: Who pays; its currency must be the centre's.
        route: "on-budget", "guarantee" or "ppp".
        choices: The fans; both sides draw the same chance.

    Raises:
        CentreError: The currencies differ.
    """
    centre, country = load_centre(centre_path(path)), open_country(sovereign)
    if centre.currency != country.currency:
        raise CentreError(
            path.name,
            found=Message("amounts in {currency}", {"currency": centre.currency}),
            wanted=Message("amounts in {currency}", {"currency": country.currency}),
        )
    need = public_need(simulate_life(centre), FinancingRoute(route))
    return {"route": route} | funding_need_result(country, need, choices)


def centre_path(path: Path) -> Path:
    """Return a file as given, or the shipped centre of that name.

    >>> centre_path(Path("harbour")).name
    'harbour.toml'
    """
    shipped = SHIPPED / "centres" / f"{path.name}.toml"
    return shipped if not path.exists() and shipped.is_file() else path


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentOptions:
    """Who is judged, and against what.

    Args:
        rules: A rule table's name.
        group: "advanced" or "emerging", for the MAC DSA.
        capacity: "weak", "medium" or "strong", for the LIC DSF.
        years: Years of the projection that are judged.
        seed: Seed of stochastic tests.
    """

    rules: str
    group: str = "advanced"
    capacity: str = "strong"
    years: int = 5
    seed: int = 1


def assessment_result(subject: str, weo: Path | None, choices: AssessmentOptions) -> dict[str, Any]:
    """Return the whole answer of `treasury assess`.

    Args:
        subject: A country, an indicators file, or a member state's inputs file.
        weo: A WEO table, when `subject` is a code.
        choices: Rule table and groups.
    """
    table = load_rules(choices.rules)
    answer: dict[str, Any] = {
        "subject": subject,
        "rules": table.name,
        "title": table.title,
        "adopted_on": table.adopted_on.isoformat(),
        "thresholds": {name: asdict(one) for name, one in table.thresholds.items()},
    }
    if is_eu_file(Path(subject)):
        inputs = load_eu(Path(subject))
        found = [adjust(inputs, table, years, seed=choices.seed) for years in (4, 7)]
        return answer | {"adjustments": [asdict(one) for one in found]}
    indicators = indicators_of(subject, weo, choices.years)
    signals = indicator_signals(table, indicators, group=choices.group, capacity=choices.capacity)
    return answer | {
        "indicators": dict(indicators),
        "signals": [asdict(one) for one in signals],
        "own_ceiling": None
        if is_indicator_file(subject)
        else country_ceiling(subject, weo, choices),
    }


def indicators_of(subject: str, weo: Path | None, years: int) -> dict[str, float]:
    """Return the indicators of a subject: as a file gives them, or from a projection."""
    if is_indicator_file(subject):
        return read_indicators(Path(subject))
    path = project(open_country(subject, weo), years=years)
    shares = [year.debt_share for year in path.years]
    deficits = [-year.balances.before_bonds / year.gdp for year in path.years]
    needs = [year.gross_financing_need / year.gdp for year in path.years]
    return {
        "debt_gdp_share_start": shares[0],
        "debt_gdp_share_end": shares[-1],
        "debt_gdp_share_max": max(shares),
        "debt_fall_a_year": (shares[0] - shares[-1]) / max(len(shares) - 1, 1),
        "deficit_gdp_share_max": max(deficits),
        "gfn_gdp_share_max": max(needs),
    }


def country_ceiling(
    subject: str, weo: Path | None, choices: AssessmentOptions
) -> dict[str, Any] | None:
    """Return the country's own ceiling beside its path."""
    return ceiling_row(project(open_country(subject, weo), years=choices.years))


def tables(answer: Mapping[str, Any], names: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Return the named lists of rows of an answer as tables."""
    found: dict[str, list[Row]] = {name: answer[name] for name in names if answer.get(name)}
    return {
        f"treasury_{name}": pl.DataFrame(rows, infer_schema_length=None)
        for name, rows in found.items()
    }
