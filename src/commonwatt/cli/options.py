"""Options and arguments that several commands share."""

from __future__ import annotations

from os import fsdecode, fspath
from pathlib import Path
from typing import cast

import click

from commonwatt.cli.frame import option
from commonwatt.core.shipped import shipped_data_file_or_local_path


class DataPath(click.Path):
    """A path, or `shipped:NAME` for a file that the program carries."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, exists=True)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return where the file lies."""
        # Resolved first, because click asks whether the file exists, and `shipped:NAME` is no path.
        place = shipped_data_file_or_local_path(fspath(cast("str | Path", value)), Path())
        return Path(fsdecode(super().convert(fspath(place), param, ctx)))


store_option = option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    envvar="COMMONWATT_RUNS",
    show_default=True,
    help="Folder of the run store (or COMMONWATT_RUNS).",
)

run_argument = click.argument("run", metavar="RUN")
