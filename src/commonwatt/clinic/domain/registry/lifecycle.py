"""How a deployment moves, and who may move it.

A deployment is proposed when it is recorded. It goes live only from approved,
and from retired there is no way back: another deployment is recorded instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.core.messages import Message
from commonwatt.governance.lifecycle import (
    Lifecycle,
    LifecycleMove,
    MovePrecondition,
    MoveRefusal,
)
from commonwatt.ledger.errors import ActorError
from commonwatt.ledger.roles import LedgerRole


class DeploymentStatus(StrEnum):
    """Where a deployment stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    LIVE = "live"
    PAUSED = "paused"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFacts:
    """What is asked of a deployment about to move.

    Args:
        advice_refusal: Returns what of its approval's basis does not hold. A call and not an
            answer, because to pause or retire asks nothing and must not pay for the reading.
        named_as_fallback: Whether the approved plan of a deployment that is paused now names it.
        own_approval: Whether whoever is about to approve it made or proposed it in another role.
    """

    advice_refusal: Callable[[], MoveRefusal | None]
    named_as_fallback: bool = False
    own_approval: bool = False


def _unnamed_fallback_deployment_refusal(facts: DeploymentFacts) -> MoveRefusal | None:
    if facts.named_as_fallback:
        return None
    return MoveRefusal(wanted=Message("the fallback that the approved plan names"))


def _own_approval_refusal(facts: DeploymentFacts) -> MoveRefusal | None:
    if not facts.own_approval:
        return None
    return MoveRefusal(
        found=Message("the person who made or proposed it, in another role"),
        wanted=Message("an approval by another person than who made, examined or proposed it"),
        remedy=Message(
            "Let another person approve. Two people of one name are enrolled under a name each"
            " that tells them apart."
        ),
    )


BASIS_HOLDS: Final = MovePrecondition[DeploymentFacts](
    name="basis-holds",
    sentence=Message("Everything that its approval rests on holds: the table of preconditions."),
    refusal=lambda facts: facts.advice_refusal(),
)
BY_ANOTHER_PERSON: Final = MovePrecondition[DeploymentFacts](
    name="by-another-person",
    sentence=Message("Whoever approves it neither made nor proposed it, in whatever role."),
    refusal=_own_approval_refusal,
)
NAMED_AS_FALLBACK: Final = MovePrecondition[DeploymentFacts](
    name="named-as-fallback",
    sentence=Message("The plan approved with the deployment that is paused names it."),
    refusal=_unnamed_fallback_deployment_refusal,
)

_LEAD: Final = frozenset({LedgerRole.CLINICAL_LEAD})
_STOPPERS: Final = frozenset({LedgerRole.CLINICAL_LEAD, LedgerRole.SAFETY_OFFICER})

DEPLOYMENT_LIFECYCLE: Final = Lifecycle[DeploymentStatus, DeploymentFacts](
    name="deployment",
    states=DeploymentStatus,
    moves=(
        LifecycleMove(
            origin=None, to=DeploymentStatus.PROPOSED, step="deployment", who=_LEAD,
            needs=(BASIS_HOLDS,),
        ),
        # Never straight to live: between the clinical lead's proposal and the first patient stands
        # a committee, whose approval is a move of its own with a signature of its own.
        LifecycleMove(
            origin=DeploymentStatus.PROPOSED, to=DeploymentStatus.APPROVED, step="move",
            who=frozenset({LedgerRole.COMMITTEE_CHAIR}), needs=(BY_ANOTHER_PERSON, BASIS_HOLDS),
        ),
        *(
            LifecycleMove[DeploymentStatus, DeploymentFacts](
                origin=origin, to=DeploymentStatus.LIVE, step="move", who=_LEAD,
                needs=(BASIS_HOLDS,),
            )
            for origin in (DeploymentStatus.APPROVED, DeploymentStatus.PAUSED)
        ),
        # A monitor may bring nothing to life but what the committee named beforehand.
        *(
            LifecycleMove[DeploymentStatus, DeploymentFacts](
                origin=origin, to=DeploymentStatus.LIVE, step="fall-back",
                who=frozenset({LedgerRole.MONITOR}), needs=(NAMED_AS_FALLBACK, BASIS_HOLDS),
            )
            for origin in (DeploymentStatus.APPROVED, DeploymentStatus.PAUSED)
        ),
        # To stop needs nothing, for what lost its approval must always be stoppable, and is open
        # to more people than to start: whoever sees harm must not wait for whoever is in charge.
        LifecycleMove(
            origin=DeploymentStatus.LIVE, to=DeploymentStatus.PAUSED, step="move",
            who=_STOPPERS | {LedgerRole.MONITOR},
        ),
        # A retired deployment that could come back would come back under an approval given for
        # what it was; a new record makes the committee look again.
        *(
            LifecycleMove[DeploymentStatus, DeploymentFacts](
                origin=origin, to=DeploymentStatus.RETIRED, step="move", who=_STOPPERS
            )
            for origin in (
                DeploymentStatus.PROPOSED, DeploymentStatus.APPROVED, DeploymentStatus.LIVE,
                DeploymentStatus.PAUSED,
            )
        ),
    ),
    error=StatusMoveError,
    role_error=ActorError,
    remedies={
        DeploymentStatus.RETIRED: Message("Record another deployment; the committee looks again.")
    },
)  # fmt: skip
