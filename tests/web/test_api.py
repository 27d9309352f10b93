"""The API: its schema, its client, and whatever a machine thinks of sending it."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

import commonwatt.web.auth.accounts as accounts
from commonwatt.web.client import ConsoleClient
from commonwatt.web.errors import (
    ForbiddenError,
    PageNotFoundError,
    ParameterError,
    SignInError,
    TaskError,
)
from commonwatt.web.registry import PAGES
from commonwatt.web.roles import ACTION_ROLES, ConsoleRole
from commonwatt.web.services import open_console_services
from commonwatt.web.settings import Settings
from tests.proofs import PROOFS
from tests.web.console import served_by_command
from tests.web.sample import sample_store

FORMS = {"accounts"}  # for people: programs manage no accounts
PEOPLE = ("text/html",)


def _token(console, *roles):
    console.session(*roles)
    name = "-".join(sorted(roles)) if len(roles) < len(ConsoleRole) else "ada"
    return accounts.make_api_token(console.desk, name, "test", now=datetime.now(UTC))


@pytest.fixture(scope="module")
def schema(console):
    with console.stranger() as stranger:
        return stranger.get("/openapi.json").json()


@pytest.fixture(scope="module")
def client(console):
    with ConsoleClient(console.address, _token(console, *ConsoleRole)) as made:
        yield made


def test_every_page_with_all_its_forms_stands_in_the_schema(schema):
    for page in PAGES:
        for ending in ("", ".json", "/tables/{table}.csv", "/charts/{chart}.json"):
            operation = schema["paths"][f"/{page.name}{ending}"]["get"]
            assert operation["x-roles"] == sorted(ACTION_ROLES[page.action])
            names = {parameter["name"] for parameter in operation["parameters"]}
            assert {parameter.name for parameter in page.parameters} <= names


def test_every_call_of_the_client_stands_in_the_schema(schema):
    for method, form in ConsoleClient.CALLS.values():
        concrete = form.replace("{page}", "fleet")
        assert method.lower() in schema["paths"][concrete], form


def test_every_answer_for_programs_has_its_call(schema):
    forms = {
        re.sub(r"\{\w+\}", "{}", f.replace("{page}", "*")) for _, f in ConsoleClient.CALLS.values()
    }
    names = {page.name for page in PAGES}
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            answers = operation["responses"].get("200", {}).get("content", {})
            if FORMS & set(operation.get("tags", ())) or "text/html" in answers:
                continue
            head, _, rest = path[1:].partition("/")
            stem = head.removesuffix(".json")
            general = path.replace(f"/{stem}", "/*", 1) if stem in names else path
            plain = re.sub(r"\{\w+\}", "{}", general)
            own = re.sub(r"\{\w+\}", "{}", path)
            assert plain in forms or own in forms or rest, path


def test_the_client_reads_a_page_its_tables_and_charts(client):
    page = client.page("fleet")
    assert page.facts[0].value.endswith("%")
    jobs = client.table("fleet", "jobs")
    some = client.rows("fleet", "jobs", order="-queue_delay_s", count=3)
    assert some.rows == jobs.height
    assert some.data[0]["queue_delay_s"] == jobs["queue_delay_s"].max()
    assert client.csv("fleet", "sites").startswith("site,")
    assert client.chart("fleet", "queue", run=page.runs[0])["form"] == "lines"
    assert client.health()["status"] == "ok"
    assert client.report(page.runs[0]).startswith("<!doctype html>")


def test_the_client_says_what_is_wrong(client, console):
    with pytest.raises(PageNotFoundError):
        client.page("nothing")
    with pytest.raises(PageNotFoundError):
        client.table("fleet", "nothing")
    with pytest.raises(ParameterError, match="programme"):
        client.start("study", programme="/etc/passwd")
    other = ConsoleClient(console.address, _token(console, ConsoleRole.CLINICIAN))
    with other, pytest.raises(ForbiddenError, match="start-run"):
        other.start("study")
    with ConsoleClient(console.address, "cw_wrong") as nobody, pytest.raises(SignInError):
        nobody.page("fleet")


def test_the_client_starts_follows_and_stops_a_run(client):
    work = client.start("explain", job="none")
    assert work.state in {"waiting", "running"}
    assert client.tasks()[0].work_id == work.work_id
    assert client.feed(work.work_id)["since"] >= 0
    with pytest.raises(TaskError, match="not over"):
        client.wait(work.work_id, seconds=0)
    assert client.stop(work.work_id).over
    with pytest.raises(TaskError):
        client.wait(work.work_id, seconds=5)


# What a schema cannot say, such as which names an account may bear, is refused as out of bounds,
# and the one check that is left out takes such a refusal for a fault of the schema.
LEFT_OUT = "positive_data_acceptance"


@pytest.mark.slow
@pytest.mark.prove
def test_nothing_that_a_machine_sends_breaks_the_server_or_its_description(tmp_path):
    sample_store(tmp_path / "runs")
    services = open_console_services(Settings.of(tmp_path / "runs"), now=datetime.now(UTC))
    accounts.make_account(services, "ada", set(ConsoleRole), by="test", now=datetime.now(UTC))
    token = accounts.make_api_token(services, "ada", "test", now=datetime.now(UTC))
    services.database.dispose()
    words = ("--sample", "", "--requests-per-minute", "0", "--operate", "none", "--rooms", "none")
    with served_by_command(tmp_path, *words) as address:
        with ConsoleClient(address, token, timeout_s=600) as client:
            client.page("treasury")  # loads a compiler, for longer than a tester waits
        tester = [sys.executable, "-c", "from schemathesis.cli import schemathesis as s; s()"]
        phases = "coverage,fuzzing" if PROOFS.full else "fuzzing"
        done = subprocess.run(
            [*tester, "run", f"{address}/openapi.json", "-H", f"Authorization: Bearer {token}",
             "--phases", phases, "-n", str(PROOFS.size(1, 20)), "--exclude-checks", LEFT_OUT,
             "--request-timeout", "300", "--generation-deterministic", "--no-color"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested, done.stdout
    assert int(tested[1]) > 90


@pytest.mark.parametrize("given", [False, True, {}, {"a": "b"}, [["a"]], [{}], [True]])
def test_a_field_of_json_that_is_no_text_is_refused(client, given):
    with pytest.raises(ParameterError, match="a text, a number"):
        client.start("study", programme=given)


def test_an_address_says_all_its_methods_where_one_is_refused(console):
    with console.stranger() as http:
        for accept in ("application/json", "text/html"):
            answer = http.request("DELETE", "/accounts", headers={"accept": accept})
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_who_must_be_signed_in_and_what_is_refused_to_everybody_stand_in_the_schema(schema):
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            is_open = path.split("/")[1] in {"health", "sign-in", "welcome", "preferences", "oidc"}
            assert ("security" in operation) != is_open, path
            assert is_open or {"401", "403"} <= set(responses), path
            for status in ("429", "503"):
                assert responses[status]["headers"]["retry-after"]["required"], path
                error = responses[status]["content"]["application/json"]["schema"]
                assert error == {"$ref": "#/components/schemas/ErrorData"}
    names = {re.sub(r"\{\w+\}", "{}", path) for path in schema["paths"]}
    # Two addresses of one form are one address to OpenAPI, whatever their parts are called.
    assert len(names) == len(schema["paths"])


@pytest.mark.parametrize(
    ("headers", "content", "status", "where"),
    [({"host": "evil.example"}, b"", 421, "host"), ({}, b"x" * 300_000, 413, "body")],
)
def test_what_is_refused_before_any_page_is_typed_for_programs(
    console, headers, content, status, where
):
    with console.stranger() as http:
        answer = http.post("/sign-in", headers=headers, content=content)
        assert (answer.status_code, answer.json()["where"]) == (status, where)
        answer = http.post("/sign-in", headers=headers | {"accept": "text/html"}, content=content)
        kind = answer.headers["content-type"]
        assert (answer.status_code, kind) == (status, "text/plain; charset=utf-8")


# What JSON can spell and no database takes, what a parser cannot follow, what is no column.
JSON = {"content-type": "application/json"}
UNWRITABLE = {"surrogate": "\ud800", "half inside": "a\udfffb", "nul": "a\0b"}
DEEP = {"lists": b"[" * 100_000, "objects": b'{"a":' * 50_000, "digits": b'{"a":' + b"9" * 6000}


@pytest.mark.parametrize("path", ["/sign-in", "/accounts", "/account/tokens", "/works/study"])
@pytest.mark.parametrize("text", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_text_that_cannot_be_kept_is_refused_before_anything_is_read(console, path, text):
    headers = {"authorization": f"Bearer {_token(console, *ConsoleRole)}"}
    with console.stranger() as http:
        for name, value in (("name", text), (text, "a")):
            # Spelt with `\\u`, as every JSON may be; as letters it has no bytes.
            content = json.dumps({name: value, "password": "p"})
            answer = http.post(path, headers=headers | JSON, content=content)
            assert (answer.status_code, answer.json()["error"]) == (422, "parameter-invalid")
            assert "without NUL" in answer.json()["wanted"]
        # Its twin: whatever can be written comes as far as its meaning.
        answer = http.post(path, headers=headers, json={"label": "衞生 \U0001f3e5", "name": "-"})
        assert "without NUL" not in answer.text
        assert answer.status_code < 500


@pytest.mark.parametrize("content", DEEP.values(), ids=DEEP)
def test_json_that_no_parser_follows_is_refused(console, content):
    with console.stranger() as http:
        answer = http.post("/sign-in", headers=JSON, content=content)
    assert (answer.status_code, answer.json()["wanted"]) == (422, "a JSON object")


@pytest.mark.parametrize(("pieces", "status"), [(1, 401), (10, 413)])
def test_a_body_that_does_not_say_its_length_is_cut_off_where_it_is_too_long(
    console, pieces, status
):
    content = (b"name=" + b"x" * 40_000 for _ in range(pieces))
    with console.stranger() as http:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        assert http.post("/sign-in", headers=headers, content=content).status_code == status


@pytest.mark.parametrize(
    ("query", "status"),
    [("order=-", 422), ("order=--gpus", 422), ("order=-gpus", 200), ("order=", 200),
     ("column=job_id&starts=%00", 400), ("column=job_id&starts=%2500", 200)],
)  # fmt: skip
def test_odd_words_in_an_address_are_refused_and_sound_ones_are_not(console, query, status):
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        assert visitor.get(f"/fleet/tables/jobs.json?{query}").status_code == status


@pytest.mark.parametrize(
    ("asked", "status"),
    [("bytes=0-9", 206), ("bytes=0-1,4-5", 206), ("bytes=999999999-", 416), ("bytes=a", 400)],
)
def test_a_part_of_a_file_is_sent_as_the_schema_says(console, schema, asked, status):
    path = "/fleet/tables/{table}.csv"
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        answer = visitor.get(path.format(table="jobs"), headers={"range": asked})
    assert answer.status_code == status
    known = schema["paths"][path]["get"]["responses"][str(status)]["content"]
    assert answer.headers["content-type"].split(";")[0] in known
