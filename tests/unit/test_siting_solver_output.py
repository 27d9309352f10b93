"""What the solver's library prints never stands between the lines of an answer."""

import subprocess
import sys

import pytest

# A library that prints to C's standard output as it makes its first solver, and then no more.
LOUD = """
import ctypes, os, sys
from types import SimpleNamespace
from commonwatt.siting.engines.place import exact
class Loud(exact.highspy.Highs):
    made = 0
    def __init__(self):
        super().__init__()
        if not Loud.made:
            ctypes.CDLL(None).puts(b"a banner")
        Loud.made += 1
exact._HIGHS = SimpleNamespace(Highs=Loud)
print("before")
solvers = [exact.new_highs_placement_solver("simplex", 1e-4) for _ in range(2)]
assert Loud.made == 3
print("after")
os.write(1, b"unbuffered\\n")
"""


@pytest.mark.parametrize("times", [1, 2])
def test_the_banner_of_the_library_goes_nowhere_and_our_lines_stay(times):
    script = LOUD + "exact.new_highs_placement_solver('simplex', 1e-4)\n" * (times - 1)
    done = subprocess.run(
        [sys.executable, "-u", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "before\nafter\nunbuffered\n"


def test_a_closed_standard_output_is_no_fault():
    script = LOUD.replace("import ctypes, os, sys", "import ctypes, os, sys; os.close(1)")
    script = script.replace("print(", "str(").replace('os.write(1, b"unbuffered\\n")', "")
    script = script.replace("assert Loud.made == 3", "assert Loud.made == 2")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
