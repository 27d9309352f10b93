"""The meter of truth: what is the same stays clear, what is its opposite is flagged."""

import json

import numpy as np
import pytest

from commonwatt.clinic.engines.language.meaning import shipped_clinic_note_fidelity_meter
from commonwatt.clinic.engines.language.meaning.lexicon import load_clinical_lexicon
from commonwatt.clinic.engines.language.meaning.measured import (
    auroc,
    clinic_note_fidelity_roc_points,
    shipped_clinic_note_fidelity_roc,
)
from commonwatt.clinic.engines.language.meaning.reading import Mention, read_clinical_sentence
from commonwatt.clinic.engines.language.meaning.teaching import (
    WEIGHTS,
    learnt_clinic_note_fidelity_weights_json,
    load_clinic_note_fidelity_frames,
    make_clinic_note_fidelity_pairs,
)
from tests.shared_data import shared_data

NOTE = (
    "A 64-year-old man was admitted with acute left-sided chest pain and shortness of breath for"
    " two days. He has a history of hypertension and type 2 diabetes. Blood pressure was 150/90"
    " and the pulse 88. Troponin increased from 20 to 85. Chest X-ray showed a left pleural"
    " effusion. No fever or cough was found. Potassium was 5.9, consistent with hyperkalaemia. He"
    " was started on aspirin 80 mg daily and metoprolol 25 mg twice daily. His father had a stroke"
    " at 70. Echocardiogram is planned for Monday. He denies smoking. Chronic kidney disease is"
    " stable."
)
# The same frame twice: once in words of the same meaning, once with one attribute swapped.
TWINS = [
    ("He came in with acute chest pain on the {} and dyspnoea.", "left", "right"),
    ("Past history: {} blood pressure and T2DM.", "high", "low"),
    ("The troponin {}.", "rose", "fell"),
    ("{} pleural effusion on the radiograph.", "Left", "Right"),
    ("{} was noted.", "Hyperkalaemia", "Hypokalaemia"),
    ("Aspirin {} once daily was commenced.", "80 mg", "800 mg"),
    ("Metoprolol 25 mg {} was begun.", "BD", "TDS"),
    ("Metoprolol 25 {} twice daily.", "mg", "mcg"),
    ("{} had a stroke.", "The father", "The patient"),
    ("{} kidney disease is stable.", "Chronic", "Acute"),
    ("BP {}/90, pulse 88.", "150", "190"),
    ("{} left-sided chest pain was the presenting complaint.", "Acute", "Chronic"),
    ("He has {} diabetes.", "type 2", "type 1"),
    ("An echo {}.", "is scheduled for Monday", "has been done"),
]
CHINESE = [
    ("左膝腫痛，已開始服用美托洛爾25毫克。", "{}膝腫脹疼痛。", "左", "右"),
    ("病人否認胸痛。", "病人{}胸痛。", "沒有", "有"),
    ("肌酐由190降至120。", "肌酐{}。", "下降", "上升"),
    ("佢冇 fever，CXR 見 Rt pleural effusion。", "{}側胸腔積液。", "右", "左"),
    ("母親患大腸癌。", "大腸癌患者是其{}。", "母親", "父親"),
    ("華法林3毫克，每日一次。", "每天服華法林{}毫克。", "3", "5"),
    ("懷疑肺栓塞。", "肺栓塞{}。", "屬疑似", "已確診"),
]


@pytest.mark.parametrize(("form", "right", "wrong"), TWINS)
def test_a_synonym_is_clear_and_its_twin_with_one_thing_swapped_is_flagged(form, right, wrong):
    meter = shipped_clinic_note_fidelity_meter()
    assert not meter.contradicts(meter(form.format(right), NOTE))
    assert meter.contradicts(meter(form.format(wrong), NOTE))


