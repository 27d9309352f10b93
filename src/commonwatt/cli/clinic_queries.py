"""What the registry answers: what was live, who approved it, who must be told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.clinic_options import PLACE_METAVAR
from commonwatt.cli.clinic_text import auc_by_judge_terminal_text, registry_rows_terminal_text
from commonwatt.cli.databases import ledger_option
from commonwatt.cli.frame import CommandResult, command, option
from commonwatt.cli.terminal_text import figure_sentence, indented
from commonwatt.core.messages import Message, translate

_deployment = click.argument("deployment", metavar="DEPLOYMENT")


def add_registry_query_commands() -> None:
    """Add the questions that the registry answers to `commonwatt clinic`."""
    _add_live_deployments_command()
    _add_show_deployment_approver_command()
    _add_product_rulings_command()
    _add_gate_query_commands()
    _add_incident_duties_command()


def _add_live_deployments_command() -> None:
    @command(
        groups.model,
        "live",
        example="commonwatt clinic model live qmh --at 2026-11-22T08:00:00+08:00",
    )
    @ledger_option
    @click.argument("institution")
    # With its offset: what was live at eight o'clock is another question in Hong Kong than in UTC.
    @option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="Instant (default: now).")
    def live(where: str, institution: str, at: datetime | None) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show what was live at an institution at a time."""
        from commonwatt.clinic.domain.tables import LIVE
        from commonwatt.clinic.usecases import queries as app

        answer = app.live_deployments_and_set_aside_entries(
            where, institution, at or datetime.now(UTC)
        )
        return CommandResult(
            data=answer,
            text=lambda language: "\n".join(
                [
                    registry_rows_terminal_text(LIVE.columns, answer["live"], language),
                    *(
                        _malformed_registry_entry_terminal_sentence(entry, language)
                        for entry in answer["set_aside"]
                    ),
                ]
            ),
        )


def _malformed_registry_entry_terminal_sentence(entry: Mapping[str, Any], language: str) -> str:
    from commonwatt.ledger.measures import ENTRY

    sentence = Message(
        "Entry {index}: {subject} is not of the form and counts nowhere: {fault}",
        {"subject": entry["subject"], "fault": entry["fault"]},
    )
    return figure_sentence(sentence, language, {"index": (ENTRY, entry["index"])})


