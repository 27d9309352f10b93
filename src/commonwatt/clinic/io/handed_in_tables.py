"""Read a table as a hospital hands it in: any separator that Excel writes, and nothing guessed.

Excel writes commas or semicolons by the region of the machine, and tabs in UTF-16 as
"Unicode text". Each is read as what it is. A row that does not fit its header, a name that
stands twice or a code page that nobody names is refused, by row or column and with what to do.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.core.messages import Message
from commonwatt.core.spreadsheets import (
    frame_with_spreadsheet_texts_restored,
    text_restored_from_spreadsheet_cell,
)

SEPARATORS: Final = (",", ";", "\t")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_NAMED: Final = 12
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)(\r\n|\n|\r)")  # Excel's own first line
# A cell of one of these forms in the first row is a value of a patient, which no message quotes.
_LOOKS_LIKE_A_VALUE: Final = re.compile(r"|[+-]|[+-]?[0-9].*|[01]|yes|no|true|false|[fmyn]", re.I)


def read_clinic_text_table(path: Path, names: Sequence[str]) -> pl.DataFrame:
    """Return some columns of a CSV or Parquet file as text without blanks at its ends.

    The blanks about a name of the header are no part of it.

    Args:
        path: The table; CSV in UTF-8, or in UTF-16 with its mark, separated by comma,
            semicolon or tab.
        names: The columns; each once.

    Raises:
        EvidenceError: The file cannot be read, lacks a column or has it twice, has no row, or has
            one with more or fewer cells than the header.
    """
    if path.suffix in (".parquet", ".pq"):
        frame = _read_clinic_parquet_as_text(path, names)
    else:
        frame = frame_with_spreadsheet_texts_restored(_read_clinic_csv_as_text(path, names))
    if not frame.height:
        raise EvidenceError(
            str(path), found=Message("no row below the header"), wanted=Message("rows of patients")
        )
    return frame.with_columns(pl.all().str.strip_chars())


def _read_clinic_parquet_as_text(path: Path, names: Sequence[str]) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        raise EvidenceError(str(path), wanted=Message("a readable Parquet file")) from None
    _check_header(path, [name.strip() for name in frame.columns], names)
    frame = frame.rename({name: name.strip() for name in frame.columns}).select(names)
    try:
        return frame.with_columns(
            # With its zone in the form that a CSV has, too.
            pl.col(name).dt.to_string("iso:strict")
            if isinstance(kind, pl.Datetime)
            else pl.col(name).cast(pl.String)
            for name, kind in frame.schema.items()
        )
    except pl.exceptions.PolarsError:
        raise EvidenceError(str(path), wanted=Message("columns of texts or numbers")) from None


def _read_clinic_csv_as_text(path: Path, names: Sequence[str]) -> pl.DataFrame:
    text, separators = _text_of_file(path), SEPARATORS
    if stated := _SEPARATOR_LINE.match(text):
        text, separators = text[stated.end() :], (stated[1],)
    separator, header = _clinic_csv_separator_and_header_names(path, text, separators, names)
    _check_header(path, header, names)
    at = [header.index(name) for name in names]
    columns: list[list[str]] = [[] for _ in names]
    for row in _clinic_csv_rows_as_wide_as_header(path, text, separator, len(header)):
        for column, number in zip(columns, at, strict=True):
            column.append(row[number])
    return pl.DataFrame(
        dict(zip(names, columns, strict=True)), schema=dict.fromkeys(names, pl.String)
    )


def _text_of_file(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError:
        raise EvidenceError(str(path), wanted=Message("a readable file")) from None
    try:
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        # Big5, GBK and Latin-1 each make other letters of the same bytes.
        raise EvidenceError(
            str(path),
            found=Message("a code page that the file does not name"),
            wanted=Message("UTF-8"),
            remedy=Message("In Excel, save it as CSV UTF-8."),
        )
    if not text.strip():
        raise EvidenceError(
            str(path), found=Message("an empty file"), wanted=Message("a header and rows")
        )
    return text


def _clinic_csv_separator_and_header_names(
    path: Path, text: str, separators: Sequence[str], names: Sequence[str]
) -> tuple[str, list[str]]:
    """Return the separator by which the header has most of the names, and then most columns."""
    headers = {each: _clinic_csv_header_names_of_text(path, text, each) for each in separators}
    separator = max(
        headers, key=lambda each: (len(set(names) & set(headers[each])), len(headers[each]))
    )
    return separator, headers[separator]


def _clinic_csv_header_names_of_text(path: Path, text: str, separator: str) -> list[str]:
    first = next(_csv_rows(path, text, separator), (0, list[str]()))[1]
    return [text_restored_from_spreadsheet_cell(name.strip()).strip() for name in first]


def _csv_rows(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank under its number, the header under 0."""
    number = 0
    try:
        # Strict: a quotation mark that nothing closes would take in the rest of the file.
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            if row and (len(row) > 1 or row[0].strip()):
                yield number, row
                number += 1
    except csv.Error:
        raise EvidenceError(
            _clinic_table_row_place_text(path, number),
            found=Message("a quotation mark that is not closed, or stands within a cell"),
            wanted=Message("cells in whole quotation marks, or in none"),
        ) from None


def _clinic_csv_rows_as_wide_as_header(
    path: Path, text: str, separator: str, width: int
) -> Iterator[list[str]]:
    rows = _csv_rows(path, text, separator)
    next(rows)
    for number, row in rows:
        if len(row) != width:
            # Neither cut nor filled: a cell too many or too few may have moved all after it.
            raise EvidenceError(
                _clinic_table_row_place_text(path, number),
                found=Message("{cells} cells", {"cells": f"{len(row):,}"}),
                wanted=Message("{cells}, as in the header", {"cells": f"{width:,}"}),
                remedy=Message("Write every cell, empty ones too, and quote those with commas."),
            )
        yield row


def _clinic_table_row_place_text(path: Path, number: int) -> str:
    return f"{path}, row {number:,}" if number else str(path)


def _check_header(path: Path, header: Sequence[str], names: Sequence[str]) -> None:
    if twice := [name for name in names if header.count(name) > 1]:
        raise EvidenceError(
            str(path),
            found=Message("the column {names} more than once", {"names": ", ".join(twice)}),
            wanted=Message("each column once"),
        )
    absent = [name for name in names if name not in header]
    if not absent:
        return
    gaps = {"names": ", ".join(absent)}
    if any(_LOOKS_LIKE_A_VALUE.fullmatch(name) for name in header):
        # Perhaps a row of a patient: counted, and not quoted.
        count = {"count": f"{len(header):,}"}
        fault = Message("a first row of {count} cells that are no names of columns", count)
    else:
        shown = [*header[:_NAMED], *(["…"] if len(header) > _NAMED else [])]
        fault = Message("the columns {names}", {"names": ", ".join(shown)})
    raise EvidenceError(
        str(path),
        found=fault,
        wanted=Message("the columns {names}", gaps),
        remedy=Message(
            "Name the columns of the file by the options or the plan, letter by letter."
        ),
    )
