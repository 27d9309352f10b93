"""Charts of the treasury wing: path, bridge, decomposition, fan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from commonwatt.catalogue.bands import BAND_90
from commonwatt.catalogue.measures import heading
from commonwatt.catalogue.shared import DEBT_GDP
from commonwatt.core.messages import Message, translate
from commonwatt.report.theme import ALARM, BAND, at_common_size, scale, svg

Rows = list[dict[str, Any]]


def project_files(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the charts of a projection as SVG files by name."""
    return {
        "bridge.svg": bridge_chart(answer["bridge"], answer["currency"]),
        "decomposition.svg": decomposition_chart(answer["years"], stock_of(answer)),
    }


def bridge_chart(rows: Rows, currency: str) -> str:
    """Return the bridge from the published balance to the balance before bonds and transfers."""
    unit = f"{currency.lower()}_bn"
    bars = [_bar(row, unit, first=k == 0) for k, row in enumerate(rows)]
    last = rows[-1][f"level_{unit}"]
    bars.append(
        {"step": "balance before bonds and transfers", "low": 0.0, "high": last, "kind": "level"}
    )
    for bar in bars:
        bar |= {"top": max(bar["low"], bar["high"]), "label": f"{bar['high']:+,.1f}"}
    frame = pl.DataFrame(bars)
    order = [bar["step"] for bar in bars]
    base = alt.Chart(frame).encode(
        x=alt.X("step:N", sort=order, title=None, axis=alt.Axis(labelAngle=-25))
    )
    drawn = base.mark_bar().encode(
        y=alt.Y("low:Q", title=f"bn {currency}"),
        y2="high:Q",
        color=alt.Color("kind:N", scale=scale(["level", "step"]), title=None),
    )
    labels = base.mark_text(dy=-7).encode(y="top:Q", text="label:N")
    title = f"{rows[0]['fiscal_year']}: balance after each step, from the ledger"
    chart = alt.layer(drawn, labels).properties(title=title)
    said = ", ".join(f"{bar['step']} {bar['high']:,.1f}" for bar in bars)
    return svg(
        at_common_size(chart),
        description=f"Bridge of the balance {rows[0]['fiscal_year']}: {said}.",
    )


def _bar(row: dict[str, Any], unit: str, *, first: bool) -> dict[str, Any]:
    level, amount = row[f"level_{unit}"], row[f"amount_{unit}"]
    low = 0.0 if first else level - amount
    return {"step": row["step"], "low": low, "high": level, "kind": "level" if first else "step"}


def stock_of(answer: Mapping[str, Any]) -> str:
    """Return which stock of debt an answer shows, for the heading of a chart."""
    treatment = answer["treatment"]
    named = treatment["programmes"]
    programmes = "all programmes" if named == "all" else ", ".join(named)
    return f"{answer['country']}: gross debt, {programmes}, {treatment['debt_basis']} basis"


def fan_files(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the charts of a fan as SVG files by name."""
    fans = answer["fan"]
    files = {"fan_debt.svg": fan_chart(fans["debt_gdp_share"], heading=stock_of(answer))}
    if any(row["q95"] > 0 for row in fans["reserves_gdp_share"]):
        files["fan_reserves.svg"] = fan_chart(
            fans["reserves_gdp_share"], title="reserves, % of GDP"
        )
    return files


def need_chart(answer: Mapping[str, Any], language: str = "en") -> str:
    """Return the debt path with and without a need: two medians and the band with it.

    Args:
        answer: The answer of `need_answer`.
        language: "en" or "zh-Hant".
    """
    sides = {
        translate("with the programme", language): "fan_with",
        translate("without it", language): "fan_without",
    }
    low, high = BAND_90.columns
    long = [
        {"fiscal_year": row["fiscal_year"], "path": name, "median": 100 * row["q50"]}
        for name, key in sides.items()
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
        .encode(x=x, y=alt.Y("low:Q", title=heading(DEBT_GDP, language)), y2="high:Q")
    )
    lines = (
        alt.Chart(pl.DataFrame(long))
        .mark_line()
        .encode(x=x, y="median:Q", color=alt.Color("path:N", scale=scale(list(sides)), title=None))
    )
    last = [answer[key][-1]["q50"] for key in sides.values()]
    shown = {"with": f"{100 * last[0]:.2f}", "without": f"{100 * last[1]:.2f}"}
    said = Message("Median debt {with} % of GDP with the programme, {without} without.", shown)
    return svg(at_common_size(alt.layer(area, lines)), description=said.translate(language))


PARTS = ("interest", "growth", "primary_balance", "exchange_rate", "stock_flow")


def decomposition_chart(rows: Rows, heading: str = "") -> str:
    """Return what moved the debt ratio, stacked by year, in points of GDP."""
    long = [
        {
            "year": r["fiscal_year"],
            "part": p.replace("_", " "),
            "points": 100 * r[f"change_{p}_share"],
        }
        for r in rows
        for p in PARTS
    ]
    names = [part.replace("_", " ") for part in PARTS]
    bars = (
        alt.Chart(pl.DataFrame(long))
        .mark_bar()
        .encode(
            x=alt.X("year:O", title=None),
            y=alt.Y("points:Q", title="points of GDP"),
            color=alt.Color("part:N", scale=scale(names), title=None),
        )
    )
    bars = bars.properties(title=heading)
    return svg(
        at_common_size(bars), description="What changed the debt ratio each year, in points of GDP."
    )


def fan_chart(
    rows: Rows,
    *,
    title: str = "debt, % of GDP",
    heading: str = "",
    ceiling: float | None = None,
) -> str:
    """Return a fan: bands between 5, 10, 25, 75, 90 and 95 % quantiles, and the median.

    Each row holds `fiscal_year` and quantiles `q05` … `q95` as shares of GDP.
    """
    shown = pl.DataFrame(
        [{k: (100 * v if k.startswith("q") else v) for k, v in row.items()} for row in rows]
    )
    x = alt.X("fiscal_year:O", title=None)
    base = alt.Chart(shown)
    layers: list[Any] = [
        base.mark_area(opacity=0.22, color=BAND).encode(
            x=x, y=alt.Y(f"{low}:Q", title=title), y2=f"{high}:Q"
        )
        for low, high in (("q05", "q95"), ("q10", "q90"), ("q25", "q75"))
    ]
    layers.append(base.mark_line(color=BAND).encode(x=x, y="q50:Q"))
    if ceiling is not None:
        layers.append(
            base.mark_rule(color=ALARM, strokeDash=[4, 3]).encode(y=alt.datum(100 * ceiling))
        )
    last = shown.row(-1, named=True)
    said = (
        f"{title}: in {last['fiscal_year']} median {last['q50']:.1f}, "
        f"80 % band {last['q10']:.1f} to {last['q90']:.1f}."
    )
    return svg(at_common_size(alt.layer(*layers).properties(title=heading)), description=said)
