"""The kernel of the fan against its slow twin."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.treasury.engines.fan.draws import draw_debt_shock_block
from commonwatt.treasury.engines.fan.engine import run_debt_fan
from commonwatt.treasury.engines.fan.inputs import debt_fan_inputs
from commonwatt.treasury.engines.fan.reference import run_reference_debt_path
from commonwatt.treasury.engines.fan.shipped import load_country_shock_model, load_market_shocks
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.io.country.folder import load_country

COUNTRY = load_country("hongkong")


def fan(years=12, **choices):
    inputs = debt_fan_inputs(project_country_debt(COUNTRY, years=years), **choices)
    model = load_country_shock_model("HKG", load_market_shocks("HKD", inputs.currencies))
    return inputs, model


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    financing=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    calls=st.sampled_from([-1e9, -1.0]),
)
def test_the_kernel_and_its_slow_twin_agree_path_by_path(seed, financing, calls):
    inputs, model = fan(financing_share=financing, call_threshold=calls, call_loss=0.5)
    model = replace(model, sd=model.sd * 1.5)
    fast = run_debt_fan(inputs, model, paths=5, seed=seed)
    draws, chi, unsure = draw_debt_shock_block(model, 12, seed=seed, block=0)
    for p in range(5):
        slow = run_reference_debt_path(
            inputs,
            model,
            COUNTRY.mix,
            draws=draws[0, :, :, p].astype(float),
            chi=chi[0, :, p].astype(float),
            unsure=unsure[0, :, p],
        )
        assert np.allclose(fast.debt[:, p], [y.debt / y.gdp for y in slow], rtol=2e-6, atol=1e-7)
        assert np.allclose(
            fast.reserves[:, p], [y.reserves / y.gdp for y in slow], rtol=1e-5, atol=1e-6
        )
        assert np.allclose(fast.gfn[:, p], [y.gfn / y.gdp for y in slow], rtol=2e-6, atol=1e-6)


def test_without_shocks_the_fan_is_the_projection():
    inputs, model = fan(years=30)
    still = replace(model, sd=model.sd * 0, mean_error=model.mean_error * 0)
    paths = run_debt_fan(inputs, still, paths=3, seed=1)
    planned = project_country_debt(COUNTRY, years=30).years
    assert np.allclose(paths.debt[:, 0], [y.debt_share for y in planned], atol=2e-7)
    assert np.allclose(paths.reserves[:, 0], [y.reserves / y.gdp for y in planned], atol=2e-7)


@pytest.mark.parametrize("paths", [1, 255, 5000, 9001])
def test_one_thread_and_two_give_the_same_bytes(paths):
    inputs, model = fan(years=6)
    single = run_debt_fan(inputs, model, paths=paths, seed=3, threads=1)
    two = run_debt_fan(inputs, model, paths=paths, seed=3, threads=2)
    assert single.sha256() == two.sha256()


def test_more_paths_leave_the_first_ones_as_they_were():
    inputs, model = fan(years=4)
    few = run_debt_fan(inputs, model, paths=300, seed=3)
    many = run_debt_fan(inputs, model, paths=9000, seed=3)
    assert np.array_equal(few.debt, many.debt[:, :300])


def test_draws_keep_unit_variance_and_independence_in_time():
    _, model = fan(years=10)
    draws = np.concatenate(
        [draw_debt_shock_block(model, 10, seed=5, block=b)[0] for b in range(3)]
    ).transpose(1, 2, 0, 3)
    flat = draws.reshape(10, 9, -1)
    for k in range(3):
        covariance = np.cov(flat[:, k])
        assert np.allclose(covariance, np.eye(10), atol=0.06)
