"""The ledger: who decided what, and the proof that nobody changed it since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commonwatt.core.messages import Message
from commonwatt.web.page_view import Fact, Heading, Listing, Rows, View
from commonwatt.web.parameters import Kind, Parameter, Values
from commonwatt.web.request_context import Look, Page
from commonwatt.web.roles import Action, check

if TYPE_CHECKING:
    import polars as pl

_SHOWN: Final = 5_000  # entries in the table; files of the command hold all
_MOST_VERIFIED: Final = 5_000  # entries that a page checks within its time

FROM = Parameter(
    name="from",
    label=Message("First entry"),
    meaning=Message("Number of the first entry shown; the newest ones where nothing is given."),
    kind=Kind.NUMBER,
    minimum=0,
    maximum=1e12,
)
SUBJECT = Parameter(
    name="subject",
    label=Message("Subject"),
    meaning=Message(
        "What entries are about, such as room/heart; one that ends in / means all below."
    ),
    longest=200,
)
PROVE = Parameter(
    name="prove",
    label=Message("Prove an entry"),
    meaning=Message("Number of an entry that is to be proved to stand in this ledger."),
    kind=Kind.NUMBER,
    minimum=0,
    maximum=1e12,
)
VERIFY = Parameter(
    name="verify",
    label=Message("Verify"),
    meaning=Message("Check every hash and signature now; larger ledgers by the command."),
    kind=Kind.CHOICE,
    options=lambda _: [("", Message("no")), ("yes", Message("yes"))],
)


def build(look: Look, values: Values) -> View:
    """Return entries, and proofs where they are asked for."""
    ledger = look.desk.ledger
    head = ledger.head()
    extra: dict[str, Any] = {}
    if values.text(PROVE.name):
        extra["proof"] = _proof(look, int(values.number(PROVE.name)))
    facts = [
        Fact(label=Message("Entries"), value=f"{head.size:,}"),
        Fact(label=Message("Last link"), value=head.link.hex()[:16]),
        Fact(label=Message("Last entry"), value=head.at[:19]),
    ]
    if values.text(VERIFY.name) == "yes":
        check(look.visitor.roles, Action.VERIFY_LEDGER)
        facts.append(_verified(look, head.size))
    return View(
        lede=Message(
            "{size} entries, each chained to the one before it by SHA-256 and signed. What was "
            "written cannot be changed without its being seen.",
            {"size": f"{head.size:,}"},
        ),
        facts=facts,
        tables=[_entries(look, values, head.size)],
        notes=[
            Message(
                "Keep a checkpoint outside this house: commonwatt ledger checkpoint. An export "
                "carries a verifier that needs nothing but Python: commonwatt ledger export"
            )
        ],
        extra=extra,
        data={"size": head.size, "link": head.link.hex(), **extra},
    )


def _verified(look: Look, size: int) -> Fact:
    from commonwatt.ledger.verify import verify

    if size > _MOST_VERIFIED:
        return Fact(
            label=Message("Verified"),
            value="–",
            note=Message("too long for a page; use commonwatt ledger verify"),
        )
    found = verify(look.desk.ledger)
    return Fact(
        label=Message("Verified"),
        value=f"{found.entries:,}",
        note=Message(
            "entries and {signatures} signatures hold; root {root}",
            {"signatures": f"{found.signatures:,}", "root": found.root.hex()[:16]},
        ),
    )


def _proof(look: Look, index: int) -> dict[str, Any]:
    proof = look.desk.ledger.inclusion(index)
    return {
        "index": proof.index,
        "size": proof.size,
        "leaf": proof.leaf.hex(),
        "path": [step.hex() for step in proof.path],
        "root": proof.root.hex(),
        "holds": proof.holds(),
    }


def _entries(look: Look, values: Values, size: int) -> Listing:
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

    return Listing(
        name="entries",
        title=Message("Entries, the newest first"),
        rows=Rows(key=f"ledger/{first}/{subject}/{size}", load=load),
        headings=[
            Heading("entry", Message("Entry")),
            Heading("at", Message("At")),
            Heading("kind", Message("Kind")),
            Heading("subject", Message("Subject")),
            Heading("role", Message("Role")),
            Heading("actor", Message("Actor")),
        ],
    )


_COLUMNS: Final = ["entry", "at", "kind", "subject", "role", "actor"]

PAGE = Page(
    name="ledger",
    title=Message("Ledger"),
    action=Action.SEE_LEDGER,
    build=build,
    parameters=(FROM, SUBJECT, PROVE, VERIFY),
    template="ledger.html",
    group="govern",
)
