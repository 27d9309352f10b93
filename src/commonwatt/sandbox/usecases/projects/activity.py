"""Who did what on which rows when, what of it is unusual, and what is due to be deleted.

Everything is read from the ledger and from the rows written in the same
transactions, so there is no second log that could differ. A rule is a
threshold that is stated; an alert asks a person to look and forbids nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
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
        budget_share: Share of the room's budget spent by one person in a day.
        like_questions: Questions of one person with the same words in a day.
        like_outputs: Outputs of one person stopped for differencing in a week.
        keep_days: Days from a room's expiry to the deletion of what it holds.
    """

    night_jobs: int = 5
    night_from: int = 22
    night_to: int = 6
    utc_offset_h: float = 8.0
    refused_outputs: int = 3
    smuggled_files: int = 3
    budget_share: float = 0.5
    like_questions: int = 3
    like_outputs: int = 2
    keep_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityEvent:
    """One entry of the ledger about a room."""

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


def events(ledger: Ledger, project: str) -> list[ActivityEvent]:
    """Return what happened in a room, in order."""
    whole = f"room/{project}"
    found = [*ledger.entries(subject=whole), *ledger.entries(subject=f"{whole}/")]
    return [_event(entry, whole) for entry in sorted(found, key=lambda entry: entry.index)]


def data_uses(ledger: Ledger, project: str) -> list[dict[str, Any]]:
    """Return who used which tables of how many people when; `people_sha256` names the people."""
    with ledger.reading() as tx:
        rows = records.rows_of(tx, project, schema.uses)
    return sorted(rows, key=lambda row: (row["at"], row["use"]))


def activity_alerts(
    ledger: Ledger, project: str, thresholds: ActivityThresholds | None = None
) -> list[ActivityAlert]:
    """Return what is unusual in a room, the oldest first."""
    limits = thresholds or ActivityThresholds()
    happened = events(ledger, project)
    with ledger.reading() as tx:
        outputs = records.rows_of(tx, project, schema.outputs)
        try:
            budget = account.balance(tx, project).limit
        except PrivacyBudgetError:
            budget = 0.0
    authors = {row["output"]: row["author"] for row in outputs}
    unlike = {row["output"] for row in outputs if _stopped_by(row, "differencing")}
    found = [
        *_night_jobs(happened, limits),
        *_refused(happened, authors, limits),
        *_smuggled(happened, limits),
        *_spending(happened, budget, limits),
        *_like_questions(happened, limits),
        *_like_outputs(happened, unlike, limits),
    ]
    return sorted(found, key=lambda alert: (alert.at, alert.rule, alert.actor))


def retention_duties(
    ledger: Ledger, folder: Path, project: str, now: datetime, keep_days: int = 90
) -> list[RetentionDuty]:
    """Return what a custodian has to close, delete or finish deleting."""
    with ledger.reading() as tx:
        row = records.project_row(tx, project)
        datasets = records.rows_of(tx, project, schema.datasets)
    found = [
        RetentionDuty(what=f"dataset {one['dataset']}", on=now.date().isoformat(),
            why=Message("deleted on record, and its files are still there"))
        for one in datasets
        if one["state"] == DatasetState.DELETED and (folder / "datasets" / one["dataset"]).exists()
    ]  # fmt: skip
    last = datetime.fromisoformat(row.expires_on)
    if now.date() <= last.date():
        return found
    if row.state == ProjectState.OPEN:
        found.append(
            RetentionDuty(what="room", on=row.expires_on, why=Message("expired, and still open"))
        )
    if row.state != ProjectState.DELETED or (folder / "room.key").exists():
        by = (last + timedelta(days=keep_days)).date().isoformat()
        found.append(
            RetentionDuty(what="room", on=by, why=Message("its data are to be deleted by then"))
        )
    return found


def activity_report(
    ledger: Ledger,
    folder: Path,
    project: str,
    now: datetime,
    thresholds: ActivityThresholds | None = None,
) -> dict[str, Any]:
    """Return the auditor's view of a room; no value of a record."""
    limits = thresholds or ActivityThresholds()
    people = {one.actor_id: one.person for one in ledger.actors()}
    happened = events(ledger, project)
    return {
        "room": project,
        "steps": [
            {"at": one.at.isoformat(), "actor": one.actor, "role": people[one.actor].role,
             "step": one.step, "of": one.of}
            for one in happened
        ],
        "uses": data_uses(ledger, project),
        "alerts": [
            asdict(one) | {"at": one.at.isoformat(), "why": str(one.why)}
            for one in activity_alerts(ledger, project, limits)
        ],
        "due": [
            asdict(one) | {"why": str(one.why)}
            for one in retention_duties(ledger, folder, project, now, limits.keep_days)
        ],
        "thresholds": asdict(limits),
    }  # fmt: skip


