"""The ruling on a product, computed: nobody types a class or a route.

A ruling on record is what the rules of its place give for the facts of the product's
intended use on the day of the record. It is computed when it is put on record, again
when an approval is about to rest on it, and again at every question of the gate, so that
a ruling that reached the ledger by another way counts only where the rules give it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from typing import Any, Final

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.registry.state import RegistryRecord
from commonwatt.clinic.domain.rules.book import (
    INSTITUTION,
    RegulatoryRuleBook,
    load_regulatory_rule_book,
)
from commonwatt.clinic.domain.rules.classify import ProductRuling, classify_product
from commonwatt.clinic.domain.rules.rule import UNDECIDED
from commonwatt.core.messages import Message

RISK_SCHEME: Final = "service-risk"
"""The scheme of the institution's own rules, which gives every product and service a class."""


def computed_ruling_record_body(
    intended_use: str,
    facts: Mapping[str, Any],
    place: str,
    on: date,
    book: RegulatoryRuleBook | None = None,
) -> dict[str, Any]:
    """Return the record of a ruling: classes and route that the rules of a place give.

    Args:
        intended_use: Name of the record with the facts.
        facts: The facts of the product.
        place: Whose rules.
        on: The day whose law applies.
        book: Whose digest the record carries; that of this process where it is not given.

    Raises:
        RulesError: The place has no rules, or none on file for such a product, or a fact is
            missing or unknown.
    """
    ruling = (
        product_ruling_on_day(facts, place, on)
        if book is None
        else classify_product(book, dict(facts), jurisdiction=place, on=on)
    )
    _check_ruling_has_no_gap(ruling)
    return {
        "intended_use": intended_use,
        "jurisdiction": place,
        "rule_set_sha256": (book or rule_book_of_this_process()).digests_by_place[place],
        "classes": {verdict.scheme: verdict.klass for verdict in ruling.verdicts},
        "route": ruling.route,
    }


def _check_ruling_has_no_gap(ruling: ProductRuling) -> None:
    """Refuse a ruling where the book says that the law turns on what it does not hold."""
    reasons = [name for names in ruling.gap_reasons.values() for name in names]
    if reasons:
        raise RulesError(
            f"place {ruling.jurisdiction}",
            found=Message(
                "no rule on file for such a product ({rules})", {"rules": ", ".join(reasons)}
            ),
            wanted=Message("a class"),
            remedy=Message(
                "Look the class up with the authority, and give its rule in a file of rules of"
                " your own."
            ),
        )


def product_ruling_on_day(facts: Mapping[str, Any], place: str, on: date) -> ProductRuling:
    """Return what the rules of a place say of a product on a day.

    Raises:
        RulesError: The place has no rules, or a fact is missing, unknown or no text.
    """
    # Sorted, so that the same facts are computed once, in whatever order they stand.
    return _product_ruling(tuple(sorted(facts.items(), key=str)), place, on)


@lru_cache(maxsize=4096)
def _product_ruling(facts: tuple[tuple[str, Any], ...], place: str, on: date) -> ProductRuling:
    # The gate asks this at every question, and a product has the same facts all its life.
    return classify_product(rule_book_of_this_process(), dict(facts), jurisdiction=place, on=on)


@cache
def rule_book_of_this_process() -> RegulatoryRuleBook:
    """Return the rule book of this process, the site's own folders included.

    Read once: a gate answers by the rules that were there when it started, and reading them
    takes longer than an answer may.
    """
    return load_regulatory_rule_book()


def is_ruling_by_rules_held_here(ruling: RegistryRecord) -> bool:
    """Return whether this process holds the rules whose digest a ruling carries."""
    digests = rule_book_of_this_process().digests_by_place
    return ruling.body.get("rule_set_sha256") == digests.get(str(ruling.body["jurisdiction"]))


def ruling_difference_from_rules_on_day(
    ruling: RegistryRecord,
    use: RegistryRecord,
    on: date,
    book: RegulatoryRuleBook | None = None,
) -> Message | None:
    """Return in what a ruling differs from what the rules give on a day; None where in nothing.

    Args:
        ruling: The record of the ruling.
        use: The intended use that it is on.
        on: The day whose law applies.
        book: The rules; those of this process where it is not given.
    """
    try:
        computed = computed_ruling_record_body(
            use.name, _stated_facts_of_intended_use(use), str(ruling.body["jurisdiction"]), on, book
        )
    except (RulesError, TypeError) as error:
        return Message("{fault}", {"fault": str(error)})
    for name, value in computed.items():
        if ruling.body.get(name) != value:
            return Message(
                "{field} is {found}, and the rules give {computed}",
                {"field": name, "found": str(ruling.body.get(name)), "computed": str(value)},
            )
    return None


def _stated_facts_of_intended_use(use: RegistryRecord) -> Mapping[str, Any]:
    facts: Any = use.body.get("facts")
    if not isinstance(facts, Mapping):
        raise RulesError(use.name, wanted=Message("named values"))
    return facts  # pyright: ignore[reportUnknownVariableType]


def check_intended_use_facts(facts: Mapping[str, Any]) -> None:
    """Refuse facts of a product on which no ruling could be computed.

    Raises:
        RulesError: A fact is missing or unknown; it is named.
    """
    rule_book_of_this_process().complete_product_facts(facts)


def institution_risk_class_of_product(use: RegistryRecord, on: date) -> str:
    """Return the class, I to IV, that the institution's own rules give a product on a day.

    Whatever the law of the place calls its classes, this one says how strong the evidence
    must be.

    Raises:
        RulesError: A fact is missing or unknown.
    """
    ruling = product_ruling_on_day(_stated_facts_of_intended_use(use), INSTITUTION, on)
    return next((v.klass for v in ruling.verdicts if v.scheme == RISK_SCHEME), "")


def product_class_by_scheme_in_place(
    facts: Mapping[str, Any], place: str, on: date
) -> Mapping[str, str] | None:
    """Return the classes that the rules of a place give a product on a day, by scheme.

    `UNDECIDED` stands under a scheme that applies and gives no class; None is returned where
    the place has no rules or the facts cannot be ruled on.

    Args:
        facts: The facts of the product.
        place: Whose rules.
        on: The day whose law applies.
    """
    try:
        ruling = product_ruling_on_day(facts, place, on)
    except (RulesError, TypeError):
        return None
    return {each.scheme: each.klass for each in ruling.verdicts} | dict.fromkeys(
        ruling.gaps, UNDECIDED
    )


def place_law_gives_product_route(use: RegistryRecord, place: str, on: date) -> bool:
    """Return whether the law of a place gives a product a route, or one that is not on file.

    Raises:
        RulesError: The place has no rules, or a fact is missing or unknown.
    """
    ruling = product_ruling_on_day(_stated_facts_of_intended_use(use), place, on)
    # A law of which the book says that it holds no rule is a law all the same.
    return bool(ruling.route or ruling.gap_reasons)
