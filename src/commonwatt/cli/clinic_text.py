"""What several clinic commands show in the terminal: estimates, rows on record, judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commonwatt.catalogue.measures import TableColumn
from commonwatt.cli.frame import CommandResult
from commonwatt.cli.terminal_text import figure_sentence, terminal_table_text
from commonwatt.core.messages import Message, translate


def estimate_rows_terminal_text(
    columns: Sequence[TableColumn], rows: Iterable[Mapping[str, Any]], language: str
) -> str:
    """Return estimates with their intervals as a table.

    Args:
        columns: The columns that are shown.
        rows: The estimates; of too few events there is none.
        language: The reader's language.
    """
    few = translate("too few to say", language)
    # Too few events give no figure at all: a wide interval is still quoted by its middle.
    shown = ({**row, "estimate": few} if row["estimate"] is None else row for row in rows)
    return terminal_table_text(columns, shown, language)


def auc_by_judge_terminal_text(auc_by_judge: Mapping[str, Sequence[float]], language: str) -> str:
    """Return the AUC of model, doctor and both with their intervals, a line each."""
    from commonwatt.clinic.domain.measures import JUDGES
    from commonwatt.clinic.domain.tables import CLINIC_VOICES

    rows = (
        {"voice": name.translate(language), "estimate": area, "low": low, "high": high}
        for judge, name in JUDGES.items()
        for area, low, high in [auc_by_judge[judge]]
    )
    return terminal_table_text(CLINIC_VOICES.columns, rows, language)


def registry_rows_terminal_text(
    columns: Sequence[TableColumn], rows: Sequence[Mapping[str, Any]], language: str
) -> str:
    """Return rows on record as a table, or that there is none."""
    if not rows:
        return translate("Nothing on record.", language)
    return terminal_table_text(columns, rows, language)


def recorded_entry_terminal_sentence(entry: Mapping[str, Any], language: str) -> str:
    """Return that an entry is on record, by its number and its subject."""
    from commonwatt.ledger.measures import ENTRY

    sentence = Message("Entry {index}: {subject} is on record", {"subject": entry["subject"]})
    return figure_sentence(sentence, language, {"index": (ENTRY, entry["index"])})


def command_result_of_registry_entry(entry: dict[str, Any]) -> CommandResult:
    """Return what a command that wrote one entry found out."""
    return CommandResult(
        data=entry, text=lambda language: _registry_entry_terminal_text(entry, language)
    )


def _registry_entry_terminal_text(entry: Mapping[str, Any], language: str) -> str:
    lines = [recorded_entry_terminal_sentence(entry, language)]
    for deployment, rule in entry.get("advises_no_more", {}).items():
        refused = Message(
            "{deployment} is live and advises no more: {rule}",
            {"deployment": deployment, "rule": rule},
        )
        lines.append(refused.translate(language))
    return "\n".join(lines)
