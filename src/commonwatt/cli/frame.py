"""What every command shares: help that starts with an example, output, errors.

A command is declared with `@command(group, example=…)` and its options with
`@option`; both say their help in the user's language. A command returns an
`CommandResult`, and this module writes it: as text, as JSON, into a folder.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from commonwatt.cli.click_words import click_words_translated_in_language
from commonwatt.core.errors import BugError, CommonwattError, UsageError
from commonwatt.core.faults import logged_machine_fault_error, machine_fault
from commonwatt.core.log import (
    LOG_ENVIRONMENT,
    LogCode,
    LogEvent,
    log_bug,
    log_event,
    logging_to_destination,
    open_log,
)
from commonwatt.core.messages import Message, message_language, translate, translated_text
from commonwatt.core.notices import notices_sent_to_sink

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What a command found out.

    Args:
        data: The whole answer for `--json`; field names carry units.
        text: The same for a person, called only when it is shown.
        tables: Tables for `--out`, by name.
        files: Further files for `--out`, by name, as text.
        shortfall: What the answer lacks of what was asked for: raised once it is written, so that
            the exit code says so.
    """

    data: Mapping[str, Any]
    text: Callable[[str], str]
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict[str, "pl.DataFrame"])
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    shortfall: CommonwattError | None = None


class TranslatedOption(click.Option):
    """An option whose help is said in the user's language."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return flag and translated help."""
        english = self.help
        self.help = translate(english or "", command_language(ctx))
        try:
            return super().get_help_record(ctx)
        finally:
            self.help = english


class _ExampleFirstCommand(click.Command):
    """Help in the user's language that starts with an example."""

    example: str = ""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.example:
            formatter.write_text(translate("Example:", command_language(ctx)))
            with formatter.indentation():
                for line in self.example.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
            formatter.write_paragraph()
        super().format_help(ctx, formatter)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        english = self.help
        self.help = translate(english or "", command_language(ctx))
        try:
            super().format_help_text(ctx, formatter)
        finally:
            self.help = english


class Command(_ExampleFirstCommand):
    """A leaf command."""

    renamed_options: Mapping[str, str] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read options; one that is called otherwise now is answered with the new name."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as unknown:
            now = self.renamed_options.get(unknown.option_name)
            if now is None:
                raise
            raise_click_usage_error(
                Message("{old} is called {new} now.", {"old": unknown.option_name, "new": now})
            )

    def invoke(self, ctx: click.Context) -> Any:
        """Do it, with its words in the log."""
        # The words of our own table and never an argument: a name may stand there.
        log_event(LogEvent.COMMAND_STARTED, command=LogCode(ctx.command_path))
        return super().invoke(ctx)


