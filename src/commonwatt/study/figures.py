"""Where every figure of a study comes from: nodes for the run's manifest and for the report.

A figure's formula is an expression over the tables of its run and is evaluated here: a
figure that its formula does not give stops the study.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import polars as pl

from commonwatt.catalogue.measures import CURRENCY, measure_value_text
from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message, translate
from commonwatt.report import FigureOrigin
from commonwatt.runs import StageResult, StageStore
from commonwatt.siting.domain.cells import CellOrigin
from commonwatt.siting.domain.cost_inputs import cost_input_label
from commonwatt.study.alternatives import FIGURES, Alternative, Comparison
from commonwatt.study.annexes import EXAMPLE_MODELS, EXAMPLE_PROJECT
from commonwatt.study.formulas.assembled import StudyBasis
from commonwatt.study.formulas.cached import WrittenTable, cached_formula_value_by_figure_name
from commonwatt.study.formulas.evaluate import (
    FormulaUse,
    check_figure_value_equals_formula,
    is_study_figure_value_equal_within_rounding,
    study_figure_formula_uses,
    study_figure_label_message_function,
    study_figure_rounding_tolerance,
)
from commonwatt.study.formulas.extents import (
    study_figure_basis_message,
    study_figure_scale_and_period_message,
)
from commonwatt.study.measures import EFFECT_FIGURES, FUNDING_EFFECT
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import ROOT
from commonwatt.study.result import BaseCase, StudyResult
from commonwatt.study.stages.sites import (
    CELL,
    EVERY_SITE,
    StudyCostedSite,
    StudyInputOwner,
    study_cost_input_site_titles_text,
    study_input_four_digit_text,
)
from commonwatt.treasury.usecases.countries import open_treasury_country

SHIPPED_EXAMPLES: Mapping[str, str] = {
    EXAMPLE_PROJECT: "shipped example project, data/sandbox/example: made-up patients, its README",
    EXAMPLE_MODELS: "shipped example models, data/clinic/example_models.yaml: drawn by the seed",
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
    # Before "alternatives", which it starts with: the first that fits is taken.
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
# By the first part of a node's name, in the order of the appendix.
GROUPS: Final[Mapping[str, Message]] = {
    "figure": Message("Figures and their formulas"),
    CELL: Message("Inputs of the cost, with their sources"),
    ROOT: Message("What the programme file states"),
    "country": Message("Sources of the country's accounts"),
    "input": Message("Files that were read"),
    "shipped": Message("Examples that are shipped"),
    "table": Message("Tables of the run"),
    "stage": Message("Steps of the computation"),
}
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
        extent: How much it is of and of which time; None for an input.
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
    extent: Message | None = None
    inputs: list[str] = field(default_factory=list[str])

    def extent_and_basis_text_or_empty(self, language: str = "en") -> str:
        """Return scale, period and basis, as they stand beside the value; nothing for an input."""
        if self.use is None or self.extent is None:
            return ""
        basis = study_figure_basis_message(self.use).translate(language)
        return f"{self.extent.translate(language)}; {basis}"

    def shown_text(self, language: str = "en") -> str:
        """Return the value with its unit, as the report shows it."""
        if self.use is None:
            return self.shown
        return measure_value_text(
            self.value, self.use.formula.form, language, currency=self.currency
        )

    def formula_sentence_or_empty(self, language: str = "en") -> str:
        """Return how it follows from its inputs, in a sentence; nothing for an input."""
        sentence = self.use.formula.sentence if self.use else self.sentence
        return sentence.translate(language) if sentence else ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as the run's manifest keeps it, in English."""
        use = self.use
        return {
            "name": self.name,
            "label": str(self.label),
            "value": self.value,
            "shown": self.shown_text(),
            "unit": use.unit.replace(CURRENCY, self.currency) if use else "",
            "extent": str(self.extent or ""),
            "basis": str(study_figure_basis_message(use)) if use else "",
            "formula": self.formula_sentence_or_empty(),
            "expression": use.expression if use else "",
            "tables": list(use.formula.tables) if use else [],
            "table": self.table,
            "source": self.source,
            "dated": self.dated,
            "confidence": self.confidence,
            "inputs": self.inputs,
        }


