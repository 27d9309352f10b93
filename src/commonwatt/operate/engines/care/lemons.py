"""Lemons: nodes that fail again and again, found from the history of faults alone.

Each node's faults are taken as Poisson with a rate of its own; the fleet's rates are a
gamma distribution fitted to its counts by moments. A node is a lemon where, by that
posterior, its rate is above a multiple of the fleet's mean with high probability, so
that one unlucky week does not make a lemon.

Source: Kokolis et al. (2024), "Revisiting Reliability in Large-Scale Machine Learning
    Research Clusters", section 4, on lemon nodes and what taking them out saved; the
    test is ours, in place of their hand-set thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats  # type: ignore[import-untyped]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LemonRule:
    """When a node is a lemon.

    Args:
        times: How many times the fleet's mean rate its rate must exceed.
        sure: With what probability it must.
        least: Faults that it must have had.
    """

    times: float = 3.0
    sure: float = 0.9
    least: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lemon:
    """A node that fails too often.

    Args:
        node: Which node.
        faults: How many faults it had.
        probability: That its rate is above the limit.
    """

    node: str
    faults: int
    probability: float


def node_fault_gamma_prior_shape_and_rate(counts: Floats) -> tuple[float, float]:
    """Return shape and rate of the gamma distribution of nodes' expected counts.

    By moments: mean m and variance v of the counts give shape m² / (v - m) and rate
    shape / m; where v is not above m the nodes are alike, and the shape is large.

    >>> shape, rate = node_fault_gamma_prior_shape_and_rate(np.array([0.0, 0, 0, 4, 0, 0, 0, 4]))
    >>> round(shape / rate, 3), round(shape, 2)
    (1.0, 0.5)
    """
    mean, variance = float(counts.mean()), float(counts.var())
    if mean <= 0:
        return 1.0, 1.0
    # Capped, because alike nodes have a variance below their mean and the moments would give an
    # infinite shape; at 1e4 the prior already says that all nodes are the same.
    shape = min(mean * mean / max(variance - mean, 1e-9), 1e4)
    return shape, shape / mean


def lemon_nodes(
    faults_by_node: Mapping[str, int], nodes: int, rule: LemonRule | None = None
) -> list[Lemon]:
    """Return the lemons of a fleet, the surest first.

    Args:
        faults_by_node: Faults of each node that had any, over one window.
        nodes: Nodes of the fleet, those without faults included.
        rule: When a node is a lemon.

    >>> [lemon.node for lemon in lemon_nodes({"n1": 9, "n2": 1, "n3": 1}, nodes=100)]
    ['n1']
    """
    rule = rule or LemonRule()
    counts = np.zeros(nodes)
    # Nodes without faults count as zeros: a mean over failed nodes alone would make every lemon
    # look ordinary.
    counts[: len(faults_by_node)] = sorted(faults_by_node.values())
    shape, rate = node_fault_gamma_prior_shape_and_rate(counts)
    limit = rule.times * float(counts.mean())
    suspects = [
        Lemon(
            node=node,
            faults=count,
            probability=_probability_node_fault_rate_exceeds(limit, shape + count, rate + 1),
        )
        for node, count in faults_by_node.items()
        if count >= rule.least
    ]
    sure = [lemon for lemon in suspects if lemon.probability >= rule.sure]
    # Down to the name: the same history must give the same list on every machine.
    return sorted(sure, key=lambda lemon: (-lemon.probability, -lemon.faults, lemon.node))


def _probability_node_fault_rate_exceeds(limit: float, shape: float, rate: float) -> float:
    return float(stats.gamma.sf(limit, shape, scale=1 / rate))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
