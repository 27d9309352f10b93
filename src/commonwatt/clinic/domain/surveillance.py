"""The monitor plan of a deployment: all that its false-alarm bound rests on, fixed beforehand.

Whatever is chosen after a look at the outcomes breaks the bound: the horizon, the centre
about which slopes turn, the streams, the band. So they stand in the record that the
committee approved, and a run that says anything else is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, cast

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.core.messages import Message

HORIZON_ROWS: Final = 50_000
LONGEST_WAIT_DAYS: Final = 366
ALL_PATIENTS: Final = "all"
OTHER_GROUP: Final = "other"
RUN_EVERY_DAYS: Final = 7
"""Days after which a monitor should have run again, of a plan that does not say: a week."""
ON_ALARM: Final = ("signal", "pause", "roll-back")
_COLUMNS: Final = ("score", "label", "day", "known_on", "patient", "row_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveillancePlan:
    """What is watched, how, and for how long.

    Args:
        band: Half width of what is tolerated, on the logit scale.
        alpha: Bound on the probability of any false alarm within the horizon.
        horizon_rows: Rows of the stream of all patients that the bound is for.
        middle: Logit about which slopes turn: that of the event rate at approval.
        day_effect_sd: Largest standard deviation of what the rows of one day share.
        maturity_days: Days that every row waits for its outcome, whatever it is.
        groups: Values of each column that are streams of their own.
        columns: Names of the columns by what they hold; an empty name for one there is not.
    """

    band: float = 0.1
    alpha: float = 0.1
    horizon_rows: int = HORIZON_ROWS
    middle: float = 0.0
    day_effect_sd: float = 0.3
    maturity_days: int = 0
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    columns: Mapping[str, str] = field(default_factory=dict[str, str])

    def column(self, role: str) -> str:
        """Return the name of the column that holds what `role` says; empty if there is none."""
        return self.columns.get(role, role if role in ("score", "label", "day") else "")

    @property
    def stream_names(self) -> list[str]:
        """The streams in order: all patients, then each group and the rest of its column."""
        names = [ALL_PATIENTS]
        for column, values in self.groups.items():
            # Whoever is of no named group is watched all the same, and the number of streams,
            # which the limit pays for, does not hang on who comes.
            names += [f"{column} = {value}" for value in (*values, OTHER_GROUP)]
        return names

    @property
    def sha256(self) -> str:
        """Digest of the plan, defaults included."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def surveillance_plan_of_deployment(monitor: Mapping[str, Any], where: str) -> SurveillancePlan:
    """Return the plan in a deployment's record.

    Args:
        monitor: Its field `monitor`. `by` holds, for each column, the values that are streams.
        where: The deployment, for the error.

    Raises:
        MonitorError: A field is unknown or has a value that it may not have.

    >>> plan = surveillance_plan_of_deployment({"by": {"sex": ["f", "m"]}}, "deployment/x")
    >>> plan.stream_names
    ['all', 'sex = f', 'sex = m', 'sex = other']
    """
    known = {*_PARSERS, "by", "columns", "on_alarm", "fallback", "every_days"}
    for name in monitor:
        if name not in known:
            # A misspelt band would leave the default in force.
            gaps = {"values": ", ".join(sorted(known))}
            raise MonitorError(f"{where}, monitor.{name}", wanted=Message("one of {values}", gaps))
    if "every_days" in monitor and _DAYS_BETWEEN_RUNS[0](monitor["every_days"]) is None:
        raise MonitorError(f"{where}, monitor.every_days", wanted=_DAYS_BETWEEN_RUNS[1])
    plan = SurveillancePlan(
        groups=_groups_of_plan(monitor.get("by", {}), where),
        columns=_columns_of_plan(monitor.get("columns", {}), where),
    )
    for name, (parse, wanted) in _PARSERS.items():
        if name in monitor:
            parsed = parse(monitor[name])
            if parsed is None:
                raise MonitorError(f"{where}, monitor.{name}", wanted=wanted)
            plan = replace(plan, **{name: parsed})
    return plan


def planned_days_between_runs(monitor: Mapping[str, Any]) -> int:
    """Return after how many days a monitor should have run again, by its plan or by default.

    Not a part of `SurveillancePlan`: how often somebody looks changes nothing of what is counted,
    and must not change the digest that ties the counts to their plan.

    >>> planned_days_between_runs({"every_days": 1}), planned_days_between_runs({})
    (1, 7)
    """
    stated = _DAYS_BETWEEN_RUNS[0](monitor.get("every_days"))
    return RUN_EVERY_DAYS if stated is None else stated


def _groups_of_plan(by: Any, where: str) -> dict[str, tuple[str, ...]]:
    wanted = Message("for each column the list of values that are streams of their own")
    if not isinstance(by, dict):
        raise MonitorError(f"{where}, monitor.by", wanted=wanted)
    groups: dict[str, tuple[str, ...]] = {}
    for column, listed in cast("dict[str, Any]", by).items():
        values = cast("list[Any]", listed) if isinstance(listed, list) else []
        texts = tuple(value for value in values if isinstance(value, str) and value)
        if not texts or len(set(texts)) < len(values) or OTHER_GROUP in texts:
            raise MonitorError(f"{where}, monitor.by, {column}", wanted=wanted)
        groups[column] = texts
    return groups


def _columns_of_plan(columns: Any, where: str) -> dict[str, str]:
    wanted = Message("names of columns for {values}", {"values": ", ".join(_COLUMNS)})
    if not isinstance(columns, dict):
        raise MonitorError(f"{where}, monitor.columns", wanted=wanted)
    named = cast("dict[str, Any]", columns)
    if not all(role in _COLUMNS and isinstance(name, str) for role, name in named.items()):
        raise MonitorError(f"{where}, monitor.columns", wanted=wanted)
    return {role: str(name) for role, name in named.items()}


def _number_in(low: float, high: float) -> Any:
    def parse(value: Any) -> float | None:
        # `true` is a number in Python, and NaN compares false with everything.
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if good and low <= value <= high else None

    return parse


def _whole_number_in(low: int, high: int) -> Any:
    def parse(value: Any) -> int | None:
        good = isinstance(value, int) and not isinstance(value, bool)
        return value if good and low <= value <= high else None

    return parse


_DAYS_BETWEEN_RUNS: Final[tuple[Any, Message]] = (
    _whole_number_in(1, LONGEST_WAIT_DAYS),
    Message("a whole number of days from 1 to 366"),
)
_PARSERS: Final[Mapping[str, tuple[Any, Message]]] = {
    "band": (_number_in(0, 10), Message("a number from 0 to 10")),
    "alpha": (_number_in(1e-9, 1 - 1e-9), Message("a number between 0 and 1")),
    "horizon_rows": (_whole_number_in(1, 10**12), Message("a whole number of rows, at least 1")),
    "middle": (_number_in(-20, 20), Message("a number from -20 to 20")),
    "day_effect_sd": (_number_in(0, 1), Message("a number from 0 to 1")),
    "maturity_days": (
        _whole_number_in(0, LONGEST_WAIT_DAYS),
        Message("a whole number of days from 0 to 366"),
    ),
}
