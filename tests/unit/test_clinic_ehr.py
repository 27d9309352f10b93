"""A record system plays CDS Hooks 2.0 against the gate that the command serves."""

import json
import re
import subprocess
import sys
import time
import uuid

import pytest
from markdown_it import MarkdownIt

from commonwatt.ledger import Ledger, actor_id_of
from tests import ehr_simulator as sim
from tests.clinic_institution import KEYS, TOKEN, hospital

ISSUER, FETCHED = "https://ehr.example/", "https://cloud-ehr.example/"
SERVICE = "/cds-services/x"
ORIGIN = "https://ehr.example"
SETTINGS = """
[cds_hooks]
base_url = "{base}"
origins = ["{origin}"]

[cds_hooks.clients."{issuer}"]
keys = "ehr-keys.json"

[cds_hooks.clients."{fetched}"]
jku = "{host}/jwks"
loopback = true

[cds_hooks.fhir."{fhir}"]
timeout_s = 2.0
loopback = true
"""


class Served:
    """The gate of a hospital in a process of its own, and the record system beside it."""

    def __init__(self, folder, stub, share=0.0, more=()):
        self.folder, self.stub = folder, stub
        self.key, self.cloud_key = sim.signing_key(), sim.signing_key("RSA", "cloud-1")
        hospital(folder, share=share).ledger.engine.dispose()
        (folder / "ehr-keys.json").write_text(json.dumps(sim.public_set(self.key)))
        stub.jwks = sim.public_set(self.cloud_key)
        file = folder / "qmh.toml"
        users = 'users = ["Practitioner/lee"]\n\n[pathways'
        text = file.read_text().replace("\n[pathways", users, 1)
        settings = SETTINGS.format(base=sim.BASE_URL, origin=ORIGIN, issuer=ISSUER,
                                   fetched=FETCHED, host=stub.host, fhir=stub.base)  # fmt: skip
        file.write_text(text + settings)
        self.start(*more)

    def start(self, *more):
        command = [sys.executable, "-m", "commonwatt", "clinic", "gate", "serve", "--port", "0"]
        given = ["--institution", "qmh.toml", "--key", "gateway.pem", *more]
        self.process = subprocess.Popen(
            [*command, *given], cwd=self.folder, stderr=subprocess.PIPE, text=True
        )
        lines = []
        while not (
            found := re.search(r"(https?://[^/]+/cds-services)", lines[-1] if lines else "")
        ):
            lines.append(self.process.stderr.readline())
            assert lines[-1], "".join(lines)
        self.address = found[1]
        # The whole second after the start: a token from before it is refused.
        time.sleep(1 - time.time() % 1)
        self.ehr = sim.Ehr(self.address, self.stub, self.key, ISSUER)
        self.cloud = sim.Ehr(
            self.address, self.stub, self.cloud_key, FETCHED, f"{self.stub.host}/jwks"
        )

    def stop(self):
        self.ehr.close()
        self.cloud.close()
        self.process.terminate()
        self.process.communicate()

    def entries(self):
        ledger = Ledger.open(f"sqlite:///{self.folder}/ledger.db", create=False)
        try:
            return list(ledger.entries())
        finally:
            ledger.engine.dispose()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with sim.fhir_stub() as stub:
        gate = Served(tmp_path_factory.mktemp("hospital"), stub)
        yield gate
        gate.stop()


@pytest.fixture
def patient(served):
    """A patient of whom the FHIR server knows all that the guide asks, and who was not told."""
    name = f"pat-{uuid.uuid4().hex[:8]}"
    served.stub.resources += sim.chart(name)
    served.stub.redirect_to, served.stub.wait_s, served.stub.page_of = "", 0.0, 100
    return name


@pytest.fixture
def told(served, patient):
    """A patient who was told, by the card that asks for it."""
    [card] = served.ehr.view(patient).json()["cards"]
    assert served.ehr.feedback(sim.accepted(card, "English")).status_code == 200
    return patient


@pytest.fixture
def card(served, told):
    [card] = served.ehr.view(told).json()["cards"]
    return card


def walk(document, path=""):
    if isinstance(document, dict):
        for name, member in document.items():
            yield f"{path}.{name}", member
            yield from walk(member, f"{path}.{name}")
    elif isinstance(document, list):
        for member in document:
            yield from walk(member, f"{path}[]")


