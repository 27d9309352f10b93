"""Fleet: which jobs ran where and when, who waited, and what other policies would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message
from commonwatt.web.cache import Ask
from commonwatt.web.page_view import Chart, Fact, Form, Heading, Listing, Series, View
from commonwatt.web.pages.study import RUN_OF_STUDY, no_study, study_of
from commonwatt.web.parameters import Kind, Options, Parameter, Values
from commonwatt.web.request_context import Look, Page
from commonwatt.web.roles import Action

if TYPE_CHECKING:
    from commonwatt.runs import Run

JOB = Parameter(
    name="job",
    label=Message("Job"),
    meaning=Message("A job's name in the trace; the page then says when it ran and why it waited."),
    longest=200,
)


def _comparisons(look: Look) -> Options:
    own: Options = [("", Message("the study's own"))]
    runs = look.desk.runs.every("fleet-compare")[:20]
    return [*own, *((run.run_id, f"{run.title} · {run.created_at[:16]}") for run in runs)]


COMPARE = Parameter(
    name="compare",
    label=Message("Comparison"),
    meaning=Message("A comparison of policies that was run; the study's own otherwise."),
    kind=Kind.CHOICE,
    options=_comparisons,
    longest=16,
)


def build(look: Look, values: Values) -> View:
    """Return use, queue, waits, energy and policies of a study's fleet."""
    run = study_of(look, values)
    if run is None:
        return no_study(look)
    asked = values.text("compare")
    compared = look.desk.runs.find(asked, "fleet-compare") if asked else run
    return View(
        lede=_lede(run.headline),
        facts=_facts(run.headline),
        charts=[*_over_time(look, run), *_compared()],
        tables=_tables(look, run, compared or run),
        extra=_job(look, run, values.text("job")),
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


def _facts(head: dict[str, Any]) -> list[Fact]:
    return [
        Fact(
            label=Message("Utilisation"),
            value=f"{head['utilisation_share']:.1%}",
            note=Message("first to last arrival"),
        ),
        Fact(
            label=Message("Queue delay, mean"),
            value=f"{head['mean_queue_delay_s'] / 3600:.1f} h",
            note=Message("first start minus submission"),
        ),
        Fact(
            label=Message("Queue delay, 95th percentile"),
            value=f"{head['p95_queue_delay_s'] / 3600:.1f} h",
        ),
        Fact(
            label=Message("Energy"),
            value=f"{head['energy_kwh'] / 1000:,.0f} MWh",
            note=Message("cooling and losses included"),
        ),
    ]


def _over_time(look: Look, run: Run) -> list[Chart]:
    sites = look.desk.runs.frame(run, "fleet_sites")["site"].to_list()
    days = Message("Days from the first submission")
    return [
        Chart(
            name="use",
            title=Message("Allocated GPUs by site"),
            caption=Message("Mean of each bin, stacked."),
            form=Form.AREAS,
            table="use",
            x="day",
            x_label=days,
            series=[Series("allocated_gpus", site, where=("site", site)) for site in sites],
            unit="GPU",
        ),
        Chart(
            name="queue",
            title=Message("The queue"),
            caption=Message("Jobs that waited and the GPUs that they asked for, mean of each bin."),
            form=Form.LINES,
            table="queue",
            x="day",
            x_label=days,
            series=[
                Series("waiting_jobs", Message("Jobs waiting")),
                Series("waiting_gpus", Message("GPUs that they ask for")),
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
            form=Form.RANGES,
            table="tenants",
            x="tenant",
            x_label=Message("Queue delay [h]"),
            series=[Series("mean_h", Message("Mean"), low="p50_h", high="p95_h")],
            unit="h",
        ),
        Chart(
            name="energy",
            title=Message("Where the energy went"),
            caption=Message("Draw of held GPUs, of free GPUs, and cooling with losses, by site."),
            form=Form.BARS,
            table="sites",
            x="site",
            x_label="MWh",
            series=[
                Series("busy_mwh", Message("Busy GPUs")),
                Series("idle_mwh", Message("Idle GPUs")),
                Series("overhead_mwh", Message("Cooling and losses (PUE)")),
            ],
            unit="MWh",
        ),
        Chart(
            name="policies",
            title=Message("Other policies on the same demand"),
            caption=Message(
                "Each policy replays the same trace on the same machines. The "
                "shortest-job-first order knows every run time, as no real scheduler does; it "
                "shows what could be won."
            ),
            form=Form.POINTS,
            table="policies",
            x="policy",
            x_label=Message("Queue delay [s], logarithmic"),
            series=[
                Series("mean_queue_delay_s", Message("Mean")),
                Series("p95_queue_delay_s", Message("95th percentile")),
            ],
            unit="s",
            logarithmic=True,
        ),
    ]


def _tables(look: Look, run: Run, compared: Run) -> list[Listing]:
    rows = look.desk.runs.rows
    return [
        Listing(
            name="jobs",
            title=Message("Jobs"),
            rows=rows(run, "fleet_jobs"),
            headings=[
                Heading("job_id", Message("Job")),
                Heading("tenant", Message("Tenant")),
                Heading("gpus", Message("GPUs")),
                Heading("submit_s", Message("Submitted"), "s"),
                Heading("queue_delay_s", Message("Queue delay"), "s"),
                Heading("pending_s", Message("Time not running"), "s"),
                Heading("state", Message("State")),
                Heading("preemptions", Message("Preemptions")),
            ],
            note=Message("Instants are seconds from the trace's origin."),
        ),
        Listing(
            name="policies",
            title=Message("Policies compared"),
            rows=rows(compared, "fleet_policies"),
            headings=[
                Heading("policy", Message("Policy")),
                Heading("utilisation_share", Message("Utilisation")),
                Heading("mean_queue_delay_s", Message("Queue delay, mean"), "s"),
                Heading("p95_queue_delay_s", Message("Queue delay, 95th percentile"), "s"),
                Heading("mean_jct_s", Message("End minus submission, mean"), "s"),
                Heading("fragmented_gpu_share", Message("Idle while jobs waited")),
                Heading("preemptions", Message("Preemptions")),
            ],
        ),
        Listing(
            name="tenants",
            title=Message("Service by tenant"),
            rows=rows(run, "fleet_tenants"),
            headings=[
                Heading("tenant", Message("Tenant")),
                Heading("jobs", Message("Jobs")),
                Heading("gpu_hours", Message("GPU time"), "GPU-h"),
                Heading("mean_h", Message("Queue delay, mean"), "h"),
                Heading("p50_h", Message("Queue delay, median"), "h"),
                Heading("p95_h", Message("Queue delay, 95th percentile"), "h"),
            ],
        ),
        Listing(
            name="sites",
            title=Message("By site"),
            rows=rows(run, "fleet_sites"),
            headings=[
                Heading("site", Message("Site")),
                Heading("gpus", Message("GPUs")),
                Heading("utilisation_share", Message("Utilisation")),
                Heading("busy_mwh", Message("Busy GPUs"), "MWh"),
                Heading("idle_mwh", Message("Idle GPUs"), "MWh"),
                Heading("overhead_mwh", Message("Cooling and losses (PUE)"), "MWh"),
                Heading("cost_usd", Message("Power bill"), "USD"),
                Heading("carbon_t", Message("Carbon"), "t CO₂e"),
            ],
        ),
        Listing(
            name="use",
            title=Message("Allocated GPUs over time"),
            rows=rows(run, "fleet_use"),
            headings=[
                Heading("day", Message("Day")),
                Heading("site", Message("Site")),
                Heading("allocated_gpus", Message("Allocated GPUs")),
                Heading("available_gpus", Message("GPUs on the site")),
            ],
            folded=True,
        ),
        Listing(
            name="queue",
            title=Message("The queue over time"),
            rows=rows(run, "fleet_queue"),
            headings=[
                Heading("day", Message("Day")),
                Heading("waiting_jobs", Message("Jobs waiting")),
                Heading("waiting_gpus", Message("GPUs that they ask for")),
            ],
            folded=True,
        ),
    ]


def _job(look: Look, run: Run, name: str) -> dict[str, Any]:
    """Return what the study and an explanation know of one job."""
    if not name:
        return {}
    rows = look.desk.runs.rows(run, "fleet_jobs")
    ask = Ask(count=5, column="job_id", starts=name)
    few = look.desk.kept.page(rows, ask).frame
    found = few.filter(few["job_id"] == name).to_dicts()
    told = _explanation(look, run, name)
    return {
        "job": found[0] if found else {},
        "name": name,
        "programme": run.inputs[0]["name"].removesuffix(".toml"),
        "sentences": told,
    }


def _explanation(look: Look, run: Run, name: str) -> list[str]:
    """Return why the job waited, where that was asked before on the same inputs."""
    for one in look.desk.runs.every("fleet-explain"):
        if one.parameters.get("job") == name and one.inputs == run.inputs:
            said = look.desk.runs.frame(one, "sentences")
            return said.filter(said["language"] == look.language)["sentence"].to_list()
    return []


PAGE = Page(
    name="fleet",
    title=Message("Fleet"),
    action=Action.SEE_PLANS,
    build=build,
    parameters=(RUN_OF_STUDY, COMPARE, JOB),
    template="fleet.html",
)
