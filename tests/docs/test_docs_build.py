"""The docs build without a warning, and nothing of the program is missing from them."""

import html
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The text of every built page, by its path without suffix."""
    out = tmp_path_factory.mktemp("html")
    done = subprocess.run(
        # The plain theme: to fold the navigation of each page takes longer than all the rest.
        [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-b", "html", "-D", "html_theme=basic",
         DOCS, out],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {
        page.relative_to(out).with_suffix("").as_posix(): html.unescape(
            re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))
        )
        for page in out.rglob("*.html")
    }


@pytest.fixture(scope="module")
def printed():
    spec = importlib.util.spec_from_file_location("printed", DOCS / "_ext" / "printed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_every_command_and_option_has_its_entry(pages, printed):
    text = pages["reference/commands"]
    for path, command in printed.leaves(printed.root, ("commonwatt",)):
        entry = text.partition(" ".join(path) + "¶")[2]
        assert entry, path
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or parameter.opts[0] in entry


@pytest.mark.slow
def test_every_setting_has_its_entry(pages, printed):
    text = pages["reference/settings"]
    names = [row for row in printed.settings().splitlines() if row.startswith("| `")]
    assert len(names) > 50
    assert all(row.split("`")[1] in text for row in names)


@pytest.mark.slow
def test_every_column_has_its_entry_and_says_what_it_means(pages, printed):
    text = pages["reference/columns"]
    for table in printed.tables():
        for column in table.columns:
            assert column.name in text, (table.name, column.name)
            assert column.meaning, (table.name, column.name)


@pytest.mark.slow
def test_every_lifecycle_and_every_state_has_its_entry(pages, printed):
    text = pages["reference/states"]
    lifecycles = printed.lifecycles()
    assert len(lifecycles) >= 6
    for lifecycle in lifecycles:
        assert all(state in text for state in lifecycle.states), lifecycle.name
        assert all(row.step in text for row in lifecycle.moves), lifecycle.name


@pytest.mark.slow
def test_every_page_can_be_reached_from_the_first(pages):
    written = {page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")}
    assert {page for page in written if not page.startswith("_")} <= set(pages)


@pytest.mark.slow
def test_every_exported_name_and_every_shipped_file_has_its_entry(pages, printed):
    names = [row for row in printed.python_names().splitlines() if row.startswith("| `")]
    assert len(names) > 100
    text = pages["reference/python"]
    assert all(row.split("`")[1].partition("(")[0] in text for row in names)
    for row in printed.load_package_licence_table().rows:
        assert all(path in pages["reference/licences"] for path in row.paths)
