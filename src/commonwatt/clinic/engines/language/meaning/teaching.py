"""Pairs made from frames, and the weights learnt from them, the same bytes every time.

    python -m commonwatt.clinic.engines.language.meaning.teaching

A frame holds a sentence of a source and one of a summary in other words, with two or more states.
The same state in both is entailed, another is contradicted, and the frame's third sentence, or a
sentence of another frame, is not in the source.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.engines.language.meaning.comparing import (
    FEATURES,
    PLACES,
    summary_against_source_features,
)
from commonwatt.clinic.engines.language.meaning.lexicon import (
    FOLDER,
    clinical_tokens,
    load_clinical_lexicon,
    normalized_clinical_text,
    stemmed_word,
)
from commonwatt.core.seeds import named_random_stream

SEED: Final = 20260
WORN: Final = 0.15
STRAY: Final = 0.12
DENIED: Final = 0.1
WORN_COPIES: Final = 1
FOLDS: Final = 4
FLAGGED: Final = 0.02
GUESSES: Final = (
    "sign without a shared concept conflicts",
    "value by findings conflicts",
    "certainty by default conflicts",
    "status by default conflicts",
    "number without unit conflicts",
)
MOST_GUESS: Final = 1.2
RIDGE: Final = 1.0
STEPS: Final = 1500
ROUNDED: Final = 4
WEIGHTS: Final = FOLDER / "weights.json"


class TextPair(NamedTuple):
    """A source, a sentence of a summary, and what the one is to the other."""

    source: str
    summary: str
    label: str
    language: str
    dimension: str
    frame: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFrame:
    """A sentence in two wordings, its states, and a plausible sentence beside it."""

    language: str
    dimension: str
    source: str
    summary: str
    states: tuple[tuple[str, str], ...]
    beside: str


def load_clinic_note_fidelity_frames() -> list[TextFrame]:
    """Return the frames that ship with the program."""
    frames: list[TextFrame] = []
    for line in (FOLDER / "frames.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        language, dimension, source, summary, *rest = (part.strip(" ") for part in line.split(";"))
        pairs = [part.split("=>") for part in rest if not part.startswith("!")]
        states = tuple((here.strip(" "), there.strip(" ")) for here, there in pairs)
        beside = next(part[1:].strip() for part in rest if part.startswith("!"))
        frames.append(
            TextFrame(
                language=language,
                dimension=dimension,
                source=source,
                summary=summary,
                states=states,
                beside=beside,
            )
        )
    return frames


def _clinic_note_fidelity_frame_filled(form: str, state: str) -> str:
    text = form
    for part in state.split("|"):
        text = text.replace("{}", part, 1)
    return text[0].upper() + text[1:]


def make_clinic_note_fidelity_pairs(seed: int = SEED) -> list[TextPair]:
    """Return every pair of every frame; two in five sources carry a sentence of another frame.

    A summary is the frame's other wording, or the source's own with the same or another state.
    """
    chance = named_random_stream(seed, "meter-of-truth-pairs")
    frames = load_clinic_note_fidelity_frames()
    asides = {
        language: [f.beside for f in frames if f.language == language]
        for language in ("en", "zh-Hant", "mixed")
    }
    pairs: list[TextPair] = []
    for number, frame in enumerate(frames):
        others = [aside for aside in asides[frame.language] if aside != frame.beside]

        def put(
            here: str,
            summary: str,
            label: str,
            *,
            frame: TextFrame = frame,
            others: list[str] = others,
            number: int = number,
        ) -> None:
            source = _clinic_note_fidelity_frame_filled(frame.source, here)
            if chance.random() < 0.4:
                aside = others[int(chance.integers(len(others)))]
                gap = " " if frame.language == "en" else ""
                source = (
                    f"{aside}{gap}{source}" if chance.random() < 0.7 else f"{source}{gap}{aside}"
                )
            pairs.append(
                TextPair(source, summary, label, frame.language, frame.dimension, f"our{number:03}")
            )

        for (here, there), (copied, other) in itertools.product(frame.states, frame.states):
            same = there == other
            # Models copy, too, with one word changed.
            put(
                here,
                _clinic_note_fidelity_frame_filled(frame.source, copied),
                "entailed" if same else "contradicted",
            )
            put(
                here,
                _clinic_note_fidelity_frame_filled(frame.summary, other),
                "entailed" if same else "contradicted",
            )
            if same:
                put(here, _clinic_note_fidelity_frame_filled(frame.summary, other), "entailed")
                put(here, frame.beside, "not in source")
        for here, _ in frame.states:
            put(here, others[int(chance.integers(len(others)))], "not in source")
    return pairs


def clinical_text_with_terms_made_unknown(
    text: str, chance: np.random.Generator, *, stray: bool = True
) -> str:
    """Return a text in which some terms are words that nobody knows.

    No lexicon holds every term, and weights that are learnt where all are known would trust what
    is missing too much. Sides, numbers and units are few and never worn.
    """
    lexicon = load_clinical_lexicon()
    plain = normalized_clinical_text(text)
    tokens = clinical_tokens(plain)
    stems = [stemmed_word(token) for token in tokens]
    worn: list[str] = []
    place = 0
    while place < len(tokens):
        end, atoms = lexicon.longest_term_end_and_atoms(stems, place)
        end = max(end, place + 1)
        if atoms and chance.random() < max(
            _WORN_SHARE.get(a.split(".")[0] if "." in a else "", 0.1) for a in atoms
        ):
            mark = (
                "囗囗" if tokens[place] > "\u3400" else f"qx{_LETTERS[int(chance.integers(26))]}v"
            )
            worn.append(mark)
        else:
            worn += tokens[place:end]
        place = end
    if stray and chance.random() < STRAY:
        # A word that means something else here than the lexicon believes.
        language = "zh" if any(part > "\u3400" for part in tokens) else "en"
        strays = _STRAY_WORDS[language]
        worn.insert(int(chance.integers(len(worn) + 1)), strays[int(chance.integers(len(strays)))])
        if chance.random() < DENIED:
            denial = "not" if language == "en" else "不"
            worn.insert(int(chance.integers(len(worn) + 1)), denial)
    # Sentences end where a mark follows a word at once, as in the text that was worn.
    return re.sub(r" (?=[.!?;。！？；])", "", " ".join(worn))


_STRAY_WORDS: Final = {
    "en": [
        "no",
        "without",
        "not",
        "low",
        "high",
        "down",
        "up",
        "again",
        "worse",
        "better",
        "normal",
        "failed",
        "stopped",
        "now",
        "past",
        "before",
        "after",
        "morning",
        "evening",
        "done",
        "planned",
        "severe",
        "mild",
        "upper",
        "lower",
        "acute",
        "increased",
        "reduced",
    ],
    "zh": [
        "無",
        "未",
        "不",
        "沒有",
        "高",
        "低",
        "升",
        "減",
        "差",
        "好轉",
        "正常",
        "惡化",
        "停",
        "開始",
        "之前",
        "之後",
        "早上",
        "晚上",
        "已",
        "將",
        "急性",
        "慢性",
        "輕微",
        "嚴重",
    ],
}


_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_WORN_SHARE: Final = {
    "": WORN,
    "lat": 0.0,
    "pol": 0.06,
    "subj": 0.02,
    "month": 0.0,
    "week": 0.0,
    "freq": 0.02,
}


def learn_clinic_note_fidelity_weights(
    rows: npt.NDArray[np.float64], truth: npt.NDArray[np.float64], speaks: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return logistic weights, intercept last, by accelerated projected gradients.

    Both classes weigh the same, and every weight but the intercept is shrunk by `RIDGE`. A feature
    may only speak for the truth where `speaks` is 1 and against it where that is -1: without that,
    small sets teach signs that are accidents of their frames.
    """
    design = np.column_stack([rows, np.ones(len(rows))])
    share = float(truth.mean())
    heft = truth * (0.5 / share) + (1 - truth) * (0.5 / (1 - share))
    shrink = np.append(np.full(rows.shape[1], RIDGE), 1e-3)
    least = np.append(np.where(speaks > 0, 0.0, -np.inf), -np.inf)
    most = np.append(np.where(speaks < 0, 0.0, np.inf), np.inf)
    # Guesses from what is not there may lean, and never decide, however well they did on frames of
    # one author.
    most[[PLACES[name] for name in GUESSES]] = MOST_GUESS
    # A quarter of the Gram matrix bounds the curvature, so this step never overshoots.
    bound = 0.25 * float(np.linalg.eigvalsh(design.T @ (design * heft[:, None]))[-1]) + RIDGE
    weights = ahead = np.zeros(len(shrink))
    for step in range(STEPS):
        chances = 1 / (1 + np.exp(-(design @ ahead)))
        slope = design.T @ ((chances - truth) * heft) + shrink * ahead
        nearer = np.clip(ahead - slope / bound, least, most)
        ahead = nearer + step / (step + 3) * (nearer - weights)
        weights = nearer
    return weights


