"""The attackers of the airlock on rows whose strength of attack is known beforehand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from commonwatt.core.seeds import named_random_stream
from commonwatt.sandbox.engines.airlock.membership import (
    _learned_membership_log_odds,
    _membership_quantile_bins,
    attack_membership,
    linear_model_degrees_of_freedom_stop_reasons,
    small_tree_leaf_stop_reasons,
    strongest_membership_attack_on_model,
)
from commonwatt.sandbox.engines.airlock.models import DecisionTree, TreeEnsemble


def attacked(p, y, member):
    """Return the attack on a model that predicts `p` of its rows."""
    model = SimpleNamespace(predict=lambda x: x)
    rows = SimpleNamespace(x=np.array(p, float), y=np.array(y, float), is_member=np.array(member))
    return strongest_membership_attack_on_model(model, rows)


@pytest.mark.parametrize("each", [1, 2, 5])
def test_eight_cells_hold_as_many_people_each(each):
    values = np.arange(8 * each, dtype=float) ** 2
    expected = [cell for cell in range(8) for _ in range(each)]
    assert _membership_quantile_bins(values).tolist() == expected
    shuffled = np.random.default_rng(1).permutation(8 * each)
    assert _membership_quantile_bins(values[shuffled]).tolist() == [expected[n] for n in shuffled]


def test_equal_values_stand_in_one_cell():
    assert len(set(_membership_quantile_bins(np.full(20, 0.3)).tolist())) == 1
    two = _membership_quantile_bins(np.array([0.0] * 10 + [1.0] * 10))
    assert len(set(two.tolist())) == 2
    assert len(set(two[:10].tolist())) == 1


def test_the_odds_of_a_cell_are_those_of_the_other_half_with_one_added():
    """Shokri's attacker in plain counts: Laplace's one in each of the 64 cells."""
    rng = np.random.default_rng(4)
    p, y, member = rng.random(300), rng.integers(0, 2, 300) * 1.0, rng.random(300) < 0.7
    got = _learned_membership_log_odds(p, y, member)
    half = named_random_stream(0, "membership halves").permutation(300) % 2 == 0
    cells = list(zip(_membership_quantile_bins(p), _membership_quantile_bins(y), strict=True))
    for person in range(300):
        other = [n for n in range(300) if half[n] != half[person]]
        inside = [n for n in other if member[n]]
        outside = [n for n in other if not member[n]]
        odds = [
            (1 + sum(cells[n] == cells[person] for n in group)) / (64 + len(group))
            for group in (inside, outside)
        ]
        assert got[person] == pytest.approx(math.log(odds[0]) - math.log(odds[1]))


def strange(members, others):
    """Return rows where a model is odd about members in both directions: no loss tells them."""
    p = [0.1, 0.9] * (members // 2) + [0.9] * (members % 2) + [0.5] * others
    return p, [1.0] * len(p), [True] * members + [False] * others


@pytest.mark.parametrize(
    ("members", "others", "learns"), [(50, 50, True), (49, 50, False), (50, 49, False)]
)
def test_fifty_on_each_side_are_enough_to_learn_from(members, others, learns):
    by_fit = attack_membership(*strange(members, others))
    assert by_fit.auc == pytest.approx(0.5, abs=0.02)
    result = attacked(*strange(members, others))
    assert (result.auc > 0.9) is learns
    assert (result.members, result.others) == (members, others)
    assert learns or result == by_fit


def test_the_stronger_attacker_decides():
    # The model fits members perfectly: the attack by loss knows all, and learning can add nothing.
    p = [0.99] * 60 + [0.4] * 60
    result = attacked(p, [1.0] * 120, [True] * 60 + [False] * 60)
    assert (result.auc, result.found_share) == (1.0, 1.0)


def test_a_measured_outcome_is_judged_by_its_distance():
    """Not a chance but a figure: members are predicted to the digit, others miss either way."""
    y = [2.0 + n for n in range(20)] * 2
    p = y[:20] + [value + (1 if n % 2 else -1) for n, value in enumerate(y[20:])]
    member = [True] * 20 + [False] * 20
    assert attacked(p, y, member).auc == 1.0
    assert attacked(p, y, [not each for each in member]).auc == 0.0
    # As likelihoods of a chance the same numbers would say nothing of the kind.
    assert attack_membership(p, y, member).auc != 1.0


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_an_outcome_of_either_kind_is_a_chance(outcome):
    p = np.array([0.99] * 3 + [0.6] * 3)
    p = p if outcome else 1 - p
    assert attacked(p, [outcome] * 6, [True] * 3 + [False] * 3).auc == 1.0


def test_the_area_is_the_chance_that_a_member_fits_better_and_ties_count_half():
    # Members 0.3, 0.5; others 0.2, 0.5, 0.9: of six pairs two are won and one is tied.
    result = attack_membership([0.3, 0.5, 0.2, 0.5, 0.9], [1] * 5, [1, 1, 0, 0, 0])
    assert result.auc == pytest.approx((1 + 1.5) / 6)
    assert (result.members, result.others) == (2, 3)


@pytest.mark.parametrize(("members", "stopped"), [(14, False), (13, True), (15, False), (2, True)])
def test_a_linear_model_of_three_features_has_four_weights(members, stopped):
    """Ten degrees are left over by fourteen people; those kept back do not count."""
    model = SimpleNamespace(features=("a", "b", "c"), body=None)
    rows = SimpleNamespace(is_member=np.array([True] * members + [False] * 30))
    stops = linear_model_degrees_of_freedom_stop_reasons(model, rows)
    assert [stop.rule for stop in stops] == ["degrees of freedom"] * stopped
    if stops:
        assert "fewer than 10 residual degrees" in str(stops[0].why)
    assert linear_model_degrees_of_freedom_stop_reasons(model, rows, fewest=members - 4) == []
    forest = SimpleNamespace(features=("a", "b", "c"), body=object.__new__(TreeEnsemble))
    assert linear_model_degrees_of_freedom_stop_reasons(forest, rows) == []


def test_a_measured_outcome_that_is_always_the_same_is_a_figure_still():
    assert attacked([2.0] * 5 + [1.0] * 5, [2.0] * 10, [True] * 5 + [False] * 5).auc == 1.0


@pytest.mark.parametrize("certain", [1.0, 1.3, 0.0, -0.3])
def test_a_certain_prediction_is_the_best_or_the_worst_and_never_none(certain):
    right = 1.0 if certain > 0.5 else 0.0
    for outcome, auc in ((right, 1.0), (1 - right, 0.0)):
        assert attack_membership([certain, 0.5], [outcome] * 2, [1, 0]).auc == auc
        assert attack_membership([certain, certain], [outcome] * 2, [1, 0]).auc == 0.5


def test_a_member_is_found_above_the_score_of_false_alarms_and_not_at_it():
    assert attack_membership([0.5] * 30, [1] * 30, [1] * 10 + [0] * 20).found_share == 0.0
    assert (
        attack_membership([0.6] * 10 + [0.5] * 20, [1] * 30, [1] * 10 + [0] * 20).found_share == 1
    )


@pytest.mark.parametrize(("left", "right", "few"), [(8, 12, 0), (7, 13, 1), (7, 6, 2), (0, 8, 0)])
def test_a_leaf_holds_eight_training_people_or_none(left, right, few):
    """One split at a half, twice; those kept back do not fill a leaf."""
    tree = DecisionTree(
        np.array([0, -1, -1]), np.array([0.5, 0.0, 0.0]), np.array([1, 0, 0]), np.array([2, 0, 0]),
        np.zeros(3),
    )  # fmt: skip
    body = object.__new__(TreeEnsemble)
    object.__setattr__(body, "trees", (tree, tree))
    model = SimpleNamespace(body=body, scaled_features=lambda x: x)
    x = np.array([[0.0]] * left + [[1.0]] * right + [[0.0], [1.0]] * 4)
    rows = SimpleNamespace(x=x, is_member=np.arange(len(x)) < left + right)
    stops = small_tree_leaf_stop_reasons(model, rows)
    assert len(stops) == bool(few)
    if few:
        assert str(stops[0].why).startswith(f"{2 * few} leaves of its trees hold fewer than 8")
    assert small_tree_leaf_stop_reasons(SimpleNamespace(body=None), rows) == []
