"""Whether every job could ever start on a fleet; asked once, before anything runs."""

from __future__ import annotations

import numpy as np

from commonwatt.core.errors import TraceError, cell
from commonwatt.core.messages import Message
from commonwatt.fleet.machines import Fleet
from commonwatt.fleet.traces.rows import shown
from commonwatt.fleet.workload import Workload


def check_fits(workload: Workload, fleet: Fleet, where: str = "trace") -> None:
    """Raise if a job could not start even on the empty fleet.

    Raises:
        TraceError: Names the first such job and what would let it start.
    """
    _check_types(workload, fleet, where)
    _check_gangs(workload, fleet, where)


def _check_types(workload: Workload, fleet: Fleet, where: str) -> None:
    known = {fleet.gpu_types[int(index)].name for index in np.unique(fleet.gpu_type)}
    for bit, name in enumerate(workload.gpu_type_names):
        if name not in known:
            asking = (workload.gpu_types & (1 << bit)) != 0
            raise TraceError(
                _place(workload, int(asking.argmax()), where, "gpu_types"),
                found=shown(name),
                wanted=Message(
                    "a GPU type of the fleet: {names}", {"names": ", ".join(sorted(known))}
                ),
                remedy=Message("Add nodes of that type, or take the type out of the trace."),
            )


def _check_gangs(workload: Workload, fleet: Fleet, where: str) -> None:
    too_large = workload.demand_milli() > fleet.capacity_milli
    if too_large.any():
        at = int(too_large.argmax())
        raise TraceError(
            _place(workload, at, where, "gpus"),
            found=f"{int(workload.gpus[at]):,}",
            wanted=Message(
                "at most the {gpus} GPUs of the fleet", {"gpus": f"{int(fleet.gpus.sum()):,}"}
            ),
            remedy=Message("Add nodes, or leave such jobs out."),
        )


def _place(workload: Workload, at: int, where: str, column: str) -> str:
    return cell(f"{where}, job {workload.job_id[at]}", None, column)
