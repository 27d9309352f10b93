"""The agents' server as the official client meets it, over every version of the protocol."""

import asyncio

import pytest
from mcp import Client
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from commonwatt.clinic.engines.gateway import (
    AdviceGate,
    AgentCall,
    Pathway,
    PathwayRunner,
    sign_human_step,
)
from commonwatt.clinic.engines.gateway.agents import AGENT_CALL
from commonwatt.clinic.engines.gateway.mcp import McpServer
from tests.clinic_factories import GOOD, KEYS, NOW, with_live

CALL = AgentCall("deployment/x", "e", GOOD)


@pytest.fixture
def made():
    desk = with_live()
    gate = AdviceGate(desk, "qmh", {"deployment/x": lambda _: 0.42}, by=KEYS["gateway"], salt=b"s")
    gate.record_patient_disclosure("deployment/x", "e", "en", by=KEYS["clinician"], at=NOW)
    pathway = Pathway(
        name="p",
        deployments=frozenset({"deployment/x"}),
        needs_human=frozenset({"deployment/x"}),
        roles=frozenset({"clinician"}),
        most_calls=9,
    )
    return gate, McpServer(PathwayRunner(gate, pathway, "plan"), lambda: NOW)


def talk(server, conversation):
    async def session():
        async with Client(server.mcp_protocol_server()) as client:
            return await conversation(client)

    return asyncio.run(session())


def signed(step=0, answer="yes", call=CALL):
    return sign_human_step("plan", step, call, answer, KEYS["clinician"], at=NOW).as_dict()


def call(server, *arguments):
    async def conversation(client):
        return [await client.call_tool("deployment/x", each) for each in arguments]

    return [(r.structured_content, r.is_error) for r in talk(server, conversation)]


def test_an_agent_sees_only_what_its_pathway_lists_and_which_facts_it_asks_for(made):
    async def conversation(client):
        return (await client.list_tools()).tools

    [tool] = talk(made[1], conversation)
    assert (tool.name, tool.description) == ("deployment/x", "needs a signed human step")
    facts = tool.input_schema["properties"]["facts"]
    assert facts["properties"]["quality"]["enum"] == ["good", "adequate", "poor"]
    assert "130 year" in facts["properties"]["age_years"]["description"]
    assert facts["additionalProperties"] is False


def test_a_call_with_a_signed_human_step_is_answered(made):
    arguments = {"encounter": "e", "facts": GOOD, "statement": signed()}
    [(answer, refused)] = call(made[1], arguments)
    assert (answer["score"], answer["threshold"], answer["finding"]) == (0.42, 0.3, True)
    assert not refused


def test_calls_are_refused_by_the_rule_named(made):
    plain = {"encounter": "e", "facts": GOOD}
    answers = call(
        made[1],
        plain,
        plain | {"statement": signed(0, "no")},
        plain | {"statement": signed(1, call=CALL._replace(encounter="f"))},
        plain | {"facts": "all"},
        plain | {"extra": 1},
        plain | {"deployment": "deployment/y"},
        {},
    )
    assert all(refused for _, refused in answers)
    assert [answer["rule"] for answer, _ in answers] == [
        "agent.human-step-missing", "agent.human-refused", "agent.statement-of-another-call",
        "agent.malformed", "agent.malformed", "agent.malformed", "agent.malformed",
    ]  # fmt: skip
    assert {answer["score"] for answer, _ in answers} == {None}
    assert answers[0][0]["detail"] == "plan plan, step 0"


def test_a_step_that_waits_for_a_person_is_the_same_step_when_it_is_signed(made):
    plain = {"encounter": "e", "facts": GOOD}
    answers = call(made[1], plain, plain, plain | {"statement": signed(0)})
    assert [refused for _, refused in answers] == [True, True, False]
    again = McpServer(PathwayRunner(made[0], made[1]._runner.pathway, "plan"), lambda: NOW)
    [(answer, _)] = call(again, plain)
    assert answer["detail"] == "plan plan, step 1"


def test_a_tool_that_is_not_listed_is_an_error_of_the_protocol_and_on_record(made):
    gate, server = made

    async def conversation(client):
        await client.call_tool("deployment/y", {"encounter": "e", "facts": GOOD})

    with pytest.raises(BaseExceptionGroup) as raised:
        talk(server, conversation)
    [error] = leaves(raised.value)
    assert isinstance(error, MCPError)
    assert (error.error.code, error.error.data) == (-32602, {"rule": "agent.tool-not-listed"})
    assert list(gate.writer.ledger.entries(kind=AGENT_CALL))[-1].body["rule"] == (
        "agent.tool-not-listed"
    )


def leaves(error):
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]


@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
def test_every_version_of_the_protocol_is_spoken_and_pinged(made, version):
    """The methods that an agent needs, in the raw words of each version."""
    handshake = {"protocolVersion": version, "capabilities": {},
                 "clientInfo": {"name": "agent", "version": "1"}}  # fmt: skip
    answers = raw(
        made[1],
        ("ping", {}),  # even before the handshake
        ("initialize", handshake),
        ("ping", {}),
        ("tools/list", {}),
        ("tools/call", {"name": "deployment/x", "arguments": {"encounter": "e", "facts": GOOD}}),
        ("no/such", {}),
    )
    assert answers[0]["result"] == answers[2]["result"] == {}
    assert answers[1]["result"]["protocolVersion"] == version
    assert answers[1]["result"]["serverInfo"]["name"] == "commonwatt-clinic"
    assert [tool["name"] for tool in answers[3]["result"]["tools"]] == ["deployment/x"]
    assert answers[4]["result"]["isError"] is True
    assert answers[5]["error"]["code"] == -32601


def raw(server, *requests):
    from mcp.shared.message import SessionMessage
    from mcp_types import JSONRPCNotification, JSONRPCRequest

    async def session():
        answers = []
        async with create_client_server_memory_streams() as (client, other):
            protocol = server.mcp_protocol_server()
            running = asyncio.create_task(
                protocol.run(*other, protocol.create_initialization_options())
            )
            read, write = client
            for number, (method, params) in enumerate(requests):
                request = JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)
                await write.send(SessionMessage(request))
                answer = await read.receive()
                answers.append(answer.message.model_dump(by_alias=True, exclude_unset=True))
                if method == "initialize":
                    told = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
                    await write.send(SessionMessage(told))
            running.cancel()
        return answers

    return asyncio.run(session())


def test_the_official_client_session_is_the_one_that_is_imported():
    assert ClientSession.__module__.startswith("mcp.")
