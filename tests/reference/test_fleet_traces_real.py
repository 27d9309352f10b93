"""The real traces: row counts from their READMEs, and the fast readers against slow ones."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commonwatt.fleet.io.nodes import read_node_list
from commonwatt.fleet.io.traces import check_jobs_fit_fleet, jobs_that_fit_fleet, read_trace
from tests.shared_data import shared_data

pytestmark = pytest.mark.shared_data

PODS = {
    "default": 8152, "cpu050": 7439, "cpu100": 7853, "cpu250": 9420, "gpushare40": 8152,
    "gpushare80": 8152, "gpushare100": 8152, "gpuspec10": 8152, "gpuspec20": 8152,
    "gpuspec33": 8152, "multigpu20": 8324, "multigpu30": 8508, "multigpu50": 9061,
}  # fmt: skip


def trace(*parts: str) -> Path:
    return shared_data("traces", *parts)


def pods(variant: str) -> Path:
    return trace("openb-gpu-2023", f"openb_pod_list_{variant}.csv.gz")


@pytest.mark.parametrize("variant", PODS)
def test_an_openb_list_has_the_pods_of_its_readme(variant):
    read = read_trace(pods(variant))
    assert read.format == "openb"
    assert len(read.workload) == PODS[variant]
    assert read.dropped == ()


@pytest.mark.parametrize("variant", PODS)
def test_an_openb_list_fits_its_nodes_but_for_some_pods_of_given_types(variant):
    jobs = read_trace(pods(variant)).workload
    fleet = read_node_list(trace("openb-gpu-2023", "openb_node_list_all_node.csv.gz"))
    nodes = {
        (fleet.gpu_types[kind].name, gpus, cpu, memory)
        for kind, gpus, cpu, memory in zip(
            fleet.gpu_type.tolist(),
            fleet.gpus.tolist(),
            fleet.cpu_milli.tolist(),
            fleet.memory_mib.tolist(),
            strict=True,
        )
    }

    def has_a_node(mask, *amounts):
        names = [name for bit, name in enumerate(jobs.gpu_type_names) if mask >> bit & 1]
        return any(
            all(amount <= most for amount, most in zip(amounts, sizes, strict=True))
            for kind, *sizes in nodes
            if kind in names or not names
        )

    columns = (jobs.gpu_types, jobs.gpus, jobs.cpu_milli, jobs.memory_mib)
    fits = [has_a_node(*pod) for pod in zip(*(c.tolist() for c in columns), strict=True)]
    assert jobs_that_fit_fleet(jobs, fleet).tolist() == fits
    if not jobs.gpu_type_names:
        check_jobs_fit_fleet(jobs, fleet)


@pytest.mark.parametrize("variant", ["default", "cpu250", "gpuspec33", "multigpu50"])
def test_the_fast_openb_reader_agrees_with_a_slow_one(variant):
    with gzip.open(pods(variant), "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: int(row.get("creation_time", 0)))
    jobs = read_trace(pods(variant)).workload
    assert jobs.job_id.to_list() == [row["name"] for row in rows]
    assert jobs.gpus.tolist() == [int(row["num_gpu"]) for row in rows]
    assert jobs.gpu_demand_milli_by_job().tolist() == [
        int(row["num_gpu"]) * int(row["gpu_milli"]) for row in rows
    ]
    assert jobs.cpu_milli.tolist() == [int(row["cpu_milli"]) for row in rows]
    runs = [
        int(row["deletion_time"]) - int(row["scheduled_time"] or row["creation_time"])
        for row in rows
        if "deletion_time" in row
    ]
    assert jobs.runtime_ms.tolist() == ([run * 1000 for run in runs] or [0] * len(rows))
    types = [frozenset(filter(None, row.get("gpu_spec", "").split("|"))) for row in rows]
    type_sets = [
        frozenset(name for bit, name in enumerate(jobs.gpu_type_names) if mask >> bit & 1)
        for mask in jobs.gpu_types.tolist()
    ]
    assert type_sets == types


@pytest.mark.parametrize(("name", "nodes"), [("all_node", 1523), ("gpu_node", 1213)])
def test_an_openb_node_list_has_the_nodes_and_gpus_of_its_readme(name, nodes):
    fleet = read_node_list(trace("openb-gpu-2023", f"openb_node_list_{name}.csv.gz"))
    assert len(fleet) == nodes
    assert int(fleet.gpus.sum()) == 6212


def test_itp_has_the_jobs_of_its_readme():
    read = read_trace(trace("itp-2021", "itp_jobs.parquet"), strict=True)
    jobs = read.workload
    assert read.format == "itp"
    assert len(jobs) == 29_716
    assert jobs.tenant_names == ("1", "2", "3", "5", "6", "8", "10")
    frame = pl.read_parquet(trace("itp-2021", "itp_jobs.parquet"))
    slow = sorted(frame.rows(), key=lambda row: row[1])
    start = slow[0][1]
    assert jobs.submit_ms.tolist() == [(row[1] - start) * 1000 for row in slow]
    assert jobs.runtime_ms.tolist() == [row[2] * 1000 for row in slow]
    assert jobs.gpus.tolist() == [row[3] for row in slow]
    assert [jobs.tenant_names[i] for i in jobs.tenant] == [str(row[0]) for row in slow]


def test_philly_has_the_jobs_of_its_readme():
    read = read_trace(trace("philly-2017", "philly_jobs_to_2017-11-14.parquet"), strict=True)
    assert read.format == "philly"
    assert len(read.workload) == 64_483
    assert read.workload.origin.startswith("2017-09-04T10:30:41")
    assert np.all(np.diff(read.workload.submit_ms) >= 0)


def test_philly_as_csv_reads_as_its_parquet(tmp_path):
    path = trace("philly-2017", "philly_jobs_to_2017-11-14.parquet")
    pl.read_parquet(path).write_csv(tmp_path / "p.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    a, b = read_trace(path).workload, read_trace(tmp_path / "p.csv").workload
    assert a.submit_ms.tolist() == b.submit_ms.tolist()
    assert a.gpus.tolist() == b.gpus.tolist()
    assert a.tenant_names == b.tenant_names


@pytest.mark.parametrize(
    ("folder", "file", "name", "requests"),
    [
        ("azure-llm-2023", "azure_llm_conv.parquet", "azure-llm", 19_366),
        ("mooncake-2024", "mooncake_conversation_0-40min.parquet", "mooncake", 7851),
        ("mooncake-2024", "mooncake_synthetic.parquet", "mooncake", 3993),
    ],
)
def test_request_traces_have_the_requests_of_their_readmes(folder, file, name, requests):
    read = read_trace(trace(folder, file))
    assert (read.format, read.requests.requests) == (name, requests)


@pytest.mark.parametrize(("model", "rows"), [("m-small", 40_095), ("deepseek-r1", 3111)])
def test_servegen_has_the_windows_of_its_readme(model, rows):
    read = read_trace(trace("servegen-2025", f"servegen_{model}_rates.parquet"))
    assert read.format == "servegen"
    assert read.requests.frame.height == rows
    slow = pl.read_parquet(trace("servegen-2025", f"servegen_{model}_rates.parquet"))
    total = sum(rate * 600 for rate in slow["rate_rps"].to_list())
    assert read.requests.requests == pytest.approx(total, rel=1e-6)
