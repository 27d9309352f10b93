"""What was derived from a run once and is kept beside it: reductions, orders, columns.

A table of a million rows is kept as bare columns, with one file a sorted column, so
that a page of fifty rows reads fifty rows; the first few looks read the run's own file. Each
file is named by what it is made of, and is made once, under its own lock, by whichever thread
of whichever process comes first; the others wait for it. Everything here can be deleted at any
time and is made again when it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from commonwatt.core.files import file_draft
from commonwatt.core.messages import LANGUAGES, Message, translations_sha256
from commonwatt.core.spreadsheets import frame_as_spreadsheet_csv_bytes
from commonwatt.runs.source import package_source_digest_for_run_ids
from commonwatt.web.columns import Columns, Places, save_console_cached_columns
from commonwatt.web.errors import ParameterError
from commonwatt.web.page_view import TableRows
from commonwatt.web.runs import RecentCache

if TYPE_CHECKING:
    import polars as pl

CACHE_VERSION = "2"  # changes whenever what is kept changes its form
# A derived file of a million rows takes seconds, and more beside other work: as long as a proxy
# waits for an answer, and longer than any of them takes.
DERIVED_FILE_WAIT_S = 120.0
LARGE_TABLE_ROWS = 20_000  # rows from which a table's columns and orders are kept on disk
LOOKS_INTO_FILE = 4  # by a process, before the columns of a large table are written

# Four bytes a row: an order of a million rows is 4 MB on disk.
Order = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableQuery:
    """Which rows of a table are wanted.

    Args:
        first: Rows passed over.
        count: Rows wanted.
        order: Column to sort by, with `-` before it for the greatest first; or none.
        column: Column of text that is searched; or none.
        starts: How its values must begin.
    """

    first: int = 0
    count: int = 50
    order: str = ""
    column: str = ""
    starts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePage:
    """The rows that were asked for, and how many there are in all."""

    frame: pl.DataFrame
    height: int


class RowSource(Protocol):
    """A table of which rows can be taken, in memory or on disk."""

    height: int

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """The columns and their types."""
        ...

    def take(self, places: Places) -> pl.DataFrame:
        """Return the rows at `places`, in that order."""
        ...

    def text(self, name: str, place: int) -> str | None:
        """Return one text."""
        ...


class InMemoryRows:
    """A table that is small enough to hold."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame, self.height = frame, frame.height

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """The columns and their types."""
        return self.frame.schema

    def take(self, places: Places) -> pl.DataFrame:
        """Return the rows at `places`, in that order."""
        return self.frame[np.asarray(places, np.int64)]

    def text(self, name: str, place: int) -> str | None:
        """Return one text."""
        return self.frame[name][place]


class ParquetRows:
    """A large table as its file holds it: nothing is made before the first rows are shown.

    Columns on disk give fifty rows in a hundredth of the time, and take longer to write than a
    few looks into the file; most tables are looked at once or twice, by a crowd that waits.

    Args:
        path: The file.
        height: Its rows.
    """

    def __init__(self, path: Path, height: int) -> None:
        self.path, self.height, self.looks = path, height, 0

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """The columns and their types."""
        import polars as pl

        return pl.read_parquet_schema(self.path)

    def take(self, places: Places) -> pl.DataFrame:
        """Return the rows at `places`, in that order."""
        import polars as pl

        self.looks += 1
        at = np.asarray(places, np.int64)
        if len(at) and (np.diff(at) == 1).all():
            return pl.scan_parquet(self.path).slice(int(at[0]), len(at)).collect()
        # One column after the other: never more of the table in memory than one of them.
        return pl.DataFrame([self.column(name)[at] for name in self.schema])

    def column(self, name: str) -> pl.Series:
        """Return one whole column."""
        import polars as pl

        return pl.read_parquet(self.path, columns=[name])[name]

    def text(self, name: str, place: int) -> str | None:
        """Return one text."""
        return self.column(name)[place]


