"""Before and after: every figure that a what-if moved, beside the one of its base."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from commonwatt.catalogue.measures import TableColumn, measure_label_text, measure_value_text
from commonwatt.core.messages import Message
from commonwatt.runs.measures import FIGURE
from commonwatt.runs.titles import run_change_text, run_recipe_change_texts
from commonwatt.study.measures import AFTER, BEFORE, CHANGE_SHARE, DIFFERENCE, EXTENT
from commonwatt.web.page_view import (
    HeadlineFact,
    PageView,
    TableListing,
    TableRows,
    console_column_heading_of,
    page_headline_fact_of_texts,
)
from commonwatt.web.pages.headline import (
    BEYOND_RULES,
    HeadlineFigure,
    StudyExtent,
    page_headline_figures_of_run,
    study_extent,
)
from commonwatt.web.pages.study import (
    borrowing_currency_of_page_run_or_blank,
    page_subject_of_run,
    run_choice_text,
    study_page_content_key,
)
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run

KIND: Final = "study-what-if"
_CHOICES: Final = 30
_FACTS: Final = ("cost_usd_per_gpu_hour", "energy_cost_usd", "mean_queue_delay_s", "capital_",
                 "debt_with_gdp_share")  # fmt: skip
_SCHEMA: Final = {
    "figure": "String",
    "label": "String",
    "before": "String",
    "after": "String",
    "difference": "String",
    "change_share": "Float64",
    "extent": "String",
    "before_value": "Float64",
    "after_value": "Float64",
    "changed": "Boolean",
}
_CHANGE_COLUMN: Final = TableColumn.of(CHANGE_SHARE, "change_share")


def _what_if_run_options(context: RequestContext) -> Options:
    newest: Options = [("", Message("the newest what-if"))]
    runs = context.services.runs.list_runs(KIND)[:_CHOICES]
    return [*newest, *((run.run_id, run_choice_text(context, run)) for run in runs)]


WHAT_IF_RUN: Final = PageParameter(
    name="run",
    label=Message("What-if"),
    meaning=Message("Id of a what-if's run; the newest what-if where nothing is given."),
    kind=ParameterKind.CHOICE,
    options=_what_if_run_options,
    longest=16,
)


def build_comparison_page(context: RequestContext, values: PageValues) -> PageView:
    """Return the figures of a what-if beside those of the programme as written."""
    run = context.services.runs.find_run_or_newest_of_kind(values.text(WHAT_IF_RUN.name), KIND)
    # A run of an earlier version may lack the table; there is then nothing to set side by side.
    if run is None or not context.services.runs.has(run, "what_if"):
        return PageView(
            lede=Message(
                "There is no what-if yet. Start a study on the page of runs, with a change such as "
                "sites.west.power_price=+50%."
            )
        )
    rows = what_if_comparison_rows(context, run)
    moved = [row for row in rows if row["changed"]]
    return PageView(
        subject=page_subject_of_run(context, run),
        lede=_comparison_page_lede(run, len(moved), len(rows)),
        facts=_most_quoted_moved_figure_facts(moved),
        tables=[
            _comparison_listing(
                context, run, "moved", Message("Figures that the change moves"), moved
            ),
            _comparison_listing(context, run, "all", Message("Every figure"), rows, folded=True),
        ],
        notes=[
            Message(
                "Before is the programme as written, after the same programme with the change made "
                "in its file. A difference of shares is in points."
            )
        ],
        sources=[run.run_id],
        extra={"run": run},
        data={"changes": run_recipe_change_texts(run.parameters), "figures": rows},
    )


def _comparison_page_lede(run: Run, moved: int, every: int) -> Message:
    changes = "; ".join(
        run_change_text(change) for change in run_recipe_change_texts(run.parameters)
    )
    values = {"changes": changes, "count": f"{moved:,}", "all": f"{every:,}"}
    if not moved:
        return Message("With {changes} none of {all} figures moves.", values)
    return Message("With {changes} {count} of {all} figures move.", values)


def what_if_comparison_rows(context: RequestContext, run: Run) -> list[dict[str, Any]]:
    """Return one row a figure, each side with its unit, and the difference."""
    extent = study_extent(context, run)
    after = {figure.key: figure for figure in page_headline_figures_of_run(run.headline)}
    table = context.services.runs.frame(run, "what_if").to_dicts()
    return [
        _what_if_comparison_row(context, row, after.get(row["figure"]), extent, run)
        for row in table
    ]


def _what_if_comparison_row(
    context: RequestContext,
    row: Mapping[str, Any],
    figure: HeadlineFigure | None,
    extent: StudyExtent,
    run: Run,
) -> dict[str, Any]:
    known = figure or _headline_figure_absent_after_change(row["figure"], run)
    before, after = _values_before_and_after_change(row, figure)
    return {
        "figure": row["figure"],
        "label": _comparison_figure_label(context, known),
        "before": _comparison_value_text(context, known, row["before"], before),
        "after": _comparison_value_text(context, known, row["after"], after),
        "difference": _comparison_signed_difference_text(context, known, before, after),
        "change_share": row["change_share"],
        "extent": context.translate(extent.extent_note_of_headline_key(known.key)),
        "before_value": before,
        "after_value": after,
        "changed": row["changed"],
    }


def _headline_figure_absent_after_change(key: str, run: Run) -> HeadlineFigure:
    """Return what is known of a figure that the change took away."""
    name, _, part = key.partition(".")
    (figure,) = page_headline_figures_of_run({name: None})
    currency = figure.currency or borrowing_currency_of_page_run_or_blank(run)
    return HeadlineFigure(f"{name}.{part}" if part else name, figure.measure, None, currency)


def _values_before_and_after_change(
    row: Mapping[str, Any], figure: HeadlineFigure | None
) -> tuple[float | None, float | None]:
    after = figure.value if figure is not None and _is_number(figure.value) else None
    if after is None:
        return _comparison_cell_number_or_none(row["before"]), None
    share = row["change_share"]
    if not row["changed"]:
        return after, after
    # The table writes six digits; the share beside them was computed from all, and gives them back.
    before = (
        after / (1 + share)
        if share not in (None, -1)
        else _comparison_cell_number_or_none(row["before"])
    )
    return before, after


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _comparison_cell_number_or_none(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _comparison_figure_label(context: RequestContext, figure: HeadlineFigure) -> str:
    if figure.measure is not None:
        return measure_label_text(figure.measure, context.language, subject=figure.subject)
    named = {"gpu_hours_beyond_rules": BEYOND_RULES}
    return context.translate(named.get(figure.key, figure.key))


def _comparison_value_text(
    context: RequestContext, figure: HeadlineFigure, written: str, value: float | None
) -> str:
    if value is None:
        return written
    if figure.measure is None:
        return f"{value:.1%}" if figure.key.endswith("_share") else f"{value:,.4g}"
    return measure_value_text(value, figure.measure, context.language, currency=figure.currency)


def _comparison_signed_difference_text(
    context: RequestContext, figure: HeadlineFigure, before: float | None, after: float | None
) -> str:
    if before is None or after is None:
        return "–"
    difference = after - before
    sign = "+" if difference > 0 else "−" if difference < 0 else ""
    if _headline_figure_is_share(figure):
        # Points of a share: "+0.11 %" could be read as a share of the share.
        points = Message("{points} points", {"points": f"{sign}{abs(difference) * 100:.2f}"})
        return context.translate(points)
    return sign + _comparison_value_text(context, figure, "–", abs(difference))


def _headline_figure_is_share(figure: HeadlineFigure) -> bool:
    if figure.measure is None:
        return figure.key.endswith("_share")
    return figure.measure.unit.startswith("share")


def _most_quoted_moved_figure_facts(moved: list[dict[str, Any]]) -> list[HeadlineFact]:
    """Return the moved figures that people quote first, each with what it was."""
    quoted = [row for key in _FACTS for row in moved if row["figure"].startswith(key)]
    return [
        page_headline_fact_of_texts(
            row["label"],
            row["after"],
            Message(
                "{difference}, was {before}; {extent}",
                {name: row[name] for name in ("difference", "before", "extent")},
            ),
        )
        for row in quoted[:6]
    ]


def _comparison_listing(
    context: RequestContext,
    run: Run,
    name: str,
    title: Message,
    rows: list[dict[str, Any]],
    *,
    folded: bool = False,
) -> TableListing:
    def load_comparison() -> pl.DataFrame:
        import polars as pl

        return pl.DataFrame(rows, schema={key: getattr(pl, kind) for key, kind in _SCHEMA.items()})

    return TableListing(
        name=name,
        title=title,
        # With the language: labels and units are words of the page.
        rows=TableRows(
            key=f"comparison/{run.run_id}/{name}/{context.language}", load=load_comparison
        ),
        headings=[
            console_column_heading_of(TableColumn.of(FIGURE, "label")),
            console_column_heading_of(TableColumn.of(BEFORE)),
            console_column_heading_of(TableColumn.of(AFTER)),
            console_column_heading_of(TableColumn.of(DIFFERENCE)),
            console_column_heading_of(_CHANGE_COLUMN),
            console_column_heading_of(TableColumn.of(EXTENT)),
        ],
        folded=folded,
    )


PAGE = Page(
    name="comparison",
    title=Message("Before and after"),
    action=ConsoleAction.SEE_PLANS,
    build=build_comparison_page,
    parameters=(WHAT_IF_RUN,),
    template="comparison.html",
    content_key=study_page_content_key,
)
