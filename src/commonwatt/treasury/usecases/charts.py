"""Charts of the treasury wing: path, bridge, decomposition, fan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from commonwatt.catalogue.bands import BAND_50, BAND_90
from commonwatt.catalogue.measures import (
    measure_heading,
    measure_label_text,
    measure_shown_value,
    shown_measure_unit,
)
from commonwatt.catalogue.shared import DEBT_GDP
from commonwatt.core.messages import Message, translate
from commonwatt.report.theme import BAND, chart_at_report_size, chart_colour_scale, report_chart_svg
from commonwatt.treasury.domain.measures import (
    BALANCE_BEFORE_BONDS_AND_TRANSFERS,
    CHANGE_EXCHANGE_RATE,
    CHANGE_GROWTH,
    CHANGE_INTEREST,
    CHANGE_PRIMARY_BALANCE,
    CHANGE_STOCK_FLOW,
    RESERVES,
)

Rows = list[dict[str, Any]]


def debt_projection_files(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the charts of a projection as SVG files by name."""
    return {
        "bridge.svg": balance_bridge_chart(answer["bridge"], answer["currency"]),
        "decomposition.svg": debt_decomposition_chart(
            answer["years"], debt_stock_chart_heading(answer)
        ),
    }


def balance_bridge_chart(bridge_steps: Rows, currency: str) -> str:
    """Return the bridge from the published balance to the balance before bonds and transfers."""
    unit = f"{currency.lower()}_bn"
    bars = [
        _fiscal_bridge_bar_bounds(row, unit, first=k == 0) for k, row in enumerate(bridge_steps)
    ]
    # The last bar stands on the ground again, so that the two balances can be compared by eye.
    last = bridge_steps[-1][f"level_{unit}"]
    total = BALANCE_BEFORE_BONDS_AND_TRANSFERS.label.text.lower()
    bars.append({"step": total, "low": 0.0, "high": last, "kind": "level"})
    for bar in bars:
        # Above the higher end, because a step may lead down.
        bar |= {"top": max(bar["low"], bar["high"]), "label": f"{bar['high']:+,.1f}"}
    frame = pl.DataFrame(bars)
    # A bridge is read in the order of its steps; Vega-Lite would sort them by name.
    order = [bar["step"] for bar in bars]
    base = alt.Chart(frame).encode(
        x=alt.X("step:N", sort=order, title=None, axis=alt.Axis(labelAngle=-25))
    )
    boxes = base.mark_bar().encode(
        y=alt.Y("low:Q", title=f"bn {currency}"),
        y2="high:Q",
        color=alt.Color("kind:N", scale=chart_colour_scale(["level", "step"]), title=None),
    )
    labels = base.mark_text(dy=-7).encode(y="top:Q", text="label:N")
    title = f"{bridge_steps[0]['fiscal_year']}: balance after each step, from the ledger"
    chart = alt.layer(boxes, labels).properties(title=title)
    steps = ", ".join(f"{bar['step']} {bar['high']:,.1f}" for bar in bars)
    return report_chart_svg(
        chart_at_report_size(chart),
        description=f"Bridge of the balance {bridge_steps[0]['fiscal_year']}: {steps}.",
    )


def _fiscal_bridge_bar_bounds(
    bridge_step: dict[str, Any], unit: str, *, first: bool
) -> dict[str, Any]:
    level, amount = bridge_step[f"level_{unit}"], bridge_step[f"amount_{unit}"]
    low = 0.0 if first else level - amount
    return {
        "step": bridge_step["step"],
        "low": low,
        "high": level,
        "kind": "level" if first else "step",
    }


def debt_stock_chart_heading(answer: Mapping[str, Any]) -> str:
    """Return which stock of debt an answer shows, for the heading of a chart."""
    treatment = answer["treatment"]
    named = treatment["programmes"]
    programmes = "all programmes" if named == "all" else ", ".join(named)
    return f"{answer['country']}: gross debt, {programmes}, {treatment['debt_basis']} basis"


