"""One model through every task, with an interval on each share.

Notes of one case are not independent: the interval is Wilson's on the number of notes
divided by the design effect of their cases. The corrected share of unsupported
sentences carries what is unknown of the model and of the meter, by simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.domain.tables import EXAMINED
from commonwatt.clinic.engines.evidence.metrics import share_and_wilson_interval
from commonwatt.clinic.engines.language.canaries import (
    Canary,
    CanaryResult,
    measure_clinical_canary_leak,
)
from commonwatt.clinic.engines.language.lazy import (
    KINDS,
    answer_fit_p_value,
    answer_laziness_kinds,
    note_error_flag_p_value,
)
from commonwatt.clinic.engines.language.models import TextModel
from commonwatt.clinic.engines.language.notes import ClinicalNote
from commonwatt.clinic.engines.language.prompts import (
    note_error_prompt,
    note_summary_prompt,
    wrong_sentence_number_or_none_if_correct,
)
from commonwatt.clinic.engines.language.support import (
    SupportCheckQuality,
    clinic_summary_covers_sentence,
    contradicted_and_all_sentence_counts,
    measure_clinic_note_support_check,
    omitted_and_all_note_quantity_counts,
    unsupported_and_all_sentence_counts,
)
from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream

Z: Final = 1.959964
FEWEST_NOTES: Final = 10
DRAWS: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageExamination:
    """What became of one model.

    Args:
        model: Its name.
        notes: How many notes, of how many `cases`.
        table: The shares, as `EXAMINED`.
        meter: How good the check of summaries is on these notes.
        p_flags: Chance of as many errors found if the flags were dealt out at random.
        p_fit: Chance of summaries that fit as well if they were dealt out at random.
        leak: What the canaries show; `None` where there were none.
    """

    model: str
    notes: int
    cases: int
    table: pl.DataFrame
    meter: SupportCheckQuality
    p_flags: float
    p_fit: float
    leak: CanaryResult | None


def examine_clinic_language_model(
    model: TextModel, notes: Sequence[ClinicalNote], *, canaries: Sequence[Canary] = (), seed: int
) -> LanguageExamination:
    """Return how a model does on notes that it has not seen.

    Raises:
        EvidenceError: There are no notes, or the model does not answer.
    """
    if len(notes) < FEWEST_NOTES:
        raise EvidenceError("notes", wanted=Message("at least {n} notes", {"n": str(FEWEST_NOTES)}))
    flags, detected = _clinic_note_error_flags_and_rows(model, notes)
    meter = measure_clinic_note_support_check(notes, named_random_stream(seed, "language-meter"))
    answers = [model(note_summary_prompt(note)) for note in notes]
    rows = [
        *detected,
        *_clinic_note_summary_share_rows(notes, answers, meter, seed),
        *_clinic_model_lazy_answer_share_rows(notes, answers),
    ]
    wrong = np.array([note.wrong is not None for note in notes])
    return LanguageExamination(
        model=model.name,
        notes=len(notes),
        cases=len({note.case for note in notes}),
        table=EXAMINED.build_frame(**{name: [row[name] for row in rows] for name in rows[0]}),
        meter=meter,
        p_flags=note_error_flag_p_value(flags, wrong, named_random_stream(seed, "language-flags")),
        p_fit=answer_fit_p_value(notes, answers, named_random_stream(seed, "language-fit")),
        leak=measure_clinical_canary_leak(model, canaries) if canaries else None,
    )


def _clinic_note_error_flags_and_rows(
    model: TextModel, notes: Sequence[ClinicalNote]
) -> tuple[npt.NDArray[np.bool_], list[dict[str, Any]]]:
    verdicts = [
        wrong_sentence_number_or_none_if_correct(model(note_error_prompt(note)), note)
        for note in notes
    ]
    # An unreadable answer is neither: it must not count as a note cleared, or babble would have
    # perfect specificity.
    flagged = np.array([isinstance(verdict, int) for verdict in verdicts])
    unread = np.array([verdict == "unreadable" for verdict in verdicts])
    wrong = np.array([note.wrong is not None for note in notes])
    placed = np.array(
        [n.wrong is not None and n.wrong == v for n, v in zip(notes, verdicts, strict=True)]
    )
    kinds = sorted({note.kind for note in notes if note.kind})
    cleared = ~(flagged | unread)
    rows = [
        _clinical_note_share_row(
            "detect", "sensitivity", "all", flagged[wrong], _clinic_notes_in_mask(notes, wrong)
        ),
        _clinical_note_share_row(
            "detect", "specificity", "all", cleared[~wrong], _clinic_notes_in_mask(notes, ~wrong)
        ),
        _clinical_note_share_row(
            "detect", "located", "all", placed[wrong], _clinic_notes_in_mask(notes, wrong)
        ),
        _clinical_note_share_row("detect", "unreadable", "all", unread, notes),
    ]
    for kind in kinds:
        this = np.array([note.kind == kind for note in notes])
        rows.append(
            _clinical_note_share_row(
                "detect", "sensitivity", kind, flagged[this], _clinic_notes_in_mask(notes, this)
            )
        )
    return flagged, rows


def _clinic_notes_in_mask(
    notes: Sequence[ClinicalNote], chosen: npt.NDArray[np.bool_]
) -> list[ClinicalNote]:
    return [note for note, is_chosen in zip(notes, chosen.tolist(), strict=True) if is_chosen]


def _clinic_note_summary_share_rows(
    notes: Sequence[ClinicalNote], answers: Sequence[str], meter: SupportCheckQuality, seed: int
) -> list[dict[str, Any]]:
    pairs = list(zip(notes, answers, strict=True))
    bad, of = _hits_and_clinical_notes(
        (note, *unsupported_and_all_sentence_counts(note, answer)) for note, answer in pairs
    )
    opposed, notes_of_opposed = _hits_and_clinical_notes(
        (note, *contradicted_and_all_sentence_counts(note, answer)) for note, answer in pairs
    )
    omitted, notes_of_quantities = _hits_and_clinical_notes(
        (note, *omitted_and_all_note_quantity_counts(note, answer)) for note, answer in pairs
    )
    keyed = [(note, answer) for note, answer in pairs if note.wrong is not None]
    dropped = np.array(
        [not clinic_summary_covers_sentence(a, n.sentences[n.wrong or 0]) for n, a in keyed],
        np.bool_,
    )
    raw = _clinical_note_share_row("summarise", "unsupported_sentences", "all", bad, of)
    return [
        raw,
        _clinic_row_corrected_for_check_error(raw, meter, seed),
        _clinical_note_share_row(
            "summarise", "contradicted_sentences", "all", opposed, notes_of_opposed
        ),
        _clinical_note_share_row(
            "summarise", "omitted_key_statement", "all", dropped, [n for n, _ in keyed]
        ),
        _clinical_note_share_row(
            "summarise", "omitted_quantities", "all", omitted, notes_of_quantities
        ),
    ]


def _hits_and_clinical_notes(
    counts: Iterable[tuple[ClinicalNote, int, int]],
) -> tuple[npt.NDArray[np.bool_], list[ClinicalNote]]:
    """Return one hit or miss, and its note, for each thing counted."""
    hits: list[bool] = []
    owners: list[ClinicalNote] = []
    for note, k, n in counts:
        hits += [True] * k + [False] * (n - k)
        owners += [note] * n
    return np.array(hits, np.bool_), owners


def _clinic_row_corrected_for_check_error(
    raw_share_row: dict[str, Any], meter: SupportCheckQuality, seed: int
) -> dict[str, Any]:
    row = raw_share_row | {"measure": "unsupported_sentences_corrected"}
    if raw_share_row["estimate"] is None:
        return row
    chance = named_random_stream(seed, "language-correction")
    n = _effective_clinic_note_count(raw_share_row)
    rates = chance.beta(
        raw_share_row["estimate"] * n + 0.5, (1 - raw_share_row["estimate"]) * n + 0.5, DRAWS
    )
    # Draws, because three uncertain numbers go into the correction; a formula for the interval
    # would have to pretend that two of them are known.
    sensitivity = np.mean(
        [chance.beta(meter.found[kind] + 0.5, of - meter.found[kind] + 0.5, DRAWS)
         for kind, of in meter.planted.items() if of], axis=0)  # fmt: skip
    cleared = chance.beta(meter.cleared + 0.5, meter.true - meter.cleared + 0.5, DRAWS)
    # Rogan and Gladen divide by what the check adds to chance; where a draw says "nothing", the
    # corrected rate is bounded by the clip and not by a division by zero.
    power = np.maximum(sensitivity + cleared - 1, 1e-6)
    corrected_rates = np.clip((rates + cleared - 1) / power, 0, 1)
    low, high = (float(q) for q in np.quantile(corrected_rates, (0.025, 0.975)))
    return row | {
        "estimate": meter.corrected_unsupported_rate(raw_share_row["estimate"]),
        "low": low,
        "high": high,
    }


def _effective_clinic_note_count(share_row: dict[str, Any]) -> float:
    """Return the number of independent rows that an interval is as wide as."""
    p = min(max(share_row["estimate"], 1e-3), 1 - 1e-3)
    half = max((share_row["high"] - share_row["low"]) / 2, 1e-6)
    # Never more than there are rows, which an interval narrowed by rounding could claim.
    return min(p * (1 - p) * (Z / half) ** 2, float(share_row["rows"]))


def _clinic_model_lazy_answer_share_rows(
    notes: Sequence[ClinicalNote], answers: Sequence[str]
) -> list[dict[str, Any]]:
    kinds = np.array(answer_laziness_kinds(notes, answers))
    rows = [_clinical_note_share_row("lazy", kind, "all", kinds == kind, notes) for kind in KINDS]
    return [*rows, _clinical_note_share_row("lazy", "any", "all", kinds != "", notes)]


def _clinical_note_share_row(
    task: str, measure: str, group: str, hits: npt.NDArray[np.bool_], notes: Sequence[ClinicalNote]
) -> dict[str, Any]:
    """Return one row: a share, and an interval that minds its cases."""
    row: dict[str, Any] = {"task": task, "measure": measure, "group": group, "rows": len(hits)}
    if len(hits) < FEWEST_NOTES:
        return row | {"estimate": None, "low": None, "high": None, "verdict": "too few to say"}
    # Notes of one case are variants of the same text: counted as independent they would make the
    # interval too narrow by up to the root of their number.
    shrunk = len(hits) / clinical_case_design_effect(hits, [note.case for note in notes])
    share = float(hits.mean())
    interval = share_and_wilson_interval(np.array([share * shrunk]), np.array([shrunk]), Z)
    estimate, low, high = (float(value[0]) for value in interval)
    return row | {"estimate": estimate, "low": low, "high": high, "verdict": "estimated"}


def clinical_case_design_effect(hits: npt.NDArray[np.bool_], cases: Sequence[str]) -> float:
    """Return by how much rows of the same case count for less than rows of their own.

    Between one and the size of the largest case; the latter where every row agrees,
    because then nothing can be said of how cases differ.

    >>> clinical_case_design_effect(np.array([True, True, False, False]), ["a", "a", "b", "b"])
    2.0
    """
    _, index = np.unique(np.array(cases), return_inverse=True)
    sizes = np.bincount(index).astype(np.float64)
    inside = np.bincount(index, weights=hits.astype(np.float64))
    p, count, n = float(hits.mean()), len(sizes), float(len(hits))
    alone = p * (1 - p) / n
    if alone == 0 or count < 2:
        return float(sizes.max())
    across = count / (count - 1) * float(((inside - p * sizes) ** 2).sum()) / n**2
    return min(max(across / alone, 1.0), float(sizes.max()))
