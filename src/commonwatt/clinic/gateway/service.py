"""A CDS Hooks service: discovery, advice, feedback.

Source: HL7 CDS Hooks 2.0. What the standard has no place for (facts of the
encounter, the doctor's own estimate, the rule of a refusal) travels in its
`extension` members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from commonwatt.clinic.gateway.gate import Gate, Verdict
from commonwatt.clinic.gateway.guides import load_guide
from commonwatt.core.errors import CommonwattError
from commonwatt.ledger import Signer

EXTENSION: Final = "org.commonwatt"
SOURCE: Final = {"label": "Commonwatt clinic"}


class Service:
    """The service of one site.

    Args:
        gate: The gate that answers.
        clock: Returns the instant of now.
        signer_of: Returns the key of the clinician whom a request names, or `None`.
    """

    def __init__(
        self,
        gate: Gate,
        clock: Callable[[], datetime],
        signer_of: Callable[[str], Signer | None],
    ) -> None:
        self.gate, self.clock, self.signer_of = gate, clock, signer_of

    def app(self) -> FastAPI:
        """Return the web application."""
        made = FastAPI(title="Commonwatt CDS Hooks", docs_url=None, redoc_url=None)
        made.add_api_route("/cds-services", self.discover, methods=["GET"])
        made.add_api_route("/cds-services/{name}", self.advise, methods=["POST"])
        made.add_api_route("/cds-services/{name}/feedback", self.feedback, methods=["POST"])
        return made

    async def discover(self) -> JSONResponse:
        """List what is live here."""
        live = self.gate.desk.registry.live(self.gate.site, self.clock())
        return JSONResponse({"services": [self._described(one.deployment) for one in live]})

    def _described(self, deployment: str) -> dict[str, Any]:
        guide = load_guide(self.gate.desk.registry.records[deployment].body["guide"])
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
        extension = _extension(asked)
        if not encounter:
            return _fault("context.encounterId")
        facts = {str(key): str(value) for key, value in _map(extension.get("facts")).items()}
        own = extension.get("ownEstimate")
        try:
            verdict = self.gate.ask(
                f"deployment/{name}",
                encounter,
                facts,
                at=self.clock(),
                own_estimate=float(own) if isinstance(own, int | float) else None,
            )
        except CommonwattError as error:
            return JSONResponse(error.as_dict(), status_code=422)
        return JSONResponse(_answer(verdict, str(extension.get("language", "en"))))

    async def feedback(self, name: str, request: Request) -> JSONResponse:
        """Record what the clinician did with the advice, under the clinician's own key."""
        given = await _body(request)
        extension = _extension(given)
        signer = self.signer_of(str(extension.get("clinician", "")))
        if signer is None:
            return JSONResponse({"error": "feedback-unsigned", "rule": "signed identity"}, 403)
        advice = str(extension.get("advice", ""))
        body: dict[str, Any] = {"advice": advice, "asked_before": False}
        body |= {"outcome": str(extension.get("outcome", ""))}
        if "reason" in extension:
            body["reason"] = str(extension["reason"])
        decided = f"{name}-{self.gate.desk.registry.seen}"
        try:
            with self.gate.desk.transaction() as tx:
                self.gate.desk.record(tx, "decision", decided, body, by=signer, at=self.clock())
        except CommonwattError as error:
            return JSONResponse(error.as_dict(), status_code=422)
        return JSONResponse({})


def _answer(verdict: Verdict, language: str) -> dict[str, Any]:
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
