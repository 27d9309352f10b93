"""From the capital that the sites need to the debt path with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from commonwatt.catalogue.bands import BAND_90
from commonwatt.catalogue.measures import measure_cell_text, measure_value_text
from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.report import (
    ReportFact,
    ReportFigure,
    ReportSection,
    ReportTable,
    report_fact,
    report_table_of_rows,
)
from commonwatt.runs import InputFile, Stage, StageOutput, StageResult
from commonwatt.siting.engines.cost.model import (
    HOURS,
    levelised_cost_by_part,
    useful_gpu_hours_per_year,
)
from commonwatt.siting.usecases.cost import capital_usd_per_gpu
from commonwatt.study.measures import (
    CEILING_CHANCE_WITH,
    CEILING_CHANCE_WITHOUT,
    DEBT_GDP_WITH_MEDIAN,
    DEBT_GDP_WITHOUT_MEDIAN,
    FUNDING_CAPITAL,
    FUNDING_FAN_WITH,
    FUNDING_FAN_WITHOUT,
    FUNDING_YEARS,
    NEED,
)
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import FundingPart
from commonwatt.study.stages.basis import funding_basis_tables
from commonwatt.study.stages.sites import StudyCostedSite
from commonwatt.study.stages.views import funding_part_with_scale_only
from commonwatt.study.tables import PROGRAMME
from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.engines.finance.construction import financed_construction_s_curve_shares
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.usecases.charts import debt_with_and_without_need_chart
from commonwatt.treasury.usecases.countries import open_treasury_country
from commonwatt.treasury.usecases.fan import FanOptions
from commonwatt.treasury.usecases.finance import (
    country_debt_with_and_without_need,
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
                "running_usd_mn_a_year": gpus * study_yearly_running_usd_per_gpu(site) / 1e6,
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
            part=part and funding_part_with_scale_only(part),
        )


def compute_capital(inputs: CapitalStageInputs) -> StageResult:
    """Return capital and running cost of each site, and of them what is borrowed."""
    rows = programme_capital_and_running_cost_rows(list(inputs.sites), inputs.scale)
    # Apart from the rest, because a change of running cost must not draw the debt paths anew.
    borrowed = ("site", "name", "gpus", "capital_usd_per_gpu", "capital_usd_mn")
    return StageResult(
        data={"rows": rows, "borrowed": [{key: row[key] for key in borrowed} for row in rows]}
    )


CAPITAL_STAGE = Stage(name="capital", compute=compute_capital)


def study_yearly_running_usd_per_gpu(site: StudyCostedSite) -> float:
    """Return what a GPU costs a year beside its capital, at the measured use [USD/year]."""
    if site.cells is None:
        return HOURS * site.use * site.gpu_hour_usd()
    inputs = site.cells.median_cost_inputs()
    parts = levelised_cost_by_part(inputs)
    # The use that the fleet run measured, and not the median of the cells, which may have been
    # moved apart from it: the charges of a year are earned in the hours that were really used.
    useful = useful_gpu_hours_per_year(inputs._replace(utilisation_share=float(site.use)))
    return useful * sum(parts[name] for name in RUNNING_COST_PARTS)


def programme_capital_need_bn_by_year(
    capital: list[dict[str, Any]], part: FundingPart
) -> dict[int, float]:
    """Return the capital need by calendar year, bn of the country's currency.

    Raises:
        IdentityError: The years do not add up to the whole: a bug.
    """
    total = sum(row["capital_usd_mn"] for row in capital) * part.currency_per_usd / 1000
    curve = financed_construction_s_curve_shares(part.build_years, part.steepness)
    need = {part.first_year + k: total * share for k, share in enumerate(curve)}
    check_study_parts_add_up("capital by year", sum(need.values()), total)
    return need


def check_study_parts_add_up(what: str, parts: float, whole: float) -> None:
    """Raise where parts do not add up to their whole.

    Raises:
        IdentityError: They do not: a bug.
    """
    if abs(parts - whole) > 1e-9 * max(abs(whole), 1e-9):
        raise IdentityError(what, found=Message("a conservation law that does not close"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingStageInputs:
    """What decides the debt path with and without a programme.

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


