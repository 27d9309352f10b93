"""The console from Python: pages, tables, charts and runs, typed.

A token comes from the page of one's own account; it has the roles of its account.

    with Console("http://127.0.0.1:8800", token) as console:
        page = console.page("fleet")
        jobs = console.table("fleet", "jobs")
        work = console.wait(console.start("study", programme="harbour").work_id)
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from urllib.parse import quote

from commonwatt.core.errors import CommonwattError
from commonwatt.core.messages import Message
from commonwatt.web.errors import (
    ForbiddenError,
    PageNotFoundError,
    ParameterError,
    SignInError,
    TaskError,
    TooManyRequestsError,
)

if TYPE_CHECKING:
    import httpx
    import polars as pl

T = TypeVar("T")
_ERRORS: dict[int, type[CommonwattError]] = {
    401: SignInError,
    403: ForbiddenError,
    404: PageNotFoundError,
    409: TaskError,
    422: ParameterError,
    429: TooManyRequestsError,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactData:
    """A headline figure as the page says it."""

    label: str
    value: str
    note: str
    extent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageData:
    """What a page shows, and where its charts and tables are.

    Args:
        page: Its name.
        title: Its title.
        permanent: The address that will always show the same.
        parameters: The values that it was asked with.
        lede: The answer in a sentence or two.
        facts: Headline figures.
        charts: Address of each chart's data.
        tables: Addresses of each table, by form: csv, parquet, json.
        notes: Definitions and caveats.
        runs: The runs behind it.
        data: Plain values that only this page has.
    """

    page: str
    title: str
    permanent: str
    parameters: dict[str, str]
    lede: str
    facts: list[FactData]
    charts: dict[str, str]
    tables: dict[str, dict[str, str]]
    notes: list[str]
    runs: list[str]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsData:
    """Some rows of a table: how many there are in all, and those from `first` on."""

    table: str
    rows: int
    first: int
    data: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskData:
    """A run that was started: its state, what it said, and the run's id at its end."""

    work_id: str
    kind: str
    title: str
    state: str
    attempt: int
    run_id: str
    parameters: dict[str, str]
    account: str
    made_at: str
    ended_at: str
    error: str
    messages: list[str]

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        # Spelled out, so that a program needs none of the server's modules to use the client.
        return self.state in {"finished", "failed", "stopped"}


