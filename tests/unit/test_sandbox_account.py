"""The account of privacy: each rounding, each refusal, each row; small enough for mutants."""

import pytest
import sqlalchemy as sa

from commonwatt.sandbox.domain.errors import PrivacyBudgetError
from commonwatt.sandbox.engines.privacy import account


@pytest.fixture
def tx():
    """A connection to a new database that holds the two tables and nothing else."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        account.metadata.create_all(connection)
        yield connection
    engine.dispose()


def _rows(tx, table):
    return [dict(row) for row in tx.execute(sa.select(table)).mappings()]


def test_a_budget_is_granted_as_given_with_nothing_spent(tx):
    account.set_privacy_budget_epsilon_limit(tx, "heart", 1.5, person="ann")
    assert _rows(tx, account.budgets) == [
        {"room": "heart", "person": "ann", "limit_micro": 1_500_000, "spent_micro": 0}
    ]
    balance = account.privacy_budget_balance(tx, "heart", "ann")
    assert (balance.limit, balance.spent, balance.epsilon_left) == (1.5, 0.0, 1.5)


@pytest.mark.parametrize(
    ("epsilon", "cost"),
    [
        (1e-9, 1),  # never free
        (0.1, 100_000),
        (0.1 + 0.2, 300_000),  # the sum is above 0.3 by half a unit in the last place
        (1.0, 1_000_000),
        (0.0000011, 2),
        (2.0000005, 2_000_001),
    ],
)
def test_a_cost_is_rounded_up_to_a_millionth(epsilon, cost):
    assert account.micro_epsilon_rounded_up(epsilon) == cost


@pytest.mark.parametrize(
    ("epsilon", "limit"),
    [(0.1, 100_000), (0.29, 290_000), (1.0000019, 1_000_001), (0.0000025, 2), (8.7, 8_700_000)],
)
def test_a_grant_is_rounded_down_to_a_millionth(tx, epsilon, limit):
    """0.29 times a million is 289,999.99…, which is still the grant that was meant."""
    account.set_privacy_budget_epsilon_limit(tx, "heart", epsilon)
    assert _rows(tx, account.budgets)[0]["limit_micro"] == limit


@pytest.mark.parametrize("epsilon", [0.0, -0.5, float("nan"), float("inf")])
def test_neither_cost_nor_grant_may_be_no_number_above_zero(tx, epsilon):
    with pytest.raises(PrivacyBudgetError):
        account.micro_epsilon_rounded_up(epsilon)
    with pytest.raises(PrivacyBudgetError):
        account.set_privacy_budget_epsilon_limit(tx, "heart", epsilon)
    assert _rows(tx, account.budgets) == []


def test_a_spend_takes_from_project_and_person_and_is_on_record(tx):
    account.set_privacy_budget_epsilon_limit(tx, "heart", 2.0)
    account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0, person="ann")
    account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0, person="bob")
    account.set_privacy_budget_epsilon_limit(tx, "lung", 1.0, person="ann")
    account.spend_privacy_budget(tx, "heart", "ann", 0.25, purpose="count of falls")
    spent = {(r["room"], r["person"]): r["spent_micro"] for r in _rows(tx, account.budgets)}
    assert spent == {
        ("heart", ""): 250_000, ("heart", "ann"): 250_000, ("heart", "bob"): 0, ("lung", "ann"): 0,
    }  # fmt: skip
    assert _rows(tx, account.spends) == [
        {
            "number": 1, "room": "heart", "person": "ann", "cost_micro": 250_000,
            "purpose": "count of falls",
        }
    ]  # fmt: skip
    assert account.privacy_budget_balance(tx, "heart").epsilon_left == 1.75
    assert account.privacy_budget_balance(tx, "heart", "ann").spent == 0.25


def test_the_last_millionth_may_be_spent_and_none_beyond_it(tx):
    account.set_privacy_budget_epsilon_limit(tx, "heart", 5.0)
    account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0, person="ann")
    account.spend_privacy_budget(tx, "heart", "ann", 0.999999, purpose="q")
    with pytest.raises(PrivacyBudgetError) as refused:
        account.spend_privacy_budget(tx, "heart", "ann", 0.000002, purpose="q")
    message = str(refused.value)
    assert "heart/ann" in message
    assert "1e-06 of epsilon left" in message
    assert "2e-06 for this question" in message
    account.spend_privacy_budget(tx, "heart", "ann", 0.000001, purpose="q")
    assert account.privacy_budget_balance(tx, "heart", "ann").epsilon_left == 0.0


def test_a_project_that_is_spent_refuses_a_person_who_is_not(tx):
    account.set_privacy_budget_epsilon_limit(tx, "heart", 0.5)
    account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0, person="ann")
    with pytest.raises(PrivacyBudgetError, match=r"heart:? .*0\.5 of epsilon left"):
        account.spend_privacy_budget(tx, "heart", "ann", 0.6, purpose="q")
    account.spend_privacy_budget(tx, "heart", "ann", 0.5, purpose="q")


def test_without_a_grant_there_is_neither_balance_nor_spending(tx):
    with pytest.raises(PrivacyBudgetError, match="a budget that the custodian granted"):
        account.privacy_budget_balance(tx, "heart")
    account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0)
    with pytest.raises(PrivacyBudgetError, match="heart/ann.*a budget that the custodian granted"):
        account.spend_privacy_budget(tx, "heart", "ann", 0.1, purpose="q")
    account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0, person="ann")
    account.spend_privacy_budget(tx, "heart", "ann", 0.1, purpose="q")


def test_a_limit_may_be_lowered_to_what_was_spent_and_no_further(tx):
    account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0)
    account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0, person="ann")
    account.spend_privacy_budget(tx, "heart", "ann", 0.4, purpose="q")
    with pytest.raises(PrivacyBudgetError, match="heart/ann.*more spent already"):
        account.set_privacy_budget_epsilon_limit(tx, "heart", 0.399999, person="ann")
    account.set_privacy_budget_epsilon_limit(tx, "heart", 0.4, person="ann")
    balance = account.privacy_budget_balance(tx, "heart", "ann")
    assert (balance.limit, balance.spent) == (0.4, 0.4)
    assert account.privacy_budget_balance(tx, "heart").limit == 1.0
    account.set_privacy_budget_epsilon_limit(tx, "heart", 3.0, person="ann")
    assert account.privacy_budget_balance(tx, "heart", "ann").epsilon_left == 2.6


def test_the_database_itself_refuses_to_overspend(tx):
    row = {"room": "heart", "person": "", "limit_micro": 5, "spent_micro": 6}
    with pytest.raises(sa.exc.IntegrityError, match="never_overspent"):
        tx.execute(account.budgets.insert().values(row))
    tx.execute(account.budgets.insert().values(row | {"spent_micro": 5}))


def test_a_table_holds_what_the_account_relies_on():
    """A row without an owner, or two rows of one owner, would be a budget that nobody counts."""
    assert [c.name for c in account.budgets.primary_key] == ["room", "person"]
    assert [c.name for c in account.spends.primary_key] == ["number"]
    for table in (account.budgets, account.spends):
        assert not any(column.nullable for column in table.columns)
    assert account.budgets.c.spent_micro.default.arg == 0
    assert account.spends.c.number.autoincrement is True
    assert account.spends.c.room.index is True
    lengths = {c.name: c.type.length for c in account.spends.columns if hasattr(c.type, "length")}
    assert lengths == {"room": 80, "person": 80, "purpose": 200}
    assert {account.budgets.c[name].type.length for name in ("room", "person")} == {80}


def test_a_balance_shows_millionths_and_no_noise_of_doubles():
    assert account.BudgetBalance(limit=0.3, spent=0.1).epsilon_left == 0.2
    assert account.BudgetBalance(limit=1.0000001, spent=0.5).epsilon_left == 0.5
