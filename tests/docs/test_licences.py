"""Each shipped file has one row in the table of licences, and the packages' metadata follow it."""

import importlib.util
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import commonwatt
from commonwatt.core.licences import (
    NOTICE_TITLE,
    SHARE_ALIKE,
    licence_notices_text,
    load_package_licence_table,
    shipped_non_code_file_names,
)

CORE = Path(commonwatt.__file__).parent
ROOT = CORE.parents[1]
APART = CORE.parent / "commonwatt_data_odbl"
PACKAGES = {"core": CORE, "share-alike data": APART}
ASKS_FOR_A_NOTICE = {"MIT", "BSD-3-Clause", "CC-BY-4.0", "ODbL-1.0", "LicenseRef-IMF-Terms"}


def _faults(package, files):
    """Return what is wrong between a package's table and files."""
    table = load_package_licence_table(package)
    counts = {path: len(table.rows_of_file(path)) for path in files}
    used = {id(row) for path in files for row in table.rows_of_file(path)}
    return [f"{path}: {count} rows" for path, count in counts.items() if count != 1] + [
        f"{row.paths}: no file" for row in table.rows if id(row) not in used
    ]


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_each_shipped_file_has_one_row_and_each_row_a_file(package):
    assert _faults(package, shipped_non_code_file_names(package)) == []


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_a_file_without_row_and_a_row_without_file_are_faults(package):
    files, table = shipped_non_code_file_names(package), load_package_licence_table(package)
    assert "data/new.csv: 0 rows" in _faults(package, [*files, "data/new.csv"])
    exact = [row for row in table.rows if row.paths[0] in files]
    assert exact
    rest = [path for path in files if not any(row in exact for row in table.rows_of_file(path))]
    assert len([fault for fault in _faults(package, rest) if "no file" in fault]) >= len(exact)


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_each_row_names_known_licences_a_source_and_the_notice_that_is_asked_for(package):
    table = load_package_licence_table(package)
    for row in table.rows:
        assert set(row.identifiers) <= set(table.names), row
        assert row.source, row
        if ASKS_FOR_A_NOTICE & set(row.identifiers):
            assert row.notice or "htmx" in row.paths[0], row
    assert set(table.names) == set(table.identifiers())


def test_each_licence_of_the_core_has_its_text_and_no_text_is_left_over():
    table = load_package_licence_table()
    assert all((ROOT / text).is_file() for text in table.texts.values())
    texts = {f"LICENSES/{path.name}" for path in (ROOT / "LICENSES").iterdir()}
    assert texts == set(table.texts.values()) - {"LICENSE"}


def test_the_core_holds_nothing_that_must_be_shared_alike():
    of_core = load_package_licence_table().identifiers()
    assert not [each for each in of_core if each.startswith(SHARE_ALIKE)]
    assert [
        each for each in load_package_licence_table(APART).identifiers() if each.startswith("ODbL")
    ]


@pytest.mark.parametrize("name", ["ODbL", "Electricity Maps"])
def test_no_table_of_the_core_comes_from_a_share_alike_source(name):
    tables = list((CORE / "data").rglob("*.csv"))
    assert [path.name for path in tables if name in path.read_text(encoding="utf-8")] == []
    assert name in (APART / "README.md").read_text(encoding="utf-8")


def _project(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]


def test_the_metadata_of_the_wheel_name_every_licence():
    project = _project(ROOT / "pyproject.toml")
    assert sorted(project["license"].split(" AND ")) == sorted(
        load_package_licence_table().identifiers()
    )
    assert {"LICENSE", "NOTICE", "LICENSES/*.txt"} <= set(project["license-files"])
    apart = _project(APART / "pyproject.toml")["license"].split(" AND ")
    assert set(apart) == set(load_package_licence_table(APART).identifiers()) - {"Apache-2.0"}


def test_the_notices_are_those_of_the_table():
    """Renew with: make notice."""
    assert (ROOT / "NOTICE").read_text(encoding="utf-8") == licence_notices_text(
        load_package_licence_table(), NOTICE_TITLE
    )


@pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="needs hatchling")
@pytest.mark.parametrize("name", ["core", "share-alike data"])
def test_the_wheel_holds_its_files_and_licences(name, tmp_path):
    folder = {"core": ROOT, "share-alike data": APART}[name]
    source = tmp_path / "source"
    # A copy: a build beside other tests must not leave anything in the checkout.
    ignore = shutil.ignore_patterns(".*", "__pycache__", "tests", "docs", "bench", "*.npz")
    shutil.copytree(folder, source, ignore=ignore)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    package = PACKAGES[name]
    wanted = {f"{package.name}/{path}" for path in shipped_non_code_file_names(package)}
    unshipped = {each for each in wanted if each.endswith((".npz", "/pyproject.toml"))}
    assert wanted - set(names) <= unshipped
    assert any("/licenses/" in each for each in names)
    other = "commonwatt_data_odbl/" if name == "core" else "commonwatt/"
    assert not [each for each in names if each.startswith(other)]
