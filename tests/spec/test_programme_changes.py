"""How a change to a programme is written, and what it makes of the file."""

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
    ("line", "said"),
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
def test_a_change_that_cannot_be_made_says_why(line, said):
    with pytest.raises(ValueError, match=said):
        apply_programme_changes(FILE, [line])


def test_a_change_leaves_the_file_as_it_was():
    before = str(FILE)
    apply_programme_changes(FILE, [line for line, _, _ in MADE])
    assert str(FILE) == before


def test_changes_are_made_in_order():
    made = apply_programme_changes(FILE, ["sites.home.pue=2.0", "sites.home.pue=+50%"])
    assert made["sites"][0]["pue"] == 3.0
