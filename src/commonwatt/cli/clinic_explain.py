"""`commonwatt clinic model explain`: why a model scores as it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.frame import CommandResult, command, option
from commonwatt.cli.terminal_text import figure_sentence, terminal_table_text
from commonwatt.core.messages import Message

_there = click.Path(dir_okay=False, exists=True, path_type=Path)


def add_model_explain_click_command() -> None:
    """Add explanations to `commonwatt clinic`."""

    @command(
        groups.model,
        "explain",
        example="commonwatt clinic model explain cases.csv --linear model.json\n"
        "commonwatt clinic model explain cases.csv --python mine:score --column age --column crp"
        " --row 17",
    )
    @click.argument("table", type=_there)
    @option("--linear", type=_there, help="A logistic model as JSON.")
    @option("--python", default="", metavar="MODULE:FUNCTION", help="A function of facts to score.")
    @option(
        "--column", "columns", multiple=True, help="Column that the function reads; may repeat."
    )
    @option("--label", default="label", show_default=True, help="Column with the outcome, 0 or 1.")
    @option(
        "--row",
        type=click.IntRange(0),
        help="Explain this row, counted from 0 below the header (default: the whole table).",
    )
    @option("--seed", type=int, default=1, show_default=True, help="Seed of every draw.")
    def explain(  # pyright: ignore[reportUnusedFunction]
        table: Path,
        linear: Path | None,
        python: str,
        columns: tuple[str, ...],
        label: str,
        row: int | None,
        seed: int,
    ) -> CommandResult:
        """Show what each column is worth to a model, or what it adds in one case."""
        from commonwatt.clinic.usecases.explain import model_explanation_dict_and_frame

        explanation, frame = model_explanation_dict_and_frame(
            table, linear=linear, python=python, columns=columns, label=label, row=row, seed=seed
        )
        return CommandResult(
            data=explanation,
            text=lambda language: _model_explanation_terminal_text(explanation, language),
            tables={"explained": frame},
        )


def _model_explanation_terminal_text(explanation: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain import measures
    from commonwatt.clinic.domain.tables import CASE, IMPORTANCE
    from commonwatt.clinic.usecases.monitor_assumptions import left_out_row_sentences

    notes = left_out_row_sentences(explanation["read"], language)
    if explanation["kind"] == "global":
        head = figure_sentence(
            Message("AUC lost when a column is shuffled, over {rows} rows"),
            language,
            {"rows": (measures.EVIDENCE_ROWS, explanation["rows"])},
        )
        columns = [column for column in IMPORTANCE.columns if column.name != "rounds"]
        shown = terminal_table_text(columns, explanation["columns"], language)
        return "\n".join([head, shown, *notes])
    figures = {
        "row": (measures.ROW_EXPLAINED, explanation["row"]),
        "whole": (measures.CASE_SCORE, explanation["whole"]),
        "base": (measures.USUAL_SCORE, explanation["base"]),
    }
    head = figure_sentence(_SCALES[explanation["scale"]], language, figures)
    # Shapley values of other models are sampled; without its error a small one could be noise.
    shown = terminal_table_text(CASE.columns, explanation["columns"], language)
    return "\n".join([head, shown, *notes])


_SCALES = {
    # On the logit the parts of a linear model add up exactly; on the probability they would not.
    "logit": Message("Row {row}: logit {whole}, from {base} by exact parts"),
    "score": Message("Row {row}: score {whole}, from {base} by sampled Shapley values"),
}
