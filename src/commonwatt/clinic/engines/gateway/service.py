"""A CDS Hooks service: discovery, advice, feedback, and that a patient was told.

Source: HL7 CDS Hooks 2.0. A plain `patient-view` call is answered from its prefetch, or from
the record system's FHIR server where the institution file allows it, through the mapping of the
guide. What the standard has no place for (facts that no record system holds, the rule of a
refusal) travels in its `extension` members, and nothing that a plain client needs does. Requests
that come together are put on record by one commit, and each is answered after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from commonwatt.clinic.domain.guides.judge import MISSING_FACT
from commonwatt.clinic.engines.gateway.card_answers import (
    CardAnswerError,
    CardAnswers,
    ClinicianDirectory,
)
from commonwatt.clinic.engines.gateway.disclosure import DisclosureReceipt
from commonwatt.clinic.engines.gateway.gate import (
    AdviceGate,
    AdviceRequest,
    GateVerdict,
    PreparedAdvice,
    SettledAdvice,
)
from commonwatt.clinic.engines.gateway.group_commit import GroupCommitter
from commonwatt.clinic.engines.gateway.hooks.cards import cds_cards_of_verdict, open_card_of
from commonwatt.clinic.engines.gateway.hooks.facts_of_request import (
    FactsOfRequest,
    gather_facts_of_cds_request,
)
from commonwatt.clinic.engines.gateway.hooks.feedback import parse_cds_feedback
from commonwatt.clinic.engines.gateway.hooks.fhir_facts import load_fhir_model_classes_of_mappings
from commonwatt.clinic.engines.gateway.hooks.requests import (
    EXTENSION,
    HOOK,
    LARGEST_REQUEST,
    CdsMediaTypeError,
    CdsRequest,
    CdsRequestError,
    checked_cds_json_object,
    encounter_or_patient_id_of_cds_context,
    own_cds_extension_members,
    parse_cds_request,
)
from commonwatt.clinic.engines.gateway.hooks.settings import CdsClient, CdsHooksSettings
from commonwatt.clinic.engines.gateway.hooks.trust import CallerTrust, UntrustedCallError
from commonwatt.core.errors import CommonwattError
from commonwatt.core.log import LogEvent, log_event
from commonwatt.core.strict_json import RepeatedNameError, parse_strict_json
from commonwatt.ledger import Signer, actor_id_of

JSON_MEDIA_TYPE: Final = "application/json"
SERVICES: Final = "/cds-services"
NO_STORE: Final = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class NobodyVouchedFor:
    """A directory in which nobody stands: clinicians then sign by their own token only."""

    def clinician_of_user(self, user: str) -> Signer | None:
        """Return nobody."""
        del user

    def clinician_of_actor(self, actor_id: str) -> Signer | None:
        """Return nobody."""
        del actor_id


class CdsHooksService:
    """The service of one institution.

    Args:
        gate: The gate that answers.
        clock: Returns the instant of now.
        signer_of: Returns the key of the clinician whom a request names and whose token
            it bears, or `None`.
        remote: Deployments whose model is a server, to be asked off the event loop.
        settings: Whom to trust and which servers may be asked.
        people: For whom a record system that signs may speak.
    """

    def __init__(
        self,
        gate: AdviceGate,
        clock: Callable[[], datetime],
        signer_of: Callable[[str, str], Signer | None],
        remote: frozenset[str] = frozenset(),
        settings: CdsHooksSettings | None = None,
        people: ClinicianDirectory | None = None,
    ) -> None:
        self.gate, self.clock, self.signer_of, self.remote = gate, clock, signer_of, remote
        self.settings = settings or CdsHooksSettings()
        self.trust = CallerTrust(self.settings, clock)
        self.people = people or NobodyVouchedFor()
        self.answers = CardAnswers(gate, self.people, clock)
        self._group: GroupCommitter[PreparedAdvice, SettledAdvice] = GroupCommitter(
            self._record_advice_group
        )
        guides = gate.writer.guides.guides.values()
        load_fhir_model_classes_of_mappings(guide.fhir for guide in guides if guide.fhir)

    def cds_hooks_app(self) -> Starlette:
        """Return the web application."""
        service = f"{SERVICES}/{{name}}"
        posts = {service: self.advise, f"{service}/feedback": self.feedback,
                 f"{service}/disclosure": self.disclose}  # fmt: skip
        routes = [Route(SERVICES, self.discover, methods=["GET"])]
        routes += [
            Route(path, _named(handler), methods=["POST"]) for path, handler in posts.items()
        ]
        routes += [Route(SERVICES, _cds_options_endpoint_allowing("GET"), methods=["OPTIONS"])]
        routes += [
            Route(path, _cds_options_endpoint_allowing("POST"), methods=["OPTIONS"])
            for path in posts
        ]
        # No origin by default, and never all of them.
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(self.settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
            max_age=600,
        )
        return Starlette(routes=routes, middleware=[cors], exception_handlers=_ERROR_RESPONSES)

    async def discover(self, request: Request) -> JSONResponse:
        """List what is live here and may still advise."""
        await self._cds_client_that_signed_request(request)
        # In the thread that writes: the registry is folded in place, and must not be read half way
        # through.
        await self._group.run_between_advice_groups(self.gate.writer.refresh_registry)
        live = self.gate.writer.registry.live_deployments(self.gate.institution, self.clock())
        refusals = {each.deployment: self.gate.deployment_refusal(each.deployment) for each in live}
        services = [self._cds_service_entry(name) for name, no in refusals.items() if no is None]
        answer: dict[str, Any] = {"services": services}
        unavailable = [_unavailable_service_entry(no) for no in refusals.values() if no]
        faults = self.gate.writer.guides.faults
        # What is out of use is said, with its rule: a service that is only missing looks as if it
        # had never been there.
        if unavailable or faults:
            # The file's place and fault are said at start, to whoever may see them.
            guides = [{"guide": name, "rule": "gate.guide-unavailable"} for name in faults]
            extension = _members_without_empty_values(
                {"unavailable": unavailable, "guides": guides}
            )
            answer["extension"] = {EXTENSION: extension}
        return JSONResponse(answer)

    def _cds_service_entry(self, deployment: str) -> dict[str, Any]:
        guide = self.gate.guide_of_own_deployment_or_none(deployment)
        # It was listed because it may advise, and that needs its guide.
        assert guide is not None, deployment
        entry: dict[str, Any] = {
            "hook": HOOK,
            "id": deployment.removeprefix("deployment/"),
            "title": guide.names["en"],
            "description": guide.participation,
        }
        if guide.fhir:
            entry["prefetch"] = dict(guide.fhir.prefetch)
        mapped = set(guide.fhir.facts) if guide.fhir else set[str]()
        unmapped = sorted(self.gate.wanted_facts_or_empty_if_refused(deployment) - mapped)
        if unmapped:
            entry["usageRequirements"] = (
                f"No FHIR query of this guide gives: {', '.join(unmapped)}. Send them in"
                f" extension, {EXTENSION}, facts."
            )
        return entry

    async def advise(self, name: str, request: Request) -> JSONResponse:
        """Answer a hook with a card, with none, or with what it lacks."""
        await self._cds_client_that_signed_request(request)
        deployment = await self._known_deployment_name_of_service(name)
        call = parse_cds_request(await cds_request_json_document(request))
        facts = await self._gather_facts_of_cds_call(deployment, call)
        prepared = await self._prepare_advice_off_loop_if_remote(
            self._advice_request_of_cds_call(deployment, call, facts)
        )
        outcome = await self._group.submit_advice_question(prepared)
        if isinstance(outcome, CommonwattError):
            return JSONResponse(outcome.as_dict(), status_code=422)
        if outcome.rule == MISSING_FACT and facts.unanswered:
            return _precondition_failed_response(outcome, facts)
        language = str(call.extension.get("language") or _language_accepted_by_cds_request(request))
        return self._verdict_response(outcome, call, language)

    async def _gather_facts_of_cds_call(self, deployment: str, call: CdsRequest) -> FactsOfRequest:
        guide = self.gate.guide_of_own_deployment_or_none(deployment)
        given = {
            str(key): _cds_fact_text(value)
            for key, value in checked_cds_json_object(
                call.extension.get("facts", {}), f"extension.{EXTENSION}.facts"
            ).items()
        }
        return await gather_facts_of_cds_request(
            guide,
            self.gate.wanted_facts_or_empty_if_refused(deployment),
            call,
            given,
            self.settings.fhir,
            self.clock(),
        )

    def _advice_request_of_cds_call(
        self, deployment: str, call: CdsRequest, facts: FactsOfRequest
    ) -> AdviceRequest:
        estimate: Any = call.extension.get("ownEstimate")
        number = isinstance(estimate, int | float) and not isinstance(estimate, bool)
        # It cannot be asked again: after the advice nobody has one that is only theirs.
        if estimate is not None and not number:
            where = f"extension.{EXTENSION}.ownEstimate"
            raise CdsRequestError(where, "a number from 0 to 1, or nothing")
        shown_to = self.people.clinician_of_user(call.user)
        return AdviceRequest(
            deployment=deployment,
            encounter_id=call.encounter,
            facts=facts.facts,
            own_estimate=float(cast("float", estimate))
            if number
            else self.answers.own_estimate(deployment, call.encounter),
            shown_to=actor_id_of(shown_to.public_key) if shown_to else "",
        )

    async def _prepare_advice_off_loop_if_remote(self, question: AdviceRequest) -> PreparedAdvice:
        if question.deployment in self.remote:
            return await asyncio.to_thread(self.gate.prepare_advice, question)
        return self.gate.prepare_advice(question)

    def _record_advice_group(self, group: list[PreparedAdvice]) -> list[SettledAdvice]:
        with self.gate.writer.transaction() as tx:
            # Read after the lock: another gateway may have written while this one waited, and an
            # entry older than the last is refused.
            at = self.clock()
            settled = self.gate.record_prepared_advice_group_in_transaction(tx, group, at=at)
        # Counts of a group and nothing of one encounter: a line a patient would be a record of its
        # own, outside the ledger.
        failed = sum(isinstance(outcome, CommonwattError) for outcome in settled)
        log_event(LogEvent.GATE_ANSWERED, count=len(group), refused=failed)
        return settled

    def _verdict_response(
        self, verdict: GateVerdict, call: CdsRequest, language: str
    ) -> JSONResponse:
        cards = cds_cards_of_verdict(
            verdict, self.gate.guide_of_own_deployment_or_none(verdict.deployment), language
        )
        for card in cards:
            if not verdict.allows_advice:
                waiting = open_card_of(card, verdict, call.encounter, call.user, self.clock())
                self.answers.open_cards.add(card["uuid"], waiting)
        extension = _verdict_extension_members(verdict)
        answer = {"cards": cards, "extension": {EXTENSION: extension}}
        return JSONResponse(answer, headers=NO_STORE)

    async def feedback(self, name: str, request: Request) -> JSONResponse:
        """Record what the clinician did with the advice, under the clinician's own key."""
        body = await _cds_request_body(request)
        extension = own_cds_extension_members(body)
        # Whoever proves who they are need not be vouched for by a record system.
        signer = self._clinician_signer_of_bearer(request, extension)
        vouched = signer is None and self.trust.wants_token
        if vouched:
            await self._cds_client_that_signed_request(request)
        deployment = await self._known_deployment_name_of_service(name)
        if "feedback" not in body and "advice" in extension:
            return await self._record_own_client_decision(name, extension, signer)
        reports = parse_cds_feedback(body)
        if signer is None and not vouched:
            return _unsigned_feedback_response()
        try:
            await self._group.run_between_advice_groups(
                lambda: self.answers.record_card_feedback_reports(deployment, reports, signer)
            )
        except CommonwattError as error:
            return JSONResponse(error.as_dict(), status_code=422)
        return JSONResponse({})

    async def _record_own_client_decision(
        self, name: str, extension: Mapping[str, Any], signer: Signer | None
    ) -> JSONResponse:
        """Record a decision that names the advice itself, as our own clients send it."""
        if signer is None:
            return _unsigned_feedback_response()
        # Feedback comes after the card by its nature, whatever a client claims.
        body: dict[str, Any] = {"advice": str(extension["advice"]), "asked_before": False}
        body |= {"outcome": str(extension.get("outcome", ""))}
        if "reason" in extension:
            body["reason"] = str(extension["reason"])
        try:
            await self._group.run_between_advice_groups(
                lambda: self._record_clinician_decision(name, body, signer)
            )
        except CommonwattError as error:
            return JSONResponse(error.as_dict(), status_code=422)
        return JSONResponse({})

    async def disclose(self, name: str, request: Request) -> JSONResponse:
        """Record that the patient of an encounter was told, under the clinician's own key."""
        body = await _cds_request_body(request)
        extension = own_cds_extension_members(body)
        signer = self._clinician_signer_of_bearer(request, extension)
        if signer is None and self.trust.wants_token:
            await self._cds_client_that_signed_request(request)
            user = checked_cds_json_object(body.get("context"), "context").get("userId")
            signer = self.people.clinician_of_user(str(user))
        if signer is None:
            return _unsigned_feedback_response()
        encounter, by = encounter_or_patient_id_of_cds_context(body), signer
        language = str(extension.get("language", ""))
        try:
            receipt = await self._group.run_between_advice_groups(
                lambda: self._record_disclosure(f"deployment/{name}", encounter, language, by)
            )
        except CommonwattError as error:
            return JSONResponse(error.as_dict(), status_code=422)
        return JSONResponse({"extension": {EXTENSION: asdict(receipt)}}, status_code=201)

    def _record_disclosure(
        self, deployment: str, encounter: str, language: str, by: Signer
    ) -> DisclosureReceipt:
        with self.gate.writer.transaction() as tx:
            return self.gate.record_patient_disclosure_in_transaction(
                tx, deployment, encounter, language, by=by, at=self.clock()
            )

    async def _cds_client_that_signed_request(self, request: Request) -> CdsClient | None:
        header = request.headers.get("authorization", "")
        return await self.trust.client_that_signed_call(header, request.url.path)

    async def _known_deployment_name_of_service(self, name: str) -> str:
        """Return the deployment that a service's id names, whether or not it may advise now."""
        deployment = f"deployment/{name}"
        if not self._is_deployed_here(deployment):
            # It may have been registered since the last question was put on record.
            await self._group.run_between_advice_groups(self.gate.writer.refresh_registry)
        if not self._is_deployed_here(deployment):
            raise UnknownServiceError
        return deployment

    def _is_deployed_here(self, deployment: str) -> bool:
        record = self.gate.writer.registry.records.get(deployment)
        return record is not None and record.body.get("institution") == self.gate.institution

    def _clinician_signer_of_bearer(
        self, request: Request, extension: Mapping[str, Any]
    ) -> Signer | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self.signer_of(str(extension.get("clinician", "")), token)

    def _record_clinician_decision(
        self, name: str, body: Mapping[str, Any], signer: Signer
    ) -> None:
        writer = self.gate.writer
        with writer.transaction() as tx:
            decided = f"{name}-{writer.registry.entries_applied}"
            writer.write_registry_record(tx, "decision", decided, body, by=signer, at=self.clock())


