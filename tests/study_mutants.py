"""Seeded changes of a study's run, each of which a reader of it must notice."""

import copy
import html
import random
import re

import polars as pl

# Tables of which every cell that is a number is read by a formula, or computed by a law.
HELD_TABLES = {
    "basis_accounts": ("need_bn", "gdp_bn", "debt_before_bn", "issuance_bn", "redemption_bn",
                       "debt_bn"),
    "basis_costs": ("gpus", "scale", "utilisation_share", "held_gpu_h"),
    "basis_draw": ("idle_w", "busy_w"),
    "basis_draw_inputs": ("value",),
    "basis_mix_draw_inputs": ("value",),
    "basis_draws": ("cost_usd_per_gpu_hour",),
    "basis_hours": ("held_gpu_h", "price_usd_per_mwh", "carbon_g_per_kwh"),
    "basis_inputs": ("value",),
    "basis_jobs": ("submit_s", "start_s", "end_s"),
    "basis_nodes": ("gpus",),
    "basis_paths": ("debt_with_gdp_share", "debt_without_gdp_share"),
    "basis_pieces": ("gpus", "from_s", "until_s"),
    "basis_sites": ("pue",),
    "basis_loads": ("gpus",),
    "basis_rates": ("usd_per_gpu_h", "kg_per_gpu_h"),
    "basis_sizes": ("gpus", "usd_per_gpu"),
    "basis_bound": ("bound_usd",),
    "cost_sites": ("p5_usd_per_gpu_hour", "p50_usd_per_gpu_hour", "p95_usd_per_gpu_hour",
                   "mean_usd_per_gpu_hour", "at_medians_usd_per_gpu_hour"),
    "cost_parts": ("usd_per_gpu_hour",),
    "cost_cells": ("median",),
    "funding_capital": ("gpus", "capital_usd_per_gpu", "capital_usd_mn", "running_usd_mn_a_year"),
    "funding_years": ("debt_with_gdp_share", "debt_without_gdp_share"),
    "fleet_sites": ("energy_mwh", "cost_usd", "carbon_t", "gpu_hours", "busy_mwh"),
    "fleet_jobs": ("submit_s", "start_s", "end_s", "queue_delay_s"),
    "alternatives": ("cost_usd_per_gpu_hour", "cost_p5_usd_per_gpu_hour",
                     "cost_p95_usd_per_gpu_hour", "utilisation_share", "mean_queue_delay_h",
                     "carbon_g_per_gpu_hour", "capital_usd_mn", "running_usd_mn_a_year",
                     "borrowing_bn", "debt_gdp_share", "debt_running_borrowed_gdp_share"),
}  # fmt: skip
PRICES = ("price_usd_per_mwh", "carbon_g_per_kwh")
SCALES = (1.01, 0.5, 1000.0, 0.001, 100.0, -1.0)


def cell_mutant(rng, tables):
    """Return the tables with one number of one cell scaled, and what was done."""
    while True:
        name = rng.choice([name for name in HELD_TABLES if name in tables])
        column = rng.choice(HELD_TABLES[name])
        row = rng.randrange(tables[name].height)
        if column in PRICES and tables[name]["run"][row] != "programme":
            continue  # no figure of an alternative rests on its prices, or on its last hours
        old, scale = tables[name][column][row], rng.choice(SCALES)
        # Nothing times anything is nothing: such a change would be none.
        if old and abs(old * (scale - 1)) > 1e-6:
            break
    values = tables[name][column].to_list()
    values[row] = old * scale
    changed = tables[name].with_columns(pl.Series(column, values, dtype=pl.Float64))
    return tables | {name: changed}, f"{name}.{column}[{row}] × {scale}"


def year_mutant(rng, tables):
    """Return the tables with a year of the accounts named as another, and what was done."""
    accounts = tables["basis_accounts"]
    years = sorted(accounts["fiscal_year"].unique())
    row, other = accounts.height - 1, rng.choice([*years[:-1], "ever"])
    path = rng.choice(["fiscal_year", "year"])
    values = accounts[path].to_list()
    values[row] = other if path == "fiscal_year" else values[row] + rng.choice([-3, -1, 1, 5])
    if path == "fiscal_year":  # the last year under another name, on every path
        values = [other if value == years[-1] else value for value in accounts[path]]
    return tables | {"basis_accounts": accounts.with_columns(pl.Series(path, values))}, (
        f"accounts {path} → {other}"
    )


