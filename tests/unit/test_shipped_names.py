"""A word that names something shipped and also lies in the folder: the shipped one is meant."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from commonwatt.cli.treasury import treasury
from commonwatt.core.shipped import DATA, ShippedCollection
from commonwatt.sandbox.io.imports.plain import SCHEMAS, load_import_file_schema
from commonwatt.study.programme.reader import find_programme_path, load_programme
from commonwatt.study.programme.shipped import PROGRAMMES
from commonwatt.treasury.io.centre import (
    CENTRES,
    find_debt_financed_centre_file,
    load_debt_financed_centre,
)
from commonwatt.treasury.io.country.folder import COUNTRIES, country_files, load_country
from commonwatt.treasury.io.rules import RULE_TABLES, load_fiscal_rules
from commonwatt.treasury.usecases.assess import AssessmentOptions, debt_assessment_result

LOOKUPS = {
    "countries": (COUNTRIES, lambda name: country_files(name)[0].parent),
    "centres": (CENTRES, find_debt_financed_centre_file),
    "programmes": (PROGRAMMES, find_programme_path),
    "rule tables": (
        RULE_TABLES,
        lambda name: RULE_TABLES.folder / f"{load_fiscal_rules(name).name}.toml",
    ),
    "schemas": (SCHEMAS, SCHEMAS.find_shipped_file_or_path),
}
EVERY = [
    pytest.param(lookup, name, id=f"{kind}: {name}")
    for kind, lookup in LOOKUPS.items()
    for name in lookup[0].names()
]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("lookup", "name"), EVERY)
@pytest.mark.parametrize("make", [os.mkdir, lambda name: Path(name).write_text("x = 1\n")])
def test_a_folder_or_file_of_that_name_changes_nothing(lookup, name, make):
    collection, find = lookup
    before = find(name)
    make(name)
    assert find(name) == before
    assert collection.find_shipped_file(name).is_relative_to(DATA)


@pytest.mark.parametrize("name", ["./hongkong", "hongkong/", "hongkong.toml", "mine"])
def test_a_path_is_never_a_shipped_name(name):
    assert COUNTRIES.find_shipped_file(name) is None
    assert COUNTRIES.find_shipped_file_or_path(name) == Path(name)


def test_a_path_object_is_a_path_whatever_it_is_called():
    assert COUNTRIES.find_shipped_file_or_path(Path("hongkong")) == Path("hongkong")


@pytest.mark.parametrize(
    ("collection", "count"), [(c, len(c.names())) for c, _ in LOOKUPS.values()]
)
def test_every_shipped_name_is_found_and_is_a_word(collection, count):
    assert count
    assert all(
        collection.find_shipped_file(name).is_file() and "." not in name
        for name in collection.names()
    )


def test_a_collection_knows_files_and_folders():
    assert "hongkong" in ShippedCollection(DATA / "treasury", "*/country.toml").names()
    assert "harbour" in ShippedCollection(DATA / "programmes", "*.toml").names()


def test_a_country_folder_of_a_shipped_name_is_read_with_its_path_only(own_folder):
    shutil.copytree(COUNTRIES.folder / "finland", own_folder / "hongkong")
    assert load_country("hongkong").name == "Hong Kong"
    assert load_country("./hongkong").name == load_country("finland").name
    assert load_country("hongkong/country.toml").name == load_country("finland").name
    assert load_country(str(own_folder / "hongkong")).name == load_country("finland").name


def test_a_centre_of_a_shipped_name_is_read_with_its_path_only(own_folder):
    text = (
        find_debt_financed_centre_file("harbour").read_text().replace('name = "', 'name = "mine: ')
    )
    (own_folder / "harbour").write_text(text)
    (own_folder / "harbour.toml").write_text(text)
    assert not load_debt_financed_centre(find_debt_financed_centre_file("harbour")).name.startswith(
        "mine"
    )
    assert load_debt_financed_centre(find_debt_financed_centre_file("./harbour")).name.startswith(
        "mine"
    )
    assert load_debt_financed_centre(
        find_debt_financed_centre_file("harbour.toml")
    ).name.startswith("mine")


def test_a_programme_of_a_shipped_name_is_read_with_its_path_only(own_folder):
    (own_folder / "harbour").write_text(find_programme_path("fjord").read_text())
    assert load_programme("harbour").path == find_programme_path("harbour")
    assert load_programme("./harbour").path == Path("./harbour")


def test_a_schema_of_a_shipped_name_is_not_read_from_the_folder(own_folder):
    (own_folder / "uci-heart").write_text("no schema")
    assert load_import_file_schema("uci-heart").fields


def test_an_indicators_file_called_like_a_country_is_no_subject(own_folder):
    indicators = "[indicators]\ndebt_gdp_share_max = 9.0\n"
    (own_folder / "hongkong").write_text(indicators.replace("9.0", "0.9"))
    options = AssessmentOptions(rules="mac-dsa")
    assert debt_assessment_result("hongkong", None, options)["own_ceiling"] is not None
    answer = debt_assessment_result("./hongkong", None, options)
    assert answer["indicators"] == {"debt_gdp_share_max": 0.9}


def test_writing_into_a_folder_called_like_the_country_does_not_change_the_next_answer():
    def call(*words):
        return CliRunner().invoke(treasury, ["project", "hongkong", *words], catch_exceptions=False)

    plain = call("--json").stdout
    call("--out", "hongkong")
    assert call("--json").stdout == plain