class UnknownServiceError(Exception):
    """There is no such service at this institution."""


async def cds_request_json_document(request: Request) -> Any:
    """Return the JSON of a request.

    Raises:
        CdsMediaTypeError: It does not say that it is JSON.
        CdsRequestError: It is none, or too large.
    """
    # A page of another origin may send plain text without asking first, and JSON only where this
    # service lets that origin.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON_MEDIA_TYPE:
        raise CdsMediaTypeError("content-type", JSON_MEDIA_TYPE)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_REQUEST:
            raise CdsRequestError("body", f"at most {LARGEST_REQUEST} bytes")
    try:
        return parse_strict_json(bytes(body))
    except RepeatedNameError as error:
        raise CdsRequestError(
            "body", f"each name once in an object; {error.name} stands twice"
        ) from None
    except (ValueError, RecursionError):
        raise CdsRequestError("body", "JSON") from None


async def _cds_request_body(request: Request) -> Mapping[str, Any]:
    return checked_cds_json_object(await cds_request_json_document(request), "body")


def _language_accepted_by_cds_request(request: Request) -> str:
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "zh-Hant" if first.startswith("zh") else "en"


def _cds_fact_text(value: Any) -> str:
    """Return a fact of JSON as a guide spells it; a list or an object is none and is refused."""
    # `str(True)` is "True", which no guide has.
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _verdict_extension_members(verdict: GateVerdict) -> dict[str, Any]:
    extension: dict[str, Any] = {"rule": verdict.rule, "advice": verdict.advice}
    if not verdict.allows_advice:
        extension |= {"detail": verdict.detail, "words": dict(verdict.words)}
    else:
        extension["signOff"] = verdict.sign_off
    if verdict.score is not None:
        extension |= {"finding": verdict.finding, "threshold": verdict.threshold}
    return _members_without_empty_values(extension)


