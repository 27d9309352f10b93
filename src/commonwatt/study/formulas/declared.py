"""Every formula of a study's figures, said once: sentence, expression, tables, unit and label.

An expression is a query over tables of the run that gives one number. What is bound from
outside is a site, a variant, its simulated run, or a path of the debt; the rest stands in
the tables.
"""
# ruff: noqa: S608 (every part of a query is a constant of this module)

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from commonwatt.catalogue.measures import Described, TableColumn
from commonwatt.catalogue.shared import (
    CARBON,
    ENERGY,
    GPU_HOUR_COST_P50,
    GPUS,
    POWER_BILL,
    QUEUE_DELAY_MEAN,
    UTILISATION,
)
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.measures import (
    IDLE_WHILE_WAITING,
    JOBS_SUBMITTED,
    QUEUE_DELAY_P95,
    UTILISATION_MAKESPAN,
)
from commonwatt.study.formulas.law import study_cost_parts_law_ctes_sql
from commonwatt.study.measures import (
    ALTERNATIVES,
    CAPITAL,
    CEILING_CHANCE_WITH,
    CHEAPEST_CHEAPER,
    DEBT_GDP_WITH,
    DEBT_GDP_WITH_MEDIAN,
    DEBT_GDP_WITHOUT,
    DEBT_GDP_WITHOUT_MEDIAN,
    NEED,
    ROUND_TRIP,
)
from commonwatt.study.tables import IT_ENERGY, PLAN_CARBON, PLAN_COST, PLAN_GAP


class FormulaScope(StrEnum):
    """What a formula stands for once: the programme, a site of it, an alternative, its site."""

    PROGRAMME = "programme"
    SITE = "site"
    VARIANT = "variant"
    VARIANT_SITE = "variant-site"


class FigureSubject(StrEnum):
    """What the label of a figure adds to the name of what it is."""

    NOTHING = "nothing"
    SITE = "site"
    YEAR = "year"
    VARIANT = "variant"


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureFormula:
    """How a figure follows from the tables of its run.

    Args:
        name: Pattern of the figure's name in the run, which is the formula's id, too.
        scope: What it stands for once.
        form: What it is, what people call it and how it is written; its unit is the value's.
        subject: Whose figure it is, as its label adds.
        sentence: The law in words.
        sql: The law as a query that gives one number.
        tables: The tables that it reads.
        holds: Table of the run in which the figure itself stands; empty where none does.
        fixed: What it binds beside what its scope gives, such as the path of the debt.
        subtracted_sql: Query that gives the largest amount that the law subtracts, in the unit of
            the figure; empty where it subtracts nothing much larger than itself.
    """

    name: str
    scope: FormulaScope
    form: Described
    sentence: Message
    sql: str
    tables: tuple[str, ...]
    subject: FigureSubject
    holds: str = ""
    fixed: Mapping[str, str] | None = None
    subtracted_sql: str = ""


# The window of our definition of utilisation: from the first to the last arrival.
_SPAN: Final = """span AS (
    SELECT MIN(submit_s) AS first_s, MAX(submit_s) AS last_s, MAX(end_s) AS ended_s
    FROM basis_jobs WHERE run = :run)"""
_ALL_GPUS: Final = "there AS (SELECT SUM(gpus) AS gpus FROM basis_nodes WHERE run = :run)"
# Where all jobs arrive at once there is no window, and nothing was available in it.
_OF_GPUS: Final = """
SELECT CASE WHEN {end} > first_s THEN gpu_s / (gpus * ({end} - first_s)) ELSE 0 END AS value
FROM held CROSS JOIN there CROSS JOIN span"""
# What is held beyond the last arrival is cut off and not dropped with the whole piece. A site or
# a fleet that nothing ran on held nought, where the sum over no piece would be unknown.
_USE: Final = f"""WITH {_SPAN},
held AS (
    SELECT COALESCE(SUM(gpus * GREATEST(LEAST(until_s, last_s) - from_s, 0)), 0) AS gpu_s
    FROM basis_pieces CROSS JOIN span WHERE run = :run),
{_ALL_GPUS}{_OF_GPUS.format(end="last_s")}"""
_USE_OF_MAKESPAN: Final = f"""WITH {_SPAN},
held AS (
    SELECT COALESCE(SUM(gpus * (LEAST(until_s, GREATEST(ended_s, last_s)) - from_s)), 0) AS gpu_s
    FROM basis_pieces CROSS JOIN span WHERE run = :run),
{_ALL_GPUS}{_OF_GPUS.format(end="GREATEST(ended_s, last_s)")}"""
_HELD_AT_SITE: Final = """held AS (
    SELECT COALESCE(SUM(p.gpus * GREATEST(LEAST(p.until_s, last_s) - p.from_s, 0)), 0) AS gpu_s,
        SUM(p.gpus * GREATEST(LEAST(p.until_s, last_s) - p.from_s, 0)
            * (d.busy_w - d.idle_w)) AS step_ws
    FROM basis_pieces AS p
    JOIN basis_nodes AS n ON p.run = n.run AND p.node = n.node
    JOIN basis_draw AS d ON n.run = d.run AND n.gpu = d.gpu
    CROSS JOIN span WHERE p.run = :run AND n.site = :site),
there AS (
    SELECT SUM(n.gpus) AS gpus, SUM(n.gpus * d.idle_w) AS idle_w FROM basis_nodes AS n
    JOIN basis_draw AS d ON n.run = d.run AND n.gpu = d.gpu
    WHERE n.run = :run AND n.site = :site)"""
