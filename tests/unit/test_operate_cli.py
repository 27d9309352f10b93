"""The command line of operate, from an empty folder to an invoice."""

import json

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main


@pytest.fixture
def call(capsys):
    def run(*words, code=0):
        assert run_main(root, ["operate", *map(str, words)]) == code
        out = capsys.readouterr()
        return json.loads(out.out) if "--json" in words and not code else out.out + out.err

    return run


def test_jobs_run_from_the_command_line_and_are_invoiced(call, tmp_path):
    home = tmp_path / "home"
    (tmp_path / "control.toml").write_text("tick_s = 0.05\nmetrics_port = 0\n")
    call("init", home, "--settings", tmp_path / "control.toml")
    (home / "nodes.csv").write_text("node,gpus,count\nn,4,2\n")
    for i in range(3):
        call("submit", "--home", home, "--name", f"j{i}", "--gpus", 4, "--", "sleep", "0.2")
    status = call("status", "--home", home, "--json")
    assert [(job["job_id"], job["why"]) for job in status["jobs"]] == [
        ("j0", "turn"), ("j1", "turn"), ("j2", "room"),
    ]  # fmt: skip
    state = tmp_path / "now.json"
    state.write_text(call("capture", "--home", home))
    decided = call("replay", "--home", home, "--state", state, "--json")
    assert (sorted(decided["decision"]["start"]), decided["live"]) == (["j0", "j1"], True)
    summary = call("start", "--home", home, "--until-idle", "--json")
    assert (summary["jobs"], summary["acts"]) == ({"finished": 3}, 3)
    assert call("replay", "--home", home, "--json")["differing"] == []
    used = call("meter", "--home", home, "--json")
    assert used["tenants"]["all"]["jobs"] == 3
    assert used["gpu_s"] >= 2.4  # three jobs that hold 4 GPUs for 0.2 s and no less
    call("drain", "nowhere", "--home", home, code=91)
    node = status["nodes"][0]["name"]
    call("drain", node, "--home", home, "--reason", "test")
    assert call("status", "--home", home, "--json")["nodes"][0]["reason"] == "test"


def test_a_folder_that_is_no_home_is_refused(call, tmp_path):
    assert "operate init" in call("status", "--home", tmp_path, code=92)
    call("init", tmp_path / "home")
    call("init", tmp_path / "home", code=92)


def test_the_dashboard_shows_every_figure(call):
    panels = call("dashboard", "--json")["panels"]
    assert len(panels) == 9


def test_a_second_controller_is_refused(call, tmp_path):
    from commonwatt.operate.usecases.home import hold_controller_lock, open_controller_home

    home = tmp_path / "home"
    call("init", home)
    with hold_controller_lock(open_controller_home(home)):
        assert "another controller" in call("start", "--home", home, "--once", code=92)
