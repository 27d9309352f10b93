"""`commonwatt operate`: run a real cluster by a policy, and see what it does."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli.frame import (
    CommandResult,
    LazyGroup,
    click_echo_message_to_stderr,
    command,
    option,
)
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    from commonwatt.catalogue.measures import TableColumn
    from commonwatt.operate.engines.controller import TickResult

_CARE = "commonwatt.cli.operate_care"
CARE_COMMANDS = {
    "run": (
        f"{_CARE}:care",
        "Look for sick nodes and do what the table of moves and its bounds allow.",
    ),
    "intervene": (
        f"{_CARE}:care_operator_action",
        "Undo or approve what care did, send a repaired node to its test, or end a freeze.",
    ),
    "detect": (
        f"{_CARE}:care_detect",
        "Learn a node's ordinary days from one table and raise alarms on another.",
    ),
    "replay": (
        f"{_CARE}:care_replay",
        "Try the policy of care on recorded faults of real nodes, with one gang on the fleet.",
    ),
    "lemons": (
        f"{_CARE}:care_lemons",
        "Find the nodes that fail again and again, from the history of faults.",
    ),
    "checkpoint": (
        f"{_CARE}:care_checkpoint",
        "Advise how often a gang should save its work (Young 1974, Daly 2006).",
    ),
}

operate = LazyGroup(
    name="operate",
    help="Run a real cluster by the policy that won, and see what it does.",
    example="commonwatt operate init cluster\ncommonwatt operate start --home cluster",
    # Names are a contract: scripts that still use an old one are told the new one, with exit code
    # 2.
    renamed={
        "care-desk": "operate care intervene",
        "care-detect": "operate care detect",
        "care-replay": "operate care replay",
        "care-lemons": "operate care lemons",
        "care-checkpoint": "operate care checkpoint",
        "down": "operate node down",
        "resume": "operate node resume",
        "reboot": "operate node reboot",
    },
)
node = LazyGroup(
    name="node",
    help="Give a node up, take it back, or restart it.",
    example="commonwatt operate node down n007 --reason 'no power'",
)
care = LazyGroup(
    name="care",
    help="Keep nodes healthy, within bounds: detect, decide, repair, learn from faults.",
    example="commonwatt operate care run --home cluster --dry-run",
    commands_by_name=CARE_COMMANDS,
    was_command="run",
)
operate.add_command(node)
operate.add_command(care)

_folder = click.Path(file_okay=False, path_type=Path)
_file = click.Path(dir_okay=False, path_type=Path)
_home = option(
    "--home",
    "folder",
    type=_folder,
    default=Path("operate"),
    envvar="COMMONWATT_OPERATE",
    show_default=True,
    help="Folder of the controller (or COMMONWATT_OPERATE).",
)
_reason = option("--reason", default="", help="Why, for the record.")
_node = click.argument("node")

SAMPLE = """\
# What the controller of this cluster is told; every key has a default.
engine = "local"        # local, slurm or ray
tick_s = 1.0            # how often it looks
grace_s = 30.0          # between the warning and the end of a preempted job

[policy]                # the words of `commonwatt fleet simulate`
order = "fifo"
place = "consolidate"
backfill = "easy"
preempt = "none"

# [quotas]              # GPUs that each tenant may count on
# university = 64

