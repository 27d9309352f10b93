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

from commonwatt.clinic.domain.rules.book import (
    JURISDICTIONS,
    ClassificationScheme,
    RegulatoryRule,
    RegulatoryRuleBook,
)
from commonwatt.clinic.domain.rules.predicate import Columns, Mask

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


def fact_grid(
    rule_book: RegulatoryRuleBook, others: Mapping[str, str] | None = None
) -> dict[str, npt.NDArray[np.str_]]:
    """Return every combination of the axes, one column a fact, shape (combinations,)."""
    values = [axis.values for axis in rule_book.axes]
    rows = list(itertools.product(*values))
    columns = {
        axis.name: np.array([row[i] for row in rows]) for i, axis in enumerate(rule_book.axes)
    }
    given = {fact.name: fact.default for fact in rule_book.other_facts} | dict(others or {})
    return columns | {name: np.full(len(rows), value) for name, value in given.items()}


def classes(
    scheme: ClassificationScheme,
    rules: Sequence[RegulatoryRule],
    masks: Mapping[str, Mask],
    scope: Mask,
) -> I16:
    """Return the index of the class in each cell, `NO_CLASS` or `OUT_OF_SCOPE`, shape (cells,)."""
    found = np.full(len(scope), NO_CLASS, np.int16)
    for fallback in (False, True):
        free = found == NO_CLASS
        for rule in rules:
            if rule.scheme == scheme.name and rule.klass and rule.fallback == fallback:
                here = masks[rule.rule_id] & free
                found[here] = np.maximum(found[here], scheme.classes.index(rule.klass))
    return np.where(scope, found, np.int16(OUT_OF_SCOPE)).astype(np.int16)


def check_rule_book(
    rule_book: RegulatoryRuleBook,
    days: Iterable[date],
    *,
    jurisdictions: Sequence[str] = JURISDICTIONS,
    others: Mapping[str, str] | None = None,
) -> RuleBookFindings:
    """Return the findings over all combinations, places and days."""
    columns = fact_grid(rule_book, others)
    masks = {rule.rule_id: rule.when.mask(columns) for rule in rule_book.rules}
    cells: list[pl.DataFrame] = []
    gaps: list[dict[str, object]] = []
    clashes: list[dict[str, object]] = []
    services: list[dict[str, object]] = []
    for day, place in itertools.product(days, jurisdictions):
        rules = rule_book.rules_in_force(place, day)
        services.append(_services(place, day, rules, masks, columns))
        for scheme in rule_book.schemes[place]:
            found = classes(scheme, rules, masks, scheme.scope.mask(columns))
            cells.append(_cells(place, day, scheme, found))
            gaps.append(_gap(place, day, scheme, found, columns))
            clashes += _clashes(place, day, scheme, rules, masks)
    return RuleBookFindings(
        cells=pl.concat(cells),
        gaps=pl.DataFrame(gaps).filter(pl.col("combinations") > 0),
        contradictions=pl.DataFrame(clashes, schema=_CLASH),
        unruled_services=pl.DataFrame(services),
    )


def cells_moved_by(
    rule_book: RegulatoryRuleBook, rule_id: str, valid_from: date, days: Iterable[date]
) -> pl.DataFrame:
    """Return the cells whose class changes on `days` when the date of a rule moves."""
    days = list(days)
    place = [rule_book.rule(rule_id).jurisdiction]
    before = check_rule_book(rule_book, days, jurisdictions=place).cells
    after = check_rule_book(
        rule_book.with_date_moved(rule_id, valid_from), days, jurisdictions=place
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


def _cells(place: str, day: date, scheme: ClassificationScheme, found: I16) -> pl.DataFrame:
    names = pl.Series([*scheme.classes, "outside", "silent"])
    return pl.DataFrame(
        {
            "jurisdiction": place,
            "on": day,
            "scheme": scheme.name,
            "combination": np.arange(len(found)),
            "class": names.gather(np.where(found < 0, len(names) + found, found)),
        }
    )


def _gap(
    place: str, day: date, scheme: ClassificationScheme, found: I16, columns: Columns
) -> dict[str, object]:
    silent = found == NO_CLASS
    shared = [f"{n} = {v[silent][0]}" for n, v in columns.items() if len(set(v[silent])) == 1]
    return {
        "jurisdiction": place,
        "on": day,
        "scheme": scheme.name,
        "combinations": int(silent.sum()),
        "shared": "; ".join(shared),
    }


def _clashes(
    place: str,
    day: date,
    scheme: ClassificationScheme,
    rules: Sequence[RegulatoryRule],
    masks: Mapping[str, Mask],
) -> list[dict[str, object]]:
    voting = [r for r in rules if r.scheme == scheme.name and r.klass and not r.fallback]
    found: list[dict[str, object]] = []
    for one, other in itertools.combinations(voting, 2):
        both = int((masks[one.rule_id] & masks[other.rule_id]).sum())
        if one.klass != other.klass and both:
            sides = (one.rule_id, one.klass, _cite(one), other.rule_id, other.klass, _cite(other))
            values = (place, day, scheme.name, both, *sides)
            found.append(dict(zip(_CLASH, values, strict=True)))
    return found


def _cite(rule: RegulatoryRule) -> str:
    return f"{rule.source.title}, {rule.article} ({rule.source.checked})"


def _services(
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
    left = int((service & ~ruled).sum())
    return {"jurisdiction": place, "on": day, "services": int(service.sum()), "unruled": left}
