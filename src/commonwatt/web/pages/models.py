"""Models: what stands where and how far it may go, its class, alarms and duties."""

from __future__ import annotations

from collections.abc import Sequence
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
    TableRows,
)
from commonwatt.web.pages.states import listing
from commonwatt.web.parameters import PageValues
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run

CLINIC_OVER_TIME = "clinic_over_time"
EVIDENCE = "clinic_evidence"
GROUPS = "clinic_subgroups"


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return deployments, duties, rulings and events, and the example models of a study."""
    del values
    from commonwatt.clinic.usecases.overview import (
        deployments,
        duties,
        events,
        load_registry,
        rulings,
    )

    registry = load_registry(context.desk.ledger)
    standing = deployments(registry, context.now)
    owed = duties(registry)
    live = [row for row in standing if row["status"] == "live"]
    run = context.desk.runs.find("", "study")
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
        facts=_facts(registry, owed),
        charts=_charts(context, run),
        tables=[
            *_tables(context, standing, owed, rulings(registry), events(registry)),
            *_watched(context, run),
        ],
        notes=[
            Message(
                "Records come in from those who answer for them, signed: commonwatt clinic "
                "register --help. An alarm means that the monitor passed a limit whose chance of a "
                "false alarm is stated in the deployment's plan."
            )
        ],
        sources=[run.run_id]
        if run is not None and context.desk.runs.has(run, CLINIC_OVER_TIME)
        else [],
        extra={
            "versions": registry.by_kind["version"],
            "deployments": [row["deployment"] for row in standing],
            "may_report": context.can(ConsoleAction.REPORT_INCIDENT),
        },
    )


def _facts(registry: Any, owed: Sequence[dict[str, Any]]) -> list[HeadlineFact]:
    return [
        HeadlineFact(label=Message("Products"), value=str(len(registry.by_kind["product"]))),
        HeadlineFact(label=Message("Versions"), value=str(len(registry.by_kind["version"]))),
        HeadlineFact(
            label=Message("Evidence on record"), value=str(len(registry.by_kind["evidence"]))
        ),
        HeadlineFact(
            label=Message("Next report due"),
            value=owed[0]["due_at"] if owed else "–",
            note=Message("by {rule}", {"rule": owed[0]["rule"]}) if owed else None,
        ),
    ]


def _charts(look: RequestContext, run: Run | None) -> list[Chart]:
    """Return the surveillance of the example models in the newest study."""
    if run is None or not look.desk.runs.has(run, CLINIC_OVER_TIME):
        return []
    names = (
        look.desk.runs.frame(run, CLINIC_OVER_TIME)["model"].unique(maintain_order=True).to_list()
    )
    return [
        Chart(
            name="watched",
            title=Message("Observed over expected events, by day"),
            caption=Message("The example models of the newest study; one is right on average."),
            form=ChartForm.LINES,
            table="watched",
            x="day",
            x_label=Message("Day"),
            series=[ChartSeries("o_over_e", name, where=("model", name)) for name in names],
        ),
        Chart(
            name="evidence",
            title=Message("Evidence of each monitor"),
            caption=Message(
                "The highest that the evidence against a model has stood, in powers of ten of the "
                "limit of its alarm; above zero it has rung. The chance of a false alarm is "
                "bounded."
            ),
            form=ChartForm.LINES,
            table="evidence",
            x="day",
            x_label=Message("Day"),
            series=[ChartSeries("log10_over_limit", name, where=("model", name)) for name in names],
        ),
        Chart(
            name="groups",
            title=Message("Groups of patients"),
            caption=Message(
                "Observed over expected events with intervals at 95 %; a group with too few "
                "events is named and left empty."
            ),
            form=ChartForm.RANGES,
            table="groups",
            x="group",
            x_label=Message("Observed over expected"),
            series=[
                ChartSeries(
                    "estimate", Message("Estimate"), where=("metric", "o_over_e"),
                    low="low", high="high",
                )
            ],
        ),
    ]  # fmt: skip


def _evidence(look: RequestContext, run: Run) -> TableRows:
    def load() -> pl.DataFrame:
        import polars as pl

        over = pl.col("over_limit").clip(lower_bound=1e-6)
        return look.desk.runs.frame(run, EVIDENCE).with_columns(log10_over_limit=over.log10())

    return TableRows(key=f"models/evidence/{run.run_id}", load=load)


def _watched(look: RequestContext, run: Run | None) -> list[TableListing]:
    if run is None or not look.desk.runs.has(run, CLINIC_OVER_TIME):
        return []
    rows = look.desk.runs.rows
    return [
        TableListing(
            name="watched",
            title=Message("Observed over expected events, by day"),
            rows=rows(run, CLINIC_OVER_TIME),
            headings=[
                ColumnHeading("model", Message("Model")),
                ColumnHeading("day", Message("Day")),
                ColumnHeading("o_over_e", Message("Observed over expected")),
            ],
            folded=True,
        ),
        TableListing(
            name="evidence",
            title=Message("Evidence of each monitor"),
            rows=_evidence(look, run),
            headings=[
                ColumnHeading("model", Message("Model")),
                ColumnHeading("day", Message("Day")),
                ColumnHeading("over_limit", Message("Evidence over its limit")),
            ],
            folded=True,
        ),
        TableListing(
            name="groups",
            title=Message("Groups of patients"),
            rows=rows(run, GROUPS),
            headings=[
                ColumnHeading("group", Message("Group")),
                ColumnHeading("metric", Message("Metric")),
                ColumnHeading("estimate", Message("Estimate")),
                ColumnHeading("low", Message("From")),
                ColumnHeading("high", Message("To")),
                ColumnHeading("events", Message("Events")),
                ColumnHeading("verdict", Message("Verdict")),
            ],
        ),
    ]


def _listing(
    look: RequestContext,
    name: str,
    title: Message,
    rows: list[dict[str, Any]],
    headings: list[ColumnHeading],
) -> TableListing:
    key = f"models/{name}/{look.desk.ledger.head().size}"
    return listing(name, title, rows, headings, key=key)


def _tables(
    look: RequestContext,
    standing: list[dict[str, Any]],
    owed: list[dict[str, Any]],
    given: list[dict[str, Any]],
    happened: list[dict[str, Any]],
) -> list[TableListing]:
    return [
        _listing(look, "deployments", Message("Deployments"), standing, [
            ColumnHeading("deployment", Message("Deployment")),
            ColumnHeading("product", Message("Product")),
            ColumnHeading("version", Message("Version")),
            ColumnHeading("site", Message("Site")),
            ColumnHeading("mode", Message("How far it may go")),
            ColumnHeading("threshold", Message("Threshold")),
            ColumnHeading("status", Message("State")),
            ColumnHeading("since", Message("Since")),
            ColumnHeading("alarms", Message("Alarms")),
        ]),
        _listing(look, "duties", Message("Who must be told by when"), owed, [
            ColumnHeading("due_at", Message("Due")),
            ColumnHeading("jurisdiction", Message("Place")),
            ColumnHeading("severity", Message("Severity")),
            ColumnHeading("event", Message("Event")),
            ColumnHeading("rule", Message("Rule")),
        ]),
        _listing(look, "rulings", Message("Classes and routes"), given, [
            ColumnHeading("intended_use", Message("Intended use")),
            ColumnHeading("jurisdiction", Message("Place")),
            ColumnHeading("classes", Message("Class")),
            ColumnHeading("route", Message("Route")),
            ColumnHeading("rule_set", Message("Rule set")),
            ColumnHeading("at", Message("At")),
        ]),
        _listing(look, "events", Message("Signals, incidents and actions"), happened, [
            ColumnHeading("at", Message("At")),
            ColumnHeading("type", Message("Kind")),
            ColumnHeading("severity", Message("Severity")),
            ColumnHeading("deployment", Message("Deployment")),
            ColumnHeading("code", Message("What happened")),
        ]),
    ]  # fmt: skip


PAGE = Page(
    name="models",
    title=Message("Medical models"),
    action=ConsoleAction.SEE_MODELS,
    build=build,
    template="models.html",
    group="govern",
)
