"""The command line: parse, call a use case, render.

Commands are imported only when they are called, so that help and completion
answer at once. Data go to stdout, talk to stderr; exit codes come from the
tree in `core.errors`.
"""

from __future__ import annotations

import gc
import sys

from commonwatt import __version__
from commonwatt.cli.frame import LazyGroup, run_main

# The help stands here and again at each group: to read it there its module would have to be
# imported.
COMMANDS = {
    "study": ("commonwatt.cli.study:study", "Run the whole picture of a programme: one report."),
    "new": ("commonwatt.cli.new:new", "Write a first programme from one's own trace."),
    "serve": ("commonwatt.cli.serve:serve", "Answer in the browser, on this machine."),
    "fleet": ("commonwatt.cli.fleet:fleet", "Simulate which jobs run where and when."),
    "siting": ("commonwatt.cli.siting:siting", "Cost a GPU-hour by site; decide where to build."),
    "treasury": ("commonwatt.cli.treasury:treasury", "Show what the bonds do to the public debt."),
    "sandbox": (
        "commonwatt.cli.sandbox:sandbox",
        "Use sensitive data in a project without seeing them.",
    ),
    "audit": ("commonwatt.cli.audit:audit", "Check published claims against sourced data."),
    "clinic": (
        "commonwatt.cli.clinic:clinic",
        "Say whether a medical model may touch a patient, and is still good.",
    ),
    "operate": (
        "commonwatt.cli.operate:operate",
        "Run a real cluster by the policy that won, and see what it does.",
    ),
    "ledger": ("commonwatt.cli.ledger:ledger", "Show and prove who decided what."),
    "runs": ("commonwatt.cli.runs:runs", "List and show what was run."),
}


class Commonwatt(LazyGroup):
    """The top of the tree."""


root = Commonwatt(
    name="commonwatt",
    commands_by_name=COMMANDS,
    help="Plan, pay for, run and govern public AI compute.",
    example="commonwatt study harbour",
    version=__version__,
)


def main() -> None:
    """Run the command line and leave with the exit code of what happened."""
    # A command makes its objects while it loads and lets few of them go: looked through after every
    # 700 of them, as is the default, they cost a tenth of the time of a small command.
    gc.set_threshold(50_000, 10, 10)
    sys.exit(run_main(root, sys.argv[1:]))
