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
from commonwatt.web.tasks.supervisor import (
    TaskState,
    find_console_task,
    move_task_to_state,
    tasks_folder,
)

if TYPE_CHECKING:
    from commonwatt.web.services import Services
    from commonwatt.web.tasks.supervisor import Task


def main(task_id: str) -> None:
    """Do the work and put its end on record."""
    from commonwatt.web.services import open_console_services

    os.nice(5)  # pages come first
    services = open_console_services(Settings.from_environment(), now=datetime.now(UTC))
    work = find_console_task(services, task_id)
    if work.state is not TaskState.RUNNING:
        return
    over = Event()
    Thread(
        target=sample_task_load,
        args=(tasks_folder(services) / f"{task_id}.samples", over),
        daemon=True,
    ).start()
    try:
        run_id = KINDS[work.kind].run(
            services.settings.store, work.parameters, _task_progress_writer(services, work)
        )
        move_task_to_state(services, work, TaskState.FINISHED, now=datetime.now(UTC), run_id=run_id)
    except CommonwattError as error:
        _fail_task(services, work, error)
    except Exception as error:  # whatever it is, the work must not look as if it went on
        traceback.print_exc()
        _fail_task(
            services, work, BugError(type(error).__name__, found=Message("a fault of Commonwatt"))
        )
    finally:
        over.set()


def sample_task_load(path: Path, over: Event, every_s: float = 1.0) -> None:
    """Write instant, processors in use and memory [MB], once a second."""
    before, at = _task_process_cpu_s(), time.monotonic()
    with path.open("a", encoding="utf-8") as file:
        while not over.wait(every_s):
            now, clock = _task_process_cpu_s(), time.monotonic()
            used = (now - before) / max(clock - at, 1e-9)
            row = [round(time.time(), 2), round(used, 3), round(_task_process_memory_mb(), 1)]
            file.write(json.dumps(row) + "\n")
            file.flush()
            before, at = now, clock


def _task_process_cpu_s() -> float:
    """Return the processor time of this process and of its ended children [s]."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(scope) for scope in whose]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _task_process_memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class _ProgressWriter:
    """Writes what a work says, a line at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_text("", encoding="utf-8")  # a second attempt begins anew

    def __call__(self, message: Message) -> None:
        line = json.dumps({"text": message.text, "values": message.values}, ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _task_progress_writer(services: Services, work: Task) -> _ProgressWriter:
    return _ProgressWriter(tasks_folder(services) / f"{work.work_id}.said")


def _fail_task(services: Services, work: Task, error: CommonwattError) -> None:
    error_json = error.as_dict() | {
        language: error.translate(language) for language in ("en", "zh-Hant")
    }
    move_task_to_state(
        services, work, TaskState.FAILED, now=datetime.now(UTC), error=json.dumps(error_json)
    )


if __name__ == "__main__":
    main(sys.argv[1])
