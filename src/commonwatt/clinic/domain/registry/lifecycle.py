"""How a deployment moves, and who may move it.

A deployment is proposed when it is recorded. It goes live only from approved,
and from retired there is no way back: another deployment is recorded instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.core.messages import Message


class DeploymentStatus(StrEnum):
    """Where a deployment stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    LIVE = "live"
    PAUSED = "paused"
    RETIRED = "retired"


MOVES: Final[Mapping[DeploymentStatus, frozenset[DeploymentStatus]]] = {
    # Never straight to live: between the clinical lead's proposal and the first patient stands a
    # committee, whose approval is a move of its own with a signature of its own.
    DeploymentStatus.PROPOSED: frozenset({DeploymentStatus.APPROVED, DeploymentStatus.RETIRED}),
    DeploymentStatus.APPROVED: frozenset({DeploymentStatus.LIVE, DeploymentStatus.RETIRED}),
    DeploymentStatus.LIVE: frozenset({DeploymentStatus.PAUSED, DeploymentStatus.RETIRED}),
    DeploymentStatus.PAUSED: frozenset({DeploymentStatus.LIVE, DeploymentStatus.RETIRED}),
    # A retired deployment that could come back would come back under an approval given for what it
    # was; a new record makes the committee look again.
    DeploymentStatus.RETIRED: frozenset(),
}

MAY_MOVE: Final[Mapping[DeploymentStatus, frozenset[str]]] = {
    DeploymentStatus.PROPOSED: frozenset({"clinical-lead"}),
    DeploymentStatus.APPROVED: frozenset({"committee-chair"}),
    DeploymentStatus.LIVE: frozenset({"clinical-lead"}),
    # To stop is open to more hands than to start: whoever sees harm must not wait for whoever is in
    # charge.
    DeploymentStatus.PAUSED: frozenset({"clinical-lead", "safety-officer", "monitor"}),
    DeploymentStatus.RETIRED: frozenset({"clinical-lead", "safety-officer"}),
}


def can_move_deployment(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    """Return whether the table lets a deployment move so."""
    return new in MOVES[old]


def check_move_deployment(old: DeploymentStatus, new: DeploymentStatus) -> None:
    """Refuse a move that is not in the table.

    Raises:
        StatusMoveError: The moves that there are from here are named.
    """
    if not can_move_deployment(old, new):
        allowed = ", ".join(sorted(MOVES[old])) or "–"
        raise StatusMoveError(
            f"deployment, {old} → {new}",
            wanted=Message("one of the moves {moves}", {"moves": allowed}),
        )
