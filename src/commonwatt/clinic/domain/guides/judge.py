"""Whether an encounter is one that guide and product are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.guides.guide import (
    LANGUAGES,
    DepartmentGuide,
    parse_guide_predicate,
)
from commonwatt.clinic.domain.rules.predicate import (
    AllOf,
    Predicate,
    rule_predicate_leaves,
)
from commonwatt.core.messages import Message

MISSING_FACT: Final = "gate.missing-fact"
INVALID_FACT: Final = "gate.invalid-fact"
OUTSIDE: Final = "gate.outside-indications"
CONTRAINDICATED: Final = "gate.contraindicated"
_MOST_UNKNOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterJudgement:
    """What guide and product say of an encounter.

    Args:
        rule: That refuses it; empty where none does.
        detail: Names of the guide's and never of the caller's, for the record.
        words: What to tell whoever asked, by language.
        facts: In the guide's units and spellings, for the model; empty where a rule refuses.
    """

    rule: str = ""
    detail: str = ""
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    facts: Mapping[str, str] = field(default_factory=dict[str, str])


def parse_product_indications(sentences: Any, guide: DepartmentGuide, where: str) -> Predicate:
    """Return the indications of a product: sentences over the guide's facts that must all hold.

    Raises:
        RulesError: There are none, or one is not of the form or over an unknown fact.
    """
    if not isinstance(sentences, Sequence) or isinstance(sentences, str) or not sentences:
        wanted = Message("a list of sentences over the facts {values}",
                         {"values": ", ".join(guide.facts)})  # fmt: skip
        raise RulesError(where, wanted=wanted)
    listed = cast("Sequence[Any]", sentences)
    predicate = AllOf(tuple(parse_guide_predicate(each, where) for each in listed))
    # An empty `all` always holds and would indicate everything.
    if not rule_predicate_leaves(predicate):
        raise RulesError(where, wanted=Message("fact, sign and value"))
    guide.check_predicate_over_guide_facts(predicate, where)
    return predicate


def judge_encounter_facts(
    guide: DepartmentGuide, indications: Predicate, facts: Mapping[str, str]
) -> EncounterJudgement:
    """Return the first rule that an encounter breaks, or its facts as the model is given them.

    Args:
        guide: The department's.
        indications: The product's own, which bind beside the guide's.
        facts: As they were given.
    """
    missing = sorted(names_of_facts_asked_by_guide(guide, indications) - set(facts))
    if missing:
        return EncounterJudgement(rule=MISSING_FACT, detail=", ".join(missing))
    canonical, invalid = _canonical_facts_and_invalid_fact_names(guide, facts)
    unknown = sorted(set(facts) - set(guide.facts))
    if invalid or unknown:
        return _invalid_fact_judgement(guide, invalid, unknown)
    if not guide.indications.holds(canonical):
        return EncounterJudgement(rule=OUTSIDE, detail=guide.guide_id)
    if not indications.holds(canonical):
        return EncounterJudgement(rule=OUTSIDE, detail="product")
    for contraindication in guide.contraindications:
        if contraindication.when.holds(canonical):
            return EncounterJudgement(
                rule=CONTRAINDICATED, detail=contraindication.name, words=contraindication.words
            )
    return EncounterJudgement(facts=canonical)


def names_of_facts_asked_by_guide(guide: DepartmentGuide, indications: Predicate) -> set[str]:
    """Return the facts without which nobody can say; others may be given, for the model."""
    predicates = (guide.indications, indications, *(c.when for c in guide.contraindications))
    return {leaf.fact for each in predicates for leaf in rule_predicate_leaves(each)}


def _canonical_facts_and_invalid_fact_names(
    guide: DepartmentGuide, facts: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    canonical: dict[str, str] = {}
    invalid: list[str] = []
    for name in sorted(set(facts) & set(guide.facts)):
        text = guide.facts[name].canonical_text(facts[name])
        if text is None:
            invalid.append(name)
        else:
            canonical[name] = text
    return canonical, invalid


def _invalid_fact_judgement(
    guide: DepartmentGuide, invalid: list[str], unknown: list[str]
) -> EncounterJudgement:
    wanted = [(name, guide.facts[name].wanted()) for name in invalid]
    listed = Message("no fact of this guide, which has {values}",
                     {"values": ", ".join(guide.facts)})  # fmt: skip
    # Cut, and not all of them: whoever asked spelled them, and they may be anything.
    wanted += [
        (_fact_name_without_unpaired_surrogates(name[:40]), listed)
        for name in unknown[:_MOST_UNKNOWN]
    ]
    words = {
        language: "; ".join(f"{name}: {sentence.translate(language)}" for name, sentence in wanted)
        for language in LANGUAGES
    }
    # The record names the guide's facts only: an unknown name is the caller's own text, and may be
    # a patient's.
    recorded = [*invalid, *(["?"] if unknown else [])]
    return EncounterJudgement(rule=INVALID_FACT, detail=", ".join(recorded), words=words)


def _fact_name_without_unpaired_surrogates(text: str) -> str:
    # Half a letter of UTF-16 can stand in JSON, and in no answer.
    return text.encode("utf-8", "replace").decode()