[tariff]
currency = "USD"
usd_per_gpu_h = 2.0
"""


@command(operate, "init", example="commonwatt operate init cluster --settings control.toml")
@click.argument("folder", type=_folder)
@option("--settings", type=_file, help="Settings in TOML; a sample to edit where not given.")
def operate_init_command(folder: Path, settings: Path | None) -> CommandResult:
    """Make the folder of a controller: settings, keys and ledger."""
    from commonwatt.operate.usecases.home import make_controller_home

    text = settings.read_text(encoding="utf-8-sig") if settings else SAMPLE
    home = make_controller_home(folder, text, now=datetime.now(UTC))
    data = {"home": fspath(folder), "engine": home.settings.engine}
    message = Message(
        "{folder} is ready for {engine}", {"folder": fspath(folder), "engine": data["engine"]}
    )
    return CommandResult(data=data, text=message.translate)


@command(operate, "start", example="commonwatt operate start --home cluster")
@_home
@option("--once", is_flag=True, help="Look, decide and act once.")
@option("--until-idle", is_flag=True, help="Leave when no job waits or runs.")
def operate_start_command(folder: Path, once: bool, until_idle: bool) -> CommandResult:
    """Run the controller until it is told to stop (SIGTERM or Ctrl-C)."""
    from commonwatt.operate.usecases.home import open_controller_home
    from commonwatt.operate.usecases.run import run_controller as run

    summary = run(
        open_controller_home(folder),
        once=once,
        until_idle=until_idle,
        on_tick=_print_tick_actions_on_terminal,
    )
    return CommandResult(
        data=summary,
        text=lambda language: _controller_run_terminal_text(summary, language),
    )


@command(operate, "submit", example="commonwatt operate submit --gpus 2 -- python train.py")
@_home
@option("--name", help="Name of the job, unique for ever; made where not given.")
@option("--gpus", type=click.IntRange(0), default=1, show_default=True, help="GPUs of the gang.")
@option("--tenant", default="all", show_default=True, help="Whose quota it counts against.")
@option("--user", default="unknown", help="Who submits it.")
@option("--priority", type=int, default=0, help="Larger goes first where the policy asks.")
@option("--estimate", "estimate_s", type=float, default=3600.0, help="Run time expected [s].")
@option("--site", "sites", multiple=True, help="Site that its data may go to; may be repeated.")
@option("--checkpoints", is_flag=True, help="It goes on where it was when started again.")
@option("--not-preemptible", is_flag=True, help="It may not be stopped for another.")
# Unprocessed, because options after the job's program are the job's and not ours.
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def operate_submit_command(
    folder: Path, name: str | None, argv: tuple[str, ...], **options: Any
) -> CommandResult:
    """Hand in a job; the controller starts it when its turn comes."""
    from commonwatt.operate.domain.cluster import JobRequest
    from commonwatt.operate.usecases.actions import submit_job_to_cluster as hand_in
    from commonwatt.operate.usecases.actions import unique_cluster_job_name
    from commonwatt.operate.usecases.home import open_controller_home

    now_s = time.time()
    request = JobRequest(
        job_id=name or unique_cluster_job_name(now_s),
        argv=argv,
        # Asked the other way round, so that who says nothing can be preempted as the policy
        # expects.
        preemptible=not options.pop("not_preemptible"),
        **options,
    )
    data = hand_in(open_controller_home(folder), request, now_s=now_s)
    message = Message("{job} is handed in and held", {"job": request.job_id})
    return CommandResult(data=data, text=message.translate)


@command(operate, "status", example="commonwatt operate status --home cluster")
@_home
def operate_status_command(folder: Path) -> CommandResult:
    """Show nodes and jobs, why each job waits and when it should start."""
    from commonwatt.operate.usecases.home import open_controller_home
    from commonwatt.operate.usecases.status import controller_status as look

    cluster = look(open_controller_home(folder))
    return CommandResult(
        data=cluster, text=lambda language: _cluster_status_terminal_text(cluster, language)
    )


@command(operate, "drain", example="commonwatt operate drain n007 --reason 'fan is loud'")
@_home
@_node
@_reason
def operate_drain_command(folder: Path, node: str, reason: str) -> CommandResult:
    """Let a node take nothing new; what runs there runs on."""
    return _perform_cluster_action_command_result(folder, "drain", node, reason)


@command(node, "down", example="commonwatt operate node down n007 --reason 'no power'")
@_home
@_node
@_reason
def down(folder: Path, node: str, reason: str) -> CommandResult:
    """Give a node up now; its jobs are held and start elsewhere."""
    return _perform_cluster_action_command_result(folder, "down", node, reason)


@command(node, "resume", example="commonwatt operate node resume n007")
@_home
@_node
@_reason
def operate_node_resume_command(folder: Path, node: str, reason: str) -> CommandResult:
    """Let a node take jobs again."""
    return _perform_cluster_action_command_result(folder, "resume", node, reason)


@command(node, "reboot", example="commonwatt operate node reboot n007 --reason 'new driver'")
@_home
@_node
@_reason
def operate_node_reboot_command(folder: Path, node: str, reason: str) -> CommandResult:
    """Restart an empty node; it comes back drained."""
    return _perform_cluster_action_command_result(folder, "reboot", node, reason)


@command(operate, "cancel", example="commonwatt operate cancel job-7")
@_home
@click.argument("job")
@_reason
def cancel(folder: Path, job: str, reason: str) -> CommandResult:
    """End a job for good."""
    return _perform_cluster_action_command_result(folder, "cancel", job, reason)


@command(operate, "meter", example="commonwatt operate meter --home cluster --out june")
@_home
@option("--from", "first", type=click.DateTime(), help="Invoices from this instant, UTC.")
@option("--until", type=click.DateTime(), help="Invoices until this instant, UTC (default: now).")
def operate_meter_command(
    folder: Path, first: datetime | None, until: datetime | None
) -> CommandResult:
    """Show what each tenant used and owes; with --out, per job and as a trace."""
    from commonwatt.operate.usecases.home import open_controller_home
    from commonwatt.operate.usecases.status import metered_gpu_use_and_tables_by_name

    data, tables = metered_gpu_use_and_tables_by_name(
        open_controller_home(folder),
        now_s=time.time(),
        # From the epoch on where nothing is said: everything that was ever metered.
        from_s=_option_epoch_s(first) or 0.0,
        until_s=_option_epoch_s(until),
    )
    return CommandResult(
        data=data, text=lambda language: _tenant_usage_terminal_text(data, language), tables=tables
    )


@command(operate, "capture", example="commonwatt operate capture > now.json")
@_home
def operate_capture_command(folder: Path) -> CommandResult:
    """Write the state that the next decision would rest on."""
    import json

    from commonwatt.operate.usecases.home import open_controller_home
    from commonwatt.operate.usecases.status import current_cluster_capture_json_line

    text = current_cluster_capture_json_line(open_controller_home(folder))
    # As text the exact bytes, so that a file that was redirected can be decided again and compared.
    return CommandResult(data=json.loads(text), text=lambda _: text)


@command(operate, "replay", example="commonwatt operate replay --home cluster")
@_home
@option("--state", "path", type=_file, help="A captured state instead of the decisions kept.")
def operate_replay_command(folder: Path, path: Path | None) -> CommandResult:
    """Decide again in the simulator what was decided live, and compare."""
    from commonwatt.operate.usecases.home import open_controller_home
    from commonwatt.operate.usecases.status import decision_and_expected_starts_of_capture
    from commonwatt.operate.usecases.status import (
        logged_decisions_agreement_with_simulator as again,
    )

    # A single state needs no controller, so this also answers on a machine without one.
    if path is not None:
        decision = decision_and_expected_starts_of_capture(path)
        return CommandResult(
            data=decision,
            text=lambda language: _scheduling_decision_terminal_text(decision, language),
        )
    data = again(open_controller_home(folder))
    return CommandResult(
        data=data,
        text=lambda language: _replayed_decisions_terminal_text(data, language),
    )


@command(operate, "dashboard", example="commonwatt operate dashboard > grafana.json")
def operate_dashboard_command() -> CommandResult:
    """Write a Grafana dashboard of the controller's figures."""
    import json

    from commonwatt.operate.usecases.dashboard import controller_grafana_dashboard_json

    text = controller_grafana_dashboard_json()
    return CommandResult(data=json.loads(text), text=lambda _: text)