class LazyGroup(_ExampleFirstCommand, click.Group):
    """A group that knows its commands' names and help without importing them."""

    def __init__(
        self,
        *,
        name: str,
        help: str,  # noqa: A002  click's own word
        example: str = "",
        commands_by_name: Mapping[str, tuple[str, str]] | None = None,
        renamed: Mapping[str, str] | None = None,
        was_command: str = "",
        version: str = "",
    ) -> None:
        params: list[click.Parameter] = [_language_command_option(), _log_command_option()]
        if version:
            params.append(_version_command_option(version))
        # Words alone, as `commonwatt` or `commonwatt --lang zh-Hant`, ask for help; click would
        # call them a mistake, answer on stderr and leave with 2.
        super().__init__(
            name=name,
            help=help,
            params=params,
            no_args_is_help=False,
            invoke_without_command=True,
            callback=_print_help_unless_a_command_follows,
        )
        self.example = example
        self._lazy = dict(commands_by_name or {})
        self.renamed = dict(renamed or {})
        self.was_command = was_command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return [*self._lazy, *(name for name in self.commands if name not in self._lazy)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing its module now."""
        del ctx
        if cmd_name in self._lazy:
            module, attribute = self._lazy[cmd_name][0].split(":")
            return getattr(import_module(module), attribute)
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the words name; an old name is answered with the new one.

        Scripts of users rely on names: one that is gone must say what it is called now,
        and never run something else in silence.
        """
        word = args[0]
        if self.get_command(ctx, word) is None:
            now = self.renamed.get(word) or (
                self.was_command and self._words_of_former_command(ctx)
            )
            if now:
                old_name = (
                    f"{ctx.command_path} {word}" if word in self.renamed else ctx.command_path
                )
                raise_click_usage_error(
                    Message(
                        "{old} is called {new} now.", {"old": old_name, "new": f"commonwatt {now}"}
                    )
                )
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the group's own options; one of the command that it once was names that one."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption:
            if not self.was_command:
                raise
            raise_click_usage_error(
                Message(
                    "{old} is called {new} now.",
                    {
                        "old": ctx.command_path,
                        "new": f"commonwatt {self._words_of_former_command(ctx)}",
                    },
                )
            )

    def _words_of_former_command(self, ctx: click.Context) -> str:
        """Return the words of the command that this group once was, without the program's."""
        return f"{ctx.command_path.split(' ', 1)[-1]} {self.was_command}"

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing them."""
        rows = [
            (name, translate(self._command_summary(name), command_language(ctx)))
            for name in self.list_commands(ctx)
        ]
        with formatter.section(translate("Commands", command_language(ctx))):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that a shell may complete, importing no command."""
        commands = [
            CompletionItem(name, help=translate(self._command_summary(name), command_language(ctx)))
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        # Not that of `click.Group`, which imports every command for the first line of its help.
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def _command_summary(self, name: str) -> str:
        if name in self._lazy:
            return self._lazy[name][1]
        return (self.commands[name].help or "").split("\n\n")[0].replace("\n", " ")


def _print_help_unless_a_command_follows() -> None:
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def command(
    group: LazyGroup | None,
    name: str,
    *,
    example: str,
    renamed_options: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., CommandResult]], click.Command]:
    """Return a decorator that makes a function returning an `CommandResult` into a command.

    The function's docstring is the help. The options `--json`, `--out` and
    `--lang` are added to those that it declares. Of `renamed_options` an old name is
    answered with the new one.
    """

    def make_click_command(function: Callable[..., CommandResult]) -> click.Command:
        @functools.wraps(function)
        def run_command_function(*, as_json: bool, out: Path | None, **given: object) -> None:
            with _out_folder_made_removed_on_failure(out):
                write_command_result(function(**given), as_json=as_json, out=out)

        for extra in (
            _log_command_option(),
            _language_command_option(),
            _out_folder_command_option(),
            _json_command_option(),
        ):
            _attach_click_option(run_command_function, extra)
        made = click.command(name, cls=Command)(run_command_function)
        made.example = example
        made.renamed_options = dict(renamed_options or {})
        if group is not None:
            group.add_command(made)
        return made

    return make_click_command


option = functools.partial(click.option, cls=TranslatedOption)


def write_command_result(answer: CommandResult, *, as_json: bool, out: Path | None) -> None:
    """Write an answer where the user asked for it.

    Raises:
        CommonwattError: The answer lacks a part of what was asked for; it is written first.
    """
    if out is not None:
        _save_command_result(answer, out)
    if as_json:
        click.echo(command_json_text(answer.data))
    else:
        click.echo(answer.text(command_language(click.get_current_context())))
    if answer.shortfall is not None:
        raise answer.shortfall


def command_json_text(data: Mapping[str, Any]) -> str:
    """Return JSON with stable order and no NaN, which JSON does not have."""
    return json.dumps(
        data, indent=2, ensure_ascii=False, allow_nan=False, default=_command_json_default
    )


_OPTIONS_OF_EVERY_COMMAND = frozenset({"as_json", "out", "lang", "log"})


def refuse_click_options_not_read(way: str, read: Collection[str]) -> None:
    """Refuse what was given on the command line and what this way of the command does not read.

    An answer that passed an option over would look as if it had been heeded.

    Args:
        way: The option that changes what the command does, such as `--contest`.
        read: Names of the parameters that this way reads.

    Raises:
        UsageError: An option was given that is not read.
    """
    for parameter in _command_parameters_given_on_command_line():
        if parameter.name not in read:
            raise UsageError(
                _parameter_name_on_command_line(parameter),
                found=Message("an option that {way} does not read", {"way": way}),
                remedy=Message("Leave one of the two out."),
            )


