"""Parts of the CDS Hooks service: settings, mappings of guides, what is read off FHIR, cards."""

import datetime
import itertools
import json
import ssl
import subprocess
import sys
import uuid
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.guides import parse_department_guide
from commonwatt.clinic.engines.gateway.gate import ALLOWED, GateVerdict
from commonwatt.clinic.engines.gateway.hooks import cards, fhir_facts, outbound, requests
from commonwatt.clinic.engines.gateway.hooks.settings import parse_cds_hooks_settings
from commonwatt.clinic.io.guides import FOLDER, shipped_clinic_guide_library
from commonwatt.clinic.usecases.gateway import HooksAddress
from commonwatt.core.errors import InputError, UsageError
from tests import ehr_simulator as sim
from tests.clinic_institution import hospital

AT = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)
IMAGING = shipped_clinic_guide_library().guides["imaging"]
TEXT = (FOLDER / "imaging.yaml").read_text("utf-8")


# Settings


def settings(tmp_path, **section):
    (tmp_path / "keys.json").write_text(json.dumps(sim.public_set(sim.signing_key())))
    return parse_cds_hooks_settings(section, tmp_path, "file, cds_hooks")


SAFE = ("https://ehr.example", "https://ehr.example:8443/fhir")
UNSAFE = (
    "http://ehr.example", "ftp://ehr.example", "ehr.example", "https://", "https://a@b.example",
    "https://ehr.example/fhir?x=1", "http://127.0.0.1:80", "https://localhost", "", 7,
)  # fmt: skip


def test_settings_name_safe_addresses_only(tmp_path):
    for address in SAFE:
        read = settings(tmp_path, fhir={address: {}})
        assert list(read.fhir) == [address]
        issuer = {"https://ehr.example/": {"jku": address}}
        assert settings(tmp_path, base_url=SAFE[0], clients=issuer).clients
    for address in UNSAFE:
        with pytest.raises(InputError):
            settings(tmp_path, fhir={address: {}})
        with pytest.raises(InputError):
            settings(tmp_path, base_url=SAFE[0], clients={"i": {"jku": address}})
    here = "http://127.0.0.1:8080/fhir"
    assert settings(tmp_path, fhir={here: {"loopback": True}}).fhir[here].loopback
    with pytest.raises(InputError):
        settings(tmp_path, fhir={"http://ehr.example": {"loopback": True}})


def test_settings_allow_asymmetric_algorithms_only(tmp_path):
    def client(*algorithms):
        entry = {"keys": "keys.json", "algorithms": list(algorithms)}
        return settings(tmp_path, base_url=SAFE[0], clients={"i": entry}).clients["i"].algorithms

    assert client("ES384", "RS384", "PS256") == ("ES384", "RS384", "PS256")
    for algorithm in ("none", "None", "HS256", "HS384", "HS512", "dir", "", 1):
        with pytest.raises(InputError):
            client("ES384", algorithm)


@pytest.mark.parametrize(
    "section",
    [
        {"origin": []},
        {"origins": ["*"]},
        {"origins": ["null"]},
        {"origins": ["https://*.example"]},
        {"origins": ["https://ehr.example/"]},
        {"origins": "https://ehr.example"},
        {"fhir": {SAFE[0]: {"timeout_s": 0}}},
        {"fhir": {SAFE[0]: {"timeout_s": True}}},
        {"fhir": {SAFE[0]: {"timeout_s": float("nan")}}},
        {"fhir": {SAFE[0]: {"loopback": "yes"}}},
        {"fhir": {SAFE[0]: {"tokn": "x"}}},
        {"clients": {"i": {"keys": "keys.json"}}},
        {"base_url": SAFE[0], "clients": {"i": {}}},
        {"base_url": SAFE[0], "clients": {"i": {"keys": "none.json"}}},
        {"base_url": "https://cds.example/?a", "clients": {}},
    ],
)
def test_settings_that_would_open_or_shut_the_service_in_silence_are_refused(tmp_path, section):
    sound = {"origins": ["https://ehr.example"], "base_url": SAFE[0],
             "fhir": {SAFE[0]: {"timeout_s": 1}},
             "clients": {"i": {"keys": "keys.json"}}}  # fmt: skip
    assert settings(tmp_path, **sound).origins == ("https://ehr.example",)
    with pytest.raises(InputError):
        settings(tmp_path, **section)


