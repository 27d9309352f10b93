"""What the report says of the borrowing and the public debt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from commonwatt.catalogue.bands import BAND_90
from commonwatt.catalogue.measures import measure_cell_text, measure_value_text
from commonwatt.catalogue.units import format_quantity
from commonwatt.core.messages import Message, translate
from commonwatt.report import (
    ReportFact,
    ReportFigure,
    ReportSection,
    ReportTable,
    report_fact,
    report_figure,
    report_table_of_rows,
)
from commonwatt.study.measures import (
    CEILING_CHANCE_WITH,
    CEILING_CHANCE_WITHOUT,
    DEBT_GDP_WITH_MEDIAN,
    DEBT_GDP_WITHOUT_MEDIAN,
    FUNDING_CAPITAL,
    FUNDING_EFFECT,
    FUNDING_FAN_WITH,
    FUNDING_YEARS,
    NEED,
    PLANNED_EFFECTS,
)
from commonwatt.study.rounded import rounded_net_text
from commonwatt.treasury.usecases.charts import (
    debt_with_and_without_need_chart,
    debt_with_and_without_need_frame,
)

Answer = dict[str, Any]


def study_funding_section(answer: Answer, language: str) -> ReportSection:
    """Return the report's section on the funding and the public debt."""
    return ReportSection(
        name="funding",
        title=Message("Pay for it: the bonds and the public debt").translate(language),
        lede=_programme_capital_and_debt_lede(answer, language),
        extent=Message(
            "Whole programme of {whole} GPUs",
            {"whole": f"{sum(row['gpus'] for row in answer['capital']):,.0f}"},
        ).translate(language),
        facts=_study_funding_facts(answer, language),
        figures=[_study_funding_section_debt_figure(answer, language)],
        tables=[
            _study_funding_section_capital_table(answer, language),
            _study_debt_by_year_table(answer, language),
            _study_debt_effect_table(answer, language),
        ],
        notes=[
            Message(
                "Debt is on the {basis} basis, over GDP of the vintage {vintage}. The capital is "
                "borrowed in full as it is spent; running cost and user charges are not in this "
                "path. Bonds of the programme that fall due while the plan fixes what is issued "
                "are repaid from reserves. Both fans draw the same shocks.",
                {
                    "basis": translate(answer["debt_basis"], language),
                    "vintage": answer["gdp_vintage"],
                },
            ).translate(language),
            answer["source"],
        ],
    )


def _study_last_debt_path_year_row(answer: Answer) -> dict[str, Any]:
    return answer["years"][-1]


def _programme_capital_and_debt_lede(answer: Answer, language: str) -> str:
    last = _study_last_debt_path_year_row(answer)
    values = {
        "need": study_funding_bn_amount_text(answer["total_bn"], answer["currency"], language),
        "year": last["fiscal_year"],
        "with": f"{100 * last['debt_with_gdp_share']:.2f}",
        "without": f"{100 * last['debt_without_gdp_share']:.2f}",
    }
    levels = Message(
        "Building it takes {need}. On the planned path the gross public debt in {year} "
        "is {with} % of GDP with the programme and {without} % without it.",
        values,
    )
    bridge = debt_level_and_effect_message(
        answer["fan_with"][-1], answer["effect"]["last"], language
    )
    return f"{levels.translate(language)} {bridge.translate(language)}"


