"""The facts of a call: from its prefetch, from the record system's server, and from our own client.

What stands in two places must be the same: a call that says two things of one patient is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commonwatt.clinic.domain.guides import DepartmentGuide, GuideFhirMapping
from commonwatt.clinic.engines.gateway.hooks.fhir_facts import (
    FhirAnswer,
    FhirAnswerError,
    facts_of_fhir_answers,
    parse_fhir_answer,
)
from commonwatt.clinic.engines.gateway.hooks.outbound import fetch_fhir_documents_by_prefetch_key
from commonwatt.clinic.engines.gateway.hooks.requests import (
    EXTENSION,
    CdsRequest,
    CdsRequestError,
)
from commonwatt.clinic.engines.gateway.hooks.settings import FhirServer


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsOfRequest:
    """What is known of the patient of a call.

    Args:
        facts: By the guide's names.
        unanswered: Wanted facts' prefetch keys that neither the call nor the server answered, or
            the facts' own names where no query gives them.
    """

    facts: Mapping[str, str]
    unanswered: tuple[str, ...]


async def gather_facts_of_cds_request(
    guide: DepartmentGuide | None,
    wanted: frozenset[str],
    call: CdsRequest,
    given: Mapping[str, str],
    servers: Mapping[str, FhirServer],
    at: datetime,
) -> FactsOfRequest:
    """Return the facts of a call.

    Args:
        guide: Of the service; `None` where it is not available.
        wanted: Facts without which there is no advice.
        call: The request.
        given: Facts that our own client sent.
        servers: That may be read, by base address.
        at: The instant.

    Raises:
        CdsRequestError: What stands under a key is no FHIR, is about somebody else, or
            contradicts what was given.
    """
    mapping = guide.fhir if guide else None
    if guide is None or mapping is None:
        return FactsOfRequest(facts=given, unanswered=tuple(sorted(wanted - set(given))))
    # Only the service's own keys are read: what was not asked for is not looked at.
    sent = {key: call.prefetch[key] for key in mapping.prefetch if key in call.prefetch}
    answers = _fhir_answer_by_prefetch_key(mapping, sent, call.patient_id)
    read = facts_of_fhir_answers(mapping, guide.facts, answers, at)
    lacking = {
        mapping.facts[name].prefetch_key
        for name in mapping.facts
        if name not in read and name not in given
    }
    open_keys = frozenset(key for key in lacking if not _is_fhir_answer_complete(answers.get(key)))
    server = servers.get(call.fhir_server)
    if open_keys and server and call.access:
        documents = await fetch_fhir_documents_by_prefetch_key(
            server, call.access, mapping, open_keys, call
        )
        answers |= _fhir_answer_by_prefetch_key(mapping, documents, call.patient_id, of_server=True)
        read = facts_of_fhir_answers(mapping, guide.facts, answers, at)
    _check_sent_facts_match_fhir_facts(guide, read, given)
    facts = read | dict(given)
    return FactsOfRequest(
        facts=facts, unanswered=_unanswered_prefetch_keys_or_facts(mapping, wanted, facts, answers)
    )


def _unanswered_prefetch_keys_or_facts(
    mapping: GuideFhirMapping,
    wanted: frozenset[str],
    facts: Mapping[str, str],
    answers: Mapping[str, FhirAnswer],
) -> tuple[str, ...]:
    """Return the keys, or the facts that have none, for want of which a wanted fact is missing."""
    missing = [mapping.facts.get(name) or name for name in sorted(wanted - set(facts))]
    places = {each if isinstance(each, str) else each.prefetch_key for each in missing}
    return tuple(
        sorted(place for place in places if not _is_fhir_answer_complete(answers.get(place)))
    )


def _is_fhir_answer_complete(answer: FhirAnswer | None) -> bool:
    return answer is not None and answer.complete


def _fhir_answer_by_prefetch_key(
    mapping: GuideFhirMapping,
    documents: Mapping[str, Any],
    patient_id: str,
    *,
    of_server: bool = False,
) -> dict[str, FhirAnswer]:
    answers: dict[str, FhirAnswer] = {}
    for key, document in documents.items():
        try:
            answer = parse_fhir_answer(document, mapping.prefetch[key], patient_id)
        except FhirAnswerError as error:
            # Of its own server the client sees nothing; what was not had is then named.
            if of_server:
                continue
            raise CdsRequestError(f"prefetch.{key}", error.fault) from None
        if answer is not None:
            answers[key] = answer
    return answers


def _check_sent_facts_match_fhir_facts(
    guide: DepartmentGuide, read: Mapping[str, str], given: Mapping[str, str]
) -> None:
    for name in sorted(set(read) & set(given)):
        fact = guide.facts[name]
        here, there = fact.canonical_text(read[name]), fact.canonical_text(given[name])
        if here is not None and there is not None and here != there:
            where = f"extension.{EXTENSION}.facts.{name}"
            raise CdsRequestError(where, "the same as in the record system's answer")
