"""The code that moves, tried in every state, by every role and with every precondition broken.

What the tables say is held by `test_governance_tables`; here the real calls write to a real ledger,
and a plain rule beside each says what may come of it. So a row that no call can make, and a call
that does what no row allows, are both seen.
"""

import hashlib
import sys
from collections import Counter
from datetime import UTC, datetime
from itertools import product
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from commonwatt.clinic.io.registry import DeploymentStatus, RegistryWriter
from commonwatt.core.errors import CommonwattError
from commonwatt.ledger import Key, Ledger, Person, actor_id_of
from commonwatt.ledger.roles import LedgerRole
from commonwatt.ledger.verify import verify_ledger
from commonwatt.operate.domain.care.cases import MOVE, CareCase, JournalEntry
from commonwatt.operate.domain.care.findings import Component, NodeFinding, Severity
from commonwatt.operate.domain.care.lifecycle import CARE, CARE_LIFECYCLE, CareStage
from commonwatt.operate.domain.care.policy import CarePolicy
from commonwatt.operate.domain.cluster import NodeState
from commonwatt.operate.engines.care.decide import NodeObservation, next_care_move
from commonwatt.operate.io.care.journal import LedgerJournal
from commonwatt.sandbox.domain.lifecycle import (
    DATASET_LIFECYCLE,
    OUTPUT_LIFECYCLE,
    PROJECT_LIFECYCLE,
    DatasetState,
    OutputState,
    ProjectState,
    RecallReason,
)
from commonwatt.sandbox.io.store import schema as rooms
from commonwatt.web import schema as console
from commonwatt.web.entry_writer import EntryWriter
from commonwatt.web.tasks.lifecycle import MOST_ATTEMPTS, TASK_LIFECYCLE, TaskState
from commonwatt.web.tasks.supervisor import (
    find_console_task,
    move_task_to_state_unless_stale,
    start_task,
)
from tests.clinic_factories import BODIES, NOW, put, with_deployment
from tests.clinic_factories import KEYS as CLINIC_KEYS
from tests.sandbox_node import open_folder
from tests.sandbox_project import SandboxProject

KEYS = {role: Key.from_seed(bytes([100 + i]) * 32) for i, role in enumerate(LedgerRole)}
DATA = b"gender,n\nfemale,30\n"
OUTPUT = hashlib.sha256(DATA).hexdigest()
PEOPLE = [f"t{i}" for i in range(60)]


def enrol_every_role(ledger, registrar, at):
    with ledger.transaction() as tx:
        for role, key in KEYS.items():
            who = Person(name=f"another {role}", role=role.value, organisation="HA", device="test")
            ledger.enrol(tx, who, key.public_key, by=registrar, at=at)


def allowed(act, *what, **how):
    """Return whether the code let it through; a refusal says so in its own words."""
    try:
        act(*what, **how)
    except CommonwattError as error:
        if error.exit_code in {1, 10, 50}:
            raise  # a fault of ours is no refusal
        return False
    return True


def report_count(name, tried):
    sys.stdout.write(f"{name}: {tried:,} tried\n")


@pytest.fixture(scope="module")
def room():
    with open_folder() as folder:
        made = SandboxProject(folder, people=40, where="sqlite://")
        enrol_every_role(made.ledger, Key.from_seed(bytes(32)), made.now())
        (made.project.folder / "outputs").mkdir(exist_ok=True)
        (made.project.folder / "outputs" / OUTPUT).write_bytes(DATA)
        yield made


def put_rows(sandbox, *, project="open", expires="2027-01-01", dataset=None, output=None):
    """Set the rows as an earlier life of the project might have left them."""
    with sandbox.ledger.transaction() as tx:
        tx.execute(sa.update(rooms.projects).values(state=project, expires_on=expires))
        if dataset is not None:
            this = rooms.datasets.c.dataset == "safe"
            tx.execute(sa.update(rooms.datasets).where(this).values(state=dataset))
        if output is not None:
            for table in (rooms.outputs, rooms.votes, rooms.cells, rooms.models, rooms.opt_outs):
                tx.execute(sa.delete(table))
            tx.execute(sa.insert(rooms.outputs).values(
                room="harbour", output=OUTPUT, job="j", name="n.csv", kind="csv",
                author="somebody", state=output, stops="[]",
            ))  # fmt: skip


STANDINGS = {"open": {}, "closed": {"project": "closed"}, "deleted": {"project": "deleted"},
             "expired": {"expires": "2026-01-01"}}  # fmt: skip
MADE: Counter = Counter()


