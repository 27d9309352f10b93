"""Every figure of a study, recomputed by another engine from the tables of its run.

The queries and laws here are written from the definitions and their sources, and share no
text with those that the study evaluates. A summary is never looked up: it is computed from
draws, pieces, accounts or cells.
"""

import json
import math
import shutil

import duckdb
import numpy as np
import polars as pl
import pytest

from commonwatt.core.errors import IdentityError
from commonwatt.runs import RunStore
from commonwatt.study import check, figures
from commonwatt.study.formulas.declared import FORMULAS
from commonwatt.study.formulas.evaluate import study_figure_formula_uses
from commonwatt.study.usecases import run_study
from tests.proofs import PROOFS
from tests.small_programme import small_programme
from tests.study_mutants import mutants

HOURS_A_YEAR = 8760
A_WEEK_OF_JOBS = 1100  # long enough for a placement


class Written:
    """A run as it lies on disk, and DuckDB over its tables."""

    def __init__(self, study):
        self.folder = study.folder
        self.manifest = json.loads((study.folder / "run.json").read_text(encoding="utf-8"))
        self.page = (study.folder / "report.html").read_text(encoding="utf-8")
        paths = sorted((study.folder / "tables").glob("*.parquet"))
        self.tables = {path.stem: pl.read_parquet(path) for path in paths}
        self.engine = duckdb.connect()
        for path in paths:
            self.engine.execute(f"CREATE VIEW {path.stem} AS FROM '{path}'")
        self.runs = dict(self.engine.sql("SELECT variant, run FROM basis_runs").fetchall())

    def rows(self, query, *values):
        return self.engine.execute(query, values).fetchall()

    def one(self, query, *values):
        ((value,),) = self.rows(query, *values)
        return value


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    path = small_programme(folder, jobs=A_WEEK_OF_JOBS)
    return Written(run_study(path, RunStore(folder / "runs")))


@pytest.fixture(scope="module")
def harbour(tmp_path_factory):
    return Written(run_study("harbour", RunStore(tmp_path_factory.mktemp("harbour"))))


# The fleet.


def _window(run, name):
    (window,) = run.rows("SELECT min(submit_s), max(submit_s) FROM basis_jobs WHERE run = ?", name)
    return window


def _held(run, name, until_s, site=None):
    """Return GPU-seconds of all pieces before an instant, at one site or at all."""
    return run.one(
        """SELECT coalesce(sum(gpus * greatest(0, least(until_s, ?) - from_s)), 0)
        FROM basis_pieces SEMI JOIN (FROM basis_nodes WHERE ? IS NULL OR site = ?) USING (run, node)
        WHERE run = ?""",
        until_s, site, site, name,
    )  # fmt: skip


def _gpus(run, name, site=None):
    return run.one(
        "SELECT sum(gpus) FROM basis_nodes WHERE run = ? AND (? IS NULL OR site = ?)",
        name, site, site,
    )  # fmt: skip


def utilisation(run, name, site=None):
    first, last = _window(run, name)
    return _held(run, name, last, site) / (_gpus(run, name, site) * (last - first))


def makespan_utilisation(run, name):
    first, last = _window(run, name)
    end = max(last, run.one("SELECT max(end_s) FROM basis_jobs WHERE run = ?", name))
    return _held(run, name, end) / (_gpus(run, name) * (end - first))


def kwh_of_gpu_hour(run, name, site):
    """IT energy of the window: idle draw always, the step to busy draw while held."""
    first, last = _window(run, name)
    rows = run.rows(
        """SELECT gpu, sum(gpus), idle_w, busy_w FROM basis_nodes JOIN basis_draw USING (run, gpu)
        WHERE run = ? AND site = ? GROUP BY ALL""",
        name, site,
    )  # fmt: skip
    joules, held = 0.0, 0.0
    for gpu, gpus, idle_w, busy_w in rows:
        mine = run.one(
            """SELECT sum(p.gpus * greatest(0, least(p.until_s, ?) - p.from_s))
            FROM basis_pieces p JOIN basis_nodes n USING (run, node)
            WHERE run = ? AND n.site = ? AND n.gpu = ?""",
            last, name, site, gpu,
        ) or 0.0  # fmt: skip
        joules += gpus * idle_w * (last - first) + (busy_w - idle_w) * mine
        held += mine
    return joules / 1000 / held if held else None


