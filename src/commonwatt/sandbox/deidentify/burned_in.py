"""Find text that was burned into an image, and blank all but what is known to be harmless.

Text is what stands out in thin strokes from its surroundings. Each line of it
is read by tesseract; a line that reads as a technical mark (a side, a scale, a
setting with its number) stays. Whatever reads as anything else, or as nothing,
is blanked: a name that nobody could read is still a name.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from commonwatt.core.messages import Message
from commonwatt.sandbox.errors import DeidentifyError

_STROKE: Final = 9
"""Widest stroke of text that is looked for [pixels]."""
_CONTRAST: Final = 32.0
_GAP: Final = 11
"""Widest gap within a line [pixels]."""
_ZOOM: Final = 4
_HEM: Final = 5
"""How far beyond a line is blanked: commas and hooks stand out less than letters [pixels]."""
_MARGIN: Final = 24

_UNIT: Final = r"(?:CM|MM|M|HZ|KHZ|MHZ|KV|KVP|MA|MAS|DB|S|MS|FPS|%|X|CM/S|MMHG)"
_NUMBER: Final = r"-?\d+(?:[.,]\d+)?"
_SETTING: Final = (
    r"(?:GAIN|ZOOM|DEPTH|FREQ|FR|DR|MI|TIS|TIB|TI|KV|KVP|MA|MAS|WL|WW|W|C|SL|THK|TE|TR|FOV|ET|"
    r"FRAME|SCALE|PWR|POWER|FOCUS|GN|DYN|SE|IM)"
)
_SIDES: Final = re.compile(
    r"R|L|A|P|H|F|S|I|AP|PA|LAT|LATERAL|RT|LT|SUP|INF|ANT|POST|SUPINE|ERECT|PRONE|OBL"
)
_HARMLESS: Final = re.compile(
    rf"{_NUMBER} ?{_UNIT}"
    rf"|{_SETTING}[ :=]*{_NUMBER}(?: ?{_UNIT})?(?: {_SETTING}[ :=]*{_NUMBER}(?: ?{_UNIT})?)*"
)

Grey = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Box:
    """A line of text: left, top, right, bottom in pixels, and whether it may stay."""

    left: int
    top: int
    right: int
    bottom: int
    harmless: bool


def find_text(image: npt.NDArray[Any]) -> list[Box]:
    """Return every line of burned-in text in a picture of one channel.

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
    light, dark = _strokes(_as_bytes(image))
    found = _boxes(light, program)
    # Gaps between light letters look like dark text, so dark text is what lies elsewhere.
    for box in found:
        dark[max(0, box.top - 3) : box.bottom + 3, max(0, box.left - 3) : box.right + 3] = 0
    return found + _boxes(dark, program)


def _boxes(strokes: Grey, program: str) -> list[Box]:
    places = _lines(strokes)
    texts = _read(strokes, places, program)
    return [
        Box(columns.start, rows.start, columns.stop, rows.stop, _may_stay(text, (rows, columns)))
        for (rows, columns), text in zip(places, texts, strict=True)
    ]


def is_harmless(text: str) -> bool:
    """Return whether a line reads as a technical mark and nothing else.

    >>> is_harmless("kV 120 mA 200"), is_harmless("5 cm"), is_harmless("LAM Ka Fai")
    (True, True, False)
    """
    words = " ".join(text.split())
    return bool(_SIDES.fullmatch(words) or _HARMLESS.fullmatch(words.upper()))


def _may_stay(text: str, place: tuple[slice, slice]) -> bool:
    """Return whether a line is harmless and no wider than its letters: 張偉 can read as `A`."""
    rows, columns = place
    letters = len(text.replace(" ", ""))
    return is_harmless(text) and columns.stop - columns.start <= 1.6 * letters * (
        rows.stop - rows.start
    )


def blank(image: npt.NDArray[Any], boxes: list[Box]) -> npt.NDArray[Any]:
    """Return a copy of `image`, shape (…, rows, columns[, channels]), without harmful lines."""
    done = image.copy()
    rows_axis = -3 if done.ndim >= 3 and done.shape[-1] in (3, 4) else -2
    lowest = done.min()
    for box in boxes:
        if box.harmless:
            continue
        rows = slice(max(0, box.top - _HEM), box.bottom + _HEM)
        columns = slice(max(0, box.left - _HEM), box.right + _HEM)
        where = (..., rows, columns, slice(None)) if rows_axis == -3 else (..., rows, columns)
        done[where] = lowest
    return done


