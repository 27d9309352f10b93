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


def merge_identifier_spans(findings: Iterable[IdentifierSpan]) -> list[IdentifierSpan]:
    """Return findings in order without overlap; the earlier, then the longer, names a stretch.

    >>> date = IdentifierSpan(2, 5, IdentifierLabel.DATE)
    >>> merge_identifier_spans([date, IdentifierSpan(0, 3, IdentifierLabel.NAME)])
    [IdentifierSpan(start=0, end=5, label=<IdentifierLabel.NAME: 'NAME'>)]
    """
    merged: list[IdentifierSpan] = []
    for span in sorted(findings, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            last = merged.pop()
            # The union and not the longer one: what two recognisers touch between them is masked
            # whole.
            span = IdentifierSpan(last.start, max(last.end, span.end), last.label)  # noqa: PLW2901
        merged.append(span)
    return merged


def merged_identifier_spans_with_further_outside(
    merged: list[IdentifierSpan], further: Iterable[IdentifierSpan]
) -> list[IdentifierSpan]:
    """Return merged findings, and of further ones what lies outside them, in order.

    >>> phone = IdentifierSpan(2, 4, IdentifierLabel.PHONE)
    >>> address = IdentifierSpan(0, 6, IdentifierLabel.ADDRESS)
    >>> merged_identifier_spans_with_further_outside([phone], [address])
    [IdentifierSpan(start=0, end=2, label=<IdentifierLabel.ADDRESS: 'ADDRESS'>), \
IdentifierSpan(start=2, end=4, label=<IdentifierLabel.PHONE: 'PHONE'>), \
IdentifierSpan(start=4, end=6, label=<IdentifierLabel.ADDRESS: 'ADDRESS'>)]
    """
    spans = list(merged)
    for span in further:
        start = span.start
        for fixed in merged:
            if fixed.end > start and fixed.start < span.end:
                spans.append(IdentifierSpan(start, fixed.start, span.label))
                start = max(start, fixed.end)
        spans.append(IdentifierSpan(start, span.end, span.label))
    # What further recognisers found is cut around fixed spans, so that a checked identity number
    # stays one, whatever a tagger calls the words about it.
    return merge_identifier_spans(span for span in spans if span.start < span.end)


def mask_identifier_spans(text: str, findings: Iterable[IdentifierSpan]) -> str:
    """Return `text` with each finding replaced by its label in brackets.

    >>> mask_identifier_spans("Dr Chan called", [IdentifierSpan(3, 7, IdentifierLabel.NAME)])
    'Dr [NAME] called'
    """
    pieces: list[str] = []
    at = 0
    for span in merge_identifier_spans(findings):
        pieces += [text[at : span.start], f"[{span.label}]"]
        at = span.end
    return "".join([*pieces, text[at:]])