_USE_OF_SITE: Final = f"WITH {_SPAN},\n{_HELD_AT_SITE}{_OF_GPUS.format(end='last_s')}"
# Idle draw counts over the whole window: a half-used site spends more energy on each hour that it
# sells.
_KWH_OF_SITE: Final = f"""WITH {_SPAN},
{_HELD_AT_SITE}
SELECT CASE WHEN gpu_s > 0
    THEN (idle_w * (last_s - first_s) + step_ws) / 1000 / gpu_s END AS value
FROM held CROSS JOIN there CROSS JOIN span"""
# Changes of what is held and of how many wait, in one order of time; `piece = 0` counts a gang once
# and not once a node. The sums are floats, so "somebody waits" is asked with 0.5.
_IDLE: Final = f"""WITH {_SPAN},
changes AS (
    SELECT from_s AS at_s, gpus AS held, CAST(0 AS DOUBLE) AS waiting
    FROM basis_pieces WHERE run = :run
    UNION ALL SELECT until_s AS at_s, -gpus AS held, CAST(0 AS DOUBLE) AS waiting
    FROM basis_pieces WHERE run = :run
    UNION ALL SELECT submit_s AS at_s, CAST(0 AS DOUBLE) AS held, CAST(1 AS DOUBLE) AS waiting
    FROM basis_jobs WHERE run = :run AND admitted
    UNION ALL SELECT from_s AS at_s, CAST(0 AS DOUBLE) AS held, CAST(-1 AS DOUBLE) AS waiting
    FROM basis_pieces WHERE run = :run AND piece = 0
    UNION ALL SELECT until_s AS at_s, CAST(0 AS DOUBLE) AS held, CAST(1 AS DOUBLE) AS waiting
    FROM basis_pieces WHERE run = :run AND piece = 0 AND queued_again),
steps AS (SELECT at_s, SUM(held) AS held, SUM(waiting) AS waiting FROM changes GROUP BY at_s),
levels AS (
    SELECT at_s, SUM(held) OVER (ORDER BY at_s) AS now_held,
        SUM(waiting) OVER (ORDER BY at_s) AS now_waiting,
        LEAD(at_s, 1) OVER (ORDER BY at_s) AS next_s
    FROM steps),
{_ALL_GPUS},
held AS (
    SELECT SUM(CASE WHEN now_waiting > 0.5 THEN (gpus - now_held)
        * GREATEST(LEAST(COALESCE(next_s, last_s), last_s) - at_s, 0) ELSE 0 END) AS gpu_s
    FROM levels CROSS JOIN span CROSS JOIN there)
SELECT CASE WHEN last_s > first_s THEN gpu_s / (gpus * (last_s - first_s)) ELSE 0 END AS value
FROM held CROSS JOIN there CROSS JOIN span"""
_DRAWN: Final = """WITH there AS (
    SELECT site, gpu, SUM(gpus) AS gpus FROM basis_nodes WHERE run = :run GROUP BY site, gpu),
drawn AS (
    SELECT h.site AS site, h.in_window AS in_window, h.held_gpu_h AS held_gpu_h,
        (t.gpus * d.idle_w * (h.until_s - h.from_s) / 3600
            + (d.busy_w - d.idle_w) * h.held_gpu_h) / 1000 * s.pue AS kwh,
        h.price_usd_per_mwh AS price_usd_per_mwh, h.carbon_g_per_kwh AS carbon_g_per_kwh
    FROM basis_hours AS h
    JOIN there AS t ON h.site = t.site AND h.gpu = t.gpu
    JOIN basis_draw AS d ON h.run = d.run AND h.gpu = d.gpu
    JOIN basis_sites AS s ON h.run = s.run AND h.site = s.site
    WHERE h.run = :run)"""
