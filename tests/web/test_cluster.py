"""The live cluster through the console: seen from its controller's memory, and a node taken out."""

import sys
import time
from datetime import UTC, datetime

import pytest

from commonwatt.operate.domain.cluster import JobRequest
from commonwatt.operate.usecases.actions import submit_job_to_cluster
from commonwatt.operate.usecases.home import make_controller_home
from commonwatt.operate.usecases.run import run_controller
from commonwatt.web.roles import ConsoleRole
from tests.web.console import HTML, running
from tests.web.sample import sample_store

NODES = "node,gpus\nn1,2\nn2,2\n"
SETTINGS = 'engine = "local"\ntick_s = 0.05\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A console beside a cluster of two nodes on which three jobs have run."""
    root = tmp_path_factory.mktemp("cluster")
    sample_store(root / "runs")
    home = make_controller_home(root / "operate", SETTINGS, now=datetime.now(UTC))
    (root / "operate" / "nodes.csv").write_text(NODES)
    for i, tenant in enumerate(("hospital", "university", "hospital")):
        ask = JobRequest(
            job_id=f"j{i}", argv=(sys.executable, "-c", "pass"), tenant=tenant, gpus=2, estimate_s=1
        )
        submit_job_to_cluster(home, ask, now_s=time.time())
    run_controller(home, until_idle=True)
    with running(root / "runs", operate=root / "operate") as console:
        yield console


def test_the_page_shows_what_was_metered_and_done(place):
    with place.visitor(ConsoleRole.OPERATOR) as operator:
        page = operator.get("/cluster", headers=HTML).text
        assert "of 4 GPUs are held by jobs" in page
        tenants = operator.get("/cluster/tables/tenants.json").json()["data"]
        acts = operator.get("/cluster/tables/acts.json").json()["data"]
    assert {row["tenant"]: row["jobs"] for row in tenants} == {"hospital": 2, "university": 1}
    assert sum(act["act"] == "start" for act in acts) == 3


def test_an_operator_drains_a_node_and_the_record_says_who_asked(place):
    given = {"act": "drain", "node": "n1", "reason": "fan"}
    with place.visitor(ConsoleRole.VIEWER) as viewer:
        assert viewer.post("/cluster/nodes", json=given).status_code == 403
    with place.visitor(ConsoleRole.OPERATOR) as operator:
        assert operator.post("/cluster/nodes", json=given).status_code == 200
        assert operator.post("/cluster/nodes", json=given | {"act": "melt"}).status_code == 422
        acts = operator.get("/cluster/tables/acts.json").json()["data"]
    assert acts[0]["act"] == "drain"
    entry = next(iter(place.desk.ledger.entries(kind="console.drain")))
    assert entry.subject == "node/n1"
    assert entry.body["by"] == "operator"