def _perform_cluster_action_command_result(
    folder: Path, action: str, subject: str, reason: str
) -> CommandResult:
    from commonwatt.operate.domain.actions import ClusterAction
    from commonwatt.operate.usecases.actions import perform_cluster_action
    from commonwatt.operate.usecases.home import open_controller_home

    data = perform_cluster_action(
        open_controller_home(folder), ClusterAction(action), subject, reason, now_s=time.time()
    )
    message = Message("{act} {subject}: done", {"act": action, "subject": subject})
    return CommandResult(data=data, text=message.translate)


def _print_tick_actions_on_terminal(tick: TickResult) -> None:
    for intent in tick.performed:
        click_echo_message_to_stderr(f"{intent.action.value} {intent.subject}")
    # What the backend refused is said as well: a controller that looks busy may be getting nowhere.
    for intent, refusal in tick.refused:
        values = {"act": intent.action.value, "subject": intent.subject, "answer": refusal}
        click_echo_message_to_stderr(Message("{act} {subject} was refused: {answer}", values))


def _controller_run_terminal_text(summary: dict[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import terminal_figures_text
    from commonwatt.operate.domain.tables import CONTROLLER_RUN

    figures = ((column, summary[column.name]) for column in CONTROLLER_RUN.columns)
    return terminal_figures_text(figures, language)


def _cluster_status_terminal_text(cluster: dict[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import indented, terminal_table_text
    from commonwatt.operate.domain.tables import STATUS_JOBS, STATUS_NODES

    # A job runs somewhere or waits for a reason, and never both.
    jobs = [job | {"nodes": ", ".join(job["nodes"])} for job in cluster["jobs"]]
    return "\n".join(
        [
            translate("Nodes", language),
            indented(terminal_table_text(STATUS_NODES.columns, cluster["nodes"], language)),
            translate("Jobs", language),
            indented(terminal_table_text(STATUS_JOBS.columns, jobs, language)),
        ]
    )


def _tenant_usage_terminal_text(data: dict[str, Any], language: str) -> str:
    from commonwatt.catalogue.measures import measure_heading, measure_label_text
    from commonwatt.cli.terminal_text import terminal_table_text
    from commonwatt.operate.domain.tables import TENANTS

    currency = next((invoice["currency"] for invoice in data["invoices"]), "")
    names = ("tenant", "jobs", "gpu_s", "energy_kwh", "charge")

    def heading(column: TableColumn) -> str:
        # Without any use there is no invoice, and nothing is charged in any currency.
        if currency:
            return measure_heading(column, language, currency=currency)
        return measure_label_text(column, language)

    rows = [{"tenant": name, **sums} for name, sums in data["tenants"].items()]
    columns = [TENANTS.column(name) for name in names]
    return terminal_table_text(columns, rows, language, heading=heading, currency=currency)


def _replayed_decisions_terminal_text(data: dict[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import terminal_figures_text
    from commonwatt.operate.domain.tables import REPLAYED

    values = {**data, "differing": len(data["differing"])}
    figures = ((column, values[column.name]) for column in REPLAYED.columns)
    return terminal_figures_text(figures, language)


def _scheduling_decision_terminal_text(decision: dict[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import terminal_table_text
    from commonwatt.operate.domain.tables import DECIDED, EXPECTED_STARTS

    decided = [
        {"act": "start", "subject": name, "nodes": ", ".join(node for node, _ in pieces)}
        for name, pieces in decision["decision"]["start"].items()
    ]
    decided += [
        {"act": "preempt", "subject": name, "nodes": ""} for name in decision["decision"]["preempt"]
    ]
    starts = [
        {"job_id": name, "starts_in_s": wait_s} for name, wait_s in decision["starts_in_s"].items()
    ]
    return "\n\n".join(
        [
            terminal_table_text(DECIDED.columns, decided, language),
            terminal_table_text(EXPECTED_STARTS.columns, starts, language),
        ]
    )


def _option_epoch_s(at: datetime | None) -> float | None:
    # Click gives instants without a zone, which `timestamp()` would take to be those of this
    # machine.
    return at.replace(tzinfo=UTC).timestamp() if at else None
