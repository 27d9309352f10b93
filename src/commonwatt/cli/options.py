"""Options and arguments that several commands share."""

from __future__ import annotations

import csv
from os import fsdecode, fspath
from pathlib import Path
from typing import cast

import click
from click.shell_completion import CompletionItem

from commonwatt.cli.frame import option
from commonwatt.core.shipped import DATA, shipped_data_file_or_local_path


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


class ProgrammeNameOrPath(click.types.StringParamType):
    """A programme file, or a shipped programme by its name; a shell may complete either."""

    name = "programme"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the shipped names that begin so, and ask the shell for files."""
        del ctx, param
        names = sorted(path.stem for path in (DATA / "programmes").glob("*.toml"))
        shipped = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return [*shipped, CompletionItem(incomplete, type="file")]


class FileOrShippedName(click.types.StringParamType):
    """A path or `shipped:NAME` as it was written, for what is written down again."""

    name = "file"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Ask the shell for files."""
        del ctx, param
        return [CompletionItem(incomplete, type="file")]


class LibraryRegionName(click.types.StringParamType):
    """A region of the library; the use case refuses what is none, and names the closest."""

    name = "region"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the regions that begin so, with what people call them."""
        del ctx, param
        # The table alone, and not the reader of the library: a shell waits for the answer.
        with (DATA / "siting" / "grid_of_region.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["region"].startswith(incomplete)]
        return [CompletionItem(row["region"], help=row["en"]) for row in rows]


store_option = option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    envvar="COMMONWATT_RUNS",
    show_default=True,
    help="Folder of the run store (or COMMONWATT_RUNS).",
)

run_argument = click.argument("run", metavar="RUN")
