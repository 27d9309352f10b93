"""`commonwatt clinic model register|approve|deploy|stop|incident|dossier`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.clinic_options import PLACE_METAVAR, command_utc_now, guides_option, key_option
from commonwatt.cli.clinic_queries import reporting_duties_terminal_text
from commonwatt.cli.clinic_text import command_result_of_registry_entry
from commonwatt.cli.databases import ledger_option
from commonwatt.cli.frame import CommandResult, command, command_language, option
from commonwatt.cli.terminal_text import figure_sentence
from commonwatt.core.messages import Message

_KINDS = (
    "product", "version", "intended-use", "ruling", "evidence", "determination", "fulfilment",
    "deployment", "disclosure", "advice", "decision", "outcome", "event",
)  # fmt: skip
_file = click.Path(dir_okay=False, path_type=Path)
_INSTANT = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"])
_reason = option("--reason", default="", help="Why.")
_deployment = click.argument("deployment", metavar="DEPLOYMENT")


def add_registry_click_commands() -> None:
    """Add the commands of the registry to `commonwatt clinic`."""
    _add_model_register_command()
    _add_deployment_commands()
    _add_incident_report_command()
    _add_incident_close_command()
    _add_version_dossier_command()


def _add_model_register_command() -> None:
    @command(
        groups.model,
        "register",
        example="commonwatt clinic model register product chest p.json --key me.pem\n"
        "commonwatt clinic model register version v1 v.json --artefact m.onnx --key me.pem",
    )
    @ledger_option
    @key_option
    @click.argument("kind", type=click.Choice(_KINDS))
    @click.argument("name")
    @click.argument("body", type=click.Path(dir_okay=False, exists=True, path_type=Path))
    @guides_option
    @option("--artefact", type=click.Path(dir_okay=False, exists=True, path_type=Path),
            help="What runs, of a version: its digest is computed and put on record.")  # fmt: skip
    def register(
        where: str, key_file: Path, kind: str, name: str, body: Path,
        guide_folders: tuple[Path, ...], artefact: Path | None,
    ) -> CommandResult:  # pyright: ignore[reportUnusedFunction]  # fmt: skip
        """Put a record from a JSON file on file."""
        from commonwatt.clinic.usecases import registry as app

        return command_result_of_registry_entry(
            app.record_clinic_registry_file(
                where,
                key_file,
                kind,
                name,
                body,
                now=command_utc_now,
                guide_folders=guide_folders,
                artefact=artefact,
            )
        )


def _add_deployment_commands() -> None:
    @command(
        groups.model,
        "approve",
        example="commonwatt clinic model approve deployment/x --key chair.pem",
    )
    @ledger_option
    @key_option
    @_reason
    @_deployment
    def approve(where: str, key_file: Path, reason: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Approve a proposed deployment and its threshold."""
        from commonwatt.clinic.usecases import registry as app

        return command_result_of_registry_entry(
            app.move_deployment(
                where, key_file, deployment, "approved", reason, now=command_utc_now
            )
        )

    @command(
        groups.model, "deploy", example="commonwatt clinic model deploy deployment/x --key lead.pem"
    )
    @ledger_option
    @key_option
    @_reason
    @_deployment
    def deploy(where: str, key_file: Path, reason: str, deployment: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Let an approved or paused deployment go live."""
        from commonwatt.clinic.usecases import registry as app

        return command_result_of_registry_entry(
            app.move_deployment(where, key_file, deployment, "live", reason, now=command_utc_now)
        )

    @command(
        groups.model, "pause", example="commonwatt clinic model pause deployment/x --key lead.pem"
    )
    @ledger_option
    @key_option
    @_reason
    @_deployment
    @option("--retire", is_flag=True, help="For good, not only for now.")
    def stop(
        where: str, key_file: Path, reason: str, deployment: str, retire: bool
    ) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Pause a live deployment, or retire one."""
        from commonwatt.clinic.usecases import registry as app

        # Paused unless it is asked for in words: `deploy` brings a paused model back.
        to = "retired" if retire else "paused"
        return command_result_of_registry_entry(
            app.move_deployment(where, key_file, deployment, to, reason, now=command_utc_now)
        )


def _add_incident_report_command() -> None:
    @command(
        groups.incident,
        "report",
        example="commonwatt clinic incident report deployment/x e1 --severity serious --place hk"
        " --code missed-finding --key officer.pem",
    )
    @ledger_option
    @key_option
    @_deployment
    @click.argument("name")
    @option("--severity", required=True, help="How grave it is.",
            type=click.Choice(["public-health-threat", "death", "serious", "other"]))  # fmt: skip
    @option("--place", required=True, metavar=PLACE_METAVAR, help="Whose clock runs.")
    @option(
        "--reporter",
        type=click.Choice(["manufacturer", "importer", "user-facility", "professional"]),
        help="Who reports (default: everybody who must).",
    )
    # A code, because the ledger keeps every word for ever and free text would hold somebody's
    # history.
    @option("--code", required=True, help="What happened, as a code; never about a person.")
    @option("--aware", type=_INSTANT, help="When the institution became aware, with its offset from"
            " UTC: periods run from then (default: now).")  # fmt: skip
    @option("--narrative", default="", help="What happened, in words; never about a person.")
    @option("--device-problem", default="", help="Device problem code of IMDRF annex A.")
    @option("--report-number", default="", help="Number of a report to the authority.")
    def incident(  # pyright: ignore[reportUnusedFunction]
        where: str,
        key_file: Path,
        deployment: str,
        name: str,
        severity: str,
        place: str,
        reporter: str | None,
        code: str,
        aware: datetime | None,
        **described: str,
    ) -> CommandResult:
        """Report an incident and show who must report it by when."""
        from commonwatt.clinic.usecases import queries
        from commonwatt.clinic.usecases import registry as app
        from commonwatt.clinic.usecases.rules import check_place_has_rules

        # Before it is on record for ever: under a misspelt place no clock would run.
        check_place_has_rules(place)
        body: dict[str, Any] = {"deployment": deployment, "type": "incident", "severity": severity}
        now = datetime.now(UTC)
        body |= {"jurisdiction": place, "code": code, "aware_at": (aware or now).isoformat()}
        body |= {"reporter": reporter} if reporter else {}
        body |= {field: text for field, text in described.items() if text}
        entry = app.record_in_clinic_registry(
            where, key_file, "event", name, body, now=command_utc_now
        )
        # Read back from the record, so that the deadlines shown are those that the record gives.
        answer = queries.timed_and_untimed_reporting_duties_dict(where)
        return CommandResult(
            data={"entry": entry, **answer},
            text=lambda language: reporting_duties_terminal_text(answer, language),
        )


def _add_incident_close_command() -> None:
    @command(
        groups.incident,
        "close",
        example="commonwatt clinic incident close event/e1 --report-number HK-2026-17"
        " --key officer.pem",
    )
    @ledger_option
    @key_option
    @click.argument("event")
    @option("--report-number", required=True, help="Number of the report to the authority.")
    def close(where: str, key_file: Path, event: str, report_number: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Put on record that an incident was reported, which closes its duty."""
        from commonwatt.clinic.usecases import registry as app

        return command_result_of_registry_entry(
            app.record_incident_report_and_close(
                where, key_file, event, report_number, now=command_utc_now
            )
        )


def _add_version_dossier_command() -> None:
    @command(
        groups.model, "dossier", example="commonwatt clinic model dossier version/v1 --out dossier"
    )
    @ledger_option
    @click.argument("version")
    @option("--pdf", type=_file, help="Also write the page as PDF here.")
    def dossier(where: str, version: str, pdf: Path | None) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Write everything on record about a version: a page, and FHIR of R5 and R4B."""
        from commonwatt.clinic.domain.measures import FHIR_RESOURCES
        from commonwatt.clinic.io.fhir import FhirRelease
        from commonwatt.clinic.usecases import registry as app

        page, bundles = app.version_dossier_html_and_fhir_bundles(
            where,
            version,
            command_language(click.get_current_context()),
            on=datetime.now(UTC).date(),
        )
        # Before the page is written by --out: a letter that no font has is refused here and leaves
        # no half dossier.
        if pdf:
            app.save_clinic_dossier_pdf(page, pdf)
        bundle = bundles[FhirRelease.R5]
        names = {FhirRelease.R5: "fhir.json", FhirRelease.R4B: "fhir-r4b.json"}
        files = {"dossier.html": page} | {
            names[release]: json.dumps(each, ensure_ascii=False, indent=2)
            for release, each in bundles.items()
        }
        return CommandResult(
            data=bundle,
            text=lambda language: figure_sentence(
                Message("{count} FHIR resources; write the page with --out"),
                language,
                {"count": (FHIR_RESOURCES, len(bundle["entry"]))},
            ),
            files=files,
        )
