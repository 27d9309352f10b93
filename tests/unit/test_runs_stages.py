"""A cached stage is read back whole or counts as not there; all of its inputs decide it."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonwatt.runs import InputFile, Stage, StageResult, StageStore
from commonwatt.runs import stages as stages_module
from commonwatt.runs.inputs import run_stage_inputs_sha256
from commonwatt.runs.stages import run_stage_cache_key


@dataclass(frozen=True)
class Given:
    x: float = 1.0
    earlier: StageResult | None = None
    files: tuple[InputFile, ...] = field(default=())


def _compute(inputs):
    table = pl.DataFrame({"a": [inputs.x]})
    return StageResult(data={"value": inputs.x, "always": 7}, tables={"t": table})


def _fail(_):
    raise ValueError("no")


S = Stage(name="s", compute=_compute)


def test_a_stage_is_computed_once(tmp_path):
    first, second = StageStore(tmp_path), StageStore(tmp_path)
    first.get_or_compute(S, Given())
    again = second.get_or_compute(Stage(name="s", compute=_fail), Given())
    assert again.data == {"value": 1.0, "always": 7}
    assert again.tables["t"]["a"].to_list() == [1.0]
    assert (second.reused, second.computed) == (["s"], [])


def test_a_stage_made_in_part_is_handed_on_and_never_kept(tmp_path):
    def compute_in_part(inputs):
        return replace(_compute(inputs), is_partial=True)

    stages = StageStore(tmp_path)
    part = Stage(name="s", compute=compute_in_part)
    assert [stages.get_or_compute(part, Given()).data["value"] for _ in range(2)] == [1.0, 1.0]
    assert stages.computed == ["s", "s"]


def test_other_inputs_are_another_stage(tmp_path):
    stages = StageStore(tmp_path)
    stages.get_or_compute(S, Given())
    assert stages.get_or_compute(S, Given(2.0)).data["value"] == 2.0
    assert run_stage_cache_key("s", Given()) != run_stage_cache_key("r", Given())


def test_a_stage_with_a_broken_file_is_computed_again(tmp_path):
    stages = StageStore(tmp_path)
    key = stages.get_or_compute(S, Given()).key
    for name in ("stage.json", "t.arrows"):
        (stages.folder / key / name).write_bytes(b"broken")
        assert stages.get_or_compute(S, Given()).data["value"] == 1.0
    assert stages.computed == ["s", "s", "s"]


def _one_bit_changed(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("spoil", ["forgotten", "rotten", *range(0, 400, 7)])
def test_a_table_that_is_gone_when_it_is_asked_for_is_computed_again(tmp_path, spoil):
    stages = StageStore(tmp_path)
    key = stages.get_or_compute(S, Given()).key
    cached = stages.get_or_compute(S, Given())
    path = stages.folder / key / "t.arrows"
    match spoil:
        case "forgotten":
            path.unlink()
        case "rotten":
            path.write_bytes(b"x" * path.stat().st_size)
        case at:
            content = path.read_bytes()
            path.write_bytes(_one_bit_changed(content, at % len(content)))
    assert cached.tables["t"]["a"].to_list() == [1.0]
    assert dict(cached.tables).keys() == {"t"}
    assert "u" not in cached.tables
    assert (stages.computed, stages.reused) == (["s", "s"], ["s"])


def _base_studied(folder):
    """Study a base of five stages, each made of a part that no lineage names."""
    stages = StageStore(folder)

    def compute_with_part(inputs):
        stages.beside().get_or_compute(S, Given(inputs.x + 100))
        return _compute(inputs)

    for number in range(5):
        stages.get_or_compute(Stage(name="s", compute=compute_with_part), Given(number))
    stages.save_summary("quoted", Given(), {"y": 1})


def _what_if_studied(folder, number, *, beside_base):
    stages = StageStore(folder)
    for part in range(4):
        stages.get_or_compute(S, Given(1000 + 10 * number + part))
    if beside_base:
        assert stages.cached_run_stage_summary_or_none("quoted", Given()) == {"y": 1}


@pytest.mark.parametrize("beside_base", [True, False])
def test_the_base_that_each_what_if_reads_is_never_forgotten_and_one_unused_is(
    tmp_path, monkeypatch, beside_base
):
    monkeypatch.setattr(stages_module, "MOST_STAGES", 60)
    _base_studied(tmp_path)
    for number in range(40):
        _what_if_studied(tmp_path, number, beside_base=beside_base)
    again = StageStore(tmp_path)
    for number in range(5):
        for x in (number, number + 100):
            again.get_or_compute(S, Given(x))
    assert (len(again.reused), len(again.computed)) == ((10, 0) if beside_base else (0, 10))
    assert len(list(again.folder.iterdir())) <= 61


def test_a_study_of_more_stages_than_are_kept_forgets_none_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(stages_module, "MOST_STAGES", 4)
    stages = StageStore(tmp_path)
    for _ in range(2):
        for number in range(9):
            stages.get_or_compute(S, Given(number))
    assert (len(stages.computed), len(stages.reused)) == (9, 9)


def test_a_stage_that_fails_leaves_nothing(tmp_path):
    stages = StageStore(tmp_path)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            stages.get_or_compute(Stage(name="s", compute=_fail), Given())
    assert not stages.folder.exists() or not list(stages.folder.iterdir())


def test_a_stage_records_the_stages_and_files_that_it_took_from(tmp_path):
    stages, file = StageStore(tmp_path), tmp_path / "f.csv"
    file.write_text("a")
    first = stages.get_or_compute(S, Given())
    inputs = Given(2.0, first, (InputFile.from_path(file),))
    for result in (
        stages.get_or_compute(Stage(name="r", compute=_compute), inputs) for _ in range(2)
    ):
        assert result.edges == (("s", first.key),)
        assert result.files == (("f.csv", InputFile.from_path(file).sha256),)


def test_a_part_that_is_the_same_starts_nothing_anew_and_is_an_edge_all_the_same(tmp_path):
    stages = StageStore(tmp_path)
    parts = [stages.get_or_compute(S, Given(x)) for x in (1.0, 2.0)]
    assert run_stage_inputs_sha256(parts[0].value("always")) == run_stage_inputs_sha256(
        parts[1].value("always")
    )
    assert run_stage_inputs_sha256(parts[0].value("value")) != run_stage_inputs_sha256(
        parts[1].value("value")
    )
    assert run_stage_inputs_sha256(parts[0].table("t")) != run_stage_inputs_sha256(
        parts[1].table("t")
    )
    assert run_stage_inputs_sha256(parts[0]) != run_stage_inputs_sha256(parts[1])


def test_a_file_counts_by_its_content_and_not_by_where_it_lies(tmp_path):
    here, there = tmp_path / "a" / "f.csv", tmp_path / "b" / "f.csv"
    for path in (here, there):
        path.parent.mkdir()
        path.write_text("1")
    assert run_stage_inputs_sha256(InputFile.from_path(here)) == run_stage_inputs_sha256(
        InputFile.from_path(there)
    )
    there.write_text("2")
    assert run_stage_inputs_sha256(InputFile.from_path(here)) != run_stage_inputs_sha256(
        InputFile.from_path(there)
    )


def test_what_no_rule_encodes_is_refused():
    with pytest.raises(TypeError, match="holds a object"):
        run_stage_inputs_sha256({"x": object()})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.builds(Path, st.sampled_from(["a", "b"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_equal_values_and_only_they_have_equal_digests(first, other):
    same = repr(first) == repr(other)  # repr tells 1, 1.0 and True apart, as an input must
    if isinstance(first, dict) and isinstance(other, dict):
        same = sorted(map(repr, first.items())) == sorted(map(repr, other.items()))
    assert (run_stage_inputs_sha256(first) == run_stage_inputs_sha256(other)) == same or (
        first == other and not same
    )
    assert run_stage_inputs_sha256([first]) == run_stage_inputs_sha256((first,))
    assert run_stage_inputs_sha256([first, other]) != run_stage_inputs_sha256([first, other, None])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.data())
def test_any_field_cell_or_bit_that_differs_is_another_digest(numbers, data):
    at = data.draw(st.integers(0, len(numbers) - 1))
    changed = [n + (i == at) for i, n in enumerate(numbers)]
    for kind in (
        tuple,
        np.array,
        lambda n: pl.DataFrame({"a": n}),
        lambda n: pl.DataFrame({"a": [str(x) for x in n]}),
    ):
        assert run_stage_inputs_sha256(kind(numbers)) == run_stage_inputs_sha256(
            kind(list(numbers))
        )
        assert run_stage_inputs_sha256(kind(numbers)) != run_stage_inputs_sha256(kind(changed))
    assert run_stage_inputs_sha256(Given(1.0)) != run_stage_inputs_sha256(
        replace(Given(1.0), x=np.nextafter(1.0, 2))
    )


def test_a_frozen_part_is_encoded_once_for_all_stages_and_decides_as_before():
    part, encoded = Given(x=2.0), {}
    inputs = [{"a": part, "b": number} for number in range(3)]
    digests = [run_stage_inputs_sha256(each, encoded) for each in inputs]
    assert digests == [run_stage_inputs_sha256(each) for each in inputs]
    assert len(set(digests)) == 3
    assert [held for held, _ in encoded.values()] == [part]


def test_what_may_change_is_encoded_each_time():
    @dataclass
    class Open:
        x: int

    part, encoded = Open(1), {}
    first = run_stage_inputs_sha256(part, encoded)
    part.x = 2
    assert run_stage_inputs_sha256(part, encoded) != first
    assert encoded == {}


def test_a_summary_puts_the_stages_behind_it_on_record(tmp_path):
    first, second = StageStore(tmp_path), StageStore(tmp_path)
    assert second.cached_run_stage_summary_or_none("sum", Given()) is None
    before = first.get_or_compute(S, Given(9.0))
    stage = first.get_or_compute(S, Given(earlier=before))
    first.save_summary("sum", Given(), {"value": 0.1}, since=1)
    assert second.cached_run_stage_summary_or_none("sum", Given()) == {"value": 0.1}
    assert second.cached_run_stage_summary_or_none("sum", Given(2.0)) is None
    assert (second.reused, second.computed) == (["s"], [])
    assert second.lineage_by_key == {stage.key: first.lineage_by_key[stage.key]}
