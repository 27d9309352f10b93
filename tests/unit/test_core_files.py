"""Files appear whole or not at all, outlive a power cut, and have one writer at a time."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import psycopg.errors
import pytest

from commonwatt.core.errors import StorageError
from commonwatt.core.faults import (
    MachineFault,
    machine_fault,
    machine_faults_as_storage_errors,
)
from commonwatt.core.files import (
    file_draft,
    file_lock,
    folder_draft,
    save_bytes,
    save_frame_as_parquet_and_csv,
)

HERE = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from commonwatt.core.files import file_draft
with file_draft(Path(sys.argv[1])) as draft:
    draft.write_text("half")
    print("held", flush=True)
    time.sleep(600)
"""


def _holder(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdout=subprocess.PIPE,
        env=dict(os.environ) | {"PYTHONPATH": str(HERE / "src")},
    )
    assert process.stdout.readline() == b"held\n"
    return process


def _end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_holds_the_bytes_and_nothing_stands_beside_it(tmp_path):
    save_bytes(b"old", tmp_path / "a" / "x")
    save_bytes(b"new", tmp_path / "a" / "x")
    assert (tmp_path / "a" / "x").read_bytes() == b"new"
    assert _names(tmp_path / "a") == ["x"]


def test_a_file_and_its_folder_are_forced_to_the_device_unless_it_is_a_cache(tmp_path, monkeypatch):
    synced = []

    def fsync(fd, real=os.fsync):
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    save_bytes(b"1", tmp_path / "x")
    # The file under its draft's name, before the rename; the folder after it.
    assert synced == [str(tmp_path / ".x.draft"), str(tmp_path)]
    save_bytes(b"2", tmp_path / "cache", synced=False)
    assert len(synced) == 2


def test_what_fails_in_the_block_leaves_the_old_file_alone(tmp_path):
    path = save_bytes(b"old", tmp_path / "x")

    def write_half():
        with file_draft(path) as draft:
            draft.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["x"]


def test_a_private_file_is_never_open_to_others(tmp_path):
    with file_draft(tmp_path / "x", mode=0o600) as draft:
        assert draft.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


def test_a_draft_left_with_wider_permissions_is_narrowed(tmp_path):
    left = tmp_path / ".x.draft"
    left.write_bytes(b"left by a killed writer")
    left.chmod(0o644)
    save_bytes(b"new", tmp_path / "x", mode=0o600)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "x").read_bytes() == b"new"


def test_a_second_writer_waits_and_is_told_who_waits_too_long(tmp_path):
    holder = _holder(tmp_path / "x")
    with (
        pytest.raises(StorageError, match="a lock that another process holds") as refused,
        file_draft(tmp_path / "x", wait_s=0.1),
    ):
        raise AssertionError("two writers met")
    assert refused.value.where == str(tmp_path / "x")
    assert (tmp_path / ".x.draft").read_text() == "half"  # the draft of the other is left alone
    _end(holder)
    save_bytes(b"mine", tmp_path / "x")
    assert _names(tmp_path) == ["x"]


def test_many_threads_that_write_one_file_leave_one_of_their_texts(tmp_path):
    texts = [str(i).encode() * 1000 for i in range(8)]
    threads = [threading.Thread(target=save_bytes, args=(text, tmp_path / "x")) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "x").read_bytes() in texts
    assert _names(tmp_path) == ["x"]


def test_a_folder_appears_whole_and_a_killed_writers_files_are_not_in_it(tmp_path):
    left = tmp_path / ".x.draft"
    (left / "old").mkdir(parents=True)
    (left / "old" / "file").write_text("left")
    with folder_draft(tmp_path / "x") as draft:
        assert _names(draft) == []
        (draft / "a").write_text("1")
        assert not (tmp_path / "x").exists()
    assert _names(tmp_path) == ["x"]
    assert _names(tmp_path / "x") == ["a"]


def test_a_folder_that_is_there_is_never_replaced(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").write_text("theirs")
    with pytest.raises(FileExistsError), folder_draft(tmp_path / "x") as draft:
        (draft / "a").write_text("mine")
    assert (tmp_path / "x" / "a").read_text() == "theirs"
    assert _names(tmp_path) == ["x"]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no space left to write"),
        (errno.EIO, "a device that failed to read or write"),
        (errno.EROFS, "a place that can only be read"),
        (errno.EACCES, "no permission"),
    ],
)
def test_a_failure_of_the_machine_names_place_and_remedy(tmp_path, monkeypatch, number, sentence):
    path = save_bytes(b"old", tmp_path / "x")

    def fail(fd):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError) as failed:
        save_bytes(b"new", path)
    monkeypatch.undo()
    assert (failed.value.where, str(failed.value.found)) == (str(path), sentence)
    assert str(failed.value.remedy)
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["x"]


def test_a_full_disk_while_a_table_is_written_is_told(tmp_path):
    frame = pl.DataFrame({"a": [1]})
    with (
        pytest.raises(StorageError, match="no space left"),
        machine_faults_as_storage_errors("table"),
    ):
        frame.write_parquet("/dev/full")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ("LockNotAvailable", MachineFault.LOCKED),
        ("DeadlockDetected", MachineFault.LOCKED),
        ("AdminShutdown", MachineFault.UNREACHABLE),
        ("TooManyConnections", MachineFault.UNREACHABLE),
        ("IdleInTransactionSessionTimeout", MachineFault.UNREACHABLE),
        ("DiskFull", MachineFault.NO_SPACE),
        ("UndefinedTable", None),
        ("UniqueViolation", None),
        ("InvalidTransactionState", None),
    ],
)
def test_a_fault_of_a_server_is_told_from_a_fault_of_ours(error, fault):
    assert machine_fault(getattr(psycopg.errors, error)("x")) is fault


def test_a_table_is_there_as_parquet_and_csv(tmp_path):
    parquet, csv = save_frame_as_parquet_and_csv(
        pl.DataFrame({"a": [1, 2]}), tmp_path / "t", "jobs"
    )
    assert pl.read_parquet(parquet)["a"].to_list() == [1, 2]
    assert csv.read_text() == "a\n1\n2\n"
    assert _names(tmp_path / "t") == ["jobs.csv", "jobs.parquet"]


def test_a_lock_is_held_within_the_block_and_free_after_it(tmp_path):
    second = file_lock(tmp_path / "lock", wait_s=0.05)
    with file_lock(tmp_path / "lock"), pytest.raises(StorageError), second:
        raise AssertionError("two held it")
    with file_lock(tmp_path / "lock", wait_s=0.05):
        pass


def test_a_file_that_may_not_be_replaced_is_written_once(tmp_path):
    path = save_bytes(b"first", tmp_path / "key", mode=0o600, replace=False)
    with pytest.raises(FileExistsError):
        save_bytes(b"second", path, mode=0o600, replace=False)
    assert path.read_bytes() == b"first"
    assert _names(tmp_path) == ["key"]