def study_figure_and_input_nodes(
    programme: Programme,
    result: StudyResult,
    compared: Comparison | None,
    basis: StudyBasis,
    written: Mapping[str, WrittenTable],
    stages: StageStore,
) -> list[FigureNode]:
    """Return every figure and every input of a study; inputs of a node are among them.

    Args:
        programme: The programme.
        result: What its stages computed.
        compared: Its alternatives.
        basis: What the figures are evaluated over.
        written: Every table of the run as it was written, those of the basis among them.
        stages: The stages that the run opened.

    Raises:
        IdentityError: A figure has no formula, or its formula gives another value.
    """
    tables, lineage_by_key = (
        {name: table.frame for name, table in written.items()},
        stages.lineage_by_key,
    )
    options = compared.alternatives if compared else []
    nodes = [
        *_programme_file_figure_nodes(programme),
        *_programme_stated_input_figure_nodes(programme),
        *_programme_cost_input_figure_nodes(
            programme,
            [result.base_case.sites or [], *(option.base_case.sites or [] for option in options)],
        ),
        *(_alternative_change_figure_node(programme, option) for option in options),
    ]
    unique = {node.name: node for node in nodes}
    for node in (
        *_study_stage_figure_nodes(result, compared, lineage_by_key, unique),
        *_example_stage_figure_nodes(lineage_by_key),
        *_run_table_figure_nodes(tables, basis, result, compared, lineage_by_key, unique),
        *_evaluated_figure_nodes(result, compared, written, stages),
    ):
        unique[node.name] = node
    return list(unique.values())


def study_figure_origins_of_nodes(
    nodes: list[FigureNode], words: Mapping[str, str], language: str
) -> list[FigureOrigin]:
    """Return the nodes as the report shows them."""
    labels = {node.name: _study_figure_label_text(node, words, language) for node in nodes}
    return [
        FigureOrigin(
            name=node.name,
            group=_figure_node_group_message(node).translate(language),
            label=labels[node.name],
            shown=node.shown_text(language),
            face=node.extent_and_basis_text_or_empty(language),
            formula=node.formula_sentence_or_empty(language),
            expression=node.use.expression if node.use else "",
            source="; ".join(t for t in (node.source, node.dated, node.confidence) if t),
            inputs=[(name, labels[name]) for name in node.inputs],
            on_paper=_figure_node_group_message(node) in (GROUPS[CELL], GROUPS["country"]),
        )
        # What a reader looks for first stands first: the figures, then what was put in.
        for node in sorted(
            nodes, key=lambda node: list(GROUPS.values()).index(_figure_node_group_message(node))
        )
    ]


def _figure_node_group_message(node: FigureNode) -> Message:
    """Return what kind of thing a node is."""
    if node.use is not None:
        return GROUPS["figure"]
    # The change of an alternative is written in the programme file as everything else there is.
    kind = node.name.split(".", maxsplit=1)[0]
    return GROUPS.get(kind, GROUPS[ROOT])


def _study_figure_label_text(node: FigureNode, words: Mapping[str, str], language: str) -> str:
    values = {
        key: words.get(value) or translate(value, language)
        for key, value in node.label.values.items()
    }
    return Message(node.label.text, values).translate(language)


def _programme_file_figure_nodes(programme: Programme) -> Iterator[FigureNode]:
    """Yield every file that has a say; those of a country state their sources themselves."""
    source = programme.file.demand.source
    of_country = {file.name for file in programme.country_files}
    titles: Mapping[str, str] = (
        open_treasury_country(programme.country).sources if of_country else {}
    )
    for key, title in titles.items():
        yield FigureNode(
            name=f"country.sources.{key}",
            label=Message("Source {name}", {"name": key}),
            shown=title,
            source=title,
        )
    for file in programme.inputs:
        digest = f"sha256 {file.sha256}"
        yield FigureNode(
            name=f"input.{file.name}",
            label=Message("The file {name}", {"name": file.name}),
            shown=file.name,
            source=f"{source}; {digest}" if file == programme.trace and source else digest,
            inputs=[f"country.sources.{key}" for key in titles] if file.name in of_country else [],
        )


def _programme_stated_input_figure_nodes(programme: Programme) -> Iterator[FigureNode]:
    """Yield what the programme file itself states, with the sources that it names."""
    for stated in programme.file.stated_programme_inputs(ROOT):
        yield FigureNode(
            name=stated.name,
            label=Message("Programme: {key}", {"key": stated.name.removeprefix(f"{ROOT}.")}),
            value=stated.value if isinstance(stated.value, int | float | str) else None,
            shown=stated.stated_value_with_unit_text,
            source=stated.source or programme.path.name,
        )


