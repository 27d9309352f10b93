"""The name of a rule set: SHA-256 over what its rules say, in a spelling that is fixed here.

Rulings on record cite a rule set by this digest, and a regulator must be able to compute it
again years later. The spelling is therefore written out word by word and takes nothing from
Python: neither the names of our classes and fields, which change whenever somebody finds a
better word, nor the order in which a class happens to list them. It is version 1 of the
spelling; another spelling would give every rule set on record a second name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from typing import assert_never

from commonwatt.clinic.domain.rules.predicate import (
    AllOf,
    AnyOf,
    Comparator,
    Not,
    OneOf,
    Predicate,
)
from commonwatt.clinic.domain.rules.rule import RegulatoryRule, ReportingDeadline, RuleSource


def rule_set_sha256(rules: Iterable[RegulatoryRule]) -> str:
    """Return the digest of rules in their order, 64 hexadecimal digits."""
    # `ensure_ascii` is left on: the bytes must not hang on how a machine encodes "§".
    text = json.dumps([_rule_digest_members(rule) for rule in rules], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _rule_digest_members(rule: RegulatoryRule) -> dict[str, str]:
    return {
        "rule_id": rule.rule_id,
        "jurisdiction": rule.jurisdiction,
        "text": rule.text,
        "source": _rule_source_text(rule.source),
        "article": rule.article,
        "status": rule.status,
        "binding": str(rule.binding),
        "valid_from": str(rule.valid_from),
        "valid_to": str(rule.valid_to),
        "recorded_on": str(rule.recorded_on),
        "when": _rule_predicate_text(rule.when),
        "scheme": rule.scheme,
        "klass": rule.klass,
        "fallback": str(rule.fallback),
        "route": rule.route,
        "obligations": str(rule.obligations),
        "clock": _reporting_deadline_text(rule.clock),
        "supersedes": rule.supersedes,
    }


def _rule_source_text(source: RuleSource) -> str:
    return (
        f"Source(title={source.title!r}, dated={_rule_date_repr_for_digest(source.dated)},"
        f" checked={source.checked!r}, against={source.against!r})"
    )


def _reporting_deadline_text(clock: ReportingDeadline | None) -> str:
    if clock is None:
        return "None"
    return f"Clock(event={clock.event!r}, days={clock.days!r}, working={clock.working!r})"


def _rule_date_repr_for_digest(rule_date: date) -> str:
    # Not isoformat: version 1 was first spelled so, and the digests on record hold to it.
    return f"datetime.date({rule_date.year}, {rule_date.month}, {rule_date.day})"


def _rule_predicate_text(predicate: Predicate) -> str:
    match predicate:
        case AllOf(parts):
            return f"AllOf(parts={_rule_predicates_text(parts)})"
        case AnyOf(parts):
            return f"AnyOf(parts={_rule_predicates_text(parts)})"
        case Not(part):
            return f"Not(part={_rule_predicate_text(part)})"
        case OneOf(fact, values):
            return f"In(fact={fact!r}, values={values!r})"
        case Comparator(fact, order, limit):
            return f"Compare(fact={fact!r}, order={order!r}, limit={limit!r})"
        case _:
            assert_never(predicate)


def _rule_predicates_text(parts: tuple[Predicate, ...]) -> str:
    # A single part is followed by a comma, as in the tuples of the first spelling.
    texts = [_rule_predicate_text(part) for part in parts]
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"
