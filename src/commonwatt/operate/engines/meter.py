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

from commonwatt.catalogue.tables import Column, Table
from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.operate.domain.cluster import Phase
from commonwatt.operate.domain.settings import Draw, Settings, SiteSettings
from commonwatt.operate.domain.state import JobRow, Use

METERED = Table(
    "metered",
    "What each job used.",
    (
        Column("job_id", "text", "", "name of the job"),
        Column("tenant", "text", "", "whose quota it counted against"),
        Column("user", "text", "", "who submitted it"),
        Column("starts", "count", "", "times started"),
        Column("gpu_s", "number", "GPU-s", "GPU time allocated"),
        Column("energy_kwh", "number", "kWh", "energy estimate, overhead included"),
        Column("carbon_kg", "number", "kg CO2e", "carbon of that energy"),
        Column("energy_cost_usd", "number", "USD", "what the energy cost"),
        Column("charge", "number", "", "by the tariff, in its currency"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
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


def meter(
    rows: Mapping[str, JobRow], uses: Sequence[Use], settings: Settings, *, now_s: float
) -> list[Metered]:
    """Return what each job used until `now_s`, in order of names.

    Raises:
        IdentityError: GPU time by job and by node do not add up to the same: a bug.
    """
    by_job: dict[str, list[Use]] = {}
    for use in uses:
        by_job.setdefault(use.job_id, []).append(use)
    metered = [_one(rows[name], own, settings, now_s) for name, own in sorted(by_job.items())]
    _check(metered, uses, now_s)
    return metered


def gpu_s(use: Use, now_s: float) -> float:
    """Return the GPU time of a use until `now_s` [GPU-s].

    >>> gpu_s(Use(job_id="j", starts=1, node="n", site="s", gpu_type="a", gpus=4,
    ...           gpu_milli=500, from_s=10, until_s=20), 99)
    20.0
    """
    until_s = now_s if use.until_s is None else use.until_s
    return max(until_s - use.from_s, 0.0) * use.gpus * use.gpu_milli / 1000


def table(metered: Iterable[Metered]) -> pl.DataFrame:
    """Return what each job used as a table."""
    rows = list(metered)
    columns = {c.name: [getattr(row, c.name) for row in rows] for c in METERED.columns}
    return METERED.frame(**columns)


def by_tenant(metered: Iterable[Metered]) -> dict[str, dict[str, float]]:
    """Return the sums of each tenant, in order of names."""
    names = ("gpu_s", "energy_kwh", "carbon_kg", "energy_cost_usd", "charge")
    sums: dict[str, dict[str, float]] = {}
    for row in metered:
        own = sums.setdefault(row.tenant, {"jobs": 0} | dict.fromkeys(names, 0.0))
        own["jobs"] += 1
        for name in names:
            own[name] += getattr(row, name)
    return dict(sorted(sums.items()))


def trace(rows: Mapping[str, JobRow], uses: Sequence[Use]) -> pl.DataFrame:
    """Return the finished jobs as a trace that `commonwatt fleet` reads.

    The run time of a job is what it ran from start to end, all starts together, so
    that the simulator sees the demand that was there.
    """
    ran: dict[str, float] = {}
    spans = {(u.job_id, u.starts): (u.from_s, u.until_s) for u in uses}
    for (job_id, _), (from_s, until_s) in spans.items():
        ran[job_id] = ran.get(job_id, 0.0) + max((until_s or from_s) - from_s, 0.0)
    over = (Phase.FINISHED, Phase.FAILED, Phase.CANCELLED)
    done = [row for name, row in rows.items() if row.phase in over and name in ran]
    done.sort(key=lambda row: (row.ask.submitted_at_s, row.ask.job_id))
    first = done[0].ask.submitted_at_s if done else 0.0
    return pl.DataFrame(
        {
            "job_id": [row.ask.job_id for row in done],
            "submit_s": [round(row.ask.submitted_at_s - first, 3) for row in done],
            "runtime_s": [round(ran[row.ask.job_id], 3) for row in done],
            "limit_s": [_limit_s(row, ran) for row in done],
            "gpus": [row.ask.gpus for row in done],
            "gpu_milli": [row.ask.gpu_milli for row in done],
            "priority": [row.ask.priority for row in done],
            "single_node": [int(row.ask.single_node) for row in done],
            "tenant": [row.ask.tenant for row in done],
            "user": [row.ask.user for row in done],
            "group": [row.ask.group for row in done],
        },
        schema_overrides={"submit_s": pl.Float64, "runtime_s": pl.Float64, "limit_s": pl.Float64},
    )


def _limit_s(row: JobRow, ran: Mapping[str, float]) -> float:
    return round(max(row.ask.estimate_s, ran[row.ask.job_id]), 3)


def _one(row: JobRow, uses: Sequence[Use], settings: Settings, now_s: float) -> Metered:
    used = energy = carbon = cost = charge = 0.0
    for use in uses:
        site = settings.sites.get(use.site, SiteSettings())
        seconds = gpu_s(use, now_s)
        kwh = seconds / 3600 * settings.gpu_types.get(use.gpu_type, Draw()).busy_w / 1000 * site.pue
        used += seconds
        energy += kwh
        carbon += kwh * site.carbon_g_per_kwh / 1000
        cost += kwh * site.price_usd_per_mwh / 1000
        charge += seconds / 3600 * price(row.ask.tenant, use.gpu_type, settings)
    return Metered(
        job_id=row.ask.job_id,
        tenant=row.ask.tenant,
        user=row.ask.user,
        starts=len({use.starts for use in uses}),
        gpu_s=used,
        energy_kwh=energy,
        carbon_kg=carbon,
        energy_cost_usd=cost,
        charge=charge,
    )


def price(tenant: str, gpu_type: str, settings: Settings) -> float:
    """Return the price of a GPU-hour: the tenant's own, the GPU type's, or the common one."""
    tariff = settings.tariff
    common = tariff.by_gpu_type.get(gpu_type, tariff.usd_per_gpu_h)
    if settings.filler is not None and tenant == settings.filler.tenant:
        return common * tariff.filler_share
    return tariff.by_tenant.get(tenant, common)


def _check(metered: Sequence[Metered], uses: Sequence[Use], now_s: float) -> None:
    by_node: dict[str, float] = {}
    for use in uses:
        by_node[use.node] = by_node.get(use.node, 0.0) + gpu_s(use, now_s)
    ours, theirs = sum(row.gpu_s for row in metered), sum(by_node.values())
    if abs(ours - theirs) > 1e-9 * max(ours, theirs, 1.0):
        raise IdentityError(
            "metered GPU time", found=Message("a conservation law that does not close")
        )
