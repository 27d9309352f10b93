"""What waits for whom: everything in the registry that stands still until somebody acts.

Each row names the thing that stands still, why, who must take which step, since when, and by
when where a law, a plan or the committee set a day. Whether a deployment's basis holds is asked
of the gate's own table, so that nothing is refused to a patient that is not somebody's to mend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.registry.conditions import unmet_approval_conditions
from commonwatt.clinic.domain.registry.evidence import evidence_shortfall, evidence_standard
from commonwatt.clinic.domain.registry.independence import is_attested
from commonwatt.clinic.domain.registry.lifecycle import DeploymentStatus
from commonwatt.clinic.domain.registry.preconditions import (
    PreconditionFault,
    fault_of_approval,
    fault_of_deployment,
    last_day_of_approval,
)
from commonwatt.clinic.domain.registry.rulings import (
    institution_risk_class_of_product,
    is_ruling_by_rules_held_here,
    product_class_by_scheme_in_place,
    ruling_difference_from_rules_on_day,
)
from commonwatt.clinic.domain.registry.state import (
    ALARM,
    NO_INFORMATION,
    Registry,
    RegistryRecord,
    ReportingPeriods,
)
from commonwatt.clinic.domain.registry.steps import (
    ANSWER,
    APPROVE,
    DETERMINE,
    EXAMINE,
    FULFIL,
    GO_LIVE,
    PROPOSE,
    REGISTER_USE,
    REGISTER_VERSION,
    REPORT,
    RETIRE,
    RULE,
    WATCH,
    RegistryStep,
)
from commonwatt.clinic.domain.surveillance import planned_days_between_runs
from commonwatt.core.messages import Message

EXPIRY_NOTICE: Final = timedelta(days=60)
"""How long before an approval ends its renewal begins to wait: a committee meets monthly."""


class WaitingKind(StrEnum):
    """Why something stands still."""

    NO_VERSION = "no-version"
    NO_USE = "no-intended-use"
    NO_RULING = "no-ruling"
    RULING_OUTDATED = "ruling-outdated"
    NO_EVIDENCE = "no-evidence"
    EVIDENCE_TOO_WEAK = "evidence-too-weak"
    UNDECIDED = "undecided"
    CONDITION_OPEN = "condition-open"
    APPROVAL_UNUSABLE = "approval-unusable"
    APPROVAL_EXPIRES = "approval-expires"
    NOT_DEPLOYED = "not-deployed"
    NOT_APPROVED = "deployment-not-approved"
    NOT_LIVE = "not-live"
    PAUSED = "paused"
    BASIS_BROKEN = "basis-broken"
    NOT_WATCHED = "not-watched"
    MONITOR_SILENT = "monitor-silent"
    ALARM_OPEN = "alarm-open"
    REPORT_OWED = "report-owed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """One thing that stands still.

    Args:
        kind: Why, as a code.
        product: Of which product; empty where the record that names it is missing.
        subject: The record that stands still.
        reason: Why, in words.
        step: Who must act, and by which command.
        since: When it came to stand still.
        due_at: By when somebody must have acted; None where nothing sets a day.
        rule: What sets the day, or what refuses; empty where neither does.
        detail: What is wrong in particular.
    """

    kind: WaitingKind
    product: str
    subject: str
    reason: Message
    step: RegistryStep
    since: datetime
    due_at: datetime | None = None
    rule: str = ""
    detail: Message | None = None

    def reason_text(self, language: str) -> str:
        """Return why it stands still, in the reader's language."""
        parts = [self.reason, *([self.detail] if self.detail else [])]
        return " ".join(part.translate(language) for part in parts)

    def working_days_left(self, on: date) -> int | None:
        """Return the working days from a day to the due one; negative once it has passed."""
        return (
            None if self.due_at is None else reporting_working_days_between(on, self.due_at.date())
        )


def reporting_working_days_between(first: date, last: date) -> int:
    """Return the working days after `first` up to and with `last`; negative if it lies before.

    Saturdays and Sundays are left out, public holidays are not, as in reporting periods.

    >>> reporting_working_days_between(date(2026, 11, 20), date(2026, 11, 23))
    1
    >>> reporting_working_days_between(date(2026, 11, 23), date(2026, 11, 20))
    -1
    """
    early, late = min(first, last), max(first, last)
    weeks, rest = divmod((late - early).days, 7)
    days = 5 * weeks + sum((early + timedelta(days=k)).weekday() < 5 for k in range(1, rest + 1))
    return days if first <= last else -days


