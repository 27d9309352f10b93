"""The engine of lifecycles: a table that contradicts itself is refused, else it is one question."""

from enum import StrEnum

import pytest

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.governance.lifecycle import (
    Lifecycle,
    LifecycleMove,
    LifecycleTableError,
    MovePrecondition,
    MoveRefusal,
    lifecycle_diagram,
)
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
    assert lifecycle_diagram(DOOR) == (
        "stateDiagram-v2\n    [*] --> shut: make\n    shut --> wide_open: open\n"
        "    wide_open --> gone: break\n    gone --> [*]\n"
    )