def mean_delay_s(run, name):
    return run.one(
        "SELECT avg(start_s - submit_s) FILTER (finished) FROM basis_jobs WHERE run = ?", name
    )


def p95_delay_s(run, name):
    """The least delay that 95 % of the jobs do not exceed, by rank and not by interpolation."""
    delays = run.rows(
        """SELECT start_s - submit_s FROM basis_jobs
        WHERE run = ? AND finished ORDER BY 1""", name,
    )  # fmt: skip
    return delays[math.ceil(0.95 * len(delays) - 1e-9) - 1][0]


def idle_while_waiting(run, name):
    """Walk through every instant at which something changes, one by one."""
    first, last = _window(run, name)
    events = []
    for start, end, gpus, piece, again in run.rows(
        "SELECT from_s, until_s, gpus, piece, queued_again FROM basis_pieces WHERE run = ?", name
    ):
        events += [(start, gpus, -1 if piece == 0 else 0)]
        events += [(end, -gpus, 1 if piece == 0 and again else 0)]
    submitted = run.rows("SELECT submit_s FROM basis_jobs WHERE run = ? AND admitted", name)
    events = sorted([*events, *((at, 0.0, 1) for (at,) in submitted)])
    gpus, lost, held, waiting, before = _gpus(run, name), 0.0, 0.0, 0, first
    for at, change, queue in [*events, (last, 0.0, 0)]:
        until = min(at, last)
        if waiting > 0 and until > before:
            lost += (gpus - held) * (until - before)
        before = max(before, until)
        held, waiting = held + change, waiting + queue
    return lost / (gpus * (last - first))


def mean_round_trip(run, name):
    (row,) = run.rows(
        """SELECT sum(w * round_trip_ms) / sum(w), bool_or(round_trip_ms IS NULL) FROM (
            SELECT j.tenant, n.site, p.gpus * (p.until_s - p.from_s) AS w
            FROM basis_pieces p JOIN basis_nodes n USING (run, node)
            JOIN basis_jobs j USING (run, job)
            WHERE run = ?) LEFT JOIN (FROM basis_trips WHERE run = ?) USING (tenant, site)""",
        name, name,
    )  # fmt: skip
    return None if row[1] else row[0]


def spans(run, name):
    """Return energy, price, carbon, held time and place of each span, held time from pieces.

    A piece is cut at the edges of spans by a range join, which the study does not do.
    """
    return run.rows(
        """WITH there AS (
            SELECT site, gpu, sum(gpus) AS gpus FROM basis_nodes WHERE run = $1 GROUP BY ALL),
        pieces AS (
            SELECT n.site, n.gpu, p.gpus, p.from_s, p.until_s
            FROM basis_pieces p JOIN basis_nodes n USING (run, node) WHERE run = $1),
        held AS (
            SELECT h.site, h.gpu, h.from_s, sum(p.gpus * (least(p.until_s, h.until_s)
                - greatest(p.from_s, h.from_s))) AS gpu_s
            FROM (FROM basis_hours WHERE run = $1) h JOIN pieces p
            ON p.site = h.site AND p.gpu = h.gpu AND p.from_s < h.until_s AND p.until_s > h.from_s
            GROUP BY ALL)
        SELECT h.site, h.in_window, coalesce(held.gpu_s, 0) / 3600, h.held_gpu_h,
            s.pue * (t.gpus * d.idle_w * (h.until_s - h.from_s)
                + (d.busy_w - d.idle_w) * coalesce(held.gpu_s, 0)) / 3.6e6,
            h.price_usd_per_mwh, h.carbon_g_per_kwh
        FROM basis_hours h JOIN there t USING (site, gpu)
        JOIN basis_draw d ON d.run = h.run AND d.gpu = h.gpu
        JOIN basis_sites s ON s.run = h.run AND s.site = h.site
        LEFT JOIN held ON held.site = h.site AND held.gpu = h.gpu AND held.from_s = h.from_s
        WHERE h.run = $1""",
        name,
    )


