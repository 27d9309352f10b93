"""Where a database is, on the command line: a path, a URL, or a file that holds either."""

from __future__ import annotations

from os import fspath
from pathlib import Path
from typing import Final, cast

import click
from click.core import ParameterSource

from commonwatt.cli.frame import option
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.core.notices import send_notice_to_collector

_MOST_BYTES: Final = 4096


class DatabaseLocation(click.types.StringParamType):
    """A path, a URL, or `@FILE` for a file whose one line is either.

    Everybody on a machine may read the words that a process was started with (`ps`), so a
    URL that holds a password belongs in a file or in the environment.
    """

    name = "text"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the path or URL.

        Raises:
            UsageError: The file cannot be read, or holds anything but one line.
        """
        text = fspath(cast("str", value))
        flag = param.opts[0] if param else "--database"
        if text.startswith("@"):
            return _database_location_in_file(Path(text[1:]), flag)
        if _option_given_on_command_line(param, ctx) and _database_url_holds_password(text):
            send_notice_to_collector(
                _password_on_command_line_warning(
                    flag, _option_environment_variable_or_blank(param)
                )
            )
        return text


DATABASE_LOCATION: Final = DatabaseLocation()
ledger_option = option(
    "--ledger",
    "where",
    type=DATABASE_LOCATION,
    default="ledger.db",
    envvar="COMMONWATT_LEDGER",
    show_default=True,
    help="Path or database URL of the ledger, or @FILE that holds it (or COMMONWATT_LEDGER).",
)


def _option_environment_variable_or_blank(param: click.Parameter | None) -> str:
    name = param.envvar if param else None
    return name if isinstance(name, str) else ""


def _option_given_on_command_line(param: click.Parameter | None, ctx: click.Context | None) -> bool:
    if param is None or ctx is None:
        return False
    return ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE


def _database_url_holds_password(text: str) -> bool:
    if "://" not in text:
        return False
    import sqlalchemy as sa
    from sqlalchemy.exc import ArgumentError

    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        # Whoever opens it says what is wrong with it.
        return False
    # libpq takes it among the parameters of a URL as well.
    return bool(url.password) or "password" in url.query


def _password_on_command_line_warning(flag: str, variable: str) -> Message:
    if not variable:
        return Message(
            "Everybody on this machine can read the password of {option} while this runs; put the "
            "URL into a file and write {option} @FILE.",
            {"option": flag},
        )
    return Message(
        "Everybody on this machine can read the password of {option} while this runs; put the URL "
        "into {variable}, or into a file and write {option} @FILE.",
        {"option": flag, "variable": variable},
    )


def _database_location_in_file(path: Path, flag: str) -> str:
    wanted = Message("a file whose one line is the path or URL of a database")
    try:
        with path.open("rb") as file:
            lines = file.read(_MOST_BYTES + 1).decode("utf-8-sig").split("\n")
    except (OSError, ValueError):
        raise UsageError(
            flag, found=Message("no readable file: {path}", {"path": fspath(path)}), wanted=wanted
        ) from None
    # The line itself is never shown: it is a secret more often than not.
    written = [line.strip() for line in lines if line.strip()]
    if len(written) != 1 or len(written[0]) > _MOST_BYTES:
        count = Message("more or less than one line in {path}", {"path": fspath(path)})
        raise UsageError(flag, found=count, wanted=wanted)
    return written[0]
