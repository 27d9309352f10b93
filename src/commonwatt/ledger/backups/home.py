"""Back up a home while it is in use, and restore it whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

import commonwatt.ledger.schema as schema
from commonwatt import __version__
from commonwatt.core.files import fsync_folder
from commonwatt.core.messages import Message
from commonwatt.ledger.backups.archive import (
    ArchiveWriter,
    FileMovedError,
    copy_sqlite_database_for_ledger_backup,
    is_ledger_backup_file_a_sqlite_database,
    unpack_ledger_backup_and_read_manifest,
)
from commonwatt.ledger.backups.chains import (
    ChainFacts,
    check_chains_match_backup_manifest,
    verified_backup_chain_facts_or_none,
)
from commonwatt.ledger.backups.database_copy import copy_ledger_backup_tables_counting_rows
from commonwatt.ledger.backups.listing import BackupRecord, record_ledger_home_backup
from commonwatt.ledger.checkpoints import Checkpoint
from commonwatt.ledger.errors import BackupError
from commonwatt.stores.engine import (
    database_read_transaction,
    database_write_transaction,
    open_database_engine,
)

_FORMAT, _KEYS_FORMAT = "commonwatt-backup-1", "commonwatt-backup-keys-1"
_HOME, _DATABASE = "home", "database/database.sqlite"
_SIDECARS: Final = ("-wal", "-shm", "-journal")
_PASSES: Final = 5
_KEY_SUFFIXES: Final = frozenset({".pem", ".key", ".secret"})
_KEY_FOLDER: Final = "keys"
_KEY_MARK: Final = b"PRIVATE KEY-----"
_SECRET: Final = re.compile(rb"\s*[0-9A-Fa-f]{64}\s*")
"""How the secret of an institution is written: 32 bytes in hexadecimal digits, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeBackup:
    """What a backup holds.

    Args:
        backup_id: Its name in the list of backups.
        archive: Where it is.
        files: Files in it, copies of databases among them.
        bytes: Their length together.
        ledgers: How far each ledger in it goes.
        keys: Keys that are not in it, by path; in the archive of keys where one was asked for.
        keys_archive: Where that is; "" for nowhere.
        left_out: What was not copied, and why.
    """

    backup_id: str
    archive: str
    files: int
    bytes: int
    ledgers: list[ChainFacts]
    keys: list[str]
    keys_archive: str
    left_out: dict[str, str]


@dataclass(slots=True)
class _HomeListing:
    """What stands in a home, parted by how it is copied."""

    folders: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    databases: list[str] = field(default_factory=list[str])
    files: list[str] = field(default_factory=list[str])
    keys: list[str] = field(default_factory=list[str])
    left_out: dict[str, str] = field(default_factory=dict[str, str])


def back_up_home(
    home: Path, archive: Path, *, keys: Path | None = None, database: str = "", at: datetime
) -> HomeBackup:
    """Write a home into an archive, its keys into another or into none.

    1. Put the backup on the home's list. 2. Copy each database as of one moment, and
    verify each ledger in the copies. 3. Copy the files; what a row names was there before
    the row, so it is there after the copy of the row. 4. Give the archives their names.

    Args:
        home: The folder; it may be in use.
        archive: A new file, outside the home.
        keys: A new file for the keys; without one no key is copied.
        database: URL of a PostgreSQL that holds the home's ledger.
        at: The time.

    Raises:
        BackupError: A place is taken or inside the home, a database is damaged, or the home
            changes faster than it can be copied.
        TamperedError: A ledger does not verify.
    """
    _check_ledger_backup_archives_outside_home(home, archive, keys)
    record = BackupRecord(
        backup_id=secrets.token_hex(8), at=at.isoformat(),
        archive=str(archive.resolve()), keys=str(keys.resolve()) if keys else "",
    )  # fmt: skip
    record_ledger_home_backup(home, record)
    last = home.name
    for _ in range(_PASSES):
        try:
            return _one_ledger_home_backup_pass(home, archive, keys, database, record)
        except FileMovedError as moved:
            last = str(moved)
    raise BackupError(
        last,
        found=Message("a file that changed during every copy"),
        remedy=Message("Stop what writes there, and back up again."),
    )


