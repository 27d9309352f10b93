"""From a reader's columns to a workload: order, clock, codes for names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from commonwatt.fleet.domain.workload import I32, I64, Workload

_DEFAULTS: Final[dict[str, pl.Expr]] = {
    "gpu_milli": pl.lit(1000, pl.Int32),
    "cpu_milli": pl.lit(0, pl.Int64),
    "memory_mib": pl.lit(0, pl.Int64),
    "single_node": pl.lit(value=False),
    "priority": pl.lit(0, pl.Int32),
    "tenant": pl.lit("all"),
    "user": pl.lit("unknown"),
    "group": pl.lit("unknown"),
    "gpu_types": pl.lit(""),
    "sites": pl.lit(""),
}
_ORDER: Final = ("job_id", "submit_ms", "runtime_ms", "estimate_ms", "gpus", *_DEFAULTS)
MOST_NAMES: Final = 62  # names that fit in one mask of 64 bits with a sign


@dataclass(frozen=True, slots=True)
class DraftWorkload:
    """Jobs as a reader found them, in the order of the file.

    Args:
        frame: Columns named as in `Workload`; `submit_ms` counts on the file's own clock,
            names are text, and several GPU types or sites stand between `|`.
        clock: What the file counts time from: `utc`, or the name of a clock of its own.
        origin: Millisecond 0 of that clock, in words.
    """

    frame: pl.DataFrame
    clock: str
    origin: str = ""

    def on_clock_from_first_job(self) -> DraftWorkload:
        """Return the jobs on a clock that starts with the first of them."""
        submit = pl.col("submit_ms")
        return DraftWorkload(
            self.frame.with_columns(submit - submit.min()), "start", "each trace's start"
        )

    def with_names_unique_to_file(self, path: Path) -> DraftWorkload:
        """Return the jobs under names that hold among several files."""
        stem = path.name.split(".")[0]
        # A job's name is unique within its own file only.
        frame = self.frame.with_columns(job_id=pl.lit(f"{stem}:") + pl.col("job_id"))
        if "tenant" not in frame.columns:
            frame = frame.with_columns(tenant=pl.lit(stem))
        return replace(self, frame=frame)


def workload_of_draft(draft: DraftWorkload, origin_ms: int | None = None) -> Workload:
    """Return the jobs of `draft` in order of submission, ties in the order of the file.

    Args:
        draft: The jobs.
        origin_ms: What becomes millisecond 0; the first submission where not given.
    """
    frame = _job_frame_with_default_columns(draft.frame)
    tenants, tenant = job_names_and_codes(frame["tenant"])
    users, user = job_names_and_codes(frame["user"])
    groups, group = job_names_and_codes(frame["group"])
    types, gpu_types = trace_names_and_bit_masks(frame["gpu_types"])
    sites, site = trace_names_and_bit_masks(frame["sites"])
    submit = _job_column_i64(frame["submit_ms"])
    start = int(submit.min()) if origin_ms is None else origin_ms
    jobs = Workload(
        job_id=frame["job_id"],
        submit_ms=submit - start,
        runtime_ms=_job_column_i64(frame["runtime_ms"]),
        estimate_ms=_job_column_i64(frame["estimate_ms"]),
        gpus=_job_column_i32(frame["gpus"]),
        gpu_milli=_job_column_i32(frame["gpu_milli"]),
        cpu_milli=_job_column_i64(frame["cpu_milli"]),
        memory_mib=_job_column_i64(frame["memory_mib"]),
        single_node=frame["single_node"].to_numpy(writable=True),
        gpu_types=gpu_types,
        sites=site,
        tenant=tenant,
        user=user,
        group=group,
        priority=_job_column_i32(frame["priority"]),
        gpu_type_names=types,
        site_names=sites,
        tenant_names=tenants,
        user_names=users,
        group_names=groups,
        origin=clock_origin_text(draft, start),
    )
    # Most logs are in order already, and are spared a copy of every column.
    return (
        jobs
        if is_sorted_by_job_submission(submit)
        else jobs.workload_of_job_rows(np.argsort(submit, kind="stable"))
    )


def join_draft_workloads(drafts: Sequence[DraftWorkload]) -> DraftWorkload:
    """Return the jobs of several drafts of one clock, in the order given."""
    frames = [_job_frame_with_default_columns(draft.frame).select(_ORDER) for draft in drafts]
    # Readers choose their own width of whole numbers, which a strict concat refuses.
    return replace(drafts[0], frame=pl.concat(frames, how="vertical_relaxed"))


def is_sorted_by_job_submission(submit_ms: I64) -> bool:
    """Return whether no job was submitted before the one above it."""
    return bool((submit_ms[1:] >= submit_ms[:-1]).all())


def clock_origin_text(draft: DraftWorkload, start_ms: int) -> str:
    """Return what millisecond 0 of the workload stands for."""
    if draft.clock in ("utc", "local"):
        stamp = np.datetime64(start_ms, "ms").astype(str).removesuffix(".000")
        return f"{stamp}Z" if draft.clock == "utc" else f"{stamp} {draft.origin}".strip()
    seconds = f"{start_ms / 1000:.3f}".rstrip("0").rstrip(".")
    return f"second {seconds} from {draft.origin or draft.clock}"


def job_names_and_codes(job_names: pl.Series) -> tuple[tuple[str, ...], I32]:
    """Return the distinct names in order of first appearance, and each row's index.

    >>> job_names_and_codes(pl.Series(["b", "a", "b"]))[0]
    ('b', 'a')
    """
    # By first appearance, so that the order of tenants is the file's and not that of an alphabet.
    distinct = job_names.unique(maintain_order=True)
    if len(distinct) == 1:
        return (str(distinct[0]),), np.zeros(len(job_names), np.int32)
    index = pl.int_range(len(distinct), eager=True, dtype=pl.Int32)
    indices = job_names.replace_strict(distinct, index, return_dtype=pl.Int32)
    return tuple(distinct.to_list()), _job_column_i32(indices)


def trace_names_and_bit_masks(name_lists: pl.Series) -> tuple[tuple[str, ...], I64]:
    """Return the distinct names in lists such as `A|B`, and each row's bits.

    >>> names, bits = trace_names_and_bit_masks(pl.Series(["", "V100", "T4|V100"]))
    >>> names, bits.tolist()
    (('V100', 'T4'), [0, 1, 3])
    """
    spellings, code = job_names_and_codes(name_lists)
    names = _distinct_trace_names(spellings)
    bits = [
        # A set, because a name that stands twice in a list would carry into the next bit.
        sum(1 << names.index(name) for name in set(_split_trace_name_list(text)))
        for text in spellings
    ]
    return names, np.array(bits, np.int64)[code]


def names_in_draft_lists(draft: DraftWorkload, column: str) -> tuple[str, ...]:
    """Return the distinct names in a column of lists such as `A|B`."""
    if column not in draft.frame.columns:
        return ()
    return _distinct_trace_names(job_names_and_codes(draft.frame[column])[0])


def _distinct_trace_names(name_lists: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(name for text in name_lists for name in _split_trace_name_list(text))
    )


def _split_trace_name_list(name_list: str) -> list[str]:
    return [name.strip() for name in name_list.split("|") if name.strip()]


def _job_frame_with_default_columns(job_frame: pl.DataFrame) -> pl.DataFrame:
    absent = [expr.alias(name) for name, expr in _DEFAULTS.items() if name not in job_frame.columns]
    if "estimate_ms" not in job_frame.columns:
        # A log without estimates gives the scheduler the truth, so that backfilling looks its best.
        absent.append(pl.col("runtime_ms").alias("estimate_ms"))
    return job_frame.with_columns(absent).rechunk()


def _job_column_i64(job_column: pl.Series) -> I64:
    return np.ascontiguousarray(job_column.cast(pl.Int64).to_numpy(writable=True))


def _job_column_i32(job_column: pl.Series) -> I32:
    return np.ascontiguousarray(job_column.cast(pl.Int32).to_numpy(writable=True))
