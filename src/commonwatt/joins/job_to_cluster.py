"""The join of sandbox and operate: an isolated job as a job of the cluster.

The cluster's backend runs the step that the sandbox prepared, in an environment that
holds nothing of the caller's; the step proves that machine's isolation before it runs
foreign code, and the sandbox checks what comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from commonwatt.core.messages import Message
from commonwatt.operate.domain.actions import ClusterAction, Intent
from commonwatt.operate.domain.cluster import TERMINAL_PHASES, JobRequest
from commonwatt.operate.domain.errors import BackendError
from commonwatt.operate.usecases.actions import record_and_perform_intent
from commonwatt.operate.usecases.home import (
    ControllerHome,
    open_cluster_backend,
    open_controller_home,
    open_controller_store,
)
from commonwatt.sandbox.engines.isolation.handover import HandoverStep, RemoteJobRunner

TENANT = "sandbox"
_OVERHEAD_S = 60.0  # to prove a machine's isolation before the job, and to clear away after it


def cluster_runner_of_isolated_jobs(
    folder: Path, node_folder: Path, *, tenant: str = TENANT
) -> RemoteJobRunner:
    """Return what runs isolated jobs on the cluster of the controller at `folder`.

    A controller must run there; the jobs wait for their turn like all others.

    Args:
        folder: Home of the controller.
        node_folder: Where the machines of the cluster keep locks and stages.
        tenant: Whose quota the jobs count against.
    """
    home = open_controller_home(folder)
    return RemoteJobRunner(
        stages=folder / "steps",
        node_folder=node_folder,
        submit_step=lambda step: run_sandbox_step_on_cluster_to_end(home, step, tenant=tenant),
    )


def run_sandbox_step_on_cluster_to_end(
    home: ControllerHome,
    step: HandoverStep,
    *,
    tenant: str = TENANT,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Hand a step to the cluster and wait for its end.

    Raises:
        BackendError: It has not ended by a day after it was handed in.
    """
    now_s = clock()
    request = sandbox_step_to_cluster_request(step, tenant=tenant, now_s=now_s)
    with open_controller_store(home) as store, open_cluster_backend(home) as backend:
        backend.submit(request)
        body = {"gpus": request.gpus, "tenant": tenant, "user": request.user}
        # In the ledger like every job: what ran on sensitive data must be found there by its
        # step's name.
        record_and_perform_intent(
            store,
            backend,
            Intent(action=ClusterAction.SUBMIT, subject=request.job_id, body=body),
            now_s,
        )
        while backend.observe().jobs[request.job_id].phase not in TERMINAL_PHASES:
            if clock() - now_s > 86400:
                backend.cancel(request.job_id, "waited a day")
                raise BackendError(request.job_id, found=Message("no end within a day"))
            pause(home.settings.tick_s)


def sandbox_step_to_cluster_request(step: HandoverStep, *, tenant: str, now_s: float) -> JobRequest:
    """Return what a step requests of a cluster: processors and memory, no GPU, no second start."""
    assignments = [f"{name}={setting}" for name, setting in sorted(step.environment.items())]
    return JobRequest(
        job_id=step.stage.name,
        # env -i: a batch system hands a job the environment of whoever submitted it, and the
        # isolation promises that nothing of it arrives.
        argv=("/usr/bin/env", "-i", *assignments, *step.argv),
        tenant=tenant,
        user=tenant,
        group=tenant,
        gpus=0,
        cpu_milli=round(step.limits.cpus * 1000),
        # Rounded up: the isolated job is killed at its own limit, and the cluster must have at
        # least that much.
        memory_mib=-(-step.limits.memory_bytes // (1 << 20)),
        estimate_s=step.limits.wall_s + _OVERHEAD_S,
        submitted_at_s=now_s,
        preemptible=False,
    )
