"""Quotas are promises of GPUs that a tenant may always have: no more than stand where it may go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from commonwatt.core.messages import Message
from commonwatt.study.programme.faults import ProgrammeFault
from commonwatt.study.programme.schema import ProgrammeFile, TenantPart


def programme_quota_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    """Yield a fault for each quota that cannot be kept beside the others.

    Names, links and limits must be known to be right. Quotas of several tenants are set against
    the GPUs of the sites that each may use: tenants bound to one hall share what stands there,
    however much stands elsewhere.

    Args:
        file: The programme, with its changes made.
    """
    room = {site.name: site.gpus for site in file.built_sites()}
    quotas = {
        i: _Quota(sites_open_to_tenant(file, tenant), tenant.quota_gpus)
        for i, tenant in enumerate(file.tenants)
        if tenant.quota_gpus is not None
    }
    promised = _PromisedGpus(room)
    if all(promised.promise(quota) == quota.gpus for quota in quotas.values()):
        return
    for i, quota in quotas.items():
        before = [quotas[j] for j in quotas if j < i]
        if _gpus_left_by(before, quota, room) < quota.gpus:
            # Left by all others, and not by those before it alone: a file that has it is accepted.
            left = _gpus_left_by([quotas[j] for j in quotas if j != i], quota, room)
            yield _quota_fault(i, quota.gpus, sum(room[name] for name in quota.sites), left)
            quotas[i] = quota._replace(gpus=left)


class _Quota(NamedTuple):
    sites: list[str]
    gpus: int


def _gpus_left_by(others: Sequence[_Quota], quota: _Quota, room: Mapping[str, int]) -> int:
    """Return how many GPUs of a quota can be kept where others are kept first [GPUs]."""
    promised = _PromisedGpus(room)
    for other in others:
        promised.promise(other)
    return promised.promise(quota)


def sites_open_to_tenant(file: ProgrammeFile, tenant: TenantPart) -> list[str]:
    """Return the built sites that residency and the latency limit leave to a tenant."""
    rtt_ms = {frozenset(link.between): link.rtt for link in file.latency}
    origin, limit = tenant.origin or file.sites[0].name, tenant.latency
    return [
        site.name
        for site in file.built_sites()
        if (not tenant.sites or site.name in tenant.sites)
        and (
            limit is None
            or site.name == origin
            or rtt_ms.get(frozenset({origin, site.name}), limit + 1) <= limit
        )
    ]


def _quota_fault(i: int, quota: int, alone: int, left: int) -> ProgrammeFault:
    """Return the fault of a quota.

    Args:
        i: Place of the tenant in the file.
        quota: What is promised to it [GPUs].
        alone: GPUs that stand where it may go.
        left: GPUs that the other quotas leave there.
    """
    values = {"quota": f"{quota:,}", "alone": f"{alone:,}", "left": f"{left:,}"}
    return ProgrammeFault(
        where=f"tenants.{i}.quota_gpus",
        found=Message("{quota} GPUs, and {alone} stand where it may run", values)
        if quota > alone
        else Message("{quota} GPUs, and other quotas leave {left} of {alone} there", values),
        wanted=Message("quotas that can all be had at one time"),
        remedy=Message(
            "Write for example {example}, take the line out, or build more there.",
            {"example": str(left)},
        )
        if left
        else Message("Take the line out, lower another quota, or build more there."),
    )


class _PromisedGpus:
    """GPUs of each site with whom they are promised to; a promise moves to keep others whole.

    As augmenting paths move a flow (Ford and Fulkerson, 1956): what a tenant of two sites was
    promised in one goes to the other where a tenant of one site needs it.
    """

    def __init__(self, room: Mapping[str, int]) -> None:
        self._free = dict(room)
        self._held: list[dict[str, int]] = []  # of each tenant, by the sites open to it

    def promise(self, quota: _Quota) -> int:
        """Promise as many of these GPUs as there are; return how many [GPUs]."""
        held = dict.fromkeys(quota.sites, 0)
        self._held.append(held)
        for site in quota.sites:
            while (missing := quota.gpus - sum(held.values())) and (
                moved := self._freed(site, missing, {site})
            ):
                self._free[site] -= moved
                held[site] += moved
        return sum(held.values())

    def _freed(self, site: str, gpus: int, seen: set[str]) -> int:
        """Return how many GPUs of a site are free, or could be made so; and make them so."""
        if self._free[site]:
            return min(self._free[site], gpus)
        for held in self._held:
            for other in held:
                if other in seen or not held.get(site):
                    continue
                seen.add(other)
                if moved := self._freed(other, min(gpus, held[site]), seen):
                    self._free[other] -= moved
                    held[other] += moved
                    held[site] -= moved
                    self._free[site] += moved
                    return moved
        return 0
