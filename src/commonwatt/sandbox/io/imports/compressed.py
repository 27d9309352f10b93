"""Packed files, read to their end or refused.

A reader that meets the middle of a cut file may take it for the end; half a
file would then import as if it were whole.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import zstandard

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DataImportError

_BLOCK: Final = 1 << 20
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


@contextmanager
def open_unpacked_import_file(source: Path) -> Generator[IO[bytes]]:
    """Yield the bytes of a file, unpacked if it is gzip (block gzip, too) or zstd.

    Raises:
        DataImportError: The file is cut or broken; raised where that shows.
    """
    try:
        with source.open("rb") as raw:
            # By content and not by ending: files are renamed on their way to a custodian.
            start = raw.read(4)
            raw.seek(0)
            if start == _ZSTD:
                yield io.BufferedReader(_Unpacked(_unpacked_dataset_zstd_blocks(raw)), _BLOCK)
            elif start[:2] == _GZIP:
                yield io.BufferedReader(gzip.GzipFile(fileobj=raw), _BLOCK)
            else:
                yield raw
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise compressed_import_file_error(source) from RuntimeError(type(error).__name__)


def compressed_import_file_error(source: Path) -> DataImportError:
    """Return what to say of a file whose packing is at fault."""
    return DataImportError(
        source.name,
        found=Message("a packed file that is cut or broken"),
        wanted=Message("the whole file"),
    )


def check_zstd_import_file_whole(source: Path) -> None:
    """Raise unless `source` can be unpacked to its end, if it is packed with zstd.

    DuckDB notices a cut gzip by itself, and takes a cut zstd for a shorter one.

    Raises:
        DataImportError: The file is cut or broken.
    """
    if source.suffix != ".zst":
        return
    try:
        with source.open("rb") as raw:
            for _ in _unpacked_dataset_zstd_blocks(raw):
                pass
    except (EOFError, zstandard.ZstdError) as error:
        raise compressed_import_file_error(source) from RuntimeError(type(error).__name__)


def _unpacked_dataset_zstd_blocks(raw: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of every zstd frame, each of which must be whole."""
    waiting = raw.read(_BLOCK)
    while waiting:
        frame = zstandard.ZstdDecompressor().decompressobj()
        while not frame.eof:
            if not waiting:
                raise EOFError
            yield frame.decompress(waiting)
            # zstd files may be several frames one after the other, as parallel compressors write
            # them.
            waiting = frame.unused_data if frame.eof else raw.read(_BLOCK)
        waiting = waiting or raw.read(_BLOCK)


class _Unpacked(io.RawIOBase):
    """The blocks of an iterator as one stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._left = blocks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]  typeshed's type has no name
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = block
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
