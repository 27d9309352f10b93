"""A CDS Hooks service: discovery, advice, feedback, and that a patient was told.

Source: HL7 CDS Hooks 2.0. What the standard has no place for (facts of the
encounter, the doctor's own estimate, the rule of a refusal) travels in its
`extension` members. Requests that come together are put on record by one commit,
and each is answered after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, cast

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from commonwatt.clinic.engines.gateway.gate import (
    AdviceGate,
    AdviceRequest,
    GateVerdict,
    PreparedAdvice,
    SettledAdvice,
)
from commonwatt.clinic.engines.gateway.group_commit import GroupCommitter
from commonwatt.core.errors import CommonwattError
from commonwatt.core.log import LogEvent, log_event
from commonwatt.ledger import Signer

EXTENSION: Final = "org.commonwatt"
SOURCE: Final = {"label": "Commonwatt clinic"}


class CdsHooksService:
    """The service of one institution.

    Args:
        gate: The gate that answers.
        clock: Returns the instant of now.
        signer_of: Returns the key of the clinician whom a request names and whose token
            it bears, or `None`.
        remote: Deployments whose model is a server, to be asked off the event loop.
    """

    def __init__(
        self,
        gate: AdviceGate,
        clock: Callable[[], datetime],
        signer_of: Callable[[str, str], Signer | None],
        remote: frozenset[str] = frozenset(),
    ) -> None:
        self.gate, self.clock, self.signer_of, self.remote = gate, clock, signer_of, remote
        self._group: GroupCommitter[PreparedAdvice, SettledAdvice] = GroupCommitter(
            self._record_advice_group
        )

    def cds_hooks_app(self) -> FastAPI:
        """Return the web application."""
        application = FastAPI(title="Commonwatt CDS Hooks", docs_url=None, redoc_url=None)
        application.add_api_route("/cds-services", self.discover, methods=["GET"])
        application.add_api_route("/cds-services/{name}", self.advise, methods=["POST"])
        application.add_api_route("/cds-services/{name}/feedback", self.feedback, methods=["POST"])
        application.add_api_route(
            "/cds-services/{name}/disclosure", self.disclose, methods=["POST"], status_code=201
        )
        return application

    async def discover(self) -> JSONResponse:
        """List what is live here and may still advise."""
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
            extension = {"unavailable": unavailable, "guides": guides}
            answer["extension"] = {EXTENSION: extension}
        return JSONResponse(answer)

    def _cds_service_entry(self, deployment: str) -> dict[str, Any]:
        writer = self.gate.writer
        guide = writer.guides.guides[writer.registry.records[deployment].body["guide"]]
        return {
            "hook": "patient-view",
            "id": deployment.removeprefix("deployment/"),
            "title": guide.names["en"],
            "description": guide.participation,
        }

    async def advise(self, name: str, request: Request) -> JSONResponse:
        """Answer a hook with a card, or with the rule that refuses it."""
        body = await _cds_request_body(request)
        encounter = _cds_text_at(body, "context", "encounterId")
        if not encounter:
            return _advice_gateway_bad_request_response("context.encounterId")
        extension = _cds_extension(body)
        prepared = await self._prepare_advice(_parse_cds_advice_request(name, encounter, extension))
        outcome = await self._group.submit_advice_question(prepared)
        if isinstance(outcome, CommonwattError):
            return JSONResponse(outcome.as_dict(), status_code=422)
        return JSONResponse(_cds_cards_of_verdict(outcome, str(extension.get("language", "en"))))

    async def _prepare_advice(self, question: AdviceRequest) -> PreparedAdvice:
        if question.deployment in self.remote:
            return await asyncio.to_thread(self.gate.prepare_advice, question)
        return self.gate.prepare_advice(question)

    def _record_advice_group(self, group: list[PreparedAdvice]) -> list[SettledAdvice]:
        settled = self.gate.record_prepared_advice(group, at=self.clock())
        # Counts of a group and nothing of one encounter: a line a patient would be a record of its
        # own, outside the ledger.
        failed = sum(isinstance(outcome, CommonwattError) for outcome in settled)
        log_event(LogEvent.GATE_ANSWERED, count=len(group), refused=failed)
        return settled

    async def feedback(self, name: str, request: Request) -> JSONResponse:
        """Record what the clinician did with the advice, under the clinician's own key."""
        extension = _cds_extension(await _cds_request_body(request))
        signer = self._bearer_signer(request, extension)
        if signer is None:
            return _unsigned_response()
        # Feedback comes after the card by its nature, whatever a client claims.
        body: dict[str, Any] = {"advice": str(extension.get("advice", "")), "asked_before": False}
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
        encounter = _cds_text_at(body, "context", "encounterId")
        extension = _cds_extension(body)
        signer = self._bearer_signer(request, extension)
        if signer is None:
            return _unsigned_response()
        if not encounter:
            return _advice_gateway_bad_request_response("context.encounterId")
        language = str(extension.get("language", ""))
        try:
            receipt = await self._group.run_between_advice_groups(
                lambda: self.gate.record_disclosure(
                    f"deployment/{name}", encounter, language, by=signer, at=self.clock()
                )
            )
        except CommonwattError as error:
            return JSONResponse(error.as_dict(), status_code=422)
        return JSONResponse({"extension": {EXTENSION: asdict(receipt)}}, status_code=201)

    def _bearer_signer(self, request: Request, extension: Mapping[str, Any]) -> Signer | None:
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


