"""Slurm as an engine.

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
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import commonwatt.operate.io.backends.slurm.parse as parse
from commonwatt.core.messages import Message
from commonwatt.operate.domain.cluster import (
    ON_NODES,
    OVER,
    Ask,
    JobSeen,
    NodeSeen,
    Phase,
    Place,
    Seen,
)
from commonwatt.operate.domain.errors import EngineError, UnknownError
from commonwatt.operate.domain.requests import (
    ask_json,
    ask_of,
    check_ask,
    compact,
    parsed,
    parsed_rows,
    places_json,
    places_of,
)
from commonwatt.operate.io.backends.slurm.scontrol import Scontrol, program

MARK: Final = "commonwatt"
_PHASES: Final = {
    "RUNNING": Phase.RUNNING,
    "COMPLETING": Phase.RUNNING,
    "CONFIGURING": Phase.STARTING,
    "SUSPENDED": Phase.RUNNING,
    "STOPPED": Phase.RUNNING,
    "COMPLETED": Phase.FINISHED,
    "CANCELLED": Phase.CANCELLED,
}
_WAITS: Final = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD"})


class SlurmEngine:
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
        self.scontrol = Scontrol(self.env)
        self._ids: dict[str, str] = {}
        self._jobs: dict[str, JobSeen] = {}

    def observe(self) -> Seen:
        """Return every node and job; hold again what Slurm has requeued by itself."""
        at_s = self.clock()
        jobs: dict[str, JobSeen] = {}
        for line in self._lines("show job", "JobId="):
            self._take(line, jobs)
        self._jobs = jobs
        return Seen(at_s=at_s, nodes=self._nodes(), jobs=jobs)

    def submit(self, ask: Ask) -> None:
        """Submit a job held, its asks in the comment."""
        check_ask(ask)
        if ask.gpus and ask.gpu_milli != 1000:
            wanted = Message("whole GPUs on this engine")
            raise EngineError(f"{ask.job_id}, gpu_milli", found=str(ask.gpu_milli), wanted=wanted)
        if not self._jobs:
            self.observe()  # a job of that name may be there from before
        if ask.job_id not in self._ids:
            self._ids[ask.job_id] = self._sbatch(ask)

    def start(self, job_id: str, places: Sequence[Place]) -> None:
        """Let a held job run on just these nodes."""
        line = self._line(job_id)
        job = self._seen(line)
        if job is None or job.phase != Phase.HELD:
            return
        number, count = self._ids[job_id], max(len(places), 1)
        restarts = int(parse.fields(line).get("Restarts", "0"))
        comment = _comment(job.ask, (restarts, tuple(places)))
        where = ",".join(place.node for place in places)
        self.scontrol.tell(
            f"update JobId={number} NumNodes={count}-{count} "
            f"NumCPUs={count * _cpus(job.ask)} NumTasks={count} "
            f"ReqNodeList={where} Comment={comment}"
        )
        self.scontrol.tell(f"release {number}")

    def warn(self, job_id: str) -> None:
        """Send SIGTERM to all processes of a job that runs."""
        job = self._seen(self._line(job_id))
        if job is not None and job.phase == Phase.RUNNING:
            self._run("scancel", "--signal=TERM", "--full", self._id(job_id))

    def requeue(self, job_id: str, reason: str) -> None:
        """Stop a job and hold it again; one seen as starting that has begun since runs on."""
        number, seen = self._id(job_id), self._jobs.get(job_id)
        job = seen if seen and seen.phase == Phase.STARTING else self._seen(self._line(job_id))
        if job is None or job.phase == Phase.HELD:
            return
        if job.phase == Phase.STARTING:
            with contextlib.suppress(EngineError):  # it has begun or ended, as the next look tells
                self.scontrol.tell(f"hold {number}")
        else:
            self.scontrol.tell(f"requeuehold {number}")
        del reason  # the comment holds what the job asks, and Slurm has no other place for it

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job for good."""
        job = self._seen(self._line(job_id))
        if job is not None and job.phase not in OVER:
            self._run("scancel", self._id(job_id))
        del reason

    def drain(self, node: str, reason: str) -> None:
        """Let a node take nothing new."""
        self._update_node(node, "DRAIN", reason)

    def down(self, node: str, reason: str) -> None:
        """Give a node up now; Slurm requeues its jobs within a second, and they are held."""
        self._update_node(node, "DOWN", reason)
        self.observe()

    def resume(self, node: str) -> None:
        """Let a node take jobs again."""
        self._update_node(node, "RESUME", "")

    def reboot(self, node: str, reason: str) -> None:
        """Restart a node by Slurm's `RebootProgram` when it is empty; it comes back drained."""
        self._update_node(node, "DRAIN", reason)
        self.scontrol.tell(f"reboot {node}")

    def close(self) -> None:
        """End the `scontrol` that was kept."""
        self.scontrol.close()

    def _take(self, line: str, jobs: dict[str, JobSeen]) -> None:
        job = self._seen(line)
        if job is None:
            return
        number = parse.fields(line)["JobId"]
        if job.phase == Phase.HELD and _runs_free(line):
            with contextlib.suppress(EngineError):  # if it is over by now, the next look tells
                self.scontrol.tell(f"hold {number}")
        known = jobs.get(job.ask.job_id)
        if known is None or known.phase in OVER:
            jobs[job.ask.job_id] = job
            self._ids[job.ask.job_id] = number

    def _seen(self, line: str) -> JobSeen | None:
        """Return a job of ours, or None for one that Slurm was to run by itself."""
        found = parse.fields(line)
        ask, released = _read_comment(found.get("Comment", ""))
        if ask is None:
            if not (_is_held(found) and found["JobState"] in _WAITS) and not _is_on_nodes(found):
                return None
            ask = _adopted(found)
        phase = _phase(found, released)
        return JobSeen(
            ask=ask,
            phase=phase,
            places=_places(line, found["JobState"], phase, released),
            starts=_starts(found, phase, released),
            started_at_s=parse.instant_s(found.get("StartTime", ""))
            if phase != Phase.HELD
            else 0.0,
            ended_at_s=parse.instant_s(found.get("EndTime", "")) if phase in OVER else 0.0,
            exit_code=parse.exit_code(found.get("ExitCode", "")) if phase in OVER else None,
            reason=found.get("Reason", ""),
        )

    def _nodes(self) -> tuple[NodeSeen, ...]:
        return tuple(
            replace(node, site=self.sites.get(node.name, "site"))
            for line in self._lines("show node", "NodeName=")
            if self._drives(line)
            for node in (parse.node(line),)
        )

    def _drives(self, line: str) -> bool:
        return self.partition is None or self.partition in parse.fields(line).get(
            "Partitions", ""
        ).split(",")

    def _lines(self, question: str, begin: str) -> list[str]:
        return [x for x in self.scontrol.ask(question).splitlines() if x.startswith(begin)]

    def _line(self, job_id: str) -> str:
        return self._lines(f"show job {self._id(job_id)}", "JobId=")[0]

    def _id(self, job_id: str) -> str:
        if job_id not in self._ids:
            self.observe()
        if job_id not in self._ids:
            raise UnknownError(f"job {job_id}", wanted=Message("a job that was submitted"))
        return self._ids[job_id]

    def _sbatch(self, ask: Ask) -> str:
        more = [f"--partition={self.partition}"] if self.partition else []
        more += [f"--gpus={ask.gpus}"] if ask.gpus else []
        more += [f"--cpus-per-task={_cpus(ask)}"] if _cpus(ask) > 1 else []
        more += [f"--mem={ask.memory_mib}M"] if ask.memory_mib and _is_one_node(ask) else []
        script = f"#!/bin/sh\nexec {shlex.join(ask.argv)}\n"
        return self._run(
            "sbatch", "--hold", "--parsable", "--requeue", "--open-mode=append",
            f"--job-name={ask.job_id}", f"--output={self.output}",
            f"--comment={_comment(ask, None)}", "--chdir=/", *more,
            text=script, env=ask.env | {"COMMONWATT_JOB": ask.job_id},
        ).strip().partition(";")[0]  # fmt: skip

    def _update_node(self, node: str, state: str, reason: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", node):
            raise UnknownError(f"node {node}", wanted=Message("a node of this cluster"))
        told = "" if state == "RESUME" else f" Reason={_quoted(reason or MARK)}"
        try:
            self.scontrol.tell(f"update NodeName={node} State={state}{told}")
        except EngineError as error:
            if "node name" in str(error):
                raise UnknownError(
                    f"node {node}", wanted=Message("a node of this cluster")
                ) from None
            if state != "RESUME":  # resuming what is up already is refused, and is no fault
                raise

    def _run(
        self, name: str, *argv: str, text: str = "", env: Mapping[str, str] | None = None
    ) -> str:
        done = subprocess.run(  # noqa: S603  # arguments are a list, no shell reads them
            [program(name), *argv],
            input=text,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise EngineError(name, found=done.stderr.strip()[:300])
        return done.stdout


def _is_one_node(ask: Ask) -> bool:
    return ask.single_node or ask.gpus <= 1


def _cpus(ask: Ask) -> int:
    """Return the processors of a task; a gang over several nodes is left to Slurm's default."""
    return max(-(-ask.cpu_milli // 1000), 1) if _is_one_node(ask) else 1


def _comment(ask: Ask, released: tuple[int, tuple[Place, ...]] | None) -> str:
    """Return what an ask and its release look like in a comment, free of blanks."""
    data = ask_json(replace(ask, env={}))
    text = base64.urlsafe_b64encode(compact(data).encode()).decode()
    if released is None:
        return f"{MARK}:{text}"
    restarts, places = released
    rows = base64.urlsafe_b64encode(compact(places_json(places)).encode()).decode()
    return f"{MARK}:{text}:{restarts}:{rows}"


@lru_cache(65536)  # comments seldom change and are read at every look
def _read_comment(text: str) -> tuple[Ask | None, tuple[int, tuple[Place, ...]] | None]:
    mark, _, rest = text.partition(":")
    if mark != MARK or not rest:
        return None, None
    asked, *released = rest.split(":")
    ask = ask_of(parsed(base64.urlsafe_b64decode(asked).decode()))
    if len(released) != 2:
        return ask, None
    rows = parsed_rows(base64.urlsafe_b64decode(released[1]).decode())
    return ask, (int(released[0]), places_of(rows))


def _adopted(found: Mapping[str, str]) -> Ask:
    """Return what a job asks that was submitted without us."""
    user = found.get("UserId", "unknown").partition("(")[0]
    account = found.get("Account", "(null)")
    return Ask(
        job_id=f"slurm-{found['JobId']}",
        argv=(),
        tenant=user if account == "(null)" else account,
        user=user,
        group=found.get("JobName", "unknown"),
        gpus=parse.gpus_asked(dict(found)),
        estimate_s=_limit_s(found.get("TimeLimit", "")),
        submitted_at_s=parse.instant_s(found.get("SubmitTime", "")),
        preemptible=_is_held(found) and found.get("Requeue") == "1",
    )


def _limit_s(text: str) -> float:
    """Return a time limit, `[days-]hours:minutes:seconds` [s]; a month where there is none."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return 30 * 86400.0
    hours, minutes, seconds = (int(part) for part in parts)
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + float(seconds)


def _phase(found: Mapping[str, str], released: tuple[int, tuple[Place, ...]] | None) -> Phase:
    state = found["JobState"]
    if state in _WAITS:
        restarts = int(found.get("Restarts", "0"))
        waits_to_start = released is not None and released[0] == restarts and not _is_held(found)
        return Phase.STARTING if waits_to_start else Phase.HELD
    return _PHASES.get(state, Phase.FAILED)


def _starts(
    found: Mapping[str, str], phase: Phase, released: tuple[int, tuple[Place, ...]] | None
) -> int:
    """Return how often a job was started; one that is being requeued counts as before."""
    restarts = int(found.get("Restarts", "0"))
    if phase == Phase.HELD:
        return restarts
    return released[0] + 1 if released else restarts + 1


def _is_held(found: Mapping[str, str]) -> bool:
    return found.get("Priority") == "0"


def _is_on_nodes(found: Mapping[str, str]) -> bool:
    return _PHASES.get(found["JobState"]) in ON_NODES


def _runs_free(line: str) -> bool:
    """Return whether a job that should be held would be started by Slurm itself."""
    return not _is_held(parse.fields(line))


def _places(
    line: str, state: str, phase: Phase, released: tuple[int, tuple[Place, ...]] | None
) -> tuple[Place, ...]:
    """Return what a job holds; one that is completing holds only what Slurm still says."""
    if phase == Phase.HELD:
        return ()
    planned = released[1] if released else ()
    if phase != Phase.RUNNING:
        return planned
    held = parse.places(line)
    shown = state == "COMPLETING" or any(place.gpus for place in held) or not planned
    return held if shown else planned


def _quoted(reason: str) -> str:
    """Return a reason as `scontrol` takes it: no quotes or line ends within."""
    return '"' + re.sub(r'[\s"\\]+', " ", reason).strip() + '"'
