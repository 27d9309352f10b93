"""From a declared formula to the figures of one run: where it stands, its label, its value."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl

from commonwatt.catalogue.measures import measure_label_message
from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.study.formulas.declared import (
    COST_LAW,
    FORMULAS,
    FigureFormula,
    FigureSubject,
    FormulaScope,
)
from commonwatt.study.tables import PROGRAMME

# The sums of the engines and of the expressions run in other orders; a cell that is wrong is
# off by far more.
TOLERANCE: Final = 1e-9
# Of the amounts whose difference a figure is: what is left of it at nought is their own rounding.
ROUNDING: Final = 1e-13
Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormulaUse:
    """One figure of one run: a formula with what is bound in it.

    Args:
        formula: The formula.
        bound: Values by parameter: run, variant, site, path.
    """

    formula: FigureFormula
    bound: Mapping[str, str]

    @property
    def name(self) -> str:
        """The figure's name in the run."""
        return self.formula.name.format(**self.bound)

    @property
    def expression(self) -> str:
        """The formula's query with everything bound in it."""
        return self.sql_with_values_bound(self.formula.sql)

    @property
    def cost_law_sql_or_empty(self) -> str:
        """The law of costs that its query begins with; empty where it does not."""
        starts = self.formula.sql.startswith(f"WITH {COST_LAW},")
        return self.sql_with_values_bound(COST_LAW) if starts else ""

    def sql_with_values_bound(self, sql: str) -> str:
        """Return a query of the formula with everything bound in it."""
        return re.sub(r":([a-z]+)\b", lambda at: _study_sql_text_literal(self.bound[at[1]]), sql)

    @property
    def unit(self) -> str:
        """The unit of the value, the country's money not filled in."""
        return self.formula.form.unit


def _study_sql_text_literal(text: str) -> str:
    # Doubled, as SQL writes it. The schema lets no name hold a quote, and this does not rely on it.
    return "'" + text.replace("'", "''") + "'"


def study_figure_formula_uses(tables: Tables) -> Iterator[FormulaUse]:
    """Yield every figure that a run with these tables has, in the order of the formulas."""
    # Once a table and not once a formula: tables hold a row a job.
    variants = {
        name: frozenset(table["variant"].unique().to_list())
        for name, table in tables.items()
        if "variant" in table.columns
    }
    for formula in FORMULAS.values():
        needed = (*formula.tables, formula.holds) if formula.holds else formula.tables
        # A wing that the programme leaves out wrote no tables, and has no figures.
        if all(name in tables for name in needed):
            for bound in _study_formula_bindings_by_variant_and_site(formula, tables, variants):
                yield FormulaUse(formula=formula, bound=bound | dict(formula.fixed or {}))


def _study_formula_bindings_by_variant_and_site(
    formula: FigureFormula, tables: Tables, variants: Mapping[str, frozenset[str]]
) -> Iterator[dict[str, str]]:
    runs: dict[str, str] = dict(tables["basis_runs"].select("variant", "run").iter_rows())
    of_programme = {"variant": PROGRAMME, "run": runs[PROGRAMME]}
    match formula.scope:
        case FormulaScope.PROGRAMME:
            yield of_programme
        case FormulaScope.VARIANT:
            for variant, run in runs.items():
                # In every table that the formula reads by variant.
                if variant != PROGRAMME and all(
                    variant in variants[name] for name in formula.tables if name in variants
                ):
                    yield {"variant": variant, "run": run}
        case FormulaScope.SITE | FormulaScope.VARIANT_SITE:
            of_alternatives = formula.scope is FormulaScope.VARIANT_SITE
            costs = tables.get("basis_costs", pl.DataFrame({"variant": [], "site": []}))
            for variant, site in costs.select("variant", "site").iter_rows():
                if (variant != PROGRAMME) == of_alternatives:
                    yield {"variant": variant, "run": runs[variant], "site": site}


def study_figure_label_message_function(tables: Tables) -> Callable[[FormulaUse], Message]:
    """Return what gives the label of a figure of the run with these tables, to be translated later.

    Each table is read once: a study has more than a hundred figures.
    """

    @cache
    def titles(table: str, column: str, *keys: str) -> dict[tuple[str, ...], list[str]]:
        of_keys: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for title, *key in tables[table].select(column, *keys).iter_rows():
            of_keys[tuple(key)].append(title)
        return of_keys

    def subject(use: FormulaUse) -> str:
        match use.formula.subject:
            case FigureSubject.SITE:
                of_sites = titles("basis_sites", "title", "run", "site")
                return _only_row_label_or_identity_error(
                    of_sites, use.bound["run"], use.bound["site"]
                )
            case FigureSubject.YEAR:
                return str(tables["basis_accounts"].sort("year")["fiscal_year"][-1])
            case FigureSubject.VARIANT:
                of_variants = titles("alternatives", "alternative", "name")
                return _only_row_label_or_identity_error(of_variants, use.bound["variant"])
            case FigureSubject.NOTHING:
                return ""

    def label(use: FormulaUse) -> Message:
        whole, of = measure_label_message(use.formula.form), subject(use)
        return Message("{label}: {subject}", {"label": whole.text, "subject": of}) if of else whole

    return label