def _unsigned_response() -> JSONResponse:
    # One answer for an unknown clinician and for a false token, or names could be tried.
    return JSONResponse({"error": "feedback-unsigned", "rule": "signed identity"}, 403)


def _unavailable_service_entry(refusal: GateVerdict) -> dict[str, str]:
    name = refusal.deployment.removeprefix("deployment/")
    return {"id": name, "rule": refusal.rule, "detail": refusal.detail}


def _parse_cds_advice_request(
    name: str, encounter: str, extension: Mapping[str, Any]
) -> AdviceRequest:
    estimate: Any = extension.get("ownEstimate")
    number = isinstance(estimate, int | float) and not isinstance(estimate, bool)
    return AdviceRequest(
        deployment=f"deployment/{name}",
        encounter_id=encounter,
        facts={
            str(key): _cds_fact_text(value)
            for key, value in _cds_object_or_empty(extension.get("facts")).items()
        },
        own_estimate=float(cast("float", estimate)) if number else None,
    )


def _cds_fact_text(value: Any) -> str:
    """Return a fact of JSON as a guide spells it; a list or an object is none and is refused."""
    # `str(True)` is "True", which no guide has.
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _cds_cards_of_verdict(verdict: GateVerdict, language: str) -> dict[str, Any]:
    extension = {"rule": verdict.rule, "advice": verdict.advice, "signOff": verdict.sign_off}
    if not verdict.allows_advice:
        refused = extension | {"detail": verdict.detail, "words": dict(verdict.words)}
        return {"cards": [], "extension": {EXTENSION: refused}}
    if verdict.score is None:
        return {"cards": [], "extension": {EXTENSION: extension}}
    extension |= {"finding": verdict.finding, "threshold": verdict.threshold}
    words = verdict.words.get(language) or verdict.words["en"]
    # CDS Hooks allows a summary of 140 characters at most. Never "warning" or "critical": a score
    # is not an alarm.
    card = {"summary": words[:140], "indicator": "info", "source": SOURCE}
    return {"cards": [card], "extension": {EXTENSION: extension}}


async def _cds_request_body(request: Request) -> Mapping[str, Any]:
    try:
        return _cds_object_or_empty(await request.json())
    except ValueError:
        return {}


def _cds_extension(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return _cds_object_or_empty(_cds_object_or_empty(body.get("extension")).get(EXTENSION))


def _cds_object_or_empty(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _cds_text_at(body: Mapping[str, Any], *path: str) -> str:
    value: Any = body
    for step in path:
        value = _cds_object_or_empty(value).get(step)
    # A bound on what a client can make us hash and hold.
    return value if isinstance(value, str) and 0 < len(value) <= 200 else ""


def _advice_gateway_bad_request_response(where: str) -> JSONResponse:
    return JSONResponse({"error": "request-invalid", "where": where}, status_code=400)
