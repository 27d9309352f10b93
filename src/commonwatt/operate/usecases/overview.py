"""A live cluster as the console shows it: what its controller last observed, did and metered.

Read from the controller's store alone, so that a page never queries the cluster.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from commonwatt.operate.domain.actions import ClusterAction
from commonwatt.operate.domain.capture import Capture, parse_cluster_capture
from commonwatt.operate.domain.cluster import PHASES_ON_NODES, JobPhase, NodeState
from commonwatt.operate.domain.state import GpuUse, JobRecord
from commonwatt.operate.engines.meter import meter_jobs, metered_sums_by_tenant
from commonwatt.operate.io.store import ControllerStore
from commonwatt.operate.usecases.actions import perform_cluster_action
from commonwatt.operate.usecases.home import open_controller_home, open_controller_store

_BINS: Final = 300
_MOST_ACTIONS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """A cluster at one instant.

    Args:
        backend: Which backend runs the cluster.
        seen_at: When the controller last wrote down a decision, or "" before the first.
        gpus: GPUs of nodes that take jobs.
        held_gpus: GPUs that running jobs hold.
        currency: What the tariff charges in.
        nodes: One row a node.
        jobs: One row a job that waits or runs.
        use: Held GPUs by tenant over time, in equal bins.
        tenants: What each tenant has used.
        actions: What was done, the newest first.
    """

    backend: str
    seen_at: str
    gpus: int
    held_gpus: int
    currency: str
    nodes: list[dict[str, Any]]
    jobs: list[dict[str, Any]]
    use: list[dict[str, Any]]
    tenants: list[dict[str, Any]]
    actions: list[dict[str, Any]]


def cluster_status(folder: Path, now: datetime) -> ClusterStatus:
    """Return how a cluster stands by its controller's store.

    Raises:
        ControlError: There is no home of a controller in the folder.
    """
    home = open_controller_home(folder)
    with open_controller_store(home) as store:
        rows, uses, last = store.job_records(), store.gpu_uses(), _last_capture(store)
        intents = store.intents()
    running = [row for row in rows.values() if row.phase in PHASES_ON_NODES]
    metered = meter_jobs(rows, uses, home.settings, now_s=now.timestamp())
    up = [node for node in (last.nodes if last else ()) if node.state is NodeState.UP]
    return ClusterStatus(
        backend=home.settings.engine,
        seen_at=_cluster_instant_text(last.at_s) if last else "",
        gpus=sum(node.gpus for node in up),
        held_gpus=sum(row.request.gpus for row in running),
        currency=home.settings.tariff.currency,
        nodes=_controller_node_state_rows(last, rows, uses),
        jobs=[
            _controller_job_overview_row(row, now)
            for row in rows.values()
            if row.phase in PHASES_ON_NODES | {JobPhase.HELD}
        ],
        use=_held_gpus_by_hour_and_tenant_rows(rows, uses, now.timestamp()),
        tenants=[{"tenant": name} | sums for name, sums in metered_sums_by_tenant(metered).items()],
        actions=[
            {"act": intent.action.value, "subject": intent.subject, "state": state.value}
            for intent, state in reversed(intents[-_MOST_ACTIONS:])
        ],
    )


def drain_cluster_node(folder: Path, node: str, reason: str) -> None:
    """Let a node take nothing new; recorded in the controller's ledger.

    Raises:
        UnknownNameError: There is no such node.
        BackendError: The backend refuses.
    """
    perform_cluster_action(
        open_controller_home(folder), ClusterAction.DRAIN, node, reason, now_s=time.time()
    )


def resume_cluster_node(folder: Path, node: str, reason: str) -> None:
    """Let a node take jobs again; recorded in the controller's ledger.

    Raises:
        UnknownNameError: There is no such node.
        BackendError: The backend refuses.
    """
    perform_cluster_action(
        open_controller_home(folder), ClusterAction.RESUME, node, reason, now_s=time.time()
    )


def _last_capture(store: ControllerStore) -> Capture | None:
    newest = store.last_capture_json_or_empty()
    return parse_cluster_capture(newest) if newest else None


def _controller_node_state_rows(
    last: Capture | None, rows: dict[str, JobRecord], uses: list[GpuUse]
) -> list[dict[str, Any]]:
    held_gpus: dict[str, int] = {}
    for use in uses:
        # A use may still be open for a moment after its job has ended: the controller closes it
        # at its next observation.
        if use.until_s is None and rows[use.job_id].phase in PHASES_ON_NODES:
            held_gpus[use.node] = held_gpus.get(use.node, 0) + use.gpus
    return [
        {
            "node": node.name,
            "site": node.site,
            "gpu_type": node.gpu_type,
            "gpus": node.gpus,
            "held_gpus": held_gpus.get(node.name, 0),
            "state": node.state.value,
            "reason": node.reason,
        }
        for node in (last.nodes if last else ())
    ]


def _controller_job_overview_row(row: JobRecord, now: datetime) -> dict[str, Any]:
    since = row.last_start_s or row.request.submitted_at_s
    return {
        "job": row.request.job_id,
        "tenant": row.request.tenant,
        "gpus": row.request.gpus,
        "phase": row.phase.value,
        "since": _cluster_instant_text(since),
        "for_s": round(now.timestamp() - since, 1),
        "starts": row.starts,
    }


def _held_gpus_by_hour_and_tenant_rows(
    rows: dict[str, JobRecord], uses: list[GpuUse], now_s: float
) -> list[dict[str, Any]]:
    """Return the mean of held GPUs in each bin, by tenant; the area is the GPU time."""
    if not uses:
        return []
    first = min(use.from_s for use in uses)
    edges = np.linspace(first, max(now_s, first + 1.0), _BINS + 1)
    width = edges[1] - edges[0]
    means: dict[str, Any] = {}
    for use in uses:
        tenant = rows[use.job_id].request.tenant
        until = now_s if use.until_s is None else use.until_s
        inside = np.clip(until, edges[:-1], edges[1:]) - np.clip(use.from_s, edges[:-1], edges[1:])
        mean = means.setdefault(tenant, np.zeros(_BINS))
        # The mean of each bin and not a sample at its edge, so that the area under the chart is
        # the GPU time of the meter.
        mean += use.gpus * use.gpu_milli / 1000 * np.maximum(inside, 0.0) / width
    hours = (edges[:-1] - first) / 3600
    return [
        {"hour": float(hour), "tenant": tenant, "held_gpus": float(mean_gpus)}
        for tenant, mean in sorted(means.items())
        for hour, mean_gpus in zip(hours, mean, strict=True)
    ]


def _cluster_instant_text(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
