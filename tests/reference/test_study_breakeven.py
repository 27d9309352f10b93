"""What would change the answer, by halving and by looking at a thousand values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.study.break_even import (
    nearest_zero_of_alternatives_cost_gap,
    study_break_even_points_nearest_first,
)
from commonwatt.study.mix import study_site_mix_weighted_by_gpu_hours
from commonwatt.study.programme.schema import RentPart, SitePart
from commonwatt.study.stages.sites import (
    StudyCostedSite,
    StudyInputKey,
    StudyInputOwner,
    programme_site_cost_cells_with_measured,
    study_cost_input_site_titles_text,
)

LIBRARY = ("hong-kong", "cn-east", "cn-west", "us-texas", "eu-sweden")


def _site(name, library=None, rent=None, **stated):
    priced = {"cost_cells": library} if library else {"rent": rent}
    return SitePart(
        name=name, region="X", pue=1.2, power_price="80 USD/MWh", carbon="100 g/kWh",
        source="a test", pools=[{"nodes": 1, "gpus_per_node": 8, "gpu": "A"}], **priced, **stated,
    )  # fmt: skip


def _costed(name, library, use, hours, **stated):
    row = {"utilisation_share": use, "kwh_per_gpu_hour": 0.9, "usd_per_kwh": 0.08}
    site = _site(name, library, **stated)
    return StudyCostedSite(
        site=site,
        use=use,
        gpu_hours=hours,
        cells=programme_site_cost_cells_with_measured(site, row),
    )


def _rented(price, use):
    rent = RentPart(price=f"{price} USD/GPU-hour", low="0.5 USD/GPU-hour",
                    high="9 USD/GPU-hour", source="a test")  # fmt: skip
    return StudyCostedSite(site=_site("rented", rent=rent), use=use, gpu_hours=1.0, cells=None)


uses = st.floats(0.3, 0.95)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(LIBRARY), st.sampled_from(LIBRARY), uses, uses)
def test_both_cost_the_same_where_the_answer_changes(first, second, use, other):
    mix = study_site_mix_weighted_by_gpu_hours(
        [_costed("one", first, use, 3.0), _costed("two", second, other, 1.0)]
    )
    two = study_site_mix_weighted_by_gpu_hours([_costed("two", second, other, 2.0)])
    for break_even in study_break_even_points_nearest_first(mix, two):
        if break_even.flips_at is not None:
            moved = {break_even.input.key: break_even.flips_at}
            assert mix.gpu_hour_usd(moved) == pytest.approx(two.gpu_hour_usd(moved), rel=1e-6)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(LIBRARY), uses, st.floats(1.0, 4.0))
def test_a_walk_over_a_thousand_values_finds_no_other_answer_inside_the_range(library, use, price):
    built, two = (
        study_site_mix_weighted_by_gpu_hours([_costed("one", library, use, 1.0)]),
        study_site_mix_weighted_by_gpu_hours([_rented(price, use)]),
    )
    for break_even in study_break_even_points_nearest_first(built, two):
        values = np.linspace(break_even.low, break_even.high, 1000)
        gaps = [
            two.gpu_hour_usd({break_even.input.key: v})
            - built.gpu_hour_usd({break_even.input.key: v})
            for v in values
        ]
        flips = bool(np.any(np.sign(gaps[:-1]) != np.sign(gaps[1:])))
        assert flips == break_even.is_break_even_within_input_range


@settings(max_examples=20, deadline=None)
@given(st.floats(1.0, 4.0), uses)
def test_rent_breaks_even_at_the_cost_of_building(price, use):
    built = study_site_mix_weighted_by_gpu_hours([_costed("one", "cn-west", use, 1.0)])
    break_evens = {
        c.input.key: c
        for c in study_break_even_points_nearest_first(
            built, study_site_mix_weighted_by_gpu_hours([_rented(price, use)])
        )
    }
    at = break_evens[
        StudyInputKey(StudyInputOwner.PROGRAMME, "rented", "rent_usd_per_gpu_hour")
    ].flips_at
    assert at == pytest.approx(built.gpu_hour_usd() * use, rel=1e-9)


def test_two_sites_that_read_one_cell_move_together():
    both = study_site_mix_weighted_by_gpu_hours(
        [_costed("one", "cn-west", 0.5, 1.0), _costed("two", "cn-west", 0.5, 1.0)]
    )
    alone = study_site_mix_weighted_by_gpu_hours([_costed("one", "cn-west", 0.5, 1.0)])
    moved = {StudyInputKey(StudyInputOwner.LIBRARY, "cn-west", "discount_rate"): 0.12}
    assert both.gpu_hour_usd(moved) == pytest.approx(alone.gpu_hour_usd(moved), rel=1e-12)
    assert both.drawn_mix_gpu_hour_costs_usd(500, 1).gpu_hour_usd == pytest.approx(
        alone.drawn_mix_gpu_hour_costs_usd(500, 1).gpu_hour_usd, rel=0.2
    )


def test_nothing_is_found_where_nothing_crosses():
    assert nearest_zero_of_alternatives_cost_gap(np.ones_like, 0.0, [-1.0, 0.0, 1.0]) is None
    assert nearest_zero_of_alternatives_cost_gap(lambda x: x, 0.0, [-1.0, 0.0, 1.0]) == 0.0


OWN = {
    "cells": {
        "server_usd_per_gpu": {"value": 20000, "low": 15000, "high": 30000},
        "discount_rate": {"value": 0.05, "low": 0.03, "high": 0.09},
    }
}


def _pair_called(name):
    """Return a site with inputs of its own, called so, and the two beside one of the library."""
    own = _costed(name, "cn-west", 0.5, 2.0, **OWN)
    return own, study_site_mix_weighted_by_gpu_hours([own, _costed("other", "hong-kong", 0.6, 1.0)])


@pytest.mark.parametrize("name", ["all", *LIBRARY, "us-virginia", "w.est", "cn-west.x", "hk all"])
def test_the_name_of_a_site_decides_no_figure(name):
    own, mix = _pair_called(name)
    plain_own, plain = _pair_called("hq")
    assert len(mix.mix_cost_inputs_by_key()) == len(plain.mix_cost_inputs_by_key())
    assert mix.gpu_hour_usd() == plain.gpu_hour_usd()

    def crossings(both, alone):
        return {
            (each.input.key.owner, each.input.name, each.median): each.flips_at
            for each in study_break_even_points_nearest_first(
                both, study_site_mix_weighted_by_gpu_hours([alone])
            )
        }

    assert crossings(mix, own) == crossings(plain, plain_own)
    # What the site states and what the library has of the same input are drawn apart, as they
    # are under any other name; 20,000 draws know the spread to one in a hundred.
    spread, plainly = (
        np.std(both.drawn_mix_gpu_hour_costs_usd(20_000, 1).gpu_hour_usd) for both in (mix, plain)
    )
    assert spread == pytest.approx(plainly, rel=0.03)


def test_no_two_keys_have_one_text_and_each_is_read_back():
    names = ("all", *LIBRARY, "hq", "w.est", "all.x", "a b")
    keys = [StudyInputKey(StudyInputOwner.PROGRAMME, name, "pue_ratio") for name in names]
    keys += [
        StudyInputKey(StudyInputOwner.LIBRARY, name, "pue_ratio") for name in ("all", *LIBRARY)
    ]
    assert len({key.text for key in keys}) == len(keys)
    assert [StudyInputKey.from_text(key.text) for key in keys] == keys


def test_an_input_is_of_the_sites_that_read_it_whatever_they_are_called():
    sites = [_site("hong-kong", "cn-west"), _site("w.est", "hong-kong"), _site("all", "cn-west")]
    titles = {
        text: study_cost_input_site_titles_text(StudyInputKey.from_text(text), sites)
        for text in ("hong-kong.x", "site/hong-kong.x", "w.est.x", "all.x", "site/all.x")
    }
    assert titles == {
        "hong-kong.x": "w.est",
        "site/hong-kong.x": "hong-kong",
        "w.est.x": "w.est",
        "all.x": "all",
        "site/all.x": "all",
    }


def test_no_input_changes_the_answer_between_two_that_cost_the_same_whatever_it_is():
    own, mix = _pair_called("hq")
    assert [
        each.flips_at for each in study_break_even_points_nearest_first(mix, mix) if each.flips_at
    ] == []
    assert any(
        each.flips_at
        for each in study_break_even_points_nearest_first(
            mix, study_site_mix_weighted_by_gpu_hours([own])
        )
    )
