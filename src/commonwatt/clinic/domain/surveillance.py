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
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.core.messages import Message

HORIZON_ROWS: Final = 50_000
LONGEST_WAIT_DAYS: Final = 366
ALL_PATIENTS: Final = "all"
OTHER_GROUP: Final = "other"
RUN_EVERY_DAYS: Final = 7
"""Days after which a monitor should have run again, of a plan that does not say: a week."""
MOST_CORRECTED_SHARE: Final = 0.05
"""Outcomes of counted days that may be others later, of a plan that does not say: one in twenty."""
ON_ALARM: Final = ("signal", "pause", "roll-back")
COLUMN_ROLES: Final = ("score", "label", "day", "known_on", "patient", "row_key")
_COLUMNS_NEEDED: Final = ("score", "label", "day")


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
        zone: IANA name of the zone of the institution's days; empty for the day as it is written.
        most_corrected_share: Outcomes of counted days that may be others in a later table; beyond
            it the table is refused.
    """

    band: float = 0.1
    alpha: float = 0.1
    horizon_rows: int = HORIZON_ROWS
    middle: float = 0.0
    day_effect_sd: float = 0.3
    maturity_days: int = 0
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: str = ""
    most_corrected_share: float = MOST_CORRECTED_SHARE

    def column(self, role: str) -> str:
        """Return the name of the column that holds what `role` says; empty if there is none."""
        return self.columns.get(role, role if role in _COLUMNS_NEEDED else "")

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
        fields = asdict(self)
        if not self.zone:
            # Without one a plan has the digest that it had before plans could name it, which is on
            # record beside what was counted by it.
            del fields["zone"]
        if self.most_corrected_share == MOST_CORRECTED_SHARE:
            del fields["most_corrected_share"]  # for the same reason
        text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
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
        groups=_checked_clinic_monitor_stream_values_by_column(monitor.get("by", {}), where),
        columns=_checked_clinic_monitor_column_name_by_role(monitor.get("columns", {}), where),
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


def check_new_surveillance_plan(monitor: Mapping[str, Any], where: str) -> None:
    """Refuse a plan by which nothing could be watched; what is on record already is still read.

    A band of 1 lets the odds be 2.7 times off for ever, and an alpha above 0.2 makes one alarm in
    five a false one by plan: beyond them an alarm, or its absence, tells nothing. In fewer than
    100 rows hardly any drift shows; a billion is more than an institution ever scores.

    Raises:
        MonitorError: A field is unknown or has a value that it may not have, a column is not
            named or has two roles, or a limit lies beyond sense.

    >>> check_new_surveillance_plan({"band": 0.1, "alpha": 0.1}, "deployment/x")
    """
    plan = surveillance_plan_of_deployment(monitor, where)
    for name, (low, high, wanted) in _SENSIBLE.items():
        if not low <= getattr(plan, name) <= high:
            raise MonitorError(
                f"{where}, monitor.{name}", found=f"{getattr(plan, name)}", wanted=wanted
            )
    names = {role: plan.column(role) for role in COLUMN_ROLES}
    for role, name in names.items():
        if name != name.strip() or (not name and role in _COLUMNS_NEEDED):
            raise MonitorError(
                f"{where}, monitor.columns, {role}",
                wanted=Message("the name of a column, without blanks at its ends"),
            )
    _check_one_role_a_column([*filter(None, names.values()), *plan.groups], where)
    for column, values in plan.groups.items():
        if any(text != text.strip() for text in (column, *values)):
            # Blanks are taken off the cells, so that no patient would ever be of this group.
            raise MonitorError(
                f"{where}, monitor.by, {column}",
                wanted=Message("names without blanks at their ends"),
            )
    _check_fallback_named_iff_alarm_rolls_back(monitor, where)


def _check_one_role_a_column(names: list[str], where: str) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise MonitorError(
            f"{where}, monitor.columns",
            found=Message("the column {name} in two roles", {"name": twice[0]}),
            wanted=Message("a column for each role"),
        )


def _check_fallback_named_iff_alarm_rolls_back(monitor: Mapping[str, Any], where: str) -> None:
    rolls_back = monitor.get("on_alarm", "signal") == "roll-back"
    if rolls_back and not monitor.get("fallback"):
        raise MonitorError(
            f"{where}, monitor.fallback", wanted=Message("the deployment to roll back to")
        )
    if not rolls_back and "fallback" in monitor:
        # It would be named, approved, and never taken.
        raise MonitorError(
            f"{where}, monitor.fallback", wanted=Message("none, or on_alarm = roll-back")
        )


def _checked_clinic_monitor_stream_values_by_column(
    by: Any, where: str
) -> dict[str, tuple[str, ...]]:
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


def _checked_clinic_monitor_column_name_by_role(columns: Any, where: str) -> dict[str, str]:
    wanted = Message("names of columns for {values}", {"values": ", ".join(COLUMN_ROLES)})
    if not isinstance(columns, dict):
        raise MonitorError(f"{where}, monitor.columns", wanted=wanted)
    named = cast("dict[str, Any]", columns)
    if not all(role in COLUMN_ROLES and isinstance(name, str) for role, name in named.items()):
        raise MonitorError(f"{where}, monitor.columns", wanted=wanted)
    return {role: str(name) for role, name in named.items()}


def _clinic_monitor_number_in_range_parser(low: float, high: float) -> Any:
    def parse(value: Any) -> float | None:
        # `true` is a number in Python, and NaN compares false with everything.
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if good and low <= value <= high else None

    return parse


def _clinic_monitor_whole_number_in_range_parser(low: int, high: int) -> Any:
    def parse(value: Any) -> int | None:
        good = isinstance(value, int) and not isinstance(value, bool)
        return value if good and low <= value <= high else None

    return parse


_DAYS_BETWEEN_RUNS: Final[tuple[Any, Message]] = (
    _clinic_monitor_whole_number_in_range_parser(1, LONGEST_WAIT_DAYS),
    Message("a whole number of days from 1 to 366"),
)


def parse_clinic_monitor_zone_name_or_none(value: Any) -> str | None:
    """Return the IANA name of a zone; None where there is none of this name."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


