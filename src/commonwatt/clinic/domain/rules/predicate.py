"""A tiny language over named facts: all, any, not, in, and comparisons.

A leaf is a sentence such as `condition = critical`, `input in image, signal`
or `age_years >= 18`; `all`, `any` and `not` join leaves. A predicate is asked
of one set of facts (`holds`) or of a whole grid of them at once (`mask`).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.core.messages import Message

Facts = Mapping[str, str]
Columns = Mapping[str, npt.NDArray[np.str_]]
Mask = npt.NDArray[np.bool_]

_LEAF: Final = re.compile(r"(\w+) (=|!=|in|not in|<=|>=|<|>) (.+)")
_ORDERS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; with no parts it always does."""

    parts: tuple[Predicate, ...]

    def holds(self, product_facts: Facts) -> bool:
        """Return whether it holds of `product_facts`."""
        return all(part.holds(product_facts) for part in self.parts)

    def mask(self, product_fact_columns: Columns) -> Mask:
        """Return where it holds."""
        # The leading mask gives an empty `all` its meaning (always) without a case of its own;
        # reducing an empty list would lose the shape of the grid.
        return np.logical_and.reduce(
            [
                _every_product_mask(product_fact_columns),
                *(p.mask(product_fact_columns) for p in self.parts),
            ]
        )


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Predicate, ...]

    def holds(self, product_facts: Facts) -> bool:
        """Return whether it holds of `product_facts`."""
        return any(part.holds(product_facts) for part in self.parts)

    def mask(self, product_fact_columns: Columns) -> Mask:
        """Return where it holds."""
        return np.logical_or.reduce(
            [
                ~_every_product_mask(product_fact_columns),
                *(p.mask(product_fact_columns) for p in self.parts),
            ]
        )


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Predicate

    def holds(self, product_facts: Facts) -> bool:
        """Return whether it holds of `product_facts`."""
        return not self.part.holds(product_facts)

    def mask(self, product_fact_columns: Columns) -> Mask:
        """Return where it holds."""
        return ~self.part.mask(product_fact_columns)


@dataclass(frozen=True, slots=True)
class OneOf:
    """A fact has one of some values."""

    fact: str
    values: tuple[str, ...]

    def holds(self, product_facts: Facts) -> bool:
        """Return whether it holds of `product_facts`."""
        return product_facts[self.fact] in self.values

    def mask(self, product_fact_columns: Columns) -> Mask:
        """Return where it holds."""
        return np.isin(product_fact_columns[self.fact], self.values)


@dataclass(frozen=True, slots=True)
class Comparator:
    """A fact that is a number stands in an order to a limit."""

    fact: str
    order: str
    limit: float

    def holds(self, product_facts: Facts) -> bool:
        """Return whether it holds of `product_facts`."""
        return bool(_ORDERS[self.order](float(product_facts[self.fact]), self.limit))

    def mask(self, product_fact_columns: Columns) -> Mask:
        """Return where it holds."""
        return np.asarray(
            _ORDERS[self.order](product_fact_columns[self.fact].astype(np.float64), self.limit)
        )


Predicate = AllOf | AnyOf | Not | OneOf | Comparator


def parse_rule_predicate(rule_condition: Any, where: str) -> Predicate:
    """Return the predicate that a rule file spells.

    Raises:
        RulesError: It is none.

    >>> rule = parse_rule_predicate({"all": ["a = x", {"not": "b in y, z"}]}, "here")
    >>> rule.holds({"a": "x", "b": "w"})
    True
    """
    if isinstance(rule_condition, str):
        return _parse_rule_predicate_leaf(rule_condition, where)
    # Exactly one word: in a mapping of two, `all` beside `not`, nobody could say which binds first.
    if isinstance(rule_condition, dict) and len(cast("dict[str, Any]", rule_condition)) == 1:
        [(word, inner)] = cast("dict[str, Any]", rule_condition).items()
        if word in ("all", "any") and isinstance(inner, list):
            parts = tuple(
                parse_rule_predicate(part, where) for part in cast("Sequence[Any]", inner)
            )
            return AllOf(parts) if word == "all" else AnyOf(parts)
        if word == "not":
            return Not(parse_rule_predicate(inner, where))
    raise RulesError(
        where,
        found=repr(cast("object", rule_condition)),
        wanted=Message("all, any, not or a comparison"),
    )


def _parse_rule_predicate_leaf(text: str, where: str) -> Predicate:
    match = _LEAF.fullmatch(text)
    if not match:
        raise RulesError(where, found=repr(text), wanted=Message("fact, sign and value"))
    fact, sign, operand = match.groups()
    values = tuple(value.strip() for value in operand.split(","))
    if sign in _ORDERS:
        return Comparator(fact, sign, _parse_medical_device_rule_limit(operand, where))
    # `!=` is "not one of", so that a missing fact cannot make it true: the fact is looked up either
    # way, and its absence raises.
    leaf = OneOf(fact, values)
    return Not(leaf) if sign in ("!=", "not in") else leaf


def _parse_medical_device_rule_limit(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RulesError(where, found=repr(text), wanted=Message("a number")) from None


def rule_predicate_leaves(predicate: Predicate) -> list[OneOf | Comparator]:
    """Return the leaves, for checks against the table of facts."""
    match predicate:
        case AllOf(parts) | AnyOf(parts):
            return [leaf for part in parts for leaf in rule_predicate_leaves(part)]
        case Not(part):
            return rule_predicate_leaves(part)
        case OneOf() | Comparator():
            return [predicate]


def _every_product_mask(columns: Columns) -> Mask:
    return np.ones(len(next(iter(columns.values()))), np.bool_)
