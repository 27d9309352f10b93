"""The example programme's medical models, computed: class, scores, monitor, open duties."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import yaml

from commonwatt.clinic.domain.rules import (
    ProductRuling,
    classify_product,
    load_regulatory_rule_book,
)
from commonwatt.clinic.engines.evidence.sketch import ScoreSketch, sketch_model_scores
from commonwatt.clinic.engines.monitor import (
    MonitorPlan,
    MonitorResult,
    monitor_result_of_daily_counts,
)
from commonwatt.core.seeds import named_random_stream
from commonwatt.core.shipped import DATA

F64 = npt.NDArray[np.float64]
EXAMPLES: Final = DATA / "clinic" / "example_models.yaml"
TEXT_GENERATOR: Final = "generative"  # a technique of the facts of a product
DAYS: Final = 120
PATH_STEP_DAYS: Final = 5  # days between two points of the evidence's path


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredModel:
    """One model that scores patients, with what its scores came to.

    Args:
        name: In the reader's language.
        days: Sketch of each day.
        institutions: One group for each institution.
        groups: One group for each group of patients.
        monitor_result: What its monitor says.
        path: Evidence over its limit after every `PATH_STEP_DAYS` days.
    """

    name: str
    days: tuple[ScoreSketch, ...]
    institutions: ScoreSketch
    groups: ScoreSketch
    monitor_result: MonitorResult
    path: tuple[float, ...]

    @property
    def over_all_institutions(self) -> ScoreSketch:
        """Every row."""
        return self.institutions.over_all_groups()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleModel:
    """One model of the programme, as far as it was computed.

    Args:
        name: In the reader's language.
        ruling: Its class in Hong Kong.
        open_duties: Duties of its class that are not met.
        scores: What its scores came to; None of a model that writes text and scores nobody, to
            which neither discrimination nor calibration applies.
    """

    name: str
    ruling: ProductRuling
    open_duties: tuple[str, ...]
    scores: MonitoredModel | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicExample:
    """Every model, and what its institutions and groups are called."""

    models: tuple[ExampleModel, ...]
    institutions: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def scored_models(self) -> list[MonitoredModel]:
        """The models that score patients, in the order of the file."""
        return [model.scores for model in self.models if model.scores is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _DailyRows:
    """What one day brought: scores, labels, and whose they were."""

    score: F64
    label: npt.NDArray[np.bool_]
    institution: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]


def clinic_example(*, language: str, seed: int, on: date) -> ClinicExample:
    """Return the example's models as they stand on a day.

    Args:
        language: Of the names.
        seed: Every score and label is drawn from it.
        on: The day whose law applies.
    """
    file = cast("dict[str, Any]", yaml.safe_load(EXAMPLES.read_text(encoding="utf-8")))
    return ClinicExample(
        models=tuple(
            _clinic_example_model(entry, file, language, seed, on) for entry in file["models"]
        ),
        institutions=tuple(file["institutions"]),
        groups=tuple(group["name"][language] for group in file["groups"]),
    )


def _clinic_example_model(
    entry: dict[str, Any], file: dict[str, Any], language: str, seed: int, on: date
) -> ExampleModel:
    facts: dict[str, str] = entry["facts"]
    ruling = classify_product(load_regulatory_rule_book(), facts, jurisdiction="hk", on=on)
    writes_text = facts["technique"] == TEXT_GENERATOR
    return ExampleModel(
        name=entry["name"][language],
        ruling=ruling,
        open_duties=tuple(d for d in ruling.obligations if d not in set(entry["met"])),
        scores=None if writes_text else _example_monitored_model(entry, file, language, seed),
    )


def _example_monitored_model(
    entry: dict[str, Any], file: dict[str, Any], language: str, seed: int
) -> MonitoredModel:
    rows = _draw_daily_patient_rows(entry, file, seed)
    days = tuple(sketch_model_scores(day.score, day.label) for day in rows)
    counts = np.stack([day.counts for day in days])
    plan = MonitorPlan(
        band=0.2, alpha=0.05, horizon=int(counts.sum()), middle=float(entry["mean_logit"])
    )
    return MonitoredModel(
        name=entry["name"][language],
        days=days,
        institutions=_merged_score_sketch(
            [(day, day.institution) for day in rows], len(file["institutions"])
        ),
        groups=_merged_score_sketch([(day, day.group) for day in rows], len(file["groups"])),
        monitor_result=monitor_result_of_daily_counts(counts, plan),
        path=_monitor_evidence_over_limit_by_day(counts, plan),
    )


def _monitor_evidence_over_limit_by_day(
    counts: npt.NDArray[np.int64], plan: MonitorPlan
) -> tuple[float, ...]:
    """Return the highest that the evidence has stood, over its limit, as days pass."""
    ends = range(PATH_STEP_DAYS, len(counts) + 1, PATH_STEP_DAYS)
    return tuple(
        float(monitor_result_of_daily_counts(counts[:end], plan).statistic[0]) for end in ends
    )


def _draw_daily_patient_rows(
    entry: dict[str, Any], file: dict[str, Any], seed: int
) -> list[_DailyRows]:
    """Return each day's rows; who they are has a stream of its own and moves no score."""
    chance = named_random_stream(seed, f"clinic-example-{entry['id']}")
    # A stream of its own: a change of institutions or groups must not move a single score.
    whose = named_random_stream(seed, f"clinic-example-{entry['id']}-whose")
    odd = entry.get("odd_institution", {"name": "", "logit": 0.0})
    harm = np.array(
        [
            odd["logit"] if institution == odd["name"] else 0.0
            for institution in file["institutions"]
        ]
    )
    shares = [group["share"] for group in file["groups"]]
    daily_rows: list[_DailyRows] = []
    for day in range(DAYS):
        count = int(entry["patients_per_day"])
        institution = whose.choice(len(harm), size=count, p=list(file["institutions"].values()))
        group = whose.choice(len(shares), size=count, p=shares)
        x = float(entry["mean_logit"]) + 1.3 * chance.standard_normal(count)
        drift = entry["drift_logit"] if day >= entry["drift_day"] else 0.0
        label = chance.random(count) < 1 / (1 + np.exp(-(x + drift + harm[institution])))
        daily_rows.append(
            _DailyRows(
                score=1 / (1 + np.exp(-x)), label=label, institution=institution, group=group
            )
        )
    return daily_rows


def _merged_score_sketch(
    days: list[tuple[_DailyRows, npt.NDArray[np.int64]]], groups: int
) -> ScoreSketch:
    return reduce(
        ScoreSketch.merge_score_sketch,
        (sketch_model_scores(d.score, d.label, code, groups=groups) for d, code in days),
    )
