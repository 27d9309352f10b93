"""Where every figure of a study comes from: nodes for the run's manifest and for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from commonwatt.catalogue.measures import Measure, TableColumn, label_of, written
from commonwatt.catalogue.shared import (
    CARBON,
    ENERGY,
    GPU_HOUR_COST_P50,
    GPUS,
    POWER_BILL,
    QUEUE_DELAY_MEAN,
    UTILISATION,
)
from commonwatt.core.messages import Message, translate
from commonwatt.fleet.domain.measures import (
    IDLE_WHILE_WAITING,
    JOBS_SUBMITTED,
    POLICY,
    QUEUE_DELAY_P95,
    UTILISATION_MAKESPAN,
)
from commonwatt.report import FigureOrigin
from commonwatt.study.alternatives import Alternative, Comparison
from commonwatt.study.measures import (
    ALTERNATIVES,
    CAPITAL,
    CEILING_CHANCE_WITH,
    DEBT_GDP_WITH,
    DEBT_GDP_WITH_MEDIAN,
    DEBT_GDP_WITHOUT,
    DEBT_GDP_WITHOUT_MEDIAN,
    NEED,
    ROUND_TRIP,
)
from commonwatt.study.origins import KINDS, FigureNode
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import SeriesPart, SitePart
from commonwatt.study.result import StudyResult
from commonwatt.study.stages.sites import MEASURED, CostedSite, number_text, owner_label
from commonwatt.treasury.usecases.countries import open_country

SCHEDULE = "table.fleet_jobs"
CAPITAL_INPUTS = (
    "server_usd_per_gpu", "hardware_price_ratio", "network_usd_per_gpu", "it_kw_per_gpu",
    "shell_usd_per_kw", "land_usd_per_kw",
)  # fmt: skip
TABLES = {  # prefix of a table's name: its kind
    "fleet_sites": "energy", "fleet_tenants": "delay", "fleet_use": "utilisation",
    "fleet_queue": "delay", "fleet_": "schedule", "cost_": "cost", "place_": "plan",
    "funding_capital": "capital", "funding_fan": "fan", "funding_": "debt",
    "alternatives_break_even": "break-even", "alternatives": "mix", "what_if": "compared",
}  # fmt: skip
SHIPPED_EXAMPLES = {
    "rooms": "shipped example room, data/sandbox/example: synthetic patients, see its README",
    "models": "shipped example models, data/clinic/example_models.yaml: made up, drawn by the seed",
}
Tables = Mapping[str, pl.DataFrame]


def figures_of(
    programme: Programme, result: StudyResult, compared: Comparison | None, tables: Tables
) -> list[FigureNode]:
    """Return every figure and every input of a study; inputs of a node are among them."""
    options = compared.alternatives if compared else []
    currency = result.funding.data["currency"] if result.funding else ""
    nodes = [
        *_files(programme),
        *_stated(programme),
        *_fleet(programme, result),
        *_cells(
            programme,
            [result.base_case.sites or [], *(one.base_case.sites or [] for one in options)],
        ),
        *_costs(result),
        *_placed(programme, result),
        *_funded(programme, result),
        *(node for one in options for node in _alternative(programme, one, currency)),
    ]
    unique = {node.name: node for node in nodes}
    for node in _table_nodes(tables, unique):
        unique[node.name] = node
    return [_with_known(node, unique) for node in unique.values()]


def figure_origins(
    nodes: list[FigureNode], words: Mapping[str, str], language: str
) -> list[FigureOrigin]:
    """Return the nodes as the report shows them."""
    labels = {node.name: _label(node, words, language) for node in nodes}
    return [
        FigureOrigin(
            name=node.name,
            label=labels[node.name],
            shown=node.shown,
            formula=KINDS[node.kind].formula.translate(language) if node.kind else "",
            made_by=KINDS[node.kind].made_by if node.kind else "",
            source="; ".join(t for t in (node.source, node.dated, node.confidence) if t),
            inputs=[(name, labels[name]) for name in node.inputs],
        )
        for node in nodes
    ]


def _label(node: FigureNode, words: Mapping[str, str], language: str) -> str:
    values = {
        key: words.get(value) or translate(value, language)
        for key, value in node.label.values.items()
    }
    return Message(node.label.text, values).translate(language)


def _with_known(node: FigureNode, known: Mapping[str, FigureNode]) -> FigureNode:
    """Return the node without inputs that this programme does not have."""
    return replace(node, inputs=[name for name in node.inputs if name in known])


def _files(programme: Programme) -> Iterator[FigureNode]:
    source = programme.file.demand.source
    for file in programme.inputs:
        digest = f"sha256 {file.sha256}"
        yield FigureNode(
            name=f"input.{file.name}",
            label=Message("The file {name}", {"name": file.name}),
            shown=file.name,
            source=f"{source}; {digest}" if file == programme.trace and source else digest,
        )


def _stated(programme: Programme) -> Iterator[FigureNode]:
    """Yield what the programme file itself states, with the sources that it names."""
    file = programme.file
    yield FigureNode(
        name="programme.policy",
        label=POLICY.label,
        shown=" + ".join(
            [file.policy.order, file.policy.place, file.policy.backfill, file.policy.preemption]
        ),
        source=programme.path.name,
    )
    for gpu in file.gpus:
        for key, value in (("idle", gpu.idle), ("busy", gpu.busy)):
            yield FigureNode(
                name=f"programme.gpus.{gpu.name}.{key}",
                label=Message("Draw of {gpu}, {state}", {"gpu": gpu.name, "state": key}),
                value=value,
                shown=f"{value:g} W",
                source=gpu.source,
            )
    for site in file.sites:
        yield from _site_stated(site)
    for link in file.latency:
        yield FigureNode(
            name=f"programme.latency.{'-'.join(link.between)}",
            label=Message(
                "Round trip {one} to {other}",
                dict(zip(("one", "other"), link.between, strict=True)),
            ),
            value=link.rtt,
            shown=f"{link.rtt:g} ms",
            source=link.source or programme.path.name,
        )
    for key, part in (("rooms", file.rooms), ("models", file.models)):
        if part is not None:
            yield FigureNode(
                name=f"programme.{key}",
                label=Message("Examples shown: {key}", {"key": key}),
                shown=f"{part.on}",
                source=SHIPPED_EXAMPLES[key],
            )
    if file.funding is not None:
        for key in ("scale", "currency_per_usd", "first_year", "build_years"):
            value = getattr(file.funding, key)
            yield FigureNode(
                name=f"programme.funding.{key}",
                label=Message("Funding: {key}", {"key": key}),
                value=value,
                shown=f"{value:g}",
                source=file.funding.source,
            )


def _site_stated(site: SitePart) -> Iterator[FigureNode]:
    stated = {"gpus": f"{site.gpus:,}", "pue": f"{site.pue:g}"}
    stated["power_price"] = _hourly(site.power_price, "USD/MWh")
    stated["carbon"] = _hourly(site.carbon, "g/kWh")
    for key, shown in stated.items():
        yield FigureNode(
            name=f"programme.sites.{site.name}.{key}",
            label=Message("{site}: {key}", {"site": str(site.title), "key": key}),
            shown=shown,
            source=site.source,
        )


def _hourly(part: float | SeriesPart, unit: str) -> str:
    return f"{part.file}: {part.column}" if isinstance(part, SeriesPart) else f"{part:g} {unit}"


def _fleet(programme: Programme, drawn: StudyResult) -> Iterator[FigureNode]:
    kept, gpus = drawn.base_case.fleet.data, programme.file.gpus
    watts = [f"programme.gpus.{gpu.name}.{key}" for gpu in gpus for key in ("idle", "busy")]
    sites = [f"programme.sites.{site.name}" for site in programme.built]
    inputs = {
        "gpus": [f"{site}.gpus" for site in sites],
        "energy_kwh": [SCHEDULE, *watts, *(f"{site}.pue" for site in sites)],
        "energy_cost_usd": ["fleet.energy_kwh", *(f"{site}.power_price" for site in sites)],
        "carbon_kg": ["fleet.energy_kwh", *(f"{site}.carbon" for site in sites)],
        "mean_rtt_ms": [SCHEDULE, *_links(programme)],
    }
    for key, label, value, shown, kind in [*_service_rows(kept), *_energy_rows(kept["metrics"])]:
        yield FigureNode(
            name=f"fleet.{key}", label=label, value=value, shown=shown, kind=kind,
            inputs=inputs.get(key, [SCHEDULE]),
            table="fleet_sites" if kind in ("energy", "bill", "carbon") else "fleet_jobs",
        )  # fmt: skip
    yield from _measured("fleet", drawn.base_case.sites or [], kept["measured"], watts)


def _links(programme: Programme) -> list[str]:
    return [f"programme.latency.{'-'.join(link.between)}" for link in programme.file.latency]


ToldFigure = tuple[str, Message, Any, str, str]  # name, label, value, value as shown, kind


def _service_rows(kept: Mapping[str, Any]) -> list[ToldFigure]:
    """Return use and waits as the report shows them."""
    figures, everyone = kept["metrics"], kept["metrics"]["all"]
    rows = (
        ("jobs", JOBS_SUBMITTED, everyone["jobs"], "schedule"),
        ("gpus", GPUS, figures["gpus"], "schedule"),
        ("utilisation_share", UTILISATION, figures["utilisation_share"], "utilisation"),
        (
            "makespan_utilisation_share",
            UTILISATION_MAKESPAN,
            figures["makespan_utilisation_share"],
            "makespan",
        ),
        ("mean_queue_delay_s", QUEUE_DELAY_MEAN, everyone["mean_queue_delay_s"], "delay"),
        ("p95_queue_delay_s", QUEUE_DELAY_P95, everyone["p95_queue_delay_s"], "delay"),
        ("fragmented_gpu_share", IDLE_WHILE_WAITING, figures["fragmented_gpu_share"], "idle"),
        ("mean_rtt_ms", ROUND_TRIP, kept["mean_rtt_ms"], "rtt"),
    )
    return [_as_shown(*row) for row in rows]


def _energy_rows(figures: Mapping[str, Any]) -> list[ToldFigure]:
    """Return energy, its bill and its carbon as the report shows them."""
    rows = (
        ("energy_kwh", ENERGY, figures["energy_kwh"], "energy"),
        ("energy_cost_usd", POWER_BILL, figures["cost_usd"], "bill"),
        ("carbon_kg", CARBON, figures["carbon_kg"], "carbon"),
    )
    return [_as_shown(*row) for row in rows]


def _as_shown(name: str, measure: Measure, value: Any, kind: str) -> ToldFigure:
    return name, measure.label, value, written(value, measure), kind


def _label_at(figure: Measure | TableColumn, subject: str) -> Message:
    """Return the label of one site's, year's or alternative's figure; each part is translated."""
    return Message("{label}: {subject}", {"label": label_of(figure).text, "subject": subject})


