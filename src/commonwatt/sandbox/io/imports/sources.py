"""The forms in which a custodian may hand in data: one line a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DataImportError
from commonwatt.sandbox.io.imports.dataset import Dataset, import_csv, import_fhir, import_omop
from commonwatt.sandbox.io.imports.genomes import import_vcf
from commonwatt.sandbox.io.imports.images import Clean, import_dicom
from commonwatt.sandbox.io.imports.plain import infer_import_table_schema, load_import_file_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSources:
    """What a custodian hands in.

    Args:
        paths: Files, or folders of them.
        clean: De-identifies a DICOM file.
        schema: For a plain table: a JSON file, or the name of a shipped schema;
            none to guess.
    """

    paths: Sequence[Path]
    clean: Clean
    schema: str | Path | None = None


def import_dataset_as(form: str, sources: ImportSources, store: Path, name: str) -> Dataset:
    """Import `sources` of one of `FORMS` as the dataset `name`.

    Raises:
        DataImportError: The form is unknown, or the sources are not of it.
    """
    if form not in FORMS:
        raise DataImportError(form, wanted=Message("one of {names}", {"names": ", ".join(FORMS)}))
    return FORMS[form](sources, store, name)


def _import_plain_table(sources: ImportSources, store: Path, name: str) -> Dataset:
    if len(sources.paths) != 1:
        raise DataImportError(
            name,
            found=Message("{count} files", {"count": str(len(sources.paths))}),
            wanted=Message("one file and its schema"),
        )
    path = sources.paths[0]
    if not path.is_file():
        raise DataImportError(path.name, found=Message("no such file or folder"))
    # A guess is a start and no promise: it requires nothing and bounds nothing, and the report
    # shows which rules it led to.
    plain = (
        load_import_file_schema(sources.schema)
        if sources.schema
        else infer_import_table_schema(path)
    )
    return import_csv(path, plain, store, name)


FORMS: Final[Mapping[str, Callable[[ImportSources, Path, str], Dataset]]] = {
    "fhir": lambda sources, store, name: import_fhir(sources.paths, store, name),
    "omop": lambda sources, store, name: import_omop(sources.paths, store, name),
    "csv": _import_plain_table,
    "dicom": lambda sources, store, name: import_dicom(
        sources.paths, store, name, clean=sources.clean
    ),
    "vcf": lambda sources, store, name: import_vcf(sources.paths, store, name),
}
