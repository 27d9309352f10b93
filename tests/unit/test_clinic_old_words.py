"""A hospital is an institution: what older records and files call it is read, and nothing says it.

In a programme a site is a data centre, so the old word of the clinic must not come back.
"""

import json
import re
from pathlib import Path

import click
import pytest

from commonwatt.catalogue.collect import collect_catalogue
from commonwatt.catalogue.measures import Measure
from commonwatt.catalogue.tables import TableSchema
from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain import measures, tables
from commonwatt.clinic.domain.registry.records import FIELDS
from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.engines.gateway.gate import RULES
from commonwatt.clinic.engines.gateway.institution import load_clinic_institution
from commonwatt.clinic.engines.gateway.lottery import (
    EncounterLottery,
    audit_encounter_lottery,
    record_lottery_commitment,
)
from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.clinic.usecases.overview import clinic_deployment_rows
from commonwatt.clinic.usecases.registry import version_dossier_html_and_fhir_bundles
from commonwatt.core.errors import IdentifierError, InputError
from commonwatt.core.notices import notices_sent_to_sink
from commonwatt.ledger import EntryDraft, Ledger
from tests.clinic_factories import BODIES, KEYS, put
from tests.clinic_institution import EARLY, FACTS, disclose, hospital, put_in_old_words

DOCS = Path(__file__).parents[2] / "docs"
GIVEN = ("--institution", "qmh.toml", "--key", "gateway.pem")
WORDS = tuple(word for name, value in FACTS.items() for word in ("--fact", f"{name}={value}"))
OLD = re.compile(r"(?<![a-z])(?:web)?sites?(?![a-z])", re.IGNORECASE)


def run(*words):
    return run_main(root, ["clinic", *words])


@pytest.fixture
def old_home(tmp_path, monkeypatch):
    """A hospital whose deployment, gate's file and secret are of the time of the old word."""
    monkeypatch.chdir(tmp_path)
    hospital(tmp_path, old_words=True).ledger.engine.dispose()
    file = tmp_path / "qmh.toml"
    file.write_text(file.read_text().replace('institution = "qmh"', 'site = "qmh"'))
    return tmp_path


def test_an_old_chain_verifies_keeps_its_bytes_and_shows_institutions(old_home, capsys):
    assert run_main(root, ["ledger", "verify"]) == 0
    ledger = Ledger.open(old_home / "ledger.db")
    [entry] = ledger.entries(kind="clinic.deployment")
    assert '"site":"qmh"' in entry.text
    assert entry.body["site"] == "qmh"
    registry = RegistryWriter(ledger).registry
    assert registry.records["deployment/x"].body["institution"] == "qmh"
    [row] = clinic_deployment_rows(registry, EARLY)
    assert row["institution"] == "qmh"
    capsys.readouterr()
    assert run("model", "live", "qmh", "--json") == 0
    [live] = json.loads(capsys.readouterr().out)["live"]
    assert live["deployment"] == "deployment/x"
    page, _ = version_dossier_html_and_fhir_bundles(
        str(old_home / "ledger.db"), "version/v1", "en", on=EARLY.date()
    )
    assert "qmh" in page
    assert not OLD.search(re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL))
    ledger.engine.dispose()


def test_the_gate_of_an_old_home_advises_as_before_and_says_what_words_are_old(old_home, capsys):
    secret = bytes(range(32)).hex()
    (old_home / "site.secret").write_text(secret)
    assert run("gate", "ask", "deployment/x", "e1", *GIVEN, *WORDS) == 70  # not disclosed
    stderr = capsys.readouterr().err
    assert "gate.not-disclosed" in stderr
    assert '"site" is called "institution" now.' in stderr
    assert "site.secret is called institution.secret now." in stderr
    # A second secret would give every encounter a new name, in silence.
    assert not (old_home / "institution.secret").exists()
    assert (old_home / "site.secret").read_text() == secret


