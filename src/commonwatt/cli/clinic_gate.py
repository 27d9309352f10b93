"""`commonwatt clinic gate serve|ask|disclose|sign|guides|lottery`: the gate at the bedside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.clinic_options import (
    command_utc_now,
    guides_option,
    key_option,
    parse_name_value_fact_options,
)
from commonwatt.cli.databases import ledger_option
from commonwatt.cli.frame import (
    CommandResult,
    click_echo_message_to_stderr,
    command,
    option,
    raise_click_usage_error,
)
from commonwatt.cli.terminal_text import figure_sentence, indented, terminal_label_and_text
from commonwatt.core.log import open_log_with_default_file
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    from commonwatt.clinic.io.guides import GuideLibrary

_file = click.Path(dir_okay=False, path_type=Path)
_there = click.Path(dir_okay=False, exists=True, path_type=Path)
_institution = option(
    "--institution",
    "institution_file",
    type=_there,
    required=True,
    help="Institution file in TOML.",
)
_RENAMED_OPTIONS = {"--site": "--institution"}
_secret = option(
    "--secret",
    "secret_file",
    type=_file,
    default=Path("institution.secret"),
    show_default=True,
    help="File of the institution's secret; made where there is none.",
)


def add_advice_gate_click_commands() -> None:
    """Add the commands of the gate to `commonwatt clinic`."""
    _add_gate_serve_command()
    _add_gate_ask_command()
    _add_gate_disclose_command()
    _add_gate_sign_command()
    _add_gate_guides_command()
    _add_gate_lottery_audit_command()


def _add_gate_serve_command() -> None:
    @command(
        groups.gate,
        "serve",
        example="commonwatt clinic gate serve --institution qmh.toml --key gateway.pem\n"
        "commonwatt clinic gate serve --institution qmh.toml --key gateway.pem"
        " --mcp chest --plan p1",
        renamed_options=_RENAMED_OPTIONS,
    )
    @ledger_option
    @key_option
    @_institution
    @_secret
    @option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
    @option("--port", type=click.IntRange(0, 65535), default=8743, show_default=True,
            help="Port to listen on; 0 takes a free one.")  # fmt: skip
    @option("--tls-cert", type=_there, help="Certificate chain in PEM; serves HTTPS.")
    @option("--tls-key", type=_there, help="Key of the certificate in PEM.")
    @option(
        "--plain-http",
        is_flag=True,
        help="Let other machines call without TLS, where a proxy before it has TLS.",
    )
    @option("--mcp", metavar="PATHWAY", help="Serve agents on stdin and stdout instead.")
    @option("--plan", default="", help="Name of the agent's plan, with --mcp.")
    def serve(
        where: str,
        key_file: Path,
        institution_file: Path,
        secret_file: Path,
        host: str,
        port: int,
        tls_cert: Path | None,
        tls_key: Path | None,
        plain_http: bool,
        mcp: str | None,
        plan: str,
    ) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Serve the gate as CDS Hooks, or to an agent as an MCP server."""
        from commonwatt.clinic.usecases import gateway as app

        # An agent acts under an approved plan or not at all: its limits on calls stand there.
        if mcp is not None and not plan:
            raise_click_usage_error(
                Message("An agent's session needs the name of its plan: --plan.")
            )
        address = app.HooksAddress(
            host=host, port=port, tls_cert=tls_cert, tls_key=tls_key, plain_http=plain_http
        )
        # Before the ledger is opened: an address that may not be served leaves no trace there.
        if mcp is None:
            address.check()
        open_log_with_default_file(secret_file.parent / "log" / "gate.jsonl")
        with app.open_advice_gate_and_commit_lottery(
            where, key_file, institution_file, secret_file, now=command_utc_now()
        ) as opened:
            # Said at each start: what cannot be compared with its approved digest may have been
            # exchanged.
            for deployment in opened.unverified_deployments:
                gaps = {"deployment": deployment}
                click_echo_message_to_stderr(
                    Message("{deployment}: what runs is taken on trust, not checked", gaps)
                )
            # One bad file takes no other guide down, and is no secret either.
            for fault in opened.institution.guides.faults.values():
                click_echo_message_to_stderr(
                    Message("Guide not available: {fault}", {"fault": f"{fault}"})
                )
            if mcp is not None:
                # With MCP over stdio all of stdout belongs to the protocol, so everything else goes
                # to stderr.
                app.serve_agent_pathway_over_mcp(opened, mcp, plan, command_utc_now)
            else:
                server = app.cds_hooks_server(opened, address, command_utc_now)
                app.serve_cds_hooks(server, address, _print_gate_address_on_terminal)
        # Left here, because a result printed at the end would be one line too many for an agent.
        click.get_current_context().exit(0)


