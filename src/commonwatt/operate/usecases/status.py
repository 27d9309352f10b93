"""Look at a cluster: how it stands, what was used, what would be decided, and what comes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt.fleet.domain.policies.decide import decide
from commonwatt.operate.domain.capture import Capture, capture, capture_text, load_capture
from commonwatt.operate.domain.cluster import ON_NODES, JobSeen, Phase
from commonwatt.operate.engines.invoices import invoices
from commonwatt.operate.engines.meter import by_tenant, meter, table, trace
from commonwatt.operate.engines.replay import NOTHING, compare, expected_starts_s, simulated
from commonwatt.operate.engines.snapshot import reasons, said, view
from commonwatt.operate.io.store import Store
from commonwatt.operate.usecases.home import Home, engine_of, opened


def status(home: Home) -> dict[str, Any]:
    """Return nodes, jobs, why each waits and when it is expected to start."""
    with opened(home) as store, engine_of(home) as engine:
        seen = engine.observe()
        captured = _captured(home, store, engine)
    why = _why(captured)
    starts = expected_starts_s(captured) if why else {}
    jobs = [
        _job(job) | _waits(job, why, starts, seen.at_s)
        for job in seen.jobs.values()
        if job.phase in ON_NODES | {Phase.HELD}
    ]
    return {
        "engine": home.settings.engine,
        "at_s": seen.at_s,
        "nodes": [asdict(node) for node in seen.nodes],
        "jobs": jobs,
        "over": len(seen.jobs) - len(jobs),
    }


def take(home: Home) -> str:
    """Return the state of now as a capture, one line of JSON."""
    with opened(home) as store, engine_of(home) as engine:
        return capture_text(_captured(home, store, engine))


def replay(home: Home) -> dict[str, Any]:
    """Decide every kept state again in the simulator, and compare."""
    with opened(home) as store:
        compared = compare(store.decisions())
    return asdict(compared)


def foresee(path: Path) -> dict[str, Any]:
    """Return what would be decided in a captured state, and when waiting jobs would start."""
    captured = load_capture(path)
    if not captured.jobs:
        return {"decision": {"preempt": [], "start": {}}, "live": True, "starts_in_s": {}}
    seen = view(captured)
    again = simulated(seen, captured)
    now = decide(seen.state, captured.rule) if len(seen.state.waiting) else NOTHING
    starts = expected_starts_s(captured)
    return {
        "decision": said(again, seen),
        "live": said(now, seen) == said(again, seen),
        "starts_in_s": {name: round(at - captured.at_s, 3) for name, at in starts.items()},
    }


def metered(
    home: Home, *, now_s: float, from_s: float = 0.0, until_s: float | None = None
) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """Return what was used, with invoices, and tables: per job, and the trace."""
    with opened(home) as store:
        rows, uses = store.rows(), store.uses()
    each = meter(rows, uses, home.settings, now_s=now_s)
    bills = invoices(rows, uses, home.settings, from_s=from_s, until_s=until_s or now_s)
    data = {
        "tenants": by_tenant(each),
        "gpu_s": sum(row.gpu_s for row in each),
        "energy_kwh": sum(row.energy_kwh for row in each),
        "invoices": [asdict(bill) | {"total_minor": bill.total_minor} for bill in bills],
    }
    return data, {"metered": table(each), "trace": trace(rows, uses)}


def _captured(home: Home, store: Store, engine: Any) -> Capture:
    rows = store.rows()
    parked = [k for k, row in rows.items() if row.refusals >= home.settings.refusals]
    served = {k: row.served_s for k, row in rows.items() if row.served_s}
    return capture(engine.observe(), home.settings, served_s=served, parked=tuple(parked))


def _why(captured: Capture) -> dict[str, str]:
    if not any(job.phase == Phase.HELD for job in captured.jobs):
        return {}
    seen = view(captured)
    decision = decide(seen.state, captured.rule) if len(seen.state.waiting) else NOTHING
    found = {name: why.value for name, why in reasons(seen, decision, captured).items()}
    return found | {seen.names[job]: "turn" for job in decision.starts}


def _job(job: JobSeen) -> dict[str, Any]:
    return {
        "job_id": job.ask.job_id,
        "tenant": job.ask.tenant,
        "gpus": job.ask.gpus,
        "phase": job.phase.value,
        "nodes": [place.node for place in job.places],
        "starts": job.starts,
    }


def _waits(
    job: JobSeen, why: dict[str, str], starts: dict[str, float], now_s: float
) -> dict[str, Any]:
    name = job.ask.job_id
    if job.phase != Phase.HELD:
        return {"why": None, "starts_in_s": None}
    expected = round(starts[name] - now_s, 1) if name in starts else None
    return {"why": why.get(name), "starts_in_s": expected}
