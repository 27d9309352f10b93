"""Questions to the registry: each reads only the kinds of entry that answer it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from functools import cache
from heapq import merge
from typing import Any

import numpy as np

from commonwatt.clinic.domain.errors import EvidenceError, StatusMoveError
from commonwatt.clinic.domain.registry.preconditions import fault_of_deployment
from commonwatt.clinic.domain.registry.rulings import product_class_by_scheme_in_place
from commonwatt.clinic.domain.registry.state import (
    MOVE,
    PREFIX,
    Registry,
    ReportingDuty,
    ReportingPeriods,
)
from commonwatt.clinic.domain.rules import (
    RegulatoryRule,
    ReportingPeriod,
    load_regulatory_rule_book,
)
from commonwatt.clinic.domain.rules.classify import reporting_period_of_rule
from commonwatt.clinic.engines.gateway.gate import REFUSAL
from commonwatt.core.messages import Message
from commonwatt.ledger import Ledger
from commonwatt.ledger.actors import find_ledger_actor
from commonwatt.ledger.usecases import with_ledger

_STANDING = ("deployment", "move")
# Whatever a precondition of an advice reads.
_DECIDING = (
    *("product", "version", "intended-use", "ruling", "evidence", "determination"),
    *("event", *_STANDING),
)


def replay_clinic_registry(
    ledger: Ledger, kinds: Iterable[str], until: datetime | None = None
) -> Registry:
    """Return the registry of some kinds of entry only, as it stood at an instant or stands now.

    What is live hangs on a handful of entries, advice on millions; a question about
    the one need not read the other.
    """
    streams = [ledger.entries(kind=MOVE if kind == "move" else PREFIX + kind) for kind in kinds]
    registry = Registry()
    # Each kind comes in its own order from the index; merged, a move never precedes the record that
    # it moves.
    entries = merge(*streams, key=lambda entry: entry.index)
    registry.apply_ledger_entries(entry for entry in entries if until is None or entry.at <= until)
    return registry


def live_deployments_and_set_aside_entries(
    ledger_location: str, institution: str, at: datetime
) -> dict[str, Any]:
    """Return what was live at an institution at an instant, and what the gate refused all the same.

    Under `live` a row a deployment; its `refused_by` is the rule by which it might not advise,
    None where it might. Under `set_aside` the entries of the clinic that are not of the form.
    """

    def live_and_set_aside(registry: Registry) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        for live in registry.live_deployments(institution, at):
            # Live is what was moved there; what may advise is asked of the gate's own table, since
            # an approval may have been withdrawn a minute later.
            fault = fault_of_deployment(registry, registry.records[live.deployment], at.date())
            row = asdict(live) | {"since": live.since.isoformat()}
            rows.append(row | {"refused_by": fault.rule if fault else None})
        aside = [
            {"index": entry.index, "subject": entry.subject, "fault": str(entry.fault)}
            for entry in registry.set_aside.values()
        ]
        return {"live": rows, "set_aside": aside}

    return _query_clinic_registry(ledger_location, _DECIDING, live_and_set_aside, until=at)


def deployment_approver_dict(ledger_location: str, deployment: str) -> dict[str, Any]:
    """Return who approved a deployment and with it its threshold.

    Raises:
        StatusMoveError: There is no such deployment, or nobody approved it.
    """

    def approver_in_ledger(ledger: Ledger) -> dict[str, Any]:
        registry = replay_clinic_registry(ledger, _STANDING)
        record = registry.registered_record(deployment, "deployment")
        move = registry.last_approval_move(deployment)
        if move is None:
            raise StatusMoveError(deployment, found=Message("no approval on record"))
        with ledger.reading() as connection:
            person = find_ledger_actor(connection, move.actor_id).person
        return {
            "deployment": deployment,
            "threshold": record.body["threshold"],
            "approved_at": move.at.isoformat(),
            "name": person.name,
            "role": person.role,
            "organisation": person.organisation,
            "entry": move.index,
        }

    return with_ledger(ledger_location, approver_in_ledger)


def product_ruling_rows(
    ledger_location: str, product: str, jurisdiction: str
) -> list[dict[str, Any]]:
    """Return which rule sets gave a product its class in a place, in order."""
    kinds = ("intended-use", "ruling")
    records = _query_clinic_registry(
        ledger_location,
        kinds,
        lambda registry: registry.rule_set_rulings_on_product(product, jurisdiction),
    )
    return [
        {
            "ruling": ruling.name,
            "at": ruling.at.isoformat(),
            "classes": ruling.body["classes"],
            "route": ruling.body["route"],
            "rule_set_sha256": ruling.body["rule_set_sha256"],
        }
        for ruling in records
    ]


def advised_or_refused_undisclosed_encounters(
    ledger_location: str, deployment: str
) -> dict[str, Any]:
    """Return encounters advised on without a disclosure, and those refused for the lack of one."""

    def undisclosed_in_ledger(ledger: Ledger) -> dict[str, Any]:
        registry = replay_clinic_registry(ledger, ("deployment", "disclosure", "advice"))
        registry.registered_record(deployment, "deployment")
        refused = {
            str(entry.body.get("encounter", ""))
            for entry in ledger.entries(kind=REFUSAL)
            if entry.body["rule"] == "gate.not-disclosed"
            and entry.body.get("deployment") == deployment
        }
        return {
            "advised": registry.encounters_shown_advice_undisclosed(deployment),
            "refused": sorted(refused),
        }

    return with_ledger(ledger_location, undisclosed_in_ledger)


def unsigned_advice_names(ledger_location: str, deployment: str) -> list[str]:
    """Return the advice on which a signed decision is wanted and none is on record.

    Raises:
        StatusMoveError: There is no such deployment.
    """

    def unsigned_advice_in_registry(registry: Registry) -> list[str]:
        registry.registered_record(deployment, "deployment")
        return registry.names_of_advice_awaiting_decision(deployment)

    return _query_clinic_registry(
        ledger_location, ("deployment", "advice", "decision"), unsigned_advice_in_registry
    )


def advice_outcomes_by_decision_and_comparison(
    ledger_location: str, deployment: str
) -> dict[str, Any]:
    """Return how accepted and overridden advice fared, and what doctor and model knew together."""
    kinds = ("deployment", "advice", "decision", "outcome")

    def override_outcomes_in_registry(registry: Registry) -> dict[str, Any]:
        registry.registered_record(deployment, "deployment")
        return {
            "decisions": registry.outcome_counts_by_decision(deployment),
            "voices": _clinician_model_auc_comparison(registry, deployment),
        }

    return _query_clinic_registry(ledger_location, kinds, override_outcomes_in_registry)


def _clinician_model_auc_comparison(registry: Registry, deployment: str) -> dict[str, Any] | None:
    """Return model, doctor and both on the lots; `None` where there is too little to say."""
    from commonwatt.clinic.engines.evidence import (
        compare_clinician_and_model,  # brings SciPy and numba
    )

    rows = np.array(
        registry.lottery_score_estimate_and_outcome_rows(deployment), np.float64
    ).reshape(-1, 3)
    try:
        return asdict(
            compare_clinician_and_model(rows[:, 0], rows[:, 1], rows[:, 2].astype(np.int8))
        )
    # Too few lots with an outcome yet is the usual state of a young deployment, not a fault of the
    # question.
    except EvidenceError:
        return None


def clinician_saw_advice_first(ledger_location: str, advice: str) -> bool | None:
    """Return whether the doctor saw a piece of advice before giving an own estimate, if known.

    Raises:
        StatusMoveError: There is no such advice.
    """

    def saw_advice_first_in_registry(registry: Registry) -> bool | None:
        registry.registered_record(advice, "advice")
        return registry.clinician_saw_advice_first(advice)

    return _query_clinic_registry(
        ledger_location, ("advice", "decision"), saw_advice_first_in_registry
    )


def timed_and_untimed_reporting_duties_dict(
    ledger_location: str, *, closed: bool = False
) -> dict[str, Any]:
    """Return who must be told of incidents by when, soonest first, and what is to be looked up.

    Args:
        ledger_location: Path or URL of the ledger.
        closed: Whether those that a report has closed are returned, too.
    """
    return _query_clinic_registry(
        ledger_location,
        ("event", "deployment", "determination", "ruling", "intended-use"),
        lambda registry: {
            "duties": [
                reporting_duty_dict(duty) for duty in open_reporting_duties(registry, closed=closed)
            ],
            "look_up": [
                asdict(duty)
                for duty in registry.untimed_reporting_duties(
                    reporting_periods_by_place_and_event(),
                    untimed_reporting_rules_by_place(),
                    closed=closed,
                    classes_of=product_class_by_scheme_in_place,
                )
            ],
        },
    )


def open_reporting_duties(registry: Registry, *, closed: bool = False) -> list[ReportingDuty]:
    """Return who must report incidents by when under the rules of this process, soonest first.

    Args:
        registry: With events, deployments, determinations, rulings and intended uses.
        closed: Whether those that a report has closed are returned, too.
    """
    return registry.reporting_duties(
        reporting_periods_by_place_and_event(),
        closed=closed,
        classes_of=product_class_by_scheme_in_place,
    )


def reporting_duty_dict(duty: ReportingDuty) -> dict[str, Any]:
    """Return a duty as plain values, with its instants to the minute."""
    return asdict(duty) | {
        name: getattr(duty, name).isoformat(timespec="minutes") for name in ("due_at", "aware_at")
    }


@cache
def reporting_periods_by_place_and_event() -> ReportingPeriods:
    """Return the reporting periods of the rule book by jurisdiction and severity.

    A hospital and a maker have periods of their own; an incident gives each of them a duty,
    because who reports is for neither of them to leave to the other.

    Read once a process: the book is shipped, and reading it takes longer than any page may.
    """
    by_place = load_regulatory_rule_book().places
    periods: dict[tuple[str, str], list[ReportingPeriod]] = {}
    for name, place in by_place.items():
        for rule in place.rules:
            period = reporting_period_of_rule(rule)
            if period and rule.status != "proposed":
                periods.setdefault((name, period.event), []).append(period)
    return periods


@cache
def untimed_reporting_rules_by_place() -> dict[str, tuple[RegulatoryRule, ...]]:
    """Return the rules by which somebody must report and that give no period, by place."""
    by_place = load_regulatory_rule_book().places
    return {
        name: tuple(rule for rule in place.rules if rule.reports)
        for name, place in by_place.items()
    }


def _query_clinic_registry(
    ledger_location: str,
    kinds: Iterable[str],
    query: Callable[[Registry], Any],
    until: datetime | None = None,
) -> Any:
    return with_ledger(
        ledger_location, lambda ledger: query(replay_clinic_registry(ledger, kinds, until))
    )


def person_description_by_actor_id(ledger: Ledger) -> dict[str, str]:
    """Return name, role and organisation of each actor, as the signed enrolments say."""
    return {
        actor.actor_id: f"{actor.person.name} ({actor.person.role}, {actor.person.organisation})"
        for actor in ledger.actors()
    }
