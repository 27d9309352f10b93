"""Names that a programme file uses must be declared in it, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from commonwatt.scenario.file import ProgrammeFile

_MOST_SITES = 62  # site masks are bits of a signed 64-bit number


@dataclass(frozen=True, slots=True)
class _Use:
    """A name used at `where`, which must be one of `known`."""

    where: str
    name: str
    known: list[str]


def reference_faults(file: ProgrammeFile) -> list[str]:
    """Return a sentence for every name declared twice or used but not declared."""
    faults = [*_twice(file), *_undeclared(file)]
    if len(file.sites) > _MOST_SITES:
        faults.append(f"sites: {len(file.sites)} sites, want at most {_MOST_SITES}")
    return faults


def _twice(file: ProgrammeFile) -> Iterator[str]:
    for table in ("gpus", "sites", "tenants"):
        names = [part.name for part in getattr(file, table)]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield f"{table}.{i}.name: {name!r} is named twice"


def _undeclared(file: ProgrammeFile) -> Iterator[str]:
    for use in _uses(file):
        if use.name not in use.known:
            known = ", ".join(use.known) or "none"
            yield f"{use.where}: {use.name!r} is not declared; known: {known}"


def _uses(file: ProgrammeFile) -> Iterator[_Use]:
    gpus = [gpu.name for gpu in file.gpus]
    sites = [site.name for site in file.sites]
    built = [site.name for site in file.built()]
    for i, tenant in enumerate(file.tenants):
        if tenant.sites and set(tenant.sites) <= set(sites) and not set(tenant.sites) & set(built):
            yield _Use(f"tenants.{i}.sites", ", ".join(tenant.sites), built)
        yield from (_Use(f"tenants.{i}.sites", site, sites) for site in tenant.sites)
        if tenant.origin is not None:
            yield _Use(f"tenants.{i}.origin", tenant.origin, sites)
    for i, link in enumerate(file.latency):
        yield from (_Use(f"latency.{i}.between", site, sites) for site in link.between)
    for i, site in enumerate(file.sites):
        for j, pool in enumerate(site.pools):
            yield _Use(f"sites.{i}.pools.{j}.gpu", pool.gpu, gpus)
