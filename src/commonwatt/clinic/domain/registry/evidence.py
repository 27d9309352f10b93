"""What a record of evidence must hold, and how strong it must be for a product's class.

The figures are computed by `model evidence` or by a sealed examination and signed by who
computed them; here they are read as a stranger would read them: are they figures at all,
do they fit each other, and are they enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import yaml

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.registry.state import RegistryRecord
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA

STANDARDS_FILE: Final = DATA / "clinic" / "approval" / "evidence.yaml"
OVERALL: Final = frozenset({"all", "every item"})
"""What the group of all patients is called, by the two commands that compute evidence."""
SHARES: Final = frozenset({"auc", "sensitivity", "specificity", "ppv", "npv", "advised_share"})
METRICS: Final = SHARES | {"o_over_e"}
UNATTESTED_DESIGN: Final = "retrospective"
"""The design that evidence counts as, whatever it says, where no third party says it."""
_NUMBERS: Final = ("estimate", "low", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceStandard:
    """The least evidence for a class.

    Args:
        designs: How it may have been gained.
        events: Fewest patients with the event.
        non_events: Fewest patients without it.
        auc_width: Widest interval of the AUC.
        groups: Fewest groups of patients beside the whole of which the AUC could be estimated.
    """

    designs: frozenset[str]
    events: int
    non_events: int
    auc_width: float
    groups: int


@cache
def evidence_standard_by_risk_class() -> Mapping[str, EvidenceStandard]:
    """Return the least evidence by class, I to IV."""
    file = cast("dict[str, Any]", yaml.safe_load(STANDARDS_FILE.read_text(encoding="utf-8")))
    return {
        klass: EvidenceStandard(
            designs=frozenset(entry["designs"]),
            events=entry["events"],
            non_events=entry["non_events"],
            auc_width=entry["auc_width"],
            groups=entry["groups"],
        )
        for klass, entry in file["classes"].items()
    }


def evidence_estimates_form_fault_or_none(estimates: Sequence[Any]) -> Message | None:
    """Return what is impossible in the estimates of a record; None where they may stand."""
    return next(_evidence_form_faults(estimates), None)


def _evidence_form_faults(estimates: Sequence[Any]) -> Iterator[Message]:
    seen: set[tuple[str, str]] = set()
    for row in estimates:
        if not isinstance(row, Mapping):
            yield Message("an estimate without named values")
            continue
        estimate = cast("Mapping[str, Any]", row)
        words = {name: str(estimate.get(name)) for name in ("metric", "group")}
        key = (words["group"], words["metric"])
        faults = [
            *_evidence_estimate_faults(estimate),
            *([Message("given twice")] if key in seen else []),
        ]
        for fault in faults:
            yield Message("{metric} of {group}: {fault}", words | {"fault": str(fault)})
        seen.add(key)
    if not any(group in OVERALL and metric == "auc" for group, metric in seen):
        yield Message("no AUC of all patients")


def _evidence_estimate_faults(estimate: Mapping[str, Any]) -> Iterator[Message]:
    if estimate.get("metric") not in METRICS:
        yield Message("an unknown metric")
        return
    numbers = [estimate.get(name) for name in _NUMBERS]
    # A group that is too small has its row and no figure.
    if all(number is None for number in numbers):
        return
    if not all(is_finite_number_in_registry_record(number) for number in numbers):
        yield Message("no number")
        return
    middle, low, high = cast("list[float]", numbers)
    if not low <= middle <= high:
        yield Message("an estimate outside its interval")
    most = 1.0 if estimate["metric"] in SHARES else math.inf
    if not (low >= 0 and high <= most):
        yield Message("a value that the metric cannot have")
    rows, events = estimate.get("rows"), estimate.get("events")
    # A sealed examination leaves the counts of a group out where another could be counted back.
    if (rows, events) == (None, None):
        return
    if not (
        _is_patient_count_in_evidence(rows)
        and _is_patient_count_in_evidence(events)
        and cast("int", events) <= cast("int", rows)
    ):
        yield Message("more events than rows")


def is_finite_number_in_registry_record(value: object) -> bool:
    """Return whether a value of a record is a number, and one that can be compared."""
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and math.isfinite(cast("float", value))


def _is_patient_count_in_evidence(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def evidence_shortfall(
    record: RegistryRecord, standard: EvidenceStandard, *, attested: bool
) -> Message | None:
    """Return what a record of evidence lacks for a class; None where it is enough.

    Args:
        record: The evidence.
        standard: Of the class.
        attested: Whether a third party signed it. Of its own table a maker may say anything: what
            it calls prospective counts for a class that any design is enough for, and for no other.
    """
    estimates: Any = record.body.get("estimates")
    rows = cast("list[Any]", estimates) if isinstance(estimates, list) else []
    if (fault := evidence_estimates_form_fault_or_none(rows)) is not None:
        return fault
    return next(_evidence_shortfalls(record, rows, standard, attested=attested), None)


def _evidence_shortfalls(
    record: RegistryRecord,
    estimates: Sequence[Mapping[str, Any]],
    standard: EvidenceStandard,
    *,
    attested: bool,
) -> Iterator[Message]:
    design = {"design": str(record.body.get("design"))}
    if record.body.get("design") not in standard.designs:
        yield Message("the design {design} is too weak", design)
    elif not attested and UNATTESTED_DESIGN not in standard.designs:
        yield Message(
            "the design {design} is said by no third party: for this class an evaluator of another"
            " organisation than the maker's must have signed it",
            design,
        )
    areas = [row for row in estimates if row["metric"] == "auc"]
    overall = next(row for row in areas if row["group"] in OVERALL)
    if None in (overall["estimate"], overall.get("rows"), overall.get("events")):
        yield Message("too few patients to estimate the AUC")
        return
    # However well it is measured: such a model ranks those who fall ill behind those who do not.
    if overall["high"] < 0.5:
        yield Message("an AUC that lies below one half")
    events, others = overall["events"], overall["rows"] - overall["events"]
    if (patients := record.body.get("patients")) is not None:
        # Of one patient a hundred scans are no hundred events.
        events = min(events, _count_or_zero(patients, "with_event"))
        others = min(others, _count_or_zero(patients, "without_event"))
    if events < standard.events or others < standard.non_events:
        yield Message(
            "{events} events and {others} others, where {wanted_events} and {wanted_others} are "
            "wanted",
            {
                "events": str(events),
                "others": str(others),
                "wanted_events": str(standard.events),
                "wanted_others": str(standard.non_events),
            },
        )
    width = overall["high"] - overall["low"]
    if width > standard.auc_width:
        yield Message(
            "an AUC with an interval of {width}, where at most {wanted} is wanted",
            {"width": f"{width:.3f}", "wanted": f"{standard.auc_width:g}"},
        )
    groups = sum(row["group"] not in OVERALL and row["estimate"] is not None for row in areas)
    if groups < standard.groups:
        yield Message(
            "{count} groups of patients, where {wanted} are wanted",
            {"count": str(groups), "wanted": str(standard.groups)},
        )


def _count_or_zero(counts: Any, name: str) -> int:
    # None where something else stands there: what cannot be read shows no patient.
    count = cast("Mapping[str, Any]", counts).get(name) if isinstance(counts, Mapping) else None
    return cast("int", count) if _is_patient_count_in_evidence(count) else 0


def evidence_standard(risk_class: str) -> EvidenceStandard:
    """Return the least evidence for a class.

    Raises:
        RulesError: The standards have no such class.
    """
    standards = evidence_standard_by_risk_class()
    if risk_class not in standards:
        raise RulesError(
            risk_class or "class",
            wanted=Message("one of {values}", {"values": ", ".join(standards)}),
        )
    return standards[risk_class]


def lower_confidence_bound_by_metric(record: RegistryRecord) -> dict[str, float]:
    """Return the lower confidence bound of each metric over all patients."""
    return {
        row["metric"]: row["low"]
        for row in cast("list[Mapping[str, Any]]", record.body.get("estimates", []))
        if row.get("group") in OVERALL and row.get("low") is not None
    }
