"""What was used, by job and tenant: GPU time, energy, cost; and the trace of it.

GPU time is what was allocated, whether it was busy or not. Energy is an estimate: the
step from idle to busy draw of the GPU type for the share held, with its share of idle
draw, times the site's overhead; a meter at the wall would know better.

    energy = gpu_h × busy_w / 1000 × PUE
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.operate.domain.cluster import JobPhase
from commonwatt.operate.domain.settings import ControllerSettings, GpuPower, SiteSettings
from commonwatt.operate.domain.state import GpuUse, JobRecord
from commonwatt.operate.domain.tables import METERED, TRACE


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredJob:
    """What one job used."""

    job_id: str
    tenant: str
    user: str
    starts: int
    gpu_s: float
    energy_kwh: float
    carbon_kg: float
    energy_cost_usd: float
    charge: float


def meter_jobs(
    rows: Mapping[str, JobRecord],
    uses: Sequence[GpuUse],
    settings: ControllerSettings,
    *,
    now_s: float,
) -> list[MeteredJob]:
    """Return what each job used until `now_s`, in order of names.

    Raises:
        IdentityError: GPU time by job and by node do not add up to the same: a bug.
    """
    by_job: dict[str, list[GpuUse]] = {}
    for use in uses:
        by_job.setdefault(use.job_id, []).append(use)
    metered = [
        _metered_job(rows[name], job_uses, settings, now_s)
        for name, job_uses in sorted(by_job.items())
    ]
    _check_metered_gpu_totals(metered, uses, now_s)
    return metered


def gpu_seconds_of_use(use: GpuUse, now_s: float) -> float:
    """Return the GPU time of a use until `now_s` [GPU-s].

    >>> gpu_seconds_of_use(GpuUse(job_id="j", starts=1, node="n", site="s", gpu_type="a", gpus=4,
    ...           gpu_milli=500, from_s=10, until_s=20), 99)
    20.0
    """
    until_s = now_s if use.until_s is None else use.until_s
    return max(until_s - use.from_s, 0.0) * use.gpus * use.gpu_milli / 1000


def metered_jobs_table(metered: Iterable[MeteredJob]) -> pl.DataFrame:
    """Return what each job used as a table."""
    rows = list(metered)
    columns = {c.name: [getattr(row, c.name) for row in rows] for c in METERED.columns}
    return METERED.build_frame(**columns)


def metered_sums_by_tenant(metered: Iterable[MeteredJob]) -> dict[str, dict[str, float]]:
    """Return the sums of each tenant, in order of names."""
    names = ("gpu_s", "energy_kwh", "carbon_kg", "energy_cost_usd", "charge")
    sums: dict[str, dict[str, float]] = {}
    for row in metered:
        tenant_sums = sums.setdefault(row.tenant, {"jobs": 0} | dict.fromkeys(names, 0.0))
        tenant_sums["jobs"] += 1
        for name in names:
            tenant_sums[name] += getattr(row, name)
    return dict(sorted(sums.items()))


def ended_cluster_jobs_trace_table(
    rows: Mapping[str, JobRecord], uses: Sequence[GpuUse]
) -> pl.DataFrame:
    """Return the finished jobs as a trace that `commonwatt fleet` reads.

    The run time of a job is what it ran from start to end, all starts together, so
    that the simulator sees the demand that was there.
    """
    ran: dict[str, float] = {}
    spans = {(u.job_id, u.starts): (u.from_s, u.until_s) for u in uses}
    for (job_id, _), (from_s, until_s) in spans.items():
        ran[job_id] = ran.get(job_id, 0.0) + max((until_s or from_s) - from_s, 0.0)
    over = (JobPhase.FINISHED, JobPhase.FAILED, JobPhase.CANCELLED)
    finished = [row for name, row in rows.items() if row.phase in over and name in ran]
    # By submission, then by name: the readers of traces want submissions that do not fall, and
    # ties must not depend on the database.
    finished.sort(key=lambda row: (row.request.submitted_at_s, row.request.job_id))
    first = finished[0].request.submitted_at_s if finished else 0.0
    return TRACE.build_frame(
        job_id=[row.request.job_id for row in finished],
        submit_s=[round(row.request.submitted_at_s - first, 3) for row in finished],
        runtime_s=[round(ran[row.request.job_id], 3) for row in finished],
        limit_s=[_job_time_limit_or_run_time_s(row, ran) for row in finished],
        gpus=[row.request.gpus for row in finished],
        gpu_milli=[row.request.gpu_milli for row in finished],
        priority=[row.request.priority for row in finished],
        single_node=[int(row.request.single_node) for row in finished],
        tenant=[row.request.tenant for row in finished],
        user=[row.request.user for row in finished],
        group=[row.request.group for row in finished],
    )


def _job_time_limit_or_run_time_s(row: JobRecord, ran: Mapping[str, float]) -> float:
    # Never below what it ran: a shorter limit would describe a job that could not have been.
    return round(max(row.request.estimate_s, ran[row.request.job_id]), 3)


def _metered_job(
    row: JobRecord, uses: Sequence[GpuUse], settings: ControllerSettings, now_s: float
) -> MeteredJob:
    used = energy = carbon = cost = charge = 0.0
    for use in uses:
        # A site that the settings do not know is priced at the defaults and not left out: use
        # without a price would vanish from the sums.
        site = settings.sites.get(use.site, SiteSettings())
        seconds = gpu_seconds_of_use(use, now_s)
        kwh = (
            seconds
            / 3600
            * settings.gpu_types.get(use.gpu_type, GpuPower()).busy_w
            / 1000
            * site.pue
        )
        used += seconds
        energy += kwh
        carbon += kwh * site.carbon_g_per_kwh / 1000
        cost += kwh * site.price_usd_per_mwh / 1000
        charge += (
            seconds / 3600 * tariff_price_per_gpu_h(row.request.tenant, use.gpu_type, settings)
        )
    return MeteredJob(
        job_id=row.request.job_id,
        tenant=row.request.tenant,
        user=row.request.user,
        starts=len({use.starts for use in uses}),
        gpu_s=used,
        energy_kwh=energy,
        carbon_kg=carbon,
        energy_cost_usd=cost,
        charge=charge,
    )


def tariff_price_per_gpu_h(tenant: str, gpu_type: str, settings: ControllerSettings) -> float:
    """Return the price of a GPU-hour: the tenant's own, the GPU type's, or the common one."""
    tariff = settings.tariff
    common = tariff.by_gpu_type.get(gpu_type, tariff.usd_per_gpu_h)
    # Filler first: a price of its own for the filler tenant must not undo the discount that
    # makes filler worth running.
    if settings.filler is not None and tenant == settings.filler.tenant:
        return common * tariff.filler_share
    return tariff.by_tenant.get(tenant, common)


def _check_metered_gpu_totals(
    metered: Sequence[MeteredJob], uses: Sequence[GpuUse], now_s: float
) -> None:
    by_node: dict[str, float] = {}
    for use in uses:
        by_node[use.node] = by_node.get(use.node, 0.0) + gpu_seconds_of_use(use, now_s)
    by_job_s, by_node_s = sum(row.gpu_s for row in metered), sum(by_node.values())
    # Relative, because float sums in two orders differ in the last digits; a lost use differs
    # by far more.
    if abs(by_job_s - by_node_s) > 1e-9 * max(by_job_s, by_node_s, 1.0):
        raise IdentityError(
            "metered GPU time", found=Message("a conservation law that does not close")
        )
