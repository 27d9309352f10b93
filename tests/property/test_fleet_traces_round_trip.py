"""Jobs written in a format and read back are the same jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commonwatt.core.errors import CommonwattError, TraceError
from commonwatt.fleet.domain.workload import Workload
from commonwatt.fleet.io.traces import TraceRead, read_trace
from tests.trace_files import written

SMALL = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = st.text(st.sampled_from("abcdefgh-_01"), min_size=1, max_size=6)


@dataclass(frozen=True)
class Job:
    submit_s: int
    wait_s: int
    runtime_s: int
    limit_min: int
    gpus: int
    cpus: int
    memory_mib: int
    tenant: str
    user: str


JOBS = st.lists(
    st.builds(
        Job,
        submit_s=st.integers(0, 10_000_000),
        wait_s=st.integers(0, 1_000_000),
        runtime_s=st.integers(0, 10_000_000),
        limit_min=st.integers(1, 100_000),
        gpus=st.integers(1, 1024),
        cpus=st.integers(1, 4096),
        memory_mib=st.integers(1, 1 << 22),
        tenant=NAMES,
        user=NAMES,
    ),
    min_size=1,
    max_size=20,
)


def check_same(trace: Workload, jobs: list[Job]) -> None:
    """Compare with the obvious reading: sort by submission, count from the first."""
    order = sorted(range(len(jobs)), key=lambda i: jobs[i].submit_s)
    start = jobs[order[0]].submit_s
    wanted = [jobs[i] for i in order]
    assert trace.submit_ms.tolist() == [(job.submit_s - start) * 1000 for job in wanted]
    assert trace.runtime_ms.tolist() == [job.runtime_s * 1000 for job in wanted]
    assert trace.gpus.tolist() == [job.gpus for job in wanted]
    assert [trace.tenant_names[i] for i in trace.tenant] == [job.tenant for job in wanted]
    assert [trace.user_names[i] for i in trace.user] == [job.user for job in wanted]
    first_seen = tuple(dict.fromkeys(job.tenant for job in jobs))
    assert trace.tenant_names == first_seen
    for name in ("submit_ms", "runtime_ms", "estimate_ms", "cpu_milli", "memory_mib"):
        assert getattr(trace, name).dtype == np.int64


def read(folder: Path, name: str, content: str) -> TraceRead:
    return read_trace(written(folder, name, content))


@SMALL
@given(jobs=JOBS, comment=st.booleans(), wide=st.sampled_from([" ", "  ", "\t", " \t "]))
def test_a_workload_survives_the_standard_workload_format(tmp_path, jobs, comment, wide):
    numbers = {name: i for i, name in enumerate(dict.fromkeys(job.tenant for job in jobs))}
    users = {name: i for i, name in enumerate(dict.fromkeys(job.user for job in jobs))}
    lines = ["; Version: 2.2"] if comment else []
    for i, job in enumerate(jobs, 1):
        fields = [i, job.submit_s, job.wait_s, job.runtime_s, -1, -1, -1, job.gpus]
        fields += [job.limit_min * 60, -1, 1, users[job.user], numbers[job.tenant], 1, 1, 1, -1, -1]
        lines.append(wide.join(str(field) for field in fields))
    trace = read(tmp_path, "a.swf", "\n".join(lines) + "\n")
    renamed = [
        Job(**{**vars_of(job), "tenant": str(numbers[job.tenant]), "user": str(users[job.user])})
        for job in jobs
    ]
    assert trace.format == "swf"
    check_same(trace.workload, renamed)
    limits = [job.limit_min for job in sorted(jobs, key=lambda job: job.submit_s)]
    assert trace.workload.estimate_ms.tolist() == [limit * 60_000 for limit in limits]


def vars_of(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in Job.__dataclass_fields__}


@SMALL
@given(jobs=JOBS, with_steps=st.booleans(), elapsed=st.sampled_from(["raw", "clock", "ends"]))
def test_a_workload_survives_slurm_accounting(tmp_path, jobs, with_steps, elapsed):
    length = {"raw": "ElapsedRaw", "clock": "Elapsed", "ends": "State"}[elapsed]
    header = [
        "JobID",
        "User",
        "Account",
        "Submit",
        "Start",
        "End",
        length,
        "TimelimitRaw",
        "ReqTRES",
    ]
    lines = ["|".join(header)]
    for i, job in enumerate(jobs):
        submit, start = instant(job.submit_s), instant(job.submit_s + job.wait_s)
        end = instant(job.submit_s + job.wait_s + job.runtime_s)
        ran = {"raw": job.runtime_s, "clock": clock(job.runtime_s), "ends": "COMPLETED"}[elapsed]
        tres = f"billing=1,cpu={job.cpus},gres/gpu={job.gpus},mem={job.memory_mib}M,node=1"
        parts = [i, job.user, job.tenant, submit, start, end, ran, job.limit_min, tres]
        lines.append("|".join(str(part) for part in parts))
        if with_steps:
            parts[0] = f"{i}.batch"
            lines.append("|".join(str(part) for part in parts))
    trace = read(tmp_path, "a.txt", "\n".join(lines) + "\n")
    check_same(trace.workload, jobs)
    wanted = sorted(jobs, key=lambda job: job.submit_s)
    assert trace.workload.cpu_milli.tolist() == [job.cpus * 1000 for job in wanted]
    assert trace.workload.memory_mib.tolist() == [job.memory_mib for job in wanted]
    assert trace.workload.estimate_ms.tolist() == [job.limit_min * 60_000 for job in wanted]
    assert [gap.count for gap in trace.dropped] == ([len(jobs)] if with_steps else [])


def instant(seconds: int) -> str:
    return (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%S"
    )


def clock(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    spelled = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{spelled}" if days else spelled


@SMALL
@given(jobs=JOBS, packed=st.sampled_from(["a.csv", "a.csv.gz", "a.parquet"]), crlf=st.booleans())
def test_a_workload_survives_a_table_of_our_names(tmp_path, jobs, packed, crlf):
    frame = pl.DataFrame(
        {
            "submit_s": [job.submit_s for job in jobs],
            "runtime_s": [job.runtime_s for job in jobs],
            "limit_s": [job.limit_min * 60 for job in jobs],
            "gpus": [job.gpus for job in jobs],
            "cpu_milli": [job.cpus for job in jobs],
            "memory_mib": [job.memory_mib for job in jobs],
            "tenant": [job.tenant for job in jobs],
            "user": [job.user for job in jobs],
        }
    )
    if packed.endswith("parquet"):
        frame.write_parquet(tmp_path / packed)
    else:
        text = frame.write_csv()
        written(tmp_path, packed, "\ufeff" + text.replace("\n", "\r\n") if crlf else text)
    trace = read_trace(tmp_path / packed)
    check_same(trace.workload, jobs)
    wanted = sorted(jobs, key=lambda job: job.submit_s)
    assert trace.workload.cpu_milli.tolist() == [job.cpus for job in wanted]
    assert trace.workload.estimate_ms.tolist() == [job.limit_min * 60_000 for job in wanted]


@SMALL
@given(jobs=JOBS, unit=st.sampled_from(["s", "ms", "us"]), mark=st.sampled_from([";", "\t", "|"]))
def test_a_workload_survives_a_mapped_table(tmp_path, jobs, unit, mark):
    per_second = {"s": 1, "ms": 1000, "us": 1_000_000}[unit]
    lines = [mark.join(("when", "how long", "cards", "who", "which"))]
    for job in jobs:
        fields = (job.submit_s * per_second, job.runtime_s, job.gpus, job.tenant, job.user)
        lines.append(mark.join(str(field) for field in fields))
    table = written(tmp_path, "a.csv", "\n".join(lines) + "\n")
    mapping = written(
        tmp_path,
        "a.toml",
        f'separator = "{mark}"\n[columns]\nsubmit = "when"\nruntime = "how long"\ngpus = "cards"\n'
        f'tenant = "who"\nuser = "which"\n[units]\nsubmit = "{unit}"\n',
    )
    check_same(read_trace(table, mapping=mapping).workload, jobs)


@SMALL
@given(
    blanks=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    bad=st.integers(0, 2),
    quoted=st.booleans(),
)
def test_a_fault_names_the_line_that_an_editor_shows(tmp_path, blanks, bad, quoted):
    lines = ["job_id,submission_time,duration,num_gpu"]
    places = []
    for i in range(3):
        lines += [""] * blanks[i]
        name = f'"job\n{i}"' if quoted else str(i)
        places.append("\n".join(lines).count("\n") + 2)
        lines.append(f"{name},{i},60,{'x' if i == bad else 8}")
    lines += [""] * blanks[3]
    with pytest.raises(TraceError) as raised:
        read(tmp_path, "a.csv", "\n".join(lines) + "\n")
    assert raised.value.where.endswith(f"row {places[bad]}, column num_gpu")


def refusal(path: Path) -> str:
    """Return the sentence that refuses a file, or its path where it is read."""
    try:
        read_trace(path)
    except CommonwattError as error:
        return str(error)
    return str(path)


@SMALL
@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_any_text_is_read_or_refused_in_a_sentence(tmp_path, lines):
    path = written(tmp_path, "a.csv", "\n".join(lines).encode("utf-8", "surrogatepass"))
    assert refusal(path).startswith(str(path))


@SMALL
@given(st.floats(0, 1, exclude_max=True), st.booleans())
def test_a_parquet_file_that_is_cut_off_is_refused_in_a_sentence(tmp_path, share, mark):
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"submission_time": [0, 1], "duration": [60, 60], "num_gpu": [8, 8]})
    frame.write_parquet(path)
    whole = path.read_bytes()
    # Damage within a page is another matter: there the decoder itself may give up for all.
    path.write_bytes(whole[: int(share * len(whole))] + (b"PAR1" if mark else b""))
    assert refusal(path).startswith(str(path))
    assert refusal(path) != str(path)
