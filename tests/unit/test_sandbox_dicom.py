"""Images: no tag that identifies is left, and burned-in text is blanked."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonwatt.sandbox.domain.errors import DeidentifyError
from commonwatt.sandbox.engines.deidentify.burned_in import (
    TextBox,
    find_burned_in_text_boxes,
    image_copy_with_burned_in_text_blanked,
)
from commonwatt.sandbox.engines.deidentify.dicom import deidentify_dicom_and_count_blanked_lines
from commonwatt.sandbox.engines.deidentify.marks import (
    identifying_header_words,
    image_mark_edit_distance,
    image_text_agrees_with_header,
    is_technical_image_mark,
)
from tests.shared_data import shared_data

pydicom = pytest.importorskip("pydicom")
KEY = b"a project secret, thirty-two byt"
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="no tesseract")


@pytest.mark.parametrize(
    "text",
    [
        "R",
        "AP",
        "5 cm",
        "Gain 52",
        "Zoom 1.5",
        "kV 120 mA 200",
        "Freq 3.5 MHz",
        "Scm",
        "1ZU mA 290",
        "Depth 12.5cm",
        "TR 500 TE 12",
        "SUPINE",
        "Series 3",
        "Freg 3.5 MHz",
    ],
)
def test_technical_marks_are_harmless(text):
    assert is_technical_image_mark(text)


@pytest.mark.parametrize(
    "text",
    [
        "LAM Ka Fai",
        "a",
        "R346920(3)",
        "DOB 8 Oct 2007",
        "",
        "1960",
        "5 cmx",
        "M 45Y",
        "9.1.1972",
        "H8580814",
        "1991-07-11",
        "張偉",
        "12345",
        "Man",
        "LAT Wong",
    ],
)
def test_everything_else_is_not(text):
    assert not is_technical_image_mark(text)


def test_a_line_that_agrees_with_the_header_is_known_as_a_persons():
    header = identifying_header_words(["CHAN^TAI MAN", "19700102", "Series"])
    assert image_text_agrees_with_header("Tai Wan", header)
    assert image_text_agrees_with_header("DOB 19700I02", frozenset({"19700102"}))
    assert not image_text_agrees_with_header("Gain 52", header)
    assert not image_text_agrees_with_header("", header)


def _slow_distance(word, other):
    if not word or not other:
        return len(word) + len(other)
    return min(
        _slow_distance(word[1:], other) + 1,
        _slow_distance(word, other[1:]) + 1,
        _slow_distance(word[1:], other[1:]) + (word[0] != other[0]),
    )


@given(st.text("ab1", max_size=5), st.text("ab1", max_size=5))
def test_distance_is_the_fewest_changes(word, other):
    assert image_mark_edit_distance(word, other) == _slow_distance(word, other)


def test_the_hem_of_a_blanked_line_spares_a_mark_beside_it():
    image = np.full((40, 60), 9, np.uint8)
    image[0, 0] = 1
    done = image_copy_with_burned_in_text_blanked(
        image, [TextBox(10, 10, 20, 16, False), TextBox(22, 10, 30, 16, True)]
    )
    assert (done[10:16, 22:30] == 9).all()
    assert (done[10:16, 10:22] == 1).all()


def test_blanking_spares_harmless_lines_and_reaches_every_frame():
    image = np.full((3, 40, 60), 9, np.uint8)
    image[0, 0, 0] = 1
    done = image_copy_with_burned_in_text_blanked(
        image, [TextBox(10, 10, 20, 16, False), TextBox(30, 25, 40, 30, True)]
    )
    assert (done[:, 10:16, 10:20] == 1).all()
    assert (done[:, 25:30, 30:40] == 9).all()
    colour = np.full((40, 60, 3), 9, np.uint8)
    colour[0, 0] = 1
    assert (
        image_copy_with_burned_in_text_blanked(colour, [TextBox(10, 10, 20, 16, False)])[
            10:16, 10:20
        ]
        == 1
    ).all()


@needs_tesseract
def test_an_image_without_text_stays_as_it_is():
    assert [
        box for box in find_burned_in_text_boxes(np.zeros((50, 50), np.uint8)) if not box.harmless
    ] == []


def test_a_file_whose_pixels_cannot_be_read_is_refused_without_its_content(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"CHAN Tai Man")
    with pytest.raises(DeidentifyError) as caught:
        deidentify_dicom_and_count_blanked_lines(tmp_path / "a.dcm", tmp_path / "b.dcm", key=KEY)
    assert "CHAN" not in str(caught.value)
    assert not (tmp_path / "b.dcm").exists()


@needs_tesseract
@pytest.mark.shared_data
@pytest.mark.slow
def test_no_identifying_tag_is_left_and_burned_in_text_is_covered(tmp_path):
    folder = shared_data("health", "dicom", "burned-in-synthetic")
    truths = json.loads((folder / "truth.json").read_text(encoding="utf-8"))[:8]
    covered = boxes = intact = marks = 0
    for truth in truths:
        source = pydicom.dcmread(folder / truth["file"])
        deidentify_dicom_and_count_blanked_lines(
            folder / truth["file"], tmp_path / truth["file"], key=KEY
        )
        left = pydicom.dcmread(tmp_path / truth["file"])
        secrets = {str(source[_tag(tag)].value) for tag in truth["phi_tags"]}
        header_text = str(left)
        assert not any(secret and secret in header_text for secret in secrets)
        assert not any(element.tag.is_private for element in left)
        assert left.pixel_array.shape == source.pixel_array.shape
        for box in truth["phi_boxes"]:
            boxes += 1
            covered += _is_blank(left.pixel_array, box["box"])
        for box in truth["keep_boxes"]:
            marks += 1
            intact += _is_same(left.pixel_array, source.pixel_array, box["box"])
    assert covered >= 0.99 * boxes
    assert intact >= 0.85 * marks


def _tag(name):
    return pydicom.tag.Tag(name.replace(",", "")) if "," in name else name


def _is_same(after, before, box):
    left, top, right, bottom = box
    return (after[top:bottom, left:right] == before[top:bottom, left:right]).mean() > 0.5


def _is_blank(pixels, box):
    left, top, right, bottom = box
    grey = pixels.mean(axis=-1) if pixels.ndim == 3 else pixels
    part = grey[top:bottom, left:right]
    return (part == grey.min()).mean() >= 0.95


@needs_tesseract
@pytest.mark.shared_data
def test_files_of_one_study_still_agree(tmp_path):
    folder = shared_data("health", "dicom", "burned-in-synthetic")
    for name in ("one", "two"):
        deidentify_dicom_and_count_blanked_lines(folder / "dev-000.dcm", tmp_path / name, key=KEY)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    deidentify_dicom_and_count_blanked_lines(
        folder / "dev-000.dcm", tmp_path / "other", key=KEY[::-1]
    )
    first, other = (pydicom.dcmread(tmp_path / name) for name in ("one", "other"))
    assert first.StudyInstanceUID != other.StudyInstanceUID
    assert first.PatientID != other.PatientID
