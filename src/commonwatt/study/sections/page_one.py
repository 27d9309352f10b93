"""Page one of the report: the choice, its price, what it does to the debt, and what may be wrong.

A reader who sees no other page must not be misled by this one. So every group of figures names
its extent above them, debt stands beside reserves and the two together, and each sentence that
quotes a figure says what is left out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from commonwatt.catalogue.measures import measure_cell_text, measure_value_text
from commonwatt.core.messages import Message, translate
from commonwatt.report import (
    ReportCellFigure,
    ReportCriteriaGroup,
    ReportCriterion,
    ReportFigure,
    ReportPageOne,
    ReportStatement,
    report_figure,
)
from commonwatt.siting.domain.cells import PRICE_YEAR
from commonwatt.study.charts import do_alternatives_cost_the_same
from commonwatt.study.doubt import USE
from commonwatt.study.effect_chart import study_debt_effect_chart
from commonwatt.study.formulas.extents import study_day_count_text, study_gpu_count_or_range_text
from commonwatt.study.measures import ALTERNATIVES, FUNDING_EFFECT, NET_EFFECT_GDP
from commonwatt.study.sections.summaries import PageOneSummary
from commonwatt.study.stages.sites import (
    StudyInputKey,
    study_cost_input_label_text,
    study_input_four_digit_text,
)

Row = dict[str, Any]
MOST_CHOICES_SHOWN: Final = 4  # a fifth column is cut on a telephone
COST: Final = "cost_usd_per_gpu_hour"
NET: Final = "net_debt_effect"
# The figures of a criterion that share a cell, and where their bands stand in the row.
_OF_SLICE: Final = (
    (Message("Cost of a GPU-hour [USD of {year}]", {"year": str(PRICE_YEAR)}), (COST,)),
    (Message("Use [%]; mean wait [h]"), ("utilisation_share", "mean_queue_delay_h")),
    (
        Message("Round trip [ms]; carbon [g/GPU-hour]"),
        ("mean_rtt_ms", "carbon_g_per_gpu_hour"),
    ),
)
_OF_PROGRAMME: Final = (
    (Message("Gross debt"), ("gross_debt_effect_gdp_share",)),
    (Message("Reserves"), ("reserves_effect_gdp_share",)),
    (Message("Net effect"), ("net_debt_effect_gdp_share",)),
)
_BANDS: Final = {
    COST: ("cost_p5_usd_per_gpu_hour", "cost_p95_usd_per_gpu_hour"),
    **{
        f"{side}_gdp_share": (f"{side}_p5_gdp_share", f"{side}_p95_gdp_share")
        for side in ("gross_debt_effect", "reserves_effect", NET)
    },
}
# Where the one row is the programme as written: names of its figures among the origins.
_OF_ORIGIN: Final = {
    "utilisation_share": "fleet.utilisation_share",
    "mean_queue_delay_h": "fleet.mean_queue_delay_s",
    "mean_rtt_ms": "fleet.mean_rtt_ms",
}


def study_report_page_one(summary: PageOneSummary, language: str) -> ReportPageOne:
    """Return the page that answers, in the reader's language."""
    rows = summary.rows[:MOST_CHOICES_SHOWN]
    return ReportPageOne(
        question=_page_one_question_text(summary, language),
        answer=_page_one_cheapest_alternative_answer_text(summary, language),
        statements=_page_one_statements(summary, language),
        choices=[row["alternative"] for row in rows],
        groups=_page_one_criteria_groups(summary, rows, language),
        note=_page_one_table_note(summary, len(rows), language),
        figure=_page_one_debt_effect_figure(summary, language) if summary.effect_rows else None,
        absent=[ReportStatement(label=names, text=why) for names, why in summary.absent],
    )


def _page_one_question_text(summary: PageOneSummary, language: str) -> str:
    if len(summary.rows) > 1:
        return Message(
            "Which of {count} ways to build {title}?",
            {"count": str(summary.all_count), "title": summary.title},
        ).translate(language)
    return Message("What does {title} cost, and who pays?", {"title": summary.title}).translate(
        language
    )


def _page_one_cheapest_alternative_answer_text(summary: PageOneSummary, language: str) -> str:
    first = summary.rows[0]
    if first.get(COST) is None:
        return Message("No answer yet: the cost of a GPU-hour is not known.").translate(language)
    low, high = _BANDS[COST]
    values = {
        "best": first["alternative"],
        "cost": _cell(first, COST, language),
        "low": _cell(first, low, language),
        "high": _cell(first, high, language),
    }
    if len(summary.rows) == 1 or summary.best_cheaper_share is None:
        return Message(
            "“{best}”: USD {cost} per useful GPU-hour (90 %: {low} to {high}).", values
        ).translate(language)
    second = summary.rows[1]
    if do_alternatives_cost_the_same(first, second):
        return Message(
            "“{best}” and “{second}” cost the same: USD {cost} per useful GPU-hour (90 %: {low} to "
            "{high}).",
            values | {"second": second["alternative"]},
        ).translate(language)
    values |= {
        "second": second["alternative"],
        "other": _cell(second, COST, language),
        "share": f"{100 * summary.best_cheaper_share:.0f}",
    }
    return Message(
        "Cheapest: “{best}”, USD {cost} per useful GPU-hour (90 %: {low} to {high}). Next: "
        "“{second}”, {other}; dearer in {share} % of draws.",
        values,
    ).translate(language)


