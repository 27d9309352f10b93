"""The same kernels compiled and as plain Python: one small trace, the same bytes either way."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.core import jit
from commonwatt.core.errors import TraceError
from commonwatt.fleet.domain.machines import uniform_fleet
from commonwatt.fleet.domain.policies import ORDERS, PLACES, parse_scheduling_policy
from commonwatt.fleet.domain.workload import workload_from_columns
from commonwatt.fleet.engines.simulator import is_replay_faster_in_plain_python, simulate_schedule
from tests.fleet_cases import fleets, workloads

RUNS_PLAINLY = os.environ.get("NUMBA_DISABLE_JIT") == "1"
needs_compiler = pytest.mark.skipif(RUNS_PLAINLY, reason="both ways are plain here")
BACKFILLS, PREEMPTS = ("none", "easy"), ("none", "priority")
MODULES = "import json, sys\n{}\nprint(json.dumps([digest, 'numba' in sys.modules]))"
SMALL = """
from contextlib import nullcontext
from commonwatt.core.jit import plain_python_kernels_if_small_work
from commonwatt.fleet.domain.machines import uniform_fleet
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.domain.workload import workload_from_columns
from commonwatt.fleet.engines.simulator import simulate_schedule
jobs = workload_from_columns(range(40), [30 + n % 7 for n in range(40)], [1 + n % 9 for n in range(40)])
with plain_python_kernels_if_small_work(is_small={}):
    digest = simulate_schedule(
        jobs, uniform_fleet(3, 8), parse_scheduling_policy(backfill="easy")
    ).schedule_sha256
"""  # noqa: E501


def plainly(work):
    """Return what `work` returns without the compiler, in this process that has it loaded."""
    before = jit._runs_plainly.set(True)
    try:
        return work()
    finally:
        jit._runs_plainly.reset(before)


def assert_same_bytes(ours, theirs):
    for name in ("start_ms", "end_ms", "pending_ms", "state", "preemptions"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (mine.dtype, mine.tobytes()) == (other.dtype, other.tobytes()), name
    for name in ("job", "start_ms", "end_ms", "node", "milli", "more_segment", "more_node"):
        mine, other = getattr(ours.segments, name), getattr(theirs.segments, name)
        assert (mine.dtype, mine.tobytes()) == (other.dtype, other.tobytes()), name
    assert ours.schedule_sha256 == theirs.schedule_sha256


@needs_compiler
@given(
    jobs=workloads(shares=True), fleet=fleets(),
    words=st.tuples(
        st.sampled_from(sorted(ORDERS)), st.sampled_from(sorted(PLACES)),
        st.sampled_from(BACKFILLS), st.sampled_from(PREEMPTS),
    ),
    runtime=st.sampled_from(["oracle", "none"]), seed=st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=300)
def test_a_small_trace_has_the_same_schedule_compiled_or_not(jobs, fleet, words, runtime, seed):
    def work():
        policy = parse_scheduling_policy(*words)
        return simulate_schedule(jobs, fleet, policy, seed=seed, runtime=runtime)

    assert_same_bytes(plainly(work), work())


@needs_compiler
@given(jobs=workloads(), fleet=fleets(), words=st.tuples(
    st.sampled_from(("fifo", "sjf", "priority", "las", "srtf", "fair-share")),
    st.sampled_from(("first-fit", "best-fit", "worst-fit", "consolidate")),
    st.sampled_from(BACKFILLS),
))  # fmt: skip
@settings(max_examples=200)
def test_the_kernel_of_whole_gpus_has_the_same_schedule_compiled_or_not(jobs, fleet, words):
    def work():
        return simulate_schedule(jobs, fleet, parse_scheduling_policy(*words), runtime="none")

    assert_same_bytes(plainly(work), work())


@pytest.mark.parametrize("word", [1, 2, 3, 1 << 62, (1 << 62) | 8, -1, -2, -(1 << 63), 0x50])
def test_the_bit_instructions_count_zeros_of_a_signed_word(word):
    bits = f"{word & (1 << 64) - 1:064b}"
    counts = (len(bits) - len(bits.rstrip("0")), len(bits) - len(bits.lstrip("0")))
    assert (jit.trailing_zeros(word), jit.leading_zeros(word)) == counts
    assert (jit.trailing_zeros(np.int64(word)), jit.leading_zeros(np.int64(word))) == counts


@needs_compiler
def test_small_work_leaves_the_compiler_alone_and_large_work_loads_it():
    runs = [
        subprocess.run(
            [sys.executable, "-c", MODULES.format(SMALL.format(small))],
            capture_output=True, text=True, check=True,
        )
        for small in (True, False)
    ]  # fmt: skip
    (plain, loaded_none), (compiled, loaded_numba) = (json.loads(run.stdout) for run in runs)
    assert (loaded_none, loaded_numba) == (False, True)
    assert plain == compiled


@needs_compiler
def test_work_that_finds_the_compiler_loaded_is_compiled():
    import numba  # noqa: F401

    with jit.plain_python_kernels_if_small_work(is_small=True):
        assert not jit._runs_plainly.get()


@pytest.mark.parametrize(
    ("jobs", "nodes", "order", "small"),
    [
        (500, 16, "fifo", True), (501, 1, "fifo", False), (500, 17, "fifo", False),
        (500, 16, "las", True), (501, 1, "fair-share", False), (500, 17, "srtf", False),
        (100, 80, "qssf", True), (101, 1, "qssf", False), (100, 81, "qssf", False),
        (1, 8000, "fifo", True), (0, 9000, "fifo", True),
    ],
)  # fmt: skip
def test_a_replay_is_small_by_its_jobs_and_nodes(jobs, nodes, order, small):
    workload = workload_from_columns(range(jobs), [1] * jobs, [1] * jobs)
    policy = parse_scheduling_policy(order)
    assert is_replay_faster_in_plain_python(workload, uniform_fleet(nodes, 1), policy) is small


@pytest.mark.parametrize("backfill", BACKFILLS)
@pytest.mark.parametrize("runtime_s", [9e14, 4e15, 2**62 / 1000])
def test_a_job_that_ends_too_late_is_refused_without_the_compiler_too(runtime_s, backfill):
    jobs = workload_from_columns([0, 1, 2], [runtime_s] * 3, [8, 8, 4])
    policy = parse_scheduling_policy(backfill=backfill)
    with pytest.raises(TraceError, match="ends too late"), np.errstate(all="ignore"):
        plainly(lambda: simulate_schedule(jobs, uniform_fleet(1, 8), policy))
    day = workload_from_columns([0, 1, 2], [86_400] * 3, [8, 8, 4])
    ends = plainly(lambda: simulate_schedule(day, uniform_fleet(1, 8), policy)).end_ms.tolist()
    assert ends == [86_400_000, 172_800_000, 259_200_000]
