"""Two hundred people at once, on an empty cache, against two workers of the command.

Each has a session of their own, reads a page, thinks for two to five seconds, and
reads the next; of a page that says that it is being computed, they wait for the
contents. Nothing is opened before they come. In the middle of the cold part a study
ends, so that every page is of another run, and cold again; in the warm part everything
has been opened, by a crowd between the two that is not measured. The client shares
the machine's cores with the server, and so does whatever else runs there: the load average
is printed with the times.

    python bench/web_load.py [SECONDS [USERS [sqlite|postgresql]]]

SECONDS are of each of the two parts. Limits, on an idle machine of two cores: no
error; the slowest of a hundred answers within 3 s cold and 1 s warm; memory grows by
less than a tenth between the first third of the warm part and its end.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.databases import postgresql
from tests.web.sample import long_queue, many_jobs, sample_store

from web_server import ServedConsole, load_text, private_mb, served_console  # isort: skip

PAGES = (
    "/programme",
    "/fleet",
    "/sites",
    "/treasury",
    "/models",
    "/runs",
    "/fleet/tables/jobs?order=-queue_delay_s&first=5000",
    "/fleet/charts/queue.json",
    "/fleet.json",
)
ROWS = 1_000_000
# Whoever made the second study did so in a process of its own, as the console's workers do.
SECOND_STUDY = """
import sys
from pathlib import Path
from tests.web.sample import many_jobs, sample_store
sample_store(Path(sys.argv[1]), fleet_jobs=many_jobs(int(sys.argv[2])))
"""


@dataclass
class Part:
    """What one part of the measurement met.

    Args:
        times_s: How long each answer took.
        statuses: How many answers had which status, or ended how.
        waited_s: How long the contents took of pages that were being computed.
    """

    times_s: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    waited_s: list[float] = field(default_factory=list)


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


async def person(console: ServedConsole, number: int, until: float, part: Part) -> None:
    chance, cookie = random.Random(number), console.cookies[number]
    browser = Browser(console.address, cookie)
    await asyncio.sleep(chance.uniform(0, 3.5))
    while time.monotonic() < until:
        path, asked, computed = chance.choice(PAGES), time.monotonic(), False
        while True:
            began = time.monotonic()
            try:
                status = str(await asyncio.wait_for(browser.get(path), 60))
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                status, browser = type(error).__name__, Browser(console.address, cookie)
            part.times_s.append(time.monotonic() - began)
            part.statuses[status] += 1
            if status != "202":
                break
            computed = True
            await asyncio.sleep(1)
        if computed:
            part.waited_s.append(time.monotonic() - asked)
        await asyncio.sleep(chance.uniform(2, 5))


async def crowd(console: ServedConsole, seconds: float) -> tuple[Part, float]:
    """Let everybody read for a while; return what they met, and memory after a third [MB]."""
    part, until = Part(), time.monotonic() + seconds
    people = [
        asyncio.create_task(person(console, number, until, part))
        for number in range(len(console.cookies))
    ]
    await asyncio.sleep(seconds / 3)
    third_mb = private_mb(console.pid)
    await asyncio.gather(*people)
    return part, third_mb


async def study_that_ends(store: Path, after_s: float) -> float:
    """Put another study into the store, and return when it was there."""
    words = [sys.executable, "-c", SECOND_STUDY, str(store), str(ROWS + 1)]
    await asyncio.sleep(after_s)
    done = await asyncio.create_subprocess_exec(*words, cwd=Path(__file__).parents[1])
    assert await done.wait() == 0
    return time.monotonic()


async def both_parts(console: ServedConsole, store: Path, seconds: float) -> None:
    began = time.monotonic()
    (cold, _), ended = await asyncio.gather(
        crowd(console, seconds), study_that_ends(store, seconds / 4)
    )
    print_part("cold", cold, seconds)
    print(f"  a study ended after {ended - began:.0f} s")
    # On a busy machine the study may end when the crowd has gone: the warm part would be cold.
    await crowd(console, seconds / 3)
    warm, third_mb = await crowd(console, seconds)
    print_part("warm", warm, seconds)
    end_mb = private_mb(console.pid)
    print(f"  memory: {third_mb:.0f} MB after a third, {end_mb:.0f} MB at the end")


def print_part(name: str, part: Part, seconds: float) -> None:
    times = sorted(part.times_s)
    errors = {status: n for status, n in part.statuses.items() if status not in {"200", "202"}}
    middle, p99 = times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3
    print(f"{name}: {len(times):,} requests in {seconds:.0f} s, errors {errors or 0}")
    print(f"  median {middle:.0f} ms, p99 {p99:.0f} ms, slowest {times[-1] * 1e3:.0f} ms")
    if part.waited_s:
        longest = max(part.waited_s)
        print(f"  {len(part.waited_s)} waited for what was computed, at most {longest:.1f} s")
    print(f"  {load_text()}", flush=True)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    users = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    database = postgresql() if "postgresql" in sys.argv[3:] else nullcontext("")
    with tempfile.TemporaryDirectory() as name, database as url:
        store = Path(name) / "runs"
        sample_store(store, fleet_jobs=many_jobs(ROWS), fleet_queue=long_queue(100_000))
        with served_console(store, workers=2, sessions=users, database=url) as console:
            asyncio.run(both_parts(console, store, seconds))


if __name__ == "__main__":
    main()
