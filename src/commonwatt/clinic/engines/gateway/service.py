"""A CDS Hooks service: discovery, advice, feedback.

Source: HL7 CDS Hooks 2.0. What the standard has no place for (facts of the
encounter, the doctor's own estimate, the rule of a refusal) travels in its
`extension` members. Requests that come together are kept by one commit, and each
is answered after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
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
from commonwatt.clinic.engines.gateway.guides import load_guide
from commonwatt.core.errors import CommonwattError
from commonwatt.ledger import Signer

EXTENSION: Final = "org.commonwatt"
SOURCE: Final = {"label": "Commonwatt clinic"}


class CdsHooksService:
    """The service of one site.

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
        self._group: GroupCommitter[PreparedAdvice, SettledAdvice] = GroupCommitter(self._settle)

    def app(self) -> FastAPI:
        """Return the web application."""
        made = FastAPI(title="Commonwatt CDS Hooks", docs_url=None, redoc_url=None)
        made.add_api_route("/cds-services", self.discover, methods=["GET"])
        made.add_api_route("/cds-services/{name}", self.advise, methods=["POST"])
        made.add_api_route("/cds-services/{name}/feedback", self.feedback, methods=["POST"])
        return made

    async def discover(self) -> JSONResponse:
        """List what is live here and may still advise."""
        await self._group.run_exclusively(self.gate.writer.refresh)
        live = self.gate.writer.registry.live_deployments(self.gate.site, self.clock())
        may_advise = [one.deployment for one in live if not self.gate.standing(one.deployment)]
        return JSONResponse({"services": [self._described(name) for name in may_advise]})

    def _described(self, deployment: str) -> dict[str, Any]:
        guide = load_guide(self.gate.writer.registry.records[deployment].body["guide"])
        return {
            "hook": "patient-view",
            "id": deployment.removeprefix("deployment/"),
            "title": guide.names["en"],
            "description": guide.participation,
        }

    async def advise(self, name: str, request: Request) -> JSONResponse:
        """Answer a hook with a card, or with the rule that refuses it."""
        asked = await _body(request)
        encounter = _text(asked, "context", "encounterId")
        if not encounter:
            return _fault("context.encounterId")
        extension = _extension(asked)
        prepared = await self._prepared(_question(name, encounter, extension))
        outcome = await self._group.submit(prepared)
        if isinstance(outcome, CommonwattError):
            return JSONResponse(outcome.as_dict(), status_code=422)
        return JSONResponse(_answer(outcome, str(extension.get("language", "en"))))

    async def _prepared(self, question: AdviceRequest) -> PreparedAdvice:
        if question.deployment in self.remote:
            return await asyncio.to_thread(self.gate.prepare, question)
        return self.gate.prepare(question)

    def _settle(self, group: list[PreparedAdvice]) -> list[SettledAdvice]:
        return self.gate.record_prepared(group, at=self.clock())

    async def feedback(self, name: str, request: Request) -> JSONResponse:
        """Record what the clinician did with the advice, under the clinician's own key."""
        extension = _extension(await _body(request))
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        signer = self.signer_of(str(extension.get("clinician", "")), token)
        if signer is None:
            return JSONResponse({"error": "feedback-unsigned", "rule": "signed identity"}, 403)
        body: dict[str, Any] = {"advice": str(extension.get("advice", "")), "asked_before": False}
        body |= {"outcome": str(extension.get("outcome", ""))}
        if "reason" in extension:
            body["reason"] = str(extension["reason"])
        try:
            await self._group.run_exclusively(lambda: self._decide(name, body, signer))
        except CommonwattError as error:
            return JSONResponse(error.as_dict(), status_code=422)
        return JSONResponse({})

    def _decide(self, name: str, body: Mapping[str, Any], signer: Signer) -> None:
        desk = self.gate.writer
        with desk.transaction() as tx:
            decided = f"{name}-{desk.registry.entries_applied}"
            desk.record(tx, "decision", decided, body, by=signer, at=self.clock())


def _question(name: str, encounter: str, extension: Mapping[str, Any]) -> AdviceRequest:
    own: Any = extension.get("ownEstimate")
    number = isinstance(own, int | float) and not isinstance(own, bool)
    return AdviceRequest(
        deployment=f"deployment/{name}",
        encounter_id=encounter,
        facts={str(key): str(value) for key, value in _map(extension.get("facts")).items()},
        own_estimate=float(cast("float", own)) if number else None,
    )


def _answer(verdict: GateVerdict, language: str) -> dict[str, Any]:
    told = {"rule": verdict.rule, "advice": verdict.advice, "signOff": verdict.sign_off}
    if not verdict.allowed:
        refused = told | {"detail": verdict.detail, "words": dict(verdict.words)}
        return {"cards": [], "extension": {EXTENSION: refused}}
    if verdict.score is None:
        return {"cards": [], "extension": {EXTENSION: told}}
    words = verdict.words.get(language) or verdict.words["en"]
    card = {"summary": words[:140], "indicator": "info", "source": SOURCE}
    return {"cards": [card], "extension": {EXTENSION: told}}


async def _body(request: Request) -> Mapping[str, Any]:
    try:
        return _map(await request.json())
    except ValueError:
        return {}


def _extension(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return _map(_map(body.get("extension")).get(EXTENSION))


def _map(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(body: Mapping[str, Any], *path: str) -> str:
    value: Any = body
    for step in path:
        value = _map(value).get(step)
    return value if isinstance(value, str) and 0 < len(value) <= 200 else ""


def _fault(where: str) -> JSONResponse:
    return JSONResponse({"error": "request-invalid", "where": where}, status_code=400)
