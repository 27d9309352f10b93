"""`commonwatt clinic sealed seal|examine|reveal|confirm`: evaluation by a third party."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.clinic_options import key_option
from commonwatt.cli.clinic_text import estimate_rows_terminal_text
from commonwatt.cli.databases import ledger_option
from commonwatt.cli.frame import CommandResult, command, option
from commonwatt.cli.terminal_text import figure_sentence
from commonwatt.core.messages import Message

_there = click.Path(dir_okay=False, exists=True, path_type=Path)
_items = click.argument("items", type=_there)
_secret = option(
    "--secret",
    "secret_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("items.secret"),
    show_default=True,
    help="File of the secret that salts the items.",
)
_seal = option("--seal", "sealed", type=_there, required=True, help="The seal over the items.")


def add_sealed_evaluation_commands() -> None:
    """Add third-party evaluation to `commonwatt clinic`."""
    _add_case_seal_command()
    _add_sealed_model_examine_command()
    _add_reveal_and_confirm_click_commands()


def _add_case_seal_command() -> None:
    @command(
        groups.sealed,
        "seal",
        example="commonwatt clinic sealed seal items.jsonl --key me.pem --out sealed",
    )
    @key_option
    @_items
    @_secret
    @option("--threshold", type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
            default=0.5, show_default=True, help="Score from which the model advises.")  # fmt: skip
    # Each answer tells a vendor a little about the items, so their number is bounded before the
    # first.
    @option("--most", type=click.IntRange(1), default=3, show_default=True,
            help="Examinations that the set may answer.")  # fmt: skip
    def seal(
        key_file: Path, items: Path, secret_file: Path, threshold: float, most: int
    ) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Bind yourself to private items before you see the model."""
        from commonwatt.clinic.domain.measures import SEALED_ITEMS
        from commonwatt.clinic.engines.evidence.sealed import SealTerms
        from commonwatt.clinic.usecases import sealed as app

        terms = SealTerms(threshold=threshold, most=most)
        statement = app.seal_of_cases_file(items, secret_file, key_file, terms)
        sealed = dict(statement.body)
        # Sixteen digits are enough to compare by eye; the seal holds the whole root.
        sentence = Message(
            "{size} items sealed under {root}; give seal.json to the vendor",
            {"root": sealed["root"][:16]},
        )
        return CommandResult(
            data=sealed,
            text=lambda language: figure_sentence(
                sentence, language, {"size": (SEALED_ITEMS, sealed["size"])}
            ),
            files={"seal.json": statement.evidence_statement_json()},
        )


def _add_sealed_model_examine_command() -> None:
    @command(
        groups.sealed,
        "examine",
        example="commonwatt clinic sealed examine items.jsonl --seal seal.json --key me.pem"
        " --linear model.json --out report\n"
        "commonwatt clinic sealed examine items.jsonl --seal seal.json --key me.pem"
        " --url http://127.0.0.1:9000/ --artefact model.tar --version version/v1",
    )
    @ledger_option
    @key_option
    @_items
    @_secret
    @_seal
    @option("--linear", type=_there, help="A logistic model as JSON.")
    @option("--python", default="", metavar="MODULE:FUNCTION", help="A function of facts to score.")
    @option("--url", default="", help="A server on this machine.")
    # Without a digest nobody could say later which of the vendor's versions was examined.
    @option("--artefact", type=_there, help="What the vendor handed over, for its digest.")
    @option("--version", default="", help="Also put the report on record for this version.")
    def examine(  # pyright: ignore[reportUnusedFunction]
        where: str,
        key_file: Path,
        items: Path,
        secret_file: Path,
        sealed: Path,
        linear: Path | None,
        python: str,
        url: str,
        artefact: Path | None,
        version: str,
    ) -> CommandResult:
        """Examine a vendor's model on sealed items; the vendor sees the signed aggregate."""
        from commonwatt.clinic.usecases import sealed as app

        now = datetime.now(UTC)
        model = app.load_vendor_scorer_and_sha256(linear, python, url, artefact)
        report = app.examine_sealed_model_and_record_report(
            where, items, secret_file, key_file, sealed, model, version=version, now=now
        )
        return CommandResult(
            data=dict(report.body),
            text=lambda language: _sealed_report_terminal_text(dict(report.body), language),
            files={"report.json": report.evidence_statement_json()},
        )


def _add_reveal_and_confirm_click_commands() -> None:
    @command(
        groups.sealed,
        "reveal",
        example="commonwatt clinic sealed reveal items.jsonl 17 --out opened",
    )
    @_items
    @_secret
    @click.argument("number", type=int)
    def reveal(items: Path, secret_file: Path, number: int) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Open one item to an auditor, with the proof that it was sealed."""
        from commonwatt.clinic.domain.measures import SEALED_ITEM
        from commonwatt.clinic.engines.evidence.sealed import revealed_case_json
        from commonwatt.clinic.usecases import sealed as app

        case = app.revealed_sealed_case(items, secret_file, number)
        # A terminal scrolls into logs and screenshots; the item goes only into the file that was
        # asked for.
        return CommandResult(
            data={"number": number},
            text=lambda language: figure_sentence(
                Message("Item {number} is revealed by --out, and nowhere else"),
                language,
                {"number": (SEALED_ITEM, number)},
            ),
            files={"item.json": revealed_case_json(case)},
        )

    @command(
        groups.sealed,
        "confirm",
        example="commonwatt clinic sealed confirm report.json --seal seal.json",
    )
    @click.argument("report", type=_there)
    @_seal
    @option("--item", "opened", type=_there, multiple=True, help="An opened item; may repeat.")
    def confirm(report: Path, sealed: Path, opened: tuple[Path, ...]) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Check that a report, its seal and opened items belong together."""
        from commonwatt.clinic.usecases import sealed as app

        confirmation = app.checked_sealed_report_dict(report, sealed, opened)
        return CommandResult(
            data=confirmation,
            text=lambda language: _sealed_report_terminal_text(confirmation, language),
        )


def _sealed_report_terminal_text(body: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain.measures import EXAMINATION
    from commonwatt.clinic.domain.tables import ESTIMATES

    head = Message(
        "Examination {number} of the items {root} on {on}, artefact {artefact}",
        {
            "root": body["root"][:16],
            "on": body["on"],
            "artefact": body["artefact_sha256"][:16],
        },
    )
    names = ("group", "metric", "estimate", "low", "high")
    columns = [ESTIMATES.column(name) for name in names]
    return "\n".join(
        [
            figure_sentence(head, language, {"number": (EXAMINATION, body["number"])}),
            estimate_rows_terminal_text(columns, body["estimates"], language),
        ]
    )
