"""The formats, one line each, and how each is known by its content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.fleet.traces import itp, openb, philly
from commonwatt.fleet.traces.draft import Draft
from commonwatt.fleet.traces.requests import Requests
from commonwatt.fleet.traces.rows import Gaps
from commonwatt.fleet.traces.source import Source

Reader = Callable[[Source, Gaps], "Draft | Requests"]


@dataclass(frozen=True, slots=True)
class Format:
    """A published trace format.

    Args:
        name: As `--format` spells it.
        meaning: What it is.
        columns: A table that has them all is of this format; the first that fits wins.
        read: Its reader.
        separator: What stands between the fields of its text form.
        recognises: Knows the format by other signs than its columns.
    """

    name: str
    meaning: Message
    columns: tuple[str, ...]
    read: Reader
    separator: str = ","
    recognises: Callable[[Source], bool] | None = None


FORMATS: Final[dict[str, Format]] = {
    form.name: form
    for form in (
        Format("openb", Message("Alibaba GPU trace 2023, pods"), openb.COLUMNS, openb.read),
        Format("philly", Message("Microsoft Philly, cleaned table"), philly.COLUMNS, philly.read),
        Format("itp", Message("Microsoft ITP training jobs"), itp.COLUMNS, itp.read),
    )
}
