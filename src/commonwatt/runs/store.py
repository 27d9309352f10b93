"""Write a run once, find it again.

A draft folder is filled, sealed with its manifest and renamed to the run's id
in one step; then the database row is added. Opening a store adds the row of
any run that was sealed but not yet listed, and sweeps away drafts whose
lease is gone, so that a kill at any moment leaves no half-written run.

Files lie in one folder, rows in SQLite beside them or in a PostgreSQL that the
folder names, so that several hosts may share a store.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

import commonwatt.runs.schema as schema
from commonwatt import __version__
from commonwatt.core.errors import IdentityError, RunNotFoundError
from commonwatt.core.faults import machine_faults_as_storage_errors
from commonwatt.core.files import (
    fsync_folder,
    fsync_folder_tree,
    save_frame_as_parquet,
    save_frame_as_parquet_and_csv,
    save_text,
)
from commonwatt.core.hashes import file_sha256
from commonwatt.core.log import LogEvent, log_event
from commonwatt.core.messages import Message
from commonwatt.runs.database import open_run_database
from commonwatt.runs.errors import RunDraftLostError
from commonwatt.runs.leases import DraftLeases
from commonwatt.runs.source import package_source_digest_for_run_ids
from commonwatt.stores.engine import database_read_transaction, database_write_transaction

if TYPE_CHECKING:
    import polars as pl

MANIFEST = "run.json"
_DRAFT = ".draft-"
_SWEPT = ".swept-"
_ORPHAN_S: Final = 86_400.0
"""How long a draft without a lease lies untouched before it is swept: an older version of the
program, which knew no leases, may still be writing it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInput:
    """A file that went into a run."""

    name: str
    sha256: str
    bytes: int

    @classmethod
    def from_path(cls, path: Path, name: str | None = None) -> RunInput:
        """Return the input that `path` is, named without the folders of this machine."""
        return cls(name=name or path.name, sha256=file_sha256(path), bytes=path.stat().st_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecipe:
    """Everything that decides a result; its hash is the run's id.

    Args:
        kind: What is run: study, fleet-simulate …
        title: What a person calls it; not part of the id.
        seed: The one seed.
        parameters: Every option that has a say, plain JSON values.
        inputs: Every file read.
    """

    kind: str
    title: str
    seed: int
    parameters: Mapping[str, Any]
    inputs: Sequence[RunInput]

    @property
    def run_id(self) -> str:
        """Sixteen hexadecimal digits that stand for this recipe and this code."""
        what = {
            "kind": self.kind,
            "seed": self.seed,
            "parameters": self.parameters,
            "inputs": [(i.name, i.sha256) for i in self.inputs],
            "version": __version__,
            "source": package_source_digest_for_run_ids(),
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run as its manifest tells it.

    `headline` holds the figures that people quote; `measured` holds times and
    memory of the machine that ran it, which are not part of the result; `figures`
    lists where figures come from, for `lineage`; `texts` names the digest of each page.
    """

    run_id: str
    kind: str
    title: str
    created_at: str
    version: str
    source_digest: str
    seed: int
    parameters: dict[str, Any]
    inputs: list[dict[str, Any]]
    headline: dict[str, Any]
    tables: list[dict[str, Any]]
    result_sha256: str
    measured: dict[str, Any] = field(default_factory=dict[str, Any])
    figures: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    texts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class RunDraft:
    """A run being written; nothing counts until `RunStore.seal`."""

    def __init__(self, recipe: RunRecipe, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.tables: list[dict[str, Any]] = []
        self.texts: list[dict[str, Any]] = []

    def add_table(self, name: str, frame: pl.DataFrame, *, as_csv: bool = True) -> None:
        """Write a table as Parquet under `tables/`, and as CSV where people read it."""
        folder = self.folder / "tables"
        # Not forced to the device one by one: the whole draft is, before it is given its name.
        if as_csv:
            parquet, _ = save_frame_as_parquet_and_csv(frame, folder, name, synced=False)
        else:
            parquet = save_frame_as_parquet(frame, folder, name, synced=False)
        self.tables.append(
            {"name": name, "rows": frame.height, "parquet_sha256": file_sha256(parquet)}
        )

    @property
    def parquet_sha256_by_table(self) -> dict[str, str]:
        """The digest of each table that was written."""
        return {table["name"]: table["parquet_sha256"] for table in self.tables}

    def add_run_text_file(self, name: str, text: str) -> None:
        """Write a text file such as the report."""
        path = save_text(text, self.folder / name, synced=False)
        self.texts.append({"name": name, "sha256": file_sha256(path)})


class StoredRunTables(Mapping[str, "pl.DataFrame"]):
    """The tables of a run by name, each read when it is asked for: few commands ask for any.

    Args:
        store: Where the run lies.
        run: The run.
    """

    def __init__(self, store: RunStore, run: Run) -> None:
        self._store, self._run_id = store, run.run_id
        self._names = tuple(table["name"] for table in run.tables)

    def __getitem__(self, name: str) -> pl.DataFrame:
        if name not in self._names:
            raise KeyError(name)
        return self._store.table(self._run_id, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class RunStore:
    """All runs below one folder.

    Args:
        root: The folder.
        database: URL of a PostgreSQL that holds the rows, for a folder shared by hosts; named
            once, it is remembered in the folder, without its password.

    Raises:
        StoreError: The database cannot be opened, is of another version, or is not the one
            that the folder names.

    >>> import tempfile
    >>> import polars as pl
    >>> store = RunStore(Path(tempfile.mkdtemp()))
    >>> recipe = RunRecipe(kind="demo", title="Demo", seed=1, parameters={}, inputs=[])
    >>> with_table = store.draft(recipe)
    >>> with_table.add_table("t", pl.DataFrame({"a": [1]}))
    >>> run = store.complete_run_draft(with_table, headline={"a": 1})
    >>> [each.title for each in store.list()]
    ['Demo']
    """

    def __init__(self, root: Path, database: str | None = None) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._engine = open_run_database(root, database)
        # Most callers open a store for one question and drop it; PostgreSQL has few connections.
        weakref.finalize(self, self._engine.dispose)
        self._leases = DraftLeases(self._engine)
        self._list_stored_runs_missing_from_database()
        self._delete_abandoned_run_drafts()

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run."""
        return self.root / run_id

    def draft(self, recipe: RunRecipe) -> RunDraft:
        """Return an empty draft of `recipe`."""
        folder = self.root / f"{_DRAFT}{uuid.uuid4().hex[:12]}-{recipe.run_id}"
        # The lease first: at no moment is there a folder that nobody answers for.
        self._leases.take_run_draft_lease(folder.name)
        folder.mkdir()
        return RunDraft(recipe, folder)

    def discard(self, draft: RunDraft) -> None:
        """Drop a draft whose run failed."""
        shutil.rmtree(draft.folder, ignore_errors=True)
        self._leases.release_run_draft_lease(draft.folder.name)

    def complete_run_draft(
        self,
        draft: RunDraft,
        *,
        headline: Mapping[str, Any],
        measured: Mapping[str, Any] | None = None,
        figures: Sequence[Mapping[str, Any]] = (),
    ) -> Run:
        """Turn a draft into a run and return it.

        The same recipe run again must give the same tables; the run that is
        there stays, and the new one is dropped.

        Raises:
            IdentityError: The tables differ from those of the earlier run.
            RunDraftLostError: This machine slept for so long that another took the draft for
                abandoned.
        """
        run = _run_completed_from_draft(draft, headline, measured or {}, figures)
        save_text(
            json.dumps(_run_value_by_field_name(run), indent=2, ensure_ascii=False),
            draft.folder / MANIFEST,
        )
        with machine_faults_as_storage_errors(self.folder(run.run_id)):
            fsync_folder_tree(draft.folder)
            # Renewed just before the rename, so that nobody sweeps what is being given its name.
            if not self._leases.renew_draft_lease_and_tell_if_present(draft.folder.name):
                self.discard(draft)
                raise _run_draft_lost_error(run.run_id)
            try:
                os.rename(draft.folder, self.folder(run.run_id))
            except OSError:  # a folder that is not empty is never replaced
                if not self.folder(run.run_id).exists():
                    raise
                return self._drop_draft_and_return_earlier_run(draft, run)
            fsync_folder(self.root)
        log_event(LogEvent.RUN_COMPLETED, run=run.run_id)
        self._list_run_in_database(run)
        self._leases.release_run_draft_lease(draft.folder.name)
        return run

    def ids(self) -> list[str]:
        """Return the ids of all runs, newest first."""
        with database_read_transaction(self._engine) as connection:
            return [run_id for (run_id,) in connection.execute(_newest_run_ids_query())]

    def read(self, run_id: str) -> Run:
        """Return the run of that whole id from its manifest.

        Raises:
            RunNotFoundError: Its folder is not in this store.
        """
        try:
            text = (self.folder(run_id) / MANIFEST).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise RunNotFoundError(
                run_id,
                found=Message("no folder of that run"),
                wanted=Message("the folder that the database lists"),
            ) from None
        return Run(**json.loads(text))

    def list(self) -> list[Run]:
        """Return all runs, newest first."""
        return [self.read(run_id) for run_id in self.ids()]

    def get(self, prefix: str) -> Run:
        """Return the one run whose id starts with `prefix`, or "latest".

        Raises:
            RunNotFoundError: No run, or more than one, starts so.
        """
        query = _newest_run_ids_query()
        if prefix == "latest":
            query = query.limit(1)
        else:
            query = query.where(schema.runs.c.run_id.startswith(prefix, autoescape=True))
        with database_read_transaction(self._engine) as connection:
            run_ids = [run_id for (run_id,) in connection.execute(query)]
        if len(run_ids) != 1:
            raise RunNotFoundError(
                prefix,
                found=Message("{count} runs of that name", {"count": str(len(run_ids))}),
                wanted=Message("the first digits of one run's id"),
                remedy=Message("List them with: commonwatt runs list"),
            )
        return self.read(run_ids[0])

    def table(self, run_id: str, name: str, *columns: str) -> pl.DataFrame:
        """Return a table of a run; only the named columns of it, where any is named."""
        import polars as pl

        path = self.folder(run_id) / "tables" / f"{name}.parquet"
        return pl.read_parquet(path, columns=list(columns) or None)

    def tables(self, run: Run) -> dict[str, pl.DataFrame]:
        """Return every table of a run, by name."""
        return dict(self.tables_on_demand(run))

    def tables_on_demand(self, run: Run) -> Mapping[str, pl.DataFrame]:
        """Return every table of a run by name, each read when it is asked for."""
        return StoredRunTables(self, run)

    def _drop_draft_and_return_earlier_run(self, draft: RunDraft, run: Run) -> Run:
        first = self.read(run.run_id)
        self.discard(draft)
        if first.result_sha256 != run.result_sha256:
            raise IdentityError(
                run.run_id,
                found=Message("the same inputs and seed gave other tables than before"),
                wanted=Message("the same bytes"),
            )
        return first

    def _list_stored_runs_missing_from_database(self) -> None:
        listed = set(self.ids())
        for folder in sorted(self.root.iterdir()):
            if folder.name not in listed and _is_run_folder(folder):
                self._list_run_in_database(self.read(folder.name))

    def _delete_abandoned_run_drafts(self) -> None:
        """Take away what writers left who are gone, and what no writer answers for."""
        leases = {lease.draft: lease for lease in self._leases.leases()}
        for lease in leases.values():
            if lease.is_draft_lease_writer_gone and self._leases.end_draft_lease_and_tell_if_ended(
                lease
            ):
                _delete_abandoned_run_draft_folder(self.root / lease.draft)
            elif lease.is_draft_lease_renewal_overdue and not lease.suspected:
                self._leases.mark_run_draft_lease_suspect(lease)
        for folder in sorted(self.root.iterdir()):
            if folder.name.startswith(_SWEPT):
                shutil.rmtree(folder, ignore_errors=True)
            elif folder.name not in leases and _is_orphaned_run_draft_folder(folder):
                _delete_abandoned_run_draft_folder(folder)

    def _list_run_in_database(self, run: Run) -> None:
        try:
            self._insert_run_rows(run)
        except IntegrityError:  # another process listed it first
            return

    def _insert_run_rows(self, run: Run) -> None:
        row = _run_value_by_field_name(run)
        known = {column.name for column in schema.runs.columns}
        text = {key: _run_column_json(value) for key, value in row.items() if key in known}
        with database_write_transaction(self._engine) as connection:
            connection.execute(sa.insert(schema.runs).values(**text))
            for position, table in enumerate(run.inputs):
                values = {"run_id": run.run_id, "position": position, **table}
                connection.execute(sa.insert(schema.inputs).values(**values))
            for table in run.tables:
                connection.execute(sa.insert(schema.tables).values(run_id=run.run_id, **table))


def _run_value_by_field_name(run: Run) -> dict[str, Any]:
    """Return the fields of a run, which hold plain values: `asdict` would copy each of them."""
    return {each.name: getattr(run, each.name) for each in fields(run)}


def _run_column_json(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _is_run_folder(folder: Path) -> bool:
    return not folder.name.startswith(".") and (folder / MANIFEST).exists()


def _newest_run_ids_query() -> sa.Select[str]:
    return sa.select(schema.runs.c.run_id).order_by(
        schema.runs.c.created_at.desc(), schema.runs.c.run_id
    )


def _delete_abandoned_run_draft_folder(folder: Path) -> None:
    swept = folder.with_name(f"{_SWEPT}{folder.name.removeprefix(_DRAFT)}")
    # Renamed first: a writer who wakes up and gives the folder its name meets all of it or none.
    try:
        os.rename(folder, swept)
    except OSError:  # the writer was quicker, or another sweeper
        return
    shutil.rmtree(swept, ignore_errors=True)


def _is_orphaned_run_draft_folder(folder: Path) -> bool:
    # A draft whose lease was taken since the leases were read is young, and stays.
    return (
        folder.name.startswith(_DRAFT)
        and time.time() - _run_draft_last_touched_at_s(folder) > _ORPHAN_S
    )


def _run_draft_last_touched_at_s(folder: Path) -> float:
    latest = 0.0
    for path in (folder, *folder.rglob("*")):
        try:
            latest = max(latest, path.stat().st_mtime)
        except FileNotFoundError:  # its writer lives
            return time.time()
    return latest


def _run_draft_lost_error(run_id: str) -> RunDraftLostError:
    return RunDraftLostError(
        run_id,
        found=Message("a lease that lapsed while the run was written"),
        remedy=Message("Run it again; this machine may have slept."),
    )


def _run_completed_from_draft(
    draft: RunDraft,
    headline: Mapping[str, Any],
    measured: Mapping[str, Any],
    figures: Sequence[Mapping[str, Any]],
) -> Run:
    recipe = draft.recipe
    digests = sorted((table["name"], table["parquet_sha256"]) for table in draft.tables)
    return Run(
        run_id=recipe.run_id,
        kind=recipe.kind,
        title=recipe.title,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        source_digest=package_source_digest_for_run_ids(),
        seed=recipe.seed,
        parameters=cast("dict[str, Any]", json.loads(json.dumps(recipe.parameters))),
        inputs=[asdict(file) for file in recipe.inputs],
        headline=dict(headline),
        tables=draft.tables,
        result_sha256=hashlib.sha256(json.dumps(digests).encode()).hexdigest(),
        measured=dict(measured),
        figures=[dict(figure) for figure in figures],
        texts=draft.texts,
    )
