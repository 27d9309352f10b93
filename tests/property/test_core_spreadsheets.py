"""No text of a CSV for people runs in a spreadsheet, and ours is read back as it was."""

import csv
import io
import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.core.files import save_frame_as_parquet_and_csv
from commonwatt.core.spreadsheets import (
    SPREADSHEET_MARK,
    frame_as_spreadsheet_csv_bytes,
    read_spreadsheet_csv,
    read_spreadsheet_csv_names_and_rows,
    spreadsheet_safe_text,
    text_restored_from_spreadsheet_cell,
)

TRIGGERS = "=+-@\t\r\n＝＋－＠"
# Letters that matter come often; a surrogate has no UTF-8.
LETTERS = st.sampled_from(f"{TRIGGERS}' \"\u00a0\u3000,;12.5eE") | st.characters(
    exclude_categories=["Cs"], exclude_characters="\0"
)
TEXTS = st.text(LETTERS, max_size=12)

FORMULAS = ("=1+1", "-1+2", "+cmd", "@SUM(1)", "\t=1", "\r=1", "＝1", " =1", "--", "-1\n")


def runs_in_a_spreadsheet(cell):
    """Return whether OWASP's rule takes a cell for a formula; a plain number is none."""
    first = cell.lstrip(" \u00a0\u3000")[:1]
    try:
        # Python takes a number in spaces and with line ends; a spreadsheet as well. What Python
        # alone calls a number, such as -INFINITY or -1_0, is a formula there.
        is_number = math.isfinite(float(cell)) and "_" not in cell
    except ValueError:
        is_number = False
    return not is_number and first != "" and first in TRIGGERS


@settings(max_examples=600)
@given(TEXTS)
def test_no_text_runs_and_every_text_comes_back(text):
    cell = spreadsheet_safe_text(text)
    assert not runs_in_a_spreadsheet(cell)
    assert text_restored_from_spreadsheet_cell(cell) == text
    # What could not run stands as it was, but for apostrophes in front of a formula.
    if not runs_in_a_spreadsheet(text) and not text.startswith("'") and text.strip() == text:
        assert cell == text


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(TEXTS, st.none() | TEXTS, st.floats(-9, 9), st.integers(-9, 9)),
        min_size=1,
        max_size=6,
    ),
    st.text("=+-@'b1.＝", max_size=4),
    st.booleans(),
)
def test_a_table_is_safe_and_read_back_as_it_was(rows, heading, marked):
    names = ["n", "x", "a", f"{heading}h"]
    frame = pl.DataFrame(
        {"n": [row[3] for row in rows], "x": [row[2] for row in rows],
         "a": [row[0] for row in rows], f"{heading}h": [row[1] or None for row in rows]},
        schema={"n": pl.Int64, "x": pl.Float64, "a": pl.String, f"{heading}h": pl.String},
    )  # fmt: skip
    data = frame_as_spreadsheet_csv_bytes(frame, marked=marked)
    assert data.startswith(SPREADSHEET_MARK) == marked
    cells = [*csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))]
    assert not any(runs_in_a_spreadsheet(cell) for row in cells for cell in row)
    numbers = [(int(row[0]), float(row[1])) for row in cells[1:]]
    assert numbers == [(row[3], row[2]) for row in rows]
    again = read_spreadsheet_csv(data, infer_schema=False)
    assert again.columns == names
    assert again["a"].fill_null("").to_list() == [row[0] for row in rows]
    assert again[names[3]].to_list() == [row[1] or None for row in rows]


def test_a_heading_that_runs_is_safe_and_comes_back(tmp_path):
    frame = pl.DataFrame({"=1+1": [1, -2], "kind": pl.Series(["@a", "b"], dtype=pl.Categorical)})
    _, path = save_frame_as_parquet_and_csv(frame, tmp_path, "t")
    assert path.read_text("utf-8") == "'=1+1,kind\n1,'@a\n-2,b\n"
    assert read_spreadsheet_csv(path).to_dict(as_series=False) == {
        "=1+1": [1, -2],
        "kind": ["@a", "b"],
    }
    names, rows = read_spreadsheet_csv_names_and_rows(path)
    assert (names, rows[0]) == (["=1+1", "kind"], {"=1+1": "1", "kind": "@a"})


@pytest.mark.parametrize("cell", ["-1", "+2.5", "-.5e-3", "1=1", "a-b", "", "'", "中"])
def test_numbers_and_plain_texts_stay_as_they_are(cell):
    assert spreadsheet_safe_text(cell) == cell


@pytest.mark.parametrize("cell", FORMULAS)
def test_formulas_get_an_apostrophe(cell):
    assert spreadsheet_safe_text(cell) == f"'{cell}"