def _print_gate_address_on_terminal(address: str) -> None:
    click_echo_message_to_stderr(
        Message("Serving at {address}; stop with Ctrl-C", {"address": address})
    )


def _add_gate_ask_command() -> None:
    @command(
        groups.gate,
        "ask",
        example="commonwatt clinic gate ask deployment/x e-17 --institution qmh.toml"
        " --key gateway.pem"
        " --fact modality=ct --fact age_years=50 --fact quality=good",
        renamed_options=_RENAMED_OPTIONS,
    )
    @ledger_option
    @key_option
    @_institution
    @_secret
    @click.argument("deployment", metavar="DEPLOYMENT")
    @click.argument("encounter")
    @option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="A fact; may repeat.")
    @option("--own", type=click.FloatRange(0, 1), help="The doctor's own estimate.")
    def ask(
        where: str,
        key_file: Path,
        institution_file: Path,
        secret_file: Path,
        deployment: str,
        encounter: str,
        facts: tuple[str, ...],
        own: float | None,
    ) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Ask a model about one encounter, or learn which rule refuses it."""
        from commonwatt.clinic.usecases import gateway as app

        with app.open_advice_gate_and_commit_lottery(
            where, key_file, institution_file, secret_file, now=command_utc_now()
        ) as opened:
            advice = app.record_and_return_model_advice(
                opened,
                deployment,
                encounter,
                parse_name_value_fact_options(facts),
                own,
                now=command_utc_now(),
            )
        return CommandResult(
            data=advice, text=lambda language: _model_advice_terminal_text(advice, language)
        )


def _add_gate_disclose_command() -> None:
    @command(
        groups.gate,
        "disclose",
        example="commonwatt clinic gate disclose deployment/x e-17 --language zh-Hant"
        " --institution qmh.toml --key clinician.pem",
    )
    @ledger_option
    @key_option
    @_institution
    @_secret
    @click.argument("deployment", metavar="DEPLOYMENT")
    @click.argument("encounter")
    @option("--language", "notice_language", required=True,
            type=click.Choice(("en", "zh-Hant", "zh-Hans", "other")),
            help="In which language the patient was told.")  # fmt: skip
    def disclose(
        where: str,
        key_file: Path,
        institution_file: Path,
        secret_file: Path,
        deployment: str,
        encounter: str,
        notice_language: str,
    ) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Put on record that a patient was told of a model; the notice is printed."""
        from commonwatt.clinic.usecases import gateway as app

        receipt = app.record_patient_told_of_model(
            where,
            key_file,
            institution_file,
            secret_file,
            deployment,
            encounter,
            notice_language,
            now=command_utc_now(),
        )
        return CommandResult(
            data=receipt,
            text=lambda _: "\n".join(filter(None, (receipt["notice"], receipt["disclosure"]))),
        )


