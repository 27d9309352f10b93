"""Show a cluster: how it stands, what was used, what would be decided, and what comes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt.fleet.domain.policies.decide import decide_scheduling
from commonwatt.operate.domain.capture import (
    Capture,
    capture_cluster_state,
    capture_json_line,
    load_cluster_capture,
)
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    ClusterObservation,
    JobPhase,
    ObservedJob,
)
from commonwatt.operate.engines.invoices import tenant_invoices
from commonwatt.operate.engines.meter import (
    ended_cluster_jobs_trace_table,
    meter_jobs,
    metered_jobs_table,
    metered_sums_by_tenant,
)
from commonwatt.operate.engines.replay import (
    NO_DECISION,
    compare_live_with_simulated,
    expected_job_start_instants_s,
    simulated_cluster_decision,
)
from commonwatt.operate.engines.snapshot import (
    job_wait_reasons,
    queue_snapshot,
    scheduling_decision_by_names,
)
from commonwatt.operate.io.store import ControllerStore
from commonwatt.operate.usecases.home import (
    ControllerHome,
    open_cluster_backend,
    open_controller_store,
)


def controller_status(home: ControllerHome) -> dict[str, Any]:
    """Return nodes, jobs, why each waits and when it is expected to start."""
    with open_controller_store(home) as store, open_cluster_backend(home) as backend:
        observation = backend.observe()
        captured = _captured_cluster_state(home, store, observation)
    why = _wait_reasons_by_job(captured)
    starts = expected_job_start_instants_s(captured) if why else {}
    jobs = [
        _cluster_job_row(job) | _job_wait_columns(job, why, starts, observation.at_s)
        for job in observation.jobs.values()
        if job.phase in PHASES_ON_NODES | {JobPhase.HELD}
    ]
    return {
        "engine": home.settings.engine,
        "at_s": observation.at_s,
        "nodes": [asdict(node) for node in observation.nodes],
        "jobs": jobs,
        "over": len(observation.jobs) - len(jobs),
    }


def current_cluster_capture_json_line(home: ControllerHome) -> str:
    """Return the state of now as a capture, one line of JSON."""
    with open_controller_store(home) as store, open_cluster_backend(home) as backend:
        return capture_json_line(_captured_cluster_state(home, store, backend.observe()))


def logged_decisions_agreement_with_simulator(home: ControllerHome) -> dict[str, Any]:
    """Decide every kept state again in the simulator, and compare."""
    with open_controller_store(home) as store:
        compared = compare_live_with_simulated(store.logged_decisions())
    return asdict(compared)


def decision_and_expected_starts_of_capture(path: Path) -> dict[str, Any]:
    """Return what would be decided in a captured state, and when waiting jobs would start."""
    captured = load_cluster_capture(path)
    if not captured.jobs:
        return {"decision": {"preempt": [], "start": {}}, "live": True, "starts_in_s": {}}
    snapshot = queue_snapshot(captured)
    simulated = simulated_cluster_decision(snapshot, captured)
    live = (
        decide_scheduling(snapshot.state, captured.scheduling_policy)
        if len(snapshot.state.waiting)
        else NO_DECISION
    )
    starts = expected_job_start_instants_s(captured)
    return {
        "decision": scheduling_decision_by_names(simulated, snapshot),
        "live": scheduling_decision_by_names(live, snapshot)
        == scheduling_decision_by_names(simulated, snapshot),
        "starts_in_s": {name: round(at - captured.at_s, 3) for name, at in starts.items()},
    }


def metered_gpu_use_and_tables_by_name(
    home: ControllerHome, *, now_s: float, from_s: float = 0.0, until_s: float | None = None
) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """Return what was used, with invoices, and tables: per job, and the trace."""
    with open_controller_store(home) as store:
        rows, uses = store.job_records(), store.gpu_uses()
    metered = meter_jobs(rows, uses, home.settings, now_s=now_s)
    bills = tenant_invoices(rows, uses, home.settings, from_s=from_s, until_s=until_s or now_s)
    data = {
        "tenants": metered_sums_by_tenant(metered),
        "gpu_s": sum(row.gpu_s for row in metered),
        "energy_kwh": sum(row.energy_kwh for row in metered),
        "invoices": [asdict(bill) | {"total_minor": bill.total_minor} for bill in bills],
    }
    return data, {
        "metered": metered_jobs_table(metered),
        "trace": ended_cluster_jobs_trace_table(rows, uses),
    }


def _captured_cluster_state(
    home: ControllerHome, store: ControllerStore, observation: ClusterObservation
) -> Capture:
    rows = store.job_records()
    parked = [k for k, row in rows.items() if row.refusals >= home.settings.refusals]
    served = {k: row.served_s for k, row in rows.items() if row.served_s}
    return capture_cluster_state(observation, home.settings, served_s=served, parked=tuple(parked))


def _wait_reasons_by_job(captured: Capture) -> dict[str, str]:
    if not any(job.phase == JobPhase.HELD for job in captured.jobs):
        return {}
    snapshot = queue_snapshot(captured)
    decision = (
        decide_scheduling(snapshot.state, captured.scheduling_policy)
        if len(snapshot.state.waiting)
        else NO_DECISION
    )
    reasons = {
        name: why.value for name, why in job_wait_reasons(snapshot, decision, captured).items()
    }
    # What would start now waits for the next tick and for nothing else.
    return reasons | {snapshot.names[job]: "turn" for job in decision.starts}


def _cluster_job_row(job: ObservedJob) -> dict[str, Any]:
    return {
        "job_id": job.request.job_id,
        "tenant": job.request.tenant,
        "gpus": job.request.gpus,
        "phase": job.phase.value,
        "nodes": [place.node for place in job.places],
        "starts": job.starts,
    }


def _job_wait_columns(
    job: ObservedJob, why: dict[str, str], starts: dict[str, float], now_s: float
) -> dict[str, Any]:
    name = job.request.job_id
    if job.phase != JobPhase.HELD:
        return {"why": None, "starts_in_s": None}
    expected = round(starts[name] - now_s, 1) if name in starts else None
    return {"why": why.get(name), "starts_in_s": expected}
