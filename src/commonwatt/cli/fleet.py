"""`commonwatt fleet`: simulate, compare, sweep and explain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from commonwatt.cli.fleet_text import (
    described_traces_terminal_text,
    fleet_sweep_terminal_text,
    gpu_packing_terminal_text,
    job_wait_terminal_text,
    policy_comparison_terminal_text,
    simulation_terminal_text,
)
from commonwatt.cli.frame import (
    CommandResult,
    LazyGroup,
    click_echo_message_to_stderr,
    command,
    command_language,
    option,
    refuse_click_options_not_read,
    terminal_progress_bar_advance,
)
from commonwatt.cli.options import DataPath
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    from commonwatt.fleet.io.traces import TraceRead
    from commonwatt.fleet.usecases.inputs import FleetSimulationOptions
    from commonwatt.fleet.usecases.simulate import FleetRun

F = TypeVar("F", bound=Callable[..., Any])

fleet = LazyGroup(
    name="fleet",
    help="Simulate which jobs run where and when.",
    example=(
        "commonwatt fleet simulate --trace jobs.swf --nodes 64 --gpus-per-node 8 --order sjf\n"
        "commonwatt fleet compare --trace jobs.swf --nodes 64 --gpus-per-node 8 "
        "--policy fifo --policy sjf+easy"
    ),
)


def _add_trace_click_options(function: F) -> F:
    """Add the options that name the trace."""
    path = DataPath()
    declared = [
        option("--trace", "traces", multiple=True, required=True, type=path,
               help='Trace file, or "shipped:NAME"; may be given more than once.'),
        option("--format", "format_", help="Trace format; found from the content when absent."),
        option("--mapping", type=path, help="TOML file that says what a table's columns mean."),
        option("--strict", is_flag=True, help="Refuse a trace with any incomplete row."),
    ]  # fmt: skip
    # Click lists options from the last decorator to the first; reversed, help shows them as they
    # are written.
    for decorate in reversed(declared):
        function = decorate(function)
    return function


def _add_trace_and_nodes_click_options(function: F) -> F:
    """Add the options that name the trace and the machines."""
    declared = [
        option("--clock", type=click.Choice(["shared", "start"]), default="shared",
               help="Several traces: keep their clock, or let each begin at 0."),
        option("--nodes", required=True, help="A number of equal nodes, or a node list (CSV)."),
        option("--gpus-per-node", type=click.IntRange(0, 1024),
               help="GPUs on each node, for equal nodes and for tenant,nodes files."),
        option("--pool", type=click.Choice(["tenant", "all"]), default="all", show_default=True,
               help="Whether tenants share the nodes or have their own."),
    ]  # fmt: skip
    for decorate in reversed(declared):
        function = decorate(function)
    return _add_trace_click_options(function)


def _add_policy_click_options(function: F) -> F:
    """Add the options that choose one policy."""
    declared = [
        option("--order", default="fifo", show_default=True,
               help="Who is first in the queue; or your own, as FILE.py:CLASS."),
        # What operators of gang-scheduled clusters do, and the rule that independent figures point
        # to.
        option("--place", default="consolidate", show_default=True, help="Which node takes a job."),
        option("--backfill", default="none", show_default=True, help="none, easy or conservative."),
        option("--preemption", default="none", show_default=True,
               help="none, priority or reclaim."),
    ]  # fmt: skip
    for decorate in reversed(declared):
        function = decorate(function)
    return function


def _add_seed_and_runtime_click_options(function: F) -> F:
    seed = option("--seed", type=click.IntRange(0), default=0, help="Seed of every draw.")
    runtime = option(
        "--runtime",
        type=click.Choice(["oracle", "none"]),
        # The best case for every policy that orders by run time; with "none" it has only what
        # owners guessed.
        default="oracle",
        help="Whether the scheduler knows run times, or only the owners' estimates.",
    )
    return seed(runtime(function))


@command(
    fleet,
    "describe",
    example="commonwatt fleet describe --trace jobs.swf\ncommonwatt fleet describe --trace llm.csv",
)
@_add_trace_click_options
def fleet_describe_command(
    traces: tuple[Path, ...], format_: str | None, mapping: Path | None, strict: bool
) -> CommandResult:
    """Say what a trace holds: jobs and their demand, or requests and their rates."""
    from commonwatt.fleet.usecases.describe import read_traces_to_describe, trace_description

    reads = read_traces_to_describe(traces, format=format_, mapping=mapping, strict=strict)
    _print_trace_gaps_on_terminal(reads)
    data = [trace_description(read) for read in reads]
    return CommandResult(
        data={"traces": data}, text=lambda tongue: described_traces_terminal_text(data, tongue)
    )


@command(
    fleet,
    "simulate",
    example=(
        "commonwatt fleet simulate --trace jobs.swf --nodes 64 --gpus-per-node 8 --backfill easy\n"
        "commonwatt fleet simulate --trace pods.csv --nodes nodes.csv --place fgd "
        "--arrived-load 1.3 --json"
    ),
)
@_add_trace_and_nodes_click_options
@_add_policy_click_options
@_add_seed_and_runtime_click_options
@option("--quotas", type=click.Path(path_type=Path), help="CSV with tenant,gpus: its quota.")
@option(
    "--arrived-load",
    type=click.FloatRange(0, 100, min_open=True),
    help="Draw jobs until demand is this times capacity; place once, never release.",
)
def fleet_simulate_command(
    order: str,
    place: str,
    backfill: str,
    preemption: str,
    seed: int,
    runtime: Any,
    quotas: Path | None,
    arrived_load: float | None,
    **demand: Any,
) -> CommandResult:
    """Replay a trace on machines under a policy, and say what came of it."""
    from commonwatt.fleet.domain.policies import parse_scheduling_policy
    from commonwatt.fleet.usecases.inputs import load_fleet_inputs, load_tenant_quotas
    from commonwatt.fleet.usecases.own_policy import is_user_scheduling_policy
    from commonwatt.fleet.usecases.simulate import (
        run_arrived_load_packing,
        run_fleet_simulation,
        run_user_policy_simulation,
    )

    is_users_own = is_user_scheduling_policy(order)
    if is_users_own:
        refuse_click_options_not_read("--order FILE.py:CLASS", {"order", *demand})
    if arrived_load is not None:
        refuse_click_options_not_read(
            "--arrived-load",
            # Jobs come one by one and none ever waits, so only the place is chosen.
            {"place", "seed", "arrived_load", *demand},
        )
    # A stand-in: an order of one's own comes from its file, and the three other words are still
    # checked.
    policy = parse_scheduling_policy("fifo" if is_users_own else order, place, backfill, preemption)
    # The arrived-load protocol counts jobs that can never be placed, where a simulation refuses the
    # trace.
    inputs = load_fleet_inputs(
        _simulation_options_of_click_options(demand, check_fits=arrived_load is None)
    )
    _print_trace_gaps_on_terminal(inputs.reads)
    if is_users_own:
        return _command_result_of_simulation(run_user_policy_simulation(inputs, order))
    if arrived_load is not None:
        return _command_result_of_gpu_packing(
            run_arrived_load_packing(inputs, policy, load=arrived_load, seed=seed)
        )
    limits = load_tenant_quotas(quotas, inputs.workload) if quotas else None
    return _command_result_of_simulation(
        run_fleet_simulation(inputs, policy, seed=seed, runtime=runtime, quotas=limits)
    )


@command(
    fleet,
    "compare",
    example=(
        "commonwatt fleet compare --trace jobs.swf --nodes 64 --gpus-per-node 8 "
        "--policy fifo --policy sjf+easy --policy qssf+consolidate"
    ),
)
@_add_trace_and_nodes_click_options
@_add_seed_and_runtime_click_options
@option(
    "--policy",
    "policies",
    multiple=True,
    required=True,
    help="A policy in a word: order+place+backfill+preemption; give at least two.",
)
def fleet_compare_command(
    policies: tuple[str, ...], seed: int, runtime: Any, **demand: Any
) -> CommandResult:
    """Run several policies on the same trace and machines: one table and one plot."""
    from commonwatt.fleet.usecases.charts import queue_delay_by_policy_chart
    from commonwatt.fleet.usecases.compare import scheduling_comparison_table
    from commonwatt.fleet.usecases.inputs import load_fleet_inputs
    from commonwatt.report.charts import chart_svg_document

    # Here and not by click, which can ask for one value and not for two.
    if len(policies) < 2:
        raise UsageError("--policy", found=str(len(policies)), wanted=Message("at least 2"))
    inputs = load_fleet_inputs(_simulation_options_of_click_options(demand))
    _print_trace_gaps_on_terminal(inputs.reads)
    rows = scheduling_comparison_table(inputs, policies, seed=seed, runtime=runtime)
    chart_language = command_language(click.get_current_context())
    return CommandResult(
        data={"policies": rows.to_dicts()},
        text=lambda tongue: policy_comparison_terminal_text(rows, tongue),
        tables={"comparison": rows},
        files={
            "comparison.svg": chart_svg_document(
                queue_delay_by_policy_chart(), rows, chart_language
            )
        },
    )


@command(
    fleet,
    "sweep",
    example=(
        "commonwatt fleet sweep --trace jobs.swf --nodes 64 --gpus-per-node 8 "
        "--axis nodes=56,60,64 --axis policy=fifo,sjf+easy --workers 2"
    ),
)
@_add_trace_and_nodes_click_options
@option(
    "--axis",
    "axes",
    multiple=True,
    required=True,
    help="NAME=A,B,…; names: policy, nodes, gpus-per-node, pool, runtime, load, seed.",
)
@option(
    "--workers",
    type=click.IntRange(1, 512),
    default=2,
    show_default=True,
    help="Processes that share the work.",
)
@option("--on", type=click.Choice(["pool", "ray"]), default="pool", help="Who runs them.")
def fleet_sweep_command(
    axes: tuple[str, ...], workers: int, on: str, **demand: Any
) -> CommandResult:
    """Run the product of several axes, in as many processes as asked."""
    from commonwatt.fleet.usecases.sweep import parse_fleet_sweep_axes, sweep_fleet_options

    parsed = parse_fleet_sweep_axes(axes)
    total = 1
    for values in parsed.values():
        total *= len(values)
    with terminal_progress_bar_advance(total) as advance:
        rows = sweep_fleet_options(
            _simulation_options_of_click_options(demand),
            parsed,
            workers=workers,
            on=on,
            done=advance,
        )
    return CommandResult(
        data={"axes": parsed, "rows": rows.to_dicts()},
        text=lambda tongue: fleet_sweep_terminal_text(rows, list(parsed), tongue),
        tables={"sweep": rows},
    )


@command(
    fleet,
    "explain",
    example="commonwatt fleet explain 18204 --trace jobs.swf --nodes 64 --gpus-per-node 8",
)
@click.argument("job", metavar="JOB")
@_add_trace_and_nodes_click_options
@_add_policy_click_options
@_add_seed_and_runtime_click_options
def explain_job(
    job: str,
    order: str,
    place: str,
    backfill: str,
    preemption: str,
    seed: int,
    runtime: Any,
    **demand: Any,
) -> CommandResult:
    """Say why a job waited, who was in its way, and what would have started it earlier."""
    from commonwatt.fleet.domain.policies import parse_scheduling_policy
    from commonwatt.fleet.usecases.explain import job_wait_explanation
    from commonwatt.fleet.usecases.inputs import load_fleet_inputs

    policy = parse_scheduling_policy(order, place, backfill, preemption)
    inputs = load_fleet_inputs(_simulation_options_of_click_options(demand))
    data = job_wait_explanation(inputs, policy, job, seed=seed, runtime=runtime)
    return CommandResult(data=data, text=lambda tongue: job_wait_terminal_text(data, tongue))


def _simulation_options_of_click_options(
    demand: dict[str, Any], *, check_fits: bool = True
) -> FleetSimulationOptions:
    from commonwatt.fleet.usecases.inputs import FleetSimulationOptions

    # The parameter is `format_` so as not to hide Python's own; the use case calls it `format`.
    named: dict[str, Any] = {name: value for name, value in demand.items() if name != "format_"}
    named |= {"format": demand["format_"], "traces": tuple(demand["traces"])}
    return FleetSimulationOptions(**named, check_fits=check_fits)


def _print_trace_gaps_on_terminal(reads: Iterable[TraceRead]) -> None:
    """Say on stderr what the readers left out or filled in."""
    chosen_language = command_language(click.get_current_context())
    for read in reads:
        for sentence in read.reading_sentences(chosen_language):
            click_echo_message_to_stderr(sentence)


def _command_result_of_gpu_packing(data: dict[str, Any]) -> CommandResult:
    from commonwatt.fleet.usecases.simulate import packing_curve_table

    return CommandResult(
        data=data,
        text=lambda tongue: gpu_packing_terminal_text(data, tongue),
        tables={"packing_curve": packing_curve_table(data)},
    )


def _command_result_of_simulation(run: FleetRun) -> CommandResult:
    from commonwatt.fleet.usecases.simulate import simulated_jobs_table

    data = run.figures()
    return CommandResult(
        data=data,
        text=lambda tongue: simulation_terminal_text(data, tongue),
        tables={"jobs": simulated_jobs_table(run.result, run.inputs.workload, run.inputs.fleet)},
    )
