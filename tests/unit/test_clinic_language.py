"""Language models examined: weak, lazy, inventing, cheating and leaking ones are told apart."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.engines.language import (
    ChatModel,
    LocalModel,
    examine_clinic_language_model,
    learning_and_held_out_notes,
    load_medec_clinic_notes,
    make_clinic_model_canaries,
)
from commonwatt.clinic.engines.language.canaries import measure_clinical_canary_leak
from commonwatt.clinic.engines.language.examine import Z, clinical_case_design_effect
from commonwatt.clinic.engines.language.support import measure_clinic_note_support_check
from commonwatt.core.seeds import named_random_stream
from tests.language_models import (
    Cheat,
    Inventor,
    Lazy,
    NgramBaseline,
    made_notes,
    medec_text,
    served,
)
from tests.shared_data import shared_data

NOTES = made_notes()
CANARIES = make_clinic_model_canaries(b"k" * 32, 20)


def share(examination, task, measured, group="all"):
    [row] = examination.table.filter(
        (examination.table["task"] == task)
        & (examination.table["measure"] == measured)
        & (examination.table["group"] == group)
    ).to_dicts()
    return row


def test_a_lazy_model_is_found_out_by_its_answers_and_by_what_they_do_not_hang_on():
    examination = examine_clinic_language_model(Lazy(), NOTES, seed=1)
    assert share(examination, "lazy", "canned")["estimate"] == 1.0
    assert share(examination, "detect", "specificity")["estimate"] == 1.0
    assert share(examination, "detect", "sensitivity")["estimate"] == 0.0
    assert (examination.p_flags, examination.p_fit) == (1.0, 1.0)


def test_a_model_that_invents_every_other_sentence_is_said_to():
    examination = examine_clinic_language_model(Inventor(), NOTES, seed=1)
    assert share(examination, "summarise", "unsupported_sentences")["estimate"] == 0.5
    row = share(examination, "summarise", "unsupported_sentences_corrected")
    assert 0.5 <= row["estimate"] <= 0.6  # the meter takes its inventions for harder to find
    assert row["low"] < row["estimate"] < row["high"]
    assert share(examination, "summarise", "omitted_key_statement")["estimate"] == 1.0


def test_a_model_that_knows_the_key_finds_every_error_and_says_all_of_the_note():
    examination = examine_clinic_language_model(Cheat(NOTES), NOTES, seed=1)
    assert share(examination, "detect", "located")["estimate"] == 1.0
    assert share(examination, "detect", "sensitivity", "treatment")["estimate"] == 1.0
    assert share(examination, "summarise", "omitted_quantities")["estimate"] == 0.0
    assert share(examination, "summarise", "unsupported_sentences")["estimate"] == 0.0
    assert (examination.p_flags, examination.p_fit) == (0.001, 0.001)


@pytest.mark.parametrize("planted", [False, True])
def test_canaries_sing_only_of_a_model_that_was_trained_on_them(planted):
    model = NgramBaseline(
        NOTES, [canary.planted_clinic_note_line for canary in CANARIES] if planted else []
    )
    leak = measure_clinical_canary_leak(model, CANARIES)
    assert leak.clinic_model_leaks_canaries is planted
    assert (leak.completed == 20, leak.chosen == 20) == (planted, planted)
    assert (leak.least_known > 0.8) is planted


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_a_model_that_saw_no_canary_is_called_leaking_no_more_often_than_stated(seed):
    chance = named_random_stream(seed, "guess")
    guess = LocalModel("guess", lambda _: "ABCDEFGHIJ"[int(chance.integers(10))])
    assert (
        measure_clinical_canary_leak(
            guess, make_clinic_model_canaries(seed.to_bytes(32, "big"), 30)
        ).p_value
        > 1e-6
    )


def test_canaries_hang_on_their_secret_alone_and_their_place_is_even():
    assert make_clinic_model_canaries(b"k" * 32, 5) == CANARIES[:5]
    assert make_clinic_model_canaries(b"j" * 32, 5) != CANARIES[:5]
    places = np.bincount(
        [canary.place for canary in make_clinic_model_canaries(b"p" * 32, 2000)], minlength=10
    )
    assert places.min() > 140
    assert len({canary.start for canary in CANARIES}) == 20


def test_the_meter_finds_most_of_what_is_planted_and_clears_most_of_what_is_true():
    made = measure_clinic_note_support_check(NOTES, named_random_stream(1, "meter"))
    assert made.sensitivity > 0.8
    assert made.specificity > 0.9
    assert made.corrected_unsupported_rate(1 - made.specificity) == 0.0
    assert made.corrected_unsupported_rate(made.sensitivity) == pytest.approx(1.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_a_design_effect_lies_between_one_and_the_largest_case(rows):
    hits = np.array([hit for hit, _ in rows])
    cases = [str(case) for _, case in rows]
    effect = clinical_case_design_effect(hits, cases)
    assert 1.0 <= effect <= max(cases.count(case) for case in cases)


def test_intervals_cover_when_notes_of_a_case_answer_alike():
    from commonwatt.clinic.engines.evidence.metrics import share_and_wilson_interval

    covered = 0
    for seed in range(400):
        chance = named_random_stream(seed, "coverage")
        hits = np.repeat(chance.random(60) < 0.3, 4)
        cases = np.repeat(np.arange(60), 4).astype(str).tolist()
        n = len(hits) / clinical_case_design_effect(hits, cases)
        _, low, high = share_and_wilson_interval(np.array([hits.mean() * n]), np.array([n]), Z)
        covered += bool(low[0] <= 0.3 <= high[0])
    assert covered >= 0.92 * 400


def test_a_server_with_the_chat_interface_answers_as_the_model_behind_it_does(tmp_path):
    train, held = learning_and_held_out_notes(NOTES, 0.5)
    model = NgramBaseline(train)
    with served(model) as url:
        behind = ChatModel(url=url, model=model.name, timeout_s=20)
        assert examine_clinic_language_model(behind, held, seed=1).table.equals(
            examine_clinic_language_model(model, held, seed=1).table
        )
    with pytest.raises(EvidenceError, match="chat completions"):
        behind("anything")


def test_twins_never_stand_on_both_sides_and_the_split_does_not_hang_on_the_order():
    train, held = learning_and_held_out_notes(NOTES, 0.4)
    assert not {note.case for note in train} & {note.case for note in held}
    assert {n.note_id for n in learning_and_held_out_notes(NOTES[::-1], 0.4)[1]} == {
        n.note_id for n in held
    }


def run(*words):
    return run_main(root, ["clinic", *words])


def test_a_model_is_examined_recorded_and_examined_again_from_its_answers(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.csv").write_text(medec_text(NOTES))
    assert run("language", "canaries", "--count", "12", "--out", "c") == 0
    assert len((tmp_path / "c" / "plant.txt").read_text().splitlines()) == 12
    words = ("language", "examine", "notes.csv", "--canaries", "c/canaries.json")
    assert run(*words, "--baseline", "--out", "o") == 0
    stdout = capsys.readouterr().out
    assert "no leak shown: 0 of 12" in stdout
    assert re.search(r"sensitivity +treatment", stdout)
    assert run(*words, "--answers", "o/answers.jsonl", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    first = json.loads((tmp_path / "o" / "answer.json").read_text())
    assert again == first
    assert run(*words, "--answers", "o/answers.jsonl", "--seed", "2") == 0
    assert (
        run("language", "examine", "notes.csv", "--answers", "o/answers.jsonl", "--held-out", "1")
        == 68
    )
    assert run(*words) == 2
    assert run("language", "examine", "notes.csv", "--baseline", "--first", "3") == 68
    assert run("language", "examine", "notes.csv", "--python", "no:thing") == 20


def test_notes_are_read_whatever_the_collection_writes_its_numbers_and_headings_like(tmp_path):
    text = medec_text(NOTES[:4])
    plain = tmp_path / "a.csv"
    plain.write_text(text)
    other = text.replace("Error Flag", "error flag ")
    other = other.replace(",1,treatment,3", ",1.0,treatment,3.0")
    (tmp_path / "b.csv").write_bytes(other.replace("dyspnoea", "dyspn\u0153a").encode("cp1252"))
    notes = load_medec_clinic_notes(plain)
    assert [note.wrong for note in notes] == [note.wrong for note in NOTES[:4]]
    assert [n.wrong for n in load_medec_clinic_notes(tmp_path / "b.csv")] == [
        n.wrong for n in notes
    ]


@pytest.mark.parametrize("text", ["", "Text ID\n1", "\xff"])
def test_notes_that_are_no_collection_are_refused(tmp_path, text):
    (tmp_path / "n.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(EvidenceError):
        load_medec_clinic_notes(tmp_path / "n.csv")


@pytest.mark.parametrize(
    "text", ["", "{}", '{"model": "m"}\n{"prompt_sha256": "a", "answer": "b"}']
)
def test_recorded_answers_without_provenance_are_refused(tmp_path, text):
    from commonwatt.clinic.engines.language.models import load_recorded_language_model

    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(EvidenceError):
        load_recorded_language_model(tmp_path / "a.jsonl")


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_medec_notes_are_read_whole_and_a_weak_model_is_called_weak():
    path = shared_data("surveillance", "medec_ms", "MEDEC-MS-TestSet.csv.gz")
    notes = load_medec_clinic_notes(path)
    assert (len(notes), sum(note.wrong is not None for note in notes)) == (597, 311)
    train, held = learning_and_held_out_notes(notes, 0.5)
    examination = examine_clinic_language_model(NgramBaseline(train), held, seed=1)
    assert examination.p_flags > 0.05
    assert examination.meter.sensitivity > 0.7
    assert examination.meter.specificity > 0.98
    located = share(examination, "detect", "located")
    assert located["high"] < 0.3
