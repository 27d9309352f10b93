"""What a command imports before its answer: modules are counted, since no test knows the time."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
from commonwatt.cli import root
from commonwatt.cli.frame import run_main
code = run_main(root, sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""
DRAWING = {"commonwatt.report", "jinja2"}
STATISTICS = {"scipy.special", "scipy.stats", "sklearn", "opendp"}
COMPILER = {"numba", "llvmlite"}
OTHERS = {"highspy", "ray", "fastapi", "weasyprint", "simpy", "pint", "presidio_analyzer"}
# Words of the command, what it leaves alone, and about how many modules it needs: a limit
# is a tenth above what was counted, so that a new import of a heavy part is seen.
COMMANDS = {
    "--help": ({"numpy", "polars", "sqlalchemy", "pydantic", *COMPILER, *DRAWING, *OTHERS}, 155),
    "ledger verify": (
        {"numpy", "polars", "pydantic", *COMPILER, *DRAWING, *STATISTICS, *OTHERS},
        430,
    ),
    "sandbox status heart": (
        {
            "numpy",
            "polars",
            "duckdb",
            "pydantic",
            "alembic",
            *COMPILER,
            *DRAWING,
            *STATISTICS,
            *OTHERS,
        },
        455,
    ),
    # A trace of a few jobs is replayed without the compiler: loading that takes longer.
    "fleet simulate --trace small.csv --nodes 1 --gpus-per-node 8": (
        {
            "scipy",
            "sqlalchemy",
            "pydantic",
            "duckdb",
            "cryptography",
            "alembic",
            "yaml",
            "commonwatt.fleet.engines.packing",
            *COMPILER,
            *DRAWING,
            *STATISTICS,
            *OTHERS,
        },
        695,
    ),
    "fleet simulate --trace large.csv --nodes 4 --gpus-per-node 8": (
        {"sqlalchemy", "pydantic", "duckdb", "cryptography", *DRAWING, *STATISTICS, *OTHERS},
        1270,
    ),
}


def _trace(jobs):
    rows = (f"{10 * number},600,4,a,j{number}" for number in range(jobs))
    return "\n".join(["submit_s,runtime_s,gpus,tenant,job_id", *rows, ""])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a small ledger, one project and two traces."""
    folder = tmp_path_factory.mktemp("home")
    for name, jobs in (("small.csv", 5), ("large.csv", 3000)):
        (folder / name).write_text(_trace(jobs), "utf-8")
    person = ["--organisation", "HA"]
    for words in (
        ["ledger", "init", "--key", "registrar.pem", "--name", "Wong", *person],
        ["ledger", "enrol", "--by", "registrar.pem", "--key", "custodian.pem", "--name", "Ho",
         "--role", "data-custodian", *person],
        ["sandbox", "init", "heart", "--key", "custodian.pem", "--purpose", "Stroke"],
    ):  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "commonwatt", *words],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    return folder


def _modules_after(words, folder):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_imports_no_part_that_its_answer_does_not_need(words, home):
    idle, most = COMMANDS[words]
    modules = _modules_after(words.split(), home)
    assert modules & idle == set()
    assert len(modules) <= most, len(modules)


def test_a_command_that_needs_a_part_imports_it(home):
    words = "siting cost cn-west --draws 100 --out here"
    assert {"numba", "commonwatt.report.charts"} <= _modules_after(words.split(), home)
    words = "fleet simulate --trace large.csv --nodes 4 --gpus-per-node 8"
    assert "numba" in _modules_after(words.split(), home)
