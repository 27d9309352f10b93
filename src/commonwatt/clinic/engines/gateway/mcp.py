"""A Model Context Protocol server: an agent sees only what its pathway lists.

The protocol itself (handshake, versions, ping, errors) is the official library's; here
stand the tools, one for each deployment that the pathway lists, and each call goes
through `PathwayRunner`.

Source: Model Context Protocol, specifications 2024-11-05 to 2026-07-28, as the library
`mcp` speaks them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

import mcp.types as types
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

import commonwatt
from commonwatt.clinic.domain.guides import DepartmentGuide, GuideFactKind
from commonwatt.clinic.engines.gateway.agents import (
    HUMAN_STEP_MISSING,
    PathwayRunner,
    parse_human_step_decision_or_none,
)
from commonwatt.clinic.engines.gateway.gate import GateVerdict

SERVER_NAME: Final = "commonwatt-clinic"
NOT_LISTED: Final = "agent.tool-not-listed"


class McpServer:
    """One agent's session: one plan of one pathway."""

    def __init__(self, runner: PathwayRunner, clock: Callable[[], datetime]) -> None:
        self._runner, self._clock, self._step = runner, clock, runner.steps
        # One thread: the steps of a plan have an order, and a ping is answered while a model
        # takes its time. A call that was begun goes to its end even if the agent takes it back,
        # because it is on record.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="agent")

    def mcp_protocol_server(self) -> Server[Any]:
        """Return the library's server with the pathway's tools."""
        return Server(
            SERVER_NAME,
            version=commonwatt.__version__,
            on_list_tools=self._list_pathway_tools,
            on_call_tool=self._call_pathway_tool,
        )

    async def serve_mcp_on_standard_streams(self) -> None:
        """Serve until the agent closes its end."""
        server = self.mcp_protocol_server()
        async with stdio_server() as (read_stream, write_stream):
            await server.run(read_stream, write_stream, server.create_initialization_options())

    async def _list_pathway_tools(self, _context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=self._pathway_tools())

    def _pathway_tools(self) -> list[types.Tool]:
        pathway, writer = self._runner.pathway, self._runner.gate.writer
        tools: list[types.Tool] = []
        for name in sorted(pathway.deployments):
            record = writer.registry.records.get(name)
            guide = writer.guides.guides.get(str(record.body.get("guide", ""))) if record else None
            needs_human = name in pathway.needs_human
            tools.append(
                types.Tool(
                    name=name,
                    description="needs a signed human step" if needs_human else "",
                    input_schema=_pathway_tool_json_schema(guide, needs_human),
                )
            )
        return tools

    async def _call_pathway_tool(
        self, _context: Any, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        verdict = await asyncio.get_running_loop().run_in_executor(
            self._thread,
            self._judge_and_record_tool_call,
            params.name,
            dict(params.arguments or {}),
        )
        if verdict.rule == NOT_LISTED:
            # By the standard an unknown tool is an error of the protocol and no result.
            name = params.name[:80].encode("utf-8", "replace").decode()
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {name}", {"rule": verdict.rule})
        return _mcp_verdict_result(verdict)

    def _judge_and_record_tool_call(self, name: str, arguments: dict[str, Any]) -> GateVerdict:
        statement = parse_human_step_decision_or_none(arguments.pop("statement", None))
        # An argument of that name would ask another model than the tool that was called.
        step = None if "deployment" in arguments else {"deployment": name} | arguments
        # Counted here and never taken from the agent, who could name a step that a person has
        # signed.
        verdict = self._runner.judge_and_record_pathway_step(
            self._step, step, statement, at=self._clock()
        )
        # Signed, the same call is the same step: nobody could sign it if each attempt had another.
        self._step += verdict.rule != HUMAN_STEP_MISSING
        return verdict


def _pathway_tool_json_schema(guide: DepartmentGuide | None, needs_human: bool) -> dict[str, Any]:
    """Return what an agent sends, with the facts that the guide declares."""
    facts: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
    if guide is not None:
        properties = {
            fact.name: {"type": "string", "description": f"{fact.meaning['en']}: {fact.wanted()}"}
            | ({} if fact.kind is GuideFactKind.NUMBER else {"enum": list(fact.words)})
            for fact in guide.facts.values()
        }
        facts = {"type": "object", "properties": properties, "additionalProperties": False}
    statement = {
        "type": "object",
        "description": "A person's signed answer to this call, from `clinic gate sign`.",
    }
    return {
        "type": "object",
        "properties": {
            "encounter": {"type": "string"},
            "facts": facts,
            **({"statement": statement} if needs_human else {}),
        },
        "required": ["encounter", "facts", *(["statement"] if needs_human else [])],
        "additionalProperties": False,
    }


def _mcp_verdict_result(verdict: GateVerdict) -> types.CallToolResult:
    content: Mapping[str, Any] = {
        "rule": verdict.rule, "score": verdict.score, "threshold": verdict.threshold,
        "finding": verdict.finding, "advice": verdict.advice, "detail": verdict.detail,
        "words": dict(verdict.words), "sign_off": verdict.sign_off,
    }  # fmt: skip
    text = json.dumps(content, ensure_ascii=False)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)],
        structured_content=content,
        is_error=not verdict.allows_advice,
    )
