"""Find text that was burned into an image, and blank all but what is known to be harmless.

Text is what stands out in thin strokes from its surroundings. Each line of it
is read by tesseract; a line that reads as a technical mark (a side, a scale, a
setting with its number) stays. Whatever reads as anything else, or as nothing,
is blanked: a name that nobody could read is still a name.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from commonwatt.core.messages import Message
from commonwatt.processes.spawn import ProcessKind, run_process
from commonwatt.sandbox.domain.errors import DeidentifyError
from commonwatt.sandbox.engines.deidentify.marks import (
    image_text_agrees_with_header,
    is_line_misread_dicom_mark,
    is_technical_image_mark,
)

_STROKE: Final = 9
"""Widest stroke of text that is looked for [pixels]."""
_SURE: Final = 3
"""Letters and digits of a mark that one reading is enough for."""
_CONTRAST: Final = 32.0
_GAP: Final = 11
"""Widest gap within a line [pixels]."""
_ZOOM: Final = 4
_HEM: Final = 5
"""How far beyond a line is blanked: commas and hooks stand out less than letters [pixels]."""
_MARGIN: Final = 24
_LOWEST: Final = 5
_TALLEST: Final = 60

_ONE_LETTER: Final = 1.75
"""Widest a line may be, for its height, and still be too short for a name."""
_ALONE: Final = 3.0
_SHORT: Final = 16
_WORD_GAP: Final = 1.4
_SAME_HEIGHT: Final = 1.8
_WIDEST_LETTER: Final = 1.6

Grey = npt.NDArray[np.float64]
Place = tuple[slice, slice]
"""Rows and columns of a line."""
Ink = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TextBox:
    """A line of text: left, top, right, bottom in pixels, and whether it may stay."""

    left: int
    top: int
    right: int
    bottom: int
    harmless: bool


def find_burned_in_text_boxes(
    image: npt.NDArray[Any], header: frozenset[str] = frozenset()
) -> list[TextBox]:
    """Return every line of burned-in text in a picture of one channel.

    Args:
        image: The picture.
        header: Words of the file's header that tell who is shown.

    Raises:
        DeidentifyError: Tesseract is not installed.
    """
    program = shutil.which("tesseract")
    if program is None:
        raise DeidentifyError(
            "tesseract",
            found=Message("no such program"),
            remedy=Message("Install it: apt install tesseract-ocr"),
        )
    grey = _image_grey_levels(image)
    # Opening removes what is thinner than the window, so that the rest after subtraction is
    # strokes, whatever lies beneath.
    light, dark = _burned_in_stroke_contrast(grey)
    boxes = _burned_in_text_boxes(light, grey, program, header)
    # Gaps between light letters look like dark text, so dark text is what lies elsewhere.
    for box in boxes:
        dark[max(0, box.top - 3) : box.bottom + 3, max(0, box.left - 3) : box.right + 3] = 0
    return boxes + _burned_in_text_boxes(dark, 255.0 - grey, program, header)


def _burned_in_text_boxes(
    strokes: Grey, grey: Grey, program: str, header: frozenset[str]
) -> list[TextBox]:
    places = _burned_in_line_places(strokes)
    readings = _tesseract_line_readings(strokes, grey, places, program, header)
    verdicts = [
        _burned_in_line_mark_letter_or_unknown(texts, place, header)
        for texts, place in zip(readings, places, strict=True)
    ]
    return [
        TextBox(
            columns.start,
            rows.start,
            columns.stop,
            rows.stop,
            verdicts[i] == "mark"
            or (verdicts[i] == "letter" and _burned_in_letter_is_alone(i, places, verdicts)),
        )
        for i, (rows, columns) in enumerate(places)
    ]


def _burned_in_line_mark_letter_or_unknown(
    texts: list[str], place: Place, header: frozenset[str]
) -> str:
    """Return `mark`, `letter` (too short for a name) or `unknown`, from all readings of a line."""
    if any(image_text_agrees_with_header(text, header) for text in texts):
        return "unknown"
    # Two letters may be a name of two characters misread, so readings must agree on them.
    fitting = [text for text in texts if _is_burned_in_text_harmless_and_fits(text, place)]
    if len(fitting) > 1 or any(_burned_in_letter_count(text) >= _SURE for text in fitting):
        return "mark"
    if _burned_in_line_width_px(place) <= _ONE_LETTER * _burned_in_line_height_px(place):
        return "mark" if fitting else "letter"
    return (
        "mark"
        if any(texts.count(text) > 1 and is_line_misread_dicom_mark(text) for text in texts)
        else "unknown"
    )


def _is_burned_in_text_harmless_and_fits(text: str, place: Place) -> bool:
    """Return whether a line is harmless and no wider than its letters: 張偉 can read as `A`."""
    letters = len(text.replace(" ", ""))
    gaps = text.count(" ")
    most = (_WIDEST_LETTER * letters + _WORD_GAP * gaps) * _burned_in_line_height_px(place)
    return is_technical_image_mark(text) and _burned_in_line_width_px(place) <= most


def _burned_in_letter_is_alone(index: int, places: list[Place], verdicts: list[str]) -> bool:
    """Return whether a letter has nothing beside it but marks, so that it begins no name."""
    rows, columns = places[index]
    reach = _ALONE * _burned_in_line_height_px(places[index])
    return not any(
        verdicts[i] != "mark"
        and min(rows.stop, others.stop) - max(rows.start, others.start) > 0
        and max(columns.start, across.start) - min(columns.stop, across.stop) <= reach
        for i, (others, across) in enumerate(places)
        if i != index
    )


def _burned_in_letter_count(text: str) -> int:
    return sum(map(str.isalnum, text))


def _burned_in_line_width_px(place: Place) -> int:
    return place[1].stop - place[1].start


def _burned_in_line_height_px(place: Place) -> int:
    return place[0].stop - place[0].start


def image_copy_with_burned_in_text_blanked(
    image: npt.NDArray[Any], boxes: list[TextBox]
) -> npt.NDArray[Any]:
    """Return a copy of `image`, shape (…, rows, columns[, channels]), without harmful lines.

    Where the hem of one reaches into a harmless line, that line stays whole.
    """
    blanked = image.copy()
    rows_axis = -3 if blanked.ndim >= 3 and blanked.shape[-1] in (3, 4) else -2
    # The picture's own darkest value: a zero may be white or out of range in this encoding.
    lowest = blanked.min()
    for box in boxes:
        if box.harmless:
            continue
        rows = slice(max(0, box.top - _HEM), box.bottom + _HEM)
        columns = slice(max(0, box.left - _HEM), box.right + _HEM)
        where = (..., rows, columns, slice(None)) if rows_axis == -3 else (..., rows, columns)
        blanked[where] = lowest
    for box in boxes:
        if box.harmless:
            rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
            where = (..., rows, columns, slice(None)) if rows_axis == -3 else (..., rows, columns)
            blanked[where] = image[where]
    return blanked


def _image_grey_levels(image: npt.NDArray[Any]) -> Grey:
    grey = image.astype(float)
    low, high = float(grey.min()), float(grey.max())
    return (grey - low) * (255.0 / (high - low)) if high > low else grey * 0.0


def _burned_in_stroke_contrast(grey: Grey) -> tuple[Grey, Grey]:
    """Return how far each pixel stands out as a thin stroke does: lighter, and darker."""
    ndimage = cast("Any", import_module("scipy.ndimage"))
    light = grey - cast("Grey", ndimage.grey_opening(grey, size=(_STROKE, _STROKE)))
    dark = cast("Grey", ndimage.grey_closing(grey, size=(_STROKE, _STROKE))) - grey
    return light, dark


def _burned_in_line_places(strokes: Grey) -> list[Place]:
    """Return the places of lines, from the top."""
    ndimage = cast("Any", import_module("scipy.ndimage"))
    marks = strokes > _CONTRAST
    # Padded, since closing at the rim would else take the border for ink.
    joined = ndimage.binary_closing(np.pad(marks, _GAP), structure=np.ones((1, _GAP)))[
        _GAP:-_GAP, _GAP:-_GAP
    ]
    labelled = ndimage.label(joined, structure=np.ones((3, 3)))[0]
    areas = cast("list[Place]", ndimage.find_objects(labelled))
    tall = [place for place in areas if _LOWEST <= _burned_in_line_height_px(place) <= _TALLEST]
    return sorted(
        _burned_in_word_places_joined_into_lines(tall),
        key=lambda place: (place[0].start, place[1].start),
    )


def _burned_in_word_places_joined_into_lines(places: list[Place]) -> list[Place]:
    """Return places with the words of a line put together, from left to right."""
    lines: list[Place] = []
    for place in sorted(places, key=lambda area: (area[1].start, area[0].start)):
        before = next(
            (i for i, line in enumerate(lines) if _word_continues_text_line(line, place)), None
        )
        if before is None:
            lines.append(place)
        else:
            lines[before] = _union_of_text_places(lines[before], place)
    return lines


def _word_continues_text_line(line: Place, word: Place) -> bool:
    """Return whether a word stands on a line, next to what is there already."""
    tall, small = (
        max(_burned_in_line_height_px(line), _burned_in_line_height_px(word)),
        min(_burned_in_line_height_px(line), _burned_in_line_height_px(word)),
    )
    shared = min(line[0].stop, word[0].stop) - max(line[0].start, word[0].start)
    gap = word[1].start - line[1].stop
    return tall <= _SAME_HEIGHT * small and shared >= 0.6 * small and gap <= _WORD_GAP * tall


def _union_of_text_places(first: Place, second: Place) -> Place:
    rows, columns = (
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )
    return rows, columns


def _tesseract_line_readings(
    strokes: Grey, grey: Grey, places: list[Place], program: str, header: frozenset[str]
) -> list[list[str]]:
    """Return what each line reads as: all from one page, then alone what that left unclear."""
    if not places:
        return []
    inks = [_enlarged_burned_in_line_image(strokes, place) for place in places]
    first = _tesseract_words_by_line(*_burned_in_ocr_tsv_and_line_tops(inks, program))
    return [
        [
            text,
            *_further_burned_in_line_readings(
                [ink, _enlarged_burned_in_line_image(grey, place)], program
            ),
        ]
        if _burned_in_line_is_unclear(text, place, header)
        else [text]
        for text, ink, place in zip(first, inks, places, strict=True)
    ]


def _burned_in_line_is_unclear(text: str, place: Place, header: frozenset[str]) -> bool:
    """Return whether a line short enough for a mark was read as none, and as no one's name."""
    short = (
        _ONE_LETTER * _burned_in_line_height_px(place)
        < _burned_in_line_width_px(place)
        <= _SHORT * _burned_in_line_height_px(place)
    )
    clear = is_technical_image_mark(text) and _burned_in_letter_count(text) >= _SURE
    return short and not clear and not image_text_agrees_with_header(text, header)


