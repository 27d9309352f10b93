"""The monitor of a deployment as a service: by its plan, over all its runs, onto the record.

1. The plan is read from the deployment's record; an option that says otherwise is refused.
2. What was counted before is read from the state, whose digest stands in the entry of the last
   run; without the file it is counted again from the table.
3. Days that the table repeats must have the rows that they had; new days up to yesterday are
   added. An outcome that was corrected since its day was counted is told by its day and does not
   enter: the first stands, and more than the planned share of them is refused. A day of which
   nothing was counted before a later one was stays out: put in behind, whoever gives the table
   would choose the order of the rows after their outcomes are known, and the bound is for one
   order. It is named in every answer.
4. The new digest, and each stream that rang for the first time, are put on record in one
   transaction: the alarm signals, pauses or rolls back as the plan says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.clinic.domain.registry.state import ALARM, MONITOR_RUN, RegistryRecord
from commonwatt.clinic.domain.surveillance import (
    COLUMN_ROLES,
    SurveillancePlan,
    surveillance_plan_of_deployment,
)
from commonwatt.clinic.engines.monitor.corrections import PastDays, compare_past_days
from commonwatt.clinic.io.monitor_state import (
    MonitorState,
    load_monitor_state,
    put_clinic_monitor_state_in_force,
    save_monitor_state_draft,
)
from commonwatt.clinic.io.patient_table import PatientColumns
from commonwatt.clinic.io.registry import AlarmResponse, RegistryWriter
from commonwatt.clinic.io.registry.entry_writer import CLOCK_TOLERANCE
from commonwatt.clinic.usecases.monitor import (
    MonitoredTable,
    MonitorOptions,
    monitor_answer_dict,
    monitored_table,
)
from commonwatt.clinic.usecases.registry import with_registry_writer
from commonwatt.core.messages import Message
from commonwatt.ledger import Key, Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredDeployment:
    """Whose monitor runs, where its record and its state are, and who signs.

    Args:
        deployment: Its name on record.
        ledger_location: Path or URL of the ledger.
        key_file: The monitor's key.
        state_file: Where the counts are kept; beside the ledger's file, if left out.
    """

    deployment: str
    ledger_location: str
    key_file: Path
    state_file: Path | None = None


def run_and_record_deployment_monitor(
    path: Path, options: MonitorOptions, of: MonitoredDeployment, *, now: datetime
) -> dict[str, Any]:
    """Run the monitor of a deployment on a table, and put what it says on record.

    Raises:
        EvidenceError: The table lacks a column or holds a value out of bounds.
        MonitorError: The options contradict the plan, the state is not that of the last run, a
            day that was counted before has other rows, or too many outcomes were corrected.
        StatusMoveError: There is no such deployment.
        ActorError: The signer may not raise an alarm.
    """
    key = Key.load(of.key_file)
    state_file = of.state_file or default_clinic_monitor_state_file(
        of.ledger_location, of.deployment
    )

    def run_with_writer(writer: RegistryWriter) -> dict[str, Any]:
        record = writer.registry.registered_record(of.deployment, "deployment")
        plan = surveillance_plan_of_deployment(record.body["monitor"], of.deployment)
        chosen = monitor_options_fixed_by_plan(options, plan, of.deployment)
        chosen = replace(chosen, as_of=_checked_day_of_monitor_run(chosen.as_of, plan, now))
        table = monitored_table(path, chosen, plan)
        last = writer.registry.last_monitor_run(of.deployment)
        before = _monitor_state_of_last_run_or_none(last, state_file, table, plan)
        after, added, past = _monitor_state_and_new_row_count(before, table, plan, chosen, path)
        answer = monitor_answer_dict(table, fixed=True, cells=after.cells, through=after.through)
        answer["corrections"] = _corrections_dict(past, plan)
        run = _MonitorRun(deployment=of.deployment, state=after, last=last, state_file=state_file)
        recorded = _record_monitor_run_and_alarms(writer, answer, run, key, now)
        return answer | recorded | {
            "deployment": of.deployment,
            "through": after.through.isoformat(),
            "rows_added": added,
            "rows_recognised": _rows_up_to(table.cells, before.through) if before else 0,
            "state_file": str(state_file),
            "state_sha256": after.sha256,
        }  # fmt: skip

    return with_registry_writer(of.ledger_location, run_with_writer)


def _checked_day_of_monitor_run(as_of: date | None, plan: SurveillancePlan, now: datetime) -> date:
    """Return the day of a run: today where nothing else is said, in the zone of the institution.

    Raises:
        MonitorError: It has not come yet. What was counted through a day to come would shut out
            every row until then.
    """
    # Without a zone in the plan the machine's own: rows bear the days of where it stands.
    zone = ZoneInfo(plan.zone) if plan.zone else None
    latest = (now + CLOCK_TOLERANCE).astimezone(zone).date()
    if as_of is not None and as_of > latest:
        raise MonitorError(
            "--as-of",
            found=as_of.isoformat(),
            wanted=Message("a day that has come; today is {day}", {"day": latest.isoformat()}),
        )
    return as_of or now.astimezone(zone).date()


def default_clinic_monitor_state_file(ledger_location: str, deployment: str) -> Path:
    """Return where a deployment's state is kept if nothing else is said.

    Raises:
        MonitorError: The ledger is no file, so that nothing lies beside it.
    """
    if "://" in ledger_location or ledger_location.startswith("@"):
        raise MonitorError(
            "--state", wanted=Message("a file to keep the counts in, as the ledger is no file")
        )
    folder = Path(ledger_location + ".monitor")
    return folder / f"{deployment.removeprefix('deployment/')}.json"


def monitor_options_fixed_by_plan(
    options: MonitorOptions, plan: SurveillancePlan, deployment: str
) -> MonitorOptions:
    """Return the options with what the plan fixes.

    Raises:
        MonitorError: An option says something else than the plan.
    """
    fixed = ("band", "alpha", "horizon_rows", "middle", "day_effect_sd", "maturity_days")
    given: dict[str, Any] = {name: getattr(options, name) for name in fixed}
    planned: dict[str, Any] = {name: getattr(plan, name) for name in fixed}
    columns = options.columns
    for role in COLUMN_ROLES:
        # The usual names are what the command falls back on, and say nothing against a plan.
        name = getattr(columns, role)
        given[role] = name if name not in ("", role) else None
        planned[role] = plan.column(role)
    given["by"] = columns.by or None
    planned["by"] = tuple(plan.groups)
    given["zone"], planned["zone"] = columns.zone or None, plan.zone
    for name, value in given.items():
        if value is not None and value != planned[name]:
            gaps = {"value": _shown(planned[name])}
            raise MonitorError(
                f"{deployment}, {name}",
                found=_shown(value),
                wanted=Message("what the approved plan says: {value}", gaps),
                remedy=Message(
                    "Leave the option out. Another plan is another deployment, which the"
                    " committee approves."
                ),
            )
    by_plan = PatientColumns(
        **{role: plan.column(role) for role in COLUMN_ROLES},
        by=tuple(plan.groups),
        listed=plan.groups,
        zone=plan.zone,
    )
    return MonitorOptions(columns=by_plan, as_of=options.as_of)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value}"  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _monitor_state_of_last_run_or_none(
    last: RegistryRecord | None, state_file: Path, table: MonitoredTable, plan: SurveillancePlan
) -> MonitorState | None:
    """Return what was counted up to the last run on record; `None` before the first."""
    if last is None:
        return None
    digest, through = last.body["state_sha256"], date.fromisoformat(last.body["through"])
    state = load_monitor_state(state_file, digest)
    if state is not None:
        return _monitor_state_without_future_days(state, last.at)
    again = MonitorState(
        plan_sha256=plan.sha256,
        through=through,
        cells=table.cells.filter(pl.col("day") <= through),
    )
    if again.sha256 != digest:
        raise MonitorError(
            str(state_file),
            found=Message("no state, and a table that does not give it again"),
            remedy=Message(
                "Restore the file from a backup, or give the table with every day since the first,"
                " as it was when it was counted."
            ),
        )
    return _monitor_state_without_future_days(again, last.at)


def _monitor_state_without_future_days(state: MonitorState, recorded_at: datetime) -> MonitorState:
    """Return a state that says of no day that it was counted before it had come.

    Runs that were recorded before such a day was refused would shut out all rows up to it.

    Args:
        state: What was counted.
        recorded_at: When its run was put on record. In no zone a day begins more than fourteen
            hours sooner than in UTC, so that an honest run counts no day beyond that of UTC.
    """
    if state.through <= recorded_at.date():
        return state
    last = state.cells["day"].max()
    ended = recorded_at.date() - timedelta(days=1)
    return replace(state, through=max(ended, last) if isinstance(last, date) else ended)


def _monitor_state_and_new_row_count(
    before: MonitorState | None,
    table: MonitoredTable,
    plan: SurveillancePlan,
    options: MonitorOptions,
    path: Path,
) -> tuple[MonitorState, int, PastDays | None]:
    """Return the state with the days that are new, how many rows they have, and the old days.

    Raises:
        MonitorError: A day that was counted has other rows now, the table cannot tell, or more
            outcomes were corrected than the plan lets pass.
    """
    assert options.as_of is not None  # set by the caller
    end = options.as_of - timedelta(days=1)
    given = table.cells.filter(pl.col("day") <= end)
    if before is None:
        return _monitor_state_up_to(end, given, plan), int(_whole(given)["rows"].sum()), None
    first = given["day"].min()
    known, past = before.cells, None
    if isinstance(first, date):
        span = pl.col("day").is_between(first, given["day"].max())
        until = pl.col("day") <= before.through
        past = compare_past_days(
            known.filter(span), given.filter(until), table.uncounted.filter(span & until)
        )
        _check_table_begins_no_later_for_patients(known, first, plan, path)
        if apart := past.changed:
            counted = not known.filter(pl.col("day") == apart).is_empty()
            raise (_changed_past_error if counted else _uncounted_past_day_error)(path, apart, plan)
        _check_share_of_corrections(past, plan, path)
    new = given.filter(pl.col("day") > before.through)
    after = _monitor_state_up_to(max(end, before.through), pl.concat([known, new]), plan)
    return after, int(_whole(new)["rows"].sum()), past


def _check_share_of_corrections(past: PastDays, plan: SurveillancePlan, path: Path) -> None:
    # One may always be corrected: of a table of a few rows it is a large share.
    most = max(1.0, plan.most_corrected_share * past.rows)
    if past.corrected_rows <= most:
        return
    first, last = (
        (past.corrected[at].day - timedelta(days=plan.maturity_days)).isoformat() for at in (0, -1)
    )
    gaps = {"count": f"{past.corrected_rows:,}", "rows": f"{past.rows:,}"}
    raise MonitorError(
        f"{path}, {first} – {last}",
        found=Message("{count} of {rows} outcomes that are others than when they counted", gaps),
        wanted=Message("at most {share} of them", {"share": f"{plan.most_corrected_share:g}"}),
        remedy=Message(
            "So many corrections say that outcomes are not settled when they count: approve a plan"
            " with a longer maturity_days, and look at what changed them."
        ),
    )


def _corrections_dict(past: PastDays | None, plan: SurveillancePlan) -> dict[str, Any]:
    """Return which outcomes of counted days are others now, by the day of their rows."""
    wait = timedelta(days=plan.maturity_days)
    return {
        "rows_compared": past.rows if past else 0,
        "rows_corrected": past.corrected_rows if past else 0,
        "most_share": plan.most_corrected_share,
        "days": [
            {
                "day": (each.day - wait).isoformat(),
                "to_event": each.to_event,
                "to_no_event": each.to_no_event,
                "withdrawn": each.withdrawn,
            }
            for each in (past.corrected if past else ())
        ],
    }


def _monitor_state_up_to(
    through: date, cells: pl.DataFrame, plan: SurveillancePlan
) -> MonitorState:
    return MonitorState(plan_sha256=plan.sha256, through=through, cells=cells)


def _check_table_begins_no_later_for_patients(
    known: pl.DataFrame, first: date, plan: SurveillancePlan, path: Path
) -> None:
    begin = known["day"].min()
    if plan.column("patient") and isinstance(begin, date) and first > begin:
        # Who came before is not in the counts, which hold no person; only the table can tell.
        raise MonitorError(
            str(path),
            found=Message("a table that begins on {day}", {"day": first.isoformat()}),
            wanted=Message(
                "every day since {day}, so that each patient counts once",
                {"day": begin.isoformat()},
            ),
        )


def _uncounted_past_day_error(path: Path, counted_on: date, plan: SurveillancePlan) -> MonitorError:
    day = counted_on - timedelta(days=plan.maturity_days)
    return MonitorError(
        f"{path}, {day.isoformat()}",
        found=Message("rows of a day of which none was counted, and later days were"),
        wanted=Message("days in their order"),
        remedy=Message(
            "Leave out the rows of this day: they count no more, and every answer names the day."
            " Where rows or outcomes come late, approve a plan with a longer maturity_days."
        ),
    )


def _changed_past_error(path: Path, day: date, plan: SurveillancePlan) -> MonitorError:
    day -= timedelta(days=plan.maturity_days)
    return MonitorError(
        f"{path}, {day.isoformat()}",
        found=Message("other rows than were counted for this day before"),
        wanted=Message("a past that does not change"),
        remedy=Message(
            "Give whole days. Where rows or outcomes come late, approve a plan with a longer"
            " maturity_days and with the column of label dates."
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _MonitorRun:
    """What a run is about to put on record, and the run that it goes on from."""

    deployment: str
    state: MonitorState
    last: RegistryRecord | None
    state_file: Path

    @property
    def details(self) -> dict[str, str]:
        """The fields by which an entry names what was counted, and by which plan."""
        return {
            "plan_sha256": self.state.plan_sha256,
            "state_sha256": self.state.sha256,
            "through": self.state.through.isoformat(),
        }


def _record_monitor_run_and_alarms(
    writer: RegistryWriter, answer: Mapping[str, Any], run: _MonitorRun, by: Signer, now: datetime
) -> dict[str, Any]:
    """Put the run and its new alarms on record, and the state in force."""
    save_monitor_state_draft(run.state, run.state_file)
    stem = run.deployment.removeprefix("deployment/")
    responses: list[dict[str, Any]] = []
    with writer.transaction() as tx:
        registry = writer.registry
        newest = registry.last_monitor_run(run.deployment)
        if (newest.index if newest else None) != (run.last.index if run.last else None):
            raise MonitorError(
                run.deployment,
                found=Message("another run of this monitor meanwhile"),
                remedy=Message("Run it again."),
            )
        counted = {"state_sha256": run.state.sha256, "verdict": answer["streams"][0]["verdict"]}
        if run.last is None or any(run.last.body.get(name) != counted[name] for name in counted):
            body = {"deployment": run.deployment, "type": "action", "severity": "other"}
            body |= {"code": MONITOR_RUN, **run.details, **counted}
            name = f"{stem}-run-{registry.entries_applied}"
            writer.write_registry_record(tx, "event", name, body, by=by, at=now)
        rung = _names_of_streams_that_rang_before(writer, run.deployment)
        for stream in answer["streams"]:
            if stream["alarm_on"] is None or stream["stream"] in rung:
                continue
            name = f"{stem}-alarm-{registry.entries_applied}"
            response = writer.record_alarm_and_act_by_plan(
                tx, run.deployment, name, by=by, at=now,
                details=run.details | {"stream": stream["stream"]},
            )  # fmt: skip
            responses.append(_alarm_response_dict(f"event/{name}", stream["stream"], response))
    put_clinic_monitor_state_in_force(run.state_file)
    status = writer.registry.deployment_status(run.deployment)
    return {"new_alarms": responses, "status": status.value if status else ""}


def _names_of_streams_that_rang_before(writer: RegistryWriter, deployment: str) -> set[str]:
    """Return the streams whose alarm a monitor put on record; from anybody else it is none."""
    registry = writer.registry
    events = (registry.records[name] for name in registry.by_kind["event"])
    return {
        str(event.body["stream"])
        for event in events
        if event.body["deployment"] == deployment
        and event.body["code"] == ALARM
        and "stream" in event.body
        and registry.is_monitor(event.actor_id)
    }


def _alarm_response_dict(event: str, stream: str, response: AlarmResponse) -> dict[str, Any]:
    fault = response.fallback_fault
    return {
        "event": event,
        "stream": stream,
        "paused": response.paused,
        "fallback": response.fallback,
        "fallback_fault": str(fault) if fault else "",
    }


def _rows_up_to(cells: pl.DataFrame, day: date) -> int:
    return int(_whole(cells).filter(pl.col("day") <= day)["rows"].sum())


def _whole(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the cells of the stream of all patients, in which each row is once."""
    return cells.filter(pl.col("stream") == 0)
