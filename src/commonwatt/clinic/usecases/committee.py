"""The committee's view: what waits for whom, and everything that one product rests on.

Command, console and JSON show the rows that are made here, so that none of them can leave
one out that another has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, cast

from commonwatt.catalogue.measures import ABSENT
from commonwatt.catalogue.tables import TableSchema
from commonwatt.clinic.domain import tables
from commonwatt.clinic.domain.errors import MonitorError, RulesError
from commonwatt.clinic.domain.registry.evidence import OVERALL
from commonwatt.clinic.domain.registry.preconditions import (
    model_change_and_plan_faults_since_approval,
)
from commonwatt.clinic.domain.registry.rulings import (
    is_ruling_by_rules_held_here,
    product_ruling_on_day,
)
from commonwatt.clinic.domain.registry.state import Registry, RegistryRecord
from commonwatt.clinic.domain.registry.waiting import (
    WaitingRow,
    alarm_answer,
    evidence_shortfall_for_use,
    intended_uses_of_product,
    latest_ruling_by_use_and_place,
    monitor_alarms_on_record,
    product_of_record,
    records_of_kind,
    registry_waiting_rows,
    reporting_working_days_between,
    ruling_fault_today,
)
from commonwatt.clinic.domain.surveillance import (
    planned_days_between_runs,
    surveillance_plan_of_deployment,
)
from commonwatt.clinic.usecases.overview import load_clinic_registry_without_advice
from commonwatt.clinic.usecases.queries import (
    open_reporting_duties,
    reporting_duty_dict,
    reporting_periods_by_place_and_event,
)
from commonwatt.core.messages import Message
from commonwatt.ledger.usecases import with_ledger

Rows = list[dict[str, Any]]

PRODUCT_TABLES: Final[Mapping[str, tuple[Message, TableSchema]]] = {
    "waiting": (Message("What waits for whom"), tables.WAITING),
    "rulings": (Message("Class and route by place"), tables.PLACE_RULINGS),
    "evidence": (Message("Evidence and what it lacks"), tables.PRODUCT_EVIDENCE),
    "plans": (Message("Guide and monitor plan"), tables.MONITOR_PLANS),
    "deployments": (Message("Where it works"), tables.PRODUCT_DEPLOYMENTS),
    "alarms": (Message("Alarms and what was done"), tables.PRODUCT_ALARMS),
    "incidents": (Message("Incidents and who must report them"), tables.PRODUCT_INCIDENTS),
    "changes": (Message("Changes since the approval"), tables.CHANGES_SINCE_APPROVAL),
}
"""Title and columns of each table of a product, in the order in which they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFile:
    """Everything on record that a committee looks at of one product, as rows by table."""

    product: str
    waiting: Rows
    rulings: Rows
    evidence: Rows
    plans: Rows
    deployments: Rows
    alarms: Rows
    incidents: Rows
    changes: Rows

    def tables(self) -> dict[str, Rows]:
        """Return the rows by the name of their table, in the order of `PRODUCT_TABLES`."""
        return {name: getattr(self, name) for name in PRODUCT_TABLES}


def clinic_waiting_rows_of_ledger(
    ledger_location: str, on: date, *, product: str = "", language: str = "en"
) -> Rows:
    """Return what waits for whom in a ledger, those that are due soonest first.

    Raises:
        StatusMoveError: There is no such product.
    """

    def rows_of_registry(registry: Registry) -> Rows:
        if product:
            registry.registered_record(product, "product")
        return clinic_waiting_row_dicts(registry, on, product=product, language=language)

    return with_ledger(
        ledger_location,
        lambda ledger: rows_of_registry(load_clinic_registry_without_advice(ledger)),
    )


def committee_product_file_of_ledger(
    ledger_location: str, product: str, on: date, *, language: str = "en"
) -> ProductFile:
    """Return what a committee looks at of a product in a ledger.

    Raises:
        StatusMoveError: There is no such product.
    """
    return with_ledger(
        ledger_location,
        lambda ledger: committee_product_file(
            load_clinic_registry_without_advice(ledger), product, on, language=language
        ),
    )


