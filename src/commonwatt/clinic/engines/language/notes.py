"""Notes with at most one planted error, as the MEDEC collection has them.

Source: Ben Abacha et al. (2025), MEDEC, Findings of ACL: columns Text ID, Text,
Sentences (numbered lines), Error Flag, Error Type, Error Sentence ID, Corrected Sentence.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.core.messages import Message

_NUMBERED: Final = re.compile(r"(\d+)\s+(.*)")
_COLUMNS: Final = ("text id", "sentences", "error flag", "error sentence id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalNote:
    """One note.

    Args:
        note_id: Its name in the collection.
        case: What its variants, with and without the error, have in common.
        sentences: By the number that the collection gives them.
        wrong: Number of the sentence that holds the error; `None` where there is none.
        kind: Of the error.
    """

    note_id: str
    case: str
    sentences: Mapping[int, str]
    wrong: int | None
    kind: str

    @property
    def text(self) -> str:
        """The note without numbers."""
        return " ".join(self.sentences.values())


def load_medec_clinic_notes(path: Path) -> list[ClinicalNote]:
    """Return the notes of a MEDEC file (CSV, may be gzipped); rows without text are left out.

    Parts of the collection write their headings and numbers differently; capitals do not
    count, the kind of error may be missing, and a number may end in `.0`.

    Raises:
        EvidenceError: The file cannot be read, or is no such collection.
    """
    # A note is longer than the csv module's default field.
    csv.field_size_limit(min(sys.maxsize, 10**7))
    reader = csv.DictReader(io.StringIO(_medec_file_text(path)))
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in _COLUMNS if name not in reader.fieldnames]
    if missing:
        wanted = Message("the columns {names}", {"names": ", ".join(missing)})
        raise EvidenceError(str(path), wanted=wanted)
    rows = [(n, row) for n, row in enumerate(reader, 2) if (row["sentences"] or "").strip()]
    return [_parse_medec_note(row, f"{path}, row {n:,}") for n, row in rows]


def _medec_file_text(path: Path) -> str:
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise EvidenceError(str(path), found=type(error).__name__) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # as spreadsheets write it


def _parse_medec_note(medec_row: Mapping[str, str | None], where: str) -> ClinicalNote:
    sentences = note_sentence_by_number(medec_row["sentences"] or "")
    flagged, number = (
        _parse_medec_whole_number(medec_row["error flag"]) == 1,
        _parse_medec_whole_number(medec_row["error sentence id"]),
    )
    if flagged and number not in sentences:
        raise EvidenceError(where, wanted=Message("the number of a sentence of the note"))
    return ClinicalNote(
        note_id=medec_row["text id"] or "",
        case=_case_digest_shared_by_note_variants(sentences),
        sentences=sentences,
        wrong=number if flagged else None,
        kind=(medec_row.get("error type") or "unknown").strip() if flagged else "",
    )


def _parse_medec_whole_number(text: str | None) -> int | None:
    """Return a whole number, written as one or as a spreadsheet would.

    >>> (
    ...     _parse_medec_whole_number("10"),
    ...     _parse_medec_whole_number("10.0"),
    ...     _parse_medec_whole_number("NA"),
    ... )
    (10, 10, None)
    """
    match = re.fullmatch(r"\s*(-?\d+)(?:\.0*)?\s*", text or "")
    return int(match[1]) if match else None


def note_sentence_by_number(text: str) -> dict[int, str]:
    r"""Return sentences by number; a line without one belongs to the line before.

    >>> note_sentence_by_number("0 A cough.\n1 The pressure is\n120/70.")
    {0: 'A cough.', 1: 'The pressure is 120/70.'}
    """
    sentences: dict[int, str] = {}
    last = -1
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = _NUMBERED.fullmatch(line)
        # Only the next number begins a sentence: "120 over 80" at the start of a line is a blood
        # pressure.
        if match and int(match[1]) == last + 1:
            last = int(match[1])
            sentences[last] = match[2]
        else:
            last = max(last, 0)
            sentences[last] = f"{sentences.get(last, '')} {line}".strip()
    return sentences


def _case_digest_shared_by_note_variants(sentences: Mapping[int, str]) -> str:
    """Return a name that variants share: they begin with the same words."""
    # The notes of a case begin alike, and the collection gives the case no name.
    start = " ".join(" ".join(sentences.values()).lower().split()[:14])
    return hashlib.sha256(start.encode()).hexdigest()[:12]


def learning_and_held_out_notes(
    notes: Sequence[ClinicalNote], share: float, purpose: str = "hold out"
) -> tuple[list[ClinicalNote], list[ClinicalNote]]:
    """Return notes to learn from and notes held out, with variants of a case on the same side.

    The side is read off the case's digest, so that it does not depend on the order of
    the notes or on which others there are; another purpose splits in another way.
    """
    # By case: a note in training whose variant is held out would give the planted error away.
    held = [
        note for note in notes if _clinic_note_case_split_draw(f"{purpose} {note.case}") < share
    ]
    out = {note.note_id for note in held}
    return [note for note in notes if note.note_id not in out], held


def _clinic_note_case_split_draw(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48
