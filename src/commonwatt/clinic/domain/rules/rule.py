"""One rule of the law: what it says, where it stands, and when it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from commonwatt.clinic.domain.rules.predicate import Predicate


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSource:
    """Where a rule stands, and what it was checked against."""

    title: str
    dated: date
    checked: str
    against: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingDeadline:
    """How soon an event must be reported."""

    event: str
    days: float
    working: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulatoryRule:
    """One rule; `valid_to` is the first day on which it no longer holds."""

    rule_id: str
    jurisdiction: str
    text: str
    source: RuleSource
    article: str
    status: str
    binding: bool
    valid_from: date
    valid_to: date | None
    recorded_on: date
    when: Predicate
    scheme: str
    klass: str
    fallback: bool
    route: str
    obligations: tuple[str, ...]
    clock: ReportingDeadline | None
    supersedes: str

    def in_force(self, on: date) -> bool:
        """Return whether the rule holds on that day; a proposal never does."""
        ended = self.valid_to is not None and on >= self.valid_to
        # A proposal is in the book so that its effect can be looked at with a moved date; it is
        # never law.
        return self.status != "proposed" and self.valid_from <= on and not ended
