"""CSV files of a country folder, read with the place of every fault.

An amount is bn of the country's currency unless the file says otherwise, in the name of
the column (`proceeds_hkd_mn`) or in a column `unit`; it is then converted, and an amount
of another currency is refused. Sources publish mn and bn side by side, and an unread unit
is a factor of a thousand.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonwatt.catalogue.units import convert
from commonwatt.core.errors import InputError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.core.spreadsheets import csv_row_with_spreadsheet_texts_restored
from commonwatt.treasury.domain.errors import CountryError

_GROUPS = re.compile(r"\d[,\u202f\u00a0' ]\d{3}(?!\d)")
_GROUPED = re.compile(r"(?<=\d)[,\u202f\u00a0' ](?=\d{3})")
_CODE = re.compile(r"[A-Za-z]\d")  # a name, and no amount with its currency before it
_FIGURE = re.compile(r"[-+]?\d+(?:\.\d+)?")
_REMARKS = frozenset({"unit", "status", "source_id", "confirmation", "note"})
_MONEY_SUFFIX = re.compile(r"_(?P<currency>[a-z]{3})_(?P<scale>mn|bn)")


@dataclass(frozen=True, slots=True)
class CountryCsvRow:
    """One row of a CSV file, with its place."""

    file: str
    number: int
    cells: dict[str, str]

    def country_cell_location(self, column: str | None = None) -> str:
        """Return where the row, or one of its cells, stands."""
        return table_cell_location_text(self.file, self.number, column)

    def text(self, column: str) -> str:
        """Return a cell as text."""
        return self.cells[column].strip()

    def number_in(self, column: str, error: type[InputError] = CountryError) -> float:
        """Return a cell as a number, or raise `error`."""
        return self._parse_country_number(column, self.text(column), error)

    def number_or(self, column: str, default: float) -> float:
        """Return a cell as a number, or `default` where it is empty."""
        return self.number_in(column) if self.text(column) else default

    def money_bn_or_none(
        self, stem: str, currency: str, error: type[InputError] = CountryError
    ) -> float | None:
        """Return money in bn of `currency`, or None where the cell is empty.

        Raises:
            UnitError: The unit is unknown, or money of another currency.
        """
        amounts = self.money_amounts_bn(stem, currency, error)
        return amounts[0] if amounts else None

    def money_bn(self, stem: str, currency: str, error: type[InputError] = CountryError) -> float:
        """Return money in bn of `currency`, or raise `error` where there is none."""
        column = self._country_money_column(stem)
        amount = self.money_bn_or_none(stem, currency, error)
        return self.number_in(column, error) if amount is None else amount

    def money_amounts_bn(
        self, stem: str, currency: str, error: type[InputError] = CountryError
    ) -> tuple[float, ...]:
        """Return the amounts of a cell, parted by semicolons, in bn of `currency`."""
        column = self._country_money_column(stem)
        named = _MONEY_SUFFIX.fullmatch(column.removeprefix(stem))
        unit = self.cells.get("unit", "").strip()
        if named:
            unit = f"{named['currency'].upper()} {named['scale']}"
        place = self.country_cell_location(column if named else "unit")
        numbers = (
            self._parse_country_number(column, part.strip(), error)
            for part in self.text(column).split(";")
            if part.strip()
        )
        if not unit:
            return tuple(numbers)
        return tuple(convert(number, unit, f"{currency} bn", where=place) for number in numbers)

    def _country_money_column(self, stem: str) -> str:
        """Return the column that holds `stem`, bare or with currency and scale in its name."""
        for column in self.cells:
            # The whole of the rest must be a unit: `debt` is not to read `debt_share`.
            if column == stem or _MONEY_SUFFIX.fullmatch(column.removeprefix(stem)):
                return column
        raise CountryError(
            table_cell_location_text(self.file, 1),
            found=Message("no column {names}", {"names": stem}),
            wanted=Message("columns {names}", {"names": f"{stem}, {stem}_hkd_mn …"}),
        )

    def _parse_country_number(self, column: str, text: str, error: type[InputError]) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        # A number that is none would go through every sum to the end of the path.
        if math.isfinite(number):
            return number
        raise error(
            self.country_cell_location(column),
            found=f"'{text[:40]}'",
            wanted=Message("a number"),
            remedy=_plain_number_remedy(text),
        )


def _plain_number_remedy(text: str) -> Message:
    """Return how a number is written that a spreadsheet wrote its own way."""
    is_negative = text.startswith("(") and text.endswith(")")
    plain = _GROUPED.sub("", text) if _GROUPS.search(text) else text.replace(",", ".")
    match = _FIGURE.search(plain)
    if match is None or _CODE.search(text):
        return Message("Write a number there, with a point before its decimals.")
    number = float(match[0]) * (-1 if is_negative else 1) / (100 if "%" in text else 1)
    return Message(
        "Write {number}, without signs, units and separators.", {"number": f"{number:.12g}"}
    )


def country_csv_rows(
    path: Path, columns: Sequence[str], *, closed: bool = False
) -> Iterator[CountryCsvRow]:
    """Yield the rows of a CSV file that has at least these columns.

    Args:
        path: The file.
        columns: Columns that it must have.
        closed: Whether it may have no others than these and remarks on them.

    Raises:
        CountryError: The file is missing, is no text in UTF-8, lacks a column or has one that
            nothing reads.
    """
    reader = csv.DictReader(io.StringIO(_country_csv_text(path), newline=""))
    heads = list(reader.fieldnames or [])
    _check_headings(path.name, heads)
    missing = [name for name in columns if name not in heads]
    if missing:
        raise CountryError(
            table_cell_location_text(path.name, 1),
            found=Message("no column {names}", {"names": ", ".join(missing)}),
            wanted=Message("columns {names}", {"names": ", ".join(columns)}),
        )
    unread = [head for head in heads if head not in columns and head not in _REMARKS]
    if closed and unread:
        raise CountryError(
            table_cell_location_text(path.name, 1, unread[0]),
            found=Message("a column that nothing reads"),
            wanted=Message(
                "columns {names}",
                {"names": ", ".join(dict.fromkeys([*columns, *sorted(_REMARKS)]))},
            ),
            remedy=Message("Take the column out, or call it note where it is a remark."),
        )
    # The header is line 1, so that a fault is named by the line that an editor shows.
    for number, cells in enumerate(reader, start=2):
        # A row with more cells than the header keeps the rest under None: a comma that was meant
        # for decimals, or between thousands, would move every cell behind it.
        if cells.get(None):  # pyright: ignore[reportCallIssue, reportArgumentType]
            raise CountryError(
                table_cell_location_text(path.name, number),
                found=Message("more cells than there are columns"),
                wanted=Message("{count} cells", {"count": str(len(heads))}),
                remedy=Message(
                    "Write numbers with a point before their decimals, and a text with a comma in "
                    "quotes."
                ),
            )
        yield CountryCsvRow(path.name, number, csv_row_with_spreadsheet_texts_restored(cells))


def _check_headings(file: str, heads: Sequence[str]) -> None:
    """Raise where columns are not parted by commas, or two have one heading."""
    if len(heads) == 1 and (sign := next((s for s in ";\t|" if s in heads[0]), "")):
        raise CountryError(
            table_cell_location_text(file, 1),
            found=Message("{sign} between the columns", {"sign": repr(sign)}),
            wanted=Message("commas between the columns"),
            remedy=Message(
                "Save the file again as CSV with commas, and a point before the decimals."
            ),
        )
    twice = next((head for i, head in enumerate(heads) if head and head in heads[:i]), None)
    if twice is not None:
        raise CountryError(
            table_cell_location_text(file, 1, twice),
            found=Message("the same column twice"),
            wanted=Message("it once"),
            remedy=Message("Give each column its own heading."),
        )


def _country_csv_text(path: Path) -> str:
    wanted = Message("a CSV file")
    if not path.is_file():
        raise CountryError(path.name, found=Message("no such file"), wanted=wanted)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as failure:
        raise CountryError(
            path.name,
            found=str(failure),
            wanted=wanted,
            remedy=Message("Save the file again as CSV in UTF-8."),
        ) from None


def optional_country_csv_rows(
    path: Path, columns: Sequence[str], *, closed: bool = False
) -> Iterator[CountryCsvRow]:
    """Yield the rows of a CSV file that a country may leave out."""
    if path.is_file():
        yield from country_csv_rows(path, columns, closed=closed)