class TableCache:
    """Everything that is kept, in memory and below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / CACHE_VERSION
        self._sources: RecentCache[RowSource] = RecentCache(48)
        self._texts: RecentCache[str] = RecentCache(400)
        self._orders: RecentCache[Order] = RecentCache(32)

    def load_frame(self, rows: TableRows) -> pl.DataFrame:
        """Return all rows, for what is made of them once."""
        # A large table is read, used once and let go; what was made of it is small and is what is
        # kept.
        if _is_large_run_table(rows):
            return rows.load()
        source = self._cached_row_source(rows)
        return source.frame if isinstance(source, InMemoryRows) else rows.load()

    def cached_text(self, key: str, make: Callable[[], str]) -> str:
        """Return the text kept under `key`, or make and keep it."""
        return self._texts.get(key, lambda: self._page_text_cached_on_disk(key, make))

    def table_page(self, rows: TableRows, query: TableQuery) -> TablePage:
        """Return the rows that are asked for.

        Raises:
            ParameterError: The table has no such column.
        """
        try:
            return self._table_page(rows, query)
        except FileNotFoundError:
            # Somebody emptied the folder while we had a table of it open.
            self._sources.forget(rows.key)
            return self._table_page(rows, query)

    def spreadsheet_csv_file_or_bytes(self, rows: TableRows) -> Path | bytes:
        """Return a whole table as CSV for spreadsheets: its file, or its bytes where none is kept.

        A run's own CSV has no mark, which programs that read it by themselves do not expect.
        """
        if not rows.key.startswith("run/"):
            return frame_as_spreadsheet_csv_bytes(self.load_frame(rows), marked=True)
        path = self._console_cache_file_path(f"{rows.key}/download", "csv")
        if not path.exists():
            self._write_console_cache_file_once(
                path,
                lambda draft: draft.write_bytes(
                    frame_as_spreadsheet_csv_bytes(self.load_frame(rows), marked=True)
                ),
            )
        return path

    def _table_page(self, rows: TableRows, query: TableQuery) -> TablePage:
        source = self._row_source_for_table_query(rows, query)
        check_page_table_query_columns(source.schema, query)
        if query.starts and query.column:
            places: Places = self._ordered_row_numbers_with_text_prefix(rows, source, query)
        elif query.order:
            places = self._sorted_row_numbers(rows, source, query.order)
        else:
            # Without an order no row numbers are made, so a page of a million rows touches only its
            # fifty.
            last = min(query.first + query.count, source.height)
            frame = source.take(np.arange(min(query.first, last), last))
            return TablePage(frame=frame, height=source.height)
        wanted = places[query.first : query.first + query.count]
        return TablePage(frame=source.take(np.asarray(wanted)), height=len(places))

    def _row_source_for_table_query(self, rows: TableRows, query: TableQuery) -> RowSource:
        source = self._cached_row_source(rows)
        if not isinstance(source, ParquetRows):
            return source
        # A search looks at some forty rows one by one, each of which would cost a whole column.
        is_search = bool(query.starts and query.column)
        if source.looks < LOOKS_INTO_FILE and not is_search:
            return source
        self._sources.forget(rows.key)
        return self._sources.get(rows.key, lambda: self._open_cached_columns_saving_if_absent(rows))

    def _cached_row_source(self, rows: TableRows) -> RowSource:
        return self._sources.get(rows.key, lambda: self._open_row_source(rows))

    def _open_row_source(self, rows: TableRows) -> RowSource:
        if not _is_large_run_table(rows):
            return InMemoryRows(rows.load())
        folder = self._console_cache_file_path(rows.key, "columns")
        if rows.parquet is not None and rows.size is not None and not folder.exists():
            return ParquetRows(rows.parquet, rows.size)
        return self._open_cached_columns_saving_if_absent(rows)

    def _open_cached_columns_saving_if_absent(self, rows: TableRows) -> RowSource:
        folder = self._console_cache_file_path(rows.key, "columns")
        if not folder.exists():
            save_console_cached_columns(rows.load, folder, wait_s=DERIVED_FILE_WAIT_S)
        return Columns(folder)

    def _ordered_row_numbers_with_text_prefix(
        self, rows: TableRows, source: RowSource, ask: TableQuery
    ) -> Places:
        """Return the places of rows whose text begins so, in the order asked for."""
        order = self._sorted_row_numbers(rows, source, ask.column)
        first = _count_sorted_rows_before(source, ask.column, order, ask.starts)
        # The greatest code point: every text that begins so sorts before it.
        last = _count_sorted_rows_before(source, ask.column, order, ask.starts + "\U0010ffff")
        # Back in the table's own order, which a reader expects who asked for no other.
        row_numbers = np.sort(order[first:last])
        if not ask.order:
            return row_numbers
        few = source.take(row_numbers)[ask.order.removeprefix("-")]
        down = ask.order.startswith("-")
        return row_numbers[few.arg_sort(descending=down, nulls_last=True).to_numpy()]

    def _sorted_row_numbers(self, rows: TableRows, source: RowSource, by: str) -> Order:
        key = f"{rows.key}/order/{by}"
        return self._orders.get(
            key, lambda: self._sorted_row_numbers_on_disk(key, rows, source, by)
        )

    def _sorted_row_numbers_on_disk(
        self, key: str, rows: TableRows, source: RowSource, by: str
    ) -> Order:
        if isinstance(source, InMemoryRows):
            return _page_row_numbers_sorted_by_column(source.frame, by)
        path = self._console_cache_file_path(key, "npy")
        if not path.exists():
            # The draft's name ends as the file's does: np.save would add .npy to any other and the
            # rename would miss it.
            self._write_console_cache_file_once(
                path,
                lambda draft: _save_sorted_page_row_numbers(
                    draft,
                    _page_row_numbers_sorted_by_column(_frame_having_sort_column(rows, by), by),
                ),
            )
        # Mapped, not read: a page looks at fifty of these numbers.
        return np.load(path, mmap_mode="r")

    def _page_text_cached_on_disk(self, key: str, make: Callable[[], str]) -> str:
        # A sealed run never changes, and a shipped country changes with the program. Any other key
        # stands for a state that is soon gone and would leave a file behind for ever.
        if not key.startswith(("run/", "country/")):
            return make()
        # How a text is drawn and in which words is the program's: after an upgrade the same run
        # is drawn anew.
        path = self._console_cache_file_path(
            f"{key}/{console_source_and_translations_digest()}", "txt"
        )
        drawn = _read_digest_checked_text_or_none(path)
        if drawn is not None:
            return drawn
        # Not synced: a page derives dozens, and one that a power cut spoils is known by its digest.
        with file_draft(path, synced=False, wait_s=DERIVED_FILE_WAIT_S) as draft:
            drawn = _read_digest_checked_text_or_none(path)
            if drawn is None:
                drawn = make()
            draft.write_bytes(f"{_console_cached_text_sha256(drawn)}\n{drawn}".encode())
        return drawn

    def _console_cache_file_path(self, key: str, ending: str) -> Path:
        # A key holds whatever a column is called, so it cannot be a file's name itself.
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        # One folder a run, so that all that was derived from a run can be found and deleted
        # together.
        return self._folder / key.split("/")[1] / f"{digest}.{ending}"

    def _write_console_cache_file_once(self, path: Path, write: Callable[[Path], object]) -> None:
        """Write a file whole or not at all, unless another process has just done so."""
        try:
            with file_draft(path, wait_s=DERIVED_FILE_WAIT_S) as draft:
                # Asked again under the lock: whom we waited for was making this very file.
                if path.exists():
                    raise _AlreadyDerivedError
                write(draft)
        except _AlreadyDerivedError:
            pass


class _AlreadyDerivedError(Exception):
    """Leaves the block of a draft that is not needed any more."""


@cache
def console_source_and_translations_digest() -> str:
    """Return a digest of all that a drawn text is made of beside the run: program and words."""
    parts = [
        package_source_digest_for_run_ids(),
        *(translations_sha256(language) for language in LANGUAGES),
    ]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def _console_cached_text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read_digest_checked_text_or_none(path: Path) -> str | None:
    """Return the text of a file that begins with its digest; None where it is not whole."""
    try:
        digest, _, text = path.read_bytes().decode().partition("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return text if digest == _console_cached_text_sha256(text) else None


def check_page_table_query_columns(schema: Mapping[str, pl.DataType], query: TableQuery) -> None:
    """Refuse a column that the table lacks, and a search in one that is no text.

    Raises:
        ParameterError: There is no such column, or it holds no text.
    """
    import polars as pl

    for name, column in (("order", query.order.removeprefix("-")), ("column", query.column)):
        if (column or query.order == "-") and column not in schema:
            wanted = Message("a column of the table")
            raise ParameterError(name, found=Message("another name"), wanted=wanted)
    if query.column and schema[query.column] != pl.String:
        raise ParameterError("column", wanted=Message("a column of text"))


def _is_large_run_table(rows: TableRows) -> bool:
    return (rows.size or 0) >= LARGE_TABLE_ROWS and rows.key.startswith("run/")


def _save_sorted_page_row_numbers(path: Path, order: Order) -> None:
    # An open file: to a path NumPy would add an ending of its own.
    with path.open("wb") as file:
        np.save(file, order)


def _frame_having_sort_column(rows: TableRows, by: str) -> pl.DataFrame:
    """Return a frame that has the column which `by` names, read without the others if it can be."""
    import polars as pl

    if rows.parquet is None:
        return rows.load()
    return pl.read_parquet(rows.parquet, columns=[by.removeprefix("-")])


def _page_row_numbers_sorted_by_column(frame: pl.DataFrame, by: str) -> Order:
    column = frame[by.removeprefix("-")]
    down = by.startswith("-")
    # Missing values stand last in both directions: nobody sorts a column to read its gaps first.
    return column.arg_sort(descending=down, nulls_last=True).to_numpy().astype(np.uint32)


def _count_sorted_rows_before(source: RowSource, column: str, order: Order, wanted: str) -> int:
    """Return how many of the sorted values come before `wanted`; missing ones come last."""
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        value = source.text(column, int(order[middle]))
        # Polars sorted by UTF-8 bytes and Python compares code points; both give the same order, or
        # this search would go astray.
        if value is not None and value < wanted:
            low = middle + 1
        else:
            high = middle
    return low