# Discovery


def test_discovery_stands_at_its_place_and_describes_each_service(served):
    answer = served.ehr.discover()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    [service] = answer.json()["services"]
    for name in ("hook", "description", "id", "title"):
        assert isinstance(service[name], str)
        assert service[name]
    assert service["hook"] == "patient-view"
    assert set(service) <= {"hook", "title", "description", "id", "prefetch", "usageRequirements",
                            "extension"}  # fmt: skip


def test_prefetch_templates_use_tokens_and_queries_of_the_standard_only(served):
    [service] = served.ehr.discover().json()["services"]
    eligible = {"context.userId", "context.patientId", "context.encounterId", "userPractitionerId",
                "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"}  # fmt: skip
    for key, template in service["prefetch"].items():
        assert isinstance(key, str)
        assert set(re.findall(r"\{\{(.*?)\}\}", template)) <= eligible
        assert re.fullmatch(r"[A-Z]\w+(/[^?/]+|\?[^?]+)", template)
        names = re.findall(r"[?&]([^=&]+)=", template)
        assert all(re.fullmatch(r"_count|_sort|[a-z-]+(:in)?", name) for name in names)


def test_no_answer_holds_null_or_empty_members(served, told):
    answers = [served.ehr.discover().json(), served.ehr.view(told).json()]
    assert answers[1]["cards"]
    for answer in answers:
        for path, member in walk(answer):
            assert member not in (None, "", [], {}), path
    # An empty array of cards is what the standard has for no guidance.
    child = f"{told}-child"
    served.stub.resources += sim.chart(child, born="2020-01-01")
    assert served.ehr.view(child).json()["cards"] == []


# Calling a service


def test_a_plain_call_with_prefetch_gets_its_card(served, card):
    assert set(card) <= {"uuid", "summary", "detail", "indicator", "source", "suggestions",
                         "selectionBehavior", "overrideReasons", "links", "extension"}  # fmt: skip


@pytest.mark.parametrize("release", ["R4B", "R5"])
def test_both_releases_of_fhir_are_read(served, release):
    name = f"pat-{release.lower()}"
    served.stub.resources += sim.chart(name, release)
    answer = served.ehr.view(name)
    assert answer.status_code == 200
    # All facts were read: what is missing is that the patient was told, and nothing else.
    assert answer.json()["extension"]["org.commonwatt"]["rule"] == "gate.not-disclosed"


@pytest.mark.parametrize(
    ("member", "value", "where"),
    [
        ("hook", None, "hook"),
        ("hook", "order-sign", "hook"),
        ("hookInstance", None, "hookInstance"),
        ("hookInstance", "1", "hookInstance"),
        ("hookInstance", "", "hookInstance"),
        ("context", None, "context"),
        ("context", {"userId": "Practitioner/lee"}, "context.patientId"),
        ("context", {"patientId": "p"}, "context.userId"),
        ("context", {"patientId": "p", "userId": "lee"}, "context.userId"),
        ("context", {"patientId": "p", "userId": "Device/1"}, "context.userId"),
        ("context", {"patientId": "../p", "userId": "Practitioner/lee"}, "context.patientId"),
        ("context", {"patientId": "p", "userId": "Patient/p", "encounterId": 7},
         "context.encounterId"),
        ("prefetch", [], "prefetch"),
        ("extension", ["a"], "extension"),
        ("fhirServer", "ftp://ehr.example", "fhirServer"),
    ],
)  # fmt: skip
def test_a_call_that_is_not_of_the_form_is_refused_with_its_place(
    served, told, member, value, where
):
    assert served.ehr.view(told).status_code == 200
    body = served.ehr.call(told)
    if value is None:
        del body[member]
    else:
        body[member] = value
    answer = served.ehr.hook(body)
    assert (answer.status_code, answer.json()["where"]) == (400, where)


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_a_null_or_empty_member_of_a_call_is_refused(served, told, empty):
    body = served.ehr.call(told)
    body["context"]["encounterId"] = empty
    answer = served.ehr.hook(body)
    assert (answer.status_code, answer.json()["where"]) == (400, "context.encounterId")


