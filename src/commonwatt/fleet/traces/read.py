"""The front door: read one trace, or several on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.traces.detect import detect, format_named
from commonwatt.fleet.traces.draft import Draft, is_sorted, to_workload
from commonwatt.fleet.traces.registry import Format
from commonwatt.fleet.traces.requests import Requests
from commonwatt.fleet.traces.rows import Gap, Gaps
from commonwatt.fleet.traces.source import Source, open_source
from commonwatt.fleet.workload import Workload


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
    requests: Requests | None
    dropped: tuple[Gap, ...]
    filled: tuple[Gap, ...]
    notes: tuple[Message, ...]

    @property
    def workload(self) -> Workload:
        """The jobs.

        Raises:
            UsageError: The trace holds requests, not jobs.
        """
        if self.jobs is None:
            raise UsageError(
                str(self.path),
                found=Message("requests to a language model"),
                wanted=Message("a trace of jobs"),
            )
        return self.jobs


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
    source = open_source(path)
    form = format_named(format) if format else detect(source)
    gaps = Gaps(strict)
    return _finished(source, form, form.read(source, gaps), gaps)


def _finished(source: Source, form: Format, found: Draft | Requests, gaps: Gaps) -> TraceRead:
    jobs = to_workload(found) if isinstance(found, Draft) else None
    if isinstance(found, Draft):
        _note_disorder(found, gaps)
    return TraceRead(
        path=source.path,
        format=form.name,
        sha256=source.sha256,
        jobs=jobs,
        requests=found if isinstance(found, Requests) else None,
        dropped=tuple(gaps.dropped),
        filled=tuple(gaps.filled),
        notes=tuple(gaps.notes),
    )


def _note_disorder(draft: Draft, gaps: Gaps) -> None:
    submit = draft.frame["submit_ms"].to_numpy()
    if not is_sorted(submit):
        early = int(np.count_nonzero(submit[1:] < submit[:-1]))
        gaps.note("{count} jobs stood after a later one; the jobs were sorted.", count=f"{early:,}")


def read_traces(
    paths: Sequence[Path],
    *,
    format: str | None = None,  # noqa: A002
    strict: bool = False,
    mapping: Path | None = None,
) -> list[TraceRead]:
    """Return the traces in `paths`, each on its own clock."""
    return [read_trace(path, format=format, strict=strict, mapping=mapping) for path in paths]
