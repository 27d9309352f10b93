"""The debt law, the ladder, the books and the projection, against figures worked by hand.

The plain projection below is written from the law alone, with lists of numbers and no ledger:
debt moves by issues less redemptions and by exchange rates; reserves by the balance, bonds
included, and by their return.
"""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.core.errors import IdentityError
from commonwatt.treasury.domain.accounts import (
    AccountingEntry,
    AccountKind,
    BudgetAccount,
    GeneralLedger,
    YearBalances,
    balance_bridge_steps,
)
from commonwatt.treasury.domain.bonds.ladder import (
    Tranche,
    coupon_interest_bn_in_year,
    debt_redemption_bn_in_year,
    outstanding_debt_bn_after_year,
)
from commonwatt.treasury.domain.country import BudgetLine, Country, LineDriver, MixPart
from commonwatt.treasury.domain.debt import (
    DebtYear,
    check_accounting_identity,
    debt_next,
    debt_ratio_next,
    decompose_debt_change,
    gdp_growth_for_debt_share,
)
from commonwatt.treasury.domain.errors import AccountError, BondError
from commonwatt.treasury.engines import projection as projection_module
from commonwatt.treasury.engines.projection import (
    AccountingTreatment,
    DebtBasis,
    project_country_debt,
    quarterly_fiscal_reserves_bn,
)
from tests.proofs import most_examples_reach

near = pytest.approx
counter = itertools.count()


def tranche(amount, coupon, issued, matures, currency="HOM", programme="old"):
    return Tranche(
        name=f"{programme} {issued} {currency}", programme=programme, currency=currency,
        amount=amount, coupon=coupon, issued=issued, matures=matures,
    )  # fmt: skip


def line(name, kind, driver, *amounts, **more):
    return BudgetLine(name=name, kind=kind, fund="general", driver=driver, amounts=amounts, **more)


LINES = (
    line("tax", "income", LineDriver.GROWTH, 100.0, elasticity=2.0, drift=0.01),
    line("land", "income", LineDriver.LAND, 22.0, step=0.004, norm=0.03),
    line("returns", "income", LineDriver.RESERVES, 9.0, drift=0.04),
    line("works", "expense", LineDriver.FIXED, 150.0),
    line("relief", "expense", LineDriver.ONCE, 5.0, 7.0),
    line("fund", "transfer", LineDriver.ONCE, 11.0, pocket="pocket"),
)
ACCOUNTS = (
    BudgetAccount("general", AccountKind.FUND),
    BudgetAccount("works fund", AccountKind.FUND),
    BudgetAccount("pocket", AccountKind.POCKET),
    BudgetAccount("bonds", AccountKind.DEBT),
)
MIX = (
    MixPart(programme="new", currency="HOM", tenor=2, share=0.75, coupon=0.03, label="green"),
    MixPart(programme="new", currency="USD", tenor=3, share=0.25, coupon=0.02),
    MixPart(programme="none", currency="HOM", tenor=9, share=0.0, coupon=0.5),
)
COUNTRY = Country(
    name="Home", iso3="HOM", currency="HOM", fiscal_year_starts=4, first_year=2026,
    gdp_before=1000.0, gdp_first=1100.0, growth=(0.10, 0.20), gdp_vintage="v", reserves=200.0,
    reserves_return=0.01, lines=LINES, accounts=ACCOUNTS,
    tranches=(tranche(100.0, 0.05, 2024, 2027), tranche(60.0, 0.04, 2025, 2028, "USD"),
              tranche(40.0, 0.01, 2020, 2026)),
    issuance=(30.0, 40.0, 50.0), mix=MIX, fx_change={"USD": 0.10}, opening_revaluation=8.0,
    financing_share=0.5,
)  # fmt: skip


