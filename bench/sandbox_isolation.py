"""Start-up cost of the isolation: an empty job, beside plain Python on the same machine.

Run as root: .venv/bin/python bench/sandbox_isolation.py
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from commonwatt.sandbox.domain.job import IsolatedJob
from commonwatt.sandbox.engines.isolation.node import prove_node

RUNS = 20


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        began = time.perf_counter()
        node = prove_node(folder)
        opened = time.perf_counter() - began
        isolated = [_timed(lambda: node.run(IsolatedJob(code=""), to=folder)) for _ in range(RUNS)]
    plain = [
        _timed(lambda: subprocess.run([sys.executable, "-S", "-c", ""], check=True))
        for _ in range(RUNS)
    ]
    print(f"proving the node        {1000 * opened:>8.1f} ms")
    print(f"empty job, isolated     {1000 * median(isolated):>8.1f} ms (median of {RUNS})")
    print(f"plain Python            {1000 * median(plain):>8.1f} ms")
    print(f"ratio                   {median(isolated) / median(plain):>8.1f}")


def _timed(action) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
