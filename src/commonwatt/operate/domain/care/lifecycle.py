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

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.governance.lifecycle import (
    Lifecycle,
    LifecycleMove,
    MovePrecondition,
    MoveRefusal,
)
from commonwatt.ledger.roles import LedgerRole
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


CARE: Final = LedgerRole.CARE
OPERATOR: Final = LedgerRole.OPERATOR
MOVE_STEP: Final = "move"

OUT_OF_SERVICE: Final = frozenset(
    {CareStage.DRAINED, CareStage.RESET, CareStage.REBOOT, CareStage.TEST, CareStage.HANDED_OVER}
)
"""Stages in which a node takes no job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CareMoveFacts:
    """What is asked of a node about to be moved by care; a person decides without.

    Args:
        takes_out: Whether it takes a node out of service that serves now.
        frozen: Whether drains are frozen.
        out: Nodes of its partition out of service.
        most_out: The most that may be.
        unapproved: Whether a person must approve it and has not.
    """

    takes_out: bool = False
    frozen: bool = False
    out: int = 0
    most_out: int = 1
    unapproved: bool = False


def _freeze_refusal(facts: CareMoveFacts) -> MoveRefusal | None:
    if not (facts.takes_out and facts.frozen):
        return None
    return MoveRefusal(
        found=Message("drains that are frozen"),
        remedy=Message("End the freeze: commonwatt operate care intervene release"),
    )


def _spent_budget_refusal(facts: CareMoveFacts) -> MoveRefusal | None:
    if not facts.takes_out or facts.out < facts.most_out:
        return None
    return MoveRefusal(
        found=Message("{count} nodes out of service", {"count": str(facts.out)}),
        wanted=Message("fewer than {count}", {"count": str(facts.most_out)}),
    )


def _unapproved_refusal(facts: CareMoveFacts) -> MoveRefusal | None:
    if not facts.unapproved:
        return None
    return MoveRefusal(wanted=Message("a person's approval"))


# A precondition that does not hold makes care wait and say so once, under its name; see
# `Caretaker`.
NOT_FROZEN: Final = MovePrecondition[CareMoveFacts](
    name="freeze", sentence=Message("Drains are not frozen."), refusal=_freeze_refusal
)
WITHIN_BUDGET: Final = MovePrecondition[CareMoveFacts](
    name="budget",
    sentence=Message("No more nodes of the partition are out of service than the policy allows."),
    refusal=_spent_budget_refusal,
)
APPROVED: Final = MovePrecondition[CareMoveFacts](
    name="approval",
    sentence=Message("A person approved it, where the policy asks for that."),
    refusal=_unapproved_refusal,
)

_S: Final = CareStage
_BY_BOTH: Final[tuple[tuple[CareStage, tuple[CareStage, ...]], ...]] = (
    (_S.IN_SERVICE, (_S.WATCHED, _S.DRAINED)),
    (_S.WATCHED, (_S.IN_SERVICE, _S.REPORTED, _S.DRAINED)),
    (_S.REPORTED, (_S.IN_SERVICE, _S.DRAINED)),
    (_S.DRAINED, (_S.RESET, _S.REBOOT, _S.TEST, _S.HANDED_OVER)),
    (_S.RESET, (_S.TEST, _S.HANDED_OVER)),
    (_S.REBOOT, (_S.TEST, _S.HANDED_OVER)),
    (_S.TEST, (_S.PROBATION, _S.RESET, _S.REBOOT, _S.HANDED_OVER)),
    (_S.PROBATION, (_S.IN_SERVICE, _S.DRAINED, _S.HANDED_OVER)),
)
_BY_OPERATOR: Final[tuple[tuple[CareStage, tuple[CareStage, ...]], ...]] = (
    (_S.DRAINED, (_S.IN_SERVICE,)),
    (_S.TEST, (_S.IN_SERVICE,)),
    (_S.HANDED_OVER, (_S.TEST, _S.IN_SERVICE)),
)
"""Moves that care itself never makes."""


def _care_and_operator_moves(origin: CareStage, to: CareStage) -> tuple[_CareMove, ...]:
    needs = (NOT_FROZEN, WITHIN_BUDGET, APPROVED) if to is CareStage.DRAINED else (APPROVED,)
    by_care = _CareMove(origin=origin, to=to, step=MOVE_STEP, who=frozenset({CARE}), needs=needs)
    return (by_care, _operator_move_row(origin, to))


def _operator_move_row(origin: CareStage, to: CareStage) -> _CareMove:
    return _CareMove(origin=origin, to=to, step=MOVE_STEP, who=frozenset({OPERATOR}))


_CareMove = LifecycleMove[CareStage, CareMoveFacts]

CARE_LIFECYCLE: Final = Lifecycle[CareStage, CareMoveFacts](
    name="node in care",
    states=CareStage,
    moves=(
        *(row for a, after in _BY_BOTH for b in after for row in _care_and_operator_moves(a, b)),
        *(_operator_move_row(a, b) for a, after in _BY_OPERATOR for b in after),
    ),
    error=CareMoveError,
    role_error=CareMoveError,
    at_rest=CareStage.IN_SERVICE,
)
