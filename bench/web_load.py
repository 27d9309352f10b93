"""Two hundred people at once for a minute, against two workers on this machine.

Each has a session of their own, reads a page, thinks for two to five seconds, and
reads the next. The client shares the machine's cores with the server, and so does
whatever else runs there: the load average is printed, and the time a page needs
without anybody else is the peer to compare with. Memory must not grow between the
first third and the end.

    python bench/web_load.py [SECONDS [USERS]]
"""

import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.web.sample import long_queue, many_jobs, sample_store

PAGES = (
    "/programme",
    "/fleet",
    "/sites",
    "/treasury",
    "/runs",
    "/fleet/tables/jobs?order=-queue_delay_s&first=5000",
    "/fleet/charts/queue.json",
    "/fleet.json",
)


class Browser:
    """One person's connection, kept open."""

    def __init__(self, address: str, cookie: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname, parts.port
        self._head = f"host: {parts.netloc}\r\ncookie: {cookie}\r\naccept: text/html\r\n\r\n"
        self._reader = self._writer = None

    async def get(self, path: str) -> int:
        """Read a page and return its status."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        self._writer.write(f"GET {path} HTTP/1.1\r\n{self._head}".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        await self._reader.readexactly(length)
        return int(head.split(" ")[1])


async def person(address: str, cookie: str, seed: int, until: float, log: list) -> None:
    chance, browser = random.Random(seed), Browser(address, cookie)
    await asyncio.sleep(chance.uniform(0, 3.5))
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            status = await asyncio.wait_for(browser.get(chance.choice(PAGES)), 60)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            status = f"{type(error).__name__}"
            browser = Browser(address, cookie)
        log.append((status, time.monotonic() - began))
        await asyncio.sleep(chance.uniform(2, 5))


def tree_mb(pid: int) -> float:
    """Return the memory that a process and its children hold for themselves [MB]."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private"))
    return own / 1024 + sum(tree_mb(int(child)) for child in children)


async def crowd(address: str, cookies: list[str], seconds: float, pid: int) -> None:
    warm = Browser(address, cookies[0])
    alone: list[float] = []
    for _ in range(6):
        for path in PAGES:
            began = time.monotonic()
            assert await warm.get(path) == 200
            alone.append(time.monotonic() - began)
    log: list = []
    until = time.monotonic() + seconds
    people = [
        asyncio.create_task(person(address, cookie, seed, until, log))
        for seed, cookie in enumerate(cookies)
    ]
    await asyncio.sleep(seconds / 3)
    third = tree_mb(pid)
    await asyncio.gather(*people)
    end = tree_mb(pid)
    tell(log, seconds, alone[len(PAGES) :], third, end)


def tell(log: list, seconds: float, alone: list[float], third: float, end: float) -> None:
    times = sorted(took for _, took in log)
    errors = [status for status, _ in log if status != 200]
    middle, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    print(f"requests {len(log):,} in {seconds:.0f} s, {len(log) / seconds:.0f} a second")
    print(f"errors {len(errors)} {sorted(set(map(str, errors)))}")
    print(f"alone: median {statistics.median(alone) * 1000:.0f} ms")
    print(
        f"together: median {middle * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, "
        f"slowest {times[-1] * 1000:.0f} ms"
    )
    print(f"memory: {third:.0f} MB after a third, {end:.0f} MB at the end")
    print(f"load average of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    users = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "runs"
        sample_store(root, fleet_jobs=many_jobs(1_000_000), fleet_queue=long_queue(100_000))
        script = str(Path(__file__).with_name("web_server.py"))
        server = subprocess.Popen(
            [sys.executable, script, str(root), "2", str(users)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            address, cookie, *secrets = server.stdout.readline().split()
            cookies = [f"{cookie}={secret}" for secret in secrets]
            asyncio.run(crowd(address, cookies, seconds, server.pid))
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
