"""What a report consists of; every text is already in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One headline figure with its unit and the definition it follows."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A table as readers see it: headings with units, cells as text."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart, what it shows, and the table behind it.

    `data` is shown, folded away, under the chart; it must be small enough to read.
    """

    name: str
    title: str
    caption: str
    svg: str
    data: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the report, from one wing."""

    name: str
    title: str
    lede: str
    facts: list[Fact] = field(default_factory=list[Fact])
    figures: list[Figure] = field(default_factory=list[Figure])
    tables: list[Shown] = field(default_factory=list[Shown])
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole page."""

    title: str
    language: str
    summary: str
    sections: list[Section]
    birth: Shown
