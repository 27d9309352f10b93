"""The slow, obvious reference of the compiled kernel: events on SimPy, decisions by `decide`.

SimPy orders events by (time, priority, number of insertion); a release has its job's
number as priority and a submission comes after all releases. Used to check the
kernel job for job, and as a peer in the benchmark; SimPy comes with the development
tools.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

from commonwatt.core.extras import import_optional_module
from commonwatt.fleet.domain.result import SimulationResult
from commonwatt.fleet.engines.simulator.loop import Event, EventReplay
from commonwatt.fleet.engines.simulator.setup import ReplaySetup


class SimpyAgenda:
    """An agenda on SimPy's event queue."""

    def __init__(self, jobs: int) -> None:
        self._environment = import_optional_module("simpy").Environment()
        self._jobs = jobs
        self._due: list[Event] = []

    def add(self, event: Event) -> None:
        """Note an event."""
        at_ms, kind, job, _ = event
        due: Any = self._environment.event()
        due.callbacks.append(partial(self._mark_event_due, event))
        due._ok, due._value = True, None  # as SimPy's own `Timeout` does
        # Kind, then job: SimPy's own last resort, the number of insertion, must never decide.
        priority = cast("Any", kind * (self._jobs + 1) + job)
        self._environment.schedule(due, priority, at_ms - self._environment.now)

    def _mark_event_due(self, event: Event, _: object) -> None:
        self._due.append(event)

    def pop_simulator_events(self) -> Iterator[Event]:
        """Take the events out one by one, the least first, until there are none."""
        while self._environment.peek() != float("inf"):
            self._environment.step()
            yield self._due.pop()


def replay_on_simpy(setup: ReplaySetup) -> SimulationResult:
    """Return the outcome of `setup`, deciding afresh after each event of a SimPy world."""
    return EventReplay(setup, SimpyAgenda(len(setup.workload))).run_to_end()
