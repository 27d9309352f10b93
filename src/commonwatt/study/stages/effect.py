"""What the capital of a programme does to debt and reserves: as planned, and draw by draw.

Debt alone is one side of a balance. Where the issues of a plan are published, bonds of the
programme that fall due are repaid from the reserves, so that the debt of the last year shows
about half of what was spent. Both sides are therefore taken from the same two paths, and the
net effect is what debt rises by and reserves fall by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from commonwatt.runs import InputFile, Stage, StageOutput, StageResult
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import FundingPart
from commonwatt.study.stages.funding import programme_capital_need_bn_by_year
from commonwatt.study.tables import BASIS_EFFECTS
from commonwatt.treasury.engines.projection import Projection
from commonwatt.treasury.usecases.countries import open_treasury_country
from commonwatt.treasury.usecases.fan import FanOptions
from commonwatt.treasury.usecases.finance import FundingPaths, debt_paths_with_funding_need

F64 = npt.NDArray[np.float64]
Row = dict[str, Any]
SIDES: Final = ("gross_debt_effect", "reserves_effect", "net_debt_effect")
QUANTILES: Final = (("p5", 0.05), ("p50", 0.5), ("p95", 0.95))


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtEffectStageInputs:
    """What decides what a capital need does to debt and reserves.

    No name of an alternative is among it, so that two that borrow the same are drawn once.

    Args:
        capital: Capital need of each site; running cost is not in this path.
        part: Who borrows, and when.
        country: Every file of the country's folder.
        seed: Seed of the stochastic paths.
    """

    capital: StageOutput[list[dict[str, Any]]]
    part: FundingPart
    country: tuple[InputFile, ...]
    seed: int

    @classmethod
    def of(cls, capital: StageResult, programme: Programme, part: FundingPart) -> Self:
        """Return the inputs that the capital of the sites leaves."""
        return cls(
            capital=capital.value("borrowed"),
            part=part,
            country=programme.country_files,
            seed=programme.file.seed,
        )


def compute_debt_effect(inputs: DebtEffectStageInputs) -> StageResult:
    """Return the effect by year, its figures in the last year, and that year of every path."""
    part = inputs.part
    country = open_treasury_country(str(inputs.country[0].path.parent))
    paths = debt_paths_with_funding_need(
        country,
        programme_capital_need_bn_by_year(inputs.capital.value, part),
        FanOptions(paths=part.paths, years=part.years, seed=inputs.seed),
    )
    years = debt_effect_rows(paths)
    last = {key: value for key, value in years[-1].items() if key != "fiscal_year"}
    gross, reserves = _drawn_effects_gdp_share(paths, len(years) - 1)
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


DEBT_EFFECT_STAGE: Final = Stage(name="debt-effect", compute=compute_debt_effect)


def debt_effect_rows(paths: FundingPaths) -> list[Row]:
    """Return, year by year, what a need does to gross debt, to reserves and to both together.

        net = (debt with − debt without) − (reserves with − reserves without)

    Planned effects are in bn of the currency and as shares of that year's GDP. A band holds
    the quantiles of the difference in each draw: the two paths of a draw share their shocks,
    and the difference of their quantiles would be no quantile of anything.
    """
    with_need, without = paths.with_need.projection, paths.without_need.projection
    return [
        {"fiscal_year": with_need.years[year].name}
        | _planned_effects(with_need, without, year)
        | _drawn_effect_quantiles(paths, year)
        for year in range(len(with_need.years))
    ]


def _planned_effects(with_need: Projection, without: Projection, year: int) -> Row:
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


def _drawn_effect_quantiles(paths: FundingPaths, year: int) -> Row:
    gross, reserves = _drawn_effects_gdp_share(paths, year)
    net = gross if reserves is None else gross - reserves
    return {
        f"{side}_{name}_gdp_share": None if drawn is None else float(np.quantile(drawn, level))
        for side, drawn in zip(SIDES, (gross, reserves, net), strict=True)
        for name, level in QUANTILES
    }


def _drawn_effects_gdp_share(paths: FundingPaths, year: int) -> tuple[F64, F64 | None]:
    """Return what the need does to debt and to reserves in each draw of a year [share of GDP]."""
    with_need, without = paths.with_need.paths, paths.without_need.paths
    gross = with_need.debt[year].astype(np.float64) - without.debt[year]
    if paths.with_need.projection.country.reserves is None:
        return gross, None
    return gross, with_need.reserves[year].astype(np.float64) - without.reserves[year]
