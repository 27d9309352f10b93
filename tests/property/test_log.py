"""No value of a record and no sentence comes into a log, whatever is handled at the time."""

import json
import os
import threading
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.engines.gateway.service import EXTENSION, CdsHooksService
from commonwatt.core.errors import InputError
from commonwatt.core.log import (
    LOG_FIELDS,
    FieldKind,
    LogEvent,
    RotatingLogFile,
    log_bug,
    log_context,
    log_event,
    logging_to_destination,
)
from commonwatt.operate.usecases.home import make_controller_home
from commonwatt.operate.usecases.run import run_controller
from commonwatt.sandbox.io.imports.dataset import import_csv
from commonwatt.sandbox.io.imports.plain import infer_import_table_schema
from tests.clinic_factories import HOUR, KEYS, NOW, with_live
from tests.log_lines import lines_of
from tests.sandbox_node import open_folder, proved_node
from tests.sandbox_project import SandboxProject
from tests.unit.test_clinic_hooks import Client

# Words that no code of ours holds, so that any of them in a log came from a record.
personal = st.text("ghjkmnpqvwxyz", min_size=12, max_size=16).map(lambda text: f"Qz{text}")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(LOG_FIELDS)), personal.map(lambda word: f"{word} Chen"))
def test_free_text_is_refused_in_every_field_and_not_repeated(field, text):
    with pytest.raises(TypeError) as refused:
        log_event(LogEvent.COMMAND_STARTED, **{field: text})
    assert text not in str(refused.value)
    with pytest.raises(TypeError), log_context(**{field: text}):
        raise AssertionError("it was taken")


@pytest.mark.parametrize("field", sorted(LOG_FIELDS))
def test_what_a_field_is_for_is_taken(field, tmp_path):
    class Code(Enum):
        WORD = "a-word"

    value = {
        FieldKind.MADE_ID: "0123456789ab", FieldKind.NAME_ID: "job-1.5_x", FieldKind.COUNT: 3,
        FieldKind.CODE: Code.WORD, FieldKind.SECONDS: 1.5,
        FieldKind.FRAMES: ["a.py:1 f"],
    }[LOG_FIELDS[field]]  # fmt: skip
    with logging_to_destination(str(tmp_path / "log")):
        log_event(LogEvent.COMMAND_STARTED, **{field: value})
    (line,) = lines_of(tmp_path / "log")
    assert line[field] == ("a-word" if value is Code.WORD else value)
    assert {"at", "event", "level", "pid"} <= set(line)


@given(personal)
def test_a_field_that_is_not_listed_is_refused(name):
    with pytest.raises(ValueError, match="no such field"):
        log_event(LogEvent.COMMAND_STARTED, **{name: 1})


@settings(max_examples=60, deadline=None)
@given(personal, st.sampled_from([ValueError, KeyError, OSError, InputError]))
def test_a_traceback_is_kept_without_what_the_exception_says(text, kind):
    with TemporaryDirectory() as folder, logging_to_destination(f"{folder}/log"):
        try:
            try:
                raise ValueError(f"age of {text}")
            except ValueError as cause:
                raise kind(f"row of {text}") from cause
        except Exception as error:
            report = log_bug(error)
        log_text = Path(folder, "log").read_text()
    assert report.file == f"{folder}/log"
    assert text not in log_text
    (line,) = map(json.loads, log_text.splitlines())
    assert line["incident"] == report.incident
    assert any("test_log.py" in frame for frame in line["frames"])


def _sandbox_import(folder, words):
    rows = "\n".join(f"{i},{word},{word} Road" for i, word in enumerate(words))
    (folder / "in.csv").write_text(f"patient_id,name,address\n{rows}\nbroken,row\n")
    schema = infer_import_table_schema(folder / "in.csv")
    import_csv(folder / "in.csv", schema, folder / "store", "people")


def _cluster_job(folder, words):
    home = make_controller_home(folder / "home", "tick_s = 0.05\n", now=datetime.now(UTC))
    arguments = ["operate", "submit", "--home", str(home.folder), "--gpus", "0", "--user", words[0]]
    assert run_main(root, [*arguments, "--", "sh", "-c", f"echo {words[-1]}"]) == 0
    run_controller(home, until_idle=True)


def _failing_commands(folder, words):
    (folder / f"{words[0]}.csv").write_text(f"name\n{words[-1]}\n")
    for command in (
        ["fleet", "describe", str(folder / f"{words[0]}.csv")],
        ["runs", "show", words[0], "--store", str(folder / "runs")],
        ["ledger", "verify", str(folder / words[-1])],
    ):
        assert run_main(root, command) not in {0, 10}


def _clinic_gate(folder, words):
    desk = with_live()
    gate = AdviceGate(desk, "qmh", {"deployment/x": lambda _: 0.42}, by=KEYS["gateway"], salt=b"s")
    service = CdsHooksService(gate, lambda: NOW + HOUR, lambda *_: None)
    client = Client(service.cds_hooks_app())
    for word in words:
        patient = {"resourceType": "Patient", "id": "p", "name": [{"text": word}]}
        body = {
            "hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": {"userId": "Practitioner/lee", "patientId": "p"},
            "prefetch": {"patient": patient},
            "extension": {EXTENSION: {"facts": {"age_years": word, word: word}}},
        }  # fmt: skip
        # What is missing is named; a word in the place of a name is refused.
        assert client.post("/cds-services/x", json=body).status_code == 412
        named = body | {"context": {"userId": word, "patientId": word, "encounterId": word}}
        assert client.post("/cds-services/x", json=named).status_code == 400
        client.post(f"/cds-services/{word}", json=body)
        client.post("/cds-services/x/feedback", json={"reason": word})