def energy_kwh(run, name):
    return math.fsum(kwh for *_, kwh, _, _ in spans(run, name))


def bill_usd(run, name):
    return math.fsum(kwh * price / 1000 for *_, kwh, price, _ in spans(run, name))


def carbon_kg(run, name):
    return math.fsum(kwh * grams / 1000 for *_, kwh, _, grams in spans(run, name))


def carbon_of_gpu_hour(run, name):
    rows = [row for row in spans(run, name) if row[1]]
    held = {site: math.fsum(r[2] for r in rows if r[0] == site) for site in {r[0] for r in rows}}
    grams = math.fsum(r[4] * r[6] for r in rows if held[r[0]] > 0)
    return grams / math.fsum(held.values())


# The cost: the levelised-cost law, each asset an annuity over its own life (Short, Packey and
# Holt 1995), by explicit sums of discounted years where the study has closed forms.


def _annuity(rate, life):
    """Present value of 1 a year over a life, by adding years up where the life is whole."""
    if life == int(life):
        return math.fsum((1 + rate) ** -year for year in range(1, int(life) + 1))
    return life if rate == 0 else (1 - (1 + rate) ** -life) / rate


def _yearly(outlay, salvage, rate, life, tax):
    """Revenue a year before tax that pays an asset back, depreciated straight over its life."""
    worth = _annuity(rate, life)
    shield = tax * outlay / life * worth
    return ((outlay - shield) / (1 - tax) - salvage * (1 + rate) ** -life) / worth


def cost_parts(v):
    """Return the parts of the cost of a useful GPU-hour from named inputs, and the hours."""
    rate, tax, kw = v["discount_rate"], v["tax_share"], v["it_kw_per_gpu"]
    away = v["faults_per_gpu"] * v["repair_hours"] / HOURS_A_YEAR
    hours = HOURS_A_YEAR * max(1 - away, 0.01) * v["utilisation_share"]
    devices = v["server_usd_per_gpu"] * v["hardware_price_ratio"]
    it, own = devices + v["network_usd_per_gpu"], 1 - v["subsidy_share"]
    shell, land = v["shell_usd_per_kw"] * kw, v["land_usd_per_kw"] * kw
    wait, build = (1 + rate) ** (v["delay_months"] / 12), v["build_months"] / 12
    spread = 1.0 if rate * build == 0 else ((1 + rate) ** build - 1) / (build * math.log(1 + rate))
    share = v["busy_draw_share"] * v["utilisation_share"] + v["idle_draw_share"] * (
        1 - v["utilisation_share"]
    )
    power = kw * v["pue_ratio"]
    yearly = {
        "servers": _yearly(
            it * own, it * own * v["salvage_share"], rate, v["hardware_life_years"], tax
        ),
        "shell": _yearly(shell * own * spread * wait, 0.0, rate, v["shell_life_years"], tax),
        "land": land * wait * (1 + rate) ** build * rate / (1 - tax),
        "energy": HOURS_A_YEAR * power * share * v["tariff_usd_per_kwh"]
        + power * v["demand_charge_usd_per_kw"],
        "staff": v["staff_per_mw"] * kw / 1000 * v["wage_usd_per_year"],
        "upkeep": it * v["it_upkeep_share"] + shell * v["shell_upkeep_share"],
        "network": v["uplink_usd_per_gpu"],
        "spares": v["faults_per_gpu"] * v["part_share"] * devices,
        "holding": (it + shell + land) * v["holding_share"],
    }
    return {name: usd / hours for name, usd in yearly.items()}, max(1 - away, 0.01)


RUNNING = ("energy", "staff", "upkeep", "network", "spares", "holding")


