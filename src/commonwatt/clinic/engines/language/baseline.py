"""A small real model of our own: word n-grams learnt from notes.

It finds errors by surprise, summarises by extract, and completes what it has seen
by heart: weak, but a model, so that the examination can be tried and its canaries
shown to sing. n-grams are smoothed as Witten and Bell (1991) do.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from commonwatt.clinic.engines.language.notes import ClinicalNote, numbered, split_cases
from commonwatt.clinic.engines.language.prompts import (
    CHOOSE,
    COMPLETE,
    DETECT,
    LETTERS,
    SUMMARISE,
)
from commonwatt.clinic.engines.language.terms import extract_terms, sentences_of

ORDER: Final = 6
_TOKEN: Final = re.compile(r"[A-Za-z]+-?\d*|\d+(?:[.,/-]\d+)*|[^\sA-Za-z\d]")
_END: Final = "</s>"


class NgramModel:
    """Counts of words after the words before them.

    >>> model = NgramModel(["the ward is quiet", "the ward is full"])
    >>> model.chance(("ward", "is"), "full") > model.chance(("ward", "is"), "the")
    True
    """

    def __init__(self, texts: Iterable[str], order: int = ORDER) -> None:
        self.order = order
        self._after: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for text in texts:
            self._learn([*_TOKEN.findall(text), _END])
        self._words = 1 + len(self._after[()])

    def _learn(self, tokens: list[str]) -> None:
        for i, token in enumerate(tokens):
            for back in range(min(i, self.order - 1) + 1):
                self._after[tuple(tokens[i - back : i])][token] += 1

    def chance(self, before: tuple[str, ...], word: str) -> float:
        """Return the chance of a word after others.

        p(w | h) = (c(h w) + t(h) p(w | h′)) / (c(h) + t(h)), h′ one word shorter
        """
        shorter = 1 / self._words
        if before:
            shorter = self.chance(before[1:], word)
        seen = self._after.get(before)
        if not seen:
            return shorter
        kinds = len(seen)
        return (seen[word] + kinds * shorter) / (seen.total() + kinds)

    def surprise(self, text: str) -> float:
        """Return the mean surprise of a text's words, in bits."""
        tokens = [*_TOKEN.findall(text), _END]
        bits = [
            -math.log2(self.chance(tuple(tokens[max(i - self.order + 1, 0) : i]), token))
            for i, token in enumerate(tokens)
        ]
        return sum(bits) / len(bits)

    def complete(self, start: str, most: int = 12) -> str:
        """Return the likeliest words after `start`."""
        tokens = _TOKEN.findall(start)
        made: list[str] = []
        while len(made) < most:
            word = self._likeliest(tuple(tokens[-(self.order - 1) :]))
            if word == _END:
                break
            tokens.append(word)
            made.append(word)
        return " ".join(made)

    def _likeliest(self, before: tuple[str, ...]) -> str:
        while before and before not in self._after:
            before = before[1:]
        seen = self._after[before]
        return min(seen, key=lambda word: (-seen[word], word))


class NgramBaseline:
    """The n-gram model behind the prompts of the examination.

    Args:
        notes: To learn from; never those that it is examined on.
        lines: Further lines to learn by heart, such as planted canaries.
    """

    name = "commonwatt n-gram baseline"

    def __init__(self, notes: Sequence[ClinicalNote], lines: Sequence[str] = ()) -> None:
        learnt, tuned = split_cases(notes, 0.4, "tune")
        self._ngrams = NgramModel(
            [*(s for note in learnt for s in note.sentences.values()), *lines]
        )
        self._seen = Counter(term for note in learnt for term in extract_terms(note.text).terms)
        gaps = sorted(self._gap(list(note.sentences.values()))[1] for note in tuned)
        self._limit = gaps[len(gaps) // 2] if gaps else 0.0

    def __call__(self, prompt: str) -> str:
        """Return the answer to one of the examination's prompts."""
        for form, answer in (
            (DETECT, self._detect),
            (SUMMARISE, self._summarise),
            (COMPLETE, self._ngrams.complete),
            (CHOOSE, self._choose),
        ):
            before, after = re.split(r"\{\w+\}", form)
            if prompt.startswith(before) and prompt.endswith(after):
                return answer(prompt[len(before) : len(prompt) - len(after)])
        return ""

    def _gap(self, sentences: list[str]) -> tuple[int, float]:
        """Return the most surprising sentence, and by how much it is more so than the rest."""
        bits = [self._ngrams.surprise(sentence) for sentence in sentences]
        top = max(range(len(bits)), key=bits.__getitem__)
        rest = [b for i, b in enumerate(bits) if i != top]
        return top, bits[top] - (sum(rest) / len(rest) if rest else 0.0)

    def _detect(self, text: str) -> str:
        sentences = numbered(text)
        top, gap = self._gap(list(sentences.values()))
        return str(list(sentences)[top]) if gap > self._limit else "CORRECT"

    def _summarise(self, text: str) -> str:
        sentences = sentences_of(text)
        weight = [self._weight(sentence) for sentence in sentences]
        best = sorted(range(len(sentences)), key=lambda i: (-weight[i], i))[:4]
        return " ".join(sentences[i] for i in sorted({0, *best}))

    def _weight(self, sentence: str) -> float:
        one = extract_terms(sentence)
        rare = sum(1 / (1 + math.log1p(self._seen[term])) for term in one.terms)
        return rare / math.sqrt(1 + len(one.terms))

    def _choose(self, text: str) -> str:
        lines = [line.partition(". ")[2] for line in text.splitlines()]
        bits = [self._ngrams.surprise(line) for line in lines]
        return LETTERS[bits.index(min(bits))]
