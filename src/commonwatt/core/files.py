"""Files on disk: written whole or not at all, forced to the device, one writer at a time.

A file is written as a draft beside its target, forced to the device, renamed over the
target, and the folder is forced to the device, too: after a power cut the name holds
the old bytes or the new ones. The draft itself is the lock: who holds it writes, the
next one waits, and a writer that was killed gives it back with its process, so that
a draft which is left behind is taken over and never met by two.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commonwatt.core.errors import StorageError
from commonwatt.core.faults import FAULT_MESSAGES, MachineFault, machine_faults_as_storage_errors
from commonwatt.core.log import LogEvent, log_event
from commonwatt.core.spreadsheets import write_spreadsheet_csv

if TYPE_CHECKING:
    import polars as pl

LOCK_WAIT_S: Final = 30.0  # as long as a database of ours waits for its lock
_LOCK_RETRY_S: Final = 0.02


def user_cache_folder() -> Path:
    """Return the folder of what this user's runs of the program may make again at any time.

    Source: XDG Base Directory Specification 0.8, `$XDG_CACHE_HOME`.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "commonwatt"


def save_frame_as_parquet_and_csv(
    frame: pl.DataFrame, folder: Path, name: str, *, synced: bool = True
) -> tuple[Path, Path]:
    """Write `frame` as `name`.parquet and `name`.csv under `folder`; return both paths.

    Each file appears under its name only once it is complete. No text in the CSV runs as a
    formula where a spreadsheet opens it.
    """
    csv = folder / f"{name}.csv"
    parquet = save_frame_as_parquet(frame, folder, name, synced=synced)
    with file_draft(csv, synced=synced) as draft:
        write_spreadsheet_csv(frame, draft)
    return parquet, csv


def save_frame_as_parquet(
    frame: pl.DataFrame, folder: Path, name: str, *, synced: bool = True
) -> Path:
    """Write `frame` as `name`.parquet under `folder`, whole or not at all; return its path."""
    parquet = folder / f"{name}.parquet"
    with file_draft(parquet, synced=synced) as draft:
        frame.write_parquet(draft, compression="zstd", statistics=False)
    return parquet


def save_text(text: str, path: Path, *, mode: int = 0o666, synced: bool = True) -> Path:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    # No translation of line ends: the same bytes on every system, as digests are compared.
    return save_bytes(text.encode("utf-8"), path, mode=mode, synced=synced)


def save_bytes(
    data: bytes, path: Path, *, mode: int = 0o666, synced: bool = True, replace: bool = True
) -> Path:
    """Write `data` to `path`, whole or not at all.

    Args:
        data: The bytes.
        path: The file; its folder is made if need be.
        mode: Its permissions, from the first byte on.
        synced: Whether it must outlive a power cut; a cache need not.
        replace: Whether a file that is there may be replaced; a key may not.

    Raises:
        FileExistsError: The file is there and may not be replaced.
        StorageError: The machine failed; `path` holds what it held before.
    """
    draft_of = file_draft(path, mode=mode, synced=synced, replace=replace)
    with draft_of as draft, draft.open("wb") as file:
        file.write(data)
    return path


@contextmanager
def file_draft(
    path: Path,
    *,
    mode: int = 0o666,
    synced: bool = True,
    replace: bool = True,
    wait_s: float = LOCK_WAIT_S,
) -> Generator[Path]:
    """Yield the path of a draft, which becomes `path` when the block ends well.

    The block may open and write the draft as it likes, but must not replace it.

    Args:
        path: The file; its folder is made if need be.
        mode: Its permissions, from the first byte on.
        synced: Whether it must outlive a power cut; a cache need not.
        replace: Whether a file that is there may be replaced.
        wait_s: How long another writer of the same file is waited for [s].

    Raises:
        FileExistsError: The file is there and may not be replaced.
        StorageError: The machine failed, or another process writes it for too long;
            `path` holds what it held before.
    """
    # A dot before the name: a glob over results must not pick up half a file. Beside the target
    # and not in a temporary folder, because rename(2) is atomic within one file system only.
    draft = path.with_name(f".{path.name}.draft")
    with machine_faults_as_storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = _locked_draft_file_descriptor(draft, path, mode, wait_s)
        try:
            try:
                yield draft
                if synced:
                    os.fsync(fd)
                if replace:
                    os.replace(draft, path)
                else:
                    # link(2) fails where the name is taken, and rename(2) never does.
                    os.link(draft, path)
                    draft.unlink()
            except BaseException:
                # While the lock is still ours: later it could be the draft of the next writer.
                with suppress(OSError):
                    draft.unlink()
                raise
        finally:
            os.close(fd)
        if synced:
            fsync_folder(path.parent)


