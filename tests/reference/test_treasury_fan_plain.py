"""The kernel of the fan against its law in plain numbers, one path at a time.

Not a country but drawn arrays, so that every rule is met at its edges: calls, a floor, a ceiling,
a need that reserves carry, and reserves that are spent.
"""

import math

import numpy as np
import pytest

from commonwatt.treasury.engines.fan.kernel import (
    FanBaseline,
    FanRules,
    MixProfile,
    OpeningLadder,
    run_debt_path_block,
)

YEARS, PATHS = 5, 6


def scene(seed, **rules):
    """Return drawn arguments of a block."""
    rng = np.random.default_rng(seed)
    shape = (4, YEARS + 1)
    known = {"gdp_before": 100.0, "reserves": 30.0, "reserves_return": 0.02,
             "financing_share": 0.4, "floor": 20.0, "call_threshold": -0.3, "call_loss": 0.5,
             "reaction": 0.05}  # fmt: skip
    return {
        "draws": rng.standard_normal((YEARS, 9, PATHS)).astype(np.float32),
        "chi": rng.uniform(0.5, 1.5, (YEARS, PATHS)),
        "unsure": np.vstack([rng.normal(0, 0.01, (3, PATHS)), rng.uniform(0.5, 1.5, PATHS)]),
        "factor": np.tril(rng.normal(0, 0.06, (9, 9)) * (rng.random((9, 9)) < 0.7)),
        "persistence": rng.uniform(0.2, 0.9, 5),
        "baseline": FanBaseline(
            rng.normal(0.05, 0.02, YEARS), rng.normal(-0.02, 0.02, YEARS),
            rng.normal(2, 3, YEARS), rng.normal(2, 3, YEARS), rng.uniform(1, 9, YEARS),
            rng.uniform(30, 90, YEARS), rng.uniform(0, 0.4, YEARS + 1),
        ),
        "opening": OpeningLadder(
            rng.uniform(0, 3, (4, YEARS)), rng.uniform(0, 1, (4, YEARS)), rng.uniform(5, 15, 4)
        ),
        "mix": MixProfile(
            rng.uniform(0, 0.3, shape), rng.uniform(0, 0.05, shape), rng.uniform(0, 1, shape),
            rng.uniform(0, 1, shape), np.array([0.4, 0.3, 0.2, 0.1]),
        ),
        "rules": FanRules(**(known | rules)),
    }  # fmt: skip


def run(block):
    """Return what the kernel fills: debt, reserves, need, last debt, counts."""
    out = [np.zeros((YEARS, PATHS), np.float32) for _ in range(3)]
    last, counts = np.zeros(PATHS), np.zeros((3, YEARS + 1), np.int64)
    run_debt_path_block(*block.values(), *out, last, counts)
    return *out, last, counts


def plain_path(block, p):
    """Return the rows of one path: debt, reserves, GDP, need, and what happened in each year."""
    base, opening, mix, rules = (block[k] for k in ("baseline", "opening", "mix", "rules"))
    persistence, unsure = block["persistence"], block["unsure"][:, p]
    gdp, reserves = rules.gdp_before, rules.reserves
    stock, fx, state = list(opening.face), [1.0] * 4, [0.0] * 5
    gap = (sum(stock) - reserves) / gdp - base.anchor[0]
    vintages, rows = [], []
    for t in range(YEARS):
        scale = block["chi"][t, p] * unsure[3]
        shock = [scale * sum(block["factor"][i, j] * float(block["draws"][t, j, p])
                             for j in range(9)) for i in range(9)]  # fmt: skip
        state = [persistence[i] * state[i] + shock[i] for i in range(5)]
        state[1] += rules.reaction * gap
        fx = [1.0] + [fx[c] * math.exp(shock[4 + c]) for c in (1, 2, 3)]
        due, paid = list(opening.redemption[:, t]), list(opening.interest[:, t])
        for issued_in, faces, short, long in vintages:
            age = t - issued_in
            for c in range(4):
                due[c] += mix.redemption[c, age] * faces[c]
                paid[c] += faces[c] * (mix.coupon[c, age] + mix.short[c, age] * short
                                       + mix.long[c, age] * long)  # fmt: skip
        redemption = sum(rate * amount for rate, amount in zip(fx, due, strict=True))
        interest = sum(rate * amount for rate, amount in zip(fx, paid, strict=True))
        gdp *= 1 + max(base.growth[t] + unsure[0] + state[0], -0.5)
        called = shock[8] < rules.call_threshold
        flow = base.primary[t] + unsure[1] + state[1] - unsure[2] - state[2]
        need = interest - flow * gdp + (rules.call_loss * base.guarantees[t] if called else 0)
        gross = redemption + base.net_issue[t] + rules.financing_share * (need - base.need[t])
        if rules.financing_share < 1:
            cash = reserves * (1 + rules.reserves_return) - redemption - need
            gross = max(gross, -cash, 0)
            reserves = cash + gross
        gross = max(gross, 0)
        faces = [gross * mix.currency[c] / fx[c] for c in range(4)]
        vintages.append((t, faces, state[3], state[4]))
        stock = [stock[c] + faces[c] - due[c] for c in range(4)]
        debt = sum(fx[c] * stock[c] for c in range(4))
        gap = (debt - reserves) / gdp - base.anchor[t + 1]
        happened = (debt > base.ceiling[t], reserves < rules.floor, called)
        rows.append((debt, reserves, gdp, max(redemption + need, 0) / gdp, happened))
    return rows