# Mappings


def with_fhir(change):
    file = yaml.safe_load(TEXT)
    change(file["fhir"])
    return parse_department_guide("imaging", yaml.safe_dump(file, allow_unicode=True))


def test_a_guide_without_a_mapping_is_one_and_a_mapping_is_part_of_its_digest():
    file = yaml.safe_load(TEXT)
    del file["fhir"]
    plain = parse_department_guide("imaging", yaml.safe_dump(file, allow_unicode=True))
    assert plain.fhir is None
    whole = with_fhir(lambda fhir: None)
    other = with_fhir(lambda fhir: fhir["facts"]["postoperative"].update(within_days=7))
    assert len({plain.sha256, whole.sha256, other.sha256}) == 3
    assert whole.sha256 == IMAGING.sha256


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.update(more=1),
        lambda f: f["prefetch"].update(patient="Patient/1"),
        lambda f: f["prefetch"].update(patient="Patient?name=Chan"),
        lambda f: f["prefetch"].update(patient="Patient/{{context.medication.id}}"),
        lambda f: f["prefetch"].update(patient="https://x.example/{{context.patientId}}"),
        lambda f: f["prefetch"].update(patient="Patient?subject.name={{context.patientId}}"),
        lambda f: f["prefetch"].update(patient="Patient?name:exact={{context.patientId}}"),
        lambda f: f["prefetch"].update(patient=None),
        lambda f: f["prefetch"].update(unused="Patient/{{context.patientId}}"),
        lambda f: f["prefetch"].update(surgery="Procedure?patient={{context.patientId}}&_count=1"),
        lambda f: f["facts"].update(shoe_size={"from": "patient", "age": "birthDate"}),
        lambda f: f["facts"]["age_years"].update({"from": "nowhere"}),
        lambda f: f["facts"]["age_years"].update(coded="gender"),
        lambda f: f["facts"]["age_years"].update(age="birthDate or 1"),
        lambda f: f["facts"]["age_years"].update(within_days=1),
        lambda f: f["facts"]["modality"]["words"].update({"a|b": "no-such-word"}),
        lambda f: f["facts"]["modality"].update(other="no-such-word"),
        lambda f: f["facts"]["modality"].pop("words"),
        lambda f: f["facts"]["quality"].update(observation=[]),
        lambda f: f["facts"]["quality"].update(observation=["quality"]),
        lambda f: f["facts"]["quality"].pop("words"),
        lambda f: f["facts"]["postoperative"].update(within_days=0),
        lambda f: f["facts"]["postoperative"].update(within_days=True),
        lambda f: f["facts"]["postoperative"].update(otherwise="perhaps"),
        lambda f: f["facts"].update(quality={"from": "grading", "present": "any"}),
    ],
)
def test_a_mapping_that_is_not_of_the_form_is_refused(change):
    assert with_fhir(lambda fhir: None).fhir == IMAGING.fhir
    with pytest.raises(RulesError):
        with_fhir(change)


# Facts


def facts_of(key, document, guide=IMAGING, at=AT):
    answer = fhir_facts.parse_fhir_answer(document, guide.fhir.prefetch[key], "p")
    answers = {} if answer is None else {key: answer}
    return fhir_facts.facts_of_fhir_answers(guide.fhir, guide.facts, answers, at)


