"""What a change does to the figures that people quote: before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from commonwatt.core.messages import Message, translate
from commonwatt.report import ReportSection, shown_table
from commonwatt.study.measures import WHAT_IF

Row = dict[str, Any]


def compared_facts(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Row]:
    """Return one row for each figure that both or either have, in the order of `after`.

    >>> compared_facts({"a": 2.0, "b": {"x": 1}}, {"a": 3.0, "b": {"x": 1}})[0]
    {'figure': 'a', 'before': '2', 'after': '3', 'change_share': 0.5, 'changed': True}
    """
    old, new = dict(_flat(before)), dict(_flat(after))
    names = list(dict.fromkeys([*new, *old]))
    return [_row(name, old.get(name), new.get(name)) for name in names]


def _flat(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield f"{above}{name}", value


def _row(name: str, old: Any, new: Any) -> Row:
    numbers = all(isinstance(value, int | float) for value in (old, new))
    share = new / old - 1 if numbers and old else None
    return {
        "figure": name,
        "before": _shown(old),
        "after": _shown(new),
        "change_share": share,
        "changed": old != new,
    }


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.6g}" if isinstance(value, int | float) else str(value)


def what_if_table(rows: list[Row]) -> dict[str, pl.DataFrame]:
    """Return the table of a what-if."""
    return {WHAT_IF.name: WHAT_IF.from_rows(rows)}


def what_if_section(changes: list[str], rows: list[Row], language: str) -> ReportSection:
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
            shown_table(
                WHAT_IF,
                moved,
                language,
                title=Message("Before and after"),
                columns=("figure", "before", "after", "change_share"),
                note=Message("Figures that stay as they were are left out."),
            )
        ],
    )
