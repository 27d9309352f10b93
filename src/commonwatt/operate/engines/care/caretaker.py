"""The caretaker: observes, decides by the table, writes, acts; never the other way round.

One step takes each node at most one move further. A move is first written into the
journal and then acted on; what was written and not acted on, because the caretaker was
killed or the backend refused, is acted on in the next step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from commonwatt.operate.domain.care.cases import FREEZE, HOLD, MOVE, CareCase, care_move_entry_body
from commonwatt.operate.domain.care.findings import (
    Component,
    NodeFinding,
    Severity,
    worst_node_finding,
)
from commonwatt.operate.domain.care.lifecycle import (
    CARE,
    CARE_LIFECYCLE,
    MOVE_STEP,
    OUT_OF_SERVICE,
    CareMoveFacts,
    CareStage,
)
from commonwatt.operate.domain.care.policy import CarePolicy, check_care_policy
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    ClusterBackend,
    ClusterObservation,
    NodeState,
    ObservedJob,
    ObservedNode,
)
from commonwatt.operate.domain.errors import BackendError
from commonwatt.operate.engines.care.decide import NodeObservation, ProposedMove, next_care_move
from commonwatt.operate.engines.care.detect.rules import DetectionRuleBook
from commonwatt.operate.io.care.journal import CaseBook, Journal
from commonwatt.operate.io.care.repairs import (
    CARE_REASON_PREFIX,
    NodeTester,
    NoNodeTester,
    carry_out_care_stage,
    needs_cluster_action,
)

# What Slurm and our own backends write of a node that nobody took out by hand. Any other reason
# is a person's, whose drains care leaves alone.
_SILENT_REASONS = ("", "not responding")
_Partition = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CareStep:
    """What a caretaker did, or would do, with one node.

    Args:
        at_s: When [s since 1970].
        node: Which node; empty where it is about the fleet.
        origin: Where it stood.
        to: Where it stands now, or would.
        reason: Why.
        held: Why not: `approval`, `budget` or `freeze`; empty where it was done.
    """

    at_s: float
    node: str
    origin: CareStage
    to: CareStage
    reason: str
    held: str = ""


class Caretaker:
    """Keeps a cluster healthy within the bounds of a policy.

    Args:
        backend: The cluster.
        journal: Where it is written down, before it is done.
        policy: The bounds.
        node_tester: Resets and tests nodes.
        rules: The rules that samples go through; told when a node was repaired.
        dry_run: Decide and write, and touch nothing; give it a journal in memory.
    """

    def __init__(
        self,
        backend: ClusterBackend,
        journal: Journal,
        *,
        policy: CarePolicy | None = None,
        node_tester: NodeTester | None = None,
        rules: DetectionRuleBook | None = None,
        dry_run: bool = False,
    ) -> None:
        self.policy = policy or CarePolicy()
        # A bound of 0 or above 1 would take out no node or all of them; both are worse than no
        # care, so it is refused before the first observation.
        check_care_policy(self.policy)
        self.backend, self.node_tester = backend, node_tester or NoNodeTester()
        self.rules, self.dry_run = rules or DetectionRuleBook(), dry_run
        self.cases = CaseBook(journal)
        self._findings: dict[str, NodeFinding] = {}
        self._grave_at: dict[str, float] = {}
        self._tries: Counter[str] = Counter()
        self._were_out = set[str]()
        # After a restart nobody knows which of the moves on record were carried out, so each is
        # carried out once more: all of them may be repeated.
        self._owed = {case.node for case in self.cases.cases.values()}

    def step(self, findings: Iterable[NodeFinding] = ()) -> list[CareStep]:
        """Observe the cluster once and take each node at most one move further.

        Args:
            findings: What detectors found since the last step.
        """
        # First, because an operator writes into the same journal from another process.
        self.cases.apply_new_journal_entries()
        self._forget_findings_of_returned_nodes()
        observation = self.backend.observe()
        self._collect_node_findings(findings, observation)
        out = _OutOfService(observation, self.cases.cases)
        steps = self._freeze_drains_if_too_many_nodes_alarm(observation)
        # Counted once a step: the walk over all jobs would otherwise be repeated for every
        # node.
        busy = _busy_node_names(observation.jobs.values())
        for node in self._observed_nodes_with_finding_or_care_case(observation):
            step = self._take_care_step_of_node_or_none(
                node, node.name in busy, observation.at_s, out
            )
            steps += [step] if step else []
        self._were_out = {n for n, c in self.cases.cases.items() if c.stage in OUT_OF_SERVICE}
        return steps

    def _forget_findings_of_returned_nodes(self) -> None:
        """Drop what was found on nodes that a person brought back since the last step."""
        for node in self._were_out - self.cases.cases.keys():
            self._findings.pop(node, None)
            self._grave_at.pop(node, None)
            self.rules.forget_node_samples(node)

    def _collect_node_findings(
        self, findings: Iterable[NodeFinding], observation: ClusterObservation
    ) -> None:
        """Keep the worst fresh finding of each node, those by the backend's own word included."""
        by_node: dict[str, list[NodeFinding]] = {}
        # A node that was returned just now starts its daemon and is silent for a while; to call
        # that a fault would drain it again for having been repaired.
        gone = [
            f
            for f in _unanswering_node_findings(observation)
            if not self._is_returned_node_settling(f.node, observation.at_s)
        ]
        for finding in (*findings, *self.rules.silent_node_findings(observation.at_s), *gone):
            by_node.setdefault(finding.node, []).append(finding)
        fresh = observation.at_s - self.policy.alarm_window_s
        self._findings = {n: f for n, f in self._findings.items() if f.last_s >= fresh}
        for node, fresh_findings in by_node.items():
            earlier = [self._findings[node]] if node in self._findings else []
            self._findings[node] = worst_node_finding([*fresh_findings, *earlier])

    def _is_returned_node_settling(self, node: str, now_s: float) -> bool:
        """Return whether a node was returned just now and may take its time to answer."""
        case = self.cases.cases.get(node)
        if case is None or case.stage is not CareStage.PROBATION:
            return False
        return now_s - case.since_s < self.policy.settle_s

    def _observed_nodes_with_finding_or_care_case(
        self, observation: ClusterObservation
    ) -> list[ObservedNode]:
        cases = self.cases.cases
        return [n for n in observation.nodes if n.name in self._findings or n.name in cases]

    def _freeze_drains_if_too_many_nodes_alarm(
        self, observation: ClusterObservation
    ) -> list[CareStep]:
        """Stop draining where so many nodes look bad at once that the detectors are doubted."""
        # Suspicions do not count: they take nothing out of service, so any number of them does
        # no harm.
        grave = [f for f in self._findings.values() if f.severity is not Severity.SUSPECT]
        self._grave_at |= {f.node: f.last_s for f in grave}
        limit_s = observation.at_s - self.policy.alarm_window_s
        self._grave_at = {n: at_s for n, at_s in self._grave_at.items() if at_s >= limit_s}
        if self.cases.frozen or not self._grave_at:
            return []
        states = {node.name: node.state for node in observation.nodes}
        # Nodes that are truly down are no false alarm, unless care itself took them down: a
        # power cut in one hall must not stop the repair of the others.
        alive = sum(
            states.get(n) != NodeState.DOWN or self._is_node_out_of_service_by_care(n)
            for n in self._grave_at
        )
        if alive <= self.policy.most_nodes_alarmed_at_once(len(observation.nodes)):
            return []
        body = {
            "nodes": alive,
            "of": len(observation.nodes),
            "window_s": self.policy.alarm_window_s,
        }
        if not self.cases.write_care_entry_unless_overtaken(observation.at_s, FREEZE, "", body):
            return []
        reason = f"{alive} of {len(observation.nodes)} nodes at once"
        return [
            CareStep(
                at_s=observation.at_s,
                node="",
                origin=CareStage.IN_SERVICE,
                to=CareStage.DRAINED,
                reason=reason,
                held="freeze",
            )
        ]

    def _is_node_out_of_service_by_care(self, node: str) -> bool:
        case = self.cases.cases.get(node)
        return case is not None and case.stage in OUT_OF_SERVICE

    def _take_care_step_of_node_or_none(
        self, node: ObservedNode, busy: bool, now_s: float, out: _OutOfService
    ) -> CareStep | None:
        case = self.cases.case_of_node(node.name, now_s)
        # Before the decision: what was written and not done is done first, or a node could move
        # on from a stage that it never was in, as from a reset that the backend refused.
        if case.node in self._owed:
            self._carry_out_care_stage(case, "again")
            if case.node in self._owed and self._tries[case.node] <= self.policy.tries:
                return None
        observation = NodeObservation(
            now_s=now_s,
            state=node.state,
            busy=busy,
            boot_at_s=node.boot_at_s,
            finding=self._findings.get(node.name),
            heard_at_s=self.rules.telemetry_heard_at_s(node.name),
            test_passed=self.node_tester.test_result(node.name)
            if case.stage is CareStage.TEST
            else None,
        )
        proposed = self._handover_resetting_refusal_count(case) or next_care_move(
            case, observation, self.policy
        )
        if proposed is None:
            self._repeat_unfinished_care_action(case, node)
            return None
        return self._make_care_move(
            case, proposed, observation, out.out_and_total_node_counts_of_partition(node)
        )

    def _handover_resetting_refusal_count(self, case: CareCase) -> ProposedMove | None:
        """Return the handover of a node whose actions the backend keeps refusing."""
        # Counted, because a backend may refuse for a moment. A node that it keeps refusing is
        # nothing that care can mend.
        if self._tries[case.node] <= self.policy.tries:
            return None
        if not CARE_LIFECYCLE.has_move(case.stage, CareStage.HANDED_OVER):
            return None
        del self._tries[case.node]
        return ProposedMove(CareStage.HANDED_OVER, "the backend refuses")

    def _make_care_move(
        self, case: CareCase, proposed: ProposedMove, observation: NodeObservation, out: list[int]
    ) -> CareStep | None:
        facts = self._care_move_facts(case, proposed, observation, out)
        obstacle = CARE_LIFECYCLE.broken_precondition(
            case.stage, proposed.to, step=MOVE_STEP, role=CARE, facts=facts
        )
        if obstacle:
            return self._record_held_care_move(case, proposed, obstacle.name, observation.now_s)
        # The table has the last word even over our own decision; the ledger asks it once more,
        # by the role of the signer.
        CARE_LIFECYCLE.check_move(
            f"node {case.node}", case.stage, proposed.to, step=MOVE_STEP, roles={CARE}, facts=facts
        )
        body = care_move_entry_body(case, proposed.to, proposed.reason, observation.finding)
        # Written before it is done: a node out of service without an entry would be a drain
        # that nobody answers for.
        now_s = observation.now_s
        if not self.cases.write_care_entry_unless_overtaken(now_s, MOVE, case.node, body, facts):
            return None
        out[0] += facts.takes_out
        moved = self.cases.case_of_node(case.node, observation.now_s)
        if needs_cluster_action(case.stage, proposed.to):
            self._carry_out_care_stage(moved, proposed.reason)
        # What counted against the node before its repair is no evidence against it after.
        if proposed.to in (CareStage.TEST, CareStage.PROBATION):
            self._findings.pop(case.node, None)
            self.rules.forget_node_samples(case.node)
        return CareStep(
            at_s=observation.now_s,
            node=case.node,
            origin=case.stage,
            to=proposed.to,
            reason=proposed.reason,
        )

    def _care_move_facts(
        self, case: CareCase, proposed: ProposedMove, observation: NodeObservation, out: list[int]
    ) -> CareMoveFacts:
        component = observation.finding.component if observation.finding else case.component
        needs_approval = (component, proposed.to) in self.policy.to_approve
        return CareMoveFacts(
            takes_out=proposed.to is CareStage.DRAINED and observation.state is NodeState.UP,
            frozen=self.cases.frozen,
            out=out[0],
            most_out=self.policy.most_nodes_out_of_service(out[1]),
            unapproved=needs_approval and case.approved is not proposed.to,
        )

    def _record_held_care_move(
        self, case: CareCase, proposed: ProposedMove, obstacle: str, now_s: float
    ) -> CareStep | None:
        """Write once that a move waits, and for what."""
        # Said once: a move that waits for a week would else fill the ledger with an entry an
        # observation.
        if case.held_move is proposed.to:
            return None
        body = {"to": str(proposed.to), "reason": proposed.reason, "for": obstacle}
        if not self.cases.write_care_entry_unless_overtaken(now_s, HOLD, case.node, body):
            return None
        return CareStep(at_s=now_s, node=case.node, origin=case.stage, to=proposed.to,
                    reason=proposed.reason, held=obstacle)  # fmt: skip

    def _repeat_unfinished_care_action(self, case: CareCase, node: ObservedNode) -> None:
        """Act again where the cluster is not as the case says; leave others' drains alone."""
        up = node.state is NodeState.UP
        if case.stage is CareStage.DRAINED and up:
            self._carry_out_care_stage(case, "again")
        elif (
            case.stage is CareStage.PROBATION
            and not up
            and node.reason.startswith(CARE_REASON_PREFIX)
        ):
            self._tries[case.node] += 1
            self._carry_out_care_stage(case, "again")
        elif self._tries:
            self._tries.pop(case.node, None)

    def _carry_out_care_stage(self, case: CareCase, reason: str) -> None:
        self._owed.discard(case.node)
        if self.dry_run:
            return
        try:
            carry_out_care_stage(self.backend, self.node_tester, case, reason)
        # No entry for a refusal: the move stands and is owed, and the next step tries again.
        except BackendError:
            self._tries[case.node] += 1
            self._owed.add(case.node)