def bundle(*resources, **more):
    entries = [{"resource": each} for each in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | more


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("1970-11-30", "56"),
        ("1970-12-01", "55"),
        ("2026-11-30", "0"),
        ("2027-01-01", None),
        # Only a part of a date: the age where it is the same on each day that it may mean.
        ("1970-11", "56"),
        ("1970-10", "56"),
        ("1970-12", "55"),
        ("1970", None),
    ],
)
def test_an_age_is_the_full_years_and_none_where_the_day_decides(born, age):
    patient = sim.checked({"resourceType": "Patient", "id": "p", "birthDate": born})
    assert facts_of("patient", patient).get("age_years") == age


def test_a_study_of_two_modalities_is_ambiguous_and_a_report_beside_is_not():
    study = sim.study("p")
    [series] = study["series"]
    report = {**series, "modality": {"system": sim.DCM, "code": "SR"}}
    pet = {**series, "modality": {"system": sim.DCM, "code": "PT"}}
    assert facts_of("study", bundle({**study, "series": [series, report]}))["modality"] == "ct"
    assert facts_of("study", bundle({**study, "series": [report]}))["modality"] == "other"
    assert "modality" not in facts_of("study", bundle({**study, "series": [series, pet]}))


def surgery(status="completed", **when):
    return sim.checked({
        "resourceType": "Procedure", "status": status, "subject": {"reference": "Patient/p"},
        "code": sim.concept(sim.SNOMED, "387713003"), **when,
    })  # fmt: skip


RECENT, OLD = "2026-11-20T08:00:00Z", "2026-10-01"


@pytest.mark.parametrize(
    ("documents", "word"),
    [
        ([surgery(performedDateTime=RECENT)], "yes"),
        ([surgery(performedPeriod={"start": OLD, "end": "2026-11-25"})], "yes"),
        ([surgery(performedDateTime=OLD)], "no"),
        ([surgery("entered-in-error", performedDateTime=RECENT)], "no"),
        ([surgery("not-done", performedDateTime=RECENT)], "no"),
        ([surgery(performedDateTime=OLD), surgery(performedDateTime=RECENT)], "yes"),
        # Undated, it may be of yesterday.
        ([surgery()], None),
    ],
)
def test_a_recent_surgery_is_told_from_an_old_one_and_from_an_error(documents, word):
    assert facts_of("surgery", bundle(*documents)).get("postoperative") == word


def test_that_nothing_is_there_is_said_only_of_a_whole_answer():
    assert facts_of("surgery", None) == {"postoperative": "no"}
    assert facts_of("surgery", {"resourceType": "Bundle", "type": "searchset"}) == {
        "postoperative": "no"
    }
    more = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
    assert facts_of("surgery", bundle(surgery(performedDateTime=OLD), link=more)) == {}
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]}
    assert facts_of("surgery", bundle(failed)) == {}
    remark = {"resourceType": "OperationOutcome",
              "issue": [{"severity": "information", "code": "x"}]}  # fmt: skip
    assert facts_of("surgery", bundle(remark)) == {"postoperative": "no"}


CARDIO = shipped_clinic_guide_library().guides["cardiovascular"]


def pressure(value, unit="mm[Hg]", at=RECENT, status="final", panel=False, **more):
    quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": unit} | more
    loinc = "http://loinc.org"
    figure = {"code": sim.concept(loinc, "8480-6"), "valueQuantity": quantity}
    whole = {"code": sim.concept(loinc, "85354-9"), "component": [figure]} if panel else figure
    return sim.checked({"resourceType": "Observation", "status": status, "effectiveDateTime": at,
                        "subject": {"reference": "Patient/p"}, **whole})  # fmt: skip


NOW = "2026-11-30T08:00:00Z"


