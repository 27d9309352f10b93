"""Several policies on the same demand: one table and one plot."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from commonwatt.fleet.domain.tables import POLICIES
from commonwatt.fleet.engines.simulator import Runtime
from commonwatt.fleet.usecases.inputs import FleetInputs
from commonwatt.fleet.usecases.policy_names import parse_scheduling_policy_word
from commonwatt.fleet.usecases.simulate import FleetRun, run_fleet_simulation


def scheduling_comparison_table(
    inputs: FleetInputs, policy_words: Sequence[str], *, seed: int = 0, runtime: Runtime = "oracle"
) -> pl.DataFrame:
    """Return the figures of each policy, in the order given."""
    policies = [parse_scheduling_policy_word(word) for word in policy_words]
    return fleet_run_comparison_table(
        [run_fleet_simulation(inputs, policy, seed=seed, runtime=runtime) for policy in policies]
    )


def fleet_run_comparison_table(fleet_runs: Sequence[FleetRun]) -> pl.DataFrame:
    """Return one row for each run."""
    figures = [run.figures() for run in fleet_runs]
    names = [column.name for column in POLICIES.columns]
    return POLICIES.build_frame(**{name: [row[name] for row in figures] for name in names})
