"""A name that is legal for its kind is taken by every door of that kind and comes back the same;
one that is not is refused by every door, with its place, itself, what is wanted and the remedy.
"""

import json
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from commonwatt.clinic.domain.registry.state import PREFIX
from commonwatt.core.errors import IdentifierError, InputError, ProgrammeError
from commonwatt.core.identifiers import (
    ACCOUNT,
    DATASET_FOLDER,
    LONGEST_IDENTIFIER,
    NARROWER_SPELLINGS,
    QUALIFIED_PATH,
    SPELLINGS,
    IdentifierKind,
    can_be_identifier,
    identifier_checked_valid,
    qualified_identifier,
)
from commonwatt.ledger import Key, Ledger, Person
from commonwatt.operate.usecases.actions import submit_job_to_cluster
from commonwatt.operate.usecases.home import make_controller_home, open_controller_store
from commonwatt.sandbox.domain.errors import DataImportError
from commonwatt.sandbox.domain.import_report import TableImportReport
from commonwatt.sandbox.io.imports.dataset import fill_and_publish_dataset_draft
from commonwatt.sandbox.io.store.opt_outs import ConsentScope
from commonwatt.sandbox.usecases.projects.project import Project, ProjectFacts
from commonwatt.study.programme.reader import load_programme
from commonwatt.web.auth.accounts import list_console_accounts, make_account
from commonwatt.web.errors import ParameterError
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.routes.models import VersionName
from commonwatt.web.routes.projects import ProjectName
from commonwatt.web.services import open_console_services
from commonwatt.web.settings import Settings
from tests.clinic_factories import BODIES, with_deployment
from tests.clinic_factories import put as put_record
from tests.operate_cases import request
from tests.small_programme import small_programme

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
LATE = datetime.now(UTC)
MORE_SITES = """
[[sites]]
name = {name}
region = "CN"
pue = 1.2
power_price = "60 USD/MWh"
carbon = "500 g/kWh"
source = "a test"
cost_cells = "cn-west"
[[sites.pools]]
nodes = 0
gpus_per_node = 8
gpu = "A100"
"""
MORE_TENANTS = "\n[[tenants]]\nname = {name}\n"
TAKEN = {"a", "b", "home", "west", "rented", "raw", "qmh"}


