"""Every byte of every file that a programme names decides its run; a what-if is the edited file."""

import copy
import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commonwatt.core.errors import CommonwattError
from commonwatt.core.shipped import DATA
from commonwatt.runs import RunStore
from commonwatt.study.programme.changes import WHOLE_NUMBER_KEYS
from commonwatt.study.programme.reader import load_programme
from commonwatt.study.run import study_run_recipe
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme

COUNTRY = '[funding]\ncountry = "hongkong"'
RANGES = {"power_price": ["price_range"], "pue": ["pue_range"], "price": ["low", "high"],
          "value": ["low", "high"]}  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A programme with everything of its own: trace, mapping, hourly prices and country."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(DATA / "treasury" / "hongkong", folder / "mine")
    prices = ["hour,HK", *(f"{h},{100 + h}" for h in range(24))]
    (folder / "prices.csv").write_text("\n".join(prices) + "\n", encoding="utf-8")
    return small_programme(
        folder,
        changes={
            COUNTRY: '[funding]\ncountry = "mine"',
            'power_price = "150 USD/MWh"': 'power_price = { file = "prices.csv", column = "HK" }\n'
            'price_range = ["90 USD/MWh", "170 USD/MWh"]\npue_range = [1.2, 1.5]',
        },
        jobs=24,
    )


def _copy(own, folder):
    return Path(shutil.copytree(own.parent, folder / "copy")) / own.name


def _run_id(path):
    return study_run_recipe(load_programme(path), "en").run_id


def _files(own):
    return sorted(p for p in own.parent.rglob("*") if p.is_file() and p.suffix in {".toml", ".csv"})


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_flipped_byte_of_any_file_is_another_run_or_a_fault_that_is_told(
    own, tmp_path_factory, data
):
    path = _copy(own, tmp_path_factory.mktemp("flip"))
    whole = _run_id(own)
    assert _run_id(path) == whole  # the same bytes elsewhere are the same run
    file = data.draw(st.sampled_from(_files(path)))
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(bytes(content))
    try:
        assert _run_id(path) != whole
    except CommonwattError:
        return  # the byte made the file one that cannot be read, and that is told


