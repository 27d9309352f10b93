"""From the capital that the sites need to the debt path with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from commonwatt.core.errors import IdentityError
from commonwatt.core.jit import plain_python_kernels_if_small_work
from commonwatt.core.messages import Message
from commonwatt.runs import InputFile, Stage, StageOutput, StageResult, StageStore
from commonwatt.siting.engines.cost.model import (
    HOURS,
    levelised_usd_per_gpu_hour_by_part,
    useful_gpu_hours_per_year,
)
from commonwatt.siting.usecases.cost import capital_usd_per_gpu
from commonwatt.study.measures import (
    FUNDING_CAPITAL,
    FUNDING_FAN_WITH,
    FUNDING_FAN_WITHOUT,
    FUNDING_YEARS,
)
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import FundingPart
from commonwatt.study.stages.basis import study_funding_basis_tables
from commonwatt.study.stages.money import (
    CurrencyPerUsd,
    study_currency_bn_of_usd_mn,
    study_usd_mn_total,
)
from commonwatt.study.stages.sites import StudyCostedSite
from commonwatt.study.stages.views import funding_part_view_with_scale_only
from commonwatt.study.tables import PROGRAMME
from commonwatt.treasury.engines.finance.construction import financed_construction_s_curve_shares
from commonwatt.treasury.usecases.countries import open_treasury_country
from commonwatt.treasury.usecases.fan import FanOptions
from commonwatt.treasury.usecases.finance import (
    FundingPaths,
    country_debt_rows_with_and_without_need,
    debt_paths_with_funding_need,
)

Answer = dict[str, Any]
EVER = "ever"  # the row of chances over all years
# Not the charges of servers, shell and land: their capital is borrowed, and would be paid twice.
RUNNING_COST_PARTS = ("energy", "staff", "upkeep", "network", "spares", "holding")


def programme_capital_and_running_cost_rows(
    sites: list[StudyCostedSite], scale: float
) -> list[dict[str, Any]]:
    """Return the capital need and the yearly running cost of each site.

    A rented site needs no capital; its rent is a running cost, in full each year where
    it is reserved.

    Args:
        sites: The sites.
        scale: GPUs built for each GPU simulated.
    """
    rows: list[dict[str, Any]] = []
    for site in sites:
        gpus = site.site.gpus * scale
        each = 0.0 if site.cells is None else capital_usd_per_gpu(site.cells)
        rows.append(
            {
                "site": str(site.site.title),
                "name": site.site.name,
                "gpus": gpus,
                "capital_usd_per_gpu": each,
                "capital_usd_mn": gpus * each / 1e6,
                "running_usd_mn_a_year": gpus * study_running_cost_usd_per_gpu_year(site) / 1e6,
            }
        )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class CapitalStageInputs:
    """What decides capital and running cost of each site.

    Args:
        sites: Each site with its cells and what was measured there.
        measured: Where use and energy of the sites come from.
        scale: GPUs built for each GPU simulated.
        part: Where that scale is stated; None where nobody borrows.
    """

    sites: tuple[StudyCostedSite, ...]
    measured: StageOutput[Any]
    scale: float
    part: FundingPart | None

    @classmethod
    def of(
        cls, sites: Sequence[StudyCostedSite], fleet: StageResult, part: FundingPart | None
    ) -> CapitalStageInputs:
        """Return the inputs that a fleet run leaves for the sites."""
        return cls(
            sites=tuple(sites),
            measured=fleet.value("measured"),
            scale=part.scale if part else 1.0,
            part=part and funding_part_view_with_scale_only(part),
        )


def compute_site_capital_and_running_cost(inputs: CapitalStageInputs) -> StageResult:
    """Return capital and running cost of each site, and of them what is borrowed."""
    rows = programme_capital_and_running_cost_rows(list(inputs.sites), inputs.scale)
    # Apart from the rest, because a change of running cost must not draw the debt paths anew.
    borrowed = ("site", "name", "gpus", "capital_usd_per_gpu", "capital_usd_mn")
    return StageResult(
        data={"rows": rows, "borrowed": [{key: row[key] for key in borrowed} for row in rows]}
    )


CAPITAL_STAGE = Stage(name="capital", compute=compute_site_capital_and_running_cost)


def study_running_cost_usd_per_gpu_year(site: StudyCostedSite) -> float:
    """Return what a GPU costs a year beside its capital, at the measured use [USD/year]."""
    if site.cells is None:
        return HOURS * site.use * site.gpu_hour_usd()
    inputs = site.cells.median_cost_inputs()
    parts = levelised_usd_per_gpu_hour_by_part(inputs)
    # The use that the fleet run measured, and not the median of the cells, which may have been
    # moved apart from it: the charges of a year are earned in the hours that were really used.
    at_its_use = inputs._replace(utilisation_share=float(site.use))
    with plain_python_kernels_if_small_work(is_small=True):
        useful = useful_gpu_hours_per_year(at_its_use)
    return useful * sum(parts[name] for name in RUNNING_COST_PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstructionCurveStageInputs:
    """What decides how the cost of building falls on its years."""

    build_years: int
    steepness: float

    @classmethod
    def of(cls, part: FundingPart) -> Self:
        """Return what a funding states of the building."""
        return cls(build_years=part.build_years, steepness=part.steepness)


def compute_construction_cost_shares_per_year(inputs: ConstructionCurveStageInputs) -> StageResult:
    """Return the share of the cost that falls in each year of building."""
    shares = financed_construction_s_curve_shares(inputs.build_years, inputs.steepness)
    return StageResult(data={"shares": list(shares)})


CONSTRUCTION_CURVE_STAGE = Stage(
    name="construction-curve", compute=compute_construction_cost_shares_per_year
)


def programme_capital_need_bn_by_year(
    capital: list[dict[str, Any]], part: FundingPart, parts: StageStore | None = None
) -> dict[int, float]:
    """Return the capital need by calendar year, bn of the country's currency.

    Args:
        capital: Capital of each site.
        part: Who borrows, and when.
        parts: Where the curve of the building is cached, whose law takes longer to load than all
            else here; without it nowhere.

    Raises:
        IdentityError: The years do not add up to the whole: a bug.
    """
    total = study_currency_bn_of_usd_mn(
        study_usd_mn_total(row["capital_usd_mn"] for row in capital),
        CurrencyPerUsd(part.currency_per_usd),
    )
    curve_inputs = ConstructionCurveStageInputs.of(part)
    stage = (
        compute_construction_cost_shares_per_year(curve_inputs)
        if parts is None
        else parts.get_or_compute(CONSTRUCTION_CURVE_STAGE, curve_inputs)
    )
    curve: list[float] = stage.data["shares"]
    need = {part.first_year + k: total * share for k, share in enumerate(curve)}
    check_study_parts_sum_to_whole("capital by year", sum(need.values()), total)
    return need


def check_study_parts_sum_to_whole(what: str, parts: float, whole: float) -> None:
    """Raise where parts do not add up to their whole.

    Raises:
        IdentityError: They do not: a bug.
    """
    if abs(parts - whole) > 1e-9 * max(abs(whole), 1e-9):
        raise IdentityError(what, found=Message("a conservation law that does not close"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtPathStageInputs:
    """What decides the debt path with and without a programme's capital.

    Args:
        capital: Capital need of each site, as its stage left it; running cost is not in this
            path.
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

    def capital_need_bn_by_year(self) -> dict[int, float]:
        """Return the capital need of each year, in bn of the country's currency."""
        return programme_capital_need_bn_by_year(self.capital.value, self.part)

    def debt_paths(self) -> FundingPaths:
        """Return the planned path and every drawn one, with the need and without it."""
        part = self.part
        return debt_paths_with_funding_need(
            open_treasury_country(str(self.country[0].path.parent)),
            self.capital_need_bn_by_year(),
            FanOptions(paths=part.paths, years=part.years, seed=self.seed),
        )


