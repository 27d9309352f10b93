"""`commonwatt operate care run` and its kin: keep nodes healthy, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli.frame import CommandResult, click_echo_message_to_stderr, command, option
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    from commonwatt.catalogue.tables import TableSchema
    from commonwatt.operate.engines.care.caretaker import CareStep

_folder = click.Path(file_okay=False, path_type=Path)
_table = click.Path(dir_okay=False, exists=True, path_type=Path)
_home = option(
    "--home",
    "folder",
    type=_folder,
    default=Path("operate"),
    envvar="COMMONWATT_OPERATE",
    show_default=True,
    help="Folder of the controller (or COMMONWATT_OPERATE).",
)
_positive = click.FloatRange(min=0, min_open=True)


@command(
    None,
    "run",
    example="commonwatt operate care run --home cluster --dry-run\n"
    "commonwatt operate care run --home cluster --samples telemetry.csv --json",
)
@_home
@option("--samples", type=_table, help="Telemetry as a table: at_s, node, signal, value.")
@option("--looks", type=click.IntRange(1), default=1, show_default=True, help="How often to look.")
@option("--dry-run", is_flag=True, help="Say what would be done, and touch nothing.")
def care(folder: Path, samples: Path | None, looks: int, dry_run: bool) -> CommandResult:
    """Look for sick nodes and do what the table of moves and its bounds allow."""
    from commonwatt.operate.usecases.care import run_node_care
    from commonwatt.operate.usecases.home import open_controller_home

    def print_care_step(step: CareStep) -> None:
        # With a single look the answer at the end says it all; of many, each is said as it happens.
        if looks > 1:
            click_echo_message_to_stderr(_care_step_terminal_line(step))

    home = open_controller_home(folder)
    data = run_node_care(
        home, samples=samples, observations=looks, dry_run=dry_run, on_step=print_care_step
    )
    return CommandResult(data=data, text=lambda language: _care_steps_terminal_text(data, language))


@command(None, "intervene", example="commonwatt operate care intervene undo n007 --home cluster")
@click.argument("act", type=click.Choice(["undo", "approve", "test", "release"]))
@click.argument("node", required=False)
@_home
@option("--reason", default="", help="Why, for the record.")
def care_operator_action(folder: Path, act: str, node: str | None, reason: str) -> CommandResult:
    """Undo or approve what care did, send a repaired node to its test, or end a freeze."""
    from commonwatt.operate.usecases.care import act_as_care_operator
    from commonwatt.operate.usecases.home import open_controller_home

    data = act_as_care_operator(open_controller_home(folder), act, node, reason=reason)
    return CommandResult(
        data=data, text=lambda language: _nodes_in_care_terminal_text(data, language)
    )


@command(
    None,
    "detect",
    example="commonwatt operate care detect last-month.csv today.csv --json",
)
@click.argument("ordinary", type=_table)
@click.argument("later", type=_table)
# The season of a node's load is a day; 1,440 steps are one a minute.
@option("--day", type=click.IntRange(2), default=1440, show_default=True, help="Steps of a day.")
@option("--false-per-day", type=_positive, default=0.1, show_default=True,
        help="False alarm episodes that may be raised a day.")  # fmt: skip
# Nobody labels ordinary days, so they hold incidents; a threshold that spared them all would hear
# nothing.
@option("--incidents-per-day", type=click.FloatRange(min=0), default=0.3, show_default=True,
        help="Incidents reckoned with a day among the ordinary ones.")  # fmt: skip
def care_detect(
    ordinary: Path, later: Path, day: int, false_per_day: float, incidents_per_day: float
) -> CommandResult:
    """Learn a node's ordinary days from one table and raise alarms on another."""
    from commonwatt.operate.engines.care.detect.alarms import AlarmBudget
    from commonwatt.operate.usecases.care_study import node_alarm_episodes_and_scores

    budget = AlarmBudget(
        false_per_day=false_per_day,
        incidents_per_day=incidents_per_day,
        day=day,
        # An hour without an alarm ends an episode, whatever the step of the table is.
        quiet=max(day // 24, 1),
    )
    data, scores = node_alarm_episodes_and_scores(ordinary, later, day=day, budget=budget)
    tables = {"scores": scores}
    return CommandResult(
        data=data, text=lambda language: _node_alarms_terminal_text(data, language), tables=tables
    )


@command(
    None,
    "replay",
    example="commonwatt operate care replay faults.parquet --gang 2048 --spares 96 --days 54",
)
@click.argument("faults", type=_table)
# The defaults are the scale of the published run that the replay is set beside: 16,384 GPUs in 54
# days.
@option("--gang", type=click.IntRange(1), default=2048, show_default=True, help="Nodes it runs on.")
@option("--spares", type=click.IntRange(0), default=96, show_default=True, help="Further nodes.")
@option("--days", type=_positive, default=54.0, show_default=True, help="Length of the replay.")
# A table of faults does not list nodes that never failed; without their number the rate would be
# too high.
@option("--watched", type=click.IntRange(1), default=400, show_default=True,
        help="Nodes that the table watched, those without faults included.")  # fmt: skip
@option("--counts-days", type=_positive, default=54.0, show_default=True,
        help="Over how many days causes were counted, for a table of counts.")  # fmt: skip
@option("--save-s", type=_positive, default=0.5, show_default=True,
        help="Time that the gang stands still for one save [s].")  # fmt: skip
@option("--restart-s", type=_positive, default=75.0, show_default=True,
        help="From a start of the gang to its first step [s].")  # fmt: skip
# The bound that the live cluster keeps, too.
@option("--most-out", type=click.FloatRange(0, 1, min_open=True), default=0.05, show_default=True,
        help="Most nodes out of service, as a share.")  # fmt: skip
@option("--seed", type=int, default=1, show_default=True, help="Of everything that is drawn.")
def care_replay(
    faults: Path, watched: int, counts_days: float, most_out: float, **options: Any
) -> CommandResult:
    """Try the policy of care on recorded faults of real nodes, with one gang on the fleet."""
    from commonwatt.operate.domain.care.policy import CarePolicy
    from commonwatt.operate.engines.care.replay.setting import ReplaySetting
    from commonwatt.operate.usecases.care_study import care_replay_result

    setting = ReplaySetting(policy=CarePolicy(most_out_share=most_out), **options)
    data = care_replay_result(faults, setting, watched=watched, counts_days=counts_days)
    return CommandResult(
        data=data, text=lambda language: _care_replay_terminal_text(data, language)
    )


@command(None, "lemons", example="commonwatt operate care lemons faults.csv --nodes 400")
@click.argument("faults", type=_table)
@option("--nodes", type=click.IntRange(1), required=True, help="All nodes of the fleet.")
@option("--times", type=_positive, default=3.0, show_default=True,
        help="How many times the mean rate a lemon fails.")  # fmt: skip
@option("--sure", type=click.FloatRange(0, 1), default=0.9, show_default=True,
        help="With what probability it must.")  # fmt: skip
def care_lemons(faults: Path, nodes: int, times: float, sure: float) -> CommandResult:
    """Find the nodes that fail again and again, from the history of faults."""
    from commonwatt.operate.engines.care.lemons import LemonRule
    from commonwatt.operate.usecases.care_study import lemon_nodes_result

    # All nodes of the fleet are needed for the mean: judged among the failing ones a lemon would
    # look ordinary.
    data = lemon_nodes_result(faults, nodes=nodes, rule=LemonRule(times=times, sure=sure))
    return CommandResult(
        data=data, text=lambda language: _lemon_nodes_terminal_text(data, language)
    )


@command(
    None,
    "checkpoint",
    example="commonwatt operate care checkpoint --nodes 2048 --faults 4.2 --save-s 20",
)
@option("--nodes", type=click.IntRange(1), required=True, help="Nodes of the gang.")
@option("--faults", "faults_per_1000_node_days", type=_positive, required=True,
        help="Faults per thousand nodes and day.")  # fmt: skip
@option("--save-s", type=_positive, required=True,
        help="Time that the gang stands still for one save [s].")  # fmt: skip
@option("--restart-s", type=_positive, default=300.0, show_default=True,
        help="From an interruption to work again [s].")  # fmt: skip
def care_checkpoint(**options: Any) -> CommandResult:
    """Advise how often a gang should save its work (Young 1974, Daly 2006)."""
    from commonwatt.operate.usecases.care_study import checkpoint_advice_result

    data = checkpoint_advice_result(**options)
    return CommandResult(
        data=data, text=lambda language: _training_checkpoint_interval_terminal_text(data, language)
    )


_HELD = {
    "budget": Message("waits: enough nodes are out"),
    "approval": Message("waits for a person's approval"),
    "freeze": Message("waits: so many findings at once are doubted"),
}


def _care_step_terminal_line(step: CareStep) -> str:
    # As it happens and in the words of the record; the answer at the end has it in a table.
    obstacle = f"  [{step.held}]" if step.held else ""
    return f"{step.node or '*'}  {step.origin} → {step.to}  {step.reason}{obstacle}"


def _care_steps_terminal_text(data: Mapping[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import terminal_table_text
    from commonwatt.operate.domain.tables import CARE_STEPS

    # A step that a bound held back is shown with the bound: care that does nothing must say why.
    steps = [
        step
        | {
            "node": step["node"] or "*",
            "held": _HELD[step["held"]].translate(language) if step["held"] else "",
        }
        for step in data["steps"]
    ]
    lines = [terminal_table_text(CARE_STEPS.columns, steps, language)] if steps else []
    if data["dry_run"]:
        lines.append(translate("A dry run: nothing was touched.", language))
    return "\n".join([*lines, _nodes_in_care_terminal_text(data, language)])


def _nodes_in_care_terminal_text(data: Mapping[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import terminal_table_text
    from commonwatt.operate.domain.tables import CARE_CASES

    nodes = data["nodes"]
    lines = [terminal_table_text(CARE_CASES.columns, nodes, language)] if nodes else []
    if data["frozen"]:
        lines.append(translate("Care is frozen: a person must release it.", language))
    return "\n".join(lines) or translate("No node is in care.", language)


def _node_alarms_terminal_text(data: Mapping[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import terminal_table_text
    from commonwatt.operate.domain.tables import ALARM_SCORES, ALARMS_RAISED, EPISODES

    raised = {"episodes": len(data["episodes"]), "steps": data["steps"]}
    blocks = [_care_figures_terminal_text(ALARMS_RAISED, raised, language)]
    episodes = [
        episode | {"metrics": ", ".join(episode["metrics"])} for episode in data["episodes"]
    ]
    if episodes:
        blocks.append(terminal_table_text(EPISODES.columns, episodes, language))
    # Only where the later table has a column `label` is there anything to compare the alarms with.
    if data["judged"]:
        blocks.append(_care_figures_terminal_text(ALARM_SCORES, data["judged"], language))
    return "\n\n".join(blocks)


def _care_replay_terminal_text(data: Mapping[str, Any], language: str) -> str:
    from commonwatt.operate.domain.tables import CARE_OUTCOME

    # What a replay is made for comes first.
    return _care_figures_terminal_text(
        CARE_OUTCOME, data, language, first=("ettr_share", "interruptions")
    )


def _care_figures_terminal_text(
    table: TableSchema, data: Mapping[str, Any], language: str, *, first: tuple[str, ...] = ()
) -> str:
    """Return a line for each figure of a declared table, as the catalogue writes it."""
    from commonwatt.cli.terminal_text import terminal_figures_text

    columns = [table.column(name) for name in first]
    columns += [column for column in table.columns if column.name not in first]
    return terminal_figures_text(((column, data[column.name]) for column in columns), language)


def _lemon_nodes_terminal_text(data: Mapping[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import indented, terminal_table_text
    from commonwatt.operate.domain.tables import LEMONS, LEMONS_FOUND

    figures = {**data, "lemons": len(data["lemons"])}
    text = _care_figures_terminal_text(LEMONS_FOUND, figures, language)
    if not data["lemons"]:
        return text
    return f"{text}\n{indented(terminal_table_text(LEMONS.columns, data['lemons'], language))}"


def _training_checkpoint_interval_terminal_text(data: Mapping[str, Any], language: str) -> str:
    from commonwatt.operate.domain.tables import CHECKPOINTS

    return _care_figures_terminal_text(CHECKPOINTS, data, language)
