"""`commonwatt clinic committee waiting|product`, and the answer to an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.clinic_options import command_utc_now, key_option
from commonwatt.cli.clinic_text import command_result_of_registry_entry
from commonwatt.cli.databases import ledger_option
from commonwatt.cli.frame import CommandResult, command, command_language, option
from commonwatt.cli.terminal_text import terminal_table_text
from commonwatt.core.messages import translate

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.catalogue.tables import TableSchema

_DAY = click.DateTime(["%Y-%m-%d"])
_on = option("--on", type=_DAY, help="Day that is looked at (default: today).")
# Fewer than the console shows: a terminal is eighty letters wide, and --json has the rest.
_WAITING_COLUMNS = ("due_at", "subject", "reason", "role", "command")


def add_committee_click_commands() -> None:
    """Add the committee's commands to `commonwatt clinic`."""
    _add_clinic_committee_waiting_command()
    _add_committee_product_file_command()
    _add_clinic_alarm_answer_command()


def _add_clinic_committee_waiting_command() -> None:
    @command(
        groups.committee,
        "waiting",
        example="commonwatt clinic committee waiting\n"
        "commonwatt clinic committee waiting product/chest --on 2026-12-01 --json",
    )
    @ledger_option
    @click.argument("product", required=False, default="")
    @_on
    def waiting(where: str, product: str, on: datetime | None) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show what stands still until somebody acts: who, by which command, by when."""
        from commonwatt.clinic.domain.tables import WAITING
        from commonwatt.clinic.usecases.committee import clinic_waiting_rows_of_ledger

        day = (on or datetime.now(UTC)).date()
        language = command_language(click.get_current_context())
        rows = clinic_waiting_rows_of_ledger(where, day, product=product, language=language)
        return CommandResult(
            data={"on": day.isoformat(), "waiting": rows},
            text=lambda language: _waiting_terminal_text(rows, language),
            tables=_declared_frames_if_out_given({"waiting": WAITING}, {"waiting": rows}),
        )


def _waiting_terminal_text(rows: Sequence[Mapping[str, Any]], language: str) -> str:
    from commonwatt.clinic.domain.tables import WAITING

    if not rows:
        return translate("Nothing waits.", language)
    return terminal_table_text([WAITING.column(name) for name in _WAITING_COLUMNS], rows, language)


def _declared_frames_if_out_given(
    schemas: Mapping[str, TableSchema], tables: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, pl.DataFrame]:
    """Return tables with their declared columns; none without --out, which alone wants them."""
    if not click.get_current_context().params.get("out"):
        return {}
    return {
        name: schema.frame_from_rows(
            {column.name: row[column.name] for column in schema.columns} for row in tables[name]
        )
        for name, schema in schemas.items()
    }


def _add_committee_product_file_command() -> None:
    @command(
        groups.committee, "product", example="commonwatt clinic committee product product/chest"
    )
    @ledger_option
    @click.argument("product")
    @_on
    def product_command(where: str, product: str, on: datetime | None) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Show what a product rests on: rulings, evidence, plans, alarms, duties, changes."""
        from commonwatt.clinic.usecases.committee import (
            PRODUCT_TABLES,
            committee_product_file_of_ledger,
        )

        day = (on or datetime.now(UTC)).date()
        language = command_language(click.get_current_context())
        tables = committee_product_file_of_ledger(where, product, day, language=language).tables()
        return CommandResult(
            data={"product": product, "on": day.isoformat(), **tables},
            text=lambda language: _product_file_terminal_text(tables, language),
            tables=_declared_frames_if_out_given(
                {name: table for name, (_, table) in PRODUCT_TABLES.items()}, tables
            ),
        )


def _product_file_terminal_text(
    tables: Mapping[str, Sequence[Mapping[str, Any]]], language: str
) -> str:
    from commonwatt.clinic.usecases.committee import PRODUCT_TABLES

    nothing = translate("Nothing on record.", language)
    blocks: list[str] = []
    for name, (title, table) in PRODUCT_TABLES.items():
        rows = tables[name]
        columns = list(table.columns)
        if name == "waiting":
            columns = [table.column(each) for each in _WAITING_COLUMNS]
        shown = terminal_table_text(columns, rows, language) if rows else nothing
        blocks.append(f"{title.translate(language)}\n{shown}")
    return "\n\n".join(blocks)


def _add_clinic_alarm_answer_command() -> None:
    @command(
        groups.monitor,
        "answer",
        example="commonwatt clinic monitor answer event/x-alarm-7 --code threshold-reviewed"
        ' --narrative "Scores of the new scanner were looked at." --key lead.pem',
    )
    @ledger_option
    @key_option
    @click.argument("event")
    @option("--code", required=True, help="What was done, as a code; never about a person.")
    @option("--narrative", required=True, help="What was done, in words; never about a person.")
    def answer(where: str, key_file: Path, event: str, code: str, narrative: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Put on record what was done about an alarm; without it the alarm waits."""
        from commonwatt.clinic.usecases.registry import answer_monitor_alarm

        return command_result_of_registry_entry(
            answer_monitor_alarm(where, key_file, event, code, narrative, now=command_utc_now)
        )
