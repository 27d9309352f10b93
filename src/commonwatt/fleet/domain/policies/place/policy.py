"""What a place policy is: a built-in rule by name, or a user's own in plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.state import FreeCapacity, PlacementRequest


@dataclass(frozen=True, slots=True)
class PlacePolicy:
    """A built-in place policy: the node with the highest score, the first of equals.

    Args:
        name: As the command line spells it.
        code: Number by which compiled code knows it.
        about: What it does, in a sentence.
        source: Where the rule comes from.
    """

    name: str
    code: int
    about: Message
    source: str = ""


@runtime_checkable
class UserPlacePolicy(Protocol):
    """A user's own place policy in plain Python: any object with a name and `choose`.

    `nodes_with_room(request, nodes)` tells which nodes have room. Both arguments are read only.
    """

    name: str

    def choose(self, request: PlacementRequest, nodes: FreeCapacity, draw: float) -> int:
        """Return the node for `request`, or -1 to leave it; `draw` is chance in [0, 1)."""
        ...
