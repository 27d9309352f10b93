"""A country's own folder decides every figure: nothing is read by the country's name."""

import csv
import re
import shutil

import pytest

from commonwatt.catalogue.errors import UnitError
from commonwatt.treasury.domain.errors import AccountError, CountryError
from commonwatt.treasury.domain.publications import (
    CashWindow,
    PublishedStock,
    debt_publication_month_number,
)
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.engines.reconciliation import reconcile_published_debt
from commonwatt.treasury.io.country.folder import SHIPPED, load_country
from commonwatt.treasury.usecases.project import debt_projection_result

HONG_KONG, FINLAND = SHIPPED / "hongkong", SHIPPED / "finland"
# What is read, and a cell of it whose change must be felt.
CHANGES = [
    (HONG_KONG, "country.toml", "opening = 657.2", "opening = 657.3"),
    (HONG_KONG, "lines.csv", "321.2", "321.3"),
    (HONG_KONG, "tranches.csv", "22.104", "22.105"),
    (HONG_KONG, "issuance_mix.csv", "0.0345", "0.0346"),
    (HONG_KONG, "history.csv", "2025-26,408.2", "2025-26,408.3"),
    (HONG_KONG, "published.csv", "0.144", "0.145"),
    (HONG_KONG, "debt_stock.csv", "328747", "328748"),
    (HONG_KONG, "cash_flows.csv", "139918.0", "139919.0"),
    (HONG_KONG, "vintages.csv", "1224.6", "1224.7"),
    (FINLAND, "country.toml", "", ""),
    (FINLAND, "lines.csv", "-9.286", "-9.287"),
    (FINLAND, "tranches.csv", "30.225500", "30.225600"),
    (FINLAND, "issuance_mix.csv", "0.0215", "0.0216"),
    (FINLAND, "history.csv", "155.819", "155.820"),
    (FINLAND, "published.csv", "0.8906", "0.8907"),
]


def copy_of(shipped, tmp_path):
    return shutil.copytree(shipped, tmp_path / "mine")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def answer_of(folder):
    return debt_projection_result(load_country(str(folder)), years=6)


@pytest.mark.parametrize("shipped", [HONG_KONG, FINLAND], ids=lambda path: path.name)
def test_a_copy_under_another_name_answers_as_the_shipped_folder(shipped, tmp_path):
    assert answer_of(copy_of(shipped, tmp_path)) == answer_of(shipped)


@pytest.mark.parametrize(
    ("shipped", "file", "old", "new"),
    [pytest.param(*change, id=f"{change[0].name}/{change[1]}") for change in CHANGES],
)
def test_a_changed_cell_of_a_copy_changes_the_answer(shipped, file, old, new, tmp_path):
    mine = copy_of(shipped, tmp_path)
    if not old:
        text = (mine / file).read_text()
        old = re.search(r"first = [\d.]+", text)[0]
        new = old + "1"
    edit(mine / file, old, new)
    assert answer_of(mine) != answer_of(shipped)


def test_titles_of_sources_and_entries_are_read_from_the_folder_too(tmp_path):
    mine = copy_of(HONG_KONG, tmp_path)
    edit(mine / "sources.csv", "Opinion column", "Another column")
    text = (mine / "ledger.csv").read_text()
    (mine / "ledger.csv").write_text(text.replace("2021-22,revenue,", "2021-22,income,"))
    country, shipped = load_country(str(mine)), load_country("hongkong")
    assert country.sources != shipped.sources
    assert country.entries != shipped.entries


def test_every_file_that_is_read_has_its_change():
    read = {"sources.csv", "ledger.csv", "cells.csv"} | {file for _, file, *_ in CHANGES}
    not_read = {"bonds_known.csv", "land_premium.csv", "reserves.csv"}
    files = {path.name for path in HONG_KONG.iterdir() if path.suffix in {".csv", ".toml"}}
    assert files == read | not_read


def test_another_country_with_published_stocks_is_reconciled_in_its_own_money(tmp_path):
    mine = copy_of(FINLAND, tmp_path)
    (mine / "debt_stock.csv").write_text(
        "date,government_debts_eur_bn,source_id\n2026-01-31,200.0,X\n2026-03-31,214.0,X\n"
    )
    (mine / "cash_flows.csv").write_text(
        "period,proceeds_eur_bn,repayment_eur_bn,source_id\n2026-02..2026-03,20.0,-5.0,X\n"
    )
    reconciliation = answer_of(mine)["reconciliation"]
    assert reconciliation["rolled_forward_eur_bn"] == 215.0
    assert reconciliation["claimed_eur_bn"] == 214.0


def test_a_country_without_stocks_shows_no_reconciliation():
    assert "reconciliation" not in answer_of(FINLAND)


def month(text):
    return debt_publication_month_number(*map(int, text.split("-")))


def window(before, last, proceeds):
    return CashWindow(before=month(before), last=month(last), proceeds=proceeds, repayment=-1.0)


def stock(day, debt):
    from datetime import date

    return PublishedStock(on=date.fromisoformat(day), debt=debt)


