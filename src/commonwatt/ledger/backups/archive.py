"""One archive of a folder: its files, then a manifest with the digest of each.

An archive is an uncompressed tar, so that it can be read in thirty years and by
hand; the tables in it are compressed already. The manifest is its last member:
an archive without one was cut short. Databases are handed in as copies, because
the bytes of a database in use are not one state of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

from commonwatt.core.files import fsync_folder
from commonwatt.core.messages import Message
from commonwatt.ledger.errors import BackupError

MANIFEST: Final = "manifest.json"
_SQLITE_MAGIC: Final = b"SQLite format 3\x00"
_PIECE: Final = 1 << 20


class FileMovedError(Exception):
    """A file was rewritten or removed while it was copied; the copy is made anew."""


class _ByteReader(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """One file of an archive.

    Args:
        path: Its place below the folder, with slashes.
        bytes: Its length.
        sha256: Of its bytes.
        mode: Who may read and write it.
        modified_ns: When it was written last.
    """

    path: str
    bytes: int
    sha256: str
    mode: int
    modified_ns: int


class _DigestReader:
    """Reads at most so many bytes of a file and digests what it read."""

    def __init__(self, file: _ByteReader, size: int) -> None:
        self._file, self._left = file, size
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self.digest.update(data)
        return data


def is_ledger_backup_file_a_sqlite_database(path: Path) -> bool:
    """Return whether a file is a SQLite database, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC


def copy_sqlite_database_for_ledger_backup(source: Path, copy: Path) -> None:
    """Write one state of a SQLite database in use to a new file.

    Raises:
        BackupError: The copy is not a whole database.
    """
    # SQLite's own online backup: pages that stand only in the write-ahead log are in it, and one
    # step of all pages is one state, whoever writes meanwhile.
    with (
        closing(sqlite3.connect(source, timeout=30)) as reading,
        closing(sqlite3.connect(copy)) as writing,
    ):
        reading.backup(writing, pages=-1)
        # Without a log of its own the copy is one file, and its digest that of the database.
        writing.execute("PRAGMA journal_mode=DELETE")
        faults = [row[0] for row in writing.execute("PRAGMA integrity_check(1)")]
    if faults != ["ok"]:
        raise BackupError(
            str(source),
            found=Message("a database that is damaged"),
            remedy=Message("Restore the backup before it; do not back this one up."),
        )


def open_new_private_ledger_backup_file_fd(path: Path) -> int:
    """Return the descriptor of a new file that only its owner can read."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


class ArchiveWriter:
    """An archive being written; it gets its name only when it is whole and on the device."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            # An older backup is evidence; none is ever written over.
            raise BackupError(str(path), found=Message("a file already"))
        self.path = path
        self._draft = path.with_name(f".{path.name}.draft")
        self._draft.unlink(missing_ok=True)
        self._file = os.fdopen(open_new_private_ledger_backup_file_fd(self._draft), "wb")
        self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)
        self.files: list[ArchivedFile] = []

    def add_file(self, path: str, source: Path) -> None:
        """Add a file under a name, with the digest of the bytes that were read.

        Raises:
            FileMovedError: It was removed or rewritten meanwhile.
        """
        try:
            fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise FileMovedError(path) from None
        with os.fdopen(fd, "rb") as file:
            before = os.fstat(fd)
            reader = _DigestReader(file, before.st_size)
            try:
                self._tar.addfile(_private_ledger_backup_tar_member(path, before.st_size), reader)  # pyright: ignore[reportArgumentType]  it needs read() alone
            except OSError as error:
                if error.errno is not None:
                    raise  # the device's fault, not a file that became shorter
                raise FileMovedError(path) from None
            after = os.fstat(fd)
        # A log that grew is whole up to where it stood. Anything else that was written meanwhile
        # may be half old and half new.
        if after.st_mtime_ns != before.st_mtime_ns and after.st_size <= before.st_size:
            raise FileMovedError(path)
        self.files.append(
            ArchivedFile(
                path=path,
                bytes=before.st_size,
                sha256=reader.digest.hexdigest(),
                mode=stat.S_IMODE(before.st_mode),
                modified_ns=before.st_mtime_ns,
            )
        )

    def seal(self, facts: Mapping[str, Any]) -> None:
        """Write the manifest, force everything to the device and give the archive its name."""
        manifest = dict(facts) | {"files": [asdict(file) for file in self.files]}
        data = json.dumps(manifest, indent=1).encode()
        self._tar.addfile(
            _private_ledger_backup_tar_member(MANIFEST, len(data)), _BytesReader(data)
        )  # pyright: ignore[reportArgumentType]
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._draft, self.path)
        fsync_folder(self.path.parent)

    def discard(self) -> None:
        """Leave nothing of an archive that was not sealed."""
        self._file.close()
        self._draft.unlink(missing_ok=True)