_CARBON_OF_HOUR: Final = f"""{_DRAWN},
sites AS (
    SELECT site, SUM(kwh * carbon_g_per_kwh) AS grams, SUM(held_gpu_h) AS held
    FROM drawn WHERE in_window GROUP BY site)
SELECT SUM(grams) / SUM(held) AS value FROM sites WHERE held > 0"""
# COUNT of a column passes over NULL: one unknown round trip leaves the mean unknown and not taken
# over the rest.
_ROUND_TRIP: Final = """WITH ran AS (
    SELECT p.gpus * (p.until_s - p.from_s) AS gpu_s, t.round_trip_ms AS round_trip_ms
    FROM basis_pieces AS p
    JOIN basis_nodes AS n ON p.run = n.run AND p.node = n.node
    JOIN basis_jobs AS j ON p.run = j.run AND p.job = j.job
    JOIN basis_trips AS t ON j.run = t.run AND j.tenant = t.tenant AND n.site = t.site
    WHERE p.run = :run)
SELECT CASE WHEN COUNT(*) = COUNT(round_trip_ms)
    THEN SUM(gpu_s * round_trip_ms) / SUM(gpu_s) END AS value FROM ran"""
_DELAY_OF: Final = """SELECT {function} AS value
FROM (SELECT start_s - submit_s AS delay_s FROM basis_jobs
    WHERE run = :run AND finished) AS waits"""
COST_LAW: Final = study_cost_parts_law_ctes_sql("basis_inputs", "site", "variant = :variant")
"""The parts of the cost of each site of a variant, as `law`, at the head of each figure of cost."""
# A reserved site that stood idle would cost infinitely much an hour; one in a hundred is the least
# use, as in the engine.
_USD_OF_SITE: Final = """CASE WHEN c.rented AND c.every_hour_paid
                THEN l.rent_usd_per_gpu_hour / GREATEST(c.utilisation_share, 0.01)
            WHEN c.rented THEN l.rent_usd_per_gpu_hour ELSE l.own_usd END"""
_SITE_COSTS: Final = f"""WITH {COST_LAW},
sites AS (
    SELECT c.site AS site, c.gpus * c.scale AS gpus, c.held_gpu_h AS held_gpu_h,
        c.rented AS rented, c.utilisation_share AS used,
        {_USD_OF_SITE} AS usd,
        CASE WHEN c.rented THEN 0 ELSE l.it_usd + l.shell_usd + l.land_usd END AS capital_usd,
        GREATEST(1 - l.faults_per_gpu * l.repair_hours / 8760, 0.01) AS there_share,
        l.running AS running
    FROM basis_costs AS c JOIN law AS l ON c.site = l.site WHERE c.variant = :variant)"""
# Where no site served anything there are no weights, and all count alike.
_MIX: Final = f"""{_SITE_COSTS}
SELECT CASE WHEN SUM(held_gpu_h) > 0 THEN SUM(usd * held_gpu_h) / SUM(held_gpu_h)
    ELSE AVG(usd) END AS value FROM sites"""
_CAPITAL: Final = f"{_SITE_COSTS}\nSELECT SUM(gpus * capital_usd) / 1e6 AS value FROM sites"
_CAPITAL_OF_SITE: Final = f"{_CAPITAL} WHERE site = :site"
_RUNNING: Final = f"""{_SITE_COSTS}
SELECT SUM(gpus * 8760 * used * CASE WHEN rented THEN usd ELSE there_share * running END) / 1e6
    AS value FROM sites"""
