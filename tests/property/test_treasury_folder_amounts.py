"""Amounts, years and rows of a country folder: a slip is refused at its place, a vintage is read.

Both are drawn from one folder, the shipped one of Finland: a fault and its sound twin go through
the same cells, and differ in what was done to them.
"""

import csv
import io
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.core.errors import InputError
from commonwatt.core.shipped import DATA
from commonwatt.treasury.io.country.folder import load_country

FINLAND = DATA / "treasury" / "finland"
TABLES = ("history.csv", "lines.csv", "tranches.csv", "issuance_mix.csv")
MONEY = (("history.csv", "debt"), ("history.csv", "gdp"), ("tranches.csv", "amount"),
         ("lines.csv", "amounts"))  # fmt: skip
FACTORS = st.sampled_from([1000.0, 1e6, 0.001, 1e-6])
Rows = list[list[str]]


def _with_table(folder: Path, name: str, change: Callable[[Rows], Rows]) -> None:
    path = folder / name
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(change(rows))


def _scaled(column: str, factor: float) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        at = rows[0].index(column)
        for row in rows[1:]:
            parts = [repr(float(part) * factor) for part in row[at].split(";") if part]
            row[at] = ";".join(parts)
        return rows

    return change


def _read(change: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "mine"
        shutil.copytree(FINLAND, folder)
        change(folder)
        load_country(str(folder))


def _refused(change: Callable[[Path], None], where: str | tuple[str, ...]) -> str:
    with pytest.raises(InputError) as caught:
        _read(change)
    error = caught.value
    assert str(error.where).startswith(where), str(error)
    assert not re.search(r"\{[a-z]+\}", error.translate("zh-Hant"))
    assert str(error.remedy) or str(error.wanted)
    return str(error)


@given(cell=st.sampled_from(MONEY), factor=FACTORS)
@settings(max_examples=24, deadline=None)
def test_amounts_off_by_a_thousand_are_refused_in_their_file(cell, factor):
    name, column = cell
    # Of two statements of one GDP either may be the slip.
    where = (name, "country.toml, gdp.before") if column == "gdp" else name
    told = _refused(lambda folder: _with_table(folder, name, _scaled(column, factor)), where)
    assert "Check the unit" in told


@given(cell=st.sampled_from(MONEY), factor=st.floats(0.8, 1.25))
@settings(max_examples=24, deadline=None)
def test_amounts_of_another_vintage_are_read(cell, factor):
    name, column = cell
    _read(lambda folder: _with_table(folder, name, _scaled(column, factor)))


@given(key=st.sampled_from(["before", "first"]), factor=FACTORS)
@settings(max_examples=8, deadline=None)
def test_gdp_off_by_a_thousand_is_refused_in_the_country_file(key, factor):
    def change(folder: Path) -> None:
        path = folder / "country.toml"
        text = path.read_text(encoding="utf-8")
        number = re.search(rf"^{key} = ([\d.]+)$", text, re.M)
        assert number is not None
        path.write_text(text.replace(number[1], repr(float(number[1]) * factor)), encoding="utf-8")

    _refused(change, "country.toml, gdp.first")


@given(name=st.sampled_from(TABLES), chance=st.randoms(use_true_random=False))
@settings(max_examples=24, deadline=None)
def test_a_row_twice_is_refused(name, chance):
    def change(rows: Rows) -> Rows:
        return [*rows, list(rows[chance.randrange(1, len(rows))])]

    _refused(lambda folder: _with_table(folder, name, change), name)


@given(chance=st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_a_year_left_out_of_the_history_is_refused_and_years_at_its_ends_are_not(chance):
    def without(at: int) -> Callable[[Path], None]:
        return lambda folder: _with_table(
            folder, "history.csv", lambda rows: [*rows[:at], *rows[at + 1 :]]
        )

    rows = (FINLAND / "history.csv").read_text(encoding="utf-8").splitlines()
    _refused(without(chance.randrange(2, len(rows) - 1)), "history.csv, row ")
    _read(without(chance.choice([1, len(rows) - 1])))


@pytest.mark.parametrize("name", TABLES)
def test_semicolons_between_columns_are_told(name):
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")

    assert "commas between the columns" in _refused(change, f"{name}, row 1")


@given(
    cell=st.sampled_from(MONEY[:3]),
    text=st.sampled_from(["nan", "inf", "-inf", "1e999", "1,5", "12 bn", "n/a", "1 234"]),
)
@settings(max_examples=24, deadline=None)
def test_a_cell_that_is_no_number_is_refused_with_row_and_column(cell, text):
    name, column = cell

    def change(rows: Rows) -> Rows:
        rows[1][rows[0].index(column)] = text
        return rows

    _refused(lambda folder: _with_table(folder, name, change), f"{name}, row 2, column {column}")
