"""Check published claims against dated references and our own models.

A claim is matched to a quantity by its words and unit, converted, compared with
references of its region and date, and then with the other claims. No claim's id
and no verdict is known here: what comes out follows from the arithmetic shown.
"""

from commonwatt.audit.domain.claims import PublishedClaim
from commonwatt.audit.engines.findings import ClaimFinding, FindingKind
from commonwatt.audit.engines.judge import AuditedClaim, audit
from commonwatt.audit.io.claims import load_claims, parse_claims
from commonwatt.audit.io.library import load_reference_library
from commonwatt.audit.usecases.table import audit_finding_frame, audit_text

__all__ = [
    "AuditedClaim",
    "ClaimFinding",
    "FindingKind",
    "PublishedClaim",
    "audit",
    "audit_finding_frame",
    "audit_text",
    "load_claims",
    "load_reference_library",
    "parse_claims",
]
