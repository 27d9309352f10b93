"""Use cases of the clinic that its faces share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from commonwatt.clinic.domain.rules import (
    ProductRuling,
    check_rule_book,
    classify_product,
    load_rule_book,
    product_class_cells_changed_by_rule_date,
)
from commonwatt.clinic.domain.tables import (
    CELLS,
    CONTRADICTIONS,
    GAPS,
    MOVED,
    UNRULED_SERVICES,
)

if TYPE_CHECKING:
    import polars as pl


def classify_in_jurisdictions(
    facts: Mapping[str, str], jurisdictions: Sequence[str], on: date
) -> dict[str, Any]:
    """Return class, route and duties of a product in each place."""
    book = load_rule_book()
    rulings = [classify_product(book, facts, jurisdiction=place, on=on) for place in jurisdictions]
    sources = {rule.rule_id: rule for ruling in rulings for rule in ruling.rules}
    return {
        "on": on.isoformat(),
        "rule_set_sha256": book.digest,
        "rulings": [product_ruling_dict(ruling) for ruling in rulings],
        "rules": {
            name: {
                "text": rule.text,
                "source": rule.source.title,
                "article": rule.article,
                "checked": rule.source.checked,
                "against": rule.source.against,
                "binding": rule.binding,
            }
            for name, rule in sources.items()
        },
    }


def product_ruling_dict(ruling: ProductRuling) -> dict[str, Any]:
    """Return a ruling as plain values."""
    return {
        "jurisdiction": ruling.jurisdiction,
        "facts": dict(ruling.facts),
        "classes": [
            {"scheme": v.scheme, "class": v.klass, "because": v.reasons, "against": v.against}
            for v in ruling.verdicts
        ],
        "gaps": list(ruling.gaps),
        "route": ruling.route,
        "route_because": list(ruling.route_reasons),
        "obligations": {duty: list(rules) for duty, rules in ruling.obligations.items()},
        "report_within_days": dict(ruling.clocks),
        "unconfirmed": list(ruling.unconfirmed),
    }


def regulatory_rule_book_finding_tables(
    days: Sequence[date], others: Mapping[str, str]
) -> dict[str, pl.DataFrame]:
    """Return gaps, contradictions and unruled services over every combination."""
    findings = check_rule_book(load_rule_book(), days, others=others)
    return {
        "gaps": GAPS.checked_frame(findings.gaps),
        "contradictions": CONTRADICTIONS.checked_frame(findings.contradictions),
        "unruled_services": UNRULED_SERVICES.checked_frame(findings.unruled_services),
        "cells": CELLS.checked_frame(findings.cells),
    }


def product_class_cells_of_moved_rule(
    rule_id: str, valid_from: date, days: Sequence[date]
) -> pl.DataFrame:
    """Return the cells whose class changes when the date of a rule moves."""
    return MOVED.checked_frame(
        product_class_cells_changed_by_rule_date(load_rule_book(), rule_id, valid_from, days)
    )
