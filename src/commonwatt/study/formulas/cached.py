"""The values that formulas give, cached by the tables that they were evaluated over.

To evaluate the formulas of a study takes longer than to read it back. A formula is a query and
names its tables, so its value follows from its text and from the bytes of these tables: a
change of a price leaves the tables of jobs as they were, and every figure over them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from commonwatt.runs import Stage, StageResult, StageStore
from commonwatt.study.formulas.evaluate import FormulaUse, study_figure_formula_value


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTable:
    """A table as the run holds it.

    Args:
        name: Its name.
        sha256: Digest of its Parquet file, which stands for all of it.
        frame: Its rows; no part of any hash beside the digest.
    """

    name: str
    sha256: str
    frame: pl.DataFrame = field(metadata={"decides": False}, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormulaStageInputs:
    """What decides the values of the formulas over some tables.

    Args:
        queries: Text of each formula with everything bound in it, by the figure's name.
        tables: The tables that each of them names, and no other.
        engine: Version of what evaluates a query; our own code is in every key.
        uses: The formulas by the figure's name; the query is all that decides.
    """

    queries: Mapping[str, str]
    tables: tuple[WrittenTable, ...]
    engine: str
    uses: Mapping[str, FormulaUse] = field(metadata={"decides": False}, repr=False)


def compute_figure_formula_values(inputs: FormulaStageInputs) -> StageResult:
    """Return the value of each formula as text, by the figure's name.

    Raises:
        IdentityError: A formula cannot be evaluated, or gives more than one number: a bug.
    """
    frames = {table.name: table.frame for table in inputs.tables}
    laws: dict[str, pl.DataFrame] = {}
    values = {
        name: study_figure_formula_value(use, frames, laws) for name, use in inputs.uses.items()
    }
    # As hexadecimal text: every bit, and an infinity, which JSON cannot hold, comes back, too.
    return StageResult(
        data={name: None if value is None else value.hex() for name, value in values.items()}
    )


FORMULA_STAGE: Final = Stage(name="formulas", compute=compute_figure_formula_values)


def cached_formula_value_by_figure_name(
    uses: Iterable[FormulaUse], tables: Mapping[str, WrittenTable], stages: StageStore
) -> dict[str, float | None]:
    """Return what the formula of each figure gives, by the figure's name.

    Args:
        uses: The figures.
        tables: Every table of the run, as it was written.
        stages: Where values are cached.

    Raises:
        IdentityError: A formula cannot be evaluated, or gives more than one number: a bug.
    """
    # Those over the same tables together: one change makes all of them anew, and a stage each
    # would fill the cache with hundreds of files.
    by_tables: dict[tuple[str, ...], dict[str, FormulaUse]] = defaultdict(dict)
    for use in uses:
        by_tables[use.formula.tables][use.name] = use
    values: dict[str, float | None] = {}
    for names, grouped in by_tables.items():
        inputs = FormulaStageInputs(
            queries={name: use.expression for name, use in grouped.items()},
            tables=tuple(tables[name] for name in names),
            engine=pl.__version__,
            uses=grouped,
        )
        stage = stages.get_or_compute(FORMULA_STAGE, inputs)
        for name, text in stage.data.items():
            values[name] = None if text is None else float.fromhex(text)
    return values
