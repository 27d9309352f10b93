"""How far a denial goes, and what the meter of truth makes of it, on pairs made up for this."""

import csv
from hashlib import sha256
from pathlib import Path

import pytest

from commonwatt.clinic.engines.language.meaning import shipped_clinic_note_fidelity_meter
from commonwatt.clinic.engines.language.meaning.comparing import summary_against_source_features
from commonwatt.clinic.engines.language.meaning.quantities import clinical_quantity_end_and_quantity
from commonwatt.clinic.engines.language.meaning.reading import read_clinical_sentence
from commonwatt.clinic.engines.language.support import (
    is_contradicted_by_clinic_note,
    is_unsupported_by_clinic_note,
    reworded_note_sentence,
)

PAIRS = Path(__file__).with_name("clinic_meaning_pairs.tsv")

# What is there stands behind +, what is denied behind -.
SCOPES = [
    ("No fever, cough or dyspnoea.", "-fever -cough -dyspnoea"),
    ("Denies nausea, vomiting, and diarrhoea.", "-nausea -vomiting -diarrhoea"),
    ("Denies chest pain, SOB, PND, leg swelling.", "-chest_pain -dyspnoea -pnd"),
    ("No history of diabetes or hypertension.", "-diabetes -blood_pressure"),
    ("Negative for DVT or PE.", "-dvt -pulmonary_embolism"),
    ("Nil nausea/vomiting/diarrhoea.", "-nausea -vomiting -diarrhoea"),
    ("Fever, cough and rash were denied.", "-fever -cough -rash"),
    ("Neither fever, cough nor rash.", "-fever -cough -rash"),
    ("No fever or chills and no cough.", "-fever -chills -cough"),
    ("Not in pain, nauseated or febrile.", "-pain -nausea -fever"),
    ("No pain on movement, swelling or redness.", "-pain -swelling -redness"),
    ("No aspirin, warfarin or clopidogrel.", "-aspirin -warfarin -clopidogrel"),
    ("Denies: fever, cough, rash.", "-fever -cough -rash"),
    ("Fever (-), cough (+).", "-fever +cough"),
    ("Fever: no, cough: no.", "-fever -cough"),
    (
        "No bleeding, perforation or abscess was seen, but diverticulosis is present.",
        "-bleeding -bowel_perforation -abscess +diverticulosis",
    ),
    ("No fever, has cough.", "-fever +cough"),
    ("No fever and has cough.", "-fever +cough"),
    ("No fever, mild cough.", "-fever +cough"),
    ("No cough, fever 38.5.", "-cough +fever"),
    ("No fever, vomited twice.", "-fever +vomiting"),
    ("No fever, chills, or night sweats, but cough.", "-fever -chills -night_sweats +cough"),
    ("No fever; cough.", "-fever +cough"),
    ("No fever, left knee swollen and painful.", "-fever +swelling +pain"),
    ("No fever, paracetamol given.", "-fever +paracetamol"),
    ("No diabetes, hypertension on amlodipine.", "-diabetes +blood_pressure"),
    ("No nausea, appetite good.", "-nausea +appetite"),
    ("No rash, complains of sore throat.", "-rash +sore_throat"),
    ("No improvement in pain, nausea or vomiting.", "+pain +nausea +vomiting"),
    ("Pupils did not react, cough.", "+pupils +cough"),
    ("Does not smoke, asthma since childhood.", "-smoking +asthma"),
    ("Hypertension, diabetes, no asthma.", "+blood_pressure +diabetes -asthma"),
    ("病人沒有發燒、咳嗽或氣促。", "-fever -cough -dyspnoea"),
    ("否認噁心、嘔吐及腹瀉。", "-nausea -vomiting -diarrhoea"),
    ("沒有噁心，嘔吐，腹瀉。", "-nausea -vomiting -diarrhoea"),
    ("沒有糖尿病或高血壓病史。", "-diabetes -blood_pressure"),
    ("從未患糖尿病、高血壓、中風。", "-diabetes -blood_pressure -stroke"),
    ("發燒、咳嗽、腹瀉皆無。", "-fever -cough -diarrhoea"),
    ("無發燒咳嗽。", "-fever -cough"),
    ("發燒(-)，咳嗽(-)，氣促(+)。", "-fever -cough +dyspnoea"),
    ("佢 denies headache，vomiting 同埋 diarrhoea。", "-headache -vomiting -diarrhoea"),
    ("沒有發燒，有咳嗽。", "-fever +cough"),
    ("沒有發燒而有咳嗽。", "-fever +cough"),
    ("沒有發燒、咳嗽，但有頭痛。", "-fever -cough +headache"),
    ("沒有發燒、頭痛，咳嗽三天。", "-fever -headache +cough"),
    ("無發燒，咳嗽、喉嚨痛。", "-fever +cough +sore_throat"),
    ("除頭痛外，沒有嘔吐、頭暈。", "+headache -vomiting -dizziness"),
    ("無改變，仍有咳嗽、氣促。", "+cough +dyspnoea"),
    ("無水腫，左膝腫痛。", "+knee"),
]

