"""What the catalogue says of a figure, and what it refuses."""

import datetime as dt
from types import ModuleType

import polars as pl
import pytest

from commonwatt.catalogue import collect, measures
from commonwatt.catalogue.errors import CatalogueError, UnitError
from commonwatt.catalogue.measures import (
    CHANGE,
    COUNT,
    DATE,
    FLAG,
    HOURS,
    INSTANT,
    MONEY,
    NUMBER,
    SHARE,
    TEXT,
    Form,
    Measure,
    TableColumn,
    measure_cell_text,
    measure_heading,
    measure_value_in_heading_unit,
    measure_value_text,
    shown_measure_unit_text,
)
from commonwatt.catalogue.tables import TableSchema
from commonwatt.catalogue.units import convert
from commonwatt.core.errors import TableError
from commonwatt.core.messages import Message
from commonwatt.report import report_fact, report_table_of_rows


def measure(name: str, form: Form, unit: str = "", label: str = "Label") -> Measure:
    return Measure(name, Message(label), unit, Message("A meaning"), form)


WAIT = measure("wait", HOURS, "s", "Queue delay, mean")
USE = measure("use", SHARE, "share", "Utilisation")
COST = measure("cost", MONEY, "USD/GPU-hour", "Cost")
DEBT = measure(
    "debt", SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"), "share of GDP", "Debt"
)
NEED = measure("need", MONEY, "{currency} bn", "Need")


@pytest.mark.parametrize(
    ("of", "value", "heading_", "cell_", "written_"),
    [
        (WAIT, 17748.0, "Queue delay, mean [h]", "4.93", "4.93 h"),
        (USE, 0.934, "Utilisation [%]", "93.4", "93.4 %"),
        (COST, 1234.5, "Cost [USD/GPU-hour]", "1,234.50", "1,234.50 USD/GPU-hour"),
        (DEBT, 0.70112, "Debt [% of GDP]", "70.11", "70.11 % of GDP"),
        (measure("gpus", COUNT, "GPU"), 1234, "Label", "1,234", "1,234"),
        (measure("factor", NUMBER, "ratio"), 1.23456, "Label", "1.235", "1.235"),
        (measure("power", NUMBER, "kW"), 0.066291, "Label [kW]", "0.06629", "0.06629 kW"),
        (measure("moved", CHANGE, "share"), 0.25, "Label [%]", "+25.0", "+25.0 %"),
        (measure("moved", CHANGE, "share"), -0.25, "Label [%]", "-25.0", "-25.0 %"),
        (measure("name", TEXT), "east", "Label", "east", "east"),
        (measure("is", FLAG), True, "Label", "yes", "yes"),
        (measure("on", DATE), dt.date(2026, 3, 1), "Label", "2026-03-01", "2026-03-01"),
        (
            measure("at", INSTANT),
            dt.datetime(2026, 3, 1, 4, 5, tzinfo=dt.UTC),
            "Label",
            "2026-03-01 04:05",
            "2026-03-01 04:05",
        ),
        (WAIT, None, "Queue delay, mean [h]", "–", "–"),
        (WAIT, float("nan"), "Queue delay, mean [h]", "–", "–"),
    ],
)
def test_a_figure_is_written_in_its_form_and_unit(of, value, heading_, cell_, written_):
    assert (measure_heading(of), measure_cell_text(value, of), measure_value_text(value, of)) == (
        heading_,
        cell_,
        written_,
    )


def test_a_figure_is_written_in_chinese_too():
    assert measure_value_text(True, measure("is", FLAG), "zh-Hant") == "是"
    assert measure_value_text(1.5, COST, "zh-Hant") == "1.50 美元/GPU 小時"
    assert shown_measure_unit_text(WAIT, "zh-Hant") == "小時"