def test_a_project_moves_as_a_plain_rule_says(room):
    calls = {"close": room.project.close, "open": room.project.reopen}
    moves = {("open", "close"): "closed", ("closed", "open"): "open"}
    tried = 0
    for state, (step, call), role in product(ProjectState, calls.items(), LedgerRole):
        put_rows(room, project=state.value)
        right = (state, step) in moves and role == "data-custodian"
        assert allowed(call, by=KEYS[role], at=room.now()) is right, (state, step, role)
        after = room.project.status()["state"]
        assert after == (moves[state, step] if right else state)
        MADE["project", state.value if right else "", after] += right
        tried += 1
    put_rows(room)
    report_count("project", tried)


def test_a_dataset_is_signed_as_a_plain_rule_says(room):
    tried = 0
    digests = {"own": room.report.sha256, "other": "0" * 64}
    for state, role, digest, (name, rows) in product(
        DatasetState, LedgerRole, digests, STANDINGS.items()
    ):
        put_rows(room, dataset=state.value, **rows)
        right = (state, role, digest, name) == ("de-identified", "data-custodian", "own", "open")
        key = KEYS[role]
        assert right is allowed(
            room.project.sign_dataset_risk_report, "safe", digests[digest], by=key, at=room.now()
        ), (state, role, digest, name)
        [after] = [d["state"] for d in room.project.status()["datasets"] if d["dataset"] == "safe"]
        assert after == ("signed" if right else state)
        MADE["dataset", state.value if right else "", after] += right
        tried += 1
    put_rows(room)
    report_count("dataset", tried)


def spoil(sandbox, how, key):
    """Break one precondition of an output; return the rows of its project."""
    actor = actor_id_of(key.public_key)
    with sandbox.ledger.transaction() as tx:

        def add(table, **row):
            tx.execute(sa.insert(table).values(room="harbour", **row))

        if how not in {"alone", "voted"}:
            add(rooms.votes, output=OUTPUT, checker="another", approves=True)
        if how == "author":
            tx.execute(sa.update(rooms.outputs).values(author=actor))
        if how == "voted":
            add(rooms.votes, output=OUTPUT, checker=actor, approves=True)
        if how == "differencing":
            add(rooms.cells, output=OUTPUT, cell="n", people=str(PEOPLE[1:]).replace("'", '"'))
            add(rooms.cells, output="b" * 64, cell="n", people=str(PEOPLE).replace("'", '"'))
            add(rooms.outputs, output="b" * 64, job="j", name="m.csv", kind="csv",
                author="somebody", state="released", stops="[]")  # fmt: skip
        if how == "opted-out":
            add(rooms.models, output=OUTPUT, dataset="safe", people='["t1"]', attack_auc=0.5)
            add(rooms.opt_outs, person="t1", scope="all", out=True)


PRECONDITIONS = ("none", "alone", "author", "voted", "differencing", "opted-out",
                 "closed", "deleted", "expired")  # fmt: skip


def plain_output_rule(state, act, role, broken):
    """Return where an output stands after an act, or None where it must be refused."""
    works = broken not in {"closed", "deleted", "expired"}
    if act in {"approve", "reject"}:
        votes = role == "output-checker" and works and broken not in {"author", "voted"}
        if state != "waiting" or not votes:
            return None
        return "rejected" if act == "reject" else "waiting" if broken == "alone" else "approved"
    if act == "recall":
        recalls = role in {"output-checker", "data-custodian"}
        return "rejected" if state == "approved" and recalls else None
    if role != "data-custodian" or not works:
        return None
    if state == "released":
        return "released"  # delivered once more
    harmless = broken not in {"differencing", "opted-out"}
    return "released" if state == "approved" and harmless else None


@pytest.mark.slow
def test_an_output_moves_as_a_plain_rule_says(room, tmp_path):
    project, tried = room.project, 0
    acts = {
        "approve": lambda how: project.vote(OUTPUT, approve=True, **how),
        "reject": lambda how: project.vote(OUTPUT, approve=False, **how),
        "release": lambda how: project.release(OUTPUT, tmp_path, **how),
        "recall": lambda how: project.recall_output(OUTPUT, RecallReason.CONSENT, **how),
    }
    for state, act, role, broken in product(OutputState, acts, LedgerRole, PRECONDITIONS):
        put_rows(room, output=state.value, **STANDINGS.get(broken, {}))
        spoil(room, broken, KEYS[role])
        want = plain_output_rule(state, act, role, broken)
        how = {"by": KEYS[role], "at": room.now()}
        assert allowed(acts[act], how) is (want is not None), (state, act, role, broken)
        [after] = [o["state"] for o in project.status()["outputs"] if o["output"] == OUTPUT]
        assert after == (want or state), (state, act, role, broken)
        MADE["output", state.value, after] += want is not None and after != state
        tried += 1
    put_rows(room)
    verify_ledger(room.ledger)
    report_count("output", tried)


