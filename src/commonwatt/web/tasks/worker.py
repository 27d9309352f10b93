"""The process that does one work: `python -m commonwatt.web.tasks.worker WORK`.

It needs nothing of the server that started it and tells its end itself.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from commonwatt.core.errors import BugError, CommonwattError
from commonwatt.core.messages import Message
from commonwatt.web.settings import Settings
from commonwatt.web.tasks.kinds import KINDS
from commonwatt.web.tasks.supervisor import WorkState, find_work, folder_of, move

if TYPE_CHECKING:
    from commonwatt.web.services import Desk
    from commonwatt.web.tasks.supervisor import Work


def main(work_id: str) -> None:
    """Do the work and put its end on record."""
    from commonwatt.web.services import open_desk

    os.nice(5)  # pages come first
    desk = open_desk(Settings.from_environment(), now=datetime.now(UTC))
    work = find_work(desk, work_id)
    if work.state is not WorkState.RUNNING:
        return
    over = Event()
    Thread(target=sample, args=(folder_of(desk) / f"{work_id}.samples", over), daemon=True).start()
    try:
        run_id = KINDS[work.kind].run(desk.settings.store, work.parameters, _teller(desk, work))
        move(desk, work, WorkState.FINISHED, now=datetime.now(UTC), run_id=run_id)
    except CommonwattError as error:
        _fail(desk, work, error)
    except Exception as error:  # whatever it is, the work must not look as if it went on
        traceback.print_exc()
        _fail(desk, work, BugError(type(error).__name__, found=Message("a fault of Commonwatt")))
    finally:
        over.set()


def sample(path: Path, over: Event, every_s: float = 1.0) -> None:
    """Write instant, processors in use and memory [MB], once a second."""
    before, at = _cpu_s(), time.monotonic()
    with path.open("a", encoding="utf-8") as file:
        while not over.wait(every_s):
            now, clock = _cpu_s(), time.monotonic()
            used = (now - before) / max(clock - at, 1e-9)
            row = [round(time.time(), 2), round(used, 3), round(_memory_mb(), 1)]
            file.write(json.dumps(row) + "\n")
            file.flush()
            before, at = now, clock


def _cpu_s() -> float:
    """Return the processor time of this process and of its ended children [s]."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(one) for one in whose]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class _Teller:
    """Writes what a work says, a line at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_text("", encoding="utf-8")  # a second attempt begins anew

    def __call__(self, said: Message) -> None:
        line = json.dumps({"text": said.text, "values": said.values}, ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _teller(desk: Desk, work: Work) -> _Teller:
    return _Teller(folder_of(desk) / f"{work.work_id}.said")


def _fail(desk: Desk, work: Work, error: CommonwattError) -> None:
    told = error.as_dict() | {language: error.say(language) for language in ("en", "zh-Hant")}
    move(desk, work, WorkState.FAILED, now=datetime.now(UTC), error=json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
