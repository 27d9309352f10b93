"""The report as it is read: on a screen, on a telephone and on paper, nothing cut or covered."""

import random
import re
from collections import Counter
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from commonwatt.report import Report, ReportSection, ReportTable, render_report_html
from commonwatt.report.paper import TablePlacement, table_placement
from commonwatt.report.pdf import pdf_page_number_by_anchor, write_report_pdf
from commonwatt.runs import RunStore
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme

BOXES = Path(__file__).with_name("report_boxes.js").read_text(encoding="utf-8")
SVGS = "svg.chart-svg"
WIDTHS = (1280, 768, 390)
A4_MM, A4_LANDSCAPE_MM, MARGIN_MM = 210, 297, 15
LONG = {
    'label = "As written"': 'label = "Mixed: home hall, the western hub and everything in between"',
    'label = "Home alone"': 'label = "Donaudampfschifffahrtsgesellschaftskapitaenswitwe"',
}
LANGUAGES = ("en", "zh-Hant")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """A study with everything in it, and labels that no column was made for."""
    folder = tmp_path_factory.mktemp("report")
    programme, store = small_programme(folder, changes=LONG), RunStore(folder / "runs")
    return {
        language: run_study(programme, store, language=language).report for language in LANGUAGES
    }


def _open(browser, report, width, *, unfolded=True, **context):
    page = browser.new_page(viewport={"width": width, "height": 900}, **context)
    page.goto(report.as_uri())
    if unfolded:
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    return page


