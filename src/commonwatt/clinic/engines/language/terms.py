"""What a sentence says, as far as words alone can tell: quantities, and terms with their sign.

A term is a content word, negated where a word of negation stands before it in the
same clause. This is a lexical reading: it takes a paraphrase for something new and
does not see a wrong relation between right words. `meter` measures how often.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(r"\d+(?:[.,/-]\d+)*|[a-z]+(?:'[a-z]+)?|[,;:.!?()%]")
_QUANTITY: Final = re.compile(r"\d")
_CLAUSE: Final = frozenset(",;:.!?()") | {"but", "however", "although", "except", "with"}
_NOT_WORDS: Final = """
no not without denies denied deny negative absent never none neither nor cannot isn't wasn't
doesn't unremarkable
"""
_EMPTY_WORDS: Final = """
a an the and or of to in on at for from by is are was were be been being has have had his her
he she him they their its it this that these those who which patient patients with as also
than then after before during over per into out about any all some there when while history
past medical reports report presents presented shows show showed reveals noted due days day
week weeks month months year years old last him herself himself one two three
"""
_NOT: Final = frozenset(_NOT_WORDS.split())
_EMPTY: Final = frozenset(_EMPTY_WORDS.split())


@dataclass(frozen=True, slots=True)
class ExtractedTerms:
    """What a text says: quantities, and terms by sign."""

    quantities: frozenset[str]
    affirmed: frozenset[str]
    denied: frozenset[str]

    @property
    def clinical_terms(self) -> frozenset[str]:
        """Every term, whatever its sign."""
        return self.affirmed | self.denied


@lru_cache(8192)
def extract_clinic_note_terms(text: str) -> ExtractedTerms:
    """Return what a text says.

    >>> found = extract_clinic_note_terms("No fever, temperature 38.3 C.")
    >>> [*found.quantities, *found.affirmed, *found.denied]
    ['38.3', 'temperature', 'fever']
    """
    quantities, affirmed, denied = set[str](), set[str](), set[str]()
    negated = False
    for token in _TOKEN.findall(text.lower()):
        if _QUANTITY.match(token):
            quantities.add(token.replace(",", ""))
        elif token in _NOT:
            negated = True
        elif token in _CLAUSE:
            negated = False
        elif token not in _EMPTY and len(token) > 2:
            (denied if negated else affirmed).add(clinic_note_word_stem(token))
    return ExtractedTerms(frozenset(quantities), frozenset(affirmed), frozenset(denied))


def clinic_note_word_stem(word: str) -> str:
    """Return a word without its commonest endings.

    >>> [clinic_note_word_stem(word) for word in ("lesions", "biopsies", "diagnosis", "swelling")]
    ['lesion', 'biopsy', 'diagnosis', 'swell']
    """
    # Plurals and forms of a verb only: a stemmer that cuts deeper joins clinical words that differ.
    for ending, instead in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) > 3 and not word.endswith(("sis", "ss", "us")):
            return root + instead
    return word


_ABBREVIATION: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'])")


def clinical_note_sentences(text: str) -> list[str]:
    """Return the sentences of a text, roughly; bullets and lines end one, too."""
    lines = [line.strip(" -*•\t") for line in text.splitlines()]
    return [part for line in lines if line for part in _ABBREVIATION.split(line) if part]
