"""Why a job waited, as data and as sentences in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from commonwatt.core.messages import LANGUAGES, Message
from commonwatt.fleet.domain.policies import SchedulingPolicy
from commonwatt.fleet.engines.explain import (
    REASON_MESSAGES,
    Blocker,
    Explanation,
    QueueReason,
    Remedy,
    WaitInterval,
    explain,
)
from commonwatt.fleet.engines.simulator import Runtime, simulate
from commonwatt.fleet.usecases.inputs import FleetInputs

BLOCKERS_IN_TEXT = 3


def explanation_result(
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
    found = explain(
        simulate(
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
        "job": found.job_id,
        "policy": policy.name,
        "state": found.state.name.lower(),
        "queue_delay_s": found.queue_delay_s,
        "reasons": [_reason(stretch) for stretch in found.stretches],
        "blockers": [asdict(blocker) for blocker in found.blockers],
        "remedies": [_remedy(remedy) for remedy in found.remedies],
        "sentences": {language: _sentences(found, language) for language in LANGUAGES},
    }


def _reason(stretch: WaitInterval) -> dict[str, Any]:
    return {
        "from_s": stretch.from_ms / 1000,
        "until_s": stretch.until_ms / 1000,
        "reason": stretch.reason.value,
        "free_gpus": stretch.free_gpus,
    }


def _remedy(remedy: Remedy) -> dict[str, Any]:
    return asdict(remedy) | {"change": str(remedy.change)}


def _sentences(found: Explanation, language: str) -> list[str]:
    said = [_delay(found), *_by_reason(found.stretches, language)]
    said += map(_blocker, found.blockers[:BLOCKERS_IN_TEXT])
    said += [_helped(remedy, language) for remedy in found.remedies]
    return [sentence.translate(language) for sentence in said]


def _delay(found: Explanation) -> Message:
    if found.queue_delay_s is None:
        return Message("Job {job} never started.", {"job": found.job_id})
    hours = f"{found.queue_delay_s / 3600:.2f}"
    return Message("Job {job} waited {hours} hours.", {"job": found.job_id, "hours": hours})


def _by_reason(stretches: Sequence[WaitInterval], language: str) -> list[Message]:
    """Return how long each reason held, the longest first; the stretches are in the data."""
    total: dict[QueueReason, int] = {}
    for stretch in stretches:
        total[stretch.reason] = total.get(stretch.reason, 0) + stretch.until_ms - stretch.from_ms
    longest = sorted(total, key=lambda reason: -total[reason])
    return [
        Message(
            "  {hours} h: {reason}.",
            {
                "hours": f"{total[reason] / 3.6e6:.2f}",
                "reason": REASON_MESSAGES[reason].translate(language),
            },
        )
        for reason in longest
    ]


def _blocker(blocker: Blocker) -> Message:
    values = {"job": blocker.job_id, "hours": f"{blocker.gpu_hours:,.1f}"}
    if blocker.later:
        text = Message("  In its way: job {job}, submitted later, {hours} GPU-hours.", values)
    else:
        text = Message("  In its way: job {job}, {hours} GPU-hours.", values)
    return text


def _helped(remedy: Remedy, language: str) -> Message:
    change = remedy.change.translate(language)
    if remedy.queue_delay_s is None or remedy.saved_s is None:
        return Message("  With {change}: it never starts.", {"change": change})
    values = {
        "change": change,
        "hours": f"{remedy.queue_delay_s / 3600:.2f}",
        "saved": f"{remedy.saved_s / 3600:+.2f}",
    }
    return Message("  With {change}: it waits {hours} h ({saved} h saved).", values)
