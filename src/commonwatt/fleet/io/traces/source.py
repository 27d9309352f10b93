"""A file's bytes, read with bounds: what is too long, cut off or not text is refused here.

Lengths are limited before anything is kept, so that a file of one endless line,
or a small archive that unpacks to a huge one, costs a message and not the memory.
"""

from __future__ import annotations

import gzip
import importlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from commonwatt.core.errors import (
    InputError,
    MissingExtraError,
    TraceError,
    table_cell_location_text,
)
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message

LINE_LIMIT: Final = 1 << 20
BYTES_LIMIT: Final = 4 << 30
# JSON becomes objects of many times its size, so that its bound lies below that of tables.
JSON_LIMIT: Final = 1 << 30
_PIECE: Final = 1 << 20
_PARQUET, _GZIP, _ZSTD = b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class TraceSource:
    """One input file.

    Args:
        path: Where it stands.
        data: Its bytes, unpacked; text is UTF-8 with one newline a line and no mark.
        is_parquet: The bytes are a Parquet file rather than text.
        sha256: Digest of the file as it stands on disk.
        error: What its bad values are raised as.
    """

    path: Path
    data: bytes
    is_parquet: bool
    sha256: str
    error: type[InputError] = TraceError

    @property
    def file_name(self) -> str:
        """The file's name, as messages say it."""
        return str(self.path)


def open_trace_source(path: Path, error: type[InputError] = TraceError) -> TraceSource:
    """Return the bytes of `path`, unpacked and checked.

    Raises:
        InputError: The file cannot be read, is empty, is cut off, holds a line
            above 1 MiB, or is neither text nor Parquet.
    """
    _check_trace_is_file(path)
    data = _unpacked_trace_bytes(path)
    # Of nothing there is no header, no format and no row to name, so it is refused by itself.
    if not data:
        raise _trace_file_error(
            path, Message("an empty file"), Message("at least a header and one row")
        )
    if data.startswith(_PARQUET):
        return TraceSource(path, data, True, file_sha256(path), error)
    return TraceSource(path, _checked_utf8_trace_bytes(path, data), False, file_sha256(path), error)


def check_trace_is_text(source: TraceSource) -> None:
    """Raise if the file is Parquet where its format is text alone.

    Raises:
        InputError: It is Parquet.
    """
    if source.is_parquet:
        actual, wanted = Message("a Parquet file"), Message("text, as this format has it")
        raise InputError(source.file_name, found=actual, wanted=wanted)


def _check_trace_is_file(path: Path) -> None:
    wanted = Message("a readable file")
    try:
        if path.is_dir():
            raise _trace_file_error(path, Message("a directory"), wanted)
        if not path.exists():
            raise _trace_file_error(path, Message("no such file"), wanted)
        if not path.is_file():
            raise _trace_file_error(path, Message("something that is not a plain file"), wanted)
        # Opened once to learn of permissions here, where the message can say so.
        path.open("rb").close()
    except PermissionError as error:
        raise _trace_file_error(path, Message("no permission to read it"), wanted) from error
    except (OSError, ValueError) as error:
        raise _trace_file_error(path, Message("a path that cannot be opened"), wanted) from error


def _unpacked_trace_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head[:2] == _GZIP:
            return _joined_trace_bytes_within_limit(path, _gzip_trace_pieces(path, file))
        if head == _ZSTD:
            return _joined_trace_bytes_within_limit(path, _zstd_trace_pieces(path, file))
        return _joined_trace_bytes_within_limit(path, iter(lambda: file.read(_PIECE), b""))


def _joined_trace_bytes_within_limit(path: Path, trace_pieces: Iterator[bytes]) -> bytes:
    buffer = io.BytesIO()
    limits = _SizeLimits(path)
    for piece in trace_pieces:
        limits.check_trace_size_with_piece(piece)
        buffer.write(piece)
    return buffer.getvalue()


