"""A what-if is told from its base wherever it is named, and shows what it moved."""

import re

import pytest

from commonwatt.web.roles import ConsoleRole
from tests.web.console import HTML, running
from tests.web.sample import sample_store, sample_what_if

CHANGE = "sites.west.power_price=+50%"
MOVED = {
    "energy_cost_usd": 13_674.86,
    "capital_hkd_bn": 9.371886381750017,
    "debt_with_gdp_share": 0.1724907985323585,
    "alternative_cheapest": "home",
    "cost_usd_per_gpu_hour": {
        "Home (Hong Kong)": 2.206005432637611,
        "Eastern core (Greater Bay)": 2.1017995112342542,
        "Western hub (Guizhou)": 2.0792,
    },
}
TITLES = {
    "en": "Harbour, with sites.west.power_price +50 %",
    "zh-Hant": "Harbour，更改：sites.west.power_price +50 %",
}


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    root = tmp_path_factory.mktemp("what-ifs")
    base = sample_store(root)
    changed = sample_what_if(root, [CHANGE], **MOVED)
    with running(root) as made:
        yield made, base, changed


@pytest.mark.parametrize("language", TITLES)
def test_every_page_and_list_says_what_was_changed(console, language):
    made, base, changed = console
    title = TITLES[language]
    with made.visitor(ConsoleRole.PLANNER) as visitor:

        def shown(path):
            mark = "&" if "?" in path else "?"
            return visitor.get(f"{path}{mark}lang={language}", headers=HTML).text

        for page in ("programme", "fleet", "sites", "origins"):
            text = shown(f"/{page}?run={changed.run_id}")
            assert f'<p class="subject">{title} ' in text, page
            assert f"/comparison?run={changed.run_id}" in text
            of_base = shown(f"/{page}?run={base.run_id}")
            # Its title, and nobody's change, stands over the base; the list names both.
            assert '<p class="subject">Harbour</p>' in of_base, page
            assert f">{title} · 20" in of_base, page
        runs = shown("/runs")
        assert f">{title}</a>" in runs
        assert re.search(r">Harbour</a>", runs)
        assert title in shown(f"/runs?run={changed.run_id}")


def test_the_newest_study_is_never_a_what_if(console):
    made, base, _ = console
    with made.visitor(ConsoleRole.VIEWER) as visitor:
        assert visitor.get("/programme.json").json()["runs"] == [base.run_id]


def test_before_and_after_stand_side_by_side_with_their_units(console):
    made, _, changed = console
    with made.visitor(ConsoleRole.VIEWER) as visitor:
        about = visitor.get("/comparison.json").json()
        assert about["runs"] == [changed.run_id]
        assert about["data"]["changes"] == [CHANGE]
        rows = {row["figure"]: row for row in about["data"]["figures"]}
        bill = rows["energy_cost_usd"]
        assert (bill["before"], bill["after"]) == ("12,871 USD", "13,675 USD")
        assert bill["difference"] == "+803 USD"
        # The figure before is given back in full and not as the six digits of the table.
        assert bill["before_value"] == pytest.approx(12871.400531989479, rel=1e-12)
        west = rows["cost_usd_per_gpu_hour.Western hub (Guizhou)"]
        assert west["label"].endswith("Western hub (Guizhou)")
        assert west["after"] == "2.08 USD/GPU-hour"
        assert rows["debt_with_gdp_share"]["difference"] == "+0.11 points"
        assert rows["capital_hkd_bn"]["difference"] == "+0.100 HKD bn"
        assert "19,840 GPUs" in rows["capital_hkd_bn"]["extent"]
        assert "496 GPUs" in bill["extent"]
        named = rows["alternative_cheapest"]
        assert (named["before"], named["after"], named["difference"]) == ("mixed", "home", "–")
        still = rows["mean_queue_delay_s"]
        assert (still["changed"], still["difference"]) == (False, "0.00 h")
        page = visitor.get("/comparison", headers=HTML).text
        assert "+803 USD" in page
        assert "mean_queue_delay_s" not in page
        moved = visitor.get("/comparison/tables/moved.json").json()
        assert moved["rows"] == sum(row["changed"] for row in rows.values()) == 5


def test_every_figure_of_a_headline_has_a_name_a_unit_and_an_extent(console):
    made, base, _ = console
    with made.visitor(ConsoleRole.VIEWER) as visitor:
        for language in ("en", "zh-Hant"):
            about = visitor.get("/comparison.json", params={"lang": language}).json()
            for row in about["data"]["figures"]:
                # An internal name is no name for people.
                assert "_" not in row["label"], row
                assert row["extent"], row
    assert len(about["data"]["figures"]) > len(base.headline)


def test_a_store_without_a_what_if_says_how_one_is_made(tmp_path):
    sample_store(tmp_path)
    with running(tmp_path) as made, made.visitor(ConsoleRole.VIEWER) as visitor:
        page = visitor.get("/comparison", headers=HTML)
        assert page.status_code == 200
        assert "There is no what-if yet" in page.text
        assert visitor.get("/comparison?run=0000000000000000", headers=HTML).status_code == 404
