"""What the figures of one alternative are evaluated over, beside the tables of its fleet run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from commonwatt.runs import InputFile, Stage, StageOutput, StageResult, StageStore
from commonwatt.study.programme.schema import FundingPart
from commonwatt.study.stages.basis import (
    study_cost_basis_tables,
    study_debt_path_basis_frame,
    study_funding_terms_basis_frame,
)
from commonwatt.study.stages.funding import (
    programme_capital_need_bn_by_year,
    programme_need_with_running_bn_by_year,
)
from commonwatt.study.stages.sites import StudyCostedSite
from commonwatt.study.tables import BASIS_ACCOUNTS, BASIS_TERMS
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.usecases.countries import open_treasury_country

WITH, RUNNING = "with", "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantStageInputs:
    """What the cost and the debt of an alternative are recomputed from.

    Args:
        variant: Name of the alternative, or of the programme itself.
        sites: Its sites with their cells and what was measured there.
        capital: Capital and running cost of each site, as their stage left them.
        measured: Where use and energy of the sites come from.
        part: Who borrows; None where nobody does, and for the programme itself, whose
            accounts its own funding stage writes.
        scale: GPUs built for each GPU simulated.
        country: Every file of the country's folder; none where nobody borrows.
        parts: Where what all alternatives share is cached.
    """

    variant: str
    sites: tuple[StudyCostedSite, ...]
    capital: StageOutput[list[dict[str, Any]]]
    measured: StageOutput[Any]
    part: FundingPart | None
    scale: float
    country: tuple[InputFile, ...]
    parts: StageStore = field(metadata={"decides": False}, repr=False)


def compute_variant_borrowing_and_debt_shares(inputs: VariantStageInputs) -> StageResult:
    """Return what an alternative does to the public debt, and its inputs, terms and accounts.

    Where nobody borrows, the data are empty.
    """
    tables = study_cost_basis_tables(inputs.variant, inputs.sites, inputs.scale)
    if inputs.part is None:
        return StageResult(data={}, tables=tables)
    part, country = inputs.part, open_treasury_country(str(inputs.country[0].path.parent))
    need = programme_capital_need_bn_by_year(inputs.capital.value, part, inputs.parts)
    # Renting borrows almost nothing and pays more each year; only with the running cost borrowed,
    # too, do the two compare.
    running = programme_need_with_running_bn_by_year(need, inputs.capital.value, part)
    capital_path, running_path = (
        project_country_debt(country, years=part.years, extra_need=borrowed)
        for borrowed in (need, running)
    )
    accounts = [
        study_debt_path_basis_frame(inputs.variant, path, debt, borrowed, country.currency)
        for path, debt, borrowed in (
            (WITH, capital_path, need),
            (RUNNING, running_path, running),
        )
    ]
    # A number in any case, as the column is one; no debt is above it.
    ceiling = math.inf if country.ceiling is None else country.ceiling
    return StageResult(
        data={
            "borrowing_bn": sum(need.values()),
            "debt_gdp_share": capital_path.years[-1].debt_share,
            "debt_running_borrowed_gdp_share": running_path.years[-1].debt_share,
        },
        tables=tables
        | {
            BASIS_ACCOUNTS.name: pl.concat(accounts),
            BASIS_TERMS.name: study_funding_terms_basis_frame(inputs.variant, part, ceiling),
        },
    )


VARIANT_STAGE: Final = Stage(name="variant", compute=compute_variant_borrowing_and_debt_shares)
