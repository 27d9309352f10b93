"""A what-if of any number of the schema is the edited file: which numbers there are, it says."""

import copy
import json
import random
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from commonwatt.core.errors import CommonwattError, ProgrammeError
from commonwatt.runs import RunStore
from commonwatt.study.programme.quantities import (
    parse_programme_quantity,
    scaled_programme_quantity,
)
from commonwatt.study.programme.reader import Programme, load_programme
from commonwatt.study.programme.schema import (
    programme_schema_numeric_keys,
    whole_number_programme_key_names,
)
from commonwatt.study.usecases import run_study
from tests.programme_oracle import toml_of
from tests.small_programme import small_programme

Place = tuple[str | int, ...]

# The figures that a file states with a range beside them: half as dear again is all of it.
BESIDE = {"power_price": ("price_range",), "pue": ("pue_range",), "price": ("low", "high"),
          "value": ("low", "high")}  # fmt: skip
SERIES = '{ file = "hours.csv", column = "HK", times = 1.25 }'
# What the small programme leaves out, so that every number of the schema is stated once at least.
STATED = {
    'name = "b"\nsites = ["home"]': 'name = "b"\nsites = ["home"]\nquota_gpus = 12\n'
    'latency = "40 ms"\ndefer_h = 4',
    'busy = "400 W"': 'busy = "0.4 kW"\nmemory_gib = 80\nslices = 7',
    "pue = 1.3": "pue = 1.3\npue_range = [1.2, 1.4]",
    'power_price = "150 USD/MWh"': 'power_price = "0.15 USD/kWh"\n'
    'price_range = ["0.09 USD/kWh", "170 USD/MWh"]',
    'power_price = "60 USD/MWh"': f"power_price = {SERIES}",
    'carbon = "500 g/kWh"': f"carbon = {SERIES}",
    'cost_cells = "cn-west"': 'cost_cells = "cn-west"\n'
    "[sites.cells.server_usd_per_gpu]\ntimes = 1.1\n"
    "[sites.cells.shell_usd_per_kw]\nvalue = 9_000\nlow = 7_000\nhigh = 12_000.5",
    'nodes = 0\ngpus_per_node = 8\ngpu = "A100"': 'nodes = 0\ngpus_per_node = 8\ngpu = "A100"\n'
    "cpu_cores = 64\nmemory_gib = 512",
    "paths = 200": "paths = 200\nbuild_years = 3\nsteepness = 2.5\nyears = 8",
}


@pytest.fixture(scope="module")
def stated(tmp_path_factory) -> Path:
    """A programme that states every number of the schema."""
    folder = tmp_path_factory.mktemp("stated")
    hours = ["hour,HK", *(f"{hour},{70 + hour}" for hour in range(24))]
    (folder / "hours.csv").write_text("\n".join(hours) + "\n", encoding="utf-8")
    return small_programme(folder, changes=STATED, jobs=24)


def _places(node: Any, pattern: tuple[str, ...], place: Place = ()) -> list[Place]:
    """Return where in a document the key of the schema stands, each part of a list by itself."""
    if not pattern:
        return [place]
    first, rest = pattern[0], pattern[1:]
    if first == "*":
        parts = enumerate(node) if isinstance(node, list) else node.items()
        return [found for key, part in parts for found in _places(part, rest, (*place, key))]
    if not isinstance(node, dict) or first not in node:
        return []
    # A figure or a series of it may stand at one key: a table is no number.
    if not rest and isinstance(node[first], dict):
        return []
    return _places(node[first], rest, (*place, first))


def _all_places(document: Any) -> dict[str, list[Place]]:
    return {
        ".".join(key.path): _places(document, key.path) for key in programme_schema_numeric_keys()
    }


def _at(document: Any, place: Place) -> Any:
    for step in place:
        document = document[step]
    return document


def _name(document: Any, place: Place) -> str:
    """Return the path of a change, parts of a list by the name that the lineage gives them."""
    words = []
    for depth, step in enumerate(place):
        part = _at(document, place[: depth + 1])
        if isinstance(step, int):
            words.append(part.get("name") or "-".join(part.get("between", ())) or str(step))
        else:
            words.append(step)
    return ".".join(words)


def _times(written: Any, factor: float, key: str) -> Any:
    if isinstance(written, list):
        return [_times(bound, factor, key) for bound in written]
    if isinstance(written, str):
        number, unit = written.split(" ", 1)
        return f"{float(number) * factor:.12g} {unit}"
    if key in whole_number_programme_key_names():
        return round(written * factor)
    return float(f"{written * factor:.12g}")


