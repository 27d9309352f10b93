"""Jobs on a Ray cluster: a placement group holds the GPUs, an agent on the node runs the program.

Each raylet that is to be used offers the custom resource `node-NAME` (1.0), by which
bundles and agents are pinned. Placement groups and agents are detached, in a namespace
of their own, so that they outlive the controller; `ray stop` is never called. A gang's
program starts once, on its first node.

An agent runs programs as its children, which the kernel ends with it: a killed raylet
leaves nothing behind, and its jobs are held again.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from commonwatt.core.extras import import_optional_module
from commonwatt.core.files import save_text
from commonwatt.core.messages import Message
from commonwatt.operate.domain.cluster import JobRequest, NodeAllocation, NodeState, ObservedNode
from commonwatt.operate.domain.errors import BackendError
from commonwatt.operate.domain.requests import (
    compact_cluster_json,
    node_allocations_from_json,
    node_allocations_json,
    parse_cluster_json_object,
    parse_node_allocation_rows,
)
from commonwatt.operate.io.backends.attempt import AttemptStatus
from commonwatt.operate.io.backends.folder_backend import DAY_S, FolderBackend

NAMESPACE: Final = "commonwatt-operate"
NODE_RESOURCE_PREFIX: Final = "node-"
_WAIT_S: Final = 20.0  # how long Ray may take to give what is known to be free
_LOST_S: Final = 30.0  # after which an attempt that no agent knows of is given up


class RayRunner:
    """Runs attempts on a Ray cluster.

    Args:
        address: Where the head answers, `host:port`.
        root: Where the nodes that were once seen are remembered.
        sites: Where each node stands, by name.

    Raises:
        MissingExtraError: Ray is not installed.
        BackendError: No cluster answers.
    """

    name = "ray"

    def __init__(self, address: str, root: Path, sites: Mapping[str, str]) -> None:
        self.ray = import_optional_module("ray")
        self.sites, self._known = dict(sites), root / "known-nodes"
        self._agents: dict[str, Any] = {}
        self._reports: dict[str, dict[str, list[float]]] = {}
        try:
            self.ray.init(
                address=address,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level="error",
                configure_logging=False,
            )
        except ConnectionError:
            raise BackendError(
                address,
                found=Message("no answer ({kind})", {"kind": "ConnectionError"}),
                wanted=Message("a Ray cluster that answers"),
            ) from None
        # All at once when the cluster is opened: an agent takes seconds to come up, and the
        # first tick would else wait for each in turn.
        self.start_ray_agents()

    def nodes(self) -> tuple[ObservedNode, ...]:
        """Return every node that was ever seen; one that is away is down."""
        alive = self._gpus_by_live_node()
        gpus_by_node = self._gpus_by_known_node() | alive
        # Ray's own list may lose a raylet that is away; its jobs and its drains must not be
        # lost with it.
        if gpus_by_node != self._gpus_by_known_node():
            save_text(compact_cluster_json(gpus_by_node), self._known)
        return tuple(
            ObservedNode(
                name=name,
                gpus=gpus,
                site=self.sites.get(name, "site"),
                state=NodeState.UP if name in alive else NodeState.DOWN,
                reason="" if name in alive else "its raylet does not answer",
            )
            for name, gpus in sorted(gpus_by_node.items())
        )

    def launch(
        self,
        attempt: Path,
        request: JobRequest,
        places: Sequence[NodeAllocation],
        environment: Mapping[str, str],
    ) -> None:
        """Take the attempt's places, and have the first node's agent run it."""
        try:
            attempt.mkdir()
        except FileExistsError:
            return
        text = compact_cluster_json(node_allocations_json(tuple(places)))
        save_text(text, attempt / "places.json", synced=False)
        group, agent = (
            self._create_ray_placement_group_or_none(attempt, places),
            self._start_or_get_ray_agent_or_none(places[0].node),
        )
        if group is None or agent is None:
            self._drop_placement_group(attempt)
            save_text("was not taken", attempt / "lost")
            raise BackendError(
                places[0].node,
                found=Message("no room, or no answer"),
                wanted=Message("a node with the room that was planned"),
            )
        # not waited for: the next look tells whether the agent has it
        agent.run.remote(
            _ray_job_and_attempt_key(attempt), list(request.argv), {**request.env, **environment}
        )

    def start_ray_agents(self) -> None:
        """Bring up the agents of all nodes and wait for them, which takes seconds."""
        self._agent_reports_by_node(sorted(self._gpus_by_live_node()))

    def attempt_statuses(self, attempts: Sequence[Path], now_s: float) -> dict[Path, AttemptStatus]:
        """Return how attempts stand, by what the agents report."""
        nodes = {attempt: _first_node_of_attempt(attempt) for attempt in attempts}
        unfinished_nodes = {node for a, node in nodes.items() if node and not (a / "exit").exists()}
        self._reports = self._agent_reports_by_node(sorted(unfinished_nodes))
        return {a: self._ray_attempt_status(a, node, now_s) for a, node in nodes.items()}

    def send_signal(self, attempt: Path, number: signal.Signals) -> None:
        """Have the agent send a signal to the program and what it started."""
        node = _first_node_of_attempt(attempt)
        agent = self._start_or_get_ray_agent_or_none(node) if node else None
        if agent is not None:
            self._agent_answer_or_none(
                agent.tell.remote(_ray_job_and_attempt_key(attempt), int(number))
            )

    def close(self) -> None:
        """Leave the cluster; agents and placement groups stay."""
        self.ray.shutdown()

    def _ray_attempt_status(self, attempt: Path, node: str, now_s: float) -> AttemptStatus:
        exit_file = attempt / "exit"
        if exit_file.exists():
            code, started_s, ended_s = json.loads(exit_file.read_text())
            return AttemptStatus(False, code, started_s, ended_s)
        began_s = attempt.stat().st_mtime
        report = self._reports.get(node)
        if (attempt / "lost").exists():
            return AttemptStatus(False, None, began_s, began_s)
        if report is None:
            alive = node in self._gpus_by_live_node() and now_s - began_s < _LOST_S
        else:
            alive = _ray_job_and_attempt_key(attempt) in report or now_s - began_s < _LOST_S
        return self._record_attempt_status_by_report(attempt, report, alive, began_s, now_s)

    def _record_attempt_status_by_report(
        self,
        attempt: Path,
        report: dict[str, list[float]] | None,
        alive: bool,
        began_s: float,
        now_s: float,
    ) -> AttemptStatus:
        """Return a step by an agent's report; note its end, and give its places back."""
        times_and_code = (report or {}).get(_ray_job_and_attempt_key(attempt))
        if times_and_code is None:
            if not alive:
                save_text("no agent knows of it", attempt / "lost")
                self._drop_placement_group(attempt)
            return AttemptStatus(alive, None, began_s, 0.0 if alive else now_s)
        started_s, ended_s, code = times_and_code
        if not ended_s:
            return AttemptStatus(True, None, started_s, 0.0)
        save_text(json.dumps([int(code), started_s, ended_s]), attempt / "exit")
        self._drop_placement_group(attempt)
        return AttemptStatus(False, int(code), started_s, ended_s)

    def _gpus_by_live_node(self) -> dict[str, int]:
        """Return the GPUs of each node that answers, by name."""
        gpus: dict[str, int] = {}
        for node in self.ray.nodes():
            names = [r for r in node["Resources"] if r.startswith(NODE_RESOURCE_PREFIX)]
            if node["Alive"] and names:
                gpus[names[0].removeprefix(NODE_RESOURCE_PREFIX)] = int(
                    node["Resources"].get("GPU", 0)
                )
        return gpus

    def _gpus_by_known_node(self) -> dict[str, int]:
        return parse_cluster_json_object(self._known.read_text()) if self._known.exists() else {}

    def _create_ray_placement_group_or_none(
        self, attempt: Path, places: Sequence[NodeAllocation]
    ) -> Any:
        # The pin asks for a ten-thousandth of the node's own resource: it binds the bundle to
        # the node without ever using it up.
        bundles = [
            {f"{NODE_RESOURCE_PREFIX}{place.node}": 0.0001}
            | ({"GPU": len(place.gpus) * place.gpu_milli / 1000} if place.gpus else {})
            for place in places
        ]
        groups = import_module("ray.util.placement_group")
        group = groups.placement_group(
            bundles, strategy="PACK", name=_ray_job_and_attempt_key(attempt), lifetime="detached"
        )
        return group if group.wait(_WAIT_S) else None

    def _drop_placement_group(self, attempt: Path) -> None:
        util = import_module("ray.util")
        try:
            util.remove_placement_group(util.get_placement_group(_ray_job_and_attempt_key(attempt)))
        except ValueError:
            return  # it was dropped before

    def _start_or_get_ray_agent_or_none(self, node: str) -> Any:
        """Return the agent of a node, brought up where there is none; None if it is away."""
        if node not in self._gpus_by_live_node():
            self._agents.pop(node, None)
            return None
        if node not in self._agents:
            actor_class = self.ray.remote(ray_agent_class()).options(
                name=f"agent-{node}",
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                num_gpus=0,
                resources={f"{NODE_RESOURCE_PREFIX}{node}": 0.0001},
                # Ray's default, said because we rely on it: an agent that was restarted would have
                # lost its children, and we would take their jobs for lost.
                max_restarts=0,
            )
            self._agents[node] = actor_class.remote()
        return self._agents[node]

    def _agent_reports_by_node(self, nodes: Sequence[str]) -> dict[str, dict[str, list[float]]]:
        replies = {
            node: agent.poll.remote()
            for node in nodes
            if (agent := self._start_or_get_ray_agent_or_none(node))
        }
        reports: dict[str, dict[str, list[float]]] = {}
        for node, reply in replies.items():
            report = self._agent_answer_or_none(reply)
            if report is None:
                self._agents.pop(node, None)  # it died, with what it ran
                report = {}
            reports[node] = report
        return reports

    def _agent_answer_or_none(self, reply: Any) -> Any:
        """Return an agent's answer, None where it died or does not answer."""
        try:
            return self.ray.get(reply, timeout=_WAIT_S)
        except self.ray.exceptions.RayError:
            return None


