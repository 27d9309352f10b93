"""Random programmes with rules, and a judge of them that shares nothing with the product.

The judge was written from the programme's format and from what the documentation promises
of gangs and nodes, and not from the code that decides it. It tries every job at every group
of equal nodes of every built site: the slow way, and the one that is read in a minute.
"""

from __future__ import annotations

import copy
import csv
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

Document = dict[str, Any]
Job = dict[str, Any]

TRACE = "jobs.csv"
WRITTEN = "as written"
SITES = ("home", "west", "fjord", "rented")
TENANTS = ("a", "b", "c", "d")
GPU_TYPES = ("A100", "H100")
# The same few for limits and round trips, so that some are equal to the last digit.
NEIGHBOURS_MS = (0, 1, 5, 9.5, 10, 20, 29, 30, 57)
FAR_MS = (*NEIGHBOURS_MS, 186)
POLICIES = (
    {},
    {"order": "sjf", "place": "first-fit"},
    {"order": "fifo", "place": "best-fit", "backfill": "easy"},
    {"order": "qssf", "place": "consolidate", "backfill": "easy"},
    {"order": "fair-share", "place": "worst-fit"},
    {"order": "priority", "place": "random-fit", "preemption": "priority"},
    {"order": "las", "place": "consolidate"},
    {"order": "srtf", "place": "dot-product", "backfill": "conservative"},
)


class Rule(StrEnum):
    """What can keep a job from a site, in the order in which a person would ask."""

    NOTHING_BUILT = "nothing built"
    RESIDENCY = "residency"
    ROUND_TRIP_MISSING = "round trip missing"
    LATENCY = "latency"
    JOB_RESIDENCY = "sites of the job"
    GPU_TYPE = "GPU type"
    NODE_SIZE = "cores or memory of a node"
    GANG = "size of the gang"


RULES_OF_TENANTS = (Rule.NOTHING_BUILT, Rule.RESIDENCY, Rule.ROUND_TRIP_MISSING, Rule.LATENCY)


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that no site keeps, and for whom.

    Args:
        rule: The rule.
        place: Place in the file of a tenant whose rule it is, or the name of a job.
    """

    rule: Rule
    place: int | str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one way to build a programme.

    Args:
        way: The programme as written, or the name of an alternative.
        faults: Every rule that no site keeps; none where every job has a place.
    """

    way: str
    faults: frozenset[Fault] = frozenset()

    @property
    def of_the_file(self) -> frozenset[Fault]:
        """The faults that stand in the programme, whoever submits what."""
        return frozenset(fault for fault in self.faults if fault.rule in RULES_OF_TENANTS)


@dataclass(frozen=True, slots=True)
class DrawnProgramme:
    """A programme and the rows of its trace."""

    document: Document
    jobs: list[Job] = field(default_factory=list[Job])

    def write(self, folder: Path) -> Path:
        """Write both into `folder`; return the programme's path."""
        with (folder / TRACE).open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, list(self.jobs[0]))
            rows.writeheader()
            rows.writerows(self.jobs)
        path = folder / "drawn.toml"
        lines = [f'"{key}" = {toml_of(part)}' for key, part in self.document.items()]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    def ways(self) -> Iterator[tuple[str, Document]]:
        """Yield the programme as written and each of its alternatives."""
        yield WRITTEN, self.document
        for name, part in self.document.get("alternatives", {}).items():
            yield name, document_with_changes(self.document, part.get("change", []))


def toml_of(part: Any) -> str:
    """Return a value as TOML spells it."""
    if isinstance(part, dict):
        return "{" + ", ".join(f'"{key}" = {toml_of(v)}' for key, v in part.items()) + "}"
    if isinstance(part, list):
        return "[" + ", ".join(toml_of(v) for v in part) + "]"
    if hasattr(part, "isoformat"):
        return part.isoformat()
    return json.dumps(part, ensure_ascii=False)


# --------------------------------------------------------------------------- the generator


