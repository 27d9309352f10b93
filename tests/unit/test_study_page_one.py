"""Page one says the choice, its price, its doubt and what is missing, and nothing by half."""

import json
import re

import polars as pl
import pytest

from commonwatt.core.errors import InputError
from commonwatt.report import ReportPageOne, ReportStamp, render_report_html
from commonwatt.report.model import Report, ReportTable
from commonwatt.runs import RunStore
from commonwatt.study.charts import cheapest_alternative_message_or_none
from commonwatt.study.doubt import USE, largest_cost_doubt
from commonwatt.study.programme.reader import load_programme
from commonwatt.study.run import _study_report_day_iso_text
from commonwatt.study.sections.page_one import MOST_CHOICES_SHOWN, study_report_page_one
from commonwatt.study.sections.summaries import PageOneSummary
from commonwatt.study.stages.sites import programme_costed_sites_or_none
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme

SIDES = ("gross_debt_effect", "reserves_effect", "net_debt_effect")


def _row(name, cost, *, reserves=-0.001):
    effects = {
        f"{side}_{unit}": value
        for side, value in zip(SIDES, (0.002, reserves, 0.002 - (reserves or 0.0)), strict=True)
        for unit in ("bn", "gdp_share", "p5_gdp_share", "p95_gdp_share")
    }
    return {
        "name": name,
        "alternative": name.title(),
        "gpus": 8,
        "cost_usd_per_gpu_hour": cost,
        "cost_p5_usd_per_gpu_hour": 0.9 * cost,
        "cost_p95_usd_per_gpu_hour": 1.2 * cost,
        "utilisation_share": 0.5,
        "mean_queue_delay_h": 1.0,
        "mean_rtt_ms": 2.0,
        "carbon_g_per_gpu_hour": 300.0,
        "borrowing_bn": 1.5,
    } | effects


def _summary(rows, **changes):
    year = {"variant": "programme", "fiscal_year": "2035-36"} | {
        f"{side}_{unit}": 0.001
        for side in SIDES
        for unit in ("bn", "gdp_share", "p5_gdp_share", "p50_gdp_share", "p95_gdp_share")
    }
    whole = {
        "title": "Harbour",
        "changes": [],
        "rows": rows,
        "above": "alternative",
        "all_count": len(rows),
        "best_cheaper_share": 0.9,
        "break_even_rows": [],
        "doubt": {"key": USE, "low": 0.25, "high": 0.5, "at_low_usd": 4.0, "at_high_usd": 2.0},
        "doubt_site": "all",
        "effect_rows": [year],
        "days": 10.3,
        "scale": 40.0,
        "currency": "HKD",
        "absent": [],
    }
    return PageOneSummary(**(whole | changes))


def test_the_choice_stands_first_with_its_cost_its_interval_and_the_next():
    page = study_report_page_one(_summary([_row("west", 2.0), _row("home", 2.5)]), "en")
    assert page.answer == (
        "Cheapest: “West”, USD 2.00 per useful GPU-hour (90 %: 1.80 to 2.40). Next: “Home”, 2.50; "
        "dearer "
        "in 90 % of draws."
    )
    assert page.choices == ["West", "Home"]


def test_debt_stands_beside_reserves_and_both_together_and_says_what_is_left_out():
    page = study_report_page_one(_summary([_row("west", 2.0), _row("home", 2.5)]), "en")
    (debt,) = [each.text for each in page.statements if each.label == "Price and debt"]
    assert "gross debt +0.00, reserves -0.00, net +0.00 HKD bn" in debt
    assert "Running cost, rent and user charges left out." in debt
    whole = page.groups[1]
    assert [row.label for row in whole.criteria] == ["Gross debt", "Reserves", "Net effect"]
    assert [row.cells[0][0].text for row in whole.criteria] == ["+0.200", "-0.100", "+0.300"]


def test_a_country_whose_reserves_are_not_known_is_not_said_to_have_spent_none():
    rows = [_row("west", 2.0, reserves=None), _row("home", 2.5, reserves=None)]
    page = study_report_page_one(_summary(rows), "en")
    (debt,) = [each.text for each in page.statements if each.label == "Price and debt"]
    assert "reserves are not known" in debt
    (reserves,) = [row for row in page.groups[1].criteria if row.label == "Reserves"]
    assert [cell[0].text for cell in reserves.cells] == ["–", "–"]


