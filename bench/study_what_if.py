"""What a study and its what-ifs cost beside the least that they can: CPU seconds, and ratios.

Each row is a process of its own on one store, in this order, kernels compiled; the start of
Python and its imports are in every row and alone in the first, to which all others are set.
A row that says "again" asks for the same as the row above and computes no stage.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

WEST_POWER = ("--what-if", "sites.west.power_price=+50%")
LAS, QSSF = ("--what-if", "fleet.order=las"), ("--what-if", "fleet.order=qssf")
FAIR_SHARE = ("--what-if", "fleet.order=fair-share")
SERVERS = ("--what-if", "sites.west.cells.server_usd_per_gpu=+10%")
EXCHANGE_RATE = ("--what-if", "funding.currency_per_usd=+5%")
BOUND = "imports alone"
CASES = (
    # Twice, so that the first compiles what it imports for the second.
    ("imports warmed (left out)", ("-c", "import commonwatt.study.usecases")),
    (BOUND, ("-c", "import commonwatt.study.usecases")),
    ("kernels warmed (left out)", ("study", "harbour", *FAIR_SHARE)),
    ("whole study", ("study", "harbour")),
    ("same study again", ("study", "harbour")),
    ("what if: power price", ("study", "harbour", *WEST_POWER)),
    ("what if: power price, again", ("study", "harbour", *WEST_POWER)),
    ("what if: price of servers", ("study", "harbour", *SERVERS)),
    ("what if: exchange rate", ("study", "harbour", *EXCHANGE_RATE)),
    ("what if: order las", ("study", "harbour", *LAS)),
    ("what if: order las, again", ("study", "harbour", *LAS)),
    ("what if: order qssf", ("study", "harbour", *QSSF)),
    ("what if: order fair-share", ("study", "harbour", *FAIR_SHARE)),
)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        bound = 0.0
        for name, arguments in CASES:
            store = Path(folder) / ("warm" if "warmed" in name else "runs")
            spent = cpu_s(arguments, store)
            bound = spent if name == BOUND else bound
            share = f"{spent / bound:6.2f}" if bound else "     –"
            print(f"{name:28} {spent:7.1f} CPU s  {share} x {BOUND}", flush=True)


def cpu_s(arguments: tuple[str, ...], store: Path) -> float:
    """Return the CPU time of one process and its children [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    given = arguments if arguments[0] == "-c" else ["-m", "commonwatt", *arguments]
    tail = [] if arguments[0] == "-c" else ["--store", str(store)]
    subprocess.run([sys.executable, *given, *tail], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
