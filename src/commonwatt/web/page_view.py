"""What a page shows, as data: facts, charts and tables.

A page's `build` returns a `PageView`; templates, SVG, scripts, CSV, Parquet and JSON
are all made from it, so a page never draws or formats anything itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.measures import (
    Measure,
    TableColumn,
    measure_label_message,
    measure_label_text,
    measure_value_text,
    shown_measure_unit,
)
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.catalogue.tables import TableSchema


class ChartForm(StrEnum):
    """How a chart is drawn; each has a drawing without script and one with."""

    LINES = "lines"  # long series over a number: uPlot
    AREAS = "areas"  # the same, stacked: uPlot
    FAN = "fan"  # bands around a median over names: ECharts
    BARS = "bars"  # horizontal, stacked, by name: ECharts
    COLUMNS = "columns"  # vertical, stacked, by name: ECharts
    RANGES = "ranges"  # from a low to a high by name, with a mark: ECharts
    POINTS = "points"  # one mark a series by name, or x against y: ECharts
    HEAT = "heat"  # a value by two names: ECharts
    LIVE = "live"  # lines that grow while the page is open: uPlot


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """A table that can be fetched: paged on screen, whole as CSV, Parquet and JSON.

    Args:
        key: Names the content, such as `run/fc83…/fleet_jobs`; the same key always
            stands for the same rows, so what is derived from them is kept under it.
        load: Returns the rows; called only when they are needed.
        size: Number of rows where it is known without loading.
    """

    key: str
    load: Callable[[], pl.DataFrame]
    size: int | None = None


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

    def shown_unit(self, language: str) -> str:
        """Return the unit that stands under the label."""
        if self.of is None:
            return self.unit
        return shown_measure_unit(self.of, language, currency=self.currency)


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


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """One line, bar part or mark of a chart: a column and what it is called.

    Args:
        column: Column of the chart's table.
        label: What the legend says; a name from the data is a plain string.
        where: For tables in long form: only rows whose column has this value.
        low: For `FAN` and `RANGES`: the column of the lower edge.
        high: The column of the upper edge.
    """

    column: str
    label: Message | str
    where: tuple[str, str] | None = None
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart over one of the page's tables.

    Args:
        name: Its name in addresses.
        title: Its heading.
        caption: What it shows, under which definition, and what to see in it; also
            what a screen reader says.
        form: How it is drawn.
        table: Name of the `TableListing` that it draws and that stands for it without eyes.
        x: Column of the horizontal axis, or of the names in `BARS` and `RANGES`.
        x_label: Label of the horizontal axis.
        series: What is drawn.
        unit: Unit of the values, as the axis says it, where no measure says it.
        measure: What the values are: label, unit and conversion come from the catalogue.
        currency: The money of the values, where they are in a country's own.
        y: Column of the vertical names, for `HEAT`.
        logarithmic: Whether values stand on a logarithmic axis.
        line: A column drawn as a dashed line over stacked areas or columns.
        feed: Address of new points, for `LIVE`.
    """

    name: str
    title: Message
    caption: Message
    form: ChartForm
    table: str
    x: str
    x_label: Message | str = ""
    series: Sequence[ChartSeries]
    unit: str = ""
    measure: Measure | TableColumn | None = None
    currency: str = ""
    y: str = ""
    logarithmic: bool = False
    line: ChartSeries | None = None
    feed: str = ""


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
    """

    title: Message
    what_if: str = ""
    public: bool = False


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

    def table(self, name: str) -> TableListing | None:
        """Return the table of that name."""
        return next((table for table in self.tables if table.name == name), None)

    def chart(self, name: str) -> Chart | None:
        """Return the chart of that name."""
        return next((chart for chart in self.charts if chart.name == name), None)