class RayBackend(FolderBackend):
    """Drives one Ray cluster.

    Args:
        address: Where the head answers, `host:port`.
        root: Where jobs are remembered.
        clock: Returns the instant [s since 1970].
        sites: Where each node stands, by name.
        keep_s: How long a job that is over is remembered [s].
    """

    def __init__(
        self,
        address: str,
        root: Path,
        *,
        clock: Callable[[], float] = time.time,
        sites: Mapping[str, str] | None = None,
        forget_after_s: float = DAY_S,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        super().__init__(
            root, RayRunner(address, root, sites or {}), clock, forget_after_s=forget_after_s
        )


def ray_agent_class() -> Any:
    """Return the class of agents, made here so that nodes need not have Commonwatt."""

    class Agent:
        """Runs programs as children of its own."""

        def __init__(self) -> None:
            self.steps: dict[str, list[Any]] = {}

        def run(self, key: str, argv: list[str], env: dict[str, str]) -> bool:
            """Start a program, unless it was started under this key before."""

            def kill_job_with_agent() -> None:
                ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: prctl(2)

            if key not in self.steps:
                child = subprocess.Popen(  # noqa: S603  # running what was asked is its purpose
                    argv,
                    env={**os.environ, **env},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=kill_job_with_agent,  # noqa: PLW1509  # the agent has one thread
                )
                self.steps[key] = [child, time.time(), 0.0, 0]
            return True

        def poll(self) -> dict[str, list[float]]:
            """Return start, end and code of each program; end is 0 while it runs."""
            for step in self.steps.values():
                code = step[0].poll()
                if code is not None and not step[2]:
                    step[2], step[3] = time.time(), 128 - code if code < 0 else code
            return {key: [step[1], step[2], step[3]] for key, step in self.steps.items()}

        def tell(self, key: str, number: int) -> bool:
            """Send a signal to a program and what it started."""
            step = self.steps.get(key)
            if step is not None and step[0].poll() is None:
                os.killpg(step[0].pid, number)
            return True

    return Agent


def _ray_job_and_attempt_key(attempt: Path) -> str:
    return f"{attempt.parent.name}#{attempt.name}"


def _first_node_of_attempt(attempt: Path) -> str:
    written = attempt / "places.json"
    places = (
        node_allocations_from_json(parse_node_allocation_rows(written.read_text()))
        if written.exists()
        else ()
    )
    return places[0].node if places else ""
