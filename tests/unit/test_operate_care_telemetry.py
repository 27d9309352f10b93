"""Readers of telemetry, against pages as exporters write them."""

import http.server
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from commonwatt.operate.domain.care.errors import TelemetryError
from commonwatt.operate.domain.care.findings import TelemetrySample
from commonwatt.operate.io.care.telemetry.dcgm import parse_dcgm_dmon_samples
from commonwatt.operate.io.care.telemetry.prometheus import (
    parse_prometheus_exposition,
    query_prometheus_samples,
    scrape_prometheus_samples,
)
from commonwatt.operate.io.care.telemetry.table import (
    load_node_telemetry_series,
    load_telemetry_samples,
)

PAGE = r"""# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="GPU-1",device="nvidia0",Hostname="n1"} 41
DCGM_FI_DEV_GPU_TEMP{gpu="1",UUID="GPU-2",Hostname="n1",} 4.25e1
# TYPE up gauge
up 1
# TYPE odd gauge
odd{instance="n2:9400",text="a \"b\", {c}=\\ \n d"} NaN
limit{node="n3"} +Inf 1700000000123
"""


def test_a_page_of_an_exporter_becomes_samples():
    samples = parse_prometheus_exposition(PAGE, at_s=5.0, node="here")
    assert samples[0] == TelemetrySample(5.0, "n1", "DCGM_FI_DEV_GPU_TEMP", 41.0, "0")
    assert [s.node for s in samples] == ["n1", "n1", "here", "n2", "n3"]
    assert samples[4].at_s == 1_700_000_000.123


def test_the_values_are_those_that_the_official_parser_reads():
    our_values = {
        (s.signal, s.value)
        for s in parse_prometheus_exposition(PAGE, at_s=0.0)
        if s.signal != "odd"
    }
    official_values = {
        (s.name, s.value)
        for family in text_string_to_metric_families(PAGE)
        for s in family.samples
        if s.name != "odd"
    }
    assert our_values == official_values


@pytest.mark.parametrize("line", ["metric", "metric{a=b} 1", 'm{a="b} 1', "m abc", "1m 2"])
def test_a_line_of_another_form_is_named(line):
    with pytest.raises(TelemetryError, match="line 2"):
        parse_prometheus_exposition(f"up 1\n{line}", at_s=0.0)


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        api = self.path.startswith("/api/")
        vector = (
            b'{"status":"success","data":{"resultType":"vector","result":['
            b'{"metric":{"__name__":"up","instance":"n7:9100"},"value":[12.5,"1"]}]}}'
        )
        body = vector if api else PAGE.encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=http_server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{http_server.server_port}"
    http_server.shutdown()
    http_server.server_close()
    thread.join()


def test_a_page_is_scraped_and_a_server_asked(server):
    assert scrape_prometheus_samples(f"{server}/metrics", at_s=1.0)[2].node == "127.0.0.1"
    assert query_prometheus_samples(server, "up") == [TelemetrySample(12.5, "n7", "up", 1.0, "")]


def test_what_does_not_answer_or_is_no_web_address_is_refused():
    with pytest.raises(TelemetryError, match="http"):
        scrape_prometheus_samples("file:///etc/passwd", at_s=0.0)
    with pytest.raises(TelemetryError):
        scrape_prometheus_samples("http://127.0.0.1:9/metrics", at_s=0.0, timeout_s=1.0)


DMON = """#Entity   TMPTR  XIDER  EDVTL
ID
GPU 0     41     0      N/A
GPU 1     42     0      0
GPU 0     43     79     1
"""


def test_what_dcgmi_prints_becomes_samples_in_time():
    samples = parse_dcgm_dmon_samples(DMON, node="n1", at_s=100.0, step_s=10.0)
    assert len(samples) == 8
    last = [s for s in samples if s.device == "0"][-1]
    assert last == TelemetrySample(110.0, "n1", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", 1.0, "0")


def test_fields_asked_by_number_need_no_head():
    [sample] = parse_dcgm_dmon_samples("0 79\n", node="n1", at_s=0.0, fields=[230])
    assert (sample.signal, sample.value) == ("DCGM_FI_DEV_XID_ERRORS", 79.0)


@pytest.mark.parametrize("text", ["#Entity A B\nGPU 0 1\n", "#Entity A\nGPU 0 hot\n"])
def test_a_row_that_does_not_fit_its_head_is_named(text):
    with pytest.raises(TelemetryError, match="line 2"):
        parse_dcgm_dmon_samples(text, node="n1", at_s=0.0)


def test_a_table_of_samples_is_read_in_order_of_time(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("at_s,node,signal,value\n2,n1,a,1\n1,n1,a,0\n")
    assert [s.at_s for s in load_telemetry_samples(path)] == [1.0, 2.0]
    path.write_text("at_s,node,value\n1,n1,0\n")
    with pytest.raises(TelemetryError, match="signal"):
        load_telemetry_samples(path)
    path.write_text("at_s,node,signal,value\nnoon,n1,a,1\n")
    with pytest.raises(TelemetryError, match="numbers"):
        load_telemetry_samples(path)


def test_gaps_of_a_series_hold_the_last_value(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("at_s,cpu,label\n0,1,0\n60,,0\n120,3,1\n")
    series = load_node_telemetry_series(path)
    assert series.metrics == ("cpu",)
    assert series.values[:, 0].tolist() == [1.0, 1.0, 3.0]
    assert series.label.tolist() == [0, 0, 1]
    path.write_text("at_s,cpu\n0,\n60,1\n")
    with pytest.raises(TelemetryError, match="gap"):
        load_node_telemetry_series(path)
