"""How a plain table is written and what its cells may hold, and a first guess at both.

A custodian writes the schema as JSON, takes one that is shipped for a public
data set, or starts from a guess: `infer_import_table_schema` looks at a file and proposes
kinds. A guess never proposes bounds or choices from single people's cells.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA, ShippedCollection
from commonwatt.core.strict_json import parse_strict_json
from commonwatt.sandbox.domain.errors import DataImportError
from commonwatt.sandbox.io.imports.checked import (
    dataset_sql_text_literal,
    import_error_without_record_content,
)
from commonwatt.sandbox.io.imports.compressed import open_unpacked_import_file

SCHEMAS: Final = ShippedCollection(DATA / "sandbox" / "schemas", "*.json")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
TYPES: Final = {
    "integer": "BIGINT", "float": "DOUBLE", "date": "DATE", "datetime": "TIMESTAMP",
    "text": "VARCHAR", "flag": "BOOLEAN",
}  # fmt: skip
_GUESSES: Final = ("integer", "float", "date", "datetime")
_MISSING: Final = ("", "?", "NA", "NULL", "null", "NaN", "nan", "N/A")


def cast_table_cell_sql(cell: str, kind: str) -> str:
    """Return SQL for the value of a text, nothing where it is none of that kind.

    Exporters write whole numbers as `63.0` and dates as the first second of a day;
    any other fraction or time would be lost, so it is none.
    """
    match kind:
        case "integer":
            # Anything else after the point would be rounded away by the cast without a word.
            text = f"regexp_extract({cell}, '^([+-]?[0-9]+)(\\.0+)?$', 1)"
        case "date":
            text = f"regexp_extract({cell}, '^(.{{8,10}}?)([ T]00:00(:00(\\.0+)?)?)?$', 1)"
        case _:
            text = cell
    return f"TRY_CAST({text} AS {TYPES[kind]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetField:
    """One field: `kind` is integer, float, date, datetime, text or flag.

    Args:
        name: In the store.
        kind: What its cells hold.
        required: No cell may be empty.
        unique: No two cells may be equal.
        longest: Most characters of a text; None for no limit.
        choices: The only values allowed; empty for any.
        lowest: Least value of a number; None for no limit.
        highest: Greatest value of a number; None for no limit.
        column: Its name in the file, where that is another.
    """

    name: str
    kind: str
    required: bool = False
    unique: bool = False
    longest: int | None = None
    choices: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    column: str = ""

    def __post_init__(self) -> None:
        if self.kind not in TYPES or not NAME.fullmatch(self.name):
            raise DataImportError(
                self.name,
                found=Message("a field of kind {kind}", {"kind": self.kind}),
                wanted=Message("a plain name and one of {kinds}", {"kinds": ", ".join(TYPES)}),
            )

    @property
    def heading(self) -> str:
        """Return the field's column in the file, in small letters."""
        return (self.column or self.name).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFileSchema:
    """How a plain table is written.

    Args:
        fields: In the file's order where it has no header.
        header: Whether the first line names the columns.
        missing: Marks that stand for nothing, beside the empty cell.
        delimiter: Between cells.
    """

    fields: tuple[DatasetField, ...]
    header: bool = True
    missing: tuple[str, ...] = ()
    delimiter: str = ","

    def headings(self, source: Path) -> list[str]:
        """Return the names of the columns of `source`, no two alike."""
        if not self.header:
            return [field.heading for field in self.fields]
        with open_unpacked_import_file(source) as file:
            text = io.TextIOWrapper(file, "utf-8-sig", "replace", newline="")
            try:
                row = next(csv.reader(text, delimiter=self.delimiter), list[str]())
            except csv.Error:
                row = list[str]()
            text.detach()
        return _distinct_import_column_names(row)

    def reader_sql(self, source: Path, *, lenient: bool = False) -> str:
        """Return SQL that reads `source` with every cell as text.

        Nothing of the file is left for the database to guess: it would skip lines
        that look odd to it. With `lenient` it skips rows that are not in order.
        """
        path = dataset_sql_text_literal(str(source))
        if source.suffix == ".parquet":
            return f"read_parquet({path})"
        marks = ", ".join(dataset_sql_text_literal(mark) for mark in ("", *self.missing))
        named = ", ".join(
            f"{dataset_sql_text_literal(name)}: 'VARCHAR'" for name in self.headings(source)
        )
        return (
            # Every option is stated: what the database sniffs depends on the first rows and would
            # differ between two files of one table.
            f"read_csv({path}, auto_detect=false, header={self.header}, columns={{{named}}},"
            f" delim={dataset_sql_text_literal(self.delimiter)}, quote='\"', escape='\"',"
            f" nullstr=[{marks}], ignore_errors={lenient}, max_line_size=16777216)"
        )


def _distinct_import_column_names(names: Sequence[str]) -> list[str]:
    """Return the names, those that are empty or come again told apart.

    >>> _distinct_import_column_names(["a", "", "A"])
    ['a', 'column1', 'A_1']
    """
    plain = [name.strip() or f"column{i}" for i, name in enumerate(names)]
    before = [
        [earlier.lower() for earlier in plain[:i]].count(name.lower())
        for i, name in enumerate(plain)
    ]
    return [f"{name}_{n}" if n else name for name, n in zip(plain, before, strict=True)]


