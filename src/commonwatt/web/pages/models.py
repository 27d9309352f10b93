"""Models: what stands where and how far it may go, its class, alarms and duties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message
from commonwatt.web.page_view import Chart, Fact, Form, Heading, Listing, Rows, Series, View
from commonwatt.web.pages.states import listing
from commonwatt.web.parameters import Values
from commonwatt.web.request_context import Look, Page
from commonwatt.web.roles import Action

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run

WATCHED = "clinic_over_time"
EVIDENCE = "clinic_evidence"
GROUPS = "clinic_subgroups"


def build(look: Look, values: Values) -> View:
    """Return deployments, duties, rulings and events, and the example models of a study."""
    del values
    from commonwatt.clinic.usecases.overview import (
        deployments,
        duties,
        events,
        registry_of,
        rulings,
    )

    registry = registry_of(look.desk.ledger)
    standing = deployments(registry, look.now)
    owed = duties(registry)
    live = [row for row in standing if row["status"] == "live"]
    run = look.desk.runs.find("", "study")
    return View(
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
        charts=_charts(look, run),
        tables=[
            *_tables(look, standing, owed, rulings(registry), events(registry)),
            *_watched(look, run),
        ],
        notes=[
            Message(
                "Records come in from those who answer for them, signed: commonwatt clinic "
                "register --help. An alarm means that the monitor passed a limit whose chance of a "
                "false alarm is stated in the deployment's plan."
            )
        ],
        sources=[run.run_id] if run is not None and look.desk.runs.has(run, WATCHED) else [],
        extra={
            "versions": registry.by_kind["version"],
            "deployments": [row["deployment"] for row in standing],
            "may_report": look.can(Action.REPORT_INCIDENT),
        },
    )


def _facts(registry: Any, owed: Sequence[dict[str, Any]]) -> list[Fact]:
    return [
        Fact(label=Message("Products"), value=str(len(registry.by_kind["product"]))),
        Fact(label=Message("Versions"), value=str(len(registry.by_kind["version"]))),
        Fact(label=Message("Evidence on record"), value=str(len(registry.by_kind["evidence"]))),
        Fact(
            label=Message("Next report due"),
            value=owed[0]["due_at"] if owed else "–",
            note=Message("by {rule}", {"rule": owed[0]["rule"]}) if owed else None,
        ),
    ]


def _charts(look: Look, run: Run | None) -> list[Chart]:
    """Return the surveillance of the example models in the newest study."""
    if run is None or not look.desk.runs.has(run, WATCHED):
        return []
    names = look.desk.runs.frame(run, WATCHED)["model"].unique(maintain_order=True).to_list()
    return [
        Chart(
            name="watched",
            title=Message("Observed over expected events, by day"),
            caption=Message("The example models of the newest study; one is right on average."),
            form=Form.LINES,
            table="watched",
            x="day",
            x_label=Message("Day"),
            series=[Series("o_over_e", name, where=("model", name)) for name in names],
        ),
        Chart(
            name="evidence",
            title=Message("Evidence of each monitor"),
            caption=Message(
                "The highest that the evidence against a model has stood, in powers of ten of the "
                "limit of its alarm; above zero it has rung. The chance of a false alarm is "
                "bounded."
            ),
            form=Form.LINES,
            table="evidence",
            x="day",
            x_label=Message("Day"),
            series=[Series("log10_over_limit", name, where=("model", name)) for name in names],
        ),
        Chart(
            name="groups",
            title=Message("Groups of patients"),
            caption=Message(
                "Observed over expected events with intervals at 95 %; a group with too few "
                "events is named and left empty."
            ),
            form=Form.RANGES,
            table="groups",
            x="group",
            x_label=Message("Observed over expected"),
            series=[
                Series(
                    "estimate", Message("Estimate"), where=("metric", "o_over_e"),
                    low="low", high="high",
                )
            ],
        ),
    ]  # fmt: skip


def _evidence(look: Look, run: Run) -> Rows:
    def load() -> pl.DataFrame:
        import polars as pl

        over = pl.col("over_limit").clip(lower_bound=1e-6)
        return look.desk.runs.frame(run, EVIDENCE).with_columns(log10_over_limit=over.log10())

    return Rows(key=f"models/evidence/{run.run_id}", load=load)


def _watched(look: Look, run: Run | None) -> list[Listing]:
    if run is None or not look.desk.runs.has(run, WATCHED):
        return []
    rows = look.desk.runs.rows
    return [
        Listing(
            name="watched",
            title=Message("Observed over expected events, by day"),
            rows=rows(run, WATCHED),
            headings=[
                Heading("model", Message("Model")),
                Heading("day", Message("Day")),
                Heading("o_over_e", Message("Observed over expected")),
            ],
            folded=True,
        ),
        Listing(
            name="evidence",
            title=Message("Evidence of each monitor"),
            rows=_evidence(look, run),
            headings=[
                Heading("model", Message("Model")),
                Heading("day", Message("Day")),
                Heading("over_limit", Message("Evidence over its limit")),
            ],
            folded=True,
        ),
        Listing(
            name="groups",
            title=Message("Groups of patients"),
            rows=rows(run, GROUPS),
            headings=[
                Heading("group", Message("Group")),
                Heading("metric", Message("Metric")),
                Heading("estimate", Message("Estimate")),
                Heading("low", Message("From")),
                Heading("high", Message("To")),
                Heading("events", Message("Events")),
                Heading("verdict", Message("Verdict")),
            ],
        ),
    ]


def _listing(
    look: Look, name: str, title: Message, rows: list[dict[str, Any]], headings: list[Heading]
) -> Listing:
    key = f"models/{name}/{look.desk.ledger.head().size}"
    return listing(name, title, rows, headings, key=key)


def _tables(
    look: Look,
    standing: list[dict[str, Any]],
    owed: list[dict[str, Any]],
    given: list[dict[str, Any]],
    happened: list[dict[str, Any]],
) -> list[Listing]:
    return [
        _listing(look, "deployments", Message("Deployments"), standing, [
            Heading("deployment", Message("Deployment")),
            Heading("product", Message("Product")),
            Heading("version", Message("Version")),
            Heading("site", Message("Site")),
            Heading("mode", Message("How far it may go")),
            Heading("threshold", Message("Threshold")),
            Heading("status", Message("State")),
            Heading("since", Message("Since")),
            Heading("alarms", Message("Alarms")),
        ]),
        _listing(look, "duties", Message("Who must be told by when"), owed, [
            Heading("due_at", Message("Due")),
            Heading("jurisdiction", Message("Place")),
            Heading("severity", Message("Severity")),
            Heading("event", Message("Event")),
            Heading("rule", Message("Rule")),
        ]),
        _listing(look, "rulings", Message("Classes and routes"), given, [
            Heading("intended_use", Message("Intended use")),
            Heading("jurisdiction", Message("Place")),
            Heading("classes", Message("Class")),
            Heading("route", Message("Route")),
            Heading("rule_set", Message("Rule set")),
            Heading("at", Message("At")),
        ]),
        _listing(look, "events", Message("Signals, incidents and actions"), happened, [
            Heading("at", Message("At")),
            Heading("type", Message("Kind")),
            Heading("severity", Message("Severity")),
            Heading("deployment", Message("Deployment")),
            Heading("code", Message("What happened")),
        ]),
    ]  # fmt: skip


PAGE = Page(
    name="models",
    title=Message("Medical models"),
    action=Action.SEE_MODELS,
    build=build,
    template="models.html",
    group="govern",
)
