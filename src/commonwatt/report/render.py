"""From sections to one HTML page with nothing outside itself."""

from __future__ import annotations

from typing import Any

import jinja2

from commonwatt.catalogue.measures import cell, heading
from commonwatt.core.messages import translate
from commonwatt.report.model import Report, ReportFigure


def render(report: Report) -> str:
    """Return the report as HTML: no script, no network, one file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("commonwatt.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def word(text: str) -> str:
        return translate(text, report.language)

    def headings(figure: ReportFigure) -> list[str]:
        return _headings(figure, report.language)

    def cells(figure: ReportFigure) -> list[list[str]]:
        return _cells(figure, report.language)

    page = environment.get_template("report.html")
    known = {origin.name for origin in report.origins}
    return page.render(
        report=report, t=word, headings=headings, cells=cells, known=known, anchor=anchor
    )


def anchor(name: str) -> str:
    """Return the anchor of a figure's origin.

    >>> anchor("input.my trace.csv")
    'of-input.my_trace.csv'
    """
    return "of-" + "_".join(name.split())


def _headings(figure: ReportFigure, language: str) -> list[str]:
    if figure.table is None:
        return figure.data.columns
    columns = [figure.table.column(name) for name in figure.data.columns]
    return [heading(column, language, currency=figure.currency) for column in columns]


def _cells(figure: ReportFigure, language: str) -> list[list[str]]:
    if figure.table is None:
        return [[_cell(value) for value in row] for row in figure.data.iter_rows()]
    columns = [figure.table.column(name) for name in figure.data.columns]
    return [
        [
            cell(value, column, language, currency=figure.currency)
            for value, column in zip(row, columns, strict=True)
        ]
        for row in figure.data.iter_rows()
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
