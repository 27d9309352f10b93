"""Several traces at once, traces against fleets, and node lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import commonwatt
from commonwatt.core.errors import NodesError, TraceError, UsageError
from commonwatt.fleet.domain.machines import SHARED, GpuType, Site, uniform_fleet
from commonwatt.fleet.domain.workload import workload_from_columns
from commonwatt.fleet.io.nodes import read_fleet_of_tenant_node_counts, read_node_list
from commonwatt.fleet.io.traces import check_jobs_fit_fleet, jobs_that_fit_fleet, read_traces
from tests.trace_files import AZURE, HELIOS, ITP, NODES, PHILLY, SWF, edited, written

EXAMPLES = Path(commonwatt.__file__).parent / "data" / "traces" / "examples"
LATER = ITP.replace("a,0,", "a,2,")


def test_traces_on_one_clock_are_merged_by_submission(tmp_path):
    paths = [written(tmp_path, "north.csv", LATER), written(tmp_path, "south.csv", ITP)]
    merged = read_traces(paths).workload
    assert merged.job_id.to_list() == [
        "south:a",
        "north:a",
        "north:b",
        "south:b",
        "north:c",
        "south:c",
    ]
    assert merged.submit_ms.tolist() == [0, 2000, 5000, 5000, 9000, 9000]
    assert merged.tenant_names == ("north", "south")
    assert merged.origin == "second 0 from the start of collection"


def test_a_single_trace_keeps_its_names(tmp_path):
    read = read_traces([written(tmp_path, "north.csv", ITP)])
    assert read.workload.job_id.to_list() == ["a", "b", "c"]
    assert read.workload is read.reads[0].workload


def test_tenants_that_the_traces_name_are_shared_among_them(tmp_path):
    second = PHILLY.replace(",y\n", ",z\n")
    paths = [written(tmp_path, "a.csv", PHILLY), written(tmp_path, "b.csv", second)]
    merged = read_traces(paths).workload
    assert merged.tenant_names == ("x", "y", "z")
    assert [merged.tenant_names[i] for i in merged.tenant] == ["x", "x", "y", "z"]


def test_traces_on_different_clocks_are_refused_with_a_remedy(tmp_path):
    paths = [written(tmp_path, "a.csv", ITP), written(tmp_path, "b.swf", SWF)]
    with pytest.raises(UsageError, match=r"clocks itp, utc.*one clock.*--clock start"):
        read_traces(paths)


def test_traces_may_all_begin_at_once(tmp_path):
    paths = [written(tmp_path, "a.csv", LATER), written(tmp_path, "b.swf", SWF)]
    merged = read_traces(paths, clock="start").workload
    assert merged.submit_ms.tolist() == [0, 0, 3000, 7000, 10_000]
    assert merged.origin == "second 0 from each trace's start"


def test_gpu_types_of_several_traces_share_one_numbering(tmp_path):
    tables = [
        "submit_s,runtime_s,gpus,gpu_types\n0,1,1,A100\n",
        "submit_s,runtime_s,gpus,gpu_types\n1,1,1,H100|A100\n",
    ]
    paths = [written(tmp_path, f"{i}.csv", table) for i, table in enumerate(tables)]
    merged = read_traces(paths).workload
    assert merged.gpu_type_names == ("A100", "H100")
    assert merged.gpu_types.tolist() == [0b01, 0b11]


def test_requests_cannot_be_merged_with_jobs(tmp_path):
    paths = [written(tmp_path, "a.csv", ITP), written(tmp_path, "b.csv", AZURE)]
    with pytest.raises(UsageError, match="requests to a language model"):
        read_traces(paths)


def test_jobs_that_fit_pass_in_silence():
    check_jobs_fit_fleet(workload_from_columns([0, 1], [60, 60], [8, 16]), uniform_fleet(2, 8))


def test_a_gang_larger_than_the_fleet_is_named():
    jobs = workload_from_columns([0, 1], [60, 60], [8, 17])
    with pytest.raises(TraceError) as raised:
        check_jobs_fit_fleet(jobs, uniform_fleet(2, 8), "jobs.csv")
    assert str(raised.value) == (
        "jobs.csv, job 1, column gpus: found 17, wanted at most 16, all that equal nodes of one"
        " site open to it hold. Add nodes, or leave such jobs out."
    )


def test_a_pod_larger_than_any_node_is_named():
    jobs = workload_from_columns([0], [60], [9], single_node=np.array([True]))
    with pytest.raises(TraceError, match="found 9, wanted at most 8"):
        check_jobs_fit_fleet(jobs, uniform_fleet(4, 8))


def test_an_unknown_gpu_type_is_named():
    jobs = workload_from_columns([0], [60], [1], gpu_types=np.array([1]), gpu_type_names=("B300",))
    with pytest.raises(
        TraceError, match=r"job 0, column gpu_types: found 'B300'.*of the fleet: any"
    ):
        check_jobs_fit_fleet(jobs, uniform_fleet(1, 8))


def test_a_gang_is_held_against_equal_nodes_of_one_of_its_types(tmp_path):
    fleet = read_node_list(written(tmp_path, "n.csv", NODES))
    names = {"gpu_type_names": ("T4", "H100")}
    check_jobs_fit_fleet(
        workload_from_columns([0], [60], [8], gpu_types=np.array([3]), **names), fleet
    )
    with pytest.raises(TraceError, match="found 12, wanted at most 8"):  # 8 of one, 4 of the other
        check_jobs_fit_fleet(
            workload_from_columns([0], [60], [12], gpu_types=np.array([3]), **names), fleet
        )
    with pytest.raises(TraceError, match="found 5, wanted at most 4"):
        check_jobs_fit_fleet(
            workload_from_columns([0], [60], [5], gpu_types=np.array([1]), **names), fleet
        )


def test_a_gang_is_held_against_the_nodes_of_its_tenant(tmp_path):
    pools = written(tmp_path, "p.csv", "tenant,nodes\nx,1\ny,4\n")
    fleet = read_fleet_of_tenant_node_counts(pools, gpus_per_node=8, tenants=("x", "y"))
    names = {"tenant": np.array([1, 0], np.int32), "tenant_names": ("x", "y")}
    check_jobs_fit_fleet(workload_from_columns([0, 1], [60, 60], [32, 8], **names), fleet)
    with pytest.raises(TraceError, match="job 1, column gpus: found 9, wanted at most 8"):
        check_jobs_fit_fleet(workload_from_columns([0, 1], [60, 60], [32, 9], **names), fleet)


def test_cpu_and_memory_bind_only_where_they_are_known(tmp_path):
    jobs = workload_from_columns(
        [0], [60], [1], cpu_milli=np.array([10**9]), memory_mib=np.array([10**9])
    )
    check_jobs_fit_fleet(jobs, uniform_fleet(1, 8))
    with pytest.raises(TraceError, match="column cpu_milli"):
        check_jobs_fit_fleet(jobs, read_node_list(written(tmp_path, "n.csv", NODES)))


def test_a_pod_must_find_all_it_asks_for_on_one_node(tmp_path):
    content = "gpus,cpu_milli,memory_mib\n8,1000,64\n1,64000,64\n"
    fleet = read_node_list(written(tmp_path, "n.csv", content))
    pod = {"single_node": np.array([True]), "cpu_milli": np.array([2000])}
    check_jobs_fit_fleet(workload_from_columns([0], [60], [1], **pod), fleet)
    with pytest.raises(TraceError) as raised:
        check_jobs_fit_fleet(workload_from_columns([0], [60], [2], **pod), fleet, "jobs.csv")
    assert str(raised.value) == (
        "jobs.csv, job 0: found 2 GPUs, 2,000 milli-cores and 0 MiB, wanted what one of the"
        " nodes open to it holds. Add nodes, or leave such jobs out."
    )


def test_a_fleet_without_gpus_holds_no_job_that_asks_for_them(tmp_path):
    fleet = read_node_list(written(tmp_path, "n.csv", "gpus,cpu_milli\n0,4000\n"))
    jobs = workload_from_columns([0, 1], [60, 60], [0, 1])
    assert jobs_that_fit_fleet(jobs, fleet).tolist() == [True, False]


def test_a_pod_must_find_a_node_of_its_tenant(tmp_path):
    fleet = read_node_list(written(tmp_path, "n.csv", "gpus,tenant\n8,y\n4,\n"), tenants=("x", "y"))
    names = {"tenant_names": ("x", "y"), "single_node": np.array([True, True])}
    tenants = np.array([0, 1], np.int32)
    jobs = workload_from_columns([0, 1], [60, 60], [8, 8], tenant=tenants, **names)
    assert jobs_that_fit_fleet(jobs, fleet).tolist() == [False, True]


def test_a_plain_node_list_becomes_a_fleet(tmp_path):
    h100 = GpuType(name="H100", idle_w=90, busy_w=700)
    fleet = read_node_list(written(tmp_path, "n.csv", NODES), gpu_types={"H100": h100})
    assert fleet.node_id == ("a", "b")
    assert fleet.gpus.tolist() == [8, 4]
    assert fleet.gpu_types[0] is h100
    assert fleet.gpu_types[1].name == "T4"
    assert fleet.tenant.tolist() == [SHARED, SHARED]
    assert fleet.cpu_milli.tolist() == [96_000, 32_000]


def test_a_row_may_stand_for_several_nodes():
    fleet = read_node_list(EXAMPLES / "nodes.csv")
    assert fleet.node_id[3:5] == ("a-00003", "b-00000")
    assert fleet.gpus.tolist() == [8] * 6
    assert fleet.gpu_type.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_node_list_of_gpus_alone_is_enough(tmp_path):
    fleet = read_node_list(written(tmp_path, "n.csv", "gpus\n8\n4\n"))
    assert fleet.node_id == ("node-00000", "node-00001")
    assert fleet.gpu_capacity_milli == 12_000


def test_an_openb_node_list_keeps_its_types():
    fleet = read_node_list(EXAMPLES / "openb_nodes.csv")
    assert len(fleet) == 26
    assert fleet.gpu_types[0].name == "none"
    assert fleet.gpus[fleet.gpu_type == 0].sum() == 0


def test_nodes_may_stand_on_sites_and_belong_to_tenants(tmp_path):
    def site(name):
        flat = np.array([1.0])
        return Site(name=name, region="r", pue=1.2, price_usd_per_mwh=flat, carbon_g_per_kwh=flat)

    content = "gpus,site,tenant\n8,b,y\n8,a,\n"
    path = written(tmp_path, "n.csv", content)
    fleet = read_node_list(path, sites=(site("a"), site("b")), tenants=("x", "y"))
    assert fleet.site.tolist() == [1, 0]
    assert fleet.tenant.tolist() == [1, SHARED]
    assert fleet.rtt_ms.shape == (2, 2)
    with pytest.raises(NodesError, match="row 2, column site: found 'b', wanted a site"):
        read_node_list(path, sites=(site("a"),), tenants=("y",))
    with pytest.raises(NodesError, match="row 2, column tenant: found 'y', wanted a tenant"):
        read_node_list(path, sites=(site("a"), site("b")), tenants=("x",))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "tenant,nodes\nx,1\nq,2\n",
            "row 3, column tenant: found 'q', wanted a tenant of the trace",
        ),
        ("tenant,nodes\nx,1\nx,2\n", "row 3, column tenant: found 'x', wanted each tenant once"),
        ("tenant,nodes\nx,1\n", "found no row for 1 tenants of the trace"),
        ("tenant,nodes\nx,1\ny,-2\n", "row 3, column nodes: found '-2', wanted a whole number"),
        ("tenant,gpus\nx,1\n", "row 1, column nodes: found only the columns tenant, gpus"),
    ],
)
def test_a_broken_pool_file_gives_one_clear_error(content, says, tmp_path):
    with pytest.raises(NodesError) as raised:
        read_fleet_of_tenant_node_counts(
            written(tmp_path, "p.csv", content), gpus_per_node=8, tenants=("x", "y")
        )
    assert says in str(raised.value)


def test_pools_follow_the_tenants_of_the_trace(tmp_path):
    path = written(tmp_path, "p.csv", "tenant,nodes\ny,1\nx,2\n")
    fleet = read_fleet_of_tenant_node_counts(path, gpus_per_node=4, tenants=("x", "y"))
    assert fleet.tenant.tolist() == [1, 0, 0]
    assert fleet.gpu_capacity_milli == 12_000


def test_a_helios_log_is_held_against_a_fleet_by_its_row(tmp_path):
    path = written(tmp_path, "h.csv", edited(HELIOS, 2, "gpu_num", "64"))
    read = read_traces([path])
    with pytest.raises(TraceError, match=r"h\.csv, job 1, column gpus: found 64"):
        check_jobs_fit_fleet(read.workload, uniform_fleet(7, 8), str(path))
