"""A lifecycle as a table, and the one body that asks it.

    origin ── step, by whom, if what ──▶ state

A row says all four: from which state to which, under which word in the ledger, who may,
and what must be true first. `check_move` raises and `can_move` asks, both through
`move_refusal`. After Airlock's transition map and its pairs of `check_user_can_…` and
`user_can_…`; there roles and preconditions stand apart from the map, and a row that no
code could make went unseen, which is why they are one row here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from commonwatt.core.errors import CommonwattError
from commonwatt.core.messages import Message
from commonwatt.ledger.roles import LedgerRole

S = TypeVar("S", bound=StrEnum)
F = TypeVar("F")


class LifecycleTableError(Exception):
    """A table of moves contradicts itself: a fault of ours, met when its module is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRefusal:
    """Why a move may not be made.

    Args:
        found: What stands in the way.
        wanted: What is wanted instead.
        remedy: What to do next.
        where: The record at fault, where it is not the thing that moves.
        error: The error that says so, where it is not the lifecycle's own.
    """

    found: str | Message = ""
    wanted: str | Message = ""
    remedy: str | Message = ""
    where: str = ""
    error: type[CommonwattError] | None = None


# No slots on the generic ones: Python 3.11 cannot make a frozen one with slots by its written type.
@dataclass(frozen=True, kw_only=True)
class MovePrecondition(Generic[F]):
    """What must be true before a move.

    Args:
        name: One word for it.
        sentence: Says what must be true.
        refusal: Returns what stands in the way, or None where it is true.
    """

    name: str
    sentence: Message
    refusal: Callable[[F], MoveRefusal | None]


