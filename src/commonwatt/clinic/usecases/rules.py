"""Use cases of the clinic that its faces share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from commonwatt.clinic.domain.rules import (
    ProductRuling,
    RegulatoryRule,
    RegulatoryRuleBook,
    ReportingPeriod,
    classify_product,
    load_regulatory_rule_book,
    product_class_cells_changed_by_rule_date,
    rule_book_findings,
)
from commonwatt.clinic.domain.rules.book import clinic_rule_folders_of_environment
from commonwatt.clinic.domain.rules.cases import outcome_turns_on_rule_case
from commonwatt.clinic.domain.rules.parse import RulePlace
from commonwatt.clinic.domain.rules.unread import UnreadFact
from commonwatt.clinic.domain.tables import (
    CELLS,
    CONTRADICTIONS,
    GAPS,
    MOVED,
    UNRULED_SERVICES,
)

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFolders:
    """Folders of rules that a command adds to those that the site has named."""

    folders: tuple[Path, ...] = ()

    def load(self) -> RegulatoryRuleBook:
        """Return the rule book with them.

        Raises:
            RulesError: A folder is missing, or the file of facts is at fault.
        """
        return load_regulatory_rule_book(
            site_folders=(*clinic_rule_folders_of_environment(), *self.folders)
        )


SHIPPED: Final = RuleFolders()


def product_rulings_in_jurisdictions_dict(
    facts: Mapping[str, str],
    jurisdictions: Sequence[str],
    on: date,
    folders: RuleFolders = SHIPPED,
) -> dict[str, Any]:
    """Return class, route and duties of a product in each place, in all of them by default.

    Raises:
        RulesError: A fact is missing or unknown, or the file of a place is at fault; asked for
            all places, one at fault is named among the `faults` and answers nothing.
    """
    book = folders.load()
    places = jurisdictions or tuple(book.places)
    rulings = [classify_product(book, facts, jurisdiction=place, on=on) for place in places]
    sources = {rule.rule_id: rule for ruling in rulings for rule in ruling.rules}
    return {
        "on": on.isoformat(),
        "rule_set_sha256": book.digest,
        "faults": {} if jurisdictions else rule_file_fault_text_by_name(book),
        "rulings": [product_ruling_dict(ruling) for ruling in rulings],
        "rules": {name: regulatory_rule_dict(rule) for name, rule in sources.items()},
    }


def check_place_has_rules(place: str, folders: RuleFolders = SHIPPED) -> None:
    """Refuse a place of which there are no rules.

    Raises:
        RulesError: There is none of that name, or its file is at fault.
    """
    folders.load().place(place)


def rule_file_fault_text_by_name(book: RegulatoryRuleBook) -> dict[str, str]:
    """Return what is wrong with the files that could not be read, by name."""
    return {name: str(fault) for name, fault in book.faults.items()}


def regulatory_rule_dict(rule: RegulatoryRule) -> dict[str, Any]:
    """Return what a rule says and rests on as plain values."""
    return {
        "text": rule.text,
        "text_zh_hant": rule.label_zh,
        "quote": rule.quote,
        "source": rule.source.title,
        "source_date": rule.source.dated.isoformat(),
        "article": rule.article,
        "in_force_from": rule.valid_from.isoformat(),
        "checked": rule.source.checked,
        "against": rule.source.against,
        "binding": rule.binding,
    }


def product_ruling_dict(ruling: ProductRuling) -> dict[str, Any]:
    """Return a ruling as plain values."""
    return {
        "jurisdiction": ruling.jurisdiction,
        "facts": dict(ruling.facts),
        "assumed": {name: ruling.facts[name] for name in ruling.assumed},
        "classes": [
            {"scheme": v.scheme, "class": v.klass, "because": v.reasons, "against": v.against}
            for v in ruling.verdicts
        ],
        "gaps": list(ruling.gaps),
        "gaps_because": {name: list(rules) for name, rules in ruling.gap_reasons.items()},
        "unread": [unread_fact_dict(fact) for fact in ruling.unread],
        "route": ruling.route,
        "route_because": list(ruling.route_reasons),
        "obligations": {duty: list(rules) for duty, rules in ruling.obligations.items()},
        "report_within": [reporting_period_dict(period) for period in ruling.periods],
        "report_untimed": {who: list(rules) for who, rules in ruling.untimed.items()},
        "unconfirmed": list(ruling.unconfirmed),
    }


def unread_fact_dict(fact: UnreadFact) -> dict[str, str]:
    """Return a stated fact that no rule of the place reads, with the reason where one is given."""
    declared = fact.declared
    return {
        "fact": fact.name,
        "value": fact.value,
        "article": declared.article if declared else "",
        "text": declared.text if declared else "",
        "text_zh_hant": declared.label_zh if declared else "",
    }


def reporting_period_dict(period: ReportingPeriod) -> dict[str, Any]:
    """Return a period as plain values, in the unit of the law: the other one is empty."""
    return {
        "event": period.event,
        "reporter": period.reporter,
        "calendar_days": None if period.working else period.days,
        "working_days": period.days if period.working else None,
        "rule": period.rule,
    }


def rule_places_and_file_faults_dict(folders: RuleFolders = SHIPPED) -> dict[str, Any]:
    """Return whose rules there are, on how much primary text they rest, and faulty files."""
    book = folders.load()
    primary = sum(rule.source.checked == "primary" for rule in book.rules)
    return {
        "rule_set_sha256": book.digest,
        "primary_share": primary / len(book.rules) if book.rules else None,
        "places": [_rule_place_row(book, place) for place in book.places.values()],
        "faults": rule_file_fault_text_by_name(book),
    }


def place_rows_with_failing_case_counts(
    places: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return the rows of a listing with the number of failing cases in place of their names."""
    return [{**place, "failing_cases": len(place["failing_cases"])} for place in places]


