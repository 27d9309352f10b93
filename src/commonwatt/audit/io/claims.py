"""Claims as a person writes them down: one row, one claim."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from commonwatt.audit.domain.claim_units import parse_claim_unit
from commonwatt.audit.domain.claims import PublishedClaim, claim_ids_in_relation
from commonwatt.audit.domain.intervals import ClaimInterval
from commonwatt.audit.io.regions import load_claim_region_table
from commonwatt.catalogue.errors import UnitError
from commonwatt.catalogue.units import Unit
from commonwatt.core.errors import table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.core.spreadsheets import csv_row_with_spreadsheet_texts_restored
from commonwatt.siting.domain.errors import ClaimsError

COLUMNS: Final = ("id", "quote", "quantity", "low", "high", "unit", "region", "period")
_STRICT: Final = re.compile(r"over|more than|above|below|under|less than|以上|不足|超|逾", re.I)
_OVER: Final = re.compile(r"more than|slightly over|just over|逾|超過|超过", re.I)


def load_claims(path: Path) -> list[PublishedClaim]:
    """Return the claims of a CSV file.

    Raises:
        ClaimsError: The file or a row of it cannot be audited; the row is named.
    """
    try:
        # Spreadsheets put a byte order mark first, which would become part of the name "id".
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ClaimsError(
            str(path), found=Message("no readable file"), wanted=Message("a CSV file of claims")
        ) from error
    return parse_claims(text, path.name)


def parse_claims(text: str, name: str) -> list[PublishedClaim]:
    """Return the claims in `text`, checked against each other."""
    # Column names are a contract with whoever writes claims by hand: a misspelled one would
    # read as an empty column, and every claim as one without a figure.
    reader = csv.DictReader(io.StringIO(text))
    missing = [each for each in COLUMNS if each not in (reader.fieldnames or [])]
    if missing:
        raise ClaimsError(
            name,
            found=Message("no column {names}", {"names": ", ".join(missing)}),
            wanted=Message("the columns {names}", {"names": ", ".join(COLUMNS)}),
        )
    # From 2, as a spreadsheet counts: the first row holds the names.
    rows = (csv_row_with_spreadsheet_texts_restored(cells) for cells in reader)
    claims = [
        _published_claim_of_row(row, name, number) for number, row in enumerate(rows, start=2)
    ]
    _check_claim_ids_unique_and_relations_known(claims, name)
    return claims


def _published_claim_of_row(
    row: Mapping[str, str | None], name: str, number: int
) -> PublishedClaim:
    text = {key: (row[key] or "").strip() for key in (*COLUMNS, "relates_to") if key in row}
    where = table_cell_location_text(name, number)
    value = _claim_interval_of_row(text, where)
    # A figure of no year is true of some year, and cannot be held against anything.
    if value is not None and not text["period"]:
        raise ClaimsError(
            table_cell_location_text(name, number, "period"),
            found=Message("a figure without a year"),
            wanted=Message("the year or date that the figure speaks of"),
        )
    regions = tuple(part.strip() for part in text["region"].split("/") if part.strip())
    return PublishedClaim(
        id=text["id"], quote=text["quote"], quantity=text["quantity"], value=value,
        unit=_claim_unit_or_none(text["unit"], regions), unit_text=text["unit"], regions=regions,
        period=text["period"], relation=text.get("relates_to", ""),
    )  # fmt: skip


def _claim_unit_or_none(text: str, regions: tuple[str, ...]) -> Unit | None:
    """Return the unit; None is one that nobody knows, and the audit says so of its claim."""
    try:
        return parse_claim_unit(
            text,
            home=load_claim_region_table().currency_of_claim_region_or_empty(regions[0])
            if regions
            else "",
        )
    except UnitError:
        return None


def _claim_interval_of_row(text: Mapping[str, str], where: str) -> ClaimInterval | None:
    if not text["low"] and not text["high"]:
        return None
    try:
        # One empty bound is an open end, as in "over 20 times"; two are a claim without a figure.
        low = _claim_number_of_text_with_commas(text["low"]) if text["low"] else -math.inf
        high = _claim_number_of_text_with_commas(text["high"]) if text["high"] else math.inf
    except ValueError as error:
        raise ClaimsError(where, found=str(error), wanted=Message("numbers as bounds")) from error
    if not low <= high:
        raise ClaimsError(
            where,
            found=Message("low {low} above high {high}", {"low": f"{low:g}", "high": f"{high:g}"}),
            wanted=Message("bounds in order"),
        )
    words = f"{text['quote']} {text['quantity']}"
    if low == high and _OVER.search(words):
        high = low + abs(low) * 0.1  # "over 4,000" says a little more than it prints
    is_open = math.isinf(low) or math.isinf(high)
    return ClaimInterval(low, high, strict=is_open and bool(_STRICT.search(words)))


def _claim_number_of_text_with_commas(text: str) -> float:
    """Return a number that may have commas between thousands."""
    return float(text.replace(",", ""))


def _check_claim_ids_unique_and_relations_known(claims: list[PublishedClaim], name: str) -> None:
    ids: set[str] = set()
    for number, claim in enumerate(claims, start=2):
        if not claim.id or claim.id in ids:
            raise ClaimsError(
                table_cell_location_text(name, number, "id"),
                found=repr(claim.id),
                wanted=Message("an id that no other claim has"),
            )
        ids.add(claim.id)
    for number, claim in enumerate(claims, start=2):
        unknown = [each for each in claim_ids_in_relation(claim.relation) if each not in ids]
        if unknown:
            raise ClaimsError(
                table_cell_location_text(name, number, "relates_to"),
                found=Message("the unknown claim {name}", {"name": unknown[0]}),
                wanted=Message("ids of this file"),
            )