def test_an_unknown_service_is_not_there(served, told):
    assert served.ehr.hook(served.ehr.call(told), service="none").status_code == 404
    assert served.ehr.feedback({}, service="none").status_code == 404


def test_without_an_encounter_the_advice_is_bound_to_the_patient(served, told):
    [bound] = served.ehr.view(told).json()["cards"]
    assert "score" in bound["summary"]
    # The encounter of the same patient is another one, of which nobody was told yet.
    answer = served.ehr.view(told, encounter=told).json()
    assert answer["extension"]["org.commonwatt"]["rule"] == "gate.not-disclosed"
    assert told not in "".join(entry.text for entry in served.entries())


# Data


def test_a_null_prefetch_says_that_there_are_no_data(served, told):
    [service] = served.ehr.discover().json()["services"]
    answers = served.ehr.prefetch(service["prefetch"], served.ehr.context(told))
    # No surgery is on record there, which the guide reads as none.
    assert answers["surgery"] is None
    assert served.ehr.hook(served.ehr.call(told, prefetch=answers)).json()["cards"]


@pytest.mark.parametrize("missing", ["patient", "study", "grading", "surgery"])
def test_a_missing_prefetch_key_that_cannot_be_read_is_a_failed_precondition(served, told, missing):
    [service] = served.ehr.discover().json()["services"]
    answers = served.ehr.prefetch(service["prefetch"], served.ehr.context(told))
    whole = served.ehr.hook(served.ehr.call(told, prefetch=answers))
    assert whole.status_code == 200
    del answers[missing]
    answer = served.ehr.hook(served.ehr.call(told, prefetch=answers))
    assert (answer.status_code, answer.json()["prefetch"]) == (412, [missing])


def test_an_operation_outcome_in_the_prefetch_is_no_answer(served, told):
    [service] = served.ehr.discover().json()["services"]
    answers = served.ehr.prefetch(service["prefetch"], served.ehr.context(told))
    answers["surgery"] = {"resourceType": "OperationOutcome",
                          "issue": [{"severity": "error", "code": "timeout"}]}  # fmt: skip
    assert served.ehr.hook(served.ehr.call(told, prefetch=answers)).status_code == 412


def test_missing_prefetch_is_read_from_the_fhir_server_with_the_token_of_the_call(served, told):
    served.stub.calls.clear()
    answer = served.ehr.hook(served.ehr.call(told, access=True))
    assert answer.json()["cards"]
    assert len(served.stub.calls) == 4
    assert {token for _, token in served.stub.calls} == {f"Bearer {sim.ACCESS_TOKEN}"}
    # The token is transient: neither the ledger nor the log has it.
    kept = [path for path in served.folder.rglob("*") if path.is_file()]
    assert not [path for path in kept if sim.ACCESS_TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "change",
    [
        {"scope": "user/Patient.read"},
        {"scope": "user/*.write"},
        {"expires_in": 0},
        {"access_token": "another"},
    ],
)
def test_a_token_that_does_not_reach_leads_to_a_failed_precondition(served, told, change):
    body = served.ehr.call(told, access=True)
    assert served.ehr.hook(body).status_code == 200
    body["fhirAuthorization"] |= change
    assert served.ehr.hook(body).status_code == 412


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"access_token": None}, "access_token"),
        ({"access_token": "a\r\nb: c"}, "access_token"),
        ({"token_type": "mac"}, "token_type"),
        ({"expires_in": "300"}, "expires_in"),
        ({"scope": None}, "scope"),
        ({"subject": None}, "subject"),
        ({"patient": "another"}, "patient"),
    ],
)
def test_an_authorization_that_is_not_of_the_form_is_refused(served, told, change, where):
    body = served.ehr.call(told, access=True)
    authorization = {k: v for k, v in sim.grant(**change).items() if v is not None}
    answer = served.ehr.hook(body | {"fhirAuthorization": authorization})
    assert (answer.status_code, answer.json()["where"]) == (400, f"fhirAuthorization.{where}")


def test_an_authorization_needs_its_server(served, told):
    body = served.ehr.call(told, access=True)
    del body["fhirServer"]
    answer = served.ehr.hook(body)
    assert (answer.status_code, answer.json()["where"]) == (400, "fhirServer")


