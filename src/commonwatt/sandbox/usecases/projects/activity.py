"""Who did what on which rows when, what of it is unusual, and what is due to be deleted.

Everything is read from the ledger and from the rows written in the same
transactions, so there is no second log that could differ. A rule is a
threshold that is stated; an alert asks a person to look and forbids nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import commonwatt.sandbox.io.store.records as records
import commonwatt.sandbox.io.store.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger import Ledger, LedgerEntry
from commonwatt.sandbox.domain.errors import PrivacyBudgetError
from commonwatt.sandbox.domain.lifecycle import DatasetState, OutputState, ProjectState
from commonwatt.sandbox.engines.privacy import account

_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityThresholds:
    """From when on something is unusual.

    Args:
        night_jobs: Jobs of one person in one day begun at night.
        night_from: Hour at which the night begins, local time.
        night_to: Hour at which it ends.
        utc_offset_h: Local time's offset.
        refused_outputs: Outputs of one person stopped or rejected in a week.
        smuggled_files: Files kept in by the collector from one person in a week.
        budget_share: Share of the project's budget spent by one person in a day.
        like_questions: Questions of one person with the same words in a day.
        like_outputs: Outputs of one person stopped for differencing in a week.
        keep_days: Days from a project's expiry to the deletion of what it holds.
    """

    night_jobs: int = 5
    # Defaults are starting points for one institution's habits, not findings; every one is
    # printed with the alerts, and a custodian states others.
    night_from: int = 22
    night_to: int = 6
    # Hong Kong time; a fixed offset, because an alert must not depend on a time zone file of the
    # machine that reads it.
    utc_offset_h: float = 8.0
    refused_outputs: int = 3
    smuggled_files: int = 3
    budget_share: float = 0.5
    like_questions: int = 3
    like_outputs: int = 2
    keep_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityEvent:
    """One entry of the ledger about a project."""

    at: datetime
    actor: str
    step: str
    of: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityAlert:
    """Something unusual of one person.

    Args:
        rule: The rule's name.
        actor: Whose doing it is.
        at: When the threshold was reached.
        found: How much was seen.
        threshold: From how much on it is unusual.
        why: The rule in words.
    """

    rule: str
    actor: str
    at: datetime
    found: float
    threshold: float
    why: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionDuty:
    """Something that retention asks for."""

    what: str
    on: str
    why: Message


def project_ledger_activity_events(ledger: Ledger, project: str) -> list[ActivityEvent]:
    """Return what happened in a project, in order."""
    whole = f"room/{project}"
    # Two queries and not a prefix alone: `room/bay` must not bring the entries of `room/bay2`.
    entries = [*ledger.entries(subject=whole), *ledger.entries(subject=f"{whole}/")]
    return [
        _project_activity_event(entry, whole)
        for entry in sorted(entries, key=lambda entry: entry.index)
    ]


def project_data_use_rows(ledger: Ledger, project: str) -> list[dict[str, Any]]:
    """Return who used which tables of how many people when; `people_sha256` names the people."""
    with ledger.reading() as tx:
        rows = records.project_table_rows(tx, project, schema.uses)
    return sorted(rows, key=lambda row: (row["at"], row["use"]))


def project_activity_alerts(
    ledger: Ledger, project: str, thresholds: ActivityThresholds | None = None
) -> list[ActivityAlert]:
    """Return what is unusual in a project, the oldest first."""
    limits = thresholds or ActivityThresholds()
    history = project_ledger_activity_events(ledger, project)
    with ledger.reading() as tx:
        outputs = records.project_table_rows(tx, project, schema.outputs)
        try:
            budget = account.privacy_budget_balance(tx, project).limit
        except PrivacyBudgetError:
            budget = 0.0
    authors = {row["output"]: row["author"] for row in outputs}
    # Entries carry states and not reasons, so which outputs differed in a few people is looked up
    # in the rows.
    unlike = {row["output"] for row in outputs if _is_output_stopped_by_rule(row, "differencing")}
    alerts = [
        *_night_job_alerts(history, limits),
        *_refused_output_alerts(history, authors, limits),
        *_withheld_file_alerts(history, limits),
        *_privacy_budget_speed_alerts(history, budget, limits),
        *_repeated_query_alerts(history, limits),
        *_near_duplicate_query_alerts(history, unlike, limits),
    ]
    return sorted(alerts, key=lambda alert: (alert.at, alert.rule, alert.actor))


def project_retention_duties(
    ledger: Ledger, folder: Path, project: str, now: datetime, keep_days: int = 90
) -> list[RetentionDuty]:
    """Return what a custodian has to close, delete or finish deleting."""
    with ledger.reading() as tx:
        row = records.data_project_row(tx, project)
        datasets = records.project_table_rows(tx, project, schema.datasets)
    duties = [
        RetentionDuty(what=f"dataset {dataset['dataset']}", on=now.date().isoformat(),
            why=Message("deleted on record, and its files are still there"))
        for dataset in datasets
        if dataset["state"] == DatasetState.DELETED
        # A wipe that was killed leaves the state without the deed; only the disk can tell.
        and (folder / "datasets" / dataset["dataset"]).exists()
    ]  # fmt: skip
    last = datetime.fromisoformat(row.expires_on)
    if now.date() <= last.date():
        return duties
    if row.state == ProjectState.OPEN:
        duties.append(
            RetentionDuty(what="room", on=row.expires_on, why=Message("expired, and still open"))
        )
    # The key is destroyed last, so while it exists the deletion did not come to its end.
    if row.state != ProjectState.DELETED or (folder / "room.key").exists():
        by = (last + timedelta(days=keep_days)).date().isoformat()
        duties.append(
            RetentionDuty(what="room", on=by, why=Message("its data are to be deleted by then"))
        )
    return duties


def project_activity_report_by_part(
    ledger: Ledger,
    folder: Path,
    project: str,
    now: datetime,
    thresholds: ActivityThresholds | None = None,
) -> dict[str, Any]:
    """Return the auditor's view of a project; no value of a record."""
    limits = thresholds or ActivityThresholds()
    people = {enrolled.actor_id: enrolled.person for enrolled in ledger.actors()}
    history = project_ledger_activity_events(ledger, project)
    return {
        "room": project,
        "steps": [
            {"at": event.at.isoformat(), "actor": event.actor, "role": people[event.actor].role,
             "step": event.step, "of": event.of}
            for event in history
        ],
        "uses": project_data_use_rows(ledger, project),
        "alerts": [
            asdict(alert) | {"at": alert.at.isoformat(), "why": str(alert.why)}
            for alert in project_activity_alerts(ledger, project, limits)
        ],
        "due": [
            asdict(duty) | {"why": str(duty.why)}
            for duty in project_retention_duties(ledger, folder, project, now, limits.keep_days)
        ],
        "thresholds": asdict(limits),
    }  # fmt: skip


