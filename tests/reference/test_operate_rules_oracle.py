"""Live control puts no job where a rule forbids it, by the judge that shares nothing with it."""

import json
import random
from pathlib import Path

import pytest

from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    TERMINAL_PHASES,
    JobPhase,
    JobRequest,
    ObservedNode,
)
from commonwatt.operate.domain.settings import parse_controller_settings
from commonwatt.operate.engines.controller import Controller
from tests.operate_cases import store
from tests.operate_fake import FakeBackend
from tests.programme_oracle import (
    Document,
    DrawnProgramme,
    Job,
    NodeGroup,
    built_sites,
    demanded_jobs,
    draw_programme,
    node_groups,
    rules_broken_at,
    tenant_rules_broken_at,
)
from tests.proofs import PROOFS

TICK_S, MOST_TICKS = 30.0, 400


def _nodes(document: Document) -> dict[str, tuple[ObservedNode, NodeGroup]]:
    nodes: dict[str, tuple[ObservedNode, NodeGroup]] = {}
    for group in node_groups(document):
        for _ in range(group.nodes):
            name = f"n{len(nodes):03d}"
            node = ObservedNode(
                name=name,
                gpus=group.gpus,
                gpu_type=group.gpu,
                site=group.site,
                cpu_milli=int(group.cpu_milli),
                memory_mib=int(group.memory_mib),
            )
            nodes[name] = (node, group)
    return nodes


def _request(job: Job) -> JobRequest:
    return JobRequest(
        job_id=job["job_id"],
        argv=("run", str(min(job["runtime_s"], 600))),
        tenant=job["tenant"],
        priority=job["priority"],
        gpus=job["gpus"],
        gpu_milli=job["gpu_milli"],
        cpu_milli=job["cpu_milli"],
        memory_mib=job["memory_mib"],
        single_node=bool(job["single_node"]),
        gpu_types=tuple(filter(None, job["gpu_types"].split("|"))),
        sites=tuple(filter(None, job["sites"].split("|"))),
        submitted_at_s=1000.0 + job["submit_s"] / 100,
    )


def _control_file(document: Document) -> str:
    """Return control.toml with the limits of the programme, worked out by the judge."""
    policy = document["policy"]
    lines = ["start_within_s = 1000", "grace_s = 0", "[policy]"]
    lines += [f"{key} = '{policy[key]}'" for key in ("order", "place", "backfill") if key in policy]
    lines += [f"preempt = '{policy['preemption']}'"] if "preemption" in policy else []
    lines += ["[tenant_sites]"]
    for tenant in document["tenants"]:
        names = [site["name"] for site in built_sites(document)]
        allowed = [name for name in names if not tenant_rules_broken_at(document, tenant, name)]
        if len(allowed) < len(names):
            # A tenant that no site is open to: a name that no cluster has, and its jobs wait.
            lines.append(f"{tenant['name']} = {json.dumps(allowed or ['nowhere'])}")
    return "\n".join(lines)


def _run_live(drawn: DrawnProgramme, folder: Path) -> tuple[int, set[str]]:
    """Return how many places were checked, and which jobs ended."""
    document, nodes = drawn.document, _nodes(drawn.document)
    jobs = {job["job_id"]: job for job in demanded_jobs(document, drawn.jobs)}
    backend = FakeBackend([node for node, _ in nodes.values()])
    for job in jobs.values():
        backend.submit(_request(job))
    memory, checked = store(folder), 0
    control = Controller(backend, memory, parse_controller_settings(_control_file(document)))
    control.recover_open_intents()
    for _ in range(MOST_TICKS):
        acted = control.tick()
        for name, live in backend.jobs.items():
            if live.observed.phase in PHASES_ON_NODES:
                groups = {nodes[place.node][1] for place in live.observed.places}
                assert len({group.site for group in groups}) <= 1, name
                broken = [rules_broken_at(document, jobs[name], group) for group in groups]
                assert not any(broken), (name, jobs[name], groups)
                checked += len(groups)
        waiting = {
            name for name, live in backend.jobs.items() if live.observed.phase == JobPhase.HELD
        }
        ended = {
            name for name, live in backend.jobs.items() if live.observed.phase in TERMINAL_PHASES
        }
        # Nothing runs and nothing was done: what waits now waits for ever.
        if len(waiting) + len(ended) == len(jobs) and not acted.performed:
            break
        backend.advance(TICK_S)
    memory.ledger.engine.dispose()
    return checked, ended


@pytest.mark.prove
def test_no_live_placement_breaks_a_rule_and_every_job_with_a_site_ends(tmp_path):
    checked, shut_out = 0, 0
    for number in range(PROOFS.size(10, 400)):
        drawn = draw_programme(random.Random(f"live {number}"))
        if not node_groups(drawn.document):
            continue
        places, ended = _run_live(drawn, tmp_path / str(number))
        able = {
            job["job_id"]
            for job in demanded_jobs(drawn.document, drawn.jobs)
            if any(
                not rules_broken_at(drawn.document, job, group)
                for group in node_groups(drawn.document)
            )
        }
        assert ended == able, number
        checked += places
        shut_out += len(drawn.jobs) - len(able)
    assert checked > 50
    assert shut_out > 5
