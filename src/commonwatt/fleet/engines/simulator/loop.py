"""The plain event loop: everything that the compiled kernel does not serve.

Calls `decide` with the simulated state after each event, in the same order of
events as the kernel.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from commonwatt.fleet.domain.policies.decide import SchedulingDecision, decide_scheduling
from commonwatt.fleet.domain.policies.gangs import GangPiece
from commonwatt.fleet.domain.policies.order.qssf import predict_job_runtime_ms
from commonwatt.fleet.domain.policies.plan import copy_free_capacity, take_or_release_gang_pieces
from commonwatt.fleet.domain.policies.policy import SchedulingPolicy
from commonwatt.fleet.domain.policies.state import QueueState, believed_job_end_ms
from commonwatt.fleet.domain.result import SimulationResult
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.simulator.record import ScheduleRecorder
from commonwatt.fleet.engines.simulator.setup import (
    FIRST_GUESS_MS,
    ReplaySetup,
    initial_queue_state,
    never_fitting_job_flags,
)

# Also their order within an instant: what ends makes room before what arrives requests it.
RELEASE, SUBMIT, WAKE = 0, 1, 2

Event = tuple[int, int, int, int]  # instant [ms], kind, job, how often it had started


class Agenda(Protocol):
    """Events to come, each an instant with what happens then."""

    def add(self, event: Event) -> None:
        """Note an event."""
        ...

    def pop_simulator_events(self) -> Iterator[Event]:
        """Take the events out one by one, the least first, until there are none."""
        ...


class HeapAgenda:
    """An agenda on a binary heap."""

    def __init__(self) -> None:
        self._heap: list[Event] = []

    def add(self, event: Event) -> None:
        """Note an event."""
        heapq.heappush(self._heap, event)

    def pop_simulator_events(self) -> Iterator[Event]:
        """Take the events out one by one, the least first, until there are none."""
        while self._heap:
            yield heapq.heappop(self._heap)


def replay_event_by_event(setup: ReplaySetup) -> SimulationResult:
    """Return the outcome of `setup`, deciding afresh after each event."""
    return EventReplay(setup, HeapAgenda()).run_to_end()


class EventReplay:
    """A replay under way: the state, the events to come, and the record so far."""

    def __init__(self, setup: ReplaySetup, agenda: Agenda) -> None:
        self.policy: SchedulingPolicy = setup.policy
        self.state: QueueState = initial_queue_state(setup)
        self.record = ScheduleRecorder(setup.workload, never_fitting_job_flags(self.state))
        self.agenda = agenda
        for job, at_ms in enumerate(setup.workload.submit_ms.tolist()):
            if not self.record.rejected[job]:
                agenda.add((at_ms, SUBMIT, job, 0))
        self.finished: list[int] = []
        self.alarm_ms = -1

    @classmethod
    def continue_simulation_from_state(
        cls, state: QueueState, policy: SchedulingPolicy, agenda: Agenda
    ) -> EventReplay:
        """Return a replay that goes on from `state`, which may be live and is left as it is.

        What runs ends when it is believed to, at the earliest now.
        """
        # Not by way of `__init__`, which begins with an idle fleet and submits every job.
        replay = cls.__new__(cls)
        copied = replace(
            state,
            nodes=copy_free_capacity(state.nodes),
            held_pieces=dict(state.held_pieces),
            started_ms=state.started_ms.copy(),
            served_ms=state.served_ms.copy(),
        )
        replay.policy, replay.state, replay.agenda = policy, copied, agenda
        replay.record = ScheduleRecorder(state.workload, np.zeros(len(state.workload), np.bool_))
        replay.finished, replay.alarm_ms = [], -1
        for job, pieces in state.held_pieces.items():
            replay.record.record_simulated_job_start(job, int(state.started_ms[job]), pieces)
            # A live job may have outrun its estimate, and an end in the past would turn the clock
            # back.
            agenda.add((max(believed_job_end_ms(state, job), state.now_ms), RELEASE, job, 1))
        return replay

    def run_to_end(self) -> SimulationResult:
        """Take events until there are none, and return the outcome."""
        for event in self.agenda.pop_simulator_events():
            self.replay_simulated_event_and_decide(event)
        return self.record.finished_simulation_result()

    def replay_simulated_event_and_decide(self, event: Event) -> SchedulingDecision | None:
        """Take one event, and return what was then decided, if anything waited."""
        at_ms, kind, job, start = event
        if kind == RELEASE and not self._still_runs_since_start_number(job, start):
            return None  # was preempted in the meantime
        self.state = replace(self.state, now_ms=at_ms)
        if kind == RELEASE:
            self._release_simulated_job_at_end(job)
        elif kind == SUBMIT:
            self._queue_simulated_submission(job)
        if len(self.state.waiting) == 0:
            return None
        decision = decide_scheduling(self.state, self.policy)
        self.apply_decision(decision)
        return decision

    def _still_runs_since_start_number(self, job: int, start: int) -> bool:
        """Return whether `job` still runs since the given start of it."""
        return job in self.state.held_pieces and start == self.record.simulated_start_count_of_job(
            job
        )

    def _queue_simulated_submission(self, job: int) -> None:
        if self.policy.order.name == "qssf":
            # Once, at submission: a prediction that went on changing would reorder jobs that
            # already wait.
            self.state.predicted_ms[job] = self._predicted_job_runtime_ms(job)
        self.state = replace(
            self.state, waiting=sorted_jobs_with_job_inserted(self.state.waiting, job)
        )

    def _predicted_job_runtime_ms(self, job: int) -> int:
        work, done = self.state.workload, np.array(self.finished, np.int64)
        return predict_job_runtime_ms(
            int(work.user[job]),
            int(work.group[job]),
            users=work.user[done].astype(np.int64),
            groups=work.group[done].astype(np.int64),
            runtimes_ms=work.runtime_ms[done],
            default_ms=FIRST_GUESS_MS,
        )

    def _release_simulated_job_at_end(self, job: int) -> None:
        take_or_release_gang_pieces(self.state.nodes, self.state.held_pieces.pop(job), -1)
        self.record.record_simulated_job_stop(job, self.state.now_ms)
        self.finished.append(job)
        self.state = replace(self.state, running=job_numbers_without_job(self.state.running, job))

    def apply_decision(self, decision: SchedulingDecision) -> None:
        """Do what was decided."""
        for job in decision.preemptions:
            self._preempt_simulated_job(job)
        for job, pieces in decision.starts.items():
            self._start_simulated_job(job, pieces)
        # Without preemption a change of keys starts nobody: whoever waits, waits for room.
        if self.policy.preempt.name != "none":
            self._schedule_next_order_policy_wake()

    def _schedule_next_order_policy_wake(self) -> None:
        """Look at the queue when keys change next, if no earlier look is due."""
        wake_ms = self.policy.order.wake(self.state)
        if wake_ms is not None and not self.state.now_ms < self.alarm_ms <= wake_ms:
            self.alarm_ms = wake_ms
            self.agenda.add((wake_ms, WAKE, 0, 0))

    def _preempt_simulated_job(self, job: int) -> None:
        state = self.state
        if job not in state.held_pieces:
            return  # started and stopped within one decision
        take_or_release_gang_pieces(state.nodes, state.held_pieces.pop(job), -1)
        ran_ms = state.now_ms - int(state.started_ms[job])
        state.served_ms[job] = state.served_ms[job] + ran_ms if self.policy.keep_progress else 0
        self.record.record_simulated_job_stop(job, state.now_ms, preempted=True)
        self.state = replace(
            state,
            running=job_numbers_without_job(state.running, job),
            waiting=sorted_jobs_with_job_inserted(state.waiting, job),
        )

    def _start_simulated_job(self, job: int, pieces: tuple[GangPiece, ...]) -> None:
        state = self.state
        take_or_release_gang_pieces(state.nodes, pieces, 1)
        state.held_pieces[job] = pieces
        state.started_ms[job] = state.now_ms
        self.record.record_simulated_job_start(job, state.now_ms, pieces)
        end_ms = state.now_ms + int(state.workload.runtime_ms[job] - state.served_ms[job])
        self.agenda.add((end_ms, RELEASE, job, self.record.simulated_start_count_of_job(job)))
        self.state = replace(
            state,
            running=sorted_jobs_with_job_inserted(state.running, job),
            waiting=job_numbers_without_job(state.waiting, job),
        )


def sorted_jobs_with_job_inserted(jobs: I64, job: int) -> I64:
    """Return `jobs`, which are in order, with `job` among them."""
    return np.insert(jobs, int(np.searchsorted(jobs, job)), job)


def job_numbers_without_job(jobs: I64, job: int) -> I64:
    """Return `jobs` without `job`."""
    return jobs[jobs != job]
