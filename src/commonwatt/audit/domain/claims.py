"""A claim as a person writes it down, and the claims that its formula names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from commonwatt.audit.domain.intervals import ClaimInterval
from commonwatt.catalogue.units import Unit

_ID: Final = re.compile(r"[A-Za-z]+[A-Za-z_]*\d+[A-Za-z]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedClaim:
    """One claim.

    Args:
        id: Name of the claim in its file.
        quote: Its words.
        quantity: What is claimed, in English.
        value: Bounds in `unit`; None for a claim without a figure.
        unit: Its unit; None where nobody knows what was written.
        unit_text: The unit as written.
        regions: The region, or the two of a comparison, as written.
        period: What it speaks of, as written.
        relation: Formula over other claims, or "".
    """

    id: str
    quote: str
    quantity: str
    value: ClaimInterval | None
    unit: Unit | None
    unit_text: str
    regions: tuple[str, ...]
    period: str
    relation: str


def claim_ids_in_relation(relation: str) -> list[str]:
    """Return the claims that a relation names.

    >>> claim_ids_in_relation("E4 / E3; U1")
    ['E4', 'E3', 'U1']
    """
    return _ID.findall(relation)
