"""What a person does with nodes in care: approve, undo, send on, end a freeze."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.cases import APPROVE, MOVE, RELEASE, CareCase, move_body
from commonwatt.operate.domain.care.errors import CareMoveError
from commonwatt.operate.domain.care.lifecycle import OPERATOR, CareStage, check_move
from commonwatt.operate.domain.cluster import ClusterBackend
from commonwatt.operate.io.care.journal import CaseBook, Journal
from commonwatt.operate.io.care.repairs import NodeTester, carry_out_stage, needs_action


class CareOperator:
    """An operator at work; the journal must sign as an operator."""

    def __init__(self, backend: ClusterBackend, journal: Journal, node_tester: NodeTester) -> None:
        self.backend, self.node_tester = backend, node_tester
        self.cases = CaseBook(journal)

    def move(self, node: str, to: CareStage, *, reason: str, now_s: float) -> CareCase:
        """Move a node by hand, by the same table.

        Raises:
            CareMoveError: The table has no such move for an operator.
            BackendError: The backend refuses; the entry stands and care will act again.
        """
        self.cases.refresh()
        case = self.cases.case(node, now_s)
        check_move(node, case.stage, to, OPERATOR)
        self.cases.write(now_s, MOVE, node, move_body(case, to, reason, None))
        moved = self.cases.case(node, now_s)
        if needs_action(case.stage, to):
            carry_out_stage(self.backend, self.node_tester, moved, reason)
        return moved

    def undo(self, node: str, *, now_s: float) -> CareCase:
        """Bring a node back into service that care took out.

        Raises:
            CareMoveError: It is not drained, in test or handed over; a reset or reboot
                that runs is waited for.
        """
        return self.move(node, CareStage.IN_SERVICE, reason="undone", now_s=now_s)

    def approve(self, node: str, *, now_s: float) -> CareStage:
        """Approve the move that a node waits for; care makes it in its next step.

        Raises:
            CareMoveError: Nothing waits for an approval.
        """
        self.cases.refresh()
        waiting_move = self.cases.case(node, now_s).held_move
        if waiting_move is None:
            raise CareMoveError(f"node {node}", wanted=Message("a move that waits for approval"))
        self.cases.write(now_s, APPROVE, node, {"to": str(waiting_move)})
        return waiting_move

    def release(self, *, now_s: float) -> None:
        """End a freeze: care may drain again.

        Raises:
            CareMoveError: Care is not frozen.
        """
        self.cases.refresh()
        if not self.cases.frozen:
            raise CareMoveError("fleet", wanted=Message("a freeze that can be ended"))
        self.cases.write(now_s, RELEASE, "", {})
