"""The lexicon: terms of clinical texts in English and Chinese, and what each stands for.

A line of its files is `atom [atom ...]: term | term`. An atom with a dot is a value of an axis
(`lat.left`; `subj.husband+wife` is either), one without is a concept, whose kind is the heading
above its first line. A concept's own name is a term of it where it stands alone.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from commonwatt.core.shipped import DATA

FOLDER: Final = DATA / "clinic" / "meaning"
FILES: Final = (
    "concepts_findings.txt",
    "concepts_drugs.txt",
    "concepts_other.txt",
    "attributes.txt",
)
_TOKEN: Final = re.compile(
    r"[+-]ve\b|\d+(?:,\d{3})+(?![\d,])|\d+(?:\.\d+)?|[a-zµμ]+(?:'[a-z]+)?\d*|[\u3400-\u9fff]|[^\s\w]"
)
_DOUBLED: Final = re.compile(r"([bdgklmnprt])\1$")
_WHOLE: Final = frozenset({"evening", "during", "sibling", "nursing", "red", "bed"})


@dataclass(slots=True)
class TermNode:
    """A node of the tree of terms: what may follow, and what a term that ends here stands for."""

    following: dict[str, TermNode] = field(default_factory=dict[str, "TermNode"])
    atoms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """Every term, and the kind of each concept.

    Args:
        root: The tree of terms, by stemmed token.
        kinds: Kind of each concept (`finding`, `drug`, `procedure`, `site`, `test`, ...).
        terms: How many terms there are.
    """

    root: TermNode
    kinds: dict[str, str]
    terms: int

    def longest_term_end_and_atoms(
        self, tokens: list[str], start: int
    ) -> tuple[int, tuple[str, ...]]:
        """Return where the longest term that begins at a token ends, and its atoms."""
        node, end, atoms = self.root, start, ()
        for place in range(start, len(tokens)):
            following = node.following.get(tokens[place])
            if following is None:
                break
            node = following
            if node.atoms:
                end, atoms = place + 1, node.atoms
        return end, atoms


@lru_cache(16384)
def stemmed_word(word: str) -> str:
    """Return what forms of an English word share, in British and American spelling.

    >>> [stemmed_word(word) for word in ("increases", "increased", "increasing", "haemorrhage")]
    ['increas', 'increas', 'increas', 'hemorrhag']
    """
    if not word.isascii() or not word.isalpha() or len(word) < 4 or word in _WHOLE:
        return word
    # Both the lexicon and the text pass through here, so that a stem need only be consistent.
    word = word.replace("ae", "e").replace("oe", "e").replace("isat", "izat")
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    # Four letters must remain: "noted" is no "not".
    if word.endswith("ing") and len(word) > 6:
        word = word[:-3]
    elif word.endswith("ed") and len(word) > 5 and not word.endswith("eed"):
        word = word[:-2]
    word = _DOUBLED.sub(r"\1", word)
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def normalized_clinical_text(text: str) -> str:
    """Return a text in one spelling of widths, dashes and apostrophes, in small letters.

    >>> normalized_clinical_text("Ｔ2DM – 25µg")
    't2dm - 25μg'
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    return plain.translate({0x2013: "-", 0x2014: "-", 0x2019: "'", 0x2212: "-", 0x2192: "→"})


def clinical_tokens(text: str) -> list[str]:
    """Return the tokens of a normalised text: words, numbers, signs, and each Chinese character.

    >>> clinical_tokens("left-sided 25mg, 左膝")
    ['left', 'sided', '25', 'mg', ',', '左', '膝']
    """
    return [part for part in _TOKEN.findall(text) if part != "-"]


@lru_cache(1)
def load_clinical_lexicon() -> Lexicon:
    """Return the lexicon that ships with the program."""
    root, kinds, terms, kind = TermNode(), dict[str, str](), 0, ""
    for name in FILES:
        for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                kind = line.strip("[] ")
            elif line and not line.startswith("#"):
                head, _, listed = line.partition(":")
                atoms = tuple(head.split())
                spellings = [term.strip() for term in listed.split("|") if term.strip()]
                if "." not in atoms[0]:
                    kinds.setdefault(atoms[0], kind)
                    spellings += [atoms[0].replace("_", " ")] if len(atoms) == 1 else []
                terms += len(spellings)
                for spelling in spellings:
                    _add_term(root, spelling, atoms)
    return Lexicon(root=root, kinds=kinds, terms=terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptRelations:
    """What concepts are to each other.

    Args:
        wider: What whoever has a concept has, too.
        impaired: The function that a concept is the want of.
        good_if_up: Concepts of which more is better.
        yields: What a positive test has shown.
    """

    wider: dict[str, tuple[str, ...]]
    impaired: dict[str, str]
    good_if_up: frozenset[str]
    yields: dict[str, str]


@lru_cache(1)
def load_concept_relations() -> ConceptRelations:
    """Return the relations that ship with the program."""
    wider, impaired, good = dict[str, tuple[str, ...]](), dict[str, str](), set[str]()
    yields = dict[str, str]()
    for line in (FOLDER / "relations.txt").read_text(encoding="utf-8").splitlines():
        head, _, names = line.partition(":")
        relation, _, concept = head.partition(" ")
        if relation == "wider":
            wider[concept] = tuple(names.split())
        elif relation == "impaired":
            impaired[concept] = names.strip()
        elif relation == "yields":
            yields[concept] = names.strip()
        elif relation == "good":
            good.update(names.split())
    return ConceptRelations(
        wider=wider, impaired=impaired, good_if_up=frozenset(good), yields=yields
    )


def _add_term(root: TermNode, spelling: str, atoms: tuple[str, ...]) -> None:
    node = root
    for token in clinical_tokens(normalized_clinical_text(spelling)):
        node = node.following.setdefault(stemmed_word(token), TermNode())
    node.atoms = tuple(dict.fromkeys((*node.atoms, *atoms)))
