"""Models: what stands where and how far it may go, its class, alarms and duties."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commonwatt.clinic.domain import tables
from commonwatt.clinic.domain.measures import (
    EVIDENCE_RECORDS,
    NEXT_DUE,
    PRODUCTS,
    VERSIONS,
)
from commonwatt.core.messages import Message
from commonwatt.report.charts.specification import Chart
from commonwatt.web.page_view import (
    HeadlineFact,
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
    from commonwatt.clinic.domain.registry.state import Registry
    from commonwatt.runs import Run

CLINIC_OVER_TIME = "clinic_over_time"
EVIDENCE = "clinic_evidence"
GROUPS = "clinic_subgroups"
_GROUP_COLUMNS = ("group", "metric", "estimate", "low", "high", "events", "verdict")


def build_models_page(context: RequestContext, values: PageValues) -> PageView:
    """Return deployments, duties, rulings and events, and the example models of a study."""
    del values
    from commonwatt.clinic.usecases.overview import (
        clinic_deployment_rows,
        clinic_safety_event_rows,
        incident_reporting_duty_rows,
        product_class_ruling_rows,
    )

    head, registry = ledger_head_text_and_clinic_registry(context)
    standing = clinic_deployment_rows(registry, context.now)
    owed = incident_reporting_duty_rows(registry)
    live = [row for row in standing if row["status"] == "live"]
    run = context.services.runs.find_run_or_newest_of_kind("", "study")
    return PageView(
        lede=Message(
            "{live} of {all} deployments are live; {alarms} alarms are on record and {owed} "
            "reports are owed.",
            {
                "live": str(len(live)),
                "all": str(len(standing)),
                "alarms": str(sum(row["alarms"] for row in standing)),
                "owed": str(len(owed)),
            },
        ),
        facts=_models_page_registry_facts(registry, owed, context.language),
        charts=_model_monitor_charts(context, run),
        tables=[
            *_clinic_registry_tables(
                head,
                standing,
                owed,
                product_class_ruling_rows(registry),
                clinic_safety_event_rows(registry),
            ),
            *_model_monitor_tables(context, run),
        ],
        notes=[
            Message(
                "Records come in from those who answer for them, signed: commonwatt clinic "
                "model register --help. An alarm means that the monitor passed a limit whose "
                "chance of a false alarm is stated in the deployment's plan."
            )
        ],
        sources=[run.run_id]
        if run is not None and context.services.runs.has(run, CLINIC_OVER_TIME)
        else [],
        extra={
            "versions": registry.by_kind["version"],
            "deployments": [row["deployment"] for row in standing],
            "may_report": context.can(ConsoleAction.REPORT_INCIDENT),
            "disclosable": _disclosable_deployment_rows(context, registry),
        },
    )


def _disclosable_deployment_rows(
    context: RequestContext, registry: Registry
) -> list[dict[str, Any]]:
    """Return what is live at this console's institution, for whoever may tell a patient of it."""
    institution = context.services.settings.institution
    if not institution or not context.can(ConsoleAction.TELL_PATIENT):
        return []
    from commonwatt.clinic.usecases.gateway import notice_rows_of_live_deployments

    return notice_rows_of_live_deployments(registry, Path(institution), context.now)


def _models_page_content_key(context: RequestContext, values: PageValues) -> str:
    """Return what the page is made of: ledger, what stands by it and is told, newest study."""
    from commonwatt.clinic.usecases.overview import clinic_deployment_rows

    del values
    head, registry = ledger_head_text_and_clinic_registry(context)
    run = context.services.runs.find_run_or_newest_of_kind("", "study")
    standing = page_table_rows_digest(clinic_deployment_rows(registry, context.now))
    disclosable = page_table_rows_digest(_disclosable_deployment_rows(context, registry))
    return f"{head}/{standing}/{disclosable}/{run.run_id if run else ''}"


