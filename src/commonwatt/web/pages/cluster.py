"""The live cluster: how busy it is, what waits, what its controller did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message
from commonwatt.web.page_view import Chart, Fact, Form, Heading, Listing, Series, View
from commonwatt.web.pages.states import listing
from commonwatt.web.parameters import Values
from commonwatt.web.request_context import Look, Page
from commonwatt.web.roles import Action

if TYPE_CHECKING:
    from commonwatt.operate.usecases.overview import Board


def build(look: Look, values: Values) -> View:
    """Return nodes, jobs, use and acts of the cluster that this console watches."""
    del values
    folder = look.desk.settings.operate
    if not (folder / "control.toml").exists():
        return View(
            lede=Message(
                "No cluster is controlled from here. Begin with: commonwatt operate init {folder}",
                {"folder": str(folder)},
            )
        )
    from commonwatt.operate.usecases.overview import board

    found = board(folder, look.now)
    waiting = [row for row in found.jobs if row["phase"] == "held"]
    busy = found.held_gpus / found.gpus if found.gpus else 0.0
    return View(
        lede=Message(
            "{held} of {gpus} GPUs are held by jobs; {waiting} jobs wait. The controller of "
            "{engine} last decided at {at}.",
            {
                "held": f"{found.held_gpus:,}",
                "gpus": f"{found.gpus:,}",
                "waiting": str(len(waiting)),
                "engine": found.engine,
                "at": found.seen_at or "–",
            },
        ),
        facts=[
            Fact(label=Message("Busy now"), value=f"{busy:.0%}", note=Message("of nodes in use")),
            Fact(label=Message("Jobs running"), value=str(len(found.jobs) - len(waiting))),
            Fact(label=Message("Jobs waiting"), value=str(len(waiting))),
            Fact(
                label=Message("Nodes out of use"),
                value=str(sum(row["state"] != "up" for row in found.nodes)),
            ),
        ],
        charts=_charts(found),
        tables=_tables(look, found),
        notes=[
            Message(
                "Prometheus reads the same figures from the controller: commonwatt operate start "
                "--help. Why one job waits: commonwatt operate status"
            )
        ],
        extra={
            "nodes": found.nodes,
            "may_drain": look.can(Action.DRAIN_NODE),
        },
    )


def _charts(found: Board) -> list[Chart]:
    if not found.use:
        return []
    tenants = sorted({row["tenant"] for row in found.use})
    return [
        Chart(
            name="use",
            title=Message("GPUs held, by tenant"),
            caption=Message("Mean of each bin since the first job, stacked; the area is metered."),
            form=Form.AREAS,
            table="use",
            x="hour",
            x_label=Message("Hours since the first job"),
            series=[Series("held_gpus", name, where=("tenant", name)) for name in tenants],
            unit="GPU",
        )
    ]


def _listing(
    look: Look, name: str, title: Message, rows: list[dict[str, Any]], headings: list[Heading],
    *, folded: bool = False,
) -> Listing:  # fmt: skip
    key = f"cluster/{name}/{look.now.isoformat()}"
    return listing(name, title, rows, headings, key=key, folded=folded)


def _tables(look: Look, found: Board) -> list[Listing]:
    return [
        _listing(look, "jobs", Message("Jobs"), found.jobs, [
            Heading("job", Message("Job")),
            Heading("tenant", Message("Tenant")),
            Heading("gpus", Message("GPUs")),
            Heading("phase", Message("State")),
            Heading("since", Message("Since")),
            Heading("for_s", Message("For"), "s"),
            Heading("starts", Message("Starts")),
        ]),
        _listing(look, "nodes", Message("Nodes"), found.nodes, [
            Heading("node", Message("Node")),
            Heading("site", Message("Site")),
            Heading("gpu_type", Message("GPU type")),
            Heading("gpus", Message("GPUs")),
            Heading("held_gpus", Message("Held")),
            Heading("state", Message("State")),
            Heading("reason", Message("Why")),
        ]),
        _listing(look, "tenants", Message("Metered"), found.tenants, [
            Heading("tenant", Message("Tenant")),
            Heading("jobs", Message("Jobs")),
            Heading("gpu_s", Message("GPU time"), "GPU-s"),
            Heading("energy_kwh", Message("Energy, estimated"), "kWh"),
            Heading("carbon_kg", Message("Carbon"), "kg CO₂e"),
            Heading("charge", Message("Charge")),
        ]),
        _listing(look, "acts", Message("What the controller did"), found.acts, [
            Heading("act", Message("Act")),
            Heading("subject", Message("On")),
            Heading("state", Message("State")),
        ]),
        _listing(look, "use", Message("GPUs held over time"), found.use, [
            Heading("hour", Message("Hour")),
            Heading("tenant", Message("Tenant")),
            Heading("held_gpus", Message("Held")),
        ], folded=True),
    ]  # fmt: skip


PAGE = Page(
    name="cluster",
    title=Message("Live cluster"),
    action=Action.SEE_CLUSTER,
    build=build,
    template="cluster.html",
    group="run",
)