def test_two_ways_that_cost_the_same_are_said_to_and_neither_is_the_cheapest():
    rows = [_row("home", 2.0), _row("west", 2.0 + 1e-13), _row("rent", 2.5)]
    page = study_report_page_one(_summary(rows), "en")
    assert page.answer == (
        "“Home” and “West” cost the same: USD 2.00 per useful GPU-hour (90 %: 1.80 to 2.40)."
    )
    (change,) = [e.text for e in page.statements if e.label == "What would change it"]
    assert change == "The two cheapest cost the same; any difference between them decides."
    near = study_report_page_one(_summary([_row("home", 2.0), _row("west", 2.0001)]), "en")
    assert near.answer.startswith("Cheapest: “Home”")
    frame = pl.DataFrame(rows)
    assert str(cheapest_alternative_message_or_none(frame, "en")).startswith(
        "“Home” and “West” are cheapest, each"
    )


@pytest.mark.parametrize(
    ("bn", "amounts"),
    [
        ((0.0678, -0.0613, 0.129), ("+6,780 萬港元", "-6,130 萬港元", "+1.3 億港元")),
        ((1.2, -0.0613, 1.2613), ("+12.0 億港元", "-6,130 萬港元", "+12.6 億港元")),
        # One scale for all three stands once, behind the last.
        ((1.2, -0.6, 1.8), ("+12.0", "-6.0", "+18.0 億港元")),
    ],
)
def test_an_amount_of_the_sentence_on_debt_is_never_read_in_the_unit_of_another(bn, amounts):
    row = _row("west", 2.0) | dict(zip((f"{side}_bn" for side in SIDES), bn, strict=True))
    page = study_report_page_one(_summary([row, _row("home", 2.5)]), "zh-Hant")
    (debt,) = [each.text for each in page.statements if "2035-36" in each.text]
    assert re.findall(r"[+-][\d.,]+(?: [萬億]港元)?", debt.split("2035-36")[1]) == list(amounts)


@pytest.mark.parametrize("count", [2, MOST_CHOICES_SHOWN, 12])
def test_at_most_six_rows_and_four_choices_under_their_extent(count):
    rows = [_row(f"way {k}", 2.0 + k / 10) for k in range(count)]
    page = study_report_page_one(_summary(rows), "en")
    assert sum(len(group.criteria) for group in page.groups) == 6
    assert [group.extent for group in page.groups] == [
        "Slice simulated: 8 GPUs, 10 days",
        "Whole programme: 320 GPUs, planned change by 2035-36 [% of GDP]",
    ]
    assert len(page.choices) == min(count, MOST_CHOICES_SHOWN)
    assert ("The other 8 are below." in page.note) == (count == 12)


def test_what_is_missing_is_named_with_why_and_what_to_write():
    lacks = [("Pay for it (funding)", "Not computed: nobody borrows. Write [funding].")]
    page = study_report_page_one(_summary([_row("west", 2.0)], effect_rows=[], absent=lacks), "en")
    assert [(each.label, each.text) for each in page.absent] == lacks


def test_a_what_if_says_so_before_anything_else():
    page = study_report_page_one(_summary([_row("west", 2.0)], changes=["fleet.order=qssf"]), "en")
    assert page.statements[0].label == "Asked for"
    assert page.statements[0].text == "fleet.order=qssf"


def test_another_input_than_use_may_be_the_largest_doubt():
    doubt = {
        "key": "cn-west.hardware_price_ratio",
        "low": 1.0,
        "high": 9.0,
        "at_low_usd": 2.0,
        "at_high_usd": 9.0,
    }
    summary = _summary([_row("west", 2.0)], doubt=doubt, doubt_site="West")
    (text,) = [e.text for e in study_report_page_one(summary, "en").statements if e.label[0] == "L"]
    assert text.endswith("(West): from 1 to 9 the cost moves from USD 2.00 to 9.00.")


def test_half_the_use_costs_a_built_site_nearly_twice_and_a_site_paid_by_use_nothing(tmp_path):
    programme = load_programme(small_programme(tmp_path))
    measured = [
        {"utilisation_share": 0.8, "kwh_per_gpu_hour": 0.5, "usd_per_kwh": 0.1, "held_gpu_h": 9.0}
    ] * len(programme.built)
    sites = programme_costed_sites_or_none(programme, measured)
    doubt = largest_cost_doubt(sites)
    assert doubt.key == USE
    assert (doubt.low, doubt.high) == pytest.approx((0.4, 0.8))
    # Energy alone is bought by the hour that is used.
    assert 1.8 < doubt.at_low_usd / doubt.at_high_usd < 2.0


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page-one")
    return run_study(small_programme(folder), RunStore(folder / "runs"))


