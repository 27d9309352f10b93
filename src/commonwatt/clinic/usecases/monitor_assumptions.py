"""What a monitor's bound rests on, and which of it this run could check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from commonwatt.catalogue.measures import Measure, measure_value_text
from commonwatt.clinic.domain.measures import (
    DAY_EFFECT_SD,
    EMPTY_DAYS,
    EVIDENCE_ROWS,
    FALSE_ALARM_BOUND,
    MATURITY_DAYS,
    PATIENTS,
    TABLE_ROW,
)
from commonwatt.clinic.domain.surveillance import SurveillancePlan
from commonwatt.clinic.engines.monitor import DailyScoreCells, MonitorResult
from commonwatt.clinic.engines.monitor.day_effects import clinic_days_differ_more_than_allowed
from commonwatt.clinic.engines.monitor.days import day_squares_and_variances
from commonwatt.clinic.engines.monitor.maturity import MatureRows
from commonwatt.clinic.io.patient_table import DAY_AS_WRITTEN
from commonwatt.core.messages import Message

_STRETCHES_SHOWN: Final = 5


class Check(StrEnum):
    """How far an assumption was looked at."""

    ENFORCED = "enforced"
    CHECKED = "checked"
    NOT_CHECKED = "not-checked"
    BROKEN = "broken"


CHECK_WORDS: Final[Mapping[str, Message]] = {
    Check.ENFORCED: Message("enforced"),
    Check.CHECKED: Message("checked"),
    Check.NOT_CHECKED: Message("assumed, not checked"),
    Check.BROKEN: Message("broken: the bound does not hold"),
}

ASSUMPTIONS: Final[Mapping[str, Message]] = {
    "plan-fixed": Message("Horizon, centre, streams and band were fixed in the deployment."),
    "plan-from-table": Message(
        "Horizon and centre come from the first week of the table, the streams from all of it;"
        " looks that see other streams share no bound. A deployment's plan fixes them."
    ),
    "horizon-passed": Message(
        "The horizon of {horizon} rows is passed: the bound is {bound} by now. Approve a new plan."
    ),
    "one-row-a-patient": Message(
        "One row a patient counts, the first; {rows} more rows of the same patients were left"
        " out, and {without} without a patient."
    ),
    "rows-independent": Message(
        "Rows are taken as independent given their scores: no column of patients was named."
    ),
    "intervals-by-patient": Message(
        "Intervals are by patient: {patients} patients gave {rows} rows, at most {most} each;"
        " {without} rows without a patient were left out."
    ),
    "labels-wait": Message(
        "Every row waits {days} days for its outcome, whatever it is; {waiting} still wait."
    ),
    "labels-in-time": Message("No outcome became known after its wait."),
    "labels-late": Message(
        "{late} outcomes became known after {days} days and were left out: wait longer."
    ),
    "labels-at-once": Message(
        "Outcomes are taken to have been known on the day of the row, events no sooner than"
        " others: no column of label dates was named."
    ),
    "labels-undated": Message(
        "Outcomes are taken to have been known after {days} days: no column of label dates was"
        " named."
    ),
    "labels-missing": Message(
        "{rows} rows without an outcome were left out; whether it is missing is taken not to hang"
        " on what it is."
    ),
    "day-effects": Message(
        "Rows of one day may share a disturbance of the logit with standard deviation up to"
        " {allowed}; the days so far bear out at most {learned}, and later days are taken to be"
        " no worse."
    ),
    "no-day-effects": Message("Rows of one day are taken to share nothing."),
    "saturated": Message(
        "{rows} of {all} scores are so near to 0 or 1 that they carry no information for the"
        " monitor."
    ),
}


_FIGURES: Final[Mapping[str, Measure]] = {
    "rows": EVIDENCE_ROWS,
    "all": EVIDENCE_ROWS,
    "without": EVIDENCE_ROWS,
    "patients": PATIENTS,
    "most": EVIDENCE_ROWS,
    "waiting": EVIDENCE_ROWS,
    "late": EVIDENCE_ROWS,
    "horizon": EVIDENCE_ROWS,
    "days": MATURITY_DAYS,
    "bound": FALSE_ALARM_BOUND,
    "allowed": DAY_EFFECT_SD,
    "learned": DAY_EFFECT_SD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorAssumption:
    """One thing that the bound rests on.

    Args:
        name: Of `ASSUMPTIONS`.
        check: How far it was looked at.
        figures: What stands in its sentence.
    """

    name: str
    check: Check
    figures: Mapping[str, float] = field(default_factory=dict[str, float])

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, with its sentence in English."""
        return {
            "assumption": self.name,
            "check": str(self.check),
            "text": clinic_monitor_assumption_sentence(self.name, self.figures, "en"),
            "figures": dict(self.figures),
        }


