"""`commonwatt clinic model import`: public records of medical models."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from commonwatt.catalogue.measures import ABSENT
from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.frame import CommandResult, command, option
from commonwatt.cli.terminal_text import counts_terminal_text, figure_sentence, terminal_table_text
from commonwatt.core.messages import Message

_there = click.Path(dir_okay=False, exists=True, path_type=Path)


def add_device_record_import_command() -> None:
    """Add the import of public records to `commonwatt clinic`."""

    @command(
        groups.model, "import", example="commonwatt clinic model import cards/*.xml devices.json.gz"
    )
    @click.argument("files", type=_there, nargs=-1, required=True)
    @option(
        "--on", type=click.DateTime(["%Y-%m-%d"]), help="Day whose law applies (default: today)."
    )
    def import_(files: tuple[Path, ...], on: datetime | None) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Read model cards, FDA's list and adverse events, and say what contradicts itself."""
        from commonwatt.clinic.usecases.imports import device_records_summary_and_card_table

        # The day is stated, because a card's class is judged by the law of that day.
        imported, frame = device_records_summary_and_card_table(
            files, (on or datetime.now(UTC)).date()
        )
        return CommandResult(
            data=imported,
            text=lambda language: _device_records_terminal_text(imported, language),
            tables={"cards": frame},
        )


def _device_records_terminal_text(imported: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain import measures
    from commonwatt.clinic.domain.tables import CARDS

    columns = [CARDS.column(name) for name in ("file", "category", "rule", "found")]
    lines: list[str] = []
    if imported["cards"]:
        # A card that breaks no rule says so: an empty cell could be a fault of the table.
        cards = [card | {"rule": card["rule"] or ABSENT} for card in imported["cards"]]
        lines.append(terminal_table_text(columns, cards, language))
    for summary in imported["devices"]:
        by_route = counts_terminal_text(summary["routes"], measures.RECORDS_OF_KIND, language)
        form = Message("{file}: {count} devices; {by}", {"file": summary["file"], "by": by_route})
        count = {"count": (measures.DEVICES_LISTED, summary["devices"])}
        lines.append(figure_sentence(form, language, count))
    for summary in imported["events"]:
        kinds = measures.RECORDS_OF_KIND
        # What reports leave empty is counted, too: an event without a severity is not a mild one.
        words = {
            "file": summary["file"],
            "by": counts_terminal_text(summary["severities"], kinds, language),
            "empty": counts_terminal_text(summary["left_empty"], kinds, language),
        }
        form = Message("{file}: {count} reports; {by}; left empty: {empty}", words)
        count = {"count": (measures.REPORTS_LISTED, summary["reports"])}
        lines.append(figure_sentence(form, language, count))
    return "\n".join(lines)
