"""From the capital that the sites need to the debt path with and without it."""

from __future__ import annotations

from typing import Any

import polars as pl

from commonwatt.app.charts.treasury import need_chart
from commonwatt.app.report import Fact, Figure, Section, Shown
from commonwatt.app.siting.cost import capital_usd_per_gpu
from commonwatt.app.treasury import FanChoices, need_answer, open_country
from commonwatt.core.messages import Message
from commonwatt.scenario.file import FundingPart
from commonwatt.scenario.programme import Programme
from commonwatt.treasury.finance.construction import s_curve

Answer = dict[str, Any]


def funding_of_programme(programme: Programme) -> Answer | None:
    """Return the capital need by site and year, and the debt path with and without it.

    None where the programme names no funding.
    """
    part = programme.file.funding
    if part is None:
        return None
    capital = _capital_rows(programme, part)
    total_bn = sum(row["capital_usd_mn"] for row in capital) * part.currency_per_usd / 1000
    need = {
        part.first_year + k: total_bn * share
        for k, share in enumerate(s_curve(part.build_years, part.steepness))
    }
    choices = FanChoices(paths=part.paths, years=part.years, seed=programme.file.seed)
    found = need_answer(open_country(part.country), need, choices)
    return found | {"capital": capital, "total_bn": total_bn, "source": part.source}


def _capital_rows(programme: Programme, part: FundingPart) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for label, site in zip(programme.site_labels(), programme.file.sites, strict=True):
        if site.cost_cells is None:
            continue
        gpus = sum(pool.nodes * pool.gpus_per_node for pool in site.pools) * part.scale
        each = capital_usd_per_gpu(site.cost_cells)
        rows.append(
            {
                "site": label,
                "gpus": gpus,
                "capital_usd_per_gpu": each,
                "capital_usd_mn": gpus * each / 1e6,
            }
        )
    return rows


def funding_tables(answer: Answer) -> dict[str, pl.DataFrame]:
    """Return the tables of the funding joint."""
    return {
        "funding_capital": pl.DataFrame(answer["capital"]),
        "funding_years": pl.DataFrame(answer["years"]),
        "funding_fan_with": pl.DataFrame(answer["fan_with"]),
        "funding_fan_without": pl.DataFrame(answer["fan_without"]),
    }


def funding_section(answer: Answer, language: str) -> Section:
    """Return the report's section on the funding and the public debt."""
    return Section(
        name="funding",
        title=Message("Pay for it: the bonds and the public debt").say(language),
        lede=_lede(answer, language),
        facts=_facts(answer, language),
        figures=[_path(answer, language)],
        tables=[_capital_shown(answer, language), _years_shown(answer, language)],
        notes=[
            Message(
                "Debt is gross, on the {basis} basis, over GDP of the vintage {vintage}. The "
                "capital is borrowed in full as it is spent; running cost and user charges are "
                "not in this path. Both fans draw the same shocks.",
                {"basis": answer["debt_basis"], "vintage": answer["gdp_vintage"]},
            ).say(language),
            answer["source"],
        ],
    )


def _last(answer: Answer) -> dict[str, Any]:
    return answer["years"][-1]


def _lede(answer: Answer, language: str) -> str:
    last = _last(answer)
    values = {
        "need": f"{answer['total_bn']:,.2f}",
        "currency": answer["currency"],
        "year": last["fiscal_year"],
        "with": f"{100 * last['debt_with_gdp_share']:.2f}",
        "without": f"{100 * last['debt_without_gdp_share']:.2f}",
    }
    return Message(
        "Building it takes {currency} {need} bn. On the planned path the public debt in {year} is "
        "{with} % of GDP with the programme and {without} % without it.",
        values,
    ).say(language)


def _facts(answer: Answer, language: str) -> list[Fact]:
    last, fans = _last(answer), (answer["fan_with"][-1], answer["fan_without"][-1])
    chances = (answer["chances_with"][-1], answer["chances_without"][-1])
    ceiling = [f"{100 * row['debt_over_ceiling_probability']:.1f} %" for row in chances]
    band = Message(
        "80 % band {low} to {high} %",
        {"low": f"{100 * fans[0]['q10']:.1f}", "high": f"{100 * fans[0]['q90']:.1f}"},
    )
    year = {"year": last["fiscal_year"]}
    return [
        Fact(
            label=Message("Capital need").say(language),
            value=f"{answer['currency']} {answer['total_bn']:,.2f} bn",
        ),
        Fact(
            label=Message("Debt over GDP in {year}, median with it", year).say(language),
            value=f"{100 * fans[0]['q50']:.2f} %",
            note=band.say(language),
        ),
        Fact(
            label=Message("The same without it", {}).say(language),
            value=f"{100 * fans[1]['q50']:.2f} %",
        ),
        Fact(
            label=Message("Chance of debt over its ceiling in {year}", year).say(language),
            value=ceiling[0],
            note=Message("{share} without it", {"share": ceiling[1]}).say(language),
        ),
    ]


def _path(answer: Answer, language: str) -> Figure:
    return Figure(
        name="funding-path",
        title=Message("Debt with and without the programme").say(language),
        caption=Message("Medians of the fans, and the 80 % band with the programme.").say(language),
        svg=need_chart(answer, language),
        data=pl.DataFrame(answer["fan_with"]),
    )


def _capital_shown(answer: Answer, language: str) -> Shown:
    headings = [
        Message("Site"),
        Message("GPUs"),
        Message("USD per GPU, servers, shell and land"),
        Message("Capital [USD mn]"),
    ]
    rows = [
        [
            row["site"],
            f"{row['gpus']:,.0f}",
            f"{row['capital_usd_per_gpu']:,.0f}",
            f"{row['capital_usd_mn']:,.1f}",
        ]
        for row in answer["capital"]
    ]
    return Shown(
        title=Message("Capital by site").say(language),
        headings=[heading.say(language) for heading in headings],
        rows=rows,
        note=Message("At the median of every cell of the cost library.").say(language),
    )


def _years_shown(answer: Answer, language: str) -> Shown:
    unit = f"{answer['currency'].lower()}_bn"
    headings = [
        Message("Fiscal year"),
        Message("Need [bn]"),
        Message("Debt without [bn]"),
        Message("Debt with [bn]"),
        Message("Without [% of GDP]"),
        Message("With [% of GDP]"),
    ]
    rows = [
        [
            row["fiscal_year"],
            f"{row[f'need_{unit}']:,.2f}",
            f"{row[f'debt_without_{unit}']:,.1f}",
            f"{row[f'debt_with_{unit}']:,.1f}",
            f"{100 * row['debt_without_gdp_share']:.2f}",
            f"{100 * row['debt_with_gdp_share']:.2f}",
        ]
        for row in answer["years"]
    ]
    return Shown(
        title=Message("Year by year").say(language),
        headings=[heading.say(language) for heading in headings],
        rows=rows,
    )
