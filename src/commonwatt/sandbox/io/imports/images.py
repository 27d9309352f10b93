"""DICOM folders as a dataset: a table of images, their cleaned files, their patients.

What identifies a person in tags and pixels is removed before anything is
stored: `clean`, which the caller gives, writes a de-identified copy of each
file, and only that copy is kept. An image that cannot be cleaned is quarantined.

Source: DICOM PS3.3, C.7.1.1 (patient), C.7.2.1 (study), C.12.1 (instance).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DataImportError, DeidentifyError
from commonwatt.sandbox.domain.fhir import RESOURCES
from commonwatt.sandbox.domain.import_report import (
    QUARANTINE,
    TableImportReport,
    import_report_whose_counts_add_up,
)
from commonwatt.sandbox.io.imports.checked import WORK_TABLE
from commonwatt.sandbox.io.imports.dataset import Dataset, fill_and_publish_dataset_draft
from commonwatt.sandbox.io.imports.to_fhir import fhir_column_sql_type

FORM: Final = "dicom"
Clean = Callable[[Path, Path], object]
"""Writes a de-identified copy of the first path to the second, or raises DeidentifyError."""

RULES: Final = (
    "no DICOM file", "no image", "patient missing", "SOPInstanceUID malformed",
    "StudyInstanceUID malformed", "Modality missing", "PatientSex not of the value set",
    "PatientBirthDate is no date", "PatientBirthDate out of range", "StudyDate is no date",
    "image seen before", "patient described otherwise before",
    "pixels cannot be decoded and cleaned",
)  # fmt: skip
_UID: Final = re.compile(r"(?=.{1,64}$)(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
_GENDERS: Final = {"M": "male", "F": "female", "O": "other", "": None}
_BYTES_AT_ONCE: Final = 32 << 20
_ROWS_A_GROUP: Final = 16  # files are large, and a reader holds a whole group

_IMAGE: Final = pl.Schema({
    "id": pl.String, "patient_id": pl.String, "study_id": pl.String, "series_id": pl.String,
    "modality": pl.String, "body_part": pl.String, "view_position": pl.String,
    "laterality": pl.String, "studied_on": pl.Date, "rows": pl.Int64, "columns": pl.Int64,
    "frames": pl.Int64, "bits": pl.Int64, "photometric": pl.String,
})  # fmt: skip
_FILE: Final = pl.Schema({"id": pl.String, "patient_id": pl.String, "dicom": pl.Binary})
_TYPES: Final = {"DATE": pl.Date, "TIMESTAMPTZ": pl.Datetime("us", "UTC"), "VARCHAR": pl.String}


def import_dicom(sources: Sequence[Path], store: Path, name: str, *, clean: Clean) -> Dataset:
    """Import DICOM images as the tables `Patient`, `Image` and `ImageFile`.

    Args:
        sources: Files, and folders that are searched to any depth.
        store: The project's folder of datasets.
        name: Of the new dataset.
        clean: De-identifies a file; see `sandbox.deidentify.dicom`.
    """
    files = list(_dicom_file_paths_in_sources(sources))
    return fill_and_publish_dataset_draft(
        store, name, FORM, lambda draft: _import_dicom_images_and_tables(files, draft, clean)
    )


def _dicom_file_paths_in_sources(sources: Sequence[Path]) -> Iterator[Path]:
    for source in sources:
        if not source.exists():
            raise DataImportError(source.name, found=Message("no such file or folder"))
        paths = sorted(source.rglob("*")) if source.is_dir() else [source]
        yield from (path for path in paths if path.is_file() and path.suffix != ".md")


@dataclass(frozen=True, slots=True, kw_only=True)
class _ImageSubject:
    gender: str | None
    birth_on: date | None


@dataclass(slots=True)
class _ImageReader:
    """Images on their way to disk, a bounded number of bytes at a time."""

    work: Path
    clean: Clean
    people: dict[str, _ImageSubject] = field(default_factory=dict[str, _ImageSubject])
    seen: set[str] = field(default_factory=set[str])
    images: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    files: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    quarantined: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    held_bytes: int = 0
    parts: int = 0

    def import_dicom_file(self, record: int, path: Path) -> None:
        """Read, check and clean one file, or quarantine it."""
        try:
            self._store_cleaned_image(path)
        except _ImageError as fault:
            self.quarantined.append(("Image", record, fault.reason))

    def _store_cleaned_image(self, path: Path) -> None:
        tags = _read_dicom_tags(path)
        # Without an id a study stands for its person, so that at least its images stay together.
        person = _dicom_tag_text_or_nul_if_unreadable(
            tags, "PatientID"
        ) or _dicom_tag_text_or_nul_if_unreadable(tags, "StudyInstanceUID")
        about = _image_subject_of_checked_dicom_tags(tags, person)
        uid = _dicom_tag_text_or_nul_if_unreadable(tags, "SOPInstanceUID")
        _require_dicom_rule(uid not in self.seen, "image seen before")
        described = self.people.get(person, about)
        _require_dicom_rule(described == about, "patient described otherwise before")
        cleaned = self.work / "cleaned.dcm"
        try:
            self.clean(path, cleaned)
        # A picture that cannot be decoded cannot be searched for burned-in text, so it is not
        # kept.
        except DeidentifyError:
            raise _ImageError("pixels cannot be decoded and cleaned") from None
        # From the cleaned file: nothing reaches the table that did not pass the list of what is
        # kept. The day alone is the source's, because it moves with the person's other dates
        # later.
        row = _dicom_image_row(
            _read_dicom_tags(cleaned),
            person,
            _parse_dicom_date_or_none(_dicom_tag_text_or_nul_if_unreadable(tags, "StudyDate")),
        )
        data = cleaned.read_bytes()
        # Remembered only once the image is kept: after a broken file the same image may come
        # whole.
        self.seen.add(uid)
        self.people[person] = about
        self.images.append(row)
        self.files.append({"id": row["id"], "patient_id": person, "dicom": data})
        self.held_bytes += len(data)
        if self.held_bytes >= _BYTES_AT_ONCE:
            self.write_waiting_images()

    def write_waiting_images(self) -> None:
        """Write the files that are waiting as the next part."""
        part = self.work / f"files.{self.parts:06}.parquet"
        pl.DataFrame(self.files, schema=_FILE).write_parquet(part, row_group_size=_ROWS_A_GROUP)
        self.files, self.held_bytes, self.parts = [], 0, self.parts + 1


class _ImageError(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason


def _require_dicom_rule(holds: object, reason: str) -> None:
    if not holds:
        raise _ImageError(reason)


def _import_dicom_images_and_tables(
    files: list[Path], draft: Path, clean: Clean
) -> list[TableImportReport]:
    work = draft / WORK_TABLE
    work.mkdir()
    reader = _ImageReader(work, clean)
    for record, path in enumerate(files, start=1):
        reader.import_dicom_file(record, path)
    reader.write_waiting_images()
    # Streamed from part to whole: the images of a hospital do not fit into memory.
    pl.scan_parquet(work / "files.*.parquet").sink_parquet(
        draft / "ImageFile.parquet", row_group_size=_ROWS_A_GROUP, maintain_order=True
    )
    pl.DataFrame(reader.images, schema=_IMAGE).write_parquet(draft / "Image.parquet")
    _dicom_patient_table(reader.people).write_parquet(draft / "Patient.parquet")
    quarantine_file = work / "Image.quarantine.parquet"
    pl.DataFrame(reader.quarantined, schema=QUARANTINE, orient="row").write_parquet(quarantine_file)
    reasons = [reason for _, _, reason in reader.quarantined]
    kept_count, people = len(reader.images), len(reader.people)
    images = TableImportReport(
        table="Image", source="DICOM", read_count=len(files), kept_count=kept_count,
        quarantine_file=quarantine_file,
        rules={rule: reasons.count(rule) for rule in RULES},
    )  # fmt: skip
    return [
        import_report_whose_counts_add_up(images),
        TableImportReport(
            table="ImageFile", source="DICOM", read_count=kept_count, kept_count=kept_count
        ),
        TableImportReport(table="Patient", source="DICOM", read_count=people, kept_count=people),
    ]


def _read_dicom_tags(path: Path) -> Any:
    pydicom = cast("Any", import_module("pydicom"))
    try:
        return pydicom.dcmread(path, stop_before_pixels=False, defer_size=1 << 16)
    except Exception:  # a broken file may fail in any way inside the reader
        raise _ImageError("no DICOM file") from None


def _dicom_tag_text_or_nul_if_unreadable(dicom_tags: Any, keyword: str) -> str:
    try:
        return str(dicom_tags.get(keyword, "") or "").strip()
    except Exception:  # a value that its own type cannot hold
        return "\0"


def _image_subject_of_checked_dicom_tags(tags: Any, person: str) -> _ImageSubject:
    _require_dicom_rule("PixelData" in tags, "no image")
    _require_dicom_rule(person and person != "\0", "patient missing")
    _require_dicom_rule(
        _UID.fullmatch(_dicom_tag_text_or_nul_if_unreadable(tags, "SOPInstanceUID")),
        "SOPInstanceUID malformed",
    )
    study = _dicom_tag_text_or_nul_if_unreadable(tags, "StudyInstanceUID")
    _require_dicom_rule(not study or _UID.fullmatch(study), "StudyInstanceUID malformed")
    _require_dicom_rule(_dicom_tag_text_or_nul_if_unreadable(tags, "Modality"), "Modality missing")
    sex, birth = (
        _dicom_tag_text_or_nul_if_unreadable(tags, "PatientSex"),
        _dicom_tag_text_or_nul_if_unreadable(tags, "PatientBirthDate"),
    )
    _require_dicom_rule(sex in _GENDERS, "PatientSex not of the value set")
    _require_dicom_rule(
        not birth or _parse_dicom_date_or_none(birth), "PatientBirthDate is no date"
    )
    _require_dicom_rule(not birth or "1850" <= birth[:4] <= "2100", "PatientBirthDate out of range")
    day = _dicom_tag_text_or_nul_if_unreadable(tags, "StudyDate")
    _require_dicom_rule(not day or _parse_dicom_date_or_none(day), "StudyDate is no date")
    return _ImageSubject(gender=_GENDERS[sex], birth_on=_parse_dicom_date_or_none(birth))


def _parse_dicom_date_or_none(text: str) -> date | None:
    """Return a day as DICOM writes it, or nothing.

    >>> _parse_dicom_date_or_none("20250802"), _parse_dicom_date_or_none("2025")
    (datetime.date(2025, 8, 2), None)
    """
    if not re.fullmatch(r"\d{8}", text):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None


def _dicom_image_row(tags: Any, person: str, day: date | None) -> dict[str, Any]:
    """Return the row of a cleaned file; `day` moves with the other dates of its patient later."""
    return {
        "id": _dicom_tag_text_or_nul_if_unreadable(tags, "SOPInstanceUID"),
        "patient_id": person,
        "study_id": _dicom_tag_text_or_nul_if_unreadable(tags, "StudyInstanceUID"),
        "series_id": _dicom_tag_text_or_nul_if_unreadable(tags, "SeriesInstanceUID"),
        "modality": _dicom_tag_text_or_nul_if_unreadable(tags, "Modality"),
        "body_part": _dicom_tag_text_or_nul_if_unreadable(tags, "BodyPartExamined"),
        "view_position": _dicom_tag_text_or_nul_if_unreadable(tags, "ViewPosition"),
        "laterality": _dicom_tag_text_or_nul_if_unreadable(tags, "Laterality")
        or _dicom_tag_text_or_nul_if_unreadable(tags, "ImageLaterality"),
        "studied_on": day,
        "rows": int(tags.Rows),
        "columns": int(tags.Columns),
        "frames": int(tags.get("NumberOfFrames", 1) or 1),
        "bits": int(tags.BitsAllocated),
        "photometric": _dicom_tag_text_or_nul_if_unreadable(tags, "PhotometricInterpretation"),
    }


def _dicom_patient_table(people: dict[str, _ImageSubject]) -> pl.DataFrame:
    """Return the patients with the columns of a FHIR import, of which images know four."""
    rows = [
        {"id": person, "patient_id": person, "gender": subject.gender, "birth_on": subject.birth_on}
        for person, subject in sorted(people.items())
    ]
    schema = {name: _TYPES[fhir_column_sql_type(name)] for name in RESOURCES["Patient"].columns}
    return pl.DataFrame(rows, schema=schema)