def _as_bytes(image: npt.NDArray[Any]) -> Grey:
    grey = image.astype(float)
    low, high = float(grey.min()), float(grey.max())
    return (grey - low) * (255.0 / (high - low)) if high > low else grey * 0.0


def _strokes(grey: Grey) -> tuple[Grey, Grey]:
    """Return how far each pixel stands out as a thin stroke does: lighter, and darker."""
    ndimage = cast("Any", import_module("scipy.ndimage"))
    light = grey - cast("Grey", ndimage.grey_opening(grey, size=(_STROKE, _STROKE)))
    dark = cast("Grey", ndimage.grey_closing(grey, size=(_STROKE, _STROKE))) - grey
    return light, dark


def _lines(strokes: Grey) -> list[tuple[slice, slice]]:
    """Return the places of lines, from the top."""
    ndimage = cast("Any", import_module("scipy.ndimage"))
    marks = strokes > _CONTRAST
    joined = ndimage.binary_closing(np.pad(marks, _GAP), structure=np.ones((1, _GAP)))[
        _GAP:-_GAP, _GAP:-_GAP
    ]
    labelled = ndimage.label(joined, structure=np.ones((3, 3)))[0]
    found = cast("list[tuple[slice, slice]]", ndimage.find_objects(labelled))
    tall = [(rows, columns) for rows, columns in found if 5 <= rows.stop - rows.start <= 60]
    return sorted(tall, key=lambda place: (place[0].start, place[1].start))


def _read(strokes: Grey, places: list[tuple[slice, slice]], program: str) -> list[str]:
    """Return the text of each line: all from one page, then alone what the page left unclear."""
    inks = [_ink(strokes, place) for place in places]
    if not inks:
        return []
    width = max(ink.shape[1] for ink in inks)
    page = [np.pad(ink, ((0, 0), (0, width - ink.shape[1])), constant_values=255) for ink in inks]
    tops = np.cumsum([0, *(len(ink) for ink in page[:-1])]).tolist()
    texts = _by_line(_tesseract(np.vstack(page), program, "6"), tops)
    return [
        text
        if is_harmless(text)
        else _by_line(_tesseract(ink, program, "7"), [0])[0]
        if _is_short(place)
        else text
        for text, ink, place in zip(texts, inks, places, strict=True)
    ]


def _is_short(place: tuple[slice, slice]) -> bool:
    """Return whether a line is as short as technical marks are."""
    rows, columns = place
    return columns.stop - columns.start <= 16 * (rows.stop - rows.start)


def _ink(strokes: Grey, place: tuple[slice, slice]) -> npt.NDArray[np.uint8]:
    """Return a line enlarged, dark on white, at its own full contrast, with a margin."""
    ndimage = cast("Any", import_module("scipy.ndimage"))
    rows, columns = place
    crop = strokes[
        max(0, rows.start - 2) : rows.stop + 2, max(0, columns.start - 2) : columns.stop + 2
    ]
    large = cast("Grey", ndimage.zoom(crop, _ZOOM, order=3))
    strong = np.clip(large / max(float(np.percentile(large, 97)), 1.0), 0.0, 1.0)
    ink = (255 * (1 - np.clip((strong - 0.25) / 0.5, 0.0, 1.0))).astype(np.uint8)
    return np.pad(ink, _MARGIN, constant_values=255)


def _tesseract(page: npt.NDArray[np.uint8], program: str, mode: str) -> str:
    head = f"P5 {page.shape[1]} {page.shape[0]} 255\n".encode()
    done = subprocess.run(  # noqa: S603  a fixed program, no shell
        [program, "stdin", "stdout", "--psm", mode, "-l", "eng", "tsv"],
        input=head + page.tobytes(),
        capture_output=True,
        check=False,
        timeout=120,
        env={"OMP_THREAD_LIMIT": "1"},
    )
    return done.stdout.decode("utf-8", "replace")


def _by_line(tsv: str, tops: list[int]) -> list[str]:
    """Return the words of a page by the line that their middle lies in."""
    words: list[list[str]] = [[] for _ in tops]
    for row in tsv.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
            middle = int(cells[7]) + int(cells[9]) / 2
            words[int(np.searchsorted(tops, middle, side="right")) - 1].append(cells[11])
    return [" ".join(line) for line in words]
