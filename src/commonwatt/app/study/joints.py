"""The wings that follow the fleet, each fed by what came before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from commonwatt.app.fleet.simulation import FleetRun
from commonwatt.app.report import Section
from commonwatt.app.study.cost import cost_of_programme, cost_section, cost_tables
from commonwatt.app.study.funding import funding_of_programme, funding_section, funding_tables
from commonwatt.app.study.placement import place_programme, placement_section, placement_tables
from commonwatt.core.messages import Message
from commonwatt.scenario.programme import Programme


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """What one wing adds to a study."""

    tables: dict[str, pl.DataFrame]
    section: Callable[[str], Section]
    headline: dict[str, Any] = field(default_factory=dict[str, Any])


def joints(programme: Programme, run: FleetRun, tell: Callable[[Message], None]) -> Iterator[Joint]:
    """Yield what each further wing finds; a wing that the programme leaves out adds nothing."""
    tell(Message("Costing a GPU-hour at each site"))
    if (cost := cost_of_programme(programme, run)) is not None:
        yield Joint(
            tables=cost_tables(cost),
            section=lambda language: cost_section(cost, language),
            headline={
                "cost_usd_per_gpu_hour": {
                    row["site"]: row["p50_usd_per_gpu_hour"] for row in cost["sites"]
                }
            },
        )
    tell(Message("Placing the first week's load"))
    if (plan := place_programme(programme, run)) is not None:
        yield Joint(
            tables=placement_tables(plan),
            section=lambda language: placement_section(plan, language),
            headline={"placement_cost_usd": plan["cost_usd"], "placement_gap": plan["gap_share"]},
        )
    tell(Message("Drawing the debt path with and without the programme"))
    if (paid := funding_of_programme(programme)) is not None:
        last = paid["years"][-1]
        yield Joint(
            tables=funding_tables(paid),
            section=lambda language: funding_section(paid, language),
            headline={
                f"capital_{paid['currency'].lower()}_bn": paid["total_bn"],
                "debt_with_gdp_share": last["debt_with_gdp_share"],
                "debt_without_gdp_share": last["debt_without_gdp_share"],
            },
        )