def _page_one_statements(summary: PageOneSummary, language: str) -> list[ReportStatement]:
    texts: list[tuple[str, Message]] = []
    first = summary.rows[0]
    if summary.effect_rows:
        texts.append(("Price and debt", _page_one_price_and_debt_message(summary, language)))
    if len(summary.rows) > 1:
        texts.append(("What would change it", _change(summary, language)))
    if summary.doubt is not None and first.get(COST) is not None:
        texts.append(
            ("Largest doubt", _page_one_cost_doubt_message(summary, summary.doubt, language))
        )
    # The first thing to be said of a what-if: its page looks like that of the programme.
    changed = [
        ReportStatement(label=translate("Asked for", language), text="; ".join(summary.changes))
    ]
    return (changed if summary.changes else []) + [
        ReportStatement(label=translate(label, language), text=text.translate(language))
        for label, text in texts
    ]


def _page_one_price_and_debt_message(summary: PageOneSummary, language: str) -> Message:
    first, year = summary.rows[0], summary.effect_rows[-1]["fiscal_year"]

    def amount(key: str) -> str:
        column = ALTERNATIVES.column(key)
        return measure_value_text(first[key], column, language, currency=summary.currency)

    values = {"capital": amount("borrowing_bn"), "year": year}
    if first["reserves_effect_bn"] is None:
        return Message(
            "Building: {capital}, all borrowed. By {year}: gross debt {gross}; reserves are not "
            "known. Running cost, rent and user charges left out.",
            values | {"gross": amount("gross_debt_effect_bn")},
        )
    gross, reserves, net = _amount_texts_sharing_last_unit(
        [amount(f"{side}_bn") for side in ("gross_debt_effect", "reserves_effect", NET)]
    )
    return Message(
        # Each is rounded by itself, so that two of them need not add up to the third.
        "Building: {capital}, all borrowed. By {year}, rounded: gross debt {gross}, reserves "
        "{reserves}, net {net}. Running cost, rent and user charges left out.",
        values | {"gross": gross, "reserves": reserves, "net": net},
    )


def _amount_texts_sharing_last_unit(amounts: Sequence[str]) -> list[str]:
    """Return amounts that share a unit with it behind the last alone, and others as they are.

    Chinese counts small amounts in 萬 and large ones in 億: without its own unit an amount
    beside one of the other scale would be read ten thousand times too large.

    >>> _amount_texts_sharing_last_unit(["+0.2 HKD bn", "-0.1 HKD bn"])
    ['+0.2', '-0.1 HKD bn']
    >>> _amount_texts_sharing_last_unit(["+6,776 萬港元", "+1.3 億港元"])
    ['+6,776 萬港元', '+1.3 億港元']
    """
    if len({amount.partition(" ")[2] for amount in amounts}) > 1:
        return list(amounts)
    return [*(amount.partition(" ")[0] for amount in amounts[:-1]), amounts[-1]]


def _change(summary: PageOneSummary, language: str) -> Message:
    if do_alternatives_cost_the_same(*summary.rows[:2]):
        return Message("The two cheapest cost the same; any difference between them decides.")
    break_even_rows = summary.break_even_rows
    nearest = break_even_rows[0] if break_even_rows else None
    if nearest is None or nearest["flips_at"] is None:
        return Message("No single input of the cost, however far it moves.")
    values = {
        "input": study_cost_input_label_text(nearest["input"], language),
        "site": translate(nearest["site"], language),
        "from": study_input_four_digit_text(nearest["median"]),
        "to": study_input_four_digit_text(nearest["flips_at"]),
        "count": str(sum(row["within_range"] for row in break_even_rows)),
        "all": str(len(break_even_rows)),
    }
    if nearest["within_range"]:
        return Message(
            "{count} of {all} inputs alone; nearest: {input} ({site}), {from} to {to}.", values
        )
    return Message(
        "No single input within its range; nearest: {input} ({site}), {from} to {to}.",
        values,
    )


