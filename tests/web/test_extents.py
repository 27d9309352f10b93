"""Every figure of a study says of how many GPUs and how long it speaks, in one unit a table."""

import json
import re
import shutil
from html import unescape

import polars as pl
import pytest

from commonwatt.catalogue.measures import measure_label_text, measure_value_text
from commonwatt.siting.domain.cost_inputs import INPUTS
from commonwatt.study.measures import DEBT_GDP_LAST, PLANNED_EFFECTS
from commonwatt.web.roles import ConsoleRole
from tests.web.console import HTML, running
from tests.web.sample import HARBOUR, sample_store

PAGES = ("programme", "fleet", "sites")
SLICE, WHOLE = "496", "19,840"


@pytest.fixture(scope="module")
def viewer(console):
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        yield visitor


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("page", PAGES)
def test_every_fact_states_its_extent(viewer, page, language):
    facts = viewer.get(f"/{page}.json?lang={language}").json()["facts"]
    shown = viewer.get(f"/{page}?lang={language}", headers=HTML).text
    assert facts
    for fact in facts:
        assert fact["extent"], fact
        assert fact["extent"] in unescape(shown)
    assert shown.count('<dd class="note extent">') == len(facts)


def test_use_speaks_of_the_slice_and_capital_of_the_whole_programme(viewer):
    facts = {f["label"]: f["extent"] for f in viewer.get("/programme.json").json()["facts"]}
    assert f"slice of {SLICE} GPUs, 10.0 days" in facts["Utilisation"]
    assert f"whole programme, {WHOLE} GPUs" in facts["To be borrowed"]
    assert WHOLE in facts["Debt over GDP with the programme"]
    assert "without the programme" in facts["Debt over GDP without the programme"]
    assert "2035-36" in facts["Debt over GDP with the programme"]
    energy = {f["label"]: f["extent"] for f in viewer.get("/fleet.json").json()["facts"]}
    # Energy is drawn until the last job ends, and not only while jobs arrive.
    assert f"slice of {SLICE} GPUs, 18.3 days" in energy["Energy, overhead included"]


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_gross_debt_reserves_and_net_stand_side_by_side_as_on_page_one(viewer, language):
    page = viewer.get(f"/programme.json?lang={language}").json()
    facts = {fact["label"]: fact["value"] for fact in page["facts"]}
    effects = pl.read_parquet(HARBOUR / "funding_effect.parquet")
    last = effects.filter(pl.col("variant") == "programme").row(-1, named=True)
    for column in PLANNED_EFFECTS[3:]:
        text = measure_value_text(last[column.name], column, language)
        assert facts[measure_label_text(column, language)] == text
        assert column.name in viewer.get("/programme/tables/alternatives.json").json()["data"][0]


def test_the_chart_of_debt_bridges_its_median_and_the_planned_figure(viewer):
    shown = unescape(viewer.get("/programme", headers=HTML).text)
    fan = pl.read_parquet(HARBOUR / "funding_fan_with.parquet").row(-1, named=True)
    planned = pl.read_parquet(HARBOUR / "funding_years.parquet").row(-1, named=True)
    values = [
        measure_value_text(share, DEBT_GDP_LAST)
        for share in (planned["debt_with_gdp_share"], fan["q50"])
    ]
    assert "the plan has {} and the median of the paths {}:".format(*values) in shown


@pytest.mark.parametrize("page", PAGES)
def test_every_table_of_figures_states_its_extent(viewer, page):
    shown = viewer.get(f"/{page}", headers=HTML).text
    for section in re.findall(r'<section class="card listing".*?</section>', shown, re.S):
        # The inputs of the cost are of one site each and say their own unit, row by row.
        if 'id="table-inputs"' not in section:
            assert '<p class="note extent">' in section, section[:200]


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("page", PAGES)
def test_no_table_mixes_seconds_minutes_and_hours(viewer, page, language):
    clocks = {"s", "min", "h", "秒", "分鐘", "小時"}
    shown = viewer.get(f"/{page}?lang={language}", headers=HTML).text
    tables = re.findall(r"<thead>.*?</thead>", shown, re.S)
    assert tables
    for head in tables:
        assert len(clocks & set(re.findall(r"<small>\[(.*?)\]</small>", head))) <= 1, head


def test_an_instant_of_a_job_is_in_hours_on_the_page_and_in_seconds_in_the_file(viewer):
    row = viewer.get("/fleet/tables/jobs.json?count=1&first=40").json()["data"][0]
    page = viewer.get("/fleet/tables/jobs?count=1&first=40", headers=HTML).text
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells[0] == row["job_id"]
    assert float(cells[3].replace(",", "")) == pytest.approx(row["submit_s"] / 3600, abs=0.005)


def test_an_input_of_the_cost_bears_the_unit_of_its_value(viewer):
    """Each value of the model is in the model's unit; that of the source is another's word."""
    rows = viewer.get("/sites/tables/inputs.json?count=1000").json()["data"]
    units = {spec.name: spec.unit for spec in INPUTS}
    shell = [row for row in rows if row["input"] == "shell_usd_per_kw"]
    assert shell
    assert {row["unit"] for row in shell} == {"USD/kW"}
    assert "HKD/kW" in {row["source_unit"] for row in shell}
    for row in rows:
        money = re.match(r"[A-Z]{3}(?=/)", row["unit"])
        wanted = re.match(r"[A-Z]{3}(?=/)", units[row["input"]])
        assert (money and money[0]) == (wanted and wanted[0]), row
        assert row["label"] != row["input"]
    page = viewer.get("/sites", headers=HTML).text
    assert "shell_usd_per_kw" not in page
    heads = re.search(r'id="table-inputs".*?</thead>', page, re.S)[0]
    order = [heads.index(word) for word in ("Unit<", "Median", "Unit in the source")]
    assert order == sorted(order)


@pytest.fixture
def altered(tmp_path, monkeypatch):
    """Run a console on the sample with other tables, or without some."""

    def store(without=(), **tables):
        folder = tmp_path / "kept"
        shutil.copytree(HARBOUR, folder)
        for name in without:
            (folder / f"{name}.parquet").unlink()
        about = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        if without:
            about["headline"] = {
                k: v for k, v in about["headline"].items() if not k.startswith(("capital", "debt"))
            }
        (folder / "study.json").write_text(json.dumps(about), encoding="utf-8")
        monkeypatch.setattr("tests.web.sample.HARBOUR", folder)
        sample_store(tmp_path / "runs", **tables)
        return tmp_path / "runs"

    return store


FUNDING = ("funding_capital", "funding_years", "funding_fan_with", "funding_fan_without")


def test_a_programme_that_nobody_borrows_for_is_no_slice(altered):
    with running(altered(without=FUNDING)) as made, made.visitor(ConsoleRole.VIEWER) as visitor:
        facts = visitor.get("/programme.json").json()["facts"]
        assert facts[0]["extent"] == "all 496 GPUs, 10.0 days"
        assert not [fact for fact in facts if "whole" in fact["extent"]]


def test_a_programme_built_as_simulated_is_no_slice(altered):
    capital = pl.read_parquet(HARBOUR / "funding_capital.parquet")
    capital = capital.with_columns(gpus=pl.col("gpus") / 40)
    store = altered(funding_capital=capital)
    with running(store) as made, made.visitor(ConsoleRole.VIEWER) as visitor:
        facts = visitor.get("/programme.json").json()["facts"]
        assert facts[0]["extent"] == "all 496 GPUs, 10.0 days"
        assert any("whole programme, 496 GPUs" in fact["extent"] for fact in facts)
