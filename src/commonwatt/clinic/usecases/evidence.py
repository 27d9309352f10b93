"""Evidence from a table of scores and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.engines.evidence import (
    ScoreSketch,
    compare_clinician_and_model,
    evaluate_score_sketch,
    model_net_benefit,
    score_recalibration_of_group,
    sketch_model_scores,
)
from commonwatt.clinic.engines.evidence.metrics import FEWEST_EVENTS
from commonwatt.clinic.io.patient_table import UNKNOWN, PatientColumns, read_scored_patients
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message, translate
from commonwatt.core.spreadsheets import read_spreadsheet_csv


def model_evidence_of_table(
    path: Path, *, score: str, label: str, by: Sequence[str], threshold: float
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return what a table says of a model, overall and by each column in `by`.

    What needs events and non-events is `None` where one of them is missing.

    Raises:
        EvidenceError: The table cannot be read, lacks a column, or holds a value out of bounds.
    """
    read, reading = read_scored_patients(
        path, PatientColumns(score=score, label=label, by=tuple(by))
    )
    frame = read.drop_nulls("label")
    if not frame.height:
        raise EvidenceError(
            str(path),
            found=Message("no row that has a score and an outcome"),
            wanted=Message("rows of patients"),
        )
    scores, labels = frame["score"].to_numpy(), frame["label"].to_numpy()
    overall = sketch_model_scores(scores, labels, threshold=threshold)
    tables = [evaluate_score_sketch(overall, ["all"])]
    for number, column in enumerate(by):
        # A patient of unknown group is still a patient: dropped rows would make the groups look
        # better than the whole.
        codes = frame[f"by {number}"]
        names = codes.unique().sort().to_list()
        group = codes.replace_strict(names, list(range(len(names)))).to_numpy()
        sketch = sketch_model_scores(scores, labels, group, groups=len(names), threshold=threshold)
        tables.append(evaluate_score_sketch(sketch, [f"{column} = {name}" for name in names]))
    answer = {
        "dataset_sha256": file_sha256(path),
        "rows": frame.height,
        "threshold": threshold,
        "net_benefit": float(model_net_benefit(overall)[0]),
        "recalibration": _recalibration_dict(overall),
        "missing": dict(reading.missing),
        "read": reading.as_dict(),
    }
    return answer, pl.concat(tables)


def _recalibration_dict(sketch: ScoreSketch) -> dict[str, float] | None:
    """Return the line through the scores; `None` where an outcome is rare, or the score but one.

    The other figures stand without it, and one that is undefined refuses none of them. Through
    three events goes a line, too, and says nothing: where they lie apart from the others, its
    slope has no end.
    """
    if sketch.counts[0].sum(axis=1).min() < FEWEST_EVENTS:
        return None
    try:
        return asdict(score_recalibration_of_group(sketch))
    except EvidenceError:
        return None


def subgroup_and_funnel_svg_by_file_name(
    path: Path, estimates: pl.DataFrame, *, score: str, label: str, institution: str, language: str
) -> dict[str, str]:
    """Return the panel of subgroups and, where there is a column of institutions, their funnel.

    Raises:
        EvidenceError: The table lacks a column.
    """
    from commonwatt.clinic.usecases.charts import institution_funnel_chart, patient_subgroup_charts
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
            institution_funnel_chart([path.stem]), points, language
        )
    return figures


def clinician_against_model_result(
    path: Path, *, model: str, doctor: str, label: str
) -> dict[str, Any]:
    """Return how model, doctor and both do on the same patients.

    Raises:
        EvidenceError: The table cannot be read, or lacks a column.
    """
    read, _ = read_scored_patients(path, PatientColumns(score=model, label=label, by=(doctor,)))
    # The doctor's estimate is a second score, read as one: missing where it is spelled so.
    frame = read.drop_nulls("label").with_columns(
        doctor=pl.col("by 0").cast(pl.Float64, strict=False)
    )
    unread = frame.filter(pl.col("doctor").is_null() & (pl.col("by 0") != UNKNOWN))
    if unread.height:
        raise EvidenceError(
            f"{path}, row {unread['row'][0]:,}, {doctor}", wanted=Message("a score from 0 to 1")
        )
    frame = frame.drop_nulls("doctor")
    return asdict(
        compare_clinician_and_model(
            frame["score"].to_numpy(), frame["doctor"].to_numpy(), frame["label"].to_numpy()
        )
    )


def read_patient_rows_with_score_and_label(path: Path, columns: list[str]) -> pl.DataFrame:
    """Return some columns of a CSV or Parquet file, without rows that lack score or label.

    Raises:
        EvidenceError: The file cannot be read, or lacks a column.
    """
    try:
        read = pl.read_parquet if path.suffix in (".parquet", ".pq") else read_spreadsheet_csv
        frame = read(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise EvidenceError(str(path), found=type(error).__name__) from None
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise EvidenceError(
            str(path), wanted=Message("the columns {names}", {"names": ", ".join(missing)})
        )
    # Without score or label a row says nothing of the model; a missing subgroup does not make it
    # useless.
    return frame.select(columns).drop_nulls(columns[:2])
