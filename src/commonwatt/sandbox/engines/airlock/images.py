"""Whether a plot could carry people: single points, or rows hidden in pixels.

Source: Westfeld and Pfitzmann (1999), Attacks on Steganographic Systems, for
the chi-square test of pairs of values that hidden bits make equal.
"""

from __future__ import annotations

import struct
import zlib
from importlib import import_module
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from commonwatt.core.messages import Message

_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_MOST_PIXELS: Final = 4_000_000
_LAST_FILTER: Final = 4  # Paeth; a line with a filter beyond it has no meaning
_MOST_COLOURS: Final = 4096


def png_output_disclosure_fault_messages(data: bytes) -> list[Message]:
    """Return every reason why a PNG may not leave."""
    pixels = _output_png_pixels_or_none(data)
    if pixels is None:
        return [Message("The picture is not a plain 8-bit one of at most four million pixels.")]
    faults: list[Message] = []
    if _output_png_pixels_may_hide_data(pixels):
        faults.append(Message("The pixels vary like hidden data or a photograph, not like a plot."))
    # Ticks and legends have a few dozen marks; a scatter of people has more.
    if _plot_single_point_mark_count(pixels) > 40:
        faults.append(Message("The plot shows many separate points: single people?"))
    return faults


def _output_png_pixels_or_none(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Return the pixels, shape (height, width, channels), of a plain PNG; None of any other."""
    # What a job wrote decides every byte here: a picture that breaks off, or whose pixels do not
    # unpack, is held back like any that cannot be read, and is no fault of ours.
    try:
        width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
        # Plots of common libraries are plain 8-bit pictures; every other form is one more place in
        # which to hide something.
        if depth != 8 or interlace or colour not in _CHANNELS:
            return None
        if not 0 < width * height <= _MOST_PIXELS:
            return None
        step = _CHANNELS[colour]
        size = (width * step + 1) * height
        stream = zlib.decompressobj()
        # Asked for one byte more than the picture needs, so that a bomb unpacks to that and no
        # further, and what follows the pixels shows.
        packed = stream.decompress(_png_compressed_pixel_bytes(data), size + 1)
    except (struct.error, zlib.error):
        return None
    rows = np.frombuffer(packed, np.uint8)
    if len(rows) != size or not stream.eof or stream.unused_data:
        return None
    if rows[:: width * step + 1].max() > _LAST_FILTER:
        return None
    rows = rows.reshape(height, width * step + 1)
    return _undo_png_line_filters(rows, step).reshape(height, width, step)


def _png_compressed_pixel_bytes(data: bytes) -> bytes:
    at = 8
    parts: list[bytes] = []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IDAT":
            parts.append(data[at + 8 : at + 8 + length])
        at += length + 12
    return b"".join(parts)


def _undo_png_line_filters(rows: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.uint8]:
    """Undo the line filters (PNG specification, section 9)."""
    width = rows.shape[1] - 1
    above = np.zeros(width, np.uint8)
    lines: list[npt.NDArray[np.uint8]] = []
    for row in rows:
        above = _unfiltered_png_line(int(row[0]), row[1:], above, step)
        lines.append(above)
    return np.stack(lines)


def _unfiltered_png_line(
    kind: int, raw: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], step: int
) -> npt.NDArray[np.uint8]:
    if kind == 0:
        return raw.copy()
    if kind == 2:
        return raw + above
    if kind == 1:
        columns = raw.reshape(-1, step).astype(np.uint64)
        return np.cumsum(columns, axis=0).astype(np.uint8).reshape(-1)
    line = raw.astype(int)
    up = above.astype(int)
    for i in range(len(line)):
        left = line[i - step] if i >= step else 0
        corner = up[i - step] if i >= step else 0
        guess = (
            (left + up[i]) // 2
            if kind == 3
            else _png_paeth_predictor(int(left), int(up[i]), int(corner))
        )
        line[i] = (line[i] + guess) & 255
    return line.astype(np.uint8)


def _png_paeth_predictor(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    distances = (abs(guess - left), abs(guess - above), abs(guess - corner))
    return (left, above, corner)[distances.index(min(distances))]


def _output_png_pixels_may_hide_data(pixels: npt.NDArray[np.uint8]) -> bool:
    """Return whether neighbours differ by one too often, as hidden low bits make them.

    In a plot neighbouring pixels are equal or, at an edge, far apart; text hidden
    in the lowest bit makes flat areas flicker by one.
    """
    flat = pixels.reshape(len(pixels), -1, pixels.shape[2]).astype(int)
    steps = np.abs(np.diff(flat, axis=1))
    flicker = float(((steps == 1).any(axis=2)).mean()) if steps.size else 0.0
    colours = len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0))
    return flicker > 0.005 or colours > _MOST_COLOURS


def _plot_single_point_mark_count(pixels: npt.NDArray[np.uint8]) -> int:
    """Return how many small separate marks stand on the background."""
    ndimage = cast("Any", import_module("scipy.ndimage"))  # slow to import, so only here
    shades = pixels.reshape(-1, pixels.shape[2])
    colours, counts = np.unique(shades, axis=0, return_counts=True)
    background = colours[counts.argmax()]
    marks = (np.abs(pixels.astype(int) - background.astype(int)).max(axis=2) > 40).astype(int)
    labelled = cast("npt.NDArray[np.int64]", ndimage.label(marks, structure=np.ones((3, 3)))[0])
    sizes = np.bincount(labelled.ravel())[1:]
    height, width = marks.shape
    # Relative to the picture's size, since a point drawn at print resolution has many pixels.
    small = (sizes >= 1) & (sizes <= max(64, height * width // 2000))
    boxes = cast("list[tuple[slice, slice]]", ndimage.find_objects(labelled))
    return sum(
        keep and _plot_mark_is_point_like(box, height)
        for keep, box in zip(small, boxes, strict=True)
    )


def _plot_mark_is_point_like(box: tuple[slice, slice], height: int) -> bool:
    """Return whether a mark is compact like a point and not a letter at the rim."""
    tall, wide = box[0].stop - box[0].start, box[1].stop - box[1].start
    # The rims hold labels and ticks, whose letters are as small and round as points.
    inside = box[0].stop < height * 0.85 and box[1].start > height * 0.12
    return inside and max(tall, wide) <= 2 * min(tall, wide) + 1 and max(tall, wide) <= 14
