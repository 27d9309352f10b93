"""A rule file as its author wrote it: every part knows its line.

Whoever writes the rules of a hospital or of a country is no programmer. A fault is therefore
named by file and line, with what is wanted there and what to do; a key that nobody declared is
a fault too, because a misspelt `obligation` would leave out a duty in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

import yaml

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.rules.predicate import Predicate, parse_rule_predicate
from commonwatt.core.messages import Message

# The C loader reads the same subset (no objects) ten times as fast.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MEND: Final = Message("Mend the line, or take the file out of the folder.")
Key = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFileSection:
    """A mapping of a rule file, and where it stands there.

    Args:
        path: The file.
        root: The document, of which lines are asked.
        keys: The way from the document to this mapping.
        entries: What the mapping holds.
    """

    path: Path
    root: Any
    keys: tuple[Key, ...]
    entries: Mapping[str, Any]

    def fault(
        self, *keys: Key, found: str | Message = "", wanted: str | Message = ""
    ) -> RulesError:
        """Return the error that names file and line of a part of this section."""
        way = (*self.keys, *keys)
        line = _regulatory_rule_file_line_of_keys(self.root, way)
        named = next((str(key) for key in reversed(way) if isinstance(key, str)), "")
        where = f"{self.path}, line {line}" + (f", {named}" if named else "")
        return RulesError(where, found=found, wanted=wanted, remedy=_MEND)

    def check_keys(self, allowed: Iterable[str]) -> None:
        """Refuse a key that is not declared.

        Raises:
            RulesError: There is one.
        """
        names = tuple(allowed)
        for key in self.entries:
            if key not in names:
                wanted = Message("one of {values}", {"values": ", ".join(names)})
                raise self.fault(key, found=repr(key), wanted=wanted)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text.

        Raises:
            RulesError: It is missing, with no default, or no text.
        """
        entry = self._entry(key, default)
        if not isinstance(entry, str):
            raise self.fault(key, found=repr(entry), wanted=Message("a text"))
        return entry

    def word(self, key: str, allowed: Sequence[str], default: str | None = None) -> str:
        """Return a word of a closed list.

        Raises:
            RulesError: It is missing, with no default, or none of them.
        """
        word = self.text(key, default)
        if word not in allowed:
            wanted = Message("one of {values}", {"values": ", ".join(filter(None, allowed))})
            raise self.fault(key, found=repr(word), wanted=wanted)
        return word

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Return true or false.

        Raises:
            RulesError: It is missing, with no default, or neither.
        """
        entry = self._entry(key, default)
        if not isinstance(entry, bool):
            raise self.fault(key, found=repr(entry), wanted=Message("true or false"))
        return entry

    def day(self, key: str) -> date:
        """Return a day.

        Raises:
            RulesError: It is missing or no day.
        """
        entry = self._entry(key, None)
        # A date with an hour is a date to Python, and would compare with no other.
        if type(entry) is not date:
            raise self.fault(key, found=repr(entry), wanted=Message("a date as YYYY-MM-DD"))
        return entry

    def number(self, key: str) -> float:
        """Return a number above zero.

        Raises:
            RulesError: It is missing or no such number.
        """
        entry = self._entry(key, None)
        if isinstance(entry, bool) or not isinstance(entry, int | float) or not 0 < entry < 1e6:
            raise self.fault(key, found=repr(entry), wanted=Message("a number above zero"))
        return entry

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of texts, none of them twice.

        Raises:
            RulesError: It is missing, with no default, or no such list.
        """
        entry = self._entry(key, default)
        if entry is default:
            return cast("tuple[str, ...]", entry)
        written = repr(cast("object", entry))
        if not isinstance(entry, list):
            raise self.fault(key, found=written, wanted=Message("a list of texts"))
        listed = cast("list[Any]", entry)
        if not all(isinstance(each, str) for each in listed):
            raise self.fault(key, found=written, wanted=Message("a list of texts"))
        if len(set(listed)) != len(listed):
            raise self.fault(key, found=written, wanted=Message("a list that repeats nothing"))
        return tuple(listed)

    def fact_value_by_name(self) -> dict[str, str]:
        """Return facts by name; an unquoted yes or no, which YAML reads as a flag, is a word.

        Raises:
            RulesError: A value is neither text, flag nor whole number.
        """
        given: dict[str, str] = {}
        for name, entry in self.entries.items():
            if not isinstance(entry, str | bool | int):
                raise self.fault(name, found=repr(entry), wanted=Message("a value of the fact"))
            given[name] = fact_value_as_word(entry)
        return given

    def predicate(self, key: str) -> Predicate:
        """Return a predicate.

        Raises:
            RulesError: It is missing or none.
        """
        entry = self._entry(key, None)
        try:
            return parse_rule_predicate(entry, key)
        except RulesError as error:
            raise self.fault(key, found=error.found, wanted=error.wanted) from None

    def section(self, key: str) -> RuleFileSection:
        """Return a mapping within.

        Raises:
            RulesError: It is missing or no mapping.
        """
        return self._subsection(self._entry(key, None), key)

    def optional_section(self, key: str) -> RuleFileSection | None:
        """Return a mapping within, if there is one.

        Raises:
            RulesError: It is no mapping.
        """
        return self.section(key) if key in self.entries else None

    def sections(self, key: str) -> dict[str, RuleFileSection]:
        """Return the mappings of a mapping, by name; none where it is missing.

        Raises:
            RulesError: One is no mapping.
        """
        inner = self.optional_section(key)
        if inner is None:
            return {}
        return {name: inner.section(name) for name in inner.entries}

    def listed_sections(self, key: str) -> list[RuleFileSection]:
        """Return the mappings of a list.

        Raises:
            RulesError: It is missing, or one is no mapping.
        """
        entry = self._entry(key, None)
        if not isinstance(entry, list):
            raise self.fault(key, found=repr(entry), wanted=Message("a list"))
        listed = cast("Sequence[Any]", entry)
        return [self._subsection(each, key, number) for number, each in enumerate(listed)]

    def with_defaults(self, defaults: Mapping[str, Any]) -> RuleFileSection:
        """Return this section with what it leaves out filled in from `defaults`."""
        return RuleFileSection(
            path=self.path, root=self.root, keys=self.keys, entries={**defaults, **self.entries}
        )

    def _entry(self, key: str, default: Any) -> Any:
        if key in self.entries:
            return self.entries[key]
        if default is None:
            raise self.fault(wanted=Message("the part {name}", {"name": repr(key)}))
        return default

    def _subsection(self, entry: Any, *keys: Key) -> RuleFileSection:
        if not isinstance(entry, dict) or not all(
            isinstance(key, str) for key in cast("dict[Any, Any]", entry)
        ):
            raise self.fault(*keys, found=repr(cast("object", entry)), wanted=_NAMED)
        inner = cast("dict[str, Any]", entry)
        return RuleFileSection(
            path=self.path, root=self.root, keys=(*self.keys, *keys), entries=inner
        )


