"""What is hashed, signed or stored keeps its bytes, whatever our classes come to be called.

Each digest below was computed before the classes took the names that they have now. One that
changes means that records, seals and rulings that exist no longer fit: mend the code, and let
the digest stand, unless the version of the form goes up with it.
"""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from commonwatt.clinic.domain.rules import book as book_module
from commonwatt.clinic.domain.rules import facts as facts_module
from commonwatt.clinic.domain.rules import load_regulatory_rule_book, parse, predicate
from commonwatt.clinic.domain.rules import rule as rule_module
from commonwatt.clinic.engines.evidence.sealed import (
    SealedCase,
    SealTerms,
    examine_model_on_sealed_cases,
    reveal_sealed_case,
    revealed_case_json,
    seal_evidence_cases,
)
from commonwatt.clinic.engines.gateway.lottery import EncounterLottery
from commonwatt.ledger import EntryDraft, Key, Ledger, Person
from commonwatt.operate.domain.capture import Capture, capture_json_line
from commonwatt.operate.domain.cluster import (
    JobPhase,
    JobRequest,
    NodeAllocation,
    NodeState,
    ObservedJob,
    ObservedNode,
)
from commonwatt.operate.domain.requests import compact_cluster_json, job_request_json
from commonwatt.sandbox.engines.risk.attack import LinkageAttack
from commonwatt.sandbox.engines.risk.measures import ReidentificationRisk
from commonwatt.sandbox.engines.risk.report import RiskReport
from commonwatt.sandbox.io.imports.genomes import GenomeReport

KEY = Key.from_seed(bytes(range(32)))
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
SECRET = b"s" * 32
CASES = [SealedCase(facts={"age_years": str(n)}, label=n % 2, group="ab"[n % 2]) for n in range(9)]
RULES = "72f4eae091719b6f9df1c99c5f02badad17801fca9a7e1957e664fcbca795044"
# A law of two rules, so that the digest of the form does not move with every law of the world.
SMALL_BOOK = {
    "facts": """
axes:
  offering: {values: [product, service], meaning: What it is.}
others:
  aged: {values: ["no", "yes"], default: "no", meaning: Whether it is old.}
""",
    "zz": """
name: Elsewhere
zh: 別處
schemes:
  risk: {classes: [low, mid, high], conflict: strictest, scope: "offering = product"}
sources:
  law: {title: Law § 1, date: 2020-01-01, checked: primary, against: the gazette}
base: {offering: product}
defaults: {source: law, status: in force, binding: true, from: 2020-01-01, given: {risk: [high]}}
rules:
  - {id: zz.high, article: "1", text: Old things are risky., zh: 舊, quote: "“old”", scheme: risk,
     class: high, when: {all: [aged = yes, {not: {any: [offering in service]}}]},
     case: {with: {aged: yes}, flip: {aged: no}}}
  - {id: zz.report, article: "2", text: Report., to: 2030-01-01, when: aged != no,
     route: approval, special: true, obligations: [report], supersedes: zz.high,
     clock: {event: harm, days: 2.5, working: true}}
""",
}


def small_book(folder, **changes):
    """Return the small book, in which some words were replaced by others."""
    for name, sound in SMALL_BOOK.items():
        text = sound
        for old, new in changes.get(name, {}).items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    made = load_regulatory_rule_book(folder, ())
    assert made.faults == {}
    return made


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def a_ledger():
    """A ledger with an enrolment, a revocation and an entry of another wing."""
    ledger = Ledger.open("sqlite://")
    who = Person(name="A. Chan", role="registrar", organisation="HA", device="card-1")
    ledger.enrol_first_registrar(KEY, who, at=AT)
    other = Key.from_seed(bytes([7]) * 32)
    with ledger.transaction() as tx:
        lee = Person(name="B. Lee", role="gateway", organisation="HA", device="card-2")
        actor = ledger.enrol(tx, lee, other.public_key, by=KEY, at=AT)
        draft = EntryDraft(kind="demo.product", subject="product/chest", body={"name": "字"})
        ledger.append(tx, [draft], by=KEY, at=AT)
        ledger.revoke(tx, actor.actor_id, reason="left", by=KEY, at=AT)
    return ledger


