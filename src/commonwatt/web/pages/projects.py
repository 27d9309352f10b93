"""Data projects: what each is for, what waits in its airlock, and what would leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import commonwatt.sandbox.domain.measures as measures
from commonwatt.catalogue.measures import measure_label_message
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.checks import CHECK_OUTCOME_NAMES
from commonwatt.web.auth.signing_keys import visitor_actor_id_in_role_or_blank
from commonwatt.web.page_view import (
    ColumnHeading,
    PageView,
    TableListing,
    console_column_headings_of,
    page_headline_fact_of_figure,
)
from commonwatt.web.pages.states import table_listing_of_rows
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction, ConsoleRole, check_roles_can_act

if TYPE_CHECKING:
    from commonwatt.sandbox.usecases.basis import OutputBasis


def _project_options(context: RequestContext) -> Options:
    from commonwatt.sandbox.usecases.overview import data_project_rows

    projects = [(row["room"], row["room"]) for row in data_project_rows(context.services.ledger)]
    return [("", Message("all projects")), *projects]


RECALL_REASON_NAMES: Final[Mapping[str, Message]] = {
    "disclosure-risk": Message("It tells too much of somebody"),
    "mistaken-vote": Message("A vote was a mistake"),
    "wrong-figures": Message("Its figures are wrong"),
    "consent": Message("Somebody withdrew their consent"),
    "not-wanted": Message("Nobody wants it any more"),
}

PROJECT = PageParameter(
    name="room",
    label=measure_label_message(measures.PROJECT),
    meaning=Message("One data project; all of them where nothing is given."),
    kind=ParameterKind.CHOICE,
    options=_project_options,
    longest=80,
)
OUTPUT = PageParameter(
    name="output",
    label=Message("Output"),
    meaning=Message("SHA-256 of an output to review."),
    longest=64,
)


def build_projects_page(context: RequestContext, values: PageValues) -> PageView:
    """Return all projects, or one with its datasets, outputs, uses and alerts."""
    room, output = values.text(PROJECT.name), values.text(OUTPUT.name)
    if not room:
        return _all_projects_page(context)
    if not output:
        return _one_project_page(context, room)
    # States are open to more roles than the bytes that would leave: a researcher sees the first and
    # not the second.
    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_OUTPUTS)
    return _output_review_page(context, room, output)


def _project_table_listing(
    context: RequestContext,
    name: str,
    title: Message,
    rows: list[dict[str, Any]],
    headings: list[ColumnHeading],
) -> TableListing:
    """Return a table of states; its key follows the ledger, which grows with every change."""
    # The path tells the tables of one project from those of another.
    key = f"rooms/{name}/{context.path}/{context.services.ledger.head().size}"
    return table_listing_of_rows(name, title, rows, headings, key=key)


def _all_projects_page(context: RequestContext) -> PageView:
    from commonwatt.sandbox.usecases.overview import data_project_rows

    projects = data_project_rows(context.services.ledger)
    waiting = sum(row["in_airlock"] for row in projects)
    return PageView(
        lede=Message(
            "{rooms} data projects; {waiting} outputs wait in their airlocks. Data are used in a "
            "project and seen by nobody; what leaves was approved by two checkers.",
            {"rooms": str(len(projects)), "waiting": str(waiting)},
        ),
        tables=[
            _project_table_listing(
                context,
                "rooms",
                Message("Data projects"),
                projects,
                console_column_headings_of(measures.PROJECTS),
            )
        ],
        extra={"rooms": projects},
        notes=[
            Message(
                "A project is opened, filled and signed by its custodian from the command line, "
                "where the data are: commonwatt sandbox init --help"
            )
        ],
    )


def _one_project_page(context: RequestContext, project_name: str) -> PageView:
    from commonwatt.sandbox.usecases.overview import data_project_state_budget_and_activity

    project = data_project_state_budget_and_activity(
        context.services.ledger, context.services.settings.rooms, project_name, context.now
    )
    budget, activity = project["budget"], project["watch"]
    states = [row["state"] for row in project["outputs"]]
    language = context.language
    return PageView(
        lede=Message(
            "Project {room} is {state}, for {scope}, until {day}.",
            {
                "room": project_name,
                "state": project["state"],
                "scope": project["scope"],
                "day": project["expires_on"],
            },
        ),
        facts=[
            page_headline_fact_of_figure(
                measures.WAITING,
                states.count("waiting"),
                language,
                note=Message("two checkers, never the author"),
            ),
            page_headline_fact_of_figure(measures.APPROVED, states.count("approved"), language),
            page_headline_fact_of_figure(measures.STOPPED, states.count("stopped"), language),
            page_headline_fact_of_figure(
                measures.SPENT,
                budget["spent_epsilon"],
                language,
                # A spent epsilon says nothing without the limit that the custodian set.
                note=Message("of {limit}", {"limit": f"{budget['limit_epsilon']:g}"}),
            ),
            page_headline_fact_of_figure(measures.ALERT_COUNT, len(activity["alerts"]), language),
        ],
        tables=_project_page_tables(context, project, activity),
        extra={
            "room": project_name,
            "outputs": project["outputs"],
            "may_see": context.can(ConsoleAction.SEE_OUTPUTS),
        },
    )


def _project_page_tables(
    context: RequestContext, project: dict[str, Any], activity: dict[str, Any]
) -> list[TableListing]:

    listed = [
        ("outputs", Message("Outputs"), project["outputs"], measures.PROJECT_OUTPUTS),
        ("datasets", Message("Datasets"), project["datasets"], measures.PROJECT_DATASETS),
        ("alerts", Message("What is unusual"), activity["alerts"], measures.ALERTS),
        ("steps", Message("Who did what"), activity["steps"], measures.STEPS),
    ]
    return [
        _project_table_listing(context, name, title, rows, console_column_headings_of(table))
        for name, title, rows, table in listed
    ]


def _output_review_page(context: RequestContext, room: str, output: str) -> PageView:
    from commonwatt.sandbox.usecases.basis import output_decision_basis
    from commonwatt.sandbox.usecases.overview import output_review_against_released

    ledger, folder = context.services.ledger, context.services.settings.rooms
    review = output_review_against_released(ledger, folder, room, output)
    checker = visitor_actor_id_in_role_or_blank(context, ConsoleRole.CHECKER)
    basis = output_decision_basis(ledger, folder, room, output, checker=checker, at=context.now)
    return PageView(
        lede=Message(
            "{name}, {bytes} bytes, {state}. These bytes and no others would leave.",
            {
                "name": review.row["name"],
                "bytes": f"{review.size:,}",
                "state": review.row["state"],
            },
        ),
        extra={
            "room": room,
            "review": review,
            "basis": basis,
            "outcomes": CHECK_OUTCOME_NAMES,
            # These only decide which buttons are shown; the routes and the project's own table are
            # asked again.
            "may_vote": basis.cannot_vote is None,
            "may_recall": context.can(ConsoleAction.RECALL_OUTPUT)
            and review.row["state"] == "approved",
            "recall_reasons": list(RECALL_REASON_NAMES.items()),
            "may_release": context.can(ConsoleAction.RELEASE_OUTPUT)
            and review.row["state"] in {"approved", "released"},
        },
        data={
            "output": output,
            "state": review.row["state"],
            "changes": review.changes,
            "basis": _output_basis_json_data(basis),
        },
    )


def _output_basis_json_data(basis: OutputBasis) -> dict[str, Any]:
    """Return what a decision rests on, for programs."""
    return {
        "purpose": basis.purpose,
        "legal_basis": basis.legal_basis,
        "scope": basis.scope,
        "job": basis.job,
        "code_sha256": basis.code_sha256,
        "dataset": basis.dataset,
        "tables": list(basis.tables),
        "people": basis.people,
        "cells": basis.cells,
        "smallest_cell": basis.smallest_cell,
        "checks": {check.rule: check.outcome.value for check in basis.checks},
        "approvals": basis.approvals,
        "votes_needed": basis.votes_needed,
        "own_vote": next((vote.approves for vote in basis.votes if vote.own), None),
        "cannot_vote": str(basis.cannot_vote) if basis.cannot_vote else "",
    }


PAGE = Page(
    name="rooms",
    title=Message("Data projects"),
    action=ConsoleAction.SEE_PROJECTS,
    build=build_projects_page,
    parameters=(PROJECT, OUTPUT),
    template="rooms.html",
    group="govern",
)
