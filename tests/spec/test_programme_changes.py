"""How a change to a programme is written, and what it makes of the file."""

import re

import pytest

from commonwatt.study.programme.changes import apply_programme_changes

FILE = {
    "seed": 1,
    "sites": [
        {"name": "home", "pue": 1.4, "power_price": "0.1 USD/kWh", "pools": [{"nodes": 10}]},
        {"name": "west", "pue": 1, "power_price": {"file": "p.csv", "column": "w"},
         "pools": [{"nodes": 3}, {"nodes": 4}]},
    ],
    "funding": {"scale": 40},
}  # fmt: skip

MADE = [
    ("sites.home.power_price=+50%", ("sites", 0, "power_price"), "0.15 USD/kWh"),
    ("sites.home.power_price=-10 %", ("sites", 0, "power_price"), "0.09 USD/kWh"),
    ("sites.home.power_price=x2", ("sites", 0, "power_price"), "0.2 USD/kWh"),
    ("sites.home.power_price=0.08 USD/kWh", ("sites", 0, "power_price"), "0.08 USD/kWh"),
    ("sites.0.pue=1.2", ("sites", 0, "pue"), 1.2),
    ("sites.west.pue=+10%", ("sites", 1, "pue"), 1.1),
    ("sites.west.power_price=+50%", ("sites", 1, "power_price", "times"), 1.5),
    ("sites.home.nodes=30", ("sites", 0, "pools", 0, "nodes"), 30),
    ("sites.home.nodes=+25%", ("sites", 0, "pools", 0, "nodes"), 12),
    ("sites.west.pools.1.nodes=9", ("sites", 1, "pools", 1, "nodes"), 9),
    ("fleet.order=qssf", ("policy", "order"), "qssf"),
    ("funding.scale=+1%", ("funding", "scale"), 40.4),
    ("sites.home.cells.wage_usd_per_year=+5%",
     ("sites", 0, "cells", "wage_usd_per_year", "times"), 1.05),
]  # fmt: skip


