"""Hong Kong against every published figure, and the debt law against published tables."""

import csv
from itertools import pairwise

import pytest

from commonwatt.core.errors import UsageError
from commonwatt.treasury.domain.debt import debt_next, debt_ratio_next, gdp_growth_for_debt_share
from commonwatt.treasury.engines.projection import (
    AccountingTreatment,
    DebtBasis,
    project_country_debt,
)
from commonwatt.treasury.io.country.folder import SHIPPED, load_country
from commonwatt.treasury.usecases.countries import country_with_exchange_rate_changes
from commonwatt.treasury.usecases.project import debt_projection_result

ANSWER = debt_projection_result(load_country("hongkong"))
YEARS = {row["fiscal_year"]: row for row in ANSWER["years"]}


def test_the_stock_of_2025_is_reconciled_to_half_a_per_cent():
    reconciliation = ANSWER["reconciliation"]
    assert reconciliation["rolled_forward_hkd_bn"] == pytest.approx(413.0, abs=0.05)
    assert abs(reconciliation["gap_share"]) < 0.005


def test_the_path_meets_every_published_figure():
    assert len(ANSWER["published_checks"]) == 11
    assert [c for c in ANSWER["published_checks"] if not c["holds"]] == []


def test_the_ratio_goes_from_14_4_to_19_9_per_cent():
    assert round(100 * YEARS["2026-27"]["debt_gdp_share"], 1) == 14.4
    assert round(100 * YEARS["2030-31"]["debt_gdp_share"], 1) == 19.9


def test_gross_issuance_rises_from_160_to_220_and_about_half_refinances():
    issued = [row["gross_issuance_hkd_bn"] for row in ANSWER["years"]]
    assert issued == sorted(issued)
    assert (issued[0], issued[-1]) == (160.0, 220.0)
    assert ANSWER["refinancing_share"] == pytest.approx(0.5, abs=0.05)


def test_nineteen_point_nine_per_cent_is_845_bn_and_900_bn_is_the_ceiling():
    assert YEARS["2030-31"]["debt_hkd_bn"] == pytest.approx(845, abs=0.5)
    assert ANSWER["ceiling"]["ceiling_hkd_bn"] == 900.0
    assert ANSWER["ceiling"]["first_breach"] is None
    needed = ANSWER["ceiling"]["growth_at_which_ceiling_is_this_ratio"]
    assert needed == pytest.approx(0.0673, abs=0.0001)
    assert gdp_growth_for_debt_share(900, 0.199, 3485.1, 4) == pytest.approx(0.0673, abs=0.00005)


def test_the_bridge_goes_from_plus_22_1_to_minus_206_0():
    levels = [round(step["level_hkd_bn"], 1) for step in ANSWER["bridge"]]
    assert levels[0] == 22.1
    assert -78.2 in levels
    assert levels[-1] == -206.0


def test_reserves_less_debt_fall_from_1169_to_249():
    reserves = ANSWER["reserves_less_debt_hkd_bn"]
    assert round(reserves["2018-19"]) == 1169
    assert round(reserves["2025-26"]) == 249


def test_the_revalued_basis_opens_at_408_and_is_named():
    path = project_country_debt(
        load_country("hongkong"), treatment=AccountingTreatment(basis=DebtBasis.REVALUED)
    )
    assert path.years[0].debt == pytest.approx(408.2 + 160 - 59.7, abs=0.001)
    assert path.years[0].debt_share == pytest.approx(0.1459, abs=0.0001)


def test_the_headline_depends_on_the_treatment_and_nothing_else_does():
    country = load_country("hongkong")
    plain = project_country_debt(country).years[0]
    strict = AccountingTreatment(bonds_as_income=False, transfers_as_income=False)
    assert strict.headline_balance_bn(plain.balances) == pytest.approx(-206.0)
    assert AccountingTreatment().headline_balance_bn(plain.balances) == pytest.approx(22.1)
    assert project_country_debt(country, treatment=strict).years[0].debt == plain.debt


def test_only_one_programme_may_be_counted():
    country = load_country("hongkong")
    green = project_country_debt(
        country, treatment=AccountingTreatment(programmes=("GSBP",))
    ).years[0]
    assert green.debt < project_country_debt(country).years[0].debt


def test_quarters_end_on_the_year_and_ratios_name_their_vintage():
    assert ANSWER["quarters"][3]["reserves_hkd_bn"] == pytest.approx(679.3, abs=0.01)
    assert all("Budget" in row["gdp_vintage"] for row in ANSWER["years"])


def test_the_record_of_seventeen_forecasts_turns_from_cautious_to_optimistic():
    record = ANSWER["track_record"]
    assert record["forecasts"] == 17
    assert record["recent_flag"] == "optimistic"
    assert record["flag"] == "no lean"


def test_a_dearer_euro_shows_as_the_exchange_rate_part_and_nowhere_else():
    plain = load_country("hongkong")
    moved = project_country_debt(country_with_exchange_rate_changes(plain, ["EUR=0.10"])).years[0]
    euros = sum(t.amount for t in plain.tranches if t.currency == "EUR")
    assert moved.decomposition.exchange_rate == pytest.approx(0.10 * euros / 3485.1, rel=1e-9)
    assert moved.debt == pytest.approx(
        project_country_debt(plain).years[0].debt + 0.10 * euros, rel=1e-9
    )


def test_a_change_of_an_exchange_rate_in_percent_is_refused():
    with pytest.raises(UsageError, match="a share"):
        country_with_exchange_rate_changes(load_country("hongkong"), ["EUR=10"])
    with pytest.raises(UsageError, match="EUR=0.03"):
        country_with_exchange_rate_changes(load_country("hongkong"), ["EUR"])


def rows(name):
    with (SHIPPED / "checks" / name).open() as file:
        return list(csv.DictReader(file))


def test_us_federal_debt_follows_the_published_deficits_and_growth():
    table = rows("cbo_2025_01.csv")
    debt = ratio = None
    for before, row in pairwise(table):
        debt = debt or float(before["debt_usd_bn"])
        ratio = ratio or debt / float(before["gdp_usd_bn"])
        gdp = float(row["gdp_usd_bn"])
        balance, other = float(row["deficit_usd_bn"]), float(row["other_means_usd_bn"])
        debt = debt_next(debt, balance, other)
        growth = gdp / float(before["gdp_usd_bn"]) - 1
        ratio = debt_ratio_next(ratio, 0.0, growth, balance / gdp, other / gdp)
        published = float(row["debt_usd_bn"])
        assert abs(debt - published) <= 1.0
        assert abs(ratio - published / gdp) <= 0.0001


def test_one_step_ratios_of_member_states_are_those_of_the_commission():
    table = rows("ameco_2024_spring.csv")
    steps = 0
    for before, row in pairwise(table):
        if before["iso3"] != row["iso3"]:
            continue
        gdp = float(row["gdp_bn"])
        ratio = debt_ratio_next(
            float(before["debt_gdp_share"]),
            0.0,
            gdp / float(before["gdp_bn"]) - 1,
            float(row["balance_gdp_share"]),
            float(row["stock_flow_bn"]) / gdp,
        )
        assert abs(ratio - float(row["debt_gdp_share"])) <= 0.00005
        steps += 1
    assert steps == 6
