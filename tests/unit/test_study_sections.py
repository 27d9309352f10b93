"""Sections of the report are drawn once for the same figures, and read after that."""

import subprocess
import sys

from commonwatt.catalogue.shared import UTILISATION
from commonwatt.report import ReportFigure, ReportSection, ReportTable, report_fact
from commonwatt.runs import RunStore
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme

SCRIPT = """
import sys
from pathlib import Path
from commonwatt.runs import RunStore
from commonwatt.study.usecases import run_study
study = run_study(sys.argv[1], RunStore(Path(sys.argv[2])))
assert not study.stages.computed, study.stages.computed
print(*sorted({"commonwatt.fleet.usecases.charts", "scipy.special"} & set(sys.modules)))
"""


def test_a_section_comes_back_from_plain_values_as_it_was():
    table = ReportTable(title="T", headings=["a"], rows=[["1"]], of="table.t", cells_of=[["x"]])
    section = ReportSection(
        name="s",
        title="S",
        lede="L",
        facts=[report_fact(UTILISATION, 0.5, "en", note="n", of="fleet.use")],
        figures=[ReportFigure(name="f", title="F", caption="C", svg="<svg/>", table=table)],
        tables=[table],
        notes=["n"],
    )
    assert ReportSection.from_data(section.as_data()) == section


def test_the_same_study_again_draws_no_chart_and_loads_nothing_that_draws(tmp_path):
    programme = small_programme(tmp_path)
    first = run_study(programme, RunStore(tmp_path / "runs"))
    assert "fleet-section" in first.stages.computed
    page = first.report.read_text(encoding="utf-8")
    assert page.count("<svg ") >= 5
    again = subprocess.run(
        [sys.executable, "-c", SCRIPT, programme, tmp_path / "runs"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert again.stdout.split() == []
    assert first.report.read_text(encoding="utf-8") == page


def test_a_section_is_drawn_anew_where_a_figure_of_it_changes_and_only_there(tmp_path):
    programme = small_programme(tmp_path)
    store = RunStore(tmp_path / "runs")
    run_study(programme, store)
    changed = run_study(programme, store, what_if=["funding.currency_per_usd=+10%"])
    drawn = {name for name in changed.stages.computed if name.endswith("-section")}
    assert "funding-section" in drawn
    assert {"fleet-section", "cost-section"} <= set(changed.stages.reused)


def test_other_words_for_the_same_figures_are_another_section(tmp_path, monkeypatch):
    programme = small_programme(tmp_path)
    store = RunStore(tmp_path / "runs")
    run_study(programme, store)
    for module in ("sections.stage", "annexes", "earlier"):
        of = f"commonwatt.study.{module}.translations_sha256"
        monkeypatch.setattr(of, lambda language: "renewed")
    again = run_study(programme, store)
    assert "fleet-section" in again.stages.computed
    assert "fleet" in again.stages.reused
