"""Slurm accounting as `sacct --parsable2 --allusers --format=…` prints it.

Schema: the sacct manual page (slurm.schedmd.com/sacct.html), fields by header: `JobID`
(`1234`, array task `1234_7`, step `1234.batch`), `Submit`, `Start`, `End` (`Unknown` or `None`
before they happen), `Elapsed` ([days-]hours:minutes:seconds), `ElapsedRaw` [s], `Timelimit`,
`TimelimitRaw` [min], `State`, `ReqTRES` and `AllocTRES` (`cpu=8,gres/gpu:a100=2,mem=64G,node=1`).
Accounts become tenants and job names groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from commonwatt.core.errors import table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.joblog import is_instant_column_zoned
from commonwatt.fleet.io.traces.rows import (
    MOST_GPUS,
    YEARS_100_S,
    ReadingGaps,
    TraceRows,
    check_trace_rows,
    shown_trace_cell,
    trace_instants_ms,
    trace_milliseconds,
    trace_text_column,
)
from commonwatt.fleet.io.traces.source import TraceSource, check_trace_is_text
from commonwatt.fleet.io.traces.tabular import (
    read_trace_rows,
    trace_column_names,
    trace_column_names_text_for_messages,
)

_ABSENT: Final = ("", "Unknown", "None", "N/A")
_NEVER: Final = ("PENDING", "REVOKED", "CONFIGURING")
_GOING_ON: Final = ("RUNNING", "SUSPENDED", "COMPLETING", "RESIZING", "REQUEUED", "STOPPED")
_CLOCK: Final = r"^(?:(\d{1,5})-)?(\d{1,3}):(\d{2}):(\d{2})(?:\.\d+)?$"
_MOST_MIB: Final = float(1 << 40)
_MIB: Final = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1048576.0, "P": 1073741824.0}


def is_sacct_listing(source: TraceSource) -> bool:
    """Return whether the header names a JobID between vertical bars."""
    if source.is_parquet:
        return False
    columns = trace_column_names(source, "|")
    return len(columns) > 1 and not {"JobID", "JobIDRaw"}.isdisjoint(columns)


def read_sacct_jobs(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:
    """Return the jobs of an accounting listing; job steps are left out."""
    check_trace_is_text(source)
    # `--parsable2` puts nothing in quotes, so that a lone quote in a job's name is a character like
    # any.
    rows = read_trace_rows(source, ("Submit",), separator="|", quote=False)
    _check_sacct_header(rows)
    rows = _ended_sacct_job_rows(_sacct_rows_without_job_steps(rows, gaps), gaps)
    columns = _sacct_submit_runtime_estimate_ms(rows, gaps) | _sacct_resource_columns(rows, gaps)
    columns["job_id"] = trace_text_column(rows, _sacct_job_id_column(rows))
    for name, field in (("tenant", "Account"), ("user", "User"), ("group", "JobName")):
        if rows.has_column(field):
            columns[name] = trace_text_column(rows, field, missing="unknown")
    zoned = len(rows) > 0 and is_instant_column_zoned(rows, "Submit")
    return DraftWorkload(
        pl.DataFrame(columns), "utc" if zoned else "local", "(the cluster's wall clock)"
    )


def _check_sacct_header(rows: TraceRows) -> None:
    has_time = (
        rows.has_column("ElapsedRaw")
        or rows.has_column("Elapsed")
        or (rows.has_column("Start") and rows.has_column("End"))
    )
    has_size = rows.has_column("AllocTRES") or rows.has_column("ReqTRES")
    if has_time and has_size:
        return
    wanted = (
        Message("AllocTRES or ReqTRES")
        if has_time
        else Message("ElapsedRaw, Elapsed, or both Start and End")
    )
    actual = Message(
        "only the columns {names}",
        {"names": trace_column_names_text_for_messages(rows.frame.columns)},
    )
    raise rows.error(table_cell_location_text(rows.where, 1), found=actual, wanted=wanted)


def _sacct_job_id_column(rows: TraceRows) -> str:
    return "JobID" if rows.has_column("JobID") else "JobIDRaw"


def _sacct_rows_without_job_steps(rows: TraceRows, gaps: ReadingGaps) -> TraceRows:
    is_step = trace_text_column(rows, _sacct_job_id_column(rows)).str.contains(".", literal=True)
    return gaps.drop_rows_that_trace_format_skips(
        rows, is_step, Message("a step of a job that has a line of its own")
    )


def _ended_sacct_job_rows(rows: TraceRows, gaps: ReadingGaps) -> TraceRows:
    state = _first_word_of_sacct_column(rows, "State")
    never = state.is_in(_NEVER) | _absent_sacct_cell_flags(rows, "Start")
    rows = gaps.drop_incomplete_rows_or_refuse_if_strict(
        rows, never, Message("the job never started")
    )
    going_on = _first_word_of_sacct_column(rows, "State").is_in(
        _GOING_ON
    ) | _absent_sacct_cell_flags(rows, "End")
    return gaps.drop_incomplete_rows_or_refuse_if_strict(
        rows, going_on, Message("the job had not ended")
    )


def _first_word_of_sacct_column(rows: TraceRows, column: str) -> pl.Series:
    if not rows.has_column(column):
        return pl.Series([""]).new_from_index(0, len(rows))
    # `CANCELLED by 1000` is one state and the number of a user.
    return rows.frame[column].fill_null("").str.extract(r"^\s*(\S*)")


def _absent_sacct_cell_flags(rows: TraceRows, column: str) -> pl.Series:
    if not rows.has_column(column):
        return pl.Series([False]).new_from_index(0, len(rows))
    return rows.frame[column].fill_null("").is_in(_ABSENT)


def _sacct_submit_runtime_estimate_ms(rows: TraceRows, gaps: ReadingGaps) -> dict[str, pl.Series]:
    submit = trace_instants_ms(rows, "Submit")
    between = _sacct_duration_from_start_ms(rows, submit)
    if rows.has_column("ElapsedRaw"):
        runtime = trace_milliseconds(rows, "ElapsedRaw")
    else:
        runtime = _sacct_elapsed_ms(rows) if rows.has_column("Elapsed") else between
    return {
        "submit_ms": submit,
        "runtime_ms": runtime,
        "estimate_ms": _sacct_time_limit_ms(rows, runtime, gaps),
    }


def _sacct_duration_from_start_ms(rows: TraceRows, submit: pl.Series) -> pl.Series:
    """Return the time from start to end, checked; from submission where there is no start."""
    start, end = submit, submit
    if rows.has_column("Start"):
        start = end = trace_instants_ms(rows, "Start")
        check_trace_rows(
            rows, "Start", start < submit, _sacct_instant_wanted_at_or_after_message("Submit")
        )
    if rows.has_column("End"):
        end = trace_instants_ms(rows, "End")
        check_trace_rows(
            rows, "End", end < start, _sacct_instant_wanted_at_or_after_message("Start")
        )
        soon = Message("an instant less than a hundred years after the start")
        check_trace_rows(rows, "End", end - start > YEARS_100_S * 1000, soon)
    return end - start


def _sacct_instant_wanted_at_or_after_message(column: str) -> Message:
    return Message("an instant at or after {column}", {"column": column})


def _sacct_elapsed_ms(rows: TraceRows) -> pl.Series:
    elapsed = _sacct_clock_text_ms(rows.frame["Elapsed"])
    wanted = Message("a length of time such as 1-02:03:04, at most a hundred years")
    check_trace_rows(rows, "Elapsed", elapsed.is_null() | (elapsed > YEARS_100_S * 1000), wanted)
    return elapsed


def _sacct_time_limit_ms(rows: TraceRows, runtime: pl.Series, gaps: ReadingGaps) -> pl.Series:
    """Return the time limit; the manual allows words such as UNLIMITED, which are none."""
    if rows.has_column("TimelimitRaw"):
        limit = rows.frame["TimelimitRaw"].cast(pl.Int64, strict=False) * 60_000
    elif rows.has_column("Timelimit"):
        # Without the raw minutes the limit is a clock, as is the elapsed time.
        limit = _sacct_clock_text_ms(rows.frame["Timelimit"])
    else:
        return runtime
    is_none = limit.is_null() | (limit <= 0) | (limit > YEARS_100_S * 1000)
    gaps.count_filled_rows_or_refuse_if_strict(
        rows, is_none, Message("no time limit; the run time stands in for it")
    )
    return runtime.zip_with(is_none, limit)


def _sacct_clock_text_ms(clock_texts: pl.Series) -> pl.Series:
    parts = clock_texts.str.strip_chars().str.extract_groups(_CLOCK).struct.unnest()
    days, hours, minutes, seconds = (parts.to_series(i).cast(pl.Int64) for i in range(4))
    return (((days.fill_null(0) * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000


def _sacct_resource_columns(rows: TraceRows, gaps: ReadingGaps) -> dict[str, pl.Series]:
    type_column = "ReqTRES" if rows.has_column("ReqTRES") else "AllocTRES"
    size_column = "AllocTRES" if rows.has_column("AllocTRES") else "ReqTRES"
    if type_column == size_column == "AllocTRES":
        gaps.add_trace_reading_note(
            Message("Without ReqTRES the GPU types allocated are taken as those requested.")
        )
    tres = rows.frame[size_column].fill_null("").str.strip_chars()
    # `AllocTRES` may be empty; what was requested is then the best that is known of the size.
    tres = tres.zip_with(tres != "", rows.frame[type_column].fill_null("").str.strip_chars())
    sizes = _sacct_frame_computed_once_by_spelling(tres, _sacct_tres_gpu_cpu_memory_columns)
    gpus = sizes["gpus"]
    bad = gpus.is_null() | (gpus > MOST_GPUS)
    _check_sacct_tres(rows, size_column, bad, tres, Message("a count such as gres/gpu=8"))
    _check_sacct_tres(
        rows, size_column, sizes["memory_mib"].is_null(), tres, Message("a size such as mem=64G")
    )
    types = _sacct_frame_computed_once_by_spelling(
        rows.frame[type_column].fill_null(""), _sacct_tres_gpu_types
    )
    return {
        "gpus": gpus,
        "cpu_milli": sizes["cpu_milli"],
        "memory_mib": sizes["memory_mib"],
        "gpu_types": types["gpu_types"],
    }


def _check_sacct_tres(
    rows: TraceRows, column: str, bad: pl.Series, tres: pl.Series, wanted: Message
) -> None:
    if bad.any():
        at = bad.arg_max() or 0
        raise rows.error(
            rows.trace_cell_location_text(at, column),
            found=shown_trace_cell(tres[at]),
            wanted=wanted,
        )


def _sacct_frame_computed_once_by_spelling(
    sacct_texts: pl.Series, work_out: Callable[[pl.Series], pl.DataFrame]
) -> pl.DataFrame:
    """Return `work_out` of each value, worked out once for each spelling."""
    spellings = sacct_texts.alias("tres").to_frame()
    distinct = spellings.unique(maintain_order=True)
    distinct = pl.concat([distinct, work_out(distinct["tres"])], how="horizontal")
    return spellings.join(distinct, on="tres", how="left", maintain_order="left")


def _sacct_tres_gpu_cpu_memory_columns(tres: pl.Series) -> pl.DataFrame:
    memory = tres.str.extract_groups(r"(?:^|,)mem=([0-9.]+)([KMGTP]?)(?:,|$)").struct.unnest()
    per_unit = memory.to_series(1).replace_strict(_MIB, default=1.0, return_dtype=pl.Float64)
    mib = memory.to_series(0).cast(pl.Float64, strict=False) * per_unit
    # No `mem` is unknown, hence 0; a `mem` that cannot be read stays null and is refused.
    mib = mib.set(~tres.str.contains(r"(?:^|,)mem="), 0.0)
    cpus = tres.str.extract(r"(?:^|,)cpu=(\d+)(?:,|$)").cast(pl.Int64, strict=False)
    return pl.DataFrame(
        {
            "gpus": _sacct_tres_gpu_count(tres),
            "cpu_milli": cpus.fill_null(0) * 1000,
            "memory_mib": mib.set(mib > _MOST_MIB, None).ceil().cast(pl.Int64),
        }
    )


def _sacct_tres_gpu_count(tres: pl.Series) -> pl.Series:
    """Return the GPUs: the plain count, or the sum over types where there is none."""
    plain = tres.str.extract(r"(?:^|,)gres/gpu=(\d+)(?:,|$)").cast(pl.Int64, strict=False)
    typed = tres.str.extract_all(r"gres/gpu:[^=,]+=\d+(?:,|$)")
    counts = typed.list.eval(pl.element().str.extract(r"=(\d+)").cast(pl.Int64, strict=False))
    total = counts.list.sum()
    # Typed counts repeat the plain one where a cluster configures both: they are added up only
    # where there is no plain one.
    unread = tres.str.contains("gres/gpu", literal=True) & (typed.list.len() == 0)
    return plain.zip_with(plain.is_not_null(), total.set(unread, None))


def _sacct_tres_gpu_types(tres: pl.Series) -> pl.DataFrame:
    typed = tres.str.extract_all(r"gres/gpu:[^=,]+=")
    names = typed.list.eval(pl.element().str.extract(r"gres/gpu:([^=,]+)="))
    return pl.DataFrame({"gpu_types": names.list.join("|")})