def clinic_waiting_row_dicts(
    registry: Registry, on: date, *, product: str = "", language: str = "en"
) -> Rows:
    """Return what waits for whom as plain values, with the reason in the reader's language."""
    rows = registry_waiting_rows(
        registry, on, reporting_periods_by_place_and_event(), product=product
    )
    return [_waiting_row_dict(row, on, language) for row in rows]


def _waiting_row_dict(row: WaitingRow, on: date, language: str) -> dict[str, Any]:
    return {
        "kind": row.kind.value,
        "product": row.product,
        "subject": row.subject,
        "reason": row.reason_text(language),
        "role": row.step.role.value,
        "command": row.step.command,
        "since": row.since.isoformat(timespec="minutes"),
        "due_at": row.due_at.isoformat(timespec="minutes") if row.due_at else None,
        "working_days_left": row.working_days_left(on),
        "rule": row.rule,
    }


def committee_product_file(
    registry: Registry, product: str, on: date, *, language: str = "en"
) -> ProductFile:
    """Return what a committee looks at of a product.

    Args:
        registry: What is on record.
        product: Its name.
        on: The day whose law applies and from which days are counted.
        language: Of reasons and shortfalls.

    Raises:
        StatusMoveError: There is no such product.
    """
    registry.registered_record(product, "product")
    placed = _records_of_product(registry, product, "deployment")
    return ProductFile(
        product=product,
        waiting=clinic_waiting_row_dicts(registry, on, product=product, language=language),
        rulings=_committee_ruling_rows(registry, product, on, language),
        evidence=_committee_evidence_rows(registry, product, on, language),
        plans=[_monitor_plan_row_of_deployment(registry, deployment) for deployment in placed],
        deployments=[_committee_deployment_row(registry, deployment) for deployment in placed],
        alarms=_monitor_alarm_rows_newest_first(registry, product),
        incidents=_incident_reporting_duty_rows(registry, product, on),
        changes=_rows_of_changes_since_approval(registry, product, on, language),
    )


def _records_of_product(registry: Registry, product: str, kind: str) -> list[RegistryRecord]:
    return [
        record
        for record in records_of_kind(registry, kind)
        if product_of_record(registry, record) == product
    ]


def _committee_ruling_rows(registry: Registry, product: str, on: date, language: str) -> Rows:
    uses = {use.name: use for use in intended_uses_of_product(registry, product)}
    return [
        _committee_ruling_row(ruling, uses[name], on, language)
        for (name, _), ruling in latest_ruling_by_use_and_place(registry).items()
        if name in uses
    ]


def _committee_ruling_row(
    ruling: RegistryRecord, use: RegistryRecord, on: date, language: str
) -> dict[str, Any]:
    fault = ruling_fault_today(ruling, use, on)
    rules, articles = _rule_ids_and_articles_of_ruling(ruling, use)
    classes: Mapping[str, Any] = ruling.body["classes"]
    return {
        "intended_use": use.name,
        "jurisdiction": ruling.body["jurisdiction"],
        "classes": ", ".join(f"{scheme}: {klass}" for scheme, klass in classes.items()),
        "route": ruling.body["route"],
        "rule": rules,
        "article": articles,
        "today": (fault or Message("in force")).translate(language),
        "outdated": fault is not None,
        "rule_set_sha256": ruling.body["rule_set_sha256"],
        "at": ruling.at.isoformat(timespec="minutes"),
    }


def _rule_ids_and_articles_of_ruling(
    ruling: RegistryRecord, use: RegistryRecord
) -> tuple[str, str]:
    """Return the rules that gave class and route, and where they stand; empty if not held here."""
    if not is_ruling_by_rules_held_here(ruling):
        return "", ""
    place = str(ruling.body["jurisdiction"])
    try:
        computed = product_ruling_on_day(use.body["facts"], place, ruling.at.date())
    except RulesError:
        return "", ""
    reasons = [name for verdict in computed.verdicts for name in verdict.reasons]
    names = list(dict.fromkeys([*reasons, *computed.route_reasons]))
    article = {rule.rule_id: rule.article for rule in computed.rules}
    return ", ".join(names), "; ".join(dict.fromkeys(article[name] for name in names))


