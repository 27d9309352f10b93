"""The engine of lifecycles: a table that contradicts itself is refused, else it is one question."""

from datetime import UTC, datetime
from enum import StrEnum

import pytest
import sqlalchemy as sa

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.governance.lifecycle import (
    Lifecycle,
    LifecycleMove,
    LifecycleTableError,
    MovePrecondition,
    MoveRefusal,
    lifecycle_diagram_mermaid,
    reachable_lifecycle_states,
)
from commonwatt.governance.moves import MoveRequest, make_governed_move
from commonwatt.ledger import EntryDraft, Key, Ledger, Person
from commonwatt.ledger.errors import ActorError
from commonwatt.ledger.roles import LedgerRole


class Door(StrEnum):
    SHUT = "shut"
    OPEN = "wide-open"
    GONE = "gone"


KEY = MovePrecondition[bool](
    name="key", sentence=Message("A key."),
    refusal=lambda has: None if has else MoveRefusal(wanted="a key"),
)  # fmt: skip
CLERK, OTHER = frozenset({LedgerRole.OPERATOR}), frozenset({LedgerRole.AUDITOR})
MAKE = LifecycleMove(origin=None, to=Door.SHUT, step="make", who=CLERK)
OPEN = LifecycleMove(origin=Door.SHUT, to=Door.OPEN, step="open", who=CLERK, needs=(KEY,))
BREAK = LifecycleMove(origin=Door.OPEN, to=Door.GONE, step="break", who=CLERK)


def door(*moves, **more):
    return Lifecycle[Door, bool](
        name="door", states=Door, moves=moves, error=UsageError, role_error=ActorError,
        **more,
    )  # fmt: skip


DOOR = door(MAKE, OPEN, BREAK, remedies={Door.GONE: Message("Make another.")})


@pytest.mark.parametrize(
    ("moves", "fault"),
    [
        ((MAKE, OPEN), "nothing leads to"),
        ((OPEN, BREAK), "nothing leads to"),
        ((MAKE, OPEN, OPEN, BREAK), "twice"),
        ((MAKE, OPEN, BREAK, LifecycleMove(origin=Door.GONE, to=Door.GONE, step="x", who=CLERK)),
         "moves nothing"),
        ((MAKE, OPEN, LifecycleMove(origin=Door.OPEN, to=Door.GONE, step="", who=CLERK)),
         "no step"),
        ((MAKE, OPEN, LifecycleMove(origin=Door.OPEN, to=Door.GONE, step="x", who=frozenset())),
         "no known role"),
        ((MAKE, OPEN, LifecycleMove(origin=Door.OPEN, to=Door.GONE, step="x",
                                    who=frozenset({"oprator"}))), "no known role"),
    ],
)  # fmt: skip
def test_a_table_that_contradicts_itself_is_refused_where_it_is_read(moves, fault):
    with pytest.raises(LifecycleTableError, match=fault):
        door(*moves)


def test_two_rows_of_one_move_may_differ_by_role():
    bare = LifecycleMove[Door, bool](origin=Door.SHUT, to=Door.OPEN, step="open", who=OTHER)
    both = door(MAKE, OPEN, bare, BREAK)
    how = {"step": "open", "facts": False}
    assert not both.can_move(Door.SHUT, Door.OPEN, roles=CLERK, **how)
    assert both.can_move(Door.SHUT, Door.OPEN, roles=OTHER, **how)
    assert both.roles_of_move(Door.SHUT, Door.OPEN, "open") == CLERK | OTHER


def test_a_refusal_says_what_stands_in_the_way_and_what_to_do():
    def refused(error, words, *move, facts=True, roles=CLERK, step="open"):
        with pytest.raises(error) as caught:
            DOOR.check_move("front", *move, step=step, roles=roles, facts=facts)
        assert type(caught.value) is error
        assert words in str(caught.value)

    refused(UsageError, "gone, from which shut cannot follow", Door.GONE, Door.SHUT)
    refused(UsageError, "Make another.", Door.GONE, Door.SHUT)
    refused(UsageError, "one of the moves wide-open", Door.SHUT, Door.GONE)
    refused(UsageError, "cannot follow", Door.SHUT, Door.OPEN, step="break")
    refused(ActorError, "the role auditor", Door.SHUT, Door.OPEN, roles=OTHER)
    refused(UsageError, "a key", Door.SHUT, Door.OPEN, facts=False)
    DOOR.check_move("front", Door.SHUT, Door.OPEN, step="open", roles=CLERK, facts=True)


def test_the_diagram_has_every_state_and_every_move():
    assert lifecycle_diagram_mermaid(DOOR) == (
        "stateDiagram-v2\n    [*] --> shut: make\n    shut --> wide_open: open\n"
        "    wide_open --> gone: break\n    gone --> [*]\n"
    )


def test_a_thing_at_rest_needs_no_beginning_and_its_diagram_begins_there():
    resting = door(OPEN, BREAK, at_rest=Door.SHUT)
    assert reachable_lifecycle_states(resting) == set(Door)
    assert lifecycle_diagram_mermaid(resting).splitlines()[:2] == [
        "stateDiagram-v2",
        "    [*] --> shut",
    ]
    assert "[*] --> wide_open" not in lifecycle_diagram_mermaid(resting)
    with pytest.raises(LifecycleTableError, match=r"leads to \[.*SHUT"):
        door(OPEN, BREAK, at_rest=Door.OPEN)