@pytest.mark.parametrize(("source", "form", "right", "wrong"), CHINESE)
def test_chinese_and_mixed_notes_are_told_apart_as_english_ones_are(source, form, right, wrong):
    meter = shipped_clinic_note_fidelity_meter()
    assert not meter.contradicts(meter(form.format(right), source))
    assert meter.contradicts(meter(form.format(wrong), source))


@pytest.mark.parametrize("sentence", NOTE.split(". "))
def test_what_stands_in_the_note_as_it_is_is_entailed_whatever_else_is_there(sentence):
    meter = shipped_clinic_note_fidelity_meter()
    assert meter(sentence, NOTE).entailed == 1.0


def test_a_plausible_sentence_that_the_note_does_not_say_is_new_and_not_contradicted():
    verdict = shipped_clinic_note_fidelity_meter()(
        "Colonoscopy showed two polyps in the sigmoid.", NOTE
    )
    assert verdict.not_in_source > 0.5
    assert sum(verdict) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "concept", "denied"),
    [
        ("No fever or cough.", "cough", True),
        ("No fever. Cough present.", "fever", True),
        ("Fever was noted.", "fever", False),
        ("Fever was denied.", "fever", True),
        ("Afebrile and coughing.", "cough", False),
        ("No oxygen at discharge.", "discharge", False),
        ("Pupils did not react.", "pupils", False),
        ("病人並無發燒。", "fever", True),
        ("冇發燒，有咳。", "cough", False),
    ],
)
def test_a_denial_reaches_as_far_as_it_does_in_the_sentence(text, concept, denied):
    assert Mention(concept, denied) in read_clinical_sentence(text).mentions


def test_the_lexicon_is_broad_and_in_both_languages():
    assert load_clinical_lexicon().terms > 6000
    languages = {frame.language for frame in load_clinic_note_fidelity_frames()}
    assert languages == {"en", "zh-Hant", "mixed"}


@pytest.mark.slow
def test_the_weights_that_ship_are_those_that_the_script_makes_byte_for_byte():
    assert learnt_clinic_note_fidelity_weights_json() == WEIGHTS.read_text(encoding="utf-8")


def test_pairs_of_a_seed_are_the_same_and_of_another_are_not():
    assert make_clinic_note_fidelity_pairs(3) == make_clinic_note_fidelity_pairs(3)
    assert make_clinic_note_fidelity_pairs(3) != make_clinic_note_fidelity_pairs(4)


def test_a_curve_flags_no_more_of_the_faithful_than_it_says():
    chance = np.random.default_rng(1)
    entailed, contradicted = chance.random(200), chance.random(200) ** 0.3
    points = clinic_note_fidelity_roc_points("all", contradicted, entailed, 0.9)
    assert all(point.flagged <= point.flagged_share for point in points if point.flagged_share >= 0)
    assert points[-1].limit == 0.9
    assert auroc(contradicted, entailed) == pytest.approx(points[0].auroc, abs=0.001)


@pytest.mark.shared_data
def test_the_curve_that_ships_is_what_frames_left_out_give():
    lines = shared_data("health", "contradictions", "pairs.jsonl").read_text().splitlines()
    pairs = [json.loads(line) for line in lines]
    left_out = set(list(dict.fromkeys(pair["frame"] for pair in pairs))[1::2])
    meter = shipped_clinic_note_fidelity_meter()
    scores = {"contradicted": [], "entailed": [], "not in source": []}
    for pair in pairs:
        if pair["frame"] in left_out:
            verdict = meter(pair["summary"], pair["source"])
            scores[pair["label"]].append(verdict.contradiction_score)
    area = auroc(np.array(scores["contradicted"]), np.array(scores["entailed"]))
    shipped = {p.part: p for p in shipped_clinic_note_fidelity_roc() if p.flagged_share == 0.02}
    assert shipped["all"].auroc == pytest.approx(area, abs=0.001)
    assert all(shipped[part].auroc >= 0.9 for part in ("all", "en", "zh-Hant", "mixed"))
    assert all(shipped[part].recall >= 0.6 for part in ("all", "en", "zh-Hant", "mixed"))
