"""Laws of money, bonds and accounts that hold for every input."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.treasury.domain.accounts import (
    AccountingEntry,
    AccountKind,
    BudgetAccount,
    GeneralLedger,
    balance_bridge_steps,
)
from commonwatt.treasury.domain.bonds.ladder import (
    Tranche,
    debt_redemption_bn_in_year,
    outstanding_debt_bn_after_year,
)
from commonwatt.treasury.domain.bonds.terms import Amortisation, Bond
from commonwatt.treasury.domain.debt import DebtYear, decompose_debt_change
from commonwatt.treasury.engines.bonds.cash_flows import bond_cash_flows, bond_cash_in_minor_units
from commonwatt.treasury.engines.bonds.pricing import (
    bond_claim_after,
    clean_price,
    yield_from_clean_price,
)

DAYS = st.dates(date(2000, 1, 1), date(2030, 12, 31))
MONEY = st.floats(0, 1e6)


@st.composite
def bonds(draw):
    issue = draw(DAYS)
    return Bond(
        name="b",
        currency="HKD",
        face_minor=draw(st.integers(1, 10**14)),
        coupon=draw(st.floats(0, 0.2)),
        issue_on=issue,
        maturity_on=issue + timedelta(days=draw(st.integers(1, 12_000))),
        frequency=draw(st.sampled_from([1, 2, 4, 12])),
        amortisation=draw(st.sampled_from(list(Amortisation))),
    )


@settings(max_examples=150, deadline=None)
@given(bonds())
def test_principal_repaid_is_exactly_the_face(bond):
    rows = bond_cash_in_minor_units(bond)
    assert sum(principal for _, _, principal in rows) == bond.face_minor
    assert all(principal >= 0 for _, _, principal in rows)
    exact = bond.face_minor * sum(flow.interest for flow in bond_cash_flows(bond))
    assert abs(sum(i for _, i, _ in rows) - exact) <= 1 + 1e-9 * exact


@settings(max_examples=150, deadline=None)
@given(bonds(), st.floats(-0.02, 0.3))
def test_yield_is_the_inverse_of_price(bond, rate):
    held = bond_claim_after(bond, bond.issue_on)
    price = clean_price(held, rate)
    assert clean_price(held, yield_from_clean_price(held, price)) == pytest.approx(price, abs=1e-8)


@st.composite
def tranches(draw):
    issued = draw(st.integers(2000, 2055))
    return Tranche(
        name="t",
        programme="p",
        currency="HKD",
        amount=draw(st.floats(0.01, 1e5)),
        coupon=0.03,
        issued=issued,
        matures=issued + draw(st.integers(1, 40)),
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(tranches(), max_size=40))
def test_ladder_cash_is_conserved_over_thirty_years(ladder):
    issued = sum(tranche.amount for tranche in ladder if 2026 <= tranche.issued <= 2055)
    repaid = sum(debt_redemption_bn_in_year(ladder, year) for year in range(2026, 2056))
    standing = outstanding_debt_bn_after_year(ladder, 2025) + issued - repaid
    assert abs(standing - outstanding_debt_bn_after_year(ladder, 2055)) <= 1e-6
    assert outstanding_debt_bn_after_year(ladder, 2200) == 0.0


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(1, 1e5), min_size=4, max_size=4), MONEY, st.floats(-1e5, 1e5))
def test_the_parts_of_a_change_add_up_to_it(stocks, interest, primary):
    year = DebtYear(
        debt_before=stocks[0],
        debt=stocks[1],
        gdp_before=stocks[2],
        gdp=stocks[3],
        interest=interest,
        primary_balance=primary,
    )
    change = stocks[1] / stocks[3] - stocks[0] / stocks[2]
    assert decompose_debt_change(year).total() == pytest.approx(change, rel=1e-6, abs=1e-6)


ACCOUNTS = [
    BudgetAccount("fund", AccountKind.FUND),
    BudgetAccount("pocket", AccountKind.POCKET),
    BudgetAccount("debt", AccountKind.DEBT),
    BudgetAccount("tax", AccountKind.INCOME),
    BudgetAccount("works", AccountKind.EXPENSE),
]


@settings(max_examples=150, deadline=None)
@given(MONEY, MONEY, MONEY, MONEY, st.floats(-1e5, 1e5))
def test_neither_proceeds_nor_transfers_are_income(tax, works, proceeds, repaid, transfer):
    ledger = GeneralLedger(ACCOUNTS)
    moves = {"tax": tax, "debt": proceeds, "pocket": transfer}
    for name, amount in moves.items():
        ledger.post_accounting_entry(AccountingEntry("y", name, {"fund": amount, name: -amount}))
    ledger.post_accounting_entry(AccountingEntry("y", "works", {"works": works, "fund": -works}))
    ledger.post_accounting_entry(
        AccountingEntry("y", "repayment", {"debt": repaid, "fund": -repaid})
    )
    balances = ledger.budget_balances("y")
    near = pytest.approx
    assert balances.before_bonds_and_transfers == near(tax - works, abs=1e-6)
    assert balances.before_bonds == near(tax - works + transfer, abs=1e-6)
    assert balances.published == near(tax - works + transfer + proceeds - repaid, abs=1e-6)
    assert balance_bridge_steps(balances)[-1].level == near(tax - works, abs=1e-6)
