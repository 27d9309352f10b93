"""The commands of the wing, called as a user calls them."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from commonwatt.cli.treasury import treasury
from commonwatt.report.charts import chart_points
from commonwatt.treasury.engines.finance.finance_answer import (
    centre_debt_and_equity_need_bn_by_year,
)
from commonwatt.treasury.engines.track_record import forecast_sign_test_p_value
from commonwatt.treasury.io.centre import find_debt_financed_centre_file, load_debt_financed_centre
from commonwatt.treasury.io.country.folder import load_country
from commonwatt.treasury.usecases.charts import (
    debt_with_and_without_need_chart,
    debt_with_and_without_need_frame,
)
from commonwatt.treasury.usecases.fan import FanOptions
from commonwatt.treasury.usecases.finance import funding_need_result
from tests.shared_data import shared_data


def call(*arguments):
    invocation = CliRunner().invoke(treasury, list(arguments), catch_exceptions=False)
    assert invocation.exit_code == 0
    return invocation.stdout


def test_project_answers_with_the_names_of_the_contract():
    answer = json.loads(call("project", "hongkong", "--json"))
    wanted = {
        "fiscal_year",
        "debt_hkd_bn",
        "debt_gdp_share",
        "gross_issuance_hkd_bn",
        "redemption_hkd_bn",
        "interest_hkd_bn",
        "reserves_hkd_bn",
        "balance_published_hkd_bn",
        "balance_before_bonds_hkd_bn",
        "balance_before_bonds_and_transfers_hkd_bn",
    }
    assert wanted <= set(answer["years"][0])


def test_project_writes_tables_and_charts(tmp_path: Path):
    call("project", "hongkong", "--out", str(tmp_path))
    names = {path.name for path in tmp_path.iterdir()}
    assert {"bridge.svg", "decomposition.svg", "treasury_years.csv", "answer.json"} <= names


def test_fan_is_the_same_on_one_thread_and_two():
    few = ("fan", "hongkong", "--paths", "5000", "--years", "5", "--seed", "1", "--json")
    single_thread = json.loads(call(*few))
    assert single_thread == json.loads(call(*few, "--threads", "2"))
    assert len(single_thread["fan"]["debt_gdp_share"]) == 5
    assert single_thread["chances"][-1]["fiscal_year"] == "ever"
    assert single_thread["estimation"]["observations"] == 19


def test_fan_writes_its_charts(tmp_path: Path):
    call("fan", "hongkong", "--paths", "500", "--years", "3", "--out", str(tmp_path))
    assert "aria-label" in (tmp_path / "fan_debt.svg").read_text()


def test_fan_compares_issuance_strategies():
    answer = json.loads(
        call("fan", "hongkong", "--paths", "500", "--years", "5", "--strategies", "20", "--json")
    )
    assert len(answer["strategies"]) == 20
    assert answer["strategies"][0]["strategy"] == "as planned"


def test_assess_and_finance_answer_in_both_forms():
    assert "debt_gdp_share_max" in call("assess", "hongkong", "--rules", "mac-dsa")
    assert json.loads(call("assess", "hongkong", "--rules", "eu-2024", "--json"))["signals"]
    assert "on-budget" in call("finance", "harbour", "--paths", "500")
    answer = json.loads(call("finance", "harbour", "--paths", "500", "--json"))
    assert {row["route"] for row in answer["routes"]} == {"on-budget", "guarantee", "ppp"}


@pytest.mark.parametrize("arguments", [("fan",), ("fan", "--backtest")])
def test_a_fan_without_a_subject_says_what_is_wanted(arguments):
    invocation = CliRunner().invoke(treasury, list(arguments))
    assert invocation.exception is not None
    assert "wanted" in str(invocation.exception)


def test_a_need_raises_debt_by_itself_and_what_it_costs():
    country = load_country("hongkong")
    centre = load_debt_financed_centre(find_debt_financed_centre_file("harbour"))
    need = {
        year: row["debt_bn"] for year, row in centre_debt_and_equity_need_bn_by_year(centre).items()
    }
    funding = funding_need_result(country, need, FanOptions(paths=2000, years=8))
    total = sum(need.values())
    last = funding["years"][-1]
    extra = last["debt_with_hkd_bn"] - last["debt_without_hkd_bn"]
    assert funding["years"][2]["debt_with_hkd_bn"] > funding["years"][2]["debt_without_hkd_bn"]
    assert extra == pytest.approx(total, rel=0.4)
    assert len(funding["fan_with"]) == len(funding["fan_without"]) == 8
    assert funding["fan_with"][4]["q50"] > funding["fan_without"][4]["q50"]
    frames = (pl.DataFrame(funding[name]) for name in ("fan_with", "fan_without"))
    points = chart_points(
        debt_with_and_without_need_chart(), debt_with_and_without_need_frame(*frames), "en"
    )
    assert [series.label for series in points.series] == ["with the programme", "without it"]
    assert points.series[1].values[-1] == pytest.approx(funding["fan_without"][-1]["q50"], rel=1e-5)


@pytest.mark.shared_data
def test_a_comparison_says_what_keeps_economies_apart():
    weo = shared_data("fiscal", "weo_2025_10_40_economies.csv")
    rows = json.loads(call("project", "hongkong", "--compare", str(weo), "--json"))["comparison"]
    by_economy = {row["economy"]: row for row in rows[1:]}
    assert "not general government" in rows[0]["caveat"]
    assert "public assets" in by_economy["NOR"]["caveat"]
    assert by_economy["USA"]["debt_gdp_share"] > 1.2


def test_an_even_split_is_no_sign_of_a_lean():
    assert forecast_sign_test_p_value(7, 14) == 1.0
