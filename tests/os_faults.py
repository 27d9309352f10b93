"""Faults of the operating system, drawn by a seed, over writers, spawns and stores.

Each case is one fault at one call of one piece of work. It must end in one clear state
(what was there before, or all that is new) and one line in the log, as an error of the
machine; the same work done again without the fault must then succeed.

The full form: `python -m tests.os_faults 2000`.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

import commonwatt.core.files as files
from commonwatt.core.errors import BugError, CommonwattError, StorageError
from commonwatt.core.log import logging_to_destination
from commonwatt.ledger import Key, Ledger, Person
from commonwatt.ledger.errors import ClockError
from commonwatt.ledger.export import export_ledger
from commonwatt.ledger.verify import verify_ledger
from commonwatt.operate.domain.cluster import JobPhase, NodeAllocation, NodeState
from commonwatt.operate.io.care.repairs import CommandNodeTester
from commonwatt.processes.spawn import ProcessKind, run_process
from commonwatt.runs import RunRecipe, RunStore
from commonwatt.runs.inputs import StageResult
from commonwatt.runs.stages import Stage, StageStore
from commonwatt.web.columns import Columns, save_console_cached_columns
from tests.log_lines import lines_of
from tests.operate_cases import happens, local, request

FRAME = pl.DataFrame({"n": [1, None, 3], "t": ["a", "b", None]})
DISK = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)
FORK = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE)


@dataclass(frozen=True)
class Work:
    """A piece of work under faults.

    Args:
        calls: Calls of the operating system that may fail in it.
        numbers: With which errors.
        prepare: Makes what it needs and returns the work, which can be done again.
        is_whole: Returns whether the folder holds the old state or the new one.
    """

    calls: tuple[str, ...]
    numbers: tuple[int, ...]
    prepare: Callable[[Path], Callable[[], object]]
    is_whole: Callable[[Path], bool]


def _nothing_else(folder: Path, *names: str) -> bool:
    return {path.name for path in folder.iterdir() if not _is_empty_draft(path)} <= {*names, "log"}


def _is_empty_draft(path: Path) -> bool:
    """Return whether a folder waits for the next writer, who takes it over, with nothing in it."""
    return path.name.endswith(".draft") and path.is_dir() and not any(path.iterdir())


def _text(folder: Path):
    files.save_text("old", folder / "x")
    return lambda: files.save_text("new", folder / "x")


def _text_whole(folder: Path) -> bool:
    return (folder / "x").read_text() in {"old", "new"} and _nothing_else(folder, "x")


def _table(folder: Path):
    return lambda: files.save_frame_as_parquet_and_csv(FRAME, folder / "t", "x")


def _table_whole(folder: Path) -> bool:
    (folder / "t").mkdir(exist_ok=True)
    there = {path.name for path in (folder / "t").iterdir()}
    if "x.parquet" in there:
        assert pl.read_parquet(folder / "t" / "x.parquet").equals(FRAME)
    return there <= {"x.csv", "x.parquet"}


def _key(folder: Path):
    def save():
        if not (folder / "key.pem").exists():
            Key.from_seed(bytes(32)).save(folder / "key.pem")

    return save


def _key_whole(folder: Path) -> bool:
    if (folder / "key.pem").exists():
        Key.load(folder / "key.pem")
    return _nothing_else(folder, "key.pem")


def _columns(folder: Path):
    return lambda: save_console_cached_columns(lambda: FRAME, folder / "c")


def _columns_whole(folder: Path) -> bool:
    if (folder / "c").exists():
        assert Columns(folder / "c").take(np.arange(3)).equals(FRAME)
    return _nothing_else(folder, "c")


def _doubled(inputs: Doubled) -> StageResult:
    return StageResult(data={"y": 2 * inputs.x}, tables={"t": FRAME})


@dataclass(frozen=True)
class Doubled:
    x: int


def _stage(folder: Path):
    stages = StageStore(folder / "s")
    return lambda: stages.get_or_compute(Stage(name="double", compute=_doubled), Doubled(2))


def _stage_whole(folder: Path) -> bool:
    root = folder / "s" / ".stages"
    return not root.exists() or all(
        not path.name.startswith(".") or _is_empty_draft(path) for path in root.iterdir()
    )


def _run(folder: Path):
    store = RunStore(folder / "r")
    recipe = RunRecipe(kind="demo", title="Demo", seed=1, parameters={}, inputs=[])

    def complete():
        draft = store.draft(recipe)
        try:
            draft.add_table("t", FRAME)
            store.complete_run_draft(draft, headline={"n": 1})
        except BaseException:
            store.discard(draft)
            raise

    return complete


def _run_whole(folder: Path) -> bool:
    runs = RunStore(folder / "r")
    assert all(runs.table(run.run_id, "t").equals(FRAME) for run in runs.list())
    return not list((folder / "r").glob(".draft-*"))


def _ledger(folder: Path) -> Ledger:
    ledger = Ledger.open(folder / "l.db")
    if ledger.head().size == 0:
        who = Person(name="R", role="registrar", organisation="O", device="d")
        ledger.enrol_first_registrar(
            Key.from_seed(bytes(32)), who, at=datetime.fromtimestamp(0, UTC)
        )
    return ledger


def _export(folder: Path):
    ledger = _ledger(folder)

    def export():
        if not (folder / "out").exists():
            export_ledger(ledger, folder / "out", by=Key.from_seed(bytes(32)))

    return export


def _export_whole(folder: Path) -> bool:
    if (folder / "out").exists():
        assert (folder / "out" / "checkpoint.txt").exists()
        assert (folder / "out" / "verify_ledger.py").exists()
    draft = folder / ".out.draft"
    return not draft.exists() or _is_empty_draft(draft)


def _mark(folder: Path):
    backend = local(folder / "b")
    return lambda: backend.folder.mark_cluster_node_out_of_use("n000", NodeState.DRAINING, "fan")


def _mark_whole(folder: Path) -> bool:
    backend = local(folder / "b")
    return set(backend.folder.node_marks()) <= {"n000"}


def _reset(folder: Path):
    tester = CommandNodeTester(reset="true", test="true")
    return lambda: tester.reset("n000")


def _started(folder: Path):
    return lambda: run_process(["true"], ProcessKind.NODE_TEST, timeout_s=60)


def _job(folder: Path):
    backend = local(folder / "b")
    backend.submit(request("a", "true"))
    return lambda: backend.start("a", [NodeAllocation("n000", (0,))])


def _job_whole(folder: Path) -> bool:
    # Held again, or over by itself: never running without a process.
    backend = local(folder / "b")
    over = {JobPhase.HELD, JobPhase.FINISHED}
    happens(lambda: backend.observe().jobs["a"].phase in over)
    return True


DRAFTS = ("os.fsync", "os.replace", "os.open")
FOLDERS = ("os.fsync", "os.rename", "os.open")
WORKS: dict[str, Work] = {
    "text": Work(DRAFTS, DISK, _text, _text_whole),
    "table": Work(DRAFTS, DISK, _table, _table_whole),
    "key": Work(("os.fsync", "os.link", "os.open"), DISK, _key, _key_whole),
    "cached columns": Work(("os.rename", "os.open"), DISK, _columns, _columns_whole),
    "stage": Work(("os.rename", "os.open"), DISK, _stage, _stage_whole),
    "run": Work(("os.fsync", "os.replace", "os.rename"), DISK, _run, _run_whole),
    "export": Work(FOLDERS, DISK, _export, _export_whole),
    "node mark": Work(DRAFTS, DISK, _mark, _mark_whole),
    "process": Work(("subprocess.Popen",), FORK, _started, lambda _: True),
    "reset": Work(("subprocess.Popen",), FORK, _reset, lambda _: True),
    "cluster job": Work(("subprocess.Popen", "os.replace"), FORK, _job, _job_whole),
}


@contextmanager
def failing_call(name: str, number: int, nth: int) -> Iterator[list[int]]:
    """Let the `nth` call of a function of the system fail; give a list of the calls."""
    module, _, function = name.partition(".")
    owner = {"os": os, "subprocess": subprocess, "fcntl": fcntl, "builtins": builtins}[module]
    real, calls = getattr(owner, function), [0]

    def call(*arguments, **named):
        # The log is a bystander: what it does is no call of the work's.
        if function == "open" and str(arguments[0]).endswith("/log"):
            return real(*arguments, **named)
        calls[0] += 1
        if calls[0] == nth:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **named)

    with mock.patch.object(owner, function, call):
        yield calls


def check_os_fault(seed: int) -> str:
    """Do one case; return what it was, or raise where it did not end as it should."""
    draw = random.Random(seed)
    name = draw.choice([*WORKS, "lock", "database full", "clock back"])
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        stack.enter_context(logging_to_destination(str(folder / "log")))
        if name == "lock":
            return _check_lock_held(folder)
        if name == "database full":
            return _check_database_full(folder, draw)
        if name == "clock back":
            return _check_clock_back(folder, draw)
        return _check_failing_call(name, folder, draw)


def _check_failing_call(name: str, folder: Path, draw: random.Random) -> str:
    work = WORKS[name]
    act = work.prepare(folder)
    (folder / "log").unlink(missing_ok=True)
    call, number = draw.choice(work.calls), draw.choice(work.numbers)
    error = None
    with failing_call(call, number, draw.choice((1, 1, 1, 2, 3))) as calls:
        try:
            act()
        except CommonwattError as raised:
            error = raised
    case = f"{name}, {call} {calls[0]}, {errno.errorcode[number]}"
    lines = [line for line in lines_of(folder / "log") if line["level"] == "error"]
    if error is not None:
        assert not isinstance(error, BugError), case
        assert str(error.found), case
        assert len(lines) == 1, (case, lines)
    assert work.is_whole(folder), case
    act()
    assert work.is_whole(folder), case
    return f"{name}: {'failed' if error else 'not reached'}"


def _check_lock_held(folder: Path) -> str:
    second = files.file_draft(folder / "x", wait_s=0.01)
    with files.file_draft(folder / "x") as draft:
        draft.write_text("theirs")
        with pytest.raises(StorageError, match="another process holds"), second:
            raise AssertionError("two writers met")
    assert (folder / "x").read_text() == "theirs"
    assert [line["fault"] for line in lines_of(folder / "log")] == ["locked"]
    return "lock: failed"


def _append(ledger: Ledger, at: datetime, name: str) -> None:
    key = Key.from_seed(name.encode().ljust(32, b"."))
    with ledger.transaction() as tx:
        who = Person(name=name, role="auditor", organisation="O", device="d")
        ledger.enrol(tx, who, key.public_key, by=Key.from_seed(bytes(32)), at=at)


def _check_database_full(folder: Path, draw: random.Random) -> str:
    """A real full database: SQLite itself refuses to grow by a page."""
    ledger, now, size = _ledger(folder), datetime.now(UTC), 0
    with ledger.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def limit(connection, _):
        connection.execute(f"PRAGMA max_page_count={pages + draw.randint(0, 2)}")

    ledger.engine.dispose()
    sa.event.listen(ledger.engine, "connect", limit)
    error = None
    for i in range(400):
        size = ledger.head().size
        try:
            with files.machine_faults_as_storage_errors(folder / "l.db"):
                _append(ledger, now + timedelta(seconds=i), f"a{i}")
        except CommonwattError as raised:
            error = raised
            break
    assert "no space" in str(error), error
    assert ledger.head().size == size
    sa.event.remove(ledger.engine, "connect", limit)
    ledger.engine.dispose()
    verify_ledger(ledger)
    _append(ledger, now + timedelta(days=1), "after")
    assert [line["fault"] for line in lines_of(folder / "log")] == ["no-space"]
    ledger.engine.dispose()
    return "database full: failed"


def _check_clock_back(folder: Path, draw: random.Random) -> str:
    ledger, now = _ledger(folder), datetime.now(UTC)
    _append(ledger, now, "a")
    size = ledger.head().size
    earlier = now - timedelta(seconds=draw.randint(1, 10**6))
    with pytest.raises(ClockError):
        _append(ledger, earlier, "b")
    assert ledger.head().size == size
    _append(ledger, now + timedelta(seconds=1), "c")
    verify_ledger(ledger)
    ledger.engine.dispose()
    return "clock back: failed"


def main(count: int) -> None:
    """Do `count` cases and print how each kind ended."""
    outcomes = Counter(check_os_fault(seed) for seed in range(count))
    for outcome, number in sorted(outcomes.items()):
        sys.stdout.write(f"{outcome:36} {number:6}\n")
    sys.stdout.write(f"{'in all':36} {sum(outcomes.values()):6}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