def _drawn_change(rng: random.Random, written: Any, kind: str) -> tuple[str, float | None, Any]:
    """Return the text of a change with its factor, or with the value that it names."""
    if kind == "share":
        share = rng.choice((-40, -12.5, -5, 5, 12.5, 25, 60))
        return f"{share:+g}%", 1 + share / 100, None
    if kind == "times":
        times = rng.choice((0.25, 0.5, 1.5, 2, 3))
        return f"x{times:g}", times, None
    value = _drawn_value(rng, written)
    return toml_of(value) if not isinstance(value, str) else value, None, value


def _drawn_value(rng: random.Random, written: Any) -> Any:
    if isinstance(written, list):
        return sorted((_drawn_value(rng, bound) for bound in written), key=str)
    if isinstance(written, str):
        number, unit = written.split(" ", 1)
        return f"{float(number) * rng.uniform(0.8, 1.2):.6g} {unit}"
    if isinstance(written, int):
        return max(0, written + rng.choice((-1, 1, 2)))
    return round(written * rng.uniform(0.95, 1.05), 4)


def _edited(document: Any, place: Place, factor: float | None, value: Any) -> Any:
    """Return the document as a person would edit it."""
    edited = copy.deepcopy(document)
    table, key = _at(edited, place[:-1]), str(place[-1])
    if factor is None:
        table[key] = value
        return edited
    for name in (key, *(name for name in BESIDE.get(key, ()) if name in table)):
        table[name] = _times(table[name], factor, name)
    return edited


