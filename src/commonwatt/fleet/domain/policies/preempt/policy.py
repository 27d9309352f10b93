"""What preemption is: which running jobs may be stopped for a waiting one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.plan import SchedulingPlan


@dataclass(frozen=True, slots=True)
class PreemptPolicy:
    """A built-in preemption rule.

    Args:
        name: As the command line spells it.
        about: What it does, in a sentence.
        victims: Running jobs that may make room for a waiting one, the first to go first.
        source: Where the rule comes from.
    """

    name: str
    about: Message
    victims: Callable[[SchedulingPlan, int], list[int]]
    source: str = ""