def draw_programme(rng: random.Random) -> DrawnProgramme:
    """Draw a programme of 2 to 4 sites and 1 to 4 tenants, and its small trace.

    Most rules are drawn so that some site keeps them, and most gangs so that they fit there:
    a programme of blind draws is nearly always impossible, and of those little is learnt.
    """
    names = list(SITES[: rng.randint(2, 4)])
    sites = [_drawn_site(rng, name) for name in names]
    if not any(_gpus(site) for site in sites):
        sites[0]["pools"][0] |= {"nodes": 2, "gpus_per_node": 4}
    tenants = [_drawn_tenant(rng, name, names) for name in TENANTS[: rng.randint(1, 4)]]
    document: Document = {
        "title": "Drawn",
        "seed": rng.randrange(10_000),
        "demand": {"trace": TRACE, "format": "table"},
        "tenants": tenants,
        "gpus": [
            {"name": name, "idle": "100 W", "busy": "400 W", "memory_gib": gib, "source": "a test"}
            for name, gib in zip(GPU_TYPES, (40.0, 80.0), strict=True)
        ],
        "sites": sites,
        "latency": _drawn_round_trips(rng, names),
        "policy": rng.choice(POLICIES),
    }
    drawn = DrawnProgramme(document, _drawn_jobs(rng, document))
    if rng.random() < 0.1 and len(tenants) > 1:
        document["demand"]["tenants"] = [part["name"] for part in tenants[1:]]
    if rng.random() < 0.6:
        _loosen(rng, drawn)
    if rng.random() < 0.3:
        document["alternatives"] = _drawn_alternatives(rng, document)
        if rng.random() < 0.6:
            _drop_impossible_alternatives(drawn)
    return drawn


def _drawn_site(rng: random.Random, name: str) -> Document:
    site: Document = {
        "name": name, "region": "HK", "pue": 1.2, "power_price": "90 USD/MWh",
        "carbon": "300 g/kWh", "source": "a test",
        "pools": [_drawn_pool(rng) for _ in range(rng.choice((1, 1, 1, 2)))],
    }  # fmt: skip
    if name == "rented" and rng.random() < 0.5:
        site["rent"] = {"price": "2 USD/GPU-hour", "source": "a test"}
        site["power_price"] = "0 USD/MWh"  # the rent holds it
    return site


def _drawn_pool(rng: random.Random) -> Document:
    gpus = rng.choice((1, 2, 4, 8))
    pool = {
        "nodes": rng.choice((0, 1, 1, 2, 2, 3, 4)),
        "gpus_per_node": gpus,
        "gpu": rng.choice(GPU_TYPES),
    }
    # By the number of GPUs alone, so that nodes of one site, type and number of GPUs are equal.
    return pool | ({} if gpus < 4 else {"cpu_cores": 4.0 * gpus, "memory_gib": 16.0 * gpus})


def _drawn_tenant(rng: random.Random, name: str, sites: Sequence[str]) -> Document:
    tenant: Document = {"name": name}
    if rng.random() < 0.35:
        tenant["sites"] = rng.sample(sites, rng.randint(1, len(sites)))
    if rng.random() < 0.4:
        tenant["origin"] = rng.choice(sites)
    if rng.random() < 0.5:
        tenant["latency"] = _written_ms(rng, rng.choice(FAR_MS))
    return tenant


def _written_ms(rng: random.Random, ms: float) -> str:
    return f"{ms} ms" if rng.random() < 0.7 else f"{ms / 1000:.12g} s"


def _drawn_round_trips(rng: random.Random, sites: Sequence[str]) -> list[Document]:
    pairs = [(x, y) for i, x in enumerate(sites) for y in sites[i + 1 :]]
    links = [
        {
            "between": rng.sample(pair, 2),
            "rtt": _written_ms(rng, rng.choice(FAR_MS if "rented" in pair else NEIGHBOURS_MS)),
        }
        for pair in pairs
        if rng.random() < 0.97
    ]  # fmt: skip
    rng.shuffle(links)
    return links


