"""A fact of an encounter: its kind, and the one form in which it is judged and scored.

Free text is no kind. It would soon hold a name, no rule can be written over it, and two
spellings of one thing would be judged as two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

from commonwatt.catalogue.errors import UnitError
from commonwatt.catalogue.units import parse_quantity, parse_unit
from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.words import NO_WORDS, YES_WORDS
from commonwatt.core.messages import Message

FACT_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{0,39}")
# ASCII and nothing else: `float` also takes "١٢", "1_0" and "infinity".
_PLAIN_NUMBER: Final = re.compile(
    r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([eE][+-]?\d{1,3})?", re.ASCII
)
_LONGEST: Final = 60
_LARGEST: Final = 1e15
_FLAGS: Final[Mapping[str, str]] = dict.fromkeys(YES_WORDS, "yes") | dict.fromkeys(NO_WORDS, "no")
_UCUM_BRACKETS: Final = re.compile(r"\[(degF)\]")  # UCUM brackets a unit that is none of the SI
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "number": frozenset({"type", "unit", "from", "to", "en", "zh-Hant"}),
    "word": frozenset({"type", "words", "en", "zh-Hant"}),
    "flag": frozenset({"type", "en", "zh-Hant"}),
}


class GuideFactKind(StrEnum):
    """What the value of a fact may be."""

    NUMBER = "number"
    WORD = "word"
    FLAG = "flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideFact:
    """A fact that a guide asks for.

    Args:
        name: As predicates and callers spell it.
        kind: Number, word or flag.
        meaning: What it is, by language.
        unit: Of a number; empty for a plain count or score.
        low: Least number, itself allowed.
        high: Greatest number, itself allowed.
        words: The closed list of a word; "yes" and "no" of a flag.
    """

    name: str
    kind: GuideFactKind
    meaning: Mapping[str, str]
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    words: tuple[str, ...] = ()

    def canonical_text(self, text: str) -> str | None:
        """Return the fact in the guide's own unit and spelling; `None` if it may not be so.

        >>> age = parse_guide_fact(
        ...     "age", {"type": "number", "unit": "year", "from": 0, "to": 130,
        ...             "en": "Age", "zh-Hant": "年齡"}, "here",
        ... )
        >>> [age.canonical_text(t) for t in ("50", "600 months", "5e1", "inf", "131", "50 kg")]
        ['50', '50', '50', None, None, None]
        """
        if len(text) > _LONGEST:
            return None
        if self.kind is GuideFactKind.FLAG:
            return _FLAGS.get(text.strip().lower())
        if self.kind is GuideFactKind.WORD:
            return text if text in self.words else None
        number = self._number_in_unit(text.strip())
        # Written as a chained comparison, which NaN fails.
        if number is None or not self.low <= number <= self.high:
            return None
        return repr(int(number)) if number == int(number) else repr(number)

    def _number_in_unit(self, text: str) -> float | None:
        if _PLAIN_NUMBER.fullmatch(text):
            number = float(text)
            return number if math.isfinite(number) else None
        if not self.unit:
            return None
        try:
            return parse_quantity(_UCUM_BRACKETS.sub(r"\1", text), to=self.unit)
        except UnitError:
            return None

    def wanted(self) -> Message:
        """Return what may stand there, for whoever gave something else."""
        if self.kind is GuideFactKind.NUMBER:
            gaps = {"low": f"{self.low:g}", "high": f"{self.high:g}", "unit": self.unit}
            if self.unit:
                return Message("a number from {low} to {high} {unit}", gaps)
            return Message("a number from {low} to {high}", gaps)
        return Message("one of {values}", {"values": ", ".join(self.words)})


def parse_guide_fact(name: Any, entry: Any, where: str) -> GuideFact:
    """Return the fact that a guide declares.

    Raises:
        RulesError: It is not of the form; free text is none.
    """
    if not isinstance(name, str) or not FACT_NAME.fullmatch(name):
        wanted = Message("a name of small letters, digits and _")
        raise RulesError(f"{where}, {name!r}", wanted=wanted)
    where = f"{where}, {name}"
    if not isinstance(entry, dict):
        raise RulesError(where, wanted=Message("named values"))
    fields = cast("dict[str, Any]", entry)
    kind = fields.get("type")
    if kind not in _FIELDS:
        raise RulesError(
            f"{where}, type",
            found=repr(kind),
            wanted=Message("number, word or flag; free text is no fact"),
        )
    odd = sorted(str(field) for field in set(fields) ^ _FIELDS[kind] if field != "unit")
    if odd:
        wanted = Message("the fields {values}", {"values": ", ".join(sorted(_FIELDS[kind]))})
        raise RulesError(f"{where}, {odd[0]}", wanted=wanted)
    if kind != "number" and "unit" in fields:
        raise RulesError(f"{where}, unit", wanted=Message("a unit on numbers only"))
    meaning = {language: checked_clinic_guide_text(fields[language], f"{where}, {language}")
               for language in ("en", "zh-Hant")}  # fmt: skip
    match kind:
        case "number":
            low, high, unit = _clinic_guide_number_range_and_unit(fields, where)
            return GuideFact(name=name, kind=GuideFactKind.NUMBER, meaning=meaning, unit=unit,
                             low=low, high=high)  # fmt: skip
        case "word":
            words = _checked_clinic_guide_word_list(fields["words"], f"{where}, words")
            return GuideFact(name=name, kind=GuideFactKind.WORD, meaning=meaning, words=words)
        case _:
            flag = GuideFactKind.FLAG
            return GuideFact(name=name, kind=flag, meaning=meaning, words=("yes", "no"))


def checked_clinic_guide_text(text: Any, where: str, longest: int = 500) -> str:
    """Return a text of a guide.

    Raises:
        RulesError: It is no text, empty or too long.
    """
    if not isinstance(text, str) or not 0 < len(text) <= longest:
        wanted = Message("a text of at most {count} letters", {"count": str(longest)})
        raise RulesError(where, wanted=wanted)
    return text


def _clinic_guide_number_range_and_unit(
    fields: Mapping[str, Any], where: str
) -> tuple[float, float, str]:
    ends: list[float] = []
    for end in ("from", "to"):
        bound = fields[end]
        # `True` is an int in Python and would pass for a bound of one.
        plain = isinstance(bound, int | float) and not isinstance(bound, bool)
        # A whole number of four hundred digits is finite, and no float.
        if not plain or not abs(bound) <= _LARGEST:
            raise RulesError(f"{where}, {end}", wanted=Message("a finite number"))
        ends.append(float(bound))
    low, high = ends
    if low >= high:
        raise RulesError(f"{where}, to", wanted=Message("more than {low}", {"low": f"{low:g}"}))
    unit = fields.get("unit", "")
    if not isinstance(unit, str):
        raise RulesError(f"{where}, unit", wanted=Message("the name of a unit"))
    if unit:
        try:
            parse_unit(unit, where=f"{where}, unit")
        except UnitError as error:
            raise RulesError(f"{where}, unit", found=repr(unit), wanted=error.wanted) from None
    return low, high, unit


def _checked_clinic_guide_word_list(words: Any, where: str) -> tuple[str, ...]:
    if not isinstance(words, list) or not words:
        raise RulesError(where, wanted=Message("a list of words"))
    listed = cast("list[Any]", words)
    for word in listed:
        # YAML reads a bare yes, no, on and off as true and false: a list of them would match
        # nothing that a caller can send.
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            wanted = Message("a word of small letters, digits and -, in quotes where YAML asks")
            raise RulesError(where, found=repr(word), wanted=wanted)
    if len(set(listed)) < len(listed):
        raise RulesError(where, wanted=Message("each word once"))
    return tuple(listed)
