"""Slurm as a backend.

A job comes in held, with what it asks in its comment; a start is an update of its
node list and a release. The comment also notes how often the job had been restarted
when it was released, so that one which Slurm itself requeued, because its node died,
is told from one that is about to start, and is held again at the next look.

A job that others submitted with `sbatch --hold` is taken up as it stands: its account
is the tenant, its time limit the estimate. Jobs that are not held are left to Slurm;
while they run they are seen, because they take room, and are never preempted.

Finished jobs are known as long as Slurm's `MinJobAge` says. Slurm shares no single
GPU here: jobs ask for whole ones. CPU and memory bind nothing: Slurm checks them.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import commonwatt.operate.io.backends.slurm.parse as parse
from commonwatt.core.errors import ProcessError
from commonwatt.core.messages import Message
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    TERMINAL_PHASES,
    ClusterObservation,
    JobPhase,
    JobRequest,
    NodeAllocation,
    ObservedJob,
    ObservedNode,
)
from commonwatt.operate.domain.errors import BackendError, UnknownNameError
from commonwatt.operate.domain.requests import (
    check_job_request,
    compact_cluster_json,
    job_request_from_json,
    job_request_json,
    node_allocations_from_json,
    node_allocations_json,
    parse_cluster_json_object,
    parse_node_allocation_rows,
)
from commonwatt.operate.io.backends.slurm.scontrol import ScontrolProcess, slurm_program_path
from commonwatt.processes.spawn import ProcessKind, run_process

COMMENT_MARK: Final = "commonwatt"
_PHASES: Final = {
    "RUNNING": JobPhase.RUNNING,
    "COMPLETING": JobPhase.RUNNING,
    "CONFIGURING": JobPhase.STARTING,
    "SUSPENDED": JobPhase.RUNNING,
    "STOPPED": JobPhase.RUNNING,
    "COMPLETED": JobPhase.FINISHED,
    "CANCELLED": JobPhase.CANCELLED,
}
_WAITS: Final = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD"})


class SlurmBackend:
    """Drives one Slurm cluster.

    Args:
        conf: Slurm's configuration file; None for the machine's own.
        partition: The only partition that is driven; None for all nodes.
        output: Where jobs write, in Slurm's patterns (`%x` is the job's name).
        clock: Returns the instant [s since 1970].
        sites: Where each node stands, by name; others stand at "site".
    """

    name = "slurm"

    def __init__(
        self,
        conf: str | os.PathLike[str] | None = None,
        *,
        partition: str | None = None,
        output: str = "/dev/null",
        clock: Callable[[], float] = time.time,
        sites: Mapping[str, str] | None = None,
    ) -> None:
        self.env = {**os.environ, **({"SLURM_CONF": str(conf)} if conf else {})}
        self.partition, self.output, self.clock = partition, output, clock
        self.sites = dict(sites or {})
        self.scontrol = ScontrolProcess(self.env)
        self._ids: dict[str, str] = {}
        self._jobs: dict[str, ObservedJob] = {}

    def observe(self) -> ClusterObservation:
        """Return every node and job; hold again what Slurm has requeued by itself."""
        at_s = self.clock()
        jobs: dict[str, ObservedJob] = {}
        for line in self._scontrol_answer_lines("show job", "JobId="):
            self._add_observed_slurm_job_holding_if_unheld(line, jobs)
        self._jobs = jobs
        return ClusterObservation(at_s=at_s, nodes=self._observed_nodes(), jobs=jobs)

    def submit(self, request: JobRequest) -> None:
        """Submit a job held, its request in the comment."""
        check_job_request(request)
        if request.gpus and request.gpu_milli != 1000:
            wanted = Message("whole GPUs on this backend")
            raise BackendError(
                f"{request.job_id}, gpu_milli", found=str(request.gpu_milli), wanted=wanted
            )
        if not self._jobs:
            self.observe()  # a job of that name may be there from before
        if request.job_id not in self._ids:
            self._ids[request.job_id] = self._submit_with_sbatch(request)

    def start(self, job_id: str, places: Sequence[NodeAllocation]) -> None:
        """Let a held job run on just these nodes."""
        line = self._scontrol_job_line(job_id)
        job = self._observed_job(line)
        if job is None or job.phase != JobPhase.HELD:
            return
        number, count = self._ids[job_id], max(len(places), 1)
        restarts = int(parse.scontrol_fields(line).get("Restarts", "0"))
        comment = _slurm_comment_of_restarts_and_places(job.request, (restarts, tuple(places)))
        # Node by node and no GPU numbers: Slurm takes no wish for single GPUs, and what it gave
        # is read back when the job runs.
        where = ",".join(place.node for place in places)
        self.scontrol.command(
            f"update JobId={number} NumNodes={count}-{count} "
            f"NumCPUs={count * _slurm_cpus_per_task(job.request)} NumTasks={count} "
            f"ReqNodeList={where} Comment={comment}"
        )
        self.scontrol.command(f"release {number}")

    def warn(self, job_id: str) -> None:
        """Send SIGTERM to all processes of a job that runs."""
        job = self._observed_job(self._scontrol_job_line(job_id))
        if job is not None and job.phase == JobPhase.RUNNING:
            self._run_slurm_program(
                "scancel", "--signal=TERM", "--full", self._slurm_job_id(job_id)
            )

    def requeue(self, job_id: str, reason: str) -> None:
        """Stop a job and hold it again; one seen as starting that has begun since runs on."""
        number, last_seen = self._slurm_job_id(job_id), self._jobs.get(job_id)
        job = (
            last_seen
            if last_seen and last_seen.phase == JobPhase.STARTING
            else self._observed_job(self._scontrol_job_line(job_id))
        )
        if job is None or job.phase == JobPhase.HELD:
            return
        if job.phase == JobPhase.STARTING:
            with contextlib.suppress(BackendError):  # it has begun or ended, as the next look tells
                self.scontrol.command(f"hold {number}")
        else:
            self.scontrol.command(f"requeuehold {number}")
        del reason  # the comment holds what the job asks, and Slurm has no other place for it

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job for good."""
        job = self._observed_job(self._scontrol_job_line(job_id))
        if job is not None and job.phase not in TERMINAL_PHASES:
            self._run_slurm_program("scancel", self._slurm_job_id(job_id))
        del reason

    def drain(self, node: str, reason: str) -> None:
        """Let a node take nothing new."""
        self._set_slurm_node_state(node, "DRAIN", reason)

    def down(self, node: str, reason: str) -> None:
        """Give a node up now; Slurm requeues its jobs within a second, and they are held."""
        self._set_slurm_node_state(node, "DOWN", reason)
        self.observe()

    def resume(self, node: str) -> None:
        """Let a node take jobs again."""
        self._set_slurm_node_state(node, "RESUME", "")

    def reboot(self, node: str, reason: str) -> None:
        """Restart a node by Slurm's `RebootProgram` when it is empty; it comes back drained."""
        self._set_slurm_node_state(node, "DRAIN", reason)
        self.scontrol.command(f"reboot {node}")

    def close(self) -> None:
        """End the `scontrol` that was kept."""
        self.scontrol.close()

    def _add_observed_slurm_job_holding_if_unheld(
        self, line: str, jobs: dict[str, ObservedJob]
    ) -> None:
        job = self._observed_job(line)
        if job is None:
            return
        number = parse.scontrol_fields(line)["JobId"]
        if job.phase == JobPhase.HELD and _slurm_may_start_job_itself(line):
            with contextlib.suppress(BackendError):  # if it is over by now, the next look tells
                self.scontrol.command(f"hold {number}")
        earlier = jobs.get(job.request.job_id)
        if earlier is None or earlier.phase in TERMINAL_PHASES:
            jobs[job.request.job_id] = job
            self._ids[job.request.job_id] = number

    def _observed_job(self, line: str) -> ObservedJob | None:
        """Return a job of ours, or None for one that Slurm was to run by itself."""
        values = parse.scontrol_fields(line)
        request, released = _parse_slurm_comment(values.get("Comment", ""))
        if request is None:
            if not (
                _is_slurm_job_held(values) and values["JobState"] in _WAITS
            ) and not _is_slurm_job_on_nodes(values):
                return None
            request = _foreign_slurm_job_request(values)
        phase = _slurm_job_phase(values, released)
        return ObservedJob(
            request=request,
            phase=phase,
            places=_slurm_job_allocations(line, values["JobState"], phase, released),
            starts=_slurm_job_start_count(values, phase, released),
            started_at_s=parse.slurm_instant_s_or_zero(values.get("StartTime", ""))
            if phase != JobPhase.HELD
            else 0.0,
            ended_at_s=parse.slurm_instant_s_or_zero(values.get("EndTime", ""))
            if phase in TERMINAL_PHASES
            else 0.0,
            exit_code=parse.slurm_exit_code(values.get("ExitCode", ""))
            if phase in TERMINAL_PHASES
            else None,
            reason=values.get("Reason", ""),
        )

    def _observed_nodes(self) -> tuple[ObservedNode, ...]:
        return tuple(
            replace(node, site=self.sites.get(node.name, "site"))
            for line in self._scontrol_answer_lines("show node", "NodeName=")
            if self._is_node_in_our_partition(line)
            for node in (parse.slurm_observed_node(line),)
        )

    def _is_node_in_our_partition(self, line: str) -> bool:
        return self.partition is None or self.partition in parse.scontrol_fields(line).get(
            "Partitions", ""
        ).split(",")

    def _scontrol_answer_lines(self, question: str, begin: str) -> list[str]:
        return [x for x in self.scontrol.query(question).splitlines() if x.startswith(begin)]

    def _scontrol_job_line(self, job_id: str) -> str:
        return self._scontrol_answer_lines(f"show job {self._slurm_job_id(job_id)}", "JobId=")[0]

    def _slurm_job_id(self, job_id: str) -> str:
        if job_id not in self._ids:
            self.observe()
        if job_id not in self._ids:
            raise UnknownNameError(f"job {job_id}", wanted=Message("a job that was submitted"))
        return self._ids[job_id]

    def _submit_with_sbatch(self, request: JobRequest) -> str:
        options = [f"--partition={self.partition}"] if self.partition else []
        options += [f"--gpus={request.gpus}"] if request.gpus else []
        options += (
            [f"--cpus-per-task={_slurm_cpus_per_task(request)}"]
            if _slurm_cpus_per_task(request) > 1
            else []
        )
        options += (
            [f"--mem={request.memory_mib}M"]
            if request.memory_mib and _is_slurm_single_node_request(request)
            else []
        )
        # exec, so that Slurm's signals reach the program itself and no shell stands between
        # that would swallow them.
        script = f"#!/bin/sh\nexec {shlex.join(request.argv)}\n"
        return self._run_slurm_program(
            "sbatch", "--hold", "--parsable", "--requeue", "--open-mode=append",
            f"--job-name={request.job_id}", f"--output={self.output}",
            f"--comment={_slurm_comment_of_restarts_and_places(request, None)}",
            "--chdir=/", *options,
            text=script, env=request.env | {"COMMONWATT_JOB": request.job_id},
        ).strip().partition(";")[0]  # fmt: skip

    def _set_slurm_node_state(self, node: str, state: str, reason: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", node):
            raise UnknownNameError(f"node {node}", wanted=Message("a node of this cluster"))
        reason_word = (
            ""
            if state == "RESUME"
            else f" Reason={_quoted_scontrol_reason(reason or COMMENT_MARK)}"
        )
        try:
            self.scontrol.command(f"update NodeName={node} State={state}{reason_word}")
        except BackendError as error:
            if "node name" in str(error):
                raise UnknownNameError(
                    f"node {node}", wanted=Message("a node of this cluster")
                ) from None
            if state != "RESUME":  # resuming what is up already is refused, and is no fault
                raise

    def _run_slurm_program(
        self, name: str, *argv: str, text: str = "", env: Mapping[str, str] | None = None
    ) -> str:
        try:
            finished = run_process(
                [slurm_program_path(name), *argv],
                ProcessKind.SCHEDULER,
                data=text.encode(),
                env={**self.env, **(env or {})},
                timeout_s=60.0,
            )
        except ProcessError as error:
            raise BackendError(name, found=error.found, remedy=error.remedy) from error
        if finished.exit_code:
            raise BackendError(name, found=finished.stderr.decode(errors="replace").strip()[:300])
        return finished.stdout.decode(errors="replace")


def _is_slurm_single_node_request(request: JobRequest) -> bool:
    return request.single_node or request.gpus <= 1


def _slurm_cpus_per_task(request: JobRequest) -> int:
    """Return the processors of a task; a gang over several nodes is left to Slurm's default."""
    # Rounded up to whole processors: Slurm hands out no parts, and rounding down would let jobs
    # share what each was promised.
    return max(-(-request.cpu_milli // 1000), 1) if _is_slurm_single_node_request(request) else 1


def _slurm_comment_of_restarts_and_places(
    request: JobRequest, released: tuple[int, tuple[NodeAllocation, ...]] | None
) -> str:
    """Return what a request and its release look like in a comment, free of blanks."""
    # By default Slurm shows the comment of a job to every user of the cluster.
    data = job_request_json(replace(request, env={}))
    text = base64.urlsafe_b64encode(compact_cluster_json(data).encode()).decode()
    if released is None:
        return f"{COMMENT_MARK}:{text}"
    restarts, places = released
    rows = base64.urlsafe_b64encode(
        compact_cluster_json(node_allocations_json(places)).encode()
    ).decode()
    return f"{COMMENT_MARK}:{text}:{restarts}:{rows}"


@lru_cache(65536)  # comments seldom change and are read at every look
def _parse_slurm_comment(
    text: str,
) -> tuple[JobRequest | None, tuple[int, tuple[NodeAllocation, ...]] | None]:
    mark, _, rest = text.partition(":")
    if mark != COMMENT_MARK or not rest:
        return None, None
    request_text, *released = rest.split(":")
    request = job_request_from_json(
        parse_cluster_json_object(base64.urlsafe_b64decode(request_text).decode())
    )
    if len(released) != 2:
        return request, None
    rows = parse_node_allocation_rows(base64.urlsafe_b64decode(released[1]).decode())
    return request, (int(released[0]), node_allocations_from_json(rows))


def _foreign_slurm_job_request(values: Mapping[str, str]) -> JobRequest:
    """Return what a job asks that was submitted without us."""
    user = values.get("UserId", "unknown").partition("(")[0]
    account = values.get("Account", "(null)")
    return JobRequest(
        job_id=f"slurm-{values['JobId']}",
        argv=(),
        tenant=user if account == "(null)" else account,
        user=user,
        group=values.get("JobName", "unknown"),
        gpus=parse.slurm_requested_gpus(dict(values)),
        estimate_s=_slurm_time_limit_s(values.get("TimeLimit", "")),
        submitted_at_s=parse.slurm_instant_s_or_zero(values.get("SubmitTime", "")),
        preemptible=_is_slurm_job_held(values) and values.get("Requeue") == "1",
    )


def _slurm_time_limit_s(text: str) -> float:
    """Return a time limit, `[days-]hours:minutes:seconds` [s]; a month where there is none."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        # As good as for ever for a backfill, and still a number that sums and sorts.
        return 30 * 86400.0
    hours, minutes, seconds = (int(part) for part in parts)
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + float(seconds)


def _slurm_job_phase(
    values: Mapping[str, str], released: tuple[int, tuple[NodeAllocation, ...]] | None
) -> JobPhase:
    state = values["JobState"]
    if state in _WAITS:
        restarts = int(values.get("Restarts", "0"))
        # A requeue by Slurm raises its restart count past the one that we noted at the release:
        # that is how an own requeue is told from a start on its way.
        waits_to_start = (
            released is not None and released[0] == restarts and not _is_slurm_job_held(values)
        )
        return JobPhase.STARTING if waits_to_start else JobPhase.HELD
    # Whatever state a later Slurm invents, a job that is not known to run or wait is not
    # restarted behind the operator's back.
    return _PHASES.get(state, JobPhase.FAILED)


def _slurm_job_start_count(
    values: Mapping[str, str],
    phase: JobPhase,
    released: tuple[int, tuple[NodeAllocation, ...]] | None,
) -> int:
    """Return how often a job was started; one that is being requeued counts as before."""
    restarts = int(values.get("Restarts", "0"))
    if phase == JobPhase.HELD:
        return restarts
    return released[0] + 1 if released else restarts + 1


def _is_slurm_job_held(values: Mapping[str, str]) -> bool:
    return values.get("Priority") == "0"


def _is_slurm_job_on_nodes(values: Mapping[str, str]) -> bool:
    return _PHASES.get(values["JobState"]) in PHASES_ON_NODES


def _slurm_may_start_job_itself(line: str) -> bool:
    """Return whether a job that should be held would be started by Slurm itself."""
    return not _is_slurm_job_held(parse.scontrol_fields(line))


def _slurm_job_allocations(
    line: str, state: str, phase: JobPhase, released: tuple[int, tuple[NodeAllocation, ...]] | None
) -> tuple[NodeAllocation, ...]:
    """Return what a job holds; one that is completing holds only what Slurm still says."""
    if phase == JobPhase.HELD:
        return ()
    planned = released[1] if released else ()
    if phase != JobPhase.RUNNING:
        return planned
    detailed = parse.slurm_node_allocations(line)
    use_detailed = state == "COMPLETING" or any(place.gpus for place in detailed) or not planned
    return detailed if use_detailed else planned


def _quoted_scontrol_reason(reason: str) -> str:
    """Return a reason as `scontrol` takes it: no quotes or line ends within."""
    return '"' + re.sub(r'[\s"\\]+', " ", reason).strip() + '"'
