"""A folder with one fault is refused at its place; one written otherwise is read."""

import csv
import io
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.core.errors import CommonwattError
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.io.country.folder import SHIPPED, load_country

COUNTRIES = ("hongkong", "finland")
UNFILLED = re.compile(r"\{[a-z_]+\}")


def _table(text):
    return list(csv.DictReader(io.StringIO(text)))


def _text(rows, separator=","):
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _cell(draw, folder, file, column, change, is_drawn=lambda row: True):
    """Change one cell of a column that holds something; return its row as an editor counts."""
    rows = _table((folder / file).read_text("utf-8"))
    places = [i for i, row in enumerate(rows) if row[column] and is_drawn(row)]
    at = draw(st.sampled_from(places))
    rows[at][column] = change(rows[at][column])
    (folder / file).write_text(_text(rows), "utf-8")
    return f"{file}, row {at + 2}, column {column}"


def _times(factor):
    return lambda cell: ";".join(f"{float(part) * factor:.10g}" for part in cell.split(";"))


# Faults: each returns how the place of the error begins.


def a_line_in_millions(draw, folder):
    return _cell(draw, folder, "lines.csv", "amounts", _times(1000))


def a_tranche_in_millions(draw, folder):
    large = lambda row: float(row["amount"]) > 20  # noqa: E731
    return _cell(draw, folder, "tranches.csv", "amount", _times(1000), large)


def a_year_of_gdp_in_millions(draw, folder):
    place = _cell(draw, folder, "history.csv", "gdp", _times(1000))
    # The first year has none before it, and shows beside the second.
    if "row 2," in place:
        return "history.csv, row 3, column gdp"
    return place


def a_whole_gdp_in_millions(draw, folder):
    factor = draw(st.sampled_from([1000, 1 / 1000, 1e6]))
    path = folder / "country.toml"
    text = re.sub(r"^(before|first) = ([\d.]+)", lambda m: f"{m[1]} = {float(m[2]) * factor:.10f}",
                  path.read_text("utf-8"), flags=re.M)  # fmt: skip
    path.write_text(text, "utf-8")
    return "country.toml, gdp."


def a_share_in_percent(draw, folder):
    file, column = draw(
        st.sampled_from([("issuance_mix.csv", "share"), ("tranches.csv", "coupon_share")])
    )
    return _cell(draw, folder, file, column, lambda _: str(draw(st.sampled_from([4.5, 33, 100]))))


def a_growth_in_percent(draw, folder):
    path = folder / "country.toml"
    growth = draw(st.sampled_from(["4.5", "5", '"4.5%"', "99.9"]))
    path.write_text(re.sub(r"growth = \[[^\]]*\]", f"growth = [{growth}]", path.read_text("utf-8")))
    return "country.toml"


def a_number_of_a_spreadsheet(draw, folder):
    file, column = draw(st.sampled_from(
        [("history.csv", "debt"), ("history.csv", "gdp"), ("tranches.csv", "amount"),
         ("issuance_mix.csv", "share"), ("published.csv", "value")]))  # fmt: skip
    written = draw(st.sampled_from(["12,5", "1,234.5", "(12.5)", "$12.5", "nan", "inf", "12 bn",
                                    "n/a", "12.5.1", "=1+1", "１２x"]))  # fmt: skip
    return _cell(draw, folder, file, column, lambda _: written)


def a_year_twice(draw, folder):
    rows = _table((folder / "history.csv").read_text("utf-8"))
    at = draw(st.integers(0, len(rows) - 1))
    rows.insert(at, dict(rows[at]))
    (folder / "history.csv").write_text(_text(rows), "utf-8")
    return f"history.csv, row {at + 3}, column fiscal_year"


def a_year_left_out(draw, folder):
    rows = _table((folder / "history.csv").read_text("utf-8"))
    at = draw(st.integers(1, len(rows) - 2))
    del rows[at]
    (folder / "history.csv").write_text(_text(rows), "utf-8")
    return f"history.csv, row {at + 2}, column fiscal_year"


def a_year_in_other_words(draw, folder):
    written = draw(st.sampled_from(["FY24", "2024/25", "24", "31.3.2025", "next"]))
    return _cell(draw, folder, "history.csv", "fiscal_year", lambda _: written)