def _sites(run, variant):
    """Yield every site of a variant: name, GPUs, use, held time, rent factor, inputs."""
    for site, gpus, scale, rented, all_hours in run.rows(
        "SELECT site, gpus, scale, rented, every_hour_paid FROM basis_costs WHERE variant = ?",
        variant,
    ):
        inputs = dict(run.rows(
            "SELECT input, value FROM basis_inputs WHERE variant = ? AND site = ?", variant, site
        ))  # fmt: skip
        name = run.runs[variant]
        use = utilisation(run, name, site)
        held = _held(run, name, _window(run, name)[1], site) / 3600
        assert _gpus(run, name, site) == gpus
        yield site, gpus * scale, use, held, (rented, all_hours), inputs


def _site_cost(use, rent, inputs):
    rented, all_hours = rent
    if not rented:
        return math.fsum(cost_parts(inputs)[0].values())
    price = inputs["rent_usd_per_gpu_hour"]
    return price / max(use, 0.01) if all_hours else price


def _site_capital(rent, v):
    if rent[0]:
        return 0.0
    shell = v["it_kw_per_gpu"] * (v["shell_usd_per_kw"] + v["land_usd_per_kw"])
    return v["server_usd_per_gpu"] * v["hardware_price_ratio"] + v["network_usd_per_gpu"] + shell


def mixed_cost(run, variant):
    rows = [(held, _site_cost(use, rent, v)) for _, _, use, held, rent, v in _sites(run, variant)]
    return math.fsum(h * usd for h, usd in rows) / math.fsum(h for h, _ in rows)


def capital_mn(run, variant, only=None):
    return math.fsum(
        gpus * _site_capital(rent, v) / 1e6
        for site, gpus, _, _, rent, v in _sites(run, variant)
        if only in (None, site)
    )


def running_mn(run, variant):
    total = 0.0
    for _, gpus, use, _, rent, v in _sites(run, variant):
        if rent[0]:
            total += gpus * HOURS_A_YEAR * use * _site_cost(use, rent, v) / 1e6
        else:
            parts, there = cost_parts(v)
            each = math.fsum(parts[name] for name in RUNNING)
            total += gpus * HOURS_A_YEAR * use * there * each / 1e6
    return total


def _term(run, variant, name):
    return run.one("SELECT value FROM basis_terms WHERE variant = ? AND input = ?", variant, name)


def borrowed_bn(run, variant):
    return capital_mn(run, variant) * _term(run, variant, "currency_per_usd") / 1000


def cost_median(run, site):
    """The median of all draws, once the cost of the first is that of their inputs."""
    use = utilisation(run, run.runs["programme"], site)
    ((rent),) = run.rows(
        """SELECT rented, every_hour_paid FROM basis_costs
        WHERE variant = 'programme' AND site = ?""", site,
    )  # fmt: skip
    first = run.rows(
        """SELECT draw, cost_usd_per_gpu_hour, map_from_entries(list((input, value)))
        FROM basis_draws JOIN basis_draw_inputs USING (site, draw) WHERE site = ? GROUP BY ALL""",
        site,
    )
    assert len(first) >= 200
    for draw, cost, inputs in first:
        assert _site_cost(use, rent, inputs) == pytest.approx(cost, rel=1e-9), draw
    costs = run.rows("SELECT cost_usd_per_gpu_hour FROM basis_draws WHERE site = ?", site)
    return float(np.percentile(np.array(costs), 50))


def _mix_draws(run, variant):
    """Return the cost of every draw over all sites, once that of the first is of their inputs."""
    sites = list(_sites(run, variant))
    held = math.fsum(site[3] for site in sites)
    first = {}
    for site, _, use, hours, rent, _ in sites:
        for draw, inputs in run.rows(
            """SELECT draw, map_from_entries(list((input, value))) FROM basis_mix_draw_inputs
            WHERE variant = ? AND site = ? GROUP BY draw""", variant, site,
        ):  # fmt: skip
            usd = _site_cost(use, rent, inputs) * (hours / held if held else 1 / len(sites))
            first.setdefault(draw, []).append(usd)
    costs = [
        usd
        for (usd,) in run.rows(
            "SELECT cost_usd_per_gpu_hour FROM basis_mix_draws WHERE variant = ? ORDER BY draw",
            variant,
        )
    ]
    assert len(first) >= 200
    for draw, parts in first.items():
        assert math.fsum(parts) == pytest.approx(costs[draw], rel=1e-9), draw
    return np.array(costs)


