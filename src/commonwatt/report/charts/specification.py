"""What a chart is, as data: one specification draws it in report, console, dossier and file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from commonwatt.catalogue.measures import Measure, TableColumn
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    import polars as pl


class ChartForm(StrEnum):
    """How a chart is drawn."""

    LINES = "lines"  # long series over a number
    AREAS = "areas"  # the same, stacked
    FAN = "fan"  # bands around a median over names
    BARS = "bars"  # horizontal, stacked, by name
    COLUMNS = "columns"  # vertical, stacked, by name
    RANGES = "ranges"  # from a low to a high by name, with a mark
    POINTS = "points"  # one mark a series by name
    SCATTER = "scatter"  # marks over a number, with curves between which they should lie
    HEAT = "heat"  # a value by two names
    LIVE = "live"  # lines that grow while the page is open


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """One line, bar part or mark of a chart: a column and what it is called.

    Args:
        column: Column of the chart's table; empty where only a range is drawn.
        label: What the legend says; a name from the data is a plain string.
        where: For tables in long form: only rows whose column has this value.
        low: For `FAN` and `RANGES`: the column of the lower edge.
        high: The column of the upper edge.
        inner_low: For `FAN`: the lower edge of a band within the band.
        inner_high: Its upper edge.
    """

    column: str
    label: Message | str
    where: tuple[str, str] | None = None
    low: str = ""
    high: str = ""
    inner_low: str = ""
    inner_high: str = ""


@dataclass(frozen=True, slots=True)
class ChartCurve:
    """A thin curve of a `SCATTER`, such as a limit of chance.

    Args:
        column: Its column of the chart's table.
        is_dashed: Whether it is drawn broken, as the nearer one of two limits.
    """

    column: str
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class ChartLimit:
    """A level that the values of a `LINES` are read against, over the whole width.

    Args:
        value: Where it lies, in the unit of the values.
        label: What it is called.
    """

    value: float
    label: Message | str


@dataclass(frozen=True, slots=True)
class ChartVerticals:
    """Places on a number axis that are marked by a vertical line, such as alarms.

    Args:
        places: Where they stand, in the unit of the axis.
        label: What they are called.
    """

    places: Sequence[float]
    label: Message | str


Finding = Callable[["pl.DataFrame", str], "Message | None"]
"""From a chart's table and a language to what its reader should see in it."""
Preparation = Callable[["pl.DataFrame", str], "pl.DataFrame"]
"""From a stored table and a language to what is drawn of it, such as the twelve widest rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart over one table.

    Args:
        name: Its name in addresses, and its anchor on a page.
        title: What it is of.
        caption: What is drawn, under which definition.
        form: How it is drawn.
        table: Name of the table that it draws and that stands for it without eyes.
        x: Column of the horizontal axis, or of the names in `BARS`, `RANGES` and `POINTS`.
        x_label: Label of the horizontal axis.
        axis_note: What the label of the values' axis adds, such as what stands in for nought.
        series: What is drawn.
        finding: What is to be seen in it, from the table; it is the heading where there is one.
        prepare: What is done with the table before it is drawn.
        unit: Unit of the values, as the axis says it, where no measure says it.
        measure: What the values are: label, unit and conversion come from the catalogue.
        currency: The money of the values, where they are in a country's own.
        y: Column of the vertical names of a `HEAT`.
        y_label: What these names are.
        names: Column of names written beside marks of a `SCATTER`; empty cells write nothing.
        logarithmic: Whether values stand on a logarithmic axis.
        x_logarithmic: Whether the horizontal axis of a `SCATTER` is logarithmic.
        least: Smaller values stand here, on a logarithmic axis.
        step: Whether a value holds until the next, as the mean of a bin does.
        dots: Whether a `LINES` is drawn as marks, where nothing holds between them.
        middle: For `HEAT`: the value at which the two colours meet, such as equal cost.
        line: A column drawn as a dashed line.
        limit: A level over the whole width.
        verticals: Places on a number axis marked by a line.
        curves: Curves of a `SCATTER`.
        absent: What stands in place of a mark that has no value; nothing where empty.
        are_values_written: Whether each bar or mark has its value written beside it.
        plot_height: Height of an upright chart between its axes, in units of the drawing.
        feed: Address of new points, for `LIVE`.
    """

    name: str
    title: Message
    caption: Message
    form: ChartForm
    table: str
    x: str
    x_label: Message | str = ""
    axis_note: Message | None = None
    series: Sequence[ChartSeries]
    # No part of what `repr` says: a function has another address in every process.
    finding: Finding | None = field(default=None, repr=False)
    prepare: Preparation | None = field(default=None, repr=False)
    unit: str = ""
    measure: Measure | TableColumn | None = None
    currency: str = ""
    y: str = ""
    y_label: Message | str = ""
    names: str = ""
    logarithmic: bool = False
    x_logarithmic: bool = False
    least: float | None = None
    step: bool = False
    dots: bool = False
    middle: float | None = None
    line: ChartSeries | None = None
    limit: ChartLimit | None = None
    verticals: ChartVerticals | None = None
    curves: Sequence[ChartCurve] = ()
    absent: Message | None = None
    are_values_written: bool = False
    plot_height: float = 200.0
    feed: str = ""
