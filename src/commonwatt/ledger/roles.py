"""The roles that stand in the ledger: one spelling each, for every wing and the console.

A wing's own enum of roles takes its values from here, and every table of who may do
what names members of this one; so a misspelt role is an error where it is written and
not a rule that nobody can ever meet.
"""

from __future__ import annotations

from enum import StrEnum


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
