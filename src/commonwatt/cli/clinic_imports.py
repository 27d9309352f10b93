"""`commonwatt clinic import`: public records of medical models."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from commonwatt.cli.frame import CommandResult, LazyGroup, command, option
from commonwatt.core.messages import Message

_there = click.Path(dir_okay=False, exists=True, path_type=Path)


def add_import_commands(clinic: LazyGroup) -> None:
    """Add the import of public records to `commonwatt clinic`."""

    @command(clinic, "import", example="commonwatt clinic import cards/*.xml devices.json.gz")
    @click.argument("files", type=_there, nargs=-1, required=True)
    @option(
        "--on", type=click.DateTime(["%Y-%m-%d"]), help="Day whose law applies (default: today)."
    )
    def import_(files: tuple[Path, ...], on: datetime | None) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Read model cards, FDA's list and adverse events, and say what contradicts itself."""
        from commonwatt.clinic.usecases.imports import import_result

        found, frame = import_result(files, (on or datetime.now(UTC)).date())
        return CommandResult(
            data=found, text=lambda language: _imported(found, language), tables={"cards": frame}
        )


def _imported(found: dict[str, Any], language: str) -> str:
    lines: list[str] = []
    for row in found["cards"]:
        fault = f"{row['rule']}: {row['found']}" if row["rule"] else "–"
        lines.append(f"{row['file']:32} {row['category']:4} {fault}")
    for one in found["devices"]:
        gaps = {"file": one["file"], "count": f"{one['devices']:,}", "by": _counts(one["routes"])}
        lines.append(Message("{file}: {count} devices; {by}", gaps).translate(language))
    for one in found["events"]:
        gaps = {"file": one["file"], "count": f"{one['reports']:,}"}
        gaps |= {"by": _counts(one["severities"]), "empty": _counts(one["left_empty"])}
        form = Message("{file}: {count} reports; {by}; left empty: {empty}", gaps)
        lines.append(form.translate(language))
    return "\n".join(lines)


def _counts(table: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in table.items())
