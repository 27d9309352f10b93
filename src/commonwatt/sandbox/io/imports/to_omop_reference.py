"""Make OMOP rows from FHIR rows one by one: the slow, obvious twin of `to_omop`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from commonwatt.sandbox.io.imports.terms import ETHNICITIES, GENDERS, RACES, VISITS

Row = Mapping[str, Any]


def persons_reference(patients: Iterable[Row]) -> list[dict[str, Any]]:
    """Return OMOP's persons, numbered in the order of their ids."""
    return [
        {
            "person_id": number,
            "gender_concept_id": GENDERS.get(one["gender"] or "", 0),
            "year_of_birth": one["birth_on"].year if one["birth_on"] else None,
            "race_concept_id": RACES.get((one["race"] or "").lower(), 0),
            "ethnicity_concept_id": ETHNICITIES.get((one["ethnicity"] or "").lower(), 0),
            "patient_id": one["patient_id"],
        }
        for number, one in enumerate(sorted(patients, key=lambda one: one["patient_id"]), start=1)
    ]


def visits_slowly(encounters: Iterable[Row], persons: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return OMOP's visits: encounters with a start, numbered in the order of their ids."""
    dated = [one for one in encounters if one["start_at"] and one["patient_id"] in persons]
    return [
        {
            "visit_occurrence_id": number,
            "person_id": persons[one["patient_id"]],
            "visit_concept_id": VISITS.get(one["class_code"] or "", 0),
            "visit_start_date": _day(one["start_at"]),
            "visit_end_date": _day(one["end_at"] or one["start_at"]),
        }
        for number, one in enumerate(sorted(dated, key=lambda one: one["id"]), start=1)
    ]


def measurements_slowly(
    observations: Iterable[Row], persons: Mapping[str, int]
) -> list[tuple[int, str | None, date, float | None]]:
    """Return person, code, day and number of each measured value, parts after wholes."""
    dated = [one for one in observations if one["effective_at"] and one["patient_id"] in persons]
    wholes = [
        (one, one["code_code"], one["value_number"])
        for one in dated
        if one["value_number"] is not None
    ]
    parts = [
        (one, code, number)
        for one in dated
        for code, number in zip(
            one["component_codes"] or [], one["component_numbers"] or [], strict=True
        )
    ]
    return [
        (persons[one["patient_id"]], code, _day(one["effective_at"]), number)
        for one, code, number in wholes + parts
    ]


def observations_slowly(
    observations: Iterable[Row], persons: Mapping[str, int]
) -> list[tuple[int, str | None, date, str | None]]:
    """Return person, code, day and text of what was observed and is no number."""
    return [
        (
            persons[one["patient_id"]],
            one["code_code"],
            _day(one["effective_at"]),
            one["value_text"] if one["value_text"] is not None else one["value_code"],
        )
        for one in observations
        if one["effective_at"] and one["patient_id"] in persons
        if one["value_number"] is None and not one["component_numbers"]
    ]


def conditions_slowly(
    conditions: Iterable[Row], persons: Mapping[str, int]
) -> list[tuple[int, str | None, date, date | None]]:
    """Return person, code, first and last day of each condition."""
    dated = [
        (one, one["onset_at"] or one["recorded_at"])
        for one in conditions
        if one["patient_id"] in persons
    ]
    return [
        (
            persons[one["patient_id"]],
            one["code_code"],
            _day(since),
            _day(one["abatement_at"]) if one["abatement_at"] else None,
        )
        for one, since in dated
        if since
    ]


def _day(instant: datetime) -> date:
    return instant.astimezone(UTC).date()
