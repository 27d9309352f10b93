"""What a person does to a cluster: each action is written down before it is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commonwatt.core.errors import CommonwattError
from commonwatt.core.identifiers import IdentifierKind, identifier_checked_valid
from commonwatt.operate.domain.actions import (
    ClusterAction,
    Intent,
    IntentState,
    cluster_intent_with_reason,
    perform_cluster_intent,
)
from commonwatt.operate.domain.cluster import ClusterBackend, JobRequest
from commonwatt.operate.domain.state import StateChanges
from commonwatt.operate.io.store import ControllerStore
from commonwatt.operate.usecases.home import (
    ControllerHome,
    open_cluster_backend,
    open_controller_store,
)


def perform_cluster_action(
    home: ControllerHome, action: ClusterAction, subject: str, reason: str, *, now_s: float
) -> dict[str, Any]:
    """Do one action to a node or job, with its ledger entry.

    Raises:
        UnknownNameError: There is no such node or job.
        BackendError: The backend refuses.
    """
    with open_controller_store(home) as store, open_cluster_backend(home) as backend:
        record_and_perform_intent(
            store, backend, cluster_intent_with_reason(action, subject, reason), now_s
        )
    return {"act": action.value, "subject": subject, "reason": reason}


def record_and_perform_intent(
    store: ControllerStore, backend: ClusterBackend, intent: Intent, now_s: float
) -> None:
    """Write an intent down, do it, and mark it as done or refused.

    Raises:
        UnknownNameError: There is no such node or job.
        BackendError: The backend refuses.
    """
    # Written first: an action without its entry could be denied, and one that was killed
    # halfway could not be found.
    (written,) = store.write_changes_and_intents(now_s, StateChanges(), intents=[intent])
    try:
        perform_cluster_intent(written, backend)
    except CommonwattError as error:
        store.set_intent_states([(written, IntentState.REFUSED, str(error))])
        raise
    store.set_intent_states([(written, IntentState.DONE, "")])


def unique_cluster_job_name(now_s: float) -> str:
    """Return a name for a job that was handed in without one.

    >>> unique_cluster_job_name(1.5)
    'job-1.500000'
    """
    # Microseconds: a name is unique for ever, and a script hands in many jobs in one second.
    return f"job-{now_s:.6f}"


def submit_job_to_cluster(
    home: ControllerHome, request: JobRequest, *, now_s: float
) -> dict[str, Any]:
    """Hand a job to the backend, held; the controller starts it when its turn comes.

    Raises:
        IdentifierError: No tenant may be called so.
    """
    identifier_checked_valid(IdentifierKind.TENANT, request.tenant, "tenant")
    # The instant of submission is ours where the caller gave none: queue delay counts from here
    # and not from when the backend first noticed.
    stamped_request = replace(request, submitted_at_s=request.submitted_at_s or now_s)
    with open_controller_store(home) as store, open_cluster_backend(home) as backend:
        # Submitted before it is noted, unlike other actions: the job is held either way, and a
        # note of a job that no backend has would be worse than a held job that is found at the
        # next look.
        backend.submit(stamped_request)
        body = {
            "gpus": stamped_request.gpus,
            "tenant": stamped_request.tenant,
            "user": stamped_request.user,
        }
        record_and_perform_intent(
            store,
            backend,
            Intent(action=ClusterAction.SUBMIT, subject=stamped_request.job_id, body=body),
            now_s,
        )
    return {
        "job_id": stamped_request.job_id,
        "gpus": stamped_request.gpus,
        "tenant": stamped_request.tenant,
    }
