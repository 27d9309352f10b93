"""Nothing derived yet, and a crowd at the door: everything is made once and nobody is refused."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import httpx
import polars as pl
import pytest

from commonwatt.core.spreadsheets import SPREADSHEET_MARK, read_spreadsheet_csv
from commonwatt.processes.spawn import run_process
from commonwatt.runs import RunStore
from commonwatt.treasury.engines.projection import AccountingTreatment
from commonwatt.treasury.usecases.explore import CountryChange, explore_country_debt_change
from commonwatt.web.cache import LARGE_TABLE_ROWS, TableCache, TableQuery
from commonwatt.web.explored import console_explored_country_json
from commonwatt.web.page_view import TableRows
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.runs import RecentCache
from tests.web.console import running, served_by_command
from tests.web.sample import many_jobs, sample_store

HERE = Path(__file__).parents[2]
PAGES = ("/programme", "/fleet", "/sites", "/models", "/fleet/tables/jobs?order=-queue_delay_s",
         "/fleet/charts/queue.json", "/fleet/tables/jobs.csv")  # fmt: skip
# Each process says what it made; all begin on one word of their parent.
DERIVE = """
import sys, time
from pathlib import Path
import polars as pl
from commonwatt.web.cache import TableCache, TableQuery
from commonwatt.web.page_view import TableRows
folder, log = Path(sys.argv[1]), Path(sys.argv[2])
frame = pl.DataFrame({"n": range(30_000), "t": ["x"] * 30_000})
def made(what, value):
    with log.open("a") as file: file.write(what + "\\n")
    time.sleep(0.2)  # as long as others need to come to the same file
    return value
