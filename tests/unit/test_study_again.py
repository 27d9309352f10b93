"""A study that the store holds already is handed out, and a what-if computes its own side alone."""

import subprocess
import sys

import pytest

from commonwatt.core.errors import CommonwattError
from commonwatt.runs import RunStore, StageStore
from commonwatt.study import run as study_module
from commonwatt.study.programme import reader
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme

DEARER = ["sites.west.power_price=+50%"]


@pytest.fixture
def written(tmp_path):
    programme, store = small_programme(tmp_path), RunStore(tmp_path / "runs")
    return programme, store, run_study(programme, store)


def _counted(monkeypatch, owner, name):
    """Return the list to which each call of a function is added."""
    calls, whole = [], getattr(owner, name)

    def counting(*args, **kwargs):
        calls.append(args)
        return whole(*args, **kwargs)

    monkeypatch.setattr(owner, name, counting)
    return calls


def _answer(study):
    return study.run, study.what_if, study.absent, study.report.read_bytes()


def test_a_study_again_opens_no_stage_and_says_what_it_said(written, monkeypatch):
    programme, store, first = written
    opened = _counted(monkeypatch, StageStore, "get_or_compute")
    again = run_study(programme, store)
    assert opened == []
    assert _answer(again) == _answer(first)
    assert again.stages.computed == []
    assert len(again.stages.reused) == len(first.stages.computed) + len(first.stages.reused)


def test_a_what_if_again_says_what_it_said(written, monkeypatch):
    programme, store, _ = written
    first = run_study(programme, store, what_if=DEARER)
    opened = _counted(monkeypatch, StageStore, "get_or_compute")
    assert _answer(run_study(programme, store, what_if=DEARER)) == _answer(first)
    assert opened == []


def _cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["report.html", "tables/fleet_jobs.parquet", "run.json"])
@pytest.mark.parametrize("spoil", [_cut, lambda path: path.unlink()])
def test_a_run_that_lacks_a_byte_is_not_handed_out(written, monkeypatch, name, spoil):
    programme, store, first = written
    spoil(first.folder / name)
    computed = _counted(monkeypatch, study_module, "compute_study")
    # A manifest that cannot be read is an error of the store and no answer.
    if name == "run.json":
        with pytest.raises((ValueError, CommonwattError)):
            run_study(programme, store)
    else:
        run_study(programme, store)
    assert len(computed) == 1


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_another_language_is_another_study_and_the_same_figures(written, monkeypatch, language):
    programme, store, first = written
    computed = _counted(monkeypatch, study_module, "compute_study")
    again = run_study(programme, store, language=language)
    assert len(computed) == (language != "en")
    assert again.run.headline == first.run.headline


def test_an_edited_file_is_studied_anew(written, monkeypatch):
    programme, store, first = written
    with programme.open("a", encoding="utf-8") as file:
        file.write("# a remark\n")
    computed = _counted(monkeypatch, study_module, "compute_study")
    assert run_study(programme, store).run.run_id != first.run.run_id
    assert len(computed) == 1


def test_a_what_if_computes_its_own_side_alone_where_the_other_was_studied(
    written, monkeypatch, tmp_path
):
    programme, store, _ = written
    computed = _counted(monkeypatch, study_module, "compute_study")
    beside_studied = run_study(programme, store, what_if=DEARER)
    assert len(computed) == 1
    fresh = run_study(programme, RunStore(tmp_path / "fresh"), what_if=DEARER)
    assert len(computed) == 3
    assert beside_studied.what_if == fresh.what_if
    assert beside_studied.run.result_sha256 == fresh.run.result_sha256
    # Whether the side as written was opened or not, the same stages stand behind the answer.
    names = [sorted([*s.stages.computed, *s.stages.reused]) for s in (beside_studied, fresh)]
    assert names[0] == names[1]


def test_a_what_if_of_an_edited_file_is_set_beside_the_edited_file(written, monkeypatch):
    programme, store, _ = written
    text = programme.read_text(encoding="utf-8")
    programme.write_text(text.replace("60 USD/MWh", "61 USD/MWh"), encoding="utf-8")
    computed = _counted(monkeypatch, study_module, "compute_study")
    run_study(programme, store, what_if=DEARER)
    assert len(computed) == 2


def test_a_what_if_reads_each_state_of_the_file_once(written, monkeypatch):
    programme, store, _ = written
    reader._checked_programme_file.cache_clear()
    parsed = _counted(monkeypatch, reader, "parse_programme")
    study = run_study(programme, store, what_if=["sites.west.power_price=+51%"])
    alternatives = reader.load_programme(programme).file.alternatives.values()
    states = {(), *(tuple(part.change) for part in alternatives)}
    assert study.what_if
    assert len(states) > 1
    assert len(parsed) == 2 * len(states)  # as written and changed, each with its alternatives


SCRIPT = """
import sys
from pathlib import Path
from commonwatt.runs import RunStore
from commonwatt.study.usecases import run_study
study = run_study(sys.argv[1], RunStore(Path(sys.argv[2])), what_if=sys.argv[3:])
assert "cost" in study.stages.computed and "break-even" in study.stages.computed
print(*sorted({"numba", "scipy"} & set(sys.modules)))
"""


def test_a_what_if_of_a_price_loads_no_compiler_and_gives_the_same_bytes(written, tmp_path):
    programme, store, _ = written
    # The first what-if tables what all share; the next one needs neither of the two.
    run_study(programme, store, what_if=["sites.west.power_price=+40%"])
    again = subprocess.run(
        [sys.executable, "-c", SCRIPT, programme, store.root, *DEARER],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert again.stdout.split() == []
    import numba  # noqa: F401  # here every kernel runs compiled

    compiled = run_study(programme, RunStore(tmp_path / "compiled"), what_if=DEARER)
    assert compiled.run.result_sha256 == store.read(compiled.run.run_id).result_sha256
