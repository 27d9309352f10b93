"""An option that a way of running a command does not read is refused, and never passed over."""

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main

TRACE = "submit_s,runtime_s,gpus,tenant,job_id\n0,600,1,a,j1\n60,600,2,a,j2\n"
MACHINES = "--trace jobs.csv --nodes 2 --gpus-per-node 8"
# What is asked for, and the option that would have been passed over.
PASSED_OVER = [
    (f"fleet simulate {MACHINES} --order own.py:Mine --quotas quotas.csv", "--quotas"),
    (f"fleet simulate {MACHINES} --order own.py:Mine --place best-fit", "--place"),
    (f"fleet simulate {MACHINES} --order own.py:Mine --arrived-load 1.2", "--arrived-load"),
    (f"fleet simulate {MACHINES} --arrived-load 1.2 --quotas quotas.csv", "--quotas"),
    (f"fleet simulate {MACHINES} --arrived-load 1.2 --runtime none", "--runtime"),
    (f"fleet simulate {MACHINES} --arrived-load 1.2 --order sjf", "--order"),
    ("siting cost us-iowa us-texas --contest --utilisation 0.5", "--utilisation"),
    ("siting cost us-iowa us-texas --contest --case equal", "--case"),
    ("siting cost us-iowa --cooling liquid", "--cooling"),
    ("siting place --day-ahead 25 --hours 48", "--hours"),
    ("siting place --day-ahead 25 --carbon-cap 5", "--carbon-cap"),
    ("siting place classes.csv --day-ahead 25", "[CLASSES]"),
    ("treasury fan hongkong --leave-out JPN", "--leave-out"),
    ("treasury fan hongkong --only JPN", "--only"),
    ("treasury fan hongkong --backtest --weo weo.csv", "[COUNTRY]"),
    ("treasury fan --backtest --weo weo.csv --paths 500", "--paths"),
    ("treasury finance harbour --route ppp", "--route"),
    ("sandbox review heart x --approve --save bytes --key k.pem", "--save"),
    ("sandbox budget heart --grant 3 --count safe/Patient --key k.pem", "--count"),
    ("sandbox budget heart --grant 3 --epsilon 0.5 --key k.pem", "--epsilon"),
    ("sandbox budget heart --epsilon 0.5", "--epsilon"),
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.csv").write_text(TRACE, "utf-8")
    (tmp_path / "classes.csv").write_text("class,origin\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(("words", "option"), PASSED_OVER)
def test_an_option_that_would_be_passed_over_is_refused(home, words, option, capsys):
    assert run_main(root, words.split()) == 2
    shown = capsys.readouterr().err
    assert f"commonwatt: {option}: an option that " in shown
    assert "Leave one of the two out." in shown or "Leave it out, or give --" in shown


@pytest.mark.parametrize("sites", ["us-iowa", "us-iowa us-texas cn-west"])
def test_a_contest_is_between_two_sites(home, sites, capsys):
    assert run_main(root, f"siting cost {sites} --contest".split()) == 2
    assert "wanted 2 sites, or none" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        f"fleet simulate {MACHINES} --order sjf --place best-fit --seed 3 --runtime none",
        f"fleet simulate {MACHINES} --arrived-load 1.2 --place best-fit --seed 3",
        f"fleet simulate {MACHINES} --json --lang zh-Hant --out here",
        "siting cost us-iowa us-texas --contest --draws 100 --seed 3 --json",
        "siting cost us-iowa --draws 100 --utilisation 0.5",
        "treasury fan hongkong --paths 200 --years 3 --json",
    ],
)
def test_what_is_read_is_taken(home, words):
    assert run_main(root, words.split()) == 0


@pytest.mark.parametrize("out", ["/proc/none/here", "jobs.csv/below"])
def test_an_answer_that_cannot_be_written_is_known_before_the_command_runs(home, out, capsys):
    words = f"ledger init --key me.pem --name Chan --organisation HA --out {out}"
    assert run_main(root, words.split()) == 2
    assert "commonwatt: --out: found " in capsys.readouterr().err
    # Nothing was put on record, and the same words without the folder go through.
    assert not (home / "ledger.db").exists()
    assert run_main(root, words.split()[:-2]) == 0


def test_a_command_that_fails_leaves_no_folder(home):
    assert run_main(root, ["ledger", "verify", "--out", "new/answer"]) != 0
    assert not (home / "new").exists()
