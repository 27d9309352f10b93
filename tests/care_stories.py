"""Six stories from the field, told once and played on any backend.

Each takes a `World`: a cluster with care on it. What differs between the simulated
cluster and Slurm is only how time passes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from commonwatt.operate.domain.care.cases import HOLD
from commonwatt.operate.domain.care.findings import TelemetrySample
from commonwatt.operate.domain.care.lifecycle import CareStage
from commonwatt.operate.domain.cluster import JobPhase, JobRequest, NodeAllocation, NodeState
from commonwatt.operate.engines.care.caretaker import CareStep, Caretaker
from commonwatt.operate.engines.care.detect.rules import XID, DetectionRuleBook

OUT = {NodeState.DRAINING, NodeState.DRAINED, NodeState.DOWN, NodeState.REBOOTING}


@dataclass
class World:
    """A cluster with care on it; `wait` lets a little time pass."""

    backend: Any
    node_tester: Any
    caretaker: Caretaker
    rules: DetectionRuleBook
    wait: Callable[[], None]
    break_node: Callable[[str], None]
    block_resume: Callable[[str], None]
    argv: tuple[str, ...] = ("sleep", "600")
    job: str = "train"
    steps: list[CareStep] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        return self.backend.observe().at_s

    def names(self) -> list[str]:
        return [node.name for node in self.backend.observe().nodes]

    def state(self, node: str) -> NodeState:
        return next(n.state for n in self.backend.observe().nodes if n.name == node)

    def phase(self, job: str) -> JobPhase:
        return self.backend.observe().jobs[job].phase

    def stage(self, node: str) -> CareStage:
        case = self.caretaker.cases.cases.get(node)
        return case.stage if case else CareStage.IN_SERVICE

    def tick(self, samples: Iterable[TelemetrySample] = ()) -> list[CareStep]:
        """Care looks once, with what telemetry brought."""
        steps = self.caretaker.step(self.rules.observe_telemetry(samples))
        self.steps += steps
        return steps

    def until(self, come: Callable[[], bool], *, looks: int = 600) -> None:
        """Let care look until something has come about."""
        for _ in range(looks):
            if come():
                return
            self.tick(
                [TelemetrySample(self.now_s, node, "heard", 1.0) for node in self.tested_nodes()]
            )
            self.wait()
        raise AssertionError(f"did not come about; care did {self.steps}")

    def tested_nodes(self) -> list[str]:
        return [n for n, c in self.caretaker.cases.cases.items() if c.stage is CareStage.TEST]

    def gang(self, job: str, nodes: list[str]) -> None:
        """Start a gang over whole nodes and see it run."""
        self.backend.submit(JobRequest(job_id=job, argv=self.argv, gpus=len(nodes)))
        self.place(job, nodes)

    def place(self, job: str, nodes: list[str]) -> None:
        self.backend.start(job, [NodeAllocation(node=node, gpus=(0,)) for node in nodes])
        self.until(lambda: self.phase(job) is JobPhase.RUNNING)

    def kinds(self, node: str = "") -> list[str]:
        return [e.kind for _, e in self.caretaker.cases.journal.entries_after(0) if e.node == node]

    def xid(self, node: str, code: int) -> list[TelemetrySample]:
        return [TelemetrySample(self.now_s, node, XID, float(code), "0")]

    def flaps(self, node: str, times: int, ago_s: float = 0.0) -> list[TelemetrySample]:
        """A link that goes down and up so often, once a minute until some time ago."""
        start = self.now_s - ago_s - 60.0 * times
        values = [1.0, *([0.0, 1.0] * times)]
        link_samples = [
            TelemetrySample(start + 30.0 * i, node, "link_up", v, "p0")
            for i, v in enumerate(values)
        ]
        return [*link_samples, TelemetrySample(self.now_s, node, "heard", 1.0)]


def fatal_check_with_no_action(world: World) -> None:
    """A check says fatal; elsewhere nothing came of it and the gang died there again."""
    bad, good, spare = world.names()[:3]
    world.gang(world.job, [bad, good])
    world.break_node(bad)

    world.tick(world.xid(bad, 79))

    assert world.stage(bad) is CareStage.DRAINED
    world.until(lambda: world.state(bad) in OUT)
    world.until(lambda: world.phase(world.job) is JobPhase.HELD)
    world.place(world.job, [good, spare])
    world.until(lambda: world.stage(bad) is CareStage.HANDED_OVER)
    assert world.state(bad) in OUT
    assert world.phase(world.job) is JobPhase.RUNNING


def flapping_link(world: World) -> None:
    """A link flaps: once is nothing, thrice is a repair, and after a repair a person."""
    node = world.names()[0]

    world.tick(world.flaps(node, 1, ago_s=7200.0))
    assert world.stage(node) is CareStage.IN_SERVICE

    world.tick(world.flaps(node, 3))
    assert world.steps[-1].reason == "link-flapping"
    world.until(lambda: world.stage(node) is CareStage.PROBATION)
    world.until(lambda: world.state(node) is NodeState.UP)

    world.tick(world.flaps(node, 3))
    world.until(lambda: world.stage(node) is CareStage.HANDED_OVER)
    tried = [step.to for step in world.steps if step.node == node]
    assert tried.count(CareStage.RESET) == 1
    assert world.state(node) in OUT


def blind_monitor(world: World) -> None:
    """A node's telemetry stops; elsewhere nobody noticed for twenty days."""
    blind, *others = world.names()[:3]
    world.gang(world.job, [blind])
    world.rules.expect_telemetry_of_nodes([blind], world.now_s - 400)
    world.rules.expect_telemetry_of_nodes(others, world.now_s)
    world.tick()
    assert world.stage(blind) is CareStage.WATCHED
    assert all(world.stage(node) is CareStage.IN_SERVICE for node in others)

    world.rules.__dict__["_heard"][blind] = world.now_s - 1000
    world.tick()

    assert world.stage(blind) is CareStage.REPORTED
    assert world.state(blind) is NodeState.UP
    assert world.phase(world.job) is JobPhase.RUNNING


