"""The conditions of an approval: what the committee wants done, and by when.

A condition is a text, or named values with the text as `condition` and a day as `by`. It is
open until the committee puts on record, in the same words, that it is met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from commonwatt.clinic.domain.registry.state import Registry, RegistryRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalCondition:
    """What the committee wants done.

    Args:
        text: In its own words.
        by: The day by which it must be met; None where it named none.
    """

    text: str
    by: date | None = None


def approval_conditions_of_determination(determination: RegistryRecord) -> list[ApprovalCondition]:
    """Return the conditions in a determination's record, in order.

    What is neither a text nor named values is shown as it stands: a condition that nobody can
    read is one that nobody can have met.
    """
    listed: Any = determination.body.get("conditions", [])
    conditions = cast("list[Any]", listed) if isinstance(listed, list) else [listed]
    return [_approval_condition(condition) for condition in conditions]


def unmet_approval_conditions(
    registry: Registry, determination: RegistryRecord
) -> list[ApprovalCondition]:
    """Return the conditions of a determination that are not on record as met."""
    met = registry.conditions_met.get(determination.name, set[str]())
    return [
        each for each in approval_conditions_of_determination(determination) if each.text not in met
    ]


def _approval_condition(condition: Any) -> ApprovalCondition:
    if not isinstance(condition, Mapping):
        return ApprovalCondition(text=str(condition))
    named = cast("Mapping[str, Any]", condition)
    try:
        by = date.fromisoformat(str(named["by"]))
    except (KeyError, ValueError):
        by = None
    return ApprovalCondition(text=str(named.get("condition", dict(named))), by=by)
