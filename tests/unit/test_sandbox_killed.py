"""Killed at any moment: nothing leaves unrecorded, no budget is lost or given back."""

import hashlib
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from commonwatt.ledger import Key, Ledger, actor_id_of
from commonwatt.ledger.verify import verify_ledger
from commonwatt.sandbox.engines.privacy import account
from commonwatt.sandbox.io.imports.dataset import load_dataset
from commonwatt.sandbox.io.store import records, schema
from commonwatt.sandbox.usecases.projects.project import Project
from tests import sandbox_killed as child
from tests.proofs import PROOFS
from tests.sandbox_node import open_folder
from tests.sandbox_project import SandboxProject

MOMENTS = (1, 2, 4, 7, 9, 12, 14, 16, 18, 21, 25, 28)
if not PROOFS.full:
    MOMENTS = MOMENTS[1::3]


@pytest.fixture(scope="module")
def ready():
    with open_folder() as folder:
        sandbox = SandboxProject(folder)
        sandbox.sign()
        for person in ("", actor_id_of(sandbox.researcher.public_key)):
            sandbox.project.set_privacy_budget(
                1.0, person=person, by=sandbox.custodian, at=sandbox.now()
            )
        sandbox.project.set_preapproved_release(0.5, by=sandbox.custodian, at=sandbox.now())
        sandbox.ledger.engine.dispose()
        yield folder


def _walk(folder, moment):
    done = subprocess.run(
        [sys.executable, child.__file__, str(folder), str(moment)],
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout.decode().split(), done.stderr.decode()


@pytest.mark.slow
@pytest.mark.prove
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_project_killed_at_this_moment_keeps_its_promises(ready, moment, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ready, folder)
    code, progress, errors = _walk(folder, moment)
    assert code == -9, errors
    project = Project(Ledger.open(folder / "state.db"), folder / "room", "harbour")
    verify_ledger(project.ledger)
    _nothing_left_unrecorded(project, folder)
    _the_budget_is_that_of_the_spends(project, progress)
    _datasets_are_whole_or_gone(project)
    _it_goes_on(project, folder)
    project.ledger.engine.dispose()


def test_a_walk_that_nobody_kills_comes_to_its_end(ready, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ready, folder)
    code, progress, errors = _walk(folder, 10_000)
    assert (code, progress) == (0, ["answered", "answered", "whole"]), errors
    assert (folder / "twin" / "patient").exists()


def _nothing_left_unrecorded(project, folder):
    """What lies outside has the bytes of an output whose release is on record."""
    with project.ledger.reading() as tx:
        outputs = records.project_table_rows(tx, "harbour", schema.outputs)
    released = {output["output"] for output in outputs if output["state"] == "released"}
    recorded = {
        entry.subject.rsplit("/", 1)[1] for entry in project.ledger.entries(kind="sandbox.release")
    }
    recorded |= {
        entry.body["output"]
        for entry in project.ledger.entries(kind="sandbox.ask")
        if entry.body.get("state") == "released"
    }
    assert released == recorded
    outside = folder / "released"
    for path in outside.iterdir() if outside.exists() else ():
        assert hashlib.sha256(path.read_bytes()).hexdigest() in released
    if (folder / "twin").exists():
        assert [e for e in project.ledger.entries(kind="sandbox.twin") if "files" in e.body]


def _the_budget_is_that_of_the_spends(project, progress):
    """Every cost stands once, in both budgets, in the spends and in the ledger."""
    me = actor_id_of(Key.from_seed(bytes([2]) * 32).public_key)
    with project.ledger.reading() as tx:
        spent = [account.privacy_budget_balance(tx, "harbour", who).spent for who in ("", me)]
        costs = tx.execute(account.spends.select()).all()
    entries = [
        float(entry.body["epsilon"])
        for kind in ("ask", "twin")
        for entry in project.ledger.entries(kind=f"sandbox.{kind}")
        if "epsilon" in entry.body
    ]
    total = round(sum(cost.cost_micro for cost in costs) / 1_000_000, 6)
    assert spent == [total, total]
    assert round(sum(entries), 6) == total
    assert progress.count("answered") * child.COST <= total + 1e-9


def _datasets_are_whole_or_gone(project):
    for dataset in project.status()["datasets"]:
        if dataset["state"] != "deleted":
            load_dataset(project.store / dataset["dataset"], check=True)


def _it_goes_on(project, folder):
    """The next person in the same project is not in the way of what was begun."""
    custodian, researcher = (Key.from_seed(bytes([i]) * 32) for i in (1, 2))
    at = datetime(2026, 11, 24, tzinfo=UTC)
    if project.status()["datasets"]:
        project.delete_dataset("raw", by=custodian, at=at)
    assert not (project.store / "raw").exists()
    query_outcome = project.query(
        "safe", lambda *_: child.measures.noisy_count_query(60).answer(0.01), 0.01, purpose="n",
        by=researcher, at=at,
    )  # fmt: skip
    assert query_outcome.answer is not None
    for output in project.status()["outputs"]:
        if output["state"] == "approved":
            project.release(output["output"], folder / "released", by=custodian, at=at)
