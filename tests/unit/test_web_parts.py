"""The console's small parts: parameters, kept tables, drawings, messages to people."""

import numpy as np
import polars as pl
import pytest

from commonwatt.core.messages import Message
from commonwatt.web.cache import LARGE_TABLE_ROWS, LOOKS_INTO_FILE, TableCache, TableQuery
from commonwatt.web.errors import ParameterError
from commonwatt.web.middleware import POLICY
from commonwatt.web.page_view import TableRows
from commonwatt.web.parameters import PageParameter, ParameterKind, parse_page_values
from commonwatt.web.tasks.kinds import KINDS, parse_console_what_if_changes
from commonwatt.web.tasks.lifecycle import TASK_STATE_NAMES, TaskState

SIZE = PageParameter(
    name="size",
    label=Message("Size"),
    meaning=Message("Size"),
    default="3",
    kind=ParameterKind.NUMBER,
    minimum=1,
    maximum=9,
)


@pytest.mark.parametrize("text", ["0", "10", "nan", "inf", "x", "1e999"])
def test_a_number_out_of_bounds_is_refused(text):
    with pytest.raises(ParameterError, match="size"):
        parse_page_values([SIZE], {"size": text})


def test_what_is_not_given_has_its_default_and_what_is_unknown_is_left_out():
    assert parse_page_values([SIZE], {"size": "", "other": "1"}).given_text == {"size": "3"}


@pytest.mark.parametrize(
    "text", ["a", "demand.trace=../../etc/passwd", "a=/etc/passwd", "a=b;c", "x..y=1"]
)
def test_a_change_never_names_a_file(text):
    with pytest.raises(ParameterError):
        parse_console_what_if_changes(text)


def test_a_kind_of_run_refuses_a_choice_that_it_does_not_offer(tmp_path):
    with pytest.raises(ParameterError, match="programme"):
        KINDS["study"].checked_console_task_parameters({"programme": "/etc/passwd"}, tmp_path)


def test_every_state_of_a_run_has_a_name_for_people():
    assert set(TaskState) == set(TASK_STATE_NAMES)


def test_the_policy_allows_nothing_that_stands_in_a_page():
    assert "unsafe" not in POLICY
    assert "default-src 'none'" in POLICY


def _table(rows):
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "name": [f"n{i:06d}" for i in rng.permutation(rows)],
            "v": rng.normal(size=rows),
            "maybe": [None if i % 7 == 0 else i for i in range(rows)],
            "day": pl.Series(range(rows)).cast(pl.Int32).cast(pl.Date),
            "text": [None if i % 5 == 0 else f"字{i}" for i in range(rows)],
        }
    )


@pytest.mark.parametrize("rows", [100, LARGE_TABLE_ROWS])
def test_kept_rows_are_those_of_the_table(tmp_path, rows):
    frame, loads = _table(rows), []

    def load():
        loads.append(1)
        return frame

    table = TableRows(key="run/0/t", load=load, size=rows)
    cache = TableCache(tmp_path)
    assert cache.table_page(table, TableQuery(first=90, count=5)).frame.equals(frame.slice(90, 5))
    down = cache.table_page(table, TableQuery(order="-v", count=7)).frame
    assert down.equals(frame.sort("v", descending=True).head(7))
    up = cache.table_page(table, TableQuery(order="maybe", first=3, count=4)).frame
    wanted = frame["maybe"].arg_sort(nulls_last=True)[3:7]
    assert up["maybe"].to_list() == frame["maybe"][wanted].to_list()
    page = cache.table_page(table, TableQuery(column="name", starts="n00001", order="-v"))
    same = frame.filter(pl.col("name").str.starts_with("n00001")).sort("v", descending=True)
    assert page.height == same.height
    assert page.frame.equals(same.head(50))
    again = TableCache(tmp_path)
    loads.clear()
    assert again.table_page(table, TableQuery(order="-v", count=7)).frame.equals(down)
    assert bool(loads) == (rows < LARGE_TABLE_ROWS)  # a big one is read from what was kept


def _kept_columns(folder):
    return list((folder / "kept").rglob("*.columns"))


def _table_in_a_file(folder, loads):
    frame = _table(LARGE_TABLE_ROWS)
    path = folder / "t.parquet"
    frame.write_parquet(path, row_group_size=7_000)
    load = lambda: loads.append(1) or frame  # noqa: E731
    return frame, TableRows(key="run/0/t", load=load, size=frame.height, parquet=path)


@pytest.mark.parametrize(
    "query",
    [
        TableQuery(count=12),
        TableQuery(first=6_980, count=40),  # across two groups of rows
        TableQuery(first=LARGE_TABLE_ROWS - 3),
        TableQuery(first=LARGE_TABLE_ROWS + 5),
        TableQuery(order="-v", first=5_000),
        TableQuery(order="maybe", first=LARGE_TABLE_ROWS - 60),
        TableQuery(order="text", count=1),
    ],
)
def test_the_first_looks_at_a_large_table_are_those_of_its_columns_and_write_none(tmp_path, query):
    loads = []
    _, rows = _table_in_a_file(tmp_path, loads)
    cache = TableCache(tmp_path / "kept")
    looks = [cache.table_page(rows, query).frame for _ in range(LOOKS_INTO_FILE)]
    assert (loads, _kept_columns(tmp_path)) == ([], [])
    then = cache.table_page(rows, query).frame
    assert (loads, len(_kept_columns(tmp_path))) == ([1], 1)
    assert all(look.equals(then) and look.schema == then.schema for look in looks)
    # A process that comes later looks into the columns.
    assert TableCache(tmp_path / "kept").table_page(rows, query).frame.equals(then)
    assert loads == [1]


def test_a_search_writes_the_columns_of_a_large_table_at_once(tmp_path):
    loads = []
    frame, rows = _table_in_a_file(tmp_path, loads)
    cache = TableCache(tmp_path / "kept")
    cache.table_page(rows, TableQuery(count=1))
    page = cache.table_page(rows, TableQuery(column="name", starts="n00001"))
    assert page.frame.equals(frame.filter(pl.col("name").str.starts_with("n00001")).head(50))
    assert (loads, len(_kept_columns(tmp_path))) == ([1], 1)


def test_a_large_table_whose_folder_cannot_be_written_can_be_looked_at(tmp_path):
    frame, rows = _table_in_a_file(tmp_path, [])
    (tmp_path / "kept").write_text("no folder")
    page = TableCache(tmp_path / "kept").table_page(rows, TableQuery(first=3, count=2))
    assert page.frame.equals(frame.slice(3, 2))


def test_what_is_kept_is_made_once(tmp_path):
    made = []
    for cache in (TableCache(tmp_path), TableCache(tmp_path)):
        assert cache.cached_text("run/1/x", lambda: made.append(1) or "text") == "text"
    assert made == [1]
