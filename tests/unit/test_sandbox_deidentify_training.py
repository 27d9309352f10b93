"""Text written for training: its truth is right, its templates are parted, learning repeats."""

import random

import numpy as np
import pytest

from commonwatt.sandbox.domain.findings import IdentifierLabel
from commonwatt.sandbox.engines.deidentify.tagger import (
    KINDS,
    TAGS,
    TaggerWeights,
    best_identifier_tags,
    find_tagged_identifier_spans,
    hashed_tagger_feature_rows,
    load_deidentification_tagger_weights,
    save_deidentification_tagger_weights,
    tagged_identifier_spans,
)
from commonwatt.sandbox.engines.deidentify.tokens import tokenise
from commonwatt.sandbox.engines.deidentify.training.corpus import (
    tagger_template_families,
    tagger_text_in_simplified_chinese,
    tagger_training_documents,
)
from commonwatt.sandbox.engines.deidentify.training.grammar import (
    TemplateChoice,
    TemplateSlot,
    parse_tagger_note_template,
    parse_tagger_template_rules,
)
from commonwatt.sandbox.engines.deidentify.training.learn import (
    learn_tagger_weights,
    tagger_training_arrays,
    true_identifier_tags,
)


def slots(node):
    if isinstance(node, TemplateChoice):
        for option in node.options:
            for part in option:
                yield from slots(part)
    elif isinstance(node, TemplateSlot):
        yield node.name


def test_every_slot_of_every_template_can_be_filled():
    for source in tagger_template_families(0.0, 0.8):
        grammar = source.grammar
        named = {name for template in source.templates for name in slots(template)}
        named |= {name for rule in grammar.rules.values() for name in slots(rule)}
        assert named <= set(grammar.rules) | set(grammar.fillers), source.name


def test_there_are_many_hundreds_of_templates():
    assert sum(len(source.templates) for source in tagger_template_families(0.0, 0.8)) > 900


def test_choices_slots_and_digits_are_written():
    rules, patterns = parse_tagger_template_rules("phone#: ## %# | 3*1\nname: a | - ")
    assert patterns == {"phone"}
    assert len(rules["phone"].options) == 4
    assert rules["name"].options == (("a",), ())
    template = parse_tagger_note_template("[Dr|Prof] {^name}, {name}")
    assert [part for part in template.options[0] if isinstance(part, TemplateSlot)] == [
        TemplateSlot("name", "^"), TemplateSlot("name", ""),
    ]  # fmt: skip


def test_the_truth_of_a_document_stands_where_it_says():
    for document in tagger_training_documents(300, 7, held_out=False):
        at = 0
        for finding in document.findings:
            assert at <= finding.start < finding.end <= len(document.text)
            words = document.text[finding.start : finding.end]
            assert words == words.strip()
            at = finding.end
        tokens = tokenise(document.text)
        tagged_spans = {
            (f.start, f.end, f.label)
            for f in tagged_identifier_spans(
                tokens, true_identifier_tags(tokens, document.findings)
            )
        }
        learned = [f for f in document.findings if f.label in KINDS]
        assert len(tagged_spans) >= 0.9 * len(learned)


def test_templates_and_names_for_testing_are_others_than_those_for_training():
    taught = {
        name
        for source in tagger_training_documents(400, 1, held_out=False)
        for name in source.templates
    }
    tested = {
        name
        for source in tagger_training_documents(400, 1, held_out=True)
        for name in source.templates
    }
    assert taught
    assert tested
    assert not taught & tested
    source, other = (
        tagger_template_families(0.0, 0.8)[0].grammar,
        tagger_template_families(0.8, 1.0)[0].grammar,
    )
    first = {source.fillers["surname"](random.Random(i)) for i in range(300)}
    second = {other.fillers["surname"](random.Random(i)) for i in range(300)}
    assert len(first & second) < 10


def test_the_same_seed_writes_the_same_documents():
    assert list(tagger_training_documents(20, 3, held_out=False)) == list(
        tagger_training_documents(20, 3, held_out=False)
    )
    assert list(tagger_training_documents(20, 3, held_out=False)) != list(
        tagger_training_documents(20, 4, held_out=False)
    )


def _taught(count=250):
    read = []
    for document in tagger_training_documents(count, 11, held_out=False):
        tokens = tokenise(document.text)
        read.append((tokens, true_identifier_tags(tokens, document.findings)))
    return read


def test_learning_repeats_to_the_byte_and_knows_what_it_read():
    read = _taught()
    first, second = (
        learn_tagger_weights(tagger_training_arrays(read), rounds=3, seed=1) for _ in range(2)
    )
    assert (first.points == second.points).all()
    assert (first.moves == second.moves).all()
    right = wrong = 0
    for tokens, tags in read:
        best_tags = best_identifier_tags(
            hashed_tagger_feature_rows(tokens.atoms, len(first.points)), first
        )
        right += sum(a == b for a, b in zip(best_tags, tags, strict=True))
        wrong += sum(a != b for a, b in zip(best_tags, tags, strict=True))
    assert right / (right + wrong) > 0.97


def test_weights_come_back_as_they_were_saved(tmp_path):
    chance = np.random.default_rng(1)
    points = np.zeros((1 << 12, TAGS), dtype=np.int8)
    points[chance.integers(1, 1 << 12, 50)] = chance.integers(-127, 127, (50, TAGS), dtype=np.int8)
    points[0, 3] = 5
    weights = TaggerWeights(points, chance.integers(-9, 9, (TAGS, TAGS), dtype=np.int64))
    save_deidentification_tagger_weights(weights, tmp_path / "w.npz")
    back = load_deidentification_tagger_weights(tmp_path / "w.npz")
    assert (back.points == points).all()
    assert (back.moves == weights.moves).all()


def test_small_letters_are_no_name_where_a_text_has_capitals():
    weights = TaggerWeights(
        np.zeros((2, TAGS), dtype=np.int8), np.zeros((TAGS, TAGS), dtype=np.int64)
    )
    weights.points[:, 1 + 2 * KINDS.index(IdentifierLabel.NAME)] = 1
    assert list(find_tagged_identifier_spans(tokenise("ann"), weights))
    assert [span.start for span in find_tagged_identifier_spans(tokenise("Ann went"), weights)] == [
        0
    ]


@pytest.mark.parametrize(("old", "new"), [("醫院", "医院"), ("陳大文", "陈大文"), ("abc", "abc")])
def test_traditional_characters_become_simplified_ones(old, new):
    assert tagger_text_in_simplified_chinese(old) == new
