"""What a page shows, as data: facts, charts and tables.

A page's `build` returns a `PageView`; templates, SVG, scripts, CSV, Parquet and JSON
are all made from it, so a page never draws or formats anything itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.measures import (
    Measure,
    TableColumn,
    measure_label_message,
    measure_label_text,
    measure_value_text,
    shown_measure_unit_text,
)
from commonwatt.core.messages import Message
from commonwatt.report.charts.specification import Chart

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.catalogue.tables import TableSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """A table that can be fetched: paged on screen, whole as CSV, Parquet and JSON.

    Args:
        key: Names the content, such as `run/fc83…/fleet_jobs`; the same key always
            stands for the same rows, so what is derived from them is kept under it.
        load: Returns the rows; called only when they are needed.
        size: Number of rows where it is known without loading.
        parquet: The file that they lie in, where they lie in one.
    """

    key: str
    load: Callable[[], pl.DataFrame]
    size: int | None = None
    parquet: Path | None = None


@dataclass(frozen=True, slots=True)
class ColumnHeading:
    """How a column is called on screen.

    Args:
        column: Its name in the table.
        label: What people call it.
        unit: The unit of its values, where the catalogue does not say it.
        of: What the catalogue says of it: its label, and how its values are written.
        currency: The money of the page, where the figure is in a country's own.
    """

    column: str
    label: Message
    unit: str = ""
    of: TableColumn | None = None
    currency: str = ""

    def heading_unit_text_or_blank(self, language: str) -> str:
        """Return the unit that stands under the label."""
        if self.of is None:
            return self.unit
        return shown_measure_unit_text(self.of, language, currency=self.currency)


def console_column_headings_of(
    table: TableSchema, *names: str, currency: str = ""
) -> list[ColumnHeading]:
    """Return columns of a declared table as headings, in the order of `names`; all where none."""
    columns = [table.column(name) for name in names] or list(table.columns)
    return [console_column_heading_of(column, currency=currency) for column in columns]


def console_headings_of_names(names: Iterable[str]) -> list[ColumnHeading]:
    """Return columns under their own names: of a table that nobody declared, such as a user's."""
    return [ColumnHeading(name, Message(name)) for name in names]


def console_column_heading_of(column: TableColumn, *, currency: str = "") -> ColumnHeading:
    """Return a declared column as a heading."""
    return ColumnHeading(column.name, measure_label_message(column), of=column, currency=currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableListing:
    """One table of a page.

    Args:
        name: Its name in addresses; letters, digits and `-`.
        title: Its heading.
        rows: Where its rows come from.
        headings: The columns on screen, in order; files hold every column.
        note: What a reader should know, such as a definition.
        extent: Of how many GPUs and how long its figures speak.
        folded: Shown only on its own page and under its chart.
    """

    name: str
    title: Message
    rows: TableRows
    headings: Sequence[ColumnHeading]
    note: Message | None = None
    extent: Message | None = None
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadlineFact:
    """A headline figure: its definition in `note`, of what in `extent`, and where it leads."""

    label: Message
    value: str
    note: Message | None = None
    link: str = ""
    extent: Message | None = None


def page_headline_fact_of_figure(
    figure: Measure | TableColumn,
    value: object,
    language: str,
    *,
    subject: str = "",
    note: Message | None = None,
    link: str = "",
    currency: str = "",
    extent: Message | None = None,
) -> HeadlineFact:
    """Return a headline figure with the label and the form that the catalogue gives it."""
    return HeadlineFact(
        # Already in the reader's language, as the subject is a name that no catalogue holds; a
        # Message without a translation shows its own text.
        label=Message(measure_label_text(figure, language, subject=subject))
        if subject
        else measure_label_message(figure),
        value=measure_value_text(value, figure, language, currency=currency),
        note=note,
        link=link,
        extent=extent,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSubject:
    """The study that a page speaks of.

    Args:
        title: What it is called, with what was changed in a what-if.
        what_if: Id of its run where it is a what-if, so that nobody takes it for its base.
        public: Whether it is the study that was pinned as the public one.
        own: File of a programme of one's own, which may bear the title of the one it was drawn
            up from; empty for a programme that comes with Commonwatt.
    """

    title: Message
    what_if: str = ""
    own: str = ""
    public: bool = False


def page_headline_fact_of_texts(label: str, value: str, note: Message) -> HeadlineFact:
    """Return a headline figure of texts that the catalogue has made, in the reader's language."""
    return HeadlineFact(label=Message(label), value=value, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """Everything that one page shows for its parameters.

    Args:
        lede: One or two sentences that say the answer.
        subject: Of which study the page speaks, where it speaks of one: its title, with what
            was changed in a what-if.
        facts: Headline figures.
        charts: Charts in order.
        tables: Tables in order, those behind charts included.
        notes: Definitions and caveats, at the end.
        sources: Runs behind the figures, by id.
        extra: Whatever the page's own template shows besides.
        data: Plain values that the page's JSON carries besides.
        fleeting: Whether it shows what is under way, and is made anew for each who asks.
    """

    lede: Message
    subject: PageSubject | None = None
    facts: Sequence[HeadlineFact] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[TableListing] = ()
    notes: Sequence[Message] = ()
    sources: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fleeting: bool = False

    def table(self, name: str) -> TableListing | None:
        """Return the table of that name."""
        return next((table for table in self.tables if table.name == name), None)

    def chart(self, name: str) -> Chart | None:
        """Return the chart of that name."""
        return next((chart for chart in self.charts if chart.name == name), None)