_BORROWED: Final = f"""{_SITE_COSTS},
terms AS (
    SELECT value AS currency_per_usd FROM basis_terms
    WHERE variant = :variant AND input = 'currency_per_usd')
SELECT SUM(gpus * capital_usd * currency_per_usd) / 1e9 AS value FROM sites CROSS JOIN terms"""
# Summed from its flows and not looked up in the last row, so that a wrong closing stock is noticed.
_DEBT: Final = """WITH span AS (
    SELECT MIN(year) AS first_year, MAX(year) AS last_year FROM basis_accounts
    WHERE variant = :variant AND path = :path)
SELECT SUM(CASE WHEN year = first_year THEN debt_before_bn ELSE 0 END
        + revaluation_bn + issuance_bn - redemption_bn)
    / SUM(CASE WHEN year = last_year THEN gdp_bn ELSE 0 END) AS value
FROM basis_accounts CROSS JOIN span WHERE variant = :variant AND path = :path"""
# Both sides from their flows and levels of the two paths; a country without reserves has no rows to
# sum, and its debt is the whole effect.
_EFFECT: Final = """WITH span AS (
    SELECT MIN(year) AS first_year, MAX(year) AS last_year FROM basis_accounts
    WHERE variant = :variant AND path = 'with'),
paths AS (
    SELECT CASE WHEN path = 'with' THEN 1.0 ELSE -1.0 END AS sign, year, debt_before_bn,
        revaluation_bn, issuance_bn, redemption_bn, reserves_bn, gdp_bn
    FROM basis_accounts WHERE (variant = :variant AND path = 'with')
        OR (variant = 'programme' AND path = 'without')),
sides AS (
    SELECT SUM(sign * (CASE WHEN year = first_year THEN debt_before_bn ELSE 0 END
            + revaluation_bn + issuance_bn - redemption_bn)) AS gross_bn,
        SUM(CASE WHEN year = last_year THEN sign * reserves_bn ELSE 0 END) AS reserves_bn,
        COUNT(reserves_bn) AS known,
        MAX(CASE WHEN year = last_year THEN gdp_bn END) AS gdp_bn
    FROM paths CROSS JOIN span)
SELECT {law} AS value FROM sides"""
# What a small programme does to a large debt is known to the rounding of that debt.
_DEBTS_AND_RESERVES: Final = """SELECT MAX(GREATEST(ABS(debt_bn), ABS(COALESCE(reserves_bn, 0)))
    / {over}) AS value
FROM basis_accounts WHERE variant = :variant OR variant = 'programme'"""
_EFFECT_OF_DRAWS: Final = """SELECT QUANTILE_CONT({law}, {level}) AS value FROM basis_effects
WHERE variant = :variant"""
# A country without a ceiling has an infinite one, over which no path goes.
_OVER_CEILING: Final = """WITH terms AS (
    SELECT value AS ceiling_bn FROM basis_terms
    WHERE variant = :variant AND input = 'ceiling_bn')
SELECT AVG(CASE WHEN debt_with_bn > ceiling_bn THEN 1.0 ELSE 0.0 END) AS value
FROM basis_paths CROSS JOIN terms"""
_COST_OF_MIX_DRAWS: Final = """SELECT QUANTILE_CONT(cost_usd_per_gpu_hour, {level}) AS value
FROM basis_mix_draws WHERE variant = :variant"""
# By name where two cost the same, as the comparison itself has it.
_CHEAPER_DRAWS: Final = f"""WITH {study_cost_parts_law_ctes_sql("basis_inputs", "variant, site")},
sites AS (
    SELECT c.variant AS variant, c.held_gpu_h AS held_gpu_h, {_USD_OF_SITE} AS usd
    FROM basis_costs AS c JOIN law AS l ON c.variant = l.variant AND c.site = l.site
    WHERE c.variant <> 'programme'),
mixes AS (
    SELECT variant, CASE WHEN SUM(held_gpu_h) > 0 THEN SUM(usd * held_gpu_h) / SUM(held_gpu_h)
        ELSE AVG(usd) END AS usd FROM sites GROUP BY variant),
cheapest AS (SELECT variant AS name FROM mixes ORDER BY usd, variant LIMIT 1),
second AS (SELECT variant AS name FROM mixes ORDER BY usd, variant LIMIT 1 OFFSET 1),
first_draws AS (
    SELECT d.draw AS draw, d.cost_usd_per_gpu_hour AS first_usd
    FROM basis_mix_draws AS d JOIN cheapest AS c ON d.variant = c.name),
second_draws AS (
    SELECT d.draw AS draw, d.cost_usd_per_gpu_hour AS second_usd
    FROM basis_mix_draws AS d JOIN second AS s ON d.variant = s.name)
SELECT AVG(CASE WHEN f.first_usd < s.second_usd THEN 1.0 ELSE 0.0 END) AS value
FROM first_draws AS f JOIN second_draws AS s ON f.draw = s.draw"""
_PLAN: Final = """WITH standing AS (
    SELECT SUM(gpus * usd_per_gpu) AS standing_usd FROM basis_sizes),
working AS (
    SELECT SUM(l.gpus * r.usd_per_gpu_h) AS working_usd, SUM(l.gpus * r.kg_per_gpu_h) AS kg
    FROM basis_loads AS l JOIN basis_rates AS r ON l.site = r.site AND l.hour = r.hour)"""

