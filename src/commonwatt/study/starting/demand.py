"""The demand of a first programme, and the machines that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from commonwatt.core.identifiers import IdentifierKind, can_be_identifier
from commonwatt.core.messages import Message
from commonwatt.core.shipped import SHIPPED, shipped_data_file_or_local_path
from commonwatt.fleet.domain.machines import F64
from commonwatt.fleet.domain.workload import I64, Bools, Workload
from commonwatt.fleet.io.traces import read_traces
from commonwatt.siting.domain.cells import SiteCells
from commonwatt.study.starting.start import (
    SHIPPED_TRACE,
    ProgrammeStart,
    StartedFile,
    StartedPool,
    path_relative_to_programme_folder,
)

# The share of GPU time that a first hall is sized for; an assumption wherever it is written.
SIZED_FOR_USE: Final = 0.70
_GPUS_OF_A_SERVER: Final = 8
_MOST_TENANTS: Final = 12  # those that ask for most; a longer list is not read
_GPU: Final = "H100"  # what the library's prices of servers are for
_HOUR_MS: Final = 3_600_000
_SHIPPED_SOURCES: Final = {
    SHIPPED_TRACE: Message(
        "assumption: ten days of seven clusters of a large company's training service, 2021"
        " (Microsoft ITP, MIT licence), in place of one's own demand"
    )
}
_OTHER_SHIPPED_SOURCE: Final = Message(
    "assumption: a shipped trace in place of one's own demand; the README beside it says whose"
)


def workload_of_programme_start(start: ProgrammeStart) -> Workload:
    """Return the jobs of the trace.

    Raises:
        InputError: The file cannot be read, or is of no known format.
        UsageError: It holds requests, not jobs.
    """
    path = shipped_data_file_or_local_path(start.trace, Path())
    return read_traces([path], format=start.format, mapping=start.mapping).workload


def started_demand_toml_table(
    file: StartedFile, start: ProgrammeStart, workload: Workload
) -> dict[str, Any]:
    """Return the table of the demand."""
    is_shipped = start.trace.startswith(SHIPPED)
    facts = {
        "jobs": f"{len(workload):,}",
        "tenants": f"{len(workload.tenant_names):,}",
        "hours": f"{_started_trace_gpu_hours_by_job(workload).sum():,.0f}",
    }
    file.add_value_remark_to_started_file(
        "demand.trace", Message("{jobs} jobs of {tenants} tenants, {hours} GPU-hours.", facts)
    )
    trace = (
        start.trace
        if is_shipped
        else path_relative_to_programme_folder(Path(start.trace), start.path)
    )
    part: dict[str, Any] = {"trace": trace}
    if start.format is not None:
        part["format"] = start.format
    if start.mapping is not None:
        part["mapping"] = path_relative_to_programme_folder(start.mapping, start.path)
    if is_shipped:
        file.note_assumed_value_of_started_file(
            "demand.trace",
            Message("a shipped slice stands for your demand; put in a trace of your own."),
        )
        source = _SHIPPED_SOURCES.get(start.trace, _OTHER_SHIPPED_SOURCE)
    else:
        source = Message("own trace, {name}", {"name": Path(start.trace).name})
    return part | {"source": file.text(source)}


def _started_trace_gpu_hours_by_job(workload: Workload) -> F64:
    return workload.gpu_demand_milli_by_job() / 1000 * (workload.runtime_ms / _HOUR_MS)


def started_tenant_toml_tables(
    file: StartedFile, workload: Workload, site: str
) -> list[dict[str, Any]]:
    """Return the tenants that ask for most; below the first, what else may be said of one."""
    hours = np.bincount(
        workload.tenant,
        _started_trace_gpu_hours_by_job(workload),
        minlength=len(workload.tenant_names),
    )
    order: list[int] = np.argsort(-hours, kind="stable").tolist()
    names = [workload.tenant_names[i] for i in order]
    # A trace may spell a tenant as no file of ours can; it then has no limits.
    names = [name for name in names if can_be_identifier(IdentifierKind.TENANT, name)]
    if names:
        file.after[f"tenants.{names[0]}"] = [
            file.text(Message("What else may be said of a tenant:")),
            f'sites = ["{site}"]',
            "quota_gpus = 8",
            'latency = "20 ms"',
        ]
    return [{"name": name} for name in names[:_MOST_TENANTS]]


def started_pools_for_demand(workload: Workload) -> list[StartedPool]:
    """Return pools that hold every job and are busy `SIZED_FOR_USE` of the time on average."""
    kinds = _started_trace_gpu_kind_by_job(workload)
    names = workload.gpu_type_names or (_GPU,)
    return [
        _started_pool_for_jobs(name, workload, kinds == kind)
        for kind, name in enumerate(names)
        if kind == 0 or (kinds == kind).any()
    ]


def _started_trace_gpu_kind_by_job(workload: Workload) -> I64:
    """Return the first GPU type that each job takes, 0 for those that take any."""
    masks = workload.gpu_types
    lowest_bit = masks & -masks
    return np.log2(np.maximum(lowest_bit, 1)).astype(np.int64)


def _started_pool_for_jobs(name: str, workload: Workload, jobs: Bools) -> StartedPool:
    single = jobs & workload.single_node
    per_node = max(_GPUS_OF_A_SERVER, int(workload.gpus[single].max(initial=0)))
    span_h = float(workload.submit_ms[-1] - workload.submit_ms[0]) / _HOUR_MS
    # Jobs that all arrive at once say nothing of a mean; then the longest of them is the time.
    span_h = span_h or float(workload.runtime_ms.max()) / _HOUR_MS or 1.0
    mean_gpus = float(_started_trace_gpu_hours_by_job(workload)[jobs].sum()) / span_h
    gpus = max(mean_gpus / SIZED_FOR_USE, int(workload.gpus[jobs].max(initial=1)), 1)
    return StartedPool(gpu=name, nodes=int(np.ceil(gpus / per_node)), gpus_per_node=per_node)


def started_gpu_toml_tables(
    file: StartedFile, cells: SiteCells, pools: Sequence[StartedPool]
) -> list[dict[str, Any]]:
    """Return the models of GPU, all with the draw of the library's server."""
    rated_w = cells["it_kw_per_gpu"].value.mode * 1000
    idle, busy = cells["idle_draw_share"].value.mode, cells["busy_draw_share"].value.mode
    for pool in pools:
        file.note_assumed_value_of_started_file(
            f"gpus.{pool.gpu}",
            Message("the library's server of the H100 class stands for the model."),
        )
    source = Message(
        "assumption: {kw} kW rated per GPU with its server ({of}), {idle} % of it idle and {busy} %"
        " busy ({shares})",
        {
            "kw": f"{rated_w / 1000:g}",
            "of": cells["it_kw_per_gpu"].source,
            "idle": f"{100 * idle:g}",
            "busy": f"{100 * busy:g}",
            "shares": cells["busy_draw_share"].source,
        },
    )
    return [
        {
            "name": pool.gpu,
            "idle": f"{rated_w * idle:.0f} W",
            "busy": f"{rated_w * busy:.0f} W",
            "source": file.text(source),
        }
        for pool in pools
    ]
