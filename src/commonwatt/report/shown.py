"""From the catalogue to what a report shows: facts, and tables with headings and cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.measures import (
    Measure,
    TableColumn,
    measure_cell_text,
    measure_heading,
    measure_label_text,
    measure_value_text,
)
from commonwatt.catalogue.shared import SOURCE
from commonwatt.catalogue.tables import TableSchema
from commonwatt.core.messages import Message, translated_text
from commonwatt.report.charts import Chart, chart_html, chart_panels_html, chart_points
from commonwatt.report.model import ReportFact, ReportFigure, ReportTable

if TYPE_CHECKING:
    import polars as pl

Rows = Iterable[Mapping[str, Any]]


def report_fact(
    figure: Measure | TableColumn,
    value: object,
    language: str,
    *,
    subject: str = "",
    note: str | Message = "",
    of: str = "",
    currency: str = "",
) -> ReportFact:
    """Return a headline figure, with the label and the unit that the catalogue gives it.

    Args:
        figure: What it is; a column where the value is in the column's unit.
        value: The value as it is stored; None where there is none.
        language: The reader's language.
        subject: Whose figure it is, such as a site, in the reader's language.
        note: What this run adds, such as a band.
        of: Its name among the run's origins.
        currency: The money of the run, where the figure is in a country's own.
    """
    return ReportFact(
        label=measure_label_text(figure, language, subject=subject),
        value=measure_value_text(value, figure, language, currency=currency),
        note=translated_text(note, language),
        of=of,
    )


def report_table_of_rows(
    table: TableSchema,
    rows: pl.DataFrame | Rows,
    language: str,
    *,
    title: Message,
    columns: Sequence[str] = (),
    note: str | Message = "",
    of: str = "",
    cells_of: Mapping[str, Sequence[str]] | None = None,
    currency: str = "",
) -> ReportTable:
    """Return a table as readers see it: headings with units, cells as the catalogue writes them.

    Args:
        table: The declaration of the table.
        rows: Its rows, labels already in the reader's language.
        language: The reader's language.
        title: What the reader is shown above it.
        columns: Names of the columns to show, in order; all where none is said.
        note: What stands below it.
        of: Its name among the run's origins; `table.<name>` where none is said.
        cells_of: Origins of single cells: for a column, one for each row.
        currency: The money of the run, where a column is in a country's own.
    """
    # Taken into a list, because rows may be an iterator and are gone through twice.
    records = _report_row_mappings(rows)
    shown = [table.column(name) for name in columns] or list(table.columns)
    known = cells_of or {}
    return ReportTable(
        title=title.translate(language),
        headings=[measure_heading(column, language, currency=currency) for column in shown],
        rows=[
            [
                measure_cell_text(row[column.name], column, language, currency=currency)
                for column in shown
            ]
            for row in records
        ],
        note=translated_text(note, language),
        # Every table leads to an origin, so that no cell stands on a page without one.
        of=of or f"table.{table.name}",
        cells_of=[
            [known[column.name][index] if column.name in known else "" for column in shown]
            for index in range(len(records))
        ]
        if known
        else [],
    )


def report_table_of_criteria(
    table: TableSchema,
    rows: Sequence[Mapping[str, Any]],
    language: str,
    *,
    title: Message,
    choices: Sequence[str],
    groups: Sequence[tuple[str, Sequence[str]]],
    origin: Callable[[Mapping[str, Any], str], str],
    note: str | Message = "",
    currency: str = "",
) -> ReportTable:
    """Return a table turned on its side: a row for each criterion, a column for each choice.

    So set, a dozen criteria fit on paper, and each group of them has what it is of above it.

    Args:
        table: The declaration of the table.
        rows: Its rows, one for each choice.
        language: The reader's language.
        title: What the reader is shown above it.
        choices: Headings of the columns.
        groups: What the figures are of, and the columns of the declaration that are of it.
        origin: Gives the origin of a cell from its row and its column.
        note: What stands below it.
        currency: The money of the run, where a column is in a country's own.
    """
    columns = [(extent, name) for extent, names in groups for name in names]
    starts = {names[0]: extent for extent, names in groups if names}
    return ReportTable(
        title=title.translate(language),
        headings=["", *choices],
        rows=[
            [
                measure_heading(table.column(name), language, currency=currency),
                *(
                    measure_cell_text(row[name], table.column(name), language, currency=currency)
                    for row in rows
                ),
            ]
            for _, name in columns
        ],
        note=translated_text(note, language),
        of=f"table.{table.name}",
        cells_of=[["", *(origin(row, name) for row in rows)] for _, name in columns],
        extents=[starts.get(name, "") for _, name in columns],
    )


def report_figure(
    name: str,
    chart: Chart,
    table: TableSchema,
    frame: pl.DataFrame,
    language: str,
    *,
    columns: Sequence[str] = (),
    listed: pl.DataFrame | Rows | None = None,
    of: str = "",
    currency: str = "",
) -> ReportFigure:
    """Return a chart with the figures behind it, as the catalogue writes them.

    Args:
        name: Its anchor on the page.
        chart: How its table is drawn.
        table: The declaration of the table.
        frame: What it draws, labels already in the reader's language.
        language: The reader's language.
        columns: Names of the columns to list, in order; all where none is said.
        listed: What is listed behind the chart, where that is not what it draws.
        of: Its name among the run's origins; `table.<name>` where none is said.
        currency: The money of the run, where a column is in a country's own.
    """
    points = chart_points(chart, frame, language)
    return ReportFigure(
        name=name,
        title=points.heading,
        caption=points.caption,
        svg=chart_html(points),
        table=report_table_of_rows(
            table,
            frame if listed is None else listed,
            language,
            title=chart.title,
            columns=columns,
            of=of,
            currency=currency,
        ),
    )


def report_panels_figure(
    name: str,
    charts: Sequence[Chart],
    table: TableSchema,
    frame: pl.DataFrame,
    language: str,
    *,
    title: Message,
    finding: Message | None = None,
    caption: Message,
    columns: Sequence[str] = (),
    of: str = "",
    currency: str = "",
) -> ReportFigure:
    """Return several small charts over one table as one figure, with the table behind it.

    Args:
        name: Its anchor on the page.
        charts: One for each panel.
        table: The declaration of the table.
        frame: What they draw, labels already in the reader's language.
        language: The reader's language.
        title: What they are of.
        finding: What is to be seen in them; the heading where there is one.
        caption: What is drawn, under which definition.
        columns: Names of the columns to list, in order; all where none is said.
        of: Its name among the run's origins; `table.<name>` where none is said.
        currency: The money of the run, where a column is in a country's own.
    """
    panels = [chart_points(chart, frame, language) for chart in charts]
    heading = (finding or title).translate(language)
    words = caption.translate(language)
    return ReportFigure(
        name=name,
        title=heading,
        caption=words,
        svg=chart_panels_html(panels, heading, words),
        table=report_table_of_rows(
            table, frame, language, title=title, columns=columns, of=of, currency=currency
        ),
    )


def report_sources_table(
    rows: Iterable[tuple[str, str]], language: str, *, title: Message | None = None
) -> ReportTable:
    """Return the table at a report's end: what its figures came from, as pairs of name and source.

    Args:
        rows: Name and source of each input.
        language: The reader's language.
        title: What stands above it, where it is not about every figure of the page.
    """
    above = title or Message("Where these figures come from")
    return ReportTable(
        title=above.translate(language),
        headings=[Message("What").translate(language), measure_label_text(SOURCE, language)],
        rows=[list(row) for row in rows],
    )


def _report_row_mappings(rows: pl.DataFrame | Rows) -> list[Mapping[str, Any]]:
    # Late: the console starts without what reads tables.
    import polars as pl  # noqa: PLC0415

    return list(rows.iter_rows(named=True) if isinstance(rows, pl.DataFrame) else rows)
