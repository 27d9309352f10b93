"""Who looks at a page, in which language, and what there is to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from commonwatt.core.messages import Message, translated_text
from commonwatt.web.instants import (
    console_instant_text_in_zone,
    console_iso_day_text_in_zone,
    console_utc_offset_text,
)
from commonwatt.web.page_view import PageView
from commonwatt.web.parameters import PageParameter, PageValues
from commonwatt.web.roles import ConsoleAction, ConsoleRole, roles_can_act

if TYPE_CHECKING:
    from commonwatt.web.services import Services

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Whoever asks: an account with its roles, or nobody.

    Args:
        name: The account's name; empty for nobody.
        roles: What it may do follows from these.
        session: Digest of the session, or empty for a token.
        csrf: What every form of this session must send back.
    """

    name: str = ""
    roles: frozenset[ConsoleRole] = frozenset()
    session: str = ""
    csrf: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """One look at the console.

    Args:
        services: Everything that there is: runs, ledger, what was kept, settings.
        visitor: Who looks.
        language: "en" or "zh-Hant".
        now: The time of the request.
        path: What was asked for, to come back to after a choice of language or theme.
        patience_s: How long a result of `long_result` is waited for; None for as long as it
            takes, as a program does.
    """

    services: Services
    visitor: Visitor
    language: str
    now: datetime
    path: str = "/"
    patience_s: float | None = None

    def can(self, action: ConsoleAction) -> bool:
        """Return whether who looks may do this."""
        return roles_can_act(self.visitor.roles, action)

    def long_result(self, key: str, make: Callable[[], T]) -> T:
        """Return what takes longer than a page may; `key` names all that it is made of.

        Raises:
            StillMadeError: It is not there yet, and who looks is told so.
        """
        return self.services.background.result(key, make, self.patience_s)

    def instant(self, instant: datetime | str) -> str:
        """Return an instant in the zone of this server, its offset beside it."""
        return console_instant_text_in_zone(instant, self.services.settings.zone)

    def day(self, instant: datetime | str) -> str:
        """Return the day of an instant in the zone of this server."""
        return console_iso_day_text_in_zone(instant, self.services.settings.zone)

    @property
    def time_zone_note(self) -> Message:
        """Which zone every time of a page is in."""
        zone = self.services.settings.zone
        offset = console_utc_offset_text(self.now.astimezone(zone))
        # Etc/UTC and UTC are one zone under two names, of which people know the second.
        if offset == zone.key.removeprefix("Etc/"):
            return Message("Times are in {zone}.", {"zone": offset})
        return Message("Times are in {zone}, {offset}.", {"zone": zone.key, "offset": offset})

    def translate(self, text: Message | str) -> str:
        """Return a text in the language of who looks."""
        return translated_text(text, self.language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the console; `commonwatt.web` says how one is added.

    Args:
        name: Its address.
        title: What the menu calls it.
        action: What who looks must be allowed to do.
        build: Returns what is shown for parameters.
        parameters: What the page can be asked.
        template: Its template; the common one shows facts, charts and tables.
        group: Under which heading of the menu it stands: "plan", "govern" or "run".
        content_key: Returns a text that names all that the page is made of beside the program,
            its parameters, the language and the roles of who looks: such a page is made once for
            all who have the same roles, so nothing of an account stands in it. "" where it is
            made anew for each who asks, as without this.
    """

    name: str
    title: Message
    action: ConsoleAction
    build: Callable[[RequestContext, PageValues], PageView]
    parameters: tuple[PageParameter, ...] = ()
    template: str = "page.html"
    group: str = "plan"
    content_key: Callable[[RequestContext, PageValues], str] | None = None
