"""A report: one HTML page that carries everything, readable on screen and paper.

Wings hand over `Section`s; `render` writes the page in the reader's language.
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

__all__ = [
    "FigureOrigin",
    "Report",
    "ReportFact",
    "ReportFigure",
    "ReportSection",
    "ReportTable",
    "render",
]