def test_a_column_in_another_unit_is_shown_as_its_measure_is():
    stored_h = TableColumn.of(WAIT, "wait_h", unit="h")
    assert measure_value_text(4.93, stored_h) == measure_value_text(17748.0, WAIT) == "4.93 h"
    assert (
        measure_value_in_heading_unit(17748.0, WAIT, "en")
        == measure_value_in_heading_unit(4.93, stored_h, "en")
        == 4.93
    )
    assert (stored_h.kind, stored_h.unit, stored_h.meaning) == ("number", "h", "A meaning")


def test_a_figure_in_a_country_s_money_needs_the_country():
    assert measure_heading(NEED, currency="HKD") == "Need [HKD bn]"
    assert measure_value_text(9.27, NEED, "zh-Hant", currency="HKD") == "92.7 億港元"
    with pytest.raises(CatalogueError, match="the currency of the run"):
        measure_heading(NEED)


TABLE = TableSchema(
    "waits",
    "Waits of tenants",
    (
        TableColumn.of(measure("tenant", TEXT, label="Tenant"), "tenant"),
        TableColumn.of(WAIT, "wait_s"),
    ),
)


def test_a_table_like_its_declaration_is_kept():
    frame = pl.DataFrame({"tenant": ["a"], "wait_s": [3600]})
    assert TABLE.frame_checked_against_schema(frame).schema == {
        "tenant": pl.String,
        "wait_s": pl.Float64,
    }
    empty = pl.DataFrame({"tenant": [None], "wait_s": [None]})
    assert TABLE.frame_checked_against_schema(empty).schema == {
        "tenant": pl.String,
        "wait_s": pl.Float64,
    }


@pytest.mark.parametrize(
    "columns",
    [
        {"tenant": ["a"]},
        {"tenant": ["a"], "wait_s": [1.0], "more": [1]},
        {"wait_s": [1.0], "tenant": ["a"]},
        {"tenant": ["a"], "wait_s": ["1.0"]},
    ],
    ids=["missing", "unknown", "order", "type"],
)
def test_a_table_unlike_its_declaration_is_refused(columns):
    with pytest.raises(CatalogueError, match="waits"):
        TABLE.frame_checked_against_schema(pl.DataFrame(columns))


def test_rows_make_a_table_only_where_each_holds_every_column():
    assert TABLE.frame_from_rows([{"wait_s": 1, "tenant": "a"}]).rows() == [("a", 1.0)]
    assert TABLE.frame_from_rows([]).columns == ["tenant", "wait_s"]
    with pytest.raises(TableError):
        TABLE.frame_from_rows([{"tenant": "a", "wait_s": 1.0}, {"tenant": "b"}])


def test_a_table_can_be_named_anew_with_more_columns():
    more = TABLE.schema_under_name_with_more_columns(
        "waits_by_site", TableColumn.of(USE, "utilisation_share")
    )
    assert [column.name for column in more.columns] == ["tenant", "wait_s", "utilisation_share"]
    with pytest.raises(CatalogueError):
        TABLE.column("utilisation_share")


def test_a_report_takes_labels_units_and_form_from_the_catalogue():
    shown = report_fact(WAIT, 17748.0, "en", of="fleet.mean_queue_delay_s")
    assert (shown.label, shown.value, shown.of) == (
        "Queue delay, mean",
        "4.93 h",
        "fleet.mean_queue_delay_s",
    )
    rows = [{"tenant": "a", "wait_s": 3600.0}, {"tenant": "b", "wait_s": None}]
    table = report_table_of_rows(
        TABLE, rows, "en", title=Message("Waits"), cells_of={"wait_s": ["one", "two"]}
    )
    assert table.headings == ["Tenant", "Queue delay, mean [h]"]
    assert table.rows == [["a", "1.00"], ["b", "–"]]
    assert (table.of, table.cells_of) == ("table.waits", [["", "one"], ["", "two"]])


