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

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DeidentifyError
from commonwatt.sandbox.engines.deidentify.burned_in import blank_boxes, find_text
from commonwatt.sandbox.engines.deidentify.marks import names_of_header
from commonwatt.sandbox.engines.deidentify.tables import pseudonym, shift_weeks

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
_TELLING: Final = frozenset(
    """PatientID OtherPatientIDs PatientAddress PatientTelephoneNumbers InstitutionName
    InstitutionAddress AccessionNumber PatientComments IssuerOfPatientID StudyID
    InstitutionalDepartmentName StationName""".split()  # noqa: SIM905
)
"""Fields beside names and dates whose words may stand in the picture, too."""
_MOST_PIXELS: Final = 64_000_000


def deidentify_dicom(source: Path, to: Path, *, key: bytes) -> int:
    """Write a de-identified copy of one image; return how many lines of text were blanked.

    Args:
        source: A DICOM file with pixels.
        to: The new file.
        key: The room's secret.

    Raises:
        DeidentifyError: The file is no image that can be decoded here, so that
            text in its pixels could not be looked for.
    """
    pydicom = cast("Any", import_module("pydicom"))
    found, pixels = _read(pydicom, source)
    person = str(found.get("PatientID", "") or found.get("StudyInstanceUID", ""))
    made = pydicom.Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    for element in found:
        if element.VR != "SQ" and not element.tag.is_private and element.keyword in _KEEP:
            made.add(element)
    for name in _LINKS & set(found.dir()):
        setattr(made, name, _link(key, str(found.get(name))))
    for name in _DATES & set(found.dir()):
        setattr(made, name, _shifted(str(found.get(name)), shift_weeks(key, person)))
    made.PatientID = made.PatientName = pseudonym(key, person)
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "kept by list; pixels cleaned; dates shifted"
    made.LongitudinalTemporalInformationModified = "MODIFIED"
    made.BurnedInAnnotation = "NO"
    blanked = _put_pixels(made, pixels, header_words(found))
    _write(pydicom, made, to)
    return blanked


def header_words(header: Any) -> frozenset[str]:
    """Return the words of a header that tell who is shown, by which lines are known."""
    values = [
        str(element.value)
        for element in header.iterall()
        if element.keyword in _TELLING or element.VR in ("PN", "DA")
    ]
    return names_of_header(values)


def _read(pydicom: Any, source: Path) -> tuple[Any, npt.NDArray[Any]]:
    try:
        found = pydicom.dcmread(source)
        size = int(found.Rows) * int(found.Columns) * int(found.get("NumberOfFrames", 1) or 1)
        if size > _MOST_PIXELS:
            raise ValueError
        return found, cast("npt.NDArray[Any]", found.pixel_array)
    except Exception as error:
        raise DeidentifyError(
            source.name,
            found=type(error).__name__,
            wanted=Message("an image whose pixels can be decoded and cleaned"),
        ) from None


def _put_pixels(made: Any, pixels: npt.NDArray[Any], header: frozenset[str]) -> int:
    """Clean the pixels and put them in, plain; return how many lines were blanked."""
    colour = int(made.SamplesPerPixel) > 1
    frames = pixels.reshape(-1, *pixels.shape[-3:]) if colour else pixels
    flat = frames.mean(axis=-1) if colour else frames
    grey = flat.reshape(-1, *flat.shape[-2:]).max(axis=0)
    boxes = find_text(grey, header)
    cleaned = np.ascontiguousarray(blank_boxes(pixels, boxes))
    made.PixelData = cleaned.astype(cleaned.dtype.newbyteorder("<"), copy=False).tobytes()
    if colour:
        made.PlanarConfiguration = 0
    made["PixelData"].VR = "OB" if int(made.BitsAllocated) <= 8 else "OW"
    return sum(not box.harmless for box in boxes)


def _write(pydicom: Any, made: Any, to: Path) -> None:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = made.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", "")
    made.file_meta = meta
    draft = to.with_name(f".{to.name}.draft")
    made.save_as(draft, enforce_file_format=True)
    draft.replace(to)


def _link(key: bytes, uid: str) -> str:
    """Return a keyed identifier in the UUID-derived root of the standard (PS3.5, B.2)."""
    digest = hmac.digest(key, b"uid:" + uid.encode(), hashlib.sha256)
    return f"2.25.{int.from_bytes(digest[:16])}"


def _shifted(date: str, weeks: int) -> str:
    """Return a date moved by whole weeks, or nothing where it is no date.

    >>> _shifted("20250802", -1), _shifted("?", 1)
    ('20250726', '')
    """
    try:
        found = datetime.strptime(date, "%Y%m%d")
    except ValueError:
        return ""
    return (found + timedelta(weeks=weeks)).strftime("%Y%m%d")