def compute_funding(inputs: FundingStageInputs) -> StageResult:
    """Return the capital need by site and year, and the debt path with and without it."""
    part = inputs.part
    need = programme_capital_need_bn_by_year(inputs.capital.value, part)
    choices = FanOptions(paths=part.paths, years=part.years, seed=inputs.seed)
    country = open_treasury_country(str(inputs.country[0].path.parent))
    paths = debt_paths_with_funding_need(country, need, choices)
    answer = country_debt_with_and_without_need(paths)
    # The chance of the last year, and not that of any year: a label that names a year must not
    # show the larger of the two.
    for name in ("chances_with", "chances_without"):
        answer[name] = [row for row in answer[name] if row["fiscal_year"] != EVER]
    return StageResult(
        data=answer | {"total_bn": sum(need.values()), "source": part.source},
        tables=funding_basis_tables(PROGRAMME, paths, part),
    )


FUNDING_STAGE = Stage(name="funding", compute=compute_funding)


def programme_planned_debt_gdp_share(
    need: dict[int, float], part: FundingPart, country: Country
) -> float:
    """Return debt over GDP in the last year of the planned path with a need."""
    path = project_country_debt(country, years=part.years, extra_need=need)
    return path.years[-1].debt_share


def study_need_with_running_cost_bn(
    need: dict[int, float], capital: list[dict[str, Any]], part: FundingPart
) -> dict[int, float]:
    """Return the need if every year's running cost after building is borrowed, too."""
    yearly = sum(row["running_usd_mn_a_year"] for row in capital) * part.currency_per_usd / 1000
    # Nothing runs, and so nothing is paid for running, before the building is done.
    opened = part.first_year + part.build_years
    years = range(opened, part.first_year + part.years)
    return {year: need.get(year, 0.0) for year in need} | {
        year: need.get(year, 0.0) + yearly for year in years
    }


def funding_stage_tables(answer: Answer) -> dict[str, pl.DataFrame]:
    """Return the tables of the funding joint."""
    years = FUNDING_YEARS.in_currency(answer["currency"])
    return {
        FUNDING_CAPITAL.name: FUNDING_CAPITAL.frame_from_rows(answer["capital"]),
        FUNDING_YEARS.name: years.frame_from_rows(answer["years"]),
        FUNDING_FAN_WITH.name: FUNDING_FAN_WITH.frame_from_rows(answer["fan_with"]),
        FUNDING_FAN_WITHOUT.name: FUNDING_FAN_WITHOUT.frame_from_rows(answer["fan_without"]),
    }


def study_funding_section(answer: Answer, language: str) -> ReportSection:
    """Return the report's section on the funding and the public debt."""
    return ReportSection(
        name="funding",
        title=Message("Pay for it: the bonds and the public debt").translate(language),
        lede=_programme_capital_and_debt_lede(answer, language),
        facts=_study_funding_facts(answer, language),
        figures=[_study_funding_section_debt_figure(answer, language)],
        tables=[
            _study_funding_section_capital_table(answer, language),
            _study_debt_by_year_table(answer, language),
        ],
        notes=[
            Message(
                "Debt is gross, on the {basis} basis, over GDP of the vintage {vintage}. The "
                "capital is borrowed in full as it is spent; running cost and user charges are "
                "not in this path. Both fans draw the same shocks.",
                {"basis": answer["debt_basis"], "vintage": answer["gdp_vintage"]},
            ).translate(language),
            answer["source"],
        ],
    )


def _study_last_debt_path_year(answer: Answer) -> dict[str, Any]:
    return answer["years"][-1]


