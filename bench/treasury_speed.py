"""How fast the treasury is, and what its published figures come to, as one table.

    python bench/treasury_speed.py              everything; about two minutes
    python bench/treasury_speed.py fan          one part: fan, quantiles, backtest, rules,
                                          strategies, bonds, finance

Speed stands beside a limit measured in the same run: drawing the normals that the fan
needs and nothing else, or multiplying matrices of the strategies' size. The backtest
needs the shared data folder beside the checkout; without it, it is left out.
"""

import resource
import sys
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from commonwatt.treasury.domain.bonds.terms import Bond
from commonwatt.treasury.engines.bonds.pricing import (
    bond_claim_after,
    clean_price,
    yield_from_clean_price,
)
from commonwatt.treasury.engines.fan.engine import run_debt_fan
from commonwatt.treasury.engines.fan.inputs import debt_fan_inputs
from commonwatt.treasury.engines.fan.shipped import load_country_shock_model, load_market_shocks
from commonwatt.treasury.engines.fan.summary import LEVELS, fan_gdp_share_quantile_rows
from commonwatt.treasury.engines.finance.finance_answer import treasury_finance_answer
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.engines.rules.eu import EuInputs, EuShocks, least_eu_adjustment
from commonwatt.treasury.engines.strategy import evaluate_issuance_mixes, random_issuance_mixes
from commonwatt.treasury.io.centre import find_debt_financed_centre_file, load_debt_financed_centre
from commonwatt.treasury.io.country.folder import load_country
from commonwatt.treasury.io.rules import load_fiscal_rules
from commonwatt.treasury.usecases.fan import debt_backtest_result
from tests.shared_data import ROOT

WEO = ROOT / "fiscal" / "weo_2025_10_40_economies.csv"
KEPT_OUT = frozenset({"GBR", "DEU", "ITA", "JPN", "KOR", "AUS", "CAN", "HUN"})


def cpu(function, *arguments, **keywords):
    start = time.process_time()
    outcome = function(*arguments, **keywords)
    return outcome, time.process_time() - start


def hong_kong(years):
    country = load_country("hongkong")
    inputs = debt_fan_inputs(project_country_debt(country, years=years))
    return (
        country,
        inputs,
        load_country_shock_model("HKG", load_market_shocks("HKD", inputs.currencies)),
    )


def fan():
    _, inputs, model = hong_kong(30)
    run_debt_fan(inputs, model, paths=256, seed=1)  # compiles
    paths = 1_000_000
    debt_fan, seconds = cpu(run_debt_fan, inputs, model, paths=paths, seed=1, threads=1)
    _, draws = cpu(_normals, paths * 30 * 9)
    _, rows = cpu(_all_quantiles, inputs, debt_fan)
    first = debt_fan.sha256()
    del debt_fan
    second = run_debt_fan(inputs, model, paths=paths, seed=1, threads=2).sha256()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"fan, 1e6 paths x 30 years x 4 currencies x 30 buckets: {seconds:.1f} CPU-s,")
    print(f"  quantiles {rows:.1f} CPU-s, peak {peak:.2f} GB, same bytes on 1 and 2 threads:",
          first == second)  # fmt: skip
    print(f"  {seconds / draws:.1f} times the bare cost of its normals ({draws:.1f} CPU-s)")


def _all_quantiles(inputs, paths):
    return [
        fan_gdp_share_quantile_rows(inputs.names, part)
        for part in (paths.debt, paths.reserves, paths.gfn)
    ]


