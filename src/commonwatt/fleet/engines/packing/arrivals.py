"""Who arrives, in what order, and which of equally good nodes comes first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.workload import I64, Workload
from commonwatt.fleet.engines.packing.chance import PublishedChance

# Between arrivals and nodes the published runs draw ten numbers more, probably one for
# each watch that their scheduler opens; found by comparing with the published curves.
_WATCHES = 10
HORIZON = 1.3  # arrived load of the published runs


class ArrivalDraw(NamedTuple):
    """What chance decides before a run.

    Args:
        order: Rows of the workload in order of arrival, shape (arrivals,).
        node_order: Nodes of the fleet, the first of equals first, shape (nodes,).
    """

    order: I64
    node_order: I64


def draw_job_and_node_order_to_load(
    fleet: Fleet, workload: Workload, *, load: float, seed: int
) -> ArrivalDraw:
    """Return the arrivals up to `load` × GPU capacity, and the order of the nodes.

    The jobs, sorted by name, are shuffled. While they request more than the horizon,
    one of them goes, each as likely. While they request less, one is drawn again, each
    as likely, until one more GPU share of the drawn job would pass it. The horizon is
    that of the published runs, or the load where this is larger; a smaller load is an
    earlier moment of the same run. Then the nodes, sorted by name, get places in
    chance order.

    Args:
        fleet: The nodes.
        workload: The jobs.
        load: GPU demand to reach, over the capacity [share].
        seed: Seed of all of it.

    Source: Weng et al. (2023), artifact: shuffle, tune to 1.3 × capacity, rename nodes.

    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> from commonwatt.fleet.domain.workload import workload_from_columns
    >>> jobs = workload_from_columns([0, 0, 0], [1, 1, 1], [1, 1, 1])
    >>> draw_job_and_node_order_to_load(uniform_fleet(2, 1), jobs, load=1.0, seed=1)
    ArrivalDraw(order=array([0, 1]), node_order=array([1, 0]))
    """
    _check_arrived_load_option(workload, load)
    chance = PublishedChance(seed)
    chance.skip_packing_draws(1)
    # The artifact shuffles what it has sorted by name; another order under the same seed is another
    # run.
    by_name = np.argsort(workload.job_id.to_numpy(), kind="stable")
    order = list(range(len(workload)))
    chance.shuffle_jobs_in_place(order)
    horizon = max(load, HORIZON) * fleet.gpu_capacity_milli
    order = _arrival_order_at_target_load(order, by_name, workload, horizon, chance)
    chance.skip_packing_draws(_WATCHES)
    nodes_by_name = np.argsort(np.array(fleet.node_id), kind="stable")
    places = np.array(chance.draw_node_permutation(len(fleet)), np.int64)
    rows = by_name[np.array(order, np.int64)].astype(np.int64)
    if load < HORIZON:
        rows = rows[
            workload.gpu_demand_milli_by_job()[rows].cumsum() <= load * fleet.gpu_capacity_milli
        ]
    return ArrivalDraw(rows, nodes_by_name[np.argsort(places)].astype(np.int64))


def _arrival_order_at_target_load(
    order: list[int], by_name: I64, workload: Workload, target: float, chance: PublishedChance
) -> list[int]:
    """Return `order` with jobs dropped, or drawn again at its end, to reach the target."""
    demand = workload.gpu_demand_milli_by_job()[by_name].tolist()
    reached = sum(demand)
    if reached > target:
        return _arrival_order_without_excess(order, demand, reached - target, chance)
    if reached == target:
        return order
    share = np.where(workload.gpus > 0, workload.gpu_milli, 0)[by_name].tolist()
    repeats: list[int] = []
    while True:
        again = chance.draw_packing_number_below(len(demand))
        # Held against the share of one GPU and not of the gang, as the artifact does, so that the
        # last job may pass the target by a few GPUs.
        if reached + share[again] > target:
            return order + repeats
        reached += demand[again]
        repeats.append(again)


def _arrival_order_without_excess(
    order: list[int], demand: list[int], excess: float, chance: PublishedChance
) -> list[int]:
    """Return `order` without as many jobs, drawn one by one, as make up the excess."""
    left = RemainingPlaces(len(order))
    dropped: set[int] = set()
    while excess > 0:
        place = left.pop_nth_arrival_place(
            chance.draw_packing_number_below(len(order) - len(dropped))
        )
        dropped.add(place)
        excess -= demand[order[place]]
    return [job for place, job in enumerate(order) if place not in dropped]


class RemainingPlaces:
    """Places 0 … `count` - 1, of which the k-th left is taken in logarithmic time.

    Source: Fenwick (1994), "A New Data Structure for Cumulative Frequency Tables".

    >>> left = RemainingPlaces(5)
    >>> [left.pop_nth_arrival_place(k) for k in (1, 1, 2, 0, 0)]
    [1, 2, 4, 0, 3]
    """

    def __init__(self, count: int) -> None:
        self._half = 1 << max(count - 1, 0).bit_length()
        self._left = [min(i, count) - min(i & (i - 1), count) for i in range(self._half + 1)]

    def pop_nth_arrival_place(self, nth: int) -> int:
        """Return the place that is `nth` of those left, counted from 0, and take it away."""
        place, step = 0, self._half
        while step:
            if self._left[place + step] <= nth:
                place += step
                nth -= self._left[place]
            else:
                self._left[place + step] -= 1
            step >>= 1
        return place


def _check_arrived_load_option(workload: Workload, load: float) -> None:
    if not 0 < load <= 1000:
        raise UsageError(
            "--arrived-load",
            found=f"{load:g}",
            wanted=Message("a share of the GPU capacity above 0, such as 1.3"),
        )
    # CPU jobs bring a load no nearer, and more would be drawn for ever.
    if not workload.gpus.any():
        raise UsageError(
            "--arrived-load",
            found=Message("a workload without any GPU job"),
            wanted=Message("GPU demand that can reach a load"),
        )