def test_a_gate_of_today_says_nothing_of_old_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    hospital(tmp_path).ledger.engine.dispose()
    (tmp_path / "site.secret").write_text("not read")
    (tmp_path / "institution.secret").write_text(bytes(32).hex())
    assert run("gate", "ask", "deployment/x", "e1", *GIVEN, *WORDS) == 70
    assert "is called" not in capsys.readouterr().err


def test_a_pledge_under_the_old_word_is_in_force_and_is_audited(tmp_path):
    writer = hospital(tmp_path, old_words=True)
    lot = EncounterLottery(secret=b"s" * 32, share=1.0)
    body = {"commitment": lot.lottery_commitment_sha256(), "share": lot.share}
    pledge = EntryDraft(kind="gate.sample", subject="site/qmh", body=body)
    with writer.ledger.transaction() as tx:
        writer.ledger.append(tx, [pledge], by=KEYS["gateway"], at=EARLY)
    writer.refresh_registry()
    record_lottery_commitment(writer, "qmh", lot, by=KEYS["gateway"], at=EARLY)
    assert len(list(writer.ledger.entries(kind="gate.sample"))) == 1
    scores = {"deployment/x": lambda _: 0.4}
    gate = AdviceGate(writer, "qmh", scores, by=KEYS["gateway"], salt=b"s", sample=lot)
    disclose(writer, gate, "e1")
    gate.record_and_answer_advice_request("deployment/x", "e1", FACTS, at=EARLY, own_estimate=0.3)
    audit = audit_encounter_lottery(writer.ledger.entries(), "qmh", [lot.secret])
    assert (audit.lots, audit.drawn, audit.marked_wrongly) == (1, 1, ())
    other = audit_encounter_lottery(writer.ledger.entries(), "pmh", [lot.secret])
    assert (other.lots, other.sealed) == (0, 0)
    # A new pledge is written under the word of today, and is the one in force from then on.
    newer = EncounterLottery(secret=b"t" * 32, share=1.0)
    record_lottery_commitment(writer, "qmh", newer, by=KEYS["gateway"], at=EARLY)
    pledges = [entry.subject for entry in writer.ledger.entries(kind="gate.sample")]
    assert pledges == ["site/qmh", "institution/qmh"]
    record_lottery_commitment(writer, "qmh", newer, by=KEYS["gateway"], at=EARLY)
    assert len(list(writer.ledger.entries(kind="gate.sample"))) == 2


@pytest.mark.parametrize("word", ["site", "institution"])
def test_a_deployment_given_in_either_word_goes_on_record_in_todays(
    tmp_path, monkeypatch, capsys, word
):
    monkeypatch.chdir(tmp_path)
    hospital(tmp_path).ledger.engine.dispose()
    body = dict(BODIES["deployment"])
    body[word] = body.pop("institution")
    Path("body.json").write_text(json.dumps(body))
    words = ("deployment", "y", "body.json", "--key", "clinical-lead.pem", "--json")
    assert run("model", "register", *words) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["body"]["institution"] == "qmh"
    assert "site" not in json.loads(out)["body"]
    assert ('deployment/y: "site" is called "institution" now.' in err) is (word == "site")
    assert run("model", "register", *words[:1], "z", *words[2:], "--lang", "zh-Hant") == 0
    assert ("現稱" in capsys.readouterr().err) is (word == "site")


def test_both_words_at_once_are_refused_in_a_record_and_in_a_file(tmp_path):
    writer = hospital(tmp_path)
    size = writer.registry.entries_applied
    with pytest.raises(InputError, match='found both "site" and "institution"') as refused:
        put(writer, "deployment", "y", BODIES["deployment"] | {"site": "qmh"}, EARLY)
    assert refused.value.where == "deployment/y"
    assert '"site"' in str(refused.value.remedy)
    assert writer.refresh_registry().entries_applied == size
    file = tmp_path / "qmh.toml"
    assert load_clinic_institution(file).name == "qmh"
    file.write_text('site = "qmh"\n' + file.read_text())
    with pytest.raises(InputError, match='found both "site" and "institution"') as refused:
        load_clinic_institution(file)
    assert refused.value.where == str(file)