@pytest.mark.parametrize(("line", "place", "value"), MADE)
def test_a_change_lands_in_its_place(line, place, value):
    at = apply_programme_changes(FILE, [line])
    for step in place:
        at = at[step]
    assert at == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sites.mars.pue=2", "there is no 'mars', only home, west"),
        ("seed", "is not of the form"),
        ("sites.west.nodes=3", "name the pool"),
        ("policy.order=+5%", "the file gives no order"),
        ("seed.x=1", "there is nothing below"),
        ("sites.0=1", "has no value of its own"),
        ("sites.home.name=+5%", "is not a number with a unit"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(line, message):
    with pytest.raises(ValueError, match=message):
        apply_programme_changes(FILE, [line])


def test_a_change_leaves_the_file_as_it_was():
    before = str(FILE)
    apply_programme_changes(FILE, [line for line, _, _ in MADE])
    assert str(FILE) == before


def test_changes_are_made_in_order():
    made = apply_programme_changes(FILE, ["sites.home.pue=2.0", "sites.home.pue=+50%"])
    assert made["sites"][0]["pue"] == 3.0


RANGED = {
    "sites": [
        {"name": "1", "pue": 1.2, "pue_range": [1.1, 1.3], "power_price": "0.1 USD/kWh",
         "price_range": ["0.08 USD/kWh", "0.2 USD/kWh"],
         "cells": {"wage": {"value": 10.0, "low": 8, "high": 12.0, "source": "s"},
                   "land": {"price": "2 USD/kW", "high": "3 USD/kW"},
                   "shell": {"times": 2.0}}},
        {"name": "two", "pools": [{"name": "p", "nodes": 10, "gpus_per_node": 8, "on": True}]},
    ],
    "tenants": [{"name": "t", "quota_gpus": 15, "defer_h": 7, "weights": [1, 2.5]}],
    "fan": {"paths": 999, "sd": 0.3},
}  # fmt: skip


def changed(*lines):
    return apply_programme_changes(RANGED, lines)


@pytest.mark.parametrize("factor", ["+50%", "+50 %", "x1.5", "*1.5", "× 1.5", "+50.0%"])
def test_a_factor_is_written_as_people_write_it(factor):
    assert changed(f"fan.sd={factor}")["fan"]["sd"] == 0.45


@pytest.mark.parametrize(
    ("factor", "value"),
    [("-100%", 0.0), ("-25%", 0.225), ("x0", 0.0), ("+0%", 0.3), ("x10.", 3.0), ("+5.%", 0.315)],
)
def test_a_share_is_added_to_what_stands_and_a_factor_multiplies_it(factor, value):
    assert changed(f"fan.sd={factor}")["fan"]["sd"] == value


@pytest.mark.parametrize("text", ["50%", "1.5x", "+x2", "--5%", "x-2"])
def test_what_is_not_written_as_a_factor_is_a_value(text):
    assert changed(f"fan.sd={text}")["fan"]["sd"] == text


@pytest.mark.parametrize(
    ("line", "spellings"),
    [
        ("sites.home.nodes=+2", "write 2 for the value, and 12 or +20% for 2 more"),
        ("sites.west.pools.0.nodes=+2", "write 2 for the value, and 5 or +66.67% for 2 more"),
        ("sites.home.pue=+.1", "write .1 for the value, and 1.5 or +7.143% for .1 more"),
        ("sites.home.power_price=+0.08 USD/kWh", "write 0.08 USD/kWh for the value, and a share"),
        ("funding.years=+5", "write 5 for the value, and a share such as"),
        ("seed=+ 1e3", "write 1e3 for the value, and 1001 or"),
    ],
)
def test_a_number_with_a_plus_is_refused_with_both_clear_spellings(line, spellings):
    with pytest.raises(ValueError, match=re.escape(spellings)):
        apply_programme_changes(FILE, [line])


@pytest.mark.parametrize("text", ["2", "-2", "+20%", "x1.2", "-0.02 USD/kWh", "+x", "+ more"])
def test_a_number_without_a_plus_a_share_and_a_text_are_taken(text):
    apply_programme_changes(FILE, [f"funding.scale={text}"])


def test_a_range_moves_with_the_figure_that_it_stands_beside():
    site = changed("sites.1.pue=+10%", "sites.1.power_price=x2")["sites"][0]
    assert (site["pue"], site["pue_range"]) == (1.32, [1.21, 1.43])
    assert site["power_price"] == "0.2 USD/kWh"
    assert site["price_range"] == ["0.16 USD/kWh", "0.4 USD/kWh"]
    cells = changed("sites.1.cells.wage.value=+25%", "sites.1.cells.land.price=x2")["sites"][0][
        "cells"
    ]
    assert cells["wage"] == {"value": 12.5, "low": 10.0, "high": 15.0, "source": "s"}
    assert cells["land"] == {"price": "4 USD/kW", "high": "6 USD/kW"}
    # A value that is named says nothing of its range.
    assert changed("sites.1.pue=2")["sites"][0]["pue_range"] == [1.1, 1.3]


def test_a_cell_or_a_series_without_a_number_keeps_its_factor_beside_it():
    def cells(*lines):
        return changed(*lines)["sites"][0]["cells"]

    assert cells("sites.1.cells.shell=x1.5")["shell"] == {"times": 3.0}
    assert cells("sites.1.cells.new=x1.5")["new"] == {"times": 1.5}
    assert cells("sites.1.cells.new=x1.5", "sites.1.cells.new=x2")["new"] == {"times": 3.0}
    assert cells("sites.1.cells.wage=+10%")["wage"]["times"] == 1.1
    with pytest.raises(ValueError, match="gives no new"):
        changed("sites.1.new=x1.5")


@pytest.mark.parametrize(
    ("line", "place", "value"),
    [
        ("sites.two.nodes=+26%", ("sites", 1, "pools", 0, "nodes"), 13),
        ("sites.two.pools.0.gpus_per_node=x0.7", ("sites", 1, "pools", 0, "gpus_per_node"), 6),
        ("tenants.t.quota_gpus=-10%", ("tenants", 0, "quota_gpus"), 14),
        ("tenants.t.defer_h=+10%", ("tenants", 0, "defer_h"), 8),
        ("fan.paths=x0.5", ("fan", "paths"), 500),
        ("tenants.t.weights=x1.1", ("tenants", 0, "weights"), [1.1, 2.75]),
    ],
)
def test_what_is_counted_stays_whole_after_a_factor(line, place, value):
    at = changed(line)
    for step in place:
        at = at[step]
    assert at == value
    whole = value if isinstance(value, list) else [value]
    assert all(type(each) is (float if isinstance(value, list) else int) for each in whole)


def test_a_name_goes_before_a_place_and_a_place_counts_from_nothing():
    assert changed("sites.1.pue=2")["sites"][0]["pue"] == 2
    assert changed("sites.0.pue=2")["sites"][0]["pue"] == 2
    assert changed("sites.two.pue=2")["sites"][1]["pue"] == 2
    with pytest.raises(ValueError, match="there is no '2', only 1, two"):
        changed("sites.2.pue=2")
    with pytest.raises(ValueError, match="there is no '2', only 0, 1"):
        changed("tenants.t.weights.2.x=2")
    with pytest.raises(ValueError, match="there is no '1', only p"):
        changed("sites.two.pools.1.nodes=2")


def test_nodes_of_a_site_are_those_of_its_only_pool_and_of_nothing_else():
    made = changed("sites.two.nodes=4", "fan.two.nodes=5", "sites.1.cells.nodes=6")
    assert made["sites"][1]["pools"][0]["nodes"] == 4
    assert "nodes" not in made["sites"][1]
    assert made["fan"]["two"] == {"nodes": 5}
    assert made["sites"][0]["cells"]["nodes"] == 6
    with pytest.raises(ValueError, match=r"sites\.1\.pools\.0\.nodes=30"):
        changed("sites.1.nodes=4")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("fan.sd.x.y=1", "nothing below, to hold 'x'"),
        ("fan.sd.x=1", "nothing below, to hold 'x'"),
        ("tenants.t.weights.0=1", "'0' stands in a list"),
        ("sites.two.pools.0.on=x2", "gives no on to change"),
        ("fan.none=+5%", "gives no none to change"),
        ("sites=1", "not of the form"),
        ("fan.=1", "not of the form"),
        ("fan.sd=", "not of the form"),
        ("", "not of the form"),
    ],
)
def test_a_line_that_names_no_value_says_where_it_ends(line, sentence):
    with pytest.raises(ValueError, match=sentence):
        changed(line)


@pytest.mark.parametrize(
    ("text", "value"),
    [("30", 30), ("3e-1", 0.3), ("true", True), ("[1, 2]", [1, 2]), ('"x"', "x"), ("x", "x"),
     ("2026-01-01 to 2027", "2026-01-01 to 2027")],
)  # fmt: skip
def test_a_value_is_read_as_the_file_would_read_it(text, value):
    made = changed(f" fan . new = {text} ")["fan"]["new"]
    assert made == value
    assert type(made) is type(value)


def test_a_figure_has_the_digits_that_a_person_would_write():
    made = apply_programme_changes({"a": {"b": 0.1, "c": 1 / 3}}, ["a.b=x3", "a.c=x1"])
    assert made["a"] == {"b": 0.3, "c": 0.333333333333}


def test_people_say_fleet_and_the_file_says_policy():
    made = apply_programme_changes({"policy": {"order": "fifo"}}, ["fleet.order=qssf"])
    assert made == {"policy": {"order": "qssf"}}
    assert apply_programme_changes({}, ["other.fleet.order=x"]) == {
        "other": {"fleet": {"order": "x"}}
    }
