"""The clinic's part of the study report: models, their class, evidence, alarms, open duties."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import polars as pl

from commonwatt.catalogue.measures import ABSENT, measure_cell_text, measure_label_text
from commonwatt.catalogue.shared import DAY
from commonwatt.clinic.domain import tables
from commonwatt.clinic.domain.measures import (
    AUC,
    BOTH_AUC,
    ESTIMATE,
    INTERVAL_HIGH,
    INTERVAL_LOW,
    JUDGES,
    MODELS,
    MONITORS_IN_ALARM,
    RULES_IN_SET,
)
from commonwatt.clinic.domain.rules import load_regulatory_rule_book
from commonwatt.clinic.engines.evidence import (
    ClinicianModelComparison,
    compare_clinician_and_model,
    evaluate_score_sketch,
)
from commonwatt.clinic.engines.evidence.metrics import observed_over_expected
from commonwatt.clinic.engines.evidence.sketch import UNIT, ScoreSketch
from commonwatt.clinic.usecases.charts import (
    clinic_institution_funnel_chart,
    clinic_model_over_time_chart,
    clinic_monitor_evidence_chart,
    clinician_against_model_chart,
    patient_subgroup_charts,
)
from commonwatt.clinic.usecases.example import (
    PATH_STEP_DAYS,
    ClinicExample,
    ExampleModel,
    MonitoredModel,
    clinic_example,
)
from commonwatt.core.messages import Message, translate
from commonwatt.core.shipped import DATA
from commonwatt.report import (
    ReportFact,
    ReportFigure,
    ReportSection,
    ReportTable,
    report_fact,
    report_figure,
    report_panels_figure,
    report_table_of_rows,
)

FORECASTS: Final = DATA / "clinic" / "support2" / "forecasts.csv.gz"


def clinic_models_section_and_tables(
    *, language: str, seed: int, on: date
) -> tuple[ReportSection, dict[str, pl.DataFrame]]:
    """Return the section for the report, in the reader's language, and the tables behind it.

    Args:
        language: Of every text in it.
        seed: The programme's seed, from which the synthetic scores are drawn.
        on: The day whose law applies.
    """
    example = clinic_example(language=language, seed=seed, on=on)
    comparison = support_study_clinician_model_comparison()
    frames = {
        tables.CLINIC_OVER_TIME.name: _clinic_model_over_time_points(example),
        tables.CLINIC_EVIDENCE.name: _clinic_monitor_evidence_points(example),
        tables.CLINIC_SUBGROUPS.name: _clinic_patient_subgroup_estimates(example),
        tables.CLINIC_FUNNEL.name: _clinic_institution_funnel_points(example),
        tables.CLINIC_VOICES.name: _clinic_doctor_and_model_estimates(comparison, language),
    }
    section = ReportSection(
        name="clinic",
        title=translate("Medical models", language),
        lede=translate(
            "Whether each model of the programme may be used under the law of the day,"
            " how well it does, and whether its monitor is quiet.",
            language,
        ),
        facts=_clinic_report_facts(example, comparison, language),
        figures=_clinic_section_figures(frames, example, language),
        tables=[
            _clinic_models_table(example, language),
            _clinician_against_model_auc_table(comparison, language),
        ],
        notes=[translate(note, language) for note in _NOTES],
    )
    return section, frames


_NOTES: Final = (
    "Models and scores of this section are synthetic examples drawn from the seed;"
    " classes and duties are computed from the rule set.",
    "Duties of a class rest on the rules named in the classification;"
    " see `commonwatt clinic model classify`.",
    "A model that writes text scores nobody, so that neither AUC nor observed over expected nor"
    " a monitor of scores applies to it; it is examined by `commonwatt clinic language`.",
    "The worth of the doctor's own estimate is measured on 7,456 patients of the SUPPORT"
    " study, whose doctors estimated without seeing the model; both together are the plain"
    " mean, nothing is fitted.",
)


def support_study_clinician_model_comparison() -> ClinicianModelComparison:
    """Return what model and doctor of the SUPPORT study foretold, alone and together."""
    frame = pl.read_csv(FORECASTS)
    return compare_clinician_and_model(
        frame["model"].to_numpy(), frame["doctor"].to_numpy(), frame["alive"].to_numpy()
    )


def _clinic_report_facts(
    example: ClinicExample, comparison: ClinicianModelComparison, language: str
) -> list[ReportFact]:
    book = load_regulatory_rule_book()
    unconfirmed = sum(rule.source.checked == "unconfirmed" for rule in book.rules)
    alarms = sum(model.monitor_result.verdicts[0] == "alarm" for model in example.scored_models)
    gaps = {"alpha": f"{example.scored_models[0].monitor_result.bound:g}"}
    bound = Message("guaranteed bound on any false alarm: {alpha}", gaps)
    gaps = {
        "model": measure_cell_text(comparison.model[0], AUC),
        "doctor": measure_cell_text(comparison.doctor[0], AUC),
    }
    alone = Message("AUC; the model alone {model}, the doctor alone {doctor}", gaps)
    count = Message("of them unconfirmed: {count}", {"count": str(unconfirmed)})
    return [
        report_fact(MODELS, len(example.models), language),
        report_fact(MONITORS_IN_ALARM, alarms, language, note=bound),
        report_fact(RULES_IN_SET, len(book.rules), language, note=count),
        report_fact(BOTH_AUC, comparison.both[0], language, note=alone),
    ]


def _clinic_models_table(example: ClinicExample, language: str) -> ReportTable:
    rows = [_clinic_model_row(model, language) for model in example.models]
    return report_table_of_rows(tables.MODELS, rows, language, title=MODELS.label)


def _clinic_model_row(model: ExampleModel, language: str) -> dict[str, str]:
    classes = ", ".join(verdict.klass for verdict in model.ruling.verdicts) or ABSENT
    route = translate(model.ruling.route or "no route stated", language)
    return {
        "model": model.name,
        "class_and_route": f"{classes} · {route}",
        **_clinic_score_cells(model.scores, language),
        "open_duties": ", ".join(model.open_duties) or ABSENT,
    }


def _clinic_score_cells(scores: MonitoredModel | None, language: str) -> dict[str, str]:
    """Return what a model's scores came to; gaps where it has none."""
    if scores is None:
        return dict.fromkeys(("auc_interval", "ratio_interval", "monitor_verdict"), ABSENT)
    estimates = evaluate_score_sketch(scores.over_all_institutions, ["all"])
    metrics = {row["metric"]: row for row in estimates.iter_rows(named=True)}
    verdict = translate(scores.monitor_result.verdicts[0], language)
    at = int(scores.monitor_result.alarm_at[0])
    day = f" ({measure_label_text(DAY, language)} {at})" if at >= 0 else ""
    return {
        "auc_interval": _clinic_metric_interval_text(metrics["auc"]),
        "ratio_interval": _clinic_metric_interval_text(metrics["o_over_e"]),
        "monitor_verdict": verdict + day,
    }


