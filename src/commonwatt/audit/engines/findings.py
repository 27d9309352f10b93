"""What an audit can find, and a claim as the auditor understands it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from commonwatt.audit.domain.claims import PublishedClaim
from commonwatt.audit.domain.intervals import ClaimInterval
from commonwatt.audit.domain.library import ClaimQuantity
from commonwatt.audit.domain.periods import ClaimPeriod
from commonwatt.core.messages import Message


# Their order is read by the code: the first of a claim's kinds is its verdict.
class FindingKind(StrEnum):
    """What an audit can say, gravest first."""

    FACTOR = "wrong by a factor"
    INCONSISTENT = "inconsistent"
    MISDATED = "misdated"
    BASIS = "other basis"
    IN_LINE = "in line"
    UNCHECKED = "not checkable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFinding:
    """One finding about a claim.

    Args:
        kind: What it says.
        text: The sentence.
        arithmetic: The figures that it rests on, as a formula.
        source: Where the reference comes from, with its date.
        year: What the reference speaks of.
        confidence: How far the reference may be trusted.
        other: The claim that it disagrees with, or "".
        factor: PublishedClaim over reference, where the kind is FACTOR.
    """

    kind: FindingKind
    text: Message
    arithmetic: str = ""
    source: str = ""
    year: str = ""
    confidence: str = ""
    other: str = ""
    factor: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpretedClaim:
    """A claim as the auditor understands it.

    Args:
        claim: The claim.
        quantity: What it is about, or None.
        value: Its bounds in the quantity's unit, or as a ratio; None without a figure.
        regions: Regions of the table; two for a comparison.
        period: Its period, or None.
    """

    claim: PublishedClaim
    quantity: ClaimQuantity | None
    value: ClaimInterval | None
    regions: tuple[str, ...]
    period: ClaimPeriod | None

    @property
    def is_two_region_comparison_with_value(self) -> bool:
        """Return whether the claim compares two regions."""
        return len(self.regions) == 2 and self.value is not None