def _measured(page, *, scrolls, least=300):
    measured = page.evaluate(BOXES, {"svgs": SVGS, "scrolls": scrolls})
    # A page of which nothing was measured has no fault either.
    assert measured["seen"] > least
    return measured["faults"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_or_covered_on_a_screen(browser, reports, language, width):
    page = _open(browser, reports[language], width)
    assert _measured(page, scrolls=True) == []
    page.close()


def _faults_on_paper(browser, report):
    """Return what is cut where each table is measured on the page that it is printed on."""
    faults = []
    # Where no table needs to be turned, little is left to be measured on the turned page.
    for wide, mm in ((False, A4_MM), (True, A4_LANDSCAPE_MM)):
        width = round((mm - 2 * MARGIN_MM) / 25.4 * 96)
        page = _open(browser, report, width, unfolded=False)
        page.emulate_media(media="print")
        page.evaluate(
            "wide => document.querySelectorAll('.titled').forEach("
            "each => { if (each.classList.contains('wide') !== wide) each.remove() })",
            wide,
        )
        faults += _measured(page, scrolls=False, least=0)
        page.close()
    return faults


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_cut_on_paper(browser, reports, language):
    assert reports[language].read_text(encoding="utf-8").count('class="titled') > 5
    assert _faults_on_paper(browser, reports[language]) == []


WORDS = {
    "en": (
        "cost of a useful GPU-hour", "[USD/PFLOPS/h]", "12.5–20.1", "1\u00a0234\u00a0567",
        "official", "electricity, wages and a hall", "Donaudampfschifffahrtsgesellschaft",
        "(Greater Bay)", "west—east", "iiillliii", "WWWMMM", "=@+", "metrics.json", "2035-36", "",
    ),
    "zh-Hant": (
        "每 GPU 小時成本，中位數", "[美元/PFLOPS/小時]", "（北區）", "「官方」；其他", "12.5–20.1",
        "沿海的數據中心與電力供應安排", "GPU，小時", "1\u00a0234\u00a0567", "50%/年", "people.csv",
    ),
}  # fmt: skip


def _drawn_tables(language, number):
    chance = random.Random(f"tables {language}")
    words = WORDS[language]

    def text(most):
        return " ".join(chance.choices(words, k=chance.randint(1, most)))

    for at in range(number):
        columns, most = chance.randint(1, 14), chance.choice((1, 2, 3, 12))
        yield ReportTable(
            title=f"{at}",
            headings=[text(2) for _ in range(columns)],
            rows=[[text(most) for _ in range(columns)] for _ in range(chance.randint(0, 3))],
        )


def _report_of(tables, language, folder):
    page = folder / f"{language}.html"
    section = ReportSection(name="s", title="S", lede="L", tables=tables)
    birth = ReportTable(title="B", headings=[], rows=[])
    page.write_text(
        render_report_html(
            Report(title="R", language=language, summary="S", sections=[section], birth=birth)
        ),
        encoding="utf-8",
    )
    return page


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_cell_of_any_table_is_cut_on_paper(browser, tmp_path, language):
    tables = list(_drawn_tables(language, 60))
    placed = Counter(table_placement(table) for table in tables)
    assert set(placed) == set(TablePlacement), placed
    assert _faults_on_paper(browser, _report_of(tables, language, tmp_path)) == []


@pytest.mark.parametrize("placement", [TablePlacement.SMALL, TablePlacement.TURNED])
def test_a_table_that_stood_wider_than_its_page_would_be_seen(
    browser, tmp_path, monkeypatch, placement
):
    """The twin: the same tables, each that needs the room put where it has none."""
    tables = [
        table
        for table in _drawn_tables("en", 60)
        if table_placement(table) is TablePlacement.DIVIDED
    ]
    monkeypatch.setattr("commonwatt.report.render.table_placement", lambda table: placement)
    assert _faults_on_paper(browser, _report_of(tables, "en", tmp_path)) != []


@pytest.mark.parametrize(
    "harm",
    [
        ".answer { white-space: nowrap }",
        ".choices td { white-space: nowrap }",
        "#page-one { overflow: hidden } .statements { margin-left: -3rem }",
        "#page-one svg text { font-size: 60px !important }",
    ],
)
def test_what_is_cut_or_covered_is_seen(browser, reports, harm):
    page = _open(browser, reports["en"], 390)
    page.add_style_tag(content=harm)
    assert _measured(page, scrolls=True) != []
    page.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_one_is_one_page_of_paper_and_short(browser, reports, language, tmp_path):
    page = _open(browser, reports[language], 1280, unfolded=False)
    # Without the labels of the axes, which nobody reads as words.
    page.evaluate(
        "document.querySelectorAll('svg').forEach(each => { each.style.display = 'none' })"
    )
    text = page.locator("#page-one").inner_text()
    page.evaluate("document.querySelectorAll('svg').forEach(each => { each.style.display = '' })")
    # A word of Chinese has about one and two thirds characters.
    chinese = len(re.findall(r"[\u4e00-\u9fff]", text)) / 1.67
    rest = re.sub(r"[\u3000-\u9fff\uff00-\uffef]", " ", text)
    assert len(re.findall(r"[^\s]*\w[^\s]*", rest)) + chinese < 250
    target = tmp_path / "report.pdf"
    target.write_bytes(page.pdf(prefer_css_page_size=True))
    assert pdf_page_number_by_anchor(target.read_bytes())["fleet"] == 3
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_accessibility_finding_in_either_theme(browser, reports, theme):
    page = _open(browser, reports["en"], 1280, color_scheme=theme)
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in found] == []
    page.close()


def test_a_figure_leads_to_its_origin_though_its_group_is_folded(browser, reports):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(reports["en"].as_uri())
    link = page.locator("#page-one table a.of").first
    target = page.locator(f"[id='{link.get_attribute('href')[1:]}'] dl")
    assert not target.is_visible()
    link.click()
    assert target.is_visible()
    page.close()


def test_the_contents_of_a_printed_report_name_the_page_of_every_section(reports, tmp_path):
    target = tmp_path / "report.pdf"
    write_report_pdf(reports["en"], target)
    numbers = pdf_page_number_by_anchor(target.read_bytes())
    text = reports["en"].read_text(encoding="utf-8")
    wanted = re.findall(r'data-page="([^"]+)"', text)
    assert [numbers[name] for name in wanted] == sorted(numbers[name] for name in wanted)
    assert numbers["fleet"] == 3
    assert len({numbers[name] for name in wanted}) == len(wanted)
