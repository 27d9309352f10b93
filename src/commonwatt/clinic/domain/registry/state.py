"""What the entries amount to: a fold, and the questions that fall out of it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.lifecycle import DeploymentStatus
from commonwatt.clinic.domain.registry.old_words import deployment_body_in_todays_words
from commonwatt.clinic.domain.registry.records import (
    KIND_ON_RECORD,
    OUTCOME_CORRECTORS,
    registry_record_read_fault,
)
from commonwatt.clinic.domain.rules.classify import (
    ReportingPeriod,
    shortest_reporting_periods_across_graver_events,
)
from commonwatt.clinic.domain.rules.rule import GRAVEST_FIRST, RegulatoryRule
from commonwatt.core.messages import Message
from commonwatt.ledger import LedgerEntry
from commonwatt.ledger.people import ENROL, Person, actor_of_enrolment
from commonwatt.ledger.roles import LedgerRole

PREFIX = "clinic."
MOVE = "clinic.move"
ALARM = "calibration-alarm"
"""Code of the event of an alarm."""
MONITOR_RUN = "monitor-run"
"""Code of the event by which a run of a monitor puts on record what it has counted."""
NO_INFORMATION = "no information"
"""Verdict of a monitor from whose rows nothing follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRecord:
    """A record as it stands in the ledger."""

    name: str
    kind: str
    body: Mapping[str, Any]
    at: datetime
    actor_id: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentMove:
    """A move of a deployment."""

    at: datetime
    status: DeploymentStatus
    actor_id: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDeployment:
    """What was live somewhere at some time."""

    deployment: str
    version: str
    mode: str
    threshold: float
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingDuty:
    """Somebody who must be told, by whom, by when, by which rule.

    Args:
        event: The incident.
        jurisdiction: Whose law.
        severity: How grave it is.
        reporter: Who must report it.
        due_at: End of the period.
        rule: That gives the period.
        aware_at: When the institution became aware, from which the period runs.
        report_number: Number of the report that closed it; empty while it is open.
    """

    event: str
    jurisdiction: str
    severity: str
    reporter: str
    due_at: datetime
    rule: str
    aware_at: datetime
    report_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UntimedReportingDuty:
    """An incident of which no rule on file says by when it is due: that is to be looked up.

    Args:
        event: The incident.
        jurisdiction: Whose law.
        severity: How grave it is.
        reporter: Who must report it by a rule without a period, or whom the incident names;
            empty where no rule on file names anybody.
        rule: The rule without a period; empty where there is none.
    """

    event: str
    jurisdiction: str
    severity: str
    reporter: str
    rule: str