def mix_percentile(run, variant, level):
    return float(np.percentile(_mix_draws(run, variant), level))


def cheaper_share(run):
    names = sorted(set(run.runs) - {BASE}, key=lambda name: (mixed_cost(run, name), name))
    first, second = (_mix_draws(run, name) for name in names[:2])
    return float((first < second).mean())


# The funding.


def debt_share(run, variant, path):
    """Walk through the years: what was owed, revalued, issued and redeemed."""
    rows = run.rows(
        """SELECT gdp_bn, debt_before_bn, revaluation_bn, issuance_bn, redemption_bn
        FROM basis_accounts WHERE variant = ? AND path = ? ORDER BY year""",
        variant, path,
    )  # fmt: skip
    debt = rows[0][1]
    for _, before, revalued, issued, redeemed in rows:
        assert before == pytest.approx(debt, rel=1e-9)
        debt += revalued + issued - redeemed
    return debt / rows[-1][0]


def fan_median(run, path):
    values = np.sort(np.array(run.rows(f"SELECT debt_{path}_gdp_share FROM basis_paths")).ravel())
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def _ends(run, variant, path):
    """Return debt, reserves and GDP at the end of the last year of a planned path."""
    ((reserves, gdp),) = run.rows(
        """SELECT arg_max(reserves_bn, year), arg_max(gdp_bn, year) FROM basis_accounts
        WHERE variant = ? AND path = ?""",
        variant, path,
    )  # fmt: skip
    return debt_share(run, variant, path) * gdp, reserves, gdp


def debt_effect(run, variant, side, *, over_gdp):
    """Both sides of the balance from two paths, and their sum; without reserves debt is all."""
    debt, reserves, gdp = _ends(run, variant, "with")
    plain_debt, plain_reserves, _ = _ends(run, BASE, "without")
    gross = debt - plain_debt
    held = None if reserves is None else reserves - plain_reserves
    effect = {"gross_debt": gross, "reserves": held, "net_debt": gross - (held or 0.0)}[side]
    return effect if effect is None or not over_gdp else effect / gdp


def debt_effect_band(run, variant, side, level):
    """A percentile of the difference in each draw, and not the difference of two percentiles."""
    rows = run.rows(
        "SELECT gross_gdp_share, reserves_gdp_share FROM basis_effects WHERE variant = ?", variant
    )
    drawn = {
        "gross_debt": [gross for gross, _ in rows],
        "reserves": [held for _, held in rows],
        "net_debt": [gross - (held or 0.0) for gross, held in rows],
    }[side]
    return None if None in drawn else float(np.percentile(np.array(drawn), level))


def effect_by_key(run, variant, key):
    side, _, what = key.partition("_effect_")
    if what in ("bn", "gdp_share"):
        return debt_effect(run, variant, side, over_gdp=what == "gdp_share")
    return debt_effect_band(run, variant, side, {"p5_gdp_share": 5, "p95_gdp_share": 95}[what])


def over_ceiling(run):
    ceiling = _term(run, "programme", "ceiling_bn")
    return run.one("SELECT avg((debt_with_bn > ?)::INT) FROM basis_paths", ceiling)


# The plan.


def plan(run):
    """Return what the plan costs and what carbon it emits [kg], hour by hour."""
    standing = run.one("SELECT sum(gpus * usd_per_gpu) FROM basis_sizes")
    rates = {(s, h): (usd, kg) for s, h, usd, kg in run.rows("FROM basis_rates")}
    loads = run.rows("SELECT site, hour, gpus FROM basis_loads")
    working = math.fsum(gpus * rates[site, hour][0] for site, hour, gpus in loads)
    return standing + working, math.fsum(gpus * rates[s, h][1] for s, h, gpus in loads)