def _programme_cost_input_figure_nodes(
    programme: Programme, groups: list[list[StudyCostedSite]]
) -> Iterator[FigureNode]:
    """Yield every sourced input of every site, once for each key."""
    inputs = {
        cost_input.key: cost_input
        for group in groups
        for site in group
        for cost_input in site.sourced_inputs_of_site_cost()
    }
    for item in inputs.values():
        # What the run measured is a figure with a formula, and no input with a source.
        if item.origin is CellOrigin.FLEET_RUN:
            continue
        low, mid, high = (
            study_input_four_digit_text(item.value.cost_input_quantile(q))
            for q in (0.05, 0.5, 0.95)
        )
        spread = "" if low == high else f" ({low} – {high})"
        owner = study_cost_input_site_titles_text(item.key, programme.file.sites)
        words = {"input": cost_input_label(item.name).text, "site": owner}
        yield FigureNode(
            name=f"{CELL}.{item.key.text}",
            label=Message("{input}, every site", {"input": words["input"]})
            if (item.key.owner, item.key.site) == (StudyInputOwner.LIBRARY, EVERY_SITE)
            else Message("{input}, {site}", words),
            value=item.value.cost_input_quantile(0.5),
            shown=f"{mid}{spread} {item.unit}",
            table="cost_cells",
            source=item.source,
            dated=item.dated,
            confidence=item.confidence,
        )


def _evaluated_figure_nodes(
    result: StudyResult,
    compared: Comparison | None,
    written: Mapping[str, WrittenTable],
    stages: StageStore,
) -> Iterator[FigureNode]:
    """Yield every figure, once its formula has given the value that was computed."""
    tables = {name: table.frame for name, table in written.items()}
    computed = _study_stage_figure_values_by_name(result, compared)
    currency = result.funding.data["currency"] if result.funding else ""
    uses = {use.name: use for use in study_figure_formula_uses(tables)}
    # Both ways: a figure that no formula gives is untraceable, and a formula without a figure would
    # never be checked.
    if set(uses) != set(computed):
        odd = sorted(set(uses) ^ set(computed))
        raise IdentityError(odd[0], found=Message("a figure without a formula, or the reverse"))
    # A check is no stage of the study, in no lineage of it.
    by_formula = cached_formula_value_by_figure_name(uses.values(), written, stages.beside())
    labels = study_figure_label_message_function(tables)
    for name, use in uses.items():
        # Cached is what the formula gives, and never that the two agree: that is asked each time.
        if not is_study_figure_value_equal_within_rounding(by_formula[name], computed[name]):
            rounding = study_figure_rounding_tolerance(use, tables)
            check_figure_value_equals_formula(
                name, computed[name], by_formula[name], rounding=rounding
            )
        yield FigureNode(
            name=name,
            label=labels(use),
            value=computed[name],
            use=use,
            currency=currency,
            table=use.formula.holds,
            extent=study_figure_scale_and_period_message(use, tables),
            inputs=[f"table.{table}" for table in use.formula.tables],
        )


def _study_stage_figure_values_by_name(
    result: StudyResult, compared: Comparison | None
) -> dict[str, float | None]:
    """Return the value of every figure as the stages computed it, by name."""
    fleet_data = result.base_case.fleet.data
    values = _study_fleet_figure_values_by_name(fleet_data) | _study_site_use_figure_values_by_name(
        "fleet", result.base_case
    )
    if result.cost is not None:
        for row in result.cost.data["sites"]:
            values[f"cost.{row['name']}.usd_per_gpu_hour"] = row["p50_usd_per_gpu_hour"]
    if result.placement is not None:
        plan = result.placement.data
        values |= {f"place.{key}": plan[key] for key in ("cost_usd", "carbon_t", "gap_share")}
    if result.funding is not None:
        values |= _study_funding_figure_values_by_name(result.funding.data)
        for row in result.base_case.capital:
            values[f"funding.{row['name']}.capital_usd_mn"] = row["capital_usd_mn"]
    if result.base_case.effect_stage is not None:
        last = result.base_case.effect_stage.data["last"]
        values |= {f"funding.{key}": last[key] for key in EFFECT_FIGURES}
    if compared is not None:
        values["comparison.cheaper_share"] = compared.best_cheaper_share
    for option in compared.alternatives if compared else []:
        above = f"alternative.{option.name}"
        values |= _study_site_use_figure_values_by_name(above, option.base_case)
        for row in option.base_case.capital:
            values[f"{above}.{row['name']}.capital_usd_mn"] = row["capital_usd_mn"]
        values |= {f"{above}.{key}": option.row[key] for key in FIGURES if key in option.row}
    return values


