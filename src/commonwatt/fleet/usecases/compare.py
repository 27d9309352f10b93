"""Several policies on the same demand: one table and one plot."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from commonwatt.fleet.domain.tables import POLICIES
from commonwatt.fleet.engines.simulator import Runtime
from commonwatt.fleet.usecases.charts import policies_compared
from commonwatt.fleet.usecases.inputs import FleetInputs
from commonwatt.fleet.usecases.policy_names import parse_policy_word
from commonwatt.fleet.usecases.simulate import FleetRun, run_fleet


def comparison(
    inputs: FleetInputs, words: Sequence[str], *, seed: int = 0, runtime: Runtime = "oracle"
) -> pl.DataFrame:
    """Return the figures of each policy, in the order given."""
    policies = [parse_policy_word(word) for word in words]
    return comparison_rows(
        [run_fleet(inputs, policy, seed=seed, runtime=runtime) for policy in policies]
    )


def comparison_rows(runs: Sequence[FleetRun]) -> pl.DataFrame:
    """Return one row for each run."""
    figures = [run.figures() for run in runs]
    names = [column.name for column in POLICIES.columns]
    return POLICIES.frame(**{name: [row[name] for row in figures] for name in names})


def comparison_chart(rows: pl.DataFrame, *, language: str) -> str:
    """Return the plot of a comparison as SVG."""
    return policies_compared(rows, language=language)
