"""Templates: text with choices in brackets and slots in braces.

`[Dr|Prof] {person} called.` stands for two sentences; a slot is filled anew each
time. `{^word}` begins with a capital, `{!word}` is all capitals, `{_word}` small.
In the alternatives of a name that ends in `#`, each `#` becomes a digit and each
`%` a digit other than nought. `3*` before an alternative makes it three times as
likely; a lone `-` is nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

Filler = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class TemplateSlot:
    """A place that is filled anew each time; `case` is one of `^!_` or nothing."""

    name: str
    case: str


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """Alternatives, of which one is taken."""

    options: tuple[tuple[Node, ...], ...]


Node = str | TemplateSlot | TemplateChoice
Piece = tuple[str, str]
"""Text and the name of the labelled slot that it filled, or nothing."""

_SPECIAL: Final = re.compile(r"[\[\]{|]|[^\[\]{|]+")


def parse_tagger_note_template(text: str) -> TemplateChoice:
    """Return the template that `text` writes; ` | ` or `|` parts alternatives at the top.

    >>> len(parse_tagger_note_template("[a|b] {person}").options)
    1
    """
    options, at = _parse_tagger_template_options_and_end(text.replace("\\n", "\n"), 0)
    if at != len(text.replace("\\n", "\n")):
        raise ValueError(text)
    return TemplateChoice(options)


def _parse_tagger_template_options_and_end(
    text: str, at: int
) -> tuple[tuple[tuple[Node, ...], ...], int]:
    options: list[tuple[Node, ...]] = []
    nodes: list[Node] = []
    while at < len(text) and text[at] != "]":
        if text[at] == "|":
            options.append(tuple(nodes))
            nodes, at = [], at + 1
            continue
        node, at = _parse_tagger_template_node_and_end(text, at)
        nodes.append(node)
    return (*options, tuple(nodes)), at


def _parse_tagger_template_node_and_end(text: str, at: int) -> tuple[Node, int]:
    if text[at] == "[":
        options, end = _parse_tagger_template_options_and_end(text, at + 1)
        return TemplateChoice(options), end + 1
    if text[at] == "{":
        end = text.index("}", at)
        name = text[at + 1 : end]
        case = name[0] if name[0] in "^!_" else ""
        return TemplateSlot(name.removeprefix(case), case), end + 1
    match = _SPECIAL.match(text, at)
    if match is None:
        raise ValueError(text)
    return match.group(), match.end()


@dataclass(frozen=True, slots=True)
class TemplateGrammar:
    """What every slot may be filled with.

    Args:
        rules: Alternatives by name.
        patterns: Names whose text holds `#` and `%` for digits.
        fillers: Functions by name, for what no alternatives can list.
        labelled: Slots whose text is an identifier.
    """

    rules: Mapping[str, TemplateChoice]
    patterns: frozenset[str]
    fillers: Mapping[str, Filler]
    labelled: frozenset[str]

    def write_tagger_note_pieces(
        self, template: TemplateChoice, chance: random.Random
    ) -> list[Piece]:
        """Return one text of `template`, piece by piece."""
        return list(self._tagger_template_node_pieces(template, chance, ""))

    def _tagger_template_node_pieces(
        self, node: Node, chance: random.Random, label: str
    ) -> Iterator[Piece]:
        if isinstance(node, str):
            yield node, label
        elif isinstance(node, TemplateChoice):
            for part in node.options[int(chance.random() * len(node.options))]:
                yield from self._tagger_template_node_pieces(part, chance, label)
        else:
            yield from self._tagger_template_slot_pieces(node, chance, label)

    def _tagger_template_slot_pieces(
        self, slot: TemplateSlot, chance: random.Random, label: str
    ) -> Iterator[Piece]:
        # The outermost labelled slot names the whole: a street inside an address is part of the
        # address.
        inner = label or (slot.name if slot.name in self.labelled else "")
        if slot.name in self.fillers:
            pieces = [(self.fillers[slot.name](chance), inner)]
        else:
            pieces = list(self._tagger_template_node_pieces(self.rules[slot.name], chance, inner))
        if slot.name in self.patterns:
            pieces = [
                (_tagger_template_text_with_random_digits(text, chance), kind)
                for text, kind in pieces
            ]
        yield from _tagger_pieces_in_case(pieces, slot.case) if slot.case else pieces


def _tagger_template_text_with_random_digits(text: str, chance: random.Random) -> str:
    def digit_for_mark(mark: re.Match[str]) -> str:
        first = 0 if mark[0] == "#" else 1
        return str(first + int(chance.random() * (10 - first)))

    return re.sub("[#%]", digit_for_mark, text)


def _tagger_pieces_in_case(pieces: list[Piece], case: str) -> list[Piece]:
    if case == "^":
        text, kind = pieces[0]
        return [(text[:1].upper() + text[1:], kind), *pieces[1:]]
    return [(text.upper() if case == "!" else text.lower(), kind) for text, kind in pieces]


def parse_tagger_template_rules(text: str) -> tuple[dict[str, TemplateChoice], frozenset[str]]:
    """Return alternatives by name, and the names whose digits are still to be drawn."""
    rules: dict[str, TemplateChoice] = {}
    patterns: set[str] = set()
    for line in text.splitlines():
        name, _, body = line.partition(":")
        if name.endswith("#"):
            patterns.add(name.removesuffix("#"))
        options = parse_tagger_note_template(body).options
        rules[name.removesuffix("#")] = TemplateChoice(
            tuple(_tagger_template_options_repeated_by_weight(options))
        )
    return rules, frozenset(patterns)


def _tagger_template_options_repeated_by_weight(
    options: tuple[tuple[Node, ...], ...],
) -> Iterator[tuple[Node, ...]]:
    """Yield alternatives without the blanks around them, as often as they say."""
    for option in options:
        nodes = list(option)
        if nodes and isinstance(nodes[0], str):
            nodes[0] = nodes[0].removeprefix(" ")
        if nodes and isinstance(nodes[-1], str):
            nodes[-1] = nodes[-1].removesuffix(" ")
        times = 1
        if nodes and isinstance(nodes[0], str) and (prefix := re.match(r"(\d+)\*", nodes[0])):
            times, nodes[0] = int(prefix[1]), nodes[0][prefix.end() :]
        alternative = tuple(node for node in nodes if node not in ("", "-"))
        for _ in range(times):
            yield alternative
