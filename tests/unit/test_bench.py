"""The benches run on a stranger's clone: what one lacks is named, and the others go on."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"


@pytest.fixture(scope="module")
def run_all():
    spec = importlib.util.spec_from_file_location("run_all", BENCH / "run_all.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_all"] = module
    spec.loader.exec_module(module)
    return module


def _run(*words, **environment):
    return subprocess.run(
        [sys.executable, str(BENCH / "run_all.py"), *words],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_script_is_in_the_table_or_no_bench(run_all):
    scripts = {path.stem for path in BENCH.glob("*.py")}
    assert scripts == set(run_all.BENCHES) | run_all.NO_BENCH


def test_a_script_that_reads_the_shared_data_names_them(run_all):
    for name, bench in run_all.BENCHES.items():
        text = (BENCH / f"{name}.py").read_text("utf-8")
        # Two leave the part out by themselves that needs the data.
        if name not in {"treasury_speed", "operate_control"}:
            assert bool(bench.data) == ("shared" in text), name


def test_without_the_shared_data_a_slice_is_measured_or_the_bench_is_left_out(tmp_path):
    done = _run("--list", COMMONWATT_SHARED_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "itp_ten_days.parquet" in done.stdout
    assert "left out: fleet_packing: needs shared data traces/openb-gpu-2023" in done.stdout
    assert "== clinic_evidence" in done.stdout


def test_with_the_data_nothing_is_left_out_for_them(tmp_path, run_all):
    for bench in run_all.BENCHES.values():
        for path in bench.data:
            (tmp_path / path).mkdir(parents=True, exist_ok=True)
    done = _run("--list", COMMONWATT_SHARED_DATA=str(tmp_path))
    assert "shared data" not in done.stdout
    assert "itp_ten_days.parquet" not in done.stdout


def test_a_bench_that_fails_does_not_stop_the_next(run_all, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(run_all, "BENCH", tmp_path)
    monkeypatch.setattr(run_all, "BENCHES", {"bad": run_all.Bench(), "good": run_all.Bench()})
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")
    (tmp_path / "good.py").write_text("print('measured')")
    assert run_all.main([]) == 1
    out = capfd.readouterr().out
    assert "measured" in out
    assert "failed: bad" in out
    assert run_all.main(["good"]) == 0


def test_an_unknown_bench_is_refused():
    assert _run("nothing").returncode == 2
