"""What a person does with nodes in care: approve, undo, send on, end a freeze."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.cases import (
    APPROVE,
    MOVE,
    RELEASE,
    CareCase,
    care_move_entry_body,
)
from commonwatt.operate.domain.care.errors import CareMoveError
from commonwatt.operate.domain.care.lifecycle import (
    CARE_LIFECYCLE,
    MOVE_STEP,
    OPERATOR,
    CareMoveFacts,
    CareStage,
)
from commonwatt.operate.domain.cluster import ClusterBackend
from commonwatt.operate.io.care.journal import CaseBook, Journal
from commonwatt.operate.io.care.repairs import (
    NodeTester,
    carry_out_care_stage,
    needs_cluster_action,
)


class CareOperator:
    """An operator at work; the journal must sign as an operator."""

    def __init__(self, backend: ClusterBackend, journal: Journal, node_tester: NodeTester) -> None:
        self.backend, self.node_tester = backend, node_tester
        self.cases = CaseBook(journal)

    def move_node(self, node: str, to: CareStage, *, reason: str, now_s: float) -> CareCase:
        """Move a node by hand, by the same table.

        Raises:
            CareMoveError: The table has no such move for an operator.
            BackendError: The backend refuses; the entry stands and care will act again.
        """
        self.cases.apply_new_journal_entries()
        case = self.cases.case_of_node(node, now_s)
        CARE_LIFECYCLE.check_move(
            f"node {node}", case.stage, to, step=MOVE_STEP, roles={OPERATOR}, facts=CareMoveFacts()
        )
        self.cases.write_journal_entry(
            now_s, MOVE, node, care_move_entry_body(case, to, reason, None)
        )
        moved = self.cases.case_of_node(node, now_s)
        if needs_cluster_action(case.stage, to):
            carry_out_care_stage(self.backend, self.node_tester, moved, reason)
        return moved

    def undo_node_care(self, node: str, *, now_s: float) -> CareCase:
        """Bring a node back into service that care took out.

        Raises:
            CareMoveError: It is not drained, in test or handed over; a reset or reboot
                that runs is waited for.
        """
        return self.move_node(node, CareStage.IN_SERVICE, reason="undone", now_s=now_s)

    def approve_held_move(self, node: str, *, now_s: float) -> CareStage:
        """Approve the move that a node waits for; care makes it in its next step.

        Raises:
            CareMoveError: Nothing waits for an approval.
        """
        self.cases.apply_new_journal_entries()
        waiting_move = self.cases.case_of_node(node, now_s).held_move
        if waiting_move is None:
            raise CareMoveError(f"node {node}", wanted=Message("a move that waits for approval"))
        self.cases.write_journal_entry(now_s, APPROVE, node, {"to": str(waiting_move)})
        return waiting_move

    def release_care_freeze(self, *, now_s: float) -> None:
        """End a freeze: care may drain again.

        Raises:
            CareMoveError: Care is not frozen.
        """
        self.cases.apply_new_journal_entries()
        if not self.cases.frozen:
            raise CareMoveError("fleet", wanted=Message("a freeze that can be ended"))
        self.cases.write_journal_entry(now_s, RELEASE, "", {})
