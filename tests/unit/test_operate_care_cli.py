"""`commonwatt operate care` from the command line."""

import json
import re

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.cli.operate import operate


def call(*argv, code=0):
    result = CliRunner().invoke(operate, [str(word) for word in argv])
    if code == 0 and result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def data(*argv):
    return json.loads(call(*argv, "--json").stdout)


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "nodes.csv").write_text("sn,cpu_milli,memory_mib,gpu,model\n" + "".join(
        f"n{i},8000,16000,2,A100\n" for i in range(8)))  # fmt: skip
    call("init", tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def telemetry(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("at_s,node,signal,value\n1800000000,n1,DCGM_FI_DEV_XID_ERRORS,79\n")
    return path


def test_a_dry_run_says_what_a_run_then_does(home, telemetry):
    dry = data("care", "run", "--home", home, "--samples", telemetry, "--dry-run")
    assert dry["dry_run"]
    assert [(s["node"], s["to"]) for s in dry["steps"]] == [("n1", "drained")]
    assert data("care", "run", "--home", home, "--dry-run")["nodes"] == []
    real = data("care", "run", "--home", home, "--samples", telemetry)
    assert [(s["node"], s["to"]) for s in real["steps"]] == [("n1", "drained")]
    assert data("care", "intervene", "undo", "n1", "--home", home)["nodes"] == []
    assert "No node is in care" in call("care", "run", "--home", home).stdout


def test_a_run_in_chinese_says_so(home, telemetry):
    result = call(
        "care", "run", "--home", home, "--samples", telemetry, "--dry-run", "--lang", "zh-Hant"
    )
    assert "試行" in result.stdout


def test_what_the_table_forbids_is_refused_with_its_code(home, capsys):
    assert run_main(root, ["operate", "care", "intervene", "undo", "n1", "--home", str(home)]) == 95
    assert "in-service" in capsys.readouterr().err
    assert run_main(root, ["operate", "care", "intervene", "undo", "--home", str(home)]) == 2


def test_alarms_on_a_table_are_listed_and_judged(tmp_path):
    chance = np.random.default_rng(1)
    values = 0.5 + 0.02 * chance.normal(size=(3000, 3))
    values[2500:2540, 1] += 0.4
    frame = pl.DataFrame(values, schema=["cpu", "disk", "net"])
    label = np.zeros(1000, dtype=int)
    label[500:540] = 1
    frame[:2000].write_csv(tmp_path / "a.csv")
    frame[2000:].with_columns(label=label).write_csv(tmp_path / "b.csv")
    detection = data("care", "detect", tmp_path / "a.csv", tmp_path / "b.csv", "--day", "500")
    assert any(e["metrics"][0] == "disk" and 495 <= e["first_step"] <= 510
               for e in detection["episodes"])  # fmt: skip
    assert detection["judged"]["recall_share"] == 1.0
    words = ("care", "detect", tmp_path / "a.csv", tmp_path / "b.csv", "--day", "500")
    assert "disk" in call(*words).stdout


def test_a_replay_of_a_table_of_faults(tmp_path):
    path = tmp_path / "f.csv"
    rows = "".join(f"{i % 5},{i}.0,{i}.5,GPU,xid\n" for i in range(10))
    path.write_text("node,start_day,end_day,class,desc\n" + rows)
    words = ("care", "replay", path, "--gang", 8, "--spares", 2, "--days", 5, "--watched", 10,
             "--most-out", 0.5)  # fmt: skip
    out = data(*words)
    assert 0.9 < out["ettr_share"] < 1
    assert out["drains"] >= 1
    shares = ("kept", "saving", "lost", "isolating", "restarting", "waiting")
    assert sum(out[f"{name}_share"] for name in shares) == pytest.approx(1.0)
    assert re.match(r"Effective training time +9\d\.", call(*words).stdout)


def test_lemons_and_saves_are_advised(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("node\n" + "7\n" * 9 + "1\n2\n")
    assert [x["node"] for x in data("care", "lemons", path, "--nodes", 100)["lemons"]] == ["7"]
    saved = data("care", "checkpoint", "--nodes", 100, "--faults", 4.2, "--save-s", 10)
    assert saved["interval_s"] == pytest.approx(saved["young_s"], rel=0.05)
    assert run_main(root, ["operate", "care", "lemons", str(path), "--nodes", "2"]) == 2
