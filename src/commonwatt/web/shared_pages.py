"""Pages that are made once for all who have the same roles, and whoever asks put in afterwards.

A page about a sealed run is the same for everybody who may see the same things. It is made for
nobody in particular: the one who builds and draws it gets a context without a name, a session
or a token, so that nothing of an account can stand in it. Only the head of the page, and the
token of its forms, are for one person; their places are left open, and are filled for each who
asks.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from markupsafe import Markup

from commonwatt.web.page_view import PageView
from commonwatt.web.request_context import Page, RequestContext, Visitor
from commonwatt.web.runs import RecentCache

if TYPE_CHECKING:
    from commonwatt.web.parameters import PageValues

T = TypeVar("T")
_MOST_VIEWS: Final = 64
_MOST_BYTES: Final = 24_000_000
"""Of drawn pages that a process keeps: some five hundred."""
_ANYBODY: Final = "anybody"
# Nobody knows them, so no text of a run, a programme or an address can look like one.
_TOOLS_PLACE: Final = f"tools-{secrets.token_hex(16)}"
_CSRF_PLACE: Final = f"csrf-{secrets.token_hex(16)}"
_PLACES: Final = re.compile(f"({_TOOLS_PLACE}|{_CSRF_PLACE})".encode())


@dataclass(frozen=True, slots=True)
class SharedPageText:
    """A drawn page with open places.

    Args:
        pieces: Its text; every second piece is the name of a place.
    """

    pieces: tuple[bytes, ...]

    @classmethod
    def of(cls, html: str) -> SharedPageText:
        """Return a page that was drawn for nobody in particular."""
        return cls(tuple(_PLACES.split(html.encode())))

    def filled(self, tools: str, csrf: str) -> bytes:
        """Return the page for one who asks.

        Args:
            tools: Its head, as HTML.
            csrf: The token of their session, escaped.
        """
        texts = {_TOOLS_PLACE.encode(): tools.encode(), _CSRF_PLACE.encode(): csrf.encode()}
        return b"".join(texts[piece] if at % 2 else piece for at, piece in enumerate(self.pieces))

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(len(piece) for piece in self.pieces)


class _NotLastingError(Exception):
    """What was made holds for whoever asked, and for nobody after."""


class SharedPages:
    """What this process has made of late: the contents of pages, and pages as they are drawn."""

    def __init__(self) -> None:
        self._views: RecentCache[PageView] = RecentCache(_MOST_VIEWS)
        self._texts: RecentCache[SharedPageText] = RecentCache(_MOST_BYTES, lambda text: text.size)

    def view(self, shared: SharedPage) -> PageView:
        """Return what a page shows, kept unless it is fleeting."""

        def build_view() -> PageView:
            return shared.page.build(shared.context, shared.values)

        try:
            return self._views.get(shared.key, lambda: shared.lasting(build_view()))
        except _NotLastingError:
            return build_view()

    def text(self, shared: SharedPage, part: str, draw: Callable[[Markup], str]) -> SharedPageText:
        """Return a drawn page.

        Args:
            shared: Which.
            part: Names what the drawing depends on beside the view: theme, table, rows.
            draw: Returns it for nobody in particular, with the given text in the open place.
        """

        def draw_text() -> SharedPageText:
            return SharedPageText.of(draw(Markup(_TOOLS_PLACE)))  # noqa: S704  letters of ours

        try:
            return self._texts.get(f"{shared.key}/{part}", lambda: shared.lasting(draw_text()))
        except _NotLastingError:
            return draw_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPage:
    """One page with its values, for all who have the same roles.

    Args:
        page: Which.
        values: Its parameters.
        context: A look of nobody in particular.
        content: What it is made of, as the page's `content_key` named it.
    """

    page: Page
    values: PageValues
    context: RequestContext
    content: str

    @property
    def key(self) -> str:
        """All that decides what is shown."""
        context = self.context
        roles = ",".join(sorted(context.visitor.roles))
        # The note at the foot names the zone's offset, which changes twice a year.
        note = str(context.time_zone_note)
        parts = (self.page.name, self.values.query_string(), context.language, roles, note)
        return repr((*parts, self.content))

    def lasting(self, made: T) -> T:
        """Return what was just made, if it may be kept.

        Raises:
            _NotLastingError: It shows what is under way; or a run or a pin came while it was
                made: kept under the former key, the newer page would be shown when the former
                state came back.
        """
        is_moved = _content_of(self.context, self.page, self.values) != self.content
        if is_moved or (isinstance(made, PageView) and made.fleeting):
            raise _NotLastingError
        return made


def shared_page_of(context: RequestContext, page: Page, values: PageValues) -> SharedPage | None:
    """Return a page as all with these roles see it; None where it is made for each who asks.

    Raises:
        StillMadeError: What it is made of is not there yet.
    """
    content = _content_of(context, page, values)
    if not content:
        return None
    anybody = replace(
        context,
        visitor=Visitor(name=_ANYBODY, roles=context.visitor.roles, csrf=_CSRF_PLACE),
        path="/",
    )
    return SharedPage(page=page, values=values, context=anybody, content=content)


def _content_of(context: RequestContext, page: Page, values: PageValues) -> str:
    return page.content_key(context, values) if page.content_key else ""
