"""The gate that the command serves and the agents' gate, beside one commit of the same disk.

python bench/clinic_gate.py [requests]
python bench/clinic_gate.py writers [requests of each]

The second asks with eight record systems at once: plain `patient-view` calls with prefetch and a
signed token, on SQLite and on PostgreSQL, each answer on the disk before it is sent. The limit is
50 ms at the 99th percentile, and no call may be refused. Beside it stands the floor of the same
disk and the same minute: one append to the ledger, signed, verified and synced, by one writer
alone. A busy machine slows both, so that ratios compare where milliseconds do not; what the
server computed a call is counted by the kernel. The last line of each database is JSON.
"""

import hashlib
import http.client
import json
import os
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from commonwatt.clinic.domain.registry.state import Registry
from commonwatt.clinic.domain.rules import load_regulatory_rule_book, rule_book_findings
from commonwatt.clinic.engines.gateway import AdviceGate, Pathway, PathwayRunner
from commonwatt.clinic.engines.gateway.institution import (
    encounter_pseudonym_salt,
    load_or_make_clinic_institution_secret,
)
from commonwatt.clinic.engines.gateway.service import EXTENSION
from commonwatt.ledger import EntryDraft
from tests import ehr_simulator as sim
from tests.clinic_factories import BODIES, KEYS, NAMES, NOW, desk, move, put
from tests.clinic_factories import GOOD as FACTS
from tests.clinic_institution import EARLY, hospital
from tests.databases import empty, postgres_server


def clinic(folder: Path):
    writer = desk(f"sqlite:///{folder}/clinic.db")
    for kind, body in BODIES.items():
        put(writer, kind, NAMES[kind], body)
    move(writer, "approved", "committee-chair")
    move(writer, "live", "clinical-lead")
    gate = AdviceGate(writer, "qmh", {"deployment/x": lambda _: 0.4}, by=KEYS["gateway"], salt=b"s")
    disclosure = {
        "deployment": "deployment/x",
        "encounter": gate.encounter_pseudonym("e"),
        "language": "en",
    }
    put(writer, "disclosure", "d", disclosure)
    return gate


def hooks(folder, count):
    """Ask the gate that the command serves, on one connection that is kept."""
    institution(folder)
    given = ("--institution", "qmh.toml", "--key", "gateway.pem", "--port", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "commonwatt", "clinic", "gate", "serve", *given],
        cwd=folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        port = int(re.search(r"127\.0\.0\.1:(\d+)/", process.stderr.readline())[1])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        body = json.dumps(called({"extension": {EXTENSION: {"facts": FACTS}}}))
        times_s = []
        for _ in range(count):
            began = time.perf_counter()
            connection.request(
                "POST", "/cds-services/x", body, {"content-type": "application/json"}
            )
            answer = json.loads(connection.getresponse().read())
            times_s.append(time.perf_counter() - began)
            assert answer["cards"], answer
        connection.close()
    finally:
        process.terminate()
        process.communicate()
    return times_s


def called(more):
    context = {"userId": "Practitioner/lee", "patientId": "p", "encounterId": "e"}
    instance = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
    return {"hook": "patient-view", "hookInstance": instance, "context": context} | more


def institution(folder, url=""):
    """Write a hospital that the command serves: its ledger, keys, file, and one disclosure."""
    writer = hospital(folder, url=url)
    secret = load_or_make_clinic_institution_secret(folder / "institution.secret")
    pseudonym = hashlib.sha256(encounter_pseudonym_salt(secret) + b"e").hexdigest()[:20]
    body = {"deployment": "deployment/x", "encounter": pseudonym, "language": "en"}
    put(writer, "disclosure", "d-e", body, EARLY)
    writer.ledger.engine.dispose()


SIGNED = """
[cds_hooks]
base_url = "https://cds.qmh.example"

[cds_hooks.clients."https://ehr.example/"]
keys = "ehr-keys.json"
"""