class ConsoleClient:
    """A console that answers somewhere.

    Args:
        address: Where, such as `http://127.0.0.1:8800`.
        token: From the page of one's own account.
        language: Of sentences, "en" or "zh-Hant".
        timeout_s: How long an answer may take.
    """

    CALLS: ClassVar[Mapping[str, tuple[str, str]]] = {
        "health": ("GET", "/health"),
        "page": ("GET", "/{page}.json"),
        "chart": ("GET", "/{page}/charts/{chart}.json"),
        "rows": ("GET", "/{page}/tables/{table}.json"),
        "table": ("GET", "/{page}/tables/{table}.parquet"),
        "csv": ("GET", "/{page}/tables/{table}.csv"),
        "report": ("GET", "/runs/{run_id}/report"),
        "works": ("GET", "/works"),
        "start": ("POST", "/works/{work}"),
        "add_programme": ("POST", "/programmes"),
        "delete_programme": ("POST", "/programmes/{key}/delete"),
        "work": ("GET", "/works/{work_id}/state"),
        "feed": ("GET", "/works/{work_id}/feed"),
        "stop": ("POST", "/works/{work_id}/stop"),
    }
    """Which request each call makes; a test holds them against the OpenAPI schema."""

    def __init__(
        self, address: str, token: str, *, language: str = "en", timeout_s: float = 60
    ) -> None:
        import httpx

        # Asking for JSON also makes errors come as JSON; a browser would be shown a page or sent to
        # the sign-in.
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/json",
            "accept-language": language,
        }
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        """Return the console itself; leaving closes its connections."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> dict[str, Any]:
        """Return that store and database answer."""
        return self._response_of_console_route("health").json()

    def page(self, page: str, **parameters: object) -> PageData:
        """Return what a page shows for its parameters.

        Raises:
            PageNotFoundError: There is no such page.
            ForbiddenError: The token's account may not see it.
            ParameterError: A parameter is out of bounds.
        """
        page_json = self._response_of_console_route("page", page=page, ask=parameters).json()
        facts = [_dataclass_from_console_json(FactData, fact) for fact in page_json["facts"]]
        return _dataclass_from_console_json(PageData, page_json | {"facts": facts})

    def chart(self, page: str, chart: str, **parameters: object) -> dict[str, Any]:
        """Return a chart as it is drawn."""
        return self._response_of_console_route(
            "chart", page=page, chart=chart, ask=parameters
        ).json()

    def rows(self, page: str, table: str, **ask: object) -> RowsData:
        """Return some rows of a table.

        Args:
            page: The page that has it.
            table: Its name.
            ask: `first`, `count`, `order`, `column`, `starts`, and the page's parameters.
        """
        return _dataclass_from_console_json(
            RowsData,
            self._response_of_console_route("rows", page=page, table=table, ask=ask).json(),
        )

    def table(self, page: str, table: str, **parameters: object) -> pl.DataFrame:
        """Return a whole table."""
        import polars as pl

        table_json = self._response_of_console_route(
            "table", page=page, table=table, ask=parameters
        )
        return pl.read_parquet(io.BytesIO(table_json.content))

    def csv(self, page: str, table: str, **parameters: object) -> str:
        """Return a whole table as CSV, each text as a spreadsheet needs it.

        `commonwatt.core.spreadsheets.read_spreadsheet_csv` gives each text as it was.
        """
        csv = self._response_of_console_route("csv", page=page, table=table, ask=parameters).text
        # The mark tells a spreadsheet the encoding, and would become part of the first name here.
        return csv.removeprefix("\ufeff")

    def report(self, run_id: str) -> str:
        """Return the report of a run as HTML."""
        return self._response_of_console_route("report", run_id=run_id).text

    def tasks(self) -> list[TaskData]:
        """Return the newest works."""
        return [
            _dataclass_from_console_json(TaskData, task)
            for task in self._response_of_console_route("works").json()
        ]

    def start(self, kind: str, **parameters: object) -> TaskData:
        """Start a run and return the work that makes it.

        Raises:
            ForbiddenError: The token's account may not start runs.
            ParameterError: A parameter is out of bounds.
        """
        return _dataclass_from_console_json(
            TaskData, self._response_of_console_route("start", work=kind, body=parameters).json()
        )

    def add_programme(self, name: str, text: str) -> str:
        """Hand in a programme and return the key under which it is started.

        Raises:
            ForbiddenError: The token's account may not start runs.
            ParameterError: The programme holds faults; nothing of it is kept.
        """
        body = {"name": name, "text": text}
        answer = self._response_of_console_route("add_programme", body=body).json()
        return str(answer["programme"])

    def delete_programme(self, key: str) -> None:
        """Delete a programme that was handed in; its runs stay.

        Raises:
            ForbiddenError: The token's account may not start runs.
            ParameterError: It comes with Commonwatt, or a run of it is under way.
        """
        self._response_of_console_route("delete_programme", key=key, body={"confirm": key})

    def task(self, task_id: str) -> TaskData:
        """Return a work as it stands."""
        return _dataclass_from_console_json(
            TaskData, self._response_of_console_route("work", work_id=task_id).json()
        )

    def feed(self, task_id: str, since: int = 0) -> dict[str, Any]:
        """Return what a work takes, from row `since` on."""
        return self._response_of_console_route("feed", work_id=task_id, ask={"since": since}).json()

    def stop(self, task_id: str) -> TaskData:
        """Stop a work."""
        return _dataclass_from_console_json(
            TaskData, self._response_of_console_route("stop", work_id=task_id).json()
        )

    def wait(self, task_id: str, seconds: float = 600, every_s: float = 1.0) -> TaskData:
        """Return a work once it is over.

        Raises:
            WorkError: It was not over in time, or failed.
        """
        # A clock that is set back meanwhile must not make this wait longer.
        until = time.monotonic() + seconds
        while not (work := self.task(task_id)).over:
            if time.monotonic() > until:
                raise TaskError(task_id, found=Message("a run that is not over yet"))
            time.sleep(every_s)
        if work.state != "finished":
            raise TaskError(task_id, found=work.error or work.state)
        return work

    def _response_of_console_route(
        self,
        name: str,
        *,
        ask: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        **places: str,
    ) -> httpx.Response:
        method, form = self.CALLS[name]
        # A slash in a name must not become a step in the path, which would ask for something else.
        address = form.format(**{key: quote(value, safe="") for key, value in places.items()})
        query = {key: str(value) for key, value in (ask or {}).items()}
        answer = self._http.request(
            method, address, params=query, json=dict(body or {}) if method == "POST" else None
        )
        if answer.is_success:
            return answer
        raise _error_of_console_response(answer)


def _dataclass_from_console_json(kind: type[T], answer_json: Mapping[str, Any]) -> T:
    """Return a data object from JSON; what it does not know is left out."""
    # So that an older client still reads a console that has learnt to say more.
    known = {field.name for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    return kind(**{name: value for name, value in answer_json.items() if name in known})


def _error_of_console_response(answer: httpx.Response) -> CommonwattError:
    kind = _ERRORS.get(answer.status_code, CommonwattError)
    try:
        error_body: dict[str, str] = answer.json()
    except ValueError:
        # The guard before all pages, and a proxy before the console, refuse in plain text.
        error_body = {"found": answer.text[:200]}
    parts = {name: error_body.get(name, "") for name in ("found", "wanted", "remedy")}
    return kind(error_body.get("where", str(answer.url)), **parts)
