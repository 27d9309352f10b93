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

    def serve(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield an answer for each request; notifications get none."""
        for line in lines:
            answer = self.answer(line)
            if answer is not None:
                yield json.dumps(answer, ensure_ascii=False)

    def answer(self, line: str) -> dict[str, Any] | None:
        """Return the answer to one line."""
        try:
            message: Any = json.loads(line)
        except ValueError:
            return _error_response(None, _PARSE, "not JSON")
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):  # pyright: ignore[reportUnknownMemberType]
            return _error_response(None, _REQUEST, "not a request")
        request = cast("dict[str, Any]", message)
        # JSON-RPC: a message without an id is a notification, to which an answer is an error.
        if "id" not in request:
            return None
        method = {
            "initialize": self._initialize,
            "tools/list": self._tools,
            "tools/call": self._call,
        }.get(request["method"])
        if method is None:
            return _error_response(request["id"], _METHOD, "no such method")
        parameters: Any = request.get("params")
        params = cast("dict[str, Any]", parameters) if isinstance(parameters, dict) else {}
        return {"jsonrpc": "2.0", "id": request["id"], "result": method(params)}

    def _initialize(self, _: Mapping[str, Any]) -> dict[str, Any]:
        server = {"name": "commonwatt-clinic", "version": "1"}
        return {"protocolVersion": PROTOCOL, "capabilities": {"tools": {}}, "serverInfo": server}

    def _tools(self, _: Mapping[str, Any]) -> dict[str, Any]:
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

    def _call(self, params: Mapping[str, Any]) -> dict[str, Any]:
        supplied: Any = params.get("arguments")
        arguments = dict(cast("dict[str, Any]", supplied)) if isinstance(supplied, dict) else {}
        statement = _parsed_statement(arguments.pop("statement", None))
        step = {"deployment": params.get("name")} | arguments
        # Counted here and never taken from the agent, who could name a step that a person has
        # signed.
        number, self._step = self._step, self._step + 1
        return _tool_result(self._runner.call(number, step, statement, at=self._clock()))


def _parsed_statement(supplied: Any) -> StepDecision | None:
    """Return the statement in a request; one that is not of the form is as good as none."""
    try:
        return StepDecision(
            plan_id=str(supplied["plan_id"]),
            step=int(supplied["step"]),
            answer=str(supplied["answer"]),
            public_key=bytes.fromhex(supplied["public_key"]),
            signature=bytes.fromhex(supplied["signature"]),
        )
    except (TypeError, KeyError, ValueError):
        return None


def _tool_result(verdict: GateVerdict) -> dict[str, Any]:
    content = {"rule": verdict.rule, "score": verdict.score, "advice": verdict.advice}
    content |= {"detail": verdict.detail, "sign_off": verdict.sign_off}
    text = json.dumps(content, ensure_ascii=False)
    return {"content": [{"type": "text", "text": text}], "isError": not verdict.allowed}


def _error_response(name: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": name, "error": {"code": code, "message": message}}