_NAMED: Final = Message("named values")


def fact_value_as_word(fact_value: str | bool | int) -> str:
    """Return a value of a fact as a word.

    >>> fact_value_as_word(True), fact_value_as_word(False), fact_value_as_word("image")
    ('yes', 'no', 'image')
    """
    if isinstance(fact_value, bool):
        return "yes" if fact_value else "no"
    return str(fact_value)


def read_rule_file(path: Path) -> RuleFileSection:
    """Return what a rule file holds.

    Raises:
        RulesError: The file cannot be read, is no YAML, names a key twice, or is no mapping.
    """
    try:
        # Undecodable bytes are the file's fault as much as a missing bracket.
        return _parsed_rule_file(path, path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise RulesError(str(path), found=type(error).__name__, remedy=_MEND) from None


# A book is read again whenever somebody asks, for a file may have changed; the same text says the
# same, and to take YAML apart is four fifths of the reading. Nobody writes into what is returned.
@lru_cache(maxsize=128)
def _parsed_rule_file(path: Path, text: str) -> RuleFileSection:
    try:
        loader = _LOADER(text)
        root = loader.get_single_node()
        _check_rule_yaml_keys_unique_and_unaliased(path, root, set())
        document: Any = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        # A bracket that is never closed is found at the end, on a line that no editor shows.
        last = max(1, len(text.splitlines()))
        line = min(error.problem_mark.line + 1, last) if error.problem_mark else last
        where = f"{path}, line {line}"
        raise RulesError(where, found=str(error.problem), remedy=_MEND) from None
    except (ValueError, yaml.YAMLError) as error:
        raise RulesError(str(path), found=type(error).__name__, remedy=_MEND) from None
    section = RuleFileSection(path=path, root=root, keys=(), entries={})
    if not isinstance(document, dict):
        raise section.fault(found=type(document).__name__, wanted=_NAMED)
    entries = cast("dict[str, Any]", document)
    return RuleFileSection(path=path, root=root, keys=(), entries=entries)


def _check_rule_yaml_keys_unique_and_unaliased(path: Path, node: Any, seen: set[int]) -> None:
    """Refuse a key that stands twice in one mapping, and a part that is referred to.

    YAML takes the last of two and says nothing. By references a file of a kilobyte unfolds to
    more than a machine holds, and no rule needs one.
    """
    # A word or a date that is referred to unfolds to itself; only what holds others grows.
    if id(node) in seen and isinstance(node, yaml.CollectionNode):
        raise RulesError(
            f"{path}, line {node.start_mark.line + 1}",
            found=Message("a part that another one refers to"),
            remedy=_MEND,
        )
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, inner in cast("list[tuple[Any, Any]]", node.value):
            if key.value in names:
                raise RulesError(
                    f"{path}, line {key.start_mark.line + 1}, {key.value}",
                    found=Message("a name that stands twice"),
                    remedy=_MEND,
                )
            names.add(str(key.value))
            _check_rule_yaml_keys_unique_and_unaliased(path, inner, seen)
    elif isinstance(node, yaml.SequenceNode):
        for inner in cast("list[Any]", node.value):
            _check_rule_yaml_keys_unique_and_unaliased(path, inner, seen)


def _regulatory_rule_file_line_of_keys(node: Any, keys: Sequence[Key]) -> int:
    """Return the line, from 1, of the part of a document to which `keys` lead, or nearly."""
    line = node.start_mark.line + 1 if node is not None else 1
    for key in keys:
        inner = _inner_rule_yaml_key_and_value_node(node, key)
        if inner is None:
            break
        node, line = inner[1], inner[0].start_mark.line + 1
    return line


def _inner_rule_yaml_key_and_value_node(node: Any, key: Key) -> tuple[Any, Any] | None:
    if isinstance(node, yaml.MappingNode):
        pairs = cast("list[tuple[Any, Any]]", node.value)
        return next((pair for pair in pairs if pair[0].value == key), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        inner: Any = node.value[key]
        return inner, inner
    return None
