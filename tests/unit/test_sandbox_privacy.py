"""Budgets that are never overspent, and noise that keeps its promise under attack."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from commonwatt.ledger import Ledger
from commonwatt.sandbox.domain.errors import PrivacyBudgetError
from commonwatt.sandbox.engines.privacy import account, measures
from tests.databases import postgresql
from tests.proofs import PROOFS


def _opened(path):
    ledger = Ledger.open(path)
    with ledger.transaction() as tx:
        account.metadata.create_all(tx)
    return ledger


def test_a_question_that_the_budget_does_not_cover_is_refused_and_costs_nothing():
    ledger = _opened("sqlite://")
    with ledger.transaction() as tx:
        account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0)
        account.set_privacy_budget_epsilon_limit(tx, "heart", 0.5, person="ann")
        account.spend_privacy_budget(tx, "heart", "ann", 0.4, purpose="count")
    for epsilon in (0.2, 0.100001):
        with (
            pytest.raises(PrivacyBudgetError, match="0.1 of epsilon left"),
            ledger.transaction() as tx,
        ):
            account.spend_privacy_budget(tx, "heart", "ann", epsilon, purpose="count")
    with ledger.transaction() as tx:
        assert account.privacy_budget_balance(tx, "heart").spent == 0.4
        account.spend_privacy_budget(tx, "heart", "ann", 0.1, purpose="count")
        assert account.privacy_budget_balance(tx, "heart", "ann").epsilon_left == 0.0


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf])
def test_a_cost_must_be_a_number_above_zero(epsilon):
    ledger = _opened("sqlite://")
    with ledger.transaction() as tx:
        account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0)
        account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0, person="ann")
    with pytest.raises(PrivacyBudgetError), ledger.transaction() as tx:
        account.spend_privacy_budget(tx, "heart", "ann", epsilon, purpose="count")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40).map(lambda n: n / 10),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 20).map(lambda n: n / 10)), max_size=30
    ),
)
def test_random_questions_never_overspend_project_or_person(limit, questions):
    ledger = _opened("sqlite://")
    with ledger.transaction() as tx:
        account.set_privacy_budget_epsilon_limit(tx, "heart", limit)
        for person in "abc":
            account.set_privacy_budget_epsilon_limit(tx, "heart", limit / 2, person=person)
    accepted = dict.fromkeys("abc", 0.0)
    for person, epsilon in questions:
        try:
            with ledger.transaction() as tx:
                account.spend_privacy_budget(tx, "heart", person, epsilon, purpose="q")
            accepted[person] += epsilon
        except PrivacyBudgetError:
            fits = sum(accepted.values()) + epsilon <= limit + 1e-9
            assert not (fits and accepted[person] + epsilon <= limit / 2 + 1e-6)
    with ledger.transaction() as tx:
        assert account.privacy_budget_balance(tx, "heart").spent == pytest.approx(
            sum(accepted.values())
        )
        for person, spent in accepted.items():
            assert account.privacy_budget_balance(tx, "heart", person).spent == pytest.approx(spent)
            assert spent <= limit / 2 + 1e-6


def _spend_many(path, person, times):
    ledger = Ledger.open(path)
    done = 0
    for _ in range(times):
        try:
            with ledger.transaction() as tx:
                account.spend_privacy_budget(tx, "heart", person, 0.001, purpose="q")
            done += 1
        except PrivacyBudgetError:
            pass
    return done


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path):
    """A new database of each kind."""
    if request.param == "sqlite":
        yield str(tmp_path / "state.db")
    else:
        with postgresql() as url:
            yield url


@pytest.mark.slow
def test_parallel_processes_spend_exactly_what_was_granted(where):
    """Four processes ask for 100 thousandths each of a budget of 300."""
    path = where
    ledger = _opened(path)
    with ledger.transaction() as tx:
        account.set_privacy_budget_epsilon_limit(tx, "heart", 0.3)
        for person in "abcd":
            account.set_privacy_budget_epsilon_limit(tx, "heart", 2.0, person=person)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        done = pool.starmap(_spend_many, [(path, person, 100) for person in "abcd"])
    assert sum(done) == 300
    with ledger.transaction() as tx:
        assert account.privacy_budget_balance(tx, "heart").epsilon_left == 0.0
    ledger.engine.dispose()


_KILLED = """
import os, sys
from commonwatt.ledger import Ledger
from commonwatt.sandbox.engines.privacy import account, measures
ledger = Ledger.open(sys.argv[1])
while True:
    with ledger.transaction() as tx:
        account.spend_privacy_budget(tx, "heart", "ann", 0.001, purpose="q")
    measures.noisy_count_query(100).answer(0.001)
    os.write(1, b".")
