"""Text as tokens, each with the few numbers that the tagger looks at.

Words of letters, runs of digits and marks are tokens; a Chinese character is one
by itself. Of each token the tagger sees the word, its shape, what lists it stands
in, how it begins and ends, what is before it, and a coarse class of all these.
What a recogniser of shapes has found already (an e-mail address, a date) is seen as
its kind, so that what stands beside it is learned for all such at once.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.sandbox.domain.findings import IdentifierSpan
from commonwatt.sandbox.engines.deidentify.lists import deidentification_word_list

COLUMNS: Final = ("word", "shape", "lists", "begin", "end", "before", "kind")

_HAN: Final = "㐀-䶿一-鿿豈-﫿"
_LETTER: Final = r"A-Za-zªµºÀ-ÖØ-öø-῿぀-ヿ가-힣"
# Chinese has no blanks between words, so each character is a token and the tagger learns which
# belong together.
_TOKEN: Final = re.compile(rf"[{_LETTER}]+(?:['’](?!s\b)[{_LETTER}]+)*|\d+|[{_HAN}]|\n|[^\s]")
_MEDICAL: Final = 1 << 20
_CUE: Final = 1 << 21
_HINT: Final = 0x5BD1E995
_WORDS: Final = {
    1 << 10: "hospital clinic infirmary hospice sanatorium polyclinic home lodge",
    1 << 11: "inc ltd llc plc corp corporation company co group bank university college gmbh ag"
    " holdings partners systems industries institute foundation association council museum"
    " insurance airlines press media solutions services technologies orchestra club",
    1 << 12: "street st road rd avenue ave lane ln drive dr court ct place way close crescent"
    " terrace boulevard blvd square parkway highway row grove gardens flat room suite apt unit"
    " floor block box apo fpo dpo rue calle via strasse estate village building house",
    1 << 13: "january february march april may june july august september october november"
    " december jan feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday"
    " thursday friday saturday sunday",
    1 << 14: "mr mrs ms miss dr prof professor sir madam mx nurse sister doctor",
    1 << 15: "disease syndrome lymphoma sign palsy test score stage criteria catheter fracture"
    " cyst tumour tumor sarcoma reflex scale contracture hernia node nodes phenomenon chorea"
    " anaemia stain solution grade position procedure virus body thyroiditis arteritis joint"
    " tear encephalopathy psychosis pattern protein cells dementia oesophagus purpura",
}
_LISTS: Final = (
    ("given-world.txt", 1), ("surnames-world.txt", 2), ("places-world.txt", 4),
    ("words-en.txt", 8), ("surnames-en.txt", 16), ("given-en.txt", 1), ("streets-world.txt", 32),
)  # fmt: skip
_SURNAME_ZH: Final = 64
_GIVEN_ZH: Final = 128
_PLACE_ZH: Final = 256
_CAPITALISED: Final = 512
_ROAD_CHARACTERS: Final = frozenset(
    "道街路里巷弄坊圍围徑径邨村苑段號号樓楼座室廈厦閣阁棟栋幢區区市縣县省鎮镇鄉乡"
)
_NAMES: Final = 1 | 2 | 16

Atoms = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class TokenisedText:
    """Tokens of one text.

    Args:
        text: The text.
        flat: Whether all its letters are small, or all are capitals.
        starts: Where each begins, in code points.
        ends: Where each ends.
        atoms: What the tagger sees, shape (tokens, columns).
    """

    text: str
    flat: bool
    starts: list[int]
    ends: list[int]
    atoms: Atoms


def tokenise(
    text: str,
    recognised: Iterable[IdentifierSpan] = (),
    hints: Iterable[IdentifierSpan] = (),
    *,
    unlisted: bool = False,
) -> TokenisedText:
    """Return the tokens of `text`.

    Args:
        text: Any text.
        recognised: What recognisers of shapes found.
        hints: What rules take for names; the tagger learned how far to trust them.
        unlisted: See no list of names, as if all were new; for training.
    """
    spans = [match.span() for match in _TOKEN.finditer(text)]
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    marks = _tagger_chinese_word_bits_by_position(text)
    flat = "l" if text.islower() else "U" if text.isupper() else ""
    rows: list[tuple[int, ...]] = []
    last = 0
    for start, end in spans:
        row = _tagger_token_features(text[start:end], flat, unlisted)
        if start in marks:
            row = (row[0], row[1], row[2] | marks[start], *row[3:])
        rows.append(
            (*row[:5], 0 if start == last else 2 if "\n" in text[last:start] else 1, row[5])
        )
        last = end
    atoms = np.array(rows, dtype=np.uint32).reshape(-1, len(COLUMNS))
    for span in recognised:
        first, stop = np.searchsorted(starts, span.start), np.searchsorted(starts, span.end)
        atoms[first:stop, 0] = _deidentify_token_hash(f"<{span.label}>")
    for span in hints:
        first, stop = np.searchsorted(starts, span.start), np.searchsorted(starts, span.end)
        atoms[first:stop, 6] ^= _HINT
    return TokenisedText(text, bool(flat), starts, ends, atoms)


def _deidentify_token_hash(text: str) -> int:
    # A hash that every machine and version computes alike, unlike Python's own; 0 stands for no
    # token.
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) or 1


@lru_cache(maxsize=1 << 16)
def _tagger_token_features(token: str, flat: str, unlisted: bool) -> tuple[int, ...]:
    """Return word, shape, lists, begin, end and kind of one token."""
    word = token.lower()
    # Numbers by their length: the digits themselves would be learned by heart.
    if token.isdigit():
        word = "9" * min(len(token), 12)
    lists = _tagger_token_name_list_bits(token, word)
    if unlisted:
        # In training some texts see no list of names, so that names on no list are found by what
        # stands about them.
        lists &= ~(_NAMES | 4 | 32)
    shape = _tagger_token_shape(token)
    if flat and token.isalpha() and not _is_chinese_character(token):
        shape += flat  # capitals tell nothing where a text has none or no others
    kind = _deidentify_token_hash(
        f"{shape[:3]}|{lists & (1 | 2 | 4 | 8 | 16 | _SURNAME_ZH | _GIVEN_ZH)}"
    )
    begin, end = _deidentify_token_hash("<" + word[:3]), _deidentify_token_hash(word[-3:] + ">")
    return (
        _deidentify_token_hash(word),
        _deidentify_token_hash(shape),
        lists | 1 << 31,
        begin,
        end,
        kind,
    )


def _tagger_token_shape(token: str) -> str:
    """Return the look of a token: `Xx`, `X`, `x`, digits by their number, a mark as itself."""
    if token.isdigit():
        return f"9{min(len(token), 12)}" + (
            "y" if len(token) == 4 and token[:2] in ("19", "20") else ""
        )
    if not token[0].isalpha():
        return token
    if _is_chinese_character(token):
        return "han"
    if token.isupper():
        return f"X{min(len(token), 5)}"
    if token[0].isupper():
        return (
            "XxX"
            if any(char.isupper() for char in token[1:])
            else "Xx"
            if len(token) > 2
            else "Xx2"
        )
    return "x" if token.islower() else "xX"


def _is_chinese_character(token: str) -> bool:
    return "㐀" <= token[0] <= "鿿" or "豈" <= token[0] <= "﫿"


def _tagger_token_name_list_bits(token: str, word: str) -> int:
    if _is_chinese_character(token):
        return (
            _SURNAME_ZH * (token in deidentification_word_list("surnames-zh.txt"))
            | _GIVEN_ZH * (token in deidentification_word_list("given-zh.txt"))
            | _PLACE_ZH * (token in _ROAD_CHARACTERS)
        )
    return _list_bits_by_latin_word().get(word, 0) or _inflected_common_word_list_bits(word)


def _inflected_common_word_list_bits(word: str) -> int:
    """Return the lists of a common word in a simple ending."""
    listed = _list_bits_by_latin_word()
    for ending in ("s", "ed", "ing", "es", "ly"):
        if word.endswith(ending) and listed.get(word.removesuffix(ending), 0) & 8:
            return 8
    return 0


@cache
def _list_bits_by_latin_word() -> dict[str, int]:
    lists: dict[str, int] = {}
    for file, bit in _LISTS:
        for name in deidentification_word_list(file):
            word = name.lower()
            lists[word] = lists.get(word, 0) | bit
    for name in deidentification_word_list("capitalised-en.txt"):
        lists[name.lower()] = lists.get(name.lower(), 0) | _CAPITALISED | 8
    for bit, words in _WORDS.items():
        for word in words.split():
            lists[word] = lists.get(word, 0) | bit
    return lists


@cache
def _chinese_medical_or_cue_word_pattern() -> re.Pattern[str]:
    """Return the pattern of Chinese words that are no name, and of cues beside names."""
    medical = sorted(
        deidentification_word_list("words-zh.txt"), key=lambda word: (-len(word), word)
    )
    cues = sorted(deidentification_word_list("cues-zh.txt"), key=lambda word: (-len(word), word))
    return re.compile(f"(?P<medical>{'|'.join(medical)})|(?P<cue>{'|'.join(cues)})")


def _tagger_chinese_word_bits_by_position(text: str) -> dict[int, int]:
    """Return marks by position, for characters that belong to a known Chinese word."""
    marks: dict[int, int] = {}
    if text.isascii():
        return marks
    for match in _chinese_medical_or_cue_word_pattern().finditer(text):
        bit = _MEDICAL if match.lastgroup == "medical" else _CUE
        for at in range(match.start(), match.end()):
            marks[at] = bit
    return marks
