"""That a patient was told: a record by deployment and encounter, before any advice.

Whoever tells a patient knows the hospital's name of the encounter and nothing of the
record's; the name that stands on record is computed here, with the institution's secret.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from commonwatt.clinic.domain.errors import AdviceRefusedError
from commonwatt.clinic.domain.registry.records import FIELDS
from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.core.errors import InputError
from commonwatt.core.messages import LANGUAGES, Message
from commonwatt.ledger import Signer

LONGEST_ENCOUNTER: Final = 200
NOTICE_LANGUAGES: Final = next(f.codes for f in FIELDS["disclosure"] if f.name == "language")
"""In which a patient may be told; a guide has words for some of them."""
_ELSEWHERE: Final = Message("The deployment is another institution's.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureReceipt:
    """What is on record, and what the patient is told.

    Args:
        disclosure: Name of the record.
        deployment: Which model the patient was told of.
        language: In which language.
        notice: The guide's words in it; empty where the guide has none.
    """

    disclosure: str
    deployment: str
    language: str
    notice: str


def encounter_pseudonym(salt: bytes, encounter_id: str) -> str:
    """Return the name under which an encounter is on record; it cannot be turned back."""
    # Encounter numbers are short and guessable; without the salt anybody with the ledger could
    # try them all. Eighty bits keep two encounters apart.
    return hashlib.sha256(salt + encounter_id.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def record_encounter_disclosure(
    writer: RegistryWriter, institution: str, deployment: str, encounter_id: str, language: str,
    *, salt: bytes, by: Signer, at: datetime,
) -> DisclosureReceipt:  # fmt: skip
    """Put on record that the patient of an encounter was told of a deployment.

    Raises:
        InputError: The encounter has no name, or one that no hospital gives.
        StatusMoveError: There is no such deployment, or no such language.
        AdviceRefusedError: The deployment is another institution's.
        ActorError: The signer may not say so.
    """
    with writer.transaction() as tx:
        return record_encounter_disclosure_in_transaction(
            tx, writer, institution, deployment, encounter_id, language, salt=salt, by=by, at=at
        )


def record_encounter_disclosure_in_transaction(
    tx: sa.Connection, writer: RegistryWriter, institution: str, deployment: str,
    encounter_id: str, language: str, *, salt: bytes, by: Signer, at: datetime,
) -> DisclosureReceipt:  # fmt: skip
    """Put the same on record in the caller's transaction."""
    if not 0 < len(encounter_id) <= LONGEST_ENCOUNTER or encounter_id.isspace():
        wanted = Message("a text of at most {count} letters", {"count": str(LONGEST_ENCOUNTER)})
        raise InputError("encounter", wanted=wanted)
    record = writer.registry.registered_record(deployment, "deployment")
    # A patient of one hospital is never told of the model of another, whose secret would give
    # the encounter another name.
    if record.body["institution"] != institution:
        words = {each: _ELSEWHERE.translate(each) for each in LANGUAGES}
        raise AdviceRefusedError(deployment, rule="gate.wrong-institution", words=words)
    pseudonym = encounter_pseudonym(salt, encounter_id)
    body = {"deployment": deployment, "encounter": pseudonym, "language": language}
    # Told twice is on record twice; the first time is the one that counts.
    name = f"{pseudonym}-{writer.registry.entries_applied}"
    entry = writer.write_registry_record(tx, "disclosure", name, body, by=by, at=at)
    guide = writer.guides.guides.get(str(record.body["guide"]))
    return DisclosureReceipt(
        disclosure=entry.subject,
        deployment=deployment,
        language=language,
        notice=guide.notice.get(language, "") if guide else "",
    )
