"""Bonds against QuantLib, which computed none of what is under test."""

from datetime import date, timedelta

import numpy as np
import pytest
import QuantLib as ql

from commonwatt.treasury.domain.bonds.calendars import (
    Calendar,
    RollConvention,
    adjusted_payment_day,
    is_bond_business_day,
)
from commonwatt.treasury.domain.bonds.day_count import DayCount
from commonwatt.treasury.domain.bonds.terms import Bond
from commonwatt.treasury.engines.bonds.cash_flows import bond_cash_flows
from commonwatt.treasury.engines.bonds.pricing import (
    bond_claim_after,
    bond_modified_duration_years,
    clean_price,
    convexity,
    dirty_price,
    yield_from_clean_price,
)
from tests.proofs import PROOFS

DAY_COUNTS = {
    DayCount.ACT_ACT_ISDA: ql.ActualActual(ql.ActualActual.ISDA),
    DayCount.ACT_360: ql.Actual360(),
    DayCount.ACT_365F: ql.Actual365Fixed(),
    DayCount.THIRTY_360: ql.Thirty360(ql.Thirty360.BondBasis),
    DayCount.THIRTY_E_360: ql.Thirty360(ql.Thirty360.European),
}
FREQUENCIES = {1: ql.Annual, 2: ql.Semiannual, 4: ql.Quarterly, 12: ql.Monthly}


def random_bond(rng):
    issue = date(2005, 1, 1) + timedelta(days=int(rng.integers(0, 7000)))
    day_count = list(DayCount)[rng.integers(0, 6)]
    return Bond(
        name="random",
        currency="HKD",
        face_minor=100_00,
        coupon=float(rng.uniform(0, 0.12)),
        issue_on=issue,
        maturity_on=issue + timedelta(days=int(rng.integers(20, 12000))),
        frequency=int(rng.choice([1, 2, 2, 4, 12])),
        day_count=day_count,
    )


def ql_date(day):
    return ql.Date(day.day, day.month, day.year)


def oracle(bond):
    schedule = ql.Schedule(
        ql_date(bond.issue_on),
        ql_date(bond.maturity_on),
        ql.Period(FREQUENCIES[bond.frequency]),
        ql.NullCalendar(),
        ql.Unadjusted,
        ql.Unadjusted,
        ql.DateGeneration.Backward,
        False,
    )
    day_count = DAY_COUNTS.get(bond.day_count) or icma(schedule)
    return ql.FixedRateBond(0, 100.0, schedule, [bond.coupon], day_count), day_count


def icma(schedule):
    # With a schedule of one period QuantLib moves its end; the coupon's own period is meant.
    whole = (ql.ActualActual.ISMA,) if len(schedule) == 2 else (ql.ActualActual.ISMA, schedule)
    return ql.ActualActual(*whole)


def differences(bond, settle, yield_rate):
    theirs, day_count = oracle(bond)
    frequency = FREQUENCIES[bond.frequency]
    terms = (yield_rate, day_count, ql.Compounded, frequency, ql_date(settle))
    rate = ql.InterestRate(yield_rate, day_count, ql.Compounded, frequency)
    ours = bond_claim_after(bond, settle)
    clean = ql.BondFunctions.cleanPrice(theirs, *terms)
    duration = ql.BondFunctions.duration(theirs, rate, ql.Duration.Modified, ql_date(settle))
    return (
        clean_price(ours, yield_rate) - clean,
        dirty_price(ours, yield_rate) - clean - theirs.accruedAmount(ql_date(settle)),
        100 * ours.accrued - theirs.accruedAmount(ql_date(settle)),
        yield_from_clean_price(ours, clean) - yield_rate,
        bond_modified_duration_years(ours, yield_rate) - duration,
        (convexity(ours, yield_rate) - ql.BondFunctions.convexity(theirs, rate, ql_date(settle)))
        / max(1.0, duration),
    )


@pytest.mark.slow
@pytest.mark.prove
def test_random_bonds_agree_with_quantlib_to_1e_8():
    rng = np.random.default_rng(20260401)
    worst = np.zeros(6)
    for _ in range(PROOFS.size(1_500, 10_000)):
        bond = random_bond(rng)
        life = (bond.maturity_on - bond.issue_on).days
        settle = bond.issue_on + timedelta(days=int(rng.integers(0, life)))
        gaps = differences(bond, settle, float(rng.uniform(-0.01, 0.15)))
        worst = np.maximum(worst, np.abs(gaps))
    assert (worst <= 1e-8).all(), worst


def test_the_cash_flows_of_a_bond_are_those_of_quantlib():
    rng = np.random.default_rng(7)
    for _ in range(200):
        bond = random_bond(rng)
        theirs = [(f.date().ISO(), f.amount()) for f in oracle(bond)[0].cashflows()]
        coupons = [amount for _, amount in theirs[:-1]]
        ours = bond_cash_flows(bond)
        assert [f.due_on.isoformat() for f in ours] == [day for day, _ in theirs[:-1]]
        assert np.allclose([100 * f.interest for f in ours], coupons, atol=1e-10)


def test_target_closing_days_are_those_of_quantlib():
    target = ql.TARGET()
    for offset in range(366 * 30):
        day = date(2000, 1, 1) + timedelta(days=offset)
        assert is_bond_business_day(Calendar.TARGET, day) == target.isBusinessDay(ql_date(day)), day


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RollConvention.FOLLOWING, ql.Following),
        (RollConvention.MODIFIED_FOLLOWING, ql.ModifiedFollowing),
        (RollConvention.PRECEDING, ql.Preceding),
    ],
)
def test_a_payment_on_a_closing_day_moves_as_in_quantlib(ours, theirs):
    target = ql.TARGET()
    for offset in range(2000):
        day = date(2024, 1, 1) + timedelta(days=offset)
        wanted = target.adjust(ql_date(day), theirs).ISO()
        assert adjusted_payment_day(Calendar.TARGET, ours, day).isoformat() == wanted
