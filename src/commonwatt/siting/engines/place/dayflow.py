"""One day at given sizes: a flow of least cost, by successive shortest paths.

Nodes are (class, hour) and (pool, hour). Load flows from a class to an allowed
pool of the same hour, or waits one hour; a pool takes at most its size; load that
finds no place is unserved at a high penalty, so that every size has an answer.
Prices (`mu` of a pool, `lam` of a class) stay such that no path has a negative
reduced cost (Ahuja, Magnanti, Orlin 1993, Network Flows, 9.7), and at the end `mu`
is the shadow price of capacity.

Any `mu >= 0` proves a lower bound, in closed form over the pools::

    sum over arrivals d * min over hours and pools within reach (cost + mu)
        - sum over pools and hours mu * size
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from commonwatt.core.jit import njit

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EPS = 1e-9  # flow below it is rounding: an arc with less left is full


@njit()
def _heap_size_after_pushing_placement_node(
    heap: F64, node: I64, size: int, key: float, what: int
) -> int:
    i = size
    while i > 0:
        up = (i - 1) >> 1
        if heap[up] <= key:
            break
        heap[i], node[i] = heap[up], node[up]
        i = up
    heap[i], node[i] = key, what
    return size + 1


@njit()
def _heap_size_after_popping_placement_node(heap: F64, node: I64, size: int) -> int:
    """Move the last entry to the top and let it sink; the caller has read the top."""
    size -= 1
    key, what = heap[size], node[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[i], node[i] = heap[child], node[child]
        i = child
    heap[i], node[i] = key, what
    return size


@njit()
def _set_placement_class_hour_prices(
    cost: F64, reach: I64, counts: I64, room: F64, penalty: float, lam: F64
) -> None:
    """Set the price of each class and hour to its cheapest way out at empty pools."""
    hours, classes = lam.shape
    for k in range(classes):
        for back in range(hours):
            h = hours - 1 - back
            best = penalty
            for i in range(counts[k]):
                best = min(best, cost[h, k, reach[k, i]])
            if h + 1 < hours and room[h, k] > EPS:
                best = min(best, lam[h + 1, k])
            lam[h, k] = best


@njit()
def _select_reachable_pools_with_size(
    reach: I64, counts: I64, size: F64, near: I64, number: I64
) -> None:
    """Keep of the pools within reach those that hold anything; the rest lead nowhere."""
    for k in range(len(counts)):
        number[k] = 0
        for i in range(counts[k]):
            if size[reach[k, i]] > EPS:
                near[k, number[k]] = reach[k, i]
                number[k] += 1


@njit()
def _price_empty_placement_pools(
    cost: F64, reach: I64, counts: I64, size: F64, lam: F64, mu: F64
) -> None:
    """Price pools without size just so that no class would gain from them."""
    hours, classes = lam.shape
    for k in range(classes):
        for i in range(counts[k]):
            j = reach[k, i]
            if size[j] <= EPS:
                for h in range(hours):
                    mu[h, j] = max(mu[h, j], lam[h, k] - cost[h, k, j])


@njit()
def _placement_path_distance_end_unserved_and_count(  # noqa: C901, PLR0912, PLR0915  one search, whole for the compiler's sake
    source: int,
    cost: F64,
    reach: I64,
    counts: I64,
    room: F64,
    size: F64,
    penalty: float,
    load: F64,
    waits: F64,
    used: F64,
    hour: I64,
    item: I64,
    lam: F64,
    mu: F64,
    dist: F64,
    parent: I64,
    stamp: I64,
    mark: int,
    heap: F64,
    queue: I64,
    settled: I64,
) -> tuple[float, int, bool, int]:
    """Return distance, last node, whether it is unserved there, and nodes made permanent."""
    hours, classes = lam.shape
    pools = mu.shape[1]
    first_pool = hours * classes
    filled = _heap_size_after_pushing_placement_node(heap, queue, 0, 0.0, source)
    dist[source], parent[source], stamp[source] = 0.0, -1, mark
    shortest, last, unserved, count = np.inf, -1, False, 0
    while filled > 0:
        d, u = heap[0], queue[0]
        filled = _heap_size_after_popping_placement_node(heap, queue, filled)
        # No node beyond the shortest way out can better it: Dijkstra ends at the sink, not at the
        # last node.
        if d >= shortest:
            break
        # The heap keeps outdated entries, as pushing anew is cheaper than finding the old one.
        if d > dist[u] or stamp[u] == -mark:
            continue
        # The mark of the search, negative once settled: no array is cleared between searches.
        stamp[u] = -mark
        settled[count] = u
        count += 1
        if u < first_pool:
            h, k = hour[u], item[u]
            price = lam[h, k]
            # Reduced costs are never negative but for rounding, which would let a cycle gain.
            out = d + max(penalty - price, 0.0)
            if out < shortest:
                shortest, last, unserved = out, u, True
            for i in range(counts[k]):
                j = reach[k, i]
                v = first_pool + h * pools + j
                if stamp[v] == -mark:
                    continue
                new = d + max(cost[h, k, j] + mu[h, j] - price, 0.0)
                if new < shortest and (stamp[v] != mark or new < dist[v]):
                    dist[v], parent[v], stamp[v] = new, u, mark
                    if size[j] - used[h, j] > EPS:
                        shortest, last, unserved = new, v, False
                    else:
                        filled = _heap_size_after_pushing_placement_node(
                            heap, queue, filled, new, v
                        )
            for step in (-1, 1):
                next_hour = h + step
                if next_hour < 0 or next_hour >= hours:
                    continue
                free = room[h, k] - waits[h, k] if step == 1 else waits[next_hour, k]
                v = next_hour * classes + k
                if free > EPS and stamp[v] != -mark:
                    new = d + max(lam[next_hour, k] - price, 0.0)
                    if new < shortest and (stamp[v] != mark or new < dist[v]):
                        dist[v], parent[v], stamp[v] = new, u, mark
                        filled = _heap_size_after_pushing_placement_node(
                            heap, queue, filled, new, v
                        )
        else:
            h, j = hour[u], item[u]
            for k in range(classes):
                v = h * classes + k
                if load[h, j, k] > EPS and stamp[v] != -mark:
                    new = d + max(lam[h, k] - cost[h, k, j] - mu[h, j], 0.0)
                    if new < shortest and (stamp[v] != mark or new < dist[v]):
                        dist[v], parent[v], stamp[v] = new, u, mark
                        filled = _heap_size_after_pushing_placement_node(
                            heap, queue, filled, new, v
                        )
    return shortest, last, unserved, count


@njit()
def _residual_placement_capacity(
    u: int, v: int, first_pool: int, hour: I64, item: I64, room: F64, load: F64, waits: F64
) -> float:
    """Return how much more can go from node `u` to node `v`."""
    if u < first_pool and v >= first_pool:
        return np.inf
    if u >= first_pool:
        return float(load[hour[u], item[u], item[v]])
    if v > u:
        return float(room[hour[u], item[u]] - waits[hour[u], item[u]])
    return float(waits[hour[v], item[v]])


@njit()
def _augment_placement_flow(
    u: int, v: int, amount: float, first_pool: int, hour: I64, item: I64, load: F64, waits: F64
) -> None:
    if u < first_pool and v >= first_pool:
        load[hour[v], item[v], item[u]] += amount
    elif u >= first_pool:
        h, j, k = hour[u], item[u], item[v]
        load[h, j, k] = max(load[h, j, k] - amount, 0.0)  # below zero by rounding alone
    elif v > u:
        waits[hour[u], item[u]] += amount
    else:
        waits[hour[v], item[v]] -= amount


@njit()
def _increase_placement_shadow_prices(
    settled: I64,
    count: int,
    far: float,
    dist: F64,
    first_pool: int,
    hour: I64,
    item: I64,
    lam: F64,
    mu: F64,
) -> None:
    for i in range(count):
        u = settled[i]
        if u < first_pool:
            lam[hour[u], item[u]] += far - dist[u]
        else:
            mu[hour[u], item[u]] += far - dist[u]


@njit()
def _fill_placement_node_hour_and_item(
    start: int, end: int, each: int, hour: I64, item: I64
) -> None:
    for u in range(start, end):
        hour[u], item[u] = (u - start) // each, (u - start) % each


@njit()
def _copy_placement_load_to_flow(load: F64, flow: F64) -> None:
    """Copy `load`, by hour, pool and class, into `flow`, by hour, class and pool."""
    hours, pools, classes = load.shape
    for h in range(hours):
        for j in range(pools):
            for k in range(classes):
                flow[h, k, j] = load[h, j, k]


@njit()
def solve_placement_day_unserved_gpu_hours(
    cost: F64,
    demand: F64,
    reach: I64,
    counts: I64,
    room: F64,
    size: F64,
    penalty: float,
    flow: F64,
    mu: F64,
) -> float:
    """Fill `flow` and `mu` for one day; return the load left unserved [GPU-hours].

    Args:
        cost: Cost of load [USD/GPU-hour], shape (H, K, J).
        demand: Arrivals [GPU], shape (H, K).
        reach: Pools that a class may use, the first `counts` of each row, shape (K, J).
        counts: How many, shape (K,).
        room: How much may wait at the end of each hour, shape (H, K).
        size: Sizes of the pools, shape (J,).
        penalty: Cost of unserved load [USD/GPU-hour].
        flow: Load to be filled, shape (H, K, J).
        mu: Shadow price of capacity to be filled, shape (H, J).
    """
    hours, classes = demand.shape
    pools = size.shape[0]
    first_pool, nodes = hours * classes, hours * (classes + pools)
    lam, waits = np.zeros((hours, classes)), np.zeros((hours, classes))
    used, unserved_total = np.zeros((hours, pools)), 0.0
    dist, parent = np.empty(nodes), np.empty(nodes, np.int64)
    stamp, settled = np.zeros(nodes, np.int64), np.empty(nodes, np.int64)
    # Outdated entries stay in the heap, so it holds more than the nodes.
    heap, queue = np.empty(64 * nodes), np.empty(64 * nodes, np.int64)
    hour, item = np.empty(nodes, np.int64), np.empty(nodes, np.int64)
    _fill_placement_node_hour_and_item(0, first_pool, classes, hour, item)
    _fill_placement_node_hour_and_item(first_pool, nodes, pools, hour, item)
    # Why: the searches walk over the classes of a pool, so they stand side by side.
    load = np.zeros((hours, pools, classes))
    mu[:] = 0.0
    near, number = np.empty(reach.shape, np.int64), np.empty(classes, np.int64)
    _select_reachable_pools_with_size(reach, counts, size, near, number)
    _set_placement_class_hour_prices(cost, near, number, room, penalty, lam)
    mark = 0
    for k in range(classes):
        # Why: late hours first, so that waiting load meets few full pools on its way.
        for back in range(hours):
            h = hours - 1 - back
            left = demand[h, k]
            while left > EPS:
                mark += 1
                far, last, unserved, count = _placement_path_distance_end_unserved_and_count(
                    h * classes + k, cost, near, number, room, size, penalty, load, waits,
                    used, hour, item, lam, mu, dist, parent, stamp, mark, heap, queue, settled,
                )  # fmt: skip
                _increase_placement_shadow_prices(
                    settled, count, far, dist, first_pool, hour, item, lam, mu
                )
                amount, v = left, last
                hh, j = 0, 0
                if not unserved:
                    hh, j = hour[last], item[last]
                    amount = min(amount, size[j] - used[hh, j])
                # Along the path twice: what it can take, then the taking.
                while parent[v] >= 0:
                    free = _residual_placement_capacity(
                        parent[v], v, first_pool, hour, item, room, load, waits
                    )
                    amount = min(amount, free)
                    v = parent[v]
                v = last
                while parent[v] >= 0:
                    _augment_placement_flow(
                        parent[v], v, amount, first_pool, hour, item, load, waits
                    )
                    v = parent[v]
                if unserved:
                    unserved_total += amount
                else:
                    used[hh, j] += amount
                left -= amount
    # Pools without size took no part in the search, yet the bound must hold for sizes above 0.
    _price_empty_placement_pools(cost, reach, counts, size, lam, mu)
    _copy_placement_load_to_flow(load, flow)
    return unserved_total


@njit()
def placement_day_cost_bound_adding_slope(
    cost: F64,
    demand: F64,
    reach: I64,
    counts: I64,
    defer: I64,
    penalty: float,
    mu: F64,
    slope: F64,
) -> float:
    """Return what `mu` proves of a day at no size; add its slope in the sizes to `slope`.

    The cost of the day at sizes `n` is at least the returned value plus `slope @ n`.
    """
    hours, classes = demand.shape
    total = 0.0
    best = np.empty(hours)
    for k in range(classes):
        for h in range(hours):
            low = penalty
            for i in range(counts[k]):
                j = reach[k, i]
                low = min(low, cost[h, k, j] + mu[h, j])
            best[h] = low
        for h in range(hours):
            low = best[h]
            # Load that may wait runs at the cheapest hour within reach, inside its day.
            for later in range(h + 1, min(h + defer[k], hours - 1) + 1):
                low = min(low, best[later])
            total += demand[h, k] * low
    for h in range(hours):
        for j in range(mu.shape[1]):
            slope[j] -= mu[h, j]
    return total
