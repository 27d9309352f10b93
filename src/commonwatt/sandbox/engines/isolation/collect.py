"""Bring declared outputs out of a dead job's folder, and nothing else.

The folder was written by foreign code, so it is hostile: nothing in it is
followed, opened blockingly, trusted for its size or named in a message. Only
regular files with one link, a declared name, the declared kind and an honest
size are copied; the copy is named by the SHA-256 of the bytes that were read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from commonwatt.core.files import save_bytes
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.isolation.output_kinds import cleaned_output_bytes_or_none

_PIECE: Final = 1 << 20


class CollectionRefusal(StrEnum):
    """Why a thing in the output folder stayed there."""

    UNDECLARED = "undeclared name"
    NOT_A_FILE = "not a regular file"
    LINKED = "more than one link"
    SPARSE = "holes, larger than what is stored"
    TOO_LARGE = "larger than allowed"
    WRONG_KIND = "bytes that are not of the declared kind"
    TRIMMED = "words riding in a picture, taken out"
    CHANGED = "changed while it was read"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedOutput:
    """One collected file; `path` lies in the project and is not yet released.

    `trimmed` says that words riding in a picture were taken out.
    """

    name: str
    kind: OutputKind
    sha256: str
    size_bytes: int
    path: Path
    trimmed: bool = False


@dataclass(frozen=True, slots=True)
class CollectionResult:
    """What came out, and how often each reason kept something in."""

    outputs: tuple[CollectedOutput, ...]
    refusals: dict[CollectionRefusal, int]


def collect_isolated_job_outputs(
    folder_fd: int, declared: Mapping[str, OutputKind], to: Path, *, limit: int
) -> CollectionResult:
    """Copy the declared outputs from `folder_fd` to the folder `to`.

    Args:
        folder_fd: The job's output folder; no process may still write to it.
        declared: Kinds by name.
        to: An existing folder of the project that only the custodian reads.
        limit: Most bytes of one file [B].
    """
    outputs: list[CollectedOutput] = []
    refusals: dict[CollectionRefusal, int] = {}
    root = os.open(
        ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd
    )
    try:
        # Sorted: the order of a folder is the job's to choose, and nothing that follows may
        # depend on it.
        for name in sorted(os.listdir(root)):
            collected = _collect_output_file(root, name, declared, to, limit)
            if isinstance(collected, CollectionRefusal):
                refusals[collected] = refusals.get(collected, 0) + 1
            else:
                outputs.append(collected)
                if collected.trimmed:
                    refusals[CollectionRefusal.TRIMMED] = (
                        refusals.get(CollectionRefusal.TRIMMED, 0) + 1
                    )
    finally:
        os.close(root)
    return CollectionResult(tuple(outputs), refusals)


def _collect_output_file(
    root: int, name: str, declared: Mapping[str, OutputKind], to: Path, limit: int
) -> CollectedOutput | CollectionRefusal:
    # A refusal does not carry the name: the job chose it and could send a message out in it.
    if name not in declared:
        return CollectionRefusal.UNDECLARED
    before = os.stat(name, dir_fd=root, follow_symlinks=False)
    if refusal := _output_file_refusal_or_none(before, limit):
        return refusal
    # Never blocking: opening a pipe that nobody writes would wait for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(name, flags, dir_fd=root)
    with os.fdopen(fd, "rb", buffering=0) as file:
        opened = os.fstat(fd)
        # What was checked by name and what was opened must be one file; between the two it could
        # be swapped.
        if (opened.st_ino, opened.st_dev, opened.st_size) != (
            before.st_ino, before.st_dev, before.st_size,
        ):  # fmt: skip
            return CollectionRefusal.CHANGED
        data = _read_output_bytes(file.fileno(), limit)
    if len(data) != before.st_size:
        return CollectionRefusal.CHANGED
    clean = cleaned_output_bytes_or_none(data, declared[name])
    if clean is None:
        return CollectionRefusal.WRONG_KIND
    return _store_and_describe_collected_output(
        name, declared[name], clean, to, trimmed=len(clean) < len(data)
    )


def _output_file_refusal_or_none(status: os.stat_result, limit: int) -> CollectionRefusal | None:
    if not stat.S_ISREG(status.st_mode):
        return CollectionRefusal.NOT_A_FILE
    # A second name may lie outside the folder, where it would go on changing.
    if status.st_nlink != 1:
        return CollectionRefusal.LINKED
    if status.st_size > limit:
        return CollectionRefusal.TOO_LARGE
    # A file of holes costs the job nothing and the collector a terabyte. Blocks are of 512 bytes
    # whatever the file system (stat(2)).
    if status.st_blocks * 512 < status.st_size:
        return CollectionRefusal.SPARSE
    return None


def _read_output_bytes(fd: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    # One byte more than allowed, so that a file that grew while it was read is noticed.
    remaining = limit + 1
    while remaining > 0 and (piece := os.read(fd, min(_PIECE, remaining))):
        pieces.append(piece)
        remaining -= len(piece)
    return b"".join(pieces)


def _store_and_describe_collected_output(
    name: str, kind: OutputKind, data: bytes, to: Path, *, trimmed: bool
) -> CollectedOutput:
    digest = hashlib.sha256(data).hexdigest()
    path = save_bytes(data, to / digest, mode=0o600)
    return CollectedOutput(
        name=name, kind=kind, sha256=digest, size_bytes=len(data), path=path, trimmed=trimmed
    )
