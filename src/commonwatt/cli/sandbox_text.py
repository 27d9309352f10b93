"""What a person reads in the terminal after a step in a data project.

Every answer has a table of its fields in `sandbox/domain/tables.py`. A field without an entry
there is an error and never a line with its name in JSON: that name is no word for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import commonwatt.sandbox.domain.tables as tables
from commonwatt.catalogue.measures import TableColumn, measure_cell_text, measure_label_text
from commonwatt.catalogue.tables import TableSchema
from commonwatt.cli.terminal_text import (
    Figure,
    counts_terminal_text,
    indented,
    terminal_figures_text,
    terminal_table_text,
)
from commonwatt.core.messages import Message


def project_answer_terminal_text(
    answer: TableSchema,
    data: Mapping[str, Any],
    language: str,
    *,
    rows: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> str:
    """Return an answer: its figures one below the other, then what lists and records hold.

    Args:
        answer: The fields that the answer may have.
        data: The answer; a list stands in the first block as its length.
        language: The reader's language.
        rows: By field the rows that stand behind its figure, where the field is no list.

    Raises:
        CatalogueError: A field of the answer has no entry in the catalogue.
    """
    given = {answer.column(name): value for name, value in data.items()}
    # In the order of the table and not of the answer, where a digest may come first.
    fields = [(column, given[column]) for column in answer.columns if column in given]
    records = tables.FIELDS_OF_FIELD.get(answer.name, {})
    blocks = [
        terminal_figures_text(
            (
                _project_field_figure_with_counts(column, value, language)
                for column, value in fields
                if column.name not in records
            ),
            language,
        )
    ]
    behind = rows or {}
    blocks += [
        f"{measure_label_text(column, language)}\n{indented(text)}"
        for column, value in fields
        if (
            text := _project_field_terminal_text(
                answer, column, behind.get(column.name, value), language
            )
        )
    ]
    return "\n".join(blocks)


def imported_dataset_terminal_text(data: Mapping[str, Any], language: str) -> str:
    """Return what an import kept, and what it quarantined by table and rule."""
    # The rules one by one would bury the line that says what was quarantined; JSON has them.
    shown = {name: value for name, value in data.items() if name != "rules"}
    quarantined = [
        {"table": table, "rule": rule, "records": records}
        for table, records_by_rule in data["set_aside"].items()
        for rule, records in records_by_rule.items()
    ]
    shown["set_aside"] = sum(row["records"] for row in quarantined)
    return project_answer_terminal_text(
        tables.IMPORTED, shown, language, rows={"set_aside": quarantined}
    )


_NEIGHBOUR_BEFORE = Message("neighbour, data as imported")
_NEIGHBOUR_AFTER = Message("neighbour, de-identified data")
_DIARY_BEFORE = Message("diary of visits, data as imported")
_DIARY_AFTER = Message("diary of visits, de-identified data")
_DIARY_COARSER = Message("diary of visits, coarser dates")


def risk_report_terminal_text(data: Mapping[str, Any], language: str) -> str:
    """Return the report that the custodian signs: measures, and how each attacker fared."""
    if "risk" not in data:
        return project_answer_terminal_text(tables.GENOMES, data, language)
    attackers = (
        (_NEIGHBOUR_BEFORE, data["before"]),
        (_NEIGHBOUR_AFTER, data["after"]),
        (_DIARY_BEFORE, data["diary_before"]),
        (_DIARY_AFTER, data["diary"]),
        *((_DIARY_COARSER, attack) for attack in data["diary_coarser"]),
    )
    attacks = [
        {"attacker": attacker.translate(language), **attack}
        for attacker, attack in attackers
        # Without visits in the data nobody can attack by their dates.
        if attack is not None
    ]
    shown = {name: data[name] for name in ("dataset", "report_sha256", "risk")}
    return project_answer_terminal_text(tables.RISK, shown | {"attacks": attacks}, language)


def synthetic_files_terminal_text(data: Mapping[str, Any], language: str) -> str:
    """Return where each table of synthetic data lies, and what they cost."""
    files = [{"table": table, "file": file} for table, file in data["files"].items()]
    return project_answer_terminal_text(tables.SYNTHESIZED, {**data, "files": files}, language)


def project_status_terminal_text(data: Mapping[str, Any], language: str) -> str:
    """Return the state of a project, its datasets, outputs and models."""
    outputs = [
        {**output, "reasons": [stop["rule"] for stop in json.loads(output["stops"])]}
        for output in data["outputs"]
    ]
    return project_answer_terminal_text(tables.STATUS, {**data, "outputs": outputs}, language)


def project_activity_terminal_text(data: Mapping[str, Any], language: str) -> str:
    """Return the auditor's view: steps, uses, alerts, duties and the thresholds behind them."""
    # The answer holds the sentences as text, and each of them is a message of the catalogue.
    sentences = {
        name: [{**row, "why": Message(row["why"]).translate(language)} for row in data[name]]
        for name in ("alerts", "due")
    }
    uses = [{**use, "tables": json.loads(use["tables"])} for use in data["uses"]]
    shown = {**data, **sentences, "uses": uses}
    return project_answer_terminal_text(tables.ACTIVITY, shown, language)


def isolation_attacks_terminal_text(data: Mapping[str, Any], language: str) -> str:
    """Return how this machine's isolation stood, program by program."""
    shown = {name: data[name] for name in ("attacks", "stopped", "escaped")}
    return project_answer_terminal_text(
        tables.ISOLATION, shown, language, rows={"attacks": data["layers"]}
    )


def _project_field_figure_with_counts(column: TableColumn, value: Any, language: str) -> Figure:
    """Return a field for the first block: a list as its length, counts by name on one line."""
    if isinstance(value, Mapping):
        counts = cast("Mapping[str, object]", value)
        return column, counts_terminal_text(counts, column, language) or None
    return column, len(cast("Sequence[object]", value)) if _is_project_list_or_tuple(
        value
    ) else value


def _project_field_terminal_text(
    answer: TableSchema, column: TableColumn, value: Any, language: str
) -> str:
    """Return what a field holds beyond its line in the first block; "" for a plain figure."""
    if record := tables.FIELDS_OF_FIELD.get(answer.name, {}).get(column.name):
        return terminal_figures_text(
            ((record.column(name), figure) for name, figure in value.items()), language
        )
    if not _is_project_list_or_tuple(value) or not value:
        return ""
    rows = tables.ROWS_OF_FIELD.get(answer.name, {}).get(column.name)
    if rows is None:
        return "\n".join(_project_entry_terminal_text(entry, column, language) for entry in value)
    cells = (
        {name: _joined_project_cell(cell) for name, cell in row.items()}
        for row in cast("Iterable[Mapping[str, Any]]", value)
    )
    return terminal_table_text(rows.columns, cells, language)


def _project_entry_terminal_text(entry: object, column: TableColumn, language: str) -> str:
    if isinstance(entry, Message):
        return entry.translate(language)
    return measure_cell_text(entry, column, language)


def _joined_project_cell(cell: Any) -> Any:
    return "; ".join(cast("Sequence[str]", cell)) if _is_project_list_or_tuple(cell) else cell


def _is_project_list_or_tuple(value: object) -> bool:
    return isinstance(value, list | tuple)
