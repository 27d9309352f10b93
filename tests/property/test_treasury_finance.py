"""Laws of project finance that hold for every centre."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from commonwatt.treasury.domain.errors import CentreError
from commonwatt.treasury.engines.fan.shipped import load_country_shock_model, load_market_shocks
from commonwatt.treasury.engines.finance.books import (
    fiscal_market_test_sales_over_cost,
    government_book_years,
    ppp_availability_payment_cents_per_period,
    public_financing_need_bn_by_year,
)
from commonwatt.treasury.engines.finance.calls import guarantee_calls
from commonwatt.treasury.engines.finance.construction import loan_and_equity_drawdown
from commonwatt.treasury.engines.finance.finance_answer import (
    centre_cover_ratios,
    centre_debt_and_equity_need_bn_by_year,
    debt_cover_price_rows,
    debt_cover_rows_by_downside_case,
    debt_financed_centre_life,
    treasury_finance_answer,
)
from commonwatt.treasury.engines.finance.loan import debt_service_in_cents, loan_present_values
from commonwatt.treasury.engines.finance.price import gpu_hour_price_for_loan_life_cover
from commonwatt.treasury.io.centre import (
    Centre,
    FinancingRoute,
    Repayment,
    find_debt_financed_centre_file,
    load_debt_financed_centre,
)
from commonwatt.treasury.usecases.fan import FanOptions
from commonwatt.treasury.usecases.finance import centre_sovereign_debt_result


@st.composite
def centres(draw, repayment=None):
    years = draw(st.integers(2, 25))
    return Centre.model_validate(
        {
            "name": "any",
            "currency": "HKD",
            "first_year": 2026,
            "periods_per_year": draw(st.sampled_from([1, 2, 4, 12])),
            "construction": {
                "cost_mn": draw(st.floats(1, 50_000)),
                "years": draw(st.integers(1, 6)),
                "steepness": draw(st.floats(1, 4)),
            },
            "loan": {
                "share": draw(st.floats(0.05, 1)),
                "rate": draw(st.floats(0, 0.15)),
                "fee": draw(st.floats(0, 0.03)),
                "years": draw(st.integers(1, years)),
                "repayment": repayment or draw(st.sampled_from(list(Repayment))),
            },
            "operation": {
                "gpus": draw(st.integers(1000, 100_000)),
                "utilisation": draw(st.floats(0.2, 1)),
                "price": draw(st.floats(20, 60)),
                "price_growth": draw(st.floats(-0.03, 0.05)),
                "variable_cost": draw(st.floats(0, 1)),
                "fixed_cost_mn": draw(st.floats(0, 2)),
                "inflation": 0.02,
                "years": years,
            },
            "refresh": draw(
                st.none() | st.just({"every_years": 4, "cost_mn": 1.0, "cost_growth": -0.05})
            ),
        }
    )


@settings(max_examples=150, deadline=None)
@given(centres())
def test_sources_equal_uses_to_the_cent_in_every_period(centre):
    balance = 0
    for draw in loan_and_equity_drawdown(centre):
        assert draw.debt + draw.equity == draw.cost + draw.interest + draw.fee
        balance += draw.debt
        assert draw.balance == balance
        assert min(draw.cost, draw.interest, draw.fee, draw.debt, draw.equity) >= 0


@settings(max_examples=100, deadline=None)
@given(centres())
def test_the_interest_of_building_solves_its_own_circle(centre):
    opening = 0
    for draw in loan_and_equity_drawdown(centre):
        solved = centre.loan_interest_rate_per_period * (opening + draw.debt / 2)
        assert abs(draw.interest - solved) <= 1 + 1e-9 * solved
        opening = draw.balance
    fee = loan_and_equity_drawdown(centre)[0].fee
    assert (
        abs(fee - centre.loan.fee * opening)
        <= 2 * centre.construction_period_count + 1e-9 * opening
    )


@settings(max_examples=150, deadline=None)
@given(centres())
def test_the_loan_is_exactly_repaid_at_maturity(centre):
    life = debt_financed_centre_life(centre)
    debt = life.draws[-1].balance
    paid = debt_service_in_cents(life.service, debt)
    assert paid[-1][2] == 0
    assert sum(principal for _, principal, _ in paid) == debt


@settings(max_examples=150, deadline=None)
@given(centres(repayment=Repayment.SCULPTED))
def test_a_sculpted_loan_is_covered_alike_in_every_period(centre):
    life = debt_financed_centre_life(centre)
    assume(life.draws[-1].balance > 0)
    ratios = centre_cover_ratios(life)
    assert max(ratios.dscr) - min(ratios.dscr) <= 1e-9 * max(ratios.dscr)
    assert ratios.llcr == pytest.approx(ratios.dscr[0], rel=1e-9)
    assert ratios.plcr >= ratios.llcr - 1e-9


@settings(max_examples=50, deadline=None)
@given(centres(), st.floats(0.2, 1.0), st.floats(1.0, 2.0))
def test_the_price_for_a_cover_gives_that_cover(centre, utilisation, target):
    price = gpu_hour_price_for_loan_life_cover(centre, target, utilisation)
    life = debt_financed_centre_life(
        centre.model_copy(
            update={"loan": centre.loan.model_copy(update={"repayment": Repayment.ANNUITY})}
        ),
        price=price,
        utilisation=utilisation,
    )
    assert centre_cover_ratios(life).llcr == pytest.approx(target, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(centres())
def test_the_need_by_year_is_the_drawdown(centre):
    need = centre_debt_and_equity_need_bn_by_year(centre)
    draws = loan_and_equity_drawdown(centre)
    assert len(need) == centre.construction.years
    assert sum(y["debt_bn"] for y in need.values()) == pytest.approx(draws[-1].balance / 1e11)
    for year in need.values():
        assert year["uses_bn"] == pytest.approx(year["debt_bn"] + year["equity_bn"])


def harbour():
    return load_debt_financed_centre(find_debt_financed_centre_file("harbour"))


def test_the_price_at_sixty_per_cent_use_is_about_two_fifths_above_that_at_eighty_five():
    rows = {row["utilisation_share"]: row for row in debt_cover_price_rows(harbour(), 1.30)}
    assert rows[0.60]["over_price_at_85_share"] == pytest.approx(0.39, abs=0.02)


def test_worse_cases_have_worse_cover():
    rows = {row["case"]: row["dscr_min"] for row in debt_cover_rows_by_downside_case(harbour())}
    assert rows["base"] == max(rows.values())
    assert rows["all of them at once"] == min(rows.values())


def test_the_three_routes_differ_in_whose_debt_it_is():
    answer = treasury_finance_answer(harbour())
    routes = {row["route"]: row for row in answer["routes"]}
    assert routes["on-budget"]["peak_gross_debt_mn"] > 0
    assert (
        routes["guarantee"]["peak_gross_debt_mn"] == 0 < routes["guarantee"]["peak_guarantees_mn"]
    )
    assert routes["ppp"]["peak_gross_debt_mn"] == 0 == routes["ppp"]["peak_guarantees_mn"]


def test_a_corporation_that_sells_below_half_its_cost_is_inside_government():
    centre = harbour()
    cheap = centre.operation.model_copy(update={"price": 8.0})
    loan = centre.loan.model_copy(update={"repayment": Repayment.ANNUITY})
    life = debt_financed_centre_life(centre.model_copy(update={"operation": cheap, "loan": loan}))
    assert fiscal_market_test_sales_over_cost(life) < 0.5
    assert government_book_years(life, FinancingRoute.GUARANTEE)[2].gross_debt > 0


def test_a_partner_without_construction_risk_brings_the_asset_onto_the_books():
    centre = harbour()
    ppp = centre.ppp.model_copy(update={"construction_risk_private": False})
    life = debt_financed_centre_life(centre.model_copy(update={"ppp": ppp}))
    assert government_book_years(life, FinancingRoute.PPP)[2].gross_debt > 0


def test_availability_payments_are_worth_what_was_built():
    life = debt_financed_centre_life(harbour())
    rate = life.centre.ppp.cost_of_capital / 2
    payment = ppp_availability_payment_cents_per_period(life)
    value = loan_present_values([payment] * len(life.operating), rate)[0]
    spent = sum((d.cost + d.fee) * (1 + rate) ** (6 - k - 0.5) for k, d in enumerate(life.draws))
    assert value == pytest.approx(spent, rel=1e-12)


def test_calls_are_drawn_alike_from_the_same_seed_and_grow_with_volatility():
    model = load_country_shock_model("HKG", load_market_shocks("own", ("own", "", "", "")))
    life = debt_financed_centre_life(harbour())
    calls = guarantee_calls(life, model, paths=4096, seed=3)
    assert calls == guarantee_calls(life, model, paths=4096, seed=3)
    wild = guarantee_calls(life, model, paths=4096, seed=3, demand_sd=0.3)
    assert sum(wild.expected) > sum(calls.expected)
    assert all(s >= e * 0.0 for s, e in zip(calls.stressed, calls.expected, strict=True))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("share = 0.70", "share = 70.0", "loan.share"),
        ("years = 12", "years = 40", "the loan must end within"),
        ("price = 26.0", "price = -1.0", "operation.price"),
        ("cost_mn = 6000.0", "cost_mn = 'x'", "construction.cost_mn"),
    ],
)
def test_a_bad_centre_is_refused_with_place_and_reason(tmp_path, old, new, message):
    source = find_debt_financed_centre_file("harbour").read_text()
    path = tmp_path / "centre.toml"
    path.write_text(source.replace(old, new, 1))
    with pytest.raises(CentreError) as caught:
        load_debt_financed_centre(path)
    assert message in str(caught.value)
    assert caught.value.exit_code == 34


@settings(max_examples=50, deadline=None)
@given(centres())
def test_what_each_route_asks_is_what_it_pays_less_what_it_earns(centre):
    life = debt_financed_centre_life(centre)
    needs = {route: public_financing_need_bn_by_year(life, route) for route in FinancingRoute}
    built = sum(draw.cost for draw in life.draws) / 1e11
    earned = sum(o.revenue - o.cost - o.refresh for o in life.operating) / 1e11
    near = pytest.approx
    assert sum(needs[FinancingRoute.ON_BUDGET].values()) == near(
        built - earned, rel=1e-9, abs=1e-12
    )
    assert set(needs[FinancingRoute.GUARANTEE].values()) == {0.0}
    paid = ppp_availability_payment_cents_per_period(life) * len(life.operating) / 1e11
    assert sum(needs[FinancingRoute.PPP].values()) == near(paid - earned, rel=1e-9, abs=1e-12)


def test_a_centre_in_another_currency_cannot_be_put_on_the_books(tmp_path):
    path = tmp_path / "centre.toml"
    path.write_text(find_debt_financed_centre_file("harbour").read_text().replace('"HKD"', '"EUR"'))
    with pytest.raises(CentreError, match="wanted amounts in HKD"):
        centre_sovereign_debt_result(path, "hongkong", "on-budget", FanOptions(paths=10, years=2))


def test_the_sovereign_owes_more_by_the_budget_and_the_same_by_a_guarantee():
    choices = FanOptions(paths=256, years=6)
    debt_years = {
        route: centre_sovereign_debt_result("harbour", "hongkong", route, choices)["years"]
        for route in ("on-budget", "guarantee")
    }
    budget, guarantee = debt_years["on-budget"][2], debt_years["guarantee"][2]
    assert budget["debt_with_hkd_bn"] > budget["debt_without_hkd_bn"] + 5
    assert guarantee["debt_with_hkd_bn"] == guarantee["debt_without_hkd_bn"]