def debt_fan_files(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the charts of a fan as SVG files by name."""
    fans = answer["fan"]
    files = {
        "fan_debt.svg": debt_fan_chart(
            fans["debt_gdp_share"],
            measure_heading(DEBT_GDP),
            title=debt_stock_chart_heading(answer),
        )
    }
    # A country without reserves has zero throughout, and a flat line would look like a finding.
    if any(row["q95"] > 0 for row in fans["reserves_gdp_share"]):
        files["fan_reserves.svg"] = debt_fan_chart(
            fans["reserves_gdp_share"],
            f"{measure_label_text(RESERVES)} [{shown_measure_unit(DEBT_GDP)}]",
        )
    return files


def debt_with_and_without_need_chart(answer: Mapping[str, Any], language: str = "en") -> str:
    """Return the debt path with and without a need: two medians and the band with it.

    Args:
        answer: The answer of `need_answer`.
        language: "en" or "zh-Hant".
    """
    fan_keys = {
        translate("with the programme", language): "fan_with",
        translate("without it", language): "fan_without",
    }
    low, high = BAND_90.measure_quantile_column_names
    long = [
        {"fiscal_year": row["fiscal_year"], "path": name, "median": 100 * row["q50"]}
        for name, key in fan_keys.items()
        for row in answer[key]
    ]
    band = [
        {"fiscal_year": r["fiscal_year"], "low": 100 * r[low], "high": 100 * r[high]}
        for r in answer["fan_with"]
    ]
    x = alt.X("fiscal_year:O", title=None)
    area = (
        alt.Chart(pl.DataFrame(band))
        .mark_area(opacity=0.2, color=BAND)
        .encode(x=x, y=alt.Y("low:Q", title=measure_heading(DEBT_GDP, language)), y2="high:Q")
    )
    lines = (
        alt.Chart(pl.DataFrame(long))
        .mark_line()
        .encode(
            x=x,
            y="median:Q",
            color=alt.Color("path:N", scale=chart_colour_scale(list(fan_keys)), title=None),
        )
    )
    last = [answer[key][-1]["q50"] for key in fan_keys.values()]
    shares = {"with": f"{100 * last[0]:.2f}", "without": f"{100 * last[1]:.2f}"}
    description = Message(
        "Median debt {with} % of GDP with the programme, {without} without.", shares
    )
    return report_chart_svg(
        chart_at_report_size(alt.layer(area, lines)), description=description.translate(language)
    )


_PARTS = {
    "change_interest_share": CHANGE_INTEREST,
    "change_growth_share": CHANGE_GROWTH,
    "change_primary_balance_share": CHANGE_PRIMARY_BALANCE,
    "change_exchange_rate_share": CHANGE_EXCHANGE_RATE,
    "change_stock_flow_share": CHANGE_STOCK_FLOW,
}


def debt_decomposition_chart(projected_years: Rows, title: str = "") -> str:
    """Return what moved the debt ratio, stacked by year, in points of GDP."""
    parts = [
        {
            "year": row["fiscal_year"],
            "part": measure_label_text(measure),
            "points": measure_shown_value(row[name], measure, "en"),
        }
        for row in projected_years
        for name, measure in _PARTS.items()
    ]
    names = [measure_label_text(measure) for measure in _PARTS.values()]
    bars = (
        alt.Chart(pl.DataFrame(parts))
        .mark_bar()
        .encode(
            x=alt.X("year:O", title=None),
            # Parts of one year stack, so every part must be in the one unit of the axis.
            y=alt.Y("points:Q", title=shown_measure_unit(CHANGE_INTEREST)),
            color=alt.Color("part:N", scale=chart_colour_scale(names), title=None),
        )
    )
    return report_chart_svg(
        chart_at_report_size(bars.properties(title=title)),
        description="What changed the debt ratio each year, in points of GDP.",
    )


def debt_fan_chart(debt_quantile_rows: Rows, axis: str, *, title: str = "") -> str:
    """Return a fan: the bands of the catalogue, and the median.

    Args:
        debt_quantile_rows: One a year: `fiscal_year` and quantiles `q05` … `q95` as shares of GDP.
        axis: What the ratio is, with its unit.
        title: Which stock is drawn.
    """
    percents = pl.DataFrame(
        [
            {name: (100 * v if name.startswith("q") else v) for name, v in row.items()}
            for row in debt_quantile_rows
        ]
    )
    x = alt.X("fiscal_year:O", title=None)
    base = alt.Chart(percents)
    # The wide band first: what is drawn later lies on top.
    layers: list[Any] = [
        base.mark_area(opacity=0.22, color=BAND).encode(
            x=x, y=alt.Y(f"{low}:Q", title=axis), y2=f"{high}:Q"
        )
        for low, high in (
            BAND_90.measure_quantile_column_names,
            BAND_50.measure_quantile_column_names,
        )
    ]
    layers.append(base.mark_line(color=BAND).encode(x=x, y="q50:Q"))
    last, (low, high) = percents.row(-1, named=True), BAND_90.measure_quantile_column_names
    description = (
        f"{axis}: in {last['fiscal_year']} median {last['q50']:.1f}, "
        f"{BAND_90.measure_interval_note(f'{last[low]:.1f}', f'{last[high]:.1f}')}."
    )
    return report_chart_svg(
        chart_at_report_size(alt.layer(*layers).properties(title=title)), description=description
    )
