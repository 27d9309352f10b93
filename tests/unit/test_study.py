"""The main job leaves one whole run, the same on any number of threads."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from commonwatt.core.errors import ProgrammeError
from commonwatt.runs import RunStore, StageStore
from commonwatt.study.programme.reader import find_programme_path, load_programme
from commonwatt.study.stages.demand import fleet_inputs_of_programme, programme_scheduling_policies
from commonwatt.study.stages.fleet import cached_programme_fleet_stage_result
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("runs"))
    return store, run_study("harbour", store)


class _Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.outside, self.ids, self.links = [], set(), []

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


def test_the_report_has_its_plots_and_its_sections(studied):
    ids = _seen(studied[1]).ids
    assert {"fleet-use", "fleet-queue", "fleet-tenants", "fleet-energy"} <= ids
    assert {"cost", "placement", "alternatives", "funding", "sandbox", "clinic", "origins"} <= ids


def test_the_shipped_programme_is_more_than_85_percent_busy(studied):
    assert studied[1].run.headline["utilisation_share"] > 0.85


def test_all_four_alternatives_of_the_shipped_programme_are_compared(studied):
    store, study = studied
    rows = store.table(study.run.run_id, "alternatives")
    assert rows["name"].to_list() == ["mixed", "home", "west", "rent"]
    assert set(rows["gpus"]) == {496}
    rent, home = (rows.filter(rows["name"] == name).row(0, named=True) for name in ("rent", "home"))
    assert rent["borrowing_bn"] < home["borrowing_bn"] / 4
    assert rent["running_usd_mn_a_year"] > home["running_usd_mn_a_year"]
    assert rent["mean_rtt_ms"] > 100 > home["mean_rtt_ms"] == 0


def test_hospital_jobs_stay_at_home():
    from commonwatt.fleet.usecases.simulate import run_fleet_simulation

    programme = load_programme("harbour")
    inputs = fleet_inputs_of_programme(programme)
    run = run_fleet_simulation(
        inputs, programme_scheduling_policies(programme)[0], seed=programme.file.seed
    )
    jobs, fleet = inputs.workload, inputs.fleet
    labels = programme.programme_tenant_labels(jobs.tenant_names)
    hospitals = [i for i, label in enumerate(labels) if label == "Hospitals"]
    segment, node, _ = run.result.segments.segment_node_and_gpu_milli()
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
    gpu_days = (jobs["gpus"] * (jobs["end_s"] - jobs["start_s"])).sum() / 86_400
    assert (use["allocated_gpus"] * width).sum() == pytest.approx(gpu_days, rel=1e-9)


def test_a_second_study_is_the_same_run_and_computes_no_stage_again(studied):
    store, study = studied
    again = run_study("harbour", store)
    assert again.run == study.run
    assert again.stages.computed == []


def test_tables_of_the_examples_lead_to_what_is_shipped_and_to_the_day_of_the_file(studied):
    _, study = studied
    by_name = {figure["name"]: figure for figure in study.run.figures}
    for table, stage, part in (
        ("sandbox_attacks", "example-project", "rooms"),
        ("clinic_funnel", "example-models", "models"),
    ):
        (wrote,) = by_name[f"table.{table}"]["inputs"]
        assert wrote.startswith(f"stage.{stage}.")
        assert by_name[wrote]["inputs"] == [f"shipped.{stage}", f"programme.{part}.on"]
        assert "shipped" in by_name[f"shipped.{stage}"]["source"]


def test_the_tables_are_the_same_bytes_on_any_number_of_threads(tmp_path):
    programme = small_programme(tmp_path)
    digests = [_digest_on_threads(programme, tmp_path / threads, threads) for threads in "12"]
    here = run_study(programme, RunStore(tmp_path / "here"))
    assert digests == [here.run.result_sha256] * 2


def _digest_on_threads(programme, store, threads):
    environment = os.environ | {"POLARS_MAX_THREADS": threads, "NUMBA_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-m", "commonwatt", "study", programme, "--json", "--store", store],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)["result_sha256"]


def test_a_faulty_programme_leaves_no_run(tmp_path):
    (tmp_path / "p.toml").write_text("title = 3", encoding="utf-8")
    store = RunStore(tmp_path / "runs")
    with pytest.raises(ProgrammeError):
        run_study(tmp_path / "p.toml", store)
    assert store.list() == []
    assert list((tmp_path / "runs").glob(".draft-*")) == []


def test_the_report_is_whole_in_chinese_and_says_labels_in_it(tmp_path):
    programme = small_programme(tmp_path)
    english = run_study(programme, RunStore(tmp_path / "runs"))
    chinese = run_study(programme, RunStore(tmp_path / "runs"), language="zh-Hant")
    page = chinese.report.read_text(encoding="utf-8")
    assert 'lang="zh-Hant"' in page
    assert "使用率" in page
    for label in ("小型計劃", "本地", "大學"):
        assert label in page
    assert "Home hall" not in page
    assert chinese.run.result_sha256 == english.run.result_sha256


def test_an_unknown_policy_of_a_programme_names_its_key(tmp_path):
    text = find_programme_path("harbour").read_text(encoding="utf-8")
    path = tmp_path / "p.toml"
    path.write_text(text.replace('order = "qssf"', 'order = "best"'), encoding="utf-8")
    with pytest.raises(ProgrammeError, match=r"p.toml, compare.1.order: found best, wanted one of"):
        programme_scheduling_policies(load_programme(path))


def test_a_tenant_whom_the_trace_never_names_is_a_warning(tmp_path):
    programme = small_programme(tmp_path, '[[tenants]]\nname = "nobody"\n')
    messages = []
    study = run_study(
        programme, RunStore(tmp_path / "runs"), report_progress=lambda m: messages.append(str(m))
    )
    warning = "The programme declares tenant 'nobody', and no job of the trace is theirs."
    assert warning in messages
    assert "&#39;nobody&#39;" in study.report.read_text(encoding="utf-8")


def test_a_programme_may_use_some_tenants_of_a_trace(tmp_path):
    programme = small_programme(
        tmp_path, changes={'trace = "jobs.csv"': 'trace = "jobs.csv"\ntenants = ["b"]'}
    )
    loaded = load_programme(programme)
    stage = cached_programme_fleet_stage_result(
        loaded, loaded.file.policy, StageStore(tmp_path), lambda _: None
    )
    assert set(stage.tables["fleet_jobs"]["tenant"]) == {"b"}


def test_a_room_that_cannot_be_made_here_says_so_and_the_study_goes_on(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ModuleNotFoundError("no module named pydicom", name="pydicom")

    programme = small_programme(tmp_path, "[rooms]\nexample = true\non = 2026-03-02\n")
    store = RunStore(tmp_path / "runs")
    with monkeypatch.context() as patched:
        patched.setattr("commonwatt.sandbox.usecases.example.run_example", refuse)
        study = run_study(programme, store)
    page = study.report.read_text(encoding="utf-8")
    assert "could not be made on this machine: commonwatt[sandbox]" in page
    # What was missing is never kept: it may be there the next time.
    whole = run_study(programme, store)
    assert "example-project" in whole.stages.computed
    assert "could not be made" not in whole.report.read_text(encoding="utf-8")


@pytest.mark.proof_only
@pytest.mark.prove
def test_the_other_shipped_programme_is_whole(tmp_path):
    store = RunStore(tmp_path)
    study = run_study("fjord", store)
    figures = study.run.headline
    assert figures["jobs_finished"] == figures["jobs"] > 4000
    assert 0.02 < figures["capital_eur_bn"] < 0.1
    assert figures["debt_with_gdp_share"] > figures["debt_without_gdp_share"] > 0.9
    assert store.table(study.run.run_id, "alternatives").height == 4