def _isolated_job(folder, words):
    with open_folder() as room:
        sandbox = SandboxProject(room)
        sandbox.sign()
        code = f"open('/out/{words[0]}', 'w'); raise ValueError('{words[-1]}')"
        outcome = sandbox.submit(proved_node(room / "node"), code).outcome
        assert words[-1].encode() in outcome.log
        sandbox.ledger.engine.dispose()


@pytest.mark.parametrize(
    "flow", [_sandbox_import, _isolated_job, _clinic_gate, _cluster_job, _failing_commands]
)
@settings(max_examples=4, deadline=None)
@given(st.lists(personal, min_size=2, max_size=5))
def test_no_planted_word_is_in_the_log_of_a_flow(flow, words):
    with TemporaryDirectory() as name:
        folder = Path(name)
        # To a file that the environment names, as for a program that is left running.
        with logging_to_destination(str(folder / "log")):
            log_event(LogEvent.CONSOLE_STARTED)
            flow(folder, words)
        log_text = (folder / "log").read_text()
        event(f"{len(log_text.splitlines())} lines")
        assert log_text
        assert [word for word in words if word in log_text] == []
        assert all(set(line) <= {*LOG_FIELDS, "at", "event", "level", "pid"}
                   for line in lines_of(folder / "log"))  # fmt: skip


def test_a_bug_of_a_command_names_the_file_of_its_traceback(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise KeyError("Mary Chen")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("commonwatt.runs.RunStore.list", fail)
    assert run_main(root, ["runs", "list", "--store", str(tmp_path / "runs")]) == 10
    words = capsys.readouterr().err
    bug_log = tmp_path / "commonwatt" / "bugs.jsonl"
    (line,) = lines_of(bug_log)
    assert str(bug_log) in words
    assert line["incident"] in words
    assert "Mary" not in words + bug_log.read_text()


def test_a_full_disk_is_no_fault_of_ours(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("commonwatt.runs.RunStore.list", fail)
    with logging_to_destination(str(tmp_path / "log")):
        code = run_main(root, ["runs", "list", "--store", str(tmp_path / "runs")])
    words = capsys.readouterr().err
    assert code == 12
    assert "no space left" in words
    assert "fault of Commonwatt" not in words


def test_a_log_that_cannot_be_written_stops_nothing_and_says_so_later(
    tmp_path, monkeypatch, capsys
):
    log = tmp_path / "folder" / "log"
    log.parent.write_text("in the way")
    with logging_to_destination(str(log)):
        log_event(LogEvent.CONSOLE_STARTED)
        assert json.loads(capsys.readouterr().err)["event"] == "console-started"
        log.parent.unlink()
        log_event(LogEvent.GATE_OPENED)
    lines = [(line["event"], line.get("count")) for line in lines_of(log)]
    assert lines == [("gate-opened", None), ("log-lines-lost", 1)]


def test_a_file_rotates_and_loses_no_line_of_any_thread(tmp_path):
    file = RotatingLogFile(tmp_path / "log", most_bytes=1000, old_files=200)

    def write(i):
        for j in range(100):
            RotatingLogFile(file.path, 1000, 200).append_line(json.dumps({"i": i, "j": j}))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = list(tmp_path.glob("log*"))
    assert len(files) > 4
    assert all(path.stat().st_size <= 1000 for path in files)
    lines = [(line["i"], line["j"]) for path in files for line in lines_of(path)]
    assert sorted(lines) == [(i, j) for i in range(4) for j in range(100)]


def test_a_line_says_when_and_by_which_process_in_an_order_that_stays(tmp_path):
    before = datetime.now(UTC)
    with logging_to_destination(str(tmp_path / "log")):
        log_event(LogEvent.COMMAND_ENDED, acts=3)
    text = (tmp_path / "log").read_text("utf-8")
    line = json.loads(text)
    assert text == json.dumps(line, sort_keys=True) + "\n"
    assert (line["event"], line["level"], line["pid"]) == ("command-ended", "info", os.getpid())
    assert line["at"].endswith("Z")
    assert before <= datetime.fromisoformat(line["at"]) <= datetime.now(UTC)


def test_two_calls_in_two_languages_hear_their_own(capsys):
    environment = dict(os.environ)
    heard = {}

    def call(language):
        for _ in range(20):
            heard[language] = run_main(root, ["--lang", language, "frobnicate"])

    threads = [threading.Thread(target=call, args=(language,)) for language in ("en", "zh-Hant")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    words = capsys.readouterr().err
    assert set(heard.values()) == {2}
    assert words.count("No such command 'frobnicate'") == 20
    assert dict(os.environ) == environment
    run_main(root, ["--lang", "zh-Hant", "--help"])
    capsys.readouterr()
    run_main(root, ["--help"])
    assert "Options:" in capsys.readouterr().out