class _BytesReader:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        piece = self._data if size < 0 else self._data[:size]
        self._data = self._data[len(piece) :]
        return piece


def unpack_ledger_backup_and_read_manifest(archive: Path, folder: Path) -> dict[str, Any]:
    """Write the files of an archive below `folder` and return its manifest, each digest checked.

    Raises:
        BackupError: The archive is cut short, changed, or holds what its manifest does not name.
    """
    digests: dict[str, str] = {}
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(archive, mode="r:") as tar:
            for member in tar:
                # What stands behind the manifest was put there by somebody else.
                if manifest is not None or not member.isfile():
                    raise _foreign_ledger_backup_member_error(archive)
                source = tar.extractfile(member)
                assert source is not None  # a plain file has contents
                if member.name == MANIFEST:
                    manifest = json.loads(source.read())
                else:
                    digests[member.name] = _unpack_ledger_backup_member_returning_sha256_hex(
                        archive, folder, member.name, source
                    )
    except (tarfile.TarError, EOFError, ValueError):
        raise _cut_ledger_backup_archive_error(archive) from None
    except FileNotFoundError:
        raise BackupError(str(archive), found=Message("no such file or folder")) from None
    if manifest is None:
        raise _cut_ledger_backup_archive_error(archive)
    _check_ledger_backup_member_digests(archive, manifest, digests)
    _restore_ledger_backup_file_modes_and_times(folder, manifest["files"])
    return manifest


def _private_ledger_backup_tar_member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    # The modes of the files stand in the manifest. Unpacked by hand, everything is its owner's.
    member.size, member.mode = size, 0o600
    return member


def _unpack_ledger_backup_member_returning_sha256_hex(
    archive: Path, folder: Path, name: str, source: _ByteReader
) -> str:
    """Write one member to its place, and return its SHA-256."""
    place = PurePosixPath(name)
    # An archive is a file that anybody may have written: no name in it may lead out of the folder.
    if place.is_absolute() or ".." in place.parts or not place.parts:
        raise _foreign_ledger_backup_member_error(archive)
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        fd = open_new_private_ledger_backup_file_fd(path)
    except FileExistsError:
        raise _foreign_ledger_backup_member_error(archive) from None  # two members of one name
    with os.fdopen(fd, "wb") as file:
        while data := source.read(_PIECE):
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _check_ledger_backup_member_digests(
    archive: Path, manifest: Mapping[str, Any], digests: Mapping[str, str]
) -> None:
    expected = {row["path"]: row["sha256"] for row in manifest["files"]}
    differing = sorted(
        name for name in expected.keys() | digests.keys() if expected.get(name) != digests.get(name)
    )
    if differing:
        raise BackupError(
            str(archive),
            found=Message(
                "{count} files that are not what was backed up, the first {name}",
                {"count": str(len(differing)), "name": differing[0]},
            ),
            remedy=Message("Take another copy of this backup, or the backup before it."),
        )


def _restore_ledger_backup_file_modes_and_times(
    folder: Path, files: Iterable[Mapping[str, Any]]
) -> None:
    for row in files:
        path = folder / row["path"]
        path.chmod(row["mode"] & 0o777)
        os.utime(path, ns=(row["modified_ns"], row["modified_ns"]))


def _foreign_ledger_backup_member_error(archive: Path) -> BackupError:
    return BackupError(
        str(archive),
        found=Message("a member that no backup writes"),
        wanted=Message("an archive as `commonwatt ledger upkeep backup` wrote it"),
    )


def _cut_ledger_backup_archive_error(archive: Path) -> BackupError:
    return BackupError(
        str(archive),
        found=Message("an archive that is cut short, or none"),
        wanted=Message("an archive as `commonwatt ledger upkeep backup` wrote it"),
    )
