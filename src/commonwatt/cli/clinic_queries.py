"""What the registry answers: what was live, who approved it, who must be told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.clinic_options import PLACES, ledger_option
from commonwatt.cli.frame import CommandResult, command, option
from commonwatt.core.messages import Message, translate

_deployment = click.argument("deployment", metavar="DEPLOYMENT")


def add_registry_query_commands() -> None:
    """Add the questions that the registry answers to `commonwatt clinic`."""
    _add_live_deployments_command()
    _add_deployment_approver_command()
    _add_product_rulings_command()
    _add_gate_query_commands()
    _add_duties_command()


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
        from commonwatt.clinic.usecases import queries as app

        deployments = app.live_deployment_rows(where, institution, at or datetime.now(UTC))
        return CommandResult(
            data={"live": deployments},
            text=lambda language: registry_rows_terminal_text(deployments, language),
        )


def _add_deployment_approver_command() -> None:
    @command(groups.model, "approver", example="commonwatt clinic model approver deployment/x")
    @ledger_option
    @_deployment
    def approver(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show who approved a deployment and its threshold."""
        from commonwatt.clinic.usecases import queries as app

        approval = app.deployment_approver(where, deployment)
        gaps = {name: str(value) for name, value in approval.items()}
        sentence = Message(
            "Threshold {threshold} approved by {name} ({role}, {organisation}) at {approved_at},"
            " entry {entry}",
            gaps,
        )
        return CommandResult(data=approval, text=sentence.translate)


def _add_product_rulings_command() -> None:
    @command(
        groups.rules, "rulings", example="commonwatt clinic rules rulings product/chest --place hk"
    )
    @ledger_option
    @click.argument("product")
    @option("--place", type=click.Choice(PLACES), required=True, help="Whose law.")
    def rulings(where: str, product: str, place: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show which rule sets gave a product its class."""
        from commonwatt.clinic.usecases import queries as app

        rulings_found = app.product_ruling_rows(where, product, place)
        return CommandResult(
            data={"rulings": rulings_found},
            text=lambda language: registry_rows_terminal_text(rulings_found, language),
        )


def _add_gate_query_commands() -> None:
    @command(groups.gate, "undisclosed", example="commonwatt clinic gate undisclosed deployment/x")
    @ledger_option
    @_deployment
    def undisclosed(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show which encounters lacked disclosure."""
        from commonwatt.clinic.usecases import queries as app

        encounters = app.undisclosed_encounter_names(where, deployment)
        return CommandResult(
            data=encounters,
            text=lambda language: _undisclosed_encounters_terminal_text(encounters, language),
        )

    @command(groups.gate, "unsigned", example="commonwatt clinic gate unsigned deployment/x")
    @ledger_option
    @_deployment
    def unsigned(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show the advice on which a doctor's signed decision is still wanted."""
        from commonwatt.clinic.usecases import queries as app

        advice = [{"advice": name} for name in app.unsigned_advice_names(where, deployment)]
        return CommandResult(
            data={"unsigned": advice},
            text=lambda language: registry_rows_terminal_text(advice, language),
        )

    @command(groups.gate, "overrides", example="commonwatt clinic gate overrides deployment/x")
    @ledger_option
    @_deployment
    def overrides(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show how accepted and overridden advice fared."""
        from commonwatt.clinic.usecases import queries as app

        outcomes = app.advice_override_outcomes(where, deployment)
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


def _add_duties_command() -> None:
    @command(groups.incident, "duties", example="commonwatt clinic incident duties --json")
    @ledger_option
    def duties(where: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show who must be told of incidents by when."""
        from commonwatt.clinic.usecases import queries as app

        owed = app.reporting_duty_rows(where)
        return CommandResult(
            data={"duties": owed}, text=lambda language: registry_rows_terminal_text(owed, language)
        )


def registry_rows_terminal_text(rows: list[dict[str, Any]], language: str) -> str:
    """Return one line for each row, or that there is none."""
    lines = ["  ".join(str(value) for value in row.values()) for row in rows]
    return "\n".join(lines) or translate("Nothing on record.", language)


def _undisclosed_encounters_terminal_text(encounters: dict[str, Any], language: str) -> str:
    gaps = {"advised": str(len(encounters["advised"])), "refused": str(len(encounters["refused"]))}
    sentence = Message(
        "{advised} advised on without disclosure, {refused} refused for lack of it", gaps
    )
    return "\n".join(
        [sentence.translate(language), *(f"  {name}" for name in encounters["advised"])]
    )


def _advice_overrides_terminal_text(outcomes: dict[str, Any], language: str) -> str:
    lines = [
        f"{translate(outcome, language):12} "
        + "  ".join(f"{translate(name, language)} {count:,}" for name, count in row.items())
        for outcome, row in outcomes["decisions"].items()
    ]
    voices: dict[str, Any] = outcomes["voices"] or {}
    lines += [
        f"{translate(voice, language):16} AUC {voices[voice][0]:.3f}"
        f" ({voices[voice][1]:.3f}–{voices[voice][2]:.3f})"
        for voice in ("model", "doctor", "both")
        if voices
    ]
    return "\n".join(lines) or translate("Nothing on record.", language)