def _members_without_empty_values(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in ("", None, [], {})}


def _unavailable_service_entry(refusal: GateVerdict) -> dict[str, str]:
    name = refusal.deployment.removeprefix("deployment/")
    return _members_without_empty_values(
        {"id": name, "rule": refusal.rule, "detail": refusal.detail}
    )


def _precondition_failed_response(verdict: GateVerdict, facts: FactsOfRequest) -> JSONResponse:
    extension = {"rule": verdict.rule, "detail": verdict.detail}
    answer = {"error": "precondition-failed", "prefetch": list(facts.unanswered),
              "extension": {EXTENSION: extension}}  # fmt: skip
    return JSONResponse(answer, status_code=412)


def _unsigned_feedback_response() -> JSONResponse:
    # One answer for an unknown clinician and for a false token, or names could be tried.
    return JSONResponse({"error": "feedback-unsigned", "rule": "signed identity"}, 403)


def _bad_cds_request_response(_: Request, error: Exception) -> JSONResponse:
    fault = cast("CdsRequestError", error)
    # A member's name comes from the caller: half a letter in it is no text that can be sent.
    where = fault.where.encode("utf-8", "replace").decode()[:200]
    answer = {"error": "request-invalid", "where": where, "wanted": fault.wanted}
    return JSONResponse(answer, status_code=400)


