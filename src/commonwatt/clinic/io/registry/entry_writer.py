"""The only way in which records and moves reach the ledger.

Each call checks the form, the references, the table of moves and the role, and
writes one entry; the caller's transaction decides whether it stays.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.guides import parse_product_indications
from commonwatt.clinic.domain.registry.conditions import approval_conditions_of_determination
from commonwatt.clinic.domain.registry.evidence import evidence_estimates_form_fault_or_none
from commonwatt.clinic.domain.registry.independence import own_approval_name, third_party_fault
from commonwatt.clinic.domain.registry.lifecycle import (
    DEPLOYMENT_LIFECYCLE,
    DeploymentFacts,
    DeploymentStatus,
)
from commonwatt.clinic.domain.registry.old_words import (
    INSTITUTION_FIELD,
    deployment_input_in_todays_words_with_notice,
)
from commonwatt.clinic.domain.registry.plan import (
    change_plan_form_fault,
    check_new_monitor_plan,
)
from commonwatt.clinic.domain.registry.preconditions import (
    JudgedDeployments,
    PreconditionFault,
    advice_move_refusal,
    check_no_broken_advice_precondition,
    fault_of_approval,
    fault_of_deployment,
)
from commonwatt.clinic.domain.registry.records import (
    ALARM_ANSWERERS,
    EVENT_REPORTERS,
    FIELDS,
    INCIDENT_CLOSERS,
    KIND_ON_RECORD,
    MONITOR_RUNNERS,
    RECORD_ROLES,
    check_registry_record,
    is_day_that_had_begun,
)
from commonwatt.clinic.domain.registry.rulings import (
    check_intended_use_facts,
    ruling_difference_from_rules_on_day,
)
from commonwatt.clinic.domain.registry.state import (
    ALARM,
    MONITOR_RUN,
    MOVE,
    PREFIX,
    Registry,
    RegistryRecord,
    incident_aware_at,
    outcome_correction_fault,
)
from commonwatt.clinic.domain.rules.book import RegulatoryRuleBook, load_regulatory_rule_book
from commonwatt.clinic.io.guides import GuideLibrary, shipped_clinic_guide_library
from commonwatt.core.errors import CommonwattError
from commonwatt.core.identifiers import IdentifierKind, identifier_checked_valid
from commonwatt.core.messages import Message
from commonwatt.governance.moves import MoveRequest, make_governed_move
from commonwatt.ledger import ActorError, EntryDraft, Ledger, LedgerEntry, Signer, actor_id_of
from commonwatt.ledger.roles import LedgerRole
from commonwatt.ledger.store import (
    lock_chain_head,
    permitted_ledger_signer,
    verified_ledger_entries_by_connection,
)

CLOCK_TOLERANCE: Final = timedelta(minutes=5)  # by which clocks of a hospital may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmResponse:
    """What an alarm led to.

    Args:
        paused: Whether the deployment was live and is paused now.
        fallback: The deployment that took over; empty if none did.
        fallback_fault: Why the fallback of the plan could not take over.
    """

    paused: bool
    fallback: str = ""
    fallback_fault: CommonwattError | None = None


class RegistryWriter:
    """Writes the clinic's entries to one ledger.

    Args:
        ledger: Of the registry.
        guides: Those under which something may be used; the shipped ones by default.
        rules: By which a ruling is put on record; those of this process by default. What rests
            on the ruling is held against those of this process alone.
    """

    def __init__(
        self,
        ledger: Ledger,
        guides: GuideLibrary | None = None,
        rules: RegulatoryRuleBook | None = None,
    ) -> None:
        self.ledger, self._guides, self._rules = ledger, guides, rules
        self.registry = Registry()
        self._judged_deployments = JudgedDeployments()
        self.refresh_registry()

    @property
    def guides(self) -> GuideLibrary:
        """The guides in force; the shipped ones are read when they are first asked for."""
        # Late: a page of the console that writes nothing must not wait for them.
        return self._guides or shipped_clinic_guide_library()

    @guides.setter
    def guides(self, library: GuideLibrary) -> None:
        self._guides = library

    def refresh_registry(self) -> Registry:
        """Apply what was written since, by whomever."""
        self.registry.apply_ledger_entries(self.ledger.entries(self.registry.entries_applied))
        return self.registry

    def registered_deployment_fault(
        self, deployment: RegistryRecord, on: date
    ) -> PreconditionFault | None:
        """Return the first precondition that a deployment breaks by what is on record now."""
        return self._judged_deployments.fault_of_deployment(self.registry, deployment, on)

    @contextmanager
    def transaction(self) -> Generator[sa.Connection]:
        """Give a connection on which checks see the newest state, and all is written or nothing."""
        with self.ledger.transaction() as tx:
            # The head is locked before anything is judged: a check on yesterday's state, written
            # today, would let two people approve against each other.
            size = lock_chain_head(tx).size
            if size > self.registry.entries_applied:
                self.registry.apply_ledger_entries(
                    verified_ledger_entries_by_connection(tx, self.registry.entries_applied)
                )
            try:
                yield tx
            except BaseException:
                if self.registry.entries_applied > size:
                    # What was written now is taken back, and what was judged by it.
                    self.registry = _registry_of_first_entries(tx, size)
                    self._judged_deployments = JudgedDeployments()
                raise

    def write_registry_record(
        self,
        tx: sa.Connection,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        *,
        by: Signer,
        at: datetime,
        also: Sequence[EntryDraft] = (),
    ) -> LedgerEntry:
        """Put a record on file under a new name, and `also` under the same signature.

        Raises:
            IdentifierError: No record, or no institution, may be called so.
            InputError: It names its institution twice, in the old word and the new one.
            StatusMoveError: It is not of the form, names what is not on record, or may not be.
            RulesError: It names a guide that there is none of, or indications that cannot be read
                under it.
            MonitorError: It is a deployment by whose plan nothing could be watched.
            ActorError: The signer is unknown, revoked, or in the wrong role.
        """
        record = self._checked_registry_record(kind, name, body, by, at)
        draft = EntryDraft(kind=PREFIX + kind, subject=record.name, body=record.body)
        if kind == "deployment":
            facts, request = self._deployment_facts(record, at), DeploymentStatus.PROPOSED
            return self._make_deployment_move(
                tx, record.name, None, request, kind, facts, [draft, *also], by, at
            )
        roles = self._roles_that_may_record(kind, record.body)
        return self.append_registry_entry_drafts(tx, [draft, *also], by=by, at=at, roles=roles)[0]

    def registry_record_draft(
        self,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        *,
        by: Signer,
        at: datetime,
    ) -> EntryDraft:
        """Return a record as it would be written, checked, for `append_registry_entry_drafts`.

        Raises:
            CommonwattError: As in `write_registry_record`; never because of the signer.
        """
        record = self._checked_registry_record(kind, name, body, by, at)
        return EntryDraft(kind=PREFIX + kind, subject=record.name, body=record.body)

    def append_registry_entry_drafts(
        self,
        tx: sa.Connection,
        drafts: Sequence[EntryDraft],
        *,
        by: Signer,
        at: datetime,
        roles: frozenset[LedgerRole] | None,
    ) -> list[LedgerEntry]:
        """Put checked drafts on record in order, under one signature.

        Raises:
            ActorError: The signer is unknown, revoked, or in the wrong role.
        """
        entries = self.ledger.append(tx, drafts, by=by, at=at, roles=roles)
        self._apply_new_entries_and_return_first(entries)
        return entries

    def _checked_registry_record(
        self, kind: str, name: str, body: Mapping[str, Any], by: Signer, at: datetime
    ) -> RegistryRecord:
        identifier_checked_valid(IdentifierKind.ARTEFACT, name, f"{kind}, name")
        if kind == "deployment":
            body = deployment_input_in_todays_words_with_notice(body, f"{kind}/{name}")
            # Before the form, which knows texts only: an empty name has the one error, too.
            if isinstance(institution := body.get(INSTITUTION_FIELD), str):
                self.check_institution_name_spelling(
                    institution, f"{kind}/{name}, {INSTITUTION_FIELD}"
                )
        check_registry_record(kind, body)
        subject = f"{kind}/{name}"
        if subject in self.registry.records:
            raise StatusMoveError(subject, found=Message("a record of this name already"))
        self._check_record_references(kind, body)
        body = self._incident_body_with_deployment_place(kind, body)
        body = self._record_body_with_guide_digest(kind, body, subject)
        index, actor_id = self.registry.entries_applied, actor_id_of(by.public_key)
        record = RegistryRecord(
            name=subject, kind=kind, body=body, at=at, actor_id=actor_id, index=index
        )
        self._check_record_fits_registry(record)
        # Who is independent of whom is known by the actors' organisations, not by anything that a
        # record says of itself.
        if kind == "evidence" and body["design"] == "third-party":
            self._check_evaluator_independent(record)
        return record

    def check_institution_name_spelling(self, institution: str, where: str) -> None:
        """Refuse a name that no institution may have.

        Raises:
            IdentifierError: It is not spelled as institutions are, and not on record either.
        """
        # What was put on record before names had one spelling goes on as it is: a hospital must
        # not lose its gate over its name.
        if institution not in self.registry.at_institution:
            identifier_checked_valid(IdentifierKind.INSTITUTION, institution, where)

    def move_deployment(
        self,
        tx: sa.Connection,
        deployment: str,
        to: DeploymentStatus,
        *,
        by: Signer,
        at: datetime,
        reason: str,
    ) -> LedgerEntry:
        """Move a deployment.

        Raises:
            StatusMoveError: The table has no such move, or a precondition of it does not hold.
            ActorError: The signer's role may not make it.
        """
        record = self.registry.registered_record(deployment, "deployment")
        facts = self._deployment_facts(record, at)
        if to is DeploymentStatus.APPROVED:
            # The move is not on record yet, where the table of preconditions would find it.
            facts = replace(facts, own_approval=self._is_approval_of_own_work(record, by))
        return self._move_registered_deployment(tx, deployment, to, "move", facts, reason, by, at)

    def _move_registered_deployment(
        self, tx: sa.Connection, deployment: str, to: DeploymentStatus, step: str,
        facts: DeploymentFacts, reason: str, by: Signer, at: datetime,
    ) -> LedgerEntry:  # fmt: skip
        # The move and its reason are one entry in the caller's transaction: there is no state of a
        # deployment beside the ledger.
        draft = EntryDraft(kind=MOVE, subject=deployment, body={"to": str(to), "reason": reason})
        status = self.registry.deployment_status(deployment)
        return self._make_deployment_move(tx, deployment, status, to, step, facts, [draft], by, at)

    def _make_deployment_move(
        self, tx: sa.Connection, deployment: str, origin: DeploymentStatus | None,
        to: DeploymentStatus, step: str, facts: DeploymentFacts, entries: Sequence[EntryDraft],
        by: Signer, at: datetime,
    ) -> LedgerEntry:  # fmt: skip
        request = MoveRequest[DeploymentStatus, DeploymentFacts](
            where=deployment, origin=origin, to=to, step=step, facts=facts, entries=entries
        )
        appended = make_governed_move(self.ledger, tx, DEPLOYMENT_LIFECYCLE, request, by=by, at=at)
        return self._apply_new_entries_and_return_first(appended)

    def roll_back_deployment(
        self,
        tx: sa.Connection,
        bad_deployment: str,
        good_deployment: str,
        *,
        by: Signer,
        at: datetime,
        reason: str,
    ) -> None:
        """Pause one deployment and bring an approved or paused one back to life, as one act."""
        self.move_deployment(
            tx, bad_deployment, DeploymentStatus.PAUSED, by=by, at=at, reason=reason
        )
        self.move_deployment(
            tx, good_deployment, DeploymentStatus.LIVE, by=by, at=at, reason=reason
        )

    def record_alarm_and_act_by_plan(
        self,
        tx: sa.Connection,
        deployment: str,
        name: str,
        *,
        by: Signer,
        at: datetime,
        details: Mapping[str, str] | None = None,
    ) -> AlarmResponse:
        """Put an alarm on record and signal, pause or roll back as the approved plan says.

        A monitor may bring nothing to life but the fallback that was named when the
        deployment was approved. Where that one cannot take over, the alarmed deployment
        is paused all the same, and its move says why nobody took over.

        Args:
            tx: The caller's transaction.
            deployment: Whose monitor rang.
            name: Of the event.
            by: The monitor.
            at: When it is put on record.
            details: Fields of the event beside, such as the stream that rang.

        Raises:
            StatusMoveError: The alarm is on record already, or the deployment is not.
            ActorError: The signer may not raise an alarm, or may not pause.
        """
        plan = self.registry.registered_record(deployment, "deployment").body["monitor"]
        signal = {"deployment": deployment, "type": "signal", "severity": "other"}
        signal |= {"code": ALARM, **(details or {})}
        self.write_registry_record(tx, "event", name, signal, by=by, at=at)
        action, event = plan.get("on_alarm", "signal"), f"event/{name}"
        live = self.registry.deployment_status(deployment) is DeploymentStatus.LIVE
        if action not in ("pause", "roll-back") or not live:
            # Labels arrive late: an alarm on what somebody stopped meanwhile is still news.
            return AlarmResponse(paused=False)
        fallback, fault = "", None
        if action == "roll-back":
            # Looked at before the pause, or a plan that names the alarmed deployment itself
            # would bring it back to life; and looked at rather than tried, because a refusal
            # inside this transaction would take the pause back with it.
            fallback = str(plan.get("fallback", ""))
            fault = self._fallback_deployment_fault(tx, deployment, fallback, by, at)
        reason = event
        if fault:
            gaps = {"fault": str(fault)}  # the ledger is in one language
            reason += f". {Message('The fallback could not take over: {fault}', gaps)}"
        self.move_deployment(tx, deployment, DeploymentStatus.PAUSED, by=by, at=at, reason=reason)
        if not fallback or fault:
            return AlarmResponse(paused=True, fallback_fault=fault)
        self._move_registered_deployment(
            tx,
            fallback,
            DeploymentStatus.LIVE,
            "fall-back",
            self._fallback_deployment_facts(fallback, at),
            event,
            by,
            at,
        )
        return AlarmResponse(paused=True, fallback=fallback)

    def _fallback_deployment_fault(
        self, tx: sa.Connection, deployment: str, fallback: str, by: Signer, at: datetime
    ) -> CommonwattError | None:
        """Return why a fallback could not be brought to life now, if it could not."""
        try:
            if not fallback:
                raise StatusMoveError(
                    f"{deployment}, monitor.fallback", wanted=KIND_ON_RECORD["deployment"]
                )
            facts = self._fallback_deployment_facts(fallback, at)
            self._check_fallback_at_same_institution_and_place(deployment, fallback)
            actor = permitted_ledger_signer(tx, by, None, "fall-back")
            DEPLOYMENT_LIFECYCLE.check_move(
                fallback, self.registry.deployment_status(fallback), DeploymentStatus.LIVE,
                step="fall-back", roles={actor.person.role}, facts=facts,
            )  # fmt: skip
        except (StatusMoveError, ActorError) as error:
            return error
        return None

    def _check_fallback_at_same_institution_and_place(self, deployment: str, fallback: str) -> None:
        """Refuse a fallback at another institution, in another place, or of another product."""
        own, other = (
            self.registry.registered_record(name, "deployment").body
            for name in (deployment, fallback)
        )
        for name in ("institution", "place"):
            if own.get(name) != other.get(name):
                gaps = {"name": name, "value": str(own.get(name))}
                raise StatusMoveError(
                    f"{deployment}, monitor.fallback",
                    found=fallback,
                    wanted=Message("one whose {name} is {value}", gaps),
                )

    def _fallback_deployment_facts(self, fallback: str, at: datetime) -> DeploymentFacts:
        record = self.registry.registered_record(fallback, "deployment")
        return self._deployment_facts(record, at, named_as_fallback=True)

    def _deployment_facts(
        self, record: RegistryRecord, at: datetime, *, named_as_fallback: bool = False
    ) -> DeploymentFacts:
        return DeploymentFacts(
            advice_refusal=lambda: advice_move_refusal(
                fault_of_deployment(self.registry, record, at.date())
            ),
            named_as_fallback=named_as_fallback,
        )

    def _is_approval_of_own_work(self, deployment: RegistryRecord, by: Signer) -> bool:
        """Return whether somebody would approve what they made or proposed in another role."""
        version = self.registry.records.get(str(deployment.body["version"]))
        own = [deployment, *([version] if version else [])]
        approval = (deployment.name, actor_id_of(by.public_key))
        return bool(own_approval_name(self.registry, [approval], own))

    def _roles_that_may_record(self, kind: str, body: Mapping[str, Any]) -> frozenset[LedgerRole]:
        if kind != "event":
            return RECORD_ROLES[kind]
        if "closes" in body:
            closed = self.registry.records[body["closes"]]
            return ALARM_ANSWERERS if closed.body["type"] == "signal" else INCIDENT_CLOSERS
        # A signal of a stream that rang counts for the plan, and is the monitor's to give.
        return MONITOR_RUNNERS if body["code"] in (MONITOR_RUN, ALARM) else EVENT_REPORTERS

    def _apply_new_entries_and_return_first(self, entries: list[LedgerEntry]) -> LedgerEntry:
        # Another writer on the same connection may have gone before; then the next refresh folds
        # both in order.
        if entries[0].index == self.registry.entries_applied:
            self.registry.apply_ledger_entries(entries)
        return entries[0]

    def _check_record_references(self, kind: str, body: Mapping[str, Any]) -> None:
        for field in FIELDS[kind]:
            if field.kind == "ref" and field.name in body:
                self.registry.registered_record(body[field.name], field.codes[0])

    def _record_body_with_guide_digest(
        self, kind: str, body: Mapping[str, Any], subject: str
    ) -> Mapping[str, Any]:
        """Return a record with the digest of the guide that it names, which must be there."""
        if kind not in ("intended-use", "deployment"):
            return body
        guide = self.guides.guide(body["guide"], f"{subject}, guide")
        if kind == "intended-use":
            parse_product_indications(body["indications"], guide, f"{subject}, indications")
            return body
        # Computed here and never typed: what the committee approves is this content of the guide,
        # and another one under the same name is another guide.
        if body.get("guide_sha256", guide.sha256) != guide.sha256:
            wanted = Message("the digest of the guide, or none")
            raise StatusMoveError(f"{subject}, guide_sha256", wanted=wanted)
        return {**body, "guide_sha256": guide.sha256}

    def _check_record_fits_registry(self, record: RegistryRecord) -> None:
        """Refuse what makes no sense beside what is on record."""
        body = record.body
        match record.kind:
            case "intended-use":
                check_intended_use_facts(body["facts"])
            case "ruling":
                self._check_ruling_was_computed(record)
            case "evidence":
                self._check_evidence_was_computed(record)
            case "determination" if body["outcome"] == "approved":
                self._check_change_plan_form_in_determination(record)
                check_no_broken_advice_precondition(
                    fault_of_approval(self.registry, record, record.at.date())
                )
            case "fulfilment":
                self._check_condition_is_open(record)
            case "decision" if body["advice"] in self.registry.decision_of:
                raise StatusMoveError(body["advice"], found=Message("a decision on it already"))
            case "outcome":
                self._check_outcome_is_first_or_corrects(record)
            case "advice":
                self._check_model_may_advise(body["deployment"], record.at)
            case "deployment":
                check_new_monitor_plan(self.registry, record)
            case "event":
                self._check_event_fits_registry(record)
            case _:
                pass

    def _check_ruling_was_computed(self, ruling: RegistryRecord) -> None:
        use = self.registry.registered_record(ruling.body["intended_use"], "intended-use")
        if fault := ruling_difference_from_rules_on_day(ruling, use, ruling.at.date(), self._rules):
            raise StatusMoveError(
                ruling.name,
                found=fault,
                wanted=Message("a ruling that was computed from the product's facts"),
                remedy=Message("Compute it: commonwatt clinic model classify --record"),
            )

    def _check_evidence_was_computed(self, evidence: RegistryRecord) -> None:
        if fault := evidence_estimates_form_fault_or_none(evidence.body["estimates"]):
            raise StatusMoveError(
                evidence.name,
                found=fault,
                wanted=Message("estimates that were computed from a table"),
                remedy=Message("Compute them: commonwatt clinic model evidence --record"),
            )
        if "report_sha256" in evidence.body:
            self._check_sealed_report_is_on_record(evidence)

    def _check_sealed_report_is_on_record(self, record: RegistryRecord) -> None:
        """Refuse figures of a report that no examination of this version's artefact gave."""
        records, body = self.registry.records, record.body
        artefact = records[body["version"]].body["artefact_sha256"]
        given = (records[name].body for name in self.registry.by_kind["examination"])
        bound = ("report_sha256", "artefact_sha256")
        if (body["report_sha256"], artefact) not in {
            tuple(each[name] for name in bound) for each in given
        }:
            raise StatusMoveError(
                f"{record.name}, report_sha256",
                wanted=Message("the report of an examination of this version on record"),
                remedy=Message("Examine it: commonwatt clinic sealed examine --version"),
            )

    def _check_change_plan_form_in_determination(self, determination: RegistryRecord) -> None:
        plan = determination.body.get("plan")
        if plan is not None and (fault := change_plan_form_fault(plan)):
            raise StatusMoveError(
                f"{determination.name}, plan",
                found=fault,
                wanted=Message("a plan of changes"),
                remedy=Message(
                    "Give kinds, floors, dataset_sha256 and, where it may move, "
                    "most_threshold_shift; or leave the plan out."
                ),
            )

    def _check_event_fits_registry(self, record: RegistryRecord) -> None:
        body = record.body
        if incident_aware_at(record) > record.at + CLOCK_TOLERANCE:
            # A clock that starts in the future is a period made longer.
            raise StatusMoveError(
                f"{record.name}, aware_at", wanted=Message("an instant that is not in the future")
            )
        if body["code"] == MONITOR_RUN:
            self._check_monitor_run_fields(record)
        if body["type"] == "incident":
            self._check_incident_place_has_rules(record)
        if "closes" not in body:
            return
        closed = self.registry.registered_record(body["closes"], "event")
        if closed.body["type"] == "action":
            raise StatusMoveError(closed.name, wanted=Message("an incident or an alarm"))
        if closed.name in self.registry.closed_by:
            raise StatusMoveError(closed.name, found=Message("a report on it already"))
        # An authority has its report's number; an alarm has what was done about it.
        wanted = "report_number" if closed.body["type"] == "incident" else "narrative"
        if wanted not in body:
            raise StatusMoveError(f"{record.name}, {wanted}", wanted=Message("a value"))
        if closed.body["deployment"] != body["deployment"]:
            gaps = {"deployment": closed.body["deployment"]}
            raise StatusMoveError(
                f"{record.name}, deployment",
                wanted=Message("that of the event that it closes: {deployment}", gaps),
            )

    def _check_monitor_run_fields(self, run: RegistryRecord) -> None:
        for name in ("plan_sha256", "state_sha256", "through"):
            if name not in run.body:
                raise StatusMoveError(f"{run.name}, {name}", wanted=Message("a value"))
        # A day ahead of the clock would make every day before it one that was counted already.
        if not is_day_that_had_begun(run.body["through"], run.at):
            raise StatusMoveError(
                f"{run.name}, through", wanted=Message("a day that is not in the future")
            )

    def _incident_body_with_deployment_place(
        self, kind: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return an incident with the place of its deployment, where it names none."""
        if kind != "event" or body["type"] != "incident" or "jurisdiction" in body:
            return body
        place = self.registry.registered_record(body["deployment"], "deployment").body.get("place")
        return body if place is None else {**body, "jurisdiction": place}

    def _check_incident_place_has_rules(self, incident: RegistryRecord) -> None:
        """Refuse an incident for which no place's clock runs: nobody would be told of it."""
        if "jurisdiction" not in incident.body:
            raise StatusMoveError(f"{incident.name}, jurisdiction", wanted=Message("a value"))
        load_regulatory_rule_book().place(str(incident.body["jurisdiction"]))

    def _check_condition_is_open(self, record: RegistryRecord) -> None:
        """Refuse what is no condition of the determination, or is met already."""
        determination = self.registry.records[record.body["determination"]]
        texts = [
            condition.text for condition in approval_conditions_of_determination(determination)
        ]
        where = f"{record.name}, condition"
        if record.body["condition"] not in texts:
            gaps = {"name": determination.name}
            raise StatusMoveError(
                where, wanted=Message("a condition of {name}, word for word", gaps)
            )
        if record.body["condition"] in self.registry.conditions_met[determination.name]:
            raise StatusMoveError(where, found=Message("a condition met already"))

    def _check_outcome_is_first_or_corrects(self, outcome: RegistryRecord) -> None:
        """Refuse another outcome of an advice, but a clinician's correction with a reason."""
        if fault := outcome_correction_fault(self.registry, outcome):
            raise StatusMoveError(
                outcome.name,
                found=fault,
                wanted=Message("the first outcome of the advice, or a correction of it"),
                remedy=Message(
                    "A clinician corrects an outcome: give corrects with the name of the outcome"
                    " that counts, and a reason."
                ),
            )

    def _check_model_may_advise(self, deployment: str, at: datetime) -> None:
        if self.registry.deployment_status(deployment) is not DeploymentStatus.LIVE:
            raise StatusMoveError(deployment, wanted=Message("a live deployment"))
        record = self.registry.registered_record(deployment, "deployment")
        check_no_broken_advice_precondition(self.registered_deployment_fault(record, at.date()))

    def _check_evaluator_independent(self, evidence: RegistryRecord) -> None:
        """Refuse a third party that is no evaluator, or of the maker's house."""
        version = str(evidence.body["version"])
        if fault := third_party_fault(self.registry, version, evidence.actor_id):
            raise StatusMoveError(
                version, found=fault, wanted=Message("an evaluator of another organisation")
            )


def _registry_of_first_entries(tx: sa.Connection, size: int) -> Registry:
    registry = Registry()
    registry.apply_ledger_entries(verified_ledger_entries_by_connection(tx, limit=size))
    return registry
