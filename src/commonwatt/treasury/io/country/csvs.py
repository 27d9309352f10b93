"""CSV files of a country folder, read with the place of every fault."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonwatt.core.errors import InputError, cell_location
from commonwatt.core.messages import Message
from commonwatt.treasury.domain.errors import CountryError


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row of a CSV file, with its place."""

    file: str
    number: int
    cells: dict[str, str]

    def place(self, column: str | None = None) -> str:
        """Return where the row, or one of its cells, stands."""
        return cell_location(self.file, self.number, column)

    def text(self, column: str) -> str:
        """Return a cell as text."""
        return self.cells[column].strip()

    def number_in(self, column: str, error: type[InputError] = CountryError) -> float:
        """Return a cell as a number, or raise `error`."""
        try:
            return float(self.text(column))
        except ValueError:
            raise error(
                self.place(column),
                found=f"'{self.text(column)[:40]}'",
                wanted=Message("a number"),
            ) from None

    def number_or(self, column: str, default: float) -> float:
        """Return a cell as a number, or `default` where it is empty."""
        return self.number_in(column) if self.text(column) else default


def rows(path: Path, columns: Sequence[str]) -> Iterator[CsvRow]:
    """Yield the rows of a CSV file that has at least these columns.

    Raises:
        CountryError: The file is missing or lacks a column.
    """
    if not path.is_file():
        raise CountryError(path.name, found=Message("no such file"), wanted=Message("a CSV file"))
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            raise CountryError(
                cell_location(path.name, 1),
                found=Message("no column {names}", {"names": ", ".join(missing)}),
                wanted=Message("columns {names}", {"names": ", ".join(columns)}),
            )
        for number, cells in enumerate(reader, start=2):
            yield CsvRow(path.name, number, {k: v or "" for k, v in cells.items() if k})
