"""Charts of the treasury wing: path, bridge, decomposition, fan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from commonwatt.catalogue.bands import BAND_50, BAND_90
from commonwatt.catalogue.measures import (
    Measure,
    measure_label_message,
    measure_label_text,
    measure_value_text,
)
from commonwatt.catalogue.shared import DEBT_GDP, FISCAL_YEAR
from commonwatt.core.messages import Message
from commonwatt.report.charts import Chart, ChartForm, ChartSeries, chart_svg_document
from commonwatt.treasury.domain.measures import (
    BALANCE_BEFORE_BONDS_AND_TRANSFERS,
    CHANGE_EXCHANGE_RATE,
    CHANGE_GROWTH,
    CHANGE_INTEREST,
    CHANGE_PRIMARY_BALANCE,
    CHANGE_STOCK_FLOW,
    RESERVES_GDP,
    STEP_LEVEL,
)

Rows = list[dict[str, Any]]
_MEDIAN_AND_BANDS = Message("median, with the middle half and nine tenths of the paths")


def debt_projection_svg_texts_by_file_name(
    answer: Mapping[str, Any], language: str = "en"
) -> dict[str, str]:
    """Return the charts of a projection as SVG files by name."""
    currency, stock = answer["currency"], debt_stock_chart_heading(answer)
    return {
        "bridge.svg": chart_svg_document(
            balance_bridge_chart(currency), pl.DataFrame(answer["bridge"]), language
        ),
        "decomposition.svg": chart_svg_document(
            debt_decomposition_chart(stock), pl.DataFrame(answer["years"]), language
        ),
    }


def balance_bridge_chart(currency: str) -> Chart:
    """Return the bridge from the published balance to the balance before bonds and transfers.

    Args:
        currency: The money of the ledger.
    """
    unit = f"{currency.lower()}_bn"
    levels, steps = Message("balance"), Message("what a step adds")

    def balance_bridge_bars_frame(bridge: pl.DataFrame, language: str) -> pl.DataFrame:
        bars = [
            {
                "step": row["step"],
                "low": 0.0 if k == 0 else row[f"level_{unit}"] - row[f"amount_{unit}"],
                "high": row[f"level_{unit}"],
                "level": row[f"level_{unit}"],
                "kind": "level" if k == 0 else "step",
            }
            for k, row in enumerate(bridge.iter_rows(named=True))
        ]
        # The last bar stands on the ground again, so that the two balances can be compared by eye.
        last = bars[-1]["level"]
        total = measure_label_text(BALANCE_BEFORE_BONDS_AND_TRANSFERS, language)
        bars.append({"step": total, "low": 0.0, "high": last, "level": last, "kind": "level"})
        return pl.DataFrame(bars)

    def balances_of_bridge_message(bars: pl.DataFrame, language: str) -> Message:
        first, last = bars["level"][0], bars["level"][-1]
        values = {
            "published": measure_value_text(first, STEP_LEVEL, language, currency=currency),
            "before": measure_value_text(last, STEP_LEVEL, language, currency=currency),
        }
        return Message(
            "Published: {published}; without borrowed money and transfers: {before}", values
        )

    return Chart(
        name="bridge",
        title=Message("From the published balance to income less expense"),
        caption=Message(
            "The first year, from the ledger. The published balance counts borrowed money and "
            "money from other public pockets as income."
        ),
        form=ChartForm.RANGES,
        table="bridge",
        x="step",
        series=[
            ChartSeries("", levels, where=("kind", "level"), low="low", high="high"),
            ChartSeries("", steps, where=("kind", "step"), low="low", high="high"),
        ],
        measure=STEP_LEVEL,
        currency=currency,
        prepare=balance_bridge_bars_frame,
        finding=balances_of_bridge_message,
    )


def debt_stock_chart_heading(answer: Mapping[str, Any]) -> Message:
    """Return which stock of debt an answer shows, for the heading of a chart."""
    treatment = answer["treatment"]
    named = treatment["programmes"]
    return Message(
        "{country}: gross debt, programmes: {programmes}, basis: {basis}",
        {
            "country": answer["country"],
            "programmes": named if named == "all" else ", ".join(named),
            "basis": treatment["debt_basis"],
        },
    )


def debt_fan_svg_texts_by_file_name(
    answer: Mapping[str, Any], language: str = "en"
) -> dict[str, str]:
    """Return the charts of a fan as SVG files by name."""
    fans = answer["fan"]
    stock = debt_stock_chart_heading(answer)
    files = {
        "fan_debt.svg": chart_svg_document(
            debt_fan_chart(DEBT_GDP, stock), pl.DataFrame(fans["debt_gdp_share"]), language
        )
    }
    # A country without reserves has zero throughout, and a flat line would look like a finding.
    if any(row["q95"] > 0 for row in fans["reserves_gdp_share"]):
        files["fan_reserves.svg"] = chart_svg_document(
            debt_fan_chart(RESERVES_GDP, measure_label_message(RESERVES_GDP)),
            pl.DataFrame(fans["reserves_gdp_share"]),
            language,
        )
    return files


def debt_with_and_without_need_chart(*, suffix: str = "") -> Chart:
    """Return the debt path with and without a need: two medians and the band with it.

    Its table is that of `debt_with_and_without_need_frame`.

    Args:
        suffix: What the names of the quantiles' columns end with, as in `q50_share`.
    """
    low, high = (f"{name}{suffix}" for name in BAND_90.measure_quantile_column_names)
    middle, without = f"q50{suffix}", f"without_q50{suffix}"

    def debt_in_last_year_message(fan: pl.DataFrame, language: str) -> Message:
        last = fan.row(-1, named=True)
        values = {
            "year": last["fiscal_year"],
            "with": measure_value_text(last[middle], DEBT_GDP, language),
            "without": measure_value_text(last[without], DEBT_GDP, language),
        }
        return Message(
            "Median debt in {year}: {with} with the programme, {without} without it", values
        )

    return Chart(
        name="debt",
        title=Message("Debt with and without the programme"),
        caption=Message("Medians of the fans, and the 90 % interval with the programme."),
        form=ChartForm.FAN,
        table="debt",
        x="fiscal_year",
        x_label=FISCAL_YEAR.label,
        series=[
            ChartSeries(middle, Message("with the programme"), low=low, high=high),
            ChartSeries(without, Message("without it")),
        ],
        measure=DEBT_GDP,
        finding=debt_in_last_year_message,
    )


def debt_with_and_without_need_frame(
    fan_with: pl.DataFrame, fan_without: pl.DataFrame
) -> pl.DataFrame:
    """Return the fan with a need, and beside it the median without it, year by year."""
    return fan_with.with_columns(without_q50=fan_without["q50"])


_CHANGES = {
    "change_interest_share": CHANGE_INTEREST,
    "change_growth_share": CHANGE_GROWTH,
    "change_primary_balance_share": CHANGE_PRIMARY_BALANCE,
    "change_exchange_rate_share": CHANGE_EXCHANGE_RATE,
    "change_stock_flow_share": CHANGE_STOCK_FLOW,
}


def debt_decomposition_chart(stock: Message) -> Chart:
    """Return what moved the debt ratio, stacked by year, in points of GDP.

    Args:
        stock: Which stock of debt it is.
    """
    return Chart(
        name="parts",
        title=Message("What moves the ratio"),
        caption=Message(
            "Each year's change of debt over GDP, by what made it; the parts add up to the change."
        ),
        form=ChartForm.COLUMNS,
        table="years",
        x="fiscal_year",
        x_label=FISCAL_YEAR.label,
        series=[
            ChartSeries(name, measure_label_message(measure)) for name, measure in _CHANGES.items()
        ],
        # Parts of one year stack, so every part must be in the one unit of the axis.
        measure=CHANGE_INTEREST,
        y_label=stock,
        finding=_largest_debt_mover_message,
    )


def _largest_debt_mover_message(years: pl.DataFrame, language: str) -> Message:
    sums = {name: years[name].fill_null(0.0).sum() for name in _CHANGES}
    name = max(sums, key=lambda each: abs(sums[each]))
    values = {
        "part": measure_label_text(_CHANGES[name], language),
        "points": measure_value_text(sums[name], _CHANGES[name], language),
    }
    return Message("Over all years the debt ratio is moved most by: {part} ({points})", values)


def debt_fan_chart(measure: Measure, stock: Message, *, suffix: str = "") -> Chart:
    """Return a fan: the bands of the catalogue, and the median.

    Args:
        measure: What the ratio is.
        stock: Which stock is drawn.
        suffix: What the names of the quantiles' columns end with, as in `q50_share`.
    """
    wide, inner = (
        [f"{name}{suffix}" for name in band.measure_quantile_column_names]
        for band in (BAND_90, BAND_50)
    )

    def fan_in_last_year_message(fan: pl.DataFrame, language: str) -> Message:
        last = fan.row(-1, named=True)
        values = {
            "year": last["fiscal_year"],
            "median": measure_value_text(last[f"q50{suffix}"], measure, language),
            "low": measure_value_text(last[wide[0]], measure, language),
            "high": measure_value_text(last[wide[1]], measure, language),
        }
        return Message(
            "{year}: {median} at the median; nine paths of ten lie between {low} and {high}",
            values,
        )

    return Chart(
        name="fan",
        title=stock,
        caption=Message("The median, the middle half and nine tenths of the paths."),
        form=ChartForm.FAN,
        table="fan",
        x="fiscal_year",
        x_label=FISCAL_YEAR.label,
        series=[
            ChartSeries(
                f"q50{suffix}", _MEDIAN_AND_BANDS, low=wide[0], high=wide[1],
                inner_low=inner[0], inner_high=inner[1],
            )
        ],
        measure=measure,
        finding=fan_in_last_year_message,
    )  # fmt: skip
