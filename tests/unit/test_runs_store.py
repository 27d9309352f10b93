"""A run is whole or not there."""

import os
import signal
import subprocess
import sys
import textwrap

import polars as pl
import pytest

from commonwatt.core.errors import IdentityError, RunNotFoundError
from commonwatt.runs import RunInput, RunRecipe, RunStore


def _recipe(**changes):
    given = {"kind": "demo", "title": "Demo", "seed": 1, "parameters": {"a": 1}, "inputs": []}
    return RunRecipe(**(given | changes))


def _sealed(store, value=1, **changes):
    draft = store.draft(_recipe(**changes))
    draft.add_table("t", pl.DataFrame({"a": [value]}))
    return store.complete_run(draft, headline={"a": value})


def test_a_run_is_found_again_with_its_tables(tmp_path):
    run = _sealed(RunStore(tmp_path))
    again = RunStore(tmp_path)
    assert again.get(run.run_id[:6]) == run
    assert again.get("latest") == run
    assert again.table(run.run_id, "t")["a"].to_list() == [1]


@pytest.mark.parametrize(
    "change",
    [{"seed": 2}, {"parameters": {"a": 2}}, {"kind": "other"},
     {"inputs": [RunInput(name="x", sha256="0" * 64, bytes=1)]}],
)  # fmt: skip
def test_an_id_follows_everything_that_decides_the_result(change):
    assert _recipe().run_id != _recipe(**change).run_id


def test_an_id_does_not_follow_the_title():
    assert _recipe().run_id == _recipe(title="Another").run_id


def test_the_same_run_twice_is_one_run(tmp_path):
    store = RunStore(tmp_path)
    assert _sealed(store) == _sealed(store)
    assert len(store.list()) == 1
    assert not list(tmp_path.glob(".draft-*"))


def test_the_same_recipe_with_another_result_is_a_broken_identity(tmp_path):
    store = RunStore(tmp_path)
    _sealed(store, value=1)
    with pytest.raises(IdentityError):
        _sealed(store, value=2)


def test_an_unknown_run_is_refused(tmp_path):
    with pytest.raises(RunNotFoundError, match="0 runs"):
        RunStore(tmp_path).get("abc")


def test_a_run_that_was_sealed_but_not_listed_is_listed_on_the_next_start(tmp_path):
    run = _sealed(RunStore(tmp_path))
    (tmp_path / "runs.sqlite").unlink()
    assert [found.run_id for found in RunStore(tmp_path).list()] == [run.run_id]


def test_a_killed_process_leaves_no_run_and_its_draft_is_swept(tmp_path):
    script = """
        import sys, time
        from pathlib import Path
        import polars as pl
        from commonwatt.runs import RunRecipe, RunStore
        store = RunStore(Path(sys.argv[1]))
        draft = store.draft(RunRecipe(kind="demo", title="", seed=1, parameters={}, inputs=[]))
        draft.add_table("t", pl.DataFrame({"a": [1]}))
        print("ready", flush=True)
        time.sleep(60)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout.readline() == b"ready\n"
        assert RunStore(tmp_path).list() == []  # a living draft is left alone …
        assert len(list(tmp_path.glob(".draft-*"))) == 1
        os.kill(child.pid, signal.SIGKILL)
    assert RunStore(tmp_path).list() == []
    assert not list(tmp_path.glob(".draft-*"))  # … a dead one is swept