def test_no_server_is_asked_that_the_institution_file_does_not_name(served, told):
    with sim.fhir_stub() as other:
        other.resources = served.stub.resources
        body = served.ehr.call(told, access=True) | {"fhirServer": other.base}
        assert served.ehr.hook(body).status_code == 412
        # Neither by a redirect of the one that it does name.
        served.stub.redirect_to = f"{other.base}/Patient/{told}"
        assert served.ehr.hook(served.ehr.call(told, access=True)).status_code == 412
        assert other.calls == []


def test_a_server_that_is_slow_holds_up_a_call_for_so_long_and_no_longer(served, told):
    served.stub.wait_s = 5.0
    assert served.ehr.hook(served.ehr.call(told, access=True)).status_code == 412


def test_pages_are_read_to_the_end_and_on_the_same_server_only(served, told):
    served.stub.page_of = 1
    assert served.ehr.hook(served.ehr.call(told, access=True)).json()["cards"]


def test_data_of_another_patient_are_refused(served, told, patient):
    other = f"{patient}-b"
    served.stub.resources += sim.chart(other)
    [service] = served.ehr.discover().json()["services"]
    for key in ("patient", "study", "grading"):
        answers = served.ehr.prefetch(service["prefetch"], served.ehr.context(told))
        swapped = served.ehr.prefetch(service["prefetch"], served.ehr.context(other))
        answer = served.ehr.hook(served.ehr.call(told, prefetch=answers | {key: swapped[key]}))
        assert (answer.status_code, answer.json()["where"]) == (400, f"prefetch.{key}")


def test_what_is_no_fhir_is_refused(served, told):
    [service] = served.ehr.discover().json()["services"]
    answers = served.ehr.prefetch(service["prefetch"], served.ehr.context(told))
    for odd in ({"resourceType": "Patient", "birthDate": "long ago"}, {"a": 1}, "x", 7, [],
                {"resourceType": "Observation"}):  # fmt: skip
        answer = served.ehr.hook(served.ehr.call(told, prefetch=answers | {"patient": odd}))
        assert (answer.status_code, answer.json()["where"]) == (400, "prefetch.patient"), odd


def test_what_the_service_did_not_ask_for_is_not_read(served, told):
    [service] = served.ehr.discover().json()["services"]
    answers = served.ehr.prefetch(service["prefetch"], served.ehr.context(told))
    more = answers | {"secrets": {"resourceType": "Nonsense"}}
    assert served.ehr.hook(served.ehr.call(told, prefetch=more)).json()["cards"]


# Cards


def test_a_card_has_what_the_standard_requires(card):
    assert uuid.UUID(card["uuid"])
    assert 0 < len(card["summary"]) < 140
    assert card["indicator"] in {"info", "warning", "critical"}
    assert card["source"]["label"]
    assert set(card["source"]["topic"]) == {"system", "code", "display"}


def test_suggestions_come_with_their_selection_behaviour(card):
    assert card["selectionBehavior"] in {"at-most-one", "any"}
    for suggestion in card["suggestions"]:
        assert suggestion["label"]
        assert uuid.UUID(suggestion["uuid"])
        # Nothing is changed in the record by agreeing.
        assert "actions" not in suggestion


def test_override_reasons_are_codings_with_a_display(card):
    assert {reason["code"] for reason in card["overrideReasons"]} >= {"artefact", "disagree"}
    for reason in card["overrideReasons"]:
        assert all(reason[name] for name in ("code", "system", "display"))


def test_the_detail_is_github_markdown(card):
    html = MarkdownIt("gfm-like", {"linkify": False}).render(card["detail"])
    assert "<table>" in html
    assert "deployment" in html.lower()


def test_the_answer_proposes_nothing_to_apply_by_itself(served, told):
    answer = served.ehr.view(told).json()
    assert set(answer) == {"cards", "extension"}


def test_extensions_are_objects_and_named_by_their_owner(served, told):
    for path, member in walk([served.ehr.discover().json(), served.ehr.view(told).json()]):
        if path.endswith(".extension"):
            assert isinstance(member, dict)
            assert set(member) == {"org.commonwatt"}


