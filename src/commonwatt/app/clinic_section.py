"""The clinic's part of the study report: models, their class, evidence, alarms, open duties."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import polars as pl
import yaml

from commonwatt.app.charts.clinic import over_time
from commonwatt.app.report import Fact, Figure, Section, Shown
from commonwatt.clinic.evidence import evaluate
from commonwatt.clinic.evidence.sketch import UNIT, Sketch, sketch_of
from commonwatt.clinic.rules import Ruling, classify, load_book
from commonwatt.clinic.surveillance import MonitorPlan, Watched, watch_days
from commonwatt.core.messages import Message, translate
from commonwatt.core.seeds import stream

EXAMPLES: Final = Path(__file__).parents[1] / "data" / "clinic" / "example_models.yaml"
DAYS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One model of the programme, as far as it was computed."""

    name: str
    ruling: Ruling
    total: Sketch
    days: tuple[Sketch, ...]
    watched: Watched
    open_duties: tuple[str, ...]


def clinic_section(*, language: str, seed: int, on: date) -> Section:
    """Return the section for the report, in the reader's language.

    Args:
        language: Of every text in it.
        seed: The programme's seed, from which the synthetic scores are drawn.
        on: The day whose law applies.
    """
    found = [_watch(entry, seed, on) for entry in _models(language)]
    book = load_book()
    unconfirmed = sum(rule.source.checked == "unconfirmed" for rule in book.rules)
    alarms = sum(one.watched.verdicts[0] == "alarm" for one in found)
    alpha = f"{found[0].watched.bound:g}"
    return Section(
        name="clinic",
        title=translate("Medical models", language),
        lede=translate(
            "Whether each model of the programme may be used under the law of the day,"
            " how well it does, and whether its monitor is quiet.",
            language,
        ),
        facts=[
            Fact(label=translate("Models", language), value=str(len(found))),
            Fact(
                label=translate("Monitors in alarm", language),
                value=str(alarms),
                note=Message("guaranteed bound on any false alarm: {alpha}", {"alpha": alpha}).say(
                    language
                ),
            ),
            Fact(
                label=translate("Rules of the set", language),
                value=str(len(book.rules)),
                note=Message("of them unconfirmed: {count}", {"count": str(unconfirmed)}).say(
                    language
                ),
            ),
        ],
        figures=[_figure(found, language)],
        tables=[_table(found, language)],
        notes=[
            translate(
                "Models and scores of this section are synthetic examples drawn from the seed;"
                " classes and duties are computed from the rule set.",
                language,
            ),
            translate(
                "Duties of a class rest on the rules named in the classification;"
                " see `commonwatt clinic classify`.",
                language,
            ),
        ],
    )


def _models(language: str) -> list[dict[str, Any]]:
    entries = cast("list[dict[str, Any]]", yaml.safe_load(EXAMPLES.read_text(encoding="utf-8")))
    return [entry | {"name": entry["name"][language]} for entry in entries]


def _watch(entry: dict[str, Any], seed: int, on: date) -> Watch:
    ruling = classify(load_book(), entry["facts"], jurisdiction="hk", on=on)
    days = tuple(_days(entry, seed))
    total = days[0]
    for day in days[1:]:
        total = total.merge(day)
    middle = float(entry["mean_logit"])
    horizon = int(total.counts.sum())
    plan = MonitorPlan(band=0.2, alpha=0.05, horizon=horizon, middle=middle)
    watched = watch_days(np.stack([day.counts for day in days]), plan)
    duties = tuple(duty for duty in ruling.obligations if duty not in set(entry["met"]))
    return Watch(
        name=entry["name"],
        ruling=ruling,
        total=total,
        days=days,
        watched=watched,
        open_duties=duties,
    )


def _days(entry: dict[str, Any], seed: int) -> list[Sketch]:
    chance = stream(seed, f"clinic-example-{entry['id']}")
    made: list[Sketch] = []
    for day in range(DAYS):
        count = int(entry["patients_per_day"])
        x = float(entry["mean_logit"]) + 1.3 * chance.standard_normal(count)
        drift = entry["drift_logit"] if day >= entry["drift_day"] else 0.0
        label = chance.random(count) < 1 / (1 + np.exp(-(x + drift)))
        made.append(sketch_of(1 / (1 + np.exp(-x)), label))
    return made


def _table(found: list[Watch], language: str) -> Shown:
    headings = (
        "Model", "Class and route in Hong Kong", "AUC (interval)", "Observed over expected",
        "Monitor", "Open duties",
    )  # fmt: skip
    return Shown(
        title=translate("Models", language),
        headings=[translate(heading, language) for heading in headings],
        rows=[_row(one, language) for one in found],
    )


def _row(one: Watch, language: str) -> list[str]:
    estimates = evaluate(one.total, ["all"])
    said = {row["metric"]: row for row in estimates.iter_rows(named=True)}
    classes = ", ".join(verdict.klass for verdict in one.ruling.verdicts) or "–"
    route = translate(one.ruling.route or "no route stated", language)
    verdict = translate(one.watched.verdicts[0], language)
    at = int(one.watched.alarm_at[0])
    day = f" ({translate('Day', language)} {at})" if at >= 0 else ""
    return [
        one.name,
        f"{classes} · {route}",
        _interval(said["auc"]),
        _interval(said["o_over_e"]),
        verdict + day,
        ", ".join(one.open_duties) or "–",
    ]


def _interval(row: dict[str, Any]) -> str:
    if row["estimate"] is None:
        return "–"
    return f"{row['estimate']:.3f} ({row['low']:.3f}–{row['high']:.3f})"


def _figure(found: list[Watch], language: str) -> Figure:
    points = pl.DataFrame(
        [
            {"model": one.name, "day": day, "o_over_e": _ratio(sketch)}
            for one in found
            for day, sketch in enumerate(one.days)
        ]
    )
    alarms = pl.DataFrame(
        [{"model": one.name, "day": int(one.watched.alarm_at[0])} for one in found],
        schema={"model": pl.String, "day": pl.Int64},
    ).filter(pl.col("day") >= 0)
    return Figure(
        name="clinic-over-time",
        title=translate("Observed over expected by day", language),
        caption=translate(
            "Each point is one day of one model; the line marks the day of the alarm.", language
        ),
        svg=over_time(points, alarms, language),
        data=alarms,
    )


def _ratio(sketch: Sketch) -> float:
    return float(sketch.counts[0, 1].sum() / max(sketch.score_sum[0] / UNIT, 1e-9))
