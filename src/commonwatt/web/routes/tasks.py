"""Start a run, follow it, stop it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

import commonwatt.web.tasks.supervisor as works
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import Posted, SignedIn, theme_asked
from commonwatt.web.errors import PageNotFoundError
from commonwatt.web.page_view import Chart, Form, Series
from commonwatt.web.render import html
from commonwatt.web.request_context import Look
from commonwatt.web.roles import Action, check
from commonwatt.web.routes.account import body_of
from commonwatt.web.tasks.kinds import KINDS

WorkId = Annotated[str, InPath(pattern="^[0-9a-f]{12}$")]
RunId = Annotated[str, InPath(pattern="^[0-9a-f]{16}$")]
KindName = Annotated[str, InPath(pattern="^[a-z][a-z-]*$", max_length=40)]

LOAD = Chart(
    name="load",
    title=Message("What the run takes"),
    caption=Message("Processors in use, once a second."),
    form=Form.LIVE,
    table="",
    x="at",
    series=[Series("processors", Message("Processors in use"))],
)


def add_routes(app: FastAPI) -> None:
    """Add the addresses of works."""
    known: dict[str, Any] = {"tags": ["works"]}
    app.get("/works", **known)(all_works)
    app.post("/works/{kind}", openapi_extra=body_of(**_fields()), **known)(start)
    app.get("/works/{work_id}", response_class=HTMLResponse, **known)(follow)
    app.get("/works/{work_id}/state", **known)(state)
    app.get("/works/{work_id}/feed", **known)(feed)
    app.get("/works/{work_id}/chart", **known)(chart)
    app.post("/works/{work_id}/stop", openapi_extra=body_of(), **known)(stop)
    app.get("/runs/{run_id}/report", response_class=FileResponse, tags=["runs"])(report)


def _fields() -> dict[str, str]:
    every = [one for kind in KINDS.values() for one in kind.parameters]
    return {one.name: str(one.meaning) for one in every}


def work_data(look: Look, work: works.Work) -> dict[str, Any]:
    """Return a work for programs."""
    return {
        "work_id": work.work_id,
        "kind": work.kind,
        "title": work.title,
        "state": work.state.value,
        "attempt": work.attempt,
        "run_id": work.run_id,
        "parameters": dict(work.parameters),
        "account": work.account,
        "made_at": work.made_at,
        "ended_at": work.ended_at,
        "error": work.error.get(look.language) or work.error.get("found", ""),
        "said": [look.say(said) for said in works.said_by(look.desk, work.work_id)],
    }


def all_works(look: SignedIn) -> Response:
    """Return the newest works."""
    check(look.visitor.roles, Action.SEE_PLANS)
    return JSONResponse([work_data(look, work) for work in works.list_works(look.desk)])


def start(request: Request, look: SignedIn, kind: KindName, fields: Posted) -> Response:
    """Put a run on the list."""
    check(look.visitor.roles, Action.START_RUN)
    work_id = works.start_work(look.desk, kind, fields, look.visitor.name, now=look.now)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/works/{work_id}", 303)
    return JSONResponse(work_data(look, works.find_work(look.desk, work_id)), 201)


def follow(request: Request, look: SignedIn, work_id: WorkId) -> Response:
    """Return the page of a work, which follows it until it is over."""
    check(look.visitor.roles, Action.SEE_PLANS)
    work = works.find_work(look.desk, work_id)
    said = works.said_by(look.desk, work_id)
    part = "HX-Request" in request.headers
    text = html(
        look,
        "work_state.html" if part else "work.html",
        theme_asked(request),
        work=work,
        said=said,
        kind=KINDS[work.kind],
        states=works.STATE_NAMES,
        load=LOAD,
    )
    return HTMLResponse(text)


def state(look: SignedIn, work_id: WorkId) -> Response:
    """Return a work for programs."""
    check(look.visitor.roles, Action.SEE_PLANS)
    return JSONResponse(work_data(look, works.find_work(look.desk, work_id)))


def feed(
    look: SignedIn, work_id: WorkId, since: Annotated[int, Query(ge=0, le=10_000_000)] = 0
) -> Response:
    """Return new points of a work's live chart."""
    check(look.visitor.roles, Action.SEE_PLANS)
    work = works.find_work(look.desk, work_id)
    rows = works.samples_of(look.desk, work_id, since)
    news = {"rows": [row[:2] for row in rows], "since": since + len(rows), "over": work.over}
    return JSONResponse(news)


def chart(look: SignedIn, work_id: WorkId) -> Response:
    """Return how the live chart is drawn."""
    from commonwatt.web.chart_data import drawn
    from commonwatt.web.render import no_frame

    check(look.visitor.roles, Action.SEE_PLANS)
    works.find_work(look.desk, work_id)
    return JSONResponse(drawn(LOAD, no_frame(), look.language))


def stop(request: Request, look: SignedIn, work_id: WorkId, fields: Posted) -> Response:
    """Stop a work; nothing of it is kept."""
    del fields
    check(look.visitor.roles, Action.STOP_RUN)
    works.stop_work(look.desk, work_id, look.visitor.name, now=look.now)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/works/{work_id}", 303)
    return JSONResponse(work_data(look, works.find_work(look.desk, work_id)))


def report(look: SignedIn, run_id: RunId) -> Response:
    """Return a run's report, to keep or to open apart: it carries styles of its own."""
    check(look.visitor.roles, Action.SEE_PLANS)
    run = look.desk.runs.get(run_id)
    path = look.desk.runs.folder(run.run_id) / "report.html"
    if not path.is_file():
        raise PageNotFoundError(run_id, found=Message("a run without a report"))
    return FileResponse(path, media_type="text/html", filename=f"{run.title}-{run_id}.html")
