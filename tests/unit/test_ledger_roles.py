"""Nobody is enrolled under a role that no rule knows; who was once, stays readable and may sign."""

from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import commonwatt.ledger.people as people
from commonwatt.core.errors import InputError
from commonwatt.ledger import EntryDraft, Key, Ledger, Person
from commonwatt.ledger.roles import LedgerRole, check_known_ledger_role
from commonwatt.ledger.usecases import enrol_ledger_actor, init_ledger_with_first_registrar
from commonwatt.ledger.verify import verify_ledger
from tests.proofs import most_examples_reach

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
ROOT, OTHER = Key.from_seed(bytes(32)), Key.from_seed(bytes([7]) * 32)


def _person(role: str, name: str = "A. Chan") -> Person:
    return Person(name=name, role=role, organisation="HA", device="card-1")


def _misspelt(role: str) -> st.SearchStrategy[str]:
    """Give spellings near a role: a letter away, another case, blanks, a plural."""
    swapped = st.integers(0, len(role) - 2).map(
        lambda i: role[:i] + role[i + 1] + role[i] + role[i + 2 :]
    )
    dropped = st.integers(0, len(role) - 1).map(lambda i: role[:i] + role[i + 1 :])
    near = (role.upper(), role.title(), f" {role}", f"{role}\n", f"{role}s", role.replace("-", "_"))
    return swapped | dropped | st.sampled_from(near)


KNOWN = st.sampled_from([role.value for role in LedgerRole])
GIVEN = KNOWN | KNOWN.flatmap(_misspelt) | st.text(max_size=12)


@pytest.fixture
def ledger():
    with_root = Ledger.open("sqlite://")
    with_root.enrol_first_registrar(ROOT, _person("registrar"), at=AT)
    yield with_root
    with_root.engine.dispose()


def test_the_roles_of_the_tables_are_enrolled_and_all_others_refused():
    ledger = Ledger.open("sqlite://")
    ledger.enrol_first_registrar(ROOT, _person("registrar"), at=AT)
    refused = 0

    @given(GIVEN)
    def law(role):
        nonlocal refused
        examples.drawn += 1
        size, key = ledger.head().size, Key.generate()
        if role in set(LedgerRole):
            with ledger.transaction() as tx:
                person = _person(role, f"N. {examples.drawn}")
                assert ledger.enrol(tx, person, key.public_key, by=ROOT, at=AT)
            assert ledger.head().size == size + 1
        else:
            with pytest.raises(InputError) as error, ledger.transaction() as tx:
                ledger.enrol(tx, _person(role), key.public_key, by=ROOT, at=AT)
            assert repr(role) in str(error.value)
            assert all(known in str(error.value) for known in LedgerRole)
            assert error.value.remedy
            assert ledger.head().size == size
            refused += 1
        examples.reached += 1

    with most_examples_reach(1.0) as examples:
        law()
    # Both sides of the rule were met, neither by a handful of examples.
    assert 0.25 < refused / examples.drawn < 0.85
    verify_ledger(ledger)
    ledger.engine.dispose()


def test_a_chain_of_an_older_version_with_a_role_of_its_own_is_read_verified_and_signed(ledger):
    with mock.patch.object(people, "check_known_ledger_role"), ledger.transaction() as tx:
        ledger.enrol(tx, _person("clerk"), OTHER.public_key, by=ROOT, at=AT)
    with pytest.raises(InputError, match="'clerk'"):
        check_known_ledger_role("clerk", "role")
    step = EntryDraft(kind="demo.step", subject="thing/1", body={})
    with ledger.transaction() as tx:
        ledger.append(tx, [step], by=OTHER, at=AT, roles=frozenset({"clerk"}))
    assert [actor.person.role for actor in ledger.actors()] == ["registrar", "clerk"]
    assert verify_ledger(ledger).entries == 3


@pytest.mark.parametrize(("role", "is_known"), [("clinician", True), ("clinican", False)])
def test_no_key_is_made_for_whom_the_enrolment_refuses(tmp_path: Path, role, is_known):
    place, by, key = str(tmp_path / "l.db"), tmp_path / "by.pem", tmp_path / "key.pem"
    init_ledger_with_first_registrar(place, by, _person("registrar"), now=AT)
    if is_known:
        enrol_ledger_actor(place, by, key, _person(role), now=AT)
    else:
        with pytest.raises(InputError, match=r"role: found 'clinican', wanted one of the roles"):
            enrol_ledger_actor(place, by, key, _person(role), now=AT)
    assert key.exists() is is_known
