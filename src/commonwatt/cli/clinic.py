"""`commonwatt clinic`: may this model touch a patient, and is it still good?"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.clinic_committee import add_committee_click_commands
from commonwatt.cli.clinic_desk import add_registry_click_commands
from commonwatt.cli.clinic_explain import add_model_explain_click_command
from commonwatt.cli.clinic_gate import add_advice_gate_click_commands
from commonwatt.cli.clinic_imports import add_device_record_import_command
from commonwatt.cli.clinic_language import add_language_model_commands
from commonwatt.cli.clinic_monitor import add_monitor_click_commands
from commonwatt.cli.clinic_options import (
    DESIGNS,
    GUIDELINES,
    PLACE_METAVAR,
    command_utc_now,
    parse_name_value_fact_options,
    record_key_option,
    record_option,
    rules_option,
)
from commonwatt.cli.clinic_queries import add_registry_query_commands
from commonwatt.cli.clinic_rules_text import (
    product_rulings_terminal_text,
    rule_book_findings_terminal_text,
    rule_places_terminal_text,
)
from commonwatt.cli.clinic_sealed import add_sealed_evaluation_commands
from commonwatt.cli.clinic_text import (
    auc_by_judge_terminal_text,
    command_result_of_registry_entry,
    estimate_rows_terminal_text,
    recorded_entry_terminal_sentence,
)
from commonwatt.cli.databases import ledger_option
from commonwatt.cli.frame import (
    CommandResult,
    command,
    command_language,
    option,
    raise_click_usage_error,
    refuse_click_option_without_partner,
    refuse_click_options_not_read,
)
from commonwatt.cli.options import DataPath
from commonwatt.cli.terminal_text import (
    figure_sentence,
    interval_terminal_text,
)
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.clinic.usecases.rules import RuleFolders


clinic = groups.clinic

_DAY = click.DateTime(["%Y-%m-%d"])
# Before the EU's AI Act applies, in between, and the day after its duties for devices begin (2
# August 2028): a gap may open or close on the way.
_DAYS = (date(2025, 1, 1), date(2026, 11, 22), date(2028, 8, 3))
_facts = option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="A fact; may repeat.")


@command(
    groups.model,
    "classify",
    example=groups.CLASSIFY_EXAMPLE,
)
@_facts
@option(
    "--place",
    "places",
    multiple=True,
    metavar=PLACE_METAVAR,
    help="Default: all; house stands for the institution rules.",
)
@rules_option
@option("--on", "on", type=_DAY, help="Day whose law applies (default: today).")
@record_option
@option("--use", help="Intended use on record whose facts are ruled on, as intended-use/NAME.")
@ledger_option
@record_key_option
def clinic_model_classify_command(
    facts: tuple[str, ...],
    places: tuple[str, ...],
    rule_folders: tuple[Path, ...],
    on: datetime | None,
    record: str | None,
    use: str | None,
    where: str,
    key_file: Path | None,
) -> CommandResult:
    """Give class, route and duties of a product or service, with reasons."""
    from commonwatt.clinic.usecases import rules as app

    if record is not None:
        read = {"record", "use", "places", "where", "key_file", "rule_folders"}
        refuse_click_options_not_read("--record", read)
        return _record_ruling_command_result(
            record, use, places, where, key_file, app.RuleFolders(folders=rule_folders)
        )
    for name in ("use", "where", "key_file"):
        refuse_click_option_without_partner(name, "--record", given=False)
    # A rule holds from a day on, so the same facts may have another class next year.
    day = (on or datetime.now(UTC)).date()
    # Nothing is filled in: an axis that nobody stated would decide the class in silence.
    answer = app.product_rulings_in_jurisdictions_dict(
        parse_name_value_fact_options(facts), places, day, app.RuleFolders(folders=rule_folders)
    )
    return CommandResult(
        data=answer, text=lambda language: product_rulings_terminal_text(answer, language)
    )


@command(groups.rules, "list", example="commonwatt clinic rules list --rules our-rules")
@rules_option
def clinic_rules_list_command(rule_folders: tuple[Path, ...]) -> CommandResult:
    """Show whose rules there are, on how much primary text they rest, and faulty files."""
    from commonwatt.clinic.domain.tables import RULE_PLACES
    from commonwatt.clinic.usecases import rules as app

    answer = app.rule_places_and_file_faults_dict(app.RuleFolders(folders=rule_folders))
    names = [column.name for column in RULE_PLACES.columns]
    rows = app.place_rows_with_failing_case_counts(answer["places"])
    frame = RULE_PLACES.frame_from_rows({name: row[name] for name in names} for row in rows)
    return CommandResult(
        data=answer,
        text=lambda language: rule_places_terminal_text(answer, language),
        tables={"places": frame},
    )


def _record_ruling_command_result(
    name: str,
    use: str | None,
    places: tuple[str, ...],
    where: str,
    key_file: Path | None,
    rules: RuleFolders,
) -> CommandResult:
    """Compute a ruling from the facts on record and put it there: nobody types a class."""
    from commonwatt.clinic.usecases.registry import compute_and_record_ruling

    if use is None:
        raise UsageError("--use", wanted=Message("the intended use that is ruled on"))
    if key_file is None:
        raise UsageError("--key", wanted=Message("the key of who puts it on record"))
    if len(places) != 1:
        raise UsageError("--place", found=str(len(places)), wanted=Message("one place"))
    return command_result_of_registry_entry(
        compute_and_record_ruling(
            where,
            key_file,
            name,
            use,
            places[0],
            now=command_utc_now,
            rules=rules.load() if rules.folders else None,
        )
    )


@command(
    groups.rules, "show", example="commonwatt clinic rules show --move eu.aia.art6-1=2027-08-02"
)
@option("--on", "days", type=_DAY, multiple=True, help="Days to look at; may repeat.")
@_facts
@rules_option
@option("--move", metavar="RULE=DATE", help="Show what changes when this rule's date moves.")
def clinic_rules_show_command(
    days: tuple[datetime, ...],
    facts: tuple[str, ...],
    rule_folders: tuple[Path, ...],
    move: str | None,
) -> CommandResult:
    """Look at every combination of the axes: gaps, contradictions, moved dates."""
    from commonwatt.clinic.usecases import rules as app

    asked_days = [day.date() for day in days]
    folders = app.RuleFolders(folders=rule_folders)
    if move:
        rule_id, _, moved_to = move.partition("=")
        tables = {
            "moved": app.product_class_cells_of_moved_rule(
                rule_id, _parse_cli_iso_day_argument(moved_to), asked_days, folders
            )
        }
    else:
        tables = app.regulatory_rule_book_finding_tables(
            asked_days or list(_DAYS), parse_name_value_fact_options(facts), folders
        )
    # All 1,296 combinations of the axes: for --out, not for a terminal or for JSON.
    shown = {name: frame for name, frame in tables.items() if name != "cells"}
    data = {name: frame.to_dicts() for name, frame in shown.items()}
    return CommandResult(
        data=data,
        text=lambda language: rule_book_findings_terminal_text(shown, language),
        tables=tables,
    )


@command(
    groups.model,
    "evidence",
    example="commonwatt clinic model evidence scores.csv --by sex --by age --threshold 0.3",
    renamed_options={"--site": "--institution"},
)
@click.argument("table", type=DataPath())
@option("--score", default="score", show_default=True, help="Column with the model's probability.")
@option("--label", default="label", show_default=True, help="Column with the outcome, 0 or 1.")
@option("--by", multiple=True, help="Column with subgroups; may repeat.")
@option("--patient", default="", help="Column with the patient's opaque name, where patients may"
        " have several rows: intervals are then by patient.")  # fmt: skip
@option("--threshold", type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True), default=0.5,
        show_default=True, help="Score from which the model advises.")  # fmt: skip
@option("--institution", default="", help="Column with the institution, for a funnel with --out.")
@record_option
@option("--version", "version", help="Version on record that was examined, as version/NAME.")
@option("--design", type=click.Choice(DESIGNS), help="How the table was gained.")
@option("--guideline", type=click.Choice(GUIDELINES), default="none", show_default=True,
        help="Reporting guideline that was followed.")  # fmt: skip
@ledger_option
@record_key_option
@click.pass_context
def clinic_model_evidence_command(
    ctx: click.Context,
    table: Path,
    score: str,
    label: str,
    by: tuple[str, ...],
    patient: str,
    threshold: float,
    institution: str,
    record: str | None,
    version: str | None,
    design: str | None,
    guideline: str,
    where: str,
    key_file: Path | None,
) -> CommandResult:
    """Compute discrimination, calibration and threshold metrics by subgroup."""
    from commonwatt.clinic.usecases.evidence import (
        model_evidence_dict_and_estimates,
        subgroup_and_funnel_svg_by_file_name,
    )

    for name in ("version", "design", "guideline", "where", "key_file"):
        refuse_click_option_without_partner(name, "--record", given=record is not None)
    answer, frame = model_evidence_dict_and_estimates(
        table, score=score, label=label, by=by, threshold=threshold, patient=patient
    )
    charts: dict[str, str] = {}
    # Drawing costs a second or two, and without --out nobody would see the charts.
    if ctx.params.get("out"):
        charts = subgroup_and_funnel_svg_by_file_name(
            table,
            frame,
            score=score,
            label=label,
            institution=institution,
            language=command_language(ctx),
        )
    data: dict[str, Any] = answer | {"estimates": frame.to_dicts()}
    entry: dict[str, Any] | None = None
    if record is not None:
        entry = _record_model_evidence_returning_entry(
            record, version, data, design, guideline, where, key_file
        )
        data["entry"] = entry
    return CommandResult(
        data=data,
        text=lambda language: _model_evidence_terminal_text(frame, data, language, entry),
        tables={"estimates": frame},
        files=charts,
    )


def _record_model_evidence_returning_entry(
    name: str,
    version: str | None,
    computed: dict[str, Any],
    design: str | None,
    guideline: str,
    where: str,
    key_file: Path | None,
) -> dict[str, Any]:
    """Put the evidence that was just computed on record: nobody types a figure."""
    from commonwatt.clinic.usecases.registry import record_computed_evidence

    if version is None:
        raise UsageError("--version", wanted=Message("the version that was examined"))
    if design is None:
        raise UsageError(
            "--design", wanted=Message("one of {values}", {"values": ", ".join(DESIGNS)})
        )
    if key_file is None:
        raise UsageError("--key", wanted=Message("the key of who puts it on record"))
    return record_computed_evidence(
        where, key_file, name, version, computed,
        design=design, guideline=guideline, now=command_utc_now,
    )  # fmt: skip


@command(
    groups.model,
    "joint",
    example="commonwatt clinic model joint cases.csv --model p --doctor own --label died",
)
@click.argument("table", type=DataPath())
@option("--model", default="score", show_default=True, help="Column with the model's probability.")
@option("--doctor", default="own", show_default=True, help="Column with the doctor's own estimate.")
@option("--label", default="label", show_default=True, help="Column with the outcome, 0 or 1.")
def clinic_model_joint_command(table: Path, model: str, doctor: str, label: str) -> CommandResult:
    """Show what recording the doctor's own estimate is worth."""
    from commonwatt.clinic.usecases.evidence import clinician_against_model_comparison_dict

    answer = clinician_against_model_comparison_dict(table, model=model, doctor=doctor, label=label)
    return CommandResult(
        data=answer, text=lambda language: _doctor_and_model_auc_terminal_text(answer, language)
    )