# What of a programme each stage hangs on, by a byte that keeps every file readable.
EDITS = {
    "small.toml": ("# a remark\n", set()),
    "jobs.csv": ("\n", {"schedule", "fleet"}),
    "jobs.toml": ("\n", {"schedule", "fleet"}),
    "prices.csv": ("24,100\n", {"fleet"}),
    "mine/country.toml": ("\n# a remark\n", {"funding", "variant", "debt-effect"}),
    "mine/sources.csv": ("\n", {"funding", "variant", "debt-effect"}),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_stages_that_a_file_decides_are_made_anew_and_no_others(own, tmp_path, name):
    path = _copy(own, tmp_path)
    store = RunStore(tmp_path / "runs")
    first, again = run_study(path, store), run_study(path, store)
    assert again.stages.computed == []
    assert again.run.run_id == first.run.run_id
    more, anew = EDITS[name]
    with (path.parent / name).open("a", encoding="utf-8") as file:
        file.write(more)
    edited = run_study(path, store)
    assert edited.run.run_id != first.run.run_id
    assert set(edited.stages.computed) >= anew
    if name.startswith("mine") or name == "small.toml":
        assert set(edited.stages.computed) == anew


def test_a_changed_country_gives_another_run_and_no_contradiction(own, tmp_path):
    path = _copy(own, tmp_path)
    store = RunStore(tmp_path / "runs")
    first = run_study(path, store)
    country = path.parent / "mine" / "country.toml"
    text = country.read_text(encoding="utf-8")
    country.write_text(
        re.sub(r"(?m)^issuance = .*", "issuance = [1.0, 1.0, 1.0, 1.0, 1.0]", text),
        encoding="utf-8",
    )
    second = run_study(path, store)
    assert second.run.run_id != first.run.run_id
    assert (
        second.run.headline["debt_without_gdp_share"]
        != first.run.headline["debt_without_gdp_share"]
    )


def test_a_country_is_sought_beside_the_programme_and_a_shipped_name_goes_first(
    own, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hongkong").mkdir()  # a folder called like a country where somebody stands
    assert load_programme(own).country.endswith("mine")
    assert load_programme("harbour").country == "hongkong"
    path = _copy(own, tmp_path)
    (path.parent / "hongkong").mkdir()
    path.write_text(
        path.read_text(encoding="utf-8").replace('"mine"', '"hongkong"'), encoding="utf-8"
    )
    assert load_programme(path).country == "hongkong"
    path.write_text(
        path.read_text(encoding="utf-8").replace('country = "hongkong"', 'country = "atlantis"'),
        encoding="utf-8",
    )
    with pytest.raises(
        CommonwattError, match="funding.country: found no such country or folder: atlantis"
    ):
        load_programme(path)


def _numeric(node, way=()):
    """Yield the way to every number of a document, quantities such as "350 W" among them."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _numeric(value, (*way, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            if isinstance(value, dict):
                yield from _numeric(value, (*way, i))
    elif (isinstance(node, int | float) and not isinstance(node, bool)) or (
        isinstance(node, str)
        and re.match(r"\d[\d.]* \S", node)
        and way[-1] not in ("source", "title")
    ):
        yield way


def _edited(document, way, factor):
    """Return the document as a person would edit it: the figure, and the range beside it."""
    edited = copy.deepcopy(document)
    at = edited
    for step in way[:-1]:
        at = at[step]
    for key in (way[-1], *(k for k in RANGES.get(way[-1], ()) if k in at)):
        at[key] = _times(at[key], factor, key)
    return edited


def _times(value, factor, key):
    if isinstance(value, list):
        return [_times(v, factor, key) for v in value]
    if isinstance(value, dict):
        return value | {"times": float(f"{value.get('times', 1.0) * factor:.12g}")}
    if isinstance(value, str):
        number, unit = value.split(" ", 1)
        return f"{float(number) * factor:.12g} {unit}"
    whole = key in WHOLE_NUMBER_KEYS
    return round(value * factor) if whole else float(f"{value * factor:.12g}")


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {_toml(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def _name(document, way):
    """Return the key of a what-if: parts of a list by their names where they have one."""
    words, at = [], document
    for step in way:
        at = at[step]
        words.append(
            str(at.get("name", step))
            if isinstance(step, int) and isinstance(at, dict)
            else str(step)
        )
    return ".".join(words)


PROGRAMMES = {
    name: tomllib.loads((DATA / "programmes" / f"{name}.toml").read_text("utf-8"))
    for name in ("harbour", "fjord")
}
KEYS = [
    (name, way)
    for name, document in PROGRAMMES.items()
    for way in _numeric(document)
    if len(way) > 1
]


@pytest.mark.parametrize(
    ("name", "way"), KEYS, ids=lambda v: v if isinstance(v, str) else ".".join(map(str, v))
)
@pytest.mark.parametrize("factor", ["+10%", "x2"])
def test_a_what_if_of_any_number_is_the_edited_file(name, way, factor, tmp_path):
    document, times = PROGRAMMES[name], {"+10%": 1.1, "x2": 2.0}[factor]
    edited = _edited(document, way, times)
    path = tmp_path / f"{name}.toml"
    path.write_text("\n".join(f'"{k}" = {_toml(v)}' for k, v in edited.items()), encoding="utf-8")
    change = f"{_name(document, way)}={factor}"
    try:
        wanted = load_programme(path)
    except CommonwattError as error:
        with pytest.raises(type(error)):
            load_programme(name, [change])
        return
    programme = load_programme(name, [change])
    assert programme.file == wanted.file
    for site, other in zip(programme.sites, wanted.sites, strict=True):
        assert site.price_usd_per_mwh.tolist() == other.price_usd_per_mwh.tolist()


@pytest.mark.parametrize(
    "change",
    [
        "sites.west.power_price=+50%",
        "sites.home.pue=+5%",
        "funding.scale=x2",
        *(pytest.param(change, marks=[pytest.mark.proof_only, pytest.mark.prove])
          for change in ("sites.home.power_price=+20%", "gpus.A100.busy=+10%",
                         "tenants.b.quota_gpus=4")),
    ],
)  # fmt: skip
def test_a_what_if_gives_the_bytes_of_the_edited_file(own, tmp_path, change):
    path = _copy(own, tmp_path)
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    key, _, text = change.partition("=")
    way = []
    at = document
    for word in key.split("."):
        listed = isinstance(at, list)
        way.append(next(i for i, part in enumerate(at) if part["name"] == word) if listed else word)
        at = at[way[-1]] if listed else at.get(word)
    times = {"+50%": 1.5, "+5%": 1.05, "x2": 2.0, "+20%": 1.2, "+10%": 1.1}.get(text)
    if times:
        edited = _edited(document, way, times)
    else:
        edited = copy.deepcopy(document)
        edited["tenants"][way[1]]["quota_gpus"] = int(text)
    other = path.with_name("edited.toml")
    other.write_text("\n".join(f'"{k}" = {_toml(v)}' for k, v in edited.items()), encoding="utf-8")
    stores = RunStore(tmp_path / "a"), RunStore(tmp_path / "b")
    run_study(path, stores[0])
    changed = run_study(path, stores[0], what_if=[change])
    written = run_study(other, stores[1])
    digests = [
        {table["name"]: table["parquet_sha256"] for table in study.run.tables}
        for study in (changed, written)
    ]
    if "alternatives" not in digests[0]:
        # A change that moves jobs says that it leaves the alternatives out; what stands
        # behind the figures then holds fewer rows.
        assert "schedule" in changed.stages.computed
        digests = [
            {n: d for n, d in each.items() if not n.startswith("basis_")} for each in digests
        ]
    missing = set(digests[1]) - set(digests[0])
    assert missing <= {"alternatives", "alternatives_break_even"}
    assert {n: d for n, d in digests[0].items() if n in digests[1]} == {
        n: d for n, d in digests[1].items() if n in digests[0]
    }


def test_half_as_dear_again_moves_the_tariff_and_its_range_with_it():
    plain, dear = (
        load_programme("harbour"),
        load_programme("harbour", ["sites.west.power_price=+50%"]),
    )
    base_site, other = (next(s for s in p.file.sites if s.name == "west") for p in (plain, dear))
    assert other.power_price == pytest.approx(1.5 * base_site.power_price)
    assert other.price_range == pytest.approx([1.5 * bound for bound in base_site.price_range])


def test_stages_record_what_they_took_from(own, tmp_path):
    store = RunStore(tmp_path / "runs")
    study = run_study(own, store)
    manifests = [json.loads(p.read_text("utf-8")) for p in study.stages.folder.glob("*/stage.json")]
    edges = {(m["name"], name) for m in manifests for name, _ in m["edges"]}
    assert {("fleet", "schedule"), ("cost", "fleet")} <= edges
    files = {(m["name"], name) for m in manifests for name, _ in m["files"]}
    assert {
        ("schedule", "jobs.csv"),
        ("schedule", "jobs.toml"),
        ("funding", "mine/country.toml"),
    } <= files
    assert len(manifests) >= 4