def _drawn_jobs(rng: random.Random, document: Document) -> list[Job]:
    tenants = [tenant["name"] for tenant in document["tenants"]]
    # Each tenant has a job, and sometimes somebody submits of whom the programme says nothing.
    submitters = [*tenants, *(rng.choice((*tenants, "guest")) for _ in range(rng.randint(1, 8)))]
    sites = [site["name"] for site in document["sites"]]
    return [
        {
            "job_id": f"j{i}", "submit_s": rng.choice((0, 60, 60 * i, 3600 * i)),
            "runtime_s": rng.choice((1, 60, 1800, 7200)), "tenant": tenant,
            "gpus": rng.choice((1, 1, 2, 3, 4, 8, 9)), "gpu_milli": 1000,
            "single_node": int(rng.random() < 0.2),
            "cpu_milli": 0, "memory_mib": 0, "priority": rng.choice((0, 0, 1)),
            "gpu_types": _some_of(rng, GPU_TYPES) if rng.random() < 0.2 else "",
            "sites": _some_of(rng, sites) if rng.random() < 0.1 else "",
        } | _drawn_part_of_a_node(rng)
        for i, tenant in enumerate(submitters)
    ]  # fmt: skip


def _some_of(rng: random.Random, names: Sequence[str]) -> str:
    return "|".join(rng.sample(names, rng.randint(1, len(names))))


def _drawn_part_of_a_node(rng: random.Random) -> Job:
    """Return what a job of one node asks for: a share of a GPU, or cores and memory."""
    kind = rng.random()
    if kind < 0.1:
        return {"gpus": 1, "gpu_milli": rng.choice((100, 250, 500))}
    if kind < 0.2:
        return {
            "gpus": 1, "single_node": 1, "cpu_milli": rng.choice((8_000, 16_000, 24_000, 32_000)),
            "memory_mib": rng.choice((0, 32_768, 65_536, 131_072)),
        }  # fmt: skip
    return {}


def _loosen(rng: random.Random, drawn: DrawnProgramme) -> None:
    """Ease the first rule that leaves a job without a site, until none does."""
    document = drawn.document
    for _ in range(60):
        # One at a time, because easing a tenant's rule may already help the next of its jobs.
        for tenant in document["tenants"]:
            if (rule := broken_rule_of_tenant(document, tenant)) is not None:
                _ease_tenant(rng, document, tenant, rule)
                break
        else:
            for job in demanded_jobs(document, drawn.jobs):
                if (rule := broken_rule_of_job(document, job)) is not None:
                    _ease_job(job, rule)
                    break
            else:
                return


def _ease_tenant(rng: random.Random, document: Document, tenant: Document, rule: Rule) -> None:
    if rule == Rule.RESIDENCY:
        built = [site["name"] for site in built_sites(document)]
        tenant["sites"] = [*tenant["sites"], rng.choice(built)]
    elif rule == Rule.LATENCY:
        tenant["latency"] = f"{rng.choice((30, 57, 186))} ms"
        if rng.random() < 0.3:
            del tenant["latency"]
    elif rule == Rule.ROUND_TRIP_MISSING:
        given = {frozenset(link["between"]) for link in document["latency"]}
        names = [site["name"] for site in document["sites"]]
        document["latency"] += [
            {"between": [x, y], "rtt": "30 ms"}
            for i, x in enumerate(names)
            for y in names[i + 1 :]
            if {x, y} not in given
        ]