def registry_waiting_rows(
    registry: Registry, on: date, periods: ReportingPeriods, *, product: str = ""
) -> list[WaitingRow]:
    """Return everything that waits on a day, those that are due soonest first.

    Args:
        registry: What is on record.
        on: The day.
        periods: In which incidents must be reported, by place and severity.
        product: Whose rows; all by default.
    """
    rows = [
        *_waiting_products(registry),
        *_waiting_uses(registry, on),
        *_waiting_versions(registry, on),
        *_waiting_determinations(registry, on),
        *_waiting_deployments(registry, on),
        *_waiting_alarms(registry),
        *_waiting_reports(registry, periods),
    ]
    return sorted((row for row in rows if product in ("", row.product)), key=_waiting_row_sort_key)


def _waiting_row_sort_key(row: WaitingRow) -> tuple[bool, datetime, datetime, str, str, str]:
    due = row.due_at or row.since
    return (row.due_at is None, due, row.since, row.product, row.subject, row.reason.text)


def records_of_kind(registry: Registry, kind: str) -> list[RegistryRecord]:
    """Return the records of a kind in order, a name that was written twice once."""
    records = (registry.records[name] for name in dict.fromkeys(registry.by_kind.get(kind, ())))
    return [record for record in records if record.kind == kind]


def product_of_record(registry: Registry, record: RegistryRecord | None) -> str:
    """Return the product that a record belongs to; empty where a record between is missing."""
    for field in ("product", "version", "intended_use", "deployment"):
        if record is not None and field in record.body:
            name = str(record.body[field])
            return (
                name
                if field == "product"
                else product_of_record(registry, registry.records.get(name))
            )
    return record.name if record is not None and record.kind == "product" else ""


def _waiting_products(registry: Registry) -> Iterator[WaitingRow]:
    having = {
        kind: {record.body.get("product") for record in records_of_kind(registry, kind)}
        for kind in ("version", "intended-use")
    }
    for product in records_of_kind(registry, "product"):
        for kind, name, reason, step in (
            (WaitingKind.NO_VERSION, "version", _NO_VERSION, REGISTER_VERSION),
            (WaitingKind.NO_USE, "intended-use", _NO_USE, REGISTER_USE),
        ):
            if product.name not in having[name]:
                yield _waiting_record(registry, kind, product, reason, step)


def _waiting_record(
    registry: Registry,
    kind: WaitingKind,
    record: RegistryRecord,
    reason: Message,
    step: RegistryStep,
    *,
    since: datetime | None = None,
    due_on: date | None = None,
    rule: str = "",
    detail: Message | None = None,
) -> WaitingRow:
    """Return the row of a record that stands still since it was written, unless told otherwise."""
    return WaitingRow(
        kind=kind,
        product=product_of_record(registry, record),
        subject=record.name,
        reason=reason,
        step=step,
        since=since or record.at,
        due_at=None if due_on is None else _due_end_of_day_in_zone_of(due_on, record.at),
        rule=rule,
        detail=detail,
    )


def _due_end_of_day_in_zone_of(day: date, like: datetime) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59, tzinfo=like.tzinfo)


def _waiting_uses(registry: Registry, on: date) -> Iterator[WaitingRow]:
    rulings = latest_ruling_by_use_and_place(registry)
    for use in records_of_kind(registry, "intended-use"):
        own = [ruling for (name, _), ruling in rulings.items() if name == use.name]
        if not own:
            yield _waiting_record(registry, WaitingKind.NO_RULING, use, _NO_RULING, RULE)
        for ruling in own:
            if (fault := ruling_fault_today(ruling, use, on)) is not None:
                gaps = {"place": str(ruling.body["jurisdiction"])}
                reason = Message("The rules of {place} give another ruling today.", gaps)
                yield _waiting_record(
                    registry, WaitingKind.RULING_OUTDATED, ruling, reason, RULE, detail=fault
                )


