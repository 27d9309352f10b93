"""How wide a text is before anybody has drawn it, so that no label is cut or covered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# Advance widths of DejaVu Sans 2.37 for the characters from U+0020 to U+007E, in thousandths of
# the type size. It is the widest of the faces that pages ask for, so that a text is never wider on
# a reader's machine than it was measured here.
_ASCII_WIDTHS: Final = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
)  # fmt: skip
_FIRST_ASCII: Final = 0x20
# From U+1100 on stand the scripts of East Asia, whose letters fill a square.
_FIRST_WIDE: Final = 0x1100
_OTHER_WIDTH: Final = 840  # of the rest: the widest common sign there, such as ± or −
_WIDE_WIDTH: Final = 1000
# General punctuation between them: dashes, quotation marks and the ellipsis.
_PUNCTUATION: Final = range(0x2010, 0x2028)
_PUNCTUATION_WIDTH: Final = 1000
# A line may end after a space, a hyphen, a stroke, and between letters that fill a square.
_BREAKS: Final = re.compile(r"[^\s\-/ᄀ-￿]+[\-/]*\s*|[ᄀ-￿][，。、；：）」』]?\s*|[\-/]+\s*|\s+")


def text_width(text: str, size: float) -> float:
    """Return an upper bound of the width of a text in the pages' faces.

    Args:
        text: One line.
        size: Its type size, in the unit in which the width is wanted.

    >>> text_width("0.25", 10.0)
    22.26
    >>> text_width("海港", 10.0)
    20.0
    """
    return round(sum(map(_character_width_in_thousandths_of_size, text)) * size / 1000, 2)


def report_text_lines_within_width(text: str, width: float, size: float) -> list[str]:
    """Return a text in lines of at most a width; a word that is longer alone is divided.

    Args:
        text: What is to be written.
        width: Width of a line, in the unit of `size`.
        size: The type size.

    >>> report_text_lines_within_width("Eastern core (Greater Bay)", 80.0, 10.0)
    ['Eastern core', '(Greater Bay)']
    >>> "".join(report_text_lines_within_width("x" * 50, 80.0, 10.0)) == "x" * 50
    True
    """
    lines: list[str] = []
    line = ""
    for part in _text_parts_that_fit_width(text, width, size):
        if line and text_width((line + part).rstrip(), size) > width:
            lines.append(line.rstrip())
            line = ""
        line += part
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _text_parts_that_fit_width(text: str, width: float, size: float) -> Iterator[str]:
    for part in _BREAKS.findall(text):
        piece = ""
        for character in part:
            # Even one letter may be wider than the line; it stands alone then.
            if piece.rstrip() and text_width((piece + character).rstrip(), size) > width:
                yield piece
                piece = ""
            piece += character
        yield piece


def _character_width_in_thousandths_of_size(character: str) -> int:
    code = ord(character)
    if _FIRST_ASCII <= code < _FIRST_ASCII + len(_ASCII_WIDTHS):
        return _ASCII_WIDTHS[code - _FIRST_ASCII]
    if code in _PUNCTUATION:
        return _PUNCTUATION_WIDTH
    return _WIDE_WIDTH if code >= _FIRST_WIDE else _OTHER_WIDTH