_SERVICE_TABLES: Final = ("basis_jobs", "basis_pieces", "basis_nodes")
_SITE_TABLES: Final = (*_SERVICE_TABLES, "basis_draw")
_ENERGY_TABLES: Final = ("basis_hours", "basis_nodes", "basis_draw", "basis_sites")
_TRIP_TABLES: Final = (*_SERVICE_TABLES, "basis_trips")
_COST_TABLES: Final = ("basis_costs", "basis_inputs")
_PLAN_TABLES: Final = ("basis_sizes", "basis_loads", "basis_rates")

_SAYS_USE: Final = Message(
    "Allocated GPU time over available GPU time, between the first and the last arrival."
)
_SAYS_DELAY: Final = Message("First start minus submission, over the jobs that finished.")
_SAYS_TRIP: Final = Message(
    "Round trip from where a tenant works to where its jobs ran, weighted by GPU time."
)
_SAYS_KWH: Final = Message(
    "IT energy in the window over the GPU time held in it; idle draw is within it."
)
_SAYS_CAPITAL: Final = Message(
    "GPUs × scale × (server price × price ratio + network + kW per GPU × (shell + land))."
)
_SAYS_NEED: Final = Message(
    "Capital of all sites times the exchange rate, spread over the building years."
)
_SAYS_DEBT: Final = Message(
    "Debt of the last year over its GDP; each year debt grows by gross issuance less "
    "redemptions, and the need is borrowed as it is spent."
)
_SAYS_EFFECT: Final = Message(
    "With the programme less without it, at the end of the last year of the planned path; the "
    "net effect is what is added to debt less what is added to reserves."
)
_SAYS_EFFECT_BAND: Final = Message(
    "Percentile of the difference between a path with the programme and the same path without "
    "it, over all stochastic paths."
)
_SAYS_FAN: Final = Message("Median of debt over GDP in the last year of the stochastic paths.")
_SAYS_PLAN: Final = Message(
    "Least cost of sizes and hourly load under the limits, a mixed-integer programme "
    "solved with a proved gap."
)


def _programme_figure_formula(
    name: str,
    form: Described,
    sentence: Message,
    sql: str,
    tables: tuple[str, ...],
    *,
    holds: str,
    subject: FigureSubject = FigureSubject.NOTHING,
    fixed: Mapping[str, str] | None = None,
) -> FigureFormula:
    return FigureFormula(
        name=name,
        scope=FormulaScope.PROGRAMME,
        form=form,
        sentence=sentence,
        sql=sql,
        tables=tables,
        holds=holds,
        subject=subject,
        fixed=fixed,
    )


def _study_fleet_use_figure_formulas() -> tuple[FigureFormula, ...]:
    says_jobs = Message(
        "Each job of the trace is placed on the machines by the policy, event by event."
    )
    return (
        _programme_figure_formula(
            "fleet.jobs",
            JOBS_SUBMITTED,
            says_jobs,
            "SELECT COUNT(*) AS value FROM basis_jobs WHERE run = :run",
            ("basis_jobs",),
            holds="fleet_jobs",
        ),
        _programme_figure_formula(
            "fleet.gpus",
            GPUS,
            Message("GPUs of all nodes that the programme names."),
            "SELECT SUM(gpus) AS value FROM basis_nodes WHERE run = :run",
            ("basis_nodes",),
            holds="fleet_sites",
        ),
        _programme_figure_formula(
            "fleet.utilisation_share",
            UTILISATION,
            _SAYS_USE,
            _USE,
            _SERVICE_TABLES,
            holds="fleet_policies",
        ),
        _programme_figure_formula(
            "fleet.makespan_utilisation_share",
            UTILISATION_MAKESPAN,
            Message(
                "Allocated GPU time over available GPU time, from the first arrival to the last "
                "end."
            ),
            _USE_OF_MAKESPAN,
            _SERVICE_TABLES,
            holds="fleet_policies",
        ),
    )