def _clinic_metric_interval_text(metric_row: dict[str, Any]) -> str:
    if metric_row["estimate"] is None:
        return ABSENT
    low, high = (
        measure_cell_text(metric_row["low"], INTERVAL_LOW),
        measure_cell_text(metric_row["high"], INTERVAL_HIGH),
    )
    return f"{measure_cell_text(metric_row['estimate'], ESTIMATE)} ({low}–{high})"


def _clinician_against_model_auc_table(
    comparison: ClinicianModelComparison, language: str
) -> ReportTable:
    rows = [
        {"judge": name, "auc": measure_cell_text(e, AUC), "judge_interval": f"{low:.3f}–{high:.3f}"}
        for name, (e, low, high) in _labelled_auc_estimates(comparison, language)
    ]
    # Gains carry their sign: an interval that begins below zero says that nothing is shown.
    rows += [
        {"judge": name, "auc": f"{gap:+.3f}", "judge_interval": f"{low:+.3f} … {high:+.3f}"}
        for name, (gap, low, high) in (
            (translate("both together, over the model", language), comparison.over_model),
            (translate("both together, over the doctor", language), comparison.over_doctor),
        )
    ]
    gaps = {"count": f"{comparison.disagree:,}", "share": f"{comparison.doctor_right:.1%}"}
    return report_table_of_rows(
        tables.ESTIMATE_WORTH,
        rows,
        language,
        title=Message("What recording the doctor's own estimate is worth"),
        note=Message("They disagree on {count}; the doctor is right in {share} of those", gaps),
    )