def _event(entry: LedgerEntry, whole: str) -> ActivityEvent:
    return ActivityEvent(
        at=entry.at, actor=entry.actor_id, step=entry.kind.removeprefix("sandbox."),
        of=entry.subject.removeprefix(whole).strip("/"), body=entry.body,
    )  # fmt: skip


def _stopped_by(row: Mapping[str, Any], rule: str) -> bool:
    return any(stop["rule"] == rule for stop in json.loads(row["stops"]))


def _night_jobs(
    happened: Sequence[ActivityEvent], limits: ActivityThresholds
) -> list[ActivityAlert]:
    local = timezone(timedelta(hours=limits.utc_offset_h))

    def at_night(event: ActivityEvent) -> float:
        hour = event.at.astimezone(local).hour
        begins = event.step == "submit" and event.body.get("state") == "started"
        return float(begins and (hour >= limits.night_from or hour < limits.night_to))

    why = Message("many jobs begun at night")
    return _reached(happened, at_night, "night jobs", limits.night_jobs, _DAY, why)


def _refused(
    happened: Sequence[ActivityEvent], authors: Mapping[str, str], limits: ActivityThresholds
) -> list[ActivityAlert]:
    """Count outputs that the checks stopped or a checker rejected, against their author."""
    why = Message("outputs stopped or rejected again and again")
    blamed = [
        _blame(event, authors[event.of.removeprefix("output/")])
        if event.step == "vote" and event.of.removeprefix("output/") in authors
        else event
        for event in happened
    ]

    def refused(event: ActivityEvent) -> float:
        if event.step == "vote":
            return float(event.body.get("state") == OutputState.REJECTED)
        states: Mapping[str, str] = event.body.get("outputs", {})
        return float(sum(state == OutputState.STOPPED for state in states.values()))

    return _reached(blamed, refused, "refused outputs", limits.refused_outputs, _WEEK, why)


def _smuggled(happened: Sequence[ActivityEvent], limits: ActivityThresholds) -> list[ActivityAlert]:
    why = Message("files that the collector kept in again and again")

    def kept_in(event: ActivityEvent) -> float:
        counts: Mapping[str, int] = event.body.get("kept-in", {})
        return float(sum(counts.values()))

    return _reached(happened, kept_in, "kept-in files", limits.smuggled_files, _WEEK, why)


def _spending(
    happened: Sequence[ActivityEvent], budget: float, limits: ActivityThresholds
) -> list[ActivityAlert]:
    if budget <= 0:
        return []

    def share(event: ActivityEvent) -> float:
        return float(event.body.get("epsilon", 0)) / budget if event.step in _PAID else 0.0

    why = Message("much of the room's privacy budget spent in a day")
    return _reached(happened, share, "budget speed", limits.budget_share, _DAY, why)


def _like_questions(
    happened: Sequence[ActivityEvent], limits: ActivityThresholds
) -> list[ActivityAlert]:
    """Look at each wording by itself: the same question asked often averages noise away."""
    why = Message("the same question asked again and again")
    wordings = sorted({_wording(event) for event in happened if "epsilon" in event.body})
    found: list[ActivityAlert] = []
    for wording in wordings:
        same = [e for e in happened if "epsilon" in e.body and _wording(e) == wording]
        asks = [event for event in same if event.step in _PAID]
        found += _reached(asks, lambda _: 1.0, "like questions", limits.like_questions, _DAY, why)
    return found


def _like_outputs(
    happened: Sequence[ActivityEvent], unlike: set[str], limits: ActivityThresholds
) -> list[ActivityAlert]:
    why = Message("outputs that differ in a few people from what was released")

    def differing(event: ActivityEvent) -> float:
        states: Mapping[str, str] = event.body.get("outputs", {})
        return float(sum(output in unlike for output in states))

    return _reached(happened, differing, "like outputs", limits.like_outputs, _WEEK, why)


_PAID: Final = ("ask", "twin")


def _wording(event: ActivityEvent) -> tuple[str, str, str]:
    return event.step, str(event.body.get("dataset", "")), str(event.body.get("purpose", ""))


def _blame(event: ActivityEvent, actor: str) -> ActivityEvent:
    return ActivityEvent(at=event.at, actor=actor, step=event.step, of=event.of, body=event.body)


def _reached(
    happened: Iterable[ActivityEvent],
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
    for event in happened:
        if weight := weigh(event):
            by_actor.setdefault(event.actor, []).append((event.at, weight))
    found: list[ActivityAlert] = []
    for actor, weighed in sorted(by_actor.items()):
        sums = [(datetime.min, 0.0)]
        for at, _ in weighed:
            recent = [weight for then, weight in weighed if at - window < then <= at]
            sums.append((at, sum(recent)))
        found += [
            ActivityAlert(rule=rule, actor=actor, at=at, found=total, threshold=threshold, why=why)
            for (_, before), (at, total) in pairwise(sums)
            if before < threshold <= total + 1e-9
        ]
    return found
