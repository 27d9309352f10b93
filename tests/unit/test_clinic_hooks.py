"""The CDS Hooks service over its own protocol."""

import asyncio
import uuid

import httpx
import pytest

from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.engines.gateway.service import EXTENSION, CdsHooksService
from tests.clinic_factories import BODIES, GOOD, HOUR, KEYS, NOW, put, with_live


class Client:
    """One request at a time, in process."""

    def __init__(self, app):
        self.app = app

    def request(self, method, path, **given_):
        async def send():
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.request(method, path, **given_)

        return asyncio.run(send())

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, **given_):
        return self.request("POST", path, **given_)


@pytest.fixture
def made():
    desk = with_live()
    gate = AdviceGate(desk, "qmh", {"deployment/x": lambda _: 0.42}, by=KEYS["gateway"], salt=b"s")
    disclosure = {
        "deployment": "deployment/x",
        "encounter": gate.encounter_pseudonym("enc-1"),
        "language": "zh-Hant",
    }
    put(desk, "disclosure", "d", disclosure)
    service = CdsHooksService(
        gate,
        lambda: NOW + HOUR,
        lambda name, token: KEYS["clinician"] if (name, token) == ("dr-lee", "t") else None,
    )
    return desk, Client(service.cds_hooks_app())


def plain(encounter="enc-1"):
    """Return a request as the standard has it, with nothing of ours."""
    context = {"userId": "Practitioner/lee", "patientId": "pat-1", "encounterId": encounter}
    return {"hook": "patient-view", "hookInstance": str(uuid.uuid4()), "context": context}


def ask(client, encounter="enc-1", name="x", **extension):
    body = plain(encounter) | {"extension": {EXTENSION: {"facts": GOOD} | extension}}
    return client.post(f"/cds-services/{name}", json=body)


def told(answer):
    return answer.json()["extension"][EXTENSION]


def test_discovery_lists_what_is_live_here(made):
    [service] = made[1].get("/cds-services").json()["services"]
    assert set(service) == {"hook", "id", "title", "description", "prefetch"}
    assert (service["hook"], service["id"]) == ("patient-view", "x")
    assert service["title"] == "Medical imaging"
    assert service["prefetch"]["patient"] == "Patient/{{context.patientId}}"


def test_discovery_leaves_out_what_is_live_and_lost_its_approval(made):
    desk, client = made
    put(desk, "determination", "w", BODIES["determination"] | {"outcome": "withdrawn"})
    listed = client.get("/cds-services").json()
    assert listed["services"] == []
    [unavailable] = listed["extension"][EXTENSION]["unavailable"]
    assert (unavailable["id"], unavailable["rule"]) == ("x", "gate.approval-withdrawn")
    assert told(ask(client))["rule"] == "gate.approval-withdrawn"


def test_advice_is_on_record_before_it_is_answered_in_the_clinicians_language(made):
    desk, client = made
    answer = ask(client, language="zh-Hant")
    [card] = answer.json()["cards"]
    assert "0.42" in card["summary"]
    assert "放射科醫生" in card["summary"]
    record = desk.registry.records[told(answer)["advice"]]
    assert (record.body["score"], record.body["shown"]) == (0.42, True)
    assert "enc-1" not in str(dict(record.body))


def test_a_refusal_names_its_rule_gives_no_advice_and_is_on_record(made):
    desk, client = made
    answer = ask(client, encounter="enc-2")
    assert "score" not in str(answer.json()["cards"])
    assert told(answer)["rule"] == "gate.not-disclosed"
    assert "電腦模型" in told(answer)["words"]["zh-Hant"]
    last = list(desk.ledger.entries())[-1]
    assert (last.kind, last.body["rule"]) == ("gate.refusal", "gate.not-disclosed")
    unknown = ask(client, name="none")
    assert (unknown.status_code, unknown.json()["rule"]) == (404, "gate.unknown-deployment")


def test_feedback_is_signed_by_the_clinician_and_names_the_own_estimate_given_before(made):
    desk, client = made
    advice = told(ask(client, ownEstimate=0.2))["advice"]
    given = {"clinician": "dr-lee", "advice": advice, "outcome": "overridden", "reason": "disagree"}
    sent = client.post(
        "/cds-services/x/feedback",
        json={"extension": {EXTENSION: given}},
        headers={"authorization": "Bearer t"},
    )
    assert sent.status_code == 200
    assert desk.registry.clinician_saw_advice_first(advice) is False
    assert desk.registry.outcome_counts_by_decision("deployment/x")["overridden"]["not known"] == 1
    again = client.post(
        "/cds-services/x/feedback",
        json={"extension": {EXTENSION: given}},
        headers={"authorization": "Bearer t"},
    )
    assert again.status_code == 422


def test_feedback_without_a_signed_identity_is_refused(made):
    given = {"clinician": "nobody", "advice": "advice/1", "outcome": "accepted"}
    sent = made[1].post(
        "/cds-services/x/feedback",
        json={"extension": {EXTENSION: given}},
        headers={"authorization": "Bearer t"},
    )
    assert sent.status_code == 403


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"hook": NaN}', b"[" * 10_000])
def test_a_request_that_is_not_of_the_form_is_refused_with_its_place(made, body):
    answer = made[1].post("/cds-services/x", content=body)
    assert (answer.status_code, answer.json()["where"]) in {(400, "body"), (400, "hook")}


def test_an_estimate_out_of_bounds_is_refused_and_nothing_is_kept(made):
    desk, client = made
    size = desk.ledger.head().size
    assert ask(client, ownEstimate=7).status_code == 422
    assert desk.ledger.head().size == size
