"""A real Ray cluster of several raylets on the loopback address.

Made of Ray's own `Node` objects, each of which ends just the processes that it started;
`ray stop` would end every Ray process of the machine.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import Any

import pytest


def need_ray() -> None:
    """Skip the test where Ray is not installed, but never in CI."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray.cluster_utils  # noqa: F401
    except ModuleNotFoundError:
        if os.environ.get("CI") == "true":
            pytest.fail("ray missing in CI")
        pytest.skip("needs ray")


class RayCluster:
    """A running cluster; `address` is what a driver connects to."""

    def __init__(self, cluster: Any, nodes: dict[str, Any], gpus: int) -> None:
        self._cluster, self._nodes, self.gpus = cluster, nodes, gpus
        self.address: str = cluster.address

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self._nodes)

    def kill_node(self, name: str) -> None:
        """End a raylet and its workers at once."""
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def start_node(self, name: str) -> None:
        self._nodes[name] = _add(self._cluster, name, self.gpus)


def _add(cluster: Any, name: str, gpus: int) -> Any:
    return cluster.add_node(
        num_cpus=2, num_gpus=gpus, resources={f"node-{name}": 1.0},
        object_store_memory=80 << 20, include_dashboard=False,
        env_vars={"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(gpus)))},
    )  # fmt: skip


@contextlib.contextmanager
def ray_cluster(nodes: int = 4, gpus: int = 8) -> Iterator[RayCluster]:
    """Give a running cluster of `nodes` raylets, beside a head that runs nothing."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        try:
            cluster.add_node(
                num_cpus=0, num_gpus=0, object_store_memory=80 << 20, include_dashboard=False
            )
            names = [f"n{i:03d}" for i in range(nodes)]
            raylets = RayCluster(cluster, {name: _add(cluster, name, gpus) for name in names}, gpus)
            cluster.wait_for_nodes()
            yield raylets
        finally:
            cluster.shutdown()