def test_two_years_are_those_worked_by_hand():
    first, second, *_ = project_country_debt(COUNTRY).years
    assert (first.year, first.name, first.gdp) == (2026, "2026-27", 1100.0)
    # 100 + 60 + 40 stand; USD 60 gain a tenth; 40 fall due; 30 are issued.
    assert (first.debt_before, first.revaluation) == near((200.0, 6.0))
    assert (first.redemption, first.gross_issuance, first.debt) == near((40.0, 30.0, 196.0))
    assert first.debt_share == near(196 / 1100)
    # 100 × 5 % + 66 × 4 % + 40 × 1 %
    assert first.interest == near(8.04)
    # 100 + 22 + 9 - 150 - 5, the transfer left out
    assert first.primary_balance == near(-24.0)
    assert first.balances.before_bonds_and_transfers == near(-32.04)
    assert first.balances.before_bonds == near(-21.04)
    assert first.balances.published == near(-31.04)
    assert first.balances.transfers == near({"pocket": 11.0})
    assert (first.balances.proceeds, first.balances.repayment) == near((30.0, 40.0))
    assert first.gross_financing_need == near(40 + 32.04)
    assert first.reserves == near(200 - 31.04 + 2.0)
    assert first.debt_by_currency == near({"HOM": 100 + 22.5, "USD": 66 + 7.5})
    parts = first.decomposition
    assert parts.interest == near(8.04 / 1100)
    assert parts.growth == near(200 / 1100 - 0.2)
    assert parts.primary_balance == near(24 / 1100)
    assert parts.exchange_rate == near(6 / 1100)
    assert parts.stock_flow == near((196 - 200 - 8.04 - 24 - 6) / 1100)
    # 2027: GDP grows by a tenth; tax by 21 %; land to 2.4 % of GDP; returns 4 % of 170.96.
    assert (second.gdp, second.redemption) == near((1210.0, 100.0))
    assert second.revaluation == near(7.35)
    # 100 × 5 % + 72.6 × 4 % + 22.5 × 3 % + 8.25 × 2 %
    assert second.interest == near(5 + 2.904 + 0.675 + 0.165)
    assert second.primary_balance == near(121 + 29.04 + 6.8384 - 150 - 7)
    assert second.reserves == near(170.96 * 1.01 + second.primary_balance - 8.744 + 40 - 100)


def plain_gdp(country, count):
    values = [country.gdp_before, country.gdp_first]
    for n in range(count):
        values.append(values[-1] * (1 + country.growth[min(n, len(country.growth) - 1)]))
    return values


def plain_amount(country, row, n, amounts, reserves, gdp, cost):
    if n < len(row.amounts):
        return row.amounts[n] - (cost if row.includes_interest and n == 0 else 0)
    if row.driver == "once":
        return 0.0
    growth, last = gdp[n + 1] / gdp[n] - 1, amounts[row.name]
    if country.issuance and n >= len(country.issuance):
        return last * (1 + growth)
    if row.driver == "land":
        share = last / gdp[n]
        towards = min(row.step, abs(row.norm - share)) * (1 if share < row.norm else -1)
        return (share + towards) * gdp[n + 1]
    return {
        "growth": last * (1 + row.elasticity * growth + row.drift),
        "reserves": (reserves or 0) * row.drift,
        "fixed": last,
    }[row.driver.value]


