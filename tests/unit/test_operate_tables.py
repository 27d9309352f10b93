"""Whatever operate answers with has the columns that the catalogue declares."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from commonwatt.operate.domain import tables
from commonwatt.operate.engines.care.detect.alarms import AlarmBudget
from commonwatt.operate.engines.care.replay.setting import ReplaySetting
from commonwatt.operate.usecases import care_study
from commonwatt.operate.usecases.actions import submit_job_to_cluster
from commonwatt.operate.usecases.home import make_controller_home
from commonwatt.operate.usecases.overview import cluster_status
from commonwatt.operate.usecases.run import run_controller
from commonwatt.operate.usecases.status import metered_gpu_use_and_tables_by_name
from tests.operate_cases import request


def names(table):
    return [column.name for column in table.columns]


def test_a_cluster_is_shown_by_declared_columns(tmp_path):
    home = make_controller_home(tmp_path / "home", "tick_s = 0.05\n", now=datetime.now(UTC))
    (home.folder / "nodes.csv").write_text("node,gpus,count\nn,4,1\n")
    submit_job_to_cluster(home, request("over", "true"), now_s=1.0)
    run_controller(home, until_idle=True)
    submit_job_to_cluster(home, request("runs", "sleep", "600", gpus=4), now_s=2.0)
    run_controller(home, once=True)
    shown = cluster_status(home.folder, datetime.now(UTC))
    for rows, table in (
        (shown.jobs, tables.JOBS),
        (shown.nodes, tables.NODES),
        (shown.tenants, tables.TENANTS),
        (shown.actions, tables.ACTIONS),
        (shown.use, tables.HELD_OVER_TIME),
    ):
        assert rows
        assert {tuple(row) for row in rows} == {tuple(names(table))}, table.name
    _, written = metered_gpu_use_and_tables_by_name(home, now_s=datetime.now(UTC).timestamp())
    assert written["metered"].columns == names(tables.METERED)
    assert written["trace"].equals(tables.TRACE.frame_checked_against_schema(written["trace"]))
    assert written["trace"].height == 1


def test_care_answers_by_declared_columns(tmp_path):
    faults = tmp_path / "faults.csv"
    faults.write_text("cause,n\nfaulty_gpu,3\n")
    setting = ReplaySetting(gang=4, spares=2, days=2.0)
    outcome = care_study.care_replay_result(faults, setting, watched=6, counts_days=2.0)
    assert list(outcome) == [*names(tables.CARE_OUTCOME), "moves"]
    advice = care_study.checkpoint_advice_result(
        nodes=8, faults_per_1000_node_days=4.0, save_s=10.0, restart_s=60.0
    )
    assert list(advice) == names(tables.CHECKPOINTS)


def test_alarms_and_lemons_are_listed_by_declared_columns(tmp_path: Path):
    chance = np.random.default_rng(1)
    frame = pl.DataFrame(0.5 + 0.02 * chance.normal(size=(1500, 2)), schema=["cpu", "disk"])
    label = np.zeros(500, dtype=int)
    label[200:240] = 1
    later = frame[1000:].with_columns(
        disk=pl.col("disk") + pl.Series(0.4 * label), label=pl.Series(label)
    )
    frame[:1000].write_csv(tmp_path / "a.csv")
    later.write_csv(tmp_path / "b.csv")
    alarms, scores = care_study.node_alarm_episodes_and_scores(
        tmp_path / "a.csv", tmp_path / "b.csv", day=500, budget=AlarmBudget(day=500, quiet=20)
    )
    assert scores.columns == names(tables.SCORES)
    assert list(alarms["episodes"][0]) == names(tables.EPISODES)
    assert list(alarms["judged"]) == names(tables.ALARM_SCORES)
    (tmp_path / "f.csv").write_text("node\n" + "7\n" * 9)
    rule = care_study.LemonRule()
    lemons = care_study.lemon_nodes_result(tmp_path / "f.csv", nodes=100, rule=rule)["lemons"]
    assert list(lemons[0]) == names(tables.LEMONS)
