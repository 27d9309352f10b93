"""Origins: for a figure, the formula, what it was computed from, the sources, the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.shared import CONFIDENCE, DATED
from commonwatt.core.messages import Message
from commonwatt.runs.lineage import matching_run_figure_names
from commonwatt.runs.measures import FIGURE as FIGURE_MEASURE
from commonwatt.runs.measures import FIGURE_TABLE, FIGURES
from commonwatt.web.page_view import (
    HeadlineFact,
    PageView,
    TableListing,
    TableRows,
    console_column_headings_of,
    page_headline_fact_of_figure,
)
from commonwatt.web.pages.study import (
    RUN_OF_STUDY,
    page_subject_of_run,
    page_without_study,
    study_page_content_key,
    study_run_of_page,
)
from commonwatt.web.parameters import PageParameter, PageValues
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run

FIGURE = PageParameter(
    name="figure",
    label=FIGURE_MEASURE.label,
    meaning=Message("A figure as the report shows it, words of its label, or its name in the run."),
    longest=200,
)
_MOST = 60  # figures that a page offers to choose from
_TEXTS = (
    "name",
    "label",
    "shown",
    "formula",
    "expression",
    "table",
    "source",
    "dated",
    "confidence",
)


def build_origins_page(context: RequestContext, values: PageValues) -> PageView:
    """Return where one figure comes from, or every figure of a study."""
    run = study_run_of_page(context, values)
    if run is None:
        return page_without_study(context)
    known = {figure["name"]: figure for figure in run.figures}
    names = _origins_page_figure_names(run, values.text("figure"))
    figure = known[names[0]] if len(names) == 1 else None
    return PageView(
        subject=page_subject_of_run(context, run),
        lede=_origins_page_lede(run, figure),
        facts=_origins_page_headline_facts(run, figure, context.language) if figure else (),
        tables=[_figure_inputs_or_all_figures_listing(run, figure, known)],
        sources=[run.run_id],
        extra=_console_origins_template_data(known, figure)
        if figure
        else {"meant": [known[name] for name in names]},
        data={"figure": figure, "figures": len(known)},
    )


def _origins_page_figure_names(run: Run, text: str) -> list[str]:
    """Return the names of the figures that a text may mean; without one, the quoted ones."""
    if not text:
        quoted = (
            figure["name"]
            for figure in run.figures
            # Figures without a formula are inputs; somebody who has asked for nothing yet is better
            # begun at a result.
            if figure["formula"] and figure["value"] is not None
        )
        return list(quoted)[:_MOST]
    return matching_run_figure_names(run.figures, text)[:_MOST]


def _origins_page_lede(run: Run, figure: dict[str, Any] | None) -> Message:
    if figure is None:
        return Message(
            "{count} figures of this study, each with its formula and what it was computed from.",
            {"count": f"{len(run.figures):,}"},
        )
    values = {"label": figure["label"], "shown": figure["shown"]}
    # In English on every page: label and form were written with the run.
    return Message("{label}: {shown}.", values)


def _origins_page_headline_facts(
    run: Run, figure: dict[str, Any], language: str
) -> list[HeadlineFact]:
    """Return what is known of a figure; an input has a source, any other a formula."""
    pairs = (
        (DATED, figure["dated"], ""),
        (CONFIDENCE, figure["confidence"], ""),
        (FIGURE_TABLE, figure["table"], f"/runs/tables/{figure['table']}?run={run.run_id}"),
    )
    return [
        page_headline_fact_of_figure(measure, value, language, link=link if value else "")
        for measure, value, link in pairs
        if value
    ]


def _console_origins_template_data(
    figures_by_name: dict[str, dict[str, Any]], figure: dict[str, Any]
) -> dict[str, Any]:
    return {
        "figure": figure,
        "inputs": [figures_by_name[name] for name in figure["inputs"] if name in figures_by_name],
        "used_by": [user for user in figures_by_name.values() if figure["name"] in user["inputs"]][
            :40
        ],
    }


def _figure_inputs_or_all_figures_listing(
    run: Run, figure: dict[str, Any] | None, figures_by_name: dict[str, dict[str, Any]]
) -> TableListing:
    """Return the inputs of a figure, or every figure."""
    chosen = (
        [figures_by_name[name] for name in figure["inputs"] if name in figures_by_name]
        if figure
        else run.figures
    )
    part = figure["name"] if figure else "every"
    return TableListing(
        name="figures",
        title=Message("Computed from") if figure else Message("Figures"),
        rows=TableRows(
            key=f"origins/{run.run_id}/{part}", load=lambda: _origins_page_frame(chosen)
        ),
        headings=console_column_headings_of(FIGURES, "name", "label", "shown", "formula", "source"),
        folded=figure is not None,
    )


def _origins_page_frame(figures: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    # As text, because one column holds figures of every kind: counts, shares, dates, names.
    rows = [{name: str(figure.get(name, "")) for name in _TEXTS} for figure in figures]
    return pl.DataFrame(rows, schema=dict.fromkeys(_TEXTS, pl.String))


PAGE = Page(
    name="origins",
    title=Message("Origins"),
    action=ConsoleAction.SEE_PLANS,
    build=build_origins_page,
    parameters=(RUN_OF_STUDY, FIGURE),
    template="origins.html",
    content_key=study_page_content_key,
)
