"""Many simulations: the product of axes, on a pool of processes or on Ray."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

import polars as pl

from commonwatt.core.errors import UsageError
from commonwatt.core.extras import import_optional_module
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.tables import SWEEP_AXES, SWEEP_FIGURES, fleet_sweep_schema
from commonwatt.fleet.usecases.inputs import FleetInputs, FleetSimulationOptions, load_fleet_inputs
from commonwatt.fleet.usecases.policy_names import parse_scheduling_policy_word
from commonwatt.fleet.usecases.simulate import run_arrived_load_packing, run_fleet_simulation

Point = dict[str, str]


def parse_fleet_sweep_axes(axis_words: Sequence[str]) -> dict[str, list[str]]:
    """Return axes from words such as `nodes=60,62`; a range of seeds is `seed=1-10`.

    >>> parse_fleet_sweep_axes(["nodes=60,62", "seed=1-3"])
    {'nodes': ['60', '62'], 'seed': ['1', '2', '3']}
    """
    axes: dict[str, list[str]] = {}
    for word in axis_words:
        name, _, values = word.partition("=")
        if name not in SWEEP_AXES or not values or name in axes:
            raise UsageError(
                "--axis",
                found=word,
                wanted=Message(
                    "NAME=A,B,… once for each of {names}", {"names": ", ".join(SWEEP_AXES)}
                ),
            )
        axes[name] = [
            text for value in values.split(",") for text in _fleet_sweep_axis_values(name, value)
        ]
    return axes


def sweep_fleet_options(
    options: FleetSimulationOptions,
    axes: Mapping[str, Sequence[str]],
    *,
    workers: int,
    on: str = "pool",
    done: Callable[[int], None] = lambda _: None,
) -> pl.DataFrame:
    """Return one row for each point of the product of `axes`, in its order.

    The rows do not depend on the number of workers.

    Args:
        options: What every point shares.
        axes: Values by axis, as text.
        workers: Processes; 1 runs in this one.
        on: "pool" or "ray".
        done: Called with 1 after each point.
    """
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    rows: list[dict[str, Any]] = []
    for row in _sweep_rows_of_points(options, points, workers, on):
        rows.append(row)
        done(1)
    # All rows: a figure that the first hundred points lack would be given the type of nothing.
    return fleet_sweep_schema(axes).frame_checked_against_schema(
        pl.DataFrame(rows, infer_schema_length=None)
    )


def fleet_sweep_point_figures(
    options: FleetSimulationOptions, point: Mapping[str, str]
) -> dict[str, Any]:
    """Return the figures of one point."""
    policy = parse_scheduling_policy_word(point.get("policy", "fifo"))
    seed = _fleet_sweep_axis_whole_number("seed", point.get("seed", "0"))
    inputs = _fleet_sweep_inputs_read_once(_simulation_options_of_sweep_point(options, point))
    if "load" in point:
        figures = run_arrived_load_packing(
            inputs, policy, load=_fleet_sweep_axis_positive_number("load", point["load"]), seed=seed
        )
    else:
        runtime = point.get("runtime", "oracle")
        if runtime not in ("oracle", "none"):
            raise UsageError("--axis runtime", found=runtime, wanted=Message("oracle or none"))
        figures = run_fleet_simulation(inputs, policy, seed=seed, runtime=runtime).figures()
    return dict(point) | {name: figures.get(name) for name in SWEEP_FIGURES}


# Neighbouring points mostly share their inputs; more than two would hold whole traces in memory.
@lru_cache(maxsize=2)
def _fleet_sweep_inputs_read_once(options: FleetSimulationOptions) -> FleetInputs:
    return load_fleet_inputs(options)


def _simulation_options_of_sweep_point(
    options: FleetSimulationOptions, point: Mapping[str, str]
) -> FleetSimulationOptions:
    per_node = point.get("gpus-per-node")
    pool = point.get("pool", options.pool)
    if pool not in ("all", "tenant"):
        raise UsageError("--axis pool", found=pool, wanted=Message("all or tenant"))
    return replace(
        options,
        nodes=point.get("nodes", options.nodes),
        gpus_per_node=_fleet_sweep_axis_whole_number("gpus-per-node", per_node)
        if per_node
        else options.gpus_per_node,
        pool=pool,
        # The arrived-load protocol counts a job that can never be placed; it does not refuse the
        # trace.
        check_fits="load" not in point,
    )


def _sweep_rows_of_points(
    options: FleetSimulationOptions, points: Sequence[Point], workers: int, on: str
) -> Iterator[dict[str, Any]]:
    if on == "ray":
        yield from _sweep_rows_on_ray(options, points, workers)
    elif workers == 1:
        yield from (fleet_sweep_point_figures(options, point) for point in points)
    else:
        # Spawned: a fork copies the locks of the libraries' threads in whatever state they are.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(fleet_sweep_point_figures, itertools.repeat(options), points)


def _sweep_rows_on_ray(
    options: FleetSimulationOptions, points: Sequence[Point], workers: int
) -> Iterator[dict[str, Any]]:
    ray, pools = _import_ray_for_sweep()
    # Whoever has joined a cluster already keeps it; only otherwise one starts on this machine.
    if not ray.is_initialized():
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    with pools.Pool(workers) as pool:
        yield from pool.starmap(fleet_sweep_point_figures, [(options, point) for point in points])


def _import_ray_for_sweep() -> tuple[Any, Any]:
    """Return Ray and its process pool, which ship no usable type information."""
    return import_optional_module("ray"), import_optional_module("ray.util.multiprocessing")


def _fleet_sweep_axis_values(axis_name: str, axis_text: str) -> list[str]:
    low, dash, high = axis_text.partition("-")
    if axis_name == "seed" and dash and low.isdigit() and high.isdigit() and int(low) <= int(high):
        return [str(seed) for seed in range(int(low), int(high) + 1)]
    return [axis_text]


def _fleet_sweep_axis_whole_number(axis_name: str, axis_text: str) -> int:
    if not axis_text.isdigit():
        raise UsageError(f"--axis {axis_name}", found=axis_text, wanted=Message("a whole number"))
    return int(axis_text)


def _fleet_sweep_axis_positive_number(axis_name: str, axis_text: str) -> float:
    try:
        value = float(axis_text)
    except ValueError:
        value = -1.0
    if not 0 < value < 100:
        raise UsageError(f"--axis {axis_name}", found=axis_text, wanted=Message("a number above 0"))
    return value
