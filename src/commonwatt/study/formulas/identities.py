"""What must hold between the tables of a run, beside the formulas of its figures.

A cell that a formula looks up without computing it is one that a law here computes from its
own inputs: a summary from its draws, a draw from its inputs, held time from the pieces.
"""
# ruff: noqa: S608 (every part of a query is a constant of this package)

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.study.formulas.law import study_cost_parts_law_ctes_sql

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class TableLaw:
    """A law between tables.

    Args:
        id: Its name.
        tables: The tables that it reads; without one of them it asks nothing.
        sql: A query that gives the largest relative difference, one number.
    """

    id: str
    tables: tuple[str, ...]
    sql: str


def _study_law_relative_difference_sql(first: str, other: str) -> str:
    # Nought against nought would be 0/0, which is no difference.
    return f"ABS(({first}) - ({other})) / GREATEST(ABS({other}), 1e-9)"


def _largest_difference_sql(*pairs: tuple[str, str]) -> str:
    parts = [f"MAX({_study_law_relative_difference_sql(*pair)})" for pair in pairs]
    return parts[0] if len(parts) == 1 else f"GREATEST({', '.join(parts)})"


_RUN: Final = "programme_run AS (SELECT run FROM basis_runs WHERE variant = 'programme')"
_COST_OF_DRAW: Final = """CASE WHEN c.rented AND c.every_hour_paid
    THEN l.rent_usd_per_gpu_hour / GREATEST(c.utilisation_share, 0.01)
    WHEN c.rented THEN l.rent_usd_per_gpu_hour ELSE l.own_usd END"""
_LAW_OF_SITES: Final = study_cost_parts_law_ctes_sql("basis_inputs", "variant, site")
_QUANTILES: Final = ("p5", 0.05), ("p50", 0.5), ("p95", 0.95)
_LEVELS: Final = (
    ("q05", 0.05), ("q10", 0.10), ("q25", 0.25), ("q50", 0.50), ("q75", 0.75), ("q90", 0.90),
    ("q95", 0.95),
)  # fmt: skip

_EFFECT_OF_PATH: Final = (
    ("gross_debt_effect", "gross_gdp_share"),
    ("net_debt_effect", "gross_gdp_share - COALESCE(reserves_gdp_share, 0)"),
)


def _study_fan_equals_paths_law(path: str) -> TableLaw:
    column = f"debt_{path}_gdp_share"
    quantiles = ", ".join(
        f"QUANTILE_CONT({column}, {level}) AS of_{name}" for name, level in _LEVELS
    )
    pairs = [(name, f"of_{name}") for name, _ in _LEVELS]
    return TableLaw(
        f"the quantiles of the last year, {path} it",
        (f"funding_fan_{path}", "basis_paths"),
        f"""WITH found AS (SELECT {quantiles}, AVG({column}) AS of_mean FROM basis_paths),
        last AS (SELECT * FROM funding_fan_{path} ORDER BY fiscal_year DESC LIMIT 1)
        SELECT {_largest_difference_sql(*pairs, ("mean", "of_mean"))} AS value
        FROM last CROSS JOIN found""",
    )


_SITE_USE: Final = """spans AS (
    SELECT run AS run, MIN(submit_s) AS first_s, MAX(submit_s) AS last_s
    FROM basis_jobs GROUP BY run),
held AS (
    SELECT p.run AS run, n.site AS site,
        SUM(p.gpus * (p.until_s - p.from_s)) / 3600 AS whole_h,
        SUM(p.gpus * GREATEST(LEAST(p.until_s, s.last_s) - p.from_s, 0)) / 3600 AS window_h
    FROM basis_pieces AS p
    JOIN basis_nodes AS n ON p.run = n.run AND p.node = n.node
    JOIN spans AS s ON p.run = s.run GROUP BY p.run, n.site),
there AS (
    SELECT n.run AS run, n.site AS site, SUM(n.gpus) AS gpus,
        SUM(n.gpus * (s.last_s - s.first_s)) / 3600 AS there_h
    FROM basis_nodes AS n JOIN spans AS s ON n.run = s.run GROUP BY n.run, n.site)"""

