"""Whether a summary is true to its note, and how well that can be known.

Each sentence of a summary is held against the note by the meter of truth, which says how likely
it is contradicted or not in the note. The check plants such sentences into true extracts and
counts how many are found; the rate is then corrected for both kinds of mistake.

Source of the correction: Rogan and Gladen (1978), American Journal of Epidemiology 107, 71.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from commonwatt.clinic.engines.language.meaning import shipped_clinic_note_fidelity_meter
from commonwatt.clinic.engines.language.meaning.lexicon import load_clinical_lexicon
from commonwatt.clinic.engines.language.meaning.reading import (
    clinical_sentences,
    read_clinical_sentence,
)
from commonwatt.clinic.engines.language.notes import ClinicalNote
from commonwatt.clinic.engines.language.terms import (
    extract_clinic_note_terms,
)

MOST_NEW_CHANCE: Final = 0.5
COVERED_SHARE: Final = 0.6
PLANTED_KINDS: Final[tuple[str, ...]] = ("foreign", "quantity", "sign", "side", "direction")


def is_contradicted_by_clinic_note(sentence: str, note: str) -> bool:
    """Return whether a sentence says the opposite of a note, at the meter's limit.

    >>> note = "The left knee is swollen. Metoprolol 25 mg was started."
    >>> is_contradicted_by_clinic_note("Swelling of the right knee.", note)
    True
    >>> is_contradicted_by_clinic_note("Swelling of the left knee.", note)
    False
    """
    meter = shipped_clinic_note_fidelity_meter()
    return meter.contradicts(meter(sentence, note))


def is_unsupported_by_clinic_note(sentence: str, note: str) -> bool:
    """Return whether a sentence says something that the note does not, or its opposite.

    >>> is_unsupported_by_clinic_note("Blood pressure 120/80.", "The blood pressure is 120/70.")
    True
    """
    meter = shipped_clinic_note_fidelity_meter()
    verdict = meter(sentence, note)
    return meter.contradicts(verdict) or verdict.not_in_source > MOST_NEW_CHANCE


def clinic_summary_covers_sentence(summary: str, sentence: str) -> bool:
    """Return whether a summary keeps at least `COVERED_SHARE` of what a sentence says."""
    claimed, covered = extract_clinic_note_terms(sentence), extract_clinic_note_terms(summary)
    total = len(claimed.quantities) + len(claimed.clinical_terms)
    held = len(claimed.quantities & covered.quantities) + len(
        claimed.clinical_terms & covered.clinical_terms
    )
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

    def corrected_unsupported_rate(self, rate: float) -> float:
        """Return the rate of unsupported sentences, corrected for the meter's mistakes."""
        power = self.sensitivity + self.specificity - 1
        # A check no better than a coin can correct nothing; NaN says so where a clipped number
        # would look like a result.
        if not power > 0:
            return float("nan")
        return min(max((rate + self.specificity - 1) / power, 0.0), 1.0)


def measure_clinic_note_support_check(
    notes: Sequence[ClinicalNote], chance: np.random.Generator
) -> SupportCheckQuality:
    """Return how well planted sentences are distinguished from true ones on these notes.

    A true sentence is reworded as a faithful summary would: its clauses change places.
    """
    detected: dict[str, int] = dict.fromkeys(PLANTED_KINDS, 0)
    planted: dict[str, int] = dict.fromkeys(PLANTED_KINDS, 0)
    cleared = true = 0
    for i, note in enumerate(notes):
        parts = list(note.sentences.values())
        sentence = parts[int(chance.integers(len(parts)))]
        true += 1
        cleared += not is_unsupported_by_clinic_note(reworded_note_sentence(sentence), note.text)
        for kind, plant in _false_clinic_note_sentence_by_kind(sentence, notes, i, chance).items():
            planted[kind] += 1
            detected[kind] += is_unsupported_by_clinic_note(plant, note.text)
    return SupportCheckQuality(found=detected, planted=planted, cleared=cleared, true=true)


def reworded_note_sentence(sentence: str) -> str:
    """Return a sentence with its clauses in another order, where that says the same.

    >>> reworded_note_sentence("He has fever, no cough.")
    'no cough, He has fever'
    >>> reworded_note_sentence("Well, no fever, cough or rash.")
    'no fever, cough or rash, Well'
    """
    signs = read_clinical_sentence(sentence).mentions
    clauses: list[str] = []
    for part in sentence.rstrip(".").split(", "):
        # "Cough or rash" behind "no fever" is denied, and would not be in front of it.
        if clauses and not read_clinical_sentence(part).mentions <= signs:
            clauses[-1] += f", {part}"
        else:
            clauses.append(part)
    reworded = ", ".join(reversed(clauses))
    # A list that is denied at its end has no other order.
    return reworded if read_clinical_sentence(reworded).mentions == signs else sentence