def a_row_twice(draw, folder):
    file = draw(st.sampled_from(["lines.csv", "tranches.csv", "published.csv"]))
    head, *rows = (folder / file).read_text("utf-8").splitlines()
    at = draw(st.integers(0, len(rows) - 1))
    (folder / file).write_text("\n".join([head, *rows[: at + 1], *rows[at:]]) + "\n", "utf-8")
    return f"{file}, row {at + 3}, column "


def a_file_that_is_missing(draw, folder):
    file = draw(st.sampled_from(["lines.csv", "tranches.csv", "issuance_mix.csv"]))
    (folder / file).unlink()
    return file


def a_column_that_is_missing(draw, folder):
    file = draw(st.sampled_from(["lines.csv", "tranches.csv", "history.csv", "issuance_mix.csv"]))
    rows = _table((folder / file).read_text("utf-8"))
    wanted = [name for name in rows[0] if name not in {"note", "status", "source_id"}]
    column = draw(st.sampled_from(wanted))
    for row in rows:
        del row[column]
    (folder / file).write_text(_text(rows), "utf-8")
    return f"{file}, row 1"


def a_column_that_nothing_reads(draw, folder):
    file = draw(st.sampled_from(["lines.csv", "tranches.csv", "history.csv", "issuance_mix.csv"]))
    rows = _table((folder / file).read_text("utf-8"))
    name = draw(st.sampled_from(["comment", "amount_usd", "Debt", "收入"]))
    (folder / file).write_text(_text([row | {name: "1"} for row in rows]), "utf-8")
    return f"{file}, row 1, column {name}"


def columns_between_semicolons(draw, folder):
    file = draw(st.sampled_from(["lines.csv", "tranches.csv", "history.csv", "issuance_mix.csv"]))
    rows = _table((folder / file).read_text("utf-8"))
    (folder / file).write_text(_text(rows, draw(st.sampled_from([";", "\t", "|"]))), "utf-8")
    return f"{file}, row 1"


def text_in_utf_16(draw, folder):
    file = draw(st.sampled_from(["lines.csv", "tranches.csv", "history.csv", "country.toml"]))
    (folder / file).write_bytes((folder / file).read_text("utf-8").encode("utf-16"))
    return file


def a_comma_too_many(draw, folder):
    file = draw(st.sampled_from(["history.csv", "issuance_mix.csv", "published.csv"]))
    head, *rows = (folder / file).read_text("utf-8").splitlines()
    at = draw(st.integers(0, len(rows) - 1))
    rows[at] = f"{rows[at]},,5"
    (folder / file).write_text("\n".join([head, *rows]) + "\n", "utf-8")
    return f"{file}, row {at + 2}"


def debt_that_is_repaid_or_owed_to_us(draw, folder):
    column, change = draw(
        st.sampled_from([("matures", lambda _: "2025"), ("amount", lambda cell: f"-{cell}"),
                         ("matures", lambda _: "2027.5"), ("currency", lambda _: "eur")])
    )  # fmt: skip
    return _cell(draw, folder, "tranches.csv", column, change)


FAULTS = [
    a_line_in_millions, a_tranche_in_millions, a_year_of_gdp_in_millions, a_whole_gdp_in_millions,
    a_share_in_percent, a_growth_in_percent, a_number_of_a_spreadsheet, a_year_twice,
    a_year_left_out, a_year_in_other_words, a_row_twice, a_file_that_is_missing,
    a_column_that_is_missing, a_column_that_nothing_reads, columns_between_semicolons,
    text_in_utf_16, a_comma_too_many, debt_that_is_repaid_or_owed_to_us,
]  # fmt: skip


# Sound twins: written otherwise, and the same.


def in_millions_with_their_unit(draw, folder):
    file, columns = draw(st.sampled_from(
        [("lines.csv", ["amounts"]), ("tranches.csv", ["amount"]),
         ("history.csv", ["debt", "gdp", "reserves"])]))  # fmt: skip
    rows = _table((folder / file).read_text("utf-8"))
    currency = {"hongkong": "HKD", "finland": "EUR"}[folder.parent.name]
    for row in rows:
        for column in columns:
            row[column] = _times(1000)(row[column]) if row[column] else ""
        row["unit"] = f"{currency} mn"
    (folder / file).write_text(_text(rows), "utf-8")


