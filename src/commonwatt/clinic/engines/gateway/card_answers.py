"""Feedback on cards, put on record under the key of the clinician who was shown them.

A card of advice becomes a decision, a card that asks whether the patient was told becomes a
disclosure, and a card that asks for the doctor's own estimate is remembered until the next call.
All reports of a request are recorded, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import sqlalchemy as sa

from commonwatt.clinic.engines.gateway.gate import AdviceGate
from commonwatt.clinic.engines.gateway.hooks.cards import (
    ESTIMATE_FIRST,
    OpenCard,
    OpenCards,
    advice_name_of_card_uuid_or_empty,
    card_suggestion_uuid,
    override_reasons_code_system_urn,
)
from commonwatt.clinic.engines.gateway.hooks.feedback import ACCEPTED, OWN_REASON, CardFeedback
from commonwatt.ledger import Signer

_ESTIMATE_HOLDS: Final = timedelta(hours=12)
_MOST_ESTIMATES: Final = 20_000


class CardAnswerError(Exception):
    """A report cannot be recorded.

    Args:
        status: Of HTTP.
        error: A code.
        where: Its place in the request.
    """

    def __init__(self, status: int, error: str, where: str) -> None:
        self.status, self.error, self.where = status, error, where
        super().__init__(f"{where}: {error}")


class ClinicianDirectory(Protocol):
    """Whose keys the gateway may sign with, by the names that others give them."""

    def clinician_of_user(self, user: str) -> Signer | None:
        """Return the key of a clinician by the name that a record system gives them."""
        ...

    def clinician_of_actor(self, actor_id: str) -> Signer | None:
        """Return the key of a clinician by the id that stands on record."""
        ...


@dataclass(frozen=True, slots=True)
class _Estimate:
    share: float
    expires_at: datetime


class CardAnswers:
    """What clinicians answered to the cards of one gate.

    Args:
        gate: Whose cards they are.
        people: The clinicians whom the gateway may sign for.
        clock: Returns the instant of now.
    """

    def __init__(
        self, gate: AdviceGate, people: ClinicianDirectory, clock: Callable[[], datetime]
    ) -> None:
        self.gate, self.people, self.clock = gate, people, clock
        self.open_cards = OpenCards()
        self._estimates: dict[tuple[str, str], _Estimate] = {}

    def own_estimate(self, deployment: str, encounter: str) -> float | None:
        """Return what the doctor answered on this encounter before the advice."""
        estimate = self._estimates.get((deployment, encounter))
        return estimate.share if estimate and self.clock() < estimate.expires_at else None

    def record_card_feedback_reports(
        self, deployment: str, reports: Sequence[CardFeedback], signer: Signer | None
    ) -> None:
        """Put the reports on some cards on record, all or none.

        Args:
            deployment: To whose service they were sent.
            reports: In order.
            signer: Who identified themselves; `None` where the record system vouches.

        Raises:
            CardAnswerError: A card or suggestion is unknown, nobody may sign, or the advice was
                decided on otherwise before.
            CommonwattError: The ledger refuses.
        """
        estimates: dict[tuple[str, str], _Estimate] = {}
        with self.gate.writer.transaction() as tx:
            for report in reports:
                card = self.open_cards.card(report.card, self.clock())
                if card is None:
                    self._record_clinician_decision_on_advice(tx, deployment, report, signer)
                elif card.deployment != deployment:
                    raise CardAnswerError(404, "card-unknown", f"{report.where}.card")
                elif report.outcome == ACCEPTED:
                    estimates |= self._record_disclosure_or_hold_estimate(tx, card, report, signer)
        # After the commit: an estimate of a request that failed as a whole is none.
        while len(self._estimates) + len(estimates) > _MOST_ESTIMATES:
            self._estimates.pop(next(iter(self._estimates)))
        self._estimates |= estimates

    def _record_disclosure_or_hold_estimate(
        self, tx: sa.Connection, card: OpenCard, report: CardFeedback, signer: Signer | None
    ) -> dict[tuple[str, str], _Estimate]:
        picked = [card.answers.get(suggestion) for suggestion in report.suggestions]
        # A card may be answered by one suggestion at most, and by no other card's.
        if len(picked) != 1 or picked[0] is None:
            raise CardAnswerError(404, "suggestion-unknown", f"{report.where}.acceptedSuggestions")
        by = signer or self.people.clinician_of_user(card.user)
        if by is None:
            raise CardAnswerError(403, "feedback-unsigned", report.where)
        at = self.clock()
        if card.rule == ESTIMATE_FIRST:
            answer = _Estimate(float(picked[0]), at + _ESTIMATE_HOLDS)
            return {(card.deployment, card.encounter): answer}
        self.gate.record_patient_disclosure_in_transaction(
            tx, card.deployment, card.encounter, picked[0], by=by, at=at
        )
        return {}

    def _record_clinician_decision_on_advice(
        self, tx: sa.Connection, deployment: str, report: CardFeedback, signer: Signer | None
    ) -> None:
        registry = self.gate.writer.registry
        record = registry.records.get(advice_name_of_card_uuid_or_empty(report.card))
        if record is None or record.kind != "advice" or record.body["deployment"] != deployment:
            raise CardAnswerError(404, "card-unknown", f"{report.where}.card")
        agreed = {card_suggestion_uuid(report.card, "agree")}
        if set(report.suggestions) - agreed:
            raise CardAnswerError(404, "suggestion-unknown", f"{report.where}.acceptedSuggestions")
        by = signer or self.people.clinician_of_actor(str(record.body.get("shown_to", "")))
        if by is None:
            raise CardAnswerError(403, "feedback-unsigned", report.where)
        before = registry.decision_of.get(record.name)
        if before is not None:
            # Record systems may report one act more than once; another act on the same advice
            # would change what was signed.
            if registry.records[before].body["outcome"] != report.outcome:
                raise CardAnswerError(409, "decided-otherwise", f"{report.where}.outcome")
            return
        # Feedback comes after the card by its nature.
        body: dict[str, Any] = {"advice": record.name, "outcome": report.outcome,
                                "asked_before": False, "acted_at": report.acted_at}  # fmt: skip
        if report.reason is not None:
            body["reason"] = self._override_reason_code_of_guide(deployment, report.reason)
        name = f"{deployment.removeprefix('deployment/')}-{registry.entries_applied}"
        self.gate.writer.write_registry_record(tx, "decision", name, body, by=by, at=self.clock())

    def _override_reason_code_of_guide(self, deployment: str, reason: tuple[str, str]) -> str:
        guide, (system, code) = self.gate.guide_of_own_deployment_or_none(deployment), reason
        known = guide is not None and system == override_reasons_code_system_urn(guide.guide_id)
        # A reason of the record system's own may be a text about the patient.
        return code if known and guide and code in guide.override_reasons else OWN_REASON