def root_of(ledger):
    return ledger.inclusion(0).root.hex()


def a_seal():
    return seal_evidence_cases(CASES, SECRET, SealTerms(threshold=0.3), by=KEY)


def a_report():
    on = date(2026, 11, 22)
    return examine_model_on_sealed_cases(
        CASES, SECRET, a_seal(), lambda _: 0.5, artefact_sha256="a" * 64, on=on, by=KEY
    )


def a_job():
    return JobRequest(job_id="a", argv=("true",), gpus=2, tenant="t", sites=("north",))


def a_capture():
    node = ObservedNode(name="n1", gpus=8, state=NodeState.UP)
    job = ObservedJob(
        request=a_job(), phase=JobPhase.RUNNING, places=(NodeAllocation(node="n1", gpus=(0, 1)),)
    )
    return Capture(at_s=1.5, nodes=(node,), jobs=(job,), seed=3)


def a_risk_report():
    risk = ReidentificationRisk(
        people=3, k=1, unique_share=0.5, mean_guess_share=0.4, population_risk_share=0.1, l=1, t=0.2
    )
    attack = LinkageAttack(
        knows="sex", people=3, claimed_share=0.5, success_share=0.4, guess_share=0.3
    )
    return RiskReport(
        dataset="d", risk=risk, before=attack, after=attack, diary=None, diary_before=attack,
        diary_coarser=(attack,),
    )  # fmt: skip


def a_genome_report():
    return GenomeReport(
        dataset="d", people=9, groups={"a": 9}, least_people=5, smallest_cell=3, cells=7, withheld=2
    )


GOLDEN = {
    "ledger": (
        lambda: root_of(a_ledger()),
        "745e13828198d0fedc35ec52cf4e693bd2fab52376040ff967c7706d55d76558",
    ),
    "seal": (
        lambda: a_seal().evidence_statement_sha256(),
        "363b7e55902e67a8483be7d114ec5a2b857f99c158163ba71c07259e74f2c3a6",
    ),
    "seal, as a file": (
        lambda: sha256(a_seal().evidence_statement_json()),
        "c927864996188f83895a02a44ede0c0d8e878107833b3c671ca2104c53df79cf",
    ),
    "report under a seal": (
        lambda: a_report().evidence_statement_sha256(),
        "6b0192b4256504f42a9fd529eb67bde511f5e3518c720b62bbc06e08116ba6a0",
    ),
    "opened case": (
        lambda: sha256(revealed_case_json(reveal_sealed_case(CASES, SECRET, 3))),
        "b575137e7a237f4f1dac6ce377d3044fb494ef280d392636b4973e3b6b0668aa",
    ),
    "lot of an encounter": (
        lambda: EncounterLottery(secret=SECRET, share=0.25).lottery_commitment_sha256(),
        "af40aa26e2ac5550bd3ec9a5d08833d88615eb66c53ffb19e4c01fb02a73661e",
    ),
    "captured cluster": (
        lambda: sha256(capture_json_line(a_capture())),
        "3737a1afcb20dd016de30029418c80d12cf4d6cbaa141f6789682ca5e8133cf6",
    ),
    "request of a job": (
        lambda: sha256(compact_cluster_json(job_request_json(a_job()))),
        "89b62def6ab3747490deb6afd66dc2a8d206f7db8bf997f9c20e154a241a6ccf",
    ),
    "report on risk": (
        lambda: a_risk_report().sha256,
        "ec24b732a990c20a899891630d2c51216bc015ad293efc2ffdef516192e651af",
    ),
    "report on genomes": (
        lambda: a_genome_report().sha256,
        "bcb5f3a430645e2e0a262596687a09f329449c0089ff39cac5fbe9fdbf646cd2",
    ),
}


@pytest.mark.parametrize("kind", GOLDEN)
def test_a_record_of_each_kind_keeps_its_digest(kind):
    digest, recorded = GOLDEN[kind]
    assert digest() == recorded