def latest_ruling_by_use_and_place(registry: Registry) -> Mapping[tuple[str, str], RegistryRecord]:
    """Return the last ruling on each intended use in each place."""
    return {
        (str(ruling.body["intended_use"]), str(ruling.body["jurisdiction"])): ruling
        for ruling in records_of_kind(registry, "ruling")
    }


def ruling_fault_today(ruling: RegistryRecord, use: RegistryRecord, on: date) -> Message | None:
    """Return in what a ruling is not what the rules at hand give on a day; None where in nothing.

    Args:
        ruling: The ruling.
        use: The intended use that it is on.
        on: The day.
    """
    if not is_ruling_by_rules_held_here(ruling):
        return Message("it is by rules that are not held here")
    return ruling_difference_from_rules_on_day(ruling, use, on)


def _waiting_versions(registry: Registry, on: date) -> Iterator[WaitingRow]:
    versions = records_of_kind(registry, "version")
    replaced = {version.body.get("previous") for version in versions}
    running = _names_of_versions_that_may_run(registry, on)
    for version in versions:
        settled = version.name in replaced or registry.decisions_on.get(version.name)
        if settled or version.name in running:
            continue
        evidence = [
            e for e in registry.evidence_on.get(version.name, ()) if e.index > version.index
        ]
        if not evidence:
            yield _waiting_record(registry, WaitingKind.NO_EVIDENCE, version, _NO_EVIDENCE, EXAMINE)
        elif (fault := version_evidence_shortfall(registry, evidence, on)) is not None:
            yield _waiting_record(
                registry, WaitingKind.EVIDENCE_TOO_WEAK, version, _WEAK_EVIDENCE, EXAMINE,
                since=evidence[-1].at, detail=fault,
            )  # fmt: skip
        elif intended_uses_of_product(registry, str(version.body.get("product", "")), ruled=True):
            yield _waiting_record(
                registry, WaitingKind.UNDECIDED, version, _UNDECIDED, DETERMINE,
                since=evidence[-1].at,
            )  # fmt: skip


def _names_of_versions_that_may_run(registry: Registry, on: date) -> set[str]:
    """Return the versions that a deployment runs on a basis that holds: a plan covers them."""
    return {
        str(deployment.body.get("version"))
        for deployment in records_of_kind(registry, "deployment")
        if fault_of_deployment(registry, deployment, on) is None
    }


def version_evidence_shortfall(
    registry: Registry, evidence: Iterable[RegistryRecord], on: date
) -> Message | None:
    """Return what evidence on a version lacks for each use of its product; None where one has all.

    Args:
        registry: What is on record.
        evidence: On one version, at least one record.
        on: The day whose law gives the class.
    """
    fault: Message | None = None
    for record in evidence:
        version = registry.records.get(str(record.body.get("version", "")))
        uses = intended_uses_of_product(registry, product_of_record(registry, version))
        # Without a use there is no class, and the product waits for its use already.
        faults = [evidence_shortfall_for_use(registry, record, use, on) for use in uses] or [None]
        if None in faults:
            return None
        fault = faults[0]
    return fault


def evidence_shortfall_for_use(
    registry: Registry, record: RegistryRecord, use: RegistryRecord, on: date
) -> Message | None:
    """Return what a record of evidence lacks for the class of an intended use; None if nothing."""
    try:
        standard = evidence_standard(institution_risk_class_of_product(use, on))
    except RulesError as error:
        return Message("{fault}", {"fault": str(error)})
    return evidence_shortfall(record, standard, attested=is_attested(registry, record))


def intended_uses_of_product(
    registry: Registry, product: str, *, ruled: bool = False
) -> list[RegistryRecord]:
    """Return the intended uses of a product; with `ruled`, those that have a ruling."""
    with_ruling = {name for name, _ in latest_ruling_by_use_and_place(registry)}
    return [
        use
        for use in records_of_kind(registry, "intended-use")
        if use.body.get("product") == product and (use.name in with_ruling or not ruled)
    ]