def _study_fleet_delay_figure_formulas() -> tuple[FigureFormula, ...]:
    return (
        _programme_figure_formula(
            "fleet.mean_queue_delay_s",
            QUEUE_DELAY_MEAN,
            _SAYS_DELAY,
            _DELAY_OF.format(function="AVG(delay_s)"),
            ("basis_jobs",),
            holds="fleet_policies",
        ),
        _programme_figure_formula(
            "fleet.p95_queue_delay_s",
            QUEUE_DELAY_P95,
            _SAYS_DELAY,
            # DISC, because the metric is the least delay that 95 % of jobs do not exceed: a delay
            # that some job had.
            _DELAY_OF.format(function="QUANTILE_DISC(delay_s, 0.95)"),
            ("basis_jobs",),
            holds="fleet_policies",
        ),
        _programme_figure_formula(
            "fleet.fragmented_gpu_share",
            IDLE_WHILE_WAITING,
            Message("GPU time that lay idle while some job waited, over GPU time available."),
            _IDLE,
            _SERVICE_TABLES,
            holds="fleet_policies",
        ),
        _programme_figure_formula(
            "fleet.mean_rtt_ms",
            ROUND_TRIP,
            _SAYS_TRIP,
            _ROUND_TRIP,
            _TRIP_TABLES,
            holds="fleet_jobs",
        ),
    )


def _study_fleet_energy_figure_formulas() -> tuple[FigureFormula, ...]:
    return (
        _programme_figure_formula(
            "fleet.energy_kwh",
            ENERGY,
            Message(
                "Idle draw of every GPU, and the step to busy draw while it is held, times the "
                "PUE of its site, over the makespan."
            ),
            f"{_DRAWN}\nSELECT SUM(kwh) AS value FROM drawn",
            _ENERGY_TABLES,
            holds="fleet_sites",
        ),
        _programme_figure_formula(
            "fleet.energy_cost_usd",
            POWER_BILL,
            Message("Energy of each hour times the power price of that hour, over all sites."),
            f"{_DRAWN}\nSELECT SUM(kwh * price_usd_per_mwh) / 1000 AS value FROM drawn",
            _ENERGY_TABLES,
            holds="fleet_sites",
        ),
        _programme_figure_formula(
            "fleet.carbon_kg",
            CARBON,
            Message("Energy of each hour times the carbon intensity of that hour, over all sites."),
            f"{_DRAWN}\nSELECT SUM(kwh * carbon_g_per_kwh) / 1000 AS value FROM drawn",
            _ENERGY_TABLES,
            holds="fleet_sites",
        ),
    )


@dataclass(frozen=True, slots=True)
class _SiteLaw:
    """A law of one site, which the programme and each alternative have under other names."""

    form: Described
    sentence: Message
    sql: str
    tables: tuple[str, ...]

    def study_site_figure_formula(
        self, name: str, scope: FormulaScope, *, holds: str = ""
    ) -> FigureFormula:
        return FigureFormula(
            name=name,
            scope=scope,
            subject=FigureSubject.SITE,
            form=self.form,
            sentence=self.sentence,
            sql=self.sql,
            tables=self.tables,
            holds=holds,
        )


def _study_site_figure_formulas() -> tuple[FigureFormula, ...]:
    use = _SiteLaw(UTILISATION, _SAYS_USE, _USE_OF_SITE, _SITE_TABLES)
    kwh = _SiteLaw(
        IT_ENERGY,
        _SAYS_KWH,
        _KWH_OF_SITE,
        _SITE_TABLES,
    )
    capital = _SiteLaw(CAPITAL, _SAYS_CAPITAL, _CAPITAL_OF_SITE, _COST_TABLES)
    site, variant_site = FormulaScope.SITE, FormulaScope.VARIANT_SITE
    used, took = "site.{site}.utilisation_share", "site.{site}.kwh_per_gpu_hour"
    return (
        use.study_site_figure_formula(f"fleet.{used}", site, holds="fleet_sites"),
        kwh.study_site_figure_formula(f"fleet.{took}", site),
        use.study_site_figure_formula("alternative.{variant}." + used, variant_site),
        kwh.study_site_figure_formula("alternative.{variant}." + took, variant_site),
        capital.study_site_figure_formula(
            "funding.{site}.capital_usd_mn", site, holds="funding_capital"
        ),
        capital.study_site_figure_formula(
            "alternative.{variant}.{site}.capital_usd_mn", variant_site
        ),
        FigureFormula(
            name="cost.{site}.usd_per_gpu_hour",
            scope=site,
            subject=FigureSubject.SITE,
            form=GPU_HOUR_COST_P50,
            sentence=Message(
                "Median over correlated draws of the levelised cost: yearly charges of servers, "
                "shell and land, with energy, staff, upkeep, network, spares and holding, over "
                "8,760 h × availability × utilisation; of the rent, where GPUs are rented."
            ),
            sql="SELECT QUANTILE_CONT(cost_usd_per_gpu_hour, 0.5) AS value FROM basis_draws\n"
            "WHERE site = :site",
            tables=("basis_draws",),
            holds="cost_sites",
        ),
    )


