"""Free text: what is masked, what is left alone, and how well on notes with known answers."""

import csv
import gzip
import itertools
import json
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonwatt.sandbox.domain.errors import DeidentifyError
from commonwatt.sandbox.domain.findings import (
    IdentifierLabel,
    IdentifierSpan,
    merge_identifier_spans,
    merged_identifier_spans_with_further_outside,
)
from commonwatt.sandbox.engines.deidentify.numbers import (
    is_hkid,
    is_mainland_id,
    is_valid_taiwan_id_number,
)
from commonwatt.sandbox.engines.deidentify.score import score_deidentification
from commonwatt.sandbox.engines.deidentify.text import (
    find_identifier_spans,
    load_institution_recogniser,
    mask_identifiers_in_text,
)
from commonwatt.sandbox.engines.deidentify.training.corpus import tagger_training_documents
from tests.shared_data import shared_data


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("病人歐陽志明，身份證 K297511(4)。", "病人[NAME]，身份證 [HKID]。"),
        ("Pt CHAN Tai Man seen by Dr Rose.", "Pt [NAME] seen by Dr [NAME]."),
        ("電話：+852 9123 4567", "電話：[PHONE]"),
        ("聯絡 chan.tm@example.hk", "聯絡 [EMAIL]"),
        ("民國七十三年十二月十四日入院", "[DATE]入院"),
        ("94歲", "[AGE_OVER_89]歲"),
        ("高血壓、黃疸、白細胞、馬凡氏綜合徵", "高血壓、黃疸、白細胞、馬凡氏綜合徵"),
        ("Parkinson's disease; Hodgkin lymphoma; lot A1234567", None),
        ("BP 128/76, K 4.1, SpO2 98%, Cr 102 umol/L, L4/5", None),
        ("amlodipine 5mg 每日一次", None),
        ("患者张伟，身份证号110105194912310021", "患者[NAME]，身份证号[CNID]"),
        ("Ａ１２３４５６（３）", "[HKID]"),
        ("Name: WONG, Tai Man", "Name: [NAME]"),
        ("病案号：A1234567", "病案号：[MRN]"),
        ("邮箱zhang.wei@hospital.cn", "邮箱[EMAIL]"),
        ("she retired in 1998", "she retired in [DATE]"),
        ("Temp 36.7 C (98 F)", None),
        ("Hodgkin lymphoma and Parkinson's disease were rare.", None),
    ],
)
def test_a_note_reads_on_without_its_identifiers(text, masked):
    assert mask_identifiers_in_text(text) == (text if masked is None else masked)


def _hkid_by_hand(text):
    """The published rule, place by place: a space counts 36, A is 10, weights 9 to 1."""
    values = {" ": 36} | {chr(65 + i): 10 + i for i in range(26)} | {str(i): i for i in range(10)}
    padded = text.rjust(9)
    total = sum(values[char] * (9 - place) for place, char in enumerate(padded))
    return total % 11 == 0


@given(st.from_regex(r"[A-Z]{1,2}[0-9]{6}[0-9A]", fullmatch=True))
def test_the_check_digit_of_hong_kong_follows_the_published_rule(text):
    assert is_hkid(text) == _hkid_by_hand(text)


@given(st.from_regex(r"[A-Z]{1,2}[0-9]{6}", fullmatch=True))
def test_every_number_of_hong_kong_has_one_check_digit(head):
    assert sum(is_hkid(head + check) for check in "0123456789A") == 1


@given(st.from_regex(r"[1-9][0-9]{16}", fullmatch=True))
def test_every_mainland_number_has_one_check_digit(head):
    assert sum(is_mainland_id(head + check) for check in "0123456789X") == 1


@given(st.from_regex(r"[A-Z][12][0-9]{7}", fullmatch=True))
def test_every_taiwanese_number_has_one_check_digit(head):
    assert sum(is_valid_taiwan_id_number(head + check) for check in "0123456789") == 1


@given(st.text(max_size=80))
def test_any_text_can_be_masked_and_findings_never_overlap(text):
    spans = find_identifier_spans(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    mask_identifiers_in_text(text)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9))))
def test_merged_findings_cover_what_the_single_ones_did(pairs):
    findings = [
        IdentifierSpan(start, start + length, IdentifierLabel.NAME) for start, length in pairs
    ]
    covered = {i for span in findings for i in range(span.start, span.end)}
    assert {
        i for span in merge_identifier_spans(findings) for i in range(span.start, span.end)
    } == covered


NUMBERS = ("HKID", "CNID", "TWID", "PHONE", "EMAIL", "MRN")
NO_IDENTIFIER = {"AGE", "TITLE", "NRP"}
"""Kinds of the English set that name nobody: ages below 90, Mr and jobs, nationalities."""


def _hong_kong_notes():
    path = shared_data("health", "deid-text-hk", "notes.jsonl")
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        yield row["text"], [(s["start"], s["end"], s["label"]) for s in row["spans"]]


@pytest.mark.shared_data
def test_hong_kong_notes_of_templates_never_trained_on_keep_no_identifier():
    scores = score_deidentification(_hong_kong_notes(), find_identifier_spans)
    assert all(scores.recall(kind) >= 0.999 for kind in NUMBERS)
    assert scores.recall("NAME") >= 0.97
    assert min(scores.recall(kind) for kind in scores.true_counts) >= 0.98
    assert scores.deidentification_clean_masked_share <= 0.01


