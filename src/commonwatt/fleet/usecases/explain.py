"""Why a job waited, as data and as sentences in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from commonwatt.catalogue.measures import measure_value_text
from commonwatt.core.messages import LANGUAGES, Message
from commonwatt.fleet.domain.measures import DELAY_SAVED, HELD_IN_THE_WAY, QUEUE_DELAY
from commonwatt.fleet.domain.policies import SchedulingPolicy
from commonwatt.fleet.engines.explain import (
    REASON_MESSAGES,
    Blocker,
    Explanation,
    QueueReason,
    Remedy,
    WaitInterval,
    explain_job_wait,
)
from commonwatt.fleet.engines.simulator import Runtime, simulate_schedule
from commonwatt.fleet.usecases.inputs import FleetInputs

BLOCKERS_IN_TEXT = 3


def job_wait_explanation(
    inputs: FleetInputs,
    policy: SchedulingPolicy,
    job_id: str,
    *,
    seed: int = 0,
    runtime: Runtime = "oracle",
    quotas: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return reasons, blockers and remedies for one job, with the sentences that say them.

    Raises:
        UsageError: The trace holds no such job.
    """
    explanation = explain_job_wait(
        simulate_schedule(
            inputs.workload,
            inputs.fleet,
            policy,
            pool=inputs.pool,
            seed=seed,
            runtime=runtime,
            quotas=quotas,
        ),
        inputs.workload,
        inputs.fleet,
        policy,
        job_id,
        pool=inputs.pool,
        seed=seed,
        runtime=runtime,
        quotas=quotas,
    )
    return {
        "job": explanation.job_id,
        "policy": policy.name,
        "state": explanation.state.name.lower(),
        "queue_delay_s": explanation.queue_delay_s,
        "reasons": [_wait_reason_as_dict(interval) for interval in explanation.intervals],
        "blockers": [asdict(blocker) for blocker in explanation.blockers],
        # Data stays in English, whoever asks: scripts compare it.
        "remedies": [
            asdict(remedy) | {"change": str(remedy.change)} for remedy in explanation.remedies
        ],
        # In both languages, because the page that shows them may be switched without a new run.
        "sentences": {
            language: _simulated_job_wait_sentences(explanation, language) for language in LANGUAGES
        },
    }


def _wait_reason_as_dict(interval: WaitInterval) -> dict[str, Any]:
    return {
        "from_s": interval.from_ms / 1000,
        "until_s": interval.until_ms / 1000,
        "reason": interval.reason.value,
        "free_gpus": interval.free_gpus,
    }


def _simulated_job_wait_sentences(explanation: Explanation, language: str) -> list[str]:
    messages = [
        _simulated_job_delay_message(explanation, language),
        *_gpu_job_wait_by_queue_reason_messages(explanation.intervals, language),
        *(
            _blocking_job_message(blocker, language)
            for blocker in explanation.blockers[:BLOCKERS_IN_TEXT]
        ),
        *(
            _fleet_job_queue_delay_remedy_message(remedy, language)
            for remedy in explanation.remedies
        ),
    ]
    return [message.translate(language) for message in messages]


def _simulated_job_delay_message(explanation: Explanation, language: str) -> Message:
    if explanation.queue_delay_s is None:
        return Message("Job {job} never started.", {"job": explanation.job_id})
    delay = measure_value_text(explanation.queue_delay_s, QUEUE_DELAY, language)
    return Message("Job {job} waited {delay}.", {"job": explanation.job_id, "delay": delay})


def _gpu_job_wait_by_queue_reason_messages(
    intervals: Sequence[WaitInterval], language: str
) -> list[Message]:
    """Return how long each reason held, the longest first; the stretches are in the data."""
    total_ms: dict[QueueReason, int] = {}
    for interval in intervals:
        # A long wait changes its reason often: sums are read at a glance, and the instants are in
        # the data.
        length_ms = interval.until_ms - interval.from_ms
        total_ms[interval.reason] = total_ms.get(interval.reason, 0) + length_ms
    longest = sorted(total_ms, key=lambda reason: -total_ms[reason])
    return [
        Message(
            "  {delay}: {reason}.",
            {
                "delay": measure_value_text(total_ms[reason] / 1000, QUEUE_DELAY, language),
                "reason": REASON_MESSAGES[reason].translate(language),
            },
        )
        for reason in longest
    ]


def _blocking_job_message(blocker: Blocker, language: str) -> Message:
    details = {
        "job": blocker.job_id,
        "held": measure_value_text(blocker.gpu_hours, HELD_IN_THE_WAY, language),
    }
    if blocker.later:
        return Message("  In its way: job {job}, submitted later, {held}.", details)
    return Message("  In its way: job {job}, {held}.", details)


def _fleet_job_queue_delay_remedy_message(remedy: Remedy, language: str) -> Message:
    change = remedy.change.translate(language)
    if remedy.queue_delay_s is None or remedy.saved_s is None:
        return Message("  With {change}: it never starts.", {"change": change})
    details = {
        "change": change,
        "delay": measure_value_text(remedy.queue_delay_s, QUEUE_DELAY, language),
        "saved": measure_value_text(remedy.saved_s, DELAY_SAVED, language),
    }
    return Message("  With {change}: it waits {delay} ({saved} saved).", details)