def a_byte_order_mark(draw, folder):
    file = draw(st.sampled_from([p.name for p in sorted(folder.iterdir()) if p.suffix != ".md"]))
    (folder / file).write_text("\ufeff" + (folder / file).read_text("utf-8"), "utf-8")


def lines_of_windows(draw, folder):
    file = draw(st.sampled_from([p.name for p in sorted(folder.iterdir()) if p.suffix != ".md"]))
    text = (folder / file).read_text("utf-8")
    (folder / file).write_bytes(text.replace("\n", "\r\n").encode())


def every_cell_in_quotes(draw, folder):
    file = draw(st.sampled_from(["lines.csv", "tranches.csv", "history.csv"]))
    rows, out = _table((folder / file).read_text("utf-8")), io.StringIO()
    writer = csv.DictWriter(out, rows[0], quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / file).write_text(out.getvalue(), "utf-8")


def columns_in_another_order(draw, folder):
    file = draw(st.sampled_from(["lines.csv", "tranches.csv", "history.csv"]))
    rows = _table((folder / file).read_text("utf-8"))
    names = draw(st.permutations(list(rows[0])))
    (folder / file).write_text(_text([{n: row[n] for n in names} for row in rows]), "utf-8")


def numbers_in_other_forms(draw, folder):
    form = draw(st.sampled_from(["{:.6f}", "{:.12e}", " {} ", "+{}"]))
    _cell(draw, folder, "history.csv", "debt", lambda cell: form.format(float(cell)))


SOUND = [
    in_millions_with_their_unit, a_byte_order_mark, lines_of_windows, every_cell_in_quotes,
    columns_in_another_order, numbers_in_other_forms,
]  # fmt: skip


def _copy(country):
    root = Path(tempfile.mkdtemp()) / country
    return shutil.copytree(SHIPPED / country, root / "mine")


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
@settings(max_examples=12, deadline=None)
@given(data=st.data(), country=st.sampled_from(COUNTRIES))
def test_one_fault_of_a_folder_is_refused_at_its_place_with_a_remedy(kind, data, country):
    folder = _copy(country)
    try:
        place = kind(data.draw, folder)
        with pytest.raises(CommonwattError) as caught:
            load_country(str(folder))
        error = caught.value
        assert error.where.startswith(place), str(error)
        assert str(error.found)
        assert str(error.remedy) or str(error.wanted)
        chinese = error.translate("zh-Hant")
        assert not UNFILLED.search(chinese)
    finally:
        shutil.rmtree(folder.parent)


@pytest.mark.parametrize("kind", SOUND, ids=lambda kind: kind.__name__)
@settings(max_examples=8, deadline=None)
@given(data=st.data(), country=st.sampled_from(COUNTRIES))
def test_a_folder_that_is_written_otherwise_answers_the_same(kind, data, country):
    folder = _copy(country)
    try:
        kind(data.draw, folder)
        debts = [
            project_country_debt(load_country(name)).years[-1].debt
            for name in (str(folder), country)
        ]
        assert debts[0] == pytest.approx(debts[1], rel=1e-9)
    finally:
        shutil.rmtree(folder.parent)


@pytest.mark.parametrize("factor", [0.5, 1, 2, 3])
def test_a_country_half_or_thrice_as_large_is_sound(factor, tmp_path):
    folder = shutil.copytree(SHIPPED / "finland", tmp_path / "mine")
    path = folder / "country.toml"
    text = re.sub(r"^(before|first) = ([\d.]+)", lambda m: f"{m[1]} = {float(m[2]) * factor:.6f}",
                  path.read_text("utf-8"), flags=re.M)  # fmt: skip
    path.write_text(text, "utf-8")
    for file, columns in (("lines.csv", ["amounts"]), ("tranches.csv", ["amount"]),
                          ("history.csv", ["debt", "gdp"])):  # fmt: skip
        rows = _table((folder / file).read_text("utf-8"))
        for row in rows:
            row.update({column: _times(factor)(row[column]) for column in columns})
        (folder / file).write_text(_text(rows), "utf-8")
    assert project_country_debt(load_country(str(folder))).years[-1].debt > 0
