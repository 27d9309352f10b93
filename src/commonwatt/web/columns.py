"""A big table as bare columns on disk, of which a page reads the few rows that it shows.

Numbers, days and instants lie as arrays, text as its bytes and where each begins; the
operating system maps them into memory and reads what is touched, nothing else. Polars
reads a whole file where fifty rows are wanted, 51 ms for a million rows; this takes
well under one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from commonwatt.core.files import LOCK_WAIT_S, folder_draft

if TYPE_CHECKING:
    import polars as pl

Array = npt.NDArray[np.generic]
Places = npt.NDArray[np.integer[Any]]
DESCRIPTION_FILE = "columns.json"


def save_console_cached_columns(
    load: Callable[[], pl.DataFrame], folder: Path, *, wait_s: float = LOCK_WAIT_S
) -> None:
    """Write a table's columns into a folder, whole or not at all, unless it is there by then.

    Args:
        load: Reads the table; called under the folder's lock, so that one process does.
        folder: Where.
        wait_s: How long another process that writes it is waited for [s].
    """
    with suppress(FileExistsError), folder_draft(folder, wait_s=wait_s) as draft:
        # Whom we waited for was writing these very columns.
        if folder.exists():
            raise FileExistsError
        frame = load()
        kinds = {name: _console_cached_name_of_dtype(dtype) for name, dtype in frame.schema.items()}
        for i, column in enumerate(frame.get_columns()):
            _save_console_table_column(column, draft, i)
        about = json.dumps({"height": frame.height, "kinds": kinds})
        (draft / DESCRIPTION_FILE).write_text(about)


def _save_console_table_column(column: pl.Series, folder: Path, i: int) -> None:
    import polars as pl

    if column.dtype == pl.String:
        _save_console_text_column(column, folder, i)
    else:
        values = column.to_physical().fill_null(0).to_numpy()
        _save_console_table_array(values, folder / f"{i}.npy")
    if column.null_count():
        _save_console_table_array(column.is_null().to_numpy(), folder / f"{i}.null.npy")


class Columns:
    """A table that was saved by `save_console_cached_columns`.

    >>> import polars as pl, tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "t"
    >>> frame = pl.DataFrame({"n": [1, None, 3], "t": ["a", "字", None]})
    >>> save_console_cached_columns(lambda: frame, folder)
    >>> Columns(folder).take(np.array([2, 1])).rows()
    [(3, None), (None, '字')]
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        about = json.loads((folder / DESCRIPTION_FILE).read_text())
        self.height: int = about["height"]
        self._kinds: dict[str, str] = about["kinds"]
        self._open: dict[str, Array] = {}
        self._with_gaps = frozenset(
            i for i in range(len(self._kinds)) if (folder / f"{i}.null.npy").exists()
        )

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns and their types."""
        return {name: _dtype_of_console_cached_name(kind) for name, kind in self._kinds.items()}

    def take(self, places: Places) -> pl.DataFrame:
        """Return the rows at `places`, in that order."""
        import polars as pl

        return pl.DataFrame(
            [self._read_console_table_column(name, places) for name in self._kinds],
            schema=self.schema,
        )

    def text(self, name: str, place: int) -> str | None:
        """Return one text."""
        i = list(self._kinds).index(name)
        return (
            None
            if self._console_column_missing_mask(i, np.array([place]))[0]
            else self._read_console_column_texts(i, [place])[0]
        )

    def _read_console_table_column(self, name: str, places: Places) -> pl.Series:
        import polars as pl

        i, kind = list(self._kinds).index(name), self._kinds[name]
        missing = self._console_column_missing_mask(i, places)
        if kind == "String":
            texts = self._read_console_column_texts(i, places.tolist())
            pairs = zip(texts, missing, strict=True)
            return pl.Series(name, [None if gone else text for text, gone in pairs], pl.String)
        values = pl.Series(
            name, np.array(self._memory_mapped_console_column_array(f"{i}")[places])
        ).cast(_dtype_of_console_cached_name(kind))
        if not missing.any():
            return values
        # The zeros that stand for gaps become gaps again before anybody sees them.
        return values.zip_with(pl.Series(~missing), pl.Series(name, [None], values.dtype))

    def _read_console_column_texts(self, i: int, places: list[int]) -> list[str]:
        bounds, bytes_ = (
            self._memory_mapped_console_column_array(f"{i}.bounds"),
            self._memory_mapped_console_column_array(f"{i}.bytes"),
        )
        at = np.asarray(places, np.int64)
        pieces = zip(bounds[at].tolist(), bounds[at + 1].tolist(), strict=True)
        return [bytes_[a:b].tobytes().decode() for a, b in pieces]

    def _console_column_missing_mask(self, i: int, places: Places) -> npt.NDArray[np.bool_]:
        if i not in self._with_gaps:
            return np.zeros(len(places), np.bool_)
        return np.array(self._memory_mapped_console_column_array(f"{i}.null")[places], np.bool_)

    def _memory_mapped_console_column_array(self, name: str) -> Array:
        if name not in self._open:
            mapped = np.load(self._folder / f"{name}.npy", mmap_mode="r")
            # A plain view of the mapped bytes: `memmap` runs Python at every look into it.
            self._open[name] = mapped.view(np.ndarray)
        return self._open[name]


def _save_console_text_column(column: pl.Series, folder: Path, i: int) -> None:
    texts = column.fill_null("")
    # Bytes and not letters: places are counted in the encoded text, where a Chinese letter takes
    # three.
    lengths = texts.str.len_bytes().to_numpy()
    bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    # Joined by Polars, outside the interpreter, which other pages need meanwhile.
    joined = (texts.str.join("").item() or "").encode()
    _save_console_table_array(bounds, folder / f"{i}.bounds.npy")
    _save_console_table_array(np.frombuffer(joined or b"\0", np.uint8), folder / f"{i}.bytes.npy")


def _save_console_table_array(values: Array, path: Path) -> None:
    # np.load reads no pickles, so a column of Python objects must fail here and not when a page
    # needs it.
    np.save(path, values, allow_pickle=False)


def _console_cached_name_of_dtype(dtype: pl.DataType) -> str:
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        # Of a Datetime str() gives a call with its arguments, which `getattr(pl, kind)` could not
        # find again.
        return f"Datetime {dtype.time_unit} {dtype.time_zone or ''}".strip()
    return str(dtype)


def _dtype_of_console_cached_name(kind: str) -> pl.DataType:
    import polars as pl

    if kind.startswith("Datetime"):
        _, unit, *zone = kind.split()
        return pl.Datetime(unit, zone[0] if zone else None)  # pyright: ignore[reportArgumentType]
    return getattr(pl, kind)()
