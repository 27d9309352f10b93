"""The run store as pages read it: manifests and tables, each read once.

A run never changes once it is sealed, so whatever was read of one stays true.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from commonwatt.core.errors import RunNotFoundError
from commonwatt.core.messages import Message
from commonwatt.web.page_view import TableRows

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run, RunStore

T = TypeVar("T")


class _MakersTurn:
    """The lock of who makes one thing, and how many hold it or wait for it."""

    def __init__(self) -> None:
        self.lock, self.threads = Lock(), 0


class RecentCache(Generic[T]):
    """The last few things made, by key; safe to share between threads.

    Args:
        most: How much is kept, in the unit of `weight`.
        weight: How much one thing counts, such as its bytes; 1 for each where none is given.
    """

    def __init__(self, most: int, weight: Callable[[T], int] | None = None) -> None:
        self._most, self._lock = most, Lock()
        self._weight: Callable[[T], int] = weight or _unit_cache_weight
        self._cached: OrderedDict[str, T] = OrderedDict()
        self._total = 0
        self._turns: dict[str, _MakersTurn] = {}

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return what is cached under `key`, or make and cache it.

        Of threads that ask for one key at once, one makes it and the others wait: on a cold
        cache a crowd would otherwise do the same work as often as it has people. `make` may
        ask for other keys, and never for its own.
        """
        with self._lock:
            if key in self._cached:
                self._cached.move_to_end(key)
                return self._cached[key]
            turn = self._turns.setdefault(key, _MakersTurn())
            turn.threads += 1
        try:
            # One lock a key, so that one slow table does not stop every other page.
            with turn.lock:
                return self._cached_or_made(key, make)
        finally:
            with self._lock:
                turn.threads -= 1
                if not turn.threads:
                    del self._turns[key]

    def forget(self, key: str) -> None:
        """Let go of what is cached under `key`, if anything is."""
        with self._lock:
            self._drop(key)

    def _cached_or_made(self, key: str, make: Callable[[], T]) -> T:
        with self._lock:
            # Whoever had the turn before us has made it, unless it failed.
            if key in self._cached:
                return self._cached[key]
        made = make()
        with self._lock:
            if self._weight(made) > self._most:
                return made
            self._cached[key] = made
            self._total += self._weight(made)
            while self._total > self._most:
                # The one that was asked for longest ago: `move_to_end` above keeps this order.
                self._drop(next(iter(self._cached)))
        return made

    def _drop(self, key: str) -> None:
        if key in self._cached:
            self._total -= self._weight(self._cached.pop(key))


def _unit_cache_weight(made: object) -> int:
    del made
    return 1


class ConsoleRuns:
    """All runs of a store, newest first."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._manifests: RecentCache[Run] = RecentCache(500)
        self._columns: RecentCache[list[str]] = RecentCache(500)

    def list_runs(self, kind: str = "") -> list[Run]:
        """Return the runs, of one kind where it is given, newest first."""
        # The folder is listed each time, because other processes put runs there; only the manifests
        # are kept.
        every = [self._cached_run(run_id) for run_id in self._store.ids()]
        return [run for run in every if not kind or run.kind == kind]

    def ids(self) -> list[str]:
        """Return the ids of all runs, newest first."""
        return self._store.ids()

    def find_run_or_newest_of_kind(self, run_id: str, kind: str, *others: str) -> Run | None:
        """Return the run of that id, or the newest of that kind where none is named.

        Raises:
            RunNotFoundError: A run is named that is not there, or is of no such kind.
        """
        if not run_id:
            # A generator: the newest run of a kind is near the top, and the manifests below it are
            # not read.
            return next(iter(self._runs_of_kind(kind)), None)
        run = self.get(run_id)
        if run.kind not in (kind, *others):
            raise _console_run_not_found_error(run_id)
        return run

    def get(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            RunNotFoundError: It is not there.
        """
        # The id comes from an address. It is looked up among those that exist before a path is made
        # of it.
        if run_id not in self._store.ids():
            raise _console_run_not_found_error(run_id)
        return self._cached_run(run_id)

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run."""
        return self._store.folder(run_id)

    def rows(self, run: Run, table: str) -> TableRows:
        """Return a table of a run, not yet read."""
        size = next((row["rows"] for row in run.tables if row["name"] == table), None)
        return TableRows(
            key=f"run/{run.run_id}/{table}",
            load=lambda: self._store.table(run.run_id, table),
            size=size,
            parquet=self._run_table_parquet_path(run, table),
        )

    def columns(self, run: Run, table: str) -> list[str]:
        """Return the names of a table's columns, without reading its rows."""
        import polars as pl

        path = self._run_table_parquet_path(run, table)
        key = f"{run.run_id}/{table}"
        # A Parquet file has its schema at its end, so a table of a million rows costs no more than
        # one of ten.
        return self._columns.get(key, lambda: list(pl.read_parquet_schema(path)))

    def has(self, run: Run, table: str) -> bool:
        """Return whether a run has a table of that name."""
        return any(row["name"] == table for row in run.tables)

    def frame(self, run: Run, table: str, *columns: str) -> pl.DataFrame:
        """Return a whole table of a run, for small ones; or the named columns of any."""
        return self._store.table(run.run_id, table, *columns)

    def _run_table_parquet_path(self, run: Run, table: str) -> Path:
        return self._store.folder(run.run_id) / "tables" / f"{table}.parquet"

    def _runs_of_kind(self, kind: str) -> Iterator[Run]:
        every = (self._cached_run(run_id) for run_id in self._store.ids())
        return (run for run in every if run.kind == kind)

    def _cached_run(self, run_id: str) -> Run:
        return self._manifests.get(run_id, lambda: self._store.read(run_id))


def _console_run_not_found_error(run_id: str) -> RunNotFoundError:
    return RunNotFoundError(
        run_id[:16], found=Message("no such run"), wanted=Message("the id of a run")
    )
