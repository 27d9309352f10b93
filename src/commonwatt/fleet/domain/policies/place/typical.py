"""Typical demand, and how much idle GPU it cannot use: fragmentation.

A free GPU share is worth what the usual jobs can do with it. For one typical job,
the idle share of a node is fragmented wholly where the job does not fit, and
otherwise as far as it lies on GPUs with less free than the job requests of one GPU.
The fragmentation of a node is the mean over the typical jobs, weighted by how
often they come; for a job without GPUs every idle share counts as fragmented.

Source: Weng et al. (2023), "Beware of Fragmentation: Scheduling GPU-Sharing
    Workloads with Fragmentation Gradient Descent", USENIX ATC, section 3.

Kept in whole numbers: shares times counts of jobs, so that sums have no order.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.policies.place.state import I64, Workload

POPULARITY = 0.95  # the published runs take the most popular requests up to this share of jobs


class TypicalDemand(NamedTuple):
    """What a policy may know beyond the nodes' state: scale, and the usual demand.

    GPU jobs with the same number of GPUs and share of each form a group; groups
    stand in order of share.

    Args:
        largest_cpu_milli: CPU of the fleet's largest node, the unit of CPU shares.
        largest_gpu_milli: GPUs of the node with most of them, the unit of GPU shares.
        weight: Jobs that count as typical, CPU jobs among them.
        cpu_steps: CPU requests of typical GPU jobs, rising, shape (steps,).
        group_gpus: GPUs of each group, shape (groups,).
        group_milli: Share of each of these GPUs [1/1000 GPU], shape (groups,).
        weights: Jobs of a group that a node of this type with the CPU for the first
            k steps can serve, shape (types, steps + 1, groups).
        levels: Least fall of fragmentation, in units of weight x milli-GPU, for a
            score of 1, 2 … 99, shape (99,).
    """

    largest_cpu_milli: int
    largest_gpu_milli: int
    weight: int
    cpu_steps: I64
    group_gpus: I64
    group_milli: I64
    weights: I64
    levels: I64


def typical_gpu_demand(
    workload: Workload, fleet: Fleet, popularity: float = POPULARITY
) -> TypicalDemand:
    """Return the most popular requests of `workload` that make up `popularity` of its jobs.

    Requests are told apart by CPU, GPUs, share and GPU types, not by memory, as the
    published runs do; equally popular ones go by size, the larger first.
    """
    popular = _popular_gpu_requests(workload, popularity)
    gpu_jobs = popular.filter(pl.col("gpus") > 0)
    steps = np.unique(gpu_jobs["cpu_milli"].to_numpy()).astype(np.int64)
    groups = gpu_jobs.select("gpu_milli", "gpus").unique().sort("gpu_milli", "gpus")
    weight = int(popular["count"].sum())
    return TypicalDemand(
        largest_cpu_milli=max(int(fleet.cpu_milli.max(initial=0)), 1),
        largest_gpu_milli=max(int(fleet.gpus.max(initial=0)), 1) * 1000,
        weight=weight,
        cpu_steps=steps,
        group_gpus=groups["gpus"].to_numpy().astype(np.int64),
        group_milli=groups["gpu_milli"].to_numpy().astype(np.int64),
        weights=_cumulated_typical_job_counts_by_gpu_type_and_request(
            gpu_jobs, groups, steps, workload, fleet
        ),
        levels=least_fragmentation_drop_by_fgd_score(max(weight, 1)),
    )


def _popular_gpu_requests(workload: Workload, popularity: float) -> pl.DataFrame:
    columns = ("cpu_milli", "gpu_milli", "gpus", "gpu_types")
    # A CPU job's share and types bind nothing, so they must not part equal requests.
    requests = pl.DataFrame({name: getattr(workload, name) for name in columns}).with_columns(
        gpu_milli=pl.when(pl.col("gpus") > 0).then("gpu_milli").otherwise(0),
        gpu_types=pl.when(pl.col("gpus") > 0).then("gpu_types").otherwise(0),
    )
    counted = requests.group_by(columns).agg(count=pl.len().cast(pl.Int64))
    spelled = [
        _gpu_type_list_of_mask(mask, workload.gpu_type_names)
        for mask in counted["gpu_types"].to_list()
    ]
    ranked = counted.with_columns(spelled=pl.Series(spelled, dtype=pl.String)).sort(
        "count", "cpu_milli", "gpu_milli", "gpus", "spelled", descending=True
    )
    before = ranked["count"].cum_sum() - ranked["count"]
    # The request that crosses the line still counts.
    return ranked.filter(before < popularity * len(workload))


def _gpu_type_list_of_mask(gpu_type_mask: int, gpu_type_names: tuple[str, ...]) -> str:
    """Return the types of `gpu_type_mask` as the published lists spell them, which breaks ties."""
    return "|".join(sorted(name for i, name in enumerate(gpu_type_names) if gpu_type_mask >> i & 1))


def _cumulated_typical_job_counts_by_gpu_type_and_request(
    jobs: pl.DataFrame, groups: pl.DataFrame, steps: I64, workload: Workload, fleet: Fleet
) -> I64:
    table = np.zeros((len(fleet.gpu_types), len(steps) + 1, max(groups.height, 1)), np.int64)
    index = {pair: i for i, pair in enumerate(groups.rows())}
    for row in jobs.iter_rows(named=True):
        # Index 0 is a node with less CPU than any typical GPU job requests.
        step = steps.tolist().index(row["cpu_milli"]) + 1
        group = index[(row["gpu_milli"], row["gpus"])]
        for kind, gpu_type in enumerate(fleet.gpu_types):
            if _mask_accepts_gpu_type(row["gpu_types"], gpu_type.name, workload.gpu_type_names):
                table[kind, step:, group] += row["count"]
    return table


def _mask_accepts_gpu_type(
    gpu_type_mask: int, gpu_type: str, gpu_type_names: tuple[str, ...]
) -> bool:
    return gpu_type_mask == 0 or any(
        gpu_type_mask >> i & 1 and requested == gpu_type
        for i, requested in enumerate(gpu_type_names)
    )


def least_fragmentation_drop_by_fgd_score(weight: int) -> I64:
    """Return the least fall of fragmentation for each score from 1 to 99.

        score = floor(100 / (1 + exp(-fall))), fall in whole GPUs

    Source: the artifact of the FGD paper scores a node by the sigmoid of the fall,
        cut to a whole number from 0 to 100. Nothing lost and nothing gained is 50.

    >>> least_fragmentation_drop_by_fgd_score(1)[[0, 48, 49, 50, 98]].tolist()
    [-4595, -40, 0, 41, 4596]
    """
    falls = [1000 * weight * math.log(score / (100 - score)) for score in range(1, 100)]
    # Falls are whole numbers, so the least whole one that reaches a score stands for the sigmoid.
    return np.array([math.ceil(fall) for fall in falls], np.int64)


@njit(inner=True)
def count_gpu_score_levels_up_to(rising_levels: I64, limit: int) -> int:
    """Return how many of the `rising_levels` numbers are at most `limit`."""
    low, high = 0, len(rising_levels)
    while low < high:
        middle = (low + high) // 2
        if rising_levels[middle] <= limit:
            low = middle + 1
        else:
            high = middle
    return low


@njit()
def fragmented_weight_milli_gpu_of_node(
    cpu_milli: int, free: I64, gpu_type: int, typical: TypicalDemand
) -> int:
    """Return the fragmented share of one node, in units of weight x milli-GPU.

    Args:
        cpu_milli: Free CPU of the node.
        free: Free share of each of its GPUs [1/1000 GPU].
        gpu_type: Index of its GPU type.
        typical: The typical demand.
    """
    idle = 0
    for gpu in range(len(free)):
        idle += free[gpu]
    if idle == 0:
        return 0
    step = count_gpu_score_levels_up_to(typical.cpu_steps, cpu_milli)
    # CPU jobs are part of the weight and of no group: to them all idle GPU stays lost.
    lost = idle * typical.weight
    share, usable, count = -1, 0, 0
    for group in range(len(typical.group_milli)):
        # Groups stand in order of share, so that GPUs are counted once a share and not once a
        # group.
        if typical.group_milli[group] != share:
            share, usable, count = typical.group_milli[group], 0, 0
            for gpu in range(len(free)):
                if free[gpu] >= share:
                    usable += free[gpu]
                    count += 1
        if count >= typical.group_gpus[group]:
            lost -= usable * typical.weights[gpu_type, step, group]
    return lost
