"""The six stories on the simulated cluster."""

import pytest

from commonwatt.operate.domain.care.policy import CarePolicy
from commonwatt.operate.engines.care.caretaker import Caretaker
from commonwatt.operate.engines.care.detect.rules import DetectionRuleBook
from commonwatt.operate.engines.care.replay.cluster import SimCluster
from commonwatt.operate.io.care.journal import MemoryJournal
from tests.care_stories import STORIES, World


def simulated(nodes=16, **policy):
    cluster = SimCluster(names=[f"n{i}" for i in range(nodes)], now_s=1e6)
    rules = DetectionRuleBook()
    bounds = {"most_out_share": 0.2} | policy
    care = Caretaker(
        cluster,
        MemoryJournal(),
        policy=CarePolicy(**bounds),
        node_tester=cluster,
        rules=rules,
    )

    def wait():
        cluster.now_s += 10.0

    def block(node):
        cluster.unreachable = {node} - {""}

    return World(
        backend=cluster,
        node_tester=cluster,
        caretaker=care,
        rules=rules,
        wait=wait,
        break_node=lambda node: cluster.broken.update({node: frozenset()}),
        block_resume=block,
    )


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_story_ends_in_the_right_bounded_action(story):
    story(simulated())
