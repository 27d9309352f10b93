"""Start a run, follow it, stop it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

import commonwatt.web.tasks.supervisor as works
from commonwatt.core.messages import Message
from commonwatt.report.charts.specification import Chart, ChartForm, ChartSeries
from commonwatt.web.auth.access import PostedFields, SignedInContext, requested_theme_or_blank
from commonwatt.web.client import TaskData
from commonwatt.web.errors import PageNotFoundError
from commonwatt.web.openapi import (
    HTML,
    LoadData,
    openapi_file_responses,
    openapi_form_request_body,
    openapi_redirect_responses,
)
from commonwatt.web.render import render_console_template
from commonwatt.web.request_context import RequestContext
from commonwatt.web.roles import ConsoleAction, check_roles_can_act
from commonwatt.web.tasks.kinds import KINDS
from commonwatt.web.tasks.lifecycle import TASK_STATE_NAMES

TaskId = Annotated[str, InPath(pattern="^[0-9a-f]{12}$")]
RunId = Annotated[str, InPath(pattern="^[0-9a-f]{16}$")]
# OpenAPI knows an address by its form alone, so what is started and what is followed at
# `/works/…` have one name there.
_WORK: Final = "work"
FollowedTaskId = Annotated[str, InPath(alias=_WORK, pattern="^[0-9a-f]{12}$")]
KindName = Annotated[str, InPath(alias=_WORK, pattern="^[a-z][a-z-]*$", max_length=40)]

LOAD_CHART = Chart(
    name="load",
    title=Message("What the run takes"),
    caption=Message("Processors in use, once a second."),
    form=ChartForm.LIVE,
    table="",
    x="at",
    series=[ChartSeries("processors", Message("Processors in use"))],
)


def add_routes(app: FastAPI) -> None:
    """Add the addresses of works."""
    known: dict[str, Any] = {"tags": ["works"]}
    followed = openapi_redirect_responses("To the page of the run that was started")
    app.get("/works", response_model=list[TaskData], **known)(list_newest_tasks)
    app.post(
        "/works/{work}",
        status_code=201,
        response_model=TaskData,
        responses=followed,
        openapi_extra=openapi_form_request_body(**_task_parameter_meaning_by_name()),
        **known,
    )(start_console_task)
    app.get("/works/{work}", response_class=HTMLResponse, **known)(task_page)
    app.get("/works/{work_id}/state", response_model=TaskData, **known)(task_state)
    app.get("/works/{work_id}/feed", response_model=LoadData, **known)(task_load_samples)
    app.get("/works/{work_id}/chart", response_model=dict[str, Any], **known)(task_load_chart)
    app.post(
        "/works/{work_id}/stop",
        response_model=TaskData,
        responses=followed,
        openapi_extra=openapi_form_request_body(),
        **known,
    )(stop_console_task)
    app.get(
        "/runs/{run_id}/report",
        response_class=FileResponse,
        responses=openapi_file_responses(HTML),
        tags=["runs"],
    )(run_report_file)


def _task_parameter_meaning_by_name() -> dict[str, str]:
    every = [parameter for kind in KINDS.values() for parameter in kind.parameters]
    return {parameter.name: str(parameter.meaning) for parameter in every}


def task_json(context: RequestContext, task: works.Task) -> dict[str, Any]:
    """Return a work for programs."""
    return {
        "work_id": task.work_id,
        "kind": task.kind,
        "title": task.title,
        "state": task.state.value,
        "attempt": task.attempt,
        "run_id": task.run_id,
        "parameters": dict(task.parameters),
        "account": task.account,
        "made_at": task.made_at,
        "ended_at": task.ended_at,
        "error": task.error.get(context.language) or task.error.get("found", ""),
        "messages": [
            context.translate(message)
            for message in works.console_task_progress_messages(context.services, task.work_id)
        ],
    }


def list_newest_tasks(context: SignedInContext) -> Response:
    """Return the newest works."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_PLANS)
    return JSONResponse(
        [task_json(context, work) for work in works.list_newest_tasks(context.services)]
    )


def start_console_task(
    request: Request, context: SignedInContext, kind: KindName, fields: PostedFields
) -> Response:
    """Put a run on the list."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.START_RUN)
    work_id = works.start_task(
        context.services, kind, fields, context.visitor.name, now=context.now
    )
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/works/{work_id}", 303)
    return JSONResponse(task_json(context, works.find_console_task(context.services, work_id)), 201)


def task_page(request: Request, context: SignedInContext, work_id: FollowedTaskId) -> Response:
    """Return the page of a work, which follows it until it is over."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_PLANS)
    work = works.find_console_task(context.services, work_id)
    messages = works.console_task_progress_messages(context.services, work_id)
    # htmx asks again for the part that changes; a whole page would be put inside the page.
    part = "HX-Request" in request.headers
    text = render_console_template(
        context,
        "work_state.html" if part else "work.html",
        requested_theme_or_blank(request),
        work=work,
        messages=messages,
        kind=KINDS[work.kind],
        title=works.console_task_title_message(work),
        states=TASK_STATE_NAMES,
        load=LOAD_CHART,
    )
    return HTMLResponse(text)


def task_state(context: SignedInContext, work_id: TaskId) -> Response:
    """Return a work for programs."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_PLANS)
    return JSONResponse(task_json(context, works.find_console_task(context.services, work_id)))


def task_load_samples(
    context: SignedInContext, work_id: TaskId, since: Annotated[int, Query(ge=0, le=10_000_000)] = 0
) -> Response:
    """Return new points of a work's live chart."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_PLANS)
    work = works.find_console_task(context.services, work_id)
    rows = works.task_load_samples(context.services, work_id, since)
    # `since` counts rows and is no time, so a point is sent once whatever the clocks say.
    news = {"rows": [row[:2] for row in rows], "since": since + len(rows), "over": work.over}
    return JSONResponse(news)


def task_load_chart(context: SignedInContext, work_id: TaskId) -> Response:
    """Return how the live chart is drawn."""
    from commonwatt.report.charts.points import chart_points
    from commonwatt.web.render import empty_page_chart_frame

    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_PLANS)
    works.find_console_task(context.services, work_id)
    points = chart_points(LOAD_CHART, empty_page_chart_frame(), context.language)
    return JSONResponse(points.as_data())


def stop_console_task(
    request: Request, context: SignedInContext, work_id: TaskId, fields: PostedFields
) -> Response:
    """Stop a work; nothing of it is kept."""
    del fields
    check_roles_can_act(context.visitor.roles, ConsoleAction.STOP_RUN)
    works.stop_and_kill_console_task(
        context.services, work_id, context.visitor.name, now=context.now
    )
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/works/{work_id}", 303)
    return JSONResponse(task_json(context, works.find_console_task(context.services, work_id)))


def run_report_file(context: SignedInContext, run_id: RunId) -> Response:
    """Return a run's report, to keep or to open apart: it carries styles of its own."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_PLANS)
    run = context.services.runs.get(run_id)
    path = context.services.runs.folder(run.run_id) / "report.html"
    if not path.is_file():
        raise PageNotFoundError(run_id, found=Message("a run without a report"))
    return FileResponse(path, media_type="text/html", filename=f"{run.title}-{run_id}.html")