def _study_fleet_figure_values_by_name(fleet_data: Mapping[str, Any]) -> dict[str, float | None]:
    figures, everyone = fleet_data["metrics"], fleet_data["metrics"]["all"]
    return {
        "fleet.jobs": everyone["jobs"],
        "fleet.gpus": figures["gpus"],
        "fleet.utilisation_share": figures["utilisation_share"],
        "fleet.makespan_utilisation_share": figures["makespan_utilisation_share"],
        "fleet.mean_queue_delay_s": everyone["mean_queue_delay_s"],
        "fleet.p95_queue_delay_s": everyone["p95_queue_delay_s"],
        "fleet.fragmented_gpu_share": figures["fragmented_gpu_share"],
        "fleet.mean_rtt_ms": fleet_data["mean_rtt_ms"],
        "fleet.energy_kwh": figures["energy_kwh"],
        "fleet.energy_cost_usd": figures["cost_usd"],
        "fleet.carbon_kg": figures["carbon_kg"],
    }


def _study_site_use_figure_values_by_name(
    name_prefix: str, base: BaseCase
) -> dict[str, float | None]:
    """Return the use and the energy that the cost of each site was computed with."""
    keys = ("utilisation_share", "kwh_per_gpu_hour")
    # Not strict, because a programme without costs has measured sites and no costed ones.
    rows = zip(base.sites or [], base.fleet.data["measured"], strict=False)
    return {
        f"{name_prefix}.site.{costed_site.site.name}.{key}": row[key]
        for costed_site, row in rows
        for key in keys
    }


def _study_funding_figure_values_by_name(paid: Mapping[str, Any]) -> dict[str, float | None]:
    last = paid["years"][-1]
    return {
        "funding.capital_bn": paid["total_bn"],
        "funding.debt_with_gdp_share": last["debt_with_gdp_share"],
        "funding.debt_without_gdp_share": last["debt_without_gdp_share"],
        "funding.fan_with_gdp_share": paid["fan_with"][-1]["q50"],
        "funding.fan_without_gdp_share": paid["fan_without"][-1]["q50"],
        "funding.ceiling_probability": paid["chances_with"][-1]["debt_over_ceiling_probability"],
    }


def _alternative_change_figure_node(programme: Programme, alternative: Alternative) -> FigureNode:
    return FigureNode(
        name=f"alternative.{alternative.name}.change",
        label=Message("What “{name}” changes", {"name": alternative.label}),
        shown="; ".join(programme.file.alternatives[alternative.name].change) or "–",
        source=programme.path.name,
    )


def study_stage_figure_name(name: str, key: str) -> str:
    """Return the name under which a stage stands among the figures of a run."""
    return f"stage.{name}.{key[:12]}"


def _study_stage_figure_nodes(
    result: StudyResult,
    compared: Comparison | None,
    lineage_by_key: Mapping[str, StageResult],
    known: Mapping[str, FigureNode],
) -> Iterator[FigureNode]:
    """Yield every stage with its edges, files and inputs, as the stages themselves recorded."""
    own = [stage for stage in (result.cost, result.placement, result.funding) if stage]
    of_variants: list[tuple[tuple[str, ...], list[StageResult]]] = [
        ((), [*result.base_case.stages, *result.compared_fleets, *own])
    ]
    if compared is not None:
        of_variants += [((option.name,), option.stages) for option in compared.alternatives]
        of_variants.append(((compared.best, compared.second), [compared.break_even_stage]))
    edges: dict[str, FigureNode] = {}
    whole: dict[str, FigureNode] = {}
    for variants, stages in of_variants:
        for stage in stages:
            whole.setdefault(stage.key, _stage_figure_node(stage, variants, known))
            _add_upstream_stage_figure_nodes_by_key(edges, stage, variants, lineage_by_key, known)
    yield from (edges | whole).values()


