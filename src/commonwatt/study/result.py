"""Every stage of a programme, each fed by the one before and computed only where it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.runs import StageResult, StageStore
from commonwatt.study.programme.reader import Programme
from commonwatt.study.stages.cost import DRAWS, cost_stage, cost_tables
from commonwatt.study.stages.fleet import COST_ONLY_KEYS, fleet_facts, fleet_stage, policies_of
from commonwatt.study.stages.funding import (
    capital_rows,
    funding_decides,
    funding_stage,
    funding_tables,
)
from commonwatt.study.stages.placement import can_place, place_stage, placement_tables
from commonwatt.study.stages.sites import CostedSite, costed_sites

ReportProgress = Callable[[Message], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCase:
    """What an alternative needs: the run, the cost of each site, the capital.

    Args:
        programme: The programme.
        fleet: The run under its own policy.
        sites: Its sites with their costs; None where one has neither cells nor rent.
        capital: Capital and running cost by site; empty where there are no costs.
    """

    programme: Programme
    fleet: StageResult
    sites: list[CostedSite] | None
    capital: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """Everything that is computed of a programme itself; None where it leaves a wing out."""

    base_case: BaseCase
    compared_fleets: list[StageResult]
    cost: StageResult | None
    placement: StageResult | None
    funding: StageResult | None


def compute_base_case(
    programme: Programme, stages: StageStore, report_progress: ReportProgress
) -> BaseCase:
    """Return a programme's run under its own policy, and what its sites cost."""
    fleet = fleet_stage(programme, policies_of(programme)[0], stages, report_progress)
    sites = costed_sites(programme, fleet.data["measured"])
    funding = programme.file.funding
    return BaseCase(
        programme=programme,
        fleet=fleet,
        sites=sites,
        capital=capital_rows(sites, funding.scale if funding else 1.0) if sites else [],
    )


def compute_study(
    programme: Programme, stages: StageStore, report_progress: ReportProgress
) -> StudyResult:
    """Return every stage of a programme; those kept from before are not computed again."""
    found = compute_base_case(programme, stages, report_progress)
    others = [
        fleet_stage(programme, one, stages, report_progress) for one in policies_of(programme)[1:]
    ]
    return StudyResult(
        base_case=found,
        compared_fleets=others,
        cost=_cost(found, stages, report_progress),
        placement=_place(found, stages, report_progress),
        funding=_funding(found, stages, report_progress),
    )


def _cost(found: BaseCase, stages: StageStore, tell: ReportProgress) -> StageResult | None:
    sites, seed = found.sites, found.programme.file.seed
    if sites is None:
        return None

    def compute() -> StageResult:
        tell(Message("Costing a GPU-hour at each site"))
        return cost_stage(sites, seed)

    decides = {"sites": _sites_decide(found), "draws": DRAWS, "seed": seed}
    return stages.get("cost", decides, compute)


def _sites_decide(found: BaseCase) -> list[dict[str, Any]]:
    """Return what decides the cost of each site, what was measured among it."""
    return [
        {"measured": row, "pue": part.pue, "title": str(part.title), "source": part.source}
        | part.model_dump(mode="json", include=COST_ONLY_KEYS)
        for part, row in zip(found.programme.built, found.fleet.data["measured"], strict=True)
    ]


def _place(found: BaseCase, stages: StageStore, tell: ReportProgress) -> StageResult | None:
    sites, programme = found.sites, found.programme
    if sites is None or not can_place(found.fleet):
        return None

    def compute() -> StageResult:
        tell(Message("Placing the first week's load"))
        return place_stage(programme, sites, found.fleet)

    file = programme.file
    decides: dict[str, Any] = {
        "sites": _sites_decide(found),
        "parts": [part.model_dump(mode="json") for part in programme.built],
        "series": [
            [site.price_usd_per_mwh.tolist(), site.carbon_g_per_kwh.tolist()]
            for site in programme.sites
        ],
        "load": found.fleet.tables["fleet_load"]["held_gpus"].to_list(),
        "gpus": [part.model_dump(mode="json") for part in file.gpus],
        "tenants": [part.model_dump(mode="json") for part in file.tenants],
        "names": found.fleet.data["tenants"],
        "places": [part.name for part in file.sites],
        "latency": [part.model_dump(mode="json") for part in file.latency],
    }
    return stages.get("placement", decides, compute)


def _funding(found: BaseCase, stages: StageStore, tell: ReportProgress) -> StageResult | None:
    part, seed = found.programme.file.funding, found.programme.file.seed
    if part is None or not found.capital:
        return None

    def compute() -> StageResult:
        tell(Message("Drawing the debt path with and without the programme"))
        return funding_stage(found.capital, part, seed)

    kept = stages.get("funding", funding_decides(found.capital, part, seed), compute)
    return replace(kept, data=kept.data | {"capital": found.capital})


def study_tables(result: StudyResult) -> dict[str, pl.DataFrame]:
    """Return every table of a picture."""
    tables = dict(result.base_case.fleet.tables)
    rows = [
        tables["fleet_policies"],
        *(one.tables["fleet_policies"] for one in result.compared_fleets),
    ]
    tables["fleet_policies"] = pl.concat(rows)
    if result.cost is not None:
        tables |= cost_tables(result.cost.data)
    if result.placement is not None:
        tables |= placement_tables(result.placement.data)
    if result.funding is not None:
        tables |= funding_tables(result.funding.data)
    return tables


def study_facts(result: StudyResult) -> dict[str, Any]:
    """Return the figures that people quote of a picture."""
    facts = fleet_facts(result.base_case.fleet)
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
