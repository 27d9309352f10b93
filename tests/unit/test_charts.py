"""Charts: what is drawn is what the table holds, inside its frame, in words that have room."""

import re
from html import unescape

import polars as pl
import pytest

from commonwatt.catalogue.shared import GPU_HOUR_COST, UTILISATION
from commonwatt.core.messages import Message
from commonwatt.report.charts import (
    Chart,
    ChartCurve,
    ChartForm,
    ChartLimit,
    ChartSeries,
    ChartVerticals,
    chart_html,
    chart_panels_html,
    chart_points,
    chart_svg_document,
)

NAMES = {"a & b": 1.0, "<c>": -2.0, "字": 3.0}
NUMBERED = {ChartForm.LINES, ChartForm.AREAS, ChartForm.SCATTER}
DRAWN_FORMS = [form for form in ChartForm if form is not ChartForm.LIVE]
SVG = re.compile(r'<svg [^>]*viewBox="0 0 (\d+) ([\d.]+)"[^>]*>(.*?)</svg>', re.S)


def _chart(form, **changes):
    values = {"low": "low", "high": "high"} if form in {ChartForm.RANGES, ChartForm.FAN} else {}
    series = [ChartSeries("v", Message("V"), **values)]
    base = {"title": Message("<T>"), "caption": Message("C"), "series": series, "y": "row"}
    return Chart(name="c", form=form, table="t", x="name", **base | changes)


def _frame(form):
    if form in NUMBERED:
        return pl.DataFrame({"name": [1.0, 2.0, 3.0], "v": [1.0, None, 3.0]})
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


@pytest.mark.parametrize("form", DRAWN_FORMS)
@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_every_form_is_drawn_inside_its_frame_and_escaped(form, language):
    html = chart_html(chart_points(_chart(form), _frame(form), language))
    assert "<c>" not in html
    assert "<T>" not in html
    assert "style=" not in html
    assert "nan" not in html.lower()
    drawings = SVG.findall(html)
    assert [width for width, _, _ in drawings] == ["700", "360"]
    for width, height, body in drawings:
        for x in map(float, re.findall(r'\b(?:x|cx)="(-?[\d.]+)"', body)):
            assert -1 <= x <= float(width) + 1
        for y in map(float, re.findall(r'\b(?:y|cy)="(-?[\d.]+)"', body)):
            assert -1 <= y <= float(height) + 1


@pytest.mark.parametrize("form", DRAWN_FORMS)
def test_a_chart_without_values_is_an_empty_drawing(form):
    frame = _frame(form).with_columns(pl.lit(None, pl.Float64).alias("v"))
    frame = frame.with_columns(pl.lit(None, pl.Float64).alias(n) for n in ("low", "high"))
    assert chart_html(chart_points(_chart(form), frame, "en")) == ""


def test_parts_of_stacked_areas_add_up():
    frame = pl.DataFrame(
        {"name": [0.0, 1.0] * 2, "site": ["a", "a", "b", "b"], "v": [1.0, 2.0, 10.0, 20.0]}
    )
    series = [ChartSeries("v", site, where=("site", site)) for site in "ab"]
    points = chart_points(_chart(ChartForm.AREAS, series=series), frame, "en")
    assert [area.values for area in points.series] == [[1.0, 2.0], [11.0, 22.0]]


def test_a_series_that_lacks_an_instant_of_another_has_a_gap_there():
    frame = pl.DataFrame(
        {"name": [0.0, 1.0, 0.5, 1.0], "site": ["a", "a", "b", "b"], "v": [1.0, 2.0, 10.0, 20.0]}
    )
    series = [ChartSeries("v", site, where=("site", site)) for site in "ab"]
    points = chart_points(_chart(ChartForm.LINES, series=series), frame, "en")
    assert points.x == [0.0, 0.5, 1.0]
    assert [line.values for line in points.series] == [[1.0, None, 2.0], [None, 10.0, 20.0]]


def test_the_finding_of_a_table_is_the_heading_and_the_title_goes_below():
    def finding(frame, language):
        return Message("{n} rows", {"n": str(frame.height)})

    chart = _chart(ChartForm.BARS, title=Message("Title"), finding=finding)
    points = chart_points(chart, _frame(ChartForm.BARS), "en")
    assert (points.heading, points.caption) == ("3 rows", "Title. C")
    silent = _chart(ChartForm.BARS, title=Message("Title"), finding=lambda frame, language: None)
    assert chart_points(silent, _frame(ChartForm.BARS), "en").heading == "Title"


