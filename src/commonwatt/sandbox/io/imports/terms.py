"""Codes of FHIR and concepts of OMOP, as far as they are part of the standards.

The few concepts that every OMOP database uses for sex, race, kind of visit and
kind of record are listed here; all other codes are looked up in the vocabulary
that the custodian imports beside the data, because terminologies have licences
of their own. Without it a concept is 0, which is OMOP's word for unknown, and
the code stands in the column `…_source_value`.

Sources: OHDSI, OMOP CDM v5.4, conventions; OHDSI Athena vocabulary, domains
    Gender, Race, Ethnicity, Visit and Type Concept; HL7 FHIR R4, code systems.
"""

# ruff: noqa: S608  the names in the SQL are ours, and values are quoted by `literal`

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import duckdb

from commonwatt.sandbox.io.imports.checked import dataset_sql_text_literal

GENDERS: Final = {"male": 8507, "female": 8532}
RACES: Final = {"white": 8527, "black": 8516, "black or african american": 8516, "asian": 8515}
ETHNICITIES: Final = {"hispanic or latino": 38003563, "not hispanic or latino": 38003564}
VISITS: Final = {"AMB": 9202, "IMP": 9201, "EMER": 9203, "ACUTE": 9201, "NONAC": 9201,
                 "OBSENC": 581385, "HH": 581476, "VR": 5083}  # fmt: skip
OF_RECORD, OF_PRESCRIPTION, OF_ADMINISTRATION = 32817, 32838, 32818

SYSTEMS: Final = {
    "http://snomed.info/sct": "SNOMED",
    "http://loinc.org": "LOINC",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://hl7.org/fhir/sid/icd-10": "ICD10",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD10CM",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD9CM",
    "http://www.whocc.no/atc": "ATC",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "http://www.ama-assn.org/go/cpt": "CPT4",
}
"""Code systems of FHIR by OMOP's name of the same terminology."""


def omop_concept_sql(expression: str, choices: Mapping[str, int]) -> str:
    """Return SQL for the concept that a word stands for, 0 where none does.

    >>> omop_concept_sql("sex", {"male": 8507})
    "CASE sex WHEN 'male' THEN 8507 ELSE 0 END"
    """
    whens = " ".join(
        f"WHEN {dataset_sql_text_literal(word)} THEN {concept}" for word, concept in choices.items()
    )
    return f"CASE {expression} {whens} ELSE 0 END"


def word_of_omop_concept_sql(expression: str, choices: Mapping[str, int]) -> str:
    """Return SQL for the first word that stands for a concept, nothing where none does.

    >>> word_of_omop_concept_sql("id", {"black": 8516, "african": 8516})
    "CASE id WHEN 8516 THEN 'black' END"
    """
    first: dict[int, str] = {}
    for word, concept in choices.items():
        first.setdefault(concept, word)
    whens = " ".join(
        f"WHEN {concept} THEN {dataset_sql_text_literal(word)}" for concept, word in first.items()
    )
    return f"CASE {expression} {whens} END"


def make_omop_code_table(base: duckdb.DuckDBPyConnection, draft: Path) -> None:
    """Make the table `codes`: system and code by concept, and the standard concept.

    It is empty where no vocabulary was imported.
    """
    names = ", ".join(
        f"({dataset_sql_text_literal(url)}, {dataset_sql_text_literal(name)})"
        for url, name in SYSTEMS.items()
    )
    concepts, maps = draft / "concept.parquet", draft / "concept_relationship.parquet"
    base.execute(
        "CREATE OR REPLACE TEMP TABLE codes (system VARCHAR, code VARCHAR, concept_id BIGINT,"
        " standard_id BIGINT)"
    )
    if not concepts.exists():
        return
    standard = (
        "SELECT concept_id_1 AS concept_id, min(concept_id_2) AS standard_id"
        f" FROM read_parquet({dataset_sql_text_literal(str(maps))})"
        # A code may map to several standard concepts; the lowest id is taken, so that one record
        # stays one row.
        " WHERE relationship_id = 'Maps to' GROUP BY concept_id_1"
        if maps.exists()
        else "SELECT 0::BIGINT AS concept_id, 0::BIGINT AS standard_id WHERE false"
    )
    base.execute(
        "INSERT INTO codes SELECT coalesce(n.system, c.vocabulary_id), c.concept_code,"
        " min(c.concept_id), min(coalesce(m.standard_id,"
        " CASE c.standard_concept WHEN 'S' THEN c.concept_id ELSE 0 END))"
        f" FROM read_parquet({dataset_sql_text_literal(str(concepts))}) c"
        f" LEFT JOIN (VALUES {names}) n(system, vocabulary) ON n.vocabulary = c.vocabulary_id"
        f" LEFT JOIN ({standard}) m ON m.concept_id = c.concept_id GROUP BY ALL"
    )
