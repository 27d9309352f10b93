"""Names that a programme file uses must be declared in it, once, or be known to the program."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from commonwatt.core.messages import LANGUAGES, Message
from commonwatt.fleet.domain.policies import BACKFILLS, ORDERS, PLACES, PREEMPTS
from commonwatt.siting.domain.cost_inputs import NAMES
from commonwatt.siting.io.cells import cost_library_site_names
from commonwatt.study.programme.faults import ProgrammeFault, closest_name_remedy_or_empty
from commonwatt.study.programme.localised import LocalisedText
from commonwatt.study.programme.ranges import STATED_ELSEWHERE
from commonwatt.study.programme.regions import (
    COUNTRY_CODES,
    country_code_of_programme_region,
    programme_region_remedy_message,
)
from commonwatt.study.programme.schema import ProgrammeFile, SitePart
from commonwatt.study.tables import PROGRAMME

_MOST_SITES = 62  # site masks are bits of a signed 64-bit number
_POLICY_NAMES: Final = {
    "order": tuple(ORDERS),
    "place": tuple(PLACES),
    "backfill": tuple(BACKFILLS),
    "preemption": tuple(PREEMPTS),
}


@dataclass(frozen=True, slots=True)
class _NameUse:
    """A name used at `where`, which must be one of `known`."""

    where: str
    name: str
    known: Sequence[str]


def programme_reference_faults(file: ProgrammeFile) -> list[ProgrammeFault]:
    """Return a fault for every name that is declared twice, not declared or not known."""
    faults = [
        *_programme_name_declared_twice_faults(file),
        *_undeclared_programme_name_faults(file),
        *_unknown_library_name_faults(file),
        *_unknown_site_region_faults(file.sites),
    ]
    # A limit is asked of names that are known, and of links that are given once.
    if not faults:
        links = list(_programme_latency_link_faults(file))
        faults += [
            *_programme_title_given_twice_faults(file),
            *_label_with_two_translations_faults(file),
            *_alternative_name_not_allowed_faults(file),
            *links,
            *_tenant_without_built_site_faults(file),
            *([] if links else _tenant_latency_limit_faults(file)),
        ]
    if len(file.sites) > _MOST_SITES:
        faults.append(
            ProgrammeFault(
                where="sites",
                found=Message("{count} sites", {"count": str(len(file.sites))}),
                wanted=Message("at most {count}", {"count": str(_MOST_SITES)}),
            )
        )
    return faults


def unknown_programme_name_fault(where: str, name: str, known: Iterable[str]) -> ProgrammeFault:
    """Return the fault of a name that is none of those known."""
    names = list(known)
    return ProgrammeFault(
        where=where,
        found=name or repr(name),
        wanted=Message("one of {names}", {"names": ", ".join(names)}),
        remedy=closest_name_remedy_or_empty(name, names),
    )


def _programme_name_declared_twice_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    for table in ("gpus", "sites", "tenants"):
        names = [part.name for part in getattr(file, table)]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield ProgrammeFault(
                    where=f"{table}.{i}.name",
                    found=Message("{name} is named twice", {"name": repr(name)}),
                    remedy=Message("Give each its own name, or take one of the two out."),
                )


def _programme_title_given_twice_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    """Yield a fault for each part that is called like another: a reader could not tell them.

    Tables and the headline call a part by its title, and a part without a label has its name
    for one: two that are alike would be added up or set in each other's place.
    """
    titled: dict[str, list[tuple[str, LocalisedText]]] = {
        table: [
            (
                f"{table}.{i}.{'label' if part.label else 'name'}",
                part.label or LocalisedText(part.name),
            )
            for i, part in enumerate(parts)
        ]
        for table, parts in (("sites", file.sites), ("tenants", file.tenants))
    }
    titled["alternatives"] = [
        (f"alternatives.{name}.label", part.label) for name, part in file.alternatives.items()
    ]
    for table, parts in titled.items():
        seen: dict[tuple[str, str], tuple[str, bool]] = {}
        for where, title in parts:
            # Two tenants without labels are apart as the trace has them, by case or a blank, too.
            is_free = table != "tenants" or where.endswith("label")
            texts = {
                (each, _programme_title_folded_for_comparison(t := title.translate(each))): t
                for each in LANGUAGES
            }
            alike = [
                (text, seen[key][0])
                for key, text in texts.items()
                if key in seen and (is_free or seen[key][1])
            ]
            if alike:
                yield _duplicate_title_fault(where, *alike[0])
            seen |= {key: (text, is_free) for key, text in texts.items()}


def _programme_title_folded_for_comparison(text: str) -> str:
    """Return a text as two that look alike have it: one form, one case, one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _duplicate_title_fault(where: str, text: str, other: str) -> ProgrammeFault:
    return ProgrammeFault(
        where=where,
        found=Message("{name} is named twice", {"name": repr(text)})
        if text == other
        else Message(
            "{name}, which reads like {other}", {"name": repr(text), "other": repr(other)}
        ),
        remedy=Message("Give each a label of its own, or take one of the two out."),
    )


def _label_with_two_translations_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    """Yield a fault for each label that a table of another kind has with another translation.

    A report in Chinese finds the words of a table by their English: of two translations one
    would stand for both. Two of one kind that are alike are a fault already.
    """
    chinese: dict[str, tuple[str, str]] = {}
    for table, where, label in _table_place_and_text_of_labels(file):
        text, own = str(label), (table, label.translate("zh-Hant"))
        other = chinese.setdefault(text, own)
        if other[0] != own[0] and other[1] != own[1]:
            yield ProgrammeFault(
                where=where,
                found=Message(
                    "{label} is {other} in one place and {chinese} in another",
                    {"label": repr(text), "other": repr(other[1]), "chinese": repr(own[1])},
                ),
                wanted=Message("one translation of a label"),
                remedy=Message("Write zh-Hant alike in both, or another text for en."),
            )