def _normals(count):
    rng = np.random.default_rng(1)
    for _ in range(count // 1_000_000):
        rng.standard_normal(1_000_000, dtype=np.float32)


def quantiles():
    _, inputs, model = hong_kong(30)
    ten = [run_debt_fan(inputs, model, paths=1_000_000, seed=s).debt for s in range(2, 12)]
    million_paths = run_debt_fan(inputs, model, paths=1_000_000, seed=1).debt
    print("quantiles of 1e6 paths less those of 1e7, points of GDP")
    print("  year      " + "".join(f"{100 * q:9.0f} %" for q in LEVELS))
    for year in (0, 4, 9, 19, 29):
        small = np.quantile(million_paths[year], LEVELS)
        large = np.quantile(np.concatenate([part[year] for part in ten]), LEVELS)
        gaps = "".join(f"{100 * (a - b):+11.4f}" for a, b in zip(small, large, strict=True))
        print(f"  {inputs.names[year]}   {gaps}")


def backtest():
    if not WEO.exists():
        print("backtest: left out, no shared data")
        return
    accuracy, seconds = cpu(debt_backtest_result, WEO, KEPT_OUT, frozenset())
    for row in accuracy["economies"]:
        print(f"  {row['economy']:4} {row['forecasts']:4} {100 * row['coverage_80_share']:6.1f} % "
              f"{row['crps_points']:7.2f} {row['width_80_points']:7.1f}")  # fmt: skip
    print(f"backtest: {seconds:.1f} CPU-s (economy, forecasts, coverage, CRPS, width)")


def rules():
    table = load_fiscal_rules("eu-2024")
    rng = np.random.default_rng(1)
    members = [_member(k, rng) for k in range(27)]
    _, seconds = cpu(lambda: [least_eu_adjustment(m, table, n) for m in members for n in (4, 7)])
    print(f"EU search, 27 members x 2 periods, stochastic test included: {seconds:.1f} CPU-s")


def _member(k, rng):
    n = 20
    return EuInputs(
        name=f"member {k}",
        year=2024,
        debt=float(rng.uniform(0.2, 1.6)),
        structural_primary_balance=float(rng.uniform(-0.04, 0.01)),
        interest_rate=0.022,
        potential_growth=[float(rng.uniform(0, 0.02))] * n,
        inflation=[0.022] * n,
        short_rate=[0.026] * n,
        long_rate=[0.034] * n,
        stock_flow=[0.0] * n,
        ageing_cost=[0.25 + 0.001 * t for t in range(n)],
        shocks=EuShocks(sd=[0.018, 0.012, 0.008, 0.008], correlation=np.eye(4).tolist(),
                      probability=0.7),
    )  # fmt: skip


def strategies():
    country, inputs, model = hong_kong(10)
    mixes = random_issuance_mixes(country.mix, 1000, 1)
    _, seconds = cpu(evaluate_issuance_mixes, inputs, model, mixes, paths=10_000, seed=1)
    left, right = np.ones((10_000, 50)), np.ones((50, 1000))
    _, product = cpu(lambda: left @ right)
    print(f"1,000 issuance strategies x 1e4 paths: {seconds:.2f} CPU-s, "
          f"{seconds / product:.0f} times the bare product of its matrices")  # fmt: skip


def bonds():
    issue = date(2025, 6, 10)
    bond = Bond(name="b", currency="HKD", face_minor=100, coupon=0.0385, issue_on=issue,
                maturity_on=date(2055, 6, 10))  # fmt: skip
    days = [issue + timedelta(days=3 * k) for k in range(1000)]
    many = [replace(bond, coupon=0.03 + 1e-5 * k) for k in range(1000)]
    _, seconds = cpu(
        lambda: [
            yield_from_clean_price(c := bond_claim_after(b, d), clean_price(c, 0.03))
            for b, d in zip(many, days, strict=True)
        ]
    )
    print(f"price and yield of a thirty-year bond: {1e3 * seconds / 1000:.2f} ms")


def finance():
    centre = load_debt_financed_centre(find_debt_financed_centre_file("harbour"))
    _, seconds = cpu(lambda: [treasury_finance_answer(centre) for _ in range(20)])
    print(f"a programme of 20 centres, prices, cases and routes included: {seconds:.3f} CPU-s")


PARTS = {f.__name__: f for f in (fan, quantiles, backtest, rules, strategies, bonds, finance)}

if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
