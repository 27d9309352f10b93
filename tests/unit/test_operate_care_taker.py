"""The caretaker at its edges: killed, refused, asked, frozen, in the ledger."""

from datetime import UTC, datetime

import pytest

from commonwatt.ledger import Key, Ledger, Person
from commonwatt.ledger.verify import verify_ledger
from commonwatt.operate.domain.care.cases import HOLD, MOVE, JournalEntry
from commonwatt.operate.domain.care.errors import CareMoveError, CareSettingsError
from commonwatt.operate.domain.care.findings import Component, NodeFinding, Severity
from commonwatt.operate.domain.care.lifecycle import CareStage
from commonwatt.operate.domain.care.policy import CarePolicy
from commonwatt.operate.domain.cluster import JobRequest, NodeAllocation, NodeState
from commonwatt.operate.domain.errors import BackendError
from commonwatt.operate.engines.care.caretaker import Caretaker
from commonwatt.operate.engines.care.operator import CareOperator
from commonwatt.operate.engines.care.replay.cluster import SimCluster
from commonwatt.operate.io.care.journal import LedgerJournal, MemoryJournal
from commonwatt.operate.io.care.repairs import CommandNodeTester, NoNodeTester
from commonwatt.operate.io.care.settings import CareSettings, load_care_settings

NOW = 1_800_000_000.0


def cluster(nodes=20):
    return SimCluster(names=[f"n{i}" for i in range(nodes)], now_s=NOW)


def finding(node, severity=Severity.FATAL, component=Component.GPU, at_s=NOW):
    return NodeFinding(
        node=node, component=component, severity=severity, rule="r", first_s=at_s, last_s=at_s
    )


def state(backend, node):
    return next(n.state for n in backend.observe().nodes if n.name == node)


def stages(care):
    return {node: case.stage for node, case in care.cases.cases.items()}


def steps_until(care, backend, node, stage, looks=100):
    for _ in range(looks):
        if stages(care).get(node, CareStage.IN_SERVICE) is stage:
            return
        care.step()
        backend.now_s += 30
    raise AssertionError(stages(care))


class Killed(BaseException):
    """The caretaker was killed."""


class Fragile(SimCluster):
    """A cluster on which the caretaker dies just before its act."""

    def down(self, node, reason):
        raise Killed


def test_a_caretaker_killed_between_writing_and_acting_acts_on_its_return():
    backend, journal = cluster(), MemoryJournal()
    fragile = Fragile(names=[f"n{i}" for i in range(20)], now_s=NOW)
    with pytest.raises(Killed):
        Caretaker(fragile, journal).step([finding("n1")])
    assert [entry.kind for entry in journal.entries] == [MOVE]
    second_caretaker = Caretaker(backend, journal, node_tester=backend)
    second_caretaker.step()
    assert state(backend, "n1") is NodeState.DOWN
    assert len([e for e in journal.entries if e.body.get("to") == "drained"]) == 1


def test_a_move_that_cannot_be_written_is_not_made():
    class Full(MemoryJournal):
        def write(self, entry, **_):
            raise OSError("disk full")

    backend = cluster()
    with pytest.raises(OSError, match="disk full"):
        Caretaker(backend, Full()).step([finding("n1")])
    assert backend.actions == []


def test_a_backend_that_keeps_refusing_leads_to_a_person():
    class Refusing(SimCluster):
        def reset(self, node):
            raise BackendError(node)

    backend = Refusing(names=[f"n{i}" for i in range(20)], now_s=NOW)
    care = Caretaker(backend, MemoryJournal(), node_tester=backend,
                     policy=CarePolicy(tries=0))  # fmt: skip
    care.step([finding("n1")])
    steps_until(care, backend, "n1", CareStage.HANDED_OVER)


def test_a_node_whose_reset_is_refused_is_not_taken_for_reset_and_is_once_it_is_done():
    class Refusing(SimCluster):
        refuses = True

        def reset(self, node):
            if self.refuses:
                raise BackendError(node)
            super().reset(node)

    backend = Refusing(names=[f"n{i}" for i in range(20)], now_s=NOW)
    care = Caretaker(backend, MemoryJournal(), node_tester=backend, policy=CarePolicy(tries=50))
    care.step([finding("n1")])
    steps_until(care, backend, "n1", CareStage.RESET)
    for _ in range(10):
        care.step()
        backend.now_s += 30
        assert stages(care)["n1"] is CareStage.RESET
    assert not [action for action in backend.actions if action[2] == "reset"]
    backend.refuses = False
    steps_until(care, backend, "n1", CareStage.TEST)
    assert [action for action in backend.actions if action[2] == "reset"]