class _OutOfService:
    """How many nodes of a partition are out of service, counted when first asked."""

    def __init__(self, observation: ClusterObservation, cases: Mapping[str, CareCase]) -> None:
        self._seen, self._cases = observation, cases
        self._counted: dict[_Partition, list[int]] = {}

    def out_and_total_node_counts_of_partition(self, node: ObservedNode) -> list[int]:
        """Return nodes out and nodes in all of a node's partition; the first may be raised."""
        if not self._counted:
            self._count_nodes_out_by_partition()
        return self._counted[node.site, node.gpu_type]

    def _count_nodes_out_by_partition(self) -> None:
        for node in self._seen.nodes:
            count = self._counted.setdefault((node.site, node.gpu_type), [0, 0])
            case = self._cases.get(node.name)
            gone = case is not None and case.stage in OUT_OF_SERVICE
            count[0] += node.state is not NodeState.UP or gone
            count[1] += 1


def _busy_node_names(jobs: Iterable[ObservedJob]) -> set[str]:
    return {place.node for job in jobs if job.phase in PHASES_ON_NODES for place in job.places}


def _unanswering_node_findings(observation: ClusterObservation) -> list[NodeFinding]:
    """Return a finding for each node that fell silent, not those that somebody took out."""
    return [
        NodeFinding(
            node=node.name,
            component=Component.HOST,
            severity=Severity.FATAL,
            rule="not-answering",
            first_s=observation.at_s,
            last_s=observation.at_s,
            evidence=(f"backend says {node.state}",),
        )
        for node in observation.nodes
        if node.state is NodeState.DOWN
        and node.reason.strip().lower().rstrip(".") in _SILENT_REASONS
    ]