def _media_type_response(request: Request, error: Exception) -> JSONResponse:
    answer = _bad_cds_request_response(request, error)
    answer.status_code = 415
    answer.headers["accept"] = JSON_MEDIA_TYPE
    return answer


def _card_answer_error_response(_: Request, error: Exception) -> JSONResponse:
    fault = cast("CardAnswerError", error)
    return JSONResponse({"error": fault.error, "where": fault.where}, status_code=fault.status)


def _untrusted_cds_client_response(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"error": "client-untrusted", "wanted": "a signed JWT for this address"},
                        status_code=401, headers={"www-authenticate": "Bearer"})  # fmt: skip


def _unknown_cds_service_response(_: Request, __: Exception) -> JSONResponse:
    answer = {"error": "service-unknown", "rule": "gate.unknown-deployment"}
    return JSONResponse(answer, status_code=404)


def _named(
    handler: Callable[[str, Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler of a service as one of its path."""

    async def endpoint(request: Request) -> Response:
        return await handler(str(request.path_params["name"]), request)

    return endpoint


def _cds_options_endpoint_allowing(method: str) -> Callable[[Request], Awaitable[Response]]:
    async def options(_: Request) -> Response:
        return Response(status_code=204, headers={"allow": f"{method}, OPTIONS"})

    return options


_ERROR_RESPONSES: Final = {
    CdsMediaTypeError: _media_type_response,
    CdsRequestError: _bad_cds_request_response,
    CardAnswerError: _card_answer_error_response,
    UntrustedCallError: _untrusted_cds_client_response,
    UnknownServiceError: _unknown_cds_service_response,
}


__all__ = ["EXTENSION", "CdsHooksService"]