def test_a_plain_client_needs_no_extension(served, patient):
    """From an untold patient to a signed decision by members of the standard alone."""

    def plain(answer):
        assert answer.status_code == 200
        return json.loads(json.dumps(answer.json()), object_hook=lambda each: {
            name: member for name, member in each.items() if name != "extension"})  # fmt: skip

    [question] = plain(served.ehr.view(patient))["cards"]
    assert "Tell the patient" in question["summary"]
    plain(served.ehr.feedback(sim.accepted(question, "English")))
    [advice] = plain(served.ehr.view(patient))["cards"]
    assert "score" in advice["summary"]
    plain(served.ehr.feedback(sim.accepted(advice)))
    decision = served.entries()[-1]
    assert (decision.kind, decision.body["outcome"]) == ("clinic.decision", "accepted")
    assert decision.actor_id == actor_id_of(KEYS["clinician"].public_key)


# Feedback


def test_feedback_takes_reasons_and_drops_what_somebody_typed(served, card):
    reason = card["overrideReasons"][0]
    coding = {name: reason[name] for name in ("system", "code")}
    override = {"reason": coding, "userComment": "Mrs Chan has a pacemaker"}
    sent = served.ehr.feedback(sim.report(card, overrideReason=override))
    assert sent.status_code == 200
    decision = served.entries()[-1]
    assert (decision.body["outcome"], decision.body["reason"]) == ("overridden", reason["code"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+Z", decision.body["acted_at"])
    assert "Chan" not in "".join(entry.text for entry in served.entries())


def test_feedback_without_a_reason_is_taken(served, card):
    assert served.ehr.feedback(sim.report(card)).status_code == 200
    assert "reason" not in served.entries()[-1].body


def test_a_reason_of_the_record_systems_own_is_taken_as_such(served, card):
    override = {"reason": {"system": "https://ehr.example/reasons", "code": "Mrs Chan"}}
    assert served.ehr.feedback(sim.report(card, overrideReason=override)).status_code == 200
    assert served.entries()[-1].body["reason"] == "reason-of-the-record-system"


def test_the_same_feedback_may_come_more_than_once_and_another_may_not(served, card):
    assert served.ehr.feedback(sim.report(card), sim.report(card)).status_code == 200
    size = len(served.entries())
    assert served.ehr.feedback(sim.report(card)).status_code == 200
    assert served.ehr.feedback(sim.accepted(card)).status_code == 409
    assert len(served.entries()) == size


def test_feedback_on_several_cards_is_recorded_whole_or_not_at_all(served, told):
    [[first], [second]] = [served.ehr.view(told).json()["cards"] for _ in range(2)]
    size = len(served.entries())
    unknown = {"uuid": str(uuid.uuid4())}
    assert served.ehr.feedback(sim.report(first), sim.report(unknown)).status_code == 404
    assert len(served.entries()) == size
    assert served.ehr.feedback(sim.report(first), sim.report(second)).status_code == 200
    assert len(served.entries()) == size + 2


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"card": None}, "feedback[0].card"),
        ({"outcome": None}, "feedback[0].outcome"),
        ({"outcome": "ignored"}, "feedback[0].outcome"),
        ({"outcomeTimestamp": None}, "feedback[0].outcomeTimestamp"),
        ({"outcomeTimestamp": "yesterday"}, "feedback[0].outcomeTimestamp"),
        ({"outcomeTimestamp": "2026-11-30T10:00:00+08:00"}, "feedback[0].outcomeTimestamp"),
        ({"outcome": "accepted"}, "feedback[0].acceptedSuggestions"),
        ({"acceptedSuggestions": [{}]}, "feedback[0].acceptedSuggestions[0].id"),
        ({"overrideReason": {"reason": {"code": "x"}}}, "feedback[0].overrideReason.reason.system"),
    ],
)
def test_feedback_that_is_not_of_the_form_is_refused_with_its_place(served, card, change, where):
    whole = {k: v for k, v in (sim.report(card) | change).items() if v is not None}
    answer = served.ehr.feedback(whole)
    assert (answer.status_code, answer.json()["where"]) == (400, where)
    assert served.ehr.feedback(sim.report(card)).status_code == 200


