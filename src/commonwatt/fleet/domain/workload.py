"""Jobs as columns: what was requested, when, by whom and for how long.

Time is whole milliseconds from the trace's origin and GPU shares are whole
thousandths, so that conservation can be checked exactly, not within a tolerance.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import polars as pl

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ANY = np.int64(0)  # a mask that names nothing allows everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Jobs in order of submission; ties keep the order of the file.

    A job is a gang: its GPUs start together or not at all. Every column has
    shape (jobs,).

    Args:
        job_id: Name of each job, as the trace spells it.
        submit_ms: Submission, from `origin` [ms].
        runtime_ms: Time that the job runs once started [ms].
        estimate_ms: Run time that its owner claims or a limit allows [ms];
            equal to `runtime_ms` where the trace holds none.
        gpus: GPUs of the whole gang; 0 for a CPU job.
        gpu_milli: Share of each of these GPUs [1/1000 GPU]; 1000 is a whole one.
        cpu_milli: CPU of the whole gang [1/1000 core]; 0 where unknown.
        memory_mib: Memory of the whole gang [MiB]; 0 where unknown.
        single_node: The gang must share one node (a pod), rather than span several.
        gpu_types: Bit i set: GPU type `gpu_type_names[i]` will do; `ANY`: all will.
        sites: Bit i set: data may go to site `site_names[i]`; `ANY`: to all.
        tenant: Index into `tenant_names`.
        user: Index into `user_names`.
        group: Index into `group_names`: jobs alike, for predicted run times.
        priority: Larger goes first where the policy reads it.
        origin: What millisecond 0 stands for, as the trace says it.
    """

    job_id: pl.Series
    submit_ms: I64
    runtime_ms: I64
    estimate_ms: I64
    gpus: I32
    gpu_milli: I32
    cpu_milli: I64
    memory_mib: I64
    single_node: Bools
    gpu_types: I64
    sites: I64
    tenant: I32
    user: I32
    group: I32
    priority: I32
    gpu_type_names: tuple[str, ...] = ()
    site_names: tuple[str, ...] = ()
    tenant_names: tuple[str, ...] = ("all",)
    user_names: tuple[str, ...] = ("unknown",)
    group_names: tuple[str, ...] = ("unknown",)
    origin: str = "first submission"

    def __len__(self) -> int:
        return len(self.submit_ms)

    def gpu_demand_milli_by_job(self) -> I64:
        """Return the GPU demand of each job while it runs [1/1000 GPU]."""
        # 64 bits, because the product goes on to be multiplied by milliseconds and summed over
        # jobs.
        return self.gpus.astype(np.int64) * self.gpu_milli

    def workload_of_job_rows(self, job_rows: npt.NDArray[np.intp]) -> Workload:
        """Return the jobs of `job_rows`, in that order."""
        # The names stay whole: an index must mean the same tenant in a part of the jobs as in all
        # of them.
        columns = {name: getattr(self, name)[job_rows] for name in COLUMNS if name != "job_id"}
        return replace(self, job_id=self.job_id.gather(job_rows), **columns)


# The columns are the fields without a default; what follows them are names, shared by all rows.
COLUMNS = tuple(field.name for field in fields(Workload) if field.default is MISSING)


def workload_from_columns(
    submit_s: npt.ArrayLike,
    runtime_s: npt.ArrayLike,
    gpus: npt.ArrayLike,
    **columns: object,
) -> Workload:
    """Return a workload from seconds and GPUs, with every other column at its default.

    Rows are sorted by submission; ties keep their order. Names (`tenant_names` …)
    and any column of `Workload` may be given by keyword.

    >>> jobs = workload_from_columns([5, 0], [60, 30], [8, 1])
    >>> jobs.submit_ms.tolist(), jobs.gpus.tolist(), jobs.job_id.to_list()
    ([0, 5000], [1, 8], ['1', '0'])
    """
    submit = _job_times_ms(submit_s)
    n = len(submit)
    runtime = _job_times_ms(runtime_s)
    all_columns: dict[str, object] = {
        "job_id": pl.Series("job_id", [str(i) for i in range(n)], dtype=pl.String),
        "submit_ms": submit,
        "runtime_ms": runtime,
        "estimate_ms": runtime.copy(),
        "gpus": np.asarray(gpus, dtype=np.int32),
        "gpu_milli": np.full(n, 1000, np.int32),
        "cpu_milli": np.zeros(n, np.int64),
        "memory_mib": np.zeros(n, np.int64),
        "single_node": np.zeros(n, np.bool_),
        "gpu_types": np.zeros(n, np.int64),
        "sites": np.zeros(n, np.int64),
        "tenant": np.zeros(n, np.int32),
        "user": np.zeros(n, np.int32),
        "group": np.zeros(n, np.int32),
        "priority": np.zeros(n, np.int32),
    } | columns
    unsorted = Workload(**all_columns)  # type: ignore[arg-type]  # keywords are checked by the class
    # Stable, because ties keep the order of the file, and on every machine the same one.
    return unsorted.workload_of_job_rows(np.argsort(submit, kind="stable"))


def _job_times_ms(job_times_s: npt.ArrayLike) -> I64:
    # Rounded, not cut: as a float 1.001 s times 1000 is 1000.9999….
    return np.rint(np.asarray(job_times_s, dtype=np.float64) * 1000).astype(np.int64)
