"""Formulas over claims, computed with intervals.

Grammar: statements part at ";"; a statement is one expression, or two joined by
"=" or "~"; an expression holds claim ids, numbers, + - * / and parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from commonwatt.audit.domain.intervals import ClaimInterval
from commonwatt.core.messages import Message
from commonwatt.siting.domain.errors import ClaimsError

_TOKEN: Final = re.compile(r"\s*([A-Za-z_]+\d+[A-Za-z]?|\d+(?:\.\d+)?|[-+*/()])")


@dataclass(frozen=True, slots=True)
class RelationPart:
    """One part of a relation: one side, or two that must agree."""

    sides: tuple[str, ...]
    exact: bool


def parse_claim_relation(relation: str) -> list[RelationPart]:
    """Return the statements of a relation.

    >>> parse_claim_relation("E5; E7")[1].sides, parse_claim_relation("U1 = U3")[0].sides
    (('E7',), ('U1', 'U3'))
    """
    out: list[RelationPart] = []
    for part in relation.split(";"):
        if part.strip():
            sides = tuple(side.strip() for side in re.split(r"[=~≈]", part))
            out.append(RelationPart(sides, "=" in part))
    return out


def is_claim_id_without_arithmetic(expression: str) -> bool:
    """Return whether a side names one claim and computes nothing."""
    return re.fullmatch(r"[A-Za-z_]+\d+[A-Za-z]?", expression) is not None


def claim_expression_interval(
    expression: str, values: Mapping[str, ClaimInterval]
) -> ClaimInterval:
    """Return the interval of an expression.

    >>> values = {"A1": ClaimInterval(0.8, 1.2), "B1": ClaimInterval(0.04, 0.04)}
    >>> str(claim_expression_interval("A1 / B1", values))
    '20–30'
    """
    # A grammar of its own and no `eval`: a file of claims comes from anybody.
    tokens = _TOKEN.findall(expression)
    # What the grammar skips must not vanish: "E1 ^ 2" would be read as "E1 2".
    if "".join(tokens) != re.sub(r"\s", "", expression) or not tokens:
        raise _claim_expression_error(expression)
    result, rest = _claim_sum_and_remaining_tokens(tokens, values, expression)
    # "A1 B1" leaves B1 over: a sign was forgotten between them.
    if rest:
        raise _claim_expression_error(expression)
    return result


def _claim_sum_and_remaining_tokens(
    tokens: list[str], values: Mapping[str, ClaimInterval], formula: str
) -> tuple[ClaimInterval, list[str]]:
    left, rest = _claim_product_and_remaining_tokens(tokens, values, formula)
    while rest and rest[0] in "+-":
        right, after = _claim_product_and_remaining_tokens(rest[1:], values, formula)
        left, rest = (left + right if rest[0] == "+" else left - right), after
    return left, rest


def _claim_product_and_remaining_tokens(
    tokens: list[str], values: Mapping[str, ClaimInterval], formula: str
) -> tuple[ClaimInterval, list[str]]:
    left, rest = _claim_operand_and_remaining_tokens(tokens, values, formula)
    while rest and rest[0] in "*/":
        right, after = _claim_operand_and_remaining_tokens(rest[1:], values, formula)
        left, rest = (left * right if rest[0] == "*" else left / right), after
    return left, rest


def _claim_operand_and_remaining_tokens(
    tokens: list[str], values: Mapping[str, ClaimInterval], formula: str
) -> tuple[ClaimInterval, list[str]]:
    if not tokens:
        raise _claim_expression_error(formula)
    symbol, rest = tokens[0], tokens[1:]
    if symbol == "(":
        inside, rest = _claim_sum_and_remaining_tokens(rest, values, formula)
        if not rest or rest[0] != ")":
            raise _claim_expression_error(formula)
        return inside, rest[1:]
    if symbol[0].isdigit():
        return ClaimInterval(float(symbol), float(symbol)), rest
    if symbol not in values:
        raise _claim_expression_error(formula)
    return values[symbol], rest


def _claim_expression_error(expression: str) -> ClaimsError:
    return ClaimsError(
        "relates_to",
        found=repr(expression),
        wanted=Message("claim ids with figures, numbers, + - * / and parentheses"),
    )