def _measured(
    above: str, sites: list[CostedSite], rows: list[dict[str, Any]], watts: list[str]
) -> Iterator[FigureNode]:
    """Yield the use and the energy that the cost of each site was computed with."""
    for one, row in zip(sites, rows, strict=False):
        site = {"site": str(one.site.title)}
        yield FigureNode(
            name=f"{above}.site.{one.site.name}.utilisation_share",
            label=_label_at(UTILISATION, str(one.site.title)),
            value=row["utilisation_share"],
            shown=written(row["utilisation_share"], UTILISATION),
            kind="utilisation",
            table="fleet_sites" if above == "fleet" else "",
            inputs=[SCHEDULE],
        )
        kwh = row["kwh_per_gpu_hour"]
        yield FigureNode(
            name=f"{above}.site.{one.site.name}.kwh_per_gpu_hour",
            label=Message("IT energy of a GPU-hour at {site}", site),
            value=kwh,
            shown="–" if kwh is None else f"{kwh:.3f} kWh",
            kind="kwh",
            inputs=[SCHEDULE, *watts],
        )


def _cells(programme: Programme, groups: list[list[CostedSite]]) -> Iterator[FigureNode]:
    """Yield every sourced input of every site, once for each key."""
    found = {one.key: one for group in groups for site in group for one in site.inputs()}
    for item in found.values():
        if item.source == MEASURED:
            continue
        low, mid, high = (number_text(item.value.quantile(q)) for q in (0.05, 0.5, 0.95))
        spread = "" if low == high else f" ({low} – {high})"
        owner = owner_label(item.key, programme.file.sites)
        words = {"input": item.name.replace("_", " "), "site": owner}
        yield FigureNode(
            name=f"cell.{item.key}",
            label=Message("{input}, every site", {"input": words["input"]})
            if owner == "all"
            else Message("{input}, {site}", words),
            value=item.value.quantile(0.5),
            shown=f"{mid}{spread} {item.unit}",
            table="cost_cells",
            source=item.source,
            dated=item.dated,
            confidence=item.confidence,
        )


