"""Names that a programme file uses must be declared in it, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from commonwatt.study.programme.schema import ProgrammeFile

_MOST_SITES = 62  # site masks are bits of a signed 64-bit number


@dataclass(frozen=True, slots=True)
class _NameUse:
    """A name used at `where`, which must be one of `known`."""

    where: str
    name: str
    known: list[str]


def programme_reference_faults(file: ProgrammeFile) -> list[str]:
    """Return a sentence for every name declared twice or used but not declared."""
    faults = [*_names_declared_twice(file), *_undeclared_name_faults(file)]
    # A limit is asked of names that are known.
    faults += _latency_link_faults(file)
    faults += [] if faults else [*_residency_faults(file), *_latency_limit_faults(file)]
    if len(file.sites) > _MOST_SITES:
        faults.append(f"sites: {len(file.sites)} sites, want at most {_MOST_SITES}")
    return faults


def _names_declared_twice(file: ProgrammeFile) -> Iterator[str]:
    for table in ("gpus", "sites", "tenants"):
        names = [part.name for part in getattr(file, table)]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield f"{table}.{i}.name: {name!r} is named twice"


def _undeclared_name_faults(file: ProgrammeFile) -> Iterator[str]:
    for use in _programme_name_uses(file):
        if use.name not in use.known:
            known = ", ".join(use.known) or "none"
            yield f"{use.where}: {use.name!r} is not declared; known: {known}"


def _programme_name_uses(file: ProgrammeFile) -> Iterator[_NameUse]:
    gpus = [gpu.name for gpu in file.gpus]
    sites = [site.name for site in file.sites]
    for i, tenant in enumerate(file.tenants):
        yield from (_NameUse(f"tenants.{i}.sites", site, sites) for site in tenant.sites)
        if tenant.origin is not None:
            yield _NameUse(f"tenants.{i}.origin", tenant.origin, sites)
    for i, link in enumerate(file.latency):
        yield from (_NameUse(f"latency.{i}.between", site, sites) for site in link.between)
    for i, site in enumerate(file.sites):
        for j, pool in enumerate(site.pools):
            yield _NameUse(f"sites.{i}.pools.{j}.gpu", pool.gpu, gpus)


def _residency_faults(file: ProgrammeFile) -> Iterator[str]:
    """Yield a sentence for each tenant whose data may go to no site that has a node."""
    built = [site.name for site in file.built_sites()]
    for i, tenant in enumerate(file.tenants):
        # The sites exist, and none has a node: an alternative may build them, but here such jobs
        # could run nowhere.
        if tenant.sites and not set(tenant.sites) & set(built):
            names = ", ".join(map(repr, tenant.sites))
            yield f"tenants.{i}.sites: {names}: no node is built there; built: {', '.join(built)}"


def _latency_link_faults(file: ProgrammeFile) -> Iterator[str]:
    """Yield a sentence for each link of a site with itself, and each that is given twice."""
    seen: set[frozenset[str]] = set()
    for i, link in enumerate(file.latency):
        ends = frozenset(link.between)
        if len(ends) < 2:
            yield f"latency.{i}.between: {link.between[0]!r} twice; want two sites"
        # Two round trips between the same sites: which of them held would be a guess.
        elif ends in seen:
            first, other = link.between
            yield f"latency.{i}.between: the round trip between {first!r} and {other!r} twice"
        seen.add(ends)


def _latency_limit_faults(file: ProgrammeFile) -> Iterator[str]:
    """Yield a sentence for each latency limit that cannot be asked, or that no site keeps."""
    # A link has no direction.
    rtt_ms = {frozenset(link.between): link.rtt for link in file.latency}
    for i, tenant in enumerate(file.tenants):
        if tenant.latency is None:
            continue
        where, origin = f"tenants.{i}.latency", tenant.origin or file.sites[0].name
        may = [s.name for s in file.built_sites() if not tenant.sites or s.name in tenant.sites]
        if not may:
            continue  # the residency rule says so
        away_ms = {s: 0.0 if s == origin else rtt_ms.get(frozenset({origin, s})) for s in may}
        unknown = [name for name, rtt in away_ms.items() if rtt is None]
        known = {name: rtt for name, rtt in away_ms.items() if rtt is not None}
        if unknown:
            yield (
                f"{where}: the round trip between {origin!r} and {unknown[0]!r} is not given; "
                f"want a [[latency]] table, or sites without {unknown[0]!r}"
            )
        elif min(known.values()) > tenant.latency:
            name, rtt = min(known.items(), key=lambda item: item[1])
            yield (
                f"{where}: no built site lies within {tenant.latency:g} ms of {origin!r}; "
                f"the nearest, {name!r}, is {rtt:g} ms away"
            )