def writers(folder, count, url="", signed=True, at_once=8):
    """Ask with several record systems at once; return times [s], refusals and CPU-s a call."""
    institution(folder, url)
    key = sim.signing_key()
    (folder / "ehr-keys.json").write_text(json.dumps(sim.public_set(key)))
    if signed:
        file = folder / "qmh.toml"
        file.write_text(file.read_text() + SIGNED)
    command = [sys.executable, "-m", "commonwatt", "clinic", "gate", "serve", "--port", "0",
               "--institution", "qmh.toml", "--key", "gateway.pem"]  # fmt: skip
    command += ["--ledger", url] if url else []
    process = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())[0]
        time.sleep(1.5)  # tokens are of a second after the start
        stub = sim.FhirStub()
        stub.resources = sim.chart("p")
        ehr = sim.Ehr(f"{address}cds-services", stub, key, "https://ehr.example/")
        templates = ehr.discover().json()["services"][0]["prefetch"]
        body = called({"prefetch": ehr.prefetch(templates, ehr.context("p"))})
        tokens = [[ehr.token("/cds-services/x") for _ in range(count + 1)] for _ in range(at_once)]
        began_s = cpu_s(process.pid)
        with ThreadPoolExecutor(at_once) as pool:
            rounds = pool.map(lambda mine: asked(address, json.dumps(body), mine), tokens)
            answers = [answer for one in rounds for answer in one]
        spent_s = (cpu_s(process.pid) - began_s) / (count + 1) / at_once
        ehr.close()
        stub.close()
    finally:
        process.terminate()
        process.communicate()
    return [t for t, _ in answers], [status for _, status in answers if status != 200], spent_s


