"""Keep a controller running: tick after tick, until a signal stops it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from commonwatt.core.errors import IdentityError
from commonwatt.core.log import LogCode, LogEvent, log_event, open_log_with_default_file
from commonwatt.ledger.errors import ActorError, TamperedError
from commonwatt.operate.domain.actions import JOB_ACTIONS
from commonwatt.operate.domain.cluster import TERMINAL_PHASES, JobPhase
from commonwatt.operate.engines.controller import Controller, TickResult
from commonwatt.operate.engines.exporter import MetricsEndpoint
from commonwatt.operate.usecases.home import (
    ControllerHome,
    hold_controller_lock,
    open_cluster_backend,
    open_controller_store,
)
from commonwatt.processes.loop import log_process_loop_failure

MOST_FAILED_TICKS = 60  # ticks in a row that may fail
_LOOP = LogCode("controller")
_STOPPING_ERRORS = (ActorError, IdentityError, TamperedError)
"""Errors after which no further tick may act: the record or the controller's right is gone."""


def run_controller(
    home: ControllerHome,
    *,
    once: bool = False,
    until_idle: bool = False,
    on_tick: Callable[[TickResult], None] = lambda _: None,
) -> dict[str, Any]:
    """Run the controller of a home; return what it did in all.

    Args:
        home: The home.
        once: Tick once and leave.
        until_idle: Leave when no job waits or runs.
        on_tick: Called after each tick.

    Raises:
        ControlError: Another controller runs here.
        CommonwattError: Ticks have failed many times in a row, or must not go on.
    """
    summary: dict[str, Any] = {"ticks": 0, "acts": 0, "refused": 0, "overcommitted": 0}
    with ExitStack() as stack:
        # The lock before all else: two controllers would each claim the starts of the other's
        # decisions.
        stack.enter_context(hold_controller_lock(home))
        open_log_with_default_file(home.folder / "log" / "controller.jsonl")
        log_event(LogEvent.CONTROLLER_STARTED)
        store = stack.enter_context(open_controller_store(home))
        backend = stack.enter_context(open_cluster_backend(home))
        stopped = stack.enter_context(_controller_stop_event())
        port = home.settings.metrics_port
        endpoint = stack.enter_context(MetricsEndpoint(port)) if port is not None else None
        # Reasons are worked out only where somebody scrapes them; the console and the command
        # line work out their own.
        control = Controller(backend, store, home.settings, explain=endpoint is not None)
        recovered = control.recover_open_intents()
        summary["recovered"] = {intent.subject: state.value for intent, state in recovered}
        for tick, tick_s in _controller_ticks_with_duration_s(
            control, stopped, patience=1 if once else MOST_FAILED_TICKS
        ):
            _add_tick_to_summary(summary, tick)
            _log_tick_actions(tick)
            on_tick(tick)
            if endpoint is not None:
                endpoint.publish_tick(tick, tick_s)
            if once or (until_idle and _is_cluster_idle(tick)):
                break
        log_event(LogEvent.CONTROLLER_ENDED, ticks=summary["ticks"], acts=summary["acts"])
    return summary


def _controller_ticks_with_duration_s(
    control: Controller, stopped: threading.Event, *, patience: int
) -> Generator[tuple[TickResult, float]]:
    """Give tick after tick with how long it took [s]; a backend may fail to answer for a while."""
    failures, every_s = 0, control.settings.tick_s
    while not stopped.is_set():
        began = time.monotonic()
        try:
            if failures:
                # A tick that failed midway has written down what it had not done yet.
                control.recover_open_intents()
            tick, failures = control.tick(), 0
        except Exception as error:
            failures += 1
            # A control daemon may be restarted for minutes, a disk be full, a lock be held, and
            # the jobs run on meanwhile; to leave at the first failure would make every upgrade of
            # Slurm an outage here.
            if failures >= patience or isinstance(error, _STOPPING_ERRORS):
                raise
            if failures == 1:
                log_process_loop_failure(_LOOP, error)
        else:
            yield tick, time.monotonic() - began
        # Waits for the signal and not only for time: SIGTERM then ends the controller between
        # two ticks and never within one.
        stopped.wait(max(every_s - (time.monotonic() - began), 0.0))


def _log_tick_actions(tick: TickResult) -> None:
    for intent in tick.performed:
        if intent.action in JOB_ACTIONS:
            log_event(LogEvent.CONTROLLER_ACTED, action=intent.action, job=intent.subject)
        else:
            log_event(LogEvent.CONTROLLER_ACTED, action=intent.action, node=intent.subject)


@contextmanager
def _controller_stop_event() -> Generator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set, if this is the main thread."""
    stopped = threading.Event()

    def set_controller_stop_event(number: int, frame: object) -> None:
        del number, frame
        stopped.set()

    # Python sets signal handlers in the main thread alone; elsewhere whoever started the thread
    # ends it.
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, set_controller_stop_event) for number in numbers]
    try:
        yield stopped
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _add_tick_to_summary(summary: dict[str, Any], tick: TickResult) -> None:
    summary["ticks"] += 1
    summary["acts"] += len(tick.performed)
    summary["refused"] += len(tick.refused)
    summary["overcommitted"] += len(tick.overcommitted)
    phases = [job.phase for job in tick.observation.jobs.values()]
    summary["jobs"] = {phase.value: phases.count(phase) for phase in JobPhase if phase in phases}


def _is_cluster_idle(tick: TickResult) -> bool:
    return all(job.phase in TERMINAL_PHASES for job in tick.observation.jobs.values())
