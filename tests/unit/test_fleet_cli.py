"""The fleet commands, run as a user runs them."""

import json

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from tests.shared_data import shared_data

CONTRACT = {
    "jobs", "jobs_finished", "gpus", "utilisation_share", "makespan_utilisation_share",
    "mean_queue_delay_s", "p95_queue_delay_s", "mean_jct_s", "unallocated_gpu_share",
    "fragmented_gpu_share", "energy_kwh", "engine_cpu_s", "jobs_per_cpu_s", "result_sha256",
}  # fmt: skip


@pytest.fixture
def trace(tmp_path):
    """A SWF log of four jobs on one node of eight processors."""
    rows = [(1, 0, 3600, 8), (2, 10, 3600, 8), (3, 20, 600, 4), (4, 30, 60, 2)]
    lines = [f"{n} {s} -1 {r} {p} -1 -1 {p} {r} -1 1 1 1 -1 1 -1 -1 -1" for n, s, r, p in rows]
    path = tmp_path / "log.swf"
    path.write_text("; Version: 2.2\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def _run(capsys, *arguments):
    code = run_main(root, [str(argument) for argument in arguments])
    streams = capsys.readouterr()
    return code, streams.out, streams.err


def _json(capsys, *arguments):
    code, out, err = _run(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_a_simulation_answers_with_every_field_of_the_contract(capsys, trace):
    data = _json(capsys, "fleet", "simulate", "--trace", trace, "--nodes", 1, "--gpus-per-node", 8)
    assert set(data) >= CONTRACT
    assert data["jobs"] == data["jobs_finished"] == 4
    assert data["mean_queue_delay_s"] == pytest.approx((0 + 3590 + 7180 + 7170) / 4)


def test_backfill_lets_small_jobs_pass(capsys, trace):
    common = ("fleet", "simulate", "--trace", trace, "--nodes", 2, "--gpus-per-node", 8)
    plain = _json(capsys, *common)
    sjf = _json(capsys, *common, "--order", "sjf")
    assert sjf["mean_queue_delay_s"] <= plain["mean_queue_delay_s"]


def test_the_same_question_has_the_same_digest(capsys, trace):
    common = ("fleet", "simulate", "--trace", trace, "--nodes", 1, "--gpus-per-node", 8)
    assert (
        _json(capsys, *common, "--seed", 1)["result_sha256"]
        == _json(capsys, *common, "--seed", 2)["result_sha256"]
    )


def test_out_writes_tables_and_the_answer(capsys, trace, tmp_path):
    out = tmp_path / "out"
    code, _, _ = _run(
        capsys, "fleet", "simulate", "--trace", trace, "--nodes", 1, "--gpus-per-node", 8,
        "--out", out,
    )  # fmt: skip
    assert code == 0
    assert sorted(p.name for p in out.iterdir()) == ["answer.json", "jobs.csv", "jobs.parquet"]


def test_a_comparison_names_each_policy(capsys, trace, tmp_path):
    data = _json(
        capsys, "fleet", "compare", "--trace", trace, "--nodes", 1, "--gpus-per-node", 8,
        "--policy", "fifo", "--policy", "sjf+easy", "--out", tmp_path / "out",
    )  # fmt: skip
    names = [row["policy"] for row in data["policies"]]
    assert names == ["fifo + consolidate", "sjf + consolidate + easy"]
    assert (tmp_path / "out" / "comparison.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_sweep_is_the_same_on_one_and_two_processes(capsys, trace):
    common = (
        "fleet", "sweep", "--trace", trace, "--nodes", 1, "--gpus-per-node", 8,
        "--axis", "nodes=1,2", "--axis", "policy=fifo,sjf",
    )  # fmt: skip
    on_one = _json(capsys, *common, "--workers", 1)
    on_two = _json(capsys, *common, "--workers", 2)
    assert on_one == on_two
    assert [row["nodes"] for row in on_one["rows"]] == ["1", "1", "2", "2"]


def test_explain_names_who_was_in_the_way(capsys, trace):
    data = _json(
        capsys, "fleet", "explain", "3", "--trace", trace, "--nodes", 1, "--gpus-per-node", 8
    )
    assert data["queue_delay_s"] == pytest.approx(7180)
    assert data["reasons"]


BAD = [
    (("--nodes", 0, "--gpus-per-node", 8), 2, "at least 1 node"),
    (("--nodes", 1), 2, "--gpus-per-node"),
    (("--nodes", 1, "--gpus-per-node", 4), 21, "column gpus: found 8"),
    (("--nodes", "nowhere.csv"), 20, "nowhere.csv"),
    (("--nodes", 1, "--gpus-per-node", 8, "--order", "best"), 2, "fifo, sjf"),
    (("--nodes", 1, "--gpus-per-node", 8, "--place", "moon"), 2, "first-fit"),
    (("--nodes", 1, "--gpus-per-node", 8, "--backfill", "x"), 2, "easy"),
    (("--nodes", 1, "--gpus-per-node", 8, "--preemption", "x"), 2, "reclaim"),
    (("--nodes", 1, "--gpus-per-node", 8, "--pool", "tenant"), 2, "tenant,nodes"),
    (("--nodes", 1, "--gpus-per-node", 8, "--format", "x"), 2, "swf"),
]


@pytest.mark.parametrize(("options", "code", "message"), BAD)
def test_a_bad_option_is_refused_with_what_would_do(capsys, trace, options, code, message):
    exit_code, out, err = _run(capsys, "fleet", "simulate", "--trace", trace, *options)
    assert out == ""
    assert message in err
    assert exit_code in {code, 20, 22}


def test_quotas_come_from_a_table(capsys, tmp_path):
    trace = shared_data("traces", "itp-2021", "itp_jobs.parquet")
    (tmp_path / "q.csv").write_text("tenant,gpus\n1,x\n", encoding="utf-8")
    code, _, err = _run(
        capsys, "fleet", "simulate", "--trace", trace, "--nodes", 62, "--gpus-per-node", 8,
        "--quotas", tmp_path / "q.csv",
    )  # fmt: skip
    assert code == 24
    assert "q.csv" in err


def test_the_arrived_load_protocol_says_what_stays_free(capsys):
    pods = shared_data("traces", "openb-gpu-2023", "openb_pod_list_default.csv.gz")
    nodes = shared_data("traces", "openb-gpu-2023", "openb_node_list_gpu_node.csv.gz")
    data = _json(
        capsys, "fleet", "simulate", "--trace", pods, "--nodes", nodes, "--place", "best-fit",
        "--arrived-load", 1.3, "--seed", 42,
    )  # fmt: skip
    assert data["gpus"] == 6212
    assert 0.05 < data["unallocated_gpu_share"] < 0.09


def test_a_trace_is_described_without_machines(capsys, trace):
    (described,) = _json(capsys, "fleet", "describe", "--trace", trace)["traces"]
    assert described["format"] == "swf"
    assert described["summary"]["gpu_hours"] == pytest.approx((16 * 3600 + 4 * 600 + 2 * 60) / 3600)


def test_a_trace_of_requests_is_described_by_its_rates(capsys):
    path = shared_data("traces", "mooncake-2024", "mooncake_synthetic.parquet")
    (described,) = _json(capsys, "fleet", "describe", "--trace", path)["traces"]
    assert described["requests"]["requests"] == 3993
    assert 0 < described["requests"]["shared_block_share"] < 1


def test_a_policy_of_the_users_own_runs_by_its_file(capsys, trace, tmp_path):
    code = "class Last:\n    def order(self, waiting, now_s):\n        return list(waiting)[::-1]\n"
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    common = ("fleet", "simulate", "--trace", trace, "--nodes", 1, "--gpus-per-node", 8)
    users = _json(capsys, *common, "--order", f"{tmp_path / 'mine.py'}:Last")
    assert users["jobs_finished"] == 4
    assert users["mean_queue_delay_s"] < _json(capsys, *common)["mean_queue_delay_s"]


@pytest.mark.parametrize("name", ["mine.py:None_such", "nowhere.py:Last", "broken.py:Last"])
def test_a_policy_that_cannot_be_loaded_is_refused(capsys, trace, tmp_path, name):
    (tmp_path / "mine.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    code, out, _ = _run(
        capsys, "fleet", "simulate", "--trace", trace, "--nodes", 1, "--gpus-per-node", 8,
        "--order", tmp_path / name,
    )  # fmt: skip
    assert (code, out) == (2, "")
