"""Where every figure of a study comes from: nodes for the run's manifest and for the report.

A figure's formula is an expression over the tables of its run and is evaluated here: a
figure that its formula does not give stops the study.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from commonwatt.catalogue.measures import CURRENCY, written
from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message, translate
from commonwatt.fleet.domain.measures import POLICY
from commonwatt.report import FigureOrigin
from commonwatt.runs import StageResult
from commonwatt.study.alternatives import FIGURES, Alternative, Comparison
from commonwatt.study.formulas.assembled import StudyBasis
from commonwatt.study.formulas.evaluate import (
    FormulaUse,
    check_value,
    formula_uses,
    label_text,
)
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import SeriesPart, SitePart
from commonwatt.study.result import BaseCase, StudyResult
from commonwatt.study.stages.sites import MEASURED, CostedSite, number_text, owner_label
from commonwatt.treasury.usecases.countries import open_country

CAPITAL = (
    "server_usd_per_gpu", "hardware_price_ratio", "network_usd_per_gpu", "it_kw_per_gpu",
    "shell_usd_per_kw", "land_usd_per_kw",
)  # fmt: skip
SHIPPED_EXAMPLES = {
    "rooms": "shipped example room, data/sandbox/example: synthetic patients, see its README",
    "models": "shipped example models, data/clinic/example_models.yaml: made up, drawn by the seed",
}
# How the rows of a table that holds more than figures were made, by the start of its name.
TABLE_SENTENCES: Mapping[str, Message] = {
    "fleet_": Message(
        "Each job of the trace is placed on the machines by the policy, event by event."
    ),
    "cost_": Message(
        "The levelised cost of a useful GPU-hour at each site, its parts and its drivers."
    ),
    "place_": Message(
        "Least cost of sizes and hourly load under the limits, a mixed-integer programme "
        "solved with a proved gap."
    ),
    "funding_": Message(
        "Debt of the last year over its GDP; each year debt grows by gross issuance less "
        "redemptions, and the need is borrowed as it is spent."
    ),
    "alternatives_break_even": Message(
        "One input at a time is moved from its median until the two cheapest alternatives "
        "cost the same."
    ),
    "alternatives": Message(
        "Cost of a useful GPU-hour at each site at the medians, weighted by the GPU time that "
        "the site served."
    ),
    "what_if": Message(
        "The quoted figures of the programme as written, beside those with the changes."
    ),
    "basis_": Message("What the figures are evaluated over, as the stages computed it."),
}
OF_EXAMPLES = Message(
    "What the example data project and the example models showed when they were run."
)
Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureNode:
    """One figure of a run, or one input that has a source.

    Args:
        name: Its name in the run.
        label: What a person calls it.
        value: Its value; None where it stands for a table.
        shown: The value of an input with its unit, as the report shows it.
        use: The formula of a figure with what is bound in it; None for an input.
        sentence: How the rows of a table were made; nothing for an input.
        currency: The money of the run; empty where nobody borrows.
        table: Table of the run that holds it.
        source: Where an input comes from.
        dated: Date of that source.
        confidence: How far an input may be trusted.
        inputs: Names of what it was computed from.
    """

    name: str
    label: Message
    value: float | str | None = None
    shown: str = ""
    use: FormulaUse | None = None
    sentence: Message | None = None
    currency: str = ""
    table: str = ""
    source: str = ""
    dated: str = ""
    confidence: str = ""
    inputs: list[str] = field(default_factory=list[str])

    def written(self, language: str = "en") -> str:
        """Return the value with its unit, as the report shows it."""
        if self.use is None:
            return self.shown
        return written(self.value, self.use.formula.form, language, currency=self.currency)

    def formula(self, language: str = "en") -> str:
        """Return how it follows from its inputs, in a sentence; nothing for an input."""
        said = self.use.formula.sentence if self.use else self.sentence
        return said.translate(language) if said else ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as the run's manifest keeps it, in English."""
        use = self.use
        return {
            "name": self.name,
            "label": str(self.label),
            "value": self.value,
            "shown": self.written(),
            "unit": use.unit.replace(CURRENCY, self.currency) if use else "",
            "formula": self.formula(),
            "expression": use.expression if use else "",
            "tables": list(use.formula.tables) if use else [],
            "table": self.table,
            "source": self.source,
            "dated": self.dated,
            "confidence": self.confidence,
            "inputs": self.inputs,
        }


