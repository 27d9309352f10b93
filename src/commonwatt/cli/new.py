"""`commonwatt new`: a first programme from one's own trace and a region of the library."""

from __future__ import annotations

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli.frame import (
    CommandResult,
    command,
    command_language,
    option,
    raise_click_usage_error,
)
from commonwatt.cli.options import DataPath, FileOrShippedName, LibraryRegionName
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    from commonwatt.study.usecases import StartedProgramme


@command(
    None,
    "new",
    example=(
        "commonwatt new my.toml --trace jobs.csv --region hong-kong --country hongkong\n"
        'commonwatt new my.toml --region us-iowa --place "Nairobi, Kenya" --zone KE\n'
        "commonwatt new --template"
    ),
)
@click.argument("programme", metavar="PROGRAMME.toml", required=False, type=click.Path())
@option(
    "--trace",
    type=FileOrShippedName(),
    help="Own trace, or shipped:NAME; a shipped slice when absent.",
)
@option("--format", "trace_format", help="Trace format; found from the content when absent.")
@option("--mapping", type=DataPath(), help="TOML file that says what a table's columns mean.")
@option(
    "--region",
    type=LibraryRegionName(),
    help="Region of the library; an unknown one lists them all.",
)
@option(
    "--place",
    default="",
    metavar="TEXT",
    help="The place, where the library lacks it; the region's figures are then marked borrowed.",
)
@option("--zone", default="", metavar="CODE", help="Country of the place, as KE, or KE-ZONE.")
@option("--country", default="", metavar="NAME", help="Who borrows: a shipped country or a folder.")
@option(
    "--currency-per-usd",
    type=click.FloatRange(min=0, min_open=True),
    help="Exchange rate of a country whose currency the library lacks.",
)
@option("--force", is_flag=True, help="Replace a file that is there.")
@option("--template", is_flag=True, help="Print a programme with every key explained instead.")
def new(
    programme: str | None,
    trace: str | None,
    trace_format: str | None,
    mapping: Path | None,
    region: str | None,
    place: str,
    zone: str,
    country: str,
    currency_per_usd: float | None,
    force: bool,
    template: bool,
) -> CommandResult:
    """Write a first programme that runs at once, each value with meaning, unit and source."""
    from commonwatt.study.usecases import (
        ProgrammeStart,
        annotated_programme_template,
        write_first_programme,
    )

    language = command_language(click.get_current_context())
    if template:
        text = annotated_programme_template(language).rstrip()
        return CommandResult(data={"template": text}, text=lambda _: text)
    if programme is None:
        raise_click_usage_error(Message("Name the file to write, such as my.toml."))
    started = write_first_programme(
        ProgrammeStart(
            path=Path(programme),
            region=region or "",
            place=place.strip(),
            zone=zone,
            format=trace_format,
            mapping=mapping,
            country=country,
            currency_per_usd=currency_per_usd,
            language=language,
            replace=force,
            **({} if trace is None else {"trace": trace}),
        )
    )
    return CommandResult(
        data=_command_json_of_started_programme(started),
        text=lambda tongue: _started_programme_terminal_text(started, tongue),
    )


def _command_json_of_started_programme(started: StartedProgramme) -> dict[str, Any]:
    return {
        "programme": fspath(started.path),
        "site": started.site,
        "jobs": started.jobs,
        "gpus": started.gpus,
        "assumptions": list(started.assumptions),
        "borrowed": list(started.borrowed),
    }


def _started_programme_terminal_text(started: StartedProgramme, tongue: str) -> str:
    path = fspath(started.path)
    sentences = [Message("Written: {path}", {"path": path})]
    if started.assumptions:
        values = {"paths": ", ".join(started.assumptions)}
        sentences.append(Message("Assumed, and to be replaced: {paths}", values))
    if started.borrowed:
        values = {"paths": ", ".join(started.borrowed)}
        sentences.append(Message("Borrowed from another place: {paths}", values))
    sentences.append(Message("Next: commonwatt study {path}", {"path": path}))
    return "\n".join(sentence.translate(tongue) for sentence in sentences)
