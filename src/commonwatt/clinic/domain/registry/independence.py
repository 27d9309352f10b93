"""Who is independent of whom, by what the chain has of them and nothing that a record says.

Name, role and organisation of a signer stand in the entry of the enrolment. One person may hold a
key in each of several roles, and stays one person: what was made, examined or proposed under one
key is not approved under another.
"""

from __future__ import annotations

from collections.abc import Iterable

from commonwatt.clinic.domain.registry.state import Registry, RegistryRecord
from commonwatt.core.messages import Message
from commonwatt.ledger.people import is_same_person, same_organisation_key
from commonwatt.ledger.roles import LedgerRole


def third_party_fault(registry: Registry, version_name: str, actor_id: str) -> Message | None:
    """Return why a signer is no third party to a version; None where it is one.

    A third party is an evaluator, of another organisation than whoever put the version on record
    and than the product's manufacturer, and is nobody who made it under another key.
    """
    signer, version = registry.people.get(actor_id), registry.records.get(version_name)
    maker = registry.people.get(version.actor_id) if version else None
    if signer is None or version is None or maker is None:
        return Message("a signer or a maker who is not enrolled")
    if signer.role != LedgerRole.EVALUATOR:
        return Message("the role {role}", {"role": signer.role})
    product = registry.records.get(str(version.body.get("product", "")))
    manufacturer = str(product.body.get("manufacturer", "")) if product else ""
    houses = {same_organisation_key(maker.organisation), same_organisation_key(manufacturer)}
    if same_organisation_key(signer.organisation) in houses:
        return Message("an evaluator of the maker's own organisation")
    if is_same_person(signer, maker):
        return Message("an evaluator of the maker's own name")
    return None


def is_attested(registry: Registry, evidence: RegistryRecord) -> bool:
    """Return whether a third party signed evidence: its design then counts as what it says."""
    version = str(evidence.body.get("version", ""))
    return third_party_fault(registry, version, evidence.actor_id) is None


def own_approval_name(
    registry: Registry, approvals: Iterable[tuple[str, str]], records: Iterable[RegistryRecord]
) -> str:
    """Return the first approval that a person gave to what is their own; empty if there is none.

    Args:
        registry: With everybody who was enrolled.
        approvals: Name of what approves, and who signed it.
        records: What was approved, or approved upon.
    """
    signers = {record.actor_id for record in records}
    people = [registry.people[actor_id] for actor_id in signers if actor_id in registry.people]
    for name, actor_id in approvals:
        approver = registry.people.get(actor_id)
        if approver and any(is_same_person(approver, person) for person in people):
            return name
    return ""