def test_the_use_in_doubt_is_the_use_of_the_slice_that_stands_beside_it(tmp_path):
    programme = load_programme(small_programme(tmp_path, changes={"nodes = 2": "nodes = 3"}))
    measured = [
        {"utilisation_share": use, "kwh_per_gpu_hour": 0.5, "usd_per_kwh": 0.1, "held_gpu_h": held}
        for use, held in ((0.9, 216.0), (0.3, 72.0))
    ]
    sites = programme_costed_sites_or_none(programme, measured)
    doubt = largest_cost_doubt(sites)
    assert (doubt.key, doubt.high) == (USE, pytest.approx(0.6))


def test_every_figure_of_a_study_has_scale_period_and_basis_and_so_has_each_fact(study):
    figures = json.loads((study.folder / "run.json").read_text(encoding="utf-8"))["figures"]
    evaluated = [figure for figure in figures if figure["expression"]]
    assert len(evaluated) > 70
    assert all(figure["extent"] and figure["basis"] for figure in evaluated)
    page = study.report.read_text(encoding="utf-8")
    facts = re.findall(
        r'<dd><a class="of" href="#([^"]+)">[^<]*</a></dd>(<dd class="face">)?', page
    )
    assert len(facts) > 15
    assert [anchor for anchor, face in facts if not face] == []


def test_the_net_effect_is_debt_less_reserves_in_every_year_of_every_alternative(study):
    rows = pl.read_parquet(study.folder / "tables" / "funding_effect.parquet")
    assert set(rows["variant"]) == {"programme", "mixed", "home", "rent"}
    for unit in ("bn", "gdp_share"):
        gross, reserves, net = (rows[f"{side}_{unit}"].to_numpy() for side in SIDES)
        assert net == pytest.approx(gross - reserves)
    assert (rows["reserves_effect_bn"] < 0).any()
    drawn = [
        rows[f"net_debt_effect_{level}_gdp_share"].to_numpy() for level in ("p5", "p50", "p95")
    ]
    assert (drawn[0] <= drawn[1]).all()
    assert (drawn[1] <= drawn[2]).all()


def test_a_programme_without_alternatives_and_funding_has_its_own_column(tmp_path):
    text = small_programme(tmp_path).read_text(encoding="utf-8")
    (tmp_path / "small.toml").write_text(text.split("[funding]")[0], encoding="utf-8")
    study = run_study(tmp_path / "small.toml", RunStore(tmp_path / "runs"))
    page = study.report.read_text(encoding="utf-8")
    assert "What does Small cost, and who pays?" in page
    assert "[alternatives.NAME]" in page
    assert "Write [funding] with country" in page


def test_a_change_that_moves_jobs_has_a_choice_too(tmp_path):
    path, store = small_programme(tmp_path), RunStore(tmp_path / "runs")
    run_study(path, store)
    study = run_study(path, store, what_if=["fleet.order=sjf"])
    page = study.report.read_text(encoding="utf-8")
    first = page[page.index("<body>") : page.rindex("contents-page")]
    assert "fleet.order=sjf" in first
    assert "ways to build" in first


@pytest.mark.parametrize("epoch", ["", "soon", "1e9", "9" * 30])
def test_a_day_that_cannot_be_is_refused(monkeypatch, epoch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH"):
        _study_report_day_iso_text()


def test_the_stamp_bears_the_day_that_reproducible_builds_ask_for(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    assert _study_report_day_iso_text() == "2026-01-01"
    page = render_report_html(
        Report(
            title="T",
            language="en",
            summary="",
            sections=[],
            birth=ReportTable(title="B", headings=["What"], rows=[["run", "ab"]]),
            page_one=ReportPageOne(question="Q?", answer="A."),
            stamp=ReportStamp(day="2026-01-01", version="1", run_id="ab12"),
        )
    )
    assert '<time datetime="2026-01-01">2026-01-01</time> · Commonwatt 1 · Run ab12' in page
