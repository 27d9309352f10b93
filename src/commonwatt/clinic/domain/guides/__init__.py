"""Scenario guides: which facts of an encounter a department asks for, and where a model may advise.

A guide declares its facts with their kind (a number with unit and range, a word of a closed
list, a flag; never free text), and bounds the use of a model by predicates over them. A product's
own indications, on record with its intended use, are read under the same declarations.
"""

from commonwatt.clinic.domain.guides.facts import GuideFact, GuideFactKind, parse_guide_fact
from commonwatt.clinic.domain.guides.fhir_mapping import (
    FhirFactRule,
    FhirFactSource,
    GuideFhirMapping,
)
from commonwatt.clinic.domain.guides.guide import (
    Contraindication,
    DepartmentGuide,
    parse_department_guide,
)
from commonwatt.clinic.domain.guides.judge import (
    EncounterJudgement,
    judge_encounter_facts,
    names_of_facts_asked_by_guide,
    parse_product_indications,
)

__all__ = [
    "Contraindication",
    "DepartmentGuide",
    "EncounterJudgement",
    "FhirFactRule",
    "FhirFactSource",
    "GuideFact",
    "GuideFactKind",
    "GuideFhirMapping",
    "judge_encounter_facts",
    "names_of_facts_asked_by_guide",
    "parse_department_guide",
    "parse_guide_fact",
    "parse_product_indications",
]
