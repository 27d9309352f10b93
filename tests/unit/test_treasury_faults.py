"""Bad input is refused with place, found and wanted."""

import shutil

import pytest

from commonwatt.treasury.domain.accounts import (
    AccountingEntry,
    AccountKind,
    BudgetAccount,
    GeneralLedger,
)
from commonwatt.treasury.domain.bonds.terms import Bond
from commonwatt.treasury.domain.errors import (
    AccountError,
    BondError,
    CentreError,
    CountryError,
    RuleError,
)
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.io.centre import load_debt_financed_centre
from commonwatt.treasury.io.country.folder import SHIPPED, load_country
from commonwatt.treasury.io.indicators import read_debt_indicators
from commonwatt.treasury.io.rules import load_fiscal_rules


@pytest.fixture
def folder(tmp_path):
    target = tmp_path / "country"
    shutil.copytree(SHIPPED / "hongkong", target)
    return target


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refused(folder, error):
    with pytest.raises(error) as caught:
        project_country_debt(load_country(str(folder)))
    return str(caught.value)


def test_a_ledger_that_does_not_balance_is_refused(folder):
    edit(
        folder / "ledger.csv",
        "2025-26,revenue,General Revenue Account,688.8",
        "2025-26,revenue,General Revenue Account,689.8",
    )
    message = refused(folder, AccountError)
    assert "ledger.csv, row" in message
    assert "debits less credits of 1.00" in message
    assert "adds to zero" in message


def test_an_unknown_fund_is_refused_by_row_and_column(folder):
    edit(folder / "lines.csv", "Exchange Fund placements", "Exchange Fund placemints")
    message = refused(folder, AccountError)
    assert "lines.csv, row" in message
    assert "column pocket" in message
    assert "placemints" in message


def test_an_unknown_account_of_the_ledger_is_refused(folder):
    edit(folder / "ledger.csv", "Bonds outstanding", "Bonds")
    assert "“Bonds”" in refused(folder, AccountError)


def test_a_bond_that_matures_before_it_is_issued_is_refused(folder):
    edit(folder / "tranches.csv", "2024,2026", "2027,2026")
    message = refused(folder, BondError)
    assert "tranches.csv, row 2, column matures" in message
    assert "wanted a maturity after the issue" in message


def test_a_dated_bond_that_matures_before_it_is_issued_is_refused():
    from datetime import date

    with pytest.raises(BondError, match="wanted a maturity after the issue"):
        Bond(
            name="b",
            currency="HKD",
            face_minor=1,
            coupon=0.03,
            issue_on=date(2026, 1, 1),
            maturity_on=date(2025, 1, 1),
        )


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("issuance_mix.csv", "0.0345", "3.45"),
        ("tranches.csv", "0.033", "3.3"),
        ("lines.csv", "0.003", "3"),
    ],
)
def test_a_ratio_given_in_percent_is_refused(folder, file, old, new):
    edit(folder / file, old, new)
    message = refused(folder, (CountryError, BondError))
    assert file in message
    assert "wanted a share between -1 and 1" in message
    assert "Write 0.05 for five per cent" in message


def test_growth_in_percent_is_refused_with_its_place(folder):
    edit(folder / "country.toml", "growth = [0.0506]", "growth = [5.06]")
    message = refused(folder, CountryError)
    assert "gdp.growth.0" in message
    assert "5.06" in message


def test_every_fault_of_a_country_file_is_told_at_once(folder):
    edit(folder / "country.toml", "first = 3485.1", "first = -1.0")
    edit(folder / "country.toml", "growth = [0.0506]", "growth = [5.06]")
    assert "2 faults" in refused(folder, CountryError)


def test_a_missing_file_and_column_are_named(folder):
    edit(folder / "lines.csv", "driver", "drover")
    assert "no column driver" in refused(folder, CountryError)
    (folder / "lines.csv").unlink()
    assert "lines.csv: found no such file" in refused(folder, CountryError)


def test_an_unknown_country_lists_the_known_ones():
    with pytest.raises(CountryError, match="hongkong"):
        load_country("atlantis")


def test_shares_of_the_mix_must_add_to_one(folder):
    edit(folder / "issuance_mix.csv", "0.3,", "0.2,")
    assert "shares that add to 0.9" in refused(folder, CountryError)


def test_an_unknown_rule_table_lists_the_known_ones():
    with pytest.raises(RuleError, match="mac-dsa"):
        load_fiscal_rules("basel")


def test_an_indicator_in_percent_is_refused(tmp_path):
    path = tmp_path / "indicators.toml"
    path.write_text("[indicators]\npv_public_debt_gdp = 55.0\n")
    with pytest.raises(RuleError, match="a share, not a percentage"):
        read_debt_indicators(path)


def test_an_entry_must_hold_amounts():
    ledger = GeneralLedger(
        [BudgetAccount("a", AccountKind.FUND), BudgetAccount("b", AccountKind.INCOME)]
    )
    with pytest.raises(AccountError, match="wanted an amount"):
        ledger.post_accounting_entry(AccountingEntry("2026-27", "x", {"a": float("nan"), "b": 1.0}))


def test_a_missing_or_broken_file_is_told_in_words(tmp_path):
    with pytest.raises(CentreError, match="found no such file, wanted a TOML file"):
        load_debt_financed_centre(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(CentreError, match="Invalid value"):
        load_debt_financed_centre(broken)
