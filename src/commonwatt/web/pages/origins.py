"""Origins: for a figure, the formula, what it was computed from, the sources, the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message
from commonwatt.runs.lineage import matching_names
from commonwatt.web.page_view import ColumnHeading, HeadlineFact, PageView, TableListing, TableRows
from commonwatt.web.pages.study import RUN_OF_STUDY, page_without_study, study_of
from commonwatt.web.parameters import PageParameter, PageValues
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run

FIGURE = PageParameter(
    name="figure",
    label=Message("Figure"),
    meaning=Message("A figure as the report shows it, words of its label, or its name in the run."),
    longest=200,
)
_MOST = 60  # figures that a page offers to choose from
_TEXTS = ("name", "label", "shown", "formula", "made_by", "table", "source", "dated", "confidence")


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return where one figure comes from, or every figure of a study."""
    run = study_of(context, values)
    if run is None:
        return page_without_study(context)
    known = {one["name"]: one for one in run.figures}
    names = _meant(run, values.text("figure"))
    found = known[names[0]] if len(names) == 1 else None
    return PageView(
        lede=_lede(run, found),
        facts=_facts(run, found) if found else (),
        tables=[_listing(run, found, known)],
        sources=[run.run_id],
        extra=_extra(known, found) if found else {"meant": [known[name] for name in names]},
        data={"figure": found, "figures": len(known)},
    )


def _meant(run: Run, text: str) -> list[str]:
    """Return the names of the figures that a text may mean; without one, the quoted ones."""
    if not text:
        quoted = (one["name"] for one in run.figures if one["formula"] and one["value"] is not None)
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


def _facts(run: Run, found: dict[str, Any]) -> list[HeadlineFact]:
    """Return what is known of a figure; an input has a source, any other a formula."""
    pairs = (
        (Message("Dated"), found["dated"], ""),
        (Message("Confidence"), found["confidence"], ""),
        (Message("Table"), found["table"], f"/runs/tables/{found['table']}?run={run.run_id}"),
    )
    return [
        HeadlineFact(label=label, value=value, link=link if value else "")
        for label, value, link in pairs
        if value
    ]


def _extra(known: dict[str, dict[str, Any]], found: dict[str, Any]) -> dict[str, Any]:
    return {
        "figure": found,
        "inputs": [known[name] for name in found["inputs"] if name in known],
        "used_by": [one for one in known.values() if found["name"] in one["inputs"]][:40],
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
        headings=[
            ColumnHeading("name", Message("Name in the run")),
            ColumnHeading("label", Message("Figure")),
            ColumnHeading("shown", Message("Value")),
            ColumnHeading("formula", Message("Formula")),
            ColumnHeading("source", Message("Source")),
        ],
        folded=found is not None,
    )


def _frame(figures: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    rows = [{name: str(one[name]) for name in _TEXTS} for one in figures]
    return pl.DataFrame(rows, schema=dict.fromkeys(_TEXTS, pl.String))


PAGE = Page(
    name="origins",
    title=Message("Origins"),
    action=ConsoleAction.SEE_PLANS,
    build=build,
    parameters=(RUN_OF_STUDY, FIGURE),
    template="origins.html",
)
