"""Programmes: those that come with the program, and those that were handed in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from commonwatt.core.errors import CommonwattError
from commonwatt.core.messages import Message
from commonwatt.web.page_view import PageView
from commonwatt.web.parameters import PageParameter, PageValues
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction
from commonwatt.web.tasks.kinds import KINDS, console_submitted_programmes_folder

ADDED: Final = PageParameter(
    name="added",
    label=Message("Programme"),
    meaning=Message("Key of a programme that is to be started next; none where nothing is given."),
    longest=60,
)


@dataclass(frozen=True, slots=True)
class ProgrammeFormFault:
    """One fault of a programme: the key at fault, and what is wrong there."""

    where: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedProgramme:
    """What somebody handed in that holds faults, so that the form can show it again.

    Args:
        name: What it should be called.
        text: The file.
        error: What is wrong.
    """

    name: str
    text: str
    error: CommonwattError

    def faults(self, language: str) -> list[ProgrammeFormFault]:
        """Return the faults one by one, in the language of who reads them."""
        from commonwatt.study.programme.faults import programme_faults_of_error

        return [
            # Without the place, which the form sets before the sentence.
            ProgrammeFormFault(
                fault.where,
                CommonwattError("", found=fault.found, wanted=fault.wanted, remedy=fault.remedy)
                .translate(language)
                .removeprefix(": "),
            )
            for fault in programme_faults_of_error(self.error)
        ]


def build_programmes_page(context: RequestContext, values: PageValues) -> PageView:
    """Return the programmes that can be started, and the form that takes another."""
    return programmes_page_view(context, values.text(ADDED.name))


def programmes_page_view(
    context: RequestContext, added: str = "", refused: RefusedProgramme | None = None
) -> PageView:
    """Return the page, with what was refused beside its form.

    Args:
        context: Who looks.
        added: Key of the programme that was just taken.
        refused: What was not taken, and why.
    """
    from commonwatt.study.programme.shipped import shipped_programme_names
    from commonwatt.study.programme.submitted import (
        LARGEST_BYTES,
        submitted_programmes_newest_first,
    )

    own = submitted_programmes_newest_first(
        console_submitted_programmes_folder(context.services.settings.store)
    )
    shipped = shipped_programme_names()
    return PageView(
        lede=Message(
            "{shipped} programmes come with Commonwatt and {own} were handed in here. A programme "
            "is one TOML file; it is checked in full before it is kept, and is never changed.",
            {"shipped": str(len(shipped)), "own": f"{len(own):,}"},
        ),
        extra={
            "own": own,
            "shipped": shipped,
            "added": next((each for each in own if each.key == added), None),
            "refused": refused,
            "study": KINDS["study"],
            "largest": f"{LARGEST_BYTES:,}",
        },
        notes=[
            Message(
                "A programme may name files that the program carries, as shipped:NAME, and files "
                "that are handed in with it; never another file of this server."
            )
        ],
        data={"shipped": list(shipped), "own": [each.key for each in own]},
    )


PAGE = Page(
    name="programmes",
    title=Message("Own programmes"),
    action=ConsoleAction.SEE_PLANS,
    build=build_programmes_page,
    parameters=(ADDED,),
    template="programmes.html",
    group="run",
)
