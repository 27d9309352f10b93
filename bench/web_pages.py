"""What a page costs the server, with a hundred thousand points and a million rows behind it.

The server runs in a process of its own; its processor time is read before and after.
The limit is 30 ms a page. The ratio is to the bare answer of the same server, which
is what framework, sign-in and sockets cost without any page.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.web.sample import long_queue, many_jobs, sample_store

PAGES = (
    "health",
    "fleet",
    "programme",
    "sites",
    "treasury",
    "runs",
    "fleet/tables/jobs?order=-queue_delay_s&first=500000",
    "fleet/tables/jobs?column=job_id&starts=job-01",
    "fleet/charts/queue.json",
)
TIMES = 40


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "runs"
        sample_store(root, fleet_jobs=many_jobs(1_000_000), fleet_queue=long_queue(100_000))
        server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("web_server.py")), str(root)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            measure(server)
        finally:
            server.terminate()
            server.wait(20)


def measure(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    address, cookie, secret = server.stdout.readline().split()
    http = httpx.Client(base_url=address, cookies={cookie: secret}, timeout=120)
    print(f"{'page':56} {'bytes':>8} {'first ms':>9} {'CPU ms':>7} {'x bare':>7}")
    bare = 0.0
    for page in PAGES:
        first = cpu_of(http, server.pid, page, 1)
        spent = cpu_of(http, server.pid, page, TIMES)
        bare = bare or spent
        size = len(http.get(f"/{page}").content)
        print(f"{page:56} {size:8,} {first:9.1f} {spent:7.1f} {spent / bare:7.1f}")
    memory = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4 // 1024
    print(f"memory of the server at the end: {memory} MB")


def cpu_of(http, pid: int, page: str, times: int) -> float:
    """Return the server's processor time for one page, the median of five groups [ms]."""
    groups = []
    for _ in range(5 if times > 1 else 1):
        each = max(1, times // 5)
        before = cpu_s(pid)
        for _ in range(each):
            http.get(f"/{page}").raise_for_status()
        groups.append((cpu_s(pid) - before) / each * 1000)
        time.sleep(0.05)
    return statistics.median(groups)


def cpu_s(pid: int) -> float:
    parts = Path(f"/proc/{pid}/schedstat").read_text().split()
    threads = Path(f"/proc/{pid}/task").iterdir()
    ns = [int((thread / "schedstat").read_text().split()[0]) for thread in threads]
    return max(sum(ns), int(parts[0])) / 1e9


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
