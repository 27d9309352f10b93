"""The same file gives the same bytes, on one thread or two, as text or as Parquet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import commonwatt
from commonwatt.core.hashes import sha256_of_named_arrays
from commonwatt.fleet.domain.workload import COLUMNS, Workload
from commonwatt.fleet.io.traces import read_trace
from tests.trace_files import ACME, HELIOS, ITP, OPENB, PHILLY, TABLE, written

DATA = Path(commonwatt.__file__).parent / "data" / "traces"
TRACES = [DATA / "itp_ten_days.parquet"]
TRACES += [
    DATA / "examples" / name for name in ("helios.csv", "log.swf", "sacct.txt", "philly_log.json")
]
HASHES = """
import sys
from pathlib import Path
from tests.property.test_fleet_traces_same_bytes import digest
from commonwatt.fleet.io.traces import read_trace
for name in sys.argv[1:]:
    print(digest(read_trace(Path(name)).workload))
"""


def digest(jobs: Workload) -> str:
    arrays = {name: getattr(jobs, name) for name in COLUMNS if name != "job_id"}
    names = (jobs.tenant_names, jobs.user_names, jobs.group_names, jobs.gpu_type_names, jobs.origin)
    return sha256_of_named_arrays(arrays) + repr((names, jobs.job_id.to_list()))


def digests(threads: int) -> str:
    path = os.pathsep.join((str(Path(__file__).parents[2]), str(DATA.parents[2])))
    environment = os.environ | {"POLARS_MAX_THREADS": str(threads), "PYTHONPATH": path}
    command = [sys.executable, "-c", HASHES, *map(str, TRACES)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_one_thread_and_two_give_the_same_bytes():
    single, double = digests(1), digests(2)
    assert single.count("\n") == len(TRACES)
    assert single == double


@pytest.mark.parametrize("text", [ITP, OPENB, HELIOS, ACME, TABLE], ids=lambda text: text[:12])
def test_a_table_of_numbers_and_instants_reads_the_same_from_parquet(text, tmp_path):
    path = written(tmp_path, "a.csv", text)
    typed = pl.read_csv(path, try_parse_dates=True)
    zoned = typed.with_columns(
        pl.col(pl.Datetime("us", "UTC")).dt.convert_time_zone("Asia/Shanghai")
    )
    zoned.write_parquet(tmp_path / "a.parquet")
    from_text, from_parquet = read_trace(path), read_trace(tmp_path / "a.parquet")
    assert from_text.format == from_parquet.format
    wanted, read_back = from_text.workload, from_parquet.workload
    assert read_back.submit_ms.tolist() == wanted.submit_ms.tolist()
    assert read_back.runtime_ms.tolist() == wanted.runtime_ms.tolist()
    assert read_back.gpus.tolist() == wanted.gpus.tolist()
    assert read_back.gpu_type_names == wanted.gpu_type_names
    assert read_back.origin == wanted.origin


def test_philly_reads_the_same_from_parquet(tmp_path):
    path = written(tmp_path, "a.csv", PHILLY)
    pl.read_csv(path, try_parse_dates=True).write_parquet(tmp_path / "a.parquet")
    assert digest(read_trace(path).workload).startswith(
        arrays_prefix(read_trace(tmp_path / "a.parquet").workload)
    )


def arrays_prefix(jobs: Workload) -> str:
    return digest(jobs)[:64]
