"""Answers that were given without reading: empty, refused, echoed, the same for everybody.

Whether answers hang on their notes at all is a permutation test: dealt out to other
notes they must fit worse. A model that answers the same whatever it is shown cannot
pass it, however plausible its answer sounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.engines.language.notes import ClinicalNote
from commonwatt.clinic.engines.language.terms import extract_clinic_note_terms

KINDS: Final = ("empty", "refusal", "echo", "canned")
_REFUSAL: Final = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable)|i can(?:not|'t)|as an ai|as a language model|unable to"
    r" (?:help|assist|summari[sz]e))\b",
    re.I,
)
_ECHO: Final = 0.9  # of the note's words, in an answer that is as long as the note
ROUNDS: Final = 999


def answer_laziness_kinds(notes: Sequence[ClinicalNote], answers: Sequence[str]) -> list[str]:
    """Return, for each answer, the first kind of laziness that it shows; empty if none.

    >>> note = ClinicalNote(note_id="n", case="c", sentences={0: "A cough."}, wrong=None, kind="")
    >>> answer_laziness_kinds([note, note], ["", "I am sorry, no."])
    ['empty', 'refusal']
    """
    cases: dict[str, set[str]] = {}
    for note, answer in zip(notes, answers, strict=True):
        cases.setdefault(_normalised_clinic_model_answer(answer), set()).add(note.case)
    return [
        _clinic_model_answer_laziness_kind(
            note, answer, len(cases[_normalised_clinic_model_answer(answer)])
        )
        for note, answer in zip(notes, answers, strict=True)
    ]


def _clinic_model_answer_laziness_kind(note: ClinicalNote, answer: str, cases: int) -> str:
    if not extract_clinic_note_terms(answer).clinical_terms:
        return "empty"
    if _REFUSAL.search(answer):
        return "refusal"
    if cases > 1:
        return "canned"
    return "echo" if _clinic_model_answer_echoes_note(note, answer) else ""


def _clinic_model_answer_echoes_note(note: ClinicalNote, answer: str) -> bool:
    words, copied = note.text.lower().split(), set(answer.lower().split())
    repeated = sum(word in copied for word in words)
    # A short note can hardly be summarised without its own words.
    return len(words) > 60 and repeated >= _ECHO * len(words)


def answer_fit_p_value(
    notes: Sequence[ClinicalNote], answers: Sequence[str], chance: np.random.Generator
) -> float:
    """Return the chance that answers dealt out anew fit their notes as well as these do."""
    note_terms = [extract_clinic_note_terms(note.text).clinical_terms for note in notes]
    answer_terms = [extract_clinic_note_terms(answer).clinical_terms for answer in answers]
    fit = np.array([[len(a & n) / max(len(a), 1) for n in note_terms] for a in answer_terms])
    return clinic_note_permutation_p_value(
        lambda order: float(fit[np.arange(len(order)), order].mean()), len(notes), chance
    )


def note_error_flag_p_value(
    flagged: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_], chance: np.random.Generator
) -> float:
    """Return the chance that flags dealt out anew find as many errors as these do."""
    return clinic_note_permutation_p_value(
        lambda order: float((flagged[order] & wrong).sum()), len(wrong), chance
    )


def clinic_note_permutation_p_value(
    statistic: Callable[[npt.NDArray[np.int64]], float], count: int, chance: np.random.Generator
) -> float:
    """Return the one-sided p-value of the order as it is among `ROUNDS` random orders.

    >>> fit = np.eye(6)
    >>> chance = np.random.default_rng(1)
    >>> clinic_note_permutation_p_value(lambda o: float(fit[np.arange(6), o].sum()), 6, chance)
    0.002
    """
    observed = statistic(np.arange(count))
    # The tolerance lets an equal order count as equal: sums in another order differ in the last
    # digit.
    as_good = sum(statistic(chance.permutation(count)) >= observed - 1e-12 for _ in range(ROUNDS))
    # The order as it is counts as one of the draws; otherwise p could be zero, which no number of
    # rounds can show.
    return (1 + as_good) / (1 + ROUNDS)


def _normalised_clinic_model_answer(answer: str) -> str:
    return " ".join(answer.lower().split())
