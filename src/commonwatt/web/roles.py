"""Who may do what in the console: one table, read by every door.

A person may hold several roles and has what any of them gives. Rooms and models
have tables of their own for their steps; a role here only opens the door to them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.ledger.roles import LedgerRole
from commonwatt.web.errors import ForbiddenError


class ConsoleRole(StrEnum):
    """What a person is: those roles of the ledger that an account can have."""

    VIEWER = LedgerRole.VIEWER.value
    PLANNER = LedgerRole.PLANNER.value
    OPERATOR = LedgerRole.OPERATOR.value
    TREASURER = LedgerRole.TREASURER.value
    CUSTODIAN = LedgerRole.DATA_CUSTODIAN.value
    RESEARCHER = LedgerRole.RESEARCHER.value
    CHECKER = LedgerRole.OUTPUT_CHECKER.value
    CLINICIAN = LedgerRole.CLINICIAN.value
    REGULATOR = LedgerRole.REGULATOR.value
    REGISTRAR = LedgerRole.REGISTRAR.value


class ConsoleAction(StrEnum):
    """What can be done in the console."""

    SEE_PLANS = "see-plans"  # programme, fleet, sites, runs
    SEE_TREASURY = "see-treasury"
    # The texts stand in refusals of the API, so they stay when a name in the code changes.
    SEE_PROJECTS = "see-rooms"  # states and counts, never a record
    SEE_OUTPUTS = "see-outputs"  # what would leave a room
    SEE_MODELS = "see-models"
    SEE_LEDGER = "see-ledger"
    SEE_CLUSTER = "see-cluster"
    START_RUN = "start-run"
    STOP_RUN = "stop-run"
    PIN_STUDY = "pin-study"
    DRAIN_NODE = "drain-node"
    QUERY_PROJECT = "ask-room"
    VOTE_OUTPUT = "vote-output"
    RELEASE_OUTPUT = "release-output"
    RECALL_OUTPUT = "recall-output"
    REPORT_INCIDENT = "report-incident"
    TELL_PATIENT = "tell-patient"
    VERIFY_LEDGER = "verify-ledger"
    MANAGE_ACCOUNTS = "manage-accounts"


_R = ConsoleRole
_EVERYBODY: Final = frozenset(ConsoleRole)

ACTION_ROLES: Final[Mapping[ConsoleAction, frozenset[ConsoleRole]]] = {
    # The power to grant roles is not the power to look.
    ConsoleAction.SEE_PLANS: _EVERYBODY - {_R.REGISTRAR},
    ConsoleAction.SEE_TREASURY: frozenset({_R.VIEWER, _R.PLANNER, _R.TREASURER, _R.REGULATOR}),
    ConsoleAction.SEE_PROJECTS: frozenset({_R.CUSTODIAN, _R.RESEARCHER, _R.CHECKER, _R.REGULATOR}),
    ConsoleAction.SEE_OUTPUTS: frozenset({_R.CUSTODIAN, _R.CHECKER}),
    ConsoleAction.SEE_MODELS: frozenset({_R.VIEWER, _R.CLINICIAN, _R.RESEARCHER, _R.REGULATOR}),
    ConsoleAction.SEE_LEDGER: frozenset({_R.REGULATOR, _R.REGISTRAR, _R.CUSTODIAN}),
    ConsoleAction.SEE_CLUSTER: frozenset({_R.VIEWER, _R.PLANNER, _R.OPERATOR}),
    ConsoleAction.START_RUN: frozenset({_R.PLANNER, _R.OPERATOR, _R.TREASURER}),
    ConsoleAction.STOP_RUN: frozenset({_R.PLANNER, _R.OPERATOR, _R.TREASURER}),
    # What everybody opens with is chosen by who plans; who keeps the accounts can step in.
    ConsoleAction.PIN_STUDY: frozenset({_R.PLANNER, _R.REGISTRAR}),
    ConsoleAction.DRAIN_NODE: frozenset({_R.OPERATOR}),
    ConsoleAction.QUERY_PROJECT: frozenset({_R.RESEARCHER}),
    # Two roles, so that no single one can let an output leave.
    ConsoleAction.VOTE_OUTPUT: frozenset({_R.CHECKER}),
    ConsoleAction.RELEASE_OUTPUT: frozenset({_R.CUSTODIAN}),
    ConsoleAction.RECALL_OUTPUT: frozenset({_R.CUSTODIAN, _R.CHECKER}),
    ConsoleAction.REPORT_INCIDENT: frozenset({_R.CLINICIAN}),
    ConsoleAction.TELL_PATIENT: frozenset({_R.CLINICIAN}),
    ConsoleAction.VERIFY_LEDGER: frozenset({_R.REGULATOR, _R.REGISTRAR}),
    ConsoleAction.MANAGE_ACCOUNTS: frozenset({_R.REGISTRAR}),
}
"""Who may do a thing. Nobody may do what is not in the table."""

ROLE_NAMES: Final[Mapping[ConsoleRole, Message]] = {
    _R.VIEWER: Message("Viewer"),
    _R.PLANNER: Message("Planner"),
    _R.OPERATOR: Message("Operator"),
    _R.TREASURER: Message("Treasurer"),
    _R.CUSTODIAN: Message("Data custodian"),
    _R.RESEARCHER: Message("Researcher"),
    _R.CHECKER: Message("Output checker"),
    _R.CLINICIAN: Message("Clinician"),
    _R.REGULATOR: Message("Regulator"),
    _R.REGISTRAR: Message("Registrar of accounts"),
}

ACTION_NAMES: Final[Mapping[ConsoleAction, Message]] = {
    ConsoleAction.SEE_PLANS: Message("See programmes, fleet, sites and runs"),
    ConsoleAction.SEE_TREASURY: Message("See public accounts and debt paths"),
    ConsoleAction.SEE_PROJECTS: Message("See the states of data projects"),
    ConsoleAction.SEE_OUTPUTS: Message("See what would leave a room"),
    ConsoleAction.SEE_MODELS: Message("See models and their surveillance"),
    ConsoleAction.SEE_LEDGER: Message("Read the ledger"),
    ConsoleAction.SEE_CLUSTER: Message("See the live cluster"),
    ConsoleAction.START_RUN: Message("Start a run"),
    ConsoleAction.STOP_RUN: Message("Stop a run"),
    ConsoleAction.PIN_STUDY: Message("Choose the study that the console opens with"),
    ConsoleAction.DRAIN_NODE: Message("Drain a node"),
    ConsoleAction.QUERY_PROJECT: Message("Send a request into a room"),
    ConsoleAction.VOTE_OUTPUT: Message("Vote on an output"),
    ConsoleAction.RELEASE_OUTPUT: Message("Release an approved output"),
    ConsoleAction.RECALL_OUTPUT: Message("Recall an approved output"),
    ConsoleAction.REPORT_INCIDENT: Message("Report an incident of a model"),
    ConsoleAction.TELL_PATIENT: Message("Record that a patient was told of a model"),
    ConsoleAction.VERIFY_LEDGER: Message("Verify the ledger"),
    ConsoleAction.MANAGE_ACCOUNTS: Message("Make accounts and grant roles"),
}


def roles_can_act(roles: Collection[ConsoleRole], action: ConsoleAction) -> bool:
    """Return whether any of `roles` may take `action`.

    >>> roles_can_act({ConsoleRole.VIEWER}, ConsoleAction.SEE_PLANS)
    True
    >>> roles_can_act({ConsoleRole.VIEWER}, ConsoleAction.START_RUN)
    False
    """
    return not ACTION_ROLES[action].isdisjoint(roles)


def check_roles_can_act(roles: Collection[ConsoleRole], action: ConsoleAction) -> None:
    """Refuse whoever may not take `action`.

    Raises:
        ForbiddenError: None of the roles gives it; the error names those that do.
    """
    if not roles_can_act(roles, action):
        names = ", ".join(sorted(ACTION_ROLES[action]))
        raise ForbiddenError(
            action.value,
            found=Message("the roles {roles}", {"roles": ", ".join(sorted(roles)) or "–"}),
            wanted=Message("one of the roles {roles}", {"roles": names}),
            remedy=Message("Ask whoever keeps the accounts for the role."),
        )
