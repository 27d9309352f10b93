"""Whether the tables of a study keep the rules of its programme, asked of the document alone.

Written from the format of the programme and the headings of the tables; of the product it
reads nothing but what was written.
"""

from collections import Counter, defaultdict

import polars as pl

from commonwatt.catalogue.units import parse_quantity

WRITTEN = "programme"  # in the column `variant`


def broken_programme_rules(document, folder):
    """Return a sentence for each rule of a programme that the tables of its run break."""
    tables = {path.stem: pl.read_parquet(path) for path in (folder / "tables").glob("*.parquet")}
    run = tables["basis_runs"].filter(variant=WRITTEN)["run"].item()
    of_run = {
        name: frame.filter(run=run).to_dicts()
        for name, frame in tables.items()
        if "run" in frame.columns and name != "basis_runs"
    }
    return [
        *_nodes_that_differ(document, of_run["basis_nodes"]),
        *_jobs_at_forbidden_sites(document, of_run),
        *_nodes_beyond_their_gpus(of_run),
        *_gangs_that_differ(of_run, tables["fleet_jobs"]),
        *_rows_that_are_missing(document, tables),
        *_numbers_that_are_none(tables),
    ]


def _nodes_that_differ(document, nodes):
    wanted = Counter()
    for site in document["sites"]:
        for pool in site["pools"]:
            if pool["nodes"]:
                wanted[site["name"], pool["gpu"], pool["gpus_per_node"]] += pool["nodes"]
    built = Counter((node["site"], node["gpu"], node["gpus"]) for node in nodes)
    # Nodes without a GPU hold no job of one, and the table leaves them out or not.
    wanted, built = ({k: n for k, n in c.items() if k[2]} for c in (wanted, built))
    if wanted != built:
        yield f"nodes {built}, and the programme has {wanted}"


def _jobs_at_forbidden_sites(document, tables):
    site_of = {node["node"]: node["site"] for node in tables["basis_nodes"]}
    tenant_of = {job["job"]: job["tenant"] for job in tables["basis_jobs"]}
    allowed = _allowed_sites(document)
    wanted = document["demand"].get("tenants", [])
    for piece in tables["basis_pieces"]:
        if not piece["gpus"]:  # a job without a GPU stands on no node
            continue
        tenant, site = tenant_of[piece["job"]], site_of[piece["node"]]
        if site not in allowed.get(tenant, {site}):
            yield f"a job of {tenant} at {site}"
        if wanted and tenant not in wanted:
            yield f"a job of {tenant}, whom the programme leaves out"


def _allowed_sites(document):
    first = document["sites"][0]["name"]
    rtt_ms = {}
    for link in document.get("latency", []):
        rtt_ms[frozenset(link["between"])] = round(parse_quantity(link["rtt"], "ms"), 6)
    allowed = {}
    for tenant in document.get("tenants", []):
        sites = tenant.get("sites") or [site["name"] for site in document["sites"]]
        if "latency" in tenant:
            limit, origin = parse_quantity(tenant["latency"], "ms"), tenant.get("origin", first)
            away = {s: 0.0 if s == origin else rtt_ms.get(frozenset({s, origin})) for s in sites}
            sites = [site for site, ms in away.items() if ms is not None and ms <= round(limit, 6)]
        allowed[tenant["name"]] = set(sites)
    return allowed


def _nodes_beyond_their_gpus(tables):
    gpus_of = {node["node"]: node["gpus"] for node in tables["basis_nodes"]}
    moves = defaultdict(list)
    for piece in filter(lambda piece: piece["gpus"], tables["basis_pieces"]):
        moves[piece["node"]] += [
            (piece["from_s"], piece["gpus"]),
            (piece["until_s"], -piece["gpus"]),
        ]
    for node, changes in moves.items():
        held = 0
        for _, gpus in sorted(changes):  # what ends goes first at one moment
            held += gpus
            if held > gpus_of[node] + 1e-6:
                yield f"{held} GPUs held at once on node {node}, which has {gpus_of[node]}"


def _gangs_that_differ(tables, jobs):
    demanded = [gpus * milli / 1000 for gpus, milli in jobs["gpus", "gpu_milli"].rows()]
    held = defaultdict(lambda: defaultdict(float))
    for piece in tables["basis_pieces"]:
        held[piece["job"]][piece["from_s"]] += piece["gpus"]
    for job, starts in held.items():
        for gpus in starts.values():
            if abs(gpus - demanded[job]) > 1e-6:
                yield f"job {job} held {gpus} GPUs and asked for {demanded[job]}"


def _rows_that_are_missing(document, tables):
    built = sum(any(pool["nodes"] for pool in site["pools"]) for site in document["sites"])
    counts = {
        "fleet_sites": built,
        "fleet_policies": 1 + len(document.get("compare", [])),
        "alternatives": len(document.get("alternatives", {})),
        "funding_years": document.get("funding", {}).get("years", 10),
        "cost_sites": built,
    }
    for name, rows in counts.items():
        if name in tables and tables[name].height != rows:
            yield f"{name} has {tables[name].height} rows, and not {rows}"
    if "alternatives" in tables and tables["alternatives"]["name"].to_list() != list(
        document["alternatives"]
    ):
        yield "the alternatives are others"


def _numbers_that_are_none(tables):
    for name, frame in tables.items():
        for column in frame.columns if not name.startswith("basis_") else ():
            if frame[column].dtype.is_float() and not frame[column].drop_nulls().is_finite().all():
                yield f"{name}.{column} holds a number that is none"