def refuse_click_option_without_partner(name: str, partner: str, *, given: bool) -> None:
    """Refuse a parameter that does nothing unless another one is given.

    Args:
        name: Name of the parameter.
        partner: The other one, as on the command line.
        given: Whether the other one was given.

    Raises:
        UsageError: The parameter was given, and the other one was not.
    """
    if given:
        return
    for parameter in _command_parameters_given_on_command_line():
        if parameter.name == name:
            raise UsageError(
                _parameter_name_on_command_line(parameter),
                found=Message(
                    "an option that does nothing without {partner}", {"partner": partner}
                ),
                remedy=Message("Leave it out, or give {partner}, too.", {"partner": partner}),
            )


def _command_parameters_given_on_command_line() -> list[click.Parameter]:
    """Return the command's parameters that stand on its command line, but for everybody's."""
    ctx = click.get_current_context()
    return [
        parameter
        for parameter in ctx.command.params
        if parameter.name not in _OPTIONS_OF_EVERY_COMMAND
        and ctx.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        # Click says of an argument that may be left out that it comes from the command line.
        and ctx.params.get(parameter.name) not in (None, ())
    ]


def _parameter_name_on_command_line(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return parameter.human_readable_name
    return max(parameter.opts, key=len)


def click_echo_message_to_stderr(message: Message | str) -> None:
    """Talk to the person on stderr, in their language."""
    ctx = click.get_current_context(silent=True)
    click.echo(translated_text(message, command_language(ctx)), err=True)


@contextmanager
def terminal_progress_bar_advance(total: int) -> Generator[Callable[[int], None]]:
    """Show how far long work is, on a terminal only; yield what advances it."""
    stream = sys.stderr
    if not stream.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=total, file=stream) as bar:
        yield bar.update


def command_language(ctx: click.Context | None) -> str:
    """Return the language of this call."""
    chosen = ctx.find_root().meta.get("commonwatt.language") if ctx else None
    return chosen or message_language(None)


def run_main(root: click.Command, arguments: Sequence[str]) -> int:
    """Run `root` and return the exit code; say every error in a sentence."""
    language = _language_of_command_line(arguments)
    with (
        click_words_translated_in_language(language),
        logging_to_destination(os.environ.get(LOG_ENVIRONMENT, "")),
        notices_sent_to_sink(lambda message: click.echo(message.translate(language), err=True)),
    ):
        began_s = time.monotonic()
        exit_code = _run_command_and_return_exit_code(root, arguments, language)
        wall_s = time.monotonic() - began_s
        log_event(LogEvent.COMMAND_ENDED, exit_code=exit_code, wall_s=wall_s)
        return exit_code


def _run_command_and_return_exit_code(
    root: click.Command, arguments: Sequence[str], language: str
) -> int:
    try:
        root.main(args=list(arguments), prog_name="commonwatt", standalone_mode=False)
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo(translate("Stopped; nothing was kept.", language), err=True)
        return 130
    except BrokenPipeError:
        return _silence_stdout_and_return_exit_code()
    except Exception as error:
        return _print_command_error_returning_exit_code(
            _command_error_of_exception(error), arguments
        )
    return 0


def _command_error_of_exception(error: Exception) -> CommonwattError:
    if isinstance(error, CommonwattError):
        return error
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] != "commonwatt":
        from commonwatt.core.extras import missing_extra_error

        return missing_extra_error(error)
    return (
        _command_error_of_database_fault(error)
        or logged_machine_fault_error(error)
        or _logged_command_bug_error(error)
    )


def _command_error_of_database_fault(error: Exception) -> CommonwattError | None:
    # Whoever raised it has imported the library; a command that did not must not pay for it.
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import SQLAlchemyError

    from commonwatt.stores.engine import logged_database_error

    if isinstance(error, SQLAlchemyError) and machine_fault(error) is not None:
        return logged_database_error(error)
    return None


def _print_command_error_returning_exit_code(
    error: CommonwattError, arguments: Sequence[str]
) -> int:
    if "--json" in arguments:
        click.echo(json.dumps(error.as_dict(), ensure_ascii=False), err=True)
    else:
        click.echo(f"commonwatt: {error.translate(_language_of_command_line(arguments))}", err=True)
    return error.exit_code