def figures_of(
    programme: Programme,
    result: StudyResult,
    compared: Comparison | None,
    basis: StudyBasis,
    tables: Tables,
) -> list[FigureNode]:
    """Return every figure and every input of a study; inputs of a node are among them.

    Args:
        programme: The programme.
        result: What its stages computed.
        compared: Its alternatives.
        basis: What the figures are evaluated over.
        tables: Every table of the run, those of the basis among them.

    Raises:
        IdentityError: A figure has no formula, or its formula gives another value.
    """
    options = compared.alternatives if compared else []
    nodes = [
        *_files(programme),
        *_stated(programme),
        *_cells(
            programme,
            [result.base_case.sites or [], *(one.base_case.sites or [] for one in options)],
        ),
        *_country(programme, result),
        *(_change(programme, one) for one in options),
        *_stage_nodes(result, options),
    ]
    unique = {node.name: node for node in nodes}
    for node in (
        *_table_nodes(tables, basis, result, unique),
        *_evaluated(programme, result, options, tables),
    ):
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
            shown=node.written(language),
            formula=node.formula(language),
            expression=node.use.expression if node.use else "",
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


def _evaluated(
    programme: Programme, result: StudyResult, options: list[Alternative], tables: Tables
) -> Iterator[FigureNode]:
    """Yield every figure, once its formula has given the value that was computed."""
    computed = _computed(result, options)
    inputs = _inputs_by_figure(programme, result, options)
    currency = result.funding.data["currency"] if result.funding else ""
    uses = {use.name: use for use in formula_uses(tables)}
    if set(uses) != set(computed):
        odd = sorted(set(uses) ^ set(computed))
        raise IdentityError(odd[0], found=Message("a figure without a formula, or the reverse"))
    for name, use in uses.items():
        check_value(use, computed[name], tables)
        below = (f"table.{table}" for table in use.formula.tables)
        yield FigureNode(
            name=name,
            label=label_text(use, tables),
            value=computed[name],
            use=use,
            currency=currency,
            table=use.formula.holds,
            inputs=[*below, *inputs.get(name, [])],
        )


def _computed(result: StudyResult, options: list[Alternative]) -> dict[str, float | None]:
    """Return the value of every figure as the stages computed it, by name."""
    kept = result.base_case.fleet.data
    values = _fleet_values(kept) | _site_values("fleet", result.base_case)
    if result.cost is not None:
        for row in result.cost.data["sites"]:
            values[f"cost.{row['name']}.usd_per_gpu_hour"] = row["p50_usd_per_gpu_hour"]
    if result.placement is not None:
        plan = result.placement.data
        values |= {f"place.{key}": plan[key] for key in ("cost_usd", "carbon_t", "gap_share")}
    if result.funding is not None:
        values |= _funding_values(result.funding.data)
        for row in result.base_case.capital:
            values[f"funding.{row['name']}.capital_usd_mn"] = row["capital_usd_mn"]
    for one in options:
        above = f"alternative.{one.name}"
        values |= _site_values(above, one.base_case)
        for row in one.base_case.capital:
            values[f"{above}.{row['name']}.capital_usd_mn"] = row["capital_usd_mn"]
        values |= {f"{above}.{key}": one.row[key] for key in FIGURES if key in one.row}
    return values


def _fleet_values(kept: Mapping[str, Any]) -> dict[str, float | None]:
    figures, everyone = kept["metrics"], kept["metrics"]["all"]
    return {
        "fleet.jobs": everyone["jobs"],
        "fleet.gpus": figures["gpus"],
        "fleet.utilisation_share": figures["utilisation_share"],
        "fleet.makespan_utilisation_share": figures["makespan_utilisation_share"],
        "fleet.mean_queue_delay_s": everyone["mean_queue_delay_s"],
        "fleet.p95_queue_delay_s": everyone["p95_queue_delay_s"],
        "fleet.fragmented_gpu_share": figures["fragmented_gpu_share"],
        "fleet.mean_rtt_ms": kept["mean_rtt_ms"],
        "fleet.energy_kwh": figures["energy_kwh"],
        "fleet.energy_cost_usd": figures["cost_usd"],
        "fleet.carbon_kg": figures["carbon_kg"],
    }