@pytest.mark.parametrize(
    ("documents", "figure"),
    [
        ([pressure(120, at=NOW)], "120"),
        ([pressure(120.5, at=NOW, panel=True)], "120.5"),
        ([pressure(120, at="2026-11-30T07:00:00Z"), pressure(90, at=NOW)], "90"),
        ([pressure(120, at=NOW), pressure(90, at=NOW)], None),
        ([pressure(120, at=RECENT)], None),
        ([pressure(120, at=NOW), pressure(90, at="2027-11-30T08:00:00Z")], "120"),
        ([pressure(16, "kPa", at=NOW)], None),
        ([pressure(120, at=NOW, comparator="<")], None),
        ([pressure(120, at=NOW, status="preliminary")], None),
        ([pressure(120, at=NOW, status="entered-in-error")], None),
    ],
)
def test_a_figure_is_the_latest_final_one_in_a_listed_unit(documents, figure):
    assert facts_of("pressure", bundle(*documents), CARDIO).get("systolic_mmhg") == figure


def test_a_unit_of_the_record_system_becomes_that_of_the_guide():
    guide = shipped_clinic_guide_library().guides["pathology"]
    reading = sim.checked({
        "resourceType": "Observation", "status": "final", "effectiveDateTime": NOW,
        "subject": {"reference": "Patient/p"},
        "code": sim.concept("urn:commonwatt:guide:pathology", "fixation"),
        "valueQuantity": {"value": 1.5, "code": "d"},
    })  # fmt: skip
    text = facts_of("slide", bundle(reading), guide)["fixation_h"]
    assert guide.facts["fixation_h"].canonical_text(text) == "36"
    cardio = yaml.safe_load((FOLDER / "cardiovascular.yaml").read_text("utf-8"))
    for unit, sound in (("", True), ("mm", False), ("no unit", False), (7, False)):
        cardio["fhir"]["facts"]["systolic_mmhg"]["units"] = {"mm[Hg]": unit}
        text = yaml.safe_dump(cardio, allow_unicode=True)
        if sound:
            assert parse_department_guide("cardiovascular", text).fhir
        else:
            with pytest.raises(RulesError):
                parse_department_guide("cardiovascular", text)


# Templates and scopes


def call(**changes):
    known = {"hook_instance": "", "user": "Practitioner/lee", "patient_id": "p-1",
             "encounter_id": "", "prefetch": {}, "fhir_server": "", "access": None,
             "extension": {}}  # fmt: skip
    return requests.CdsRequest(**known | changes)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("Patient/{{context.patientId}}", "Patient/p-1"),
        ("{{context.userId}}", "Practitioner/lee"),
        ("Practitioner?_id={{userPractitionerId}}", "Practitioner?_id=lee"),
        ("Practitioner?_id={{userPatientId}}", ""),
        ("Encounter/{{context.encounterId}}", ""),
    ],
)
def test_a_template_is_filled_from_the_call_or_not_at_all(template, filled):
    assert outbound.filled_prefetch_template_or_empty(template, call()) == filled


def test_a_scope_opens_its_own_type_only():
    levels = {"read": True, "*": True, "write": False, "rs": True, "cruds": True, "r": False,
              "s": False, "cud": False, "": False}  # fmt: skip
    for (level, opens), who, kind in itertools.product(
        levels.items(), ("user", "patient", "system", "launch"), ("Patient", "*", "Observation")
    ):
        access = requests.FhirAccess(token="t", scopes=(f"{who}/{kind}.{level}",))
        wanted = opens and who != "launch" and kind != "Observation"
        assert access.covers("Patient") is wanted, (who, kind, level)


def test_a_token_is_not_shown_by_its_object():
    assert "secret" not in repr(requests.FhirAccess(token="secret", scopes=()))


# Cards


VERDICT = GateVerdict(rule=ALLOWED, deployment="deployment/x", score=0.5, threshold=0.3,
                      finding=True, advice=f"advice/{'0f' * 10}-7", words={"en": "x"})  # fmt: skip


@given(st.text(min_size=1))
def test_a_summary_is_shorter_than_the_standard_allows_whatever_the_words(words):
    [card] = cards.cds_cards_of_verdict(replace(VERDICT, words={"en": words}), IMAGING, "en")
    assert 0 < len(card["summary"]) < 140


