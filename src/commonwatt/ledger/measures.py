"""What the figures of the ledger are: label, unit, meaning and form, once each."""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import COUNT, TEXT, Form, Measure, TableColumn
from commonwatt.catalogue.tables import TableSchema
from commonwatt.core.messages import Message


def _ledger_measure(name: str, label: Message, meaning: Message, form: Form = TEXT) -> Measure:
    return Measure(name, label, "", meaning, form)


ENTRIES: Final = _ledger_measure(
    "entries", Message("Entries"), Message("Lines of the chain"), COUNT
)
LAST_LINK: Final = _ledger_measure(
    "last_link", Message("Last link"), Message("Beginning of the hash of the last line")
)
LAST_ENTRY: Final = _ledger_measure(
    "last_entry_at", Message("Last entry"), Message("When the last line was written, UTC")
)
VERIFIED: Final = _ledger_measure(
    "entries_verified",
    Message("Verified"),
    Message("Lines whose hash, place and signature hold"),
    COUNT,
)
ENTRY: Final = _ledger_measure(
    "entry", Message("Entry"), Message("Number of the line, from 0"), COUNT
)
WRITTEN_AT: Final = _ledger_measure(
    "written_at", Message("Written at"), Message("By the clock of the machine that wrote it, UTC")
)
ENTRY_KIND: Final = _ledger_measure(
    "entry_kind", Message("Kind of entry"), Message("What happened, wing first")
)
SUBJECT: Final = _ledger_measure(
    "entry_subject", Message("Subject of the entry"), Message("What it happened to, as a path")
)
SIGNER_ROLE: Final = _ledger_measure(
    "signer_role", Message("Role"), Message("Role in which the signer was enrolled")
)
SIGNER: Final = _ledger_measure(
    "signer", Message("Actor"), Message("Sixteen hexadecimal digits of the signer's key")
)

ENTRY_ROWS: Final = TableSchema(
    "ledger_entries",
    "Entries of the ledger and who signed them.",
    (
        TableColumn.of(ENTRY),
        TableColumn.of(WRITTEN_AT, "at"),
        TableColumn.of(ENTRY_KIND, "kind"),
        TableColumn.of(SUBJECT, "subject"),
        TableColumn.of(SIGNER_ROLE, "role"),
        TableColumn.of(SIGNER, "actor"),
    ),
)
