"""The console's small parts: parameters, kept tables, drawings, messages to people."""

import re

import numpy as np
import polars as pl
import pytest

from commonwatt.core.messages import Message
from commonwatt.web.cache import LARGE_TABLE_ROWS, TableCache, TableQuery
from commonwatt.web.chart_data import console_chart_data
from commonwatt.web.errors import ParameterError
from commonwatt.web.middleware import POLICY
from commonwatt.web.page_view import Chart, ChartForm, ChartSeries, TableRows
from commonwatt.web.parameters import PageParameter, ParameterKind, parse_page_values
from commonwatt.web.svg import console_chart_svg
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
NAMES = {"a & b": 1.0, "<c>": -2.0, "字": 3.0}


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
        KINDS["study"].checked_parameters({"programme": "/etc/passwd"}, tmp_path)


def test_every_state_of_a_run_has_a_name_for_people():
    assert set(TaskState) == set(TASK_STATE_NAMES)


def test_the_policy_allows_nothing_that_stands_in_a_page():
    assert "unsafe" not in POLICY
    assert "default-src 'none'" in POLICY


def _chart(form, **changes):
    values = {"low": "low", "high": "high"} if form in {ChartForm.RANGES, ChartForm.FAN} else {}
    series = [ChartSeries("v", Message("V"), **values)]
    base = {"title": Message("<T>"), "caption": Message("C"), "series": series, "y": "row"}
    return Chart(name="c", form=form, table="t", x="name", **base | changes)


def _frame(form):
    if form in {ChartForm.LINES, ChartForm.AREAS}:
        return pl.DataFrame({"name": [0.0, 1.0, 2.0], "v": [1.0, None, 3.0]})
    values = list(NAMES.values())
    return pl.DataFrame(
        {
            "name": list(NAMES),
            "row": ["r"] * 3,
            "v": values,
            "low": [v - 1 for v in values],
            "high": [v + 1 for v in values],
        }
    )


@pytest.mark.parametrize("form", [form for form in ChartForm if form is not ChartForm.LIVE])
@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_every_form_is_drawn_inside_its_frame_and_escaped(form, language):
    svg = console_chart_svg(console_chart_data(_chart(form), _frame(form), language))
    assert svg.startswith("<svg")
    assert "<c>" not in svg
    assert "<T>" not in svg
    assert "style=" not in svg
    assert "nan" not in svg.lower().replace("nance", "")
    height = float(re.search(r'viewBox="0 0 720 ([\d.]+)"', svg).group(1))
    for x in map(float, re.findall(r'\b(?:x|cx)="(-?[\d.]+)"', svg)):
        assert -1 <= x <= 721
    for y in map(float, re.findall(r'\b(?:y|cy)="(-?[\d.]+)"', svg)):
        assert -1 <= y <= height + 1


@pytest.mark.parametrize("form", [form for form in ChartForm if form is not ChartForm.LIVE])
def test_a_chart_without_values_is_an_empty_drawing(form):
    frame = _frame(form).with_columns(pl.lit(None, pl.Float64).alias("v"))
    frame = frame.with_columns(pl.lit(None, pl.Float64).alias(n) for n in ("low", "high"))
    assert console_chart_svg(console_chart_data(_chart(form), frame, "en")) == ""


def test_parts_of_stacked_areas_add_up():
    frame = pl.DataFrame(
        {"name": [0.0, 1.0] * 2, "site": ["a", "a", "b", "b"], "v": [1.0, 2.0, 10.0, 20.0]}
    )
    series = [ChartSeries("v", site, where=("site", site)) for site in "ab"]
    data = console_chart_data(_chart(ChartForm.AREAS, series=series), frame, "en")
    assert [area["values"] for area in data["series"]] == [[1.0, 2.0], [11.0, 22.0]]


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


def test_what_is_kept_is_made_once(tmp_path):
    made = []
    for cache in (TableCache(tmp_path), TableCache(tmp_path)):
        assert cache.cached_text("run/1/x", lambda: made.append(1) or "text") == "text"
    assert made == [1]
