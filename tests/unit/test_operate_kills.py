"""The controller is killed at random instants, and nothing is lost or doubled."""

from datetime import UTC, datetime

from commonwatt.operate.usecases.home import make_controller_home
from tests.operate_kills import kill_often

SETTINGS = "engine = 'local'\ntick_s = 0.05\n"


def test_ten_kills_lose_and_double_no_job(tmp_path):
    home = make_controller_home(tmp_path / "home", SETTINGS, now=datetime.now(UTC))
    (home.folder / "nodes.csv").write_text("node,gpus,count\nn,8,4\n")
    outcome = kill_often(home, tmp_path / "marks", count=40, kills=10, apart_s=0.6)
    assert outcome.kills == 10
    assert outcome.finished == 40
    assert (outcome.lost, outcome.doubled) == ([], [])
    assert outcome.differing == 0
    assert "open" not in outcome.intents
    assert outcome.entries == 2 + sum(outcome.intents.values())