def test_a_move_is_named_by_its_states_and_only_the_last_state_is_final():
    moves = {(None, Door.SHUT), (Door.SHUT, Door.OPEN), (Door.OPEN, Door.GONE)}
    for origin in (None, *Door):
        for to in Door:
            assert DOOR.has_move(origin, to) is ((origin, to) in moves)
            roles = DOOR.roles_of_move(origin, to, "open")
            assert roles == (CLERK if (origin, to) == (Door.SHUT, Door.OPEN) else frozenset())
    assert [DOOR.is_final_lifecycle_state(state) for state in Door] == [False, False, True]


def test_the_first_precondition_that_does_not_hold_is_named_to_a_role_that_may_move():
    lamp = MovePrecondition[bool](
        name="lamp", sentence=Message("A lamp."),
        refusal=lambda has: None if has else MoveRefusal(wanted="a lamp"),
    )  # fmt: skip
    both = LifecycleMove(origin=Door.SHUT, to=Door.OPEN, step="open", who=CLERK, needs=(KEY, lamp))
    two = door(MAKE, both, BREAK)

    def broken(role, facts, step="open"):
        return two.broken_precondition(Door.SHUT, Door.OPEN, step=step, role=role, facts=facts)

    assert broken(LedgerRole.OPERATOR, False) is KEY
    assert broken(LedgerRole.OPERATOR, True) is None
    # Who may not move at all is refused as a role, and no precondition is to blame.
    assert broken(LedgerRole.AUDITOR, False) is None
    assert broken(LedgerRole.OPERATOR, False, step="break") is None


def test_the_words_of_a_refusal_where_nothing_leads_on_or_nobody_asks():
    def text(*move, step="open", roles=CLERK):
        with pytest.raises((UsageError, ActorError)) as caught:
            DOOR.check_move("front", *move, step=step, roles=roles, facts=True)
        return str(caught.value)

    assert "one of the moves –" in text(Door.GONE, Door.OPEN)
    assert "one of the moves gone" in text(Door.OPEN, Door.SHUT)
    assert "–, from which gone cannot follow" in text(None, Door.GONE)
    assert "the role –" in text(Door.SHUT, Door.OPEN, roles=())
    assert "one of the roles operator" in text(Door.SHUT, Door.OPEN, roles=OTHER)
    assert "Make another." not in text(Door.SHUT, Door.GONE) + text(None, Door.GONE)


@pytest.mark.parametrize(("where", "error"), [("", None), ("lock", None), ("", ActorError)])
def test_a_refusal_names_its_own_record_and_error_before_the_lifecycle_s(where, error):
    stuck = MovePrecondition[bool](
        name="stuck", sentence=Message("Not stuck."),
        refusal=lambda _: MoveRefusal(found="rust", where=where, error=error),
    )  # fmt: skip
    row = LifecycleMove(origin=Door.SHUT, to=Door.OPEN, step="open", who=CLERK, needs=(stuck,))
    with pytest.raises(error or UsageError) as caught:
        door(MAKE, row, BREAK).check_move(
            "front", Door.SHUT, Door.OPEN, step="open", roles=CLERK, facts=True
        )
    assert type(caught.value) is (error or UsageError)
    assert str(caught.value).startswith(where or "front")


AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
OPERATOR_KEY, AUDITOR_KEY = (Key.from_seed(bytes([n]) * 32) for n in (7, 8))


@pytest.fixture
def ledger():
    made, root = Ledger.open("sqlite://"), Key.from_seed(bytes(32))

    def person(role):
        return Person(name=role, role=role, organisation="HA", device="d")

    made.enrol_first_registrar(root, person("registrar"), at=AT)
    with made.transaction() as tx:
        for role, key in (("operator", OPERATOR_KEY), ("auditor", AUDITOR_KEY)):
            made.enrol(tx, person(role), key.public_key, by=root, at=AT)
    yield made
    made.engine.dispose()


@pytest.mark.parametrize(
    ("key", "acting_for", "facts", "right"),
    [
        (OPERATOR_KEY, None, True, True),
        (OPERATOR_KEY, None, False, False),
        (AUDITOR_KEY, None, True, False),
        # A service signs for a person: the person's role decides, whatever the service's is.
        (AUDITOR_KEY, CLERK, True, True),
        (OPERATOR_KEY, OTHER, True, False),
        (OPERATOR_KEY, frozenset(), True, False),
    ],
)
def test_a_governed_move_is_saved_and_on_record_or_neither(ledger, key, acting_for, facts, right):
    entries = [EntryDraft(kind="demo.open", subject="door/front", body={"n": n}) for n in (1, 2)]
    request = MoveRequest(
        where="front", origin=Door.SHUT, to=Door.OPEN, step="open", facts=facts, entries=entries
    )
    size, saved, statements = ledger.head().size, [], []
    sa.event.listen(
        ledger.engine, "before_cursor_execute",
        lambda _c, _cursor, statement, *_: statements.append(statement),
    )  # fmt: skip

    def act():
        with ledger.transaction() as tx:
            statements.clear()
            return make_governed_move(
                ledger, tx, DOOR, request, by=key, at=AT, save=lambda: saved.append("here"),
                acting_for=acting_for,
            )  # fmt: skip

    if right:
        written = act()
        assert [entry.body for entry in written] == [{"n": 1}, {"n": 2}]
        assert [entry.index for entry in written] == [size, size + 1]
        assert list(ledger.entries(size)) == written
    else:
        with pytest.raises((UsageError, ActorError)):
            act()
    assert len(saved) == right
    assert ledger.head().size == size + 2 * right
    # The head is locked before anything is read that decides.
    reads = [line for line in statements if line.startswith("SELECT")]
    assert "head" in reads[0].split("FROM")[1]
    assert any("ledger_actors" in line for line in reads[1:])