def _clinic_note_fidelity_signs_by_question(
    questions: tuple[str, ...] = FEATURES,
) -> dict[str, npt.NDArray[np.float64]]:
    """Return what each feature may speak for, by question."""
    conflict = np.array(["conflict" in name for name in questions], np.float64)
    agrees = np.array([name.endswith(" agrees") for name in questions], np.float64)
    added = np.array([name.endswith(" added") for name in questions], np.float64)
    return {"contradicted": conflict - agrees, "new": added - agrees}


def learnt_clinic_note_fidelity_weights_json(seed: int = SEED) -> str:
    """Return the weights as they ship; rounded, so that no last digit hangs on the machine."""
    plain = make_clinic_note_fidelity_pairs(seed)
    chance = named_random_stream(seed, "meter-of-truth-worn")
    worn = [
        pair._replace(
            source=clinical_text_with_terms_made_unknown(pair.source, chance),
            summary=clinical_text_with_terms_made_unknown(pair.summary, chance),
        )
        for _ in range(WORN_COPIES)
        for pair in plain
    ]
    pairs = plain + worn
    rows = np.array([summary_against_source_features(pair.summary, pair.source) for pair in pairs])
    labels = np.array([pair.label for pair in pairs])
    frames = np.array([pair.frame for pair in pairs])
    spoken, speaks = labels != "not in source", _clinic_note_fidelity_signs_by_question()
    truth = (labels == "contradicted").astype(np.float64)
    contradicted = learn_clinic_note_fidelity_weights(
        rows[spoken], truth[spoken], speaks["contradicted"]
    )
    new = learn_clinic_note_fidelity_weights(rows, (~spoken).astype(np.float64), speaks["new"])
    weights = np.column_stack([contradicted, new]).round(ROUNDED) + 0.0
    lines = {name: weights[place].tolist() for place, name in enumerate((*FEATURES, "intercept"))}
    faithful = _contradiction_scores_of_faithful_left_out(
        rows[spoken],
        truth[spoken],
        frames[spoken],
        [p for p in plain if p.label == "entailed"],
        chance,
    )
    head = {
        "questions": ["contradicted, if not new", "new"],
        "seed": seed,
        "pairs": len(pairs),
        "limit": round(float(np.quantile(faithful, 1 - FLAGGED, method="higher")), ROUNDED),
    }
    return json.dumps(head | {"weights": lines}, indent=1) + "\n"


