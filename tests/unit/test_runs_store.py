"""A run is whole or not there."""

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager, nullcontext

import polars as pl
import pytest
import sqlalchemy as sa

from commonwatt.core.errors import IdentityError, RunNotFoundError
from commonwatt.runs import RunInput, RunRecipe, RunStore, schema
from commonwatt.runs.check import run_store_fault_messages
from commonwatt.runs.database import run_database_path_or_url
from commonwatt.runs.errors import RunDraftLostError
from commonwatt.runs.leases import STALE_S, DraftLeases
from commonwatt.stores.engine import database_write_transaction, open_database_engine
from commonwatt.stores.errors import StoreBusyError, StoreError
from tests.databases import postgresql


def _recipe(**changes):
    given = {"kind": "demo", "title": "Demo", "seed": 1, "parameters": {"a": 1}, "inputs": []}
    return RunRecipe(**(given | changes))


def _sealed(store, value=1, **changes):
    draft = store.draft(_recipe(**changes))
    draft.add_table("t", pl.DataFrame({"a": [value]}))
    return store.complete_run_draft(draft, headline={"a": value})


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


def test_latest_and_a_prefix_read_one_manifest(tmp_path, monkeypatch):
    store = RunStore(tmp_path)
    runs = [_sealed(store, seed=seed) for seed in range(5)]
    read = []
    monkeypatch.setattr(
        RunStore,
        "read",
        lambda self, run_id, real=RunStore.read: read.append(run_id) or real(self, run_id),
    )
    assert store.get("latest").run_id == store.ids()[0]
    assert store.get(runs[3].run_id[:10]) == runs[3]
    assert read == [store.ids()[0], runs[3].run_id]


@pytest.mark.parametrize("prefix", ["%", "_", "\\", "latest%"])
def test_a_prefix_is_text_and_no_pattern(prefix, tmp_path):
    store = RunStore(tmp_path)
    _sealed(store)
    with pytest.raises(RunNotFoundError, match="0 runs"):
        store.get(prefix)


def test_a_run_whose_folder_is_elsewhere_is_named(tmp_path):
    store = RunStore(tmp_path)
    run = _sealed(store)
    (tmp_path / run.run_id).rename(tmp_path.parent / "elsewhere")
    with pytest.raises(RunNotFoundError, match="no folder of that run"):
        store.get("latest")


def test_a_run_that_was_sealed_but_not_listed_is_listed_on_the_next_start(tmp_path):
    run = _sealed(RunStore(tmp_path))
    for file in tmp_path.glob("runs.sqlite*"):
        file.unlink()
    assert [listed.run_id for listed in RunStore(tmp_path).list()] == [run.run_id]


WRITER = """
    import sys, time
    from pathlib import Path
    import polars as pl
    from commonwatt.runs import RunRecipe, RunStore
    store = RunStore(Path(sys.argv[1]), *sys.argv[2:])
    draft = store.draft(RunRecipe(kind="demo", title="", seed=1, parameters={}, inputs=[]))
    draft.add_table("t", pl.DataFrame({"a": [1]}))
    print("ready", flush=True)
    sys.stdin.readline()
    print(store.complete_run_draft(draft, headline={}).run_id, flush=True)
"""


@contextmanager
def _writer(*arguments):
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with child:
        assert child.stdout.readline() == "ready\n"
        yield child
        if child.poll() is None:
            child.kill()


def _let_time_pass(root, seconds=STALE_S + 1):
    """Move every instant of the leases back, as if that much time had passed."""
    engine = open_database_engine(run_database_path_or_url(root))
    with database_write_transaction(engine) as tx:
        tx.execute(
            sa.update(schema.drafts).values(
                renewed_at_s=schema.drafts.c.renewed_at_s - seconds,
                suspect_at_s=schema.drafts.c.suspect_at_s - seconds,
            )
        )
    engine.dispose()


def _drafts(root):
    return sorted(folder.name for folder in root.glob(".draft-*"))


def _databases(database):
    return nullcontext(None) if database == "sqlite" else postgresql()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_killed_writer_leaves_no_run_and_its_draft_is_swept_after_two_looks(database, tmp_path):
    with _databases(database) as url:
        given = [tmp_path, url] if url else [tmp_path]
        with _writer(*given) as child:
            assert RunStore(tmp_path).list() == []
            assert len(_drafts(tmp_path)) == 1  # a living draft is left alone …
            child.kill()
        RunStore(tmp_path)
        assert len(_drafts(tmp_path)) == 1  # … and a dead one until its lease is old …
        _let_time_pass(tmp_path)
        RunStore(tmp_path)
        assert len(_drafts(tmp_path)) == 1  # … by two looks …
        _let_time_pass(tmp_path)
        assert RunStore(tmp_path).list() == []
        assert not _drafts(tmp_path)
        assert not list(tmp_path.glob(".swept-*"))
        assert RunStore(tmp_path)._leases.leases() == []