def _study_placement_figure_formulas() -> tuple[FigureFormula, ...]:
    cost = "standing_usd + working_usd"
    gap = f"GREATEST({cost} - bound_usd, 0) / ABS({cost})"
    rows = (
        ("place.cost_usd", PLAN_COST, cost, ""),
        ("place.carbon_t", PLAN_CARBON, "kg / 1000", ""),
        ("place.gap_share", PLAN_GAP, gap, "basis_bound"),
    )
    return tuple(
        _programme_figure_formula(
            name,
            form,
            _SAYS_PLAN,
            f"{_PLAN}\nSELECT {law} AS value FROM standing CROSS JOIN working"
            + (f" CROSS JOIN {more}" if more else ""),
            (*_PLAN_TABLES, more) if more else _PLAN_TABLES,
            holds="place_sites",
        )
        for name, form, law, more in rows
    )


def _study_funding_figure_formulas() -> tuple[FigureFormula, ...]:
    debts = (
        ("with", DEBT_GDP_WITH),
        ("without", DEBT_GDP_WITHOUT),
    )
    fans = (
        ("with", DEBT_GDP_WITH_MEDIAN),
        ("without", DEBT_GDP_WITHOUT_MEDIAN),
    )
    return (
        _programme_figure_formula(
            "funding.capital_bn",
            NEED,
            _SAYS_NEED,
            _BORROWED,
            (*_COST_TABLES, "basis_terms"),
            holds="funding_years",
        ),
        *(
            _programme_figure_formula(
                f"funding.debt_{path}_gdp_share",
                form,
                _SAYS_DEBT,
                _DEBT,
                ("basis_accounts",),
                holds="funding_years",
                subject=FigureSubject.YEAR,
                fixed={"path": path},
            )
            for path, form in debts
        ),
        *(
            _programme_figure_formula(
                f"funding.fan_{path}_gdp_share",
                form,
                _SAYS_FAN,
                f"SELECT QUANTILE_CONT(debt_{path}_gdp_share, 0.5) AS value FROM basis_paths",
                ("basis_paths",),
                holds=f"funding_fan_{path}",
                subject=FigureSubject.YEAR,
            )
            for path, form in fans
        ),
        _programme_figure_formula(
            "funding.ceiling_probability",
            CEILING_CHANCE_WITH,
            Message(
                "Share of the stochastic paths whose debt is over its ceiling in the last year."
            ),
            _OVER_CEILING,
            ("basis_paths", "basis_terms"),
            # No table of the run repeats it.
            holds="",
        ),
    )


def _debt_effect_laws() -> Iterator[tuple[TableColumn, Message, str, tuple[str, ...], str]]:
    """Yield each side of the change of debt and reserves, its band after it.

    The last is the query of what the law subtracts.
    """
    planned = {
        "gross_debt_effect": "gross_bn",
        "reserves_effect": "CASE WHEN known > 0 THEN reserves_bn END",
        "net_debt_effect": "gross_bn - CASE WHEN known > 0 THEN reserves_bn ELSE 0 END",
    }
    drawn = {
        "gross_debt_effect": "gross_gdp_share",
        "reserves_effect": "reserves_gdp_share",
        "net_debt_effect": "gross_gdp_share - COALESCE(reserves_gdp_share, 0)",
    }
    for side, law in planned.items():
        for key, whole, over in (
            (f"{side}_bn", law, "1.0"),
            (f"{side}_gdp_share", f"({law}) / gdp_bn", "gdp_bn"),
        ):
            sql, subtracted = _EFFECT.format(law=whole), _DEBTS_AND_RESERVES.format(over=over)
            yield ALTERNATIVES.column(key), _SAYS_EFFECT, sql, ("basis_accounts",), subtracted
    for side, law in drawn.items():
        for name, level in (("p5", "0.05"), ("p95", "0.95")):
            sql = _EFFECT_OF_DRAWS.format(law=law, level=level)
            key = f"{side}_{name}_gdp_share"
            yield ALTERNATIVES.column(key), _SAYS_EFFECT_BAND, sql, ("basis_effects",), ""


