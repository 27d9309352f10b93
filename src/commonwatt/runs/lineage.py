"""From a figure back to its formula, its inputs, their sources, and the run.

A run's manifest lists its figures, each with the names of the figures that it was
computed from: of the tables that its formula reads, of the stages that wrote them, and of
what was stated. `figure_lineage` follows these names down to inputs that have a source instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from commonwatt.core.errors import IdentityError, UsageError
from commonwatt.core.messages import Message
from commonwatt.runs.store import Run

MOST_NAMED = 12
_TEXTS = (
    "name", "label", "shown", "unit", "formula", "expression", "table", "source", "dated",
    "confidence",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureLineage:
    """A figure and all that it comes from.

    Args:
        name: Its name in the run, such as `cost.west.usd_per_gpu_hour`.
        label: What a person calls it, in English.
        value: Its value; None where it stands for a whole table.
        shown: The value as the report shows it, with its unit.
        formula: How it follows from its inputs, in English; empty for an input.
        unit: The unit of the value, as it is stored; empty for an input or a table.
        expression: The formula as a query over the run's tables; empty where it has none.
        tables: The tables that the expression reads.
        table: Table of the run that holds it; empty where none does.
        source: Where an input comes from; empty for a computed figure.
        dated: Date of that source.
        confidence: How far an input may be trusted.
        inputs: What it was computed from.
    """

    name: str
    label: str
    value: float | str | None
    shown: str
    formula: str
    table: str
    source: str
    dated: str
    confidence: str
    inputs: tuple[FigureLineage, ...]
    unit: str = ""
    expression: str = ""
    tables: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the tree as plain values."""
        return asdict(self)


def figure_lineage(run: Run, figure: str) -> FigureLineage:
    """Return where a figure of a run comes from.

    Args:
        run: The run.
        figure: Its name; or the end of it, words of its label, or its value as shown,
            where only one figure is meant by that.

    Raises:
        UsageError: No figure is meant, or several are.
        IdentityError: A figure names an input that the run does not list: a bug.
    """
    known = {figure["name"]: figure for figure in run.figures}
    return _run_lineage_of_figure_name(
        known, _only_matching_run_figure_name(run.figures, figure), ()
    )


def matching_run_figure_names(figures: Sequence[Mapping[str, Any]], figure: str) -> list[str]:
    """Return the names that `figure` may mean, the closest kind of match alone.

    >>> figures = [{"name": "home.x", "label": "Cost at home", "shown": "USD 2.10"},
    ...            {"name": "west.x", "label": "Cost in the west", "shown": "USD 2.30"}]
    >>> matching_run_figure_names(figures, "2.30"), matching_run_figure_names(figures, "x")
    (['west.x'], ['home.x', 'west.x'])
    >>> matching_run_figure_names(figures, "cost home")
    ['home.x']
    """
    wanted = figure.strip().lower()
    # The strictest kind of match first, and the first kind that fits at all: a name must not be
    # drowned by labels that hold it.
    for fits in (
        _is_run_figure_of_name,
        _is_run_figure_of_name_ending,
        _is_run_figure_of_shown_value,
        _run_figure_holds_query_words,
    ):
        if names := [row["name"] for row in figures if fits(row, wanted)]:
            return names
    return []


def _is_run_figure_of_name(figure: Mapping[str, Any], figure_query: str) -> bool:
    return figure["name"].lower() == figure_query


def _is_run_figure_of_name_ending(figure: Mapping[str, Any], figure_query: str) -> bool:
    return figure["name"].lower().endswith(f".{figure_query}")


def _is_run_figure_of_shown_value(figure: Mapping[str, Any], figure_query: str) -> bool:
    # People type "93.4%" for what the report writes as "93.4 %".
    shown, wanted = (text.lower().replace(" %", "%") for text in (figure["shown"], figure_query))
    # Whole words, or "2.3" would also mean 12.30.
    return bool(wanted) and (shown == wanted or wanted in shown.split())


def _run_figure_holds_query_words(figure: Mapping[str, Any], figure_query: str) -> bool:
    text = f"{figure['name']} {figure['label']}".lower()
    return bool(figure_query) and all(word in text for word in figure_query.split())


def _only_matching_run_figure_name(figures: Sequence[Mapping[str, Any]], figure: str) -> str:
    names = matching_run_figure_names(figures, figure)
    if len(names) == 1:
        return names[0]
    # Where nothing fits, figures with a formula are offered: inputs are many, and rarely what was
    # meant.
    known = names or [each["name"] for each in figures if each["formula"]]
    raise UsageError(
        figure,
        found=Message("{count} figures of that name or value", {"count": str(len(names))}),
        wanted=Message("one of {names}", {"names": _run_figure_names_list_text(known)}),
    )


def _run_figure_names_list_text(names: Sequence[str]) -> str:
    more = ", …" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _run_lineage_of_figure_name(
    run_figures: Mapping[str, Mapping[str, Any]], name: str, above: tuple[str, ...]
) -> FigureLineage:
    # A circle would otherwise be followed until Python's stack is full.
    if name not in run_figures or name in above:
        raise IdentityError(
            name, found=Message("a figure whose inputs are not listed, or go in a circle")
        )
    figure = run_figures[name]
    inputs = [
        _run_lineage_of_figure_name(run_figures, below, (*above, name))
        for below in figure["inputs"]
    ]
    # By name, because a run that was made before this version may say more of a figure, or less.
    texts = {key: figure.get(key, "") for key in _TEXTS}
    return FigureLineage(
        value=figure["value"],
        inputs=tuple(inputs),
        tables=tuple(figure.get("tables", ())),
        **texts,
    )
