"""Who takes which step of the registry, and the command that takes it.

A thing that stands still names one of these: whoever reads a list of what waits must not
have to know which command moves it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from commonwatt.ledger.roles import LedgerRole


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryStep:
    """A step that somebody must take.

    Args:
        role: Who may take it.
        command: What takes it, without the program's name.
    """

    role: LedgerRole
    command: str


REGISTER_VERSION: Final = RegistryStep(
    role=LedgerRole.MANUFACTURER, command="clinic model register version"
)
REGISTER_USE: Final = RegistryStep(
    role=LedgerRole.MANUFACTURER, command="clinic model register intended-use"
)
RULE: Final = RegistryStep(
    role=LedgerRole.REGULATORY_OFFICER, command="clinic model classify --record"
)
EXAMINE: Final = RegistryStep(role=LedgerRole.EVALUATOR, command="clinic model evidence --record")
DETERMINE: Final = RegistryStep(
    role=LedgerRole.COMMITTEE_CHAIR, command="clinic model register determination"
)
FULFIL: Final = RegistryStep(
    role=LedgerRole.COMMITTEE_CHAIR, command="clinic model register fulfilment"
)
PROPOSE: Final = RegistryStep(
    role=LedgerRole.CLINICAL_LEAD, command="clinic model register deployment"
)
APPROVE: Final = RegistryStep(role=LedgerRole.COMMITTEE_CHAIR, command="clinic model approve")
GO_LIVE: Final = RegistryStep(role=LedgerRole.CLINICAL_LEAD, command="clinic model deploy")
RETIRE: Final = RegistryStep(role=LedgerRole.CLINICAL_LEAD, command="clinic model pause --retire")
ANSWER: Final = RegistryStep(role=LedgerRole.CLINICAL_LEAD, command="clinic monitor answer")
WATCH: Final = RegistryStep(role=LedgerRole.MONITOR, command="clinic monitor run --deployment")
REPORT: Final = RegistryStep(role=LedgerRole.SAFETY_OFFICER, command="clinic incident close")
