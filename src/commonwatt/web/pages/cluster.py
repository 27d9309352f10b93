"""The live cluster: how busy it is, what waits, what its controller did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message
from commonwatt.operate.domain.measures import (
    ELAPSED,
    HELD_JOBS,
    HELD_SHARE,
    NODES_OUT,
    RUNNING_JOBS,
)
from commonwatt.operate.domain.tables import ACTIONS, HELD_OVER_TIME, JOBS, NODES, TENANTS
from commonwatt.report.charts.specification import Chart, ChartForm, ChartSeries
from commonwatt.web.page_view import (
    PageView,
    TableListing,
    console_column_headings_of,
    page_headline_fact_of_figure,
)
from commonwatt.web.pages.states import table_listing_of_rows
from commonwatt.web.parameters import PageValues
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    from commonwatt.catalogue.tables import TableSchema
    from commonwatt.operate.usecases.overview import ClusterStatus

Rows = list[dict[str, Any]]


def build_cluster_page(context: RequestContext, values: PageValues) -> PageView:
    """Return nodes, jobs, use and actions of the cluster that this console watches."""
    del values
    folder = context.services.settings.operate
    # A console without a cluster is the usual case and no fault.
    if not (folder / "control.toml").exists():
        return PageView(
            lede=Message(
                "No cluster is controlled from here. Begin with: commonwatt operate init {folder}",
                {"folder": str(folder)},
            )
        )
    from commonwatt.operate.usecases.overview import cluster_status

    status = cluster_status(folder, context.now)
    waiting = [row for row in status.jobs if row["phase"] == "held"]
    out = sum(row["state"] != "up" for row in status.nodes)
    busy = status.held_gpus / status.gpus if status.gpus else 0.0
    return PageView(
        lede=Message(
            "{held} of {gpus} GPUs are held by jobs; {waiting} jobs wait. The controller of "
            "{engine} last decided at {at}.",
            {
                "held": f"{status.held_gpus:,}",
                "gpus": f"{status.gpus:,}",
                "waiting": str(len(waiting)),
                "engine": status.backend,
                "at": context.instant(status.seen_at) if status.seen_at else "–",
            },
        ),
        facts=[
            page_headline_fact_of_figure(
                HELD_SHARE, busy, context.language, note=Message("of nodes in use")
            ),
            page_headline_fact_of_figure(
                RUNNING_JOBS, len(status.jobs) - len(waiting), context.language
            ),
            page_headline_fact_of_figure(HELD_JOBS, len(waiting), context.language),
            page_headline_fact_of_figure(NODES_OUT, out, context.language),
        ],
        charts=_cluster_page_charts(status),
        tables=_cluster_page_tables(context, status),
        notes=[
            Message(
                "Prometheus reads the same figures from the controller: commonwatt operate start "
                "--help. Why one job waits: commonwatt operate status"
            )
        ],
        extra={
            "nodes": status.nodes,
            "may_drain": context.can(ConsoleAction.DRAIN_NODE),
        },
    )


def _cluster_page_charts(status: ClusterStatus) -> list[Chart]:
    if not status.use:
        return []
    # Sorted, so that a tenant keeps its colour from one look to the next.
    tenants = sorted({row["tenant"] for row in status.use})
    return [
        Chart(
            name="use",
            title=Message("GPUs held, by tenant"),
            caption=Message("Mean of each bin since the first job, stacked; the area is metered."),
            form=ChartForm.AREAS,
            table="use",
            x="hour",
            x_label=ELAPSED.label,
            series=[ChartSeries("held_gpus", name, where=("tenant", name)) for name in tenants],
            unit="GPU",
        )
    ]


def _cluster_page_tables(context: RequestContext, status: ClusterStatus) -> list[TableListing]:
    def cluster_table_listing(
        name: str, title: Message, rows: Rows, table: TableSchema, *columns: str
    ) -> TableListing:
        headings = console_column_headings_of(table, *columns, currency=status.currency)
        # With the instant: a cluster moves by the second, and nothing of an earlier look may be
        # shown.
        key = f"cluster/{name}/{context.now.isoformat()}"
        return table_listing_of_rows(
            name, title, rows, headings, key=key, folded=table is HELD_OVER_TIME
        )

    metered = ("tenant", "jobs", "gpu_s", "energy_kwh", "carbon_kg", "charge")
    return [
        cluster_table_listing("jobs", Message("Jobs"), status.jobs, JOBS),
        cluster_table_listing("nodes", Message("Nodes"), status.nodes, NODES),
        cluster_table_listing("tenants", Message("Metered"), status.tenants, TENANTS, *metered),
        cluster_table_listing("acts", Message("What the controller did"), status.actions, ACTIONS),
        cluster_table_listing("use", Message("GPUs held over time"), status.use, HELD_OVER_TIME),
    ]


PAGE = Page(
    name="cluster",
    title=Message("Live cluster"),
    action=ConsoleAction.SEE_CLUSTER,
    build=build_cluster_page,
    template="cluster.html",
    group="run",
)
