"""Pages that are made once for all who have the same roles, and whoever asks put in afterwards.

A page about a sealed run is the same for everybody who may see the same things. It is made for
nobody in particular: the one who builds and draws it gets a context without a name, a session
or a token, so that nothing of an account can stand in it. Only the head of the page, and the
token of its forms, are for one person; their places are left open, and are filled for each who
asks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from commonwatt.web.page_cache import CSRF_PLACE, NotLastingError
from commonwatt.web.page_view import PageView
from commonwatt.web.request_context import Page, RequestContext, Visitor

if TYPE_CHECKING:
    from commonwatt.web.parameters import PageValues

T = TypeVar("T")
_ANYBODY: Final = "anybody"


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

    def build_view(self) -> PageView:
        """Return what it shows, made for nobody in particular."""
        return self.page.build(self.context, self.values)

    def lasting(self, made: T) -> T:
        """Return what was just made, if it may be kept.

        Raises:
            NotLastingError: It shows what is under way; or a run or a pin came while it was
                made: kept under the former key, the newer page would be shown when the former
                state came back.
        """
        is_moved = (
            _shared_page_content_key_or_blank(self.context, self.page, self.values) != self.content
        )
        if is_moved or (isinstance(made, PageView) and made.fleeting):
            raise NotLastingError
        return made


def shared_page_of(context: RequestContext, page: Page, values: PageValues) -> SharedPage | None:
    """Return a page as all with these roles see it; None where it is made for each who asks.

    Raises:
        StillMadeError: What it is made of is not there yet.
    """
    content = _shared_page_content_key_or_blank(context, page, values)
    if not content:
        return None
    anybody = replace(
        context,
        visitor=Visitor(name=_ANYBODY, roles=context.visitor.roles, csrf=CSRF_PLACE),
        path="/",
    )
    return SharedPage(page=page, values=values, context=anybody, content=content)


def _shared_page_content_key_or_blank(
    context: RequestContext, page: Page, values: PageValues
) -> str:
    return page.content_key(context, values) if page.content_key else ""
