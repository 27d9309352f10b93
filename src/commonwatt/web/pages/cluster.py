"""The live cluster: how busy it is, what waits, what its controller did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message
from commonwatt.web.page_view import (
    Chart,
    ChartForm,
    ChartSeries,
    ColumnHeading,
    HeadlineFact,
    PageView,
    TableListing,
)
from commonwatt.web.pages.states import listing
from commonwatt.web.parameters import PageValues
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    from commonwatt.operate.usecases.overview import ClusterStatus


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return nodes, jobs, use and acts of the cluster that this console watches."""
    del values
    folder = context.desk.settings.operate
    if not (folder / "control.toml").exists():
        return PageView(
            lede=Message(
                "No cluster is controlled from here. Begin with: commonwatt operate init {folder}",
                {"folder": str(folder)},
            )
        )
    from commonwatt.operate.usecases.overview import cluster_status

    found = cluster_status(folder, context.now)
    waiting = [row for row in found.jobs if row["phase"] == "held"]
    busy = found.held_gpus / found.gpus if found.gpus else 0.0
    return PageView(
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
            HeadlineFact(
                label=Message("Busy now"), value=f"{busy:.0%}", note=Message("of nodes in use")
            ),
            HeadlineFact(label=Message("Jobs running"), value=str(len(found.jobs) - len(waiting))),
            HeadlineFact(label=Message("Jobs waiting"), value=str(len(waiting))),
            HeadlineFact(
                label=Message("Nodes out of use"),
                value=str(sum(row["state"] != "up" for row in found.nodes)),
            ),
        ],
        charts=_charts(found),
        tables=_tables(context, found),
        notes=[
            Message(
                "Prometheus reads the same figures from the controller: commonwatt operate start "
                "--help. Why one job waits: commonwatt operate status"
            )
        ],
        extra={
            "nodes": found.nodes,
            "may_drain": context.can(ConsoleAction.DRAIN_NODE),
        },
    )


def _charts(found: ClusterStatus) -> list[Chart]:
    if not found.use:
        return []
    tenants = sorted({row["tenant"] for row in found.use})
    return [
        Chart(
            name="use",
            title=Message("GPUs held, by tenant"),
            caption=Message("Mean of each bin since the first job, stacked; the area is metered."),
            form=ChartForm.AREAS,
            table="use",
            x="hour",
            x_label=Message("Hours since the first job"),
            series=[ChartSeries("held_gpus", name, where=("tenant", name)) for name in tenants],
            unit="GPU",
        )
    ]


def _listing(
    look: RequestContext, name: str, title: Message, rows: list[dict[str, Any]], headings: list[ColumnHeading],
    *, folded: bool = False,
) -> TableListing:  # fmt: skip
    key = f"cluster/{name}/{look.now.isoformat()}"
    return listing(name, title, rows, headings, key=key, folded=folded)


def _tables(look: RequestContext, found: ClusterStatus) -> list[TableListing]:
    return [
        _listing(look, "jobs", Message("Jobs"), found.jobs, [
            ColumnHeading("job", Message("Job")),
            ColumnHeading("tenant", Message("Tenant")),
            ColumnHeading("gpus", Message("GPUs")),
            ColumnHeading("phase", Message("State")),
            ColumnHeading("since", Message("Since")),
            ColumnHeading("for_s", Message("For"), "s"),
            ColumnHeading("starts", Message("Starts")),
        ]),
        _listing(look, "nodes", Message("Nodes"), found.nodes, [
            ColumnHeading("node", Message("Node")),
            ColumnHeading("site", Message("Site")),
            ColumnHeading("gpu_type", Message("GPU type")),
            ColumnHeading("gpus", Message("GPUs")),
            ColumnHeading("held_gpus", Message("Held")),
            ColumnHeading("state", Message("State")),
            ColumnHeading("reason", Message("Why")),
        ]),
        _listing(look, "tenants", Message("Metered"), found.tenants, [
            ColumnHeading("tenant", Message("Tenant")),
            ColumnHeading("jobs", Message("Jobs")),
            ColumnHeading("gpu_s", Message("GPU time"), "GPU-s"),
            ColumnHeading("energy_kwh", Message("Energy, estimated"), "kWh"),
            ColumnHeading("carbon_kg", Message("Carbon"), "kg CO₂e"),
            ColumnHeading("charge", Message("Charge")),
        ]),
        _listing(look, "acts", Message("What the controller did"), found.acts, [
            ColumnHeading("act", Message("Act")),
            ColumnHeading("subject", Message("On")),
            ColumnHeading("state", Message("State")),
        ]),
        _listing(look, "use", Message("GPUs held over time"), found.use, [
            ColumnHeading("hour", Message("Hour")),
            ColumnHeading("tenant", Message("Tenant")),
            ColumnHeading("held_gpus", Message("Held")),
        ], folded=True),
    ]  # fmt: skip


PAGE = Page(
    name="cluster",
    title=Message("Live cluster"),
    action=ConsoleAction.SEE_CLUSTER,
    build=build,
    template="cluster.html",
    group="run",
)