def _write(document: Any, path: Path) -> Path:
    lines = [f'"{key}" = {toml_of(part)}' for key, part in document.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _loaded(path: Path, changes: Sequence[str] = ()) -> Programme | str:
    """Return the programme, or what is wrong with it."""
    try:
        return load_programme(path, changes)
    except ProgrammeError as error:
        return str(error).partition(":")[2]


def test_the_programme_of_this_proof_states_every_number_of_the_schema(stated):
    document = tomllib.loads(stated.read_text(encoding="utf-8"))
    assert [key for key, places in _all_places(document).items() if not places] == []
    load_programme(stated)


def _cases() -> list[tuple[str, str]]:
    return [
        (".".join(key.path), kind)
        for key in programme_schema_numeric_keys()
        for kind in ("value", "share", "times")
    ]


@pytest.mark.parametrize(("key", "kind"), _cases())
def test_a_change_of_any_number_reads_as_the_edited_file(stated, key, kind):
    document = tomllib.loads(stated.read_text(encoding="utf-8"))
    for place in _all_places(document)[key]:
        rng = random.Random(f"{place} {kind}")
        text, factor, value = _drawn_change(rng, _at(document, place), kind)
        change = f"{_name(document, place)}={text}"
        path = _write(_edited(document, place, factor, value), stated.with_name("edited.toml"))
        wanted, programme = _loaded(path), _loaded(stated, [change])
        if isinstance(wanted, str) or isinstance(programme, str):
            # A year more than the calendar has: refused as the edited file is, fault by fault.
            assert programme == wanted, change
            continue
        assert programme.file == wanted.file, change
        for site, other in zip(programme.sites, wanted.sites, strict=True):
            assert site.price_usd_per_mwh.tolist() == other.price_usd_per_mwh.tolist()
            assert site.carbon_g_per_kwh.tolist() == other.carbon_g_per_kwh.tolist()


def test_most_changes_are_of_files_that_can_be_read(stated):
    """The twin of the test above: where both sides refuse, little is shown."""
    document, readable = tomllib.loads(stated.read_text(encoding="utf-8")), 0
    for key, kind in _cases():
        place = _all_places(document)[key][0]
        text, _, _ = _drawn_change(random.Random(f"{place} {kind}"), _at(document, place), kind)
        readable += isinstance(_loaded(stated, [f"{_name(document, place)}={text}"]), Programme)
    assert readable > 0.75 * len(_cases())


@pytest.fixture(scope="module")
def studied(stated, tmp_path_factory) -> tuple[Path, RunStore, RunStore]:
    """The programme, the store of its study and what-ifs, and the store of edited files."""
    stores = [RunStore(tmp_path_factory.mktemp(name) / "runs") for name in ("changed", "edited")]
    run_study(stated, stores[0])
    return stated, stores[0], stores[1]


@pytest.mark.proof_only
@pytest.mark.prove
@pytest.mark.parametrize(("key", "kind"), _cases())
def test_a_change_of_any_number_gives_the_tables_of_the_edited_file(studied, key, kind):
    stated, store, other_store = studied
    document = tomllib.loads(stated.read_text(encoding="utf-8"))
    place = random.Random(f"{key} {kind}").choice(_all_places(document)[key])
    rng = random.Random(f"{place} {kind}")
    text, factor, value = _drawn_change(rng, _at(document, place), kind)
    path = _write(_edited(document, place, factor, value), stated.with_name("edited.toml"))
    try:
        written = run_study(path, other_store)
    except CommonwattError:
        with pytest.raises(CommonwattError):
            run_study(stated, store, what_if=[f"{_name(document, place)}={text}"])
        return
    changed = run_study(stated, store, what_if=[f"{_name(document, place)}={text}"])
    ours, theirs = (
        {table["name"]: table["parquet_sha256"] for table in study.run.tables}
        for study in (changed, written)
    )
    if "alternatives" not in ours:
        # A change that moves jobs says that it leaves the alternatives out, and what stands
        # behind the figures then holds fewer rows.
        assert "schedule" in changed.stages.computed
        theirs = {name: digest for name, digest in theirs.items()
                  if not name.startswith(("alternatives", "basis_"))}  # fmt: skip
    assert {name: ours.get(name) for name in theirs} == theirs


SPELLINGS = [
    ("1,200 W", "W"), ("1,200.5 W", "W"), ("1 200 W", "W"), ("1\u202f200 W", "W"),
    ("US$0.12/kWh", "USD/MWh"), ("USD 0.12 /kWh", "USD/MWh"), ("12 US cents/kWh", "USD/MWh"),
    ("0.12 USD per kWh", "USD/MWh"), (".5 ms", "ms"), ("5. ms", "ms"), ("5ms", "ms"),
    ("+5 ms", "ms"), ("1e3 W", "W"), ("2.5e-2 s", "ms"), ("0.01 million W", "W"), ("１２ ms", "ms"),
    ("400 g CO2/kWh", "gCO2e/kWh"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "unit"), SPELLINGS)
@pytest.mark.parametrize("factor", [2, 1.5, 0.1])
def test_every_spelling_that_a_file_may_have_is_scaled_as_it_is_read(text, unit, factor):
    scaled = scaled_programme_quantity(text, factor)
    wanted = factor * parse_programme_quantity(text, unit)
    assert parse_programme_quantity(scaled, unit) == pytest.approx(wanted, rel=1e-11)


@pytest.mark.parametrize("text", ["1.2.3 W", "10-12 W", "1 200,5 W", "cheap", ""])
def test_what_a_file_may_not_have_is_not_scaled(text):
    with pytest.raises(ValueError, match=r"found|number"):
        parse_programme_quantity(scaled_programme_quantity(text, 2), "W")


def test_a_name_of_any_spelling_can_be_changed(tmp_path):
    names = {"west": "eu.north-1", "rented": "a@b:c+d"}
    path = small_programme(tmp_path)
    text = re.sub(r'"(west|rented)"', lambda match: f'"{names[match[1]]}"', path.read_text("utf-8"))
    # The alternatives name the sites, too.
    text = text.replace("sites.west.", r"sites.\"eu.north-1\".").replace(
        "sites.rented.", "sites.a@b:c+d."
    )
    path.write_text(text, encoding="utf-8")
    programme = load_programme(path, ['sites."eu.north-1".pue=+5%', "sites.a@b:c+d.pue=1.4"])
    assert [site.pue for site in programme.file.sites] == [1.3, 1.26, 1.4]
    assert programme.alternative("rent").file.sites[2].pools[0].nodes == 2
    assert json.dumps([site.name for site in programme.built]) == '["home", "eu.north-1"]'


def test_a_link_is_called_by_the_sites_that_it_joins_in_either_order(tmp_path):
    path = small_programme(tmp_path)
    for name in ("home-west", "west-home", "0"):
        assert load_programme(path, [f"latency.{name}.rtt=x2"]).file.latency[0].rtt == 60
    with pytest.raises(ProgrammeError, match="there is no 'west-rented', only home-west, home-ren"):
        load_programme(path, ["latency.west-rented.rtt=x2"])


def test_the_seed_has_no_table_and_can_be_changed(tmp_path):
    path = small_programme(tmp_path)
    assert load_programme(path, ["seed=4"]).file.seed == 4
    for line in ("seed", "=4", ".seed=4", "seed.=4", 'sites."=4', "sites..pue=2"):
        with pytest.raises(ProgrammeError, match="is not of the form"):
            load_programme(path, [line])
