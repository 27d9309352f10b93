"""`commonwatt clinic model import`: public records of medical models."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.frame import CommandResult, command, option
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
        from commonwatt.clinic.usecases.imports import import_device_records

        # The day is stated, because a card's class is judged by the law of that day.
        imported, frame = import_device_records(files, (on or datetime.now(UTC)).date())
        return CommandResult(
            data=imported,
            text=lambda language: _device_records_terminal_text(imported, language),
            tables={"cards": frame},
        )


def _device_records_terminal_text(imported: dict[str, Any], language: str) -> str:
    lines: list[str] = []
    for row in imported["cards"]:
        fault = f"{row['rule']}: {row['found']}" if row["rule"] else "–"
        lines.append(f"{row['file']:32} {row['category']:4} {fault}")
    for summary in imported["devices"]:
        gaps = {
            "file": summary["file"],
            "count": f"{summary['devices']:,}",
            "by": _device_record_counts_terminal_text(summary["routes"]),
        }
        lines.append(Message("{file}: {count} devices; {by}", gaps).translate(language))
    for summary in imported["events"]:
        gaps = {"file": summary["file"], "count": f"{summary['reports']:,}"}
        # What reports leave empty is counted, too: an event without a severity is not a mild one.
        gaps |= {
            "by": _device_record_counts_terminal_text(summary["severities"]),
            "empty": _device_record_counts_terminal_text(summary["left_empty"]),
        }
        form = Message("{file}: {count} reports; {by}; left empty: {empty}", gaps)
        lines.append(form.translate(language))
    return "\n".join(lines)


def _device_record_counts_terminal_text(counts_by_name: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts_by_name.items())
