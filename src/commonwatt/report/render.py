"""From sections to one HTML page with nothing outside itself."""

from __future__ import annotations

from typing import Any

import jinja2

from commonwatt.catalogue.measures import measure_cell_text, measure_heading
from commonwatt.core.messages import translate
from commonwatt.report.model import Report, ReportFigure


def render_report_html(report: Report) -> str:
    """Return the report as HTML: no script, no network, one file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("commonwatt.report"),
        # Titles and labels come from the user's files.
        autoescape=True,
        # A name that a template misspells is an error and no empty place in a report.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def translate_report_word(text: str) -> str:
        return translate(text, report.language)

    def report_figure_headings(figure: ReportFigure) -> list[str]:
        return _figure_table_headings(figure, report.language)

    def report_figure_cells(figure: ReportFigure) -> list[list[str]]:
        return _figure_table_cells(figure, report.language)

    page = environment.get_template("report.html")
    # A figure links only to an origin that the page has: a link to nowhere looks like proof.
    known = {origin.name for origin in report.origins}
    return page.render(
        report=report,
        t=translate_report_word,
        headings=report_figure_headings,
        cells=report_figure_cells,
        known=known,
        anchor=report_figure_origin_anchor,
    )


def report_figure_origin_anchor(name: str) -> str:
    """Return the anchor of a figure's origin.

    >>> report_figure_origin_anchor("input.my trace.csv")
    'of-input.my_trace.csv'
    """
    # An id of HTML holds no space, and a file's name may.
    return "of-" + "_".join(name.split())


def _figure_table_headings(figure: ReportFigure, language: str) -> list[str]:
    if figure.table is None:
        return figure.data.columns
    columns = [figure.table.column(name) for name in figure.data.columns]
    return [measure_heading(column, language, currency=figure.currency) for column in columns]


def _figure_table_cells(figure: ReportFigure, language: str) -> list[list[str]]:
    if figure.table is None:
        return [[_report_cell_text(value) for value in row] for row in figure.data.iter_rows()]
    columns = [figure.table.column(name) for name in figure.data.columns]
    return [
        [
            measure_cell_text(value, column, language, currency=figure.currency)
            for value, column in zip(row, columns, strict=True)
        ]
        for row in figure.data.iter_rows()
    ]


def _report_cell_text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    # True is an int in Python and would be written as 1.
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