def _site_values(above: str, base: BaseCase) -> dict[str, float | None]:
    """Return the use and the energy that the cost of each site was computed with."""
    keys = ("utilisation_share", "kwh_per_gpu_hour")
    rows = zip(base.sites or [], base.fleet.data["measured"], strict=False)
    return {f"{above}.site.{one.site.name}.{key}": row[key] for one, row in rows for key in keys}


def _funding_values(paid: Mapping[str, Any]) -> dict[str, float | None]:
    last = paid["years"][-1]
    return {
        "funding.capital_bn": paid["total_bn"],
        "funding.debt_with_gdp_share": last["debt_with_gdp_share"],
        "funding.debt_without_gdp_share": last["debt_without_gdp_share"],
        "funding.fan_with_gdp_share": paid["fan_with"][-1]["q50"],
        "funding.fan_without_gdp_share": paid["fan_without"][-1]["q50"],
        "funding.ceiling_probability": paid["chances_with"][-1]["debt_over_ceiling_probability"],
    }


def _inputs_by_figure(
    programme: Programme, result: StudyResult, options: list[Alternative]
) -> dict[str, list[str]]:
    """Return the stated and sourced inputs behind the tables of each figure, by its name."""
    watts = [
        f"programme.gpus.{gpu.name}.{key}"
        for gpu in programme.file.gpus
        for key in ("idle", "busy")
    ]
    built = [site.name for site in programme.built]
    energy = [*watts, *_of_each(built, "pue")]
    inputs = {
        "fleet.gpus": _of_each(built, "gpus"),
        "fleet.energy_kwh": energy,
        "fleet.energy_cost_usd": ["fleet.energy_kwh", *_of_each(built, "power_price")],
        "fleet.carbon_kg": ["fleet.energy_kwh", *_of_each(built, "carbon")],
        "fleet.mean_rtt_ms": _links(programme),
    }
    for one in result.base_case.sites or []:
        inputs |= _inputs_of_site("fleet", "funding", one, watts)
        inputs[f"cost.{one.site.name}.usd_per_gpu_hour"] = _inputs_of("fleet", one)
    plan = [*_of_each(built, "pue", "power_price", "carbon")]
    plan += [f"cost.{name}.usd_per_gpu_hour" for name in built]
    inputs |= {f"place.{key}": plan for key in ("cost_usd", "carbon_t", "gap_share")}
    inputs |= _inputs_of_funding(result)
    for each in options:
        inputs |= _inputs_of_alternative(programme, each, watts)
    return inputs


def _of_each(sites: list[str], *keys: str) -> list[str]:
    return [f"programme.sites.{site}.{key}" for site in sites for key in keys]


def _links(programme: Programme) -> list[str]:
    return [f"programme.latency.{'-'.join(link.between)}" for link in programme.file.latency]


def _inputs_of_site(
    fleet: str, paid: str, one: CostedSite, watts: list[str]
) -> dict[str, list[str]]:
    name = one.site.name
    keys = {item.name: f"cell.{item.key}" for item in one.inputs()}
    cells = [keys[key] for key in CAPITAL if key in keys]
    return {
        f"{fleet}.site.{name}.kwh_per_gpu_hour": watts,
        f"{paid}.{name}.capital_usd_mn": [
            f"programme.sites.{name}.gpus", "programme.funding.scale", *cells,
        ],
    }  # fmt: skip


def _inputs_of_funding(result: StudyResult) -> dict[str, list[str]]:
    capital = [f"funding.{row['name']}.capital_usd_mn" for row in result.base_case.capital]
    terms = ["currency_per_usd", "first_year", "build_years"]
    inputs = {"funding.capital_bn": [*capital, *(f"programme.funding.{term}" for term in terms)]}
    for key in ("debt_with_gdp_share", "fan_with_gdp_share", "ceiling_probability"):
        inputs[f"funding.{key}"] = ["country.accounts", "funding.capital_bn"]
    for key in ("debt_without_gdp_share", "fan_without_gdp_share"):
        inputs[f"funding.{key}"] = ["country.accounts"]
    return inputs


