"""The agents' server over its protocol."""

import json

import pytest

from commonwatt.clinic.engines.gateway import AdviceGate, Pathway, PathwayRunner, sign_human_step
from commonwatt.clinic.engines.gateway.mcp import McpServer
from tests.clinic_factories import GOOD, KEYS, NOW, put, with_live


@pytest.fixture
def server():
    desk = with_live()
    gate = AdviceGate(desk, "qmh", {"deployment/x": lambda _: 0.42}, by=KEYS["gateway"], salt=b"s")
    disclosure = {
        "deployment": "deployment/x",
        "encounter": gate.encounter_pseudonym("e"),
        "language": "en",
    }
    put(desk, "disclosure", "d", disclosure)
    pathway = Pathway(
        name="p",
        deployments=frozenset({"deployment/x"}),
        needs_human=frozenset({"deployment/x"}),
        roles=frozenset({"clinician"}),
        most_calls=9,
    )
    return McpServer(PathwayRunner(gate, pathway, "plan"), lambda: NOW)


def ask(server, method, **params):
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    return server.agent_request_response(line)


def call(server, statement=None, name="deployment/x", **arguments):
    given = {"encounter": "e", "facts": GOOD} | arguments
    if statement:
        given["statement"] = {
            "plan_id": statement.plan_id, "step": statement.step, "answer": statement.answer,
            "public_key": statement.public_key.hex(), "signature": statement.signature.hex(),
        }  # fmt: skip
    result = ask(server, "tools/call", name=name, arguments=given)["result"]
    return json.loads(result["content"][0]["text"]), result["isError"]


def test_an_agent_sees_only_what_its_pathway_lists(server):
    assert ask(server, "initialize")["result"]["capabilities"] == {"tools": {}}
    [tool] = ask(server, "tools/list")["result"]["tools"]
    assert (tool["name"], tool["description"]) == ("deployment/x", "needs a signed human step")


def test_a_call_with_a_signed_human_step_is_answered(server):
    answer, refused = call(server, sign_human_step("plan", 0, "go", KEYS["clinician"]))
    assert (answer["score"], refused) == (0.42, False)


def test_calls_are_refused_by_the_rule_named(server):
    assert call(server) == (
        {"rule": "agent.human-step-missing", "score": None, "advice": "", "detail": "",
         "sign_off": False}, True)  # fmt: skip
    assert call(server, name="deployment/y")[0]["rule"] == "agent.tool-not-listed"
    assert call(server, facts="all")[0]["rule"] == "agent.malformed"
    assert call(server, extra=1)[0]["rule"] == "agent.malformed"


@pytest.mark.parametrize(("line", "code"), [("x", -32700), ("[]", -32600), ("{}", -32600),
                                            ('{"id": 1, "method": "run"}', -32601)])  # fmt: skip
def test_lines_that_are_no_request_are_answered_as_errors(server, line, code):
    assert server.agent_request_response(line)["error"]["code"] == code


def test_a_notification_gets_no_answer(server):
    assert list(server.serve_agent_requests(['{"method": "notifications/initialized"}', "x"])) == [
        '{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "not JSON"}}'
    ]