@pytest.fixture
def renamed_classes():
    """Every class of the rule book under another name, as Python prints it."""
    classes = [
        value
        for module in (book_module, facts_module, parse, predicate, rule_module)
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    names = [each.__qualname__ for each in classes]
    for each in classes:
        each.__qualname__ = f"Renamed{each.__qualname__}"
    yield
    for each, name in zip(classes, names, strict=True):
        each.__qualname__ = name


def test_a_rule_set_keeps_its_digest(tmp_path):
    assert small_book(tmp_path).digest == RULES


@pytest.mark.usefixtures("renamed_classes")
def test_no_rename_gives_a_rule_set_another_name(tmp_path):
    book = small_book(tmp_path)
    assert repr(book.rules[0]).count("Renamed") > 2  # the rename reaches what Python would print
    assert replace(book).digest == RULES


@pytest.mark.parametrize("member", ["text", "article", "klass", "route", "valid_from", "status"])
def test_a_rule_that_says_something_else_has_another_digest(member, tmp_path):
    book = small_book(tmp_path)
    first = book.rules[0]
    changed = date(2030, 1, 1) if member == "valid_from" else getattr(first, member) + "x"
    assert book.with_rule_changed(replace(first, **{member: changed})).digest != RULES


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        # The order of the classes decides which of two is the stricter one.
        ("zz", "[low, mid, high]", "[low, high, mid]"),
        ("zz", "[low, mid, high]", "[low, mid, high, worst]"),
        ("zz", "conflict: strictest", "conflict: none"),
        ("zz", 'scope: "offering = product"', 'scope: "offering != service"'),
        ("zz", "zh: 別處", "zh: 他處"),
        ("zz", "name: Elsewhere", "name: Here"),
        ("zz", "name: Elsewhere", "name: Elsewhere\nkind: guidance"),
        ("zz", "title: Law § 1", "title: Law § 2"),
        ("zz", "date: 2020-01-01, checked", "date: 2020-01-02, checked"),
        ("zz", "checked: primary", "checked: secondary"),
        ("zz", "against: the gazette", "against: a page"),
        ("zz", "binding: true", "binding: false"),
        ("zz", "given: {risk: [high]}", "given: {risk: [mid]}"),
        ("zz", "“old”", "“aged”"),
        ("zz", "zh: 舊", "zh: 老"),
        ("zz", "[aged = yes, {not", "[aged = no, {not"),
        ("zz", "flip: {aged: no}", "flip: {offering: service}"),
        ("zz", "to: 2030-01-01", "to: 2031-01-01"),
        ("zz", "special: true", "special: false"),
        ("zz", "obligations: [report]", "obligations: [log]"),
        ("zz", "supersedes: zz.high", "supersedes: zz.report"),
        ("zz", "event: harm", "event: loss"),
        ("zz", "days: 2.5", "days: 3"),
        ("zz", "days: 2.5, working: true", "days: 2.5, working: false"),
        ("zz", "working: true", "working: true, by: importer"),
        ("facts", 'default: "no"', 'default: "yes"'),
        ("facts", 'values: ["no", "yes"]', 'values: ["yes", "no"]'),
        ("facts", 'values: ["no", "yes"]', 'values: ["no", "yes", "very"]'),
        ("facts", "[product, service]", "[service, product]"),
        ("facts", "Whether it is old.", "Whether it is aged."),
    ],
)
def test_every_part_that_decides_is_under_the_digest(file, old, new, tmp_path):
    made = small_book(tmp_path, **{file: {old: new}})
    assert made.digest != RULES


def test_a_table_of_codes_is_under_the_digest(tmp_path):
    old = "meaning: Whether it is old.}"
    facts = {old: f"{old}\n  code: {{values: [none], default: none,"
             " meaning: A code., table: codes.csv, column: code,"
             " gives: {aged: old}}"}  # fmt: skip
    digests = set()
    for rows in ("A,yes", "A,no", "B,yes", "A,yes\nB,no"):
        (tmp_path / "codes.csv").write_text(f"code,old\n{rows}\n")
        digests.add(small_book(tmp_path, facts=facts).digest)
    assert len(digests) == 4
