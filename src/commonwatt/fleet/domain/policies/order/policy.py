"""What an order is: keys by which the waiting jobs are queued."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.state import QueueState
from commonwatt.fleet.domain.workload import I64

Keys = Callable[[QueueState, I64], I64]


def priority_urgency_keys_least_first(state: QueueState, jobs: I64) -> I64:
    """Return the urgency of `jobs` by their priority: a larger one is smaller here."""
    # Widened first: the least number of 32 bits has no positive counterpart.
    return -state.workload.priority[jobs].astype(np.int64)


def no_order_key_change_at_ms(state: QueueState) -> int | None:  # noqa: ARG001  # the form of a wake
    """Return no time: keys change at events only."""
    return None


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """A built-in order; the job with the smallest key goes first, then the earliest.

    Args:
        name: As the command line spells it.
        about: What it does, in a sentence.
        keys: Whole-number keys of the jobs in question, shape (jobs in question,).
        source: Where the rule comes from.
        fixed: A job's key is known at submission and does not change before it starts, so
            that compiled code, which stops no job, may rank all of them beforehand.
        urgency: Keys by which a waiting job may displace running ones of larger key.
        wake: Next instant at which keys change without an event [ms].
    """

    name: str
    about: Message
    keys: Keys
    source: str = ""
    fixed: bool = False
    urgency: Keys = priority_urgency_keys_least_first
    wake: Callable[[QueueState], int | None] = no_order_key_change_at_ms