class _SizeLimits:
    """Watches the bytes go by and stops at the first line, or file, that is too long."""

    def __init__(self, path: Path) -> None:
        self.path, self.size, self.lines, self.run = path, 0, 0, 0
        self.has_lines, self.limit = True, BYTES_LIMIT

    def check_trace_size_with_piece(self, piece: bytes) -> None:
        if self.size == 0:
            # Parquet has no lines, and a JSON array may be written as a single one.
            self.has_lines = not piece.startswith(_PARQUET) and not _trace_opens_json_array(piece)
            self.limit = JSON_LIMIT if _trace_opens_json_array(piece) else BYTES_LIMIT
        self.size += len(piece)
        if self.size > self.limit:
            actual = Message("more than {limit} GiB", {"limit": str(self.limit >> 30)})
            raise _trace_file_error(self.path, actual, _SMALLER)
        if self.has_lines:
            self._check_trace_line_length(piece)

    def _check_trace_line_length(self, piece: bytes) -> None:
        first, last = piece.find(b"\n"), piece.rfind(b"\n")
        if first < 0:
            self.run += len(piece)
        elif self.run + first > LINE_LIMIT:
            self.run += first
        else:
            # A piece is no longer than the limit, so a line within it is not either.
            self.lines += piece.count(b"\n")
            self.run = len(piece) - last - 1
        if self.run > LINE_LIMIT:
            place = table_cell_location_text(str(self.path), self.lines + 1)
            raise InputError(place, found=Message("a line above 1 MiB"), wanted=_TRACE_LINES)


_SMALLER = Message("a smaller file, or the same table as Parquet")
_TRACE_LINES = Message("a table with one row a line")


def _trace_opens_json_array(trace_piece: bytes) -> bool:
    return trace_piece[:64].removeprefix(_BOM).lstrip()[:1] == b"["


def _gzip_trace_pieces(path: Path, file: BinaryIO) -> Iterator[bytes]:
    try:
        with gzip.open(file) as unpacked:
            yield from iter(lambda: unpacked.read(_PIECE), b"")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _trace_cut_off_error(path, "gzip") from error


def _zstd_trace_pieces(path: Path, file: BinaryIO) -> Iterator[bytes]:
    zstd = _zstd_module_for_trace(path)
    try:
        with zstd.open(file, "rb") as unpacked:
            yield from iter(lambda: cast("bytes", unpacked.read(_PIECE)), b"")
    except (EOFError, zstd.ZstdError) as error:
        raise _trace_cut_off_error(path, "zstd") from error


def _zstd_module_for_trace(path: Path) -> Any:
    # The first is Python's own, from 3.14 on.
    for name in ("compression.zstd", "zstandard"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise MissingExtraError(
        str(path),
        found=Message("a zstd file, and no zstd reader is installed"),
        remedy=Message("Run `pip install zstandard`, or unpack the file first."),
    )


def _trace_cut_off_error(path: Path, packing: str) -> InputError:
    actual = Message("a {packing} file that is cut off or damaged", {"packing": packing})
    return _trace_file_error(path, actual, Message("a whole file; fetch or pack it again"))


def _checked_utf8_trace_bytes(path: Path, trace_bytes: bytes) -> bytes:
    if trace_bytes.startswith(_UTF16):
        actual = Message("text in UTF-16")
        raise _trace_file_error(
            path, actual, Message("text in UTF-8; save the file again as UTF-8")
        )
    _check_trace_not_binary(path, trace_bytes)
    _check_trace_is_utf8(path, trace_bytes)
    text = trace_bytes.removeprefix(_BOM)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not text.strip():
        raise _trace_file_error(
            path, Message("blank lines only"), Message("at least a header and one row")
        )
    return text


def _check_trace_not_binary(path: Path, trace_bytes: bytes) -> None:
    nul = trace_bytes.find(b"\0")
    if nul >= 0:
        row = trace_bytes.count(b"\n", 0, nul) + 1
        raise InputError(
            table_cell_location_text(str(path), row),
            found=Message("binary bytes"),
            wanted=Message("text in UTF-8, or a Parquet file"),
        )


def _check_trace_is_utf8(path: Path, trace_bytes: bytes) -> None:
    # The check for ASCII is a scan; decoding would copy the whole file.
    if trace_bytes.isascii():
        return
    try:
        trace_bytes.decode()
    except UnicodeDecodeError as error:
        row = trace_bytes.count(b"\n", 0, error.start) + 1
        actual = Message("bytes that are not UTF-8")
        wanted = Message("text in UTF-8, or a Parquet file")
        raise InputError(
            table_cell_location_text(str(path), row), found=actual, wanted=wanted
        ) from error


def _trace_file_error(path: Path, actual: Message, wanted: Message) -> InputError:
    return InputError(str(path), found=actual, wanted=wanted)