# A sentence of a note, one that says the same, and one that says the opposite.
TWINS = [
    ("Aspirin was stopped a week before admission.", "Aspirin is off.", "He still takes aspirin."),
    ("Metformin was stopped on admission.", "Metformin was stopped.", "He continues metformin."),
    ("入院時停用二甲雙胍。", "二甲雙胍已停。", "病人繼續服用二甲雙胍。"),
    ("No growth on blood cultures.", "Cultures were negative.", "Blood cultures grew organisms."),
    ("病人已戒煙十年。", "病人已戒煙。", "病人現時吸煙。"),
    ("The left kidney is hydronephrotic.", "Left hydronephrosis.", "Right hydronephrosis."),
    ("昨日開始發燒。", "發燒一日。", "發燒兩星期。"),
    ("左側肺炎，右肺正常。", "左肺肺炎。", "右側肺炎。"),
    ("Weight 70 kg.", "He weighs 154 lb.", "He weighs 170 lb."),
    ("Birth weight 3.2 kg.", "She weighed 3200 g at birth.", "She weighed 2300 g at birth."),
    ("Warfarin was switched to apixaban.", "He now takes apixaban.", "He now takes warfarin."),
    ("The bleeding has stopped.", "No further bleeding.", "He is bleeding."),
]

TEMPERATURES = [
    (["98.6", "°", "f"], 37.0),
    (["98.6", "degrees", "fahrenheit"], 37.0),
    (["38.5", "°", "c"], 38.5),
    (["攝", "氏", "38.5", "度"], 38.5),
    (["華", "氏", "98.6", "度"], 37.0),
]


def made_up_pairs():
    """Return the rows of the table, each with whether it was read while the scope was written."""
    lines = PAIRS.read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines[1:], delimiter="\t"))
    return [(row, sha256(row["source"].encode()).digest()[-1] % 2 == 0) for row in rows]


def rates(*, read, english):
    """Return the shares of faithful sentences flagged and of contradictions detected."""
    meter = shipped_clinic_note_fidelity_meter()
    rows = [
        row
        for row, was_read in made_up_pairs()
        if was_read == read and (row["language"] == "en") == english
    ]
    flagged = sum(is_unsupported_by_clinic_note(row["faithful"], row["source"]) for row in rows)
    detected = sum(meter.contradicts(meter(row["contradicted"], row["source"])) for row in rows)
    return flagged / len(rows), detected / len(rows)


@pytest.mark.parametrize(("text", "signs"), SCOPES)
def test_a_denial_governs_its_list_and_nothing_of_its_own_after_it(text, signs):
    mentions = read_clinical_sentence(text).mentions
    signed = {("-" if mention.denied else "+") + mention.concept for mention in mentions}
    assert set(signs.split()) <= signed


@pytest.mark.parametrize(("note", "same", "opposite"), TWINS)
def test_what_says_the_same_is_supported_and_its_opposite_is_contradicted(note, same, opposite):
    assert not is_unsupported_by_clinic_note(same, note)
    assert is_contradicted_by_clinic_note(opposite, note)


@pytest.mark.parametrize(("tokens", "celsius"), TEMPERATURES)
def test_a_temperature_is_read_in_celsius_on_either_scale(tokens, celsius):
    end, quantity = clinical_quantity_end_and_quantity(tokens, 0)
    assert (end, quantity.dimension) == (len(tokens), "degrees")
    assert quantity.amount == pytest.approx(celsius)


def test_the_side_of_one_finding_is_not_that_of_another_in_the_same_sentence():
    source = "Fracture of the right wrist, no swelling of the left."
    right = summary_against_source_features("The right wrist is fractured.", source)
    left = summary_against_source_features("The left wrist is fractured.", source)
    assert (right != left).any()


@pytest.mark.parametrize(
    "sentence",
    [
        "No fever, cough or dyspnoea.",
        "Well, no fever, cough or rash.",
        "He has fever, no cough.",
        "Denies nausea, vomiting, and diarrhoea.",
        "Fever, cough and rash were denied.",
    ],
)
def test_a_true_sentence_in_another_order_still_says_the_same(sentence):
    reworded = read_clinical_sentence(reworded_note_sentence(sentence))
    assert reworded.mentions == read_clinical_sentence(sentence).mentions


def test_the_table_holds_both_languages_and_halves_and_says_that_it_is_made_up():
    assert "Made up" in PAIRS.read_text(encoding="utf-8").splitlines()[0]
    rows = made_up_pairs()
    assert 2 * len(rows) >= 120
    assert min(sum(read for _, read in rows), sum(not read for _, read in rows)) >= 50


@pytest.mark.parametrize("english", [True, False])
@pytest.mark.parametrize("read", [True, False])
def test_of_the_pairs_made_up_none_that_is_faithful_is_flagged_and_few_opposites_pass(
    read, english
):
    flagged, detected = rates(read=read, english=english)
    assert flagged == 0.0
    assert detected >= 0.88
