"""A dataset in a project: Parquet tables under one folder that appears whole.

Everything is written into a draft beside the final name; the manifest, with
the SHA-256 of every file, comes last; one rename makes the dataset exist. A
process killed at any moment leaves either no dataset or a complete one, and
drafts are swept at the next import.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from commonwatt.core.files import folder_draft
from commonwatt.core.hashes import file_sha256
from commonwatt.core.identifiers import DATASET_FOLDER, IdentifierKind, identifier_checked_valid
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DataImportError, ProjectError
from commonwatt.sandbox.domain.fhir import RESOURCES
from commonwatt.sandbox.domain.import_report import QUARANTINE, TableImportReport
from commonwatt.sandbox.io.imports.checked import (
    WORK_TABLE,
    copy_import_query_to_parquet,
    dataset_sql_text_literal,
    open_dataset_import_database,
)
from commonwatt.sandbox.io.imports.ndjson import (
    import_fhir_resource_into_parquet,
    unpack_fhir_bundles_and_report_leftovers,
)
from commonwatt.sandbox.io.imports.plain import DatasetField, TableFileSchema
from commonwatt.sandbox.io.imports.shapes import add_omop_or_fhir_tables_and_count
from commonwatt.sandbox.io.imports.tables import (
    VOCABULARY,
    import_table_into_parquet,
    omop_fields_by_table,
)

_MANIFEST: Final = "manifest.json"
_OTHER: Final = "Other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A complete dataset.

    Args:
        name: In its project.
        form: Of what was imported, such as `fhir-r4`.
        folder: Where its tables are.
        files: Its files with their SHA-256.
        rows: Rows kept by table, of what was imported.
        quarantined: Records quarantined by table and rule, where there are any.
        rules: For every table every rule that was tried, with the records it quarantined.
        derived: Rows by table of the other shape: OMOP beside FHIR, or FHIR beside OMOP.
        sealed: Tables whose rows nobody is handed, not even a job.
    """

    name: str
    form: str
    folder: Path
    files: dict[str, str]
    rows: dict[str, int]
    quarantined: dict[str, dict[str, int]]
    rules: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    derived: dict[str, int] = field(default_factory=dict[str, int])
    sealed: list[str] = field(default_factory=list[str])

    @property
    def dataset_row_count_by_table(self) -> dict[str, int]:
        """Return the rows of every table that may be handed out, in either shape."""
        all_rows = self.rows | self.derived
        return {
            name: rows
            for name, rows in all_rows.items()
            if name not in self.sealed and f"{name}.parquet" in self.files
        }

    def table_path(self, name: str) -> Path:
        """Return the path of a table.

        Raises:
            ProjectError: The dataset has no such table, or its rows are handed to nobody.
        """
        if name in self.sealed:
            raise ProjectError(
                self.name,
                found=Message("a table of single genotypes"),
                wanted=Message("counts over enough people, made from it"),
            )
        if f"{name}.parquet" not in self.files:
            raise ProjectError(
                self.name,
                found=Message("no table of that name"),
                wanted=Message(
                    "one of {names}", {"names": ", ".join(sorted(self.dataset_row_count_by_table))}
                ),
            )
        return self.folder / f"{name}.parquet"


def import_fhir(sources: Sequence[Path], store: Path, name: str) -> Dataset:
    """Import FHIR R4: NDJSON files named by resource type, or bundles.

    A `concept` table of OMOP's vocabulary among the sources lets codes be mapped.

    Args:
        sources: Files or folders of them; `.zst` and `.gz` are read as they are.
        store: The project's folder of datasets.
        name: Of the new dataset: small letters, digits and hyphens.
    """
    return fill_and_publish_dataset_draft(
        store,
        name,
        "fhir-r4",
        lambda draft: _import_fhir_tables_into_draft(list_import_files(sources), draft),
    )


