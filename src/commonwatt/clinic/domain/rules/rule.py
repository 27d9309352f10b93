"""One rule of the law: what it says, where it stands, and when it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from commonwatt.clinic.domain.rules.predicate import Predicate

MANUFACTURER = "manufacturer"  # who reports, unless a rule says otherwise
OUTSIDE = "outside"  # the class of what a scheme does not apply to
GRAVEST_FIRST = ("public-health-threat", "death", "serious", "other")  # events that are reported
UNDECIDED = ""  # the class under a scheme that applies and gives none


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSource:
    """Where a rule stands, and what it was checked against."""

    title: str
    dated: date
    checked: str
    against: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingDeadline:
    """How soon an event must be reported, and by whom.

    Args:
        event: What happened.
        days: The period [days], of the calendar unless `working`.
        working: Whether only working days count; they are never turned into calendar days here,
            because which days are holidays is a fact of place and year.
        reporter: Whose duty it is.
    """

    event: str
    days: float
    working: bool
    reporter: str = MANUFACTURER


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCase:
    """A case that turns on one rule.

    Args:
        facts: Facts of a product to which the rule applies.
        flip: One fact changed, by which the outcome is another.
        on: The day whose law is asked.
    """

    facts: Mapping[str, str]
    flip: Mapping[str, str]
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulatoryRule:
    """One rule; `valid_to` is the first day on which it no longer holds.

    Args:
        given: Classes of schemes under which the rule holds, by scheme: duties of a class;
            `outside` stands for what the scheme does not apply to.
        special: Whether its route takes the place of the general one, as an exemption by name.
        gap: Whether it says that the law of the place turns here on what the book does not hold:
            its scheme then gives no class, unless a special rule does.
        reports: Who must report events by this rule where it gives no period; empty for nobody.
        quote: The words that were read, of the law where its source is primary and of the page
            that reports it where it is secondary; empty where nobody read any.
        label_zh: What the rule is about, in Traditional Chinese.
        case: A case that turns on the rule.
    """

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
    given: Mapping[str, tuple[str, ...]]
    special: bool = False
    gap: bool = False
    reports: str = ""
    quote: str = ""
    label_zh: str = ""
    case: RuleCase | None = None

    def in_force(self, on: date) -> bool:
        """Return whether the rule holds on that day; a proposal never does."""
        ended = self.valid_to is not None and on >= self.valid_to
        # A proposal is in the book so that its effect can be looked at with a moved date; it is
        # never law.
        return self.status != "proposed" and self.valid_from <= on and not ended

    def given_classes_are_allowed(self, class_of_scheme: Mapping[str, str]) -> bool:
        """Return whether the classes that the rule asks for are those that were given.

        Args:
            class_of_scheme: What was decided; a scheme that does not apply has no class, and
                one that applies and gives none is `UNDECIDED`.
        """
        # That the book gives no class releases nobody from reporting: such a duty holds of what
        # is undecided, and a duty or route of a class does not.
        open_to = (UNDECIDED,) if self.clock or self.reports else ()
        return all(
            class_of_scheme.get(scheme, OUTSIDE) in (*classes, *open_to)
            for scheme, classes in self.given.items()
        )
