"""The rule book: every rule with its source, and the facts that rules speak of.

A place is a file: whatever `*.yaml` lies in a folder of rules is the law, or the own rules, of
the place that the file is named after, and no name of a place stands in code. A file at fault is
reported and takes no other with it; a question about its place is refused.

A rule says what it rests on: `primary` (the text itself), `secondary` (a page
that reports it) or `unconfirmed` (named from general knowledge, to be looked
up before anybody relies on it).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.rules.digest import rule_set_sha256
from commonwatt.clinic.domain.rules.facts import (
    CompletedFacts,
    ProductFact,
    check_known_product_facts,
    completed_product_facts_with_defaults,
    parse_product_facts,
)
from commonwatt.clinic.domain.rules.files import read_rule_file
from commonwatt.clinic.domain.rules.parse import (
    ROUTES,
    ClassificationScheme,
    RulePlace,
    load_rule_place,
)
from commonwatt.clinic.domain.rules.rule import RegulatoryRule
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA

__all__ = [
    "FOLDER",
    "INSTITUTION",
    "ROUTES",
    "RULES_VARIABLE",
    "ClassificationScheme",
    "RegulatoryRule",
    "RegulatoryRuleBook",
    "clinic_rule_folders_of_environment",
    "load_regulatory_rule_book",
]  # fmt: skip

FOLDER: Final = DATA / "clinic" / "rules"
RULES_VARIABLE: Final = "COMMONWATT_CLINIC_RULES"
FACTS_FILE: Final = "facts.yaml"
INSTITUTION: Final = "house"  # the file of the institution's own rules


# No slots: the digest is cached on the object, because every ruling cites it and spelling every
# rule takes longer than to classify.
@dataclass(frozen=True, kw_only=True)
class RegulatoryRuleBook:
    """Every place with its schemes and rules, and every fact.

    Args:
        places: By name of the place.
        axes: Facts without a default, of which every combination is checked.
        other_facts: Facts with a default, those of single places included.
        faults: By name of the place, what is wrong with a file that could not be read.
    """

    places: Mapping[str, RulePlace]
    axes: tuple[ProductFact, ...]
    other_facts: tuple[ProductFact, ...]
    faults: Mapping[str, RulesError]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over facts, schemes and rules, the name by which a ruling cites them."""
        return rule_set_sha256(self.axes, self.other_facts, tuple(self.places.values()))

    @cached_property
    def digests_by_place(self) -> Mapping[str, str]:
        """SHA-256 over all that decides in each place, by which a ruling there is on record.

        A file that a site adds for one place leaves the rulings of every other as they were.
        """
        own = {name: {fact.name for fact in place.facts} for name, place in self.places.items()}
        digests: dict[str, str] = {}
        for name, place in self.places.items():
            elsewhere = set[str]().union(*(own[other] for other in own if other != name))
            facts = [
                fact
                for fact in self.other_facts
                if fact.name in own[name] or fact.name not in elsewhere
            ]
            digests[name] = rule_set_sha256(self.axes, facts, (place,))
        return digests

    @cached_property
    def rules(self) -> tuple[RegulatoryRule, ...]:
        """Every rule, place by place."""
        return tuple(rule for place in self.places.values() for rule in place.rules)

    @property
    def schemes(self) -> Mapping[str, tuple[ClassificationScheme, ...]]:
        """Orders of classes by place."""
        return {name: place.schemes for name, place in self.places.items()}

    @property
    def jurisdictions(self) -> tuple[str, ...]:
        """The places whose rules are not those of an institution, in order."""
        return tuple(name for name, each in self.places.items() if each.kind != "institution")

    def place(self, name: str) -> RulePlace:
        """Return a place.

        Raises:
            RulesError: There is none of that name, or its file is at fault.
        """
        if name in self.faults:
            raise self.faults[name]
        if name not in self.places:
            raise RulesError(
                f"place {name}",
                wanted=Message("one of {values}", {"values": ", ".join(self.places)}),
                remedy=Message(
                    "For a place of your own, put {file} into a folder of rules and name the"
                    " folder with --rules, or in COMMONWATT_CLINIC_RULES.",
                    {"file": f"{name}.yaml"},
                ),
            )
        return self.places[name]

    def rule(self, rule_id: str) -> RegulatoryRule:
        """Return one rule.

        Raises:
            RulesError: There is none of that name.
        """
        for rule in self.rules:
            if rule.rule_id == rule_id:
                return rule
        raise RulesError(rule_id, wanted=Message("the name of a rule in the book"))

    def rules_in_force(self, jurisdiction: str, on: date) -> list[RegulatoryRule]:
        """Return the rules of a place that hold on a day.

        Raises:
            RulesError: There is no such place, or its file is at fault.
        """
        return [rule for rule in self.place(jurisdiction).rules if rule.in_force(on)]

    def with_rule_date_moved(self, rule_id: str, valid_from: date) -> RegulatoryRuleBook:
        """Return the book with the date of one rule moved."""
        return self.with_rule_changed(replace(self.rule(rule_id), valid_from=valid_from))

    def with_rule_changed(self, changed: RegulatoryRule) -> RegulatoryRuleBook:
        """Return the book with the rule of that name in another form."""
        place = self.place(changed.jurisdiction)
        rules = tuple(changed if r.rule_id == changed.rule_id else r for r in place.rules)
        places = {**self.places, place.place: replace(place, rules=rules)}
        return replace(self, places=places)

    def check_product_fact_values(self, facts: Mapping[str, str]) -> None:
        """Refuse facts that are not declared, and values that they have not.

        Raises:
            RulesError: There is one.
        """
        check_known_product_facts((*self.axes, *self.other_facts), facts)

    def complete_product_facts(self, facts: Mapping[str, str]) -> CompletedFacts:
        """Return every fact, with defaults for those that are not axes.

        Raises:
            RulesError: An axis is missing, a fact or value is unknown, or two contradict.
        """
        return completed_product_facts_with_defaults(self.axes, self.other_facts, facts)


