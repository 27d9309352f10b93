"""Random-fit: any node that has room, each as likely; a share goes to any GPU likewise."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy

CODE = 1
POLICY = PlacePolicy("random-fit", CODE, Message("any node that has room, each as likely"))