def test_cash_is_walked_forward_and_back_between_two_month_ends():
    windows = [
        window("2025-03", "2025-08", 61.0), window("2025-07", "2025-08", 9.0),
        window("2025-03", "2025-12", 139.0), window("2025-11", "2025-12", 4.0),
    ]  # fmt: skip
    reconciliation = reconcile_published_debt(
        [stock("2025-12-31", 400.0), stock("2025-07-31", 328.0)], windows
    )
    assert reconciliation.proceeds == 139.0 - 61.0 + 9.0
    assert reconciliation.repayment == 1.0
    assert reconciliation.rolled_forward_debt_bn == 328.0 + 87.0 - 1.0


@pytest.mark.parametrize("days", [("2025-07-30", "2025-12-31"), ("2025-06-30", "2025-12-31")])
def test_stocks_that_no_cash_connects_are_not_reconciled(days):
    windows = [window("2025-07", "2025-12", 5.0)]
    assert reconcile_published_debt([stock(day, 1.0) for day in days], windows) is None
    assert (
        reconcile_published_debt([stock("2025-07-31", 1.0), stock("2025-12-31", 1.0)], windows)
        is not None
    )


def rewrite(path, change):
    with path.open(newline="") as file:
        rows = [change(row) for row in csv.DictReader(file)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def in_mn(*columns):
    def change(row):
        numbers = {c: ";".join(f"{1000 * float(n):.6f}" for n in row[c].split(";") if n)
                   for c in columns}  # fmt: skip
        return row | numbers | {"unit": "HKD mn"}

    return change


@pytest.mark.parametrize(
    ("file", "columns"),
    [
        ("lines.csv", ["amounts"]),
        ("tranches.csv", ["amount"]),
        ("history.csv", ["debt", "gdp", "reserves"]),
        ("ledger.csv", ["amount"]),
    ],
)
def test_amounts_in_mn_with_their_unit_answer_as_those_in_bn(file, columns, tmp_path):
    mine = copy_of(HONG_KONG, tmp_path)
    rewrite(mine / file, in_mn(*columns))
    country, shipped = load_country(str(mine)), load_country("hongkong")
    assert project_country_debt(country).years[-1].debt == pytest.approx(
        project_country_debt(shipped).years[-1].debt
    )
    for line, same in zip(country.lines, shipped.lines, strict=True):
        assert line.amounts == pytest.approx(same.amounts)
    assert country.history[-1].debt == pytest.approx(shipped.history[-1].debt)


@pytest.mark.parametrize("unit", ["USD bn", "GPU", "HKD zillion"])
def test_an_amount_of_another_unit_is_refused_with_its_row(unit, tmp_path):
    mine = copy_of(HONG_KONG, tmp_path)
    rewrite(mine / "tranches.csv", lambda row: row | {"unit": unit})
    with pytest.raises(UnitError, match=r"tranches\.csv, row 2, column unit"):
        load_country(str(mine))


def test_a_cell_in_mn_is_compared_in_bn_and_one_taken_as_bn_is_refused(tmp_path):
    mine = copy_of(HONG_KONG, tmp_path)
    edit(mine / "cells.csv", "bond_proceeds,130.0361,HKD bn", "bond_proceeds,130036.1,HKD mn")
    assert load_country(str(mine)) == load_country("hongkong")
    edit(mine / "cells.csv", "bond_proceeds,130036.1,HKD mn", "bond_proceeds,130036.1,HKD bn")
    with pytest.raises(AccountError, match=r"cells\.csv, row \d+, column value"):
        load_country(str(mine))


def test_a_cell_that_the_ledger_contradicts_is_refused(tmp_path):
    mine = copy_of(HONG_KONG, tmp_path)
    edit(mine / "cells.csv", "2025-26,bond_repayment,-51.7", "2025-26,bond_repayment,-57.1")
    with pytest.raises(AccountError, match="as the ledger holds it"):
        load_country(str(mine))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("cash_flows.csv", "2025-08,", "August 2025,"),
        ("debt_stock.csv", "2025-07-31,", "31/07/2025,"),
        ("debt_stock.csv", "government_debts_hkd_mn", "debts"),
    ],
)
def test_a_period_a_date_or_a_column_that_cannot_be_read_is_refused(file, old, new, tmp_path):
    mine = copy_of(HONG_KONG, tmp_path)
    edit(mine / file, old, new)
    with pytest.raises(CountryError, match=file.replace(".", r"\.")):
        load_country(str(mine))


@pytest.mark.parametrize(
    "name", sorted({name for folder, name, _, _ in CHANGES if folder == HONG_KONG})
)
def test_a_file_that_is_no_text_is_refused_by_its_name(name, tmp_path):
    path = copy_of(HONG_KONG, tmp_path) / name
    load_country(path.parent)
    path.write_bytes(b"\xf0" + path.read_bytes()[1:])
    with pytest.raises(CountryError, match=re.escape(name)):
        load_country(path.parent)
