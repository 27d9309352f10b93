"""An electronic record system, as far as CDS Hooks sees one: a FHIR server, keys, a screen.

It speaks real HTTP over loopback sockets and knows nothing of Commonwatt: it reads discovery,
fills the templates from its own FHIR server, signs each call, and reports what its clinician did.
"""

import json
import re
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import fhir.resources as r5
import fhir.resources.R4B as r4b
import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

BASE_URL = "https://cds.qmh.example"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
IMAGING = "urn:commonwatt:guide:imaging"
ACCESS_TOKEN = "opaque-access-token"
SCOPES = "user/Patient.read user/ImagingStudy.read user/Observation.rs user/Procedure.read"


def checked(resource, release="R4B"):
    """Return a resource that the library of FHIR takes as one of that release."""
    models = r4b if release == "R4B" else r5
    models.get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return resource


def concept(system, code):
    return {"coding": [{"system": system, "code": code}]}


def grading(patient, code, release="R4B", **value):
    return checked({
        "resourceType": "Observation", "id": f"{patient}-{code}", "status": "final",
        "code": concept(IMAGING, code), "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-01T08:00:00Z", **value,
    }, release)  # fmt: skip


def study(patient, release="R4B", modality="CT", site="51185008"):
    coding = {"system": DCM, "code": modality}
    body_site = {"system": SNOMED, "code": site}
    # R4 has Codings where R5 has a CodeableConcept and a CodeableReference.
    series = {"uid": "1.2.3", "modality": coding, "bodySite": body_site}
    if release == "R5":
        series |= {
            "modality": {"coding": [coding]},
            "bodySite": {"concept": {"coding": [body_site]}},
        }
    return checked({
        "resourceType": "ImagingStudy", "id": f"{patient}-study", "status": "available",
        "subject": {"reference": f"Patient/{patient}"}, "started": "2026-11-01T07:00:00Z",
        "series": [series],
    }, release)  # fmt: skip


def chart(patient, release="R4B", born="1970-05-04", modality="CT", without=()):
    """Return the record of a patient whom the guide of medical imaging lets through."""
    resources = {
        "patient": checked({"resourceType": "Patient", "id": patient, "birthDate": born}, release),
        "study": study(patient, release, modality),
        "quality": grading(
            patient, "quality", release, valueCodeableConcept=concept(IMAGING, "good")
        ),
        "series": grading(patient, "series-complete", release, valueBoolean=True),
        "metal": grading(patient, "metal-in-view", release, valueBoolean=False),
    }  # fmt: skip
    return [each for name, each in resources.items() if name not in without]


class FhirStub:
    """A FHIR server: read, and search by patient and code, for whoever bears a token it gave."""

    def __init__(self):
        self.resources, self.tokens, self.calls = [], {ACCESS_TOKEN}, []
        self.jwks, self.redirect_to, self.wait_s, self.page_of = {"keys": []}, "", 0.0, 100
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                stub.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"http://127.0.0.1:{self.server.server_port}"
        self.base = f"{self.host}/fhir"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler):
        self.calls.append((handler.path, handler.headers.get("authorization", "")))
        if handler.path == "/jwks":
            self.send(handler, 200, self.jwks)
            return
        time.sleep(self.wait_s)
        scheme, _, token = handler.headers.get("authorization", "").partition(" ")
        if self.redirect_to:
            handler.send_response(302)
            handler.send_header("location", self.redirect_to)
            handler.end_headers()
        elif scheme != "Bearer" or token not in self.tokens:
            self.send(handler, 401, {"resourceType": "OperationOutcome",
                                     "issue": [{"severity": "error"}]})  # fmt: skip
        else:
            found = self.query(handler.path.removeprefix("/fhir/"))
            self.send(handler, 200 if found else 404, found or {})

    @staticmethod
    def send(handler, status, document):
        body = json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/fhir+json")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def query(self, relative):
        """Return what a relative FHIR address gives; `None` where a read finds nothing."""
        parts = urlsplit(relative)
        if not parts.query:
            kind, _, name = parts.path.partition("/")
            matches = [r for r in self.resources if (r["resourceType"], r["id"]) == (kind, name)]
            return matches[0] if matches else None
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        matches = [r for r in self.resources if r["resourceType"] == parts.path]
        matches = [r for r in matches if self.fits(r, asked)]
        size, first = int(asked.get("_count", self.page_of)), int(asked.get("page", 0))
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(matches)}
        page = matches[first : first + size]
        if page:
            bundle["entry"] = [{"resource": each} for each in page]
        if len(matches) > first + size:
            following = re.sub(r"&page=\d+", "", relative) + f"&page={first + size}"
            bundle["link"] = [{"relation": "next", "url": f"{self.base}/{following}"}]
        return bundle

    @staticmethod
    def fits(resource, asked):
        if resource.get("subject", {}).get("reference") != f"Patient/{asked['patient']}":
            return False
        codes = {f"{c['system']}|{c['code']}" for c in resource.get("code", {}).get("coding", [])}
        return "code" not in asked or bool(codes & set(asked["code"].split(",")))