def _labelled_auc_estimates(
    comparison: ClinicianModelComparison, language: str
) -> list[tuple[str, tuple[float, float, float]]]:
    return [
        (name.translate(language), getattr(comparison, judge)) for judge, name in JUDGES.items()
    ]


def _clinic_section_figures(
    frames: Mapping[str, pl.DataFrame], example: ClinicExample, language: str
) -> list[ReportFigure]:
    models = [model.name for model in example.models]
    alarm_days = _monitor_alarm_day_numbers(example)
    charts = (
        (clinic_model_over_time_chart(models, alarm_days), tables.CLINIC_OVER_TIME),
        (clinic_monitor_evidence_chart(models, alarm_days), tables.CLINIC_EVIDENCE),
        (clinic_institution_funnel_chart(models), tables.CLINIC_FUNNEL),
        (clinician_against_model_chart(), tables.CLINIC_VOICES),
    )
    figures = [
        report_figure(
            f"clinic-{chart.name}",
            chart,
            table,
            frames[table.name],
            language,
        )
        for chart, table in charts
    ]
    subgroups = report_panels_figure(
        "clinic-subgroups",
        patient_subgroup_charts(),
        tables.CLINIC_SUBGROUPS,
        frames[tables.CLINIC_SUBGROUPS.name],
        language,
        title=Message("Groups of patients"),
        caption=Message("Intervals at 95 %; a group with too few events is named and left empty."),
    )
    return [*figures[:2], subgroups, *figures[2:]]


def _clinic_model_over_time_points(example: ClinicExample) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"model": model.name, "day": day, "o_over_e": _observed_over_expected_of_day(sketch)}
            for model in example.scored_models
            for day, sketch in enumerate(model.days)
        ]
    )


def _clinic_monitor_evidence_points(example: ClinicExample) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"model": model.name, "day": PATH_STEP_DAYS * (i + 1), "over_limit": value}
            for model in example.scored_models
            for i, value in enumerate(model.path)
        ]
    )


def _monitor_alarm_day_numbers(example: ClinicExample) -> list[int]:
    days = [int(model.monitor_result.alarm_at[0]) for model in example.scored_models]
    # Below nought stands for a monitor that never rang.
    return [day for day in days if day >= 0]


def _clinic_patient_subgroup_estimates(example: ClinicExample) -> pl.DataFrame:
    by_model = [
        evaluate_score_sketch(model.groups, [f"{model.name}: {group}" for group in example.groups])
        for model in example.scored_models
    ]
    wanted = pl.col("metric").is_in(["auc", "o_over_e"])
    names = [column.name for column in tables.CLINIC_SUBGROUPS.columns]
    return pl.concat(by_model).filter(wanted).select(names)


def _clinic_institution_funnel_points(example: ClinicExample) -> pl.DataFrame:
    return pl.concat(
        [_institution_funnel_points(model, example.institutions) for model in example.scored_models]
    )


def _institution_funnel_points(
    model: MonitoredModel, institutions: tuple[str, ...]
) -> pl.DataFrame:
    ratio, _, _ = observed_over_expected(model.institutions, 0.95)
    expected = model.institutions.score_sum / UNIT
    return pl.DataFrame(
        {
            "model": model.name,
            "institution": list(institutions),
            "expected": expected,
            "o_over_e": ratio,
        }
    )


def _clinic_doctor_and_model_estimates(
    comparison: ClinicianModelComparison, language: str
) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"voice": name, "estimate": e, "low": low, "high": high}
            for name, (e, low, high) in _labelled_auc_estimates(comparison, language)
        ]
    )


def _observed_over_expected_of_day(sketch: ScoreSketch) -> float:
    return float(sketch.counts[0, 1].sum() / max(sketch.score_sum[0] / UNIT, 1e-9))
