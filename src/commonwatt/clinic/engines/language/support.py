"""Whether a summary is true to its note, and how well that can be known.

A sentence is unsupported if it holds a quantity that the note does not, denies what
the note affirms (or the other way round), or if more than `MOST_NEW_SHARE` of its terms
are nowhere in the note. The meter plants such sentences into true extracts and counts
how many are found; the rate is then corrected for both kinds of mistake.

Source of the correction: Rogan and Gladen (1978), American Journal of Epidemiology 107, 71.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from commonwatt.clinic.engines.language.notes import ClinicalNote
from commonwatt.clinic.engines.language.terms import ExtractedTerms, extract_terms, sentences_of

MOST_NEW_SHARE: Final = 1 / 3
COVERED_SHARE: Final = 0.6
PLANTED_KINDS: Final[tuple[str, ...]] = ("foreign", "quantity", "sign")


def unsupported(sentence: str, note: ExtractedTerms) -> bool:
    """Return whether a sentence says something that the note does not.

    >>> unsupported("Blood pressure 120/80.", extract_terms("The blood pressure is 120/70 mm Hg."))
    True
    """
    claimed = extract_terms(sentence)
    # A quantity needs no share: one wrong dose is the whole fault.
    if claimed.quantities - note.quantities:
        return True
    # Only terms with one sign in the note: "no fever on Monday, fever on Tuesday" supports both.
    flipped = (claimed.denied & (note.affirmed - note.denied)) | (
        claimed.affirmed & (note.denied - note.affirmed)
    )
    new = claimed.terms - note.terms
    return bool(flipped) or len(new) > MOST_NEW_SHARE * max(len(claimed.terms), 1)


def covers(summary: str, sentence: str) -> bool:
    """Return whether a summary keeps at least `COVERED_SHARE` of what a sentence says."""
    claimed, covered = extract_terms(sentence), extract_terms(summary)
    total = len(claimed.quantities) + len(claimed.terms)
    held = len(claimed.quantities & covered.quantities) + len(claimed.terms & covered.terms)
    return held >= COVERED_SHARE * total


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportCheckQuality:
    """How good the check itself is, from sentences whose truth is known.

    Args:
        found: Planted sentences that were called unsupported, by kind of plant.
        planted: Planted sentences, by kind.
        cleared: True sentences that were called supported.
        true: True sentences.
    """

    found: dict[str, int]
    planted: dict[str, int]
    cleared: int
    true: int

    @property
    def sensitivity(self) -> float:
        """Share of planted sentences found, each kind counting the same."""
        shares = [self.found[kind] / n for kind, n in self.planted.items() if n]
        return float(np.mean(shares)) if shares else float("nan")

    @property
    def specificity(self) -> float:
        """Share of true sentences cleared."""
        return self.cleared / self.true if self.true else float("nan")

    def corrected(self, rate: float) -> float:
        """Return the rate of unsupported sentences, corrected for the meter's mistakes."""
        power = self.sensitivity + self.specificity - 1
        # A check no better than a coin can correct nothing; NaN says so where a clipped number
        # would look like a result.
        if not power > 0:
            return float("nan")
        return min(max((rate + self.specificity - 1) / power, 0.0), 1.0)


def measure(notes: Sequence[ClinicalNote], chance: np.random.Generator) -> SupportCheckQuality:
    """Return how well planted sentences are distinguished from true ones on these notes.

    A true sentence is reworded as a faithful summary would: its clauses change places.
    """
    detected: dict[str, int] = dict.fromkeys(PLANTED_KINDS, 0)
    planted: dict[str, int] = dict.fromkeys(PLANTED_KINDS, 0)
    cleared = true = 0
    for i, note in enumerate(notes):
        note_terms, parts = extract_terms(note.text), list(note.sentences.values())
        sentence = parts[int(chance.integers(len(parts)))]
        true += 1
        cleared += not unsupported(reworded(sentence), note_terms)
        for kind, plant in _planted_sentences(sentence, notes, i, chance).items():
            planted[kind] += 1
            detected[kind] += unsupported(plant, note_terms)
    return SupportCheckQuality(found=detected, planted=planted, cleared=cleared, true=true)


def reworded(sentence: str) -> str:
    """Return a sentence with its clauses in another order.

    >>> reworded("He has fever, no cough.")
    'no cough, He has fever'
    """
    clauses = sentence.rstrip(".").split(", ")
    return ", ".join(reversed(clauses))


def _planted_sentences(
    sentence: str, notes: Sequence[ClinicalNote], i: int, chance: np.random.Generator
) -> dict[str, str]:
    """Return what a careless summary might say instead of `sentence`."""
    plants: dict[str, str] = {}
    # From another case, because a variant of the same note would often support the sentence.
    others = [note for note in notes if note.case != notes[i].case]
    if others:
        foreign = list(others[int(chance.integers(len(others)))].sentences.values())
        plants["foreign"] = foreign[int(chance.integers(len(foreign)))]
    if digits := re.search(r"\d+", sentence):
        changed = str(int(digits[0]) + 1 + int(chance.integers(8)))
        plants["quantity"] = sentence[: digits.start()] + changed + sentence[digits.end() :]
    terms = extract_terms(sentence)
    if terms.denied:
        plants["sign"] = re.sub(
            r"\b(no|not|denies|without|negative for)\b", "", sentence, flags=re.I
        )
    elif terms.affirmed:
        plants["sign"] = f"No {sentence[0].lower()}{sentence[1:]}"
    return plants


def summary_faults(note: ClinicalNote, summary: str) -> tuple[int, int]:
    """Return how many sentences of a summary are unsupported, of how many."""
    note_terms = extract_terms(note.text)
    parts = [
        part
        for part in sentences_of(summary)
        if extract_terms(part).terms or extract_terms(part).quantities
    ]
    return sum(unsupported(part, note_terms) for part in parts), len(parts)


def omitted_quantities(note: ClinicalNote, summary: str) -> tuple[int, int]:
    """Return how many of a note's quantities a summary leaves out, of how many."""
    quantities = extract_terms(note.text).quantities
    return len(quantities - extract_terms(summary).quantities), len(quantities)
