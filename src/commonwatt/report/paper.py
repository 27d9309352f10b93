"""How a table stands on A4 before anybody has printed it: upright, in small type, or turned.

A browser gives each column at least its longest word, and shares what is left in proportion to what
the columns would like to have (CSS 2.1, 17.5.2.2, automatic table layout). The same is done here
with widths that are an upper bound, so that what is said to fit is never cut at the edge.
A turned table takes a page of its own and leaves the rest of the page before it white; it is
therefore the last resort, and not what a number of columns decides.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from commonwatt.report.charts.text_width import report_text_lines_within_width, text_width
from commonwatt.report.model import ReportTable


class TablePlacement(StrEnum):
    """How a table stands on paper; the value is its classes in the page."""

    UPRIGHT = ""
    SMALL = "small"
    TURNED = "wide"
    DIVIDED = "wide divided"


class _Sheet(NamedTuple):
    """What a page offers a table: its width and type size, and the space after a cell [CSS px]."""

    width: float
    size: float
    gap: float


_PX_PER_MM: Final = 96 / 25.4
# The sheets of `report.css`: A4 within margins of 15 mm, and its two sizes of type.
_SHEETS: Final = {
    TablePlacement.UPRIGHT: _Sheet(180 * _PX_PER_MM, 13.76, 11.2),
    TablePlacement.SMALL: _Sheet(180 * _PX_PER_MM, 8 * 96 / 72, 8.0),
    TablePlacement.TURNED: _Sheet(267 * _PX_PER_MM, 8 * 96 / 72, 8.0),
}
# A word of a heading in DejaVu Sans Bold is at most this much wider than in the text face.
_BOLD: Final = 1.2
# A cell of more lines than this in a column narrower than this share of the sheet is a pillar of
# words, which a turned page lets breathe; prose in a column that is wide reads well at any length.
_MOST_LINES: Final = 8
_NARROW_SHARE: Final = 0.25
# Where Chromium ends a line: at spaces that break, after hyphens and dashes, and between letters
# that fill a square, whose brackets and stops stay with their neighbour. Not after a stroke.
_OPENING: Final = r"（「『《〈【\[\("
_CLOSING: Final = r"，。、；：！？）」』》〉】\]\),.;:%"
_DASHES: Final = r"\-\u2010\u2012-\u2014"
_SQUARES: Final = r"\u1100-\uffff"
_WORDS: Final = re.compile(
    rf"[{_OPENING}]*"
    rf"(?:[^ \n{_DASHES}{_SQUARES}]+[{_DASHES}]*|[{_DASHES}]+|[{_SQUARES}])"
    rf"[{_CLOSING}]*"
)


def table_placement(table: ReportTable) -> TablePlacement:
    """Return how a table stands on A4: the first way in which no cell is cut or a pillar of words.

    Args:
        table: Its headings and cells as the reader sees them.

    >>> table_placement(ReportTable(title="T", headings=["Site", "Cost"], rows=[["west", "2.00"]]))
    <TablePlacement.UPRIGHT: ''>
    """
    columns = _distinct_texts_by_column(table)
    for placement, sheet in _SHEETS.items():
        widths = _column_widths(columns, sheet)
        if widths is not None and (
            placement is TablePlacement.TURNED
            or _most_lines_in_narrow_columns(columns, widths, sheet) <= _MOST_LINES
        ):
            return placement
    return TablePlacement.DIVIDED


def heading_that_breaks(heading: str) -> Markup:
    """Return a heading as HTML whose units may go on in the next line after a stroke.

    >>> heading_that_breaks("Cost [USD/GPU-hour]")
    Markup('Cost [USD/<wbr>GPU-hour]')
    """
    return escape(heading).replace("/", Markup("/<wbr>"))


def _distinct_texts_by_column(table: ReportTable) -> list[list[tuple[str, float]]]:
    """Return the texts of each column, once each, with how much wider than plain they are drawn."""
    return [
        [
            # A space tells `_WORDS` what `<wbr>` tells the browser, and is no narrower.
            (heading.replace("/", "/ "), _BOLD),
            *((text, 1.0) for text in dict.fromkeys(row[at] for row in table.rows)),
        ]
        for at, heading in enumerate(table.headings)
    ]


def _column_widths(columns: list[list[tuple[str, float]]], sheet: _Sheet) -> list[float] | None:
    """Return the width of the text of each column [CSS px]; None where they do not fit."""
    least, wanted = (
        [max(width(text, sheet.size * wider) for text, wider in texts) for texts in columns]
        for width in (_longest_word, text_width)
    )
    spare = sheet.width - sheet.gap * len(columns) - sum(least)
    if spare < 0:
        return None
    wishes = [most - low for low, most in zip(least, wanted, strict=True)]
    share = min(1.0, spare / sum(wishes)) if sum(wishes) > 0 else 0.0
    return [low + wish * share for low, wish in zip(least, wishes, strict=True)]


def _longest_word(text: str, size: float) -> float:
    return max((text_width(word, size) for word in _WORDS.findall(text)), default=0.0)


def _most_lines_in_narrow_columns(
    columns: list[list[tuple[str, float]]], widths: list[float], sheet: _Sheet
) -> int:
    return max(
        (
            len(report_text_lines_within_width(text, width + 0.01, sheet.size * wider))
            for texts, width in zip(columns, widths, strict=True)
            if width < _NARROW_SHARE * sheet.width
            for text, wider in texts
        ),
        default=0,
    )