def _false_clinic_note_sentence_by_kind(
    sentence: str, notes: Sequence[ClinicalNote], note_number: int, chance: np.random.Generator
) -> dict[str, str]:
    """Return what a careless summary might say instead of `sentence`."""
    plants: dict[str, str] = {}
    # From another case, because a variant of the same note would often support the sentence.
    others = [note for note in notes if note.case != notes[note_number].case]
    if others:
        foreign = list(others[int(chance.integers(len(others)))].sentences.values())
        plants["foreign"] = foreign[int(chance.integers(len(foreign)))]
    if digits := re.search(r"\d+", sentence):
        changed = str(int(digits[0]) + 1 + int(chance.integers(8)))
        plants["quantity"] = sentence[: digits.start()] + changed + sentence[digits.end() :]
    if turned := _sentence_with_sign_turned_or_empty(sentence):
        plants["sign"] = turned
    for kind in ("side", "direction"):
        swapped = _SWAPPED_WORDS[kind].sub(lambda m: _OTHER_WORD[m[0].lower()], sentence)
        if swapped != sentence:
            plants[kind] = swapped
    return plants


_DENIAL: Final = re.compile(
    r"\b(?:no|not|denies|without|negative for)\b\s*|沒有|並無|未見|無|冇", re.I
)
_AFFIRMED: Final = (
    (r"\bwith\b", "without"),
    (r"\b(was|were|is|are|has been)\b", r"\1 not"),
    ("有", "沒有"),
)


def _sentence_with_sign_turned_or_empty(sentence: str) -> str:
    """Return a sentence that denies what another affirms, or the other way round; "" if neither."""
    kinds = load_clinical_lexicon().kinds
    says = read_clinical_sentence(sentence)
    # Only of what is present or absent: "no pressure was 120/70" is nothing that a summary says.
    if not any(kinds.get(mention.concept) in ("finding", "drug") for mention in says.mentions):
        return ""
    if any(mention.denied for mention in says.mentions):
        turned = _DENIAL.sub("", sentence, count=1)
        return turned if turned != sentence else ""
    for pattern, other in _AFFIRMED:
        if re.search(pattern, sentence):
            return re.sub(pattern, other, sentence, count=1)
    return ""


_OTHER_WORD: Final = {
    word: other
    for pair in ("left right", "左 右", "increased decreased", "raised lowered", "higher lower",
                 "上升 下降", "增加 減少")
    for word, other in (pair.split(), pair.split()[::-1])
}  # fmt: skip
_SWAPPED_WORDS: Final = {
    "side": re.compile(r"\b(?:left|right)\b|左|右", re.I),
    "direction": re.compile(
        r"\b(?:increased|decreased|raised|lowered|higher|lower)\b|上升|下降|增加|減少", re.I
    ),
}


def unsupported_and_all_sentence_counts(note: ClinicalNote, summary: str) -> tuple[int, int]:
    """Return how many sentences of a summary are unsupported, of how many."""
    parts = _checkable_summary_sentences(summary)
    return sum(is_unsupported_by_clinic_note(part, note.text) for part in parts), len(parts)


def contradicted_and_all_sentence_counts(note: ClinicalNote, summary: str) -> tuple[int, int]:
    """Return how many sentences of a summary the note contradicts, of how many."""
    parts = _checkable_summary_sentences(summary)
    return sum(is_contradicted_by_clinic_note(part, note.text) for part in parts), len(parts)


def _checkable_summary_sentences(summary: str) -> list[str]:
    """Return the sentences that say anything which could be true or false of a patient."""
    read = [(part, read_clinical_sentence(part)) for part in clinical_sentences(summary)]
    return [
        part for part, says in read if says.mentions or says.quantities or says.axes or says.words
    ]


def omitted_and_all_note_quantity_counts(note: ClinicalNote, summary: str) -> tuple[int, int]:
    """Return how many of a note's quantities a summary leaves out, of how many."""
    quantities = extract_clinic_note_terms(note.text).quantities
    return len(quantities - extract_clinic_note_terms(summary).quantities), len(quantities)