def plain_projection(country, count, treatment, extra):
    """Return debt, reserves, interest and gross issuance of each year, by the law alone."""
    gdp = plain_gdp(country, count)
    first = country.first_year
    bonds = [
        [t.amount, t.coupon, t.currency, t.issued, t.matures]
        for t in country.tranches
        if not treatment.programmes or t.programme in treatment.programmes
    ]
    if treatment.basis == "revalued":
        bonds.append([country.opening_revaluation, 0, country.currency, first - 1, 9999])
    reserves, amounts, rows = country.reserves, {}, []
    for n, year in enumerate(range(first, first + count)):
        old = [b for b in bonds if b[3] < year <= b[4]]
        for bond in old:
            bond[0] *= 1 + country.fx_change.get(bond[2], 0)
        cost = sum(b[0] * b[1] for b in old)
        if n < len(country.interest_given):
            cost = country.interest_given[n]
        due = sum(b[0] for b in old if b[4] == year)
        amounts = {
            row.name: plain_amount(country, row, n, amounts, reserves, gdp, cost)
            for row in country.lines
        }
        totals = {
            kind: sum(amounts[row.name] for row in country.lines if row.kind == kind)
            for kind in ("income", "expense", "transfer")
        }
        need = extra.get(year, 0)
        cash = totals["income"] - totals["expense"] + totals["transfer"] - cost
        if n < len(country.issuance):
            gross = country.issuance[n]
        elif reserves is None:
            gross = max(0, due - cash)
        else:
            gross = due + country.financing_share * max(0, -cash)
        gross += need
        for part in country.mix:
            bonds.append([gross * part.share, part.coupon, part.currency, year, year + part.tenor])
        if reserves is not None:
            reserves += cash - need + gross - due + reserves * country.reserves_return
        debt = sum(b[0] for b in bonds if b[3] <= year < b[4])
        rows.append((debt, reserves, cost, gross, due))
    return rows


@st.composite
def countries(draw, *, has_reserves):
    share = st.floats(0, 0.1)
    lines = [
        replace(row, amounts=tuple(draw(st.lists(st.floats(0, 200), min_size=1, max_size=3))))
        for row in LINES
    ]
    lines[0] = replace(
        lines[0], elasticity=draw(st.floats(0, 2)), drift=draw(st.floats(-0.05, 0.05)),
        includes_interest=draw(st.booleans()),
    )  # fmt: skip
    lines[1] = replace(lines[1], step=draw(st.floats(0, 0.02)), norm=draw(st.floats(0, 0.1)))
    return replace(
        COUNTRY,
        lines=tuple(lines),
        growth=tuple(draw(st.lists(st.floats(-0.1, 0.2), min_size=1, max_size=3))),
        reserves=draw(st.floats(0, 500)) if has_reserves else None,
        reserves_return=draw(share),
        issuance=tuple(draw(st.lists(st.floats(0, 200), max_size=3))),
        interest_given=tuple(draw(st.lists(st.floats(0, 20), max_size=2))),
        financing_share=draw(st.floats(0, 1)),
        fx_change=draw(st.sampled_from([{}, {"USD": 0.1}, {"USD": -0.2, "EUR": 0.5}])),
    )


TREATMENTS = [
    AccountingTreatment(),
    AccountingTreatment(basis=DebtBasis.REVALUED),
    AccountingTreatment(programmes=("old",)),
    AccountingTreatment(programmes=("another",), basis=DebtBasis.REVALUED),
]


@pytest.mark.parametrize("has_reserves", [True, False])
def test_the_projection_is_that_of_the_law_alone(has_reserves):
    @settings(max_examples=40, deadline=None)
    @given(
        countries(has_reserves=has_reserves), st.integers(1, 7), st.sampled_from(TREATMENTS),
        st.dictionaries(st.integers(2025, 2032), st.floats(0, 50), max_size=3),
    )  # fmt: skip
    def law(country, count, treatment, extra):
        examples.drawn += 1
        projection = project_country_debt(
            country, years=count, treatment=treatment, extra_need=extra
        )
        expected = plain_projection(country, count, treatment, extra)
        assert [year.year for year in projection.years] == list(range(2026, 2026 + count))
        for year, (debt, reserves, cost, gross, due) in zip(
            projection.years, expected, strict=True
        ):
            assert year.debt == near(debt, rel=1e-9, abs=1e-6)
            assert year.gross_issuance == near(gross, rel=1e-9, abs=1e-6)
            assert (year.interest, year.redemption) == near((cost, due), rel=1e-9, abs=1e-6)
            assert (year.reserves is None) == (reserves is None)
            if reserves is not None:
                assert year.reserves == near(reserves, rel=1e-9, abs=1e-6)
            assert sum(year.debt_by_currency.values()) == near(year.debt)
            assert (reserves is not None) is has_reserves
        examples.reached += 1

    with most_examples_reach(1.0) as examples:
        law()


