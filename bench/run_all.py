"""Every bench that can run on this machine, one after the other; the others are named with why.

    python bench/run_all.py              # what `make bench` does
    python bench/run_all.py --list       # what would run and what would be left out
    python bench/run_all.py NAME...      # these alone, such as fleet_engine

The data that some measure on lie in a folder beside the checkout, or where COMMONWATT_SHARED_DATA
says; a clone without it measures on the slices in the package. Exits with 1 where a bench
failed that had what it needs; one that lacks something is left out and is no failure.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parent
SLICE = ROOT / "src/commonwatt/data/traces/itp_ten_days.parquet"
SHARED = Path(os.environ.get("COMMONWATT_SHARED_DATA", ROOT.parent / "shared" / "data"))
# Peers that are compared with where they are installed; no bench needs them to run.
PEERS = {"accasim": "accasim", "fairlearn": "fairlearn", "presidio_analyzer": "presidio-analyzer"}


@dataclass(frozen=True, slots=True)
class Bench:
    """A script, what it needs, and the words that it is called with.

    Args:
        data: Paths below the shared data.
        modules: Modules that it cannot do without.
        programs: Programs of the system.
        words: Its arguments.
        instead: Arguments that make it measure on a shipped slice where the data are missing.
    """

    data: Sequence[str] = ()
    modules: Sequence[str] = ()
    programs: Sequence[str] = ()
    words: Sequence[str] = ()
    instead: Sequence[str] = field(default=())


BROWSER = Bench(modules=("playwright", "fastapi"), programs=("/usr/bin/chromium",))
CONSOLE = Bench(modules=("fastapi", "uvicorn", "httpx"))
BENCHES = {
    "clinic_evidence": Bench(),
    "clinic_gate": Bench(modules=("starlette", "uvicorn")),
    "clinic_monitor": Bench(),
    "clinic_truth": Bench(data=("health/contradictions/pairs.jsonl",)),
    "fleet_engine": Bench(
        data=("traces/itp-2021/itp_jobs.parquet",), modules=("simpy",), instead=(str(SLICE),)
    ),
    "fleet_packing": Bench(data=("traces/openb-gpu-2023",)),
    "fleet_traces": Bench(),
    "ledger_speed": Bench(),
    "operate_care": Bench(
        data=(
            "traces/stepfun-faults-2024/faults_to_day240.parquet",
            "telemetry/llama3_interruptions.csv",
        )
    ),
    "operate_control": Bench(words=("soak", "--engine", "local", "--minutes", "1")),
    "operate_detect": Bench(data=("telemetry/smd",)),
    "sandbox_deidentify": Bench(data=("health",), modules=("duckdb",)),
    "sandbox_dicom": Bench(data=("health/dicom/burned-in-synthetic",), modules=("pydicom",)),
    "sandbox_import": Bench(modules=("duckdb",)),
    "sandbox_isolation": Bench(programs=("bwrap",)),
    "sandbox_privacy": Bench(modules=("duckdb", "opendp")),
    "siting_speed": Bench(),
    "study_what_if": Bench(),
    "treasury_speed": Bench(),
    "web_live": BROWSER,
    "web_load": CONSOLE,
    "web_pages": CONSOLE,
}
# Not run by themselves: one is called by others, one compares what the others printed.
NO_BENCH = {"web_server", "ratios", "run_all"}


def what_is_missing(bench: Bench) -> list[str]:
    """Return what the bench needs and this machine lacks, in words."""
    lacks: list[tuple[Sequence[str], Callable[[str], bool], str]] = [
        ([] if bench.instead else bench.data, _is_shared, "shared data {}"),
        (bench.modules, _is_installed, "Python package {}"),
        (bench.programs, lambda name: shutil.which(name) is not None, "program {}"),
    ]
    return [form.format(name) for names, there, form in lacks for name in names if not there(name)]


def words_of_bench(bench: Bench) -> list[str]:
    """Return the arguments for this machine: a shipped slice stands in for data not there."""
    whole = all(_is_shared(path) for path in bench.data)
    return list(bench.words if whole or not bench.instead else bench.instead)


def _is_shared(path: str) -> bool:
    return (SHARED / path).exists()


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def main(names: Sequence[str]) -> int:
    """Run what can run; return 1 where something failed."""
    only_list = "--list" in names
    wanted = [name for name in names if not name.startswith("-")] or list(BENCHES)
    unknown = sorted(set(wanted) - set(BENCHES))
    if unknown:
        print(f"no such bench: {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
        return 2
    failed, left_out = [], []
    for name in wanted:
        missing = what_is_missing(BENCHES[name])
        words = words_of_bench(BENCHES[name])
        if missing:
            left_out.append(f"{name}: needs {', '.join(missing)}")
            continue
        print(f"\n== {name} {' '.join(words)}", flush=True)
        if only_list:
            continue
        command = [sys.executable, str(BENCH / f"{name}.py"), *words]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    for line in left_out:
        print(f"left out: {line}")
    for module, package in PEERS.items():
        if not _is_installed(module):
            print(f"peer left out: {package} (pip install {package})")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
