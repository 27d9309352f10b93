"""What a recogniser found, and how findings become one mask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class IdentifierLabel(StrEnum):
    """Kinds of identifier in free text."""

    NAME = "NAME"
    HKID = "HKID"
    CNID = "CNID"
    TWID = "TWID"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    MRN = "MRN"
    DATE = "DATE"
    AGE_OVER_89 = "AGE_OVER_89"
    ADDRESS = "ADDRESS"
    PLACE = "PLACE"
    HOSPITAL = "HOSPITAL"
    ORGANISATION = "ORGANISATION"
    OTHER_NUMBER = "OTHER_NUMBER"
    URL = "URL"


@dataclass(frozen=True, slots=True, order=True)
class IdentifierSpan:
    """A stretch of text, in code points from `start` up to `end`."""

    start: int
    end: int
    label: IdentifierLabel


def merge(findings: Iterable[IdentifierSpan]) -> list[IdentifierSpan]:
    """Return findings in order without overlap; the earlier, then the longer, names a stretch.

    >>> merge([Finding(2, 5, Label.DATE), Finding(0, 3, Label.NAME)])
    [Finding(start=0, end=5, label=<Label.NAME: 'NAME'>)]
    """
    merged: list[IdentifierSpan] = []
    for found in sorted(findings, key=lambda one: (one.start, -one.end)):
        if merged and found.start < merged[-1].end:
            last = merged.pop()
            found = IdentifierSpan(last.start, max(last.end, found.end), last.label)  # noqa: PLW2901
        merged.append(found)
    return merged


def add_disjoint(
    merged: list[IdentifierSpan], further: Iterable[IdentifierSpan]
) -> list[IdentifierSpan]:
    """Return merged findings, and of further ones what lies outside them, in order.

    >>> beside([Finding(2, 4, Label.PHONE)], [Finding(0, 6, Label.ADDRESS)])
    [Finding(start=0, end=2, label=<Label.ADDRESS: 'ADDRESS'>), \
Finding(start=2, end=4, label=<Label.PHONE: 'PHONE'>), \
Finding(start=4, end=6, label=<Label.ADDRESS: 'ADDRESS'>)]
    """
    found = list(merged)
    for one in further:
        start = one.start
        for other in merged:
            if other.end > start and other.start < one.end:
                found.append(IdentifierSpan(start, other.start, one.label))
                start = max(start, other.end)
        found.append(IdentifierSpan(start, one.end, one.label))
    return merge(one for one in found if one.start < one.end)


def mask(text: str, findings: Iterable[IdentifierSpan]) -> str:
    """Return `text` with each finding replaced by its label in brackets.

    >>> mask("Dr Chan called", [Finding(3, 7, Label.NAME)])
    'Dr [NAME] called'
    """
    pieces: list[str] = []
    at = 0
    for found in merge(findings):
        pieces += [text[at : found.start], f"[{found.label}]"]
        at = found.end
    return "".join([*pieces, text[at:]])