def test_a_projection_covers_its_plan_and_at_least_five_years():
    assert len(project_country_debt(COUNTRY).years) == 5
    assert len(project_country_debt(replace(COUNTRY, issuance=(1.0,) * 7)).years) == 7
    assert len(project_country_debt(COUNTRY, years=2).years) == 2


def test_a_surplus_redeems_nothing_early_and_a_deficit_is_borrowed_by_its_share():
    rich = replace(LINES[0], amounts=(900.0,) * 5)
    for lines, reserves, expected in [
        ((rich, *LINES[1:]), 200.0, 0.0),
        (LINES, 200.0, 0.5),
        (LINES, None, 1.0),
    ]:
        country = replace(COUNTRY, issuance=(), lines=lines, reserves=reserves)
        year = project_country_debt(country, years=1).years[0]
        cash = year.balances.before_bonds
        assert (cash < 0) is (lines is LINES)
        assert year.gross_issuance == near(year.redemption - expected * cash)
    year = project_country_debt(
        replace(COUNTRY, issuance=(), lines=(rich, *LINES[1:]), reserves=None), years=1
    ).years[0]
    assert year.gross_issuance == 0.0


def test_land_nears_its_norm_from_either_side_and_never_passes_it():
    for start, shares in [(22.0, (0.02, 0.024, 0.028, 0.03, 0.03)),
                          (44.0, (0.04, 0.036, 0.032, 0.03, 0.03))]:  # fmt: skip
        lines = (*LINES[:1], replace(LINES[1], amounts=(start,)), *LINES[2:])
        projection = project_country_debt(replace(COUNTRY, issuance=(), lines=lines))
        rows = [entry for entry in projection.ledger.entries if entry.memo == "land"]
        got = [
            entry.postings["general"] / year.gdp
            for entry, year in zip(rows, projection.years, strict=True)
        ]
        assert got == near(shares)


def test_new_bonds_are_named_and_an_empty_part_of_the_mix_issues_none():
    ladder = project_country_debt(COUNTRY, years=1).ladder[len(COUNTRY.tranches) :]
    assert [t.name for t in ladder] == ["new 2026 HOM 2y", "new 2026 USD 3y"]
    assert [(t.amount, t.coupon, t.issued, t.matures, t.label, t.programme) for t in ladder] == [
        (22.5, 0.03, 2026, 2028, "green", "new"), (7.5, 0.02, 2026, 2029, "", "new")]  # fmt: skip


def test_the_revaluation_of_the_opening_stock_stands_to_the_end_and_costs_nothing():
    country = replace(COUNTRY, fx_change={})
    cash, revalued = (
        project_country_debt(country, years=30, treatment=AccountingTreatment(basis=basis))
        for basis in DebtBasis
    )
    for before, after in zip(cash.years, revalued.years, strict=True):
        assert after.debt - before.debt == near(8.0)
        assert after.interest == near(before.interest)
    assert {t.programme for t in revalued.ladder} - {t.programme for t in cash.ladder} == {
        "revaluation"
    }
    plain = project_country_debt(
        replace(country, opening_revaluation=0.0),
        treatment=AccountingTreatment(basis=DebtBasis.REVALUED),
    )
    assert all(t.programme != "revaluation" for t in plain.ladder)


def test_bonds_pass_through_the_last_fund_and_lines_through_their_own():
    entries = {
        entry.memo: entry.postings
        for entry in project_country_debt(COUNTRY, years=1, extra_need={2026: 3.0}).ledger.entries
    }
    assert entries["tax"] == {"general": 100.0, "tax": -100.0}
    assert entries["works"] == {"general": -150.0, "works": 150.0}
    assert entries["fund"] == {"general": 11.0, "pocket": -11.0}
    assert entries["interest on bonds"] == near({"interest on bonds": 8.04, "works fund": -8.04})
    assert entries["capital of the programme"] == {
        "capital of the programme": 3.0, "works fund": -3.0}  # fmt: skip
    assert entries["bond proceeds"] == {"works fund": 33.0, "bonds": -33.0}
    assert entries["bond repayment"] == {"bonds": 40.0, "works fund": -40.0}


