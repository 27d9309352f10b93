"""Day-ahead planning keeps every promise and never beats hindsight."""

import numpy as np
import pytest

from commonwatt.siting.domain.cooling import (
    Cooling,
    site_hourly_pue,
    site_tariff_usd_per_kwh_and_pue,
    site_wet_bulb_c,
)
from commonwatt.siting.domain.errors import NetworkError, SeriesError
from commonwatt.siting.engines.place.rolling import (
    best_region_saving_share,
    outcome_of_day_ahead_planning,
    outcome_of_planning_in_hindsight,
    placement_outcome_at_origin,
    rolling_case_of_market,
)
from commonwatt.siting.io.series import (
    check_every_region_pair_has_rtt,
    load_power_market,
    read_power_market,
)
from commonwatt.siting.usecases.place import open_power_market
from tests.shared_data import shared_data

MARKET = load_power_market()
WEEKS = MARKET.power_market_of_hour_window(24 * 100, 24 * 14)
SHAPE = 1 + 0.2 * np.sin(np.arange(24 * 14) / 24 * 2 * np.pi)


@pytest.mark.parametrize("limit", [0, 50, 150])
def test_day_ahead_stays_close_to_hindsight_and_within_latency(limit):
    case = rolling_case_of_market(WEEKS, limit, shape=SHAPE)
    home, ahead, behind = (
        placement_outcome_at_origin(case),
        outcome_of_day_ahead_planning(case),
        outcome_of_planning_in_hindsight(case),
    )
    assert behind.objective_usd <= ahead.objective_usd * (1 + 1e-9)
    assert ahead.objective_usd <= home.objective_usd
    assert ahead.objective_usd / behind.objective_usd < 1.06
    assert ahead.far_share == 0.0


def test_all_load_is_run_within_room_and_deadline():
    case = rolling_case_of_market(WEEKS, 100, shape=SHAPE)
    load = outcome_of_day_ahead_planning(case).load
    np.testing.assert_allclose(load.sum(axis=(1, 2)), case.demand.sum(axis=1), rtol=1e-9)
    assert (load.sum(axis=0) <= case.size[:, None] + 1e-9).all()
    waits = np.cumsum(case.demand - load.sum(axis=1), axis=1)
    arrived = np.cumsum(case.demand, axis=1)
    for k in range(len(case.origin)):
        wait = int(case.defer_h[k])
        late = arrived[k, : arrived.shape[1] - wait] - np.cumsum(load[k].sum(axis=0))[wait:]
        assert late.max() < 1e-6
    assert waits.min() > -1e-6


def test_a_wider_circle_never_costs_more():
    costs = [
        outcome_of_planning_in_hindsight(
            rolling_case_of_market(WEEKS, limit, shape=SHAPE)
        ).objective_usd
        for limit in (0, 50, 100)
    ]
    assert costs[0] >= costs[1] >= costs[2]


def test_the_ceiling_of_prices_is_that_of_the_nearest_and_the_world():
    assert best_region_saving_share(MARKET, 0, MARKET.price_usd_per_mwh) == 0
    assert 0.15 < best_region_saving_share(MARKET, 50, MARKET.price_usd_per_mwh) < 0.25
    assert 0.45 < best_region_saving_share(MARKET, 100, MARKET.price_usd_per_mwh) < 0.65
    assert 0.12 < best_region_saving_share(MARKET, 50, MARKET.carbon_g_per_kwh) < 0.25


def test_a_year_without_data_is_refused():
    with pytest.raises(SeriesError, match="1999"):
        load_power_market(1999)


def test_regions_that_do_not_meet_are_named():
    table = np.zeros((3, 3))
    table[0, 2] = np.nan
    with pytest.raises(NetworkError, match="a → c"):
        check_every_region_pair_has_rtt(table, ("a", "b", "c"))