def compute_study_capital_and_debt_paths(inputs: DebtPathStageInputs) -> StageResult:
    """Return the capital need by site and year, and the debt path with and without it."""
    part, paths = inputs.part, inputs.debt_paths()
    answer = country_debt_rows_with_and_without_need(paths)
    # The chance of the last year, and not that of any year: a label that names a year must not
    # show the larger of the two.
    for name in ("chances_with", "chances_without"):
        answer[name] = [row for row in answer[name] if row["fiscal_year"] != EVER]
    return StageResult(
        data=answer
        | {"total_bn": sum(inputs.capital_need_bn_by_year().values()), "source": part.source},
        tables=study_funding_basis_tables(PROGRAMME, paths, part),
    )


FUNDING_STAGE = Stage(name="funding", compute=compute_study_capital_and_debt_paths)


def programme_need_with_running_bn_by_year(
    need: dict[int, float], capital: list[dict[str, Any]], part: FundingPart
) -> dict[int, float]:
    """Return the need if every year's running cost after building is borrowed, too."""
    yearly = study_currency_bn_of_usd_mn(
        study_usd_mn_total(row["running_usd_mn_a_year"] for row in capital),
        CurrencyPerUsd(part.currency_per_usd),
    )
    # Nothing runs, and so nothing is paid for running, before the building is done.
    opened = part.first_year + part.build_years
    years = range(opened, part.first_year + part.years)
    return {year: need.get(year, 0.0) for year in need} | {
        year: need.get(year, 0.0) + yearly for year in years
    }


def study_funding_stage_tables(answer: Answer) -> dict[str, pl.DataFrame]:
    """Return the tables of the funding joint."""
    years = FUNDING_YEARS.in_currency(answer["currency"])
    return {
        FUNDING_CAPITAL.name: FUNDING_CAPITAL.frame_from_rows(answer["capital"]),
        FUNDING_YEARS.name: years.frame_from_rows(answer["years"]),
        FUNDING_FAN_WITH.name: FUNDING_FAN_WITH.frame_from_rows(answer["fan_with"]),
        FUNDING_FAN_WITHOUT.name: FUNDING_FAN_WITHOUT.frame_from_rows(answer["fan_without"]),
    }