def test_no_row_of_the_sandbox_says_what_no_call_makes(room):
    if {kind for kind, *_ in MADE} != {"project", "dataset", "output"}:
        pytest.skip("counts what the tests above made")
    births_and_ends = {
        # Made where the node runs, or by the wipe: test_sandbox_projects.
        ("project", None, "open"), ("project", "closed", "deleted"),
        *(("dataset", row.origin, row.to) for row in DATASET_LIFECYCLE.moves
          if row.step in {"import", "deidentify", "delete"}),
        *(("output", None, row.to) for row in OUTPUT_LIFECYCLE.moves if row.origin is None),
    }  # fmt: skip
    rows = {
        (table.name, row.origin, row.to)
        for table in (PROJECT_LIFECYCLE, DATASET_LIFECYCLE, OUTPUT_LIFECYCLE)
        for row in table.moves
    }
    assert rows - births_and_ends == {move for move, count in MADE.items() if count}


def legal_clinic(state):
    """Return a clinic whose deployment stands in a state."""
    writer = with_deployment()
    enrol_every_role(writer.ledger, CLINIC_KEYS["registrar"], NOW)
    path = {"proposed": "", "approved": "approved", "live": "approved live",
            "paused": "approved live paused", "retired": "retired"}[state].split()  # fmt: skip
    by = {"approved": "committee-chair", "live": "clinical-lead", "paused": "monitor",
          "retired": "clinical-lead"}  # fmt: skip
    for to in path:
        move_clinic(writer, to, KEYS[LedgerRole(by[to])])
    return writer


def move_clinic(writer: RegistryWriter, to, key):
    with writer.transaction() as tx:
        writer.move_deployment(
            tx, "deployment/x", DeploymentStatus(to), by=key, at=NOW, reason="test"
        )


CLINIC_MOVES = {
    ("proposed", "approved"): {"committee-chair"}, ("approved", "live"): {"clinical-lead"},
    ("paused", "live"): {"clinical-lead"},
    ("live", "paused"): {"clinical-lead", "safety-officer", "monitor"},
    **{(state, "retired"): {"clinical-lead", "safety-officer"}
       for state in ("proposed", "approved", "live", "paused")},
}  # fmt: skip


@pytest.mark.parametrize("withdrawn", [False, True])
def test_a_deployment_moves_as_a_plain_rule_says(withdrawn):
    tried = 0
    for state in DeploymentStatus:
        writer = legal_clinic(state)
        if withdrawn:
            body = BODIES["determination"] | {"outcome": "withdrawn"}
            put(writer, "determination", "w", body)
        for to, role in product(DeploymentStatus, LedgerRole):
            right = role in CLINIC_MOVES.get((state, to), set())
            right &= not (withdrawn and to in {"approved", "live"})
            size = writer.ledger.head().size
            assert allowed(move_clinic, writer, to, KEYS[role]) is right, (state, to, role)
            assert (writer.ledger.head().size > size) is right
            if right:
                writer = legal_clinic(state)
                if withdrawn:
                    put(writer, "determination", "w", body)
            tried += 1
    report_count(f"deployment, withdrawn {withdrawn}", tried)


CARE_ONLY_PEOPLE = {("drained", "in-service"), ("test", "in-service"),
                    ("handed-over", "test"), ("handed-over", "in-service")}  # fmt: skip
CARE_MOVES = {
    "in-service": "watched drained", "watched": "in-service reported drained",
    "reported": "in-service drained", "drained": "reset reboot test handed-over in-service",
    "reset": "test handed-over", "reboot": "test handed-over",
    "test": "probation reset reboot handed-over in-service",
    "probation": "in-service drained handed-over", "handed-over": "test in-service",
}  # fmt: skip


def way_to(stage):
    """Return moves that lead a node from service to a stage."""
    ways, queue = {"in-service": ()}, ["in-service"]
    for origin in queue:
        for to in CARE_MOVES[origin].split():
            if to not in ways:
                ways[to] = (*ways[origin], (origin, to))
                queue.append(to)
    return ways[stage]


def test_a_node_moves_as_a_plain_rule_says():
    ledger = Ledger.open("sqlite://")
    registrar = Key.from_seed(bytes(32))
    who = Person(name="r", role="registrar", organisation="HA", device="d")
    ledger.enrol_first_registrar(registrar, who, at=NOW)
    enrol_every_role(ledger, registrar, NOW)
    journals = {role: LedgerJournal(ledger, key, lambda: NOW) for role, key in KEYS.items()}

    def write(role, node, origin, to):
        seen, body = ledger.head().size, {"from": origin, "to": to}
        journals[role].write(JournalEntry(at_s=1.0, kind=MOVE, node=node, body=body), seen=seen)

    tried, nodes = 0, 0
    for stage in CareStage:
        node = ""
        for to, role in product(CareStage, LedgerRole):
            if not node:
                nodes += 1
                node = f"n{nodes}"
                for origin, step in way_to(stage):
                    write(LedgerRole.OPERATOR, node, origin, step)
            right = to in CARE_MOVES[stage].split() and role in {"care", "operator"}
            right &= not (role == "care" and (stage, to) in CARE_ONLY_PEOPLE)
            assert allowed(write, role, node, stage, to) is right, (stage, to, role)
            node = "" if right else node
            tried += 1
    # Where the entry lies about the origin, the ledger knows better.
    assert not allowed(write, LedgerRole.OPERATOR, "new", "handed-over", "test")
    verify_ledger(ledger)
    report_count("care", tried)


