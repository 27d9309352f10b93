"""Every stage of a programme, each fed by the one before and computed only where it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from commonwatt.core.errors import InfeasibleError
from commonwatt.core.messages import Message
from commonwatt.runs import StageResult, StageStore
from commonwatt.study.programme.reader import Programme
from commonwatt.study.stages.cost import COST_STAGE, CostStageInputs, study_cost_stage_tables
from commonwatt.study.stages.demand import programme_scheduling_policies
from commonwatt.study.stages.effect import DEBT_EFFECT_STAGE
from commonwatt.study.stages.fleet import (
    cached_programme_fleet_stage_result,
    study_fleet_headline_by_figure_name,
)
from commonwatt.study.stages.funding import (
    CAPITAL_STAGE,
    FUNDING_STAGE,
    CapitalStageInputs,
    DebtPathStageInputs,
    study_funding_stage_tables,
)
from commonwatt.study.stages.placement import (
    PLACEMENT_STAGE,
    PlacementStageInputs,
    can_run_placement_stage,
    study_placement_stage_tables,
)
from commonwatt.study.stages.sites import StudyCostedSite, programme_costed_sites_or_none
from commonwatt.study.stages.variant import VARIANT_STAGE, VariantStageInputs
from commonwatt.study.tables import BASIS, PROGRAMME

ReportProgress = Callable[[Message], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCase:
    """What an alternative needs: the run, the cost of each site, the capital.

    Args:
        programme: The programme.
        fleet: The run under its own policy.
        sites: Its sites with their costs; None where one has neither cells nor rent.
        capital_stage: Capital and running cost by site; None where there are no costs.
        variant_stage: What its cost is recomputed from; None likewise.
        effect_stage: What its capital does to debt and reserves; None where nobody borrows.
    """

    programme: Programme
    fleet: StageResult
    sites: list[StudyCostedSite] | None
    capital_stage: StageResult | None
    variant_stage: StageResult | None
    effect_stage: StageResult | None

    @property
    def capital(self) -> list[dict[str, Any]]:
        """Capital and running cost by site; empty where there are no costs."""
        return self.capital_stage.data["rows"] if self.capital_stage is not None else []

    @property
    def stages(self) -> list[StageResult]:
        """Its stages, each once."""
        every = (self.fleet, self.capital_stage, self.variant_stage, self.effect_stage)
        return [stage for stage in every if stage is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """Everything that is computed of a programme itself; `absent` says why a part is None."""

    base_case: BaseCase
    compared_fleets: list[StageResult]
    cost: StageResult | None
    placement: StageResult | None
    funding: StageResult | None
    placement_error: InfeasibleError | None = None


def compute_programme_base_case(
    programme: Programme,
    stages: StageStore,
    report_progress: ReportProgress,
    variant: str = PROGRAMME,
) -> BaseCase:
    """Return a programme's run under its own policy, and what its sites cost.

    Args:
        programme: The programme, or one of its alternatives.
        stages: The stages cached from before.
        report_progress: Called with what is being done.
        variant: Name of the alternative.
    """
    programme_scheduling_policies(
        programme
    )  # a name that is not known is told by its place in the whole file
    fleet = cached_programme_fleet_stage_result(
        programme, programme.file.policy, stages, report_progress
    )
    sites = programme_costed_sites_or_none(programme, fleet.data["measured"])
    if sites is None:
        return BaseCase(
            programme=programme,
            fleet=fleet,
            sites=None,
            capital_stage=None,
            variant_stage=None,
            effect_stage=None,
        )
    part = programme.file.funding
    capital_inputs = CapitalStageInputs.of(sites, fleet, part)
    capital = stages.get_or_compute(CAPITAL_STAGE, capital_inputs)
    variant_inputs = VariantStageInputs(
        variant=variant,
        sites=capital_inputs.sites,
        # By its value and not its stage: a capital that comes out the same starts nothing anew.
        capital=capital.value("rows"),
        measured=capital_inputs.measured,
        part=None if variant == PROGRAMME else part,
        scale=capital_inputs.scale,
        country=() if variant == PROGRAMME else programme.country_files,
        parts=stages.beside(),
    )
    return BaseCase(
        programme=programme,
        fleet=fleet,
        sites=sites,
        capital_stage=capital,
        variant_stage=stages.get_or_compute(VARIANT_STAGE, variant_inputs),
        effect_stage=None
        if part is None
        else stages.get_or_compute(
            DEBT_EFFECT_STAGE, DebtPathStageInputs.of(capital, programme, part)
        ),
    )


def compute_study(
    programme: Programme, stages: StageStore, report_progress: ReportProgress
) -> StudyResult:
    """Return every stage of a programme; those cached from before are not computed again."""
    base = compute_programme_base_case(programme, stages, report_progress)
    compared = [
        cached_programme_fleet_stage_result(programme, policy, stages, report_progress)
        for policy in programme.file.compare
    ]
    cost = _study_cost_stage_or_none(base, stages, report_progress)
    placement, placement_error = _study_placement_stage_or_infeasible_error(
        base, stages, report_progress
    )
    return StudyResult(
        base_case=base,
        compared_fleets=compared,
        cost=cost,
        placement=placement,
        placement_error=placement_error,
        funding=_study_funding_stage_or_none(base, stages, report_progress),
    )


def _study_cost_stage_or_none(
    base: BaseCase, stages: StageStore, report_progress: ReportProgress
) -> StageResult | None:
    if base.sites is None:
        return None
    return stages.get_or_compute(
        COST_STAGE,
        CostStageInputs.of(
            base.sites, base.fleet, seed=base.programme.file.seed, parts=stages.beside()
        ),
        lambda: report_progress(Message("Costing a GPU-hour at each site")),
    )


def _study_placement_stage_or_infeasible_error(
    base: BaseCase, stages: StageStore, report_progress: ReportProgress
) -> tuple[StageResult | None, InfeasibleError | None]:
    """Return the placement, or why there is none where its limits cannot all hold."""
    if base.sites is None or not can_run_placement_stage(base.fleet):
        return None, None
    try:
        placed = stages.get_or_compute(
            PLACEMENT_STAGE,
            PlacementStageInputs.of(base.programme, base.sites, base.fleet),
            lambda: report_progress(Message("Placing the first week's load")),
        )
    except InfeasibleError as error:
        # The other parts stand without it; the report says what could not hold together.
        return None, error
    return placed, None


def _study_funding_stage_or_none(
    base: BaseCase, stages: StageStore, report_progress: ReportProgress
) -> StageResult | None:
    part = base.programme.file.funding
    if part is None or base.capital_stage is None:
        return None
    funding = stages.get_or_compute(
        FUNDING_STAGE,
        DebtPathStageInputs.of(base.capital_stage, base.programme, part),
        lambda: report_progress(Message("Drawing the debt path with and without the programme")),
    )
    # Added after the cache: running cost is part of it, decides no debt path here, and must not
    # make a new one.
    effect = base.effect_stage.data if base.effect_stage is not None else None
    return replace(funding, data=funding.data | {"capital": base.capital, "effect": effect})


def study_result_tables(result: StudyResult) -> dict[str, pl.DataFrame]:
    """Return every table of a picture."""
    fleet = result.base_case.fleet.tables
    # The basis is written apart, under the names of the variants that share a run.
    tables = {name: table for name, table in fleet.items() if name not in BASIS}
    rows = [
        tables["fleet_policies"],
        *(fleet.tables["fleet_policies"] for fleet in result.compared_fleets),
    ]
    # The programme's own policy stays first, where the check of a run looks for it.
    tables["fleet_policies"] = pl.concat(rows)
    if result.cost is not None:
        tables |= study_cost_stage_tables(result.cost.data)
    if result.placement is not None:
        tables |= study_placement_stage_tables(result.placement.data)
    if result.funding is not None:
        tables |= study_funding_stage_tables(result.funding.data)
    return tables


def study_headline_value_by_figure_name(result: StudyResult) -> dict[str, Any]:
    """Return the figures that people quote of a picture."""
    facts = study_fleet_headline_by_figure_name(result.base_case.fleet)
    if result.cost is not None:
        facts["cost_usd_per_gpu_hour"] = {
            row["site"]: row["p50_usd_per_gpu_hour"] for row in result.cost.data["sites"]
        }
    if result.placement is not None:
        plan = result.placement.data
        facts |= {"placement_cost_usd": plan["cost_usd"], "placement_gap": plan["gap_share"]}
    if result.funding is not None:
        paid = result.funding.data
        facts |= {
            f"capital_{paid['currency'].lower()}_bn": paid["total_bn"],
            "debt_with_gdp_share": paid["years"][-1]["debt_with_gdp_share"],
            "debt_without_gdp_share": paid["years"][-1]["debt_without_gdp_share"],
        }
    return facts
