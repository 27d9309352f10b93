"""Where a node in care may stand, where it may go from there, and who may move it.

::

    IN_SERVICE ──▶ WATCHED ──▶ REPORTED          in service
        ▲ │           │           │
        │ └───────────┴───────────┴──▶ DRAINED ──▶ RESET ──▶ REBOOT ──▶ TEST
        │                                 │          └─────────┴──────────┤
        └──── PROBATION ◀─────────────────┼──────────────────── passed ───┤
                  └── relapse ──▶ DRAINED └──────▶ HANDED_OVER ◀─ failed ─┘

Out of `DRAINED` or `TEST` straight back into service only an operator moves a node,
which is how an automatic drain is undone. From `HANDED_OVER` only an operator moves it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.errors import CareMoveError


class CareStage(StrEnum):
    """Where a node stands with care."""

    IN_SERVICE = "in-service"
    WATCHED = "watched"
    """In service; something was odd."""
    REPORTED = "reported"
    """In service; a person was told."""
    DRAINED = "drained"
    """Takes no new job; where the fault is fatal its jobs were requeued."""
    RESET = "reset"
    REBOOT = "reboot"
    TEST = "test"
    PROBATION = "probation"
    """Back in service; a relapse counts double."""
    HANDED_OVER = "handed-over"
    """Out of service, for a person to repair."""


CARE: Final = "care"
OPERATOR: Final = "operator"

MOVES: Final[dict[CareStage, frozenset[CareStage]]] = {
    CareStage.IN_SERVICE: frozenset({CareStage.WATCHED, CareStage.DRAINED}),
    CareStage.WATCHED: frozenset({CareStage.IN_SERVICE, CareStage.REPORTED, CareStage.DRAINED}),
    CareStage.REPORTED: frozenset({CareStage.IN_SERVICE, CareStage.DRAINED}),
    CareStage.DRAINED: frozenset(
        {
            CareStage.RESET,
            CareStage.REBOOT,
            CareStage.TEST,
            CareStage.HANDED_OVER,
            CareStage.IN_SERVICE,
        }
    ),
    CareStage.RESET: frozenset({CareStage.TEST, CareStage.HANDED_OVER}),
    CareStage.REBOOT: frozenset({CareStage.TEST, CareStage.HANDED_OVER}),
    CareStage.TEST: frozenset(
        {
            CareStage.PROBATION,
            CareStage.RESET,
            CareStage.REBOOT,
            CareStage.HANDED_OVER,
            CareStage.IN_SERVICE,
        }
    ),
    CareStage.PROBATION: frozenset(
        {CareStage.IN_SERVICE, CareStage.DRAINED, CareStage.HANDED_OVER}
    ),
    CareStage.HANDED_OVER: frozenset({CareStage.TEST, CareStage.IN_SERVICE}),
}
"""Every move there is."""

_BOTH: Final = frozenset({CARE, OPERATOR})
_PERSON: Final = frozenset({OPERATOR})
OPERATOR_ONLY_STAGES: Final = frozenset(
    {
        (CareStage.DRAINED, CareStage.IN_SERVICE),
        (CareStage.TEST, CareStage.IN_SERVICE),
        (CareStage.HANDED_OVER, CareStage.TEST),
        (CareStage.HANDED_OVER, CareStage.IN_SERVICE),
    }
)
"""Moves that care itself never makes."""

OUT_OF_SERVICE: Final = frozenset(
    {CareStage.DRAINED, CareStage.RESET, CareStage.REBOOT, CareStage.TEST, CareStage.HANDED_OVER}
)
"""Stages in which a node takes no job."""


def roles_that_may_move_node(origin: CareStage, to: CareStage) -> frozenset[str]:
    """Return the roles that may make a move of the table."""
    return _PERSON if (origin, to) in OPERATOR_ONLY_STAGES else _BOTH


def can_move_node_in_care(origin: CareStage, to: CareStage, role: str) -> bool:
    """Return whether `role` may move a node so.

    >>> can_move_node_in_care(CareStage.DRAINED, CareStage.IN_SERVICE, CARE)
    False
    >>> can_move_node_in_care(CareStage.DRAINED, CareStage.IN_SERVICE, OPERATOR)
    True
    """
    return to in MOVES[origin] and role in roles_that_may_move_node(origin, to)


def check_node_move_in_care(node: str, origin: CareStage, to: CareStage, role: str) -> None:
    """Refuse a move that is not in the table or not for this role.

    Raises:
        CareMoveError: It is not; the moves that are possible are named.
    """
    if can_move_node_in_care(origin, to, role):
        return
    possible = sorted(
        str(stage) for stage in MOVES[origin] if can_move_node_in_care(origin, stage, role)
    )
    raise CareMoveError(
        f"node {node}",
        found=Message("{origin} to {to} by {role}", _names(origin, to, role)),
        wanted=Message("a move to {stages}", {"stages": ", ".join(possible) or "-"}),
    )


def _names(origin: CareStage, to: CareStage, role: str) -> dict[str, str]:
    return {"origin": str(origin), "to": str(to), "role": role}
