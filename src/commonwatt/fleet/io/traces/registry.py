"""The formats, one line each, and how each is known by its content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import commonwatt.fleet.io.traces.acme as acme
import commonwatt.fleet.io.traces.azure_llm as azure_llm
import commonwatt.fleet.io.traces.helios as helios
import commonwatt.fleet.io.traces.itp as itp
import commonwatt.fleet.io.traces.mapped as mapped
import commonwatt.fleet.io.traces.mooncake as mooncake
import commonwatt.fleet.io.traces.openb as openb
import commonwatt.fleet.io.traces.philly as philly
import commonwatt.fleet.io.traces.philly_log as philly_log
import commonwatt.fleet.io.traces.sacct as sacct
import commonwatt.fleet.io.traces.servegen as servegen
import commonwatt.fleet.io.traces.swf as swf
from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.requests import RequestTrace
from commonwatt.fleet.io.traces.rows import ReadingGaps
from commonwatt.fleet.io.traces.source import TraceSource

Reader = Callable[[TraceSource, ReadingGaps], "DraftWorkload | RequestTrace"]


@dataclass(frozen=True, slots=True)
class TraceFormat:
    """A published trace format.

    Args:
        name: As `--format` spells it.
        meaning: What it is.
        columns: A table that has them all is of this format; the first that fits wins.
        read: Its reader.
        recognises: Knows the format by other signs than its columns.
    """

    name: str
    meaning: Message
    columns: tuple[str, ...]
    read: Reader
    recognises: Callable[[TraceSource], bool] | None = None


# In this order they are tried. A table of plain names comes after the published ones, because it
# needs the fewest columns.
FORMATS: Final[dict[str, TraceFormat]] = {
    form.name: form
    for form in (
        TraceFormat(
            "openb", Message("Alibaba GPU trace 2023, pods"), openb.COLUMNS, openb.read_openb_pods
        ),
        TraceFormat(
            "philly",
            Message("Microsoft Philly, cleaned table"),
            philly.COLUMNS,
            philly.read_philly_jobs,
        ),
        TraceFormat(
            "philly-log",
            Message("Microsoft Philly, published log"),
            (),
            philly_log.read_philly_log_jobs,
            recognises=philly_log.is_philly_log,
        ),
        TraceFormat("itp", Message("Microsoft ITP training jobs"), itp.COLUMNS, itp.read_itp_jobs),
        TraceFormat(
            "helios", Message("SenseTime Helios job log"), helios.COLUMNS, helios.read_helios_jobs
        ),
        TraceFormat(
            "acme", Message("Shanghai AI Lab Acme job log"), acme.COLUMNS, acme.read_acme_jobs
        ),
        TraceFormat(
            "swf",
            Message("Standard Workload Format 2.2"),
            (),
            swf.read_swf_jobs,
            recognises=swf.is_swf_log,
        ),
        TraceFormat(
            "sacct",
            Message("Slurm sacct --parsable2"),
            (),
            sacct.read_sacct_jobs,
            recognises=sacct.is_sacct_listing,
        ),
        TraceFormat(
            "table",
            Message("a table of our names, or of any with --mapping"),
            mapped.COLUMNS,
            mapped.read_table_of_jobs,
        ),
        TraceFormat(
            "azure-llm",
            Message("Azure LLM inference requests"),
            (),
            azure_llm.read_azure_llm_requests,
            recognises=azure_llm.is_azure_llm_trace,
        ),
        TraceFormat(
            "mooncake",
            Message("Mooncake requests"),
            (),
            mooncake.read_mooncake_requests,
            recognises=mooncake.is_mooncake_trace,
        ),
        TraceFormat(
            "servegen",
            Message("ServeGen request rates"),
            (),
            servegen.read_servegen_rates,
            recognises=servegen.is_servegen_trace,
        ),
    )
}