@dataclass(frozen=True, kw_only=True)
class LifecycleMove(Generic[S, F]):
    """One row of the table.

    Args:
        origin: From where; None where the thing begins.
        to: To where.
        step: The word under which the ledger has it.
        who: Roles that may make it.
        needs: What must be true first, asked in this order.
    """

    origin: S | None
    to: S
    step: str
    who: frozenset[LedgerRole]
    needs: tuple[MovePrecondition[F], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lifecycle(Generic[S, F]):
    """States of one kind of thing and every move that there is.

    Args:
        name: What moves.
        states: All states.
        moves: All moves; two rows of the same states and step name other roles, so that what
            must be true first can differ by who moves.
        error: Raised where the table has no such move, or a precondition does not hold.
        role_error: Raised where the role may not make it.
        at_rest: The state of a thing that nobody ever moved, where it needs no beginning.
        remedies: What to do where a state leads no further.

    Raises:
        LifecycleTableError: A state cannot be reached, a row names nobody or no known role, or
            two rows say different things of one move.
    """

    name: str
    states: type[S]
    moves: tuple[LifecycleMove[S, F], ...]
    error: type[CommonwattError]
    role_error: type[CommonwattError]
    at_rest: S | None = None
    remedies: Mapping[S, Message] = field(default_factory=dict[S, Message])

    def __post_init__(self) -> None:
        check_lifecycle_table(self)

    def states_reachable_by_one_move(self, origin: S | None) -> frozenset[S]:
        """Return the states that some move leads to from `origin`."""
        return frozenset(row.to for row in self.moves if row.origin == origin)

    def has_move(self, origin: S | None, to: S) -> bool:
        """Return whether somebody may make such a move under some condition."""
        return to in self.states_reachable_by_one_move(origin)

    def is_final_lifecycle_state(self, state: S) -> bool:
        """Return whether no move leads on from `state`."""
        return not self.states_reachable_by_one_move(state)

    def roles_of_move(self, origin: S | None, to: S, step: str) -> frozenset[LedgerRole]:
        """Return the roles that may make a move; none where there is no such move."""
        rows = (row.who for row in self._lifecycle_rows_of_move(origin, to, step))
        return frozenset[LedgerRole]().union(*rows)

    def can_move(
        self, origin: S | None, to: S, *, step: str, roles: Collection[str], facts: F
    ) -> bool:
        """Return whether a holder of `roles` may make the move now."""
        return self.move_refusal(origin, to, step=step, roles=roles, facts=facts) is None

    def check_move(
        self, where: str, origin: S | None, to: S, *, step: str, roles: Collection[str], facts: F
    ) -> None:
        """Raise unless a holder of `roles` may make the move now.

        Raises:
            CommonwattError: The lifecycle's own error; it names the moves that exist, the roles
                that may, or what is not true yet.
        """
        refusal = self.move_refusal(origin, to, step=step, roles=roles, facts=facts)
        if refusal:
            raise_move_refusal(self, refusal, where)

    def move_refusal(
        self, origin: S | None, to: S, *, step: str, roles: Collection[str], facts: F
    ) -> MoveRefusal | None:
        """Return why the move may not be made; first the table, then the role, then the facts."""
        rows = self._lifecycle_rows_of_move(origin, to, step)
        if not rows:
            return self._no_such_move_refusal(origin, to)
        # Somebody with two roles is held to the first row that one of them may make: rows of one
        # move name other roles, so the order of rows decides nothing for who has one role, as
        # every key in the ledger does.
        row = next((row for row in rows if not row.who.isdisjoint(roles)), None)
        if row is None:
            return self._role_refusal(origin, to, step, roles)
        return next((refusal for need in row.needs if (refusal := need.refusal(facts))), None)

    def broken_precondition(
        self, origin: S | None, to: S, *, step: str, role: LedgerRole, facts: F
    ) -> MovePrecondition[F] | None:
        """Return the first precondition that does not hold of a move that `role` may make."""
        for row in self._lifecycle_rows_of_move(origin, to, step):
            if role in row.who:
                return next((need for need in row.needs if need.refusal(facts)), None)
        return None

    def _lifecycle_rows_of_move(
        self, origin: S | None, to: S, step: str
    ) -> list[LifecycleMove[S, F]]:
        return [row for row in self.moves if (row.origin, row.to, row.step) == (origin, to, step)]

    def _no_such_move_refusal(self, origin: S | None, to: S) -> MoveRefusal:
        names = ", ".join(sorted(self.states_reachable_by_one_move(origin))) or "–"
        return MoveRefusal(
            found=Message(
                "{state}, from which {to} cannot follow", {"state": origin or "–", "to": to}
            ),
            wanted=Message("one of the moves {moves}", {"moves": names}),
            remedy=self.remedies.get(origin, "") if origin is not None else "",
            error=self.error,
        )

    def _role_refusal(
        self, origin: S | None, to: S, step: str, roles: Collection[str]
    ) -> MoveRefusal:
        may = ", ".join(sorted(self.roles_of_move(origin, to, step)))
        return MoveRefusal(
            found=Message("the role {role}", {"role": ", ".join(sorted(roles)) or "–"}),
            wanted=Message("one of the roles {roles}", {"roles": may}),
            error=self.role_error,
        )


def raise_move_refusal(lifecycle: Lifecycle[S, F], refusal: MoveRefusal, where: str) -> None:
    """Raise the error that says a refusal."""
    error = refusal.error or lifecycle.error
    raise error(
        refusal.where or where,
        found=refusal.found,
        wanted=refusal.wanted,
        remedy=refusal.remedy,
    )


def check_lifecycle_table(lifecycle: Lifecycle[S, F]) -> None:
    """Refuse a table that contradicts itself.

    Raises:
        LifecycleTableError: It does.
    """
    by_move: dict[tuple[str | None, str, str], set[str]] = {}
    for row in lifecycle.moves:
        move = (row.origin, row.to, row.step)
        # By value and not by type: a bare string that equals a role is as good as the role.
        unknown = {str(role) for role in row.who} - {role.value for role in LedgerRole}
        if not row.who or unknown or not row.step:
            raise LifecycleTableError(f"{lifecycle.name}: {move} names no step or no known role")
        known = by_move.setdefault(move, set())
        if not known.isdisjoint(row.who):
            raise LifecycleTableError(f"{lifecycle.name}: {move} twice for {row.who & known}")
        known |= row.who
        if row.origin == row.to:
            raise LifecycleTableError(f"{lifecycle.name}: {move} moves nothing")
    # A state that nothing leads to is a rule about nothing: whoever reads the diagram would
    # believe in a case that cannot come about.
    unreached = set(lifecycle.states) - reachable_lifecycle_states(lifecycle)
    if unreached:
        raise LifecycleTableError(f"{lifecycle.name}: nothing leads to {sorted(unreached)}")


def reachable_lifecycle_states(lifecycle: Lifecycle[S, F]) -> set[S]:
    """Return the states that some path of moves leads to."""
    reached = set(lifecycle.states_reachable_by_one_move(None))
    if lifecycle.at_rest is not None:
        reached.add(lifecycle.at_rest)
    queue = list(reached)
    while queue:
        following = lifecycle.states_reachable_by_one_move(queue.pop()) - reached
        reached |= following
        queue += following
    return reached


def lifecycle_diagram_mermaid(lifecycle: Lifecycle[S, F]) -> str:
    """Return the lifecycle as a state diagram in Mermaid's notation.

    States and moves in the order of the table, so that the same table gives the same bytes.
    """
    lines = ["stateDiagram-v2"]
    if lifecycle.at_rest is not None:
        lines.append(f"    [*] --> {_mermaid_state_name(lifecycle.at_rest)}")
    for row in lifecycle.moves:
        origin = "[*]" if row.origin is None else _mermaid_state_name(row.origin)
        lines.append(f"    {origin} --> {_mermaid_state_name(row.to)}: {row.step}")
    lines += [
        f"    {_mermaid_state_name(state)} --> [*]"
        for state in lifecycle.states
        if lifecycle.is_final_lifecycle_state(state)
    ]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _mermaid_state_name(state: StrEnum) -> str:
    return state.value.replace("-", "_")  # a hyphen ends a name in that notation