class Ehr:
    """The record system of one hospital.

    Args:
        address: Where it reaches the service, `http://…/cds-services`.
        fhir: Its FHIR server.
        key: With which it signs.
        issuer: As its tokens name it.
        jku: Where its keys are; empty where the other side has them in a file.
    """

    def __init__(self, address, fhir, key, issuer, jku=""):
        self.address, self.fhir, self.key, self.issuer, self.jku = address, fhir, key, issuer, jku
        self.user = "Practitioner/lee"
        self.http = httpx.Client(timeout=30, trust_env=False)

    def close(self):
        self.http.close()

    def token(self, path, header=None, key=None, **claims):
        """Return a web token for one call; `claims` replace its own, and None leaves one out."""
        now = int(time.time())
        whole = {"iss": self.issuer, "aud": f"{BASE_URL}{path}", "iat": now, "exp": now + 300,
                 "jti": str(uuid.uuid4())} | claims  # fmt: skip
        alg = "RS384" if isinstance(self.key, RSAKey) else "ES384"
        head = {"alg": alg, "typ": "JWT", "kid": self.key.kid}
        head |= {"jku": self.jku} if self.jku else {}
        head |= header or {}
        return jwt.encode(
            {name: part for name, part in head.items() if part is not None},
            {name: claim for name, claim in whole.items() if claim is not None},
            key or self.key, algorithms=["ES384", "RS384", "HS256"], default_type=None,
        )  # fmt: skip

    def send(self, method, path, document=None, token="", **headers):
        token = token or self.token(path)
        headers = {"authorization": f"Bearer {token}"} | headers
        url = self.address.removesuffix("/cds-services") + path
        return self.http.request(method, url, json=document, headers=headers)

    def discover(self, **given):
        return self.send("GET", "/cds-services", **given)

    def context(self, patient, encounter=""):
        context = {"userId": self.user, "patientId": patient}
        return context | ({"encounterId": encounter} if encounter else {})

    def filled(self, template, context):
        """Return a template with its tokens replaced; `None` if one has no value."""
        kind, _, name = context["userId"].partition("/")
        known = {f"context.{field}": value for field, value in context.items()}
        known[f"user{kind}Id"] = name
        tokens = re.findall(r"\{\{(.*?)\}\}", template)
        if not all(token in known for token in tokens):
            return None
        return re.sub(r"\{\{(.*?)\}\}", lambda gap: known[gap[1]], template)

    def prefetch(self, templates, context):
        """Return what the own server gives for each template, null where it has no data."""
        answers = {}
        for key, template in templates.items():
            relative = self.filled(template, context)
            if relative is not None:
                answer = self.fhir.query(unquote(relative))
                empty = answer is not None and answer["resourceType"] == "Bundle"
                answers[key] = None if empty and "entry" not in answer else answer
        return answers

    def call(self, patient, encounter="", prefetch=None, access=False, **changes):
        """Return the body of a hook call; a change of None leaves a member out."""
        body = {"hook": "patient-view", "hookInstance": str(uuid.uuid4()),
                "context": self.context(patient, encounter)}  # fmt: skip
        if prefetch is not None:
            body["prefetch"] = prefetch
        if access:
            body |= {"fhirServer": self.fhir.base, "fhirAuthorization": grant()}
        body |= changes
        return {name: member for name, member in body.items() if member is not None}

    def view(self, patient, encounter="", service="x", **given):
        """Open a record: discover, prefetch, call the hook."""
        [entry] = [s for s in self.discover().json()["services"] if s["id"] == service]
        answers = self.prefetch(entry["prefetch"], self.context(patient, encounter))
        return self.hook(self.call(patient, encounter, answers, **given), service)

    def hook(self, body, service="x", **given):
        return self.send("POST", f"/cds-services/{service}", body, **given)

    def feedback(self, *reports, service="x", **given):
        path = f"/cds-services/{service}/feedback"
        return self.send("POST", path, {"feedback": list(reports)}, **given)


def grant(**changes):
    return {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 300,
            "scope": SCOPES, "subject": "cds-service4"} | changes  # fmt: skip


def report(card, outcome="overridden", **more):
    """Return one report of feedback, acted on now."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"card": card["uuid"], "outcome": outcome, "outcomeTimestamp": at} | more


def accepted(card, label=""):
    """Return the report that a suggestion was accepted: that of a label, or the first."""
    picked = next(s for s in card["suggestions"] if label in s["label"])
    return report(card, "accepted", acceptedSuggestions=[{"id": picked["uuid"]}])


def signing_key(kind="EC", kid="ehr-1"):
    parameters = {"kid": kid, "use": "sig"}
    if kind == "EC":
        return ECKey.generate_key("P-384", parameters)
    return RSAKey.generate_key(2048, parameters)


def public_set(*keys):
    return {"keys": [key.as_dict(private=False) for key in keys]}


@contextmanager
def fhir_stub():
    stub = FhirStub()
    try:
        yield stub
    finally:
        stub.close()


__all__ = ["BASE_URL", "Ehr", "FhirStub", "KeySet", "accepted", "chart", "checked", "fhir_stub",
           "grading", "grant", "public_set", "report", "signing_key", "study"]  # fmt: skip