def _inputs_of(above: str, one: CostedSite) -> list[str]:
    """Return the names of everything that the cost of a site was computed from."""
    keys = [f"cell.{item.key}" for item in one.inputs() if item.source != MEASURED]
    name = one.site.name
    kwh = [f"{above}.site.{name}.kwh_per_gpu_hour"] if one.cells is not None else []
    own = [f"programme.sites.{name}.power_price", f"programme.sites.{name}.pue"]
    return [f"{above}.site.{name}.utilisation_share", *kwh, *(own if kwh else []), *keys]


def _costs(drawn: StudyResult) -> Iterator[FigureNode]:
    if drawn.cost is None or drawn.base_case.sites is None:
        return
    for one, row in zip(drawn.base_case.sites, drawn.cost.data["sites"], strict=True):
        value = row["p50_usd_per_gpu_hour"]
        yield FigureNode(
            name=f"cost.{one.site.name}.usd_per_gpu_hour",
            label=_label_at(GPU_HOUR_COST_P50, str(one.site.title)),
            value=value,
            shown=written(value, GPU_HOUR_COST_P50),
            kind="cost" if one.cells is not None else "rent",
            table="cost_sites",
            inputs=_inputs_of("fleet", one),
        )


def _placed(programme: Programme, drawn: StudyResult) -> Iterator[FigureNode]:
    if drawn.placement is None:
        return
    plan, sites = drawn.placement.data, [site.name for site in programme.built]
    stated = [
        f"programme.sites.{n}.{key}" for n in sites for key in ("pue", "power_price", "carbon")
    ]
    inputs = ["table.fleet_load", *stated, *(f"cost.{name}.usd_per_gpu_hour" for name in sites)]
    rows = (
        ("cost_usd", Message("Cost of the plan"), f"USD {plan['cost_usd']:,.0f}"),
        ("carbon_t", Message("Carbon of the plan"), f"{plan['carbon_t']:,.1f} t"),
        ("gap_share", Message("Proved gap of the plan"), f"{100 * plan['gap_share']:.3f} %"),
    )
    for key, label, shown in rows:
        yield FigureNode(
            name=f"place.{key}", label=label, value=plan[key], shown=shown, kind="plan",
            table="place_sites", inputs=inputs,
        )  # fmt: skip


