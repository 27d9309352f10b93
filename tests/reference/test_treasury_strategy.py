"""Issuance strategies against a slow count of every vintage on every path."""

from dataclasses import replace

import numpy as np
import pytest

from commonwatt.treasury.engines.fan.inputs import debt_fan_inputs
from commonwatt.treasury.engines.fan.shipped import load_country_shock_model, load_market_shocks
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.engines.strategy import (
    evaluate_issuance_mixes,
    market_shock_paths,
    random_issuance_mixes,
)
from commonwatt.treasury.io.country.folder import load_country

YEARS = 7
COUNTRY = load_country("hongkong")
INPUTS = debt_fan_inputs(project_country_debt(COUNTRY, years=YEARS))
MODEL = load_country_shock_model("HKG", load_market_shocks("HKD", INPUTS.currencies))


def slow_cost(mix, market):
    """Return the horizon's cost on one path: every part of every vintage, every year."""
    short, long = market[0], market[1]
    log_fx = np.vstack([np.zeros(YEARS), market[2:]])
    owed, total = [], 0.0
    for t in range(YEARS):
        due = INPUTS.opening.redemption[:, t].sum()
        for bond in owed:
            age = t - bond["year"]
            if not 1 <= age <= bond["tenor"]:
                continue
            move = log_fx[bond["slot"], t] - log_fx[bond["slot"], bond["year"]]
            coupon = bond["face"] * bond["rate"]
            total += coupon + bond["face"] * bond["base"] * move
            if age == bond["tenor"]:
                due += bond["face"]
                total += bond["face"] * move
        gross = max(due + INPUTS.net_issue[t], 0.0)
        for part in mix:
            weight = part.tenor / 30
            owed.append(
                {
                    "year": t,
                    "tenor": part.tenor,
                    "slot": INPUTS.currencies.index(part.currency),
                    "face": gross * part.share,
                    "base": part.coupon,
                    "rate": part.coupon + (1 - weight) * short[t] + weight * long[t],
                }
            )
    for bond in owed:
        if bond["year"] + bond["tenor"] > YEARS - 1:
            move = log_fx[bond["slot"], -1] - log_fx[bond["slot"], bond["year"]]
            total += bond["face"] * move
    return total / YEARS


def test_one_product_of_matrices_counts_what_a_slow_count_counts():
    mixes = random_issuance_mixes(COUNTRY.mix, 4, seed=5)
    outcomes = evaluate_issuance_mixes(INPUTS, MODEL, mixes, paths=40, seed=2)
    market = market_shock_paths(MODEL, YEARS, 40, seed=2).reshape(40, 5, YEARS)
    for mix, outcome in zip(mixes, outcomes, strict=True):
        slow = np.mean([slow_cost(mix, market[p]) for p in range(40)])
        assert outcome.cost == pytest.approx(slow, rel=1e-9)


def test_without_shocks_there_is_no_risk():
    still = replace(MODEL, sd=MODEL.sd * 0)
    outcomes = evaluate_issuance_mixes(
        INPUTS, still, random_issuance_mixes(COUNTRY.mix, 3, seed=1), paths=50, seed=1
    )
    assert all(abs(outcome.risk) < 1e-9 for outcome in outcomes)


def test_an_efficient_mix_is_beaten_by_no_other_on_both_counts():
    outcomes = evaluate_issuance_mixes(
        INPUTS, MODEL, random_issuance_mixes(COUNTRY.mix, 60, seed=1), paths=300, seed=1
    )
    for outcome in outcomes:
        beaten = any(
            other.cost < outcome.cost and other.risk < outcome.risk
            for other in outcomes
            if other is not outcome
        )
        assert not (outcome.efficient and beaten)
    assert any(outcome.efficient for outcome in outcomes)