def gang_stranded_after_repair(world: World) -> None:
    """A node is repaired and stays cordoned; elsewhere its gang waited for ever."""
    node, second = world.names()[:2]
    world.gang(world.job, [node, second])
    world.tick(world.xid(node, 79))
    world.until(lambda: world.stage(node) is CareStage.TEST)
    world.block_resume(node)
    world.until(lambda: world.stage(node) is CareStage.PROBATION)
    assert world.state(node) in OUT

    world.block_resume("")
    world.until(lambda: world.state(node) is NodeState.UP)

    world.place(world.job, [node, second])
    assert world.phase(world.job) is JobPhase.RUNNING


def second_failure_during_recovery(world: World) -> None:
    """A second node fails while the first is repaired; elsewhere the whole gang was lost."""
    first, second, third, fourth = world.names()[:4]
    world.gang(world.job, [first, second])
    world.break_node(first)
    world.break_node(second)
    world.tick(world.xid(first, 79))
    world.until(lambda: world.phase(world.job) is JobPhase.HELD)
    world.place(world.job, [second, third])

    world.tick(world.xid(second, 79))

    assert world.stage(second) is CareStage.DRAINED
    world.until(lambda: world.phase(world.job) is JobPhase.HELD)
    world.place(world.job, [third, fourth])
    world.until(lambda: world.stage(first) is world.stage(second) is CareStage.HANDED_OVER)
    assert world.phase(world.job) is JobPhase.RUNNING
    assert world.backend.observe().jobs[world.job].starts == 3


def mass_false_alarm(world: World) -> None:
    """A new detector calls most nodes broken; elsewhere a fleet was drained in minutes."""
    names = world.names()
    alarmed = names[: len(names) * 3 // 4]
    world.gang(world.job, names[:2])

    world.tick([sample for node in alarmed for sample in world.xid(node, 79)])
    for _ in range(5):
        world.tick([sample for node in alarmed for sample in world.xid(node, 0)])
        world.wait()

    assert world.caretaker.cases.frozen
    assert all(world.state(node) is NodeState.UP for node in names)
    assert world.phase(world.job) is JobPhase.RUNNING
    assert HOLD in world.kinds(alarmed[0])


STORIES = [
    fatal_check_with_no_action,
    flapping_link,
    blind_monitor,
    gang_stranded_after_repair,
    second_failure_during_recovery,
    mass_false_alarm,
]