def _project_activity_event(entry: LedgerEntry, project_prefix: str) -> ActivityEvent:
    return ActivityEvent(
        at=entry.at, actor=entry.actor_id, step=entry.kind.removeprefix("sandbox."),
        of=entry.subject.removeprefix(project_prefix).strip("/"), body=entry.body,
    )  # fmt: skip


def _is_output_stopped_by_rule(row: Mapping[str, Any], rule: str) -> bool:
    return any(stop["rule"] == rule for stop in json.loads(row["stops"]))


def _night_job_alerts(
    history: Sequence[ActivityEvent], limits: ActivityThresholds
) -> list[ActivityAlert]:
    local = timezone(timedelta(hours=limits.utc_offset_h))

    def night_job_weight(event: ActivityEvent) -> float:
        hour = event.at.astimezone(local).hour
        # A job has an entry at its start and one at its end; only the first says when a person
        # acted.
        begins = event.step == "submit" and event.body.get("state") == "started"
        return float(begins and (hour >= limits.night_from or hour < limits.night_to))

    why = Message("many jobs begun at night")
    return _activity_threshold_alerts(
        history, night_job_weight, "night jobs", limits.night_jobs, _DAY, why
    )


def _refused_output_alerts(
    history: Sequence[ActivityEvent], authors: Mapping[str, str], limits: ActivityThresholds
) -> list[ActivityAlert]:
    """Count outputs that the checks stopped or a checker rejected, against their author."""
    why = Message("outputs stopped or rejected again and again")
    # A vote is the checker's entry, and a rejection is about the author: it is counted against
    # whom the output is from.
    blamed = [
        replace(event, actor=authors[event.of.removeprefix("output/")])
        if event.step == "vote" and event.of.removeprefix("output/") in authors
        else event
        for event in history
    ]

    def refused_output_count(event: ActivityEvent) -> float:
        if event.step == "vote":
            return float(event.body.get("state") == OutputState.REJECTED)
        states: Mapping[str, str] = event.body.get("outputs", {})
        return float(sum(state == OutputState.STOPPED for state in states.values()))

    return _activity_threshold_alerts(
        blamed, refused_output_count, "refused outputs", limits.refused_outputs, _WEEK, why
    )


