"""What a process has drawn of late: pages with open places, kept by all that decides them.

It knows neither who asks nor how a page is built, so that whatever serves may hold it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from markupsafe import Markup

from commonwatt.web.page_view import PageView
from commonwatt.web.runs import RecentCache

T = TypeVar("T")
_MOST_VIEWS: Final = 64
_MOST_BYTES: Final = 24_000_000
"""Of drawn pages that a process keeps: some five hundred."""
# Nobody knows them, so no text of a run, a programme or an address can look like one.
_TOOLS_PLACE: Final = f"tools-{secrets.token_hex(16)}"
CSRF_PLACE: Final = f"csrf-{secrets.token_hex(16)}"
_PLACES: Final = re.compile(f"({_TOOLS_PLACE}|{CSRF_PLACE})".encode())


class NotLastingError(Exception):
    """What was made holds for whoever asked, and for nobody after."""


class KeptPage(Protocol):
    """A page that may be kept."""

    @property
    def key(self) -> str:
        """All that decides what is shown."""
        ...

    def build_view(self) -> PageView:
        """Return what it shows."""
        ...

    def lasting(self, made: T) -> T:
        """Return what was just made, if it may be kept; raises `NotLastingError` otherwise."""
        ...


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
        texts = {_TOOLS_PLACE.encode(): tools.encode(), CSRF_PLACE.encode(): csrf.encode()}
        return b"".join(texts[piece] if at % 2 else piece for at, piece in enumerate(self.pieces))

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(len(piece) for piece in self.pieces)


class SharedPages:
    """What this process has made of late: the contents of pages, and pages as they are drawn."""

    def __init__(self) -> None:
        self._views: RecentCache[PageView] = RecentCache(_MOST_VIEWS)
        self._texts: RecentCache[SharedPageText] = RecentCache(_MOST_BYTES, lambda text: text.size)

    def view(self, shared: KeptPage) -> PageView:
        """Return what a page shows, kept unless it is fleeting."""
        try:
            return self._views.get(shared.key, lambda: shared.lasting(shared.build_view()))
        except NotLastingError:
            return shared.build_view()

    def text(self, shared: KeptPage, part: str, draw: Callable[[Markup], str]) -> SharedPageText:
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
        except NotLastingError:
            return draw_text()
