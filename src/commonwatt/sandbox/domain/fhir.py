"""FHIR R4 resources as flat tables, with the rules that each must keep.

One row of `RESOURCES` describes a resource: the fields that are read, the
columns they become, and the rules. The rules follow the cardinalities, value
sets and regular expressions of the specification, as far as the columns that
are kept depend on them; they are SQL, so that they run inside the reader.

Source: HL7 FHIR R4 (v4.0.1), pages of the resources and of the datatypes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_CODEABLE: Final = "STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[], text VARCHAR)"
_REFERENCE: Final = "STRUCT(reference VARCHAR)"
_PERIOD: Final = 'STRUCT("start" VARCHAR, "end" VARCHAR)'
_QUANTITY: Final = "STRUCT(value VARCHAR, unit VARCHAR)"

# R4 datatypes: an id is 1 to 64 of these; a date may stop at its year or month.
_ID: Final = r"^[A-Za-z0-9\-\.]{1,64}$"
_DATE: Final = r"^\d{4}(-\d{2}(-\d{2})?)?$"
# R4 demands a zone with a time: without one it is no instant.
_DATETIME: Final = r"^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?$"
# JSON's number; read as text, so that a bad value is a rule that names its record and no failure
# of the parser.
_NUMBER: Final = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$"


@dataclass(frozen=True, slots=True)
class FhirRecordRule:
    """A name for people and a condition, in SQL, that holds for a broken record."""

    reason: str
    broken: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirResource:
    """How one resource type is read.

    Args:
        name: The resource type.
        fields: JSON fields with their DuckDB types; leaves stay text until checked.
        columns: Columns of the flat table, as SQL over the fields.
        rules: Tried in order; the first that a record breaks is its reason.
    """

    name: str
    fields: dict[str, str]
    columns: dict[str, str]
    rules: tuple[FhirRecordRule, ...]


def _fhir_reference_id_sql(reference_expression: str) -> str:
    """Return SQL for the id in a reference; the common form is cut without a pattern."""
    whole = f"regexp_extract({reference_expression}, '([^/:]+)$', 1)"
    return f"CASE WHEN contains({reference_expression}, ':') THEN {whole} ELSE split_part({reference_expression}, '/', -1) END"  # noqa: E501


def _fhir_instant_sql(expression: str) -> str:
    """Return SQL for an instant; a year or month alone stands for its first day."""
    padded = (
        f"CASE length({expression}) WHEN 4 THEN {expression} || '-01-01'"
        f" WHEN 7 THEN {expression} || '-01' ELSE {expression} END"
    )
    return f"TRY_CAST({padded} AS TIMESTAMPTZ)"


def _fhir_instant_or_start_sql(instant: str, period_start: str) -> str:
    """Return SQL for when something was: at an instant, or from the start of a period."""
    return f"coalesce({_fhir_instant_sql(instant)}, {_fhir_instant_sql(period_start)})"


def _fhir_number_cast_sql(expression: str) -> str:
    return f"TRY_CAST({expression} AS DOUBLE)"


def _fhir_coding_sql_by_column(field: str) -> dict[str, str]:
    return {
        f"{field}_system": f"{field}.coding[1].system",
        f"{field}_code": f"{field}.coding[1].code",
    }


def _us_core_extension_text_sql(extension: str) -> str:
    """Return SQL for the text of a US Core extension of a patient."""
    # US Core nests race and ethnicity as an extension of extensions, of which `text` is the part
    # that is always there.
    outer = f"list_filter(extension, lambda x: x.url LIKE '%us-core-{extension}')[1].extension"
    return f"list_filter({outer}, lambda x: x.url = 'text')[1].valueString"


def _resource_rules(resource: str) -> tuple[FhirRecordRule, ...]:
    # In this order, because the first broken rule is the reason on record: a line that is no
    # object lacks everything below as well.
    return (
        FhirRecordRule("not a JSON object", "resourceType IS NULL AND id IS NULL"),
        FhirRecordRule("resourceType missing", "resourceType IS NULL"),
        FhirRecordRule("resourceType of another kind", f"resourceType <> '{resource}'"),
        FhirRecordRule("id missing", "id IS NULL"),
        FhirRecordRule("id malformed", f"NOT regexp_matches(id, '{_ID}')"),
    )


def _fhir_patient_reference_rules(
    field: str, *, required: bool = True
) -> tuple[FhirRecordRule, ...]:
    reference = f"{field}.reference"
    rules = [FhirRecordRule(f"{field} missing", f"{reference} IS NULL")] if required else []
    # Relative, absolute and by UUID: the three forms in which servers and bundles name a patient.
    form = r"^(Patient/|urn:uuid:|https?://.+/Patient/)[A-Za-z0-9\-\.]{1,64}$"
    return (*rules, FhirRecordRule(f"{field} is no reference to a patient",
                         f"NOT coalesce(regexp_matches({reference}, '{form}'), true)"))  # fmt: skip


def _value_set_rules(
    field: str, values: str, *, required: bool = True
) -> tuple[FhirRecordRule, ...]:
    choices = ", ".join(f"'{value}'" for value in values.split())
    rules = [FhirRecordRule(f"{field} missing", f"{field} IS NULL")] if required else []
    return (
        *rules,
        FhirRecordRule(
            f"{field} not of the value set", f"NOT coalesce({field} IN ({choices}), true)"
        ),
    )


def _fhir_date_rules(
    field: str, name: str, *, required: bool = False
) -> tuple[FhirRecordRule, ...]:
    rules = [FhirRecordRule(f"{name} missing", f"{field} IS NULL")] if required else []
    return (
        *rules,
        FhirRecordRule(
            f"{name} malformed", f"NOT coalesce(regexp_matches({field}, '{_DATETIME}'), true)"
        ),
        FhirRecordRule(
            # The pattern lets 30 February pass; only the cast to a date does not.
            f"{name} is no day of the calendar",
            f"{field} IS NOT NULL AND {_fhir_instant_sql(field)} IS NULL",
        ),
        FhirRecordRule(
            # Wide on purpose: a year beyond is a slip of typing and no fact about a patient.
            f"{name} out of range",
            f"NOT coalesce(left({field}, 4) BETWEEN '1850' AND '2100', true)",
        ),
    )


def _fhir_period_rules(field: str) -> tuple[FhirRecordRule, ...]:
    start, end = f"{field}.start", f'{field}."end"'
    return (
        *_fhir_date_rules(start, f"{field}.start"),
        *_fhir_date_rules(end, f"{field}.end"),
        FhirRecordRule(
            f"{field} ends before it starts",
            f"{_fhir_instant_sql(end)} < {_fhir_instant_sql(start)}",
        ),
    )


def _fhir_code_rules(field: str) -> tuple[FhirRecordRule, ...]:
    return (
        FhirRecordRule(f"{field} missing",
             f"{field}.coding[1].code IS NULL AND {field}.text IS NULL"),
        # R4 forbids it in a code; left in, one code would be counted as two.
        FhirRecordRule(f"{field} holds spaces at its ends",
             f"{field}.coding[1].code <> trim({field}.coding[1].code)"),
    )  # fmt: skip


_COMMON: Final = {"resourceType": "VARCHAR", "id": "VARCHAR"}
_CLINICAL: Final = _COMMON | {"subject": _REFERENCE, "encounter": _REFERENCE}
_OF_PATIENT: Final = {"id": "id", "patient_id": _fhir_reference_id_sql("subject.reference")}
_IN_ENCOUNTER: Final = _OF_PATIENT | {"encounter_id": _fhir_reference_id_sql("encounter.reference")}

PATIENT: Final = FhirResource(
    name="Patient",
    fields=_COMMON
    | {
        "gender": "VARCHAR",
        "birthDate": "VARCHAR",
        "deceasedDateTime": "VARCHAR",
        "name": "STRUCT(family VARCHAR, given VARCHAR[])[]",
        "identifier": "STRUCT(system VARCHAR, value VARCHAR)[]",
        "telecom": "STRUCT(value VARCHAR)[]",
        "address": "STRUCT(line VARCHAR[], city VARCHAR, state VARCHAR, postalCode VARCHAR)[]",
        "maritalStatus": _CODEABLE,
        "extension": "STRUCT(url VARCHAR, extension STRUCT(url VARCHAR, valueString VARCHAR)[])[]",
    },
    columns={
        "id": "id",
        "patient_id": "id",
        "gender": "gender",
        "birth_on": "TRY_CAST(CASE length(birthDate) WHEN 4 THEN birthDate || '-01-01'"
        " WHEN 7 THEN birthDate || '-01' ELSE birthDate END AS DATE)",
        "died_at": _fhir_instant_sql("deceasedDateTime"),
        "family_name": "name[1].family",
        "given_name": "array_to_string(name[1].given, ' ')",
        "identifiers": "array_to_string(list_transform(identifier, lambda x: x.value), ' ')",
        "phone": "telecom[1].value",
        "address_line": "array_to_string(address[1].line, ' ')",
        "city": "address[1].city",
        "state": "address[1].state",
        "postal_code": "address[1].postalCode",
        "marital_code": "maritalStatus.coding[1].code",
        "race": _us_core_extension_text_sql("race"),
        "ethnicity": _us_core_extension_text_sql("ethnicity"),
    },
    rules=(
        *_resource_rules("Patient"),
        *_value_set_rules("gender", "male female other unknown", required=False),
        FhirRecordRule(
            "birthDate malformed", f"NOT coalesce(regexp_matches(birthDate, '{_DATE}'), true)"
        ),
        FhirRecordRule(
            "birthDate is no day of the calendar",
            f"birthDate IS NOT NULL AND {_fhir_instant_sql('birthDate')} IS NULL",
        ),
        FhirRecordRule(
            "birthDate out of range",
            "NOT coalesce(left(birthDate, 4) BETWEEN '1850' AND '2100', true)",
        ),
        *_fhir_date_rules("deceasedDateTime", "deceasedDateTime"),
        # By day: a birth has no time, and a death on the same day is not before it.
        FhirRecordRule(
            "dies before birth",
            f"{_fhir_instant_sql('left(deceasedDateTime, 10)')} < {_fhir_instant_sql('birthDate')}",
        ),
    ),
)

OBSERVATION: Final = FhirResource(
    name="Observation",
    fields=_CLINICAL
    | {
        "status": "VARCHAR",
        "code": _CODEABLE,
        "effectiveDateTime": "VARCHAR",
        "effectivePeriod": _PERIOD,
        "issued": "VARCHAR",
        "valueQuantity": _QUANTITY,
        "valueCodeableConcept": _CODEABLE,
        "valueString": "VARCHAR",
        # Blood pressure and panels carry their numbers here and have no value of their own.
        "component": f"STRUCT(code {_CODEABLE}, valueQuantity {_QUANTITY})[]",
    },
    columns=_IN_ENCOUNTER
    | _fhir_coding_sql_by_column("code")
    | {
        "status": "status",
        "effective_at": _fhir_instant_or_start_sql("effectiveDateTime", "effectivePeriod.start"),
        "value_number": _fhir_number_cast_sql("valueQuantity.value"),
        "value_unit": "valueQuantity.unit",
        "value_code": "valueCodeableConcept.coding[1].code",
        "value_text": "valueString",
        "component_codes": "list_transform(component, lambda x: x.code.coding[1].code)",
        "component_numbers": (
            "list_transform(component, lambda x: TRY_CAST(x.valueQuantity.value AS DOUBLE))"
        ),
    },
    rules=(
        *_resource_rules("Observation"),
        *_value_set_rules(
            "status",
            "registered preliminary final amended corrected cancelled entered-in-error unknown",
        ),
        *_fhir_code_rules("code"),
        *_fhir_patient_reference_rules("subject"),
        *_fhir_date_rules("effectiveDateTime", "effectiveDateTime"),
        *_fhir_period_rules("effectivePeriod"),
        *_fhir_date_rules("issued", "issued"),
        # effective[x] is a choice in R4: a record carries one kind.
        FhirRecordRule(
            "two kinds of time", "effectiveDateTime IS NOT NULL AND effectivePeriod IS NOT NULL"
        ),
        FhirRecordRule(
            "valueQuantity is no number",
            f"NOT coalesce(regexp_matches(valueQuantity.value, '{_NUMBER}'), true)",
        ),
        # value[x] is a choice in R4: a record carries one kind.
        FhirRecordRule(
            "two kinds of value",
            "(valueQuantity IS NOT NULL)::INT"
            " + (valueCodeableConcept IS NOT NULL)::INT + (valueString IS NOT NULL)::INT > 1",
        ),
    ),
)

ENCOUNTER: Final = FhirResource(
    name="Encounter",
    fields=_COMMON | {
        "status": "VARCHAR", "class": "STRUCT(code VARCHAR)", "type": f"{_CODEABLE}[]",
        "subject": _REFERENCE, "period": _PERIOD,
    },
    columns=_OF_PATIENT | {
        "status": "status", "class_code": '"class".code',
        "type_system": '"type"[1].coding[1].system', "type_code": '"type"[1].coding[1].code',
        "start_at": _fhir_instant_sql("period.start"), "end_at": _fhir_instant_sql('period."end"'),
    },
    rules=(
        *_resource_rules("Encounter"),
        *_value_set_rules("status", "planned arrived triaged in-progress onleave finished cancelled"
                 " entered-in-error unknown"),
        FhirRecordRule("class missing", '"class".code IS NULL'),
        *_fhir_patient_reference_rules("subject"), *_fhir_period_rules("period"),
    ),
)  # fmt: skip

CONDITION: Final = FhirResource(
    name="Condition",
    fields=_CLINICAL
    | {
        "clinicalStatus": _CODEABLE,
        "code": _CODEABLE,
        "onsetDateTime": "VARCHAR",
        "abatementDateTime": "VARCHAR",
        "recordedDate": "VARCHAR",
    },
    columns=_IN_ENCOUNTER
    | _fhir_coding_sql_by_column("code")
    | {
        "clinical_status": "clinicalStatus.coding[1].code",
        "onset_at": _fhir_instant_sql("onsetDateTime"),
        "abatement_at": _fhir_instant_sql("abatementDateTime"),
        "recorded_at": _fhir_instant_sql("recordedDate"),
    },
    rules=(
        *_resource_rules("Condition"),
        *_fhir_code_rules("code"),
        *_fhir_patient_reference_rules("subject"),
        *_value_set_rules(
            "clinicalStatus.coding[1].code",
            "active recurrence relapse inactive remission resolved",
            required=False,
        ),
        *_fhir_date_rules("onsetDateTime", "onsetDateTime"),
        *_fhir_date_rules("abatementDateTime", "abatementDateTime"),
        *_fhir_date_rules("recordedDate", "recordedDate"),
        FhirRecordRule(
            "abates before onset",
            f"{_fhir_instant_sql('abatementDateTime')} < {_fhir_instant_sql('onsetDateTime')}",
        ),
    ),
)

MEDICATION_REQUEST: Final = FhirResource(
    name="MedicationRequest",
    fields=_CLINICAL | {
        "status": "VARCHAR", "intent": "VARCHAR", "medicationCodeableConcept": _CODEABLE,
        "medicationReference": _REFERENCE, "authoredOn": "VARCHAR",
    },
    columns=_IN_ENCOUNTER | {
        "code_system": "medicationCodeableConcept.coding[1].system",
        "code_code": "medicationCodeableConcept.coding[1].code",
        "status": "status", "authored_at": _fhir_instant_sql("authoredOn"),
    },
    rules=(
        *_resource_rules("MedicationRequest"),
        *_value_set_rules("status", "active on-hold cancelled completed entered-in-error stopped"
                 " draft unknown"),
        *_value_set_rules("intent", "proposal plan order original-order reflex-order filler-order"
                 " instance-order option"),
        FhirRecordRule("medication missing", "medicationCodeableConcept.coding[1].code IS NULL AND"
             " medicationCodeableConcept.text IS NULL AND medicationReference.reference IS NULL"),
        *_fhir_patient_reference_rules("subject"), *_fhir_date_rules("authoredOn", "authoredOn"),
    ),
)  # fmt: skip

PROCEDURE: Final = FhirResource(
    name="Procedure",
    fields=_CLINICAL
    | {
        "status": "VARCHAR",
        "code": _CODEABLE,
        "performedDateTime": "VARCHAR",
        "performedPeriod": _PERIOD,
    },
    columns=_IN_ENCOUNTER
    | _fhir_coding_sql_by_column("code")
    | {
        "status": "status",
        "performed_at": _fhir_instant_or_start_sql("performedDateTime", "performedPeriod.start"),
    },
    rules=(
        *_resource_rules("Procedure"),
        *_value_set_rules(
            "status",
            "preparation in-progress not-done on-hold stopped completed entered-in-error unknown",
        ),
        *_fhir_code_rules("code"),
        *_fhir_patient_reference_rules("subject"),
        *_fhir_date_rules("performedDateTime", "performedDateTime"),
        *_fhir_period_rules("performedPeriod"),
    ),
)

IMMUNIZATION: Final = FhirResource(
    name="Immunization",
    fields=_COMMON | {
        "patient": _REFERENCE, "encounter": _REFERENCE, "status": "VARCHAR",
        "vaccineCode": _CODEABLE, "occurrenceDateTime": "VARCHAR", "occurrenceString": "VARCHAR",
    },
    columns={
        "id": "id", "patient_id": _fhir_reference_id_sql("patient.reference"),
        "encounter_id": _fhir_reference_id_sql("encounter.reference"),
        "code_system": "vaccineCode.coding[1].system", "code_code": "vaccineCode.coding[1].code",
        "status": "status", "occurred_at": _fhir_instant_sql("occurrenceDateTime"),
    },
    rules=(
        *_resource_rules("Immunization"),
        *_value_set_rules("status", "completed entered-in-error not-done"),
        *_fhir_code_rules("vaccineCode"), *_fhir_patient_reference_rules("patient"),
        FhirRecordRule("occurrence missing",
             "occurrenceDateTime IS NULL AND occurrenceString IS NULL"),
        *_fhir_date_rules("occurrenceDateTime", "occurrenceDateTime"),
    ),
)  # fmt: skip

ALLERGY: Final = FhirResource(
    name="AllergyIntolerance",
    fields=_COMMON
    | {
        "patient": _REFERENCE,
        "code": _CODEABLE,
        "criticality": "VARCHAR",
        "recordedDate": "VARCHAR",
    },
    columns={
        "id": "id",
        "patient_id": _fhir_reference_id_sql("patient.reference"),
        "criticality": "criticality",
        "recorded_at": _fhir_instant_sql("recordedDate"),
    }
    | _fhir_coding_sql_by_column("code"),
    rules=(
        *_resource_rules("AllergyIntolerance"),
        *_fhir_patient_reference_rules("patient"),
        *_value_set_rules("criticality", "low high unable-to-assess", required=False),
        *_fhir_date_rules("recordedDate", "recordedDate"),
    ),
)

DIAGNOSTIC_REPORT: Final = FhirResource(
    name="DiagnosticReport",
    fields=_CLINICAL
    | {
        "status": "VARCHAR",
        "code": _CODEABLE,
        "effectiveDateTime": "VARCHAR",
        "effectivePeriod": _PERIOD,
    },
    columns=_IN_ENCOUNTER
    | _fhir_coding_sql_by_column("code")
    | {
        "status": "status",
        "effective_at": _fhir_instant_or_start_sql("effectiveDateTime", "effectivePeriod.start"),
    },
    rules=(
        *_resource_rules("DiagnosticReport"),
        *_value_set_rules(
            "status",
            "registered partial preliminary final amended corrected"
            " appended cancelled entered-in-error unknown",
        ),
        *_fhir_code_rules("code"),
        *_fhir_patient_reference_rules("subject", required=False),
        *_fhir_date_rules("effectiveDateTime", "effectiveDateTime"),
        *_fhir_period_rules("effectivePeriod"),
    ),
)


def _fhir_resource_with_status_and_date(
    name: str, status: str, date: str, date_sql: str, fields: dict[str, str]
) -> FhirResource:
    """Return a resource of which a project keeps who, state and when."""
    stated = FhirRecordRule(f"{status} missing", f"{status} IS NULL")
    return FhirResource(
        name=name,
        fields=_COMMON | {"subject": _REFERENCE, status: "VARCHAR"} | fields,
        columns=_OF_PATIENT | {"status": status, date: date_sql},
        rules=(
            *_resource_rules(name),
            *_fhir_patient_reference_rules("subject"),
            stated,
        ),
    )


CARE_PLAN: Final = _fhir_resource_with_status_and_date(
    "CarePlan", "status", "start_at", _fhir_instant_sql("period.start"), {"period": _PERIOD}
)
GOAL: Final = _fhir_resource_with_status_and_date(
    "Goal", "lifecycleStatus", "start_at", _fhir_instant_sql("startDate"), {"startDate": "VARCHAR"}
)
IMAGING_STUDY: Final = _fhir_resource_with_status_and_date(
    "ImagingStudy", "status", "start_at", _fhir_instant_sql("started"), {"started": "VARCHAR"}
)
ORGANIZATION: Final = FhirResource(
    name="Organization", fields=_COMMON | {"name": "VARCHAR"}, columns={"id": "id"},
    rules=(*_resource_rules("Organization"), FhirRecordRule("name missing", "name IS NULL")),
)  # fmt: skip
PRACTITIONER: Final = FhirResource(
    name="Practitioner", fields=_COMMON, columns={"id": "id"}, rules=_resource_rules("Practitioner")
)

RESOURCES: Final[dict[str, FhirResource]] = {
    resource.name: resource
    for resource in (
        PATIENT, OBSERVATION, ENCOUNTER, CONDITION, MEDICATION_REQUEST, PROCEDURE, IMMUNIZATION,
        ALLERGY, DIAGNOSTIC_REPORT, CARE_PLAN, GOAL, IMAGING_STUDY, ORGANIZATION, PRACTITIONER,
    )
}  # fmt: skip
