"""What was used is metered to the second, invoiced to the cent, and read back as a trace."""

import urllib.request

import pytest

from commonwatt.core.errors import CommonwattError
from commonwatt.core.files import save_frame_as_parquet_and_csv
from commonwatt.fleet.io.traces import read_traces
from commonwatt.operate.domain.capture import load_cluster_capture, parse_cluster_capture
from commonwatt.operate.domain.cluster import JobPhase, JobRequest, ObservedNode
from commonwatt.operate.domain.errors import CaptureError, ControlError
from commonwatt.operate.domain.settings import load_controller_settings, parse_controller_settings
from commonwatt.operate.domain.state import GpuUse, JobRecord
from commonwatt.operate.engines.controller import Controller
from commonwatt.operate.engines.exporter import MetricsEndpoint
from commonwatt.operate.engines.invoices import tenant_invoices
from commonwatt.operate.engines.meter import (
    ended_cluster_jobs_trace_table,
    meter_jobs,
    metered_sums_by_tenant,
)
from commonwatt.operate.engines.replay import expected_job_start_instants_s
from commonwatt.operate.usecases.dashboard import controller_grafana_dashboard_json
from tests.operate_cases import store
from tests.operate_fake import FakeBackend

SETTINGS = parse_controller_settings(
    "[gpu_types.a100]\nbusy_w = 500\n[sites.hk]\npue = 1.2\nprice_usd_per_mwh = 100\n"
    "[tariff]\nusd_per_gpu_h = 3.0\n[tariff.by_tenant]\nschool = 1.5\n"
)


def use(job, start=1, gpus=4, from_s=0.0, until_s=3600.0, node="n0"):
    return GpuUse(
        job_id=job, starts=start, node=node, site="hk", gpu_type="a100", gpus=gpus,
        gpu_milli=1000, from_s=from_s, until_s=until_s,
    )  # fmt: skip


def row(job, tenant="all", phase=JobPhase.FINISHED, **fields):
    return JobRecord(request=JobRequest(job_id=job, argv=(), tenant=tenant, **fields), phase=phase)


def test_energy_and_charge_follow_from_gpu_time():
    rows = {"a": row("a"), "b": row("b", "school")}
    metered = meter_jobs(rows, [use("a"), use("b", gpus=2)], SETTINGS, now_s=9e9)
    assert metered[0].gpu_s == 4 * 3600
    assert metered[0].energy_kwh == pytest.approx(4 * 0.5 * 1.2)
    assert metered[0].energy_cost_usd == pytest.approx(4 * 0.5 * 1.2 * 0.1)
    assert (metered[0].charge, metered[1].charge) == (pytest.approx(12.0), pytest.approx(3.0))
    assert metered_sums_by_tenant(metered)["school"]["gpu_s"] == 2 * 3600


def test_invoices_of_two_halves_add_up_to_the_whole():
    rows, uses = {"a": row("a")}, [use("a"), use("a", 2, 1, 4000.0, None)]
    whole = tenant_invoices(rows, uses, SETTINGS, from_s=0, until_s=7200)[0]
    halves = [
        tenant_invoices(rows, uses, SETTINGS, from_s=a, until_s=b)[0]
        for a, b in ((0, 3600), (3600, 7200))
    ]
    assert whole.total_minor == round((4 + 3200 / 3600) * 300)
    assert sum(h.lines[0].gpu_h for h in halves) == pytest.approx(whole.lines[0].gpu_h)


def test_a_job_that_was_stopped_once_comes_back_as_one_job(tmp_path):
    rows = {"a": row("a", submitted_at_s=100.0, gpus=4), "b": row("b", submitted_at_s=130.0)}
    uses = [use("a", 1, 4, 110, 120), use("a", 2, 4, 150, 180), use("b", 1, 1, 131, 141.5)]
    save_frame_as_parquet_and_csv(ended_cluster_jobs_trace_table(rows, uses), tmp_path, "trace")
    jobs = read_traces([tmp_path / "trace.csv"]).workload
    assert jobs.submit_ms.tolist() == [0, 30_000]
    assert jobs.runtime_ms.tolist() == [40_000, 10_500]
    assert jobs.gpus.tolist() == [4, 1]


def test_prometheus_finds_the_figures_on_the_loopback_address(tmp_path):
    backend = FakeBackend([ObservedNode(name="n0", gpus=4)])
    for i in range(3):
        backend.submit(
            JobRequest(job_id=f"j{i}", argv=("run", "9"), gpus=2, submitted_at_s=1.0 + i)
        )
    control = Controller(backend, store(tmp_path), parse_controller_settings(""), explain=True)
    control.recover_open_intents()
    with MetricsEndpoint(0) as endpoint:
        control.tick()
        backend.advance(1)
        endpoint.publish_tick(control.tick(), 0.01)
        address = f"http://127.0.0.1:{endpoint.port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as page:
            text = page.read().decode()
    assert 'commonwatt_nodes{state="up"} 1.0' in text
    assert 'commonwatt_gpus_allocated{tenant="all"} 4.0' in text
    assert 'commonwatt_waiting_jobs{reason="room"} 1.0' in text
    assert "commonwatt_tick_seconds 0.01" in text
    for name in ("commonwatt_gpus_allocated", "rate(commonwatt_acts_total[5m])"):
        assert name in controller_grafana_dashboard_json()


def test_a_waiting_job_is_told_when_it_should_start(tmp_path):
    backend = FakeBackend([ObservedNode(name="n0", gpus=4)])
    for i in range(3):
        backend.submit(
            JobRequest(
                job_id=f"j{i}", argv=("run", "9"), gpus=4, estimate_s=100, submitted_at_s=1.0 + i
            )
        )
    memory = store(tmp_path)
    control = Controller(backend, memory, parse_controller_settings(""))
    control.recover_open_intents()
    control.tick()
    ((_, _, text),) = memory.logged_decisions()
    starts = expected_job_start_instants_s(parse_cluster_capture(text))
    assert [starts[f"j{i}"] - 1000.0 for i in range(3)] == [0, 100, 200]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("grace_s = -1", "grace_s"),
        ("nonsense = 1", "nonsense"),
        ("[policy]\norder = 'astrology'", "--order"),
        ("grace_s = ", "settings"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_their_place(text, place):
    with pytest.raises(CommonwattError, match=place):
        parse_controller_settings(text)


def test_what_is_no_file_of_ours_is_said(tmp_path):
    with pytest.raises(ControlError):
        load_controller_settings(tmp_path / "none.toml")
    with pytest.raises(CaptureError):
        load_cluster_capture(tmp_path / "none.json")
    for text in ("", "[]", "{}", '{"version": 99}'):
        with pytest.raises(CaptureError):
            parse_cluster_capture(text)