def _capital(above: str, row: Mapping[str, Any], one: CostedSite) -> FigureNode:
    name = row["name"]
    keys = {item.name: f"cell.{item.key}" for item in one.inputs()}
    cells = [keys[key] for key in CAPITAL_INPUTS if key in keys]
    return FigureNode(
        name=f"{above}.{name}.capital_usd_mn",
        label=_label_at(CAPITAL, row["site"]),
        value=row["capital_usd_mn"],
        shown=written(row["capital_usd_mn"], CAPITAL),
        kind="capital",
        table="funding_capital" if above == "funding" else "",
        inputs=[f"programme.sites.{name}.gpus", "programme.funding.scale", *cells],
    )


def _funded(programme: Programme, drawn: StudyResult) -> Iterator[FigureNode]:
    part = programme.file.funding
    if drawn.funding is None or part is None or drawn.base_case.sites is None:
        return
    paid, rows = drawn.funding.data, drawn.base_case.capital
    yield from _country(programme, paid)
    capital = [_capital("funding", r, s) for r, s in zip(rows, drawn.base_case.sites, strict=True)]
    yield from capital
    yield FigureNode(
        name="funding.capital_bn",
        label=NEED.label,
        value=paid["total_bn"],
        shown=written(paid["total_bn"], NEED, currency=paid["currency"]),
        kind="need",
        table="funding_years",
        inputs=[*(node.name for node in capital), "programme.funding.currency_per_usd",
                "programme.funding.first_year", "programme.funding.build_years"],
    )  # fmt: skip
    yield from _debts(paid)


def _country(programme: Programme, paid: Mapping[str, Any]) -> Iterator[FigureNode]:
    """Yield the country's accounts, and each source that its files name."""
    sources = open_country(programme.country).sources
    for key, title in sources.items():
        yield FigureNode(
            name=f"country.sources.{key}",
            label=Message("Source {name}", {"name": key}),
            shown=title,
            source=title,
        )
    yield FigureNode(
        name="country.accounts",
        label=Message("Accounts, bonds and outlook of {name}", {"name": paid["country"]}),
        shown=paid["country"],
        source=f"{paid['gdp_vintage']}; {paid['debt_basis']}",
        inputs=[f"country.sources.{key}" for key in sources],
    )


