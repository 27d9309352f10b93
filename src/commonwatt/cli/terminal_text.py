"""What a command prints for a person: tables, figures and sentences out of the catalogue.

No other file under `cli/` formats a number, pads a cell or writes a label beside a value; a
test holds all of them to it. So a figure has the same label, unit and digits on the terminal
as in the report, the console and the dossiers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from commonwatt.catalogue.measures import (
    Described,
    FormKind,
    TableColumn,
    measure_cell_text,
    measure_heading,
    measure_label_text,
    measure_value_text,
)
from commonwatt.core.messages import Message

Figure = tuple[Described, object]
"""A figure or a column of the catalogue, and its value in the unit that is stored."""

_FIRST_ONLY: Final = (0,)


def terminal_table_text(
    columns: Sequence[TableColumn],
    rows: Iterable[Mapping[str, Any]],
    language: str,
    *,
    heading: Callable[[TableColumn], str] | None = None,
    currency: str = "",
    left: Collection[int] | None = None,
) -> str:
    """Return rows of a declared table in columns under their headings.

    Args:
        columns: The columns that are shown, in order.
        rows: Values by the column's name; a text stands for a number that there is not.
        language: The reader's language.
        heading: Writes a heading; the catalogue's, with its unit, where none is said.
        currency: The money of the run, where a column is in a country's own.
        left: Numbers of the columns that are flush left; those of words where none is said.
    """

    def catalogue_heading(column: TableColumn) -> str:
        return measure_heading(column, language, currency=currency)

    lines = [[(heading or catalogue_heading)(column) for column in columns]]
    lines += [
        [
            measure_cell_text(row[column.name], column, language, currency=currency)
            for column in columns
        ]
        for row in rows
    ]
    return aligned_terminal_rows_text(
        lines, left=_indices_of_text_columns(columns) if left is None else left
    )


def turned_terminal_table_text(
    across: TableColumn,
    columns: Sequence[TableColumn],
    rows: Sequence[Mapping[str, Any]],
    language: str,
) -> str:
    """Return a table turned on its side: a line for each figure, its heading in full.

    Headings carry their unit and are long; side by side they would not fit a terminal, and
    one under the other they are a line each, with a column for every site or limit.
    """
    lines = [
        [
            measure_heading(column, language),
            *(measure_cell_text(row[column.name], column, language) for row in rows),
        ]
        for column in (across, *columns)
    ]
    return aligned_terminal_rows_text(lines, left=range(len(rows) + 1))


def terminal_figures_text(figures: Iterable[Figure], language: str, *, currency: str = "") -> str:
    """Return figures one below the other, each with its label and unit, values flush."""
    return terminal_fields_text(
        (
            measure_label_text(of, language),
            measure_value_text(value, of, language, currency=currency),
        )
        for of, value in figures
    )


def terminal_fields_text(fields: Iterable[tuple[str, str]]) -> str:
    """Return texts one below the other, what each is called before it."""
    return aligned_terminal_rows_text([list(field) for field in fields], left=(0, 1))


def labelled_terminal_text(of: Described, text: str, language: str) -> str:
    """Return "label: text" for one figure or column, where a line of its own needs no table."""
    return terminal_label_and_text(measure_label_text(of, language), text)


def terminal_label_and_text(label: str, text: str) -> str:
    """Return "label: text", the colon as it is typed in both languages.

    >>> terminal_label_and_text("Report", "report.html")
    'Report: report.html'
    """
    return f"{label}: {text}"


def figure_sentence(
    sentence: Message, language: str, figures: Mapping[str, Figure], *, currency: str = ""
) -> str:
    """Return a sentence whose gaps are figures, each with its unit and digits.

    Args:
        sentence: The sentence; gaps that are words it brings itself.
        language: The reader's language.
        figures: By gap the figure and its value.
        currency: The money of the run, where a figure is in a country's own.

    >>> from commonwatt.catalogue.shared import QUEUE_DELAY_MEAN
    >>> figure_sentence(Message("They waited {wait}."), "en", {"wait": (QUEUE_DELAY_MEAN, 7200)})
    'They waited 2.00 h.'
    """
    texts = {
        gap: measure_value_text(value, of, language, currency=currency)
        for gap, (of, value) in figures.items()
    }
    return Message(sentence.text, sentence.values | texts).translate(language)


def interval_terminal_text(of: Described, value: object, low: object, high: object) -> str:
    """Return an estimate with its interval, in the digits of its figure.

    >>> from commonwatt.catalogue.shared import P5
    >>> interval_terminal_text(P5, 0.5, 0.25, 0.75)
    '0.5 (0.25–0.75)'
    """
    middle, first, last = (measure_cell_text(each, of) for each in (value, low, high))
    # An en dash between signed numbers reads as a minus.
    between = " … " if first[:1] in "+-" else "–"
    return f"{middle} ({first}{between}{last})"


def counts_terminal_text(counts_by_name: Mapping[str, object], of: Described, language: str) -> str:
    """Return counts by what is counted, on one line.

    >>> from commonwatt.catalogue.shared import GPUS
    >>> counts_terminal_text({"east": 1200, "west": 8}, GPUS, "en")
    'east 1,200, west 8'
    """
    return ", ".join(
        f"{name} {measure_cell_text(count, of, language)}" for name, count in counts_by_name.items()
    )


def indented(text: str, depth: int = 1) -> str:
    """Return a text with every line moved to the right, two columns for each step."""
    return "\n".join("  " * depth + line for line in text.splitlines())


def aligned_terminal_rows_text(
    rows: Sequence[Sequence[str]], *, left: Collection[int] = _FIRST_ONLY
) -> str:
    """Return rows as lines whose cells stand below each other.

    Args:
        rows: The cells as they are printed, equally many in each row.
        left: Numbers of the columns that are flush left; the others are flush right.

    >>> print(aligned_terminal_rows_text([["a", "b"], ["x", "10"], ["yy", "2"]]))
    a    b
    x   10
    yy   2
    """
    if not rows:
        return ""
    # By columns of the terminal and not by letters, or Chinese tables would not line up.
    widths = [max(terminal_width_in_columns(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            _padded_terminal_cell(cell, widths[i], flush_left=i in left)
            for i, cell in enumerate(row)
        ).rstrip()
        for row in rows
    )


def terminal_width_in_columns(text: str) -> int:
    """Return the columns that a text takes on a terminal; Chinese takes two.

    >>> terminal_width_in_columns("GPU 池")
    6
    """
    # Unicode Standard Annex 11: wide and full-width letters take two columns of a terminal.
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded_terminal_cell(text: str, width: int, *, flush_left: bool) -> str:
    padding = " " * (width - terminal_width_in_columns(text))
    return text + padding if flush_left else padding + text


def _indices_of_text_columns(columns: Sequence[TableColumn]) -> list[int]:
    return [
        number
        for number, column in enumerate(columns)
        if column.measure.form.kind not in (FormKind.COUNT, FormKind.NUMBER)
    ]
