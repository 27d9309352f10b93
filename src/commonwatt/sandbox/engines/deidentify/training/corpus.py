"""Documents written from our own templates, with the truth about their identifiers."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from commonwatt.core.seeds import named_random_stream
from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.engines.deidentify.lists import deidentification_tagger_templates_folder
from commonwatt.sandbox.engines.deidentify.training.fillers import tagger_template_slot_fillers
from commonwatt.sandbox.engines.deidentify.training.grammar import (
    Piece,
    TemplateChoice,
    TemplateGrammar,
    parse_tagger_note_template,
    parse_tagger_template_rules,
)

LABELS: Final = {
    **dict.fromkeys(("person", "given", "surname", "zh", "zhs", "zhen", "drname"),
                       IdentifierLabel.NAME),
    **dict.fromkeys(("hkname", "cnname", "world", "hanname", "anyname"), IdentifierLabel.NAME),
    **dict.fromkeys(("address", "addresslines", "street", "crossing"), IdentifierLabel.ADDRESS),
    **dict.fromkeys(("hkaddress", "addr"), IdentifierLabel.ADDRESS),
    **dict.fromkeys(("zip", "city", "country", "citycap"), IdentifierLabel.PLACE),
    **dict.fromkeys(("org", "orgcap"), IdentifierLabel.ORGANISATION),
    **dict.fromkeys(("hospital", "hosp", "oah"), IdentifierLabel.HOSPITAL),
    **dict.fromkeys(("date", "year"), IdentifierLabel.DATE),
    "phone": IdentifierLabel.PHONE,
    **dict.fromkeys(("mrn", "id", "hkid", "cnid", "twid", "anyid"), IdentifierLabel.MRN),
    **dict.fromkeys(("card", "iban", "ssn", "ip"), IdentifierLabel.OTHER_NUMBER),
    "email": IdentifierLabel.EMAIL,
    "url": IdentifierLabel.URL,
    "old": IdentifierLabel.AGE_OVER_89,
}  # fmt: skip
"""The kind of identifier that fills a slot."""

_FAMILIES: Final = (
    ("en.txt", "fillers-en.txt"),
    ("clinical-en.txt", "fillers-en.txt"),
    ("zh.txt", "fillers-zh.txt"),
    ("prose-named.txt", "fillers-en.txt"),
)
_SHARES: Final = (0.34, 0.52, 0.86)
"""Where the share of one family ends and the next begins."""


@dataclass(frozen=True, slots=True)
class TrainingDocument:
    """A text, its identifiers, and the templates that wrote it."""

    text: str
    findings: tuple[IdentifierSpan, ...]
    templates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateFamily:
    """Templates of one family and the grammar of their slots."""

    name: str
    templates: tuple[TemplateChoice, ...]
    grammar: TemplateGrammar
    both_scripts: bool


@cache
def tagger_template_families(
    lowest_name_share: float, highest_name_share: float
) -> tuple[TemplateFamily, ...]:
    """Return all families, with names drawn from a part of each list."""
    return tuple(
        _load_template_family(templates, rules, (lowest_name_share, highest_name_share))
        for templates, rules in _FAMILIES
    )


def _load_template_family(templates: str, rules: str, share: tuple[float, float]) -> TemplateFamily:
    folder = deidentification_tagger_templates_folder()
    shared, digits = parse_tagger_template_rules(
        (folder / "common.txt").read_text(encoding="utf-8")
    )
    family_rules, family_digits = parse_tagger_template_rules(
        (folder / rules).read_text(encoding="utf-8")
    )
    grammar = TemplateGrammar(
        shared | family_rules,
        digits | family_digits,
        tagger_template_slot_fillers(share),
        frozenset(LABELS),
    )
    lines = (folder / templates).read_text(encoding="utf-8").splitlines()
    parsed = tuple(parse_tagger_note_template(line) for line in lines)
    return TemplateFamily(templates.removesuffix(".txt"), parsed, grammar, templates == "zh.txt")


def is_tagger_template_held_out(template: int) -> bool:
    """Return whether a template is for testing only: every fifth is."""
    return template % 5 == 4


def tagger_training_documents(
    count: int, seed: int, *, held_out: bool, names: tuple[float, float] = (0.0, 0.8)
) -> Iterator[TrainingDocument]:
    """Yield documents from templates for training, or from those held out."""
    chance = random.Random(int(named_random_stream(seed, "documents").integers(2**63)))  # noqa: S311  no secret
    families = tagger_template_families(*names)
    for _ in range(count):
        source = families[bisect(_SHARES, chance.random())]
        indices = [
            i for i in range(len(source.templates)) if is_tagger_template_held_out(i) == held_out
        ]
        yield _tagger_training_document(source, indices, chance)


def _tagger_training_document(
    source: TemplateFamily, indices: list[int], chance: random.Random
) -> TrainingDocument:
    pieces: list[Piece] = []
    templates_used: list[str] = []
    # Half are one sentence and none has more than four: notes are short, and what stands before a
    # name matters.
    for _ in range(1 + int(4 * chance.random() ** 2)):
        if pieces:
            pieces.append(
                (
                    chance.choice(
                        ("\n", " ", " ", "\n\n") if not source.both_scripts else ("\n", "", " ")
                    ),
                    "",
                )
            )
        index = indices[int(chance.random() * len(indices))]
        pieces += _tagger_pieces_with_capital_start(
            source.grammar.write_tagger_note_pieces(source.templates[index], chance), chance
        )
        templates_used.append(f"{source.name}:{index}")
    text, findings = _tagger_note_text_and_identifier_spans(
        _tagger_pieces_in_varied_script_or_case(pieces, source, chance)
    )
    return TrainingDocument(text, findings, tuple(templates_used))


def _tagger_pieces_in_varied_script_or_case(
    pieces: list[Piece], source: TemplateFamily, chance: random.Random
) -> list[Piece]:
    """Return pieces in simplified characters, small letters or capitals, now and then."""
    roll = chance.random()
    if source.both_scripts:
        return (
            [(tagger_text_in_simplified_chinese(text), kind) for text, kind in pieces]
            if roll < 0.4
            else pieces
        )
    # Notes typed in small letters or capitals alone are common and have no shape to go by.
    if roll < 0.07:
        return [(text.lower(), kind) for text, kind in pieces]
    if roll < 0.1:
        return [(text.upper(), kind) for text, kind in pieces]
    return pieces


def _tagger_pieces_with_capital_start(pieces: list[Piece], chance: random.Random) -> list[Piece]:
    """Return pieces that mostly begin with a capital letter."""
    if not pieces or chance.random() < 0.25:
        return pieces
    text, kind = pieces[0]
    return [(text[:1].upper() + text[1:], kind), *pieces[1:]]


def _tagger_note_text_and_identifier_spans(
    pieces: list[Piece],
) -> tuple[str, tuple[IdentifierSpan, ...]]:
    text = ""
    findings: list[IdentifierSpan] = []
    for part, kind in pieces:
        if kind and part.strip():
            label = LABELS[kind]
            start = len(text) + len(part) - len(part.lstrip())
            end = len(text) + len(part.rstrip())
            last = findings[-1] if findings else None
            # Two slots of one kind side by side are one identifier, such as given name and
            # surname.
            if last and last.label is label and not text[last.end : start].strip():
                start = findings.pop().start
            findings.append(IdentifierSpan(start, end, label))
        text += part
    return text, tuple(findings)


@cache
def _simplified_by_traditional_chinese_code_point() -> Mapping[int, int]:
    old, new = (
        (deidentification_tagger_templates_folder() / "simplified.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    return str.maketrans(old, new)


def tagger_text_in_simplified_chinese(text: str) -> str:
    """Return `text` in simplified characters.

    >>> tagger_text_in_simplified_chinese("醫院")
    '医院'
    """
    return text.translate(_simplified_by_traditional_chinese_code_point())
