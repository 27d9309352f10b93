"""What a first programme is asked to be, and what is known of each value as it is made."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from commonwatt.core.messages import Message

SHIPPED_TRACE: Final = "shipped:traces/itp_ten_days.parquet"
RENTED: Final = "rented"  # name of the site that stands for renting


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeStart:
    """What a first programme is asked to be.

    Args:
        path: The file to write.
        region: A region of the library.
        place: The place itself, where the library does not hold it; all of the region's
            figures are then borrowed.
        zone: Country of that place by its code, alone or with a grid zone: `KE`.
        trace: A trace file, or `shipped:NAME`; the shipped slice where none is named.
        format: Format of the trace; found by itself where none is named.
        mapping: Mapping file of a generic trace.
        country: A shipped country or a folder of one's own; nobody borrows where none is named.
        currency_per_usd: Exchange rate; that of the library where none is named.
        language: Language of the comments and of the sources that are written.
        replace: Whether a file that is there may be replaced.
    """

    path: Path
    region: str
    place: str = ""
    zone: str = ""
    trace: str = SHIPPED_TRACE
    format: str | None = None
    mapping: Path | None = None
    country: str = ""
    currency_per_usd: float | None = None
    language: str = "en"
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedProgramme:
    """A first programme as it was written.

    Args:
        path: Where it stands.
        site: Name of its hall.
        jobs: Jobs of its trace.
        gpus: GPUs of its hall.
        assumptions: Paths of what is assumed in it.
        borrowed: Paths of what is borrowed from another place in it.
    """

    path: Path
    site: str
    jobs: int
    gpus: int
    assumptions: tuple[str, ...]
    borrowed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedPool:
    """Nodes of one model of GPU, as a first programme has them.

    Args:
        gpu: The model.
        nodes: How many nodes.
        gpus_per_node: GPUs of each.
    """

    gpu: str
    nodes: int
    gpus_per_node: int


@dataclass(slots=True, kw_only=True)
class StartedFile:
    """A programme in the making: its tables, and what is known of each value.

    Args:
        language: Language of what is said.
        document: The tables.
        before: Remarks above a key or a table, by its path.
        after: Remarks below the keys of a table, by its path.
        assumptions: Paths of what is assumed.
        borrowed: Paths of what is another place's.
    """

    language: str
    document: dict[str, Any] = field(default_factory=dict[str, Any])
    before: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    after: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    assumptions: list[str] = field(default_factory=list[str])
    borrowed: list[str] = field(default_factory=list[str])

    def text(self, message: Message) -> str:
        """Return a sentence in the language of the file."""
        return message.translate(self.language)

    def add_value_remark_to_started_file(self, path: str, message: Message) -> None:
        """Say something of a value, above it."""
        self.before.setdefault(path, []).append(self.text(message))

    def note_assumed_value_of_started_file(self, path: str, message: Message) -> None:
        """Say that a value is assumed."""
        self.assumptions.append(path)
        self.add_value_remark_to_started_file(
            path, Message("ASSUMPTION: {what}", {"what": self.text(message)})
        )

    def note_value_of_other_place(self, path: str, owner: str) -> None:
        """Say that a value is another place's."""
        self.borrowed.append(path)
        self.add_value_remark_to_started_file(
            path, Message("BORROWED from {place}: put in your own.", {"place": owner})
        )


def path_relative_to_programme_folder(path: Path, programme: Path) -> str:
    """Return a file's path as a programme names it, from the folder that it stands in."""
    return os.path.relpath(path.resolve(), programme.parent.resolve())
