"""One trace read from a file of any known format, or several on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commonwatt.core.errors import UsageError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.workload import Workload
from commonwatt.fleet.io.traces.detect import detect_trace_format, trace_format_named
from commonwatt.fleet.io.traces.draft import (
    MOST_NAMES,
    DraftWorkload,
    is_sorted_by_job_submission,
    join_draft_workloads,
    names_in_draft_lists,
    workload_of_draft,
)
from commonwatt.fleet.io.traces.mapped import load_trace_column_mapping, read_mapped_jobs
from commonwatt.fleet.io.traces.requests import RequestTrace
from commonwatt.fleet.io.traces.rows import ReadingGaps, SkippedRows
from commonwatt.fleet.io.traces.source import TraceSource, open_trace_source


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRead:
    """A trace as it was read.

    Args:
        path: The file.
        format: Name of its format.
        sha256: Digest of the file as it stands on disk.
        jobs: The jobs; None for a trace of requests.
        requests: The requests; None for a trace of jobs.
        dropped: Rows left out, by reason.
        filled: Rows where a stand-in was used, by reason.
        notes: What should be said about the whole file.
    """

    path: Path
    format: str
    sha256: str
    jobs: Workload | None
    requests: RequestTrace | None
    dropped: tuple[SkippedRows, ...]
    filled: tuple[SkippedRows, ...]
    notes: tuple[Message, ...]

    @property
    def workload(self) -> Workload:
        """The jobs.

        Raises:
            UsageError: The trace holds requests, not jobs.
        """
        if self.jobs is None:
            raise _trace_not_of_jobs_error(self.path)
        return self.jobs

    def reading_sentences(self, language: str = "en") -> list[str]:
        """Return what should be said of the reading: rows left out, stand-ins, notes."""
        dropped = [_skipped_rows_sentence(_LEFT_OUT, gap, language) for gap in self.dropped]
        filled = [_skipped_rows_sentence(_STOOD_IN, gap, language) for gap in self.filled]
        return dropped + filled + [note.translate(language) for note in self.notes]

    def trace_as_dict(self) -> dict[str, object]:
        """Return what was read and what was not, for `--json`, in English."""
        rows = len(self.jobs) if self.jobs is not None else None
        return {
            "path": str(self.path),
            "format": self.format,
            "sha256": self.sha256,
            "jobs": rows,
            "requests": self.requests.summary_as_dict() if self.requests is not None else None,
            "dropped": [_skipped_rows_as_dict(gap) for gap in self.dropped],
            "filled": [_skipped_rows_as_dict(gap) for gap in self.filled],
            "notes": [str(note) for note in self.notes],
        }


_LEFT_OUT = Message("Rows left out: {count}, the first being row {row}: {reason}")
_STOOD_IN = Message("Rows read with a stand-in: {count}, the first being row {row}: {reason}")


def _skipped_rows_sentence(form: Message, gap: SkippedRows, language: str) -> str:
    reason, row = gap.reason.translate(language), f"{gap.first_rows[0]:,}"
    details = {"count": f"{gap.count:,}", "row": row, "reason": reason}
    return Message(form.text, details).translate(language)


def _skipped_rows_as_dict(gap: SkippedRows) -> dict[str, object]:
    return {"reason": str(gap.reason), "rows": gap.count, "first_rows": list(gap.first_rows)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesRead:
    """Several traces as one workload.

    Args:
        workload: The jobs of all of them.
        reads: Each trace as it was read, in the order given.
    """

    workload: Workload
    reads: tuple[TraceRead, ...]


def read_trace(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002
    strict: bool = False,
    mapping: Path | None = None,
) -> TraceRead:
    """Return the trace in `path`.

    Args:
        path: CSV, Parquet or log; `.gz` and `.zst` are unpacked.
        format: One of `FORMATS`; found from the content where not given.
        strict: Refuse any row that is incomplete, rather than count it.
        mapping: TOML file that says what the columns of a table mean.

    Raises:
        InputError: The file cannot be read, or is of no known format.
        TraceError: A row holds a bad value.
    """
    return _read_trace_and_content(path, format, strict, mapping)[0]


def read_traces(
    paths: Sequence[Path],
    *,
    format: str | None = None,  # noqa: A002
    strict: bool = False,
    mapping: Path | None = None,
    clock: str = "shared",
) -> TracesRead:
    """Return the traces in `paths` as one workload.

    With several files a job's name gains that of its file, and the jobs of a file
    that names no tenant belong to a tenant of the file's name.

    Args:
        paths: The files, at least one.
        format: As for `read_trace`; the same for all.
        strict: As for `read_trace`.
        mapping: As for `read_trace`; the same for all.
        clock: `shared` keeps the traces' own clock, which must be the same for all;
            `start` lets every trace begin at 0.

    Raises:
        UsageError: A trace holds requests, or the traces count on different clocks.
        InputError: As for `read_trace`.
    """
    contents = [_read_trace_and_content(path, format, strict, mapping) for path in paths]
    reads = tuple(read for read, _ in contents)
    drafts = [_trace_jobs_refusing_requests(read, draft) for read, draft in contents]
    if len(reads) == 1:
        return TracesRead(workload=reads[0].workload, reads=reads)
    if clock == "shared":
        _check_traces_share_clock(drafts)
    else:
        drafts = [draft.on_clock_from_first_job() for draft in drafts]
    # The drafts and not the workloads: those have left their file's clock, on which several traces
    # are brought together.
    named = [
        draft.with_names_unique_to_file(read.path)
        for draft, read in zip(drafts, reads, strict=True)
    ]
    return TracesRead(workload=workload_of_draft(join_draft_workloads(named)), reads=reads)


def _read_trace_and_content(
    path: Path, format_name: str | None, strict: bool, mapping: Path | None
) -> tuple[TraceRead, DraftWorkload | RequestTrace]:
    if mapping is not None and format_name not in (None, "table"):
        wanted = Message("table, because --mapping describes one")
        raise UsageError("--format", found=str(format_name), wanted=wanted)
    source, gaps = open_trace_source(path), ReadingGaps(strict)
    if mapping is not None:
        return _trace_read_of_content(
            source, "table", read_mapped_jobs(source, load_trace_column_mapping(mapping)), gaps
        )
    form = trace_format_named(format_name) if format_name else detect_trace_format(source)
    return _trace_read_of_content(source, form.name, form.read(source, gaps), gaps)


def _trace_read_of_content(
    source: TraceSource, name: str, content: DraftWorkload | RequestTrace, gaps: ReadingGaps
) -> tuple[TraceRead, DraftWorkload | RequestTrace]:
    # Here and not in each reader, so that a format added later is held to the same.
    if isinstance(content, DraftWorkload):
        _check_some_jobs_left(source, content)
        _check_gpu_type_and_site_counts_fit(source, content)
        _note_unsorted_submissions(content, gaps)
    read = TraceRead(
        path=source.path,
        format=name,
        sha256=source.sha256,
        jobs=workload_of_draft(content) if isinstance(content, DraftWorkload) else None,
        requests=content if isinstance(content, RequestTrace) else None,
        dropped=tuple(gaps.dropped),
        filled=tuple(gaps.filled),
        notes=tuple(gaps.notes),
    )
    return read, content


def _check_some_jobs_left(source: TraceSource, draft: DraftWorkload) -> None:
    if not draft.frame.height:
        raise source.error(
            source.file_name,
            found=Message("no job that ran"),
            wanted=Message("at least one job with a start and an end"),
        )


def _check_gpu_type_and_site_counts_fit(source: TraceSource, draft: DraftWorkload) -> None:
    for column in ("gpu_types", "sites"):
        count = len(names_in_draft_lists(draft, column))
        if count > MOST_NAMES:
            raise source.error(
                table_cell_location_text(source.file_name, column=column),
                found=Message("{count} different names", {"count": f"{count:,}"}),
                wanted=Message("at most {most} different names", {"most": str(MOST_NAMES)}),
            )


def _note_unsorted_submissions(draft: DraftWorkload, gaps: ReadingGaps) -> None:
    submit = draft.frame["submit_ms"].to_numpy()
    if not is_sorted_by_job_submission(submit):
        early = int(np.count_nonzero(submit[1:] < submit[:-1]))
        gaps.add_trace_reading_note(
            Message(
                "Jobs that stood below a later one: {count}; the jobs were sorted.",
                {"count": f"{early:,}"},
            )
        )


def _trace_jobs_refusing_requests(
    read: TraceRead, content: DraftWorkload | RequestTrace
) -> DraftWorkload:
    if isinstance(content, RequestTrace):
        raise _trace_not_of_jobs_error(read.path)
    return content


def _trace_not_of_jobs_error(path: Path) -> UsageError:
    actual = Message("requests to a language model")
    return UsageError(str(path), found=actual, wanted=Message("a trace of jobs"))


def _check_traces_share_clock(drafts: list[DraftWorkload]) -> None:
    clocks = sorted({draft.clock for draft in drafts})
    if len(clocks) > 1:
        raise UsageError(
            "--trace",
            found=Message("traces on the clocks {names}", {"names": ", ".join(clocks)}),
            wanted=Message("traces on one clock"),
            remedy=Message("Let every trace begin at 0 with --clock start."),
        )