def test_feedback_is_an_object_with_a_list(served):
    for body in ({}, {"feedback": []}, {"feedback": {}}, []):
        answer = served.ehr.send("POST", f"{SERVICE}/feedback", body)
        assert answer.status_code == 400, body


def test_a_suggestion_of_another_card_is_none_of_this(served, told, card):
    [other] = served.ehr.view(told).json()["cards"]
    mixed = sim.accepted(card) | {"acceptedSuggestions": sim.accepted(other)["acceptedSuggestions"]}
    assert served.ehr.feedback(mixed).status_code == 404
    assert served.ehr.feedback(sim.accepted(card)).status_code == 200


def test_feedback_of_a_user_whom_nobody_knows_is_not_signed_by_anybody(served, told):
    stranger = sim.Ehr(served.address, served.stub, served.key, ISSUER)
    stranger.user = "Practitioner/stranger"
    [shown] = stranger.view(told).json()["cards"]
    size = len(served.entries())
    assert stranger.feedback(sim.report(shown)).status_code == 403
    stranger.close()
    assert len(served.entries()) == size


def test_a_clinicians_own_token_still_signs(served, card):
    body = {
        "feedback": [sim.report(card)],
        "extension": {"org.commonwatt": {"clinician": "dr-lee"}},
    }
    path = f"{SERVICE}/feedback"
    assert served.ehr.send("POST", path, body, token=TOKEN).status_code == 200
    assert served.ehr.send("POST", path, body, token="another").status_code == 401


# Trust


def bad_tokens(ehr, other_key):
    now = int(time.time())
    yield "no key of the client", {"key": other_key}
    yield "unknown issuer", {"iss": "https://somebody.example/"}
    yield "expired", {"iat": now - 1000, "exp": now - 500}
    yield "of the past", {"iat": now - 1000, "exp": now + 200}
    yield "for too long", {"exp": now + 90_000}
    yield "from the future", {"iat": now + 600, "exp": now + 700}
    for odd in (float("nan"), float("inf"), 10**400, True, str(now + 100), None):
        yield f"exp {odd}", {"exp": odd}
        yield f"iat {odd}", {"iat": odd}
    yield "another address", {"aud": f"{sim.BASE_URL}/cds-services/y"}
    yield "the base address", {"aud": sim.BASE_URL}
    for name in ("iss", "aud", "exp", "iat", "jti"):
        yield f"no {name}", {name: None}
    yield "no kid", {"header": {"kid": None}}
    yield "unknown kid", {"header": {"kid": "other"}}
    yield "no typ", {"header": {"typ": None}}
    yield "another typ", {"header": {"typ": "at+jwt"}}
    yield "address of keys", {"header": {"jku": f"{ehr.fhir.host}/jwks"}}


def test_a_call_is_answered_only_with_a_token_that_holds(served, told):
    ehr, other = served.ehr, sim.signing_key()
    body = ehr.call(told, access=True)
    for name, change in bad_tokens(ehr, other):
        # The twin of the same generator goes through, so that nothing else refuses.
        assert ehr.hook(body, token=ehr.token(SERVICE)).status_code == 200, name
        answer = ehr.hook(body, token=ehr.token(SERVICE, **change))
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), name
    assert ehr.hook(body, token="no.token.atall").status_code == 401


def test_a_token_holds_for_an_array_of_addresses_too(served, told):
    token = served.ehr.token(SERVICE, aud=["https://other.example", f"{sim.BASE_URL}{SERVICE}"])
    assert served.ehr.hook(served.ehr.call(told, access=True), token=token).status_code == 200


def test_a_token_is_used_once(served, told):
    body, token = served.ehr.call(told, access=True), served.ehr.token(SERVICE)
    assert served.ehr.hook(body, token=token).status_code == 200
    assert served.ehr.hook(body, token=token).status_code == 401


def test_unsigned_and_symmetric_tokens_are_refused(served, told):
    from joserfc.jwk import OctKey

    body = served.ehr.call(told, access=True)
    secret = OctKey.import_key(json.dumps(sim.public_set(served.key)))
    forged = served.ehr.token(SERVICE, {"alg": "HS256"}, secret)
    unsigned = served.ehr.token(SERVICE).split(".")
    head = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoiZWhyLTEifQ"  # alg none
    for token in (forged, f"{head}.{unsigned[1]}.", f"{head}.{unsigned[1]}.{unsigned[2]}"):
        assert served.ehr.hook(body, token=token).status_code == 401
    assert served.ehr.hook(body).status_code == 200


