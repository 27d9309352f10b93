"""The example project and the commands: the whole chain as a user walks it."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.ledger import Key, actor_id_of
from commonwatt.sandbox.usecases.example import (
    DATA,
    example_project_report,
    example_project_section,
    run_example,
    sandbox_example_attack_tables,
)
from tests.sandbox_node import open_folder, proved_node


@pytest.fixture(scope="module")
def example():
    with open_folder() as folder:
        proved_node(folder / "check")
        (folder / "example").mkdir(mode=0o755)
        yield run_example(folder / "example", now=datetime(2026, 11, 22, tzinfo=UTC))


def test_the_example_project_releases_a_model_and_its_figures(example):
    assert example.no_job is None
    assert set(example.released) == {"people.csv", "model.json", "metrics.json"}
    assert example.attack_auc < 0.62
    assert example.spent == 1.5
    assert abs(example.people_count.values[0] - 615) < 60
    assert set(example.synthetic) == {"Patient", "Condition", "Encounter"}
    assert example.synthetic["Patient"].height == 500
    people = set(example.synthetic["Patient"]["patient_id"])
    assert set(example.synthetic["Condition"]["patient_id"]) <= people
    assert json.loads(example.released["metrics.json"])["auc"] > 0.5
    assert example.risk.before.success_share > 0.5
    assert example.risk.after.success_share < 0.01


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_example_is_reported_in_both_languages(example, language):
    section = example_project_section(example, language)
    assert "{" not in section.lede
    assert len(section.tables) == 4
    assert sandbox_example_attack_tables(example)["sandbox_attacks"].height == 3


def test_the_example_is_reported_in_one_call_and_leaves_nothing_behind():
    made = example_project_report("en", now=datetime(2026, 11, 22, tzinfo=UTC))
    assert made.section.name == "sandbox"
    assert made.no_job is None
    assert made.tables["sandbox_attacks"]["success_share"].to_list()[1] < 0.01


JOB = """
code = "study.py"
dataset = "safe"
tables = ["Patient"]
[outputs]
"people.csv" = "csv"
[cohorts."people.csv"]
table = "Patient"
by = ["gender"]
"""
MODEL_JOB = """
code = "model.py"
dataset = "safe"
tables = ["Patient"]
[outputs]
"model.json" = "model"
"metrics.json" = "json"
[training]
table = "Patient"
features = ["birth_band", "gender=male", { name = "visits", table = "Condition" }]
outcome = { table = "Condition", where = [["code_code", "=", "38341003"]] }
"""


class Shell:
    """Runs commands in one folder and returns their JSON."""

    def __init__(self, folder, capsys):
        self.folder, self._capsys = folder, capsys

    def key(self, name):
        return str(self.folder / f"{name}.pem")

    def step(self, name, *arguments, by=None, code=0):
        places = ["--ledger", str(self.folder / "ledger.db"), "--rooms", str(self.folder)]
        key = ["--key", self.key(by)] if by else []
        return self.run("sandbox", *name.split(), "heart", *arguments, *places, *key, code=code)

    def run(self, *arguments, code=0):
        assert run_main(root, [*arguments, "--json"]) == code, self._capsys.readouterr().err
        out = self._capsys.readouterr().out
        return json.loads(out) if out.strip() else None


def test_a_study_goes_from_import_to_release_by_commands(capsys):
    with open_folder() as folder:
        proved_node(folder / "node")
        shell = Shell(folder, capsys)
        _enrol(shell, folder)
        shell.step("init", "--purpose", "Stroke", by="custodian")
        sources = [str(DATA / f"{name}.ndjson.zst") for name in ("Patient", "Condition")]
        assert shell.step("import", "raw", *sources, by="custodian")["rows"]["Patient"] == 615
        report = shell.step("risk", "raw", "safe", by="custodian")
        shell.step("risk", "raw", "safe", "--sign", report["report_sha256"], by="custodian")
        (folder / "job.toml").write_text(JOB)
        shutil.copy(DATA / "study.py.txt", folder / "study.py")
        node = ("--node", str(folder / "node"))
        job = str(folder / "job.toml")
        shell.step("submit", job, *node, by="checker", code=78)
        done = shell.step("submit", job, *node, by="researcher")
        assert {output["state"] for output in done["outputs"]} == {"waiting"}
        people = next(o["sha256"] for o in done["outputs"] if o["name"] == "people.csv")
        shell.step("release", people, str(folder / "out"), by="custodian", code=71)
        shell.step("review", people, "--save", str(folder / "seen"), by="checker")
        for checker in ("checker", "other"):
            shell.step("review", people, "--approve", by=checker)
        left = shell.step("release", people, str(folder / "out"), by="custodian")
        assert (folder / "seen").read_bytes() == Path(left["file"]).read_bytes()
        _query(shell)
        _train(shell, folder, node)
        _end(shell, folder)


def _enrol(shell, folder):
    ledger = ("--ledger", str(folder / "ledger.db"), "--organisation", "HA")
    shell.run("ledger", "init", "--key", shell.key("registrar"), "--name", "Reg", *ledger)
    people = {"custodian": "data-custodian", "researcher": "researcher",
              "checker": "output-checker", "other": "output-checker"}  # fmt: skip
    for name, role in people.items():
        shell.run("ledger", "enrol", "--by", shell.key("registrar"), "--key", shell.key(name),
                  "--name", name, "--role", role, *ledger)  # fmt: skip


def _query(shell):
    shell.step("budget", "--count", "safe/Patient", by="researcher", code=76)
    shell.step("budget", "--grant", "1", by="custodian")
    person = actor_id_of(Key.load(Path(shell.key("researcher"))).public_key)
    shell.step("budget", "--grant", "0.5", "--person", person, by="custodian")
    waits = shell.step("budget", "--count", "safe/Patient", "--epsilon", "0.1", by="researcher")
    assert (waits["state"], waits["people"]) == ("waiting", None)
    shell.step("project preapprove", by="custodian", code=2)
    shell.step("project preapprove", "--open", "0.3", by="custodian")
    answer = shell.step("budget", "--count", "safe/Patient", "--epsilon", "0.3", by="researcher")
    assert abs(answer["people"] - 615) < 100
    assert shell.step("budget")["spent_epsilon"] == 0.4
    synthetic = shell.step("synthesize", "safe", str(shell.folder / "twin"), "--epsilon", "0.1",
                      "--rows", "40", by="researcher")  # fmt: skip
    assert pl.read_parquet(synthetic["files"]["Patient"]).height == 40
    shell.step("synthesize", "safe", str(shell.folder / "twin"), "--epsilon", "0.4",
               by="researcher", code=71)  # fmt: skip
    shell.step("synthesize", "safe", str(shell.folder / "twin"), "--table", "Nothing",
               by="researcher", code=2)  # fmt: skip


def _train(shell, folder, node):
    (folder / "model.toml").write_text(MODEL_JOB)
    shutil.copy(DATA / "model.py.txt", folder / "model.py")
    done = shell.step("submit", str(folder / "model.toml"), *node, by="researcher")
    assert {output["name"]: output["state"] for output in done["outputs"]} == {
        "model.json": "waiting", "metrics.json": "waiting"}  # fmt: skip
    patient = pl.read_parquet(folder / "heart" / "datasets" / "raw" / "Patient.parquet")
    reached = []
    for person in patient["patient_id"].head(8):
        reached = shell.step("project opt-out", person, by="custodian")["models_to_train_again"]
    assert len(reached) == 1


def _end(shell, folder):
    seen = shell.step("activity")
    assert {"init", "open", "submit", "ask", "twin", "release"} & {s["step"] for s in seen["steps"]}
    assert [use["step"] for use in seen["uses"]].count("submit") == 2
    shell.step("project delete", code=71, by="custodian")
    shell.step("project close", by="custodian")
    proof = shell.step("project delete", by="custodian")
    assert proof["left"] == 0
    assert list((folder / "heart").iterdir()) == []
    shell.step("risk", "raw", "more", by="custodian", code=71)
