"""The linkage attack, counted by value, against comparing every pair."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.sandbox.engines.risk.attack import linkage_attack_by_quasi_identifiers

VALUE = st.sampled_from([None, "a", "b"])


def slow(known, released, on, truth):
    """Compare every person with every record, as the docstring of `link` says it."""
    fits = {
        person["person"]: [
            record["record"]
            for record in released
            if all(record[c] is None or record[c] == person[c] for c in on)
        ]
        for person in known
    }
    claimed = [p for p, records in fits.items() if len(records) == 1]
    right = [p for p in fits if truth[p] in fits[p]]
    count = max(len(known), 1)
    return (
        len(claimed) / count,
        sum(len(fits[p]) == 1 for p in right) / count,
        sum(1 / len(fits[p]) for p in right) / count,
    )


@given(rows=st.lists(st.tuples(VALUE, VALUE, VALUE, VALUE), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_counting_by_value_is_comparing_every_pair(rows):
    kinds = {"person": pl.String, "x": pl.String, "y": pl.String}
    known = [{"person": f"p{i}", "x": r[0], "y": r[1]} for i, r in enumerate(rows)]
    released = [{"record": f"r{i}", "x": r[2], "y": r[3]} for i, r in enumerate(rows)]
    truth = {f"p{i}": f"r{i}" for i in range(len(rows))}
    attack = linkage_attack_by_quasi_identifiers(
        pl.DataFrame(known, schema=kinds),
        pl.DataFrame(released, schema={"record": pl.String, "x": pl.String, "y": pl.String}),
        ["x", "y"],
        pl.DataFrame({"person": list(truth), "record": list(truth.values())}),
    )
    wanted = slow(known, released, ["x", "y"], truth)
    got = (attack.claimed_share, attack.success_share, attack.guess_share)
    assert got == pytest.approx(wanted)


def test_twenty_thousand_people_who_are_all_alike_are_attacked_in_a_moment():
    people = 20_000
    names = [f"{i:05d}" for i in range(people)]
    same = pl.DataFrame({"person": names, "x": ["a"] * people})
    attack = linkage_attack_by_quasi_identifiers(
        same, same.rename({"person": "record"}), ["x"], same.select("person", record="person")
    )
    assert attack.success_share == 0
    assert attack.guess_share == pytest.approx(1 / people)