@contextmanager
def folder_draft(
    folder: Path, *, mode: int = 0o777, synced: bool = True, wait_s: float = LOCK_WAIT_S
) -> Generator[Path]:
    """Yield an empty folder, which becomes `folder` when the block ends well.

    Args:
        folder: The folder; it must not be there at the end, or be empty.
        mode: Its permissions, from the first file on.
        synced: Whether it must outlive a power cut; a cache need not.
        wait_s: How long another writer of the same folder is waited for [s].

    Raises:
        FileExistsError: The folder is there, made by somebody else meanwhile.
        StorageError: The machine failed, or another process writes it for too long;
            there is no such folder.
    """
    draft = folder.with_name(f".{folder.name}.draft")
    with machine_faults_as_storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        fd = _locked_draft_folder_descriptor(draft, folder, mode, wait_s)
        try:
            try:
                yield draft
                if synced:
                    fsync_folder_tree(draft)
                _rename_to_new_folder(draft, folder)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        finally:
            os.close(fd)
        if synced:
            fsync_folder(folder.parent)


@contextmanager
def file_lock(path: Path, *, wait_s: float = LOCK_WAIT_S) -> Generator[None]:
    """Hold the lock of the file `path` within the block; it goes with our process.

    Raises:
        StorageError: Another process holds it for longer than `wait_s`.
    """
    with machine_faults_as_storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _wait_for_file_lock(fd, path, wait_s)
            yield
        finally:
            os.close(fd)


def try_lock_open_file(file: int) -> bool:
    """Take the lock of an open file if it is free; return whether it is ours now."""
    # flock and not lockf: it belongs to the open file, so a child that is given the descriptor
    # holds it, too, and the kernel gives it back however the last of them dies.
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def fsync_folder(folder: Path) -> None:
    """Force a folder's names to the device, so that a rename outlives a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_folder_tree(folder: Path) -> None:
    """Force every file and folder below `folder`, and itself, to the device."""
    # Contents first, then the folders that name them: a name must never lead to empty bytes.
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            _fsync_file_if_regular(Path(parent) / name)
        fsync_folder(Path(parent))


def _fsync_file_if_regular(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        return
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _locked_draft_file_descriptor(draft: Path, target: Path, mode: int, wait_s: float) -> int:
    """Return the descriptor of an empty draft that is locked and still has its name."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    for _ in _file_lock_retries_until_timeout(target, wait_s):
        fd = os.open(draft, flags, mode)
        try:
            # The writer that we waited for has renamed this very file to its target by now; what
            # bears the draft's name is another, or none.
            if try_lock_open_file(fd) and _is_descriptor_of_path(fd, draft):
                os.ftruncate(fd, 0)
                if stat.S_IMODE(os.fstat(fd).st_mode) & ~mode:
                    # Left by a killed writer with wider permissions than these bytes may have.
                    os.fchmod(fd, mode)
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise AssertionError("the attempts end by an error")


def _locked_draft_folder_descriptor(draft: Path, target: Path, mode: int, wait_s: float) -> int:
    for _ in _file_lock_retries_until_timeout(target, wait_s):
        with suppress(FileExistsError):
            draft.mkdir(mode)
        try:
            fd = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            if try_lock_open_file(fd) and _is_descriptor_of_path(fd, draft):
                _remove_folder_contents(draft)
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise AssertionError("the attempts end by an error")


def _remove_folder_contents(folder: Path) -> None:
    """Remove what a writer left that was killed."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _rename_to_new_folder(draft: Path, folder: Path) -> None:
    try:
        # Never over what is there: rename(2) replaces an empty folder only.
        os.rename(draft, folder)
    except OSError:
        if folder.exists():
            raise FileExistsError(17, "File exists", str(folder)) from None
        raise


def _wait_for_file_lock(fd: int, path: Path, wait_s: float) -> None:
    for _ in _file_lock_retries_until_timeout(path, wait_s):
        if try_lock_open_file(fd):
            return


def _file_lock_retries_until_timeout(path: Path, wait_s: float) -> Iterator[None]:
    """Give attempt after attempt until time is up, which is an error."""
    until = time.monotonic() + wait_s
    while True:
        yield
        if time.monotonic() >= until:
            break
        time.sleep(_LOCK_RETRY_S)
    log_event(LogEvent.MACHINE_FAULT, fault=MachineFault.LOCKED)
    sentence, remedy = FAULT_MESSAGES[MachineFault.LOCKED]
    raise StorageError(str(path), found=sentence, remedy=remedy)


def _is_descriptor_of_path(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
