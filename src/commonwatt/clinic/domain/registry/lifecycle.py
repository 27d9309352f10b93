"""How a deployment moves, and who may move it.

A deployment is proposed when it is recorded. It goes live only from approved,
and from retired there is no way back: another deployment is recorded instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from commonwatt.clinic.domain.errors import MoveError
from commonwatt.core.messages import Message


class Status(StrEnum):
    """Where a deployment stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    LIVE = "live"
    PAUSED = "paused"
    RETIRED = "retired"


MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PROPOSED: frozenset({Status.APPROVED, Status.RETIRED}),
    Status.APPROVED: frozenset({Status.LIVE, Status.RETIRED}),
    Status.LIVE: frozenset({Status.PAUSED, Status.RETIRED}),
    Status.PAUSED: frozenset({Status.LIVE, Status.RETIRED}),
    Status.RETIRED: frozenset(),
}

MAY_MOVE: Final[Mapping[Status, frozenset[str]]] = {
    Status.PROPOSED: frozenset({"clinical-lead"}),
    Status.APPROVED: frozenset({"committee-chair"}),
    Status.LIVE: frozenset({"clinical-lead"}),
    Status.PAUSED: frozenset({"clinical-lead", "safety-officer", "monitor"}),
    Status.RETIRED: frozenset({"clinical-lead", "safety-officer"}),
}


def can_move(old: Status, new: Status) -> bool:
    """Return whether the table lets a deployment move so."""
    return new in MOVES[old]


def check_move(old: Status, new: Status) -> None:
    """Refuse a move that is not in the table.

    Raises:
        MoveError: The moves that there are from here are named.
    """
    if not can_move(old, new):
        allowed = ", ".join(sorted(MOVES[old])) or "–"
        raise MoveError(
            f"deployment, {old} → {new}",
            wanted=Message("one of the moves {moves}", {"moves": allowed}),
        )