def _inputs_of_alternative(
    programme: Programme, one: Alternative, watts: list[str]
) -> dict[str, list[str]]:
    above, sites = f"alternative.{one.name}", one.base_case.sites or []
    inputs: dict[str, list[str]] = {}
    for site in sites:
        inputs |= _inputs_of_site(above, above, site, watts)
    cost = [name for site in sites for name in _inputs_of(above, site)]
    capital = [f"{above}.{row['name']}.capital_usd_mn" for row in one.base_case.capital]
    demand = ["input." + path.name for path in programme.inputs[:2]]
    carbon = _of_each([site.site.name for site in sites], "carbon")
    borrowed, running = f"{above}.borrowing_bn", f"{above}.running_usd_mn_a_year"
    below = {
        "cost_usd_per_gpu_hour": cost,
        "utilisation_share": demand,
        "mean_queue_delay_h": demand,
        "mean_rtt_ms": [*demand, *_links(programme)],
        "carbon_g_per_gpu_hour": [*demand, *watts, *carbon],
        "capital_usd_mn": capital,
        "running_usd_mn_a_year": [*cost, "programme.funding.scale"],
        "borrowing_bn": [*capital, "programme.funding.currency_per_usd"],
        "debt_gdp_share": ["country.accounts", borrowed],
        "debt_running_borrowed_gdp_share": ["country.accounts", borrowed, running],
    }
    for key, names in below.items():
        inputs[f"{above}.{key}"] = [f"{above}.change", *names]
    return inputs


def _country(programme: Programme, result: StudyResult) -> Iterator[FigureNode]:
    """Yield the country's accounts, and each source that its files name."""
    if result.funding is None:
        return
    paid, sources = result.funding.data, open_country(programme.country).sources
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


def _change(programme: Programme, one: Alternative) -> FigureNode:
    return FigureNode(
        name=f"alternative.{one.name}.change",
        label=Message("What “{name}” changes", {"name": one.label}),
        shown="; ".join(programme.file.alternatives[one.name].change) or "–",
        source=programme.path.name,
    )


def _stages(result: StudyResult, options: list[Alternative]) -> list[StageResult]:
    every = [
        result.base_case.fleet,
        *result.compared_fleets,
        *(one.base_case.fleet for one in options),
        *(stage for stage in (result.cost, result.placement, result.funding) if stage),
    ]
    return list({stage.key: stage for stage in every}.values())


def stage_name(name: str, key: str) -> str:
    """Return the name under which a stage stands among the figures of a run."""
    return f"stage.{name}.{key[:12]}"


def _stage_nodes(result: StudyResult, options: list[Alternative]) -> Iterator[FigureNode]:
    """Yield every stage with its edges and files, as the stages themselves recorded them."""
    for stage in _stages(result, options):
        yield _stage_node(stage.name, stage.key, stage.edges, stage.files)
        for name, key in stage.edges:
            yield _stage_node(name, key, (), ())
    for stage in _stages(result, options):  # a stage that was only an edge so far, now whole
        yield _stage_node(stage.name, stage.key, stage.edges, stage.files)


Pairs = tuple[tuple[str, str], ...]


def _stage_node(name: str, key: str, edges: Pairs, files: Pairs) -> FigureNode:
    digests = [f"{file} sha256 {digest}" for file, digest in files]
    return FigureNode(
        name=stage_name(name, key),
        label=Message("The stage {name}", {"name": name}),
        shown=name,
        source="; ".join([f"stage {key}", *digests]),
        inputs=[stage_name(*edge) for edge in edges],
    )


def _table_nodes(
    tables: Tables, basis: StudyBasis, result: StudyResult, known: Mapping[str, FigureNode]
) -> Iterator[FigureNode]:
    """Yield a node for each table of the run, from the stages that wrote it."""
    files = [name for name in known if name.startswith("input.")]
    changes = [name for name in known if name.endswith(".change")]
    of_wing = {
        "fleet": [result.base_case.fleet, *result.compared_fleets],
        "cost": [result.cost],
        "place": [result.placement],
        "funding": [result.funding],
    }
    for name, frame in tables.items():
        wing = name.split("_", maxsplit=1)[0]
        wrote = basis.stages.get(name, tuple(of_wing.get(wing, [])))
        stages = [stage_name(stage.name, stage.key) for stage in wrote if stage]
        more = changes if wing in ("alternatives", "basis") else []
        yield FigureNode(
            name=f"table.{name}",
            label=Message("The table {name}", {"name": name}),
            shown=f"{frame.height:,} × {frame.width}",
            sentence=_table_sentence(name),
            table=name,
            inputs=[*stages, *more] or files,
        )


def _table_sentence(table: str) -> Message:
    starts = (said for start, said in TABLE_SENTENCES.items() if table.startswith(start))
    return next(starts, OF_EXAMPLES)
