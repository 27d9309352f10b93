"""`commonwatt clinic live`, `approver`, `unsigned` and the other questions to the registry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from commonwatt.cli.clinic_options import PLACES, ledger_option
from commonwatt.cli.frame import CommandResult, LazyGroup, command, option
from commonwatt.core.messages import Message, translate

_deployment = click.argument("deployment", metavar="DEPLOYMENT")


def add_query_commands(clinic: LazyGroup) -> None:
    """Add the questions that the registry answers to `commonwatt clinic`."""
    _add_live(clinic)
    _add_approver(clinic)
    _add_rulings(clinic)
    _add_bedside(clinic)
    _add_duties(clinic)


def _add_live(clinic: LazyGroup) -> None:
    @command(clinic, "live", example="commonwatt clinic live qmh --at 2026-11-22T08:00:00+08:00")
    @ledger_option
    @click.argument("site")
    @option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="Instant (default: now).")
    def live(where: str, site: str, at: datetime | None) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show what was live at a site at a time."""
        from commonwatt.clinic.usecases import queries as app

        found = app.live_deployments(where, site, at or datetime.now(UTC))
        return CommandResult(data={"live": found}, text=lambda language: rows_text(found, language))


def _add_approver(clinic: LazyGroup) -> None:
    @command(clinic, "approver", example="commonwatt clinic approver deployment/x")
    @ledger_option
    @_deployment
    def approver(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show who approved a deployment and its threshold."""
        from commonwatt.clinic.usecases import queries as app

        found = app.approver(where, deployment)
        gaps = {name: str(value) for name, value in found.items()}
        said = Message(
            "Threshold {threshold} approved by {name} ({role}, {organisation}) at {approved_at},"
            " entry {entry}",
            gaps,
        )
        return CommandResult(data=found, text=said.translate)


def _add_rulings(clinic: LazyGroup) -> None:
    @command(clinic, "rulings", example="commonwatt clinic rulings product/chest --place hk")
    @ledger_option
    @click.argument("product")
    @option("--place", type=click.Choice(PLACES), required=True, help="Whose law.")
    def rulings(where: str, product: str, place: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show which rule sets gave a product its class."""
        from commonwatt.clinic.usecases import queries as app

        found = app.rulings(where, product, place)
        return CommandResult(
            data={"rulings": found}, text=lambda language: rows_text(found, language)
        )


def _add_bedside(clinic: LazyGroup) -> None:
    @command(clinic, "undisclosed", example="commonwatt clinic undisclosed deployment/x")
    @ledger_option
    @_deployment
    def undisclosed(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show which encounters lacked disclosure."""
        from commonwatt.clinic.usecases import queries as app

        found = app.undisclosed_encounters(where, deployment)
        return CommandResult(data=found, text=lambda language: _undisclosed(found, language))

    @command(clinic, "unsigned", example="commonwatt clinic unsigned deployment/x")
    @ledger_option
    @_deployment
    def unsigned(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show the advice on which a doctor's signed decision is still wanted."""
        from commonwatt.clinic.usecases import queries as app

        found = [{"advice": name} for name in app.unsigned_advice(where, deployment)]
        return CommandResult(
            data={"unsigned": found}, text=lambda language: rows_text(found, language)
        )

    @command(clinic, "overrides", example="commonwatt clinic overrides deployment/x")
    @ledger_option
    @_deployment
    def overrides(where: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show how accepted and overridden advice fared."""
        from commonwatt.clinic.usecases import queries as app

        found = app.overrides(where, deployment)
        return CommandResult(data=found, text=lambda language: _overrides(found, language))

    @command(clinic, "seen", example="commonwatt clinic seen advice/1")
    @ledger_option
    @click.argument("advice")
    def seen(where: str, advice: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show whether the doctor saw the advice before estimating."""
        from commonwatt.clinic.usecases import queries as app

        found = app.clinician_saw_advice_first(where, advice)
        return CommandResult(
            data={"advice": advice, "seen_first": found}, text=_SEEN[found].translate
        )


_SEEN = {
    True: Message("The doctor saw the advice first."),
    False: Message("The doctor estimated first."),
    None: Message("The record does not say: no own estimate was given."),
}


def _add_duties(clinic: LazyGroup) -> None:
    @command(clinic, "duties", example="commonwatt clinic duties --json")
    @ledger_option
    def duties(where: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show who must be told of incidents by when."""
        from commonwatt.clinic.usecases import queries as app

        found = app.duties(where)
        return CommandResult(
            data={"duties": found}, text=lambda language: rows_text(found, language)
        )


def rows_text(rows: list[dict[str, Any]], language: str) -> str:
    """Return one line for each row, or that there is none."""
    lines = ["  ".join(str(value) for value in row.values()) for row in rows]
    return "\n".join(lines) or translate("Nothing on record.", language)


def _undisclosed(found: dict[str, Any], language: str) -> str:
    gaps = {"advised": str(len(found["advised"])), "refused": str(len(found["refused"]))}
    said = Message(
        "{advised} advised on without disclosure, {refused} refused for lack of it", gaps
    )
    return "\n".join([said.translate(language), *(f"  {name}" for name in found["advised"])])


def _overrides(found: dict[str, Any], language: str) -> str:
    lines = [
        f"{translate(outcome, language):12} "
        + "  ".join(f"{translate(name, language)} {count:,}" for name, count in row.items())
        for outcome, row in found["decisions"].items()
    ]
    voices: dict[str, Any] = found["voices"] or {}
    lines += [
        f"{translate(voice, language):16} AUC {voices[voice][0]:.3f}"
        f" ({voices[voice][1]:.3f}–{voices[voice][2]:.3f})"
        for voice in ("model", "doctor", "both")
        if voices
    ]
    return "\n".join(lines) or translate("Nothing on record.", language)
