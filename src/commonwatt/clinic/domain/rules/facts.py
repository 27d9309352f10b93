"""The facts that rules speak of: their values, and tables by which one fact gives another.

A fact is one of a closed list, or a key of a table such as FDA's product codes, from which
other facts follow. What nobody stated and a rule asks for is filled in from the default of the
file and named; an axis has no default, and one that is missing is refused.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.rules.files import RuleFileSection, fact_value_as_word
from commonwatt.core.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFact:
    """A fact, its values and what it means; an axis has no default.

    Args:
        values: The closed list; of a fact with a table, the words beside its keys.
        table: By key, the facts that follow from it; empty for a plain fact.
        law_of: The place whose law alone speaks of the fact; empty where it is of every place.
        as_of: The file of the table, for whoever asks for a key that it has not.
        fault: What is wrong with a table of the site's own; every statement of the fact is
            refused then, because the shipped rows are those that the site has set aside.
    """

    name: str
    values: tuple[str, ...]
    default: str
    meaning: str
    meaning_zh: str = ""
    table: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    as_of: str = ""
    law_of: str = ""
    fault: RulesError | None = None

    def fact_table_key_of_value(self, value: str) -> str:
        """Return a value as its table spells it: product codes are written in capitals."""
        # As text, because a value on record may be a list, which is a key of nothing.
        written = str(value)
        return written.upper() if written.upper() in self.table else written

    def check_value(self, value: str) -> None:
        """Refuse a value that the fact has not.

        Raises:
            RulesError: It is none of the list, and no key of the table.
        """
        if self.fault is not None:
            raise self.fault
        if value in self.values or self.fact_table_key_of_value(value) in self.table:
            return
        if self.table:
            gaps = {"count": str(len(self.table)), "table": self.as_of}
            raise RulesError(
                f"fact {self.name}",
                found=repr(value),
                wanted=Message("one of the {count} keys of {table}", gaps),
                remedy=Message(
                    "Look it up with the regulator, and add its row to a file of that name in"
                    " your folder of rules."
                ),
            )
        raise RulesError(
            f"fact {self.name}",
            found=repr(value),
            wanted=Message("one of {values}", {"values": ", ".join(self.values)}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedFacts:
    """Every fact of a product, and the names of those that nobody stated."""

    facts: Mapping[str, str]
    assumed: tuple[str, ...]


def completed_product_facts_with_defaults(
    axes: Sequence[ProductFact], others: Sequence[ProductFact], given: Mapping[str, str]
) -> CompletedFacts:
    """Return every fact: as given, as a table gives it, or by default.

    Raises:
        RulesError: An axis is missing, a fact or value is unknown, or a given fact contradicts
            what a table says.
    """
    declared = {fact.name: fact for fact in (*axes, *others)}
    check_known_product_facts(tuple(declared.values()), given)
    _check_no_axis_missing(axes, given)
    facts = {name: declared[name].fact_table_key_of_value(value) for name, value in given.items()}
    for name, value in tuple(facts.items()):
        for followed, follows in declared[name].table.get(value, {}).items():
            # Two statements on one fact are shown to whoever made them, and none is preferred.
            if facts.setdefault(followed, follows) != follows:
                raise RulesError(
                    f"fact {followed}",
                    found=repr(facts[followed]),
                    wanted=Message(
                        "{value}, which follows from {name}", {"value": follows, "name": value}
                    ),
                )
    assumed = tuple(fact.name for fact in others if fact.name not in facts)
    defaults = {fact.name: fact.default for fact in others}
    return CompletedFacts(facts=defaults | facts, assumed=assumed)


def check_known_product_facts(facts: Iterable[ProductFact], given: Mapping[str, str]) -> None:
    """Refuse a fact that is not declared, and a value that it has not.

    Raises:
        RulesError: There is one.
    """
    declared = {fact.name: fact for fact in facts}
    for name, value in given.items():
        # Raise rather than ignore: a fact under a misspelt name would leave the real one at its
        # default, and the product in another class.
        if name not in declared:
            raise RulesError(f"fact {name}", wanted=Message("a fact that rules speak of"))
        declared[name].check_value(value)


def _check_no_axis_missing(axes: Sequence[ProductFact], given: Mapping[str, str]) -> None:
    missing = [axis for axis in axes if axis.name not in given]
    if not missing:
        return
    # All of them at once: seven refusals in a row would teach the axes one by one.
    wanted = "; ".join(f"{axis.name}={'|'.join(axis.values)}" for axis in missing)
    raise RulesError(
        "facts",
        found=Message("no fact {names}", {"names": ", ".join(axis.name for axis in missing)}),
        wanted=wanted,
        remedy=Message("State each; none is filled in, because the class turns on it."),
    )


def parse_product_facts(
    section: RuleFileSection | None, *, axes: bool, table_folders: Sequence[Path] = ()
) -> list[ProductFact]:
    """Return the facts that a section of a rule file declares.

    Args:
        section: By name of the fact, what is declared of it.
        axes: Whether they are axes, which have no default.
        table_folders: Where further rows of their tables may lie; a later row of a key takes
            the place of an earlier one.

    Raises:
        RulesError: One is not of the form.
    """
    if section is None:
        return []
    return [
        _parse_product_fact(name, section.section(name), axis=axes, table_folders=table_folders)
        for name in section.entries
    ]


def _parse_product_fact(
    name: str, section: RuleFileSection, *, axis: bool, table_folders: Sequence[Path]
) -> ProductFact:
    section.check_keys(("values", "default", "meaning", "zh", "of", "table", "column", "gives"))
    values = tuple(fact_value_as_word(value) for value in section.entries.get("values", ()))
    default = "" if axis else fact_value_as_word(section.entries.get("default", ""))
    if not values or (not axis and default not in values):
        raise section.fault("default", found=repr(default), wanted=Message("one of the values"))
    table: dict[str, Mapping[str, str]] = {}
    fault: RulesError | None = None
    if "table" in section.entries:
        table = _followed_facts_by_table_key(section, section.path.parent / section.text("table"))
        try:
            for folder in table_folders:
                path = folder / section.text("table")
                table |= _followed_facts_by_table_key(section, path) if path.exists() else {}
        except RulesError as error:
            fault = error
    return ProductFact(
        name=name,
        values=values,
        default=default,
        meaning=section.text("meaning"),
        meaning_zh=section.text("zh", ""),
        table=table,
        as_of=section.text("table", ""),
        law_of=section.text("of", ""),
        fault=fault,
    )


def _followed_facts_by_table_key(
    section: RuleFileSection, path: Path
) -> dict[str, Mapping[str, str]]:
    """Return a table beside a rule file: by key, the facts that follow from it.

    A key of several rows, such as a regulation of several product codes, gives a fact only if
    all of them agree.
    """
    key = section.text("column")
    gives = {name: str(column) for name, column in section.section("gives").entries.items()}
    wanted = {key, *gives.values()}
    by_key: dict[str, list[dict[str, str]]] = {}
    for row in _csv_rows(path, wanted):
        follows = {name: row[column] for name, column in gives.items() if row[column]}
        if row[key]:
            by_key.setdefault(row[key], []).append(follows)
    return {name: _product_fact_values_equal_in_all_rows(rows) for name, rows in by_key.items()}


def _product_fact_values_equal_in_all_rows(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {
        name: value
        for name, value in rows[0].items()
        if all(row.get(name) == value for row in rows)
    }


def _csv_rows(path: Path, wanted: Iterable[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = sorted(set(wanted) - set(reader.fieldnames or ()))
            if missing:
                wanted_columns = Message("the columns {names}", {"names": ", ".join(missing)})
                raise RulesError(str(path), wanted=wanted_columns)
            return [{name: text or "" for name, text in row.items() if name} for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise RulesError(str(path), found=type(error).__name__) from None
