"""Every documented command gives what it gave, to the last file.

The cases stand in `commands/cases.py`, what they gave in `commands/expected/`. To renew:

    COMMONWATT_RENEW_GOLDEN=1 pytest tests/golden/test_commands.py

and read the difference. For a change that must not touch a byte, on one machine, run it with
COMMONWATT_GOLDEN_BYTES=1, which compares the digests of bytes, too.
"""

import contextlib
import io
import json
import os
import re
import shlex
import sys
from pathlib import Path

import click
import polars as pl
import pytest

from commonwatt.cli import main
from tests.golden.commands.cases import CASES
from tests.golden.commands.compare import differences
from tests.golden.commands.normal import Normal

EXPECTED = Path(__file__).parent / "commands" / "expected"
# Databases, what is kept to save time, under names that hang on the sources, and logs, which
# hold instants and numbers of processes.
INNER = re.compile(r"\.(db|sqlite)(-wal|-shm|-journal)?$|/\.|/log/|/__pycache__/")
RENEW = bool(os.environ.get("COMMONWATT_RENEW_GOLDEN"))


def call(words):
    """Run the program in this process; return exit code, stdout and stderr."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    before, sys.argv = sys.argv, ["commonwatt", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code = 0
    except SystemExit as left:
        code = left.code or 0
    finally:
        sys.argv = before
    for stream in (out, err):
        stream.flush()
    return code, *(stream.buffer.getvalue().decode() for stream in (out, err))


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def at_path(node, path):
    for name in path.split("."):
        node = node[int(name)] if isinstance(node, list) else node[name]
    return node


def state_of(folder):
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not INNER.search(path.as_posix())
    }


class Walk:
    """Runs the steps of one case in one folder and writes down what each did."""

    def __init__(self, case, folder):
        self.case, self.folder = case, folder
        self.normal = Normal(folder, case.masks, case.drawn)
        self.values = {}
        self.digests = {}

    def record(self):
        for name, given in self.case.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(given) if isinstance(given, bytes) else path.write_text(given)
        if self.case.prepare:
            self.case.prepare(self.folder)
        return {"case": self.case.name, "steps": [self.step(step) for step in self.case.steps]}

    def step(self, step):
        line, keep = step if isinstance(step, tuple) else (step, {})
        words = [word.format(**self.values) if "{" in word else word for word in shlex.split(line)]
        os.environ.pop("LANGUAGE", None)
        before = state_of(self.folder)
        code, out, err = call(words)
        answer = parsed(out)
        self.normal.note_ids(answer)
        for name, path in keep.items():
            self.values[name] = at_path(answer, path) if path else out
            if not path:
                (self.folder / name).write_text(out)
        after = state_of(self.folder)
        changed = [name for name in after if after[name] != before.get(name)]
        gone = [name for name in before if name not in after]
        left = self.left(changed, gone)  # first: it tells the ids that the answer names
        return {"argv": line, "exit": code} | self.told(code, out, err, answer) | left

    def told(self, code, out, err, answer):
        if code:
            return {"error": (parsed(err) or {}).get("error")}
        if answer is not None:
            return {"json": self.normal.json(answer)}
        return {"text": [self.normal.text(line.rstrip()) for line in out.splitlines()]}

    def left(self, changed, gone):
        # JSON first: it tells which ids are to be replaced in names and pages.
        order = sorted(changed, key=lambda name: (not name.endswith(".json"), name))
        files = {}
        for name in order:
            if not any(part in name for part in self.case.leave_out):
                files[self.normal.text(name)] = self.file(name)
        record = {"files": dict(sorted(files.items()))} if files else {}
        return record | ({"removed": [self.normal.text(name) for name in gone]} if gone else {})

    def file(self, name):
        path = self.folder / name
        record = self.normal.file(path)
        if path.suffix == ".csv" and path.with_suffix(".parquet").exists():
            names = list(record.get("columns", {}))
            return {"kind": "table of its parquet", "bytes_sha256": record.get("bytes_sha256"),
                    "rows": record.get("rows"), "columns": names}  # fmt: skip
        whole = json.dumps({k: v for k, v in record.items() if k != "bytes_sha256"})
        if len(whole) > 300 and self.digests.setdefault(whole, name) != name:
            return {"kind": "same as", "file": self.normal.text(self.digests[whole])}
        return record


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("COMMONWATT_")]:
        if name not in ("COMMONWATT_RENEW_GOLDEN", "COMMONWATT_GOLDEN_BYTES"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("LANGUAGE", "")
    return tmp_path


def held(name, record):
    """Hold a record against the one on file, or renew it."""
    path = EXPECTED / f"{name}.json"
    text = json.dumps(record, indent=1, ensure_ascii=False, default=str) + "\n"
    if RENEW:
        path.write_text(text, encoding="utf-8")
        return
    assert path.exists(), f"{name} has no record; renew with COMMONWATT_RENEW_GOLDEN=1"
    expected = json.loads(path.read_text(encoding="utf-8"))
    places = list(differences(expected, json.loads(text), name))
    listing = "\n".join(places[:20]) + (f"\n… and {len(places) - 20} more" if places[20:] else "")
    assert not places, f"{len(places)} differences\n{listing}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_command_gives_what_it_gave(case, folder, monkeypatch):
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    if not case.programs:  # what is installed beside Python must not change a result
        monkeypatch.setenv("PATH", str(folder / "nothing"))
    held(case.name, Walk(case, folder).record())


def test_the_tree_of_commands_is_what_it_was():
    from commonwatt.cli import root

    held("tree", tree(root))


def tree(command):
    """Return names only: of groups, commands, arguments and options."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        return {name: tree(command.get_command(context, name))
                for name in command.list_commands(context)}  # fmt: skip
    return sorted(
        " ".join([*parameter.opts, *parameter.secondary_opts])
        if isinstance(parameter, click.Option)
        else f"<{parameter.name}>"
        for parameter in command.params
    )


def test_every_record_on_file_has_its_case():
    if RENEW:
        for path in EXPECTED.glob("*.json"):
            if path.stem not in {case.name for case in CASES} | {"tree"}:
                path.unlink()
    names = {case.name for case in CASES} | {"tree"}
    assert {path.stem for path in EXPECTED.glob("*.json")} <= names
    assert len(names) == len(CASES) + 1


def test_a_difference_is_named_by_case_table_column_and_row(tmp_path, monkeypatch):
    monkeypatch.delenv("COMMONWATT_GOLDEN_BYTES", raising=False)

    def table(last):
        path = tmp_path / "t.parquet"
        pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}).with_columns(
            a=pl.Series([1.0, last])
        ).write_parquet(path)
        return {"files": {"out/t.parquet": Normal(tmp_path).file(path)}}

    [place] = differences(table(2.0), table(2.5), "case")
    assert place == "case › files › out/t.parquet › columns › a › values[1]: 2.5 instead of 2.0"
    assert list(differences(table(2.0), table(2.0 + 1e-13), "case")) == []
