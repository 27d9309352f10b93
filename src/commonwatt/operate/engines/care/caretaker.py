"""The caretaker: looks, decides by the table, writes, acts; never the other way round.

One step takes each node at most one move further. A move is first written into the
journal and then acted on; what was written and not acted on, because the caretaker was
killed or the engine refused, is acted on in the next step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from commonwatt.operate.domain.care.cases import FREEZE, HOLD, MOVE, Case, move_body
from commonwatt.operate.domain.care.findings import Component, Finding, Severity, worst
from commonwatt.operate.domain.care.lifecycle import (
    CARE,
    OUT_OF_SERVICE,
    Stage,
    can_move,
    check_move,
)
from commonwatt.operate.domain.care.policy import CarePolicy, check_policy
from commonwatt.operate.domain.cluster import ON_NODES, Engine, JobSeen, NodeSeen, NodeState, Seen
from commonwatt.operate.domain.errors import EngineError
from commonwatt.operate.engines.care.decide import Look, Want, decide
from commonwatt.operate.engines.care.detect.rules import RuleBook
from commonwatt.operate.io.care.journal import CaseBook, Journal
from commonwatt.operate.io.care.repairs import MARK, NoWorkshop, Workshop, act, needs_act

_SILENT_REASONS = ("", "not responding")
_Partition = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
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
    origin: Stage
    to: Stage
    reason: str
    held: str = ""


class Caretaker:
    """Keeps a cluster healthy within the bounds of a policy.

    Args:
        engine: The cluster.
        journal: Where it is written down, before it is done.
        policy: The bounds.
        workshop: Who resets and tests.
        rules: The rules that samples go through; told when a node was repaired.
        dry_run: Decide and write, and touch nothing; give it a journal in memory.
    """

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        *,
        policy: CarePolicy | None = None,
        workshop: Workshop | None = None,
        rules: RuleBook | None = None,
        dry_run: bool = False,
    ) -> None:
        self.policy = policy or CarePolicy()
        check_policy(self.policy)
        self.engine, self.workshop = engine, workshop or NoWorkshop()
        self.rules, self.dry_run = rules or RuleBook(), dry_run
        self.book = CaseBook(journal)
        self._findings: dict[str, Finding] = {}
        self._grave_at: dict[str, float] = {}
        self._tries: Counter[str] = Counter()
        self._were_out = set[str]()
        self._owed = {case.node for case in self.book.cases.values()}

    def step(self, findings: Iterable[Finding] = ()) -> list[Step]:
        """Look once at the cluster and take each node at most one move further.

        Args:
            findings: What detectors found since the last step.
        """
        self.book.refresh()
        self._forgive()
        seen = self.engine.observe()
        self._take(findings, seen)
        out = _Out(seen, self.book.cases)
        steps = self._doubt(seen)
        busy = _busy(seen.jobs.values())
        for node in self._concerned(seen):
            step = self._one(node, node.name in busy, seen.at_s, out)
            steps += [step] if step else []
        self._were_out = {n for n, c in self.book.cases.items() if c.stage in OUT_OF_SERVICE}
        return steps

    def _forgive(self) -> None:
        """Drop what was found on nodes that a person brought back since the last step."""
        for node in self._were_out - self.book.cases.keys():
            self._findings.pop(node, None)
            self._grave_at.pop(node, None)
            self.rules.forget(node)

    def _take(self, findings: Iterable[Finding], seen: Seen) -> None:
        """Keep the worst fresh finding of each node, those of the engine's own included."""
        by_node: dict[str, list[Finding]] = {}
        gone = [f for f in _not_answering(seen) if not self._settling(f.node, seen.at_s)]
        for finding in (*findings, *self.rules.silent(seen.at_s), *gone):
            by_node.setdefault(finding.node, []).append(finding)
        fresh = seen.at_s - self.policy.alarm_window_s
        self._findings = {n: f for n, f in self._findings.items() if f.last_s >= fresh}
        for node, found in by_node.items():
            kept = [self._findings[node]] if node in self._findings else []
            self._findings[node] = worst([*found, *kept])

    def _settling(self, node: str, now_s: float) -> bool:
        """Return whether a node was returned just now and may take its time to answer."""
        case = self.book.cases.get(node)
        if case is None or case.stage is not Stage.PROBATION:
            return False
        return now_s - case.since_s < self.policy.settle_s

    def _concerned(self, seen: Seen) -> list[NodeSeen]:
        cases = self.book.cases
        return [n for n in seen.nodes if n.name in self._findings or n.name in cases]

    def _doubt(self, seen: Seen) -> list[Step]:
        """Stop draining where so many nodes look bad at once that the detectors are doubted."""
        grave = [f for f in self._findings.values() if f.severity is not Severity.SUSPECT]
        self._grave_at |= {f.node: f.last_s for f in grave}
        limit_s = seen.at_s - self.policy.alarm_window_s
        self._grave_at = {n: at_s for n, at_s in self._grave_at.items() if at_s >= limit_s}
        if self.book.frozen or not self._grave_at:
            return []
        states = {node.name: node.state for node in seen.nodes}
        alive = sum(states.get(n) != NodeState.DOWN or self._ours(n) for n in self._grave_at)
        if alive <= self.policy.most_alarmed(len(seen.nodes)):
            return []
        body = {"nodes": alive, "of": len(seen.nodes), "window_s": self.policy.alarm_window_s}
        self.book.write(seen.at_s, FREEZE, "", body)
        reason = f"{alive} of {len(seen.nodes)} nodes at once"
        return [Step(at_s=seen.at_s, node="", origin=Stage.IN_SERVICE, to=Stage.DRAINED,
                     reason=reason, held="freeze")]  # fmt: skip

    def _ours(self, node: str) -> bool:
        case = self.book.cases.get(node)
        return case is not None and case.stage in OUT_OF_SERVICE

    def _one(self, node: NodeSeen, busy: bool, now_s: float, out: _Out) -> Step | None:
        case = self.book.case(node.name, now_s)
        if case.node in self._owed:
            self._act(case, "again")
        look = Look(
            now_s=now_s,
            state=node.state,
            busy=busy,
            boot_at_s=node.boot_at_s,
            finding=self._findings.get(node.name),
            heard_at_s=self.rules.heard_at(node.name),
            passed=self.workshop.tested(node.name) if case.stage is Stage.TEST else None,
        )
        want = self._refused(case) or decide(case, look, self.policy)
        if want is None:
            self._settle(case, node)
            return None
        return self._pursue(case, want, look, out.of(node))

    def _refused(self, case: Case) -> Want | None:
        """Hand a node over whose acts the engine keeps refusing."""
        if self._tries[case.node] <= self.policy.tries:
            return None
        if not can_move(case.stage, Stage.HANDED_OVER, CARE):
            return None
        del self._tries[case.node]
        return Want(Stage.HANDED_OVER, "the engine refuses")

    def _pursue(self, case: Case, want: Want, look: Look, out: list[int]) -> Step | None:
        held = self._held(case, want, look, out)
        if held:
            return self._hold(case, want, held, look.now_s)
        if want.to is Stage.DRAINED and look.state is NodeState.UP:
            out[0] += 1
        check_move(case.node, case.stage, want.to, CARE)
        body = move_body(case, want.to, want.reason, look.finding)
        self.book.write(look.now_s, MOVE, case.node, body)
        moved = self.book.case(case.node, look.now_s)
        if needs_act(case.stage, want.to):
            self._act(moved, want.reason)
        if want.to in (Stage.TEST, Stage.PROBATION):
            self._findings.pop(case.node, None)
            self.rules.forget(case.node)
        return Step(
            at_s=look.now_s, node=case.node, origin=case.stage, to=want.to, reason=want.reason
        )

    def _held(self, case: Case, want: Want, look: Look, out: list[int]) -> str:
        """Return why a move must wait, or nothing."""
        if want.to is Stage.DRAINED and look.state is NodeState.UP:
            if self.book.frozen:
                return "freeze"
            if out[0] >= self.policy.most_out(out[1]):
                return "budget"
        component = look.finding.component if look.finding else case.component
        asks = (component, want.to) in self.policy.ask
        return "approval" if asks and case.approved is not want.to else ""

    def _hold(self, case: Case, want: Want, held: str, now_s: float) -> Step | None:
        """Write once that a move waits, and for what."""
        if case.held is want.to:
            return None
        body = {"to": str(want.to), "reason": want.reason, "for": held}
        self.book.write(now_s, HOLD, case.node, body)
        return Step(at_s=now_s, node=case.node, origin=case.stage, to=want.to,
                    reason=want.reason, held=held)  # fmt: skip

    def _settle(self, case: Case, node: NodeSeen) -> None:
        """Act again where the cluster is not as the case says; leave others' drains alone."""
        up = node.state is NodeState.UP
        if case.stage is Stage.DRAINED and up:
            self._act(case, "again")
        elif case.stage is Stage.PROBATION and not up and node.reason.startswith(MARK):
            self._tries[case.node] += 1
            self._act(case, "again")
        elif self._tries:
            self._tries.pop(case.node, None)

    def _act(self, case: Case, reason: str) -> None:
        self._owed.discard(case.node)
        if self.dry_run:
            return
        try:
            act(self.engine, self.workshop, case, reason)
        except EngineError:
            self._tries[case.node] += 1
            self._owed.add(case.node)


class _Out:
    """How many nodes of a partition are out of service, counted when first asked."""

    def __init__(self, seen: Seen, cases: Mapping[str, Case]) -> None:
        self._seen, self._cases = seen, cases
        self._counted: dict[_Partition, list[int]] = {}

    def of(self, node: NodeSeen) -> list[int]:
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


def _busy(jobs: Iterable[JobSeen]) -> set[str]:
    return {place.node for job in jobs if job.phase in ON_NODES for place in job.places}


def _not_answering(seen: Seen) -> list[Finding]:
    """Return a finding for each node that fell silent, not those that somebody took out."""
    return [
        Finding(
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
