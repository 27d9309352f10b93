"""What a change does to the figures that people quote: before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from commonwatt.core.messages import Message, translate
from commonwatt.report import ReportSection, report_table_of_rows
from commonwatt.study.measures import WHAT_IF

Row = dict[str, Any]


def what_if_figure_rows_before_and_after(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[Row]:
    """Return one row for each figure that both or either have, in the order of `after`.

    >>> before, after = {"a": 2.0, "b": {"x": 1}}, {"a": 3.0, "b": {"x": 1}}
    >>> what_if_figure_rows_before_and_after(before, after)[0]
    {'figure': 'a', 'before': '2', 'after': '3', 'change_share': 0.5, 'changed': True}
    """
    old, new = (
        dict(_dotted_names_with_study_facts(before)),
        dict(_dotted_names_with_study_facts(after)),
    )
    # Figures that only one side has are rows, too: a wing that a change takes away must not vanish
    # unsaid.
    names = list(dict.fromkeys([*new, *old]))
    return [_study_what_if_figure_row(name, old.get(name), new.get(name)) for name in names]


def _dotted_names_with_study_facts(
    facts: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _dotted_names_with_study_facts(value, f"{above}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield f"{above}{name}", value


def _study_what_if_figure_row(name: str, before: Any, after: Any) -> Row:
    numbers = all(isinstance(value, int | float) for value in (before, after))
    # From nought no change is a share.
    share = after / before - 1 if numbers and before else None
    return {
        "figure": name,
        # As text, because one column holds numbers, names and gaps.
        "before": _study_what_if_value_text(before),
        "after": _study_what_if_value_text(after),
        "change_share": share,
        "changed": before != after,
    }


def _study_what_if_value_text(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.6g}" if isinstance(value, int | float) else str(value)


def study_what_if_table_by_name(rows: list[Row]) -> dict[str, pl.DataFrame]:
    """Return the table of a what-if."""
    return {WHAT_IF.name: WHAT_IF.frame_from_rows(rows)}


def study_what_if_section(changes: list[str], rows: list[Row], language: str) -> ReportSection:
    """Return the report's section on what the changes did."""
    moved = [row for row in rows if row["changed"]]
    lede = Message(
        "With {changes}: {count} of {all} figures change.",
        {"changes": "; ".join(changes), "count": str(len(moved)), "all": str(len(rows))},
    )
    return ReportSection(
        name="what-if",
        title=translate("What if", language),
        lede=lede.translate(language),
        tables=[
            report_table_of_rows(
                WHAT_IF,
                moved,
                language,
                title=Message("Before and after"),
                columns=("figure", "before", "after", "change_share"),
                note=Message("Figures that stay as they were are left out."),
            )
        ],
    )