def restore_home_with_verified_ledgers(
    archive: Path,
    home: Path,
    *,
    keys: Path | None = None,
    database: str = "",
    checkpoints: Sequence[Checkpoint] = (),
) -> dict[str, Any]:
    """Put a backup back into an empty place, verified, all of it or nothing.

    Args:
        archive: As `back_up_home` wrote it.
        home: A new or empty folder.
        keys: The archive of the keys, to put them back, too.
        database: URL of an empty PostgreSQL, where the backup holds one.
        checkpoints: Kept elsewhere; a backup that ends before one of them is refused.

    Raises:
        BackupError: The archive is not whole, not of these keys, or the place is not empty.
        TamperedError: A ledger does not verify.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise BackupError(
            str(home), found=Message("something there already"), wanted=Message("a new folder")
        )
    home.parent.mkdir(parents=True, exist_ok=True)
    with _private_ledger_backup_draft_folder(home.parent, f".{home.name}.restore-") as draft:
        manifest = _unpack_ledger_backup_and_check_format(archive, draft, _FORMAT)
        ledgers = _verified_ledger_chains_of_backup(draft, manifest, checkpoints)
        if keys is not None:
            _unpack_keys_of_ledger_backup(keys, draft, manifest)
        _restore_home_folders_of_ledger_backup(draft, manifest)
        _check_restore_target_database(draft, database)
        with _backup_database_restored_into_empty_postgres(draft / _DATABASE, database):
            # One rename within the transaction of the database: what fails before it leaves
            # neither, and a folder that holds something makes it fail.
            os.replace(draft / _HOME, home)
            fsync_folder(home.parent)
    return {
        "home": str(home),
        "backup_id": manifest["backup_id"],
        "at": manifest["at"],
        "files": len(manifest["files"]),
        "ledgers": [asdict(chain) for chain in ledgers],
        "keys_restored": keys is not None,
        "keys_missing": [] if keys is not None else manifest["keys"],
        "left_out": manifest["left_out"],
    }


def _check_ledger_backup_archives_outside_home(
    home: Path, archive: Path, keys: Path | None
) -> None:
    if not home.is_dir():
        raise BackupError(str(home), found=Message("no such file or folder"))
    if keys is not None and keys.resolve() == archive.resolve():
        raise BackupError(str(keys), wanted=Message("another file for the keys than for the rest"))
    for path in (archive, keys):
        # A backup in the home would hold the backup before it, and burn with the house.
        if path is not None and path.resolve().is_relative_to(home.resolve()):
            raise BackupError(str(path), wanted=Message("a place outside the home"))


def _one_ledger_home_backup_pass(
    home: Path, archive: Path, keys: Path | None, database: str, record: BackupRecord
) -> HomeBackup:
    archive.parent.mkdir(parents=True, exist_ok=True)
    listing = _listing_of_ledger_home_to_back_up(home)
    with (
        _private_ledger_backup_draft_folder(archive.parent, f".{archive.name}.") as staging,
        _ledger_backup_archive_writer(archive) as writer,
    ):
        ledgers = _archive_database_copies_and_verify_ledgers(
            home, listing, database, staging, writer
        )
        # Listed again after the copies of the databases: what a row in them names is on one of
        # the two lists, and what was on the first must still be there.
        later = _listing_of_ledger_home_to_back_up(home)
        if gone := sorted(set(listing.files) - set(later.files)):
            raise FileMovedError(gone[0])
        if sorted(later.databases) != sorted(listing.databases):
            raise FileMovedError(home.name)
        for path in later.files:
            writer.add_file(f"{_HOME}/{path}", home / path)
        facts = asdict(record) | {
            "format": _FORMAT, "version": __version__, "folders": later.folders,
            "ledgers": [asdict(chain) for chain in ledgers], "keys": later.keys,
            "left_out": later.left_out,
        }  # fmt: skip
        # The keys first: an archive whose keys are missing would look complete.
        with _key_archive_written_and_removed_on_failure(home, keys, later.keys, record):
            writer.seal(facts)
        return HomeBackup(
            backup_id=record.backup_id, archive=record.archive, files=len(writer.files),
            bytes=sum(file.bytes for file in writer.files), ledgers=ledgers,
            keys=later.keys, keys_archive=record.keys, left_out=later.left_out,
        )  # fmt: skip


def _listing_of_ledger_home_to_back_up(home: Path) -> _HomeListing:
    listing = _HomeListing()
    for folder, folders, files in os.walk(home):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not _exclude_from_backup_if_link_or_draft(home, here / name, listing)
        )
        if here != home:
            mode = stat.S_IMODE(here.stat().st_mode)
            listing.folders.append((here.relative_to(home).as_posix(), mode))
        for name in sorted(files):
            try:
                _classify_home_file_into_backup_listing(home, here / name, files, listing)
            except FileNotFoundError:
                continue  # gone between the listing and the look: it was no part of this moment
    return listing


def _exclude_from_backup_if_link_or_draft(home: Path, folder: Path, listing: _HomeListing) -> bool:
    if folder.is_symlink():
        listing.left_out[folder.relative_to(home).as_posix()] = "link"
    elif _is_draft_name_excluded_from_ledger_backup(folder.name):
        listing.left_out[folder.relative_to(home).as_posix()] = "draft"
    else:
        return False
    return True


def _classify_home_file_into_backup_listing(
    home: Path, path: Path, siblings: list[str], listing: _HomeListing
) -> None:
    name = path.relative_to(home).as_posix()
    if path.is_symlink():
        listing.left_out[name] = "link"
    elif not stat.S_ISREG(path.stat().st_mode):
        listing.left_out[name] = "socket or pipe"
    elif _is_draft_name_excluded_from_ledger_backup(path.name):
        listing.left_out[name] = "draft"
    elif _is_secret_key_file_in_ledger_home(path):
        listing.keys.append(name)
    elif _is_sqlite_sidecar_in_ledger_home(path, siblings):
        pass  # what they hold is in the copy of their database
    elif is_ledger_backup_file_a_sqlite_database(path):
        listing.databases.append(name)
    else:
        listing.files.append(name)


def _is_draft_name_excluded_from_ledger_backup(name: str) -> bool:
    return name.startswith(".draft-") or (name.startswith(".") and name.endswith(".draft"))


def _is_secret_key_file_in_ledger_home(path: Path) -> bool:
    """Return whether a file holds a secret: by its name, its folder or what it holds."""
    if path.suffix in _KEY_SUFFIXES or path.parent.name == _KEY_FOLDER:
        return True
    with path.open("rb") as file:
        start = file.read(4096)
    # A key or secret under any other name is one, too.
    return _KEY_MARK in start or _SECRET.fullmatch(start) is not None


def _is_sqlite_sidecar_in_ledger_home(path: Path, siblings: list[str]) -> bool:
    return any(
        path.name.endswith(suffix)
        and path.name.removesuffix(suffix) in siblings
        and is_ledger_backup_file_a_sqlite_database(path.with_name(path.name.removesuffix(suffix)))
        for suffix in _SIDECARS
    )


def _archive_database_copies_and_verify_ledgers(
    home: Path, listing: _HomeListing, database: str, staging: Path, writer: ArchiveWriter
) -> list[ChainFacts]:
    """Add a copy of each database, and return how far each ledger in them goes."""
    copies: list[tuple[str, Path]] = []
    for number, name in enumerate(listing.databases):
        copy = staging / f"{number}.sqlite"
        copy_sqlite_database_for_ledger_backup(home / name, copy)
        shutil.copymode(home / name, copy)
        copies.append((f"{_HOME}/{name}", copy))
    if database:
        copy = staging / "database.sqlite"
        _copy_postgres_ledger_database_into_sqlite_file(database, copy)
        copies.append((_DATABASE, copy))
    ledgers = [verified_backup_chain_facts_or_none(copy, name) for name, copy in copies]
    for name, copy in copies:
        writer.add_file(name, copy)
    return [chain for chain in ledgers if chain is not None]


def _copy_postgres_ledger_database_into_sqlite_file(url: str, copy: Path) -> None:
    source, target = open_database_engine(url), sa.create_engine(f"sqlite:///{copy}")
    try:
        with database_read_transaction(source) as reading, target.begin() as writing:
            copy_ledger_backup_tables_counting_rows(reading, writing)
    finally:
        source.dispose()
        target.dispose()


@contextmanager
def _key_archive_written_and_removed_on_failure(
    home: Path, keys: Path | None, names: Sequence[str], record: BackupRecord
) -> Generator[None]:
    """Write the keys into an archive of their own, which goes if what is done meanwhile fails."""
    if keys is None:
        yield
        return
    with _ledger_backup_archive_writer(keys) as writer:
        for name in names:
            writer.add_file(f"{_HOME}/{name}", home / name)
        writer.seal({"format": _KEYS_FORMAT, "backup_id": record.backup_id, "at": record.at})
    try:
        yield
    except BaseException:
        keys.unlink()
        raise


@contextmanager
def _ledger_backup_archive_writer(path: Path) -> Generator[ArchiveWriter]:
    writer = ArchiveWriter(path)
    try:
        yield writer
    finally:
        writer.discard()


@contextmanager
def _private_ledger_backup_draft_folder(parent: Path, prefix: str) -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack_ledger_backup_and_check_format(
    archive: Path, folder: Path, form: str
) -> dict[str, Any]:
    manifest = unpack_ledger_backup_and_read_manifest(archive, folder)
    if manifest.get("format") != form:
        raise BackupError(
            str(archive), wanted=Message("an archive of the form {form}", {"form": form})
        )
    return manifest


def _unpack_keys_of_ledger_backup(keys: Path, draft: Path, manifest: Mapping[str, Any]) -> None:
    listed = _unpack_ledger_backup_and_check_format(keys, draft, _KEYS_FORMAT)
    # Keys of another day may be of other people: whoever was enrolled since would be without.
    if listed["backup_id"] != manifest["backup_id"]:
        raise BackupError(
            str(keys), found=Message("keys of another backup"),
            wanted=Message("those of backup {id}", {"id": manifest["backup_id"]}),
        )  # fmt: skip


def _verified_ledger_chains_of_backup(
    draft: Path, manifest: Mapping[str, Any], checkpoints: Sequence[Checkpoint]
) -> list[ChainFacts]:
    paths = [
        row["path"]
        for row in manifest["files"]
        if is_ledger_backup_file_a_sqlite_database(draft / row["path"])
    ]
    chains = [
        verified_backup_chain_facts_or_none(draft / path, path, pinned=checkpoints)
        for path in paths
    ]
    ledgers = [chain for chain in chains if chain is not None]
    check_chains_match_backup_manifest(ledgers, manifest)
    origins = {chain.origin for chain in ledgers}
    for checkpoint in checkpoints:
        # A checkpoint that is compared with nothing would be taken for one that held.
        if checkpoint.origin not in origins:
            raise BackupError(
                checkpoint.origin, found=Message("no ledger of this checkpoint in the backup")
            )
    return ledgers


def _restore_home_folders_of_ledger_backup(draft: Path, manifest: Mapping[str, Any]) -> None:
    (draft / _HOME).mkdir(exist_ok=True)
    # Empty folders are part of a home, and a folder's mode is what keeps others out of a project.
    for name, mode in reversed(manifest["folders"]):
        folder = draft / _HOME / name
        if not folder.resolve().is_relative_to(draft.resolve()):
            raise BackupError(name, found=Message("a member that no backup writes"))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode & 0o777)
        fsync_folder(folder)
    fsync_folder(draft / _HOME)


def _check_restore_target_database(draft: Path, database: str) -> None:
    if (draft / _DATABASE).exists() != bool(database):
        raise BackupError(
            "--database",
            wanted=Message("the URL of an empty database, if and only if the backup holds one"),
        )


@contextmanager
def _backup_database_restored_into_empty_postgres(copy: Path, url: str) -> Generator[None]:
    """Fill an empty PostgreSQL in a transaction that ends with what is done meanwhile."""
    if not url:
        yield
        return
    source, target = sa.create_engine(f"sqlite:///{copy}"), open_database_engine(url)
    try:
        with source.connect() as reading, database_write_transaction(target) as writing:
            copy_ledger_backup_tables_counting_rows(reading, writing)
            # A copy has rows and no triggers: the guards of the ledger are made anew.
            if sa.inspect(writing).has_table(schema.head.name):
                schema.create_merkle_ledger_tables(writing)
            yield
    finally:
        source.dispose()
        target.dispose()