# By jurisdiction and severity: the period of everybody who must report.
ReportingPeriods = Mapping[tuple[str, str], Sequence[ReportingPeriod]]
# Of facts of a product, a place and a day: its class by scheme; None where nobody can say.
ProductClasses = Callable[[Mapping[str, Any], str, date], Mapping[str, str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAsideEntry:
    """An entry of the clinic that is not of the form, and why."""

    index: int
    subject: str
    fault: Message


def _registry_entry_read_fault(entry: LedgerEntry) -> Message | None:
    if entry.kind == MOVE:
        to: object = entry.body.get("to")
        is_status = isinstance(to, str) and to in _STATUSES
        return None if is_status else Message("{name} is missing", {"name": "to"})
    if not entry.kind.startswith(PREFIX):
        return None
    kind = entry.kind.removeprefix(PREFIX)
    body = deployment_body_in_todays_words(entry.body) if kind == "deployment" else entry.body
    if not entry.subject.startswith(f"{kind}/"):
        return Message("{name} is no name of a {kind}", {"name": entry.subject, "kind": kind})
    return registry_record_read_fault(kind, body)


_RUN_MEMBERS: Final = {"state_sha256", "through"}
_STATUSES: Final = frozenset(str(status) for status in DeploymentStatus)


class Registry:
    """The state of the clinic after some number of entries."""

    def __init__(self) -> None:
        self.entries_applied = 0
        self.records: dict[str, RegistryRecord] = {}
        # By actor id, as enrolled: who is independent of whom hangs on it, at the gate, too.
        self.people: dict[str, Person] = {}
        self.moves: dict[str, list[DeploymentMove]] = defaultdict(list)
        self.at_institution: dict[str, list[str]] = defaultdict(list)
        self.by_kind: dict[str, list[str]] = defaultdict(list)
        # Indexed while folding: the gate asks for each of these at every question, and the record
        # grows by every answer that it gives.
        self.disclosed: dict[tuple[str, str], datetime] = {}
        self.decision_of: dict[str, str] = {}
        self.outcome_of: dict[str, bool] = {}
        self.outcome_record_of: dict[str, str] = {}
        # The gate asks for these at every question: a scan of all records would grow with them.
        self.decisions_on: dict[str, list[RegistryRecord]] = defaultdict(list)
        self.evidence_on: dict[str, list[RegistryRecord]] = defaultdict(list)
        self.closed_by: dict[str, str] = {}
        self.monitor_runs: dict[str, list[RegistryRecord]] = defaultdict(list)
        self.set_aside: dict[int, SetAsideEntry] = {}
        self.conditions_met: dict[str, set[str]] = defaultdict(set)

    def apply_ledger_entries(self, entries: Iterable[LedgerEntry]) -> None:
        """Take further entries, in order; what is not of the form is set aside and counts nowhere.

        An entry cannot be taken back: if one that another program wrote could stop this, nobody
        could pause a model any more.
        """
        for entry in entries:
            self.entries_applied = entry.index + 1
            if fault := _registry_entry_read_fault(entry):
                self.set_aside[entry.index] = SetAsideEntry(
                    index=entry.index, subject=entry.subject, fault=fault
                )
            elif entry.kind == MOVE:
                self._apply_deployment_move(entry)
            elif entry.kind == ENROL:
                actor = actor_of_enrolment(entry.index, entry.subject, entry.body)
                self.people[actor.actor_id] = actor.person
            elif entry.kind.startswith(PREFIX):
                self._apply_registry_record(entry)

    def _apply_deployment_move(self, entry: LedgerEntry) -> None:
        self.moves[entry.subject].append(
            DeploymentMove(
                at=entry.at,
                status=DeploymentStatus(entry.body["to"]),
                actor_id=entry.actor_id,
                index=entry.index,
            )
        )

    def _apply_registry_record(self, entry: LedgerEntry) -> None:
        kind = entry.kind.removeprefix(PREFIX)
        record = RegistryRecord(
            name=entry.subject,
            kind=kind,
            body=deployment_body_in_todays_words(entry.body)
            if kind == "deployment"
            else entry.body,
            at=entry.at,
            actor_id=entry.actor_id,
            index=entry.index,
        )
        self.records[record.name] = record
        self.by_kind[record.kind].append(record.name)
        self._index_registry_record(record)

    def _index_registry_record(self, record: RegistryRecord) -> None:
        body = record.body
        match record.kind:
            case "deployment":
                self.at_institution[body["institution"]].append(record.name)
                proposed = DeploymentMove(
                    at=record.at,
                    status=DeploymentStatus.PROPOSED,
                    actor_id=record.actor_id,
                    index=record.index,
                )
                self.moves[record.name].append(proposed)
            case "determination":
                self.decisions_on[body["version"]].append(record)
            case "fulfilment":
                self.conditions_met[body["determination"]].add(body["condition"])
            case "evidence":
                self.evidence_on[body["version"]].append(record)
            case "disclosure":
                # The first disclosure counts: a repeated one must not move the time of an advice
                # that was given between the two.
                self.disclosed.setdefault((body["deployment"], body["encounter"]), record.at)
            case "decision":
                # The first counts: the registry writer refuses another, others may write one.
                self.decision_of.setdefault(body["advice"], record.name)
            case "outcome":
                self._index_outcome(record)
            case "event" if "closes" in body:
                # The first report counts: a later one is a follow-up and moves no date.
                self.closed_by.setdefault(body["closes"], record.name)
            case "event" if body["code"] == MONITOR_RUN:
                self.monitor_runs[body["deployment"]].append(record)
            case _:
                pass

    def _index_outcome(self, outcome: RegistryRecord) -> None:
        advice = outcome.body["advice"]
        if outcome_correction_fault(self, outcome):
            return
        self.outcome_record_of[advice] = outcome.name
        self.outcome_of[advice] = outcome.body["label"]

    def registered_record(self, name: str, kind: str) -> RegistryRecord:
        """Return a record.

        Raises:
            StatusMoveError: There is none of that kind and name.
        """
        record = self.records.get(name)
        if record is None or record.kind != kind:
            raise StatusMoveError(name, wanted=KIND_ON_RECORD[kind])
        return record

    def last_monitor_run(self, deployment: str) -> RegistryRecord | None:
        """Return the last run on record that a monitor signed; others write events, too.

        Of every monitor that was ever enrolled: a key that was rotated has still run.
        """
        of_monitor = (
            run
            for run in reversed(self.monitor_runs.get(deployment, ()))
            if self.is_monitor(run.actor_id) and run.body.keys() >= _RUN_MEMBERS
        )
        return next(of_monitor, None)

    def is_monitor(self, actor_id: str) -> bool:
        """Return whether somebody was enrolled as a monitor, as the chain has it."""
        person = self.people.get(actor_id)
        return person is not None and person.role == LedgerRole.MONITOR

    def deployment_status(
        self, deployment: str, at: datetime | None = None
    ) -> DeploymentStatus | None:
        """Return where a deployment stood; `None` before it was recorded."""
        moves = self.moves.get(deployment, [])
        # To the right, so that a move at exactly this instant counts as made: the ledger's clock
        # may stand still between two entries.
        end = len(moves) if at is None else bisect_right(moves, at, key=lambda move: move.at)
        return moves[end - 1].status if end else None

    def live_deployments(self, institution: str, at: datetime) -> list[LiveDeployment]:
        """Return what was live at an institution at an instant."""
        live: list[LiveDeployment] = []
        for name in self.at_institution.get(institution, ()):
            if self.deployment_status(name, at) is DeploymentStatus.LIVE:
                body, moves = self.records[name].body, self.moves[name]
                since = max(m.at for m in moves if m.at <= at and m.status is DeploymentStatus.LIVE)
                live.append(
                    LiveDeployment(
                        deployment=name,
                        version=body["version"],
                        mode=body["mode"],
                        threshold=body["threshold"],
                        since=since,
                    )
                )
        return live

    def last_approval_move(self, deployment: str) -> DeploymentMove | None:
        """Return who approved a deployment and with it its threshold, and where it stands."""
        approved = [
            m for m in self.moves.get(deployment, ()) if m.status is DeploymentStatus.APPROVED
        ]
        # The last approval, because a deployment that is approved again after a pause answers to
        # the later committee.
        return approved[-1] if approved else None

    def rule_set_rulings_on_product(self, product: str, jurisdiction: str) -> list[RegistryRecord]:
        """Return which rule sets gave a product its class in a place, in order."""
        uses = {
            n for n in self.by_kind["intended-use"] if self.records[n].body["product"] == product
        }
        rulings = (self.records[name] for name in self.by_kind["ruling"])
        return [
            ruling
            for ruling in rulings
            if ruling.body["intended_use"] in uses and ruling.body["jurisdiction"] == jurisdiction
        ]

    def encounters_shown_advice_undisclosed(self, deployment: str) -> list[str]:
        """Return the encounters that were advised on before, or without, a disclosure."""
        encounters: list[str] = []
        for record in self._advice_records_of_deployment(deployment):
            disclosed_at = self.disclosed.get((deployment, record.body["encounter"]))
            if record.body["shown"] and (disclosed_at is None or disclosed_at > record.at):
                encounters.append(record.body["encounter"])
        return encounters

    def names_of_advice_awaiting_decision(self, deployment: str) -> list[str]:
        """Return the advice on which a signed decision is wanted and none is on record."""
        return [
            record.name
            for record in self._advice_records_of_deployment(deployment)
            if record.body.get("sign_off") and record.name not in self.decision_of
        ]

    def approved_ruling(self, deployment: str) -> RegistryRecord:
        """Return the ruling behind a deployment's approval."""
        determination = self.records[self.records[deployment].body["determination"]]
        return self.records[determination.body["ruling"]]

    def approved_intended_use(self, deployment: str) -> RegistryRecord:
        """Return the intended use that a deployment was approved for."""
        return self.records[self.approved_ruling(deployment).body["intended_use"]]

    def approved_product_classes(self, deployment: str) -> frozenset[str]:
        """Return the classes that the ruling behind a deployment's approval gives."""
        ruling = self.approved_ruling(deployment)
        # Every scheme's class: a guide names the classes that want a signature without saying by
        # which scheme, and the strictest reading is the safe one.
        return frozenset(str(klass) for klass in ruling.body["classes"].values())

    def outcome_counts_by_decision(self, deployment: str) -> dict[str, dict[str, int]]:
        """Return, for each decision, how often the event came, did not, or is not known yet."""
        table: dict[str, dict[str, int]] = {}
        for record in self._advice_records_of_deployment(deployment):
            decision = self.decision_of.get(record.name)
            outcome = self.records[decision].body["outcome"] if decision else "none"
            row = table.setdefault(outcome, {"event": 0, "no event": 0, "not known": 0})
            label = self.outcome_of.get(record.name)
            row["not known" if label is None else "event" if label else "no event"] += 1
        return table

    def clinician_saw_advice_first(self, advice: str) -> bool | None:
        """Return whether the doctor saw the advice before giving an own estimate, if known."""
        if "own_estimate" in self.records[advice].body:
            return False
        decision = self.decision_of.get(advice)
        # Not known is its own answer. To count it as "saw first" or as "did not" would both bias
        # how model and doctor compare.
        if decision is None or "own_estimate" not in self.records[decision].body:
            return None
        return not self.records[decision].body["asked_before"]

    def lottery_score_estimate_and_outcome_rows(
        self, deployment: str
    ) -> list[tuple[float, float, bool]]:
        """Return score, the doctor's own estimate and outcome of what a lot fell on.

        An estimate that a doctor volunteered is left out: who volunteers is not random.
        """
        return [
            (record.body["score"], record.body["own_estimate"], self.outcome_of[record.name])
            for record in self._advice_records_of_deployment(deployment)
            if record.body.get("sampled") and record.name in self.outcome_of
        ]

    def reporting_duties(
        self,
        periods: ReportingPeriods,
        *,
        closed: bool = False,
        classes_of: ProductClasses | None = None,
    ) -> list[ReportingDuty]:
        """Return who must report incidents by when, soonest first.

        The class of the product in the place is that of the ruling behind the deployment, or of
        its facts where the ruling is of another place; where neither gives one, every period of
        the place runs. Of several for one reporter the one that ends first is taken: what was
        foreseen in the maker's risk file is seldom known on the day. A graver incident is a
        lesser one, too, and is due no later.

        Args:
            periods: By jurisdiction and severity, those of everybody who must report; an event
                that names its reporter gives a duty to that one alone.
            closed: Whether those that a report has closed are returned, too.
            classes_of: Gives the classes of a product elsewhere than where it was ruled on.
        """
        duties = [
            self._reporting_duty_of_period(record, record.body.get("jurisdiction", ""), period)
            for record in self._incident_records(closed=closed)
            for period in self._reporting_periods_running_for_incident(record, periods, classes_of)
        ]
        return sorted(duties, key=lambda duty: (duty.due_at, duty.event, duty.reporter))

    def untimed_reporting_duties(
        self,
        periods: ReportingPeriods,
        rules: Mapping[str, Sequence[RegulatoryRule]],
        *,
        closed: bool = False,
        classes_of: ProductClasses | None = None,
    ) -> list[UntimedReportingDuty]:
        """Return the incidents that somebody must report at a time that is not on file.

        An incident on which the rules of its place are silent is among them: that no period is
        on file is not that nobody must report it.

        Args:
            periods: By jurisdiction and severity, those that run.
            rules: By jurisdiction, the rules by which somebody reports and that give no period.
            closed: Whether those that a report has closed are returned, too.
            classes_of: Gives the classes of a product elsewhere than where it was ruled on.
        """
        duties: list[UntimedReportingDuty] = []
        for record in self._incident_records(closed=closed):
            timed = self._reporting_periods_running_for_incident(record, periods, classes_of)
            duties += self._untimed_reporting_duties_of_incident(
                record, {period.reporter for period in timed}, rules, classes_of
            )
        return duties

    def _incident_records(self, *, closed: bool) -> Iterator[RegistryRecord]:
        for name in self.by_kind["event"]:
            record = self.records[name]
            if record.body["type"] == "incident" and (closed or name not in self.closed_by):
                yield record

    def _reporting_periods_running_for_incident(
        self,
        incident: RegistryRecord,
        periods: ReportingPeriods,
        classes_of: ProductClasses | None,
    ) -> list[ReportingPeriod]:
        """Return the period of everybody who must report an incident, by its own severity."""
        body = incident.body
        place, severity = body.get("jurisdiction", ""), body["severity"]
        classes = self._product_class_by_scheme_of_event(incident, place, classes_of)
        lesser = GRAVEST_FIRST[GRAVEST_FIRST.index(severity) :]
        running = (
            period
            for event in lesser
            for period in periods.get((place, event), ())
            if body.get("reporter", period.reporter) == period.reporter
            and (classes is None or period.runs_under_product_classes(classes))
        )
        return [
            each
            for each in shortest_reporting_periods_across_graver_events(running)
            if each.event == severity
        ]

    def _untimed_reporting_duties_of_incident(
        self,
        incident: RegistryRecord,
        timed: set[str],
        rules: Mapping[str, Sequence[RegulatoryRule]],
        classes_of: ProductClasses | None,
    ) -> list[UntimedReportingDuty]:
        place, named = incident.body.get("jurisdiction", ""), incident.body.get("reporter", "")
        classes = self._product_class_by_scheme_of_event(incident, place, classes_of)
        by_reporter = {
            rule.reports: rule.rule_id
            for rule in rules.get(place, ())
            if rule.reports not in timed
            and named in ("", rule.reports)
            and rule.in_force(incident_aware_at(incident).date())
            and (classes is None or rule.given_classes_are_allowed(classes))
        }
        if not by_reporter and not timed:
            by_reporter = {named: ""}
        return [
            UntimedReportingDuty(
                event=incident.name,
                jurisdiction=place,
                severity=incident.body["severity"],
                reporter=reporter,
                rule=rule_id,
            )
            for reporter, rule_id in by_reporter.items()
        ]

    def _reporting_duty_of_period(
        self, record: RegistryRecord, jurisdiction: str, period: ReportingPeriod
    ) -> ReportingDuty:
        aware_at, report = incident_aware_at(record), self.closed_by.get(record.name)
        return ReportingDuty(
            event=record.name,
            jurisdiction=jurisdiction,
            severity=period.event,
            reporter=period.reporter,
            due_at=incident_report_due_at(aware_at, period.days, working=period.working),
            rule=period.rule,
            aware_at=aware_at,
            report_number=self.records[report].body.get("report_number", "") if report else "",
        )

    def _product_class_by_scheme_of_event(
        self, event: RegistryRecord, place: str, classes_of: ProductClasses | None
    ) -> Mapping[str, str] | None:
        """Return the classes of an event's product in a place; None where nobody can say."""
        ruling: RegistryRecord | None = event
        for kind in ("deployment", "determination", "ruling"):
            ruling = self.records.get(str(ruling.body.get(kind, ""))) if ruling else None
        if ruling is None:
            return None
        recorded = dict(ruling.body["classes"]) if ruling.body["jurisdiction"] == place else None
        use = self.records.get(str(ruling.body.get("intended_use", "")))
        if classes_of is None or use is None:
            return recorded
        computed = classes_of(use.body["facts"], place, incident_aware_at(event).date())
        # What was ruled stands; the facts add which scheme applies and gives no class, of which a
        # ruling on record is silent.
        return recorded if computed is None else {**computed, **(recorded or {})}

    def _advice_records_of_deployment(self, deployment: str) -> Iterable[RegistryRecord]:
        records = (self.records[name] for name in self.by_kind["advice"])
        return (record for record in records if record.body["deployment"] == deployment)


def outcome_correction_fault(registry: Registry, outcome: RegistryRecord) -> Message | None:
    """Return why an outcome takes the place of none; None where it is the first, or corrects it.

    A correction names the outcome that counts, with a reason, and is a clinician's.
    """
    counts = registry.outcome_record_of.get(outcome.body["advice"])
    corrects = outcome.body.get("corrects")
    if counts is None:
        return Message("no outcome to correct") if corrects else None
    if corrects != counts:
        return Message("{outcome}, which counts for this advice", {"outcome": counts})
    if not str(outcome.body.get("reason", "")).strip():
        return Message("a correction without a reason")
    signer = registry.people.get(outcome.actor_id)
    if signer is None or signer.role not in OUTCOME_CORRECTORS:
        return Message("the role {role}", {"role": signer.role if signer else "–"})
    return None


def incident_aware_at(record: RegistryRecord) -> datetime:
    """Return when the institution became aware of an incident.

    Entries from before awareness was asked for have the moment in which they were written.
    """
    aware_at = record.body.get("aware_at")
    return datetime.fromisoformat(aware_at) if aware_at else record.at


def incident_report_due_at(since: datetime, days: float, *, working: bool) -> datetime:
    """Return the end of a period; working days leave out Saturday and Sunday, not holidays.

    >>> incident_report_due_at(datetime(2026, 11, 20), 5, working=True).date()
    datetime.date(2026, 11, 27)
    """
    if not working:
        return since + timedelta(days=days)
    days_left, at = int(days), since
    while days_left:
        at += timedelta(days=1)
        # Public holidays differ by place and by year and are not on record here; leaving them out
        # makes a deadline earlier, never later.
        days_left -= at.weekday() < 5
    return at
