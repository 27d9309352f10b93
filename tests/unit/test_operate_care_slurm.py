"""The six stories on Slurm itself, started here on the loopback address."""

import contextlib
import time
from dataclasses import dataclass, field

import pytest

from commonwatt.operate.domain.care.policy import CarePolicy
from commonwatt.operate.domain.cluster import TERMINAL_PHASES, NodeState
from commonwatt.operate.engines.care.caretaker import Caretaker
from commonwatt.operate.engines.care.detect.rules import DetectionRuleBook
from commonwatt.operate.io.backends.slurm import SlurmBackend
from commonwatt.operate.io.care.journal import MemoryJournal
from tests.care_stories import STORIES, World
from tests.slurm_cluster import need_slurm, slurm_cluster


@dataclass
class Bench:
    """Resets nothing, and finds a node sound unless the story broke it."""

    broken: set = field(default_factory=set)

    def reset(self, node):
        pass

    def begin_test(self, node):
        pass

    def tested(self, node):
        return node not in self.broken


class Stubborn(SlurmBackend):
    """Slurm with a node that somebody's script keeps cordoned."""

    cordoned = ""

    def resume(self, node):
        if node != self.cordoned:
            super().resume(node)


@pytest.fixture(scope="module")
def cluster():
    need_slurm()
    with slurm_cluster(16, 2) as made:
        yield made


@pytest.fixture
def world(cluster):
    engine, bench, rules = Stubborn(cluster.conf), Bench(), DetectionRuleBook()
    policy = CarePolicy(most_out_share=0.2, reboot_s=2.0)
    care = Caretaker(engine, MemoryJournal(), policy=policy, workshop=bench, rules=rules)

    def block(node):
        engine.cordoned = node

    yield World(
        engine=engine,
        workshop=bench,
        caretaker=care,
        rules=rules,
        wait=lambda: time.sleep(0.3),
        break_node=bench.broken.add,
        block_resume=block,
    )
    engine.cordoned = ""
    _tidy(cluster, engine)


def _tidy(cluster, engine):
    """Leave the cluster as the next story wants it."""
    for name, job in engine.observe().jobs.items():
        if job.phase not in TERMINAL_PHASES:
            engine.cancel(name, "the story is over")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        out = [n.name for n in engine.observe().nodes if n.state is not NodeState.UP]
        if not out:
            break
        for node in out:
            with contextlib.suppress(RuntimeError):
                cluster.run("scontrol", "cancel_reboot", node)
            engine.resume(node)
        time.sleep(0.5)
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_story_ends_in_the_right_bounded_action_on_slurm(story, world):
    world.job = story.__name__
    story(world)
