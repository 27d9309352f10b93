"""The processes of a console with several workers: forked from one that has loaded the program.

Loading takes a second and a half of the processor, which each worker would spend for itself while
the first visitors wait. The process that loads has opened nothing and runs no thread of ours, so
that a fork of it is as good as a new process.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

    import uvicorn
    from fastapi import FastAPI

WORKER_PROCESSES: Final = multiprocessing.get_context("forkserver")


def load_program_for_workers() -> None:
    """Begin to load the program in the process that workers are forked from."""
    from multiprocessing import forkserver

    WORKER_PROCESSES.set_forkserver_preload(["commonwatt.web.preloaded"])
    forkserver.ensure_running()


def console_app_of_worker(environment: Mapping[str, str]) -> FastAPI:
    """Return the application of a worker process.

    Args:
        environment: What it is told besides the environment of the process that it was forked
            from, which began before the settings were known.
    """
    from commonwatt.web.app import from_environment

    os.environ.update(environment)
    return from_environment()


def run_console_workers(config: uvicorn.Config, sock: socket.socket) -> None:
    """Answer with several workers until stopped."""
    import uvicorn._subprocess as worker_processes
    from uvicorn.supervisors import Multiprocess

    class Workers(Multiprocess):
        """Workers of which one may have ended before it is asked to end."""

        def terminate_all(self) -> None:
            for process in self.processes:
                # Ctrl-C reaches the workers, too: whichever has ended is no process any more.
                with suppress(ProcessLookupError):
                    process.terminate()

    # There is no setting for it: uvicorn begins every worker as a new interpreter.
    worker_processes.spawn = WORKER_PROCESSES
    config.loop = "commonwatt.web.event_loop:SharedSocketEventLoop"
    Workers(config, sockets=[sock]).run()
