"""DICOM folders as datasets: what is kept, cleaned, set aside."""

import io
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from commonwatt.sandbox.domain.errors import DataImportError, DeidentifyError
from commonwatt.sandbox.engines.deidentify.dicom import deidentify_dicom_and_count_blanked_lines
from commonwatt.sandbox.io.imports.images import RULES, import_dicom

KEY = bytes(range(32))


def _image(path: Path, number: int = 1, **tags) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    facts = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": f"1.2.3.{number}",
        "StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.5", "PatientID": "CHAN-1",
        "PatientName": "CHAN^TAI MAN", "PatientSex": "F", "PatientBirthDate": "19500203",
        "StudyDate": "20240105", "Modality": "CT", "BodyPartExamined": "HEAD", "Rows": 16,
        "Columns": 16, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0,
    } | tags  # fmt: skip
    for name, value in facts.items():
        if value is not None:
            setattr(made, name, value)
    if tags.get("Rows", 16):
        made.PixelData = np.zeros((16, 16), dtype=np.uint8).tobytes()
    made.save_as(path, enforce_file_format=True)
    return path


def _copy(source: Path, to: Path) -> None:
    if pydicom.dcmread(source).get("BodyPartExamined") == "UNCLEAN":
        raise DeidentifyError(source.name)
    shutil.copyfile(source, to)


def test_images_are_stored_cleaned_beside_their_tags_and_patients(tmp_path):
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    _image(folder / "a.dcm", 1)
    _image(folder / "b.dcm", 2)
    clean = lambda source, to: deidentify_dicom_and_count_blanked_lines(source, to, key=KEY)  # noqa: E731
    dataset = import_dicom([tmp_path / "in"], tmp_path / "store", "raw", clean=clean)
    assert dataset.rows == {"Image": 2, "ImageFile": 2, "Patient": 1}
    image = pl.read_parquet(dataset.table_path("Image")).row(0, named=True)
    assert (image["modality"], image["rows"], image["studied_on"]) == ("CT", 16, date(2024, 1, 5))
    patient = pl.read_parquet(dataset.table_path("Patient")).row(0, named=True)
    assert (patient["id"], patient["gender"]) == ("CHAN-1", "female")
    file = pl.read_parquet(dataset.table_path("ImageFile")).row(0, named=True)
    cleaned = pydicom.dcmread(io.BytesIO(file["dicom"]))
    assert cleaned.SOPInstanceUID == file["id"] == image["id"]
    assert b"CHAN" not in file["dicom"]
    assert b"TAI MAN" not in file["dicom"]
    assert dataset.derived["person"] == 1


def test_every_kind_of_broken_image_is_set_aside_once(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    _image(folder / "00.dcm", 1)
    (folder / "01.dcm").write_bytes(b"no image at all")
    kinds = [
        ({"Rows": 0}, "no image"),
        ({"PatientID": "", "StudyInstanceUID": ""}, "patient missing"),
        ({"SOPInstanceUID": "1.2.03"}, "SOPInstanceUID malformed"),
        ({"StudyInstanceUID": "1..2"}, "StudyInstanceUID malformed"),
        ({"Modality": ""}, "Modality missing"),
        ({"PatientSex": "X"}, "PatientSex not of the value set"),
        ({"PatientBirthDate": "19500230"}, "PatientBirthDate is no date"),
        ({"PatientBirthDate": "11500203"}, "PatientBirthDate out of range"),
        ({"StudyDate": "20241301"}, "StudyDate is no date"),
        ({"SOPInstanceUID": "1.2.3.1"}, "image seen before"),
        ({"PatientSex": "M"}, "patient described otherwise before"),
        ({"BodyPartExamined": "UNCLEAN"}, "pixels cannot be decoded and cleaned"),
    ]
    for number, (tags, _) in enumerate(kinds, start=2):
        with pydicom.config.disable_value_validation():
            _image(folder / f"{number:02}.dcm", number, **tags)
    dataset = import_dicom([folder], tmp_path / "store", "raw", clean=_copy)
    assert dataset.rows == {"Image": 1, "ImageFile": 1, "Patient": 1}
    assert dataset.quarantined == {"Image": {"no DICOM file": 1} | {why: 1 for _, why in kinds}}
    assert set(dataset.rules["Image"]) == set(RULES) == set(dataset.quarantined["Image"])


def test_a_source_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataImportError, match="no such"):
        import_dicom([tmp_path / "none"], tmp_path / "store", "raw", clean=_copy)