def cpu_s(pid):
    """Return how long a process has computed, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked(address, body, tokens):
    """Ask over one connection, written by hand: what a library computes would be measured, too."""
    host, port = re.fullmatch(r"http://([\d.]+):(\d+)/", address).groups()
    head = (
        f"POST /cds-services/x HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
    )
    calls = [f"{head}authorization: Bearer {token}\r\n\r\n{body}".encode() for token in tokens]
    answers = []
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for call in calls:
            began = time.perf_counter()
            connection.sendall(call)
            answer = connection.recv(65536)
            while (end := answer.find(b"\r\n\r\n")) < 0 or len(answer) < end + 4 + length(answer):
                answer += connection.recv(65536)
            took_s = time.perf_counter() - began
            sound = answer.startswith(b"HTTP/1.1 200") and b'"cards":[{' in answer
            answers.append((took_s, 200 if sound else 0))
    return answers[1:]  # the first of a connection warms it


def length(answer):
    return int(re.search(rb"content-length: (\d+)", answer)[1])


def measure_writers(count):
    print(f"eight record systems at once, {count} plain calls each, on the disk before the answer")
    with postgres_server("-c fsync=on") as server:
        for name, url in (("SQLite", ""), ("PostgreSQL", server.url)):
            for signed in (False, True):
                if url:
                    empty(url)
                times_s, refused, spent_s = writers(Path(tempfile.mkdtemp()), count, url, signed)
                if url:
                    empty(url)
                floor_s, floor_cpu_s = appends(Path(tempfile.mkdtemp()), count, url)
                figures = {
                    "database": name,
                    "signed": signed,
                    "calls": len(times_s),
                    "refused": len(refused),
                    "p50_ms": percentile_ms(times_s, 50),
                    "p99_ms": percentile_ms(times_s, 99),
                    "floor_p50_ms": percentile_ms(floor_s, 50),
                    "floor_p99_ms": percentile_ms(floor_s, 99),
                    "server_cpu_ms": round(spent_s * 1e3, 2),
                    "floor_cpu_ms": round(floor_cpu_s * 1e3, 2),
                    "load_average": round(os.getloadavg()[0], 1),
                }
                print(
                    f"  {name}, {'signed' if signed else 'unsigned'}: p50 {figures['p50_ms']} ms,"
                    f" p99 {figures['p99_ms']} ms (limit 50), refused {len(refused)} of"
                    f" {len(times_s)}; server {figures['server_cpu_ms']} CPU-ms a call\n"
                    f"    one append alone: p50 {figures['floor_p50_ms']} ms, p99"
                    f" {figures['floor_p99_ms']} ms, {figures['floor_cpu_ms']} CPU-ms; ratios"
                    f" {figures['p50_ms'] / figures['floor_p50_ms']:.1f},"
                    f" {figures['p99_ms'] / figures['floor_p99_ms']:.1f} and"
                    f" {figures['server_cpu_ms'] / figures['floor_cpu_ms']:.2f}"
                )
                print(f"    {json.dumps(figures)}")
                if refused:
                    raise SystemExit("A refusal is answered sooner than advice: no figure of it.")
    print(f"load average of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def percentile_ms(times_s, percent):
    ordered = sorted(times_s)
    return round(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] * 1e3, 1)


def appends(folder, count, url=""):
    """Append one entry at a time to a ledger of its own; return times [s] and CPU-s of one."""
    ledger = desk(url or f"sqlite:///{folder}/floor.db").ledger
    draft = EntryDraft(kind="demo.floor", subject="thing/1", body={"number": 1})
    times_s = []
    began_s = time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        with ledger.transaction() as tx:
            ledger.append(tx, [draft], by=KEYS["gateway"], at=NOW)
        times_s.append(time.perf_counter() - began)
    spent_s = (time.process_time() - began_s) / count
    ledger.engine.dispose()
    return times_s, spent_s


def commits(folder, count):
    """One durable row of SQLite, the least that logging before answering can cost."""
    database = sqlite3.connect(folder / "commit.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE t (x)")
    times_s = []
    for i in range(count):
        began = time.perf_counter()
        database.execute("INSERT INTO t VALUES (?)", (i,))
        times_s.append(time.perf_counter() - began)
    database.close()
    return times_s


def agents(gate, count):
    pathway = Pathway(name="p", deployments=frozenset({"deployment/x"}), needs_human=frozenset(),
                      roles=frozenset(), most_calls=10**9)  # fmt: skip
    runner = PathwayRunner(gate, pathway, "plan")
    step = {"deployment": "deployment/x", "encounter": "e", "facts": FACTS}
    began = time.perf_counter()
    for _ in range(count):
        gate.advice_verdict_without_record("deployment/x", gate.encounter_pseudonym("e"), FACTS)
    judged = (time.perf_counter() - began) / count
    began = time.perf_counter()
    for number in range(count):
        assert runner.judge_and_record_pathway_step(number, step, None, at=NOW).allows_advice
    return judged, (time.perf_counter() - began) / count


class Entry:
    __slots__ = ("actor_id", "at", "body", "index", "kind", "subject")

    def __init__(self, index, kind, subject, body):
        self.index, self.kind, self.subject, self.body = index, kind, subject, body
        self.at, self.actor_id = NOW + timedelta(seconds=index), "a"


def events(count):
    yield Entry(0, "clinic.deployment", "deployment/x", BODIES["deployment"])
    for i in range(1, count):
        if i % 1000 == 0:
            to = ("approved", "live", "paused")[
                min(i // 1000 - 1, 2) if i < 3000 else i // 1000 % 2 + 1
            ]
            yield Entry(i, "clinic.move", "deployment/x", {"to": to})
        else:
            body = {"deployment": "deployment/x", "encounter": str(i), "score": 0.5, "shown": True}
            yield Entry(i, "clinic.advice", f"advice/{i}", body)


def main(count):
    folder = Path(tempfile.mkdtemp())
    gate = clinic(folder)
    served = folder / "served"
    served.mkdir()
    # The first answer loads what the others find loaded, and is told apart.
    first_s, *times_s = hooks(served, count + 1)
    least = commits(folder, count)
    p50, commit = statistics.median(times_s) * 1e3, statistics.median(least) * 1e3
    p99 = sorted(times_s)[-count // 100] * 1e3
    print(
        f"CDS Hooks of the command, kept connection, logged: p50 {p50:.2f} ms, p99 {p99:.2f} ms, "
        f"first {first_s * 1e3:.0f} ms"
    )
    print(f"  one durable commit           p50 {commit:.2f} ms; ratio {p50 / commit:.1f} x")
    began = time.process_time()
    for _ in range(count):
        gate.record_and_answer_advice_request("deployment/x", "e", FACTS, at=NOW)
    print(
        f"  of which computing           {(time.process_time() - began) / count * 1e3:.2f} CPU-ms"
    )
    judged, recorded = agents(gate, count)
    print(
        f"agent call: judged in {judged * 1e3:.3f} ms; with two log entries {recorded * 1e3:.2f} ms"
    )
    registry = Registry()
    registry.apply_ledger_entries(events(1_000_000))
    began = time.perf_counter()
    for i in range(100):
        registry.live_deployments("qmh", NOW + timedelta(seconds=i * 10_000))
    print(f"live at time T among 1,000,000 events: {(time.perf_counter() - began) * 10:.3f} ms")
    began = time.process_time()
    findings = rule_book_findings(load_regulatory_rule_book(), [NOW.date()] * 3)
    times_s = time.process_time() - began
    print(f"{findings.cells.height:,} cells of the rules checked in {times_s:.2f} CPU-s")
    print(f"load average of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    if sys.argv[1:2] == ["writers"]:
        measure_writers(int(sys.argv[2]) if sys.argv[2:] else 100)
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 500)
