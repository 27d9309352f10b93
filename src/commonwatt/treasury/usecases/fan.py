"""How sure the path is: `treasury fan`, its strategies and its backtest."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from commonwatt.core.special import student_t_quantile
from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.domain.shocks import ShockModel
from commonwatt.treasury.domain.tables import Row
from commonwatt.treasury.engines.fan.backtest import (
    HORIZON,
    ORIGINS,
    backtest_debt_fan,
    backtest_naive_debt_fan,
    backtest_score_rows,
)
from commonwatt.treasury.engines.fan.engine import FanPaths, run_debt_fan
from commonwatt.treasury.engines.fan.estimate import (
    MarketShocks,
    economy_shock_model,
    estimate_macro_panel,
    macro_history,
)
from commonwatt.treasury.engines.fan.inputs import (
    NO_CALLS,
    FanInputs,
    debt_currency_slots,
    debt_fan_inputs,
)
from commonwatt.treasury.engines.fan.shipped import (
    load_country_shock_model,
    load_market_shocks,
    macro_shock_model_file_values,
)
from commonwatt.treasury.engines.fan.summary import (
    debt_event_chance_rows,
    fan_gdp_share_quantile_rows,
)
from commonwatt.treasury.engines.projection import Projection, project_country_debt
from commonwatt.treasury.engines.strategy import evaluate_issuance_mixes, random_issuance_mixes
from commonwatt.treasury.io.country.weo import OUTLOOK_FROM, load_weo_economies, weo_economy
from commonwatt.treasury.usecases.countries import open_treasury_country
from commonwatt.treasury.usecases.project import accounting_treatment_row

STRATEGY_PATHS = 10_000  # cost at risk is a 95 % quantile: more paths move it by less than a mix


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOptions:
    """What fan is wanted.

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


def draw_country_debt_fan(
    projection: Projection, weo: Path | None, options: FanOptions
) -> FanResult:
    """Return the fan around a projection, with shocks from `weo` or as shipped."""
    country = projection.country
    slots = debt_currency_slots(country, projection.ladder)
    markets = load_market_shocks(country.currency, slots)
    model = open_country_shock_model(country.shocks_of or country.iso3, markets, weo)
    if country.shocks_of:
        source = f"borrowed from {country.shocks_of}: {model.source}"
        model = replace(model, source=source)
    inputs = debt_fan_inputs(
        projection,
        financing_share=options.financing_share,
        floor=options.floor,
        call_threshold=guarantee_call_threshold(options.call_probability, model.degrees),
        call_loss=options.call_loss,
    )
    paths = run_debt_fan(
        inputs, model, paths=options.paths, seed=options.seed, threads=options.threads
    )
    return FanResult(projection=projection, inputs=inputs, model=model, paths=paths)


def open_country_shock_model(iso3: str, markets: MarketShocks, weo: Path | None) -> ShockModel:
    """Return a country's shocks, estimated on a WEO table or as shipped."""
    if weo is None:
        return load_country_shock_model(iso3, markets)
    table = load_weo_economies(weo)
    # For its error alone: an unknown code is named before anything is estimated.
    weo_economy(table, iso3, weo)
    last_outturn = OUTLOOK_FROM - 1  # an outlook's own smoothness would make shocks look small
    histories = {code: macro_history(series.until(last_outturn)) for code, series in table.items()}
    source = f"{weo.name}, {len(table)} economies to {last_outturn}"
    return economy_shock_model(estimate_macro_panel(histories), iso3, markets, source)


def guarantee_call_threshold(probability: float, degrees: float) -> float:
    """Return the unit-variance Student quantile under which guarantees are called."""
    if probability <= 0:
        return NO_CALLS
    quantile = student_t_quantile(degrees, probability)
    return quantile * math.sqrt((degrees - 2) / degrees)


def debt_fan_result(name: str, weo: Path | None, options: FanOptions) -> dict[str, Any]:
    """Return the whole answer of `treasury fan`."""
    country = open_treasury_country(name, weo)
    fan = draw_country_debt_fan(project_country_debt(country, years=options.years), weo, options)
    names, paths = fan.inputs.names, fan.paths
    answer: dict[str, Any] = {
        "country": country.name,
        "currency": country.currency,
        "seed": options.seed,
        "paths": options.paths,
        "treatment": accounting_treatment_row(fan.projection.treatment),
        "financing_share": fan.inputs.financing_share,
        "currencies": [slot for slot in fan.inputs.currencies if slot],
        country.money_bn_column_name("ceiling"): country.ceiling,
        country.money_bn_column_name("reserves_floor"): options.floor,
        "call_probability": options.call_probability,
        "call_loss_share": options.call_loss,
        "fan": {
            "debt_gdp_share": fan_gdp_share_quantile_rows(names, paths.debt),
            "reserves_gdp_share": fan_gdp_share_quantile_rows(names, paths.reserves),
            "gross_financing_need_gdp_share": fan_gdp_share_quantile_rows(names, paths.gfn),
        },
        "chances": debt_event_chance_rows(fan.inputs, paths),
        "estimation": macro_shock_model_file_values(fan.model),
        "paths_sha256": paths.sha256(),
    }
    if options.strategies:
        answer["strategies"] = issuance_strategy_cost_rows(country, fan, options)
    return answer


def issuance_strategy_cost_rows(country: Country, fan: FanResult, options: FanOptions) -> list[Row]:
    """Return cost and risk of random issuance mixes, the planned one first."""
    mixes = random_issuance_mixes(country.mix, options.strategies, options.seed)
    paths = min(options.paths, STRATEGY_PATHS)
    outcomes = evaluate_issuance_mixes(fan.inputs, fan.model, mixes, paths=paths, seed=options.seed)
    money = country.money_bn_column_name
    return [
        {
            "strategy": outcome.name,
            money("cost_a_year"): outcome.cost,
            money("cost_at_risk_95"): outcome.risk,
            money("peak_redemption"): outcome.peak_redemption,
            "efficient": outcome.efficient,
            "shares": {f"{part.currency} {part.tenor}y": round(part.share, 6) for part in mix},
        }
        for outcome, mix in zip(outcomes, mixes, strict=True)
    ]


def debt_backtest_result(
    weo: Path, leave_out: frozenset[str], only: frozenset[str], *, seed: int = 1
) -> dict[str, Any]:
    """Return the whole answer of `treasury fan --backtest`."""
    table = load_weo_economies(weo, leave_out)
    # The outlook gives all debt in one currency, so that no exchange rate takes part.
    markets = load_market_shocks("own", ("own", "", "", ""))
    scores = backtest_debt_fan(table, markets, seed=seed, only=only)
    rows = backtest_score_rows(scores)
    naive_rows = backtest_score_rows(backtest_naive_debt_fan(table, only=only))
    return {
        "origins": [ORIGINS.start, ORIGINS.stop - 1],
        "horizon_years": HORIZON,
        "left_out": sorted(leave_out),
        # The row of all economies is the last one.
        "all": rows[-1] if rows else None,
        "naive": naive_rows[-1] if naive_rows else None,
        "economies": rows,
    }
