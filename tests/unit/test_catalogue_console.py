"""Charts, headings and facts of the console say what the catalogue says."""

from dataclasses import replace

import polars as pl
import pytest

from commonwatt.catalogue.bands import BAND_50, BAND_90
from commonwatt.catalogue.measures import TableColumn, measure_heading
from commonwatt.catalogue.shared import (
    DEBT_GDP,
    ENERGY,
    GPU_HOUR_COST,
    QUEUE_DELAY_MEAN,
    UTILISATION,
)
from commonwatt.core.messages import Message
from commonwatt.report.charts import Chart, ChartForm, ChartSeries, chart_html, chart_points
from commonwatt.study.measures import ALTERNATIVES
from commonwatt.treasury.usecases.charts import debt_fan_chart
from commonwatt.web.page_view import (
    console_column_heading_of,
    console_column_headings_of,
    page_headline_fact_of_figure,
)


def chart(measure, **more):
    return Chart(
        name="c",
        title=Message("Title"),
        caption=Message("Caption"),
        form=ChartForm.RANGES,
        table="t",
        x="site",
        series=[ChartSeries("value", BAND_90.label, low="low", high="high")],
        measure=measure,
        **more,
    )


FRAME = pl.DataFrame({"site": ["east"], "value": [7200.0], "low": [3600.0], "high": [None]})


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_a_chart_is_in_the_unit_that_its_label_names(language):
    data = chart_points(chart(QUEUE_DELAY_MEAN), FRAME, language)
    assert data.x_label == measure_heading(QUEUE_DELAY_MEAN, language)
    assert data.unit == {"en": "h", "zh-Hant": "小時"}[language]
    series = data.series[0]
    assert (series.values, series.low, series.high) == ([2.0], [1.0], [None])
    assert measure_heading(QUEUE_DELAY_MEAN, language) in chart_html(data)


def test_a_share_keeps_its_value_because_the_axis_writes_percent():
    frame = pl.DataFrame({"site": ["east"], "value": [0.9], "low": [0.8], "high": [1.0]})
    for measure in (UTILISATION, DEBT_GDP):
        data = chart_points(chart(measure), frame, "en")
        assert (data.unit, data.series[0].values) == ("%", [0.9])
        assert "90%" in chart_html(data)


def test_a_column_in_another_unit_is_drawn_as_it_is_shown():
    stored = TableColumn.of(ENERGY, "busy_mwh", unit="MWh")
    data = chart_points(chart(stored), FRAME.with_columns(value=pl.lit(3.0)), "en")
    assert (data.unit, data.series[0].values) == ("MWh", [3.0])


@pytest.mark.parametrize(
    ("form", "along", "above"),
    [(ChartForm.RANGES, "Cost of a GPU-hour [USD/GPU-hour]", ""),
     (ChartForm.FAN, "", "Cost of a GPU-hour [USD/GPU-hour]")],
)  # fmt: skip
def test_the_label_of_the_values_stands_where_they_go(form, along, above):
    data = chart_points(replace(chart(GPU_HOUR_COST), form=form), FRAME, "en")
    assert (data.x_label, data.y_label) == (along, above)


def test_the_bands_of_a_fan_are_those_of_the_catalogue():
    (series,) = debt_fan_chart(DEBT_GDP, DEBT_GDP.label, suffix="_share").series
    assert (series.low, series.high, series.inner_low, series.inner_high) == tuple(
        f"{name}_share"
        for band in (BAND_90, BAND_50)
        for name in band.measure_quantile_column_names
    )


def test_headings_and_facts_take_label_unit_and_form():
    shown = console_column_headings_of(
        ALTERNATIVES, "mean_queue_delay_h", "borrowing_bn", currency="HKD"
    )
    assert [(heading.column, heading.heading_unit_text_or_blank("en")) for heading in shown] == [
        ("mean_queue_delay_h", "h"),
        ("borrowing_bn", "HKD bn"),
    ]
    assert shown[0].label == QUEUE_DELAY_MEAN.label
    fact = page_headline_fact_of_figure(GPU_HOUR_COST, 2.345, "en", subject="East")
    assert (str(fact.label), fact.value) == ("Cost of a GPU-hour: East", "2.35 USD/GPU-hour")
    assert (
        console_column_heading_of(TableColumn.of(UTILISATION)).heading_unit_text_or_blank("zh-Hant")
        == "%"
    )
