"""`commonwatt clinic`: may this model touch a patient, and is it still good?"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.clinic_desk import add_registry_click_commands
from commonwatt.cli.clinic_explain import add_model_explain_click_command
from commonwatt.cli.clinic_gate import add_advice_gate_click_commands
from commonwatt.cli.clinic_imports import add_device_record_import_command
from commonwatt.cli.clinic_language import add_language_model_commands
from commonwatt.cli.clinic_monitor import add_monitor_click_commands
from commonwatt.cli.clinic_options import PLACES, parse_name_value_fact_options
from commonwatt.cli.clinic_queries import add_registry_query_commands
from commonwatt.cli.clinic_sealed import add_sealed_evaluation_commands
from commonwatt.cli.clinic_text import estimate_rows_terminal_text, judges_terminal_text
from commonwatt.cli.frame import (
    CommandResult,
    command,
    command_language,
    option,
    raise_click_usage_error,
)
from commonwatt.cli.options import DataPath
from commonwatt.cli.terminal_text import (
    figure_sentence,
    indented,
    interval_terminal_text,
    labelled_text,
    terminal_table,
)
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.catalogue.tables import TableSchema

clinic = groups.clinic

_DAY = click.DateTime(["%Y-%m-%d"])
# Before the EU's AI Act applies, in between, and the day after its duties for devices begin (2
# August 2028): a gap may open or close on the way.
_DAYS = (date(2025, 1, 1), date(2026, 11, 22), date(2028, 8, 3))
# What a model is unless the user says otherwise: a locked, deep product for clinicians.
_COMMON = {
    "significance": "drive",
    "condition": "serious",
    "autonomy": "informs",
    "change": "locked",
    "technique": "deep",
    "offering": "product",
    "user": "clinician",
}
_facts = option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="A fact; may repeat.")


@command(
    groups.model,
    "classify",
    example="commonwatt clinic model classify --fact significance=diagnose"
    " --fact condition=critical --place hk --place eu",
)
@_facts
@option(
    "--place",
    "places",
    multiple=True,
    type=click.Choice(PLACES),
    help="Default: all; house stands for the institution rules.",
)
@option("--on", "on", type=_DAY, help="Day whose law applies (default: today).")
def clinic_model_classify_command(
    facts: tuple[str, ...], places: tuple[str, ...], on: datetime | None
) -> CommandResult:
    """Give class, route and duties of a product or service, with reasons."""
    from commonwatt.clinic.usecases import rules as app

    # A rule holds from a day on, so the same facts may have another class next year.
    day = (on or datetime.now(UTC)).date()
    answer = app.classify_in_jurisdictions(
        _COMMON | parse_name_value_fact_options(facts), places or PLACES, day
    )
    return CommandResult(
        data=answer, text=lambda language: _product_rulings_terminal_text(answer, language)
    )


@command(
    groups.rules, "show", example="commonwatt clinic rules show --move eu.aia.art6-1=2027-08-02"
)
@option("--on", "days", type=_DAY, multiple=True, help="Days to look at; may repeat.")
@_facts
@option("--move", metavar="RULE=DATE", help="Show what changes when this rule's date moves.")
def clinic_rules_show_command(
    days: tuple[datetime, ...], facts: tuple[str, ...], move: str | None
) -> CommandResult:
    """Look at every combination of the axes: gaps, contradictions, moved dates."""
    from commonwatt.clinic.usecases import rules as app

    checked_days = [day.date() for day in days] or list(_DAYS)
    if move:
        rule_id, _, moved_to = move.partition("=")
        tables = {
            "moved": app.product_class_cells_of_moved_rule(
                rule_id, _parse_day_argument(moved_to), checked_days
            )
        }
    else:
        tables = app.regulatory_rule_book_finding_tables(
            checked_days, parse_name_value_fact_options(facts)
        )
    # All 1,296 combinations of the axes: for --out, not for a terminal or for JSON.
    shown = {name: frame for name, frame in tables.items() if name != "cells"}
    data = {name: frame.to_dicts() for name, frame in shown.items()}
    return CommandResult(
        data=data,
        text=lambda language: _rule_book_findings_terminal_text(shown, language),
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
@option("--threshold", type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True), default=0.5,
        show_default=True, help="Score from which the model advises.")  # fmt: skip
@option("--institution", default="", help="Column with the institution, for a funnel with --out.")
@click.pass_context
def clinic_model_evidence_command(
    ctx: click.Context,
    table: Path,
    score: str,
    label: str,
    by: tuple[str, ...],
    threshold: float,
    institution: str,
) -> CommandResult:
    """Compute discrimination, calibration and threshold metrics by subgroup."""
    from commonwatt.clinic.usecases.evidence import model_evidence_figures, model_evidence_of_table

    answer, frame = model_evidence_of_table(
        table, score=score, label=label, by=by, threshold=threshold
    )
    charts: dict[str, str] = {}
    # Drawing costs a second or two, and without --out nobody would see the charts.
    if ctx.params.get("out"):
        charts = model_evidence_figures(
            table,
            frame,
            score=score,
            label=label,
            institution=institution,
            language=command_language(ctx),
        )
    data = answer | {"estimates": frame.to_dicts()}
    return CommandResult(
        data=data,
        text=lambda language: _model_evidence_terminal_text(frame, language),
        tables={"estimates": frame},
        files=charts,
    )


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
    from commonwatt.clinic.usecases.evidence import clinician_against_model_result

    answer = clinician_against_model_result(table, model=model, doctor=doctor, label=label)
    return CommandResult(
        data=answer, text=lambda language: _doctor_and_model_auc_terminal_text(answer, language)
    )


_GAINS = {
    "over_model": Message("Both over the model alone {gap}"),
    "over_doctor": Message("Both over the doctor alone {gap}"),
}


def _doctor_and_model_auc_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain import measures

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
    return "\n".join([judges_terminal_text(answer, language), *gains, apart])


def _model_evidence_terminal_text(frame: pl.DataFrame, language: str) -> str:
    from commonwatt.clinic.domain.tables import ESTIMATES

    names = ("group", "metric", "estimate", "low", "high", "rows")
    columns = [ESTIMATES.column(name) for name in names]
    return estimate_rows_terminal_text(columns, frame.iter_rows(named=True), language)


def _parse_day_argument(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise_click_usage_error(Message("A date is written YYYY-MM-DD."))


_ROUTES = {
    "approval": Message("approval"),
    "filing": Message("filing"),
    "exempt": Message("exempt"),
    "prohibited": Message("prohibited"),
    # The law of most places is silent on services; silence is said and not taken for an exemption.
    "": Message("no route stated"),
}


def _product_rulings_terminal_text(answer: dict[str, Any], language: str) -> str:
    lines: list[str] = []
    for ruling in answer["rulings"]:
        lines += _product_ruling_terminal_lines(ruling, answer["rules"], language)
    gaps = {"digest": answer["rule_set_sha256"][:16], "day": answer["on"]}
    return "\n".join([*lines, Message("Rule set {digest}, law of {day}", gaps).translate(language)])


def _product_ruling_terminal_lines(
    ruling: dict[str, Any], rules: dict[str, Any], language: str
) -> list[str]:
    lines = [labelled_text(ruling["jurisdiction"], _ROUTES[ruling["route"]].translate(language))]
    for verdict in ruling["classes"]:
        lines.append(indented(labelled_text(verdict["scheme"], verdict["class"])))
        lines += [
            indented(_ruling_reason_terminal_text(name, rules[name]), 2)
            for name in verdict["because"]
        ]
        # A rule that says otherwise is shown and not resolved: which of two laws yields is a
        # lawyer's decision.
        contested = translate("contradicted by", language)
        lines += [
            indented(f"{contested} {_ruling_reason_terminal_text(name, rules[name])}", 2)
            for name in verdict["against"]
        ]
    silent = translate("no rule gives a class", language)
    lines += [indented(labelled_text(scheme, silent)) for scheme in ruling["gaps"]]
    duties = ", ".join(ruling["obligations"]) or "–"
    return [*lines, indented(labelled_text(translate("Duties", language), duties))]


def _ruling_reason_terminal_text(name: str, rule: dict[str, Any]) -> str:
    # With the day on which somebody last read the source: law changes, and a reader must see how
    # old this reading is.
    text, source, article, checked = (rule[key] for key in ("text", "source", "article", "checked"))
    return labelled_text(name, f"{text} [{source}, {article}; {checked}]")


def _rule_book_findings_terminal_text(tables: dict[str, pl.DataFrame], language: str) -> str:
    from commonwatt.catalogue.measures import measure_cell_text
    from commonwatt.clinic.domain import tables as declared
    from commonwatt.clinic.domain.measures import RULE_FINDINGS

    headings = {
        "gaps": Message("Combinations to which a scheme applies and no rule gives a class"),
        "contradictions": Message("Rules that give different classes to the same combinations"),
        "unruled_services": Message("Services for which there is neither class nor route"),
        "moved": Message("Cells that change"),
    }
    schemas = {
        schema.name: schema
        for schema in (
            declared.GAPS, declared.CONTRADICTIONS, declared.UNRULED_SERVICES, declared.MOVED,
        )
    }  # fmt: skip
    blocks: list[str] = []
    for name, frame in tables.items():
        count = measure_cell_text(frame.height, RULE_FINDINGS, language)
        blocks.append(labelled_text(headings[name].translate(language), count))
        if not frame.is_empty():
            blocks[-1] += "\n" + _terminal_rows_text(schemas[name], frame, language)
    return "\n\n".join(blocks)


def _terminal_rows_text(
    schema: TableSchema, frame: pl.DataFrame, language: str, most: int = 60
) -> str:
    rows = frame.head(most).iter_rows(named=True)
    lines = [terminal_table(schema.columns, rows, language)]
    return indented("\n".join([*lines, *(["…"] if frame.height > most else [])]))


# After the commands above, because help lists commands in the order in which they are added.
add_monitor_click_commands()
add_registry_click_commands()
add_advice_gate_click_commands()
add_registry_query_commands()
add_language_model_commands()
add_sealed_evaluation_commands()
add_model_explain_click_command()
add_device_record_import_command()
