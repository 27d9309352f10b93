"""`commonwatt study`: the whole picture of a programme, in one report."""

from __future__ import annotations

from collections.abc import Mapping
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli.frame import (
    CommandResult,
    click_echo_message_to_stderr,
    command,
    command_language,
    option,
)
from commonwatt.cli.options import ProgrammeNameOrPath, store_option
from commonwatt.core.messages import Message, translate
from commonwatt.core.stdout import library_output_to_stderr

if TYPE_CHECKING:
    from commonwatt.study.programme.reader import Programme
    from commonwatt.study.usecases import StudyRun


@command(
    None,
    "study",
    example=(
        "commonwatt study harbour\n"
        "commonwatt study my-programme.toml\n"
        "commonwatt study harbour --what-if sites.west.power_price=+50% --what-if fleet.order=qssf"
    ),
)
@click.argument("programme", metavar="PROGRAMME.toml", type=ProgrammeNameOrPath())
@option(
    "--what-if",
    "what_if",
    multiple=True,
    metavar="PATH=CHANGE",
    help="Change an input, as sites.west.power_price=+50% or fleet.order=qssf; may be repeated.",
)
@option(
    "--pdf",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.pdf",
    help="Print the report to this file, with page numbers; a Chromium must be installed.",
)
@store_option
def study(programme: str, what_if: tuple[str, ...], pdf: Path | None, store: Path) -> CommandResult:
    """Run a programme file, or a shipped one by its name, and write one report."""
    from commonwatt.report.pdf import find_chromium, write_report_pdf
    from commonwatt.runs import RunStore
    from commonwatt.study.programme.reader import load_programme
    from commonwatt.study.usecases import run_study

    loaded = load_programme(programme, what_if)  # a faulty file leaves no store behind
    if pdf is not None:
        find_chromium()  # before the study, which takes longer than to be told that none is there
    opened = RunStore(store)
    spoken = command_language(click.get_current_context())
    with library_output_to_stderr():
        study_run = run_study(
            programme,
            opened,
            language=spoken,
            what_if=what_if,
            report_progress=click_echo_message_to_stderr,
        )
    if pdf is not None:
        write_report_pdf(study_run.report, pdf)
        click_echo_message_to_stderr(Message("Printed: {path}", {"path": fspath(pdf)}))
    return CommandResult(
        data=_command_json_of_study_run(study_run),
        text=lambda tongue: _study_run_terminal_text(
            study_run, tongue, _programme_label_translations_by_name(loaded, tongue)
        ),
        tables=opened.tables_on_demand(study_run.run),
        files={"report.html": study_run.report.read_text(encoding="utf-8")},
        shortfall=study_run.absent_parts_error(),
    )


def _command_json_of_study_run(study_run: StudyRun) -> dict[str, Any]:
    return {
        "run_id": study_run.run.run_id,
        "title": study_run.run.title,
        "report": fspath(study_run.report),
        "parts_absent": [part.as_dict() for part in study_run.absent],
        "what_if": study_run.what_if,
        "stages_computed": study_run.stages.computed,
        "stages_reused": study_run.stages.reused,
        **study_run.run.headline,
        "result_sha256": study_run.run.result_sha256,
        "tables": study_run.run.tables,
    }


def _programme_label_translations_by_name(programme: Programme, tongue: str) -> dict[str, str]:
    """Return what the reader's language calls the title, the sites and the alternatives."""
    file = programme.file
    title = file.title.translate("en")
    words = programme.programme_label_translation_by_english(tongue) | {
        title: file.title.translate(tongue)
    }
    # In English an alternative is called as a change names it, and so it stays.
    if tongue != "en":
        words |= {name: part.label.translate(tongue) for name, part in file.alternatives.items()}
    return words


