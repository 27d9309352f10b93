"""CSV that people open in a spreadsheet: no text of it runs there, and we read it back as it was.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, whoever
wrote the text in it (OWASP, CSV Injection; CWE-1236); tab, carriage return and line
feed before them are passed over, and East Asian editions take the full-width letters,
too. Such a text gets one apostrophe in front, which spreadsheets understand as "text
follows". A text that has apostrophes there already gets one more, so that taking one
away gives every text back as it was. Numbers are no text, signed ones neither, and stay.

Out of reach: an edition whose separator is the semicolon splits an unquoted comma file
elsewhere than we do.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import polars as pl

SPREADSHEET_MARK: Final = "\ufeff".encode()
"""By this Excel knows UTF-8; without it Chinese is read in the code page of the machine."""

_STARTS: Final = r"[ \x{a0}\x{3000}]*[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
# Polars and Python spell a letter beyond ASCII in different ways.
_PYTHON_STARTS: Final = re.sub(r"\\x\{(\w+)\}", lambda m: chr(int(m[1], 16)), _STARTS)
_NUMBER: Final = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_RUNS: Final = re.compile(rf"'*{_PYTHON_STARTS}")
_APOSTROPHE_FIRST: Final = re.compile(rf"'+{_PYTHON_STARTS}")
_IS_NUMBER: Final = re.compile(_NUMBER)


def spreadsheet_safe_text(text: str) -> str:
    """Return a text so that no spreadsheet takes it for a formula.

    >>> [spreadsheet_safe_text(text) for text in ("=1+1", "'=1", "-3.5", "a=b")]
    ["'=1+1", "''=1", '-3.5', 'a=b']
    """
    if _IS_NUMBER.fullmatch(text) or not _RUNS.match(text):
        return text
    return f"'{text}"


def text_restored_from_spreadsheet_cell(cell: str) -> str:
    """Return the text that `spreadsheet_safe_text` was given.

    >>> [text_restored_from_spreadsheet_cell(cell) for cell in ("'=1+1", "''=1", "-3.5", "'a'")]
    ['=1+1', "'=1", '-3.5', "'a'"]
    """
    return cell[1:] if _APOSTROPHE_FIRST.match(cell) else cell


def frame_as_spreadsheet_csv_bytes(frame: pl.DataFrame, *, marked: bool = False) -> bytes:
    """Return a table as CSV in UTF-8 in which no text runs as a formula.

    Args:
        frame: The table.
        marked: Put the mark first by which a spreadsheet knows the encoding.
    """
    buffer = io.BytesIO(SPREADSHEET_MARK if marked else b"")
    buffer.seek(0, io.SEEK_END)
    write_spreadsheet_csv(frame, buffer)
    return buffer.getvalue()


def write_spreadsheet_csv(frame: pl.DataFrame, to: Path | IO[bytes]) -> None:
    """Write a table as CSV in UTF-8 in which no text runs as a formula."""
    _spreadsheet_safe_frame(frame).write_csv(to)


def read_spreadsheet_csv(source: Path | bytes, **options: Any) -> pl.DataFrame:
    """Return the table of a CSV file as it was before its texts were made safe.

    Args:
        source: The file, or its bytes; a mark at its beginning is passed over.
        options: As `polars.read_csv` has them.

    Raises:
        polars.exceptions.PolarsError: It is no CSV.
        OSError: It cannot be read.
    """
    import polars as pl

    frame = frame_with_spreadsheet_texts_restored(pl.read_csv(source, **options))
    return _frame_renamed_if_names_unique(
        frame, [text_restored_from_spreadsheet_cell(name) for name in frame.columns]
    )


def frame_with_spreadsheet_texts_restored(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table of cells that were read, each text as it was."""
    import polars as pl

    quoted = [
        pl.col(name)
        for name, kind in frame.schema.items()
        # Most tables have no such cell, and then nothing is copied.
        if kind == pl.String and frame[name].str.starts_with("'").any()
    ]
    return frame.with_columns(
        pl.when(text.str.contains(rf"^'+{_STARTS}"))
        .then(text.str.slice(1))
        .otherwise(text)
        .name.keep()
        for text in quoted
    )


def read_spreadsheet_csv_names_and_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the column names and the rows of a CSV file, each text as it was.

    A cell that is missing at the end of a row is "", and cells beyond the header are left out.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: It is no UTF-8.
    """
    # `-sig`: the mark of a spreadsheet would become part of the first name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        names = [text_restored_from_spreadsheet_cell(name) for name in reader.fieldnames or ()]
        return names, [csv_row_with_spreadsheet_texts_restored(row) for row in reader]


def csv_row_with_spreadsheet_texts_restored(cells: Mapping[Any, Any]) -> dict[str, str]:
    """Return a row of `csv.DictReader` with each name and text as it was."""
    # The reader puts what stands beyond the header under None, as a list.
    return {
        text_restored_from_spreadsheet_cell(name): text_restored_from_spreadsheet_cell(cell or "")
        for name, cell in cells.items()
        if name is not None
    }


def _spreadsheet_safe_frame(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    words = [
        pl.col(name).cast(pl.String)
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.String | pl.Categorical | pl.Enum)
    ]
    frame = frame.with_columns(
        pl.when(text.str.contains(rf"^'*{_STARTS}") & ~text.str.contains(f"^(?:{_NUMBER})$"))
        .then(pl.lit("'") + text)
        .otherwise(text)
        .name.keep()
        for text in words
    )
    return _frame_renamed_if_names_unique(
        frame, [spreadsheet_safe_text(name) for name in frame.columns]
    )


def _frame_renamed_if_names_unique(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    # A file of another hand may have two names that differ by an apostrophe alone.
    if names == frame.columns or len(set(names)) < len(names):
        return frame
    return frame.rename(dict(zip(frame.columns, names, strict=True)))
