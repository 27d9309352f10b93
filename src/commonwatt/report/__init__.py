"""A report: one HTML page that carries everything, readable on screen and paper.

Wings hand over `ReportSection`s, whose facts and tables `fact` and `report_table_of_rows` build
from the catalogue; `render` writes the page in the reader's language.
"""

from commonwatt.report.model import (
    FigureOrigin,
    Report,
    ReportCellFigure,
    ReportCriteriaGroup,
    ReportCriterion,
    ReportFact,
    ReportFigure,
    ReportPageOne,
    ReportSection,
    ReportStamp,
    ReportStatement,
    ReportTable,
)
from commonwatt.report.render import render_report_html
from commonwatt.report.shown import (
    report_fact,
    report_figure,
    report_panels_figure,
    report_sources_table,
    report_table_of_criteria,
    report_table_of_rows,
)

__all__ = [
    "FigureOrigin",
    "Report",
    "ReportCellFigure",
    "ReportCriteriaGroup",
    "ReportCriterion",
    "ReportFact",
    "ReportFigure",
    "ReportPageOne",
    "ReportSection",
    "ReportStamp",
    "ReportStatement",
    "ReportTable",
    "render_report_html",
    "report_fact",
    "report_figure",
    "report_panels_figure",
    "report_sources_table",
    "report_table_of_criteria",
    "report_table_of_rows",
]