def _further_burned_in_line_readings(inks: list[Ink], program: str) -> list[str]:
    """Return further readings of one line: of its strokes, of the picture."""
    return [_tesseract_words_by_line(_run_tesseract_tsv(ink, program, "7"), [0])[0] for ink in inks]


def _burned_in_ocr_tsv_and_line_tops(inks: list[Ink], program: str) -> tuple[str, list[int]]:
    """Return what a page of all lines reads as, and where each line begins on it."""
    width = max(ink.shape[1] for ink in inks)
    page = [np.pad(ink, ((0, 0), (0, width - ink.shape[1])), constant_values=255) for ink in inks]
    tops: list[int] = np.cumsum([0, *(len(ink) for ink in page[:-1])]).tolist()
    return _run_tesseract_tsv(np.vstack(page), program, "6"), tops


def _enlarged_burned_in_line_image(strokes: Grey, place: Place) -> Ink:
    """Return a line enlarged, dark on white, at its own full contrast, with a margin."""
    ndimage = cast("Any", import_module("scipy.ndimage"))
    rows, columns = place
    crop = strokes[
        max(0, rows.start - 2) : rows.stop + 2, max(0, columns.start - 2) : columns.stop + 2
    ]
    # Tesseract is made for letters of some thirty pixels; burned-in ones are much smaller.
    large = cast("Grey", ndimage.zoom(crop - crop.min(), _ZOOM, order=3))
    strong = np.clip(large / max(float(np.percentile(large, 97)), 1.0), 0.0, 1.0)
    ink = (255 * (1 - np.clip((strong - 0.25) / 0.5, 0.0, 1.0))).astype(np.uint8)
    return np.pad(ink, _MARGIN, constant_values=255)


def _run_tesseract_tsv(page: Ink, program: str, mode: str) -> str:
    head = f"P5 {page.shape[1]} {page.shape[0]} 255\n".encode()
    process = run_process(
        [program, "stdin", "stdout", "--psm", mode, "-l", "eng", "tsv"],
        ProcessKind.TEXT_RECOGNITION,
        data=head + page.tobytes(),
        timeout_s=120.0,
        # One thread: its own parallelism slows down many small pages, and several imports share a
        # machine.
        env={"OMP_THREAD_LIMIT": "1"},
    )
    return process.stdout.decode("utf-8", "replace")


def _tesseract_words_by_line(tsv: str, tops: list[int]) -> list[str]:
    """Return the words of a page by the line that their middle lies in."""
    words: list[list[str]] = [[] for _ in tops]
    for row in tsv.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
            middle = int(cells[7]) + int(cells[9]) / 2
            words[int(np.searchsorted(tops, middle, side="right")) - 1].append(cells[11])
    return [" ".join(line) for line in words]
