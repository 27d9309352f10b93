"""Take files away so that what can be proved of it is proved.

A file is overwritten with zeros, forced to the device, renamed and unlinked; the
proof names each file by its SHA-256 and says what was done. It does not say
more: a device that moves blocks when it writes (flash), a file system that
copies on write or journals data, snapshots and backups may keep the old bytes.
Where that matters the folder belongs on an encrypted volume whose key is destroyed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from commonwatt.core.hashes import file_sha256

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeProof:
    """What was taken away, for the ledger.

    Args:
        files: SHA-256 of what each file held before, in order of its path.
        overwritten_bytes: Bytes written over and forced to the device.
        file_system: What the files lay on, as the machine calls it.
        left: Files that are still there; none, or the proof does not hold.
    """

    files: tuple[str, ...]
    overwritten_bytes: int
    file_system: str
    left: int

    def wipe_proof_ledger_body(self) -> dict[str, Any]:
        """Return the proof as the body of an entry."""
        body = {key: value for key, value in asdict(self).items() if key != "files"}
        body["wiped-sha256"] = list(self.files)
        return {key.replace("_", "-"): value for key, value in body.items()} | {
            "method": "overwritten with zeros, forced to the device, unlinked",
            "not-covered": "blocks that flash, snapshots, journals or backups keep",
        }


def wipe(paths: Iterable[Path]) -> WipeProof:
    """Overwrite and remove files and folders; what is not there is passed over."""
    # A wipe that was killed is called again, so what is gone already is no error.
    existing = [path for path in paths if path.exists() or path.is_symlink()]
    files = sorted(file for path in existing for file in _file_paths_to_wipe(path))
    kind = _file_system_kind_of_wiped_path(existing[0]) if existing else ""
    # All digests before the first byte is overwritten: afterwards the proof could name only
    # zeros.
    digests = tuple(file_sha256(file) for file in files)
    size = sum(_overwrite_file_with_zeros_and_count_bytes(file) for file in files)
    for path in existing:
        _remove_wiped_project_path(path)
    return WipeProof(
        files=digests,
        overwritten_bytes=size,
        file_system=kind,
        left=sum(file.exists() for file in files),
    )


def _file_paths_to_wipe(path: Path) -> list[Path]:
    if path.is_symlink():
        return []
    if path.is_dir():
        return [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    return [path]


def _overwrite_file_with_zeros_and_count_bytes(file: Path) -> int:
    size = file.stat().st_size
    # Opened without truncating: a truncated file may get new blocks, and the old ones would keep
    # the data. A link is never followed, since its target is not ours to overwrite.
    fd = os.open(file, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        for start in range(0, size, _PIECE):
            os.pwrite(fd, bytes(min(_PIECE, size - start)), start)
        os.fsync(fd)
    finally:
        os.close(fd)
    return size


def _remove_wiped_project_path(path: Path) -> None:
    """Unlink a file or folder and force its folder to the device."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _file_system_kind_of_wiped_path(path: Path) -> str:
    """Return the kind of file system that holds `path`, from the mount table."""
    table = Path("/proc/self/mounts")
    if not table.is_file():
        return "unknown"
    resolved = str(path.resolve())
    # The longest mount point that holds the path is the one it lies on; of equal ones the later
    # is mounted over the earlier.
    best, kind = "", "unknown"
    for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
        _, mount, mount_kind, *_ = line.split(" ")
        inside = resolved == mount or resolved.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, mount_kind
    return kind