CASES = [
    (seed, rules)
    for seed in range(4)
    for rules in (
        {}, {"financing_share": 0.0}, {"financing_share": 1.0}, {"reserves": 0.0},
        {"reserves": 400.0, "floor": 380.0}, {"reaction": 0.0, "call_threshold": 0.0},
    )
]  # fmt: skip


def check_block(block):
    """Hold a block to the plain paths, and return the counts by event."""
    debt, reserves, gfn, last, counts = run(block)
    events = np.zeros((3, YEARS, PATHS), bool)
    for p in range(PATHS):
        for t, (d, r, gdp, need, happened) in enumerate(plain_path(block, p)):
            assert debt[t, p] == pytest.approx(d / gdp, rel=1e-5, abs=1e-6)
            assert reserves[t, p] == pytest.approx(r / gdp, rel=1e-5, abs=1e-6)
            assert gfn[t, p] == pytest.approx(need, rel=1e-5, abs=1e-6)
            events[:, t, p] = happened
        assert last[p] == pytest.approx(d, rel=1e-9)
    assert counts[:, :YEARS].tolist() == events.sum(2).tolist()
    assert counts[:, YEARS].tolist() == events.any(1).sum(1).tolist()
    return events.sum((1, 2))


@pytest.mark.parametrize(("seed", "rules"), CASES)
def test_every_path_is_that_of_the_law(seed, rules):
    check_block(scene(seed, **rules))


def test_the_drawn_scenes_meet_every_event_and_miss_it_too():
    counts = sum(check_block(scene(seed, **rules)) for seed, rules in CASES)
    assert all(0 < count < len(CASES) * YEARS * PATHS for count in counts)


def test_gdp_never_halves_by_more_than_half():
    block = scene(1)
    block["baseline"] = block["baseline"]._replace(growth=np.full(YEARS, -0.9))
    check_block(block)


def test_on_the_limit_is_neither_over_nor_under_it():
    """Without shocks every path is one path; its own figures are set as the limits."""
    block = scene(2, call_threshold=0.0)
    block["factor"] = np.zeros((9, 9))
    block["unsure"][:3] = 0.0
    rows = plain_path(block, 0)
    counts = run(block)[-1]
    assert counts[2].tolist() == [0] * (YEARS + 1)
    last = run(block)[3][0]
    ceiling = block["baseline"].ceiling.copy()
    for limit, expected in [(last, 0), (np.nextafter(last, 0), PATHS)]:
        ceiling[-1] = limit
        block["baseline"] = block["baseline"]._replace(ceiling=ceiling)
        assert run(block)[-1][0, YEARS - 1] == expected
    still = scene(2, financing_share=1.0, floor=30.0)
    assert run(still)[-1][1].tolist() == [0] * (YEARS + 1)
    under = scene(2, financing_share=1.0, floor=30.1)
    assert run(under)[-1][1].tolist() == [PATHS] * (YEARS + 1)
    assert len(rows) == YEARS
