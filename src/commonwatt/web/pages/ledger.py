"""The ledger: who decided what, and the proof that nobody changed it since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commonwatt.core.messages import Message
from commonwatt.web.page_view import ColumnHeading, HeadlineFact, PageView, TableListing, TableRows
from commonwatt.web.parameters import PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction, check

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


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return entries, and proofs where they are asked for."""
    ledger = context.desk.ledger
    head = ledger.head()
    extra: dict[str, Any] = {}
    if values.text(PROVE.name):
        extra["proof"] = _proof(context, int(values.number(PROVE.name)))
    facts = [
        HeadlineFact(label=Message("Entries"), value=f"{head.size:,}"),
        HeadlineFact(label=Message("Last link"), value=head.link.hex()[:16]),
        HeadlineFact(label=Message("Last entry"), value=head.at[:19]),
    ]
    if values.text(VERIFY.name) == "yes":
        check(context.visitor.roles, ConsoleAction.VERIFY_LEDGER)
        facts.append(_verified(context, head.size))
    return PageView(
        lede=Message(
            "{size} entries, each chained to the one before it by SHA-256 and signed. What was "
            "written cannot be changed without its being seen.",
            {"size": f"{head.size:,}"},
        ),
        facts=facts,
        tables=[_entries(context, values, head.size)],
        notes=[
            Message(
                "Keep a checkpoint outside this house: commonwatt ledger checkpoint. An export "
                "carries a verifier that needs nothing but Python: commonwatt ledger export"
            )
        ],
        extra=extra,
        data={"size": head.size, "link": head.link.hex(), **extra},
    )


def _verified(look: RequestContext, size: int) -> HeadlineFact:
    from commonwatt.ledger.verify import verify

    if size > _MOST_VERIFIED:
        return HeadlineFact(
            label=Message("Verified"),
            value="–",
            note=Message("too long for a page; use commonwatt ledger verify"),
        )
    found = verify(look.desk.ledger)
    return HeadlineFact(
        label=Message("Verified"),
        value=f"{found.entries:,}",
        note=Message(
            "entries and {signatures} signatures hold; root {root}",
            {"signatures": f"{found.signatures:,}", "root": found.root.hex()[:16]},
        ),
    )


def _proof(look: RequestContext, index: int) -> dict[str, Any]:
    proof = look.desk.ledger.inclusion(index)
    return {
        "index": proof.index,
        "size": proof.size,
        "leaf": proof.leaf.hex(),
        "path": [step.hex() for step in proof.path],
        "root": proof.root.hex(),
        "holds": proof.holds(),
    }


def _entries(look: RequestContext, values: PageValues, size: int) -> TableListing:
    first = int(values.number(FROM.name)) if values.text(FROM.name) else max(0, size - _SHOWN)
    subject = values.text(SUBJECT.name)

    def load() -> pl.DataFrame:
        import polars as pl

        people = {one.actor_id: one.person for one in look.desk.ledger.actors()}
        found = look.desk.ledger.entries(first, subject=subject, limit=_SHOWN)
        rows = [
            {
                "entry": one.index,
                "at": one.at.isoformat(timespec="seconds"),
                "kind": one.kind,
                "subject": one.subject,
                "role": people[one.actor_id].role if one.actor_id in people else "",
                "actor": one.actor_id,
            }
            for one in found
        ]
        return pl.DataFrame(rows[::-1], schema=_COLUMNS)

    return TableListing(
        name="entries",
        title=Message("Entries, the newest first"),
        rows=TableRows(key=f"ledger/{first}/{subject}/{size}", load=load),
        headings=[
            ColumnHeading("entry", Message("Entry")),
            ColumnHeading("at", Message("At")),
            ColumnHeading("kind", Message("Kind")),
            ColumnHeading("subject", Message("Subject")),
            ColumnHeading("role", Message("Role")),
            ColumnHeading("actor", Message("Actor")),
        ],
    )


_COLUMNS: Final = ["entry", "at", "kind", "subject", "role", "actor"]

PAGE = Page(
    name="ledger",
    title=Message("Ledger"),
    action=ConsoleAction.SEE_LEDGER,
    build=build,
    parameters=(FROM, SUBJECT, PROVE, VERIFY),
    template="ledger.html",
    group="govern",
)
