"""A study writes no table that differs from its declaration."""

import polars as pl
import pytest

from commonwatt.catalogue.errors import CatalogueError
from commonwatt.catalogue.measures import measure_heading
from commonwatt.report import (
    Report,
    ReportSection,
    ReportTable,
    render_report_html,
    report_figure,
)
from commonwatt.report.charts import chart_points
from commonwatt.study.charts import PANELS, study_alternatives_panel_charts
from commonwatt.study.measures import (
    ALTERNATIVES,
    FUNDING_YEARS,
    TABLES,
    WHAT_IF,
    study_frame_checked_against_schema,
)
from commonwatt.study.what_if import (
    study_what_if_section,
    study_what_if_table_by_name,
    what_if_figure_rows_before_and_after,
)

ROWS = what_if_figure_rows_before_and_after(
    {"a": 2.0, "b": "x", "c": None}, {"a": 3.0, "b": "x", "c": None}
)


def test_a_table_as_declared_is_written():
    frame = study_what_if_table_by_name(ROWS)["what_if"]
    assert study_frame_checked_against_schema("what_if", frame).equals(frame)


@pytest.mark.parametrize("name", ["what_if", "unheard_of"])
def test_a_table_that_differs_or_that_nobody_declared_is_not_written(name):
    with pytest.raises(CatalogueError, match=name):
        study_frame_checked_against_schema(
            name, study_what_if_table_by_name(ROWS)["what_if"].drop("changed")
        )


def test_every_table_of_a_study_is_declared():
    assert len(TABLES) == 28


def test_a_table_in_a_country_s_money_is_checked_with_its_currency():
    names = [column.name for column in FUNDING_YEARS.in_currency("HKD").columns]
    assert "need_hkd_bn" in names
    frame = pl.DataFrame({name: ["2030-31"] if name == "fiscal_year" else [1.0] for name in names})
    assert study_frame_checked_against_schema("funding_years", frame, "HKD").columns == names
    with pytest.raises(CatalogueError):
        study_frame_checked_against_schema("funding_years", frame, "EUR")


def test_the_section_of_a_what_if_shows_what_moved():
    section = study_what_if_section(["x=+50%"], ROWS, "en")
    (table,) = section.tables
    assert table.headings == [
        measure_heading(WHAT_IF.column(name))
        for name in ("figure", "before", "after", "change_share")
    ]
    assert table.rows == [["a", "2", "3", "+50.0"]]


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_a_chart_of_the_report_names_units_as_the_tables_do(language):
    rows = [
        {"alternative": name, "name": name}
        | dict.fromkeys((column.name for column in ALTERNATIVES.columns[3:]), 1.0)
        for name in ("one", "other")
    ]
    frame = pl.DataFrame(rows)
    charts = study_alternatives_panel_charts(frame.columns, currency="HKD")
    labels = [chart_points(chart, frame, language).x_label for chart in charts]
    assert labels == [
        measure_heading(ALTERNATIVES.column(name), language, currency="HKD") for name in PANELS
    ]


def test_the_table_behind_a_chart_of_the_report_has_headings_for_people():
    figure = report_figure(
        "f",
        study_alternatives_panel_charts(["utilisation_share"])[0],
        ALTERNATIVES,
        pl.DataFrame({"alternative": ["one"], "utilisation_share": [0.5]}),
        "en",
        columns=["alternative", "utilisation_share"],
    )
    section = ReportSection(name="s", title="S", lede="L", figures=[figure])
    birth = ReportTable(title="B", headings=[], rows=[])
    page = render_report_html(
        Report(title="R", language="en", summary="S", sections=[section], birth=birth)
    )
    assert '<th scope="col">Utilisation [%]</th>' in page
    assert "<td>50.0</td>" in page