def _debts(paid: Mapping[str, Any]) -> Iterator[FigureNode]:
    last = paid["years"][-1]
    rows = (
        ("debt_with_gdp_share", DEBT_GDP_WITH, last["debt_with_gdp_share"], "debt", True),
        ("debt_without_gdp_share", DEBT_GDP_WITHOUT, last["debt_without_gdp_share"], "debt", False),
        ("fan_with_gdp_share", DEBT_GDP_WITH_MEDIAN, paid["fan_with"][-1]["q50"], "fan", True),
        (
            "fan_without_gdp_share",
            DEBT_GDP_WITHOUT_MEDIAN,
            paid["fan_without"][-1]["q50"],
            "fan",
            False,
        ),
        (
            "ceiling_probability",
            CEILING_CHANCE_WITH,
            paid["chances_with"][-1].get("debt_over_ceiling_probability"),
            "ceiling",
            True,
        ),
    )
    for key, measure, value, kind, with_it in rows:
        if value is None:
            continue
        yield FigureNode(
            name=f"funding.{key}",
            label=measure.label if kind == "ceiling" else _label_at(measure, last["fiscal_year"]),
            value=value,
            shown=written(value, measure),
            kind=kind,
            table="funding_years" if kind == "debt" else "funding_fan_with",
            inputs=["country.accounts", *(["funding.capital_bn"] if with_it else [])],
        )


def _alternative(programme: Programme, one: Alternative, currency: str) -> Iterator[FigureNode]:
    above, sites = f"alternative.{one.name}", one.base_case.sites or []
    gpus = programme.file.gpus
    watts = [f"programme.gpus.{gpu.name}.{key}" for gpu in gpus for key in ("idle", "busy")]
    yield FigureNode(
        name=f"{above}.change",
        label=Message("What “{name}” changes", {"name": one.label}),
        shown="; ".join(programme.file.alternatives[one.name].change) or "–",
        source=programme.path.name,
    )
    yield from _measured(above, sites, one.base_case.fleet.data["measured"], watts)
    for row, site in zip(one.base_case.capital, sites, strict=True):
        yield _capital(above, row, site)
    cost = [name for site in sites for name in _inputs_of(above, site)]
    capital = [f"{above}.{row['name']}.capital_usd_mn" for row in one.base_case.capital]
    demand = ["input." + path.name for path in programme.inputs[:2]]
    carbon = [f"programme.sites.{site.site.name}.carbon" for site in sites]
    kinds = {
        "cost_usd_per_gpu_hour": ("mix", cost),
        "utilisation_share": ("utilisation", demand),
        "mean_queue_delay_h": ("delay", demand),
        "mean_rtt_ms": ("rtt", [*demand, *_links(programme)]),
        "carbon_g_per_gpu_hour": ("mix-carbon", [*demand, *watts, *carbon]),
        "capital_usd_mn": ("capital", capital),
        "running_usd_mn_a_year": ("running", [*cost, "programme.funding.scale"]),
        "borrowing_bn": ("need", [*capital, "programme.funding.currency_per_usd"]),
        "debt_gdp_share": ("debt", ["country.accounts", f"{above}.borrowing_bn"]),
        "debt_running_borrowed_gdp_share": (
            "debt",
            ["country.accounts", f"{above}.borrowing_bn", f"{above}.running_usd_mn_a_year"],
        ),
    }
    for key, (kind, inputs) in kinds.items():
        if key not in one.row:
            continue
        value, column = one.row[key], ALTERNATIVES.column(key)
        yield FigureNode(
            name=f"{above}.{key}",
            label=_label_at(column, one.label),
            value=value,
            shown=written(value, column, currency=currency),
            kind=kind,
            table="alternatives",
            inputs=[f"{above}.change", *inputs],
        )


def _table_nodes(tables: Tables, known: Mapping[str, FigureNode]) -> Iterator[FigureNode]:
    """Yield a node for each table of the run, from the figures of its wing."""
    files = [name for name in known if name.startswith("input.")]
    yield from (
        FigureNode(
            name=f"table.{name}",
            label=Message("The table {name}", {"name": name}),
            shown=f"{frame.height:,} × {frame.width}",
            kind=_kind(name),
            table=name,
            inputs=_table_inputs(name, files, known),
        )
        for name, frame in tables.items()
    )


def _kind(table: str) -> str:
    return next((kind for start, kind in TABLES.items() if table.startswith(start)), "room")


def _table_inputs(table: str, files: list[str], known: Mapping[str, FigureNode]) -> list[str]:
    wing = table.split("_", maxsplit=1)[0]
    if wing == "fleet":
        sites = [name for name in known if name.startswith("programme.sites.")]
        return [*files, "programme.policy", *sites]
    starts = {
        "cost": "cost.",
        "place": "place.",
        "funding": "funding.",
        "alternatives": "alternative.",
    }
    start = starts.get(wing)
    return [name for name in known if name.startswith(start)] if start else files
