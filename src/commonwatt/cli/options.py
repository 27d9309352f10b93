"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from commonwatt.cli.frame import option

store_option = option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    envvar="COMMONWATT_RUNS",
    show_default=True,
    help="Folder of the run store (or COMMONWATT_RUNS).",
)

run_argument = click.argument("run", metavar="RUN")