def test_published_entries_of_past_years_are_posted_and_checked():
    past = AccountingEntry("2024-25", "bonds", {"general": 5.0, "bonds": -5.0})
    assert project_country_debt(replace(COUNTRY, entries=(past,))).ledger.entries[0] == past
    with pytest.raises(AccountError):
        project_country_debt(replace(COUNTRY, entries=(replace(past, postings={"bonds": 5.0}),)))


@pytest.mark.parametrize(
    ("bonds", "transfers", "expected"),
    [(True, True, 10.0), (False, True, 2.0), (True, False, 3.0), (False, False, -5.0)],
)
def test_a_treatment_headlines_what_it_counts(bonds, transfers, expected):
    balances = YearBalances(
        published=10.0, before_bonds=2.0, before_bonds_and_transfers=-5.0, proceeds=9.0,
        repayment=1.0, transfers={"a": 4.0, "b": 3.0},
    )  # fmt: skip
    treatment = AccountingTreatment(bonds_as_income=bonds, transfers_as_income=transfers)
    assert treatment.headline_balance_bn(balances) == expected
    assert AccountingTreatment() == AccountingTreatment(
        bonds_as_income=True, transfers_as_income=True
    )


QUARTERS = ((0.4, 0.25), (0.3, 0.25), (0.2, 0.3), (0.1, 0.2))


@pytest.mark.parametrize("reserves", [200.0, None])
def test_quarters_follow_the_season_and_end_on_the_year(reserves):
    country = replace(COUNTRY, quarters=QUARTERS, reserves=reserves)
    projection = project_country_debt(country, years=2)
    rows = quarterly_fiscal_reserves_bn(projection)
    assert [name for name, _ in rows][:5] == [
        "2026-27 Q1", "2026-27 Q2", "2026-27 Q3", "2026-27 Q4", "2027-28 Q1"]  # fmt: skip
    year = projection.years[0]
    income, expense = 131.0, 155.0 + 8.04
    change = year.balances.published + (2.0 if reserves else 0.0)
    level = reserves or 0.0
    for (_, got), (earned, spent) in zip(rows[:4], QUARTERS, strict=True):
        level += earned * income - spent * expense + (change - income + expense) / 4
        assert got == near(level)
    if reserves is None:
        assert rows[7][1] == near(sum(each.balances.published for each in projection.years))
    else:
        assert [rows[3][1], rows[7][1]] == near([each.reserves for each in projection.years])


def test_an_unstated_default_adds_nothing_and_borrows_the_whole_deficit():
    bare = BudgetLine(name="x", kind="income", fund="general")
    assert (bare.amounts, bare.elasticity, bare.drift, bare.step, bare.norm) == (
        (0.0,), 1.0, 0.0, 0.0, 0.0)  # fmt: skip
    assert (bare.driver, bare.pocket, bare.includes_interest) == (LineDriver.GROWTH, "", False)
    plain = Country(
        name="Home", iso3="HOM", currency="HKD", fiscal_year_starts=4, first_year=2026,
        gdp_before=1.0, gdp_first=1.0, growth=(0.0,), gdp_vintage="v", reserves=None, lines=(),
        accounts=ACCOUNTS, tranches=(), issuance=(), mix=MIX,
    )  # fmt: skip
    assert (plain.financing_share, plain.reserves_return, plain.opening_revaluation) == (1, 0, 0)
    assert (plain.guarantees, plain.ceiling, plain.quarters) == (0, None, ((0.25, 0.25),) * 4)
    assert plain.money_bn_column_name("debt") == "debt_hkd_bn"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("outstanding_debt_bn_after_year", lambda *_: float(next(counter))),
        ("_tranches_issued_in_year", lambda *_: []),
        ("_balance_bn_of_budget_lines", lambda *_: 1.0),
        ("decompose_debt_change",
         lambda year: decompose_debt_change(replace(year, debt=math.nan))),
    ],
)  # fmt: skip
def test_a_part_that_miscounts_breaks_an_identity_of_the_run(monkeypatch, name, wrong):
    project_country_debt(COUNTRY)
    monkeypatch.setattr(projection_module, name, wrong)
    with pytest.raises(IdentityError):
        project_country_debt(COUNTRY)


