"""Fleet: which jobs ran where and when, who waited, and what other policies would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.measures import TableColumn
from commonwatt.catalogue.shared import (
    CARBON,
    DAY,
    ENERGY,
    GPU_HOURS,
    GPUS,
    POWER_BILL,
    QUEUE_DELAY_MEAN,
    SITE,
    TENANT,
    UTILISATION,
)
from commonwatt.core.messages import Message
from commonwatt.web.cache import TableQuery
from commonwatt.web.page_view import (
    Chart,
    ChartForm,
    ChartSeries,
    ColumnHeading,
    HeadlineFact,
    PageView,
    TableListing,
    heading_of,
    headline_of,
)
from commonwatt.web.pages.study import RUN_OF_STUDY, page_without_study, study_of
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    from commonwatt.runs import Run

JOB = PageParameter(
    name="job",
    label=Message("Job"),
    meaning=Message("A job's name in the trace; the page then says when it ran and why it waited."),
    longest=200,
)


def _comparisons(look: RequestContext) -> Options:
    own: Options = [("", Message("the study's own"))]
    runs = look.desk.runs.list_runs("fleet-compare")[:20]
    return [*own, *((run.run_id, f"{run.title} · {run.created_at[:16]}") for run in runs)]


COMPARE = PageParameter(
    name="compare",
    label=Message("Comparison"),
    meaning=Message("A comparison of policies that was run; the study's own otherwise."),
    kind=ParameterKind.CHOICE,
    options=_comparisons,
    longest=16,
)


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return use, queue, waits, energy and policies of a study's fleet."""
    run = study_of(context, values)
    if run is None:
        return page_without_study(context)
    asked = values.text("compare")
    compared = context.desk.runs.find(asked, "fleet-compare") if asked else run
    return PageView(
        lede=_lede(run.headline),
        facts=_facts(run.headline, context.language),
        charts=[*_over_time(context, run), *_compared()],
        tables=_tables(context, run, compared or run),
        extra=_job(context, run, values.text("job")),
        notes=[
            Message(
                "Utilisation is allocated GPU time over available GPU time, from the first to "
                "the last arrival. Queue delay is first start minus submission."
            )
        ],
        sources=[run.run_id, asked] if asked else [run.run_id],
        data={"headline": run.headline},
    )


def _lede(head: dict[str, Any]) -> Message:
    return Message(
        "{jobs} jobs ran on {gpus} GPUs. From the first to the last arrival {share} of all GPU "
        "time was allocated, and a job waited {hours} hours on average.",
        {
            "jobs": f"{head['jobs']:,}",
            "gpus": f"{head['gpus']:,}",
            "share": f"{head['utilisation_share']:.1%}",
            "hours": f"{head['mean_queue_delay_s'] / 3600:.1f}",
        },
    )


def _facts(head: dict[str, Any], language: str) -> list[HeadlineFact]:
    return [
        headline_of(
            UTILISATION,
            head["utilisation_share"],
            language,
            note=Message("first to last arrival"),
        ),
        headline_of(
            QUEUE_DELAY_MEAN,
            head["mean_queue_delay_s"],
            language,
            note=Message("first start minus submission"),
        ),
        HeadlineFact(
            label=Message("Queue delay, 95th percentile"),
            value=f"{head['p95_queue_delay_s'] / 3600:.1f} h",
        ),
        headline_of(ENERGY, head["energy_kwh"], language),
    ]


def _over_time(look: RequestContext, run: Run) -> list[Chart]:
    sites = look.desk.runs.frame(run, "fleet_sites")["site"].to_list()
    days = Message("Days from the first submission")
    return [
        Chart(
            name="use",
            title=Message("Allocated GPUs by site"),
            caption=Message("Mean of each bin, stacked."),
            form=ChartForm.AREAS,
            table="use",
            x="day",
            x_label=days,
            series=[ChartSeries("allocated_gpus", site, where=("site", site)) for site in sites],
            unit="GPU",
        ),
        Chart(
            name="queue",
            title=Message("The queue"),
            caption=Message("Jobs that waited and the GPUs that they asked for, mean of each bin."),
            form=ChartForm.LINES,
            table="queue",
            x="day",
            x_label=days,
            series=[
                ChartSeries("waiting_jobs", Message("Jobs waiting")),
                ChartSeries("waiting_gpus", Message("GPUs that they ask for")),
            ],
        ),
    ]


def _compared() -> list[Chart]:
    return [
        Chart(
            name="tenants",
            title=Message("Who waits"),
            caption=Message(
                "Queue delay by tenant: a bar from the median to the 95th percentile, "
                "a dot at the mean."
            ),
            form=ChartForm.RANGES,
            table="tenants",
            x="tenant",
            x_label=Message("Queue delay [h]"),
            series=[ChartSeries("mean_h", Message("Mean"), low="p50_h", high="p95_h")],
            unit="h",
        ),
        Chart(
            name="energy",
            title=Message("Where the energy went"),
            caption=Message("Draw of held GPUs, of free GPUs, and cooling with losses, by site."),
            form=ChartForm.BARS,
            table="sites",
            x="site",
            measure=TableColumn.of(ENERGY, unit="MWh"),
            series=[
                ChartSeries("busy_mwh", Message("Busy GPUs")),
                ChartSeries("idle_mwh", Message("Idle GPUs")),
                ChartSeries("overhead_mwh", Message("Cooling and losses (PUE)")),
            ],
        ),
        Chart(
            name="policies",
            title=Message("Other policies on the same demand"),
            caption=Message(
                "Each policy replays the same trace on the same machines. The "
                "shortest-job-first order knows every run time, as no real scheduler does; it "
                "shows what could be won."
            ),
            form=ChartForm.POINTS,
            table="policies",
            x="policy",
            x_label=Message("Queue delay [s], logarithmic"),
            series=[
                ChartSeries("mean_queue_delay_s", Message("Mean")),
                ChartSeries("p95_queue_delay_s", Message("95th percentile")),
            ],
            unit="s",
            logarithmic=True,
        ),
    ]


