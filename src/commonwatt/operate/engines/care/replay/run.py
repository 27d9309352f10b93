"""The replay: faults strike, telemetry shows them, care acts, a gang starts over.

The caretaker, its rules and its policy are those of the live cluster. The gang is one
job over many nodes that stops when any of them fails; it keeps the work up to its last
save. Every second of its life is put into one account, and the accounts must add up.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream
from commonwatt.operate.domain.care.findings import NodeFinding, TelemetrySample
from commonwatt.operate.domain.care.lifecycle import CareStage
from commonwatt.operate.domain.cluster import JobPhase, JobRequest, NodeAllocation, NodeState
from commonwatt.operate.engines.care.caretaker import CareStep, Caretaker
from commonwatt.operate.engines.care.checkpoints import care_daly_checkpoint_interval_s
from commonwatt.operate.engines.care.detect.rules import (
    DEFAULT_RULES,
    XID,
    DetectionRuleBook,
    SampleTest,
)
from commonwatt.operate.engines.care.operator import CareOperator
from commonwatt.operate.engines.care.replay.cluster import SimCluster
from commonwatt.operate.engines.care.replay.faults import DAY_S, NodeFault
from commonwatt.operate.engines.care.replay.setting import ReplaySetting
from commonwatt.operate.engines.care.replay.signs import (
    false_telemetry_instants_nodes_and_kinds,
    telemetry_samples_of_false_fault,
    telemetry_signs_of_node_fault,
)
from commonwatt.operate.io.care.journal import MemoryJournal

_JOB = "gang"
_REPAIRING = frozenset({CareStage.DRAINED, CareStage.RESET, CareStage.REBOOT, CareStage.TEST})
_IDLE_EVERY_S = 1800.0
_REPAIR_EVERY_S = 30.0
_REPEAT_AFTER_S = 120.0
"""Longer than any fault takes to become a finding."""


@dataclass(slots=True)
class GangTime:
    """Where the gang's time went [s]."""

    kept: float = 0.0
    """Work that was saved."""
    saving: float = 0.0
    lost: float = 0.0
    """Work since the last save before an interruption."""
    isolating: float = 0.0
    """From the first moment of a fault until its node was out."""
    restarting: float = 0.0
    waiting: float = 0.0
    """For enough sound nodes."""

    def total_s(self) -> float:
        """Return the sum of all accounts."""
        parts = (self.kept, self.saving, self.lost, self.isolating, self.restarting, self.waiting)
        return sum(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class CareOutcome:
    """What a replay shows.

    Args:
        account: Where the gang's time went.
        wall_s: Length of the replay [s].
        save_every_s: Work between two saves [s].
        interruptions: Times that the gang was stopped.
        isolation_s: From each fault that stopped the gang until its node was out [s].
        drains: Nodes that care took out.
        false_drains: Of these, nodes with nothing wrong.
        node_days: Length times nodes [days].
        handed_over: Nodes that went to a person.
        moves: Moves of care by the stage they led to.
        mean_out: Nodes out of service, mean over the observations.
    """

    account: GangTime
    wall_s: float
    save_every_s: float
    interruptions: int
    isolation_s: tuple[float, ...]
    drains: int
    false_drains: int
    node_days: float
    handed_over: int
    moves: dict[str, int]
    mean_out: float

    @property
    def effective_training_share(self) -> float:
        """Effective training time: kept work over wall time."""
        return self.account.kept / self.wall_s

    @property
    def false_drains_per_1000_node_days(self) -> float:
        """Nodes drained with nothing wrong, per thousand node-days."""
        return 1000 * self.false_drains / self.node_days


def replay_gang_in_care(
    faults: Sequence[NodeFault], setting: ReplaySetting, *, save_every_s: float = 0.0
) -> CareOutcome:
    """Return what becomes of a gang under these faults and this care.

    Args:
        faults: What strikes, in order of time.
        setting: The fleet and how fast things go.
        save_every_s: Work between two saves [s]; 0 takes Daly's advice for the faults.

    Raises:
        IdentityError: The gang's accounts do not add up to the wall time.
    """
    stops = sum(fault.symptom.stops for fault in faults)
    # Of the gang and by the faults that stop it: a hot fan drains a node, and costs no save.
    mtbf_s = setting.days * DAY_S / max(stops, 1)
    care_replay = _CareReplay(
        setting, save_every_s or care_daly_checkpoint_interval_s(setting.save_s, mtbf_s)
    )
    care_replay.queue_node_faults(faults)
    return care_replay.run()


@dataclass(order=True, slots=True)
class _ReplayEvent:
    at_s: float
    number: int
    kind: str = field(compare=False)
    node: int = field(compare=False, default=-1)
    fault: NodeFault | None = field(compare=False, default=None)
    samples: tuple[TelemetrySample, ...] = field(compare=False, default=())


class _CareReplay:
    """One replay under way."""

    def __init__(self, setting: ReplaySetting, save_every_s: float) -> None:
        self.setting, self.save_every_s = setting, save_every_s
        self.names = [f"n{i:05d}" for i in range(setting.nodes)]
        self.number_of = {name: i for i, name in enumerate(self.names)}
        self.cluster = SimCluster(names=self.names, timings=setting.timings, gpus=setting.gpus)
        # The replay tells only of what changes, so that silence means nothing here; live
        # telemetry repeats itself.
        rules = [rule for rule in DEFAULT_RULES if rule.test is not SampleTest.SILENCE]
        self.rules, journal = DetectionRuleBook(rules), MemoryJournal()
        self.care = Caretaker(self.cluster, journal, policy=setting.policy,
                              node_tester=self.cluster, rules=self.rules)  # fmt: skip
        self.operator = CareOperator(self.cluster, journal, self.cluster)
        self.phase = named_random_stream(setting.seed, "care.phases").random(setting.nodes)
        self.events: list[_ReplayEvent] = []
        self.queued = 0
        self.next_observation_at_s = math.inf
        self.active: dict[str, NodeFault] = {}
        self.findings: list[NodeFinding] = []
        self.account, self.isolation_s = GangTime(), list[float]()
        self.since_s, self.state = 0.0, "waiting"
        self.members: frozenset[str] = frozenset()
        self.moves: Counter[str] = Counter()
        self.false_drains = self.interruptions = self.observations = self.out_sum = 0

    def queue_node_faults(self, faults: Sequence[NodeFault]) -> None:
        """Queue what will happen."""
        for fault in faults:
            self._queue_replay_event(fault.at_s, "fault", node=fault.node, fault=fault)
        for count, (at_s, node, kind) in enumerate(
            false_telemetry_instants_nodes_and_kinds(self.setting), start=1
        ):
            samples = telemetry_samples_of_false_fault(kind, self.names[node], at_s, count)
            self._queue_replay_event(at_s, "sign", samples=tuple(samples))

    def run(self) -> CareOutcome:
        """Return the outcome after the last day."""
        end_s = self.setting.days * DAY_S
        self.cluster.submit(JobRequest(job_id=_JOB, argv=("train",), gpus=self.setting.gang))
        self._observe_step_care_and_start_gang(0.0)
        while True:
            at_s = min(self.events[0].at_s if self.events else math.inf, self.next_observation_at_s)
            # What would happen at the very end is left out, so that accounts end at the same
            # instant as the wall clock.
            if at_s >= end_s:
                break
            if self.next_observation_at_s <= at_s:
                self._observe_step_care_and_start_gang(self.next_observation_at_s)
            else:
                self._handle_replay_event(heapq.heappop(self.events))
        self._enter_gang_state_booking_time_spent("over", end_s)
        return self._care_outcome(end_s)

    def _queue_replay_event(self, at_s: float, kind: str, **details: object) -> None:
        event = _ReplayEvent(at_s, self.queued, kind, **details)  # pyright: ignore[reportArgumentType]
        self.queued += 1
        heapq.heappush(self.events, event)

    def _handle_replay_event(self, event: _ReplayEvent) -> None:
        match event.kind:
            case "fault":
                self._handle_node_fault(event)
            case "sign":
                self._handle_telemetry_sign(event)
            case "repaired":
                self._handle_node_repair(self.names[event.node], event.at_s)
            case "work" if self.state == "restarting":
                self._enter_gang_state_booking_time_spent("working", event.at_s)
            case "crashed" if self.state == "crashed":
                self.cluster.requeue(_JOB, "crashed")
                self._schedule_care_observation_after(event.at_s)
            case _:
                pass

    def _handle_node_fault(self, event: _ReplayEvent) -> None:
        fault = event.fault
        if fault is None:
            return
        if fault.node < 0:
            if self.state == "working":
                self._interrupt_gang("crashed", event.at_s)
                self._queue_replay_event(event.at_s + self.setting.crash_s, "crashed")
            return
        name = self.names[fault.node]
        # A node that is broken already does not break twice: histories may hold repairs that
        # overlap.
        if name in self.active:
            return
        self.active[name] = fault
        self.cluster.broken[name] = fault.heals
        for sample in telemetry_signs_of_node_fault(
            fault, name, float(self.phase[fault.node]), self.setting
        ):
            self._queue_replay_event(sample.at_s, "sign", samples=(sample,))
        if fault.symptom.stops and name in self.members and self.state != "stalled":
            self._interrupt_gang("stalled", event.at_s)

    def _interrupt_gang(self, state: str, at_s: float) -> None:
        self.interruptions += 1
        self._enter_gang_state_booking_time_spent(state, at_s)

    def _handle_telemetry_sign(self, event: _ReplayEvent) -> None:
        findings = self.rules.observe_telemetry(event.samples)
        if findings:
            self.findings += findings
            self._schedule_care_observation_after(max(finding.last_s for finding in findings))

    def _schedule_care_observation_after(self, at_s: float) -> None:
        period = self.setting.observe_every_s
        self.next_observation_at_s = min(
            self.next_observation_at_s, math.ceil(at_s / period) * period
        )

    def _observe_step_care_and_start_gang(self, at_s: float) -> None:
        """Let care look, and then the gang start if it can."""
        self.cluster.now_s = at_s
        cases = self.care.cases.cases
        self.rules.observe_telemetry(
            TelemetrySample(at_s, node, "heard", 1.0)
            for node, c in cases.items()
            if c.stage is CareStage.TEST
        )
        self._repeat_telemetry_of_active_faults(at_s)
        findings, self.findings = self.findings, []
        for step in self.care.step(findings):
            self._count_care_step(step)
        healed = [name for name in self.active if name not in self.cluster.broken]
        for name in healed:
            del self.active[name]
        self._start_gang(at_s)
        self.observations += 1
        self.out_sum += len(cases)
        repairing = any(case.stage in _REPAIRING for case in cases.values())
        repairing |= self.state == "stalled"
        self.next_observation_at_s = at_s + (_REPAIR_EVERY_S if repairing else _IDLE_EVERY_S)

    def _repeat_telemetry_of_active_faults(self, at_s: float) -> None:
        """Let telemetry show faults for as long as they last on a node that is up."""
        for name, fault in self.active.items():
            if name not in self.care.cases.cases and at_s - fault.at_s > _REPEAT_AFTER_S:
                late_fault = replace(fault, at_s=at_s - _REPEAT_AFTER_S)
                phase = float(self.phase[fault.node])
                self.rules.observe_telemetry(
                    [TelemetrySample(late_fault.at_s, name, XID, 0.0, "0")]
                )
                self.findings += self.rules.observe_telemetry(
                    telemetry_signs_of_node_fault(late_fault, name, phase, self.setting)
                )

    def _count_care_step(self, step: CareStep) -> None:
        if step.held:
            self.moves[f"held for {step.held}"] += 1
            return
        self.moves[str(step.to)] += 1
        fault = self.active.get(step.node)
        if step.to is CareStage.DRAINED:
            self.false_drains += fault is None
            if fault and fault.symptom.stops and step.node in self.members:
                self.isolation_s.append(step.at_s - fault.at_s)
        if step.to is CareStage.TEST:
            self.rules.observe_telemetry([TelemetrySample(step.at_s, step.node, XID, 0.0, "0")])
        if step.to is CareStage.HANDED_OVER:
            repair_s = fault.repair_s if fault else self.setting.policy.test_s
            self._queue_replay_event(
                step.at_s + repair_s, "repaired", node=self.number_of[step.node]
            )

    def _handle_node_repair(self, name: str, at_s: float) -> None:
        self.cluster.now_s = at_s
        self.cluster.broken.pop(name, None)
        self.active.pop(name, None)
        self.rules.observe_telemetry([TelemetrySample(at_s, name, XID, 0.0, "0")])
        self.operator.move_node(name, CareStage.TEST, reason="repaired", now_s=at_s)
        self._schedule_care_observation_after(at_s)

    def _start_gang(self, at_s: float) -> None:
        """Start the gang where it is held and enough nodes are up."""
        if self.cluster.jobs[_JOB].phase is not JobPhase.HELD:
            return
        self._enter_gang_state_booking_time_spent("waiting", at_s)
        up = [n.name for n in self.cluster.observe().nodes if n.state is NodeState.UP]
        if len(up) < self.setting.gang:
            self.members = frozenset()
            return
        chosen = up[: self.setting.gang]
        self.cluster.start(_JOB, [NodeAllocation(node=name) for name in chosen])
        self.members = frozenset(chosen)
        self._enter_gang_state_booking_time_spent("restarting", at_s)
        if any(n in self.members and f.symptom.stops for n, f in self.active.items()):
            self._interrupt_gang("stalled", at_s)
        else:
            self._queue_replay_event(at_s + self.setting.restart_s, "work")

    def _enter_gang_state_booking_time_spent(self, state: str, at_s: float) -> None:
        """Book the time of the state that ends now."""
        spent_s = at_s - self.since_s
        if self.state == "working":
            self._account_gang_work(spent_s)
        elif self.state in ("stalled", "crashed"):
            self.account.isolating += spent_s
        elif self.state == "restarting":
            self.account.restarting += spent_s
        else:
            self.account.waiting += spent_s
        self.state, self.since_s = state, at_s

    def _account_gang_work(self, spent_s: float) -> None:
        # Whole rounds of work and save; what was begun after the last save is lost with the
        # interruption.
        rounds = math.floor(spent_s / (self.save_every_s + self.setting.save_s))
        saved_work_s, saving_s = rounds * self.save_every_s, rounds * self.setting.save_s
        self.account.kept += saved_work_s
        self.account.saving += saving_s
        self.account.lost += spent_s - saved_work_s - saving_s

    def _care_outcome(self, end_s: float) -> CareOutcome:
        # Relative, because the accounts are sums of many floats; a state that was never booked
        # would be missing whole seconds.
        if abs(self.account.total_s() - end_s) > 1e-6 * end_s:
            raise IdentityError(
                "replay",
                found=f"{self.account.total_s():.3f} s",
                wanted=Message("accounts that add up to {wall} s", {"wall": f"{end_s:.3f}"}),
            )
        return CareOutcome(
            account=self.account,
            wall_s=end_s,
            save_every_s=self.save_every_s,
            interruptions=self.interruptions,
            isolation_s=tuple(self.isolation_s),
            drains=self.moves[str(CareStage.DRAINED)],
            false_drains=self.false_drains,
            node_days=self.setting.nodes * self.setting.days,
            handed_over=self.moves[str(CareStage.HANDED_OVER)],
            moves=dict(sorted(self.moves.items())),
            mean_out=self.out_sum / max(self.observations, 1),
        )
