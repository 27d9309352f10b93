"""Evidence from a table of scores and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.engines.evidence import (
    compare_clinician_and_model,
    evaluate_score_sketch,
    model_net_benefit,
    recalibrate_model_scores,
    sketch_model_scores,
)
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message, translate
from commonwatt.core.spreadsheets import read_spreadsheet_csv


def model_evidence_of_table(
    path: Path, *, score: str, label: str, by: Sequence[str], threshold: float
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return what a table says of a model, overall and by each column in `by`.

    Raises:
        EvidenceError: The table cannot be read, or lacks a column.
    """
    frame = read_patient_table(path, [score, label, *by])
    scores, labels = frame[score].to_numpy(), frame[label].cast(pl.Int8).to_numpy()
    overall = sketch_model_scores(scores, labels, threshold=threshold)
    tables = [evaluate_score_sketch(overall, ["all"])]
    for column in by:
        # A patient of unknown group is still a patient: dropped rows would make the groups look
        # better than the whole.
        codes = frame[column].cast(pl.String).fill_null("unknown")
        names = codes.unique().sort().to_list()
        group = codes.replace_strict(names, list(range(len(names)))).to_numpy()
        sketch = sketch_model_scores(scores, labels, group, groups=len(names), threshold=threshold)
        tables.append(evaluate_score_sketch(sketch, [f"{column} = {name}" for name in names]))
    answer = {
        "dataset_sha256": file_sha256(path),
        "rows": frame.height,
        "threshold": threshold,
        "net_benefit": float(model_net_benefit(overall)[0]),
        "recalibration": asdict(recalibrate_model_scores(overall)),
    }
    return answer, pl.concat(tables)


def model_evidence_figures(
    path: Path, estimates: pl.DataFrame, *, score: str, label: str, institution: str, language: str
) -> dict[str, str]:
    """Return the panel of subgroups and, where there is a column of institutions, their funnel.

    Raises:
        EvidenceError: The table lacks a column.
    """
    from commonwatt.clinic.usecases.charts import institution_funnel_chart, patient_subgroup_charts
    from commonwatt.report.charts import chart_panels_svg_file, chart_points, chart_svg_file

    figures = {
        "subgroups.svg": chart_panels_svg_file(
            [chart_points(chart, estimates, language) for chart in patient_subgroup_charts()],
            translate("How well the model does in each group, with intervals", language),
            translate(
                "Intervals at 95 %; a group with too few events is named and left empty.", language
            ),
        )
    }
    if institution:
        frame = read_patient_table(path, [score, label, institution])
        institutions = frame.group_by(
            pl.col(institution).cast(pl.String).fill_null("unknown").alias("institution")
        )
        points = (
            institutions.agg(
                expected=pl.col(score).sum(), observed=pl.col(label).cast(pl.Int64).sum()
            )
            .filter(pl.col("expected") > 0)
            .with_columns(o_over_e=pl.col("observed") / pl.col("expected"), model=pl.lit(path.stem))
            .sort("institution")
        )
        figures["funnel.svg"] = chart_svg_file(
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
    frame = read_patient_table(path, [model, label, doctor]).drop_nulls()
    model_scores, doctor_estimates = frame[model].to_numpy(), frame[doctor].to_numpy()
    return asdict(
        compare_clinician_and_model(
            model_scores, doctor_estimates, frame[label].cast(pl.Int8).to_numpy()
        )
    )


def read_patient_table(path: Path, columns: list[str]) -> pl.DataFrame:
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