def debt_level_and_effect_message(
    fan_last: Mapping[str, Any], effect_last: Mapping[str, Any], language: str
) -> Message:
    """Return how uncertain the debt itself is, and what the programme changes of it.

    Level and effect are set apart in one text: planned, median and band of the level lie further
    from one another than the whole effect is large.

    Args:
        fan_last: Quantiles of gross debt over GDP with the programme, of the last year.
        effect_last: What the programme changes, of the same year.
        language: The reader's language.
    """
    gross, reserves, net = (
        measure_value_text(effect_last[form.name], form, language) for form in PLANNED_EFFECTS[3:]
    )
    return Message(
        "Over the stochastic paths the median with it is {median} % (90 %: {low} to {high}), as "
        "growth and interest vary; that is the uncertainty of the debt itself. The programme "
        "changes gross debt by {gross}, reserves by {reserves} and debt less reserves by {net}.",
        {
            "median": f"{100 * fan_last['q50']:.2f}",
            "low": f"{100 * fan_last['q05']:.2f}",
            "high": f"{100 * fan_last['q95']:.2f}",
            "gross": gross,
            "reserves": reserves,
            "net": rounded_net_text(gross, reserves, net, language),
        },
    )


def _study_funding_facts(answer: Answer, language: str) -> list[ReportFact]:
    last_year = _study_last_debt_path_year_row(answer)["fiscal_year"]
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
        *_study_debt_effect_facts(answer, language),
    ]


def _study_debt_effect_facts(answer: Answer, language: str) -> list[ReportFact]:
    """Return what the programme does to gross debt, to reserves, and to both together."""
    last = answer["effect"]["last"]
    year = _study_last_debt_path_year_row(answer)["fiscal_year"]
    facts: list[ReportFact] = []
    for column in PLANNED_EFFECTS[3:]:
        side = column.name.removesuffix("_gdp_share")
        bounds = [
            measure_cell_text(last[f"{side}_{level}_gdp_share"], column, language)
            for level in ("p5", "p95")
        ]
        facts.append(
            report_fact(
                column,
                last[column.name],
                language,
                subject=year,
                note=BAND_90.measure_interval_note(*bounds),
                of=f"funding.{column.name}",
            )
        )
    return facts


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


def study_funding_bn_amount_text(bn: float, currency: str, language: str = "en") -> str:
    """Return an amount as people say it, small ones in millions; in Chinese in 億 and 萬.

    >>> study_funding_bn_amount_text(8.014, "HKD"), study_funding_bn_amount_text(0.0452, "HKD")
    ('HKD 8.01 bn', 'HKD 45.2 mn')
    >>> study_funding_bn_amount_text(8.014, "HKD", "zh-Hant")
    '80.1 億港元'
    """
    if language == "zh-Hant":
        return format_quantity(bn, f"{currency} bn", language, digits=2)
    amount = f"{bn:,.2f} bn" if abs(bn) >= 1 else f"{1000 * bn:,.1f} mn"
    return f"{currency} {amount}"


def _study_funding_section_debt_figure(answer: Answer, language: str) -> ReportFigure:
    return report_figure(
        "funding-path",
        debt_with_and_without_need_chart(),
        FUNDING_FAN_WITH,
        debt_with_and_without_need_frame(
            pl.DataFrame(answer["fan_with"]), pl.DataFrame(answer["fan_without"])
        ),
        language,
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


def _study_debt_effect_table(answer: Answer, language: str) -> ReportTable:
    return report_table_of_rows(
        FUNDING_EFFECT.in_currency(answer["currency"]),
        answer["effect"]["years"],
        language,
        title=Message("What the programme adds, year by year"),
        columns=("fiscal_year", *(column.name for column in PLANNED_EFFECTS)),
        note=Message(
            "On the planned path, with the programme less without it. The net effect is what is "
            "added to gross debt less what is added to reserves."
        ),
        currency=answer["currency"],
    )


def _study_debt_by_year_table(answer: Answer, language: str) -> ReportTable:
    money = f"{answer['currency'].lower()}_bn"
    return report_table_of_rows(
        FUNDING_YEARS.in_currency(answer["currency"]),
        answer["years"],
        language,
        title=Message("Year by year"),
        # As everywhere: with the programme first, so that the difference is first less second.
        columns=(
            "fiscal_year",
            f"need_{money}",
            f"debt_with_{money}",
            f"debt_without_{money}",
            "debt_with_gdp_share",
            "debt_without_gdp_share",
        ),
        currency=answer["currency"],
    )
