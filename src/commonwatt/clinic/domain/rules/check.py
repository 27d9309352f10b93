"""Every combination of the axes, at once: where the rules are silent or contradict each other.

The same meaning as `classify`, over arrays: one mask a rule, one row a combination.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.clinic.domain.rules.book import RegulatoryRuleBook
from commonwatt.clinic.domain.rules.parse import ClassificationScheme
from commonwatt.clinic.domain.rules.predicate import Columns, Mask
from commonwatt.clinic.domain.rules.rule import OUTSIDE, RegulatoryRule

I16 = npt.NDArray[np.int16]
NO_CLASS = -1  # the scheme applies and no rule gives a class
OUT_OF_SCOPE = -2  # the scheme does not apply


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBookFindings:
    """The findings.

    Args:
        cells: One row per combination, place, day and scheme with its class.
        gaps: Silent cells, grouped, with the scheme concerned.
        contradictions: Rules that give different classes to the same cells, with sources.
        unruled_services: Per place and day, the combinations of a service for which
            there is neither class nor route.
    """

    cells: pl.DataFrame
    gaps: pl.DataFrame
    contradictions: pl.DataFrame
    unruled_services: pl.DataFrame


def product_fact_combination_columns(
    rule_book: RegulatoryRuleBook, others: Mapping[str, str] | None = None
) -> dict[str, npt.NDArray[np.str_]]:
    """Return every combination of the axes, one column a fact, shape (combinations,).

    Raises:
        RulesError: One of `others` is no fact, or a value that it has not.
    """
    rule_book.check_product_fact_values(others or {})
    values = [axis.values for axis in rule_book.axes]
    rows = list(itertools.product(*values))
    columns = {
        axis.name: np.array([row[i] for row in rows]) for i, axis in enumerate(rule_book.axes)
    }
    fixed_facts = {fact.name: fact.default for fact in rule_book.other_facts} | dict(others or {})
    return columns | {name: np.full(len(rows), value) for name, value in fixed_facts.items()}


def scheme_class_index_of_cells(
    scheme: ClassificationScheme,
    rules: Sequence[RegulatoryRule],
    masks: Mapping[str, Mask],
    scope: Mask,
) -> I16:
    """Return the index of the class in each cell, `NO_CLASS` or `OUT_OF_SCOPE`, shape (cells,)."""
    class_of_cell = np.full(len(scope), NO_CLASS, np.int16)
    # Rules of special cases first, then firm ones over what is left, and a fallback only fills
    # what both left free, whatever its class. One pass over all would let a strict fallback
    # overrule a firm rule.
    voting = [rule for rule in rules if rule.scheme == scheme.name and rule.klass]
    gaps = [masks[rule.rule_id] for rule in rules if rule.scheme == scheme.name and rule.gap]
    stated_gap = np.logical_or.reduce([np.zeros(len(scope), np.bool_), *gaps])
    for rank in range(3):
        # Where the book says that it holds no rule, only one of a special case gives a class.
        free = (class_of_cell == NO_CLASS) & ~(stated_gap & (rank > 0))
        for rule in voting:
            if (2 if rule.fallback else not rule.special) == rank:
                cells = masks[rule.rule_id] & free
                # Classes are indexed from the least strict, so the maximum is the strictest, as
                # `classify` has it.
                class_of_cell[cells] = np.maximum(
                    class_of_cell[cells], scheme.classes.index(rule.klass)
                )
    return np.where(scope, class_of_cell, np.int16(OUT_OF_SCOPE)).astype(np.int16)


def class_indices_and_rule_masks_of_place(
    schemes: Sequence[ClassificationScheme],
    rules: Sequence[RegulatoryRule],
    masks: Mapping[str, Mask],
    columns: Columns,
) -> tuple[dict[str, I16], dict[str, Mask]]:
    """Return the classes of a place by scheme, and the cells in which each rule holds.

    A rule that asks for a class of an earlier scheme holds only where that class was given.
    """
    classes: dict[str, I16] = {}
    named = {scheme.name: scheme.classes for scheme in schemes}
    for scheme in schemes:
        held = _rule_masks_under_given_classes(rules, masks, classes, named)
        classes[scheme.name] = scheme_class_index_of_cells(
            scheme, rules, held, scheme.scope.mask(columns)
        )
    return classes, _rule_masks_under_given_classes(rules, masks, classes, named)


def _rule_masks_under_given_classes(
    rules: Sequence[RegulatoryRule],
    masks: Mapping[str, Mask],
    classes: Mapping[str, I16],
    named: Mapping[str, Sequence[str]],
) -> dict[str, Mask]:
    held: dict[str, Mask] = {}
    for rule in rules:
        mask = masks[rule.rule_id]
        for scheme, allowed in rule.given.items():
            if scheme in classes:
                indices = [
                    OUT_OF_SCOPE if klass == OUTSIDE else named[scheme].index(klass)
                    for klass in allowed
                ]
                mask = mask & np.isin(classes[scheme], indices)
            else:
                mask = np.zeros_like(mask)
        held[rule.rule_id] = mask
    return held


def rule_book_findings(
    rule_book: RegulatoryRuleBook,
    days: Iterable[date],
    *,
    jurisdictions: Sequence[str] | None = None,
    others: Mapping[str, str] | None = None,
) -> RuleBookFindings:
    """Return the findings over all combinations, places and days.

    Args:
        rule_book: The rules.
        days: Whose law is asked.
        jurisdictions: Places; all but those of institutions where they are not given.
        others: Facts that are no axes, where they are not to take their default.
    """
    days = list(days)
    columns = product_fact_combination_columns(rule_book, others)
    masks = {rule.rule_id: rule.when.mask(columns) for rule in rule_book.rules}
    cells: list[pl.DataFrame] = []
    gaps: list[dict[str, object]] = []
    clashes: list[dict[str, object]] = []
    services: list[dict[str, object]] = []
    places = rule_book.jurisdictions if jurisdictions is None else jurisdictions
    for day, place in itertools.product(days, places):
        rules = rule_book.rules_in_force(place, day)
        schemes = rule_book.place(place).schemes
        classes, held = class_indices_and_rule_masks_of_place(schemes, rules, masks, columns)
        services.append(_unruled_clinic_services_row(place, day, rules, held, columns))
        for scheme in schemes:
            class_of_cell = classes[scheme.name]
            cells.append(_product_class_cells_of_scheme(place, day, scheme, class_of_cell))
            gaps.append(_silent_rule_cells_row(place, day, scheme, class_of_cell, columns))
            clashes += _rule_contradiction_rows(place, day, scheme, rules, held)
    return RuleBookFindings(
        cells=pl.concat(cells),
        gaps=pl.DataFrame(gaps).filter(pl.col("combinations") > 0),
        contradictions=pl.DataFrame(clashes, schema=_CLASH),
        unruled_services=pl.DataFrame(services),
    )


def product_class_cells_changed_by_rule_date(
    rule_book: RegulatoryRuleBook, rule_id: str, valid_from: date, days: Iterable[date]
) -> pl.DataFrame:
    """Return the cells whose class changes on `days` when the date of a rule moves."""
    days = list(days)
    # No rule speaks of another place; the grid of the others would be computed twice for nothing.
    place = [rule_book.rule(rule_id).jurisdiction]
    before = rule_book_findings(rule_book, days, jurisdictions=place).cells
    after = rule_book_findings(
        rule_book.with_rule_date_moved(rule_id, valid_from), days, jurisdictions=place
    ).cells
    changed = before.with_columns(after=after["class"]).rename({"class": "before"})
    return changed.filter(pl.col("before") != pl.col("after"))


_CLASH = {
    "jurisdiction": pl.String,
    "on": pl.Date,
    "scheme": pl.String,
    "combinations": pl.Int64,
    "rule": pl.String,
    "class": pl.String,
    "source": pl.String,
    "other_rule": pl.String,
    "other_class": pl.String,
    "other_source": pl.String,
}


def _product_class_cells_of_scheme(
    place: str, day: date, scheme: ClassificationScheme, class_of_cell: I16
) -> pl.DataFrame:
    names = pl.Series([*scheme.classes, "outside", "silent"])
    return pl.DataFrame(
        {
            "jurisdiction": place,
            "on": day,
            "scheme": scheme.name,
            "combination": np.arange(len(class_of_cell)),
            "class": names.gather(
                np.where(class_of_cell < 0, len(names) + class_of_cell, class_of_cell)
            ),
        }
    )


def _silent_rule_cells_row(
    place: str, day: date, scheme: ClassificationScheme, class_of_cell: I16, columns: Columns
) -> dict[str, object]:
    # What all silent cells share tells an author of rules where the hole is; a list of hundreds of
    # combinations does not.
    silent = class_of_cell == NO_CLASS
    shared = [f"{n} = {v[silent][0]}" for n, v in columns.items() if len(set(v[silent])) == 1]
    return {
        "jurisdiction": place,
        "on": day,
        "scheme": scheme.name,
        "combinations": int(silent.sum()),
        "shared": "; ".join(shared),
    }


def _rule_contradiction_rows(
    place: str,
    day: date,
    scheme: ClassificationScheme,
    rules: Sequence[RegulatoryRule],
    masks: Mapping[str, Mask],
) -> list[dict[str, object]]:
    # Fallbacks are left out: that they give way to firm rules is their meaning, not a
    # contradiction.
    # A rule of a special case is left out for the same reason.
    voting = [
        r for r in rules if r.scheme == scheme.name and r.klass and not (r.fallback or r.special)
    ]
    clashes: list[dict[str, object]] = []
    for first, second in itertools.combinations(voting, 2):
        both = int((masks[first.rule_id] & masks[second.rule_id]).sum())
        if first.klass != second.klass and both:
            rules_named = (
                first.rule_id,
                first.klass,
                _regulatory_rule_citation(first),
                second.rule_id,
                second.klass,
                _regulatory_rule_citation(second),
            )
            values = (place, day, scheme.name, both, *rules_named)
            clashes.append(dict(zip(_CLASH, values, strict=True)))
    return clashes


def _regulatory_rule_citation(rule: RegulatoryRule) -> str:
    return f"{rule.source.title}, {rule.article} ({rule.source.checked})"


def _unruled_clinic_services_row(
    place: str,
    day: date,
    rules: Sequence[RegulatoryRule],
    masks: Mapping[str, Mask],
    columns: Columns,
) -> dict[str, object]:
    service = columns["offering"] == "service"
    ruled = np.zeros(len(service), np.bool_)
    for rule in rules:
        if rule.route or (rule.klass and rule.scheme in ("device", "category", "service")):
            ruled |= masks[rule.rule_id]
    unruled = int((service & ~ruled).sum())
    return {"jurisdiction": place, "on": day, "services": int(service.sum()), "unruled": unruled}
