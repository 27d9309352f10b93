"""Make OMOP rows from FHIR rows one by one: the slow, obvious reference of `to_omop`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from commonwatt.sandbox.io.imports.terms import ETHNICITIES, GENDERS, RACES, VISITS

Row = Mapping[str, Any]


def omop_persons_reference(patients: Iterable[Row]) -> list[dict[str, Any]]:
    """Return OMOP's persons, numbered in the order of their ids."""
    return [
        {
            "person_id": number,
            "gender_concept_id": GENDERS.get(patient["gender"] or "", 0),
            "year_of_birth": patient["birth_on"].year if patient["birth_on"] else None,
            "race_concept_id": RACES.get((patient["race"] or "").lower(), 0),
            "ethnicity_concept_id": ETHNICITIES.get((patient["ethnicity"] or "").lower(), 0),
            "patient_id": patient["patient_id"],
        }
        for number, patient in enumerate(
            sorted(patients, key=lambda patient: patient["patient_id"]), start=1
        )
    ]


def omop_visits_reference(
    encounters: Iterable[Row], persons: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return OMOP's visits: encounters with a start, numbered in the order of their ids."""
    dated = [
        encounter
        for encounter in encounters
        if encounter["start_at"] and encounter["patient_id"] in persons
    ]
    return [
        {
            "visit_occurrence_id": number,
            "person_id": persons[encounter["patient_id"]],
            "visit_concept_id": VISITS.get(encounter["class_code"] or "", 0),
            "visit_start_date": _omop_day_in_utc(encounter["start_at"]),
            "visit_end_date": _omop_day_in_utc(encounter["end_at"] or encounter["start_at"]),
        }
        for number, encounter in enumerate(
            sorted(dated, key=lambda encounter: encounter["id"]), start=1
        )
    ]


def omop_measurements_reference(
    observations: Iterable[Row], persons: Mapping[str, int]
) -> list[tuple[int, str | None, date, float | None]]:
    """Return person, code, day and number of each measured value, parts after wholes."""
    dated = [
        observation
        for observation in observations
        if observation["effective_at"] and observation["patient_id"] in persons
    ]
    wholes = [
        (observation, observation["code_code"], observation["value_number"])
        for observation in dated
        if observation["value_number"] is not None
    ]
    parts = [
        (observation, code, number)
        for observation in dated
        for code, number in zip(
            observation["component_codes"] or [],
            observation["component_numbers"] or [],
            strict=True,
        )
    ]
    return [
        (
            persons[observation["patient_id"]],
            code,
            _omop_day_in_utc(observation["effective_at"]),
            number,
        )
        for observation, code, number in wholes + parts
    ]


def omop_observations_reference(
    observations: Iterable[Row], persons: Mapping[str, int]
) -> list[tuple[int, str | None, date, str | None]]:
    """Return person, code, day and text of what was observed and is no number."""
    return [
        (
            persons[observation["patient_id"]],
            observation["code_code"],
            _omop_day_in_utc(observation["effective_at"]),
            observation["value_text"]
            if observation["value_text"] is not None
            else observation["value_code"],
        )
        for observation in observations
        if observation["effective_at"] and observation["patient_id"] in persons
        if observation["value_number"] is None and not observation["component_numbers"]
    ]


def omop_conditions_reference(
    conditions: Iterable[Row], persons: Mapping[str, int]
) -> list[tuple[int, str | None, date, date | None]]:
    """Return person, code, first and last day of each condition."""
    dated = [
        (condition, condition["onset_at"] or condition["recorded_at"])
        for condition in conditions
        if condition["patient_id"] in persons
    ]
    return [
        (
            persons[condition["patient_id"]],
            condition["code_code"],
            _omop_day_in_utc(since),
            _omop_day_in_utc(condition["abatement_at"]) if condition["abatement_at"] else None,
        )
        for condition, since in dated
        if since
    ]


def _omop_day_in_utc(instant: datetime) -> date:
    return instant.astimezone(UTC).date()