def _only_row_label_or_identity_error(rows: Mapping[tuple[str, ...], list[str]], *key: str) -> str:
    labels = rows.get(key, [])
    # Two rows would give the label of whichever comes first.
    if len(labels) != 1:
        raise IdentityError(key[-1], found=Message("a label that no row or two rows give"))
    return str(labels[0])


def study_figure_formula_value(
    use: FormulaUse, tables: Tables, laws: dict[str, pl.DataFrame] | None = None
) -> float | None:
    """Return the value of a figure, from its expression and the tables that it names alone.

    Args:
        use: The figure.
        tables: Tables by name.
        laws: What laws of costs gave over these very tables, by their text; those of a variant
            stand at the head of each of its figures, and take nearly all of the time. Without
            it the expression is evaluated in one piece.

    Raises:
        IdentityError: The expression cannot be evaluated, or gives more than one number: a
            bug.
    """
    # Only the tables that the formula declares: one that read another would show a reader too few
    # of its inputs.
    try:
        named, query = {name: tables[name] for name in use.formula.tables}, use.expression
        if laws is not None and (law := use.cost_law_sql_or_empty):
            if law not in laws:
                laws[law] = _study_query_frame(named, f"WITH {law}\nSELECT * FROM law")
            named["law"], query = laws[law], f"WITH {query.removeprefix(f'WITH {law},')}"
        frame = _study_query_frame(named, query)
    except (pl.exceptions.PolarsError, KeyError) as error:
        raise IdentityError(
            use.name, found=Message("a formula that fails: {error}", {"error": str(error)[:200]})
        ) from error
    if frame.shape != (1, 1):
        raise IdentityError(use.name, found=Message("a formula that gives no single number"))
    value = frame.item()
    return None if value is None or math.isnan(value) else float(value)


def _study_query_frame(tables: Tables, query: str) -> pl.DataFrame:
    return pl.SQLContext(dict(tables), eager=True).execute(query)


def study_figure_rounding_tolerance(use: FormulaUse, tables: Tables) -> float:
    """Return by how much rounding alone may part a figure from its formula, in its unit.

    A difference is known to the last digits of what is subtracted: the effect of a hall of
    eight GPUs on a debt of 900 bn has fewer digits than either debt.

    Args:
        use: The figure.
        tables: Tables by name.
    """
    if not use.formula.subtracted_sql:
        return ROUNDING
    named = {name: tables[name] for name in use.formula.tables}
    query = use.sql_with_values_bound(use.formula.subtracted_sql)
    return ROUNDING * max(1.0, float(_study_query_frame(named, query).item()))


def is_study_figure_value_equal_within_rounding(
    first: float | None, other: float | None, *, rounding: float = ROUNDING
) -> bool:
    """Return whether two values of a figure are the same but for the order of their sums.

    Args:
        first: One of them.
        other: The other.
        rounding: How far apart two values near nought may be, in the unit of the figure.

    >>> (
    ...     is_study_figure_value_equal_within_rounding(1.0, 1.0 + 1e-12),
    ...     is_study_figure_value_equal_within_rounding(1.0, 1.0 + 1e-8),
    ...     is_study_figure_value_equal_within_rounding(None, None),
    ... )
    (True, False, True)
    """
    if first is None or other is None:
        return first is None and other is None
    if math.isnan(first) or math.isnan(other):
        return False
    return abs(first - other) <= max(TOLERANCE * max(abs(first), abs(other)), rounding)


def check_figure_value_equals_formula(
    name: str, value: float | None, by_formula: float | None, *, rounding: float = ROUNDING
) -> None:
    """Raise unless the formula of a figure gives the value that was computed.

    Args:
        name: The figure.
        value: What the stages computed.
        by_formula: What its formula gives.
        rounding: As `study_figure_rounding_tolerance` gives it.

    Raises:
        IdentityError: It gives another one: a bug, and nothing of the study is kept.
    """
    if not is_study_figure_value_equal_within_rounding(by_formula, value, rounding=rounding):
        raise IdentityError(
            name,
            found=Message(
                "{value} computed, and {found} by its formula",
                {"value": str(value), "found": str(by_formula)},
            ),
        )