def plan_gap(run):
    cost, bound = plan(run)[0], run.one("SELECT bound_usd FROM basis_bound")
    return max(cost - bound, 0.0) / abs(cost)


BASE = "programme"
OF_PROGRAMME = {
    "fleet.jobs": lambda r: r.one("SELECT count(*) FROM basis_jobs WHERE run = ?", r.runs[BASE]),
    "fleet.gpus": lambda r: _gpus(r, r.runs[BASE]),
    "fleet.utilisation_share": lambda r: utilisation(r, r.runs[BASE]),
    "fleet.makespan_utilisation_share": lambda r: makespan_utilisation(r, r.runs[BASE]),
    "fleet.mean_queue_delay_s": lambda r: mean_delay_s(r, r.runs[BASE]),
    "fleet.p95_queue_delay_s": lambda r: p95_delay_s(r, r.runs[BASE]),
    "fleet.fragmented_gpu_share": lambda r: idle_while_waiting(r, r.runs[BASE]),
    "fleet.mean_rtt_ms": lambda r: mean_round_trip(r, r.runs[BASE]),
    "fleet.energy_kwh": lambda r: energy_kwh(r, r.runs[BASE]),
    "fleet.energy_cost_usd": lambda r: bill_usd(r, r.runs[BASE]),
    "fleet.carbon_kg": lambda r: carbon_kg(r, r.runs[BASE]),
    "place.cost_usd": lambda r: plan(r)[0],
    "place.carbon_t": lambda r: plan(r)[1] / 1000,
    "place.gap_share": plan_gap,
    "funding.capital_bn": lambda r: borrowed_bn(r, BASE),
    "funding.debt_with_gdp_share": lambda r: debt_share(r, BASE, "with"),
    "funding.debt_without_gdp_share": lambda r: debt_share(r, BASE, "without"),
    "funding.fan_with_gdp_share": lambda r: fan_median(r, "with"),
    "funding.fan_without_gdp_share": lambda r: fan_median(r, "without"),
    "funding.ceiling_probability": over_ceiling,
    "comparison.cheaper_share": cheaper_share,
}
OF_VARIANT = {
    "cost_usd_per_gpu_hour": mixed_cost,
    "cost_p5_usd_per_gpu_hour": lambda r, v: mix_percentile(r, v, 5),
    "cost_p95_usd_per_gpu_hour": lambda r, v: mix_percentile(r, v, 95),
    "utilisation_share": lambda r, v: utilisation(r, r.runs[v]),
    "mean_queue_delay_h": lambda r, v: mean_delay_s(r, r.runs[v]) / 3600,
    "mean_rtt_ms": lambda r, v: mean_round_trip(r, r.runs[v]),
    "carbon_g_per_gpu_hour": lambda r, v: carbon_of_gpu_hour(r, r.runs[v]),
    "capital_usd_mn": capital_mn,
    "running_usd_mn_a_year": running_mn,
    "borrowing_bn": borrowed_bn,
    "debt_gdp_share": lambda r, v: debt_share(r, v, "with"),
    "debt_running_borrowed_gdp_share": lambda r, v: debt_share(r, v, "running"),
}


def recomputed(run, name):
    """Return a figure by its name alone, as a reader would who has the tables and the laws."""
    if name in OF_PROGRAMME:
        return OF_PROGRAMME[name](run)
    match name.split("."):
        case ["fleet", "site", site, "utilisation_share"]:
            return utilisation(run, run.runs[BASE], site)
        case ["fleet", "site", site, "kwh_per_gpu_hour"]:
            return kwh_of_gpu_hour(run, run.runs[BASE], site)
        case ["cost", site, "usd_per_gpu_hour"]:
            return cost_median(run, site)
        case ["funding", site, "capital_usd_mn"]:
            return capital_mn(run, BASE, site)
        case ["alternative", variant, "site", site, "utilisation_share"]:
            return utilisation(run, run.runs[variant], site)
        case ["alternative", variant, "site", site, "kwh_per_gpu_hour"]:
            return kwh_of_gpu_hour(run, run.runs[variant], site)
        case ["alternative", variant, site, "capital_usd_mn"]:
            return capital_mn(run, variant, site)
        case ["funding", key] if "_effect_" in key:
            return effect_by_key(run, BASE, key)
        case ["alternative", variant, key] if "_effect_" in key:
            return effect_by_key(run, variant, key)
        case ["alternative", variant, key]:
            return OF_VARIANT[key](run, variant)
    raise AssertionError(f"nobody recomputes {name}")