def clinic_monitor_assumption_sentence(
    name: str, figures: Mapping[str, float], language: str
) -> str:
    """Return the sentence of an assumption in the reader's language."""
    gaps = {
        gap: measure_value_text(figure, _FIGURES[gap], language) for gap, figure in figures.items()
    }
    return Message(ASSUMPTIONS[name].text, gaps).translate(language)


def patient_table_reading_sentences(read: Mapping[str, Any], language: str) -> list[str]:
    """Return what was met while a table was read, a sentence each."""

    def count(rows: int) -> str:
        return measure_value_text(rows, EVIDENCE_ROWS, language)

    notes = [
        Message("Missing in the column {column}: {count}", {"column": column, "count": count(rows)})
        for column, rows in read["missing"].items()
    ]
    if read["rows_without_score"]:
        rows = (measure_value_text(row, TABLE_ROW, language) for row in read["rows_without_score"])
        notes.append(
            Message(
                "Skipped for want of a score, among them the rows {rows}",
                {"rows": "; ".join(rows)},
            )
        )
    notes += [
        Message(
            "Times of day cut off in the column {column}: {count}",
            {"column": column, "count": count(rows)},
        )
        for column, rows in read["timestamps_cut_to_days"].items()
    ]
    if zoned := read.get("timestamps_with_a_zone"):
        gaps = {"count": count(sum(zoned.values())), "zone": read["day_of_zone"]}
        notes.append(
            Message("Times with a zone, each taken for the day of its own zone: {count}", gaps)
            if read["day_of_zone"] == DAY_AS_WRITTEN
            else Message("Times with a zone, each taken for the day in {zone}: {count}", gaps)
        )
    if read["rows_given_twice"]:
        gaps = {"count": count(read["rows_given_twice"])}
        notes.append(Message("Rows given twice and counted once: {count}", gaps))
    return [note.translate(language) for note in notes]


def left_out_row_sentences(read: Mapping[str, Any], language: str) -> list[str]:
    """Return how many rows with a gap were left out, and what was missing; nothing where none."""
    if not read["rows_left_out"]:
        return []
    gaps = {
        name: measure_value_text(count, EVIDENCE_ROWS, language)
        for name, count in (("count", read["rows_left_out"]), ("rows", read["rows"]))
    }
    missing = [
        Message(
            "Missing in the column {column}: {count}",
            {"column": column, "count": measure_value_text(cells, EVIDENCE_ROWS, language)},
        )
        for column, cells in read["missing"].items()
    ]
    left_out = Message("Rows left out for a gap: {count} of {rows}", gaps)
    return [note.translate(language) for note in (left_out, *missing)]


def clinic_monitor_empty_day_sentences(answer: Mapping[str, Any], language: str) -> list[str]:
    """Return on which days no row counted; no sentence where there is none."""
    stretches = answer["stretches_without_rows"]
    if not stretches:
        return []
    shown = [
        each["first"]
        if each["first"] == each["last"]
        else Message("{first} to {last}", dict(each)).translate(language)
        for each in stretches[:_STRETCHES_SHOWN]
    ]
    if len(stretches) > len(shown):
        shown.append("…")
    gaps = {
        "days": measure_value_text(answer["days_without_rows"], EMPTY_DAYS, language),
        "stretches": "; ".join(shown),
    }
    return [Message("Days on which no row counted: {days} ({stretches})", gaps).translate(language)]


def clinic_monitor_run_sentences(answer: Mapping[str, Any], language: str) -> list[str]:
    """Return what a run put on record, a sentence each; none of a run without a deployment."""
    if "deployment" not in answer:
        return []
    gaps = {
        name: measure_value_text(answer[f"rows_{name}"], EVIDENCE_ROWS, language)
        for name in ("added", "recognised")
    }
    notes = [
        Message(
            "Counted through {through}: {added} rows added, {recognised} recognised from before",
            gaps | {"through": answer["through"]},
        )
    ]
    notes += _correction_messages(answer["corrections"], language)
    for alarm in answer["new_alarms"]:
        words = {"event": alarm["event"], "stream": alarm["stream"], "status": answer["status"]}
        words["deployment"] = answer["deployment"]
        notes.append(
            Message("{event}: {stream} rang and is on record; {deployment} is {status}", words)
        )
        if alarm["fallback"]:
            notes.append(Message("{fallback} has taken over", {"fallback": alarm["fallback"]}))
        if alarm["fallback_fault"]:
            gaps = {"fault": alarm["fallback_fault"]}
            notes.append(Message("The fallback could not take over: {fault}", gaps))
    return [note.translate(language) for note in notes]


