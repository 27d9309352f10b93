"""The gate: deny unless every rule lets the call through, and name the first that does not.

Order of the rules, as `RULES` has it: is it live at this institution; does all still hold
that must be true first (approval, ruling, evidence); is the guide there as it was approved;
are the facts there, and each what the guide says that it may be; is the encounter inside
the indications of guide and product and outside the contraindications; was the
patient told; does the lot say that the doctor gives an own estimate first. Then the
model is asked, and its advice is on record before anybody is shown it. The model is
asked outside the transaction, so that a slow one holds up nobody; what was judged
before is judged again inside.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Final, Protocol

import sqlalchemy as sa

from commonwatt.clinic.domain.errors import AdviceRefusedError, RulesError
from commonwatt.clinic.domain.guides import (
    DepartmentGuide,
    judge_encounter_facts,
    names_of_facts_asked_by_guide,
    parse_product_indications,
)
from commonwatt.clinic.domain.guides.judge import (
    CONTRAINDICATED,
    INVALID_FACT,
    MISSING_FACT,
    OUTSIDE,
)
from commonwatt.clinic.domain.registry.records import RECORD_ROLES, is_registry_share
from commonwatt.clinic.domain.registry.state import RegistryRecord
from commonwatt.clinic.domain.rules.predicate import Predicate
from commonwatt.clinic.engines.gateway.disclosure import (
    DisclosureReceipt,
    encounter_pseudonym,
    record_encounter_disclosure,
    record_encounter_disclosure_in_transaction,
)
from commonwatt.clinic.engines.gateway.lottery import EncounterLottery
from commonwatt.clinic.io.registry import (
    PRECONDITIONS,
    DeploymentStatus,
    RegistryWriter,
    regulatory_product_routes_by_place,
)
from commonwatt.core.errors import CommonwattError
from commonwatt.core.identifiers import IdentifierKind, qualified_identifier
from commonwatt.core.messages import LANGUAGES, Message
from commonwatt.ledger import EntryDraft, Signer
from commonwatt.ledger.entries import LONGEST_NAME

RULES: Final = (
    "gate.unknown-deployment",
    "gate.wrong-institution",
    "gate.not-live",
    # Between standing and facts, because an approval that was withdrawn is the stronger answer: it
    # holds for every patient, and no missing fact could mend it.
    *(row.rule for row in PRECONDITIONS),
    "gate.no-threshold",
    "gate.guide-unavailable",
    "gate.guide-changed",
    "gate.no-indications",
    MISSING_FACT,
    INVALID_FACT,
    OUTSIDE,
    CONTRAINDICATED,
    "gate.not-disclosed",
    "gate.no-model",
    "gate.own-estimate-first",
    "gate.model-failed",
)
ALLOWED: Final = "gate.allowed"
REFUSAL: Final = "gate.refusal"
_ESTIMATE_FIRST: Final = Message("Give your own estimate first; then the advice is shown.")
_NO_THRESHOLD: Final = Message("The deployment's record has no threshold from 0 to 1.")
_GUIDE_UNAVAILABLE: Final = Message("The guide of this deployment is not available here.")
_GUIDE_CHANGED: Final = Message("The guide is not the one that the deployment was approved under.")
_NO_INDICATIONS: Final = Message(
    "The product's own indications are not on record, or not over the facts of this guide."
)


class ScoringModel(Protocol):
    """Whatever gives a score: a local function, or an adapter to a server."""

    def __call__(self, facts: Mapping[str, str]) -> float:
        """Return the chance of the event, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """What the gate says; score, threshold and finding only where it is allowed and shown."""

    rule: str
    deployment: str
    detail: str = ""
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    score: float | None = None
    threshold: float | None = None
    finding: bool | None = None
    advice: str = ""
    sign_off: bool = False

    @property
    def allows_advice(self) -> bool:
        """Whether the model may advise."""
        return self.rule == ALLOWED

    def check_allows_advice(self) -> None:
        """Refuse a verdict that lets nothing through.

        Raises:
            AdviceRefusedError: The rule is named, with what to tell whoever asked.
        """
        if not self.allows_advice:
            rule = f"{self.rule} ({self.detail})" if self.detail else self.rule
            raise AdviceRefusedError(self.deployment, rule=rule, words=self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceRequest:
    """What somebody at the bedside, or an agent, wants to know.

    Args:
        deployment: Which model, as `deployment/…`.
        encounter_id: The hospital's name of the encounter; it never reaches the record.
        facts: What the guide asks for.
        own_estimate: The doctor's own, given before the advice.
        asker: `clinician`, who is shown the advice, or `agent`.
        shown_to: Actor id of the clinician at the screen; empty where it is not known.
    """

    deployment: str
    encounter_id: str
    facts: Mapping[str, str]
    own_estimate: float | None = None
    asker: str = "clinician"
    shown_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedAdvice:
    """A question, and the model's answer to it where it was let through."""

    question: AdviceRequest
    encounter: str
    score: float | None = None
    failed: str = ""


SettledAdvice = GateVerdict | CommonwattError
EntriesOf = Callable[[GateVerdict], Sequence[EntryDraft]]


def _no_verdict_entries(_: GateVerdict) -> Sequence[EntryDraft]:
    return ()


def _gate_utc_today() -> date:
    return datetime.now(UTC).date()


class AdviceGate:
    """The gate of one institution.

    Args:
        writer: Of the registry.
        institution: Whose deployments may be asked.
        models: What runs, by deployment.
        by: The gateway's key.
        salt: Hides the hospital's names of encounters.
        sample: On which encounters the doctor is asked first; `None` never asks.
        today: Returns the day of a question: an approval may be for a time.
    """

    def __init__(
        self,
        writer: RegistryWriter,
        institution: str,
        models: Mapping[str, ScoringModel],
        *,
        by: Signer,
        salt: bytes,
        sample: EncounterLottery | None = None,
        today: Callable[[], date] = _gate_utc_today,
    ) -> None:
        self.writer, self.institution, self.models = writer, institution, models
        self.by, self._salt, self.sample, self._today = by, salt, sample, today
        self._indications_read: dict[tuple[int, str, str], Predicate] = {}
        # Reads rules and guides now, so that the first patient does not wait for them.
        regulatory_product_routes_by_place()
        _ = writer.guides.guides

    def encounter_pseudonym(self, encounter_id: str) -> str:
        """Return the name under which an encounter is on record; it cannot be turned back."""
        return encounter_pseudonym(self._salt, encounter_id)

    def record_patient_disclosure(
        self, deployment: str, encounter_id: str, language: str, *, by: Signer, at: datetime
    ) -> DisclosureReceipt:
        """Put on record that a patient was told; after it the gate may answer."""
        return record_encounter_disclosure(
            self.writer, self.institution, deployment, encounter_id, language,
            salt=self._salt, by=by, at=at,
        )  # fmt: skip

    def record_patient_disclosure_in_transaction(
        self, tx: sa.Connection, deployment: str, encounter_id: str, language: str,
        *, by: Signer, at: datetime,
    ) -> DisclosureReceipt:  # fmt: skip
        """Put the same on record in the caller's transaction."""
        return record_encounter_disclosure_in_transaction(
            tx, self.writer, self.institution, deployment, encounter_id, language,
            salt=self._salt, by=by, at=at,
        )  # fmt: skip

    def keyed_digest_hex(self, message: bytes) -> str:
        """Return a digest of something that nobody without the institution's secret can try out."""
        return hmac.digest(self._salt, message, "sha256").hex()

    def advice_verdict_without_record(
        self, deployment: str, encounter: str, facts: Mapping[str, str]
    ) -> GateVerdict:
        """Return whether the model may be asked; nothing is written."""
        return self._verdict_and_canonical_facts_of_encounter(deployment, encounter, facts)[0]

    def _verdict_and_canonical_facts_of_encounter(
        self, deployment: str, encounter: str, facts: Mapping[str, str]
    ) -> tuple[GateVerdict, Mapping[str, str]]:
        """Return whether the model may be asked, and the facts as it is to be given them."""
        fault = self.deployment_refusal(deployment)
        if fault:
            return fault, {}
        registry = self.writer.registry
        record = registry.records[deployment]
        guide = self.writer.guides.guides[record.body["guide"]]
        judgement = judge_encounter_facts(
            guide, self._product_indications_of_deployment(record, guide), facts
        )
        if judgement.rule:
            refusal = GateVerdict(
                rule=judgement.rule,
                deployment=deployment,
                detail=judgement.detail,
                words=judgement.words,
            )
            return refusal, {}
        # In shadow mode nobody is shown anything, so there is nothing to disclose yet.
        if (deployment, encounter) not in registry.disclosed and record.body["mode"] != "shadow":
            rule = "gate.not-disclosed"
            return GateVerdict(rule=rule, deployment=deployment, words=guide.notice), {}
        # Last, so that a gate that is set up wrongly never hides a rule that refuses for the
        # patient's sake.
        if deployment not in self.models:
            return GateVerdict(rule="gate.no-model", deployment=deployment), {}
        return GateVerdict(rule=ALLOWED, deployment=deployment), judgement.facts

    def deployment_refusal(self, deployment: str) -> GateVerdict | None:
        """Return the refusal of whatever is asked of this deployment; `None` if it may advise.

        Nothing that held at an earlier question counts: an approval may be withdrawn
        between two patients.
        """
        registry = self.writer.registry
        record = registry.records.get(deployment)
        if record is None or record.kind != "deployment":
            return GateVerdict(rule="gate.unknown-deployment", deployment=deployment)
        if record.body["institution"] != self.institution:
            return GateVerdict(rule="gate.wrong-institution", deployment=deployment)
        if registry.deployment_status(deployment) is not DeploymentStatus.LIVE:
            return GateVerdict(rule="gate.not-live", deployment=deployment)
        fault = self.writer.registered_deployment_fault(record, self._today())
        if fault is None:
            return self._guide_refusal(record)
        words = _gate_message_text_by_language(fault.sentence)
        return GateVerdict(rule=fault.rule, deployment=deployment, detail=fault.where, words=words)

    def wanted_facts_or_empty_if_refused(self, deployment: str) -> frozenset[str]:
        """Return the facts without which this deployment cannot advise; none if it may not."""
        if self.deployment_refusal(deployment) is not None:
            return frozenset()
        record = self.writer.registry.records[deployment]
        guide = self.writer.guides.guides[record.body["guide"]]
        return frozenset(
            names_of_facts_asked_by_guide(
                guide, self._product_indications_of_deployment(record, guide)
            )
        )

    def guide_of_own_deployment_or_none(self, deployment: str) -> DepartmentGuide | None:
        """Return the guide of a deployment of this institution; `None` if it is none."""
        record = self.writer.registry.records.get(deployment)
        if record is None or record.kind != "deployment":
            return None
        if record.body["institution"] != self.institution:
            return None
        return self.writer.guides.guides.get(str(record.body["guide"]))

    def _guide_refusal(self, record: RegistryRecord) -> GateVerdict | None:
        """Refuse without a threshold, or under a guide that is gone or not the approved one."""
        name = str(record.body["guide"])
        guide = self.writer.guides.guides.get(name)
        rule, sentence, detail = "", _GUIDE_UNAVAILABLE, name[:60]
        # Only a record that came by another way than the registry's writer can lack one.
        if not is_registry_share(record.body.get("threshold")):
            rule, sentence, detail = "gate.no-threshold", _NO_THRESHOLD, record.name
        elif guide is None:
            rule = "gate.guide-unavailable"
        # What was registered before digests were has none.
        elif record.body.get("guide_sha256", guide.sha256) != guide.sha256:
            rule, sentence = "gate.guide-changed", _GUIDE_CHANGED
        else:
            try:
                self._product_indications_of_deployment(record, guide)
            except RulesError as error:
                rule, sentence, detail = "gate.no-indications", _NO_INDICATIONS, error.where
        if not rule:
            return None
        words = _gate_message_text_by_language(sentence)
        return GateVerdict(rule=rule, deployment=record.name, detail=detail, words=words)

    def _product_indications_of_deployment(
        self, record: RegistryRecord, guide: DepartmentGuide
    ) -> Predicate:
        """Return the indications of the product that a deployment runs.

        Raises:
            RulesError: None are on record, or not over the facts of the guide.
        """
        use = self.writer.registry.approved_intended_use(record.name)
        key = (use.index, use.name, guide.sha256)
        # Parsed once: the gate asks at every question.
        if key not in self._indications_read:
            sentences = use.body.get("indications")
            self._indications_read[key] = parse_product_indications(sentences, guide, use.name)
        return self._indications_read[key]

    def record_and_answer_advice_request(
        self,
        deployment: str,
        encounter_id: str,
        facts: Mapping[str, str],
        *,
        at: datetime,
        own_estimate: float | None = None,
        asker: str = "clinician",
    ) -> GateVerdict:
        """Return the model's advice, or the rule that refuses it; either is on record first."""
        question = AdviceRequest(
            deployment=deployment,
            encounter_id=encounter_id,
            facts=facts,
            own_estimate=own_estimate,
            asker=asker,
        )
        [outcome] = self.record_prepared_advice([self.prepare_advice(question)], at=at)
        if isinstance(outcome, CommonwattError):
            raise outcome
        return outcome

    def prepare_advice(self, question: AdviceRequest) -> PreparedAdvice:
        """Judge a question and ask the model; nothing is written and nobody is made to wait."""
        prepared = PreparedAdvice(
            question=question, encounter=self.encounter_pseudonym(question.encounter_id)
        )
        # A model is asked only where its answer may be used: to score a patient who was not told is
        # itself a use of the model.
        verdict, facts = self._verdict_and_canonical_facts_of_prepared(prepared)
        return self._with_model_score(prepared, facts) if verdict.allows_advice else prepared

    def record_prepared_advice(
        self, prepared: Sequence[PreparedAdvice], *, at: datetime
    ) -> list[SettledAdvice]:
        """Put the answers to some questions on record in one transaction, and return them.

        Each is judged anew on the newest state; a question that cannot be recorded is
        answered by its error and leaves the others alone.
        """
        with self.writer.transaction() as tx:
            return self.record_prepared_advice_group_in_transaction(tx, prepared, at=at)

    def record_prepared_advice_group_in_transaction(
        self, tx: sa.Connection, prepared: Sequence[PreparedAdvice], *, at: datetime
    ) -> list[SettledAdvice]:
        """Put the answers on record in the caller's transaction, under one signature."""
        outcomes: list[SettledAdvice] = []
        drafts: list[EntryDraft] = []
        for each in prepared:
            try:
                verdict, draft = self._gate_verdict_and_entry_draft(each, at, len(drafts))
            except CommonwattError as error:
                outcomes.append(error)
                continue
            outcomes.append(verdict)
            drafts.append(draft)
        try:
            self._append_gate_drafts(tx, drafts, at)
        except CommonwattError:
            # Nothing of the group is written yet; one by one, only whoever is at fault is refused.
            return [
                self.record_prepared_advice_in_transaction(tx, each, at=at) for each in prepared
            ]
        return outcomes

    def record_prepared_advice_in_transaction(
        self,
        tx: sa.Connection,
        prepared: PreparedAdvice,
        *,
        at: datetime,
        note: EntriesOf = _no_verdict_entries,
    ) -> SettledAdvice:
        """Put one answer on record in the caller's transaction, and return it.

        `note` says what else stands under the same signature, once the answer is known.
        """
        try:
            verdict, draft = self._gate_verdict_and_entry_draft(prepared, at, 0)
            self._append_gate_drafts(tx, [draft, *note(verdict)], at)
        # Returned, not raised: others in the same transaction are patients, too, and their answers
        # stand.
        except CommonwattError as error:
            return error
        return verdict

    def _gate_verdict_and_entry_draft(
        self, prepared: PreparedAdvice, at: datetime, ahead: int
    ) -> tuple[GateVerdict, EntryDraft]:
        """Return the verdict on a question, and its entry; `ahead` entries go before it."""
        verdict, facts = self._verdict_and_canonical_facts_of_prepared(prepared)
        if verdict.allows_advice and prepared.score is None and not prepared.failed:
            # Let through only by what was written meanwhile.
            prepared = self._with_model_score(prepared, facts)
        if verdict.allows_advice and prepared.failed:
            verdict = GateVerdict(
                rule="gate.model-failed", deployment=verdict.deployment, detail=prepared.failed
            )
        if verdict.allows_advice:
            return self._advice_verdict_and_entry_draft(prepared, at, ahead)
        return verdict, self._advice_refusal_draft(verdict, prepared.encounter)

    def _append_gate_drafts(
        self, tx: sa.Connection, drafts: Sequence[EntryDraft], at: datetime
    ) -> None:
        # Whoever may not advise may still put on record that nobody was advised.
        refusals = all(draft.kind == REFUSAL for draft in drafts)
        roles = None if refusals else RECORD_ROLES["advice"]
        if drafts:
            self.writer.append_registry_entry_drafts(tx, drafts, by=self.by, at=at, roles=roles)

    def _verdict_and_canonical_facts_of_prepared(
        self, prepared: PreparedAdvice
    ) -> tuple[GateVerdict, Mapping[str, str]]:
        """Return the verdict on a question, and the facts as the model is to be given them."""
        question = prepared.question
        verdict, facts = self._verdict_and_canonical_facts_of_encounter(
            question.deployment, prepared.encounter, question.facts
        )
        if (
            verdict.allows_advice
            and question.own_estimate is None
            and self._asks_clinician_first(prepared)
        ):
            words, rule = _gate_message_text_by_language(_ESTIMATE_FIRST), "gate.own-estimate-first"
            return GateVerdict(rule=rule, deployment=question.deployment, words=words), {}
        return verdict, facts

    def _asks_clinician_first(self, prepared: PreparedAdvice) -> bool:
        """Return whether the lot fell on this encounter; agents and shadows are shown nothing."""
        question = prepared.question
        # An agent shows the advice to nobody, so that there is no opinion to protect.
        if self.sample is None or question.asker != "clinician":
            return False
        shadow = self.writer.registry.records[question.deployment].body["mode"] == "shadow"
        return not shadow and self.sample.asks_clinician_first(
            question.deployment, prepared.encounter
        )

    def _with_model_score(
        self, prepared: PreparedAdvice, facts: Mapping[str, str]
    ) -> PreparedAdvice:
        question = prepared.question
        # In the guide's units and spellings: a model must not meet "600 months" for the first time
        # in use.
        try:
            # Added to nothing, because minus zero is a zero with a sign that a reader would see.
            score = float(self.models[question.deployment](facts)) + 0.0
        except Exception as error:  # whatever goes wrong in a model, the gate answers
            return replace(prepared, failed=type(error).__name__)
        return (
            replace(prepared, score=score)
            if 0 <= score <= 1
            else replace(prepared, failed="no score from 0 to 1")
        )

    def _advice_verdict_and_entry_draft(
        self, prepared: PreparedAdvice, at: datetime, ahead: int
    ) -> tuple[GateVerdict, EntryDraft]:
        deployment, score = prepared.question.deployment, prepared.score
        assert score is not None, "a verdict that lets advice through comes with a score"
        record = self.writer.registry.records[deployment]
        guide = self.writer.guides.guides[record.body["guide"]]
        # The deployment's record is the approved one: it cannot be written twice, and moved to
        # live only from approved.
        shown, threshold = record.body["mode"] != "shadow", float(record.body["threshold"])
        finding = score >= threshold
        # Named by its place in the ledger: one encounter may be advised on more than once, and the
        # transaction holds the head.
        name = f"{prepared.encounter}-{self.writer.registry.entries_applied + ahead}"
        body = self._advice_record_body(prepared, shown) | {
            "threshold": threshold,
            "finding": finding,
        }
        figures = shown_score_and_threshold_texts(score, threshold)
        wording = guide.finding if finding else guide.no_finding
        words = {language: text.format_map(figures) for language, text in wording.items()}
        verdict = GateVerdict(
            rule=ALLOWED,
            deployment=deployment,
            words=words if shown else {},
            score=score if shown else None,
            threshold=threshold if shown else None,
            finding=finding if shown else None,
            advice=f"advice/{name}",
            sign_off=bool(body.get("sign_off")),
        )
        draft = self.writer.registry_record_draft("advice", name, body, by=self.by, at=at)
        return verdict, draft

    def _advice_record_body(self, prepared: PreparedAdvice, shown: bool) -> dict[str, object]:
        question = prepared.question
        body: dict[str, object] = {
            "deployment": question.deployment,
            "encounter": prepared.encounter,
            "score": prepared.score,
            "shown": shown,
            "asker": question.asker,
        }
        if question.own_estimate is not None:
            body["own_estimate"] = question.own_estimate
        if self.sample is not None:
            # Marked either way: an audit draws every lot again and compares, which absent marks
            # would not allow.
            body["sampled"] = self._asks_clinician_first(prepared)
        if shown and self._wants_clinician_sign_off(question.deployment):
            body["sign_off"] = True
        if shown and question.shown_to:
            body["shown_to"] = question.shown_to
        return body

    def _wants_clinician_sign_off(self, deployment: str) -> bool:
        """Return whether mode or class asks for a doctor's signed decision."""
        registry = self.writer.registry
        record = registry.records[deployment]
        guide = self.writer.guides.guides[record.body["guide"]]
        classes = registry.approved_product_classes(deployment) & guide.sign_off_classes
        return record.body["mode"] in guide.sign_off or bool(classes)

    def _advice_refusal_draft(self, verdict: GateVerdict, encounter: str) -> EntryDraft:
        # A refusal is on record like an advice: who was not helped, and by which rule, is half of
        # what a regulator asks.
        body = {"rule": verdict.rule, "detail": verdict.detail, "encounter": encounter}
        # Whatever was asked for may be no name at all; it is kept short so that its refusal can
        # still be recorded.
        body["deployment"] = verdict.deployment[:LONGEST_NAME]
        subject = qualified_identifier(IdentifierKind.INSTITUTION, self.institution)
        return EntryDraft(kind=REFUSAL, subject=subject, body=body)


def shown_score_and_threshold_texts(score: float, threshold: float) -> dict[str, str]:
    """Return score and threshold with as many decimals as show on which side the score is.

    >>> shown_score_and_threshold_texts(0.5, 0.3)
    {'score': '0.50', 'threshold': '0.30'}
    >>> shown_score_and_threshold_texts(0.2999, 0.3)
    {'score': '0.2999', 'threshold': '0.3000'}
    """
    for decimals in range(2, 18):
        figures = f"{score:.{decimals}f}", f"{threshold:.{decimals}f}"
        # Rounded alike, 0.2999 would be shown as 0.30 and called below 0.30.
        if (float(figures[0]) >= float(figures[1])) == (score >= threshold):
            return {"score": figures[0], "threshold": figures[1]}
    return {"score": repr(score), "threshold": repr(threshold)}


def _gate_message_text_by_language(sentence: Message) -> dict[str, str]:
    return {language: sentence.translate(language) for language in LANGUAGES}
