"""Acts on an engine: written down first, then done, then marked as done.

Whoever is killed between leaves an intent that the next start finds. Every act is
idempotent, and a start that is not to be seen on the engine is dropped rather than
done late, because the policy decides afresh anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, assert_never

from commonwatt.ledger import Draft
from commonwatt.operate.domain.cluster import (
    ON_NODES,
    OVER,
    Engine,
    JobSeen,
    NodeState,
    Phase,
    Place,
    Seen,
)
from commonwatt.operate.domain.requests import places_json, places_of


class Act(StrEnum):
    """Everything that is ever done to a cluster."""

    START = "start"
    WARN = "warn"
    REQUEUE = "requeue"
    CANCEL = "cancel"
    SUBMIT = "submit"
    DRAIN = "drain"
    DOWN = "down"
    RESUME = "resume"
    REBOOT = "reboot"


ON_JOBS = frozenset({Act.START, Act.WARN, Act.REQUEUE, Act.CANCEL, Act.SUBMIT})


class IntentState(StrEnum):
    """What became of an intent."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One act to be done.

    Args:
        act: What.
        subject: Name of the job or node.
        body: What else belongs to it, as plain JSON.
        position: Its number once it is written down.
    """

    act: Act
    subject: str
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    position: int = 0

    def draft(self) -> Draft:
        """Return the ledger entry of the act."""
        what = "job" if self.act in ON_JOBS else "node"
        return Draft(
            kind=f"operate.{self.act.value}", subject=f"{what}/{self.subject}", body=self.body
        )


def start(job_id: str, places: tuple[Place, ...], starts: int) -> Intent:
    """Return the intent to start a job for the `starts`-th time."""
    return Intent(
        act=Act.START, subject=job_id, body={"places": places_json(places), "starts": starts}
    )


def stop(act: Act, subject: str, reason: str) -> Intent:
    """Return an intent that needs a reason and nothing else."""
    return Intent(act=act, subject=subject, body={"reason": reason})


def perform(intent: Intent, engine: Engine) -> None:
    """Do what is intended.

    Raises:
        EngineError: The engine refuses or does not answer.
        UnknownError: There is no such job or node.
    """
    name, reason = intent.subject, str(intent.body.get("reason", ""))
    match intent.act:
        case Act.START:
            engine.start(name, places_of(intent.body["places"]))
        case Act.WARN:
            engine.warn(name)
        case Act.REQUEUE:
            engine.requeue(name, reason)
        case Act.CANCEL:
            engine.cancel(name, reason)
        case Act.SUBMIT:
            pass  # the engine had it before it was noted
        case Act.DRAIN:
            engine.drain(name, reason)
        case Act.DOWN:
            engine.down(name, reason)
        case Act.RESUME:
            engine.resume(name)
        case Act.REBOOT:
            engine.reboot(name, reason)
        case _:
            assert_never(intent.act)


def shows(intent: Intent, seen: Seen) -> bool:
    """Return whether the effect of an act is to be seen on the engine."""
    if intent.act in ON_JOBS:
        job = seen.jobs.get(intent.subject)
        return job is not None and _shows_on_job(intent, job)
    states = _NODE_STATES[intent.act]
    return any(node.name == intent.subject and node.state in states for node in seen.nodes)


def _shows_on_job(intent: Intent, job: JobSeen) -> bool:
    if intent.act == Act.START:
        return job.starts >= intent.body["starts"] and job.phase in ON_NODES | OVER
    return job.phase in _JOB_PHASES.get(intent.act, frozenset(Phase))


_JOB_PHASES: dict[Act, frozenset[Phase]] = {
    Act.REQUEUE: frozenset({Phase.HELD}),
    Act.CANCEL: OVER,
}
_NODE_STATES: dict[Act, frozenset[NodeState]] = {
    Act.DRAIN: frozenset(NodeState) - {NodeState.UP},
    Act.DOWN: frozenset({NodeState.DOWN}),
    Act.RESUME: frozenset({NodeState.UP}),
    Act.REBOOT: frozenset({NodeState.REBOOTING}),
}