def _committee_evidence_rows(registry: Registry, product: str, on: date, language: str) -> Rows:
    uses = intended_uses_of_product(registry, product)
    return [
        _committee_evidence_row(registry, record, uses, on, language)
        for record in _records_of_product(registry, product, "evidence")
    ]


def _committee_evidence_row(
    registry: Registry,
    record: RegistryRecord,
    uses: Sequence[RegistryRecord],
    on: date,
    language: str,
) -> dict[str, Any]:
    areas = [row for row in _estimates_of_evidence_record(record) if row.get("metric") == "auc"]
    whole = (row for row in areas if row.get("group") in OVERALL)
    overall = next(whole, dict[str, Any]())
    groups = [row for row in areas if row.get("group") not in OVERALL]
    return {
        "evidence": record.name,
        "version": record.body["version"],
        "design": record.body["design"],
        "rows": overall.get("rows"),
        "events": overall.get("events"),
        "auc": overall.get("estimate"),
        "low": overall.get("low"),
        "high": overall.get("high"),
        "groups": sum(row.get("estimate") is not None for row in groups),
        "threshold": record.body.get("threshold"),
        "lacks": _evidence_shortfall_text_or_empty(registry, record, uses, on, language),
    }


def _estimates_of_evidence_record(record: RegistryRecord) -> list[Mapping[str, Any]]:
    listed: Any = record.body.get("estimates")
    estimates = cast("list[Any]", listed) if isinstance(listed, list) else []
    return [cast("Mapping[str, Any]", row) for row in estimates if isinstance(row, Mapping)]


def _evidence_shortfall_text_or_empty(
    registry: Registry,
    record: RegistryRecord,
    uses: Iterable[RegistryRecord],
    on: date,
    language: str,
) -> str:
    faults = {use.name: evidence_shortfall_for_use(registry, record, use, on) for use in uses}
    if not faults:
        return Message("no intended use, and so no class").translate(language)
    texts = {name: fault.translate(language) for name, fault in faults.items() if fault}
    # One sentence where every use lacks the same, as a product with one use does.
    if len(set(texts.values())) == 1 and len(texts) == len(faults):
        return next(iter(texts.values()))
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _monitor_plan_row_of_deployment(
    registry: Registry, deployment: RegistryRecord
) -> dict[str, Any]:
    run = registry.last_monitor_run(deployment.name)
    monitor: Mapping[str, Any] = deployment.body["monitor"]
    try:
        plan = surveillance_plan_of_deployment(monitor, deployment.name)
    # What the gate refuses stands among what waits; a page must show it all the same.
    except MonitorError:
        plan = None
    return {
        "deployment": deployment.name,
        "guide": deployment.body["guide"],
        "band": plan.band if plan else None,
        "alpha": plan.alpha if plan else None,
        "horizon_rows": plan.horizon_rows if plan else None,
        "maturity_days": plan.maturity_days if plan else None,
        "every_days": planned_days_between_runs(monitor),
        "on_alarm": monitor.get("on_alarm", "signal"),
        "last_run": run.at.isoformat(timespec="minutes") if run else None,
        "verdict": run.body.get("verdict", "") if run else "",
    }


def _committee_deployment_row(registry: Registry, deployment: RegistryRecord) -> dict[str, Any]:
    body, moves = deployment.body, registry.moves[deployment.name]
    return {
        "deployment": deployment.name,
        "version": body["version"],
        "institution": body["institution"],
        "jurisdiction": body.get("place", ""),
        "mode": body["mode"],
        "threshold": body["threshold"],
        "status": str(moves[-1].status),
        "since": moves[-1].at.isoformat(timespec="minutes"),
    }