def _waiting_determinations(registry: Registry, on: date) -> Iterator[WaitingRow]:
    deployed: dict[str, list[RegistryRecord]] = {}
    for deployment in records_of_kind(registry, "deployment"):
        deployed.setdefault(str(deployment.body.get("determination")), []).append(deployment)
    for approval in records_of_kind(registry, "determination"):
        if approval.body.get("outcome") != "approved":
            continue
        fault = fault_of_approval(registry, approval, on)
        placed = deployed.get(approval.name, [])
        # What was withdrawn, refused or followed by another approval is done with; its deployments
        # have rows of their own.
        if fault is not None and fault.step in (RETIRE, PROPOSE):
            continue
        yield from _waiting_conditions(registry, approval)
        if fault is not None and not placed:
            yield _waiting_basis(registry, WaitingKind.APPROVAL_UNUSABLE, approval, fault)
        elif fault is None and not placed:
            yield _waiting_record(
                registry, WaitingKind.NOT_DEPLOYED, approval, _NOT_DEPLOYED, PROPOSE
            )
        yield from _waiting_renewal(registry, approval, placed, on)


def _waiting_conditions(registry: Registry, approval: RegistryRecord) -> Iterator[WaitingRow]:
    for condition in unmet_approval_conditions(registry, approval):
        reason = Message("A condition is open: {condition}", {"condition": condition.text})
        yield _waiting_record(
            registry, WaitingKind.CONDITION_OPEN, approval, reason, FULFIL, due_on=condition.by,
            rule=approval.name if condition.by else "",
        )  # fmt: skip


def _waiting_renewal(
    registry: Registry, approval: RegistryRecord, placed: Iterable[RegistryRecord], on: date
) -> Iterator[WaitingRow]:
    last = last_day_of_approval(approval)
    retired = DeploymentStatus.RETIRED
    in_use = any(registry.deployment_status(each.name) is not retired for each in placed)
    if last is not None and in_use and on <= last <= on + EXPIRY_NOTICE:
        reason = Message("The approval ends on {day}.", {"day": last.isoformat()})
        yield _waiting_record(
            registry, WaitingKind.APPROVAL_EXPIRES, approval, reason, DETERMINE, due_on=last,
            rule=approval.name,
        )  # fmt: skip


def _waiting_basis(
    registry: Registry, kind: WaitingKind, holder: RegistryRecord, fault: PreconditionFault
) -> WaitingRow:
    cause = registry.records.get(fault.where)
    # A record that broke the basis later says since when; one that was wrong from the start does so
    # since it is relied upon.
    since = max(holder.at, cause.at) if cause else holder.at
    detail = fault.why if fault.why is not None and fault.why.text else None
    return _waiting_record(
        registry, kind, holder, fault.sentence, fault.step,
        since=since, rule=fault.rule, detail=detail,
    )  # fmt: skip


def _waiting_deployments(registry: Registry, on: date) -> Iterator[WaitingRow]:
    standing_by = _fallback_names_of_live_deployments(registry)
    for deployment in records_of_kind(registry, "deployment"):
        status = registry.deployment_status(deployment.name)
        if status is None or status is DeploymentStatus.RETIRED:
            continue
        fault = fault_of_deployment(registry, deployment, on)
        if fault is not None:
            yield _waiting_basis(registry, WaitingKind.BASIS_BROKEN, deployment, fault)
        elif status is DeploymentStatus.LIVE:
            yield from _waiting_monitor(registry, deployment, on)
        elif deployment.name not in standing_by:
            kind, reason, step = _BEFORE_LIVE[status]
            since = registry.moves[deployment.name][-1].at
            yield _waiting_record(registry, kind, deployment, reason, step, since=since)


def _fallback_names_of_live_deployments(registry: Registry) -> set[str]:
    """Return the deployments that stand by on purpose, as the plan of a live one says."""
    live = (
        deployment
        for deployment in records_of_kind(registry, "deployment")
        if registry.deployment_status(deployment.name) is DeploymentStatus.LIVE
    )
    return {
        str(_monitor_plan_body_of_deployment(deployment).get("fallback", "")) for deployment in live
    }


