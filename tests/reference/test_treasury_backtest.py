"""The fan against what came to pass, on the economies that are not kept for examination."""

import numpy as np
import pytest

from commonwatt.treasury.domain.errors import CountryError
from commonwatt.treasury.engines.fan.estimate import (
    economy_shock_model,
    estimate_macro_panel,
    macro_history,
)
from commonwatt.treasury.engines.fan.shipped import (
    load_country_shock_model,
    load_market_shocks,
    macro_shock_model_file_values,
)
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.io.country.weo import (
    debt_decompositions_by_year,
    load_weo_economies,
    weo_economy,
)
from commonwatt.treasury.usecases.countries import open_treasury_country
from commonwatt.treasury.usecases.fan import debt_backtest_result
from tests.shared_data import shared_data

KEPT_OUT = frozenset(["GBR", "DEU", "ITA", "JPN", "KOR", "AUS", "CAN", "HUN"])


@pytest.fixture(scope="module")
def weo():
    return shared_data("fiscal", "weo_2025_10_40_economies.csv")


@pytest.mark.slow
@pytest.mark.shared_data
def test_an_eighty_per_cent_band_holds_about_eighty_per_cent_of_outcomes(weo):
    backtest = debt_backtest_result(weo, KEPT_OUT, frozenset())["all"]
    assert backtest["forecasts"] > 500
    assert 0.72 <= backtest["coverage_80_share"] <= 0.88
    assert backtest["crps_points"] <= 10.0


@pytest.mark.shared_data
def test_the_shipped_shocks_are_those_of_the_table(weo):
    markets = load_market_shocks("HKD", ("HKD", "CNY", "EUR", "USD"))
    table = load_weo_economies(weo, KEPT_OUT)
    panel = estimate_macro_panel({name: macro_history(e.until(2024)) for name, e in table.items()})
    shipped = load_country_shock_model("HKG", markets)
    again = economy_shock_model(panel, "HKG", markets, shipped.source)
    assert macro_shock_model_file_values(again) == macro_shock_model_file_values(shipped)


@pytest.mark.shared_data
def test_the_stock_flow_residual_closes_the_debt_law_in_every_known_year(weo):
    economy = weo_economy(load_weo_economies(weo, KEPT_OUT), "FRA", weo)
    h = macro_history(economy)
    d, g, p, s = h.debt_share, h.series[:, 0], h.series[:, 1], h.series[:, 2]
    again = d[:-1] * (1 + h.rate[1:]) / (1 + g[1:]) - p[1:] + s[1:]
    assert np.nanmax(np.abs(again - d[1:])) < 1e-12


@pytest.mark.shared_data
def test_nothing_after_the_origin_reaches_the_estimate(weo):
    table = load_weo_economies(weo, KEPT_OUT)
    early = {name: macro_history(e.until(2005)) for name, e in table.items()}
    assert max(len(h.debt_share) for h in early.values()) == 2005 - 1990 + 1


@pytest.mark.shared_data
@pytest.mark.parametrize("code", ["FRA", "USA", "SGP", "NOR", "CHN", "ZAF"])
def test_any_economy_of_the_table_projects_along_its_outlook(weo, code):
    economy = weo_economy(load_weo_economies(weo, KEPT_OUT), code, weo)
    years = project_country_debt(open_treasury_country(code, weo), years=6).years
    outlook = economy.debt_share()[-6:]
    assert np.allclose([y.debt_share for y in years], outlook, atol=1e-9)
    parts = debt_decompositions_by_year(economy, 2025)
    assert all(len(str(year)) == 4 for year in parts)


@pytest.mark.shared_data
def test_an_unknown_economy_lists_the_known_ones(weo):
    with pytest.raises(CountryError, match="FRA"):
        open_treasury_country("XXX", weo)


def test_a_table_without_its_columns_is_refused(tmp_path):
    path = tmp_path / "weo.csv"
    path.write_text("ref_area,year\nFRA,2020\n")
    with pytest.raises(CountryError, match="no column NGDP_FY"):
        load_weo_economies(path)