def _monitor_alarm_rows_newest_first(registry: Registry, product: str) -> Rows:
    rows: Rows = []
    for alarm in reversed(monitor_alarms_on_record(registry)):
        if product_of_record(registry, alarm) == product:
            answer = alarm_answer(registry, alarm)
            rows.append(
                {
                    "at": alarm.at.isoformat(timespec="minutes"),
                    "event": alarm.name,
                    "deployment": alarm.body["deployment"],
                    "stream": alarm.body.get("stream", ""),
                    "answer": answer[0] if answer else "",
                    "answered_at": answer[1].isoformat(timespec="minutes") if answer else None,
                }
            )
    return rows


def _incident_reporting_duty_rows(registry: Registry, product: str, on: date) -> Rows:
    return [
        reporting_duty_dict(duty)
        | {
            "working_days_left": _working_days_left_unless_reported(
                duty.report_number, on, duty.due_at.date()
            )
        }
        for duty in open_reporting_duties(registry, closed=True)
        if product_of_record(registry, registry.records[duty.event]) == product
    ]


def _working_days_left_unless_reported(report_number: str, on: date, due_on: date) -> int | None:
    # Of a duty that was met no day runs any more.
    return None if report_number else reporting_working_days_between(on, due_on)


def _rows_of_changes_since_approval(
    registry: Registry, product: str, on: date, language: str
) -> Rows:
    """Return what came on record since the last approval, the newest first; none before one."""
    decisions = _records_of_product(registry, product, "determination")
    approvals = [each for each in decisions if each.body.get("outcome") == "approved"]
    if not approvals:
        return []
    approval = approvals[-1]
    kinds = ("version", "intended-use", "ruling", "evidence", "determination", "deployment")
    records = [
        record
        for kind in kinds
        for record in _records_of_product(registry, product, kind)
        if record.index > approval.index
    ]
    rows = [
        (
            record.index,
            {
                "at": record.at.isoformat(timespec="minutes"),
                "record": record.name,
                "kind": record.kind,
                "change": _change_since_approval_text(registry, approval, record, on, language),
            },
        )
        for record in records
    ]
    rows += _indexed_deployment_move_rows(registry, product, approval.index)
    return [row for _, row in sorted(rows, key=lambda pair: pair[0], reverse=True)]


def _indexed_deployment_move_rows(
    registry: Registry, product: str, after: int
) -> list[tuple[int, dict[str, Any]]]:
    return [
        (
            move.index,
            {
                "at": move.at.isoformat(timespec="minutes"),
                "record": deployment.name,
                "kind": "move",
                "change": str(move.status),
            },
        )
        for deployment in _records_of_product(registry, product, "deployment")
        # The first move is the deployment's own record.
        for move in registry.moves[deployment.name]
        if move.index > max(after, deployment.index)
    ]


def _change_since_approval_text(
    registry: Registry, approval: RegistryRecord, record: RegistryRecord, on: date, language: str
) -> str:
    if record.kind == "determination":
        return str(record.body["outcome"])
    changed = model_change_and_plan_faults_since_approval(registry, approval, record, on)
    if record.kind != "version" or changed is None:
        return ""
    change, faults = changed
    if math.isnan(change.threshold_shift):
        # Without evidence on both nobody knows the shift, and no metric was measured.
        kinds = ", ".join(sorted(change.kinds - {"threshold"})) or ABSENT
        return Message("{kinds}: not measured yet", {"kinds": kinds}).translate(language)
    kinds = ", ".join(sorted(change.kinds)) or ABSENT
    covered = not faults and record.body.get("previous") == approval.body["version"]
    form = (
        Message("{kinds}: inside the plan", {"kinds": kinds})
        if covered
        else Message("{kinds}: outside the plan", {"kinds": kinds})
    )
    return " ".join([form.translate(language), *(fault.translate(language) for fault in faults)])