def _monitor_plan_body_of_deployment(deployment: RegistryRecord) -> Mapping[str, Any]:
    monitor: Any = deployment.body.get("monitor")
    return monitor if isinstance(monitor, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def _waiting_monitor(
    registry: Registry, deployment: RegistryRecord, on: date
) -> Iterator[WaitingRow]:
    """Return a live deployment whose monitor is overdue by its plan, or learned nothing."""
    run = registry.last_monitor_run(deployment.name)
    live_since = registry.moves[deployment.name][-1].at
    since = max(run.at, live_since) if run else live_since
    due_on = since.date() + timedelta(
        days=planned_days_between_runs(_monitor_plan_body_of_deployment(deployment))
    )
    rule = f"{deployment.name}, monitor"
    if on > due_on:
        reason = Message("Its monitor has not run since {day}.", {"day": since.date().isoformat()})
        yield _waiting_record(
            registry, WaitingKind.NOT_WATCHED, deployment, reason, WATCH, since=since,
            due_on=due_on, rule=rule,
        )  # fmt: skip
    if run is not None and run.body.get("verdict") == NO_INFORMATION:
        yield _waiting_record(
            registry, WaitingKind.MONITOR_SILENT, deployment, _MONITOR_SILENT, WATCH, since=run.at
        )


def _waiting_alarms(registry: Registry) -> Iterator[WaitingRow]:
    for alarm in monitor_alarms_on_record(registry):
        name = str(alarm.body["deployment"])
        retired = registry.deployment_status(name) is DeploymentStatus.RETIRED
        if not retired and alarm_answer(registry, alarm) is None:
            reason = Message("The monitor of {deployment} rang.", {"deployment": name})
            yield _waiting_record(registry, WaitingKind.ALARM_OPEN, alarm, reason, ANSWER)


def monitor_alarms_on_record(registry: Registry) -> list[RegistryRecord]:
    """Return the alarms of monitors, in order."""
    return [
        event
        for event in records_of_kind(registry, "event")
        if event.body.get("type") == "signal" and event.body.get("code") == ALARM
    ]


def alarm_answer(registry: Registry, alarm: RegistryRecord) -> tuple[str, datetime] | None:
    """Return what was done about an alarm, and when; None while nothing was.

    A person answers it in words, or moves the deployment. What the monitor itself did by the
    plan is no answer: a model that was paused by night still waits for somebody to look.
    """
    answer = registry.records.get(registry.closed_by.get(alarm.name, ""))
    if answer is not None:
        return answer.name, answer.at
    for move in registry.moves.get(str(alarm.body["deployment"]), ()):
        if move.index > alarm.index and move.actor_id != alarm.actor_id:
            return str(move.status), move.at
    return None


def _waiting_reports(registry: Registry, periods: ReportingPeriods) -> Iterator[WaitingRow]:
    for duty in registry.reporting_duties(periods, classes_of=product_class_by_scheme_in_place):
        incident = registry.records[duty.event]
        gaps = {
            "reporter": duty.reporter, "severity": duty.severity, "place": duty.jurisdiction,
        }  # fmt: skip
        yield WaitingRow(
            kind=WaitingKind.REPORT_OWED,
            product=product_of_record(registry, incident),
            subject=incident.name,
            reason=Message("A report is owed in {place} by the {reporter}: {severity}", gaps),
            step=REPORT,
            since=duty.aware_at,
            due_at=duty.due_at,
            rule=duty.rule,
        )


_NO_VERSION: Final = Message("The product has no version.")
_NO_USE: Final = Message("The product has no intended use.")
_NO_RULING: Final = Message("No place has ruled on this use.")
_NO_EVIDENCE: Final = Message("There is no evidence on this version.")
_WEAK_EVIDENCE: Final = Message("The evidence on this version is not enough.")
_UNDECIDED: Final = Message("Evidence is on record, and the committee has not decided.")
_NOT_DEPLOYED: Final = Message("The version is approved, and nobody has proposed where it works.")
_MONITOR_SILENT: Final = Message("Nothing follows from what its monitor counted.")
_BEFORE_LIVE: Final[Mapping[DeploymentStatus, tuple[WaitingKind, Message, RegistryStep]]] = {
    DeploymentStatus.PROPOSED: (
        WaitingKind.NOT_APPROVED,
        Message("The deployment is proposed, and the committee has not approved it."),
        APPROVE,
    ),
    DeploymentStatus.APPROVED: (
        WaitingKind.NOT_LIVE,
        Message("The deployment is approved and not live."),
        GO_LIVE,
    ),
    DeploymentStatus.PAUSED: (
        WaitingKind.PAUSED,
        Message("The deployment is paused: it goes live again, or is retired."),
        GO_LIVE,
    ),
}
