"""A kept stage is read back whole or counts as not there."""

import polars as pl

from commonwatt.runs import StageResult, StageStore
from commonwatt.runs.stages import stage_key


def _stage(value=1.0):
    return StageResult(data={"value": value}, tables={"t": pl.DataFrame({"a": [value]})})


def test_a_stage_is_computed_once(tmp_path):
    first, second = StageStore(tmp_path), StageStore(tmp_path)
    first.get("s", {"x": 1}, _stage)
    again = second.get("s", {"x": 1}, lambda: _stage(2.0))
    assert again.data == {"value": 1.0}
    assert again.tables["t"]["a"].to_list() == [1.0]
    assert (second.reused, second.computed) == (["s"], [])


def test_other_inputs_are_another_stage(tmp_path):
    stages = StageStore(tmp_path)
    stages.get("s", {"x": 1}, _stage)
    assert stages.get("s", {"x": 2}, lambda: _stage(2.0)).data == {"value": 2.0}
    assert stage_key("s", {"x": 1}) != stage_key("r", {"x": 1})


def test_a_stage_with_a_broken_file_is_computed_again(tmp_path):
    stages = StageStore(tmp_path)
    stages.get("s", {}, _stage)
    for name in ("stage.json", "t.parquet"):
        (stages.folder / stage_key("s", {}) / name).write_bytes(b"broken")
        assert stages.get("s", {}, lambda: _stage(3.0)).data == {"value": 3.0}


def test_a_stage_that_fails_leaves_nothing(tmp_path):
    stages = StageStore(tmp_path)

    def fail():
        raise ValueError("no")

    for _ in range(2):
        try:
            stages.get("s", {}, fail)
        except ValueError:
            continue
    assert not stages.folder.exists() or not list(stages.folder.iterdir())
