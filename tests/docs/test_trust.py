"""The page of trust boundaries speaks of the code as it is."""

import re
from pathlib import Path

import commonwatt
from commonwatt.ledger.actors import ENROL
from commonwatt.operate.io.store import ROLE
from commonwatt.sandbox.domain.lifecycle import STEP_ROLES, VOTES_NEEDED
from commonwatt.web.roles import ConsoleRole

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "explanation" / "trust.md").read_text(encoding="utf-8")
SRC = Path(commonwatt.__file__).parent
PARTIES = ("face", "keeper", "node", "gate", "controller", "console")


def _modules():
    for line in PAGE.splitlines():
        folder = ""
        for name in re.findall(r"`([\w/]+\.py)`", line):
            # a bare name stands in the folder of the one before it
            folder = name.rpartition("/")[0] if "/" in name else folder
            yield name if "/" in name else f"{folder}/{name}"


def test_every_module_that_guards_a_boundary_is_there():
    modules = list(_modules())
    assert len(modules) > 15
    assert [name for name in modules if not (SRC / name).is_file()] == []


def test_each_party_has_its_row_and_what_a_takeover_gives():
    for party in PARTIES:
        assert f"| {party} (" in PAGE
        section = PAGE.split(f"## The {party}\n")[1].split("\n## ")[0]
        for part in ("**A takeover gives**", "**It does not give**", "**In between:**"):
            assert part in section


def test_no_step_of_a_project_is_the_controllers_and_an_erasure_is_the_custodians():
    assert not any(ROLE & roles for roles in STEP_ROLES.values())
    assert STEP_ROLES["erase"] == {"data-custodian"}
    assert VOTES_NEEDED == 2
    assert not STEP_ROLES["vote"] & STEP_ROLES["submit"]


def test_the_console_can_grant_the_roles_that_the_page_warns_of():
    assert {"output-checker", "data-custodian"} <= {role.value for role in ConsoleRole}
    assert ENROL  # its own key is a registrar's, which alone enrols


def test_the_page_is_linked_where_a_reader_begins():
    assert "explanation/trust.md" in (DOCS / "index.md").read_text(encoding="utf-8")
