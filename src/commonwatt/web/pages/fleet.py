"""Fleet: which jobs ran where and when, who waited, and what other policies would do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from commonwatt.catalogue.measures import NUMBER, measure_value_text
from commonwatt.catalogue.shared import ENERGY, GPUS, QUEUE_DELAY_MEAN, TENANT, UTILISATION
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.measures import JOB_STATE, QUEUE_DELAY, QUEUE_DELAY_P95, SUBMITTED
from commonwatt.fleet.domain.tables import JOBS, POLICIES, QUEUE, SITES, TENANTS, USE
from commonwatt.report.charts.specification import Chart
from commonwatt.runs.titles import run_recipe_change_texts
from commonwatt.web.cache import TableQuery
from commonwatt.web.page_view import (
    HeadlineFact,
    PageView,
    TableListing,
    console_column_heading_of,
    console_column_headings_of,
    page_headline_fact_of_figure,
)
from commonwatt.web.pages.headline import StudyExtent, study_extent
from commonwatt.web.pages.study import (
    RUN_OF_STUDY,
    page_subject_of_run,
    page_without_study,
    run_choice_text,
    study_page_content_key,
    study_run_of_page,
)
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction
from commonwatt.web.tasks.kinds import console_submitted_programmes_folder

if TYPE_CHECKING:
    from commonwatt.runs import Run

JOB = PageParameter(
    name="job",
    label=Message("Job"),
    meaning=Message("A job's name in the trace; the page then says when it ran and why it waited."),
    longest=200,
)


# One unit a table: beside waits in hours, an instant in seconds would be read as hours, too.
_SUBMITTED_H: Final = replace(
    JOBS.column("submit_s"),
    measure=replace(SUBMITTED, form=NUMBER.with_digits(2).measure_form_with_shown_unit("h")),
)


def _fleet_comparison_options(context: RequestContext) -> Options:
    own: Options = [("", Message("the study's own"))]
    runs = context.services.runs.list_runs("fleet-compare")[:20]
    # With the minute, because runs of one programme share their title.
    return [*own, *((run.run_id, run_choice_text(context, run)) for run in runs)]


COMPARE = PageParameter(
    name="compare",
    label=Message("Comparison"),
    meaning=Message("A comparison of policies that was run; the study's own otherwise."),
    kind=ParameterKind.CHOICE,
    options=_fleet_comparison_options,
    longest=16,
)


def build_fleet_page(context: RequestContext, values: PageValues) -> PageView:
    """Return use, queue, waits, energy and policies of a study's fleet."""
    run = study_run_of_page(context, values)
    if run is None:
        return page_without_study(context)
    comparison_id = values.text("compare")
    compared = (
        context.services.runs.find_run_or_newest_of_kind(comparison_id, "fleet-compare")
        if comparison_id
        else run
    )
    extent = study_extent(context, run)
    return PageView(
        subject=page_subject_of_run(context, run),
        lede=_fleet_page_lede(run.headline, context.language),
        facts=_fleet_page_facts(run.headline, context.language, extent),
        charts=_fleet_page_charts(context, run),
        tables=_fleet_page_tables(context, run, compared or run, extent),
        extra=_job_page_template_data(context, run, values.text("job")),
        notes=[
            Message(
                "Utilisation is allocated GPU time over available GPU time, from the first to "
                "the last arrival. Queue delay is first start minus submission."
            )
        ],
        # The study first: the permanent link of the page takes the first source for its run.
        sources=[run.run_id, comparison_id] if comparison_id else [run.run_id],
        data={"headline": run.headline},
    )


def _fleet_page_content_key(context: RequestContext, values: PageValues) -> str:
    # Of a job it shows the form that begins a run, and what lies on this server besides runs.
    return "" if values.text("job") else study_page_content_key(context, values)


def _fleet_page_lede(head: dict[str, Any], language: str) -> Message:
    return Message(
        "{jobs} jobs ran on {gpus} GPUs. From the first to the last arrival {share} of all GPU "
        "time was allocated, and a job waited {delay} on average.",
        {
            "jobs": f"{head['jobs']:,}",
            "gpus": measure_value_text(head["gpus"], GPUS, language),
            "share": measure_value_text(head["utilisation_share"], UTILISATION, language),
            "delay": measure_value_text(head["mean_queue_delay_s"], QUEUE_DELAY_MEAN, language),
        },
    )


def _fleet_page_facts(
    head: dict[str, Any], language: str, extent: StudyExtent
) -> list[HeadlineFact]:
    return [
        page_headline_fact_of_figure(
            UTILISATION,
            head["utilisation_share"],
            language,
            note=Message("first to last arrival"),
            extent=extent.use_extent_note,
        ),
        page_headline_fact_of_figure(
            QUEUE_DELAY_MEAN,
            head["mean_queue_delay_s"],
            language,
            note=Message("first start minus submission"),
            extent=extent.use_extent_note,
        ),
        page_headline_fact_of_figure(
            QUEUE_DELAY_P95, head["p95_queue_delay_s"], language, extent=extent.use_extent_note
        ),
        page_headline_fact_of_figure(
            ENERGY, head["energy_kwh"], language, extent=extent.energy_extent_note
        ),
    ]


