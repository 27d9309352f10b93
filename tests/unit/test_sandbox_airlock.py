"""The airlock: what is stopped, what may pass, and whether people can be subtracted out."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from commonwatt.sandbox.engines.airlock.checks import output_stop_reasons
from commonwatt.sandbox.engines.airlock.differencing import (
    DifferencingCheck,
    do_two_counts_reveal_few_people,
)
from commonwatt.sandbox.engines.airlock.membership import (
    attack_membership,
    membership_attack_stop_reasons,
)
from commonwatt.sandbox.engines.attacks.outputs import (
    honest_airlock_outputs,
    hostile_airlock_outputs,
)
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput
from commonwatt.sandbox.engines.isolation.output_kinds import cleaned_output_bytes_or_none
from tests.proofs import PROOFS, most_examples_reach

HOSTILE = list(hostile_airlock_outputs())


def _stops(offered, folder):
    path = folder / "offered"
    data = cleaned_output_bytes_or_none(offered.data, offered.kind)
    assert data is not None, offered.name
    path.write_bytes(data)
    output = CollectedOutput(
        name="x", kind=offered.kind, sha256="", size_bytes=len(data), path=path
    )
    return output_stop_reasons(output)


@pytest.mark.parametrize("offered", HOSTILE, ids=lambda hostile: hostile.name.replace(" ", "-"))
def test_a_hostile_output_is_stopped_and_told_why(offered, tmp_path):
    stops = _stops(offered, tmp_path)
    assert stops
    assert all(
        (stop.rule and str(stop.why).endswith(".")) or "?" in str(stop.why) for stop in stops
    )


def test_a_reason_never_repeats_what_it_found(tmp_path):
    for offered in HOSTILE:
        reasons = " ".join(str(stop.why) for stop in _stops(offered, tmp_path))
        assert not any(word in reasons for word in ("CHAN", "陳大文", "A123456", "9123", "taiman"))


def test_honest_outputs_pass(tmp_path):
    honest = list(honest_airlock_outputs(100))
    stopped = [offered.name for offered in honest if _stops(offered, tmp_path)]
    assert len(stopped) <= 5, stopped


def test_the_red_team_brings_at_least_forty():
    assert len(HOSTILE) >= 40


PEOPLE = [f"p{i}" for i in range(400)]


def _pair(choose, single):
    """Return two cells: a single-person pair, or an honest one."""
    first = set(choose.sample(PEOPLE, choose.randint(60, 300)))
    if single:
        second = set(first)
        for person in choose.sample(PEOPLE, choose.randint(1, 3)):
            second ^= {person}
    else:
        second = set(choose.sample(sorted(first), choose.randint(20, len(first) - 20)))
    return first, second


def test_single_patients_cannot_be_subtracted_out_and_honest_pairs_pass():
    choose = random.Random(5)
    caught = blocked = 0
    for number in range(1000):
        guard = DifferencingCheck(PEOPLE)
        first, second = _pair(choose, single=number % 2 == 0)
        guard.add_released_differencing_cells({"first": guard.people_bits(first)})
        stopped = bool(
            guard.identifying_differencing_cell_pairs({"second": guard.people_bits(second)})
        )
        assert stopped == do_two_counts_reveal_few_people(first, second)
        if number % 2 == 0:
            caught += stopped
        else:
            blocked += stopped
    assert caught == 500
    assert blocked <= 25


@st.composite
def releases(draw):
    """Return a history of cells, and a new one that mostly differs from one of them by a few."""
    cells = st.sets(st.integers(0, 39))
    history = draw(st.lists(cells, min_size=2, max_size=5))
    if draw(st.integers(0, 4)) == 0:
        return history, draw(cells)
    few = draw(st.sets(st.integers(0, 39), min_size=1, max_size=9))
    return history, draw(st.sampled_from(history)) ^ few


@pytest.mark.prove
def test_the_guard_sees_every_pair_that_the_slow_rule_sees():
    with most_examples_reach(0.5) as examples:

        @settings(max_examples=PROOFS.size(200, 5_000), deadline=None)
        @given(releases())
        def law(release):
            history, new = release
            guard = DifferencingCheck(map(str, range(40)))
            for i, people in enumerate(history):
                guard.add_released_differencing_cells({str(i): guard.people_bits(map(str, people))})
            pairs = guard.identifying_differencing_cell_pairs(
                {"new": guard.people_bits(map(str, new))}
            )
            slow = {
                str(i)
                for i, people in enumerate(history)
                if do_two_counts_reveal_few_people(map(str, people), map(str, new))
            }
            examples.drawn += 1
            # Where no pair tells, combinations of more cells are looked for, and named otherwise.
            if slow:
                examples.reached += 1
                assert {pair.old for pair in pairs} == slow

        law()


def test_a_total_and_all_but_one_of_its_parts_show_the_missing_one():
    guard = DifferencingCheck(PEOPLE)
    guard.add_released_differencing_cells({"all": guard.people_bits(PEOPLE)})
    guard.add_released_differencing_cells({"half": guard.people_bits(PEOPLE[:200])})
    assert guard.identifying_differencing_cell_pairs(
        {"rest but one": guard.people_bits(PEOPLE[200:399])}
    )
    assert not guard.identifying_differencing_cell_pairs({"rest": guard.people_bits(PEOPLE[200:])})


def test_the_parts_of_a_total_show_one_left_out_of_it():
    guard = DifferencingCheck(PEOPLE)
    for i in range(4):
        guard.add_released_differencing_cells(
            {f"part {i}": guard.people_bits(PEOPLE[100 * i : 100 * i + 100])}
        )
    assert guard.identifying_differencing_cell_pairs(
        {"all but one": guard.people_bits(PEOPLE[:399])}
    )
    assert not guard.identifying_differencing_cell_pairs({"all": guard.people_bits(PEOPLE)})


def test_equations_over_overlapping_cells_show_one_person():
    """No pair and no plain sum tells, but the four cells together do."""
    guard = DifferencingCheck(PEOPLE)
    a, b, c, d = (set(PEOPLE[100 * i : 100 * i + 100]) for i in range(4))
    guard.add_released_differencing_cells(
        {"a and b": guard.people_bits(a | b), "b and c": guard.people_bits(b | c)}
    )
    guard.add_released_differencing_cells({"c and d": guard.people_bits(c | d)})
    # (a+b) - (b+c) + (c+d) is a + d; a cell of a and all but one of d tells of that one.
    pairs = guard.identifying_differencing_cell_pairs(
        {"a and d but one": guard.people_bits(a | d - {"p399"})}
    )
    assert [pair.people_count for pair in pairs] == [1]
    assert pairs[0].new == "a and d but one"
    assert pairs[0].old.count("+") == 2
    assert not guard.identifying_differencing_cell_pairs({"a and d": guard.people_bits(a | d)})


def test_an_honest_series_of_tables_is_not_blocked():
    """Thirty studies by bands of one of five attributes of 2,000 people, cells of 8 and more."""
    choose = np.random.default_rng(4)
    attributes = [choose.integers(0, k, 2000) for k in (2, 4, 5, 6, 8)]
    everyone = [str(i) for i in range(2000)]
    guard, blocked = DifferencingCheck(everyone), 0
    for study in range(30):
        which = choose.choice(5, size=1 + study % 2, replace=False)
        labels = np.stack([attributes[i] for i in which])
        cells = {}
        for label in np.unique(labels, axis=1).T:
            inside = np.flatnonzero((labels == label[:, None]).all(axis=0))
            if len(inside) >= 8:
                name = f"{study} {which.tolist()} {label.tolist()}"
                cells[name] = guard.people_bits(map(str, inside))
        pairs = guard.identifying_differencing_cell_pairs(cells)
        blocked += bool(pairs)
        if not pairs:
            guard.add_released_differencing_cells(cells)
    assert blocked <= 2


def _people(seed, rows):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 8))
    y = (x[:, 0] + rng.normal(scale=2.0, size=rows) > 0).astype(int)
    return x, y


def test_a_forest_that_memorised_its_rows_stays_and_a_plain_model_leaves():
    x, y = _people(1, 600)
    member = np.arange(600) < 300
    forest = RandomForestClassifier(50, random_state=0).fit(x[member], y[member])
    plain = LogisticRegression().fit(x[member], y[member])
    remembered = attack_membership(forest.predict_proba(x)[:, 1], y, member)
    forgot = attack_membership(plain.predict_proba(x)[:, 1], y, member)
    assert remembered.auc > 0.9
    assert membership_attack_stop_reasons(remembered)
    assert forgot.auc < 0.6
    assert not membership_attack_stop_reasons(forgot)
    assert membership_attack_stop_reasons(
        attack_membership([0.5] * 10, [1] * 10, [1] * 5 + [0] * 5)
    )


CHANCES = st.tuples(st.floats(0.01, 0.99), st.booleans())


@given(
    st.lists(CHANCES, min_size=1, max_size=15),
    st.lists(CHANCES, min_size=1, max_size=15),
)
def test_the_strength_of_an_attack_is_the_share_of_pairs_told_apart(members, others):
    """Somebody stands on either side in every example; by chance alone many had nobody."""
    p, y = (np.array(column) for column in zip(*members, *others, strict=True))
    member = np.arange(len(p)) < len(members)
    fit = y * np.log(p) + (1 - y) * np.log(1 - p)
    pairs = [(a > b) + 0.5 * (a == b) for a in fit[member] for b in fit[~member]]
    assert attack_membership(p, y, member).auc == pytest.approx(np.mean(pairs))
