"""Every figure of a report leads to its formula, its inputs, their sources, and the run."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from commonwatt.cli.runs import runs as group
from commonwatt.core.errors import IdentityError, UsageError
from commonwatt.runs import RunStore, figure_lineage
from commonwatt.study.check import study_run_fault_messages
from commonwatt.study.formulas.declared import FORMULAS
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lineage")
    store = RunStore(folder / "runs")
    return store, run_study(small_programme(folder), store)


def _pdf_page_object_numbers(origin):
    return (
        [origin]
        if not origin.inputs
        else [leaf for o in origin.inputs for leaf in _pdf_page_object_numbers(o)]
    )


def test_every_figure_ends_in_inputs_that_have_a_source(studied):
    run = studied[1].run
    computed = [figure["name"] for figure in run.figures if figure["formula"]]
    assert len(computed) > 40
    for name in computed:
        for leaf in _pdf_page_object_numbers(figure_lineage(run, name)):
            assert leaf.source, f"{name} rests on {leaf.name}, which has no source"


def test_every_headline_figure_of_the_wings_is_among_the_figures(studied):
    names = {figure["name"] for figure in studied[1].run.figures}
    facts = studied[1].run.headline
    assert {f"fleet.{key}" for key in facts if key in ("energy_kwh", "utilisation_share")} <= names
    assert {"funding.capital_bn", "funding.debt_with_gdp_share", "cost.home.usd_per_gpu_hour",
            "alternative.rent.cost_usd_per_gpu_hour"} <= names  # fmt: skip


class _Facts(HTMLParser):
    """Count the headline figures of a page, and those that link to their origin."""

    def __init__(self):
        super().__init__()
        self.linked, self.facts, self._in = 0, 0, 0

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "dl" and given.get("class") == "facts":
            self._in = 1
        if self._in and tag == "dt":
            self.facts += 1
        if self._in and tag == "a" and given.get("class") == "of":
            self.linked += 1

    def handle_endtag(self, tag):
        if tag == "dl":
            self._in = 0


def test_every_headline_figure_of_the_report_is_a_link_to_its_origin(studied):
    parser = _Facts()
    parser.feed(studied[1].report.read_text(encoding="utf-8"))
    assert parser.facts == parser.linked > 10


def test_every_figure_has_an_expression_over_tables_of_its_run(studied):
    run = studied[1].run
    tables = {table["name"] for table in run.tables}
    figures = [
        figure for figure in run.figures if figure["value"] is not None and figure["formula"]
    ]
    assert len(figures) > 50
    for figure in figures:
        assert figure["expression"], figure["name"]
        assert set(figure["tables"]) <= tables
        assert {f"table.{name}" for name in figure["tables"]} <= set(figure["inputs"])


def test_no_formula_reads_a_table_that_it_does_not_name():
    for formula in FORMULAS.values():
        read = set(re.findall(r"\bbasis_\w+", formula.sql))
        assert read == set(formula.tables), formula.name


def test_a_figure_leads_to_the_stages_that_wrote_its_tables_and_to_their_files(studied):
    run = studied[1].run
    known = {figure["name"]: figure for figure in run.figures}
    origin = figure_lineage(run, "fleet.utilisation_share")
    pieces = next(below for below in origin.inputs if below.name == "table.basis_pieces")
    stages = [below for below in pieces.inputs if below.name.startswith("stage.fleet.")]
    assert stages
    assert all(any(b.name.startswith("stage.schedule.") for b in s.inputs) for s in stages)
    schedule = next(figure for name, figure in known.items() if name.startswith("stage.schedule."))
    assert schedule["source"].startswith("stage ")
    assert {"input.jobs.csv", "input.jobs.toml"} <= set(schedule["inputs"])


def test_bands_and_break_even_points_lead_to_their_stages_and_to_what_both_alternatives_change(
    studied,
):
    run = studied[1].run
    by_name = {figure["name"]: figure for figure in run.figures}
    names = re.compile(r"alternative\.(\w+)\.change")
    alternatives = {match[1] for name in by_name if (match := names.fullmatch(name))}
    for table in ("table.alternatives", "table.alternatives_break_even"):
        wrote = [name.split(".")[1] for name in by_name[table]["inputs"]]
        assert wrote.count("alternative-cost") == len(alternatives) == 3
        assert wrote.count("break-even") == 1
    (stage,) = (each for name, each in by_name.items() if name.startswith("stage.break-even."))
    # Both fleets: what was measured at the sites of either alternative decides.
    assert {name.split(".")[1] for name in stage["inputs"] if name.startswith("stage.")} == {
        "fleet"
    }
    changed = {match[1] for name in stage["inputs"] if (match := names.fullmatch(name))}
    facts = run.headline
    assert facts["alternative_cheapest"] in changed
    assert len(changed) == 2


def test_a_run_is_checked_by_whoever_has_it(studied):
    store, study = studied
    given = ["check", study.run.run_id, "--store", str(store.root)]
    done = CliRunner().invoke(group, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert study_run_fault_messages(study.folder) == []


def test_a_run_with_another_value_is_refused(studied, tmp_path):
    store, study = studied
    shutil.copytree(store.root, tmp_path / "runs")
    path = tmp_path / "runs" / study.run.run_id / "run.json"
    text = path.read_text(encoding="utf-8")
    figure = next(
        candidate for candidate in study.run.figures if candidate["name"] == "fleet.energy_kwh"
    )
    assert str(figure["value"]) in text
    path.write_text(text.replace(f'"value": {figure["value"]}', '"value": 1.5'), encoding="utf-8")
    given = ["check", study.run.run_id, "--store", str(tmp_path / "runs")]
    done = CliRunner().invoke(group, given)
    assert done.exit_code != 0
    assert "fleet.energy_kwh" in str(done.exception) + done.output


def test_a_figure_is_found_by_its_name_its_end_its_words_or_its_value(studied):
    run = studied[1].run
    whole = figure_lineage(run, "cost.home.usd_per_gpu_hour")
    assert figure_lineage(run, "Home hall GPU-hour cost median") == whole
    assert figure_lineage(run, whole.shown) == whole
    assert figure_lineage(run, "capital_bn").name == "funding.capital_bn"


def test_what_is_no_figure_is_refused_with_those_that_are_near(studied):
    with pytest.raises(UsageError, match="found 0 figures"):
        figure_lineage(studied[1].run, "the meaning of life")
    with pytest.raises(UsageError, match="alternative.home.cost_usd_per_gpu_hour"):
        figure_lineage(studied[1].run, "cost_usd_per_gpu_hour")


def test_a_manifest_that_goes_in_a_circle_is_a_bug(studied):
    from dataclasses import replace

    figure = dict(studied[1].run.figures[0]) | {"name": "a", "inputs": ["a"]}
    with pytest.raises(IdentityError):
        figure_lineage(replace(studied[1].run, figures=[figure]), "a")


def test_the_command_shows_the_tree_and_the_run(studied):
    store, study = studied
    given = ["trace", study.run.run_id, "funding.capital_bn", "--store", str(store.root)]
    text = CliRunner().invoke(group, given, catch_exceptions=False).stdout
    assert study.run.run_id in text
    assert "a test of funding" in text
    assert "SemiAnalysis" in text
    assert "FROM basis_inputs" in text
    assert "stage.fleet." in text
    data = json.loads(CliRunner().invoke(group, [*given, "--json"]).stdout)
    assert data["figure"]["name"] == "funding.capital_bn"
    assert data["source_digest"] == study.run.source_digest