@given(st.integers(0, 2**80 - 1), st.integers(0, 10**12 - 1))
def test_the_uuid_of_a_card_names_its_advice_and_no_other(encounter, place):
    name = f"advice/{encounter:020x}-{place}"
    made = cards.advice_card_uuid(name)
    assert uuid.UUID(made).version == 4
    assert cards.advice_name_of_card_uuid_or_empty(made) == name


def test_usage_requirements_name_what_no_query_gives():
    from commonwatt.clinic.engines.gateway.service import CdsHooksService

    def entry(guide):
        gate = SimpleNamespace(
            guide_of_own_deployment_or_none=lambda _: guide,
            wanted_facts_or_empty_if_refused=lambda _: {"quality", "age_years"},
        )
        return CdsHooksService._cds_service_entry(SimpleNamespace(gate=gate), "deployment/x")

    assert "usageRequirements" not in entry(IMAGING)
    few = replace(IMAGING.fhir, facts={"age_years": IMAGING.fhir.facts["age_years"]})
    said = entry(replace(IMAGING, fhir=few))["usageRequirements"]
    assert "quality" in said
    assert "age_years" not in said
    assert "prefetch" not in entry(replace(IMAGING, fhir=None))


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    for file, lock in (("key.pem", serialization.NoEncryption()),
                       ("locked.pem", serialization.BestAvailableEncryption(b"pass"))):  # fmt: skip
        (folder / file).write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
        )
    return folder


def test_the_gate_is_served_over_tls_and_to_other_machines_only_so(tmp_path, certificate):
    hospital(tmp_path).ledger.engine.dispose()
    serve = [sys.executable, "-m", "commonwatt", "clinic", "gate", "serve", "--port", "0",
             "--institution", "qmh.toml", "--key", "gateway.pem"]  # fmt: skip
    refused = subprocess.run([*serve, "--host", "0.0.0.0"], cwd=tmp_path, text=True,
                             capture_output=True, check=False)  # fmt: skip
    assert refused.returncode == UsageError.exit_code
    assert "--tls-cert" in refused.stderr
    given_ = ["--tls-cert", certificate / "cert.pem", "--tls-key", certificate / "key.pem"]
    process = subprocess.Popen([*serve, "--host", "0.0.0.0", *given_], cwd=tmp_path,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    try:
        while "https://" not in (line := process.stderr.readline()):
            assert line
        port = line.split("0.0.0.0:")[1].split("/")[0]
        trust = ssl.create_default_context(cafile=certificate / "cert.pem")
        with httpx.Client(verify=trust, trust_env=False) as client:
            answer = client.get(f"https://localhost:{port}/cds-services")
        assert answer.json()["services"]
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "10.0.0.1"])
def test_an_address_of_other_machines_needs_tls_or_a_word(certificate, host):
    alone = host in {"127.0.0.1", "::1", "localhost"}
    plain = HooksAddress(host=host, port=0)
    if alone:
        plain.check()
    else:
        with pytest.raises(UsageError):
            plain.check()
    replace(plain, plain_http=True).check()
    cert, key = certificate / "cert.pem", certificate / "key.pem"
    replace(plain, tls_cert=cert, tls_key=key).check()


@pytest.mark.parametrize("key", [None, "locked.pem", "cert.pem"])
def test_a_certificate_that_cannot_be_used_is_refused_before_it_is_served(certificate, key):
    bad = HooksAddress(host="127.0.0.1", port=0, tls_cert=certificate / "cert.pem",
                       tls_key=certificate / key if key else None)  # fmt: skip
    with pytest.raises(InputError):
        bad.check()
    with pytest.raises(UsageError):
        HooksAddress(host="127.0.0.1", port=0, tls_key=certificate / "key.pem").check()