def test_a_dry_run_touches_nothing():
    backend = cluster()
    care = Caretaker(backend, MemoryJournal(), node_tester=backend, dry_run=True)
    [step] = care.step([finding("n1")])
    assert (step.node, step.to) == ("n1", CareStage.DRAINED)
    assert backend.actions == []


def test_a_move_that_needs_approval_waits_for_a_person():
    backend, journal = cluster(), MemoryJournal()
    policy = CarePolicy(to_approve=frozenset({(Component.GPU, CareStage.DRAINED)}))
    care, desk = (
        Caretaker(backend, journal, policy=policy),
        CareOperator(backend, journal, NoNodeTester()),
    )
    care.step([finding("n1")])
    care.step([finding("n1")])
    assert [e.kind for e in journal.entries] == [HOLD]
    assert state(backend, "n1") is NodeState.UP
    assert desk.approve_held_move("n1", now_s=NOW) is CareStage.DRAINED
    care.step([finding("n1")])
    assert state(backend, "n1") is NodeState.DOWN
    with pytest.raises(CareMoveError):
        desk.approve_held_move("n2", now_s=NOW)


def test_a_drain_is_undone_by_a_person_and_not_by_care():
    backend, journal = cluster(), MemoryJournal()
    care, desk = Caretaker(backend, journal), CareOperator(backend, journal, NoNodeTester())
    care.step([finding("n1")])
    desk.undo_node_care("n1", now_s=NOW)
    assert state(backend, "n1") is NodeState.UP
    backend.now_s += 10
    assert care.step() == []
    assert state(backend, "n1") is NodeState.UP
    with pytest.raises(CareMoveError):
        desk.undo_node_care("n1", now_s=NOW)


def test_when_enough_nodes_are_out_the_next_waits_its_turn():
    backend = cluster()
    care = Caretaker(backend, MemoryJournal(), node_tester=backend,
                     policy=CarePolicy(most_out_share=0.05))  # fmt: skip
    backend.broken["n1"] = frozenset({CareStage.RESET})
    first = care.step([finding("n1"), finding("n2")])
    assert [(s.node, s.held) for s in first] == [("n1", ""), ("n2", "budget")]
    steps_until(care, backend, "n1", CareStage.PROBATION)
    [step] = [s for s in care.step([finding("n2", at_s=backend.now_s)]) if s.node == "n2"]
    assert (step.to, step.held) == (CareStage.DRAINED, "")


def test_a_freeze_ends_by_a_persons_word_alone():
    backend, journal = cluster(), MemoryJournal()
    care, desk = Caretaker(backend, journal), CareOperator(backend, journal, NoNodeTester())
    with pytest.raises(CareMoveError):
        desk.release_care_freeze(now_s=NOW)
    care.step([finding(f"n{i}") for i in range(10)])
    assert care.cases.frozen
    assert all(node.state is NodeState.UP for node in backend.observe().nodes)
    backend.now_s += 10_000
    care.step([finding("n1", at_s=backend.now_s)])
    assert state(backend, "n1") is NodeState.UP
    desk.release_care_freeze(now_s=backend.now_s)
    care.step([finding("n1", at_s=backend.now_s)])
    assert state(backend, "n1") is NodeState.DOWN


def test_a_node_that_somebody_else_drained_is_left_alone():
    backend = cluster()
    backend.drain("n1", "new rack")
    care = Caretaker(backend, MemoryJournal())
    for _ in range(5):
        assert care.step() == []
    assert state(backend, "n1") is NodeState.DRAINED


def test_a_degraded_node_keeps_its_job_and_takes_no_other():
    backend = cluster()
    backend.submit(JobRequest(job_id="j", argv=("x",)))
    backend.start("j", [NodeAllocation("n1")])
    care = Caretaker(backend, MemoryJournal(), node_tester=backend)
    care.step([finding("n1", Severity.DEGRADED, Component.LINK)])
    assert state(backend, "n1") is NodeState.DRAINING
    backend.now_s += 600
    assert care.step() == []
    backend.cancel("j", "over")
    care.step()
    assert stages(care)["n1"] is CareStage.RESET


def test_without_a_node_tester_no_node_returns_unseen():
    backend = cluster()
    care = Caretaker(backend, MemoryJournal())
    care.step([finding("n1")])
    steps_until(care, backend, "n1", CareStage.HANDED_OVER)
    assert state(backend, "n1") is not NodeState.UP