def _contradiction_scores_of_faithful_left_out(
    rows: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64],
    frames: npt.NDArray[np.str_],
    faithful: list[TextPair],
    chance: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return scores of faithful pairs, by weights that saw no pair of their frame.

    Their terms are worn as in texts of others; stray words teach caution, and are no sample of
    what summaries look like.
    """
    # The limit must not come from pairs that the weights were fitted to, which look too clean.
    part = np.array([int(name[3:]) % FOLDS for name in frames])
    scores: list[npt.NDArray[np.float64]] = []
    for fold in range(FOLDS):
        weights = learn_clinic_note_fidelity_weights(
            rows[part != fold],
            truth[part != fold],
            _clinic_note_fidelity_signs_by_question()["contradicted"],
        )
        held = np.array(
            [
                summary_against_source_features(
                    clinical_text_with_terms_made_unknown(pair.summary, chance, stray=False),
                    clinical_text_with_terms_made_unknown(pair.source, chance, stray=False),
                )
                for pair in faithful
                if int(pair.frame[3:]) % FOLDS == fold
            ]
        )
        scores.append(1 / (1 + np.exp(-(held @ weights[:-1] + weights[-1]))))
    return np.concatenate(scores)


if __name__ == "__main__":
    WEIGHTS.write_text(learnt_clinic_note_fidelity_weights_json(), encoding="utf-8")