def _compare(run):
    listed = [entry for entry in run.manifest["figures"] if entry["expression"]]
    for figure in listed:
        sql_value = recomputed(run, figure["name"])
        near = pytest.approx(figure["value"], rel=1e-9, abs=1e-13)
        assert sql_value == near, figure["name"]
    return listed


def test_another_engine_gives_every_figure_of_a_small_study(small):
    listed = _compare(small)
    assert {use.formula.name for use in study_figure_formula_uses(small.tables)} == set(FORMULAS)
    assert len(listed) > 70


def test_another_engine_gives_every_figure_of_the_shipped_study(harbour):
    listed = _compare(harbour)
    assert {figure["name"] for figure in listed} >= set(OF_PROGRAMME)


def test_every_hour_that_a_figure_rests_on_is_that_of_the_pieces(small):
    for name in set(small.runs.values()):
        rows = spans(small, name)
        assert [row[3] for row in rows] == pytest.approx([row[2] for row in rows], abs=1e-9)


def test_a_run_as_it_was_written_has_no_fault(small, harbour):
    for run in (small, harbour):
        assert [str(fault) for fault in check.study_run_fault_messages(run.folder)] == []


def test_the_basis_of_the_shipped_study_is_small(harbour):
    paths = (harbour.folder / "tables").glob("basis_*")
    assert sum(path.stat().st_size for path in paths) <= 5_000_000


@pytest.mark.prove
def test_no_change_of_a_figure_or_of_what_it_rests_on_goes_unnoticed(small, monkeypatch):
    """300 mutants in full; digests are not asked, because a bug would write them anew."""
    wanted = PROOFS.size(40, 300)
    known = {}
    evaluate = check.study_figure_formula_value

    def evaluate_once(use, tables):
        read = tuple(tables[name] for name in use.formula.tables)
        key = (use.name, use.expression, *map(id, read))
        if key not in known:
            known[key] = (evaluate(use, tables), read)  # the tables are held, so no id is reused
        return known[key][0]

    monkeypatch.setattr(check, "study_figure_formula_value", evaluate_once)
    assert check.study_run_content_fault_messages(small.manifest, small.tables, small.page) == []
    missed, count = [], 0
    for manifest, tables, page, mutation in mutants(
        20, wanted, small.manifest, small.tables, small.page
    ):
        count += 1
        if not check.study_run_content_fault_messages(manifest, tables, page):
            missed.append(mutation)
    assert count == wanted
    assert missed == []


def test_a_changed_byte_of_any_table_or_of_the_page_is_noticed_by_its_digest(small, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(small.folder, copy)
    for path in [*sorted((copy / "tables").glob("*.parquet")), copy / "report.html"]:
        before = path.read_bytes()
        frame = bytearray(before)
        frame[len(frame) // 2] ^= 1
        path.write_bytes(bytes(frame))
        faults = [
            str(fault) for fault in check._study_run_digest_fault_messages(copy, small.manifest)
        ]
        assert [path.stem in message for message in faults] == [True], path.name
        path.write_bytes(before)


def test_a_figure_that_its_formula_does_not_give_keeps_nothing(tmp_path, monkeypatch):
    right = figures._study_fleet_figure_values_by_name
    wrong = {"fleet.energy_kwh": 1.0}
    monkeypatch.setattr(
        figures, "_study_fleet_figure_values_by_name", lambda fleet_data: right(fleet_data) | wrong
    )
    store = RunStore(tmp_path / "runs")
    with pytest.raises(IdentityError, match="fleet.energy_kwh"):
        run_study(small_programme(tmp_path), store)
    assert store.list() == []
