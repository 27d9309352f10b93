"""One word for one thing over messages, templates and pages, in both languages."""

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import commonwatt
from commonwatt.catalogue.glossary import TERMS

SRC = Path(commonwatt.__file__).parent
DOCS = SRC.parents[1] / "docs"
CATALOGUES = sorted((SRC / "locale" / "zh_Hant" / "LC_MESSAGES").glob("*.po"))
PAGES = sorted((DOCS / "zh-Hant").rglob("*.md"))
ENGLISH = [p for p in [*sorted(DOCS.rglob("*.md")), SRC.parents[1] / "README.md"] if p not in PAGES]
OWN = {"click.po"}  # click's own sentences, which speak of files and options


def _pairs():
    for path in CATALOGUES:
        if path.name not in OWN:
            with path.open("rb") as file:
                yield from ((path.stem, str(m.id), str(m.string)) for m in read_po(file) if m.id)


PAIRS = list(_pairs())


# What stands in code, in a command or in a list of columns is a name and no word of prose.
NAMES = re.compile(
    r"`[^`]*`|\{\w+\}|--\S+|\w+[.,=]\w+|commonwatt( [a-z-]+)+"
    r"|(?<=columns )\w+|(?<=column )\w+|(?<=names: ).*"
    r"|at_s, node, signal|NAME=.*|^all or tenant$"
)


def _english(word):
    return re.compile(rf"\b{re.escape(word)}s?\b", re.IGNORECASE)


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.english)
def test_each_term_has_one_chinese_word(term):
    rejected = [(p, t) for p, _, t in PAIRS for word in term.rejected if word in t]
    rejected += [
        (page.name, word)
        for page in PAGES
        for word in term.rejected
        if word in page.read_text("utf-8")
    ]
    assert rejected == []


@pytest.mark.parametrize(
    "term", [term for term in TERMS if term.strict], ids=lambda term: term.english
)
def test_a_sentence_with_the_term_has_its_chinese_word(term):
    word = _english(term.english)
    prose = [(p, e, t) for p, e, t in PAIRS if word.search(NAMES.sub("", e))]
    assert [pair for pair in prose if term.chinese not in pair[2]] == []


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.english)
def test_a_term_has_one_english_word(term):
    for rejected in term.rejected_english:
        word = _english(rejected)
        assert [(p, e) for p, e, _ in PAIRS if word.search(e)] == []
        assert [p.name for p in ENGLISH if word.search(p.read_text("utf-8"))] == []


# Nobody counts in 十億; a currency has a word, and its code stands in no sentence.
FOREIGN_AMOUNT = re.compile(r"十億|(?:USD|HKD|EUR|CNY|\{currency\}) ?\{|\} ?(?:USD|HKD|EUR|CNY)\b")


def _foreign_amounts(pairs):
    return [(p, t) for p, _, t in pairs if FOREIGN_AMOUNT.search(NAMES_OF_CODE.sub("", t))]


NAMES_OF_CODE = re.compile(r"`[^`]*`|「[^」]*」")


def test_an_amount_in_a_chinese_sentence_is_told_as_the_language_counts():
    assert _foreign_amounts(PAIRS) == []


@pytest.mark.parametrize("text", ["上限 {amount} 十億", "需 {currency} {need}", "由 {low} USD 起"])
def test_an_amount_that_is_told_as_in_english_is_found(text):
    assert _foreign_amounts([("x", "", text)])
    assert not _foreign_amounts([("x", "", "上限 {amount}，需 {need}{currency}，由 {low} 美元起")])


def test_terms_stand_once_and_every_chinese_word_is_in_use():
    assert len({term.english for term in TERMS}) == len(TERMS)
    assert len({term.chinese for term in TERMS}) == len(TERMS)
    texts = "".join(t for _, _, t in PAIRS)
    assert [term.chinese for term in TERMS if term.chinese not in texts] == []
