"""Hand in a programme, read the file of one, and delete one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request
from fastapi import Path as InPath
from starlette.datastructures import UploadFile
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
)

from commonwatt.core.errors import CommonwattError
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import (
    PostedFields,
    SignedInContext,
    check_same_site_request,
    posted_form_fields,
    requested_theme_or_blank,
)
from commonwatt.web.errors import PageNotFoundError, ParameterError
from commonwatt.web.openapi import (
    AddedProgrammeData,
    openapi_file_responses,
    openapi_form_request_body,
    openapi_redirect_responses,
)
from commonwatt.web.pages.programmes import PAGE, RefusedProgramme, programmes_page_view
from commonwatt.web.parameters import parse_page_values
from commonwatt.web.render import page_html
from commonwatt.web.request_context import RequestContext
from commonwatt.web.roles import ConsoleAction, check_roles_can_act
from commonwatt.web.tasks.kinds import console_submitted_programmes_folder
from commonwatt.web.tasks.supervisor import list_newest_tasks

ProgrammeKey = Annotated[str, InPath(pattern="^[a-z0-9-]{1,40}(@[0-9a-f]{16})?$", max_length=60)]
_MOST_FILES: Final = 12
_CONFIRM_MEANING: Final = "The key of the programme once more"
_FIELDS: Final = {
    "name": "What the programme is called: a to z, 0 to 9 and -",
    "text": "The TOML file, pasted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedProgramme:
    """A programme as a form or a program sent it.

    Args:
        name: What it shall be called.
        text: The file.
        attached: Files that it names.
    """

    name: str
    text: bytes
    attached: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


def add_routes(app: FastAPI) -> None:
    """Add the addresses of programmes."""
    known: dict[str, Any] = {"tags": ["programmes"]}
    app.post(
        "/programmes",
        status_code=201,
        response_model=AddedProgrammeData,
        responses=openapi_redirect_responses("To the page on which it is started"),
        openapi_extra=_openapi_programme_body(),
        **known,
    )(add_programme)
    app.post(
        "/programmes/{key}/delete",
        response_model=AddedProgrammeData,
        responses=openapi_redirect_responses("To the list of programmes"),
        openapi_extra=openapi_form_request_body("confirm", confirm=_CONFIRM_MEANING),
        **known,
    )(delete_programme)
    app.get(
        "/programmes/{key}/file",
        response_class=FileResponse,
        responses=openapi_file_responses("application/toml"),
        **known,
    )(programme_file)


def _openapi_programme_body() -> dict[str, Any]:
    text = {name: {"type": "string", "description": meaning} for name, meaning in _FIELDS.items()}
    upload = {"type": "string", "format": "binary"}
    files = {
        "file": upload | {"description": "The TOML file, instead of its text"},
        "attached": {
            "type": "array",
            "items": upload,
            "description": "Files that the programme names, such as its trace",
        },
    }
    plain = {"schema": {"type": "object", "properties": text}}
    form = {"schema": {"type": "object", "properties": text | files}}
    kinds = {"application/json": plain, "application/x-www-form-urlencoded": plain}
    return {"requestBody": {"required": False, "content": kinds | {"multipart/form-data": form}}}


async def posted_programme_after_same_site_check(request: Request) -> PostedProgramme:
    """Return a programme that came from our own form, or from a program.

    Raises:
        ForbiddenError: It came from another site, or lacks its session's token.
        ParameterError: It is no form.
    """
    check_same_site_request(request)
    files: dict[str, bytes] = {}
    attached: dict[str, bytes] = {}
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        # The middleware has cut off what is longer than any form, so that all of it lies in memory;
        # read here with its files, the form is not read again below.
        await request.body()
        form = await request.form(max_files=_MOST_FILES, max_fields=20)
        try:
            for name, part in form.multi_items():
                # A field that was left empty is sent as a file without a name.
                if not isinstance(part, UploadFile) or not part.filename:
                    continue
                if name == "attached":
                    _check_named_once(attached, _posted_file_base_name(part.filename))
                    attached[_posted_file_base_name(part.filename)] = await part.read()
                else:
                    files[name] = await part.read()
                    files.setdefault("name", _posted_file_base_name(part.filename).encode())
        finally:
            await form.close()
    fields = await posted_form_fields(request)
    # Browsers send the lines of a text box with CR LF; the digest of a programme shall be that of
    # the file which was pasted there.
    pasted = fields.get("text", "").replace("\r\n", "\n").encode("utf-8", "replace")
    stem = Path(files.get("name", b"").decode("utf-8", "replace")).stem.lower()
    return PostedProgramme(
        name=fields.get("name", "").strip() or stem,
        text=files.get("file", pasted),
        attached=attached,
    )


PostedProgrammeFields = Annotated[PostedProgramme, Depends(posted_programme_after_same_site_check)]


def _check_named_once(attached: Mapping[str, bytes], name: str) -> None:
    # Of two files of one name the last would win, and nobody would learn of the other.
    if name in attached:
        raise ParameterError(
            "attached",
            found=Message("two files called {name}", {"name": repr(name[:60])}),
            wanted=Message("each file once"),
        )


def _posted_file_base_name(name: str) -> str:
    # Some browsers send the way to the file on the visitor's own machine.
    return name.replace("\\", "/").rpartition("/")[2]


def add_programme(
    request: Request, context: SignedInContext, posted: PostedProgrammeFields
) -> Response:
    """Check a programme and keep it, with its entry in the ledger."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.START_RUN)
    html = "text/html" in request.headers.get("accept", "")
    try:
        key = _submit_and_record_programme_returning_key(context, posted)
    except CommonwattError as error:
        if not html:
            raise
        return _refused_programme_page(request, context, posted, error)
    if html:
        return RedirectResponse(f"/programmes?added={quote(key)}#start", 303)
    return JSONResponse({"programme": key}, 201)


