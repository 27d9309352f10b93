"""First-fit: the first node, in the fleet's order, that has room."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy

CODE = 0
POLICY = PlacePolicy("first-fit", CODE, Message("the first node that has room"))