def _fleet_page_charts(context: RequestContext, run: Run) -> list[Chart]:
    # Late: charts load what reads tables, and most requests are answered from what was kept.
    from commonwatt.fleet.usecases import charts

    sites = context.services.runs.frame(run, "fleet_sites")["site"].to_list()
    return [
        charts.fleet_gpu_use_by_site_chart(sites),
        charts.fleet_queue_over_time_chart(),
        charts.queue_delay_by_tenant_chart(),
        charts.fleet_gpu_energy_by_site_chart(),
        charts.queue_delay_by_policy_chart(),
    ]


def _fleet_page_tables(
    context: RequestContext, run: Run, compared: Run, extent: StudyExtent
) -> list[TableListing]:
    rows = context.services.runs.rows
    return [
        TableListing(
            name="jobs",
            title=Message("Jobs"),
            extent=extent.use_extent_note,
            rows=rows(run, "fleet_jobs"),
            headings=[
                *console_column_headings_of(JOBS, "job_id", "tenant", "gpus"),
                console_column_heading_of(_SUBMITTED_H),
                *console_column_headings_of(
                    JOBS, "queue_delay_s", "pending_s", "state", "preemptions"
                ),
            ],
            note=Message("Instants are hours from the trace's origin; files hold seconds."),
        ),
        TableListing(
            name="policies",
            title=Message("Policies compared"),
            extent=extent.use_extent_note,
            rows=rows(compared, "fleet_policies"),
            headings=console_column_headings_of(
                POLICIES,
                "policy",
                "utilisation_share",
                "mean_queue_delay_s",
                "p95_queue_delay_s",
                "mean_jct_s",
                "fragmented_gpu_share",
                "preemptions",
            ),
        ),
        TableListing(
            name="tenants",
            title=Message("Service by tenant"),
            extent=extent.use_extent_note,
            rows=rows(run, "fleet_tenants"),
            headings=console_column_headings_of(
                TENANTS, "tenant", "jobs", "gpu_hours", "mean_h", "p50_h", "p95_h"
            ),
        ),
        TableListing(
            name="sites",
            title=Message("By site"),
            extent=extent.energy_extent_note,
            rows=rows(run, "fleet_sites"),
            headings=console_column_headings_of(
                SITES,
                "site",
                "gpus",
                "utilisation_share",
                "busy_mwh",
                "idle_mwh",
                "overhead_mwh",
                "cost_usd",
                "carbon_t",
            ),
        ),
        TableListing(
            name="use",
            title=Message("Allocated GPUs over time"),
            extent=extent.energy_extent_note,
            rows=rows(run, "fleet_use"),
            headings=console_column_headings_of(
                USE, "day", "site", "allocated_gpus", "available_gpus"
            ),
            folded=True,
        ),
        TableListing(
            name="queue",
            title=Message("The queue over time"),
            extent=extent.energy_extent_note,
            rows=rows(run, "fleet_queue"),
            headings=console_column_headings_of(QUEUE),
            folded=True,
        ),
    ]


def _job_page_template_data(context: RequestContext, run: Run, name: str) -> dict[str, Any]:
    """Return what the study and an explanation know of one job."""
    if not name:
        return {}
    rows = context.services.runs.rows(run, "fleet_jobs")
    query = TableQuery(count=5, column="job_id", starts=name)
    few = context.services.cache.table_page(rows, query).frame
    # The cache finds beginnings; job 18 must not show what became of job 182.
    exact = few.filter(few["job_id"] == name).to_dicts()
    return {
        "job": _job_page_headline_facts(exact[0], context.language) if exact else [],
        "name": name,
        "programme": _startable_programme_key_or_blank(context, run),
        "sentences": _job_explanation_sentences(context, run, name),
    }


def _startable_programme_key_or_blank(context: RequestContext, run: Run) -> str:
    """Return the programme of a study as a form names it; empty where this server lacks it."""
    from commonwatt.study.programme.shipped import shipped_programme_names
    from commonwatt.study.programme.submitted import submitted_programme_of_run_inputs_or_none

    # Why a job waited is asked of the programme as written; in a what-if it may have waited for
    # something else.
    if run_recipe_change_texts(run.parameters):
        return ""
    name = run.inputs[0]["name"].removesuffix(".toml")
    if name in shipped_programme_names():
        return name
    folder = console_submitted_programmes_folder(context.services.settings.store)
    own = submitted_programme_of_run_inputs_or_none(folder, run.inputs)
    return own.key if own else ""


def _job_page_headline_facts(job: dict[str, Any], language: str) -> list[HeadlineFact]:
    figures = (
        (TENANT, "tenant"),
        (GPUS, "gpus"),
        (QUEUE_DELAY, "queue_delay_s"),
        (JOB_STATE, "state"),
    )
    return [page_headline_fact_of_figure(figure, job[name], language) for figure, name in figures]


def _job_explanation_sentences(context: RequestContext, run: Run, name: str) -> list[str]:
    """Return why the job waited, where that was requested before on the same inputs."""
    if run_recipe_change_texts(run.parameters):
        return []
    for explained in context.services.runs.list_runs("fleet-explain"):
        # One changed byte of an input may move the job, so an explanation of other inputs would be
        # of another job.
        if explained.parameters.get("job") == name and explained.inputs == run.inputs:
            sentences = context.services.runs.frame(explained, "sentences")
            return sentences.filter(sentences["language"] == context.language)["sentence"].to_list()
    return []


PAGE = Page(
    name="fleet",
    title=Message("Fleet"),
    action=ConsoleAction.SEE_PLANS,
    build=build_fleet_page,
    parameters=(RUN_OF_STUDY, COMPARE, JOB),
    template="fleet.html",
    content_key=_fleet_page_content_key,
)
