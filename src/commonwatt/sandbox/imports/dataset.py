"""A dataset in a room: Parquet tables under one folder that appears whole.

Everything is written into a draft beside the final name; the manifest, with
the SHA-256 of every file, comes last; one rename makes the dataset exist. A
process killed at any moment leaves either no dataset or a complete one, and
drafts are swept at the next import.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message
from commonwatt.sandbox.errors import ImportFaultError, RoomError
from commonwatt.sandbox.imports.fhir import RESOURCES
from commonwatt.sandbox.imports.ndjson import (
    ORPHAN,
    connection,
    find_orphans,
    read_resource,
    unpack_bundles,
)
from commonwatt.sandbox.imports.report import QUARANTINE, TableReport
from commonwatt.sandbox.imports.tables import Field, omop_tables, read_table

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A complete dataset; `files` are its tables with their SHA-256."""

    name: str
    form: str
    folder: Path
    files: dict[str, str]
    rows: dict[str, int]
    set_aside: dict[str, dict[str, int]]

    def table(self, name: str) -> Path:
        """Return the path of a table.

        Raises:
            RoomError: The dataset has no such table.
        """
        if f"{name}.parquet" not in self.files:
            raise RoomError(
                self.name,
                found=Message("no table of that name"),
                wanted=Message("one of {names}", {"names": ", ".join(sorted(self.rows))}),
            )
        return self.folder / f"{name}.parquet"


def import_fhir(sources: Sequence[Path], store: Path, name: str) -> Dataset:
    """Import FHIR R4: NDJSON files named by resource type, or bundles.

    Args:
        sources: Files or folders of them; `.zst` is read as it is.
        store: The room's folder of datasets.
        name: Of the new dataset: small letters, digits and hyphens.
    """
    return publish(store, name, "fhir-r4", lambda draft: _fhir(_files(sources), draft))


def import_omop(sources: Sequence[Path], store: Path, name: str) -> Dataset:
    """Import OMOP CDM 5.4: CSV or Parquet files named by table."""
    tables = omop_tables()
    found = {_stem(path).lower(): path for path in _files(sources)}
    known = {table: path for table, path in found.items() if table in tables}
    return publish(store, name, "omop-5.4", lambda draft: _read_tables(tables, known, draft))


def import_csv(source: Path, fields: Sequence[Field], store: Path, name: str) -> Dataset:
    """Import one plain CSV or Parquet file, held to `fields`."""
    tables = {"rows": tuple(fields)}
    return publish(store, name, "csv", lambda draft: _read_tables(tables, {"rows": source}, draft))


def load_dataset(folder: Path, *, check: bool = False) -> Dataset:
    """Return the dataset in `folder`; with `check`, only if every byte is as imported.

    Raises:
        RoomError: No complete dataset is there, or a file was changed.
    """
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        raise RoomError(folder.name, wanted=Message("a dataset that was imported to its end"))
    facts: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    dataset = Dataset(folder=folder, **facts)
    for file, digest in dataset.files.items() if check else ():
        if file_sha256(folder / file) != digest:
            raise RoomError(
                f"{folder.name}/{file}", found=Message("bytes other than those imported")
            )
    return dataset


def delete_dataset(dataset: Dataset) -> dict[str, str]:
    """Remove a dataset; return the SHA-256 of each file that is gone, for the ledger.

    The folder is first renamed, so that no half of it is ever usable.
    """
    grave = dataset.folder.with_name(f".deleted-{dataset.name}")
    dataset.folder.rename(grave)
    for file in grave.iterdir():
        with file.open("r+b") as opened:
            opened.write(bytes(file.stat().st_size))
            os.fsync(opened.fileno())
    shutil.rmtree(grave)
    return dataset.files