LAWS: Final = (
    TableLaw(
        # Only the first draws have their inputs kept; the others are summarised as they stand.
        "the cost of a draw is that of its inputs",
        ("basis_draws", "basis_draw_inputs", "basis_costs"),
        f"""WITH {study_cost_parts_law_ctes_sql("basis_draw_inputs", "site, draw")}
        SELECT {_largest_difference_sql(("d.cost_usd_per_gpu_hour", _COST_OF_DRAW))} AS value
        FROM law AS l JOIN basis_draws AS d ON l.site = d.site AND l.draw = d.draw
        JOIN basis_costs AS c ON l.site = c.site WHERE c.variant = 'programme'""",
    ),
    TableLaw(
        # A site that served nothing has no weight, and no draws.
        "the cost of a draw over all sites is that of its inputs",
        ("basis_mix_draws", "basis_mix_draw_inputs", "basis_costs"),
        f"""WITH {study_cost_parts_law_ctes_sql("basis_mix_draw_inputs", "variant, site, draw")},
        served AS (SELECT variant, SUM(held_gpu_h) AS held_h, COUNT(*) AS sites
            FROM basis_costs GROUP BY variant),
        weighted AS (SELECT l.variant AS variant, l.draw AS draw,
            ({_COST_OF_DRAW}) * CASE WHEN s.held_h > 0 THEN c.held_gpu_h / s.held_h
                ELSE 1.0 / s.sites END AS usd
            FROM law AS l JOIN basis_costs AS c ON l.variant = c.variant AND l.site = c.site
            JOIN served AS s ON l.variant = s.variant),
        mixed AS (SELECT variant, draw, SUM(usd) AS of_usd FROM weighted GROUP BY variant, draw)
        SELECT {_largest_difference_sql(("d.cost_usd_per_gpu_hour", "m.of_usd"))} AS value
        FROM mixed AS m JOIN basis_mix_draws AS d ON m.variant = d.variant AND m.draw = d.draw""",
    ),
    TableLaw(
        "the summary of the draws",
        ("basis_draws", "cost_sites"),
        f"""WITH found AS (
            SELECT site, AVG(cost_usd_per_gpu_hour) AS of_mean, {
            ", ".join(
                f"QUANTILE_CONT(cost_usd_per_gpu_hour, {level}) AS of_{name}"
                for name, level in _QUANTILES
            )
        } FROM basis_draws GROUP BY site)
        SELECT {
            _largest_difference_sql(
                *((f"s.{name}_usd_per_gpu_hour", f"f.of_{name}") for name, _ in _QUANTILES),
                ("s.mean_usd_per_gpu_hour", "f.of_mean"),
            )
        } AS value FROM cost_sites AS s JOIN found AS f ON s.name = f.site""",
    ),
    TableLaw(
        "the cost at the medians is that of the inputs",
        ("cost_sites", "basis_inputs", "basis_costs"),
        f"""WITH {_LAW_OF_SITES}
        SELECT {_largest_difference_sql(("s.at_medians_usd_per_gpu_hour", _COST_OF_DRAW))}
        AS value FROM cost_sites AS s JOIN law AS l ON s.name = l.site
        JOIN basis_costs AS c ON l.site = c.site AND l.variant = c.variant
        WHERE c.variant = 'programme'""",
    ),
    TableLaw(
        "the parts of the cost add up to it",
        ("cost_parts", "cost_sites"),
        f"""WITH parts AS (SELECT name, SUM(usd_per_gpu_hour) AS usd FROM cost_parts GROUP BY name)
        SELECT {_largest_difference_sql(("p.usd", "s.at_medians_usd_per_gpu_hour"))} AS value
        FROM cost_sites AS s JOIN parts AS p ON s.name = p.name""",
    ),
    TableLaw(
        "the inputs of the cost are the medians of its cells",
        ("cost_cells", "basis_inputs"),
        f"""SELECT {_largest_difference_sql(("i.value", "c.median"))}
        AS value FROM cost_cells AS c
        JOIN basis_inputs AS i ON c.name = i.site AND c.input = i.input
        WHERE i.variant = 'programme'""",
    ),
    TableLaw(
        "held time by span is that of the pieces",
        ("basis_hours", "basis_pieces", "basis_nodes", "basis_jobs"),
        f"""WITH {_SITE_USE},
        hours AS (SELECT run, site, SUM(held_gpu_h) AS whole_h,
            SUM(CASE WHEN in_window THEN held_gpu_h ELSE 0 END) AS window_h
            FROM basis_hours GROUP BY run, site)
        SELECT {_largest_difference_sql(("o.whole_h", "h.whole_h"), ("o.window_h", "h.window_h"))}
            AS value
        FROM hours AS o JOIN held AS h ON o.run = h.run AND o.site = h.site""",
    ),
    TableLaw(
        # A span left out takes its energy, its bill and its carbon with it, and every sum over the
        # rest still agrees.
        "spans follow one another without a gap",
        ("basis_hours",),
        """WITH ends AS (SELECT run, site, gpu, MAX(until_s) - MIN(from_s) AS whole_s,
            SUM(until_s - from_s) AS parts_s FROM basis_hours GROUP BY run, site, gpu)
        SELECT MAX(ABS(whole_s - parts_s) / whole_s) AS value FROM ends""",
    ),
    TableLaw(
        # LEFT JOIN, because a site that no job used has no pieces and must still be compared.
        "the cost is computed with the use that was measured",
        ("basis_costs", "basis_pieces", "basis_nodes", "basis_jobs", "basis_runs"),
        f"""WITH {_SITE_USE},
        used AS (SELECT t.run AS run, t.site AS site, t.gpus AS gpus,
            COALESCE(h.window_h, 0) AS held_h,
            CASE WHEN t.there_h > 0 THEN COALESCE(h.window_h, 0) / t.there_h ELSE 0 END AS share
            FROM there AS t LEFT JOIN held AS h ON t.run = h.run AND t.site = h.site)
        SELECT {
            _largest_difference_sql(
                ("c.utilisation_share", "u.share"),
                ("c.held_gpu_h", "u.held_h"),
                ("c.gpus", "u.gpus"),
            )
        } AS value FROM basis_costs AS c
        JOIN basis_runs AS r ON c.variant = r.variant
        JOIN used AS u ON r.run = u.run AND c.site = u.site""",
    ),
    TableLaw(
        # Only finished jobs: the end of one that was cut off is not the end of a piece.
        "a job starts with its first piece and ends with its last",
        ("basis_jobs", "basis_pieces"),
        f"""WITH ran AS (SELECT run, job, MIN(from_s) AS from_s, MAX(until_s) AS until_s
            FROM basis_pieces GROUP BY run, job)
        SELECT {_largest_difference_sql(("j.start_s", "r.from_s"), ("j.end_s", "r.until_s"))}
            AS value
        FROM basis_jobs AS j JOIN ran AS r ON j.run = r.run AND j.job = r.job
        WHERE j.finished""",
    ),
    TableLaw(
        # Sums and no join, as one table names jobs as the trace does and the other by their place.
        "jobs are those of the schedule",
        ("fleet_jobs", "basis_jobs", "basis_runs"),
        f"""WITH {_RUN},
        told AS (SELECT SUM(submit_s) AS submit_s, SUM(start_s) AS start_s, SUM(end_s) AS end_s,
            SUM(queue_delay_s) AS delay_s, COUNT(*) AS jobs FROM fleet_jobs),
        basis AS (SELECT SUM(j.submit_s) AS of_submit_s, SUM(j.start_s) AS of_start_s,
            SUM(j.end_s) AS of_end_s, SUM(j.start_s - j.submit_s) AS of_delay_s,
            COUNT(*) AS of_jobs
            FROM basis_jobs AS j JOIN programme_run AS r ON j.run = r.run)
        SELECT {
            _largest_difference_sql(
                ("submit_s", "of_submit_s"),
                ("start_s", "of_start_s"),
                ("end_s", "of_end_s"),
                ("delay_s", "of_delay_s"),
                ("jobs", "of_jobs"),
            )
        } AS value FROM told CROSS JOIN basis""",
    ),
    TableLaw(
        "energy, bill and carbon by site",
        ("fleet_sites", "basis_hours", "basis_nodes", "basis_draw", "basis_sites", "basis_runs"),
        f"""WITH {_RUN},
        there AS (SELECT run, site, gpu, SUM(gpus) AS gpus FROM basis_nodes
            GROUP BY run, site, gpu),
        drawn AS (SELECT s.title AS title, h.held_gpu_h AS held_h,
            (t.gpus * d.idle_w * (h.until_s - h.from_s) / 3600
                + (d.busy_w - d.idle_w) * h.held_gpu_h) / 1000 * s.pue AS kwh,
            h.price_usd_per_mwh AS price, h.carbon_g_per_kwh AS carbon
            FROM basis_hours AS h
            JOIN programme_run AS r ON h.run = r.run
            JOIN there AS t ON h.run = t.run AND h.site = t.site AND h.gpu = t.gpu
            JOIN basis_draw AS d ON h.run = d.run AND h.gpu = d.gpu
            JOIN basis_sites AS s ON h.run = s.run AND h.site = s.site),
        sites AS (SELECT title, SUM(held_h) AS held_h, SUM(kwh) AS kwh,
            SUM(kwh * price) AS bill, SUM(kwh * carbon) AS grams FROM drawn GROUP BY title)
        SELECT {
            _largest_difference_sql(
                ("f.gpu_hours", "s.held_h"),
                ("f.energy_mwh * 1000", "s.kwh"),
                ("f.busy_mwh + f.idle_mwh + f.overhead_mwh", "f.energy_mwh"),
                ("f.cost_usd * 1000", "s.bill"),
                ("f.carbon_t * 1e6", "s.grams"),
            )
        } AS value FROM fleet_sites AS f JOIN sites AS s ON f.site = s.title""",
    ),
    TableLaw(
        "debt moves by issues less redemptions",
        ("basis_accounts",),
        f"""SELECT {
            _largest_difference_sql(
                ("debt_bn", "debt_before_bn + revaluation_bn + issuance_bn - redemption_bn")
            )
        } AS value FROM basis_accounts""",
    ),
    TableLaw(
        # The law above asks within a year; a stock that jumps overnight would pass it.
        "a year opens with the debt that the one before closed with",
        ("basis_accounts",),
        # A path of one year has none that another could open with.
        f"""WITH pairs AS (
            SELECT {_largest_difference_sql(("b.debt_before_bn", "a.debt_bn"))} AS apart
            FROM basis_accounts AS a JOIN (SELECT variant, path, year - 1 AS year, debt_before_bn
                FROM basis_accounts) AS b
            ON a.variant = b.variant AND a.path = b.path AND a.year = b.year),
        span AS (SELECT MAX(year) - MIN(year) AS later FROM basis_accounts)
        SELECT CASE WHEN later > 0 THEN apart ELSE 0 END AS value FROM pairs CROSS JOIN span""",
    ),
    TableLaw(
        # A year that was dropped, doubled or renamed leaves all other laws true for the years that
        # are there.
        "every path has every year once, under one name",
        ("basis_accounts", "basis_terms"),
        """WITH paths AS (SELECT variant, path, MIN(year) AS least, MAX(year) AS most,
            COUNT(*) AS years, COUNT(DISTINCT year) AS unlike FROM basis_accounts
            GROUP BY variant, path),
        names AS (SELECT fiscal_year, COUNT(DISTINCT year) AS years FROM basis_accounts
            GROUP BY fiscal_year),
        same AS (SELECT MAX(years) - 1 AS named FROM names),
        ends AS (SELECT MAX(most) - MIN(most) + MAX(least) - MIN(least)
            + MAX(ABS(most - least + 1 - years)) + MAX(ABS(unlike - years)) AS wrong FROM paths),
        terms AS (SELECT MAX(ABS(p.years - t.value)) AS wanting FROM paths AS p
            JOIN basis_terms AS t ON p.variant = t.variant WHERE t.input = 'years')
        SELECT wrong + named + wanting AS value FROM ends CROSS JOIN same CROSS JOIN terms""",
    ),
    TableLaw(
        # Debts with and without the programme are compared as shares, so they must be shares of one
        # GDP.
        "GDP is the same on every path",
        ("basis_accounts",),
        """WITH years AS (SELECT year, MAX(gdp_bn) AS most, MIN(gdp_bn) AS least
            FROM basis_accounts GROUP BY year)
        SELECT MAX((most - least) / most) AS value FROM years""",
    ),
    TableLaw(
        "the need of the years is the capital",
        ("basis_accounts", "basis_inputs", "basis_costs", "basis_terms"),
        f"""WITH {_LAW_OF_SITES},
        capital AS (SELECT c.variant AS variant, SUM(c.gpus * c.scale * CASE WHEN c.rented THEN 0
            ELSE l.it_usd + l.shell_usd + l.land_usd END) / 1e9 AS usd_bn
            FROM basis_costs AS c
            JOIN law AS l ON c.variant = l.variant AND c.site = l.site GROUP BY c.variant),
        terms AS (SELECT variant, value AS rate FROM basis_terms WHERE input = 'currency_per_usd'),
        need AS (SELECT variant, SUM(need_bn) AS bn FROM basis_accounts
            WHERE path = 'with' GROUP BY variant)
        SELECT {_largest_difference_sql(("n.bn", "c.usd_bn * t.rate"))} AS value FROM need AS n
        JOIN capital AS c ON n.variant = c.variant JOIN terms AS t ON n.variant = t.variant""",
    ),
    TableLaw(
        # It stands in two tables, and must be one number in both.
        "scale is that of the terms",
        ("basis_costs", "basis_terms"),
        f"""SELECT {_largest_difference_sql(("c.scale", "t.value"))}
        AS value FROM basis_costs AS c
        JOIN basis_terms AS t ON c.variant = t.variant WHERE t.input = 'scale'""",
    ),
    TableLaw(
        "the years of the funding are those of the accounts",
        ("funding_years", "basis_accounts"),
        f"""WITH paid AS (SELECT fiscal_year, need_bn, debt_bn, debt_bn / gdp_bn AS share
            FROM basis_accounts WHERE variant = 'programme' AND path = 'with'),
        plain AS (SELECT fiscal_year, debt_bn, debt_bn / gdp_bn AS share
            FROM basis_accounts WHERE variant = 'programme' AND path = 'without')
        SELECT {
            _largest_difference_sql(
                ("f.need_bn", "w.need_bn"),
                ("f.debt_with_bn", "w.debt_bn"),
                ("f.debt_with_gdp_share", "w.share"),
                ("f.debt_without_bn", "o.debt_bn"),
                ("f.debt_without_gdp_share", "o.share"),
            )
        } AS value FROM funding_years AS f JOIN paid AS w ON f.fiscal_year = w.fiscal_year
        JOIN plain AS o ON f.fiscal_year = o.fiscal_year""",
    ),
    TableLaw(
        "capital and running cost by site",
        ("funding_capital", "basis_inputs", "basis_costs"),
        f"""WITH {_LAW_OF_SITES},
        sites AS (SELECT c.site AS site, c.gpus * c.scale AS gpus,
            CASE WHEN c.rented THEN 0 ELSE l.it_usd + l.shell_usd + l.land_usd END AS each,
            8760 * c.utilisation_share * CASE WHEN c.rented THEN {_COST_OF_DRAW}
                ELSE GREATEST(1 - l.faults_per_gpu * l.repair_hours / 8760, 0.01) * l.running
                END AS running
            FROM basis_costs AS c JOIN law AS l ON c.variant = l.variant AND c.site = l.site
            WHERE c.variant = 'programme')
        SELECT {
            _largest_difference_sql(
                ("f.gpus", "s.gpus"),
                ("f.capital_usd_per_gpu", "s.each"),
                ("f.capital_usd_mn * 1e6", "s.gpus * s.each"),
                ("f.running_usd_mn_a_year * 1e6", "s.gpus * s.running"),
            )
        } AS value FROM funding_capital AS f JOIN sites AS s ON f.name = s.site""",
    ),
    _study_fan_equals_paths_law("with"),
    _study_fan_equals_paths_law("without"),
    TableLaw(
        # Of the last year alone, of which every path is kept.
        "the effect by year ends with that of the draws",
        ("funding_effect", "basis_effects"),
        f"""WITH drawn AS (SELECT variant, {
            ", ".join(
                f"QUANTILE_CONT({law}, {level}) AS {side}_{name}"
                for side, law in _EFFECT_OF_PATH
                for name, level in _QUANTILES
            )
        } FROM basis_effects GROUP BY variant),
        ends AS (SELECT MAX(fiscal_year) AS fiscal_year FROM funding_effect)
        SELECT {
            _largest_difference_sql(
                *(
                    (f"f.{side}_{name}_gdp_share", f"d.{side}_{name}")
                    for side, _ in _EFFECT_OF_PATH
                    for name, _ in _QUANTILES
                )
            )
        } AS value FROM funding_effect AS f JOIN ends AS e ON f.fiscal_year = e.fiscal_year
        JOIN drawn AS d ON f.variant = d.variant""",
    ),
    TableLaw(
        "the sites of the plan",
        ("place_sites", "basis_sizes", "basis_loads", "basis_rates", "basis_sites", "basis_runs"),
        f"""WITH {_RUN},
        titles AS (SELECT s.site AS site, s.title AS title FROM basis_sites AS s
            JOIN programme_run AS r ON s.run = r.run),
        working AS (SELECT l.site AS site, SUM(l.gpus * r.usd_per_gpu_h) AS usd,
            SUM(l.gpus * r.kg_per_gpu_h) AS kg
            FROM basis_loads AS l JOIN basis_rates AS r ON l.site = r.site AND l.hour = r.hour
            GROUP BY l.site)
        SELECT {
            _largest_difference_sql(
                ("p.h100_equivalents", "z.gpus"),
                ("p.size_usd", "z.gpus * z.usd_per_gpu"),
                ("p.running_usd", "w.usd"),
                ("p.carbon_t * 1000", "w.kg"),
            )
        } AS value FROM place_sites AS p JOIN titles AS t ON p.pool = t.title
        JOIN basis_sizes AS z ON t.site = z.site JOIN working AS w ON t.site = w.site""",
    ),
    TableLaw(
        # With a margin of 1e-6, to which a solver keeps its rows.
        "no site of the plan works more GPUs than it has",
        ("basis_sizes", "basis_loads"),
        """WITH hours AS (SELECT site, hour, SUM(gpus) AS gpus FROM basis_loads GROUP BY site, hour)
        SELECT MAX(GREATEST(h.gpus - z.gpus * (1 + 1e-6), 0) / GREATEST(z.gpus, 1)) AS value
        FROM hours AS h JOIN basis_sizes AS z ON h.site = z.site WHERE h.gpus > 1e-6""",
    ),
    TableLaw(
        # The gap is clipped at nought, so a bound above the plan's cost would not show in it.
        "no plan costs less than what is proved",
        ("basis_sizes", "basis_loads", "basis_rates", "basis_bound"),
        """WITH standing AS (SELECT SUM(gpus * usd_per_gpu) AS usd FROM basis_sizes),
        working AS (SELECT SUM(l.gpus * r.usd_per_gpu_h) AS working_usd FROM basis_loads AS l
            JOIN basis_rates AS r ON l.site = r.site AND l.hour = r.hour)
        SELECT GREATEST(bound_usd - usd - working_usd, 0) / ABS(bound_usd) AS value
        FROM basis_bound CROSS JOIN standing CROSS JOIN working""",
    ),
    TableLaw(
        # A thousandth of the difference: tolerances of the solver add up over all hours and
        # tenants.
        "the plan works all that the tenants held",
        ("basis_loads", "fleet_load"),
        f"""WITH worked AS (SELECT SUM(gpus) AS of_gpus FROM basis_loads),
        held AS (SELECT SUM(held_gpus) AS gpus FROM fleet_load)
        SELECT {_study_law_relative_difference_sql("of_gpus", "gpus")} / 1000 AS value
        FROM worked CROSS JOIN held""",
    ),
)


