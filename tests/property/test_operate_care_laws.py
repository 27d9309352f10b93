"""Laws of care: the table is kept, bounds hold, nothing happens unwritten."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.operate.domain.care.cases import MOVE
from commonwatt.operate.domain.care.findings import (
    Component,
    NodeFinding,
    Severity,
    TelemetrySample,
)
from commonwatt.operate.domain.care.lifecycle import (
    CARE,
    CARE_LIFECYCLE,
    MOVE_STEP,
    OPERATOR,
    OUT_OF_SERVICE,
    CareMoveFacts,
    CareStage,
)
from commonwatt.operate.domain.care.policy import FIRST_AID, CarePolicy
from commonwatt.operate.domain.cluster import NodeState
from commonwatt.operate.engines.care.caretaker import Caretaker
from commonwatt.operate.engines.care.detect.alarms import (
    AlarmBudget,
    alarm_threshold_by_node,
    node_alarm_episodes,
)
from commonwatt.operate.engines.care.detect.rules import (
    DEFAULT_RULES,
    DetectionRule,
    DetectionRuleBook,
    SampleTest,
    reference_node_findings,
)
from commonwatt.operate.engines.care.replay.cluster import SimCluster
from commonwatt.operate.io.care.journal import CaseBook, MemoryJournal

SampleTest.__test__ = False  # no test of ours, though pytest would think so


def test_first_aid_is_named_for_every_component():
    assert set(FIRST_AID) == set(Component)


def may_move(origin, to, role):
    return CARE_LIFECYCLE.can_move(origin, to, step=MOVE_STEP, roles={role}, facts=CareMoveFacts())


def test_from_everywhere_a_person_can_bring_a_node_back():
    reached, queue = {CareStage.IN_SERVICE}, [CareStage.IN_SERVICE]
    while queue:
        into = queue.pop()
        for origin in set(CareStage) - reached:
            if may_move(origin, into, OPERATOR):
                reached.add(origin)
                queue.append(origin)
    assert reached == set(CareStage)


RULES = (
    DetectionRule(name="flap", signal="a", test=SampleTest.DROP, count=2, window_s=5.0),
    DetectionRule(name="rise", signal="a", test=SampleTest.RISE, count=3, window_s=9.0),
    DetectionRule(name="high", signal="b", test=SampleTest.ABOVE, limit=1.0, count=2, window_s=4.0),
    DetectionRule(name="low", signal="b", test=SampleTest.BELOW, limit=1.0),
    DetectionRule(name="code", signal="b", test=SampleTest.CODE, codes=frozenset({2}), count=1),
)
samples = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from("xy"), st.sampled_from("ab"), st.integers(0, 3),
        st.sampled_from(["", "0"]),
    ),
    max_size=25,
)  # fmt: skip


@given(samples)
@settings(max_examples=150, deadline=None)
def test_the_rule_book_finds_what_recounting_finds(rows):
    at_s, telemetry = 0.0, []
    for gap, node, signal, value, device in rows:
        at_s += gap
        telemetry.append(TelemetrySample(at_s, node, signal, float(value), device))
    assert DetectionRuleBook(RULES).observe_telemetry(telemetry) == reference_node_findings(
        RULES, telemetry
    )


acts = st.lists(
    st.tuples(
        st.integers(0, 7), st.sampled_from(Severity),
        st.sampled_from([Component.GPU, Component.LINK, Component.POWER, Component.MONITOR]),
        st.sampled_from([10.0, 300.0, 4000.0]), st.booleans(),
    ),
    max_size=40,
)  # fmt: skip


@given(acts, st.sampled_from([0.01, 0.3, 1.0]))
@settings(max_examples=80, deadline=None)
def test_whatever_is_found_bounds_hold_and_every_act_is_written_first(rows, share):
    cluster = SimCluster(names=[f"n{i}" for i in range(8)], now_s=1e6)
    journal, policy = MemoryJournal(), CarePolicy(most_out_share=share, alarm_share=0.9)
    care = Caretaker(cluster, journal, policy=policy, node_tester=cluster)
    for number, severity, component, wait_s, broken in rows:
        name = f"n{number}"
        if broken:
            cluster.broken[name] = frozenset()
        finding = NodeFinding(node=name, component=component, severity=severity, rule="r",
                          first_s=cluster.now_s, last_s=cluster.now_s)  # fmt: skip
        care.step([finding])
        cluster.now_s += wait_s
        out = [n for n in cluster.observe().nodes if n.state is not NodeState.UP]
        assert len(out) <= max(policy.most_nodes_out_of_service(8), 1)
    origins: dict[str, CareStage] = {}
    for _, entry in journal.entries_after(0):
        if entry.kind == MOVE:
            origin, to = CareStage(entry.body["from"]), CareStage(entry.body["to"])
            assert origins.get(entry.node, CareStage.IN_SERVICE) is origin
            assert may_move(origin, to, CARE)
            origins[entry.node] = to
    assert CaseBook(journal).cases == care.cases.cases
    for node in cluster.observe().nodes:
        case = care.cases.cases.get(node.name)
        taken_out = case is not None and case.stage in OUT_OF_SERVICE
        assert taken_out or node.state is NodeState.UP


@given(st.integers(0, 1000), st.floats(0.5, 20))
@settings(max_examples=30, deadline=None)
def test_ordinary_days_never_hold_more_episodes_than_granted(seed, per_day):
    chance = np.random.default_rng(seed)
    scores = {name: chance.gamma(2.0, size=2000) for name in "ab"}
    budget = AlarmBudget(false_per_day=per_day, incidents_per_day=0.0, day=500, quiet=5)
    cuts = alarm_threshold_by_node(scores, budget)
    raised = sum(len(node_alarm_episodes(scores[n] > cuts[n], quiet=5)) for n in scores)
    assert raised <= per_day * 8


def test_the_default_rules_have_names_of_their_own():
    names = [rule.name for rule in DEFAULT_RULES]
    assert len(set(names)) == len(names)
