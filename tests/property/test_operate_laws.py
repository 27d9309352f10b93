"""Laws of live control on random clusters: nothing lost, doubled, over-committed or bent."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.operate.domain.capture import capture_json_line, parse_cluster_capture
from commonwatt.operate.domain.cluster import TERMINAL_PHASES, JobPhase, JobRequest, ObservedNode
from commonwatt.operate.domain.settings import parse_controller_settings
from commonwatt.operate.engines.checks import overcommitted_cluster_nodes
from commonwatt.operate.engines.controller import Controller
from commonwatt.operate.engines.meter import gpu_seconds_of_use
from commonwatt.operate.engines.replay import compare_live_with_simulated
from tests.operate_cases import store
from tests.operate_fake import FakeBackend, Killed

TENANTS = ("a", "b", "c")


@st.composite
def asks(draw):
    count = draw(st.integers(1, 12))
    return [
        JobRequest(
            job_id=f"j{i}",
            argv=("run", str(draw(st.integers(1, 40)))),
            gpus=draw(st.integers(0, 10)),
            gpu_milli=1000,
            tenant=draw(st.sampled_from(TENANTS)),
            priority=draw(st.integers(0, 2)),
            sites=draw(st.sampled_from([(), ("x",), ("y",)])),
            estimate_s=draw(st.integers(1, 60)),
            submitted_at_s=1000.0 + draw(st.integers(0, 30)),
            preemptible=draw(st.booleans()),
            checkpoints=draw(st.booleans()),
        )
        for i in range(count)
    ]


@st.composite
def rules(draw):
    order = draw(st.sampled_from(["fifo", "sjf", "srtf", "las", "fair-share", "priority", "qssf"]))
    place = draw(st.sampled_from(["consolidate", "first-fit", "best-fit", "random-fit", "fgd"]))
    fill = draw(st.sampled_from(["none", "easy", "conservative"]))
    preempt = draw(st.sampled_from(["none", "priority", "reclaim"]))
    borrow = draw(st.sampled_from(["true", "false"]))
    quotas = draw(st.sampled_from(["", "[quotas]\na = 6\nb = 4\nc = 2\n"]))
    grace = draw(st.sampled_from([0, 3]))
    return (
        f"grace_s = {grace}\nstart_within_s = 1000\n{quotas}"
        f"[policy]\norder = '{order}'\nplace = '{place}'\nbackfill = '{fill}'\n"
        f"preempt = '{preempt}'\nborrow = {borrow}\n"
    )


def cluster():
    return [ObservedNode(name=f"n{i}", gpus=4, site="x" if i < 2 else "y") for i in range(4)]


def check(backend, tick):
    assert overcommitted_cluster_nodes(backend.observe()) == tick.overcommitted == []
    held_gpus = dict.fromkeys(backend.nodes, 0)
    for job in backend.jobs.values():
        for place in job.observed.places if job.observed.phase in ("starting", "running") else ():
            held_gpus[place.node] += len(place.gpus)
    assert max(held_gpus.values()) <= 4
    for job in backend.jobs.values():
        if job.observed.phase in ("starting", "running"):
            sites = {backend.nodes[place.node].site for place in job.observed.places}
            assert not job.observed.request.sites or sites <= set(job.observed.request.sites)
            assert (
                sum(len(place.gpus) for place in job.observed.places) == job.observed.request.gpus
            )


def fits(request):
    """A job of one site has 8 GPUs at most; two sites are never spanned."""
    return request.gpus <= 8


@settings(max_examples=12, deadline=None)
@given(asks(), rules(), st.data())
def test_every_job_that_fits_ends_whatever_the_policy(jobs, text, data):
    with tempfile.TemporaryDirectory() as folder:
        backend = FakeBackend(cluster())
        for request in jobs:
            backend.submit(request)
        memory = store(Path(folder))
        control = Controller(backend, memory, parse_controller_settings(text), explain=True)
        control.recover_open_intents()
        lost = data.draw(st.integers(0, 20))
        for step in range(400):
            if step == lost:
                backend.down("n0", "test")
            if step == lost + 10:
                backend.resume("n0")
            check(backend, control.tick())
            if all(
                job.observed.phase in TERMINAL_PHASES or not fits(job.observed.request)
                for job in backend.jobs.values()
            ):
                break
            backend.advance(2.0)
        ended = {
            name for name, job in backend.jobs.items() if job.observed.phase == JobPhase.FINISHED
        }
        assert {request.job_id for request in jobs if fits(request)} - ended <= over_quota(
            jobs, text
        )
        assert compare_live_with_simulated(memory.logged_decisions()).differing == []
        memory.ledger.engine.dispose()


def over_quota(jobs, text):
    """Jobs that no quota ever lets start, with those that wait behind nothing else."""
    if "quotas" not in text or "borrow = true" in text:
        return set()
    quota = {"a": 6, "b": 4, "c": 2}
    return {request.job_id for request in jobs if request.gpus > quota[request.tenant]}


@settings(max_examples=15, deadline=None)
@given(asks(), st.integers(0, 12), st.booleans())
def test_a_kill_at_any_act_loses_and_doubles_nothing(jobs, at, after):
    with tempfile.TemporaryDirectory() as folder:
        backend = FakeBackend(cluster())
        for request in jobs:
            backend.submit(request)
        backend.kill_at = (at, after)
        memory = store(Path(folder))
        control = Controller(backend, memory, parse_controller_settings("start_within_s = 1000"))
        control.recover_open_intents()
        for _ in range(200):
            try:
                control.tick()
            except Killed:
                memory.ledger.engine.dispose()
                memory = store(Path(folder))
                control = Controller(
                    backend, memory, parse_controller_settings("start_within_s = 1000")
                )
                control.recover_open_intents()
            backend.advance(2.0)
        control.tick()
        for job in backend.jobs.values():
            if fits(job.observed.request):
                assert (job.observed.phase, job.observed.starts) == (JobPhase.FINISHED, 1)
        truth = sum(
            (j.observed.ended_at_s - j.observed.started_at_s) * j.observed.request.gpus
            for j in backend.jobs.values()
            if j.observed.phase == JobPhase.FINISHED
        )
        assert (
            abs(sum(gpu_seconds_of_use(use, backend.now_s) for use in memory.gpu_uses()) - truth)
            < 1e-6
        )
        memory.ledger.engine.dispose()


@settings(max_examples=12, deadline=None)
@given(asks(), rules())
def test_a_capture_reads_back_as_it_was(jobs, text):
    from commonwatt.operate.domain.capture import capture_cluster_state

    backend = FakeBackend(cluster())
    for request in jobs:
        backend.submit(request)
    captured = capture_cluster_state(
        backend.observe(), parse_controller_settings(text), served_s={"j0": 1.5}
    )
    written = capture_json_line(captured)
    assert capture_json_line(parse_cluster_capture(written)) == written