def _add_upstream_stage_figure_nodes_by_key(
    edges: dict[str, FigureNode],
    stage: StageResult,
    variants: Sequence[str],
    lineage_by_key: Mapping[str, StageResult],
    known: Mapping[str, FigureNode],
) -> None:
    """Add every stage that a stage took from, and those behind them, by their keys."""
    for name, key in stage.edges:
        if key not in edges:
            # A stage that was reused may have taken from one that this run never opened: its key
            # alone names it.
            behind = lineage_by_key.get(key, StageResult(data={}, name=name, key=key))
            edges[key] = _stage_figure_node(behind, variants, known)
            _add_upstream_stage_figure_nodes_by_key(edges, behind, variants, lineage_by_key, known)


def _example_stage_figure_nodes(lineage_by_key: Mapping[str, StageResult]) -> Iterator[FigureNode]:
    """Yield the stages of the examples, and the shipped examples that they walk."""
    for stage in lineage_by_key.values():
        if stage.name not in SHIPPED_EXAMPLES:
            continue
        shipped = FigureNode(
            name=f"shipped.{stage.name}",
            label=Message("Shipped: {name}", {"name": stage.name}),
            shown=stage.name,
            source=SHIPPED_EXAMPLES[stage.name],
        )
        yield shipped
        node = _stage_figure_node(stage, (), {})
        # The day alone is the programme's; the people and models are made up and shipped.
        yield replace(node, inputs=[shipped.name, *(name for name, _ in stage.stated)])


def _stage_figure_node(
    stage: StageResult, variants: Sequence[str], known: Mapping[str, FigureNode]
) -> FigureNode:
    """Return a stage of the programme, or of alternatives, which state some inputs anew."""
    names = dict.fromkeys(f"input.{file}" for file, _ in stage.files)
    for name, shown in stage.stated:
        # The number alone is compared: one text has its spread and its unit behind it and the other
        # has not.
        moved = name not in known or known[name].shown.split(" ")[0] != shown.split(" ")[0]
        anew = [f"alternative.{variant}.change" for variant in variants] if moved else []
        names |= dict.fromkeys(anew or [name])
    return FigureNode(
        name=study_stage_figure_name(stage.name, stage.key),
        label=Message("The stage {name}", {"name": stage.name}),
        shown=stage.name,
        source=f"stage {stage.key}",
        inputs=[
            *(study_stage_figure_name(*edge) for edge in stage.edges),
            *(name for name in names if name in known),
        ],
    )


def _run_table_figure_nodes(
    tables: Tables,
    basis: StudyBasis,
    result: StudyResult,
    compared: Comparison | None,
    lineage_by_key: Mapping[str, StageResult],
    known: Mapping[str, FigureNode],
) -> Iterator[FigureNode]:
    """Yield a node for each table of the run, from the stages that wrote it."""
    files = [name for name in known if name.startswith("input.")]
    of_wing: dict[str, list[StageResult | None]] = {
        "fleet": [result.base_case.fleet, *result.compared_fleets],
        "cost": [result.cost],
        "place": [result.placement],
        "funding": [
            result.funding,
            result.base_case.capital_stage,
        ],
        # Its rows are of every variant, and the wing's other tables are of the programme alone.
        FUNDING_EFFECT.name: [
            case.effect_stage
            for case in (
                result.base_case,
                *(option.base_case for option in (compared.alternatives if compared else [])),
            )
        ],
        "alternatives": list(compared.stages) if compared else [],
        "sandbox": [each for each in lineage_by_key.values() if each.name == EXAMPLE_PROJECT],
        "clinic": [each for each in lineage_by_key.values() if each.name == EXAMPLE_MODELS],
    }
    for name, frame in tables.items():
        wing = name.split("_", maxsplit=1)[0]
        wrote = basis.stages.get(name, tuple(of_wing.get(name, of_wing.get(wing, []))))
        stages = dict.fromkeys(
            study_stage_figure_name(stage.name, stage.key) for stage in wrote if stage
        )
        yield FigureNode(
            name=f"table.{name}",
            label=Message("The table {name}", {"name": name}),
            shown=f"{frame.height:,} × {frame.width}",
            sentence=_study_table_description_message(name),
            table=name,
            # The table of a what-if sets two runs side by side and is no stage's own.
            inputs=list(stages) or files,
        )


def _study_table_description_message(table: str) -> Message:
    starts = (sentence for start, sentence in TABLE_SENTENCES.items() if table.startswith(start))
    return next(starts, OF_EXAMPLES)