def test_seasons_that_do_not_make_a_year_break_an_identity():
    with pytest.raises(IdentityError, match="quarters"):
        quarterly_fiscal_reserves_bn(
            project_country_debt(replace(COUNTRY, quarters=((0.3, 0.2),) * 4))
        )


def test_gdp_is_that_of_the_year_before_then_the_first_then_grows_at_the_last_rate():
    years = (2020, 2025, 2026, 2027, 2028, 2029)
    assert [COUNTRY.projected_gdp_bn_of_year(year) for year in years] == near(
        [1000, 1000, 1100, 1210, 1452, 1742.4]
    )


@pytest.mark.parametrize(
    ("starts", "year", "name"), [(1, 2026, "2026"), (4, 2026, "2026-27"), (4, 1999, "1999-00")]
)
def test_a_fiscal_year_bears_the_years_that_it_spans(starts, year, name):
    assert replace(COUNTRY, fiscal_year_starts=starts).fiscal_year_name(year) == name


def test_the_debt_law_by_hand():
    # 0.6 × 1.03 / 1.05 - 0.01 + 0.002
    assert debt_ratio_next(0.60, 0.03, 0.05, 0.01, 0.002) == near(0.618 / 1.05 - 0.008)
    assert debt_ratio_next(0.60, 0.03, 0.05, 0.01) == near(0.618 / 1.05 - 0.01)
    assert debt_next(100.0, -5.0, 2.0) == 107.0
    assert debt_next(100.0, 5.0) == 95.0
    # 50 is half of a GDP of 100 that stood at 64 two years before: growth of a quarter a year.
    assert gdp_growth_for_debt_share(50.0, 0.5, 64.0, 2) == near(0.25)


def test_every_part_of_a_change_is_the_one_that_the_law_names():
    parts = decompose_debt_change(DebtYear(
        debt_before=50.0, debt=61.0, gdp_before=100.0, gdp=125.0, interest=2.5,
        primary_balance=-5.0, revaluation=1.25,
    ))  # fmt: skip
    # Growth: -d g / (1 + g) = -0.5 × 0.25 / 1.25.
    assert (parts.interest, parts.growth, parts.primary_balance) == near((0.02, -0.1, 0.04))
    # What is left: 11 - 2.5 - 5 - 1.25 = 2.25.
    assert (parts.exchange_rate, parts.stock_flow) == near((0.01, 0.018))
    assert parts.total() == near(61 / 125 - 0.5)


@pytest.mark.parametrize(
    ("left", "right", "tolerance", "closes"),
    [
        (1.0, 1.0 + 0.9e-9, 1e-9, True),
        (1.0, 1.0 + 2.5e-9, 1e-9, False),
        (-1.0, 1.0, 1e-9, False),
        (0.0, 0.25, 0.25, True),  # under one unit the tolerance is absolute
        (0.0, 0.26, 0.25, False),
        (8.0, 10.0, 0.25, True),  # beyond it, relative to the larger
        (10.0, 8.0, 0.25, True),
        (-8.0, -10.0, 0.25, True),
        (-10.0, -8.0, 0.25, True),
        (7.0, 10.0, 0.25, False),
        (10.0, 7.0, 0.25, False),
        (7.5, 10.0, 0.25, True),  # at the tolerance itself it still closes
    ],
)
def test_an_identity_closes_within_its_tolerance_and_not_beyond(left, right, tolerance, closes):
    if closes:
        check_accounting_identity("x", left, right, tolerance)
        return
    with pytest.raises(IdentityError, match="x"):
        check_accounting_identity("x", left, right, tolerance)


