"""Read a CSV file that is not in order, row by row, so that only its bad rows are lost.

The database reads a file in order much faster and refuses any other; this is
the second try.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DataImportError
from commonwatt.sandbox.io.imports.compressed import open_unpacked_import_file
from commonwatt.sandbox.io.imports.plain import TableFileSchema

RAGGED: Final = "cells not as in the header"
QUOTES: Final = "quotation marks out of order"
NO_TEXT: Final = "not UTF-8 text"
FAULT: Final = "fault_of_file"
_ROWS_AT_ONCE: Final = 50_000
# Python refuses cells beyond 128 KiB by default, and clinical notes are longer.
_LONGEST_CELL: Final = 16 << 20


def save_lenient_csv_as_parquet_parts(source: Path, plain: TableFileSchema, to: Path) -> list[Path]:
    """Write the rows of `source` as Parquet files under `to`: cells as text, and their fault.

    Raises:
        DataImportError: A quotation mark is never closed, so that no row can be told.
    """
    csv.field_size_limit(_LONGEST_CELL)
    to.mkdir(exist_ok=True)
    parts: list[Path] = []
    schema = dict.fromkeys(plain.headings(source), pl.String) | {FAULT: pl.String}
    with open_unpacked_import_file(source) as file:
        # Bad bytes become lone surrogates, so that the row is still parted into cells and only it
        # is lost; a byte order mark is no part of the first name.
        text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
        rows = _lenient_csv_rows(csv.reader(text, delimiter=plain.delimiter, strict=True), source)
        if plain.header:
            next(rows, None)
        marks = frozenset(("", *plain.missing))
        checked = (
            _dataset_csv_cells_and_fault(row, len(schema) - 1, marks) for row in rows if row != []
        )
        for number in count():
            block = list(islice(checked, _ROWS_AT_ONCE))
            # The first part is written even when it is empty: a file of a header alone is a table
            # of no rows.
            if number and not block:
                break
            parts.append(to / f"{number:06}.parquet")
            pl.DataFrame(block, schema=schema, orient="row").write_parquet(parts[-1])
        text.detach()
    return parts


def _lenient_csv_rows(reader: Iterator[list[str]], source: Path) -> Iterator[list[str] | None]:
    """Yield the rows, nothing for one whose quotation marks are out of order."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # An open quotation mark swallows every row after it, so no row below can be told and
            # the file is refused whole.
            if "end of data" in str(error):
                raise DataImportError(
                    source.name, found=Message("a quotation mark that is never closed")
                ) from None
            yield None


def _dataset_csv_cells_and_fault(
    row: list[str] | None, width: int, marks: frozenset[str]
) -> list[str | None]:
    if row is None or len(row) != width:
        return [*[None] * width, QUOTES if row is None else RAGGED]
    # These are the code points that surrogateescape puts in place of bytes that are no UTF-8.
    if any("\udc80" <= character <= "\udcff" for cell in row for character in cell):
        return [*[None] * width, NO_TEXT]
    return [*(None if cell in marks else cell for cell in row), None]
