"""A list that is denied is denied to its last member, however long, in English and in Chinese."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.engines.language.meaning.lexicon import load_clinical_lexicon
from commonwatt.clinic.engines.language.meaning.reading import Mention, read_clinical_sentence

FINDINGS = {
    "fever": "發燒",
    "cough": "咳嗽",
    "dyspnoea": "氣促",
    "headache": "頭痛",
    "nausea": "噁心",
    "vomiting": "嘔吐",
    "diarrhoea": "腹瀉",
    "rash": "皮疹",
    "jaundice": "黃疸",
    "syncope": "暈厥",
    "palpitations": "心悸",
    "haematuria": "血尿",
}
LISTS = st.lists(st.sampled_from(sorted(FINDINGS)), min_size=2, max_size=8, unique=True)
ENGLISH_CUES = ("No", "Denies", "Without", "No evidence of", "Negative for", "No history of")
CHINESE_CUES = ("沒有", "無", "否認", "並無", "未見", "從未有")


def signs_in(text):
    """Return the findings of a sentence, each with whether it is denied."""
    kinds = load_clinical_lexicon().kinds
    mentions = read_clinical_sentence(text).mentions
    return {mention for mention in mentions if kinds.get(mention.concept) == "finding"}


def english_list(names, conjunction, *, oxford):
    return ", ".join(names[:-1]) + f"{',' if oxford else ''} {conjunction} {names[-1]}"


def chinese_list(names, conjunction):
    words = [FINDINGS[name] for name in names]
    return "、".join(words[:-1]) + conjunction + words[-1]


@settings(max_examples=60)
@given(LISTS, st.sampled_from(ENGLISH_CUES), st.sampled_from(["or", "and"]), st.booleans())
def test_every_member_of_an_english_list_is_denied_and_what_has_a_verb_is_not(
    names, cue, conjunction, oxford
):
    *listed, last = names
    denied = {Mention(name, True) for name in names}
    assert signs_in(f"{cue} {english_list(names, conjunction, oxford=oxford)}.") == denied
    assert signs_in(f"Has {english_list(names, conjunction, oxford=oxford)}.") == {
        Mention(name, False) for name in names
    }
    affirmed_last = {Mention(name, True) for name in listed} | {Mention(last, False)}
    for turn in ("but", "but has", "has", "with"):
        assert signs_in(f"{cue} {', '.join(listed)}, {turn} {last}.") == affirmed_last


@settings(max_examples=60)
@given(LISTS, st.sampled_from(CHINESE_CUES), st.sampled_from(["、", "或", "及", "和"]))
def test_every_member_of_a_chinese_list_is_denied_and_what_is_affirmed_is_not(
    names, cue, conjunction
):
    *listed, last = names
    denied = {Mention(name, True) for name in names}
    assert signs_in(f"病人{cue}{chinese_list(names, conjunction)}。") == denied
    affirmed_last = {Mention(name, True) for name in listed} | {Mention(last, False)}
    before = "、".join(FINDINGS[name] for name in listed)
    for turn in ("，但有", "，惟", "，有", "；", "。"):
        parts = f"病人{cue}{before}{turn}{FINDINGS[last]}。".split("。")
        read = [signs_in(part) for part in parts if part]
        assert set().union(*read) == affirmed_last


@pytest.mark.parametrize("name", sorted(FINDINGS))
def test_a_finding_is_read_in_both_languages_alike(name):
    assert signs_in(f"有{FINDINGS[name]}。") == signs_in(f"Has {name}.") == {Mention(name, False)}
