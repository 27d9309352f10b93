"""The CDS Hooks service over its own protocol."""

import asyncio
import json
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


JSON = {"content-type": "application/json"}


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
    answer = made[1].post("/cds-services/x", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["where"]) in {(400, "body"), (400, "hook")}


def test_an_estimate_out_of_bounds_is_refused_and_nothing_is_kept(made):
    desk, client = made
    size = desk.ledger.head().size
    assert ask(client, ownEstimate=7).status_code == 422
    assert desk.ledger.head().size == size


def disclose(client, token="t", encounter="enc-9", name="x", language="zh-Hant"):
    extension = {"clinician": "dr-lee", "language": language}
    body = {"context": {"encounterId": encounter}, "extension": {EXTENSION: extension}}
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return client.post(f"/cds-services/{name}/disclosure", json=body, headers=headers)


def test_a_patient_is_told_through_the_service_under_the_clinicians_key(made):
    desk, client = made
    assert told(ask(client, encounter="enc-9"))["rule"] == "gate.not-disclosed"
    answer = disclose(client)
    assert answer.status_code == 201
    assert "電腦模型" in told(answer)["notice"]
    record = desk.registry.records[told(answer)["disclosure"]]
    assert record.body["language"] == "zh-Hant"
    assert "enc-9" not in str(dict(record.body))
    assert told(ask(client, encounter="enc-9"))["rule"] == "gate.allowed"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"token": "wrong"}, 403),
        ({"token": ""}, 403),
        ({"encounter": ""}, 400),
        ({"encounter": " "}, 400),
        ({"encounter": "e" * 201}, 400),
        ({"name": "none"}, 422),
        ({"language": "tlh"}, 422),
        ({"language": ""}, 422),
    ],
)
def test_what_is_no_disclosure_is_refused_and_nothing_is_kept(made, wrong, status):
    desk, client = made
    size = desk.ledger.head().size
    assert disclose(client, **wrong).status_code == status
    assert desk.ledger.head().size == size


def test_facts_of_json_are_read_as_a_guide_spells_them(made):
    client = made[1]
    facts = GOOD | {"age_years": 50, "series_complete": True, "metal_in_view": False}
    assert told(ask(client, facts=facts))["rule"] == "gate.allowed"
    for odd in (None, [50], {"years": 50}, True):
        answer = told(ask(client, facts=GOOD | {"age_years": odd}))
        assert (answer["rule"], answer["detail"]) == ("gate.invalid-fact", "age_years")


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("quality", "gate.invalid-fact"),
        ("surname", "gate.invalid-fact"),
    ],
)
def test_half_a_letter_in_a_request_is_answered_by_a_rule(made, place, rule):
    # JSON can spell one half of a UTF-16 pair, which is no text in any other place.
    half = "\\ud800"
    facts = GOOD | ({place: "HALF"} if place == "quality" else {})
    facts |= {"HALF": "x"} if place == "surname" else {}
    body = plain() | {"extension": {EXTENSION: {"facts": facts}}}
    content = json.dumps(body).replace("HALF", half).encode()
    answer = made[1].post("/cds-services/x", content=content, headers=JSON)
    assert (answer.status_code, told(answer)["rule"]) == (200, rule)


@pytest.mark.parametrize("place", ["encounterId", "patientId", "hookInstance", "more"])
def test_half_a_letter_where_the_standard_has_an_id_is_refused(made, place):
    body = plain()
    sound = made[1].post("/cds-services/x", json=body | {"extension": {EXTENSION: {"facts": GOOD}}})
    assert sound.status_code == 200
    if place in body["context"]:
        body["context"][place] = "HALF"
    else:
        body |= {place: "HALF"} if place in body else {"HALF": None}
    content = json.dumps(body).replace("HALF", "\\ud800").encode()
    assert made[1].post("/cds-services/x", content=content, headers=JSON).status_code == 400


def test_below_the_threshold_the_card_says_that_there_is_no_finding(made):
    desk, client = made
    verdict = told(ask(client))
    assert (verdict["finding"], verdict["threshold"]) == (True, 0.3)
    low = AdviceGate(desk, "qmh", {"deployment/x": lambda _: 0.02}, by=KEYS["gateway"], salt=b"s")
    service = CdsHooksService(low, lambda: NOW + HOUR, lambda name, token: None)
    answer = ask(Client(service.cds_hooks_app()))
    [card] = answer.json()["cards"]
    assert card["summary"].startswith("No finding: score 0.02 is below the threshold 0.30")
    assert told(answer)["finding"] is False


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"a": 1, "hook": "patient-view", "hook": "patient-view"}', "hook"),
        ('{"context": {"encounterId": "enc-1", "encounterId": "enc-2"}}', "encounterId"),
        (
            '{"extension": {"org.commonwatt": {"facts": {"red_flag": "yes", "red_flag": "no"}}}}',
            "red_flag",
        ),
        ('{"prefetch": {"patient": {"id": "1", "id": "2"}}}', "id"),
    ],
)
def test_what_is_said_twice_is_refused_and_named(made, text, name):
    desk, client = made
    size = desk.ledger.head().size
    answer = client.post("/cds-services/x", content=text, headers=JSON)
    assert answer.status_code == 400
    assert f"{name} stands twice" in answer.text
    assert desk.ledger.head().size == size


@pytest.mark.parametrize("estimate", ["0.3", True, [0.3], {}])
def test_an_own_estimate_that_cannot_be_kept_is_refused_and_not_dropped(made, estimate):
    desk, client = made
    size = desk.ledger.head().size
    answer = ask(client, ownEstimate=estimate)
    assert (answer.status_code, desk.ledger.head().size) == (400, size)
    assert "ownEstimate" in answer.text
    assert ask(client, ownEstimate=None).status_code == 200


@pytest.mark.parametrize(("kind", "code"), [
    ("text/plain", 415), ("text/plain;charset=UTF-8", 415), (None, 415), ("text/json", 415),
    ("application/x-www-form-urlencoded", 415),
    ("multipart/form-data; boundary=application/json", 415),
    ("application/json", 200), ("Application/JSON; charset=utf-8", 200),
])  # fmt: skip
@pytest.mark.parametrize("path", ["", "/feedback", "/disclosure"])
def test_a_body_that_is_not_said_to_be_json_is_not_read(made, kind, code, path):
    headers = {} if kind is None else {"content-type": kind}
    text = json.dumps({}).encode()
    answer = made[1].post(f"/cds-services/x{path}", content=text, headers=headers)
    # An empty request in JSON is read, and refused for what it lacks.
    assert (answer.status_code == 415) == (code == 415)
    if code == 415:
        assert answer.json()["where"] == "content-type"
        assert answer.json()["wanted"] == answer.headers["accept"] == "application/json"
