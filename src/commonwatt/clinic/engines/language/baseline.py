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

from commonwatt.clinic.engines.language.notes import (
    ClinicalNote,
    learning_and_held_out_notes,
    note_sentence_by_number,
)
from commonwatt.clinic.engines.language.prompts import (
    CHOOSE,
    COMPLETE,
    DETECT,
    LETTERS,
    SUMMARISE,
)
from commonwatt.clinic.engines.language.terms import (
    clinical_note_sentences,
    extract_clinic_note_terms,
)

ORDER: Final = 6
_TOKEN: Final = re.compile(r"[A-Za-z]+-?\d*|\d+(?:[.,/-]\d+)*|[^\sA-Za-z\d]")
_END: Final = "</s>"


class NgramModel:
    """Counts of words after the words before them.

    >>> model = NgramModel(["the ward is quiet", "the ward is full"])
    >>> before = ("ward", "is")
    >>> full, the = (model.clinic_note_word_probability(before, word) for word in ("full", "the"))
    >>> full > the
    True
    """

    def __init__(self, texts: Iterable[str], order: int = ORDER) -> None:
        self.order = order
        self._followers: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for text in texts:
            self._count_note_ngrams([*_TOKEN.findall(text), _END])
        self._words = 1 + len(self._followers[()])

    def _count_note_ngrams(self, tokens: list[str]) -> None:
        for i, token in enumerate(tokens):
            for back in range(min(i, self.order - 1) + 1):
                self._followers[tuple(tokens[i - back : i])][token] += 1

    def clinic_note_word_probability(self, before: tuple[str, ...], word: str) -> float:
        """Return the chance of a word after others.

        p(w | h) = (c(h w) + t(h) p(w | h′)) / (c(h) + t(h)), h′ one word shorter
        """
        shorter = 1 / self._words
        if before:
            shorter = self.clinic_note_word_probability(before[1:], word)
        followers = self._followers.get(before)
        if not followers:
            return shorter
        kinds = len(followers)
        return (followers[word] + kinds * shorter) / (followers.total() + kinds)

    def clinic_note_surprise_bits(self, text: str) -> float:
        """Return the mean surprise of a text's words, in bits."""
        tokens = [*_TOKEN.findall(text), _END]
        bits = [
            -math.log2(
                self.clinic_note_word_probability(
                    tuple(tokens[max(i - self.order + 1, 0) : i]), token
                )
            )
            for i, token in enumerate(tokens)
        ]
        return sum(bits) / len(bits)

    def likeliest_words_after_note_start(self, start: str, most: int = 12) -> str:
        """Return the likeliest words after `start`."""
        tokens = _TOKEN.findall(start)
        completion: list[str] = []
        while len(completion) < most:
            word = self._likeliest_clinic_note_word(tuple(tokens[-(self.order - 1) :]))
            if word == _END:
                break
            tokens.append(word)
            completion.append(word)
        return " ".join(completion)

    def _likeliest_clinic_note_word(self, before: tuple[str, ...]) -> str:
        while before and before not in self._followers:
            before = before[1:]
        followers = self._followers[before]
        # Ties by the alphabet: a dictionary's order would make the answers hang on the order of the
        # notes.
        return min(followers, key=lambda word: (-followers[word], word))


class NgramBaseline:
    """The n-gram model behind the prompts of the examination.

    Args:
        notes: To learn from; never those that it is examined on.
        lines: Further lines to learn by heart, such as planted canaries.
    """

    name = "commonwatt n-gram baseline"

    def __init__(self, notes: Sequence[ClinicalNote], lines: Sequence[str] = ()) -> None:
        # The limit is set on notes that the counts have not seen; on learnt ones every sentence is
        # expected and the limit would be near zero.
        learnt, tuned = learning_and_held_out_notes(notes, 0.4, "tune")
        self._ngrams = NgramModel(
            [*(s for note in learnt for s in note.sentences.values()), *lines]
        )
        self._term_counts = Counter(
            term for note in learnt for term in extract_clinic_note_terms(note.text).clinical_terms
        )
        gaps = sorted(
            self._most_surprising_index_and_bits_above_rest(list(note.sentences.values()))[1]
            for note in tuned
        )
        # The median, because surprise has no scale of its own on which a limit could be fixed.
        self._limit = gaps[len(gaps) // 2] if gaps else 0.0

    def __call__(self, prompt: str) -> str:
        """Return the answer to one of the examination's prompts."""
        for form, answer in (
            (DETECT, self._clinic_note_error_verdict),
            (SUMMARISE, self._summarise_note),
            (COMPLETE, self._ngrams.likeliest_words_after_note_start),
            (CHOOSE, self._clinic_canary_choice_letter),
        ):
            before, after = re.split(r"\{\w+\}", form)
            if prompt.startswith(before) and prompt.endswith(after):
                return answer(prompt[len(before) : len(prompt) - len(after)])
        return ""

    def _most_surprising_index_and_bits_above_rest(self, sentences: list[str]) -> tuple[int, float]:
        """Return the most surprising sentence, and by how much it is more so than the rest."""
        bits = [self._ngrams.clinic_note_surprise_bits(sentence) for sentence in sentences]
        top = max(range(len(bits)), key=bits.__getitem__)
        rest = [b for i, b in enumerate(bits) if i != top]
        return top, bits[top] - (sum(rest) / len(rest) if rest else 0.0)

    def _clinic_note_error_verdict(self, text: str) -> str:
        sentences = note_sentence_by_number(text)
        top, gap = self._most_surprising_index_and_bits_above_rest(list(sentences.values()))
        return str(list(sentences)[top]) if gap > self._limit else "CORRECT"

    def _summarise_note(self, text: str) -> str:
        sentences = clinical_note_sentences(text)
        weight = [self._clinic_note_term_rarity(sentence) for sentence in sentences]
        best = sorted(range(len(sentences)), key=lambda i: (-weight[i], i))[:4]
        return " ".join(sentences[i] for i in sorted({0, *best}))

    def _clinic_note_term_rarity(self, sentence: str) -> float:
        said_terms = extract_clinic_note_terms(sentence)
        rare = sum(
            1 / (1 + math.log1p(self._term_counts[term])) for term in said_terms.clinical_terms
        )
        return rare / math.sqrt(1 + len(said_terms.clinical_terms))

    def _clinic_canary_choice_letter(self, text: str) -> str:
        lines = [line.partition(". ")[2] for line in text.splitlines()]
        bits = [self._ngrams.clinic_note_surprise_bits(line) for line in lines]
        return LETTERS[bits.index(min(bits))]