def _correction_messages(corrections: Mapping[str, Any], language: str) -> list[Message]:
    """Return how many outcomes were corrected after they counted, and of which days."""
    days = [each["day"] for each in corrections["days"]]
    if not days:
        return []
    gaps = {
        name: measure_value_text(corrections[f"rows_{key}"], EVIDENCE_ROWS, language)
        for name, key in (("count", "corrected"), ("rows", "compared"))
    }
    shown = [*days[:_STRETCHES_SHOWN], *(["…"] if len(days) > _STRETCHES_SHOWN else [])]
    return [
        Message(
            "Outcomes corrected after they counted: {count} of {rows}, of {days}. The first stand;"
            " none of these enters the test.",
            gaps | {"days": "; ".join(shown)},
        )
    ]


def monitor_assumptions(
    plan: SurveillancePlan,
    mature: MatureRows,
    result: MonitorResult,
    cells: DailyScoreCells,
    *,
    fixed: bool,
) -> list[MonitorAssumption]:
    """Return what the bound rests on, each with how far it was checked."""
    return [
        MonitorAssumption(name="plan-fixed", check=Check.ENFORCED)
        if fixed
        else MonitorAssumption(name="plan-from-table", check=Check.NOT_CHECKED),
        *_horizon_assumptions(plan, result),
        _patient_assumption(plan, mature),
        *_label_assumptions(plan, mature),
        _day_effect_assumption(plan, result, cells),
        *_saturation_assumptions(result),
    ]


def _horizon_assumptions(plan: SurveillancePlan, result: MonitorResult) -> list[MonitorAssumption]:
    if result.rows.max(initial=0) <= plan.horizon_rows:
        return []
    figures = {"horizon": plan.horizon_rows, "bound": result.bound}
    return [MonitorAssumption(name="horizon-passed", check=Check.CHECKED, figures=figures)]


def _patient_assumption(plan: SurveillancePlan, mature: MatureRows) -> MonitorAssumption:
    if not plan.column("patient"):
        return MonitorAssumption(name="rows-independent", check=Check.NOT_CHECKED)
    figures = {"rows": mature.repeated_patients, "without": mature.without_patient}
    return MonitorAssumption(name="one-row-a-patient", check=Check.ENFORCED, figures=figures)


def patient_assumption_of_evidence(
    counts: Mapping[str, int] | None, rows: int, without: int
) -> MonitorAssumption:
    """Return what intervals of evidence take the rows of a table for.

    Args:
        counts: Patients and the most rows of any; None where no column named them.
        rows: Rows that count.
        without: Rows left out for want of a patient.
    """
    if counts is None:
        return MonitorAssumption(name="rows-independent", check=Check.NOT_CHECKED)
    figures = {"patients": counts["patients"], "rows": rows, "most": counts["most_rows"]}
    return MonitorAssumption(
        name="intervals-by-patient", check=Check.ENFORCED, figures=figures | {"without": without}
    )


def _label_assumptions(plan: SurveillancePlan, mature: MatureRows) -> list[MonitorAssumption]:
    days = {"days": plan.maturity_days}
    assumptions: list[MonitorAssumption] = []
    if plan.maturity_days:
        waiting = days | {"waiting": mature.waiting}
        assumptions.append(
            MonitorAssumption(name="labels-wait", check=Check.ENFORCED, figures=waiting)
        )
    if not plan.column("known_on"):
        name = "labels-undated" if plan.maturity_days else "labels-at-once"
        assumptions.append(MonitorAssumption(name=name, check=Check.NOT_CHECKED, figures=days))
    elif mature.late_labels:
        late = days | {"late": mature.late_labels}
        assumptions.append(MonitorAssumption(name="labels-late", check=Check.BROKEN, figures=late))
    else:
        assumptions.append(MonitorAssumption(name="labels-in-time", check=Check.CHECKED))
    if mature.without_label:
        rows = {"rows": mature.without_label}
        assumptions.append(
            MonitorAssumption(name="labels-missing", check=Check.NOT_CHECKED, figures=rows)
        )
    return assumptions


def _day_effect_assumption(
    plan: SurveillancePlan, result: MonitorResult, cells: DailyScoreCells
) -> MonitorAssumption:
    # Up to the alarm: a model that went wrong makes its days differ, too, and that is no news.
    end = int(result.alarm_at[0]) if result.alarm_at[0] >= 0 else cells.days
    squares, variances = day_squares_and_variances(cells, plan.band)
    apart = clinic_days_differ_more_than_allowed(
        squares[:end], variances[:end], band=plan.band, sd=plan.day_effect_sd
    )
    check = Check.BROKEN if apart else Check.CHECKED
    if not plan.day_effect_sd:
        return MonitorAssumption(name="no-day-effects", check=check)
    figures = {"allowed": plan.day_effect_sd, "learned": result.day_effect_sd}
    return MonitorAssumption(name="day-effects", check=check, figures=figures)


def _saturation_assumptions(result: MonitorResult) -> list[MonitorAssumption]:
    if not result.uninformative[0]:
        return []
    figures = {"rows": int(result.uninformative[0]), "all": int(result.rows[0])}
    return [MonitorAssumption(name="saturated", check=Check.CHECKED, figures=figures)]
