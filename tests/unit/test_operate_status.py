"""The status of a cluster is that of one instant."""

import itertools
from contextlib import nullcontext
from datetime import UTC, datetime

from commonwatt.operate.usecases import status
from commonwatt.operate.usecases.home import make_controller_home
from tests.operate_cases import local, request


def test_a_status_rests_on_one_observation(tmp_path, monkeypatch):
    home = make_controller_home(tmp_path / "home", "", now=datetime.now(UTC))
    backend = local(tmp_path, count=1, gpus=4)
    backend.submit(request("first", submitted_at_s=1.0))
    backend.submit(request("second", gpus=4, submitted_at_s=2.0, estimate_s=60.0))
    backend.clock = itertools.count(1000.0, 10.0).__next__  # each look is ten seconds later
    monkeypatch.setattr(status, "open_cluster_backend", lambda home: nullcontext(backend))
    shown = status.controller_status(home)
    assert shown["at_s"] == 1000.0
    assert [job["starts_in_s"] for job in shown["jobs"]] == [0.0, 60.0]
