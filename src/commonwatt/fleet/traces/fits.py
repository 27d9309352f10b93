"""Whether every job could ever start on a fleet; asked once, before anything runs."""

from __future__ import annotations

from typing import Final

import numpy as np

from commonwatt.core.errors import TraceError, cell
from commonwatt.core.messages import Message
from commonwatt.fleet.machines import SHARED, Fleet
from commonwatt.fleet.traces.rows import shown
from commonwatt.fleet.workload import ANY, I64, Bools, Workload

_ASKED: Final = ("gpus", "cpu_milli", "memory_mib")
_ENDLESS: Final = np.iinfo(np.int64).max


def check_fits(workload: Workload, fleet: Fleet, where: str = "trace") -> None:
    """Raise if a job could not start even on the empty fleet.

    A gang is held against the nodes of its GPU types that its tenant may use: all of
    them together, or the largest where it must share one.

    Args:
        workload: The jobs.
        fleet: The nodes.
        where: The trace's name, for the message.

    Raises:
        TraceError: Names the first such job and what would let it start.
    """
    _check_types(workload, fleet, where)
    for column in _ASKED:
        most = _most(workload, fleet, column)
        too_much = getattr(workload, column) > most
        if too_much.any():
            at = int(too_much.argmax())
            raise _too_large(workload, at, int(most[at]), column, where)


def can_fit(workload: Workload, fleet: Fleet) -> Bools:
    """Return which jobs could start on the empty fleet, shape (jobs,).

    >>> from commonwatt.fleet.machines import uniform_fleet
    >>> from commonwatt.fleet.workload import workload
    >>> can_fit(workload([0, 1], [60, 60], [16, 17]), uniform_fleet(2, 8)).tolist()
    [True, False]
    """
    asked = [getattr(workload, column) <= _most(workload, fleet, column) for column in _ASKED]
    return np.logical_and.reduce(asked)


def _most(workload: Workload, fleet: Fleet, column: str) -> I64:
    """Return the most that each job may ask for and still start."""
    kinds, kind = _kinds(workload)
    limits = np.array([_limit(fleet, workload, row, column) for row in kinds], np.int64)
    return limits[kind]


def _check_types(workload: Workload, fleet: Fleet, where: str) -> None:
    known = {fleet.gpu_types[int(index)].name for index in np.unique(fleet.gpu_type)}
    for bit, name in enumerate(workload.gpu_type_names):
        asking = (workload.gpu_types & (1 << bit)) != 0
        if name not in known and asking.any():
            names = {"names": ", ".join(sorted(known))}
            raise TraceError(
                _place(workload, int(asking.argmax()), where, "gpu_types"),
                found=shown(name),
                wanted=Message("a GPU type of the fleet: {names}", names),
                remedy=Message("Add nodes of that type, or take the type out of the trace."),
            )


def _kinds(workload: Workload) -> tuple[I64, I64]:
    """Return the distinct (GPU types, tenant, single node) of the jobs, and each job's kind."""
    columns = (workload.gpu_types, workload.tenant, workload.single_node)
    table = np.column_stack([column.astype(np.int64) for column in columns])
    kinds, kind = np.unique(table, axis=0, return_inverse=True)
    return kinds, kind.reshape(-1)


def _limit(fleet: Fleet, workload: Workload, kind: I64, column: str) -> int:
    """Return the most that jobs of a kind may ask for and still start."""
    gpu_types, tenant, single_node = (int(value) for value in kind)
    may = _of_types(fleet, workload, gpu_types) & np.isin(fleet.tenant, (SHARED, tenant))
    amounts = getattr(fleet, column)[may].astype(np.int64)
    if column != "gpus" and (amounts == 0).any():
        return _ENDLESS  # what is unknown binds nothing
    return int(amounts.max(initial=0) if single_node else amounts.sum())


def _of_types(fleet: Fleet, workload: Workload, mask: int) -> Bools:
    if mask == ANY:
        return np.ones(len(fleet), np.bool_)
    names = {name for bit, name in enumerate(workload.gpu_type_names) if mask >> bit & 1}
    wanted = [index for index, gpu in enumerate(fleet.gpu_types) if gpu.name in names]
    return np.isin(fleet.gpu_type, wanted)


def _too_large(workload: Workload, at: int, most: int, column: str, where: str) -> TraceError:
    return TraceError(
        _place(workload, at, where, column),
        found=f"{int(getattr(workload, column)[at]):,}",
        wanted=Message(
            "at most {limit}, all that the nodes open to it hold", {"limit": f"{most:,}"}
        ),
        remedy=Message("Add nodes, or leave such jobs out."),
    )


def _place(workload: Workload, at: int, where: str, column: str) -> str:
    return cell(f"{where}, job {shown(workload.job_id[at])[1:-1]}", None, column)