class Doors:
    """Every place that takes a new name, over one folder; each returns what came back."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        self.writer = with_deployment()
        self.ledger = Ledger.open(folder / "ledger.db")
        self.root = Key.from_seed(bytes(32))
        registrar = Person(name="R", role="registrar", organisation="O", device="d")
        self.ledger.enrol_first_registrar(self.root, registrar, at=NOW)
        self.custodian = Key.from_seed(bytes([1]) * 32)
        with self.ledger.transaction() as tx:
            who = Person(name="C", role="data-custodian", organisation="O", device="d")
            self.ledger.enrol(tx, who, self.custodian.public_key, by=self.root, at=NOW)
        self.cluster = make_controller_home(folder / "cluster", "", now=NOW)
        (self.cluster.folder / "nodes.csv").write_text("node,gpus,count\nn,4,1\n")
        console = Settings.of(
            folder / "console", address="http://127.0.0.1:1", secure=False, sample=""
        )
        self.console = open_console_services(console, now=LATE)
        self.at = NOW

    def moment(self):
        self.at += timedelta(seconds=1)
        return self.at

    def programme_tenant(self, name):
        path = small_programme(self.folder, MORE_TENANTS.format(name=toml_text(name)))
        return load_programme(path).file.tenants[-1].name

    def programme_site(self, name):
        path = small_programme(self.folder, MORE_SITES.format(name=toml_text(name)))
        return load_programme(path).file.sites[-1].name

    def cluster_tenant(self, name):
        self.count += 1
        job = request(f"j{self.count}", tenant=name)
        submit_job_to_cluster(self.cluster, job, now_s=float(self.count))
        with open_controller_store(self.cluster) as store:
            return list(store.ledger.entries(kind="operate.submit"))[-1].body["tenant"]

    def open_project(self, name):
        facts = ProjectFacts(
            name=name, purpose="p", legal_basis="consent", scope=ConsentScope.AI_TRAINING,
            expires_on="2027-01-01",
        )  # fmt: skip
        self.count += 1
        folder = self.folder / f"project-{self.count}"
        Project.open(self.ledger, folder, facts, by=self.custodian, at=self.moment())
        return list(self.ledger.entries(kind="sandbox.open"))[-1].subject.removeprefix("room/")

    def import_dataset(self, name):
        self.count += 1
        store = self.folder / f"store-{self.count}"
        return fill_and_publish_dataset_draft(store, name, "fhir", lambda _: [_REPORT]).name

    def record_institution(self, name):
        return self._record("deployment", f"d{len(self.writer.registry.records)}", name)

    def record_artefact(self, name):
        self._record("product", name)
        entry = list(self.writer.ledger.entries(kind=f"{PREFIX}product"))[-1]
        return entry.subject.removeprefix("product/")

    def _record(self, kind, name, institution=None):
        body = BODIES[kind] | ({"institution": institution} if institution is not None else {})
        put_record(self.writer, kind, name, body)
        return list(self.writer.ledger.entries(kind=PREFIX + kind))[-1].body.get("institution")

    def enrol_person(self, name):
        person = Person(name=name, role="clinician", organisation="O", device="d")
        with self.ledger.transaction() as tx:
            key = Key.generate().public_key
            self.ledger.enrol(tx, person, key, by=self.root, at=self.moment())
        return list(self.ledger.entries(kind="ledger.enrol"))[-1].body["name"]

    def make_console_account(self, name):
        make_account(self.console, name, [ConsoleRole.VIEWER], by="test", now=LATE)
        assert name in {account.name for account in list_console_accounts(self.console)}
        return list(self.console.ledger.entries(kind="console.account"))[-1].subject.split("/")[1]


_REPORT = TableImportReport(table="Patient", source="a test", read_count=1, kept_count=1)
DOORS = {
    IdentifierKind.TENANT: (Doors.programme_tenant, Doors.cluster_tenant),
    IdentifierKind.SITE: (Doors.programme_site,),
    IdentifierKind.PROJECT: (Doors.open_project,),
    IdentifierKind.DATASET: (Doors.import_dataset,),
    IdentifierKind.INSTITUTION: (Doors.record_institution,),
    IdentifierKind.ARTEFACT: (Doors.record_artefact,),
    IdentifierKind.PERSON: (Doors.enrol_person, Doors.make_console_account),
}
NARROWED = {Doors.import_dataset: DATASET_FOLDER, Doors.make_console_account: ACCOUNT}


def toml_text(name):
    return json.dumps(name).replace("\x7f", "\\u007f")


_FIRST = st.sampled_from("aZ09bQ")
_REST = st.text(st.sampled_from("abcXYZ019._-@+:"), max_size=12)
_DIRECTORY = st.text(
    st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8
).filter(lambda text: unicodedata.is_normalized("NFC", text))
_PARTS = st.lists(_DIRECTORY, min_size=1, max_size=3)
_BREAKS = ("/", "\\", "\n", "\t", "\0", "\x7f", "\u202e", "\u200b", "\u2028", "\u00a0")


@st.composite
def legal(draw, kind):
    """A name of the kind: of every letter that its spelling has, up to the longest."""
    plain = draw(_FIRST) + draw(_REST)
    match kind:
        case IdentifierKind.PERSON:
            name = draw(st.one_of(_PARTS.map(" ".join), st.just(plain.strip("+:")), _SMALL))
        case IdentifierKind.DATASET:
            name = draw(st.one_of(st.just(plain), _SMALL))
        case IdentifierKind.TENANT | IdentifierKind.SITE:
            name = draw(st.sampled_from([plain, f"{plain} {plain}", f"{plain} x", f"{plain} "]))
        case _:
            name = plain
    if draw(st.integers(0, 9)) == 0:
        name = name[0].ljust(LONGEST_IDENTIFIER, "x")
    assume(can_be_identifier(kind, name))
    return name


_SMALL = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)


@st.composite
def illegal(draw, kind):
    """A legal name with one thing wrong."""
    name = draw(legal(kind))
    place = draw(st.integers(0, len(name)))
    broken = draw(
        st.sampled_from(
            [
                "", " ", f".{name}", f"-{name}", f"{name}\n", name.ljust(101, "x"),
                f"{name}e\u0301", f"../{name}", f"/{name}", f"{name}\uff21\u0301", f" {name}",
                name[:place] + draw(st.sampled_from(_BREAKS)) + name[place:],
            ]
        )
    )  # fmt: skip
    assume(not can_be_identifier(kind, broken))
    return broken


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    made = Doors(tmp_path_factory.mktemp("doors"))
    yield made
    made.ledger.engine.dispose()
    made.console.database.dispose()


@pytest.mark.parametrize("kind", IdentifierKind)
def test_a_legal_name_is_taken_by_every_door_and_comes_back_the_same(kind, doors):
    taken = {*TAKEN, "first"}
    counts = Counter()

    @settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
    @given(name=legal(kind))
    def each_door_takes(name):
        # Case is kept, so names that differ in it alone are two names; here they are not drawn
        # together, because a folder of this machine may fold them, and neither do those that
        # read alike, of which a programme takes one.
        read = " ".join(name.casefold().split())
        assume(read not in taken)
        taken.add(read)
        for door in DOORS[kind]:
            narrower = NARROWED.get(door)
            if narrower is not None and not narrower.fits(name):
                counts[door, "narrower"] += 1
                with pytest.raises((DataImportError, ParameterError)):
                    door(doors, name)
                continue
            assert door(doors, name) == name
            counts[door, "taken"] += 1

    each_door_takes()
    for door in DOORS[kind]:
        assert counts[door, "taken"] >= 5, (door, counts)
        assert door not in NARROWED or counts[door, "narrower"] >= 5


@pytest.mark.parametrize("kind", IdentifierKind)
def test_an_illegal_name_is_refused_by_every_door_with_the_one_error(kind, doors):
    counts = Counter()

    @settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
    @given(name=illegal(kind))
    def each_door_refuses(name):
        for door in DOORS[kind]:
            with pytest.raises(InputError) as refused:
                door(doors, name)
            _says_all(refused.value, kind, name)
            counts[door] += 1

    each_door_refuses()
    assert all(counts[door] >= 20 for door in DOORS[kind])


def _says_all(error, kind, name):
    text = error.translate("en")
    wanted = SPELLINGS[kind].wanted
    assert repr(name[:LONGEST_IDENTIFIER]) in text
    assert str(wanted) in text
    # A programme file's faults are told together, each with its own place.
    if isinstance(error, ProgrammeError):
        assert re.search(r"(tenants|sites)\.\d+\.name: found ", text)
    else:
        assert isinstance(error, IdentifierError)
        assert error.where
        assert str(error.remedy)
        assert error.translate("zh-Hant") != text
        assert wanted.translate("zh-Hant") != str(wanted)


@settings(max_examples=200)
@given(data=st.data(), kind=st.sampled_from(IdentifierKind))
def test_a_qualified_name_of_plain_spelling_is_a_subject(data, kind):
    name = data.draw(legal(kind))
    qualified = qualified_identifier(kind, name)
    assert qualified.split("/", 1) == [kind.value, name]
    if can_be_identifier(IdentifierKind.PROJECT, name):
        assert QUALIFIED_PATH.fullmatch(qualified)


# What each place took before names had one home; all of it is legal still.
BEFORE = {
    IdentifierKind.TENANT: r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,59}",
    IdentifierKind.SITE: r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,59}",
    IdentifierKind.PROJECT: r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}",
    IdentifierKind.DATASET: r"[a-z][a-z0-9-]{0,39}",
    IdentifierKind.ARTEFACT: r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,99}",
    IdentifierKind.PERSON: r"[A-Za-z0-9][A-Za-z0-9._@-]{0,59}",
}
NARROWER_BEFORE = (
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}",
    r"[a-z][a-z0-9-]{0,39}",
    r"[a-z][a-z0-9_-]{0,39}(\.[a-z0-9]{1,8})?",
    r"[A-Za-z0-9][A-Za-z0-9._@-]{0,59}",
)


@settings(max_examples=300)
@given(data=st.data(), kind=st.sampled_from(list(BEFORE)))
def test_what_was_legal_in_a_wing_before_is_legal_still(data, kind):
    name = data.draw(st.from_regex(BEFORE[kind], fullmatch=True))
    assert identifier_checked_valid(kind, name, "test") == name


@settings(max_examples=300)
@given(data=st.data(), place=st.integers(0, len(NARROWER_BEFORE) - 1))
def test_a_narrower_place_takes_what_it_took_and_nothing_that_its_kind_refuses(data, place):
    narrower = NARROWER_SPELLINGS[place]
    name = data.draw(st.from_regex(NARROWER_BEFORE[place], fullmatch=True))
    assert narrower.fits(name)
    assert can_be_identifier(narrower.kind, name)
    assert not narrower.fits(data.draw(illegal(narrower.kind)))


@settings(max_examples=200)
@given(data=st.data())
@pytest.mark.parametrize(
    ("route", "kind", "before"),
    [
        (ProjectName, IdentifierKind.PROJECT, ""),
        (VersionName, IdentifierKind.ARTEFACT, "version/"),
    ],
)
def test_an_address_of_the_console_takes_what_its_kind_takes(route, kind, before, data):
    adapter = TypeAdapter(route)
    name = before + data.draw(legal(kind))
    assert adapter.validate_python(name) == name
    with pytest.raises(ValidationError):
        adapter.validate_python(before + data.draw(illegal(kind)))