def _ease_job(job: Job, rule: Rule) -> None:
    if rule == Rule.JOB_RESIDENCY:
        job["sites"] = ""
    elif rule == Rule.GPU_TYPE:
        job["gpu_types"] = ""
    elif rule == Rule.NODE_SIZE:
        job |= {"cpu_milli": 0, "memory_mib": 0}
    elif rule == Rule.GANG:
        job |= {"gpus": max(1, job["gpus"] // 2)}


def _drawn_alternatives(rng: random.Random, document: Document) -> Document:
    ways: Document = {"plain": {"label": "As written"}}
    for name in ("other", "third")[: rng.randint(1, 2)]:
        changes = []
        for site in rng.sample(document["sites"], rng.randint(1, len(document["sites"]))):
            for place, pool in enumerate(site["pools"]):
                path = f"sites.{site['name']}." + (
                    "nodes" if len(site["pools"]) == 1 else f"pools.{place}.nodes"
                )
                nodes = rng.choice((0, 1, 2, 3, 4, 6))
                doubled = rng.random() < 0.2 and pool["nodes"]
                changes.append(f"{path}=x2" if doubled else f"{path}={nodes}")
        tenant = rng.choice(document["tenants"])
        if rng.random() < 0.3:
            changes.append(f"tenants.{tenant['name']}.latency={rng.choice(FAR_MS)} ms")
        if document["latency"] and rng.random() < 0.2:
            place = rng.randrange(len(document["latency"]))
            changes.append(f"latency.{place}.rtt={rng.choice(FAR_MS)} ms")
        if rng.random() < 0.2:
            site = rng.choice(document["sites"])["name"]
            changes.append(f'tenants.{tenant["name"]}.sites=["{site}"]')
        if rng.random() < 0.1:
            site = rng.choice(document["sites"])["name"]
            changes.append(f"tenants.{tenant['name']}.origin={site}")
        ways[name] = {"label": name, "change": changes}
    return ways


def _drop_impossible_alternatives(drawn: DrawnProgramme) -> None:
    for verdict in judge(drawn):
        if verdict.faults and verdict.way != WRITTEN:
            del drawn.document["alternatives"][verdict.way]
    # One alone is compared with nothing, which the programme's reader refuses.
    if len(drawn.document["alternatives"]) == 1:
        drawn.document["alternatives"]["written"] = {"label": "Once more"}


def document_with_changes(document: Document, changes: Sequence[str]) -> Document:
    """Return the document as its changes leave it, each written as the reference says."""
    changed = copy.deepcopy(document)
    for line in changes:
        path, _, text = line.partition("=")
        steps = path.split(".")
        if steps[0] == "sites" and steps[2:] == ["nodes"]:
            steps[2:] = ["pools", "0", "nodes"]
        at: Any = changed
        for step in steps[:-1]:
            at = _part_named(at, step) if isinstance(at, list) else at[step]
        at[steps[-1]] = _changed(at.get(steps[-1]), text)
    return changed


def _part_named(parts: list[Document], name: str) -> Document:
    return next((part for part in parts if part.get("name") == name), None) or parts[int(name)]


def _changed(old: Any, text: str) -> Any:
    if text.startswith("x"):
        return round(old * float(text[1:]))
    if text.startswith("["):
        return json.loads(text)
    return int(text) if text.isdigit() else text


# --------------------------------------------------------------------------- the judge


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Equal nodes of one site; nought cores or memory is unknown and binds nothing."""

    site: str
    gpu: str
    nodes: int
    gpus: int
    cpu_milli: float
    memory_mib: float


def built_sites(document: Document) -> list[Document]:
    """Return the sites that have a node."""
    return [site for site in document["sites"] if any(pool["nodes"] for pool in site["pools"])]


def _gpus(site: Document) -> int:
    return sum(pool["nodes"] * pool["gpus_per_node"] for pool in site["pools"])


def node_groups(document: Document) -> list[NodeGroup]:
    """Return the built nodes: those of one site, GPU type and size together."""
    counted: dict[tuple[Any, ...], int] = {}
    for site in document["sites"]:
        for pool in site["pools"]:
            key = (site["name"], pool["gpu"], pool["gpus_per_node"],
                   1000 * pool.get("cpu_cores", 0), 1024 * pool.get("memory_gib", 0))  # fmt: skip
            counted[key] = counted.get(key, 0) + pool["nodes"]
    return [
        NodeGroup(site, gpu, nodes, gpus, cpu, memory)
        for (site, gpu, gpus, cpu, memory), nodes in counted.items()
        if nodes
    ]


def demanded_jobs(document: Document, jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs of the tenants that the programme asks for; none named: all."""
    wanted = document["demand"].get("tenants", [])
    return [job for job in jobs if not wanted or job["tenant"] in wanted]


def milliseconds(text: str) -> float:
    """Return a length of time [ms]."""
    number, unit = text.split()
    # Rounded to what anybody could measure: 0.029 s and 29 ms are one time, whatever floats say.
    return round(float(number) * {"ms": 1.0, "s": 1000.0}[unit], 6)


def round_trip_ms(document: Document, x: str, y: str) -> float | None:
    """Return the round trip between two sites [ms], or None where the file gives none."""
    if x == y:
        return 0.0
    for link in document["latency"]:
        if set(link["between"]) == {x, y}:
            return milliseconds(link["rtt"])
    return None


def tenant_rules_broken_at(document: Document, tenant: Mapping[str, Any], site: str) -> set[Rule]:
    """Return the tenant's own rules that a site breaks."""
    broken: set[Rule] = set()
    if tenant.get("sites") and site not in tenant["sites"]:
        broken.add(Rule.RESIDENCY)
    if "latency" in tenant:
        # From where the tenant works, which is the first site of the file where it says nothing.
        origin = tenant.get("origin", document["sites"][0]["name"])
        rtt_ms = round_trip_ms(document, origin, site)
        if rtt_ms is None:
            broken.add(Rule.ROUND_TRIP_MISSING)
        elif rtt_ms > milliseconds(tenant["latency"]):
            broken.add(Rule.LATENCY)
    return broken


def rules_broken_at(document: Document, job: Job, group: NodeGroup) -> set[Rule]:
    """Return the rules that a job breaks on these nodes; none: it may run there."""
    tenant: Mapping[str, Any] = next(
        (part for part in document["tenants"] if part["name"] == job["tenant"]), {}
    )
    broken = tenant_rules_broken_at(document, tenant, group.site)
    if job["sites"] and group.site not in job["sites"].split("|"):
        broken.add(Rule.JOB_RESIDENCY)
    if job["gpu_types"] and group.gpu not in job["gpu_types"].split("|"):
        broken.add(Rule.GPU_TYPE)
    return broken | _size_rules_broken_at(job, group)


def _size_rules_broken_at(job: Job, group: NodeGroup) -> set[Rule]:
    broken: set[Rule] = set()
    for column, there in (("cpu_milli", group.cpu_milli), ("memory_mib", group.memory_mib)):
        if there and job[column] > there:
            broken.add(Rule.NODE_SIZE)
    # Whole nodes of one group, and one more for what is left over; none for a job without GPUs.
    room = group.gpus * (1 if job["single_node"] else group.nodes)
    if job["gpus"] > room:
        broken.add(Rule.GANG)
    return broken


def broken_rule_of_job(document: Document, job: Job) -> Rule | None:
    """Return the rule after which no site is left to a job, or None where one is left."""
    left = [rules_broken_at(document, job, group) for group in node_groups(document)]
    return _rule_that_leaves_nothing(left)


def broken_rule_of_tenant(document: Document, tenant: Mapping[str, Any]) -> Rule | None:
    """Return the rule of a tenant after which no built site is left, or None."""
    built = [site["name"] for site in built_sites(document)]
    return _rule_that_leaves_nothing(
        [tenant_rules_broken_at(document, tenant, site) for site in built]
    )


def _rule_that_leaves_nothing(left: list[set[Rule]]) -> Rule | None:
    # A limit that cannot be held against a site that the tenant may use is a gap in the file,
    # whatever the other sites are: nobody can say whether the programme keeps it.
    if any(Rule.ROUND_TRIP_MISSING in broken and Rule.RESIDENCY not in broken for broken in left):
        return Rule.ROUND_TRIP_MISSING
    for rule in Rule:
        left = [broken for broken in left if rule not in broken]
        if not left:
            return rule
    return None


def judge(drawn: DrawnProgramme) -> list[Verdict]:
    """Return a verdict of the programme as written and of each alternative."""
    return [judge_document(way, document, drawn.jobs) for way, document in drawn.ways()]


def judge_document(way: str, document: Document, jobs: Sequence[Job]) -> Verdict:
    """Return the verdict of one document: every rule that leaves a tenant or a job no site."""
    if not any(_gpus(site) for site in document["sites"]):
        return Verdict(way, frozenset({Fault(Rule.NOTHING_BUILT)}))
    of_tenants = {
        Fault(rule, place)
        for place, tenant in enumerate(document["tenants"])
        if (rule := broken_rule_of_tenant(document, tenant)) is not None
    }
    of_jobs = {
        Fault(rule, job["job_id"])
        for job in demanded_jobs(document, jobs)
        if (rule := broken_rule_of_job(document, job)) is not None
    }
    named = {fault for fault in of_jobs if fault.rule not in RULES_OF_TENANTS}
    return Verdict(way, frozenset(of_tenants | named))


# --------------------------------------------------------------------------- the rows, read again


def faults_of_rows(
    document: Document, jobs: Sequence[Job], rows: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return what is wrong with the job rows that a run wrote, held against its programme."""
    by_id = {job["job_id"]: job for job in demanded_jobs(document, jobs)}
    faults = []
    if sorted(by_id) != sorted(row["job_id"] for row in rows):
        faults.append(f"jobs {sorted(by_id)}, rows of {sorted(row['job_id'] for row in rows)}")
    for row in rows:
        job = by_id.get(row["job_id"])
        sites = row["site"].split(" + ") if row["site"] else []
        if job is None or not sites:
            faults.append(f"{row['job_id']}: no such job, or no data centre named")
            continue
        if row["tenant"] != job["tenant"] or row["gpus"] != job["gpus"]:
            faults.append(f"{row['job_id']}: another tenant or size")
        for site in sites:
            groups = [group for group in node_groups(document) if group.site == site]
            if not any(not rules_broken_at(document, job, group) for group in groups):
                faults.append(f"{row['job_id']}: ran at {site}")
    return faults


def faults_of_pieces(
    document: Document,
    jobs: Sequence[Job],
    rows: Sequence[Mapping[str, Any]],
    nodes: Sequence[Mapping[str, Any]],
    pieces: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Return what is wrong with what each job held of which node, held against the programme.

    Args:
        document: The programme.
        jobs: Its trace.
        rows: The job rows of the run, which the pieces number from 0.
        nodes: The nodes that the run wrote.
        pieces: What a job held of a node, from when until when.
    """
    faults = []
    by_id = {job["job_id"]: job for job in jobs}
    by_start: dict[tuple[int, float], list[Mapping[str, Any]]] = {}
    for piece in pieces:
        # A job that is stopped in the instant of its start held nothing, and may start anew in it.
        if piece["node"] is not None and piece["node"] >= 0 and piece["until_s"] > piece["from_s"]:
            by_start.setdefault((piece["job"], piece["from_s"]), []).append(piece)
    for (number, _), held in by_start.items():
        job, own = by_id[rows[number]["job_id"]], [nodes[piece["node"]] for piece in held]
        groups = {(node["site"], node["gpu"], node["gpus"]) for node in own}
        if len(groups) != 1:
            faults.append(f"{job['job_id']}: one gang on unlike nodes, {sorted(groups)}")
        open_to_it = {
            (group.site, group.gpu, group.gpus)
            for group in node_groups(document)
            if not rules_broken_at(document, job, group)
        }
        if not groups <= open_to_it:
            faults.append(f"{job['job_id']}: held {sorted(groups - open_to_it)}")
        if round(1000 * sum(piece["gpus"] for piece in held)) != job["gpus"] * job["gpu_milli"]:
            faults.append(f"{job['job_id']}: held another number of GPUs")
        if job["single_node"] and len(held) > 1:
            faults.append(f"{job['job_id']}: must share one node, and held {len(held)}")
    return faults