def import_omop(sources: Sequence[Path], store: Path, name: str) -> Dataset:
    """Import OMOP CDM 5.4: CSV or Parquet files named by table."""
    tables = omop_fields_by_table()
    files = {import_file_stem(path).lower(): path for path in list_import_files(sources)}
    known_tables = {table: path for table, path in files.items() if table in tables}
    return fill_and_publish_dataset_draft(
        store, name, "omop-5.4", lambda draft: _import_omop_tables_into_draft(known_tables, draft)
    )


def import_csv(
    source: Path, fields: Sequence[DatasetField] | TableFileSchema, store: Path, name: str
) -> Dataset:
    """Import one plain CSV or Parquet file, held to `fields`."""
    plain = fields if isinstance(fields, TableFileSchema) else TableFileSchema(fields=tuple(fields))

    def read_csv_into_draft(draft: Path) -> list[TableImportReport]:
        with open_dataset_import_database(_import_work_folder(draft)) as base:
            return [import_table_into_parquet(base, "rows", plain, source, draft / "rows.parquet")]

    return fill_and_publish_dataset_draft(store, name, "csv", read_csv_into_draft)


def load_dataset(folder: Path, *, check: bool = False) -> Dataset:
    """Return the dataset in `folder`; with `check`, only if every byte is as imported.

    Raises:
        ProjectError: No complete dataset is there, or a file was changed.
    """
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        raise ProjectError(folder.name, wanted=Message("a dataset that was imported to its end"))
    facts: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    # The manifest's key is older than the attribute's name and is kept for datasets that exist.
    dataset = Dataset(folder=folder, quarantined=facts.pop("set_aside"), **facts)
    # Not at every opening: hashing gigabytes for each job would cost more than most jobs, and the
    # folder lets only root and its owner in.
    for file, digest in dataset.files.items() if check else ():
        if file_sha256(folder / file) != digest:
            raise ProjectError(
                f"{folder.name}/{file}", found=Message("bytes other than those imported")
            )
    return dataset


def fill_and_publish_dataset_draft(
    store: Path,
    name: str,
    form: str,
    read: Callable[[Path], list[TableImportReport]],
    *,
    sealed: Sequence[str] = (),
) -> Dataset:
    """Let `read` fill a draft with Parquet tables, and make it a dataset by one rename.

    Args:
        store: The project's folder of datasets.
        name: Of the new dataset.
        form: What it was made from.
        read: Fills the draft that it is given, and reports on each table.
        sealed: Tables whose rows nobody is to be handed.

    Raises:
        IdentifierError: No dataset may be called so.
        DataImportError: The name is taken or not plain, or no table came.
    """
    identifier_checked_valid(IdentifierKind.DATASET, name, "dataset")
    if not DATASET_FOLDER.fits(name):
        raise DataImportError("dataset", wanted=Message("a name of small letters, digits, -"))
    taken_name_error = DataImportError(name, found=Message("a dataset of that name already"))
    if (store / name).exists():
        raise taken_name_error
    store.mkdir(parents=True, exist_ok=True)
    store.chmod(0o700)
    # As drafts were called before: what an import left that was killed holds records.
    shutil.rmtree(store / f".draft-{name}", ignore_errors=True)
    try:
        with folder_draft(store / name) as draft:
            reports = read(draft)
            # A table of which every row was broken is still an import with a report; nothing but
            # unknown resources is none.
            if not any(report.kept_count or report.table != _OTHER for report in reports):
                raise DataImportError(name, wanted=Message("at least one file of a known table"))
            _finish_dataset_draft_with_manifest(draft, name, form, reports, sealed)
    except FileExistsError:
        raise taken_name_error from None
    return load_dataset(store / name)