def _page_one_cost_doubt_message(summary: PageOneSummary, doubt: Row, language: str) -> Message:
    usd = {
        name: f"{doubt[key]:.2f}" for name, key in (("at", "at_low_usd"), ("top", "at_high_usd"))
    }
    if doubt["key"] == USE:
        return Message(
            "Use: {use} % on the slice, of demand that may not come. At half that use: USD {at}.",
            {"use": f"{100 * doubt['high']:.0f}"} | usd,
        )
    return Message(
        "{input} ({site}): from {low} to {high} the cost moves from USD {at} to {top}.",
        {
            "input": study_cost_input_label_text(
                StudyInputKey.from_text(doubt["key"]).input, language
            ),
            "site": translate(summary.doubt_site, language),
            "low": study_input_four_digit_text(doubt["low"]),
            "high": study_input_four_digit_text(doubt["high"]),
        }
        | usd,
    )


def _page_one_criteria_groups(
    summary: PageOneSummary, rows: Sequence[Row], language: str
) -> list[ReportCriteriaGroup]:
    slice_gpus = study_gpu_count_or_range_text([row["gpus"] for row in rows])
    groups = [
        ReportCriteriaGroup(
            extent=Message(
                "Slice simulated: {gpus} GPUs, {days} days",
                {"gpus": slice_gpus, "days": study_day_count_text(summary.days)},
            ).translate(language),
            criteria=_page_one_criteria(summary, rows, _OF_SLICE, language),
        )
    ]
    if summary.effect_rows:
        whole = Message(
            "Whole programme: {gpus} GPUs, planned change by {year} [% of GDP]",
            {
                "gpus": study_gpu_count_or_range_text(
                    [row["gpus"] * summary.scale for row in rows]
                ),
                "year": summary.effect_rows[-1]["fiscal_year"],
            },
        )
        groups.append(
            ReportCriteriaGroup(
                extent=whole.translate(language),
                criteria=_page_one_criteria(summary, rows, _OF_PROGRAMME, language),
            )
        )
    return groups


def _page_one_criteria(
    summary: PageOneSummary,
    rows: Sequence[Row],
    criteria: Sequence[tuple[Message, tuple[str, ...]]],
    language: str,
) -> list[ReportCriterion]:
    return [
        ReportCriterion(
            label=label.translate(language),
            cells=[
                [_page_one_cell_figure(summary, row, key, language) for key in keys] for row in rows
            ],
        )
        for label, keys in criteria
        # A programme without costs has no such row, rather than a row of dashes.
        if any(key in rows[0] for key in keys)
    ]


def _page_one_cell_figure(
    summary: PageOneSummary, row: Row, key: str, language: str
) -> ReportCellFigure:
    low, high = _BANDS.get(key, ("", ""))
    # A band of which one end is unknown is none.
    banded = bool(low) and row.get(low) is not None and row.get(high) is not None
    return ReportCellFigure(
        text=_cell(row, key, language),
        of=_page_one_figure_name_of_cell(summary, row, key),
        low=_cell(row, low, language) if banded else "",
        low_of=_page_one_figure_name_of_cell(summary, row, low) if banded else "",
        high=_cell(row, high, language) if banded else "",
        high_of=_page_one_figure_name_of_cell(summary, row, high) if banded else "",
    )


def _page_one_figure_name_of_cell(summary: PageOneSummary, row: Row, key: str) -> str:
    if summary.above:
        return f"{summary.above}.{row['name']}.{key}"
    return _OF_ORIGIN.get(key, f"funding.{key}")


def _cell(row: Row, key: str, language: str) -> str:
    return measure_cell_text(row.get(key), ALTERNATIVES.column(key), language)


def _page_one_table_note(summary: PageOneSummary, shown: int, language: str) -> str:
    parts = [
        Message(
            "Rounded. Brackets: 90 % interval; of debt, over paired draws of the economy, capital "
            "at its median."
        )
        if summary.effect_rows
        else Message("Brackets: 90 % interval.")
    ]
    if summary.all_count > shown:
        parts.append(
            Message("The other {count} are below.", {"count": str(summary.all_count - shown)})
        )
    return " ".join(part.translate(language) for part in parts)


def _page_one_debt_effect_figure(summary: PageOneSummary, language: str) -> ReportFigure:
    last = summary.effect_rows[-1]
    effect = measure_value_text(last["net_debt_effect_gdp_share"], NET_EFFECT_GDP, language)
    title = Message(
        "Debt less reserves: {effect} by {year}",
        {"effect": effect, "year": last["fiscal_year"]},
    )
    caption = Message("Whole programme, first column: median, 90 % band.")
    return report_figure(
        "page-one-effect",
        study_debt_effect_chart(title, caption),
        FUNDING_EFFECT,
        FUNDING_EFFECT.frame_from_rows(summary.effect_rows),
        language,
        columns=[
            "fiscal_year",
            *(f"{side}_bn" for side in ("gross_debt_effect", "reserves_effect", NET)),
            *(f"{NET}_{name}_gdp_share" for name in ("p5", "p50", "p95")),
        ],
        currency=summary.currency,
    )
