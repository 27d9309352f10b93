"""Figures for Prometheus, on the loopback address only."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import commonwatt.operate.domain.measures as measures
from commonwatt.catalogue.measures import Measure, measure_label_text
from commonwatt.core.extras import import_optional_module
from commonwatt.operate.domain.cluster import PHASES_ON_NODES, JobPhase, NodeState
from commonwatt.operate.engines.controller import TickResult


class MetricsEndpoint:
    """Serves the figures of a controller at `http://127.0.0.1:PORT/metrics`.

    Raises:
        MissingExtraError: The Prometheus client is not installed.

    Args:
        port: The port; 0 takes a free one, which `port` then names.
    """

    def __init__(self, port: int) -> None:
        client = import_optional_module("prometheus_client")
        # A registry of its own: the global one carries process metrics and refuses a second
        # endpoint in the same process, as in tests.
        self._registry = client.CollectorRegistry()
        self._gauges = {
            name: client.Gauge(
                f"commonwatt_{name}", measure_label_text(figure), labels, registry=self._registry
            )
            for name, (figure, labels) in GAUGES.items()
        }
        self._counters = {
            name: client.Counter(
                f"commonwatt_{name}", measure_label_text(figure), labels, registry=self._registry
            )
            for name, (figure, labels) in COUNTERS.items()
        }
        self._server, self._thread = client.start_http_server(
            # Loopback only. Names of tenants and the load of a cluster are not for the network;
            # whoever scrapes from afar puts a proxy before it.
            port,
            addr="127.0.0.1",
            registry=self._registry,
        )
        self.port: int = self._server.server_port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def publish_tick(self, tick: TickResult, tick_s: float) -> None:
        """Show what a tick found and did.

        Args:
            tick: The tick.
            tick_s: How long it took [s].
        """
        for name, values in controller_tick_metrics(tick).items():
            gauge = self._gauges[name]
            # Cleared each time: a tenant without jobs must disappear and not stay at its last
            # figure.
            gauge.clear()
            for labels, figure in values.items():
                (gauge.labels(*labels) if labels else gauge).set(figure)
        self._gauges["tick_seconds"].set(tick_s)
        for intent in tick.performed:
            self._counters["acts"].labels(intent.action.value).inc()
        for intent, _ in tick.refused:
            self._counters["refused_acts"].labels(intent.action.value).inc()
        self._counters["overcommitted_nodes"].inc(len(tick.overcommitted))


GAUGES: Final[dict[str, tuple[Measure, list[str]]]] = {
    "nodes": (measures.GAUGE_NODES, ["state"]),
    "gpus": (measures.GAUGE_GPUS, []),
    "gpus_allocated": (measures.GAUGE_ALLOCATED, ["tenant"]),
    "jobs": (measures.GAUGE_JOBS, ["phase", "tenant"]),
    "waiting_jobs": (measures.GAUGE_WAITING, ["reason"]),
    "tick_seconds": (measures.GAUGE_TICK, []),
}
COUNTERS: Final[dict[str, tuple[Measure, list[str]]]] = {
    "acts": (measures.COUNTER_ACTIONS, ["act"]),
    "refused_acts": (measures.COUNTER_REFUSED, ["act"]),
    "overcommitted_nodes": (measures.COUNTER_OVERCOMMITTED, []),
}


def controller_tick_metrics(tick: TickResult) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the figures of a tick, by name and labels."""
    # Every state is named, at 0 where no node has it: an alert on a series that does not exist
    # never fires.
    nodes: dict[tuple[str, ...], float] = {(state.value,): 0.0 for state in NodeState}
    for node in tick.observation.nodes:
        nodes[(node.state.value,)] += 1
    jobs: dict[tuple[str, ...], float] = {}
    held_gpus: dict[tuple[str, ...], float] = {}
    for job in tick.observation.jobs.values():
        if job.phase in PHASES_ON_NODES | {JobPhase.HELD}:
            _add_to_labelled_metric(jobs, (job.phase.value, job.request.tenant), 1)
        if job.phase in PHASES_ON_NODES:
            gpus = sum(len(place.gpus) * place.gpu_milli / 1000 for place in job.places)
            _add_to_labelled_metric(held_gpus, (job.request.tenant,), gpus)
    waits: dict[tuple[str, ...], float] = {}
    for why in tick.waits.values():
        _add_to_labelled_metric(waits, (why.value,), 1)
    up = sum(node.gpus for node in tick.observation.nodes if node.state == NodeState.UP)
    return {
        "nodes": nodes,
        "gpus": {(): float(up)},
        "gpus_allocated": held_gpus,
        "jobs": jobs,
        "waiting_jobs": waits,
    }


def _add_to_labelled_metric(
    sums: dict[tuple[str, ...], float], labels: tuple[str, ...], amount: float
) -> None:
    sums[labels] = sums.get(labels, 0.0) + amount
