"""Regions by the names that people give them, each inside another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# What a bare "$" or "cent" means where it is written; a region takes the money of the nearest
# one around it that has some, and one without any reads no bare sign.
MONEY_OF: Final[Mapping[str, str]] = {
    "US": "USD", "CN": "CNY", "HK": "HKD", "EU": "EUR", "SE": "SEK", "GB": "GBP", "JP": "JPY",
    "SG": "SGD", "AU": "AUD", "KR": "KRW", "IN": "INR", "CA": "CAD",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionTable:
    """The regions of the library.

    Args:
        parents: The region around each, "" for none.
        names: Region by its names, lower case.
        hubs: Region whose reference stands for a larger one.
    """

    parents: Mapping[str, str]
    names: Mapping[str, str]
    hubs: Mapping[str, str]

    def claim_region_named_or_longest_mentioned(self, text: str) -> str | None:
        """Return the region that `text` names, or the longest name that it mentions."""
        plain = " ".join(text.lower().replace("-", " ").split())
        if plain in self.names:
            return self.names[plain]
        # Whole words only: "in" is India and stands inside every "mainland".
        mentioned = [name for name in self.names if len(name) > 1 and f" {name} " in f" {plain} "]
        # The longest, because "US Virginia" also mentions the US.
        return self.names[max(mentioned, key=len)] if mentioned else None

    def is_claim_region_within(self, region: str, of: str) -> bool:
        """Return whether `region` lies inside `of`."""
        above = self.parents.get(region, "")
        return bool(above) and (above == of or self.is_claim_region_within(above, of))

    def outermost_claim_region(self, region: str) -> str:
        """Return the region around all others that hold `region`."""
        while self.parents.get(region):
            region = self.parents[region]
        return region

    def currency_of_claim_region_or_empty(self, text: str) -> str:
        """Return the money of the region that `text` names, or "" where none is known."""
        region = self.claim_region_named_or_longest_mentioned(text) or ""
        while region and region not in MONEY_OF:
            region = self.parents.get(region, "")
        return MONEY_OF.get(region, "")