def _withheld_file_alerts(
    history: Sequence[ActivityEvent], limits: ActivityThresholds
) -> list[ActivityAlert]:
    why = Message("files that the collector kept in again and again")

    def withheld_file_count(event: ActivityEvent) -> float:
        counts: Mapping[str, int] = event.body.get("kept-in", {})
        return float(sum(counts.values()))

    return _activity_threshold_alerts(
        history, withheld_file_count, "kept-in files", limits.smuggled_files, _WEEK, why
    )


def _privacy_budget_speed_alerts(
    history: Sequence[ActivityEvent], budget: float, limits: ActivityThresholds
) -> list[ActivityAlert]:
    if budget <= 0:
        return []

    def budget_share_spent(event: ActivityEvent) -> float:
        # Entries hold epsilon as text: the digits on record are those that were spent.
        return float(event.body.get("epsilon", 0)) / budget if event.step in _PAID_STEPS else 0.0

    why = Message("much of the project's privacy budget spent in a day")
    return _activity_threshold_alerts(
        history, budget_share_spent, "budget speed", limits.budget_share, _DAY, why
    )


def _repeated_query_alerts(
    history: Sequence[ActivityEvent], limits: ActivityThresholds
) -> list[ActivityAlert]:
    """Look at each wording by itself: the same question asked often averages noise away."""
    why = Message("the same question asked again and again")
    wordings = sorted(
        {_query_activity_wording_parts(event) for event in history if "epsilon" in event.body}
    )
    alerts: list[ActivityAlert] = []
    for wording in wordings:
        same = [
            e
            for e in history
            if "epsilon" in e.body and _query_activity_wording_parts(e) == wording
        ]
        asks = [event for event in same if event.step in _PAID_STEPS]
        alerts += _activity_threshold_alerts(
            asks, lambda _: 1.0, "like questions", limits.like_questions, _DAY, why
        )
    return alerts


def _near_duplicate_query_alerts(
    history: Sequence[ActivityEvent], unlike: set[str], limits: ActivityThresholds
) -> list[ActivityAlert]:
    why = Message("outputs that differ in a few people from what was released")

    def near_duplicate_weight(event: ActivityEvent) -> float:
        states: Mapping[str, str] = event.body.get("outputs", {})
        return float(sum(output in unlike for output in states))

    return _activity_threshold_alerts(
        history, near_duplicate_weight, "like outputs", limits.like_outputs, _WEEK, why
    )


_PAID_STEPS: Final = ("ask", "twin")


def _query_activity_wording_parts(event: ActivityEvent) -> tuple[str, str, str]:
    return event.step, str(event.body.get("dataset", "")), str(event.body.get("purpose", ""))


def _activity_threshold_alerts(
    history: Iterable[ActivityEvent],
    weigh: Callable[[ActivityEvent], float],
    rule: str,
    threshold: float,
    window: timedelta,
    why: Message,
) -> list[ActivityAlert]:
    """Return an alert for each time that a person's weight within `window` reaches a threshold.

    It is raised once, when the threshold is reached, and again only after the
    weight has fallen below it.
    """
    by_actor: dict[str, list[tuple[datetime, float]]] = {}
    for event in history:
        if weight := weigh(event):
            by_actor.setdefault(event.actor, []).append((event.at, weight))
    alerts: list[ActivityAlert] = []
    for actor, weighed in sorted(by_actor.items()):
        sums = [(datetime.min, 0.0)]
        for at, _ in weighed:
            recent = [weight for then, weight in weighed if at - window < then <= at]
            sums.append((at, sum(recent)))
        alerts += [
            ActivityAlert(rule=rule, actor=actor, at=at, found=total, threshold=threshold, why=why)
            for (_, before), (at, total) in pairwise(sums)
            # Shares of a budget are sums of binary fractions; without the tolerance five tenths
            # could fall short of a half.
            if before < threshold <= total + 1e-9
        ]
    return alerts
