"""Whether bytes are what they are declared to be, and nothing besides.

Source: W3C, Portable Network Graphics (third edition), sections 5 and 11.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from commonwatt.sandbox.domain.job import OutputKind

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"pHYs", b"IDAT", b"IEND"})
_SIDES: Final = 16_384


def cleaned_output_bytes_or_none(data: bytes, kind: OutputKind) -> bytes | None:
    r"""Return the bytes of `kind` that may go on to review, or None.

    Text of any sort is UTF-8 without control characters, which no binary pickle,
    archive, program or image is; JSON must parse. A picture keeps only the parts
    that make its pixels; words riding in it are taken out.

    >>> cleaned_output_bytes_or_none(b"a,b\n1,2\n", OutputKind.CSV)
    b'a,b\n1,2\n'
    >>> cleaned_output_bytes_or_none(b"\x80\x04\x95.", OutputKind.CSV) is None
    True
    """
    if kind is OutputKind.PNG:
        return _png_without_text_chunks_or_none(data)
    text = _plain_text_output_or_none(data)
    if text is None or (
        kind in (OutputKind.JSON, OutputKind.MODEL) and not _is_job_output_json(text)
    ):
        return None
    return data


def _plain_text_output_or_none(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    # Control characters move the cursor of the checker's terminal and can hide what stands there.
    clean = all(ord(char) >= 32 or char in "\t\r\n" for char in text) and "\x7f" not in text
    return text if clean else None


def _is_job_output_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _png_without_text_chunks_or_none(data: bytes) -> bytes | None:
    """Return a picture without its words, or None if it is malformed."""
    try:
        chunks = list(_png_chunk_kinds_and_bytes(data))
    except (ValueError, struct.error):
        return None
    kinds = [kind for kind, _ in chunks]
    # Bytes after the end, or a picture without pixels, carry something else.
    if kinds[:1] != [b"IHDR"] or kinds[-1] != b"IEND" or b"IDAT" not in kinds:
        return None
    if max(struct.unpack(">II", chunks[0][1][8:16])) > _SIDES:
        return None
    return _PNG + b"".join(chunk for kind, chunk in chunks if kind in _PIXELS)


def _png_chunk_kinds_and_bytes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk's kind and whole bytes; raise on anything out of order."""
    if not data.startswith(_PNG):
        raise ValueError
    at = len(_PNG)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunk = data[at : at + length + 12]
        (check,) = struct.unpack(">I", chunk[-4:])
        # A wrong checksum means bytes that viewers skip and a reader of the raw file sees.
        if len(chunk) != length + 12 or zlib.crc32(chunk[4:-4]) != check:
            raise ValueError
        yield chunk[4:8], chunk
        at += len(chunk)
        if chunk[4:8] == b"IEND" and at != len(data):
            raise ValueError
