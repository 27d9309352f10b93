"""Origins: for a figure, the formula, what it was computed from, the sources, the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.shared import CONFIDENCE, DATED
from commonwatt.core.messages import Message
from commonwatt.runs.lineage import matching_names
from commonwatt.runs.measures import FIGURE as FIGURE_MEASURE
from commonwatt.runs.measures import FIGURE_TABLE, FIGURES
from commonwatt.web.page_view import (
    HeadlineFact,
    PageView,
    TableListing,
    TableRows,
    headings_of,
    headline_of,
)
from commonwatt.web.pages.study import RUN_OF_STUDY, page_without_study, study_of
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


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return where one figure comes from, or every figure of a study."""
    run = study_of(context, values)
    if run is None:
        return page_without_study(context)
    known = {figure["name"]: figure for figure in run.figures}
    names = _meant(run, values.text("figure"))
    figure = known[names[0]] if len(names) == 1 else None
    return PageView(
        lede=_lede(run, figure),
        facts=_facts(run, figure, context.language) if figure else (),
        tables=[_listing(run, figure, known)],
        sources=[run.run_id],
        extra=_extra(known, figure) if figure else {"meant": [known[name] for name in names]},
        data={"figure": figure, "figures": len(known)},
    )


def _meant(run: Run, text: str) -> list[str]:
    """Return the names of the figures that a text may mean; without one, the quoted ones."""
    if not text:
        quoted = (
            figure["name"]
            for figure in run.figures
            if figure["formula"] and figure["value"] is not None
        )
        return list(quoted)[:_MOST]
    return matching_names(run.figures, text)[:_MOST]


def _lede(run: Run, found: dict[str, Any] | None) -> Message:
    if found is None:
        return Message(
            "{count} figures of this study, each with its formula and what it was computed from.",
            {"count": f"{len(run.figures):,}"},
        )
    values = {"label": found["label"], "shown": found["shown"]}
    return Message("{label}: {shown}.", values)


def _facts(run: Run, found: dict[str, Any], language: str) -> list[HeadlineFact]:
    """Return what is known of a figure; an input has a source, any other a formula."""
    pairs = (
        (DATED, found["dated"], ""),
        (CONFIDENCE, found["confidence"], ""),
        (FIGURE_TABLE, found["table"], f"/runs/tables/{found['table']}?run={run.run_id}"),
    )
    return [
        headline_of(measure, value, language, link=link if value else "")
        for measure, value, link in pairs
        if value
    ]


def _extra(known: dict[str, dict[str, Any]], found: dict[str, Any]) -> dict[str, Any]:
    return {
        "figure": found,
        "inputs": [known[name] for name in found["inputs"] if name in known],
        "used_by": [user for user in known.values() if found["name"] in user["inputs"]][:40],
    }


def _listing(
    run: Run, found: dict[str, Any] | None, known: dict[str, dict[str, Any]]
) -> TableListing:
    """Return the inputs of a figure, or every figure."""
    chosen = [known[name] for name in found["inputs"] if name in known] if found else run.figures
    part = found["name"] if found else "every"
    return TableListing(
        name="figures",
        title=Message("Computed from") if found else Message("Figures"),
        rows=TableRows(key=f"origins/{run.run_id}/{part}", load=lambda: _frame(chosen)),
        headings=headings_of(FIGURES, "name", "label", "shown", "formula", "source"),
        folded=found is not None,
    )


def _frame(figures: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    rows = [{name: str(figure.get(name, "")) for name in _TEXTS} for figure in figures]
    return pl.DataFrame(rows, schema=dict.fromkeys(_TEXTS, pl.String))


PAGE = Page(
    name="origins",
    title=Message("Origins"),
    action=ConsoleAction.SEE_PLANS,
    build=build,
    parameters=(RUN_OF_STUDY, FIGURE),
    template="origins.html",
)
