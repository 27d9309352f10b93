"""Requests and allocations as plain JSON, and back; names become file names and are checked."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any, Final, cast

from commonwatt.core.identifiers import OPERATOR_NAME
from commonwatt.core.messages import Message
from commonwatt.operate.domain.cluster import JobRequest, NodeAllocation
from commonwatt.operate.domain.errors import BackendError

_TUPLES: Final = ("argv", "gpu_types", "sites")
_KNOWN: Final = frozenset(field.name for field in fields(JobRequest))


def check_job_request(request: JobRequest) -> None:
    """Raise unless a backend may take `request`.

    Raises:
        BackendError: A name has letters that a file may not bear, or a number is below 0.
    """
    if not OPERATOR_NAME.fits(request.job_id):
        wanted = Message("letters, digits and . _ - only, at most 100")
        raise BackendError("job_id", found=repr(request.job_id[:100]), wanted=wanted)
    for name in ("gpus", "cpu_milli", "memory_mib", "estimate_s"):
        if getattr(request, name) < 0:
            wanted = Message("a number, 0 or more")
            raise BackendError(
                f"{request.job_id}, {name}", found=str(getattr(request, name)), wanted=wanted
            )
    # A share of several GPUs has no meaning that all backends share: half of each, or one and a
    # half in all.
    if not 1 <= request.gpu_milli <= 1000 or (request.gpus > 1 and request.gpu_milli < 1000):
        wanted = Message("1000 for whole GPUs, or from 1 to 999 of a single one")
        raise BackendError(
            f"{request.job_id}, gpu_milli", found=str(request.gpu_milli), wanted=wanted
        )


def job_request_json(request: JobRequest) -> dict[str, Any]:
    """Return `request` as plain JSON values; what stands at its default is left out.

    >>> job_request_json(JobRequest(job_id="a", argv=("true",)))
    {'job_id': 'a', 'argv': ('true',)}
    """
    plain = JobRequest(job_id="", argv=())
    return {k: v for k, v in asdict(request).items() if v != getattr(plain, k)}


def job_request_from_json(request_members: dict[str, Any]) -> JobRequest:
    """Return the request that `request_members` is; members of later versions are passed over.

    >>> job_request_from_json({"job_id": "a", "argv": ["true"], "later": 1}).argv
    ('true',)
    """
    values: dict[str, Any] = {"argv": ()}
    # Unknown members are passed over, so that a store written by a later version can still be
    # read after going back.
    for name in _KNOWN & request_members.keys():
        values[name] = tuple(request_members[name]) if name in _TUPLES else request_members[name]
    return JobRequest(**values)


def node_allocations_json(places: tuple[NodeAllocation, ...]) -> list[list[Any]]:
    """Return places as rows of plain JSON."""
    return [[p.node, list(p.gpus), p.gpu_milli, p.cpu_milli, p.memory_mib] for p in places]


def node_allocations_from_json(allocation_rows: list[list[Any]]) -> tuple[NodeAllocation, ...]:
    """Return the places of rows as `node_allocations_json` writes them.

    >>> node_allocations_from_json(node_allocations_json((NodeAllocation("n1", (0, 1)),)))
    (NodeAllocation(node='n1', gpus=(0, 1), gpu_milli=1000, cpu_milli=0, memory_mib=0),)
    """
    return tuple(NodeAllocation(row[0], tuple(row[1]), *row[2:]) for row in allocation_rows)


def compact_cluster_json(data: object) -> str:
    """Return JSON without spaces."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


def parse_cluster_json_object(text: str) -> dict[str, Any]:
    """Return a JSON object."""
    return cast("dict[str, Any]", json.loads(text))


def parse_node_allocation_rows(text: str) -> list[list[Any]]:
    """Return a JSON list of lists."""
    return cast("list[list[Any]]", json.loads(text))
