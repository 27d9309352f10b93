"""The API: its schema, its client, and whatever a machine thinks of sending it."""

import re
from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

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
from tests.proofs import PROOFS

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


# What changes state is asked with nobody signed in and with everybody's roles, but the
# accounts themselves, and works, which would fill the machine, are left alone.
_SKIPPED = re.compile(r"^/(accounts|account|sign-out|works/\{kind\}|oidc)")


@pytest.mark.slow
@pytest.mark.prove
def test_nothing_that_a_machine_sends_breaks_the_server(console, schema):
    api = schemathesis.openapi.from_dict(schema)
    token = _token(console, *ConsoleRole)
    faults = []

    with console.stranger() as http:
        for result in api.get_all_operations():
            operation = result.ok()
            if _SKIPPED.match(operation.path):
                continue
            strategy = operation.as_strategy()

            @settings(
                max_examples=PROOFS.size(1, 10),
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @_given(strategy)
            def ask(case):
                for headers in ({"authorization": f"Bearer {token}"}, {}):
                    answer = _sent(http, console.address, case, headers)
                    if answer is not None and answer.status_code >= 500:
                        faults.append((case.method, str(answer.url), answer.status_code))

            ask()
    assert faults == []


def _given(strategy):
    from hypothesis import given

    return given(strategy)


def _sent(http, address, case, headers):
    """Send a case; one that no client could put on the wire is passed over."""
    import httpx

    request = case.as_transport_kwargs(base_url=address)
    try:
        return http.request(
            request["method"],
            request["url"],
            params=request.get("params"),
            headers={**dict(request.get("headers") or {}), **headers},
            json=request.get("json"),
        )
    except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError, ValueError, TypeError):
        return None