_GAINS = {
    "over_model": Message("Both over the model alone {gap}"),
    "over_doctor": Message("Both over the doctor alone {gap}"),
}


def _doctor_and_model_auc_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain import measures
    from commonwatt.clinic.usecases.monitor_assumptions import left_out_row_sentences

    gains = [
        Message(
            form.text, {"gap": interval_terminal_text(measures.AUC_GAIN, *answer[over])}
        ).translate(language)
        for over, form in _GAINS.items()
    ]
    apart = figure_sentence(
        Message("They disagree on {count}; the doctor is right in {share} of those"),
        language,
        {
            "count": (measures.DISAGREEMENTS, answer["disagree"]),
            "share": (measures.DOCTOR_RIGHT, answer["doctor_right"]),
        },
    )
    notes = left_out_row_sentences(answer["read"], language)
    return "\n".join([auc_by_judge_terminal_text(answer, language), *gains, apart, *notes])


def _model_evidence_terminal_text(
    frame: pl.DataFrame, data: dict[str, Any], language: str, entry: dict[str, Any] | None
) -> str:
    from commonwatt.clinic.domain.tables import ESTIMATES
    from commonwatt.clinic.usecases.monitor_assumptions import (
        clinic_monitor_assumption_sentence,
        patient_table_reading_sentences,
    )

    names = ("group", "metric", "estimate", "low", "high", "rows")
    columns = [ESTIMATES.column(name) for name in names]
    shown = estimate_rows_terminal_text(columns, frame.iter_rows(named=True), language)
    assumed = (
        clinic_monitor_assumption_sentence(each["assumption"], each["figures"], language)
        for each in data["assumptions"]
    )
    lines = [shown, *patient_table_reading_sentences(data["read"], language), *assumed]
    return "\n".join(
        [*lines, recorded_entry_terminal_sentence(entry, language)] if entry else lines
    )


def _parse_cli_iso_day_argument(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise_click_usage_error(Message("A date is written YYYY-MM-DD."))


# After the commands above, because help lists commands in the order in which they are added.
add_monitor_click_commands()
add_committee_click_commands()
add_registry_click_commands()
add_advice_gate_click_commands()
add_registry_query_commands()
add_language_model_commands()
add_sealed_evaluation_commands()
add_model_explain_click_command()
add_device_record_import_command()
