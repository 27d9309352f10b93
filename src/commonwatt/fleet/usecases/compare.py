"""Several policies on the same demand: one table and one plot."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from commonwatt.catalogue.tables import TableColumn, TableSchema
from commonwatt.fleet.engines.simulator import Runtime
from commonwatt.fleet.usecases.charts import policies_compared
from commonwatt.fleet.usecases.inputs import FleetInputs
from commonwatt.fleet.usecases.policy_names import parse_policy_word
from commonwatt.fleet.usecases.simulate import FleetRun, run_fleet

COMPARISON = TableSchema(
    "comparison",
    "Policies on the same trace and machines.",
    (
        TableColumn("policy", "text", "", "order + place + backfill + preemption"),
        TableColumn("jobs_finished", "count", "", "jobs that finished"),
        TableColumn(
            "utilisation_share", "number", "1", "GPU time held over available, in the window"
        ),
        TableColumn("makespan_utilisation_share", "number", "1", "the same over the makespan"),
        TableColumn("mean_queue_delay_s", "number", "s", "mean of first start minus submission"),
        TableColumn("p95_queue_delay_s", "number", "s", "95th percentile of the same"),
        TableColumn("mean_jct_s", "number", "s", "mean of end minus submission"),
        TableColumn("fragmented_gpu_share", "number", "1", "GPU time idle while some job waited"),
        TableColumn("energy_kwh", "number", "kWh", "energy drawn, overhead included"),
        TableColumn("preemptions", "count", "", "times that jobs were preempted"),
        TableColumn("result_sha256", "text", "", "digest of the schedule"),
    ),
)


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
    names = [column.name for column in COMPARISON.columns]
    return COMPARISON.frame(**{name: [row[name] for row in figures] for name in names})


def comparison_chart(rows: pl.DataFrame, *, language: str) -> str:
    """Return the plot of a comparison as SVG."""
    return policies_compared(rows, language=language)