def test_every_endpoint_wants_a_token(served, told):
    client = served.ehr.http
    base = served.address.removesuffix("/cds-services")
    assert client.get(served.address).status_code == 401
    for path in (SERVICE, f"{SERVICE}/feedback", f"{SERVICE}/disclosure"):
        assert client.post(base + path, json={"context": {"patientId": told}}).status_code == 401


def test_keys_come_from_the_address_that_the_file_names_and_a_new_one_is_fetched(served, told):
    body = served.cloud.call(told, access=True)
    assert served.cloud.hook(body).status_code == 200
    calls = [path for path, _ in served.stub.calls if path == "/jwks"]
    assert served.cloud.hook(body).status_code == 200
    assert [path for path, _ in served.stub.calls if path == "/jwks"] == calls
    with sim.fhir_stub() as other:
        stranger = sim.signing_key(kid="stranger-1")
        other.jwks = sim.public_set(stranger)
        token = served.cloud.token(SERVICE, {"jku": f"{other.host}/jwks", "kid": "stranger-1",
                                             "alg": "ES384"}, stranger)  # fmt: skip
        assert served.cloud.hook(body, token=token).status_code == 401
        assert other.calls == []


def test_a_page_of_an_allowed_origin_may_call_and_no_other(served):
    ask = {"access-control-request-method": "POST",
           "access-control-request-headers": "authorization,content-type"}  # fmt: skip
    url = served.address + "/x"
    allowed = served.ehr.http.options(url, headers=ask | {"origin": ORIGIN})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    for origin in ("https://evil.example", "null", ORIGIN + ".evil.example", "http://ehr.example"):
        refused = served.ehr.http.options(url, headers=ask | {"origin": origin})
        assert "access-control-allow-origin" not in refused.headers
    answer = served.ehr.discover(origin=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_options_are_answered_without_an_origin(served):
    answer = served.ehr.http.options(served.address + "/x")
    assert (answer.status_code, answer.headers["allow"]) == (204, "POST, OPTIONS")


# Another hospital, where the doctor is always asked first


@pytest.fixture(scope="module")
def asking(tmp_path_factory):
    with sim.fhir_stub() as stub:
        gate = Served(tmp_path_factory.mktemp("asking"), stub, share=1.0)
        stub.resources += sim.chart("pat-1")
        yield gate
        gate.stop()


def test_the_doctor_who_is_asked_first_answers_by_a_suggestion(asking):
    [question] = asking.ehr.view("pat-1").json()["cards"]
    asking.ehr.feedback(sim.accepted(question, "English"))
    [estimate] = asking.ehr.view("pat-1").json()["cards"]
    assert "own estimate" in estimate["summary"]
    assert "score" not in json.dumps(estimate)
    assert asking.ehr.feedback(sim.accepted(estimate, "30–40")).status_code == 200
    [advice] = asking.ehr.view("pat-1").json()["cards"]
    assert "score" in advice["summary"]
    assert asking.entries()[-1].body["own_estimate"] == 0.35


def test_after_a_restart_cards_are_known_and_used_tokens_are_not_taken_again(asking):
    stub = asking.stub
    stub.resources += sim.chart("pat-2")
    for label in ("English", "30–40"):
        [question] = asking.ehr.view("pat-2").json()["cards"]
        asking.ehr.feedback(sim.accepted(question, label))
    [shown] = asking.ehr.view("pat-2").json()["cards"]
    body, token = asking.ehr.call("pat-2", access=True), asking.ehr.token(SERVICE)
    assert asking.ehr.hook(body, token=token).status_code == 200
    asking.stop()
    asking.start()
    assert asking.ehr.hook(body, token=token).status_code == 401
    assert asking.ehr.hook(body).status_code == 200
    assert asking.ehr.feedback(sim.accepted(shown)).status_code == 200
    assert asking.entries()[-1].body["outcome"] == "accepted"