def ledger_head_text_and_clinic_registry(context: RequestContext) -> tuple[str, Registry]:
    """Return the registry, and the head of the ledger that it was replayed at."""
    from commonwatt.clinic.usecases.overview import load_clinic_registry_without_advice

    services = context.services
    end = services.ledger.head()
    head = f"{end.size}-{end.link.hex()}"
    # An entry that comes in between is in the registry already, and that head never comes back:
    # the ledger only grows.
    return head, services.registries.get(
        head, lambda: load_clinic_registry_without_advice(services.ledger)
    )


def page_table_rows_digest(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the beginning of a digest of rows, by which a table of them is kept."""
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def _models_page_registry_facts(
    registry: Any, owed: Sequence[dict[str, Any]], language: str
) -> list[HeadlineFact]:
    counts = ((PRODUCTS, "product"), (VERSIONS, "version"), (EVIDENCE_RECORDS, "evidence"))
    return [
        *(
            page_headline_fact_of_figure(figure, len(registry.by_kind[kind]), language)
            for figure, kind in counts
        ),
        page_headline_fact_of_figure(
            NEXT_DUE,
            owed[0]["due_at"] if owed else None,
            language,
            note=Message("by {rule}", {"rule": owed[0]["rule"]}) if owed else None,
        ),
    ]


def _model_monitor_charts(context: RequestContext, run: Run | None) -> list[Chart]:
    """Return the surveillance of the example models in the newest study."""
    if run is None or not context.services.runs.has(run, CLINIC_OVER_TIME):
        return []
    names = (
        context.services.runs.frame(run, CLINIC_OVER_TIME)["model"]
        .unique(maintain_order=True)
        .to_list()
    )
    # Late: charts load what reads tables, and most requests are answered from what was kept.
    from commonwatt.clinic.usecases import charts

    return [
        charts.clinic_model_over_time_chart(names),
        charts.clinic_monitor_evidence_chart(names),
        charts.patient_subgroup_charts()[1],
    ]


def _model_monitor_tables(context: RequestContext, run: Run | None) -> list[TableListing]:
    if run is None or not context.services.runs.has(run, CLINIC_OVER_TIME):
        return []
    rows = context.services.runs.rows
    return [
        TableListing(
            name="watched",
            title=Message("Observed over expected events, by day"),
            rows=rows(run, CLINIC_OVER_TIME),
            headings=console_column_headings_of(tables.CLINIC_OVER_TIME),
            folded=True,
        ),
        TableListing(
            name="evidence",
            title=Message("Evidence of each monitor"),
            rows=rows(run, EVIDENCE),
            headings=console_column_headings_of(tables.CLINIC_EVIDENCE),
            folded=True,
        ),
        TableListing(
            name="groups",
            title=Message("Groups of patients"),
            rows=rows(run, GROUPS),
            headings=console_column_headings_of(
                tables.CLINIC_SUBGROUPS,
                "group",
                "metric",
                "estimate",
                "low",
                "high",
                "events",
                "verdict",
            ),
        ),
    ]


def _clinic_registry_tables(
    head: str,
    standing: list[dict[str, Any]],
    owed: list[dict[str, Any]],
    given: list[dict[str, Any]],
    happened: list[dict[str, Any]],
) -> list[TableListing]:
    shown = (
        ("deployments", Message("Deployments"), standing, tables.DEPLOYMENTS),
        ("duties", Message("Who must be told by when"), owed, tables.DUTIES),
        ("rulings", Message("Classes and routes"), given, tables.RULINGS),
        ("events", Message("Signals, incidents and actions"), happened, tables.EVENTS),
    )
    # With the rows themselves: a deployment's approval may lapse while the ledger stands still.
    return [
        table_listing_of_rows(
            name,
            title,
            rows,
            console_column_headings_of(table),
            key=f"models/{name}/{head}/{page_table_rows_digest(rows)}",
        )
        for name, title, rows, table in shown
    ]


PAGE = Page(
    name="models",
    title=Message("Medical models"),
    action=ConsoleAction.SEE_MODELS,
    build=build_models_page,
    template="models.html",
    group="govern",
    content_key=_models_page_content_key,
)
