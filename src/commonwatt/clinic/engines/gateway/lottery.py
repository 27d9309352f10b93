"""On a random sample of encounters the doctor is asked before the model is shown.

    drawn  ⇔  HMAC-SHA256(secret, deployment, encounter) / 2⁶⁴ < share

The draw depends on nothing but a secret and names that are on record, so that
nobody who lacks the secret can foresee it, asking twice draws the same lot, and
whoever is given the secret later can draw every lot again. The gate puts a digest
of the secret on record before its first draw, so that it cannot be chosen later.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from commonwatt.clinic.domain.registry.old_words import (
    INSTITUTION_FIELD,
    deployment_body_in_todays_words,
    is_subject_of_institution,
)
from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.core.identifiers import IdentifierKind, qualified_identifier
from commonwatt.ledger import EntryDraft, LedgerEntry, Signer

LOTTERY_COMMITMENT: Final = "gate.sample"
ADVICE: Final = "clinic.advice"
DEPLOYMENT: Final = "clinic.deployment"
_TAG: Final = b"commonwatt own-estimate sample v1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterLottery:
    """The lot of one institution: which encounters' doctors are asked first.

    >>> lot = EncounterLottery(secret=b"s" * 32, share=0.25)
    >>> sum(lot.asks_clinician_first("deployment/x", str(i)) for i in range(4000))
    974
    """

    secret: bytes
    share: float

    def asks_clinician_first(self, deployment: str, encounter: str) -> bool:
        """Return whether the doctor is asked first about this encounter."""
        # The length stands first, so that no two pairs of names make one message.
        message = _TAG + f"{len(deployment)}:{deployment}\n{encounter}".encode()
        # A keyed hash and not a random number: asked twice, an encounter draws the same lot, and
        # nobody can ask until it suits.
        lot = int.from_bytes(hmac.digest(self.secret, message, "sha256")[:8], "big")
        return lot < self.share * 2.0**64

    def lottery_commitment_sha256(self) -> str:
        """Return the digest that binds secret and share without disclosing the secret."""
        # The share is bound, too: otherwise an institution could lower it afterwards to explain
        # whom it did not ask.
        return hashlib.sha256(_TAG + f"{self.share!r}\n".encode() + self.secret).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class LotteryAudit:
    """What drawing every lot again shows; each fault is the name of a piece of advice.

    Args:
        lots: Pieces of advice to a clinician whose lot could be drawn again.
        drawn: Those on which the doctor had to be asked first.
        shown_first: Drawn, and the record holds no own estimate.
        marked_wrongly: The mark on record is not what the lot says.
        sealed: Advice under a pledge whose secret was not given.
    """

    lots: int
    drawn: int
    shown_first: tuple[str, ...]
    marked_wrongly: tuple[str, ...]
    sealed: int


def record_lottery_commitment(
    writer: RegistryWriter, institution: str, sample: EncounterLottery, *, by: Signer, at: datetime
) -> None:
    """Put the commitment on record unless it is the one in force already."""
    body = {"commitment": sample.lottery_commitment_sha256(), "share": sample.share}
    past = [
        entry
        for entry in writer.ledger.entries(kind=LOTTERY_COMMITMENT)
        if is_subject_of_institution(entry.subject, institution)
    ]
    # A commitment a day would bury the one that changed.
    if past and past[-1].body == body:
        return
    subject = qualified_identifier(IdentifierKind.INSTITUTION, institution)
    draft = EntryDraft(kind=LOTTERY_COMMITMENT, subject=subject, body=body)
    with writer.transaction() as tx:
        writer.registry.apply_ledger_entries(writer.ledger.append(tx, [draft], by=by, at=at))


def audit_encounter_lottery(
    entries: Iterable[LedgerEntry], institution: str, secrets: Sequence[bytes]
) -> LotteryAudit:
    """Return what the entries of an institution show once its secrets are disclosed.

    Args:
        entries: Of the ledger, in order; pledges, deployments and advice are looked at.
        institution: Whose lots are drawn again.
        secrets: Those disclosed; a secret that fits no pledge draws nothing.
    """
    lots: list[tuple[EncounterLottery | None, str, Mapping[str, Any]]] = []
    force: EncounterLottery | None = None
    pledged, deployments = False, set[str]()
    for entry in entries:
        if entry.kind == LOTTERY_COMMITMENT and is_subject_of_institution(
            entry.subject, institution
        ):
            force, pledged = _lottery_of_commitment(entry.body, secrets), True
        elif entry.kind == DEPLOYMENT and _deployment_institution(entry) == institution:
            deployments.add(entry.subject)
        # Advice before the first pledge draws no lot: nothing bound the institution then.
        elif (
            entry.kind == ADVICE and pledged and _advice_shown_to_clinician(entry.body, deployments)
        ):
            lots.append((force, entry.subject, entry.body))
    return _encounter_lottery_audit(lots)


def _deployment_institution(entry: LedgerEntry) -> str:
    return str(deployment_body_in_todays_words(entry.body)[INSTITUTION_FIELD])


def _encounter_lottery_audit(
    lots: list[tuple[EncounterLottery | None, str, Mapping[str, Any]]],
) -> LotteryAudit:
    lots_drawn = [
        (name, body, lot.asks_clinician_first(body["deployment"], body["encounter"]))
        for lot, name, body in lots
        if lot
    ]
    return LotteryAudit(
        lots=len(lots_drawn),
        drawn=sum(asks_first for _, _, asks_first in lots_drawn),
        shown_first=tuple(
            n for n, b, asks_first in lots_drawn if asks_first and "own_estimate" not in b
        ),
        marked_wrongly=tuple(
            n for n, b, asks_first in lots_drawn if asks_first != b.get("sampled", False)
        ),
        sealed=len(lots) - len(lots_drawn),
    )


def _advice_shown_to_clinician(advice_body: Mapping[str, Any], deployments: set[str]) -> bool:
    """Return whether a clinician was shown this advice at the institution."""
    return (
        advice_body["deployment"] in deployments
        and advice_body["shown"]
        and advice_body.get("asker") != "agent"
    )


def _lottery_of_commitment(
    commitment_body: Mapping[str, Any], secrets: Sequence[bytes]
) -> EncounterLottery | None:
    lots = (EncounterLottery(secret=secret, share=commitment_body["share"]) for secret in secrets)
    # A secret counts only for the pledge that it opens, whoever hands it in.
    return next(
        (lot for lot in lots if lot.lottery_commitment_sha256() == commitment_body["commitment"]),
        None,
    )
