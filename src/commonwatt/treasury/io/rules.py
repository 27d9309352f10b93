"""Rule tables: thresholds with their sources, as they lie in the data folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from commonwatt.core.messages import Message
from commonwatt.core.shipped import ShippedCollection
from commonwatt.treasury.domain.errors import RuleError
from commonwatt.treasury.io.country.folder import SHIPPED

RULE_TABLES = ShippedCollection(SHIPPED / "rules", "*.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A threshold, what it means, where it stands and where it was read."""

    value: float
    meaning: str
    source: str
    read_in: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTable:
    """One framework's thresholds, and those that are absent with the reason."""

    name: str
    title: str
    adopted_on: date
    thresholds: Mapping[str, Threshold]
    absent: Mapping[str, str]

    def fiscal_threshold(self, name: str) -> float:
        """Return a threshold.

        Raises:
            RuleError: It is absent from this table.
        """
        if name in self.thresholds:
            return self.thresholds[name].value
        raise RuleError(
            self.name,
            found=Message("no threshold “{name}”", {"name": name}),
            wanted=Message("one of {names}", {"names": ", ".join(self.thresholds)}),
        )


def load_fiscal_rules(name: str) -> RuleTable:
    """Return a rule table.

    Raises:
        RuleError: No such table ships.
    """
    path = RULE_TABLES.find_shipped_file(name)
    if path is None:
        raise RuleError(
            name,
            found=Message("no such rule table"),
            wanted=Message("one of {names}", {"names": ", ".join(RULE_TABLES.names())}),
        )
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return RuleTable(
        name=name,
        title=document["title"],
        adopted_on=document["adopted_on"],
        thresholds={key: Threshold(**cells) for key, cells in document["thresholds"].items()},
        # Thresholds that a framework has and whose source nobody could confirm, with the reason.
        absent=document.get("absent", {}),
    )
