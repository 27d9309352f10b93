"""A report: one HTML page that carries everything, readable on screen and paper.

Wings hand over `ReportSection`s, whose facts and tables `fact` and `shown_table` build
from the catalogue; `render` writes the page in the reader's language.
"""

from commonwatt.report.model import (
    FigureOrigin,
    Report,
    ReportFact,
    ReportFigure,
    ReportSection,
    ReportTable,
)
from commonwatt.report.render import render
from commonwatt.report.shown import fact, shown_table, sources_table

__all__ = [
    "FigureOrigin",
    "Report",
    "ReportFact",
    "ReportFigure",
    "ReportSection",
    "ReportTable",
    "fact",
    "render",
    "shown_table",
    "sources_table",
]
