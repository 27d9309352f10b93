"""The ledger: who decided what, and the proof that nobody changed it since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commonwatt.core.messages import Message
from commonwatt.ledger.measures import ENTRIES, ENTRY_ROWS, LAST_ENTRY, LAST_LINK, VERIFIED
from commonwatt.web.page_view import (
    HeadlineFact,
    PageView,
    TableListing,
    TableRows,
    console_column_headings_of,
    page_headline_fact_of_figure,
)
from commonwatt.web.parameters import PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction, check_roles_can_act

if TYPE_CHECKING:
    import polars as pl

_SHOWN: Final = 5_000  # entries in the table; files of the command hold all
_MOST_VERIFIED: Final = 5_000  # entries that a page checks within its time

FROM = PageParameter(
    name="from",
    label=Message("First entry"),
    meaning=Message("Number of the first entry shown; the newest ones where nothing is given."),
    kind=ParameterKind.NUMBER,
    minimum=0,
    maximum=1e12,
)
SUBJECT = PageParameter(
    name="subject",
    label=Message("Subject"),
    meaning=Message(
        "What entries are about, such as room/heart; one that ends in / means all below."
    ),
    longest=200,
)
PROVE = PageParameter(
    name="prove",
    label=Message("Prove an entry"),
    meaning=Message("Number of an entry that is to be proved to stand in this ledger."),
    kind=ParameterKind.NUMBER,
    minimum=0,
    maximum=1e12,
)
VERIFY = PageParameter(
    name="verify",
    label=Message("Verify"),
    meaning=Message("Check every hash and signature now; larger ledgers by the command."),
    kind=ParameterKind.CHOICE,
    options=lambda _: [("", Message("no")), ("yes", Message("yes"))],
)


def build_ledger_page(context: RequestContext, values: PageValues) -> PageView:
    """Return entries, and proofs where they are asked for."""
    ledger = context.services.ledger
    head = ledger.head()
    extra: dict[str, Any] = {}
    if values.text(PROVE.name):
        extra["proof"] = _ledger_proof_template_data(context, int(values.number(PROVE.name)))
    facts = [
        page_headline_fact_of_figure(ENTRIES, head.size, context.language),
        page_headline_fact_of_figure(LAST_LINK, head.link.hex()[:16], context.language),
        page_headline_fact_of_figure(LAST_ENTRY, context.instant(head.at), context.language),
    ]
    if values.text(VERIFY.name) == "yes":
        # The page is open to more roles than the proof: verifying keeps the server busy, and not
        # everybody who reads may ask for it.
        check_roles_can_act(context.visitor.roles, ConsoleAction.VERIFY_LEDGER)
        facts.append(_ledger_verification_fact(context, head.size))
    return PageView(
        lede=Message(
            "{size} entries, each chained to the one before it by SHA-256 and signed. What was "
            "written cannot be changed without its being seen.",
            {"size": f"{head.size:,}"},
        ),
        facts=facts,
        tables=[_ledger_entries_listing(context, values, head.size)],
        notes=[
            Message(
                "Keep a checkpoint outside this house: commonwatt ledger checkpoint. An export "
                "carries a verifier that needs nothing but Python: commonwatt ledger export"
            )
        ],
        extra=extra,
        data={"size": head.size, "link": head.link.hex(), **extra},
    )


def _ledger_verification_fact(context: RequestContext, size: int) -> HeadlineFact:
    from commonwatt.ledger.verify import verify_ledger

    if size > _MOST_VERIFIED:
        return page_headline_fact_of_figure(
            VERIFIED,
            None,
            context.language,
            note=Message("too long for a page; use commonwatt ledger verify"),
        )
    verification = verify_ledger(context.services.ledger)
    return page_headline_fact_of_figure(
        VERIFIED,
        verification.entries,
        context.language,
        note=Message(
            "entries and {signatures} signatures hold; root {root}",
            {"signatures": f"{verification.signatures:,}", "root": verification.root.hex()[:16]},
        ),
    )


def _ledger_proof_template_data(context: RequestContext, index: int) -> dict[str, Any]:
    proof = context.services.ledger.inclusion(index)
    return {
        "index": proof.index,
        "size": proof.size,
        "leaf": proof.leaf.hex(),
        # The path goes out with the answer, so that whoever distrusts this server can compute the
        # root without it.
        "path": [step.hex() for step in proof.path],
        "root": proof.root.hex(),
        "holds": proof.holds(),
    }


def _ledger_entries_listing(context: RequestContext, values: PageValues, size: int) -> TableListing:
    first = int(values.number(FROM.name)) if values.text(FROM.name) else max(0, size - _SHOWN)
    subject = values.text(SUBJECT.name)

    def load_ledger_entries() -> pl.DataFrame:
        import polars as pl

        people = {actor.actor_id: actor.person for actor in context.services.ledger.actors()}
        entries = context.services.ledger.entries(first, subject=subject, limit=_SHOWN)
        rows = [
            {
                "entry": entry.index,
                "at": entry.at.isoformat(timespec="seconds"),
                "kind": entry.kind,
                "subject": entry.subject,
                "role": people[entry.actor_id].role if entry.actor_id in people else "",
                "actor": entry.actor_id,
            }
            for entry in entries
        ]
        return pl.DataFrame(rows[::-1], schema=_COLUMNS)

    return TableListing(
        name="entries",
        title=Message("Entries, the newest first"),
        # The ledger only grows, so its size names its content.
        rows=TableRows(key=f"ledger/{first}/{subject}/{size}", load=load_ledger_entries),
        headings=console_column_headings_of(ENTRY_ROWS),
    )


_COLUMNS: Final = [column.name for column in ENTRY_ROWS.columns]

PAGE = Page(
    name="ledger",
    title=Message("Ledger"),
    action=ConsoleAction.SEE_LEDGER,
    build=build_ledger_page,
    parameters=(FROM, SUBJECT, PROVE, VERIFY),
    template="ledger.html",
    group="govern",
)
