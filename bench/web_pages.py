"""What a page costs, with a hundred thousand points and a million rows behind it.

The command serves in a process of its own; its processor time is read before and after.
Told are the first answer, on a cache without anything, and then, on one kept connection,
how long an answer takes for who waits for it, and how much of the processor it takes.
Limits, on an idle machine: 10 ms for who waits, 30 ms of processor. The ratio is to the
bare answer of the same server, which is what framework, sign-in and sockets cost.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from web_server import ServedConsole, cpu_s, load_text, private_mb, served_console

from tests.web.sample import long_queue, many_jobs, sample_store

PAGES = (
    "health",
    "fleet",
    "programme",
    "sites",
    "treasury.json",
    "treasury",
    "models",
    "runs",
    "fleet/tables/jobs?order=-queue_delay_s&first=500000",
    "fleet/tables/jobs?column=job_id&starts=job-01",
    "fleet/charts/queue.json",
)
GROUPS, TIMES = 5, 8


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        store = Path(name) / "runs"
        sample_store(store, fleet_jobs=many_jobs(1_000_000), fleet_queue=long_queue(100_000))
        with served_console(store) as console:
            measure(console)


def measure(console: ServedConsole) -> None:
    parts = urlsplit(console.address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=300)
    print(f"{'page':52} {'bytes':>8} {'first ms':>9} {'ms':>6} {'CPU ms':>7} {'x bare':>7}")
    bare_ms = 0.0
    for page in PAGES:
        first_ms, size = answered_ms(connection, page, console.cookies[0])
        groups = [group_of(console, connection, page) for _ in range(GROUPS)]
        waited_ms = statistics.median(each for waits, _ in groups for each in waits)
        spent_ms = statistics.median(spent for _, spent in groups)
        bare_ms = bare_ms or spent_ms
        print(
            f"{page:52} {size:8,} {first_ms:9.0f} {waited_ms:6.1f} {spent_ms:7.1f} "
            f"{spent_ms / bare_ms:7.1f}",
            flush=True,
        )
    print(f"memory of the server at the end: {private_mb(console.pid):.0f} MB")
    print(load_text())


def group_of(
    console: ServedConsole, connection: http.client.HTTPConnection, page: str
) -> tuple[list[float], float]:
    """Return how long each answer took, and processor time for one of them [ms]."""
    before = cpu_s(console.pid)
    waits = [answered_ms(connection, page, console.cookies[0])[0] for _ in range(TIMES)]
    return waits, (cpu_s(console.pid) - before) / TIMES * 1e3


def answered_ms(
    connection: http.client.HTTPConnection, page: str, cookie: str
) -> tuple[float, int]:
    """Return how long one answer took [ms], and its bytes."""
    began = time.perf_counter()
    connection.request("GET", f"/{page}", headers={"cookie": cookie, "accept": "text/html"})
    answer = connection.getresponse()
    size = len(answer.read())
    assert answer.status == 200, (page, answer.status)
    return (time.perf_counter() - began) * 1e3, size


if __name__ == "__main__":
    main()