def study_table_laws_with_relative_difference(
    tables: Tables,
) -> Iterator[tuple[TableLaw, float | None]]:
    """Yield each law that these tables can be asked, with the largest relative difference.

    None where no row could be compared, which is a fault, too: a label that no other table
    has would otherwise hide its row.

    Raises:
        IdentityError: A law cannot be asked: a table has other columns than it reads.
    """
    known = dict(tables)
    if "funding_years" in known:
        known["funding_years"] = _funding_years_without_currency_in_columns(known["funding_years"])
    for law in LAWS:
        # A programme without funding or placement has no such tables, and nothing is asked of them.
        if not all(name in known for name in law.tables):
            continue
        context = pl.SQLContext({name: known[name] for name in law.tables}, eager=True)
        try:
            difference = context.execute(law.sql).item()
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise IdentityError(
                law.id, found=Message("a formula that fails: {error}", {"error": str(error)[:200]})
            ) from error
        yield law, None if difference is None else float(difference)


def _funding_years_without_currency_in_columns(years: pl.DataFrame) -> pl.DataFrame:
    """Return the years of the funding with columns that do not name the country's money."""
    names = {
        name: "_".join([*name.split("_")[:-2], "bn"])
        for name in years.columns
        if name.endswith("_bn")
    }
    return years.rename(names)
