"""`commonwatt study`: the whole picture of a programme, in one report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli.frame import CommandResult, command, language, option, print_message
from commonwatt.cli.options import store_option
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
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
@click.argument("programme", metavar="PROGRAMME.toml")
@option(
    "--what-if",
    "what_if",
    multiple=True,
    metavar="PATH=CHANGE",
    help="Change an input, as sites.west.power_price=+50% or fleet.order=qssf; may be repeated.",
)
@store_option
def study(programme: str, what_if: tuple[str, ...], store: Path) -> CommandResult:
    """Run a programme file, or a shipped one by its name, and write one report."""
    from commonwatt.runs import RunStore
    from commonwatt.study.programme.reader import load_programme
    from commonwatt.study.usecases import run_study

    load_programme(programme, what_if)  # a faulty file leaves no store behind
    opened = RunStore(store)
    spoken = language(click.get_current_context())
    found = run_study(
        programme, opened, language=spoken, what_if=what_if, report_progress=print_message
    )
    return CommandResult(
        data=_data(found),
        text=lambda tongue: _text(found, tongue),
        tables={
            one["name"]: opened.table(found.run.run_id, one["name"]) for one in found.run.tables
        },
        files={"report.html": found.report.read_text(encoding="utf-8")},
    )


def _data(found: StudyRun) -> dict[str, Any]:
    return {
        "run_id": found.run.run_id,
        "title": found.run.title,
        "report": str(found.report),
        "what_if": found.what_if,
        "stages_computed": found.stages.computed,
        "stages_reused": found.stages.reused,
        **found.run.headline,
        "result_sha256": found.run.result_sha256,
        "tables": found.run.tables,
    }


def _text(found: StudyRun, tongue: str) -> str:
    if found.what_if:
        return _before_and_after(found, tongue)
    figures = found.run.headline
    rows = [
        (Message("Programme"), found.run.title),
        (Message("Jobs finished"), f"{figures['jobs_finished']:,} / {figures['jobs']:,}"),
        (Message("Utilisation, first to last arrival"), f"{figures['utilisation_share']:.1%}"),
        (Message("Queue delay, mean"), f"{figures['mean_queue_delay_s'] / 3600:.2f} h"),
        (Message("Queue delay, 95th percentile"), f"{figures['p95_queue_delay_s'] / 3600:.2f} h"),
        (Message("Energy, overhead included"), f"{figures['energy_kwh'] / 1000:,.0f} MWh"),
        (Message("Power bill"), f"USD {figures['energy_cost_usd']:,.0f}"),
        (Message("Carbon"), f"{figures['carbon_kg'] / 1000:,.0f} t CO₂e"),
        *_joined(figures),
        (Message("Run"), found.run.run_id),
        (Message("Report"), str(found.report.resolve())),
    ]
    return "\n".join(f"{translate(label.text, tongue)}: {value}" for label, value in rows)


def _before_and_after(found: StudyRun, tongue: str) -> str:
    """Return the figures that the changes moved, before and after."""
    from commonwatt.study.what_if import change_text

    heads = (Message("Figure"), Message("Before"), Message("After"), Message("Change"))
    rows = [[head.translate(tongue) for head in heads]]
    moved = [row for row in found.what_if if row["changed"]]
    rows += [[row["figure"], row["before"], row["after"], change_text(row)] for row in moved]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    lines = ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]
    same = Message("{count} figures stay as they were.")
    count = {"count": str(len(found.what_if) - len(moved))}
    lines += [Message(same.text, count).translate(tongue)]
    lines += [f"{translate('Run', tongue)}: {found.run.run_id}"]
    lines += [f"{translate('Report', tongue)}: {found.report.resolve()}"]
    return "\n".join(line.rstrip() for line in lines)


def _joined(figures: dict[str, Any]) -> list[tuple[Message, str]]:
    """Return the lines of the wings that the programme uses."""
    rows: list[tuple[Message, str]] = []
    if "cost_usd_per_gpu_hour" in figures:
        costs = figures["cost_usd_per_gpu_hour"].items()
        said = "; ".join(f"{site} {cost:.2f}" for site, cost in costs)
        rows.append((Message("USD per GPU-hour, median"), said))
    if "debt_with_gdp_share" in figures:
        shares = [figures[f"debt_{side}_gdp_share"] for side in ("with", "without")]
        said = " / ".join(f"{share:.2%}" for share in shares)
        rows.append((Message("Debt over GDP at the end, with / without"), said))
    if "alternative_cheapest" in figures:
        costs = figures["alternative_cost_usd_per_gpu_hour"].items()
        said = "; ".join(f"{name} {cost:.2f}" for name, cost in costs)
        rows.append((Message("Alternatives, USD per GPU-hour"), said))
    return rows