def test_what_is_prepared_is_what_is_drawn_and_told():
    chart = _chart(
        ChartForm.BARS,
        prepare=lambda frame, language: frame.head(1),
        finding=lambda frame, language: Message("{n} rows", {"n": str(frame.height)}),
    )
    points = chart_points(chart, _frame(ChartForm.BARS), "en")
    assert (points.x, points.heading) == (["a & b"], "1 rows")


def test_written_values_are_those_of_the_catalogue():
    frame = pl.DataFrame({"name": ["a", "b"], "v": [0.941, 0.5]})
    chart = _chart(ChartForm.BARS, measure=UTILISATION, are_values_written=True)
    html = chart_html(chart_points(chart, frame, "en"))
    assert html.count(">94.1</text>") == html.count(">50.0</text>") == 2


def test_a_word_stands_where_a_mark_has_no_value():
    frame = pl.DataFrame(
        {"name": ["a", "b"], "v": [1.0, None], "low": [0.5, None], "high": [2, None]}
    )
    chart = _chart(ChartForm.RANGES, absent=Message("too few"))
    assert chart_html(chart_points(chart, frame, "en")).count(">too few</text>") == 2


def test_a_logarithmic_axis_says_so_and_holds_what_is_less_than_its_least():
    frame = pl.DataFrame({"name": ["a", "b"], "v": [0.0, 100.0]})
    chart = _chart(ChartForm.POINTS, measure=GPU_HOUR_COST, logarithmic=True, least=1.0)
    points = chart_points(chart, frame, "en")
    assert points.x_label == "Cost of a GPU-hour [USD/GPU-hour], logarithmic"
    assert points.series[0].values == [1.0, 100.0]


def test_limits_alarms_and_curves_are_drawn_and_named():
    frame = pl.DataFrame({"name": [1.0, 10.0, 100.0], "v": [1.0, 2.0, 3.0], "c": [3.0, 2.5, 2.0]})
    lines = _chart(
        ChartForm.LINES,
        limit=ChartLimit(2.0, Message("limit")),
        verticals=ChartVerticals([10.0, 1e9], Message("alarm")),
    )
    html = chart_html(chart_points(lines, frame, "en"))
    assert ">limit</text>" in html
    assert ">alarm</text>" in html
    # One in each drawing and one in each legend; what lies beyond the axis is not drawn.
    assert html.count('class="alarm"') == 4
    scatter = _chart(
        ChartForm.SCATTER, x_logarithmic=True, curves=[ChartCurve("c", is_dashed=True)]
    )
    assert chart_html(chart_points(scatter, frame, "en")).count('class="curve dashed"') == 2


def test_small_charts_stand_side_by_side_where_there_is_room():
    points = chart_points(_chart(ChartForm.BARS), _frame(ChartForm.BARS), "en")
    html = chart_panels_html([points, points], "H", "C")
    (_, wide, _), (_, narrow, _) = SVG.findall(html)
    assert float(narrow) > 1.7 * float(wide)


def test_a_file_carries_its_heading_and_its_styles():
    text = chart_svg_document(_chart(ChartForm.BARS), _frame(ChartForm.BARS), "en")
    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "<style>" in text
    assert ">&lt;T&gt;</text>" in text


def test_the_same_chart_gives_the_same_bytes_and_its_key_names_no_address():
    chart = _chart(ChartForm.BARS, finding=lambda frame, language: None)
    first, again = (chart_html(chart_points(chart, _frame(ChartForm.BARS), "en")) for _ in range(2))
    assert first == again
    assert "0x" not in repr(chart)


def test_every_name_is_whole_in_every_drawing():
    names = [
        "Eastern core of the Greater Bay Area with a very long name indeed",
        "x" * 90,
        "算" * 40,
    ]
    frame = pl.DataFrame({"name": names, "v": [1.0, 2.0, 3.0]})
    html = chart_html(chart_points(_chart(ChartForm.BARS), frame, "en"))
    for _, _, body in SVG.findall(html):
        texts = re.findall(r'<text class="tick"[^>]*text-anchor="end">(.*?)</text>', body)
        drawn = "".join(unescape(text) for text in texts).replace(" ", "")
        for name in names:
            assert name.replace(" ", "") in drawn
