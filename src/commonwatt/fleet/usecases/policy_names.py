"""A whole policy in one word, such as `qssf+consolidate+easy`."""

from __future__ import annotations

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies import (
    BACKFILLS,
    ORDERS,
    PLACES,
    PREEMPTS,
    SchedulingPolicy,
    parse_scheduling_policy,
)

_REGISTRIES = {"place": PLACES, "backfill": BACKFILLS, "preempt": PREEMPTS}


def parse_scheduling_policy_word(
    policy_word: str, *, place: str = "consolidate"
) -> SchedulingPolicy:
    """Return the policy of names joined by `+`, the order first, the rest as they come.

    Args:
        policy_word: For example `fifo`, `sjf+easy` or `priority+best-fit+priority`.
        place: The place policy where the word names none.

    Raises:
        UsageError: A name is unknown.

    >>> parse_scheduling_policy_word("sjf+easy").name
    'sjf + consolidate + easy'
    """
    order, *rest = [name.strip() for name in policy_word.split("+")]
    chosen = {"place": place}
    for name in rest:
        chosen[_scheduling_rule_kind(name, policy_word)] = name
    return parse_scheduling_policy(
        order, chosen["place"], chosen.get("backfill", "none"), chosen.get("preempt", "none")
    )


def _scheduling_rule_kind(rule_name: str, policy_word: str) -> str:
    for kind, registry in _REGISTRIES.items():
        if rule_name in registry:
            return kind
    # `none` and `priority` stand in two registries: each name is offered once.
    names = [name for registry in (ORDERS, *_REGISTRIES.values()) for name in registry]
    raise UsageError(
        "--policy",
        found=Message("{name} in {word}", {"name": rule_name, "word": policy_word}),
        wanted=Message("one of {names}", {"names": ", ".join(dict.fromkeys(names))}),
    )
