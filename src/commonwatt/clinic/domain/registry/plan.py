"""The predetermined change-control plan: which updates were approved before they existed.

A version is deployable if it was determined itself, or if it differs from a
determined version by a change that the plan of that determination covers.
Changes do not add up: each is measured against the determined version.

Source: FDA guidance of 2025-08-18 on predetermined change control plans
(description of modifications, modification protocol, impact assessment).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from commonwatt.clinic.domain.errors import MonitorError, StatusMoveError
from commonwatt.clinic.domain.registry.evidence import (
    METRICS,
    SHARES,
    is_finite_number_in_registry_record,
    lower_confidence_bound_by_metric,
)
from commonwatt.clinic.domain.registry.lifecycle import DeploymentStatus
from commonwatt.clinic.domain.registry.records import is_registry_sha256, is_registry_share
from commonwatt.clinic.domain.registry.state import Registry, RegistryRecord
from commonwatt.clinic.domain.surveillance import (
    ON_ALARM,
    check_new_surveillance_plan,
    surveillance_plan_of_deployment,
)
from commonwatt.core.messages import Message

# Of the difference of two thresholds, which are written in decimals.
_ROUNDING: Final = 1e-9
CHANGES: Final = ("retrain", "recalibrate", "threshold", "input", "architecture", "intended-use")
# Of these a plan may name all but another use, which the guidance keeps out of every plan.
PLANNABLE_CHANGES: Final = tuple(kind for kind in CHANGES if kind != "intended-use")
_PLAN_FIELDS: Final = ("kinds", "floors", "dataset_sha256", "most_threshold_shift")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """What differs from the determined version, and how well it did on the plan's test.

    Args:
        kinds: Everything that changed, of `CHANGES`.
        metrics: Lower confidence bound of each metric on the plan's test set.
        dataset_sha256: The test set that was used.
        threshold_shift: Absolute change of the threshold.
    """

    kinds: frozenset[str]
    metrics: Mapping[str, float]
    dataset_sha256: str
    threshold_shift: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlan:
    """What was approved in advance.

    Args:
        kinds: Kinds of change that may be made.
        floors: Least lower bound of each metric.
        dataset_sha256: The test set that decides.
        most_threshold_shift: Furthest that the threshold may move.
    """

    kinds: frozenset[str]
    floors: Mapping[str, float]
    dataset_sha256: str
    most_threshold_shift: float


def change_plan_faults(change: ModelChange, plan: ChangePlan) -> list[Message]:
    """Return every way in which a change leaves the plan."""
    faults: list[Message] = []
    outside = sorted(change.kinds - plan.kinds)
    # A change that names no kind is outside every plan; an empty set is a subset of any, and would
    # otherwise be let through as the smallest change of all.
    if outside or not change.kinds:
        kinds = ", ".join(outside) or "–"
        faults.append(Message("a change of a kind that is not planned: {kinds}", {"kinds": kinds}))
    if change.dataset_sha256 != plan.dataset_sha256:
        faults.append(Message("a test on another data set than the plan's"))
    for metric, floor in sorted(plan.floors.items()):
        # Written as "not at least", so that NaN, which compares false with everything, fails the
        # floor; a metric that was not measured fails it, too.
        if not change.metrics.get(metric, float("-inf")) >= floor:
            faults.append(Message("{metric} below its floor", {"metric": metric}))
    # The same for a shift that is NaN.
    if not abs(change.threshold_shift) <= plan.most_threshold_shift + _ROUNDING:
        faults.append(Message("a threshold moved too far"))
    return faults


def can_change_model(change: ModelChange, plan: ChangePlan) -> bool:
    """Return whether the plan covers the change."""
    return not change_plan_faults(change, plan)


def check_change_model(change: ModelChange, plan: ChangePlan) -> None:
    """Refuse a change outside the plan.

    Raises:
        StatusMoveError: The first way in which it leaves the plan is named.
    """
    faults = change_plan_faults(change, plan)
    if faults:
        raise StatusMoveError(
            "version, change",
            found=faults[0],
            wanted=Message("a change inside the plan"),
            remedy=Message("Ask for a new determination of this version."),
        )


def change_plan_form_fault(plan: Any) -> Message | None:
    """Return what is wrong with the plan in a determination; None where it may be approved.

    A misspelt floor would leave what the committee wrote without effect, and a kind that is no
    kind would be found out by the first update.
    """
    if not isinstance(plan, Mapping):
        return Message("named values are missing")
    return next(_change_plan_form_faults(cast("Mapping[str, Any]", plan)), None)


def _change_plan_form_faults(plan: Mapping[str, Any]) -> Iterator[Message]:
    for name in plan:
        if name not in _PLAN_FIELDS:
            known = {"name": name, "values": ", ".join(_PLAN_FIELDS)}
            yield Message("{name} is none of {values}", known)
    kinds = plan.get("kinds")
    listed = cast("list[Any]", kinds) if isinstance(kinds, list) else []
    if not listed or any(kind not in PLANNABLE_CHANGES for kind in listed):
        known = {"values": ", ".join(PLANNABLE_CHANGES)}
        yield Message("kinds is no list of {values}", known)
    floors = plan.get("floors")
    if not isinstance(floors, Mapping) or not floors:
        yield Message("floors names no metric with its least lower bound")
    else:
        yield from _change_plan_floor_faults(cast("Mapping[str, Any]", floors))
    if not is_registry_sha256(plan.get("dataset_sha256")):
        yield Message("dataset_sha256 is no SHA-256 of 64 hexadecimal digits")
    if not is_registry_share(plan.get("most_threshold_shift", 0.0)):
        yield Message("most_threshold_shift is no number from 0 to 1")


def _change_plan_floor_faults(floors: Mapping[str, Any]) -> Iterator[Message]:
    for metric, floor in floors.items():
        if metric not in METRICS:
            known = {"name": metric, "values": ", ".join(sorted(METRICS))}
            yield Message("{name} is none of {values}", known)
        elif not _can_be_floor_of_clinic_metric(metric, floor):
            yield Message("the floor of {metric} is no value that it can have", {"metric": metric})


def _can_be_floor_of_clinic_metric(metric: str, floor: Any) -> bool:
    if metric in SHARES:
        return is_registry_share(floor)
    return is_finite_number_in_registry_record(floor) and floor >= 0


def change_plan_of_determination(determination_plan: Mapping[str, Any]) -> ChangePlan:
    """Return the plan in a determination's record, which must have no `change_plan_form_fault`."""
    return ChangePlan(
        kinds=frozenset(determination_plan.get("kinds", ())),
        floors=dict(determination_plan.get("floors", {})),
        dataset_sha256=str(determination_plan.get("dataset_sha256", "")),
        most_threshold_shift=float(determination_plan.get("most_threshold_shift", 0.0)),
    )


