"""The reference page of the traces names every format, key and limit that the readers have."""

from pathlib import Path

import pytest

from commonwatt.fleet.io.traces import FORMATS, mapped, rows
from commonwatt.fleet.io.traces.draft import MOST_NAMES
from commonwatt.fleet.io.traces.source import BYTES_LIMIT, JSON_LIMIT, LINE_LIMIT

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "traces.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_stands_in_the_table(name):
    assert f"| `{name}` |" in PAGE


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.columns])
def test_the_columns_that_tell_a_format_are_columns_of_its_row(name):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    named = [
        word for word in row.split("|")[3].replace("`", "").replace("…", "").split(", ") if word
    ]
    assert {word.strip() for word in named} <= set(FORMATS[name].columns)


@pytest.mark.parametrize("name", mapped.PLAIN_MAPPING.columns)
def test_every_name_of_a_mapping_is_explained(name):
    assert f"`{name}`" in PAGE or f"`{name}_s`" in PAGE


def test_the_limits_are_those_of_the_readers():
    assert LINE_LIMIT == 1 << 20
    assert "at most 1 MiB" in PAGE
    assert f"{BYTES_LIMIT >> 30} GiB of unpacked text" in PAGE
    assert f"{JSON_LIMIT >> 30} GiB of JSON" in PAGE
    assert f"{rows.MOST_GPUS:,} GPUs a job" in PAGE
    assert f"{MOST_NAMES} GPU types a trace" in PAGE