"""


def test_a_killed_process_loses_no_cost_of_an_answer_it_gave(tmp_path):
    path = str(tmp_path / "state.db")
    ledger = _opened(path)
    with ledger.transaction() as tx:
        account.set_privacy_budget_epsilon_limit(tx, "heart", 1000.0)
        account.set_privacy_budget_epsilon_limit(tx, "heart", 1000.0, person="ann")
    answers = 0
    for kill_after in (1, 7, 20):
        process = subprocess.Popen([sys.executable, "-c", _KILLED, path], stdout=subprocess.PIPE)
        for _ in range(kill_after):
            answers += len(process.stdout.read(1))
        os.kill(process.pid, signal.SIGKILL)
        answers += len(process.communicate()[0])
    with ledger.transaction() as tx:
        spent = round(account.privacy_budget_balance(tx, "heart").spent * 1000)
    assert answers >= 1 + 7 + 20  # each was killed in the midst of answering, and not before
    assert answers <= spent <= answers + 3


# What an attacker sees who must tell two tables apart that differ by one person.
EPSILON = 1.0
VALUES = np.linspace(0.0, 1.0, 50)
FEATURES = np.linspace(-1.0, 1.0, 30).reshape(-1, 1)
MECHANISMS = {
    "count": lambda extra: measures.noisy_count_query(50 + extra).answer(EPSILON).values[0],
    "sum": lambda extra: (
        measures.noisy_total_query(np.append(VALUES, [1.0] * extra), lowest=0.0, highest=1.0)
        .answer(EPSILON)
        .values[0]
    ),
    "mean": lambda extra: measures.noisy_mean_answer(
        np.append(VALUES, [1.0] * extra), EPSILON, lowest=0.0, highest=1.0
    ).values[0],
    "histogram": lambda extra: (
        measures.noisy_histogram_query([20, 30 + extra]).answer(EPSILON).values[1]
    ),
    "contingency table": lambda extra: (
        measures.noisy_histogram_query([5, 10, 15, 20 + extra]).answer(EPSILON).values[3]
    ),
    "quantile": lambda extra: measures.noisy_quantile_answer(
        np.append(VALUES, [1.0] * extra), EPSILON, share=0.5, candidates=[0.4, 0.5, 0.6]
    ).values[0],
    "linear regression": lambda extra: measures.noisy_linear_regression(
        np.vstack([FEATURES, np.ones((extra, 1))]),
        np.append(FEATURES[:, 0], [-1.0] * extra),
        EPSILON,
    ).values[1],
    "logistic regression": lambda extra: measures.noisy_logistic_regression(
        np.vstack([FEATURES, np.ones((extra, 1))]),
        np.append(FEATURES[:, 0] > 0, [0.0] * extra),
        EPSILON,
    ).values[1],
}


def _lower_bound(without, with_one):
    """Return an epsilon that the attacker proves, at 99.9 % confidence, by one threshold."""
    best = 0.0
    tries = len(without)
    for threshold in np.quantile(np.concatenate([without, with_one]), np.linspace(0.02, 0.98, 25)):
        for a, b in ((without, with_one), (with_one, without)):
            for side in (np.greater, np.less):
                hits, false = int(side(a, threshold).sum()), int(side(b, threshold).sum())
                low = beta.ppf(0.0005, hits, tries - hits + 1) if hits else 0.0
                high = beta.ppf(0.9995, false + 1, tries - false) if false < tries else 1.0
                if low > 0:
                    best = max(best, math.log(low / high))
    return best


@pytest.mark.slow
@pytest.mark.prove
@pytest.mark.parametrize("name", MECHANISMS)
def test_no_attacker_tells_neighbours_apart_better_than_epsilon_allows(name):
    ask = MECHANISMS[name]
    tries = PROOFS.size(600, 4_000)
    without = np.array([ask(0) for _ in range(tries)])
    with_one = np.array([ask(1) for _ in range(tries)])
    assert _lower_bound(without, with_one) <= EPSILON * 1.02
    assert len(np.unique(without)) > 1


def test_the_attacker_catches_noise_that_is_too_small():
    """The audit can fail: a count with a quarter of the noise that it claims."""
    without = np.array([measures.noisy_count_query(50).answer(4.0).values[0] for _ in range(3_000)])
    with_one = np.array(
        [measures.noisy_count_query(51).answer(4.0).values[0] for _ in range(3_000)]
    )
    assert _lower_bound(without, with_one) > EPSILON * 1.5


@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_errors_are_as_theory_says(epsilon):
    """Discrete Laplace noise of scale s has mean absolute value 2q / (1 - q²), q = e^(-1/s)."""
    tries = PROOFS.size(2_500, 10_000)
    errors = [
        abs(measures.noisy_count_query(1000).answer(epsilon).values[0] - 1000) for _ in range(tries)
    ]
    q = math.exp(-epsilon)
    assert np.mean(errors) == pytest.approx(2 * q / (1 - q * q), rel=0.1)
    sums = [
        abs(
            measures.noisy_total_query(VALUES, lowest=0.0, highest=1.0).answer(epsilon).values[0]
            - VALUES.sum()
        )
        for _ in range(tries)
    ]
    assert np.mean(sums) == pytest.approx(1 / epsilon, rel=0.1)


def test_models_come_close_to_exact_ones_when_epsilon_is_large():
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, (4000, 2))
    y = 0.2 + 0.5 * x[:, 0] - 0.3 * x[:, 1] + rng.normal(0, 0.05, 4000)
    coefficients = measures.noisy_linear_regression(x, y, 50.0).values
    assert coefficients == pytest.approx((0.2, 0.5, -0.3), abs=0.02)
    odds = 1 / (1 + np.exp(-(0.4 * x[:, 0])))
    outcome = rng.uniform(size=4000) < odds
    weights = measures.noisy_logistic_regression(x, outcome, 50.0).values
    assert weights[1] == pytest.approx(0.4, abs=0.12)
    assert weights[2] == pytest.approx(0.0, abs=0.12)


def test_a_person_stands_in_no_more_rows_than_allowed():
    frame = pl.DataFrame({"who": list("aabbbc"), "x": range(6)})
    limited = measures.frame_limited_to_rows_a_person(frame, "who", 2)
    assert limited["x"].to_list() == [0, 1, 2, 3, 5]


def test_values_outside_the_bounds_count_as_the_bound():
    wild = measures.noisy_total_query([1e300, -1e300, math.nan], lowest=-1.0, highest=2.0)
    assert wild.totals[0] / wild.unit == pytest.approx(2.0 - 1.0 - 1.0, abs=1e-5)
    assert wild.sensitivity == 2 * wild.unit