@pytest.mark.shared_data
def test_names_from_another_source_are_found_in_the_same_notes():
    """Names of three hospitals' registers, one in seven misspelt, in place of the notes' own."""
    chinese, latin = set(), set()
    for hospital in "ABC":
        path = shared_data("health", "record-linkage-hk", f"hospital_{hospital}.csv")
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                chinese |= {row["name_zh"]} - {""}
                latin.add(row["name_en"])
    choose = random.Random(7)
    pools = {True: sorted(chinese), False: sorted(latin)}
    notes = [_renamed(text, spans, pools, choose) for text, spans in _hong_kong_notes()]
    scores = score_deidentification(notes, find_identifier_spans)
    assert scores.recall("NAME") >= 0.97
    assert scores.deidentification_clean_masked_share <= 0.01


def _renamed(text, spans, pools, choose):
    out, at, moved = "", 0, []
    for start, end, label in sorted(spans):
        out += text[at:start]
        value = text[start:end]
        if label == "NAME":
            value = choose.choice(pools[value[0] > "⿿"])
        moved.append((len(out), len(out) + len(value), label))
        out, at = out + value, end
    return out + text[at:], moved


def test_templates_and_names_held_out_of_training_are_found():
    notes = [
        (document.text, [(f.start, f.end, f.label.value) for f in document.findings])
        for document in tagger_training_documents(600, 5, held_out=True, names=(0.8, 1.0))
    ]
    scores = score_deidentification(notes, find_identifier_spans)
    assert scores.recall("NAME") >= 0.95
    assert scores.recall() >= 0.96
    assert scores.deidentification_clean_masked_share <= 0.03


def _english_texts(remainder):
    """Texts of the templates whose number leaves `remainder` when halved."""
    import duckdb

    source = shared_data("health", "deid-text-en", "synth_dataset_v2.json.zst")
    unpacked = duckdb.connect().execute(
        "SELECT line FROM read_csv(?, compression='zstd', header=false, delim='\x1f', quote='',"
        " escape='', auto_detect=false, max_line_size=67108864, columns={'line': 'VARCHAR'})",
        [str(source)],
    )
    rows = json.loads("\n".join(line or "" for (line,) in unpacked.fetchall()))
    for row in rows:
        if row["template_id"] % 2 == remainder:
            spans = row["spans"]
            yield (
                row["full_text"],
                [(s["start_position"], s["end_position"], s["entity_type"]) for s in spans],
            )


@pytest.mark.shared_data
@pytest.mark.parametrize("remainder", [0, 1])
def test_english_text_of_templates_never_trained_on_is_found(remainder):
    scores = score_deidentification(_english_texts(remainder), find_identifier_spans)
    assert scores.recall("PERSON") >= 0.92
    assert scores.recall("PHONE_NUMBER", "EMAIL_ADDRESS", "IP_ADDRESS", "US_SSN") >= 0.99
    assert scores.recall(*(set(scores.true_counts) - NO_IDENTIFIER)) >= 0.90
    assert scores.deidentification_clean_masked_share <= 0.04


@pytest.mark.shared_data
def test_clinical_text_without_identifiers_is_left_alone():
    path = shared_data("surveillance", "medec_ms", "MEDEC-MS-TestSet.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        notes = [(row["Text"], []) for row in csv.DictReader(file) if row["Text"]]
    assert (
        score_deidentification(notes, find_identifier_spans).deidentification_clean_masked_share
        <= 0.01
    )


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=4),
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=4),
)
def test_what_rules_found_keeps_its_kind_and_nothing_is_lost(first, second):
    phone_spans = merge_identifier_spans(
        [IdentifierSpan(start, start + length, IdentifierLabel.PHONE) for start, length in first]
    )
    further = [
        IdentifierSpan(start, start + length, IdentifierLabel.NAME) for start, length in second
    ]
    together = merged_identifier_spans_with_further_outside(phone_spans, further)
    covered = {i for span in [*phone_spans, *further] for i in range(span.start, span.end)}
    assert {i for span in together for i in range(span.start, span.end)} == covered
    assert [span for span in together if span.label is IdentifierLabel.PHONE] == phone_spans
    assert all(a.end <= b.start for a, b in itertools.pairwise(together))


def test_a_model_of_a_site_is_asked_too():
    def hobby(text):
        yield IdentifierSpan(
            text.index("sailing"), text.index("sailing") + 7, IdentifierLabel.OTHER_NUMBER
        )

    assert mask_identifiers_in_text("The patient likes sailing.", further=[hobby]).endswith(
        "likes [OTHER_NUMBER]."
    )
    recognise = load_institution_recogniser(
        "commonwatt.sandbox.engines.deidentify.patterns:find_patterned_identifiers"
    )
    assert [span.label for span in recognise("a@b.org")] == [IdentifierLabel.EMAIL]


@pytest.mark.parametrize("place", ["nowhere:find", "commonwatt.sandbox:find", "", "a b"])
def test_a_recogniser_that_is_not_there_is_named(place):
    with pytest.raises(DeidentifyError):
        load_institution_recogniser(place)


def test_name_lists_hold_single_plain_words():
    from commonwatt.sandbox.engines.deidentify.lists import deidentification_tagger_weights_file

    lists = sorted((deidentification_tagger_weights_file().parents[1] / "names").glob("*.txt"))
    assert len(lists) > 8
    for path in lists:
        lines = pl.Series(path.read_text(encoding="utf-8").splitlines())
        assert lines.is_unique().all(), path.name
        assert not lines.str.contains(r"\s").any()
