"""De-identify a DICOM file: keep what describes the picture, drop everything else.

The standard's basic profile lists what to remove; a list of what to keep is
safer, because makers add tags that no list knows. Identifiers of studies,
series and images become keyed ones that still agree between files; dates move
by the person's shift; burned-in text is blanked; private tags and sequences go.

Source: DICOM PS3.15, annex E, with the options to clean pixel data and to keep
    longitudinal dates modified.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from commonwatt.core.files import file_draft
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DeidentifyError
from commonwatt.sandbox.engines.deidentify.burned_in import (
    find_burned_in_text_boxes,
    image_copy_with_burned_in_text_blanked,
)
from commonwatt.sandbox.engines.deidentify.marks import identifying_header_words
from commonwatt.sandbox.engines.deidentify.tables import person_date_shift_weeks, pseudonym

_KEEP: Final = frozenset(
    """SOPClassUID Modality PatientSex BodyPartExamined ViewPosition Laterality ImageLaterality
    PatientPosition SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames
    Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation PixelSpacing
    ImagerPixelSpacing PixelAspectRatio SmallestImagePixelValue LargestImagePixelValue
    WindowCenter WindowWidth RescaleIntercept RescaleSlope RescaleType SliceThickness
    SpacingBetweenSlices SliceLocation ImagePositionPatient ImageOrientationPatient KVP
    ExposureTime XRayTubeCurrent Exposure RepetitionTime EchoTime FlipAngle MagneticFieldStrength
    FrameTime InstanceNumber SeriesNumber AcquisitionNumber ImageType LossyImageCompression
    RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor
    BluePaletteColorLookupTableDescriptor RedPaletteColorLookupTableData
    GreenPaletteColorLookupTableData BluePaletteColorLookupTableData""".split()  # noqa: SIM905
)
_LINKS: Final = frozenset(
    {"SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"}
)
_DATES: Final = frozenset({"StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"})
_IDENTIFYING: Final = frozenset(
    """PatientID OtherPatientIDs PatientAddress PatientTelephoneNumbers InstitutionName
    InstitutionAddress AccessionNumber PatientComments IssuerOfPatientID StudyID
    InstitutionalDepartmentName StationName""".split()  # noqa: SIM905
)
"""Fields beside names and dates whose words may stand in the picture, too."""
_MOST_PIXELS: Final = 64_000_000


def deidentify_dicom_and_count_blanked_lines(source: Path, to: Path, *, key: bytes) -> int:
    """Write a de-identified copy of one image; return how many lines of text were blanked.

    Args:
        source: A DICOM file with pixels.
        to: The new file.
        key: The project's secret.

    Raises:
        DeidentifyError: The file is no image that can be decoded here, so that
            text in its pixels could not be looked for.
    """
    pydicom = cast("Any", import_module("pydicom"))
    header, pixels = _read_dicom_image(pydicom, source)
    # The same stand-in as in the import, so that dates of one study move together.
    person = str(header.get("PatientID", "") or header.get("StudyInstanceUID", ""))
    # A new dataset and not a cleaned old one: what is not copied cannot be forgotten.
    image = pydicom.Dataset()
    image.SpecificCharacterSet = "ISO_IR 192"
    for element in header:
        # Sequences nest whole records, and private tags mean what their maker wished.
        if element.VR != "SQ" and not element.tag.is_private and element.keyword in _KEEP:
            image.add(element)
    for name in _LINKS & set(header.dir()):
        setattr(image, name, _keyed_dicom_uid(key, str(header.get(name))))
    for name in _DATES & set(header.dir()):
        setattr(
            image,
            name,
            _shifted_dicom_date(str(header.get(name)), person_date_shift_weeks(key, person)),
        )
    image.PatientID = image.PatientName = pseudonym(key, person)
    image.PatientIdentityRemoved = "YES"
    image.DeidentificationMethod = "kept by list; pixels cleaned; dates shifted"
    image.LongitudinalTemporalInformationModified = "MODIFIED"
    image.BurnedInAnnotation = "NO"
    blanked = _put_clean_dicom_pixels_and_count_lines(
        image, pixels, dicom_identifying_words(header)
    )
    _write_dicom_file(pydicom, image, to)
    return blanked


def dicom_identifying_words(header: Any) -> frozenset[str]:
    """Return the words of a header that tell who is shown, by which lines are known."""
    values = [
        str(element.value)
        for element in header.iterall()
        if element.keyword in _IDENTIFYING or element.VR in ("PN", "DA")
    ]
    return identifying_header_words(values)


def _read_dicom_image(pydicom: Any, source: Path) -> tuple[Any, npt.NDArray[Any]]:
    try:
        header = pydicom.dcmread(source)
        # Before decoding: a header may promise more pixels than the machine has memory.
        size = int(header.Rows) * int(header.Columns) * int(header.get("NumberOfFrames", 1) or 1)
        if size > _MOST_PIXELS:
            raise ValueError
        return header, cast("npt.NDArray[Any]", header.pixel_array)
    except Exception as error:
        raise DeidentifyError(
            source.name,
            found=type(error).__name__,
            wanted=Message("an image whose pixels can be decoded and cleaned"),
        ) from None


def _put_clean_dicom_pixels_and_count_lines(
    image: Any, pixels: npt.NDArray[Any], header: frozenset[str]
) -> int:
    """Clean the pixels and put them in, plain; return how many lines were blanked."""
    colour = int(image.SamplesPerPixel) > 1
    frames = pixels.reshape(-1, *pixels.shape[-3:]) if colour else pixels
    # The brightest over all frames: a name may be shown in one frame of a loop only.
    flat = frames.mean(axis=-1) if colour else frames
    grey = flat.reshape(-1, *flat.shape[-2:]).max(axis=0)
    boxes = find_burned_in_text_boxes(grey, header)
    cleaned = np.ascontiguousarray(image_copy_with_burned_in_text_blanked(pixels, boxes))
    image.PixelData = cleaned.astype(cleaned.dtype.newbyteorder("<"), copy=False).tobytes()
    if colour:
        image.PlanarConfiguration = 0
    image["PixelData"].VR = "OB" if int(image.BitsAllocated) <= 8 else "OW"
    return sum(not box.harmless for box in boxes)


def _write_dicom_file(pydicom: Any, image: Any, to: Path) -> None:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = image.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = image.get("SOPInstanceUID", "")
    image.file_meta = meta
    with file_draft(to) as draft:
        image.save_as(draft, enforce_file_format=True)


def _keyed_dicom_uid(key: bytes, uid: str) -> str:
    """Return a keyed identifier in the UUID-derived root of the standard (PS3.5, B.2)."""
    digest = hmac.digest(key, b"uid:" + uid.encode(), hashlib.sha256)
    return f"2.25.{int.from_bytes(digest[:16])}"


def _shifted_dicom_date(date: str, weeks: int) -> str:
    """Return a date moved by whole weeks, or nothing where it is no date.

    >>> _shifted_dicom_date("20250802", -1), _shifted_dicom_date("?", 1)
    ('20250726', '')
    """
    try:
        day = datetime.strptime(date, "%Y%m%d")
    except ValueError:
        return ""
    return (day + timedelta(weeks=weeks)).strftime("%Y%m%d")