def test_a_lemon_goes_to_a_person_however_well_it_tests():
    backend = cluster()
    care = Caretaker(backend, MemoryJournal(), node_tester=backend,
                     policy=CarePolicy(lemons=frozenset({"n1"})))  # fmt: skip
    care.rules.expect_telemetry_of_nodes(["n1"], NOW)
    care.step([finding("n1")])
    for _ in range(40):
        care.rules.__dict__["_heard"]["n1"] = backend.now_s
        care.step()
        backend.now_s += 30
    assert stages(care)["n1"] is CareStage.HANDED_OVER


@pytest.fixture
def ledger():
    opened = Ledger.open("sqlite://")
    keys = {role: Key.from_seed(bytes([i + 1]) * 32)
            for i, role in enumerate(["registrar", "care", "operator"])}  # fmt: skip
    at = datetime.fromtimestamp(NOW, UTC)

    def person(role):
        return Person(name=role, role=role, organisation="o", device="d")

    opened.enrol_first_registrar(keys["registrar"], person("registrar"), at=at)
    with opened.transaction() as tx:
        for role in ("care", "operator"):
            opened.enrol(tx, person(role), keys[role].public_key, by=keys["registrar"], at=at)
    yield opened, keys
    opened.engine.dispose()


def test_every_act_is_in_the_ledger_and_the_ledger_holds(ledger):
    opened, keys = ledger
    backend = cluster()

    def clock():
        return datetime.fromtimestamp(backend.now_s, UTC)

    care = Caretaker(backend, LedgerJournal(opened, keys["care"], clock), node_tester=backend)
    desk = CareOperator(backend, LedgerJournal(opened, keys["operator"], clock), backend)
    care.step([finding("n1")])
    desk.undo_node_care("n1", now_s=backend.now_s)
    entries = list(opened.entries(kind="operate.care."))
    assert [(e.subject, e.body["to"]) for e in entries] == [
        ("node/n1", "drained"),
        ("node/n1", "in-service"),
    ]
    assert entries[0].body["component"] == "gpu"
    assert verify_ledger(opened).entries == 5
    assert Caretaker(backend, LedgerJournal(opened, keys["care"], clock)).cases.cases == {}


def test_the_ledger_refuses_a_move_that_only_a_person_may_make(ledger):
    opened, keys = ledger
    journal = LedgerJournal(opened, keys["care"], lambda: datetime.fromtimestamp(NOW, UTC))
    desk = LedgerJournal(opened, keys["operator"], lambda: datetime.fromtimestamp(NOW, UTC))

    def moved(origin, to):
        return JournalEntry(at_s=NOW, kind=MOVE, node="n1", body={"from": origin, "to": to})

    journal.write(moved("in-service", "drained"), seen=0)
    back = moved("drained", "in-service")
    with pytest.raises(CareMoveError, match="the role care, wanted one of the roles operator"):
        journal.write(back, seen=10)
    assert len(list(journal.entries_after(0))) == 1
    desk.write(back, seen=10)
    assert len(list(journal.entries_after(0))) == 2


def test_commands_reset_and_test_a_node(tmp_path):
    bench = CommandNodeTester(reset=f"touch {tmp_path}/{{node}}", test="false")
    bench.reset("n1")
    assert (tmp_path / "n1").exists()
    assert bench.test_result("n1") is None
    bench.begin_test("n1")
    bench._running["n1"].wait()
    assert bench.test_result("n1") is False
    with pytest.raises(BackendError):
        CommandNodeTester(reset="false", test="true").reset("n1")
    with pytest.raises(BackendError):
        CommandNodeTester(reset="true", test="/no/such/program").begin_test("n1")


def test_settings_are_read_and_what_bounds_nothing_is_refused(tmp_path):
    path = tmp_path / "care.toml"
    assert load_care_settings(path) == CareSettings()
    path.write_text('most_out_share = 0.1\nask = ["memory:reboot"]\ntest = "true"\n')
    settings = load_care_settings(path)
    assert settings.care_policy().most_out_share == 0.1
    assert (Component.MEMORY, CareStage.REBOOT) in settings.care_policy().to_approve
    assert isinstance(settings.node_tester(), CommandNodeTester)
    for text in ("most_out_share = 2.0", "unknown = 1", "= x", 'ask = ["memory"]'):
        path.write_text(text)
        with pytest.raises(CareSettingsError):
            load_care_settings(path).care_policy()
    with pytest.raises(CareSettingsError):
        Caretaker(cluster(), MemoryJournal(), policy=CarePolicy(most_out_share=0.0))