def test_the_usual_tolerance_of_an_identity_is_a_billionth():
    check_accounting_identity("x", 100.0, 100.0 + 0.9e-7)
    with pytest.raises(IdentityError):
        check_accounting_identity("x", 100.0, 100.0 + 1.2e-7)


def test_a_tranche_stands_from_the_end_of_its_issue_to_the_end_before_its_maturity():
    bond = tranche(10.0, 0.1, 2024, 2026)
    assert [outstanding_debt_bn_after_year([bond], year) for year in range(2023, 2028)] == [
        0,
        10,
        10,
        0,
        0,
    ]
    assert [debt_redemption_bn_in_year([bond], year) for year in range(2023, 2028)] == [
        0,
        0,
        0,
        10,
        0,
    ]
    # The first coupon is paid in the year after the issue, the last in the year of the maturity.
    assert [coupon_interest_bn_in_year([bond], year) for year in range(2023, 2028)] == [
        0,
        0,
        1,
        1,
        0,
    ]
    short = tranche(10.0, 0.1, 2024, 2024)
    assert (
        outstanding_debt_bn_after_year([short], 2024),
        debt_redemption_bn_in_year([short], 2024),
    ) == (0, 0)


@pytest.mark.parametrize(
    ("issued", "matures", "coupon", "sound"),
    [(2024, 2024, 0.0, True), (2024, 2023, 0.0, False), (2024, 2025, 1.0, True),
     (2024, 2025, 3.5, False)],
)  # fmt: skip
def test_a_tranche_matures_no_earlier_than_it_is_issued(issued, matures, coupon, sound):
    if sound:
        tranche(1.0, coupon, issued, matures)
        return
    with pytest.raises(BondError):
        tranche(1.0, coupon, issued, matures)


@pytest.mark.parametrize(
    ("postings", "sound"),
    [
        ({"general": 5.0, "pocket": -5.0}, True),
        ({"general": 5.0, "pocket": -5.004}, True),  # less than half a cent
        ({"general": 5.0, "pocket": -5.006}, False),
        ({"general": -5.0, "pocket": 5.006}, False),
        ({"general": -5.0, "pocket": 4.994}, False),
        ({"general": 5.0, "nobody": -5.0}, False),
        ({"general": math.inf, "pocket": -math.inf}, False),
        ({"general": math.nan, "pocket": 0.0}, False),
    ],
)
def test_an_entry_moves_amounts_between_known_accounts_and_adds_to_zero(postings, sound):
    ledger = GeneralLedger(ACCOUNTS)
    entry = AccountingEntry("y", "m", postings)
    if sound:
        ledger.post_accounting_entry(entry)
        assert ledger.entries == [entry]
        return
    with pytest.raises(AccountError, match="y, m"):
        ledger.post_accounting_entry(entry)
    with pytest.raises(AccountError, match="book.csv, row 3"):
        ledger.post_accounting_entry(replace(entry, place="book.csv, row 3"))
    assert ledger.entries == []


def test_the_books_of_one_year_do_not_see_another():
    ledger = GeneralLedger(ACCOUNTS)
    for year, amount in (("a", 7.0), ("b", 2.0)):
        for postings in ({"general": amount, "bonds": -amount}, {"bonds": 1.0, "general": -1.0},
                         {"general": 3.0, "pocket": -3.0}):  # fmt: skip
            ledger.post_accounting_entry(AccountingEntry(year, "m", postings))
    balances = ledger.budget_balances("a")
    assert (balances.proceeds, balances.repayment, balances.published) == (7.0, 1.0, 9.0)
    assert (balances.before_bonds, balances.before_bonds_and_transfers) == (3.0, 0.0)
    assert balances.transfers == {"pocket": 3.0}
    assert [(step.name, step.amount, step.level) for step in balance_bridge_steps(balances)] == [
        ("published balance", 9.0, 9.0), ("bond proceeds", -7.0, 2.0), ("bond repayment", 1.0, 3.0),
        ("pocket", -3.0, 0.0)]  # fmt: skip
    with pytest.raises(IdentityError):
        balance_bridge_steps(replace(balances, published=8.0))
