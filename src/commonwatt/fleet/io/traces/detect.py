"""Which format a file is of, by what stands in it."""

from __future__ import annotations

from commonwatt.core.errors import InputError, UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.registry import FORMATS, TraceFormat
from commonwatt.fleet.io.traces.rows import shown_trace_cell
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import (
    first_trace_line,
    trace_column_names,
    trace_column_names_text_for_messages,
)

_SEPARATORS = (",", "|", ";", "\t", " ")


def trace_format_named(name: str) -> TraceFormat:
    """Return the format that `--format` names.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in FORMATS:
        names = ", ".join(FORMATS)
        raise UsageError(
            "--format",
            found=shown_trace_cell(name),
            wanted=Message("one of {names}", {"names": names}),
        )
    return FORMATS[name]


def detect_trace_format(source: TraceSource) -> TraceFormat:
    """Return the format of `source`.

    Raises:
        InputError: None fits; the message lists the formats and what was seen.
    """
    # Formats with a test of their own before those told by column names alone, which overlap
    # (helios, acme); among equals the order of the table decides.
    for form in FORMATS.values():
        if form.recognises is not None and form.recognises(source):
            return form
    for form in FORMATS.values():
        if form.columns and set(form.columns) <= set(trace_column_names(source)):
            return form
    raise _unknown_trace_format_error(source)


def _unknown_trace_format_error(source: TraceSource) -> InputError:
    return InputError(
        source.file_name,
        found=_trace_content_message(source),
        wanted=Message("one of the formats {names}", {"names": ", ".join(FORMATS)}),
        remedy=_trace_format_advice(source),
    )


def _trace_content_message(source: TraceSource) -> Message:
    if source.is_parquet:
        return Message(
            "a Parquet table with the columns {names}",
            {"names": trace_column_names_text_for_messages(trace_column_names(source))},
        )
    return Message("text that begins {line}", {"line": shown_trace_cell(first_trace_line(source))})


def _trace_format_advice(source: TraceSource) -> Message:
    if {"sn", "gpu", "model"} <= set(trace_column_names(source)):
        return Message("It is a node list; give it with --nodes.")
    form, separator = _trace_format_and_separator(source)
    present = set(trace_column_names(source, separator))
    missing = [name for name in form.columns if name not in present]
    if len(missing) == len(form.columns):
        return Message("Name the format with --format, or describe the columns with --mapping.")
    details = {
        "format": form.name,
        "missing": ", ".join(missing),
        "separator": shown_trace_cell(separator),
    }
    if missing:
        return Message("It is nearest to {format}, and lacks {missing}.", details)
    return Message("It is nearest to {format}, but its fields are split by {separator}.", details)


def _trace_format_and_separator(source: TraceSource) -> tuple[TraceFormat, str]:
    """Return the format, and the separator, that most of the header fits."""
    headers = {mark: set(trace_column_names(source, mark)) for mark in _SEPARATORS}
    candidates = [(form, mark) for form in FORMATS.values() if form.columns for mark in _SEPARATORS]
    return max(
        candidates,
        key=lambda pair: _share_of_trace_format_columns_present(pair[0], headers[pair[1]]),
    )


def _share_of_trace_format_columns_present(form: TraceFormat, header: set[str]) -> float:
    return len(header.intersection(form.columns)) / len(form.columns)