def _logged_command_bug_error(error: BaseException) -> CommonwattError:
    if os.environ.get("COMMONWATT_DEBUG"):
        traceback.print_exception(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    report = log_bug(error)
    remedy = Message("Its traceback is above; please report it.")
    if report.file:
        remedy = Message(
            "Its traceback is in {file} as incident {incident}; please report it.",
            {"file": report.file, "incident": report.incident},
        )
    return BugError(
        f"{Path(last.filename).name}:{last.lineno}",
        found=Message(
            "{kind}; this is a fault of Commonwatt, not yours", {"kind": type(error).__name__}
        ),
        remedy=remedy,
    )


def _silence_stdout_and_return_exit_code() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


@contextmanager
def _out_folder_made_removed_on_failure(out: Path | None) -> Generator[None]:
    """Make the folder of `--out` before the command does anything that stays.

    A command that put something on record and then could not write its answer would look as if
    it had failed. Of a command that fails, no folder is left.

    Raises:
        UsageError: The folder cannot be made.
    """
    made = [] if out is None else [each for each in (out, *out.parents) if not each.exists()]
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "--out",
            found=f"{out}: {error.strerror}",
            wanted=Message("a folder that can be made"),
        ) from None
    try:
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):  # something was written into it, and stays
                folder.rmdir()
        raise


def _save_command_result(answer: CommandResult, out: Path) -> None:
    from commonwatt.core.files import save_frame_as_parquet_and_csv, save_text

    for name, frame in answer.tables.items():
        save_frame_as_parquet_and_csv(frame, out, name)
    for name, text in answer.files.items():
        save_text(text, out / name)
    save_text(command_json_text(answer.data) + "\n", out / "answer.json")
    click_echo_message_to_stderr(Message("Written to {folder}", {"folder": str(out)}))


def _command_json_default(value: object) -> object:
    for attribute in ("item", "tolist", "isoformat"):
        convert = getattr(value, attribute, None)
        if callable(convert):
            return convert()
    return str(value)


def _json_command_option() -> TranslatedOption:
    return TranslatedOption(
        ["--json", "as_json"], is_flag=True, help="Write the whole answer as JSON."
    )


def _out_folder_command_option() -> TranslatedOption:
    kind = click.Path(file_okay=False, path_type=Path)
    return TranslatedOption(
        ["--out"], type=kind, help="Also write tables and charts into this folder."
    )


def _language_command_option() -> TranslatedOption:
    return TranslatedOption(
        ["--lang"],
        type=click.Choice(["en", "zh-Hant"]),
        expose_value=False,
        is_eager=True,
        callback=_set_command_language,
        help="Language of help, text and reports (default: LANG).",
    )


def _log_command_option() -> TranslatedOption:
    return TranslatedOption(
        ["--log"],
        metavar="FILE",
        expose_value=False,
        is_eager=True,
        callback=_open_command_log,
        help="Log ids, counts, codes and durations to this file; - for stderr (or COMMONWATT_LOG).",
    )


def _open_command_log(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value and not ctx.resilient_parsing:
        open_log(value)


def _version_command_option(version: str) -> TranslatedOption:
    def print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            click.echo(f"commonwatt {version}")
            ctx.exit()

    return TranslatedOption(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=print_version,
        help="Print the version.",
    )  # fmt: skip


def _set_command_language(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        ctx.find_root().meta["commonwatt.language"] = value


def _language_of_command_line(arguments: Sequence[str]) -> str:
    """Return the language named in raw arguments, for errors before parsing."""
    for first, second in pairwise([*arguments, ""]):
        if first == "--lang":
            return message_language(second)
        if first.startswith("--lang="):
            return message_language(first.removeprefix("--lang="))
    return message_language(None)


def _attach_click_option(function: Callable[..., object], parameter: click.Parameter) -> None:
    declared: list[click.Parameter] = getattr(function, "__click_params__", [])
    function.__dict__["__click_params__"] = [*declared, parameter]


def raise_click_usage_error(text: Message) -> NoReturn:
    """Leave with the usage error of click, in the user's language."""
    raise click.UsageError(text.translate(command_language(click.get_current_context(silent=True))))