def delete_programme(
    request: Request, context: SignedInContext, key: ProgrammeKey, fields: PostedFields
) -> Response:
    """Delete a programme that was handed in, with its entry in the ledger; its runs stay."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.START_RUN)
    if fields.get("confirm", "") != key:
        raise ParameterError(
            "confirm",
            found=Message("no confirmation"),
            wanted=Message("the key of the programme that is to be deleted: {key}", {"key": key}),
        )
    _delete_programme_and_record_it(context, key)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/programmes#own", 303)
    return JSONResponse({"programme": key})


def _delete_programme_and_record_it(context: RequestContext, key: str) -> None:
    from commonwatt.study.programme.shipped import shipped_programme_names
    from commonwatt.study.programme.submitted import removed_submitted_programme

    if key in shipped_programme_names():
        raise ParameterError(
            "key",
            found=Message("{key}, which comes with Commonwatt", {"key": key}),
            wanted=Message("a programme that was handed in here"),
        )
    services = context.services
    # A run that is still to read its files would fail on them.
    if any(
        task.parameters.get("programme") == key and not task.over
        for task in list_newest_tasks(services)
    ):
        raise ParameterError(
            "key",
            found=Message("{key}, of which a run waits or is under way", {"key": key}),
            wanted=Message("a programme of which no run is under way"),
            remedy=Message("Stop the run on the page of runs, or wait for its end."),
        )
    folder = console_submitted_programmes_folder(services.settings.store)
    with removed_submitted_programme(folder, key), services.ledger.transaction() as tx:
        services.entry_writer.record(
            tx,
            "programme-deleted",
            f"programme/{key}",
            {"by": context.visitor.name},
            at=context.now,
        )


def programme_file(context: SignedInContext, key: ProgrammeKey) -> Response:
    """Return the file of a programme, to read or to begin one's own from."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_PLANS)
    from commonwatt.study.programme.reader import find_programme_path
    from commonwatt.study.programme.shipped import shipped_programme_names
    from commonwatt.study.programme.submitted import submitted_programmes_newest_first

    paths = {name: find_programme_path(name) for name in shipped_programme_names()}
    folder = console_submitted_programmes_folder(context.services.settings.store)
    paths |= {each.key: each.path for each in submitted_programmes_newest_first(folder)}
    # Looked up among those that exist: no path is ever made of what an address says.
    path: Path | None = paths.get(key)
    if path is None:
        raise PageNotFoundError(key, found=Message("no such programme"))
    return FileResponse(path, media_type="application/toml", filename=path.name)


def _submit_and_record_programme_returning_key(
    context: RequestContext, posted: PostedProgramme
) -> str:
    from commonwatt.study.programme.submitted import check_and_keep_submitted_programme
    from commonwatt.study.stages.demand import programme_scheduling_policies

    folder = console_submitted_programmes_folder(context.services.settings.store)
    submitted = check_and_keep_submitted_programme(
        folder,
        posted.name,
        posted.text,
        posted.attached,
        # A policy that nobody knows would else be told by the run, minutes later.
        check=programme_scheduling_policies,
    )
    services = context.services
    body = {"by": context.visitor.name, "files": [path.name for path in submitted.files]}
    with services.ledger.transaction() as tx:
        subject = f"programme/{submitted.key}"
        services.entry_writer.record(tx, "programme", subject, body, at=context.now)
    return submitted.key


def _refused_programme_page(
    request: Request, context: RequestContext, posted: PostedProgramme, error: CommonwattError
) -> Response:
    """Return the form as it was filled, with what is wrong beside it."""
    refused = RefusedProgramme(
        name=posted.name, text=posted.text.decode("utf-8", "replace"), error=error
    )
    view = programmes_page_view(context, refused=refused)
    values = parse_page_values(PAGE.parameters, {})
    return HTMLResponse(
        page_html(context, PAGE, values, view, requested_theme_or_blank(request)), 422
    )