rows = TableRows(key="run/1/t", load=lambda: made("rows", frame), size=frame.height)
cache = TableCache(folder)
sys.stdin.read(1)
text = cache.cached_text("run/1/chart", lambda: made("text", "drawn\\r\\n"))
page = cache.table_page(rows, TableQuery(count=2)).frame
down = cache.table_page(rows, TableQuery(order="-n", count=1)).frame
csv = cache.spreadsheet_csv_file_or_bytes(rows).read_bytes()
print([text, page.rows(), down.rows(), len(csv)])
"""


def test_of_many_threads_one_makes_a_thing_and_the_others_wait():
    cache, made, results = RecentCache(4), [], []
    begun, may_end = threading.Event(), threading.Event()

    def make():
        made.append(1)
        begun.set()
        assert may_end.wait(30)
        return "made"

    threads = [threading.Thread(target=lambda: results.append(cache.get("a", make)))
               for _ in range(12)]  # fmt: skip
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    # Another key is not held up by the first.
    assert cache.get("b", lambda: "other") == "other"
    may_end.set()
    for thread in threads:
        thread.join()
    assert (results, made) == (["made"] * 12, [1])
    assert not cache._turns


def test_a_making_that_fails_is_tried_by_the_next():
    cache = RecentCache(4)
    with pytest.raises(ValueError, match="once"):
        cache.get("a", lambda: (_ for _ in ()).throw(ValueError("once")))
    assert cache.get("a", lambda: "made") == "made"
    assert not cache._turns


def test_of_three_processes_one_makes_each_file(tmp_path):
    log = tmp_path / "log"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DERIVE, str(tmp_path / "kept"), str(log)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(HERE / "src")},
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in processes:
        process.stdin.write("g")
        process.stdin.flush()
    answers = {process.communicate(timeout=120)[0] for process in processes}
    assert len(answers) == 1
    assert "drawn\\r\\n" in answers.pop()
    # Rows are read for the columns, for the order and for the download, once each.
    assert Counter(log.read_text().split()) == {"text": 1, "rows": 3}
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".draft")]


def _rows(loads):
    frame = many_jobs(LARGE_TABLE_ROWS)
    return TableRows(key="run/1/jobs", load=lambda: loads.append(1) or frame, size=frame.height)


def test_a_folder_that_is_emptied_meanwhile_is_filled_again(tmp_path):
    loads = []
    rows, cache = _rows(loads), TableCache(tmp_path)
    first = cache.table_page(rows, TableQuery(count=3)).frame
    shutil.rmtree(tmp_path)
    # `state` was never touched: its column is opened only now.
    assert cache.table_page(rows, TableQuery(column="state", starts="fin")).height == rows.size
    assert cache.table_page(rows, TableQuery(count=3)).frame.equals(first)


@pytest.mark.parametrize(
    "left", [b"", b"half a dig", b"0" * 64 + b"\nother", "字".encode("utf-16")]
)
def test_a_text_that_a_power_cut_spoilt_is_made_again(tmp_path, left):
    assert TableCache(tmp_path).cached_text("run/1/c", lambda: "whole\n字") == "whole\n字"
    (path,) = tmp_path.rglob("*.txt")
    whole = path.read_bytes()
    path.write_bytes(left)
    assert TableCache(tmp_path).cached_text("run/1/c", lambda: "whole\n字") == "whole\n字"
    assert path.read_bytes() == whole


def test_a_program_that_draws_otherwise_shows_no_older_drawing(tmp_path, monkeypatch):
    assert TableCache(tmp_path).cached_text("run/1/c", lambda: "old") == "old"
    monkeypatch.setattr(
        "commonwatt.web.cache.console_source_and_translations_digest", lambda: "newer"
    )
    assert TableCache(tmp_path).cached_text("run/1/c", lambda: "new") == "new"


async def _codes_of_a_crowd(address, headers, people):
    limits = httpx.Limits(max_connections=people)
    async with httpx.AsyncClient(
        base_url=address, headers=headers, timeout=300, limits=limits
    ) as http:
        answers = await asyncio.gather(*[http.get(path) for path in PAGES for _ in range(people)])
    return Counter(answer.status_code for answer in answers)


def test_a_crowd_on_a_cold_cache_meets_no_error(tmp_path):
    sample_store(tmp_path, fleet_jobs=many_jobs(LARGE_TABLE_ROWS))
    with running(tmp_path) as console:
        session = console.visitor(ConsoleRole.VIEWER, ConsoleRole.PLANNER)
        headers = {"cookie": "; ".join(f"{k}={v}" for k, v in session.cookies.items())}
        session.close()
        codes = asyncio.run(_codes_of_a_crowd(console.address, headers, 30))
    assert codes == {200: 30 * len(PAGES)}


def test_a_crowd_at_two_cold_workers_of_the_command_meets_no_error(tmp_path):
    sample_store(tmp_path / "runs", fleet_jobs=many_jobs(LARGE_TABLE_ROWS))
    with served_by_command(tmp_path, "--workers", "2", link=True) as link:
        address = link.split("/welcome")[0]
        fields = {"name": "ada", "password": "correct horse battery", "roles": "viewer,planner"}
        cookie = httpx.post(link, data=fields, timeout=120).headers["set-cookie"].split(";")[0]
        codes = asyncio.run(_codes_of_a_crowd(address, {"cookie": cookie}, 10))
    assert codes == {200: 10 * len(PAGES)}


def test_a_download_for_spreadsheets_is_marked_and_runs_nothing(tmp_path):
    jobs = many_jobs(60).with_columns(job_id=pl.lit("=1+") + pl.col("job_id"))
    run = sample_store(tmp_path, fleet_jobs=jobs)
    # A table of a run that was made before its CSV was written so.
    stored = RunStore(tmp_path).folder(run.run_id) / "tables" / "fleet_jobs.csv"
    stored.write_text(jobs.write_csv(), encoding="utf-8")
    with running(tmp_path) as console, console.visitor(ConsoleRole.VIEWER) as visitor:
        answer = visitor.get("/fleet/tables/jobs.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(SPREADSHEET_MARK)
    assert "\n=1+" not in answer.text
    assert "\n'=1+job-" in answer.text
    assert read_spreadsheet_csv(answer.content)["job_id"].to_list() == jobs["job_id"].to_list()


CHANGES = [
    CountryChange(years=5),
    CountryChange(years=6, growth=-0.01, spending=20.0,
                  treatment=AccountingTreatment(bonds_as_income=True, transfers_as_income=True)),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("country", ["hongkong", "finland"])
def test_a_path_made_beside_the_worker_is_the_one_made_in_it(monkeypatch, country, change):
    explore_country_debt_change(country, change)  # loads the compiler here
    here = console_explored_country_json(country, change)
    assert "numba" in sys.modules
    begun = []

    def run(argv, *given, **named):
        begun.append(argv[1:])
        return run_process(argv, *given, **named)

    monkeypatch.delitem(sys.modules, "numba")
    monkeypatch.setattr("commonwatt.processes.spawn.run_process", run)
    assert console_explored_country_json(country, change) == here
    assert begun == [["-m", "commonwatt.web.explored"]]


def test_a_path_that_no_process_can_make_is_made_in_the_worker(monkeypatch):
    explore_country_debt_change("finland", CHANGES[0])
    here = console_explored_country_json("finland", CHANGES[0])
    for failing in ([sys.executable, "-c", "raise SystemExit(3)"], ["/nowhere/python"]):
        monkeypatch.setattr(
            "commonwatt.processes.spawn.run_process",
            lambda argv, *given, _failing=failing, **named: run_process(_failing, *given, **named),
        )
        with monkeypatch.context() as absent:
            absent.delitem(sys.modules, "numba")
            assert console_explored_country_json("finland", CHANGES[0]) == here
