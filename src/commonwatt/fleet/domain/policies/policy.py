"""A policy: an order, a place rule, backfill and preemption, chosen by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.backfill import BACKFILLS, BackfillPolicy
from commonwatt.fleet.domain.policies.order import ORDERS, OrderPolicy
from commonwatt.fleet.domain.policies.place import PLACES, PlacePolicy
from commonwatt.fleet.domain.policies.preempt import PREEMPTS, PreemptPolicy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SchedulingPolicy:
    """How a queue is run.

    Args:
        order: Who is first.
        place: Which node.
        backfill: Who may start out of turn.
        preempt: Who must make room.
        borrow: With quotas, whether a tenant may use more than its own while others leave it.
        keep_progress: Whether a preempted job goes on where it was (a checkpoint
            without cost) or begins again.
    """

    order: OrderPolicy
    place: PlacePolicy
    backfill: BackfillPolicy
    preempt: PreemptPolicy
    borrow: bool = True
    keep_progress: bool = True

    @property
    def name(self) -> str:
        """What tables and plots call it."""
        parts = [self.order.name, self.place.name]
        parts += [p.name for p in (self.backfill, self.preempt) if p.name != "none"]
        return " + ".join(parts)


def parse_scheduling_policy(
    order: str = "fifo",
    place: str = "first-fit",
    backfill: str = "none",
    preempt: str = "none",
    *,
    borrow: bool = True,
    keep_progress: bool = True,
) -> SchedulingPolicy:
    """Return the policy of these names.

    Raises:
        UsageError: A name is unknown; the error lists the known ones.

    >>> parse_scheduling_policy("sjf", "best-fit", "easy").name
    'sjf + best-fit + easy'
    """
    return SchedulingPolicy(
        _fleet_policy_rule_of_name("--order", ORDERS, order),
        _fleet_policy_rule_of_name("--place", PLACES, place),
        _fleet_policy_rule_of_name("--backfill", BACKFILLS, backfill),
        _fleet_policy_rule_of_name("--preemption", PREEMPTS, preempt),
        borrow,
        keep_progress,
    )


def _fleet_policy_rule_of_name(option: str, rules_by_name: Mapping[str, T], rule_name: str) -> T:
    if rule_name not in rules_by_name:
        names = Message("one of {names}", {"names": ", ".join(rules_by_name)})
        raise UsageError(option, found=rule_name, wanted=names)
    return rules_by_name[rule_name]
