"""A first programme: it runs as it is written, and says of each value what is known of it."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.core.messages import translate
from commonwatt.core.shipped import DATA
from commonwatt.runs import RunStore
from commonwatt.siting.domain.cells import sites_of_cost_cells
from commonwatt.siting.engines.cost.model import levelised_compute_cost_usd_per_gpu_hour
from commonwatt.siting.io.cells import load_cost_cells
from commonwatt.siting.io.library_regions import load_siting_library_regions
from commonwatt.siting.usecases.place import cost_site_of_region
from commonwatt.study.programme.annotated import (
    EXAMPLE,
    SERIES_EXAMPLE,
    annotated_programme_template,
    programme_keys,
    programme_tables_named_in_annotation,
    programme_toml_value_text,
)
from commonwatt.study.programme.reader import load_programme
from commonwatt.study.programme.schema import ProgrammeFile, SeriesPart
from commonwatt.study.stages.demand import fleet_inputs_of_programme
from commonwatt.study.stages.sites import programme_site_cost_cells_with_measured
from commonwatt.study.usecases import ProgrammeStart, run_study, write_first_programme
from commonwatt.treasury.usecases.fan import FanOptions, debt_fan_result
from tests.small_programme import small_programme

REGIONS = load_siting_library_regions()
LANGUAGES = ("en", "zh-Hant")
# What a fleet run would have measured, for the cost of a site without one.
MEASURED = {"utilisation_share": 0.6, "kwh_per_gpu_hour": 1.2, "usd_per_kwh": 0.1}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a small trace and its mapping, where the command runs."""
    small_programme(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(folder, **given):
    own = {"trace": "jobs.csv", "mapping": Path("jobs.toml")} if "trace" not in given else {}
    return ProgrammeStart(path=folder / "my.toml", **{"region": "hong-kong", **own, **given})


def unwrapped(text):
    """Return a file with each comment in one line."""
    return re.sub(r"(?m)\n# (?!==)", "\n# ", text), re.sub(r"\s*\n# ", " ", text)


# The template.


def missing_keys(text, keys, language="en"):
    """Return the keys that a template does not show with their remark and a value."""
    _, joined = unwrapped(text)
    squeezed = joined.replace(" ", "")
    missing = []
    for key in keys:
        name = key.path.rpartition(".")[2]
        explained = key.remark(language).replace(" ", "") in squeezed or not key.unit
        shown = re.search(rf"(?m)^(# )?{name}( = |: )", text) or re.search(
            rf"(?m)^\[\[?{re.escape(key.path)}[\].]", text
        )
        if not (explained and shown and key.meaning):
            missing.append(key.path)
    return missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_template_shows_every_key_with_meaning_unit_and_example(language):
    keys = list(programme_keys())
    assert len(keys) > 80
    assert missing_keys(annotated_programme_template(language), keys, language) == []


def test_a_key_that_is_added_to_the_schema_is_missed_in_the_template():
    class Longer(ProgrammeFile):
        roof_m2: float = Field(1.0, description="Roof over it.")

    assert missing_keys(annotated_programme_template(), programme_keys(Longer)) == ["roof_m2"]


def test_every_number_of_the_schema_has_a_unit_and_every_table_none():
    for key in programme_keys():
        assert key.meaning, key.path
        assert not key.meaning.startswith("["), key.path  # a unit in place of a meaning
        model, name = ProgrammeFile, key.path.split(".")
        for part in name[:-1]:
            [model, *_] = programme_tables_named_in_annotation(model.model_fields[part].annotation)
        tables = set(
            programme_tables_named_in_annotation(model.model_fields[name[-1]].annotation)
        ) - {SeriesPart}
        assert bool(key.unit) != bool(tables), key.path


def test_the_template_is_a_programme_that_the_reader_takes(tmp_path):
    path = tmp_path / "template.toml"
    path.write_text(annotated_programme_template(), encoding="utf-8")
    assert tomllib.loads(path.read_text()) == tomllib.loads(EXAMPLE.read_text())
    programme = load_programme(path)
    assert len(fleet_inputs_of_programme(programme).workload)
    for name in programme.file.alternatives:
        assert programme.alternative(name)


def test_the_table_in_place_of_a_value_is_one_that_the_reader_takes():
    assert SeriesPart.model_validate(dict(SERIES_EXAMPLE))
    assert set(SERIES_EXAMPLE) == set(SeriesPart.model_fields)


def test_every_word_of_the_template_has_a_chinese_one():
    words = {key.meaning for key in programme_keys()} | {key.unit for key in programme_keys()}
    units = re.compile(r"|W|ms|GiB|USD/.*|gCO2e/kWh|GPUs")
    english = [w for w in words if not units.fullmatch(w) and translate(w, "zh-Hant") == w]
    assert english == []
    assert "所有鍵" in annotated_programme_template("zh-Hant")


def test_the_command_prints_the_template(capsys):
    assert run_main(root, ["new", "--template"]) == 0
    assert capsys.readouterr().out == annotated_programme_template()
    assert run_main(root, ["new", "--template", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["template"] == annotated_programme_template().strip()


@given(
    st.recursive(
        st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1)
        | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(
            st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    )
)  # fmt: skip
def test_a_value_is_read_back_as_it_was_written(value):
    assert tomllib.loads(f"key = {programme_toml_value_text(value)}") == {"key": value}


# The plain form.


def test_every_site_with_cells_and_every_cloud_region_is_a_region():
    assert set(sites_of_cost_cells(load_cost_cells())) <= set(REGIONS)
    rows = (DATA / "siting" / "site_of_region.csv").read_text().splitlines()[1:]
    assert {row.split(",")[0] for row in rows} <= set(REGIONS)
    for name, region in REGIONS.items():
        assert region.cost_site == (name if name in sites_of_cost_cells(load_cost_cells())
                                    else cost_site_of_region(name))  # fmt: skip
        assert 0 < region.carbon_g_per_kwh < 1000
        assert re.search(r"20\d\d", region.carbon_source)


@pytest.mark.parametrize("name", REGIONS)
def test_each_region_of_the_library_starts_a_programme_that_the_study_takes(name, folder):
    started = write_first_programme(start(folder, region=name))
    programme = load_programme(started.path)
    assert len(fleet_inputs_of_programme(programme).workload) == started.jobs == 60
    hall, rented = programme.file.sites
    cells = programme_site_cost_cells_with_measured(hall, MEASURED)
    assert 0.5 < levelised_compute_cost_usd_per_gpu_hour(cells.median_cost_inputs()) < 10
    assert rented.rent is not None
    borrowed = REGIONS[name].borrowed
    assert bool(started.borrowed) == borrowed
    assert ("# BORROWED from" in started.path.read_text()) == borrowed


def test_a_place_that_the_library_lacks_borrows_every_figure_and_each_says_so(folder):
    started = write_first_programme(
        start(folder, region="us-iowa", place="Nairobi, Kenya", zone="KE-1")
    )
    [hall, _] = load_programme(started.path).file.sites
    assert (hall.name, hall.region) == ("nairobi-kenya", "KE-1")
    keys = ("pue", "power_price", "carbon", "cost_cells")
    assert set(started.borrowed) == {f"sites.nairobi-kenya.{key}" for key in keys}
    text = started.path.read_text(encoding="utf-8")
    assert text.count("# BORROWED from us-iowa") == len(keys)
    # Each cell that holds is listed with whose it is; the study marks it by its country, too.
    listed = set(re.findall(r"(?m)^# - (\w+): ", text))
    theirs = {cell.input for cell in load_cost_cells() if cell.site == "us-iowa"}
    assert listed == theirs - {"utilisation_share", "tariff_usd_per_kwh", "pue_ratio"}
    used = programme_site_cost_cells_with_measured(hall, MEASURED)
    assert "borrowed from us-iowa" in used["tariff_usd_per_kwh"].source
    assert "borrowed from us-iowa" in used["pue_ratio"].source
    assert used["wage_usd_per_year"].site == "us-iowa"


def test_every_value_stands_under_its_meaning_and_every_assumption_is_marked(folder):
    started = write_first_programme(start(folder, country="hongkong"))
    text = started.path.read_text(encoding="utf-8")
    explained = {key.path for key in programme_keys() if key.remark("en").replace(" ", "")
                 in unwrapped(text)[1].replace(" ", "")}  # fmt: skip
    for key in programme_keys():
        name = key.path.rpartition(".")[2]
        if re.search(rf"(?m)^{name} = ", text) and key.unit:
            assert key.path in explained or any(p.endswith(f".{name}") for p in explained), key.path
    assert text.count("# ASSUMPTION: ") == len(started.assumptions) > 4
    document = tomllib.loads(text)
    for table in [document["demand"], *document["gpus"], *document["sites"], document["funding"]]:
        assert table["source"]


def test_without_a_trace_the_shipped_slice_is_used_and_said(folder):
    started = write_first_programme(start(folder, trace="shipped:traces/itp_ten_days.parquet"))
    text = started.path.read_text()
    assert 'trace = "shipped:traces/itp_ten_days.parquet"' in text
    assert "demand.trace" in started.assumptions
    assert "a shipped slice stands for your demand" in text
    assert "Microsoft ITP" in tomllib.loads(text)["demand"]["source"]


def test_a_trace_that_names_models_of_gpu_gets_a_pool_of_each(folder):
    for name in ("table.csv", "table.toml"):
        shutil.copy(DATA / "traces" / "examples" / name, folder)
    started = write_first_programme(start(folder, trace="table.csv", mapping=Path("table.toml")))
    file = load_programme(started.path).file
    assert {gpu.name for gpu in file.gpus} == {pool.gpu for pool in file.sites[0].pools}
    assert len(file.gpus) > 1


@pytest.mark.parametrize(
    "given",
    [
        {"place": 'A "hall" \\ of one\'s own', "zone": "KE"},
        {"place": "內羅畢（肯尼亞）", "zone": "KE"},
        {"place": "rented", "zone": "KE"},
        {"place": "  é  ", "zone": "KE"},
        {"place": "x" * 200, "zone": "KE"},
        {"region": "asia-northeast1", "country": "finland"},
        {"country": "hongkong", "currency_per_usd": 7.75},
        {"language": "zh-Hant", "country": "hongkong"},
    ],
)
def test_unusual_but_sound_starts_are_written(given, folder):
    started = write_first_programme(start(folder, **given))
    file = load_programme(started.path).file
    assert len({site.name for site in file.sites}) == 2
    assert str(file.sites[0].label) == given.get("place") or "place" not in given


def test_the_trace_may_lie_elsewhere_and_the_programme_is_read_from_anywhere(
    folder, monkeypatch, tmp_path_factory
):
    monkeypatch.chdir(folder.parent)
    own = {"trace": f"{folder.name}/jobs.csv", "mapping": Path(folder.name, "jobs.toml")}
    there = folder / "programmes with a blank" / "our first.toml"
    write_first_programme(ProgrammeStart(path=there, region="hong-kong", **own))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert load_programme(there).trace.path.resolve() == (folder / "jobs.csv").resolve()
    assert [path.name for path in there.parent.iterdir()] == [there.name]


def test_a_country_of_ones_own_is_a_folder_and_needs_a_rate_that_the_library_knows(folder):
    shutil.copytree(DATA / "treasury" / "finland", folder / "hongkong")
    started = write_first_programme(start(folder, country="./hongkong"))
    file = load_programme(started.path).file
    assert file.funding.country == "./hongkong"  # and not the shipped one of that name
    assert file.funding.currency_per_usd == pytest.approx(0.95, abs=0.01)
    for path in (folder / "hongkong").iterdir():
        path.write_text(path.read_text().replace("EUR", "KES").replace("_eur_", "_kes_"))
    words = ["my.toml", "--region", "hong-kong", "--country", "./hongkong", "--force"]
    assert run_main(root, ["new", *words]) == 2
    assert run_main(root, ["new", *words, "--currency-per-usd", "129"]) == 0
    assert load_programme(started.path).file.funding.currency_per_usd == 129


def test_a_country_without_shocks_is_refused_until_it_borrows_some_by_name(folder, capsys):
    shutil.copytree(DATA / "treasury" / "finland", folder / "own")
    path = folder / "own" / "country.toml"
    path.write_text(path.read_text().replace('"FIN"', '"KEN"'))
    words = ["new", "my.toml", "--region", "hong-kong", "--country", "own"]
    assert run_main(root, words) == 30
    assert 'shocks_of = "FIN"' in capsys.readouterr().err
    assert not (folder / "my.toml").exists()
    path.write_text(path.read_text().replace('"KEN"', '"KEN"\nshocks_of = "FIN"'))
    assert run_main(root, [*words, "--json"]) == 0
    assert "funding.country" in json.loads(capsys.readouterr().out)["borrowed"]
    fan = debt_fan_result("own", None, FanOptions(paths=200, years=2))
    assert fan["estimation"]["source"].startswith("borrowed from FIN: ")


FAULTS = {
    "no region": ([], 2, ["no region", "hong-kong", "--place"]),
    "unknown region": (["--region", "kenya"], 2, ["'kenya'", "hong-kong", '--place "kenya"']),
    "misspelt region": (["--region", "hongkong"], 2, ["Closest: hong-kong"]),
    "region by its country": (["--region", "Japan"], 2, ["Closest: asia-northeast1"]),
    "place of no country": (["--region", "us-iowa", "--place", "X"], 2, ["--zone", "HK"]),
    "place of no known country": (["--region", "us-iowa", "--place", "X", "--zone", "UK"], 2,
                                  ['"GB"']),
    "country without its place": (["--region", "us-iowa", "--zone", "KE"], 2, ["--place"]),
    "place longer than a title": (["--region", "us-iowa", "--place", "x" * 201, "--zone", "KE"], 2,
                                  ["201 characters"]),
    "place of two lines": (["--region", "us-iowa", "--place", "a\nb", "--zone", "KE"], 2,
                           ["one line"]),
    "rate without end": (["--region", "us-iowa", "--country", "finland",
                          "--currency-per-usd", "inf"], 2, ["finite"]),
    "unknown country": (["--region", "hong-kong", "--country", "kenya"], 2, ["finland, hongkong"]),
    "misspelt country": (["--region", "hong-kong", "--country", "hong-kong"], 2,
                         ["Closest: hongkong"]),
    "no such trace": (["--region", "hong-kong", "--trace", "no.csv"], 20, ["no such file"]),
    "trace of no format": (["--region", "hong-kong", "--trace", "jobs.csv"], 20, ["formats"]),
    "trace of requests": (["--region", "hong-kong", "--trace",
                           "shipped:traces/examples/azure_llm.csv"], 2, ["a trace of jobs"]),
    "rate below nought": (["--region", "hong-kong", "--currency-per-usd", "-1"], 2, ["-1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_start_a_programme_is_refused_with_a_remedy_and_leaves_nothing(
    name, folder, capsys
):
    before = sorted(folder.iterdir())
    words, code, sentences = FAULTS[name]
    assert run_main(root, ["new", "my.toml", *words]) == code
    answer = capsys.readouterr()
    assert answer.out == ""
    for part in sentences:
        assert part in answer.err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("path", ["my", "harbour", "my.tom", ".toml"])
def test_a_file_that_study_would_not_take_for_a_path_is_refused(path, folder, capsys):
    assert run_main(root, ["new", path, "--region", "hong-kong"]) == 2
    assert ".toml" in capsys.readouterr().err


def test_a_folder_is_never_replaced(folder, capsys):
    (folder / "my.toml").mkdir()
    assert run_main(root, ["new", "my.toml", "--region", "hong-kong", "--force"]) == 2
    assert "a new name" in capsys.readouterr().err


def test_a_file_that_is_there_is_replaced_only_when_asked(folder, capsys):
    words = ["new", "my.toml", "--region", "hong-kong"]
    (folder / "my.toml").write_text("mine")
    assert run_main(root, words) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "my.toml").read_text() == "mine"
    assert run_main(root, [*words, "--force", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["programme"], answer["site"], answer["jobs"]) == ("my.toml", "hong-kong", 5844)
    assert load_programme(folder / "my.toml").file.sites[0].name == "hong-kong"
    assert run_main(root, [*words, "--force"]) == 0
    assert "Next: commonwatt study my.toml" in capsys.readouterr().out


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_start_gives_the_same_bytes(language, folder):
    once = write_first_programme(start(folder, language=language)).path.read_bytes()
    again = write_first_programme(start(folder, language=language, replace=True)).path.read_bytes()
    assert once == again


@pytest.mark.slow
def test_a_first_programme_runs_to_its_report_as_it_is_written(folder):
    path = write_first_programme(
        start(folder, region="us-iowa", place="Nairobi, Kenya", zone="KE", country="finland")
    ).path
    ran = run_study(str(path), RunStore(folder / "runs"))
    report = ran.report.read_text(encoding="utf-8")
    assert set(ran.run.headline["alternative_cost_usd_per_gpu_hour"]) == {"build", "rent"}
    assert "debt_with_gdp_share" in ran.run.headline
    assert "borrowed from us-iowa" in report
