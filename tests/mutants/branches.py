"""Measure the branch coverage of the named modules by the fast tests that hold them.

    python -m tests.mutants.branches

Of these modules only, and by these tests only: the whole suite under a tracer takes twice
its time, and a line that another wing's tests happen to pass is not thereby tested.
"""

import sys
from itertools import chain

import coverage
import pytest

from tests.mutants.modules import ROOT, named_modules


def main() -> None:
    """Print the branches that are missed, and fail below the floor in `pyproject.toml`."""
    # Kernels run as compiled code elsewhere in these tests, which no tracer sees.
    modules = [module for module in named_modules().values() if module.compiled]
    files = sorted({str(ROOT / "src/commonwatt" / path) for m in modules for path in m.files})
    tests = dict.fromkeys(chain.from_iterable(module.tests for module in modules))
    cover = coverage.Coverage(
        include=files, data_file=None, config_file=str(ROOT / "pyproject.toml")
    )
    cover.start()
    status = int(pytest.main(["-q", "-n", "0", "-m", "not slow", "-p", "no:cacheprovider", *tests]))
    cover.stop()
    share = cover.report()
    floor = float(cover.get_option("report:fail_under") or 0)
    print(f"{share:.1f} % of lines and branches of {len(files)} files; the floor is {floor:.0f} %")
    sys.exit(status or share < floor)


if __name__ == "__main__":
    main()
