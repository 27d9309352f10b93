"""The caretaker: looks, decides by the table, writes, acts; never the other way round.

One step takes each node at most one move further. A move is first written into the
journal and then acted on; what was written and not acted on, because the caretaker was
killed or the engine refused, is acted on in the next step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from commonwatt.operate.domain.care.cases import FREEZE, HOLD, MOVE, CareCase, move_body
from commonwatt.operate.domain.care.findings import Component, NodeFinding, Severity, worst
from commonwatt.operate.domain.care.lifecycle import (
    CARE,
    OUT_OF_SERVICE,
    CareStage,
    can_move,
    check_move,
)
from commonwatt.operate.domain.care.policy import CarePolicy, check_policy
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    ClusterBackend,
    ClusterObservation,
    NodeState,
    ObservedJob,
    ObservedNode,
)
from commonwatt.operate.domain.errors import BackendError
from commonwatt.operate.engines.care.decide import NodeObservation, ProposedMove, next_move
from commonwatt.operate.engines.care.detect.rules import DetectionRuleBook
from commonwatt.operate.io.care.journal import CaseBook, Journal
from commonwatt.operate.io.care.repairs import (
    CARE_REASON_PREFIX,
    NodeTester,
    NoNodeTester,
    carry_out_stage,
    needs_action,
)

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
        workshop: Who resets and tests.
        rules: The rules that samples go through; told when a node was repaired.
        dry_run: Decide and write, and touch nothing; give it a journal in memory.
    """

    def __init__(
        self,
        backend: ClusterBackend,
        journal: Journal,
        *,
        policy: CarePolicy | None = None,
        workshop: NodeTester | None = None,
        rules: DetectionRuleBook | None = None,
        dry_run: bool = False,
    ) -> None:
        self.policy = policy or CarePolicy()
        check_policy(self.policy)
        self.backend, self.workshop = backend, workshop or NoNodeTester()
        self.rules, self.dry_run = rules or DetectionRuleBook(), dry_run
        self.cases = CaseBook(journal)
        self._findings: dict[str, NodeFinding] = {}
        self._grave_at: dict[str, float] = {}
        self._tries: Counter[str] = Counter()
        self._were_out = set[str]()
        self._owed = {case.node for case in self.cases.cases.values()}

    def step(self, findings: Iterable[NodeFinding] = ()) -> list[CareStep]:
        """Look once at the cluster and take each node at most one move further.

        Args:
            findings: What detectors found since the last step.
        """
        self.cases.refresh()
        self._forgive()
        seen = self.backend.observe()
        self._take(findings, seen)
        out = _OutOfService(seen, self.cases.cases)
        steps = self._doubt(seen)
        busy = _busy(seen.jobs.values())
        for node in self._concerned(seen):
            step = self._one(node, node.name in busy, seen.at_s, out)
            steps += [step] if step else []
        self._were_out = {n for n, c in self.cases.cases.items() if c.stage in OUT_OF_SERVICE}
        return steps

    def _forgive(self) -> None:
        """Drop what was found on nodes that a person brought back since the last step."""
        for node in self._were_out - self.cases.cases.keys():
            self._findings.pop(node, None)
            self._grave_at.pop(node, None)
            self.rules.forget(node)

    def _take(self, findings: Iterable[NodeFinding], seen: ClusterObservation) -> None:
        """Keep the worst fresh finding of each node, those of the engine's own included."""
        by_node: dict[str, list[NodeFinding]] = {}
        gone = [f for f in _not_answering(seen) if not self._settling(f.node, seen.at_s)]
        for finding in (*findings, *self.rules.silent_nodes(seen.at_s), *gone):
            by_node.setdefault(finding.node, []).append(finding)
        fresh = seen.at_s - self.policy.alarm_window_s
        self._findings = {n: f for n, f in self._findings.items() if f.last_s >= fresh}
        for node, found in by_node.items():
            kept = [self._findings[node]] if node in self._findings else []
            self._findings[node] = worst([*found, *kept])

    def _settling(self, node: str, now_s: float) -> bool:
        """Return whether a node was returned just now and may take its time to answer."""
        case = self.cases.cases.get(node)
        if case is None or case.stage is not CareStage.PROBATION:
            return False
        return now_s - case.since_s < self.policy.settle_s

    def _concerned(self, seen: ClusterObservation) -> list[ObservedNode]:
        cases = self.cases.cases
        return [n for n in seen.nodes if n.name in self._findings or n.name in cases]

    def _doubt(self, seen: ClusterObservation) -> list[CareStep]:
        """Stop draining where so many nodes look bad at once that the detectors are doubted."""
        grave = [f for f in self._findings.values() if f.severity is not Severity.SUSPECT]
        self._grave_at |= {f.node: f.last_s for f in grave}
        limit_s = seen.at_s - self.policy.alarm_window_s
        self._grave_at = {n: at_s for n, at_s in self._grave_at.items() if at_s >= limit_s}
        if self.cases.frozen or not self._grave_at:
            return []
        states = {node.name: node.state for node in seen.nodes}
        alive = sum(states.get(n) != NodeState.DOWN or self._ours(n) for n in self._grave_at)
        if alive <= self.policy.most_alarmed(len(seen.nodes)):
            return []
        body = {"nodes": alive, "of": len(seen.nodes), "window_s": self.policy.alarm_window_s}
        self.cases.write(seen.at_s, FREEZE, "", body)
        reason = f"{alive} of {len(seen.nodes)} nodes at once"
        return [CareStep(at_s=seen.at_s, node="", origin=CareStage.IN_SERVICE, to=CareStage.DRAINED,
                     reason=reason, held="freeze")]  # fmt: skip

    def _ours(self, node: str) -> bool:
        case = self.cases.cases.get(node)
        return case is not None and case.stage in OUT_OF_SERVICE

    def _one(
        self, node: ObservedNode, busy: bool, now_s: float, out: _OutOfService
    ) -> CareStep | None:
        case = self.cases.case(node.name, now_s)
        if case.node in self._owed:
            self._act(case, "again")
        look = NodeObservation(
            now_s=now_s,
            state=node.state,
            busy=busy,
            boot_at_s=node.boot_at_s,
            finding=self._findings.get(node.name),
            heard_at_s=self.rules.heard_at(node.name),
            test_passed=self.workshop.test_result(node.name)
            if case.stage is CareStage.TEST
            else None,
        )
        want = self._refused(case) or next_move(case, look, self.policy)
        if want is None:
            self._settle(case, node)
            return None
        return self._pursue(case, want, look, out.of(node))

    def _refused(self, case: CareCase) -> ProposedMove | None:
        """Hand a node over whose acts the engine keeps refusing."""
        if self._tries[case.node] <= self.policy.tries:
            return None
        if not can_move(case.stage, CareStage.HANDED_OVER, CARE):
            return None
        del self._tries[case.node]
        return ProposedMove(CareStage.HANDED_OVER, "the engine refuses")

    def _pursue(
        self, case: CareCase, want: ProposedMove, look: NodeObservation, out: list[int]
    ) -> CareStep | None:
        held = self._held(case, want, look, out)
        if held:
            return self._hold(case, want, held, look.now_s)
        if want.to is CareStage.DRAINED and look.state is NodeState.UP:
            out[0] += 1
        check_move(case.node, case.stage, want.to, CARE)
        body = move_body(case, want.to, want.reason, look.finding)
        self.cases.write(look.now_s, MOVE, case.node, body)
        moved = self.cases.case(case.node, look.now_s)
        if needs_action(case.stage, want.to):
            self._act(moved, want.reason)
        if want.to in (CareStage.TEST, CareStage.PROBATION):
            self._findings.pop(case.node, None)
            self.rules.forget(case.node)
        return CareStep(
            at_s=look.now_s, node=case.node, origin=case.stage, to=want.to, reason=want.reason
        )

    def _held(
        self, case: CareCase, want: ProposedMove, look: NodeObservation, out: list[int]
    ) -> str:
        """Return why a move must wait, or nothing."""
        if want.to is CareStage.DRAINED and look.state is NodeState.UP:
            if self.cases.frozen:
                return "freeze"
            if out[0] >= self.policy.most_out(out[1]):
                return "budget"
        component = look.finding.component if look.finding else case.component
        asks = (component, want.to) in self.policy.ask
        return "approval" if asks and case.approved is not want.to else ""

    def _hold(self, case: CareCase, want: ProposedMove, held: str, now_s: float) -> CareStep | None:
        """Write once that a move waits, and for what."""
        if case.held_move is want.to:
            return None
        body = {"to": str(want.to), "reason": want.reason, "for": held}
        self.cases.write(now_s, HOLD, case.node, body)
        return CareStep(at_s=now_s, node=case.node, origin=case.stage, to=want.to,
                    reason=want.reason, held=held)  # fmt: skip

    def _settle(self, case: CareCase, node: ObservedNode) -> None:
        """Act again where the cluster is not as the case says; leave others' drains alone."""
        up = node.state is NodeState.UP
        if case.stage is CareStage.DRAINED and up:
            self._act(case, "again")
        elif (
            case.stage is CareStage.PROBATION
            and not up
            and node.reason.startswith(CARE_REASON_PREFIX)
        ):
            self._tries[case.node] += 1
            self._act(case, "again")
        elif self._tries:
            self._tries.pop(case.node, None)

    def _act(self, case: CareCase, reason: str) -> None:
        self._owed.discard(case.node)
        if self.dry_run:
            return
        try:
            carry_out_stage(self.backend, self.workshop, case, reason)
        except BackendError:
            self._tries[case.node] += 1
            self._owed.add(case.node)


