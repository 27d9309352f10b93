"""Evaluation by a third party: items that nobody is told, an aggregate that anybody can check."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import EvidenceError, StatusMoveError
from commonwatt.clinic.engines.evidence import evaluate_score_sketch, sketch_model_scores
from commonwatt.clinic.engines.evidence.sealed import (
    SealedCase,
    SealTerms,
    check_report_belongs_to_seal,
    examine_model_on_sealed_cases,
    is_revealed_case_in_sealed_set,
    load_sealed_cases,
    load_signed_model_evidence_statement,
    reveal_sealed_case,
    seal_evidence_cases,
    sealed_set_marks_share_most_items,
    sealed_set_similarity_marks,
)
from commonwatt.clinic.engines.gateway.models import LogisticModel
from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.core.seeds import named_random_stream
from commonwatt.ledger import Key, Ledger, Person
from tests.clinic_factories import BODIES, KEYS, NOW, put, with_deployment
from tests.clinic_institution import LINEAR, hospital

SECRET, EVALUATOR, ON = b"e" * 32, KEYS["evaluator"], date(2026, 11, 22)
MODEL = LogisticModel(intercept=-1.0, weights={"age_years": 0.02})
TERMS = SealTerms(threshold=0.5, most=2)


def made_items(count=400, rare=0):
    chance = named_random_stream(5, "items")
    items = []
    for i in range(count):
        age = int(chance.integers(18, 95))
        label = int(chance.random() < 1 / (1 + np.exp(1 - 0.02 * age)))
        group = "rare" if i < rare else "ab"[i % 2]
        items.append(SealedCase(facts={"age_years": str(age)}, label=label, group=group))
    return items


ITEMS = made_items()
SEALED = seal_evidence_cases(ITEMS, SECRET, TERMS, by=EVALUATOR)


def report(items=ITEMS, sealed=SEALED, earlier=(), by=EVALUATOR, secret=SECRET):
    return examine_model_on_sealed_cases(
        items, secret, sealed, MODEL, artefact_sha256="cd" * 32, earlier=earlier, on=ON, by=by
    )


def test_the_vendor_sees_the_aggregate_that_the_items_give_and_nothing_of_any_item():
    made = report()
    check_report_belongs_to_seal(made, SEALED)
    scores = [MODEL(item.facts) for item in ITEMS]
    wanted = evaluate_score_sketch(
        sketch_model_scores(scores, [item.label for item in ITEMS], threshold=0.5), ["all"]
    )
    estimates = {row["metric"]: row["estimate"] for row in made.body["estimates"][:7]}
    assert estimates == {row["metric"]: round(row["estimate"], 3) for row in wanted.to_dicts()}
    assert "age_years" not in made.evidence_statement_json() + SEALED.evidence_statement_json()
    assert {row["group"] for row in made.body["estimates"]} == {"every item", "a", "b"}


def test_the_seal_tells_nothing_that_a_guess_at_the_items_could_be_tried_on():
    assert (
        seal_evidence_cases(ITEMS, b"f" * 32, TERMS, by=EVALUATOR).body["root"]
        != SEALED.body["root"]
    )
    assert set(SEALED.body) == {"form", "kind", "root", "size", "terms"}


def test_a_group_of_too_few_is_not_told_and_cannot_be_counted_back_from_the_others():
    items = made_items(rare=6)
    rows = report(items, seal_evidence_cases(items, SECRET, TERMS, by=EVALUATOR)).body["estimates"]
    rare = [row for row in rows if row["group"] == "rare"]
    assert {row["verdict"] for row in rare} == {"too few to say"}
    assert {row["rows"] for row in rows if row["group"] != "every item"} == {None}


def test_a_set_answers_no_more_often_than_its_seal_says_and_each_answer_names_the_last():
    first = report()
    second = report(earlier=[first.evidence_statement_sha256()])
    assert (second.body["number"], second.body["previous"]) == (
        2,
        first.evidence_statement_sha256(),
    )
    with pytest.raises(EvidenceError, match="2 examinations already"):
        report(earlier=[made.evidence_statement_sha256() for made in (first, second)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": ITEMS[:-1]}, "not the items that were sealed"),
        ({"items": [*ITEMS[1:], ITEMS[0]]}, "not the items that were sealed"),
        ({"items": [replace(ITEMS[0], label=1 - ITEMS[0].label), *ITEMS[1:]]}, "not the items"),
        ({"secret": b"f" * 32}, "not the items that were sealed"),
        ({"by": KEYS["manufacturer"]}, "the key of the evaluator"),
        ({"sealed": replace(SEALED, signature="00" * 64)}, "not one over this statement"),
        ({"sealed": replace(SEALED, public_key="zz")}, "not one over this statement"),
    ],
)
def test_an_evaluator_cannot_change_items_labels_order_or_seal_after_sealing(change, message):
    with pytest.raises(EvidenceError, match=message):
        report(**change)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_report_that_was_changed_anywhere_is_not_confirmed(data):
    made = report()
    body = json.loads(json.dumps(made.body))
    name = data.draw(st.sampled_from(sorted(body)))
    body[name] = data.draw(st.sampled_from([None, "x", 0, []]).filter(lambda v: v != body[name]))
    with pytest.raises(EvidenceError):
        check_report_belongs_to_seal(replace(made, body=body), SEALED)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.data())
def test_an_opened_item_is_proved_and_any_other_is_not(count, data):
    items = ITEMS[:count]
    sealed = seal_evidence_cases(items, SECRET, TERMS, by=EVALUATOR)
    number = data.draw(st.integers(0, count - 1))
    opened = reveal_sealed_case(items, SECRET, number)
    assert is_revealed_case_in_sealed_set(opened, sealed)
    other = replace(opened.item, label=1 - opened.item.label)
    assert not is_revealed_case_in_sealed_set(replace(opened, item=other), sealed)
    with pytest.raises(EvidenceError):
        reveal_sealed_case(items, SECRET, count)


def test_evidence_names_the_report_of_an_examination_of_its_own_artefact():
    desk = with_deployment()
    examined = {"seal_sha256": "01" * 32, "items_root": "02" * 32, "report_sha256": "03" * 32}
    other = examined | {"artefact_sha256": "04" * 32, "report_sha256": "05" * 32}
    with desk.transaction() as tx:
        artefact = desk.registry.records["version/v1"].body["artefact_sha256"]
        for name, body in (("1", examined | {"artefact_sha256": artefact}), ("2", other)):
            desk.write_registry_record(tx, "examination", name, body, by=KEYS["evaluator"], at=NOW)
    for digest in ("05" * 32, "06" * 32):
        with pytest.raises(StatusMoveError, match="report of an examination"):
            put(desk, "evidence", "r", BODIES["evidence"] | {"report_sha256": digest})
    put(desk, "evidence", "r", BODIES["evidence"] | {"report_sha256": "03" * 32})


DISTINCT = [
    replace(item, facts={**item.facts, "age_years": f"{number}.5"})
    for number, item in enumerate(ITEMS)
]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(30, len(DISTINCT)))
def test_items_are_known_again_in_another_order_and_with_some_left_out(chance, kept):
    sketch = sealed_set_similarity_marks(DISTINCT, EVALUATOR)
    drawn = chance.sample(DISTINCT, kept)
    again = sealed_set_similarity_marks([replace(item, group="other") for item in drawn], EVALUATOR)
    assert sealed_set_marks_share_most_items(sketch, again)
    assert sealed_set_marks_share_most_items(again, sketch)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 0.25))
def test_a_fresh_set_is_a_fresh_set_though_it_shares_a_few_items(size, other_size, shared):
    def item(number):
        return replace(ITEMS[0], facts={"age_years": str(number)})

    common = int(shared * min(size, other_size))
    first = [item(n) for n in range(size)]
    other = [item(n) for n in range(size - common, size - common + other_size)]
    assert not sealed_set_marks_share_most_items(
        sealed_set_similarity_marks(first, EVALUATOR), sealed_set_similarity_marks(other, EVALUATOR)
    )


def test_sets_of_few_facts_are_the_same_only_as_a_whole():
    few = [replace(ITEMS[0], facts={"sex": "f" if n % 2 else "m"}) for n in range(40)]
    sketch = sealed_set_similarity_marks(few, EVALUATOR)
    assert sealed_set_marks_share_most_items(
        sketch, sealed_set_similarity_marks(few[::-1], EVALUATOR)
    )
    assert not sealed_set_marks_share_most_items(
        sketch, sealed_set_similarity_marks(few[:-2], EVALUATOR)
    )
    assert sealed_set_similarity_marks(few, KEYS["manufacturer"]) != sketch


def run(*words):
    return run_main(root, ["clinic", *words])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = hospital(tmp_path)
    third = Key.from_seed(b"z" * 32)
    third.save(tmp_path / "third.pem")
    who = Person(name="T", role="evaluator", organisation="Institute", device="d")
    with made.ledger.transaction() as tx:
        at = made.registry.records["deployment/x"].at
        made.ledger.enrol(tx, who, third.public_key, by=KEYS["registrar"], at=at)
    made.ledger.engine.dispose()
    lines = [
        json.dumps({"facts": dict(i.facts), "label": i.label, "group": i.group}) for i in ITEMS
    ]
    (tmp_path / "items.jsonl").write_text("\n".join(lines))
    return tmp_path


def test_a_vendors_model_is_examined_put_on_record_and_confirmed_by_anybody(folder, capsys):
    assert (
        run("sealed", "seal", "items.jsonl", "--key", "third.pem", "--most", "2", "--out", "s") == 0
    )
    given = ("sealed", "examine", "items.jsonl", "--seal", "s/seal.json", "--key", "third.pem")
    assert run(*given, "--linear", "model.json", "--version", "version/v1", "--out", "r") == 0
    assert "auc" in capsys.readouterr().out
    ledger = Ledger.open(folder / "ledger.db")
    registry = RegistryWriter(ledger).registry
    ledger.engine.dispose()
    report = load_signed_model_evidence_statement(folder / "r" / "report.json")
    evidence = registry.evidence_on["version/v1"][-1]
    assert evidence.body["report_sha256"] == report.evidence_statement_sha256()
    assert run("sealed", "reveal", "items.jsonl", "17", "--out", "i") == 0
    capsys.readouterr()
    words = ("sealed", "confirm", "r/report.json", "--seal", "s/seal.json", "--item", "i/item.json")
    assert run(*words, "--json") == 0
    confirmation = json.loads(capsys.readouterr().out)
    assert (confirmation["holds"], confirmation["opened"]) == (True, 1)
    again = ("--linear", "model.json")
    assert run(*given, *again, "--out", "r2", "--lang", "zh-Hant") == 0
    assert "第 2 次考核" in capsys.readouterr().out
    # Whatever reports the evaluator shows or hides, the ledger has counted two; a second seal over
    # the same items is no fresh set.
    assert run(*given, *again, "--out", "r3") == 68
    assert "2 examinations already" in capsys.readouterr().err
    assert not (folder / "r3").exists()
    sealing = ("sealed", "seal", "items.jsonl", "--key", "third.pem", "--out")
    assert run(*sealing, "u", "--most", "1") == 0
    under = ("sealed", "examine", "items.jsonl", "--seal", "u/seal.json", "--key", "third.pem")
    assert run(*under, *again) == 68
    assert run(*sealing, "t", "--most", "9") == 0
    given = ("sealed", "examine", "items.jsonl", "--seal", "t/seal.json", "--key", "third.pem")
    (folder / "model.json").write_text(LINEAR.replace("0.02", "0.03"))
    assert run(*given, *again, "--version", "version/v1") == 68
    made = load_signed_model_evidence_statement(folder / "r" / "report.json")
    (folder / "bad.json").write_text(replace(made, signature="00" * 64).evidence_statement_json())
    assert run("sealed", "confirm", "bad.json", "--seal", "s/seal.json") == 68


def test_whoever_is_no_evaluator_on_record_gives_no_report(folder):
    assert run("sealed", "seal", "items.jsonl", "--key", "clinical-lead.pem", "--out", "s") == 0
    given = ("sealed", "examine", "items.jsonl", "--seal", "s/seal.json", "--linear", "model.json")
    assert run(*given, "--key", "clinical-lead.pem", "--out", "r") != 0
    assert not (folder / "r").exists()


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ((), 2),
        (("--linear", "model.json", "--python", "m:f"), 2),
        (("--url", "http://vendor.example/", "--artefact", "model.json"), 2),
        (("--url", "http://127.0.0.1:9/"), 2),
        (("--python", "no:thing", "--artefact", "model.json"), 20),
        (("--linear", "items.jsonl"), 20),
    ],
)
def test_a_model_that_would_see_items_elsewhere_or_cannot_be_named_is_refused(folder, model, code):
    assert run("sealed", "seal", "items.jsonl", "--key", "third.pem", "--out", "s") == 0
    given = ("sealed", "examine", "items.jsonl", "--seal", "s/seal.json", "--key", "third.pem")
    assert run(*given, *model) == code


@pytest.mark.parametrize(
    "line", ["{}", "[]", "x", '{"facts": {}, "label": 2}', '{"facts": 1, "label": 0}']
)
def test_items_that_are_not_of_the_form_name_their_line_and_nothing_of_it(folder, capsys, line):
    (folder / "items.jsonl").write_text('{"facts": {"a": "1"}, "label": 0}\n' + line)
    assert run("sealed", "seal", "items.jsonl", "--key", "third.pem") == 68
    assert "line 2" in capsys.readouterr().err


def test_another_salt_makes_no_fresh_set(folder, capsys):
    given = ("sealed", "examine", "items.jsonl", "--key", "third.pem", "--linear", "model.json")
    for salt in ("a", "b"):
        sealing = ("--key", "third.pem", "--most", "1", "--secret", f"{salt}.secret")
        assert run("sealed", "seal", "items.jsonl", *sealing, "--out", salt) == 0
    under = ("--seal", "a/seal.json", "--secret", "a.secret")
    assert run(*given, *under, "--out", "r1") == 0
    capsys.readouterr()
    under = ("--seal", "b/seal.json", "--secret", "b.secret")
    assert run(*given, *under, "--out", "r2") == 68
    assert "1 examinations already" in capsys.readouterr().err


def test_a_report_that_is_refused_as_evidence_uses_up_no_answer(folder, capsys):
    sealing = ("sealed", "seal", "items.jsonl", "--key", "third.pem", "--most", "1", "--out", "s")
    assert run(*sealing) == 0
    given = ("sealed", "examine", "items.jsonl", "--seal", "s/seal.json", "--key", "third.pem")
    model = ("--linear", "model.json")
    assert run(*given, *model, "--version", "version/typo", "--out", "r") == 67
    assert not (folder / "r").exists()
    assert run(*given, *model, "--version", "version/v1", "--out", "r") == 0
    assert (folder / "r" / "report.json").exists()


def test_items_of_another_code_page_are_refused_in_words_and_a_mark_at_the_start_does_no_harm(
    tmp_path,
):
    path, line = tmp_path / "items.jsonl", '{"facts": {"age_years": 40}, "label": 1}\n'
    path.write_text(line, encoding="utf-16")
    with pytest.raises(EvidenceError, match="a code page that the file does not name"):
        load_sealed_cases(path)
    path.write_text(line, encoding="utf-8-sig")
    assert len(load_sealed_cases(path)) == 1