def _debt_effect_figure_formulas() -> tuple[FigureFormula, ...]:
    """Return both sides of the change for the programme, and for each alternative."""
    return tuple(
        FigureFormula(
            name=f"{above}.{form.name}",
            scope=scope,
            subject=subject,
            form=form,
            sentence=sentence,
            sql=sql,
            tables=tables,
            holds=holds,
            subtracted_sql=subtracted,
        )
        for above, scope, subject, holds in (
            ("funding", FormulaScope.PROGRAMME, FigureSubject.YEAR, "funding_effect"),
            ("alternative.{variant}", FormulaScope.VARIANT, FigureSubject.VARIANT, "alternatives"),
        )
        for form, sentence, sql, tables, subtracted in _debt_effect_laws()
    )


def _cheapest_alternative_share_figure_formula() -> FigureFormula:
    return _programme_figure_formula(
        "comparison.cheaper_share",
        CHEAPEST_CHEAPER,
        Message(
            "Share of the draws in which the alternative that is cheapest at the medians costs "
            "less than the next; an input that both share has the same value in both."
        ),
        _CHEAPER_DRAWS,
        ("basis_mix_draws", *_COST_TABLES),
        # No table of the run repeats it.
        holds="",
    )


def _alternative_figure_formulas() -> tuple[FigureFormula, ...]:
    says_mix = Message(
        "Cost of a useful GPU-hour at each site at the medians, weighted by the GPU time that "
        "the site served."
    )
    says_carbon = Message("Carbon of the window over the GPU time held in it, idle draw within.")
    says_running = Message(
        "GPUs × scale × useful hours × (energy, staff, upkeep, network, spares, holding); "
        "the rent, where GPUs are rented."
    )
    says_band = Message(
        "5th and 95th percentile, over draws of every input of every site, of the cost of a useful "
        "GPU-hour; sites weighted by the GPU time that each served."
    )
    p5, p95 = (_COST_OF_MIX_DRAWS.format(level=level) for level in ("0.05", "0.95"))
    mixed = ("basis_mix_draws",)
    delay_h = _DELAY_OF.format(function="AVG(delay_s) / 3600")
    terms = (*_COST_TABLES, "basis_terms")
    rows: tuple[tuple[str, Message, str, tuple[str, ...], str], ...] = (
        ("cost_usd_per_gpu_hour", says_mix, _MIX, _COST_TABLES, ""),
        ("cost_p5_usd_per_gpu_hour", says_band, p5, mixed, ""),
        ("cost_p95_usd_per_gpu_hour", says_band, p95, mixed, ""),
        ("utilisation_share", _SAYS_USE, _USE, _SERVICE_TABLES, ""),
        ("mean_queue_delay_h", _SAYS_DELAY, delay_h, ("basis_jobs",), ""),
        ("mean_rtt_ms", _SAYS_TRIP, _ROUND_TRIP, _TRIP_TABLES, ""),
        ("carbon_g_per_gpu_hour", says_carbon, _CARBON_OF_HOUR, _ENERGY_TABLES, ""),
        ("capital_usd_mn", _SAYS_CAPITAL, _CAPITAL, _COST_TABLES, ""),
        ("running_usd_mn_a_year", says_running, _RUNNING, _COST_TABLES, ""),
        ("borrowing_bn", _SAYS_NEED, _BORROWED, terms, ""),
        ("debt_gdp_share", _SAYS_DEBT, _DEBT, ("basis_accounts",), "with"),
        ("debt_running_borrowed_gdp_share", _SAYS_DEBT, _DEBT, ("basis_accounts",), "running"),
    )
    return tuple(
        FigureFormula(
            name=f"alternative.{{variant}}.{key}",
            scope=FormulaScope.VARIANT,
            subject=FigureSubject.VARIANT,
            form=ALTERNATIVES.column(key),
            sentence=sentence,
            sql=sql,
            tables=tables,
            holds="alternatives",
            fixed={"path": path} if path else None,
        )
        for key, sentence, sql, tables, path in rows
    )


FORMULAS: Final[Mapping[str, FigureFormula]] = {
    formula.name: formula
    for formula in (
        *_study_fleet_use_figure_formulas(),
        *_study_fleet_delay_figure_formulas(),
        *_study_fleet_energy_figure_formulas(),
        *_study_site_figure_formulas(),
        *_study_placement_figure_formulas(),
        *_study_funding_figure_formulas(),
        _cheapest_alternative_share_figure_formula(),
        *_alternative_figure_formulas(),
        *_debt_effect_figure_formulas(),
    )
}
