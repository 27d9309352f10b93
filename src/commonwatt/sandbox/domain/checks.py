"""Which checks an output of each kind goes through, in the words of a reviewer.

The rules are those of `engines.airlock`; a test reads their names there and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.job import OutputKind

CHECK_SENTENCES: Final[Mapping[str, Message]] = {
    "size": Message("It is no larger than an output may be."),
    "shape": Message("It has the form of its kind."),
    "picture": Message("The picture carries nothing but what it shows."),
    "identifier": Message("It names nobody and holds no number of a person."),
    "records": Message("It describes groups and no single records."),
    "encoded": Message("It holds no stretch that no language writes."),
    "small counts": Message("Every cell counts enough people, or none."),
    "rounding": Message("Counts are rounded."),
    "degrees of freedom": Message("Every model has enough residual degrees of freedom."),
    "dominance": Message("No total is held by a few people."),
    "extremes": Message("No minimum or maximum of one person stands in it."),
    "model": Message("It carries no rows that a model was trained on."),
    "declaration": Message(
        "Whom it counts, or was trained on, was declared, and counting again gives the same."
    ),
    "differencing": Message("Beside all that left before it tells of no small group."),
    "membership": Message("The model does not know its own people from others."),
    "leaves": Message("Every leaf of the model holds enough people."),
    "opt-out": Message("Nobody opted out while the job ran."),
}
_COUNTED: Final = ("small counts", "rounding", "degrees of freedom", "extremes")
_DECLARED: Final = ("declaration", "differencing", "opt-out")
CHECKS_OF_KIND: Final[Mapping[OutputKind, tuple[str, ...]]] = {
    OutputKind.CSV: (
        "size", "shape", "identifier", "records", *_COUNTED, "dominance", *_DECLARED,
    ),
    OutputKind.JSON: ("size", "identifier", "records", *_COUNTED, "model", *_DECLARED),
    OutputKind.TEXT: ("size", "identifier", "records", "encoded", "opt-out"),
    OutputKind.MODEL: (
        "size", "shape", "identifier", "declaration", "membership", "leaves",
        "degrees of freedom", "opt-out",
    ),
    OutputKind.PNG: ("size", "picture", "opt-out"),
}  # fmt: skip
_ENDS_ALL: Final = frozenset({"size", "shape"})
"""Checks after which the others are not asked, as there is nothing that they could read."""


class CheckOutcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    STOPPED = "stopped"
    NOT_ASKED = "not asked"


CHECK_OUTCOME_NAMES: Final[Mapping[CheckOutcome, Message]] = {
    CheckOutcome.PASSED: Message("passed"),
    CheckOutcome.STOPPED: Message("stopped it"),
    CheckOutcome.NOT_ASKED: Message("not asked"),
}


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """One check of an output: its rule, what it asks, how it ended, and why it stopped it."""

    rule: str
    sentence: Message
    outcome: CheckOutcome
    reasons: tuple[str, ...] = ()


def airlock_output_checks_in_order(
    kind: OutputKind, stops: list[tuple[str, str]]
) -> list[OutputCheck]:
    """Return every check of an output, in the order in which they are asked.

    Args:
        kind: What kind of output it is.
        stops: The rules that stopped it, each with its reason.

    >>> [
    ...     (check.rule, check.outcome.value)
    ...     for check in airlock_output_checks_in_order(OutputKind.TEXT, [("encoded", "…")])
    ... ][:4]
    [('size', 'passed'), ('identifier', 'passed'), ('records', 'passed'), ('encoded', 'stopped')]
    """
    stopping = {rule for rule, _ in stops}
    ended = bool(stopping & _ENDS_ALL) and "opt-out" not in stopping
    # A rule that is of no other kind stands last rather than not at all.
    rules = dict.fromkeys([*CHECKS_OF_KIND[kind], *sorted(stopping)])
    return [
        OutputCheck(
            rule,
            CHECK_SENTENCES.get(rule, Message(rule)),
            _airlock_check_outcome(rule, stopping, ended),
            tuple(why for stopped, why in stops if stopped == rule),
        )
        for rule in rules
    ]


def _airlock_check_outcome(rule: str, stopping: set[str], ended: bool) -> CheckOutcome:
    if rule in stopping:
        return CheckOutcome.STOPPED
    # Too large or without form it was read no further; called passed, it would seem half good.
    if ended and rule not in _ENDS_ALL | {"opt-out"}:
        return CheckOutcome.NOT_ASKED
    return CheckOutcome.PASSED
