"""What a person does with nodes in care: approve, undo, send on, end a freeze."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.cases import APPROVE, MOVE, RELEASE, Case, move_body
from commonwatt.operate.domain.care.errors import CareMoveError
from commonwatt.operate.domain.care.lifecycle import OPERATOR, Stage, check_move
from commonwatt.operate.domain.cluster import Engine
from commonwatt.operate.io.care.journal import CaseBook, Journal
from commonwatt.operate.io.care.repairs import Workshop, act, needs_act


class Desk:
    """An operator at work; the journal must sign as an operator."""

    def __init__(self, engine: Engine, journal: Journal, workshop: Workshop) -> None:
        self.engine, self.workshop = engine, workshop
        self.book = CaseBook(journal)

    def move(self, node: str, to: Stage, *, reason: str, now_s: float) -> Case:
        """Move a node by hand, by the same table.

        Raises:
            CareMoveError: The table has no such move for an operator.
            EngineError: The engine refuses; the entry stands and care will act again.
        """
        self.book.refresh()
        case = self.book.case(node, now_s)
        check_move(node, case.stage, to, OPERATOR)
        self.book.write(now_s, MOVE, node, move_body(case, to, reason, None))
        moved = self.book.case(node, now_s)
        if needs_act(case.stage, to):
            act(self.engine, self.workshop, moved, reason)
        return moved

    def undo(self, node: str, *, now_s: float) -> Case:
        """Bring a node back into service that care took out.

        Raises:
            CareMoveError: It is not drained, in test or handed over; a reset or reboot
                that runs is waited for.
        """
        return self.move(node, Stage.IN_SERVICE, reason="undone", now_s=now_s)

    def approve(self, node: str, *, now_s: float) -> Stage:
        """Approve the move that a node waits for; care makes it in its next step.

        Raises:
            CareMoveError: Nothing waits for an approval.
        """
        self.book.refresh()
        held = self.book.case(node, now_s).held
        if held is None:
            raise CareMoveError(f"node {node}", wanted=Message("a move that waits for approval"))
        self.book.write(now_s, APPROVE, node, {"to": str(held)})
        return held

    def release(self, *, now_s: float) -> None:
        """End a freeze: care may drain again.

        Raises:
            CareMoveError: Care is not frozen.
        """
        self.book.refresh()
        if not self.book.frozen:
            raise CareMoveError("fleet", wanted=Message("a freeze that can be ended"))
        self.book.write(now_s, RELEASE, "", {})