def test_an_institution_on_record_goes_on_under_a_name_that_is_not_given_any_more(tmp_path):
    writer = hospital(tmp_path)
    named = BODIES["deployment"] | {"institution": "HA/瑪麗醫院"}
    with pytest.raises(IdentifierError, match="short code"):
        put(writer, "deployment", "y", named, EARLY)
    put_in_old_words(writer, "y", named)
    put(writer, "deployment", "z", named, EARLY)
    assert writer.registry.at_institution["HA/瑪麗醫院"] == ["deployment/y", "deployment/z"]
    notices = []
    with notices_sent_to_sink(notices.append), pytest.raises(IdentifierError, match="short code"):
        put(writer, "deployment", "w", named | {"institution": "HA/其他"}, EARLY)
    assert notices == []


@pytest.mark.parametrize(
    "words",
    [
        ("gate", "ask", "deployment/x", "e1", "--site", "qmh.toml", "--key", "gateway.pem"),
        ("gate", "serve", "--site=qmh.toml", "--key", "gateway.pem"),
        ("model", "evidence", "shipped:clinic/examples/scores.csv", "--site", "site"),
    ],
)
def test_an_old_option_is_answered_with_its_new_name(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hospital(tmp_path).ledger.engine.dispose()
    assert run(*words) == 2
    assert "--site is called --institution now." in capsys.readouterr().err
    now = [re.sub("^--site", "--institution", word) for word in words]
    assert run(*now, "--help") == 0
    assert run(*now[:2], "--sit", "x") == 2
    assert "is called" not in capsys.readouterr().err


def commands(group, path=()):
    """Yield every command below `group` with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def helps(word):
    """Return the help of every command below a word, by its words."""
    return {
        path: command.get_help(click.Context(command, info_name=" ".join(path)))
        for path, command in commands(root)
        if path[0] == word
    }


@pytest.mark.parametrize("word", ["clinic", "sandbox"])
def test_no_help_says_site_of_a_hospital(word):
    help_texts = helps(word)
    assert len(help_texts) > 15
    assert [path for path, text in help_texts.items() if OLD.search(text)] == []


def test_the_search_for_the_old_word_finds_it_where_it_is_right():
    assert any(OLD.search(text) for text in helps("siting").values())


def test_no_table_field_or_rule_of_the_clinic_says_site():
    mine = [table for table in vars(tables).values() if isinstance(table, TableSchema)]
    words = [f"{t.name} {t.meaning} {c.name} {c.meaning}" for t in mine for c in t.columns]
    own = [value for value in vars(measures).values() if isinstance(value, Measure)]
    words += [f"{m.id} {m.label} {m.meaning}" for m in own]
    words += [f"{kind} {f.name} {f.meaning}" for kind, row in FIELDS.items() for f in row]
    words += RULES
    assert len(words) > 150
    assert [text for text in words if OLD.search(text)] == []
    assert any("institution" in text for text in words)
    catalogue = collect_catalogue()
    assert any(OLD.search(column.name) for column in catalogue.tables["fleet_sites"].columns)


PAGES = (
    "reference/clinic.md", "reference/sandbox.md", "reference/sandbox-import.md",
    "explanation/clinic.md", "explanation/deidentify.md", "explanation/sandbox-promises.md",
    "how-to/serve-an-institution.md", "how-to/examine-a-language-model.md",
    "how-to/third-party-evaluation.md", "tutorials/committee.md", "tutorials/custodian.md",
    "zh-Hant/tutorials/committee.md", "zh-Hant/tutorials/custodian.md",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_no_page_of_clinic_and_sandbox_says_site_of_a_hospital(page):
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    # A site of a genome, `care_site` of OMOP and addresses in the web are other things.
    others = re.compile(r"care_site|genom|variant|VCF|http")
    assert [line for line in lines if OLD.search(line) and not others.search(line)] == []