def load_import_file_schema(schema: str | Path) -> TableFileSchema:
    """Return the schema in a JSON file, or the shipped one of that name.

    The file holds a list of fields, or an object with `fields` and how the table
    is written: `header`, `missing`, `delimiter`.

    Raises:
        DataImportError: The file is no schema.
    """
    path = SCHEMAS.find_shipped_file_or_path(schema)
    try:
        document: Any = parse_strict_json(path.read_text(encoding="utf-8"))
        facts: dict[str, Any] = {"fields": document} if isinstance(document, list) else document
        fields = tuple(_dataset_field_of_schema_row(row) for row in facts["fields"])
        written = {key: facts[key] for key in ("header", "delimiter") if key in facts}
        return TableFileSchema(fields=fields, missing=tuple(facts.get("missing", ())), **written)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataImportError(
            path.name,
            found=type(error).__name__,
            wanted=Message("a JSON list of fields with name, kind and required"),
            remedy=Message(
                "Shipped schemas: {names}.",
                {"names": ", ".join(sorted(shipped_import_file_schema_names()))},
            ),
        ) from None


def shipped_import_file_schema_names() -> set[str]:
    """Return the names of the schemas that come with Commonwatt.

    >>> "uci-heart" in shipped_import_file_schema_names()
    True
    """
    return set(SCHEMAS.names())


def _dataset_field_of_schema_row(row: Mapping[str, Any]) -> DatasetField:
    facts: dict[str, Any] = {**row, "choices": tuple(row.get("choices", ()))}
    return DatasetField(**facts)


def infer_import_table_schema(source: Path, *, rows: int = 100_000) -> TableFileSchema:
    """Return a guess at the schema of a table with a header, from its first `rows` rows.

    A column is whole numbers, numbers, dates, instants or text, whichever is the
    narrowest that all its cells are; nothing is required or unique.

    Raises:
        DataImportError: The file cannot be read as a table.
    """
    # Lenient, because a guess may look at a file that is not in order; the import itself is not.
    blank = TableFileSchema(fields=(), missing=_MISSING)
    try:
        with duckdb.connect() as base:
            base.execute(f"CREATE TEMP TABLE seen AS SELECT COLUMNS(*)::VARCHAR FROM"  # noqa: S608
                         f" {blank.reader_sql(source, lenient=True)} LIMIT {rows}")  # fmt: skip
            columns = [str(column[0]) for column in base.execute("FROM seen").description or []]
            kinds = [_inferred_import_column_kind(base, column) for column in columns]
    except duckdb.Error as error:
        raise DataImportError(
            source.name,
            found=Message("a file that cannot be read as a table"),
            wanted=Message("CSV with a header or Parquet, in UTF-8"),
        ) from import_error_without_record_content(error)
    names = _plain_dataset_column_names(columns)
    fields = tuple(
        DatasetField(name=name, kind=kind, column=column)
        for name, kind, column in zip(names, kinds, columns, strict=True)
    )
    return TableFileSchema(fields=fields, missing=_MISSING)


def _inferred_import_column_kind(base: duckdb.DuckDBPyConnection, column: str) -> str:
    cell = '"' + column.replace('"', '""') + '"'
    for kind in _GUESSES:
        code = f"regexp_matches({cell}, '^[+-]?0[0-9]')"  # 007 is a name, not the number 7
        # Narrowest first: every whole number is a number, and every date an instant.
        no = f"{cell} IS NOT NULL AND ({cast_table_cell_sql(cell, kind)} IS NULL OR {code})"
        wrong = f"count(*) FILTER ({no})"
        counts = base.execute(f"SELECT {wrong}, count({cell}) FROM seen").fetchone()  # noqa: S608
        assert counts is not None
        # A column without a single value proves no kind and stays text.
        if counts[0] == 0 and counts[1] > 0:
            return kind
    return "text"


def _plain_dataset_column_names(columns: Sequence[str]) -> list[str]:
    """Return a plain name for each column, no two alike.

    >>> _plain_dataset_column_names(["Age (y)", "age y", "2h", "年齡"])
    ['age_y', 'age_y_2', 'c_2h', 'c']
    """
    names: list[str] = []
    for column in columns:
        name = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
        name = name if NAME.fullmatch(name) else f"c_{name}".rstrip("_")[:60]
        tail = sum(existing == name or existing.startswith(f"{name}_") for existing in names)
        names.append(f"{name}_{tail + 1}" if name in names else name)
    return names


def dataset_file_schema_json(plain: TableFileSchema) -> str:
    """Return a schema as the JSON that `load_import_file_schema` reads."""
    rows = [
        {
            key: value
            for key, value in _dataset_field_schema_row(field).items()
            if value or isinstance(value, float)
        }
        for field in plain.fields
    ]
    facts = {"header": plain.header, "delimiter": plain.delimiter, "missing": plain.missing}
    return json.dumps(facts | {"fields": rows}, indent=1, ensure_ascii=False)


def _dataset_field_schema_row(field: DatasetField) -> dict[str, Any]:
    names = ("name", "kind", "required", "unique", "longest", "choices", "lowest", "highest",
             "column")  # fmt: skip
    facts: dict[str, Any] = {name: getattr(field, name) for name in names}
    return facts | {
        name: _import_field_bound_or_none(facts[name]) for name in ("lowest", "highest")
    }


def _import_field_bound_or_none(value: float | None) -> float | None:
    return None if value is None else float(value)