def test_wet_bulb_meets_stulls_example_and_never_exceeds_dry_bulb():
    dry = np.linspace(-5, 40, 40)
    assert abs(float(site_wet_bulb_c(np.array([20.0]), np.array([50.0]))[0]) - 13.7) < 0.05
    assert (site_wet_bulb_c(dry, np.full(40, 60.0)) < dry).all()


@pytest.mark.parametrize("cooling", list(Cooling))
def test_pue_rises_with_heat_and_fills_missing_hours(cooling):
    pue = site_hourly_pue(np.array([-10.0, 15.0, 30.0, 40.0, np.nan]), np.full(5, 50.0), cooling)
    assert (np.diff(pue[:4]) >= 0).all()
    assert np.isfinite(pue).all()
    assert pue[0] >= 1


def test_tariff_times_pue_is_the_mean_cost_of_an_it_kwh():
    price, pue = np.array([10.0, 90.0, 40.0]), np.array([1.1, 1.5, 1.2])
    tariff, mean = site_tariff_usd_per_kwh_and_pue(price, pue, 0.03)
    assert np.isclose(tariff * mean, ((price / 1000 + 0.03) * pue).mean())


@pytest.mark.shared_data
def test_a_folder_of_yearly_files_gives_the_shipped_year():
    folder = shared_data("energy").parent
    read = read_power_market(folder, 2023)
    assert read.names == MARKET.names
    np.testing.assert_allclose(read.price_usd_per_mwh, MARKET.price_usd_per_mwh, rtol=1e-6)
    np.testing.assert_allclose(read.rtt_ms, MARKET.rtt_ms)


def yearly(folder, price="10,20\n30,40"):
    for name in ("energy", "latency"):
        (folder / name).mkdir()
    (folder / "energy" / "price_usd_per_mwh_2031.csv.gz").write_text(f"AA,BB\n{price}\n")
    (folder / "energy" / "carbon_g_per_kwh_2031.csv.gz").write_text(
        "AA|direct,BB|direct\n1,2\n3,4\n"
    )
    (folder / "latency" / "gcp_region_to_grid_zone.csv").write_text(
        "gcp_region,grid_zone\na,AA\nb,BB\n"
    )
    (folder / "latency" / "gcp_rtt_ms.csv").write_text(
        "from_region,to_region,rtt_ms\na,b,5\nb,a,6\n"
    )
    return folder


def test_a_zone_with_a_missing_hour_is_named_and_may_be_left_out(tmp_path):
    folder = yearly(tmp_path, price="10,20\n30,")
    with pytest.raises(SeriesError, match="BB.*--leave-out BB"):
        read_power_market(folder, 2031)
    assert read_power_market(folder, 2031, leave_out=["BB"]).names == ("a",)


def test_a_zone_to_be_left_out_that_there_is_none_of_is_refused(tmp_path):
    folder = yearly(tmp_path)
    for unknown in (["ZZ"], ["BB", "aa"], ["b"]):
        with pytest.raises(SeriesError, match="--leave-out: found (ZZ|aa|b), wanted one of AA, BB"):
            read_power_market(folder, 2031, leave_out=unknown)
    for known in ([], ["AA"], ["BB"], ["BB", "BB"]):
        assert len(read_power_market(folder, 2031, leave_out=known).names) == 2 - len(set(known))


def test_a_zone_of_the_shipped_regions_is_left_out_too():
    whole = open_power_market(2023, None)
    for zone, name in zip(whole.zones, whole.names, strict=True):
        left = open_power_market(2023, None, [zone])
        assert set(whole.names) - set(left.names) == {name}
        kept = [name in left.names for name in whole.names]
        assert np.array_equal(left.price_usd_per_mwh, whole.price_usd_per_mwh[kept])
        assert np.array_equal(left.rtt_ms, whole.rtt_ms[kept][:, kept])
    with pytest.raises(SeriesError, match="--leave-out: found ZZ, wanted one of"):
        open_power_market(2023, None, ["ZZ"])


def test_a_year_without_files_is_refused(tmp_path):
    with pytest.raises(SeriesError, match="2030"):
        read_power_market(yearly(tmp_path), 2030)
