"""The use cases of the siting wing and its commands."""

import json
import math

import pytest
from click.testing import CliRunner

from commonwatt.cli import root
from commonwatt.core.errors import InfeasibleError, TableError, UsageError
from commonwatt.siting.domain.cooling import Cooling
from commonwatt.siting.domain.cost_inputs import NAMES, cost_input_label
from commonwatt.siting.usecases import (
    PlacementOptions,
    day_ahead_placement_rows,
    gpu_hour_cost_result,
    placement_result,
    site_cost_comparison,
    site_gpu_hour_cost_at_measured_use,
)
from commonwatt.siting.usecases.report import siting_cost_section, siting_placement_section

HEAD = "class,origin,gpus,latency_ms,residency,types,defer_h,gb_per_gpu_hour\n"


def run(*arguments):
    result = CliRunner().invoke(root, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_contest_turns_its_sign_between_the_column_and_the_audit():
    rows = {row["contest"]: row for row in site_cost_comparison(draws=20_000)["contest"]}
    column, audited = rows["the column's own figures"], rows["audited figures"]
    assert column["ratio_p95"] < 0.5
    assert audited["ratio_p5"] > 1.0
    assert 0.6 < rows["equal use and chip prices"]["ratio_p50"] < 0.95
    assert column["one_p95_usd_per_gpu_hour"] > 3.93
    assert column["other_p5_usd_per_gpu_hour"] < 1.33 < column["other_p95_usd_per_gpu_hour"]
    assert audited["one_p5_usd_per_gpu_hour"] < 2.74 < audited["one_p95_usd_per_gpu_hour"]


def test_use_leads_both_the_tornado_and_the_sobol_table():
    answer = gpu_hour_cost_result(["cn-west"], draws=5000, sobol_draws=2048)
    assert answer["tornado"][0]["input"] == "utilisation_share"
    assert answer["sobol"][0]["input"] == "utilisation_share"
    parts = sum(row["usd_per_gpu_hour"] for row in answer["parts"])
    assert math.isclose(parts, answer["sites"][0]["at_medians_usd_per_gpu_hour"], rel_tol=1e-12)


def test_a_measured_run_replaces_use_and_energy():
    idle = site_gpu_hour_cost_at_measured_use(
        "us-texas", utilisation=0.3, kwh_per_gpu_hour=None, draws=2000, seed=1
    )
    busy = site_gpu_hour_cost_at_measured_use(
        "us-texas", utilisation=0.9, kwh_per_gpu_hour=None, draws=2000, seed=1
    )
    hungry = site_gpu_hour_cost_at_measured_use(
        "us-texas", utilisation=0.9, kwh_per_gpu_hour=3.0, draws=2000, seed=1
    )
    assert idle["p50_usd_per_gpu_hour"] > 2 * busy["p50_usd_per_gpu_hour"]
    assert hungry["p50_usd_per_gpu_hour"] > busy["p50_usd_per_gpu_hour"]


def test_an_unknown_site_is_answered_with_those_known():
    with pytest.raises(UsageError, match="us-virginia"):
        gpu_hour_cost_result(["mars"])


def test_a_placement_is_proved_and_its_limits_are_said():
    answer = placement_result(choices=PlacementOptions(hours=48))
    assert answer["gap_share"] <= 1e-4
    assert any("latency" in str(word) for word in answer["limits"])
    shares = {}
    for row in answer["classes"]:
        shares[row["class"]] = shares.get(row["class"], 0) + row["share"]
    assert all(math.isclose(share, 1, rel_tol=1e-5) for share in shares.values())


def test_whole_racks_of_two_gpu_types_may_be_placed():
    choices = PlacementOptions(
        hours=24,
        types=("H100", "B200"),
        unit_gpus=64,
        open_usd_per_year=1e6,
        explain=False,
        gap=1e-3,
    )
    answer = placement_result(choices=choices)
    assert all(
        math.isclose(row["h100_equivalents"] % 64, 0, abs_tol=1e-6) for row in answer["sites"]
    )


def test_a_conflict_of_a_classes_file_is_named(tmp_path):
    path = tmp_path / "classes.csv"
    path.write_text(HEAD + "clinic,europe-west3,900,10,us-east4,,0,1\n", encoding="utf-8")
    with pytest.raises(
        InfeasibleError, match="latency limit of clinic; the data residency of clinic"
    ):
        placement_result(path, PlacementOptions(hours=24))


def test_a_class_without_a_number_is_named(tmp_path):
    path = tmp_path / "classes.csv"
    path.write_text(HEAD + "clinic,europe-west3,many,10,,,0,1\n", encoding="utf-8")
    with pytest.raises(TableError, match="column gpus"):
        placement_result(path, PlacementOptions(hours=24))


def test_day_ahead_rows_keep_within_three_and_five_per_cent():
    for row in day_ahead_placement_rows([0, 100]):
        assert row["cost_over_hindsight_share"] < 0.03
        assert row["carbon_over_hindsight_share"] < 0.05
        assert row["load_beyond_limit_mwh"] == 0


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_commands_answer_as_text_json_and_files(tmp_path, language):
    cost = run("--lang", language, "siting", "cost", "cn-west", "us-iowa", "--draws", "2000")
    assert cost.exit_code == 0
    assert "cn-west" in cost.output
    contest = run(
        "--lang", language, "siting", "cost", "--contest", "--draws", "2000", "--out", str(tmp_path)
    )
    assert contest.exit_code == 0
    assert (tmp_path / "break_even_map.svg").exists()
    assert "cn-west" in (tmp_path / "report.html").read_text(encoding="utf-8")
    place = run("siting", "place", "--hours", "24", "--json")
    assert json.loads(place.stdout)["gap_share"] <= 1e-4


def test_the_audit_command_writes_a_table(tmp_path):
    claims = tmp_path / "claims.csv"
    claims.write_text(
        "id,quote,quantity,low,high,unit,region,period,relates_to\n"
        "A1,,electricity price,0.66,0.66,USD/kWh,US Texas,2023,\n",
        encoding="utf-8",
    )
    answer = run("audit", str(claims), "--out", str(tmp_path / "out"))
    assert "10" in answer.output
    assert (tmp_path / "out" / "audit.csv").exists()


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_sections_of_a_report_are_whole(language):
    cost = siting_cost_section(
        gpu_hour_cost_result(["us-iowa", "cn-west"], draws=500, sobol_draws=64), language
    )
    place = siting_placement_section(
        placement_result(choices=PlacementOptions(hours=24, explain=False)), language
    )
    assert len(cost.figures) == 3
    assert all(figure.svg.startswith("<svg ") for figure in (*cost.figures, *place.figures))
    assert len(cost.tables[0].rows) == 2
    assert place.tables[0].rows
    assert (cost.title == "What a GPU-hour costs") == (language == "en")


def test_hourly_prices_and_weather_take_the_place_of_tariff_and_pue():
    market = ("us-south1", Cooling.LIQUID)
    cool = gpu_hour_cost_result(["us-texas"], draws=500, sobol_draws=64, market=market)
    cells = {row["input"]: row for row in cool["cells"]}
    assert "US-TEX-ERCO" in cells["tariff_usd_per_kwh"]["source"]
    assert 1.05 < cells["pue_ratio"]["median"] < 1.2
    with pytest.raises(UsageError, match="us-south1"):
        gpu_hour_cost_result(["us-texas"], draws=500, market=("atlantis", Cooling.LIQUID))


def test_each_site_may_have_its_own_measured_run():
    runs = {"us-iowa": (0.9, 1.2), "us-texas": (0.2, 1.2)}
    answer = gpu_hour_cost_result(["us-iowa", "us-texas"], draws=500, sobol_draws=64, runs=runs)
    iowa, texas = answer["sites"]
    assert iowa["utilisation_share"] == 0.9
    assert texas["p50_usd_per_gpu_hour"] > 2 * iowa["p50_usd_per_gpu_hour"]


def test_classes_may_be_given_as_rows():
    row = {
        "class": "a", "origin": "us-east4", "gpus": 100.0, "latency_ms": 30.0, "residency": "",
        "types": "", "defer_h": 0, "gb_per_gpu_hour": 0.0,
    }  # fmt: skip
    answer = placement_result([row], PlacementOptions(hours=24, explain=False))
    assert {each["class"] for each in answer["classes"]} == {"a"}


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_an_input_is_called_by_its_label_wherever_people_read_it(language):
    answer = gpu_hour_cost_result(["cn-west"], draws=100, seed=1)
    section = siting_cost_section(answer, language)
    tornado = section.figures[2]
    labels = {cost_input_label(name).translate(language) for name in NAMES}
    assert len(labels) == len(NAMES)
    assert {row[1] for row in tornado.table.rows} <= labels
    assert any(row[1] in tornado.svg for row in tornado.table.rows)
    text = json.dumps(section.as_data(), ensure_ascii=False)
    assert not [name for name in NAMES if name in text or name.replace("_", " ") in text]