@pytest.mark.parametrize(
    ("declared", "error"),
    [
        ([measure("a", SHARE, "share"), measure("a", SHARE, "share")], CatalogueError),
        ([measure("a", TEXT, label=" ")], CatalogueError),
        ([measure("a", NUMBER, "furlongs")], UnitError),
        ([measure("a", HOURS, "USD")], UnitError),
        ([TableSchema("t", "t", (TableColumn.of(WAIT, "wait_kwh", unit="kWh"),))], UnitError),
        ([TABLE, TABLE.schema_under_name_with_more_columns("waits")], CatalogueError),
    ],
    ids=["id twice", "no label", "unknown unit", "form of another kind", "column", "table twice"],
)
def test_the_catalogue_refuses_what_contradicts_itself(monkeypatch, declared, error):
    module = ModuleType("wing")
    module.DECLARED = declared
    monkeypatch.setattr(collect, "measure_and_table_modules", lambda: iter([module]))
    with pytest.raises(error):
        collect.collect_catalogue()


def test_the_catalogue_takes_what_is_declared_once_and_imported_twice(monkeypatch):
    module, other = ModuleType("wing"), ModuleType("study")
    module.WAIT, module.TABLE, other.SAME, other.MORE = WAIT, TABLE, WAIT, {"use": USE}
    monkeypatch.setattr(collect, "measure_and_table_modules", lambda: iter([module, other]))
    whole = collect.collect_catalogue()
    assert sorted(whole.measures) == ["tenant", "use", "wait"]
    assert list(whole.tables) == ["waits"]


SHOWN_MONEY = [
    # Of "USD bn": heading, cell and text, as each language counts.
    (9.27188638, "en", "Need [HKD bn]", "9.27", "9.27 HKD bn"),
    (9.27188638, "zh-Hant", "Need [億港元]", "92.7", "92.7 億港元"),
    (900.0, "zh-Hant", "Need [億港元]", "9,000.0", "9,000.0 億港元"),
    (0.0452, "zh-Hant", "Need [億港元]", "0.5", "4,520 萬港元"),
    (-3.5, "zh-Hant", "Need [億港元]", "-35.0", "-35.0 億港元"),
    (0.0, "zh-Hant", "Need [億港元]", "0.0", "0 港元"),
]


@pytest.mark.parametrize(("value", "language", "heading", "cell", "text"), SHOWN_MONEY)
def test_money_is_told_in_the_scale_that_a_language_counts_in(value, language, heading, cell, text):
    assert measure_heading(NEED, language, currency="HKD") == heading
    assert measure_cell_text(value, NEED, language, currency="HKD") == cell
    assert measure_value_text(value, NEED, language, currency="HKD") == text


def test_tables_in_millions_stay_so_in_chinese_and_sentences_do_not():
    capital = measure("capital", NUMBER.with_digits(1), "USD mn/year")
    assert measure_heading(capital, "zh-Hant") == "Label [百萬美元/年]"
    assert measure_cell_text(1188.7, capital, "zh-Hant") == "1,188.7"
    assert measure_value_text(1188.7, capital, "zh-Hant") == "11.887 億美元/年"
    assert measure_value_text(85.7, capital, "zh-Hant") == "8,570 萬美元/年"


NUMBERS = [m for m in collect.collect_catalogue().measures.values() if m.form.kind == "number"]


def check_heading_and_cell(of, value, language):
    """Hold the number under a heading, times the unit in it, against the stored value."""
    heading, cell = (
        shown_measure_unit_text(of, language, currency="HKD"),
        measure_value_in_heading_unit(value, of, language, currency="HKD"),
    )
    stored = of.unit.replace("{currency}", "HKD") or "ratio"
    assert convert(cell, heading or stored, stored) == pytest.approx(value), heading


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_no_figure_of_the_catalogue_is_off_by_the_scale_of_its_heading(language):
    assert len([m for m in NUMBERS if " bn" in m.unit]) > 10
    for each in NUMBERS:
        check_heading_and_cell(each, 1234.5, language)


def test_a_heading_in_another_scale_than_its_values_is_caught(monkeypatch):
    monkeypatch.setattr(measures, "unit_value_in_other_scale", lambda value, *_: value)
    money = next(each for each in NUMBERS if " bn" in each.unit)
    with pytest.raises(AssertionError):
        check_heading_and_cell(money, 1234.5, "zh-Hant")
