"""A part of a study that is not there is named: in the report, as JSON, and in the exit code."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.core.errors import InfeasibleError
from commonwatt.core.messages import Message
from commonwatt.runs import RunStore
from commonwatt.sandbox.domain.errors import IsolationError
from commonwatt.study.usecases import run_study
from tests.small_programme import ALTERNATIVES, FILE, small_programme

RENT = FILE[FILE.index("[sites.rent]") : FILE.index("[[sites.pools]]\nnodes = 0")]
FUNDING = FILE[FILE.index("[funding]") : FILE.index(ALTERNATIVES)]
CELLS = 'cost_cells = "{}"\n'
SHORT = "the trace is shorter than a week"
NONE = {
    "cost": "nothing says what a GPU-hour costs at home, west",
    "placement": "nothing says what a GPU-hour costs at home, west",
    "alternatives": "the programme has no alternatives",
    "funding": "the programme has no table funding",
}
# Changes of the small programme, the parts that are then absent and why, and those asked for.
ABSENT = {
    "nothing but the short trace": ({}, {"placement": SHORT}, set()),
    "nobody borrows": (
        {FUNDING: ""},
        {"placement": SHORT, "funding": "the programme has no table funding"},
        set(),
    ),
    "one site without cells": (
        {CELLS.format("cn-west"): ""},
        dict.fromkeys(NONE, "nothing says what a GPU-hour costs at west"),
        {"cost", "alternatives", "funding"},
    ),
    "one alternative without cells": (
        {RENT: ""},
        {"placement": SHORT, "alternatives.rent": "nothing says what a GPU-hour costs at rented"},
        {"alternatives.rent"},
    ),
    "no costs at all, and none asked for": (
        {CELLS.format("cn-west"): "", CELLS.format("hong-kong"): "", RENT: "", FUNDING: "",
         ALTERNATIVES: ""},
        NONE,
        set(),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all, as schedules of the same jobs are the same."""
    return tmp_path_factory.mktemp("runs")


def _study(programme, store, capsys, *more):
    code = run_main(root, ["study", str(programme), "--json", "--store", str(store), *more])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


@pytest.mark.parametrize("name", ABSENT)
def test_every_absent_part_is_named_and_one_asked_for_is_no_success(name, tmp_path, store, capsys):
    changes, absent, requested = ABSENT[name]
    code, answer, err = _study(small_programme(tmp_path, changes=changes), store, capsys)
    rows = {row["part"]: row for row in answer["parts_absent"]}
    assert {part: row["reason"] for part, row in rows.items()} == absent
    assert {part for part, row in rows.items() if row["asked_for"]} == requested
    assert all(row["remedy"] for row in rows.values())
    assert code == (41 if requested else 0)
    page = Path(answer["report"]).read_text(encoding="utf-8")
    first = page[page.index('id="page-one"') : page.index('id="contents-page"')]
    for part, reason in absent.items():
        # Where the hours of a plan go is no part of the answer; a price or a choice is.
        assert (html.escape(reason) in first) == (part != "placement" or reason != SHORT)
        assert html.escape(f"Not computed: {reason}.") in page
        assert f'id="{part.partition(".")[0]}"' in page
    if requested:
        fault = json.loads(err.splitlines()[-1])
        assert fault["error"] == "part-absent"
        assert all(f"({part})" in fault["found"] for part in requested)


def test_a_placement_that_cannot_be_stands_with_its_reason(tmp_path, monkeypatch):
    def refuse(*_):
        raise InfeasibleError("placement", found=Message("limits that cannot hold together"))

    monkeypatch.setattr("commonwatt.study.result.can_run_placement_stage", lambda _: True)
    monkeypatch.setattr(
        "commonwatt.study.stages.placement.placement_problem_of_programme_week", refuse
    )
    # A store of its own: whether limits can hold follows from the file, and is kept with its run.
    study = run_study(small_programme(tmp_path), RunStore(tmp_path / "runs"))
    (part,) = study.absent
    assert str(part.reason) == "placement: limits that cannot hold together"
    assert study.absent_parts_error() is not None
    assert "limits that cannot hold together" in study.report.read_text(encoding="utf-8")
    assert study.run.headline["capital_hkd_bn"] > 0


def test_a_machine_without_bubblewrap_counts_no_outputs(tmp_path, store, monkeypatch, capsys):
    def refuse(_):
        raise IsolationError(
            "bwrap",
            found=Message("not installed"),
            remedy=Message("Install it: apt install bubblewrap"),
        )

    monkeypatch.setattr("commonwatt.sandbox.usecases.example.prove_node", refuse)
    programme = small_programme(
        tmp_path, "[rooms]\nexample = true\non = 2026-03-02\n", {ALTERNATIVES: ""}
    )
    code, answer, err = _study(programme, store, capsys)
    (part,) = (row for row in answer["parts_absent"] if row["asked_for"])
    assert (part["part"], part["remedy"]) == ("rooms", "Install it: apt install bubblewrap")
    assert "bwrap: not installed" in part["reason"]
    assert code == 41
    assert "apt install bubblewrap" in err
    page = Path(answer["report"]).read_text(encoding="utf-8")
    assert re.search(r"<td[^>]*>Outputs collected</td>\s*<td[^>]*>–</td>", page)
    assert "No job was run: this machine cannot isolate one." in page


LOUD = """
import ctypes, os, sys
from commonwatt.cli import root
from commonwatt.cli.frame import run_main
import commonwatt.study.usecases as usecases
quiet = usecases.run_study
def loud(*given, **more):
    ctypes.CDLL(None).puts(b"Running HiGHS 1.16.0")
    print("a banner from Python")
    os.write(1, b"unbuffered\\n")
    return quiet(*given, **more)
usecases.run_study = loud
sys.exit(run_main(root, ["study", sys.argv[1], "--json", "--store", sys.argv[2]]))
"""


def test_what_libraries_print_never_stands_between_the_lines_of_json(tmp_path, store):
    done = subprocess.run(
        [sys.executable, "-c", LOUD, small_programme(tmp_path), store],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["title"] == "Small"
    for line in ("Running HiGHS 1.16.0", "a banner from Python", "unbuffered"):
        assert line in done.stderr.splitlines()
