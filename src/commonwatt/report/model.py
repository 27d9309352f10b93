"""What a report consists of; every text is already in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFact:
    """One headline figure with its unit and the definition it follows.

    `of` names it among the report's origins, where its formula and inputs stand.
    """

    label: str
    value: str
    note: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """A table as readers see it: headings with units, cells as text.

    `of` names the origin of the whole table; `cells_of`, of the shape of `rows`, that of
    single cells, with an empty text where a cell has none of its own. `extents`, of the length
    of `rows`, holds what stands above a row from which on the figures are of another extent.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    note: str = ""
    of: str = ""
    cells_of: list[list[str]] = field(default_factory=list[list[str]])
    extents: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigure:
    """A chart, what it shows, and the table behind it.

    Args:
        name: Its anchor on the page.
        title: Its heading.
        caption: What it shows, and under which definition.
        svg: The drawing.
        table: The figures behind it, shown folded away under the chart; small enough to read.
    """

    name: str
    title: str
    caption: str
    svg: str
    table: ReportTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """One part of the report, from one wing.

    `extent` says what its figures are of, where all are of one: the slice, or all of it.
    """

    name: str
    title: str
    lede: str
    extent: str = ""
    facts: list[ReportFact] = field(default_factory=list[ReportFact])
    figures: list[ReportFigure] = field(default_factory=list[ReportFigure])
    tables: list[ReportTable] = field(default_factory=list[ReportTable])
    notes: list[str] = field(default_factory=list[str])

    def as_data(self) -> dict[str, Any]:
        """Return it as plain values, which JSON can hold; the lists of cells are its own."""
        return {
            "name": self.name,
            "title": self.title,
            "lede": self.lede,
            "extent": self.extent,
            "facts": [_report_part_values_by_field_name(fact) for fact in self.facts],
            "figures": [
                _report_part_values_by_field_name(figure)
                | {"table": _report_part_values_by_field_name(figure.table)}
                for figure in self.figures
            ],
            "tables": [_report_part_values_by_field_name(table) for table in self.tables],
            "notes": self.notes,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the section of which `as_data` gave these values.

        >>> section = ReportSection(name="s", title="S", lede="L", notes=["n"])
        >>> ReportSection.from_data(section.as_data()) == section
        True
        """
        return cls(
            name=data["name"],
            title=data["title"],
            lede=data["lede"],
            extent=data["extent"],
            facts=[ReportFact(**fact) for fact in data["facts"]],
            figures=[_report_figure_from_data(figure) for figure in data["figures"]],
            tables=[ReportTable(**table) for table in data["tables"]],
            notes=data["notes"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCellFigure:
    """A figure in a cell of page one, with its band.

    Args:
        text: The figure, in the unit that its row names.
        of: Its name among the report's origins; empty where it has none.
        low: Lower end of its band; empty where it has none.
        low_of: Its name among the origins.
        high: Upper end of its band.
        high_of: Its name among the origins.
    """

    text: str
    of: str = ""
    low: str = ""
    low_of: str = ""
    high: str = ""
    high_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCriterion:
    """A row of page one: a criterion, and one cell of figures for each choice."""

    label: str
    cells: list[list[ReportCellFigure]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCriteriaGroup:
    """Rows of one extent, which stands above them: what was simulated, or the whole programme."""

    extent: str
    criteria: list[ReportCriterion]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStatement:
    """One thing that the reader must be able to say, under its name."""

    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPageOne:
    """The page that answers: whoever reads no other can say the choice, its price and its doubt.

    Args:
        question: What is decided.
        answer: The choice; what is absent where there is none.
        statements: Price, debt, what would change the answer, the largest doubt.
        choices: Headings of the columns; the choice first.
        groups: At most six rows in all, under the extent of their figures.
        note: How to read the table.
        figure: The difference that the choice makes; None where nobody borrows.
        absent: What the page lacks, and how to get it.
    """

    question: str
    answer: str
    statements: list[ReportStatement] = field(default_factory=list[ReportStatement])
    choices: list[str] = field(default_factory=list[str])
    groups: list[ReportCriteriaGroup] = field(default_factory=list[ReportCriteriaGroup])
    note: str = ""
    figure: ReportFigure | None = None
    absent: list[ReportStatement] = field(default_factory=list[ReportStatement])

    def as_data(self) -> dict[str, Any]:
        """Return it as plain values, which JSON can hold."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the page of which `as_data` gave these values.

        >>> page = ReportPageOne(question="Q", answer="A", choices=["x"])
        >>> ReportPageOne.from_data(page.as_data()) == page
        True
        """
        figure = data["figure"]
        return cls(
            question=data["question"],
            answer=data["answer"],
            statements=[ReportStatement(**each) for each in data["statements"]],
            choices=data["choices"],
            groups=[_criteria_group_from_data(group) for group in data["groups"]],
            note=data["note"],
            figure=_report_figure_from_data(figure) if figure else None,
            absent=[ReportStatement(**each) for each in data["absent"]],
        )


def _report_figure_from_data(data: Mapping[str, Any]) -> ReportFigure:
    return ReportFigure(
        name=data["name"],
        title=data["title"],
        caption=data["caption"],
        svg=data["svg"],
        table=ReportTable(**data["table"]),
    )


def _criteria_group_from_data(data: Mapping[str, Any]) -> ReportCriteriaGroup:
    return ReportCriteriaGroup(
        extent=data["extent"],
        criteria=[
            ReportCriterion(
                label=row["label"],
                cells=[[ReportCellFigure(**figure) for figure in cell] for cell in row["cells"]],
            )
            for row in data["criteria"]
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStamp:
    """Which run a report is of: what a reader quotes, and asks for again.

    Args:
        day: Day of the run, as ISO 8601 writes it.
        version: Version of the program.
        run_id: The run.
    """

    day: str
    version: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureOrigin:
    """Where one figure comes from, as readers see it.

    Args:
        name: Its name in the run; the anchor that figures link to.
        group: What kind of thing it is, in the reader's language: a figure, an input, a file.
        label: What it is.
        shown: Its value with its unit.
        face: Its scale, period and basis, shown wherever it is; empty for an input.
        formula: How it follows from its inputs.
        expression: The formula as a query over the run's tables; empty for an input.
        source: Where an input comes from, with its date and how far it may be trusted.
        inputs: Names and labels of what it was computed from.
        on_paper: Whether its group is printed: on paper nobody follows a link, and an input
            with its source can be asked for in a library.
    """

    name: str
    group: str
    label: str
    shown: str
    face: str
    formula: str
    expression: str
    source: str
    inputs: list[tuple[str, str]]
    on_paper: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole page."""

    title: str
    language: str
    summary: str
    sections: list[ReportSection]
    birth: ReportTable
    # None in the reports of single wings: only a study's figures have formulas over its tables.
    origins: list[FigureOrigin] = field(default_factory=list[FigureOrigin])
    page_one: ReportPageOne | None = None
    stamp: ReportStamp | None = None
    glossary: list[ReportStatement] = field(default_factory=list[ReportStatement])


def _report_part_values_by_field_name(
    part: ReportFact | ReportTable | ReportFigure,
) -> dict[str, Any]:
    # Not `asdict`, which copies every cell of every table.
    return {each.name: getattr(part, each.name) for each in fields(part)}
