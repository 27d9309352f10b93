"""Run pytest in a forked child on a copy of the package.

The parent never imports the package, so that each child imports the copy as it stands at
that moment; what others wrote is imported once by the parent and inherited.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Baseline:
    """What the tests do on the package without a fault."""

    seconds: dict[str, float]
    tests_by_line: dict[tuple[str, int], tuple[str, ...]]
    third_party: list[str]

    def tests_of_line(self, path: str, line: int) -> list[str]:
        """Return the tests that run a line, the fastest first.

        A line that runs at import runs for all.
        """
        tests = self.tests_by_line.get((path, line), ())
        if "" in tests:
            tests = tuple(self.seconds)
        return sorted(tests, key=lambda test: self.seconds[test])


def tests_by_file(tests: Iterable[str]) -> list[list[str]]:
    """Return the tests of each file apart, so that the next file is read only if needed."""
    files: dict[str, list[str]] = {}
    for test in tests:
        files.setdefault(test.split("::")[0], []).append(test)
    return list(files.values())


def prepare(root: Path, source: Path) -> None:
    """Let this process, its forks and whatever they start import the copy."""
    os.environ["PYTHONPATH"] = f"{source}{os.pathsep}{root}"
    os.environ["NUMBA_CACHE_DIR"] = str(source.parent / "numba")
    sys.path[:0] = [str(source), str(root)]
    # Read when polars starts its threads: one process at a time is what the machine is asked for.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")


def preload(names: Iterable[str]) -> None:
    """Import what others wrote, once for all forks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            try:
                importlib.import_module(name)
            except Exception:  # a module that only its package can import
                continue


def measure_baseline(
    root: Path, package: Path, files: Sequence[str], tests: Sequence[str]
) -> Baseline:
    """Run the tests on the unchanged copy; they must pass.

    A line's tests are those in whose course it runs, by coverage's contexts.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "baseline.json"
        targets = [str(package / path) for path in files]
        status = _forked(lambda: _baseline_run(root, targets, tests, answer), limit_s=3600)
        if status != 0:
            sys.exit(f"The tests do not pass on the unchanged package (status {status}).")
        result = json.loads(answer.read_text("utf-8"))
    # Bytecode of the copy stands now; a fault is never to be run from it.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    by_line: dict[tuple[str, int], tuple[str, ...]] = {}
    for path, target in zip(files, targets, strict=True):
        for line, contexts in result["contexts"].get(target, {}).items():
            by_line[path, int(line)] = tuple(contexts)
    return Baseline(result["seconds"], by_line, result["third_party"])


def noticed(root: Path, tests: Sequence[str], limit_s: float) -> bool:
    """Return whether a test fails; a fault that hangs is noticed, too."""
    return _forked(lambda: _fault_run(root, tests), limit_s=limit_s) != 0


def _arguments(root: Path, tests: Sequence[str]) -> list[str]:
    options = [
        "-n",
        "0",
        "-q",
        "-m",
        "not slow",
        "--no-header",
        "--tb=no",
        "-p",
        "no:cacheprovider",
    ]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # imported ahead on purpose
    return ["-c", str(root / "pyproject.toml"), "--rootdir", str(root), *options, *tests]


def _settings() -> None:
    """Let laws be tried on the same examples every time, and no failure be polished."""
    from hypothesis import Phase, settings

    settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None,
        phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip
    settings.load_profile("mutants")


def _baseline_run(root: Path, targets: list[str], tests: Sequence[str], answer: Path) -> int:
    import coverage
    import pytest

    cover = coverage.Coverage(data_file=None, include=targets, config_file=False)
    plugin = _Recorder(cover)
    cover.start()
    _settings()
    status = int(pytest.main(_arguments(root, tests), plugins=[plugin]))
    cover.stop()
    data = cover.get_data()
    contexts = {file: data.contexts_by_lineno(file) for file in data.measured_files()}
    result = {
        "contexts": contexts,
        "seconds": plugin.seconds,
        "third_party": _third_party_modules(),
    }
    answer.write_text(json.dumps(result), "utf-8")
    return status


class _Recorder:
    """A pytest plugin: which test runs now, and how long each took."""

    def __init__(self, cover: Any) -> None:
        self.cover, self.seconds = cover, defaultdict[str, float](float)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.cover.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] += report.duration


def _third_party_modules() -> list[str]:
    """Return what was imported from elsewhere, in the order in which it was."""
    return [
        name
        for name in sys.modules
        if name.split(".")[0] not in {"commonwatt", "tests", "conftest", "__main__", "coverage"}
        and not name.startswith(("_", "test_"))
    ]


def _fault_run(root: Path, tests: Sequence[str]) -> int:
    import pytest

    _settings()
    return int(pytest.main([*_arguments(root, tests), "-x"]))


def _forked(work: Callable[[], int], *, limit_s: float) -> int:
    """Return the exit status of `work` in a child of its own process group."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _be_child(work)
    deadline = time.monotonic() + limit_s
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return -1
        time.sleep(0.02)
    # What the tests started and a fault left behind ends with them.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)


def _be_child(work: Callable[[], int]) -> None:
    status = 70
    try:
        os.setpgid(0, 0)
        if not os.environ.get("MUTANTS_TALK"):
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
