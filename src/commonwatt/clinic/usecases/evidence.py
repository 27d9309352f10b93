"""Evidence from a table of scores and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.engines.evidence import (
    ScoreSketch,
    compare_clinician_and_model,
    evaluate_score_sketch,
    model_net_benefit_by_group,
    score_recalibration_of_group,
    sketch_model_scores,
)
from commonwatt.clinic.engines.evidence.clusters import (
    PatientEffects,
    PatientRows,
    patient_effects,
    recalibration_by_patient,
)
from commonwatt.clinic.engines.evidence.metrics import FEWEST_EVENTS
from commonwatt.clinic.io.patient_table import PatientColumns, read_scored_patients
from commonwatt.clinic.usecases.monitor_assumptions import patient_assumption_of_evidence
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message, translate


def model_evidence_dict_and_estimates(
    path: Path,
    *,
    score: str,
    label: str,
    by: Sequence[str],
    threshold: float,
    patient: str = "",
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return what a table says of a model, overall and by each column in `by`.

    What needs events and non-events is `None` where one of them is missing.

    Args:
        path: The table.
        score: Column with the model's probability.
        label: Column with the outcome.
        by: Columns with groups of patients.
        threshold: Score from which the model advises.
        patient: Column with the patient's opaque name, by which intervals are then computed; rows
            without one are left out. Without the column rows are taken as independent, which the
            answer says.

    Raises:
        EvidenceError: The table cannot be read, lacks a column, or holds a value out of bounds.
    """
    read, reading = read_scored_patients(
        path, PatientColumns(score=score, label=label, patient=patient, by=tuple(by))
    )
    labelled = read.drop_nulls("label")
    frame = labelled.drop_nulls("patient") if patient else labelled
    if not frame.height:
        raise EvidenceError(
            str(path),
            found=Message("no row that has a score, an outcome and a patient")
            if patient
            else Message("no row that has a score and an outcome"),
            wanted=Message("rows of patients"),
        )
    scores, labels = frame["score"].to_numpy(), frame["label"].to_numpy()
    overall = sketch_model_scores(scores, labels, threshold=threshold)
    rows = _rows_of_patients(frame, threshold) if patient else None
    effects = patient_effects(rows) if rows else None
    tables = [evaluate_score_sketch(overall, ["all"], by_patient=effects)]
    for number, column in enumerate(by):
        # A patient of unknown group is still a patient: dropped rows would make the groups look
        # better than the whole.
        codes = frame[f"by {number}"]
        names = codes.unique().sort().to_list()
        group = codes.replace_strict(names, list(range(len(names)))).to_numpy()
        sketch = sketch_model_scores(scores, labels, group, groups=len(names), threshold=threshold)
        of_groups = replace(rows, group=group, groups=len(names)) if rows else None
        tables.append(
            evaluate_score_sketch(
                sketch,
                [f"{column} = {name}" for name in names],
                by_patient=patient_effects(of_groups) if of_groups else None,
            )
        )
    counts = _patient_counts(frame, effects) if effects else None
    assumed = patient_assumption_of_evidence(counts, frame.height, labelled.height - frame.height)
    answer = {
        "dataset_sha256": file_sha256(path),
        "rows": frame.height,
        "patients": counts,
        "threshold": threshold,
        "net_benefit": float(model_net_benefit_by_group(overall)[0]),
        "recalibration": _recalibration_dict(overall, rows, effects),
        "missing": dict(reading.missing),
        "read": reading.as_dict(),
        "assumptions": [assumed.as_dict()],
    }
    return answer, pl.concat(tables)


def _rows_of_patients(frame: pl.DataFrame, threshold: float) -> PatientRows:
    """Return rows in one group, with a number for each patient."""
    names = frame["patient"].rank("dense").cast(pl.Int64)
    return PatientRows(
        score=frame["score"].to_numpy(),
        label=frame["label"].cast(pl.Int64).to_numpy(),
        patient=names.to_numpy(),
        group=np.zeros(frame.height, np.int64),
        groups=1,
        threshold=threshold,
    )


def _patient_counts(frame: pl.DataFrame, effects: PatientEffects) -> dict[str, int]:
    most = frame.group_by("patient").len()["len"].max()
    return {
        "patients": int(effects.patients[0]),
        "with_event": int(effects.with_event[0]),
        "without_event": int(effects.without_event[0]),
        "most_rows": most if isinstance(most, int) else 0,
    }


def _recalibration_dict(
    sketch: ScoreSketch, rows: PatientRows | None, effects: PatientEffects | None
) -> dict[str, float] | None:
    """Return the line through the scores; `None` where an outcome is rare, or the score but one.

    The other figures stand without it, and one that is undefined refuses none of them. Through
    three events goes a line, too, and says nothing: where they lie apart from the others, its
    slope has no end.
    """
    fewest = sketch.counts[0].sum(axis=1).min()
    if effects is not None:
        fewest = min(effects.with_event[0], effects.without_event[0])
    if fewest < FEWEST_EVENTS:
        return None
    try:
        line = score_recalibration_of_group(sketch)
    except EvidenceError:
        return None
    return asdict(recalibration_by_patient(line, rows) if rows else line)


def subgroup_and_funnel_svg_by_file_name(
    path: Path, estimates: pl.DataFrame, *, score: str, label: str, institution: str, language: str
) -> dict[str, str]:
    """Return the panel of subgroups and, where there is a column of institutions, their funnel.

    Raises:
        EvidenceError: The table lacks a column.
    """
    from commonwatt.clinic.usecases.charts import (
        clinic_institution_funnel_chart,
        patient_subgroup_charts,
    )
    from commonwatt.report.charts import chart_panels_svg_document, chart_points, chart_svg_document

    figures = {
        "subgroups.svg": chart_panels_svg_document(
            [chart_points(chart, estimates, language) for chart in patient_subgroup_charts()],
            translate("How well the model does in each group, with intervals", language),
            translate(
                "Intervals at 95 %; a group with too few events is named and left empty.", language
            ),
        )
    }
    if institution:
        columns = PatientColumns(score=score, label=label, by=(institution,))
        frame = read_scored_patients(path, columns)[0].drop_nulls("label")
        points = (
            frame.group_by(pl.col("by 0").alias("institution"))
            .agg(expected=pl.col("score").sum(), observed=pl.col("label").cast(pl.Int64).sum())
            .filter(pl.col("expected") > 0)
            .with_columns(o_over_e=pl.col("observed") / pl.col("expected"), model=pl.lit(path.stem))
            .sort("institution")
        )
        figures["funnel.svg"] = chart_svg_document(
            clinic_institution_funnel_chart([path.stem]), points, language
        )
    return figures


def clinician_against_model_comparison_dict(
    path: Path, *, model: str, doctor: str, label: str
) -> dict[str, Any]:
    """Return how model, doctor and both do on the same patients, and which rows were left out.

    Raises:
        EvidenceError: The table cannot be read, or lacks a column.
    """
    columns = PatientColumns(score=model, label=label, second_score=doctor)
    read, reading = read_scored_patients(path, columns)
    frame = read.drop_nulls(["label", "second_score"])
    if not frame.height:
        raise EvidenceError(
            str(path),
            found=Message("no row that has both estimates and an outcome"),
            wanted=Message("rows of patients"),
        )
    comparison = compare_clinician_and_model(
        frame["score"].to_numpy(), frame["second_score"].to_numpy(), frame["label"].to_numpy()
    )
    left_out = {"rows_left_out": reading.rows - reading.repeated - frame.height}
    return asdict(comparison) | {"read": reading.as_dict() | left_out}
