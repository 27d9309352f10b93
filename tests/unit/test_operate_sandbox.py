"""An isolated job runs on Slurm by one setting, as isolated, and comes back as a trace."""

import threading
import time
from datetime import UTC, datetime

import pytest

from commonwatt.core.files import save_frame_as_parquet_and_csv
from commonwatt.fleet.domain.machines import uniform_fleet
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.engines.simulator import simulate_schedule
from commonwatt.fleet.io.traces import read_traces
from commonwatt.joins.job_to_cluster import cluster_runner_of_isolated_jobs
from commonwatt.operate.engines.controller import Controller
from commonwatt.operate.usecases.home import (
    make_controller_home,
    open_cluster_backend,
    open_controller_store,
)
from commonwatt.operate.usecases.status import metered_gpu_use_and_tables_by_name
from commonwatt.sandbox.domain.job import IsolatedJob, OutputKind
from commonwatt.sandbox.engines.isolation.node import JobEnding
from tests.operate_cases import happens
from tests.sandbox_node import open_folder, proved_node
from tests.slurm_cluster import need_slurm, slurm_cluster

CODE = """
import os, socket
rows = len(open('/data/rows').readlines()) - 1
try:
    socket.create_connection(('127.0.0.1', 80), timeout=1)
    net = 'open'
except OSError:
    net = 'none'
seen = sorted(os.environ)
leaked = sum(name.startswith(('SLURM', 'COMMONWATT')) for name in seen)
host = any(os.path.exists(place) for place in ('/etc/shadow', '/var', '/home'))
open('/out/n.csv', 'w').write(f'rows,net,leaked,host\\n{rows},{net},{leaked},{host}\\n')
"""


@pytest.fixture
def controlled(tmp_path):
    need_slurm()
    with slurm_cluster(2, 4) as cluster:
        settings = f"engine = 'slurm'\ntick_s = 0.2\n[slurm]\nconf = '{cluster.conf}'\n"
        home = make_controller_home(tmp_path / "home", settings, now=datetime.now(UTC))
        stop = threading.Event()
        with open_controller_store(home) as store, open_cluster_backend(home) as backend:
            control = Controller(backend, store, home.settings)
            control.recover_open_intents()
            thread = threading.Thread(target=_tick, args=(control, stop))
            thread.start()
            yield home
            stop.set()
            thread.join()


def _tick(control, stop):
    while not stop.is_set():
        control.tick()
        stop.wait(0.2)


def metered_trace(home):
    """The trace once the controller has seen the job end, which may be a look later."""

    def trace():
        return metered_gpu_use_and_tables_by_name(home, now_s=time.time())[1]["trace"]

    happens(lambda: trace().height > 0, "the end of the job")
    return trace()


def test_an_isolated_job_runs_on_slurm_and_its_use_is_simulated(controlled, tmp_path):
    with open_folder() as folder:
        proved_node(folder / "node")  # or skip: this machine cannot isolate at all
        rows = folder / "rows.csv"
        rows.write_text("x\n1\n2\n")
        rows.chmod(0o644)
        elsewhere = cluster_runner_of_isolated_jobs(controlled.folder, folder / "node")
        job = IsolatedJob(code=CODE, inputs={"rows": rows}, outputs={"n.csv": OutputKind.CSV})
        ended = elsewhere.run(job, to=tmp_path)
        assert ended.ending is JobEnding.DONE, ended.log
        assert ended.outputs[0].path.read_text() == "rows,net,leaked,host\n2,none,0,False\n"
    save_frame_as_parquet_and_csv(metered_trace(controlled), tmp_path / "out", "trace")
    read = read_traces([next((tmp_path / "out").glob("trace.csv"))])
    assert read.workload.tenant_names == ("sandbox",)
    result = simulate_schedule(read.workload, uniform_fleet(1, 4), parse_scheduling_policy())
    assert result.end_ms.tolist() == read.workload.runtime_ms.tolist()
