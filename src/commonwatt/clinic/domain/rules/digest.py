"""The name of a rule set: SHA-256 over all that decides, in a spelling that is fixed here.

Rulings on record cite a rule set by this digest, and a regulator must be able to compute it
again years later. The spelling is therefore written out word by word and takes nothing from
Python: neither the names of our classes and fields, which change whenever somebody finds a
better word, nor the order in which a class happens to list them. It is version 2 of the
spelling: version 1 covered the rules alone, so that two books with their classes in another
order, or with another default of a fact, had one name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final, assert_never

from commonwatt.clinic.domain.rules.facts import ProductFact
from commonwatt.clinic.domain.rules.predicate import (
    AllOf,
    AnyOf,
    Comparator,
    Not,
    OneOf,
    Predicate,
)
from commonwatt.clinic.domain.rules.rule import (
    RegulatoryRule,
    ReportingDeadline,
    RuleCase,
    RuleSource,
)

if TYPE_CHECKING:
    from commonwatt.clinic.domain.rules.parse import RulePlace

_VERSION: Final = 2


def rule_set_sha256(
    axes: Sequence[ProductFact], others: Sequence[ProductFact], places: Sequence[RulePlace]
) -> str:
    """Return the digest of facts, schemes and rules in their order, 64 hexadecimal digits."""
    members = {
        "version": _VERSION,
        "axes": [_fact_digest_members(fact) for fact in axes],
        "others": [_fact_digest_members(fact) for fact in others],
        "places": [_place_digest_members(place) for place in places],
    }
    # `ensure_ascii` is left on: the bytes must not hang on how a machine encodes "§".
    return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()


def _fact_digest_members(fact: ProductFact) -> dict[str, Any]:
    table = {key: dict(follows) for key, follows in fact.table.items()}
    return {
        "name": fact.name,
        "values": list(fact.values),
        "default": fact.default,
        "meaning": fact.meaning,
        "meaning_zh": fact.meaning_zh,
        "as_of": fact.as_of,
        # The table by its own digest: six thousand codes would drown the rest for whoever reads
        # the spelling.
        "table": hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest(),
    }


def _place_digest_members(place: RulePlace) -> dict[str, Any]:
    return {
        "place": place.place,
        "name": place.name,
        "name_zh": place.name_zh,
        "kind": place.kind,
        "schemes": [
            {
                "name": scheme.name,
                "classes": list(scheme.classes),
                "conflict": scheme.conflict,
                "scope": _rule_predicate_repr_for_digest(scheme.scope),
            }
            for scheme in place.schemes
        ],
        "rules": [_rule_digest_members(rule) for rule in place.rules],
    }


def _rule_digest_members(rule: RegulatoryRule) -> dict[str, Any]:
    return {
        "rule_id": rule.rule_id,
        "jurisdiction": rule.jurisdiction,
        "text": rule.text,
        "label_zh": rule.label_zh,
        "quote": rule.quote,
        "source": _rule_source_repr_for_digest(rule.source),
        "article": rule.article,
        "status": rule.status,
        "binding": str(rule.binding),
        "valid_from": str(rule.valid_from),
        "valid_to": str(rule.valid_to),
        "recorded_on": str(rule.recorded_on),
        "when": _rule_predicate_repr_for_digest(rule.when),
        "given": _given_classes_digest_members(rule.given),
        "scheme": rule.scheme,
        "klass": rule.klass,
        "fallback": str(rule.fallback),
        "route": rule.route,
        "special": str(rule.special),
        "obligations": list(rule.obligations),
        "clock": _reporting_deadline_repr_for_digest(rule.clock),
        "supersedes": rule.supersedes,
        "case": _rule_case_digest_members(rule.case),
        # Only where they say something: a rule of before them keeps the bytes that it had.
        **({"gap": str(rule.gap)} if rule.gap else {}),
        **({"reports": rule.reports} if rule.reports else {}),
    }


def _given_classes_digest_members(given: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {scheme: list(classes) for scheme, classes in given.items()}


def _rule_case_digest_members(case: RuleCase | None) -> dict[str, Any]:
    if case is None:
        return {}
    return {"facts": dict(case.facts), "flip": dict(case.flip), "on": str(case.on)}


def _rule_source_repr_for_digest(source: RuleSource) -> str:
    return (
        f"Source(title={source.title!r}, dated={_rule_date_repr_for_digest(source.dated)},"
        f" checked={source.checked!r}, against={source.against!r})"
    )


def _reporting_deadline_repr_for_digest(clock: ReportingDeadline | None) -> str:
    if clock is None:
        return "None"
    return (
        f"Clock(event={clock.event!r}, days={float(clock.days)!r}, working={clock.working!r},"
        f" reporter={clock.reporter!r})"
    )


def _rule_date_repr_for_digest(rule_date: date) -> str:
    # Not isoformat: version 1 was first spelled so, and the digests on record hold to it.
    return f"datetime.date({rule_date.year}, {rule_date.month}, {rule_date.day})"


def _rule_predicate_repr_for_digest(predicate: Predicate) -> str:
    match predicate:
        case AllOf(parts):
            return f"AllOf(parts={_rule_predicates_repr_for_digest(parts)})"
        case AnyOf(parts):
            return f"AnyOf(parts={_rule_predicates_repr_for_digest(parts)})"
        case Not(part):
            return f"Not(part={_rule_predicate_repr_for_digest(part)})"
        case OneOf(fact, values):
            return f"In(fact={fact!r}, values={values!r})"
        case Comparator(fact, order, limit):
            return f"Compare(fact={fact!r}, order={order!r}, limit={limit!r})"
        case _:
            assert_never(predicate)


def _rule_predicates_repr_for_digest(parts: tuple[Predicate, ...]) -> str:
    # A single part is followed by a comma, as in the tuples of the first spelling.
    texts = [_rule_predicate_repr_for_digest(part) for part in parts]
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"
