"""A Model Context Protocol server over lines of JSON: agents see only what their pathway lists.

The three methods that an agent needs (initialize, tools/list, tools/call),
spoken in JSON-RPC 2.0 on stdin and stdout. Each call goes through `PathwayRunner`.

Source: Model Context Protocol, specification 2025-06-18.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, cast

from commonwatt.clinic.engines.gateway.agents import PathwayRunner, StepDecision
from commonwatt.clinic.engines.gateway.gate import GateVerdict

PROTOCOL: Final = "2025-06-18"
_PARSE, _REQUEST, _METHOD = -32700, -32600, -32601

_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "encounter": {"type": "string"},
        "facts": {"type": "object", "additionalProperties": {"type": "string"}},
        "statement": {"type": "object"},
    },
    "required": ["encounter", "facts"],
}


class McpServer:
    """One agent's session: one plan of one pathway."""

    def __init__(self, runner: PathwayRunner, clock: Callable[[], datetime]) -> None:
        self._runner, self._clock, self._step = runner, clock, runner.steps

    def serve_agent_requests(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield an answer for each request; notifications get none."""
        for line in lines:
            answer = self.agent_request_response(line)
            if answer is not None:
                yield json.dumps(answer, ensure_ascii=False)

    def agent_request_response(self, line: str) -> dict[str, Any] | None:
        """Return the answer to one line."""
        try:
            message: Any = json.loads(line)
        except ValueError:
            return _mcp_error_response(None, _PARSE, "not JSON")
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):  # pyright: ignore[reportUnknownMemberType]
            return _mcp_error_response(None, _REQUEST, "not a request")
        request = cast("dict[str, Any]", message)
        # JSON-RPC: a message without an id is a notification, to which an answer is an error.
        if "id" not in request:
            return None
        method = {
            "initialize": self._initialize_response,
            "tools/list": self._pathway_tools_response,
            "tools/call": self._model_advice_response,
        }.get(request["method"])
        if method is None:
            return _mcp_error_response(request["id"], _METHOD, "no such method")
        parameters: Any = request.get("params")
        params = cast("dict[str, Any]", parameters) if isinstance(parameters, dict) else {}
        return {"jsonrpc": "2.0", "id": request["id"], "result": method(params)}

    def _initialize_response(self, _: Mapping[str, Any]) -> dict[str, Any]:
        server = {"name": "commonwatt-clinic", "version": "1"}
        return {"protocolVersion": PROTOCOL, "capabilities": {"tools": {}}, "serverInfo": server}

    def _pathway_tools_response(self, _: Mapping[str, Any]) -> dict[str, Any]:
        pathway = self._runner.pathway
        tools = [
            {
                "name": name,
                "description": "needs a signed human step" if name in pathway.needs_human else "",
                "inputSchema": _SCHEMA,
            }
            for name in sorted(pathway.deployments)
        ]
        return {"tools": tools}

    def _model_advice_response(self, params: Mapping[str, Any]) -> dict[str, Any]:
        supplied: Any = params.get("arguments")
        arguments = dict(cast("dict[str, Any]", supplied)) if isinstance(supplied, dict) else {}
        statement = _parse_signed_human_step_decision(arguments.pop("statement", None))
        step = {"deployment": params.get("name")} | arguments
        # Counted here and never taken from the agent, who could name a step that a person has
        # signed.
        number, self._step = self._step, self._step + 1
        return _mcp_verdict_content(
            self._runner.call_pathway_step(number, step, statement, at=self._clock())
        )


def _parse_signed_human_step_decision(supplied_step: Any) -> StepDecision | None:
    """Return the statement in a request; one that is not of the form is as good as none."""
    try:
        return StepDecision(
            plan_id=str(supplied_step["plan_id"]),
            step=int(supplied_step["step"]),
            answer=str(supplied_step["answer"]),
            public_key=bytes.fromhex(supplied_step["public_key"]),
            signature=bytes.fromhex(supplied_step["signature"]),
        )
    except (TypeError, KeyError, ValueError):
        return None


def _mcp_verdict_content(verdict: GateVerdict) -> dict[str, Any]:
    content = {"rule": verdict.rule, "score": verdict.score, "advice": verdict.advice}
    content |= {"detail": verdict.detail, "sign_off": verdict.sign_off}
    text = json.dumps(content, ensure_ascii=False)
    return {"content": [{"type": "text", "text": text}], "isError": not verdict.allows_advice}


def _mcp_error_response(name: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": name, "error": {"code": code, "message": message}}
