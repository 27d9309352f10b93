"""The how-to pages on policies of one's own run as they are written."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.core.errors import UsageError
from commonwatt.fleet.domain.machines import uniform_fleet
from commonwatt.fleet.domain.workload import workload_from_columns
from commonwatt.fleet.engines import simulator

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def python_blocks(page: str) -> str:
    text = (HOW_TO / page).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def shared_jobs():
    return workload_from_columns(
        np.arange(40), np.full(40, 60), np.full(40, 1),
        gpu_milli=np.full(40, 500, np.int32), single_node=np.ones(40, np.bool_),
    )  # fmt: skip


def test_the_place_policy_of_the_page_places_jobs_and_an_impossible_node_is_refused():
    names = {"fleet": uniform_fleet(4, 2), "workload": shared_jobs()}
    exec(python_blocks("own-place-policy.md"), names)
    assert names["result"].policy == "fewest-jobs"
    assert names["result"].jobs_placed > 0

    names["FewestJobs"].choose = lambda *_: 99
    with pytest.raises(UsageError, match="nodes_with_room"):
        names["place_arrived_load"](
            names["fleet"], names["workload"], names["FewestJobs"](), load=1.0, seed=1
        )


def test_the_order_of_the_page_runs_from_python_at_the_address_it_names():
    names: dict = {}
    exec(python_blocks("own-order.md"), names)
    page = (HOW_TO / "own-order.md").read_text(encoding="utf-8")
    assert f"`{simulator.__name__}.simulate_user(" in page
    jobs = workload_from_columns([0, 1, 2], [9, 9, 9], [8, 2, 7])
    result = simulator.simulate_user(jobs, uniform_fleet(1, 8), names["LargestFirst"]())
    assert result.start_ms.tolist() == [0, 18_000, 9_000]


def test_the_order_of_the_page_runs_from_the_command_line(capsys, tmp_path):
    (tmp_path / "mine.py").write_text(python_blocks("own-order.md"), encoding="utf-8")
    rows = [(1, 0, 90, 8), (2, 10, 90, 2), (3, 20, 90, 7)]
    lines = [f"{n} {s} -1 {r} {p} -1 -1 {p} {r} -1 1 1 1 -1 1 -1 -1 -1" for n, s, r, p in rows]
    (tmp_path / "jobs.swf").write_text("; Version: 2.2\n" + "\n".join(lines) + "\n")
    page = (HOW_TO / "own-order.md").read_text(encoding="utf-8")
    command = re.search(r"^```sh\ncommonwatt (.*?)\n```", page, re.DOTALL | re.MULTILINE)[1]
    words = command.replace("jobs.swf", str(tmp_path / "jobs.swf"))
    words = words.replace("mine.py", str(tmp_path / "mine.py"))
    assert run_main(root, [*words.split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs_finished"] == 3