def _tables(look: RequestContext, run: Run, compared: Run) -> list[TableListing]:
    rows = look.desk.runs.rows
    return [
        TableListing(
            name="jobs",
            title=Message("Jobs"),
            rows=rows(run, "fleet_jobs"),
            headings=[
                ColumnHeading("job_id", Message("Job")),
                heading_of(TableColumn.of(TENANT)),
                heading_of(TableColumn.of(GPUS)),
                ColumnHeading("submit_s", Message("Submitted"), "s"),
                ColumnHeading("queue_delay_s", Message("Queue delay"), "s"),
                ColumnHeading("pending_s", Message("Time not running"), "s"),
                ColumnHeading("state", Message("State")),
                ColumnHeading("preemptions", Message("Preemptions")),
            ],
            note=Message("Instants are seconds from the trace's origin."),
        ),
        TableListing(
            name="policies",
            title=Message("Policies compared"),
            rows=rows(compared, "fleet_policies"),
            headings=[
                ColumnHeading("policy", Message("Policy")),
                heading_of(TableColumn.of(UTILISATION, "utilisation_share")),
                heading_of(TableColumn.of(QUEUE_DELAY_MEAN, "mean_queue_delay_s")),
                ColumnHeading("p95_queue_delay_s", Message("Queue delay, 95th percentile"), "s"),
                ColumnHeading("mean_jct_s", Message("End minus submission, mean"), "s"),
                ColumnHeading("fragmented_gpu_share", Message("Idle while jobs waited")),
                ColumnHeading("preemptions", Message("Preemptions")),
            ],
        ),
        TableListing(
            name="tenants",
            title=Message("Service by tenant"),
            rows=rows(run, "fleet_tenants"),
            headings=[
                heading_of(TableColumn.of(TENANT)),
                ColumnHeading("jobs", Message("Jobs")),
                heading_of(TableColumn.of(GPU_HOURS)),
                heading_of(TableColumn.of(QUEUE_DELAY_MEAN, "mean_h", unit="h")),
                ColumnHeading("p50_h", Message("Queue delay, median"), "h"),
                ColumnHeading("p95_h", Message("Queue delay, 95th percentile"), "h"),
            ],
        ),
        TableListing(
            name="sites",
            title=Message("By site"),
            rows=rows(run, "fleet_sites"),
            headings=[
                heading_of(TableColumn.of(SITE)),
                heading_of(TableColumn.of(GPUS)),
                heading_of(TableColumn.of(UTILISATION, "utilisation_share")),
                ColumnHeading("busy_mwh", Message("Busy GPUs"), "MWh"),
                ColumnHeading("idle_mwh", Message("Idle GPUs"), "MWh"),
                ColumnHeading("overhead_mwh", Message("Cooling and losses (PUE)"), "MWh"),
                heading_of(TableColumn.of(POWER_BILL, "cost_usd")),
                heading_of(TableColumn.of(CARBON, "carbon_t", unit="t CO2e")),
            ],
        ),
        TableListing(
            name="use",
            title=Message("Allocated GPUs over time"),
            rows=rows(run, "fleet_use"),
            headings=[
                heading_of(TableColumn.of(DAY)),
                heading_of(TableColumn.of(SITE)),
                ColumnHeading("allocated_gpus", Message("Allocated GPUs")),
                ColumnHeading("available_gpus", Message("GPUs on the site")),
            ],
            folded=True,
        ),
        TableListing(
            name="queue",
            title=Message("The queue over time"),
            rows=rows(run, "fleet_queue"),
            headings=[
                heading_of(TableColumn.of(DAY)),
                ColumnHeading("waiting_jobs", Message("Jobs waiting")),
                ColumnHeading("waiting_gpus", Message("GPUs that they ask for")),
            ],
            folded=True,
        ),
    ]


def _job(look: RequestContext, run: Run, name: str) -> dict[str, Any]:
    """Return what the study and an explanation know of one job."""
    if not name:
        return {}
    rows = look.desk.runs.rows(run, "fleet_jobs")
    ask = TableQuery(count=5, column="job_id", starts=name)
    few = look.desk.cache.page(rows, ask).frame
    found = few.filter(few["job_id"] == name).to_dicts()
    told = _explanation(look, run, name)
    return {
        "job": found[0] if found else {},
        "name": name,
        "programme": run.inputs[0]["name"].removesuffix(".toml"),
        "sentences": told,
    }


def _explanation(look: RequestContext, run: Run, name: str) -> list[str]:
    """Return why the job waited, where that was asked before on the same inputs."""
    for one in look.desk.runs.list_runs("fleet-explain"):
        if one.parameters.get("job") == name and one.inputs == run.inputs:
            said = look.desk.runs.frame(one, "sentences")
            return said.filter(said["language"] == look.language)["sentence"].to_list()
    return []


PAGE = Page(
    name="fleet",
    title=Message("Fleet"),
    action=ConsoleAction.SEE_PLANS,
    build=build,
    parameters=(RUN_OF_STUDY, COMPARE, JOB),
    template="fleet.html",
)