def _study_run_terminal_text(study_run: StudyRun, tongue: str, words: Mapping[str, str]) -> str:
    # Whoever asks for a change wants to know what it moves, and not the whole picture again.
    if study_run.what_if:
        return _what_if_terminal_text(study_run, tongue)
    from commonwatt.catalogue import shared
    from commonwatt.catalogue.measures import measure_label_text, measure_value_text
    from commonwatt.cli.terminal_text import terminal_label_and_text
    from commonwatt.fleet.domain import measures as fleet

    figures = study_run.run.headline
    shown = (
        (fleet.JOBS_FINISHED, "jobs_finished"),
        (fleet.JOBS_SUBMITTED, "jobs"),
        (shared.UTILISATION, "utilisation_share"),
        (shared.QUEUE_DELAY_MEAN, "mean_queue_delay_s"),
        (fleet.QUEUE_DELAY_P95, "p95_queue_delay_s"),
        (shared.ENERGY, "energy_kwh"),
        (shared.POWER_BILL, "energy_cost_usd"),
        (shared.CARBON, "carbon_kg"),
    )
    rows = [
        (translate("Programme", tongue), words.get(study_run.run.title, study_run.run.title)),
        *(
            (
                measure_label_text(measure, tongue),
                measure_value_text(figures[name], measure, tongue),
            )
            for measure, name in shown
        ),
        *_cost_and_debt_terminal_rows(figures, tongue, words),
        *(
            (part.title.translate(tongue), part.sentence(tongue))
            for part in study_run.absent
            # What was asked for is told at the end, with the exit code.
            if not part.is_asked_for
        ),
        (translate("Run", tongue), study_run.run.run_id),
        (translate("Report", tongue), fspath(study_run.report.resolve())),
    ]
    return "\n".join(terminal_label_and_text(name, value) for name, value in rows)


def _what_if_terminal_text(study_run: StudyRun, tongue: str) -> str:
    """Return the figures that the changes moved, before and after."""
    from commonwatt.cli.terminal_text import (
        figure_sentence,
        terminal_label_and_text,
        terminal_table_text,
    )
    from commonwatt.study.measures import FIGURES_UNMOVED, WHAT_IF

    columns = [WHAT_IF.column(name) for name in ("figure", "before", "after", "change_share")]
    # The others are only counted: among hundreds of figures the few that moved would be lost.
    moved = [row for row in study_run.what_if if row["changed"]]
    same = figure_sentence(
        Message("{count} figures stay as they were."),
        tongue,
        {"count": (FIGURES_UNMOVED, len(study_run.what_if) - len(moved))},
    )
    return "\n".join(
        [
            terminal_table_text(columns, moved, tongue, left=range(len(columns))),
            same,
            terminal_label_and_text(translate("Run", tongue), study_run.run.run_id),
            terminal_label_and_text(
                translate("Report", tongue), fspath(study_run.report.resolve())
            ),
        ]
    )


def _cost_and_debt_terminal_rows(
    figures: dict[str, Any], tongue: str, words: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return the lines of the wings that the programme uses."""
    from commonwatt.catalogue.measures import Measure, measure_cell_text, measure_heading
    from commonwatt.catalogue.shared import GPU_HOUR_COST, GPU_HOUR_COST_P50
    from commonwatt.study.measures import ALTERNATIVE, DEBT_GDP_WITH, DEBT_GDP_WITHOUT

    def figures_text_by_name(measure: Measure, values: dict[str, float]) -> str:
        return "; ".join(
            f"{words.get(name, name)} {measure_cell_text(value, measure, tongue)}"
            for name, value in values.items()
        )

    rows: list[tuple[str, str]] = []
    # Wings that the programme leaves out are left out here, too, and not shown as nought.
    if "cost_usd_per_gpu_hour" in figures:
        costs = figures_text_by_name(GPU_HOUR_COST_P50, figures["cost_usd_per_gpu_hour"])
        rows.append((measure_heading(GPU_HOUR_COST_P50, tongue), costs))
    if "debt_with_gdp_share" in figures:
        for measure, side in ((DEBT_GDP_WITH, "with"), (DEBT_GDP_WITHOUT, "without")):
            share = figures[f"debt_{side}_gdp_share"]
            rows.append(
                (measure_heading(measure, tongue), measure_cell_text(share, measure, tongue))
            )
    if "alternative_cheapest" in figures:
        costs = figures_text_by_name(GPU_HOUR_COST, figures["alternative_cost_usd_per_gpu_hour"])
        name = f"{measure_heading(ALTERNATIVE, tongue)}, {measure_heading(GPU_HOUR_COST, tongue)}"
        rows.append((name, costs))
    return rows