def _add_gate_sign_command() -> None:
    @command(
        groups.gate,
        "sign",
        example="commonwatt clinic gate sign deployment/x e-17 --plan p1 --step 0 --answer yes"
        " --key clinician.pem --fact modality=ct --json",
    )
    @key_option
    @click.argument("deployment", metavar="DEPLOYMENT")
    @click.argument("encounter")
    @option("--plan", required=True, help="Name of the agent's plan.")
    @option("--step", type=click.IntRange(0), required=True, help="Step of the plan, from 0.")
    @option("--answer", type=click.Choice(("yes", "no")), required=True,
            help="Whether the agent may make this call.")  # fmt: skip
    @option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="A fact; may repeat.")
    def sign(
        key_file: Path,
        deployment: str,
        encounter: str,
        plan: str,
        step: int,
        answer: str,
        facts: tuple[str, ...],
    ) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Sign a person's yes or no to one call of an agent, on these facts and no other."""
        from commonwatt.clinic.engines.gateway import AgentCall
        from commonwatt.clinic.usecases import gateway as app

        call = AgentCall(deployment, encounter, parse_name_value_fact_options(facts))
        statement = app.signed_human_step_dict(
            key_file, plan, step, call, answer, now=command_utc_now()
        )
        return CommandResult(data=statement, text=lambda _: json.dumps(statement))


def _add_gate_guides_command() -> None:
    @command(
        groups.gate,
        "guides",
        example="commonwatt clinic gate guides --guides my-guides",
    )
    @guides_option
    def guides(guide_folders: tuple[Path, ...]) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """List the guides, the facts that each asks for, and files that are no guides."""
        from commonwatt.clinic.io.guides import load_clinic_guide_library
        from commonwatt.clinic.usecases import gateway as app

        library = load_clinic_guide_library(guide_folders)
        return CommandResult(
            data=app.guides_and_unavailable_files_dict(library),
            text=lambda language: _guide_library_terminal_text(library, language),
        )


def _guide_library_terminal_text(library: GuideLibrary, language: str) -> str:
    lines: list[str] = []
    for guide in library.guides.values():
        lines.append(f"{guide.guide_id}  {guide.names[language]}")
        for fact in guide.facts.values():
            wanted = fact.wanted().translate(language)
            meaning = terminal_label_and_text(fact.meaning[language], wanted)
            lines.append(indented(f"{fact.name}  {meaning}"))
    for name, fault in library.faults.items():
        lines.append(terminal_label_and_text(name, fault.translate(language)))
    return "\n".join(lines)


def _model_advice_terminal_text(advice: dict[str, Any], language: str) -> str:
    silent = translate("Nothing is shown: the model runs in the shadow.", language)
    # Not every sentence stands in both languages; in the shadow there is none in either.
    words = advice["words"].get(language) or advice["words"].get("en") or silent
    return "\n".join([words, advice["advice"]])


def _add_gate_lottery_audit_command() -> None:
    @command(
        groups.gate,
        "lottery",
        example="commonwatt clinic gate lottery qmh --secret institution.secret",
    )
    @ledger_option
    @click.argument("institution")
    # Several, because an institution changes its secret after each disclosure and older lots fell
    # under older ones.
    @option("--secret", "secret_files", type=_there, multiple=True, required=True,
            help="A secret that is disclosed now; may repeat.")  # fmt: skip
    def lots(where: str, institution: str, secret_files: tuple[Path, ...]) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Draw the lots again by which doctors were asked first, and compare the record."""
        from commonwatt.clinic.usecases import gateway as app

        audit = app.encounter_lottery_audit_dict(where, institution, secret_files)
        return CommandResult(
            data=audit, text=lambda language: _lottery_audit_terminal_text(audit, language)
        )


def _lottery_audit_terminal_text(audit: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain import measures

    sentence = Message(
        "{lots} lots drawn again, {drawn} fell on asking the doctor first; {sealed} under a"
        " secret that was not disclosed"
    )
    lots = {
        "lots": (measures.LOTS, audit["lots"]),
        "drawn": (measures.LOTS_ASKED, audit["drawn"]),
        "sealed": (measures.LOTS_SEALED, audit["sealed"]),
    }
    faults = [*audit["shown_first"], *audit["marked_wrongly"]]
    heading = Message("Shown first or marked wrongly: {count}")
    count = {"count": (measures.LOTS_BROKEN, len(faults))}
    return "\n".join(
        [
            figure_sentence(sentence, language, lots),
            figure_sentence(heading, language, count),
            *(indented(name) for name in faults),
        ]
    )