def model_change_between_versions(
    approved: RegistryRecord,
    version: RegistryRecord,
    *,
    approved_evidence: RegistryRecord | None,
    evidence: RegistryRecord | None,
) -> ModelChange:
    """Return in what a version differs from the approved one, by what is on record of both.

    What its maker says of the change may only add kinds to it: what was changed is what two
    digests and two records of evidence differ by.

    Args:
        approved: The version that was determined.
        version: The version that runs.
        approved_evidence: Evidence that the determination rested on.
        evidence: Evidence on the version that runs.
    """
    kinds = {str(kind) for kind in version.body.get("change", {}).get("kinds", ())}
    if version.body["artefact_sha256"] != approved.body["artefact_sha256"]:
        kinds.add("retrain")
    # Another base or another prompt is another model under the same name; no plan covers it.
    for field, kind in (("base_model", "base-model"), ("prompt_sha256", "prompt")):
        if version.body.get(field) != approved.body.get(field):
            kinds.add(kind)
    shift = _evidence_threshold_or_nan(evidence) - _evidence_threshold_or_nan(approved_evidence)
    if shift != 0:
        kinds.add("threshold")
    return ModelChange(
        kinds=frozenset(kinds),
        metrics=lower_confidence_bound_by_metric(evidence) if evidence else {},
        dataset_sha256=str(evidence.body.get("dataset_sha256", "")) if evidence else "",
        threshold_shift=shift,
    )


def _evidence_threshold_or_nan(evidence: RegistryRecord | None) -> float:
    # NaN where nobody knows it, which no plan covers.
    threshold = evidence.body.get("threshold") if evidence else None
    return math.nan if threshold is None else float(threshold)


def monitor_plan_form_fault_or_none(monitor: Any) -> Message | None:
    """Return what is wrong with the plan by which a deployment is watched; None if nothing is."""
    if not isinstance(monitor, Mapping):
        return Message("named values are missing")
    plan = cast("Mapping[str, Any]", monitor)
    # Stated, although the monitor has defaults: what is tolerated, and how often it may err, is
    # what the committee approves.
    for name in ("band", "alpha"):
        if name not in plan:
            return Message("{name} is {found}", {"name": name, "found": repr(None)})
    try:
        surveillance_plan_of_deployment(plan, "deployment")
    except MonitorError as error:
        return Message("{fault}", {"fault": str(error)})
    action = plan.get("on_alarm", "signal")
    if action not in ON_ALARM:
        return Message("{name} is {found}", {"name": "on_alarm", "found": repr(action)})
    return None


def check_new_monitor_plan(registry: Registry, deployment: RegistryRecord) -> None:
    """Refuse a new deployment by whose plan nothing could be watched, or nobody could take over.

    The form of the plan is a precondition of every deployment, and is not judged again here.

    Raises:
        MonitorError: A limit lies beyond sense, a column is not named or has two roles, or the
            fallback is never taken or missing.
        StatusMoveError: The fallback is not on record, is retired, or is of another product,
            place or institution.
    """
    if monitor_plan_form_fault_or_none(deployment.body.get("monitor")) is not None:
        return
    monitor = cast("Mapping[str, Any]", deployment.body["monitor"])
    check_new_surveillance_plan(monitor, deployment.name)
    if "fallback" in monitor:
        _check_fallback_deployment_of_monitor(registry, deployment, str(monitor["fallback"]))


def _check_fallback_deployment_of_monitor(
    registry: Registry, deployment: RegistryRecord, fallback: str
) -> None:
    where = f"{deployment.name}, monitor.fallback"
    if fallback == deployment.name:
        raise StatusMoveError(where, wanted=Message("another deployment than this one"))
    other = registry.registered_record(fallback, "deployment")
    if registry.deployment_status(fallback) is DeploymentStatus.RETIRED:
        raise StatusMoveError(where, wanted=Message("a deployment that is not retired"))
    products = [
        registry.registered_record(record.body["version"], "version").body["product"]
        for record in (deployment, other)
    ]
    same_place = all(deployment.body[name] == other.body[name] for name in ("place", "institution"))
    if products[0] != products[1] or not same_place:
        raise StatusMoveError(
            where, wanted=Message("a deployment of the same product, place and institution")
        )
