"""A trace is read once for all policies of a study, and anew once its bytes have changed."""

import pytest

from commonwatt.study.programme.reader import load_programme
from commonwatt.study.stages import demand
from commonwatt.study.stages.demand import fleet_inputs_of_programme
from tests.small_programme import small_programme


@pytest.fixture
def reads(monkeypatch):
    """Return how often each trace was read, as the study goes."""
    count, read_traces = [], demand.read_traces

    def counted(paths, **options):
        count.append(paths)
        return read_traces(paths, **options)

    demand._cached_programme_traces_read.cache_clear()
    monkeypatch.setattr(demand, "read_traces", counted)
    yield count
    demand._cached_programme_traces_read.cache_clear()


def test_a_trace_is_read_once_for_all_that_runs_it(tmp_path, reads):
    programme = load_programme(small_programme(tmp_path))
    first, again = (fleet_inputs_of_programme(programme).workload for _ in range(2))
    assert (len(first), len(reads)) == (len(again), 1)


def test_a_trace_that_was_edited_is_read_anew(tmp_path, reads):
    path = small_programme(tmp_path)
    before = fleet_inputs_of_programme(load_programme(path)).workload
    trace = path.parent / "jobs.csv"
    lines = trace.read_text().splitlines(keepends=True)
    trace.write_text("".join(lines[:-1]))
    after = fleet_inputs_of_programme(load_programme(path)).workload
    assert (len(after), len(reads)) == (len(before) - 1, 2)


def test_another_mapping_of_the_same_trace_is_read_anew(tmp_path, reads):
    path = small_programme(tmp_path)
    fleet_inputs_of_programme(load_programme(path))
    mapping = path.parent / "jobs.toml"
    mapping.write_text(mapping.read_text() + "# the same, said with a remark\n")
    fleet_inputs_of_programme(load_programme(path))
    assert len(reads) == 2
