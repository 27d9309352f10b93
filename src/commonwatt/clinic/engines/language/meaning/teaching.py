"""Pairs made from frames, and the weights learnt from them, the same bytes every time.

    python -m commonwatt.clinic.engines.language.meaning.teaching

A frame holds a sentence of a source and one of a summary in other words, with two or more states.
The same state in both is entailed, another is contradicted, and the frame's third sentence, or a
sentence of another frame, is not in the source.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.engines.language.meaning.comparing import FEATURES, compared_features
from commonwatt.clinic.engines.language.meaning.lexicon import FOLDER
from commonwatt.core.seeds import named_random_stream

LABELS: Final = ("entailed", "contradicted", "not in source")
SEED: Final = 20260
RIDGE: Final = 1.0
STEPS: Final = 4000
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


def load_text_frames() -> list[TextFrame]:
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


def _filled(form: str, state: str) -> str:
    text = form
    for part in state.split("|"):
        text = text.replace("{}", part, 1)
    return text[0].upper() + text[1:]


def make_text_pairs(seed: int = SEED) -> list[TextPair]:
    """Return every pair of every frame; two in five sources carry a sentence of another frame."""
    chance = named_random_stream(seed, "meter-of-truth-pairs")
    frames = load_text_frames()
    asides = {
        language: [f.beside for f in frames if f.language == language]
        for language in ("en", "zh-Hant", "mixed")
    }
    pairs: list[TextPair] = []
    for number, frame in enumerate(frames):
        others = [aside for aside in asides[frame.language] if aside != frame.beside]

        def put(here: str, summary: str, label: str, *, frame: TextFrame = frame, others: list[str] = others, number: int = number) -> None:
            source = _filled(frame.source, here)
            if chance.random() < 0.4:
                aside = others[int(chance.integers(len(others)))]
                gap = " " if frame.language == "en" else ""
                source = f"{aside}{gap}{source}" if chance.random() < 0.7 else f"{source}{gap}{aside}"
            pairs.append(TextPair(source, summary, label, frame.language, frame.dimension, f"our{number:03}"))

        for (here, there), (_, other) in itertools.product(frame.states, frame.states):
            same = there == other
            put(here, _filled(frame.summary, other), "entailed" if same else "contradicted")
            if same:
                put(here, _filled(frame.summary, other), "entailed")
                put(here, frame.beside, "not in source")
        for here, _ in frame.states:
            put(here, others[int(chance.integers(len(others)))], "not in source")
    return pairs


def learn_weights(
    rows: npt.NDArray[np.float64], classes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return multinomial logistic weights, intercept last, by accelerated projected gradients.

    The classes weigh the same, and every weight but the intercepts is shrunk by `RIDGE`. A conflict
    may only speak for a contradiction and against entailment, and an agreement the other way
    round: without that, small sets teach signs that are accidents of their frames.
    """
    design = np.column_stack([rows, np.ones(len(rows))])
    count, width, kinds = len(design), design.shape[1], len(LABELS)
    share = np.bincount(classes, minlength=kinds) / count
    heft = (1 / (kinds * share[classes]))[:, None]
    truth = np.eye(kinds)[classes]
    shrink = np.full((width, 1), RIDGE)
    shrink[-1] = 1e-3
    least, most = _signs_allowed(width)
    # Boehning (1992): half the Gram matrix bounds the curvature, so this step never overshoots.
    bound = 0.5 * float(np.linalg.eigvalsh(design.T @ (design * heft))[-1]) + RIDGE
    weights = ahead = np.zeros((width, kinds))
    for step in range(STEPS):
        chances = _softmax(design @ ahead)
        slope = design.T @ ((chances - truth) * heft) + shrink * ahead
        nearer = np.clip(ahead - slope / bound, least, most)
        ahead = nearer + step / (step + 3) * (nearer - weights)
        weights = nearer
    return weights


def _signs_allowed(width: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the least and the most that each weight may be."""
    least, most = np.full((width, len(LABELS)), -np.inf), np.full((width, len(LABELS)), np.inf)
    for place, name in enumerate(FEATURES):
        if name.endswith(("conflicts", "any conflict")) or name.startswith("conflict "):
            most[place, 0], least[place, 1] = 0.0, 0.0
        elif name.endswith("agrees"):
            least[place, 0], most[place, 1] = 0.0, 0.0
        elif name.endswith("added"):
            most[place, 0], least[place, 2] = 0.0, 0.0
    return least, most


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def learnt_weights_json(seed: int = SEED) -> str:
    """Return the weights as they ship; rounded, so that no last digit hangs on the machine."""
    pairs = make_text_pairs(seed)
    rows = np.array([compared_features(pair.summary, pair.source) for pair in pairs])
    classes = np.array([LABELS.index(pair.label) for pair in pairs], np.int64)
    weights = learn_weights(rows, classes).round(ROUNDED) + 0.0
    lines = {name: weights[place].tolist() for place, name in enumerate((*FEATURES, "intercept"))}
    head = {"labels": list(LABELS), "seed": seed, "pairs": len(pairs)}
    return json.dumps(head | {"weights": lines}, indent=1) + "\n"


if __name__ == "__main__":
    WEIGHTS.write_text(learnt_weights_json(), encoding="utf-8")
