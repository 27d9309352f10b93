"""The committee's page: the rows of the command, in both languages, on any screen, by keyboard."""

from datetime import UTC, datetime

import pytest

from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.clinic.usecases.committee import (
    PRODUCT_TABLES,
    clinic_waiting_row_dicts,
    committee_product_file,
)
from commonwatt.clinic.usecases.overview import load_clinic_registry_without_advice
from commonwatt.core.messages import Message
from commonwatt.ledger import Key
from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.roles import ConsoleRole
from tests.clinic_factories import BODIES, BY, NAMES
from tests.web.console import HTML, running
from tests.web.sample import sample_store
from tests.web.test_browser import _findings
from tests.web.test_desks import enrol

ALARM = {"deployment": "deployment/x", "type": "signal", "severity": "other",
         "code": "calibration-alarm", "stream": "all"}  # fmt: skip
INCIDENT = {"deployment": "deployment/x", "type": "incident", "severity": "death",
            "jurisdiction": "hk", "code": "missed-finding"}  # fmt: skip
PRODUCT = "committee?product=product/p"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A console with a live model in alarm, an incident, an update and a product without all."""
    root = tmp_path_factory.mktemp("committee")
    sample_store(root)
    with running(root) as console:
        roles = {*BY.values(), "committee-chair", "clinical-lead", "monitor"}
        keys: dict[str, Key] = {role: enrol(console.desk, role) for role in roles}
        writer, now = RegistryWriter(console.desk.ledger), datetime.now(UTC)
        with writer.transaction() as tx:
            for kind, body in BODIES.items():
                writer.write_registry_record(tx, kind, NAMES[kind], body, by=keys[BY[kind]], at=now)
            for to, role in (("approved", "committee-chair"), ("live", "clinical-lead")):
                writer.move_deployment(tx, "deployment/x", to, by=keys[role], at=now, reason="t")
            update = {**BODIES["version"], "previous": "version/v1"}
            for kind, name, body, role in (
                ("event", "a1", ALARM, "monitor"),
                ("event", "i1", INCIDENT, "safety-officer"),
                ("version", "v2", update, "manufacturer"),
                ("product", "q", {"name": "Other", "manufacturer": "M"}, "manufacturer"),
            ):
                writer.write_registry_record(tx, kind, name, body, by=keys[role], at=now)
        yield console


def test_page_command_and_domain_show_the_same_rows(clinic):
    registry, today = (
        load_clinic_registry_without_advice(clinic.desk.ledger),
        datetime.now(UTC).date(),
    )
    with clinic.visitor(ConsoleRole.REGULATOR) as visitor:
        page = visitor.get("/committee.json").json()
        assert page["data"]["waiting"] == clinic_waiting_row_dicts(registry, today)
        assert {row["product"] for row in page["data"]["waiting"]} == {"product/p", "product/q"}
        shown = visitor.get("/committee/tables/waiting.json").json()
        assert [row["subject"] for row in shown["data"]] == [
            row["subject"] for row in page["data"]["waiting"]
        ]
        made = committee_product_file(registry, "product/p", today).tables()
        for name in PRODUCT_TABLES:
            table = visitor.get(f"/committee/tables/{name}.json?product=product/p").json()
            assert table["rows"] == len(made[name]) > 0, name


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_page_of_a_product_says_all_in_the_reader_s_language(clinic, language):
    registry, today = (
        load_clinic_registry_without_advice(clinic.desk.ledger),
        datetime.now(UTC).date(),
    )
    with clinic.visitor(ConsoleRole.REGULATOR) as visitor:
        visitor.cookies.set("language", language)
        text = visitor.get(f"/{PRODUCT}", headers=HTML).text
    for title, _ in PRODUCT_TABLES.values():
        assert title.translate(language) in text
    for row in clinic_waiting_row_dicts(registry, today, product="product/p", language=language):
        assert row["reason"] in text
        assert row["command"] in text
    assert Message("in force").translate(language) in text
    assert "product/q" in text  # the way to the other product


def test_who_may_not_see_models_sees_no_committee_and_no_unknown_product_is_shown(clinic):
    with clinic.visitor(ConsoleRole.OPERATOR) as visitor:
        assert visitor.get("/committee").status_code == 403
    with clinic.visitor(ConsoleRole.VIEWER) as visitor:
        assert visitor.get("/committee").status_code == 200
        assert visitor.get("/committee.json?product=product/none").status_code in (404, 409, 422)


@pytest.fixture
def page_of(browser, clinic):
    contexts, session = [], clinic.session(ConsoleRole.REGULATOR)

    def open_(address, language="en", theme="light", width=1280):
        context = browser.new_context(
            viewport={"width": width, "height": 860}, reduced_motion="reduce"
        )
        contexts.append(context)
        cookies = {session_cookie_name(clinic.desk.settings): session.secret}
        cookies |= {"language": language, "theme": theme}
        context.add_cookies(
            [{"name": k, "value": v, "url": clinic.address} for k, v in cookies.items()]
        )
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda m: m.type == "error" and page.complaints.append(m.text))
        page.goto(f"{clinic.address}/{address}")
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-Hant", "light")])
@pytest.mark.parametrize("address", ["committee", PRODUCT])
def test_the_page_has_no_accessibility_finding_and_fits_a_telephone(
    page_of, address, language, theme
):
    page = page_of(address, language, theme)
    assert _findings(page) + page.complaints == []
    narrow = page_of(address, language, theme, width=390)
    assert narrow.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert _findings(narrow) == []


@pytest.mark.slow
def test_a_product_is_reached_by_keyboard_and_its_table_scrolls(page_of):
    page = page_of("committee", width=390)
    link = page.get_by_role("link", name="product/p", exact=True)
    for _ in range(60):
        page.keyboard.press("Tab")
        if link.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/committee?product=product/p")
    assert page.get_by_role("heading", name="What waits for whom").is_visible()
    # Wide tables scroll by themselves, and by the arrow keys once they are reached.
    assert page.locator("#table-waiting .scroll").get_attribute("tabindex") == "0"
