"""A what-if computes what its change touches, and nothing else."""

import json

import pytest
from click.testing import CliRunner

from commonwatt.cli.study import study as command
from commonwatt.core.errors import ProgrammeError
from commonwatt.report import ReportSection
from commonwatt.runs import RunStore, Stage, StageResult
from commonwatt.study import annexes
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("what_if")
    programme, store = small_programme(folder), RunStore(folder / "runs")
    run_study(programme, store)
    return programme, store


def _rows(study):
    return {row["figure"]: row for row in study.what_if}


def test_a_price_moves_the_bill_and_no_job(written):
    programme, store = written
    study = run_study(programme, store, what_if=["sites.home.power_price=+50%"])
    rows = _rows(study)
    assert not rows["mean_queue_delay_s"]["changed"]
    assert rows["energy_cost_usd"]["changed"]
    assert rows["cost_usd_per_gpu_hour.Home hall"]["change_share"] > 0
    assert not rows["cost_usd_per_gpu_hour.west"]["changed"]
    assert "schedule" not in study.stages.computed
    assert "funding" not in study.stages.computed


def test_a_what_if_gives_what_a_study_of_the_changed_file_gives(written, tmp_path):
    programme, store = written
    changed = run_study(programme, store, what_if=["sites.home.pue=1.5", "fleet.order=sjf"])
    text = {"pue = 1.3": "pue = 1.5", "[funding]": '[policy]\norder = "sjf"\n[funding]'}
    by_hand = run_study(small_programme(tmp_path, changes=text), RunStore(tmp_path / "runs"))
    mine, theirs = changed.run.headline, by_hand.run.headline
    assert mine == {key: theirs[key] for key in mine}
    assert set(theirs) - set(mine) == set()


@pytest.mark.parametrize(
    "change",
    ["fleet.order=fair-share", "sites.home.nodes=x2", "sites.home.power_price=+30%",
     "funding.currency_per_usd=+5%"],
)  # fmt: skip
def test_the_same_what_if_has_the_same_tables_on_an_empty_and_on_a_full_store(
    written, tmp_path, change
):
    programme, store = written
    first, again = (run_study(programme, store, what_if=[change]) for _ in range(2))
    fresh = run_study(programme, RunStore(tmp_path / "runs"), what_if=[change])
    assert again.stages.computed == []
    assert first.run.result_sha256 == again.run.result_sha256 == fresh.run.result_sha256
    assert first.run.run_id == fresh.run.run_id
    assert "alternative_cheapest" in fresh.run.headline


@pytest.fixture
def quick_annexes(monkeypatch):
    """Make both annexes at once: walking the examples takes a minute, and tests of its own."""

    def compute(inputs):
        section = ReportSection(name=inputs.part, title=inputs.part, lede="A day in the example.")
        why = {"text": "No job was run.", "values": {}} if inputs.part == "rooms" else None
        absent = why and {"reason": why, "remedy": {"text": "Study it elsewhere.", "values": {}}}
        return StageResult(data={"section": section.as_data(), "absent": absent}, tables={})

    monkeypatch.setattr(annexes, "PROJECT_STAGE", Stage(name="quick-project", compute=compute))
    monkeypatch.setattr(annexes, "MODELS_STAGE", Stage(name="quick-models", compute=compute))


EXAMPLES = """
[rooms]
example = true
on = 2026-03-02
[models]
examples = true
on = 2026-03-02
"""


@pytest.mark.parametrize(
    ("more", "changes"),
    [(EXAMPLES, ["sites.home.pue=1.5"]),
     ("", ["rooms.example=true", "rooms.on=2026-03-02", "models.examples=true",
           "models.on=2026-03-02"])],
)  # fmt: skip
def test_a_what_if_has_the_rooms_and_models_of_the_edited_file_and_names_what_they_lack(
    tmp_path, quick_annexes, more, changes
):
    edit = {} if not more else {"pue = 1.3": "pue = 1.5"}
    for folder in ("asked", "edited"):
        (tmp_path / folder).mkdir()
    asked = run_study(
        small_programme(tmp_path / "asked", more), RunStore(tmp_path / "a"), what_if=changes
    )
    edited = run_study(
        small_programme(tmp_path / "edited", EXAMPLES, changes=edit), RunStore(tmp_path / "b")
    )
    assert [part.as_dict() for part in asked.absent] == [part.as_dict() for part in edited.absent]
    assert "rooms" in {part.part for part in asked.absent}
    assert asked.absent_parts_error() is not None
    for study in (asked, edited):
        page = study.report.read_text(encoding="utf-8")
        assert [f'id="{part}"' in page for part in ("rooms", "models")] == [True, True]


def test_a_library_cell_may_be_moved_by_a_share(written):
    programme, store = written
    study = run_study(programme, store, what_if=["sites.home.cells.server_usd_per_gpu=+20%"])
    rows = _rows(study)
    assert rows["capital_hkd_bn"]["changed"]
    assert rows["cost_usd_per_gpu_hour.Home hall"]["change_share"] > 0.05
    assert not rows["cost_usd_per_gpu_hour.west"]["changed"]


@pytest.mark.parametrize(
    "change",
    ["sites.mars.pue=2", "pue=2", "sites.home.pue", "sites.home.pue=0.5", "sites.home.cells.x=+5%",
     "sites.home.power_price=+50", "sites.home.nodes=-1", "policy.order=best",
     "tenants.a.label.x=1"],
)  # fmt: skip
def test_a_change_that_cannot_be_is_refused_before_anything_runs(written, change):
    programme, store = written
    before = len(store.list())
    with pytest.raises(ProgrammeError):
        run_study(programme, store, what_if=[change])
    assert len(store.list()) == before


def test_the_command_prints_before_and_after(written):
    programme, store = written
    given = [str(programme), "--store", str(store.root), "--what-if", "sites.home.power_price=+10%"]
    text = CliRunner().invoke(command, given, catch_exceptions=False).stdout
    assert "Before" in text
    assert "energy_cost_usd" in text
    data = json.loads(CliRunner().invoke(command, [*given, "--json"]).stdout)
    assert {"figure", "before", "after", "change_share", "changed"} == set(data["what_if"][0])
    assert data["stages_computed"] == []
