"""What the capital of a programme does to debt and reserves: as planned, and draw by draw.

Debt alone is one side of a balance. Where the issues of a plan are published, bonds of the
programme that fall due are repaid from the reserves, so that the debt of the last year shows
about half of what was spent. Both sides are therefore taken from the same two paths, and the
net effect is what debt rises by and reserves fall by.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from commonwatt.runs import Stage, StageResult
from commonwatt.study.stages.funding import DebtPathStageInputs
from commonwatt.study.tables import BASIS_EFFECTS
from commonwatt.treasury.engines.projection import Projection
from commonwatt.treasury.usecases.finance import FundingPaths

F64 = npt.NDArray[np.float64]
Row = dict[str, Any]
SIDES: Final = ("gross_debt_effect", "reserves_effect", "net_debt_effect")
QUANTILES: Final = (("p5", 0.05), ("p50", 0.5), ("p95", 0.95))


def compute_programme_debt_effect(inputs: DebtPathStageInputs) -> StageResult:
    """Return the effect by year, its figures in the last year, and that year of every path.

    No name of an alternative decides it, so that two that borrow the same are drawn once.
    """
    paths = inputs.debt_paths()
    years = programme_debt_effect_rows_by_year(paths)
    last = {key: value for key, value in years[-1].items() if key != "fiscal_year"}
    gross, reserves = _drawn_debt_and_reserve_effects_gdp_share(paths, len(years) - 1)
    count = len(gross)
    return StageResult(
        data={
            "years": years,
            # The median of the draws stands in the table by year: beside the planned figure of the
            # last year it would be a second answer to one question.
            "last": {key: value for key, value in last.items() if "_p50_" not in key},
        },
        tables={
            BASIS_EFFECTS.name: BASIS_EFFECTS.build_frame(
                # Filled where the tables are gathered: the stage knows no alternative.
                variant=[""] * count,
                path=np.arange(count),
                gross_gdp_share=gross,
                reserves_gdp_share=[None] * count if reserves is None else reserves,
            )
        },
    )


DEBT_EFFECT_STAGE: Final = Stage(name="debt-effect", compute=compute_programme_debt_effect)


def programme_debt_effect_rows_by_year(paths: FundingPaths) -> list[Row]:
    """Return, year by year, what a need does to gross debt, to reserves and to both together.

        net = (debt with − debt without) − (reserves with − reserves without)

    Planned effects are in bn of the currency and as shares of that year's GDP. A band holds
    the quantiles of the difference in each draw: the two paths of a draw share their shocks,
    and the difference of their quantiles would be no quantile of anything.
    """
    with_need, without = paths.with_need.projection, paths.without_need.projection
    return [
        {"fiscal_year": with_need.years[year].name}
        | _planned_debt_effects_row(with_need, without, year)
        | _drawn_debt_effect_quantiles_row(paths, year)
        for year in range(len(with_need.years))
    ]


def _planned_debt_effects_row(with_need: Projection, without: Projection, year: int) -> Row:
    after, before = with_need.years[year], without.years[year]
    gross = after.debt - before.debt
    reserves = (
        None
        if after.reserves is None or before.reserves is None
        else after.reserves - before.reserves
    )
    # A country without reserves borrows every need in full, so that its debt is the whole effect.
    effects = dict(zip(SIDES, (gross, reserves, gross - (reserves or 0.0)), strict=True))
    return {f"{side}_bn": effect for side, effect in effects.items()} | {
        f"{side}_gdp_share": None if effect is None else effect / after.gdp
        for side, effect in effects.items()
    }


def _drawn_debt_effect_quantiles_row(paths: FundingPaths, year: int) -> Row:
    gross, reserves = _drawn_debt_and_reserve_effects_gdp_share(paths, year)
    net = gross if reserves is None else gross - reserves
    return {
        f"{side}_{name}_gdp_share": None if drawn is None else float(np.quantile(drawn, level))
        for side, drawn in zip(SIDES, (gross, reserves, net), strict=True)
        for name, level in QUANTILES
    }


def _drawn_debt_and_reserve_effects_gdp_share(
    paths: FundingPaths, year: int
) -> tuple[F64, F64 | None]:
    """Return what the need does to debt and to reserves in each draw of a year [share of GDP]."""
    with_need, without = paths.with_need.paths, paths.without_need.paths
    gross = with_need.debt[year].astype(np.float64) - without.debt[year]
    if paths.with_need.projection.country.reserves is None:
        return gross, None
    return gross, with_need.reserves[year].astype(np.float64) - without.reserves[year]