def manifest_mutant(rng, manifest):
    """Return the manifest with one word of one figure changed, and what was done."""
    changed = copy.deepcopy(manifest)
    figure = rng.choice([entry for entry in changed["figures"] if entry["expression"]])
    what = rng.choice(
        [
            "value",
            "shown",
            "unit",
            "label",
            "formula",
            "expression",
            "table",
            "gone",
            "extent",
            "basis",
        ]
    )
    if what == "value":
        figure["value"] = (figure["value"] or 0.0) * rng.choice(SCALES) + 1e-3
    elif what == "gone":
        changed["figures"].remove(figure)
    elif what == "label" and "2035-36" in figure["label"]:
        figure["label"] = figure["label"].replace("2035-36", rng.choice(["ever", "2034-35"]))
    elif what == "expression":
        swaps = [(" * ", " / "), ("SUM", "AVG"), ("MAX", "MIN"), (" - ", " + "), ("0.5", "0.6"),
                 ("= 'programme'", "= 'home'"), ("COUNT", "MAX")]  # fmt: skip
        fitting = [swap for swap in swaps if swap[0] in figure[what]]
        figure[what] = figure[what].replace(*rng.choice(fitting), 1)
    else:
        words = {
            "shown": "kW",
            "unit": "MWh",
            "label": "Ever",
            "formula": "Not",
            "table": "x",
            "extent": "Whole",
            "basis": "planned",
        }
        figure[what] = f"{words[what]} {figure[what]}"
    return changed, f"{what} of {figure['name']}"


_SHOWN = re.compile(r'(<a class="of" href="#[^"]+">)([^<]*)(</a>)')


def page_mutant(rng, page, names):
    """Return the page with a figure, its label or its formula changed, and what was done."""
    what = rng.choice(["fact", "label", "origin", "sentence"])
    if what == "fact":
        marks = [m for m in _SHOWN.finditer(page) if m[1].split("#of-")[1][:-2] in names]
        mark = rng.choice(marks)
        return page[: mark.start(2)] + rng.choice(["9", "k", "-"]) + page[mark.start(2) :], (
            f"fact {mark[0]}"
        )
    name = rng.choice(sorted(names))
    start = page.index(f'<div class="came" id="of-{name}">')
    end = page.index("</dl></div>", start)
    block = page[start:end]
    if what == "label":
        head = re.search(r'<a href="[^"]+">', block).end()
        block = f"{block[:head]}Ever {block[head:]}"
    elif what == "origin":
        colon = block.index(": ", block.index("</a>") - 60) if ": " in block else 0
        colon = block.rindex(": ", 0, block.index("</a>"))
        block = f"{block[: colon + 2]}1{block[colon + 2 :]}"
    else:
        code = block.index("<pre><code>") + len("<pre><code>")
        block = f"{block[:code]}{html.escape('x')}{block[code:]}"
    return page[:start] + block + page[end:], f"{what} of {name}"


def mutants(seed, count, manifest, tables, page):
    """Yield mutated manifest, tables and page, one change each, and what was done."""
    rng = random.Random(seed)
    names = {figure["name"] for figure in manifest["figures"] if figure["expression"]}
    for i in range(count):
        kind = ("cell", "manifest", "cell", "page", "cell", "year")[i % 6]
        if kind == "cell":
            changed, mutation = cell_mutant(rng, tables)
            yield manifest, changed, page, mutation
        elif kind == "year":
            changed, mutation = year_mutant(rng, tables)
            yield manifest, changed, page, mutation
        elif kind == "manifest":
            changed, mutation = manifest_mutant(rng, manifest)
            yield changed, tables, page, mutation
        else:
            changed, mutation = page_mutant(rng, page, names)
            yield manifest, tables, changed, mutation
