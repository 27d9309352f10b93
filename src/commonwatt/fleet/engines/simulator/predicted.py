"""Orders by predicted run time on the compiled kernel: replay, predict, and replay again.

A prediction is made at submission, from the jobs that have finished by then; later it
stays. So the order is known once the predictions are, and these follow from the ends
of a replay. Repeated until nothing changes, that gives the very outcome of deciding
event by event: a prediction rests on earlier events only, so each round makes at least
one more job right, and a round that changes nothing is right throughout.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.result import SimulationResult
from commonwatt.fleet.domain.workload import I64, Workload
from commonwatt.fleet.engines.simulator.fast import (
    can_compiled_kernel_replay_ranked_jobs,
    replay_ranked_on_fast_kernel,
)
from commonwatt.fleet.engines.simulator.setup import FIRST_GUESS_MS, ReplaySetup

MOST_ROUNDS: Final = 400
"""Then the plain loop is as quick, and goes on."""


def can_replay_predicted(setup: ReplaySetup) -> bool:
    """Return whether this engine serves these inputs.

    Jobs without length could end at the instant of a submission, before or after it.
    """
    work = setup.workload
    return (
        setup.policy.order.name == "qssf"
        and can_compiled_kernel_replay_ranked_jobs(setup)
        and bool((work.runtime_ms > 0).all())
    )


def replay_with_predicted_runtimes(
    setup: ReplaySetup, rounds: int = MOST_ROUNDS
) -> SimulationResult | None:
    """Return the outcome of `setup`, or None where `rounds` do not settle it."""
    alike = _user_group_and_user_numbers_by_job(setup.workload)
    predicted = np.full(len(setup.workload), FIRST_GUESS_MS, np.int64)
    for _ in range(rounds):
        result = replay_ranked_on_fast_kernel(setup, predicted * setup.workload.gpus)
        again = predicted_job_runtimes_ms(setup.workload, alike, result.end_ms)
        if np.array_equal(again, predicted):
            return result
        predicted = again
    return None


def predicted_job_runtimes_ms(workload: Workload, alike: tuple[I64, I64], end_ms: I64) -> I64:
    """Return what would be predicted of each job at its submission [ms], shape (jobs,).

    Args:
        workload: The jobs.
        alike: Number of each job's user and group, and of its user, each shape (jobs,).
        end_ms: When each job ended, -1 where it never ran [ms], shape (jobs,).
    """
    ran = np.flatnonzero(end_ms >= 0)
    by_end = ran[np.argsort(end_ms[ran], kind="stable")]
    return _predicted_runtimes_ms_by_job(
        workload.submit_ms, workload.runtime_ms, end_ms, by_end, *alike
    )


def _user_group_and_user_numbers_by_job(work: Workload) -> tuple[I64, I64]:
    pairs = np.stack([work.user, work.group], axis=1)
    _, pair = np.unique(pairs, axis=0, return_inverse=True)
    _, user = np.unique(work.user, return_inverse=True)
    return pair.reshape(-1).astype(np.int64), user.reshape(-1).astype(np.int64)


@njit()
def _predicted_runtimes_ms_by_job(
    submit: I64, runtime: I64, end: I64, by_end: I64, pair: I64, user: I64
) -> I64:
    jobs = len(submit)
    predicted = np.empty(jobs, np.int64)
    pair_sum, pair_count = np.zeros(jobs, np.int64), np.zeros(jobs, np.int64)
    user_sum, user_count = np.zeros(jobs, np.int64), np.zeros(jobs, np.int64)
    total, count, at = 0, 0, 0
    for job in range(jobs):
        # Up to and with the instant itself, because releases come before submissions.
        while at < len(by_end) and end[by_end[at]] <= submit[job]:
            done = by_end[at]
            pair_sum[pair[done]] += runtime[done]
            pair_count[pair[done]] += 1
            user_sum[user[done]] += runtime[done]
            user_count[user[done]] += 1
            total, count, at = total + runtime[done], count + 1, at + 1
        if pair_count[pair[job]] > 0:
            # Whole milliseconds, as `qssf` itself divides: a remainder could turn two jobs round.
            predicted[job] = pair_sum[pair[job]] // pair_count[pair[job]]
        elif user_count[user[job]] > 0:
            predicted[job] = user_sum[user[job]] // user_count[user[job]]
        elif count > 0:
            predicted[job] = total // count
        else:
            predicted[job] = FIRST_GUESS_MS
    return predicted
