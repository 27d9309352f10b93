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
from commonwatt.sandbox.io.imports.compressed import open_compressed
from commonwatt.sandbox.io.imports.plain import TableFileSchema

RAGGED: Final = "cells not as in the header"
QUOTES: Final = "quotation marks out of order"
NO_TEXT: Final = "not UTF-8 text"
FAULT: Final = "fault_of_file"
_ROWS_AT_ONCE: Final = 50_000
_LONGEST_CELL: Final = 16 << 20


def read_leniently(source: Path, plain: TableFileSchema, to: Path) -> list[Path]:
    """Write the rows of `source` as Parquet files under `to`: cells as text, and their fault.

    Raises:
        ImportFaultError: A quotation mark is never closed, so that no row can be told.
    """
    csv.field_size_limit(_LONGEST_CELL)
    to.mkdir(exist_ok=True)
    parts: list[Path] = []
    schema = dict.fromkeys(plain.headings(source), pl.String) | {FAULT: pl.String}
    with open_compressed(source) as file:
        text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
        rows = _rows(csv.reader(text, delimiter=plain.delimiter, strict=True), source)
        if plain.header:
            next(rows, None)
        marks = frozenset(("", *plain.missing))
        checked = (_row(row, len(schema) - 1, marks) for row in rows if row != [])
        for number in count():
            found = list(islice(checked, _ROWS_AT_ONCE))
            if number and not found:
                break
            parts.append(to / f"{number:06}.parquet")
            pl.DataFrame(found, schema=schema, orient="row").write_parquet(parts[-1])
        text.detach()
    return parts


def _rows(reader: Iterator[list[str]], source: Path) -> Iterator[list[str] | None]:
    """Yield the rows, nothing for one whose quotation marks are out of order."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise DataImportError(
                    source.name, found=Message("a quotation mark that is never closed")
                ) from None
            yield None


def _row(row: list[str] | None, width: int, marks: frozenset[str]) -> list[str | None]:
    if row is None or len(row) != width:
        return [*[None] * width, QUOTES if row is None else RAGGED]
    if any("\udc80" <= character <= "\udcff" for cell in row for character in cell):
        return [*[None] * width, NO_TEXT]
    return [*(None if cell in marks else cell for cell in row), None]