_SENSIBLE: Final[Mapping[str, tuple[float, float, Message]]] = {
    "band": (0, 1, Message("a band from 0 to 1: at 1 the odds may be 2.7 times off unseen")),
    "alpha": (0, 0.2, Message("an alpha of at most 0.2: one false alarm in five")),
    "most_corrected_share": (
        0,
        0.2,
        Message(
            "a share of at most 0.2: beyond it the outcomes that count are not those that came"
        ),
    ),
    "horizon_rows": (100, 10**9, Message("from 100 to 1,000,000,000 rows")),
}
"""The limits of a new plan, and why."""

_PARSERS: Final[Mapping[str, tuple[Any, Message]]] = {
    "band": (_clinic_monitor_number_in_range_parser(0, 10), Message("a number from 0 to 10")),
    "alpha": (
        _clinic_monitor_number_in_range_parser(1e-9, 1 - 1e-9),
        Message("a number between 0 and 1"),
    ),
    "horizon_rows": (
        _clinic_monitor_whole_number_in_range_parser(1, 10**12),
        Message("a whole number of rows, at least 1"),
    ),
    "middle": (_clinic_monitor_number_in_range_parser(-20, 20), Message("a number from -20 to 20")),
    "day_effect_sd": (
        _clinic_monitor_number_in_range_parser(0, 1),
        Message("a number from 0 to 1"),
    ),
    "most_corrected_share": (
        _clinic_monitor_number_in_range_parser(0, 1),
        Message("a number from 0 to 1"),
    ),
    "maturity_days": (
        _clinic_monitor_whole_number_in_range_parser(0, LONGEST_WAIT_DAYS),
        Message("a whole number of days from 0 to 366"),
    ),
    "zone": (
        parse_clinic_monitor_zone_name_or_none,
        Message("the name of a zone, as Asia/Hong_Kong"),
    ),
}