class _OutOfService:
    """How many nodes of a partition are out of service, counted when first asked."""

    def __init__(self, observation: ClusterObservation, cases: Mapping[str, CareCase]) -> None:
        self._seen, self._cases = observation, cases
        self._counted: dict[_Partition, list[int]] = {}

    def of(self, node: ObservedNode) -> list[int]:
        """Return nodes out and nodes in all of a node's partition; the first may be raised."""
        if not self._counted:
            self._count()
        return self._counted[node.site, node.gpu_type]

    def _count(self) -> None:
        for node in self._seen.nodes:
            count = self._counted.setdefault((node.site, node.gpu_type), [0, 0])
            case = self._cases.get(node.name)
            gone = case is not None and case.stage in OUT_OF_SERVICE
            count[0] += node.state is not NodeState.UP or gone
            count[1] += 1


def _busy(jobs: Iterable[ObservedJob]) -> set[str]:
    return {place.node for job in jobs if job.phase in PHASES_ON_NODES for place in job.places}


def _not_answering(seen: ClusterObservation) -> list[NodeFinding]:
    """Return a finding for each node that fell silent, not those that somebody took out."""
    return [
        NodeFinding(
            node=node.name,
            component=Component.HOST,
            severity=Severity.FATAL,
            rule="not-answering",
            first_s=seen.at_s,
            last_s=seen.at_s,
            evidence=(f"engine says {node.state}",),
        )
        for node in seen.nodes
        if node.state is NodeState.DOWN
        and node.reason.strip().lower().rstrip(".") in _SILENT_REASONS
    ]