def clinic_rule_folders_of_environment(
    environment: Mapping[str, str] = os.environ,
) -> tuple[Path, ...]:
    """Return the folders of rules that the site has named, beside those that are shipped.

    >>> clinic_rule_folders_of_environment({"COMMONWATT_CLINIC_RULES": ""})
    ()
    """
    named = environment.get(RULES_VARIABLE, "")
    return tuple(Path(folder) for folder in named.split(os.pathsep) if folder)


def load_regulatory_rule_book(
    folder: Path = FOLDER, site_folders: Sequence[Path] | None = None
) -> RegulatoryRuleBook:
    """Return the rule book of a folder, with what the site's own folders add.

    Args:
        folder: Holds `facts.yaml` and one file a place.
        site_folders: Further folders; those that the site has named where it is not given.

    Raises:
        RulesError: A folder is missing, or the file of facts is at fault. A file of a place
            that is at fault is named among the `faults`.

    >>> book = load_regulatory_rule_book()
    >>> len(book.rules) >= 250, len(book.jurisdictions) >= 16, dict(book.faults)
    (True, True, {})
    """
    others_folders = (
        clinic_rule_folders_of_environment() if site_folders is None else tuple(site_folders)
    )
    axes, others = _load_axes_and_other_product_facts(folder, others_folders)
    shared = {fact.name: fact for fact in (*axes, *others)}
    places: dict[str, RulePlace] = {}
    faults: dict[str, RulesError] = {}
    for each in (folder, *others_folders):
        for path in _clinic_rule_files_of_places(each):
            try:
                place = load_rule_place(path, shared)
                _check_place_is_new(place, places)
            except RulesError as error:
                # A file that was to take the place of another leaves neither: to fall back on the
                # shipped law in silence would be an answer by rules that the site has set aside.
                places.pop(path.stem, None)
                faults[path.stem] = error
            else:
                faults.pop(path.stem, None)
                places[place.place] = place
    for each in others_folders:
        if (each / FACTS_FILE).exists():
            faults[FACTS_FILE] = RulesError(
                str(each / FACTS_FILE),
                found=Message("facts of every place"),
                remedy=Message("Declare the facts of a place under `facts` in its own file."),
            )
    # A table of the site's own that cannot be read is a fault like that of a place.
    faults |= {fact.as_of: fact.fault for fact in others if fact.fault is not None}
    own = tuple(fact for place in places.values() for fact in place.facts)
    return RegulatoryRuleBook(
        places=places, axes=tuple(axes), other_facts=(*others, *own), faults=faults
    )


def _clinic_rule_files_of_places(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise RulesError(
            str(folder), wanted=Message("a folder of rule files"),
            remedy=Message("Give the folder in which the files lie, one .yaml a place."),
        )  # fmt: skip
    paths = [*folder.glob("*.yaml"), *folder.glob("*.yml")]
    return sorted(path for path in paths if path.name != FACTS_FILE)


def _load_axes_and_other_product_facts(
    folder: Path, site_folders: Sequence[Path]
) -> tuple[list[ProductFact], list[ProductFact]]:
    file = read_rule_file(folder / FACTS_FILE)
    file.check_keys(("axes", "others"))
    axes = parse_product_facts(file.section("axes"), axes=True)
    others = parse_product_facts(file.section("others"), axes=False, table_folders=site_folders)
    return axes, others


def _check_place_is_new(place: RulePlace, places: Mapping[str, RulePlace]) -> None:
    """Refuse a file that would quietly take the place of another, or share a name with it."""
    where = str(place.path)
    before = places.get(place.place)
    if before and not place.replaces:
        raise RulesError(
            where,
            found=Message("a second file of {place}", {"place": place.place}),
            remedy=Message(
                "Write `replaces: true` at its top if it is to take the place of {file}.",
                {"file": str(before.path)},
            ),
        )
    elsewhere = [each for name, each in places.items() if name != place.place]
    taken = {rule.rule_id for each in elsewhere for rule in each.rules}
    facts = {fact.name for each in elsewhere for fact in each.facts}
    twice = sorted(
        ({rule.rule_id for rule in place.rules} & taken)
        | ({fact.name for fact in place.facts} & facts)
    )
    if twice:
        raise RulesError(
            where,
            found=Message("a name that another file has: {names}", {"names": ", ".join(twice)}),
            remedy=Message("Begin the names of a file with the name of its place."),
        )
