"""Actions on a backend: written down first, then done, then marked as done.

Whoever is killed between leaves an intent that the next start finds. Every action is
idempotent, and a start that is not to be seen on the backend is dropped rather than
done late, because the policy decides afresh anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, assert_never

from commonwatt.ledger import EntryDraft
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    TERMINAL_PHASES,
    ClusterBackend,
    ClusterObservation,
    JobPhase,
    NodeAllocation,
    NodeState,
    ObservedJob,
)
from commonwatt.operate.domain.requests import node_allocations_from_json, node_allocations_json


class ClusterAction(StrEnum):
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


JOB_ACTIONS = frozenset(
    {
        ClusterAction.START,
        ClusterAction.WARN,
        ClusterAction.REQUEUE,
        ClusterAction.CANCEL,
        ClusterAction.SUBMIT,
    }
)


class IntentState(StrEnum):
    """What became of an intent."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One action to be done.

    Args:
        action: What.
        subject: Name of the job or node.
        body: What else belongs to it, as plain JSON.
        position: Its number once it is written down.
    """

    action: ClusterAction
    subject: str
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    position: int = 0

    def ledger_entry_draft(self) -> EntryDraft:
        """Return the ledger entry of the action."""
        subject_kind = "job" if self.action in JOB_ACTIONS else "node"
        return EntryDraft(
            kind=f"operate.{self.action.value}",
            subject=f"{subject_kind}/{self.subject}",
            body=self.body,
        )


def job_start_intent(job_id: str, places: tuple[NodeAllocation, ...], starts: int) -> Intent:
    """Return the intent to start a job for the `starts`-th time."""
    return Intent(
        action=ClusterAction.START,
        subject=job_id,
        body={"places": node_allocations_json(places), "starts": starts},
    )


def cluster_intent_with_reason(action: ClusterAction, subject: str, reason: str) -> Intent:
    """Return an intent that needs a reason and nothing else."""
    return Intent(action=action, subject=subject, body={"reason": reason})


def perform_cluster_intent(intent: Intent, backend: ClusterBackend) -> None:
    """Do what is intended.

    Raises:
        BackendError: The backend refuses or does not answer.
        UnknownNameError: There is no such job or node.
    """
    name, reason = intent.subject, str(intent.body.get("reason", ""))
    match intent.action:
        case ClusterAction.START:
            backend.start(name, node_allocations_from_json(intent.body["places"]))
        case ClusterAction.WARN:
            backend.warn(name)
        case ClusterAction.REQUEUE:
            backend.requeue(name, reason)
        case ClusterAction.CANCEL:
            backend.cancel(name, reason)
        case ClusterAction.SUBMIT:
            pass  # the backend had it before it was noted
        case ClusterAction.DRAIN:
            backend.drain(name, reason)
        case ClusterAction.DOWN:
            backend.down(name, reason)
        case ClusterAction.RESUME:
            backend.resume(name)
        case ClusterAction.REBOOT:
            backend.reboot(name, reason)
        case _:
            assert_never(intent.act)


def is_intent_seen_on_cluster(intent: Intent, observation: ClusterObservation) -> bool:
    """Return whether the effect of an action is to be seen on the backend."""
    if intent.action in JOB_ACTIONS:
        job = observation.jobs.get(intent.subject)
        return job is not None and _is_intent_seen_on_job(intent, job)
    # By state and not by who caused it: a node that somebody else has drained meanwhile is
    # drained, and draining it again would overwrite the reason.
    states = _NODE_STATES[intent.action]
    return any(node.name == intent.subject and node.state in states for node in observation.nodes)


def _is_intent_seen_on_job(intent: Intent, job: ObservedJob) -> bool:
    if intent.action == ClusterAction.START:
        return (
            job.starts >= intent.body["starts"] and job.phase in PHASES_ON_NODES | TERMINAL_PHASES
        )
    return job.phase in _JOB_PHASES.get(intent.action, frozenset(JobPhase))


_JOB_PHASES: dict[ClusterAction, frozenset[JobPhase]] = {
    ClusterAction.REQUEUE: frozenset({JobPhase.HELD}),
    ClusterAction.CANCEL: TERMINAL_PHASES,
}
_NODE_STATES: dict[ClusterAction, frozenset[NodeState]] = {
    # A node that went down before it could be drained is out of use, too: the intent is
    # fulfilled.
    ClusterAction.DRAIN: frozenset(NodeState) - {NodeState.UP},
    ClusterAction.DOWN: frozenset({NodeState.DOWN}),
    ClusterAction.RESUME: frozenset({NodeState.UP}),
    ClusterAction.REBOOT: frozenset({NodeState.REBOOTING}),
}
