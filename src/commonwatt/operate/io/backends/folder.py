"""A folder that remembers jobs, their attempts and marked nodes, for backends that cannot.

::

    jobs/NAME/ask.json          what was asked; there from submission on
    jobs/NAME/cancelled         ended for good; holds the reason
    jobs/NAME/N/                attempt N
    jobs/NAME/N/claim/          made once: by the wrapper that runs it, or by who gives it up
    jobs/NAME/N/places.json     where
    jobs/NAME/N/stopped         stopped by us: the job is held again; holds the reason
    jobs/NAME/N/process         process id and its start in clock ticks
    jobs/NAME/N/exit            exit code and instant, written whole or not at all
    nodes/NAME                  state and reason of a node that was taken out

Files appear whole, by a rename, so that whoever is killed leaves nothing half written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from commonwatt.core.files import save_text
from commonwatt.core.messages import Message
from commonwatt.operate.domain.cluster import JobRequest, NodeState
from commonwatt.operate.domain.errors import UnknownNameError
from commonwatt.operate.domain.requests import (
    check_job_request,
    compact_cluster_json,
    job_request_from_json,
    job_request_json,
    parse_cluster_json_object,
)


class JobFolder:
    """Jobs and marks under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._requests: dict[str, JobRequest] = {}
        for name in ("jobs", "nodes"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def write_job_request_once(self, request: JobRequest) -> None:
        """Keep `job_request`; one of that name that is there stays as it is."""
        check_job_request(request)
        home = self.job_folder(request.job_id)
        home.mkdir(exist_ok=True)
        if not (home / "ask.json").exists():
            save_text(compact_cluster_json(job_request_json(request)), home / "ask.json")

    def job_names(self) -> Iterator[str]:
        """Give the name of every job, in order of names."""
        yield from sorted(entry.name for entry in os.scandir(self.root / "jobs"))

    def job_request(self, job_id: str) -> JobRequest | None:
        """Return what a job requests; None where its submission was cut short.

        Read once: a request does not change.
        """
        if job_id not in self._requests:
            path = self.job_folder(job_id) / "ask.json"
            if not path.exists():
                return None
            self._requests[job_id] = job_request_from_json(
                parse_cluster_json_object(path.read_text())
            )
        return self._requests[job_id]

    def forget_job(self, job_id: str) -> None:
        """Drop what is remembered of a job whose folder is gone."""
        self._requests.pop(job_id, None)

    def submitted_job_folder(self, job_id: str) -> Path:
        """Return the folder of a job that was submitted.

        Raises:
            UnknownNameError: There is no such job.
        """
        home = self.job_folder(job_id)
        if not (home / "ask.json").exists():
            raise UnknownNameError(f"job {job_id}", wanted=Message("a job that was submitted"))
        return home

    def job_folder(self, job_id: str) -> Path:
        """Return the folder of a job."""
        return self.root / "jobs" / job_id

    def attempt_count(self, job_id: str) -> int:
        """Return how often a job was started."""
        numbers = [int(e.name) for e in os.scandir(self.job_folder(job_id)) if e.name.isdigit()]
        return max(numbers, default=0)

    def mark_cluster_node_out_of_use(self, node: str, state: NodeState, reason: str) -> None:
        """Note that a node is out of use."""
        save_text(f"{state.value}\n{reason}", self.root / "nodes" / node)

    def mark_cluster_node_in_use(self, node: str) -> None:
        """Note that a node is in use."""
        (self.root / "nodes" / node).unlink(missing_ok=True)

    def node_marks(self) -> dict[str, tuple[NodeState, str]]:
        """Return state and reason of every node that was taken out."""
        marks: dict[str, tuple[NodeState, str]] = {}
        for entry in os.scandir(self.root / "nodes"):
            # Another process may be writing this very moment; its draft is no mark yet.
            if not entry.name.startswith(".") and not entry.name.endswith(".new"):
                state, _, reason = Path(entry.path).read_text().partition("\n")
                marks[entry.name] = (NodeState(state), reason)
        return marks
