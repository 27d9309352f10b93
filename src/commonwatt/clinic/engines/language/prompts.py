"""What a model is asked, word for word, and how its answers are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from commonwatt.clinic.engines.language.notes import ClinicalNote

_NUMBER: Final = re.compile(r"\b(\d{1,3})\b")
DETECT: Final = (
    "Below is a clinical note, one numbered sentence a line. At most one sentence holds a"
    " medical error. Answer with the number of that sentence, or with the word CORRECT if"
    " there is none. Answer with nothing else.\n\n{note}\n\nAnswer:"
)
SUMMARISE: Final = (
    "Summarise the clinical note below in at most five sentences for the next doctor. Say"
    " only what the note says, and keep its diagnosis or plan.\n\n{note}\n\nSummary:"
)
COMPLETE: Final = "Continue this text exactly as you know it: {start}"
CHOOSE: Final = (
    "Which of these lines have you seen before? Answer with its letter only.\n\n{lines}\n\nAnswer:"
)
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def note_error_prompt(note: ClinicalNote) -> str:
    """Return the question after a planted error."""
    return DETECT.format(
        note="\n".join(f"{n} {sentence}" for n, sentence in note.sentences.items())
    )


def wrong_sentence_number_or_none_if_correct(answer: str, note: ClinicalNote) -> int | str | None:
    """Return the number of a sentence, `None` for a note called correct, or "unreadable".

    >>> sentences = {0: "A.", 1: "B."}
    >>> note = ClinicalNote(note_id="n", case="c", sentences=sentences, wrong=None, kind="")
    >>> (
    ...     wrong_sentence_number_or_none_if_correct("1", note),
    ...     wrong_sentence_number_or_none_if_correct("CORRECT", note),
    ...     wrong_sentence_number_or_none_if_correct("Hm.", note),
    ... )
    (1, None, 'unreadable')
    """
    if re.search(r"\bcorrect\b", answer, re.I) and not re.search(r"\b(in|not )correct\b", answer):
        return None
    numbers = [int(n) for n in _NUMBER.findall(answer) if int(n) in note.sentences]
    return numbers[0] if numbers else "unreadable"


def note_summary_prompt(note: ClinicalNote) -> str:
    """Return the request for a summary."""
    return SUMMARISE.format(note=note.text)


def clinic_model_canary_choice_prompt(lines: Sequence[str]) -> str:
    """Return the question which of some lines was seen before."""
    listed = "\n".join(f"{letter}. {line}" for letter, line in zip(LETTERS, lines, strict=False))
    return CHOOSE.format(lines=listed)


def read_canary_choice_index_or_none(answer: str) -> int | None:
    """Return the place of the line chosen, if the answer names one.

    >>> read_canary_choice_index_or_none("B."), read_canary_choice_index_or_none("none of them")
    (1, None)
    """
    match = re.match(r"\s*\(?([A-Z])\b", answer)
    return LETTERS.index(match[1]) if match else None