@pytest.mark.parametrize("jump_s", [1e7, -1e7, STALE_S + 1, -STALE_S - 1])
def test_a_living_draft_outlives_any_one_jump_of_the_clock(jump_s, tmp_path):
    with _writer(tmp_path) as child:
        (draft,) = _drafts(tmp_path)
        _let_time_pass(tmp_path, jump_s)
        store = RunStore(tmp_path)  # suspects it
        assert store._leases.renew_draft_lease_and_tell_if_present(draft)  # the writer's next beat
        _let_time_pass(tmp_path, jump_s)
        RunStore(tmp_path)
        assert _drafts(tmp_path) == [draft]
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline().strip() == RunStore(tmp_path).get("latest").run_id


@pytest.mark.parametrize("pid", ["1", "999999", str(os.getpid())], ids=["init", "none", "own"])
def test_a_draft_of_another_host_is_left_alone(pid, tmp_path):
    """Whether an older version's process lives elsewhere, this host cannot know."""
    store = RunStore(tmp_path)
    draft = store.draft(_recipe())
    other = draft.folder.with_name(f".draft-{pid}-{draft.recipe.run_id}")
    draft.folder.rename(other)
    RunStore(tmp_path)
    assert other.exists()
    long_ago = time.time() - 200_000
    os.utime(other, (long_ago, long_ago))
    RunStore(tmp_path)
    assert not other.exists()


def test_a_heartbeat_moves_the_beat_until_the_lease_is_given_back(tmp_path):
    store = RunStore(tmp_path)
    leases = DraftLeases(store._engine, heartbeat_s=0.001)
    leases.take_run_draft_lease("a")
    leases.take_run_draft_lease("b")
    while min(lease.beat for lease in leases.leases()) < 3:
        pass
    leases.release_run_draft_lease("a")
    assert [lease.draft for lease in leases.leases()] == ["b"]
    leases.release_run_draft_lease("b")
    assert leases.leases() == []
    leases.take_run_draft_lease("c")  # and again, by a thread anew
    while leases.leases()[0].beat < 1:
        pass
    leases.release_run_draft_lease("c")


def test_a_writer_whose_lease_was_taken_away_is_told_and_leaves_nothing(tmp_path):
    store = RunStore(tmp_path)
    draft = store.draft(_recipe())
    draft.add_table("t", pl.DataFrame({"a": [1]}))
    (lease,) = store._leases.leases()
    assert store._leases.end_draft_lease_and_tell_if_ended(lease)
    with pytest.raises(RunDraftLostError, match="lapsed"):
        store.complete_run_draft(draft, headline={})
    assert store.list() == []
    assert not _drafts(tmp_path)


def test_a_lease_that_moved_since_it_was_read_is_not_ended(tmp_path):
    store = RunStore(tmp_path)
    store.draft(_recipe())
    (lease,) = store._leases.leases()
    assert store._leases.renew_draft_lease_and_tell_if_present(lease.draft)
    assert not store._leases.end_draft_lease_and_tell_if_ended(lease)


def test_two_writers_of_one_recipe_write_one_run(tmp_path):
    with _writer(tmp_path) as first, _writer(tmp_path) as second:
        ids = []
        for child in (first, second):
            child.stdin.write("\n")
            child.stdin.flush()
            ids.append(child.stdout.readline().strip())
    assert len(set(ids)) == 1
    assert [run.run_id for run in RunStore(tmp_path).list()] == ids[:1]
    assert not _drafts(tmp_path)


def test_a_store_in_postgresql_is_one_store_for_every_host(tmp_path):
    first = RunStore(tmp_path)
    before = _sealed(first)
    with postgresql() as url:
        shared = RunStore(tmp_path, url.replace("me@", "me:secret@"))
        assert shared.get("latest") == before  # what lay in the folder is listed anew
        run = _sealed(shared, seed=2)
        assert {each.run_id for each in RunStore(tmp_path).list()} == {before.run_id, run.run_id}
        assert "secret" not in (tmp_path / "database.url").read_text()
        assert run_store_fault_messages(tmp_path) == []
        with pytest.raises(StoreError, match="database.url"):
            RunStore(tmp_path, "postgresql://me@/other")
        assert RunStore(tmp_path, url).get(run.run_id) == run


def test_a_lock_that_ends_is_waited_for(tmp_path):
    """Six seconds are longer than a driver waits by itself, and shorter than we do."""
    holder = sqlite3.connect(
        tmp_path / "runs.sqlite", isolation_level=None, check_same_thread=False
    )
    holder.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(6, lambda: holder.execute("ROLLBACK"))
    release.start()
    try:
        assert _sealed(RunStore(tmp_path)).headline == {"a": 1}
    finally:
        release.join()
        holder.close()


def test_a_lock_that_does_not_end_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("commonwatt.stores.engine.BUSY_TIMEOUT_S", 0.1)
    holder = sqlite3.connect(tmp_path / "runs.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreBusyError, match="held by another process"):
        RunStore(tmp_path)
    holder.close()
    assert _sealed(RunStore(tmp_path)).headline == {"a": 1}


@pytest.mark.parametrize("bytes_", [b"no database at all, and long enough to be read as one" * 40])
def test_a_file_that_is_no_database_is_named(bytes_, tmp_path):
    (tmp_path / "runs.sqlite").write_bytes(bytes_)
    with pytest.raises(StoreError, match="runs.sqlite"):
        RunStore(tmp_path)
