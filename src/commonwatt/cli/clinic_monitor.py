"""`commonwatt clinic monitor run`: is a model in use still good?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.databases import ledger_option
from commonwatt.cli.frame import (
    CommandResult,
    command,
    command_language,
    option,
    raise_click_usage_error,
)
from commonwatt.cli.options import DataPath
from commonwatt.cli.terminal_text import (
    figure_sentence,
    indented,
    terminal_label_and_text,
    terminal_table_text,
)
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    import polars as pl

F = TypeVar("F", bound=Callable[..., Any])
_DAY = click.DateTime(["%Y-%m-%d"])
_FILE = click.Path(dir_okay=False, path_type=Path)
# Which columns of the table hold what.
_COLUMN_OPTIONS = (
    option(
        "--score", default="score", show_default=True, help="Column with the model's probability."
    ),
    option("--label", default="label", show_default=True, help="Column with the outcome, 0 or 1."),
    option("--day", default="day", show_default=True, help="Column with the day, as YYYY-MM-DD."),
    option(
        "--label-date",
        "known_on",
        default="",
        help="Column with the day on which the outcome was known.",
    ),
    option(
        "--patient", default="", help="Column with the patient's opaque name: each counts once."
    ),
    option(
        "--row-key",
        default="",
        help="Column that names a row, so that one given twice counts once.",
    ),
    option("--by", multiple=True, help="Column with subgroups; may repeat."),
    option(
        "--zone",
        default="",
        metavar="ZONE",
        help="Zone of the institution's days, as Asia/Hong_Kong (default: of the plan, or the zone"
        " that a time itself names).",
    ),
)
# What is watched for; with a deployment its plan says so, and nothing else may.
_PLAN_OPTIONS = (
    option(
        "--band",
        type=float,
        help="Tolerated drift on the logit scale (default: of the plan, or 0.1).",
    ),
    option(
        "--alpha",
        type=float,
        help="Bound on the probability of any false alarm (default: of the plan, or 0.1).",
    ),
    option(
        "--horizon",
        type=click.IntRange(1),
        help="Rows that the bound is for (default: of the plan, or ten years as busy as the first"
        " week, at least 50,000).",
    ),
    option(
        "--middle",
        type=float,
        help="Logit about which slopes turn (default: of the plan, or of the first week's mean"
        " score).",
    ),
    option(
        "--day-effect",
        "day_effect_sd",
        type=float,
        help="Standard deviation of what the rows of one day may share, on the logit scale"
        " (default: of the plan, or 0.3).",
    ),
    option(
        "--maturity",
        "maturity_days",
        type=click.IntRange(0, 366),
        help="Days that every row waits for its outcome (default: of the plan; or 30 with"
        " --label-date, 0 without).",
    ),
    option(
        "--as-of",
        type=_DAY,
        help="Day of the run: what counts on it or later waits (default: today with --deployment,"
        " the day after the last otherwise).",
    ),
)


def _decorator_adding_click_options(options: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    """Return a decorator that adds options in the order in which help shows them."""

    def add_options(function: F) -> F:
        for each in reversed(options):
            function = each(function)
        return function

    return add_options


def add_monitor_click_commands() -> None:
    """Add the monitor to `commonwatt clinic`."""

    @command(
        groups.monitor,
        "run",
        example="commonwatt clinic monitor run scores.csv --day date --by institution --band 0.1\n"
        "commonwatt clinic monitor run scores.csv --deployment deployment/x --key monitor.pem",
    )
    @click.argument("table", type=DataPath())
    @_decorator_adding_click_options(_COLUMN_OPTIONS)
    @_decorator_adding_click_options(_PLAN_OPTIONS)
    @option(
        "--deployment",
        default="",
        metavar="DEPLOYMENT",
        help="Run by the plan of this deployment, and put alarms on record.",
    )
    @ledger_option
    @option(
        "--key", "key_file", type=_FILE, help="File of the monitor's key; wanted with --deployment."
    )
    @option(
        "--state",
        "state_file",
        type=_FILE,
        help="File that keeps the counts between runs (default: beside the ledger).",
    )
    @click.pass_context
    def monitor(ctx: click.Context, table: Path, **words: Any) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Watch a model's calibration with a guaranteed false-alarm bound."""
        from commonwatt.clinic.usecases.monitor import (
            monitor_answer_dict_of_table,
            silent_monitor_error,
        )

        options = _monitor_options_of_click_words(words)
        if words["deployment"]:
            answer = _run_deployment_monitor_from_click_words(table, options, words)
        else:
            answer = monitor_answer_dict_of_table(table, options)
        tables: dict[str, pl.DataFrame] = {}
        files: dict[str, str] = {}
        if ctx.params.get("out") and not words["deployment"]:
            from commonwatt.clinic.usecases.monitor_figures import monitor_figures

            points, files = monitor_figures(table, options, answer, language=command_language(ctx))
            tables = {"over_time": points}
        return CommandResult(
            data=answer,
            text=lambda language: _monitor_verdicts_terminal_text(answer, language),
            tables=tables,
            files=files,
            # Written whole first; then a scheduler learns by the exit code that nobody watches.
            shortfall=silent_monitor_error(answer, words["deployment"] or table.name),
        )


