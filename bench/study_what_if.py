"""What a what-if costs beside the whole study: CPU seconds on one core, and their ratio.

Each row is a process of its own on the same store, kernels warm; the start of Python and
its imports are in every row and alone in the first.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = (
    ("imports alone", ["-c", "import commonwatt.study.usecases"]),
    ("kernels warmed (left out)", ["study", "harbour"]),
    ("whole study", ["study", "harbour"]),
    ("same study again", ["study", "harbour"]),
    ("what if: power price", ["study", "harbour", "--what-if", "sites.west.power_price=+50%"]),
    ("what if: price of servers", ["study", "harbour", "--what-if",
                                   "sites.west.cells.server_usd_per_gpu=+10%"]),
    ("what if: exchange rate", ["study", "harbour", "--what-if", "funding.currency_per_usd=+5%"]),
    ("what if: another order", ["study", "harbour", "--what-if", "fleet.order=sjf"]),
)  # fmt: skip


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        whole = 0.0
        for name, arguments in CASES:
            store = Path(folder) / ("warm" if "warmed" in name else "runs")
            spent = cpu_s(arguments, store)
            whole = spent if name == "whole study" else whole
            share = f"{spent / whole:6.2f}" if whole else "     –"
            print(f"{name:28} {spent:7.1f} CPU s  {share} of the whole study")


def cpu_s(arguments: list[str], store: Path) -> float:
    """Return the CPU time of one process and its children [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    given = arguments if arguments[0] == "-c" else ["-m", "commonwatt", *arguments]
    tail = [] if arguments[0] == "-c" else ["--store", str(store)]
    subprocess.run([sys.executable, *given, *tail], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