def _programme_capital_and_debt_lede(answer: Answer, language: str) -> str:
    last = _study_last_debt_path_year(answer)
    values = {
        "need": study_funding_amount_text(answer["total_bn"]),
        "currency": answer["currency"],
        "year": last["fiscal_year"],
        "with": f"{100 * last['debt_with_gdp_share']:.2f}",
        "without": f"{100 * last['debt_without_gdp_share']:.2f}",
    }
    return Message(
        "Building it takes {currency} {need}. On the planned path the public debt in {year} is "
        "{with} % of GDP with the programme and {without} % without it.",
        values,
    ).translate(language)


def _study_funding_facts(answer: Answer, language: str) -> list[ReportFact]:
    last_year = _study_last_debt_path_year(answer)["fiscal_year"]
    with_it, without_it = answer["fan_with"][-1], answer["fan_without"][-1]
    bounds = [
        measure_cell_text(with_it[name], DEBT_GDP_WITH_MEDIAN, language)
        for name in BAND_90.measure_quantile_column_names
    ]
    return [
        report_fact(
            NEED,
            answer["total_bn"],
            language,
            of="funding.capital_bn",
            currency=answer["currency"],
        ),
        report_fact(
            DEBT_GDP_WITH_MEDIAN,
            with_it["q50"],
            language,
            subject=last_year,
            note=BAND_90.measure_interval_note(*bounds),
            of="funding.fan_with_gdp_share",
        ),
        report_fact(
            DEBT_GDP_WITHOUT_MEDIAN,
            without_it["q50"],
            language,
            subject=last_year,
            of="funding.fan_without_gdp_share",
        ),
        *_study_debt_ceiling_chance_facts(answer, language),
    ]


def _study_debt_ceiling_chance_facts(answer: Answer, language: str) -> list[ReportFact]:
    """Return the chance of breaking a ceiling, where the country has one."""
    chances = (answer["chances_with"][-1], answer["chances_without"][-1])
    shares = [row.get("debt_over_ceiling_probability") for row in chances]
    # A country may have no ceiling; no fact is better than a chance of nought.
    if None in shares:
        return []
    without_it = measure_value_text(shares[1], CEILING_CHANCE_WITHOUT, language)
    return [
        report_fact(
            CEILING_CHANCE_WITH,
            shares[0],
            language,
            note=Message("{share} without it", {"share": without_it}),
            of="funding.ceiling_probability",
        )
    ]


def study_funding_amount_text(bn: float) -> str:
    """Return an amount as people say it, small ones in millions.

    >>> study_funding_amount_text(8.014), study_funding_amount_text(0.0452)
    ('8.01 bn', '45.2 mn')
    """
    return f"{bn:,.2f} bn" if abs(bn) >= 1 else f"{1000 * bn:,.1f} mn"


def _study_funding_section_debt_figure(answer: Answer, language: str) -> ReportFigure:
    return ReportFigure(
        name="funding-path",
        title=Message("Debt with and without the programme").translate(language),
        caption=Message("Medians of the fans, and the 90 % interval with the programme.").translate(
            language
        ),
        svg=debt_with_and_without_need_chart(answer, language),
        data=pl.DataFrame(answer["fan_with"]),
        of="table.funding_fan_with",
        table=FUNDING_FAN_WITH,
    )


def _study_funding_section_capital_table(answer: Answer, language: str) -> ReportTable:
    return report_table_of_rows(
        FUNDING_CAPITAL,
        answer["capital"],
        language,
        title=Message("Capital by site"),
        columns=(
            "site",
            "gpus",
            "capital_usd_per_gpu",
            "capital_usd_mn",
            "running_usd_mn_a_year",
        ),
        cells_of={
            "capital_usd_mn": [f"funding.{row['name']}.capital_usd_mn" for row in answer["capital"]]
        },
        note=Message("At the median of every cell of the cost library."),
    )


def _study_debt_by_year_table(answer: Answer, language: str) -> ReportTable:
    return report_table_of_rows(
        FUNDING_YEARS.in_currency(answer["currency"]),
        answer["years"],
        language,
        title=Message("Year by year"),
        currency=answer["currency"],
    )