def _add_show_deployment_approver_command() -> None:
    @command(groups.model, "approver", example="commonwatt clinic model approver deployment/x")
    @ledger_option
    @_deployment
    def approver(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show who approved a deployment and its threshold."""
        from commonwatt.clinic.usecases import queries as app

        approval = app.deployment_approver_dict(where, deployment)
        return CommandResult(
            data=approval,
            text=lambda language: _deployment_approver_terminal_text(approval, language),
        )


def _add_product_rulings_command() -> None:
    @command(
        groups.rules, "rulings", example="commonwatt clinic rules rulings product/chest --place hk"
    )
    @ledger_option
    @click.argument("product")
    @option("--place", metavar=PLACE_METAVAR, required=True, help="Whose law.")
    def rulings(where: str, product: str, place: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show which rule sets gave a product its class."""
        from commonwatt.clinic.usecases import queries as app
        from commonwatt.clinic.usecases.rules import check_place_has_rules

        check_place_has_rules(place)
        rulings_found = app.product_ruling_rows(where, product, place)
        return CommandResult(
            data={"rulings": rulings_found},
            text=lambda language: _product_rulings_terminal_text(rulings_found, language),
        )


def _add_gate_query_commands() -> None:
    @command(groups.gate, "undisclosed", example="commonwatt clinic gate undisclosed deployment/x")
    @ledger_option
    @_deployment
    def undisclosed(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show which encounters lacked disclosure."""
        from commonwatt.clinic.usecases import queries as app

        encounters = app.advised_or_refused_undisclosed_encounters(where, deployment)
        return CommandResult(
            data=encounters,
            text=lambda language: _undisclosed_encounters_terminal_text(encounters, language),
        )

    @command(groups.gate, "unsigned", example="commonwatt clinic gate unsigned deployment/x")
    @ledger_option
    @_deployment
    def unsigned(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show the advice on which a doctor's signed decision is still wanted."""
        from commonwatt.clinic.domain.tables import UNSIGNED_ADVICE
        from commonwatt.clinic.usecases import queries as app

        advice = [{"advice": name} for name in app.unsigned_advice_names(where, deployment)]
        return CommandResult(
            data={"unsigned": advice},
            text=lambda language: registry_rows_terminal_text(
                UNSIGNED_ADVICE.columns, advice, language
            ),
        )

    @command(groups.gate, "overrides", example="commonwatt clinic gate overrides deployment/x")
    @ledger_option
    @_deployment
    def overrides(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show how accepted and overridden advice fared."""
        from commonwatt.clinic.usecases import queries as app

        outcomes = app.advice_outcomes_by_decision_and_comparison(where, deployment)
        return CommandResult(
            data=outcomes, text=lambda language: _advice_overrides_terminal_text(outcomes, language)
        )

    @command(groups.gate, "seen", example="commonwatt clinic gate seen advice/1")
    @ledger_option
    @click.argument("advice")
    def seen(where: str, advice: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show whether the doctor saw the advice before estimating."""
        from commonwatt.clinic.usecases import queries as app

        saw_first = app.clinician_saw_advice_first(where, advice)
        return CommandResult(
            data={"advice": advice, "seen_first": saw_first}, text=_SEEN[saw_first].translate
        )


_SEEN = {
    True: Message("The doctor saw the advice first."),
    False: Message("The doctor estimated first."),
    # A third answer: without an estimate nothing follows about who was influenced by whom.
    None: Message("The record does not say: no own estimate was given."),
}


def _add_incident_duties_command() -> None:
    @command(groups.incident, "duties", example="commonwatt clinic incident duties --json")
    @ledger_option
    @option("--closed", is_flag=True, help="Also those that a report has closed.")
    def duties(where: str, closed: bool) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show who must be told of incidents by when."""
        from commonwatt.clinic.usecases import queries as app

        answer = app.timed_and_untimed_reporting_duties_dict(where, closed=closed)
        return CommandResult(
            data=answer, text=lambda language: reporting_duties_terminal_text(answer, language)
        )


def reporting_duties_terminal_text(answer: Mapping[str, Any], language: str) -> str:
    """Return who must be told of which event by when, and what is to be looked up."""
    from commonwatt.clinic.domain.tables import DUTIES

    names = ("event", "jurisdiction", "severity", "reporter", "due_at", "rule")
    lines = [_untimed_duty_terminal_sentence(duty, language) for duty in answer["look_up"]]
    if answer["duties"] or not lines:
        columns = [DUTIES.column(name) for name in names]
        lines.insert(0, registry_rows_terminal_text(columns, answer["duties"], language))
    return "\n".join(lines)


def _untimed_duty_terminal_sentence(duty: Mapping[str, str], language: str) -> str:
    gaps = {"event": duty["event"], "jurisdiction": duty["jurisdiction"], "rule": duty["rule"]}
    if duty["rule"]:
        sentence = Message(
            "{event}: in {jurisdiction} the {reporter} must report it as well ({rule}), and no"
            " period is on file. Look it up with the authority.",
            gaps | {"reporter": translate(duty["reporter"], language)},
        )
    else:
        sentence = Message(
            "{event}: no rule of {jurisdiction} on file says who must report it by when. That is"
            " not the same as no duty: look it up with the authority.",
            gaps,
        )
    return sentence.translate(language)


def _deployment_approver_terminal_text(approval: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain.measures import THRESHOLD
    from commonwatt.ledger.measures import ENTRY

    words = ("name", "role", "organisation", "approved_at")
    sentence = Message(
        "Threshold {threshold} approved by {name} ({role}, {organisation}) at {approved_at},"
        " entry {entry}",
        {name: approval[name] for name in words},
    )
    figures = {
        "threshold": (THRESHOLD, approval["threshold"]),
        "entry": (ENTRY, approval["entry"]),
    }
    return figure_sentence(sentence, language, figures)


def _product_rulings_terminal_text(rulings: list[dict[str, Any]], language: str) -> str:
    from commonwatt.clinic.domain.tables import PRODUCT_RULINGS

    rows = [
        ruling
        | {"classes": ", ".join(" ".join(each) for each in sorted(ruling["classes"].items()))}
        for ruling in rulings
    ]
    return registry_rows_terminal_text(PRODUCT_RULINGS.columns, rows, language)


def _undisclosed_encounters_terminal_text(encounters: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain.measures import REFUSED_UNDISCLOSED, UNDISCLOSED

    sentence = Message("{advised} advised on without disclosure, {refused} refused for lack of it")
    counted = {
        "advised": (UNDISCLOSED, len(encounters["advised"])),
        "refused": (REFUSED_UNDISCLOSED, len(encounters["refused"])),
    }
    names = [indented(name) for name in encounters["advised"]]
    return "\n".join([figure_sentence(sentence, language, counted), *names])


def _advice_overrides_terminal_text(outcomes: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain.tables import ADVICE_FATE

    rows = [
        {"decision": translate(decision, language), **counts}
        for decision, counts in outcomes["decisions"].items()
    ]
    blocks = [registry_rows_terminal_text(ADVICE_FATE.columns, rows, language)]
    if outcomes["voices"]:
        blocks.append(auc_by_judge_terminal_text(outcomes["voices"], language))
    return "\n".join(blocks)