def test_care_decides_every_move_that_its_table_gives_it_and_no_other():
    """Every observation of every case, in kinds; and the handover of what a backend refuses."""
    policy = CarePolicy(lemons=frozenset({"lemon"}))
    tried_aids = ((), (CareStage.TEST,), (CareStage.RESET,), (CareStage.REBOOT,),
                  (CareStage.RESET, CareStage.TEST, CareStage.REBOOT))  # fmt: skip
    findings = [None, *(
        NodeFinding(node="n", component=component, severity=severity, rule="r", first_s=0.0,
                    last_s=0.0)
        for component, severity in product((Component.GPU, Component.MONITOR), Severity)
    )]  # fmt: skip
    decided = set()
    for stage, component, tried, returns, node in product(
        CareStage, Component, tried_aids, (0, 1), ("n", "lemon")
    ):
        if stage is CareStage.TEST and CareStage.TEST not in tried:
            continue  # what is in test has its test among what was tried
        case = CareCase(node=node, stage=stage, component=component, tried=tried, returns=returns)
        for state, finding, now_s, passed in product(
            (NodeState.UP, NodeState.DRAINED), findings, (0.0, 1e6), (None, True, False)
        ):
            seen = NodeObservation(
                now_s=now_s, state=state, finding=finding, test_passed=passed, boot_at_s=1.0
            )
            if move := next_care_move(case, seen, policy):
                decided.add((stage, move.to))
    decided |= {(s, CareStage.HANDED_OVER) for s in CareStage
                if CARE_LIFECYCLE.has_move(s, CareStage.HANDED_OVER)}  # fmt: skip
    assert decided == {(row.origin, row.to) for row in CARE_LIFECYCLE.moves if CARE in row.who}


CONSOLE_MOVES = {"waiting": "running stopped", "running": "waiting finished failed stopped"}


@pytest.mark.slow
def test_a_console_run_moves_as_a_plain_rule_says(tmp_path):
    ledger = Ledger.open("sqlite://")
    registrar = Key.from_seed(bytes(32))
    who = Person(name="r", role="registrar", organisation="HA", device="d")
    ledger.enrol_first_registrar(registrar, who, at=NOW)
    enrol_every_role(ledger, registrar, NOW)
    with ledger.transaction() as tx:
        console.metadata.create_all(tx)
    now, tried, made = datetime(2026, 11, 23, tzinfo=UTC), 0, set()
    for role in LedgerRole:
        writer = EntryWriter(ledger=ledger, key=KEYS[role], folder=tmp_path)
        services = SimpleNamespace(
            ledger=ledger, entry_writer=writer, settings=SimpleNamespace(store=tmp_path)
        )
        begun = allowed(start_task, services, "explain", {"job": "j"}, "a", now=now)
        assert begun is (role == "registrar"), role
        made |= {(None, "waiting")} if begun else set()
        for state, to, attempt in product(TaskState, TaskState, range(MOST_ATTEMPTS + 1)):
            with ledger.transaction() as tx:
                tx.execute(sa.delete(console.tasks))
                tx.execute(sa.insert(console.tasks).values(
                    work_id="0a1b2c3d4e5f", kind="study", title="t", parameters="{}", account="a",
                    state=state.value, attempt=attempt, run_id="", error="{}", made_at="",
                    ended_at="",
                ))  # fmt: skip
            task = find_console_task(services, "0a1b2c3d4e5f")
            right = to in CONSOLE_MOVES.get(state, "").split() and role == "registrar"
            right &= not (to in {"running", "waiting"} and attempt == MOST_ATTEMPTS)
            did = allowed(move_task_to_state_unless_stale, services, task, to, now=now)
            assert did is right, (state, to, attempt, role)
            assert find_console_task(services, "0a1b2c3d4e5f").state == (to if right else state)
            made |= {(state, to)} if right else set()
            tried += 1
    assert made == {(row.origin, row.to) for row in TASK_LIFECYCLE.moves}
    verify_ledger(ledger)
    report_count("console run", tried)