def _monitor_options_of_click_words(words: dict[str, Any]) -> Any:
    from commonwatt.clinic.domain.surveillance import (
        COLUMN_ROLES,
        parse_clinic_monitor_zone_name_or_none,
    )
    from commonwatt.clinic.io.patient_table import PatientColumns
    from commonwatt.clinic.usecases.monitor import MonitorOptions

    if parse_clinic_monitor_zone_name_or_none(words["zone"] or "UTC") is None:
        raise UsageError("--zone", wanted=Message("the name of a zone, as Asia/Hong_Kong"))
    columns = {name: words[name] for name in (*COLUMN_ROLES, "zone")}
    plan = {
        name: words[name] for name in ("band", "alpha", "middle", "day_effect_sd", "maturity_days")
    }
    return MonitorOptions(
        columns=PatientColumns(**columns, by=tuple(words["by"])),
        horizon_rows=words["horizon"],
        as_of=words["as_of"].date() if words["as_of"] else None,
        **plan,
    )


def _run_deployment_monitor_from_click_words(
    table: Path, options: Any, words: dict[str, Any]
) -> dict[str, Any]:
    from commonwatt.clinic.usecases.surveillance import (
        MonitoredDeployment,
        run_and_record_deployment_monitor,
    )

    if words["key_file"] is None:
        raise_click_usage_error(Message("--deployment wants --key, the key of the monitor."))
    of = MonitoredDeployment(
        deployment=words["deployment"],
        ledger_location=words["where"],
        key_file=words["key_file"],
        state_file=words["state_file"],
    )
    return run_and_record_deployment_monitor(table, options, of, now=datetime.now(UTC))


_VERDICTS = {
    "alarm": Message("alarm"),
    "quiet": Message("quiet"),
    "too few": Message("too few"),
    "no information": Message("no information"),
}


def _monitor_verdicts_terminal_text(answer: dict[str, Any], language: str) -> str:
    from commonwatt.clinic.domain import measures
    from commonwatt.clinic.domain.tables import STREAMS
    from commonwatt.clinic.usecases.monitor_assumptions import (
        clinic_monitor_empty_day_sentences,
        clinic_monitor_run_sentences,
        patient_table_reading_sentences,
    )

    streams = [
        stream | {"verdict": _monitor_verdict_terminal_text(stream, language)}
        for stream in answer["streams"]
    ]
    # With the number of streams: the bound is for all of them together and not for each.
    bound = figure_sentence(
        Message("False alarm in any of {streams} streams: at most {alpha}"),
        language,
        {
            "streams": (measures.STREAMS, len(streams)),
            "alpha": (measures.FALSE_ALARM_BOUND, answer["bound"]),
        },
    )
    lines = [
        terminal_table_text(STREAMS.columns, streams, language),
        bound,
        *_monitor_assumption_terminal_lines(answer["assumptions"], language),
        *patient_table_reading_sentences(answer["read"], language),
        *clinic_monitor_empty_day_sentences(answer, language),
        *_label_free_auc_terminal_lines(answer["companion"], language),
        *clinic_monitor_run_sentences(answer, language),
    ]
    return "\n".join(lines)


def _monitor_assumption_terminal_lines(
    assumptions: list[dict[str, Any]], language: str
) -> list[str]:
    from commonwatt.clinic.usecases.monitor_assumptions import (
        CHECK_WORDS,
        clinic_monitor_assumption_sentence,
    )

    lines = [Message("The bound rests on:").translate(language)]
    for each in assumptions:
        sentence = clinic_monitor_assumption_sentence(each["assumption"], each["figures"], language)
        lines.append(
            indented(
                terminal_label_and_text(CHECK_WORDS[each["check"]].translate(language), sentence)
            )
        )
    return lines


def _monitor_verdict_terminal_text(stream: dict[str, Any], language: str) -> str:
    verdict = _VERDICTS[stream["verdict"]].translate(language)
    if not stream["alarm_on"]:
        return verdict
    gaps = {"verdict": verdict, "day": stream["alarm_on"]}
    return Message("{verdict} on {day}", gaps).translate(language)


def _label_free_auc_terminal_lines(companion: dict[str, Any] | None, language: str) -> list[str]:
    from commonwatt.clinic.domain import measures

    if companion is None:
        return []
    # The estimate without labels is shown beside its assumption, because it fails where that fails;
    # on COVID-19 it did.
    sentence = Message(
        "AUC after the first week {real}; scores alone would say {said}, which assumes that"
        " the chance of the event at each score has not changed"
    )
    figures = {
        "real": (measures.AUC, companion["realised_auc"]),
        "said": (measures.LABEL_FREE_AUC, companion["label_free_auc"]),
    }
    return [figure_sentence(sentence, language, figures)]
