"""What backfill is: who may start behind a job that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.plan import SchedulingPlan


@dataclass(frozen=True, slots=True)
class BackfillPolicy:
    """A built-in backfill rule.

    Args:
        name: As the command line spells it.
        about: What it does, in a sentence.
        fill: Starts further jobs of a plan whose first waiting job does not fit.
        source: Where the rule comes from.
    """

    name: str
    about: Message
    fill: Callable[[SchedulingPlan], None]
    source: str = ""
