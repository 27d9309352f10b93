"""The process that does one work: `python -m commonwatt.web.tasks.worker WORK`.

It needs nothing of the server that started it and tells its end itself.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from commonwatt.core.log import log_context, open_log_with_default_file
from commonwatt.core.messages import Message
from commonwatt.processes.heartbeat import heartbeat
from commonwatt.web.settings import Settings
from commonwatt.web.tasks.kinds import KINDS
from commonwatt.web.tasks.supervisor import (
    TaskState,
    console_tasks_folder,
    find_console_task,
    logged_task_failure_error,
    mark_console_task_failed,
    move_task_to_state_unless_stale,
)

if TYPE_CHECKING:
    from commonwatt.web.services import Services
    from commonwatt.web.tasks.supervisor import Task


def main(task_id: str) -> None:
    """Do the work and put its end on record."""
    from commonwatt.web.services import open_console_services

    os.nice(5)  # pages come first
    # Asked to stop, it unwinds instead of ending where it stands: a run half written is discarded
    # now, and not minutes later when its lease has run out.
    signal.signal(signal.SIGTERM, _exit_worker_on_sigterm)
    settings = Settings.from_environment()
    open_log_with_default_file(settings.log_file)
    services = open_console_services(settings, now=datetime.now(UTC))
    work = find_console_task(services, task_id)
    if work.state is not TaskState.RUNNING:
        return
    with log_context(task=task_id), heartbeat(console_tasks_folder(services) / f"{task_id}.beat"):
        _run_console_task(services, work)


def _exit_worker_on_sigterm(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _run_console_task(services: Services, work: Task) -> None:
    over = Event()
    Thread(
        target=write_task_load_samples_until_over,
        args=(console_tasks_folder(services) / f"{work.work_id}.samples", over),
        daemon=True,
    ).start()
    try:
        run_id = KINDS[work.kind].run(
            services.settings.store, work.parameters, _task_progress_writer(services, work)
        )
        move_task_to_state_unless_stale(
            services, work, TaskState.FINISHED, now=datetime.now(UTC), run_id=run_id
        )
    except Exception as error:  # whatever it is, the work must not look as if it went on
        failure = logged_task_failure_error(error, work.title)
        mark_console_task_failed(services, work, failure, now=datetime.now(UTC))
    finally:
        over.set()


def write_task_load_samples_until_over(path: Path, over: Event, every_s: float = 1.0) -> None:
    """Write instant, processors in use and memory [MB], once a second."""
    before, at = _task_and_ended_children_cpu_s(), time.monotonic()
    with path.open("a", encoding="utf-8") as file:
        while not over.wait(every_s):
            now, clock = _task_and_ended_children_cpu_s(), time.monotonic()
            used = (now - before) / max(clock - at, 1e-9)
            row = [round(time.time(), 2), round(used, 3), round(_task_process_memory_mb(), 1)]
            file.write(json.dumps(row) + "\n")
            file.flush()
            before, at = now, clock


def _task_and_ended_children_cpu_s() -> float:
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
    return _ProgressWriter(console_tasks_folder(services) / f"{work.work_id}.said")


if __name__ == "__main__":
    main(sys.argv[1])
