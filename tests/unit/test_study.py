"""The main job leaves one whole run, the same on any number of threads."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from commonwatt.app.study import run_study
from commonwatt.core.errors import ProgrammeError
from commonwatt.runs import RunStore


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("runs"))
    return store, run_study("harbour", store)


class _Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.outside, self.ids, self.links, self.headings = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.outside += [v for k, v in attrs if k in {"src", "href"} and not v.startswith("#")]
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        if tag in {"script", "link", "iframe"}:
            self.outside.append(tag)


def _seen(study):
    parser = _Seen()
    parser.feed(study.report.read_text(encoding="utf-8"))
    return parser


def test_the_report_needs_nothing_outside_itself(studied):
    assert _seen(studied[1]).outside == []


def test_every_link_of_the_report_leads_somewhere(studied):
    seen = _seen(studied[1])
    assert {link.removeprefix("#") for link in seen.links} <= seen.ids


def test_the_report_has_its_plots(studied):
    ids = _seen(studied[1]).ids
    assert {"fleet-use", "fleet-queue", "fleet-tenants", "fleet-energy"} <= ids


def test_the_shipped_programme_is_more_than_85_percent_busy(studied):
    assert studied[1].run.headline["utilisation_share"] > 0.85


def test_hospital_jobs_stay_at_home(studied):
    from commonwatt.app.study.run import simulate_programme
    from commonwatt.scenario.programme import load_programme

    programme = load_programme("harbour")
    run = simulate_programme(programme, lambda _: None)[0]
    jobs, fleet = run.inputs.workload, run.inputs.fleet
    hospitals = [
        i for i, n in enumerate(programme.tenant_labels(jobs.tenant_names)) if n == "Hospitals"
    ]
    segment, node, _ = run.result.segments.pieces()
    mine = [t in hospitals for t in jobs.tenant[run.result.segments.job[segment]].tolist()]
    assert any(mine)
    assert {fleet.sites[s].name for s in fleet.site[node[mine]]} == {"home"}


def test_busy_idle_and_overhead_add_up_to_the_energy(studied):
    store, study = studied
    sites = store.table(study.run.run_id, "fleet_sites")
    parts = sites["busy_mwh"] + sites["idle_mwh"] + sites["overhead_mwh"]
    assert parts.to_list() == pytest.approx(sites["energy_mwh"].to_list(), rel=1e-12)


def test_allocated_gpu_time_of_the_plot_is_that_of_the_jobs(studied):
    store, study = studied
    use = store.table(study.run.run_id, "fleet_use")
    jobs = store.table(study.run.run_id, "fleet_jobs")
    days = use["day"].unique().sort()
    width = days[1] - days[0]
    asked = (jobs["gpus"] * (jobs["end_s"] - jobs["start_s"])).sum() / 86_400
    assert (use["allocated_gpus"] * width).sum() == pytest.approx(asked, rel=1e-9)


def test_a_second_study_is_the_same_run(studied):
    store, study = studied
    assert run_study("harbour", store).run == study.run


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_tables_are_the_same_bytes_on_any_number_of_threads(studied, tmp_path, threads):
    environment = os.environ | {"POLARS_MAX_THREADS": threads, "NUMBA_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-m", "commonwatt", "study", "harbour", "--json", "--store", tmp_path],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["result_sha256"] == studied[1].run.result_sha256


def test_a_faulty_programme_leaves_no_run(tmp_path):
    (tmp_path / "p.toml").write_text("title = 3", encoding="utf-8")
    store = RunStore(tmp_path / "runs")
    with pytest.raises(ProgrammeError):
        run_study(tmp_path / "p.toml", store)
    assert store.list() == []
    assert list((tmp_path / "runs").glob(".draft-*")) == []


def test_the_report_is_whole_in_chinese(tmp_path):
    study = run_study("harbour", RunStore(tmp_path), language="zh-Hant")
    page = study.report.read_text(encoding="utf-8")
    assert 'lang="zh-Hant"' in page
    assert "使用率" in page


def test_an_unknown_policy_of_a_programme_names_its_key(tmp_path):
    from commonwatt.app.study.run import policies_of
    from commonwatt.scenario.programme import find_programme, load_programme

    text = find_programme("harbour").read_text(encoding="utf-8")
    path = tmp_path / "p.toml"
    path.write_text(text.replace('order = "qssf"', 'order = "best"'), encoding="utf-8")
    with pytest.raises(ProgrammeError, match=r"p.toml, compare.1.order: found best, wanted one of"):
        policies_of(load_programme(path))