def _rule_place_row(book: RegulatoryRuleBook, place: RulePlace) -> dict[str, Any]:
    count = len(place.rules)
    primary = sum(rule.source.checked == "primary" for rule in place.rules)
    quoted = sum(bool(rule.quote) for rule in place.rules)
    return {
        "jurisdiction": place.place,
        "place_name": place.name,
        "place_name_zh_hant": place.name_zh,
        "kind": place.kind,
        "rules": count,
        "primary_share": primary / count if count else None,
        "quoted_share": quoted / count if count else None,
        "unconfirmed": sum(rule.source.checked == "unconfirmed" for rule in place.rules),
        "proposed": sum(rule.status == "proposed" for rule in place.rules),
        # Rules that decide nothing in their own case, or have none.
        "failing_cases": [
            r.rule_id for r in place.rules if not outcome_turns_on_rule_case(book, r)
        ],
        "file": str(place.path),
    }


def regulatory_rule_book_finding_tables(
    days: Sequence[date], others: Mapping[str, str], folders: RuleFolders = SHIPPED
) -> dict[str, pl.DataFrame]:
    """Return gaps, contradictions and unruled services over every combination.

    Raises:
        RulesError: A folder or a fact is at fault.
    """
    findings = rule_book_findings(folders.load(), days, others=others)
    return {
        "gaps": GAPS.frame_checked_against_schema(findings.gaps),
        "contradictions": CONTRADICTIONS.frame_checked_against_schema(findings.contradictions),
        "unruled_services": UNRULED_SERVICES.frame_checked_against_schema(
            findings.unruled_services
        ),
        "cells": CELLS.frame_checked_against_schema(findings.cells),
    }


def product_class_cells_of_moved_rule(
    rule_id: str, valid_from: date, days: Sequence[date], folders: RuleFolders = SHIPPED
) -> pl.DataFrame:
    """Return the cells whose class changes when the date of a rule moves.

    Args:
        rule_id: The rule.
        valid_from: The day from which it would hold.
        days: On which the class is asked; by default the days on which the move can change
            anything: the earlier of both dates, and the day before the later one.
        folders: Of rules, beside those of the site.

    Raises:
        RulesError: There is no such rule.
    """
    book = folders.load()
    # Derived from the rule and from nothing else, so that the same question has the same answer
    # on every day of the year.
    compared_days = days or days_of_rule_move(book.rule(rule_id).valid_from, valid_from)
    return MOVED.frame_checked_against_schema(
        product_class_cells_changed_by_rule_date(book, rule_id, valid_from, compared_days)
    )


def days_of_rule_move(before: date, after: date) -> tuple[date, ...]:
    """Return the first and the last day on which a moved date makes a difference.

    >>> [str(day) for day in days_of_rule_move(date(2028, 8, 2), date(2027, 8, 2))]
    ['2027-08-02', '2028-08-01']
    """
    first, last = min(before, after), max(before, after) - timedelta(days=1)
    return tuple(sorted({first, max(first, last)}))