def publish(
    store: Path, name: str, form: str, read: Callable[[Path], list[TableReport]]
) -> Dataset:
    """Let `read` fill a draft with Parquet tables, and make it a dataset by one rename.

    Raises:
        ImportFaultError: The name is taken or not plain, or no table came.
    """
    if not _NAME.fullmatch(name):
        raise ImportFaultError("dataset", wanted=Message("a name of small letters, digits, -"))
    if (store / name).exists():
        raise ImportFaultError(name, found=Message("a dataset of that name already"))
    store.mkdir(parents=True, exist_ok=True)
    store.chmod(0o700)
    draft = store / f".draft-{name}"
    if draft.exists():
        shutil.rmtree(draft)  # left by an import that was killed
    draft.mkdir()
    reports = read(draft)
    if not reports:
        raise ImportFaultError(name, wanted=Message("at least one file of a known table"))
    _finish(draft, name, form, reports)
    draft.rename(store / name)
    _sync(store)
    return load_dataset(store / name)


def _finish(draft: Path, name: str, form: str, reports: list[TableReport]) -> None:
    aside = pl.concat([report.quarantine for report in reports])
    aside.write_parquet(draft / "quarantine.parquet")
    shutil.rmtree(draft / "work", ignore_errors=True)
    files = sorted(draft.glob("*.parquet"))
    for file in files:
        file.chmod(0o644)  # a job's user reads it; the folder above keeps everyone else out
        _sync(file)
    facts = {
        "name": name,
        "form": form,
        "files": {file.name: file_sha256(file) for file in files},
        "rows": {report.table: report.kept for report in reports},
        "set_aside": {report.table: report.reasons for report in reports if report.reasons},
    }
    manifest = draft / _MANIFEST
    manifest.write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8")
    _sync(manifest)
    _sync(draft)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def _fhir(sources: list[Path], draft: Path) -> list[TableReport]:
    work = draft / "work"
    work.mkdir()
    lines = [path for path in sources if ".ndjson" in path.name]
    bundles = [path for path in sources if path not in lines and ".json" in path.name]
    other: list[TableReport] = []
    if bundles:
        unpacked, left = unpack_bundles(bundles, work / "bundles")
        lines += unpacked
        other = [left] if left.read else []
    with connection(work) as base:
        reports = [
            read_resource(base, resource, found, draft / f"{name}.parquet")
            for name, resource in RESOURCES.items()
            if (found := [path for path in lines if _stem(path) == name])
        ]
    return _without_orphans(reports, draft) + (other if reports else [])


def _without_orphans(reports: list[TableReport], draft: Path) -> list[TableReport]:
    """Set aside rows of patients that the dataset does not hold, if it holds patients."""
    if not any(report.table == "Patient" for report in reports):
        return reports
    return [_adopt(report, draft) for report in reports]


def _adopt(report: TableReport, draft: Path) -> TableReport:
    path = draft / f"{report.table}.parquet"
    if report.table == "Patient" or "patient_id" not in pl.read_parquet_schema(path):
        return report
    orphans: list[int] = find_orphans(draft, report.table)["row"].to_list()
    if not orphans:
        return report
    rows = pl.read_parquet(path).with_row_index("row")
    rows.filter(~pl.col("row").is_in(orphans)).drop("row").write_parquet(path)
    kept = set(range(1, report.read + 1)) - set(report.quarantine["record"].to_list())
    places = sorted(kept)
    found = [(report.table, places[row], ORPHAN) for row in orphans]
    return TableReport(
        table=report.table, source=report.source, read=report.read,
        kept=report.kept - len(found),
        quarantine=pl.concat(
            [report.quarantine, pl.DataFrame(found, schema=QUARANTINE, orient="row")]
        ),
    )  # fmt: skip


def _read_tables(
    tables: dict[str, tuple[Field, ...]], found: dict[str, Path], draft: Path
) -> list[TableReport]:
    work = draft / "work"
    work.mkdir()
    with connection(work) as base:
        return [
            read_table(base, table, tables[table], path, draft / f"{table}.parquet")
            for table, path in sorted(found.items())
        ]


def _files(sources: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for source in sources:
        if not source.exists():
            raise ImportFaultError(source.name, found=Message("no such file or folder"))
        found += sorted(source.iterdir()) if source.is_dir() else [source]
    return [path for path in found if path.is_file() and path.suffix != ".md"]


def _stem(path: Path) -> str:
    """Return a file's name up to its first dot: `Patient.ndjson.zst` is `Patient`."""
    return path.name.split(".")[0]