def _table_place_and_text_of_labels(
    file: ProgrammeFile,
) -> Iterator[tuple[str, str, LocalisedText]]:
    """Yield table, place and text of each label; a part without one has its name for it."""
    for table, parts in (("sites", file.sites), ("tenants", file.tenants)):
        for i, part in enumerate(parts):
            if part.label is not None:
                yield table, f"{table}.{i}.label", part.label
    for name, part in file.alternatives.items():
        yield "alternatives", f"alternatives.{name}.label", part.label


def _alternative_name_not_allowed_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    if PROGRAMME in file.alternatives:
        yield ProgrammeFault(
            where=f"alternatives.{PROGRAMME}",
            found=Message("an alternative of that name"),
            wanted=Message("another name; the tables call the programme as written so"),
            remedy=Message('Write for example [alternatives."{name}"].', {"name": "as written"}),
        )


def _undeclared_programme_name_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    for use in _programme_name_uses(file):
        if use.name not in use.known:
            known = ", ".join(use.known) or "none"
            yield ProgrammeFault(
                where=use.where,
                found=Message(
                    "{name} is not declared; known: {known}",
                    {"name": repr(use.name), "known": known},
                ),
                remedy=closest_name_remedy_or_empty(use.name, use.known)
                or Message("Write a name that the file declares."),
            )


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


def _tenant_without_built_site_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    """Yield a fault for each tenant all of whose sites have no node.

    An alternative may build them, but in the programme as it is written such jobs could run
    nowhere.
    """
    built = [site.name for site in file.built_sites()]
    for i, tenant in enumerate(file.tenants):
        if tenant.sites and not set(tenant.sites) & set(built):
            yield ProgrammeFault(
                where=f"tenants.{i}.sites",
                found=Message("no node at {names}", {"names": ", ".join(tenant.sites)}),
                wanted=Message("a site that is built: {names}", {"names": ", ".join(built)}),
                remedy=Message("Name such a site, or build nodes at one of these."),
            )


def _unknown_library_name_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    """Yield a fault for each name that the program itself would have to know."""
    for use in _library_name_uses(file):
        if use.name not in use.known:
            # What the site states by a key of its own is known and no cell: to offer it would be
            # to offer the next refusal.
            offered = [name for name in use.known if name not in STATED_ELSEWHERE]
            yield unknown_programme_name_fault(use.where, use.name, offered)


def _library_name_uses(file: ProgrammeFile) -> Iterator[_NameUse]:
    for i, policy in enumerate((file.policy, *file.compare)):
        where = f"compare.{i - 1}" if i else "policy"
        for key, known in _POLICY_NAMES.items():
            yield _NameUse(f"{where}.{key}", getattr(policy, key), known)
    for i, site in enumerate(file.sites):
        if site.cost_cells is not None:
            yield _NameUse(f"sites.{i}.cost_cells", site.cost_cells, cost_library_site_names())
        for name in site.cells:
            yield _NameUse(f"sites.{i}.cells.{name}", name, NAMES)


def _unknown_site_region_faults(sites: Sequence[SitePart]) -> Iterator[ProgrammeFault]:
    for i, site in enumerate(sites):
        if country_code_of_programme_region(site.region) not in COUNTRY_CODES:
            yield ProgrammeFault(
                where=f"sites.{i}.region",
                found=repr(site.region),
                wanted=Message("a region that begins with a country's code (ISO 3166)"),
                remedy=programme_region_remedy_message(site.region),
            )


def _programme_latency_link_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    """Yield a fault for each link that goes nowhere or is given twice."""
    pairs = [frozenset(link.between) for link in file.latency]
    for i, pair in enumerate(pairs):
        if len(pair) == 1:
            yield ProgrammeFault(
                where=f"latency.{i}.between",
                found=Message("{name} twice", {"name": repr(min(pair))}),
                wanted=Message("two sites"),
                remedy=Message("Name the two sites, or take the table out."),
            )
        elif pair in pairs[:i]:
            # The last would count in silence, and the two may differ.
            names = " – ".join(sorted(pair))
            yield ProgrammeFault(
                where=f"latency.{i}.between",
                found=Message("{names} is given twice", {"names": names}),
                remedy=Message("Take one of the two tables out."),
            )


def _tenant_latency_limit_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    """Yield a fault for each latency limit that cannot be asked, or that no site keeps."""
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
            yield _unknown_round_trip_fault(where, origin, unknown[0])
        elif min(known.values()) > tenant.latency:
            name, rtt = min(known.items(), key=lambda item: item[1])
            yield ProgrammeFault(
                where=where,
                found=Message(
                    "no built site lies within {limit} ms of {origin}; the nearest, {name}, is "
                    "{rtt} ms away",
                    {
                        "limit": f"{tenant.latency:g}",
                        "origin": repr(origin),
                        "name": repr(name),
                        "rtt": f"{rtt:g}",
                    },
                ),
                remedy=Message(
                    'Write at least "{rtt} ms", or build at a nearer site.', {"rtt": f"{rtt:g}"}
                ),
            )


def _unknown_round_trip_fault(where: str, origin: str, name: str) -> ProgrammeFault:
    return ProgrammeFault(
        where=where,
        found=Message(
            "the round trip between {origin} and {name} is not given",
            {"origin": repr(origin), "name": repr(name)},
        ),
        wanted=Message("a [[latency]] table, or sites without {name}", {"name": repr(name)}),
        remedy=Message(
            'Write a table [[latency]] with between = ["{origin}", "{name}"] and the rtt measured.',
            {"origin": origin, "name": name},
        ),
    )
