"""What the figures of the ledger are: label, unit, meaning and form, once each."""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import COUNT, NUMBER, TEXT, Form, Measure, TableColumn
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

# What its commands say.
SIGNED_BY: Final = Measure(
    "signed_by",
    Message("Signed by"),
    "",
    Message("Name, role and organisation of who signed the entry"),
    TEXT,
)
SIGNATURES: Final = Measure(
    "signatures_verified",
    Message("Signatures that hold"),
    "",
    Message("Signatures over entries that were checked"),
    COUNT,
)
ACTORS: Final = Measure(
    "actors_enrolled",
    Message("Actors enrolled"),
    "",
    Message("Keys that were enrolled, revoked ones included"),
    COUNT,
)
CHECKPOINTS: Final = Measure(
    "checkpoints_signed",
    Message("Checkpoints signed"),
    "",
    Message("Checkpoints on record that were checked"),
    COUNT,
)
PROOF_HASHES: Final = Measure(
    "proof_hashes",
    Message("Hashes of the proof"),
    "",
    Message("Hashes from which the root follows"),
    COUNT,
)
PROVED_SIZE: Final = Measure(
    "proved_size",
    Message("Entries of the ledger proved"),
    "",
    Message("How many entries the ledger has in this proof"),
    COUNT,
)
PROVED_ENTRY: Final = Measure(
    "proved_entry",
    Message("Entry that is proved"),
    "",
    Message("Number of the entry, from 0"),
    COUNT,
)
PROOF_LEAF: Final = Measure(
    "proof_leaf", Message("Hash of the entry"), "", Message("The leaf of the tree"), TEXT
)
PROOF_ROOT: Final = Measure(
    "proof_root",
    Message("Root of the tree"),
    "",
    Message("The root that follows from leaf and path"),
    TEXT,
)
OLD_SIZE: Final = Measure(
    "old_size",
    Message("Entries before"),
    "",
    Message("How many entries the ledger had then"),
    COUNT,
)
NEW_SIZE: Final = Measure(
    "new_size", Message("Entries now"), "", Message("How many entries the ledger has now"), COUNT
)
OLD_ROOT: Final = Measure(
    "old_root",
    Message("Root before"),
    "",
    Message("Root of the tree over the entries before"),
    TEXT,
)
NEW_ROOT: Final = Measure(
    "new_root", Message("Root now"), "", Message("Root of the tree over the entries now"), TEXT
)
BACKUP_FILES: Final = Measure(
    "backup_files",
    Message("Files of the whole backup"),
    "",
    Message("Files that the backup holds"),
    COUNT,
)
BACKUP_BYTES: Final = Measure(
    "backup_bytes",
    Message("Length of the whole backup"),
    "B",
    Message("Bytes that these files hold together"),
    NUMBER.with_digits(0),
)
BACKUP_KEYS: Final = Measure(
    "backup_keys",
    Message("Keys of the home"),
    "",
    Message("Key files of the home, which lie apart from the backup"),
    COUNT,
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
SHOWN_ENTRIES: Final = TableSchema(
    "ledger_shown_entries",
    "Entries of the ledger and who stands behind them.",
    (
        TableColumn.of(ENTRY, "index"),
        TableColumn.of(WRITTEN_AT, "at"),
        TableColumn.of(ENTRY_KIND, "kind"),
        TableColumn.of(SUBJECT, "subject"),
        TableColumn.of(SIGNED_BY, "by"),
    ),
)
PROOF: Final = TableSchema(
    "ledger_proof",
    "A proof that an entry is in the ledger, or that the ledger only grew.",
    (
        TableColumn.of(PROVED_ENTRY, "index"),
        TableColumn.of(PROVED_SIZE, "size"),
        TableColumn.of(PROOF_LEAF, "leaf"),
        TableColumn.of(PROOF_ROOT, "root"),
        TableColumn.of(OLD_SIZE, "old"),
        TableColumn.of(NEW_SIZE, "new"),
        TableColumn.of(OLD_ROOT, "old_root"),
        TableColumn.of(NEW_ROOT, "new_root"),
    ),
)
