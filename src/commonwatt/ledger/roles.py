"""The roles that stand in the ledger: one spelling each, for every wing and the console.

A wing's own enum of roles takes its values from here, and every table of who may do
what names members of this one; so a misspelt role is an error where it is written and
not a rule that nobody can ever meet. Whoever is enrolled from outside, by a command or a
program, is checked against it as well: under a role that no table names they could sign
nothing, and nobody would notice until a patient or a release waits for them.

Roles are checked where they are given, never where they are read: a chain may hold roles
of older versions, and stays readable.
"""

from __future__ import annotations

from enum import StrEnum

from commonwatt.core.errors import InputError
from commonwatt.core.messages import Message


class LedgerRole(StrEnum):
    """What the holder of a key is, as enrolled.

    The values are signed in records in use: they may be added to and never renamed.
    """

    REGISTRAR = "registrar"

    VIEWER = "viewer"
    PLANNER = "planner"
    TREASURER = "treasurer"
    REGULATOR = "regulator"

    DATA_CUSTODIAN = "data-custodian"
    PROJECT_LEAD = "project-lead"
    RESEARCHER = "researcher"
    OUTPUT_CHECKER = "output-checker"
    AUDITOR = "auditor"

    MANUFACTURER = "manufacturer"
    EVALUATOR = "evaluator"
    REGULATORY_OFFICER = "regulatory-officer"
    COMMITTEE_CHAIR = "committee-chair"
    CLINICAL_LEAD = "clinical-lead"
    SAFETY_OFFICER = "safety-officer"
    CLINICIAN = "clinician"
    MONITOR = "monitor"
    GATEWAY = "gateway"

    CONTROLLER = "controller"
    OPERATOR = "operator"
    CARE = "care"


def check_known_ledger_role(role: str, where: str) -> None:
    """Refuse a role that no rule of this program knows.

    Args:
        role: As it was given.
        where: Option, file or field that gave it.

    Raises:
        InputError: It is unknown; role, known roles and what to do are told.

    >>> check_known_ledger_role("clinician", "role")
    >>> check_known_ledger_role("clinican", "role")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    commonwatt.core.errors.InputError: role: found 'clinican', wanted one of the roles auditor, ...
    """
    if role not in frozenset(LedgerRole):
        raise InputError(
            where,
            found=repr(role),
            wanted=Message("one of the roles {roles}", {"roles": ", ".join(sorted(LedgerRole))}),
            remedy=Message(
                "Take the role whose steps are meant: under a role that no rule knows, nobody"
                " may take any."
            ),
        )
