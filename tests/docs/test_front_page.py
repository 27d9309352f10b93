"""What the front page claims is what the shipped programme gives, and its pictures are there.

The figures are held against the record of `commonwatt study harbour` that the golden tests
hold the program to: where the record changes, the page must.
"""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
RECORD = ROOT / "tests" / "golden" / "commands" / "expected" / "study-harbour.json"


def record():
    """Return the headline of the recorded study, and the columns of its tables by name."""
    step = json.loads(RECORD.read_text(encoding="utf-8"))["steps"][0]
    tables = {
        Path(name).stem: {column: about["values"] for column, about in kept["columns"].items()}
        for name, kept in step["files"].items()
        if name.endswith(".parquet") and "values" in str(kept)[:2000]
    }
    return step["json"], tables


def claims(headline, tables):
    """Return every sentence and row of figures that the front page must hold."""
    ways, years = tables["alternatives"], tables["funding_years"]
    best = headline["alternative_cheapest"]
    for i, name in enumerate(ways["name"]):
        mark = "**" if name == best else ""
        yield (
            f"| {mark}{ways['alternative'][i]}{mark} "
            f"| {mark}{ways['cost_usd_per_gpu_hour'][i]:.2f} USD{mark} "
            f"| {ways['cost_p5_usd_per_gpu_hour'][i]:.2f} – "
            f"{ways['cost_p95_usd_per_gpu_hour'][i]:.2f} "
            f"| {ways['utilisation_share'][i]:.0%} "
            f"| {ways['mean_queue_delay_h'][i]:.0f} h "
            f"| {ways['carbon_g_per_gpu_hour'][i]:.0f} g "
            f"| {ways['borrowing_bn'][i]:.2f} bn HKD |"
        ).replace("%", " %")
    yield f"cheapest in {headline['alternative_cheaper_share']:.0%} of the draws".replace("%", " %")
    with_it, without = (headline[f"debt_{side}_gdp_share"] for side in ("with", "without"))
    yield (
        f"adds {100 * (with_it - without):.2f} points to the gross debt of"
        f" {years['fiscal_year'][-1]}: {100 * with_it:.2f} % of GDP instead of"
        f" {100 * without:.2f} %"
    )
    at = ways["name"].index(best)
    # One side of a balance would be half of the truth.
    yield (
        f"takes {-100 * ways['reserves_effect_gdp_share'][at]:.2f} points from the reserves"
        " besides,"
        " so that debt less reserves rises by"
        f" {100 * ways['net_debt_effect_gdp_share'][at]:.2f} points"
    )
    gpus = sum(tables["funding_capital"]["gpus"])
    yield f"Where should Hong Kong build {gpus:,.0f} GPUs?"
    yield f"simulated on {headline['gpus']} GPUs"
    assert gpus == 40 * headline["gpus"]  # "a fortieth of the programme"


def missing(text, headline, tables):
    return [claim for claim in claims(headline, tables) if claim not in text]


def test_every_figure_of_the_front_page_is_that_of_the_recorded_study():
    assert missing(README.read_text(encoding="utf-8"), *record()) == []


@pytest.mark.parametrize("column", ["cost_usd_per_gpu_hour", "borrowing_bn", "mean_queue_delay_h"])
def test_a_figure_that_moved_is_missed_on_the_front_page(column):
    headline, tables = record()
    tables["alternatives"][column] = [1.5 * value for value in tables["alternatives"][column]]
    assert len(missing(README.read_text(encoding="utf-8"), headline, tables)) == 4


def test_the_first_screen_names_result_pictures_trial_and_systems():
    screen = README.read_text(encoding="utf-8").partition("## ")[0]
    assert len(re.findall(r"!\[", screen)) == 2
    for word in ("2.08 USD", "make run", "Linux", "macOS", "commonwatt new", "points"):
        assert word in screen


def test_every_picture_and_page_that_the_front_page_names_is_there():
    text = README.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert len(links) >= 6
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_picture_of_page_one_is_a_sheet_of_a4():
    with Image.open(ROOT / "docs" / "images" / "report-page-one.png") as picture:
        width, height = picture.size
    assert height / width == pytest.approx(297 / 210, rel=0.01)
    assert width >= 790