def _finish_dataset_draft_with_manifest(
    draft: Path, name: str, form: str, reports: list[TableImportReport], sealed: Sequence[str]
) -> None:
    with open_dataset_import_database(_import_work_folder(draft)) as base:
        derived = add_omop_or_fhir_tables_and_count(base, draft)
        _write_dataset_quarantine(base, draft, reports)
    # Unpacked bundles and broken rows lie there; none of it may be part of the dataset.
    shutil.rmtree(draft / WORK_TABLE)
    # Sorted, so that the manifest of the same data has the same bytes.
    files = sorted(draft.glob("*.parquet"))
    for file in files:
        file.chmod(0o644)  # a job's user reads it; the folder above keeps everyone else out
    facts = {
        "name": name,
        "form": form,
        "files": {file.name: file_sha256(file) for file in files},
        "rows": {report.table: report.kept_count for report in reports},
        "set_aside": {
            report.table: report.quarantined_record_count_by_rule
            for report in reports
            if report.quarantined_record_count_by_rule
        },
        "rules": {report.table: dict(report.rules) for report in reports},
        "derived": derived,
        "sealed": list(sealed),
    }
    (draft / _MANIFEST).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _write_dataset_quarantine(
    base: duckdb.DuckDBPyConnection, draft: Path, reports: list[TableImportReport]
) -> None:
    """Bring the quarantined records of all tables into one file."""
    parts = [
        dataset_sql_text_literal(str(report.quarantine_file))
        for report in reports
        if report.quarantine_file
    ]
    to = draft / "quarantine.parquet"
    if parts:
        copy_import_query_to_parquet(base, f"SELECT * FROM read_parquet([{', '.join(parts)}])", to)  # noqa: S608
    else:
        pl.DataFrame(schema=QUARANTINE).write_parquet(to)


def _import_work_folder(draft: Path) -> Path:
    work = draft / WORK_TABLE
    work.mkdir(exist_ok=True)
    return work


def _import_fhir_tables_into_draft(sources: list[Path], draft: Path) -> list[TableImportReport]:
    work = _import_work_folder(draft)
    lines = [path for path in sources if ".ndjson" in path.name]
    bundles = [path for path in sources if path not in lines and ".json" in path.name]
    leftover_reports: list[TableImportReport] = []
    if bundles:
        unpacked, leftover = unpack_fhir_bundles_and_report_leftovers(bundles, work / "bundles")
        lines += unpacked
        leftover_reports = [leftover] if leftover.read_count else []
    vocabulary = {
        import_file_stem(path).lower(): path
        for path in sources
        if import_file_stem(path).lower() in VOCABULARY
    }
    with open_dataset_import_database(work) as base:
        reports = [
            import_fhir_resource_into_parquet(
                base, resource, resource_files, draft / f"{name}.parquet"
            )
            for name, resource in RESOURCES.items()
            if (resource_files := [path for path in lines if import_file_stem(path) == name])
        ]
    return reports + _import_omop_tables_into_draft(vocabulary, draft) + leftover_reports


def _import_omop_tables_into_draft(files: dict[str, Path], draft: Path) -> list[TableImportReport]:
    tables = omop_fields_by_table()
    with open_dataset_import_database(_import_work_folder(draft)) as base:
        return [
            import_table_into_parquet(
                base, table, TableFileSchema(fields=tables[table]), path, draft / f"{table}.parquet"
            )
            for table, path in sorted(files.items())
        ]


def list_import_files(sources: Sequence[Path]) -> list[Path]:
    """Return the files that are named, and those in the folders that are named.

    Raises:
        DataImportError: A source does not exist.
    """
    files: list[Path] = []
    for source in sources:
        if not source.exists():
            raise DataImportError(source.name, found=Message("no such file or folder"))
        files += sorted(source.iterdir()) if source.is_dir() else [source]
    return [path for path in files if path.is_file() and path.suffix != ".md"]


def import_file_stem(path: Path) -> str:
    """Return a file's name up to its first dot: `Patient.ndjson.zst` is `Patient`."""
    return path.name.split(".")[0]


def dataset_manifest_path(folder: Path) -> Path:
    """Return where a dataset names its files and rows."""
    return folder / _MANIFEST
