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
from tests.operate_cases import happens
from tests.slurm_cluster import need_slurm, slurm_cluster


@dataclass
class Bench:
    """Resets nothing, and finds a node sound unless the story broke it."""

    broken: set = field(default_factory=set)

    def reset(self, node):
        pass

    def begin_test(self, node):
        pass

    def test_result(self, node):
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
    with slurm_cluster(16, 2) as slurm:
        yield slurm


@pytest.fixture
def world(cluster):
    backend, bench, rules = Stubborn(cluster.conf), Bench(), DetectionRuleBook()
    policy = CarePolicy(most_out_share=0.2, reboot_s=2.0)
    care = Caretaker(backend, MemoryJournal(), policy=policy, node_tester=bench, rules=rules)

    def block(node):
        backend.cordoned = node

    yield World(
        backend=backend,
        node_tester=bench,
        caretaker=care,
        rules=rules,
        wait=lambda: time.sleep(0.3),
        break_node=bench.broken.add,
        block_resume=block,
    )
    backend.cordoned = ""
    _tidy(cluster, backend)


def _tidy(cluster, backend):
    """Leave the cluster as the next story wants it."""
    for name, job in backend.observe().jobs.items():
        if job.phase not in TERMINAL_PHASES:
            backend.cancel(name, "the story is over")
    happens(lambda: _all_up(cluster, backend), "every node is up")
    backend.close()


def _all_up(cluster, backend):
    """Return whether every node is up, and ask for those that are not."""
    out = [n.name for n in backend.observe().nodes if n.state is not NodeState.UP]
    for node in out:
        with contextlib.suppress(RuntimeError):
            cluster.run("scontrol", "cancel_reboot", node)
        backend.resume(node)
    return not out


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_story_ends_in_the_right_bounded_action_on_slurm(story, world):
    world.job = story.__name__
    story(world)
